"""How long a kind of task takes: what was learned from tasks that ended, and what is expected of one that goes on.

Durations lie in buckets, each four percent longer than the one before, from a second to ten days. A weight by bucket is
a distribution. Pure: others read it from the ledger and write it there.
"""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property, lru_cache
from itertools import accumulate, pairwise
from operator import add, mul

RATIO = 1.04
BUCKETS = 350
EDGES = tuple(RATIO**number for number in range(BUCKETS + 1))
LOG_RATIO = math.log(RATIO)
LOG_MIDDLES = tuple((number + 0.5) * LOG_RATIO for number in range(BUCKETS))

# With every task that ends, what was learned before loses so much that half of it is gone after so many tasks.
HALF_LIFE = 200
# What is expected before anything is learned counts as much as so many tasks.
PRIOR_TASKS = 4.0
TYPICAL_SECONDS = 100.0  # of a task of a provider whose file says nothing
# The spread of durations around what a file or nobody says, as a standard deviation of their logarithm.
SPREAD_OF_FILE, SPREAD_OF_NOTHING = 0.9, 1.1
# A longer tail than the prior's is always possible.
TAIL_SHARE, TAIL_FACTOR, TAIL_SPREAD = 0.03, 4.0, 2.0
# Some tasks fail, most of them soon: a prompt is refused before anything is made of it.
FAILING, FAILS_AFTER, FAILURE_SPREAD = 0.03, 15.0, 1.2
# So far around itself a task that was seen stands for others, as a standard deviation of the logarithm: at most half
# the spread of all that were seen, at most WIDTH for one task, and less the more there are.
WIDTH, WIDTH_EXPONENT = 0.5, -0.25
# A wrong hint may lie anywhere in this range, as a logarithm; so many are wrong until something is learned.
LOG_RANGE, WRONG = 6.0, 0.05
ROOT = math.sqrt(2 * math.pi)
# Before anything is learned of a kind of hint, it counts as so many tasks with this error.
HINT_TASKS, HINT_SPREAD, SMALLEST_SPREAD = 2.0, 0.6, 0.03
ASSUMED_ERROR = {"started": math.log(0.3)}  # tasks leave the queue after some part of their time

TOGETHER = "together"  # the name of the hint that all the others make

Weights = Sequence[float]
NOTHING: Weights = (0.0,) * BUCKETS
Kind = tuple[str, str]  # the model, and whether it makes a video or an image


@dataclass(frozen=True, slots=True)
class Belief:
    """What is expected of the next hint of one kind: its mean error, the spread of it, and how often it is wrong.

    Errors are ln(said / true duration).
    """

    mean: float
    spread: float
    wrong: float

    def likelihood(self, error: float) -> float:
        """Returns the likelihood of this error: a bell curve, and wrong hints that may lie anywhere."""
        distance = (error - self.mean) / self.spread
        return (1 - self.wrong) / self.spread * math.exp(-0.5 * distance**2) / ROOT + self.wrong / LOG_RANGE

    @property
    def surprise(self) -> float:
        """How little such a hint tells: the entropy of its errors, less what is the same for all kinds."""
        return (1 - self.wrong) * math.log(self.spread) + self.wrong * math.log(LOG_RANGE)


