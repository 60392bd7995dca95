"""Providers and video hosts as people reported them in public, against the real template with IAM enforced.

Every scenario is one task, all of them are followed at the same time, and each test looks at how one of them ended.
"""

import base64
import gzip
import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Lock, Thread
from typing import Any

import pytest

from tests.e2e.bridge import Bridge, eventually
from vidhook.errors import NotFound
from vidhook.task import watch_id
from vidhook_sandbox.provider import KEYS

KEY = "key-of-the-reports"
FILM = b"\x00\x00\x00\x18ftypmp42\x00\x00\x00\x00mp42isom" + bytes(range(256)) * 200
PNG = b"\x89PNG\r\n\x1a\n" + b"\x00" * 400
PAGE = b"<!DOCTYPE html><title>Just a moment...</title>"
FILE = """
name = "reports"
base_url = "{url}"
path = "/v1/tasks/{{task_id}}"
format = "generic"
expected_seconds = 1
[assets]
extra = "extra_url"
"""


@dataclass(frozen=True)
class Answer:
    """One answer: JSON of `body` unless it is bytes. `exact`: 403 unless the target is this, byte for byte."""

    body: object = b""
    status: int = 200
    headers: tuple[tuple[str, str], ...] = ()
    exact: str | None = None

    @property
    def raw(self) -> bytes:
        return self.body if isinstance(self.body, bytes) else json.dumps(self.body).encode()


def html(status: int) -> Answer:
    return Answer(PAGE, status, (("Content-Type", "text/html; charset=utf-8"),))


def film(body: bytes = FILM, status: int = 200, kind: str = "video/mp4", **headers: str) -> Answer:
    named = tuple((name.replace("_", "-"), value) for name, value in headers.items())
    return Answer(body, status, (("Content-Type", kind), *named))


def done(url: object = "/files/{name}.mp4", **more: object) -> Answer:
    return Answer({"id": "{name}", "status": "completed", "video_url": url, **more})


def says(status: str, http: int = 200, **more: object) -> Answer:
    return Answer({"id": "{name}", "status": status, **more}, http)


def refuses(http: int, message: str) -> Answer:
    return Answer({"error": {"message": message}}, http)


@dataclass(frozen=True)
class Report:
    """What a provider answers to one poll after the other, what its host has, and how the task must end."""

    answers: tuple[Answer, ...]
    files: tuple[Answer, ...] = (film(),)
    ends: str = "completed"
    stored: bool = True
    category: str | None = None


ISSUE = Answer({"id": "{name}", "status": "processing"})
REPORTS = {
    "a-page-404-during-a-deployment": Report((ISSUE, html(404), html(404), html(502), done())),
    "a-challenge-of-a-gateway": Report((html(403), html(403), done())),
    "not-found-until-every-server-knows": Report((refuses(404, "no such task"),) * 4 + (ISSUE, done())),
    "not-found-for-good": Report((refuses(404, "no such task"),), ends="failed", category="not_found"),
    "completed-before-its-link": Report((says("completed"), says("completed", video_url=""), done())),
    "completed-without-a-link": Report((says("completed"),), ends="failed", category="no_result"),
    "not-ready-as-an-error": Report((refuses(400, "Task is not completed yet, current status: NOT_START"), done())),
    "a-word-of-its-own": Report(
        (says("video_generating"), says("video_generation_completed", url="/files/{name}.mp4"))
    ),
    "failed-in-chinese": Report((says("失败", error="内容审核未通过"),), ends="failed", category="content_policy"),
    "refused-although-completed": Report(
        (says("completed", error={"message": "blocked by our safety filter"}),),
        ends="failed",
        category="content_policy",
    ),
    "the-answer-is-a-list": Report((Answer([{"id": "{name}", "status": "done", "url": "/files/{name}.mp4"}]),)),
    "the-task-is-json-in-a-string": Report(
        (Answer({"code": 0, "data": json.dumps({"id": "{name}", "status": "done", "url": "/files/{name}.mp4"})}),)
    ),
    "a-link-with-a-blank": Report((done("{url}/files/{name} of mine.mp4"),)),
    "a-link-as-markdown": Report((done("[your video]({url}/files/{name}.mp4)"),)),
    "a-thumbnail-before-the-film": Report((done(["{url}/files/thumb.png", "{url}/files/{name}.mp4"]),)),
    "the-film-is-in-the-answer": Report((done("data:video/mp4;base64," + base64.b64encode(FILM).decode()),)),
    "a-compressed-answer": Report(
        (
            Answer(
                gzip.compress(b'{"id": "x", "status": "done", "url": "/files/a-compressed-answer.mp4"}'),
                200,
                (("Content-Encoding", "gzip"),),
            ),
        )
    ),
    "a-redirect-to-another-path": Report((Answer(b"", 308, (("Location", "/v2/tasks/{name}"),)), done())),
    "a-placeholder-first": Report((done(),), (film(PNG, kind="image/png"), film(PNG), film())),
    "prose-first": Report((done(),), (film(b"Your video is still being prepared, come back later"), film())),
    "a-compressed-film": Report((done(),), (film(gzip.compress(FILM), Content_Encoding="gzip"),)),
    "a-203": Report((done(),), (film(status=203),)),
    "a-whole-206": Report((done(),), (film(status=206, Content_Range=f"bytes 0-{len(FILM) - 1}/{len(FILM)}"),)),
    "a-link-signed-as-it-is": Report(
        (done("{url}/files/{name}.mp4?a=%7E%2f+x&X-Amz-Signature=a%2Bb~c&b={}"),),
        (
            Answer(
                FILM, 200, (("Content-Type", "video/mp4"),), "/files/{name}.mp4?a=%7E%2f+x&X-Amz-Signature=a%2Bb~c&b={}"
            ),
        ),
    ),
    "a-dead-extra": Report((done(extra_url="{url}/files/nothing.mp4"),)),
    "a-playlist-alone": Report((done("{url}/files/{name}.m3u8"),), stored=False),
    "failed-with-an-audit-log": Report(
        (says("failed", error="could not write the audit log"),), ends="failed", category="provider"
    ),
}


