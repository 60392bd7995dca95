"""Sends one request about a task to its provider and reads the answer."""

import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from vidhook.answer import hidden, kept
from vidhook.errors import BadInput, NotFound, RequestFailed
from vidhook.event import fitted
from vidhook.providers.auth import secrets_of
from vidhook.providers.reading import Reading, inline_in, read
from vidhook.providers.request import cancel_request, result_request, task_request
from vidhook.task import ACCEPTED, REFUSED, SAMPLE, Answer
from vidhook.texts import cut

if TYPE_CHECKING:
    from collections.abc import Mapping

    from vidhook.edges.http import Http, Response
    from vidhook.edges.ledger import Ledger
    from vidhook.keys import Keys
    from vidhook.providers.auth import Key
    from vidhook.providers.file import Provider
    from vidhook.providers.request import Request
    from vidhook.task import Submission, Watch
    from vidhook.times import Clock

ASK_SECONDS = 20.0
# Some providers put the finished file itself into the answer, as a data: URL.
ANSWER_BYTES = 16 * 1024**2
REDIRECTS = 3
# What is wrong before a request is sent: there is no file, or it has changed, and needs what the submission lacks.
NO_FILE, BAD_REQUEST = "no_provider_file", "bad_request"
CANCEL_SECONDS = 10.0
# What the provider said to a wish to cancel is kept with the watch, so less of it.
MESSAGE_BYTES, ANSWER_SHOWN = 500, 4_096
AGAIN = (408, 425, 429)


@dataclass(frozen=True, slots=True)
class Asked:
    """What came of a question: the reading of the answer and what is kept of it, or the class of the failure."""

    reading: Reading | None
    broken: str | None = None
    answer: Answer | None = None

    @property
    def ended(self) -> bool:
        """Whether the provider says that the task has ended."""
        snapshot = self.reading.snapshot if self.reading else None
        return snapshot is not None and snapshot.status.final and snapshot.said


def word_of(reading: Reading | None, broken: str | None) -> str:
    """Returns what came of a question, as in the history: the task's status, or the class of what went wrong."""
    if reading is None:
        return broken or "broken"
    if reading.inferred:
        return "unconfirmed"
    if reading.snapshot is None:
        return "key_refused" if reading.key_refused else reading.outcome
    return str(reading.snapshot.status)


def ask(watch: "Watch", *, ledger: "Ledger", http: "Http", keys: "Keys", clock: "Clock") -> Asked:
    """Asks the provider about a task; and for the link to its result, where the provider has a request of its own.

    When the key is refused, it is read from Secrets Manager again and tried once more if it changed: an operator may
    have replaced it. A missing provider file is only a failure of this request, since it may be put back.
    """
    submission = watch.submission
    about: dict[str, Any] = {"age_seconds": watch.age(clock.now()), "http": http, "clock": clock}
    _ = submission.known_id  # a task without one cannot be asked about
    try:
        provider = ledger.providers.get(submission.provider)
        key = keys.of(provider)
        last = exchanges(provider, submission, key, **about)[-1]
        replaced = keys.of(provider, fresh=True) if last.reading.key_refused else key
        if replaced != key:
            key = replaced
            last = exchanges(provider, submission, key, **about)[-1]
    except NotFound:
        return Asked(None, NO_FILE)
    except BadInput:
        return Asked(None, BAD_REQUEST)
    except RequestFailed as error:
        return Asked(None, error.kind)
    snapshot, seen = (each and fitted(each) for each in (last.reading.snapshot, last.reading.seen))
    last = replace(last, reading=replace(last.reading, snapshot=snapshot, seen=seen))
    return Asked(last.reading, answer=last.kept(secrets_of(key), clock.now()))


@dataclass(frozen=True, slots=True)
class Exchange:
    """A question to a provider, its answer, and what that says."""

    request: "Request"
    status: int
    headers: "Mapping[str, str]"
    body: bytes
    reading: Reading

    def kept(self, secrets: tuple[str, ...], at: float) -> Answer:
        """Returns what is kept of the answer, without these secrets."""
        word = word_of(self.reading, None)
        return kept(self.status, self.headers, self.body, reading=self.reading, word=word, secrets=secrets, at=at)


