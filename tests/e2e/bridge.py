"""What end-to-end tests do to the deployed stack and ask of it."""

import json
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, TypeVar

import requests
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

from vidhook.edges.machines import Machines
from vidhook.errors import NotFound
from vidhook.event import Event
from vidhook.task import Subscriber, Watch, watch_id
from vidhook_sandbox.cloud import REGION, Cloud
from vidhook_sandbox.provider import SampleProvider, SampleTask
from vidhook_sandbox.subscriber import Received, SampleSubscriber

WAIT_SCALE = 0.05  # every Wait of a state machine is twenty times shorter
PATIENCE = 120.0  # seconds for any one thing to happen, on a machine with too much to do
Found = TypeVar("Found")


def eventually(look: Callable[[], Found], seconds: float = PATIENCE) -> Found:
    """The first true thing that `look` answers; AssertionError when there is none within `seconds`."""
    deadline = time.monotonic() + seconds
    while not (found := look()):
        assert time.monotonic() < deadline, f"after {seconds:.0f} s still {found!r}"
        time.sleep(0.05)
    return found


def id_of(task: SampleTask) -> str:
    """The id of the watch that follows a task."""
    return watch_id(task.provider, task.task_id)


def about(task: SampleTask, received: list[Received]) -> list[Received]:
    """The webhooks that tell of a task."""
    return [each for each in received if each.event and each.event["data"].get("id") == id_of(task)]


def webhooks(sample: SampleSubscriber, task: SampleTask, number: int = 1) -> list[Received]:
    """What a subscriber was sent about a task, once that is at least `number` webhooks."""
    return about(task, sample.wait_for(lambda received: len(about(task, received)) >= number, PATIENCE))


