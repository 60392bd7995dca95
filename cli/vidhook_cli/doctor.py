"""`vidhook doctor`: sends events, good and bad, to one's own endpoint and says what it got right."""

import base64
import secrets as randomness
import socket
import ssl
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from urllib.parse import urlsplit

import click
from requests.utils import DEFAULT_CA_BUNDLE_PATH

from vidhook.deliver import ANSWER_BYTES, ATTEMPT_SECONDS
from vidhook.edges.http import Http, Response
from vidhook.errors import BadSubscriber, RequestFailed
from vidhook.event import Event, serialize
from vidhook.signature import new_secret, webhook_headers
from vidhook.subscribers import checked_secret, test_event
from vidhook_cli.show import as_json_option, lines, wants_json

LOOPBACK = ("127.0.0.0/8", "::1/128")
SLOW_SECONDS = 5.0
# Standard Webhooks leaves the tolerance to the receiver; its libraries take five minutes.
STALE_SECONDS = 600
FEW_DAYS = 14
COLOURS = {"ok": "green", "warning": "yellow", "wrong": "red"}


@dataclass(frozen=True, slots=True)
class Finding:
    """What one probe found. verdict: ok, warning or wrong; `hint` is empty when all is well."""

    probe: str
    verdict: str
    rule: str
    found: str
    hint: str = ""


@dataclass(frozen=True, slots=True)
class Letter:
    """One webhook, ready to be sent."""

    headers: Mapping[str, str]
    body: bytes


@dataclass(frozen=True, slots=True)
class Probe:
    """A letter and the rule it tries: `taken` says whether a good endpoint takes it, `hint` is for one that errs."""

    name: str
    rule: str
    hint: str
    write: Callable[["Pen"], Letter]
    taken: bool = False


@dataclass(frozen=True, slots=True)
class Pen:
    """Writes letters at `now` (unix seconds): `event` is the one sent twice, `secret` the endpoint's own."""

    event: Event
    secret: str
    now: float

    def letter(self, event: Event, *signers: str, at: float = 0.0) -> Letter:
        """The event, signed by each of `signers` (by default the endpoint's secret) `at` seconds from now."""
        body = event.body.encode()
        return Letter(webhook_headers(signers or (self.secret,), event.id, int(self.now + at), body), body)

    def another(self, event_type: str = "endpoint.test", **more: object) -> Event:
        """A new event that is about nothing, of this type and with `more` in its body."""
        fresh = test_event("doctor", self.now)
        body = {**fresh.data, "type": event_type, **more}
        return replace(fresh, type=event_type, body=serialize(body))


def _unsigned(pen: Pen) -> Letter:
    letter = pen.letter(pen.another())
    return Letter({name: value for name, value in letter.headers.items() if name != "webhook-signature"}, letter.body)


def _forged(pen: Pen) -> Letter:
    letter = pen.letter(pen.another())
    invented = "v1," + base64.b64encode(randomness.token_bytes(32)).decode()
    return Letter({**letter.headers, "webhook-signature": invented}, letter.body)


def _tampered(pen: Pen) -> Letter:
    letter = pen.letter(pen.another())
    return replace(letter, body=letter.body.removesuffix(b"}") + b',"paid":true}')


VERIFY = "compute HMAC-SHA256 over webhook-id.webhook-timestamp.raw-body, compare in constant time, answer 401"
FRESH = "refuse a webhook-timestamp more than 300 seconds away from your clock, before anything else"
NO_REDIRECT = "give the address that it redirects to: webhooks follow no redirects"
STORE_FIRST = "answer as soon as the event is stored, and do the work afterwards"

