"""Hides our key in an answer: some providers repeat it, in their errors or in links, and events go to subscribers."""

import base64
import json
import re
from collections.abc import Iterable
from html import unescape
from typing import Any, TypeVar
from urllib.parse import quote

HIDDEN = "[key]"
# A shorter text is hardly a key, and could be an ordinary word of the answer.
SHORTEST = 8
# One character as JSON, a URL or HTML escape it, up to some times over. A backslash before any other stands for it.
ESCAPE = re.compile(
    r"\\\\{0,6}(?:u00([0-9a-fA-F]{2})|x([0-9a-fA-F]{2})|([^\\\w\s]))?"
    r"|%(?:25){0,3}([0-9a-fA-F]{2})"
    r"|&(?:amp;){0,3}(#0{0,6}[0-9]{1,3};?|#[xX]0{0,6}[0-9a-fA-F]{1,2};?|[A-Za-z]{2,12};)"
)
TIMES = 3  # one way to escape within another, such as HTML in JSON

T = TypeVar("T")


def without_keys(answer: T, body: bytes, secrets: Iterable[str]) -> T:
    """Returns the answer, which is what the body holds, with `[key]` in place of our key in all its texts and names.

    `secrets` are the key and what is made of it. Each may be spelled plainly, with the escapes of JSON, of URLs or of
    HTML, or in base64.
    """
    for secret in secrets:
        answer = _without(answer, body, secret)
    return answer


def _without(answer: T, body: bytes, key: str) -> T:
    if len(key) < SHORTEST:
        return answer
    spellings = _spellings(key)
    # Nearly no answer holds the key, and to walk through a large one takes long.
    text = body.decode(json.detect_encoding(body[:4]), "replace")  # as the answer was read
    plain = _unescaped(text)
    if key not in text and not any(spelling in plain for spelling in spellings):
        return answer
    hidden: T = _hidden(answer, key, spellings)
    return hidden


def with_key(url: str, key: str | None) -> str:
    """Returns a link as the provider gave it, for the provider's own host only: that host has seen the key already."""
    return url if key is None else url.replace(HIDDEN, quote(key, safe=""))


def _hidden(value: Any, key: str, spellings: list[str]) -> Any:
    if isinstance(value, str):
        for spelling in spellings:
            value = _replaced(value, spelling)
        return value.replace(key, HIDDEN)
    if isinstance(value, list):
        return [_hidden(item, key, spellings) for item in value]
    if isinstance(value, dict):
        return {_hidden(name, key, spellings): _hidden(item, key, spellings) for name, item in value.items()}
    return value


def _spellings(key: str) -> list[str]:
    """Returns what an unescaped text with the key has in it: the key, or a part of it in base64.

    A byte may begin at three bits of base64. Only the characters that hold nothing but bits of the key are sure.
    """
    raw, found = key.encode("utf-8", "surrogatepass"), [_unescaped(key)]
    for before in range(3):
        coded = base64.b64encode(bytes(before) + raw).decode()
        coded = coded[-(-before * 8 // 6) : (before + len(raw)) * 8 // 6]
        found += [coded, coded.translate({ord("+"): "-", ord("/"): "_"})]
    return [spelling for spelling in dict.fromkeys(found) if 2 * len(spelling) > SHORTEST]


def _unescaped(text: str) -> str:
    for _ in range(TIMES):
        before, text = text, ESCAPE.sub(_character, text)
        if text == before:
            break
    return text


def _character(found: re.Match[str]) -> str:
    code = found[1] or found[2] or found[4]
    if code:
        return chr(int(code, 16))
    return unescape(f"&{found[5]}") if found[5] else found[3] or ""


def _replaced(text: str, spelling: str) -> str:
    """Returns the text with `[key]` for each part that is the spelling when it is unescaped."""
    plain, starts = text, list(range(len(text) + 1))  # where each character of `plain` begins in the text
    for _ in range(TIMES):
        parts, places, at = [], [], 0
        for found in ESCAPE.finditer(plain):
            made = _character(found)
            parts += [plain[at : found.start()], made]
            places += starts[at : found.start()] + [starts[found.start()]] * len(made)
            at = found.end()
        plain, starts = "".join([*parts, plain[at:]]), places + starts[at:]
    done, at = [], 0
    while (here := plain.find(spelling, at)) >= 0:
        done += [text[starts[at] : starts[here]], HIDDEN]
        at = here + len(spelling)
    return "".join([*done, text[starts[at] :]])
