"""The engine: reads the answers of all providers. The rules are here; a provider's places and words are in its file.

The HTTP status is read first, then the status word. The word decides what else counts: a URL only when the task is
completed, an error only when it failed. A value that makes no sense is null, and an answer that makes no sense is a
retry; nothing that a provider sends raises an error here.
"""

import math
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from http import HTTPStatus
from typing import Any, Literal, TypeVar

from vidhook.errors import BadInput
from vidhook.providers.expressions import search
from vidhook.providers.file import Provider, content_url, fold, task_request
from vidhook.providers.reasons import (
    Guess,
    Reason,
    category,
    failure_of,
    guess,
    merge_reasons,
    task_error,
    upper_snake,
)
from vidhook.providers.results import Found, Rank, anywhere, best, is_image, link_expiry, needs_key, type_of
from vidhook.providers.statuses import Meaning, is_unfinished, meaning_of, said_of
from vidhook.providers.values import count, document, embedded, opened, percent, text
from vidhook.providers.wording import is_all_clear, is_down, prepared, refuses, spaced
from vidhook.redaction import without_key
from vidhook.task import Category, Snapshot, Source, Status, TaskError
from vidhook.times import instant, number, seconds_until

# The age until which a provider may not know a task that it has accepted, or where the result of a completed one is.
YOUNG_SECONDS = 120
TRANSIENT = {408, 409, 423, 425, 429}
REFUSED = {401: Category.AUTH, 402: Category.QUOTA, 403: Category.AUTH}
GONE = {404, 410}
AS_HTTP: dict[Category | None, int] = {
    Category.AUTH: 401,
    Category.QUOTA: 402,
    Category.NOT_FOUND: 404,
    Category.CONTENT_POLICY: 400,
    Category.INVALID_INPUT: 400,
}
ENVELOPE_WORDS = {"success", "fail", "error", "ok"}
WAIT_MS = ("retry-after-ms", "openai-poll-after-ms")
# Links that do not show that a task is completed: a preview stands in the answer of a running one too.
UNCONVINCING = {Rank.CONTENT, Rank.MENTIONED, Rank.PREVIEW, Rank.OTHER, Rank.UNCLEAR}
# Those that do not even show it when the provider says so: the film's link may follow.
DOUBTFUL = {Rank.PREVIEW, Rank.OTHER, Rank.UNCLEAR}
MOST_TASKS = 100  # of a list in an answer
MARKUP = re.compile(rb"[\s\x00\xef\xbb\xbf]*<")
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Reading:
    """What one answer says. `retry_after_seconds` is what the provider asks for, in every outcome.

    snapshot         the answer has the task's status; `error` is that of the snapshot
    retry            the answer has no news; `error` says why
    permanent_error  the same request would fail again; `key_refused`: a new key or a paid bill would help

    seen: the end that a status word of unknown meaning would be, by the link or the reason beside it.
    """

    outcome: Literal["snapshot", "retry", "permanent_error"]
    snapshot: Snapshot | None = None
    error: TaskError | None = None
    retry_after_seconds: int | None = None
    key_refused: bool = False
    seen: Snapshot | None = None

    @property
    def inferred(self) -> bool:
        """Whether the task seems to have ended, although the provider does not say so in so many words."""
        if self.snapshot is not None:
            return self.snapshot.status.final and not self.snapshot.said
        return self.outcome == "permanent_error" and not self.key_refused


def read(  # noqa: PLR0913 - each is given by its name
    provider: Provider,
    *,
    status: int,
    headers: Mapping[str, str],
    body: bytes,
    task_id: str | None = None,
    age_seconds: float | None = None,
    now: float,
    key: str | None = None,
) -> Reading:
    """Returns the reading of an HTTP answer: a snapshot, a retry or a permanent error. `now` is unix seconds.

    `age_seconds` is how long the task has been followed. `task_id` tells the task from what stands around it, and is
    for the content URL when the answer does not repeat the id. `key` is the one that the request had; it is in no text
    of the reading. Never raises, whatever the bytes.
    """
    answer = without_key(document(body), body, key)
    exchange = _Exchange(provider, status, answer, task_id, age_seconds, now)
    task, word = exchange.task()
    if word is not None:
        reading = exchange.with_status(task, word)
    elif answer is None:
        reading = exchange.without_document(body)
    else:
        reading = exchange.without_status()
    return replace(reading, retry_after_seconds=_wait(exchange, headers))


