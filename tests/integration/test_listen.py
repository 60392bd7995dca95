"""`vidhook listen` and `vidhook events tail`: moto's bus, a real server on loopback, and nothing left behind."""

import json
import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from types import FrameType
from typing import Any

import boto3
import pytest
from botocore.client import BaseClient
from botocore.exceptions import ClientError
from click.testing import CliRunner, Result
from moto.events.utils import EventTemplateParser
from standardwebhooks import Webhook

from tests.integration.test_command import KEYS
from tests.integration.test_command_fuzz import ARN, WRONG, check
from tests.integration.world import Answer, Asked, World, event_of, says
from vidhook import __version__
from vidhook.edges.bus import Bus
from vidhook.event import Event
from vidhook.signature import new_secret
from vidhook_cli import events, follow, listen, show
from vidhook_cli.main import main
from vidhook_cli.stack import Stack

BUS = "vidhook"
SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
COMMANDS = ["listen", "events tail"]


@pytest.fixture
def here(world: World, monkeypatch: pytest.MonkeyPatch) -> World:
    """A world with a bus, which is the stack that the commands find."""
    boto3.client("events").create_event_bus(Name=BUS)
    # moto needs one more package here, for input transformers, which the rule does not have.
    monkeypatch.setattr(EventTemplateParser, "parse", lambda event, **_: event)
    found = Stack("vidhook", ARN, {"Bus": BUS}, world)
    for module in (follow, listen):
        monkeypatch.setattr(module, "stack", lambda: found)
    monkeypatch.setattr(follow, "WAIT_SECONDS", 1)
    monkeypatch.delenv("VIDHOOK_SECRET", raising=False)
    return world


@pytest.fixture(autouse=True)
def survive() -> Iterator[None]:
    """A signal that the command does not take must fail its test, and not end all tests."""

    def fail(number: int, _: FrameType | None) -> None:
        raise AssertionError(f"the command did not take signal {number}")

    former = {each: signal.signal(each, fail) for each in SIGNALS}
    yield
    for each, handler in former.items():
        signal.signal(each, handler)


def left() -> list[str]:
    """The queues and rules that there are."""
    queues = boto3.client("sqs").list_queues().get("QueueUrls", [])
    return queues + [rule["Name"] for rule in boto3.client("events").list_rules(EventBusName=BUS)["Rules"]]


def until(condition: Callable[[], Any]) -> None:
    ends = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < ends, "it did not come to that"
        time.sleep(0.01)


def is_ready() -> bool:
    bridge = boto3.client("events")
    rules = bridge.list_rules(EventBusName=BUS)["Rules"]
    return any(bridge.list_targets_by_rule(Rule=rule["Name"], EventBusName=BUS)["Targets"] for rule in rules)


@contextmanager
def meanwhile(steps: Callable[[], None], then: int | None = signal.SIGINT) -> Iterator[None]:
    """Takes these steps once the command is ready, then ends it with a signal if there is one."""
    errors: list[Exception] = []

    def work() -> None:
        try:
            until(is_ready)
            steps()
        except Exception as error:  # noqa: BLE001 - raised in the test's thread
            errors.append(error)
        finally:
            if then is not None:
                os.kill(os.getpid(), then)

    thread = threading.Thread(target=work)
    thread.start()
    yield
    thread.join()
    if errors:
        raise errors[0]


def run(*words: str, columns: int = 80) -> Result:
    return CliRunner().invoke(main, words, env={"COLUMNS": str(columns)})


def rows(result: Result) -> list[dict[str, Any]]:
    assert result.exit_code == 0, result.output
    return [json.loads(line) for line in result.output.splitlines()]


def ended(here: World, task_id: str = "t1", **fields: Any) -> Event:
    """The event of a task that failed, in the ledger."""
    watch_id = here.settle(says("failed", error="no <b>é</b> 1e5"), task_id=task_id, **fields)
    return event_of(here.publish(watch_id, store=False))


