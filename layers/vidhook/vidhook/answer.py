"""Prepares a provider's answer to be kept: at most 16 KiB of it, without our key and without signatures."""

import json
import re
from collections.abc import Mapping
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from vidhook.event import serialize
from vidhook.providers.pieces import pieces
from vidhook.providers.values import parsed
from vidhook.redaction import without_keys
from vidhook.task import Answer
from vidhook.texts import cut, escaped

if TYPE_CHECKING:
    from vidhook.providers.reading import Reading

MOST_BYTES = 16_384
# What a provider's support asks for, and what the engine looks at.
HEADERS = ("content-type", "retry-after", "x-request-id", "request-id", "x-trace-id", "cf-ray", "location")
HEADER_CHARACTERS, LONGEST_NAME = 200, 100
# A shorter text under the name of a secret is left where it stands in a text that is no JSON as a whole.
SHORTEST, MOST_SECRETS = 4, 200
HIDDEN = "[hidden]"
# Enough of a text that hiding what is in it does not make it shorter than what is kept of it.
LOOKED_AT = 4 * MOST_BYTES
# One character of our key may be written as `\\\\u0041` or `&amp;#x41;`.
LONGEST_ESCAPE = 12
# The beginning of a `data:` URL says all but the file itself.
INLINE_CHARACTERS = 100
# A link with what may sign it: a user, a query, a fragment. The slashes may be escaped, as in JSON in a text.
_LINK = re.compile(
    r"(?i)\b([a-z][a-z0-9+.-]{1,15}:(?:\\{0,4}/){2})(?:[^/\s\"'<>?#@\\]{0,200}@)?([^\s\"'<>?#]*)(?:[?#][^\s\"'<>]*)?"
)
# The last words of a name whose value gives access to something; counts of tokens are no secrets.
_KEYS = "api|access|private|secret|signing|encryption|session|auth|shared|master|hmac|ssh|account|subscription|license"
_SENSITIVE = (
    r"(?:signature|token|secret|password|passwd|passphrase|\bpwd|authorization|\bauth|credentials?|cookie|\bjwt|_jwt|(?-i:[a-z]Jwt)"
    rf"|bearer|session[_-]?id|(?:{_KEYS})[ _-]?key(?:[ _-]?id)?|\bsig)"
)
_NAME = re.compile(rf"(?i){_SENSITIVE}$")
_NAMES = re.compile(rf"(?i)(?:{_SENSITIVE}|(?:{_KEYS})[ _-]?key)s$")
# A query that no whole link is before, and a member of JSON in a text, or of what is written like it.
_PAIR = re.compile(rf"(?i)({_SENSITIVE}(?:=|%3D))[^\s\"'<>&]+")
_MEMBER = re.compile(
    rf"(?i)({_SENSITIVE}(?:\\{{0,4}}[\"'])?\s{{0,9}}:\s{{0,9}})(?:(\\{{0,4}}[\"'])(?:\\{{0,8}}[^\"'\\]+)+|-?[0-9][\w.+-]*)"
)
_NAMED = re.compile(
    rf"(?i)({_SENSITIVE}\\{{0,4}}[\"']\s{{0,9}},\s{{0,9}}(?:\\{{0,4}}[\"']value\\{{0,4}}[\"']\s{{0,9}}:\s{{0,9}})?)"
    r"(?:(\\{0,4}[\"'])(?:\\{0,8}[^\"'\\]+)+|-?[0-9][\w.+-]*)"
)
# A header in a text, and what looks like a secret wherever it stands: a JSON Web Token (RFC 7519), also one that is
# cut, a key of the kind `sk-...`, a private key in PEM (RFC 7468).
_HEADER = re.compile(
    r"(?i)\b((?:authorization|(?:set-)?cookie|x-[\w-]{0,40}(?:key|token)):[ \t]{0,9})[^\s\"'<>][^\r\n\"'<>]*"
)
_SECRETS = re.compile(
    r"\beyJ[\w-]{5,}\.[\w-]+(?:\.[\w-]*)*|\bsk-[\w-]{16,}|(?<=\b[Bb]earer )(?=\S*\d)[\w.~+/=-]{8,}"
    r"|(?<=\b[Bb]asic )(?=\S*\d)[\w+/=-]{8,}|-----BEGIN [A-Z ]{0,20}PRIVATE KEY-----[^-]*(?:-----END)?"
)
# In `{"name": "token", "value": "..."}` one member names what another one holds.
_NAMING, _HOLDING = (
    ("name", "key", "header", "field", "param", "parameter", "k"),
    ("value", "values", "val", "content", "v"),
)
_NOTHING, _WORDS, _ALL = 0, 1, 2  # what is hidden of a value: nothing, texts that are no numbers, all
_ROUNDS = 3  # JSON in a text, in JSON in a text


