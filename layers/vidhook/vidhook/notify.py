"""Notifies the subscribers of an event: one attempt at each that is well, all at the same time."""

import math
from collections import deque
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import partial
from threading import Condition
from threading import Event as Signal
from time import monotonic
from typing import TYPE_CHECKING, TypeVar

from vidhook.deliver import AT_ONCE, PAUSES
from vidhook.recipients import recipients
from vidhook.runs import wait_in_line
from vidhook.task import Attempt, Delivery, DeliveryState, Outcome, Subscriber, Watch

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from vidhook.deliver import Notifier
    from vidhook.edges.ledger import Ledger
    from vidhook.event import Event

# Measured on two cores: more threads do not deliver faster. One that takes longer than HUNG_SECONDS waits for its
# subscriber and does nothing else.
THREADS, MOST_THREADS, HUNG_SECONDS = 64, 256, 0.5
# What was not begun by then is left to a redelivery of its own, so that publishing ends in time.
NOTIFY_SECONDS = 30.0
# A progress event older than this is not sent. With the seconds of an attempt, its publishing then ends before the
# timeout of the state "Publish progress" (30 s), and the terminal event need not wait for it.
PROGRESS_SECONDS = 10.0
# Deliveries that are written in one request, with their attempts: AWS takes 100 items.
MOST_ADDED = 50
# So long a write waits for others that may come: a request costs as much as ten deliveries in it.
GATHER_SECONDS = 0.1


Done = TypeVar("Done")


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


class EventDeliveries:
    """The deliveries of one event. New ones are written together: those that come during one request in the next one.

    Use it in a `with`. At its end all are written, or it raises the first error. `expected` is how many may come, and
    `known` are those of an earlier publishing, by subscriber.
    """

    def __init__(self, ledger: "Ledger", known: dict[str, Delivery], expected: int) -> None:
        self._ledger = ledger
        self.known = known
        self._expected = expected
        self._enough = Signal()
        self._waiting: deque[tuple[Delivery, Attempt | None]] = deque()
        self._added: dict[str, Future[None]] = {}
        # Only one, so that what was added before a write that has ended is written too.
        self._writer = ThreadPoolExecutor(1)

    def __enter__(self) -> "EventDeliveries":
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
            if len(self._added) >= self._expected or len(self._waiting) >= MOST_ADDED:
                self._enough.set()
        return self._added[delivery.subscriber_id]

    def keep(self, delivery: Delivery) -> None:
        """Writes a delivery as it is without an attempt."""
        if delivery.subscriber_id in self.known:
            self._ledger.deliveries.change(delivery)
        else:
            self.add(delivery)

    def record(self, delivery: Delivery, made: Attempt, state: DeliveryState) -> Delivery:
        """Writes a delivery as it stands after an attempt, and returns it."""
        if delivery.subscriber_id in self.known:
            return self._ledger.deliveries.note_attempt(delivery, made, state)
        delivery = delivery.after(made, state)
        written = self.add(delivery, made)
        if made.outcome is Outcome.GONE:  # it changes once more
            written.result()
        return delivery

    def _write(self) -> None:
        if self._waiting and len(self._added) < self._expected:
            self._enough.wait(GATHER_SECONDS)
            self._enough.clear()
        taken: list[tuple[Delivery, Attempt | None]] = []
        with suppress(IndexError):
            while len(taken) < MOST_ADDED:
                taken.append(self._waiting.popleft())
        if taken:
            self._ledger.deliveries.add(taken)


def notify(event: "Event", watch: Watch, notifier: "Notifier") -> Notified:
    """POSTs an event to all its recipients at the same time, and waits for each for a few seconds only.

    Each delivery is written when its attempt has ended; after a crash before that, publishing is repeated and makes the
    attempt once more. Nothing is sent to a subscriber that is paused, disabled or asked us to wait: terminal events
    wait for it, progress events are dropped. A terminal event to one that hangs or fails is left to a redelivery.
    """
    ledger, began = notifier.ledger, notifier.clock.now()
    subscribers = recipients(event, watch, ledger=ledger, now=began)
    known = ledger.deliveries.of_event(event) if subscribers else {}
    with EventDeliveries(ledger, known, len(subscribers)) as deliveries:
        works = [partial(_notify_one, event, subscriber, deliveries, notifier, began) for subscriber in subscribers]
        results = at_once(works)
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


def at_once(works: "Sequence[Callable[[], Done]]") -> "list[Done]":
    """Does pieces of work, many at the same time, and returns their results in this order.

    One that takes longer than HUNG_SECONDS waits for somebody, and keeps no other one from its turn.
    """
    begun: dict[int, float] = {}
    free = Condition()

    def ended(number: int) -> "Done":
        try:
            return works[number]()
        finally:
            with free:
                del begun[number]
                free.notify()

    def busy() -> bool:
        recent = monotonic() - HUNG_SECONDS
        return sum(at > recent for at in begun.values()) >= THREADS

    with ThreadPoolExecutor(min(MOST_THREADS, len(works)) or 1) as pool:
        futures = []
        for number in range(len(works)):
            with free:
                while busy():
                    free.wait(HUNG_SECONDS / 4)
                begun[number] = monotonic()
            futures.append(pool.submit(ended, number))
        return [future.result() for future in futures]


def _notify_one(
    event: "Event", subscriber: Subscriber, deliveries: EventDeliveries, notifier: "Notifier", began: float
) -> Notified:
    """Makes the first attempt at one subscriber, or leaves it to a redelivery."""
    now = notifier.clock.now()
    if not event.terminal and now - event.at > PROGRESS_SECONDS:
        return Notified()
    delivery = deliveries.known.get(subscriber.id) or notifier.ledger.deliveries.new(event, subscriber, now)
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
        return wait_in_line(event, subscriber.id, subscriber.hold_until, notifier.ledger, now)
    wait = max(delivery.next_at or 0.0, subscriber.hold_until) - now
    troubled = event.terminal and not subscriber.well(now)
    if delivery.attempts or wait > 0 or troubled or now - began > NOTIFY_SECONDS:
        return max(AT_ONCE, math.ceil(wait))
    return 0
