"""A key's budget of polls: it is never exceeded, and what is left of a day is shared evenly."""

import itertools
import math
from collections import Counter
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vidhook.budget import DAY, Budget, Planned, day_of, free_moments, parse_budgets, slot_of, stretch, windows
from vidhook.errors import BadInput

MIDNIGHT = 20_000.0 * DAY
limits = st.none() | st.integers(1, 10_000)
budgets = st.builds(Budget, limits, limits).filter(bool)


class Planner:
    """Plans polls as the ledger would, one at a time."""

    def __init__(self, budget: Budget) -> None:
        self.budget = budget
        self.polls: Counter[str] = Counter()

    def plan(self, due: float) -> float:
        moment = next(free_moments(self.budget, due, self._of("day#"), self._slots(due)))
        self.polls.update(window.key for window in windows(self.budget, moment))
        return moment

    def _of(self, prefix: str) -> dict[str, Planned]:
        return {key: Planned(count) for key, count in self.polls.items() if key.startswith(prefix)}

    def _slots(self, due: float) -> Iterator[tuple[str, Planned]]:
        slot = slot_of(self.budget, due)
        return iter(sorted(each for each in self._of("slot#").items() if slot and each[0] >= slot.key))


@given(budget=budgets, dues=st.lists(st.floats(MIDNIGHT, MIDNIGHT + 3_000), min_size=1, max_size=60))
def test_no_window_gets_more_polls_than_it_may(budget: Budget, dues: list[float]) -> None:
    """A provider that sells a number of status calls refuses, or charges for, what is above it."""
    planner = Planner(budget)
    moments = [planner.plan(due) for due in dues]
    assert all(moment >= due for moment, due in zip(moments, dues, strict=True))
    days = Counter(int(moment // DAY) for moment in moments)
    minutes = Counter(int(moment // 60) for moment in moments)
    assert max(days.values()) <= (budget.per_day or math.inf)
    assert max(minutes.values()) <= (budget.per_minute or math.inf)


@given(due=st.floats(MIDNIGHT, MIDNIGHT + DAY - 1), budget=budgets)
def test_a_poll_with_room_is_not_moved(due: float, budget: Budget) -> None:
    """A budget that is not used up costs nobody a second."""
    assert next(free_moments(budget, due, {}, iter(()))) == due


def test_who_was_due_first_is_polled_first_when_a_budget_is_spent() -> None:
    """A task that waited for the new day must not wait for those that came later."""
    planner = Planner(Budget(per_day=10))
    for number in range(10):
        planner.plan(MIDNIGHT + number)
    moments = [planner.plan(MIDNIGHT + 100 + number) for number in range(8)]
    assert moments == sorted(moments)
    assert len(set(moments)) == 8
    assert all(MIDNIGHT + DAY <= moment < MIDNIGHT + 1.1 * DAY for moment in moments)


def test_a_minutes_polls_are_spread_over_it() -> None:
    """Sixty polls in its first second would be refused by a provider that counts seconds."""
    planner = Planner(Budget(per_minute=30))
    moments = [planner.plan(MIDNIGHT) for _ in range(60)]
    gaps = [later - sooner for sooner, later in itertools.pairwise(moments)]
    assert gaps == pytest.approx([2.0] * 59)


def test_pauses_are_not_stretched_while_the_budget_lasts() -> None:
    """The first task of a day says little of the day."""
    assert stretch(Budget(per_minute=5), Planned(500, 500), MIDNIGHT + 60) == 1
    assert stretch(Budget(per_day=500), Planned(), MIDNIGHT + 60) == 1
    assert stretch(Budget(per_day=500), Planned(8, 8), MIDNIGHT + 60) == 1
    assert stretch(Budget(per_day=500), Planned(240, 240), MIDNIGHT + DAY / 2) == 1


@pytest.mark.parametrize("too_many", [1.5, 2, 3])
def test_a_days_budget_lasts_the_whole_day(too_many: float) -> None:
    """With twice the tasks, each is polled half as often; nobody finds the budget spent at noon."""
    budget, day = Budget(per_day=1_000), Planned()
    by_hour = []
    for hour in range(24):
        before = day.polls
        for minute in range(60):
            at = MIDNIGHT + hour * 3_600 + minute * 60
            longer = stretch(budget, day, at)
            polls = too_many * 1_000 / 1_440 / longer  # a plan with longer pauses has fewer polls
            day = Planned(day.polls + polls, day.wanted + polls * longer)  # type: ignore[arg-type]
        by_hour.append(day.polls - before)
    assert 950 <= day.polls <= 1_000.5
    assert min(by_hour) > 1_000 / 24 / 1.6


def test_a_spent_day_stretches_as_far_as_it_goes() -> None:
    """Nothing is divided by what is left."""
    for polls in (100, 101):
        assert stretch(Budget(per_day=100), Planned(polls, polls), MIDNIGHT + DAY - 0.001) == 12


def test_a_budget_is_written_as_people_say_it() -> None:
    """Both limits of one provider are two entries."""
    text = "vicsee 500/day, alad 60/minute,vicsee 10/minute"
    assert parse_budgets(text) == {"vicsee": Budget(500, 10), "alad": Budget(None, 60)}
    assert parse_budgets("") == {}


@pytest.mark.parametrize(
    "text", ["vicsee", "vicsee 0/day", "vicsee -1/day", "vicsee 5/hour", "VicSee 5/day", "a 5/day b"]
)
def test_a_budget_that_cannot_be_read_is_refused(text: str) -> None:
    """A typing error must not mean that there is no limit."""
    with pytest.raises(BadInput, match="PollBudgets"):
        parse_budgets(text)


@given(at=st.floats(1e9, 4e9), budget=budgets)
def test_a_window_ends_after_every_instant_in_it(at: float, budget: Budget) -> None:
    """Else the search for room would stand still."""
    for window in windows(budget, at):
        assert window.end > at
        assert window.most >= 1
    assert day_of(budget, at) in (*windows(budget, at), None)
