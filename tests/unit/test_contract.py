"""What the outside world relies on: the webhooks of events/webhooks, the ways in of events/submit, docs/events.md.

`python tests/unit/test_contract.py` writes events/webhooks anew, when what subscribers receive is meant to change.
"""

import hashlib
import json
import re
import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from types import ModuleType
from typing import Any
from unittest import mock

import botocore.session
import jmespath
import pytest
from botocore.validate import ParamValidator
from cfnlint.api import lint
from jsonata import Jsonata
from standardwebhooks import Webhook, WebhookVerificationError

import serve_api
import submit_task
from tests import typed
from tests.integration.gateway import Context
from vidhook import __version__
from vidhook.deliver import JITTER, PAUSES, attempt
from vidhook.edges.http import Http, Response
from vidhook.event import Event, progress_event, terminal_event
from vidhook.event import test_event as event_of_test
from vidhook.links import video_link
from vidhook.providers.file import bundled
from vidhook.providers.reading import read
from vidhook.signature import webhook_headers
from vidhook.store import key_of
from vidhook.submission import check
from vidhook.submit import Intake, Submitted
from vidhook.task import (
    EVENT_TYPES,
    Category,
    Credentials,
    Delivery,
    Film,
    NotStored,
    Poll,
    SigningSecret,
    Snapshot,
    Source,
    StoredFile,
    Submission,
    Subscriber,
    Watch,
)
from vidhook.times import Clock, instant
from vidhook.wiring import Edges

ROOT = Path(__file__).parents[2]
WEBHOOKS = ROOT / "events" / "webhooks"
SUBMIT = ROOT / "events" / "submit"

# "vidhook sample secret (32 bytes)" and "vidhook sample secret, before it" in base64; nobody uses them.
SECRET = "whsec_dmlkaG9vayBzYW1wbGUgc2VjcmV0ICgzMiBieXRlcyk="
OLD_SECRET = "whsec_dmlkaG9vayBzYW1wbGUgc2VjcmV0LCBiZWZvcmUgaXQ="
SECRETS = {"secret": SECRET, "old-secret": OLD_SECRET}
POSTER = "https://cdn.vibepeak.ai/videos/task_abc123xyz.jpg"
VIDEOS_URL = "https://a1b2c3d4e5.execute-api.us-east-1.amazonaws.com/v1/videos"


# -------------------------------------------------------------------------------------------- events/webhooks


def watched(provider: str, answer: str) -> tuple[Watch, Snapshot, float]:
    """Returns the watch of a recorded answer, its snapshot, and when it was read (unix seconds)."""
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
        Submission(provider, task_id, metadata={"order": "17"}, reference="order-17"),
        submitted_at=now - age,
        polls=2 + int(age) // 20,
        history=(Poll(now - 12, "processing", pause=12), Poll(now, str(reading.snapshot.status))),
        snapshot=reading.snapshot,
        detected_at=now,
    )
    return watch, reading.snapshot, now


def stored_file(watch: Watch, source: Source) -> StoredFile:
    """Returns a file in the bucket, as publishing makes it."""
    key = key_of(watch, source)
    films = {"video": Film(5_042, 1280, 720, has_audio=True), "image": Film(width=1024, height=1024)}
    return StoredFile(
        "vidhook-bucket-1x2y3z4example",
        key,
        {"video": "video/mp4", "image": "image/png"}[source.type],
        8_123_456,
        hashlib.sha256(key.encode()).hexdigest(),
        video_link(VIDEOS_URL, SECRET, key),
        films[source.type],
    )


def ended(provider: str, answer: str, *, stored: bool = True) -> Event:
    """Returns the terminal event of a recorded answer, two seconds after it was read."""
    watch, snapshot, now = watched(provider, answer)
    files = {source.role: stored_file(watch, source) for source in snapshot.sources} if stored else {}
    reasons = {source.role: NotStored("status", "the link answers 403") for source in snapshot.sources}
    return terminal_event(watch, snapshot, files, now + 2, reasons)


