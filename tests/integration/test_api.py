"""The HTTP API, through API Gateway's events, on a cloud in memory."""

import itertools
import json
import re
import string
import time
from dataclasses import replace
from io import StringIO
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import boto3
import jsonschema
import pytest
import requests
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from standardwebhooks import Webhook
from werkzeug.test import Client, TestResponse

import serve_api
from tests.integration.gateway import Context, served
from tests.integration.world import DEFAULT_SECRET, MP4, Answer, World, event_of, says
from vidhook import __version__, openapi, subscribers
from vidhook.edges.bucket import Bucket
from vidhook.edges.ledger import table as ledger_table
from vidhook.edges.telemetry import logger
from vidhook.erase import OVER_SECONDS
from vidhook.links import video_token
from vidhook.runs import Runs
from vidhook.task import EVENT_TYPES, DeliveryState, derived_id, is_id
from vidhook.times import Clock, iso

HOOK, OTHER = ("hook" + letter * 22 for letter in "ab")  # names that make ids of the usual form
WEBHOOKS = Path(__file__).parents[2] / "events" / "webhooks"
BASE64URL = string.ascii_letters + string.digits + "-_"


@pytest.fixture
def api(world: World, monkeypatch: pytest.MonkeyPatch) -> Client:
    return served(world, monkeypatch)


@pytest.fixture
def machines(api: Client) -> dict[str, str]:
    """The ARNs of the two state machines by name."""
    found = boto3.client("stepfunctions").list_state_machines()["stateMachines"]
    return {machine["name"]: machine["stateMachineArn"] for machine in found}


@pytest.fixture
def log(monkeypatch: pytest.MonkeyPatch) -> StringIO:
    """What the handler logs."""
    stream = StringIO()
    monkeypatch.setattr(logger.registered_handler, "stream", stream)
    return stream


def executions(arn: str) -> list[str]:
    """Returns the names of all executions of a state machine."""
    return [each["name"] for each in boto3.client("stepfunctions").list_executions(stateMachineArn=arn)["executions"]]


def submission(**fields: Any) -> dict[str, Any]:
    return {"provider": "acme", "task_id": "t1", **fields}


def problem(response: TestResponse, status: int) -> dict[str, Any]:
    """Returns the problem document of a response that must be one."""
    assert response.status_code == status, response.text
    assert response.content_type == "application/problem+json"
    said: dict[str, Any] = json.loads(response.data)
    assert said["status"] == status
    assert said["type"] == "about:blank"
    return said


def answer_of(response: TestResponse) -> dict[str, Any]:
    """Returns the JSON object of a response that must be a success."""
    assert response.status_code < 300, response.text
    assert response.content_type == "application/json"
    said: dict[str, Any] = json.loads(response.data)
    return said


def published(world: World, *answers: Answer) -> tuple[str, str]:
    """Publishes a task to the subscriber `hook`, which answers as scripted; returns (task, subscriber)."""
    hook = world.subscribe(HOOK, *answers)
    watch_id = world.completed()
    world.publish(watch_id)
    return watch_id, hook.id


