"""The bench of the pauses measures what it says: polls, delay, tasks lost, and an optimum that nothing beats."""

import math
import random
from collections.abc import Callable, Sequence
from functools import cache
from itertools import combinations
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bench import pace
from bench import pace_policies as policies
from bench import pace_tasks as world
from vidhook.task import Status

Loop, Planner, Run = policies.Loop, policies.Planner, pace.Run

durations = st.lists(st.integers(1, 9) | st.floats(0.1, 9), min_size=1, max_size=8)
rates = st.floats(0.001, 10)


def asked(policy: Any, until: float = 1_000) -> list[float]:
    return list(pace.ages(policy, until))


def cost(schedule: Sequence[float], of: list[float], rate: float) -> float:
    """What the bound minimises, of one schedule."""
    run = pace.scheduled([schedule], of)
    return float(sum(run.polls) + rate * sum(run.delays)) / len(of)


def some_tasks(name: str, count: int) -> list[Any]:
    return list(world.DISTRIBUTIONS[name].tasks(count, random.Random(1), even=True))


@settings(max_examples=20, deadline=None)
@given(of=durations, rate=rates)
def test_no_schedule_in_whole_seconds_beats_the_bound(of: list[float], rate: float) -> None:
    """All of them are tried, and the bound is one of them."""
    end = math.ceil(max(of))
    every = [[*few, end] for count in range(end) for few in combinations(range(1, end), count)]
    assert cost(pace.Bound(of).ages(rate), of, rate) == pytest.approx(min(cost(each, of, rate) for each in every))


@settings(max_examples=20, deadline=None)
@given(of=durations, rate=rates, knob=st.floats(0.05, 4))
@pytest.mark.parametrize(
    "make", [*policies.OURS.values(), lambda: Loop(3, whole=True), lambda: Loop(1, 1.5, 10, at_once=True, whole=True)]
)
def test_no_policy_beats_the_bound(make: Callable[[], Any], of: list[float], rate: float, knob: float) -> None:
    """Whoever is told nothing of a task can do no better than who knows how long all of them take."""
    policy = make()
    policy.knob = knob
    assert cost(pace.Bound(of).ages(rate), of, rate) <= cost(asked(policy, max(of)), of, rate) + 1e-9


def test_a_fixed_interval_polls_and_delays_as_one_counts_by_hand() -> None:
    """Polls at 10, 20 and 30 s: a task of 10 s is seen at once, one of 25 s after 5."""
    assert pace.scheduled([asked(Loop(10), 30)], [4, 10, 25]) == Run([1, 1, 3], [6, 0, 5])


def test_the_documented_loops_ask_when_they_say() -> None:
    """Their code asks before it sleeps; two of them end after 60 polls, Google's after 900 s."""
    assert asked(policies.LOOPS["vicsee"](), 25) == [0, 1, 2.5, 4.75, 8.125, 13.1875, 20.78125, 30.78125]
    assert len(asked(policies.LOOPS["vicsee"]())) == 60
    assert asked(policies.LOOPS["vibepeak"]()) == [5 * number for number in range(60)]
    assert asked(policies.LOOPS["alad"](), 31) == [0, 15, 30, 45]
    assert 880 <= asked(policies.RIVALS["google"](), 5_000)[-1] <= 900
    assert len(asked(policies.RIVALS["aws durable"](), 100_000)) == 60


def test_who_gives_up_loses_the_task_and_no_comparison_counts_it() -> None:
    """VibePeak's loop ends at 295 s, after 60 polls."""
    run = pace.scheduled([asked(policies.LOOPS["vibepeak"]())], [12, 296, 295])
    assert run == Run([4, 60, 60], [3, math.inf, 0])
    assert run.seen == [0, 2]
    assert pace.against(lambda rung: Run([2, 99, 2], [1.5 * 2 ** (rung / 4)] * 3), run) == pytest.approx(4 / 64)


@pytest.mark.parametrize("delay", [2, 5, 10, 19])
def test_polls_at_equal_delay_are_those_of_a_fixed_interval(delay: float) -> None:
    """Where durations are even, an interval delays by its half and asks mean / interval times, and half a time more."""
    of = world.DISTRIBUTIONS["uniform"].durations(1_000)
    sleeps = cache(lambda rung: pace.scheduled([asked(Loop(10, knob=2 ** (rung / 4)))], of))
    assert pace.polls_at(sleeps, delay, range(len(of))) == pytest.approx(180 / (2 * delay) + 0.5, rel=0.03)
    assert pace.against(sleeps, sleeps(1)) == pytest.approx(1)


