"""What the outside world relies on: the webhooks of events/webhooks, the ways in of events/submit, docs/events.md.

`python tests/unit/test_contract.py` writes events/webhooks anew, when what subscribers receive is meant to change.
"""

import hashlib
import json
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from unittest import mock

import pytest
from standardwebhooks import Webhook
from vidhook import __version__, subscribers
from vidhook.deliver import attempt
from vidhook.edges.http import Response
from vidhook.event import Event, Kept, progress_event, terminal_event
from vidhook.keep import key_of
from vidhook.links import video_link
from vidhook.providers.file import bundled
from vidhook.providers.reading import read
from vidhook.providers.values import instant
from vidhook.task import Delivery, Poll, Snapshot, Source, Submission, Subscriber, Watch

ROOT = Path(__file__).parents[2]
WEBHOOKS = ROOT / "events" / "webhooks"

# "vidhook sample secret (32 bytes)" and "vidhook sample secret, before it" in base64: nobody's.
SECRET = "whsec_dmlkaG9vayBzYW1wbGUgc2VjcmV0ICgzMiBieXRlcyk="
OLD_SECRET = "whsec_dmlkaG9vayBzYW1wbGUgc2VjcmV0LCBiZWZvcmUgaXQ="
SECRETS = {"secret": SECRET, "old-secret": OLD_SECRET}
VIDEOS_URL = "https://a1b2c3d4e5.execute-api.us-east-1.amazonaws.com/v1/videos"


# -------------------------------------------------------------------------------------------- events/webhooks


def watched(provider: str, answer: str) -> tuple[Watch, Snapshot, float]:
    """The watch of a recorded answer, its snapshot, and when it was read (unix seconds)."""
    exchange = json.loads((ROOT / "events" / "providers" / provider / f"{answer}.json").read_text())["exchange"]
    now, age = instant(exchange["now"]), float(exchange["task_age_seconds"])
    assert now is not None
    task_id = exchange["url"].rpartition("/")[2]
    reading = read(
        bundled()[provider],
        status=exchange["status"],
        headers=exchange["headers"],
        body=json.dumps(exchange["body"]).encode(),
        task_id=task_id,
        age_seconds=age,
        now=now,
    )
    assert reading.snapshot is not None
    watch = Watch(
        Submission(provider, task_id, metadata={"order": "17"}),
        submitted_at=now - age,
        polls=2 + int(age) // 20,
        history=(Poll(now - 12, "processing", pause=12), Poll(now, str(reading.snapshot.status))),
        snapshot=reading.snapshot,
        detected_at=now,
    )
    return watch, reading.snapshot, now


def kept(watch: Watch, source: Source) -> Kept:
    """A copy in the bucket, as publishing makes it."""
    key = key_of(watch, source)
    content_type = {"video": "video/mp4", "image": "image/png"}[source.type]
    return Kept(
        "vidhook-bucket-1x2y3z4example",
        key,
        video_link(VIDEOS_URL, SECRET, key),
        content_type,
        8_123_456,
        hashlib.sha256(key.encode()).hexdigest(),
    )


def ended(provider: str, answer: str, *, stored: bool = True) -> Event:
    """The terminal event of a recorded answer, two seconds after it was read."""
    watch, snapshot, now = watched(provider, answer)
    copies = {source.role: kept(watch, source) for source in snapshot.sources} if stored else {}
    return terminal_event(watch, snapshot, copies, now + 2)


def on_the_way(provider: str, answer: str) -> Event:
    watch, snapshot, now = watched(provider, answer)
    return progress_event(watch, snapshot, now + 1)


def endpoint_test() -> Event:
    with mock.patch.object(subscribers.randomness, "token_hex", lambda _: "a sample"):
        return subscribers.test_event("sub_7q3w5e", 1_777_288_000)


