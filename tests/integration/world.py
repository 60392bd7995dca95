"""A cloud in memory (moto), every edge wired to it, and one real server on loopback for all that is outside of AWS."""

import copy
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import TYPE_CHECKING, Any, cast

import boto3

from tests.events import check_event
from tests.integration.memory import Table, exceptions_of
from vidhook.cancel import cancel
from vidhook.create import CreateStep
from vidhook.edges.bus import Bus
from vidhook.edges.functions import Functions
from vidhook.edges.ledger import Ledger
from vidhook.edges.machines import Machines
from vidhook.event import Event
from vidhook.poll import Polled, poll
from vidhook.publish import Published, publish, publish_progress
from vidhook.redeliver import Redelivered, redeliver
from vidhook.retry import retry
from vidhook.store import STORE_SECONDS
from vidhook.submit import Submitted
from vidhook.task import Credentials, Delivery, Film, SigningSecret, Snapshot, Subscriber, TaskError, Watch
from vidhook.times import Clock
from vidhook.wiring import Edges

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

KEY = "key-5f0c8a"
DEFAULT_SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
MP4 = b"\x00\x00\x00\x18ftypmp42" + bytes(range(256)) * 40
REAL_FILES = Path(__file__).parents[1] / "unit" / "films"
REAL_MP4 = (REAL_FILES / "fragmented.mp4").read_bytes()
REAL_FILM = Film(2_328, 64, 48, has_audio=True)
PROVIDER = """
name = "acme"
base_url = "{base_url}"
path = "/tasks/{{task_id}}"
link_lives_seconds = 3600
[answer]
status = "status"
progress = "progress"
model = "model"
prompt = "prompt"
error = "error"
usage = "usage"
[create]
path = "/videos"
not_now = ["BUSY", 503]
[assets]
result = "url"
"""


@dataclass(frozen=True)
class Answer:
    """What the scripted server says once. `cut`: the line breaks after so many bytes of the body."""

    status: int = 200
    body: bytes = b""
    headers: dict[str, str] = field(default_factory=dict)
    cut: int | None = None
    announced: bool = True


@dataclass(frozen=True)
class Asked:
    method: str
    path: str
    headers: dict[str, str]
    body: bytes


class Web:
    """Answers each path with its script, front to back; the last answer repeats. Remembers who asked what.

    misfits: what was wrong with the events that went out to anybody, as webhooks or to the bus; a test fails by it.
    """

    def __init__(self) -> None:
        self.scripts: dict[str, list[Answer]] = {}
        self.asked: list[Asked] = []
        self.misfits: list[str] = []
        web = self

        class Handler(BaseHTTPRequestHandler):
            def answer(self) -> None:
                body = self.rfile.read(int(self.headers.get("content-length") or 0))
                headers = {name.lower(): value for name, value in self.headers.items()}
                web.asked.append(Asked(self.command, self.path, headers, body))
                if "webhook-id" in headers:
                    web.check(json.loads(body))
                script = web.scripts.get(self.path.partition("?")[0], [Answer(404)])
                answer = script.pop(0) if len(script) > 1 else script[0]
                self.send_response(answer.status)
                for name, value in answer.headers.items():
                    self.send_header(name, value)
                if answer.announced:
                    self.send_header("content-length", str(len(answer.body)))
                self.end_headers()
                self.wfile.write(answer.body[: answer.cut])

            do_GET = do_POST = do_PUT = do_DELETE = answer  # noqa: N815 - the names http.server calls

            def log_message(self, *_: object) -> None:
                """A test's output is for its failure."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()

    def script(self, path: str, *answers: Answer) -> str:
        """Sets a path's answers; gives its URL."""
        self.scripts[path] = list(answers)
        return self.url + path

    def to(self, path: str) -> list[Asked]:
        return [asked for asked in self.asked if asked.path == path]

    def check(self, event: Any, name: str = "event") -> None:
        """Notes what is wrong with an event that went out."""
        try:
            check_event(event, name)
        except AssertionError as error:
            self.misfits.append(str(error))

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()


def says(word: str, http: int = 200, headers: dict[str, str] | None = None, **more: Any) -> Answer:
    """What the provider "acme" says of a task: a status word and more."""
    body = json.dumps({"status": word, **more}).encode()
    return Answer(http, body, {"content-type": "application/json", **(headers or {})})


