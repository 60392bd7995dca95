"""How many polls an API key may make, and when there is room for one more. Pure: the ledger counts them.

A poll is planned when its pause is chosen: it takes room in its day (of UTC), and in a slot of its minute.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from vidhook.errors import BadInput

DAY = 86_400
# What a new day's polls are compared with before they say how the day will be: as if so much of it had passed already.
HEAD_START = DAY / 24
MOST_STRETCH = 12.0
# The tasks that waited for a new day are polled one after the other, in so much of it.
MORNING = 0.1
_WRITTEN = re.compile(r"([a-z0-9][a-z0-9_-]{0,39}) ([1-9][0-9]{0,8})/(day|minute)")


@dataclass(frozen=True, slots=True)
class Budget:
    """The polls that one API key may make a day and a minute; None without a limit."""

    per_day: int | None = None
    per_minute: int | None = None

    def __bool__(self) -> bool:
        return self.per_day is not None or self.per_minute is not None


@dataclass(frozen=True, slots=True)
class Window:
    """A time in which at most `most` polls are planned; keys sort by time."""

    key: str
    most: int
    end: float


@dataclass(frozen=True, slots=True)
class Planned:
    """The polls that are planned in one window, and how many they would be without stretched pauses."""

    polls: int = 0
    wanted: float = 0.0


def parse_budgets(text: str) -> dict[str, Budget]:
    """Returns the budgets by provider from `vicsee 500/day, vicsee 10/minute, alad 60/minute`.

    Raises BadInput for anything else.
    """
    budgets: dict[str, Budget] = {}
    for part in filter(None, (each.strip() for each in text.split(","))):
        match = _WRITTEN.fullmatch(part)
        if match is None:
            raise BadInput("PollBudgets", f'"{part}" is no budget', "write vicsee 500/day, alad 60/minute")
        name, most, unit = match.groups()
        before = budgets.get(name, Budget())
        per_day, per_minute = (int(most), before.per_minute) if unit == "day" else (before.per_day, int(most))
        budgets[name] = Budget(per_day, per_minute)
    return budgets


def day_of(budget: Budget, at: float) -> Window | None:
    """Returns the day in which an instant is, or None when a day has no limit."""
    number = int(at // DAY)
    return None if budget.per_day is None else Window(f"day#{number:06d}", budget.per_day, (number + 1.0) * DAY)


def slot_of(budget: Budget, at: float) -> Window | None:
    """Returns the slot of an instant, or None; a minute's polls are spread over slots of a second or more."""
    if budget.per_minute is None:
        return None
    seconds, most = max(1.0, 60 / budget.per_minute), max(1, budget.per_minute // 60)
    number = int(at // seconds)
    number += (number + 1) * seconds <= at  # a rounding error must not put an instant into the slot that ends there
    return Window(f"slot#{budget.per_minute}#{number:012d}", most, (number + 1) * seconds)


def windows(budget: Budget, at: float) -> tuple[Window, ...]:
    """Returns the windows in which a poll at this instant takes room."""
    return tuple(window for window in (day_of(budget, at), slot_of(budget, at)) if window)


def free_moments(
    budget: Budget, due: float, days: Mapping[str, Planned], slots: Iterator[tuple[str, Planned]]
) -> Iterator[float]:
    """Yields the instants from `due` on at which one more poll may be planned, soonest first.

    `days` and `slots` are what is planned already, by the keys of the windows; the slots in the order of time.
    """
    at = due
    taken = next(slots, None)
    while True:
        day, slot = day_of(budget, at), slot_of(budget, at)
        if day and (planned := days.get(day.key)) and planned.polls >= day.most:
            waiting = days.get(f"day#{int(day.end // DAY):06d}", Planned()).polls
            at = day.end + waiting * MORNING * DAY / day.most
            continue
        while slot and taken and taken[0] < slot.key:
            taken = next(slots, None)
        if not (slot and taken and taken[0] == slot.key and taken[1].polls >= slot.most):
            yield at
        at = slot.end if slot else at + 1


def stretch(budget: Budget, today: Planned, at: float) -> float:
    """Returns by how much pauses are longer, so that the day's polls last until its end; 1 when they do anyway.

    It is the same for all tasks of a key, so that none is polled at the cost of another.
    """
    if budget.per_day is None:
        return 1.0
    passed = at % DAY
    wanted, left = today.wanted / (passed + HEAD_START), (budget.per_day - today.polls) / (DAY - passed)
    return MOST_STRETCH if left <= 0 else min(MOST_STRETCH, max(1.0, wanted / left))
