"""Instants and waits: the clock of the jobs, and how times are read and written.

Instants are unix seconds (UTC), waits are seconds. A value that makes no sense is read as None; nothing raises.
"""

import math
import random
import re
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

# An answer about a video has no instant outside this century: such a number is not an instant.
FIRST, LAST = datetime(2000, 1, 1, tzinfo=UTC).timestamp(), datetime(2100, 1, 1, tzinfo=UTC).timestamp()
# The longest wait, in seconds, that a provider or a subscriber can ask for at a time.
LONGEST_WAIT = 86_400
_NUMBER = re.compile(r"\s*[+-]?[0-9]{1,40}(\.[0-9]*)?([eE][+-]?[0-9]{1,3})?\s*")


@dataclass(frozen=True, slots=True)
class Clock:
    """The time and the randomness of the jobs, so that tests can set both.

    now: the current instant. jitter: a number in [0, 1), which spreads what would otherwise happen at the same moment.
    """

    now: Callable[[], float] = time.time
    jitter: Callable[[], float] = random.random


def number(value: object) -> float | None:
    """Returns a finite number, also from a string of digits; None for anything else, also for true and false."""
    if isinstance(value, str) and _NUMBER.fullmatch(value):
        value = float(value.strip())  # \s matches more characters than float() takes for blanks
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    try:
        return float(value) if math.isfinite(value) else None
    except OverflowError:  # a whole number that no float can hold
        return None


def instant(value: object) -> float | None:
    """Returns the instant in a number (s, ms, us or ns, by its size), in ISO 8601 (UTC) or an HTTP date, else None."""
    amount = number(value)
    if amount is not None:
        for unit in (1, 1e3, 1e6, 1e9):
            if FIRST <= amount / unit < LAST:
                return amount / unit
    at = _calendar(value.strip()) if isinstance(value, str) and len(value) <= 64 else None
    return at if at is not None and FIRST <= at < LAST else None


def _calendar(written: str) -> float | None:
    iso_form = re.sub(r"\s*(UTC|GMT)$", "", written.upper()).replace("/", "-")
    iso_form = re.sub(r"\s+(?=[+-]\d\d:?\d\d$)", "", iso_form)  # Go writes "2026-01-04 12:30:00 +0000 UTC"
    for parse, form in ((datetime.fromisoformat, iso_form), (parsedate_to_datetime, written)):
        try:
            at = parse(form)
            return (at if at.tzinfo else at.replace(tzinfo=UTC)).timestamp()
        except (ValueError, TypeError, IndexError, OverflowError):
            continue
    return None


def seconds_until(value: object, now: float) -> int | None:
    """Returns how many whole seconds somebody asks us to wait, at most a day; None when it cannot be read.

    Reads Retry-After (RFC 9110, section 10.2.3) and similar values, of providers and of subscribers: a number of
    seconds or a date, which is 0 when it has passed. A repeated header arrives as a list joined by commas: of several
    numbers the longest wait counts.
    """
    at = instant(value)
    wait = at - now if at is not None else number(value)
    if wait is None and isinstance(value, str) and "," in value and len(value) <= 200:
        waits = [seconds_until(part, now) for part in value.split(",")]
        return None if None in waits else max(each for each in waits if each is not None)
    if wait is None or (at is None and wait < 0):
        return None
    return math.ceil(min(max(wait, 0), LONGEST_WAIT))


def iso(at: float | None, *, exact: bool = False) -> str | None:
    """Returns an instant as `2026-04-27T11:20:12Z`, to the second; None stays None.

    With `exact`, for the times of a provider, milliseconds are added where there are any: `2026-04-27T11:20:12.922Z`.
    """
    if at is None:
        return None
    seconds, milliseconds = divmod(math.floor(at * 1000 + 0.5), 1000) if exact else (math.floor(at), 0)
    fraction = f".{milliseconds:03}" if milliseconds else ""
    return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%dT%H:%M:%S}{fraction}Z"
