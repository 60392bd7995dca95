"""The engine: reads the answers of all providers. The rules are here; a provider's places and words are in its file.

The HTTP status is read first, then the status word. The word decides what else counts: a URL only when the task is
completed, an error only when it failed. A value that makes no sense is null, and an answer that makes no sense is a
retry; nothing that a provider sends raises an error here.
"""

import math
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from http import HTTPStatus
from itertools import chain
from typing import Any, Literal, TypeVar

from vidhook.errors import BadInput, BrokenDownload
from vidhook.providers.expressions import search
from vidhook.providers.file import Provider
from vidhook.providers.links import links_in
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
from vidhook.providers.request import NONE, content_url, task_url
from vidhook.providers.results import Found, Rank, anywhere, best, is_image, is_signed, link_expiry, poster, type_of
from vidhook.providers.statuses import Meaning, is_not_found, is_unfinished, meaning_of, said_of
from vidhook.providers.table import fold
from vidhook.providers.values import count, document, embedded, forget, opened, percent, text, without_collection
from vidhook.providers.wording import is_all_clear, is_down, prepared, refuses, spaced
from vidhook.redaction import without_keys
from vidhook.task import Category, Snapshot, Source, Status, TaskError
from vidhook.times import instant, number, seconds_until

# The role of the picture that stands for the film, and of the first of several results.
POSTER, RESULT = "poster", "result"
MOST_RESULTS = 10  # of several results of one task, each of which is stored
BASE64 = re.compile(r"\s*(?:[A-Za-z0-9+/_-]\s{0,2}){64,}+={0,2}\s*")  # one that may be a file; some has line breaks
LONGEST_ID = 1_000  # characters; what is not longer is a file only if its bytes say so
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
UNCONVINCING = {Rank.CONTENT, Rank.MENTIONED, Rank.INSIDE, Rank.PREVIEW, Rank.OTHER, Rank.UNCLEAR}
# Those that do not even show it when the provider says so: the film's link may follow.
DOUBTFUL = {Rank.INSIDE, Rank.PREVIEW, Rank.OTHER, Rank.UNCLEAR}
MOST_TASKS = 100  # of a list in an answer
# Plain words of an API that checks a key, such as "Unauthorized", and what a firewall or a proxy says of itself.
BRIEF = 200
GATEWAY = re.compile(
    rb"(?i)cloudflare|error code: ?\d|ray id|challenge|captcha|blocked|firewall|proxy|nginx|gateway|upstream"
)
MARKUP = re.compile(rb"[\s\x00\xef\xbb\xbf]*<")
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Unlinked:
    """A completed task whose link a second request brings. `fields` are what is put into that request."""

    snapshot: Snapshot
    fields: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Reading:
    """What one answer says. `retry_after_seconds` is what the provider asks for, in every outcome.

    snapshot         the answer has the task's status; `error` is that of the snapshot
    retry            the answer has no news; `error` says why
    permanent_error  the same request would fail again; `key_refused`: a new key or a paid bill would help

    seen: the end that a status word of unknown meaning would be, by the link or the reason beside it. document: the
    JSON object of the answer, without the key; None if it holds none. unlinked: the completed task for whose link a
    second request is to be sent.
    """

    outcome: Literal["snapshot", "retry", "permanent_error"]
    snapshot: Snapshot | None = None
    error: TaskError | None = None
    retry_after_seconds: int | None = None
    key_refused: bool = False
    seen: Snapshot | None = None
    document: dict[str, Any] | None = field(default=None, compare=False, repr=False)
    unlinked: Unlinked | None = None

    @property
    def inferred(self) -> bool:
        """Whether the task seems to have ended, although the provider does not say so in so many words."""
        if self.snapshot is not None:
            return self.snapshot.status.final and not self.snapshot.said
        return self.outcome == "permanent_error" and not self.key_refused


@without_collection()
def read(  # noqa: PLR0913 - each is given by its name
    provider: Provider,
    *,
    status: int,
    headers: Mapping[str, str],
    body: bytes,
    task_id: str | None = None,
    age_seconds: float | None = None,
    now: float,
    params: Mapping[str, str] = NONE,
    secrets: tuple[str, ...] = (),
    unlinked: Unlinked | None = None,
) -> Reading:
    """Returns the reading of an HTTP answer: a snapshot, a retry or a permanent error. `now` is unix seconds.

    `age_seconds` is how long the task has been followed. `task_id` tells the task from what stands around it, and is
    for the content URL when the answer does not repeat the id; `params` are the submission's. `secrets` are what no
    text of the reading may show, such as the key that the request had. `unlinked`, of the reading before, says that
    this is the answer to the second request. Never raises, whatever the bytes.
    """
    answer = without_keys(document(body), body, secrets)
    exchange = _Exchange(provider, status, answer, task_id, age_seconds, now, params)
    reading = exchange.first_answer(body) if unlinked is None else exchange.second_answer(body, unlinked.snapshot)
    reading = replace(reading, retry_after_seconds=_wait(exchange, headers), document=answer)
    _forget()
    return reading


