"""Providers are data: one TOML file each, read by one engine.

file.py     the TOML file, checked, and the request it describes
reading.py  an HTTP answer read as a snapshot, a retry or a permanent error
statuses.py what a status word means
results.py  which link is the finished file, whether it needs the key, and when it expires
reasons.py  the code, the message and the category of errors of every shape
codes.py    what the codes of well-known video APIs mean
wording.py  what the words of an error mean
values.py   JSON, text, numbers and links from a provider's answer
*.toml      the providers that ship with vidhook
formats/    what several providers have in common
"""
