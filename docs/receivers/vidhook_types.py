# Made from the contract by `make types`. Do not change it by hand.

from __future__ import annotations

from typing import Any, Literal, TypeAlias
from typing_extensions import TypedDict


EventId: TypeAlias = str
"""the event's id, `evt_` and 26 characters: the same in every attempt, in every replay and for every subscriber"""


Timestamp: TypeAlias = str
"""when the event was written, in UTC"""


ProviderTime: TypeAlias = str | None
"""a time from the provider, in UTC, with milliseconds where it gave them; null when it did not say"""


class EventWatch(TypedDict):
    """how vidhook followed the task"""

    polls: int
    """how often vidhook polled the provider"""
    detected_at: str
    """when a poll found the task done; in a progress event, when it was written"""
    detection_delay_seconds_max: int
    """the longest time in whole seconds that the task can have been done before that poll"""


class StoreError(TypedDict):
    """Why a file is not stored."""

    kind: Literal[
        "status",
        "content",
        "playlist",
        "broken",
        "timeout",
        "dns",
        "connect",
        "tls",
        "reset",
        "protocol",
        "redirect",
        "blocked",
        "too_large",
        "token",
        "fault",
    ]
    """what went wrong, to branch on; new kinds may be added"""
    message: str
    """what went wrong, for people"""


class TaskError(TypedDict):
    """Why a task failed."""

    category: Literal[
        "content_policy",
        "invalid_input",
        "quota",
        "auth",
        "not_found",
        "cancelled",
        "expired",
        "timeout",
        "no_result",
        "provider",
    ]
    """the kind of failure, to branch on: the same words for every provider"""
    code: str
    """the provider's code in SCREAMING_SNAKE, or one of vidhook's own, such as DEADLINE_REACHED"""
    provider_code: str | None
    """the provider's code, unchanged; null without one"""
    message: str
    """the reason, for people; never empty"""
    retryable: bool | None
    """whether the same request may work another time; null when nothing tells"""


class TestedEndpoint(TypedDict):
    """The endpoint that is tested."""

    object: Literal["endpoint"]
    """it is about an endpoint"""
    id: str
    """the subscriber's id, or the name of the command that tests"""
    message: str
    """says that it is a test, for people"""


class LastAttempt(TypedDict):
    """the attempt that led to this event"""

    at: str
    """when it was made, in UTC"""
    outcome: Literal["delivered", "retry", "gone", "failed"]
    """what came of it"""
    kind: Literal[
        "http",
        "secret",
        "dns",
        "connect",
        "timeout",
        "tls",
        "reset",
        "protocol",
        "too_large",
        "blocked",
        "redirect",
    ]
    """http when the subscriber answered, else what broke"""
    status: int | None
    """the HTTP status of the answer; null without one"""


class EndpointTest(TypedDict):
    """Somebody tests this endpoint; it is about no task."""

    id: EventId
    type: Literal["endpoint.test"]
    """the event's type"""
    timestamp: Timestamp
    data: TestedEndpoint


class TaskErased(TypedDict, closed=True):
    """An operational event, on the stack's event bus only: all that was stored of a task is removed."""

    id: str
    """the task's id in vidhook"""
    erased_at: Timestamp


class EventTask(TypedDict):
    """What every event says about its task."""

    id: str
    """the task's id in vidhook, `tsk_` and 26 characters; it follows from provider and task_id"""
    object: Literal["video", "image"]
    """what the task makes"""
    provider: str
    """the provider, as it was submitted"""
    task_id: str | None
    """the provider's own id of the task; null if vidhook was to create it, and nobody knows an id"""
    model: str | None
    """the model, as the provider repeats it, cut at 1 KiB; null when it does not"""
    provider_status: str | None
    """the provider's own word for the status, unchanged; null when it was never read"""
    progress: int | None
    """whole percent; null when the provider does not say"""
    prompt: str | None
    """the prompt, as the provider repeats it, cut at 16 KiB; null when it does not"""
    created_at: ProviderTime
    """when the provider took the task"""
    started_at: ProviderTime
    """when the provider started it"""
    completed_at: ProviderTime
    """when the provider finished it"""
    usage: dict[str, Any] | None
    """what the provider says it used, unchanged: an object with any keys; null when it does not say, or when it is over 16 KiB"""
    reference: str | None
    """your own id for the task, as it was submitted; null without one"""
    metadata: dict[str, Any]
    """your own object with any keys, as it was submitted; empty without one"""
    watch: EventWatch


