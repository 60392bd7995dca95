"""What a subscriber's answer means, when it is tried again, and what it takes to disable it."""

import email.utils
import math
import time
from dataclasses import replace
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vidhook.deliver import (
    DISABLE_AFTER,
    DISABLE_EVIDENCE,
    JITTER,
    LONGEST_RETRY_AFTER,
    PAUSES,
    attempt,
    disable_reason,
    judge,
    retry_after,
)
from vidhook.edges.http import Response
from vidhook.errors import Blocked, ConnectFailed, DnsFailed, RequestFailed, TimedOut
from vidhook.event import Event
from vidhook.task import Attempt, Delivery, Subscriber

NOW = 1_777_288_812.0
EVENT = Event("evt_1", "video.completed", "tsk_1", "acme", NOW, '{"id":"evt_1"}')
DELIVERY = Delivery("evt_1", "tsk_1", "sub_1", "video.completed", NOW)
SUBSCRIBER = Subscriber("sub_1", "https://hooks.example/?token=secret", "name")
SIGNING = ("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",)

jitters = st.floats(0, 1, exclude_max=True)


def answer(status: int, headers: dict[str, str] | None = None, body: bytes = b"") -> Response:
    return Response(
        status, headers or {}, body, False, "https://hooks.example/", "203.0.113.7", "TLSv1.3", {"total": 5.0}
    )


class FakeHttp:
    """Answers with what it is given, or raises it."""

    def __init__(self, said: Response | RequestFailed) -> None:
        self.said = said

    def send(self, *_: object, **__: object) -> Response:
        if isinstance(self.said, RequestFailed):
            raise self.said
        return self.said


def tried(said: Response | RequestFailed, done: int = 0, base: int = 0, jitter: float = 0.0) -> Attempt:
    """The attempt after `done` of them."""
    delivery = replace(DELIVERY, attempts=done, base=base)
    return attempt(EVENT, delivery, SUBSCRIBER, SIGNING, http=FakeHttp(said), now=NOW, jitter=jitter)  # type: ignore[arg-type]


