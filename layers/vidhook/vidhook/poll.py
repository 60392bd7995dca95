"""One question to the provider: what came of it, and how long to pause before the next."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from vidhook.errors import NotFound, RequestFailed
from vidhook.event import failed, fitted
from vidhook.providers.file import request
from vidhook.providers.reading import Reading, read
from vidhook.schedule import Known, next_pause
from vidhook.task import Category, Poll, Snapshot, Status, TaskError, Watch

if TYPE_CHECKING:
    from vidhook.edges.http import Http
    from vidhook.edges.ledger import Ledger
    from vidhook.edges.secrets import Secrets

ASK_SECONDS = 20.0
ANSWER_BYTES = 1_048_576
PROGRESS_SECONDS = 15.0
PROGRESS_POINTS = 10


@dataclass(frozen=True, slots=True)
class Polled:
    """What one poll led to. `pause` is 0 when settled. `progress`: there is news to tell on the way.

    `reading` is None when no answer came, `broken` says why.
    """

    watch: Watch
    settled: bool
    pause: int = 0
    progress: bool = False
    reading: Reading | None = None
    broken: str | None = None


def poll(
    watch_id: str,
    *,
    execution: str | None = None,
    ledger: "Ledger",
    http: "Http",
    secrets: "Secrets",
    now: Callable[[], float],
    jitter: float,
    pause_factor: float = 1.0,
) -> Polled:
    """Asks the provider once and writes down what it said.

    A provider that is down, slow or out of its mind costs a pause, never the watch. Only three things settle it: a
    final answer, an answer that says asking again is pointless, and the deadline. Raises NotFound for no such watch.
    """
    watch = ledger.watch(watch_id)
    if watch.settled:
        return Polled(watch, settled=True)
    reading, broken = ask(watch, ledger=ledger, http=http, secrets=secrets, now=now)
    at = now()
    snapshot = _settling_snapshot(watch, reading, broken, at)
    if snapshot is not None:
        settled = ledger.note_poll(watch, _entry(at, reading, broken), snapshot, settled=True)
        return Polled(settled, True, reading=reading, broken=broken)
    known = Known(
        age=watch.age(at),
        deadline=watch.submission.deadline_seconds,
        expected=watch.submission.expected_seconds,
        retry_after=reading.retry_after_seconds if reading else None,
        key_refused=reading is not None and reading.key_refused,
        factor=pause_factor,
    )
    pause = next_pause(known, jitter)
    entry = replace(_entry(at, reading, broken), pause=pause)
    snapshot = reading.snapshot if reading else None
    progress = snapshot is not None and news_on_the_way(watch, snapshot, at)
    # A second execution may follow the same task; its pauses run beside those of the first and make nothing older.
    beside = execution is not None and execution != watch.execution
    watch = ledger.note_poll(watch, entry, snapshot, settled=False, progress=progress, beside=beside)
    # Another execution may have settled it meanwhile.
    return Polled(watch, watch.settled, pause, progress and not watch.settled, reading, broken)


def news_on_the_way(watch: Watch, snapshot: Snapshot, at: float) -> bool:
    """Whether this snapshot is worth a progress event: it has begun, or is 10 points on, 15 s after the last."""
    if not watch.submission.progress:
        return False
    told = watch.progress_told
    if told is None:
        return True
    if at - told.at < PROGRESS_SECONDS:
        return False
    # Forward only: a provider that goes back and forth would make news, and history events, without end.
    begun = told.answer == Status.PENDING and snapshot.status is Status.PROCESSING
    return begun or (snapshot.progress or 0) - (told.progress or 0) >= PROGRESS_POINTS


def ask(
    watch: Watch,
    *,
    ledger: "Ledger",
    http: "Http",
    secrets: "Secrets",
    now: Callable[[], float],
) -> tuple[Reading | None, str | None]:
    """Asks the provider about a task: its answer as we read it, or the class of what broke on the way.

    A refused key is read anew once: it may have been mended since. A provider file that was removed may come back.
    """
    name, task_id = watch.submission.provider, watch.submission.task_id
    try:
        provider = ledger.provider(name)
    except NotFound:
        return None, "no_provider_file"
    key = secrets.provider_key(name)
    reading: Reading | None = None
    for _ in range(2):
        method, url, headers, body = request(provider, task_id, key)
        try:
            response = http.send(
                method, url, headers=headers, body=body or b"", deadline=ASK_SECONDS, max_bytes=ANSWER_BYTES
            )
        except RequestFailed as error:
            return None, error.kind
        reading = read(
            provider,
            status=response.status,
            headers=response.headers,
            body=_without(key, response.body),
            task_id=task_id,
            age_seconds=watch.age(now()),
            now=now(),
        )
        if reading.snapshot is not None:
            reading = replace(reading, snapshot=fitted(reading.snapshot))
        mended = secrets.provider_key(name, fresh=True) if reading.key_refused else key
        if mended == key:
            break
        key = mended
    return reading, None


def _without(key: str | None, body: bytes) -> bytes:
    """What a provider answered, less our key: some quote it in their errors, and events travel far."""
    # A shorter one is no key, and may be a word of the answer's own.
    return body.replace(key.encode(), b"[key]") if key is not None and len(key) >= 8 else body


def _settling_snapshot(watch: Watch, reading: Reading | None, broken: str | None, at: float) -> Snapshot | None:
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


def _deadline_error(watch: Watch, latest: Snapshot | None, reading: Reading | None, broken: str | None) -> TaskError:
    doing = f"the task was still {latest.status} at the provider" if latest else "the provider never told of the task"
    if broken or (reading and reading.snapshot is None):
        doing += f"; its last answer: {broken or (reading and reading.error and reading.error.message)}"
    seconds = watch.submission.deadline_seconds
    return TaskError(Category.TIMEOUT, "DEADLINE_REACHED", f"after {seconds} seconds {doing}", retryable=True)


def _entry(at: float, reading: Reading | None, broken: str | None) -> Poll:
    if reading is None:
        return Poll(at, broken or "broken")
    if reading.snapshot is None:
        return Poll(at, "key_refused" if reading.key_refused else reading.outcome)
    return Poll(at, str(reading.snapshot.status), progress=reading.snapshot.progress)