def with_poster() -> Event:
    """Returns the terminal event of a film beside which the answer has a poster."""
    watch, snapshot, now = watched("vibepeak", "completed")
    (film,) = snapshot.sources
    snapshot = replace(snapshot, sources=(film, replace(film, role="poster", type="image", url=POSTER)))
    return terminal_event(watch, snapshot, {each.role: stored_file(watch, each) for each in snapshot.sources}, now + 2)


def on_the_way(provider: str, answer: str) -> Event:
    watch, snapshot, now = watched(provider, answer)
    return progress_event(watch, snapshot, now + 1)


def endpoint_test() -> Event:
    with mock.patch("vidhook.event.randomness.token_hex", return_value="a sample"):
        return event_of_test("sub_7q3w5e", 1_777_288_000)


SAMPLES: Mapping[str, tuple[Event, tuple[str, ...]]] = {
    "video.completed-alad": (ended("alad", "completed"), (SECRET,)),
    "video.completed-alad-two-videos": (ended("alad", "completed-super-resolution"), (SECRET,)),
    "video.completed-infinityblue": (ended("infinityblue", "completed"), (SECRET,)),
    "video.completed-vibepeak": (ended("vibepeak", "completed"), (SECRET,)),
    "video.completed-vicsee": (ended("vicsee", "completed"), (SECRET,)),
    "video.completed-with-poster": (with_poster(), (SECRET,)),
    "video.completed-while-rotating": (ended("vicsee", "completed"), (SECRET, OLD_SECRET)),
    "video.completed-not-stored": (ended("vibepeak", "completed", stored=False), (SECRET,)),
    "video.failed": (ended("alad", "failed-content-policy"), (SECRET,)),
    "video.progress": (on_the_way("infinityblue", "processing"), (SECRET,)),
    "image.completed": (ended("vicsee", "completed-image"), (SECRET,)),
    "endpoint.test": (endpoint_test(), (SECRET,)),
}


class Recorder(Http):
    """Remembers what would have been sent, and answers 200."""

    def __init__(self) -> None:
        self.headers: Mapping[str, str] = {}
        self.body = b""

    def send(
        self, method: str, url: str, *, headers: Mapping[str, str] | None = None, body: bytes = b"", **_: Any
    ) -> Response:
        self.headers, self.body = headers or {}, body
        return Response(200, {}, b"", url, None, None, {})


def sent(event: Event, secrets: tuple[str, ...]) -> dict[str, bytes]:
    """Returns the files of one sample: the body, and the headers one a line, as curl takes them with -H @headers."""
    http = Recorder()
    subscriber = Subscriber("sub_1", "https://hooks.example.com/vidhook")
    delivery = Delivery(event.id, event.watch_id, subscriber.id, event.type, event.at)
    credentials = Credentials(tuple(map(SigningSecret, secrets)))
    attempt(event, delivery, subscriber, credentials, http=http, clock=Clock(lambda: event.at, lambda: 0.0))
    headers = {**http.headers, "user-agent": f"vidhook/{__version__}"}
    return {
        "body.json": http.body,
        "headers": "".join(f"{name}: {value}\n" for name, value in sorted(headers.items())).encode(),
    }


