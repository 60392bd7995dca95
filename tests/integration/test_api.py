"""The HTTP API, through API Gateway's events, on a cloud in memory."""

import json
import os
import string
from dataclasses import replace
from io import StringIO
from typing import Any
from urllib.parse import urlsplit

import boto3
import pytest
import requests
from botocore.exceptions import ClientError
from gateway import served
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from standardwebhooks import Webhook
from werkzeug.test import Client, TestResponse
from world import DEFAULT_SECRET, MP4, Answer, World, says

from vidhook import __version__
from vidhook.edges import environment, ledger
from vidhook.edges.bucket import Bucket
from vidhook.edges.telemetry import logger
from vidhook.event import iso
from vidhook.links import video_token

BASE64URL = string.ascii_letters + string.digits + "-_"


@pytest.fixture
def api(world: World, monkeypatch: pytest.MonkeyPatch) -> Client:
    return served(world, monkeypatch)


@pytest.fixture
def machines(api: Client) -> dict[str, str]:
    """The two state machines by name."""
    return {name.lower(): os.environ[f"{name}_ARN"] for name in ("WATCH", "REDELIVER")}


@pytest.fixture
def log(monkeypatch: pytest.MonkeyPatch) -> StringIO:
    """What the handler logs."""
    stream = StringIO()
    monkeypatch.setattr(logger.registered_handler, "stream", stream)
    return stream


def executions(arn: str) -> list[str]:
    """Names of all executions of a state machine."""
    return [each["name"] for each in boto3.client("stepfunctions").list_executions(stateMachineArn=arn)["executions"]]


def submission(**fields: Any) -> dict[str, Any]:
    return {"provider": "acme", "task_id": "t1", **fields}


def problem(response: TestResponse, status: int) -> dict[str, Any]:
    """The problem document of a response that must be one."""
    assert response.status_code == status, response.text
    assert response.content_type == "application/problem+json"
    said: dict[str, Any] = json.loads(response.data)
    assert said["status"] == status
    assert said["type"] == "about:blank"
    return said


def told(world: World, *answers: Answer) -> tuple[str, str]:
    """A published task and the subscriber `hook` that answers as scripted: (task, subscriber)."""
    hook = world.subscribe("hook", *answers)
    watch_id = world.completed()
    world.publish(watch_id)
    return watch_id, hook.id