@dataclass(frozen=True, slots=True)
class Bias:
    """How far one kind of hint was off: decayed weight, mean and squared deviations of its errors.

    A hint that is far from all others says nothing of them: `wrong` is the weight of those.
    """

    weight: float = 0.0
    mean: float = 0.0
    squares: float = 0.0
    wrong: float = 0.0

    def after(self, errors: Sequence[float], decay: float, assumed: float) -> "Bias":
        """Returns the bias after one more task, in which the hint was off by these errors."""
        bias = Bias(self.weight * decay, self.mean, self.squares * decay, self.wrong * decay)
        for error in errors:
            bias = bias._with(error, 1 / len(errors), assumed)
        return bias

    def _with(self, error: float, weight: float, assumed: float) -> "Bias":
        belief = self.belief(assumed)
        wrong = weight * belief.wrong / LOG_RANGE / belief.likelihood(error)
        right = weight - wrong
        total = self.weight + right
        step = (error - self.mean) * right / total if total else 0.0
        squares = self.squares + right * (error - self.mean) * (error - self.mean - step)
        return Bias(total, self.mean + step, squares, self.wrong + wrong)

    def belief(self, assumed: float) -> Belief:
        """Returns what is expected of the next hint; its mean error is `assumed` until some came."""
        trust = HINT_TASKS / (1 + self.weight / 10)  # what is assumed counts less when more is known
        weight = self.weight + trust
        mean = (self.mean * self.weight + assumed * trust) / weight
        # The assumed errors lie around their mean, those that came around theirs.
        apart = self.weight * trust / weight * (self.mean - assumed) ** 2
        squares = self.squares + trust * HINT_SPREAD**2 + apart
        wrong = (self.wrong + HINT_TASKS * WRONG) / (self.weight + self.wrong + HINT_TASKS)
        return Belief(mean, max(SMALLEST_SPREAD, math.sqrt(squares / weight)), wrong)


@dataclass(frozen=True, slots=True)
class Hint:
    """What somebody said of how long a task takes in all: `kind` is expected, eta, progress or queue with its stage."""

    kind: str
    seconds: float

    @property
    def name(self) -> str:
        """The kind without its stage: how it is shown to people."""
        return self.kind.partition(":")[0]


@dataclass(frozen=True, slots=True)
class Ended:
    """One task that ended: after more than `longer_than` and at most `seconds`, and the hints that were read of it."""

    longer_than: float
    seconds: float
    hints: tuple[Hint, ...] = ()
    failed: bool = False
    polls: int = 0
    delay: float = 0.0


@dataclass(frozen=True, slots=True)
class Outlook:
    """The weights of all durations of a task that has just begun: by bucket, when it will complete and when fail."""

    completed: Weights
    failed: Weights


@dataclass(frozen=True)
class Pace:
    """What was learned of one kind of task.

    completed and failed: decayed weights of durations by bucket. biases: of each kind of hint; a hint speaks of a task
    that completes. tasks, polls, seconds and delay: plain sums.
    """

    completed: Mapping[int, float] = field(default_factory=dict)
    failed: Mapping[int, float] = field(default_factory=dict)
    biases: Mapping[str, Bias] = field(default_factory=dict)
    tasks: int = 0
    polls: int = 0
    seconds: float = 0.0
    delay: float = 0.0

    def learned(self, ended: Ended, decay: float, outlook: Outlook) -> "Pace":
        """Returns the pace after one more task has ended.

        `decay` is what the knowledge so far keeps of its weight. A duration that is known to lie between two polls is
        spread over the buckets between them, as `outlook` has them.
        """
        shares = _shares(ended, outlook.failed if ended.failed else outlook.completed)
        errors: dict[str, list[float]] = {}
        for hint in () if ended.failed else ended.hints:
            errors.setdefault(hint.kind, []).append(math.log(hint.seconds) - math.log(_middle(ended)))
        return Pace(
            _added(self.completed, decay, [] if ended.failed else shares),
            _added(self.failed, decay, shares if ended.failed else []),
            {
                **self.biases,
                **{
                    kind: self.biases.get(kind, Bias()).after(errors[kind], decay, _assumed_error(kind))
                    for kind in errors
                },
            },
            self.tasks + 1,
            self.polls + ended.polls,
            self.seconds + ended.seconds,
            self.delay + ended.delay,
        )

    @property
    def durations(self) -> dict[int, float]:
        """The weights of durations by bucket, of tasks that completed and of those that failed."""
        return _summed((self.completed, self.failed))

    @cached_property
    def outlook(self) -> Outlook:
        """The durations, smoothed: few tasks were seen, and many may come."""
        return Outlook(_smoothed(self.completed), _smoothed(self.failed))