def webhook_files() -> dict[str, bytes]:
    """Returns every file of events/webhooks and what must be in it."""
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
        """People write receivers with these files, so a difference is a change of the contract."""
        assert (WEBHOOKS / name).read_bytes() == webhook_files()[name]

    def test_there_is_no_sample_that_nobody_checks(self) -> None:
        """A file that no code writes would stay the same when the code changes."""
        found = {str(path.relative_to(WEBHOOKS)) for path in WEBHOOKS.rglob("*") if path.is_file()}
        assert found == set(webhook_files())

    @pytest.mark.parametrize("name", SAMPLES)
    @pytest.mark.parametrize("secret", SECRETS.values())
    def test_a_sample_verifies_with_each_secret_it_was_signed_with_and_no_other(self, name: str, secret: str) -> None:
        """Many receivers verify with the reference implementation of Standard Webhooks."""
        headers, body = headers_of(name), (WEBHOOKS / name / "body.json").read_text()
        at = datetime.fromtimestamp(int(headers["webhook-timestamp"]), UTC)
        signature = Webhook(secret).sign(headers["webhook-id"], at, body)
        assert (signature in headers["webhook-signature"].split()) == (secret in SAMPLES[name][1])

    @pytest.mark.parametrize("name", SAMPLES)
    def test_the_webhook_id_is_the_id_in_the_body(self, name: str) -> None:
        """A receiver may use either of them to deduplicate."""
        body = json.loads((WEBHOOKS / name / "body.json").read_bytes())
        assert body["id"] == headers_of(name)["webhook-id"]
        assert body["type"] == name.partition("-")[0]

    def test_there_is_a_finished_video_of_several_providers(self) -> None:
        """Their facts differ (times, posters, links that expire), and the author of a receiver looks at all of them."""
        finished = {event.provider for event, _ in SAMPLES.values() if event.type == "video.completed"}
        assert {"alad", "infinityblue", "vibepeak", "vicsee"} <= finished <= set(bundled())


# ---------------------------------------------------------------------------------------------- events/submit


def sample(name: str) -> Any:
    return json.loads((SUBMIT / name).read_text())


def filled(template: str, event: Mapping[str, Any], paths: Mapping[str, str] | None = None) -> Any:
    """Returns what EventBridge makes of an input template: it writes JSON values for <name> or <$.path>."""
    return json.loads(
        re.sub(
            "<([^>]+)>",
            lambda match: json.dumps(jmespath.search((paths or {}).get(match[1], match[1]).removeprefix("$."), event)),
            template,
        )
    )


def evaluated(value: Any, states: Mapping[str, Any]) -> Any:
    """Returns a state's Arguments with every {% JSONata %} in them replaced by its value."""
    if isinstance(value, dict):
        return {key: evaluated(item, states) for key, item in value.items()}
    if isinstance(value, list):
        return [evaluated(item, states) for item in value]
    if isinstance(value, str) and value.startswith("{%"):
        expression = Jsonata(value.removeprefix("{%").removesuffix("%}"))
        frame = expression.create_frame()
        frame.bind("states", states)
        return expression.evaluate(None, frame)
    return value


def arguments(name: str) -> Any:
    """Returns what the first state of a sample machine passes on, for an order with a task."""
    machine = sample(name)
    states = {
        "input": {"provider": "alad", "task_id": "asyntask_1", "order": "17"},
        "context": {"Task": {"Token": "AQCEAAAAKgAAAAMAAAAA"}},
    }
    return evaluated(machine["States"][machine["StartAt"]]["Arguments"], states)


def from_s3() -> Any:
    template = sample("s3.template.json")
    (target,) = template["Resources"]["Rule"]["Properties"]["Targets"]
    transformer = target["InputTransformer"]
    text = transformer["InputTemplate"]["Fn::Sub"].replace("${Provider}", template["Parameters"]["Provider"]["Default"])
    event = {"detail": {"bucket": {"name": "tasks"}, "object": {"key": "asyntask_1", "size": 0}}}
    return filled(text, event, transformer["InputPathsMap"])


def from_pipe() -> Any:
    image = {"id": {"S": "1"}, "order": {"S": "17"}, "provider": {"S": "alad"}, "task_id": {"S": "asyntask_1"}}
    record = {"eventName": "INSERT", "dynamodb": {"NewImage": image}}
    return filled(sample("pipes.json")["TargetParameters"]["InputTemplate"], record)


