"""Makes one poll: asks the provider, records the answer and chooses the pause before the next poll."""

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from vidhook.ask import ask, ask_to_cancel, word_of
from vidhook.event import failed
from vidhook.schedule import CONFIRM_SECONDS
from vidhook.task import ACCEPTED, Category, Poll, Snapshot, Status, TaskError, Watch

if TYPE_CHECKING:
    from vidhook.edges.http import Http
    from vidhook.edges.ledger import Ledger
    from vidhook.keys import Keys
    from vidhook.pacing import Pacer
    from vidhook.providers.reading import Reading
    from vidhook.times import Clock

PROGRESS_SECONDS = 15.0
PROGRESS_POINTS = 10
# An execution fails when it has 25,000 events in its history. At this age it has 14,000 at most, with all its retries,
# and all but very long tasks have ended.
LONGEST_EXECUTION = 2 * 86_400.0
GONE = TaskError(
    Category.CANCELLED,
    "CANCELLED",
    "the provider accepted the request to cancel the task, and does not know it any more",
    retryable=None,
)


@dataclass(frozen=True, slots=True)
class Polled:
    """The result of one poll. `pause`: whole seconds, 0 when settled. `progress`: subscribers should be notified of it.

    `reading` is None when no answer came; `broken` says why. `settled_now`: this poll settled the watch.
    `budget_spent`: how much of the key's budget of polls is used, in percent. `successor`: the name of the execution
    that goes on instead of this one, which is too old.
    """

    watch: Watch
    settled: bool
    pause: int = 0
    progress: bool = False
    reading: "Reading | None" = None
    broken: str | None = None
    settled_now: bool = False
    budget_spent: float | None = None
    successor: str | None = None

    @property
    def answer(self) -> str | None:
        """What came of the question, as in the watch's history; None when the provider was not asked."""
        return None if self.reading is None and self.broken is None else word_of(self.reading, self.broken)


def poll(  # noqa: PLR0913 - each is given by its name
    watch_id: str,
    *,
    execution: str | None = None,
    started_at: float | None = None,
    once: bool = False,
    ledger: "Ledger",
    http: "Http",
    keys: "Keys",
    clock: "Clock",
    pacer: "Pacer",
) -> Polled:
    """Asks the provider once and records its answer.

    Only three things settle a watch: an end that the provider says, an end that its answers have suggested for ten
    minutes, and the deadline. A provider that is down, slow or unreadable only causes a pause. When the watch is
    settled but its video could not be stored yet, this asks for a fresh link. If the task is to be cancelled and has
    not ended, the provider is asked to. `execution` polls, since `started_at`; `once`: this is its only poll.
    Raises NotFound when there is no such watch.
    """
    watch = ledger.tasks.watch(watch_id)
    if watch.event_id is not None or (watch.settled and not watch.store_failures):
        return Polled(watch, settled=True)
    watch, reading, broken = _ask(watch, ledger=ledger, http=http, keys=keys, clock=clock)
    if watch.settled:
        pacer.count_poll(watch, clock.now())
        return Polled(_with_fresh_link(watch, reading, ledger), True, reading=reading, broken=broken)
    at = clock.now()
    watch = replace(watch, doubted_at=_doubted_at(watch, reading, at))
    snapshot = _settling_snapshot(watch, reading, broken, at)
    if snapshot is not None:
        settled = ledger.tasks.note_poll(watch, _entry(at, reading, broken), snapshot, settled=True)
        if snapshot.said and not watch.retries:  # one that was given up may have ended days ago
            pacer.learn(settled, snapshot, at)
        return Polled(settled, True, reading=reading, broken=broken, settled_now=True)
    snapshot = _open_snapshot(watch, reading)
    if once:
        pacer.count_poll(watch, at)
        watch = ledger.tasks.note_poll(
            watch, _entry(at, reading, broken), snapshot, settled=False, second_execution=True
        )
        return Polled(watch, watch.settled, reading=reading, broken=broken)
    hints = pacer.hints(watch, snapshot, at) if snapshot else {}
    pause = pacer.pause(watch, reading, at, hints)
    entry = replace(_entry(at, reading, broken), pause=pause.seconds, why=pause.why, hints=hints)
    progress = snapshot is not None and watch.doubted_at is None and progress_is_due(watch, snapshot, at)
    # A second execution may follow the same task. Its pauses pass at the same time as those of the first execution, so
    # they must not make the task older.
    second = execution is not None and execution != watch.execution
    watch = ledger.tasks.note_poll(watch, entry, snapshot, settled=False, progress=progress, second_execution=second)
    # Another execution may have settled it meanwhile.
    progress = progress and not watch.settled
    old = started_at is not None and at - started_at >= LONGEST_EXECUTION
    successor = f"{watch.id}-{int(at)}" if old and not (watch.settled or progress) else None
    if successor is not None:
        ledger.tasks.note_execution(watch, successor, at + pause.seconds)
    return Polled(
        watch, watch.settled, pause.seconds, progress, reading, broken, budget_spent=pause.spent, successor=successor
    )


