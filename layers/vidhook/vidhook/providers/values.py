"""Reads plain values from a provider's answer. A value that makes no sense is None; nothing raises."""

import json
import re
from collections.abc import Mapping
from itertools import islice
from typing import Any
from urllib.parse import urlsplit

from vidhook.times import number

LINK_LIMIT = 8_192  # servers and browsers accept this length, and it fits into an event
DEPTH = 40  # far below Python's recursion limit, far above any answer
WRAPPINGS = 3  # JSON in a string in a list of one, and no more
ITEMS = 200  # parts of an object that are looked at, and of all errors together; a real one has fewer than 30
NAME = 200  # characters of a name in an answer
PLAIN = {int, float, bool, type(None)}
LINK = re.compile(r"https?://[^\s\x00-\x20\x7f<>\"\\/?#]+(?:[/?#][^\s\x00-\x20\x7f<>\"\\]*)?", re.IGNORECASE)


def document(body: bytes) -> dict[str, Any] | None:
    """Returns the JSON object in a body, also from a list of one or from JSON that stands in a string, else None.

    It may be in UTF-8, UTF-16 or UTF-32. What is broken in it and lone surrogates become U+FFFD; NaN and the infinities
    become null.
    """
    value = parsed(body.decode(json.detect_encoding(body[:64]), "replace"))
    for _ in range(WRAPPINGS):
        if isinstance(value, list) and len(value) == 1:
            value = value[0]
        elif isinstance(value, str):
            value = parsed(value)
    return value if isinstance(value, dict) else None


def parsed(text: str) -> Any:
    """Returns the JSON value in a text; None if there is none."""
    try:
        # Relays that make JSON by hand put raw line breaks into its texts.
        value = json.loads(text, parse_int=_integer, parse_float=number, parse_constant=lambda _: None, strict=False)
    except (ValueError, RecursionError):
        return None
    # Most answers are flat and have no escaped surrogate, and a copy of a large one costs time.
    escaped = "\\" in text and ("\\ud" in text or "\\uD" in text)
    odd = escaped or text.count("[") + text.count("{") > DEPTH
    return _clean(value, DEPTH) if odd else value


def embedded(value: object) -> Any:
    """Returns the object or list in a text that is JSON, any other value unchanged."""
    if isinstance(value, str) and value.lstrip()[:1] in ("{", "[", '"'):
        inner = parsed(value)
        if isinstance(inner, str):
            inner = parsed(inner)
        return inner if isinstance(inner, dict | list) else value
    return value


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


def spelled(key: str) -> str:
    """Returns one spelling for `error_code`, `errorCode` and `ErrorCode`."""
    return key[:NAME].replace("_", "").casefold()


def _integer(digits: str) -> int | None:
    return int(digits) if len(digits) < 40 else None  # int() refuses very long ones with an error


def _clean(value: Any, depth: int) -> Any:
    # Exact types, early ends and no copy of a list: a megabyte may hold a quarter of a million values.
    kind = type(value)
    if kind is str:
        return value if value.isascii() else value.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    if kind not in (dict, list) or not value:
        return value
    if depth == 0:
        return None
    if kind is list:
        for place, item in enumerate(value):
            if item and type(item) not in PLAIN:
                value[place] = _clean(item, depth - 1)
        return value
    return {_clean(key, depth): _clean(item, depth - 1) for key, item in value.items()}


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
