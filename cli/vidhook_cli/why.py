"""`vidhook why` tells the whole story of a task in one screen: asked, stored, told, and what comes next."""

import time
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

import click

from vidhook import shapes
from vidhook.errors import Erased, NotFound
from vidhook.event import Event
from vidhook.find import LONGEST_REFERENCE
from vidhook.task import Attempt, Creation, Delivery, DeliveryState, Watch
from vidhook.times import iso
from vidhook_cli.deliveries import Log, logged, recipient, sentence
from vidhook_cli.show import as_json_option, lines, one_line, say, span, wants_json
from vidhook_cli.stack import stack
from vidhook_cli.tasks import cancelled, find, named, stored

if TYPE_CHECKING:
    from vidhook.edges.ledger import Ledger

# By the state of a delivery: what becomes of it.
COMES = {
    DeliveryState.DELIVERED: "",
    DeliveryState.DUE: "next attempt in {wait}",
    DeliveryState.HELD: "held until: `vidhook subscribers resume {subscriber}`",
    DeliveryState.FAILED: "given up; to send it again: `vidhook replay {task} --subscriber {subscriber}`",
    DeliveryState.CANCELLED: "cancelled, as the subscriber was removed",
}


@click.command()
@click.argument("reference")
@as_json_option
def why(reference: str, as_json: bool) -> None:
    """Tells what happened to the tasks with REFERENCE, newest first: asked, stored, told, and what comes next.

    REFERENCE is what they were submitted with; or a task: tsk_..., provider/task_id, the provider's id
    alone, or the id of its event, evt_....
    """
    ledger = stack().edges.ledger
    watches = ledger.tasks.of_reference(reference) if len(reference) <= LONGEST_REFERENCE else []
    if not watches:
        try:
            watches = [ledger.tasks.watch(find(reference, ledger))]
        except Erased:
            raise
        except NotFound as error:
            hint = "a task submitted without a reference is found by its metadata: vidhook tasks --metadata order=17"
            raise NotFound(f"{error}; {hint}") from None
    for watch in watches:
        found, log = list(ledger.deliveries.of_task(watch.id)), ledger.deliveries.attempts(watch.id)
        events = list(ledger.tasks.events(watch.id))
        if wants_json(as_json):
            lines([_row(watch, events, logged(found, log, ledger))])
        else:
            say("\n".join(_told(watch, events, found, log, ledger)) + "\n", " " * 10)


def _row(watch: Watch, events: list[Event], deliveries: Iterable[dict[str, Any]]) -> dict[str, Any]:
    return {
        "task": shapes.task(watch),
        "next_poll_at": iso(watch.next_poll_at),
        "events": [event.data for event in events],
        "deliveries": list(deliveries),
    }


def _told(watch: Watch, events: list[Event], found: list[Delivery], log: Log, ledger: "Ledger") -> list[str]:
    row, now = shapes.task(watch), time.time()
    name, reference = one_line(named(row)), one_line(row["reference"] or "")
    said = [f"{reference or name}: {click.style(row['status'], bold=True)}  ({name}, {watch.id})"]
    due = watch.next_poll_at
    last = watch.history[-1] if watch.history else None
    answered = f", the last one {span(now - last.at)} ago: {last.answer}" if last else ""
    wait = "" if due is None else f" in {span(max(0.0, due - now))}"
    if watch.creation is not None:
        said.append(f"  created {_created(watch, f'; next request{wait}' if wait and watch.uncreated else '')}")
    if not watch.uncreated:
        then = f"; next poll{wait}" if wait else ""
        said.append(f"  asked   {watch.polls} polls since {row['submitted_at']}{answered}{then}")
    if watch.cancel is not None:
        said.append(f"  cancel  asked at {iso(watch.cancel.at)}: {cancelled(watch.cancel)}")
    for event in events:
        said += [f"  stored  {one_line(each)}" for each in stored(event)]
        error = event.data["data"]["error"]
        because = f": {error['category']}, {one_line(error['message'])}" if error else ""
        said.append(f"  told    {event.type} {event.id} at {iso(event.at)}{because}")
        mine = [each for each in found if each.event_id == event.id]
        for each in mine:
            made = log.get((each.event_id, each.subscriber_id), [])
            said.append(f"          {recipient(each, ledger)}: {click.style(each.state, bold=True)}{_last(made)}")
            wait = span(max(0.0, (each.next_at or now) - now))
            comes = COMES[each.state].format(wait=wait, subscriber=each.subscriber_id, task=watch.id)
            said += [f"            {comes}"] if comes else []
        if not mine:
            said.append("          nobody: no subscriber wanted it, and the task has no callback_url")
    return said


def _created(watch: Watch, then: str) -> str:
    """Returns how far the creation of a task is."""
    creation, error = watch.creation or Creation(), watch.snapshot.error if watch.snapshot else None
    requests = f"{creation.tries} request{'' if creation.tries == 1 else 's'}"
    if creation.done_at is not None:
        return f"at {iso(creation.done_at)}, with {requests}"
    return f"not{'' if watch.settled else ' yet'}, {requests}{f': {one_line(error.message)}' if error else ''}{then}"


def _last(made: Sequence[Attempt]) -> str:
    return f", attempt {made[-1].number} at {iso(made[-1].at)}: {sentence(made[-1])}" if made else ""
