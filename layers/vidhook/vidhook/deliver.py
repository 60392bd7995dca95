"""Makes one attempt at a delivery: sends it, reads the answer, chooses the next retry and updates the subscriber."""

import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from vidhook.errors import NotFound, RequestFailed
from vidhook.runs import hold, turn
from vidhook.signature import webhook_headers
from vidhook.task import Attempt, AttemptKind, Delivery, DeliveryState, Outcome, Subscriber, SubscriberState
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
ANSWER_BYTES = 4_096
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


@dataclass(frozen=True, slots=True)
class Notifier:
    """Delivers events to subscribers, with these edges and this clock. The bus is for reports about subscribers."""

    ledger: "Ledger"
    http: "Http"
    secrets: "Secrets"
    bus: "Bus"
    clock: "Clock"

    def deliver(self, event: "Event", delivery: Delivery, subscriber: Subscriber) -> tuple[Delivery, Attempt]:
        """Makes one attempt and records its result: in the delivery log, on the delivery and on the subscriber.

        Returns the delivery as it now stands, and the attempt. The log is written first, so a crash can repeat an
        attempt but never lose one. A subscriber that answered 410, or has failed for too long, is disabled.
        """
        try:
            signing = self.secrets.signing(subscriber, self.clock.now())
            made = attempt(event, delivery, subscriber, signing, http=self.http, clock=self.clock)
        except (NotFound, ValueError) as error:  # its secret is missing or invalid; the other subscribers go on
            unsigned = Attempt(
                delivery.attempts + 1, self.clock.now(), Outcome.RETRY, AttemptKind.SECRET, detail=str(error)
            )
            made = _with_pause(unsigned, delivery.base, self.clock.jitter())
        if made.pause and made.retry_after:
            # Many are told the same time to wait, and must not come back at one moment.
            pause = turn(subscriber.id, made.at + made.retry_after, self.ledger, made.at)
            made = replace(made, pause=max(made.pause, pause))
        tries = made.number - delivery.base
        delivery = self.ledger.note_attempt(delivery, made, STATE_AFTER[made.outcome])
        self._update_subscriber(subscriber, made, tries)
        if made.outcome is Outcome.GONE:
            delivery = hold(delivery, self.ledger)
        return delivery, made

    def _update_subscriber(self, subscriber: Subscriber, made: Attempt, tries: int) -> None:
        """Records an attempt's result on its subscriber, and reports a change on the bus."""
        if made.outcome is Outcome.DELIVERED:
            if subscriber.failing_since is not None:
                self.ledger.note_success(subscriber)
                if subscriber.failing_reported:
                    self.bus.report("endpoint.recovered", _report(subscriber, made), made.at)
            return
        hold_until = made.at + made.retry_after if made.retry_after else None
        seen = self.ledger.note_failure(subscriber, made.at, hold_until)
        if seen is None or not seen.active:
            return
        reason = disable_reason(subscriber, made)
        if reason is not None:
            self.ledger.put_state(seen.id, SubscriberState.DISABLED, reason)
            self.bus.report("endpoint.disabled", {**_report(seen, made), "reason": reason}, made.at)
        elif tries >= FAILING_TRIES and not seen.failing_reported and self.ledger.note_failing_reported(seen):
            self.bus.report("endpoint.failing", _report(seen, made), made.at)


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
    signing: tuple[str, ...],
    *,
    http: "Http",
    clock: "Clock",
) -> Attempt:
    """POSTs the event's body, signed at this moment, and returns the attempt. Never raises for the network.

    The clock's jitter makes the next pause longer by up to a fifth. Raises ValueError for a secret that cannot sign.
    """
    body, now = event.body.encode(), clock.now()
    number = delivery.attempts + 1
    headers = {"content-type": "application/json", **webhook_headers(signing, event.id, int(now), body)}
    try:
        response = http.send(
            "POST",
            subscriber.url,
            headers=headers,
            body=body,
            deadline=ATTEMPT_SECONDS,
            max_bytes=ANSWER_BYTES,
            on_excess="truncate",
        )
    except RequestFailed as error:
        made = Attempt(
            number,
            now,
            Outcome.RETRY,
            AttemptKind(error.kind),
            detail=str(error),
            address=error.address,
            tls_version=error.tls_version,
            timings=dict(error.timings),
        )
    else:
        made = judge(number, now, response)
    return _with_pause(made, delivery.base, clock.jitter())


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
        answer=response.body.decode("utf-8", "replace"),
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
