"""Sends good and bad webhooks to an endpoint and says what it gets right."""

import base64
import math
import secrets as randomness
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import TYPE_CHECKING, TypeVar

from vidhook.deliver import ANSWER_BYTES, ATTEMPT_SECONDS, BODY_SECONDS
from vidhook.errors import OutOfTime, RequestFailed, TimedOut
from vidhook.event import Event, serialize, test_event
from vidhook.signature import new_secret, webhook_headers

if TYPE_CHECKING:
    from vidhook.edges.http import Http, Response
    from vidhook.edges.ledger import Ledger
    from vidhook.edges.secrets import Secrets
    from vidhook.times import Clock

Answer = TypeVar("Answer")

SLOW_SECONDS = 5.0
# Standard Webhooks leaves the tolerance to the receiver; its libraries use five minutes.
STALE_SECONDS = 600
FEW_DAYS = 14
# An API request is answered within 29 seconds.
LONGEST_SECONDS = 24.0


@dataclass(frozen=True, slots=True)
class Finding:
    """The result of one probe. `verdict` is ok, warning or wrong; `hint` is empty when it is ok."""

    probe: str
    verdict: str
    rule: str
    found: str
    hint: str = ""


@dataclass(frozen=True, slots=True)
class Diagnosis:
    """What an endpoint gets right and wrong; not `complete` when the time was not enough for all probes."""

    findings: list[Finding]
    complete: bool


@dataclass(frozen=True, slots=True)
class Webhook:
    """One webhook, ready to be sent."""

    headers: Mapping[str, str]
    body: bytes


@dataclass(frozen=True, slots=True)
class Probe:
    """A test of one rule: `make` makes its webhook. `accepted`: a good endpoint accepts it. `hint`: how to fix one."""

    name: str
    rule: str
    hint: str
    make: Callable[["WebhookMaker"], Webhook]
    accepted: bool = False


@dataclass(frozen=True, slots=True)
class WebhookMaker:
    """Makes webhooks at `now` (unix seconds). `event` is the one that is sent twice, `secrets` are the endpoint's."""

    event: Event
    secrets: tuple[str, ...] = field(repr=False)
    now: float

    def webhook(self, event: Event, *secrets: str, at: float = 0.0) -> Webhook:
        """Returns the event, signed with each of `secrets` (by default the endpoint's own) `at` seconds from now."""
        body = event.body.encode()
        return Webhook(webhook_headers(secrets or self.secrets, event.id, int(self.now + at), body), body)

    def new_event(self, event_type: str = "endpoint.test", **more: object) -> Event:
        """Returns a new event that belongs to no task, of this type and with the fields `more` in its body."""
        event = test_event("doctor", self.now)
        body = {**event.data, "type": event_type, **more}
        return replace(event, type=event_type, body=serialize(body))


def _unsigned(maker: WebhookMaker) -> Webhook:
    webhook = maker.webhook(maker.new_event())
    headers = {name: value for name, value in webhook.headers.items() if name != "webhook-signature"}
    return Webhook(headers, webhook.body)


def _forged(maker: WebhookMaker) -> Webhook:
    webhook = maker.webhook(maker.new_event())
    invented = "v1," + base64.b64encode(randomness.token_bytes(32)).decode()
    return Webhook({**webhook.headers, "webhook-signature": invented}, webhook.body)


def _tampered(maker: WebhookMaker) -> Webhook:
    webhook = maker.webhook(maker.new_event())
    return replace(webhook, body=webhook.body.removesuffix(b"}") + b',"paid":true}')


def _written_otherwise(maker: WebhookMaker) -> Webhook:
    event = maker.new_event()
    body = serialize({**event.data, "data": "here"}).replace('"here"', UNUSUAL)
    return maker.webhook(replace(event, body=body))


# JSON that no program writes as it stands here: whoever parses it and writes it again has other bytes.
UNUSUAL = r'{ "price": 10.0, "2": "b", "1": "a", "large": 9007199254740993, "text": "caf\u00e9 é \/" }'
VERIFY = "compute HMAC-SHA256 over webhook-id.webhook-timestamp.raw-body, compare in constant time, answer 401"
CHECK_TIME = "refuse a webhook-timestamp more than 300 seconds away from your clock, before anything else"
NO_REDIRECT = "give the URL that it redirects to: vidhook follows no redirects"
STORE_FIRST = "answer as soon as the event is stored, and do the work afterwards"

