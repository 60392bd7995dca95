"""Chooses the pause before the next poll, in whole seconds. The functions are pure; nothing here sleeps.

Each pause follows only from what is known of the task after the latest poll; no counter is stored.
"""

import math
from dataclasses import dataclass

FIRST_PAUSE = 20.0  # no provider that we know finishes a task sooner
SHORTEST_PAUSE = 12.0
LONGEST_PAUSE = 300.0
KEY_REFUSED_PAUSE = 900.0
JITTER = 0.1


@dataclass(frozen=True, slots=True)
class Known:
    """What is known of a task when the next pause is chosen. Times are seconds.

    age: since submission. deadline: the age at which vidhook stops following the task. expected: how long the task
    should take, as the submission says. retry_after: what the provider asks for. key_refused: only a new key helps.
    factor: scales the pauses; 2 polls about half as often, 0.5 about twice as often.
    """

    age: float
    deadline: float
    expected: float | None = None
    retry_after: float | None = None
    key_refused: bool = False
    factor: float = 1.0


def next_pause(known: Known, jitter: float = 0.0) -> int:
    """Returns whole seconds to pause, at least 1; `jitter` in [0, 1) makes them longer by up to a tenth.

    The rules, the strongest first: the last poll falls on the deadline; a pause is never shorter than the provider's
    Retry-After; the pauses grow with the age.
    """
    pause = KEY_REFUSED_PAUSE if known.key_refused else growing_pause(known.age, known.expected, known.factor)
    pause *= 1 + JITTER * jitter
    if known.retry_after is not None:
        pause = max(pause, known.retry_after)
    return max(1, math.ceil(min(pause, known.deadline - known.age)))


def growing_pause(age: float, expected: float | None = None, factor: float = 1.0) -> float:
    """Returns seconds: about 20, 12, 12, 13 ... 22 and so on, later a tenth of the age, times `factor`; at most 300.

    With an expected duration the first poll falls shortly before it, and the pauses around it stay short.
    """
    if expected is not None and age < 0.8 * expected:
        return min(LONGEST_PAUSE, max(1.0, 0.8 * expected - age))
    if expected is None and age < factor * FIRST_PAUSE / 2:
        return factor * FIRST_PAUSE - age
    shortest = SHORTEST_PAUSE if expected is None else min(SHORTEST_PAUSE, max(2.0, 0.1 * expected))
    return min(LONGEST_PAUSE, factor * max(shortest, 0.1 * age + 0.6 * shortest))
