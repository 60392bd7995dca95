"""The facts about one task, in our own words. Instants are unix seconds (UTC), durations are seconds."""

import base64
import hashlib
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any


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


def watch_id(provider: str, task_id: str) -> str:
    """`tsk_` and 26 characters that follow from (provider, task_id) alone."""
    return derived_id("tsk", provider, task_id)


def derived_id(prefix: str, *parts: str) -> str:
    """A prefix and 26 lower-case base32 characters (130 bits of SHA-256): fits execution names, keys and URLs."""
    digest = hashlib.sha256("\0".join(parts).encode("utf-8", "surrogatepass")).digest()
    return f"{prefix}_{base64.b32encode(digest).decode().lower()[:26]}"
