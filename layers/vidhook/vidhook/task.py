"""The facts: tasks, watches, subscribers, deliveries. Instants are unix seconds (UTC), durations are seconds.

docs/glossary.md explains the words. A watch is our following of one task; it has the same id as the task, `tsk_...`.
"""

import base64
import hashlib
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

TERMINAL_TYPES = ("video.completed", "video.failed", "image.completed", "image.failed")
EVENT_TYPES = (*TERMINAL_TYPES, "video.progress", "image.progress")


class Status(StrEnum):
    """What a task is doing. `completed` and `failed` are final."""

    PENDING = "pending"
    PROCESSING = "processing"
    COMPLETED = "completed"
    FAILED = "failed"

    @property
    def final(self) -> bool:
        return self in (Status.COMPLETED, Status.FAILED)


class Category(StrEnum):
    """Why a task failed, coarse enough to branch on whatever the provider."""

    CONTENT_POLICY = "content_policy"
    INVALID_INPUT = "invalid_input"
    QUOTA = "quota"
    AUTH = "auth"
    NOT_FOUND = "not_found"
    CANCELLED = "cancelled"
    EXPIRED = "expired"
    TIMEOUT = "timeout"
    NO_RESULT = "no_result"
    PROVIDER = "provider"


class SubscriberState(StrEnum):
    """Whether a subscriber is notified."""

    ACTIVE = "active"
    PAUSED = "paused"  # by its owner
    DISABLED = "disabled"  # by us, for a reason that stands beside it


class DeliveryState(StrEnum):
    """Where a delivery stands. `due` and `held` are open, the others are its end."""

    DUE = "due"
    HELD = "held"  # waits for a subscriber that is paused or disabled
    DELIVERED = "delivered"
    FAILED = "failed"
    CANCELLED = "cancelled"


class Outcome(StrEnum):
    """What an attempt led to."""

    DELIVERED = "delivered"
    RETRY = "retry"
    GONE = "gone"  # 410: the subscriber wants nothing more
    FAILED = "failed"  # it was the last one


class AttemptKind(StrEnum):
    """What an attempt met: an answer over HTTP, no secret to sign with, or what broke on the way (errors.py)."""

    HTTP = "http"
    SECRET = "secret"  # noqa: S105 - a word, not a secret
    DNS = "dns"
    CONNECT = "connect"
    TIMEOUT = "timeout"
    TLS = "tls"
    RESET = "reset"
    PROTOCOL = "protocol"
    TOO_LARGE = "too_large"
    BLOCKED = "blocked"
    REDIRECT = "redirect"


@dataclass(frozen=True, slots=True)
class TaskError:
    """Why a task failed. `code` is SCREAMING_SNAKE, `provider_code` is untouched, `message` is never empty."""

    category: Category
    code: str
    message: str
    provider_code: str | None = None
    retryable: bool = False


@dataclass(frozen=True, slots=True)
class Source:
    """One finished file at the provider: role `result` or `original`, type `video` or `image`."""

    role: str
    type: str
    url: str
    expires_at: float | None = None
    needs_key: bool = False  # downloaded with the provider's key, from the provider's own host only


@dataclass(frozen=True, slots=True)
class StoredFile:
    """One file in our bucket. `url` is our own lasting link to it."""

    bucket: str
    key: str
    content_type: str
    bytes: int
    sha256: str
    url: str = ""


@dataclass(frozen=True, slots=True)
class Snapshot:
    """One reading of a task. `sources` is non-empty exactly when completed, `error` is set exactly when failed."""

    status: Status
    provider_status: str | None = None  # the provider's own word, untouched
    object: str = "video"  # or "image"
    model: str | None = None
    prompt: str | None = None
    progress: int | None = None  # 0..100, never invented
    created_at: float | None = None
    started_at: float | None = None
    completed_at: float | None = None
    estimated_completion: float | None = None
    queue_position: int | None = None
    sources: tuple[Source, ...] = ()
    error: TaskError | None = None
    usage: dict[str, Any] | None = None
    upstream_id: str | None = None  # the id of whoever the provider itself asked
    known_status: bool = True  # False: the word is in no table and was read as processing


@dataclass(frozen=True, slots=True)
class Submission:
    """What somebody asked us to follow, checked."""

    provider: str
    task_id: str
    metadata: dict[str, Any] = field(default_factory=dict)
    callback_url: str | None = None
    expected_seconds: float | None = None
    deadline_seconds: int = 86_400
    progress: bool = False

    @property
    def id(self) -> str:
        """The watch's id: the same for the same task, whoever submits it, however often."""
        return watch_id(self.provider, self.task_id)


