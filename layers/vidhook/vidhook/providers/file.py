"""A provider file: the checked TOML file of a provider, and the requests that it describes.

docs/providers.md explains every key.
"""

import difflib
import json
import re
import tomllib
import unicodedata
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlsplit

from jmespath.parser import ParsedResult

from vidhook.budget import Budget
from vidhook.errors import BadInput, BadProviderFile, NotFound
from vidhook.providers.codes import UPSTREAMS, Meanings, numbers_of
from vidhook.providers.expressions import compiled
from vidhook.providers.wording import spaced
from vidhook.task import Category, Status

ANSWER_KEYS = (
    *("task", "id", "status", "object", "model", "prompt", "progress", "error", "usage", "upstream_id"),
    *(
        "created_at",
        "started_at",
        "completed_at",
        "expires_at",
        "estimated_completion",
        "queue_position",
        "retry_after",
    ),
)
TABLES = ("auth", "headers", "body", "answer", "assets", "status", "errors", "messages")
TOP_KEYS = (
    "name",
    "base_url",
    "path",
    "method",
    "format",
    "content_path",
    "link_lives_seconds",
    "expected_seconds",
    "polls_per_day",
    "polls_per_minute",
    "upstreams",
    *TABLES,
)
NOT_YOURS = "not_yours"
STATUSES = frozenset(Status)
# Bounds of a file, far above what an API takes: people of a stack write them, and each poll evaluates them.
FILE_BYTES, CANDIDATES = 65_536, 40
SHOWN = 200  # characters of an expression in an error
LONGEST_WORD = 200  # of a status word or a code
# What the values in a file must look like. Compiled here: a function has more CPU while it loads than when it polls.
_ANYTHING = re.compile(r"(?s).+")
_NAME = re.compile(r"[a-z0-9][a-z0-9_-]{0,39}")
_PATH = re.compile(r"/[^\s\x00-\x1f\x7f#\\]*")
_PATH_OF_A_TASK = re.compile(rf"(?=.*\{{task_id(?::path)?\}}){_PATH.pattern}")
# Each request has some headers already, as its connection and its body need them.
_HEADER = re.compile(
    r"(?!(?i:host|connection|content-length|transfer-encoding|accept-encoding)$)[!#$%&'*+.^_`|~0-9A-Za-z-]+"
)
_HEADER_VALUE = re.compile(r"[!-~\xa0-\xff]([ -~\xa0-\xff]*[!-~\xa0-\xff])?")
# A role is a part of a key in S3 and of a header.
_ROLE = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,39}")
_WITH_KEY = re.compile(rf"(?=.*\{{key\}}){_HEADER_VALUE.pattern}")
_SPACE = re.compile(r"[\s\x00-\x1f\x7f]")
_BETWEEN_WORDS = re.compile(r"[\s_.-]+")
_NUMBER = re.compile(r"\s*([+-]?)\s*([0-9]+)(?:\.0+|(\.[0-9]+))?\s*")
_DASH = re.compile("[\u2010-\u2015\u2212]")
_PLACEHOLDER = re.compile(r"\{\s*(\w[\w:.-]*)\s*\}")
# What other languages write where a placeholder stands: ${task_id}, {{task_id}}, {}, {task_id!r}, {task_id?}.
_MISWRITTEN = re.compile(r"\$\{|\{\s*\{\s*\w+\s*\}\s*\}|\{\s*\}|\{\s*(?:task_id|key)\b(?!\s*(?::path)?\s*\})")
# Headers that hold credentials: a fixed one would be a secret in a file.
_CREDENTIALS = ("authorization", "proxy-authorization", "x-api-key", "api-key", "apikey", "x-auth-token", "cookie")
_TASK_ID = ("task_id", "task_id:path")
# The names of the providers that ship with vidhook, and of the formats that several providers share.
BUNDLED = tuple(sorted(file.stem for file in Path(__file__).parent.glob("*.toml")))
FORMATS = tuple(sorted(file.stem for file in (Path(__file__).parent / "formats").glob("*.toml")))


