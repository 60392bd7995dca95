"""Reads plain values from a provider's answer. A value that makes no sense is None; nothing raises."""

import gc
import json
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import lru_cache
from itertools import islice
from typing import Any
from urllib.parse import urlsplit

from vidhook.texts import may_have_halves, without_halves
from vidhook.times import number

LINK_LIMIT = 8_192  # servers and browsers accept this length, and it fits into an event
DEPTH = 40  # far below Python's recursion limit, far above any answer
NESTS = (16, 8, 4, 2, 1, 1, 1, 1)  # so many pairs within each other go in each round
MOST_NESTED = 20_000  # objects and lists that are not empty, in an answer that may be deep or has infinite numbers
MOST_INSIDE = 50_000  # commas in a text that is opened as JSON: an answer in it has some hundreds
INFINITE = (float("inf"), float("-inf"))
WRAPPINGS = 3  # JSON in a string in a list of one, and no more
ITEMS = 200  # parts of an object that are looked at, and of all errors together; a real one has fewer than 30
NAME = 200  # characters of a name in an answer
SHORT_NAME = 48  # of which the words are looked at
NESTED = {dict, list}
# What is counted in a text before it is parsed: signs of one kind as one sign. Python's own loops would take longer.
DIGITS = bytes.maketrans(b"123456789E", b"000000000e")
BRACKETS = bytes.maketrans(b"{}", b"[]")
NO_BRACKETS = bytes(set(range(256)) - set(b"[]{}"))
BEGIN = re.compile(r"[ \t\r\n]*+[\[{\"\-0-9tfnNI]")  # of a JSON value, with what Python's parser takes too
PARTS = re.compile(r"[mM][pP]4|[A-Z]+(?![a-z])|[A-Z]?[a-z]+|[0-9]+|[^\W\d_A-Za-z]+")
LINK = re.compile(r"https?://[^\s\x00-\x20\x7f<>\"\\/?#]+(?:[/?#][^\s\x00-\x20\x7f<>\"\\]*)?", re.IGNORECASE)


def document(body: bytes) -> dict[str, Any] | None:
    """Returns the JSON object in a body, also from a list of one or from JSON that stands in a string, else None.

    It may be in UTF-8, UTF-16 or UTF-32. What is broken in it and lone surrogates become U+FFFD; NaN and the infinities
    become null.
    """
    value = parsed(decoded(body))
    for _ in range(WRAPPINGS):
        if isinstance(value, list) and len(value) == 1:
            value = value[0]
        elif isinstance(value, str):
            value = parsed(value)
    return value if isinstance(value, dict) else None


def decoded(body: bytes) -> str:
    """Returns the text of a body in UTF-8, UTF-16 or UTF-32; what is broken in it becomes U+FFFD."""
    return body.decode(json.detect_encoding(body[:64]), "replace")


@contextmanager
def without_collection() -> Iterator[None]:
    """Keeps Python from looking for cycles: a megabyte of brackets sets it off again and again, and JSON has none."""
    collects = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if collects:
            gc.enable()


@without_collection()
def parsed(text: str) -> Any:
    """Returns the JSON value in a text; None if there is none."""
    if BEGIN.match(text) is None:
        return None
    plain = text.encode("utf-8", "replace")
    # The parser is slow with functions of ours, and only numbers that no answer has need them.
    digits = plain.translate(DIGITS, b"+")
    odd, endless = b"0" * 40 in digits, b"0e000" in digits
    if may_have_halves(plain):
        text = without_halves(text)
    try:
        # Relays that make JSON by hand put raw line breaks into its texts.
        value = json.loads(
            text,
            parse_int=_integer if odd else None,
            parse_constant=lambda _: None,
            strict=False,
        )
        if endless or _may_be_deep(plain):
            _mend(value)
    except (ValueError, RecursionError):
        return None
    return value


def _may_be_deep(text: bytes) -> bool:
    """Returns whether JSON may be nested deeper than DEPTH: what is left of its brackets without all inner pairs."""
    left = text.translate(BRACKETS, NO_BRACKETS)
    removed = 0
    for pairs in NESTS:
        if removed + len(left) // 2 <= DEPTH:
            return False
        left = left.replace(b"[" * pairs + b"]" * pairs, b"")
        removed += pairs
    return removed + len(left) // 2 > DEPTH


def embedded(value: object) -> Any:
    """Returns the object or list in a text that is JSON, any other value unchanged."""
    if isinstance(value, str) and value.lstrip()[:1] in ("{", "[", '"') and value.count(",") < MOST_INSIDE:
        inner = _parsed_once(value)
        return inner if isinstance(inner, dict | list) else value
    return value


