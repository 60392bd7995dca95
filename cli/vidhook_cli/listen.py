"""`vidhook listen` brings the events of the deployed stack to a server on this machine, as the webhooks they are."""

from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from vidhook.event import Event, serialize
from vidhook.signature import new_secret
from vidhook.subscribers import check
from vidhook.task import EVENT_TYPES, Attempt, AttemptKind, Outcome, Subscriber
from vidhook.times import iso
from vidhook_cli.endpoint import (
    answered,
    body_shown,
    given_secret,
    http_to,
    milliseconds,
    network_options,
    post,
)
from vidhook_cli.follow import Message, Queue, following, seconds_option
from vidhook_cli.show import as_json_option, tell
from vidhook_cli.stack import stack

if TYPE_CHECKING:
    from vidhook.edges.http import Http

# Seconds before each further attempt: enough to restart a server that is being written.
PAUSES = (1, 5, 15)
# The most that a Retry-After is obeyed, in seconds.
LONGEST_PAUSE = 60


@dataclass(frozen=True, slots=True)
class Endpoint:
    """Where the events go, and the secret that signs them."""

    url: str
    secret: str
    http: "Http"


@click.command()
@click.argument("url")
@click.option(
    "--secret",
    envvar="VIDHOOK_SECRET",
    callback=given_secret,
    help="Sign with this whsec_..., or with VIDHOOK_SECRET; by default with a new one, which is shown.",
)
@click.option("--events", multiple=True, default=("*",), show_default=True, help="Event types, * for any part.")
@network_options
@seconds_option
@as_json_option
def listen(
    url: str,
    secret: str | None,
    events: tuple[str, ...],
    allow: tuple[str, ...],
    ca_file: Path | None,
    seconds: float | None,
    as_json: bool,
) -> None:
    """Brings the events of the stack to URL as they happen, signed as a subscriber gets them.

    URL is on this machine, such as http://localhost:3000/hook, or in a network given with --allow, or public https.
    What is not accepted is tried again after 1, 5 and 15 seconds. Uses a queue and a rule of its own, which are removed
    at the end. On AWS a new rule may miss the events of its first minute. --events can be given several times.
    """
    endpoint = Endpoint(url, secret or new_secret(), http_to(url, allow, ca_file))
    check(Subscriber("listen", url, events=events), endpoint.http)
    types = [known for known in EVENT_TYPES if any(fnmatchcase(known, pattern) for pattern in events)]
    with following(types) as queue:
        where = url.partition("?")[0]  # the query string may be a credential
        shown = endpoint.secret if secret is None else None  # who gave it has it
        new = f"signing secret of this run: {click.style(shown, bold=True)}" if shown else "signed with your secret"
        tell(
            {"stack": stack().name, "url": where, "events": types, "secret": shown},
            f"the events of the stack {stack().name} go to {where}; Ctrl-C ends this\n{new}",
            as_json,
        )
        for message in queue.messages(seconds):
            bring(message, queue, endpoint, as_json)


def bring(message: Message, queue: Queue, endpoint: Endpoint, as_json: bool) -> None:
    """Makes one attempt to bring a message of the bus to the endpoint, and prints what came of it.

    The message is removed when it is delivered or given up, else it comes again after a pause.
    """
    event = event_of(message.envelope)
    made = post(event, endpoint.url, endpoint.secret, endpoint.http, number=message.tries)
    pause = _pause(made)
    data = event.data.get("data") or {}
    row = {"at": iso(made.at), "event_id": event.id, "event_type": event.type, "task": data.get("id")}
    row |= {"provider": data.get("provider"), "task_id": data.get("task_id"), "attempt": made.number}
    row |= {"outcome": _outcome(made, pause), "kind": made.kind, "status": made.status, "ms": milliseconds(made)}
    row |= {"detail": made.detail, "body": body_shown(made), "pause": pause}
    then = {"retry": f"; again in {pause} s", "failed": f"; given up after attempt {made.number}"}
    said = f"{answered(made)}{then.get(str(row['outcome']), '')}"
    tell(row, f"{row['at']}  {event.type:15}  {row['provider']}/{row['task_id']}  {said}", as_json)
    if pause is None:
        queue.remove(message)
    else:
        queue.postpone(message, pause)


def event_of(envelope: dict[str, Any]) -> Event:
    """Returns the event in EventBridge's envelope, with the very body of its webhooks.

    The bus has that body as `detail`, whole: events are made so that they fit. Parsed, and serialized in its one form,
    it has the same bytes again.
    """
    body = envelope["detail"]
    return Event(body.get("id", envelope["id"]), envelope["detail-type"], "", "", 0.0, serialize(body))


def _pause(made: Attempt) -> int | None:
    """Returns the seconds until the next attempt; None if there is none."""
    if made.outcome in (Outcome.DELIVERED, Outcome.GONE) or made.kind is AttemptKind.BLOCKED:
        return None
    if made.number > len(PAUSES):
        return None
    return max(PAUSES[made.number - 1], min(made.retry_after or 0, LONGEST_PAUSE))


def _outcome(made: Attempt, pause: int | None) -> Outcome:
    """Returns the outcome of an attempt: what is not tried again has failed."""
    return Outcome.FAILED if made.outcome is Outcome.RETRY and pause is None else made.outcome
