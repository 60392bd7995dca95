"""`vidhook read` shows what the engine reads in recorded answers, for example to try a new provider file."""

import json
import sys
import time
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import click

from vidhook import shapes
from vidhook.errors import BadInput
from vidhook.providers.file import Provider, bundled, parse
from vidhook.providers.placeholders import reader
from vidhook.providers.reading import Reading
from vidhook.providers.reading import read as read_answer
from vidhook.providers.values import link, text
from vidhook.readings import body_of
from vidhook.times import instant, number
from vidhook_cli.exchanges import exchange_in, headers_in, number_in, recorded


@click.command()
@click.argument("files", nargs=-1, required=True, type=click.Path(exists=True, dir_okay=False, allow_dash=True))
@click.option(
    "--provider-file", type=click.Path(exists=True, dir_okay=False, path_type=Path), help="The provider file to use."
)
@click.option("--json", is_flag=True, expose_value=False, help="One JSON line each, as without it.")
def read(files: tuple[str, ...], provider_file: Path | None) -> None:
    """Prints what is read in each recorded exchange of FILES (- is stdin), one JSON line each.

    A file holds one exchange, JSON lines, a JSON array, or a sample of events/providers. An exchange is
    {"provider", "status", "headers", "body" or "text", "url", "task_age_seconds", "now"}; "second", with a status and a
    body, is the answer to the request of [result].
    """
    tried = parse(provider_file.read_text("utf-8", "replace")) if provider_file else None
    known = bundled()
    failed = False
    for file in files:
        with click.open_file(file, "rb") as opened:
            written = opened.read().decode("utf-8-sig", "replace")
        for place, each in recorded(written):
            try:
                reading = reading_of(exchange_in(each), tried, known)
            except BadInput as error:
                failed = True
                click.echo(f"{file}, {place}: {error}", err=True)
            else:
                click.echo(json.dumps(shapes.reading(reading), allow_nan=False))
                if reading.unlinked is not None:
                    hint = 'vidhook would send the request of [result] now; give its answer as "second"'
                    click.echo(f"{file}, {place}: {hint}", err=True)
    sys.exit(failed)


def reading_of(exchange: dict[str, Any], tried: Provider | None, known: Mapping[str, Provider]) -> Reading:
    """Returns what the engine reads in one exchange, of `tried` if there is one. Raises BadInput."""
    name = str(exchange.get("provider") or "").strip().casefold()
    provider = tried or known.get(name)
    if provider is None:
        problem = f'there is no "{name}"' if name else "it is missing"
        raise BadInput("provider", problem, f"use one of {', '.join(known)}, or --provider-file")
    provider, task_id, params = _from_url(provider, str(exchange.get("url") or ""))
    now = number_in(exchange, "now", lambda at: instant(at) or number(at), "a time", "2026-04-27T11:20:12Z")
    about: dict[str, Any] = {
        "task_id": text(exchange.get("task_id")) or task_id,
        "age_seconds": number_in(exchange, "task_age_seconds", number, "a number of seconds", "85"),
        "now": time.time() if now is None else now,
        "params": params,
    }
    reading = read_answer(provider, **_answer(exchange), **about)
    if reading.unlinked is not None and exchange.get("second") is not None:
        reading = read_answer(provider, **_answer(exchange_in(exchange["second"])), **about, unlinked=reading.unlinked)
    return reading


def _answer(exchange: dict[str, Any]) -> dict[str, Any]:
    """Returns the status, the headers and the body of an exchange. Raises BadInput."""
    status = number_in(exchange, "status", number, "an HTTP status", "200")
    return {
        "status": 200 if status is None else int(status),
        "headers": headers_in(exchange),
        "body": body_of(exchange),
    }


def _from_url(provider: Provider, url: str) -> tuple[Provider, str | None, dict[str, str]]:
    """Returns the provider with the host in the URL, which may be another deployment's.

    Beside it the task's id and the parameters that stand in the URL.
    """
    found = reader(provider.poll.path)(url)
    if found is None:
        return provider, None, {}
    base = link(found.pop("")) or provider.base_url
    return replace(provider, base_url=base), found.pop("task_id", None), found
