"""Creation: never more than one request that the provider may have taken, and each key ends in one event."""

import itertools
import json
import re
import socket
import struct
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import replace
from threading import Thread
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule, run_state_machine_as_test

import create_task
from tests.integration.test_publish import Crash, Crashing
from tests.integration.world import KEY, PROVIDER, Answer, World, error_of, event_of, says
from vidhook import create
from vidhook.cancel import cancel
from vidhook.edges.ledger import table as ledger_table
from vidhook.errors import BadSubmission, Conflict, LostRace, NotFound, Refused
from vidhook.event import Event
from vidhook.publish import ended_from_outside, watch_failed
from vidhook.sweep import sweep
from vidhook.task import watch_id

BODY = {"prompt": "a cat"}
TAKEN = says("queued", 202, id="vid-1")
BUSY = says("error", 429, {"retry-after": "60"}, error={"code": "BUSY", "message": "one at a time"})
REFUSAL = says("error", 400, error={"code": "NSFW", "message": "the prompt violates the content policy"})
LOST = Answer(502, b"<html>bad gateway")


def with_more(of_create: str) -> str:
    """The file of the provider "acme" with more in its table [create]."""
    return PROVIDER.replace("[assets]", f"{of_create}[assets]")


ALIKE = with_more('idempotency_header = "Idempotency-Key"\n')
FOUND = with_more('find = "/videos/by/{{create_id}}"\n[create.body]\nexternal_id = "{{create_id}}"\n')


def script(world: World, *answers: Answer) -> None:
    world.web.script("/videos", *answers)


def sent(world: World) -> list[dict[str, Any]]:
    return [json.loads(asked.body) for asked in world.web.to("/videos")]


def run(world: World, watch_id: str) -> Event:
    """Goes on as the state machine does until the event is published; its bytes are checked by others."""
    for _ in range(200):
        step = world.create(watch_id)
        world.wait(step.pause)
        if step.done:
            break
    while not world.ledger.tasks.watch(watch_id).settled:
        polled = world.poll(watch_id)
        world.wait(polled.pause)
    return event_of(world.publish(watch_id))


class TestOneCall:
    def test_a_task_is_created_followed_and_told(self, world: World) -> None:
        """The client knows its own reference only, and has no key."""
        script(world, TAKEN)
        world.web.script("/tasks/vid-1", says("processing"), says("completed", url=world.video()))
        submitted = world.ask_for(metadata={"order": 17})
        assert (submitted.created, submitted.watch.submission.task_id) == (True, None)
        assert world.machines.started[submitted.watch.id] == {"watch": submitted.watch.id, "pause": 0, "create": True}
        event = run(world, submitted.watch.id)
        data = event.data["data"]
        assert (event.type, data["task_id"], data["reference"]) == ("video.completed", "vid-1", "order-17")
        [request] = world.web.to("/videos")
        assert (request.method, request.headers["authorization"]) == ("POST", f"Bearer {KEY}")
        assert json.loads(request.body) == BODY

    def test_the_first_pause_follows_from_what_the_provider_says(self, world: World) -> None:
        """Its Retry-After, and an end that comes with the id."""
        script(world, says("queued", 202, {"retry-after": "77"}, id="vid-1"))
        assert world.create(world.ask_for().watch.id).pause == 77
        script(world, says("failed", id="vid-2", error="the prompt is empty"))
        step = world.create(world.ask_for(reference="order-18").watch.id)
        assert (step.done, step.watch.settled, step.watch.submission.task_id) == (True, True, "vid-2")

    def test_the_age_of_a_task_begins_with_its_creation(self, world: World) -> None:
        """A limit of concurrent tasks may hold it back for hours, which its render does not take."""
        script(world, BUSY, TAKEN)
        watch = world.ask_for(deadline_seconds=600).watch
        assert world.create(watch.id).pause == 60
        world.wait(500)
        created = world.create(watch.id).watch
        assert created.age(world.now) < 60
        assert created.age(world.now + 600) == 600

    def test_fixed_fields_are_put_into_the_body(self, world: World) -> None:
        """Into inner objects too, with our own id where the file wants it."""
        more = '[create.body]\nexternal_id = "{{create_id}}"\n[create.body.options]\nwatermark = false\n'
        world.ledger.providers.put("acme", with_more(more).format(base_url=world.web.url))
        script(world, TAKEN)
        watch = world.ask_for(create={**BODY, "options": {"seconds": 5}}).watch
        world.create(watch.id)
        own = f"{watch.id}-{int(watch.submitted_at)}"
        assert sent(world) == [{**BODY, "options": {"seconds": 5, "watermark": False}, "external_id": own}]

    def test_the_sample_needs_no_provider(self, world: World) -> None:
        """A stack is tried without an account."""
        watch = world.ask_for(provider="sample", create={"fail": True}).watch
        event = run(world, watch.id)
        assert (event.type, event.data["data"]["error"]["code"]) == ("video.failed", "SAMPLE_FAILURE")


