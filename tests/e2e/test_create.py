"""Creation on the deployed stack: by every way in, and with the function killed at any moment."""

import json
import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from tests.e2e.bridge import PATIENCE, Bridge, event_in, eventually
from vidhook.errors import NotFound
from vidhook.event import Event
from vidhook.task import Submission
from vidhook_sandbox.loopback import Handler, Loopback
from vidhook_sandbox.subscriber import SampleSubscriber

Make = Callable[..., SampleSubscriber]
linux_only = pytest.mark.skipif(sys.platform != "linux", reason="looks for processes in /proc")
BODY = {"model": "seedance", "prompt": "a canary in a coal mine"}
PROVIDER = """
name = "counted"
base_url = "{base_url}"
path = "/tasks/{{task_id}}"
[answer]
status = "status"
error = "error"
[assets]
result = "url"
[create]
path = "/tasks"
"""


class Counted(Handler):
    """A provider that counts what it takes, and waits at a step when it is told to."""

    taken: dict[str, int]
    waits_at: str | None
    halted: threading.Event
    proceed: threading.Event

    def do_GET(self) -> None:  # noqa: N802 - the base class's name
        self.answer(200, b'{"status": "failed", "error": "made for a test"}', {"Content-Type": "application/json"})

    def do_POST(self) -> None:  # noqa: N802 - the base class's name
        self.halt("before it reads")
        name = json.loads(self.read_body())["prompt"]
        self.taken[name] = self.taken.get(name, 0) + 1
        self.halt("before it answers")
        body = json.dumps({"id": f"id-of-{name}", "status": "queued"}).encode()
        self.answer(201, body, {"Content-Type": "application/json"})

    def halt(self, where: str) -> None:
        if type(self).waits_at == where:
            self.halted.set()
            self.proceed.wait(PATIENCE)


@pytest.fixture(scope="module")
def server(bridge: Bridge) -> Iterator[None]:
    """One for all tests: functions remember a provider's file, and so its address, for a minute."""
    server = Loopback(Counted)
    bridge.cloud.edges.ledger.providers.put("counted", PROVIDER.format(base_url=server.url))
    yield
    server.stop()


@pytest.fixture
def counted(server: None) -> Iterator[type[Counted]]:
    Counted.taken, Counted.waits_at = {}, None
    Counted.halted, Counted.proceed = threading.Event(), threading.Event()
    yield Counted
    Counted.proceed.set()


def asked(name: str, provider: str = "counted", **fields: Any) -> dict[str, Any]:
    return {"provider": provider, "create": {"prompt": name}, "reference": name, "expected_seconds": 1, **fields}


def id_for(submission: dict[str, Any]) -> str:
    return Submission(submission["provider"], reference=submission["reference"], creates=True).id


def ended(bridge: Bridge, submission: dict[str, Any], seconds: float = PATIENCE) -> Event:
    """The event of a task that was to be created."""

    def look() -> Event | None:
        try:
            return bridge.cloud.edges.ledger.tasks.event(id_for(submission))
        except NotFound:
            return None

    return eventually(look, seconds)


def test_one_call_is_enough_from_a_prompt_to_a_webhook(bridge: Bridge, subscriber: Make) -> None:
    """The client has no key and no id, and the video is stored."""
    app = subscriber()
    submission = asked("order-of-e2e", "alad", metadata={"order": 17})
    answer = bridge.cloud.submit(**submission)
    assert (answer["task_id"], answer["created"], answer["pause"]) == (None, True, 0)
    [webhook] = app.wait_for(lambda received: len(received) >= 1, PATIENCE)
    data = event_in(webhook)["data"]
    assert (webhook.verified, data["status"], data["reference"]) == (True, "completed", "order-of-e2e")
    assert data["assets"][0]["stored"] is True
    again = bridge.cloud.submit(**submission)
    assert (again["id"], again["task_id"], again["created"]) == (answer["id"], data["task_id"], False)
    by_id = bridge.cloud.submit(provider="alad", task_id=data["task_id"])
    assert (by_id["id"], by_id["created"]) == (answer["id"], False)


