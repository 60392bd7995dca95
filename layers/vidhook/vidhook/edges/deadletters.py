"""The dead-letter queue of submissions that could not be accepted, each with its reason."""

from typing import TYPE_CHECKING

from vidhook.edges import aws

if TYPE_CHECKING:
    from mypy_boto3_sqs import SQSClient

REASON_LIMIT = 1_024


class DeadLetters:
    """Stores messages in the queue, for a person to correct and send again."""

    def __init__(self, queue_url: str, *, client: "SQSClient | None" = None) -> None:
        self._queue_url = queue_url
        self._client: SQSClient = client or aws.client("sqs")

    def put(self, body: str, reason: str) -> None:
        """Stores a message unchanged; its attribute `reason` says what is wrong with it."""
        self._client.send_message(
            QueueUrl=self._queue_url,
            MessageBody=body,
            MessageAttributes={"reason": {"DataType": "String", "StringValue": reason[:REASON_LIMIT]}},
        )
