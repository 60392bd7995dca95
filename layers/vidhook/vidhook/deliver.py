"""Makes one attempt at a delivery: sends it, reads the answer, chooses the next retry and updates the subscriber.

A subscriber that hangs has a breaker: its deliveries take turns, one attempt in a `gap` of a minute or more, and the
others wait without an attempt. Each timeout doubles the gap, each answer divides it by four.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from vidhook.errors import NotFound, RequestFailed
from vidhook.event import serialize
from vidhook.runs import hold, turn, wait_in_line
from vidhook.signature import VERSION, webhook_headers
from vidhook.task import Attempt, AttemptKind, Credentials, Delivery, DeliveryState, Outcome, Subscriber
from vidhook.times import iso, seconds_until

if TYPE_CHECKING:
    from vidhook.edges.bus import Bus
    from vidhook.edges.http import Http, Response
    from vidhook.edges.ledger import Ledger
    from vidhook.edges.secrets import Secrets
    from vidhook.event import Event
    from vidhook.times import Clock

# Seconds to pause after each failed attempt, about 76 hours in total, as Svix and Standard Webhooks recommend.
PAUSES = (5, 30, 120, 600, 1_800, 7_200, 18_000, 36_000, 50_400, 72_000, 86_400)
JITTER = 0.2
ATTEMPT_SECONDS = 15.0
# An attempt at one that was well is shorter, as many may wait for its end, or hang with it. If cut, it is repeated.
FIRST_SECONDS = 3.0
AT_ONCE = 1
# For the body of an answer, whose head says all that counts.
BODY_SECONDS = 1.0
# One that took longer than FIRST_SECONDS is not tried while publishing for this long, up to twice.
SLOW_SECONDS = 1_800
# Seconds from the end of one attempt to the next one: after one that was cut, and after one that hung for all its time.
CUT_GAP, HUNG_GAP, LONGEST_GAP = 15.0, 60.0, 600.0
GAP_SHRINKS, LEAST_GAP = 4, 0.1
ANSWER_BYTES = 4_096
# Of the headers of an answer, so that the attempt with a short body is one write unit. What says most comes first.
HEADER_BYTES = 512
SAYING = ("content-type", "retry-after", "location", "server", "www-authenticate", "x-request-id", "cf-ray", "date")
NOT_KEPT = ("set-cookie", "set-cookie2")
# A short burst of failures must not disable a subscriber: it had no success for DISABLE_AFTER seconds, and its failed
# attempts are spread over at least DISABLE_EVIDENCE seconds.
DISABLE_AFTER = 5 * 86_400
DISABLE_EVIDENCE = 12 * 3_600
# A failing subscriber is reported at the fourth failed attempt of one delivery, about three minutes after the first.
FAILING_TRIES = 4
STATE_AFTER = {
    Outcome.DELIVERED: DeliveryState.DELIVERED,
    Outcome.RETRY: DeliveryState.DUE,
    Outcome.GONE: DeliveryState.DUE,  # until its subscriber is disabled; only then it may be held
    Outcome.FAILED: DeliveryState.FAILED,
}


# Writes what became of a delivery by an attempt, and returns it as it then stands.
Record = Callable[[Delivery, Attempt, DeliveryState], Delivery]


@dataclass(frozen=True, slots=True)
class Notifier:
    """Delivers events to subscribers, with these edges and this clock. The bus is for reports about subscribers."""

    ledger: "Ledger"
    http: "Http"
    secrets: "Secrets"
    bus: "Bus"
    clock: "Clock"

    def turn(self, subscriber: Subscriber) -> Subscriber | None:
        """Returns the subscriber as it can be tried now, or None if it hangs and another delivery has its turn.

        The turn of a process that was killed ends by itself.
        """
        now = self.clock.now()
        if not subscriber.hangs(now):
            return subscriber
        until = now + ATTEMPT_SECONDS + _grown(subscriber.gap)
        return replace(subscriber, hold_until=until) if self.ledger.subscribers.move_hold(subscriber, until) else None

    def deliver(
        self, event: "Event", delivery: Delivery, subscriber: Subscriber, record: Record | None = None
    ) -> tuple[Delivery, Attempt]:
        """Makes one attempt and records its result: in the delivery log, on the delivery and on the subscriber.

        `record` does the first two, of a delivery that is not in the ledger yet.

        Returns the delivery as it now stands, and the attempt. The log is written first, so a crash can repeat an
        attempt but never lose one. A subscriber that answered 410, or has failed for too long, is disabled. An attempt
        at one that was well has FIRST_SECONDS; if it is cut then, it does not count and is repeated.
        """
        whole = event.terminal and not subscriber.well(self.clock.now())
        seconds = ATTEMPT_SECONDS if whole else FIRST_SECONDS
        try:
            known = self.secrets.credentials(subscriber)
            made = attempt(event, delivery, subscriber, known, http=self.http, clock=self.clock, seconds=seconds)
        except (NotFound, ValueError) as error:  # its secret cannot be read; the other subscribers go on
            unsigned = Attempt(
                delivery.attempts + 1, self.clock.now(), Outcome.RETRY, AttemptKind.SECRET, detail=str(error)
            )
            made = _with_pause(unsigned, delivery.base, self.clock.jitter())
        cut = made.kind is AttemptKind.TIMEOUT and event.terminal and not whole
        if cut:
            delivery, made = replace(delivery, base=delivery.base + 1), replace(made, pause=AT_ONCE)
        if made.pause and made.retry_after:
            # Many are told the same time to wait, and must not come back at one moment.
            until = made.at + made.retry_after
            if made.pause == made.retry_after:
                pause = wait_in_line(event, subscriber.id, until, self.ledger, made.at)
            else:  # it waits for longer, and not in the line
                pause = turn(subscriber.id, until, self.ledger, made.at)
            made = replace(made, pause=max(made.pause, pause))
        tries = made.number - delivery.base
        delivery = (record or self.ledger.deliveries.note_attempt)(delivery, made, STATE_AFTER[made.outcome])
        self._update_pace(subscriber, made, whole)
        if not cut:
            self._update_subscriber(subscriber, made, tries)
        if made.outcome is Outcome.GONE:
            delivery = hold(delivery, self.ledger)
        return delivery, made

    def _update_pace(self, subscriber: Subscriber, made: Attempt, whole: bool) -> None:
        """Records how fast a subscriber may be tried after an attempt, and ends the turn early if it answered."""
        slow_until, gap = pace_after(subscriber, made, whole=whole)
        if (slow_until, gap) != (subscriber.slow_until, subscriber.gap):
            self.ledger.subscribers.note_pace(subscriber, slow_until, gap)
        if subscriber.hangs(made.at) and gap < subscriber.gap:
            self.ledger.subscribers.move_hold(subscriber, self.clock.now() + gap)

    def _update_subscriber(self, subscriber: Subscriber, made: Attempt, tries: int) -> None:
        """Records an attempt's result on its subscriber, and reports a change on the bus."""
        if made.outcome is Outcome.DELIVERED:
            if subscriber.failing_since is not None:
                self.ledger.subscribers.note_success(subscriber)
                if subscriber.failing_reported:
                    self.bus.report("endpoint.recovered", _report(subscriber, made), made.at)
            return
        hold_until = made.at + made.retry_after if made.retry_after else None
        known = self.ledger.subscribers
        seen = known.note_failure(subscriber, made.at, hold_until)
        if not seen.active:
            return
        reason = disable_reason(subscriber, made)
        if reason is not None:
            if known.disable(seen.id, reason):
                self.bus.report("endpoint.disabled", {**_report(seen, made), "reason": reason}, made.at)
        elif tries >= FAILING_TRIES and not seen.failing_reported and known.note_failing_reported(seen):
            self.bus.report("endpoint.failing", _report(seen, made), made.at)


