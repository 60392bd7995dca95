"""What is learned of how long tasks take, and how far hints are believed."""

import math
import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vidhook.edges.ledger.paces import pace_of, pace_text
from vidhook.pace import BUCKETS, EDGES, HALF_LIFE, Bias, Ended, Hint, Pace, bucket_of, decay, hinted, merged, outlook

seconds = st.floats(0.1, 1e6)
kinds = st.sampled_from(["expected", "eta:0", "progress:5", "queue", "started"])
hints = st.lists(st.builds(Hint, kinds, st.floats(1e-3, 1e9)), max_size=4).map(tuple)


@st.composite
def ends(draw: st.DrawFn) -> Ended:
    low, high = sorted((draw(seconds), draw(seconds)))
    return Ended(draw(st.sampled_from([low, high, 0.0])), high, draw(hints), draw(st.booleans()), 3, 2.5)


def taught(tasks: list[Ended]) -> Pace:
    pace = Pace()
    for each in tasks:
        pace = pace.learned(each, decay(), outlook(pace, pace, None))
    return pace


paces = st.lists(ends(), max_size=6).map(taught)


def chance(weights: list[float], low: float, high: float) -> float:
    """How likely a task takes between so many seconds."""
    chosen = sum(weight for edge, weight in zip(EDGES, weights, strict=False) if low <= edge < high)
    return chosen / sum(weights)


@given(tasks=st.lists(ends(), max_size=6))
def test_every_task_that_ends_adds_one(tasks: list[Ended]) -> None:
    """Nothing is counted twice, and what is older counts a little less."""
    pace = taught(tasks)
    weight = sum(pace.completed.values()) + sum(pace.failed.values())
    assert weight == pytest.approx(sum(decay() ** number for number in range(len(tasks))), abs=0.05)
    assert (pace.tasks, pace.polls) == (len(tasks), 3 * len(tasks))


@given(pace=paces)
def test_what_is_learned_survives_the_ledger(pace: Pace) -> None:
    """It is stored as text, rounded, and read again many times."""
    again = pace_of(pace_text(pace))
    assert again == pace_of(pace_text(again))
    assert sum(again.completed.values()) == pytest.approx(sum(pace.completed.values()), abs=0.05)


@given(pace=paces, others=paces, expected=st.none() | seconds, said=hints, age=st.floats(0, 1e6))
@settings(deadline=None)
def test_every_duration_stays_possible(
    pace: Pace, others: Pace, expected: float | None, said: tuple[Hint, ...], age: float
) -> None:
    """A longer tail than all that was seen is always possible, and no hint rules anything out."""
    weights, _ = hinted(outlook(pace, others, expected), said, pace, age)
    assert all(weight > 0 and math.isfinite(weight) for weight in weights[30:300])


@given(tasks=st.lists(ends(), min_size=1, max_size=12), parts=st.integers(1, 4))
def test_shards_merge_to_the_whole(tasks: list[Ended], parts: int) -> None:
    """Tasks are written to eight items; together they know what one item would, but for the order."""
    shards = [taught(tasks[number::parts]) for number in range(parts)]
    both, whole = merged(shards), taught(tasks)
    assert (both.tasks, both.polls) == (whole.tasks, whole.polls)
    assert both.seconds == pytest.approx(whole.seconds)
    assert both.completed.keys() | both.failed.keys()
    assert set(both.biases) == set(whole.biases)


def test_the_bias_of_shards_is_that_of_all_errors() -> None:
    """The spread of a kind of hint must not depend on where its errors were written."""
    errors = [random.Random(1).gauss(0.3, 0.2) for _ in range(60)]
    one = Bias()
    for error in errors:
        one = one.after((error,), 1.0, 0.0)
    parts = [Bias(), Bias(), Bias()]
    for number, error in enumerate(errors):
        parts[number % 3] = parts[number % 3].after((error,), 1.0, 0.0)
    shards = merged(Pace(biases={"eta:0": part}) for part in parts).biases["eta:0"]
    assert shards.belief(0.0).mean == pytest.approx(one.belief(0.0).mean, abs=0.02)
    assert shards.belief(0.0).spread == pytest.approx(one.belief(0.0).spread, rel=0.2)


