"""The facts: tasks, watches, subscribers, deliveries. Instants are unix seconds (UTC), durations are seconds.

docs/glossary.md explains the words. A watch is our following of one task; it has the same id as the task, `tsk_...`.
"""

import base64
import hashlib
import re
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Any
from urllib.parse import urlsplit

from vidhook.errors import NotFound

TERMINAL_TYPES = ("video.completed", "video.failed", "image.completed", "image.failed")
# The provider whose tasks vidhook itself answers for, so that a stack can be tried without an account at a provider.
SAMPLE = "sample"
# What came of the wish to cancel a task, see Cancel.
ACCEPTED, REFUSED, STOPPED = "accepted", "refused", "stopped"
TASK_CREATED = "created"  # the answer of a poll in a watch's history: that of the request which created its task
EVENT_TYPES = (*TERMINAL_TYPES, "video.progress", "image.progress")


class Status(StrEnum):
    """The status of a task. `completed` and `failed` are final."""

    PENDING = "pending"
    PROCESSING = "processing"
    COMPLETED = "completed"
    FAILED = "failed"

    @property
    def final(self) -> bool:
        return self in (Status.COMPLETED, Status.FAILED)


class Category(StrEnum):
    """Why a task failed: a few categories, the same for every provider, to branch on."""

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
    DISABLED = "disabled"  # by vidhook; `reason` says why


class DeliveryState(StrEnum):
    """The state of a delivery. `due` and `held` are open, the others are final."""

    DUE = "due"
    HELD = "held"  # waits for a subscriber that is paused or disabled
    DELIVERED = "delivered"
    FAILED = "failed"
    CANCELLED = "cancelled"


class Outcome(StrEnum):
    """The result of an attempt."""

    DELIVERED = "delivered"
    RETRY = "retry"
    GONE = "gone"  # 410: the subscriber wants no more events
    FAILED = "failed"  # the last attempt of a run


class AttemptKind(StrEnum):
    """What an attempt got: an HTTP answer, no secret to sign with, or the class of what broke (errors.py)."""

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
    """Why a task failed. `code` is in UPPER_SNAKE_CASE, `provider_code` is unchanged, `message` is never empty.

    retryable: whether the same submission may succeed if it is made again; None when nothing tells.
    """

    category: Category
    code: str
    message: str
    provider_code: str | None = None
    retryable: bool | None = False


@dataclass(frozen=True, slots=True)
class Source:
    """One finished file at the provider. `role` is `result` or another asset, `type` is `video` or `image`.

    inline: the file has no link; its bytes stand in the provider's answer, as a `data:` URL. `url` is only the
    beginning of that, such as `data:video/mp4;base64`, and storing asks the provider again.
    """

    role: str
    type: str
    url: str
    expires_at: float | None = None
    needs_key: bool = False  # downloaded with the provider's key, from the provider's own host only
    inline: bool = False


@dataclass(frozen=True, slots=True)
class Film:
    """What the bytes of a film or an image say of it; None where they do not.

    width, height: as it is shown, in pixels: a film that is turned is told as the viewer sees it.
    """

    duration_ms: int | None = None
    width: int | None = None
    height: int | None = None
    has_audio: bool | None = None


@dataclass(frozen=True, slots=True)
class StoredFile:
    """One file in our bucket. `url` is our own lasting link to it."""

    bucket: str
    key: str
    content_type: str
    bytes: int
    sha256: str
    url: str = ""
    film: Film = Film()


@dataclass(frozen=True, slots=True)
class NotStored:
    """Why a file is not in our bucket: the class of what went wrong (errors.py), and a text for people."""

    kind: str
    message: str

    @property
    def final(self) -> bool:
        """Whether it would be so again, however often it is tried."""
        return self.kind == "playlist"


@dataclass(frozen=True, slots=True)
class Upload:
    """A file that goes into our bucket, or went: `sha256` and `film` are set when all of it is stored.

    One that goes in parts has the `id` of S3's multipart upload. All parts are of one file of the source, the one with
    this `length` and this `validator` (its ETag, or its Last-Modified). They have `part_bytes` each, the last one what
    is left.
    """

    id: str
    content_type: str
    validator: str
    length: int
    part_bytes: int
    sha256: str | None = None
    film: Film = Film()


