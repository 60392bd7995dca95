"""How well the pauses are chosen: polls and delay of vidhook's schedule beside the loops that others recommend.

    .venv/bin/python -m bench.pace
    .venv/bin/python -m bench.pace --tasks 1000 --seed 7

Nothing is asked and nothing sleeps. What counts is a ratio of polls at equal mean delay: the knob of each of OURS is
turned until its mean delay is the rival's. A task's delay is the time from its end to the poll that sees it. A task is
lost when the rival gives up before its end; it then counts in nobody's polls. A learner is measured with no history,
after 50 and after 500 tasks; it learns with its knob at 1, and nothing while it is measured, except where durations
drift: they change after its history, it learns on, and the tasks after the change are measured.
"""

import argparse
import bisect
import copy
import math
import random
import statistics
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from itertools import accumulate
from pathlib import Path
from typing import Any

from bench.pace_policies import OURS, RIVALS, Loop, Policy, Seen
from bench.pace_tasks import DISTRIBUTIONS, LIED_ABOUT, LIES, PROVIDERS, Answer, Provider, Task
from bench.tables import judged, save, table
from vidhook.task import Status

RESULTS = Path(__file__).parent / "results/pace.json"
STAGES = {"no history": 0, "after 50": 50, "after 500": 500}
HISTORIES = 3  # so many pasts a stage, so that no lucky one decides
EVEN = 5_000  # durations at even quantiles stand for a distribution where all tasks see the same schedule
FINE = 50_000  # and so many for the optimum, which would else know the even ones by heart
DRAWS = 200  # schedules of a rival that rolls dice
DELAYS = (5, 10, 20)  # mean seconds at which the optimum and the best fixed interval are compared
RUNGS = range(-32, 33)  # of the knob, which is 2 ** (rung / 4)
STEADY = tuple(name for name, distribution in DISTRIBUTIONS.items() if distribution.drift == 1)
NOTHING_TOLD = Provider()


@dataclass(frozen=True)
class Run:
    """Polls and delay of each task; the delay of a lost task is infinite."""

    polls: list[int]
    delays: list[float]

    @property
    def seen(self) -> list[int]:
        """The numbers of the tasks that were not lost."""
        return [number for number, delay in enumerate(self.delays) if math.isfinite(delay)]


Curve = Callable[[int], Run]  # what a rung of the knob leads to


def mean(values: Sequence[float], numbers: Iterable[int]) -> float:
    return statistics.fmean(values[number] for number in numbers)


def ages(policy: Policy, until: float, expected: float | None = None) -> list[float]:
    """When a task is polled of which nothing is told, up to the first poll not before `until`."""
    asked: list[float] = []
    answers: list[Answer] = []
    age = 0.0
    while age < until and math.isfinite(pause := policy.pause(Seen(age, expected, answers))):
        assert pause > 0 or not asked, "a policy that does not pause"
        age += pause
        asked.append(age)
        answers.append(Answer(age, Status.PROCESSING))
    return asked


def scheduled(schedules: Sequence[Sequence[float]], durations: Sequence[float]) -> Run:
    """The tasks are dealt to the schedules in turn."""
    run = Run([], [])
    for number, duration in enumerate(durations):
        schedule = schedules[number % len(schedules)]
        place = bisect.bisect_left(schedule, duration)
        lost = place == len(schedule)
        run.polls.append(place + (not lost))
        run.delays.append(math.inf if lost else schedule[place] - duration)
    return run


def follow(policy: Policy, task: Task, provider: Provider) -> tuple[list[Answer], float]:
    """What one task's polls are told, the end included, and the delay."""
    answers: list[Answer] = []
    age = 0.0
    while True:
        pause = policy.pause(Seen(age, provider.expected, answers))
        if not math.isfinite(pause):
            return answers, math.inf
        assert pause > 0 or not answers, "a policy that does not pause"
        age += pause
        if age >= task.duration:
            answers.append(Answer(age, Status.FAILED if task.failed else Status.COMPLETED))
            return answers, age - task.duration
        answers.append(provider.tells(task, age))


def followed(policy: Policy, tasks: Iterable[Task], provider: Provider, learn: bool = False) -> Run:
    """One task after the other, each seen to its end."""
    run = Run([], [])
    for task in tasks:
        answers, delay = follow(policy, task, provider)
        run.polls.append(len(answers))
        run.delays.append(delay)
        if learn and math.isfinite(delay):
            sooner = answers[-2].age if len(answers) > 1 else 0.0
            low, high = (task.duration, task.duration) if provider.exact else (sooner, answers[-1].age)
            policy.learn(Seen(answers[-1].age, provider.expected, answers), low, high)
    return run


def turned(policy: Policy, rung: int) -> Policy:
    """A copy with the knob at that rung."""
    policy = copy.deepcopy(policy)
    policy.knob = 2 ** (rung / 4)
    return policy


