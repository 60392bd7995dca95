"""Mends what a crash between two writes left standing: whatever should have moved by now is moved on."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar

from vidhook.redeliver import start_run
from vidhook.subscribers import drain

if TYPE_CHECKING:
    from vidhook.edges.ledger import Ledger
    from vidhook.edges.machines import Machines
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


def sweep(*, ledger: "Ledger", machines: "Machines", watch_arn: str, redeliver_arn: str, now: float) -> Swept:
    """Restarts watches that were claimed and never started or lost their execution, and stranded deliveries.

    A watch whose execution still runs is only slow and is left alone. The restarted execution asks once, so a watch
    past its deadline is told at once. Repeating a sweep is harmless. What cannot be moved on holds up nothing else: it
    is raised at the end, all of it.
    """
    terms: Any = {"ledger": ledger, "machines": machines, "redeliver_arn": redeliver_arn, "now": now}
    troubles: list[Exception] = []

    def moved(things: Iterable[Thing], move: Callable[[Thing], int]) -> int:
        count = 0
        for thing in things:
            try:
                count += move(thing)
            except Exception as trouble:
                troubles.append(trouble)
        return count

    def watch(watch_id: str) -> int:
        known = ledger.watch(watch_id)
        if known.event_id is not None:  # told meanwhile; the index lags behind the table
            return 0
        execution, running = known.execution, machines.is_running(watch_arn, known.execution)
        if not running:
            execution = f"{known.id}-{int(now)}"
            machines.start(watch_arn, execution, {"watch": known.id, "pause": 1})
        ledger.note_execution(known, execution, now)
        return not running

    def delivery(overdue: "Delivery") -> int:
        start_run(overdue, pause=1, afresh=False, **terms)
        return 1

    def held(subscriber_id: str) -> int:
        return drain(subscriber_id, MOST_DRAINED, **terms)

    swept = Swept(
        moved(ledger.overdue_watches(now, MOST), watch),
        moved(ledger.overdue_deliveries(now, MOST), delivery),
        moved((each.id for each in ledger.subscribers() if each.active and each.draining), held),
    )
    if troubles:
        raise ExceptionGroup("some could not be moved on", troubles)
    return swept
