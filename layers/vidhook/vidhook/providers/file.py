"""A provider file: the checked TOML file of a provider. docs/providers.md explains every key."""

import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from jmespath.parser import ParsedResult

from vidhook.budget import Budget
from vidhook.errors import BadProviderFile, NotFound
from vidhook.providers.auth import KINDS, OAUTH, Auth
from vidhook.providers.codes import UPSTREAMS, Meanings, numbers_of
from vidhook.providers.placeholders import PLACEHOLDER, names_in
from vidhook.providers.table import KEYS, Table, fold
from vidhook.providers.values import origin
from vidhook.providers.wording import spaced
from vidhook.task import SAMPLE, Category, Status

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
TABLES = (
    *("auth", "headers", "body", "result", "cancel", "answer", "assets", "base64"),
    *("status", "errors", "messages", "create"),
)
AUTH_KEYS = ("type", "header", "value", "headers", "query", "token_url", "scope")
CALL_KEYS = ("method", "path", "body")
RESULT_KEYS = (*CALL_KEYS, "url", "fields", "failed")
CREATE_ANSWER_KEYS = ("id", "status", "error")
CREATE_KEYS = ("path", "method", "idempotency_header", "find", "not_now", "headers", "body", *CREATE_ANSWER_KEYS)
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
    "params",
    "hosts",
    "progress_scale",
    "webhook",
    *TABLES,
)
NOT_YOURS = "not_yours"
CANCELLING = ("POST", "PUT", "PATCH", "DELETE")  # the methods of [cancel]
STATUSES = frozenset(Status)
# Far above what an API takes: people of a stack write files.
FILE_BYTES = 65_536
DOTS = 400  # in a line: the parser keeps each beginning of a dotted key, which is gigabytes for one of 64 KiB
SEVERAL = "results"  # the key of [assets] for several results of one task
# What the values in a file must look like. Compiled here: a function has more CPU while it loads than when it polls.
_NAME = re.compile(r"[a-z0-9][a-z0-9_-]{0,39}")
_PATH = re.compile(r"/[^\s\x00-\x1f\x7f#\\]*")
# Each request has some headers already, as its connection and its body need them.
_HEADER = re.compile(
    r"(?!(?i:host|connection|content-length|transfer-encoding|accept-encoding)$)[!#$%&'*+.^_`|~0-9A-Za-z-]+"
)
_HEADER_VALUE = re.compile(r"[!-~\xa0-\xff]([ -~\xa0-\xff]*[!-~\xa0-\xff])?")
_QUERY_NAME = re.compile(r"[!-~]+")
# A role is a part of a key in S3 and of a header.
_ROLE = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,39}")
_SPACE = re.compile(r"[\s\x00-\x1f\x7f]")
_PARAMETER = re.compile(r"[a-z][a-z0-9_]{0,39}")
_TAKEN = ("task_id", "create_id", "uuid", *KEYS)  # names in braces that are no parameters
_HOST = re.compile(r"(?i)(\*\.)?[a-z0-9]([a-z0-9-]*[a-z0-9])?(\.[a-z0-9]([a-z0-9-]*[a-z0-9])?)*")
_MEDIA_TYPE = re.compile(r"(?i)(video|image)/[a-z0-9][a-z0-9.+-]{0,60}")
# The names of the providers that ship with vidhook, and of the formats that several providers share.
BUNDLED = tuple(sorted(file.stem for file in Path(__file__).parent.glob("*.toml")))
FORMATS = tuple(sorted(file.stem for file in (Path(__file__).parent / "formats").glob("*.toml")))
_FOLDERS = {**dict.fromkeys(FORMATS, "formats"), SAMPLE: "built_in"}


