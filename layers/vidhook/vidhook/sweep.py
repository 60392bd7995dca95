"""Sweeps the ledger: starts again what should have moved and did not, for example after a crash between two writes."""

from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from vidhook.credentials import put_credentials
from vidhook.errors import Erased, LostRace, NotFound
from vidhook.runs import cancel_held

if TYPE_CHECKING:
    from vidhook.edges.secrets import Secrets
    from vidhook.erase import Eraser
    from vidhook.runs import Runs
    from vidhook.task import Subscriber

# The most that one sweep starts, in the time that it has; the next sweep goes on.
MOST = 1_000
MOST_DRAINED = 3_000  # held deliveries of one subscriber
SECONDS = 240.0
# At which share of its time each part of a sweep ends at the latest, so that none takes all of it.
WATCHES_END, DELIVERIES_END, HELD_END = 0.4, 0.7, 0.9


@dataclass(frozen=True, slots=True)
class Swept:
    """How many watches and deliveries were started again, and how many held deliveries were drained and cancelled.

    erased: how many erasures of tasks went on. failed: how many of the watches had an execution that failed.
    errors: what could not be moved, while everything else was.
    """

    watches: int = 0
    deliveries: int = 0
    drained: int = 0
    cancelled: int = 0
    erased: int = 0
    failed: int = 0
    errors: tuple[Exception, ...] = ()


def sweep(runs: "Runs", secrets: "Secrets", eraser: "Eraser | None" = None, *, seconds: float = SECONDS) -> Swept:
    """Starts again overdue watches without a running execution, overdue deliveries, and held ones of the active.

    A watch whose execution still runs is only slow and is left alone. The new execution polls once, so a watch past
    its deadline ends immediately. What is left of a removed subscriber is removed too, and of an erased task. The sweep
    is idempotent. It begins nothing after `seconds`; what it has moved is no longer found, so the next sweep goes on
    where it stopped.
    """
    ledger, now, errors, failed = runs.ledger, runs.clock.now(), list[Exception](), list[str]()

    def watches() -> int:
        jobs = (partial(_restart_watch, watch_id, runs, failed) for watch_id in ledger.tasks.overdue(now, MOST))
        return runs.at_once(jobs, errors, now + WATCHES_END * seconds)

    def deliveries() -> int:
        overdue = ledger.deliveries.overdue(now, MOST)
        return runs.resend(overdue, afresh=False, until=now + DELIVERIES_END * seconds, errors=errors)

    def drained() -> int:
        return _drain_all(runs, now + HELD_END * seconds, errors)

    def cancelled() -> int:
        return _clean_up(runs, secrets, now + seconds, errors)

    def erased() -> int:
        left = ledger.tasks.erasures() if eraser else []
        return runs.at_once((partial(eraser.sweep, each) for each in left if eraser), errors, now + seconds)

    parts = {
        "erased": erased,
        "watches": watches,
        "deliveries": deliveries,
        "drained": drained,
        "cancelled": cancelled,
    }
    counts = {name: _guarded(part, errors) for name, part in parts.items()}
    return Swept(**counts, failed=len(failed), errors=tuple(errors))


def _guarded(work: Callable[[], int], errors: list[Exception]) -> int:
    """Returns what a part of the sweep counted. An error ends this part only."""
    try:
        return work()
    except Exception as error:  # noqa: BLE001 - given at the end of the sweep, with all others
        errors.append(error)
        return 0


def _restart_watch(watch_id: str, runs: "Runs", failed: list[str]) -> int:
    """Starts a new execution of a watch, unless its own still runs. Returns 1 if it did, else 0.

    One whose execution failed, unheard or not, is also noted in `failed`.
    """
    now = runs.clock.now()
    try:
        watch = runs.ledger.tasks.watch(watch_id)
    except Erased:
        return 0
    if watch.told:  # it has ended meanwhile: the index is updated later than the table
        return 0
    if watch.event_id is not None:
        try:
            runs.ledger.tasks.event(watch.id, watch.event_id)
        except NotFound:  # nobody can be told of it any more
            runs.ledger.tasks.note_told(watch)
            return 0
    state = runs.machines.state_of_watch(watch.execution)
    running = state == "RUNNING"
    if state == "FAILED":
        failed.append(watch.id)
    execution = watch.execution if running else f"{watch.id}-{int(now)}"
    if not running:
        runs.machines.start_watch(execution, watch.id, pause=1, create=watch.uncreated)
    runs.ledger.tasks.note_execution(watch, execution, now)
    return not running


def _drain_all(runs: "Runs", until: float, errors: list[Exception]) -> int:
    """Starts the held deliveries of active subscribers, whatever held them. Returns how many."""
    ledger, drained = runs.ledger, 0
    _guarded(partial(_index_held, runs, until), errors)
    for subscriber, since in ledger.subscribers.holding():
        if runs.clock.now() >= until:
            break
        if not subscriber.active:
            continue
        if next(ledger.deliveries.held(subscriber.id), None) is None:
            ledger.subscribers.forget_holding(subscriber, since, runs.clock.now())
        else:
            drain = partial(runs.drain, subscriber.id, MOST_DRAINED, until=until, errors=errors)
            drained += _guarded(drain, errors)
    return drained


def _index_held(runs: "Runs", until: float) -> int:
    """Makes held deliveries of earlier versions findable. Returns how many pages of the ledger it looked through."""
    pages = 0
    while runs.clock.now() < until and runs.ledger.deliveries.index_held():
        pages += 1
    return pages


def _clean_up(runs: "Runs", secrets: "Secrets", until: float, errors: list[Exception]) -> int:
    """Removes what is left of subscribers that were removed or moved. Returns how many deliveries it cancelled."""
    unmoved = (each for each in runs.ledger.subscribers.all() if each.secret_name is not None)
    runs.at_once((partial(_moved, each, runs=runs, secrets=secrets) for each in unmoved), errors, until)
    cancelled = 0
    for subscriber_id, secret_name, begun_at in runs.ledger.subscribers.unfinished(runs.clock.now()):
        if runs.clock.now() >= until:
            break
        finish = partial(_finish, subscriber_id, secret_name, begun_at, runs=runs, secrets=secrets)
        cancelled += _guarded(finish, errors)
    return cancelled


def _moved(subscriber: "Subscriber", *, runs: "Runs", secrets: "Secrets") -> int:
    """Moves a subscriber's secrets from Secrets Manager, where earlier versions had them, into the ledger."""
    with suppress(LostRace, NotFound):  # they were changed, which moves them too; or their deliveries say what is wrong
        put_credentials(subscriber, secrets.credentials(subscriber), ledger=runs.ledger, secrets=secrets)
    return 1


def _finish(subscriber_id: str, secret_name: str | None, begun_at: float, *, runs: "Runs", secrets: "Secrets") -> int:
    ledger, cancelled = runs.ledger, 0
    try:
        used = ledger.subscribers.get(subscriber_id).secret_name
    except NotFound:
        used, cancelled = None, cancel_held(subscriber_id, ledger, MOST)
    if secret_name is not None and secret_name != used:
        secrets.delete_unmoved(secret_name)
    if cancelled < MOST:
        ledger.subscribers.end_removal(subscriber_id, begun_at)
    return cancelled