def kept(
    status: int,
    headers: Mapping[str, str],
    body: bytes,
    *,
    reading: "Reading",
    word: str,
    secrets: tuple[str, ...],
    at: float,
) -> Answer:
    """Returns what is kept of an answer that came `at` this instant; `word` is what the history says of it.

    It never raises, whatever the bytes, and takes no longer for a large answer than for one of 64 KiB.
    """
    known = {name.lower(): str(value) for name, value in headers.items()}
    shown, truncated = _body(body, reading, secrets)
    return Answer(
        at=at,
        status=status,
        headers={name: hidden(known[name], secrets)[:HEADER_CHARACTERS] for name in HEADERS if name in known},
        body=shown,
        truncated=truncated,
        bytes=len(body),
        read=_read(reading, word),
    )


def hidden(text: str, secrets: tuple[str, ...]) -> str:
    """Returns a text that others wrote without our secrets and without what signs a link, as all services take it."""
    plain = escaped(without_keys(text, text.encode("utf-8", "surrogatepass"), secrets))
    return _without_signatures(_without_members(plain))


def _body(body: bytes, reading: "Reading", secrets: tuple[str, ...]) -> tuple[Any, bool]:
    if reading.document is not None:
        room = _Room(MOST_BYTES)
        shown = room.tidy(reading.document)  # the engine has hidden the key already
        if not room.is_full and len(serialize(shown)) <= MOST_BYTES:
            return shown, False
        return cut(json.dumps(shown, ensure_ascii=False), MOST_BYTES), True
    begin = body[:LOOKED_AT]
    text = hidden(begin.decode(json.detect_encoding(begin[:64]), "replace"), secrets)
    if len(body) > LOOKED_AT:  # our key may be cut there
        text = text[: -LONGEST_ESCAPE * max(map(len, secrets), default=0) or None]
    shown = cut(text, MOST_BYTES)
    return shown, len(body) > LOOKED_AT or len(shown) < len(text)


def _read(reading: "Reading", word: str) -> dict[str, Any]:
    snapshot = reading.snapshot
    return {
        "answer": word,
        "outcome": reading.outcome,
        "status": str(snapshot.status) if snapshot else None,
        "provider_status": snapshot.provider_status if snapshot else None,
        "known_status": snapshot is None or snapshot.known_status,
        "progress": snapshot.progress if snapshot else None,
        "error": _Room(LOOKED_AT).tidy(asdict(reading.error)) if reading.error else None,
        "retry_after_seconds": reading.retry_after_seconds,
    }


