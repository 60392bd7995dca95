"""The Lambda handlers, wired as in the stack: what the state machines read of them, and what operators see."""

import json
import re
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import boto3
import pytest
from samtranslator.yaml_helper import yaml_parse

import create_task
import poll_task
import publish_event
import redeliver_event
import submit_task
import sweep_ledger
from tests.integration.world import DEFAULT_SECRET, KEY, Answer, World, says
from vidhook import wiring
from vidhook.edges.telemetry import logger
from vidhook.errors import BadSubmission, TimedOut
from vidhook.redeliver import Redelivered
from vidhook.submit import Intake
from vidhook.sweep import Swept
from vidhook.task import Credentials, DeliveryState

ROOT = Path(__file__).parents[2]
TOKEN = "AQCEAAAAKgAAAAMAAAAA-canary"
HANDLERS = {
    "SubmitTask": submit_task.handler,
    "CreateTask": create_task.handler,
    "PollTask": poll_task.handler,
    "PublishEvent": publish_event.handler,
    "RedeliverEvent": redeliver_event.handler,
    "SweepLedger": sweep_ledger.handler,
}


@dataclass(frozen=True)
class Context:
    """What Lambda tells a handler of itself."""

    function_name: str = "stack-function"
    memory_limit_in_mb: int = 512
    invoked_function_arn: str = "arn:aws:lambda:us-east-1:123456789012:function:stack-function"
    aws_request_id: str = "52fdfc07-2182-154f-163f-5f0f9a621d72"

    def get_remaining_time_in_millis(self) -> int:
        return 900_000


@dataclass
class Stack:
    """The handlers' world: jobs' edges come from environment variables, as in Lambda."""

    world: World
    watch_arn: str
    queue: str

    def call(self, name: str, event: dict[str, Any]) -> dict[str, Any]:
        answer = HANDLERS[name](event, Context())  # type: ignore[arg-type]  # it has what they ask
        assert json.loads(json.dumps(answer)) == answer
        return answer

    def settled(self, *answers: Answer, **fields: Any) -> str:
        """The id of a watch that a poll has settled."""
        self.world.web.script("/tasks/t1", *answers)
        watch = str(self.call("SubmitTask", {"provider": "acme", "task_id": "t1", **fields})["id"])
        assert self.call("PollTask", {"watch": watch, "execution": "run-1"})["settled"]
        return watch


@pytest.fixture
def stack(world: World, monkeypatch: pytest.MonkeyPatch) -> Iterator[Stack]:
    boto3.client("events").create_event_bus(Name="stack")
    queue = boto3.client("sqs").create_queue(QueueName="refused")["QueueUrl"]
    client = boto3.client("stepfunctions")
    definition = json.dumps({"StartAt": "Wait", "States": {"Wait": {"Type": "Wait", "Seconds": 60, "End": True}}})
    arns = {
        name: client.create_state_machine(name=name, definition=definition, roleArn="arn:aws:iam::123456789012:role/r")[
            "stateMachineArn"
        ]
        for name in ("watch", "redeliver")
    }
    variables = {
        "TABLE": world.ledger.table.name,
        "BUCKET": world.bucket.name,
        "BUS": "stack",
        "PROVIDER_SECRET": world.settings["PROVIDER_SECRET"],
        "DEFAULT_SECRET": world.settings["DEFAULT_SECRET"],
        "KEY": world.settings["KEY"],
        "ALLOWED_NETWORKS": "127.0.0.0/8, ::1/128",
        "WATCH_ARN": arns["watch"],
        "REDELIVER_ARN": arns["redeliver"],
        "DEFAULT_DEADLINE_SECONDS": "86400",
        "VIDEOS_URL": "https://videos.example/v1/videos",
        "REFUSED_QUEUE": queue,
    }
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    wiring.edges.cache_clear()
    yield Stack(world, arns["watch"], queue)
    wiring.edges.cache_clear()


