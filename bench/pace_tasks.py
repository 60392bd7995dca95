"""Tasks for bench/pace.py: how long they take, and what their providers tell meanwhile, truly or not."""

import math
import random
import statistics
import tomllib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from vidhook.task import Status

ROOT = Path(__file__).parents[1]
# Nobody publishes these; they are guesses, and the same for all policies.
QUEUED = (0.1, 0.5)  # the share of its time that a task waits in the queue
PROGRESS_SPREAD = 0.2  # how unevenly percents grow: the spread of the logarithm of an exponent
ETA_SPREAD = 0.25  # how far an expected end is off: the spread of the logarithm


@dataclass(frozen=True, slots=True)
class Answer:
    """What a poll at `age` was told. `eta_seconds` is what the provider thinks is left, below 0 when overdue."""

    age: float
    status: Status
    progress: float | None = None
    eta_seconds: float | None = None
    queue_position: int | None = None


@dataclass(frozen=True, slots=True)
class Task:
    """A task and what its provider could know. All in seconds.

    nominal: how long it would take if it did not fail. started: its age when it leaves the queue. luck: a standard
    normal number, by which this provider errs about this task.
    """

    duration: float
    failed: bool
    nominal: float
    started: float
    luck: float


Quantile = Callable[[float], float]


@dataclass(frozen=True)
class Distribution:
    """How long tasks take. `failing`: the share that fails early; `drift`: how much slower than its history it is."""

    quantile: Quantile
    failing: float = 0.0
    drift: float = 1.0

    def duration(self, part: float, drifted: bool = True) -> float:
        """The duration at `part` in (0, 1), failures first."""
        if part < self.failing:
            return 2 + 13 * part / self.failing
        rest = (part - self.failing) / (1 - self.failing)
        return self.quantile(min(max(rest, 1e-5), 1 - 1e-5)) * (self.drift if drifted else 1)

    def durations(self, count: int) -> list[float]:
        return [self.duration((number + 0.5) / count) for number in range(count)]

    def tasks(self, count: int, dice: random.Random, even: bool = False, drifted: bool = True) -> list[Task]:
        """Tasks as they come; with `even` their durations are the even quantiles, so that fewer tasks tell as much."""
        parts = [(number + 0.5) / count if even else dice.random() for number in range(count)]
        dice.shuffle(parts)
        return [self._task(part, dice, drifted) for part in parts]

    def _task(self, part: float, dice: random.Random, drifted: bool) -> Task:
        duration, failed = self.duration(part, drifted), part < self.failing
        meant = self.failing + (1 - self.failing) * dice.random()
        nominal = self.duration(meant, drifted) if failed else duration
        return Task(duration, failed, nominal, nominal * dice.uniform(*QUEUED), dice.gauss(0, 1))


def lognormal(median: float, sigma: float) -> Quantile:
    return lambda part: median * math.exp(sigma * statistics.NormalDist().inv_cdf(part))


def either(first: Quantile, second: Quantile) -> Quantile:
    return lambda part: first(2 * part) if part < 0.5 else second(max(2 * part - 1, 1e-5))


DISTRIBUTIONS = {
    "lognormal": Distribution(lognormal(90, 0.6)),
    "uniform": Distribution(lambda part: 60 + 240 * part),
    "bimodal": Distribution(either(lognormal(40, 0.15), lognormal(240, 0.15))),
    "heavy tail": Distribution(lambda part: min(40 * (1 - part) ** (-1 / 1.5), 7_200)),  # Pareto's, up to two hours
    "short": Distribution(lognormal(30, 0.4)),
    "one model": Distribution(lognormal(80, 0.25)),
    "failures": Distribution(lognormal(90, 0.6), failing=0.05),
    "slower": Distribution(lognormal(90, 0.6), drift=2),
    "faster": Distribution(lognormal(90, 0.6), drift=0.5),
}


# What providers tell of them, by their documentation, and how they lie.

Tells = Callable[[Task, float], Answer]


