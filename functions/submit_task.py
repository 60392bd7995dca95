"""Accepts submissions: by direct invoke, from the event bus, from the queue, or from the watch machine itself."""

import json
from typing import Any

from vidhook import shapes
from vidhook.edges.telemetry import count, logger
from vidhook.errors import BadSubmission
from vidhook.submit import Submitted
from vidhook.texts import escaped
from vidhook.wiring import edges, warm

# Step Functions' console adds it to the input of a nested execution.
STARTED_BY = "AWS_STEP_FUNCTIONS_STARTED_BY_EXECUTION_ID"
# https://docs.aws.amazon.com/step-functions/latest/apireference/API_StartExecution.html
LONGEST_NAME = 80

warm("intake")


@logger.inject_lambda_context(clear_state=True)
def handler(event: Any, context: object) -> dict[str, Any]:
    """Returns the submitted task; for a batch of messages, those to be tried again.

    A bad submission is an error for a direct caller, and data for an execution of the watch machine. From the bus and
    the queue, whose senders get no answer, it goes to the queue of refused submissions, and other messages go on. An
    asynchronous invocation that failed comes again by the queue.
    """
    match event:
        case {"Records": list(records)} if all(map(_is_message, records)):
            failures = [record["messageId"] for record in records if not _process(record["body"])]
            return {"batchItemFailures": [{"itemIdentifier": message_id} for message_id in failures]}
        case {"detail-type": str(), "detail": detail}:
            if not _process(json.dumps(detail)):
                raise RuntimeError("the submission could not be processed; it is tried again")
            return {}
        case {"submission": given, "execution": str(execution)} if _is_name(execution):
            if isinstance(given, dict):
                given = {name: value for name, value in given.items() if name != STARTED_BY}
            try:
                submitted = _submit(given, execution)
                return {**_answer(submitted), "create": submitted.watch.uncreated, "refusal": None}
            except BadSubmission as error:
                count("ExecutionsRefused")
                return {"id": None, "pause": 0, "create": False, "refusal": str(error)}
    try:
        return _answer(_submit(event))
    except BadSubmission:
        count("CallsRefused")  # the alarm on this function's errors leaves these out
        raise


def _is_message(record: Any) -> bool:
    match record:
        case {"messageId": str(), "body": str()}:
            return True
    return False


def _is_name(text: str) -> bool:
    """Returns whether an execution of Step Functions may have this name."""
    return 0 < len(text) <= LONGEST_NAME and text == escaped(text)


def _process(text: str) -> bool:
    """Submits a message. Returns whether it is done: accepted, or refused and in the queue of refused submissions."""
    try:
        try:
            _submit(_unwrapped(text))
        except BadSubmission as error:
            logger.warning("submission refused", reason=str(error))
            edges().refused_submissions.put(text, str(error))
            count("SubmissionsRefused")
    except Exception:  # noqa: BLE001 - logged and counted; the queue or the bus brings the message again
        logger.exception("submission not processed, to be tried again")
        count("SubmissionFaults")
        return False
    return True


def _unwrapped(text: str) -> Any:
    """Returns the submission of a message, which Amazon SNS or, of a failed asynchronous invocation, Lambda wrapped."""
    match _parsed(text):
        case {"Type": "Notification", "TopicArn": _, "Message": str(message)}:
            return _parsed(message)
        case {"Type": "Notification", "TopicArn": _}:
            hint = "publish one JSON object as the message of the topic"
            raise BadSubmission("submission", "came from Amazon SNS without a text in Message", hint)
        case {"requestContext": _, "requestPayload": {"detail-type": str(), "detail": given}}:
            return given
        case {"requestContext": _, "requestPayload": given}:
            return given
        case raw:
            return raw


def _parsed(text: str) -> Any:
    try:
        return json.loads(text)
    except json.JSONDecodeError as error:
        problem = f"is not JSON: {error}"
    except RecursionError:
        problem = "is nested over too many levels"
    except ValueError:
        problem = "has a whole number of thousands of digits"
    raise BadSubmission("submission", problem, "send one JSON object a message")


def _submit(raw: Any, execution: str | None = None) -> Submitted:
    submitted = edges().intake.submit(raw, execution)
    watch = submitted.watch
    logger.set_correlation_id(watch.id)
    logger.info("task submitted", provider=watch.submission.provider, first_time=submitted.created)
    return submitted


def _answer(submitted: Submitted) -> dict[str, Any]:
    watch = submitted.watch
    return {
        "id": watch.id,
        "provider": watch.submission.provider,
        "task_id": watch.submission.task_id,
        "created": submitted.created,
        "status": str(shapes.status(watch)),
        "pause": submitted.pause,
    }
