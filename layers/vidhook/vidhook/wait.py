"""Waits until a task has ended, for those who cannot receive a webhook."""

from time import monotonic, sleep
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from vidhook.edges.ledger import Ledger

# The pauses between two looks: most who ask do so shortly before the end, and each look costs half a read unit or more.
FIRST_SECONDS, LONGEST_SECONDS, GROWTH = 0.25, 2.0, 1.5


def wait_for_end(watch_id: str, seconds: float, *, ledger: "Ledger", places: int | None = None) -> bool:
    """Waits until a task has its event, for at most so many seconds. Returns False if it did not wait.

    `places`: how many may wait at the same time in the whole stack, since each keeps a function at work. Raises
    NotFound.
    """
    ends, pause = monotonic() + seconds, FIRST_SECONDS
    if seconds <= 0 or ledger.tasks.has_ended(watch_id):
        return True
    place = ledger.tasks.take_place(places, seconds) if places is not None else None
    if places is not None and place is None:
        return False
    try:
        while (left := ends - monotonic()) > 0:
            sleep(min(pause, left))
            if ledger.tasks.has_ended(watch_id):
                break
            pause = min(pause * GROWTH, LONGEST_SECONDS)
    finally:
        if place is not None:
            ledger.tasks.leave_place(place)
    return True
