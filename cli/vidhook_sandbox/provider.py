"""A sample provider: one server with the formats of all four providers, and tasks that follow a script.

It requires a key, knows only its own tasks, makes real MP4s, and can fail on purpose. Its answers are those of
events/providers/, with ids, times, progress and links filled in.
"""

import copy
import dataclasses
import hashlib
import hmac
import json
import re
import secrets
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cache
from typing import Any
from urllib.parse import parse_qs, quote, unquote, urlsplit

import click

from vidhook.providers.file import bundled_text
from vidhook.task import Status
from vidhook_sandbox import ROOT, leave_when_told
from vidhook_sandbox.loopback import Handler, Loopback
from vidhook_sandbox.media import Media, image, video

DAY = 86_400.0
STATUSES = ("pending", "not-started", "processing", "completed", "failed")  # names of samples with a status start so
FAILURES = ("html", "empty", "drop", "slow", "cut")


@dataclass(frozen=True)
class Fault:
    """One faulty answer. `kind` is an HTTP status, the name of a sample, or one of FAILURES."""

    kind: str
    retry_after: float | None = None
    seconds: float = 3.0


@dataclass
class SampleTask:
    """The script of one task, and what happened to it. POST /_sample/tasks takes the fields above `created`.

    `ends` is the sample of events/providers/<provider>/ that is sent after `seconds`: "completed", "failed",
    "completed-image" ... `faults` happen to the first polls, each once or `times` times: a status ("429" with
    `retry_after`, "500" ...), any sample ("bill-unpaid"), "html", "empty", "drop" (close the connection), or "slow"
    (wait `seconds`, then answer). "cut" happens to a download: half of the file, then the connection is closed.
    """

    provider: str
    task_id: str = ""
    seconds: float = 10.0
    queued_seconds: float | None = None  # None: a fifth of `seconds`
    ends: str = "completed"
    faults: list[dict[str, Any] | str] = field(default_factory=list)
    link_seconds: float | None = None  # None: as the provider documents it
    bytes: int = 0  # 0: as small as possible

    created: float = field(default_factory=time.time, init=False)
    polls: list[tuple[float, str]] = field(default_factory=list, init=False)  # (when, what was answered)
    downloads: list[float] = field(default_factory=list, init=False)
    planned: list[Fault] = field(default_factory=list, init=False)

    def __post_init__(self) -> None:
        if self.provider not in DIALECTS:
            raise ValueError(f"provider: there is no {self.provider!r}; there are {', '.join(DIALECTS)}")
        samples = _samples(self.provider)
        if self.ends not in samples:
            raise ValueError(f"ends: there is no sample {self.ends!r}; {self.provider} has {', '.join(samples)}")
        for name in ("seconds", "queued_seconds", "link_seconds", "bytes"):
            value = getattr(self, name)
            if value is not None and not isinstance(value, int | float):
                raise ValueError(f"{name}: {value!r} is not a number")
        self.task_id = self.task_id or DIALECTS[self.provider].id_prefix + secrets.token_hex(12)
        for given in self.faults:
            terms: dict[str, Any] = {"kind": given} if isinstance(given, str) else dict(given)
            times: int = terms.pop("times", 1)
            fault = Fault(**terms)
            if not (fault.kind.isdigit() or fault.kind in samples or fault.kind in FAILURES):
                raise ValueError(f"faults: {fault.kind!r} is not a status, a sample or {', '.join(FAILURES)}")
            self.planned += [fault] * times

    @property
    def done_at(self) -> float:
        return self.created + self.seconds

    @property
    def started_at(self) -> float:
        return self.created + (self.seconds / 5 if self.queued_seconds is None else self.queued_seconds)

    def phase(self, now: float) -> str:
        """Returns the name of the sample for an answer at `now`."""
        if now >= self.done_at:
            return self.ends
        return Status.PROCESSING if now >= self.started_at else Status.PENDING

    def progress(self, now: float, start: int = 0) -> int:
        """Returns the progress: from `start`, when the task starts, to 99 just before its end."""
        share = max(0.0, now - self.started_at) / max(self.done_at - self.started_at, 0.001)
        return start + int(share * (99 - start))

    def media(self, role: str = "result") -> Media:
        seed = f"{self.provider} {self.task_id} {role}"
        return image(seed) if "image" in self.ends else video(seed, self.bytes)

    def next_fault(self, *, download: bool) -> Fault | None:
        """Removes and returns the first planned fault of a download, or of a poll."""
        fault = next((fault for fault in self.planned if (fault.kind == "cut") is download), None)
        if fault:
            self.planned.remove(fault)
        return fault

    def report(self) -> dict[str, Any]:
        """Returns what GET /_sample/tasks shows of the task. Times are unix seconds."""
        shown: dict[str, Any] = {
            "provider": self.provider,
            "task_id": self.task_id,
            "ends": self.ends,
            "done_at": self.done_at,
            "polls": [{"at": at, "answer": answer} for at, answer in self.polls],
            "downloads": self.downloads,
        }
        if self.ends.startswith("completed"):
            shown |= {"sha256": self.media().sha256, "bytes": self.media().length}
        return shown


