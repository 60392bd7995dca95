"""What is told about a task: the webhook's body, serialized once and sent byte for byte ever after."""

import json
import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from datetime import UTC, datetime
from typing import Any, TypeVar

from vidhook.task import Snapshot, Source, Status, TaskError, Watch, derived_id

PROGRESS = "progress"
# EventBridge entries and Step Functions outputs end at 256 KiB, DynamoDB items at 400 KB: what a provider says may not
# push an event or a watch over them. Bytes of JSON.
LONG_TEXT = 16_384
SHORT_TEXT = 1_024

Text = TypeVar("Text", str, str | None)


@dataclass(frozen=True, slots=True)
class Kept:
    """One file in our bucket. `url` is our own lasting link to it."""

    bucket: str
    key: str
    url: str
    content_type: str
    bytes: int
    sha256: str


@dataclass(frozen=True, slots=True)
class Event:
    """One thing told. `body` is the exact text every webhook carries; the other fields are what filters look at."""

    id: str
    type: str
    watch_id: str
    provider: str
    at: float
    body: str
    metadata: dict[str, Any] = field(default_factory=dict)

    @property
    def terminal(self) -> bool:
        return not self.type.endswith(PROGRESS)

    @property
    def data(self) -> dict[str, Any]:
        """The body, parsed."""
        parsed: dict[str, Any] = json.loads(self.body)
        return parsed


def iso(instant: float | None) -> str | None:
    """Unix seconds as `2026-04-27T11:20:12Z`, to the second; None stays None."""
    if instant is None:
        return None
    return datetime.fromtimestamp(math.floor(instant), UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def serialize(value: Any) -> str:
    """JSON in one spelling: ASCII, no spaces, keys in the order they were set. Raises ValueError for NaN."""
    return json.dumps(value, ensure_ascii=True, separators=(",", ":"), allow_nan=False)


def terminal_event(watch: Watch, snapshot: Snapshot, kept: Mapping[str, Kept], now: float) -> Event:
    """The one event that ends a watch: `<object>.completed` or `<object>.failed`.

    `kept` maps a source's role to its copy in our bucket; a source that is missing there keeps the provider's link.
    """
    if not snapshot.status.final:
        raise ValueError(f"a {snapshot.status} task has no terminal event")
    return _event(watch, snapshot, str(snapshot.status), kept, now)


def progress_event(watch: Watch, snapshot: Snapshot, now: float) -> Event:
    """A change on the way, for those who asked for `<object>.progress`."""
    return _event(watch, snapshot, PROGRESS, {}, now)


def _event(watch: Watch, snapshot: Snapshot, suffix: str, kept: Mapping[str, Kept], now: float) -> Event:
    kind = f"{snapshot.object}.{suffix}"
    told_before = () if suffix != PROGRESS else (str(watch.polls),)
    event_id = derived_id("evt", watch.id, kind, *told_before)
    body = {"id": event_id, "type": kind, "timestamp": iso(now), "data": _data(watch, snapshot, kept, now)}
    return Event(
        event_id, kind, watch.id, watch.submission.provider, now, serialize(body), dict(watch.submission.metadata)
    )


def _data(watch: Watch, snapshot: Snapshot, kept: Mapping[str, Kept], now: float) -> dict[str, Any]:
    error = None
    if snapshot.error is not None:
        told = asdict(snapshot.error)
        error = {key: told[key] for key in ("category", "code", "provider_code", "message", "retryable")}
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
        "created_at": iso(snapshot.created_at),
        "started_at": iso(snapshot.started_at),
        "completed_at": iso(snapshot.completed_at),
        "assets": [_asset(source, kept.get(source.role)) for source in snapshot.sources],
        "error": error,
        "usage": snapshot.usage,
        "metadata": watch.submission.metadata,
        "watch": {
            "polls": watch.polls,
            "detected_at": iso(detected),
            "detection_delay_seconds_max": _blind_seconds(watch, detected),
        },
    }


def _asset(source: Source, copy: Kept | None) -> dict[str, Any]:
    return {
        "role": source.role,
        "type": source.type,
        "url": copy.url if copy else source.url,
        "stored": copy is not None,
        "bucket": copy.bucket if copy else None,
        "key": copy.key if copy else None,
        "content_type": copy.content_type if copy else None,
        "bytes": copy.bytes if copy else None,
        "sha256": copy.sha256 if copy else None,
        "source_url": source.url,
        "source_expires_at": iso(source.expires_at),
    }


def _blind_seconds(watch: Watch, detected: float) -> int:
    """The longest the news can have waited for us: the time between the poll that found it and the one before."""
    earlier = [poll.at for poll in watch.history if poll.at < detected]
    return max(0, math.ceil(detected - (earlier[-1] if earlier else watch.submitted_at)))


def failed(snapshot: Snapshot | None, error: TaskError | None) -> Snapshot:
    """A failed snapshot for a task that will tell us no more, keeping what it told last."""
    return fitted(replace(snapshot or Snapshot(Status.FAILED), status=Status.FAILED, sources=(), error=error))


def fitted(snapshot: Snapshot) -> Snapshot:
    """The snapshot with every text cut, and its usage left out, where they would make an event too large to send."""
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
