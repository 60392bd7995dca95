"""Starts redelivery runs and holds deliveries.

A run is one schedule of retries for one delivery, followed by one execution of the redeliver machine. A newer run ends
the older one, so starting twice is harmless.
"""

import math
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import partial
from itertools import islice
from typing import TYPE_CHECKING

from vidhook.task import Delivery, DeliveryState

if TYPE_CHECKING:
    from vidhook.edges.ledger import Ledger
    from vidhook.edges.machines import Machines
    from vidhook.event import Event
    from vidhook.times import Clock

# Deliveries a second that are started again, so that a subscriber that is back is not overloaded.
RESTART_RATE = 10
# So many are taken out of a line in one turn at most, which may be there although they wait no longer.
MOST_LEFT = 25
# So many are started between two looks at the clock, each with a few requests to AWS.
BATCH = 100


@dataclass(frozen=True, slots=True)
class Runs:
    """Starts redelivery runs, with these edges and this clock, and this many at the same time."""

    ledger: "Ledger"
    machines: "Machines"
    clock: "Clock"
    threads: int = 8

    def start(self, delivery: Delivery, *, pause: int = 1, afresh: bool = False) -> Delivery:
        """Starts a delivery's next run after `pause` seconds; `afresh` gives it the whole schedule of retries again.

        Returns the delivery as it now stands. One that has ended since it was read is left alone.
        """
        delivery = self.ledger.deliveries.start_run(delivery, pause=pause, now=self.clock.now(), afresh=afresh)
        if delivery.state is DeliveryState.DUE:
            self.machines.start_redelivery(delivery, pause)
        return delivery

    def start_older(self, event: "Event", subscriber_id: str) -> int:
        """Gives the turn of an event to the oldest one in its subscriber's line, if that is older, and starts it.

        Returns the seconds until the turn that the event has instead, or 0 if it keeps its own.
        """
        now = self.clock.now()
        for older in islice(self.ledger.deliveries.leave_line(event, subscriber_id), MOST_LEFT):
            # One whose own turn comes now needs no other one.
            if older.state is DeliveryState.DUE and older.next_at is not None and older.next_at > now + 1:
                self.start(older)
                self.ledger.deliveries.join_line(event, subscriber_id, older.next_at)
                return _seconds(older.next_at - now)
        return 0

    def resend(
        self,
        deliveries: Iterable[Delivery],
        *,
        afresh: bool = True,
        until: float = math.inf,
        errors: list[Exception] | None = None,
    ) -> int:
        """Starts a new run of each delivery, in this order and ten a second for each subscriber. Returns how many.

        After `until` it begins no more. An error does not stop it: all go into `errors`, or are raised at the end.
        """
        found: list[Exception] = []
        started = self.at_once(self._starts(deliveries, afresh), found if errors is None else errors, until)
        if found:
            raise ExceptionGroup("some deliveries could not be started", found)
        return started

    def at_once(self, jobs: Iterable[Callable[[], int]], errors: list[Exception], until: float = math.inf) -> int:
        """Does jobs, several at the same time, and none after `until`. Returns the sum of what they return.

        An error goes into `errors`, and the others go on.
        """
        rest, total = iter(jobs), 0
        with ThreadPoolExecutor(self.threads) as pool:
            while self.clock.now() < until and (batch := list(islice(rest, BATCH))):
                for done in [pool.submit(job) for job in batch]:
                    try:
                        total += done.result()
                    except Exception as error:  # noqa: BLE001 - for the caller, with all others
                        errors.append(error)
        return total

    def _starts(self, deliveries: Iterable[Delivery], afresh: bool) -> Iterator[Callable[[], int]]:
        rest = iter(deliveries)
        while batch := list(islice(rest, BATCH)):
            for delivery, pause in zip(batch, self._pauses(batch), strict=True):
                yield partial(self._started, delivery, pause, afresh)

    def _started(self, delivery: Delivery, pause: int, afresh: bool) -> int:
        self.start(delivery, pause=pause, afresh=afresh)
        return 1

    def _pauses(self, batch: list[Delivery]) -> Iterator[int]:
        """Yields the pause before each run: the next free turns of each subscriber."""
        now, turns = self.clock.now(), dict[str, float]()
        for subscriber_id, count in Counter(each.subscriber_id for each in batch).items():
            turns[subscriber_id] = self.ledger.subscribers.take_turns(subscriber_id, count / RESTART_RATE, now + 1)
        for each in batch:
            yield _seconds(turns[each.subscriber_id] - now)
            turns[each.subscriber_id] += 1 / RESTART_RATE

    def drain(
        self, subscriber_id: str, most: int, *, until: float = math.inf, errors: list[Exception] | None = None
    ) -> int:
        """Starts up to `most` held deliveries of a subscriber, oldest first, ten a second. Returns how many.

        What it does not start, the sweeper does: it looks for all held deliveries of active subscribers.
        """
        held = islice(self.ledger.deliveries.held(subscriber_id), most)
        return self.resend(held, until=until, errors=errors)


def hold(delivery: Delivery, ledger: "Ledger") -> Delivery:
    """Holds a delivery until its paused or disabled subscriber is active again. Returns it as it now stands.

    Its caller has seen that the subscriber is not active, a moment ago. If it was resumed since then, the sweeper finds
    the delivery.
    """
    return ledger.deliveries.change(replace(delivery, state=DeliveryState.HELD, next_at=None))


def cancel_held(subscriber_id: str, ledger: "Ledger", most: int) -> int:
    """Cancels up to `most` held deliveries of a subscriber that was removed. Returns how many."""
    held = list(islice(ledger.deliveries.held(subscriber_id), most))
    for delivery in held:
        ledger.deliveries.cancel(delivery)
    return len(held)


def wait_in_line(event: "Event", subscriber_id: str, hold_until: float, ledger: "Ledger", now: float) -> int:
    """Returns the seconds that a delivery waits for its subscriber, which asked for it: until a turn of its own.

    If an older one is then in the line, they change their turns.
    """
    pause = turn(subscriber_id, hold_until, ledger, now)
    ledger.deliveries.join_line(event, subscriber_id, now + pause)
    return pause


def turn(subscriber_id: str, hold_until: float, ledger: "Ledger", now: float) -> int:
    """Returns the seconds until a subscriber's next free turn after `hold_until`, and takes it: ten a second."""
    return _seconds(ledger.subscribers.take_turns(subscriber_id, 1 / RESTART_RATE, hold_until) - now)


def _seconds(wait: float) -> int:
    return max(1, math.ceil(round(wait, 3)))
