"""`vidhook deliveries` shows which webhooks did not arrive, and why; `vidhook replay` sends it again."""

import time
from collections.abc import Callable, Iterator
from functools import partial
from itertools import islice

import click

from vidhook import shapes
from vidhook.edges.ledger import Ledger
from vidhook.errors import NotFound
from vidhook.task import EVENT_TYPES, Attempt, Delivery, DeliveryState, Outcome
from vidhook.times import iso
from vidhook_cli.show import as_json_option, instant, lines, subscriber_id, table, wants_json
from vidhook_cli.stack import stack
from vidhook_cli.tasks import find

COLUMNS = ("task", "subscriber", "event_type", "state", "attempts", "last", "next_at")
LIMIT, SINCE = 50, "30d"


@click.command()
@click.argument("task", required=False)
@click.option("--subscriber", "subscriber_id", metavar="ID", callback=subscriber_id, help="Only to this subscriber.")
@click.option("--state", type=click.Choice([*DeliveryState]), help="Only deliveries in this state.")
@click.option(
    "--failed", "state", flag_value=DeliveryState.FAILED, help="Only those that were given up: --state failed."
)
@click.option("--type", "event_type", type=click.Choice(EVENT_TYPES), help="Only deliveries of such events.")
@click.option("--since", help=f"An instant (2026-04-27T11:20:12Z) or an age (36h); {SINCE} by default. Not with TASK.")
@click.option("--limit", type=click.IntRange(1), help=f"The most to show; without TASK {LIMIT} if it is not given.")
@as_json_option
def deliveries(
    task: str | None,
    subscriber_id: str | None,
    state: str | None,
    event_type: str | None,
    since: str | None,
    limit: int | None,
    as_json: bool,
) -> None:
    """Lists deliveries, newest first; of a TASK, with each attempt and the next retry.

    TASK is tsk_..., provider/task_id, or the provider's id alone. Deliveries of progress events are found by TASK or
    --subscriber.
    """
    if task is not None and since is not None:
        raise click.UsageError("--since is for lists without TASK: all deliveries of a task are shown")
    ledger = stack().edges.ledger
    if task is not None:
        chosen = (
            each
            for each in ledger.deliveries(find(task, ledger))
            if subscriber_id in (None, each.subscriber_id)
            and state in (None, each.state)
            and event_type in (None, each.event_type)
        )
        _show_with_attempts(list(islice(chosen, limit)), ledger, wants_json(as_json))
        return
    read = partial(
        ledger.delivery_page,
        most=limit or LIMIT,
        subscriber_id=subscriber_id,
        state=state,
        event_type=event_type,
        since=instant(since or SINCE, time.time()),
    )
    rows = (shapes.delivery(each) for each in islice(_all_pages(read), limit or LIMIT))
    if wants_json(as_json):
        lines(rows)
    else:
        table(list(rows), COLUMNS, nothing="there are no such deliveries")


@click.command()
@click.argument("task", required=False)
@click.option("--subscriber", "subscriber_id", metavar="ID", callback=subscriber_id, help="Only to this subscriber.")
@click.option("--since", help="All events since an instant (2026-04-27T11:20:12Z) or an age (36h); needs --subscriber.")
def replay(task: str | None, subscriber_id: str | None, since: str | None) -> None:
    """Sends the event of TASK again, or all events of a subscriber since a time.

    An event is sent with the same id and the same bytes.
    """
    if task is not None and since is not None:
        raise click.UsageError("--since is for all events of a --subscriber: give it, or a TASK")
    here = stack()
    if task is not None:
        found = here.edges.ledger.deliveries(find(task, here.edges.ledger))
        chosen = [each for each in found if subscriber_id in (None, each.subscriber_id)]
    elif subscriber_id is not None and since is not None:
        chosen = list(here.edges.ledger.deliveries_to(subscriber_id, since=instant(since, time.time())))
    else:
        raise click.UsageError("give a TASK, or a --subscriber with --since")
    chosen = [each for each in chosen if not each.event_type.endswith(".progress")]
    here.edges.runs.resend(chosen)
    click.echo(f"{len(chosen)} deliveries were started again")
    if not chosen:
        raise NotFound("there is nothing to replay; `vidhook deliveries` shows what there is")


def _all_pages(read: Callable[..., tuple[list[Delivery], str | None]]) -> Iterator[Delivery]:
    page, cursor = read()
    yield from page
    while cursor is not None:
        page, cursor = read(cursor=cursor)
        yield from page


def _show_with_attempts(found: list[Delivery], ledger: Ledger, for_program: bool) -> None:
    if not found:
        if not for_program:
            click.echo("no subscriber was notified of this task (yet)")
        return
    log = ledger.attempts(found[0].watch_id, found)  # all are deliveries of one task
    if for_program:
        lines(shapes.delivery_log(each, log.get((each.event_id, each.subscriber_id), ())) for each in found)
        return
    for each in found:
        state = click.style(each.state, bold=True)
        click.echo(f"{each.event_type} {each.event_id} to {_recipient(each, ledger)}: {state}")
        for made in log.get((each.event_id, each.subscriber_id), ()):
            click.echo(f"  {made.number:>3}  {iso(made.at)}  {_sentence(made)}")
        if each.state is DeliveryState.DUE:
            click.echo(f"       {iso(each.next_at or each.created_at)}  next attempt")
        click.echo("")


def _sentence(made: Attempt) -> str:
    answer = f"answered {made.status}" if made.status is not None else f"{made.kind}: {made.detail}"
    first_line = made.answer.strip().partition("\n")[0][:60]
    body = f" {first_line!r}" if first_line and made.outcome is not Outcome.DELIVERED else ""
    retry_after = f", asked for {made.retry_after} s" if made.retry_after is not None else ""
    return f"{made.outcome}: {answer}{body}{retry_after} after {made.timings.get('total', 0):.0f} ms"


def _recipient(delivery: Delivery, ledger: Ledger) -> str:
    try:
        subscriber = ledger.subscriber(delivery.subscriber_id)
    except NotFound:
        return f"{delivery.subscriber_id} (removed)"
    state = "" if subscriber.active else f", {subscriber.state}: {subscriber.reason}"
    return f"{subscriber.id} ({subscriber.url.partition('?')[0]}{state})"