class TestTasks:
    def test_the_same_task_is_watched_once(self, api: Client, machines: dict[str, str]) -> None:
        """A client that got no answer can simply send the submission again."""
        first = api.post("/v1/tasks", json=submission(metadata={"order": "17"}))
        second = api.post("/v1/tasks", json=submission())
        assert (first.status_code, second.status_code) == (202, 200)
        assert answer_of(first) == answer_of(second)
        assert executions(machines["watch"]) == [answer_of(first)["id"]]
        assert answer_of(api.get(first.headers["Location"]))["metadata"] == {"order": "17"}

    def test_a_task_token_is_shown_nowhere(self, api: Client, world: World, log: StringIO) -> None:
        """Whoever has the token can end the execution that waits for it."""
        made = api.post("/v1/tasks", json=submission(task_token="AQCEAAAAKgAAAAMAAAAA"))
        story = api.get(made.headers["Location"])
        assert world.ledger.tasks.tokens(answer_of(made)["id"]) == ["AQCEAAAAKgAAAAMAAAAA"]
        assert log.getvalue()
        assert "AQCEAAAAKg" not in made.text + story.text + log.getvalue()

    def test_a_callbacks_query_string_is_not_shown(self, api: Client, log: StringIO) -> None:
        """The query may contain a secret of the receiver, and people who read tasks need not know it."""
        made = api.post("/v1/tasks", json=submission(callback_url="https://example.com/cb?key=k-71"))
        assert answer_of(made)["callback_url"] == "https://example.com/cb"
        assert "k-71" not in made.text + api.get(made.headers["Location"]).text + log.getvalue()

    @pytest.mark.parametrize(
        ("fields", "field", "hint"),
        [
            ({"provider": "acne"}, "provider", 'did you mean "acme"?'),
            ({"taskid": "t"}, "taskid", "task_id"),
            ({"callback_url": "http://169.254.169.254/"}, "callback_url", "public https"),
            ({"deadline_seconds": 0}, "deadline_seconds", "1 to 604800"),
        ],
    )
    def test_a_bad_submission_is_answered_with_its_field_and_a_hint(
        self, api: Client, fields: dict[str, Any], field: str, hint: str
    ) -> None:
        """A client can correct the request with the problem document alone."""
        said = problem(api.post("/v1/tasks", json=submission(**fields)), 422)
        assert said["field"] == field
        assert hint in said["hint"]

    def test_a_task_is_shown_for_longer_than_its_event_is_stored(self, api: Client, world: World) -> None:
        """A task that the list shows must not be 404."""
        watch_id, _ = published(world)
        world.forget_event(watch_id)
        story = answer_of(api.get(f"/v1/tasks/{watch_id}"))
        assert (story["status"], story["event"], story["event_id"][:4]) == ("completed", None, "evt_")

    def test_a_task_is_shown_with_its_polls_and_its_event(self, api: Client, world: World) -> None:
        """One request shows everything that happened to a task."""
        url = world.video()
        watch_id = world.settle(says("processing", progress=40), says("completed", url=url, model="m1"))
        before = answer_of(api.get(f"/v1/tasks/{watch_id}"))
        assert before["event"] is None
        assert before["status"] == "completed"
        event = world.publish(watch_id).event
        story = answer_of(api.get(f"/v1/tasks/{watch_id}"))
        assert [poll["answer"] for poll in story["history"]] == ["processing", "completed"]
        assert [poll["progress"] for poll in story["history"]] == [40, None]
        assert story["history"][0]["pause"] > 0
        assert story["snapshot"]["model"] == "m1"
        assert event is not None
        assert story["event"] == event.data
        assert story["event_id"] == event.id

    def test_a_task_that_was_given_up_is_failed(self, api: Client, world: World) -> None:
        """The provider never said that it failed, but its event says so."""
        submitted = world.submit()
        world.publish(submitted.watch.id)
        story = answer_of(api.get(f"/v1/tasks/{submitted.watch.id}"))
        assert (story["status"], story["event"]["type"]) == ("failed", "video.failed")
        assert [each["id"] for each in answer_of(api.get("/v1/tasks?status=failed"))["items"]] == [submitted.watch.id]

    def test_tasks_are_listed_newest_first_and_filtered(self, api: Client, world: World) -> None:
        """A list can be filtered by provider, by status and by time."""
        old = world.completed(task_id="old")
        world.wait(100)
        new = world.submit("new").watch.id

        def ids(query: str) -> list[str]:
            return [each["id"] for each in answer_of(api.get(f"/v1/tasks?{query}"))["items"]]

        assert ids("") == [new, old]
        assert ids("status=completed") == [old]
        assert ids("status=pending&provider=acme") == [new]
        assert ids("provider=alad") == []
        between = world.ledger.tasks.watch(new).submitted_at - 50
        assert ids(f"since={iso(between)}") == [new]

    def test_a_task_says_when_it_is_polled_next(self, api: Client, world: World) -> None:
        """A page counts down to it without knowing how pauses are chosen."""
        submitted = world.submit()
        path = f"/v1/tasks/{submitted.watch.id}"
        assert answer_of(api.get(path))["next_poll_at"] == iso(world.now + submitted.pause)
        world.web.script("/tasks/t1", says("processing"), says("failed", error="no"))
        world.wait(submitted.pause)
        polled = world.poll(submitted.watch.id)
        assert answer_of(api.get(path))["next_poll_at"] == iso(world.now + polled.pause)
        world.poll(submitted.watch.id)
        assert answer_of(api.get(path))["next_poll_at"] is None

    def test_a_task_says_what_came_of_its_latest_poll(self, api: Client, world: World) -> None:
        """A list of tasks tells which of them wait for a key, without the story of each."""
        submitted = world.submit()
        words = [answer_of(api.get("/v1/tasks"))["items"][0]["last_answer"]]
        for answer in (says("processing"), Answer(401, b'{"error":"bad key"}')):
            world.web.script("/tasks/t1", answer)
            world.poll(submitted.watch.id)
            words.append(answer_of(api.get("/v1/tasks"))["items"][0]["last_answer"])
        assert words == [None, "processing", "key_refused"]

    def test_a_task_is_found_by_any_name_for_it(self, api: Client, world: World) -> None:
        """One search box; what else the query says counts too."""
        task = world.settle(says("failed", error="no"), reference="order-17")
        event = event_of(world.publish(task, store=False))

        def ids(query: str) -> list[str]:
            page = answer_of(api.get(f"/v1/tasks?{query}"))
            assert page["next"] is None
            return [each["id"] for each in page["items"]]

        for name in (task, event.id, "order-17", "acme%2Ft1", "t1"):
            assert ids(f"find={name}") == [task]
            assert ids(f"find={name}&status=failed&provider=acme&limit=1&with=deliveries") == [task]
            for other in ("status=completed", "provider=alad", f"since={iso(world.now + 1)}"):
                assert ids(f"find={name}&{other}") == []
        assert ids("find=order") == []
        for query in ("find=", f"find={'x' * 513}", "find=t1&reference=t1"):
            assert problem(api.get(f"/v1/tasks?{query}"), 422)["field"] == "find"

    def test_a_list_counts_the_deliveries_of_each_task_if_asked_to(self, api: Client, world: World) -> None:
        """Who shows a hundred tasks need not send a hundred requests; those of progress events are not counted."""
        world.subscribe(HOOK, Answer(500), events=("*",))
        world.subscribe(OTHER, Answer(200))
        world.web.script("/tasks/t1", says("processing", progress=40))
        open_one = world.submit(progress=True).watch.id
        world.poll(open_one)
        world.publish_progress(open_one)
        ended = world.completed(task_id="t2")
        world.publish(ended)

        def counted(query: str) -> dict[str, Any]:
            items = answer_of(api.get(f"/v1/tasks?{query}"))["items"]
            return {each["id"]: each.get("deliveries") for each in items}

        none = {state.value: 0 for state in DeliveryState}
        assert counted("with=deliveries") == {open_one: none, ended: {**none, "delivered": 1, "due": 1}}
        assert counted("") == {open_one: None, ended: None}
        assert problem(api.get("/v1/tasks?with=polls"), 422)["field"] == "with"

    @pytest.mark.parametrize("limit", [1, 2, 3, 6, 7])
    @pytest.mark.parametrize("looks", [2, 1_000])
    def test_pages_together_hold_every_task_once(
        self, api: Client, world: World, monkeypatch: pytest.MonkeyPatch, limit: int, looks: int
    ) -> None:
        """This is true for every size of a page, for every limit of one request, and for tasks of the same instant."""
        monkeypatch.setattr(ledger_table, "PAGE_READS", looks)
        expected = []
        for number in range(6):
            expected.append(world.submit(f"t{number}").watch)
            world.wait(number % 2)
        seen: list[str] = []
        query = f"limit={limit}&provider=acme"
        for _ in range(10):
            page = answer_of(api.get(f"/v1/tasks?{query}"))
            assert len(page["items"]) <= limit
            seen += [each["id"] for each in page["items"]]
            if page["next"] is None:
                break
            query = f"limit={limit}&provider=acme&cursor={page['next']}"
        newest = sorted(expected, key=lambda watch: (watch.submitted_at, watch.id), reverse=True)
        assert seen == [watch.id for watch in newest]

    @pytest.mark.parametrize(
        ("query", "field"),
        [
            ("cursor=abcd", "cursor"),
            ("limit=0", "limit"),
            ("limit=many", "limit"),
            ("status=done", "status"),
            ("state=completed", "state"),
            ("since=yesterday", "since"),
        ],
    )
    def test_a_bad_filter_is_refused(self, api: Client, query: str, field: str) -> None:
        """If a filter were ignored silently, the list would show tasks that nobody asked for."""
        assert problem(api.get(f"/v1/tasks?{query}"), 422)["field"] == field

    def test_a_contradiction_is_answered_with_the_difference(self, api: Client, log: StringIO) -> None:
        """A program can see what to change, and the task stays as it was."""
        first = api.post("/v1/tasks", json=submission(metadata={"order": "17"}))
        other = submission(
            metadata={"order": "18"}, callback_url="https://example.com/cb?key=k-71", task_token="canary"
        )
        refused = api.post("/v1/tasks", json=other)
        said = problem(refused, 409)
        assert said["differences"] == [{"field": "metadata.order", "known": "17", "given": "18"}]
        assert said["field"] == "metadata"
        assert "leave these fields out" in said["hint"]
        assert "k-71" not in refused.text + log.getvalue()
        assert "canary" not in refused.text + log.getvalue()
        assert answer_of(api.get(first.headers["Location"]))["callback_urls"] == []

    def test_another_callback_url_is_shown_and_gets_the_event(
        self, api: Client, world: World, machines: dict[str, str]
    ) -> None:
        """The answer is that of a known task, and the event that is published already is on its way."""
        urls = [world.web.script(f"/{name}", Answer(204)) for name in ("one", "two")]
        watch_id = world.completed(callback_url=urls[0])
        world.publish(watch_id)
        added = api.post("/v1/tasks", json=submission(callback_url=urls[1] + "?key=k-71"))
        assert (added.status_code, answer_of(added)["callback_urls"]) == (200, urls)
        assert "k-71" not in added.text
        (started,) = executions(machines["redeliver"])
        event_id, subscriber, run = started.split("-")
        world.wait(1)
        assert (
            world.redeliver(world.ledger.deliveries.get(watch_id, event_id, subscriber), run=int(run)).state
            == "delivered"
        )
        assert len(world.web.to("/two?key=k-71")) == 1


class TestCancel:
    def test_a_task_that_is_followed_is_cancelled_once(
        self, api: Client, world: World, machines: dict[str, str], capsys: pytest.CaptureFixture[str]
    ) -> None:
        """202 until the event is there, and 200 ever after."""
        watch_id = world.submit().watch.id
        for _ in range(2):
            answer = api.post(f"/v1/tasks/{watch_id}/cancel")
            assert (answer.status_code, answer.headers["Location"]) == (202, f"/v1/tasks/{watch_id}")
        cancel = {"asked_at": iso(world.now), "answer": "stopped", "answered_at": iso(world.now), "message": ""}
        assert answer_of(answer)["cancel"] == cancel
        assert executions(machines["watch"]) == [f"{watch_id}-cancel-0-1"]
        world.publish(watch_id)
        answer = api.post(f"/v1/tasks/{watch_id}/cancel")
        assert (answer.status_code, answer_of(answer)["status"]) == (200, "failed")
        metrics = [line for line in capsys.readouterr().out.splitlines() if "TasksCancelled" in line]
        assert len(metrics) == 2

    def test_what_has_ended_otherwise_is_a_conflict(self, api: Client, world: World) -> None:
        """The answer says how."""
        watch_id = world.completed()
        refused = problem(api.post(f"/v1/tasks/{watch_id}/cancel"), 409)
        assert "is completed" in refused["detail"]
        assert problem(api.post("/v1/tasks/tsk_" + "a" * 26 + "/cancel"), 404)


