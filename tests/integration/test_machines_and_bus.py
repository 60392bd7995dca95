"""Starting executions once, answering those that wait, and putting every event on the bus."""

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError
from botocore.stub import Stubber

from vidhook.edges.bus import Bus
from vidhook.edges.functions import Functions
from vidhook.edges.machines import CAUSE_LIMIT, Machines
from vidhook.event import Event, terminal_event
from vidhook.task import Category, Snapshot, Source, Status, Submission, TaskError, Watch

NOW = 1_777_287_600.0
WATCH = Watch(Submission("acme", "t1"), NOW)
DONE = terminal_event(
    WATCH, Snapshot(Status.COMPLETED, sources=(Source("result", "video", "https://cdn.example/v.mp4"),)), {}, NOW
)


def failed(message: str) -> Event:
    error = TaskError(Category.CONTENT_POLICY, "MODERATED", message)
    return terminal_event(WATCH, Snapshot(Status.FAILED, error=error), {}, NOW)


def test_the_sweeper_is_told_what_to_erase_and_not_waited_for(aws: None) -> None:
    """Removing a large task may take longer than a request may."""
    client = boto3.client("lambda")
    with Stubber(client) as stub:
        given = {"FunctionName": "sweep", "InvocationType": "Event", "Payload": b'{"erase":"tsk_1"}'}
        stub.add_response("invoke", {"StatusCode": 202}, given)
        Functions("sweep", client=client).erase("tsk_1")
        stub.assert_no_pending_responses()


class TestMachines:
    @pytest.fixture
    def arn(self, aws: None) -> str:
        client = boto3.client("stepfunctions")
        definition = {"StartAt": "Wait", "States": {"Wait": {"Type": "Wait", "Seconds": 60, "End": True}}}
        made = client.create_state_machine(
            name="watch", definition=json.dumps(definition), roleArn="arn:aws:iam::123456789012:role/r"
        )
        return made["stateMachineArn"]

    def test_an_execution_is_started_once_under_its_name(self, arn: str) -> None:
        """A name that is taken is success: it was started before."""
        machines = Machines(watch_arn=arn)
        assert machines.start_watch("tsk_1", "tsk_1", 20) is True
        assert machines.start_watch("tsk_1", "tsk_1", 30) is False
        assert machines.state_of_watch("tsk_1") == "RUNNING"
        assert machines.state_of_watch("tsk_2") is None
        client = boto3.client("stepfunctions")
        (execution,) = client.list_executions(stateMachineArn=arn)["executions"]
        described = client.describe_execution(executionArn=execution["executionArn"])
        assert (execution["name"], json.loads(described["input"])) == (
            "tsk_1",
            {"watch": "tsk_1", "pause": 20, "create": False},
        )

    def test_one_poll_says_so_in_its_input(self, arn: str) -> None:
        """The state machine ends it after that."""
        assert Machines(watch_arn=arn).start_one_poll("tsk_1-cancel-0-1", "tsk_1") is True
        client = boto3.client("stepfunctions")
        (execution,) = client.list_executions(stateMachineArn=arn)["executions"]
        described = client.describe_execution(executionArn=execution["executionArn"])
        assert json.loads(described["input"]) == {"watch": "tsk_1", "pause": 0, "once": True}

    def test_a_watch_is_stopped_if_it_runs(self, arn: str) -> None:
        """It may have ended, or never have been started."""
        machines = Machines(watch_arn=arn)
        machines.start_watch("tsk_1", "tsk_1", 20)
        for name in ("tsk_1", "tsk_1", "tsk_2"):
            machines.stop_watch(name)
        assert machines.state_of_watch("tsk_1") == "ABORTED"

    def test_who_waits_for_an_erased_task_gets_a_failure(self, step_functions: tuple[Machines, Stubber]) -> None:
        """And the failure says why."""
        machines, stub = step_functions
        cause = "the task was erased in vidhook, so it has no end"
        stub.add_response("send_task_failure", {}, {"taskToken": "t", "error": "TaskErased", "cause": cause})
        assert machines.answer_erased("t")

    @pytest.fixture
    def step_functions(self, aws: None) -> Iterator[tuple[Machines, Stubber]]:
        client = boto3.client("stepfunctions")
        with Stubber(client) as stub:
            yield Machines(client=client), stub
            stub.assert_no_pending_responses()

    def test_a_completed_task_answers_with_the_event(self, step_functions: tuple[Machines, Stubber]) -> None:
        """The same bytes as the webhook's."""
        machines, stub = step_functions
        stub.add_response("send_task_success", {}, {"taskToken": "token", "output": DONE.body})
        machines.answer("token", DONE)

    @pytest.mark.parametrize("message", ["refused", "x" * (CAUSE_LIMIT + 5)])
    def test_a_failed_task_fails_the_wait_with_its_category(
        self, step_functions: tuple[Machines, Stubber], message: str
    ) -> None:
        """A state machine catches `content_policy` by name; the API takes a cause of 32 KiB."""
        machines, stub = step_functions
        expected = {"taskToken": "token", "error": "content_policy", "cause": message[:CAUSE_LIMIT]}
        stub.add_response("send_task_failure", {}, expected)
        machines.answer("token", failed(message))

    def test_a_cause_has_no_character_that_is_refused(self, step_functions: tuple[Machines, Stubber]) -> None:
        """Else the execution would wait for ever."""
        machines, stub = step_functions
        cause = "a\\u0000\\u001b\ufffd"
        expected = {"taskToken": "token", "error": "content_policy", "cause": cause}
        stub.add_response("send_task_failure", {}, expected)
        machines.answer("token", failed("a\0\x1b\ud800"))

    @pytest.mark.parametrize("code", ["TaskTimedOut", "TaskDoesNotExist", "InvalidToken"])
    def test_an_execution_that_waits_no_more_is_nobodys_problem(
        self, step_functions: tuple[Machines, Stubber], code: str
    ) -> None:
        """It must not keep the event from anybody else."""
        machines, stub = step_functions
        stub.add_client_error("send_task_success", code)
        assert machines.answer("token", DONE)

    @pytest.mark.parametrize("code", ["AccessDeniedException", "KmsAccessDeniedException", "KmsInvalidStateException"])
    def test_an_answer_that_aws_forbids_is_told_as_such(
        self, step_functions: tuple[Machines, Stubber], code: str
    ) -> None:
        """Tokens end at an account's border; a state machine may have a key of its own."""
        machines, stub = step_functions
        stub.add_client_error("send_task_success", code)
        assert not machines.answer("token", DONE)

    def test_an_answer_that_fails_in_passing_is_an_error(self, step_functions: tuple[Machines, Stubber]) -> None:
        """It is tried again."""
        machines, stub = step_functions
        stub.add_client_error("send_task_success", "KmsThrottlingException")
        with pytest.raises(ClientError):
            machines.answer("token", DONE)