@dataclass(frozen=True, slots=True)
class Poll:
    """One question to the provider and what came of it: `answer` is a status, or the class of what went wrong."""

    at: float
    answer: str
    pause: int | None = None
    progress: int | None = None


@dataclass(frozen=True, slots=True)
class Watch:
    """Our following of one task.

    execution: the name of the state machine's execution that follows it. paused: the sum of all pauses asked for.
    history: the latest polls, oldest first. store_failures: how often storing the video failed. detected_at: when a
    poll found the task settled. last_progress: the latest poll that subscribers were notified of.
    """

    submission: Submission
    submitted_at: float
    execution: str = ""
    polls: int = 0
    paused: int = 0
    store_failures: int = 0
    history: tuple[Poll, ...] = ()
    snapshot: Snapshot | None = None
    detected_at: float | None = None
    event_id: str | None = None  # the terminal event, once written
    last_progress: Poll | None = None

    @property
    def id(self) -> str:
        return self.submission.id

    def age(self, now: float) -> float:
        """Seconds since submission; never less than all pauses together, so the rules hold where Waits are scaled."""
        return max(now - self.submitted_at, float(self.paused))

    @property
    def settled(self) -> bool:
        return self.event_id is not None or (self.snapshot is not None and self.snapshot.status.final)


def watch_id(provider: str, task_id: str) -> str:
    """`tsk_` and 26 characters that follow from (provider, task_id) alone."""
    return derived_id("tsk", provider, task_id)


def derived_id(prefix: str, *parts: str) -> str:
    """A prefix and 26 lower-case base32 characters (130 bits of SHA-256): fits execution names, keys and URLs."""
    digest = hashlib.sha256("\0".join(parts).encode("utf-8", "surrogatepass")).digest()
    return f"{prefix}_{base64.b32encode(digest).decode().lower()[:26]}"


@dataclass(frozen=True, slots=True)
class Subscriber:
    """An HTTPS endpoint that is notified, with its filter. Its secrets live in Secrets Manager under `secret_name`.

    reason: why it is paused or disabled. hold_until: nothing is sent to it before then, since it said Retry-After.
    failing_since and last_failure: the first and the latest failed attempt with no success in between;
    failing_reported: operators know of them. draining: deliveries that were held are still to be started. metadata:
    keys and values that a task's metadata must have.
    """

    id: str
    url: str
    secret_name: str
    secret_version: str | None = None
    events: tuple[str, ...] = TERMINAL_TYPES
    providers: tuple[str, ...] = ("*",)
    metadata: dict[str, Any] = field(default_factory=dict)
    description: str = ""
    state: SubscriberState = SubscriberState.ACTIVE
    reason: str | None = None
    created_at: float = 0.0
    hold_until: float = 0.0
    failing_since: float | None = None
    last_failure: float | None = None
    failing_reported: bool = False
    draining: bool = False

    @property
    def active(self) -> bool:
        return self.state is SubscriberState.ACTIVE


@dataclass(frozen=True, slots=True)
class Attempt:
    """One try at one delivery, as the delivery log shows it. timings: milliseconds a phase."""

    number: int
    at: float
    outcome: Outcome
    kind: AttemptKind
    status: int | None = None
    detail: str = ""
    answer: str = ""
    address: str | None = None
    tls_version: str | None = None
    timings: dict[str, float] = field(default_factory=dict)
    pause: int | None = None  # until the next attempt
    retry_after: int | None = None


@dataclass(frozen=True, slots=True)
class Delivery:
    """One event to one subscriber.

    attempts counts all there ever were; the schedule of the current run began after `base` of them. run counts the
    redelivery runs; each is followed by one execution.
    """

    event_id: str
    watch_id: str
    subscriber_id: str
    event_type: str
    created_at: float
    state: DeliveryState = DeliveryState.DUE
    attempts: int = 0
    next_at: float | None = None
    last: str = ""  # the latest attempt in a word or two
    base: int = 0
    run: int = 0

    @property
    def execution_name(self) -> str:
        """The name of the execution that follows the current run: one run is started once."""
        return f"{self.event_id}-{self.subscriber_id}-{self.run}"

    def execution_input(self, pause: int) -> dict[str, Any]:
        """The input of that execution, which begins with `pause` seconds: ids and seconds only."""
        return {
            "watch": self.watch_id,
            "event": self.event_id,
            "subscriber": self.subscriber_id,
            "run": self.run,
            "pause": pause,
        }


@dataclass(frozen=True, slots=True)
class SigningSecret:
    """One `whsec_...` of a subscriber; it signs until `expires_at` (unix seconds), or for good."""

    secret: str = field(repr=False)
    expires_at: float | None = None

    def signs(self, now: float) -> bool:
        return self.expires_at is None or now < self.expires_at