class Asset(TypedDict):
    """One file of a task."""

    role: str
    """`result`, `original` (the video before super-resolution), `poster` (the provider's picture of the video), or another role that the provider's file names"""
    type: Literal["video", "image"]
    """what kind of file it is"""
    url: str | None
    """where to get the file: vidhook's own link when it is stored, else the provider's; null when it is not stored and the provider gave the file itself"""
    stored: bool
    """whether it is in your bucket; else the provider's link is all there is, and will die"""
    bucket: str | None
    """the bucket of S3; null when not stored"""
    key: str | None
    """the key in the bucket; null when not stored"""
    content_type: str | None
    """the content type of the stored file; null when not stored"""
    bytes: int | None
    """the size of the stored file in bytes; null when not stored"""
    sha256: str | None
    """the SHA-256 of the stored file in hexadecimal; null when not stored"""
    duration_ms: int | None
    """how long the stored film is, in milliseconds, as its own bytes say; null when not stored, or when they do not say it"""
    width: int | None
    """pixels across, as the stored film or picture is shown; null when not stored or not known"""
    height: int | None
    """pixels down, as the stored film or picture is shown; null when not stored or not known"""
    has_audio: bool | None
    """whether the stored film has sound; null when not stored or not known"""
    source_url: str | None
    """the provider's link; null when the provider gave the file itself"""
    source_expires_at: ProviderTime
    """when the provider's link dies"""
    store_error: StoreError | None
    """why it is not stored; null when it is"""


class EndpointReport(TypedDict):
    """What every operational event says about its subscriber."""

    subscriber: str
    """the subscriber's id: `sub_...`, or `cb_...` for a callback_url"""
    url: str
    """its URL, without the query string"""
    failing_since: str
    """the first failed attempt with no success since, in UTC"""
    last_attempt: LastAttempt


class EndpointFailing(EndpointReport):
    """An operational event, on the stack's event bus only: attempts at a subscriber fail."""


class EndpointRecovered(EndpointReport):
    """An operational event, on the stack's event bus only: a subscriber that failed has answered 2xx."""


class EndpointDisabled(EndpointReport):
    """An operational event, on the stack's event bus only: vidhook has disabled a subscriber, and holds its deliveries."""

    reason: str
    """why it was disabled, for people"""


class CompletedTask(EventTask):
    """A task that is completed: it has a file, and no error."""

    status: Literal["completed"]
    """the task's status"""
    assets: list[Asset]
    """the files; the result comes first"""
    error: None
    """null: it did not fail"""


class FailedTask(EventTask):
    """A task that has failed: it has an error, and no file."""

    status: Literal["failed"]
    """the task's status"""
    assets: list[Asset]
    """empty: there is no file"""
    error: TaskError


class ProgressTask(EventTask):
    """A task that goes on: it has no file and no error yet."""

    status: Literal["pending", "processing"]
    """the task's status"""
    assets: list[Asset]
    """empty: there is no file yet"""
    error: None
    """null: it did not fail"""


class VideoCompleted(TypedDict):
    """The video is done, and stored in your bucket unless its asset says `"stored": false`."""

    id: EventId
    type: Literal["video.completed"]
    """the event's type"""
    timestamp: Timestamp
    data: CompletedTask


class VideoFailed(TypedDict):
    """The task failed, was refused for good, or its deadline passed. video.completed may follow after a retry."""

    id: EventId
    type: Literal["video.failed"]
    """the event's type"""
    timestamp: Timestamp
    data: FailedTask


class VideoProgress(TypedDict):
    """The task's status or progress changed. Only for submissions with `"progress": true` and subscribers that ask for it."""

    id: EventId
    type: Literal["video.progress"]
    """the event's type"""
    timestamp: Timestamp
    data: ProgressTask


class ImageCompleted(TypedDict):
    """The image is done, and stored in your bucket unless its asset says `"stored": false`."""

    id: EventId
    type: Literal["image.completed"]
    """the event's type"""
    timestamp: Timestamp
    data: CompletedTask


class ImageFailed(TypedDict):
    """The task failed, was refused for good, or its deadline passed. image.completed may follow after a retry."""

    id: EventId
    type: Literal["image.failed"]
    """the event's type"""
    timestamp: Timestamp
    data: FailedTask


class ImageProgress(TypedDict):
    """The task's status or progress changed. Only for submissions with `"progress": true` and subscribers that ask for it."""

    id: EventId
    type: Literal["image.progress"]
    """the event's type"""
    timestamp: Timestamp
    data: ProgressTask


Event: TypeAlias = (
    VideoCompleted
    | VideoFailed
    | VideoProgress
    | ImageCompleted
    | ImageFailed
    | ImageProgress
    | EndpointTest
)
"""What subscribers receive: the body of every webhook. New types, new fields and new values of `kind` may be added: ignore what you do not know."""