@dataclass(frozen=True, slots=True)
class Snapshot:
    """One reading of a task: `sources` is non-empty when it is completed, `error` is set when it has failed.

    Before it is final, both are what was seen of an end that is not certain; at the deadline they count. said: the
    provider says this end in so many words; False for one that is only concluded, such as from a 404.
    """

    status: Status
    provider_status: str | None = None  # the provider's own word, unchanged
    object: str = "video"  # or "image"
    model: str | None = None
    prompt: str | None = None
    progress: int | None = None  # 0 to 100, only as the provider says
    created_at: float | None = None
    started_at: float | None = None
    completed_at: float | None = None
    estimated_completion: float | None = None
    queue_position: int | None = None
    sources: tuple[Source, ...] = ()
    error: TaskError | None = None
    usage: dict[str, Any] | None = None
    upstream_id: str | None = None  # the id of the task at the service that the provider itself uses
    known_status: bool = True  # False: the word is in no table and was read as processing
    said: bool = True


@dataclass(frozen=True, slots=True)
class Submission:
    """A checked submission: one task to follow, and how.

    task_id: the provider's id of the task; None while it is not created. creates: vidhook creates the task, at most
    once for each idempotency_key, or for each reference without one.
    """

    provider: str
    task_id: str | None = None
    metadata: dict[str, Any] = field(default_factory=dict)
    reference: str | None = None  # its submitter's own id for it
    callback_url: str | None = None
    expected_seconds: float | None = None
    deadline_seconds: int = 86_400
    progress: bool = False
    idempotency_key: str | None = None
    creates: bool = False
    params: dict[str, str] = field(default_factory=dict)  # what the provider's file puts into its requests

    @property
    def id(self) -> str:
        """The id of the task and of its watch: the same for every submission of the task."""
        if not self.creates:
            return watch_id(self.provider, self.task_id or "")
        # No id of a provider's task has a NUL, which separates the parts, so the two kinds of ids never meet.
        key = ("reference", self.reference) if self.idempotency_key is None else ("key", self.idempotency_key)
        return derived_id("tsk", self.provider, key[0], key[1] or "")

    @property
    def own_name(self) -> str | None:
        """What its submitter calls the task: its reference, or else the key under which it is created."""
        return self.idempotency_key if self.reference is None else self.reference

    @property
    def known_id(self) -> str:
        """The provider's id of the task. Raises NotFound while it has none."""
        if self.task_id is None:
            raise NotFound(f"the provider's id of task {self.id} is not known")
        return self.task_id


@dataclass(frozen=True, slots=True)
class Creation:
    """How far the creation of a task at its provider is.

    tries: how many requests were begun. sent_at: when the first request was begun of which nobody knows whether it
    created the task; None if there is none. busy_until: until when the function that began the latest request may still
    note its outcome. done_at: when the provider said the id of the task. promise: a digest of the first request of
    unknown outcome, if the provider creates one task only for all that are like it.
    """

    tries: int = 0
    sent_at: float | None = None
    busy_until: float = 0.0
    done_at: float | None = None
    promise: str | None = None