@given(status=st.integers(100, 599))
def test_2xx_is_delivered_410_is_gone_and_all_else_is_tried_again(status: int) -> None:
    """A redirect or a 400 may be a deployment in the middle of things; only 410 says never again."""
    outcome = judge(1, NOW, answer(status)).outcome
    assert outcome == ("delivered" if status // 100 == 2 else "gone" if status == 410 else "retry")


@pytest.mark.parametrize("failure", [DnsFailed("x"), ConnectFailed("x"), TimedOut("x"), Blocked("x")])
def test_a_broken_request_is_an_attempt_with_its_class(failure: RequestFailed) -> None:
    """The delivery log answers why an event did not arrive."""
    failure.address, failure.timings = "203.0.113.7", {"connect": 3.0}
    made = tried(failure)
    assert (made.outcome, made.kind, made.status, made.pause) == ("retry", failure.kind, None, PAUSES[0])
    assert (made.address, made.timings) == ("203.0.113.7", {"connect": 3.0})


def test_an_attempt_shows_the_whole_exchange() -> None:
    """A subscriber's owner sees what their server said, even when it is no text."""
    made = tried(answer(500, body=b"out of \xff disk"))
    assert (made.number, made.at, made.status, made.answer) == (1, NOW, 500, "out of \ufffd disk")
    assert (made.address, made.tls_version, made.timings) == ("203.0.113.7", "TLSv1.3", {"total": 5.0})


@given(seconds=st.integers(0, 10**15), status=st.sampled_from([429, 503]))
def test_retry_after_in_seconds_is_obeyed_up_to_a_day(seconds: int, status: int) -> None:
    """RFC 9110, section 10.2.3; nobody may park an event for a year."""
    assert retry_after(status, {"retry-after": f" {seconds} "}, NOW) == min(seconds, LONGEST_RETRY_AFTER)


@given(ahead=st.integers(-(10**9), 10**9), now=st.floats(0, 4e9))
def test_retry_after_as_a_date_is_obeyed_up_to_a_day(ahead: int, now: float) -> None:
    """A date that has passed asks for nothing."""
    date = email.utils.format_datetime(datetime.fromtimestamp(max(0, int(now) + ahead), UTC), usegmt=True)
    asked = retry_after(503, {"retry-after": date}, now)
    assert asked == min(max(0, math.ceil(max(0, int(now) + ahead) - now)), LONGEST_RETRY_AFTER)


def test_a_date_without_a_zone_is_in_utc(monkeypatch: pytest.MonkeyPatch) -> None:
    """The obsolete asctime form has none, and RFC 9110 has us accept it; the machine's own zone is nobody's wish."""
    at = datetime.fromtimestamp(NOW + 90, UTC).strftime("%a %b %d %H:%M:%S %Y")
    with monkeypatch.context() as patch:
        patch.setenv("TZ", "America/New_York")
        time.tzset()
        asked = retry_after(503, {"retry-after": at}, NOW)
    time.tzset()
    assert asked == 90


@given(text=st.text(max_size=40))
def test_nonsense_in_retry_after_is_ignored(text: str) -> None:
    """A header may hold anything; the schedule holds then."""
    asked = retry_after(429, {"retry-after": text}, NOW)
    assert asked is None or 0 <= asked <= LONGEST_RETRY_AFTER


@given(status=st.integers(100, 599).filter(lambda status: status not in (429, 503)))
def test_other_answers_cannot_ask_for_quiet(status: int) -> None:
    """Only these two statuses speak of the whole subscriber."""
    assert retry_after(status, {"retry-after": "60"}, NOW) is None


@given(done=st.integers(0, len(PAUSES) - 1), base=st.integers(0, 40), jitter=jitters)
def test_the_next_attempt_is_never_earlier_than_promised_nor_a_fifth_later(done: int, base: int, jitter: float) -> None:
    """The schedule is a promise to the subscriber, whichever run it is."""
    made = tried(answer(500), done=base + done, base=base, jitter=jitter)
    assert made.pause is not None
    assert PAUSES[done] <= made.pause <= math.ceil(PAUSES[done] * (1 + JITTER))


@given(done=st.integers(0, len(PAUSES) - 1), wish=st.integers(0, 10**6), jitter=jitters)
def test_the_next_attempt_is_never_earlier_than_asked_for(done: int, wish: int, jitter: float) -> None:
    """Retry-After can only make a pause longer."""
    made = tried(answer(429, {"retry-after": str(wish)}), done=done, jitter=jitter)
    assert made.pause is not None
    assert made.pause >= max(PAUSES[done], min(wish, LONGEST_RETRY_AFTER))


@given(base=st.integers(0, 40))
def test_after_the_last_pause_a_failure_is_final(base: int) -> None:
    """Eleven pauses, twelve attempts; a replay begins the count anew."""
    last = base + len(PAUSES)
    assert tried(answer(500), done=last - 1, base=base).outcome == "retry"
    given_up = tried(answer(500), done=last, base=base)
    assert (given_up.outcome, given_up.pause) == ("failed", None)
    assert tried(answer(200), done=last, base=base).outcome == "delivered"


def test_a_subscriber_may_be_gone_for_a_weekend() -> None:
    """From Friday evening to Monday evening nothing is lost."""
    assert 75 <= sum(PAUSES) / 3_600 <= 77


FAILED = Attempt(3, NOW, "retry", "http", status=500)


@given(since=st.floats(0, 60 * 86_400), spread=st.floats(0, 1))
def test_a_subscriber_is_disabled_by_time_and_evidence(since: float, spread: float) -> None:
    """Five days without a success, and failures seen over at least twelve hours of them before this one."""
    before = replace(SUBSCRIBER, failing_since=NOW - since, last_failure=NOW - since + spread * since)
    evidence = before.last_failure - before.failing_since
    enough = NOW - before.failing_since >= DISABLE_AFTER and evidence >= DISABLE_EVIDENCE
    assert (disable_reason(before, FAILED) is not None) is enough


@given(burst=st.floats(0, 3_600), ago=st.floats(0, 365 * 86_400))
def test_a_burst_and_one_failure_long_after_do_not_disable(burst: float, ago: float) -> None:
    """A subscriber of rare events may fail twice in a year with nothing in between."""
    before = replace(SUBSCRIBER, failing_since=NOW - ago - burst, last_failure=NOW - ago)
    assert disable_reason(before, FAILED) is None


def test_the_first_failure_ever_does_not_disable() -> None:
    """There is no time and no evidence yet."""
    assert disable_reason(SUBSCRIBER, FAILED) is None


def test_gone_disables_at_once() -> None:
    """410 is the one answer by which a subscriber takes its leave."""
    assert disable_reason(SUBSCRIBER, replace(FAILED, outcome="gone", status=410)) == "it answered 410 Gone"
