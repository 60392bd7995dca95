"""Step Functions: starts executions under names of our own, and answers those that wait with a task token."""

from collections.abc import Callable
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError

from vidhook.edges import aws
from vidhook.event import serialize
from vidhook.texts import escaped

if TYPE_CHECKING:
    from mypy_boto3_stepfunctions import SFNClient

    from vidhook.event import Event
    from vidhook.task import Delivery

# https://docs.aws.amazon.com/step-functions/latest/apireference/API_SendTaskFailure.html
CAUSE_LIMIT = 32_768
TASK_ERASED = "TaskErased"
NO_LONGER_WAITS = ("TaskTimedOut", "TaskDoesNotExist", "InvalidToken")
FORBIDDEN = ("AccessDeniedException", "KmsAccessDeniedException", "KmsInvalidStateException")


class Machines:
    """Starts executions of our two state machines. A name that exists was started before, and counts as started."""

    def __init__(self, *, watch_arn: str = "", redeliver_arn: str = "", client: "SFNClient | None" = None) -> None:
        self._watch_arn = watch_arn
        self._redeliver_arn = redeliver_arn
        self._client: SFNClient = client or aws.client("stepfunctions")

    def start_watch(self, execution: str, watch_id: str, pause: int, *, create: bool = False) -> bool:
        """Starts the execution that follows a watch, beginning with `pause` seconds, or with `create` its creation.

        Returns False when one of that name was started before.
        """
        return self._start(self._watch_arn, execution, {"watch": watch_id, "pause": pause, "create": create})

    def start_one_poll(self, execution: str, watch_id: str) -> bool:
        """Starts an execution that polls at once, publishes if that settles the watch, and ends.

        The watch's own execution goes on beside it. Returns False when one of that name was started before.
        """
        return self._start(self._watch_arn, execution, {"watch": watch_id, "pause": 0, "once": True})

    def start_redelivery(self, delivery: "Delivery", pause: int) -> bool:
        """Starts the execution that follows a delivery's current run. Returns False when it was started before."""
        return self._start(self._redeliver_arn, delivery.execution_name, delivery.execution_input(pause))

    def state_of_watch(self, execution: str) -> str | None:
        """Returns the status of an execution in AWS's words, such as RUNNING or FAILED; None if there never was one."""
        try:
            answer = self._client.describe_execution(executionArn=self._watch_execution(execution))
        except self._client.exceptions.ExecutionDoesNotExist:
            return None
        return answer["status"]

    def stop_watch(self, execution: str) -> None:
        """Stops an execution that follows a watch, if it runs."""
        if self.state_of_watch(execution) != "RUNNING":
            return
        with suppress(self._client.exceptions.ValidationException):  # it has ended since
            self._client.stop_execution(executionArn=self._watch_execution(execution), error=TASK_ERASED)

    def _watch_execution(self, name: str) -> str:
        return self._watch_arn.replace(":stateMachine:", ":execution:") + f":{name}"

    def _start(self, machine_arn: str, name: str, argument: dict[str, Any]) -> bool:
        try:
            self._client.start_execution(stateMachineArn=machine_arn, name=name, input=serialize(argument))
        except self._client.exceptions.ExecutionAlreadyExists:
            return False
        return True

    def answer(self, task_token: str, event: "Event") -> bool:
        """Answers a task token: with the event, or with the failed task's category and message.

        An execution that no longer waits (timed out, stopped, answered before) counts as answered. Returns False when
        AWS does not let us: the token is of another account, or of a state machine whose own key we may not use.
        """
        error = event.data["data"]["error"]
        if error is not None:
            return self._fail(task_token, error["category"], escaped(error["message"])[:CAUSE_LIMIT])
        return self._answer(self._client.send_task_success, taskToken=task_token, output=event.body)

    def answer_erased(self, task_token: str) -> bool:
        """Answers a task token with the failure that its task was erased. Returns as `answer` does."""
        return self._fail(task_token, TASK_ERASED, "the task was erased in vidhook, so it has no end")

    def _fail(self, task_token: str, error: str, cause: str) -> bool:
        return self._answer(self._client.send_task_failure, taskToken=task_token, error=error, cause=cause)

    def _answer(self, call: Callable[..., Any], **given: str) -> bool:
        try:
            call(**given)
        except ClientError as refusal:
            code = refusal.response.get("Error", {}).get("Code")
            if code in FORBIDDEN:
                return False
            if code not in NO_LONGER_WAITS:
                raise
        return True
