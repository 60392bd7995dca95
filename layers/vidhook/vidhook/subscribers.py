"""Manages subscribers: add, change, pause, resume, rotate, test, recover and remove."""

import math
import secrets as randomness
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass, field, replace
from difflib import get_close_matches
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Any

from vidhook.credentials import checked_headers, checked_secret, put_credentials
from vidhook.deliver import attempt
from vidhook.errors import BadInput, BadSubscriber, Blocked, LostRace, NotFound
from vidhook.event import Event, serialize, test_event
from vidhook.providers.values import origin
from vidhook.runs import cancel_held
from vidhook.schemas import check_texts
from vidhook.signature import new_secret
from vidhook.task import (
    EVENT_TYPES,
    TERMINAL_TYPES,
    Attempt,
    Credentials,
    Delivery,
    DeliveryState,
    SigningSecret,
    Subscriber,
    SubscriberState,
    derived_id,
)
from vidhook.times import Clock

if TYPE_CHECKING:
    from vidhook.edges.http import Http
    from vidhook.edges.ledger import Ledger
    from vidhook.edges.secrets import Secrets
    from vidhook.runs import Runs

ROTATION_SECONDS = 86_400
# Deliveries that one call starts: each needs two requests to AWS, and the HTTP API must answer within 29 seconds.
AT_ONCE = 300
# So many failed deliveries are counted before a recovery, and for so long one call looks for them.
MOST_COUNTED, LOOK_SECONDS = 10_000, 15.0
# Each secret that signs makes every webhook's header 48 bytes longer, and receivers refuse long headers.
MOST_SECRETS = 5


@dataclass(frozen=True, slots=True)
class Terms:
    """What a new subscriber should be: its URL, its filter, its description and its own headers."""

    url: str
    events: tuple[str, ...] = TERMINAL_TYPES
    providers: tuple[str, ...] = ("*",)
    metadata: Mapping[str, Any] = field(default_factory=dict)
    description: str = ""
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)


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

    `secret` is the caller's own, None makes a new one.
    """
    subscriber = Subscriber(
        derived_id("sub", randomness.token_hex(32)),
        terms.url,
        events=terms.events,
        providers=terms.providers,
        metadata=dict(terms.metadata),
        description=terms.description,
        created_at=clock.now(),
    )
    check(subscriber, http)
    headers = checked_headers(terms.headers)
    secret = new_secret() if secret is None else checked_secret(secret)
    sealed = secrets.seal(subscriber.id, Credentials((SigningSecret(secret),), headers))
    subscriber = replace(subscriber, sealed=sealed, header_names=tuple(headers))
    ledger.subscribers.put(subscriber)
    return subscriber, secret


def change(
    subscriber_id: str, changes: Mapping[str, Any], *, ledger: "Ledger", secrets: "Secrets", http: "Http"
) -> Subscriber:
    """Changes url, events, providers, metadata, description or headers, which are replaced as a whole.

    Raises NotFound, BadSubscriber.
    """
    terms = {name: value for name, value in changes.items() if name != "headers"}
    headers = checked_headers(changes["headers"]) if "headers" in changes else None
    while True:
        subscriber = _added(subscriber_id, ledger)
        changed = replace(subscriber, **terms)
        check(changed, http)
        if headers is None:
            if subscriber.header_names and origin(changed.url) != origin(subscriber.url):
                problem = "are for the old URL's host, and would be sent to another one"
                raise BadSubscriber("headers", problem, "give them again in the same change, or {} to have none")
            ledger.subscribers.change(subscriber_id, terms)
            return ledger.subscribers.get(subscriber_id)
        credentials = replace(_credentials(subscriber, secrets), headers=headers)
        with suppress(LostRace):  # somebody else changed them: begin anew
            put_credentials(subscriber, credentials, ledger=ledger, secrets=secrets, **terms)
            return ledger.subscribers.get(subscriber_id)


def _credentials(subscriber: Subscriber, secrets: "Secrets") -> Credentials:
    """Returns a subscriber's credentials, none if they cannot be read: new ones must be possible."""
    try:
        return secrets.credentials(subscriber)
    except NotFound:
        return Credentials()


def _added(subscriber_id: str, ledger: "Ledger") -> Subscriber:
    """Returns a subscriber that somebody added. Raises BadSubscriber for a callback_url, which belongs to its tasks."""
    if subscriber_id.startswith("cb_"):
        problem = f"{subscriber_id} is the callback_url of tasks and cannot be changed"
        raise BadSubscriber("subscriber", problem, "pause it, or submit with another one")
    return ledger.subscribers.get(subscriber_id)


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