def polls_at(curve: Curve, delay: float, numbers: Sequence[int]) -> float | None:
    """Polls a task, of the tasks with these numbers, with the knob where their mean delay is `delay`.

    Looks for the two rungs around it from where a delay in proportion to the knob would put them, and takes a power law
    between the two. None where no rung leads there.
    """

    def reached(rung: int) -> float:
        return mean(curve(rung).delays, numbers) + 1e-9

    rung = min(max(RUNGS[0], round(4 * math.log2(delay / reached(0)))), RUNGS[-2]) if math.isfinite(reached(0)) else 0
    while rung > RUNGS[0] and reached(rung) > delay:
        rung -= 1
    while rung < RUNGS[-2] and reached(rung + 1) <= delay:
        rung += 1
    if not reached(rung) <= delay < reached(rung + 1):
        return None
    low, high = math.log(reached(rung)), math.log(reached(rung + 1))
    many, few = (math.log(mean(curve(each).polls, numbers)) for each in (rung, rung + 1))
    return math.exp(many + (few - many) * (math.log(delay) - low) / (high - low))


def against(curve: Curve, rival: Run) -> float | None:
    """Polls of `curve` over those of `rival`, at the rival's mean delay, of the tasks that the rival did not lose."""
    numbers = rival.seen
    if not numbers:
        return None
    polls = polls_at(curve, mean(rival.delays, numbers), numbers)
    return polls and polls / mean(rival.polls, numbers)


class Bound:
    """The optimum for durations known beforehand: no schedule in whole seconds has a lower polls + rate * delay.

    An exact dynamic programme. With F(t) the share done by t and M(t) the sum of their durations over all, the cost
    of going on at t, over all tasks, is V(t) = 1 - F(t) + min over u > t of rate * (u * (F(u) - F(t)) - M(u) + M(t))
    + V(u). Apart from what does not depend on u, that is the least of lines in F(t) with the slopes -rate * u, and
    F(t) only falls on the way from the end to the beginning: a queue of lines finds each minimum at once.
    """

    def __init__(self, durations: Sequence[float]) -> None:
        end = math.ceil(max(durations))
        done, spent = [0.0] * (end + 1), [0.0] * (end + 1)
        for duration in durations:
            done[math.ceil(duration)] += 1 / len(durations)
            spent[math.ceil(duration)] += duration / len(durations)
        self.done, self.spent = list(accumulate(done)), list(accumulate(spent))

    def ages(self, rate: float) -> list[float]:
        """When to poll, where a second of delay is worth `rate` polls."""
        end = len(self.done) - 1
        value, following = 0.0, [0] * end
        lines: list[tuple[float, float, int]] = []  # slope, height at 0, the age it stands for
        first = 0
        for age in range(end - 1, -1, -1):
            later = age + 1
            height = rate * (later * self.done[later] - self.spent[later]) + value
            line = (-rate * later, height, later)
            while len(lines) - first >= 2 and not _useful(lines[-2], lines[-1], line):
                lines.pop()
            lines.append(line)
            share = self.done[age]
            while len(lines) - first >= 2 and _at(lines[first + 1], share) <= _at(lines[first], share):
                first += 1
            value = 1 - share + rate * self.spent[age] + _at(lines[first], share)
            following[age] = lines[first][2]
        asked = [float(following[0])]
        while asked[-1] < end:
            asked.append(float(following[int(asked[-1])]))
        return asked


def _at(line: tuple[float, float, int], share: float) -> float:
    return line[0] * share + line[1]


def _useful(first: tuple[float, float, int], second: tuple[float, float, int], third: tuple[float, float, int]) -> bool:
    """Whether the second of three lines, each less steep than the one before, is the least anywhere."""
    return (second[1] - third[1]) * (second[0] - first[0]) < (first[1] - second[1]) * (third[0] - second[0])


def best_sleep(durations: Sequence[float]) -> Callable[[float], float]:
    """The fewest polls that any fixed interval needs for a mean delay of at most so much; intervals 2 % apart."""
    points = []
    for step in range(300):
        interval = 1.02**step
        polls = [math.ceil(duration / interval) for duration in durations]
        asked = statistics.fmean(polls)
        points.append((asked * interval - statistics.fmean(durations), asked))
    return lambda delay: min(asked for reached, asked in points if reached <= delay)


Ratios = dict[str, float | None]  # by distribution