class TestTasks:
    def test_the_same_task_is_watched_once(self, api: Client, machines: dict[str, str]) -> None:
        """A client that saw no answer may simply send the submission again."""
        first = api.post("/v1/tasks", json=submission(metadata={"order": "17"}))
        second = api.post("/v1/tasks", json=submission())
        assert (first.status_code, second.status_code) == (202, 200)
        assert first.json == second.json
        assert executions(machines["watch"]) == [first.json["id"]]
        assert api.get(first.headers["Location"]).json["metadata"] == {"order": "17"}

    def test_a_task_token_is_seen_nowhere(self, api: Client, world: World, log: StringIO) -> None:
        """It lets whoever has it end somebody's execution."""
        made = api.post("/v1/tasks", json=submission(task_token="AQCEAAAAKgAAAAMAAAAA"))
        story = api.get(made.headers["Location"])
        assert world.ledger.tokens(made.json["id"]) == ["AQCEAAAAKgAAAAMAAAAA"]
        assert log.getvalue()
        assert "AQCEAAAAKg" not in made.text + story.text + log.getvalue()

    def test_a_callbacks_query_string_is_not_shown(self, api: Client, log: StringIO) -> None:
        """Whoever may read tasks need not learn how the receiver tells us from others."""
        made = api.post("/v1/tasks", json=submission(callback_url="https://example.com/cb?key=k-71"))
        assert made.json["callback_url"] == "https://example.com/cb"
        assert "k-71" not in made.text + api.get(made.headers["Location"]).text + log.getvalue()

    @pytest.mark.parametrize(
        ("fields", "field", "mend"),
        [
            ({"provider": "acne"}, "provider", 'did you mean "acme"?'),
            ({"taskid": "t"}, "taskid", "task_id"),
            ({"callback_url": "http://169.254.169.254/"}, "callback_url", "public https"),
            ({"deadline_seconds": 0}, "deadline_seconds", "1 to 604800"),
        ],
    )
    def test_a_bad_submission_is_told_its_field_and_its_mend(
        self, api: Client, fields: dict[str, Any], field: str, mend: str
    ) -> None:
        """Whoever reads the problem can mend the request without reading us."""
        said = problem(api.post("/v1/tasks", json=submission(**fields)), 422)
        assert said["field"] == field
        assert mend in said["mend"]

    def test_a_story_is_told_for_longer_than_its_event_is_kept(self, api: Client, world: World) -> None:
        """A task that the list shows must not be 404."""
        watch_id, _ = told(world)
        world.forget_event(watch_id)
        story = api.get(f"/v1/tasks/{watch_id}").json
        assert (story["status"], story["event"], story["event_id"][:4]) == ("completed", None, "evt_")

    def test_a_story_tells_polls_and_the_event(self, api: Client, world: World) -> None:
        """One request answers "what became of it"."""
        url = world.video()
        watch_id = world.settle(says("processing", progress=40), says("completed", url=url, model="m1"))
        before = api.get(f"/v1/tasks/{watch_id}").json
        assert before["event"] is None
        assert before["status"] == "completed"
        published = world.publish(watch_id)
        story = api.get(f"/v1/tasks/{watch_id}").json
        assert [poll["answer"] for poll in story["history"]] == ["processing", "completed"]
        assert [poll["progress"] for poll in story["history"]] == [40, None]
        assert story["history"][0]["pause"] > 0
        assert story["snapshot"]["model"] == "m1"
        assert published.event is not None
        assert story["event"] == published.event.data
        assert story["event_id"] == published.event.id

    def test_a_task_that_was_given_up_is_failed(self, api: Client, world: World) -> None:
        """Its provider said no such thing, but its event did."""
        submitted = world.submit()
        world.publish(submitted.watch.id)
        story = api.get(f"/v1/tasks/{submitted.watch.id}").json
        assert (story["status"], story["event"]["type"]) == ("failed", "video.failed")
        assert [each["id"] for each in api.get("/v1/tasks?status=failed").json["items"]] == [submitted.watch.id]

    def test_tasks_are_listed_newest_first_and_filtered(self, api: Client, world: World) -> None:
        """The three questions asked of a list: whose, in what state, since when."""
        old = world.completed(task_id="old")
        world.wait(100)
        new = world.submit("new").watch.id

        def ids(query: str) -> list[str]:
            return [each["id"] for each in api.get(f"/v1/tasks?{query}").json["items"]]

        assert ids("") == [new, old]
        assert ids("status=completed") == [old]
        assert ids("status=pending&provider=acme") == [new]
        assert ids("provider=alad") == []
        between = world.ledger.watch(new).submitted_at - 50
        assert ids(f"since={iso(between)}") == [new]

    @pytest.mark.parametrize("limit", [1, 2, 3, 6, 7])
    @pytest.mark.parametrize("looks", [2, 1_000])
    def test_pages_together_hold_every_task_once(
        self, api: Client, world: World, monkeypatch: pytest.MonkeyPatch, limit: int, looks: int
    ) -> None:
        """Whatever the size of a page, and however few tasks one request may look at; some share their instant."""
        monkeypatch.setattr(ledger, "PAGE_LOOKS", looks)
        expected = []
        for number in range(6):
            expected.append(world.submit(f"t{number}").watch)
            world.wait(number % 2)
        seen: list[str] = []
        query = f"limit={limit}&provider=acme"
        for _ in range(10):
            page = api.get(f"/v1/tasks?{query}").json
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
    def test_a_bad_filter_is_told(self, api: Client, query: str, field: str) -> None:
        """A filter that is silently ignored shows tasks that were not asked for."""
        assert problem(api.get(f"/v1/tasks?{query}"), 422)["field"] == field


