"""A sample provider: one server with the formats of eight providers, and tasks that follow a script.

It requires a key, creates tasks and knows only its own, makes real MP4s, and can fail on purpose. Its answers are those
of events/providers/, with ids, times, progress and links filled in.
"""

import base64
import copy
import dataclasses
import hashlib
import hmac
import json
import re
import secrets
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cache
from typing import Any
from urllib.parse import parse_qs, quote, unquote, urlsplit

import click

from vidhook.providers.file import bundled_text
from vidhook.task import Status
from vidhook_cli.show import as_json_option, tell
from vidhook_sandbox import ROOT, leave_when_told
from vidhook_sandbox.loopback import Handler, Loopback
from vidhook_sandbox.media import Media, image, video

HOUR, DAY = 3_600.0, 86_400.0
# The names of samples about a task start with its status; those of faults of the second request with SECOND.
STATUSES = ("pending", "queueing", "not-started", "processing", "completed", "failed", "cancelled", "aborted")
SECOND = "second-"
FAILURES = ("html", "empty", "drop", "slow", "cut")


@dataclass(frozen=True)
class Fault:
    """One faulty answer. `kind` is an HTTP status, the name of a sample, or one of FAILURES."""

    kind: str
    retry_after: float | None = None
    seconds: float = 3.0

    @property
    def befalls(self) -> str:
        """The kind of request that it happens to."""
        return "download" if self.kind == "cut" else "second" if self.kind.startswith(SECOND) else "poll"


@dataclass
class SampleTask:
    """The script of one task, and what happened to it. POST /_sample/tasks takes the fields above `created`.

    `ends` is the sample of events/providers/<provider>/ that is sent after `seconds`: "completed", "failed",
    "completed-image" ... `faults` happen to the first polls, each once or `times` times: a status ("429" with
    `retry_after`, "500" ...), any sample ("bill-unpaid"), "html", "empty", "drop" (close the connection), or "slow"
    (wait `seconds`, then answer). "cut" happens to a download: half of the file, then the connection is closed. The
    samples `second-...` happen to the second request of fal and MiniMax, which brings the link. `params` are what
    stands in the paths beside the id, such as fal's model; `own_id` is the caller's own id for it, as Kling takes one.
    """

    provider: str
    task_id: str = ""
    seconds: float = 10.0
    queued_seconds: float | None = None  # None: a fifth of `seconds`
    ends: str = "completed"
    faults: Sequence[dict[str, Any] | str] = ()
    link_seconds: float | None = None  # None: as the provider documents it
    bytes: int = 0  # 0: as small as possible
    params: Mapping[str, str] = field(default_factory=dict)
    own_id: str = ""

    created: float = field(default_factory=time.time, init=False)
    polls: list[tuple[float, str]] = field(default_factory=list, init=False)  # (when, what was answered)
    second: list[tuple[float, str]] = field(default_factory=list, init=False)  # as `polls`, to the second requests
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
        params = DIALECTS[self.provider].params
        if not isinstance(self.params, Mapping) or self.params.keys() - params.keys():
            raise ValueError(
                f"params: {self.params!r} does not fit; {self.provider} takes {', '.join(params) or 'none'}"
            )
        self.params = {**params, **self.params}
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

    def queue_position(self, now: float) -> int:
        """Returns its place in the queue: from 3 down to 1 just before it starts."""
        return 1 + int(3 * (1 - (now - self.created) / max(self.started_at - self.created, 0.001)))

    def cancel(self, now: float) -> bool:
        """Ends the task as cancelled. Returns whether it had not ended already."""
        if now >= self.done_at:
            return False
        self.ends, self.seconds = "cancelled", now - self.created
        return True

    @property
    def suffix(self) -> str:
        """What the names of its files end in."""
        return "png" if "image" in self.ends else "mp4"

    def media(self, role: str = "result") -> Media:
        seed = f"{self.provider} {self.task_id} {role}"
        return image(seed) if self.suffix == "png" else video(seed, self.bytes)

    def next_fault(self, of: str) -> Fault | None:
        """Removes and returns the first planned fault of a "poll", a "second" request or a "download"."""
        fault = next((fault for fault in self.planned if fault.befalls == of), None)
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
            "second": [{"at": at, "answer": answer} for at, answer in self.second],
            "downloads": self.downloads,
        }
        if self.ends.startswith("completed"):
            shown |= {"sha256": self.media().sha256, "bytes": self.media().length}
        return shown


