"""The engine: reads the answers of all providers. The rules are here; a provider's places and words are in its file.

The HTTP status is read first, then the status word. The word decides what else counts: a URL only when the task is
completed, an error only when it failed. A value that makes no sense is null, and an answer that makes no sense is a
retry; nothing that a provider sends raises an error here.
"""

import math
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from http import HTTPStatus
from typing import Any, Literal, TypeVar

from jmespath.exceptions import JMESPathError
from jmespath.parser import ParsedResult

from vidhook.errors import BadInput
from vidhook.providers.file import Provider, content_url, fold
from vidhook.providers.reasons import Reason, category, find_reason, merge_reasons, task_error
from vidhook.providers.values import count, document, link, link_expiry, origin, percent, text
from vidhook.task import Category, Snapshot, Source, Status, TaskError
from vidhook.times import instant, number, seconds_until

YOUNG_SECONDS = 120  # the age until which a provider may not find a task that it has accepted
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
WORDS = {
    Status.PENDING: """pending queued queue queueing queuing enqueued inqueue waiting wait awaiting notstart notstarted
        submitted submit created accepted received scheduled new init initializing initialized preparing starting
        throttled delayed standby todo notready dispatched""",
    Status.PROCESSING: """processing process inprogress inprocess progress ongoing running run generating rendering
        working active started executing doing dreaming loading encoding transcoding upscaling uploading saving
        finalizing preprocessing postprocessing retrying""",
    Status.COMPLETED: """completed complete success successful succeeded succeed successed done finished finish ready
        generated""",
    Status.FAILED: """failed failure fail error errored rejected refused aborted exception crashed terminated killed
        unsuccessful incomplete interrupted""",
}
# Status words that mean failed, by the category that they imply.
FINAL_WORDS = {
    Category.CANCELLED: "canceled cancelled cancel revoked stopped deleted",
    Category.EXPIRED: "expired expire",
    Category.TIMEOUT: "timeout timedout",
    Category.CONTENT_POLICY: """blocked moderated moderation contentmoderated requestmoderated contentblocked nsfw
        flagged filtered contentfilter contentfiltered banned sensitive policyviolation contentpolicyviolation""",
}
ENVELOPE_WORDS = {"success", "fail", "error"}
STATUSES = {word: status for status, words in WORDS.items() for word in words.split()}
IMPLIED = {word: kind for kind, words in FINAL_WORDS.items() for word in words.split()}

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Reading:
    """What one answer says. `retry_after_seconds` is what the provider asks for, in every outcome.

    snapshot         the answer has the task's status; `error` is that of the snapshot
    retry            the answer has no news; `error` says why
    permanent_error  the same request would fail again; `key_refused`: a new key or a paid bill would help
    """

    outcome: Literal["snapshot", "retry", "permanent_error"]
    snapshot: Snapshot | None = None
    error: TaskError | None = None
    retry_after_seconds: int | None = None
    key_refused: bool = False


def read(
    provider: Provider,
    *,
    status: int,
    headers: Mapping[str, str],
    body: bytes,
    task_id: str | None = None,
    age_seconds: float | None = None,
    now: float,
) -> Reading:
    """Returns the reading of an HTTP answer: a snapshot, a retry or a permanent error. `now` is unix seconds.

    `age_seconds` is how long the task has been followed; unknown counts as young. `task_id` is for the content URL when
    the answer does not repeat the id. Never raises, whatever the bytes.
    """
    answer = document(body)
    task, word = _task(provider, answer) if answer is not None and 200 <= status < 300 else ({}, None)
    if word is not None:
        snapshot = _snapshot(provider, answer or {}, task, word, task_id, now)
        reading = Reading("snapshot", snapshot, snapshot.error)
    else:
        young = age_seconds is None or age_seconds < YOUNG_SECONDS
        reading = _without_status(provider, status, answer, young)
    return replace(reading, retry_after_seconds=_wait(provider, status, headers, answer, now))


def _task(provider: Provider, answer: dict[str, Any]) -> tuple[dict[str, Any], str | None]:
    """Returns the part of the answer that is the task, and its status word: the first candidate that has one."""
    for found in [_search(path, answer) for path in provider.answer.get("task", ())] or [answer]:
        task = found[0] if isinstance(found, list) and len(found) == 1 else found
        word = _first(provider, "status", task, text) if isinstance(task, dict) else None
        # A number is the HTTP status repeated, unless the provider file has it as a status word.
        if word is None or (word.isdecimal() and word not in provider.statuses):
            continue
        if task is answer and _is_about_request(provider, answer, word):
            continue
        return task, word
    return {}, None