@dataclass(frozen=True, slots=True)
class Poll:
    """One question to the provider and what came of it: `answer` is a status, or the class of what went wrong.

    why: the reason of the pause, as in schedule.Pause. hints: how long the task takes in all, in seconds, by kind.
    """

    at: float
    answer: str
    pause: int | None = None
    progress: int | None = None
    why: str = ""
    hints: dict[str, float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Answer:
    """What a provider answered to the latest poll, as it is kept: without our key, and without signatures.

    body: the JSON of the answer, or its text where that is no JSON or too long; then it may be `truncated`. bytes: how
    long the answer was. read: what the engine made of it.
    """

    at: float
    status: int
    headers: dict[str, str]
    body: Any
    truncated: bool
    bytes: int
    read: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Erasure:
    """What is left to remove of a task that was erased `at` an instant.

    reference: None once all was removed for the first time. callbacks: the ids of its callback_urls. told: the bus has
    `task.erased`.
    """

    watch_id: str
    at: float
    provider: str
    execution: str
    reference: str | None = None
    callbacks: tuple[str, ...] = ()
    told: bool = False
    submitted_at: float = 0.0


@dataclass(frozen=True, slots=True)
class Cancel:
    """That a task is to be cancelled. at: when that was asked for last; number: how often.

    answer: what came of it. `accepted` or `refused` by the provider; `stopped`: its file has no way to cancel, so that
    it is only followed no longer; the class of what went wrong, so that the provider is asked again with the next poll;
    None before it was asked. message: what the provider said to that at `answered_at`.
    """

    at: float
    number: int = 1
    answer: str | None = None
    answered_at: float | None = None
    message: str = ""

    @property
    def pending(self) -> bool:
        """Whether the provider has yet to be asked, or to be asked again."""
        return self.answer not in (ACCEPTED, REFUSED, STOPPED)


@dataclass(frozen=True, slots=True)
class Watch:
    """Our following of one task.

    execution: the name of the state machine's execution that follows it. paused: the sum of all pauses, in seconds.
    first: the pause before the first poll, in seconds, and why it was so long; earlier versions did not note it.
    history: the latest polls, oldest first. store_failures: how often storing the video failed. uploads: by role, what
    is stored, or goes into the bucket in parts. detected_at: when a poll found the task settled. last_progress: the
    latest poll that subscribers were notified of. doubted_at: the age at which the provider first answered as if the
    task had ended, without saying so, since it last gave a status. callbacks: the callback_urls of later submissions.
    retries: how often it was opened again after its failure was published, retried_at: when that was done last.
    first_deadline: the deadline_seconds of the first submission, once a retry has set another. cancel: that it is to be
    cancelled, since the last retry. told: each subscriber of its event has a delivery in the ledger, so that nothing of
    the watch is left to do. creation: how far the task is created, if vidhook creates it.
    """

    submission: Submission
    submitted_at: float
    execution: str = ""
    polls: int = 0
    paused: int = 0
    first: tuple[int, str] = (0, "")
    store_failures: int = 0
    uploads: dict[str, Upload] = field(default_factory=dict)
    history: tuple[Poll, ...] = ()
    snapshot: Snapshot | None = None
    detected_at: float | None = None
    event_id: str | None = None  # the terminal event, once written
    last_progress: Poll | None = None
    doubted_at: float | None = None
    callbacks: tuple[str, ...] = ()
    retries: int = 0
    retried_at: float | None = None
    first_deadline: int | None = None
    cancel: Cancel | None = None
    told: bool = False
    creation: Creation | None = None

    @property
    def id(self) -> str:
        return self.submission.id

    @property
    def uncreated(self) -> bool:
        """Whether nobody knows the provider's id of the task, so that it cannot be polled."""
        return self.submission.task_id is None

    @property
    def callback_urls(self) -> tuple[str, ...]:
        """All URLs that get the events of this task alone, in the order in which they were submitted."""
        first = self.submission.callback_url
        return self.callbacks if first is None else (first, *self.callbacks)

    @property
    def born_at(self) -> float:
        """When the task was submitted, or created by vidhook."""
        created = self.creation.done_at if self.creation else None
        return self.submitted_at if created is None else created

    def age(self, now: float) -> float:
        """Returns seconds since `born_at`; at least the sum of all pauses, which a sandbox waits out in less time."""
        return max(now - self.born_at, float(self.paused))

    @property
    def settled(self) -> bool:
        return self.event_id is not None or (self.snapshot is not None and self.snapshot.status.final)

    @property
    def next_poll_at(self) -> float | None:
        """When the task is polled next, or while it is not created the next request that creates it; None for never."""
        if self.settled:
            return None
        # A poll that was made at once, such as to cancel the task, has no pause: the one before says when the next is.
        last = next((poll for poll in reversed(self.history) if poll.pause is not None), None)
        if self.retried_at is not None and (last is None or last.at < self.retried_at):
            return self.retried_at
        return last.at + (last.pause or 0) if last else self.submitted_at + self.first[0]


def watch_id(provider: str, task_id: str) -> str:
    """Returns `tsk_` and 26 characters that follow from (provider, task_id) only."""
    return derived_id("tsk", provider, task_id)


def callback_id(url: str) -> str:
    """Returns `cb_` and 26 characters that follow from a callback_url only; those of one host share `host_part`."""
    parts = urlsplit(url)
    host, whole = derived_id("cb", parts.scheme, parts.netloc.casefold()), derived_id("cb", url)
    return host_part(host) + whole.removeprefix(host_part(whole))


def host_part(callback_id: str) -> str:
    """Returns what the ids of all callback_urls of one host begin with."""
    return callback_id[:13]


def derived_id(prefix: str, *parts: str) -> str:
    """Returns a prefix and 26 lower-case base32 characters (130 bits of SHA-256), for names, keys and URLs."""
    digest = hashlib.sha256("\0".join(parts).encode("utf-8", "surrogatepass")).digest()
    return f"{prefix}_{base64.b32encode(digest).decode().lower()[:26]}"


def is_id(text: str, *prefixes: str) -> bool:
    """Returns whether a text can be one of our ids: one of these prefixes, and what `derived_id` puts behind it."""
    prefix, _, rest = text.partition("_")
    return prefix in prefixes and re.fullmatch("[a-z2-7]{26}", rest) is not None


@dataclass(frozen=True, slots=True)
class Subscriber:
    """An HTTPS endpoint that is notified, with its filter.

    sealed: its Credentials, encrypted; a callback_url has none, as the stack's own secret signs for it. header_names:
    the names of its headers, whose values are sealed. secret_name and secret_version: where Secrets Manager still has
    its secrets, for a subscriber of an earlier version that the sweeper has not changed yet.
    reason: why it is paused or disabled. hold_until: nothing is sent before this instant, because it answered with
    Retry-After, or while it hangs. slow_until: publishing makes no attempt before this instant, because one took longer
    than publishing waits. gap: while it is not well, the least seconds between two attempts, since it hung; 0 for none.
    failing_since and last_failure: the first and the latest failed attempt with no success in between.
    failing_reported: these failures were reported on the bus.
    metadata: keys and values that a task's metadata must have.
    """

    id: str
    url: str
    sealed: str | None = field(default=None, repr=False)
    header_names: tuple[str, ...] = ()
    secret_name: str | None = None
    secret_version: str | None = None
    events: tuple[str, ...] = TERMINAL_TYPES
    providers: tuple[str, ...] = ("*",)
    metadata: dict[str, Any] = field(default_factory=dict)
    description: str = ""
    state: SubscriberState = SubscriberState.ACTIVE
    reason: str | None = None
    created_at: float = 0.0
    hold_until: float = 0.0
    slow_until: float = 0.0
    gap: float = 0.0
    failing_since: float | None = None
    last_failure: float | None = None
    failing_reported: bool = False

    @property
    def active(self) -> bool:
        return self.state is SubscriberState.ACTIVE

    @property
    def callback(self) -> bool:
        """Whether it is a task's own callback_url."""
        return self.id.startswith("cb_")

    def well(self, now: float) -> bool:
        """Whether it has answered its latest attempts, and in time."""
        return self.failing_since is None and self.slow_until <= now

    def hangs(self, now: float) -> bool:
        """Whether it hung and has not answered since, or only lately, so that its deliveries take turns."""
        return self.gap > 0 and not self.well(now)


@dataclass(frozen=True, slots=True)
class Attempt:
    """One try at one delivery, as the delivery log shows it.

    headers: those of the answer, as far as they are kept. timings: the milliseconds of each phase.
    """

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
    headers: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Delivery:
    """One event to one subscriber.

    attempts: how many were made in all. base: how many of them were made before the current run's schedule began.
    run: the number of the current redelivery run; one execution follows each run. expires_at: when it is forgotten.
    """

    event_id: str
    watch_id: str
    subscriber_id: str
    event_type: str
    created_at: float
    state: DeliveryState = DeliveryState.DUE
    attempts: int = 0
    next_at: float | None = None
    last: str = ""  # the result of the latest attempt: its HTTP status or its kind
    base: int = 0
    run: int = 0
    expires_at: int | None = None

    @property
    def execution_name(self) -> str:
        """The name of the execution that follows the current run: as it is unique, a run is started only once."""
        return f"{self.event_id}-{self.subscriber_id}-{self.run}"

    def after(self, attempt: Attempt, state: DeliveryState) -> "Delivery":
        """Returns the delivery as it stands after an attempt that leaves it in this state."""
        next_at = attempt.at + attempt.pause if attempt.pause is not None else None
        last = f"{attempt.status}" if attempt.status is not None else attempt.kind
        return replace(self, state=state, attempts=attempt.number, next_at=next_at, last=last)

    def execution_input(self, pause: int) -> dict[str, Any]:
        """Returns the input of that execution, which first pauses for `pause` seconds: ids and seconds only."""
        return {
            "watch": self.watch_id,
            "event": self.event_id,
            "subscriber": self.subscriber_id,
            "run": self.run,
            "pause": pause,
        }


@dataclass(frozen=True, slots=True)
class SigningSecret:
    """One `whsec_...` of a subscriber; it signs until `expires_at` (unix seconds), or always when that is None."""

    secret: str = field(repr=False)
    expires_at: float | None = None

    def signs(self, now: float) -> bool:
        return self.expires_at is None or now < self.expires_at


@dataclass(frozen=True, slots=True)
class Credentials:
    """What webhooks to a subscriber are signed with, newest first, and the headers of its own that are sent along."""

    secrets: tuple[SigningSecret, ...] = ()
    headers: dict[str, str] = field(default_factory=dict, repr=False)

    def signing(self, now: float) -> tuple[str, ...]:
        """Returns the secrets that sign now, newest first."""
        return tuple(entry.secret for entry in self.secrets if entry.signs(now))
