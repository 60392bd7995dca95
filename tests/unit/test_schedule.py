"""When the next poll is due: what is true of every pause, and what makes a plan a good one."""

import math
import time
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vidhook.pace import EDGES, Ended, Hint, Pace, decay, outlook
from vidhook.schedule import LONGEST_PAUSE, Known, Pause, cheapest_poll, next_pause, shortest_pause
from vidhook.submission import schema

LONGEST_DEADLINE = schema()["properties"]["deadline_seconds"]["maximum"]
ages = st.floats(0, LONGEST_DEADLINE)
expectations = st.none() | st.floats(1, 86_400)
jitters = st.floats(0, 1, exclude_max=True)
MOST_POLLS = 20_300 // 9
factors = st.floats(0.25, 10)  # template.yaml's bounds of PauseFactor
kinds = st.sampled_from(["expected", "eta:0", "eta:4", "progress:5", "progress:9", "queue", "started"])
hints = st.lists(st.builds(Hint, kinds, st.floats(1e-3, 1e9)), max_size=5).map(tuple)


def learned(*seconds: float) -> Pace:
    """What tasks that took so long have taught."""
    pace = Pace()
    for each in seconds:
        pace = pace.learned(Ended(each, each), decay(), outlook(pace, pace, None))
    return pace


paces = st.lists(st.floats(1, 1e6), max_size=8).map(lambda durations: learned(*durations))
facts = st.builds(
    Known,
    age=ages,
    deadline=st.just(math.inf),
    lag=st.just(0.0) | st.floats(0, 1e6),
    expected=expectations,
    hints=hints,
    pace=paces,
    others=paces,
    factor=factors,
)


def pauses(deadline: float, known: Known | None = None, jitter: float = 0.5) -> list[Pause]:
    """Returns the pauses of a task that never ends, until its deadline."""
    known = known or Known(0, deadline)
    made: list[Pause] = []
    age = 0
    while age < deadline:
        now = Known(age, deadline, expected=known.expected, hints=known.hints, pace=known.pace, factor=known.factor)
        made.append(next_pause(now, jitter))
        age += made[-1].seconds
    return made


def polled_at(known: Known, until: float) -> list[int]:
    """Returns the ages at which a task is polled that never ends."""
    at, age = [], 0
    for pause in pauses(until, known):
        age += pause.seconds
        at.append(age)
    return at


@settings(deadline=None, max_examples=40)
@given(known=facts, jitter=jitters)
def test_a_pause_is_a_whole_second_at_least_and_five_minutes_at_most(known: Known, jitter: float) -> None:
    """A Wait state takes whole seconds, and whatever is said of a task, nobody waits longer than this for its end."""
    pause = next_pause(known, jitter).seconds
    assert isinstance(pause, int)
    assert 1 <= pause <= LONGEST_PAUSE


@settings(deadline=None, max_examples=40)
@given(known=facts, jitter=jitters)
def test_jitter_moves_a_pause_by_a_twentieth_at_most(known: Known, jitter: float) -> None:
    """Tasks that were submitted together are not polled together, and each is still polled about when it should be."""
    plain, moved = next_pause(known, 0.5).seconds, next_pause(known, jitter).seconds
    assert abs(moved - plain) <= min(0.05 * plain, 2.5) + 1


@settings(deadline=None, max_examples=40)
@given(known=facts, wish=st.floats(0, 1e9), jitter=jitters)
def test_only_the_deadline_shortens_a_retry_after(known: Known, wish: float, jitter: float) -> None:
    """We do not ask a provider earlier than it asks us to."""
    deadline = float(LONGEST_DEADLINE)
    told = Known(known.age, deadline, hints=known.hints, pace=known.pace, retry_after=wish)
    pause = next_pause(told, jitter)
    assert pause.seconds >= min(wish, deadline - known.age)
    if wish > LONGEST_PAUSE * 1.1 and wish < deadline - known.age:
        assert pause.why == "retry_after"