class TestDeliveries:
    def test_the_log_tells_every_attempt(self, api: Client, world: World) -> None:
        """It answers "why did it not arrive"."""
        watch_id, hook = told(world, Answer(500, b"no database"))
        (delivery,) = api.get(f"/v1/tasks/{watch_id}/deliveries").json["items"]
        assert (delivery["subscriber"], delivery["state"], delivery["attempts"]) == (hook, "due", 1)
        (attempt,) = delivery["log"]
        assert (attempt["status"], attempt["answer"], attempt["outcome"]) == (500, "no database", "retry")
        assert delivery["next_at"] == attempt["next_at"]

    def test_a_replay_starts_the_schedule_afresh(self, api: Client, world: World, machines: dict[str, str]) -> None:
        """The event is the old one, the patience is new."""
        watch_id, hook = told(world)
        again = api.post(f"/v1/tasks/{watch_id}/deliveries/{hook}/replay")
        assert (again.status_code, again.json["state"]) == (202, "due")
        event_id = world.ledger.watch(watch_id).event_id
        assert executions(machines["redeliver"]) == [f"{event_id}-{hook}-1"]
        delivery = world.ledger.delivery(watch_id, again.json["event_id"], hook)
        world.wait(1)
        assert world.redeliver(delivery).state == "delivered"
        ids = [asked.headers["webhook-id"] for asked in world.web.to("/hook")]
        assert ids == [event_id, event_id]

    def test_there_must_be_something_to_replay(self, api: Client, world: World) -> None:
        """A replay that cannot arrive is refused rather than lost."""
        hook = world.subscribe("hook")
        watch_id = world.submit().watch.id
        assert "event" in problem(api.post(f"/v1/tasks/{watch_id}/deliveries/{hook.id}/replay"), 409)["detail"]
        world.publish(watch_id)
        problem(api.post(f"/v1/tasks/{watch_id}/deliveries/sub_nobody/replay"), 404)
        problem(api.post(f"/v1/tasks/tsk_nothing/deliveries/{hook.id}/replay"), 404)
        api.post(f"/v1/subscribers/{hook.id}/pause")
        assert "resume" in problem(api.post(f"/v1/tasks/{watch_id}/deliveries/{hook.id}/replay"), 409)["mend"]


