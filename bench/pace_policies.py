"""Who chooses pauses for bench/pace.py: vidhook's schedule, and the loops that providers and clouds recommend."""

import math
import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Protocol

from bench.pace_tasks import Answer
from vidhook.schedule import Known, next_pause

DEADLINE = 86_400.0


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
class Planner:
    """vidhook's own schedule: what the ledger would hold between tasks is held here. Growing pauses hold nothing."""

    knob: float = 1.0

    def pause(self, seen: Seen) -> int:
        return next_pause(Known(seen.age, DEADLINE, factor=self.knob))

    def learn(self, seen: Seen, duration_low: float, duration_high: float) -> None:
        """Nothing is learned."""


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


OURS: dict[str, Callable[[], Policy]] = {"growing pauses": Planner}

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
