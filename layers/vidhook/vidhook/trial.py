"""Asks a provider about a real task once, and stores nothing."""

import json
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from vidhook import shapes
from vidhook.ask import ASK_SECONDS, exchanges
from vidhook.event import fitted
from vidhook.providers.auth import Key, secrets_of
from vidhook.providers.request import check_params, result_request, task_request
from vidhook.task import Submission

if TYPE_CHECKING:
    from collections.abc import Mapping

    from vidhook.ask import Exchange
    from vidhook.edges.http import Http
    from vidhook.keys import Keys
    from vidhook.providers.file import Provider
    from vidhook.providers.request import Request
    from vidhook.times import Clock


def tried(
    provider: "Provider",
    task_id: str,
    params: "Mapping[str, str]",
    *,
    http: "Http",
    keys: "Keys",
    clock: "Clock",
    seconds: float = ASK_SECONDS,
) -> list[dict[str, Any]]:
    """Asks a provider about a task once, with the stack's key. Each request may take so many `seconds`.

    Returns the exchange as plain JSON, `request`, `answer` and `read`, without the key; and the one for the link to
    the result, where that is another request. Raises BadInput for what cannot be asked, and RequestFailed.
    """
    check_params(provider, task_id, params)
    key = keys.of(provider, fresh=True)
    masked = None if key is None else Key("[key]", None if key.token is None else "[token]")
    submission = Submission(provider.name, task_id, params=dict(params))
    made = exchanges(provider, submission, key, age_seconds=None, http=http, clock=clock, seconds=seconds)
    rows = []
    asked = task_request(provider, task_id, masked, params)
    for each in made:
        rows.append(_row(asked, each, secrets_of(key), clock.now()))
        if each.reading.unlinked is not None:
            asked = result_request(provider, task_id, masked, params, fields=each.reading.unlinked.fields)
    return rows


def _row(request: "Request", exchange: "Exchange", secrets: tuple[str, ...], at: float) -> dict[str, Any]:
    """Returns an exchange as plain JSON; `request` is the question with a mask in the place of the key."""
    kept, reading = exchange.kept(secrets, at), exchange.reading
    asked: dict[str, Any] = {"method": request.method, "url": request.url, "headers": dict(request.headers)}
    if request.body:
        asked["body"] = json.loads(request.body)
    answer = {"status": kept.status, "headers": kept.headers, "body": kept.body, "truncated": kept.truncated}
    fitting = replace(reading, snapshot=reading.snapshot and fitted(reading.snapshot))
    return {"request": asked, "answer": answer, "read": shapes.reading(fitting)}