class TestSubscribers:
    def test_a_secret_is_shown_once(self, api: Client, world: World) -> None:
        """Afterwards it is in Secrets Manager, and nowhere else."""
        url = world.web.script("/new", Answer(200))
        added = api.post("/v1/subscribers", json={"url": url, "events": ["video.*"], "providers": ["acme"]})
        assert added.status_code == 201
        where, secret = added.headers["Location"], added.json["secret"]
        assert where == f"/v1/subscribers/{added.json['id']}"
        later = api.get(where)
        assert {**later.json, "secret": secret} == added.json
        assert api.get("/v1/subscribers").json["items"] == [later.json]
        assert secret not in later.text

    def test_a_test_is_signed_with_the_shown_secret(self, api: Client, world: World) -> None:
        """Whoever keeps the secret can verify from the first request on."""
        url = world.web.script("/new", Answer(204))
        added = api.post("/v1/subscribers", json={"url": url}).json
        tested = api.post(f"/v1/subscribers/{added['id']}/test").json
        assert (tested["attempt"]["outcome"], tested["attempt"]["status"]) == ("delivered", 204)
        (asked,) = world.web.to("/new")
        assert Webhook(added["secret"]).verify(asked.body, asked.headers) == tested["event"]

    def test_a_change_leaves_the_rest(self, api: Client) -> None:
        """PATCH changes what it names."""
        added = api.post("/v1/subscribers", json={"url": "https://example.com/a", "description": "first"}).json
        changed = api.patch(
            f"/v1/subscribers/{added['id']}", json={"url": "https://example.com/b", "metadata": {"tenant": "acme"}}
        ).json
        expected = {**added, "url": "https://example.com/b", "metadata": {"tenant": "acme"}}
        del expected["secret"]
        assert changed == expected

    def test_what_was_held_goes_out_on_resume(self, api: Client, world: World, machines: dict[str, str]) -> None:
        """A pause loses nothing."""
        hook = world.subscribe("hook")
        assert api.post(f"/v1/subscribers/{hook.id}/pause").json["state"] == "paused"
        world.publish(world.completed())
        assert not world.web.to("/hook")
        resumed = api.post(f"/v1/subscribers/{hook.id}/resume").json
        assert (resumed["state"], resumed["drained"]) == ("active", 1)
        assert len(executions(machines["redeliver"])) == 1

    @pytest.mark.parametrize(("body", "live"), [(None, 2), ({"keep_seconds": 0}, 1)])
    def test_the_old_secret_signs_along_unless_it_leaked(
        self, api: Client, body: dict[str, int] | None, live: int
    ) -> None:
        """A rotation must not break a receiver that has not read the new one yet."""
        added = api.post("/v1/subscribers", json={"url": "https://example.com/a"}).json
        rotated = (
            api.post(f"/v1/subscribers/{added['id']}/rotate", json=body)
            if body
            else api.post(f"/v1/subscribers/{added['id']}/rotate")
        )
        assert rotated.status_code == 200
        name = environment.ledger().subscriber(added["id"]).secret_name
        kept = [entry.secret for entry in environment.secrets().read_signing(name)]
        assert kept == [rotated.json["secret"], added["secret"]][:live]

    def test_what_failed_is_recovered_since_an_instant(
        self, api: Client, world: World, machines: dict[str, str]
    ) -> None:
        """After a long outage one call brings everything back."""
        watch_id, hook = told(world, Answer(410))
        (delivery,) = world.ledger.deliveries(watch_id)
        world.ledger.change_delivery(replace(delivery, state="failed"))
        url = f"/v1/subscribers/{hook}/recover"
        assert api.post(url, json={"since": iso(world.now + 60)}).json == {"started": 0}
        recovered = api.post(url, json={"since": iso(world.now - 60)})
        assert (recovered.status_code, recovered.json) == (202, {"started": 1})
        assert api.post(url, json={"since": iso(world.now - 60)}).json == {"started": 0}
        assert len(executions(machines["redeliver"])) == 1

    def test_a_removed_subscriber_is_gone_with_its_secret(self, api: Client) -> None:
        """Nothing of it is left to leak."""
        added = api.post("/v1/subscribers", json={"url": "https://example.com/a"}).json
        where = f"/v1/subscribers/{added['id']}"
        name = environment.ledger().subscriber(added["id"]).secret_name
        assert api.delete(where).status_code == 204
        for method in ("GET", "DELETE"):
            problem(api.open(where, method=method), 404)
        with pytest.raises(ClientError, match="ResourceNotFoundException"):
            boto3.client("secretsmanager").get_secret_value(SecretId=name)

    def test_nobody_changes_the_secret_of_callbacks(self, api: Client, world: World) -> None:
        """It is the stack's own: it signs every callback and every video's link."""
        world.publish(world.completed(callback_url=world.web.script("/cb", Answer(200))))
        ((_, callback, _),) = world.ledger.attempts(next(world.ledger.watches()).id)
        where = f"/v1/subscribers/{callback}"
        for response in (
            api.delete(where),
            api.post(f"{where}/rotate"),
            api.patch(where, json={"description": "mine"}),
        ):
            assert "pause it" in problem(response, 422)["mend"]
        assert environment.secrets().default() == DEFAULT_SECRET
        assert api.post(f"{where}/pause").json["state"] == "paused"

    @pytest.mark.parametrize(
        ("body", "field"),
        [
            ({}, "url"),
            ({"url": "https://10.0.0.1/"}, "url"),
            ({"url": "https://example.com/", "events": ["video.done"]}, "events"),
            ({"url": "https://example.com/", "events": []}, "events"),
            ({"url": "https://example.com/", "secret": "whsec_short"}, "secret"),
            ({"url": "https://example.com/", "colour": "red"}, "colour"),
            ([], "subscriber"),
        ],
    )
    def test_a_bad_subscriber_is_told_its_field(self, api: Client, body: object, field: str) -> None:
        """And a refused secret is not repeated."""
        response = api.post("/v1/subscribers", json=body)
        assert problem(response, 422)["field"] == field
        assert "whsec_short" not in response.text
        assert api.get("/v1/subscribers").json == {"items": []}