def merged(paces: Iterable[Pace]) -> Pace:
    """Returns what several shards, or several kinds of task, have learned together."""
    known = list(paces)
    biases: dict[str, Bias] = {}
    for pace in known:
        for kind, other in pace.biases.items():
            biases[kind] = _one_bias(biases.get(kind, Bias()), other)
    return Pace(
        _summed(pace.completed for pace in known),
        _summed(pace.failed for pace in known),
        biases,
        sum(pace.tasks for pace in known),
        sum(pace.polls for pace in known),
        sum(pace.seconds for pace in known),
        sum(pace.delay for pace in known),
    )


def outlook(pace: Pace, others: Pace, expected: float | None) -> Outlook:
    """Returns the outlook of a task that has just begun, before any hint.

    `pace` is of its own kind, `others` of all tasks of its provider; `expected` is what the provider's file says.
    """
    completed: Weights = _prior(expected)
    failed: Weights = _prior_failures()
    for learned in (others, pace):
        if learned.tasks:
            share, seen = PRIOR_TASKS / (sum(completed) + sum(failed)), learned.outlook
            completed = [share * before + more for before, more in zip(completed, seen.completed, strict=True)]
            failed = [share * before + more for before, more in zip(failed, seen.failed, strict=True)]
    return Outlook(completed, failed)


def hinted(outlook: Outlook, said: Sequence[Hint], pace: Pace, age: float) -> tuple[list[float], str]:
    """Returns the weights once the best hint is believed as far as its kind has proved right, and the hint's name.

    `said` are all hints about this task, oldest first. Those of one provider say the same thing in several ways, so
    only the one that tells most counts. A hint whose time has passed at `age` counts as an error already.
    """
    beliefs = [(hint, _belief(hint, said, pace, age)) for hint in {each.name: each for each in said}.values()]
    if not beliefs:
        return list(map(add, outlook.completed, outlook.failed)), ""
    hint, belief = min(beliefs, key=lambda each: each[1].surprise)
    log_said = math.log(hint.seconds)
    likely = [
        weight and weight * belief.likelihood(log_said - middle)
        for weight, middle in zip(outlook.completed, LOG_MIDDLES, strict=True)
    ]
    share = sum(outlook.completed) / sum(likely)
    return [share * weight + failed for weight, failed in zip(likely, outlook.failed, strict=True)], hint.name


def together(said: Sequence[Hint], pace: Pace, age: float) -> Hint | None:
    """Returns what the latest hints of all names say together, each by its belief; None when there are not two.

    It is a kind of its own, so that it is learned how far they are off together.
    """
    latest = {each.name: each for each in said if each.name != TOGETHER}
    if len(latest) < 2:
        return None
    beliefs = [(hint, _belief(hint, said, pace, age)) for hint in latest.values()]
    shares = [(1 - belief.wrong) / belief.spread**2 for _, belief in beliefs]
    meant = [math.log(hint.seconds) - belief.mean for hint, belief in beliefs]
    best, _ = min(beliefs, key=lambda each: each[1].surprise)
    return Hint(f"{TOGETHER}:{best.kind}", math.exp(sum(map(mul, shares, meant)) / sum(shares)))


def quantile(durations: Mapping[int, float], share: float) -> float:
    """Returns the seconds within which this share of the tasks ended. `durations` are weights by bucket, not empty."""
    wanted = share * sum(durations.values())
    passed = 0.0
    for bucket in sorted(durations):
        passed += durations[bucket]
        if passed >= wanted:
            break
    return EDGES[bucket + 1]


def _assumed_error(kind: str) -> float:
    return ASSUMED_ERROR.get(kind.partition(":")[0], 0.0)


def _belief(hint: Hint, said: Sequence[Hint], pace: Pace, age: float) -> Belief:
    assumed = _assumed_error(hint.kind)
    bias = pace.biases.get(hint.kind, Bias())
    for earlier in {each.kind: each for each in said if each.name == hint.name}.values():
        if earlier.seconds < age * math.exp(bias.belief(assumed).mean):
            bias = bias.after((math.log(earlier.seconds / age),), 1.0, assumed)
    return bias.belief(assumed)


def bucket_of(seconds: float) -> int:
    """Returns the bucket that a duration belongs to."""
    return min(BUCKETS - 1, int(math.log(seconds) / LOG_RATIO)) if seconds > 1 else 0


