"""Finds the reason of a provider's error: the code and the message in errors of every shape, and their category."""

import itertools
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from vidhook.providers.codes import BUSY, meanings_of_word
from vidhook.providers.file import Provider
from vidhook.providers.table import fold
from vidhook.providers.values import ITEMS, LINK_LIMIT, document, link, names_in, spelled, words_in
from vidhook.providers.wording import (
    LIMIT,
    category_of,
    hints_at_refusal,
    invites,
    is_crowded,
    is_refusal_of_content,
    may_pass,
    prepared,
    spaced,
    wants_another,
)
from vidhook.task import Category, TaskError
from vidhook.times import number

REFUSALS = {Category.CONTENT_POLICY, Category.INVALID_INPUT, Category.QUOTA, Category.AUTH, Category.NOT_FOUND}
CLEAR = REFUSALS - {Category.INVALID_INPUT}  # what vague words do not mean
# What an HTTP status in place of a code says, when no word says more.
HTTP = {
    **dict.fromkeys((400, 413, 415, 422), Category.INVALID_INPUT),
    **dict.fromkeys((401, 403), Category.AUTH),
    402: Category.QUOTA,
    **dict.fromkeys((408, 504), Category.TIMEOUT),
}
PASSING_HTTP = (429, 502, 503, 504, 529)
FILLERS = {
    *("", "0", "200", "none", "null", "nil", "undefined", "n/a", "-", "{}", "[]"),
    *("ok", "success", "succeed", "succeeded", "true", "false"),
}
# The usual names in an error, spelled as `names_in` does.
CODE_KEYS = ("code", "errorcode", "errcode", "statuscode", "failcode", "failurecode")
KIND_KEYS = ("type", "errortype", "key", "name")  # only without a code; "invalid_request_error" is too vague to count
NESTED_KEYS = ("error", "errors", "err", "cause", "inner", "message", "msg", "detail", "details", "reason", "baseresp")
MESSAGE_KEYS = (
    *(
        "rawmessage",
        "message",
        "msg",
        "errormessage",
        "errormsg",
        "errmsg",
        "errordescription",
        "detail",
        "details",
        "description",
    ),
    *("reason", "failreason", "failurereason", "error", "err", "title", "statusmsg", "statusmessage", "taskstatusmsg"),
    *("failmsg", "failmessage", "failure", "errordetail", "errordetails"),
)
# In a task itself, a title or a description is that of the video, and a code may be its envelope's.
FAILURE_NAMES = {*MESSAGE_KEYS, *NESTED_KEYS, *CODE_KEYS} - {"title", "description", "code", "statuscode"}
# Other names of a reason are these, or have one of these words and none of the ones behind: `finish_reason` is "stop".
STATUS_TEXTS = {"statusdetail", "statusdetails", "statustext", "statusdescription", "statusdesc", "usermessage"}
OF_FAILURES = "error errors err fail failed failure reason reasons reject rejected rejection exception"
FAILURE_WORDS = frozenset(OF_FAILURES.split())
OF_OTHERS = """finish finished stop done retry retries count rate at on time date url id ids policy level handling
    threshold email billing refund over callback webhook notification thumbnail cover preview poster watermark"""
OTHER_WORDS = frozenset(OF_OTHERS.split())
# What may hold a failed task's reason beside the task itself: nothing that may be the user's own.
FAILURE_HOLDERS = ("output", "result", "data", "response", "meta")
MOST_TOLD = 4  # reasons under names that nobody has listed
DEPTH = 8
MOST_NAMES = 20  # of an object count as one part
# Where an envelope says that a request was refused.
FLAGS = ("success", "ok")
REFUSAL_KEYS = ("error", "errors", "code", "errorcode", "errcode", "detail", "baseresp")
STATUS_KEYS = ("code", "status", "statuscode")
# Possessive quantifiers do not backtrack: a text full of spaces cannot make the search slow.
CODE_AND_MESSAGE = re.compile(
    r"\bcode\s*+[:=]\s*+\"?+([\w.-]*+)\"?+\s*+[,;]?+\s*+(?:message|msg)\s*+[:=]\s*+(.*)", re.DOTALL
)
# Codes that only say "something is wrong with the request": the message is more exact.
VAGUE = re.compile(
    r"(client specified an )?(invalid|bad)( (request|parameter|argument|input))?( error)?|error|(type|value) error .*"
    r"|.* api error|api error|upstream error|.*failed?"
)


