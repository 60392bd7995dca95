"""The sample receivers in docs/receivers do what docs/events.md says; each runs as a process of its own."""

import json
import os
import re
import shutil
import ssl
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from threading import Event, Thread

import pytest

from vidhook.edges.http import Http
from vidhook.signature import new_secret, webhook_headers
from vidhook_cli.doctor import examine

ROOT = Path(__file__).parents[2]
RECEIVERS = ROOT / "docs" / "receivers"
WEBHOOKS = ROOT / "events" / "webhooks"
SAMPLES = sorted(path.name for path in WEBHOOKS.iterdir() if path.is_dir())
SECRET, OLD_SECRET = ((WEBHOOKS / name).read_text().strip() for name in ("secret", "old-secret"))
LANGUAGES = {
    "python": [sys.executable, "receiver.py"],
    "node": ["node", "receiver.mjs"],
    "go": ["go", "run", "receiver.go"],
}

http = Http(allowed_networks=("127.0.0.0/8",))


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
            if found := re.match("listening at (http://127.0.0.1:[0-9]+)", line):
                self.url = found[1]
                self.listening.set()
            else:
                self.lines.append(line.strip())

    def times_printed(self, line: str) -> int:
        """How often a line was printed. Waits up to a second for the first time."""
        ends = time.monotonic() + 1
        while line not in self.lines and time.monotonic() < ends:
            time.sleep(0.01)
        return self.lines.count(line)

    def post(self, headers: Mapping[str, str], body: bytes) -> int:
        return http.send("POST", self.url, headers=headers, body=body).status


@pytest.fixture(scope="module", params=LANGUAGES)
def receiver(request: pytest.FixtureRequest) -> Iterator[Running]:
    """The receiver of one language, for all tests of this file."""
    command = LANGUAGES[request.param]
    if shutil.which(command[0]) is None:
        pytest.skip(f"there is no {command[0]} on this machine")
    process = subprocess.Popen(
        command,
        cwd=RECEIVERS,
        env={**os.environ, "VIDHOOK_SECRET": SECRET, "PORT": "0"},
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
        found = list(examine(receiver.url, SECRET, http=http, ssl_context=ssl.create_default_context()))
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
