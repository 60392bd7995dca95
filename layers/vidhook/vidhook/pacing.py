"""From what the ledger knows of a task to the pause before its next poll; and back, what a finished task teaches."""

import math
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from itertools import islice
from typing import TYPE_CHECKING

from vidhook.budget import Budget, Planned, day_of, free_moments, stretch, windows
from vidhook.errors import NotFound
from vidhook.pace import TYPICAL_SECONDS, Ended, Hint, Kind, Pace, outlook, together
from vidhook.schedule import LONGEST_PAUSE, Known, Pause, next_pause
from vidhook.task import Snapshot, Status, Submission, Watch

if TYPE_CHECKING:
    from vidhook.edges.ledger import Ledger
    from vidhook.providers.reading import Reading
    from vidhook.times import Clock

# Clocks differ: a task that is older at its provider by less than this was submitted at once.
CLOCK_SECONDS, ZONE_SECONDS, LONGEST_LAG = 30.0, 1_800.0, 3_600.0
PLAN_TRIES = 8
MODEL_BYTES = 256  # a sort key takes 1,024
UNFINISHED = (Status.PENDING, Status.PROCESSING)


@dataclass(frozen=True, slots=True)
class Pacer:
    """Chooses the pauses between polls, and learns from every task that ends.

    factor: the stack's PauseFactor. budgets: the stack's own, by provider; they count before those of provider files.
    """

    ledger: "Ledger"
    clock: "Clock"
    factor: float = 1.0
    budgets: Mapping[str, Budget] = field(default_factory=dict)

    def first_pause(self, submission: Submission, now: float) -> Pause:
        """Returns the pause before the first poll; for a task that is followed already, none is planned."""
        watch = Watch(submission, submitted_at=now)
        budget = self.budget_of(submission.provider)
        with suppress(NotFound):
            if budget and self.ledger.tasks.watch(watch.id):
                budget = Budget()
        return self._pause(watch, None, now, {}, budget)

    def pause(self, watch: Watch, reading: "Reading | None", at: float, hints: Mapping[str, float]) -> Pause:
        """Returns the pause after the poll at `at`. `reading` is None without an answer; `hints` are those in it."""
        return self._pause(watch, reading, at, hints, self.budget_of(watch.submission.provider))

    def _pause(
        self, watch: Watch, reading: "Reading | None", at: float, hints: Mapping[str, float], budget: Budget
    ) -> Pause:
        snapshot = reading.snapshot if reading and reading.snapshot else watch.snapshot
        known = self._known(watch, reading, at, hints, self.known_of(watch, snapshot, at))
        days = self._days(watch.submission.provider, budget, at)
        today = day_of(budget, at)
        longer = stretch(budget, days.get(today.key, Planned()), at) if today else 1.0
        pause = next_pause(replace(known, stretch=longer), self.clock.jitter())
        return self._planned(watch, pause, at, budget, days, longer) if budget else pause

    def preview(self, watch: Watch, reading: "Reading", at: float, expected: float | None) -> Pause:
        """Returns about the pause that follows a reading at `at`, without a budget; nothing is planned.

        expected: how long such tasks take, as the provider's file says that may not be in use.
        """
        snapshot = reading.snapshot
        hints = self.hints(watch, snapshot, at) if snapshot else {}
        learned = self.ledger.paces.of(watch.submission.provider, kind_of(snapshot) if snapshot else None, at)
        return next_pause(self._known(watch, reading, at, hints, (*learned, expected)))

    def _known(
        self,
        watch: Watch,
        reading: "Reading | None",
        at: float,
        hints: Mapping[str, float],
        learned: tuple[Pace, Pace, float | None],
    ) -> Known:
        """Returns what is known of a task; `learned` is that of its kind, of its provider, and what is expected."""
        own, others, expected = learned
        return Known(
            age=watch.age(at),
            deadline=watch.submission.deadline_seconds,
            lag=_lag(watch, reading.snapshot if reading and reading.snapshot else watch.snapshot),
            expected=expected,
            hints=_said(watch, hints),
            pace=own,
            others=others,
            retry_after=reading.retry_after_seconds if reading else None,
            key_refused=reading is not None and reading.key_refused,
            doubted=None if watch.doubted_at is None else watch.age(at) - watch.doubted_at,
            factor=self.factor,
        )

    def _planned(
        self, watch: Watch, pause: Pause, at: float, budget: Budget, days: Mapping[str, Planned], longer: float
    ) -> Pause:
        """Returns the pause until the first moment with room for a poll, which is taken.

        The last poll, at the deadline, is made in any case: a paid render may be done by then.
        """
        provider, due = watch.submission.provider, at + pause.seconds
        moment = due
        for number in range(PLAN_TRIES):
            free = free_moments(budget, due, days, self.ledger.paces.planned_slots(provider, budget, due))
            # Others look for room at the same time, so each try looks at twice as many moments.
            moment = list(islice(free, 2**number))[int(2**number * self.clock.jitter())]
            if self.ledger.paces.plan_poll(provider, windows(budget, moment), longer, at):
                break
            days = self._days(provider, budget, at)  # somebody else has taken room meanwhile
        today = day_of(budget, at)
        spent = 100 * days.get(today.key, Planned()).polls / today.most if today else 0.0
        spent = min(100.0, max(spent, 100 * (moment - due) / LONGEST_PAUSE))
        if moment == due:
            return replace(pause, spent=spent)
        left = watch.submission.deadline_seconds - watch.age(at)
        return Pause(max(1, math.ceil(min(moment - at, left))), "budget" if moment - at < left else "deadline", spent)

    def _days(self, provider: str, budget: Budget, at: float) -> Mapping[str, Planned]:
        return self.ledger.paces.planned_days(provider, at) if budget.per_day else {}

    def budget_of(self, provider: str) -> Budget:
        """Returns the polls that the provider's key may make: by the stack's settings, else by the provider's file."""
        if provider in self.budgets:
            return self.budgets[provider]
        with suppress(NotFound):
            return self.ledger.providers.get(provider).budget
        return Budget()

    def count_poll(self, watch: Watch, at: float) -> None:
        """Counts a poll that was not planned, such as one for a fresh link."""
        provider = watch.submission.provider
        if budget := self.budget_of(provider):
            self.ledger.paces.plan_poll(provider, windows(budget, at), 1.0, at)

    def hints(self, watch: Watch, snapshot: Snapshot, at: float) -> dict[str, float]:
        """Returns the hints in an unfinished snapshot, as `hints_in`, and what they say together with earlier ones."""
        hints = hints_in(watch, snapshot, at)
        own, _ = self.ledger.paces.of(watch.submission.provider, kind_of(snapshot), at)
        age = watch.age(at) + _lag(watch, snapshot)
        all_of_them = together(_said(watch, hints), own, age) if hints else None
        found = hints | ({all_of_them.kind: all_of_them.seconds} if all_of_them else {})
        return {kind: max(0.01, round(seconds, 2)) for kind, seconds in found.items()}  # a watch costs by its size

    def learn(self, watch: Watch, snapshot: Snapshot, at: float) -> bool:
        """Writes down how long a task took that its provider says has ended. Returns whether that was written."""
        own, others, expected = self.known_of(watch, snapshot, at)
        ended = replace(_ended(watch, snapshot, at), hints=_said(watch, {}), failed=snapshot.status is Status.FAILED)
        return self.ledger.paces.learn(watch, kind_of(snapshot), ended, outlook(own, others, expected), at)

    def known_of(self, watch: Watch, snapshot: Snapshot | None, at: float) -> tuple[Pace, Pace, float | None]:
        """Returns what was learned of this kind of task, of all tasks of its provider, and what is expected of it."""
        expected = watch.submission.expected_seconds
        if expected is None:
            with suppress(NotFound):
                expected = self.ledger.providers.get(watch.submission.provider).expected_seconds
        return *self.ledger.paces.of(watch.submission.provider, kind_of(snapshot) if snapshot else None, at), expected