class TestPollAtOnce:
    def test_a_task_is_polled_by_an_execution_of_its_own(
        self, api: Client, world: World, machines: dict[str, str]
    ) -> None:
        """Asking again within ten seconds is answered the same and does nothing."""
        task = world.submit().watch.id
        first, second = (api.post(f"/v1/tasks/{task}/poll") for _ in range(2))
        assert (first.status_code, first.headers["Location"]) == (202, f"/v1/tasks/{task}")
        assert answer_of(first) == answer_of(second) == answer_of(api.get("/v1/tasks?limit=1"))["items"][0]
        [execution] = executions(machines["watch"])
        assert execution.startswith(f"{task}-poll-")

    def test_a_task_that_has_ended_is_a_conflict(self, api: Client, world: World) -> None:
        """The answer says what else can be done."""
        task, _ = published(world)
        said = problem(api.post(f"/v1/tasks/{task}/poll"), 409)
        assert (said["detail"], "retried" in said["hint"]) == (f"task {task} is completed", True)


class TestErase:
    def test_an_erased_task_is_gone_from_this_moment_on(self, api: Client, world: World, log: StringIO) -> None:
        """202 while its files are being removed, 204 when nothing is left; its pages say what happened."""
        watch_id = world.completed(reference="order-17")
        world.publish(watch_id)
        event = answer_of(api.get(f"/v1/tasks/{watch_id}"))["event"]
        link = event["data"]["assets"][0]["url"].rpartition("/")[2]
        answer = api.delete(f"/v1/tasks/{watch_id}")
        assert (answer.status_code, answer_of(answer)) == (202, {"id": watch_id})
        assert world.functions.erased == [watch_id]
        for path in ("", "/answer", "/deliveries"):
            assert "was erased at" in problem(api.get(f"/v1/tasks/{watch_id}{path}"), 410)["detail"]
        for path in ("/retry", "/cancel"):
            problem(api.post(f"/v1/tasks/{watch_id}{path}"), 410)
        assert answer_of(api.get("/v1/tasks?reference=order-17"))["items"] == []
        assert answer_of(api.get("/v1/tasks"))["items"] == []
        given = {"provider": "acme", "task_id": "t1", "reference": "order-17"}
        assert problem(api.post("/v1/tasks", json=given), 409)["field"] == "task_id"
        world.eraser.erase(watch_id)
        problem(api.get(f"/v1/videos/{link}"), 404)
        assert api.delete(f"/v1/tasks/{watch_id}").status_code == 202
        world.wait(OVER_SECONDS + 1)
        [left] = world.ledger.tasks.erasures()
        world.eraser.sweep(left)
        assert api.delete(f"/v1/tasks/{watch_id}").status_code == 204
        problem(api.get(f"/v1/tasks/{watch_id}"), 410)

    def test_what_is_not_known_cannot_be_erased(self, api: Client) -> None:
        """404, and nothing is remembered of it."""
        problem(api.delete("/v1/tasks/tsk_" + "a" * 26), 404)


class TestAnswer:
    def test_the_latest_answer_is_shown_beside_what_was_read(self, api: Client, world: World) -> None:
        """A console shows both."""
        watch_id = world.submit().watch.id
        problem(api.get(f"/v1/tasks/{watch_id}/answer"), 404)
        world.web.script("/tasks/t1", says("processing", progress=40), Answer(502, b"<h1>bad gateway</h1>"))
        world.poll(watch_id)
        answer = answer_of(api.get(f"/v1/tasks/{watch_id}/answer"))
        assert (answer["status"], answer["body"]) == (200, {"status": "processing", "progress": 40})
        assert (answer["read"]["status"], answer["read"]["progress"]) == ("processing", 40)
        world.wait(5)
        world.poll(watch_id)
        answer = answer_of(api.get(f"/v1/tasks/{watch_id}/answer"))
        assert (answer["status"], answer["body"], answer["at"]) == (502, "<h1>bad gateway</h1>", iso(world.now))
        assert (answer["read"]["outcome"], answer["read"]["status"]) == ("retry", None)

    def test_the_last_answer_is_there_after_the_event(self, api: Client, world: World) -> None:
        """Whoever asks why a task failed asks after its end."""
        watch_id = world.settle(says("failed", error="the GPU is on fire"))
        world.publish(watch_id)
        answer = answer_of(api.get(f"/v1/tasks/{watch_id}/answer"))
        assert answer["body"]["error"] == "the GPU is on fire"
        assert answer["read"]["error"]["message"] == "the GPU is on fire"

    def test_the_answer_to_each_poll_is_shown_by_its_time(self, api: Client, world: World) -> None:
        """Why a task was followed as it was is seen in what its provider said then."""
        watch_id = world.submit().watch.id
        bodies = [{"status": "processing", "progress": progress} for progress in (10, 20, 30)]
        world.web.script("/tasks/t1", *(says("processing", progress=each["progress"]) for each in bodies))
        for _ in bodies:
            world.wait(5)
            world.poll(watch_id)
        history = answer_of(api.get(f"/v1/tasks/{watch_id}"))["history"]
        path = f"/v1/tasks/{watch_id}/answer"
        assert [answer_of(api.get(f"{path}?at={poll['at']}"))["body"] for poll in history] == bodies
        assert answer_of(api.get(path))["body"] == bodies[-1]
        assert answer_of(api.get(f"{path}?at={iso(world.now + 99)}"))["body"] == bodies[-1]
        problem(api.get(f"{path}?at={iso(world.now - 99)}"), 404)
        problem(api.get(f"{path}?at=0001-01-01T00:00:00Z"), 404)
        assert problem(api.get(f"{path}?at=noon"), 422)["field"] == "at"

    def test_an_earlier_answer_never_replaces_a_later_one(self, world: World) -> None:
        """Two executions may poll one task."""
        watch_id = world.settle(says("failed", error="no"))
        last = world.ledger.tasks.answer(watch_id)
        world.ledger.tasks.put_answer(watch_id, replace(last, at=last.at - 1, body="before"))
        assert world.ledger.tasks.answer(watch_id) == last


class TestRetry:
    def given_up(self, world: World) -> str:
        """The id of a task that was published as failed before its provider said anything."""
        watch_id = world.submit(metadata={"order": "17"}).watch.id
        world.publish(watch_id, store=False)
        world.wait(60)
        return watch_id

    def test_a_task_that_was_given_up_is_followed_again(
        self, api: Client, world: World, machines: dict[str, str], log: StringIO, capsys: pytest.CaptureFixture[str]
    ) -> None:
        """The answer shows the task as it is followed from now on, under an execution's name of its own."""
        watch_id = self.given_up(world)
        answer = api.post(f"/v1/tasks/{watch_id}/retry")
        assert (answer.status_code, answer.headers["Location"]) == (202, f"/v1/tasks/{watch_id}")
        task = answer_of(answer)
        assert (task["status"], task["event_id"], task["settled_at"]) == ("pending", None, None)
        assert (task["retries"], task["retried_at"], task["metadata"]) == (1, iso(world.now), {"order": "17"})
        assert task["deadline_at"] == iso(world.now + 86_400)
        assert executions(machines["watch"]) == [task["execution"]] == [f"{watch_id}-retry-1"]
        assert answer_of(api.get(f"/v1/tasks/{watch_id}"))["event"] is None
        lines = [json.loads(line) for line in log.getvalue().splitlines()]
        assert [line["retries"] for line in lines if line["message"] == "task retried"] == [1]
        metrics = [json.loads(line) for line in capsys.readouterr().out.splitlines() if "TasksRetried" in line]
        assert [(metric["TasksRetried"], metric["provider"]) for metric in metrics] == [([1], "acme")]

    def test_a_retry_may_have_a_deadline(self, api: Client, world: World) -> None:
        """In the same words as a submission."""
        watch_id = self.given_up(world)
        refused = problem(api.post(f"/v1/tasks/{watch_id}/retry", json={"deadline_seconds": 0}), 422)
        assert refused["field"] == "deadline_seconds"
        assert problem(api.post(f"/v1/tasks/{watch_id}/retry", json={"deadline": 1}), 422)["field"] == "deadline"
        assert problem(api.post(f"/v1/tasks/{watch_id}/retry", json=[]), 422)["field"] == "retry"
        task = answer_of(api.post(f"/v1/tasks/{watch_id}/retry", json={"deadline_seconds": 120.0}))
        assert task["deadline_at"] == iso(world.now + 120)

    def test_a_retry_may_have_params_that_the_providers_file_takes(self, api: Client, world: World) -> None:
        """They are those of a submission, and a wrong one is named."""
        watch_id = self.given_up(world)
        for params in ({"model": "a/b"}, {"model": ""}, ["a"]):
            refused = problem(api.post(f"/v1/tasks/{watch_id}/retry", json={"params": params}), 422)
            assert refused["field"].partition(".")[0] == "params"
        task = answer_of(api.post(f"/v1/tasks/{watch_id}/retry", json={"params": {}}))
        assert (task["params"], task["deadline_at"]) == ({}, iso(world.now + 86_400))

    @pytest.mark.parametrize("body", [None, {}])
    def test_a_second_retry_is_a_conflict(self, api: Client, world: World, body: dict[str, Any] | None) -> None:
        """It is followed already; and what is not there cannot be followed."""
        watch_id = self.given_up(world)
        given = {} if body is None else {"json": body}
        assert api.post(f"/v1/tasks/{watch_id}/retry", **given).status_code == 202
        said = problem(api.post(f"/v1/tasks/{watch_id}/retry", **given), 409)
        assert "followed already" in said["detail"]
        assert said["hint"]
        problem(api.post("/v1/tasks/tsk_nothing/retry", **given), 404)