@dataclass(frozen=True, slots=True)
class Provider:
    """One checked provider file. Durations are seconds; status words and codes are spelled as `fold` returns them."""

    name: str
    base_url: str
    path: str
    method: str
    body: Mapping[str, str] | None
    headers: Mapping[str, str]
    auth_header: str
    auth_value: str
    content_path: str | None
    link_lives_seconds: float | None
    expected_seconds: float | None
    answer: Mapping[str, tuple[ParsedResult, ...]]
    assets: Mapping[str, tuple[ParsedResult, ...]]  # by role; the first role is result
    statuses: Mapping[str, Status]
    implied: Mapping[str, Category]  # by the status words that say why the task failed
    codes: Mapping[str, Category]
    budget: Budget  # of polls, for the provider's key
    not_yours: frozenset[str]  # codes that refuse this task only, not the key
    messages: Mapping[str, Category] = field(default_factory=dict)  # by fragments of messages, spelled as by `spaced`
    numbers: Meanings = field(default_factory=dict)  # what the numbers of the upstreams mean


def fold(word: str) -> str:
    """Returns one spelling for `in_progress`, `IN-PROGRESS`, `in progress` and `InProgress`, for `1` and `1.0`.

    -1 is not 1, whatever sign of minus it has.
    """
    word = word[:LONGEST_WORD]
    plain = word if word.isascii() else _DASH.sub("-", unicodedata.normalize("NFKC", word))
    if number := _NUMBER.fullmatch(plain):
        return f"{number[1].strip('+')}{number[2]}{number[3] or ''}"
    return _BETWEEN_WORDS.sub("", plain).casefold()


@dataclass(frozen=True, slots=True)
class Request:
    """One HTTP request to a provider; its headers may hold the key."""

    method: str
    url: str
    headers: Mapping[str, str] = field(repr=False)
    body: bytes = b""


def task_request(provider: Provider, task_id: str, key: str | None) -> Request:
    """Returns the request that asks about a task. Without a key the auth header is left out.

    Raises BadInput for a task id that cannot be part of a path.
    """
    headers = {"accept": "application/json", **provider.headers, **_auth(provider, key)}
    url = _fill(provider, provider.path, task_id)
    if provider.body is None:
        return Request(provider.method, url, headers)
    body = {
        name: _PLACEHOLDER.sub(lambda _: task_id, text)  # the id of the task is the only one
        for name, text in provider.body.items()
    }
    return Request(provider.method, url, headers | {"content-type": "application/json"}, json.dumps(body).encode())


def download_headers(provider: Provider, key: str | None) -> dict[str, str]:
    """Returns the headers for the download of a file that needs the provider's key; they accept any content type."""
    fixed = {name: value for name, value in provider.headers.items() if name.lower() not in ("accept", "content-type")}
    return {"accept": "*/*", **fixed, **_auth(provider, key)}


def content_url(provider: Provider, task_id: str) -> str | None:
    """Returns the URL where a finished file is downloaded with the key, or None without `content_path`."""
    return _fill(provider, provider.content_path, task_id) if provider.content_path else None


def check_task_id(task_id: str) -> None:
    """Raises BadInput for an id that is only dots: it cannot be part of a path, not even percent-encoded.

    HTTP clients decode %2E, and then `..` leads up the path.
    """
    if task_id.strip(".") == "":
        raise BadInput("task_id", f"{task_id!r} cannot be part of a URL", "give the id that the provider returned")


def _auth(provider: Provider, key: str | None) -> dict[str, str]:
    return {} if key is None else {provider.auth_header: provider.auth_value.replace("{key}", key)}


def _fill(provider: Provider, path: str, task_id: str) -> str:
    check_task_id(task_id)
    raw = task_id.encode("utf-8", "surrogatepass")
    if "{task_id:path}" in path:
        for part in task_id.split("/"):
            check_task_id(part)
    as_path, quoted = quote(raw, safe="/:"), quote(raw, safe="")
    return provider.base_url + path.replace("{task_id:path}", as_path).replace("{task_id}", quoted)


def bundled() -> dict[str, Provider]:
    """Returns the providers that ship with vidhook, by name."""
    return {name: bundled_provider(name) for name in BUNDLED}


@cache
def bundled_provider(name: str) -> Provider:
    """Returns the provider of this name that ships with vidhook; only its own file is parsed. Raises NotFound."""
    if name not in BUNDLED:
        raise NotFound(f'no provider file is named "{name}"')
    return parse(bundled_text(name), name)


def bundled_text(name: str) -> str:
    """Returns the TOML of a bundled provider or format. Raises FileNotFoundError for another name."""
    folder = Path(__file__).parent
    return (folder / "formats" if name in FORMATS else folder).joinpath(f"{name}.toml").read_text("utf-8")


