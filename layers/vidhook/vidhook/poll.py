"""One poll: the provider is asked, what it said is written down, and the pause before the next poll is chosen."""

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from vidhook.ask import ask
from vidhook.event import failed
from vidhook.schedule import Known, next_pause
from vidhook.task import Category, Poll, Snapshot, Status, TaskError, Watch

if TYPE_CHECKING:
    from vidhook.edges.http import Http
    from vidhook.edges.ledger import Ledger
    from vidhook.edges.secrets import Secrets
    from vidhook.providers.reading import Reading
    from vidhook.times import Clock

PROGRESS_SECONDS = 15.0
PROGRESS_POINTS = 10


@dataclass(frozen=True, slots=True)
class Polled:
    """What one poll led to. `pause` is 0 when settled. `progress`: there is progress to notify subscribers of.

    `reading` is None when no answer came, `broken` says why. `settled_now`: it was this poll that settled the watch.
    """

    watch: Watch
    settled: bool
    pause: int = 0
    progress: bool = False
    reading: "Reading | None" = None
    broken: str | None = None
    settled_now: bool = False

    @property
    def answer(self) -> str | None:
        """What came of the question, as in the watch's history; None when the provider was not asked."""
        return None if self.reading is None and self.broken is None else _answer(self.reading, self.broken)


def poll(
    watch_id: str,
    *,
    execution: str | None = None,
    ledger: "Ledger",
    http: "Http",
    secrets: "Secrets",
    clock: "Clock",
    pause_factor: float = 1.0,
) -> Polled:
    """Asks the provider once and writes down what it said.

    A provider that is down, slow or incoherent costs a pause, never the watch. Only three things settle it: a final
    answer, an answer that says asking again is pointless, and the deadline. A watch that is settled, but whose video
    could not be stored yet, is asked about for a fresh link. Raises NotFound for no such watch.
    """
    watch = ledger.watch(watch_id)
    if watch.event_id is not None or (watch.settled and not watch.store_failures):
        return Polled(watch, settled=True)
    reading, broken = ask(watch, ledger=ledger, http=http, secrets=secrets, clock=clock)
    if watch.settled:
        return Polled(_with_fresh_link(watch, reading, ledger), True, reading=reading, broken=broken)
    at = clock.now()
    snapshot = _settling_snapshot(watch, reading, broken, at)
    if snapshot is not None:
        settled = ledger.note_poll(watch, _entry(at, reading, broken), snapshot, settled=True)
        return Polled(settled, True, reading=reading, broken=broken, settled_now=True)
    known = Known(
        age=watch.age(at),
        deadline=watch.submission.deadline_seconds,
        expected=watch.submission.expected_seconds,
        retry_after=reading.retry_after_seconds if reading else None,
        key_refused=reading is not None and reading.key_refused,
        factor=pause_factor,
    )
    pause = next_pause(known, clock.jitter())
    entry = replace(_entry(at, reading, broken), pause=pause)
    snapshot = reading.snapshot if reading else None
    progress = snapshot is not None and progress_is_due(watch, snapshot, at)
    # A second execution may follow the same task; its pauses run beside those of the first and make nothing older.
    beside = execution is not None and execution != watch.execution
    watch = ledger.note_poll(watch, entry, snapshot, settled=False, progress=progress, beside=beside)
    # Another execution may have settled it meanwhile.
    return Polled(watch, watch.settled, pause, progress and not watch.settled, reading, broken)


def _with_fresh_link(watch: Watch, reading: "Reading | None", ledger: "Ledger") -> Watch:
    """The settled watch with the link that the provider gives now, where it still gives one."""
    snapshot = reading.snapshot if reading else None
    if snapshot is None or snapshot.status is not Status.COMPLETED:
        return watch
    return ledger.note_fresh_link(watch, snapshot)


def progress_is_due(watch: Watch, snapshot: Snapshot, at: float) -> bool:
    """Whether this snapshot is worth a progress event: it has begun, or is 10 points on, 15 s after the last."""
    if not watch.submission.progress:
        return False
    last = watch.last_progress
    if last is None:
        return True
    if at - last.at < PROGRESS_SECONDS:
        return False
    # Forward only: a provider that goes back and forth would make progress events, and history events, without end.
    begun = last.answer == Status.PENDING and snapshot.status is Status.PROCESSING
    return begun or (snapshot.progress or 0) - (last.progress or 0) >= PROGRESS_POINTS


def _settling_snapshot(watch: Watch, reading: "Reading | None", broken: str | None, at: float) -> Snapshot | None:
    """The final snapshot when this poll settles the watch, else None."""
    if reading is not None:
        if reading.snapshot is not None and reading.snapshot.status.final:
            return reading.snapshot
        if reading.outcome == "permanent_error" and not reading.key_refused:
            return failed(watch.snapshot, reading.error)
    if watch.age(at) < watch.submission.deadline_seconds:
        return None
    if reading is not None and reading.key_refused:
        return failed(watch.snapshot, reading.error)
    latest = reading.snapshot if reading and reading.snapshot else watch.snapshot
    return failed(latest, _deadline_error(watch, latest, reading, broken))


def _deadline_error(watch: Watch, latest: Snapshot | None, reading: "Reading | None", broken: str | None) -> TaskError:
    doing = f"the task was still {latest.status} at the provider" if latest else "the provider never gave a status"
    if broken or (reading and reading.snapshot is None):
        doing += f"; its last answer: {broken or (reading and reading.error and reading.error.message)}"
    seconds = watch.submission.deadline_seconds
    return TaskError(Category.TIMEOUT, "DEADLINE_REACHED", f"after {seconds} seconds {doing}", retryable=True)


def _entry(at: float, reading: "Reading | None", broken: str | None) -> Poll:
    snapshot = reading.snapshot if reading else None
    return Poll(at, _answer(reading, broken), progress=snapshot.progress if snapshot else None)


def _answer(reading: "Reading | None", broken: str | None) -> str:
    """The task's status, or the class of what went wrong."""
    if reading is None:
        return broken or "broken"
    if reading.snapshot is None:
        return "key_refused" if reading.key_refused else reading.outcome
    return str(reading.snapshot.status)
