"""What a subscriber's answer means, when a delivery is tried again, and when a subscriber is disabled."""

import math
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vidhook.deliver import (
    ANSWER_BYTES,
    CUT_GAP,
    DISABLE_AFTER,
    DISABLE_EVIDENCE,
    FIRST_SECONDS,
    HEADER_BYTES,
    HUNG_GAP,
    JITTER,
    LONGEST_GAP,
    PAUSES,
    SLOW_SECONDS,
    attempt,
    disable_reason,
    hanging_seconds,
    judge,
    kept_headers,
    pace_after,
)
from vidhook.edges.http import Http, Response
from vidhook.errors import Blocked, ConnectFailed, DnsFailed, ProtocolBroken, RequestFailed, TimedOut, TokenFailed
from vidhook.event import Event, serialize
from vidhook.signature import webhook_headers
from vidhook.task import Attempt, AttemptKind, Credentials, Delivery, Outcome, SigningSecret, Subscriber
from vidhook.times import LONGEST_WAIT, Clock

NOW = 1_777_288_812.0
EVENT = Event("evt_1", "video.completed", "tsk_1", "acme", NOW, '{"id":"evt_1"}')
DELIVERY = Delivery("evt_1", "tsk_1", "sub_1", "video.completed", NOW)
SUBSCRIBER = Subscriber("sub_1", "https://hooks.example/?token=secret")
CREDENTIALS = Credentials((SigningSecret("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"),))

jitters = st.floats(0, 1, exclude_max=True)


def answer(status: int, headers: dict[str, str] | None = None, body: bytes = b"") -> Response:
    return Response(status, headers or {}, body, "https://hooks.example/", "203.0.113.7", "TLSv1.3", {"total": 5.0})


class FakeHttp(Http):
    """Answers with what it is given, or raises it."""

    def __init__(self, said: Response | RequestFailed) -> None:
        self.said = said

    def send(self, *_: Any, **__: Any) -> Response:
        if isinstance(self.said, RequestFailed):
            raise self.said
        return self.said


def tried(said: Response | RequestFailed, done: int = 0, base: int = 0, jitter: float = 0.0) -> Attempt:
    """Returns the attempt after `done` others."""
    delivery = replace(DELIVERY, attempts=done, base=base)
    clock = Clock(lambda: NOW, lambda: jitter)
    return attempt(EVENT, delivery, SUBSCRIBER, CREDENTIALS, http=FakeHttp(said), clock=clock)