class FakeBus(Bus):
    """Remembers what was put on it. check: it is called with each event, and the name of its schema."""

    def __init__(self, check: Callable[[Any, str], None] = check_event) -> None:
        self.check = check
        self.events: list[Event] = []
        self.reports: list[tuple[str, dict[str, Any]]] = []

    def put(self, event: Event) -> None:
        self.check(event.data, "event")
        self.events.append(event)

    def report(self, detail_type: str, detail: dict[str, Any], at: float) -> None:
        self.check(detail, detail_type)
        self.reports.append((detail_type, detail))


class FakeMachines(Machines):
    """Remembers what was started, and which token was answered with what."""

    def __init__(self) -> None:
        self.started: dict[str, dict[str, Any]] = {}
        self.running: set[str] = set()
        self.failed: set[str] = set()
        self.answered: list[tuple[str, Event]] = []
        self.erased: list[str] = []
        self.stopped: list[str] = []

    def start_watch(self, execution: str, watch_id: str, pause: int, *, create: bool = False) -> bool:
        return self._remember(execution, {"watch": watch_id, "pause": pause, "create": create})

    def start_one_poll(self, execution: str, watch_id: str) -> bool:
        return self._remember(execution, {"watch": watch_id, "pause": 0, "once": True})

    def start_redelivery(self, delivery: Delivery, pause: int) -> bool:
        return self._remember(delivery.execution_name, delivery.execution_input(pause))

    def state_of_watch(self, execution: str) -> str | None:
        return "RUNNING" if execution in self.running else "FAILED" if execution in self.failed else None

    def answer(self, task_token: str, event: Event) -> bool:
        if task_token.startswith("theirs"):
            return False
        self.answered.append((task_token, event))
        return True

    def answer_erased(self, task_token: str) -> bool:
        self.erased.append(task_token)
        return True

    def stop_watch(self, execution: str) -> None:
        self.stopped.append(execution)

    def _remember(self, name: str, argument: dict[str, Any]) -> bool:
        return self.started.setdefault(name, argument) is argument


class FakeFunctions(Functions):
    """Remembers what the sweeper was told to erase."""

    def __init__(self) -> None:
        self.erased: list[str] = []

    def erase(self, watch_id: str) -> None:
        self.erased.append(watch_id)


def event_of(published: Published) -> Event:
    """The event of a publishing that came so far."""
    assert published.event is not None
    return published.event


def snapshot_of(watch: Watch) -> Snapshot:
    """The latest snapshot of a watch whose task was read."""
    assert watch.snapshot is not None
    return watch.snapshot


def error_of(watch: Watch) -> TaskError:
    """Why a watch's task failed."""
    error = snapshot_of(watch).error
    assert error is not None
    return error


