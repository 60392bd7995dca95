"""When to ask a provider again: whole seconds to pause, from what is known of the task. Pure; nothing here sleeps.

Every pause is the answer to one question, asked anew after each poll; no counter is carried along.
"""

import math
from dataclasses import dataclass

FIRST_PAUSE = 20.0  # no provider we know finishes sooner
SHORTEST_PAUSE = 12.0
LONGEST_PAUSE = 300.0
KEY_REFUSED_PAUSE = 900.0
JITTER = 0.1


@dataclass(frozen=True, slots=True)
class Known:
    """What is known of a task when the next pause is chosen. All in seconds.

    age: since submission. deadline: age at which we give up. expected: how long such tasks take, as the submitter or
    the provider's file says. retry_after: the provider's own wish. key_refused: only a new key helps. factor: what
    a poll costs against a second of delay; 2 asks about half as often, 0.5 twice as often.
    """

    age: float
    deadline: float
    expected: float | None = None
    retry_after: float | None = None
    key_refused: bool = False
    factor: float = 1.0


def next_pause(known: Known, jitter: float = 0.0) -> int:
    """Returns whole seconds to pause, at least 1; `jitter` in [0, 1) stretches them by up to a tenth.

    Strongest first: the provider's Retry-After is never undercut unless the deadline comes first; the last poll
    falls on the deadline; then the growth.
    """
    pause = KEY_REFUSED_PAUSE if known.key_refused else growing_pause(known.age, known.expected, known.factor)
    pause *= 1 + JITTER * jitter
    if known.retry_after is not None:
        pause = max(pause, known.retry_after)
    return max(1, math.ceil(min(pause, known.deadline - known.age)))


def growing_pause(age: float, expected: float | None = None, factor: float = 1.0) -> float:
    """Returns about 20, 12, 12, 13 ... 22 s and on, in the long run a tenth of the age, times `factor`; at most 300 s.

    With an expected duration the first poll falls shortly before it, and the pauses after it stay fine around it.
    """
    if expected is not None and age < 0.8 * expected:
        return min(LONGEST_PAUSE, max(1.0, 0.8 * expected - age))
    if expected is None and age < factor * FIRST_PAUSE / 2:
        return factor * FIRST_PAUSE - age
    shortest = SHORTEST_PAUSE if expected is None else min(SHORTEST_PAUSE, max(2.0, 0.1 * expected))
    return min(LONGEST_PAUSE, factor * max(shortest, 0.1 * age + 0.6 * shortest))
