"""`vidhook deliveries` shows which webhooks did not arrive, and why; `vidhook replay` sends it again."""

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from itertools import islice
from typing import TYPE_CHECKING, Any

import click

from vidhook import shapes
from vidhook.errors import NotFound
from vidhook.task import EVENT_TYPES, Attempt, Delivery, DeliveryState, Outcome, SubscriberState
from vidhook.times import iso
from vidhook_cli.show import (
    MOST,
    OneOf,
    as_json_option,
    between,
    instant,
    lines,
    one_line,
    say,
    span,
    table,
    tell,
    wants_json,
    yes_option,
)
from vidhook_cli.stack import asks_nothing, confirm, known_subscriber, stack, subscriber_id
from vidhook_cli.tasks import find

if TYPE_CHECKING:
    from vidhook.edges.ledger import Ledger

COLUMNS = ("task", "subscriber", "event_type", "state", "attempts", "last", "created_at", "next_at")
LIMIT, SINCE = 50, "30d"
Log = Mapping[tuple[str, str], Sequence[Attempt]]  # attempts by event and subscriber


@click.command()
@click.argument("task", required=False)
@click.option("--subscriber", "subscriber_id", metavar="ID", callback=subscriber_id, help="Only to this subscriber.")
@click.option("--state", type=OneOf([each.value for each in DeliveryState]), help="Only deliveries in this state.")
@click.option("--failed", is_flag=True, help="Only those that were given up: --state failed.")
@click.option("--type", "event_type", type=OneOf(EVENT_TYPES), help="Only deliveries of such events.")
@click.option("--since", help=f"An instant (2026-04-27T11:20:12Z) or an age (36h); {SINCE} by default. Not with TASK.")
@click.option(
    "--limit", type=click.IntRange(1, MOST), help=f"The most to show; without TASK {LIMIT} if it is not given."
)
@as_json_option
def deliveries(  # noqa: PLR0913 - each is an option
    task: str | None,
    subscriber_id: str | None,
    state: str | None,
    failed: bool,
    event_type: str | None,
    since: str | None,
    limit: int | None,
    as_json: bool,
) -> None:
    """Lists deliveries, newest first; of a TASK, with each attempt and the next retry.

    TASK is tsk_..., provider/task_id, a reference, or the provider's id. Deliveries of progress events are found by
    TASK or --subscriber.
    """
    if task is not None and since is not None:
        raise click.UsageError("--since is for lists without TASK: all deliveries of a task are shown")
    if failed and state is not None:
        raise click.UsageError("--failed is --state failed: give one of the two")
    state = DeliveryState.FAILED.value if failed else state
    ledger = stack().edges.ledger
    if task is not None:
        chosen = _of_task(task, ledger, subscriber_id, state, event_type)
        _show_with_attempts(chosen[:limit], ledger, wants_json(as_json))
        return
    read = partial(
        ledger.deliveries.page,
        most=limit or LIMIT,
        subscriber_id=subscriber_id,
        state=state,
        event_type=event_type,
        since=instant(since or SINCE, time.time()),
    )
    try:
        rows = [shapes.delivery(each) for each in islice(_all_pages(read), limit or LIMIT)]
    except NotFound:
        known_subscriber(subscriber_id or "")
        raise
    if wants_json(as_json):
        lines(rows)
    else:
        table(rows, COLUMNS, nothing="there are no such deliveries")