def kind_of(snapshot: Snapshot) -> Kind:
    """Returns the model and the object of a task, by which it is told apart from other kinds."""
    return (snapshot.model or "").encode()[:MODEL_BYTES].decode("utf-8", "ignore"), snapshot.object


def hints_in(watch: Watch, snapshot: Snapshot, at: float) -> dict[str, float]:
    """Returns how many seconds the task takes in all, by each kind of hint that a snapshot holds.

    A kind has a stage, since hints get better or worse on the way: the quarter of the time that an ETA gives, the tenth
    of the progress. That a task has left the queue is a hint too (`started`): its time there tells of the rest.
    """
    if snapshot.status.final:
        return {}
    age = max(1.0, watch.age(at) + _lag(watch, snapshot))
    hints: dict[str, float] = {}
    if snapshot.estimated_completion is not None:
        total = snapshot.estimated_completion - (snapshot.created_at or watch.submitted_at)
        if total > 0:
            hints[f"eta:{min(4, int(4 * age / total))}"] = total
    if snapshot.progress is not None and 0 < snapshot.progress < 100:
        hints[f"progress:{snapshot.progress // 10}"] = age * 100 / snapshot.progress
    if snapshot.queue_position is not None and snapshot.status is Status.PENDING:
        hints["queue"] = age + (snapshot.queue_position + 1) * TYPICAL_SECONDS
    if snapshot.status is Status.PROCESSING and (started := _started(watch, snapshot, at)):
        hints["started"] = started
    return hints


