"""The checks of `vidhook status --deep`: a sample task by every way in, the alarms' metrics, the dead-letter queues."""

import json
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from fnmatch import fnmatch
from functools import partial
from itertools import chain
from typing import Any
from uuid import uuid4

import click
from botocore.exceptions import ClientError

from vidhook.errors import NotFound, VidhookError
from vidhook.event import Event
from vidhook.task import SAMPLE, Submission, watch_id
from vidhook_cli.refusals import in_words
from vidhook_cli.signing import signed
from vidhook_cli.stack import Stack, alarms, client, credentials, in_sandbox, seen

WAIT_SECONDS = 90.0
STEP_SECONDS = 0.5
REQUEST_SECONDS = 20.0
BODY_BYTES = 64 * 1024
EVENT_SOURCE, DETAIL_TYPE = "vidhook.status", "vidhook.submit"
# Alarms whose metric has no data on a stack that is well, and why. Every other one has data once its functions ran, its
# queues were used and a sweep came to its end, which is so after `--deep`.
QUIET = {
    **dict.fromkeys(("redeliver-event-errors", "redeliver-event-throttles"), "no webhook was sent again"),
    "oldest-undelivered": "no webhook has waited",
    "poll-budget": "no provider has a budget of polls",
    **dict.fromkeys(
        (
            *("watch-failed", "watch-timed-out", "redeliver-failed", "transitions-throttled"),
            *("creations-ambiguous", "key-refused", "unknown-status-words", "store-failures", "deliveries-given-up"),
        ),
        "nothing has gone wrong",
    ),
}
NO_DATA = "it cannot ring; CloudWatch lists a metric 15 minutes after its first data: if it is so later, see its metric"
# Who must be able to send into each queue, by the stack's outputs.
SENDERS = {
    "SubmissionsQueue": ("events.amazonaws.com", "sns.amazonaws.com"),
    "SubmissionsDeadLetterQueue": ("events.amazonaws.com",),
    "FaultsDeadLetterQueue": ("events.amazonaws.com", "scheduler.amazonaws.com"),
}
TRIES = 10  # to get a message back that was put into an empty queue

Row = dict[str, Any]
Given = dict[str, Any]


def examine(here: Stack) -> list[Row]:
    """Returns what each check found, as rows of what, value, well and detail."""
    if sys.stderr.isatty():
        click.echo(f"sample tasks are sent in by {len(WAYS)} ways: up to {WAIT_SECONDS:.0f} s", err=True)
    with ThreadPoolExecutor() as pool:
        tasks = list(pool.map(lambda way: _way_in(here, *way), WAYS.items()))
    queues = {name: here.outputs[name] for name in SENDERS}
    parts = [seen(f"{name} lets send", partial(_senders, name, url)) for name, url in queues.items()]
    dead = {name: url for name, url in queues.items() if name.endswith("DeadLetterQueue")}
    parts += [seen(f"{name} takes messages", partial(_dead_letter, name, url)) for name, url in dead.items()]
    return [*tasks, *seen("alarms with data", partial(_metrics, here)), *chain.from_iterable(parts)]


# Ways in: each gets a sample task of its own, which must end in one event with a stored video


def _by_function(here: Stack, submission: Given) -> None:
    payload = json.dumps(submission).encode()
    answer = client("lambda").invoke(FunctionName=here.outputs["SubmitFunction"], Payload=payload)
    if "FunctionError" in answer:
        raise VidhookError(str(json.loads(answer["Payload"].read()).get("errorMessage")))


def _by_queue(here: Stack, submission: Given) -> None:
    client("sqs").send_message(QueueUrl=here.outputs["SubmissionsQueue"], MessageBody=json.dumps(submission))


def _by_bus(here: Stack, submission: Given) -> None:
    bus, detail = here.outputs["Bus"], json.dumps(submission)
    entry: Any = {"EventBusName": bus, "Source": EVENT_SOURCE, "DetailType": DETAIL_TYPE, "Detail": detail}
    answer = client("events").put_events(Entries=[entry])
    if answer["FailedEntryCount"]:
        raise VidhookError(str(answer["Entries"][0].get("ErrorMessage")))


def _by_execution(here: Stack, submission: Given) -> None:
    client("stepfunctions").start_execution(
        stateMachineArn=here.outputs["WatchArn"], name=str(submission["task_id"]), input=json.dumps(submission)
    )


def _by_api(here: Stack, submission: Given) -> None:
    url, body = f"{here.outputs['ApiUrl']}/v1/tasks", json.dumps(submission).encode()
    headers = signed(
        "POST",
        url,
        region=here.region,
        credentials=credentials(),
        headers={"content-type": "application/json"},
        body=body,
    )
    answer = here.edges.http.send(
        "POST", url, headers=headers, body=body, deadline=REQUEST_SECONDS, max_bytes=BODY_BYTES
    )
    if answer.status not in (200, 202):
        raise VidhookError(f"it answered {answer.status}: {answer.body[:200].decode('utf-8', 'replace')}")


CREATION = "creation, by function"
WAYS: dict[str, Callable[[Stack, Given], None]] = {
    "function": _by_function,
    CREATION: _by_function,
    "queue": _by_queue,
    "event bus": _by_bus,
    "execution": _by_execution,
    "API": _by_api,
}


