"""What end-to-end tests do with the deployed stack, and what they read from it."""

import json
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import requests
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

from tests.events import check_event
from vidhook.errors import NotFound
from vidhook.event import Event
from vidhook.task import DeliveryState, Subscriber, Watch, watch_id
from vidhook_sandbox.cloud import REGION, Cloud
from vidhook_sandbox.provider import SampleProvider, SampleTask
from vidhook_sandbox.subscriber import Received, SampleSubscriber

if TYPE_CHECKING:
    from mypy_boto3_stepfunctions import SFNClient
    from mypy_boto3_stepfunctions.type_defs import DescribeExecutionOutputTypeDef

WAIT_SCALE = 0.05  # every Wait of a state machine is twenty times shorter
PATIENCE = 120.0  # seconds for any one thing to happen, on a machine with too much to do
Found = TypeVar("Found")


def eventually(look: Callable[[], Found | None], seconds: float = PATIENCE) -> Found:
    """Returns the first true value that `look` returns. Raises AssertionError when there is none within `seconds`."""
    deadline = time.monotonic() + seconds
    while not (found := look()):
        assert time.monotonic() < deadline, f"after {seconds:.0f} s still {found!r}"
        time.sleep(0.05)
    return found


def id_of(task: SampleTask) -> str:
    """The id that vidhook gives a task."""
    return watch_id(task.provider, task.task_id)


def about(task: SampleTask, received: list[Received]) -> list[Received]:
    """The webhooks of one task among all that were received."""
    return [each for each in received if each.event and each.event["data"].get("id") == id_of(task)]


def webhooks(sample: SampleSubscriber, task: SampleTask, number: int = 1) -> list[Received]:
    """Waits until a subscriber has received `number` webhooks of a task. Returns all of them."""
    return about(task, sample.wait_for(lambda received: len(about(task, received)) >= number, PATIENCE))


def event_in(webhook: Received) -> dict[str, Any]:
    """The event in the body of a webhook, which must be JSON."""
    assert webhook.event is not None, webhook.body
    return webhook.event


