"""EventBridge: the event bus, which gets every event in addition to the webhooks."""

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from vidhook.edges import aws
from vidhook.event import serialize

if TYPE_CHECKING:
    from mypy_boto3_events import EventBridgeClient

    from vidhook.event import Event

SOURCE = "vidhook"


class Bus:
    """Puts events on one bus."""

    def __init__(self, name: str, *, client: "EventBridgeClient | None" = None) -> None:
        self._name = name
        self._client: EventBridgeClient = client or aws.client("events")

    def put(self, event: "Event") -> None:
        """Puts an event's body on the bus, with its type as the detail-type. Raises OSError when the bus refuses it."""
        self._put(event.type, event.body, event.at)

    def report(self, detail_type: str, detail: dict[str, Any], at: float) -> None:
        """Puts an operational event (such as `endpoint.disabled`) on the bus."""
        self._put(detail_type, serialize(detail), at)

    def _put(self, detail_type: str, detail: str, at: float) -> None:
        answer = self._client.put_events(
            Entries=[
                {
                    "EventBusName": self._name,
                    "Source": SOURCE,
                    "DetailType": detail_type,
                    "Detail": detail,
                    "Time": datetime.fromtimestamp(at, UTC),
                }
            ]
        )
        if answer["FailedEntryCount"]:
            entry = answer["Entries"][0]
            raise OSError(f"the event bus refused {detail_type}: {entry.get('ErrorCode')} {entry.get('ErrorMessage')}")