@given(status=st.integers(100, 599))
def test_2xx_is_delivered_410_is_gone_and_all_else_is_tried_again(status: int) -> None:
    """A redirect or a 400 may pass, for example during a deployment; only 410 is final."""
    outcome = judge(1, NOW, answer(status)).outcome
    assert outcome == ("delivered" if status // 100 == 2 else "gone" if status == 410 else "retry")


@pytest.mark.parametrize("failure", [DnsFailed("x"), ConnectFailed("x"), TimedOut("x"), Blocked("x")])
def test_a_broken_request_is_an_attempt_with_its_class(failure: RequestFailed) -> None:
    """The delivery log shows why an event did not arrive."""
    failure.address, failure.timings = "203.0.113.7", {"connect": 3.0}
    made = tried(failure)
    assert (made.outcome, made.kind, made.status, made.pause) == ("retry", failure.kind, None, PAUSES[0])
    assert (made.address, made.timings) == ("203.0.113.7", {"connect": 3.0})


def test_an_attempt_shows_the_whole_exchange() -> None:
    """The owner of a subscriber sees what their server answered, even when it is not valid text."""
    made = tried(answer(500, body=b"out of \xff disk"))
    assert (made.number, made.at, made.status, made.answer) == (1, NOW, 500, "out of \ufffd disk")
    assert (made.address, made.tls_version, made.timings) == ("203.0.113.7", "TLSv1.3", {"total": 5.0})


@given(headers=st.dictionaries(st.text("abc-xyz", min_size=1), st.text(st.characters(max_codepoint=255), max_size=400)))
def test_headers_of_an_answer_are_kept_whole_and_in_little_room(headers: dict[str, str]) -> None:
    """An attempt with a short answer must stay one write unit, and half a header would mislead."""
    kept = kept_headers({**headers, "set-cookie": "session=1", "server": "nginx"})
    assert kept.items() <= {**headers, "server": "nginx"}.items()
    assert kept["server"] == "nginx"
    assert len(serialize(kept)) <= HEADER_BYTES


def test_the_headers_that_say_most_are_kept_first() -> None:
    """A proxy may send kilobytes of policies before the one that tells why it refused."""
    long = {f"x-policy-{number}": "x" * 90 for number in range(20)}
    kept = kept_headers({**long, "www-authenticate": "Bearer", "retry-after": "60"})
    assert list(kept)[:2] == ["retry-after", "www-authenticate"]


def test_no_header_of_an_answer_repeats_a_header_of_the_subscribers_own() -> None:
    """A server that mirrors requests must not bring a key into the log."""
    credentials = replace(CREDENTIALS, headers={"X-Api-Key": "key-of-a-gateway"})
    said = answer(401, {"x-echo": "you sent key-of-a-gateway", "x-coded": "key%2Dof%2Da%2Dgateway"})
    made = attempt(EVENT, DELIVERY, SUBSCRIBER, credentials, http=FakeHttp(said), clock=Clock(lambda: NOW))
    assert made.headers == {"x-echo": "you sent [key]", "x-coded": "[key]"}


def test_an_answer_that_repeats_the_signature_is_kept_without_it() -> None:
    """Who may only look at deliveries must not be able to send the event again."""
    signature = webhook_headers(CREDENTIALS.signing(NOW), EVENT.id, int(NOW), EVENT.body.encode())["webhook-signature"]
    said = answer(500, {"x-echo": signature}, f"you sent {signature}".encode())
    made = attempt(EVENT, DELIVERY, SUBSCRIBER, CREDENTIALS, http=FakeHttp(said), clock=Clock(lambda: NOW))
    assert (made.headers, made.answer) == ({"x-echo": "[key]"}, "you sent [key]")


@pytest.mark.parametrize("shown", [1, 8, 15])
def test_an_answer_that_is_cut_inside_a_header_of_the_subscribers_own_is_kept_without_its_beginning(shown: int) -> None:
    """Whoever chooses the length of an event could read such a header bit by bit at an endpoint that repeats both."""
    key = "key-of-a-gateway"
    said = answer(500, body=b" " * (ANSWER_BYTES - shown) + key[:shown].encode())
    credentials = replace(CREDENTIALS, headers={"X-Api-Key": key})
    made = attempt(EVENT, DELIVERY, SUBSCRIBER, credentials, http=FakeHttp(said), clock=Clock(lambda: NOW))
    assert made.answer.strip() == ""


@pytest.mark.parametrize("status", [200, 503])
def test_a_status_whose_head_broke_is_in_the_log_and_not_believed(status: int) -> None:
    """Its owner sees what their server answered; half a head may be of somebody else."""
    failure = ProtocolBroken("the answer ended inside its headers")
    failure.status = status
    made = tried(failure)
    assert (made.outcome, made.kind, made.status) == ("retry", "protocol", status)


def test_what_cut_the_body_of_an_answer_is_in_the_log() -> None:
    """The owner of a server that keeps its lines open should learn of it, although nothing is lost."""
    made = judge(1, NOW, replace(answer(200), broken="the deadline passed while waiting for the answer"))
    assert (made.outcome, made.detail) == ("delivered", "the deadline passed while waiting for the answer")


@given(seconds=st.integers(0, 10**6), status=st.sampled_from([429, 503]))
def test_a_429_or_503_may_ask_us_to_wait_for_a_day_at_most(seconds: int, status: int) -> None:
    """RFC 9110, section 10.2.3, sets no limit, but a subscriber must not stop an event for a year."""
    assert judge(1, NOW, answer(status, {"retry-after": f" {seconds} "})).retry_after == min(seconds, LONGEST_WAIT)


@given(status=st.integers(100, 599).filter(lambda status: status not in (429, 503)))
def test_other_answers_cannot_ask_us_to_wait(status: int) -> None:
    """Only a 429 and a 503 are about the subscriber as a whole."""
    assert judge(1, NOW, answer(status, {"retry-after": "60"})).retry_after is None


@given(done=st.integers(0, len(PAUSES) - 1), base=st.integers(0, 40), jitter=jitters)
def test_the_next_attempt_is_never_earlier_than_promised_nor_a_fifth_later(done: int, base: int, jitter: float) -> None:
    """The documentation promises this schedule to subscribers, for every redelivery run."""
    made = tried(answer(500), done=base + done, base=base, jitter=jitter)
    assert made.pause is not None
    assert PAUSES[done] <= made.pause <= math.ceil(PAUSES[done] * (1 + JITTER))


@given(done=st.integers(0, len(PAUSES) - 1), wish=st.integers(0, 10**6), jitter=jitters)
def test_the_next_attempt_is_never_earlier_than_asked_for(done: int, wish: int, jitter: float) -> None:
    """Retry-After can only make a pause longer."""
    made = tried(answer(429, {"retry-after": str(wish)}), done=done, jitter=jitter)
    assert made.pause is not None
    assert made.pause >= max(PAUSES[done], min(wish, LONGEST_WAIT))


@given(base=st.integers(0, 40))
def test_after_the_last_pause_a_failure_is_final(base: int) -> None:
    """There are eleven pauses and twelve attempts, and a replay starts the count again."""
    last = base + len(PAUSES)
    assert tried(answer(500), done=last - 1, base=base).outcome == "retry"
    given_up = tried(answer(500), done=last, base=base)
    assert (given_up.outcome, given_up.pause) == ("failed", None)
    assert tried(answer(200), done=last, base=base).outcome == "delivered"


def test_a_subscriber_may_be_down_for_a_weekend() -> None:
    """No event is lost between Friday evening and Monday evening."""
    assert 75 <= sum(PAUSES) / 3_600 <= 77


FAILED = Attempt(3, NOW, Outcome.RETRY, AttemptKind.HTTP, status=500)


@given(since=st.floats(0, 60 * 86_400), spread=st.floats(0, 1))
def test_a_subscriber_is_disabled_by_time_and_evidence(since: float, spread: float) -> None:
    """It needs five days without a success, and earlier failures that are at least twelve hours apart."""
    first = NOW - since
    last = first + spread * since
    before = replace(SUBSCRIBER, failing_since=first, last_failure=last)
    enough = NOW - first >= DISABLE_AFTER and last - first >= DISABLE_EVIDENCE
    assert (disable_reason(before, FAILED) is not None) is enough


@given(burst=st.floats(0, 3_600), ago=st.floats(0, 365 * 86_400))
def test_a_burst_and_one_failure_long_after_do_not_disable(burst: float, ago: float) -> None:
    """A subscriber with few events may fail twice in a year, with no delivery in between."""
    before = replace(SUBSCRIBER, failing_since=NOW - ago - burst, last_failure=NOW - ago)
    assert disable_reason(before, FAILED) is None


def test_the_first_failure_does_not_disable() -> None:
    """One failure does not show how long the subscriber has been down."""
    assert disable_reason(SUBSCRIBER, FAILED) is None


def test_a_410_disables_at_once() -> None:
    """With 410 Gone the subscriber itself asks for no more events."""
    assert disable_reason(SUBSCRIBER, replace(FAILED, outcome=Outcome.GONE, status=410)) == "it answered 410 Gone"


def test_every_way_that_a_request_breaks_is_a_kind_of_attempt() -> None:
    """Without a kind for its error class, an attempt would raise an exception instead of being written down.

    No token is made of a subscriber's secrets.
    """
    kinds = {AttemptKind(error.kind) for error in RequestFailed.__subclasses__() if error is not TokenFailed}
    assert kinds == set(AttemptKind) - {AttemptKind.HTTP, AttemptKind.SECRET}


HUNG = Attempt(1, NOW, Outcome.RETRY, AttemptKind.TIMEOUT, timings={"total": 15_000.0})
SOON = Attempt(1, NOW, Outcome.DELIVERED, AttemptKind.HTTP, 200, timings={"total": 20.0})
LATE = replace(SOON, timings={"total": FIRST_SECONDS * 1_000 + 1})
gaps = st.sampled_from([0.0, 0.2, CUT_GAP, HUNG_GAP, LONGEST_GAP])


def after(made: Attempt, gap: float = 0.0, *, whole: bool = True) -> Subscriber:
    """Returns the subscriber after an attempt, which took its turn at this gap."""
    before = replace(SUBSCRIBER, gap=gap, slow_until=NOW + SLOW_SECONDS if gap else 0.0)
    slow_until, gap = pace_after(before, made, whole=whole)
    return replace(before, slow_until=slow_until, gap=gap)


@given(gap=gaps, whole=st.booleans())
def test_an_attempt_that_hung_makes_the_next_one_wait_longer(gap: float, whole: bool) -> None:
    """So what a subscriber costs by hanging is bounded, and the bound sinks."""
    subscriber = after(HUNG, gap, whole=whole)
    assert subscriber.hangs(NOW)
    assert subscriber.hangs(NOW + SLOW_SECONDS)
    assert subscriber.gap == (min(LONGEST_GAP, max(HUNG_GAP, 2 * gap)) if whole else max(CUT_GAP, gap))


@given(gap=gaps, made=st.sampled_from([SOON, LATE, replace(SOON, outcome=Outcome.RETRY, status=500)]))
def test_a_few_answers_in_time_end_the_turns(gap: float, made: Attempt) -> None:
    """One answer is no proof: were all that wait let go at once, each could hang for 15 seconds."""
    answers = 0
    while gap:
        assert after(made, gap).gap < gap
        gap, answers = after(made, gap).gap, answers + 1
    assert answers <= 7
    assert not after(made).hangs(NOW)


def test_publishing_is_spared_a_subscriber_that_is_slow_and_not_one_that_is_well() -> None:
    """One that takes five seconds gets each event once, by its redelivery."""
    assert after(LATE).slow_until >= NOW + SLOW_SECONDS
    assert (after(LATE).gap, after(SOON).slow_until, after(SOON, 0.2).slow_until) == (0.0, 0.0, 0.0)


def test_only_what_hung_counts_as_hanging() -> None:
    """A refusal in a moment costs nothing, and a late 2xx is a success."""
    late_refusal = replace(LATE, outcome=Outcome.RETRY, status=500)
    assert [hanging_seconds(made) for made in (HUNG, late_refusal, SOON, LATE)] == [15.0, 3.001, 0.0, 0.0]