Link = Callable[[str], str]  # role -> the URL of the file
Fill = Callable[[dict[str, Any], SampleTask, float, Link], None]


@dataclass(frozen=True)
class Dialect:
    """One provider's format. `path` has a group for the task's id, and a second group that matches a download."""

    path: str
    key: str
    id_prefix: str
    link_seconds: float
    fill: Fill


def _fill_vicsee(body: dict[str, Any], task: SampleTask, now: float, link: Link) -> None:
    data = body["data"]
    data |= {"id": task.task_id, "createdAt": _iso(task.created)}
    if data["result"]:
        data["result"]["url"] = link("result")


def _fill_vibepeak(body: dict[str, Any], task: SampleTask, now: float, link: Link) -> None:
    body |= {"task_id": task.task_id, "created_at": _iso(task.created)}
    if "queue_position" in body:
        body["queue_position"] = 1 + int(3 * (1 - (now - task.created) / max(task.started_at - task.created, 0.001)))
    times = {"estimated_completion": task.done_at, "started_at": task.started_at, "completed_at": task.done_at}
    body |= {name: _iso(at) for name, at in times.items() if name in body}
    if body.get("result"):
        body["result"] |= {"video_url": link("result"), "expires_at": _iso(_expiry(task, now))}


def _fill_infinityblue(body: dict[str, Any], task: SampleTask, now: float, link: Link) -> None:
    body |= {"id": task.task_id, "created_at": int(task.created * 1000)}
    if body["status"] == "in_progress":
        body["progress"] = task.progress(now)
    times = {"completed_at": task.done_at, "expires_at": _expiry(task, now)}
    body |= {name: int(at * 1000) for name, at in times.items() if name in body}
    if (body.get("metadata") or {}).get("url"):
        body["metadata"]["url"] = link("result")


def _fill_alad(body: dict[str, Any], task: SampleTask, now: float, link: Link) -> None:
    data = body["data"]
    data |= {
        "task_id": task.task_id,
        "submit_time": int(task.created),
        "start_time": int(task.started_at) if now >= task.started_at else 0,
        "finish_time": int(task.done_at) if now >= task.done_at else 0,
    }
    if data["status"] == "IN_PROGRESS":
        data["progress"] = f"{task.progress(now, start=50)}%"
    if data.get("result_url"):
        data |= {"result_url": link("result"), "fail_reason": link("result")}
        upstream = "original" if data.get("original_result_url") else "result"
        if upstream == "original":
            data["original_result_url"] = link("original")
        if (data.get("data") or {}).get("content"):
            data["data"]["content"]["video_url"] = link(upstream)


DIALECTS = {
    "vicsee": Dialect(r"/api/v1/tasks/([^/]+)()", "sk-sample-vicsee", "task_", 365 * DAY, _fill_vicsee),
    "vibepeak": Dialect(r"/v1/tasks/([^/]+)()", "vpk_live_sample", "task_", 7 * DAY, _fill_vibepeak),
    "infinityblue": Dialect(r"/v1/videos/([^/]+)(/content)?", "sk-sample-blue", "video_", DAY, _fill_infinityblue),
    "alad": Dialect(r"/v1/video/generations/([^/]+)()", "sk-sample-alad", "asyntask_", DAY, _fill_alad),
}
KEYS = {name: dialect.key for name, dialect in DIALECTS.items()}


