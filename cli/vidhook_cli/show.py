"""Shows facts: as tables and sentences for a person, or as one JSON line each for a program."""

import json
import math
import re
import sys
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

import click
from rich.console import Console
from rich.table import Table

from vidhook.errors import NotFound
from vidhook.task import is_id
from vidhook.texts import shown

# Columns that may take several lines on a narrow terminal.
FOLDED = ("task", "subscriber", "url", "detail", "events", "what")

as_json_option = click.option(
    "--json", "as_json", is_flag=True, help="One JSON line each; the default when the output is not a terminal."
)


def subscriber_id(_: click.Context, __: click.Parameter, given: str | None) -> str | None:
    """Returns an ID as it was given, for click. Raises NotFound for one that no subscriber can have."""
    if given is not None and not is_id(given, "sub", "cb"):
        raise NotFound(f'there is no subscriber "{shown(given, 80)}"; `vidhook subscribers list` shows all')
    return given


def provider_name(_: click.Context, __: click.Parameter, given: str) -> str:
    """Returns a provider's name as it was given, for click. Raises NotFound for one that no provider can have."""
    if not re.fullmatch(r"[a-z0-9][a-z0-9_-]{0,63}", given):
        raise NotFound(f'there is no provider "{shown(given, 80)}"; `vidhook providers list` shows them')
    return given


def wants_json(as_json: bool) -> bool:
    """Returns whether to print JSON: if asked for, or if the output is not a terminal."""
    return as_json or not sys.stdout.isatty()


def lines(rows: Iterable[Mapping[str, Any]]) -> None:
    """Prints one JSON line for each row."""
    for row in rows:
        click.echo(json.dumps(row, ensure_ascii=False, default=str))


def table(rows: Sequence[Mapping[str, Any]], columns: Sequence[str], *, nothing: str) -> None:
    """Prints rows as a table of these columns, or `nothing` when there are none."""
    if not rows:
        click.echo(nothing)
        return
    drawn = Table(box=None, header_style="bold", pad_edge=False)
    for column in columns:
        drawn.add_column(column.replace("_", " "), overflow="fold", no_wrap=column not in FOLDED)
    for row in rows:
        drawn.add_row(*(_cell(row.get(column)) for column in columns))
    Console().print(drawn)


def _cell(value: Any) -> str:
    if isinstance(value, list):
        return ", ".join(map(str, value))
    return "" if value is None else str(value)


def instant(text: str, now: float) -> float:
    """Returns unix seconds from `2026-04-27T11:20:12Z`, or from an age such as `90m`, `36h` or `5d`."""
    units = {"s": 1, "m": 60, "h": 3_600, "d": 86_400}
    if re.fullmatch(r"[0-9]{1,9}[smhd]", text):
        return now - int(text[:-1]) * units[text[-1]]
    try:
        parsed = datetime.fromisoformat(text)
        return (parsed if parsed.tzinfo else parsed.replace(tzinfo=UTC)).timestamp()
    except (ValueError, OverflowError):
        short = shown(text, 80)
        raise click.BadParameter(f'"{short}" is neither an instant (2026-04-27T11:20:12Z) nor an age (36h)') from None


class Amount(click.FloatRange):
    """A number within its bounds; `nan` is none."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Returns the number, for click."""
        amount = super().convert(value, param, ctx)
        if math.isnan(amount):
            self.fail(f"{value!r} is not a number", param, ctx)
        return amount