class TestVideos:
    def link(self, world: World) -> str:
        """The path of a kept video's link, from its event."""
        event = world.publish(world.completed()).event
        assert event is not None
        return "/v1/videos/" + event.data["data"]["assets"][0]["url"].rpartition("/")[2]

    def test_the_link_of_an_event_leads_to_the_video(self, api: Client, world: World) -> None:
        """Each time it is followed, through a link that is fresh and that no cache keeps."""
        answer = api.get(self.link(world))
        assert (answer.status_code, answer.headers["Cache-Control"]) == (302, "private, no-store")
        assert "X-Amz-Expires=900" in answer.headers["Location"]
        assert requests.get(answer.headers["Location"], timeout=5).content == MP4

    def test_a_video_may_be_looked_at_without_fetching_it(self, api: Client, world: World) -> None:
        """Players and previewers ask with HEAD first; S3 signs a link for one method alone."""
        answer = api.head(self.link(world))
        assert answer.status_code == 302
        head = requests.head(answer.headers["Location"], timeout=5, stream=True)
        assert (head.status_code, head.headers["content-length"]) == (200, str(len(MP4)))

    def test_a_link_names_the_regions_own_host(self, aws: None, monkeypatch: pytest.MonkeyPatch) -> None:
        """The global host redirects to it for the first day of a bucket, and the signature is of the host."""
        monkeypatch.setenv("AWS_DEFAULT_REGION", "eu-central-1")
        link = Bucket("videos").presigned("a/b.mp4", seconds=900)
        assert urlsplit(link).hostname == "videos.s3.eu-central-1.amazonaws.com"

    def test_a_video_that_expired_is_not_found(self, api: Client, world: World, bucket_name: str) -> None:
        """The bucket's lifecycle took it; the link says so itself instead of S3's XML."""
        link = self.link(world)
        (entry,) = boto3.client("s3").list_objects_v2(Bucket=bucket_name)["Contents"]
        boto3.client("s3").delete_object(Bucket=bucket_name, Key=entry["Key"])
        problem(api.get(link), 404)

    @settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=60, deadline=None)
    @given(data=st.data())
    def test_any_changed_character_is_refused(self, api: Client, bucket_name: str, data: st.DataObject) -> None:
        """Nobody gets from one video to another, nor finds a second spelling of the same link."""
        boto3.client("s3").put_object(Bucket=bucket_name, Key="acme/tsk_a/result.mp4", Body=MP4)
        token = video_token(DEFAULT_SECRET, "acme/tsk_a/result.mp4")
        at = data.draw(st.integers(0, len(token) - 1))
        other = data.draw(st.sampled_from([each for each in BASE64URL + "=!" if each != token[at]]))
        assert api.get(f"/v1/videos/{token}").status_code == 302
        problem(api.get(f"/v1/videos/{token[:at]}{other}{token[at + 1 :]}"), 404)

    def test_a_token_is_not_logged(self, api: Client, world: World, log: StringIO) -> None:
        """Logs are read by more people than videos are meant for."""
        link = self.link(world)
        signature = urlsplit(api.get(link).headers["Location"]).query
        line = json.loads(log.getvalue())
        assert (line["operation"], line["status"]) == ("follow_video", 302)
        assert link.rpartition("/")[2] not in log.getvalue()
        assert signature not in log.getvalue()


class TestProblems:
    @pytest.mark.parametrize("path", ["/", "/v1", "/v2/tasks", "/v1/tasks/", "/v1/tasks/a/b/c"])
    def test_an_unknown_path_is_not_found(self, api: Client, path: str) -> None:
        """In the same words as every other problem."""
        assert "openapi.json" in problem(api.get(path), 404)["mend"]

    def test_a_wrong_method_is_told_the_right_ones(self, api: Client) -> None:
        """RFC 9110, section 15.5.6: a 405 carries Allow."""
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
            (b'{"a": "\\ud800"}', "application/json", 400),
            (b"[" * 50_000, "application/json", 400),
            (b"\xff\xfe", "application/octet-stream", 400),
            (b"{}", "application/x-www-form-urlencoded", 415),
            (b"{}", "", 415),
            (b" " * 65_537, "application/json", 413),
        ],
    )
    def test_what_is_no_json_is_told_apart(self, api: Client, content: bytes, content_type: str, status: int) -> None:
        """The status says what to mend: the text, its label or its size."""
        for path in ("/v1/tasks", "/v1/subscribers"):
            assert problem(api.post(path, data=content, content_type=content_type), status)["mend"]

    def test_our_faults_show_nothing_of_us(self, api: Client, world: World) -> None:
        """Names of tables and lines of code help nobody outside."""
        boto3.client("dynamodb").delete_table(TableName=world.ledger.table)
        response = api.get("/v1/tasks")
        problem(response, 500)
        assert "dynamodb" not in response.text.lower()
        assert "Traceback" not in response.text


class TestDocument:
    def test_the_document_says_its_version_and_what_a_submission_is(self, api: Client) -> None:
        """It can be pasted into any tool that reads OpenAPI."""
        document = api.get("/v1/openapi.json").json
        assert document["info"]["version"] == __version__
        assert document["components"]["schemas"]["Submission"]["required"] == ["provider", "task_id"]

    def test_the_page_shows_every_operation_and_shape(self, api: Client) -> None:
        """And needs nothing from anywhere else."""
        document = api.get("/v1/openapi.json").json
        page = api.get("/v1/docs")
        assert page.content_type == "text/html; charset=utf-8"
        for path, operations in document["paths"].items():
            for method in operations:
                assert f"<code>{method.upper()} {path}</code>" in page.text
        for shape in document["components"]["schemas"]:
            assert f'<h3 id="{shape}">' in page.text
        assert "<script" not in page.text
        assert "src=" not in page.text
