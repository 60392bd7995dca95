"""Shows facts: as tables and sentences for a person, or as one JSON line each for a program."""

import json
import math
import re
import shutil
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import UTC, datetime
from difflib import get_close_matches
from pathlib import Path
from typing import Any, TypeVar

import click

from vidhook.errors import NotFound
from vidhook.texts import shown

F = TypeVar("F", bound=Callable[..., Any])

# A column of sentences, always the last one: its lines are broken between words.
SENTENCES = "detail"
MOST = 1_000_000_000  # rows that somebody may ask for
NARROWEST = 20  # the least room for that column beside the others
ROOM = 30  # with less of it, only the first line of such a sentence is in its column
# What is copied as one: a word, and a command in backticks.
WORD = re.compile(r"(\s*)((?:[^\s`]|`[^`]*`|`)+)")
PROVIDER = re.compile(r"[a-z0-9][a-z0-9_-]{0,63}")
# Control characters, ends of lines that only some programs know, half surrogate pairs, and marks that turn the order of
# writing (https://www.unicode.org/reports/tr9/#Directional_Formatting_Characters).
MOVES = re.compile("[\x00-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")
UNITS = ((86_400, "d"), (3_600, "h"), (60, "min"), (1, "s"))

as_json_option = click.option(
    "--json", "as_json", is_flag=True, help="One JSON line each; the default when the output is not a terminal."
)

yes_option = click.option("--yes", is_flag=True, help="Do not ask; needed when nobody can answer.")


def provider_name(_: click.Context, __: click.Parameter, given: str) -> str:
    """Returns a provider's name as it was given, for click. Raises NotFound for one that no provider can have."""
    if not PROVIDER.fullmatch(given):
        raise NotFound(f'there is no provider "{shown(given, 80)}"; `vidhook providers list` shows them')
    return given


def wants_json(as_json: bool) -> bool:
    """Returns whether to print JSON: if asked for, or if the output is not a terminal."""
    return as_json or sys.stdout is None or not sys.stdout.isatty()


def lines(rows: Iterable[Mapping[str, Any]]) -> None:
    """Prints one JSON line for each row."""
    for row in rows:
        click.echo(one_line(json.dumps(row, ensure_ascii=False, default=str)))


def tell(row: Mapping[str, Any], sentence: str, as_json: bool) -> None:
    """Prints what a command did: as a sentence, or as one JSON line for a program."""
    if wants_json(as_json):
        lines([row])
    else:
        say(sentence)


def say(text: str, indent: str = "") -> None:
    """Prints text with its lines broken between words where the terminal ends; what follows a break is indented.

    Ids, URLs and commands in backticks are never broken, so that they can be copied.
    """
    width = shutil.get_terminal_size().columns
    for line in text.split("\n"):
        parts = [""]
        for gap, word in WORD.findall(line):
            taken, needed = (len(click.unstyle(each)) for each in (parts[-1] + gap, word))
            if taken + needed > width and taken > len(indent):
                parts.append(indent + word)
            else:
                parts[-1] += gap + word
        click.echo("\n".join(parts))