@dataclass(frozen=True, slots=True)
class Reason:
    """What a provider says about an error, unchanged. At least one of the two is there."""

    code: str | None
    message: str | None


def find_reason(value: object, depth: int = DEPTH) -> Reason | None:
    """Returns the code and message in a string, an object, nested objects, a list or JSON inside a string.

    Returns None when there is no reason in it: null, empty, zero, "success", or only a URL.
    """
    return _find(value, depth, [ITEMS])


def merge_reasons(values: Iterable[object], depth: int = DEPTH) -> Reason | None:
    """Returns one reason from several values: the most specific code and the most specific message."""
    left = [ITEMS]
    return _merge([], [_find(value, depth, left) for value in values])


def failure_of(task: Mapping[str, object]) -> Reason | None:
    """Returns the reason of a task that its provider calls failed, by the usual names in it or in its result."""
    parts = [each for each in (task, *(task.get(name) for name in FAILURE_HOLDERS)) if isinstance(each, dict)]
    usual = ({name: value for name, value in names_in(part).items() if name in FAILURE_NAMES} for part in parts)
    left = [ITEMS]
    found = [each for part in usual if (each := _find(part, DEPTH, left))]
    if found and (found[0].code or _says_why(found[0])):
        return found[0]
    others = itertools.islice((value for part in parts for value in _told_by_name(part)), MOST_TOLD)
    found += [each for value in others if (each := _find(value, DEPTH, left))]
    return next(filter(_says_why, found[: MOST_TOLD + 1]), None) or next(iter(found), None)


def _says_why(found: Reason) -> bool:
    return category_of(prepared(found.message or "")) in REFUSALS


def _told_by_name(part: Mapping[str, object]) -> Iterator[object]:
    """Yields what stands under names that have the words of a failure, such as `rejectionReason`."""
    for key, value in itertools.islice(part.items(), ITEMS):
        words = words_in(key)
        told = (FAILURE_WORDS & words and not OTHER_WORDS & words) or spelled(key) in STATUS_TEXTS
        if told and isinstance(value, str | list | dict):
            yield value
            if isinstance(value, dict):
                yield value.get("data")


@dataclass(frozen=True, slots=True)
class Guess:
    """What an envelope says of a refusal by its usual names: the fallback behind the places of the provider's file.

    refused: it says no. status: the HTTP status from 400 on that it repeats.
    """

    reason: Reason | None
    refused: bool
    status: int | None


def guess(answer: Mapping[str, object]) -> Guess:
    """Returns what an answer says of a refusal, if its provider's file does not say where."""
    names = names_in(answer)
    numbers = (number(names.get(key)) or 0 for key in STATUS_KEYS)
    word = names.get("status")
    refused = (
        any(names.get(flag) in (False, "false") for flag in FLAGS)
        or names.get("error") is True
        or (isinstance(word, str) and fold(word) in ("fail", "error"))
        or any(find_reason(names.get(key)) for key in REFUSAL_KEYS)
    )
    return Guess(find_reason(answer), refused, next((int(code) for code in numbers if 400 <= code < 600), None))


def _find(value: object, depth: int, left: list[int]) -> Reason | None:
    """Returns the reason in a value. `left` counts down what may still be looked at, in all the values together."""
    left[0] -= 1
    if depth == 0 or left[0] < 0 or isinstance(value, bool):
        return None
    if isinstance(value, str):
        left[0] -= min(len(value), LINK_LIMIT) // 1_000
        return _reason_in_text(value.strip(), depth, left)
    if isinstance(value, list):
        items = itertools.islice(value, left[0])
        return next((found for item in items if (found := _find(item, depth - 1, left))), None)
    if isinstance(value, dict):
        left[0] -= min(len(value), ITEMS) // MOST_NAMES
        return _reason_in_object(names_in(value), depth, left) if value else None
    code = _code(value)
    return Reason(code, None) if code else None