def from_iot() -> Any:
    """Returns what the rule selects from a device's message; AWS IoT SQL knows more than these two forms."""
    message: dict[str, Any] = {"task_id": "asyntask_1", "metadata": {"device": "cam-4"}, "battery": 81}
    selected = re.fullmatch("SELECT (.+) FROM '.+'", sample("iot-rule.json")["topicRulePayload"]["sql"])
    assert selected
    found: dict[str, Any] = {}
    for term in selected[1].split(", "):
        literal = re.fullmatch("'(.+)' AS (.+)", term)
        found |= {literal[2]: literal[1]} if literal else {term: message[term]}
    return found


def bodies(name: str) -> list[Any]:
    return [json.loads(record["body"]) for record in sample(name)["Records"]]


# Every way in, and the submissions that it brings.
WAYS: Mapping[str, Callable[[], list[Any]]] = {
    "direct.json": lambda: [sample("direct.json")],
    "create.json": lambda: [sample("create.json")],
    "state-machine.json": lambda: [sample("state-machine.json")["submission"]],
    "eventbridge.json": lambda: [sample("eventbridge.json")["detail"]],
    "eventbridge-entry.json": lambda: [json.loads(entry["Detail"]) for entry in sample("eventbridge-entry.json")],
    "sqs.json": lambda: bodies("sqs.json"),
    "sqs-from-sns.json": lambda: [json.loads(body["Message"]) for body in bodies("sqs-from-sns.json")],
    "s3.template.json": lambda: [from_s3()],
    "iot-rule.json": lambda: [from_iot()],
    "scheduler.json": lambda: [json.loads(sample("scheduler.json")["Target"]["Input"])],
    "pipes.json": lambda: [from_pipe()],
    "http.json": lambda: [json.loads(sample("http.json")["body"])],
    "step-functions-nested.asl.json": lambda: [arguments("step-functions-nested.asl.json")["Input"]],
    "step-functions-callback-queue.asl.json": lambda: [
        arguments("step-functions-callback-queue.asl.json")["MessageBody"]
    ],
    "step-functions-callback-bus.asl.json": lambda: [
        entry["Detail"] for entry in arguments("step-functions-callback-bus.asl.json")["Entries"]
    ],
    "step-functions-callback-function.asl.json": lambda: [
        arguments("step-functions-callback-function.asl.json")["Payload"]
    ],
}
MACHINES = [name for name in WAYS if name.endswith(".asl.json")]


