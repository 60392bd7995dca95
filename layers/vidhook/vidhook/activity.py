"""Tells what goes on at each provider: tasks that run, how long they take, and what goes wrong."""

import math
from collections import Counter
from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING, Any

from vidhook.pace import quantile
from vidhook.task import TASK_CREATED, Poll, Status, Watch
from vidhook.times import iso

if TYPE_CHECKING:
    from collections.abc import Sequence

    from vidhook.edges.ledger import Ledger
    from vidhook.pace import Pace
    from vidhook.times import Clock

RECENT_SECONDS = 3_600.0
# So many open tasks are looked at, those that are polled next, and so many of the newest.
MOST_OPEN, MOST_NEW = 1_000, 200
SHARES = (50, 90)
KEY_REFUSED = "key_refused"
WELL = {*map(str, Status), TASK_CREATED}
# With these the provider has read a request of ours, so it took the key.
KEY_TAKEN = WELL | {"unconfirmed"}


@dataclass(frozen=True, slots=True)
class Activity:
    """What goes on, by provider. looked_at: the number of tasks; `all`: there is no other."""

    items: list[dict[str, Any]]
    looked_at: int
    all: bool


def activity(*, ledger: "Ledger", clock: "Clock") -> Activity:
    """Returns what goes on at each provider that has open tasks, or such as ended in the last hour."""
    now = clock.now()
    since = now - RECENT_SECONDS
    opened, newest = ledger.tasks.open(MOST_OPEN), list(islice(ledger.tasks.all(), MOST_NEW))
    seen = {each.id: each for each in (*newest, *opened)}
    every = len(opened) < MOST_OPEN and len(newest) < MOST_NEW
    by_provider = dict[str, list[Watch]]()
    for each in seen.values():
        if each.event_id is None or _ended_at(each) >= since:
            by_provider.setdefault(each.submission.provider, []).append(each)
    items = [
        _of_provider(name, watches, ledger.paces.of(name, None, now)[1], since)
        for name, watches in sorted(by_provider.items())
    ]
    return Activity(items, len(seen), every)


def _of_provider(name: str, watches: "Sequence[Watch]", pace: "Pace", since: float) -> dict[str, Any]:
    running = sum(each.event_id is None for each in watches)
    took = sorted(each.detected_at - each.born_at for each in watches if each.detected_at and each.event_id is not None)
    polls = sorted((poll for each in watches for poll in each.history), key=lambda poll: poll.at)
    durations = pace.durations
    return {
        "provider": name,
        "running": running,
        "recent": len(watches) - running,
        "tasks": pace.tasks,
        "recent_seconds": {f"p{share}": round(_within(took, share)) if took else None for share in SHARES},
        "seconds": {f"p{share}": round(quantile(durations, share / 100)) if durations else None for share in SHARES},
        "polls_a_task": round(pace.polls / pace.tasks, 1) if pace.tasks else None,
        "errors": dict(Counter(poll.answer for poll in polls if poll.at >= since and poll.answer not in WELL)),
        "key_refused_since": iso(_key_refused_since(polls)),
    }


def _within(took: "Sequence[float]", share: int) -> float:
    """Returns the time within which this share of tasks ended, in percent; `took` is sorted."""
    return took[math.ceil(len(took) * share / 100) - 1]


def _key_refused_since(polls: "Sequence[Poll]") -> float | None:
    """Returns when the key was refused first since it was taken last; None if it was taken at last, or never tried."""
    since: float | None = None
    for poll in polls:
        if poll.answer in KEY_TAKEN:
            since = None
        elif poll.answer == KEY_REFUSED and since is None:
            since = poll.at
    return since


def _ended_at(watch: Watch) -> float:
    """Returns when a task ended; of one that was given up without a last poll, when something was last heard of it."""
    return watch.detected_at or (watch.history[-1].at if watch.history else watch.submitted_at)