def listening(here: World, answers: list[Answer], count: int, *words: str, **fields: Any) -> tuple[Result, list[Asked]]:
    """Puts one event on the bus while the command listens, and ends it after so many attempts."""
    url, event = here.web.script("/hook", *answers), ended(here, **fields)

    def steps() -> None:
        Bus(BUS).put(event)
        until(lambda: len(here.web.to("/hook")) == count)
        until(lambda: not boto3.client("sqs").list_queues().get("QueueUrls") or hidden() == 0)
        time.sleep(0.3)

    with meanwhile(steps):
        result = run("listen", url, *words)
    return result, here.web.to("/hook")


def hidden() -> int:
    sqs = boto3.client("sqs")
    [url] = sqs.list_queues()["QueueUrls"]
    found = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["ApproximateNumberOfMessagesNotVisible"])
    return int(found["Attributes"]["ApproximateNumberOfMessagesNotVisible"])


def test_an_event_arrives_as_the_webhook_that_a_subscriber_gets(here: World) -> None:
    """The body is that of the ledger byte for byte, and the headers are those of Standard Webhooks."""
    metadata = {"order": 17, "price": 10.0, "wörd": "a\u2028b", "big": 2**60, "z": {"b": 1, "a": [1e-7, None]}}
    result, [asked] = listening(here, [Answer(200, b"ok")], 1, metadata=metadata)
    [ready, row] = rows(result)
    [event] = here.ledger.tasks.events(row_watch(asked))
    assert asked.body == event.body.encode()
    assert Webhook(ready["secret"]).verify(asked.body, asked.headers)["id"] == event.id == row["event_id"]
    assert asked.headers["user-agent"] == f"vidhook/{__version__}"
    assert asked.headers["content-type"] == "application/json"
    assert (row["event_type"], row["task"], row["task_id"]) == ("video.failed", event.watch_id, "t1")
    assert (row["status"], row["outcome"]) == (200, "delivered")
    assert row["ms"] >= 0
    assert set(row) == KEYS["listen"]
    assert set(ready) == {"stack", "url", "events", "secret"}
    assert row["at"].endswith("Z")
    assert left() == []


def row_watch(asked: Asked) -> str:
    return str(json.loads(asked.body)["data"]["id"])


def test_a_secret_is_new_in_each_run_and_shown_once(here: World) -> None:
    """Whoever restarts the command does not use a secret that is in an old terminal."""
    first, second = (rows(run("listen", "http://localhost:1/", "--seconds", "0")) for _ in range(2))
    assert first[0]["secret"] != second[0]["secret"]
    assert first[0]["secret"].startswith("whsec_")