def inline_in(provider: Provider, body: bytes, role: str, task_id: str) -> str | None:
    """Returns the `data:` URL of a file that stands in an answer itself, or None if there is none."""
    exchange = _Exchange(provider, 200, document(body), task_id, None, 0.0)
    task, _ = exchange.task()
    found = exchange.file(role, task) if role in provider.assets else None
    return found.url if found and found.inline else None


@dataclass(frozen=True, slots=True)
class _Exchange:
    """One answer, and what is known of the question. `document` is None if the body holds no JSON object."""

    provider: Provider
    status: int
    document: dict[str, Any] | None
    task_id: str | None
    age: float | None
    now: float

    @property
    def answer(self) -> dict[str, Any]:
        return {} if self.document is None else self.document

    def first(self, field: str, data: object, parse: Callable[[Any], T | None]) -> T | None:
        """Returns the first of a field's candidates that makes sense."""
        values = (parse(search(path, data)) for path in self.provider.answer.get(field, ()))
        return next((value for value in values if value is not None), None)

    # The part of the answer that is the task

    def task(self) -> tuple[dict[str, Any], str | None]:
        """Returns the part of the answer that is the task, and its status word; no word if there is no status.

        Of several parts with a status, the one with the task's own id is the task, else the first.
        """
        found: tuple[dict[str, Any], str | None] = ({}, None)
        for task in self._parts():
            word = self._word(task)
            if word is None:
                continue
            name = self.first("id", task, text)
            if self._is_about_request(task, word, name):
                continue
            own = self.task_id is not None and name == self.task_id
            if not 200 <= self.status < 300 and not self._ends_a_refusal(word, own):
                continue
            if own and not self._is_vague(word):
                return task, word
            # The `success` of an envelope, also of one with the task's id, gives way to a status within it.
            if found[1] is None or (self.task_id is not None and fold(found[1]) in ENVELOPE_WORDS):
                found = task, word
        return found

    def _word(self, task: dict[str, Any]) -> str | None:
        """Returns the status word of a part of the answer: the first with a meaning of its own, else the first."""
        found = (text(search(path, task)) for path in self.provider.answer.get("status", ()))
        words = [word for word in found if word is not None and not self._is_a_code(task, word)]
        clear = (word for word in words if not self._is_vague(word) and meaning_of(self.provider, word).known)
        return next(clear, None) or next(iter(words), None)

    def _is_vague(self, word: str) -> bool:
        """Whether a word may as well be about the request."""
        return fold(word) in ENVELOPE_WORDS and fold(word) not in self.provider.statuses

    def _ends_a_refusal(self, word: str, own: bool) -> bool:
        """Whether a status word is the task's although its HTTP status is not 2xx: the task's id stands beside it.

        Without the id it counts if the provider's file lists it, and the HTTP status speaks of neither key nor bill,
        nor of trouble that passes.
        """
        spelled, passes = fold(word), self.status in TRANSIENT or self.status >= 500
        if self.status in REFUSED or (passes and not own) or not (own or spelled in self.provider.statuses):
            return False
        return not self._is_vague(word) and meaning_of(self.provider, word).known

    def _parts(self) -> Iterator[dict[str, Any]]:
        paths = self.provider.answer.get("task", ())
        for found in [search(path, self.answer) for path in paths] if paths else [self.answer]:
            value = embedded(found)
            if isinstance(value, list):
                parts = [part for part in map(embedded, value[:MOST_TASKS]) if isinstance(part, dict)]
                mine = (part for part in parts if self.task_id and self.first("id", part, text) == self.task_id)
                value = parts[0] if len(value) == 1 and parts else next(mine, None)
            if isinstance(value, dict):
                yield value

    def _is_a_code(self, task: dict[str, Any], word: str) -> bool:
        """Whether a number is a code of the answer and no status word, as those that the provider file lists.

        Where the file lists others, or the task's id is there, a short number beside a link is a status that the file's
        author did not know.
        """
        spelled = fold(word)
        if not _is_whole(spelled) or spelled in self.provider.statuses:
            return False
        own = self.task_id is not None and self.first("id", task, text) == self.task_id
        unlisted = len(spelled) < 3 and (own or any(map(_is_whole, self.provider.statuses)))
        return not (unlisted and self.file("result", task))

    def _is_about_request(self, task: dict[str, Any], word: str, name: str | None) -> bool:
        """Whether the word is about the request, as in JSend: the answer has neither a task's id nor a result."""
        if task is not self.document or not self._is_vague(word):
            return False
        # With another id than the task's it is about the request with that id.
        foreign = self.task_id is not None and name != self.task_id
        return (name is None or foreign) and self.file("result", task) is None

    # An answer with a status word: the word decides which other values count

    def with_status(self, task: dict[str, Any], word: str) -> Reading:
        """Reads a task with a status word."""
        meant = meaning_of(self.provider, word)
        snapshot = self._values(task, word, meant)
        if meant.known and not meant.status.final:
            return Reading("snapshot", snapshot, seen=self._seen_early(snapshot, task))
        found = self._reason(task) or (failure_of(task) if meant.status is Status.FAILED else None)
        failed = self._failed(snapshot, found, meant.category)
        result = self._result(task, snapshot.object)
        completed = self._completed(snapshot, task, result) if result else None
        if not meant.known:
            return _of_unknown_word(meant, snapshot, completed, failed if found else None, result)
        if meant.status is Status.FAILED:
            if meant.of_a_step or (not meant.whole and completed is not None and completed.said):
                return _of_a_failed_step(completed, failed)
            return self._called_failed(word, found, failed)
        if completed is not None and completed.said:
            return Reading("snapshot", completed)
        # A film that is named like a preview may be called so by its prompt, or be that of a free plan.
        sure = result is not None and (result.rank not in DOUBTFUL or self._is_a_film(result, snapshot.object))
        return self._called_completed(task, found, failed, completed, sure=sure)

    def _is_a_film(self, result: Found, kind: str) -> bool:
        return result.rank is Rank.PREVIEW and type_of("", result.url, "") == kind

    def _called_failed(self, word: str, found: Reason | None, failed: Snapshot) -> Reading:
        """Reads a task that its provider calls failed: it has, unless the reason or the HTTP status says otherwise."""
        goes_on = found is not None and _is_unfinished(found)
        if goes_on and self._is_vague(word):
            return Reading("retry", error=failed.error)
        passes = self.status in TRANSIENT or self.status >= 500
        return Reading("snapshot", replace(failed, said=not (goes_on or passes)), failed.error)

    def _seen_early(self, snapshot: Snapshot, task: dict[str, Any]) -> Snapshot | None:
        """Returns the end of a task whose word alone says that it goes on: all is done, and the link is there."""
        if snapshot.progress != 100 and snapshot.completed_at is None:
            return None
        result = self.file("result", task, snapshot.object)
        completed = self._completed(snapshot, task, result) if result else None
        return replace(completed, said=False) if completed and completed.said else None

    def _called_completed(
        self, task: dict[str, Any], found: Reason | None, failed: Snapshot, completed: Snapshot | None, *, sure: bool
    ) -> Reading:
        """Reads a task that its provider calls completed, without a link that shows it.

        `completed` is what it is by the link there is, and `sure` whether nothing better may follow.
        """
        # Some providers call a task completed that their moderation refused, and give no link but a reason.
        kind = category(self.provider, found)
        friendly = found is not None and _is_friendly(found, task)
        coded = found is not None and found.code is not None
        if kind is Category.CONTENT_POLICY and not (friendly and completed):
            return Reading("snapshot", replace(failed, said=not friendly and (coded or not sure)), failed.error)
        refused = not friendly and kind not in (None, Category.PROVIDER, Category.NO_RESULT)
        if refused and (coded or not sure):
            return Reading("snapshot", replace(failed, said=False), failed.error)
        if completed is not None and sure:
            return Reading("snapshot", replace(completed, said=True))
        return self._without_a_link(failed, task, completed, found, None if friendly else kind)

    def _values(self, task: dict[str, Any], word: str, meant: Meaning) -> Snapshot:
        def first(field: str, parse: Callable[[Any], T | None]) -> T | None:
            return self.first(field, task, parse)

        return Snapshot(
            status=meant.status,
            provider_status=word,
            object=first("object", _object) or "video",
            model=first("model", text),
            prompt=first("prompt", text),
            progress=first("progress", percent),
            created_at=first("created_at", instant),
            started_at=first("started_at", instant),
            completed_at=first("completed_at", instant),
            estimated_completion=first("estimated_completion", instant),
            queue_position=first("queue_position", count),
            usage=first("usage", lambda value: value if isinstance(value, dict) and value else None),
            upstream_id=first("upstream_id", text),
            known_status=meant.known,
        )

    def _without_a_link(
        self,
        failed: Snapshot,
        task: dict[str, Any],
        completed: Snapshot | None,
        found: Reason | None,
        kind: Category | None,
    ) -> Reading:
        """Reads a task that its provider calls completed without saying where the result is: it may follow.

        If it does not, a link that is hardly the film, or that stands under an unknown name, is better than none.
        """
        message = f'{self.provider.name} says "{failed.provider_status}" and gives no link to a result'
        if kind is Category.PROVIDER:
            error = task_error(found, kind, message)
        else:
            # What is no reason by its words may be none, such as "Video generated", or one that nobody has listed.
            said = f": {found.message}" if found and found.message else ""
            error = task_error(None, Category.NO_RESULT, message + said)
        goes_on = found is not None and _is_unfinished(found)
        if goes_on or (self.age is not None and self.age < YOUNG_SECONDS):
            return Reading("retry", error=error)
        beside = self.answer if any(value is task for value in self.answer.values()) else {}
        for place in (task, beside) if completed is None else ():
            if somewhere := anywhere(place, failed.object, self._url()):
                completed = self._completed(failed, task, somewhere)
                break
        if completed is not None:
            return Reading("snapshot", replace(completed, said=False))
        return Reading("snapshot", replace(failed, error=error, said=False), error)

    def _failed(self, snapshot: Snapshot, found: Reason | None, implied: Category | None) -> Snapshot:
        kind = implied or category(self.provider, found) or Category.PROVIDER
        message = f'{self.provider.name} says "{snapshot.provider_status}" and gives no reason'
        return replace(snapshot, status=Status.FAILED, error=task_error(found, kind, message))

    def _result(self, task: dict[str, Any], kind: str) -> Found | None:
        """Returns the finished file, or where it is downloaded when the answer has no good link."""
        result = self.file("result", task, kind)
        content = self._content(task)
        return Found(content, Rank.CONTENT) if content and (result is None or result.rank > Rank.CONTENT) else result

    def _completed(self, snapshot: Snapshot, task: dict[str, Any], result: Found) -> Snapshot:
        """Returns the task with its finished files; `said` is False where the link to the result shows nothing.

        The files are the result and the other assets of the provider file, each link once.
        """
        if snapshot.object == "video" and is_image(result) and self.first("object", task, _object) is None:
            snapshot = replace(snapshot, object="image")
        links = {"result": result.url}
        for role in self.provider.assets:
            extra = self.file(role, task, snapshot.object)
            if extra is not None and extra.url not in links.values():
                links.setdefault(role, extra.url)
        sources = tuple(self._source(role, url, snapshot, task) for role, url in links.items())
        # Where nothing says what the task makes, an image that is no preview is what it made.
        image = snapshot.object == "image" and result.rank is Rank.OTHER
        said = image or result.rank not in UNCONVINCING
        return replace(snapshot, status=Status.COMPLETED, sources=sources, error=None, said=said)

    def _source(self, role: str, url: str, snapshot: Snapshot, task: dict[str, Any]) -> Source:
        # The result is what the task makes; an extra may be a picture of it.
        kind = snapshot.object if role == "result" else type_of(role, url, snapshot.object)
        if url[:5].lower() == "data:":
            return Source(role, kind, url.partition(",")[0], inline=True)
        lives = self.provider.link_lives_seconds
        expires = (
            self.first("expires_at", task, instant)
            or link_expiry(url)
            or (lives and (snapshot.completed_at or math.floor(self.now)) + lives)
        )
        return Source(role, kind, url, expires, needs_key=needs_key(url, self.provider.base_url))

    def file(self, role: str, task: dict[str, Any], kind: str = "video") -> Found | None:
        """Returns the file of a role in a task; `kind` is `video` or `image`."""
        paths, asked = self.provider.assets[role], self._url()
        found = best((search(path, task) for path in paths), task, kind, asked)
        if found is None and (whole := opened(task)) != task:
            found = best((search(path, whole) for path in paths), whole, kind, asked)
        return found

    def _url(self) -> str:
        """The URL that was asked: links in the answer may be relative to it."""
        try:
            return task_request(self.provider, self.task_id or "-", None).url
        except BadInput:
            return self.provider.base_url

    def _content(self, task: dict[str, Any]) -> str | None:
        task_id = self.task_id or self.first("id", task, text)
        try:
            return content_url(self.provider, task_id) if task_id is not None else None
        except BadInput:
            return None

    def _reason(self, task: dict[str, Any]) -> Reason | None:
        """Returns the reason that stands in the task; else the envelope's, where a mere message does not count."""
        found = self._own_reason([task])
        if found is None and (guessed := guess(self.answer)).refused:
            found = self._own_reason([self.answer]) or guessed.reason
        return found

    def _own_reason(self, parts: Iterable[dict[str, Any]]) -> Reason | None:
        """Returns the reason at the places of the provider's file, in the first part that has one."""
        paths = self.provider.answer.get("error", ())
        reasons = (merge_reasons(search(path, part) for path in paths) for part in parts)
        return next((found for found in reasons if found), None)

    # An answer without a task's status is read by its HTTP status

    def without_document(self, body: bytes) -> Reading:
        """Reads an answer without a JSON object: often of a gateway, which knows neither the task nor the key.

        Only an empty 401, 402, 403, 404 or 410, and a 401 with plain words, are taken for the provider's own.
        """
        said = body.strip()
        own = not said or (self.status == 401 and not MARKUP.match(body))
        if own and self.status in REFUSED:
            return Reading("permanent_error", error=self._error(None, REFUSED[self.status], False), key_refused=True)
        if own and self.status in GONE:
            return self._gone(None)
        return Reading("retry", error=self._error(None, Category.PROVIDER, True))

    def without_status(self) -> Reading:
        """Reads a JSON object without a status: the provider's file says where a refusal stands, else it is guessed."""
        provider, guessed = self.provider, guess(self.answer)
        own = self._own_reason([self.answer, *self._parts()])
        found = own if own and own.code else _joined(own, guessed.reason)
        kind = category(provider, found)
        code = fold(found.code) if found and found.code else ""
        if code in provider.codes and self._ends_the_task(kind):
            error = task_error(found, provider.codes[code], "")
            return Reading("snapshot", Snapshot(Status.FAILED, error=error, said=False), error)
        if (found and _is_unfinished(found)) or _passes(found, kind):
            return Reading("retry", error=self._error(found, kind or Category.PROVIDER, True))
        meant = self._meant_status(found, kind, guessed, own is not None and own.code is not None)
        if meant in REFUSED:
            kind = kind if kind in (Category.QUOTA, Category.CONTENT_POLICY) else REFUSED[meant]
        elif meant in GONE:
            return self._gone(found)
        elif meant in TRANSIENT or not 400 <= meant < 500:
            return Reading("retry", error=self._error(found, kind or Category.PROVIDER, True))
        kind = kind or Category.INVALID_INPUT
        key_refused = kind in (Category.AUTH, Category.QUOTA) and code not in provider.not_yours
        return Reading("permanent_error", error=self._error(found, kind, False), key_refused=key_refused)

    def _gone(self, found: Reason | None) -> Reading:
        """Reads "not found": a retry while the provider may not know the task yet."""
        young = self.age is None or self.age < YOUNG_SECONDS
        error = self._error(found, Category.NOT_FOUND, young)
        return Reading("retry" if young else "permanent_error", error=error)

    def _ends_the_task(self, kind: Category | None) -> bool:
        """Whether a code of the provider file says that the task has ended, although its status is missing."""
        if kind is Category.NO_RESULT:
            return self.status < 500 and self.status not in (408, 425, 429)
        return self.status < 300 and kind not in (Category.AUTH, Category.QUOTA, Category.NOT_FOUND)

    def _meant_status(self, found: Reason | None, kind: Category | None, guessed: Guess, refused: bool) -> int:
        """Returns the HTTP status that is meant: some send errors inside a 200, and "not found" inside a 400."""
        status = self.status
        if 200 <= status < 300:
            coded = (found and number(found.code)) or 0
            unnumbered = AS_HTTP.get(kind, 500) if refused or guessed.refused else status
            status = guessed.status or (int(coded) if 400 <= coded < 600 else unnumbered)
        if kind is Category.NOT_FOUND and 200 <= status < 500 and status not in REFUSED and status not in TRANSIENT:
            return 404
        if self.status in (401, 403) and kind is Category.CONTENT_POLICY:
            return 400
        return status

    def _error(self, found: Reason | None, kind: Category, retryable: bool) -> TaskError:
        """Returns the error of an answer without a status, with a message and a code of ours if it has none."""
        try:
            name, phrase = HTTPStatus(self.status).name, f" {HTTPStatus(self.status).phrase}"
        except ValueError:
            name, phrase = f"HTTP_{self.status}", ""
        lacks = "a JSON object" if self.document is None else "a status" if self.status < 300 else "a reason"
        message = f"{self.provider.name} answered HTTP {self.status}{phrase}, without {lacks}"
        code = name if self.status >= 300 else None if found else "UNREADABLE_ANSWER"
        return task_error(found, kind, message, code, retryable=retryable)