def _is_about_request(provider: Provider, answer: dict[str, Any], word: str) -> bool:
    """Returns whether the word is about the request, as in JSend: the answer has neither a task's id nor a result."""
    if fold(word) not in ENVELOPE_WORDS or _first(provider, "id", answer, text) is not None:
        return False
    return not any(link(_search(path, answer)) for path in provider.assets["result"])


# An answer without a task's status is read by its HTTP status.


def _without_status(provider: Provider, status: int, answer: dict[str, Any] | None, young: bool) -> Reading:
    found = find_reason(answer)
    kind = category(provider, found)
    code = fold(found.code) if found and found.code else ""
    if code in provider.codes and _ends_the_task(status, kind):
        error = task_error(found, provider.codes[code], "")
        return Reading("snapshot", Snapshot(Status.FAILED, error=error), error)
    meant = _meant_status(status, answer, found, kind)
    if meant in REFUSED:
        retry = False
        kind = kind if kind in (Category.QUOTA, Category.CONTENT_POLICY) else REFUSED[meant]
    elif meant in GONE:
        retry = young
        kind = Category.NOT_FOUND
    else:
        retry = answer is None or meant in TRANSIENT or not 400 <= meant < 500
        kind = kind or (Category.PROVIDER if retry else Category.INVALID_INPUT)
    error = task_error(found, kind, *_default_message(provider, status, answer, found), retryable=retry)
    if retry:
        return Reading("retry", error=error)
    key_refused = kind in (Category.AUTH, Category.QUOTA) and code not in provider.not_yours
    return Reading("permanent_error", error=error, key_refused=key_refused)


def _ends_the_task(status: int, kind: Category | None) -> bool:
    """Returns whether a code of the provider file says that the task has ended, although its status is missing."""
    if kind is Category.NO_RESULT:
        return status < 500 and status not in (408, 425, 429)
    return status < 300 and kind not in (Category.AUTH, Category.QUOTA, Category.NOT_FOUND)


def _meant_status(status: int, answer: dict[str, Any] | None, found: Reason | None, kind: Category | None) -> int:
    """Returns the HTTP status that is meant: some providers send errors inside a 200, and "not found" inside a 400."""
    if answer is not None and 200 <= status < 300:
        numbers = [number(answer.get(key)) or 0 for key in ("code", "status", "statusCode", "status_code")]
        numbers.append((found and number(found.code)) or 0)
        unnumbered = AS_HTTP.get(kind, 500) if _says_failure(answer) else status
        status = int(next((code for code in numbers if 400 <= code < 600), unnumbered))
    if kind is Category.NOT_FOUND and 200 <= status < 500 and status not in REFUSED and status not in TRANSIENT:
        return 404
    return status


def _says_failure(answer: dict[str, Any]) -> bool:
    errors = ("error", "errors", "code", "error_code", "errcode", "detail", "base_resp")
    flagged = any(answer.get(flag) in (False, "false") for flag in ("success", "ok")) or answer.get("error") is True
    worded = fold(text(answer.get("status")) or "") in ("fail", "error")
    return flagged or worded or any(find_reason(answer.get(key)) for key in errors)


def _default_message(
    provider: Provider, status: int, answer: dict[str, Any] | None, found: Reason | None
) -> tuple[str, str | None]:
    """Returns the message and the code of an answer that has none of its own."""
    try:
        name, phrase = HTTPStatus(status).name, f" {HTTPStatus(status).phrase}"
    except ValueError:
        name, phrase = f"HTTP_{status}", ""
    lacks = "a JSON object" if answer is None else "a status" if status < 300 else "a reason"
    code = name if status >= 300 else None if found else "UNREADABLE_ANSWER"
    return f"{provider.name} answered HTTP {status}{phrase}, without {lacks}", code


# An answer with a status word: the word decides which other values count.