class TestActivity:
    def test_one_request_tells_what_goes_on(self, api: Client, world: World) -> None:
        """It is all that the head of a page needs."""
        watch_id = world.submit().watch.id
        told = answer_of(api.get("/v1/activity"))
        assert (told["looked_at"], told["all"]) == (1, True)
        [of] = told["items"]
        assert (of["provider"], of["running"], of["errors"], of["key_refused_since"]) == ("acme", 1, {}, None)
        world.web.script("/tasks/t1", Answer(503), Answer(401))
        for _ in range(2):
            world.poll(watch_id)
        [of] = answer_of(api.get("/v1/activity"))["items"]
        assert (of["errors"], of["key_refused_since"]) == ({"retry": 1, "key_refused": 1}, iso(world.now))


class TestDeliveries:
    def test_the_log_shows_every_attempt(self, api: Client, world: World) -> None:
        """It shows why an event did not arrive."""
        watch_id, hook = published(world, Answer(500, b"no database"))
        (delivery,) = answer_of(api.get(f"/v1/tasks/{watch_id}/deliveries"))["items"]
        assert (delivery["subscriber"], delivery["state"], delivery["attempts"]) == (hook, "due", 1)
        (attempt,) = delivery["log"]
        assert (attempt["status"], attempt["answer"], attempt["outcome"]) == (500, "no database", "retry")
        assert delivery["next_at"] == attempt["next_at"]

    def test_both_sides_of_an_exchange_are_shown_without_secrets(self, api: Client, world: World) -> None:
        """The owner of an endpoint compares them with its log, and sends neither a signature nor a key to others."""
        hook = world.subscribe(HOOK, Answer(500, b"no", {"x-request-id": "r1"}), Answer(200))
        world.ledger.subscribers.change(hook.id, {"url": f"{hook.url}?token=canary-1"})
        event = event_of(world.publish(task := world.completed()))
        world.wait(60)
        world.redeliver(world.ledger.deliveries.get(task, event.id, hook.id))
        text = api.get(where := f"/v1/tasks/{task}/deliveries").text
        assert "canary-1" not in text
        [made] = json.loads(text)["items"]
        assert [each["headers"].get("x-request-id") for each in made["log"]] == ["r1", None]
        shown = made["request"]["headers"]
        sent = world.web.asked[-1].headers
        assert (made["request"]["method"], made["request"]["url"]) == ("POST", hook.url)
        assert shown.pop("webhook-signature") == "v1,[hidden]"
        assert shown.items() <= sent.items()
        assert shown["webhook-timestamp"] == str(int(world.now))
        api.delete(f"/v1/subscribers/{hook.id}")
        [gone] = answer_of(api.get(where))["items"]
        assert gone["request"]["url"] is None

    def test_the_log_comes_in_pages(self, api: Client, world: World) -> None:
        """An event may go to a thousand subscribers, and a page has the attempts of its own deliveries."""
        for number in range(3):
            world.subscribe(derived_id("sub", str(number)).removeprefix("sub_"), Answer(500, f"no {number}".encode()))
        watch_id = world.completed()
        world.publish(watch_id)
        where = f"/v1/tasks/{watch_id}/deliveries"
        whole = answer_of(api.get(where))
        first = answer_of(api.get(f"{where}?limit=2"))
        second = answer_of(api.get(f"{where}?limit=2&cursor={first['next']}"))
        assert (whole["next"], second["next"]) == (None, None)
        assert first["items"] + second["items"] == whole["items"]
        assert [[attempt["attempt"] for attempt in each["log"]] for each in whole["items"]] == [[1]] * 3
        assert problem(api.get(f"{where}?limit=0"), 422)["field"] == "limit"
        assert problem(api.get(f"{where}?state=due"), 422)["field"] == "state"
        problem(api.get("/v1/tasks/tsk_nothing/deliveries?limit=2"), 404)

    def test_deliveries_of_all_tasks_are_listed_newest_first_and_filtered(self, api: Client, world: World) -> None:
        """One request shows what did not arrive, whichever task it is of."""
        fine, broken = world.subscribe(HOOK).id, world.subscribe(OTHER, Answer(500)).id
        callback = world.web.script("/cb", Answer(204))
        first, second = (world.completed(task_id=task_id, callback_url=callback) for task_id in ("a", "b"))
        made = []
        for watch_id in (first, second):
            made.append(event_of(world.publish(watch_id)))
            world.wait(100)
        (at_callback,) = {each.subscriber_id for each in world.ledger.deliveries.of_task(first)} - {fine, broken}

        def found(query: str) -> list[tuple[str, str]]:
            page = answer_of(api.get(f"/v1/deliveries?{query}"))
            assert page["next"] is None
            return [(each["task"], each["subscriber"]) for each in page["items"]]

        names = sorted([fine, broken, at_callback])
        assert found("") == [(watch_id, name) for watch_id in (second, first) for name in names]
        assert found("state=due") == [(second, broken), (first, broken)]
        assert found(f"subscriber={at_callback}&state=delivered") == [(second, at_callback), (first, at_callback)]
        assert found(f"subscriber={fine}&since={iso(made[1].at)}") == [(second, fine)]
        assert found(f"since={iso(made[1].at)}&state=due") == [(second, broken)]
        assert found("type=video.failed") == found(f"type=video.failed&subscriber={fine}") == []
        *_, oldest = answer_of(api.get("/v1/deliveries?state=due"))["items"]
        assert (oldest["event_id"], oldest["attempts"], oldest["last"]) == (made[0].id, 1, "500")
        logs = answer_of(api.get(f"/v1/tasks/{first}/deliveries"))["items"]
        assert oldest in [{name: each[name] for name in oldest} for each in logs]

    def test_progress_is_listed_by_its_subscriber(self, api: Client, world: World) -> None:
        """Without a subscriber a list of progress would be empty, so it is refused."""
        hook = world.subscribe(HOOK, events=("*.progress",))
        world.web.script("/tasks/t1", says("processing", progress=50))
        watch_id = world.submit(progress=True).watch.id
        world.wait(60)
        assert world.poll(watch_id).progress
        world.publish_progress(watch_id)
        (item,) = answer_of(api.get(f"/v1/deliveries?subscriber={hook.id}&type=video.progress"))["items"]
        assert (item["task"], item["event_type"]) == (watch_id, "video.progress")
        assert answer_of(api.get("/v1/deliveries"))["items"] == []
        said = problem(api.get("/v1/deliveries?type=video.progress"), 422)
        assert (said["field"], "give a subscriber too" in said["hint"]) == ("type", True)

    @pytest.mark.parametrize(
        ("query", "field"),
        [
            ("cursor=abcd", "cursor"),
            ("limit=101", "limit"),
            ("state=lost", "state"),
            ("type=video.done", "type"),
            ("subscriber=sub_short", "subscriber"),
            ("subscriber=tsk_" + "a" * 26, "subscriber"),
            ("since=yesterday", "since"),
            ("status=due", "status"),
        ],
    )
    def test_a_bad_filter_is_refused(self, api: Client, query: str, field: str) -> None:
        """In the words of the list of tasks."""
        said = problem(api.get(f"/v1/deliveries?{query}"), 422)
        assert (said["field"], bool(said["hint"])) == (field, True)

    def test_a_cursor_of_another_list_is_refused(self, api: Client, world: World) -> None:
        """It would leave out deliveries silently."""
        hook = world.subscribe(HOOK)
        for task_id in ("a", "b"):
            world.publish(world.completed(task_id=task_id))
        for one, other in [("tasks?", "deliveries?"), (f"deliveries?subscriber={hook.id}&", "deliveries?")]:
            cursor = answer_of(api.get(f"/v1/{one}limit=1"))["next"]
            said = problem(api.get(f"/v1/{other}cursor={cursor}"), 422)
            assert (said["field"], "of the same list" in said["hint"]) == ("cursor", True)

    def test_a_subscriber_of_which_nothing_is_known_is_not_found(self, api: Client) -> None:
        """An empty list would say that nothing was sent to it."""
        assert "sub_bbb" in problem(api.get("/v1/deliveries?subscriber=sub_" + "b" * 26), 404)["detail"]

    def test_a_replay_starts_the_schedule_again(self, api: Client, world: World, machines: dict[str, str]) -> None:
        """It sends the same event and has all retries again."""
        watch_id, hook = published(world)
        again = api.post(f"/v1/tasks/{watch_id}/deliveries/{hook}/replay")
        assert (again.status_code, answer_of(again)["state"]) == (202, "due")
        event_id = world.ledger.tasks.watch(watch_id).event_id
        assert executions(machines["redeliver"]) == [f"{event_id}-{hook}-1"]
        delivery = world.ledger.deliveries.get(watch_id, answer_of(again)["event_id"], hook)
        world.wait(1)
        assert world.redeliver(delivery).state == "delivered"
        ids = [asked.headers["webhook-id"] for asked in world.web.to(f"/{HOOK}")]
        assert ids == [event_id, event_id]

    def test_there_must_be_something_to_replay(self, api: Client, world: World) -> None:
        """A replay that cannot arrive is refused, so that the caller knows it."""
        hook = world.subscribe(HOOK)
        watch_id = world.submit().watch.id
        assert "event" in problem(api.post(f"/v1/tasks/{watch_id}/deliveries/{hook.id}/replay"), 409)["detail"]
        world.publish(watch_id)
        problem(api.post(f"/v1/tasks/{watch_id}/deliveries/sub_nobody/replay"), 404)
        problem(api.post(f"/v1/tasks/tsk_nothing/deliveries/{hook.id}/replay"), 404)
        api.post(f"/v1/subscribers/{hook.id}/pause")
        assert "resume" in problem(api.post(f"/v1/tasks/{watch_id}/deliveries/{hook.id}/replay"), 409)["hint"]

    def test_an_event_that_is_no_longer_stored_is_not_replayed(self, api: Client, world: World) -> None:
        """Its delivery would be cancelled, though it was made."""
        watch_id, hook = published(world)
        world.forget_event(watch_id)
        assert "no longer stored" in problem(api.post(f"/v1/tasks/{watch_id}/deliveries/{hook}/replay"), 409)["detail"]
        assert [each.state for each in world.ledger.deliveries.of_task(watch_id)] == ["delivered"]


