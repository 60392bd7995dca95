"""When to ask a provider again: whole seconds to pause, from what is known of the task. Pure; nothing here sleeps.

Every pause is the answer to one question, asked again after each poll: how long may the task still take, and where do
the next polls cost least? A poll costs 1, and a second that its end goes unseen costs RATE.
"""

import math
from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import accumulate

from vidhook.pace import EDGES, Hint, Pace, bucket_of, hinted, outlook

RATE = 0.5  # polls that a second of delay is worth
LONGEST_PAUSE = 300.0
KEY_REFUSED_PAUSE = 900.0
# An end that the provider does not say in so many words is believed when its answers have suggested it for so long.
# It is asked about after the first pause, then whenever the time since doubled.
CONFIRM_SECONDS, DOUBT_PAUSE = 600.0, 15.0
JITTER, JITTER_SECONDS = 0.1, 5.0
# A poll may fall on the ends of so many equal shares of what may still happen, the last one cut finer, and on steps
# that grow with the pause: many tasks end around the first, few around the others, and yet a poll may be wanted there.
PARTS = 48
SHARES = (*(number / PARTS for number in range(1, PARTS)), 1 - 0.25 / PARTS, 1 - 0.06 / PARTS)
STEPS = tuple(1.25**number for number in range(40))

_Line = tuple[float, float, float]  # slope, height at 0, the age of the poll that it stands for


@dataclass(frozen=True, slots=True)
class Known:
    """What is known of a task when the next pause is chosen. All in seconds.

    age: since submission. deadline: age at which we give up. lag: how much older the task is at its provider. expected:
    how long such tasks take, as the submitter or the provider's file says. hints: what was said of this task,
    oldest first. pace and others: what was learned of its kind, and of all tasks of its provider. retry_after: the
    provider's own wish. key_refused: only a new key helps. doubted: for so long the answers have suggested that the
    task has ended, without saying so. factor: what a poll costs against a second of delay; 2 asks about half as often,
    0.5 twice as often. stretch: by how much the key's budget makes pauses longer.
    """

    age: float
    deadline: float
    lag: float = 0.0
    expected: float | None = None
    hints: tuple[Hint, ...] = ()
    pace: Pace = field(default_factory=Pace)
    others: Pace = field(default_factory=Pace)
    retry_after: float | None = None
    key_refused: bool = False
    doubted: float | None = None
    factor: float = 1.0
    stretch: float = 1.0


@dataclass(frozen=True, slots=True)
class Pause:
    """Whole seconds until the next poll, and why so many.

    why: `learned` from tasks that ended; `expected` by the submitter, the provider's file or nobody; the hint that was
    believed (`eta`, `progress`, `queue`, `started`, `together`); `retry_after`, `key_refused`, `doubt` (an end that is
    not certain), `budget` or `deadline`.
    spent: how much of the key's budget of polls is used, in percent; None without a budget.
    """

    seconds: int
    why: str
    spent: float | None = None


def next_pause(known: Known, jitter: float = 0.5) -> Pause:
    """Returns the pause, at least a second; `jitter` in [0, 1) moves it by up to a twentieth, and 2.5 s, either way.

    Strongest first: the deadline, on which the last poll falls; the provider's Retry-After, which is never undercut;
    a refused key; a doubtful end; the plan.
    """
    if known.key_refused:
        pause, why = KEY_REFUSED_PAUSE, "key_refused"
    elif known.doubted is not None:
        pause, why = min(known.doubted, CONFIRM_SECONDS - known.doubted), "doubt"
        pause = max(DOUBT_PAUSE, pause, shortest_pause(known.age + known.lag))
    else:
        pause, why = _planned(known)
        pause += min(JITTER * pause, JITTER_SECONDS) * (jitter - 0.5)
        pause = min(LONGEST_PAUSE * known.stretch, max(shortest_pause(known.age + known.lag), pause))
    if known.retry_after is not None and known.retry_after > pause:
        pause, why = known.retry_after, "retry_after"
    if known.deadline - known.age < pause:
        pause, why = known.deadline - known.age, "deadline"
    return Pause(max(1, math.ceil(pause)), why)