def inline_in(
    provider: Provider, body: bytes, role: str, task_id: str, params: Mapping[str, str] = NONE, *, second: bool = False
) -> str | None:
    """Returns the `data:` URL of a file that stands in an answer itself, or None if there is none.

    second: the answer is that to the second request, which has no status.
    """
    exchange = _Exchange(provider, 200, document(body), task_id, None, 0.0, params)
    task = exchange.answer if second else exchange.task()[0]
    found = exchange.files(task, "video", exchange.result(task, "video")).get(role)
    _forget()
    return found.url if found and found.inline else None


def _forget() -> None:
    """Frees what was kept of the texts of an answer, at each of which many places look."""
    forget()
    links_in.cache_clear()


@dataclass(frozen=True, slots=True)
class _Exchange:
    """One answer, and what is known of the question. `document` is None if the body holds no JSON object."""

    provider: Provider
    status: int
    document: dict[str, Any] | None
    task_id: str | None
    age: float | None
    now: float
    params: Mapping[str, str]

    @property
    def answer(self) -> dict[str, Any]:
        return {} if self.document is None else self.document

    def first_answer(self, body: bytes) -> Reading:
        """Reads an answer to a question about the task."""
        task, word = self.task()
        if word is None:
            return self.without_document(body) if self.document is None else self.without_status()
        reading = self.with_status(task, word)
        unlinked = self.unlinked(task, word, reading) if self.provider.result is not None else None
        return replace(reading, unlinked=unlinked)

    def second_answer(self, body: bytes, snapshot: Snapshot) -> Reading:
        """Reads the answer to the second request, about a task that its provider calls completed.

        A 2xx is searched for the link, and for a reason if it has none; a status of [result].failed says that the task
        has failed. Any other answer is read as one about the task is.
        """
        if self.document is None:
            return self.without_document(body)
        if 200 <= self.status < 300:
            return self.completed(snapshot)
        failed = self.provider.result is not None and self.status in self.provider.result.failed
        return self.refused(snapshot) if failed else self.without_status()

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
            own = self._is_own(name)
            if not 200 <= self.status < 300 and not self._ends_a_refusal(word, own):
                continue
            if own and not self._is_vague(word):
                return task, word
            # The `success` of an envelope, also of one with the task's id, gives way to a status within it.
            if found[1] is None or (self.task_id is not None and fold(found[1]) in ENVELOPE_WORDS):
                found = task, word
        return found

    def _is_own(self, name: str | None) -> bool:
        """Whether an id is the task's, or the last part of one in several parts."""
        own = self.task_id
        return own is not None and name is not None and name in (own, own.rpartition("/")[2])

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
                mine = (part for part in parts if self._is_own(self.first("id", part, text)))
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
        own = self._is_own(self.first("id", task, text))
        unlisted = len(spelled) < 3 and (own or any(map(_is_whole, self.provider.statuses)))
        return not (unlisted and self.file("result", task))

    def _is_about_request(self, task: dict[str, Any], word: str, name: str | None) -> bool:
        """Whether the word is about the request, as in JSend: the answer has neither a task's id nor a result."""
        if task is not self.document or not self._is_vague(word):
            return False
        # With another id than the task's it is about the request with that id.
        foreign = self.task_id is not None and not self._is_own(name)
        leads_on = self.provider.result is not None and self._fields(task) is not None
        return (name is None or foreign) and not leads_on and self.file("result", task) is None

    # An answer with a status word: the word decides which other values count

    def with_status(self, task: dict[str, Any], word: str) -> Reading:
        """Reads a task with a status word."""
        meant = meaning_of(self.provider, word)
        if meant.category is Category.NOT_FOUND or (not meant.known and is_not_found(word)):
            return self._gone(self._reason(task) or Reason(word, None))
        snapshot = self._values(task, word, meant)
        if meant.known and not meant.status.final:
            return Reading("snapshot", snapshot, seen=self._seen_early(snapshot, task))
        result = self.result(task, snapshot.object)
        ended_badly = meant.status is Status.FAILED or (meant.status is Status.COMPLETED and result is None)
        found = self._reason(task) or (failure_of(task) if ended_badly else None)
        failed = self._failed(snapshot, found, meant.category)
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
            progress=first("progress", self._progress),
            created_at=first("created_at", instant),
            started_at=first("started_at", instant),
            completed_at=first("completed_at", instant),
            estimated_completion=first("estimated_completion", instant),
            queue_position=first("queue_position", count),
            usage=first("usage", lambda value: value if isinstance(value, dict) and value else None),
            upstream_id=first("upstream_id", text),
            known_status=meant.known,
        )

    def _progress(self, value: object) -> int | None:
        scale = self.provider.progress_scale
        if scale is None or (isinstance(value, str) and value.rstrip().endswith("%")):
            return percent(value)
        amount = number(value)
        return None if amount is None else percent(f"{100 * amount / scale}%")

    # A task whose link comes with a second answer

    def unlinked(self, task: dict[str, Any], word: str, reading: Reading) -> Unlinked | None:
        """Returns the task if its provider calls it completed, and neither a link nor a reason stands in its answer."""
        meant, known = meaning_of(self.provider, word), reading.snapshot
        if not meant.known or meant.status is not Status.COMPLETED or (known and known.status is not Status.FAILED):
            return None
        error = known.error if known else reading.error
        if (known and known.said) or (error and error.category not in (Category.NO_RESULT, Category.PROVIDER)):
            return None
        fields = self._fields(task)
        return None if fields is None else Unlinked(self._values(task, word, meant), fields)

    def _fields(self, task: dict[str, Any]) -> dict[str, str] | None:
        """Returns what is put into the second request; None if the answer lacks some of it."""
        how, found = self.provider.result, {}
        paths = {} if how is None else how.fields if how.call is not None else {"url": how.url}
        for name, candidates in paths.items():
            values = (text(search(path, part)) for part in (task, self.answer) for path in candidates)
            value = next((each for each in values if each), None)
            if value is None:
                return None
            found[name] = value
        return found

    def completed(self, snapshot: Snapshot) -> Reading:
        """Reads the second answer about a task that its provider calls completed."""
        result, found = self.result(self.answer, snapshot.object), self._own_reason([self.answer])
        completed = self._completed(snapshot, self.answer, result) if result else None
        if completed is not None and completed.said:
            return Reading("snapshot", completed)
        kind = category(self.provider, found)
        if completed is None and (_passes(found, kind) or kind in (Category.AUTH, Category.QUOTA)):
            return self.without_status()  # about this request, as a rate limit is, and not about the task
        sure = result is not None and result.rank not in DOUBTFUL
        failed = self._failed(snapshot, found, None)
        return self._called_completed(self.answer, found, failed, completed, sure=sure)

    def refused(self, snapshot: Snapshot) -> Reading:
        """Reads a second answer whose HTTP status says that the task has failed, unless its reason says "not yet"."""
        own = self._own_reason([self.answer])
        found = own if own and own.code else _joined(own, guess(self.answer).reason)
        if found and _is_unfinished(found):
            return Reading("retry", error=self._error(found, category(self.provider, found) or Category.PROVIDER, True))
        failed = self._failed(snapshot, found, None)
        return Reading("snapshot", replace(failed, said=True), failed.error)

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
            error = task_error(self.provider, found, kind, message)
        else:
            # What is no reason by its words may be none, such as "Video generated", or one that nobody has listed.
            said = f": {found.message}" if found and found.message else ""
            error = task_error(self.provider, None, Category.NO_RESULT, message + said)
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
        return replace(snapshot, status=Status.FAILED, error=task_error(self.provider, found, kind, message))

    def result(self, task: dict[str, Any], kind: str) -> Found | None:
        """Returns the finished file, or where it is downloaded when the answer has no good link."""
        result = self.file("result", task, kind)
        if result is not None and result.rank is Rank.INSIDE:
            result = anywhere(task, kind, self._url()) or result
        content = self._content(task)
        return Found(content, Rank.CONTENT) if content and (result is None or result.rank > Rank.CONTENT) else result

    def _completed(self, snapshot: Snapshot, task: dict[str, Any], result: Found) -> Snapshot:
        """Returns the task with its finished files; `said` is False where the link to the result shows nothing.

        The files are the result and the other assets of the provider file, each link once.
        """
        if snapshot.object == "video" and is_image(result) and self.first("object", task, _object) is None:
            snapshot = replace(snapshot, object="image")
        found = self.files(task, snapshot.object, result)
        sources = tuple(self._source(role, each.url, snapshot, task) for role, each in found.items())
        # Where nothing says what the task makes, an image that is no preview is what it made.
        image = snapshot.object == "image" and result.rank is Rank.OTHER
        said = image or result.rank not in UNCONVINCING
        return replace(snapshot, status=Status.COMPLETED, sources=sources, error=None, said=said)

    def files(self, task: dict[str, Any], kind: str, result: Found | None) -> dict[str, Found]:
        """Returns the finished files by role: the result, other results, and the other assets, each link once."""
        found = {} if result is None else {RESULT: result}
        for item in self._items(task) if found else ():
            if len(found) == MOST_RESULTS:
                break
            each = best((item,), task, kind, self._url())
            if (
                each is not None
                and each.rank not in DOUBTFUL
                and each.url not in [known.url for known in found.values()]
            ):
                found[f"{RESULT}-{len(found) + 1}"] = each
        for role in self.provider.assets:
            extra = self.asset(role, task, kind, result)
            if extra is not None and extra.url not in [known.url for known in found.values()]:
                found.setdefault(role, extra)
        return found

    def _items(self, task: dict[str, Any]) -> Iterator[object]:
        """Yields the several results of a task, at the places of the provider file, also those in lists of lists."""
        waiting = [search(path, task) or search(path, opened(task)) for path in reversed(self.provider.results)]
        for _ in range(MOST_TASKS):
            if not waiting:
                return
            value = embedded(waiting.pop())
            if isinstance(value, list):
                waiting += reversed(value[:MOST_TASKS])
            else:
                yield value

    def _source(self, role: str, url: str, snapshot: Snapshot, task: dict[str, Any]) -> Source:
        # A result is what the task makes; an extra may be a picture of it.
        made = role == RESULT or role.startswith(f"{RESULT}-")
        kind = snapshot.object if made else type_of(role, url, snapshot.object)
        if url[:5].lower() == "data:":
            return Source(role, kind, url.partition(",")[0], inline=True)
        lives = self.provider.link_lives_seconds
        expires = (
            self.first("expires_at", task, instant)
            or link_expiry(url)
            or (lives and (snapshot.completed_at or math.floor(self.now)) + lives)
        )
        has_key = self.provider.has_key(url, self._url()) and not is_signed(url)
        return Source(role, kind, url, expires, needs_key=has_key)

    def file(self, role: str, task: dict[str, Any], kind: str = "video") -> Found | None:
        """Returns the file of a role in a task; `kind` is `video` or `image`."""
        paths, asked = self.provider.assets[role], self._url()
        found = best((search(path, task) for path in paths), task, kind, asked)
        if found is None and (whole := opened(task)) != task:
            found = best((search(path, whole) for path in paths), whole, kind, asked)
        if found is None and role in self.provider.base64:
            found = next(self._in_base64(self.provider.base64[role], (search(path, task) for path in paths)), None)
        return found

    def _in_base64(self, kind: str, values: Iterable[object]) -> Iterator[Found]:
        """Yields the values, or those in a list of them, that are a file of this type in base64."""
        from vidhook.media import SNIFF_BYTES, inline_file, known_type, media_type  # few files have [base64]

        for each in chain.from_iterable(value if isinstance(value, list) else [value] for value in values):
            if isinstance(each, str) and BASE64.fullmatch(each):
                head = f"data:{kind};base64,"
                with suppress(BrokenDownload):  # such as an error page
                    begin = inline_file(head + each[: 2 * SNIFF_BYTES])[1][:SNIFF_BYTES]
                    media_type(begin, kind, kind.partition("/")[0].lower())
                    if len(each) > LONGEST_ID or known_type(begin):
                        yield Found(head + each, Rank.FILM)

    def asset(self, role: str, task: dict[str, Any], kind: str, result: Found | None) -> Found | None:
        """Returns the file of a role beside the `result` of a task; only a film has a poster."""
        if role != POSTER:
            return self.file(role, task, kind) if role in self.provider.assets else None
        if kind != "video" or result is None:
            return None
        values = (search(path, task) for path in self.provider.assets.get(POSTER, ()))
        return poster(values, task, self.answer, result.url, self._url())

    def _url(self) -> str:
        """The URL that was asked: links in the answer may be relative to it."""
        try:
            return task_url(self.provider, self.task_id or "-", self.params)
        except BadInput:
            return self.provider.base_url

    def _content(self, task: dict[str, Any]) -> str | None:
        task_id = self.task_id or self.first("id", task, text)
        try:
            return content_url(self.provider, task_id, self.params) if task_id is not None else None
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

        Only an empty 401, 402, 403, 404 or 410, and a 401 with a few plain words, are taken for the provider's own.
        """
        said = body.strip()
        brief = len(said) <= BRIEF and not MARKUP.match(body) and not GATEWAY.search(said)
        own = not said or (self.status == 401 and brief)
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
            error = task_error(provider, found, provider.codes[code], f"the provider gave the code {code}")
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
        return task_error(self.provider, found, kind, message, code, retryable=retryable)


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