def _of_unknown_word(
    meant: Meaning, snapshot: Snapshot, completed: Snapshot | None, failed: Snapshot | None, result: Found | None
) -> Reading:
    """Reads a word that no table has: it is an end only where a part of it says so, and the rest of the answer too."""
    linked = completed is not None and completed.said
    finished = linked or snapshot.completed_at is not None or snapshot.progress == 100
    with_errors = meant.suggests is Status.COMPLETED and "error" in fold(snapshot.provider_status or "")
    if with_errors and failed is not None and not linked:
        return Reading("snapshot", replace(failed, known_status=True, said=False), failed.error)
    shown = linked or (result is not None and result.rank in (Rank.CONTENT, Rank.MENTIONED))
    if meant.suggests is Status.COMPLETED and completed is not None and finished and shown:
        return Reading("snapshot", replace(completed, known_status=True, said=True))
    if meant.suggests is Status.FAILED and failed is not None:
        return Reading("snapshot", replace(failed, known_status=True), failed.error)
    by_path = result is not None and result.rank is Rank.CONTENT
    seen = completed if linked or (failed is None and not by_path) else failed
    return Reading("snapshot", snapshot, seen=replace(seen, said=False) if seen else None)


def _of_a_failed_step(completed: Snapshot | None, failed: Snapshot) -> Reading:
    """Reads a word such as `watermark_failed` or `partially_failed`: with a link the film is there all the same."""
    if completed is not None and completed.said:
        return Reading("snapshot", replace(completed, known_status=True, said=False))
    return Reading("snapshot", replace(failed, known_status=True, said=False), failed.error)