def _reason_in_object(value: Mapping[str, object], depth: int, left: list[int]) -> Reason | None:
    nested = [_find(value[key], depth - 1, left) for key in NESTED_KEYS if isinstance(value.get(key), dict | list)]
    texts = [_find(value[key], depth - 1, left) for key in MESSAGE_KEYS if isinstance(value.get(key), str)]
    own = [code for key in CODE_KEYS if (code := _code(value.get(key)))]
    kinds = [
        kind
        for key in KIND_KEYS
        if (kind := _code(value.get(key))) and ":" not in kind and not VAGUE.fullmatch(_words(kind))
    ]
    found = _merge([part.code for part in nested if part and part.code] + own, [*nested, *texts])
    if kinds and (found is None or found.code in (None, found.message)):
        return Reason(kinds[0], found.message if found else None)
    return found


def _merge(codes: list[str], parts: list[Reason | None]) -> Reason | None:
    codes += [part.code for part in parts if part and part.code]
    words = [code for code in codes if number(code) is None]
    specific = [code for code in words if not VAGUE.fullmatch(_words(code))]
    messages = [part.message for part in parts if part and part.message]
    code = next(iter(specific or words or codes), None)
    message = next(iter([text for text in messages if text not in codes] or messages), None)
    return Reason(code, message) if code or message else None


def _reason_in_text(said: str, depth: int, left: list[int]) -> Reason | None:
    if said[:20].casefold() in FILLERS or link(said):
        return None
    inner = said[said.find("{") : said.rfind("}") + 1]
    left[0] -= len(inner) // 1_000
    if inner and left[0] > 0 and (found := _find(document(inner.encode()), depth - 1, left)):
        return found
    said = _cut(said)
    if pair := CODE_AND_MESSAGE.search(said):
        return _merge([code for code in [_code(pair[1])] if code], [_find(pair[2], depth - 1, left)])
    is_code = len(said) <= 100 and re.fullmatch(
        r"[A-Za-z][A-Za-z0-9]*([_.][A-Za-z0-9]+)+|([A-Z][a-z0-9]+){2,}|[A-Z][A-Z0-9]+", said
    )
    return Reason(said if is_code else None, said)


def _code(value: object) -> str | None:
    if isinstance(value, bool) or not isinstance(value, str | int):
        return None
    code = str(value).strip()
    return None if code.casefold() in FILLERS | {"generic"} or len(code) > 200 else code


def category(provider: Provider, found: Reason | None) -> Category | None:
    """Returns the category of an error: by the provider file, by the known codes, by its words. None when none fits."""
    if found is None:
        return None
    own = provider.codes.get(fold(found.code)) if found.code else None
    if own and own is not Category.PROVIDER:
        return own
    mapped = _by_fragment(provider, found.message or "")
    # A file's "provider" says only that it failed, so clear words say more.
    return mapped or _by_code(provider, found) or own


def _by_fragment(provider: Provider, message: str) -> Category | None:
    words = spaced(message) if provider.messages else ""
    for fragment, kind in provider.messages.items():
        if fragment in words and re.search(rf"(?<!\w){re.escape(fragment)}(?!\w)", words, re.ASCII):
            return kind
    return None