PROBES = (
    Probe(
        "rotation",
        "takes an event when one of several signatures fits",
        "split webhook-signature at spaces and accept any that fits: while a secret is rotated two of them sign",
        lambda pen: pen.letter(pen.another(), new_secret(), pen.secret),
        taken=True,
    ),
    Probe(
        "duplicate",
        "takes the same event a second time",
        "remember webhook-id; answer 2xx to one that you know, and do nothing: an answer can be lost on its way to us",
        lambda pen: pen.letter(pen.event),
        taken=True,
    ),
    Probe(
        "unknown_type",
        "takes an event of a type that it does not know",
        "answer 2xx to types that you do not know and ignore them: new ones will come",
        lambda pen: pen.letter(pen.another("endpoint.never_heard_of")),
        taken=True,
    ),
    Probe(
        "unknown_fields",
        "takes an event with fields that it does not know",
        "ignore fields that you do not know: new ones will come",
        lambda pen: pen.letter(pen.another(new_field={"of": ["a", "later", "version"]})),
        taken=True,
    ),
    Probe("unsigned", "refuses an event without a signature", VERIFY, _unsigned),
    Probe("forged", "refuses an invented signature", VERIFY, _forged),
    Probe("tampered", "refuses a body that was changed after signing", VERIFY, _tampered),
    Probe(
        "other_secret",
        "refuses a signature by another secret",
        VERIFY,
        lambda pen: pen.letter(pen.another(), new_secret()),
    ),
    Probe(
        "stale",
        "refuses an event signed 10 minutes ago",
        FRESH,
        lambda pen: pen.letter(pen.another(), at=-STALE_SECONDS),
    ),
    Probe(
        "future",
        "refuses an event signed 10 minutes from now",
        FRESH,
        lambda pen: pen.letter(pen.another(), at=STALE_SECONDS),
    ),
)


def examine(
    url: str,
    secret: str,
    *,
    http: Http,
    ssl_context: ssl.SSLContext,
    slow_seconds: float = SLOW_SECONDS,
    now: Callable[[], float] = time.time,
) -> Iterator[Finding]:
    """Every probe's finding, as soon as there is one.

    Sends nothing but `endpoint.test` events and one of an unknown type. An endpoint that does not take a well signed
    event is reported, and spared the rest, which would prove nothing.
    """
    event = test_event("doctor", now())
    slowest = 0.0

    def post(write: Callable[[Pen], Letter]) -> Response | RequestFailed:
        nonlocal slowest
        letter = write(Pen(event, secret, now()))
        headers = {"content-type": "application/json", **letter.headers}
        answer: Response | RequestFailed
        try:
            answer = http.send(
                "POST",
                url,
                headers=headers,
                body=letter.body,
                deadline=ATTEMPT_SECONDS,
                max_bytes=ANSWER_BYTES,
                on_excess="truncate",
            )
        except RequestFailed as failure:
            answer = failure
        slowest = max(slowest, answer.timings.get("total", 0.0))
        return answer

    first = post(lambda pen: pen.letter(pen.event))
    yield _taken("signed", "takes a well signed event", _why_not(first), first)
    if not isinstance(first, Response):
        return
    redirected = 300 <= first.status < 400
    yield Finding(
        "redirect",
        "wrong" if redirected else "ok",
        "answers where it is asked",
        _said(first) if redirected else "no redirect",
        NO_REDIRECT if redirected else "",
    )
    yield _encryption(url, first, ssl_context, now())
    if not 200 <= first.status < 300:
        return
    for probe in PROBES:
        answer = post(probe.write)
        judge = _taken if probe.taken else _refused
        yield judge(probe.name, probe.rule, probe.hint, answer)
    slow = slowest > slow_seconds * 1000
    yield Finding(
        "speed",
        "warning" if slow else "ok",
        f"answers within {slow_seconds:g} s; at {ATTEMPT_SECONDS:g} s the attempt has failed",
        f"the slowest answer took {slowest:.0f} ms",
        STORE_FIRST if slow else "",
    )


def _said(answer: Response | RequestFailed) -> str:
    if isinstance(answer, RequestFailed):
        return f"{answer.kind}: {answer}"
    return f"answered {answer.status} in {answer.timings['total']:.0f} ms"


def _taken(probe: str, rule: str, hint: str, answer: Response | RequestFailed) -> Finding:
    taken = isinstance(answer, Response) and 200 <= answer.status < 300
    return Finding(probe, "ok" if taken else "wrong", rule, _said(answer), "" if taken else hint)


def _refused(probe: str, rule: str, hint: str, answer: Response | RequestFailed) -> Finding:
    """A refusal is a 4xx. What breaks or asks for quiet took nothing either, but shows nothing of the rule."""
    if isinstance(answer, Response) and 200 <= answer.status < 300:
        return Finding(probe, "wrong", rule, _said(answer), hint)
    if isinstance(answer, Response) and 400 <= answer.status < 500 and answer.status != 429:
        return Finding(probe, "ok", rule, _said(answer))
    return Finding(probe, "warning", rule, _said(answer), "answer 401 to what does not verify, so that it shows")


