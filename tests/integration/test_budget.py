"""Many tasks share one key's budget of polls, through the real jobs and the ledger."""

import heapq
from collections import Counter
from dataclasses import replace
from typing import Any

import pytest

from tests.integration.world import Answer, World
from vidhook.budget import DAY, Budget
from vidhook.pacing import Pacer
from vidhook_cli.status import unused_budgets

MIDNIGHT = 1_777_248_000.0
WORKING, DONE = Answer(200, b'{"status":"running"}'), Answer(200, b'{"status":"failed","error":"no"}')


class Crowd:
    """Tasks of one provider, polled when they are due, each done so many seconds after its submission."""

    def __init__(self, world: World, budget: Budget) -> None:
        world.pacer = Pacer(world.ledger, world.clock, budgets={"acme": budget})
        self.world = world
        self.world.now = MIDNIGHT + 3_600
        self.due: list[tuple[float, str, float]] = []
        self.polled: list[tuple[float, str]] = []
        self.spent: list[float | None] = []

    def submit(self, task_id: str, seconds: float) -> None:
        submitted = self.world.submit(task_id, deadline_seconds=5 * DAY)
        heapq.heappush(self.due, (self.world.now + submitted.pause, task_id, self.world.now + seconds))

    def run(self, until: float) -> None:
        """Polls all that is due until then, in the order of time."""
        while self.due and self.due[0][0] <= until:
            self.world.now, task_id, done = heapq.heappop(self.due)
            self.world.web.script(f"/tasks/{task_id}", DONE if self.world.now >= done else WORKING)
            self.polled.append((self.world.now, task_id))
            polled = self.world.poll(self.world.submit(task_id).watch.id)
            self.spent.append(polled.budget_spent)
            if not polled.settled:
                heapq.heappush(self.due, (self.world.now + polled.pause, task_id, done))
        self.world.now = until

    def polls(self, seconds: float) -> Counter[int]:
        """How many polls each stretch of so many seconds had."""
        return Counter(int(at // seconds) for at, _ in self.polled)


def test_a_day_never_gets_more_polls_than_it_may(world: World) -> None:
    """VicSee sells a hundred status calls a day; the next one is refused."""
    crowd = Crowd(world, Budget(per_day=25))
    for number in range(18):
        crowd.submit(f"t{number}", 200)
        crowd.run(crowd.world.now + 600)
    crowd.run(MIDNIGHT + 2 * DAY - 1)
    assert crowd.due == []
    assert max(crowd.polls(DAY).values()) <= 25
    assert crowd.polls(DAY)[int(MIDNIGHT // DAY)] >= 20


def test_tasks_that_wait_for_the_new_day_are_polled_in_the_order_they_waited(world: World) -> None:
    """Nobody overtakes whoever was due first."""
    crowd = Crowd(world, Budget(per_day=10))
    for number in range(16):
        crowd.submit(f"t{number:02}", 10)
        crowd.run(crowd.world.now + 60)
    crowd.run(MIDNIGHT + 2 * DAY - 1)
    next_day = [task_id for at, task_id in crowd.polled if at >= MIDNIGHT + DAY]
    assert next_day == sorted(next_day)
    assert len(crowd.polled) == 16


def test_a_minute_never_gets_more_polls_than_it_may(world: World) -> None:
    """A provider that limits the rate answers 429 to all of a burst."""
    crowd = Crowd(world, Budget(per_minute=6))
    for number in range(15):
        crowd.submit(f"t{number}", 45)
    crowd.run(MIDNIGHT + 7_200)
    assert crowd.due == []
    assert max(crowd.polls(60).values()) <= 6
    finished = {task_id: at for at, task_id in crowd.polled}
    assert max(finished.values()) - (MIDNIGHT + 3_600) < 60 * len(crowd.polled) / 6 + 120


def test_a_day_that_fills_up_between_two_looks_is_not_exceeded(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """Many functions look at the same time, see the same last poll of the day, and one of them gets it."""
    crowd = Crowd(world, Budget(per_day=3))
    plan_poll = world.ledger.paces.plan_poll

    def after_the_others(provider: str, *arguments: Any) -> bool:
        monkeypatch.setattr(world.ledger.paces, "plan_poll", plan_poll)
        for number in range(3):
            crowd.submit(f"other{number}", 10)
        return plan_poll(provider, *arguments)

    monkeypatch.setattr(world.ledger.paces, "plan_poll", after_the_others)
    crowd.submit("late", 10)
    crowd.run(MIDNIGHT + 2 * DAY - 1)
    assert [number for _, number in sorted(crowd.polls(DAY).items())] == [3, 1]


def test_a_task_that_is_submitted_again_plans_no_poll(world: World) -> None:
    """A job that submits all its tasks every hour would use up the day."""
    crowd = Crowd(world, Budget(per_day=40))
    for _ in range(10):
        crowd.submit("t1", 100)
    assert [planned.polls for planned in world.ledger.paces.planned_days("acme", crowd.world.now).values()] == [1]


def test_the_last_poll_is_made_without_room_too(world: World) -> None:
    """A paid render may be done by the deadline, and nobody would ever look again."""
    crowd = Crowd(world, Budget(per_day=1))
    crowd.submit("first", 100)
    submitted = crowd.world.submit("second", deadline_seconds=600)
    assert submitted.pause == 600


def test_a_pause_that_the_budget_made_longer_says_so(world: World) -> None:
    """The operator sees why, and the alarm knows before it hurts."""
    crowd = Crowd(world, Budget(per_day=4))
    crowd.submit("t1", 1e9)
    crowd.run(MIDNIGHT + DAY - 1)
    watch = world.ledger.tasks.watch(crowd.world.submit("t1").watch.id)
    assert [poll.why for poll in watch.history][-1] == "budget"
    assert len(watch.history) == 4
    assert crowd.spent[-1] == 100


def test_a_provider_files_budget_counts_where_the_stack_has_none(world: World) -> None:
    """Whoever writes the file of a provider knows its limits."""
    text = world.ledger.providers.text("acme") or ""
    world.ledger.providers.put("acme", "polls_per_day = 7\n" + text)
    pacer = Pacer(world.ledger, world.clock)
    assert pacer.budget_of("acme") == Budget(per_day=7)
    assert replace(pacer, budgets={"acme": Budget(per_minute=3)}).budget_of("acme") == Budget(per_minute=3)
    assert pacer.budget_of("unknown") == Budget()


def test_a_budget_of_a_provider_that_there_is_not_is_shown(world: World) -> None:
    """A typing error in the stack's parameter would else mean no limit, and nobody would see it."""
    [row] = unused_budgets("acme 5/day, acne 9/minute", world.ledger)
    assert (row["what"], row["well"]) == ("budget of acne", False)
    assert 'did you mean "acme"?' in row["detail"]
    assert unused_budgets("none", world.ledger) == []
