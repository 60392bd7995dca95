"""Asks a provider about a real task once, and shows what is read in its answer."""

import json
import shutil
import textwrap
from collections.abc import Mapping
from itertools import zip_longest
from typing import TYPE_CHECKING, Any

import click

from vidhook.ask import exchanges
from vidhook.providers.auth import Key, secrets_of
from vidhook.providers.request import check_params, result_request, task_request
from vidhook.task import Submission
from vidhook_cli.read import line_of
from vidhook_cli.show import one_line

if TYPE_CHECKING:
    from vidhook.ask import Exchange
    from vidhook.providers.file import Provider
    from vidhook.providers.request import Request
    from vidhook.wiring import Edges

GAP = " | "
NARROWEST = 30  # of a column; on a narrower terminal one stands below the other


def tried(provider: "Provider", task_id: str, params: dict[str, str], edges: "Edges") -> list[dict[str, Any]]:
    """Asks a provider about a task once, with the stack's key, and stores nothing.

    Returns the exchange as plain JSON, `request`, `answer` and `read`, without the key; and the one for the link to
    the result, where that is another request. Raises BadInput for what cannot be asked, and RequestFailed.
    """
    check_params(provider, task_id, params)
    key = edges.keys.of(provider, fresh=True)
    masked = None if key is None else Key("[key]", None if key.token is None else "[token]")
    made = exchanges(
        provider,
        Submission(provider.name, task_id, params=params),
        key,
        age_seconds=None,
        http=edges.http,
        clock=edges.clock,
    )
    rows = []
    asked = task_request(provider, task_id, masked, params)
    for each in made:
        rows.append(_row(asked, each, secrets_of(key), edges.clock.now()))
        if each.reading.unlinked is not None:
            asked = result_request(provider, task_id, masked, params, fields=each.reading.unlinked.fields)
    return rows


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


def _row(request: "Request", exchange: "Exchange", secrets: tuple[str, ...], at: float) -> dict[str, Any]:
    """Returns an exchange as plain JSON; `request` is the question with a mask in the place of the key."""
    kept = exchange.kept(secrets, at)
    asked: dict[str, Any] = {"method": request.method, "url": request.url, "headers": dict(request.headers)}
    if request.body:
        asked["body"] = json.loads(request.body)
    answer = {"status": kept.status, "headers": kept.headers, "body": kept.body, "truncated": kept.truncated}
    return {"request": asked, "answer": answer, "read": line_of(exchange.reading)}


def _written(value: Any) -> list[str]:
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, indent=1)
    return [one_line(each) for each in text.split("\n")]


def _wrapped(text: str, width: int) -> list[str]:
    indent = text[: len(text) - len(text.lstrip())] + "  "
    return textwrap.wrap(text, width, subsequent_indent=indent[: width // 2], drop_whitespace=False) or [""]
