"""The requests to a provider that its file describes: about a task, to create, find or cancel one, for its files."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode, urljoin
from uuid import NAMESPACE_URL, uuid4, uuid5

from vidhook.errors import BadInput
from vidhook.providers.auth import auth_headers, auth_query
from vidhook.providers.file import Call, Create, Provider
from vidhook.providers.placeholders import filled, filled_path, names_in
from vidhook.providers.values import origin
from vidhook.texts import shown

if TYPE_CHECKING:
    from vidhook.providers.auth import Key

NONE: Mapping[str, str] = MappingProxyType({})
MANY_PARTS = "/".join("x" * 100)  # stands for an id that is not known yet
HOST_IN_TEXT = 100  # bytes
LABEL = "abcdefghijklmnopqrstuvwxyz0123456789-"


@dataclass(frozen=True, slots=True)
class Request:
    """One HTTP request to a provider; its URL and its headers may hold the key."""

    method: str
    url: str = field(repr=False)
    headers: Mapping[str, str] = field(repr=False)
    body: bytes = b""


def task_url(provider: Provider, task_id: str, params: Mapping[str, str] = NONE) -> str:
    """Returns the URL where a task is asked about, without a key. Raises BadInput as `task_request` does."""
    values = {"task_id": task_id, **params}
    return _base(provider, values) + filled_path(provider.poll.path, values)


def task_request(provider: Provider, task_id: str, key: "Key | None", params: Mapping[str, str] = NONE) -> Request:
    """Returns the request that asks about a task. Without a key the auth header is left out.

    Raises BadInput for a task id or a parameter that cannot be part of a path.
    """
    return _request(provider, provider.poll, {"task_id": task_id, **params}, key)


def cancel_request(
    provider: Provider, task_id: str, key: "Key | None", params: Mapping[str, str] = NONE
) -> Request | None:
    """Returns the request that cancels a task, or None if the provider has none. As `task_request` in all else."""
    return _request(provider, provider.cancel, {"task_id": task_id, **params}, key) if provider.cancel else None


def result_request(
    provider: Provider,
    task_id: str,
    key: "Key | None",
    params: Mapping[str, str] = NONE,
    *,
    fields: Mapping[str, str],
) -> Request:
    """Returns the second request, of the file's [result]. `fields` are what stands in the first answer.

    Raises BadInput as `task_request` does; and for a URL that may not have the key.
    """
    assert provider.result is not None, "its answer is asked for only where the file has [result]"
    values = {"task_id": task_id, **params}
    if provider.result.call is not None:
        return _request(provider, provider.result.call, {**values, **fields}, key)
    url = urljoin(task_url(provider, task_id, params), fields["url"])
    if not provider.has_key(url, _base(provider, values)):
        scheme, host, port = origin(url) or ("", "", 0)
        if scheme not in ("http", "https"):
            raise BadInput("result.url", "leads to what is no http(s) URL", "look at what [result].url finds")
        there = shown(host if (scheme, port) == ("https", 443) else f"{scheme}://{host}:{port}", HOST_IN_TEXT)
        hint = f'if it may have the key, name it: hosts = ["{there}"]'
        raise BadInput("result.url", f"leads to {there}, not to base_url", hint)
    return _request(provider, Call("GET", ""), values, key, url=url)


def create_request(
    provider: Provider, body: Mapping[str, Any], create_id: str, key: "Key | None", params: Mapping[str, str] = NONE
) -> Request:
    """Returns the request that creates a task; `create_id` is our own id for it, the same whenever it is sent.

    The provider's file must say how tasks are created.
    """
    how = _creates(provider)
    # What a provider takes as one request must be the same each time.
    unique = uuid4() if how.idempotency_header is None else uuid5(NAMESPACE_URL, create_id)
    values = {"create_id": create_id, "uuid": str(unique), **params}
    whole = Call(how.call.method, how.call.path, None, how.call.headers)
    once = {how.idempotency_header: create_id} if how.idempotency_header is not None else {}
    fixed = filled(how.call.body, values)
    return _request(provider, whole, values, key, headers=once, body=_merged(body, fixed))


def find_request(
    provider: Provider, create_id: str, key: "Key | None", params: Mapping[str, str] = NONE
) -> Request | None:
    """Returns the request that finds a task by our own id for it, or None when the provider offers none."""
    find = _creates(provider).find
    return _request(provider, Call("GET", find), {"create_id": create_id, **params}, key) if find else None


def download_request(provider: Provider, url: str, key: "Key | None") -> Request:
    """Returns the request for a file that needs the provider's key; it accepts any content type."""
    fixed = {name: value for name, value in provider.headers.items() if name.lower() not in ("accept", "content-type")}
    headers = {"accept": "*/*", **filled(fixed, {"uuid": str(uuid4())}), **auth_headers(provider.auth, key)}
    return Request("GET", _with_query(url, auth_query(provider.auth, key)), headers)