Link = Callable[[str], str]  # role -> the URL of the file
# The answer's body, its task, the time, the links, and the provider's base URL -> nothing: the body is changed.
Fill = Callable[[dict[str, Any], SampleTask, float, Link, str], None]
Opens = Callable[[str, str], bool]  # the Authorization header, and the key -> whether it opens the API


def _bearer(sent: str, key: str) -> bool:
    return hmac.compare_digest(sent.encode(), f"Bearer {key}".encode())


def _plain_key(sent: str, key: str) -> bool:
    return hmac.compare_digest(sent.encode(), f"Key {key}".encode())


def _jwt(sent: str, key: str) -> bool:
    """Whether it is a JSON Web Token (RFC 7519) of a key ACCESS:SECRET, signed with the secret, and good now."""
    access, _, secret = key.partition(":")
    word, _, token = sent.partition(" ")
    signed, _, signature = token.rpartition(".")
    good = hmac.new(secret.encode(), signed.encode(), hashlib.sha256).digest()
    try:
        head, claims = (json.loads(_decoded(part)) for part in signed.split("."))
        is_signed = head["alg"] == "HS256" and hmac.compare_digest(_decoded(signature), good)
        is_now = claims["nbf"] <= time.time() < claims["exp"]
        is_ours = claims["iss"] == access
    except (ValueError, KeyError, TypeError):
        return False
    return word == "Bearer" and is_signed and is_now and is_ours


def _decoded(part: str) -> bytes:
    return base64.b64decode(part + "=" * (-len(part) % 4), altchars=b"-_", validate=True)


@dataclass(frozen=True)
class Dialect:
    """One provider's format.

    The requests are patterns of `METHOD /path?query`. The group `id` is the task's id; each other group is one of its
    `params`, which have these values by default. second: asks for the link of a completed task. content: downloads the
    file itself. A provider that has no such request has "". cancelled: the HTTP status and the word with which
    cancelling is answered, in time and too late; None: with the task.
    """

    key: str
    id_prefix: str
    link_seconds: float
    fill: Fill
    create: str
    poll: str
    second: str = ""
    content: str = ""
    cancel: str = ""
    cancelled: tuple[tuple[int, str], tuple[int, str]] | None = None
    params: Mapping[str, str] = field(default_factory=dict)
    opens: Opens = _bearer

    def wanted(self, request: str) -> tuple[str, str, dict[str, str]]:
        """Returns what a request is for, or "" if it fits none; the task's id; and the params in it."""
        for purpose in ("create", "poll", "second", "content", "cancel"):
            if match := re.fullmatch(getattr(self, purpose), request):
                found = {name: unquote(value) for name, value in match.groupdict().items()}
                return purpose, found.pop("id", ""), found
        return "", "", {}


def _fill_vicsee(body: dict[str, Any], task: SampleTask, now: float, link: Link, base: str) -> None:
    data = body["data"]
    data |= {"id": task.task_id, "createdAt": _iso(task.created)}
    if data["result"]:
        data["result"]["url"] = link("result")


def _fill_vibepeak(body: dict[str, Any], task: SampleTask, now: float, link: Link, base: str) -> None:
    body |= {"task_id": task.task_id, "created_at": _iso(task.created)}
    if "queue_position" in body:
        body["queue_position"] = task.queue_position(now)
    times = {"estimated_completion": task.done_at, "started_at": task.started_at, "completed_at": task.done_at}
    body |= {name: _iso(at) for name, at in times.items() if name in body}
    if body.get("result"):
        body["result"] |= {"video_url": link("result"), "expires_at": _iso(_expiry(task, now))}


def _fill_infinityblue(body: dict[str, Any], task: SampleTask, now: float, link: Link, base: str) -> None:
    body |= {"id": task.task_id, "created_at": int(task.created * 1000)}
    if body["status"] == "in_progress":
        body["progress"] = task.progress(now)
    times = {"completed_at": task.done_at, "expires_at": _expiry(task, now)}
    body |= {name: int(at * 1000) for name, at in times.items() if name in body}
    if (body.get("metadata") or {}).get("url"):
        body["metadata"]["url"] = link("result")


def _fill_alad(body: dict[str, Any], task: SampleTask, now: float, link: Link, base: str) -> None:
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


def _fill_fal(body: dict[str, Any], task: SampleTask, now: float, link: Link, base: str) -> None:
    if "request_id" in body:
        url = f"{base}/{task.params['model']}/requests/{quote(task.task_id, safe='')}"
        body |= {"request_id": task.task_id, "response_url": url}
        body |= {"status_url": f"{url}/status", "cancel_url": f"{url}/cancel"}
    if "queue_position" in body:
        body["queue_position"] = task.queue_position(now)
    files = [body["video"]] if "video" in body else body.get("images", [])  # of the second answer
    for role, file in zip(_roles(len(files)), files, strict=True):
        file["url"] = link(role)


