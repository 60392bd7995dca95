"""Sends one request about a task to its provider and reads the answer."""

from dataclasses import replace
from typing import TYPE_CHECKING

from vidhook.errors import NotFound, RequestFailed
from vidhook.event import fitted
from vidhook.providers.file import task_request
from vidhook.providers.reading import Reading, inline_in, read

if TYPE_CHECKING:
    from vidhook.edges.http import Http, Response
    from vidhook.edges.ledger import Ledger
    from vidhook.edges.secrets import Secrets
    from vidhook.providers.file import Provider
    from vidhook.task import Watch
    from vidhook.times import Clock

ASK_SECONDS = 20.0
# Some providers put the finished file itself into the answer, as a data: URL.
ANSWER_BYTES = 16 * 1024**2
REDIRECTS = 3


def ask(
    watch: "Watch", *, ledger: "Ledger", http: "Http", secrets: "Secrets", clock: "Clock"
) -> tuple[Reading | None, str | None]:
    """Asks the provider about a task.

    Returns the reading of its answer and None, or None and the class of the failure. When the key is refused, it is
    read from Secrets Manager again and tried once more if it changed: an operator may have replaced it. A missing
    provider file is only a failure of this request, since it may be put back.
    """
    name, task_id = watch.submission.provider, watch.submission.task_id
    try:
        provider = ledger.provider(name)
    except NotFound:
        return None, "no_provider_file"
    key = secrets.provider_key(name)
    reading: Reading | None = None
    for _ in range(2):
        try:
            response = _send(provider, task_id, key, http)
        except RequestFailed as error:
            return None, error.kind
        now = clock.now()
        reading = read(
            provider,
            status=response.status,
            headers=response.headers,
            body=response.body,
            task_id=task_id,
            age_seconds=watch.age(now),
            now=now,
            key=key,
        )
        snapshot, seen = (each and fitted(each) for each in (reading.snapshot, reading.seen))
        reading = replace(reading, snapshot=snapshot, seen=seen)
        replaced = secrets.provider_key(name, fresh=True) if reading.key_refused else key
        if replaced == key:
            break
        key = replaced
    return reading, None


def inline_file(watch: "Watch", role: str, *, ledger: "Ledger", http: "Http", secrets: "Secrets") -> str | None:
    """Asks the provider for a file that stands in its answer. Returns its `data:` URL, None if there is none now.

    Raises RequestFailed.
    """
    name, task_id = watch.submission.provider, watch.submission.task_id
    provider = ledger.provider(name)
    response = _send(provider, task_id, secrets.provider_key(name), http)
    return inline_in(provider, response.body, role, task_id)


def _send(provider: "Provider", task_id: str, key: str | None, http: "Http") -> "Response":
    request = task_request(provider, task_id, key)
    return http.send(
        request.method,
        request.url,
        headers=request.headers,
        body=request.body,
        deadline=ASK_SECONDS,
        max_bytes=ANSWER_BYTES,
        same_origin_redirects=REDIRECTS,
    )
