"""`vidhook doctor` against real receivers: it finds nothing wrong with a good one, and the flaw of each other one."""

import json
import shutil
import ssl
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import trustme
from click.testing import CliRunner, Result
from standardwebhooks import Webhook
from standardwebhooks.webhooks import WebhookVerificationError

from tests.integration.world import World
from vidhook import subscribers
from vidhook.doctor import Diagnosis, diagnose, examine
from vidhook.edges.http import Http
from vidhook.event import serialize
from vidhook.signature import new_secret
from vidhook.times import Clock
from vidhook_cli import doctor
from vidhook_cli.main import main
from vidhook_sandbox.loopback import Handler, Loopback

needs_node = pytest.mark.skipif(not shutil.which("node"), reason="needs Node")
PROBES = {
    *("signed", "redirect", "tls", "rotation", "duplicate", "unknown_type", "unknown_fields", "raw_body"),
    *("unsigned", "forged", "tampered", "other_secret", "stale", "future", "speed"),
}


HTTP = Http(allowed_networks=("127.0.0.0/8",))


class Receiver:
    """An endpoint that does everything right except for its `flaw`."""

    def __init__(self, secret: str, flaw: str = "") -> None:
        self.secret, self.flaw = secret, flaw
        self.requests = 0
        self.keys = set[str | None]()
        self._seen: set[str] = set()
        self._lock = threading.Lock()

    def take(self, headers: dict[str, str], body: bytes) -> int:
        """The status to answer with."""
        with self._lock:
            self.requests += 1
            self.keys.add(headers.get("x-api-key"))
        if (self.flaw, self.requests) in (("slow", 1), ("gets slow", 3)):
            time.sleep(0.1 if self.flaw == "slow" else 2)
        if self.flaw in STATUSES:
            return STATUSES[self.flaw]
        if not self._verified(headers, body):
            return {"crashes on forgery": 500, "accepts anything": 200}.get(self.flaw, 401)
        event = json.loads(body)
        if self.flaw == "refuses duplicates" and event["id"] in self._seen:
            return 409
        self._seen.add(event["id"])
        if self.flaw == "refuses unknown types" and event["type"] != "endpoint.test":
            return 400
        if self.flaw == "refuses unknown fields" and set(event) != {"id", "type", "timestamp", "data"}:
            return 422
        return 204

    def _verified(self, headers: dict[str, str], body: bytes) -> bool:
        if self.flaw in WRITERS:
            body = WRITERS[self.flaw](body)
        if self.flaw == "takes the first signature only" and "webhook-signature" in headers:
            headers = {**headers, "webhook-signature": headers["webhook-signature"].partition(" ")[0]}
        if self.flaw == "signs without the body" and "webhook-signature" in headers:
            return True
        if self.flaw == "never looks at the time" and "webhook-timestamp" in headers:
            at = datetime.fromtimestamp(int(headers["webhook-timestamp"]), UTC)
            signature = Webhook(self.secret).sign(headers["webhook-id"], at, body.decode())
            return signature in headers.get("webhook-signature", "").split()
        if self.flaw == "accepts the future" and int(headers.get("webhook-timestamp", 0)) > time.time() + 300:
            return True
        try:
            Webhook(self.secret).verify(body, headers)
        except (WebhookVerificationError, ValueError):
            return False
        return True


def written_by_node(body: bytes) -> bytes:
    """The body as `JSON.stringify(req.body)` writes it."""
    program = "process.stdout.write(JSON.stringify(JSON.parse(require('fs').readFileSync(0, 'utf8'))))"
    return subprocess.run(["node", "-e", program], input=body, stdout=subprocess.PIPE, check=True).stdout


WRITERS: dict[str, Callable[[bytes], bytes]] = {
    "verifies what Python writes again": lambda body: serialize(json.loads(body)).encode(),
    "verifies what Node writes again": written_by_node,
}
STATUSES = {"redirects": 308, "is not there": 404, "is gone": 410, "breaks": 500, "refuses everything": 401}


@contextmanager
def served(receiver: Receiver, certificate: trustme.LeafCert | None = None) -> Iterator[str]:
    """The receiver's URL, while it is up."""

    class Post(Handler):
        def do_POST(self) -> None:  # noqa: N802 -- the base class's name
            body = self.read_body()
            status = receiver.take({name.lower(): value for name, value in self.headers.items()}, body)
            self.answer(status, headers={"location": "/elsewhere?key=s3cr3t"} if status == 308 else {})

    server = Loopback(Post)
    if certificate:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        certificate.configure_cert(context)
        server.socket = context.wrap_socket(server.socket, server_side=True)
    try:
        yield server.url.replace("http:", "https:" if certificate else "http:") + "/hooks?key=s3cr3t"
    finally:
        server.stop()


@pytest.fixture
def secret() -> str:
    return new_secret()


def run(url: str, secret: str, *options: str) -> Result:
    """Runs the doctor on an endpoint."""
    return CliRunner().invoke(main, ["doctor", url, "--secret", secret, "--json", *options])


def verdicts(result: Result) -> dict[str, str]:
    """The verdict of each probe."""
    findings = [json.loads(line) for line in result.output.splitlines()]
    return {finding["probe"]: finding["verdict"] for finding in findings}


