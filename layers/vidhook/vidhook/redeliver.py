"""One more attempt at one subscriber that was not reached at once, and new runs for what was held or given up."""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from vidhook.deliver import deliver
from vidhook.errors import NotFound
from vidhook.task import Attempt, Delivery

if TYPE_CHECKING:
    from vidhook.edges.bus import Bus
    from vidhook.edges.http import Http
    from vidhook.edges.ledger import Ledger
    from vidhook.edges.machines import Machines
    from vidhook.edges.secrets import Secrets
    from vidhook.event import Event

# How many deliveries a second are sent anew, whatever the reason.
ANEW_RATE = 10


@dataclass(frozen=True, slots=True)
class Redelivered:
    """What one round led to. `waited_for` is the hold (unix seconds) that the pause before the next round waits out."""

    settled: bool
    pause: int = 0
    waited_for: float = 0.0
    attempt: Attempt | None = None
    state: str = ""
    undelivered_seconds: float = 0.0


def redeliver(
    watch_id: str,
    event_id: str,
    subscriber_id: str,
    run: int,
    *,
    waited_for: float = 0.0,
    ledger: "Ledger",
    http: "Http",
    secrets: "Secrets",
    bus: "Bus",
    now: float,
    jitter: float,
) -> Redelivered:
    """Tries a delivery once more, as the subscriber stands at this moment: a changed URL or secret is used.

    A removed subscriber cancels it, a paused or disabled one holds it, and one that asked for quiet is waited for;
    `waited_for` says up to when this execution has waited already. A newer run of the delivery ends this one.
    """
    try:
        delivery = ledger.delivery(watch_id, event_id, subscriber_id)
    except NotFound:
        return Redelivered(True, state="forgotten")
    if delivery.state != "due" or delivery.run != run:
        return Redelivered(True, state=delivery.state)
    event = _event(delivery, ledger)
    if event is None:
        # It would stay due, and be started again by every sweep.
        ledger.change_delivery(replace(delivery, state="cancelled", next_at=None))
        return Redelivered(True, state="cancelled")
    try:
        subscriber = ledger.subscriber(subscriber_id)
    except NotFound:
        ledger.change_delivery(replace(delivery, state="cancelled", next_at=None))
        return Redelivered(True, state="cancelled")
    if not subscriber.active:
        hold(delivery, ledger)
        return Redelivered(True, state="held")
    waiting = now - delivery.created_at
    if subscriber.hold_until > max(now, waited_for):
        pause = int(subscriber.hold_until - now) + 1
        ledger.change_delivery(replace(delivery, next_at=now + pause))
        return Redelivered(False, pause, subscriber.hold_until, state="due", undelivered_seconds=waiting)
    delivery, attempt = deliver(
        event, delivery, subscriber, ledger=ledger, http=http, secrets=secrets, bus=bus, now=now, jitter=jitter
    )
    pause = attempt.pause or 0
    return Redelivered(attempt.pause is None, pause, now + pause, attempt, delivery.state, waiting)


def _event(delivery: Delivery, ledger: "Ledger") -> "Event | None":
    """The event to be delivered; None for progress, which is told once or never, and for one whose days are over."""
    try:
        event = ledger.event(delivery.watch_id)
    except NotFound:
        return None
    return event if event.id == delivery.event_id else None


def hand_on(delivery: Delivery, pause: int) -> dict[str, Any]:
    """The input of a redelivery execution: ids and seconds only."""
    return {
        "watch": delivery.watch_id,
        "event": delivery.event_id,
        "subscriber": delivery.subscriber_id,
        "run": delivery.run,
        "pause": pause,
    }


def start_run(
    delivery: Delivery,
    *,
    pause: int,
    afresh: bool,
    ledger: "Ledger",
    machines: "Machines",
    redeliver_arn: str,
    now: float,
) -> Delivery:
    """Starts a delivery's next run; `afresh` gives it the whole schedule again, as a replay wants.

    One that came to its end since it was read is left alone.
    """
    delivery = ledger.start_run(delivery, pause=pause, now=now, afresh=afresh)
    if delivery.state == "due":
        machines.start(redeliver_arn, delivery.execution_name, hand_on(delivery, pause))
    return delivery


def send_anew(
    deliveries: Iterable[Delivery], *, ledger: "Ledger", machines: "Machines", redeliver_arn: str, now: float
) -> int:
    """Starts a fresh run of each delivery, ten a second, so that nobody who comes back is run over. Says how many."""
    started = 0
    for delivery in deliveries:
        pause = 1 + started // ANEW_RATE
        start_run(
            delivery, pause=pause, afresh=True, ledger=ledger, machines=machines, redeliver_arn=redeliver_arn, now=now
        )
        started += 1
    return started


def hold(delivery: Delivery, ledger: "Ledger") -> None:
    """Keeps a delivery for a subscriber that is paused or disabled until it comes back.

    It may come back, and drain what is held, while we write: then it is told to drain once more.
    """
    ledger.change_delivery(replace(delivery, state="held", next_at=None))
    if ledger.subscriber(delivery.subscriber_id).active:
        ledger.change_subscriber(delivery.subscriber_id, {"draining": True})
