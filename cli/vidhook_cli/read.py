"""`vidhook read` shows what the engine reads in recorded answers, for example to try a new provider file."""

import json
import re
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import click

from vidhook.errors import BadInput
from vidhook.providers.file import Provider, bundled, parse
from vidhook.providers.reading import Reading
from vidhook.providers.reading import read as read_answer
from vidhook.providers.values import link, text
from vidhook.task import Source
from vidhook.times import instant, iso, number

PLAIN = (
    "provider_status",
    "object",
    "model",
    "prompt",
    "progress",
    "queue_position",
    "usage",
    "upstream_id",
    "known_status",
)
TIMES = ("created_at", "started_at", "completed_at", "estimated_completion")


@click.command()
@click.argument("files", nargs=-1, required=True, type=click.Path(exists=True, dir_okay=False, allow_dash=True))
@click.option(
    "--provider-file", type=click.Path(exists=True, dir_okay=False, path_type=Path), help="The provider file to use."
)
def read(files: tuple[str, ...], provider_file: Path | None) -> None:
    """Prints what is read in each recorded exchange of FILES (- is stdin), one JSON line each.

    A file holds one exchange, JSON lines, a JSON array, or a sample of events/providers. An exchange is
    {"provider", "status", "headers", "body" or "text", "url", "task_age_seconds", "now"}.
    """
    tried = parse(provider_file.read_text("utf-8", "replace")) if provider_file else None
    known = bundled()
    failed = False
    for file in files:
        with click.open_file(file, "rb") as opened:
            written = opened.read().decode("utf-8-sig", "replace")
        for place, recorded in _recorded(written):
            try:
                line = reading_of(_exchange(recorded), tried, known)
            except BadInput as error:
                failed = True
                click.echo(f"{file}, {place}: {error}", err=True)
            else:
                click.echo(json.dumps(line, allow_nan=False))
    sys.exit(failed)


def reading_of(exchange: dict[str, Any], tried: Provider | None, known: Mapping[str, Provider]) -> dict[str, Any]:
    """Returns what the engine reads in one exchange, as the line to print. Raises BadInput for an unknown provider."""
    name = str(exchange.get("provider") or "").strip().casefold()
    provider = tried or known.get(name)
    if provider is None:
        problem = f'there is no "{name}"' if name else "it is missing"
        raise BadInput("provider", problem, f"use one of {', '.join(known)}, or --provider-file")
    provider, task_id = _from_url(provider, str(exchange.get("url") or ""))
    status = _number(exchange, "status", number, "an HTTP status", "200")
    now = _number(exchange, "now", lambda at: instant(at) or number(at), "a time", "2026-04-27T11:20:12Z")
    reading = read_answer(
        provider,
        status=200 if status is None else int(status),
        headers=_headers(exchange),
        body=_body(exchange),
        task_id=text(exchange.get("task_id")) or task_id,
        age_seconds=_number(exchange, "task_age_seconds", number, "a number of seconds", "85"),
        now=time.time() if now is None else now,
    )
    return _line(reading)


def _recorded(written: str) -> Iterator[tuple[str, Any]]:
    """Yields the exchanges in a file with the place of each: one JSON value, an array of them, or one on each line."""
    try:
        whole = json.loads(written)
    except (ValueError, RecursionError):
        if not written.strip():
            yield "line 1", BadInput("exchange", "there is none", 'write {"provider": ..., "status": ..., "body": ...}')
        for number_, line in enumerate(written.split("\n"), 1):  # splitlines() splits inside strings, at U+2028
            if line.strip():
                try:
                    yield f"line {number_}", json.loads(line)
                except (ValueError, RecursionError) as error:
                    yield f"line {number_}", BadInput("exchange", f"this is not JSON: {error}")
    else:
        for number_, item in enumerate(whole if isinstance(whole, list) else [whole], 1):
            yield f"exchange {number_}", item


def _exchange(recorded: Any) -> dict[str, Any]:
    if isinstance(recorded, BadInput):
        raise recorded
    exchange = recorded.get("exchange", recorded) if isinstance(recorded, dict) else recorded
    if not isinstance(exchange, dict):
        raise BadInput("exchange", "this is not an object", 'write {"provider": ..., "status": ..., "body": ...}')
    return exchange


def _number(
    exchange: dict[str, Any], field: str, parse: Callable[[Any], float | None], meant: str, example: str
) -> float | None:
    """Returns a field's number, or None when the field is missing. Raises BadInput."""
    value = exchange.get(field)
    figure = parse(value)
    if value is not None and figure is None:
        raise BadInput(field, f"{value!r} is not {meant}", f"write it like {example}")
    return figure


def _headers(exchange: dict[str, Any]) -> dict[str, Any]:
    """Returns the headers by name, from an object, pairs or the objects of a HAR; of several values the first."""
    headers = exchange.get("headers") or {}
    try:
        if not isinstance(headers, dict):
            pairs = [(pair["name"], pair["value"]) if isinstance(pair, dict) else pair for pair in headers]
            headers = dict(reversed(pairs))
    except (KeyError, TypeError, ValueError):
        raise BadInput("headers", "they are not names with values", 'write {"Retry-After": "5"}') from None
    return {name: value[0] if isinstance(value, list) and value else value for name, value in headers.items()}


def _body(exchange: dict[str, Any]) -> bytes:
    body = exchange["body"] if exchange.get("body") is not None else exchange.get("text", "")
    return (body if isinstance(body, str) else json.dumps(body)).encode("utf-8", "surrogatepass")


def _from_url(provider: Provider, url: str) -> tuple[Provider, str | None]:
    """Returns the provider with the host in the URL, which may be another deployment's, and the task's id in it."""
    path = re.escape(provider.path)
    for name, part in (("{task_id:path}", "([^?#]+?)"), ("{task_id}", "([^/?#&]+)")):
        path = path.replace(re.escape(name), part, 1)
    match = re.search(rf"{path}/?(?:[?#&].*)?$", url)
    if match is None or not match.groups():
        return provider, None
    base = link(url[: match.start()])
    return replace(provider, base_url=base or provider.base_url), unquote(match[1])


def _line(reading: Reading) -> dict[str, Any]:
    snapshot, error = reading.snapshot, reading.error
    sources = snapshot.sources if snapshot else ()
    plain = {} if snapshot is None else {name: getattr(snapshot, name) for name in PLAIN}
    times = {} if snapshot is None else {name: iso(getattr(snapshot, name), exact=True) for name in TIMES}
    return {
        "outcome": reading.outcome,
        "status": snapshot and snapshot.status,
        **{name: plain.get(name) for name in PLAIN},
        "url": sources[0].url if sources else None,
        "urls": [_source(source) for source in sources],
        "error": asdict(error) if error else None,
        **{name: times.get(name) for name in TIMES},
        "expires_at": iso(sources[0].expires_at, exact=True) if sources else None,
        "retry_after_seconds": reading.retry_after_seconds,
        "key_refused": reading.key_refused,
        "inferred": reading.inferred,
    }


def _source(source: Source) -> dict[str, Any]:
    inline = {"inline": True} if source.inline else {}
    return {
        "role": source.role,
        "type": source.type,
        "url": source.url,
        "expires_at": iso(source.expires_at, exact=True),
        "needs_key": source.needs_key,
        **inline,
    }