def _started(watch: Watch, snapshot: Snapshot, at: float) -> float | None:
    """The age at which the task left the queue, as its provider says or as two polls saw it; None if nobody knows."""
    if snapshot.started_at is not None:
        return max(1.0, snapshot.started_at - (snapshot.created_at or watch.submitted_at))
    lag = _lag(watch, snapshot)
    queued = [watch.age(poll.at) + lag for poll in watch.history if poll.answer == Status.PENDING]
    if not queued:
        return None
    working = (watch.age(poll.at) + lag for poll in watch.history if poll.answer == Status.PROCESSING)
    return (queued[-1] + next(working, watch.age(at) + lag)) / 2


def _ended(watch: Watch, snapshot: Snapshot, at: float) -> Ended:
    """How long a task took: by the provider's own clock where it gives both times, else between two polls."""
    lag = _lag(watch, snapshot)
    latest = watch.age(at) + lag
    before = [watch.age(poll.at) + lag for poll in watch.history if poll.at < at and poll.answer in UNFINISHED]
    created, completed = snapshot.created_at, snapshot.completed_at
    waits_are_scaled = watch.paused > 1.5 * max(1.0, at - watch.submitted_at)
    if created is not None and completed is not None and not waits_are_scaled:
        seconds = completed - created
        if 0 < seconds <= latest + CLOCK_SECONDS:
            return Ended(seconds, seconds, polls=watch.polls, delay=max(0.0, latest - seconds))
    earliest = before[-1] if before else 0.0
    return Ended(earliest, latest, polls=watch.polls, delay=(latest - earliest) / 2)


def _lag(watch: Watch, snapshot: Snapshot | None) -> float:
    """How much older the task is at its provider than its watch: it may have been submitted late.

    A lag that is longer, or as long as the difference of two time zones, is a clock's and not the task's.
    """
    if snapshot is None or snapshot.created_at is None:
        return 0.0
    lag = watch.submitted_at - snapshot.created_at
    of_a_zone = abs(lag - ZONE_SECONDS * round(lag / ZONE_SECONDS)) < CLOCK_SECONDS
    return 0.0 if of_a_zone or not CLOCK_SECONDS < lag < LONGEST_LAG else lag


def _said(watch: Watch, now: Mapping[str, float]) -> tuple[Hint, ...]:
    """All hints about a task, oldest first: the submitter's, those of its polls and those of `now`."""
    expected = watch.submission.expected_seconds
    said = [] if expected is None else [Hint("expected", expected)]
    for hints in (*(poll.hints for poll in watch.history), now):
        said += [Hint(kind, seconds) for kind, seconds in hints.items()]
    return tuple(said)