@dataclass
class Bridge:
    """The stack in the local cloud, with a sample provider."""

    cloud: Cloud
    provider: SampleProvider
    _heard: list[dict[str, Any]] = field(default_factory=list)

    def task(self, provider: str = "alad", *, seconds: float = 0, **script: Any) -> SampleTask:
        """A task at the sample provider; finished already, unless `seconds` says when."""
        return self.provider.add(provider, seconds=seconds, **script)

    def submission(self, task: SampleTask, **terms: Any) -> dict[str, Any]:
        """What one hands in to have a task followed; an expected duration of one second makes for short pauses."""
        return {"provider": task.provider, "task_id": task.task_id, "expected_seconds": 1, **terms}

    def submit(self, task: SampleTask, **terms: Any) -> dict[str, Any]:
        return self.cloud.submit(**self.submission(task, **terms))

    def watch(self, task: SampleTask) -> Watch:
        return self.cloud.ledger.watch(id_of(task))

    def event(self, task: SampleTask) -> Event:
        """The terminal event of a task, once there is one."""
        return eventually(lambda: self._event(task))

    def _event(self, task: SampleTask) -> Event | None:
        with suppress(NotFound):
            return self.cloud.ledger.event(id_of(task))
        return None

    def known(self, sample: SampleSubscriber) -> Subscriber:
        """A sample subscriber as the ledger knows it."""
        return next(each for each in self.cloud.ledger.subscribers() if each.url == sample.url)

    def delivery_state(self, task: SampleTask, subscriber_id: str) -> str | None:
        """The state of the delivery of a task's event to a subscriber; None when there is none."""
        states = {each.subscriber_id: each.state for each in self.cloud.ledger.deliveries(id_of(task))}
        return states.get(subscriber_id)

    # State machines

    @cached_property
    def states(self) -> Any:
        return self.cloud.client("stepfunctions")

    @cached_property
    def machines(self) -> Machines:
        return Machines(client=self.states)

    @property
    def redeliver_arn(self) -> str:
        return self.cloud.outputs["redeliver_arn"]

    def execution_arn(self, task: SampleTask) -> str:
        """The execution that follows a task."""
        return f"{self.cloud.outputs['watch_arn'].replace(':stateMachine:', ':execution:')}:{id_of(task)}"

    def ended(self, execution_arn: str) -> dict[str, Any]:
        """An execution as described once it has ended, its output parsed."""

        def look() -> dict[str, Any] | None:
            described: dict[str, Any] = self.states.describe_execution(executionArn=execution_arn)
            return described if described["status"] != "RUNNING" else None

        described = eventually(look)
        assert described is not None
        return {**described, "output": json.loads(described.get("output") or "null")}

    @cached_property
    def _caller(self) -> str:
        """The role of other people's state machines; the emulator enforces none of a state machine."""
        trusted = {"Effect": "Allow", "Principal": {"Service": "states.amazonaws.com"}, "Action": "sts:AssumeRole"}
        document = json.dumps({"Version": "2012-10-17", "Statement": [trusted]})
        role = self.cloud.client("iam").create_role(RoleName="caller", AssumeRolePolicyDocument=document)
        return str(role["Role"]["Arn"])

    def run(self, name: str, definition: str, argument: Mapping[str, Any]) -> dict[str, Any]:
        """Runs a state machine of somebody else's; its execution as described at its end."""
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
        """What one of the stack's functions answers; AssertionError when it fails."""
        answer = self.cloud.client("lambda").invoke(FunctionName=self.function(logical_id), Payload=json.dumps(event))
        body = json.loads(answer["Payload"].read())
        assert "FunctionError" not in answer, body
        return body

    def workers(self, logical_id: str) -> dict[int, dict[str, str]]:
        """The processes that run one of the stack's functions, and the environment of each. Linux only."""
        home, name, found = str(self.cloud.log.parent), self.function(logical_id), {}
        for process in Path("/proc").glob("[0-9]*"):
            with suppress(OSError):
                lines = (process / "environ").read_text(errors="replace").split("\0")
                environment = dict(line.split("=", 1) for line in lines if "=" in line)
                if environment.get("AWS_LAMBDA_FUNCTION_NAME") == name and environment.get("TMPDIR") == home:
                    found[int(process.name)] = environment
        return found

    def api(self, method: str, path: str, body: object = None, *, signed: bool = True) -> requests.Response:
        """What the HTTP API answers to a caller of this account, or to a stranger."""
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
    def _ear(self) -> str:
        """A queue that gets all that is told on the bus."""
        sqs, bus, name = self.cloud.client("sqs"), self.cloud.client("events"), "ear"
        url = sqs.create_queue(QueueName=name)["QueueUrl"]
        arn = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
        allowed = {"Effect": "Allow", "Principal": "*", "Action": "sqs:SendMessage", "Resource": arn}
        policy = json.dumps({"Version": "2012-10-17", "Statement": [allowed]})
        sqs.set_queue_attributes(QueueUrl=url, Attributes={"Policy": policy})
        pattern = json.dumps({"source": ["vidhook"]})
        bus.put_rule(Name=name, EventBusName=self.cloud.outputs["bus"], EventPattern=pattern)
        bus.put_targets(Rule=name, EventBusName=self.cloud.outputs["bus"], Targets=[{"Id": name, "Arn": arn}])
        return str(url)

    def listen(self) -> None:
        """From now on `heard` has all that the bus tells."""
        assert self._ear

    def heard(self) -> list[dict[str, Any]]:
        """All that the bus told since `listen`: EventBridge's events, oldest first."""
        sqs = self.cloud.client("sqs")
        while messages := sqs.receive_message(QueueUrl=self._ear, MaxNumberOfMessages=10).get("Messages"):
            for message in messages:
                self._heard.append(json.loads(message["Body"]))
                sqs.delete_message(QueueUrl=self._ear, ReceiptHandle=message["ReceiptHandle"])
        return self._heard

    def heard_about(self, task: SampleTask) -> list[dict[str, Any]]:
        """What the bus told of a task, once it is something."""
        mine = id_of(task)
        return eventually(lambda: [each for each in self.heard() if each["detail"].get("data", {}).get("id") == mine])