def decay(shards: int = 1) -> float:
    """Returns what is kept of the weight so far at each task, when every shard sees one in `shards` of them."""
    return math.exp2(-shards / HALF_LIFE)


@lru_cache(maxsize=64)
def _prior(expected: float | None) -> tuple[float, ...]:
    median = expected or TYPICAL_SECONDS
    usual = _lognormal(median, SPREAD_OF_FILE if expected else SPREAD_OF_NOTHING)
    tail = _lognormal(median * TAIL_FACTOR, TAIL_SPREAD)
    return tuple((1 - TAIL_SHARE) * each + TAIL_SHARE * more for each, more in zip(usual, tail, strict=True))


@lru_cache(maxsize=1)
def _prior_failures() -> tuple[float, ...]:
    return tuple(FAILING * each for each in _lognormal(FAILS_AFTER, FAILURE_SPREAD))


def _lognormal(median: float, spread: float) -> list[float]:
    below = [0.5 * math.erfc((math.log(median / edge) / spread) / math.sqrt(2)) for edge in EDGES]
    below[0], below[-1] = 0.0, 1.0
    return [later - sooner for sooner, later in pairwise(below)]


def _middle(ended: Ended) -> float:
    return math.sqrt(max(1.0, ended.longer_than) * max(1.0, ended.seconds))


def _added(before: Mapping[int, float], decay: float, shares: Iterable[tuple[int, float]]) -> dict[int, float]:
    weights = {bucket: weight * decay for bucket, weight in before.items() if weight * decay > 1e-4}
    for bucket, share in shares:
        weights[bucket] = weights.get(bucket, 0.0) + share
    return weights


def _summed(durations: Iterable[Mapping[int, float]]) -> dict[int, float]:
    total: dict[int, float] = {}
    for each in durations:
        for bucket, weight in each.items():
            total[bucket] = total.get(bucket, 0.0) + weight
    return total


def _smoothed(durations: Mapping[int, float]) -> Weights:
    if not durations:
        return NOTHING
    total = sum(durations.values())
    middle = sum(bucket * weight for bucket, weight in durations.items()) / total
    spread = math.sqrt(sum((bucket - middle) ** 2 * weight for bucket, weight in durations.items()) / total)
    width = min(spread / 2, WIDTH * max(1.0, total) ** WIDTH_EXPONENT / LOG_RATIO)
    reach = round((math.sqrt(1 + 4 * width**2) - 1) / 2)
    weights = [durations.get(bucket, 0.0) for bucket in range(BUCKETS)]
    for _ in range(3):  # three moving averages are almost a bell curve, with the variance reach * (reach + 1)
        sums = [0.0, *accumulate(weights)]
        weights = [
            (sums[min(BUCKETS, bucket + reach + 1)] - sums[max(0, bucket - reach)]) / (2 * reach + 1)
            for bucket in range(BUCKETS)
        ]
    return weights


def _shares(ended: Ended, outlook: Weights) -> list[tuple[int, float]]:
    """The buckets between the two polls, and how much of the task each gets."""
    first, last = bucket_of(ended.longer_than), bucket_of(ended.seconds)
    if first == last:
        return [(last, 1.0)]
    weights = []
    for bucket in range(first, last + 1):
        low, high = EDGES[bucket] if bucket else 0.0, EDGES[bucket + 1]
        covered = (min(high, ended.seconds) - max(low, ended.longer_than)) / (high - low)
        weights.append(max(0.0, covered) * (outlook[bucket] + 1e-9))
    total = sum(weights)
    return [(first + number, weight / total) for number, weight in enumerate(weights)]


def _one_bias(one: Bias, other: Bias) -> Bias:
    weight = one.weight + other.weight
    if weight <= 0:
        return replace(one, wrong=one.wrong + other.wrong)
    apart = other.mean - one.mean
    return Bias(
        weight,
        one.mean + apart * other.weight / weight,
        one.squares + other.squares + apart**2 * one.weight * other.weight / weight,
        one.wrong + other.wrong,
    )