def _why_not(answer: Response | RequestFailed) -> str:
    """How to fix an endpoint that does not take a well signed event."""
    if isinstance(answer, RequestFailed):
        return {
            "dns": "check the name, and that it is in public DNS",
            "connect": "is it running, on this port, and does the firewall let it be reached?",
            "timeout": STORE_FIRST,
            "tls": "serve the whole chain of a certificate for this name (a private authority: --ca-file)",
            "blocked": "use a public https address, or allow its network with --allow CIDR",
        }.get(answer.kind, "answer every POST with one whole HTTP/1.1 answer")
    if 300 <= answer.status < 400:
        return NO_REDIRECT
    return {
        400: "parse nothing before it is verified, and verify the raw body, not JSON that was written anew",
        401: "is --secret this endpoint's secret? Verify the raw body, with the base64 after whsec_ decoded to bytes",
        403: "is --secret this endpoint's secret? A firewall or CSRF check before your code must let this path pass",
        404: "check the path",
        405: "take POST",
        410: "answer 410 only to unsubscribe: it disables the subscriber",
        413: "take bodies of up to 256 KiB",
        415: "take content-type application/json",
        429: "let the sender's rate pass; vidhook waits as long as Retry-After says",
    }.get(answer.status, "answer 2xx as soon as a well signed event is stored")


def _encryption(url: str, answer: Response, context: ssl.SSLContext, now: float) -> Finding:
    rule = "speaks TLS with a certificate that lasts"
    if answer.tls_version is None:
        return Finding("tls", "warning", rule, "plain http", "use https: elsewhere than here http is refused")
    parts = urlsplit(url)
    try:
        with (
            socket.create_connection((answer.address, parts.port or 443), ATTEMPT_SECONDS) as line,
            context.wrap_socket(line, server_hostname=(parts.hostname or "").rstrip(".")) as tls,
        ):
            certificate = tls.getpeercert() or {}
    except OSError as error:
        return Finding("tls", "warning", rule, f"a second connection broke: {type(error).__name__}", "try again")
    days = int((ssl.cert_time_to_seconds(str(certificate["notAfter"])) - now) // 86_400)
    found = f"{answer.tls_version}, {days} days left"
    if days < FEW_DAYS:
        return Finding("tls", "warning", rule, found, "renew the certificate; once it has expired nothing is delivered")
    return Finding("tls", "ok", rule, found)


@click.command()
@click.argument("url")
@click.option(
    "--secret",
    envvar="VIDHOOK_SECRET",
    prompt=True,
    hide_input=True,
    help="The endpoint's whsec_...; VIDHOOK_SECRET or a prompt keep it out of the shell's history.",
)
@click.option("--allow", multiple=True, metavar="CIDR", help="A private network that URL may be in, over http too.")
@click.option(
    "--ca-file",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="Trust the authorities in this PEM file instead of the public ones.",
)
@as_json_option
def doctor(url: str, secret: str, allow: tuple[str, ...], ca_file: Path | None, as_json: bool) -> None:
    """Send signed, forged, stale and repeated events to URL and say what it got right.

    URL is public https, or on this machine, or in a network that --allow names. Only endpoint.test events are sent,
    and one of a type that nobody knows. Exits with 1 when anything is wrong; warnings alone do not count.
    """
    try:
        checked_secret(secret)
    except BadSubscriber as error:
        raise click.BadParameter(f"it {error.problem}; copy it whole", param_hint="--secret") from None
    context = ssl.create_default_context(cafile=ca_file or DEFAULT_CA_BUNDLE_PATH)
    http = Http(allowed_networks=(*LOOPBACK, *allow), ssl_context=context)
    for_program = wants_json(as_json)
    found: list[Finding] = []
    for finding in examine(url, secret, http=http, ssl_context=context):
        found.append(finding)
        if for_program:
            lines([asdict(finding)])
        else:
            click.echo(_line(finding))
    wrong = sum(finding.verdict == "wrong" for finding in found)
    if not for_program:
        click.echo(_summary(found, wrong))
    if wrong:
        raise SystemExit(1)


def _line(finding: Finding) -> str:
    verdict = click.style(f"{finding.verdict:<8}", fg=COLOURS[finding.verdict])
    hint = f"\n        {finding.hint}" if finding.hint else ""
    return f"{verdict}{finding.rule}: {finding.found}{hint}"


def _summary(found: list[Finding], wrong: int) -> str:
    if wrong:
        spared = "" if len(found) > len(PROBES) else "; fix this first, the other probes need it"
        return f"\n{wrong} of {len(found)} wrong{spared}"
    return "\nnothing is wrong; that a duplicate is acted upon only once is for you to see"