def test_a_stable_secret_signs_and_is_not_shown(here: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its owner has it, and terminals are copied into tickets."""
    secret = new_secret()
    monkeypatch.setenv("VIDHOOK_SECRET", secret)
    result, [asked] = listening(here, [Answer(200)], 1)
    assert Webhook(secret).verify(asked.body, asked.headers)
    assert secret.removeprefix("whsec_") not in result.output


def test_only_the_types_that_were_asked_for_arrive_and_no_operational_event(here: World) -> None:
    """A subscriber gets no endpoint.disabled either."""
    url, completed = here.web.script("/hook", Answer(200)), event_of(here.publish(here.completed(task_id="t2")))

    def steps() -> None:
        Bus(BUS).put(ended(here))
        Bus(BUS).report("endpoint.disabled", {"subscriber": "sub_1"}, here.now)
        Bus(BUS).put(completed)
        until(lambda: here.web.to("/hook"))
        time.sleep(0.3)

    with meanwhile(steps):
        result = run("listen", url, "--events", "*.completed", "--events", "image.*")
    [ready, row] = rows(result)
    assert ready["events"] == ["video.completed", "image.completed", "image.failed", "image.progress"]
    assert row["event_type"] == "video.completed"


class TestRetries:
    @pytest.fixture(autouse=True)
    def quick(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(listen, "PAUSES", (0, 1, 0))

    def test_a_failed_attempt_is_told_with_its_reason_and_tried_again(self, here: World) -> None:
        """The server may be starting; the event is the same one, with the same id."""
        result, asked = listening(here, [Answer(500, b"no\nsuch table"), Answer(503), Answer(204)], 3)
        [_, first, second, third] = rows(result)
        assert (first["outcome"], first["status"], first["body"], first["pause"]) == ("retry", 500, "no such table", 0)
        assert (second["outcome"], second["attempt"], second["pause"]) == ("retry", 2, 1)
        assert (third["outcome"], third["attempt"], third["pause"]) == ("delivered", 3, None)
        assert len({(each.headers["webhook-id"], each.body) for each in asked}) == 1

    def test_it_is_given_up_after_four_attempts(self, here: World) -> None:
        """An event that nobody takes must not come for ever."""
        result, _ = listening(here, [Answer(401)], 4)
        outcomes = [row["outcome"] for row in rows(result)[1:]]
        assert outcomes == ["retry", "retry", "retry", "failed"]

    def test_410_is_not_tried_again(self, here: World) -> None:
        """A subscriber that answers so is disabled."""
        result, asked = listening(here, [Answer(410)], 1)
        assert [row["outcome"] for row in rows(result)[1:]] == ["gone"]
        assert len(asked) == 1

    def test_a_server_that_does_not_run_is_told(self, here: World, monkeypatch: pytest.MonkeyPatch) -> None:
        """It is the most usual mistake; a terminal shows one line for each attempt."""
        monkeypatch.setattr(show, "wants_json", lambda _: False)
        event = ended(here)

        def steps() -> None:
            Bus(BUS).put(event)
            time.sleep(3)

        with meanwhile(steps):
            result = run("listen", "http://127.0.0.1:9/hook", columns=200)
        first, new, *lines = result.output.splitlines()
        assert first == "the events of the stack vidhook go to http://127.0.0.1:9/hook; Ctrl-C ends this"
        assert new.startswith("signing secret of this run: whsec_")
        assert "video.failed" in lines[0]
        assert "acme/t1  connect: no connection: connection refused in " in lines[0]
        assert lines[0].endswith("; again in 0 s")
        assert lines[-1].endswith("; given up after attempt 4")


@pytest.mark.parametrize("command", COMMANDS)
@pytest.mark.slow
class TestNothingIsLeft:
    def words(self, command: str) -> list[str]:
        return ["listen", "http://127.0.0.1:9/"] if command == "listen" else command.split()

    @pytest.mark.parametrize("number", SIGNALS)
    def test_after_a_signal(self, here: World, command: str, number: int) -> None:
        """Ctrl-C, the end of a container, and a terminal that is closed."""
        with meanwhile(lambda: None, number):
            result = run(*self.words(command))
        assert (result.exit_code, left()) == (0, [])

    def test_after_its_time(self, here: World, command: str) -> None:
        """A script lets it run for a while."""
        assert run(*self.words(command), "--seconds", "0.1").exit_code == 0
        assert left() == []

    @pytest.mark.parametrize(
        "call", ["CreateQueue", "GetQueueAttributes", "PutRule", "SetQueueAttributes", "PutTargets", "ReceiveMessage"]
    )
    def test_after_a_refused_call(self, here: World, monkeypatch: pytest.MonkeyPatch, command: str, call: str) -> None:
        """A narrow role may do the first calls and not the others; the error is one line."""
        real = vars(BaseClient)["_make_api_call"]

        def refuse(client: BaseClient, name: str, given: dict[str, Any]) -> Any:
            if name == call:
                raise ClientError({"Error": {"Code": "AccessDenied", "Message": "no"}}, name)
            return real(client, name, given)

        with monkeypatch.context() as patch:
            patch.setattr(BaseClient, "_make_api_call", refuse)
            result = run(*self.words(command))
        assert result.exit_code == 1
        assert f"AWS refused {call}" in result.output.splitlines()[-1]
        assert left() == []

    @pytest.mark.parametrize("call", ["CreateQueue", "PutTargets", "DeleteRule"])
    @pytest.mark.parametrize("first", [True, False], ids=["one", "a second one"])
    def test_after_a_signal_while_it_is_made_or_removed(
        self, here: World, monkeypatch: pytest.MonkeyPatch, command: str, call: str, first: bool
    ) -> None:
        """A user who is impatient presses Ctrl-C twice, or before anything is shown."""
        real = vars(BaseClient)["_make_api_call"]

        def interrupted(client: BaseClient, name: str, given: dict[str, Any]) -> Any:
            answer = real(client, name, given) if name == "CreateQueue" else None
            if name == call:
                os.kill(os.getpid(), signal.SIGINT)
            if name == "ReceiveMessage" and not first:
                os.kill(os.getpid(), signal.SIGTERM)
            return answer or real(client, name, given)

        monkeypatch.setattr(BaseClient, "_make_api_call", interrupted)
        result = run(*self.words(command), "--seconds", "0.1")
        assert (result.exit_code, left()) == (0, [])

    def test_after_a_signal_that_a_library_drops(
        self, here: World, monkeypatch: pytest.MonkeyPatch, command: str
    ) -> None:
        """AWS's native code ignores what is raised in its callbacks, and then waits for ever."""
        real = vars(BaseClient)["_make_api_call"]

        def deaf(client: BaseClient, name: str, given: dict[str, Any]) -> Any:
            if name == "ReceiveMessage":
                with suppress(KeyboardInterrupt):
                    os.kill(os.getpid(), signal.SIGTERM)
                time.sleep(60)
            return real(client, name, given)

        monkeypatch.setattr(BaseClient, "_make_api_call", deaf)
        began = time.monotonic()
        assert (run(*self.words(command)).exit_code, left()) == (0, [])
        assert time.monotonic() - began < 30

    def test_after_an_exception(self, here: World, monkeypatch: pytest.MonkeyPatch, command: str) -> None:
        """Whatever breaks: here the reader of the output has gone."""

        def broken(*_: Any) -> None:
            raise BrokenPipeError

        monkeypatch.setattr(*((listen, "bring") if command == "listen" else (events, "lines")), broken)
        event = ended(here)
        with meanwhile(lambda: Bus(BUS).put(event), None):
            result = run(*self.words(command))
        assert isinstance(result.exception, BrokenPipeError)
        assert left() == []


def test_the_tail_shows_each_event_of_the_bus_once(here: World) -> None:
    """Also the operational ones, which no subscriber gets."""
    event = ended(here)

    def steps() -> None:
        Bus(BUS).put(event)
        Bus(BUS).report("endpoint.disabled", {"subscriber": "sub_1"}, here.now)
        time.sleep(1.5)

    with meanwhile(steps):
        result = run("events", "tail")
    assert rows(result) == [event.data, {"subscriber": "sub_1"}]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["http://127.0.0.1:9/", "--events", "video.complete"], "did you mean video.completed?"),
        (["http://127.0.0.1:9/", "--events", ""], "matches no event type"),
        (["http://127.0.0.1:9/", "--secret", "whsec_x"], "--secret"),
        (["http://127.0.0.1:9/", "--seconds", "nan"], "--seconds"),
        (["localhost:3000/hook"], "http://localhost:3000/hook"),
        (["http://10.0.0.1/"], "--allow CIDR"),
        (["https:///"], "URL"),
        (["http://10.0.0.1/", "--allow", "10.0.0.0/99"], "--allow"),
    ],
    ids=lambda given: " ".join(given) if isinstance(given, list) else "",
)
def test_wrong_input_is_told_before_anything_is_made(here: World, words: list[str], said: str) -> None:
    """The message names what is wrong."""
    result = run("listen", *words)
    assert result.exit_code in (1, 2)
    assert isinstance(result.exception, SystemExit)
    assert said in " ".join(result.output.split())
    assert left() == []


@pytest.mark.parametrize("option", ["", "--secret", "--events", "--allow", "--ca-file", "--seconds"])
def test_no_value_of_an_option_ends_in_a_traceback(here: World, option: str) -> None:
    """The fuzz over all commands leaves out what runs until it is interrupted; without an option it is the URL."""
    for value in WRONG:
        words = ["--seconds", "0", *([option, value, "http://127.0.0.1:9/"] if option else [value])]
        check(run("listen", *words), words)
    assert left() == []