class World(Edges):
    """The edges of a stack, its bus and state machines fakes; time is `now`, and `jitter` always 0.

    in_memory: its ledger is a dictionary and not moto's DynamoDB.
    """

    def __init__(self, web: Web, table: str, bucket: str, *, in_memory: bool = False) -> None:
        self.settings = {
            "TABLE": table,
            "BUCKET": bucket,
            "KEY": boto3.client("kms").create_key()["KeyMetadata"]["Arn"],
            "PROVIDER_SECRET": f"{table}/keys",
            "DEFAULT_SECRET": f"{table}/default",
            "ALLOWED_NETWORKS": "127.0.0.0/8",
            "DEFAULT_DEADLINE_SECONDS": "86400",
            "VIDEOS_URL": "https://videos.example/v1",
        }
        super().__init__(self.settings, clock=Clock(now=lambda: self.now, jitter=lambda: 0.0))
        if in_memory:
            kept = cast("DynamoDBClient", Table(exceptions_of("dynamodb"), lambda write: write(), lambda: None))
            vars(self)["ledger"] = Ledger(table, client=kept, clock=self.clock)
        self.web = web
        self.now = 1_777_287_600.0
        client = boto3.client("secretsmanager")
        client.create_secret(Name=f"{table}/keys", SecretString=json.dumps({"acme": KEY}))
        client.create_secret(Name=f"{table}/default", SecretString=DEFAULT_SECRET)
        self.ledger.providers.put("acme", PROVIDER.format(base_url=web.url))

    @cached_property
    def bus(self) -> FakeBus:
        return FakeBus(self.web.check)

    @cached_property
    def functions(self) -> FakeFunctions:
        return FakeFunctions()

    @cached_property
    def machines(self) -> FakeMachines:
        return FakeMachines()

    def but(self, **edges: Any) -> "World":
        """The same stack at the same time, with other edges in the places of some."""
        for name in ("ledger", "bucket", "http", "secrets", "bus", "machines"):
            getattr(self, name)  # those that are not replaced are the same ones
        other = copy.copy(self)
        # These are made anew, of other edges.
        bundles = ("creator", "eraser", "intake", "keys", "notifier", "pacer", "runs", "storage")
        other.__dict__ = {name: value for name, value in vars(self).items() if name not in bundles} | edges
        return other

    def put_key(self, key: str) -> None:
        boto3.client("secretsmanager").put_secret_value(
            SecretId=self.settings["PROVIDER_SECRET"], SecretString=json.dumps({"acme": key})
        )

    def subscribe(self, name: str, *answers: Answer, **fields: Any) -> Subscriber:
        """An active subscriber at /<name> that answers as scripted (200 without a script)."""
        url = self.web.script(f"/{name}", *(answers or (Answer(200, b"ok"),)))
        sealed = self.secrets.seal(f"sub_{name}", Credentials((SigningSecret(DEFAULT_SECRET),)))
        subscriber = Subscriber(f"sub_{name}", url, sealed, created_at=self.now, **fields)
        self.ledger.subscribers.put(subscriber)
        return subscriber

    def submit(self, task_id: str = "t1", **fields: Any) -> Submitted:
        return self.intake.submit({"provider": "acme", "task_id": task_id, **fields})

    def ask_for(self, **fields: Any) -> Submitted:
        """Submits a task that vidhook creates."""
        return self.intake.submit({"provider": "acme", "create": {"prompt": "a cat"}, "reference": "order-17"} | fields)

    def create(self, watch_id: str) -> CreateStep:
        return self.creator.create(watch_id)

    def poll(
        self, watch_id: str, execution: str | None = None, started_at: float | None = None, *, once: bool = False
    ) -> Polled:
        return poll(
            watch_id,
            execution=execution,
            started_at=started_at,
            once=once,
            ledger=self.ledger,
            http=self.http,
            keys=self.keys,
            clock=self.clock,
            pacer=self.pacer,
        )

    def wait(self, seconds: float) -> None:
        self.now += seconds

    def settle(self, *answers: Answer, task_id: str = "t1", **fields: Any) -> str:
        """Submits a task whose provider answers as scripted, and polls until it is settled; the watch's id."""
        self.web.script(f"/tasks/{task_id}", *answers)
        submitted = self.submit(task_id, **fields)
        self.wait(submitted.pause)
        for _ in range(50):
            polled = self.poll(submitted.watch.id)
            if polled.settled:
                return submitted.watch.id
            self.wait(polled.pause)
        raise AssertionError("the script never settles the task")

    def video(self, *answers: Answer) -> str:
        """A finished video's URL."""
        return self.web.script("/files/v.mp4", *(answers or (Answer(200, MP4, {"content-type": "video/mp4"}),)))

    def completed(self, **fields: Any) -> str:
        """The id of a watch whose task is completed with a good video."""
        return self.settle(says("completed", url=self.video()), **fields)

    def publish(
        self,
        watch_id: str,
        *,
        problem: TaskError | None = None,
        store: bool = True,
        seconds: float = STORE_SECONDS,
        again: bool = False,
        execution: str | None = None,
    ) -> Published:
        return publish(
            watch_id,
            problem=problem,
            storage=self.storage if store else None,
            machines=self.machines,
            notifier=self.notifier,
            seconds=seconds,
            again=again,
            execution=execution,
        )

    def cancel(self, watch_id: str) -> Watch:
        return cancel(watch_id, runs=self.runs)

    def retry(
        self, watch_id: str, deadline_seconds: int | None = None, params: Mapping[str, str] | None = None
    ) -> Watch:
        return retry(watch_id, deadline_seconds=deadline_seconds, params=params, runs=self.runs, pacer=self.pacer)

    def publish_progress(self, watch_id: str) -> Published:
        return publish_progress(watch_id, notifier=self.notifier)

    def redeliver(self, delivery: Delivery, waited_for: float = 0.0, run: int | None = None) -> Redelivered:
        return redeliver(
            delivery.watch_id,
            delivery.event_id,
            delivery.subscriber_id,
            delivery.run if run is None else run,
            waited_for=waited_for,
            notifier=self.notifier,
            runs=self.runs,
        )

    def forget_event(self, watch_id: str) -> None:
        """What DynamoDB does when the event's days are over; its watch is remembered for longer."""
        key = {"pk": {"S": watch_id}, "sk": {"S": "event"}}
        boto3.client("dynamodb").delete_item(TableName=self.ledger.table.name, Key=key)

    def delivery(self, published: Published, subscriber: Subscriber) -> Delivery:
        event = event_of(published)
        return self.ledger.deliveries.get(event.watch_id, event.id, subscriber.id)