@lru_cache(8)
def _parsed_once(text: str) -> Any:
    inner = parsed(text)
    return parsed(inner) if isinstance(inner, str) else inner


def forget() -> None:
    """Frees what was kept for an answer of which each place of a provider file may read the same text."""
    _parsed_once.cache_clear()


def opened(value: object, depth: int = 4) -> Any:
    """Returns an object in which objects and lists stand for the texts that are their JSON."""
    value = embedded(value)
    if depth and isinstance(value, dict):
        return {key: opened(inner, depth - 1) for key, inner in value.items()}
    return value


def names_in(value: Mapping[str, object]) -> dict[str, object]:
    """Returns the values in an object, with `error_code`, `errorCode` and `ErrorCode` as one name; the first counts."""
    found: dict[str, object] = {}
    for key, inner in islice(value.items(), ITEMS):
        if inner not in (None, ""):
            found.setdefault(spelled(key), inner)
    return found


@lru_cache(4_096)
def spelled(key: str) -> str:
    """Returns one spelling for `error_code`, `errorCode` and `ErrorCode`."""
    return key[:NAME].replace("_", "").casefold()


@lru_cache(4_096)
def words_in(key: str) -> frozenset[str]:
    """Returns the words in a name, in lower case: the same for `output_video`, `outputVideo` and `OutputVIDEO`."""
    return frozenset(part.casefold() for part in PARTS.findall(key[:SHORT_NAME]))


def _integer(digits: str) -> int | None:
    return int(digits) if len(digits) < 40 else None  # int() refuses very long ones with an error


def _mend(value: Any) -> None:
    """Empties what is nested deeper than DEPTH, and puts null for infinities, in place.

    Raises ValueError if there is more of it than any answer has: a megabyte may hold a quarter of a million values.
    """
    level = [value] if value and type(value) in NESTED else []
    left = MOST_NESTED
    for _ in range(DEPTH):
        left -= len(level)
        if left < 0:
            raise ValueError
        for outer in level:
            _end_infinities(outer)
        level = [
            inner
            for outer in level
            for inner in (outer.values() if type(outer) is dict else outer)
            if inner and type(inner) in NESTED
        ]
    for outer in level:
        outer.clear()


def _end_infinities(outer: Any) -> None:
    values = outer.values() if type(outer) is dict else outer
    if INFINITE[0] not in values and INFINITE[1] not in values:
        return
    for key, inner in list(outer.items() if type(outer) is dict else enumerate(outer)):
        if inner in INFINITE:
            outer[key] = None


def text(value: object) -> str | None:
    """Returns a text that is not blank, unchanged, or a whole number (1.0 too) as its digits, else None."""
    if isinstance(value, int | float) and not isinstance(value, bool) and value == value // 1:
        return str(int(value))
    return value if isinstance(value, str) and value.strip() else None


def count(value: object) -> int | None:
    """Returns a whole number of 0 or more, such as a position in a queue, else None."""
    amount = number(value)
    return int(amount) if amount is not None and amount >= 0 and amount.is_integer() else None


def percent(value: object) -> int | None:
    """Returns progress, 0 to 100, from 50, "50", "50%", 0.5 or "0.5"; what is outside is clamped.

    A number up to 1 that is written with a decimal point is a fraction: 1.0 is 100 %, but 1 is 1 %.
    """
    given = value.strip() if isinstance(value, str) else value
    marked = isinstance(given, str) and given.endswith("%")
    amount = number(given[:-1] if marked and isinstance(given, str) else given)
    if amount is None:
        return None
    fraction = not marked and 0 < amount <= 1 and "." in str(given)
    return round(min(max(amount * 100 if fraction else amount, 0), 100))


def link(value: object) -> str | None:
    """Returns a text that is an absolute http(s) URL and nothing else, without the blanks around it, else None."""
    url = value.strip() if isinstance(value, str) else ""
    return url if len(url) <= LINK_LIMIT and LINK.fullmatch(url) and origin(url) else None


def origin(url: str) -> tuple[str, str, int] | None:
    """Returns scheme, host and port of a URL, or None when it has no host or a bad port."""
    try:
        parts = urlsplit(url)
        port = parts.port or {"http": 80, "https": 443}.get(parts.scheme, 0)
    except ValueError:
        return None
    return (parts.scheme, parts.hostname, port) if parts.hostname else None