class TestSubscribers:
    def test_a_secret_is_shown_once(self, api: Client, world: World) -> None:
        """After that, it is only in the ledger, sealed."""
        url = world.web.script("/new", Answer(200))
        added = api.post("/v1/subscribers", json={"url": url, "events": ["video.*"], "providers": ["acme"]})
        assert added.status_code == 201
        where, shown = added.headers["Location"], answer_of(added)
        assert where == f"/v1/subscribers/{shown['id']}"
        response = api.get(where)
        later = answer_of(response)
        assert {**later, "secret": shown["secret"]} == shown
        assert answer_of(api.get("/v1/subscribers"))["items"] == [later]
        assert shown["secret"] not in response.text

    def test_a_test_is_signed_with_the_shown_secret(self, api: Client, world: World) -> None:
        """A receiver that has the secret can verify the first request already."""
        world.now = time.time()  # the library refuses a signature that is minutes old
        url = world.web.script("/new", Answer(204))
        added = answer_of(api.post("/v1/subscribers", json={"url": url}))
        tested = answer_of(api.post(f"/v1/subscribers/{added['id']}/test"))
        assert (tested["attempt"]["outcome"], tested["attempt"]["status"]) == ("delivered", 204)
        (asked,) = world.web.to("/new")
        assert Webhook(added["secret"]).verify(asked.body, asked.headers) == tested["event"]

    def test_headers_are_sent_and_never_shown(self, api: Client, world: World) -> None:
        """An API gateway before the receiver wants its key; also an answer that repeats it is kept without it."""
        echoed = {"x-echo": "Bearer gateway-key-1", "set-cookie": "session=canary-1"}
        answer = Answer(200, b'you sent \\"Bearer gateway-key-1\\", gateway%2Dkey%2D1', echoed)
        url, headers = world.web.script("/new", answer), {"Authorization": "Bearer gateway-key-1", "x-team": "a"}
        added = api.post("/v1/subscribers", json={"url": url, "headers": headers})
        shown = answer_of(added)
        assert shown["header_names"] == ["Authorization", "x-team"]
        where = f"/v1/subscribers/{shown['id']}"
        tested = api.post(f"{where}/test")
        world.publish(watch := world.completed())
        for asked in world.web.to("/new"):
            assert {name: asked.headers[name.lower()] for name in headers} == headers
        log = api.get(f"/v1/tasks/{watch}/deliveries")
        for response in (added, tested, log, api.get(where), api.get("/v1/subscribers")):
            assert response.status_code < 300
            assert not [each for each in ("gateway-key-1", "gateway%2D", "canary-1") if each in response.text]
        assert "you sent" in log.text
        [made] = answer_of(log)["items"]
        for attempt in (answer_of(tested)["attempt"], made["log"][0]):
            assert attempt["headers"]["x-echo"] == "[key]"
        for request in (answer_of(tested)["request"], made["request"]):
            assert {request["headers"][name] for name in headers} == {"[hidden]"}

    def test_headers_are_replaced_as_a_whole_and_the_secret_stays(self, api: Client, world: World) -> None:
        """Whoever changes one of them knows all of them."""
        added = answer_of(api.post("/v1/subscribers", json={"url": "https://example.com/a", "headers": {"X-A": "1"}}))
        where = f"/v1/subscribers/{added['id']}"
        for headers in ({"X-B": "2", "X-C": "3"}, {}):
            changed = answer_of(api.patch(where, json={"headers": headers, "description": "new"}))
            assert (changed["header_names"], changed["description"]) == ([*headers], "new")
            known = world.secrets.credentials(world.ledger.subscribers.get(added["id"]))
            assert (known.headers, [each.secret for each in known.secrets]) == (headers, [added["secret"]])
        api.patch(where, json={"headers": {"X-A": "1"}})
        api.post(f"{where}/rotate")
        assert world.secrets.credentials(world.ledger.subscribers.get(added["id"])).headers == {"X-A": "1"}

    @pytest.mark.parametrize("url", ["https://example.org/a", "https://example.com:8443/a"])
    def test_headers_do_not_go_along_to_another_host(self, api: Client, url: str) -> None:
        """Whoever may change a URL could read them there."""
        added = answer_of(api.post("/v1/subscribers", json={"url": "https://example.com/a", "headers": {"X-A": "1"}}))
        where = f"/v1/subscribers/{added['id']}"
        assert answer_of(api.patch(where, json={"url": "https://example.com/b"}))["header_names"] == ["X-A"]
        assert problem(api.patch(where, json={"url": url}), 422)["field"] == "headers"
        assert answer_of(api.get(where))["url"] == "https://example.com/b"
        moved = answer_of(api.patch(where, json={"url": url, "headers": {"X-A": "1"}}))
        assert (moved["url"], moved["header_names"]) == (url, ["X-A"])

    def test_a_refused_header_is_named_and_not_shown(self, api: Client) -> None:
        """The API is called by programs whose errors go into logs."""
        for headers in ({"Host": "canary-1"}, {"X-A": ["canary-1"]}, ["canary-1"], {"X-A": "canary-1\n"}):
            refused = api.post("/v1/subscribers", json={"url": "https://example.com/a", "headers": headers})
            assert problem(refused, 422)["field"].startswith("headers")
            assert "canary-1" not in refused.text

    def test_a_change_leaves_the_other_fields(self, api: Client) -> None:
        """PATCH changes only the fields that it names."""
        added = answer_of(api.post("/v1/subscribers", json={"url": "https://example.com/a", "description": "first"}))
        changes = {"url": "https://example.com/b", "metadata": {"tenant": "acme"}}
        changed = answer_of(api.patch(f"/v1/subscribers/{added['id']}", json=changes))
        expected = {**added, **changes}
        del expected["secret"]
        assert changed == expected

    def test_what_was_held_is_delivered_on_resume(self, api: Client, world: World, machines: dict[str, str]) -> None:
        """No event is lost by a pause."""
        hook = world.subscribe(HOOK)
        paused = answer_of(api.post(f"/v1/subscribers/{hook.id}/pause"))
        assert (paused["state"], paused["state_since"]) == ("paused", iso(world.now))
        world.publish(world.completed())
        assert not world.web.to(f"/{HOOK}")
        resumed = answer_of(api.post(f"/v1/subscribers/{hook.id}/resume"))
        assert (resumed["state"], resumed["drained"]) == ("active", 1)
        assert len(executions(machines["redeliver"])) == 1

    @pytest.mark.parametrize(("body", "live"), [(None, 2), ({"keep_seconds": 0}, 1)])
    def test_the_old_secret_signs_too_unless_it_leaked(
        self, api: Client, world: World, body: dict[str, int] | None, live: int
    ) -> None:
        """A receiver that does not know the new secret yet must still accept events."""
        added = answer_of(api.post("/v1/subscribers", json={"url": "https://example.com/a"}))
        rotated = (
            api.post(f"/v1/subscribers/{added['id']}/rotate", json=body)
            if body
            else api.post(f"/v1/subscribers/{added['id']}/rotate")
        )
        assert rotated.status_code == 200
        credentials = world.secrets.credentials(world.ledger.subscribers.get(added["id"]))
        secrets = [entry.secret for entry in credentials.secrets]
        assert secrets == [answer_of(rotated)["secret"], added["secret"]][:live]

    def test_the_secrets_that_sign_are_told_by_their_end_alone(self, api: Client, world: World) -> None:
        """An owner sees when the old one stops, and nobody gets a secret."""
        added = answer_of(
            api.post("/v1/subscribers", json={"url": "https://example.com/a", "headers": {"X-A": "b-17"}})
        )
        where = f"/v1/subscribers/{added['id']}"
        assert answer_of(api.get(f"{where}/secrets")) == {"items": [{"ends_at": None}]}
        new = answer_of(api.post(f"{where}/rotate", json={"keep_seconds": 60}))["secret"]
        told = api.get(f"{where}/secrets")
        assert answer_of(told) == {"items": [{"ends_at": None}, {"ends_at": iso(world.now + 60)}]}
        assert not [each for each in (new, added["secret"], "b-17") if each in told.text]
        world.wait(60)
        assert answer_of(api.get(f"{where}/secrets")) == {"items": [{"ends_at": None}]}

    def test_the_stacks_own_secret_signs_for_a_callback_url(self, api: Client, world: World) -> None:
        """It has no secret of its own."""
        task = world.completed(callback_url=world.web.script("/cb", Answer(200)))
        world.publish(task)
        [made] = world.ledger.deliveries.of_task(task)
        assert answer_of(api.get(f"/v1/subscribers/{made.subscriber_id}/secrets")) == {"items": [{"ends_at": None}]}
        assert api.get(f"/v1/subscribers/sub_{'a' * 26}/secrets").status_code == 404

    def test_a_subscriber_is_examined(self, api: Client, world: World, log: StringIO) -> None:
        """What is wrong with an endpoint is seen on the page; neither answer nor log has its secret or its query."""
        hook = world.subscribe(HOOK)
        world.ledger.subscribers.change(hook.id, {"url": f"{hook.url}?token=canary-1"})
        answer = api.post(f"/v1/subscribers/{hook.id}/doctor")
        told = answer_of(answer)
        found = {each["probe"]: each["verdict"] for each in told["findings"]}
        assert (found["signed"], found["forged"], told["complete"]) == ("ok", "wrong", True)
        world.web.misfits.clear()  # it sends what no event is
        for secret in (DEFAULT_SECRET.removeprefix("whsec_"), "canary-1"):
            assert secret not in answer.text + log.getvalue()
        assert api.post(f"/v1/subscribers/sub_{'a' * 26}/doctor").status_code == 404

    def test_what_failed_is_recovered_since_an_instant(
        self, api: Client, world: World, machines: dict[str, str]
    ) -> None:
        """After a long outage, one request sends everything again."""
        watch_id, hook = published(world, Answer(500))
        (delivery,) = world.ledger.deliveries.of_task(watch_id)
        world.ledger.deliveries.change(replace(delivery, state=DeliveryState.FAILED))
        url = f"/v1/subscribers/{hook}/recover"
        nothing = {"started": 0, "found": 0, "all": True}
        assert answer_of(api.post(url, json={"since": iso(world.now + 60)})) == nothing
        recovered = api.post(url, json={"since": iso(world.now - 60)})
        assert (recovered.status_code, answer_of(recovered)) == (202, {"started": 1, "found": 1, "all": True})
        assert answer_of(api.post(url, json={"since": iso(world.now - 60)})) == nothing
        assert len(executions(machines["redeliver"])) == 1

    def test_what_a_recovery_would_send_is_counted_before_it_acts(
        self, api: Client, world: World, machines: dict[str, str], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Nobody sends ten thousand webhooks by mistake; the end of the time is not in it."""
        hook, began = world.subscribe(HOOK, Answer(500)), world.now
        for number in range(4):
            world.publish(watch := world.completed(task_id=f"t{number}"))
            [delivery] = world.ledger.deliveries.of_task(watch)
            world.ledger.deliveries.change(replace(delivery, state=DeliveryState.FAILED))
            world.now = began + 100 * (number + 1)
        at = [each.created_at for each in world.ledger.deliveries.to(hook.id)]
        url = f"/v1/subscribers/{hook.id}/recover"

        def counted(since: float, **more: Any) -> TestResponse:
            return api.post(url, json={"since": iso(since), "dry_run": True, **more})

        assert counted(at[0]).status_code == 200
        assert answer_of(counted(at[0])) == {"started": 0, "found": 4, "all": True}
        assert answer_of(counted(at[1], until=iso(at[3])))["found"] == 2
        monkeypatch.setattr(subscribers, "MOST_COUNTED", 3)
        assert answer_of(counted(at[0])) == {"started": 0, "found": 3, "all": False}
        assert executions(machines["redeliver"]) == []
        for until in (at[1], at[0]):
            assert problem(counted(at[1], until=iso(until)), 422)["field"] == "until"
        assert problem(counted(at[1], until="soon"), 422)["field"] == "until"
        started = answer_of(api.post(url, json={"since": iso(at[1]), "until": iso(at[3])}))
        assert started == {"started": 2, "found": 2, "all": True}

    def test_a_recovery_that_takes_long_says_that_it_did_not_see_all(self, world: World) -> None:
        """The API must answer in time, however many deliveries of other states there are."""
        hook = world.subscribe(HOOK)
        for number in range(4):
            world.publish(world.completed(task_id=f"t{number}"))
        runs = Runs(world.ledger, world.machines, Clock(now=itertools.count(world.now).__next__))
        late = subscribers.recover(hook.id, since=0.0, seconds=2.5, runs=runs)
        assert (late.found, late.all) == (0, False)

    def test_a_removed_subscriber_is_gone_with_its_secret(self, api: Client, world: World) -> None:
        """A secret that nobody uses must not stay anywhere."""
        added = answer_of(api.post("/v1/subscribers", json={"url": "https://example.com/a"}))
        where = f"/v1/subscribers/{added['id']}"
        assert api.delete(where).status_code == 204
        for method in ("GET", "DELETE"):
            problem(api.open(where, method=method), 404)
        left = boto3.client("dynamodb").scan(TableName=world.ledger.table.name)["Items"]
        assert not [item for item in left if "sealed" in item]

    def test_nobody_changes_the_secret_of_callbacks(self, api: Client, world: World) -> None:
        """It is the secret of the stack, which signs every callback and every video link."""
        world.publish(world.completed(callback_url=world.web.script("/cb", Answer(200))))
        [((_, callback), [_])] = world.ledger.deliveries.attempts(next(world.ledger.tasks.all()).id).items()
        where = f"/v1/subscribers/{callback}"
        for response in (
            api.delete(where),
            api.post(f"{where}/rotate"),
            api.patch(where, json={"description": "mine"}),
        ):
            assert "pause it" in problem(response, 422)["hint"]
        held = boto3.client("secretsmanager").get_secret_value(SecretId=world.settings["DEFAULT_SECRET"])
        assert held["SecretString"] == DEFAULT_SECRET
        assert answer_of(api.post(f"{where}/pause"))["state"] == "paused"

    @pytest.mark.parametrize(
        ("body", "field"),
        [
            ({}, "url"),
            ({"url": "https://10.0.0.1/"}, "url"),
            ({"url": "https://example.com/", "events": ["video.done"]}, "events"),
            ({"url": "https://example.com/", "events": []}, "events"),
            ({"url": "https://example.com/", "secret": "whsec_short"}, "secret"),
            ({"url": "https://example.com/", "colour": "red"}, "colour"),
            ({"url": "https://example.com/\ud800"}, "url"),
            ({"url": "https://example.com/", "description": "\ud800"}, "description"),
            ({"url": "https://example.com/", "metadata": {"team": [{"a": "\udfff"}]}}, "metadata.team[0].a"),
            ({"url": "https://example.com/", "metadata": {"\ud800": 1}}, r"metadata.\ud800"),
            ({"url": "https://example.com/", "events": ["video.*", "\ud800"]}, "events[1]"),
            ({"url": "https://example.com/", "providers": ["\ud800"]}, "providers[0]"),
            ({"url": "https://example.com/", "secret": "whsec_short\ud800"}, "secret"),
            ([], "subscriber"),
        ],
    )
    def test_a_bad_subscriber_is_answered_with_its_field(self, api: Client, body: object, field: str) -> None:
        """A refused secret is not repeated in the answer."""
        response = api.post("/v1/subscribers", json=body)
        assert problem(response, 422)["field"] == field
        assert "whsec_short" not in response.text
        assert answer_of(api.get("/v1/subscribers")) == {"items": []}


class TestVideos:
    def link(self, world: World) -> str:
        """Returns the path of a stored video's link, from its event."""
        event = world.publish(world.completed()).event
        assert event is not None
        url: str = event.data["data"]["assets"][0]["url"]
        return "/v1/videos/" + url.rpartition("/")[2]

    def test_the_link_of_an_event_leads_to_the_video(self, api: Client, world: World) -> None:
        """Each request gets a new link to S3, which no cache may store."""
        answer = api.get(self.link(world))
        assert (answer.status_code, answer.headers["Cache-Control"]) == (302, "private, no-store")
        assert "X-Amz-Expires=900" in answer.headers["Location"]
        assert requests.get(answer.headers["Location"], timeout=5).content == MP4

    def test_a_video_may_be_asked_about_with_head(self, api: Client, world: World) -> None:
        """Video players send HEAD first, and S3 signs a link for one method only."""
        answer = api.head(self.link(world))
        assert answer.status_code == 302
        head = requests.head(answer.headers["Location"], timeout=5, stream=True)
        assert (head.status_code, head.headers["content-length"]) == (200, str(len(MP4)))

    def test_a_link_works_under_a_mapping_key(self, api: Client, world: World) -> None:
        """A custom domain may have other APIs beside this one, and `VideosUrl` says where this one is."""
        assert api.get(self.link(world), base_url="https://media.example.com/vidhook").status_code == 302

    def test_a_link_names_the_regions_own_host(self, aws: None, monkeypatch: pytest.MonkeyPatch) -> None:
        """S3's global host redirects to it on a bucket's first day, and the signature includes the host."""
        monkeypatch.setenv("AWS_DEFAULT_REGION", "eu-central-1")
        link = Bucket("videos").presigned("a/b.mp4", seconds=900)
        assert urlsplit(link).hostname == "videos.s3.eu-central-1.amazonaws.com"

    def test_a_video_that_expired_is_not_found(self, api: Client, world: World, bucket_name: str) -> None:
        """When the bucket's lifecycle has deleted the video, the answer is a problem document and not S3's XML."""
        link = self.link(world)
        (entry,) = boto3.client("s3").list_objects_v2(Bucket=bucket_name)["Contents"]
        boto3.client("s3").delete_object(Bucket=bucket_name, Key=entry["Key"])
        problem(api.get(link), 404)

    @settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=60, deadline=None)
    @given(data=st.data())
    def test_any_changed_character_is_refused(self, api: Client, bucket_name: str, data: st.DataObject) -> None:
        """Nobody can reach another video by changing a link, and each video has exactly one token."""
        boto3.client("s3").put_object(Bucket=bucket_name, Key="acme/tsk_a/result.mp4", Body=MP4)
        token = video_token(DEFAULT_SECRET, "acme/tsk_a/result.mp4")
        at = data.draw(st.integers(0, len(token) - 1))
        other = data.draw(st.sampled_from([each for each in BASE64URL + "=!" if each != token[at]]))
        assert api.get(f"/v1/videos/{token}").status_code == 302
        problem(api.get(f"/v1/videos/{token[:at]}{other}{token[at + 1 :]}"), 404)

    def test_a_token_is_not_logged(self, api: Client, world: World, log: StringIO) -> None:
        """More people can read the logs than may see the videos."""
        link = self.link(world)
        signature = urlsplit(api.get(link).headers["Location"]).query
        line = json.loads(log.getvalue())
        assert (line["operation"], line["status"]) == ("follow_video", 302)
        assert link.rpartition("/")[2] not in log.getvalue()
        assert signature not in log.getvalue()