@click.command()
@click.argument("task", required=False)
@click.option("--subscriber", "subscriber_id", metavar="ID", callback=subscriber_id, help="Only to this subscriber.")
@click.option("--since", help="All events since an instant (2026-04-27T11:20:12Z) or an age (36h); needs --subscriber.")
@click.option("--until", help="With --since, an instant or an age too: only events before it.")
@yes_option
@as_json_option
def replay(
    task: str | None, subscriber_id: str | None, since: str | None, until: str | None, yes: bool, as_json: bool
) -> None:
    """Sends the event of TASK again, or all events of a subscriber since a time.

    An event is sent with the same id and the same bytes. All events of a subscriber are sent only after a question,
    or with --yes.
    """
    if task is not None and (since or until) is not None:
        raise click.UsageError(
            f"--{'until' if since is None else 'since'} is for all events of a --subscriber: give it, or a TASK"
        )
    if task is not None:
        asks_nothing("a replay of one TASK", yes)
    ledger = stack().edges.ledger
    if task is not None:
        found = ledger.deliveries.of_task(find(task, ledger))
        chosen = [each for each in found if subscriber_id in (None, each.subscriber_id)]
    elif subscriber_id is not None and since is not None:
        begin, end = between(since, until, time.time())
        chosen = list(ledger.deliveries.to(subscriber_id, since=begin, until=end))
    else:
        raise click.UsageError("give a TASK, or a --subscriber with --since")
    chosen = [each for each in chosen if not each.event_type.endswith(".progress")]
    if not chosen:
        if subscriber_id is not None:
            known_subscriber(subscriber_id)
        raise NotFound("there is nothing to replay; `vidhook deliveries` shows what there is")
    states = {each: _state(each, ledger) for each in {each.subscriber_id for each in chosen}}
    sent = [each for each in chosen if states[each.subscriber_id] is not None]
    if task is None:
        confirm(f"send {len(sent)} events again to {subscriber_id}", yes)
    started = stack().edges.runs.resend(sent)
    held = sum(states[each.subscriber_id] is not SubscriberState.ACTIVE for each in sent)
    removed = len(chosen) - len(sent)
    notes = [f"deliveries started again: {started}"]
    notes += [f"held until their subscriber is resumed: {held}"] if held else []
    notes += [f"not started, as their subscriber is removed: {removed}"] if removed else []
    tell({"started": started, "held": held, "removed": removed}, "; ".join(notes), as_json)


def _of_task(
    task: str, ledger: "Ledger", subscriber_id: str | None, state: str | None, event_type: str | None
) -> list[Delivery]:
    found = list(ledger.deliveries.of_task(find(task, ledger)))
    if subscriber_id is not None and all(each.subscriber_id != subscriber_id for each in found):
        known_subscriber(subscriber_id)
    return [
        each
        for each in found
        if subscriber_id in (None, each.subscriber_id)
        and state in (None, each.state)
        and event_type in (None, each.event_type)
    ]


def _all_pages(read: Callable[..., tuple[list[Delivery], str | None]]) -> Iterator[Delivery]:
    page, cursor = read()
    yield from page
    while cursor is not None:
        page, cursor = read(cursor=cursor)
        yield from page


def _show_with_attempts(found: list[Delivery], ledger: "Ledger", for_program: bool) -> None:
    if not found:
        if not for_program:
            click.echo("there are no such deliveries of this task (yet)")
        return
    log = ledger.deliveries.attempts(found[0].watch_id, found)  # all are deliveries of one task
    if for_program:
        lines(logged(found, log, ledger))
        return
    for each in found:
        state = click.style(each.state, bold=True)
        say(f"{each.event_type} {each.event_id} to {recipient(each, ledger)}: {state}", " " * 7)
        for made in log.get((each.event_id, each.subscriber_id), ()):
            say(f"  {made.number:>3}  {iso(made.at)}  {sentence(made)}", " " * 7)
        if each.state is DeliveryState.DUE:
            due = each.next_at or each.created_at
            click.echo(f"       {iso(due)}  next attempt, in {span(max(0.0, due - time.time()))}")
        click.echo("")


def logged(found: list[Delivery], log: Log, ledger: "Ledger") -> Iterator[dict[str, Any]]:
    """Yields deliveries with their requests and their attempts, as the API shows them."""
    to = ledger.subscribers.under(each.subscriber_id for each in found)
    for each in found:
        yield shapes.delivery_log(each, log.get((each.event_id, each.subscriber_id), ()), to.get(each.subscriber_id))


def sentence(made: Attempt) -> str:
    """Returns what came of an attempt, in words."""
    answer = f"answered {made.status}" if made.status is not None else f"{made.kind}: {one_line(made.detail)}"
    first_line = made.answer.strip().partition("\n")[0][:60]
    body = f" {first_line!r}" if first_line and made.outcome is not Outcome.DELIVERED else ""
    retry_after = f", asked for {made.retry_after} s" if made.retry_after is not None else ""
    return f"{made.outcome}: {answer}{body}{retry_after} after {made.timings.get('total', 0):.0f} ms"


def _state(subscriber_id: str, ledger: "Ledger") -> SubscriberState | None:
    try:
        return ledger.subscribers.get(subscriber_id).state
    except NotFound:
        return None


def recipient(delivery: Delivery, ledger: "Ledger") -> str:
    """Returns the subscriber of a delivery, with its URL and what is wrong with it."""
    try:
        subscriber = ledger.subscribers.get(delivery.subscriber_id)
    except NotFound:
        return f"{delivery.subscriber_id} (removed)"
    state = "" if subscriber.active else f", {subscriber.state}: {one_line(subscriber.reason or '')}"
    return f"{subscriber.id} ({subscriber.url.partition('?')[0]}{state})"