@settings(deadline=None, max_examples=40)
@given(
    known=facts,
    deadline=st.integers(1, LONGEST_DEADLINE),
    wish=st.none() | st.floats(0, 1e9),
    refused=st.booleans(),
    jitter=jitters,
)
def test_no_pause_leads_past_the_deadline(
    known: Known, deadline: int, wish: float | None, refused: bool, jitter: float
) -> None:
    """The last poll is at the deadline, so that a result up to that second is published."""
    told = Known(known.age, deadline, hints=known.hints, pace=known.pace, retry_after=wish, key_refused=refused)
    pause = next_pause(told, jitter).seconds
    assert pause == 1 or known.age + pause <= deadline + 1


@settings(deadline=None, max_examples=20)
@given(deadline=st.integers(1, 86_400), expected=expectations)
def test_the_last_poll_falls_on_the_deadline(deadline: int, expected: float | None) -> None:
    """A video that is finished in the last second must not be lost."""
    made = pauses(deadline, Known(0, deadline, expected=expected))
    assert sum(pause.seconds for pause in made) == deadline


@settings(max_examples=3, deadline=None)
@given(known=facts)
def test_seven_days_take_few_enough_polls(known: Known) -> None:
    """Each poll is paid for, and adds nine events to the history of an execution, which goes on in another in time."""
    assert len(pauses(LONGEST_DEADLINE, known, jitter=0.0)) < MOST_POLLS


def test_a_hint_that_says_soon_for_days_does_not_make_too_many_polls() -> None:
    """The same limit holds for the worst provider: one whose end is always a second away."""
    trusting = Pace()
    for seconds in range(100, 200):
        ended = Ended(seconds, seconds, (Hint("eta:4", seconds), Hint("progress:9", seconds)))
        trusting = trusting.learned(ended, decay(), outlook(trusting, trusting, None))
    age, polls = 0, 0
    while age < LONGEST_DEADLINE:
        said = (Hint("eta:4", age + 1.0), Hint("progress:9", age * 100 / 99 + 1))
        known = Known(age, LONGEST_DEADLINE, hints=said, pace=trusting, others=trusting, factor=0.25)
        age += next_pause(known, 0.0).seconds
        polls += 1
    assert polls < MOST_POLLS


@settings(deadline=None, max_examples=40)
@given(known=facts)
def test_the_factor_makes_polls_rarer(known: Known) -> None:
    """A deployer uses it to choose between the cost of polls and the delay of a result."""

    rarer = replace(known, factor=2 * known.factor)
    assert next_pause(known, 0.5).seconds <= next_pause(rarer, 0.5).seconds


@settings(deadline=None, max_examples=40)
@given(
    weights=st.lists(st.floats(0, 1), min_size=12, max_size=12).map(lambda some: (some * 30)[: len(EDGES) - 1]),
    age=st.floats(0, 1e7),
    rate=st.floats(1e-4, 1e3),
)
def test_the_next_poll_is_later_than_now(weights: list[float], age: float, rate: float) -> None:
    """Whatever is known, even that nothing can happen any more, there is a next poll."""
    assert cheapest_poll(weights, age, rate) > age


@pytest.mark.parametrize("seconds", [5, 30, 90, 600, 3_600])
def test_a_task_that_always_takes_as_long_is_polled_when_it_ends(seconds: float) -> None:
    """After fifty such tasks it needs few polls, and its end is seen soon."""
    at = polled_at(Known(0, math.inf, pace=learned(*[seconds] * 50)), 2 * seconds + 60)
    before = [each for each in at if each < seconds]
    assert len(before) <= 5 + seconds // LONGEST_PAUSE
    assert at[len(before)] - seconds <= max(2, 0.06 * seconds)