def table(rows: Sequence[Mapping[str, Any]], columns: Sequence[str], *, nothing: str) -> None:
    """Prints rows as a table of these columns, or `nothing` when there are none.

    No value is cut or broken, so that it can be copied: where the terminal is too narrow, each row takes a few lines.
    """
    if not rows:
        click.echo(nothing)
        return
    names = [column.replace("_", " ") for column in columns]
    cells = [[_cell(row.get(column)) for column in columns] for row in rows]
    widths = [max(len(name), *(len(row[place]) for row in cells)) for place, name in enumerate(names)]
    if columns[-1] == SENTENCES:
        widths[-1] = max(len(names[-1]), min(NARROWEST, max(len(row[-1]) for row in cells)))
    if sum(widths) + 2 * (len(widths) - 1) <= shutil.get_terminal_size().columns:
        head = [
            click.style(name, bold=True) + " " * (width - len(name)) for name, width in zip(names, widths, strict=True)
        ]
        before = sum(width + 2 for width in widths[:-1])
        indent = " " * (before if shutil.get_terminal_size().columns - before >= ROOM else widths[0] + 2)
        for row in (head, *cells):
            say("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip(), indent)
        return
    label = max(map(len, names[1:]))
    for first, *others in cells:
        click.echo(click.style(first, bold=True))
        for name, cell in zip(names[1:], others, strict=True):
            if cell:
                say(f"  {name.ljust(label)}  {cell}", " " * (label + 4))


def _cell(value: Any) -> str:
    """Returns a value as people read it; what others wrote cannot move the terminal's cursor."""
    if isinstance(value, list):
        return ", ".join(map(_cell, value))
    if isinstance(value, dict):
        return one_line(json.dumps(value, ensure_ascii=False))
    return "" if value is None else one_line(str(value))


def one_line(text: str) -> str:
    """Returns a text of others with what moves a terminal's cursor, or turns its lines, written as in JSON."""
    return MOVES.sub(lambda found: f"\\u{ord(found[0]):04x}", text)


def nearest(given: str, known: Iterable[str]) -> str:
    """Returns `; did you mean "alad"?` for what is most like a misspelled name, or nothing."""
    written = {each.casefold(): each for each in known}
    near = get_close_matches(given.casefold(), written, n=1)
    return f'; did you mean "{shown(written[near[0]], 80)}"?' if near else ""


def span(seconds: float) -> str:
    """Returns a time in its two largest units, such as `45 s` or `1 d 4 h`."""
    rest, parts = math.ceil(seconds), []
    for unit, name in UNITS:
        amount, rest = divmod(rest, unit)
        if amount:
            parts.append(f"{amount} {name}")
        if len(parts) == 2 or (parts and not amount):
            break
    return " ".join(parts) or "0 s"


def facts(row: Mapping[str, Any]) -> None:
    """Prints the values of one row that are not empty, a line each."""
    label = max(map(len, row))
    for name, value in row.items():
        if value not in (None, "", [], {}):
            say(f"{name.replace('_', ' ').ljust(label)}  {_cell(value)}", " " * (label + 2))


def instant(text: str, now: float, option: str = "--since") -> float:
    """Returns unix seconds from `2026-04-27T11:20:12Z`, or from an age such as `90m`, `36h` or `5d`."""
    units = {"s": 1, "m": 60, "h": 3_600, "d": 86_400}
    if re.fullmatch(r"[0-9]{1,9}[smhd]", text):
        return now - int(text[:-1]) * units[text[-1]]
    try:
        parsed = datetime.fromisoformat(text)
        return (parsed if parsed.tzinfo else parsed.replace(tzinfo=UTC)).timestamp()
    except (ValueError, OverflowError):
        short = shown(text, 80)
        problem = f'"{short}" is neither an instant (2026-04-27T11:20:12Z) nor an age (36h)'
        raise click.BadParameter(problem, param_hint=option) from None


def between(since: str, until: str | None, now: float) -> tuple[float, float | None]:
    """Returns the unix seconds of --since and --until, None for the latter where it is not given."""
    begin, end = instant(since, now), None if until is None else instant(until, now, "--until")
    if end is not None and end <= begin:
        raise click.BadParameter("is not after --since, so that nothing is between them", param_hint="--until")
    return begin, end


def json_value(text: str, option: str) -> Any:
    """Returns the JSON in an option's value, which may be @FILE, or - for the standard input."""
    try:
        if text == "-":
            text = click.get_text_stream("stdin").read()
        elif text.startswith("@"):
            text = Path(text[1:]).read_text("utf-8")
        return json.loads(text)
    except OSError as error:
        raise click.BadParameter(f"cannot be read: {error.strerror}", param_hint=option) from None
    except (ValueError, RecursionError):
        raise click.BadParameter("is not JSON", param_hint=option) from None


class OneOf(click.Choice):
    """One of some words; another one is answered with the nearest."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """Returns the word, for click."""
        if value in self.choices:
            return str(value)
        said = f'"{shown(str(value), 80)}" is not one of {", ".join(self.choices)}'
        raise click.BadParameter(said + nearest(str(value), self.choices), ctx, param)


class Group(click.Group):
    """A group of commands; a misspelled one is answered with the nearest."""

    def resolve_command(self, ctx: click.Context, args: list[str]) -> Any:
        """Returns the command and what is left of its words, for click."""
        name = args[0]
        if not name.startswith("-") and self.get_command(ctx, name) is None:
            ctx.fail(f'there is no command "{shown(name, 80)}"{nearest(name, self.list_commands(ctx))}')
        return super().resolve_command(ctx, args)


class Amount(click.FloatRange):
    """A number within its bounds; `nan` is none."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Returns the number, for click."""
        amount = super().convert(value, param, ctx)
        if math.isnan(amount):
            self.fail(f"{value!r} is not a number", param, ctx)
        return amount


def without_login(text: str) -> str:
    """Returns a text without the user and the password that may stand in a URL, such as that of an endpoint."""
    return re.sub(r"[^\s/@]+:[^\s/@]*@", "", text)


def params_option(about: str) -> "Callable[[F], F]":
    """Returns the repeatable option --param, whose value is a dict, or None where it is not given."""

    def read(_context: click.Context, _option: click.Parameter, values: tuple[str, ...]) -> dict[str, str] | None:
        given: dict[str, str] = {}
        for name, value in (pair(each, "--param") for each in values):
            if name in given:
                raise click.BadParameter(f"gives {name} twice", param_hint="--param")
            given[name] = value
        return given or None

    return click.option("--param", "params", metavar="NAME=VALUE", multiple=True, callback=read, help=about)


def pair(text: str, option: str) -> tuple[str, str]:
    """Returns the two sides of NAME=VALUE. Raises BadParameter, which names the option."""
    name, equals, value = text.partition("=")
    if not (name and equals):
        raise click.BadParameter("is not NAME=VALUE, such as order=17", param_hint=option)
    return name, value