@pytest.fixture
def printed(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Callable[[], list[dict[str, Any]]]:
    """All that the handlers printed: each line is JSON, a log entry or a metric."""
    monkeypatch.setattr(logger.registered_handler, "stream", sys.stdout)
    return lambda: [json.loads(line) for line in capsys.readouterr().out.splitlines()]


def tasks(path: str) -> Iterator[tuple[str, dict[str, Any]]]:
    for state in json.loads((ROOT / path).read_text())["States"].values():
        if state["Type"] == "Task":
            named = re.fullmatch(r"\$\{(\w+)FunctionArn\}", state["Resource"])
            assert named is not None or state["Resource"].endswith(":states:startExecution.sync:2")
            if named is not None:
                yield named[1], state


class TestWhatTheStateMachinesRead:
    def read_by(self, path: str, function: str) -> set[str]:
        """The fields that the state machine takes from a function's answers."""
        states = [state for name, state in tasks(path) if name == function]
        return set(re.findall(r"\$states\.result\.(\w+)", json.dumps(states)))

    def test_every_field_they_take_is_there(self, stack: Stack) -> None:
        """A missing one fails the state that takes it, at run time."""
        bad = stack.world.subscribe("bad", Answer(500))
        stack.world.web.script("/tasks/t1", says("completed", url=stack.world.video()))
        submitted = stack.call(
            "SubmitTask", {"submission": {"provider": "acme", "task_id": "t1"}, "execution": "run-1"}
        )
        polled = stack.call("PollTask", {"watch": submitted["id"], "execution": "run-1"})
        created = stack.call("CreateTask", {"watch": submitted["id"], "execution": "run-1"})
        published = stack.call("PublishEvent", {"watch": submitted["id"], "execution": "run-1"})
        (late,) = published["unreached"]
        redelivered = stack.call("RedeliverEvent", {**late, "waited_for": 0, "execution": late["name"]})
        watch, redeliver = "statemachines/watch.asl.json", "statemachines/redeliver.asl.json"
        assert self.read_by(watch, "SubmitTask") <= set(submitted)
        assert self.read_by(watch, "CreateTask") == set(created)
        assert self.read_by(watch, "PollTask") == set(polled)
        assert self.read_by(watch, "PublishEvent") <= set(published)
        assert self.read_by(redeliver, "RedeliverEvent") == set(redelivered)
        assert late["subscriber"] == bad.id

    def test_a_week_of_answers_is_small(self, stack: Stack) -> None:
        """States carry ids and seconds; only the event itself is more."""
        watch = stack.settled(says("completed", url=stack.world.video(), prompt="x" * 5_000))
        assert len(json.dumps(stack.call("PollTask", {"watch": watch, "execution": "run-1"}))) < 120

    def test_the_output_is_the_event_as_it_was_told(self, stack: Stack) -> None:
        """A nested execution gets what subscribers got."""
        stack.world.subscribe("one")
        watch = stack.settled(says("completed", url=stack.world.video()))
        event = stack.call("PublishEvent", {"watch": watch, "execution": "run-1"})["event"]
        assert event == json.loads(stack.world.web.to("/one")[0].body)
        assert event["data"]["assets"][0]["url"].startswith("https://videos.example/v1/videos/")

    def test_a_fault_is_told_with_its_reason(self, stack: Stack) -> None:
        """What "Publish failure" hands in."""
        watch = stack.call("SubmitTask", {"provider": "acme", "task_id": "t1"})["id"]
        problem = "it could not be polled: Lambda.TooManyRequestsException"
        asked = {"watch": watch, "execution": "run-1", "problem": problem, "store_video": False}
        assert problem in stack.call("PublishEvent", asked)["event"]["data"]["error"]["message"]


class TestWaysIn:
    def test_a_direct_call_starts_the_watch(self, stack: Stack) -> None:
        """And answers with its id; a second one finds it."""
        first = stack.call("SubmitTask", {"provider": "acme", "task_id": "t1"})
        again = stack.call("SubmitTask", {"provider": "acme", "task_id": "t1"})
        assert (first["created"], again["created"], again["id"]) == (True, False, first["id"])
        executions = boto3.client("stepfunctions").list_executions(stateMachineArn=stack.watch_arn)["executions"]
        assert [execution["name"] for execution in executions] == [first["id"]]

    def test_a_direct_call_gets_its_mistake_told(self, stack: Stack) -> None:
        """Somebody waits for the answer."""
        with pytest.raises(BadSubmission, match="task_id: is missing"):
            stack.call("SubmitTask", {"provider": "acme"})

    def test_a_callers_mistake_is_an_error_that_rings_no_alarm(
        self, stack: Stack, printed: Callable[[], list[dict[str, Any]]], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """A caller that sends the same nonsense all night must not wake anybody; what we do wrong must.

        The alarm is on Lambda's errors without the calls that were refused.
        """

        def faults(*inputs: dict[str, Any]) -> float:
            errors = 0
            for given in inputs:
                try:
                    stack.call("SubmitTask", given)
                except Exception:  # noqa: BLE001 - Lambda counts any
                    errors += 1
            return errors - sum(sum(row.get("CallsRefused", [])) for row in printed())

        template = yaml_parse((ROOT / "template.yaml").read_text("utf-8"))["Resources"]
        expression, *measured = template["SubmitTaskErrorsAlarm"]["Properties"]["Metrics"]
        assert expression["Expression"] == "errors - FILL(refused, 0)"
        assert [each["MetricStat"]["Metric"]["MetricName"] for each in measured] == ["Errors", "CallsRefused"]
        assert faults({"provider": "acme"}, {"detail": 7}, {"Records": [{}]}, {"provider": "no", "task_id": "t"}) == 0
        monkeypatch.setattr(Intake, "submit", lambda *_: 1 / 0)
        assert faults({"provider": "acme", "task_id": "t1"}) == 1

    def test_a_nested_callers_mistake_is_counted(
        self, stack: Stack, printed: Callable[[], list[dict[str, Any]]]
    ) -> None:
        """Its execution fails, and the alarm on failed ones leaves it out."""
        assert stack.call("SubmitTask", {"submission": {"provider": "acme"}, "execution": "nested"})["refusal"]
        assert [row["ExecutionsRefused"] for row in printed() if "ExecutionsRefused" in row] == [[1.0]]

    @pytest.mark.parametrize("function", ["PollTask", "CreateTask"])
    def test_a_nested_execution_that_names_a_task_that_does_not_exist_is_refused(
        self, stack: Stack, printed: Callable[[], list[dict[str, Any]]], function: str
    ) -> None:
        """An error would be retried for nine hours, and wake somebody for a caller's mistake."""
        answer = stack.call(function, {"watch": f"tsk_{'a' * 26}", "execution": "nested"})
        assert (answer["known"], answer["settled"]) == (False, True)
        assert [row["ExecutionsRefused"] for row in printed() if "ExecutionsRefused" in row] == [[1.0]]

    def test_a_contradiction_is_told_by_every_way_in(
        self, stack: Stack, printed: Callable[[], list[dict[str, Any]]]
    ) -> None:
        """To a caller as an error of its own name, to an execution as a refusal, to the rest beside their message."""
        known = {"provider": "acme", "task_id": "t1"}
        other = {**known, "metadata": {"order": "18"}, "callback_url": "https://hooks.example/?key=hunter2"}
        reason = 'metadata: the task was submitted before with other values: metadata.order is "17", not "18"'
        stack.call("SubmitTask", {**known, "metadata": {"order": "17"}})
        with pytest.raises(BadSubmission, match=reason) as refused:
            stack.call("SubmitTask", other)
        assert type(refused.value).__name__ == "Conflict"
        assert stack.call("SubmitTask", {"submission": other, "execution": "nested"})["refusal"].startswith(reason)
        records = [{"messageId": "m1", "body": json.dumps(other)}]
        assert stack.call("SubmitTask", {"Records": records}) == {"batchItemFailures": []}
        assert stack.call("SubmitTask", {"detail-type": "vidhook.submit", "detail": other}) == {}
        dead = boto3.client("sqs").receive_message(
            QueueUrl=stack.queue, MaxNumberOfMessages=10, MessageAttributeNames=["reason"]
        )["Messages"]
        assert [message["Body"] for message in dead] == [json.dumps(other)] * 2
        reasons = [message["MessageAttributes"]["reason"]["StringValue"] for message in dead]
        assert [each.startswith(reason) for each in reasons] == [True, True]
        assert "hunter2" not in json.dumps(printed()) + "".join(reasons)

    def test_a_later_callback_url_gets_the_event_that_was_published(self, stack: Stack) -> None:
        """The function that submits starts its redelivery."""
        watch = stack.settled(says("completed", url=stack.world.video()))
        event = stack.call("PublishEvent", {"watch": watch, "execution": watch})["event"]
        url = stack.world.web.script("/late", Answer(204))
        answer = stack.call("SubmitTask", {"provider": "acme", "task_id": "t1", "callback_url": url})
        assert (answer["created"], answer["status"]) == (False, "completed")
        (delivery,) = stack.world.ledger.deliveries.of_task(watch)
        assert (delivery.event_id, delivery.run) == (event["id"], 1)
        stack.call("RedeliverEvent", {**delivery.execution_input(1), "execution": delivery.execution_name})
        assert [json.loads(asked.body) for asked in stack.world.web.to("/late")] == [event]

    def test_the_bus_brings_a_task(self, stack: Stack) -> None:
        """In the detail of its event."""
        stack.call("SubmitTask", {"detail-type": "vidhook.submit", "detail": {"provider": "acme", "task_id": "t1"}})
        assert [watch.submission.task_id for watch in stack.world.ledger.tasks.all()] == ["t1"]

    def test_a_batch_takes_in_what_is_good_and_puts_aside_what_is_not(self, stack: Stack) -> None:
        """The bad one lies in the queue of refused submissions with its reason; its neighbours do not."""
        bodies = [
            '{"provider": "acme", "task_id": "a"}',
            '{"provider": "acme"}',
            "no json",
            '{"provider":"acme","task_id":"b"}',
        ]
        records = [{"messageId": str(number), "body": body} for number, body in enumerate(bodies)]
        assert stack.call("SubmitTask", {"Records": records}) == {"batchItemFailures": []}
        assert {watch.submission.task_id for watch in stack.world.ledger.tasks.all()} == {"a", "b"}
        dead = boto3.client("sqs").receive_message(
            QueueUrl=stack.queue, MaxNumberOfMessages=10, MessageAttributeNames=["reason"]
        )["Messages"]
        reasons = {message["Body"]: message["MessageAttributes"]["reason"]["StringValue"] for message in dead}
        assert set(reasons) == {bodies[1], bodies[2]}
        assert reasons[bodies[1]].startswith("task_id: is missing")

    @pytest.mark.parametrize("wrapped", [lambda given: given, lambda given: {"detail-type": "x", "detail": given}])
    def test_an_asynchronous_invocation_that_failed_comes_again_by_the_queue(
        self, stack: Stack, wrapped: Callable[[Any], Any]
    ) -> None:
        """Lambda puts it there; the bus invokes so too. What is wrong is put aside; what only failed is taken in."""
        wrong, good = {"provider": "acme"}, {"provider": "acme", "task_id": "a"}
        # https://docs.aws.amazon.com/lambda/latest/dg/invocation-async-retain-records.html
        bodies = [
            {"version": "1.0", "requestContext": {"condition": "RetriesExhausted"}, "requestPayload": wrapped(given)}
            for given in (wrong, good)
        ]
        records = [{"messageId": str(number), "body": json.dumps(body)} for number, body in enumerate(bodies)]
        assert stack.call("SubmitTask", {"Records": records}) == {"batchItemFailures": []}
        assert [watch.submission.task_id for watch in stack.world.ledger.tasks.all()] == ["a"]
        (put,) = boto3.client("sqs").receive_message(
            QueueUrl=stack.queue, MaxNumberOfMessages=10, MessageAttributeNames=["reason"]
        )["Messages"]
        assert json.loads(put["Body"]) == bodies[0]
        assert put["MessageAttributes"]["reason"]["StringValue"].startswith("task_id: is missing")

    def test_a_batch_in_trouble_is_tried_again_alone(self, stack: Stack, monkeypatch: pytest.MonkeyPatch) -> None:
        """A throttled table is no fault of the message."""
        monkeypatch.setenv("TABLE", "not-there-yet")
        record = {"messageId": "m1", "body": '{"provider": "acme", "task_id": "a"}'}
        assert stack.call("SubmitTask", {"Records": [record]}) == {"batchItemFailures": [{"itemIdentifier": "m1"}]}


ABSENT = object()


class TestEndedFromOutside:
    def ended(self, stack: Stack, status: str, name: str, given: Any, error: str | None = None) -> dict[str, Any]:
        """What comes of EventBridge's word that an execution ended."""
        arn = stack.watch_arn.replace(":stateMachine:", ":execution:") + f":{name}"
        change: dict[str, Any] = {"status": status, "executionArn": arn, "error": error}
        if given is not ABSENT:
            change["input"] = given if given is None else json.dumps(given)
        return stack.call("PublishEvent", {"detail-type": "Step Functions Execution Status Change", "detail": change})

    def test_one_that_was_stopped_is_told(self, stack: Stack) -> None:
        """EventBridge says so; nobody else could."""
        stack.world.subscribe("one")
        watch = stack.call("SubmitTask", {"provider": "acme", "task_id": "t1"})["id"]
        told = self.ended(stack, "ABORTED", watch, {"watch": watch, "pause": 20})
        assert told["event"]["data"]["error"]["category"] == "cancelled"
        assert len(stack.world.web.to("/one")) == 1

    @pytest.mark.parametrize(
        ("status", "error", "number"),
        [
            ("FAILED", "BadSubmission", 0),
            ("FAILED", "SubmissionFault", 1),
            ("FAILED", "States.Runtime", 1),
            ("FAILED", None, 1),
            ("TIMED_OUT", None, 0),  # AWS counts these, and another alarm rings
            ("ABORTED", None, 0),
        ],
    )
    def test_one_that_failed_is_counted_unless_it_was_refused(
        self,
        stack: Stack,
        printed: Callable[[], list[dict[str, Any]]],
        monkeypatch: pytest.MonkeyPatch,
        status: str,
        error: str | None,
        number: int,
    ) -> None:
        """The alarm takes this count as it is. It is right also when the function then fails."""
        self.ended(stack, status, "nested", {"provider": "acme"}, error)
        assert sum(sum(row.get("WatchesFailed", [])) for row in printed()) == number
        monkeypatch.setattr(publish_event, "ended_from_outside", lambda *_, **__: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            self.ended(stack, status, "nested", {"provider": "acme"}, error)
        assert sum(sum(row.get("WatchesFailed", [])) for row in printed()) == number

    def test_one_that_took_in_the_task_itself_is_told(self, stack: Stack) -> None:
        """A nested execution's input is the bare submission."""
        submission = {"provider": "acme", "task_id": "t1"}
        stack.call("SubmitTask", {"submission": submission, "execution": "nested"})
        told = self.ended(stack, "TIMED_OUT", "nested", submission)
        assert told["event"]["data"]["error"]["code"] == "WATCH_FAILED"

    def test_one_from_before_a_retry_ends_nothing(self, stack: Stack) -> None:
        """EventBridge says it twice, and the second time somebody follows the task again."""
        watch = stack.call("SubmitTask", {"provider": "acme", "task_id": "t1"})["id"]
        given = {"watch": watch, "pause": 20}
        first = self.ended(stack, "FAILED", watch, given)["event"]
        stack.world.wait(60)
        again = stack.world.retry(watch).execution
        assert self.ended(stack, "FAILED", watch, given) == {}
        late = {"watch": watch, "execution": watch, "problem": "x", "store_video": False}
        assert stack.call("PublishEvent", late)["event"] == first
        assert stack.world.ledger.tasks.watch(watch).event_id is None
        assert self.ended(stack, "FAILED", again, {"watch": watch, "pause": 1})["event"] == first
        assert stack.world.ledger.tasks.watch(watch).event_id == first["id"]

    @pytest.mark.parametrize("status", ["FAILED", "ABORTED"])
    @pytest.mark.parametrize("followed", [True, False])
    def test_one_that_followed_no_watch_ends_nobodys(self, stack: Stack, status: str, followed: bool) -> None:
        """A refused submission of a task, or a second execution that is stopped, leaves the first one alone."""
        refused = {"provider": "acme", "task_id": "t1", "deadline_seconds": -1}
        if followed:
            stack.call("SubmitTask", {"provider": "acme", "task_id": "t1"})
        assert self.ended(stack, status, "nested", refused) == {}
        assert [watch.event_id for watch in stack.world.ledger.tasks.all()] == [None] * followed

    @pytest.mark.parametrize("given", [ABSENT, None, [], "x", 7, {}])
    def test_one_that_was_started_with_nonsense_is_nobodys_problem(self, stack: Stack, given: Any) -> None:
        """It would be tried again, and then page somebody."""
        assert self.ended(stack, "FAILED", "nested", given) == {}


def test_a_sweep_of_a_quiet_ledger_does_nothing(stack: Stack) -> None:
    """It runs every quarter of an hour."""
    stack.call("SubmitTask", {"provider": "acme", "task_id": "t1"})
    nothing = {"watches": 0, "deliveries": 0, "drained": 0, "cancelled": 0, "erased": 0}
    assert stack.call("SweepLedger", {}) == nothing


def test_the_sweeper_erases_a_task_at_once_when_it_is_told_to(stack: Stack) -> None:
    """The caller of the API does not wait for the next quarter of an hour."""
    task = stack.call("SubmitTask", {"provider": "acme", "task_id": "t1", "reference": "order-17"})["id"]
    stack.world.ledger.tasks.begin_erasure(task, stack.world.now)
    for _ in range(2):
        assert stack.call("SweepLedger", {"erase": task}) == {"erased": 1}
    [left] = stack.world.ledger.tasks.erasures()
    assert (left.told, left.reference) == (True, None)


def test_a_sweep_that_could_not_move_all_fails_after_it_was_counted(
    stack: Stack, monkeypatch: pytest.MonkeyPatch, printed: Callable[[], list[dict[str, Any]]]
) -> None:
    """One alarm tells of errors, and another of no sweep at all."""

    def refused(*_: object) -> Any:
        raise PermissionError

    monkeypatch.setattr(wiring.edges().ledger.tasks, "overdue", refused)
    with pytest.raises(ExceptionGroup):
        stack.call("SweepLedger", {})
    assert any("Swept" in each for each in printed())


@pytest.mark.parametrize("failed", [0, 2])
def test_a_sweep_counts_the_watches_that_failed_unheard(
    stack: Stack, monkeypatch: pytest.MonkeyPatch, printed: Callable[[], list[dict[str, Any]]], failed: int
) -> None:
    """The alarm on failed watches rings for them too."""
    monkeypatch.setattr(sweep_ledger, "sweep", lambda *_, **__: Swept(watches=3, failed=failed))
    stack.call("SweepLedger", {})
    assert [row["WatchesFailed"] for row in printed() if "WatchesFailed" in row] == [[2.0]] * bool(failed)


class TestWhatOperatorsSee:
    def everything(self, stack: Stack) -> None:
        """A life with trouble in it."""
        world = stack.world
        world.subscribe("good")
        world.subscribe("bad", Answer(500, b"oops"))
        callback = world.web.script("/callback", Answer(500)) + "?password=hunter2"
        video = world.video(Answer(403)) + "?X-Amz-Signature=hunter2"
        answers = [says("no", 401), says("no", 401), Answer(500), says("levitating"), says("completed", url=video)]
        world.web.script("/tasks/t1", *answers)
        submission = {"provider": "acme", "task_id": "t1", "callback_url": callback, "task_token": TOKEN}
        watch = stack.call("SubmitTask", submission)["id"]
        with pytest.raises(BadSubmission):
            stack.call("SubmitTask", {**submission, "task_token": [TOKEN]})
        while not stack.call("PollTask", {"watch": watch, "execution": "run-1"})["settled"]:
            pass
        stack.call("PublishEvent", {"watch": watch, "execution": "run-1"})
        told = stack.call("PublishEvent", {"watch": watch, "execution": "run-1", "store_video": False, "problem": "x"})
        for late in told["unreached"]:
            stack.call("RedeliverEvent", {**late, "waited_for": 0, "execution": late["name"]})

    def test_a_subscriber_that_we_cannot_notify_is_logged_and_counted(
        self,
        stack: Stack,
        printed: Callable[[], list[dict[str, Any]]],
        caplog: pytest.LogCaptureFixture,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        """The other subscribers are notified, so nobody else would notice."""
        bad = stack.world.subscribe("bad")
        watch = stack.settled(says("failed", error="out of paint"))

        def credentials(*_: object) -> Credentials:
            raise PermissionError("kms")

        monkeypatch.setattr(wiring.edges().secrets, "credentials", credentials)
        stack.call("PublishEvent", {"watch": watch, "execution": "run-1"})
        (logged,) = [record for record in caplog.records if record.levelname == "ERROR"]
        assert logged.exc_info is not None
        assert (logged.__dict__["subscriber"], str(logged.exc_info[1])) == (bad.id, "kms")
        rows = printed()
        assert [row["DeliveryFaults"] for row in rows if "DeliveryFaults" in row] == [[1]]

    def test_the_seconds_of_attempts_that_hang_are_counted(
        self, stack: Stack, printed: Callable[[], list[dict[str, Any]]], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """They are what a subscriber costs that does not answer, in publishing and in its redeliveries."""
        stack.world.subscribe("hangs")
        watch = stack.settled(says("failed", error="out of paint"))

        def hang(*_: object, deadline: float, **__: object) -> None:
            failure = TimedOut("too late")
            failure.timings = {"total": deadline * 1_000}
            raise failure

        monkeypatch.setattr(wiring.edges().http, "send", hang)
        (late,) = stack.call("PublishEvent", {"watch": watch, "execution": "run-1"})["unreached"]
        stack.call("RedeliverEvent", {**late, "waited_for": 0, "execution": late["name"]})
        assert [row["HangingSeconds"] for row in printed() if "HangingSeconds" in row] == [[3.0], [15.0]]

    @pytest.mark.parametrize(("subscriber", "given_up"), [("sub_a", "DeliveriesGivenUp"), ("cb_a", "CallbacksGivenUp")])
    def test_only_subscribers_count_for_the_alarms_on_what_is_not_delivered(
        self,
        subscriber: str,
        given_up: str,
        stack: Stack,
        printed: Callable[[], list[dict[str, Any]]],
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        """A callback_url is its caller's: a wrong one must not hide that a subscriber is down."""
        ends = [Redelivered(False, 60, state=DeliveryState.DUE, undelivered_seconds=90_000.0)]
        ends.append(Redelivered(True, state=DeliveryState.FAILED))
        monkeypatch.setattr(redeliver_event, "redeliver", lambda *_, **__: ends.pop(0))
        run = {"watch": "tsk_a", "event": "evt_a", "subscriber": subscriber, "run": 1, "execution": "run-1"}
        for _ in range(2):
            stack.call("RedeliverEvent", run)
        counted = {name: row[name] for row in printed() for name in row if name.endswith(("GivenUp", "edSeconds"))}
        waited = {} if subscriber == "cb_a" else {"UndeliveredSeconds": [90_000.0]}
        assert counted == {given_up: [1.0], **waited}

    def test_a_playlist_is_logged_and_sounds_no_alarm(
        self, stack: Stack, printed: Callable[[], list[dict[str, Any]]], caplog: pytest.LogCaptureFixture
    ) -> None:
        """A provider that gives playlists alone would otherwise sound it for ever, and nobody could do anything."""
        watch = stack.settled(says("completed", url="https://cdn.example/v.m3u8"))
        (told,) = stack.call("PublishEvent", {"watch": watch, "execution": "run-1"})["event"]["data"]["assets"]
        (logged,) = [record for record in caplog.records if record.levelname == "WARNING"]
        assert told["store_error"]["kind"] == "playlist"
        assert logged.__dict__["problem"] == f"playlist: {told['store_error']['message']}"
        assert not [row for row in printed() if "StoreFailures" in row]

    @pytest.fixture
    def lines(self, stack: Stack, printed: Callable[[], list[dict[str, Any]]], monkeypatch: pytest.MonkeyPatch) -> Any:
        # moto answers a token only when it runs the state machine; what is sent is test_machines_and_bus.py's to show.
        monkeypatch.setattr(wiring.edges().machines, "answer", lambda *_: True)
        self.everything(stack)
        return printed()

    def test_every_entry_of_an_execution_bears_its_name(self, lines: list[dict[str, Any]]) -> None:
        """One search shows all that happened to a task."""
        logs = [line for line in lines if "level" in line]
        assert {log["message"] for log in logs} >= {"task submitted", "task polled", "event published", "redelivery"}
        assert all(log["correlation_id"] for log in logs)
        assert {log["correlation_id"] for log in logs if log["message"] == "task polled"} == {"run-1"}

    def test_metrics_have_no_dimension_but_provider_and_outcome(self, lines: list[dict[str, Any]]) -> None:
        """Each combination is a metric that is paid for: a task's id as a dimension would cost thousands."""
        metrics = [line["_aws"]["CloudWatchMetrics"][0] for line in lines if "_aws" in line]
        assert {metric["Metrics"][0]["Name"] for metric in metrics} >= {
            *("Polls", "ProviderErrors", "KeyRefused", "UnknownStatusWords", "SecondsToSettle", "StoreFailures"),
            "Deliveries",
        }
        assert {name for metric in metrics for names in metric["Dimensions"] for name in names} <= {
            "provider",
            "outcome",
        }
        assert {metric["Namespace"] for metric in metrics} == {"vidhook"}

    def test_no_secret_and_no_query_string_is_printed(self, lines: list[dict[str, Any]]) -> None:
        """Logs are read by many, and kept."""
        text = json.dumps(lines)
        assert len(lines) > 20
        for canary in (KEY, DEFAULT_SECRET.removeprefix("whsec_"), TOKEN, "hunter2", "Bearer"):
            assert canary not in text
