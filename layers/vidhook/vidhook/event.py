"""Events: the body of every webhook, serialized once and then always sent with the same bytes."""

import json
import math
import secrets as randomness
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from types import MappingProxyType
from typing import Any, TypeVar

from vidhook.task import (
    TERMINAL_TYPES,
    Category,
    Film,
    NotStored,
    Snapshot,
    Source,
    Status,
    StoredFile,
    TaskError,
    Watch,
    derived_id,
)
from vidhook.texts import may_have_halves, without_halves
from vidhook.times import iso

PROGRESS = "progress"
# The most of one text of a provider, in bytes of JSON. It keeps events and watches below the limits of AWS: 256 KiB for
# EventBridge entries and Step Functions outputs, 400 KB for DynamoDB items.
LONG_TEXT = 16_384
SHORT_TEXT = 1_024

Text = TypeVar("Text", str, str | None)


@dataclass(frozen=True, slots=True)
class Event:
    """One event. `body` is the exact text of every webhook; filters look at the other fields.

    It has U+FFFD for half a pair of surrogates, which is in metadata and ids that earlier versions took.
    """

    id: str
    type: str
    watch_id: str
    provider: str
    at: float
    body: str
    metadata: dict[str, Any] = field(default_factory=dict)
    on_bus: bool = field(default=False, compare=False)  # it was put on the event bus

    def __post_init__(self) -> None:
        if may_have_halves(self.body.encode()):
            object.__setattr__(self, "body", without_halves(self.body))

    @property
    def terminal(self) -> bool:
        """Whether it is the terminal event of a task."""
        return self.type in TERMINAL_TYPES

    @property
    def data(self) -> dict[str, Any]:
        """The body, parsed."""
        parsed: dict[str, Any] = json.loads(self.body)
        return parsed


def serialize(value: Any) -> str:
    """Returns JSON in one fixed form: ASCII, no spaces, keys in the order they were set. Raises ValueError for NaN."""
    return json.dumps(value, ensure_ascii=True, separators=(",", ":"), allow_nan=False)


def same(one: Any, other: Any) -> bool:
    """Returns whether two values are the same in JSON: 1 is 1.0, but not true."""
    if isinstance(one, dict) and isinstance(other, dict):
        return one.keys() == other.keys() and all(same(one[name], other[name]) for name in one)
    if isinstance(one, list) and isinstance(other, list):
        return len(one) == len(other) and all(map(same, one, other))
    return isinstance(one, bool) == isinstance(other, bool) and bool(one == other)


def terminal_event(
    watch: Watch,
    snapshot: Snapshot,
    stored: Mapping[str, StoredFile],
    now: float,
    not_stored: Mapping[str, NotStored] = MappingProxyType({}),
) -> Event:
    """Returns the one event that ends a watch: `<object>.completed` or `<object>.failed`.

    `stored` maps a source's role to its file in our bucket; a source that is missing there has the provider's link, and
    the reason that `not_stored` gives. Raises ValueError for a task that has not ended.
    """
    if not snapshot.status.final:
        raise ValueError(f"a {snapshot.status} task has no terminal event")
    assets = [_asset(source, stored.get(source.role), not_stored.get(source.role)) for source in snapshot.sources]
    return _event(watch, snapshot, str(snapshot.status), assets, now)


def progress_event(watch: Watch, snapshot: Snapshot, now: float) -> Event:
    """Returns a progress event, for those who asked for `<object>.progress`."""
    return _event(watch, replace(snapshot, sources=(), error=None), PROGRESS, [], now)


def _event(watch: Watch, snapshot: Snapshot, suffix: str, assets: list[dict[str, Any]], now: float) -> Event:
    kind = f"{snapshot.object}.{suffix}"
    poll_number = (str(watch.polls),) if suffix == PROGRESS else ()  # a task has many progress events
    event_id = derived_id("evt", watch.id, kind, *poll_number)
    body = {"id": event_id, "type": kind, "timestamp": iso(now), "data": _data(watch, snapshot, assets, now)}
    return Event(
        event_id, kind, watch.id, watch.submission.provider, now, serialize(body), dict(watch.submission.metadata)
    )


