"""Notifies the subscribers of an event: one attempt at each that is well, all at the same time."""

import math
from collections import deque
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import partial
from threading import Semaphore
from typing import TYPE_CHECKING

from vidhook.deliver import AT_ONCE, PAUSES
from vidhook.recipients import recipients
from vidhook.runs import turn
from vidhook.task import Attempt, Delivery, DeliveryState, Outcome, Subscriber, Watch

if TYPE_CHECKING:
    from collections.abc import Callable

    from vidhook.deliver import Notifier
    from vidhook.edges.ledger import Ledger
    from vidhook.event import Event

# Measured on two cores: more threads do not deliver faster. But one that waits for a subscriber works on nothing, so
# one more begins whenever none has ended for HUNG_SECONDS.
THREADS, MOST_THREADS, HUNG_SECONDS = 64, 256, 0.05
# What was not begun by then is left to a redelivery of its own, so that publishing ends in time.
NOTIFY_SECONDS = 30.0
# A progress event older than this is not sent. With the seconds of an attempt, its publishing then ends before the
# timeout of the state "Publish progress" (30 s), and the terminal event need not wait for it.
PROGRESS_SECONDS = 10.0
# Deliveries that are written in one request, with their attempts: AWS takes 100 items.
MOST_ADDED = 50


@dataclass(frozen=True, slots=True)
class Unreached:
    """A delivery whose subscriber was not reached yet, and the seconds to pause before its first redelivery."""

    delivery: Delivery
    pause: int


@dataclass(frozen=True, slots=True)
class Fault:
    """An error of our own for one subscriber, such as an unreadable secret; its redelivery run tries again."""

    subscriber_id: str
    error: Exception


@dataclass(frozen=True, slots=True)
class Notified:
    """The result of notifying the subscribers of one event."""

    attempts: tuple[Attempt, ...] = ()
    unreached: tuple[Unreached, ...] = ()
    faults: tuple[Fault, ...] = ()


class Deliveries:
    """The deliveries of one event. New ones are written together: those that come during one request in the next one.

    Use it in a `with`. At its end all are written, or it raises the first error. `known` are those of an earlier
    publishing, by subscriber.
    """

    def __init__(self, ledger: "Ledger", known: dict[str, Delivery]) -> None:
        self._ledger = ledger
        self.known = known
        self._waiting: deque[tuple[Delivery, Attempt | None]] = deque()
        self._added: dict[str, Future[None]] = {}
        # Only one, so that what was added before a write that has ended is written too.
        self._writer = ThreadPoolExecutor(1)

    def __enter__(self) -> "Deliveries":
        return self

    def __exit__(self, *_: object) -> None:
        with self._writer:
            pass
        for each in self._added.values():
            each.result()

    def add(self, delivery: Delivery, attempt: Attempt | None = None) -> "Future[None]":
        """Adds a new delivery, with its first attempt if there was one; the future ends when it is written.

        One that was added before stays as it was.
        """
        if delivery.subscriber_id not in self._added:
            self._waiting.append((delivery, attempt))
            self._added[delivery.subscriber_id] = self._writer.submit(self._write)
        return self._added[delivery.subscriber_id]

    def keep(self, delivery: Delivery) -> None:
        """Writes a delivery as it is without an attempt."""
        if delivery.subscriber_id in self.known:
            self._ledger.change_delivery(delivery)
        else:
            self.add(delivery)

    def record(self, delivery: Delivery, made: Attempt, state: DeliveryState) -> Delivery:
        """Writes a delivery as it stands after an attempt, and returns it."""
        if delivery.subscriber_id in self.known:
            return self._ledger.note_attempt(delivery, made, state)
        delivery = delivery.after(made, state)
        written = self.add(delivery, made)
        if made.outcome is Outcome.GONE:  # it changes once more
            written.result()
        return delivery

    def _write(self) -> None:
        taken: list[tuple[Delivery, Attempt | None]] = []
        with suppress(IndexError):
            while len(taken) < MOST_ADDED:
                taken.append(self._waiting.popleft())
        if taken:
            self._ledger.add_deliveries(taken)