def _planned(known: Known) -> tuple[float, str]:
    age = known.age + known.lag
    plain = outlook(known.pace, known.others, known.expected)
    weights, why = hinted(plain, known.hints, known.pace, age)
    why = why or ("learned" if known.pace.tasks or known.others.tasks else "expected")
    planned = cheapest_poll(weights, age, RATE / (known.factor * known.stretch) ** 2) - age
    return planned, "budget" if known.stretch > 1 else why


def shortest_pause(age: float) -> float:
    """Returns the seconds that a pause has at least at an age; they bound the polls of a task whose end is always near.

    They grow with the age, and faster after ten minutes.
    """
    return max(0.015 * age, 0.06 * (age - 450))


def cheapest_poll(weights: Sequence[float], age: float, rate: float) -> float:
    """Returns the age of the next poll in the plan that costs least, for a task that is not done at `age`.

    An exact dynamic programme over some hundred moments: the cost of a plan is its polls and `rate` times the delay,
    each by its likelihood. An age beyond every bucket is asked about at the longest pause.

    With B the likelihood that the task is done by then and M the part of the mean duration up to there, the cost of
    going on from s is 1 - B(s) + rate * M(s) + the least, over the next poll p, of a line in B(s) with the slope
    -rate * p. B(s) only falls on the way back from the end, so a queue of lines finds each least one at once.
    """
    ends, below = _moments_to_poll(weights, age)
    if not ends:
        return age + LONGEST_PAUSE
    moment = [0.0]
    for start, end, sooner, later in zip([age, *ends], ends, below, below[1:], strict=False):
        moment.append(moment[-1] + (later - sooner) * (start + end) / 2)
    value, first = 0.0, 0
    lines: list[_Line] = []
    for start in range(len(ends) - 1, -1, -1):
        end = ends[start]
        line = (-rate * end, rate * (end * below[start + 1] - moment[start + 1]) + value, end)
        while len(lines) - first >= 2 and _useless(lines[-2], lines[-1], line):
            lines.pop()
        lines.append(line)
        done = below[start]
        while len(lines) - first >= 2 and _at(lines[first + 1], done) <= _at(lines[first], done):
            first += 1
        value = 1 - done + rate * moment[start] + _at(lines[first], done)
    return lines[first][2]


def _at(line: _Line, share: float) -> float:
    return line[0] * share + line[1]


def _useless(one: _Line, other: _Line, next_one: _Line) -> bool:
    """Whether the second of three lines, each less steep than the one before, is the least one nowhere."""
    return (other[1] - next_one[1]) * (other[0] - one[0]) >= (one[1] - other[1]) * (next_one[0] - other[0])


def _moments_to_poll(weights: Sequence[float], age: float) -> tuple[list[float], list[float]]:
    """Ages at which a poll may fall, and the likelihoods that the task is done by then, beginning with 0 for `age`."""
    first = bucket_of(age)
    low = EDGES[first] if first else 0.0
    left = [(EDGES[first + 1] - max(age, low)) / (EDGES[first + 1] - low) * weights[first], *weights[first + 1 :]]
    total = sum(left)
    if age >= EDGES[-1] or total <= 0:
        return [], [0.0]
    edges = [max(age, low), *EDGES[first + 1 :]]
    passed = [0.0, *accumulate(weight / total for weight in left)]
    ends = {_between(share, passed, edges) for share in SHARES}
    ends.update(age + step for step in STEPS if age + step < edges[-1])
    ages = sorted(ends)
    return ages, [0.0, *(_between(end, edges, passed) for end in ages)]


def _between(value: float, given: Sequence[float], wanted: Sequence[float]) -> float:
    """The value's place in the rising numbers `given`, read off at the same place in `wanted`."""
    place = min(bisect_right(given, value), len(given) - 1) - 1
    width = given[place + 1] - given[place]
    return wanted[place] + (wanted[place + 1] - wanted[place]) * ((value - given[place]) / width if width else 1.0)
