"""The facts about one task, in our own words. Instants are unix seconds (UTC), durations are seconds."""

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
    history: the latest polls, oldest first. copies: tries at keeping the video that failed. detected_at: when a poll
    found the task settled. progress_told: the poll whose news was told last.
    """

    submission: Submission
    submitted_at: float
    execution: str = ""
    polls: int = 0
    paused: int = 0
    copies: int = 0
    history: tuple[Poll, ...] = ()
    snapshot: Snapshot | None = None
    detected_at: float | None = None
    event_id: str | None = None  # the terminal event, once written
    progress_told: Poll | None = None

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
    """Who is told: an HTTPS endpoint with its filter. Its secrets live in Secrets Manager under `secret_name`.

    state: active, paused (by its owner) or disabled (by us, for `reason`). hold_until: unix seconds before which
    nothing is sent to it, since it said Retry-After. failing_since and last_failure: the first and the latest failed
    attempt with no success in between; failing_told: operators were told of them. draining: deliveries that were held
    are still to be started. metadata: keys and values a task's metadata must have.
    """

    id: str
    url: str
    secret_name: str
    secret_version: str | None = None
    events: tuple[str, ...] = TERMINAL_TYPES
    providers: tuple[str, ...] = ("*",)
    metadata: dict[str, Any] = field(default_factory=dict)
    description: str = ""
    state: str = "active"
    reason: str | None = None
    created_at: float = 0.0
    hold_until: float = 0.0
    failing_since: float | None = None
    last_failure: float | None = None
    failing_told: bool = False
    draining: bool = False

    @property
    def active(self) -> bool:
        return self.state == "active"


@dataclass(frozen=True, slots=True)
class Attempt:
    """One try at one delivery, as the delivery log shows it.

    outcome: delivered, retry, gone (410) or failed. kind: `http` when the subscriber answered, `secret` when there was
    none to sign with, else the class of what broke (dns, connect, timeout, tls, reset, protocol, blocked, too_large,
    redirect). timings: milliseconds a phase.
    """

    number: int
    at: float
    outcome: str
    kind: str
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
    """One event to one subscriber. state: due, held, delivered, failed or cancelled.

    attempts counts all there ever were; the schedule of the current run began after `base` of them. run counts the
    redelivery executions and names the next one.
    """

    event_id: str
    watch_id: str
    subscriber_id: str
    event_type: str
    created_at: float
    state: str = "due"
    attempts: int = 0
    next_at: float | None = None
    last: str = ""  # the latest attempt in a word or two
    base: int = 0
    run: int = 0

    @property
    def execution_name(self) -> str:
        """The name of the redelivery execution of the current run: one run is started once."""
        return f"{self.event_id}-{self.subscriber_id}-{self.run}"


@dataclass(frozen=True, slots=True)
class SigningSecret:
    """One `whsec_...` of a subscriber; it signs until `expires_at` (unix seconds), or for good."""

    secret: str = field(repr=False)
    expires_at: float | None = None

    def signs(self, now: float) -> bool:
        return self.expires_at is None or now < self.expires_at
