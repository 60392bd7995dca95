"""Creates a task at its provider, at most once.

The request is claimed in the ledger before it is sent, and what came of it is written after that. So whoever finds a
claim without an outcome knows that the task may exist, and does not send the request again, unless the provider itself
promises to create one task only.
"""

import hashlib
import math
from contextlib import suppress
from dataclasses import dataclass, replace
from time import sleep
from typing import TYPE_CHECKING

from vidhook.answer import kept
from vidhook.errors import BadInput, LostRace, NotFound, RequestFailed, TokenFailed
from vidhook.event import NOT_CREATED, ambiguous, failed, fitted, serialize
from vidhook.providers.auth import auth_headers, secrets_of
from vidhook.providers.created import Created, Said, created
from vidhook.providers.request import create_request, find_request
from vidhook.task import SAMPLE, Answer, Category, Creation, Poll, Snapshot, Status, TaskError, Watch

if TYPE_CHECKING:
    from vidhook.edges.http import Http
    from vidhook.edges.ledger import Ledger
    from vidhook.keys import Keys
    from vidhook.pacing import Pacer
    from vidhook.providers.auth import Key
    from vidhook.providers.file import Provider
    from vidhook.providers.request import Request
    from vidhook.times import Clock

REQUEST_SECONDS = 60.0
ANSWER_BYTES = 1_048_576
# An invocation that began a request has ended after so long, whatever happened to it: Lambda stops it before that.
BUSY_SECONDS = 100.0
# The pause before another request is an eighth of the time that has passed, and five minutes or a hundredth of it at
# most: what gets free is taken soon, and still the history of an execution has room for a week of requests.
FIRST_PAUSE, LONG_PAUSE, SHARE, LONG_SHARE = 5, 300, 8, 100
SPREAD = 0.2  # the most that is added to it, so that those who wait for the same limit do not all ask at once
TRIES, FIRST_SLEEP = 6, 0.1  # to note the id of a task that was created, which nobody else knows: within three seconds
# For so long a provider that offers a way is asked what came of a request. Idempotency keys live for a day or longer.
RESOLVE_SECONDS = 3_600.0
# In the history of a watch: that a request got no further than to connecting, and that our id is not known (yet).
NOT_SENT, NOT_FOUND, NO_FILE = "not_sent", "not_found", "no_provider_file"
CREATE = "create"


@dataclass(frozen=True, slots=True)
class CreateStep:
    """What one invocation did for the creation of a task.

    done: the task is created, or its watch is settled. pause: whole seconds until the next invocation, or until the
    first poll. said: what came of a request, as in the watch's history; None if none was sent. key_refused: a new key
    or a paid bill would help. orphan: the id of a task that was created although its watch had ended meanwhile.
    """

    watch: Watch
    done: bool
    pause: int = 0
    said: str | None = None
    key_refused: bool = False
    orphan: str | None = None


