"""A cloud in memory (moto), every job wired to it, and one real server on loopback for all that is outside of AWS."""

import json
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any

import boto3

from vidhook.edges.bucket import Bucket
from vidhook.edges.http import Http
from vidhook.edges.ledger import Ledger
from vidhook.edges.secrets import Secrets
from vidhook.event import Event
from vidhook.links import video_link
from vidhook.poll import Polled, poll
from vidhook.publish import Published, publish, publish_progress
from vidhook.redeliver import Redelivered, redeliver
from vidhook.submit import Submitted, submit
from vidhook.task import Delivery, SigningSecret, Subscriber

KEY = "key-5f0c8a"
DEFAULT_SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
MP4 = b"\x00\x00\x00\x18ftypmp42" + bytes(range(256)) * 40
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
    """Answers each path with its script, front to back; the last answer repeats. Remembers who asked what."""

    def __init__(self) -> None:
        self.scripts: dict[str, list[Answer]] = {}
        self.asked: list[Asked] = []
        web = self

        class Handler(BaseHTTPRequestHandler):
            def answer(self) -> None:
                body = self.rfile.read(int(self.headers.get("content-length") or 0))
                headers = {name.lower(): value for name, value in self.headers.items()}
                web.asked.append(Asked(self.command, self.path, headers, body))
                script = web.scripts.get(self.path.partition("?")[0], [Answer(404)])
                answer = script.pop(0) if len(script) > 1 else script[0]
                self.send_response(answer.status)
                for name, value in answer.headers.items():
                    self.send_header(name, value)
                if answer.announced:
                    self.send_header("content-length", str(len(answer.body)))
                self.end_headers()
                self.wfile.write(answer.body[: answer.cut])

            do_GET = do_POST = answer  # noqa: N815 - the names http.server calls

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

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()


def says(word: str, http: int = 200, headers: dict[str, str] | None = None, **more: Any) -> Answer:
    """What the provider "acme" says of a task: a status word and more."""
    body = json.dumps({"status": word, **more}).encode()
    return Answer(http, body, {"content-type": "application/json", **(headers or {})})


class FakeBus:
    """Remembers what was put on it."""

    def __init__(self) -> None:
        self.events: list[Event] = []
        self.reports: list[tuple[str, dict[str, Any]]] = []

    def tell(self, event: Event) -> None:
        self.events.append(event)

    def report(self, detail_type: str, detail: dict[str, Any], at: float) -> None:
        self.reports.append((detail_type, detail))


class FakeMachines:
    """Remembers what was started, and which token was answered with what."""

    def __init__(self) -> None:
        self.started: dict[str, dict[str, Any]] = {}
        self.answered: list[tuple[str, Event]] = []

    def start(self, machine_arn: str, name: str, argument: dict[str, Any]) -> bool:
        return self.started.setdefault(name, argument) is argument

    def answer(self, task_token: str, event: Event) -> bool:
        if task_token.startswith("theirs"):
            return False
        self.answered.append((task_token, event))
        return True


class World:
    """Every job, wired to one ledger, one bucket and one clock; `jitter` is always 0."""

    def __init__(self, web: Web, table: str, bucket: str) -> None:
        self.web = web
        self.now = 1_777_287_600.0
        self.ledger = Ledger(table)
        self.bucket = Bucket(bucket)
        self.http = Http(allowed_networks=("127.0.0.0/8",))
        self.bus, self.machines = FakeBus(), FakeMachines()
        client = boto3.client("secretsmanager")
        client.create_secret(Name=f"{table}/keys", SecretString=json.dumps({"acme": KEY}))
        client.create_secret(Name=f"{table}/default", SecretString=DEFAULT_SECRET)
        self.prefix = table
        self.secrets = Secrets(
            provider_secret=f"{table}/keys", default_secret=f"{table}/default", clock=lambda: self.now
        )
        self.ledger.put_provider_file("acme", PROVIDER.format(base_url=web.url))

    def clock(self) -> float:
        return self.now

    def put_key(self, key: str) -> None:
        boto3.client("secretsmanager").put_secret_value(
            SecretId=f"{self.prefix}/keys", SecretString=json.dumps({"acme": key})
        )

    def subscribe(self, name: str, *answers: Answer, **fields: Any) -> Subscriber:
        """An active subscriber at /<name> that answers as scripted (200 without a script)."""
        url = self.web.script(f"/{name}", *(answers or (Answer(200, b"ok"),)))
        secret_name = f"{self.prefix}/subscriber/{name}"
        version = self.secrets.put_signing(secret_name, (SigningSecret(DEFAULT_SECRET),))
        subscriber = Subscriber(f"sub_{name}", url, secret_name, version, created_at=self.now, **fields)
        self.ledger.put_subscriber(subscriber)
        return subscriber

    def submit(self, task_id: str = "t1", **fields: Any) -> Submitted:
        return submit(
            {"provider": "acme", "task_id": task_id, **fields},
            ledger=self.ledger,
            http=self.http,
            machines=self.machines,  # type: ignore[arg-type]
            watch_arn="arn:watch",
            default_deadline=86_400,
            now=self.now,
            jitter=0.0,
        )

    def poll(self, watch_id: str, execution: str | None = None) -> Polled:
        return poll(
            watch_id,
            execution=execution,
            ledger=self.ledger,
            http=self.http,
            secrets=self.secrets,
            now=self.clock,
            jitter=0.0,
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

    def publish(self, watch_id: str, **arguments: Any) -> Published:
        edges = {
            "ledger": self.ledger,
            "bucket": self.bucket,
            "http": self.http,
            "secrets": self.secrets,
            "bus": self.bus,
            "machines": self.machines,
        }
        return publish(
            watch_id,
            link=lambda key: video_link("https://videos.example/v1", DEFAULT_SECRET, key),
            now=self.clock,
            jitter=lambda: 0.0,
            **{**edges, **arguments},
        )

    def publish_progress(self, watch_id: str, **arguments: Any) -> Published:
        edges = {"ledger": self.ledger, "http": self.http, "secrets": self.secrets, "bus": self.bus}
        return publish_progress(watch_id, now=self.clock, jitter=lambda: 0.0, **{**edges, **arguments})

    def redeliver(self, delivery: Delivery, waited_for: float = 0.0, run: int | None = None) -> Redelivered:
        return redeliver(
            delivery.watch_id,
            delivery.event_id,
            delivery.subscriber_id,
            delivery.run if run is None else run,
            waited_for=waited_for,
            ledger=self.ledger,
            http=self.http,
            secrets=self.secrets,
            bus=self.bus,  # type: ignore[arg-type]
            now=self.now,
            jitter=0.0,
        )

    def forget_event(self, watch_id: str) -> None:
        """What DynamoDB does when the event's days are over; its watch is remembered for longer."""
        key = {"pk": {"S": watch_id}, "sk": {"S": "event"}}
        boto3.client("dynamodb").delete_item(TableName=self.ledger.table, Key=key)

    def delivery(self, published: Published, subscriber: Subscriber) -> Delivery:
        assert published.event is not None
        return self.ledger.delivery(published.event.watch_id, published.event.id, subscriber.id)
