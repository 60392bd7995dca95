"""Shows an exchange with a provider, and what is read in its answer."""

import json
import shutil
import textwrap
from collections.abc import Mapping
from itertools import zip_longest
from typing import Any

import click

from vidhook_cli.show import one_line

GAP = " | "
NARROWEST = 30  # of a column; on a narrower terminal one stands below the other


def show_exchange(row: Mapping[str, Any]) -> None:
    """Prints an exchange: the request, and below it the answer beside what is read in it."""
    asked, answer = row["request"], row["answer"]
    click.echo(click.style(one_line(f"{asked['method']} {asked['url']}"), bold=True))
    for name, value in asked["headers"].items():
        click.echo(one_line(f"  {name}: {value}"))
    if "body" in asked:
        click.echo(one_line(f"  {json.dumps(asked['body'], ensure_ascii=False)}"))
    click.echo()
    read = {name: value for name, value in row["read"].items() if value not in (None, [], False)}
    left = [f"HTTP {answer['status']}", *_written(answer["body"])]
    right = ["what is read", *_written(read)]
    width = (shutil.get_terminal_size().columns - len(GAP)) // 2
    if width < NARROWEST:
        click.echo("\n".join([*left, "", *right]))
    else:
        columns = [[part for text in side for part in _wrapped(text, width)] for side in (left, right)]
        for one, other in zip_longest(*columns, fillvalue=""):
            click.echo(f"{one.ljust(width)}{GAP}{other}".rstrip())
    click.echo()


def _written(value: Any) -> list[str]:
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, indent=1)
    return [one_line(each) for each in text.split("\n")]


def _wrapped(text: str, width: int) -> list[str]:
    indent = text[: len(text) - len(text.lstrip())] + "  "
    return textwrap.wrap(text, width, subsequent_indent=indent[: width // 2], drop_whitespace=False) or [""]
