"""Manages subscribers: add, change, pause, resume, rotate, test, recover and remove."""

import base64
import secrets as randomness
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from difflib import get_close_matches
from fnmatch import fnmatchcase
from itertools import islice
from typing import TYPE_CHECKING, Any

from vidhook.deliver import attempt
from vidhook.errors import BadSubscriber, Blocked, LostRace
from vidhook.event import Event, serialize
from vidhook.runs import cancel_held
from vidhook.schemas import check_texts
from vidhook.signature import PREFIX, new_secret
from vidhook.task import (
    EVENT_TYPES,
    TERMINAL_TYPES,
    Attempt,
    Delivery,
    DeliveryState,
    SigningSecret,
    Subscriber,
    SubscriberState,
    derived_id,
)
from vidhook.times import Clock, iso

if TYPE_CHECKING:
    from vidhook.edges.http import Http
    from vidhook.edges.ledger import Ledger
    from vidhook.edges.secrets import Secrets
    from vidhook.runs import Runs

ROTATION_SECONDS = 86_400
# Deliveries that one call starts: each needs two requests to AWS, and the HTTP API must answer within 29 seconds.
AT_ONCE = 300
# Each secret that signs makes every webhook's header 48 bytes longer, and receivers refuse long headers.
MOST_SECRETS = 5
# https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md: 24 to 64 bytes.
SECRET_BYTES = range(24, 65)


@dataclass(frozen=True, slots=True)
class Terms:
    """What a new subscriber should be: its URL, its filter and its description."""

    url: str
    events: tuple[str, ...] = TERMINAL_TYPES
    providers: tuple[str, ...] = ("*",)
    metadata: Mapping[str, Any] = field(default_factory=dict)
    description: str = ""


def add(
    terms: Terms,
    *,
    secret: str | None = None,
    ledger: "Ledger",
    secrets: "Secrets",
    http: "Http",
    clock: Clock,
) -> tuple[Subscriber, str]:
    """Adds a subscriber. Returns it with its signing secret, which is shown only once. Raises BadSubscriber.

    `secret` is the caller's own, None makes a new one. It is stored first, so that no webhook is sent unsigned. If a
    crash comes before the subscriber, the sweeper removes the secret.
    """
    subscriber_id = derived_id("sub", randomness.token_hex(32))
    subscriber = Subscriber(
        subscriber_id,
        terms.url,
        secrets.name_of(subscriber_id),
        events=terms.events,
        providers=terms.providers,
        metadata=dict(terms.metadata),
        description=terms.description,
        created_at=clock.now(),
    )
    check(subscriber, http)
    secret = new_secret() if secret is None else checked_secret(secret)
    begun_at = ledger.begin_subscriber(subscriber_id, subscriber.secret_name)
    version = secrets.put_signing(subscriber.secret_name, (SigningSecret(secret),))
    subscriber = replace(subscriber, secret_version=version)
    ledger.put_subscriber(subscriber)
    ledger.end_subscriber(subscriber_id, begun_at)
    return subscriber, secret


def change(subscriber_id: str, changes: Mapping[str, Any], *, ledger: "Ledger", http: "Http") -> Subscriber:
    """Changes url, events, providers, metadata or description. Raises NotFound, BadSubscriber."""
    subscriber = replace(_added(subscriber_id, ledger), **changes)
    check(subscriber, http)
    ledger.change_subscriber(subscriber_id, changes)
    return ledger.subscriber(subscriber_id)


def _added(subscriber_id: str, ledger: "Ledger") -> Subscriber:
    """Returns a subscriber that somebody added. Raises BadSubscriber for a callback_url, which belongs to its tasks."""
    if subscriber_id.startswith("cb_"):
        problem = f"{subscriber_id} is the callback_url of tasks and cannot be changed"
        raise BadSubscriber("subscriber", problem, "pause it, or submit with another one")
    return ledger.subscriber(subscriber_id)


def check(subscriber: Subscriber, http: "Http") -> None:
    """Raises BadSubscriber naming the field, the value's problem and a hint if the subscriber is not valid."""
    check_texts(asdict(subscriber), "subscriber", BadSubscriber)  # the command has no schema that does it
    try:
        http.check(subscriber.url)
    except Blocked as error:
        raise BadSubscriber("url", str(error), "give a public https URL") from error
    if not subscriber.events:
        raise BadSubscriber("events", "is empty", "give at least one event type, or * for all")
    for pattern in subscriber.events:
        if not any(fnmatchcase(known, pattern) for known in EVENT_TYPES):
            near = get_close_matches(pattern, EVENT_TYPES, n=1, cutoff=0.3)
            hint = f"did you mean {near[0]}?" if near else f"the types are {', '.join(EVENT_TYPES)}"
            raise BadSubscriber("events", f'"{pattern}" matches no event type', hint)
    if not subscriber.providers:
        raise BadSubscriber("providers", "is empty", "give at least one provider's name, or * for all")
    if len(serialize(subscriber.metadata)) > 4_096:
        raise BadSubscriber("metadata", "is over 4 KiB as JSON", "filter by fewer keys")
    if len(subscriber.description) > 512:
        raise BadSubscriber("description", "is longer than 512 characters", "shorten it")


