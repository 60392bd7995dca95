"""The queue of submissions that were refused, each with its reason."""

from typing import TYPE_CHECKING

from vidhook.edges import aws
from vidhook.texts import cut, escaped

if TYPE_CHECKING:
    from mypy_boto3_sqs import SQSClient

# The name, the type and the value of an attribute count as parts of a message. Newer queues take 1 MiB, older ones
# 256 KiB, and no submission is as long as that.
MESSAGE_BYTES, REASON_BYTES = 256 * 1_024, 2_048
BODY_BYTES = MESSAGE_BYTES - REASON_BYTES - len("reason" + "String")
NOTHING = "(an empty body)"


class RefusedSubmissions:
    """Stores messages in the queue, for their sender to correct and send again."""

    def __init__(self, queue_url: str, *, client: "SQSClient | None" = None) -> None:
        self._queue_url = queue_url
        self._client: SQSClient = client or aws.client("sqs")

    def put(self, body: str, reason: str) -> None:
        """Stores a message; its attribute `reason` says what is wrong with it.

        The body is unchanged if SQS takes it so. Else characters are escaped or its end is cut off, and the reason says
        so.
        """
        whole = escaped(body) or NOTHING
        stored = cut(whole, BODY_BYTES)
        notes = ""
        if whole != body and body:
            notes += "; characters that SQS refuses are written as \\uXXXX in the body"
        if stored != whole:
            notes += f"; the body is too long, its first {len(stored)} of {len(whole)} characters are here"
        reason = cut(escaped(reason), REASON_BYTES - len(notes)) + notes
        self._client.send_message(
            QueueUrl=self._queue_url,
            MessageBody=stored,
            MessageAttributes={"reason": {"DataType": "String", "StringValue": reason}},
        )
