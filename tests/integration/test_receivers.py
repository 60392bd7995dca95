"""The sample receivers in docs/receivers do what docs/events.md says; each runs as a process of its own."""

import asyncio
import http.client
import importlib
import json
import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Coroutine, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from textwrap import indent
from threading import Event, Thread
from typing import Any

import django.conf
import fastapi
import flask
import pytest
from django.test import RequestFactory
from standardwebhooks import WebhookVerificationError

from tests import typed
from vidhook.deliver import attempt
from vidhook.doctor import examine
from vidhook.edges.http import Http
from vidhook.event import test_event as endpoint_test
from vidhook.signature import new_secret, webhook_headers
from vidhook.task import Credentials, Delivery, SigningSecret, Subscriber
from vidhook.times import Clock

ROOT = Path(__file__).parents[2]
RECEIVERS = ROOT / "docs" / "receivers"
WEBHOOKS = ROOT / "events" / "webhooks"
SAMPLES = sorted(path.name for path in WEBHOOKS.iterdir() if path.is_dir())
SECRET, OLD_SECRET = ((WEBHOOKS / name).read_text().strip() for name in ("secret", "old-secret"))
# The typed receivers take several secrets, with the prefix or without.
SECOND_SECRET = new_secret()
SECRETS = f"{SECOND_SECRET.removeprefix('whsec_')} {SECRET}"
TYPED = ("python", "typescript")
# Serve an application of a framework as its users do, at a free port.
WSGI = """
from wsgiref.simple_server import WSGIRequestHandler, make_server
WSGIRequestHandler.log_message = lambda *_: None
server = make_server("127.0.0.1", 0, application)
print(f"listening at http://127.0.0.1:{server.server_port}/webhooks", flush=True)
server.serve_forever()
"""
FLASK = "from with_flask import app as application"
DJANGO = """
import sys
from django.conf import settings
from django.core.wsgi import get_wsgi_application
from django.urls import path
settings.configure(ALLOWED_HOSTS=["*"], ROOT_URLCONF="__main__", MIDDLEWARE=[
    "django.middleware.common.CommonMiddleware", "django.middleware.csrf.CsrfViewMiddleware"])
from with_django import receive
urlpatterns = [path("webhooks", receive)]
application = get_wsgi_application()
"""
FASTAPI = """
import socket, uvicorn
from with_fastapi import app
listener = socket.create_server(("127.0.0.1", 0))
print(f"listening at http://127.0.0.1:{listener.getsockname()[1]}/webhooks", flush=True)
uvicorn.Server(uvicorn.Config(app, log_level="warning")).run(sockets=[listener])
"""
LANGUAGES = {
    "python": [sys.executable, "receiver.py"],
    "flask": [sys.executable, "-c", FLASK + WSGI],
    "django": [sys.executable, "-c", DJANGO + WSGI],
    "fastapi": [sys.executable, "-c", FASTAPI],
    "typescript": ["node", "receiver.js"],
    "go": ["go", "run", "receiver.go"],
}

client = Http(allowed_networks=("127.0.0.0/8",))


@dataclass
class Running:
    """The process of a receiver, its URL, and the lines that it has printed since it listens."""

    process: subprocess.Popen[str]
    url: str = ""
    lines: list[str] = field(default_factory=list)
    listening: Event = field(default_factory=Event)

    def read_output(self) -> None:
        """Reads what the receiver prints, until it ends."""
        assert self.process.stdout
        for line in self.process.stdout:
            if found := re.match(r"listening at (http://127.0.0.1:[0-9]+\S*)", line):
                self.url = found[1]
                self.listening.set()
            else:
                self.lines.append(line.strip())

    def waits_for(self, pattern: str) -> bool:
        """Whether a line that fits this pattern was printed. Waits up to a second for it."""
        ends = time.monotonic() + 1
        while not (found := any(re.fullmatch(pattern, line) for line in self.lines)) and time.monotonic() < ends:
            time.sleep(0.01)
        return found

    def times_printed(self, line: str) -> int:
        """How often a line was printed. Waits up to a second for the first time."""
        ends = time.monotonic() + 1
        while line not in self.lines and time.monotonic() < ends:
            time.sleep(0.01)
        return self.lines.count(line)

    def post(self, headers: Mapping[str, str], body: bytes) -> int:
        return client.send("POST", self.url, headers=headers, body=body).status


