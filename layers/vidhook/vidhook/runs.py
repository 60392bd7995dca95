"""Starts redelivery runs and holds deliveries.

A run is one schedule of retries for one delivery, followed by one execution of the redeliver machine. A newer run ends
the older one, so starting twice is harmless.
"""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from itertools import islice
from typing import TYPE_CHECKING

from vidhook.task import Delivery, DeliveryState

if TYPE_CHECKING:
    from vidhook.edges.ledger import Ledger
    from vidhook.edges.machines import Machines
    from vidhook.times import Clock

# Deliveries a second that are started again, so that a subscriber that is back is not overloaded.
RESTART_RATE = 10


@dataclass(frozen=True, slots=True)
class Runs:
    """Starts redelivery runs, with these edges and this clock."""

    ledger: "Ledger"
    machines: "Machines"
    clock: "Clock"

    def start(self, delivery: Delivery, *, pause: int = 1, afresh: bool = False) -> Delivery:
        """Starts a delivery's next run after `pause` seconds; `afresh` gives it the whole schedule of retries again.

        Returns the delivery as it now stands. One that has ended since it was read is left alone.
        """
        delivery = self.ledger.start_run(delivery, pause=pause, now=self.clock.now(), afresh=afresh)
        if delivery.state is DeliveryState.DUE:
            self.machines.start_redelivery(delivery, pause)
        return delivery

    def resend(self, deliveries: Iterable[Delivery]) -> int:
        """Starts a new run of each delivery with the whole schedule of retries, ten a second. Returns how many."""
        started = 0
        for delivery in deliveries:
            self.start(delivery, pause=1 + started // RESTART_RATE, afresh=True)
            started += 1
        return started

    def drain(self, subscriber_id: str, most: int) -> int:
        """Starts up to `most` held deliveries of a subscriber, oldest first, ten a second. Returns how many.

        The subscriber is marked as draining until none is left, so a drain that was interrupted goes on later.
        """
        held = (each for each in self.ledger.deliveries_to(subscriber_id) if each.state is DeliveryState.HELD)
        started = self.resend(islice(held, most))
        if started < most:
            self.ledger.change_subscriber(subscriber_id, {"draining": False})
        return started


def hold(delivery: Delivery, ledger: "Ledger") -> None:
    """Holds a delivery until its paused or disabled subscriber is active again.

    The subscriber may have been resumed and drained while this was written; then it is marked to drain again.
    """
    ledger.change_delivery(replace(delivery, state=DeliveryState.HELD, next_at=None))
    if ledger.subscriber(delivery.subscriber_id).active:
        ledger.change_subscriber(delivery.subscriber_id, {"draining": True})
