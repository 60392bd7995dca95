"""`vidhook pace` shows what was learned of how long a provider's tasks take, and the polls that follow from it."""

import math
from collections.abc import Mapping
from typing import Any

import click

from vidhook.errors import NotFound
from vidhook.learned import learned
from vidhook.pace import EDGES, Pace
from vidhook_cli.show import as_json_option, lines, say, tell, wants_json, yes_option
from vidhook_cli.stack import asks_nothing, confirm, known_provider, stack

ROWS = 12
WIDTH = 40
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
    known_provider(provider, edges.ledger)
    which = f"{provider} {model or ''}".rstrip()
    chosen = {kind: own for kind, own in edges.ledger.paces.kinds(provider).items() if model in (None, kind[0])}
    if not chosen:
        raise NotFound(f"nothing is learned yet of {which}; it is once a task has ended")
    if reset:
        confirm(f"forget how long tasks of {which} take", yes)
        forgotten = edges.ledger.paces.forget(provider, model)
        tell({"provider": provider, "forgotten": forgotten}, f"kinds of task forgotten: {forgotten}", as_json)
        return
    for row in learned(provider, chosen, ledger=edges.ledger, pacer=edges.pacer, clock=edges.clock):
        if wants_json(as_json):
            lines([row])
        else:
            say(picture(row, chosen[row["model"], row["object"]]), " " * 4)


def picture(row: Mapping[str, Any], own: Pace) -> str:
    """Returns the facts as text, with a bar for each range of durations."""
    saved = row["polls_of_a_fixed_interval"] - row["polls"]
    quantiles = ", ".join(f"{share} within {seconds} s" for share, seconds in row["seconds"].items())
    text = [
        f"{click.style(row['model'] or '(no model)', bold=True)} ({row['object']}): tasks: {row['tasks']}; {quantiles}",
        *_bars(own.durations),
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


def _range(low: int, high: int) -> str:
    return f"{EDGES[low]:,.0f} to {EDGES[high]:,.0f} s" if low else f"to {EDGES[high]:,.0f} s"


def _bar(length: float) -> str:
    whole, part = divmod(round(8 * length), 8)
    return BLOCKS[-1] * whole + BLOCKS[part]