class TestWaysIn:
    @pytest.mark.parametrize("name", WAYS)
    def test_every_submission_inside_is_accepted(self, name: str) -> None:
        """People copy these samples, so vidhook must accept them."""
        submissions = WAYS[name]()
        assert submissions
        for raw in submissions:
            submission = check(raw, 86_400).submission
            assert submission.provider in bundled()

    def test_there_is_no_sample_that_nobody_checks(self) -> None:
        """Whoever adds a way in must add its submission to these tests."""
        assert {path.name for path in SUBMIT.iterdir()} == set(WAYS)

    @pytest.mark.parametrize(
        ("name", "function"),
        [
            ("direct.json", submit_task),
            ("create.json", submit_task),
            ("state-machine.json", submit_task),
            ("eventbridge.json", submit_task),
            ("sqs.json", submit_task),
            ("sqs-from-sns.json", submit_task),
            ("http.json", serve_api),
        ],
    )
    def test_its_function_finds_the_submissions_inside(
        self, name: str, function: ModuleType, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """The function unwraps the message of each service, and answers in the form that the service expects."""
        found = []

        def submit(_: Intake, raw: Any, execution: str | None = None) -> Submitted:
            found.append(raw)
            return Submitted(Watch(check(raw, 86_400).submission, 0.0), created=True, pause=20)

        edges = Edges({"TABLE": "ledger", "DEFAULT_DEADLINE_SECONDS": "86400"}, client=lambda _: mock.Mock())
        monkeypatch.setattr(function, "edges", lambda: edges)
        monkeypatch.setattr(Intake, "submit", submit)
        answer = function.handler(sample(name), Context())
        assert found == WAYS[name]()
        assert answer.get("batchItemFailures", []) == []
        assert answer.get("statusCode", 202) == 202

    @pytest.mark.parametrize("name", [name for name in MACHINES if "callback" in name])
    def test_a_callback_submits_its_token_and_waits_longer_than_the_deadline(self, name: str) -> None:
        """Without the token the execution gets no answer, and with a shorter timeout the answer comes too late."""
        (raw,) = WAYS[name]()
        token = check(raw, 86_400).token
        assert token == "AQCEAAAAKgAAAAMAAAAA"
        assert sample(name)["States"]["Wait for video"]["TimeoutSeconds"] > 86_400

    @pytest.mark.parametrize("name", MACHINES)
    def test_every_state_of_a_machine_is_reached_and_none_is_missing(self, name: str) -> None:
        """AWS finds a misspelled name of a state only when the state machine is created."""
        machine = sample(name)
        named = re.findall('"(?:StartAt|Next|Default)": "(.+?)"', json.dumps(machine))
        assert set(named) == set(machine["States"])

    @pytest.mark.parametrize("name", MACHINES)
    def test_a_machine_reads_the_event_that_it_gets(self, name: str) -> None:
        """The state after the wait takes the video's link from the terminal event."""
        event = json.loads((WEBHOOKS / "video.completed-alad" / "body.json").read_bytes())
        output = evaluated(sample(name)["States"]["Use video"]["Output"], {"input": event})
        assert output == {"video": event["data"]["assets"][0]["url"]}

    def test_the_nested_machine_branches_on_the_event(self) -> None:
        """The execution of a watch succeeds even when its task failed, so the machine must look at the event."""
        states = sample("step-functions-nested.asl.json")["States"]
        failed = json.loads((WEBHOOKS / "video.failed" / "body.json").read_bytes())
        (choice,) = states["Completed?"]["Choices"]
        assert evaluated(choice["Condition"], {"input": failed}) is False
        assert evaluated(states["No video"]["Error"], {"input": failed}) == "content_policy"

    @pytest.mark.parametrize(
        ("name", "service", "operation"),
        [
            ("eventbridge-entry.json", "events", "PutEvents"),
            ("iot-rule.json", "iot", "CreateTopicRule"),
            ("scheduler.json", "scheduler", "CreateSchedule"),
            ("pipes.json", "pipes", "CreatePipe"),
        ],
    )
    def test_what_is_pasted_into_the_aws_cli_fits_its_command(self, name: str, service: str, operation: str) -> None:
        """The AWS CLI checks `--cli-input-json` with the same model as this test."""
        given = {"Entries": sample(name)} if name == "eventbridge-entry.json" else sample(name)
        shape = botocore.session.get_session().get_service_model(service).operation_model(operation).input_shape
        assert shape is not None
        assert not set(given) - set(shape.members)
        assert ParamValidator().validate(given, shape).generate_report() == ""

    def test_templates_and_machines_pass_cfn_lint(self) -> None:
        """cfn-lint checks the states, their fields and the resources around them."""
        machines = {
            f"Machine{number}": {
                "Type": "AWS::StepFunctions::StateMachine",
                "Properties": {"RoleArn": "arn:aws:iam::123456789012:role/orders", "Definition": sample(name)},
            }
            for number, name in enumerate(MACHINES)
        }
        template = {"AWSTemplateFormatVersion": "2010-09-09", "Resources": machines}
        rules = sorted((ROOT / "events/rules").glob("*.template.yaml"))
        assert len(rules) == 4
        pasted = [path.read_text() for path in (SUBMIT / "s3.template.json", *rules)]
        for text in (json.dumps(template), *pasted):
            assert [f"{match.rule.id} {match.message}" for match in lint(text, regions=["us-east-1"])] == []


# --------------------------------------------------------------------------------------------- docs/events.md

PAGE = (ROOT / "docs" / "events.md").read_text()
TERMS = set(re.findall("`([^`\n]+)`", PAGE))


def keys(value: Any, place: str = "") -> set[str]:
    """Returns the names of all fields as the page spells them; assets and errors have their own tables."""
    if isinstance(value, list):
        return set().union(*(keys(item) for item in value))
    if not isinstance(value, dict) or place in ("data.usage.", "data.metadata."):
        return {place.removesuffix(".")}
    inside = "" if place in ("data.error.", "store_error.") else place
    return {place.removesuffix(".")}.union(*(keys(item, f"{inside}{name}.") for name, item in value.items()))


class TestPage:
    @pytest.mark.parametrize("receiver", sorted(typed.RECEIVERS.glob("*.*")), ids=lambda path: path.name)
    def test_it_quotes_each_receiver_verbatim(self, receiver: Path) -> None:
        """The page must show the same code that the tests run; to the types, which are long, it links."""
        shown = f"(receivers/{receiver.name})" if receiver.name in typed.MADE else f"\n{receiver.read_text()}```\n"
        assert shown in PAGE

    def test_it_shows_a_real_body(self) -> None:
        """The page must explain a body that is really sent."""
        shown = re.search("```json\n(.+?)```", PAGE, re.DOTALL)
        assert shown
        assert json.loads(shown[1]) == json.loads((WEBHOOKS / "video.completed-alad" / "body.json").read_bytes())

    @pytest.mark.parametrize("name", sorted({*SAMPLES} - {"endpoint.test"}))
    def test_it_explains_every_key_of_every_event(self, name: str) -> None:
        """Receivers can rely only on a field that the page explains."""
        body = json.loads((WEBHOOKS / name / "body.json").read_bytes())
        assert keys(body) - TERMS - {"", "data", "data.watch"} == set()

    def test_it_names_every_header_type_and_category(self) -> None:
        """Receivers decide by these values what to do."""
        assert {*headers_of("video.failed"), *EVENT_TYPES, "endpoint.test", *map(str, Category)} <= TERMS

    def test_it_lists_the_pauses_between_attempts(self) -> None:
        """Operators use them to see how long an outage of a receiver may last."""
        sentence = re.search("Attempts follow each other after (.+?), each", PAGE, re.DOTALL)
        assert sentence
        unit = {"s": 1, "min": 60, "h": 3_600}
        pauses = [int(number) * unit[name] for number, name in re.findall("([0-9]+) (s|min|h)", sentence[1])]
        assert pauses == list(PAUSES)
        assert f"in {sum(PAUSES) / 3_600:.0f} to {sum(PAUSES) * (1 + JITTER) / 3_600:.0f} hours" in PAGE

    def test_its_example_with_the_library_works(self) -> None:
        """The test runs the example exactly as the page shows it."""
        names: dict[str, Any] = {}
        snippet = next(block for block in re.findall("```python\n(.+?)```", PAGE, re.DOTALL) if "standardw" in block)
        exec(snippet, names)
        body = (WEBHOOKS / "video.failed" / "body.json").read_bytes()
        headers = webhook_headers([SECRET], "evt_1", int(time.time()), body)
        assert names["verify"](SECRET, headers, body) == json.loads(body)
        for bad in ({}, {**headers, "webhook-signature": "v1"}, headers_of("video.failed")):
            with pytest.raises(WebhookVerificationError):
                names["verify"](SECRET, bad, body)

    def test_its_links_lead_to_files(self) -> None:
        """The files that the page links to are in the repository."""
        for target in re.findall(r"\]\((?!https:)(.+?)\)", PAGE):
            assert (ROOT / "docs" / target.partition("#")[0]).exists(), target


if __name__ == "__main__":
    write_webhooks()