class TestOneTask:
    def test_the_same_key_and_body_is_the_same_task(self, world: World) -> None:
        """Whoever got no answer asks again."""
        script(world, TAKEN)
        first = world.ask_for().watch
        world.create(first.id)
        again = world.ask_for()
        assert (again.created, again.watch.id, again.watch.submission.task_id) == (False, first.id, "vid-1")
        assert world.create(first.id).done
        assert len(sent(world)) == 1

    def test_another_body_is_refused_with_the_difference(self, world: World) -> None:
        """It may be a fault of the client's, and a second render costs."""
        world.ask_for(idempotency_key="k1")
        with pytest.raises(Conflict) as refused:
            world.ask_for(idempotency_key="k1", create={"prompt": "a dog"})
        assert refused.value.differences == [{"field": "create.prompt", "known": "a cat", "given": "a dog"}]
        assert "another idempotency_key" in refused.value.hint
        assert not [each for each in ("a cat", "a dog") if each in str(refused.value)]  # it goes into logs and queues
        with pytest.raises(Conflict):
            world.ask_for(idempotency_key="k1", reference="order-18")

    def test_another_key_is_another_task_also_with_the_same_reference(self, world: World) -> None:
        """So a client tries again what was refused."""
        ids = {world.ask_for(**fields).watch.id for fields in ({}, {"idempotency_key": "order-17"}, {"reference": "x"})}
        assert len(ids) == 3
        assert len(world.ledger.tasks.of_reference("order-17")) == 2

    def test_the_provider_s_id_names_the_same_task(self, world: World) -> None:
        """Somebody may submit it by that: both ways in meet."""
        script(world, TAKEN)
        watch = world.ask_for().watch
        world.create(watch.id)
        by_id = world.submit("vid-1", callback_url="https://hooks.example/late")
        assert (by_id.created, by_id.watch.id) == (False, watch.id)
        assert by_id.watch.callback_urls == ("https://hooks.example/late",)
        assert world.ledger.tasks.watch(watch_id("acme", "vid-1")).id == watch.id
        assert [each.id for each in world.ledger.tasks.under([watch_id("acme", "vid-1")])] == [watch.id]
        world.submit("vid-1", reference="order-17")
        assert [each.id for each in world.ledger.tasks.of_reference("order-17")] == [watch.id]

    def test_a_task_that_was_submitted_by_its_id_before_is_followed_twice(self, world: World) -> None:
        """Each of the two gets its event: neither is lost."""
        world.submit("vid-1")
        script(world, TAKEN)
        created = world.create(world.ask_for().watch.id)
        assert (created.done, created.watch.submission.task_id) == (True, "vid-1")
        assert world.ledger.tasks.watch(watch_id("acme", "vid-1")).id != created.watch.id

    def test_what_no_request_can_be_is_refused_at_the_door(self, world: World) -> None:
        """Nobody pays for a mistake that can be seen before."""
        fixed = with_more("[create.body]\nwatermark = true\n")
        world.ledger.providers.put("fixed", fixed.format(base_url=world.web.url).replace('"acme"', '"fixed"'))
        plain = (
            re.sub(r"(?s)\[create\].*(?=\[assets\])", "", PROVIDER)
            .format(base_url=world.web.url)
            .replace('"acme"', '"plain"')
        )
        world.ledger.providers.put("plain", plain)
        for fields, field in (
            ({"provider": "plain"}, "create"),
            ({"provider": "fixed", "create": {"watermark": False}}, "create.watermark"),
            ({"task_id": "vid-1"}, "create"),
            ({"create": {}}, "create"),
            ({"create": [1]}, "create"),
            ({"create": {"prompt": "x" * 70_000}}, "create"),
            ({"create": {"prompt": "\ud800"}}, "create.prompt"),
            ({"idempotency_key": " k"}, "idempotency_key"),
        ):
            with pytest.raises(BadSubmission) as refused:
                world.ask_for(**fields)
            assert refused.value.field == field
        with pytest.raises(BadSubmission, match="idempotency_key"):
            world.intake.submit({"provider": "acme", "create": BODY})
        with pytest.raises(BadSubmission, match="that vidhook creates"):
            world.submit("t1", idempotency_key="k")