@dataclass(frozen=True, slots=True)
class Creator:
    """Creates tasks, with these edges."""

    ledger: "Ledger"
    http: "Http"
    keys: "Keys"
    clock: "Clock"
    pacer: "Pacer"

    def create(self, watch_id: str) -> CreateStep:
        """Sends the request that creates a task, or finds out what came of one that was sent.

        A request that the provider cannot have got, or does not take now, is sent again after a pause, until the
        task's deadline. One that it refuses settles the watch, and so does one of which nobody knows what came of it.
        Raises NotFound when there is no such watch.
        """
        watch, now = self.ledger.tasks.watch(watch_id), self.clock.now()
        creation = watch.creation
        if watch.settled or creation is None or not watch.uncreated:
            return CreateStep(watch, True, 0 if watch.settled else watch.first[0])
        if now < creation.busy_until:
            return CreateStep(watch, False, math.ceil(min(creation.busy_until - now, BUSY_SECONDS)))
        try:
            return self._step(watch, creation, now)
        except LostRace:  # another invocation goes on with it
            return CreateStep(self.ledger.tasks.watch(watch_id), False, 1)

    def _step(self, watch: Watch, creation: Creation, now: float) -> CreateStep:
        provider = self._provider(watch)
        if creation.sent_at is not None:
            return self._resolve(watch, creation, provider, now)
        if watch.cancel is not None and watch.cancel.pending:
            return self._end(watch, NOT_CREATED)
        if watch.age(now) >= watch.submission.deadline_seconds:
            return self._end(watch, _too_late(watch))
        if provider is None or provider.create is None:
            message = f"there is no provider file that says how {watch.submission.provider} creates tasks"
            error = TaskError(Category.PROVIDER, NO_FILE.upper(), message, retryable=None)
            return self._pause(watch, NO_FILE, error, sent_at=None)
        return self._send(watch, creation, provider, now)

    def _resolve(self, watch: Watch, creation: Creation, provider: "Provider | None", now: float) -> CreateStep:
        """Finds out what came of a request of unknown outcome, if the provider offers a way."""
        spent = now - (creation.sent_at or now) >= RESOLVE_SECONDS
        if spent or watch.age(now) >= watch.submission.deadline_seconds:
            return self._end(watch, ambiguous(watch))
        if provider is None:  # it may be put back
            return self._pause(watch, NO_FILE, sent_at=creation.sent_at)
        if provider.create is not None and creation.promise is not None:
            return self._send(watch, creation, provider, now)
        if provider.create is not None and provider.create.find is not None:
            return self._find(watch, provider)
        return self._end(watch, ambiguous(watch))

    def _send(self, watch: Watch, creation: Creation, provider: "Provider", now: float) -> CreateStep:
        """Sends the request, which is claimed before, and notes what came of it."""
        since, busy = creation.sent_at, now + BUSY_SECONDS
        body, params = self.ledger.tasks.create_body(watch.id), watch.submission.params
        try:
            key = self.keys.needed(provider)
            request = create_request(provider, body, create_id(watch), key, params)
        except (BadInput, TokenFailed) as problem:  # a file that was changed, or no token: nothing was sent
            error = TaskError(Category.PROVIDER, NOT_SENT.upper(), f"it could not be sent: {problem}", retryable=None)
            return self._pause(watch, NOT_SENT, error, sent_at=since)
        promise = _promise(provider, request, key)
        if since is not None and promise != creation.promise:  # to the provider this is another request
            return self._end(watch, ambiguous(watch))
        claim = Creation(creation.tries + 1, now if since is None else since, busy, promise=promise)
        claimed = replace(watch, creation=claim)
        try:
            self.ledger.tasks.note_creation(claimed, creation, busy)
        except LostRace:
            # AWS may have written it, and have been asked again by its SDK, since its answer was lost.
            if self.ledger.tasks.watch(watch.id).creation != claim:
                raise
        try:
            answer, shown = self._answer(provider, request, key)
        except RequestFailed as failure:
            error = TaskError(Category.PROVIDER, NOT_SENT.upper(), f"it could not be sent: {failure}", retryable=None)
            if not failure.sent:
                return self._pause(claimed, NOT_SENT, error, sent_at=since)
            return self._unknown(claimed, provider, replace(error, message=f"no whole answer came: {failure}"))
        step = self._answered(claimed, provider, answer, key=key, since=since)
        self.ledger.tasks.put_answer(watch.id, shown)  # last: what came of the request is noted by now
        return step

    def _answered(
        self, claimed: Watch, provider: "Provider", answer: Created, *, key: "Key | None", since: float | None
    ) -> CreateStep:
        """Notes what an answer says. `since`: when an earlier request may have created the task."""
        if answer.said is Said.CREATED:
            return self._created(claimed, answer)
        if answer.said is Said.REFUSED and since is None:
            if answer.reading.key_refused and self._is_replaced(provider, key):
                return self._pause(claimed, Said.REFUSED, answer.error, sent_at=None, wait=0)
            step = self._end(claimed, answer.error, Said.REFUSED)
            return replace(step, key_refused=answer.reading.key_refused)
        if answer.said is Said.NOT_NOW and since is None:
            wait = max(1, answer.reading.retry_after_seconds or 1)
            return self._pause(claimed, Said.NOT_NOW, answer.error, sent_at=None, wait=wait)
        return self._unknown(claimed, provider, answer.error)

    def _find(self, watch: Watch, provider: "Provider") -> CreateStep:
        """Looks for the task at its provider, by our own id for it."""
        try:
            key = self.keys.needed(provider)
            request = find_request(provider, create_id(watch), key, watch.submission.params)
            answer = self._answer(provider, request, key)[0] if request else None
        except (BadInput, RequestFailed):
            answer = None
        if answer is not None and answer.said is Said.CREATED:
            return self._created(watch, answer)
        return self._pause(watch, NOT_FOUND, sent_at=_sent_at(watch))

    def _answer(self, provider: "Provider", request: "Request", key: "Key | None") -> tuple[Created, Answer]:
        """Sends a request. Returns what its answer says of the task, and what is kept of it. Raises RequestFailed."""
        status, headers, body, broken = 200, dict[str, str](), b"", ""
        if provider.name == SAMPLE:
            from vidhook import sample  # which nobody needs who asks a provider

            body = sample.created(request.body)
        else:
            response = self.http.send(
                request.method,
                request.url,
                headers=request.headers,
                body=request.body,
                deadline=REQUEST_SECONDS,
                max_bytes=ANSWER_BYTES,
                on_excess="truncate",
                body_seconds=REQUEST_SECONDS,  # an id counts that came before the line broke
            )
            status, headers, body, broken = response.status, dict(response.headers), response.body, response.broken
        now, secrets = self.clock.now(), secrets_of(key)
        answer = created(provider, status=status, headers=headers, body=body, now=now, secrets=secrets)
        if broken and answer.said is Said.UNKNOWN and answer.error is not None:
            answer = replace(answer, error=replace(answer.error, message=f"no whole answer came: {broken}"))
        return answer, kept(status, headers, body, reading=answer.reading, word=answer.said, secrets=secrets, at=now)

    def _provider(self, watch: Watch) -> "Provider | None":
        try:
            return self.ledger.providers.get(watch.submission.provider)
        except NotFound:  # it may be put back
            return None

    def _is_replaced(self, provider: "Provider", key: "Key | None") -> bool:
        """Whether an operator has just put another key. What came of the request matters more than a fault of that."""
        with suppress(Exception):
            return key != self.keys.of(provider, fresh=True)
        return False

    # What came of it

    def _created(self, watch: Watch, answer: Created) -> CreateStep:
        """Notes the task's id, and what its provider says of it so far, which may be its end."""
        now, snapshot, before = self.clock.now(), answer.reading.snapshot, watch.creation or Creation()
        ends = snapshot is not None and snapshot.status.final and snapshot.said
        known = fitted(snapshot) if snapshot is not None and (ends or not snapshot.status.final) else None
        watch = replace(
            watch,
            submission=replace(watch.submission, task_id=answer.task_id),
            creation=replace(before, sent_at=None, busy_until=0.0, done_at=now),
            snapshot=known,
            paused=0,
            detected_at=now if ends else None,
        )
        if not ends:
            hints = self.pacer.hints(watch, known, now) if known else {}
            pause = self.pacer.pause(watch, answer.reading, now, hints)
            watch = replace(watch, paused=pause.seconds, first=(pause.seconds, pause.why))
        for number in range(TRIES):
            try:
                return self._noted(watch, before, Said.CREATED, watch.paused, done=True)
            except LostRace:
                break
            except Exception as error:
                if number == TRIES - 1:  # the log has the id then, and nobody else
                    message = f"task {answer.task_id} of {watch.submission.provider} was created, and not noted"
                    raise RuntimeError(message) from error
                sleep(FIRST_SLEEP * 2**number)
        with suppress(NotFound):
            now_known = self.ledger.tasks.watch(watch.id)
            if now_known.submission.task_id == answer.task_id:  # it was written, and only its answer lost
                return CreateStep(now_known, True, now_known.first[0], Said.CREATED)
            watch = now_known
        # The watch has ended, or was erased, while the provider was asked.
        return CreateStep(watch, True, 1, Said.CREATED, orphan=answer.task_id)

    def _unknown(self, watch: Watch, provider: "Provider", error: TaskError | None) -> CreateStep:
        """Notes that the task may be created. Without a way to find out, that is the end."""
        how, promised = provider.create, watch.creation is not None and watch.creation.promise is not None
        if promised or (how is not None and how.find is not None):
            return self._pause(watch, Said.UNKNOWN, error, sent_at=_sent_at(watch))
        return self._end(watch, ambiguous(watch, error.message if error else None), Said.UNKNOWN)

    def _pause(
        self, watch: Watch, said: str, error: TaskError | None = None, *, sent_at: float | None, wait: int | None = None
    ) -> CreateStep:
        """Notes what came of it, and pauses before the next request: longer each time, and `wait` seconds at least.

        `sent_at`: when the first request was begun that may have created the task, if there is one. A `wait` of 0 is no
        pause. The deadline is not passed.
        """
        before, now = watch.creation or Creation(), self.clock.now()
        age, spread = watch.age(now), 1 + SPREAD * self.clock.jitter()
        growing = math.ceil(growing_pause(age) * spread)
        left = math.ceil(watch.submission.deadline_seconds - age)
        pause = 0 if wait == 0 else max(1, min(max(growing, wait or 0), left))
        known = watch.snapshot or Snapshot(Status.PENDING)
        watch = replace(
            watch,
            creation=replace(before, busy_until=0.0, sent_at=sent_at, promise=before.promise if sent_at else None),
            snapshot=fitted(replace(known, error=error)) if error else watch.snapshot,
            paused=watch.paused + pause,
        )
        return self._noted(watch, before, said, pause)

    def _end(self, watch: Watch, error: TaskError | None, said: str | None = None) -> CreateStep:
        """Settles a watch whose task is not created, as far as anybody knows."""
        before = watch.creation or Creation()
        watch = replace(
            watch,
            creation=replace(before, busy_until=0.0),
            snapshot=failed(None, error),
            detected_at=self.clock.now(),
        )
        return self._noted(watch, before, said, 0, done=True)

    def _noted(self, watch: Watch, before: Creation, said: str | None, pause: int, *, done: bool = False) -> CreateStep:
        now = self.clock.now()
        if said is not None:
            watch = replace(watch, history=(*watch.history, Poll(now, said, pause=pause, why=CREATE)))
        return CreateStep(self.ledger.tasks.note_creation(watch, before, now + pause), done, pause, said)


