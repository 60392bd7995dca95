"""`vidhook subscribers` manages the endpoints that are notified."""

import json
import time
from typing import Any

import click

from vidhook import shapes
from vidhook import subscribers as jobs
from vidhook.errors import BadSubscriber
from vidhook.task import TERMINAL_TYPES, Outcome
from vidhook_cli.show import Amount, as_json_option, instant, lines, subscriber_id, table, wants_json
from vidhook_cli.stack import stack

COLUMNS = ("id", "state", "url", "events")


@click.group()
def subscribers() -> None:
    """Manages the endpoints that are notified."""


@subscribers.command()
@click.argument("url")
@click.option("--events", multiple=True, default=TERMINAL_TYPES, show_default=True, help="Event types, * for any part.")
@click.option("--providers", multiple=True, default=("*",), show_default=True, help="Names of providers.")
@click.option("--metadata", default="{}", help="A JSON object: only events of tasks whose metadata has these values.")
@click.option("--description", default="")
@click.option("--header", "headers", multiple=True, metavar="'NAME: VALUE'", help="Sent with each webhook; repeatable.")
@click.option("--secret", help="A whsec_... of yours; by default a new one is made.")
@as_json_option
def add(  # noqa: PLR0913 - each is an option
    url: str,
    events: tuple[str, ...],
    providers: tuple[str, ...],
    metadata: str,
    description: str,
    headers: tuple[str, ...],
    secret: str | None,
    as_json: bool,
) -> None:
    """Adds URL as a subscriber and shows its signing secret, only once.

    --events and --providers take several values, separated by commas or in repeated options.
    """
    here = stack().edges
    subscriber, shown = jobs.add(
        jobs.Terms(url, _words(events), _words(providers), _object(metadata), description, _headers(headers)),
        secret=secret,
        ledger=here.ledger,
        secrets=here.secrets,
        http=here.http,
        clock=here.clock,
    )
    if wants_json(as_json):
        lines([{**shapes.subscriber(subscriber), "secret": shown}])
        return
    click.echo(f"{subscriber.id} gets {', '.join(subscriber.events)} at {subscriber.url}")
    click.echo(f"signing secret, shown only once: {click.style(shown, bold=True)}")
    click.echo(f"try it: vidhook subscribers test {subscriber.id}")


@subscribers.command("list")
@as_json_option
def list_all(as_json: bool) -> None:
    """Lists all subscribers, oldest first."""
    rows = [shapes.subscriber(each) for each in stack().edges.ledger.subscribers()]
    if wants_json(as_json):
        lines(rows)
    else:
        table(rows, COLUMNS, nothing="there are no subscribers yet: vidhook subscribers add URL")


@subscribers.command()
@click.argument("subscriber_id", metavar="ID", callback=subscriber_id)
def show(subscriber_id: str) -> None:
    """Shows one subscriber as JSON."""
    click.echo(json.dumps(shapes.subscriber(stack().edges.ledger.subscriber(subscriber_id)), indent=2))


@subscribers.command()
@click.argument("subscriber_id", metavar="ID", callback=subscriber_id)
@click.option("--url")
@click.option("--events", multiple=True)
@click.option("--providers", multiple=True)
@click.option("--metadata")
@click.option("--description")
@click.option("--header", "headers", multiple=True, metavar="'NAME: VALUE'", help="Replaces all headers; '' for none.")
def update(
    subscriber_id: str,
    url: str | None,
    events: tuple[str, ...],
    providers: tuple[str, ...],
    metadata: str | None,
    description: str | None,
    headers: tuple[str, ...],
) -> None:
    """Changes what is given and leaves the rest.

    Open deliveries use the change at their next attempt.
    """
    changes: dict[str, Any] = {
        "url": url,
        "events": _words(events) or None,
        "providers": _words(providers) or None,
        "metadata": None if metadata is None else _object(metadata),
        "description": description,
        "headers": _headers(headers) if headers else None,
    }
    changes = {name: value for name, value in changes.items() if value is not None}
    if not changes:
        options = "--url, --events, --providers, --metadata, --description or --header"
        raise click.UsageError(f"nothing to change: give {options}")
    here = stack().edges
    changed = jobs.change(subscriber_id, changes, ledger=here.ledger, secrets=here.secrets, http=here.http)
    click.echo(json.dumps(shapes.subscriber(changed), indent=2))


@subscribers.command()
@click.argument("subscriber_id", metavar="ID", callback=subscriber_id)
def pause(subscriber_id: str) -> None:
    """Holds all deliveries of a subscriber until it is resumed; nothing is lost."""
    jobs.pause(subscriber_id, ledger=stack().edges.ledger)
    click.echo(f"{subscriber_id} is paused; its deliveries are held until: vidhook subscribers resume {subscriber_id}")


