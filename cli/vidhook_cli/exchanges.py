"""Reads exchanges with a provider from files in which somebody has recorded them."""

import json
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from vidhook.errors import BadInput
from vidhook.providers.values import document, embedded, text
from vidhook.readings import body_of
from vidhook.times import instant, number

# The parts of an exchange, and what `vidhook task --answer` prints beside them.
PARTS = frozenset(
    ("provider", "status", "headers", "body", "text", "url", "task_id", "task_age_seconds", "now", "request", "second")
) | {"at", "truncated", "bytes", "read"}


@dataclass(frozen=True, slots=True)
class Answer:
    """One recorded answer. `name` is what comments call it; `document` is the JSON object of its body.

    url: the one that was polled. method, sent: the method and the headers of the request, `posted` its body. second:
    the answer to a second request, which brings the link.
    """

    name: str
    document: dict[str, Any]
    status: int = 200
    headers: Mapping[str, Any] = field(default_factory=dict)
    url: str | None = None
    method: str = "GET"
    sent: Mapping[str, Any] = field(default_factory=dict)
    posted: Any = None
    now: float = 0.0
    second: "Answer | None" = None


def recorded(written: str) -> Iterator[tuple[str, Any]]:
    """Yields the exchanges in a file with the place of each: one JSON value, an array of them, or one on each line.

    What is not JSON is yielded as the BadInput that says so.
    """
    try:
        whole = json.loads(written)
    except (ValueError, RecursionError):
        if not written.strip():
            yield "line 1", BadInput("exchange", "there is none", 'write {"provider": ..., "status": ..., "body": ...}')
        for number_, line in enumerate(written.split("\n"), 1):  # splitlines() splits inside strings, at U+2028
            if line.strip():
                try:
                    yield f"line {number_}", json.loads(line)
                except (ValueError, RecursionError) as error:
                    yield f"line {number_}", BadInput("exchange", f"this is not JSON: {error}")
    else:
        for number_, item in enumerate(whole if isinstance(whole, list) else [whole], 1):
            yield f"exchange {number_}", item


def exchange_in(value: Any) -> dict[str, Any]:
    """Returns the exchange in one value that `recorded` found, also from a sample. Raises BadInput if there is none."""
    if isinstance(value, BadInput):
        raise value
    exchange = value.get("exchange", value) if isinstance(value, dict) else value
    if not isinstance(exchange, dict):
        raise BadInput("exchange", "this is not an object", 'write {"provider": ..., "status": ..., "body": ...}')
    return exchange


def is_exchange(value: Any) -> bool:
    """Returns whether a value is an exchange or a sample, and not the body of an answer itself."""
    if not isinstance(value, dict):
        return False
    if isinstance(value.get("exchange"), dict):
        return True
    coded = value.get("status") is None or number(value["status"]) is not None
    return value.keys() <= PARTS and bool(value.keys() & {"body", "text"}) and coded


def number_in(
    exchange: Mapping[str, Any], field: str, parse: Callable[[Any], float | None], meant: str, example: str
) -> float | None:
    """Returns a field's number, or None when the field is missing. Raises BadInput."""
    value = exchange.get(field)
    figure = parse(value)
    if value is not None and figure is None:
        raise BadInput(field, f"{value!r} is not {meant}", f"write it like {example}")
    return figure


def headers_in(exchange: Mapping[str, Any]) -> dict[str, Any]:
    """Returns the headers by name, from an object, pairs or the objects of a HAR; of several values the first."""
    headers = exchange.get("headers") or {}
    try:
        if not isinstance(headers, dict):
            pairs = [(pair["name"], pair["value"]) if isinstance(pair, dict) else pair for pair in headers]
            headers = dict(reversed(pairs))
    except (KeyError, TypeError, ValueError):
        raise BadInput("headers", "they are not names with values", 'write {"Retry-After": "5"}') from None
    return {name: value[0] if isinstance(value, list) and value else value for name, value in headers.items()}


def answer_in(exchange: Mapping[str, Any], name: str, document: dict[str, Any]) -> Answer:
    """Returns the answer in an exchange; `request` in it, if recorded, has the method, the url, headers and a body.

    `second` is another exchange. Raises BadInput for a number, headers or an exchange that are none.
    """
    request = exchange.get("request")
    sent = request if isinstance(request, dict) else {}
    status = number_in(exchange, "status", number, "an HTTP status", "200")
    now = number_in(exchange, "now", lambda at: instant(at) or number(at), "a time", "2026-04-27T11:20:12Z")
    posted = embedded(sent.get("body"))
    return Answer(
        name,
        document,
        200 if status is None else int(status),
        headers_in(exchange),
        text(exchange.get("url")) or text(sent.get("url")),
        str(sent.get("method") or "GET").upper(),
        headers_in(sent),
        posted,
        time.time() if now is None else now,
        _second(exchange["second"], name) if exchange.get("second") is not None else None,
    )


def _second(value: Any, name: str) -> Answer:
    exchange = exchange_in(value)
    body = document(body_of(exchange))
    if body is None:
        raise BadInput(f"{name}, second", "its body is no JSON object", "give the answer that has the link")
    return answer_in(exchange, f"{name}, second", body)
