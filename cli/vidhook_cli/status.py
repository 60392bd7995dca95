"""`vidhook status` shows whether the stack works, and how it did in the last day."""

import time
from collections.abc import Iterator
from datetime import UTC, datetime
from functools import partial
from itertools import islice
from typing import TYPE_CHECKING, Any

import click

from vidhook.budget import parse_budgets
from vidhook.errors import BadInput, BadSubmission, NotFound
from vidhook.times import iso
from vidhook_cli.show import as_json_option, lines, table, wants_json
from vidhook_cli.stack import Row, Stack, alarms, client, seen, stack

if TYPE_CHECKING:
    from vidhook.edges.ledger import Ledger
    from vidhook.wiring import Edges

MOST = 1_000
DAY = 86_400
CANCEL_SECONDS = 900  # a provider should have taken a wish to cancel by then, which is sent again with each poll
LOOKED_AT = 100  # the latest executions that ended badly in a day: each is a request
# How an execution is longest, in days: one that failed within the last day began at most so long before.
LONGEST_DAYS = 8
NO_BUDGETS = "none"  # the stack's output where its parameter is empty


@click.command()
@click.option("--deep", is_flag=True, help="Also send sample tasks in by every way, and wait for their events.")
@as_json_option
def status(deep: bool, as_json: bool) -> None:
    """Shows running executions, those that failed in the last day, queues, alarms, cancellations, failing subscribers.

    Exits with 1 when anything is unwell. With --deep no subscriber is notified, unless it asks for the provider sample.
    """
    here = stack()
    where = f"account {here.account}, {here.region}; what failed is of the last day"
    rows = [{"what": "stack", "value": here.name, "well": True, "detail": where}]
    for name, part in (
        ("watches", partial(_executions, "watches", here.outputs["WatchArn"])),
        ("redeliveries", partial(_executions, "redeliveries", here.outputs["RedeliverArn"])),
        ("queues", partial(_queues, here)),
        ("alarms", partial(_alarms, here)),
        ("networks", partial(unusable_networks, here.edges)),
        ("budgets", partial(unused_budgets, here.outputs.get("PollBudgets", NO_BUDGETS), here.edges.ledger)),
        ("cancellations", partial(_cancellations, here.edges.ledger)),
        ("subscribers", partial(_subscribers, here.edges.ledger)),
    ):
        rows += seen(name, part)
    if deep:
        from vidhook_cli.deep import examine

        rows += examine(here)
    if wants_json(as_json):
        lines(rows)
    else:
        shown = [{**row, "well": "ok" if row["well"] else "LOOK"} for row in rows]
        table(shown, ("well", "what", "value", "detail"), nothing="")
    if not all(row["well"] for row in rows):
        raise SystemExit(1)


def _subscribers(ledger: "Ledger") -> Iterator[Row]:
    for each in ledger.subscribers.all():
        if not each.active or each.failing_since is not None:
            detail = each.reason or f"failing since {iso(each.failing_since)}"
            yield {"what": f"subscriber {each.id}", "value": each.state, "well": False, "detail": detail}


def _cancellations(ledger: "Ledger") -> Iterator[Row]:
    """Yields how many wishes to cancel no provider has taken yet, among the tasks that move next."""
    found = ledger.tasks.open(MOST)
    waiting = [
        (watch.cancel.at, watch.id) for watch in found if watch.cancel and watch.cancel.pending and not watch.settled
    ]
    since, names = min(waiting, default=(time.time(), ""))[0], ", ".join(task for _, task in sorted(waiting)[:3])
    count = f"{len(waiting)}{'+' if len(found) >= MOST else ''}"
    detail = f"{names}; since {iso(since)}: `vidhook task` shows why" if waiting else ""
    well = since > time.time() - CANCEL_SECONDS
    yield {"what": "cancellations waiting", "value": count, "well": well, "detail": detail}


def unusable_networks(edges: "Edges") -> Iterator[Row]:
    """Yields a row if a network that the stack allows is none: then no function can send a request."""
    try:
        edges.http  # noqa: B018 - made when it is first asked for
    except BadInput as error:
        detail = f"{error.problem}; {error.hint}: until then no function can send a request"
        yield {"what": "AllowedNetworks", "value": "unusable", "well": False, "detail": detail}


def unused_budgets(written: str, ledger: "Ledger") -> list[dict[str, Any]]:
    """Returns a row for each budget of polls whose provider there is none of, so that it limits nothing."""
    rows = []
    for name in {} if written == NO_BUDGETS else parse_budgets(written):
        try:
            ledger.providers.get(name)
        except NotFound as error:
            near = ledger.providers.nearest(name)
            detail = f'{error}; did you mean "{near}"?' if near else str(error)
            rows.append({"what": f"budget of {name}", "value": "unused", "well": False, "detail": detail})
    return rows


def _executions(what: str, machine_arn: str) -> Iterator[Row]:
    states = client("stepfunctions")
    running = list(islice(_listed(states, machine_arn, "RUNNING"), MOST))
    count = f"{len(running)}{'+' if len(running) == MOST else ''}"
    yield {"what": f"{what} running", "value": count, "well": True, "detail": ""}
    now = time.time()
    for state in ("FAILED", "TIMED_OUT", "ABORTED"):
        ended = _listed(states, machine_arn, state, since=now - LONGEST_DAYS * DAY)
        today = list(islice((each for each in ended if each["stopDate"].timestamp() > now - DAY), LOOKED_AT))
        found = [each["name"] for each in today if not _by_design(states, each, state)]
        names, words = ", ".join(found[:3]), state.lower().replace("_", " ")
        count = f"{len(found)}{'+' if len(today) == LOOKED_AT else ''}"
        yield {"what": f"{what} {words}", "value": count, "well": not found, "detail": names}


def _listed(client: Any, machine_arn: str, state: str, since: float = 0.0) -> Iterator[dict[str, Any]]:
    """Yields the executions in a state that began since an instant, newest first."""
    for page in client.get_paginator("list_executions").paginate(stateMachineArn=machine_arn, statusFilter=state):
        for execution in page["executions"]:
            if execution["startDate"] < datetime.fromtimestamp(since, UTC):
                return
            yield execution


def _by_design(client: Any, execution: dict[str, Any], state: str) -> bool:
    """Returns whether an execution failed to tell a caller its mistake; the bridge is well."""
    if state != "FAILED":
        return False
    described = client.describe_execution(executionArn=execution["executionArn"])
    return bool(described.get("error") == BadSubmission.__name__)


def _queues(here: Stack) -> Iterator[Row]:
    names = ["ApproximateNumberOfMessages"]
    for name, url in here.outputs.items():
        if name.endswith("Queue"):
            answer = client("sqs").get_queue_attributes(QueueUrl=url, AttributeNames=names)
            waiting = int(answer["Attributes"]["ApproximateNumberOfMessages"])
            dead, refused = "DeadLetter" in name, "Refused" in name
            detail = "its messages say why: docs/operating.md" if (dead or refused) and waiting else ""
            yield {"what": name, "value": str(waiting), "well": not (dead and waiting), "detail": detail}


def _alarms(here: Stack) -> Iterator[Row]:
    known = alarms(here)
    ringing = [alarm for alarm in known if alarm["StateValue"] == "ALARM"]
    yield {"what": "alarms", "value": f"{len(ringing)} of {len(known)}", "well": not ringing, "detail": ""}
    for alarm in ringing:
        detail = alarm.get("AlarmDescription", "")
        yield {"what": alarm["AlarmName"], "value": "ALARM", "well": False, "detail": detail}