@cache
def _format(name: str) -> dict[str, Any]:
    data = tomllib.loads(bundled_text(name))
    return _with_format(data, _format(data["format"])) if "format" in data else data


def _with_format(data: dict[str, Any], base: dict[str, Any]) -> dict[str, Any]:
    """Returns a file's data with those of its format behind: what the file has itself comes first."""
    whole = {**base, **data}
    for name in base.keys() & set(TABLES):
        own, shared = data.get(name, {}), base[name]
        if isinstance(own, dict):
            whole[name] = {**shared, **own}
            if name in ("answer", "assets"):
                whole[name] |= {key: [*_listed(own[key]), *_listed(shared[key])] for key in own.keys() & shared.keys()}
    return whole


def _listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


def parse(text: str, name: str | None = None) -> Provider:
    """Returns the provider that a TOML text describes. `name`, if given, is the name it must have.

    Raises BadProviderFile naming the provider, the section, the key, the problem and a hint.
    """
    where, data = _load(text, name)
    top = _Table(where, "", data, TOP_KEYS)
    own_name = top.text("name", _NAME, "use 1 to 40 of a-z, 0-9, - and _")
    if name is not None and own_name != name:
        raise top.bad("name", f'"{own_name}" is not "{name}"', "a file is stored under the name it has")
    answer = top.table("answer", ANSWER_KEYS)
    assets = top.table("assets")
    body = top.table("body") if "body" in data else None
    auth = top.table("auth", ("header", "value"))
    statuses, errors, headers = top.table("status"), top.table("errors"), top.table("headers")
    messages = top.table("messages")
    answer.need("status")
    assets.need("result")
    path = top.route("path", _PATH, "start it with /, without spaces")
    method = top.choice("method", ("GET", "POST"), "GET")
    if body is not None and method == "GET":
        raise top.bad("body", "it is only sent with a POST", 'add method = "POST"')
    fields = {key: body.placed(key) for key in body.data} if body else None
    if not any(map(_names_the_task, [path, *(fields or {}).values()])):
        raise top.bad("path", f'"{path}" does not say which task', "put {task_id} where the task's id belongs")
    header = auth.text("header", _HEADER, "use a header's name", default="Authorization")
    headers.spelled(_HEADER, "use a header's name")
    headers.once(header)
    headers.without_credentials()
    assets.spelled(_ROLE, "use 1 to 40 of A-Z, a-z, 0-9, - and _")
    words = {word: statuses.choice(word, [*Status, *Category]) for word in statuses.data}
    statuses.agree(words)
    errors.agree({code: errors.choice(code, [*Category, NOT_YOURS]) for code in errors.data})
    messages.agree({part: messages.category_of(part) for part in messages.data}, spaced)
    return Provider(
        name=own_name,
        base_url=_base_url(top),
        path=path,
        method=method,
        body=fields,
        headers={key: headers.placed(key, _HEADER_VALUE, "use plain characters", ()) for key in headers.data},
        auth_header=header,
        auth_value=auth.placed("value", _WITH_KEY, "put {key} where the key belongs", ("key",), "Bearer {key}"),
        content_path=top.route("content_path", _PATH_OF_A_TASK, "start it with / and put {task_id} in it")
        if "content_path" in data
        else None,
        link_lives_seconds=top.seconds("link_lives_seconds"),
        expected_seconds=top.seconds("expected_seconds"),
        budget=Budget(top.count("polls_per_day"), top.count("polls_per_minute")),
        answer={key: answer.expressions(key) for key in answer.data},
        assets={"result": assets.expressions("result")} | {role: assets.expressions(role) for role in assets.data},
        statuses={
            fold(word): Status.FAILED if meant in [*Category] else Status(meant) for word, meant in words.items()
        },
        implied={fold(word): Category(meant) for word, meant in words.items() if meant in [*Category]},
        codes={
            fold(code): Category.AUTH if meaning == NOT_YOURS else Category(meaning)
            for code in errors.data
            for meaning in [errors.choice(code, [*Category, NOT_YOURS])]
        },
        not_yours=frozenset(fold(code) for code, meaning in errors.data.items() if meaning == NOT_YOURS),
        messages={spaced(part): messages.category_of(part) for part in messages.data},
        numbers=numbers_of(top.names("upstreams", UPSTREAMS)),
    )