@pytest.mark.parametrize("seconds", [30, 90, 600, 3_600])
def test_an_expected_task_is_polled_around_its_time(seconds: float) -> None:
    """A known duration saves early polls, and the result is found soon after it exists."""
    said = Known(0, math.inf, expected=seconds, hints=(Hint("expected", seconds),))
    at = polled_at(said, 2 * seconds + 60)
    early, late = (sum(low * seconds < each <= high * seconds for each in at) for low, high in ((0, 0.5), (0.5, 1.5)))
    assert early < late
    assert min(each for each in at if each >= seconds) <= 1.25 * seconds


def test_a_hint_that_was_always_right_is_followed() -> None:
    """A provider's ETA tells more of one task than all tasks before it."""
    pace = Pace()
    for number in range(100):
        seconds = 60.0 + 4 * number
        pace = pace.learned(Ended(seconds, seconds, (Hint("eta:0", seconds),)), decay(), outlook(pace, pace, None))
    known = Known(5, math.inf, hints=(Hint("eta:0", 300.0),), pace=pace, others=pace)
    assert next_pause(known, 0.5).why == "eta"
    assert 0.8 * 300 <= 5 + next_pause(known, 0.5).seconds <= 1.1 * 300


def test_a_hint_that_was_always_wrong_is_not_followed() -> None:
    """Other tasks tell more than a number without meaning."""
    pace = Pace()
    for number in range(200):
        lie = 10.0 ** (number % 5)
        pace = pace.learned(Ended(100, 100, (Hint("eta:0", lie),)), decay(), outlook(pace, pace, None))
    for lie in (1.0, 20.0, 1e4):
        known = Known(0, math.inf, hints=(Hint("eta:0", lie),), pace=pace, others=pace)
        assert 90 <= next_pause(known, 0.5).seconds <= 120


def test_a_refused_key_is_asked_about_every_quarter_of_an_hour() -> None:
    """Only a person can replace the key, and more requests with a bad key would look like an attack."""
    assert next_pause(Known(age=30, deadline=86_400, key_refused=True), 0.5) == Pause(900, "key_refused")


def test_a_doubtful_end_is_asked_about_whenever_its_time_has_doubled() -> None:
    """The first answers are worth most, and the last one falls on the ten minutes after which it is believed."""
    doubts = [
        (doubted, next_pause(Known(700 + doubted, 86_400, doubted=doubted), 0.9)) for doubted in (0, 20, 100, 400)
    ]
    assert [(doubted, pause.seconds) for doubted, pause in doubts] == [(0, 15), (20, 20), (100, 100), (400, 200)]
    assert {pause.why for _, pause in doubts} == {"doubt"}


@given(age=st.floats(0, LONGEST_DEADLINE), doubted=st.floats(0, 1e6))
def test_a_doubt_makes_no_pause_shorter_than_the_age_allows(age: float, doubted: float) -> None:
    """A provider that says "not found" and "processing" in turn must not be asked without end."""
    assert next_pause(Known(age, math.inf, doubted=doubted), 0.0).seconds >= min(300, shortest_pause(age))


def test_a_pause_says_what_decided_it() -> None:
    """An operator who asks why a task is not polled sooner gets an answer."""
    assert next_pause(Known(0, 86_400)).why == "expected"
    assert next_pause(Known(0, 86_400, pace=learned(60))).why == "learned"
    assert next_pause(Known(9, 86_400, hints=(Hint("progress:5", 70.0),))).why == "progress"
    assert next_pause(Known(9, 86_400, retry_after=400.0)).why == "retry_after"
    assert next_pause(Known(86_390, 86_400)).why == "deadline"


def test_choosing_a_pause_takes_little_of_a_poll() -> None:
    """A poll takes about six milliseconds; this is the processor's time, so another program does not change it."""
    pace = learned(*range(40, 140))
    known = Known(20, math.inf, hints=(Hint("eta:1", 80.0),), pace=pace, others=pace)
    next_pause(known)
    began = time.process_time()
    for _ in range(50):
        next_pause(known)
    assert (time.process_time() - began) / 50 < 0.005