ROUTES = [
    (method.upper(), path)
    for path, methods in openapi.document()["paths"].items()
    for method in methods
    if "{" in path and method != "head"
]
NOT_IDS = {
    "3,000 characters": "x" * 3_000,
    "an id of 3,000 characters": "tsk_" + "a" * 3_000,
    "a short one": "tsk_aaa",
    "capitals": "TSK_" + "A" * 26,
    "another kind": "evt_" + "a" * 26,
    "a slash": "tsk_" + "a" * 25 + "%2F",
    "a number sign": "tsk_" + "a" * 25 + "%23",
    "a line break at the end": "tsk_" + "a" * 26 + "%0A",
    "a control character": "%00" + "a" * 29,
    "no UTF-8": "tsk_" + "a" * 25 + "%FF",
    "other digits": "tsk_" + "a" * 25 + "%D9%A3",
    "nothing": "",
    "dots": "..",
}


class TestIds:
    @pytest.mark.parametrize("what", NOT_IDS)
    @pytest.mark.parametrize(("method", "path"), ROUTES)
    def test_what_cannot_be_an_id_is_not_found_before_aws_is_asked(
        self, api: Client, monkeypatch: pytest.MonkeyPatch, method: str, path: str, what: str
    ) -> None:
        """DynamoDB refuses keys over 2,048 bytes, and that is no fault of ours."""

        class NoCloud:
            def __getattr__(self, name: str) -> Any:
                raise AssertionError(f"{name} was asked")

        monkeypatch.setattr(serve_api, "edges", NoCloud)
        for parameter in re.findall(r"\{(\w+)\}", path):
            good = {"task": "tsk_" + "a" * 26, "subscriber": "sub_" + "b" * 26}
            where = path.replace("{" + parameter + "}", NOT_IDS[what]).format(**good)
            if what == "nothing" and where.endswith("/"):
                continue  # another path
            if parameter == "provider" and what in ("a short one", "another kind"):
                continue  # they may be names
            if parameter == "token" and what in ("another kind", "capitals"):
                continue  # only its signature is wrong
            problem(api.open(where, method=method, json={}), 404)

    @given(text=st.from_regex(r"(tsk|sub|cb|evt)_[a-z2-8]{25,27}", fullmatch=True) | st.text(max_size=40))
    def test_the_document_says_what_an_id_is(self, text: str) -> None:
        """The command looks at ids by the same rule."""
        parameters = openapi.document()["components"]["parameters"]
        for name, prefixes in [("Task", ("tsk",)), ("Subscriber", ("sub", "cb"))]:
            fits = re.fullmatch(parameters[name]["schema"]["pattern"], text) is not None
            assert is_id(text, *prefixes) == fits
        assert is_id(derived_id("evt", text), "evt")

    @pytest.mark.parametrize("path", ["/v1/tasks%0A", "/v1/openapi.json%0A", "/v1/tasks%00", "/v1/tasks/%2F"])
    def test_a_path_with_a_control_character_is_none(self, api: Client, path: str) -> None:
        """A pattern's `$` fits before a line break too."""
        problem(api.get(path), 404)


