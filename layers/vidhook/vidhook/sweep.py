"""The sweep: restarts what a crash between two writes left standing, so that nothing stays stuck."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from vidhook.runs import Runs
    from vidhook.task import Delivery

Thing = TypeVar("Thing")

# A sweep; the next one goes on.
MOST = 200
MOST_DRAINED = 3_000  # of one subscriber


@dataclass(frozen=True, slots=True)
class Swept:
    """How many watches and deliveries were started anew, and how many held ones were drained."""

    watches: int = 0
    deliveries: int = 0
    drained: int = 0


def sweep(runs: "Runs") -> Swept:
    """Restarts watches that were claimed and never started or lost their execution, and stranded deliveries.

    A watch whose execution still runs is only slow and is left alone. The restarted execution asks once, so a watch
    past its deadline ends at once. A sweep is idempotent. What cannot be restarted holds up nothing else: all of it is
    raised at the end, as an ExceptionGroup.
    """
    ledger, now = runs.ledger, runs.clock.now()
    troubles: list[Exception] = []
    draining = (each.id for each in ledger.subscribers() if each.active and each.draining)
    swept = Swept(
        _each(ledger.overdue_watches(now, MOST), lambda watch_id: _restart_watch(watch_id, runs), troubles),
        _each(ledger.overdue_deliveries(now, MOST), lambda delivery: _restart_delivery(delivery, runs), troubles),
        _each(draining, lambda subscriber_id: runs.drain(subscriber_id, MOST_DRAINED), troubles),
    )
    if troubles:
        raise ExceptionGroup("some could not be restarted", troubles)
    return swept


def _each(things: Iterable[Thing], restart: Callable[[Thing], int], troubles: list[Exception]) -> int:
    count = 0
    for thing in things:
        try:
            count += restart(thing)
        except Exception as trouble:  # noqa: BLE001 - raised at the end of the sweep, with all others
            troubles.append(trouble)
    return count


def _restart_watch(watch_id: str, runs: "Runs") -> int:
    """Gives a watch a new execution, unless its own still runs; 1 when it did."""
    watch, now = runs.ledger.watch(watch_id), runs.clock.now()
    if watch.event_id is not None:  # it ended meanwhile; the index lags behind the table
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
