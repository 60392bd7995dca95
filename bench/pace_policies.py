"""Who chooses pauses for bench/pace.py: vidhook's schedule, and the loops that providers and clouds recommend."""

import math
import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Protocol, cast

from bench.pace_tasks import Answer
from vidhook.budget import Budget
from vidhook.edges.ledger.tasks import HISTORY
from vidhook.pace import Ended, Kind, Outlook, Pace, decay
from vidhook.pacing import Pacer
from vidhook.providers.reading import Reading
from vidhook.task import Poll, Snapshot, Submission, Watch
from vidhook.times import Clock

BEGAN = 1_767_225_600.0
SUBMISSION = Submission("bench", "task")


@dataclass(frozen=True, slots=True)
class Seen:
    """What is known of a task when the next pause is chosen. `expected_seconds`: as the provider's file says."""

    age: float
    expected_seconds: float | None
    answers: Sequence[Answer]


class Policy(Protocol):
    """Chooses pauses. What it has learned must survive copy.deepcopy; choosing a pause may not change it."""

    knob: float

    def pause(self, seen: Seen) -> float:
        """Seconds until the next poll: at least 1, except before the first. Infinity gives up."""

    def learn(self, seen: Seen, duration_low: float, duration_high: float) -> None:
        """A task has ended, after more than `duration_low` and at most `duration_high` seconds; equal when exact."""


@dataclass
class Memory:
    """What the ledger keeps of one provider's tasks between them, in its parts."""

    expected_seconds: float | None = None
    budget = Budget()
    learned: Pace = field(default_factory=Pace)

    @property
    def providers(self) -> "Memory":
        return self

    @property
    def paces(self) -> "Memory":
        return self

    def get(self, name: str) -> "Memory":
        return self

    def of(self, provider: str, kind: Kind | None, now: float) -> tuple[Pace, Pace]:
        return self.learned if kind else Pace(), self.learned

    def learn(self, watch: Watch, kind: Kind, ended: Ended, outlook: Outlook, now: float) -> bool:
        self.learned = self.learned.learned(ended, decay(), outlook)
        return True


@dataclass
class Planner:
    """vidhook's own pauses: the real job and its schedule, with a memory in place of the ledger."""

    knob: float = 1.0
    memory: Memory = field(default_factory=Memory)
    polls: list[tuple[Answer, Poll]] = field(default_factory=list)

    def pause(self, seen: Seen) -> int:
        pacer, at = self._pacer(seen), BEGAN + seen.age
        if not seen.answers:
            return pacer.first_pause(SUBMISSION, at).seconds
        *before, latest = self._polls(pacer, seen.answers)
        watch = Watch(SUBMISSION, BEGAN, polls=len(seen.answers) - 1, history=tuple(before))
        return pacer.pause(watch, Reading("snapshot", _snapshot(seen.answers[-1])), at, latest.hints).seconds

    def learn(self, seen: Seen, duration_low: float, duration_high: float) -> None:
        exact = duration_low == duration_high
        end = Snapshot(
            seen.answers[-1].status,
            created_at=BEGAN if exact else None,
            completed_at=BEGAN + duration_high if exact else None,
        )
        pacer = self._pacer(seen)
        before = self._polls(pacer, seen.answers[:-1])
        watch = Watch(SUBMISSION, BEGAN, polls=len(seen.answers), history=before)
        pacer.learn(watch, end, BEGAN + seen.age)

    def _polls(self, pacer: Pacer, answers: Sequence[Answer]) -> tuple[Poll, ...]:
        """The history of a watch, with the hints that each poll found; those of the same task are not read twice."""
        same = 0
        while same < min(len(answers), len(self.polls)) and self.polls[same][0] is answers[same]:
            same += 1
        del self.polls[same:]
        for answer in answers[same:]:
            at, before = BEGAN + answer.age, tuple(poll for _, poll in self.polls[-HISTORY:])
            hints = pacer.hints(Watch(SUBMISSION, BEGAN, history=before), _snapshot(answer), at)
            self.polls.append((answer, Poll(at, answer.status, hints=hints)))
        return tuple(poll for _, poll in self.polls[-HISTORY:])

    def _pacer(self, seen: Seen) -> Pacer:
        self.memory.expected_seconds = seen.expected_seconds
        return Pacer(cast("Any", self.memory), Clock(jitter=lambda: 0.5), self.knob)


def _snapshot(answer: Answer) -> Snapshot:
    eta = answer.eta_seconds
    return Snapshot(
        answer.status,
        created_at=BEGAN,
        progress=None if answer.progress is None else int(answer.progress),
        estimated_completion=None if eta is None else BEGAN + answer.age + eta,
        queue_position=answer.queue_position,
    )


@dataclass
class Loop:
    """A polling loop as others write it: `first`, then `growth` times as long each time, at most `longest`.

    at_once: it asks before it pauses. attempts, seconds: it gives up after as many. jitter: any part of the pause.
    whole: in whole seconds.
    """

    first: float
    growth: float = 1.0
    longest: float = math.inf
    at_once: bool = False
    attempts: float = math.inf
    seconds: float = math.inf
    jitter: bool = False
    whole: bool = False
    knob: float = 1.0
    dice: random.Random = field(default_factory=partial(random.Random, 0))

    def pause(self, seen: Seen) -> float:
        asked = len(seen.answers)
        if asked >= self.attempts:
            return math.inf
        if self.at_once and not asked:
            return 0.0
        pause = min(self.longest, self.first * self.growth ** min(asked - self.at_once, 100)) * self.knob
        if self.jitter:
            pause *= self.dice.random()
        if self.whole:
            pause = max(1, math.ceil(pause))
        return pause if seen.age + pause <= self.seconds else math.inf

    def learn(self, seen: Seen, duration_low: float, duration_high: float) -> None:
        """Nothing is learned."""


OURS: dict[str, Callable[[], Policy]] = {"vidhook": Planner}

# As each provider's documentation has it. Two print a loop, which asks before it pauses and gives up after 60 polls.
# The others name an interval alone: it is put into such a loop, without an end.
LOOPS: dict[str, Callable[[], Loop]] = {
    "vicsee": partial(Loop, 1, 1.5, 10, at_once=True, attempts=60),
    "vibepeak": partial(Loop, 5, at_once=True, attempts=60),
    "infinityblue": partial(Loop, 7.5, at_once=True),  # "every 5-10 seconds"
    "alad": partial(Loop, 15, at_once=True),
}
RIVALS: dict[str, Callable[[], Loop]] = LOOPS | {
    "sleep 10": partial(Loop, 10),
    "sleep 15": partial(Loop, 15),
    "sleep 30": partial(Loop, 30),
    "sleep 60": partial(Loop, 60),
    # google-api-core 2.44, future/polling.py: DEFAULT_POLLING, and retry's full jitter.
    "google": partial(Loop, 1, 1.5, 20, at_once=True, seconds=900, jitter=True),
    # azure-core 1.41, polling/base_polling.py: LROBasePolling, where no Retry-After comes.
    "azure": partial(Loop, 30),
    # aws-durable-execution-sdk-python 3.0, waits.py: WaitStrategyConfig.
    "aws durable": partial(Loop, 5, 1.5, 300, at_once=True, attempts=60, jitter=True, whole=True),
}