@pytest.mark.parametrize("way", ["function", "bus", "queue", "api", "execution"])
def test_every_way_in_creates_one_task(bridge: Bridge, counted: type[Counted], way: str) -> None:
    """However often it is handed in; and no state of an execution holds the body."""
    name = f"by-{way}"
    submission = asked(name)
    for _ in range(2):
        hand_in(bridge, way, submission)
    assert ended(bridge, submission).data["data"]["error"]["message"] == "made for a test"
    assert counted.taken == {name: 1}
    watch = bridge.cloud.edges.ledger.tasks.watch(id_for(submission))
    arn = bridge.cloud.outputs["watch_arn"].replace(":stateMachine:", ":execution:") + f":{watch.execution}"
    eventually(lambda: bridge.states.describe_execution(executionArn=arn)["status"] == "SUCCEEDED" or None, PATIENCE)
    history = bridge.states.get_execution_history(executionArn=arn, includeExecutionData=True)["events"]
    wanted = json.dumps({"prompt": name})[1:-1]
    held_by = [each["type"] for each in history if wanted in json.dumps(each, default=str).replace("\\", "")]
    # Of a nested execution that is its own input, the first state's, and the request to the function that checks it
    # (which the emulator does not show).
    own = ["ExecutionStarted", "ChoiceStateEntered", "LambdaFunctionScheduled"] if way == "execution" else []
    assert [each for each in held_by if each != "LambdaFunctionScheduled"] == own[:2]
    assert set(held_by) <= set(own)
    assert history[-1]["type"] == "ExecutionSucceeded"


def hand_in(bridge: Bridge, way: str, submission: dict[str, Any]) -> None:
    outputs, text = bridge.cloud.outputs, json.dumps(submission)
    match way:
        case "function":
            bridge.cloud.submit(**submission)
        case "bus":
            entry = {"EventBusName": outputs["bus"], "Source": "my.app", "DetailType": "vidhook.submit", "Detail": text}
            bridge.cloud.client("events").put_events(Entries=[entry])
        case "queue":
            bridge.cloud.client("sqs").send_message(QueueUrl=outputs["submissions_queue"], MessageBody=text)
        case "api":
            assert bridge.api("POST", "/v1/tasks", submission).status_code in (200, 202)
        case "execution":
            bridge.states.start_execution(stateMachineArn=outputs["watch_arn"], input=text)


@linux_only
@pytest.mark.slow
@pytest.mark.parametrize("where", ["before it answers"])
def test_a_function_that_is_killed_while_it_asks_never_asks_again(
    bridge: Bridge, counted: type[Counted], where: str
) -> None:
    """The provider may have taken the request: the client is told, and looks before it pays twice."""
    submission = asked(f"killed-{where.replace(' ', '-')}")
    counted.waits_at = where
    bridge.cloud.submit(**submission)
    assert counted.halted.wait(PATIENCE)
    killed = bridge.workers("CreateTaskFunction")
    for process in killed:
        os.kill(process, signal.SIGKILL)
    counted.waits_at = None
    counted.proceed.set()
    error = ended(bridge, submission, 240).data["data"]["error"]
    assert (bool(killed), error["code"]) == (True, "CREATE_AMBIGUOUS")
    assert counted.taken.get(submission["reference"], 0) <= 1


@linux_only
@pytest.mark.slow
def test_whenever_it_is_killed_each_key_is_taken_once_at_most_and_told_once(
    bridge: Bridge, counted: type[Counted], subscriber: Make
) -> None:
    """Twenty keys, and a kill of every process of the function at odd moments."""
    app = subscriber()
    submissions = [asked(f"storm-{number}") for number in range(20)]
    for number, submission in enumerate(submissions):
        bridge.cloud.submit(**submission)
        time.sleep(0.03 * (number % 4))
        for process in bridge.workers("CreateTaskFunction"):
            os.kill(process, signal.SIGKILL)
        bridge.cloud.submit(**submission)
    ends = {each["reference"]: ended(bridge, each, 300) for each in submissions}
    assert all(number == 1 for number in counted.taken.values()), counted.taken
    for name, event in ends.items():
        error = event.data["data"]["error"]
        if error["code"] not in ("CREATE_AMBIGUOUS", "WATCH_FAILED"):  # the latter before a request, by the emulator
            assert counted.taken.get(name) == 1, error
    wanted = {event.id for event in ends.values()}
    received = app.wait_for(lambda received: wanted <= {each.id for each in received}, PATIENCE)
    assert {each.id for each in received if each.id in wanted} == wanted
