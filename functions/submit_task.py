"""Accepts submissions: by direct invoke, from the event bus, from the queue, or from the watch machine itself."""

import json
from typing import Any

from vidhook import shapes
from vidhook.edges.telemetry import count, logger
from vidhook.errors import BadSubmission
from vidhook.submit import Submitted
from vidhook.wiring import edges, warm

# Step Functions' console adds it to the input of a nested execution.
STARTED_BY = "AWS_STEP_FUNCTIONS_STARTED_BY_EXECUTION_ID"

warm("intake")


@logger.inject_lambda_context(clear_state=True)
def handler(event: dict[str, Any], context: object) -> dict[str, Any]:
    """Returns the submitted task; for a batch of messages, those to be tried again.

    A bad submission is an error for a direct caller, and data for an execution of the watch machine. From the bus and
    the queue, whose senders get no answer, it goes to the dead-letter queue with its reason; other messages go on.
    """
    if "Records" in event:
        failures = [record["messageId"] for record in event["Records"] if not _process(record["body"])]
        return {"batchItemFailures": [{"itemIdentifier": message_id} for message_id in failures]}
    if "detail-type" in event:
        if not _process(json.dumps(event["detail"])):
            raise RuntimeError("the submission could not be processed; it is tried again")
        return {}
    if "submission" in event:
        raw = {name: value for name, value in event["submission"].items() if name != STARTED_BY}
        try:
            return {**_answer(_submit(raw, event["execution"])), "refusal": None}
        except BadSubmission as error:
            return {"id": None, "pause": 0, "refusal": str(error)}
    return _answer(_submit(event))


def _process(text: str) -> bool:
    """Submits a message. Returns whether it is done: accepted, or refused and in the dead-letter queue."""
    try:
        _submit(_unwrapped(text))
    except BadSubmission as error:
        logger.warning("submission refused", reason=str(error))
        count("SubmissionsRefused")
        edges().dead_letters.put(text, str(error))
    except Exception:  # noqa: BLE001 - logged and counted; the queue or the bus brings the message again
        logger.exception("submission not processed, to be tried again")
        count("SubmissionFaults")
        return False
    return True


def _unwrapped(text: str) -> Any:
    try:
        raw = json.loads(text)
        if isinstance(raw, dict) and raw.get("Type") == "Notification" and "TopicArn" in raw:
            raw = json.loads(raw["Message"])  # Amazon SNS wraps the message
    except ValueError as error:
        raise BadSubmission("submission", f"is not JSON: {error}", "send one JSON object a message") from None
    return raw


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
