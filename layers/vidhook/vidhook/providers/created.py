"""Reads what a provider answers to the request that creates a task.

What counts is whether the task may exist: only an answer that says that nothing was created lets the request be sent
again, and only one that names the task lets it be followed.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from enum import StrEnum
from http import HTTPStatus
from typing import Any

from vidhook.errors import BadInput
from vidhook.providers.expressions import search
from vidhook.providers.file import Provider
from vidhook.providers.pieces import pieces
from vidhook.providers.placeholders import check_part, reader
from vidhook.providers.reading import Reading, read
from vidhook.providers.reasons import REFUSALS
from vidhook.providers.table import fold
from vidhook.providers.values import decoded, document, embedded, opened, parsed, spelled, text
from vidhook.redaction import HIDDEN, without_keys
from vidhook.task import TASK_CREATED, Category, Status, TaskError

LONGEST_ID = 512
# By RFC 9110 a request with a 4xx was not taken. With these it may have been: 408 and 499 come from gateways that wait
# for the server, 409 may be for the very task, 423 and 425 are about a request that came before.
UNCLEAR = {408, 409, 423, 425, 499}
# Another request would be needed. A 301, 302 or 303 may come after the task was made.
MOVED = {307, 308}
# A 429 that speaks of money would be said again.
SPENT = re.compile(r"(?i)insufficient|balance|billing|arrear|credits|depleted|top.?up|余额|欠费")
# In an answer with HTTP 2xx only a code says that nothing was created; words such as "rate limit: 9 of 10 used" do not.
THROTTLED = {"429", "toomanyrequests", "ratelimit", "ratelimited", "ratelimitexceeded", "requestlimitexceeded"}
# The names of a task's id in answers of known APIs as `spelled` writes them, those that mean nothing else first.
ID_NAMES = (
    *(
        "taskid",
        "taskuuid",
        "jobid",
        "generationid",
        "videoid",
        "predictionid",
        "renderid",
        "invocationarn",
        "promptid",
    ),
    *("id", "uuid", "name", "requestid"),
    # The task's only where nothing else is named.
    *("operationid", "runid", "processid", "executionid", "workflowrunid", "dubbingid", "videotranslateid"),
    *("commandid", "triggerid", "callid", "uid", "batchid", "projectid"),
)
WEAK_NAMES = ID_NAMES[ID_NAMES.index("requestid") :]
PLAIN_NAMES = ("id", "uuid", *WEAK_NAMES)  # a request may have them too
DEPTH, MOST_KEYS = 3, 200
NOT_THE_TASK = {"request", "input", "error", "errors", "user", "metadata", "model"}
# Where a plain `id` is the task's, and no model's or user's.
KINDS = ("task", "job", "video", "generation", "prediction", "render", "result", "item", "movie", "animation", "batch")
HOLDERS = {
    "",
    "data",
    "response",
    "resp",
    "output",
    "payload",
    "value",
    "resource",
    "operation",
    *KINDS,
    *(f"{kind}s" for kind in KINDS),
}
# An id may stand alone there, as in {"data": "task-7"}.
BARE = ("data", "result", "task", "job", "project")
# A number beside an id that may be the task's is no code of an error with such words, or with none: {"code": 1000}.
ACCEPTED = re.compile(r"(?i)\b(?:ok|success\w*|accepted|created|submitted|queued)\b|成功|排队中|已提交|已存在")
WORDS, FAULTS = ("message", "msg", "description", "info"), {"error", "errors", "errormessage"}
NOT_ACCEPTED = re.compile(r"(?i)\b(?:not|no|un\w+|fail\w*|error|invalid)\b|失败|未|不")
LOCATIONS = ("location", "operation-location", "content-location")
NO_ID = {"0", "-1", "null", "none", "undefined", "nan"}


class Said(StrEnum):
    """What an answer says of the task that was to be created."""

    CREATED = TASK_CREATED
    REFUSED = "refused"  # nothing was created, and the same request would be refused again
    NOT_NOW = "not_now"  # nothing was created; the same request may be taken later
    UNKNOWN = "unknown"  # it may have been created


@dataclass(frozen=True, slots=True)
class Created:
    """What an answer says, the task's id if it was created, the error if not, and what else is in the answer.

    sure: the name of the id, or the file, says that it is the task's.
    """

    said: Said
    reading: Reading
    task_id: str | None = None
    error: TaskError | None = None
    sure: bool = False


def created(
    provider: Provider,
    *,
    status: int,
    headers: Mapping[str, str],
    body: bytes,
    now: float,
    secrets: tuple[str, ...] = (),
) -> Created:
    """Returns what an answer to the request of the file's [create] says. Never raises, whatever the bytes.

    An id counts too that stands in full in what came of an answer that was cut, or in one of several events or lines.
    `now` is unix seconds; the `secrets`, such as the key that the request had, are in no text of what is returned.
    """

    def said(part: bytes, *, cut: bool = False) -> Created:
        return _said(provider, status, headers, part, now, secrets, cut=cut)

    whole = said(body)
    if whole.said is Said.CREATED or not 200 <= status < 300 or document(body) is not None:
        return whole
    found = [each for part, cut in pieces(decoded(body)) if (each := said(part, cut=cut)).said is Said.CREATED]
    return max(found, key=lambda each: each.sure, default=whole)  # the first of the surest


def _said(
    provider: Provider,
    status: int,
    headers: Mapping[str, str],
    body: bytes,
    now: float,
    secrets: tuple[str, ...],
    *,
    cut: bool,
) -> Created:
    how = provider.create
    places = dict(how.answer) if how else {}
    answer = without_keys(parsed(decoded(body)), body, secrets)
    task_id, sure = _id(provider, answer, status, headers, cut=cut)
    own = replace(provider, answer={**provider.answer, **places})
    about: dict[str, Any] = {"task_id": task_id, "age_seconds": 0.0, "now": now, "secrets": secrets}
    reading = read(own, status=status, headers=headers, body=body, **about)
    error = reading.error or (reading.snapshot.error if reading.snapshot else None)
    code = (error and error.provider_code) or ""
    codes = {fold(str(status)), fold(code)} - {""}
    if how is not None and codes & how.not_now and not (task_id and sure):
        said = Said.NOT_NOW
    elif task_id is not None and (sure or reading.outcome == "snapshot" or _is_no_error(reading, answer)):
        return Created(Said.CREATED, reading, task_id, sure=sure)
    elif 200 <= status < 300:
        said = Said.NOT_NOW if codes & THROTTLED else Said.REFUSED if _is_refusal(reading) else Said.UNKNOWN
    elif status == HTTPStatus.TOO_MANY_REQUESTS:
        said = Said.REFUSED if SPENT.search(f"{code} {error.message if error else ''}") else Said.NOT_NOW
    else:
        said = Said.REFUSED if status in MOVED or (400 <= status < 500 and status not in UNCLEAR) else Said.UNKNOWN
    if error is None:
        message = f"{provider.name} answered HTTP {status} without the id of a task"
        error = TaskError(Category.PROVIDER, f"HTTP_{status}", message, retryable=None)
    if said is Said.REFUSED and reading.outcome == "retry":  # so it is for polls; here nothing says that it would help
        error = replace(error, retryable=False if error.category in REFUSALS else None)
    return Created(said, reading, error=error)


def _id(
    provider: Provider, value: Any, status: int, headers: Mapping[str, str], *, cut: bool
) -> tuple[str | None, bool]:
    """Returns the id of the task, and whether it is surely that: its name, or the file, says so.

    `value` is the JSON of the answer, `cut` whether more of it may have followed.
    """
    if not 200 <= status < 300:  # after a POST, See Other leads to what was made
        return _linked(provider, headers) if status == HTTPStatus.SEE_OTHER else None, False
    own = provider.create.answer.get("id") if provider.create else None
    inner = _unwrapped(value)
    if own:
        found = (_text(search(path, place)) for path in own for place in (value, opened(value), inner))
        named_by_file = next((each for each in found if each is not None and _is_usable(each)), None)
        return (_linked(provider, headers), False) if named_by_file is None else (named_by_file, True)
    named = [each for each in _named(value, cut=cut) if _is_usable(each[2])]
    if cut:  # the task's own may have followed
        named = [each for each in named if ID_NAMES[each[0]] not in WEAK_NAMES]
    if named:
        rank, _, task_id = min(named, key=lambda each: each[:2])
        return task_id, ID_NAMES[rank] not in PLAIN_NAMES
    if (linked := _linked(provider, headers)) is not None:
        return linked, False
    alone = (text(inner.get(name)) for name in BARE if isinstance(inner, dict))
    bare = (each for each in alone if each and not re.search(r"[\s{}\[\]]", each))
    return next(filter(_is_usable, bare), None), False


def _unwrapped(value: Any, depth: int = DEPTH) -> Any:
    """Returns a value with what stands in lists of one, and in texts that are JSON, in their place."""
    inner = embedded(value)
    for _ in range(depth):
        inner = embedded(inner[0]) if isinstance(inner, list) and len(inner) == 1 else inner
    if depth and isinstance(inner, dict):
        return {key: _unwrapped(each, depth - 1) for key, each in inner.items()}
    return inner


def _text(found: Any) -> str | None:
    """Returns what a path of the file found; of a list of it, the first."""
    return text(found[0] if isinstance(found, list) and found else found)


def _named(answer: Any, *, cut: bool) -> Iterator[tuple[int, int, str]]:
    """Yields what stands under a name of an id: the rank of the name, how deep it is, and the text.

    Of an answer that was `cut` only in places that are the task's: another's id may stand before the task's own.
    """
    waiting: list[tuple[int, str, Any]] = [(0, "", answer)]
    while waiting:
        depth, holder, value = waiting.pop()
        inner = embedded(value)
        if isinstance(inner, list) and len(inner) == 1:
            inner = inner[0]
        if not isinstance(inner, dict):
            continue
        for key, each in list(inner.items())[:MOST_KEYS]:
            name = spelled(key)
            found = text(each)
            if isinstance(each, list) and len(each) == 1:  # {"generation_ids": ["g-1"]}
                name, found = name.removesuffix("s"), text(each[0])
            if found is not None and name in ID_NAMES and _may_be(name, holder, found):
                yield ID_NAMES.index(name), depth, found
            if depth < DEPTH and name not in NOT_THE_TASK and (name in HOLDERS or not cut):
                waiting.append((depth + 1, spelled(key), each))


def _may_be(name: str, holder: str, value: str) -> bool:
    if name == "name":  # of a long-running operation of Google's
        return "operations/" in value
    return name not in PLAIN_NAMES or holder in HOLDERS


def _linked(provider: Provider, headers: Mapping[str, str]) -> str | None:
    """Returns the task's id in a header that leads to where the file's `path` asks for it."""
    given, fits = {name.lower(): value for name, value in headers.items()}, reader(provider.poll.path.partition("?")[0])
    found = ((fits(given[name]) or {}).get("task_id") for name in LOCATIONS if name in given)
    return next((each for each in found if each is not None and _is_usable(each)), None)


def _is_usable(task_id: str) -> bool:
    """Whether a text can be asked about.

    An id of 0 is what APIs write when there is no task, and one in which our key was hidden is not the whole id.
    """
    try:
        check_part(task_id)
    except BadInput:
        return False
    spoken = task_id.isprintable() and task_id == task_id.strip() and task_id.lower() not in NO_ID
    return spoken and len(task_id) <= LONGEST_ID and HIDDEN not in task_id


def _is_no_error(reading: Reading, answer: Any) -> bool:
    """Whether an answer with HTTP 2xx, and with an id that may be the task's, speaks of no error."""
    code = (reading.error and reading.error.provider_code) or ""
    members = {spelled(key): each for key, each in answer.items()} if isinstance(answer, dict) else {}
    if _is_refusal(reading) or members.get("success") is False:
        return False
    if not code:
        return True
    if members.get("type") == code:  # what kind of task it is
        return True
    words = next((each for name in WORDS if isinstance(each := members.get(name), str)), "")
    fine = ACCEPTED.search(words) and not NOT_ACCEPTED.search(words) if words else not members.keys() & FAULTS
    return bool(fine) and code.isdigit() and not 400 <= int(code[:3]) < 600


def _is_refusal(reading: Reading) -> bool:
    """Whether an answer with HTTP 2xx, and without an id, says why there is no task."""
    failed = reading.snapshot is not None and reading.snapshot.status is Status.FAILED
    return reading.outcome == "permanent_error" or failed