PROBES = (
    Probe(
        "rotation",
        "accepts an event when one of several signatures is valid",
        "split webhook-signature at spaces and accept any valid one: while a secret is rotated, two of them sign",
        lambda maker: maker.webhook(maker.new_event(), new_secret(), *maker.secrets),
        accepted=True,
    ),
    Probe(
        "duplicate",
        "accepts the same event a second time",
        "store webhook-id; answer 2xx to one that you know, and do nothing else: your first answer may have been lost",
        lambda maker: maker.webhook(maker.event),
        accepted=True,
    ),
    Probe(
        "unknown_type",
        "accepts an event of a type that it does not know",
        "answer 2xx to types that you do not know and ignore them: new ones will come",
        lambda maker: maker.webhook(maker.new_event("endpoint.never_heard_of")),
        accepted=True,
    ),
    Probe(
        "unknown_fields",
        "accepts an event with fields that it does not know",
        "ignore fields that you do not know: new ones will come",
        lambda maker: maker.webhook(maker.new_event(new_field={"of": ["a", "later", "version"]})),
        accepted=True,
    ),
    Probe(
        "raw_body",
        "accepts an event whose JSON is written in an unusual way",
        "verify the bytes of the body as they came, before they are parsed: JSON that is written again, as by"
        " JSON.stringify(req.body) or json.dumps, is another text",
        _written_otherwise,
        accepted=True,
    ),
    Probe("unsigned", "refuses an event without a signature", VERIFY, _unsigned),
    Probe("forged", "refuses an invented signature", VERIFY, _forged),
    Probe("tampered", "refuses a body that was changed after signing", VERIFY, _tampered),
    Probe(
        "other_secret",
        "refuses a signature by another secret",
        VERIFY,
        lambda maker: maker.webhook(maker.new_event(), new_secret()),
    ),
    Probe(
        "stale",
        "refuses an event signed 10 minutes ago",
        CHECK_TIME,
        lambda maker: maker.webhook(maker.new_event(), at=-STALE_SECONDS),
    ),
    Probe(
        "future",
        "refuses an event signed 10 minutes from now",
        CHECK_TIME,
        lambda maker: maker.webhook(maker.new_event(), at=STALE_SECONDS),
    ),
)


def diagnose(
    subscriber_id: str,
    *,
    seconds: float = LONGEST_SECONDS,
    ledger: "Ledger",
    secrets: "Secrets",
    http: "Http",
    clock: "Clock",
) -> Diagnosis:
    """Examines a subscriber in any state, with its own secrets and headers, for at most so many seconds.

    Raises NotFound, also when its secrets cannot be read.
    """
    subscriber = ledger.subscribers.get(subscriber_id)
    known, found = secrets.credentials(subscriber), list[Finding]()
    signing = known.signing(clock.now())
    findings = examine(subscriber.url, *signing, http=http, headers=known.headers, seconds=seconds, now=clock.now)
    try:
        for finding in findings:
            found.append(finding)  # so that those before the end of the time count
    except OutOfTime:
        return Diagnosis(found, complete=False)
    return Diagnosis(found, complete=True)


def examine(
    url: str,
    *secrets: str,
    http: "Http",
    headers: Mapping[str, str] = MappingProxyType({}),
    seconds: float = math.inf,
    slow_seconds: float = SLOW_SECONDS,
    now: Callable[[], float] = time.time,
) -> Iterator[Finding]:
    """Yields the finding of each probe, as soon as there is one.

    `secrets` are the endpoint's, each of which signs, `headers` are sent along. Sends only `endpoint.test` events and
    one of an unknown type. If the endpoint does not accept a correctly signed event, the probes are not sent, since
    their results would mean nothing. Raises OutOfTime when `seconds` have passed: an endpoint is not blamed for what
    it had no time for.
    """
    event, ends = test_event("doctor", now()), time.monotonic() + seconds
    slowest = 0.0

    def post(make: Callable[[WebhookMaker], Webhook]) -> "Response | RequestFailed":
        nonlocal slowest
        webhook = make(WebhookMaker(event, secrets, now()))
        sent = {**headers, "content-type": "application/json", **webhook.headers}
        answer = _asked(
            ends,
            lambda deadline: http.send(
                "POST",
                url,
                headers=sent,
                body=webhook.body,
                deadline=deadline,
                max_bytes=ANSWER_BYTES,
                on_excess="truncate",
                body_seconds=BODY_SECONDS,
            ),
        )
        slowest = max(slowest, answer.timings.get("total", 0.0))
        return answer

    first = post(lambda maker: maker.webhook(maker.event))
    yield _must_accept("signed", "accepts a correctly signed event", _how_to_fix(first), first)
    if isinstance(first, RequestFailed):
        return
    redirected = 300 <= first.status < 400
    yield Finding(
        "redirect",
        "wrong" if redirected else "ok",
        "answers at its URL, without a redirect",
        _outcome(first) if redirected else "no redirect",
        NO_REDIRECT if redirected else "",
    )
    plain = first.tls_version is None
    ends_at = 0.0 if plain else _asked(ends, lambda deadline: http.certificate_ends(url, deadline=deadline))
    yield _check_tls(first.tls_version, ends_at, now())
    if not 200 <= first.status < 300:
        return
    for probe in PROBES:
        answer = post(probe.make)
        judge = _must_accept if probe.accepted else _must_refuse
        yield judge(probe.name, probe.rule, probe.hint, answer)
    slow = slowest > slow_seconds * 1000
    yield Finding(
        "speed",
        "warning" if slow else "ok",
        f"answers within {slow_seconds:g} s; after {ATTEMPT_SECONDS:g} s an attempt fails",
        f"the slowest answer took {slowest:.0f} ms",
        STORE_FIRST if slow else "",
    )