def pause(subscriber_id: str, *, ledger: "Ledger") -> Subscriber:
    """Holds all deliveries of a subscriber until it is resumed; nothing is lost. Raises NotFound."""
    ledger.subscribers.put_state(subscriber_id, SubscriberState.PAUSED, "paused by its owner")
    return ledger.subscribers.get(subscriber_id)


def resume(subscriber_id: str, *, runs: "Runs") -> tuple[Subscriber, int]:
    """Makes a paused or disabled subscriber active and starts its held deliveries.

    Returns the subscriber, and how many deliveries were started; the sweeper starts the rest up to 15 minutes later.
    Raises NotFound.
    """
    runs.ledger.subscribers.put_state(subscriber_id, SubscriberState.ACTIVE, None)
    drained = runs.drain(subscriber_id, AT_ONCE)
    return runs.ledger.subscribers.get(subscriber_id), drained


def remove(subscriber_id: str, *, ledger: "Ledger") -> Subscriber:
    """Removes a subscriber with its credentials; its open deliveries are cancelled. Raises NotFound, BadSubscriber.

    The sweeper does what is left after a crash, and cancels what is held after this or is too much for one call.
    """
    subscriber = _added(subscriber_id, ledger)
    ledger.subscribers.begin_removal(subscriber_id, subscriber.secret_name)
    ledger.subscribers.remove(subscriber_id)
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
        known = _credentials(subscriber, secrets)
        old = tuple(
            replace(entry, expires_at=min(ends, entry.expires_at or ends))
            for entry in known.secrets
            if entry.signs(now) and entry.secret != fresh
        )
        signing = (SigningSecret(fresh), *(old if keep_seconds > 0 else ()))[:MOST_SECRETS]
        with suppress(LostRace):  # somebody else rotates it: begin anew, with the secret that they were shown
            put_credentials(subscriber, replace(known, secrets=signing), ledger=ledger, secrets=secrets)
            return fresh


def signing(subscriber_id: str, *, ledger: "Ledger", secrets: "Secrets", clock: Clock) -> tuple[SigningSecret, ...]:
    """Returns the secrets that sign for a subscriber now, newest first. Raises NotFound, also when none can be read."""
    known = secrets.credentials(ledger.subscribers.get(subscriber_id))
    return tuple(each for each in known.secrets if each.signs(clock.now()))


@dataclass(frozen=True, slots=True)
class Tested:
    """A test event, the subscriber that it went to, and the attempt to send it."""

    event: Event
    subscriber: Subscriber
    attempt: Attempt


def send_test(subscriber_id: str, *, ledger: "Ledger", secrets: "Secrets", http: "Http", clock: Clock) -> Tested:
    """Sends `endpoint.test` to a subscriber in any state and with any filter: once, and outside the delivery log."""
    subscriber, now = ledger.subscribers.get(subscriber_id), clock.now()
    event = test_event(subscriber.id, now)
    delivery = Delivery(event.id, event.watch_id, subscriber.id, event.type, now)
    made = attempt(event, delivery, subscriber, secrets.credentials(subscriber), http=http, clock=clock)
    return Tested(event, subscriber, replace(made, pause=None))


@dataclass(frozen=True, slots=True)
class Recovered:
    """How many failed deliveries were found and started again; `all`: no others are in the range."""

    started: int
    found: int
    all: bool


def recover(
    subscriber_id: str,
    *,
    since: float,
    until: float | None = None,
    most: int | None = None,
    seconds: float = math.inf,
    dry_run: bool = False,
    runs: "Runs",
) -> Recovered:
    """Starts again up to `most` failed deliveries that were opened from `since` to before `until`, oldest first.

    It looks for them for at most so many seconds; `dry_run` starts none. Progress is never sent again. What was started
    again is no longer failed, so another call goes on with the rest. Raises NotFound, and BadInput for an empty range.
    """
    if until is not None and until <= since:
        raise BadInput("until", "is not later than since", "give the end of the time in which deliveries failed")
    runs.ledger.subscribers.get(subscriber_id)
    lost, whole, end = list[Delivery](), True, runs.clock.now() + seconds
    for each in runs.ledger.deliveries.to(subscriber_id, since=since, until=until):
        failed = each.state is DeliveryState.FAILED and each.event_type in TERMINAL_TYPES
        if (failed and len(lost) == most) or runs.clock.now() > end:
            whole = False
            break
        lost += [each] if failed else []
    return Recovered(0 if dry_run else runs.resend(lost), len(lost), whole)
