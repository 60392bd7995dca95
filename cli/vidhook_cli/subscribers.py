"""`vidhook subscribers` manages the endpoints that are notified."""

import json
import time
from typing import Any

import click

from vidhook import shapes
from vidhook import subscribers as jobs
from vidhook.errors import BadSubscriber
from vidhook.task import TERMINAL_TYPES, Outcome, Subscriber
from vidhook_cli.show import (
    Amount,
    Group,
    as_json_option,
    between,
    facts,
    lines,
    one_line,
    say,
    span,
    table,
    tell,
    wants_json,
    yes_option,
)
from vidhook_cli.stack import asks_nothing, confirm, known_provider, known_subscriber, stack

COLUMNS = ("id", "state", "url", "events")

known = click.argument("subscriber_id", metavar="ID", callback=lambda _, __, given: known_subscriber(given).id)


@click.group(cls=Group)
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
    """Adds URL as a subscriber and shows its secret, only once.

    --events and --providers take several values, separated by commas or in repeated options.
    """
    here = stack().edges
    _check_providers(providers)
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
    say(f"{subscriber.id} gets {', '.join(subscriber.events)} at {subscriber.url}")
    say(f"signing secret, shown only once: {click.style(shown, bold=True)}")
    say(f"try it: vidhook subscribers test {subscriber.id}")


@subscribers.command("list")
@as_json_option
def list_all(as_json: bool) -> None:
    """Lists all subscribers, oldest first."""
    rows = [shapes.subscriber(each) for each in stack().edges.ledger.subscribers.all()]
    if wants_json(as_json):
        lines(rows)
    else:
        table(rows, COLUMNS, nothing="there are no subscribers yet: vidhook subscribers add URL")


@subscribers.command()
@known
@click.option("--secrets", is_flag=True, help="Show until when each of its secrets signs, instead.")
@as_json_option
def show(subscriber_id: str, secrets: bool, as_json: bool) -> None:
    """Shows one subscriber."""
    if not secrets:
        _show(known_subscriber(subscriber_id), as_json)
        return
    here = stack().edges
    rows = shapes.signing(jobs.signing(subscriber_id, ledger=here.ledger, secrets=here.secrets, clock=here.clock))
    if wants_json(as_json):
        lines(rows)
        return
    for row in rows:
        say(f"signs until {row['ends_at']}" if row["ends_at"] else "signs, without an end")


@subscribers.command()
@known
@click.option("--url")
@click.option("--events", multiple=True)
@click.option("--providers", multiple=True)
@click.option("--metadata")
@click.option("--description")
@click.option("--header", "headers", multiple=True, metavar="'NAME: VALUE'", help="Replaces all headers; '' for none.")
@as_json_option
def update(  # noqa: PLR0913 - each is an option
    subscriber_id: str,
    url: str | None,
    events: tuple[str, ...],
    providers: tuple[str, ...],
    metadata: str | None,
    description: str | None,
    headers: tuple[str, ...],
    as_json: bool,
) -> None:
    """Changes what is given and leaves the rest.

    Open deliveries use the change at their next attempt.
    """
    changes: dict[str, Any] = {
        "url": url,
        "events": _words(events) if events else None,
        "providers": _words(providers) if providers else None,
        "metadata": None if metadata is None else _object(metadata),
        "description": description,
        "headers": None if not headers else {} if headers == ("",) else _headers(headers),
    }
    changes = {name: value for name, value in changes.items() if value is not None}
    if not changes:
        options = "--url, --events, --providers, --metadata, --description or --header"
        raise click.UsageError(f"nothing to change: give {options}")
    here = stack().edges
    _check_providers(providers)
    changed = jobs.change(subscriber_id, changes, ledger=here.ledger, secrets=here.secrets, http=here.http)
    _show(changed, as_json)


@subscribers.command()
@known
@as_json_option
def pause(subscriber_id: str, as_json: bool) -> None:
    """Holds all deliveries of a subscriber until it is resumed.

    Nothing is lost.
    """
    paused = jobs.pause(subscriber_id, ledger=stack().edges.ledger)
    until = f"`vidhook subscribers resume {subscriber_id}`"
    tell(shapes.subscriber(paused), f"{subscriber_id} is paused; its deliveries are held until: {until}", as_json)


@subscribers.command()
@known
@as_json_option
def resume(subscriber_id: str, as_json: bool) -> None:
    """Makes a paused or disabled subscriber active.

    Its held deliveries are sent, oldest first.
    """
    here = stack().edges
    resumed, drained = jobs.resume(subscriber_id, runs=here.runs)
    row = {**shapes.subscriber(resumed), "started": drained}
    tell(row, f"{subscriber_id} is active; held deliveries started: {drained}", as_json)