def _asked(ends: float, ask: Callable[[float], Answer]) -> Answer | RequestFailed:
    """Asks with as many seconds as an attempt has, and returns the answer or what broke. Raises OutOfTime at `ends`."""
    deadline = min(ATTEMPT_SECONDS, ends - time.monotonic())
    if deadline <= 0:
        raise OutOfTime
    try:
        return ask(deadline)
    except RequestFailed as failure:
        if isinstance(failure, TimedOut) and deadline < ATTEMPT_SECONDS:
            raise OutOfTime from failure
        return failure


def _outcome(answer: "Response | RequestFailed") -> str:
    if isinstance(answer, RequestFailed):
        return f"{answer.kind}: {answer}"
    return f"answered {answer.status} in {answer.timings['total']:.0f} ms"


def _must_accept(probe: str, rule: str, hint: str, answer: "Response | RequestFailed") -> Finding:
    accepted = not isinstance(answer, RequestFailed) and 200 <= answer.status < 300
    return Finding(probe, "ok" if accepted else "wrong", rule, _outcome(answer), "" if accepted else hint)


def _must_refuse(probe: str, rule: str, hint: str, answer: "Response | RequestFailed") -> Finding:
    """Returns ok for a 4xx, wrong for a 2xx. Any other outcome is a warning, as the endpoint may not have verified."""
    if not isinstance(answer, RequestFailed) and 200 <= answer.status < 300:
        return Finding(probe, "wrong", rule, _outcome(answer), hint)
    if not isinstance(answer, RequestFailed) and 400 <= answer.status < 500 and answer.status != 429:
        return Finding(probe, "ok", rule, _outcome(answer))
    return Finding(probe, "warning", rule, _outcome(answer), "answer 401 when the signature does not verify")


def _how_to_fix(answer: "Response | RequestFailed") -> str:
    """Returns how to fix an endpoint that does not accept a correctly signed event."""
    if isinstance(answer, RequestFailed):
        return {
            "dns": "check the name, and that it is in public DNS",
            "connect": "check that it is running on this port, and that no firewall blocks it",
            "timeout": STORE_FIRST,
            "tls": "serve the whole chain of a certificate for this name (a private authority: --ca-file)",
            "blocked": "use a public https address, or allow its network with --allow CIDR",
        }.get(answer.kind, "answer every POST with one whole HTTP/1.1 answer")
    if 300 <= answer.status < 400:
        return NO_REDIRECT
    return {
        400: "verify before you parse, and verify the raw body, not JSON that was serialized again",
        401: "check that the secret is the endpoint's. Verify the raw body; the key is the decoded base64 after whsec_",
        403: "check that the secret is the endpoint's, and that no firewall or CSRF check blocks this path",
        404: "check the path",
        405: "accept POST",
        410: "answer 410 only to unsubscribe: it disables the subscriber",
        413: "accept bodies of up to 256 KiB",
        415: "accept content-type application/json",
        429: "raise the rate limit for vidhook, which waits as long as Retry-After says",
    }.get(answer.status, "answer 2xx as soon as a correctly signed event is stored")


def _check_tls(version: str | None, ends: float | RequestFailed, now: float) -> Finding:
    """Returns the finding about TLS; `ends` is when the certificate ends, or why that is not known."""
    rule = "uses TLS with a certificate that is valid for long enough"
    if version is None:
        return Finding("tls", "warning", rule, "plain http", "use https: only AllowedNetworks may use http")
    if isinstance(ends, RequestFailed):
        return Finding("tls", "warning", rule, f"a second connection failed: {ends}", "try again")
    days = int((ends - now) // 86_400)
    found = f"{version}, {days} days left"
    if days < FEW_DAYS:
        return Finding("tls", "warning", rule, found, "renew the certificate; once it has expired nothing is delivered")
    return Finding("tls", "ok", rule, found)