class SampleProvider:
    """All four providers at one port: each at `base_url(name)`, with the key KEYS[name]."""

    def __init__(self, port: int = 0) -> None:
        self._tasks: dict[tuple[str, str], SampleTask] = {}
        self._lock = threading.Lock()
        self._link_key = secrets.token_bytes(32)
        self._server = Loopback(type("ProviderHandler", (_Handler,), {"provider": self}), port)
        self.url = self._server.url

    def __enter__(self) -> "SampleProvider":
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def stop(self) -> None:
        self._server.stop()

    def base_url(self, name: str) -> str:
        return f"{self.url}/{name}"

    def add(self, provider: str, **script: Any) -> SampleTask:
        """Adds a task, which starts now; `script` has fields of SampleTask. Raises ValueError for a bad field."""
        known = [field.name for field in dataclasses.fields(SampleTask) if field.init]
        if unknown := set(script) - set(known):
            raise ValueError(f"{min(unknown)}: not a field of a sample task; these are: {', '.join(known)}")
        task = SampleTask(provider, **script)
        with self._lock:
            self._tasks[provider, task.task_id] = task
        return task

    def tasks(self) -> list[SampleTask]:
        with self._lock:
            return list(self._tasks.values())

    def find(self, provider: str, task_id: str) -> SampleTask | None:
        with self._lock:
            return self._tasks.get((provider, task_id))

    def link(self, task: SampleTask, role: str, expires: float) -> str:
        """Returns a link to a file of the task, which expires at `expires` (unix seconds)."""
        path = f"/files/{task.provider}/{quote(task.task_id, safe='')}/{role}"
        return f"{self.url}{path}?expires={int(expires)}&signature={self._signature(path, int(expires))}"

    def opens(self, path: str, query: str) -> bool:
        """Returns whether a link is one of ours and has not expired."""
        given = {name: values[0] for name, values in parse_qs(query).items()}
        expires = given.get("expires", "")
        if not expires.isdigit() or time.time() >= int(expires) + 1:
            return False
        return hmac.compare_digest(given.get("signature", ""), self._signature(path, int(expires)))

    def _signature(self, path: str, expires: int) -> str:
        return hmac.new(self._link_key, f"{path} {expires}".encode(), hashlib.sha256).hexdigest()