@dataclass
class Bridge:
    """The stack in the local cloud, with a sample provider."""

    cloud: Cloud
    provider: SampleProvider
    _bus_events: list[dict[str, Any]] = field(default_factory=list)

    def task(self, provider: str = "alad", *, seconds: float = 0, **script: Any) -> SampleTask:
        """A new task at the sample provider. It is done after `seconds`: by default at once."""
        return self.provider.add(provider, seconds=seconds, **script)

    def submission(self, task: SampleTask, **terms: Any) -> dict[str, Any]:
        """The submission of a task; its expected duration of one second makes the pauses short."""
        params = {"params": dict(task.params)} if task.params else {}
        return {"provider": task.provider, "task_id": task.task_id, "expected_seconds": 1, **params, **terms}

    def submit(self, task: SampleTask, **terms: Any) -> dict[str, Any]:
        return self.cloud.submit(**self.submission(task, **terms))

    def watch(self, task: SampleTask) -> Watch:
        return self.cloud.edges.ledger.tasks.watch(id_of(task))

    def event(self, task: SampleTask) -> Event:
        """The terminal event of a task, once there is one."""
        return eventually(lambda: self._event(task))

    def _event(self, task: SampleTask) -> Event | None:
        with suppress(NotFound):
            return self.cloud.edges.ledger.tasks.event(id_of(task))
        return None

    def known(self, sample: SampleSubscriber) -> Subscriber:
        """The entry of a sample subscriber in the ledger."""
        return next(each for each in self.cloud.edges.ledger.subscribers.all() if each.url == sample.url)

    def delivery_state(self, task: SampleTask, subscriber_id: str) -> DeliveryState | None:
        """The state of the delivery of a task's event to a subscriber; None when there is none."""
        states = {each.subscriber_id: each.state for each in self.cloud.edges.ledger.deliveries.of_task(id_of(task))}
        return states.get(subscriber_id)

    # State machines

    @cached_property
    def states(self) -> "SFNClient":
        client: SFNClient = self.cloud.client("stepfunctions")
        return client

    @property
    def redeliver_arn(self) -> str:
        return self.cloud.outputs["redeliver_arn"]

    def execution_arn(self, task: SampleTask) -> str:
        """The ARN of the execution that follows a task."""
        return f"{self.cloud.outputs['watch_arn'].replace(':stateMachine:', ':execution:')}:{id_of(task)}"

    def ended(self, execution_arn: str) -> dict[str, Any]:
        """Waits until an execution has ended. Returns its description, with the output parsed."""

        def look() -> "DescribeExecutionOutputTypeDef | None":
            described = self.states.describe_execution(executionArn=execution_arn)
            return described if described["status"] != "RUNNING" else None

        described = eventually(look)
        return {**described, "output": json.loads(described.get("output") or "null")}

    @cached_property
    def _caller(self) -> str:
        """A role for a caller's own state machines; the emulator does not check what such a role may do."""
        trusted = {"Effect": "Allow", "Principal": {"Service": "states.amazonaws.com"}, "Action": "sts:AssumeRole"}
        document = json.dumps({"Version": "2012-10-17", "Statement": [trusted]})
        role = self.cloud.client("iam").create_role(RoleName="caller", AssumeRolePolicyDocument=document)
        return str(role["Role"]["Arn"])

    def run(self, name: str, definition: str, argument: Mapping[str, Any]) -> dict[str, Any]:
        """Runs a caller's own state machine. Returns the description of its execution when it has ended."""
        made = self.states.create_state_machine(name=name, definition=definition, roleArn=self._caller)
        machine = made["stateMachineArn"]
        try:
            started = self.states.start_execution(stateMachineArn=machine, input=json.dumps(argument))
            return self.ended(started["executionArn"])
        finally:
            self.states.delete_state_machine(stateMachineArn=machine)

    def function(self, logical_id: str) -> str:
        """The name of one of the stack's functions."""
        resources = self.cloud.client("cloudformation").describe_stack_resources(StackName=self.cloud.facts()["stack"])
        found = {each["LogicalResourceId"]: each["PhysicalResourceId"] for each in resources["StackResources"]}
        return str(found[logical_id])

    def invoke(self, logical_id: str, event: Mapping[str, Any]) -> Any:
        """Invokes one of the stack's functions and returns its answer. Raises AssertionError when it fails."""
        answer = self.cloud.client("lambda").invoke(FunctionName=self.function(logical_id), Payload=json.dumps(event))
        body = json.loads(answer["Payload"].read())
        assert "FunctionError" not in answer, body
        return body

    def workers(self, logical_id: str) -> dict[int, dict[str, str]]:
        """The ids of the processes that run one of the stack's functions, with their environments. Linux only."""
        home, name, found = str(self.cloud.log.parent), self.function(logical_id), {}
        for process in Path("/proc").glob("[0-9]*"):
            with suppress(OSError):
                lines = (process / "environ").read_text(errors="replace").split("\0")
                environment = dict(line.split("=", 1) for line in lines if "=" in line)
                if environment.get("AWS_LAMBDA_FUNCTION_NAME") == name and environment.get("TMPDIR") == home:
                    found[int(process.name)] = environment
        return found

    def api(self, method: str, path: str, body: object = None, *, signed: bool = True) -> requests.Response:
        """Calls the HTTP API, as a caller of this account or (not `signed`) as anybody. Returns its answer."""
        url = self.cloud.outputs["api_url"] + path
        data = None if body is None else json.dumps(body)
        request = AWSRequest(method, url, {"content-type": "application/json"} if data else {}, data)
        if signed:
            SigV4Auth(Credentials("test", "test"), "execute-api", REGION).add_auth(request)
        with requests.Session() as session:
            session.trust_env = False
            return session.request(
                method, url, data=data, headers=dict(request.headers), timeout=PATIENCE, allow_redirects=False
            )

    # The event bus

    @cached_property
    def _bus_queue(self) -> str:
        """The URL of a queue that gets every event of the bus."""
        sqs, bus, name = self.cloud.client("sqs"), self.cloud.client("events"), "every-event"
        url = sqs.create_queue(QueueName=name)["QueueUrl"]
        arn = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
        allowed = {"Effect": "Allow", "Principal": "*", "Action": "sqs:SendMessage", "Resource": arn}
        policy = json.dumps({"Version": "2012-10-17", "Statement": [allowed]})
        sqs.set_queue_attributes(QueueUrl=url, Attributes={"Policy": policy})
        pattern = json.dumps({"source": ["vidhook"]})
        bus.put_rule(Name=name, EventBusName=self.cloud.outputs["bus"], EventPattern=pattern)
        bus.put_targets(Rule=name, EventBusName=self.cloud.outputs["bus"], Targets=[{"Id": name, "Arn": arn}])
        return str(url)

    def record_bus(self) -> None:
        """From now on `bus_events` has every event of the bus."""
        assert self._bus_queue

    def bus_events(self) -> list[dict[str, Any]]:
        """All events of the bus since `record_bus`, as EventBridge delivers them, oldest first."""
        sqs = self.cloud.client("sqs")
        while messages := sqs.receive_message(QueueUrl=self._bus_queue, MaxNumberOfMessages=10).get("Messages"):
            for message in messages:
                seen = json.loads(message["Body"])
                check_event(seen["detail"], seen["detail-type"])
                self._bus_events.append(seen)
                sqs.delete_message(QueueUrl=self._bus_queue, ReceiptHandle=message["ReceiptHandle"])
        return self._bus_events

    def bus_events_of(self, task: SampleTask) -> list[dict[str, Any]]:
        """Waits until the bus has had an event of a task. Returns all of them."""
        mine = id_of(task)
        return eventually(
            lambda: [each for each in self.bus_events() if each["detail"].get("data", {}).get("id") == mine]
        )