class Ground:
    """Tasks of one distribution, and what the rivals and the optimum make of them.

    With `count`, so many tasks are followed one after the other. Without, EVEN durations stand for all that may come:
    exact, where every task sees the same schedule.
    """

    def __init__(self, name: str, seed: int, count: int | None = None) -> None:
        distribution = DISTRIBUTIONS[name]
        self.tasks = distribution.tasks(count, random.Random(f"{seed} {name}"), even=True) if count else []
        self.durations = [task.duration for task in self.tasks] or distribution.durations(EVEN)
        self.rivals = {rival: self._looped(make()) for rival, make in RIVALS.items()}
        bound = Bound(distribution.durations(FINE))
        self.optimum: Curve = cache(lambda rung: scheduled([bound.ages(2 ** (-rung / 2))], self.durations))
        self._best_sleep = best_sleep(self.durations)
        self._drifts = distribution.drift != 1

    def _looped(self, loop: Loop) -> Run:
        until = max(self.durations)
        return scheduled([ages(loop, until) for _ in range(DRAWS if loop.jitter else 1)], self.durations)

    def curve(self, policies: Sequence[Policy], provider: Provider) -> Curve:
        """What policies that differ only in their past make of the tasks."""

        def run(rung: int) -> Run:
            if self.tasks:
                return followed(turned(policies[0], rung), self.tasks, provider, learn=self._drifts)
            until = max(self.durations)
            return scheduled([ages(turned(policy, rung), until) for policy in policies], self.durations)

        return cache(run)

    def over_optimum(self, curve: Curve) -> float | None:
        """Polls over the optimum's: the geometric mean at DELAYS."""
        return geometric(over(self._polls(curve, delay), self._polls(self.optimum, delay)) for delay in DELAYS)

    def over_best_sleep(self, curve: Curve) -> float | None:
        """Polls over those of the best fixed interval: the worst at DELAYS."""
        return worst(over(self._polls(curve, delay), self._best_sleep(delay)) for delay in DELAYS)

    def _polls(self, curve: Curve, delay: float) -> float | None:
        return polls_at(curve, delay, range(len(self.durations)))


def pasts(make: Callable[[], Policy], name: str, stage: str, provider: Provider, seed: int) -> list[Policy]:
    """Policies that have each seen tasks of their own, from before any drift."""
    count = STAGES[stage]
    policies = [make() for _ in range(HISTORIES if count and provider is NOTHING_TOLD else 1)]
    for number, policy in enumerate(policies):
        dice = random.Random(f"{seed} {name} {number}")
        followed(policy, DISTRIBUTIONS[name].tasks(count, dice, drifted=False), provider, learn=True)
    return policies


def over(ours: float | None, theirs: float | None) -> float | None:
    return None if ours is None or theirs is None else ours / theirs


def geometric(ratios: Iterable[float | None]) -> float | None:
    """The geometric mean, unless one is not known."""
    known = list(ratios)
    return None if None in known else statistics.geometric_mean([ratio for ratio in known if ratio is not None])


def worst(ratios: Iterable[float | None]) -> float | None:
    """The greatest, unless one is not known."""
    known = list(ratios)
    return None if None in known else max(ratio for ratio in known if ratio is not None)


def summed(ratios: Ratios) -> Ratios:
    return ratios | {"geometric mean": geometric(ratios.values()), "worst": worst(ratios.values())}


def untold(make: Callable[[], Policy], grounds: Mapping[str, Ground], seed: int) -> dict[str, Any]:
    """By stage, where nothing is told of a task: figures by distribution, and polls over each rival's."""
    found: dict[str, Any] = {"figures": {}, "polls at equal mean delay": {}}
    for stage in STAGES:
        made = {}
        ratios: dict[str, Ratios] = {rival: {} for rival in (*RIVALS, "best sleep", "optimum")}
        for name, ground in grounds.items():
            curve = ground.curve(pasts(make, name, stage, NOTHING_TOLD, seed), NOTHING_TOLD)
            made[name] = figures(curve(0))
            for rival, run in ground.rivals.items():
                ratios[rival][name] = against(curve, run)
            ratios["best sleep"][name] = ground.over_best_sleep(curve)
            ratios["optimum"][name] = ground.over_optimum(curve)
        found["figures"][stage] = made
        found["polls at equal mean delay"][stage] = {rival: summed(each) for rival, each in ratios.items()}
    return found


def told(make: Callable[[], Policy], grounds: Mapping[str, Ground], seed: int) -> dict[str, Any]:
    """By stage, where providers tell what they do: polls over each one's own loop or, where they lie, the optimum's."""
    found: dict[str, Any] = {"with hints, over the own loop": {}, "with lies, over the optimum": {}, "told and lost": 0}

    def curve(name: str, stage: str, provider: Provider) -> Curve:
        made = grounds[name].curve(pasts(make, name, stage, provider, seed), provider)
        found["told and lost"] += len(grounds[name].tasks) - len(made(0).seen)
        return made

    for stage in ("no history", "after 500"):
        found["with hints, over the own loop"][stage] = {
            loop: summed({name: against(curve(name, stage, provider), grounds[name].rivals[loop]) for name in STEADY})
            for loop, provider in PROVIDERS.items()
        }
    found["with lies, over the optimum"]["after 500"] = {
        lie: summed({name: grounds[name].over_optimum(curve(name, "after 500", provider)) for name in LIED_ABOUT})
        for lie, provider in LIES.items()
    }
    return found