class TestProblems:
    @pytest.mark.parametrize("path", ["/", "/v1", "/v2/tasks", "/v1/tasks/", "/v1/tasks/a/b/c"])
    def test_an_unknown_path_is_not_found(self, api: Client, path: str) -> None:
        """The answer is a problem document like every other."""
        assert "openapi.json" in problem(api.get(path), 404)["hint"]

    def test_a_wrong_method_is_answered_with_the_right_ones(self, api: Client) -> None:
        """By RFC 9110, section 15.5.6, a 405 has the header Allow."""
        response = api.delete("/v1/tasks")
        problem(response, 405)
        assert response.headers["Allow"] == "POST, GET"

    @pytest.mark.parametrize(
        ("content", "content_type", "status"),
        [
            (b"{", "application/json", 400),
            (b"", "application/json", 400),
            (b'{"a": NaN}', "application/json", 400),
            (b'{"a": 1e999}', "application/json", 400),
            (b'{"a": "\\ud800"}', "application/json", 422),
            (b"[" * 50_000, "application/json", 400),
            (b"\xff\xfe", "application/octet-stream", 400),
            (b"{}", "application/x-www-form-urlencoded", 415),
            (b"{}", "", 415),
            (b" " * 131_073, "application/json", 413),
        ],
    )
    def test_what_is_no_json_has_a_status_for_its_reason(
        self, api: Client, content: bytes, content_type: str, status: int
    ) -> None:
        """The status shows whether the text, its content type or its size is wrong."""
        for path in ("/v1/tasks", "/v1/subscribers"):
            assert problem(api.post(path, data=content, content_type=content_type), status)["hint"]

    def test_our_own_errors_show_no_internals(self, api: Client, world: World) -> None:
        """Names of tables and lines of code do not help a client."""
        boto3.client("dynamodb").delete_table(TableName=world.ledger.table.name)
        response = api.get("/v1/tasks")
        problem(response, 500)
        assert "dynamodb" not in response.text.lower()
        assert "Traceback" not in response.text


