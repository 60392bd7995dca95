"""Finds the reason of a provider's error: the code and the message in errors of every shape, and their category."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from vidhook.providers.file import Provider, fold
from vidhook.providers.values import document, link
from vidhook.task import Category, TaskError
from vidhook.times import number

MESSAGE_LIMIT = 2_000
RETRYABLE = (Category.PROVIDER, Category.TIMEOUT, Category.EXPIRED, Category.NO_RESULT)
FILLERS = {
    *("", "0", "200", "none", "null", "nil", "undefined", "n/a", "-", "{}", "[]"),
    *("ok", "success", "succeed", "succeeded", "true", "false"),
}
CODE_KEYS = ("code", "error_code", "errorCode", "err_code", "errcode", "statusCode", "status_code")
KIND_KEYS = ("type", "error_type", "key", "name")  # only without a code; "invalid_request_error" is too vague to count
NESTED_KEYS = ("error", "errors", "err", "cause", "inner", "message", "msg", "detail", "details", "reason", "base_resp")
MESSAGE_KEYS = (
    *("message", "msg", "error_message", "errorMessage", "error_msg", "err_msg", "errmsg", "error_description"),
    *("detail", "details", "description", "reason", "fail_reason", "failure_reason", "error", "err", "title"),
    "status_msg",
)
# The first category that fits wins: clear words come first, the vague "invalid" comes last.
CATEGORIES = {
    Category.CONTENT_POLICY: (
        r"moderat|nsfw|sensitiv|safety|unsafe|polic(y|ies)\b|violat|violen|prohibit|inappropriate|offensive|\bnud|sexual|porn"
        r"|copyright|infring|trademark|likeness|celebrit|real person|censor|flagged|content filter|guideline|harmful"
        r"|guardrail|risk (control|detect|not pass)|\baudit|data inspection|content check|(?<!no )human face"
        r"|disallowed|content (is )?not allowed|restricted (content|term|word)|\badult\b|\bhate\b"
        r"|(prompt|content|input|output|image|video|generation|request) (was |is |has been )?(blocked|filtered)"
        r"|(prompt|content) (was |is |has been )?rejected"
        r"|审核|敏感|违规|违禁|不合规|不符合规范|风控|侵权|版权|色情|真人"
    ),
    Category.PROVIDER: (
        r"rate.?limit|too many requests|throttl|concurren|overload|\bbusy\b|capacity|internal|server.?error|unavailable"
        r"|maintenance|invalid response|out of memory|try again (later|in )|retry later|(retries|attempts) exceeded"
        r"|exceeded.{0,20} (retries|attempts)"
    ),
    Category.QUOTA: (
        r"insufficient (?!permission|privilege|scope|resolution)|insufficient$|not enough (points|funds|tokens)"
        r"|\bbalance\b|\bcredits?\b|quota|billing|payment|arrear|overdue|recharge"
        r"|(set|plan|daily|monthly|usage|spending|inference) limit"
        r"|余额|额度|积分|点数|欠费"
    ),
    Category.TIMEOUT: r"time.?out|timed.?out|deadline|took too long|max(imum)? (wait|time|runtime)|超时",
    Category.CANCELLED: r"cancel|aborted by|取消",
    Category.AUTH: (
        r"unauthori|unauthenticat|authenticat|api.?key|access.?denied|permission|forbidden|credential"
        r"|(invalid|expired|missing).token|token.(is.)?(invalid|expired|missing)|令牌|无权|未登录"
    ),
    Category.NOT_FOUND: (
        r"\b(task|job|generation|prediction|resource|video)s?\b.{0,80}(not.?found|not.?exist|n.t exist|no longer exist)"
        r"|^not.?found( error)?$|(no such|unknown) (task|job|video)|任务(不存在|未找到)|(找不到|未找到)该?任务"
    ),
    Category.EXPIRED: r"\bexpired?\b|过期",
    Category.NO_RESULT: r"\bno (result|output|video|image)s?\b(?! (provided|given))|empty (result|output|video)",
    Category.INVALID_INPUT: (
        r"invalid|incorrect|\bwrong (file|format|type|size)|supported|not (allowed|valid|accessible|in \[)|must\b"
        r"|too (large|long|small|short|big|many|few|low|high)|at least \d|required|missing|malformed|bad request"
        r"|out of range|exceed|validation|parameter|argument|unprocessable|prompt.{0,20} empty"
        r"|corrupt|(read|decode|download|fetch|load).{0,20} (image|input|reference)|could not be (read|decoded)"
        r"|(image|reference|file|audio) (download|fetch|not found)|\bno (image|file|prompt|input)s? (provided|given)"
        r"|resolution|aspect ratio|dimension|no (human )?face|参数|无效|不支持|过[大小长短]|尺寸|分辨率|格式|下载失败"
    ),
}
# Possessive quantifiers do not backtrack: a text full of spaces cannot make the search slow.
CODE_AND_MESSAGE = re.compile(
    r"\bcode\s*+[:=]\s*+\"?+([\w.-]*+)\"?+\s*+[,;]?+\s*+(?:message|msg)\s*+[:=]\s*+(.*)", re.DOTALL
)
# A text about a refund says "credits" too, but missing credits are not its reason.
REFUND = re.compile(r"refund|not (be |been )?charged|returned to|退款|返还|退还|退回")
# Codes that only say "something is wrong with the request": the message is more exact.
VAGUE = re.compile(
    r"(invalid|bad)( (request|parameter|argument|input))?( error)?|.* api error|api error|upstream error|.*failed?"
)


@dataclass(frozen=True, slots=True)
class Reason:
    """What a provider says about an error, unchanged. At least one of the two is there."""

    code: str | None
    message: str | None


def find_reason(value: object, depth: int = 8) -> Reason | None:
    """Returns the code and message in a string, an object, nested objects, a list or JSON inside a string.

    Returns None when there is no reason in it: null, empty, zero, "success", or only a URL.
    """
    if depth == 0 or isinstance(value, bool):
        return None
    if isinstance(value, str):
        return _reason_in_text(value.strip(), depth)
    if isinstance(value, list):
        return next((found for item in value if (found := find_reason(item, depth - 1))), None)
    if isinstance(value, dict):
        return _reason_in_object(value, depth)
    code = _code(value)
    return Reason(code, None) if code else None


def merge_reasons(values: Iterable[object], depth: int = 8) -> Reason | None:
    """Returns one reason from several values: the most specific code and the most specific message."""
    return _merge([], [find_reason(value, depth) for value in values])


def _reason_in_object(value: Mapping[str, object], depth: int) -> Reason | None:
    nested = [find_reason(value[key], depth - 1) for key in NESTED_KEYS if isinstance(value.get(key), dict | list)]
    texts = [find_reason(value[key], depth - 1) for key in MESSAGE_KEYS if isinstance(value.get(key), str)]
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


def _reason_in_text(said: str, depth: int) -> Reason | None:
    if said.casefold() in FILLERS or link(said):
        return None
    if inner := find_reason(document(said[said.find("{") : said.rfind("}") + 1].encode()), depth - 1):
        return inner
    said = _cut(said)
    if pair := CODE_AND_MESSAGE.search(said):
        return _merge([code for code in [_code(pair[1])] if code], [find_reason(pair[2], depth - 1)])
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
    """Returns the category of an error, by the provider file, else by its words. None when neither fits."""
    if found is None:
        return None
    if found.code and fold(found.code) in provider.codes:
        return provider.codes[fold(found.code)]
    code = _words(found.code or "")
    message = (found.message or "").lower()
    # The code of a moderation error is often "invalid request", so its words count in the code and in the message.
    if re.search(CATEGORIES[Category.CONTENT_POLICY], f"{code}\n{message}"):
        return Category.CONTENT_POLICY
    for said in (message, code) if VAGUE.fullmatch(code) else (code, message):
        for kind, pattern in CATEGORIES.items():
            if re.search(pattern, said) and not (kind is Category.QUOTA and REFUND.search(said)):
                return kind
    return None


def task_error(
    found: Reason | None, kind: Category, default: str, code: str | None = None, retryable: bool | None = None
) -> TaskError:
    """Returns the error in our own form. `default` is the message, and `code` the code, when the provider gave none."""
    own = upper_snake(found.code) if found and found.code else ""
    message = (found and found.message) or _words(own).capitalize() or default
    return TaskError(
        category=kind,
        code=own or code or kind.upper(),
        message=_without_queries(message),
        provider_code=found.code if found else None,
        retryable=kind in RETRYABLE if retryable is None else retryable,
    )


def _words(code: str) -> str:
    return upper_snake(code).replace("_", " ").lower()


def upper_snake(code: str) -> str:
    """Returns `InvalidParameter` as INVALID_PARAMETER; an empty text when the code has no letter."""
    words = re.sub(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])", "_", code)
    return re.sub(r"[^A-Z0-9]+", "_", words.upper()).strip("_") if re.search(r"[A-Za-z]", code) else ""


def _without_queries(message: str) -> str:
    # A signed URL in a message would give its signature to every log and subscriber.
    return re.sub(r"(https?://[^\s?\"'<>]+)\?[^\s\"'<>]*", r"\1?...", _cut(message))


def _cut(message: str) -> str:
    return message if len(message) <= MESSAGE_LIMIT else message[: MESSAGE_LIMIT - 3] + "..."
