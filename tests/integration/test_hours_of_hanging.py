"""Two hours of tasks whose one subscriber never answers; the test's own clock passes them."""

import heapq
from collections import Counter
from itertools import count
from typing import TYPE_CHECKING, Any

import pytest

from tests.integration.world import World, says
from vidhook.errors import TimedOut

if TYPE_CHECKING:
    from vidhook.task import Delivery

TASKS, HOURS, HOUR = 200, 2, 3_600


class Silent:
    """Subscribers that never answer, without waiting for them. Counts what they cost, by the hour."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.seconds: Counter[int] = Counter()

    def send(self, *_: Any, deadline: float, **__: Any) -> None:
        self.seconds[int(self.world.now // HOUR)] += int(deadline)
        failure = TimedOut("the deadline passed while waiting for the answer")
        failure.timings = {"total": deadline * 1_000}
        raise failure


@pytest.fixture
def world(quick_world: World) -> World:
    return quick_world


@pytest.mark.slow
@pytest.mark.parametrize("own_urls", [False, True], ids=["one subscriber", "a callback_url for each task"])
def test_200_tasks_an_hour_to_one_that_hangs_leave_a_small_account_at_work(world: World, own_urls: bool) -> None:
    """Without turns they took 15,135 and 17,925 Lambda-seconds an hour: half of what ten functions have."""
    world.wait(-world.now % HOUR)
    if not own_urls:
        world.subscribe("hangs")
    silent, number = Silent(world), count()
    other, began = world.but(http=silent), world.now
    agenda: list[tuple[float, int, Delivery, float]] = []
    looks = 0
    for task in range(TASKS * HOURS):
        due = began + task * HOUR / TASKS
        while agenda and agenda[0][0] <= due:
            at, _, delivery, waited_for = heapq.heappop(agenda)
            world.now, looks = max(world.now, at), looks + 1
            done = other.redeliver(delivery, waited_for)
            if not done.settled:
                heapq.heappush(agenda, (world.now + done.pause, next(number), delivery, done.waited_for))
        world.now = max(world.now, due)
        own = {"callback_url": f"{world.web.url}/hooks/{task}?order={task}"} if own_urls else {}
        watch = world.settle(says("failed", error="out of paint"), task_id=f"t{task}", **own)
        for late in other.publish(watch).notified.unreached:
            heapq.heappush(agenda, (world.now + late.pause, next(number), late.delivery, 0.0))
    hours = [silent.seconds[int(began // HOUR) + hour] for hour in range(HOURS)]
    assert hours[0] <= 150
    assert hours[1] <= 100
    assert looks < 10 * TASKS * HOURS