class TestDocument:
    def test_the_document_has_its_version_and_the_shape_of_a_submission(self, api: Client) -> None:
        """Every tool that reads OpenAPI can read it."""
        document = answer_of(api.get("/v1/openapi.json"))
        assert document["info"]["version"] == __version__
        assert document["components"]["schemas"]["Submission"]["required"] == ["provider"]

    def test_the_page_shows_every_operation_and_shape(self, api: Client) -> None:
        """The page loads nothing from another place."""
        document = answer_of(api.get("/v1/openapi.json"))
        page = api.get("/v1/docs")
        assert page.content_type == "text/html; charset=utf-8"
        for path, operations in document["paths"].items():
            for method in operations:
                assert f"<code>{method.upper()} {path}</code>" in page.text
        for shape in document["components"]["schemas"]:
            assert f'<h3 id="{shape}">' in page.text
        assert "<script" not in page.text
        assert "src=" not in page.text


class TestSchemas:
    def test_the_list_leads_to_every_schema(self, api: Client) -> None:
        """Whoever writes a receiver needs no checkout of vidhook."""
        listed = answer_of(api.get("/v1/schemas"))["items"]
        assert {each["name"] for each in listed} == set(openapi.published())
        for each in listed:
            schema = answer_of(api.get(each["path"]))
            assert schema == openapi.published()[each["name"]]
            assert schema["description"] == each["description"]

    def test_each_schema_of_an_event_stands_for_itself(self, api: Client) -> None:
        """It refers to nothing outside, and tells its type from the others."""
        event = answer_of(api.get("/v1/schemas/event"))
        for each in ("video.failed", "endpoint.test"):
            body = json.loads((WEBHOOKS / each / "body.json").read_bytes())
            fits = {
                name: jsonschema.Draft202012Validator(answer_of(api.get(f"/v1/schemas/{name}"))).is_valid(body)
                for name in (*EVENT_TYPES, "endpoint.test", "event")
            }
            assert {name for name, fit in fits.items() if fit} == {each, "event"}
        jsonschema.Draft202012Validator.check_schema(event)

    @pytest.mark.parametrize("name", ["video", "video.completed.", "task", "..", "a" * 70])
    def test_an_unknown_name_is_not_found(self, api: Client, name: str) -> None:
        """The answer says where the names are, or that it is none."""
        problem(api.get(f"/v1/schemas/{name}"), 404)


class TestACustomDomain:
    @pytest.mark.parametrize("key", ["/vidhook", "/v1", "/media/vidhook", "/v1/tasks"])
    def test_an_api_under_a_mapping_key_gives_links_under_it(self, api: Client, world: World, key: str) -> None:
        """API Gateway leaves the key of a custom domain's mapping in the path, and no route of ours begins so."""
        there = f"https://api.example.com{key}"
        made = api.post("/v1/tasks", json=submission(), base_url=there)
        where = made.headers["Location"]
        assert (made.status_code, where) == (202, f"{key}/v1/tasks/{answer_of(made)['id']}")
        assert answer_of(api.get(where.removeprefix(key), base_url=there)) == answer_of(api.get(where[len(key) :]))
        assert answer_of(api.get("/v1/openapi.json", base_url=there))["servers"] == [{"url": key}]
        assert answer_of(api.get("/v1/schemas", base_url=there))["items"][0]["path"].startswith(f"{key}/v1/schemas/")
        assert answer_of(api.get("/v1/openapi.json"))["servers"] == [{"url": "/"}]

    def test_what_is_no_mapping_key_gets_no_link(self, api: Client) -> None:
        """Two slashes at the beginning of a link would name another host."""
        made = api.post("/v1/tasks", json=submission(), base_url="https://api.example.com//evil.example")
        assert problem(made, 404)["detail"] == "the API has no such path"


class TestABrowser:
    def test_its_question_beforehand_is_answered_without_a_body(self) -> None:
        """The browser sends no credentials with it, and reads the headers that API Gateway adds."""
        question = {
            "version": "2.0",
            "routeKey": "OPTIONS /{proxy+}",
            "rawPath": "/v1/tasks",
            "rawQueryString": "",
            "headers": {"origin": "https://app.example.com", "access-control-request-method": "POST"},
            "requestContext": {
                "http": {"method": "OPTIONS", "path": "/v1/tasks"},
                "requestId": "1",
                "stage": "$default",
            },
            "pathParameters": {"proxy": "v1/tasks"},
            "isBase64Encoded": False,
        }
        assert serve_api.handler(question, Context()) == {"statusCode": 204}
