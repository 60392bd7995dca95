"""`vidhook events tail` prints the events on the event bus as they happen."""

import json
import signal
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from threading import Event
from typing import NoReturn
from uuid import uuid4

import boto3
import click

from vidhook_cli.show import Amount, as_json_option, lines, wants_json
from vidhook_cli.stack import stack

WAIT_SECONDS = 5


@click.group()
def events() -> None:
    """Shows the events on the event bus."""


@events.command()
@click.option("--seconds", type=Amount(0, 31_536_000), help="Stop after this time; by default, run until interrupted.")
@as_json_option
def tail(seconds: float | None, as_json: bool) -> None:
    """Prints every event as it happens.

    Uses a queue of its own, which is removed at the end.
    """
    ends = time.monotonic() + seconds if seconds is not None else float("inf")
    for_program = wants_json(as_json)
    interrupted = _interrupts()
    try:
        with _queue(stack().outputs["Bus"]) as url:
            client = boto3.client("sqs")
            while time.monotonic() < ends and not interrupted.is_set():
                wait = int(max(0, min(WAIT_SECONDS, ends - time.monotonic())))
                answer = client.receive_message(QueueUrl=url, MaxNumberOfMessages=10, WaitTimeSeconds=wait)
                for message in answer.get("Messages", []):
                    event = json.loads(message["Body"])
                    client.delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])
                    if for_program:
                        lines([event["detail"]])
                    else:
                        data = event["detail"].get("data", event["detail"])
                        click.echo(f"{event['time']}  {event['detail-type']:18}  {data.get('id', '')}  {_short(data)}")
    except KeyboardInterrupt:
        return


def _interrupts() -> Event:
    """Returns what a signal to end sets in addition to its KeyboardInterrupt, which Python drops in a destructor."""
    interrupted = Event()

    def interrupt(*_: object) -> NoReturn:
        interrupted.set()
        raise KeyboardInterrupt

    for name in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):  # the last one when its terminal is closed
        signal.signal(name, interrupt)
    return interrupted


def _short(data: dict[str, object]) -> str:
    return " ".join(str(data[name]) for name in ("provider", "task_id", "subscriber", "reason") if data.get(name))


@contextmanager
def _queue(bus: str) -> Iterator[str]:
    """Makes a queue that gets every event of the bus. What it made is removed at the end, or if a call is refused."""
    name = f"{stack().name}-tail-{uuid4().hex[:8]}"
    sqs, bridge = boto3.client("sqs"), boto3.client("events")
    with ExitStack() as made:
        url = sqs.create_queue(QueueName=name, Attributes={"MessageRetentionPeriod": "300"})["QueueUrl"]
        made.callback(sqs.delete_queue, QueueUrl=url)
        arn = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
        rule = bridge.put_rule(Name=name, EventBusName=bus, EventPattern=json.dumps({"source": ["vidhook"]}))["RuleArn"]
        made.callback(bridge.delete_rule, Name=name, EventBusName=bus)
        policy = {
            "Version": "2012-10-17",
            "Statement": [
                {
                    "Effect": "Allow",
                    "Principal": {"Service": "events.amazonaws.com"},
                    "Action": "sqs:SendMessage",
                    "Resource": arn,
                    "Condition": {"ArnEquals": {"aws:SourceArn": rule}},
                }
            ],
        }
        sqs.set_queue_attributes(QueueUrl=url, Attributes={"Policy": json.dumps(policy)})
        bridge.put_targets(Rule=name, EventBusName=bus, Targets=[{"Id": "tail", "Arn": arn}])
        made.callback(bridge.remove_targets, Rule=name, EventBusName=bus, Ids=["tail"])
        yield url
