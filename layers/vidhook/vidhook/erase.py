"""Erases a task: removes all that is stored of it, and leaves only that it was erased."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

from vidhook.times import iso

if TYPE_CHECKING:
    from vidhook.edges.bucket import Bucket
    from vidhook.edges.bus import Bus
    from vidhook.edges.ledger import Ledger
    from vidhook.edges.machines import Machines
    from vidhook.task import Erasure
    from vidhook.times import Clock


# A function lives for 15 minutes at most: what began before an erasure is over by then.
OVER_SECONDS = 3_600.0


@dataclass(frozen=True, slots=True)
class Eraser:
    """Erases tasks, with these edges."""

    ledger: "Ledger"
    machines: "Machines"
    bucket: "Bucket"
    bus: "Bus"
    clock: "Clock"

    def erase(self, watch_id: str) -> None:
        """Removes what is left of a task whose erasure was begun. It may be repeated after each step.

        What was under way when it began may still write something; the sweeper looks for that once more, when all of it
        has ended. Raises NotFound, and Erased if nothing is left.
        """
        self._remove(self.ledger.tasks.erasure(watch_id))

    def sweep(self, left: "Erasure") -> int:
        """Goes on with an erasure, and ends it when nothing of before can be under way any more. Returns 1."""
        self._remove(left)
        if left.at < self.clock.now() - OVER_SECONDS:
            self.ledger.tasks.end_erasure(left)
        return 1

    def _remove(self, left: "Erasure") -> None:
        self.machines.stop_watch(left.execution)
        for token in self.ledger.tasks.tokens(left.watch_id):
            self.machines.answer_erased(token)
        self.bucket.remove_all(f"{left.provider}/{left.watch_id}/")
        self.ledger.tasks.forget(left)
        if not left.told:
            self.bus.report("task.erased", {"id": left.watch_id, "erased_at": iso(left.at)}, self.clock.now())
            self.ledger.tasks.note_erased(left)