def test_a_delay_out_of_reach_has_no_polls() -> None:
    """Better no figure than one at another delay; and no mean of the others, which would pass for all."""
    for delay in (1, 9):
        assert pace.polls_at(lambda rung: Run([1], [5.0]), delay, range(1)) is None
    assert pace.geometric([1.0, None]) is None
    assert pace.worst([1.0, None]) is None


def test_the_best_fixed_interval_is_found() -> None:
    """Of tasks of 40.5 and 122 s it is the one that just meets both, with one poll and three."""
    assert pace.best_sleep([40.5, 122.0])(2) == 2


@pytest.mark.parametrize("rung", [-3, 0, 2])
def test_a_task_followed_alone_is_the_one_on_the_schedule(rung: int) -> None:
    """There are two ways to measure, and they must agree where both can be gone."""
    tasks, policy = some_tasks("failures", 60), pace.turned(Planner(), rung)
    of = [task.duration for task in tasks]
    assert pace.followed(policy, tasks, world.Provider()) == pace.scheduled([asked(policy, max(of))], of)


class Learner:
    """Asks every 10 s and remembers what it learns."""

    def __init__(self) -> None:
        self.knob = 1.0
        self.learned: list[tuple[float, float, Status]] = []

    def pause(self, seen: Any) -> int:
        return 10

    def learn(self, seen: Any, duration_low: float, duration_high: float) -> None:
        self.learned.append((duration_low, duration_high, seen.answers[-1].status))


def test_a_learner_is_told_the_polls_around_the_end_or_the_end_itself() -> None:
    """Only some providers say when a task was done."""
    tasks = [world.Task(25, False, 25, 5, 0), world.Task(4, True, 25, 5, 0)]
    guessing, knowing = Learner(), Learner()
    pace.followed(guessing, tasks, world.Provider(), learn=True)
    pace.followed(knowing, tasks, world.Provider(exact=True), learn=True)
    assert guessing.learned == [(20, 30, Status.COMPLETED), (0, 10, Status.FAILED)]
    assert knowing.learned == [(25, 25, Status.COMPLETED), (4, 4, Status.FAILED)]


def test_turning_the_knob_keeps_what_was_learned_and_changes_nobody_else() -> None:
    """Each rung starts from the same past."""
    (learner,) = pace.pasts(Learner, "short", "after 50", world.Provider(), 1)
    turned = pace.turned(learner, 4)
    assert isinstance(learner, Learner)
    assert isinstance(turned, Learner)
    assert (learner.knob, turned.knob) == (1, 2)
    assert len(turned.learned) == len(learner.learned) == 50


@pytest.mark.parametrize("name", world.DISTRIBUTIONS)
def test_tasks_are_as_long_as_their_distribution_says(name: str) -> None:
    """Drift changes what comes, not what has been."""
    distribution, tasks = world.DISTRIBUTIONS[name], some_tasks(name, 100)
    assert sorted(task.duration for task in tasks) == sorted(distribution.durations(100))
    assert sum(task.failed for task in tasks) == round(100 * distribution.failing)
    before = distribution.tasks(100, random.Random(1), even=True, drifted=False)
    ratios = [task.duration / was.duration for task, was in zip(tasks, before, strict=True)]
    assert ratios == pytest.approx([distribution.drift] * 100)


def test_each_provider_tells_what_its_documentation_says() -> None:
    """VicSee a status, VibePeak its queue and the end while it queues, the others percents, Alad from 50 on."""
    for task in some_tasks("lognormal", 20):
        told = {
            name: [provider.tells(task, age) for age in (task.started / 2, task.started + 0.001)]
            for name, provider in world.PROVIDERS.items()
        }
        for queued, working in told.values():
            assert (queued.status, working.status) == (Status.PENDING, Status.PROCESSING)
        assert [(each.progress, each.eta_seconds) for each in told["vicsee"]] == [(None, None)] * 2
        assert [(each.eta_seconds is None, each.queue_position is None) for each in told["vibepeak"]] == [
            (False, False),
            (True, True),
        ]
        assert [each.progress for each in told["infinityblue"]] == [0, 0]
        assert [each.progress for each in told["alad"]] == [0, 50]


@pytest.mark.parametrize("provider", [*world.PROVIDERS.values(), *world.LIES.values()])
def test_nothing_that_is_told_gives_the_end_away(provider: Any) -> None:
    """Neither a provider nor a liar says that a task is done before it is."""
    for task in some_tasks("failures", 20):
        for tenth in range(10):
            answer = provider.tells(task, task.duration * tenth / 10)
            assert not answer.status.final
            assert answer.progress is None or 0 <= answer.progress <= 99