class _Room:
    """Copies JSON without secrets, until it is longer than what is kept; so a large answer costs no more time."""

    def __init__(self, left: int) -> None:
        self._left = left
        self.hidden: list[Any] = []

    @property
    def is_full(self) -> bool:
        return self._left < 0

    def tidy(self, value: Any, hides: int = _NOTHING, rounds: int = _ROUNDS) -> Any:
        """Returns a value as it is kept, with what fits of objects and lists."""
        if hides == _ALL and value and not isinstance(value, bool):
            return self._hide(value)
        if isinstance(value, dict):
            return self._object(value, hides, rounds)
        if isinstance(value, list):
            return self._list(value, hides, rounds)
        if not isinstance(value, str):
            self._spend(1)
            return value
        if hides == _WORDS and not value.strip().isdigit():
            return self._hide(value)
        return self._string(value, rounds)

    def _hide(self, value: Any) -> str:
        self._spend(len(HIDDEN))
        self.hidden.append(value)
        return HIDDEN

    def _object(self, value: dict[str, Any], hides: int, rounds: int) -> dict[str, Any]:
        said = (each for name, each in value.items() if name.lower() in _NAMING and isinstance(each, str))
        named = max(map(_hides, said), default=_NOTHING)
        copy = {}
        for name, each in value.items():
            if self.is_full:
                break
            of_it = named if name.lower() in _HOLDING else _NOTHING
            copy[self._text(name)] = self.tidy(each, max(hides, of_it, _hides(name)), rounds)
        return copy

    def _list(self, value: list[Any], hides: int, rounds: int) -> list[Any]:
        self._spend(2)
        copy, before = [], value[0] if len(value) == 2 and isinstance(value[0], str) else ""  # a pair of name and value
        for number, each in enumerate(value):
            if self.is_full:
                break
            copy.append(self.tidy(each, max(hides, _hides(before) if number else _NOTHING), rounds))
        return copy

    def _string(self, value: str, rounds: int) -> str:
        if value.startswith("data:") and len(value) > INLINE_CHARACTERS:
            value = f"{value[:INLINE_CHARACTERS]}[{len(value)} characters]"
        inner = parsed(value) if rounds and value.lstrip()[:1] in ("{", "[") and len(value) <= LOOKED_AT else None
        if isinstance(inner, dict | list):
            room = _Room(LOOKED_AT)
            tidy = room.tidy(inner, rounds=rounds - 1)
            self.hidden += room.hidden
            value = value if tidy == inner else json.dumps(tidy, ensure_ascii=False)
        return self._text(value)

    def _text(self, text: str) -> str:
        self._spend(len(text) + 2)
        return _without_signatures(escaped(text[:LOOKED_AT]))

    def _spend(self, characters: int) -> None:
        self._left -= characters


def _hides(name: str) -> int:
    """Returns what is hidden of a value under a name."""
    name = name[-LONGEST_NAME:]
    return _ALL if _NAME.search(name) else _WORDS if _NAMES.search(name) else _NOTHING


def _without_signatures(text: str) -> str:
    text = _LINK.sub(lambda link: link[1] + link[2] + ("?" + HIDDEN if _is_signed(link) else ""), text)
    text = _SECRETS.sub(HIDDEN, _HEADER.sub(rf"\1{HIDDEN}", text))
    for member in (_MEMBER, _NAMED):
        text = member.sub(lambda found: f"{found[1]}{found[2] or ''}{HIDDEN}", text)
    return _PAIR.sub(rf"\1{HIDDEN}", text)


def _without_members(text: str) -> str:
    """Returns a text without the secrets in the JSON that it holds, from its first bracket on or in its events."""
    room, begin = _Room(LOOKED_AT), re.search(r"(?m)^data:|[{\[]", text)
    for piece, _ in pieces(text[begin.start() :]) if begin else ():
        room.tidy(parsed(piece.decode()))
    waiting, texts = room.hidden, set[str]()
    while waiting:
        value = waiting.pop()
        if isinstance(value, dict | list):
            waiting += value.values() if isinstance(value, dict) else value
        elif len(found := json.dumps(value, ensure_ascii=False).strip('"')) >= SHORTEST:
            texts.add(found)
    for each in sorted(texts, key=len, reverse=True)[:MOST_SECRETS]:
        text = text.replace(each, HIDDEN)
    return text


def _is_signed(link: re.Match[str]) -> bool:
    return link.end(2) < link.end()