def test_half_of_what_was_learned_is_forgotten_after_the_half_life() -> None:
    """A provider that became twice as fast is followed within a day and not within a year."""
    slow = taught([Ended(200, 200)] * 300)
    now = slow
    for _ in range(HALF_LIFE):
        now = now.learned(Ended(50, 50), decay(), outlook(now, now, None))
    weights = outlook(now, now, None).completed
    assert chance(list(weights), 35, 70) > 0.5


def test_a_duration_between_two_polls_is_spread_over_what_is_likely_there() -> None:
    """A provider that tells no times would else look slower than it is, by half a pause."""
    before = taught([Ended(100, 100)] * 50)
    after = before.learned(Ended(60, 300), decay(), outlook(before, before, None))
    added = {bucket: weight - decay() * before.completed.get(bucket, 0) for bucket, weight in after.completed.items()}
    assert max(added, key=lambda bucket: added[bucket]) in range(bucket_of(100) - 3, bucket_of(100) + 4)
    assert sum(added.values()) == pytest.approx(1)


@pytest.mark.parametrize("off", [0.3, 1.0, 2.5])
def test_a_hint_that_is_always_off_by_the_same_is_put_right(off: float) -> None:
    """Alad's progress begins at 50 %, and some providers promise half the time."""
    tasks = [Ended(each, each, (Hint("eta:0", off * each),)) for each in range(60, 260, 4)]
    pace = taught(tasks)
    weights, name = hinted(outlook(pace, pace, None), (Hint("eta:0", off * 150),), pace, 5)
    assert name == "eta"
    assert chance(weights, 120, 190) > 0.75


def test_a_failure_teaches_nothing_about_hints() -> None:
    """A prompt that is refused at once does not make the provider's ETA a lie."""
    tasks = [Ended(100, 100, (Hint("eta:0", 100.0),)) for _ in range(50)]
    pace = taught([each for task in tasks for each in (task, Ended(4, 4, (Hint("eta:0", 100.0),), failed=True))])
    weights, _ = hinted(outlook(pace, pace, None), (Hint("eta:0", 100.0),), pace, 0)
    assert chance(weights, 80, 125) == pytest.approx(0.5, abs=0.1)
    assert chance(weights, 2, 8) == pytest.approx(0.5, abs=0.1)


def test_one_wrong_hint_does_not_make_all_others_worthless() -> None:
    """A hint may be far off once; what it is worth is what it is worth nearly always."""
    right = [Ended(each, each, (Hint("eta:0", each),)) for each in range(60, 160, 2)]
    wrong = [Ended(100, 100, (Hint("eta:0", 9_000.0),))]
    assert taught(right + wrong).biases["eta:0"].belief(0.0).spread < 0.2


def test_a_hint_whose_time_has_passed_is_believed_less() -> None:
    """An ETA that has passed twice is no reason to ask every second."""
    pace = Pace()
    plain = outlook(pace, pace, None)
    said = (Hint("eta:0", 20.0), Hint("eta:4", 81.0))
    surprised, _ = hinted(plain, said, pace, 80)
    trusting, _ = hinted(plain, said[1:], pace, 1)
    assert chance(surprised, 80, 90) < chance(trusting, 80, 90)


@given(duration=st.floats(0, 1e7))
def test_a_duration_is_in_its_bucket(duration: float) -> None:
    """Below a second is the first bucket, above ten days the last."""
    bucket = bucket_of(duration)
    assert 0 <= bucket < BUCKETS
    assert duration < EDGES[bucket + 1] * 1.000001 or bucket == BUCKETS - 1
