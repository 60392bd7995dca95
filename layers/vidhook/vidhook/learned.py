"""What was learned of how long a provider's tasks take, and the polls that follow from it, in plain figures."""

import math
from typing import TYPE_CHECKING, Any

from vidhook.pace import EDGES, Kind, Pace, quantile
from vidhook.schedule import Known, next_pause

if TYPE_CHECKING:
    from collections.abc import Mapping

    from vidhook.edges.ledger import Ledger
    from vidhook.pacing import Pacer
    from vidhook.times import Clock

SHARES = (0.1, 0.5, 0.9, 0.99)
POLLS = 5


def learned(
    provider: str, kinds: "Mapping[Kind, Pace]", *, ledger: "Ledger", pacer: "Pacer", clock: "Clock"
) -> list[dict[str, Any]]:
    """Returns the facts of some kinds of task of a provider, each with the limits of its key. Raises NotFound."""
    expected, now = ledger.providers.get(provider).expected_seconds, clock.now()
    _, others = ledger.paces.of(provider, None, now)
    budget = pacer.budget_of(provider)
    planned = list(ledger.paces.planned_days(provider, now).values())
    limits = {
        "polls_per_minute": budget.per_minute,
        "polls_per_day": budget.per_day,
        "polls_planned_today": planned[0].polls if planned else 0,
    }
    return [
        facts(kind, own, polls_of_next(own, others, expected, pacer.factor)) | limits
        for kind, own in sorted(kinds.items())
    ]


def facts(kind: Kind, own: Pace, polls: list[int]) -> dict[str, Any]:
    """Returns what was learned of one kind of task, as plain JSON; seconds. `polls`: when its next task is polled.

    durations: what share of its tasks, less for those long ago, took from so many seconds to so many.
    """
    delay, durations = own.delay / own.tasks, own.durations
    whole = sum(durations.values())
    return {
        "model": kind[0],
        "object": kind[1],
        "tasks": own.tasks,
        "seconds": {f"{share:.0%}": round(quantile(durations, share)) for share in SHARES},
        "polls_a_task": round(own.polls / own.tasks, 1),
        "mean_delay": round(delay, 1),
        "polls_of_a_fixed_interval": round(own.tasks * (own.seconds / own.tasks / max(1.0, 2 * delay) + 0.5)),
        "polls": own.polls,
        "next_task_polled_at": polls,
        "hints": {
            name: {"off_by": round(bias.mean, 3), "spread": round(math.sqrt(bias.squares / bias.weight), 3)}
            for name, bias in sorted(own.biases.items())
            if bias.weight  # else each hint so far was far from all others, and nothing is known of this kind
        },
        "durations": [
            {
                "from": round(EDGES[bucket], 2) if bucket else 0,
                "to": round(EDGES[bucket + 1], 2),
                "weight": round(durations[bucket] / whole, 4),
            }
            for bucket in sorted(durations)
        ],
    }


def polls_of_next(own: Pace, others: Pace, expected: float | None, factor: float) -> list[int]:
    """Returns the ages of the first polls of a task of which nothing is told."""
    ages = [0]
    for _ in range(POLLS):
        known = Known(ages[-1], math.inf, expected=expected, pace=own, others=others, factor=factor)
        ages.append(ages[-1] + next_pause(known, jitter=0.5).seconds)
    return ages[1:]