def pace_after(subscriber: Subscriber, made: Attempt, *, whole: bool) -> tuple[float, float]:
    """Returns a subscriber's `slow_until` and `gap` after an attempt; `whole`: it had all of ATTEMPT_SECONDS."""
    hangs = subscriber.hangs(made.at)
    gap = subscriber.gap if hangs else 0.0
    if hanging_seconds(made):
        return _slow_until(made.at), _grown(gap) if whole else max(CUT_GAP, gap)
    gap = gap / GAP_SHRINKS if gap >= LEAST_GAP * GAP_SHRINKS else 0.0
    if _took(made) > FIRST_SECONDS:
        return _slow_until(made.at), gap
    return (subscriber.slow_until if gap else 0.0), gap


def hanging_seconds(made: Attempt) -> float:
    """Returns how long an attempt took that hung; 0.0 for one that was delivered, or that failed soon."""
    took = _took(made)
    hung = made.kind is AttemptKind.TIMEOUT or took > FIRST_SECONDS
    return took if hung and made.outcome is not Outcome.DELIVERED else 0.0


def _took(made: Attempt) -> float:
    return made.timings.get("total", 0.0) / 1_000


def _grown(gap: float) -> float:
    return min(LONGEST_GAP, max(HUNG_GAP, 2 * gap))