class TestAnswers:
    @pytest.mark.parametrize("answer", [BUSY, says("error", 503), Answer(429)])
    def test_not_now_is_tried_again_until_it_is_taken(self, world: World, answer: Answer) -> None:
        """The provider says that nothing was created."""
        script(world, answer, answer, answer, TAKEN)
        watch = world.ask_for().watch
        pauses = []
        while not (step := world.create(watch.id)).done:
            pauses.append(step.pause)
            world.wait(step.pause)
        assert (len(sent(world)), step.watch.submission.task_id) == (4, "vid-1")
        assert pauses == sorted(pauses)
        assert [each.answer for each in step.watch.history] == ["not_now"] * 3 + ["created"]

    def test_not_now_ends_at_the_deadline_with_its_reason(self, world: World) -> None:
        """Not as a bare timeout."""
        script(world, BUSY)
        event = run(world, world.ask_for(deadline_seconds=600).watch.id)
        error = event.data["data"]["error"]
        assert (error["code"], "one at a time" in error["message"]) == ("BUSY", True)
        assert len(sent(world)) <= 11

    def test_a_refusal_is_told_with_the_provider_s_reason(self, world: World) -> None:
        """Asking again would be refused again."""
        script(world, REFUSAL)
        event = run(world, world.ask_for().watch.id)
        error = event.data["data"]["error"]
        assert (event.type, error["category"], error["retryable"]) == ("video.failed", "content_policy", False)
        assert event.data["data"]["task_id"] is None
        assert len(sent(world)) == 1

    @pytest.mark.parametrize(
        "answer",
        [
            LOST,
            says("error", 500, error="oops"),
            Answer(504),
            Answer(200, b"<html>ok"),
            Answer(200, b""),
            says("queued"),
            says("queued", id=""),
            says("queued", id=".."),
            Answer(200, b'{"id": "vid-1"', cut=8),
            Answer(408),
            Answer(303, headers={"location": "/videos/vid-1"}),
            says("error", 409, error="exists"),
        ],
    )
    def test_what_nobody_knows_is_never_sent_again(self, world: World, answer: Answer) -> None:
        """The event says so, when it was, and what to look for."""
        script(world, answer, TAKEN)
        event = run(world, world.ask_for().watch.id)
        error = event.data["data"]["error"]
        assert (error["code"], error["retryable"], len(sent(world))) == ("CREATE_AMBIGUOUS", None, 1)
        assert "submit its task_id" in error["message"]

    def test_what_the_provider_answered_is_kept(self, world: World) -> None:
        """An operator who looks for a task of which nobody knows the id needs every word of it."""
        script(world, LOST)
        watch = world.ask_for().watch
        world.create(watch.id)
        kept = world.ledger.tasks.answer(watch.id)
        assert (kept.status, kept.body, kept.read["answer"]) == (502, "<html>bad gateway", "unknown")

    def test_a_key_that_was_just_replaced_is_tried_at_once(self, world: World) -> None:
        """A refused key created nothing."""
        script(world, says("error", 401, error="bad key"), TAKEN)
        world.secrets.provider_key("acme")
        watch = world.ask_for().watch
        world.put_key("another-key")
        assert (world.create(watch.id).pause, world.create(watch.id).said) == (0, "created")

    def test_a_refused_key_is_told_and_counted(self, world: World) -> None:
        """An operator hears of it, and the client."""
        script(world, says("error", 401, error="bad key"))
        step = world.create(world.ask_for().watch.id)
        assert (step.key_refused, error_of(step.watch).category) == (True, "auth")

    def test_a_provider_file_that_is_gone_may_come_back(self, world: World) -> None:
        """It is replaced by removing it and putting another one."""
        watch = world.ask_for().watch
        world.ledger.providers.remove("acme")
        world.wait(61)
        assert world.create(watch.id).said == "no_provider_file"
        world.ledger.providers.put("acme", PROVIDER.format(base_url=world.web.url))
        world.wait(61)
        script(world, TAKEN)
        assert world.create(watch.id).said == "created"


