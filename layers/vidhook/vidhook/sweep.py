"""Mends what a crash between two writes left standing: whatever should have moved by now is moved on."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

from vidhook.redeliver import start_run
from vidhook.subscribers import drain

if TYPE_CHECKING:
    from vidhook.edges.ledger import Ledger
    from vidhook.edges.machines import Machines

MOST = 200  # a sweep; the next one goes on


@dataclass(frozen=True, slots=True)
class Swept:
    """How many watches and deliveries were started anew, and how many held ones were drained."""

    watches: int = 0
    deliveries: int = 0
    drained: int = 0


def sweep(*, ledger: "Ledger", machines: "Machines", watch_arn: str, redeliver_arn: str, now: float) -> Swept:
    """Restarts watches that were claimed and never started or lost their execution, and stranded deliveries.

    A watch whose execution still runs is only slow and is left alone. The restarted execution asks once, so a watch
    past its deadline is told at once. Repeating a sweep is harmless.
    """
    watches = 0
    for watch_id in ledger.overdue_watches(now, MOST):
        watch = ledger.watch(watch_id)
        execution = watch.execution
        if not machines.is_running(watch_arn, execution):
            execution = f"{watch.id}-{int(now)}"
            machines.start(watch_arn, execution, {"watch": watch.id, "pause": 1})
            watches += 1
        ledger.note_execution(watch, execution, now)
    deliveries = 0
    for delivery in ledger.overdue_deliveries(now, MOST):
        start_run(
            delivery, pause=1, afresh=False, ledger=ledger, machines=machines, redeliver_arn=redeliver_arn, now=now
        )
        deliveries += 1
    drained = sum(
        drain(each.id, ledger=ledger, machines=machines, redeliver_arn=redeliver_arn, now=now)
        for each in ledger.subscribers()
        if each.active and each.draining
    )
    return Swept(watches, deliveries, drained)