def working(task: Task, age: float) -> Status:
    return Status.PENDING if age < task.started else Status.PROCESSING


def done_share(task: Task, age: float) -> float:
    """Of the work, as the provider sees it: neither evenly nor with an eye on failures."""
    share = (age - task.started) / (task.nominal - task.started)
    return float(min(max(share, 0), 1) ** math.exp(PROGRESS_SPREAD * task.luck))


def silent(task: Task, age: float) -> Answer:
    return Answer(age, Status.PROCESSING)


def vicsee(task: Task, age: float) -> Answer:
    """Pending, then processing, and nothing else."""
    return Answer(age, working(task, age))


def vibepeak(task: Task, age: float) -> Answer:
    """A place in the queue and an expected end while it queues; nothing after that."""
    if age >= task.started:
        return Answer(age, Status.PROCESSING)
    end = task.nominal * math.exp(ETA_SPREAD * task.luck)
    place = math.ceil((task.started - age) / 15)
    return Answer(age, Status.PENDING, eta_seconds=end - age, queue_position=place)


def infinityblue(task: Task, age: float) -> Answer:
    """Whole percents, never 100 before the end."""
    return Answer(age, working(task, age), min(99, math.floor(100 * done_share(task, age))))


def alad(task: Task, age: float) -> Answer:
    """0 % while it queues, then 50 % and on."""
    queues = age < task.started
    return Answer(age, working(task, age), 0 if queues else min(99, math.floor(50 + 50 * done_share(task, age))))


def stuck(task: Task, age: float) -> Answer:
    """99 % after three fifths of the work."""
    return Answer(age, working(task, age), min(99, math.floor(100 * done_share(task, age) / 0.6)))


def to_and_fro(task: Task, age: float) -> Answer:
    swing = 25 * math.sin(age + 10 * task.luck)
    return Answer(age, working(task, age), min(99, max(0, math.floor(100 * done_share(task, age) + swing))))


def half(task: Task, age: float) -> Answer:
    """50 % all the time."""
    return Answer(age, working(task, age), 50)


def far_off(task: Task, age: float) -> Answer:
    """The end is expected two and a half times too late, or anywhere."""
    return Answer(age, working(task, age), eta_seconds=task.nominal * 2.5 * math.exp(0.6 * task.luck) - age)


def in_a_minute(task: Task, age: float) -> Answer:
    """The end is always a minute away."""
    return Answer(age, working(task, age), eta_seconds=60)


def in_half_an_hour(task: Task, age: float) -> Answer:
    """The end is half an hour after the beginning, whatever the task."""
    return Answer(age, working(task, age), eta_seconds=1_800 - age)


@dataclass(frozen=True)
class Provider:
    """What is told of a task: while it runs, of its end (`exact`: when it ended), and in the provider's file."""

    tells: Tells = silent
    exact: bool = False
    expected: float | None = None


def written(name: str, tells: Tells, exact: bool) -> Provider:
    """The provider with the expected time of its file."""
    file = ROOT / f"layers/vidhook/vidhook/providers/{name}.toml"
    return Provider(tells, exact, tomllib.loads(file.read_text("utf-8"))["expected_seconds"])


PROVIDERS = {
    "vicsee": written("vicsee", vicsee, exact=False),  # its answers bear no time but the creation's
    "vibepeak": written("vibepeak", vibepeak, exact=True),
    "infinityblue": written("infinityblue", infinityblue, exact=True),
    "alad": written("alad", alad, exact=True),
}
# What is told by a provider that lies, and otherwise does as it should.
LIES = {
    "stuck at 99 %": Provider(stuck, exact=True),
    "to and fro": Provider(to_and_fro, exact=True),
    "always 50 %": Provider(half, exact=True),
    "far off": Provider(far_off, exact=True),
    "in a minute": Provider(in_a_minute, exact=True),
    "in half an hour": Provider(in_half_an_hour, exact=True),
}
LIED_ABOUT = ("lognormal", "bimodal")