def notify(event: "Event", watch: Watch, notifier: "Notifier") -> Notified:
    """POSTs an event to all its recipients at the same time, and waits for each for a few seconds only.

    Each delivery is written when its attempt has ended; after a crash before that, publishing is repeated and makes the
    attempt once more. Nothing is sent to a subscriber that is paused, disabled or asked us to wait: terminal events
    wait for it, progress events are dropped. A terminal event to one that hangs or fails is left to a redelivery.
    """
    ledger, began, slots = notifier.ledger, notifier.clock.now(), Semaphore(THREADS)
    subscribers = recipients(event, watch, ledger=ledger, now=began)
    known = ledger.deliveries_of(event) if subscribers else {}
    with Deliveries(ledger, known) as deliveries, ThreadPoolExecutor(min(MOST_THREADS, len(subscribers)) or 1) as pool:
        begun = []
        for subscriber in subscribers:
            slots.acquire(timeout=HUNG_SECONDS)
            work = partial(_notify_one, event, subscriber, deliveries, notifier, began)
            begun.append(pool.submit(_releasing, slots, work))
        results = [each.result() for each in begun]
    ended = notifier.clock.now()
    return Notified(
        tuple(attempt for result in results for attempt in result.attempts),
        tuple(_left(unreached, ended) for result in results for unreached in result.unreached),
        tuple(fault for result in results for fault in result.faults),
    )


def _left(unreached: Unreached, now: float) -> Unreached:
    """Returns it with what is left of its pause, which began before others were waited for."""
    next_at = unreached.delivery.next_at
    if next_at is None:
        return unreached
    return replace(unreached, pause=min(unreached.pause, max(AT_ONCE, math.ceil(next_at - now))))


def _releasing(slots: Semaphore, work: "Callable[[], Notified]") -> Notified:
    try:
        return work()
    finally:
        slots.release()


def _notify_one(
    event: "Event", subscriber: Subscriber, deliveries: Deliveries, notifier: "Notifier", began: float
) -> Notified:
    """Makes the first attempt at one subscriber, or leaves it to a redelivery."""
    now = notifier.clock.now()
    if not event.terminal and now - event.at > PROGRESS_SECONDS:
        return Notified()
    delivery = deliveries.known.get(subscriber.id) or notifier.ledger.new_delivery(event, subscriber, now)
    if delivery.state is not DeliveryState.DUE:
        return Notified()
    if not subscriber.active:
        deliveries.keep(replace(delivery, state=DeliveryState.HELD, next_at=None))
        return Notified()
    pause = _pause(event, delivery, subscriber, notifier, began)
    if pause:
        delivery = replace(delivery, next_at=now + pause)
        deliveries.keep(delivery)
        return Notified(unreached=(Unreached(delivery, pause),))
    try:
        delivery, attempt = notifier.deliver(event, delivery, subscriber, deliveries.record)
    except Exception as fault:  # noqa: BLE001 - returned, logged and counted; the other subscribers go on
        if delivery.subscriber_id not in deliveries.known:
            deliveries.add(replace(delivery, next_at=now + PAUSES[0]))
        return Notified(unreached=(Unreached(delivery, PAUSES[0]),), faults=(Fault(subscriber.id, fault),))
    return Notified((attempt,), () if attempt.pause is None else (Unreached(delivery, attempt.pause),))


def _pause(event: "Event", delivery: Delivery, subscriber: Subscriber, notifier: "Notifier", began: float) -> int:
    """Returns the seconds until the first redelivery of one that is not tried while publishing; 0 if it is tried."""
    now = notifier.clock.now()
    if delivery.next_at is None and subscriber.hold_until > now and not subscriber.hangs(now):
        return turn(subscriber.id, subscriber.hold_until, notifier.ledger, now)
    wait = max(delivery.next_at or 0.0, subscriber.hold_until) - now
    troubled = event.terminal and not subscriber.well(now)
    if delivery.attempts or wait > 0 or troubled or now - began > NOTIFY_SECONDS:
        return max(AT_ONCE, math.ceil(wait))
    return 0
