"""Polls a task at once, beside its plan."""

from typing import TYPE_CHECKING

from vidhook import shapes
from vidhook.errors import Refused

if TYPE_CHECKING:
    from vidhook.runs import Runs
    from vidhook.task import Watch

# Of those that ask within the same ten seconds, only the first one causes a poll.
SLOT_SECONDS = 10


def poll_now(watch_id: str, *, runs: "Runs") -> "Watch":
    """Starts an execution that polls a task once, at once; its own execution goes on as planned. Returns its watch.

    Raises Refused for a task that has ended or is not created yet; and NotFound.
    """
    watch = runs.ledger.tasks.watch(watch_id)
    if watch.settled:
        hint = "its provider is not asked again; a failure that vidhook concluded by itself can be retried"
        raise Refused(409, f"task {watch.id} is {shapes.status(watch)}", hint)
    if watch.uncreated:
        raise Refused(409, f"task {watch.id} is not created yet", "poll it when it has its task_id")
    runs.machines.start_one_poll(f"{watch.id}-poll-{int(runs.clock.now() // SLOT_SECONDS)}", watch.id)
    return watch