def test_nothing_is_wrong_with_a_good_endpoint(secret: str) -> None:
    """Every probe has its line, and the exit code is 0."""
    with served(Receiver(secret)) as url:
        result = run(url, secret)
    assert verdicts(result) == dict.fromkeys(PROBES, "ok") | {"tls": "warning"}
    assert result.exit_code == 0


@pytest.mark.parametrize(
    ("flaw", "wrong"),
    [
        ("accepts anything", {"unsigned", "forged", "tampered", "other_secret", "stale", "future"}),
        ("signs without the body", {"forged", "tampered", "other_secret", "stale", "future"}),
        ("never looks at the time", {"stale", "future"}),
        ("accepts the future", {"future"}),
        ("takes the first signature only", {"rotation"}),
        ("refuses duplicates", {"duplicate"}),
        ("refuses unknown types", {"unknown_type"}),
        ("refuses unknown fields", {"unknown_fields"}),
        ("verifies what Python writes again", {"raw_body"}),
        pytest.param("verifies what Node writes again", {"raw_body"}, marks=needs_node),
        ("redirects", {"signed", "redirect"}),
        ("is not there", {"signed"}),
        ("is gone", {"signed"}),
        ("breaks", {"signed"}),
        ("refuses everything", {"signed"}),
    ],
)
def test_each_flaw_is_found_and_no_other(secret: str, flaw: str, wrong: set[str]) -> None:
    """A false finding misleads the user as much as a flaw that is not found."""
    with served(Receiver(secret, flaw)) as url:
        result = run(url, secret)
    assert {probe for probe, verdict in verdicts(result).items() if verdict == "wrong"} == wrong
    assert result.exit_code == 1


def test_every_finding_but_ok_has_a_hint(secret: str) -> None:
    """A user must learn what to fix, and not only what is wrong."""
    with served(Receiver(secret, "accepts anything")) as url:
        findings = [json.loads(line) for line in run(url, secret).output.splitlines()]
    assert all(bool(finding["hint"]) == (finding["verdict"] != "ok") for finding in findings)


def test_a_forgery_that_is_answered_with_an_error_is_a_warning(secret: str) -> None:
    """A forgery that gets a 500 is not accepted, but it looks like a fault of the endpoint."""
    with served(Receiver(secret, "crashes on forgery")) as url:
        result = run(url, secret)
    assert {verdicts(result)[probe] for probe in ("unsigned", "forged", "stale")} == {"warning"}
    assert result.exit_code == 0


def test_a_slow_endpoint_gets_a_warning(secret: str) -> None:
    """An attempt fails after 15 s, so an endpoint that takes a third of that should become faster."""
    with served(Receiver(secret, "slow")) as url:
        *_, last = examine(url, secret, http=HTTP, slow_seconds=0.09)
    assert (last.probe, last.verdict) == ("speed", "warning")


def test_an_endpoint_that_is_down_has_one_finding(secret: str) -> None:
    """No other probe makes sense when nothing listens there."""
    with served(Receiver(secret)) as url:
        pass
    result = run(url, secret)
    assert verdicts(result) == {"signed": "wrong"}
    assert "connect:" in result.output
    assert result.exit_code == 1


def test_an_endpoint_that_refuses_a_good_event_gets_no_other_probe(secret: str) -> None:
    """An endpoint that refuses everything would pass the other probes without checking anything."""
    receiver = Receiver(secret, "refuses everything")
    with served(receiver) as url:
        run(url, secret)
    assert receiver.requests == 1


def test_a_private_network_must_be_allowed_by_name(secret: str) -> None:
    """Addresses are checked as on AWS, except for those of this machine."""
    result = run("https://10.255.0.1/hooks", secret)
    assert result.exit_code == 2
    assert "--allow" in result.output


@pytest.mark.parametrize(
    "url", ["", "ftp://127.0.0.1/hook", "http://127.0.0.1:0/hook", "http://user:pw@127.0.0.1/hook"]
)
def test_a_url_that_nothing_can_be_sent_to_is_a_wrong_command_line(url: str) -> None:
    """Before the secret is asked for; the endpoint is not to blame."""
    result = CliRunner().invoke(main, ["doctor", url], input="")
    assert result.exit_code == 2
    assert "Invalid value for URL" in result.output


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA()


@pytest.fixture
def ca_file(authority: trustme.CA, tmp_path: Path) -> str:
    path = tmp_path / "ca.pem"
    authority.cert_pem.write_to_path(str(path))
    return str(path)