def gaps(provider: Provider) -> list[str]:
    """Returns what a usable file should have and lacks, and what goes wrong without it."""
    found = []
    if "id" not in provider.answer:
        found.append("[answer].id is missing: without it a \"success\" may be the envelope's, and not the task's")
    if "error" not in provider.answer:
        found.append("[answer].error is missing: without it the reasons of failures and refusals are guessed")
    return found


def _names_the_task(text: str) -> bool:
    return any(name in _TASK_ID for name in _PLACEHOLDER.findall(text))


def _load(text: str, name: str | None) -> tuple[str, dict[str, Any]]:
    """Returns how errors name this provider, and the data of its file with that of its format behind it."""
    where = f'provider "{name}"' if name else "provider file"
    if len(text.encode("utf-8", "surrogatepass")) > FILE_BYTES:
        raise BadProviderFile(where, f"it is longer than {FILE_BYTES // 1024} KiB", "a file needs about one")
    try:
        data = tomllib.loads(text.removeprefix("\ufeff"))
    except (ValueError, RecursionError) as error:  # ValueError: also for a number of thousands of digits
        raise BadProviderFile(where, f"this is not TOML: {error}") from None
    if isinstance(data.get("name"), str):
        where = f'provider "{data["name"]}"'
    if "format" in data:
        data = _with_format(data, _format(_Table(where, "", data).choice("format", FORMATS)))
    return where, data


def _base_url(top: "_Table") -> str:
    url = top.placed("base_url", names=())
    hint = "write it like https://api.example.com"
    try:
        parts = urlsplit(url)
        host, _ = parts.hostname, parts.port
    except ValueError as error:
        raise top.bad("base_url", f'"{url}" is not a URL: {error}', hint) from None
    if parts.scheme not in ("http", "https") or not host or _SPACE.search(url):
        raise top.bad("base_url", f'"{url}" is not an http(s) URL', hint)
    if parts.username or parts.password or "?" in url or "#" in url:
        raise top.bad("base_url", "it has a user, a query or a fragment", f"{hint}; keys belong in the secret")
    return url.rstrip("/")


