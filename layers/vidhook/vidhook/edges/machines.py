"""Step Functions: starts executions under names of our own, and answers those that wait with a task token."""

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
NO_LONGER_WAITS = ("TaskTimedOut", "TaskDoesNotExist", "InvalidToken")
FORBIDDEN = ("AccessDeniedException", "KmsAccessDeniedException", "KmsInvalidStateException")


class Machines:
    """Starts executions of our two state machines. A name that exists was started before, and counts as started."""

    def __init__(self, *, watch_arn: str = "", redeliver_arn: str = "", client: "SFNClient | None" = None) -> None:
        self._watch_arn = watch_arn
        self._redeliver_arn = redeliver_arn
        self._client: SFNClient = client or aws.client("stepfunctions")

    def start_watch(self, execution: str, watch_id: str, pause: int) -> bool:
        """Starts the execution that follows a watch, beginning with `pause` seconds.

        Returns False when one of that name was started before.
        """
        return self._start(self._watch_arn, execution, {"watch": watch_id, "pause": pause})

    def start_redelivery(self, delivery: "Delivery", pause: int) -> bool:
        """Starts the execution that follows a delivery's current run. Returns False when it was started before."""
        return self._start(self._redeliver_arn, delivery.execution_name, delivery.execution_input(pause))

    def watch_is_running(self, execution: str) -> bool:
        """Returns whether an execution of this name is running now; False also if there never was one."""
        arn = self._watch_arn.replace(":stateMachine:", ":execution:") + f":{execution}"
        try:
            answer = self._client.describe_execution(executionArn=arn)
        except self._client.exceptions.ExecutionDoesNotExist:
            return False
        return answer["status"] == "RUNNING"

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
        try:
            if error is None:
                self._client.send_task_success(taskToken=task_token, output=event.body)
            else:
                self._client.send_task_failure(
                    taskToken=task_token, error=error["category"], cause=escaped(error["message"])[:CAUSE_LIMIT]
                )
        except ClientError as refusal:
            code = refusal.response.get("Error", {}).get("Code")
            if code in FORBIDDEN:
                return False
            if code not in NO_LONGER_WAITS:
                raise
        return True
