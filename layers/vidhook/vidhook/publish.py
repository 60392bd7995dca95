"""Publishes an event: stores the video, writes the event, puts it on the event bus and notifies the subscribers."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from vidhook.errors import NotFound
from vidhook.event import Event, ambiguous, failed, progress_event, terminal_event
from vidhook.notify import Notified, notify
from vidhook.store import SLOW_TRIES, STORE_PAUSES, STORE_SECONDS
from vidhook.task import (
    Category,
    DeliveryState,
    NotStored,
    Snapshot,
    Submission,
    TaskError,
    Watch,
)
from vidhook.tokens import answer_tokens

if TYPE_CHECKING:
    from vidhook.deliver import Notifier
    from vidhook.edges.ledger import Ledger
    from vidhook.edges.machines import Machines
    from vidhook.store import Storage, Stored

# For so long after its task was found done, a file that the time of one invocation is not enough for is gone on with.
# Then it is a failure, as if it could not be stored.
GO_ON_SECONDS = 4 * 3_600
NOT_TRIED = NotStored("fault", "vidhook itself could not store it")
# A state's output is at most 256 KiB. Further deliveries are due in the ledger, where the sweeper finds them.
MOST_UNREACHED = 500


@dataclass(frozen=True, slots=True)
class Published:
    """The result of publishing. Without an event, publish again after `pause` seconds and a poll.

    `unfinished`: publish again at once, as the time was not enough to store the video. `forbidden` counts the task
    tokens that AWS does not let us answer.
    """

    event: Event | None = None
    pause: int = 0
    unfinished: bool = False
    notified: Notified = field(default_factory=Notified)
    stored: "Stored | None" = None
    watch: Watch | None = None
    forbidden: int = 0


def publish(  # noqa: PLR0913 - each is given by its name
    watch_id: str,
    *,
    problem: TaskError | None = None,
    storage: "Storage | None",
    machines: "Machines",
    notifier: "Notifier",
    seconds: float = STORE_SECONDS,
    again: bool = False,
    execution: str | None = None,
) -> Published:
    """Ends a watch with its terminal event, and notifies the subscribers. Each step can be repeated after a crash.

    `problem` says why the watch ends if no poll settled it. Without `storage` the video is not stored, and the event
    has the provider's link; with it, storing takes at most `seconds`, and `again` says that this was tried before.
    `execution` publishes; one from before a retry only repeats the event of that time. Raises NotFound when there is no
    such watch.
    """
    ledger = notifier.ledger
    watch = ledger.tasks.watch(watch_id)
    stored: Stored | None = None
    if watch.event_id is not None or _is_from_before(watch, execution):
        event = ledger.tasks.event(watch_id, watch.event_id)
    else:
        snapshot = _final_snapshot(watch, problem)
        if snapshot.sources and storage is not None:
            stored = storage.store(watch, snapshot.sources, seconds=seconds, again=again)
            # The event waits for the result only: the other files may never come.
            result = snapshot.sources[0].role
            if _goes_on(result, stored, watch, notifier):
                return Published(unfinished=True, stored=stored, watch=watch)
            pause = _store_pause(result, stored, watch, ledger)
            if pause:
                # The state machine pauses, asks the provider for a fresh link and comes back.
                return Published(pause=pause, stored=stored, watch=watch)
        files = stored.files if stored else {}
        reasons = stored.not_stored if stored else {source.role: NOT_TRIED for source in snapshot.sources}
        ending = terminal_event(watch, snapshot, files, notifier.clock.now(), reasons)
        event = ledger.tasks.put_event(ending, watch.retries, watch.creation if watch.uncreated else None)
        # Read after the event is written: a callback_url that is added meanwhile is seen here, or sees the event.
        watch = ledger.tasks.watch(watch_id)
    notified, forbidden = _tell(event, watch, machines, notifier)
    return Published(event, notified=notified, stored=stored, watch=watch, forbidden=forbidden)


def _tell(event: Event, watch: Watch, machines: "Machines", notifier: "Notifier") -> tuple[Notified, int]:
    """Puts an event on the bus, answers the task tokens and notifies the subscribers. Returns how that went.

    None of the three waits for the others: whoever hangs or fails, the rest goes out, and then the errors are raised.
    """
    ledger, errors = notifier.ledger, list[Exception]()
    forbidden = 0
    try:
        _put_on_bus(event, notifier)
    except Exception as error:  # noqa: BLE001 - raised when the others are done
        errors.append(error)
    try:
        forbidden = answer_tokens(event, ledger=ledger, machines=machines)
    except Exception as error:  # noqa: BLE001 - raised when the others are done
        errors.append(error)
    notified = notify(event, watch, notifier)
    if watch.event_id == event.id and not watch.told:
        ledger.tasks.note_told(watch)
    if errors:
        raise ExceptionGroup("the event is not everywhere", errors)
    return notified, forbidden


def _put_on_bus(event: Event, notifier: "Notifier") -> None:
    """Puts an event on the bus, unless that was done; after a crash between the two writes it is done again."""
    if not event.on_bus:
        notifier.bus.put(event)
        notifier.ledger.tasks.note_on_bus(event)


def _is_from_before(watch: Watch, execution: str | None) -> bool:
    """Returns whether an execution may be one from before a retry, which must not end the watch as failed.

    The watch's own one ends it, or the sweeper starts another.
    """
    return watch.retries > 0 and not watch.settled and execution not in (None, watch.execution)


def _goes_on(result: str, stored: "Stored", watch: Watch, notifier: "Notifier") -> bool:
    now = notifier.clock.now()
    return result in stored.unfinished and now - (watch.detected_at or now) < GO_ON_SECONDS


def _store_pause(result: str, stored: "Stored", watch: Watch, ledger: "Ledger") -> int:
    """Returns the seconds until storing is tried again, 0 if it is not. Counts a failure."""
    reason = stored.not_stored.get(result)
    tries = SLOW_TRIES if stored.late else len(STORE_PAUSES)
    if reason is None or reason.final or watch.store_failures >= tries:
        return 0
    ledger.tasks.note_store_failure(watch)
    return STORE_PAUSES[watch.store_failures]


def publish_progress(watch_id: str, *, notifier: "Notifier") -> Published:
    """Notifies the subscribers of progress, without retries: a later event has newer information."""
    watch = notifier.ledger.tasks.watch(watch_id)
    if watch.settled or watch.snapshot is None:
        return Published(watch=watch)
    event = progress_event(watch, watch.snapshot, notifier.clock.now())
    notifier.bus.put(event)
    notified = notify(event, watch, notifier)
    for each in notified.unreached:
        notifier.ledger.deliveries.change(replace(each.delivery, state=DeliveryState.CANCELLED, next_at=None))
    return Published(event, notified=replace(notified, unreached=()), watch=watch)


def watch_failed(reason: str) -> TaskError:
    """Returns the error of a task that vidhook stopped following, although it may still finish at its provider."""
    return TaskError(Category.PROVIDER, "WATCH_FAILED", f"vidhook stopped following the task: {reason}", retryable=None)


def ended_from_outside(detail: Mapping[str, Any], *, ledger: "Ledger") -> tuple[str, TaskError] | None:
    """Returns the watch's id and its error for an execution that failed, timed out or was aborted.

    Returns None if it followed no watch: its submission was refused, or another execution follows the task. `detail`
    is that of EventBridge's "Step Functions Execution Status Change".
    """
    # AWS leaves out a very long input; no submission is that long.
    given = json.loads(detail.get("input") or "null")
    if not isinstance(given, dict):
        return None
    try:
        watch = ledger.tasks.watch(given.get("watch") or _submitted_id(given))
    except NotFound:
        return None
    if watch.execution != detail["executionArn"].rpartition(":")[2]:
        return None
    if detail["status"] == "ABORTED":
        return watch.id, TaskError(Category.CANCELLED, "WATCH_ABORTED", "an operator stopped the watch of this task")
    return watch.id, watch_failed(f"its execution ended as {detail['status']}")


def _submitted_id(given: Mapping[str, Any]) -> str:
    """Returns the id of the task of a submission that nobody has checked."""

    def text(name: str) -> str | None:
        return str(given[name]) if given.get(name) is not None else None

    return Submission(
        text("provider") or "",
        text("task_id"),
        reference=text("reference"),
        idempotency_key=text("idempotency_key"),
        creates="create" in given,
    ).id


def _final_snapshot(watch: Watch, problem: TaskError | None) -> Snapshot:
    if watch.snapshot is not None and watch.snapshot.status.final:
        return watch.snapshot
    if watch.uncreated and watch.creation is not None and watch.creation.sent_at is not None:
        return failed(None, ambiguous(watch, problem.message if problem else None))
    return failed(watch.snapshot, problem or watch_failed("it was published before it was settled"))


def output(published: Published) -> dict[str, Any]:
    """Returns what the state machine needs: ids, seconds and, once there is one, the event."""
    return {
        "event": published.event.data if published.event else None,
        "unfinished": published.unfinished,
        "pause": published.pause,
        "unreached": [
            {"name": each.delivery.execution_name, **each.delivery.execution_input(each.pause)}
            for each in published.notified.unreached[:MOST_UNREACHED]
        ],
    }