def _fill_kling(body: dict[str, Any], task: SampleTask, now: float, link: Link, base: str) -> None:
    data = body["data"]
    data |= {"task_id": task.task_id, "created_at": int(task.created * 1000), "updated_at": int(now * 1000)}
    data["task_info"]["external_task_id"] = task.own_id
    videos = data["task_result"]["videos"]
    for role, video_ in zip(_roles(len(videos)), videos, strict=True):
        video_["url"] = link(role)
        if "watermark_url" in video_:
            video_["watermark_url"] = link("watermarked")


def _fill_minimax(body: dict[str, Any], task: SampleTask, now: float, link: Link, base: str) -> None:
    file_id = f"9{task.task_id}"
    if "task_id" in body:
        body |= {"task_id": task.task_id, "file_id": file_id if body["file_id"] else ""}
    elif "file" in body:  # in the second answer
        media = task.media()
        body["file"] |= {"file_id": file_id, "bytes": media.length, "created_at": int(task.done_at)}
        body["file"]["download_url"] = link("result")


def _fill_replicate(body: dict[str, Any], task: SampleTask, now: float, link: Link, base: str) -> None:
    url = f"{base}/v1/predictions/{quote(task.task_id, safe='')}"
    body |= {"id": task.task_id, "urls": {"get": url, "cancel": f"{url}/cancel"}}
    times = {"created_at": task.created, "started_at": task.started_at, "completed_at": task.done_at}
    body |= {name: _iso(at) for name, at in times.items() if body[name]}
    if isinstance(body["output"], list):
        body["output"] = [link(role) for role in _roles(len(body["output"]))]
    elif body["output"]:
        body["output"] = link("result")


def _roles(number: int) -> list[str]:
    """Returns the roles that vidhook gives to so many results of one task."""
    return ["result" if each == 1 else f"result-{each}" for each in range(1, number + 1)]


DIALECTS = {
    "vicsee": Dialect(
        key="sk-sample-vicsee",
        id_prefix="task_",
        link_seconds=365 * DAY,
        fill=_fill_vicsee,
        create="POST /api/v1/generate",
        poll="GET /api/v1/tasks/(?P<id>[^/]+)",
    ),
    "vibepeak": Dialect(
        key="vpk_live_sample",
        id_prefix="task_",
        link_seconds=7 * DAY,
        fill=_fill_vibepeak,
        create="POST /v1/real-estate/narrated-slideshow",
        poll="GET /v1/tasks/(?P<id>[^/]+)",
    ),
    "infinityblue": Dialect(
        key="sk-sample-blue",
        id_prefix="video_",
        link_seconds=DAY,
        fill=_fill_infinityblue,
        create="POST /v1/videos",
        poll="GET /v1/videos/(?P<id>[^/]+)",
        content="GET /v1/videos/(?P<id>[^/]+)/content",
    ),
    "alad": Dialect(
        key="sk-sample-alad",
        id_prefix="asyntask_",
        link_seconds=DAY,
        fill=_fill_alad,
        create="POST /v1/video/generations",
        poll="GET /v1/video/generations/(?P<id>[^/]+)",
    ),
    # What follows a model's name in the path where a task is created stands in none of the other paths.
    "fal": Dialect(
        key="sample-fal",
        id_prefix="",
        link_seconds=7 * DAY,
        fill=_fill_fal,
        create="POST /(?P<model>[^/]+/[^/]+)(?:/.+)?",
        poll="GET /(?P<model>[^/]+/[^/]+)/requests/(?P<id>[^/]+)/status",
        second="GET /(?P<model>[^/]+/[^/]+)/requests/(?P<id>[^/]+)",
        cancel="PUT /(?P<model>[^/]+/[^/]+)/requests/(?P<id>[^/]+)/cancel",
        cancelled=((202, "CANCELLATION_REQUESTED"), (400, "ALREADY_COMPLETED")),
        params={"model": "fal-ai/veo3"},
        opens=_plain_key,
    ),
    "kling": Dialect(
        key="sample-access:sample-secret",
        id_prefix="",
        link_seconds=30 * DAY,
        fill=_fill_kling,
        create="POST /v1/videos/(?P<kind>[a-z0-9-]+)",
        poll="GET /v1/videos/(?P<kind>[a-z0-9-]+)/(?P<id>[^/]+)",
        params={"kind": "text2video"},
        opens=_jwt,
    ),
    "minimax": Dialect(
        key="sk-sample-minimax",
        id_prefix="",
        link_seconds=9 * HOUR,
        fill=_fill_minimax,
        create="POST /v1/video_generation",
        poll=r"GET /v1/query/video_generation\?task_id=(?P<id>[^&]+)",
        second=r"GET /v1/files/retrieve\?file_id=9(?P<id>[^&]+)",
    ),
    "replicate": Dialect(
        key="r8_sample",
        id_prefix="",
        link_seconds=HOUR,
        fill=_fill_replicate,
        create="POST /v1/predictions",
        poll="GET /v1/predictions/(?P<id>[^/]+)",
        cancel="POST /v1/predictions/(?P<id>[^/]+)/cancel",
    ),
}
KEYS = {name: dialect.key for name, dialect in DIALECTS.items()}