def _slow_until(at: float) -> float:
    """Returns the end of the next whole SLOW_SECONDS: in steps, so that not each slow answer is written."""
    return (at // SLOW_SECONDS + 2) * SLOW_SECONDS


def disable_reason(subscriber: Subscriber, made: Attempt) -> str | None:
    """Returns why a failed attempt disables its subscriber, or None. `subscriber` is as it was before the attempt."""
    if made.outcome is Outcome.GONE:
        return "it answered 410 Gone"
    since, last = subscriber.failing_since, subscriber.last_failure
    if since is None or last is None or made.at - since < DISABLE_AFTER or last - since < DISABLE_EVIDENCE:
        return None
    return f"no success since {iso(since)}; the last attempt ended with {made.status or made.kind}"


def _report(subscriber: Subscriber, made: Attempt) -> dict[str, Any]:
    """Returns the detail of an operational event. The URL's query string may hold a secret and is left out."""
    return {
        "subscriber": subscriber.id,
        "url": subscriber.url.partition("?")[0],
        "failing_since": iso(subscriber.failing_since),
        "last_attempt": {"at": iso(made.at), "outcome": made.outcome, "kind": made.kind, "status": made.status},
    }


def attempt(
    event: "Event",
    delivery: Delivery,
    subscriber: Subscriber,
    credentials: Credentials,
    *,
    http: "Http",
    clock: "Clock",
    seconds: float = ATTEMPT_SECONDS,
) -> Attempt:
    """POSTs the event's body, signed at this moment, and returns the attempt. Never raises for the network.

    An answer that repeats a header of the subscriber's own or the signature, in its headers too, is kept without it.
    The clock's jitter makes the next pause longer by up to a fifth. Raises ValueError for a secret that cannot sign.
    """
    body, now = event.body.encode(), clock.now()
    number = delivery.attempts + 1
    signed = webhook_headers(credentials.signing(now), event.id, int(now), body)
    headers = {**credentials.headers, "content-type": "application/json", **signed}
    try:
        response = http.send(
            "POST",
            subscriber.url,
            headers=headers,
            body=body,
            deadline=seconds,
            max_bytes=ANSWER_BYTES,
            on_excess="truncate",
            body_seconds=BODY_SECONDS,
        )
    except RequestFailed as error:
        made = Attempt(
            number,
            now,
            Outcome.RETRY,
            AttemptKind(error.kind),
            status=error.status,
            detail=str(error),
            address=error.address,
            tls_version=error.tls_version,
            timings=dict(error.timings),
        )
    else:
        made = judge(number, now, response)
    secret = [*credentials.headers.values()]
    if any(VERSION in text for text in (made.answer, *made.headers.values())):
        secret.append(signed["webhook-signature"])
    return _with_pause(_without(made, secret), delivery.base, clock.jitter())


def _without(made: Attempt, secret: Sequence[str]) -> Attempt:
    """Returns an attempt whose answer repeats none of these values of headers, nor words of them."""
    if not secret:
        return made
    from vidhook.redaction import without_keys  # few answers need it

    is_cut = made.detail or len(made.answer.encode()) >= ANSWER_BYTES
    answer, headers = _without_cut(made.answer, secret) if is_cut else made.answer, made.headers
    for value in secret:
        hidden = (value, *value.split())
        answer = without_keys(answer, answer.encode(), hidden)
        headers = without_keys(headers, serialize(headers).encode(), hidden)
    return replace(made, answer=answer, headers=headers)


def _without_cut(answer: str, secret: Sequence[str]) -> str:
    """Returns an answer that was cut, without the beginning of one of these values at its end."""
    for value in secret:
        kept = next((size for size in range(len(value) - 1, 0, -1) if answer.endswith(value[:size])), 0)
        answer = answer[: len(answer) - kept]
    return answer


def kept_headers(headers: Mapping[str, str]) -> dict[str, str]:
    """Returns the headers of an answer that are kept, with lower-case names: whole ones, HEADER_BYTES in all."""
    kept, left = dict[str, str](), HEADER_BYTES
    for name in dict.fromkeys((*SAYING, *headers)):
        if name in headers and name not in NOT_KEPT and (size := len(serialize({name: headers[name]}))) <= left:
            kept[name], left = headers[name], left - size
    return kept


def judge(number: int, now: float, response: "Response") -> Attempt:
    """Returns the attempt for an answer: 2xx is delivered, 410 wants no more events, all else is tried again.

    Retry-After counts with 429 and 503 only.
    """
    asked = response.headers.get("retry-after") if response.status in (429, 503) else None
    return Attempt(
        number,
        now,
        _outcome(response.status),
        AttemptKind.HTTP,
        status=response.status,
        detail=response.broken,
        answer=response.body.decode("utf-8", "replace"),
        headers=kept_headers(response.headers),
        address=response.address,
        tls_version=response.tls_version,
        timings=dict(response.timings),
        retry_after=seconds_until(asked, now),
    )


def _outcome(status: int) -> Outcome:
    if 200 <= status < 300:
        return Outcome.DELIVERED
    return Outcome.GONE if status == 410 else Outcome.RETRY


def _with_pause(attempt: Attempt, base: int, jitter: float) -> Attempt:
    """Returns the attempt with the pause before the next one; after the last pause the delivery has failed.

    The pause is never shorter than PAUSES and Retry-After say.
    """
    if attempt.outcome is not Outcome.RETRY:
        return attempt
    done = attempt.number - base
    if done > len(PAUSES):
        return replace(attempt, outcome=Outcome.FAILED)
    pause = math.ceil(PAUSES[done - 1] * (1 + JITTER * jitter))
    return replace(attempt, pause=max(pause, attempt.retry_after or 0))
