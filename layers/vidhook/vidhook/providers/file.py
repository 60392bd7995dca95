"""A provider file: the checked TOML file of a provider, and the requests that it describes.

docs/providers.md explains every key.
"""

import difflib
import json
import re
import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlsplit

import jmespath
from jmespath.exceptions import (
    ArityError,
    EmptyExpressionError,
    IncompleteExpressionError,
    JMESPathTypeError,
    LexerError,
    ParseError,
    UnknownFunctionError,
)
from jmespath.parser import ParsedResult

from vidhook.budget import Budget
from vidhook.errors import BadInput, BadProviderFile, NotFound
from vidhook.providers.codes import UPSTREAMS, Meanings, numbers_of
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
    "content_path",
    "link_lives_seconds",
    "expected_seconds",
    "polls_per_day",
    "polls_per_minute",
    "upstreams",
    *TABLES,
)
NOT_YOURS = "not_yours"
# What the values in a file must look like. Compiled here: a function has more CPU while it loads than when it polls.
_ANYTHING = re.compile(r"(?s).+")
_NAME = re.compile(r"[a-z0-9][a-z0-9_-]{0,39}")
_PATH = re.compile(r"/\S*")
_PATH_OF_A_TASK = re.compile(r"/\S*\{task_id\}\S*")
_HEADER = re.compile(r"[A-Za-z0-9-]+")
_WITH_KEY = re.compile(r".*\{key\}.*")
_SPACE = re.compile(r"\s")
_BETWEEN_WORDS = re.compile(r"[\s_.-]+")
# The names of the providers that ship with vidhook.
BUNDLED = tuple(sorted(file.stem for file in Path(__file__).parent.glob("*.toml")))


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
    codes: Mapping[str, Category]
    budget: Budget  # of polls, for the provider's key
    not_yours: frozenset[str]  # codes that refuse this task only, not the key
    messages: Mapping[str, Category] = field(default_factory=dict)  # by fragments of messages, spelled as by `spaced`
    numbers: Meanings = field(default_factory=dict)  # what the numbers of the upstreams mean


def fold(word: str) -> str:
    """Returns one spelling for `in_progress`, `IN-PROGRESS`, `in progress` and `InProgress`."""
    return _BETWEEN_WORDS.sub("", word).casefold()


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
    body = {name: text.replace("{task_id}", task_id) for name, text in provider.body.items()}
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
    quoted = quote(task_id.encode("utf-8", "surrogatepass"), safe="")
    return provider.base_url + path.replace("{task_id}", quoted)


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
    """Returns the TOML of a bundled provider. Raises FileNotFoundError for another name."""
    return Path(__file__).with_name(f"{name}.toml").read_text("utf-8")


def parse(text: str, name: str | None = None) -> Provider:
    """Returns the provider that a TOML text describes. `name`, if given, is the name it must have.

    Raises BadProviderFile naming the provider, the section, the key, the problem and a hint.
    """
    where = f'provider "{name}"' if name else "provider file"
    try:
        data = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise BadProviderFile(where, f"this is not TOML: {error}") from None
    if isinstance(data.get("name"), str):
        where = f'provider "{data["name"]}"'
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
    path = top.text("path", _PATH, "start it with /, without spaces")
    if body is None and "{task_id}" not in path:
        raise top.bad("path", f'"{path}" does not say which task', "put {task_id} where the task's id belongs")
    return Provider(
        name=own_name,
        base_url=_base_url(top),
        path=path,
        method=top.choice("method", ("GET", "POST"), "GET"),
        body={key: body.text(key) for key in body.data} if body else None,
        headers={key: headers.text(key) for key in headers.data},
        auth_header=auth.text("header", _HEADER, "use a header's name", default="Authorization"),
        auth_value=auth.text("value", _WITH_KEY, "put {key} where the key belongs", default="Bearer {key}"),
        content_path=top.text("content_path", _PATH_OF_A_TASK, "start it with / and put {task_id} in it")
        if "content_path" in data
        else None,
        link_lives_seconds=top.seconds("link_lives_seconds"),
        expected_seconds=top.seconds("expected_seconds"),
        budget=Budget(top.count("polls_per_day"), top.count("polls_per_minute")),
        answer={key: answer.expressions(key) for key in answer.data},
        assets={"result": assets.expressions("result")} | {role: assets.expressions(role) for role in assets.data},
        statuses={fold(word): Status(statuses.choice(word, list(Status))) for word in statuses.data},
        codes={
            fold(code): Category.AUTH if meaning == NOT_YOURS else Category(meaning)
            for code in errors.data
            for meaning in [errors.choice(code, [*Category, NOT_YOURS])]
        },
        not_yours=frozenset(fold(code) for code, meaning in errors.data.items() if meaning == NOT_YOURS),
        messages={spaced(part): messages.category_of(part) for part in messages.data},
        numbers=numbers_of(top.names("upstreams", UPSTREAMS)),
    )


def _base_url(top: "_Table") -> str:
    url = top.text("base_url")
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
        return tuple(self._expression(key, path) for path in paths)

    def _expression(self, key: str, path: str) -> ParsedResult:
        try:
            compiled = jmespath.compile(path)
            compiled.search({})  # finds unknown functions and wrong numbers of arguments
        except JMESPathTypeError:  # an empty object lacks the value that a function needs; an answer may have it
            return compiled
        except (ArityError, UnknownFunctionError, EmptyExpressionError) as error:
            problem = str(error)
        except IncompleteExpressionError as error:
            problem = f"unexpected end, column {error.lex_position + 1}"
        except LexerError as error:
            problem = f"{error.message}, column {error.lex_position + 1}"
        except ParseError as error:
            problem = f"{error.msg}, column {error.lex_position + 1}"
        else:
            return compiled
        raise self.bad(key, f'"{path}" is not valid JMESPath: {problem}')


def _kind(value: object) -> str:
    return {
        bool: "true or false",
        int: "a number",
        float: "a number",
        list: "a list",
        dict: "a table",
        str: "text",
    }.get(type(value), "a date")