@dataclass(frozen=True, slots=True)
class _Table:
    """Checks one TOML table: every error names the provider, the table and the key."""

    where: str
    name: str
    data: dict[str, Any]
    keys: Iterable[str] | None = None  # None: the keys are the provider's own words

    def __post_init__(self) -> None:
        for key in self.data:
            if self.keys is not None and key not in self.keys:
                near = difflib.get_close_matches(key, self.keys, 1)
                hint = f'did you mean "{near[0]}"?' if near else f"the keys are {', '.join(self.keys)}"
                raise self.bad(key, "there is no such key", hint)

    def bad(self, key: str, problem: str, hint: str = "") -> BadProviderFile:
        place = f"[{self.name}].{key}" if self.name else key
        return BadProviderFile(f"{self.where}: {place}", problem, hint)

    def need(self, key: str) -> Any:
        if key not in self.data:
            raise self.bad(key, "it is missing", "add it")
        return self.data[key]

    def table(self, key: str, keys: Iterable[str] | None = None) -> "_Table":
        value = self.data.get(key, {})
        if not isinstance(value, dict):
            raise self.bad(key, f"it is {_kind(value)}, not a table", f"write it under [{key}]")
        return _Table(self.where, key, value, keys)

    def text(self, key: str, pattern: re.Pattern[str] = _ANYTHING, hint: str = "", default: str | None = None) -> str:
        value = self.data.get(key, default) if default is not None else self.need(key)
        if not isinstance(value, str):
            raise self.bad(key, f"it is {_kind(value)}, not text", "put it in quotes")
        if not pattern.fullmatch(value):
            raise self.bad(key, f'"{value}" is not valid' if value else "it is empty", hint or "give a value")
        return value

    def placed(
        self,
        key: str,
        pattern: re.Pattern[str] = _ANYTHING,
        hint: str = "",
        names: Iterable[str] = _TASK_ID,
        default: str | None = None,
    ) -> str:
        """Returns a text in which only these names stand in braces."""
        value = self.text(key, pattern, hint, default)
        known = " or ".join(f"{{{each}}}" for each in names)
        if wrong := _MISWRITTEN.search(value):
            raise self.bad(
                key, f'"{wrong[0]}" is not how a value is put in', f"write {known}" if known else "leave it out"
            )
        for name in _PLACEHOLDER.findall(value):
            if name == "key" and name not in names:
                raise self.bad(key, "{key} stands here", "the key belongs under [auth] only")
            if name not in names:
                raise self.bad(key, f"{{{name}}} means nothing here", f"use {known}" if known else "leave it out")
        return value

    def route(self, key: str, pattern: re.Pattern[str], hint: str) -> str:
        """Returns a path, in which braces stand around the task's id only."""
        value = self.placed(key, pattern, hint)
        if left := re.search("[{}]", _PLACEHOLDER.sub("", value)):
            raise self.bad(key, f'a "{left[0]}" is left in "{value}"', "write {task_id}, and %7B or %7D for a brace")
        return value

    def spelled(self, pattern: re.Pattern[str], hint: str) -> None:
        """Raises for a key that is not written as such a name is."""
        for key in self.data:
            if not pattern.fullmatch(key):
                raise self.bad(f'"{key}"', "it is not valid", hint)

    def once(self, other: str) -> None:
        """Raises for a header that is sent twice: two of its keys are the same one, or the key's header."""
        seen = {other.lower()}
        for key in self.data:
            if key.lower() in seen:
                raise self.bad(key, "this header is sent twice", "leave it out; the key's header belongs under [auth]")
            seen.add(key.lower())

    def without_credentials(self) -> None:
        """Raises for a header that holds a key as it is written here."""
        for key in self.data:
            if key.lower() in _CREDENTIALS:
                raise self.bad(key, "this header holds a key", "name it under [auth]; the key belongs in the secret")

    def agree(self, meanings: Mapping[str, str], spelled: Callable[[str], str] = fold) -> None:
        """Raises for two of its keys that are one word, but mean two things."""
        first: dict[str, str] = {}
        for word, meaning in meanings.items():
            other = first.setdefault(spelled(word), word)
            if meanings[other] != meaning:
                raise self.bad(
                    word, f'it is the same word as "{other}", which means {meanings[other]}', "leave out one"
                )

    def choice(self, key: str, choices: Iterable[str], default: str | None = None) -> str:
        value = self.text(key, default=default)
        if value not in choices:
            raise self.bad(key, f'"{value}" is not allowed', f"use one of {', '.join(choices)}")
        return value

    def category_of(self, key: str) -> Category:
        if not key.strip():
            raise self.bad(f'"{key}"', "it is in every message", "give words of the message")
        return Category(self.choice(key, list(Category)))

    def names(self, key: str, known: Iterable[str]) -> list[str]:
        value = self.data.get(key, [])
        if not isinstance(value, list):
            raise self.bad(key, f"it is {_kind(value)}, not a list", "write a list of names")
        for name in value:
            if not isinstance(name, str) or name not in known:
                raise self.bad(key, f'"{name}" is not known', f"use some of {', '.join(known)}")
        return value

    def seconds(self, key: str) -> float | None:
        value = self.data.get(key)
        if value is None:
            return None
        if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value < 1e9:
            raise self.bad(key, f"{value!r} is not a number of seconds", "write a positive number")
        return float(value)

    def count(self, key: str) -> int | None:
        value = self.data.get(key)
        if value is not None and (isinstance(value, bool) or not isinstance(value, int) or not 0 < value < 1e9):
            raise self.bad(key, f"{value!r} is not a number of polls", "write a whole number above 0")
        return value

    def expressions(self, key: str) -> tuple[ParsedResult, ...]:
        """Returns one JMESPath expression or a list of them, compiled. The first that finds a usable value wins."""
        value = self.data[key]
        paths = value if isinstance(value, list) else [value]
        if not paths or not all(isinstance(path, str) for path in paths):
            raise self.bad(key, "it is neither a JMESPath expression nor a list of them", "put each in quotes")
        if len(paths) > CANDIDATES:
            raise self.bad(key, f"it has more than {CANDIDATES} expressions", "join some with ||")
        return tuple(self._expression(key, path) for path in paths)

    def _expression(self, key: str, path: str) -> ParsedResult:
        try:
            return compiled(path)
        except ValueError as error:
            shown = path if len(path) <= SHOWN else f"{path[:SHOWN]}..."
            raise self.bad(key, f'"{shown}" is not valid JMESPath: {error}') from None


def _kind(value: object) -> str:
    return {
        bool: "true or false",
        int: "a number",
        float: "a number",
        list: "a list",
        dict: "a table",
        str: "text",
    }.get(type(value), "a date")