@subscribers.command()
@click.argument("subscriber_id", metavar="ID", callback=subscriber_id)
def resume(subscriber_id: str) -> None:
    """Makes a paused or disabled subscriber active and sends its held deliveries, oldest first."""
    here = stack().edges
    _, drained = jobs.resume(subscriber_id, runs=here.runs)
    click.echo(f"{subscriber_id} is active; {drained} held deliveries were started")


@subscribers.command()
@click.argument("subscriber_id", metavar="ID", callback=subscriber_id)
def remove(subscriber_id: str) -> None:
    """Removes a subscriber and its secret; its open deliveries are cancelled."""
    jobs.remove(subscriber_id, ledger=stack().edges.ledger)
    click.echo(f"{subscriber_id} is removed")


@subscribers.command()
@click.argument("subscriber_id", metavar="ID", callback=subscriber_id)
@click.option(
    "--keep",
    "keep_hours",
    type=Amount(0, 8_760),
    default=24.0,
    show_default=True,
    help="Hours for which the old secret signs too.",
)
@click.option("--now", "immediately", is_flag=True, help="End the old secret immediately, such as when it leaked.")
@click.option("--secret", help="A whsec_... of yours; by default a new one is made.")
@as_json_option
def rotate(subscriber_id: str, keep_hours: float, immediately: bool, secret: str | None, as_json: bool) -> None:
    """Gives a subscriber a new signing secret and shows it, only once."""
    here = stack().edges
    keep_seconds = 0 if immediately else int(keep_hours * 3_600)
    shown = jobs.rotate(
        subscriber_id,
        keep_seconds=keep_seconds,
        secret=secret,
        ledger=here.ledger,
        secrets=here.secrets,
        clock=here.clock,
    )
    if wants_json(as_json):
        lines([{"id": subscriber_id, "secret": shown, "old_secret_ends_in_seconds": keep_seconds}])
        return
    click.echo(f"new signing secret, shown only once: {click.style(shown, bold=True)}")
    click.echo(
        "the old one no longer signs" if keep_seconds == 0 else f"the old one signs too for {keep_hours:g} hours"
    )


@subscribers.command()
@click.argument("subscriber_id", metavar="ID", callback=subscriber_id)
@as_json_option
def test(subscriber_id: str, as_json: bool) -> None:
    """Sends endpoint.test and shows the request and the answer.

    Exits with 1 when it was not accepted.
    """
    here = stack().edges
    tested = jobs.send_test(subscriber_id, ledger=here.ledger, secrets=here.secrets, http=here.http, clock=here.clock)
    made = tested.attempt
    if wants_json(as_json):
        lines([{"event": tested.event.data, "attempt": shapes.attempt(made)}])
    else:
        click.echo(f"> POST {here.ledger.subscriber(subscriber_id).url}")
        click.echo(f"> {tested.event.body}\n")
        click.echo(f"< {made.status or made.kind}: {made.outcome} {made.detail}")
        if made.answer:
            click.echo(f"< {made.answer}")
        click.echo("  " + ", ".join(f"{phase} {ms:.0f} ms" for phase, ms in made.timings.items()))
    if made.outcome is not Outcome.DELIVERED:
        raise SystemExit(1)


@subscribers.command()
@click.argument("subscriber_id", metavar="ID", callback=subscriber_id)
@click.option("--since", required=True, help="An instant (2026-04-27T11:20:12Z) or an age (36h).")
def recover(subscriber_id: str, since: str) -> None:
    """Sends again all that failed for a subscriber since a time, oldest first."""
    here = stack().edges
    started = jobs.recover(subscriber_id, since=instant(since, time.time()), runs=here.runs)
    click.echo(f"{started} deliveries were started again")


def _words(given: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(word.strip() for text in given for word in text.split(",") if word.strip())


def _headers(given: tuple[str, ...]) -> dict[str, str]:
    """Returns headers written like curl's. An error does not repeat a value, which may be a key."""
    pairs = [line.partition(":") for line in given if line]
    if any(not colon for _, colon, _ in pairs):
        raise BadSubscriber("header", "has no colon", "write it like 'X-Api-Key: 12345'")
    if len({name.strip().lower() for name, _, _ in pairs}) < len(pairs):
        raise BadSubscriber("header", "is given twice under one name", "give each header once")
    return {name.strip(): value.strip() for name, _, value in pairs}


def _object(text: str) -> dict[str, Any]:
    try:
        parsed = json.loads(text)
    except (ValueError, RecursionError):
        parsed = None
    if not isinstance(parsed, dict):
        raise BadSubscriber("metadata", "is not a JSON object", """give one such as '{"tenant": "acme"}'""")
    return parsed