class TestFindingOut:
    def test_a_provider_with_idempotency_keys_is_asked_again_under_the_same_key(self, world: World) -> None:
        """It promises to create one task only."""
        world.ledger.providers.put("acme", ALIKE.format(base_url=world.web.url))
        script(world, LOST, BUSY, TAKEN)
        watch = world.ask_for().watch
        run_once = [world.create(watch.id) for _ in range(1)]
        while not run_once[-1].done:
            world.wait(run_once[-1].pause)
            run_once.append(world.create(watch.id))
        keys = {asked.headers["idempotency-key"] for asked in world.web.to("/videos")}
        assert ([each.said for each in run_once], len(keys)) == (["unknown", "unknown", "created"], 1)

    def test_a_task_is_found_by_our_own_id(self, world: World) -> None:
        """Looking creates nothing."""
        world.ledger.providers.put("acme", FOUND.format(base_url=world.web.url))
        script(world, LOST)
        watch = world.ask_for().watch
        step = world.create(watch.id)
        path = f"/videos/by/{create.create_id(watch)}"
        world.web.script(path, Answer(404), says("processing", id="vid-1"))
        world.wait(step.pause)
        assert world.create(watch.id).said == "not_found"
        world.wait(60)
        assert world.create(watch.id).watch.submission.task_id == "vid-1"
        assert ([each["external_id"] for each in sent(world)], len(world.web.to(path))) == (
            [create.create_id(watch)],
            2,
        )

    @pytest.mark.parametrize("file", [ALIKE, FOUND])
    def test_what_is_not_found_out_in_an_hour_is_told(self, world: World, file: str) -> None:
        """Providers forget idempotency keys; the event says what is known."""
        world.ledger.providers.put("acme", file.format(base_url=world.web.url))
        script(world, LOST)
        began = world.now
        event = run(world, world.ask_for().watch.id)
        assert event.data["data"]["error"]["code"] == "CREATE_AMBIGUOUS"
        assert 3_600 <= world.now - began < 4_000

    @pytest.mark.parametrize("second", [REFUSAL, says("error", 402), says("error", 401, error="bad key"), BUSY])
    def test_a_refusal_of_the_second_request_says_nothing_of_the_first(self, world: World, second: Answer) -> None:
        """Keys and bills are looked at before idempotency keys, and the first request may have spent the balance."""
        world.ledger.providers.put("acme", ALIKE.format(base_url=world.web.url))
        script(world, LOST, second)
        event = run(world, world.ask_for().watch.id)
        assert event.data["data"]["error"]["code"] == "CREATE_AMBIGUOUS"

    @pytest.mark.parametrize("change", ["added", "header", "path", "body", "key"])
    def test_a_request_that_is_another_one_to_the_provider_is_not_sent(self, world: World, change: str) -> None:
        """An idempotency key holds for one account, one path and one body, and only if the first request had it."""
        first = PROVIDER if change == "added" else ALIKE
        world.ledger.providers.put("acme", first.format(base_url=world.web.url))
        script(world, LOST, TAKEN)
        watch = world.ask_for().watch
        if change == "added":
            world.ledger.providers.put("acme", FOUND.format(base_url=world.web.url))
            world.wait(61)
        step = world.create(watch.id)
        later = {
            "added": ALIKE,
            "header": ALIKE.replace("Idempotency-Key", "X-Request-Key"),
            "path": ALIKE.replace('path = "/videos"', 'path = "/v2/videos"'),
            "body": ALIKE.replace("[assets]", "[create.body]\nseed = 1\n[assets]"),
            "key": ALIKE,
        }[change]
        if change == "key":
            world.put_key("another-key")
        world.ledger.providers.put("acme", later.format(base_url=world.web.url))
        world.wait(max(301, step.pause))
        event = run(world, watch.id)
        assert (event.data["data"]["error"]["code"], len(sent(world))) == ("CREATE_AMBIGUOUS", 1)

    def test_a_provider_file_that_is_away_for_a_minute_ends_nothing(self, world: World) -> None:
        """It is replaced by removing it and putting another one."""
        world.ledger.providers.put("acme", ALIKE.format(base_url=world.web.url))
        script(world, LOST, TAKEN)
        watch = world.ask_for().watch
        world.create(watch.id)
        world.ledger.providers.remove("acme")
        world.wait(61)
        assert world.create(watch.id).said == "no_provider_file"
        world.ledger.providers.put("acme", ALIKE.format(base_url=world.web.url))
        world.wait(61)
        assert world.create(watch.id).said == "created"


class Line:
    """A provider that speaks TCP: it counts the requests that it read whole, and then does as told."""

    def __init__(self) -> None:
        self.taken, self.does = 0, "answer"
        self._listening = socket.create_server(("127.0.0.1", 0))
        self.port = self._listening.getsockname()[1]
        Thread(target=self._serve, daemon=True).start()

    def _serve(self) -> None:
        with suppress(OSError):
            while True:
                line, _ = self._listening.accept()
                Thread(target=self._answer, args=(line,), daemon=True).start()

    def _answer(self, line: socket.socket) -> None:
        does = self.does
        if does == "reset unread":
            time.sleep(0.05)
            line.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            line.close()
            return
        with suppress(OSError):
            read = b""
            while b"\r\n\r\n" not in read or len(read.partition(b"\r\n\r\n")[2]) < len(json.dumps(BODY)):
                piece = line.recv(65_536)
                if not piece:
                    return
                read += piece
            self.taken += 1
            body = b'{"id": "vid-1", "status": "queued"}'
            head = b"HTTP/1.1 201 Created\r\ncontent-length: %d\r\n\r\n" % len(body)
            chunked = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n"
            event = b"data: " + body + b"\n\n"
            large = body.replace(b"}", b', "film": "' + b"x" * 1_500_000 + b'"}')
            said = {
                "answer": head + body,
                "cut the head": head[:20],
                "cut the body": head + body[:5],
                "cut the id": head + body[:11],
                "cut behind the id": head + body[:15],
                "announce too much": head.replace(b"\r\n\r\n", b"0\r\n\r\n") + body,
                "send no last chunk": chunked + b"%x\r\n" % len(body) + body + b"\r\n",
                "break inside a chunk": chunked + b"%x\r\n" % (len(body) + 9) + body,
                "answer with events": chunked + b"%x\r\n" % len(event) + event + b"\r\n",
                "answer at length": b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n" % len(large) + large,
                "refuse in half": head.replace(b"201 Created", b"400 Bad Request") + b'{"error": {"code": "NSFW", "x',
                "be busy in half": head.replace(b"201 Created", b"429 Too Many") + body[:5],
            }
            line.sendall(said.get(does, b"SSH-2.0-OpenSSH_9.6\r\n" if does == "speak nonsense" else b""))
            if does in ("say nothing", "answer with events"):
                line.recv(1)
            line.close()

    def close(self) -> None:
        self._listening.close()