class TestBus:
    @pytest.fixture
    def events(self, aws: None) -> Iterator[tuple[Bus, Stubber]]:
        client = boto3.client("events")
        with Stubber(client) as stub:
            yield Bus("stack", client=client), stub
            stub.assert_no_pending_responses()

    def entry(self, kind: str, detail: str) -> dict[str, Any]:
        """What EventBridge must be given; rules filter by source and detail-type, and by all of the detail."""
        at = datetime.fromtimestamp(NOW, UTC)
        common = {"EventBusName": "stack", "Source": "vidhook", "Time": at}
        return {"Entries": [{**common, "DetailType": kind, "Detail": detail}]}

    def test_an_event_is_told_as_its_webhook_says_it(self, events: tuple[Bus, Stubber]) -> None:
        """Whoever listens to the bus needs no second format."""
        bus, stub = events
        stub.add_response("put_events", {"FailedEntryCount": 0}, self.entry("video.completed", DONE.body))
        bus.put(DONE)

    def test_an_operational_event_is_told_under_its_type(self, events: tuple[Bus, Stubber]) -> None:
        """Operators need no webhook to hear of a disabled one."""
        bus, stub = events
        expected = self.entry("endpoint.disabled", '{"subscriber":"sub_1"}')
        stub.add_response("put_events", {"FailedEntryCount": 0}, expected)
        bus.report("endpoint.disabled", {"subscriber": "sub_1"}, NOW)

    def test_an_entry_that_the_bus_refuses_is_an_error(self, events: tuple[Bus, Stubber]) -> None:
        """PutEvents answers 200 and says so in its body; unheeded, the event would be lost."""
        bus, stub = events
        refusal = {"FailedEntryCount": 1, "Entries": [{"ErrorCode": "ThrottlingException", "ErrorMessage": "slow"}]}
        stub.add_response("put_events", refusal)
        with pytest.raises(OSError, match=r"refused video.completed: ThrottlingException"):
            bus.put(DONE)