@dataclass(frozen=True, slots=True)
class Call:
    """A request of a provider file: its method, its path, its own headers, and its body in JSON, None without one."""

    method: str
    path: str
    body: Any = None
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Result:
    """The second request, which brings the link to the result of a completed task.

    It goes to the path of `call`, into which the `fields` of the first answer are put; without one to the URL that
    stands at `url` in that answer. failed: the HTTP statuses of its answer that say that the task has failed.
    """

    call: Call | None
    url: tuple[ParsedResult, ...] = ()
    fields: Mapping[str, tuple[ParsedResult, ...]] = field(default_factory=dict)
    failed: frozenset[int] = frozenset()


@dataclass(frozen=True, slots=True)
class Create:
    """How a provider creates a task: the request, and how its answer is read.

    call: its body has the fixed fields, put into what the client gives. idempotency_header: with this header the
    provider creates a task only once, however often it is asked. find: the path where the task is found by the id that
    vidhook chose for it. answer: the places of the id, the status and the error. not_now: HTTP statuses and codes,
    spelled as `fold` returns them, that say that nothing was created, and that it may be tried later.
    """

    call: Call
    idempotency_header: str | None = None
    find: str | None = None
    answer: Mapping[str, tuple[ParsedResult, ...]] = field(default_factory=dict)
    not_now: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Provider:
    """One checked provider file. Durations are seconds; status words and codes are spelled as `fold` returns them."""

    name: str
    base_url: str
    poll: Call
    headers: Mapping[str, str]
    auth: Auth
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
    params: tuple[str, ...] = ()  # the names of what a submission gives for the requests
    hosts: tuple[str, ...] = ()  # who may have the key beside the origin of base_url: names, `*.` names, or origins
    results: tuple[ParsedResult, ...] = ()  # where several results of one task stand
    base64: Mapping[str, str] = field(default_factory=dict)  # by role: the type of a file that stands in the answer
    progress_scale: float | None = None  # what is 100 %; None if progress is percent
    webhook: bool = False  # whether its API has webhooks of its own, which vidhook does not use
    result: Result | None = None  # None: the first answer has the link
    cancel: Call | None = None  # None: its API cannot cancel a task
    create: Create | None = None  # None: how tasks are created is not known

    def has_key(self, url: str, base: str) -> bool:
        """Returns whether the host of a URL may have the key; `base` is the file's base_url as the request had it."""
        asked = origin(url)
        if asked is None:
            return False
        names = (asked[1], f"*.{asked[1].partition('.')[2]}") if asked[0] == "https" and asked[2] == 443 else ()
        return asked == origin(base) or any(
            each in names or ("/" in each and origin(each) == asked) for each in self.hosts
        )


def bundled() -> dict[str, Provider]:
    """Returns the providers that ship with vidhook, by name."""
    return {name: bundled_provider(name) for name in BUNDLED}


@cache
def bundled_provider(name: str) -> Provider:
    """Returns the provider of this name that ships with vidhook, or the sample. Raises NotFound.

    Only its own file is parsed.
    """
    if name not in (*BUNDLED, SAMPLE):
        raise NotFound(f'no provider file is named "{name}"')
    return parse(bundled_text(name), name)