@pytest.fixture
def line() -> Iterator[Line]:
    line = Line()
    yield line
    line.close()


class TestTransport:
    @pytest.mark.parametrize(
        "does", ["reset unread", "cut the head", "cut the body", "cut the id", "say nothing", "speak nonsense"]
    )
    def test_a_line_that_breaks_after_the_first_byte_is_ambiguous(
        self, world: World, line: Line, monkeypatch: pytest.MonkeyPatch, does: str
    ) -> None:
        """The provider may have read the request before the line broke."""
        monkeypatch.setattr(create, "REQUEST_SECONDS", 0.5)
        world.ledger.providers.put("acme", PROVIDER.format(base_url=f"http://127.0.0.1:{line.port}"))
        line.does = does
        watch = world.ask_for().watch
        step = world.create(watch.id)
        line.does = "answer"
        event = run(world, watch.id)
        assert (step.said, line.taken <= 1) == ("unknown", True)
        assert event.data["data"]["error"]["code"] == "CREATE_AMBIGUOUS"

    @pytest.mark.parametrize(
        "does",
        [
            "cut behind the id",
            "announce too much",
            "send no last chunk",
            "break inside a chunk",
            "answer with events",
            "answer at length",
        ],
    )
    def test_an_id_that_came_before_the_line_broke_is_followed(
        self, world: World, line: Line, monkeypatch: pytest.MonkeyPatch, does: str
    ) -> None:
        """The task is created and paid for, and the rest of the answer adds nothing."""
        monkeypatch.setattr(create, "REQUEST_SECONDS", 0.5)
        world.ledger.providers.put("acme", PROVIDER.format(base_url=f"http://127.0.0.1:{line.port}"))
        line.does = does
        step = world.create(world.ask_for().watch.id)
        assert (step.said, step.watch.submission.task_id, line.taken) == ("created", "vid-1", 1)

    @pytest.mark.parametrize(("does", "said"), [("refuse in half", "refused"), ("be busy in half", "not_now")])
    def test_a_status_that_says_no_needs_no_whole_body(self, world: World, line: Line, does: str, said: str) -> None:
        """It stands before the body, and means that nothing was created."""
        world.ledger.providers.put("acme", PROVIDER.format(base_url=f"http://127.0.0.1:{line.port}"))
        line.does = does
        assert world.create(world.ask_for().watch.id).said == said

    @pytest.mark.parametrize("base_url", ["http://127.0.0.1:1", "https://127.0.0.1:{port}", "http://nowhere.invalid"])
    def test_a_line_that_never_stood_is_tried_again(
        self, world: World, line: Line, monkeypatch: pytest.MonkeyPatch, base_url: str
    ) -> None:
        """A refused connection, a failed TLS handshake and a name without an address bring no byte to the provider."""
        monkeypatch.setattr(create, "REQUEST_SECONDS", 0.5)
        watch = world.ask_for().watch
        world.ledger.providers.put("acme", PROVIDER.format(base_url=base_url.format(port=line.port)))
        world.wait(61)
        for pause in (8, 9, 10):
            step = world.create(watch.id)
            assert (step.said, step.pause) == ("not_sent", pause)
            world.wait(pause)
        assert line.taken == 0
        world.ledger.providers.put("acme", PROVIDER.format(base_url=f"http://127.0.0.1:{line.port}"))
        world.wait(61)
        assert (world.create(watch.id).said, line.taken) == ("created", 1)


