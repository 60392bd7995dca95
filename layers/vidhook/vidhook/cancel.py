"""Cancels a task: asks its provider to, or stops following it where the provider has no way to cancel."""

from dataclasses import replace
from typing import TYPE_CHECKING, NoReturn

from vidhook import shapes
from vidhook.errors import LostRace, NotFound, Refused
from vidhook.event import NOT_CREATED, failed
from vidhook.task import ACCEPTED, STOPPED, Cancel, Category, Status, TaskError, Watch

if TYPE_CHECKING:
    from vidhook.edges.ledger import Ledger
    from vidhook.runs import Runs

WE_STOPPED = TaskError(
    Category.CANCELLED,
    "CANCELLED",
    "the task was cancelled by request; its provider has no way to cancel, so it may still finish there",
    retryable=None,
)


def cancel(watch_id: str, *, runs: "Runs") -> Watch:
    """Cancels a task that has not ended. Returns its watch, whose `cancel` says how far that is. It is idempotent.

    With [cancel] in the provider's file an execution of its own asks the provider at once, and the task is followed
    until the provider says how it ended. Without, or before its creation was asked for, the task ends here as failed,
    and that execution publishes it. Every
    write may be the last one before a crash: the next poll of the watch's own execution does the same. Raises Refused
    for a task that has ended otherwise; and NotFound.
    """
    ledger, now = runs.ledger, runs.clock.now()
    watch = ledger.tasks.watch(watch_id)
    if watch.settled and not _is_cancelled(watch):
        _refuse(watch)
    known = watch.cancel
    if not watch.settled and (known is None or known.answer not in (None, ACCEPTED)):
        asked = Cancel(now, 1 if known is None else known.number + 1)
        wanted = replace(watch, cancel=asked)
        unsent = watch.uncreated and watch.creation is not None and watch.creation.sent_at is None
        if unsent or not can_cancel(watch, ledger):
            if watch.uncreated and not unsent:
                problem = (
                    f"the request that creates task {watch.id} is on its way, and its provider has no way to cancel"
                )
                raise Refused(409, problem, "cancel it when it has its task_id, or wait for its event")
            stopped = replace(asked, answer=STOPPED, answered_at=now)
            error = NOT_CREATED if unsent else WE_STOPPED
            wanted = replace(watch, cancel=stopped, snapshot=failed(watch.snapshot, error), detected_at=now)
        try:
            ledger.tasks.note_cancel(wanted)
        except LostRace:
            return cancel(watch_id, runs=runs)  # it has ended meanwhile, or is followed again
        watch = wanted
    wish = watch.cancel if watch.event_id is None else None
    # A task that is being created has the provider asked by its first poll.
    if wish is not None and (wish.answer == STOPPED or (wish.answer is None and not watch.uncreated)):
        name = f"{watch.id}-cancel-{watch.retries}-{wish.number}"
        runs.machines.start_one_poll(name, watch.id)
    return watch


def can_cancel(watch: Watch, ledger: "Ledger") -> bool:
    """Returns whether the task's provider can be asked to cancel it."""
    try:
        return ledger.providers.get(watch.submission.provider).cancel is not None
    except NotFound:
        return False


def _is_cancelled(watch: Watch) -> bool:
    error = watch.snapshot.error if watch.snapshot and watch.snapshot.status is Status.FAILED else None
    return error is not None and error.category is Category.CANCELLED


def _refuse(watch: Watch) -> NoReturn:
    ended = f"task {watch.id} is {shapes.status(watch)}"
    raise Refused(409, ended, "it has ended, and nothing is left to cancel; to remove all of it, erase it")