def _snapshot(
    provider: Provider, answer: dict[str, Any], task: dict[str, Any], word: str, task_id: str | None, now: float
) -> Snapshot:
    def first(field: str, parse: Callable[[Any], T | None]) -> T | None:
        return _first(provider, field, task, parse)

    status, known, implied = _status(provider, word)
    snapshot = Snapshot(
        status=status,
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
        known_status=known,
    )
    if status is Status.FAILED:
        found = merge_reasons(_search(path, task) for path in provider.answer.get("error", ())) or _envelope_error(
            answer
        )
        kind = implied or category(provider, found) or Category.PROVIDER
        message = f'{provider.name} says "{word}" and gives no reason'
        return replace(snapshot, error=task_error(found, kind, message))
    if status is Status.COMPLETED:
        sources = _sources(provider, task, snapshot, task_id or first("id", text), now)
        if sources:
            return replace(snapshot, sources=sources)
        message = f'{provider.name} says "{word}" and gives no link to a result'
        return replace(snapshot, status=Status.FAILED, error=task_error(None, Category.NO_RESULT, message))
    return snapshot


def _status(provider: Provider, word: str) -> tuple[Status, bool, Category | None]:
    """Returns our status for the provider's word, whether the word is known, and the category that the word implies."""
    spelled = fold(word)
    bare = re.split("status|state", spelled)[-1]  # TASK_STATUS_SUCCEED, JOB_STATE_RUNNING
    for key in (spelled, bare):
        if key in provider.statuses:
            return provider.statuses[key], True, IMPLIED.get(key)
        if key in IMPLIED:
            return Status.FAILED, True, IMPLIED[key]
        if key in STATUSES:
            return STATUSES[key], True, None
    return Status.PROCESSING, False, None


def _object(value: Any) -> str | None:
    kind = (text(value) or "").casefold()
    return "video" if "video" in kind else "image" if "image" in kind else None


def _envelope_error(answer: dict[str, Any]) -> Reason | None:
    """Returns the reason in the envelope, for a failed task without one. A mere message does not count."""
    found = find_reason(answer)
    return found if found and _says_failure(answer) else None


def _sources(
    provider: Provider, task: dict[str, Any], snapshot: Snapshot, task_id: str | None, now: float
) -> tuple[Source, ...]:
    """Returns the finished files: the result and the other assets of the provider file, each link once."""
    stated_expiry = _first(provider, "expires_at", task, instant)
    links: dict[str, str] = {}
    for role, paths in provider.assets.items():
        url = next((url for path in paths if (url := link(_search(path, task)))), None)
        if role == "result":
            url = url or _content(provider, task_id)
            if url is None:
                return ()
        if url is not None and url not in links.values():
            links[role] = url

    def source(role: str, url: str) -> Source:
        lives = provider.link_lives_seconds
        expires = stated_expiry or link_expiry(url) or (lives and (snapshot.completed_at or math.floor(now)) + lives)
        # Only a link on the provider's own host gets the key, since that host has seen the key already.
        return Source(role, snapshot.object, url, expires, needs_key=origin(url) == origin(provider.base_url))

    return tuple(source(role, url) for role, url in links.items())


def _content(provider: Provider, task_id: str | None) -> str | None:
    try:
        return content_url(provider, task_id) if task_id is not None else None
    except BadInput:
        return None


# The wait that the provider asks for.


def _wait(
    provider: Provider, status: int, headers: Mapping[str, str], answer: dict[str, Any] | None, now: float
) -> int | None:
    head = {str(name).casefold(): value for name, value in headers.items()}
    asked = seconds_until(head.get("retry-after"), now)
    if asked is None and answer is not None:
        asked = _first(provider, "retry_after", answer, lambda value: seconds_until(value, now))
    for limit in ("x-ratelimit-", "ratelimit-", "x-rate-limit-"):
        remaining = number(head.get(f"{limit}remaining"))
        if asked is None and (remaining == 0 or (remaining is None and status == 429)):
            asked = seconds_until(head.get(f"{limit}reset"), now)
    return asked


def _search(path: ParsedResult, data: Any) -> Any:
    try:
        return path.search(data)
    except (JMESPathError, ArithmeticError, TypeError, ValueError, RecursionError):
        return None  # an expression that does not fit this answer finds nothing


def _first(provider: Provider, field: str, task: dict[str, Any], parse: Callable[[Any], T | None]) -> T | None:
    """Returns the first of a field's candidates that makes sense."""
    values = (parse(_search(path, task)) for path in provider.answer.get(field, ()))
    return next((value for value in values if value is not None), None)