def _ask(
    watch: Watch, *, ledger: "Ledger", http: "Http", keys: "Keys", clock: "Clock"
) -> "tuple[Watch, Reading | None, str | None]":
    """Asks about a task, keeps the answer, and asks to cancel it if that is wished and the task has not ended.

    Returns the watch with what came of that, and the reading or the class of the failure.
    """
    asked = ask(watch, ledger=ledger, http=http, keys=keys, clock=clock)
    if watch.cancel is not None and watch.cancel.pending and not (watch.settled or asked.ended):
        answer, said = ask_to_cancel(watch, ledger=ledger, http=http, keys=keys, clock=clock)
        known = replace(watch.cancel, answer=answer, answered_at=clock.now(), message=said)
        ledger.tasks.note_cancel_answer(watch, known)
        watch = replace(watch, cancel=known)
        if asked.reading is not None and answer == ACCEPTED:  # most cancel at once
            asked = ask(watch, ledger=ledger, http=http, keys=keys, clock=clock)
    if asked.answer is not None:
        ledger.tasks.put_answer(watch.id, asked.answer)
    return watch, asked.reading, asked.broken


def _with_fresh_link(watch: Watch, reading: "Reading | None", ledger: "Ledger") -> Watch:
    """Returns the settled watch with the link that the provider gives now, if it still gives one."""
    snapshot = reading.snapshot if reading else None
    if snapshot is None or snapshot.status is not Status.COMPLETED:
        return watch
    return ledger.tasks.note_fresh_link(watch, snapshot)


def progress_is_due(watch: Watch, snapshot: Snapshot, at: float) -> bool:
    """Returns whether a snapshot gets a progress event: begun or 10 points on, and 15 s after the last one."""
    if not watch.submission.progress:
        return False
    last = watch.last_progress
    if last is None:
        return True
    if at - last.at < PROGRESS_SECONDS:
        return False
    # Only a step forward counts: progress that goes up and down would cause events, and entries in the execution's
    # history, without end.
    begun = last.answer == Status.PENDING and snapshot.status is Status.PROCESSING
    return begun or (snapshot.progress or 0) - (last.progress or 0) >= PROGRESS_POINTS


def _doubted_at(watch: Watch, reading: "Reading | None", at: float) -> float | None:
    """Returns the age since when the answers suggest an end. Whatever else the provider answers ends the doubt."""
    if reading is None:
        return watch.doubted_at
    if not reading.inferred:
        return None
    return watch.age(at) if watch.doubted_at is None else watch.doubted_at


def _settling_snapshot(watch: Watch, reading: "Reading | None", broken: str | None, at: float) -> Snapshot | None:
    """Returns the final snapshot if this poll settles the watch, else None."""
    over = watch.age(at) >= watch.submission.deadline_seconds
    latest = _open_snapshot(watch, reading) or watch.snapshot
    if reading is not None:
        snapshot = reading.snapshot
        if snapshot is not None and snapshot.status.final and snapshot.said:
            return snapshot
        if reading.inferred and watch.doubted_at is not None:
            as_asked = _is_gone_as_asked(watch, reading)
            confirmed = over or as_asked or watch.age(at) - watch.doubted_at >= CONFIRM_SECONDS
            return _concluded(snapshot, latest, reading.error, as_asked=as_asked) if confirmed else None
    if not over:
        return None
    if latest is not None and latest.sources:
        return _completed(latest)
    if reading is not None and reading.key_refused:
        return failed(watch.snapshot, reading.error)
    if latest is not None and latest.error is not None:
        return failed(latest, latest.error)
    return failed(latest, _deadline_error(watch, latest, reading, broken))


def _open_snapshot(watch: Watch, reading: "Reading | None") -> Snapshot | None:
    """Returns the snapshot of a task that goes on, with what this answer or an earlier one showed of its end.

    That is a link beside a word that means no end, or a reason: at the deadline it is all that is known.
    """
    if reading is None or reading.snapshot is None:
        return None
    seen = reading.snapshot if reading.inferred else reading.seen
    now = reading.snapshot if seen is None else replace(seen, status=Status.PROCESSING)
    before = watch.snapshot
    return (
        now if before is None else replace(now, sources=now.sources or before.sources, error=now.error or before.error)
    )


def _concluded(
    snapshot: Snapshot | None, latest: Snapshot | None, error: TaskError | None, *, as_asked: bool
) -> Snapshot:
    """Returns the end that the answers have suggested long enough. A link that was seen outlives its task."""
    if snapshot is not None and snapshot.status is Status.COMPLETED:
        return snapshot
    gone = error is not None and error.category in (Category.NOT_FOUND, Category.NO_RESULT, Category.EXPIRED)
    if gone and latest is not None and latest.sources:
        return _completed(latest)
    return failed(snapshot or latest, GONE if as_asked else error)


def _is_gone_as_asked(watch: Watch, reading: "Reading") -> bool:
    """Whether the provider no longer knows a task that it has agreed to cancel: some delete it."""
    agreed = watch.cancel is not None and watch.cancel.answer == ACCEPTED
    return agreed and reading.error is not None and reading.error.category in (Category.NOT_FOUND, Category.EXPIRED)


def _completed(latest: Snapshot) -> Snapshot:
    return replace(latest, status=Status.COMPLETED, error=None, said=False)


def _deadline_error(watch: Watch, latest: Snapshot | None, reading: "Reading | None", broken: str | None) -> TaskError:
    state = f"the task was still {latest.status} at the provider" if latest else "the provider never gave a status"
    if broken or (reading and reading.snapshot is None):
        state += f"; its last answer: {broken or (reading and reading.error and reading.error.message)}"
    seconds = watch.submission.deadline_seconds
    return TaskError(Category.TIMEOUT, "DEADLINE_REACHED", f"after {seconds} seconds {state}", retryable=None)


def _entry(at: float, reading: "Reading | None", broken: str | None) -> Poll:
    snapshot = reading.snapshot if reading else None
    return Poll(at, word_of(reading, broken), progress=snapshot.progress if snapshot else None)