def exchanges(
    provider: "Provider",
    submission: "Submission",
    key: "Key | None",
    *,
    age_seconds: float | None,
    http: "Http",
    clock: "Clock",
    seconds: float = ASK_SECONDS,
) -> tuple[Exchange, ...]:
    """Asks a provider about a task. Returns the exchange, and a second one where the link is asked for by itself.

    The last one has the reading that counts. Each may take so many `seconds`. Raises RequestFailed; and BadInput for a
    request that cannot be made.
    """
    about: dict[str, Any] = {
        "task_id": submission.known_id,
        "age_seconds": age_seconds,
        "params": submission.params,
        "secrets": secrets_of(key),
    }
    request = task_request(provider, submission.known_id, key, submission.params)
    if provider.name == SAMPLE:
        from vidhook.sample import answer  # which nobody needs who asks a provider

        said: dict[str, Any] = {"status": 200, "headers": {}, "body": answer(submission.known_id)}
    else:
        said = _answer(_sent(request, http, seconds))
    first = Exchange(request, **said, reading=read(provider, **said, **about, now=clock.now()))
    unlinked = first.reading.unlinked
    if unlinked is None:
        return (first,)
    request = result_request(provider, submission.known_id, key, submission.params, fields=unlinked.fields)
    said = _answer(_sent(request, http, seconds))
    return first, Exchange(request, **said, reading=read(provider, **said, **about, now=clock.now(), unlinked=unlinked))


def _answer(response: "Response") -> dict[str, Any]:
    return {"status": response.status, "headers": response.headers, "body": response.body}


def ask_to_cancel(watch: "Watch", *, ledger: "Ledger", http: "Http", keys: "Keys", clock: "Clock") -> "tuple[str, str]":
    """Asks the provider to cancel a task. Returns what came of it, as in `Cancel.answer`, and what the provider said.

    It may be asked again: who has cancelled a task does so twice, or refuses.
    """
    submission = watch.submission
    try:
        provider = ledger.providers.get(submission.provider)
        key = keys.of(provider)
        request = cancel_request(provider, submission.known_id, key, submission.params)
        if request is None:
            return REFUSED, f"the provider file {provider.name} has no [cancel] any more"
        response = _sent(request, http, CANCEL_SECONDS)
    except NotFound:
        return NO_FILE, ""
    except BadInput as problem:
        return BAD_REQUEST, str(problem)
    except RequestFailed as error:
        return error.kind, ""
    status, body = response.status, response.body
    reading = read(
        provider,
        status=status,
        headers=response.headers,
        body=body,
        age_seconds=math.inf,  # it knows the task by now, so a "not found" is a refusal
        now=clock.now(),
        params=submission.params,
        secrets=secrets_of(key),
    )
    words = body[:ANSWER_SHOWN].decode("utf-8", "replace").strip()
    said = cut(hidden(f"{status} {words}".strip(), secrets_of(key)), MESSAGE_BYTES)
    if 200 <= status < 300:
        return REFUSED if reading.outcome == "permanent_error" else ACCEPTED, said
    if reading.key_refused:
        return "key_refused", said
    return "retry" if status < 400 or status in AGAIN or status >= 500 else REFUSED, said


def inline_file(
    watch: "Watch", role: str, *, ledger: "Ledger", http: "Http", keys: "Keys", clock: "Clock"
) -> str | None:
    """Asks the provider for a file that stands in its answer. Returns its `data:` URL, None if there is none now.

    Raises RequestFailed.
    """
    submission, provider = watch.submission, ledger.providers.get(watch.submission.provider)
    age = watch.age(clock.now())
    made = exchanges(provider, submission, keys.of(provider), age_seconds=age, http=http, clock=clock)
    second = len(made) > 1
    return inline_in(provider, made[-1].body, role, submission.known_id, submission.params, second=second)


def _sent(request: "Request", http: "Http", seconds: float) -> "Response":
    return http.send(
        request.method,
        request.url,
        headers=request.headers,
        body=request.body,
        deadline=seconds,
        max_bytes=ANSWER_BYTES,
        same_origin_redirects=REDIRECTS,
    )
