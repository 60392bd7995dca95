"""Makes one more attempt at a delivery whose subscriber was not reached immediately."""

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from vidhook.deliver import HUNG_GAP
from vidhook.errors import NotFound
from vidhook.recipients import callback_subscriber
from vidhook.runs import hold, wait_in_line
from vidhook.task import Attempt, Delivery, DeliveryState, Subscriber, callback_id

if TYPE_CHECKING:
    from vidhook.deliver import Notifier
    from vidhook.edges.ledger import Ledger
    from vidhook.event import Event
    from vidhook.runs import Runs

# Thousands may wait for a subscriber that hangs, so each looks again only when it has waited for a quarter longer.
WAITED_SHARE = 4


@dataclass(frozen=True, slots=True)
class Redelivered:
    """The result of one round. After the `pause` the execution has waited until `waited_for` (unix seconds).

    `state` is None when the delivery is no longer in the ledger.
    """

    settled: bool
    pause: int = 0
    waited_for: float = 0.0
    attempt: Attempt | None = None
    state: DeliveryState | None = None
    undelivered_seconds: float = 0.0


def redeliver(
    watch_id: str,
    event_id: str,
    subscriber_id: str,
    run: int,
    *,
    waited_for: float = 0.0,
    notifier: "Notifier",
    runs: "Runs",
) -> Redelivered:
    """Makes the next attempt at a delivery, with the URL and the secret that the subscriber has now.

    The delivery is cancelled if the subscriber was removed, and held if it is paused or disabled. If the subscriber
    asked us to wait, or it is another delivery's turn, the result is a pause only; `waited_for` (unix seconds) says
    until when this execution has waited already. A newer run of the delivery ends this one.
    """
    ledger, now = notifier.ledger, notifier.clock.now()
    try:
        delivery = ledger.deliveries.get(watch_id, event_id, subscriber_id)
    except NotFound:
        return Redelivered(True)
    if delivery.state is not DeliveryState.DUE or delivery.run != run:
        return Redelivered(True, state=delivery.state)
    found = _event_and_subscriber(delivery, ledger, now)
    if found is None:
        # Otherwise it would stay due, and every sweep would start it again.
        ledger.deliveries.change(replace(delivery, state=DeliveryState.CANCELLED, next_at=None))
        return Redelivered(True, state=DeliveryState.CANCELLED)
    event, subscriber = found
    if not subscriber.active:
        return Redelivered(True, state=hold(delivery, ledger).state)
    waiting = now - delivery.created_at
    quiet = subscriber.hold_until > max(now, waited_for)
    asked_for = subscriber.hold_until > 0 and not subscriber.hangs(now)
    if quiet and asked_for:
        pause = wait_in_line(event, subscriber.id, subscriber.hold_until, ledger, now)
    elif asked_for and (later := runs.start_older(event, subscriber.id)):
        pause = later
    elif not quiet and (tried := notifier.turn(subscriber)) is not None:
        delivery, attempt = notifier.deliver(event, delivery, tried)
        pause = attempt.pause or 0
        return Redelivered(attempt.pause is None, pause, now + pause, attempt, delivery.state, waiting)
    else:
        pause = _until_next_turn(ledger.subscribers.get(subscriber.id), waiting, now)
    delivery = ledger.deliveries.change(replace(delivery, next_at=now + pause))
    return Redelivered(False, pause, now + pause, state=delivery.state, undelivered_seconds=waiting)


def _until_next_turn(subscriber: Subscriber, waiting: float, now: float) -> int:
    """Returns the seconds until a delivery that has waited so long looks again whether it is its turn."""
    pause = max(0, int(subscriber.hold_until - now)) + 1
    if subscriber.hangs(now) and subscriber.gap >= HUNG_GAP:
        pause = max(pause, int(waiting / WAITED_SHARE))
    return pause


def _event_and_subscriber(delivery: Delivery, ledger: "Ledger", now: float) -> "tuple[Event, Subscriber] | None":
    """Returns the event and the subscriber; None if the subscriber was removed or the event is no longer stored.

    The ledger has terminal events only, since progress is never sent again.
    """
    try:
        event = ledger.tasks.event(delivery.watch_id, delivery.event_id)
        return event, _subscriber(delivery, ledger, now)
    except NotFound:
        return None


def _subscriber(delivery: Delivery, ledger: "Ledger", now: float) -> Subscriber:
    """Returns the subscriber of a delivery; a callback_url goes with another task that was erased, and comes back."""
    try:
        return ledger.subscribers.get(delivery.subscriber_id)
    except NotFound:
        watch = ledger.tasks.watch(delivery.watch_id)
        for url in watch.callback_urls:
            if callback_id(url) == delivery.subscriber_id:
                return ledger.subscribers.callback(callback_subscriber(url, watch), now)
        raise