def bundled_text(name: str) -> str:
    """Returns the TOML of a bundled provider or format. Raises FileNotFoundError for another name."""
    return (Path(__file__).parent / _FOLDERS.get(name, "") / f"{name}.toml").read_text("utf-8")


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
    top = Table(where, "", data, TOP_KEYS)
    own_name = top.text("name", _NAME, "use 1 to 40 of a-z, 0-9, - and _")
    if name is not None and own_name != name:
        raise top.bad("name", f'"{own_name}" is not "{name}"', "a file is stored under the name it has")
    answer = top.table("answer", ANSWER_KEYS)
    assets, base64 = top.table("assets"), top.table("base64")
    statuses, errors, headers = top.table("status"), top.table("errors"), top.table("headers")
    messages = top.table("messages")
    answer.need("status")
    assets.need(SEVERAL if SEVERAL in assets.data else "result")
    params = _params(top)
    auth = _auth(top.table("auth", AUTH_KEYS))
    asked = _call(top, ("GET", "POST"), params)
    cancel = _call(top.table("cancel", CALL_KEYS), CANCELLING, params) if "cancel" in data else None
    _check_headers(headers, auth)
    assets.spelled(_ROLE, "use 1 to 40 of A-Z, a-z, 0-9, - and _")
    words = {word: statuses.choice(word, [*Status, *Category]) for word in statuses.data}
    statuses.agree(words)
    errors.agree({code: errors.choice(code, [*Category, NOT_YOURS]) for code in errors.data})
    messages.agree({part: messages.category_of(part) for part in messages.data}, spaced)
    return Provider(
        name=own_name,
        base_url=_base_url(top, params),
        poll=asked,
        headers=_headers(headers),
        auth=auth,
        content_path=_content_path(top, params) if "content_path" in data else None,
        link_lives_seconds=top.seconds("link_lives_seconds"),
        expected_seconds=top.seconds("expected_seconds"),
        budget=Budget(top.count("polls_per_day"), top.count("polls_per_minute")),
        answer={key: answer.expressions(key) for key in answer.data},
        assets={"result": assets.expressions("result" if "result" in assets.data else SEVERAL)}
        | {role: assets.expressions(role) for role in assets.data if role != SEVERAL},
        results=assets.expressions(SEVERAL) if SEVERAL in assets.data else (),
        base64={role: _media_type(base64, role, assets.data) for role in base64.data},
        params=params,
        hosts=tuple(_host(top, host) for host in top.words("hosts")),
        progress_scale=top.positive("progress_scale", "a number above 0"),
        webhook=top.flag("webhook"),
        result=_result(top.table("result", RESULT_KEYS), params) if "result" in data else None,
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
        cancel=cancel,
        create=_create(top.table("create", CREATE_KEYS), auth, params) if "create" in data else None,
    )


def _params(top: Table) -> tuple[str, ...]:
    names = top.words("params")
    for name in names:
        if not _PARAMETER.fullmatch(name):
            raise top.bad("params", f'"{name}" is not valid', "use 1 to 40 of a-z, 0-9 and _, a letter first")
        if name in _TAKEN:
            raise top.bad("params", f"{{{name}}} has a meaning of its own", "choose another name")
    return tuple(dict.fromkeys(names))


def _auth(table: Table) -> Auth:
    """Returns how the key is sent; in the Authorization header if the file says nothing."""
    kind = table.choice("type", KINDS, "key")
    for name in ("token_url", "scope") if kind != OAUTH else ():
        if name in table.data:
            raise table.bad(name, "only a token of OAuth has it", f'add type = "{OAUTH}", or leave it out')
    minted = kind != "key"
    names = KEYS if minted else tuple(name for name in KEYS if name != "token")
    usual = "Bearer {token}" if minted else "Bearer {key}"
    headers, query = table.table("headers"), table.table("query")
    headers.spelled(_HEADER, "use a header's name")
    query.spelled(_QUERY_NAME, "use the name of a field of the query")
    sent = {name: _opens(headers, name, names) for name in headers.data}
    asked = {name: _opens(query, name, names) for name in query.data}
    if "header" in table.data or "value" in table.data or not (sent or asked):
        header = table.text("header", _HEADER, "use a header's name", default="Authorization")
        sent = {header: _opens(table, "value", names, usual)} | sent
    headers.once(list(sent)[: len(sent) - len(headers.data)])
    if minted and not any("token" in names_in(text) for text in (*sent.values(), *asked.values())):
        raise table.bad("type", "no header has the token", 'put {token} where it belongs, such as "Bearer {token}"')
    token_url = table.text("token_url", hint="write it like https://auth.example.com/token") if kind == OAUTH else ""
    if token_url and origin(token_url) is None:
        raise table.bad(
            "token_url", f'"{token_url}" is not an http(s) URL', "write it like https://auth.example.com/token"
        )
    return Auth(kind, sent, asked, token_url, table.text("scope", default=" ").strip())


