"""Lambda: the one function of the stack that others invoke."""

from typing import TYPE_CHECKING

from vidhook.edges import aws
from vidhook.event import serialize

if TYPE_CHECKING:
    from mypy_boto3_lambda import LambdaClient


class Functions:
    """Invokes the sweeper, which alone may remove what is stored."""

    def __init__(self, sweeper: str, *, client: "LambdaClient | None" = None) -> None:
        self._sweeper = sweeper
        self._client: LambdaClient = client or aws.client("lambda")

    def erase(self, watch_id: str) -> None:
        """Has the sweeper go on with the erasure of a task at once, and does not wait for it."""
        payload = serialize({"erase": watch_id}).encode()
        self._client.invoke(FunctionName=self._sweeper, InvocationType="Event", Payload=payload)
