"""Reads plain values from a provider's answer. A value that makes no sense is None; nothing raises."""

import json
import re
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from vidhook.times import instant, number

LINK_LIMIT = 8_192  # servers and browsers accept this length, and it fits into an event
DEPTH = 40  # far below Python's recursion limit, far above any answer
PLAIN = {int, float, bool, type(None)}
LINK_KEYS = (
    *("url", "video_url", "videoUrl", "download_url", "downloadUrl", "file_url", "result_url", "resultUrl", "uri"),
    *("video", "videos", "urls", "video_urls", "result_urls", "resultUrls", "output", "outputs", "result", "results"),
)
LINK = re.compile(r"https?://[^\s\x00-\x20\x7f<>\"\\/?#]+(?:[/?#][^\s\x00-\x20\x7f<>\"\\]*)?", re.IGNORECASE)


def document(body: bytes) -> dict[str, Any] | None:
    """Returns the JSON object in a body, or None.

    Broken UTF-8 and lone surrogates become U+FFFD; NaN and the infinities become null.
    """
    try:
        text = body.decode("utf-8-sig", "replace")
        parsed = json.loads(text, parse_int=_integer, parse_float=number, parse_constant=lambda _: None)
    except (ValueError, RecursionError):
        return None
    return _clean(parsed, DEPTH) if isinstance(parsed, dict) else None


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
    """Returns a text that is not blank, unchanged, or a whole number as its digits, else None."""
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value)
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
    """Returns the first http(s) URL in a string, a list, or an object that has one under a usual name, else None."""
    if isinstance(value, str):
        url = value.strip()
        return url if len(url) <= LINK_LIMIT and LINK.fullmatch(url) and origin(url) else None
    if isinstance(value, dict):
        value = [value.get(key) for key in LINK_KEYS]
    found = (link(item) for item in value) if isinstance(value, list) else ()
    return next((url for url in found if url), None)


def origin(url: str) -> tuple[str, str, int] | None:
    """Returns scheme, host and port of a URL, or None when it has no host or a bad port."""
    try:
        parts = urlsplit(url)
        port = parts.port or {"http": 80, "https": 443}.get(parts.scheme, 0)
    except ValueError:
        return None
    return (parts.scheme, parts.hostname, port) if parts.hostname else None


def link_expiry(url: str) -> float | None:
    """Returns when a signed URL expires, if it says so: X-Amz-Date with X-Amz-Expires or alike, Expires, Azure's se."""
    query = {key.casefold(): value for key, value in parse_qsl(urlsplit(url).query)}
    for key, value in query.items():
        if key.endswith("expires"):
            since, lives = instant(query.get(key.removesuffix("expires") + "date")), number(value)
            return instant(since + lives if since is not None and lives is not None else value)
    return instant(query.get("se")) if "sig" in query else None
