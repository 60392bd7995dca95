"""Step Functions' part in redelivery, on the world's own clock, so that a test of many days takes seconds."""

import heapq
from itertools import count
from typing import Any

from tests.integration.world import World, says
from vidhook.event import Event


class Clockwork:
    """Runs every redelivery execution that is started: it pauses and tries again until it is settled."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.published: list[Event] = []
        self._number = count()
        self._agenda: list[tuple[float, int, dict[str, Any], float]] = []
        self._taken: set[str] = set()

    def end_task(self, **submission: Any) -> Event:
        """Submits a task, polls it until it fails a few seconds later, and publishes its event."""
        watch_id = self.world.settle(
            says("failed", error="out of paint"), task_id=f"t{next(self._number)}", **submission
        )
        self.publish(watch_id)
        return self.published[-1]

    def publish(self, watch_id: str) -> None:
        """Publishes a task that has ended, at the present moment."""
        published = self.world.publish(watch_id)
        assert published.event is not None
        for late in published.notified.unreached:
            self._enter(late.delivery.execution_input(late.pause), 0.0, late.pause)
        self.published.append(published.event)

    def run(self, seconds: float) -> None:
        """Lets time pass."""
        ends = self.world.now + seconds
        self._take_up()
        while self._agenda and self._agenda[0][0] <= ends:
            at, _, execution, waited_for = heapq.heappop(self._agenda)
            self.world.now = max(at, self.world.now)
            delivery = self.world.ledger.deliveries.get(execution["watch"], execution["event"], execution["subscriber"])
            done = self.world.redeliver(delivery, waited_for, execution["run"])
            if not done.settled:
                self._enter(execution, done.waited_for, done.pause)
            self._take_up()
        self.world.now = ends

    def follows(self, watch_id: str, event_id: str, subscriber_id: str, run: int) -> bool:
        """Returns whether an execution is running for this run of a delivery."""
        self._take_up()
        wanted = (watch_id, event_id, subscriber_id, run)
        return any(
            (each["watch"], each["event"], each["subscriber"], each["run"]) == wanted for _, _, each, _ in self._agenda
        )

    def _take_up(self) -> None:
        for name, argument in self.world.machines.started.items():
            if "event" in argument and name not in self._taken:
                self._taken.add(name)
                self._enter(argument, 0.0, argument["pause"])

    def _enter(self, execution: dict[str, Any], waited_for: float, pause: float) -> None:
        heapq.heappush(self._agenda, (self.world.now + pause, next(self._number), execution, waited_for))