def _data(watch: Watch, snapshot: Snapshot, assets: list[dict[str, Any]], now: float) -> dict[str, Any]:
    error = None
    if snapshot.error is not None:
        known = asdict(snapshot.error)
        error = {key: known[key] for key in ("category", "code", "provider_code", "message", "retryable")}
    detected = watch.detected_at if watch.detected_at is not None else now
    return {
        "id": watch.id,
        "object": snapshot.object,
        "provider": watch.submission.provider,
        "task_id": watch.submission.task_id,
        "model": snapshot.model,
        "status": str(snapshot.status),
        "provider_status": snapshot.provider_status,
        "progress": snapshot.progress,
        "prompt": snapshot.prompt,
        "created_at": iso(snapshot.created_at, exact=True),
        "started_at": iso(snapshot.started_at, exact=True),
        "completed_at": iso(snapshot.completed_at, exact=True),
        "assets": assets,
        "error": error,
        "usage": snapshot.usage,
        "reference": watch.submission.reference,
        "metadata": watch.submission.metadata,
        "watch": {
            "polls": watch.polls,
            "detected_at": iso(detected),
            "detection_delay_seconds_max": _longest_detection_delay(watch, detected),
        },
    }


def _asset(source: Source, file: StoredFile | None = None, reason: NotStored | None = None) -> dict[str, Any]:
    link = None if source.inline else source.url
    film = file.film if file else Film()
    error = None
    if reason is not None and file is None:
        error = {"kind": reason.kind, "message": _cut(reason.message, SHORT_TEXT)}
    return {
        "role": source.role,
        "type": source.type,
        "url": file.url if file else link,
        "stored": file is not None,
        "bucket": file.bucket if file else None,
        "key": file.key if file else None,
        "content_type": file.content_type if file else None,
        "bytes": file.bytes if file else None,
        "sha256": file.sha256 if file else None,
        "duration_ms": film.duration_ms,
        "width": film.width,
        "height": film.height,
        "has_audio": film.has_audio,
        "source_url": link,
        "source_expires_at": iso(source.expires_at, exact=True),
        "store_error": error,
    }


def _longest_detection_delay(watch: Watch, detected: float) -> int:
    """Returns for how many seconds at most the end was not seen: from the poll before to the poll that found it."""
    earlier = [poll.at for poll in watch.history if poll.at < detected]
    return max(0, math.ceil(detected - (earlier[-1] if earlier else watch.submitted_at)))


def failed(snapshot: Snapshot | None, error: TaskError | None) -> Snapshot:
    """Returns a failed snapshot for a task whose provider did not say so, with the values that were read last."""
    known = snapshot or Snapshot(Status.FAILED)
    return fitted(replace(known, status=Status.FAILED, sources=(), error=error, said=False))


NOT_CREATED = TaskError(
    Category.CANCELLED, "CANCELLED", "the task was cancelled by request before it was created", retryable=None
)


def ambiguous(watch: Watch, what: str | None = None) -> TaskError:
    """Returns the error of a task that may have been created, and of which nobody knows the provider's id."""
    known = watch.snapshot.error if watch.snapshot else None
    came = what or (known.message if known else "vidhook broke off before it had an answer")
    at = iso(watch.creation.sent_at) if watch.creation else None
    provider = watch.submission.provider
    message = (
        f"{provider} may have created the task: the request was sent at {at}, and then: {came}. It is not sent again. "
        f"Look for a task of that time at {provider} and submit its task_id; if there is none, create it with a new "
        "idempotency_key"
    )
    return TaskError(Category.PROVIDER, "CREATE_AMBIGUOUS", message, retryable=None)


def fitted(snapshot: Snapshot) -> Snapshot:
    """Returns the snapshot with long texts cut and a long `usage` left out, so that its event is not too large."""
    error = snapshot.error
    if error is not None:
        error = replace(
            error,
            code=_cut(error.code, SHORT_TEXT),
            message=_cut(error.message, LONG_TEXT),
            provider_code=_cut(error.provider_code, SHORT_TEXT),
        )
    return replace(
        snapshot,
        provider_status=_cut(snapshot.provider_status, SHORT_TEXT),
        model=_cut(snapshot.model, SHORT_TEXT),
        prompt=_cut(snapshot.prompt, LONG_TEXT),
        upstream_id=_cut(snapshot.upstream_id, SHORT_TEXT),
        usage=snapshot.usage if len(serialize(snapshot.usage)) <= LONG_TEXT else None,
        error=error,
    )


def _cut(text: Text, limit: int) -> Text:
    while text is not None and (size := len(serialize(text))) > limit:
        text = text[: len(text) * limit // size]
    return text


def test_event(subscriber_id: str, now: float) -> Event:
    """Returns an `endpoint.test` event, which belongs to no task."""
    event_id = derived_id("evt", "test", randomness.token_hex(16))
    data = {"object": "endpoint", "id": subscriber_id, "message": "This is a test from vidhook; nothing happened."}
    body = {"id": event_id, "type": "endpoint.test", "timestamp": iso(now), "data": data}
    return Event(event_id, "endpoint.test", "tsk_test", "", now, serialize(body))