class TestTls:
    @pytest.mark.parametrize(("days", "verdict"), [(60, "ok"), (3, "warning")])
    def test_the_days_until_the_certificate_expires_are_shown(
        self, secret: str, authority: trustme.CA, ca_file: str, days: int, verdict: str
    ) -> None:
        """An expired certificate is a common reason why an endpoint gets no more webhooks."""
        ends = datetime.now(UTC) + timedelta(days=days, hours=1)
        with served(Receiver(secret), authority.issue_cert("127.0.0.1", not_after=ends)) as url:
            result = run(url, secret, "--ca-file", ca_file)
        assert verdicts(result)["tls"] == verdict
        assert f"TLSv1.3, {days} days left" in result.output
        assert result.exit_code == 0

    def test_a_certificate_of_an_unknown_authority_is_wrong(self, secret: str, authority: trustme.CA) -> None:
        """vidhook itself would not deliver to this endpoint."""
        with served(Receiver(secret), authority.issue_cert("127.0.0.1")) as url:
            result = run(url, secret)
        assert verdicts(result) == {"signed": "wrong"}
        assert "tls:" in result.output

    def test_a_certificate_for_another_name_is_wrong(self, secret: str, authority: trustme.CA, ca_file: str) -> None:
        """The name in the certificate is checked, and not only its issuer."""
        with served(Receiver(secret), authority.issue_cert("hooks.example.com")) as url:
            assert verdicts(run(url, secret, "--ca-file", ca_file)) == {"signed": "wrong"}


@pytest.mark.parametrize("flaw", ["", "accepts anything", "redirects", "breaks"])
def test_no_secret_and_no_query_string_is_shown(secret: str, flaw: str) -> None:
    """Users copy what the doctor prints into tickets."""
    with served(Receiver(secret, flaw)) as url:
        result = run(url, secret)
    assert secret.removeprefix("whsec_") not in result.output
    assert "s3cr3t" not in result.output


@pytest.mark.parametrize("bad", ["whsec_", "hunter2", "whsec_!!!!"])
def test_a_bad_secret_is_refused_before_anything_is_sent(bad: str) -> None:
    """With an incomplete secret every probe would fail; the error message does not repeat it."""
    receiver = Receiver(new_secret())
    with served(receiver) as url:
        result = run(url, bad)
    assert result.exit_code == 2
    assert "--secret" in result.output
    assert bad.removeprefix("whsec_") not in result.output or bad == "whsec_"
    assert receiver.requests == 0


def test_a_terminal_shows_sentences(secret: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """On a terminal each finding is a line with its hint below it, and a summary comes last."""
    monkeypatch.setattr(doctor, "wants_json", lambda _: False)
    with served(Receiver(secret, "never looks at the time")) as url:
        result = CliRunner().invoke(main, ["doctor", url], input=f"{secret}\n")
    assert "wrong   refuses an event signed 10 minutes ago: answered 204" in result.output
    assert "\n        refuse a webhook-timestamp more than 300 seconds away" in result.output
    assert result.output.endswith(f"2 of {len(PROBES)} wrong\n")
    assert result.exit_code == 1


class TestOfASubscriber:
    def diagnosed(self, world: World, receiver: Receiver, **more: Any) -> Diagnosis:
        """Adds the receiver as a subscriber that has headers, and examines it."""
        with served(receiver) as url:
            terms = subscribers.Terms(url, headers={"X-Api-Key": "key-of-a-gateway"})
            edges: dict[str, Any] = {
                "ledger": world.ledger,
                "secrets": world.secrets,
                "http": world.http,
                "clock": Clock(),
            }
            added, _ = subscribers.add(terms, secret=receiver.secret, **edges)
            subscribers.pause(added.id, ledger=world.ledger)
            return diagnose(added.id, **edges, **more)

    def test_the_findings_are_those_of_the_command(self, world: World, secret: str) -> None:
        """Its own secret signs, its headers go along, and its state does not matter."""
        receiver = Receiver(secret, "accepts the future")
        told = self.diagnosed(world, receiver)
        assert told.complete
        assert {each.probe for each in told.findings} == PROBES
        assert {each.probe for each in told.findings if each.verdict == "wrong"} == {"future"}
        assert receiver.keys == {"key-of-a-gateway"}
        shown = repr(told)
        assert not [each for each in (secret, secret[6:30], "key-of-a-gateway", "s3cr3t") if each in shown]

    def test_while_a_secret_is_rotated_the_old_one_counts_too(self, world: World, secret: str) -> None:
        """An endpoint that does not know the new one yet gets all events, so nothing is wrong with it."""
        with served(Receiver(secret)) as url:
            edges: dict[str, Any] = {"ledger": world.ledger, "secrets": world.secrets, "clock": Clock()}
            added, _ = subscribers.add(subscribers.Terms(url), secret=secret, http=world.http, **edges)
            subscribers.rotate(added.id, **edges)
            told = diagnose(added.id, http=world.http, **edges)
        assert {each.verdict for each in told.findings} == {"ok", "warning"}

    def test_an_endpoint_is_not_blamed_for_what_it_had_no_time_for(self, world: World, secret: str) -> None:
        """The page asks again; a probe that was cut short says nothing."""
        told = self.diagnosed(world, Receiver(secret, "slow"), seconds=0.05)
        assert (told.findings, told.complete) == ([], False)

    def test_what_was_found_in_time_is_told(self, world: World, secret: str) -> None:
        """A slow endpoint has findings too, only not all."""
        receiver = Receiver(secret, "gets slow")
        told = self.diagnosed(world, receiver, seconds=1.0)
        assert not told.complete
        assert [each.probe for each in told.findings] == ["signed", "redirect", "tls", "rotation"]