@pytest.fixture(scope="session")
def compiled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of the receiver in TypeScript, as Node runs it."""
    if not (typed.NODE_TOOLS / "tsc").exists():
        pytest.skip("`make types` has not installed the compiler of TypeScript")
    folder = tmp_path_factory.mktemp("compiled")
    typed.compile_receiver(folder)
    return folder


@pytest.fixture(scope="module", params=LANGUAGES)
def receiver(request: pytest.FixtureRequest) -> Iterator[Running]:
    """The receiver of one language, for all tests of this file."""
    command, folder = LANGUAGES[request.param], RECEIVERS
    secret = SECRETS if request.param in TYPED else SECRET
    if shutil.which(command[0]) is None:
        pytest.skip(f"there is no {command[0]} on this machine")
    if request.param == "typescript":
        folder = request.getfixturevalue("compiled")
    process = subprocess.Popen(
        command,
        cwd=folder,
        env={**os.environ, "VIDHOOK_SECRET": secret, "PORT": "0", "PYTHONDONTWRITEBYTECODE": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )
    running = Running(process)
    reader = Thread(target=running.read_output, daemon=True)
    reader.start()
    try:
        assert running.listening.wait(60), running.lines
        yield running
    finally:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, 9)  # `go run` starts the receiver as a child
        process.wait(10)
        reader.join(10)


def body_of(sample: str) -> bytes:
    return (WEBHOOKS / sample / "body.json").read_bytes()


def headers_of(sample: str) -> dict[str, str]:
    return dict(line.split(": ", 1) for line in (WEBHOOKS / sample / "headers").read_text().splitlines())


def signed_now(sample: str, *secrets: str, seconds: int = 0) -> dict[str, str]:
    """The headers of a sample that is signed now, or some seconds from now."""
    event_id = headers_of(sample)["webhook-id"]
    return webhook_headers(secrets or (SECRET,), event_id, int(time.time()) + seconds, body_of(sample))


class TestReceiver:
    @pytest.mark.parametrize("sample", SAMPLES)
    def test_a_duplicate_is_accepted_and_not_handled_again(self, receiver: Running, sample: str) -> None:
        """Delivery is at least once, so a receiver answers 2xx to duplicates and handles an event once."""
        for _ in range(3):
            assert receiver.post(signed_now(sample), body_of(sample)) == 204
        event = json.loads(body_of(sample))
        assert receiver.times_printed(f"{event['id']} {event['type']}") == 1

    @pytest.mark.parametrize("sample", SAMPLES)
    def test_a_body_that_was_changed_is_refused(self, receiver: Running, sample: str) -> None:
        """The signature covers every byte."""
        for tampered in (body_of(sample).replace(b"vidhook", b"v1dhook") + b" ", body_of(sample)[:-1], b""):
            assert receiver.post(signed_now(sample), tampered) == 401

    @pytest.mark.parametrize("sample", SAMPLES)
    def test_an_old_webhook_is_refused(self, receiver: Running, sample: str) -> None:
        """An attacker may send a recorded webhook again, and its signature still fits."""
        assert receiver.post(headers_of(sample), body_of(sample)) == 401

    @pytest.mark.parametrize(("seconds", "status"), [(-290, 204), (290, 204), (-310, 401), (310, 401)])
    def test_a_timestamp_may_differ_by_five_minutes(self, receiver: Running, seconds: int, status: int) -> None:
        """Clocks differ a little, and an attempt takes some seconds."""
        assert receiver.post(signed_now("video.failed", seconds=seconds), body_of("video.failed")) == status

    def test_one_of_several_signatures_is_enough(self, receiver: Running) -> None:
        """While a secret is rotated, each event has a signature by the old one and by the new one."""
        both = signed_now("video.failed", new_secret(), SECRET)
        assert receiver.post(both, body_of("video.failed")) == 204

    @pytest.mark.parametrize("missing", ["webhook-id", "webhook-timestamp", "webhook-signature"])
    def test_a_missing_header_is_refused(self, receiver: Running, missing: str) -> None:
        """Every webhook of vidhook has all three headers."""
        headers = signed_now("video.failed")
        del headers[missing]
        assert receiver.post(headers, body_of("video.failed")) == 401

    @pytest.mark.parametrize("timestamp", ["", "soon", "NaN", "1e999", "-1", "²"])
    def test_a_timestamp_that_is_no_number_is_refused(self, receiver: Running, timestamp: str) -> None:
        """A timestamp that cannot be read must not count as a recent one."""
        headers = {**signed_now("video.failed"), "webhook-timestamp": timestamp}
        assert receiver.post(headers, body_of("video.failed")) == 401

    def test_the_doctor_finds_nothing_wrong_with_it(self, receiver: Running) -> None:
        """A sample receiver must pass the probes that users run on their own receivers."""
        found = list(examine(receiver.url, SECRET, http=client))
        assert {finding.probe: finding.found for finding in found if finding.verdict == "wrong"} == {}
        assert {finding.probe for finding in found if finding.verdict == "warning"} == {"tls"}

    @pytest.mark.skipif(not (shutil.which("openssl") and shutil.which("curl")), reason="there is no openssl or curl")
    def test_a_webhook_that_is_signed_by_the_shell_script_is_accepted(self, receiver: Running) -> None:
        """With send.sh a user can try a receiver with curl."""
        command = ["sh", "send.sh", receiver.url, str(WEBHOOKS / "image.completed" / "body.json")]
        sent = [
            subprocess.run(command, cwd=RECEIVERS, env={**os.environ, "VIDHOOK_SECRET": secret}, timeout=20).returncode
            for secret in (SECRET, OLD_SECRET)
        ]
        assert sent[0] == 0
        assert sent[1] != 0


@pytest.mark.parametrize("receiver", TYPED, indirect=True, scope="module")
class TestTypedReceiver:
    @pytest.mark.parametrize(
        ("changed", "reason"),
        [
            ({"webhook-id": ""}, "webhook-id is missing"),
            ({"webhook-timestamp": ""}, "webhook-timestamp is missing"),
            ({"webhook-signature": ""}, "webhook-signature is missing"),
            ({"webhook-timestamp": "soon"}, "webhook-timestamp is not a number of seconds"),
            ({"webhook-timestamp": "0"}, r"webhook-timestamp is [0-9]{10} s old"),
            ({"webhook-timestamp": "9" * 12}, r"webhook-timestamp is [0-9]{12} s in the future"),
            ({"webhook-id": "evt_1"}, "no signature fits: it was signed with another secret, or the body was changed"),
            ({"webhook-signature": "v1,"}, "no signature fits: .+"),
            ({"webhook-signature": "v1, v1a,x"}, "webhook-signature comes more than once"),
        ],
    )
    def test_it_says_what_is_wrong(self, receiver: Running, changed: dict[str, str], reason: str) -> None:
        """Whoever sets up a receiver sees a 401 and looks into its log."""
        del receiver.lines[:]
        assert receiver.post({**signed_now("video.failed"), **changed}, body_of("video.failed")) == 401
        assert receiver.waits_for(f"refused: {reason}")

    def test_a_signed_body_that_is_no_json_is_refused(self, receiver: Running) -> None:
        """vidhook sends none, but whoever has the secret may."""
        del receiver.lines[:]
        assert receiver.post(webhook_headers([SECRET], "evt_1", int(time.time()), b"{"), b"{") == 401
        assert receiver.waits_for("refused: the body is not JSON")

    @pytest.mark.parametrize("secret", [SECRET, SECOND_SECRET], ids=["one", "other"])
    def test_each_of_its_secrets_is_enough(self, receiver: Running, secret: str) -> None:
        """A receiver that knows the old and the new secret misses nothing while one is rotated."""
        assert receiver.post(signed_now("video.failed", secret), body_of("video.failed")) == 204
        assert receiver.post(signed_now("video.failed", new_secret(), secret), body_of("video.failed")) == 204
        assert receiver.post(signed_now("video.failed", new_secret()), body_of("video.failed")) == 401

    def test_header_names_are_taken_in_any_case(self, receiver: Running) -> None:
        """Proxies and frameworks write them as they like."""
        headers = {name.upper(): text for name, text in signed_now("video.failed").items()}
        assert receiver.post(headers, body_of("video.failed")) == 204

    @pytest.mark.parametrize("name", ["webhook-id", "webhook-timestamp", "webhook-signature"])
    def test_a_header_that_comes_twice_is_refused(self, receiver: Running, name: str) -> None:
        """Two parts of a system could each believe another one of them."""
        del receiver.lines[:]
        headers = signed_now("video.failed")
        host = receiver.url.removeprefix("http://").partition("/")[0]
        connection = http.client.HTTPConnection(host, timeout=20)
        connection.putrequest("POST", "/webhooks")
        for each, text in (
            *headers.items(),
            (name, headers[name]),
            ("content-length", str(len(body_of("video.failed")))),
        ):
            connection.putheader(each, text)
        connection.endheaders(body_of("video.failed"))
        assert connection.getresponse().status == 401
        connection.close()
        assert receiver.waits_for(f"refused: {name} comes more than once")

    def test_what_vidhook_sends_is_accepted(self, receiver: Running) -> None:
        """The attempt is made by the code that makes it for subscribers."""
        event = endpoint_test("sub_1", time.time())
        delivery = Delivery(event.id, event.watch_id, "sub_1", event.type, event.at)
        credentials = Credentials((SigningSecret(SECRET),))
        made = attempt(event, delivery, Subscriber("sub_1", receiver.url), credentials, http=client, clock=Clock())
        assert (made.outcome, made.status) == ("delivered", 204)
        assert receiver.times_printed(f"{event.id} {event.type}") == 1


@pytest.mark.parametrize("secret", ["", " ", "whsec_", "whsec_A", "whsec_?", "whsec_ä"])
class TestABadSecret:
    """An empty key would accept what anybody signs with an empty key."""

    REASON = "the secret is not whsec_ and base64"

    def test_it_is_refused_in_python(self, secret: str, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.syspath_prepend(RECEIVERS)
        unwrap = importlib.import_module("unwrap")
        with pytest.raises(unwrap.WebhookError, match=self.REASON):
            unwrap.unwrap(body_of("video.failed"), signed_now("video.failed"), secret)

    @pytest.mark.skipif(shutil.which("node") is None, reason="there is no node on this machine")
    def test_it_is_refused_in_typescript(self, secret: str, compiled: Path) -> None:
        script = """
            import { unwrap } from "./unwrap.js";
            const { body, headers, secret } = JSON.parse(process.argv[1]);
            const as = (secret) => unwrap(Buffer.from(body), new Headers(headers), secret);
            console.log(as("%s").type);
            try { as(secret) } catch (error) { console.log(error.message) }
        """
        given = {"body": body_of("video.failed").decode(), "headers": signed_now("video.failed"), "secret": secret}
        command = ["node", "--input-type=module", "--eval", script % SECRET, json.dumps(given)]
        done = subprocess.run(command, cwd=compiled, capture_output=True, text=True, timeout=20)
        assert done.stdout.splitlines() == ["video.failed", self.REASON], done.stderr


def in_flask(body: bytes, headers: dict[str, str], run: Callable[[Any], None]) -> None:
    with flask.Flask("receiver").test_request_context(method="POST", data=body, headers=headers):
        run(flask.request)


def in_django(body: bytes, headers: dict[str, str], run: Callable[[Any], None]) -> None:
    if not django.conf.settings.configured:
        django.conf.settings.configure()
    run(RequestFactory().post("/", body, content_type="application/json", headers=headers))


def in_fastapi(body: bytes, headers: dict[str, str], run: Callable[[Any], Coroutine[Any, Any, None]]) -> None:
    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": body}

    pairs = [(name.lower().encode(), value.encode()) for name, value in headers.items()]
    asyncio.run(run(fastapi.Request({"type": "http", "headers": pairs}, receive)))


@pytest.mark.parametrize(
    ("framework", "shown"),
    [(in_flask, "request.get_data()"), (in_fastapi, "await request.body()"), (in_django, "request.body")],
)
def test_the_snippet_of_the_readme_works_as_shown(framework: Callable[..., None], shown: str) -> None:
    """Each framework names the body in its own way, and the wrong one is an error or already parsed."""
    page = (ROOT / "README.md").read_text("utf-8")
    [snippet] = re.findall(r"```python\n(.+?)```", page, re.DOTALL)
    assert f"`{shown}`" in page or shown in snippet
    code = snippet.replace("request.get_data()", shown).replace("whsec_...", SECRET)
    saved: list[Any] = []
    scope: dict[str, Any] = {"save": lambda *what: saved.append(what)}
    exec(f"{'async ' if 'await' in code else ''}def run(request):\n{indent(code, '    ')}", scope)
    headers = {name.title(): value for name, value in signed_now("video.completed-alad").items()}
    body = body_of("video.completed-alad")
    framework(body, headers, scope["run"])
    data = json.loads(body)["data"]
    assert saved == [(data["reference"], data["assets"][0]["url"])]
    with pytest.raises(WebhookVerificationError):
        framework(body + b" ", headers, scope["run"])
    assert len(saved) == 1


@pytest.mark.skipif(shutil.which("openssl") is None, reason="there is no openssl on this machine")
class TestShell:
    def verify(self, headers: Path, body: Path, secret: str, now: int) -> str:
        run = subprocess.run(
            ["sh", "verify.sh", str(headers), str(body), str(now)],
            cwd=RECEIVERS,
            env={**os.environ, "VIDHOOK_SECRET": secret},
            capture_output=True,
            text=True,
            timeout=20,
        )
        assert (run.returncode == 0) == (run.stdout == "verified\n")
        return run.stdout.strip() or run.stderr.strip()

    @pytest.mark.parametrize("sample", SAMPLES)
    def test_a_recorded_webhook_verifies_at_its_own_time_only(self, sample: str) -> None:
        """Users try the script with these samples first."""
        headers, body = WEBHOOKS / sample / "headers", WEBHOOKS / sample / "body.json"
        at = int(headers_of(sample)["webhook-timestamp"])
        assert self.verify(headers, body, SECRET, at + 299) == "verified"
        assert self.verify(headers, body, SECRET, at + 301) == "signed too long ago, or in the future"
        assert self.verify(headers, body, SECRET, at - 301) == "signed too long ago, or in the future"

    def test_the_old_and_the_new_secret_verify_while_one_is_rotated(self) -> None:
        """A receiver may change to the new secret at any time while both are used."""
        folder = WEBHOOKS / "video.completed-while-rotating"
        at = int(headers_of(folder.name)["webhook-timestamp"])
        for secret in (SECRET, OLD_SECRET):
            assert self.verify(folder / "headers", folder / "body.json", secret, at) == "verified"
        assert self.verify(folder / "headers", folder / "body.json", new_secret(), at) == "no signature fits"

    def test_a_tampered_body_and_a_missing_header_are_refused(self, tmp_path: Path) -> None:
        """The shell script has the same rules as the receivers."""
        folder = WEBHOOKS / "video.failed"
        at = int(headers_of(folder.name)["webhook-timestamp"])
        tampered, unsigned, undated = tmp_path / "body.json", tmp_path / "unsigned", tmp_path / "undated"
        tampered.write_bytes(body_of(folder.name) + b"\n")
        lines = (folder / "headers").read_text().splitlines(keepends=True)
        unsigned.write_text("".join(line for line in lines if "signature" not in line))
        undated.write_text("".join(line for line in lines if "timestamp" not in line))
        assert self.verify(folder / "headers", tampered, SECRET, at) == "no signature fits"
        assert self.verify(unsigned, folder / "body.json", SECRET, at) == "no signature fits"
        assert self.verify(undated, folder / "body.json", SECRET, at).startswith("signed too long ago")