def growing_pause(age: float) -> float:
    """Returns the seconds before another request for a task that was submitted `age` seconds ago."""
    return min(max(FIRST_PAUSE, age / SHARE), max(LONG_PAUSE, age / LONG_SHARE))


def _promise(provider: "Provider", request: "Request", key: "Key | None") -> str | None:
    """Returns a digest of all that makes a request the same one to a provider that creates one task for it."""
    if provider.create is None or provider.create.idempotency_header is None:
        return None
    # A token is another one each time, and of the same key.
    opens = {name.lower() for name in auth_headers(provider.auth, key)}
    headers = sorted(pair for pair in request.headers.items() if pair[0].lower() not in opens)
    whole = [request.method, request.url, headers, request.body.decode(), key and key.text]
    return hashlib.sha256(serialize(whole).encode()).hexdigest()


def create_id(watch: Watch) -> str:
    """Returns our own id of a task for its provider: the same for each request that creates it.

    Other stacks may use the same account and the same references, so the task's own id is not enough.
    """
    return f"{watch.id}-{math.floor(watch.submitted_at)}"


def _sent_at(watch: Watch) -> float | None:
    return watch.creation.sent_at if watch.creation else None


def _too_late(watch: Watch) -> TaskError:
    known = watch.snapshot.error if watch.snapshot else None
    seconds = watch.submission.deadline_seconds
    if known is not None:
        return replace(known, message=f"after {seconds} seconds the task was not created: {known.message}")
    message = f"after {seconds} seconds no request to create the task had been sent"
    return TaskError(Category.TIMEOUT, "DEADLINE_REACHED", message, retryable=None)