STUMBLES: Sequence[dict[str, Any] | str] = ("500", "html", "empty", {"kind": "429", "retry_after": 10}, "drop")
# What a click in the console submits.
CLICKS: tuple[dict[str, Any], ...] = (
    {"label": "one that succeeds", "submission": {"provider": "alad", "task_id": "succeeds-{id}"}},
    {"label": "one that fails", "submission": {"provider": "vicsee", "task_id": "fails-{id}"}},
    {"label": "one that stumbles", "submission": {"provider": "infinityblue", "task_id": "stumbles-{id}"}},
)


class SampleProvider:
    """All of DIALECTS at one port: each at `base_url(name)`, with the key KEYS[name].

    With `any_task` it knows every task: one that was not added begins when it is first asked about, takes 3 s, and
    goes as its id begins: `fails-`, `stumbles-` (the faults STUMBLES come first), or well.
    """

    def __init__(self, port: int = 0, any_task: bool = False) -> None:
        self.any_task = any_task
        self._tasks: dict[tuple[str, str], SampleTask] = {}
        self._by_own_id: dict[tuple[str, str], SampleTask] = {}
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
            if task.own_id:
                self._by_own_id[provider, task.own_id] = task
        return task

    def tasks(self) -> list[SampleTask]:
        with self._lock:
            return list(self._tasks.values())

    def find(self, provider: str, task_id: str) -> SampleTask | None:
        """Returns a task by its id, or by the caller's own id for it."""
        with self._lock:
            return self._tasks.get((provider, task_id)) or self._by_own_id.get((provider, task_id))

    def link(self, task: SampleTask, role: str, expires: float) -> str:
        """Returns a link to a file of the task, which expires at `expires` (unix seconds)."""
        path = f"/files/{task.provider}/{quote(task.task_id, safe='')}/{role}.{task.suffix}"
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
        elif match := re.fullmatch(r"/files/([^/]+)/([^/]+)/([^/]+)\.(?:mp4|png)", url.path):
            self._file(match[1], match[2], match[3], url.query)
        else:
            self._asked(b"")

    def do_POST(self) -> None:  # noqa: N802 -- the base class's name
        body = self.read_body()
        try:
            if self.path == "/_sample/tasks":
                task = self.provider.add(**json.loads(body))
                self._json(201, {"provider": task.provider, "task_id": task.task_id, "done_at": task.done_at})
            else:
                self._asked(body)
        except (ValueError, TypeError) as error:
            self._json(400, {"error": {"message": str(error)}})

    def do_PUT(self) -> None:  # noqa: N802 -- the base class's name
        self._asked(self.read_body())

    def _asked(self, body: bytes) -> None:
        """Answers a request to one of the providers. Raises ValueError or TypeError for a bad body."""
        name, _, rest = self.path[1:].partition("/")
        dialect = DIALECTS.get(name)
        purpose, task_id, params = dialect.wanted(f"{self.command} /{rest}") if dialect else ("", "", {})
        if dialect is None or not purpose:
            message = f"no such path; the providers are at {', '.join(DIALECTS)}, and POST /_sample/tasks makes tasks"
            self._json(404, {"error": {"message": message}})
        elif not dialect.opens(self.headers.get("Authorization", ""), dialect.key):
            if task := self.provider.find(name, task_id):
                task.polls.append((time.time(), "401"))
            self._sample(name, "key-refused", task_id)
        elif purpose == "create":
            self._create(name, dialect, json.loads(body), params)
        elif task := self._known(name, task_id, params):
            self._about(task, dialect, purpose)
        else:
            self._sample(name, "not-found", task_id)

    def _known(self, name: str, task_id: str, params: dict[str, str]) -> SampleTask | None:
        task = self.provider.find(name, task_id)
        if task is None and self.provider.any_task:
            failed = next(sample for sample in _samples(name) if sample.startswith("failed"))
            return self.provider.add(
                name,
                task_id=task_id,
                params=params,
                seconds=3,
                ends=failed if task_id.startswith("fails-") else "completed",
                faults=STUMBLES if task_id.startswith("stumbles-") else (),
            )
        return task if task and params.items() <= task.params.items() else None

    def _about(self, task: SampleTask, dialect: Dialect, purpose: str) -> None:
        now = time.time()
        if purpose == "poll":
            self._poll(dialect, task, now)
        elif purpose == "cancel":
            self._cancel(dialect, task, now)
        elif now < task.done_at:
            self._json(400, {"error": {"message": "the video is not ready"}})
        elif purpose == "second":
            self._second(dialect, task, now)
        elif task.ends.startswith("completed"):
            self._send(task, task.media())
        else:
            self._json(404, {"error": {"message": "there is no video"}})

    def _create(self, name: str, dialect: Dialect, given: dict[str, Any], params: dict[str, str]) -> None:
        """Creates a task, as the provider does it; `sample` in the request has fields of SampleTask."""
        own_id = given.get("external_task_id", "")  # as Kling calls it
        task = self.provider.add(name, **{"seconds": 3, "params": params, "own_id": own_id, **given.get("sample", {})})
        self._json(200, self._filled(dialect, task, _samples(name)[Status.PENDING]["body"], time.time()))

    def _cancel(self, dialect: Dialect, task: SampleTask, now: float) -> None:
        in_time = task.cancel(now)
        if dialect.cancelled is None:
            body = _samples(task.provider)[task.ends]["body"]
            self._json(200, self._filled(dialect, task, body, now))
        else:
            status, word = dialect.cancelled[0 if in_time else 1]
            self._json(status, {"status": word})

    def _second(self, dialect: Dialect, task: SampleTask, now: float) -> None:
        fault = task.next_fault("second")
        chosen = fault.kind if fault else task.ends
        task.second.append((now, chosen))
        answer = _samples(task.provider)[chosen].get("second")
        if answer is None:
            self._json(404, {"error": {"message": "there is no video"}})
        else:
            self._json(answer["status"], self._filled(dialect, task, answer["body"], now))

    def _poll(self, dialect: Dialect, task: SampleTask, now: float) -> None:
        fault = task.next_fault("poll")
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
        elif not chosen.startswith((*STATUSES, SECOND)):
            self._sample(task.provider, chosen, task.task_id, headers)
        else:
            sample = _samples(task.provider)[chosen]
            self._json(sample["status"], self._filled(dialect, task, sample["body"], now))

    def _filled(self, dialect: Dialect, task: SampleTask, sample: dict[str, Any], now: float) -> dict[str, Any]:
        """Returns the body of a sample with what is so of this task."""
        body, expires = copy.deepcopy(sample), _expiry(task, now)
        base = self.provider.base_url(task.provider)
        dialect.fill(body, task, now, lambda role: self.provider.link(task, role, expires), base)
        return body

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
        cut = task.next_fault("download")
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

    def _sample(self, provider: str, name: str, task_id: str, headers: dict[str, str] | None = None) -> None:
        """Sends a recorded answer unchanged, but for the task's id: MiniMax repeats the one that it was asked about."""
        sample = _samples(provider)[name]
        body = sample.get("body", {})
        own = {"task_id": task_id} if "task_id" in body else {}
        content = json.dumps(body | own) if "body" in sample else sample["text"]
        self.answer(
            sample["status"], content.encode(), {"Content-Type": sample["headers"]["content-type"], **(headers or {})}
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
@as_json_option
def sample_provider(port: int, as_json: bool) -> None:
    """Runs a sample of eight providers, with tasks that follow your script."""
    leave_when_told()
    with SampleProvider(port) as provider:
        tasks = f"{provider.url}/_sample/tasks"
        samples = {name: {"base_url": provider.base_url(name), "key": key} for name, key in KEYS.items()}
        said = [f"{name:<13} {sample['base_url']}  key {sample['key']}" for name, sample in samples.items()]
        said += [f"new task      POST {tasks} with " + '`{"provider": "alad", "seconds": 30}`']
        said += [f"what was answered GET  {tasks}"]
        tell({"tasks_url": tasks, "providers": samples}, "\n".join(said), as_json)
        threading.Event().wait()