SAMPLES: Mapping[str, tuple[Event, tuple[str, ...]]] = {
    "video.completed-alad": (ended("alad", "completed"), (SECRET,)),
    "video.completed-alad-two-videos": (ended("alad", "completed-super-resolution"), (SECRET,)),
    "video.completed-infinityblue": (ended("infinityblue", "completed"), (SECRET,)),
    "video.completed-vibepeak": (ended("vibepeak", "completed"), (SECRET,)),
    "video.completed-vicsee": (ended("vicsee", "completed"), (SECRET,)),
    "video.completed-while-rotating": (ended("vicsee", "completed"), (SECRET, OLD_SECRET)),
    "video.completed-not-stored": (ended("vibepeak", "completed", stored=False), (SECRET,)),
    "video.failed": (ended("alad", "failed-content-policy"), (SECRET,)),
    "video.progress": (on_the_way("infinityblue", "processing"), (SECRET,)),
    "image.completed": (ended("vicsee", "completed-image"), (SECRET,)),
    "endpoint.test": (endpoint_test(), (SECRET,)),
}


class Recorder:
    """Stands where Http stands, keeps what would have been sent, and answers 200."""

    def send(self, method: str, url: str, *, headers: Mapping[str, str], body: bytes, **_: object) -> Response:
        self.headers, self.body = headers, body
        return Response(200, {}, b"", False, url, None, None, {})


def sent(event: Event, secrets: tuple[str, ...]) -> dict[str, bytes]:
    """The files of one sample: the body, and the headers one a line, as curl takes them with -H @headers."""
    http = Recorder()
    subscriber = Subscriber("sub_1", "https://hooks.example.com/vidhook", "a secret's name")
    delivery = Delivery(event.id, event.watch_id, subscriber.id, event.type, event.at)
    attempt(event, delivery, subscriber, secrets, http=http, now=event.at, jitter=0)  # type: ignore[arg-type]
    headers = {**http.headers, "user-agent": f"vidhook/{__version__}"}
    return {
        "body.json": http.body,
        "headers": "".join(f"{name}: {value}\n" for name, value in sorted(headers.items())).encode(),
    }


def webhook_files() -> dict[str, bytes]:
    """Every file of events/webhooks and what must be in it."""
    files = {name: f"{secret}\n".encode() for name, secret in SECRETS.items()}
    for name, (event, secrets) in SAMPLES.items():
        files |= {f"{name}/{file}": content for file, content in sent(event, secrets).items()}
    return files


def write_webhooks() -> None:
    for name, content in webhook_files().items():
        path = WEBHOOKS / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)


def headers_of(sample: str) -> dict[str, str]:
    lines = (WEBHOOKS / sample / "headers").read_text().splitlines()
    return dict(line.split(": ", 1) for line in lines)


class TestWebhooks:
    @pytest.mark.parametrize("name", webhook_files())
    def test_a_sample_is_what_the_code_sends_byte_for_byte(self, name: str) -> None:
        """Receivers are written against these files; a difference is a change of the contract."""
        assert (WEBHOOKS / name).read_bytes() == webhook_files()[name]

    def test_there_is_no_sample_that_nobody_checks(self) -> None:
        """A file that no code makes would stay as it is when the code changes."""
        found = {str(path.relative_to(WEBHOOKS)) for path in WEBHOOKS.rglob("*") if path.is_file()}
        assert found == set(webhook_files())

    @pytest.mark.parametrize("name", SAMPLES)
    @pytest.mark.parametrize("secret", SECRETS.values())
    def test_a_sample_verifies_with_each_secret_it_was_signed_with_and_no_other(self, name: str, secret: str) -> None:
        """The reference implementation of Standard Webhooks is what many receivers verify with."""
        headers, body = headers_of(name), (WEBHOOKS / name / "body.json").read_text()
        at = datetime.fromtimestamp(int(headers["webhook-timestamp"]), UTC)
        signature = Webhook(secret).sign(headers["webhook-id"], at, body)
        assert (signature in headers["webhook-signature"].split()) == (secret in SAMPLES[name][1])

    @pytest.mark.parametrize("name", SAMPLES)
    def test_the_webhook_id_is_the_id_in_the_body(self, name: str) -> None:
        """Receivers may take either to know a duplicate."""
        body = json.loads((WEBHOOKS / name / "body.json").read_bytes())
        assert body["id"] == headers_of(name)["webhook-id"]
        assert body["type"] == name.partition("-")[0]

    def test_there_is_a_finished_video_of_every_provider(self) -> None:
        """A receiver's author looks for the provider in use."""
        assert {event.provider for event, _ in SAMPLES.values() if event.type == "video.completed"} == set(bundled())


if __name__ == "__main__":
    write_webhooks()