def _is_friendly(found: Reason, task: Mapping[str, Any]) -> bool:
    """Whether a reason is only a message that stands on success too."""
    if found.code is not None or found.message is None:
        return False
    mere = (task.get(name) for name in ("message", "msg", "detail", "info"))
    words = spaced(found.message)
    return found.message in mere or said_of(words) is Status.COMPLETED or is_all_clear(words)


def _joined(own: Reason | None, guessed: Reason | None) -> Reason | None:
    return Reason(guessed.code, own.message or guessed.message) if own and guessed else own or guessed


def _is_unfinished(found: Reason) -> bool:
    """Whether a reason, or its code, says that the task goes on."""
    message, code = _texts(found)
    return is_unfinished(message) or (is_unfinished(code) and not (message and refuses(spaced(message))))


def _passes(found: Reason | None, kind: Category | None) -> bool:
    """Whether a refusal says that the provider is overloaded or down, which is no end of the task."""
    return kind is Category.PROVIDER and found is not None and any(is_down(prepared(said)) for said in _texts(found))


def _texts(found: Reason) -> tuple[str, str]:
    return found.message or "", upper_snake(found.code or "")


def _is_whole(word: str) -> bool:
    return word.lstrip("+-").isdecimal()


def _object(value: Any) -> str | None:
    kind = (text(value) or "").casefold()
    return "video" if "video" in kind else "image" if "image" in kind else None


# The wait that the provider asks for.


def _wait(exchange: _Exchange, headers: Mapping[str, str]) -> int | None:
    head = {str(name).casefold(): value for name, value in headers.items()}
    now = exchange.now
    asked = seconds_until(head.get("retry-after"), now)
    if asked is None:
        milliseconds = next((figure for name in WAIT_MS if (figure := number(head.get(name))) is not None), None)
        asked = seconds_until(milliseconds / 1000, now) if milliseconds is not None else None
    if asked is None:
        asked = exchange.first("retry_after", exchange.answer, lambda value: seconds_until(value, now))
    for limit in ("x-ratelimit-", "ratelimit-", "x-rate-limit-"):
        remaining = number(head.get(f"{limit}remaining"))
        if asked is None and (remaining == 0 or (remaining is None and exchange.status == 429)):
            asked = seconds_until(head.get(f"{limit}reset"), now)
    return asked
