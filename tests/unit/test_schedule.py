"""When the next poll is due, and limits that are true for every task."""

import math
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vidhook.schedule import (
    JITTER,
    LONGEST_PAUSE,
    SHORTEST_PAUSE,
    Known,
    growing_pause,
    next_pause,
)
from vidhook.submission import schema

LONGEST_DEADLINE = schema()["properties"]["deadline_seconds"]["maximum"]
ages = st.floats(0, LONGEST_DEADLINE)
expectations = st.none() | st.floats(1, 86_400)
jitters = st.floats(0, 1, exclude_max=True)


factors = st.floats(0.25, 10)  # template.yaml's bounds of PauseFactor


def rounds(deadline: float, expected: float | None, factor: float = 1.0) -> list[int]:
    """Returns the pauses of a task that never ends, until its deadline."""
    pauses: list[int] = []
    age = 0
    while age < deadline:
        pauses.append(next_pause(Known(age, deadline, expected, factor=factor)))
        age += pauses[-1]
    return pauses


def test_with_nothing_known_the_first_pauses_are_these() -> None:
    """The first pause is 20 seconds, the next ones are short, and then each is a tenth of the task's age."""
    assert rounds(300, None)[:12] == [20, 12, 12, 12, 13, 15, 16, 18, 19, 21, 23, 26]


@given(age=ages, expected=expectations, jitter=jitters)
def test_a_pause_is_a_whole_second_at_least_and_five_minutes_at_most(
    age: float, expected: float | None, jitter: float
) -> None:
    """A Wait state takes whole seconds, and a result must not wait longer than five minutes plus jitter."""
    pause = next_pause(Known(age, LONGEST_DEADLINE + age, expected), jitter)
    assert 1 <= pause <= math.ceil(LONGEST_PAUSE * (1 + JITTER))


@given(age=ages, later=ages)
def test_pauses_grow_with_age(age: float, later: float) -> None:
    """The older a task is, the less a second of delay matters."""
    young, old = sorted((max(age, 20.0), max(later, 20.0)))
    assert growing_pause(young) <= growing_pause(old)


@given(age=ages, expected=expectations, wish=st.floats(0, 1e9), jitter=jitters)
def test_only_the_deadline_shortens_a_retry_after(
    age: float, expected: float | None, wish: float, jitter: float
) -> None:
    """We do not ask a provider earlier than it asks us to."""
    deadline = float(LONGEST_DEADLINE)
    pause = next_pause(Known(age, deadline, expected, retry_after=wish), jitter)
    assert pause >= min(wish, deadline - age)


@given(
    age=ages,
    deadline=st.integers(1, LONGEST_DEADLINE),
    expected=expectations,
    wish=st.none() | st.floats(0, 1e9),
    refused=st.booleans(),
    jitter=jitters,
)
def test_no_pause_leads_past_the_deadline(
    age: float, deadline: int, expected: float | None, wish: float | None, refused: bool, jitter: float
) -> None:
    """The last poll is at the deadline, so that a result up to that second is published."""
    pause = next_pause(Known(age, deadline, expected, wish, refused), jitter)
    assert pause == 1 or age + pause <= deadline + 1


@given(deadline=st.integers(1, 86_400), expected=expectations)
def test_the_last_poll_falls_on_the_deadline(deadline: int, expected: float | None) -> None:
    """A video that is finished in the last second must not be lost."""
    assert sum(rounds(deadline, expected)) == deadline


@settings(max_examples=25)
@given(expected=expectations, factor=factors)
def test_seven_days_take_fewer_than_2700_polls(expected: float | None, factor: float) -> None:
    """Each poll adds nine events to the history of an execution, which may have 25,000."""
    assert len(rounds(LONGEST_DEADLINE, expected, factor)) < 2_700


@given(age=st.floats(3_000, LONGEST_DEADLINE) | st.floats(20, 200), factor=factors)
def test_the_factor_makes_polls_rarer_and_never_rarer_than_the_longest_pause(age: float, factor: float) -> None:
    """A deployer uses it to choose between the cost of polls and the delay of a result."""
    assert growing_pause(age, factor=factor) <= LONGEST_PAUSE
    assert (growing_pause(age, factor=factor) - growing_pause(age)) * (factor - 1) >= 0


@pytest.mark.parametrize("expected", [1, 5, 30, 90, 180, 600, 3_600])
def test_an_expected_task_is_polled_more_often_around_its_time(expected: float) -> None:
    """A known duration saves the early polls, and the result is found soon after it exists."""
    asked_at = [sum(rounds(2 * expected + 60, expected)[:count]) for count in range(1, 200)]
    assert 0.75 * expected <= next(at for at in asked_at if at > 0.7 * expected) <= max(0.9 * expected, 2)
    around = [at for at in asked_at if 0.8 * expected <= at <= 1.5 * expected]
    assert all(later - sooner <= max(0.25 * expected, 3) for sooner, later in pairwise(around))


@given(age=ages, jitter=jitters)
def test_jitter_only_lengthens_a_pause(age: float, jitter: float) -> None:
    """A pause is never shorter than the schedule says, and at most a tenth longer."""
    known = Known(age, deadline=math.inf)
    plain = growing_pause(age)
    assert math.ceil(plain) <= next_pause(known, jitter) <= math.ceil(plain * (1 + JITTER))


def test_a_refused_key_is_asked_about_every_quarter_of_an_hour() -> None:
    """Only a person can replace the key, and more requests with a bad key would look like an attack."""
    assert next_pause(Known(age=30, deadline=86_400, key_refused=True)) == 900


def test_the_shortest_pause_limits_the_load_on_a_provider() -> None:
    """Without more information no provider is asked more often than this."""
    assert min(rounds(86_400, None)[:-1]) == SHORTEST_PAUSE