def _way_in(here: Stack, name: str, send: Callable[[Stack, Given], None]) -> Row:
    own = f"status-{uuid4().hex[:12]}"
    creates = name == CREATION
    names: Given = {"create": {"prompt": "a sample"}, "idempotency_key": own} if creates else {"task_id": own}
    task = Submission(SAMPLE, idempotency_key=own, creates=True).id if creates else watch_id(SAMPLE, own)
    began = time.monotonic()
    try:
        send(here, {"provider": SAMPLE, "expected_seconds": 1, **names})
        problem = _problem_of(_event(here, task, began + WAIT_SECONDS))
    except ClientError as error:
        problem = in_words(error)
    except VidhookError as error:
        problem = str(error)
    took = f"{time.monotonic() - began:.0f} s"
    return {
        "what": f"way in: {name}",
        "value": "failed" if problem else took,
        "well": not problem,
        "detail": problem or f"{SAMPLE}/{own} was {'created, ' if creates else ''}polled, stored and published",
    }


def _event(here: Stack, task: str, ends: float) -> Event | None:
    """Returns the terminal event of a sample task, None if there is none in time."""
    while time.monotonic() < ends:
        try:
            watch = here.edges.ledger.tasks.watch(task)
            if watch.event_id is not None:
                return here.edges.ledger.tasks.event(task, watch.event_id)
        except NotFound:
            pass  # it has not come in yet
        time.sleep(STEP_SECONDS)
    return None


def _problem_of(event: Event | None) -> str:
    """Returns what is wrong with the end of a sample task, nothing if all is well."""
    if event is None:
        where = "the log of submit-task, the refused submissions and the dead letters"
        return f"no event within {WAIT_SECONDS:.0f} s: look at {where}"
    if event.type != "video.completed":
        return f"it ended as {event.type}: {event.data['data']['error']['message']}"
    [film] = event.data["data"]["assets"]
    return "" if film["stored"] else f"its video was not stored: {film['store_error']['message']}"


# Alarms and queues


def _metrics(here: Stack) -> Iterator[Row]:
    """Yields how many alarms have data, and a row for each that has none though it should: it would never ring."""
    metrics = client("cloudwatch")
    wanted: dict[str, list[Row]] = {}
    for alarm in alarms(here):
        stats = [each["MetricStat"]["Metric"] for each in alarm.get("Metrics", ()) if "MetricStat" in each]
        wanted[alarm["AlarmName"].removeprefix(f"{here.name}-")] = stats or [
            {name: alarm[name] for name in ("Namespace", "MetricName", "Dimensions") if name in alarm}
        ]
    without = [
        name for name, its in wanted.items() if not any(metrics.list_metrics(**metric)["Metrics"] for metric in its)
    ]
    missing = [name for name in without if name not in QUIET]
    reasons = sorted({QUIET[name] for name in without if name in QUIET})
    said = [f"{why}: {', '.join(each for each in without if QUIET.get(each) == why)}" for why in reasons]
    if missing and in_sandbox():
        said.append(f"a sandbox has few of AWS's own metrics: {', '.join(missing)}")
        missing = []
    yield {
        "what": "alarms with data",
        "value": f"{len(wanted) - len(without)} of {len(wanted)}",
        "well": not missing,
        "detail": f"no data, as {'; as '.join(said)}" if said else "",
    }
    for name in missing:
        yield {"what": f"data of {name}", "value": "none", "well": False, "detail": NO_DATA}


def _senders(name: str, url: str) -> Iterator[Row]:
    """Yields whether a queue's policy lets the services send that have to."""
    answer = client("sqs").get_queue_attributes(QueueUrl=url, AttributeNames=["Policy"])
    allowed = senders(json.loads(answer.get("Attributes", {}).get("Policy") or "{}"))
    missing = [service for service in SENDERS[name] if allowed.isdisjoint((service, "*"))]
    yield {
        "what": f"{name} lets send",
        "value": "not all" if missing else "yes",
        "well": not missing,
        "detail": f"its policy leaves out {', '.join(missing)}: deploy the stack again"
        if missing
        else ", ".join(SENDERS[name]),
    }


def senders(policy: Mapping[str, Any]) -> set[str]:
    """Returns the services that a queue's policy lets send, and `*` if it lets everybody.

    People may have changed it: it can be anything that AWS takes as a policy.
    """
    found = set[str]()
    for each in _several(policy.get("Statement", [])):
        actions, principal = _several(each.get("Action", [])), each.get("Principal", {})
        if each["Effect"] == "Allow" and any(fnmatch("sqs:sendmessage", action.lower()) for action in actions):
            kinds = principal if isinstance(principal, dict) else {"AWS": principal}
            found |= {*_several(kinds.get("Service", [])), *({"*"} & set(_several(kinds.get("AWS", []))))}
    return found


def _several(value: Any) -> list[Any]:
    """Returns what a policy has as one value or as a list of them."""
    return value if isinstance(value, list) else [value]


def _dead_letter(name: str, url: str) -> Iterator[Row]:
    """Yields whether a dead-letter queue takes a message, if it is empty; the message is taken out again at once."""
    sqs, names = client("sqs"), ["ApproximateNumberOfMessages"]
    held = int(sqs.get_queue_attributes(QueueUrl=url, AttributeNames=names)["Attributes"][names[0]])
    problem = ""
    if not held:
        sent = sqs.send_message(QueueUrl=url, MessageBody='{"sent by": "vidhook status --deep"}')["MessageId"]
        problem = "" if _taken_out(sqs, url, sent) else f"message {sent} is still in it: remove it"
    yield {
        "what": f"{name} takes messages",
        "value": "failed" if problem else "yes",
        "well": not problem,
        "detail": problem or ("it holds some" if held else "a message of yours, not of a service, and out again"),
    }


def _taken_out(sqs: Any, url: str, message_id: str) -> bool:
    for _ in range(TRIES):
        for message in sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10, WaitTimeSeconds=1).get("Messages", ()):
            if message["MessageId"] == message_id:
                sqs.delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])
                return True
    return False
