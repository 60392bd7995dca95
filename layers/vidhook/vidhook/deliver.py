"""One attempt at one delivery: send it, judge the answer, say when to try again, and what it says of the subscriber."""

import email.utils
import math
from dataclasses import replace
from datetime import UTC
from typing import TYPE_CHECKING, Any

from vidhook.errors import NotFound, RequestFailed
from vidhook.event import iso
from vidhook.signature import webhook_headers
from vidhook.task import Attempt, Delivery, Subscriber

if TYPE_CHECKING:
    from collections.abc import Mapping

    from vidhook.edges.bus import Bus
    from vidhook.edges.http import Http, Response
    from vidhook.edges.ledger import Ledger
    from vidhook.edges.secrets import Secrets
    from vidhook.event import Event

# Seconds after each failed attempt, about 76 hours in all, as Svix and Standard Webhooks recommend.
PAUSES = (5, 30, 120, 600, 1_800, 7_200, 18_000, 36_000, 50_400, 72_000, 86_400)
JITTER = 0.2
# Nobody may park a delivery beyond the longest pause of the schedule.
LONGEST_RETRY_AFTER = 86_400
ATTEMPT_SECONDS = 15.0
ANSWER_BYTES = 4_096
# A subscriber is disabled by time and evidence, never by a burst: no success for so long, seen over so long.
DISABLE_AFTER = 5 * 86_400
DISABLE_EVIDENCE = 12 * 3_600
# Operators hear of a failing subscriber at the fourth failed attempt of one delivery, about three minutes in.
FAILING_TRIES = 4


def deliver(
    event: "Event",
    delivery: Delivery,
    subscriber: Subscriber,
    *,
    ledger: "Ledger",
    http: "Http",
    secrets: "Secrets",
    bus: "Bus",
    now: float,
    jitter: float,
) -> tuple[Delivery, Attempt]:
    """Makes one attempt and writes down what came of it: in the log, on the delivery and on the subscriber.

    The log is written before anything follows from it, so a crash repeats an attempt but never forgets one. An
    attempt that finds its subscriber to be gone (410) or failing for too long disables it.
    """
    try:
        signing = secrets.signing(subscriber, now)
        made = attempt(event, delivery, subscriber, signing, http=http, now=now, jitter=jitter)
    except (NotFound, ValueError) as error:  # its secret is gone or no secret: that must hold up nobody else
        unsigned = Attempt(delivery.attempts + 1, now, "retry", "secret", detail=str(error))
        made = _with_pause(unsigned, delivery.base, jitter)
    state = {"delivered": "delivered", "retry": "due", "gone": "held", "failed": "failed"}[made.outcome]
    delivery = ledger.note_attempt(delivery, made, state)
    _judge_subscriber(subscriber, made, made.number - delivery.base, ledger=ledger, bus=bus)
    return delivery, made


def _judge_subscriber(subscriber: Subscriber, made: Attempt, tries: int, *, ledger: "Ledger", bus: "Bus") -> None:
    if made.outcome == "delivered":
        if subscriber.failing_since is not None:
            ledger.note_success(subscriber)
            if subscriber.failing_told:
                bus.report("endpoint.recovered", _report(subscriber, made), made.at)
        return
    hold_until = made.at + made.retry_after if made.retry_after else None
    seen = ledger.note_failure(subscriber, made.at, hold_until)
    if seen is None or not seen.active:
        return
    reason = disable_reason(subscriber, made)
    if reason is not None:
        ledger.put_state(seen.id, "disabled", reason)
        bus.report("endpoint.disabled", {**_report(seen, made), "reason": reason}, made.at)
    elif tries >= FAILING_TRIES and not seen.failing_told and ledger.note_failing_told(seen):
        bus.report("endpoint.failing", _report(seen, made), made.at)


def disable_reason(subscriber: Subscriber, made: Attempt) -> str | None:
    """Why a subscriber, as it stood before this failed attempt, is to be disabled after it, or None."""
    if made.outcome == "gone":
        return "it answered 410 Gone"
    since, last = subscriber.failing_since, subscriber.last_failure
    if since is None or last is None or made.at - since < DISABLE_AFTER or last - since < DISABLE_EVIDENCE:
        return None
    return f"no success since {iso(since)}; the last attempt ended with {made.status or made.kind}"


def _report(subscriber: Subscriber, made: Attempt) -> dict[str, Any]:
    """An operational event's detail. The URL's query string may hold a secret and stays out."""
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
    now: float,
    jitter: float,
) -> Attempt:
    """POSTs the event's body, signed at this very moment, and judges what comes back. Never raises for the network.

    `jitter` in [0, 1) stretches the next pause by up to a fifth.
    """
    body = event.body.encode()
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
        broken = Attempt(
            number,
            now,
            "retry",
            error.kind,
            detail=str(error),
            address=error.address,
            tls_version=error.tls_version,
            timings=dict(error.timings),
        )
        return _with_pause(broken, delivery.base, jitter)
    return _with_pause(judge(number, now, response), delivery.base, jitter)


def judge(number: int, now: float, response: "Response") -> Attempt:
    """What a subscriber's answer means: 2xx is delivered, 410 wants nothing more, all else is tried again."""
    outcome = "delivered" if 200 <= response.status < 300 else "gone" if response.status == 410 else "retry"
    return Attempt(
        number,
        now,
        outcome,
        "http",
        status=response.status,
        answer=response.body.decode("utf-8", "replace"),
        address=response.address,
        tls_version=response.tls_version,
        timings=dict(response.timings),
        retry_after=retry_after(response.status, response.headers, now),
    )


def retry_after(status: int, headers: "Mapping[str, str]", now: float) -> int | None:
    """Whole seconds a 429 or 503 asks us to wait (RFC 9110, section 10.2.3: seconds or a date), at most a day."""
    text = headers.get("retry-after", "").strip()
    if status not in (429, 503) or not text:
        return None
    if text.isascii() and text.isdigit():
        return min(int(text[:12]), LONGEST_RETRY_AFTER)
    try:
        date = email.utils.parsedate_to_datetime(text)
        # A date without a zone (the obsolete asctime form) is in UTC.
        wanted = (date if date.tzinfo else date.replace(tzinfo=UTC)).timestamp() - now
    except (TypeError, ValueError, OverflowError):
        return None
    return min(max(0, math.ceil(wanted)), LONGEST_RETRY_AFTER)


def _with_pause(attempt: Attempt, base: int, jitter: float) -> Attempt:
    """The pause before the next attempt: never earlier than promised, never undercutting a Retry-After."""
    if attempt.outcome != "retry":
        return attempt
    done = attempt.number - base
    if done > len(PAUSES):
        return replace(attempt, outcome="failed")
    pause = math.ceil(PAUSES[done - 1] * (1 + JITTER * jitter))
    return replace(attempt, pause=max(pause, attempt.retry_after or 0))