def _opens(table: Table, name: str, names: tuple[str, ...], default: str | None = None) -> str:
    """Returns a text in which the key stands, or what is made of it."""
    made = "token" if "token" in names else "key"
    hint = f"put {{{made}}} where the {made} belongs"
    value = table.placed(name, _HEADER_VALUE, hint, names, default)
    if not any(each in names for each in names_in(value)):
        raise table.bad(name, f'"{value}" is not valid', hint)
    return value


def _check_headers(headers: Table, auth: Auth) -> None:
    headers.spelled(_HEADER, "use a header's name")
    headers.once(auth.headers)
    headers.without_credentials()


def _headers(headers: Table) -> dict[str, str]:
    return {key: headers.placed(key, _HEADER_VALUE, "use plain characters", ("uuid",)) for key in headers.data}


def _content_path(top: Table, params: tuple[str, ...]) -> str:
    path = top.route("content_path", _PATH, "start it with / and put {task_id} in it", ("task_id", *params))
    if "task_id" not in names_in(path):
        raise top.bad("content_path", f'"{path}" is not valid', "start it with / and put {task_id} in it")
    return path


def _host(top: Table, host: str) -> str:
    plain = host.lower()
    wild = plain.startswith("*.") and "." not in plain[2:]
    if wild or not (_HOST.fullmatch(plain) or _is_origin(plain)):
        hint = (
            'write names such as "api.example.com" or "*.example.com", or an origin such as "https://example.com:8443"'
        )
        raise top.bad("hosts", f'"{host}" is not a host', hint)
    return plain


def _is_origin(text: str) -> bool:
    """Whether a text is an http(s) origin and nothing else: what a path after it would say is not looked at."""
    bare = text.removesuffix("/").partition("://")[2]
    found = origin(text)
    return not re.search("[/?#@]", bare) and found is not None and found[0] in ("http", "https")


def _media_type(table: Table, role: str, assets: Mapping[str, Any]) -> str:
    if role not in assets:
        raise table.bad(role, "[assets] has no such role", f"use some of {', '.join(assets)}")
    return table.text(role, _MEDIA_TYPE, 'write the type of the file, such as "video/mp4"')


def _result(table: Table, params: tuple[str, ...]) -> Result:
    """Returns the second request, from the checked table [result]."""
    fields = table.table("fields")
    fields.spelled(_PARAMETER, "use 1 to 40 of a-z, 0-9 and _, a letter first")
    for name in fields.data:
        if name in (*_TAKEN, *params):
            raise fields.bad(name, f"{{{name}}} has a meaning already", "choose another name")
    found = {name: fields.expressions(name) for name in fields.data}
    statuses = frozenset(_status(table, each) for each in table.words("failed"))
    if "url" in table.data:
        if "path" in table.data:
            raise table.bad("url", "it stands beside path", "say by one of them where the result is")
        for name in ("method", "body", "fields"):
            if name in table.data:
                raise table.bad(
                    name, "a URL that stands in the answer is asked by a plain GET", "leave it out, or use path"
                )
        return Result(None, table.expressions("url"), failed=statuses)
    return Result(_call(table, ("GET", "POST"), params, tuple(found)), fields=found, failed=statuses)


def _status(table: Table, word: str) -> int:
    if not (word.isdecimal() and 400 <= int(word) < 500):
        raise table.bad("failed", f"{word} is no HTTP status from 400 to 499", "write such as [422]")
    return int(word)