def checked_secret(secret: str) -> str:
    """Returns the caller's own signing secret, checked. Raises BadSubscriber, without repeating the secret."""
    try:
        size = len(base64.b64decode(secret.removeprefix(PREFIX), validate=True))
    except ValueError:  # also for a text that is not ASCII
        size = 0
    if not secret.startswith(PREFIX) or size not in SECRET_BYTES:
        raise BadSubscriber("secret", "is not whsec_ and 24 to 64 bytes in base64", "leave it out to get a new one")
    return secret


def pause(subscriber_id: str, *, ledger: "Ledger") -> Subscriber:
    """Holds all deliveries of a subscriber until it is resumed; nothing is lost. Raises NotFound."""
    ledger.put_state(subscriber_id, SubscriberState.PAUSED, "paused by its owner")
    return ledger.subscriber(subscriber_id)


def resume(subscriber_id: str, *, runs: "Runs") -> tuple[Subscriber, int]:
    """Makes a paused or disabled subscriber active and starts its held deliveries.

    Returns the subscriber, and how many deliveries were started; the sweeper starts the rest up to 15 minutes later.
    Raises NotFound.
    """
    runs.ledger.put_state(subscriber_id, SubscriberState.ACTIVE, None)
    drained = runs.drain(subscriber_id, AT_ONCE)
    return runs.ledger.subscriber(subscriber_id), drained


def remove(subscriber_id: str, *, ledger: "Ledger", secrets: "Secrets") -> Subscriber:
    """Removes a subscriber and its secrets; its open deliveries are cancelled. Raises NotFound, BadSubscriber.

    The sweeper does what is left after a crash, and cancels what is held after this or is too much for one call.
    """
    subscriber = _added(subscriber_id, ledger)
    ledger.begin_subscriber(subscriber_id, subscriber.secret_name)
    ledger.remove_subscriber(subscriber_id)
    secrets.delete_signing(subscriber.secret_name)
    cancel_held(subscriber_id, ledger, AT_ONCE)
    return subscriber


def rotate(
    subscriber_id: str,
    *,
    keep_seconds: int = ROTATION_SECONDS,
    secret: str | None = None,
    ledger: "Ledger",
    secrets: "Secrets",
    clock: Clock,
) -> str:
    """Gives a subscriber a new secret; the newest four old ones sign too, for `keep_seconds` (0: not at all).

    Returns the secret, which is shown only once. Raises NotFound, BadSubscriber.
    """
    fresh = new_secret() if secret is None else checked_secret(secret)
    while True:
        subscriber, now = _added(subscriber_id, ledger), clock.now()
        ends = now + keep_seconds
        known = secrets.read_signing(subscriber.secret_name, subscriber.secret_version)
        old = tuple(
            replace(entry, expires_at=min(ends, entry.expires_at or ends))
            for entry in known
            if entry.signs(now) and entry.secret != fresh
        )
        signing = (SigningSecret(fresh), *(old if keep_seconds > 0 else ()))[:MOST_SECRETS]
        version = secrets.put_signing(subscriber.secret_name, signing)
        try:
            ledger.change_subscriber(
                subscriber_id, {"secret_version": version}, secret_version=subscriber.secret_version
            )
        except LostRace:  # somebody else rotates it: begin anew, with the secret that they were shown
            continue
        return fresh


@dataclass(frozen=True, slots=True)
class Tested:
    """A test event and the attempt to send it."""

    event: Event
    attempt: Attempt


def send_test(subscriber_id: str, *, ledger: "Ledger", secrets: "Secrets", http: "Http", clock: Clock) -> Tested:
    """Sends `endpoint.test` to a subscriber in any state and with any filter: once, and outside the delivery log."""
    subscriber, now = ledger.subscriber(subscriber_id), clock.now()
    event = test_event(subscriber.id, now)
    delivery = Delivery(event.id, event.watch_id, subscriber.id, event.type, now)
    made = attempt(event, delivery, subscriber, secrets.signing(subscriber, now), http=http, clock=clock)
    return Tested(event, replace(made, pause=None))


def test_event(subscriber_id: str, now: float) -> Event:
    """Returns an `endpoint.test` event, which belongs to no task."""
    event_id = derived_id("evt", "test", randomness.token_hex(16))
    data = {"object": "endpoint", "id": subscriber_id, "message": "This is a test from vidhook; nothing happened."}
    body = {"id": event_id, "type": "endpoint.test", "timestamp": iso(now), "data": data}
    return Event(event_id, "endpoint.test", "tsk_test", "", now, serialize(body))


def recover(subscriber_id: str, *, since: float, most: int | None = None, runs: "Runs") -> int:
    """Starts again up to `most` deliveries that failed since an instant, oldest first. Progress is never sent again.

    Returns how many. What was started again is no longer failed, so another call goes on with the rest. Raises
    NotFound.
    """
    runs.ledger.subscriber(subscriber_id)
    lost = (
        each
        for each in runs.ledger.deliveries_to(subscriber_id, since=since)
        if each.state is DeliveryState.FAILED and each.event_type in TERMINAL_TYPES
    )
    return runs.resend(islice(lost, most))
