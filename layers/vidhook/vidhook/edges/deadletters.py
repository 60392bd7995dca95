"""The dead-letter queue of submissions that could not be taken in, each with its reason."""

from typing import TYPE_CHECKING

import boto3

if TYPE_CHECKING:
    from mypy_boto3_sqs import SQSClient

REASON_LIMIT = 1_024


class DeadLetters:
    """Puts a message aside, for a person to correct and send again."""

    def __init__(self, queue_url: str, *, client: "SQSClient | None" = None) -> None:
        self._queue_url = queue_url
        self._client = client or boto3.client("sqs")

    def put(self, body: str, reason: str) -> None:
        """Stores a message as it came; the attribute `reason` says what is wrong with it."""
        self._client.send_message(
            QueueUrl=self._queue_url,
            MessageBody=body,
            MessageAttributes={"reason": {"DataType": "String", "StringValue": reason[:REASON_LIMIT]}},
        )
