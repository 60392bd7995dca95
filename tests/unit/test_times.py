"""How times are read and written, and the one reader of Retry-After."""

import email.utils
import math
import time
from datetime import UTC, datetime

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from vidhook.times import LONGEST_WAIT, iso, seconds_until

NOW = 1_777_288_812.0


@pytest.mark.parametrize(
    ("written", "seconds"),
    [
        ("0", 0),
        ("120", 120),
        (" 120 ", 120),
        (120, 120),
        (1.5, 2),
        ("1.5", 2),
        ("+7", 7),
        ("1e3", 1_000),
        ("30, 30", 30),
        ("30, 60", 60),
        ("1," * 30_000 + "1", None),
        ("Mon, 27 Apr 2026 11:22:12 GMT", 120),
        ("Mon Apr 27 11:22:12 2026", 120),
        ("2026-04-27T11:22:12Z", 120),
        ("2026-04-27T13:22:12+02:00", 120),
        ("2026-04-27 11:22:12", 120),
        (str(int(NOW) + 90), 90),
        (str((int(NOW) + 90) * 1000), 90),
        ("Mon, 27 Apr 2026 11:00:00 GMT", 0),
        ("1000000", LONGEST_WAIT),
        ("-5", None),
        ("soon", None),
        ("", None),
        ("30, soon", None),
        (True, None),
        (10**400, None),
        (None, None),
        ([60], None),
    ],
)
def test_a_wait_is_read_in_every_form_that_is_seen(written: object, seconds: int | None) -> None:
    """RFC 9110 has seconds and dates, proxies repeat the header, and providers send other forms too."""
    assert seconds_until(written, NOW) == seconds


@given(seconds=st.integers(0, 10**8))
def test_seconds_are_obeyed_up_to_a_day(seconds: int) -> None:
    """Nobody may make us wait for longer than a day."""
    assert seconds_until(str(seconds), NOW) == min(seconds, LONGEST_WAIT)


@given(ahead=st.integers(-(10**7), 10**7), now=st.floats(1.1e9, 4e9))
def test_a_date_is_obeyed_up_to_a_day(ahead: int, now: float) -> None:
    """A date in the past means no wait."""
    date = email.utils.format_datetime(datetime.fromtimestamp(int(now) + ahead, UTC), usegmt=True)
    assert seconds_until(date, now) == min(max(0, math.ceil(int(now) + ahead - now)), LONGEST_WAIT)


def test_a_date_without_a_zone_is_in_utc(monkeypatch: pytest.MonkeyPatch) -> None:
    """RFC 9110 accepts the old asctime form, which has no zone, and means UTC and not the machine's zone."""
    with monkeypatch.context() as patch:
        patch.setenv("TZ", "America/New_York")
        time.tzset()
        asked = seconds_until("Mon Apr 27 11:21:42 2026", NOW)
    time.tzset()
    assert asked == 90


# A list that mixes seconds and a date has no meaning in RFC 9110, and how it is written decides what is read.
@example(text="30,Mon, 27 Apr 2026 11:22:12 GMT")
@example(text="30, Mon, 27 Apr 2026 11:22:12 GMT")
@example(text="Mon, 27 Apr 2026 11:22:12 GMT, 30")
@given(text=st.text(max_size=40) | st.lists(st.text(max_size=5)).map(",".join))
def test_any_text_is_no_wait_or_at_most_a_day(text: str) -> None:
    """A header may contain anything, and what cannot be read leaves the pause to the schedule."""
    asked = seconds_until(text, NOW)
    assert asked is None or 0 <= asked <= LONGEST_WAIT


@pytest.mark.parametrize(
    ("instant", "text"),
    [
        (None, None),
        (0.0, "1970-01-01T00:00:00Z"),
        (1_777_288_812.999, "2026-04-27T11:20:12Z"),
        (-0.5, "1969-12-31T23:59:59Z"),
        (4_102_444_799.0, "2099-12-31T23:59:59Z"),
    ],
)
def test_our_times_are_iso_8601_in_utc_to_the_second(instant: float | None, text: str | None) -> None:
    """Every language can parse this form, and a time is never rounded into the future."""
    assert iso(instant) == text


@given(milliseconds=st.integers(946_684_800_000, 4_102_444_799_999))
def test_a_providers_milliseconds_come_back_as_they_were_given(milliseconds: int) -> None:
    """A float of seconds is exact enough for milliseconds, so none is cut or rounded."""
    written = iso(milliseconds / 1e3, exact=True)
    assert written is not None
    assert round(datetime.fromisoformat(written).timestamp() * 1_000) == milliseconds
    assert len(written) == (20 if milliseconds % 1_000 == 0 else 24)
