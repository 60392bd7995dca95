"""Follows the events of the stack's bus, with a queue and a rule of its own that are removed whatever happens."""

import json
import signal
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from functools import partial
from threading import Event
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import click

from vidhook_cli.show import Amount
from vidhook_cli.stack import Stack, client, stack

if TYPE_CHECKING:
    from mypy_boto3_sqs import SQSClient

WAIT_SECONDS = 5
# A laptop that sleeps for a while still finds its events.
KEPT_SECONDS = 3_600
# Ten messages are received at once, and an attempt at a server that hangs takes 15 s.
HIDDEN_SECONDS = 300
# The end of a command waits for AWS, so it must not take minutes where there is no network any more.
AT_THE_END = {"connect_timeout": 3, "read_timeout": 5, "retries": {"total_max_attempts": 1}}
# Rules and queues have names of at most 64 and 80 characters, stacks of 128.
NAME_CHARACTERS = 40

seconds_option = click.option(
    "--seconds", type=Amount(0, 31_536_000), help="Stop after this time; by default, run until interrupted."
)


@dataclass(frozen=True, slots=True)
class Message:
    """One event of the bus, in EventBridge's envelope. `tries`: how often it was received, this time included."""

    envelope: dict[str, Any]
    tries: int
    handle: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class Queue:
    """The queue that gets the events. `interrupted` is set by a signal to end."""

    client: "SQSClient"
    url: str
    interrupted: Event

    def messages(self, seconds: float | None) -> Iterator[Message]:
        """Yields messages as they come, for so many seconds or until the command is interrupted."""
        ends = time.monotonic() + seconds if seconds is not None else float("inf")
        while time.monotonic() < ends and not self.interrupted.is_set():
            wait = int(max(0, min(WAIT_SECONDS, ends - time.monotonic())))
            answer = self.client.receive_message(
                QueueUrl=self.url,
                MaxNumberOfMessages=10,
                WaitTimeSeconds=wait,
                MessageSystemAttributeNames=["ApproximateReceiveCount"],
            )
            for message in answer.get("Messages", []):
                tries = int(message["Attributes"]["ApproximateReceiveCount"])
                yield Message(json.loads(message["Body"]), tries, message["ReceiptHandle"])

    def remove(self, message: Message) -> None:
        """Removes a message, which is done with."""
        self.client.delete_message(QueueUrl=self.url, ReceiptHandle=message.handle)

    def postpone(self, message: Message, seconds: int) -> None:
        """Makes a message come again after so many seconds."""
        self.client.change_message_visibility(
            QueueUrl=self.url, ReceiptHandle=message.handle, VisibilityTimeout=seconds
        )


@contextmanager
def following(types: Sequence[str] = ()) -> Iterator[Queue]:
    """Gives a queue that gets the events of these types, or all that vidhook puts on the bus.

    Ctrl-C, SIGTERM and SIGHUP end the block without an error. A signal that comes while the queue and the rule are
    made or removed waits until that is done.
    """
    here, interrupted, inside = stack(), Event(), False

    def interrupt(*_: object) -> None:
        interrupted.set()
        if inside:
            # Again in a second, if the exception is dropped: in a destructor, or in a library's callback.
            signal.alarm(1)
            raise KeyboardInterrupt

    signals = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGALRM)  # SIGHUP when its terminal is closed
    former = {each: signal.signal(each, interrupt) for each in signals}
    try:
        with _queue(here, types) as (client, url), suppress(KeyboardInterrupt):
            inside = True
            try:
                yield Queue(client, url, interrupted)
            finally:
                inside = False
    finally:
        signal.alarm(0)
        for each, handler in former.items():
            signal.signal(each, handler)


@contextmanager
def _queue(here: Stack, types: Sequence[str]) -> Iterator[tuple["SQSClient", str]]:
    """Makes the queue and the rule. What it made is removed at the end, or if a call is refused."""
    from vidhook.edges.bus import SOURCE

    bus, name = here.outputs["Bus"], f"{here.name[:NAME_CHARACTERS]}-tail-{uuid4().hex[:8]}"
    sqs, bridge = client("sqs"), client("events")
    last_sqs, last_bridge = client("sqs", AT_THE_END), client("events", AT_THE_END)
    pattern = {"source": [SOURCE], **({"detail-type": list(types)} if types else {})}
    with ExitStack() as made:
        url = sqs.create_queue(
            QueueName=name,
            Attributes={"MessageRetentionPeriod": str(KEPT_SECONDS), "VisibilityTimeout": str(HIDDEN_SECONDS)},
        )["QueueUrl"]
        made.callback(_remove, f"the queue {name}", partial(last_sqs.delete_queue, QueueUrl=url))
        arn = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
        rule = bridge.put_rule(Name=name, EventBusName=bus, EventPattern=json.dumps(pattern))["RuleArn"]
        rest = partial(last_bridge.delete_rule, Name=name, EventBusName=bus)
        made.callback(_remove, f"the rule {name} of the bus {bus}", rest)
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
        answer = bridge.put_targets(Rule=name, EventBusName=bus, Targets=[{"Id": "tail", "Arn": arn}])
        if answer["FailedEntryCount"]:
            raise click.ClickException(f"the event bus refused the queue: {answer['FailedEntries'][0]['ErrorMessage']}")
        target = partial(last_bridge.remove_targets, Rule=name, EventBusName=bus, Ids=["tail"])
        made.callback(_remove, f"the target of the rule {name}", target)
        yield sqs, url


def _remove(what: str, call: Callable[[], object]) -> None:
    """Removes one thing; what cannot be removed is named, so that somebody can do it later."""
    from botocore.exceptions import BotoCoreError, ClientError

    from vidhook_cli.refusals import in_words

    try:
        call()
    except (ClientError, BotoCoreError) as error:
        click.echo(f"{what} is left behind: {in_words(error)}", err=True)