def content_url(provider: Provider, task_id: str, params: Mapping[str, str] = NONE) -> str | None:
    """Returns the URL where a finished file is downloaded with the key, or None without `content_path`."""
    values = {"task_id": task_id, **params}
    return _base(provider, values) + filled_path(provider.content_path, values) if provider.content_path else None


def check_params(provider: Provider, task_id: str | None, params: Mapping[str, str]) -> None:
    """Raises BadInput for an id or a parameter of a submission with which a request of its provider cannot be made.

    Without an id the task is to be created.
    """
    for name in params.keys() - set(provider.params):
        hint = f"its parameters are {', '.join(provider.params)}" if provider.params else "leave it out"
        raise BadInput(f"params.{name}", f"means nothing to {provider.name}", hint)
    known = MANY_PARTS if task_id is None else task_id
    task_request(provider, known, None, params)
    cancel_request(provider, known, None, params)
    content_url(provider, known, params)
    if provider.result is not None and provider.result.call is not None:
        fields = dict.fromkeys(provider.result.fields, MANY_PARTS)
        result_request(provider, known, None, params, fields=fields)
    if task_id is None:
        create_request(provider, {}, "x", None, params)
        find_request(provider, "x", None, params)


def check_label(name: str, value: str) -> None:
    """Raises BadInput for a parameter that cannot be a part of a host's name."""
    if not value or len(value) > 63 or set(value.lower()) - set(LABEL) or value.startswith("-") or value.endswith("-"):
        raise BadInput(f"params.{name}", f"{value!r} cannot be part of a host", "use a-z, 0-9 and -")


def check_create(provider: Provider, body: Mapping[str, Any]) -> None:
    """Raises BadInput for a body that no request to create a task can have at this provider."""
    if provider.create is None:
        hint = "add [create] to its file (docs/providers.md), or create the task yourself and give its task_id"
        raise BadInput("create", f"is not possible: the file of {provider.name} does not say how", hint)
    if place := _contradicted(body, provider.create.call.body):
        hint = f"leave it out: the file of {provider.name} gives it"
        raise BadInput(f"create.{place}", "is fixed by the provider's file", hint)


def _request(
    provider: Provider,
    call: Call,
    values: Mapping[str, str],
    key: "Key | None",
    *,
    url: str | None = None,
    headers: Mapping[str, str] = NONE,
    body: Any = None,
) -> Request:
    """Returns a request of the file; `url` and `body` stand for those of the file, and `headers` beside its own."""
    values = {"uuid": str(uuid4()), **values}
    url = _base(provider, values) + filled_path(call.path, values) if url is None else url
    whole = filled(call.body, values) if body is None else body
    sent = {"accept": "application/json", **filled(provider.headers, values), **filled(call.headers, values), **headers}
    if whole is not None:
        sent["content-type"] = "application/json"
    content = b"" if whole is None else json.dumps(whole).encode()
    sent |= auth_headers(provider.auth, key)
    return Request(call.method, _with_query(url, auth_query(provider.auth, key)), sent, content)


def _base(provider: Provider, values: Mapping[str, str]) -> str:
    for name in names_in(provider.base_url):
        check_label(name, values.get(name, ""))
    base: str = filled(provider.base_url, values)
    return base


def _with_query(url: str, query: Mapping[str, str]) -> str:
    """Returns a URL with these fields in its query, in the place of others with their names."""
    if not query:
        return url
    head, _, known = url.partition("?")
    left = [each for each in known.split("&") if each and each.partition("=")[0] not in query]
    return f"{head}?{'&'.join([*left, urlencode(query)])}"


def _creates(provider: Provider) -> Create:
    assert provider.create is not None, "check_create comes first"
    return provider.create


def _merged(given: Mapping[str, Any], fixed: Mapping[str, Any]) -> dict[str, Any]:
    """Returns an object with the fixed fields put into it, into its inner objects too."""
    both = {
        name: _merged(given[name], fixed[name])
        for name in given.keys() & fixed.keys()
        if isinstance(given[name], dict) and isinstance(fixed[name], dict)
    }
    return {**given, **fixed, **both}


def _contradicted(given: Mapping[str, Any], fixed: Mapping[str, Any]) -> str | None:
    """Returns the place of the first fixed field that an object gives itself with another value."""
    for name, value in fixed.items():
        if name in given and given[name] != value:
            if not (isinstance(value, dict) and isinstance(given[name], dict)):
                return name
            if inner := _contradicted(given[name], value):
                return f"{name}.{inner}"
    return None