def _create(table: Table, auth: Auth, params: tuple[str, ...]) -> Create:
    """Returns how tasks are created, from the checked table [create]."""
    headers, body, names = table.table("headers"), table.table("body"), ("create_id", *params)
    _check_headers(headers, auth)
    idempotency = (
        table.text("idempotency_header", _HEADER, "use a header's name")
        if ("idempotency_header" in table.data)
        else None
    )
    path = table.route("path", _PATH, "start it with /, without spaces", names)
    find = table.route("find", _PATH, "start it with /, without spaces", names) if "find" in table.data else None
    fixed = {name: body.json(name, (*names, "uuid")) for name in body.data}
    if find is not None and "create_id" not in names_in(find):
        raise table.bad("find", f'"{find}" does not say which task', "put {create_id} where your id of it belongs")
    if find is not None and "create_id" not in names_in([path, fixed]):
        problem = "the request that creates the task gives it no {create_id} to be found by"
        raise table.bad("find", problem, 'add it, such as [create.body] external_id = "{create_id}"')
    return Create(
        Call(table.choice("method", ("POST", "PUT"), "POST"), path, fixed, _headers(headers)),
        idempotency_header=idempotency,
        find=find,
        answer={name: table.expressions(name) for name in CREATE_ANSWER_KEYS if name in table.data},
        not_now=frozenset(map(fold, table.words("not_now"))),
    )


def _call(table: Table, methods: tuple[str, ...], params: tuple[str, ...], fields: tuple[str, ...] = ()) -> Call:
    """Returns the request that a table describes; the first of these methods is the default.

    fields: what else may stand in braces, and say which task it is about.
    """
    names = (*fields, "task_id", *params)
    path = table.route("path", _PATH, "start it with /, without spaces", names)
    method = table.choice("method", methods, methods[0])
    body = table.json("body", (*names, "uuid")) if "body" in table.data else None
    if body is not None and not isinstance(body, dict | list):
        raise table.bad("body", "it is neither a table nor a list", "write its fields under [body]")
    if body is not None and method == "GET":
        raise table.bad("body", "it is only sent with a POST", 'add method = "POST"')
    if not {"task_id", *fields} & set(names_in([path, body])):
        hint = f"put {' or '.join(f'{{{each}}}' for each in (*fields, 'task_id'))} where the task's id belongs"
        raise table.bad("path", f'"{path}" does not say which task', hint)
    return Call(method, path, body)


def _load(text: str, name: str | None) -> tuple[str, dict[str, Any]]:
    """Returns how errors name this provider, and the data of its file with that of its format behind it."""
    where = f'provider "{name}"' if name else "provider file"
    if len(text.encode("utf-8", "surrogatepass")) > FILE_BYTES:
        raise BadProviderFile(where, f"it is longer than {FILE_BYTES // 1024} KiB", "a file needs about one")
    for number, line in enumerate(text.split("\n"), 1):
        if line.count(".") > DOTS:
            raise BadProviderFile(where, f"line {number} has more than {DOTS} dots", "write it as several lines")
    try:
        data = tomllib.loads(text.removeprefix("\ufeff"))
    except (ValueError, RecursionError) as error:  # ValueError: also for a number of thousands of digits
        raise BadProviderFile(where, f"this is not TOML: {error}") from None
    if isinstance(data.get("name"), str):
        where = f'provider "{data["name"]}"'
    if "format" in data:
        data = _with_format(data, _format(Table(where, "", data).choice("format", FORMATS)))
    return where, data


def _base_url(top: Table, params: tuple[str, ...]) -> str:
    written = top.placed("base_url", names=params)
    url, hint = PLACEHOLDER.sub("x", written), "write it like https://api.example.com"
    try:
        parts = urlsplit(url)
        host, _ = parts.hostname, parts.port
    except ValueError as error:
        raise top.bad("base_url", f'"{url}" is not a URL: {error}', hint) from None
    if parts.scheme not in ("http", "https") or not host or _SPACE.search(url):
        raise top.bad("base_url", f'"{url}" is not an http(s) URL', hint)
    if parts.username or parts.password or "?" in url or "#" in url:
        raise top.bad("base_url", "it has a user, a query or a fragment", f"{hint}; keys belong in the secret")
    if written != url:
        server, _, path = written.partition("://")[2].partition("/")
        # Whoever submits a task chooses the parameter, and must not choose who gets the key.
        if "{" in path or server.rpartition("}")[2].count(".") < 2:
            hint = "a parameter may be a label of the host, such as https://{region}.example.com, or stand in `path`"
            raise top.bad("base_url", f'"{written}" leaves open who gets the key', hint)
    return written.rstrip("/")
