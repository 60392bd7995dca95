"""`vidhook pace` shows what was learned of how long a provider's tasks take, and the polls that follow from it."""

import math
from collections.abc import Mapping
from typing import Any

import click

from vidhook.errors import NotFound
from vidhook.pace import EDGES, Kind, Pace
from vidhook.schedule import Known, next_pause
from vidhook_cli.show import as_json_option, lines, say, tell, wants_json, yes_option
from vidhook_cli.stack import asks_nothing, confirm, known_provider, stack

SHARES = (0.1, 0.5, 0.9, 0.99)
ROWS = 12
WIDTH = 40
POLLS = 5
BLOCKS = " ▏▎▍▌▋▊▉█"


@click.command()
@click.argument("provider")
@click.option("--model", help="Only tasks of this model.")
@click.option("--reset", is_flag=True, help="Forget what was learned, for example when a provider became much faster.")
@yes_option
@as_json_option
def pace(provider: str, model: str | None, reset: bool, yes: bool, as_json: bool) -> None:
    """Shows how long tasks of PROVIDER take, as learned so far, and when the next ones will be polled."""
    if not reset:
        asks_nothing("pace without --reset", yes)
    edges = stack().edges
    expected = known_provider(provider, edges.ledger).expected_seconds
    known = edges.ledger.kinds(provider)
    chosen = {kind: each for kind, each in known.items() if model in (None, kind[0])}
    if not chosen:
        raise NotFound(f"nothing is learned yet of {provider} {model or ''}".rstrip() + "; it is once a task has ended")
    if reset:
        confirm(f"forget how long tasks of {provider} {model or ''}".rstrip() + " take", yes)
        forgotten = edges.ledger.forget_pace(provider, model)
        tell({"provider": provider, "forgotten": forgotten}, f"kinds of task forgotten: {forgotten}", as_json)
        return
    _, others = edges.ledger.paces(provider, None, edges.clock.now())
    budget = edges.pacer.budget_of(provider)
    planned = list(edges.ledger.planned_days(provider, edges.clock.now()).values())
    limits = {
        "polls_per_minute": budget.per_minute,
        "polls_per_day": budget.per_day,
        "polls_planned_today": planned[0].polls if planned else 0,
    }
    for kind, own in sorted(chosen.items()):
        row = facts(kind, own, polls_of_next(own, others, expected, edges.pacer.factor)) | limits
        if wants_json(as_json):
            lines([row])
        else:
            say(picture(row, own), " " * 4)


def facts(kind: Kind, own: Pace, polls: list[int]) -> dict[str, Any]:
    """Returns what was learned of one kind of task, as plain JSON; seconds."""
    delay, durations = own.delay / own.tasks, _durations(own)
    return {
        "model": kind[0],
        "object": kind[1],
        "tasks": own.tasks,
        "seconds": {f"{share:.0%}": round(_quantile(durations, share)) for share in SHARES},
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
    }


def polls_of_next(own: Pace, others: Pace, expected: float | None, factor: float) -> list[int]:
    """Returns the ages of the first polls of a task of which nothing is told."""
    ages = [0]
    for _ in range(POLLS):
        known = Known(ages[-1], math.inf, expected=expected, pace=own, others=others, factor=factor)
        ages.append(ages[-1] + next_pause(known, jitter=0.5).seconds)
    return ages[1:]


def picture(row: Mapping[str, Any], own: Pace) -> str:
    """Returns the facts as text, with a bar for each range of durations."""
    saved = row["polls_of_a_fixed_interval"] - row["polls"]
    quantiles = ", ".join(f"{share} within {seconds} s" for share, seconds in row["seconds"].items())
    text = [
        f"{click.style(row['model'] or '(no model)', bold=True)} ({row['object']}): tasks: {row['tasks']}; {quantiles}",
        *_bars(_durations(own)),
        f"  {row['polls_a_task']} polls a task, told {row['mean_delay']} s after the end; a fixed interval with this"
        f" delay takes {row['polls_of_a_fixed_interval']} polls, {abs(saved)} {'more' if saved >= 0 else 'fewer'}",
        f"  the next task is polled at {', '.join(map(str, row['next_task_polled_at']))} s, if nothing is told of it",
    ]
    if row["polls_per_day"] is not None:
        text.append(f"  {row['polls_planned_today']} of {row['polls_per_day']} polls of today are planned (all models)")
    for name, hint in row["hints"].items():
        text.append(f"  {name} is {math.expm1(hint['off_by']):+.0%} off, give or take {math.expm1(hint['spread']):.0%}")
    return "\n".join(text) + "\n"


def _bars(durations: Mapping[int, float]) -> list[str]:
    first, last = min(durations), max(durations)
    step = math.ceil((last + 1 - first) / ROWS)
    sums = [
        (low, sum(durations.get(bucket, 0.0) for bucket in range(low, low + step)))
        for low in range(first, last + 1, step)
    ]
    most = max(weight for _, weight in sums)
    return [f"  {_range(low, low + step):>16}  {_bar(WIDTH * weight / most)}".rstrip() for low, weight in sums]


def _durations(own: Pace) -> dict[int, float]:
    both = {*own.completed, *own.failed}
    return {bucket: own.completed.get(bucket, 0.0) + own.failed.get(bucket, 0.0) for bucket in both}


def _range(low: int, high: int) -> str:
    return f"{EDGES[low]:,.0f} to {EDGES[high]:,.0f} s" if low else f"to {EDGES[high]:,.0f} s"


def _bar(length: float) -> str:
    whole, part = divmod(round(8 * length), 8)
    return BLOCKS[-1] * whole + BLOCKS[part]


def _quantile(durations: Mapping[int, float], share: float) -> float:
    wanted = share * sum(durations.values())
    passed = 0.0
    for bucket in sorted(durations):
        passed += durations[bucket]
        if passed >= wanted:
            break
    return EDGES[bucket + 1]
