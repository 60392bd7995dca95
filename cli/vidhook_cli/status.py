"""`vidhook status` shows whether the stack works."""

from typing import Any

import boto3
import click
from botocore.exceptions import ClientError

from vidhook.budget import parse_budgets
from vidhook.edges.ledger import Ledger
from vidhook.errors import NotFound
from vidhook.times import iso
from vidhook_cli.show import as_json_option, lines, table, wants_json
from vidhook_cli.stack import stack

MOST = 1_000
NO_BUDGETS = "none"  # the stack's output where its parameter is empty


@click.command()
@as_json_option
def status(as_json: bool) -> None:
    """Shows running and failed executions, dead-letter queues, active alarms and failing subscribers.

    Exits with 1 when anything is unwell.
    """
    here = stack()
    rows = [
        *_executions("watches", here.outputs["WatchArn"]),
        *_executions("redeliveries", here.outputs["RedeliverArn"]),
        *(_queue(name, url) for name, url in here.outputs.items() if name.endswith("Queue")),
        *_alarms(here.name),
        *unused_budgets(here.outputs.get("PollBudgets", NO_BUDGETS), here.edges.ledger),
        *(
            {
                "what": f"subscriber {each.id}",
                "value": each.state,
                "well": False,
                "detail": each.reason or f"failing since {iso(each.failing_since)}",
            }
            for each in here.edges.ledger.subscribers()
            if not each.active or each.failing_since is not None
        ),
    ]
    if wants_json(as_json):
        lines(rows)
    else:
        shown = [{**row, "well": "ok" if row["well"] else "LOOK"} for row in rows]
        table(shown, ("well", "what", "value", "detail"), nothing="")
    if not all(row["well"] for row in rows):
        raise SystemExit(1)


def unused_budgets(written: str, ledger: Ledger) -> list[dict[str, Any]]:
    """Returns a row for each budget of polls whose provider there is none of, so that it limits nothing."""
    rows = []
    for name in {} if written == NO_BUDGETS else parse_budgets(written):
        try:
            ledger.provider(name)
        except NotFound as error:
            near = ledger.nearest_provider(name)
            detail = f'{error}; did you mean "{near}"?' if near else str(error)
            rows.append({"what": f"budget of {name}", "value": "unused", "well": False, "detail": detail})
    return rows


def _executions(what: str, machine_arn: str) -> list[dict[str, Any]]:
    client = boto3.client("stepfunctions")
    rows = []
    for state in ("RUNNING", "FAILED", "TIMED_OUT", "ABORTED"):
        found = client.list_executions(stateMachineArn=machine_arn, statusFilter=state, maxResults=MOST)["executions"]
        count = f"{len(found)}{'+' if len(found) == MOST else ''}"
        names = ", ".join(execution["name"] for execution in found[:3]) if state != "RUNNING" else ""
        rows.append(
            {
                "what": f"{what} {state.lower()}",
                "value": count,
                "well": state == "RUNNING" or not found,
                "detail": names,
            }
        )
    return rows


def _queue(name: str, url: str) -> dict[str, Any]:
    attributes = boto3.client("sqs").get_queue_attributes(
        QueueUrl=url, AttributeNames=["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"]
    )["Attributes"]
    waiting = int(attributes["ApproximateNumberOfMessages"])
    dead = "DeadLetter" in name
    detail = "its messages say why: docs/operating.md" if dead and waiting else ""
    return {"what": name, "value": str(waiting), "well": not (dead and waiting), "detail": detail}


def _alarms(prefix: str) -> list[dict[str, Any]]:
    try:
        alarms = boto3.client("cloudwatch").describe_alarms(AlarmNamePrefix=f"{prefix}-")["MetricAlarms"]
    except ClientError as error:
        return [{"what": "alarms", "value": "?", "well": False, "detail": str(error)}]
    ringing = [alarm for alarm in alarms if alarm["StateValue"] == "ALARM"]
    rows = [{"what": "alarms", "value": f"{len(ringing)} of {len(alarms)}", "well": not ringing, "detail": ""}]
    for alarm in ringing:
        detail = alarm.get("AlarmDescription", "")
        rows.append({"what": alarm["AlarmName"], "value": "ALARM", "well": False, "detail": detail})
    return rows
