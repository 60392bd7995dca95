"""Follows a task again whose failure was published although its provider had not said that it failed."""

import math
from dataclasses import replace
from typing import TYPE_CHECKING

from vidhook.errors import LostRace, NotFound, Refused
from vidhook.providers.request import check_params
from vidhook.task import Snapshot, Status, Watch

if TYPE_CHECKING:
    from collections.abc import Mapping

    from vidhook.edges.ledger import Ledger
    from vidhook.event import Event
    from vidhook.pacing import Pacer
    from vidhook.runs import Runs

# The task is polled at once: what it waited for has most likely happened.
PAUSE = 1


def retry(
    watch_id: str,
    *,
    deadline_seconds: int | None = None,
    params: "Mapping[str, str] | None" = None,
    runs: "Runs",
    pacer: "Pacer",
) -> Watch:
    """Opens a watch again and starts a new execution for it. Returns the watch.

    It ends anew in `deadline_seconds`, or in those of the first submission, and is asked about with these `params`
    instead of the first ones: a wrong one may be why its provider did not know it. Every write may be the last one
    before a crash: the sweeper starts what was opened. Raises Refused for a task that is followed, that is completed,
    or whose provider said that it failed; BadInput for params that its provider's file does not take; and NotFound.
    """
    ledger, machines, now = runs.ledger, runs.machines, runs.clock.now()
    watch = ledger.tasks.watch(watch_id)
    if watch.event_id is None:
        if watch.retries:
            machines.start_watch(watch.execution, watch.id, PAUSE)  # an earlier retry may have crashed before this
        raise _followed(watch)
    if watch.uncreated:
        hint = "create another one with a new idempotency_key, or submit the task_id that you find at the provider"
        raise Refused(409, f"nobody knows the provider's id of task {watch.id}", hint)
    event = _failure(watch, ledger)
    submission = watch.submission
    if params is not None:
        check_params(ledger.providers.get(submission.provider), submission.known_id, params)
        submission = replace(submission, params=dict(params))
    first = watch.first_deadline or watch.submission.deadline_seconds
    deadline = math.ceil(watch.age(now)) + (deadline_seconds or first)
    number = watch.retries + 1
    opened = replace(
        watch,
        told=False,
        submission=replace(submission, deadline_seconds=deadline),
        execution=f"{watch.id}-retry-{number}",
        store_failures=0,
        uploads={},
        snapshot=_unsettled(watch.snapshot),
        detected_at=None,
        event_id=None,
        doubted_at=None,
        retries=number,
        retried_at=now,
        first_deadline=first,
        cancel=None,
    )
    try:
        ledger.tasks.reopen(opened, event.id, PAUSE, now)
    except LostRace:
        raise _followed(watch) from None
    machines.start_watch(opened.execution, watch.id, PAUSE)
    pacer.count_poll(opened, now + PAUSE)
    return opened


def _failure(watch: Watch, ledger: "Ledger") -> "Event":
    """Returns the event of a failure that vidhook only concluded. Raises Refused for any other end."""
    what = f"task {watch.id}"
    try:
        event = ledger.tasks.event(watch.id, watch.event_id)
    except NotFound:
        problem = f"{what} failed long ago: its event is no longer stored"
        raise Refused(409, problem, "submit a new task to the provider") from None
    if event.type.endswith(".completed"):
        raise Refused(409, f"{what} is completed", "replay its event to send it again")
    known = watch.snapshot
    if known is not None and known.status is Status.FAILED and known.said:
        hint = "submit a new task to the provider; a retry asks again only where vidhook itself gave up"
        raise Refused(409, f"the provider said that {what} failed", hint)
    return event


def _followed(watch: Watch) -> Refused:
    return Refused(409, f"task {watch.id} is followed already", "wait for its event")


def _unsettled(snapshot: Snapshot | None) -> Snapshot | None:
    """Returns the latest reading as if no end had been concluded from it; None if the provider never gave a status."""
    if snapshot is None or snapshot.provider_status is None:
        return None
    status = Status.PROCESSING if snapshot.status.final else snapshot.status
    return replace(snapshot, status=status, sources=(), error=None, said=True)