def aims(found: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """What the pauses are to reach, and do. Drift is left out where it would take a prophet."""
    ratios, hinted = found["polls at equal mean delay"], found["with hints, over the own loop"]

    def steady(stage: str, rival: str) -> list[float | None]:
        return [ratios[stage][rival][name] for name in STEADY]

    lost = sum(each["lost of 1,000"] for stage in found["figures"].values() for each in stage.values())
    reached: dict[str, tuple[float, float | None]] = {
        "over the optimum, after 500": (1.15, geometric(steady("after 500", "optimum"))),
        **{
            f"over {loop}'s, hints, after 500": (0.45, each["geometric mean"])
            for loop, each in hinted["after 500"].items()
        },
        "over any own loop, hints, no history": (0.95, worst(each["worst"] for each in hinted["no history"].values())),
        "over the best sleep, after 50": (1, worst(steady("after 50", "best sleep"))),
        "over the best sleep, after 500": (1, worst(steady("after 500", "best sleep"))),
        "lost": (0, lost + found["told and lost"]),
    }
    return judged(reached)


def figures(run: Run) -> dict[str, float]:
    """Of all tasks, the delays of those seen."""
    delays = sorted(run.delays[number] for number in run.seen)
    polls = statistics.fmean(run.polls)
    return {
        "polls": polls,
        "mean delay": statistics.fmean(delays),
        "p95 delay": delays[len(delays) * 95 // 100],
        "dollars of 1,000": 1_000 * dollars(polls),
        "lost of 1,000": 1_000 * (1 - len(delays) / len(run.delays)),
    }


def dollars(polls: float) -> float:
    """Transitions and functions of a task that vidhook polls so often; the rest of its bill is in bench/costs.py."""
    from bench import costs  # takes seconds, which the tests need not spend

    usual = costs.TEMPLATE["Globals"]["Function"]["MemorySize"]
    total = (len(costs.ONCE) + polls * len(costs.ROUND)) * costs.PRICES["state transition"]
    for name, milliseconds in costs.MILLISECONDS.items():
        memory = costs.TEMPLATE["Resources"][name]["Properties"].get("MemorySize", usual)
        work = memory / 1_024 * milliseconds / 1e3 * costs.PRICES["Lambda GB second"]
        total += (polls if name == "PollTaskFunction" else 1) * (costs.PRICES["Lambda request"] + work)
    return total


def average(each: Mapping[str, Mapping[str, float]]) -> dict[str, float]:
    """Of all distributions."""
    rows = list(each.values())
    return {column: statistics.fmean(row[column] for row in rows) for column in rows[0]}


def show(results: Mapping[str, Any]) -> None:
    """The tables: each policy by itself, then each of ours beside the rivals, by stage where that changes anything."""
    alone = {rival: average(each) for rival, each in results["rivals"].items()}
    for name, found in results["ours"].items():
        alone |= {f"{name}, {stage}": average(each) for stage, each in found["figures"].items()}
    table("a task, mean of all distributions", alone)
    for name, found in results["ours"].items():
        for what in ("polls at equal mean delay", "with hints, over the own loop", "with lies, over the optimum"):
            shown = None
            for stage, rows in found[what].items():
                if rows != shown:
                    print(f"{name}, {stage}")
                    table(what, rows)
                shown = rows
        print(name)
        table("aims", found["aims"])


def main() -> None:
    """Measures, prints the tables and writes bench/results/pace.json."""
    parser = argparse.ArgumentParser(description="How well the pauses are chosen, beside what others recommend.")
    parser.add_argument("--tasks", type=int, default=200, help="so many follow each other where schedules differ")
    parser.add_argument("--seed", type=int, default=1)
    given = parser.parse_args()
    alone = {name: Ground(name, given.seed, given.tasks) for name in DISTRIBUTIONS}
    grounds = {name: Ground(name, given.seed) if name in STEADY else ground for name, ground in alone.items()}
    ours = {}
    for name, make in OURS.items():
        ours[name] = untold(make, grounds, given.seed) | told(make, alone, given.seed)
        ours[name]["aims"] = aims(ours[name])
    rivals = {rival: {name: figures(ground.rivals[rival]) for name, ground in grounds.items()} for rival in RIVALS}
    results = {
        "command": f"python -m bench.pace --tasks {given.tasks} --seed {given.seed}",
        "tasks": given.tasks,
        "even durations": EVEN,
        "seed": given.seed,
        "rivals": rivals,
        "ours": ours,
    }
    show(results)
    save(results, RESULTS)


if __name__ == "__main__":
    main()