class TestInTheMiddle:
    def test_while_one_asks_nobody_else_does(self, world: World, monkeypatch: pytest.MonkeyPatch) -> None:
        """Two executions of one task, such as a sweeper's beside a slow one."""
        script(world, TAKEN)
        watch = world.ask_for().watch
        other = []
        send = world.http.send

        def meanwhile(*arguments: Any, **named: Any) -> Any:
            other.append(world.create(watch.id))
            return send(*arguments, **named)

        monkeypatch.setattr(world.http, "send", meanwhile)
        assert world.create(watch.id).said == "created"
        assert [(each.done, each.said, each.pause) for each in other] == [(False, None, 100)]
        assert len(sent(world)) == 1

    def test_an_id_that_comes_too_late_is_not_lost(self, world: World, monkeypatch: pytest.MonkeyPatch) -> None:
        """The watch was ended from outside while the provider was asked: the log names the task."""
        script(world, TAKEN)
        watch = world.ask_for().watch
        send = world.http.send

        def meanwhile(*arguments: Any, **named: Any) -> Any:
            world.publish(watch.id, problem=watch_failed("x"))
            return send(*arguments, **named)

        monkeypatch.setattr(world.http, "send", meanwhile)
        assert world.create(watch.id).orphan == "vid-1"
        error = world.ledger.tasks.event(watch.id).data["data"]["error"]
        assert error["code"] == "CREATE_AMBIGUOUS"

    def test_a_task_that_waits_for_its_creation_is_cancelled_without_a_request(self, world: World) -> None:
        """A place that gets free must not be paid for any more."""
        script(world, BUSY, TAKEN)
        watch = world.ask_for().watch
        step = world.create(watch.id)
        cancel(watch.id, runs=world.runs)
        world.wait(step.pause)
        event = run(world, watch.id)
        assert (event.data["data"]["error"]["category"], len(sent(world))) == ("cancelled", 1)

    def test_a_request_on_its_way_is_not_cancelled(self, world: World, monkeypatch: pytest.MonkeyPatch) -> None:
        """Whoever was told that it is cancelled would not look for a render that was paid for."""
        script(world, TAKEN)
        watch = world.ask_for().watch
        send = world.http.send

        def meanwhile(*arguments: Any, **named: Any) -> Any:
            with pytest.raises(Refused, match="on its way"):
                cancel(watch.id, runs=world.runs)
            return send(*arguments, **named)

        monkeypatch.setattr(world.http, "send", meanwhile)
        assert world.create(watch.id).said == "created"
        assert cancel(watch.id, runs=world.runs).settled

    def test_the_id_of_a_task_that_was_erased_meanwhile_is_in_the_log(
        self, world: World, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Nothing of it is stored any more, and it may be paid for."""
        script(world, TAKEN)
        watch = world.ask_for().watch
        send = world.http.send

        def meanwhile(*arguments: Any, **named: Any) -> Any:
            world.ledger.tasks.begin_erasure(watch.id, world.now)
            return send(*arguments, **named)

        monkeypatch.setattr(world.http, "send", meanwhile)
        assert world.create(watch.id).orphan == "vid-1"

    def test_a_wish_to_cancel_stops_the_next_request(self, world: World, monkeypatch: pytest.MonkeyPatch) -> None:
        """The provider could be asked to cancel, but what is not created needs no asking."""
        file = PROVIDER + '[cancel]\npath = "/tasks/{{task_id}}/cancel"\n'
        world.ledger.providers.put("acme", file.format(base_url=world.web.url))
        script(world, BUSY, TAKEN)
        watch = world.ask_for().watch
        send = world.http.send

        def meanwhile(*arguments: Any, **named: Any) -> Any:
            cancel(watch.id, runs=world.runs)
            return send(*arguments, **named)

        monkeypatch.setattr(world.http, "send", meanwhile)
        assert world.create(watch.id).said == "not_now"
        world.wait(60)
        assert error_of(world.create(watch.id).watch).category == "cancelled"
        assert len(sent(world)) == 1

    @pytest.mark.parametrize("written", [False, True])
    def test_a_fault_of_the_ledger_after_the_request_loses_no_id(
        self, world: World, monkeypatch: pytest.MonkeyPatch, written: bool
    ) -> None:
        """Nobody else knows the id, so it is written again; AWS may have written it, and lost its own answer."""
        script(world, TAKEN)
        watch = world.ask_for().watch
        note, faults = world.ledger.tasks.note_creation, [RuntimeError("throttled")]

        def once(*given: Any) -> Any:
            if given[0].submission.task_id is not None and faults:
                if written:
                    note(*given)
                raise faults.pop()
            return note(*given)

        monkeypatch.setattr(create, "sleep", lambda _: None)
        monkeypatch.setattr(world.ledger.tasks, "note_creation", once)
        step = world.create(watch.id)
        assert (step.said, step.orphan, world.ledger.tasks.watch(watch.id).submission.task_id) == (
            "created",
            None,
            "vid-1",
        )

    def test_an_id_that_cannot_be_written_is_in_the_error(self, world: World, monkeypatch: pytest.MonkeyPatch) -> None:
        """The log has it then, and an operator can submit it."""
        script(world, TAKEN)
        watch = world.ask_for().watch
        note = world.ledger.tasks.note_creation

        def never(*given: Any) -> Any:
            if given[0].submission.task_id is not None:
                raise RuntimeError("throttled")
            return note(*given)

        monkeypatch.setattr(create, "sleep", lambda _: None)
        monkeypatch.setattr(world.ledger.tasks, "note_creation", never)
        with pytest.raises(RuntimeError, match="vid-1"):
            world.create(watch.id)

    def test_a_claim_whose_answer_was_lost_is_ours(self, world: World, monkeypatch: pytest.MonkeyPatch) -> None:
        """The SDK asks AWS again, and then the condition of the write no longer holds."""
        script(world, TAKEN)
        watch = world.ask_for().watch
        note, lost = world.ledger.tasks.note_creation, [LostRace()]

        def twice(*given: Any) -> Any:
            answer = note(*given)
            if lost:
                raise lost.pop()
            return answer

        monkeypatch.setattr(world.ledger.tasks, "note_creation", twice)
        assert (world.create(watch.id).said, len(sent(world))) == ("created", 1)

    def test_a_task_that_gets_its_id_while_its_watch_is_ended_keeps_it(
        self, world: World, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """The event would say that nobody knows the id."""
        script(world, TAKEN)
        watch = world.ask_for().watch
        put = world.ledger.tasks.put_event

        def meanwhile(*given: Any) -> Any:
            assert world.create(watch.id).said == "created"
            return put(*given)

        monkeypatch.setattr(world.ledger.tasks, "put_event", meanwhile)
        with pytest.raises(LostRace):
            world.publish(watch.id, problem=watch_failed("x"))
        assert world.ledger.tasks.watch(watch.id).submission.task_id == "vid-1"

    def test_a_nested_submission_that_was_stopped_is_told(self, world: World) -> None:
        """Its execution's input is the submission itself."""
        given = {"provider": "acme", "create": BODY, "reference": "order-17"}
        watch = world.intake.submit(given, "their-name").watch
        detail = {"status": "ABORTED", "executionArn": "arn:their-name", "input": json.dumps(given)}
        ended = ended_from_outside(detail, ledger=world.ledger)
        assert ended is not None
        assert (ended[0], ended[1].category) == (watch.id, "cancelled")

    def test_a_task_without_an_id_is_neither_polled_nor_retried(self, world: World) -> None:
        """There is nothing to ask about."""
        script(world, REFUSAL)
        watch = world.ask_for().watch
        with pytest.raises(NotFound):
            world.poll(watch.id)
        run(world, watch.id)
        with pytest.raises(Refused, match="provider's id"):
            world.retry(watch.id)

    def test_the_handler_says_what_comes_next(self, world: World, monkeypatch: pytest.MonkeyPatch) -> None:
        """Ids and seconds only: neither body nor key enter a state machine."""
        script(world, BUSY, TAKEN)
        watch = world.ask_for().watch
        monkeypatch.setattr(create_task, "edges", lambda: world)

        class Context:
            function_name = memory_limit_in_mb = invoked_function_arn = aws_request_id = "x"

        event = {"watch": watch.id, "execution": watch.execution}
        assert create_task.handler(event, Context()) == {"known": True, "settled": False, "create": True, "pause": 60}
        world.wait(60)
        answer = create_task.handler(event, Context())
        assert (answer["settled"], answer["create"], answer["pause"] > 0) == (False, False, True)


EDGES = ("ledger", "http", "secrets", "bus", "machines")
CRASHES = st.none() | st.integers(0, 24)
# By the word in the rule: the answer, and whether the provider may have taken the request.
# Of those that name a task each example has one of its own id; of "cut" all comes but the last byte.
ANSWERS = {
    "taken": (TAKEN, True),
    "cut": (TAKEN, True),
    "busy": (BUSY, False),
    "refused": (REFUSAL, False),
    "lost": (LOST, True),
}
numbers = itertools.count()


def names(name: str, task_id: str) -> Answer:
    """The answer of this name, with this id if it names a task."""
    given = says("queued", 202, id=task_id)
    answers = {"taken": given, "cut": replace(given, cut=len(given.body) - 1)}
    return answers.get(name, ANSWERS[name][0])


@pytest.mark.parametrize("name", ANSWERS)
def test_killed_at_any_call_the_request_is_taken_once_at_most_and_its_end_is_told(
    quick_world: World, name: str
) -> None:
    """Before and after every call to the ledger, the provider and the secret."""
    world, takes = quick_world, ANSWERS[name][1]
    ends = set[str | None]()
    for at in itertools.count():
        key = f"{name}-{at}"
        world.web.asked.clear()
        world.web.script(f"/tasks/{key}", says("failed", error="x"))
        taken = says("queued", 202, id=key)
        script(world, names(name, key))
        watch = world.ask_for(reference=key).watch
        calls = itertools.count()
        edges = {each: Crashing(getattr(world, each), calls=calls, at=at) for each in EDGES}
        try:
            world.but(**edges).create(watch.id)
        except Crash:
            crashed = True
        else:
            crashed = False
        first = len(sent(world))
        script(world, taken)
        event = run(world, watch.id)
        assert first * takes + len(sent(world)) - first <= 1
        ends.add(event.data["data"]["error"]["code"])
        if not crashed:
            break
    assert at > 10
    assert ends <= {"CREATE_AMBIGUOUS", "PROVIDER", "NSFW"}


class OneCreation(RuleBasedStateMachine):
    """One key, and everything that can happen to it: repetitions, crashes between any two calls, sweeps, faults."""

    world: World
    monkeypatch: pytest.MonkeyPatch

    @initialize()
    def begin(self) -> None:
        self.key, self.over, self.created, self.taken = f"order-{next(numbers)}", set[str](), set[str](), 0
        self.world.machines.started.clear()
        self.answer("taken")
        self.world.web.script("/tasks/vid-1", says("failed", error="x"))
        self.watch_id = self.world.ask_for(reference=self.key).watch.id
        # Each example has a task of its own id at the provider, which is known under that.
        self.monkeypatch.setattr(ledger_table, "SHARDS", self.watch_id.partition("_")[2][:1])

    def answer(self, name: str) -> None:
        self.takes = ANSWERS[name][1]
        self.world.web.script(f"/tasks/vid-of-{self.key}", says("failed", error="x"))
        script(self.world, names(name, f"vid-of-{self.key}"))

    def killed_at(self, at: int | None, work: Callable[[World], Any]) -> bool:
        calls = itertools.count()
        edges = {} if at is None else {n: Crashing(getattr(self.world, n), calls=calls, at=at) for n in EDGES}
        before = len(sent(self.world))
        try:
            work(self.world.but(**edges))
        except Crash:
            return True
        finally:
            self.taken += (len(sent(self.world)) - before) * self.takes
            assert self.taken <= 1
        return False

    def following(self) -> list[str]:
        started = self.world.machines.started
        return [name for name, given in started.items() if "event" not in given and name not in self.over]

    @rule(name=st.sampled_from(list(ANSWERS)))
    def the_provider_answers(self, name: str) -> None:
        self.answer(name)

    @rule(seconds=st.sampled_from([5, 120, 4_000]))
    def time_passes(self, seconds: int) -> None:
        self.world.wait(seconds)

    @rule(at=CRASHES)
    def somebody_asks_again(self, at: int | None) -> None:
        self.killed_at(at, lambda world: world.ask_for(reference=self.key))

    @rule()
    def a_sweep_comes(self) -> None:
        self.world.wait(3 * ledger_table.GRACE_SECONDS)
        self.world.machines.running = set(self.following())
        sweep(self.world.runs, self.world.secrets)

    @precondition(lambda self: self.following())
    @rule(data=st.data(), at=CRASHES)
    def an_execution_goes_on(self, data: st.DataObject, at: int | None) -> None:
        self.step(data.draw(st.sampled_from(self.following())), at)

    @precondition(lambda self: self.following())
    @rule(data=st.data(), at=CRASHES)
    def an_execution_breaks(self, data: st.DataObject, at: int | None) -> None:
        name = data.draw(st.sampled_from(self.following()))
        self.killed_at(at, lambda world: self.publish(world, name, problem=True))

    def publish(self, world: World, name: str, *, problem: bool = False) -> None:
        fault = watch_failed("x") if problem else None
        if world.publish(self.watch_id, problem=fault, execution=name).event is not None:
            self.over.add(name)

    def step(self, name: str, at: int | None = None) -> None:
        """Makes the next step of an execution, as its state machine does."""
        creates = self.world.machines.started[name]["create"] and name not in self.created
        watch = self.world.ledger.tasks.watch(self.watch_id)

        def work(world: World) -> None:
            if creates:
                if world.create(self.watch_id).done:
                    self.created.add(name)
            elif watch.settled or world.poll(self.watch_id, name).settled:
                self.publish(world, name)

        self.killed_at(at, work)

    def teardown(self) -> None:
        """Lets everything come to its end, without further crashes."""
        if not hasattr(self, "watch_id"):
            return
        self.answer("busy")
        for _ in range(3):
            self.a_sweep_comes()
            for name in [name for name in self.following() for _ in range(4)]:
                if name in self.following():
                    self.step(name)
                    self.world.wait(120)
        self.answer("taken")
        for _ in range(3):
            self.a_sweep_comes()
            for name in [name for name in self.following() for _ in range(4)]:
                if name in self.following():
                    self.step(name)
                    self.world.wait(400)
        assert self.following() == []
        assert len(self.world.ledger.tasks.events(self.watch_id)) == 1
        assert self.taken <= 1


@pytest.mark.parametrize("examples", [25, pytest.param(150, marks=pytest.mark.slow)])
def test_whatever_breaks_one_request_is_taken_at_most_and_one_event_told(
    quick_world: World, monkeypatch: pytest.MonkeyPatch, examples: int
) -> None:
    """A second render is money, and an order without an end is a lost client."""

    class Here(OneCreation):
        pass

    Here.world, Here.monkeypatch = quick_world, monkeypatch
    run_state_machine_as_test(
        Here,
        settings=settings(
            max_examples=examples,
            stateful_step_count=20,
            deadline=None,
            derandomize=True,
            suppress_health_check=list(HealthCheck),
        ),
    )
