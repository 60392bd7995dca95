"""Sweeps the ledger: starts again what should have moved and did not, for example after a crash between two writes."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from vidhook.runs import Runs
    from vidhook.task import Delivery

Item = TypeVar("Item")

# The most that one sweep starts; the next sweep goes on.
MOST = 200
MOST_DRAINED = 3_000  # held deliveries of one subscriber


@dataclass(frozen=True, slots=True)
class Swept:
    """How many watches and deliveries were started again, and how many held deliveries were drained."""

    watches: int = 0
    deliveries: int = 0
    drained: int = 0


def sweep(runs: "Runs") -> Swept:
    """Starts again overdue watches without a running execution, overdue deliveries and unfinished drains.

    A watch whose execution still runs is only slow and is left alone. The new execution polls once, so a watch past
    its deadline ends immediately. The sweep is idempotent. An error does not stop it: all errors are raised at the end,
    as an ExceptionGroup.
    """
    ledger, now = runs.ledger, runs.clock.now()
    errors: list[Exception] = []
    draining = (each.id for each in ledger.subscribers() if each.active and each.draining)
    swept = Swept(
        _restart(ledger.overdue_watches(now, MOST), lambda watch_id: _restart_watch(watch_id, runs), errors),
        _restart(ledger.overdue_deliveries(now, MOST), lambda delivery: _restart_delivery(delivery, runs), errors),
        _restart(draining, lambda subscriber_id: runs.drain(subscriber_id, MOST_DRAINED), errors),
    )
    if errors:
        raise ExceptionGroup("some could not be restarted", errors)
    return swept


def _restart(items: Iterable[Item], restart: Callable[[Item], int], errors: list[Exception]) -> int:
    count = 0
    for item in items:
        try:
            count += restart(item)
        except Exception as error:  # noqa: BLE001 - raised at the end of the sweep, with all others
            errors.append(error)
    return count


def _restart_watch(watch_id: str, runs: "Runs") -> int:
    """Starts a new execution of a watch, unless its own still runs. Returns 1 if it did, else 0."""
    watch, now = runs.ledger.watch(watch_id), runs.clock.now()
    if watch.event_id is not None:  # it has ended meanwhile: the index is updated later than the table
        return 0
    running = runs.machines.watch_is_running(watch.execution)
    execution = watch.execution if running else f"{watch.id}-{int(now)}"
    if not running:
        runs.machines.start_watch(execution, watch.id, pause=1)
    runs.ledger.note_execution(watch, execution, now)
    return not running


def _restart_delivery(delivery: "Delivery", runs: "Runs") -> int:
    runs.start(delivery)
    return 1