@dataclass
class Host:
    """Serves all reports: answers at /v1 and /v2, files at /files. The last answer of a script repeats."""

    url: str = ""
    asked: dict[str, int] = field(default_factory=dict)
    keys: dict[str, set[str | None]] = field(default_factory=dict)
    lock: Lock = field(default_factory=Lock)

    def answer(self, target: str, key: str | None) -> Answer:
        folder, _, rest = target.lstrip("/").partition("/")
        name = next((each for each in sorted(REPORTS, key=len, reverse=True) if each in rest), "")
        if not name:
            return Answer(b"", 404)
        script = REPORTS[name].files if folder == "files" else REPORTS[name].answers
        with self.lock:
            place = f"{'files' if folder == 'files' else 'tasks'} {name}"
            number = self.asked.get(place, 0)
            self.asked[place] = number + 1
            self.keys.setdefault(place, set()).add(key)
        answer = script[min(number, len(script) - 1)]
        return answer if answer.exact in (None, target.replace(name, "{name}")) else Answer(b"", 403)


@pytest.fixture(scope="module")
def host() -> Iterator[Host]:
    host = Host()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            answer = host.answer(self.path, self.headers.get("authorization"))
            name = next((each for each in sorted(REPORTS, key=len, reverse=True) if each in self.path), "")
            body = answer.raw
            if not isinstance(answer.body, bytes):
                body = body.replace(b"{name}", name.encode()).replace(b"{url}", host.url.encode())
            self.send_response(answer.status)
            for header, value in answer.headers:
                self.send_header(header, value.replace("{name}", name))
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            """A test's output is for its failure."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    host.url = f"http://127.0.0.1:{server.server_port}"
    Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
    yield host
    server.shutdown()


@pytest.fixture(scope="module")
def followed(bridge: Bridge, host: Host) -> Host:
    """The host, when every report's task has been submitted."""
    bridge.cloud.edges.ledger.providers.put("reports", FILE.format(url=host.url))
    keys = json.dumps({**KEYS, "reports": KEY})
    bridge.cloud.client("secretsmanager").put_secret_value(
        SecretId=bridge.cloud.outputs["provider_secret"], SecretString=keys
    )
    for name in REPORTS:
        bridge.cloud.submit(provider="reports", task_id=name, expected_seconds=1)
    return host


@pytest.mark.slow
@pytest.mark.parametrize("name", REPORTS)
def test_a_reported_provider_loses_nobody_a_render(bridge: Bridge, followed: Host, name: str) -> None:
    """Each of these was told as failed, stored as something else, or not told for a day by some client."""
    report, ledger = REPORTS[name], bridge.cloud.edges.ledger

    def look() -> dict[str, Any] | None:
        try:
            data: dict[str, Any] = ledger.tasks.event(watch_id("reports", name)).data["data"]
        except NotFound:
            return None
        return data

    data = eventually(look, 240)
    category = data["error"]["category"] if data["error"] else None
    assert (data["status"], category) == (report.ends, report.category), data
    result = [asset for asset in data["assets"] if asset["role"] == "result"]
    assert [asset["stored"] for asset in result] == ([report.stored] if report.ends == "completed" else [])
    if result and report.stored:
        stored = bridge.cloud.client("s3").get_object(Bucket=result[0]["bucket"], Key=result[0]["key"])
        assert stored["Body"].read() == FILM


@pytest.mark.slow
def test_the_key_never_goes_with_a_link_that_is_signed(bridge: Bridge, followed: Host) -> None:
    """A link of the provider's own origin needs the key, unless it carries a signature of its own."""
    eventually(lambda: "files a-link-signed-as-it-is" in followed.keys and "files a-203" in followed.keys)
    assert followed.keys["files a-link-signed-as-it-is"] == {None}
    assert followed.keys["files a-203"] == {f"Bearer {KEY}"}