class _Handler(Handler):
    provider: SampleProvider

    def do_GET(self) -> None:  # noqa: N802 -- the base class's name
        url = urlsplit(self.path)
        if url.path == "/_sample/tasks":
            self._json(200, [task.report() for task in self.provider.tasks()])
        elif match := re.fullmatch(r"/files/([^/]+)/([^/]+)/([^/]+)", url.path):
            self._file(match[1], match[2], match[3], url.query)
        else:
            name, _, path = url.path[1:].partition("/")
            dialect = DIALECTS.get(name)
            match = re.fullmatch(dialect.path, f"/{path}") if dialect else None
            if dialect and match:
                self._dialect(name, dialect, match[1], content=bool(match[2]))
            else:
                self._json(404, {"error": {"message": f"no such path; the providers are at {', '.join(DIALECTS)}"}})

    def do_POST(self) -> None:  # noqa: N802 -- the base class's name
        body = self.read_body()
        if self.path != "/_sample/tasks":
            self._json(404, {"error": {"message": "tasks are made with POST /_sample/tasks"}})
            return
        try:
            task = self.provider.add(**json.loads(body))
        except (ValueError, TypeError) as error:
            self._json(400, {"error": {"message": str(error)}})
            return
        self._json(201, {"provider": task.provider, "task_id": task.task_id, "done_at": task.done_at})

    def _dialect(self, name: str, dialect: Dialect, task_id: str, *, content: bool) -> None:
        now = time.time()
        task = self.provider.find(name, unquote(task_id))
        if self.headers.get("Authorization") != f"Bearer {dialect.key}":
            if task:
                task.polls.append((now, "401"))
            self._sample(name, "key-refused")
        elif task is None:
            self._sample(name, "not-found")
        elif content:
            if task.phase(now).startswith("completed"):
                self._send(task, task.media())
            else:
                self._json(400, {"error": {"message": "the video is not ready"}})
        else:
            self._poll(dialect, task, now)

    def _poll(self, dialect: Dialect, task: SampleTask, now: float) -> None:
        fault = task.next_fault(download=False)
        if fault and fault.kind == "slow":
            time.sleep(fault.seconds)
            fault = None
        chosen = fault.kind if fault else task.phase(now)
        task.polls.append((now, chosen))
        headers = {"Retry-After": f"{fault.retry_after:.0f}"} if fault and fault.retry_after is not None else {}
        if chosen == "html":
            self.answer(502, b"<html><body><h1>502 Bad Gateway</h1></body></html>", {"Content-Type": "text/html"})
        elif chosen == "empty":
            self.answer(200)
        elif chosen == "drop":
            self.hang_up()
        elif chosen.isdigit():
            self._json(int(chosen), {"error": {"message": "try again later"}}, headers)
        elif not chosen.startswith(STATUSES):
            self._sample(task.provider, chosen, headers)
        else:
            body = copy.deepcopy(_samples(task.provider)[chosen]["body"])
            expires = _expiry(task, now)
            dialect.fill(body, task, now, lambda role: self.provider.link(task, role, expires))
            self._json(200, body)

    def _file(self, name: str, task_id: str, role: str, query: str) -> None:
        task = self.provider.find(name, unquote(task_id))
        if task is None or not self.provider.opens(urlsplit(self.path).path, query):
            # S3 and similar services answer like this to an expired link.
            message = b"<Error><Code>AccessDenied</Code><Message>Request has expired</Message></Error>"
            self.answer(403, message, {"Content-Type": "application/xml"})
        else:
            self._send(task, task.media(role))

    def _send(self, task: SampleTask, media: Media) -> None:
        task.downloads.append(time.time())
        cut = task.next_fault(download=True)
        self.send_response(200)
        self.send_header("Content-Type", media.content_type)
        self.send_header("Content-Length", str(media.length))
        self.end_headers()
        sent = 0
        for chunk in media.chunks():
            if cut and (sent := sent + len(chunk)) > media.length // 2:
                self.wfile.write(chunk[: len(chunk) // 2])
                self.hang_up()
                return
            self.wfile.write(chunk)

    def _sample(self, provider: str, name: str, headers: dict[str, str] | None = None) -> None:
        """Sends a recorded answer unchanged."""
        sample = _samples(provider)[name]
        body = json.dumps(sample["body"]) if "body" in sample else sample["text"]
        self.answer(
            sample["status"], body.encode(), {"Content-Type": sample["headers"]["content-type"], **(headers or {})}
        )

    def _json(self, status: int, body: object, headers: dict[str, str] | None = None) -> None:
        self.answer(status, json.dumps(body).encode(), {"Content-Type": "application/json", **(headers or {})})


def provider_files(provider: SampleProvider) -> dict[str, str]:
    """Returns the bundled provider files by name, as TOML text, with the address of the sample provider."""
    return {
        name: re.sub(r"(?m)^base_url\s*=.*$", f'base_url = "{provider.base_url(name)}"', bundled_text(name))
        for name in DIALECTS
    }


@cache
def _samples(provider: str) -> dict[str, dict[str, Any]]:
    """Returns the exchanges of events/providers/<provider>/ by file name without `.json`."""
    files = sorted((ROOT / "events" / "providers" / provider).glob("*.json"))
    return {file.stem: json.loads(file.read_text(encoding="utf-8"))["exchange"] for file in files}


def _expiry(task: SampleTask, now: float) -> float:
    """Returns when a link that is sent at `now` expires: providers sign new links for each answer."""
    seconds = DIALECTS[task.provider].link_seconds if task.link_seconds is None else task.link_seconds
    return now + seconds


def _iso(at: float) -> str:
    return datetime.fromtimestamp(at, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


@click.command()
@click.option(
    "--port",
    type=click.IntRange(0, 65_535),
    default=8470,
    show_default=True,
    help="Port on 127.0.0.1; 0 takes a free one.",
)
def sample_provider(port: int) -> None:
    """Runs a sample of all four providers, with tasks that follow your script."""
    leave_when_told()
    with SampleProvider(port) as provider:
        for name, key in KEYS.items():
            click.echo(f"{name:<13} {provider.base_url(name)}  key {key}")
        click.echo(f"new task      POST {provider.url}/_sample/tasks " + '{"provider": "alad", "seconds": 30}')
        click.echo(f"what was answered GET  {provider.url}/_sample/tasks")
        threading.Event().wait()