def _by_code(provider: Provider, found: Reason) -> Category | None:
    code, message = prepared(_words(found.code or "")), prepared(found.message or "")
    listed = _listed(provider, found.code)
    if not listed:
        return _by_words(code, message) or HTTP.get(int(number(found.code) or 0))
    kinds = [Category.PROVIDER if meaning == BUSY else Category(meaning) for meaning in listed]
    vague = kinds[0] in (Category.PROVIDER, Category.INVALID_INPUT)
    if number(found.code) is None:
        if (vague or kinds[0] is Category.AUTH) and is_refusal_of_content(message):
            return Category.CONTENT_POLICY
        said = category_of(message) if vague else None
        other_input = kinds[0] is Category.PROVIDER and said in REFUSALS and wants_another(message)
        if (said is Category.QUOTA or other_input) and not is_crowded(code):
            return said
        # Google and xAI call a wrong key an invalid argument.
        of_key = said is Category.AUTH and kinds[0] is Category.INVALID_INPUT and "api key" in message
        return Category.AUTH if of_key else kinds[0]
    # APIs use the same short numbers for different things, so words that are clear decide between their meanings.
    said = category_of(message) if len(found.code or "") < 5 else None
    clear = said in kinds or said not in (Category.PROVIDER, Category.INVALID_INPUT) or is_crowded(message)
    return said if said and clear else kinds[0]


def _listed(provider: Provider, code: str | None) -> tuple[str, ...]:
    if not code:
        return ()
    return provider.numbers.get(code, ()) if number(code) is not None else meanings_of_word(code)


def _by_words(code: str, message: str) -> Category | None:
    # The code of a moderation error is often "invalid request", so its words count in the code and in the message.
    if is_refusal_of_content(code) or is_refusal_of_content(message):
        return Category.CONTENT_POLICY
    texts = (message, code) if VAGUE.fullmatch(code) else (code, message)
    said_by = [category_of(said) for said in texts]
    found = next((kind for kind in said_by if kind), None)
    # "Permission denied" is said of an empty account too, and its message tells which it is.
    if found is Category.AUTH and Category.QUOTA in said_by:
        return Category.QUOTA
    # "Resource unavailable" may be one that nobody paid for, and an "internal error" a wish for another picture.
    if found is Category.PROVIDER and not VAGUE.fullmatch(code):
        clear = REFUSALS if wants_another(message) else CLEAR
        return next((kind for kind in said_by if kind in clear), found)
    return found or (Category.PROVIDER if invites(message) else None)


def task_error(
    provider: Provider,
    found: Reason | None,
    kind: Category,
    default: str,
    code: str | None = None,
    *,
    retryable: bool | None = None,
) -> TaskError:
    """Returns the error in our own form. `default` is the message, and `code` the code, when the provider gave none."""
    own = upper_snake(found.code) if found and found.code else ""
    message = (found and found.message) or _words(own).capitalize() or default
    return TaskError(
        category=kind,
        code=own or code or kind.upper(),
        message=without_queries(message),
        provider_code=found.code if found else None,
        retryable=_retryable(provider, found, kind) if retryable is None else retryable,
    )


def _retryable(provider: Provider, found: Reason | None, kind: Category) -> bool | None:
    """Returns True only when something says that the same request may succeed, and None when nothing says anything."""
    if kind in REFUSALS:
        return False
    if kind is Category.CANCELLED:
        return None
    message = prepared(found.message or "") if found else ""
    # A text that names a refusal beside what passes may be one.
    if category_of(message) in REFUSALS or hints_at_refusal(message):
        return None
    if kind in (Category.TIMEOUT, Category.EXPIRED):
        return True
    if found is None:
        return None
    code = found.code or ""
    meanings = _listed(provider, code)
    passes = (
        set(meanings) == {BUSY} or number(code) in PASSING_HTTP or (not meanings and may_pass(prepared(_words(code))))
    )
    return passes or may_pass(message) or None


def _words(code: str) -> str:
    return upper_snake(code).replace("_", " ").lower()


def upper_snake(code: str) -> str:
    """Returns `InvalidParameter` as INVALID_PARAMETER; an empty text when the code has no letter."""
    words = re.sub(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])", "_", code)
    return re.sub(r"[^A-Z0-9]+", "_", words.upper()).strip("_") if re.search(r"[A-Za-z]", code) else ""


def without_queries(message: str) -> str:
    """Returns a message in which links have no query."""
    # A signed URL in a message would give its signature to every log and subscriber.
    return re.sub(r"(https?://[^\s?\"'<>]+)\?[^\s\"'<>]*", r"\1?...", _cut(message))


def _cut(message: str) -> str:
    return message if len(message) <= LIMIT else message[: LIMIT - 3] + "..."
