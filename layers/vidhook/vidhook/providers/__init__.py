"""Providers are data: one TOML file each, read by one engine.

file.py     the TOML file, checked, and the request it describes
reading.py  an HTTP answer read as a snapshot, a retry or a permanent error
reasons.py  why a provider says no: errors of every shape, and their category
values.py   JSON, text, times, progress and URLs out of whatever a provider writes
*.toml      the providers that ship with vidhook
"""