@subscribers.command()
@known
@yes_option
@as_json_option
def remove(subscriber_id: str, yes: bool, as_json: bool) -> None:
    """Removes a subscriber and its secret.

    Its open deliveries are cancelled.
    """
    known = known_subscriber(subscriber_id)
    if known.callback:
        raise click.ClickException(f"{subscriber_id} is the callback_url of tasks and cannot be removed; pause it")
    url = known.url.partition("?")[0]
    confirm(f"remove {subscriber_id} ({url}) and its secret, and cancel its open deliveries", yes)
    removed = jobs.remove(subscriber_id, ledger=stack().edges.ledger)
    tell(shapes.subscriber(removed), f"{subscriber_id} is removed", as_json)


@subscribers.command()
@known
@click.option(
    "--keep",
    "keep_hours",
    type=Amount(0, 8_760),
    help="Hours for which the old secret signs too; 24 by default.",
)
@click.option("--now", "immediately", is_flag=True, help="End the old secret immediately, such as when it leaked.")
@click.option("--secret", help="A whsec_... of yours; by default a new one is made.")
@yes_option
@as_json_option
def rotate(
    subscriber_id: str, keep_hours: float | None, immediately: bool, secret: str | None, yes: bool, as_json: bool
) -> None:
    """Gives a subscriber a new secret and shows it, only once.

    Asks first if the old secret ends at once: with --now, or --keep 0.
    """
    if immediately and keep_hours is not None:
        raise click.UsageError("--now ends the old secret immediately, so --keep would do nothing")
    keep_seconds = 0 if immediately else int((24.0 if keep_hours is None else keep_hours) * 3_600)
    here = stack().edges
    if keep_seconds:
        asks_nothing("a rotation that keeps the old secret for a while", yes)
    else:
        confirm(f"end the present secret of {subscriber_id} immediately, so that it verifies nothing more", yes)
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
    say(f"new signing secret, shown only once: {click.style(shown, bold=True)}")
    click.echo(f"the old one signs too for {span(keep_seconds)}" if keep_seconds else "the old one no longer signs")


@subscribers.command()
@known
@as_json_option
def test(subscriber_id: str, as_json: bool) -> None:
    """Sends endpoint.test and shows the request and the answer.

    Exits with 1 when it was not accepted.
    """
    here = stack().edges
    tested = jobs.send_test(subscriber_id, ledger=here.ledger, secrets=here.secrets, http=here.http, clock=here.clock)
    made = tested.attempt
    if wants_json(as_json):
        lines([shapes.tested(tested.event, tested.subscriber, made)])
    else:
        click.echo(f"> POST {tested.subscriber.url}")
        click.echo(f"> {tested.event.body}\n")
        say(f"< {made.status or made.kind}: {made.outcome} {one_line(made.detail)}")
        if made.answer:
            click.echo(f"< {one_line(made.answer)}")
        click.echo("  " + ", ".join(f"{phase} {ms:.0f} ms" for phase, ms in made.timings.items()))
    if made.outcome is not Outcome.DELIVERED:
        raise SystemExit(1)


@subscribers.command()
@known
@click.option("--since", required=True, help="An instant (2026-04-27T11:20:12Z) or an age (36h).")
@click.option("--until", help="An instant or an age too: only what was to be delivered before it.")
@click.option("--dry-run", is_flag=True, help="Only count what failed.")
@as_json_option
def recover(subscriber_id: str, since: str, until: str | None, dry_run: bool, as_json: bool) -> None:
    """Sends again what failed for a subscriber since a time.

    The oldest is sent first.
    """
    begin, end = between(since, until, time.time())
    done = jobs.recover(subscriber_id, since=begin, until=end, dry_run=dry_run, runs=stack().edges.runs)
    said = f"failed deliveries: {done.found}" if dry_run else f"deliveries started again: {done.started}"
    tell({"id": subscriber_id, "started": done.started, "found": done.found}, said, as_json)


def _show(subscriber: Subscriber, as_json: bool) -> None:
    row = shapes.subscriber(subscriber)
    if wants_json(as_json):
        lines([row])
        return
    facts(row)


def _check_providers(given: tuple[str, ...]) -> None:
    """Raises NotFound for the name of a provider that there is not; a pattern may stand for those to come."""
    for name in _words(given):
        if not set("*?[") & set(name):
            known_provider(name, stack().edges.ledger)


def _words(given: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(word.strip() for text in given for word in text.split(",") if word.strip())


def _headers(given: tuple[str, ...]) -> dict[str, str]:
    """Returns headers written like curl's. An error does not repeat a value, which may be a key."""
    pairs = [line.partition(":") for line in given]
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
