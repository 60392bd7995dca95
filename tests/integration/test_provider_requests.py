"""Polls of providers that want a second request, parameters, or a token made of their key; with real HTTP."""

import base64
import json
from typing import Any
from urllib.parse import parse_qs

import boto3
import pytest

from tests.integration.world import Answer, World, error_of, event_of, says, snapshot_of
from vidhook.errors import BadInput, BadSubmission, Conflict
from vidhook.keys import RESERVE
from vidhook.poll import Polled
from vidhook.task import Category, Status

JSON = {"content-type": "application/json"}
FILM = b"\0\0\0\x18ftypmp42\0\0\0\0mp42isom" + bytes(5_000)
FILE = """
name = "{name}"
base_url = "{base_url}"
{rest}
[answer]
status = "status"
error = "detail"
queue_position = "queue_position"
[assets]
result = "video.url"
"""
FAL = """
path = "/{model[0]}/{model[1]}/requests/{task_id}/status"
params = ["model"]
[create]
path = "/{model:path}"
id = "request_id"
[cancel]
method = "PUT"
path = "/{model[0]}/{model[1]}/requests/{task_id}/cancel"
[result]
url = "response_url"
failed = [422]
"""
PARAMS = {"model": "fal-ai/kling-video/v2/master"}
OAUTH = """
path = "/tasks/{{task_id}}"
[auth]
type = "oauth-client-credentials"
token_url = "{base_url}/token"
scope = "video.read video.write"
"""


def put(world: World, name: str, rest: str, key: str | None = "id-of-key:s3cr3t-of-key") -> None:
    """Puts a provider file and its key into the stack."""
    world.ledger.providers.put(name, FILE.format(name=name, base_url=world.web.url, rest=rest))
    secret = {"acme": "k"} | ({name: key} if key else {})
    boto3.client("secretsmanager").put_secret_value(
        SecretId=world.settings["PROVIDER_SECRET"], SecretString=json.dumps(secret)
    )


def body(value: Any, status: int = 200) -> Answer:
    return Answer(status, json.dumps(value).encode(), JSON)


def key_refused(polled: Polled) -> bool:
    return polled.reading is not None and polled.reading.key_refused


class TestTwoRequests:
    STATUS, RESULT = "/fal-ai/kling-video/requests/r1/status", "/fal-ai/kling-video/requests/r1"

    @pytest.fixture
    def watch(self, world: World) -> str:
        put(world, "fal", FAL)
        return world.intake.submit({"provider": "fal", "task_id": "r1", "params": PARAMS}).watch.id

    def script(self, world: World, *answers: Answer) -> None:
        done = says("COMPLETED", response_url=world.web.url + self.RESULT)
        world.web.script(self.STATUS, says("IN_PROGRESS", 202), done)
        world.web.script(self.RESULT, *answers)

    def test_the_second_answer_settles_the_task_and_is_asked_only_then(self, world: World, watch: str) -> None:
        """With the key, as the first one is."""
        self.script(world, body({"video": {"url": "https://cdn.example/v.mp4"}}))
        world.poll(watch)
        assert not world.web.to(self.RESULT)
        world.wait(20)
        polled = world.poll(watch)
        assert polled.settled
        assert snapshot_of(polled.watch).sources[0].url == "https://cdn.example/v.mp4"
        assert world.web.to(self.RESULT)[0].headers["authorization"] == "Bearer id-of-key:s3cr3t-of-key"
        kept = world.ledger.tasks.answer(watch)
        assert kept is not None
        assert kept.body == {"video": {"url": "https://cdn.example/v.mp4"}}

    def test_a_second_answer_that_does_not_come_costs_a_pause(self, world: World, watch: str) -> None:
        """The film is there, and is asked for again."""
        self.script(
            world, Answer(500), Answer(200, b'{"vid', cut=3), body({"video": {"url": "https://cdn.example/v.mp4"}})
        )
        polled = [world.poll(watch) for _ in range(4)]
        assert [each.settled for each in polled] == [False, False, False, True]
        history = [each.answer for each in world.ledger.tasks.watch(watch).history]
        assert history[0] == "processing"
        assert history[-1] == "completed"

    def test_a_result_on_a_foreign_host_gets_no_key_and_no_request(self, world: World, watch: str) -> None:
        """An answer does not say who gets the key."""
        world.web.script(self.STATUS, says("COMPLETED", response_url="https://evil.example/r"))
        polled = world.poll(watch)
        assert (polled.settled, polled.broken) == (False, "bad_request")
        assert [asked.path for asked in world.web.asked] == [self.STATUS]

    def test_a_refusal_of_the_result_is_the_failure_of_the_task(self, world: World, watch: str) -> None:
        """fal answers 422 for a prompt that its checker refused."""
        self.script(world, body({"detail": [{"msg": "flagged by content moderation", "type": "content_policy"}]}, 422))
        world.poll(watch)
        polled = world.poll(watch)
        assert polled.settled
        assert error_of(polled.watch).category is Category.CONTENT_POLICY

    def test_a_film_of_the_second_answer_is_stored(self, world: World) -> None:
        """One that stands in it in base64 is asked for by both requests again."""
        rest = 'path = "/tasks/{task_id}"\n[result]\npath = "/tasks/{task_id}/result"\n[base64]\nresult = "video/mp4"'
        put(world, "inline", rest)
        watch = world.intake.submit({"provider": "inline", "task_id": "t1"}).watch.id
        world.web.script("/tasks/t1", says("completed"))
        world.web.script("/tasks/t1/result", body({"video": {"url": base64.b64encode(FILM).decode()}}))
        assert world.poll(watch).settled
        [asset] = event_of(world.publish(watch)).data["data"]["assets"]
        assert (asset["stored"], asset["bytes"]) == (True, len(FILM))
        assert len(world.web.to("/tasks/t1/result")) == 2


class TestParameters:
    def test_a_created_task_is_followed_and_cancelled_with_its_parameters(self, world: World) -> None:
        """They are given once, with the submission."""
        put(world, "fal", FAL)
        world.web.script("/fal-ai/kling-video/v2/master", body({"request_id": "r1", "status": "IN_QUEUE"}))
        made = world.ask_for(provider="fal", params=PARAMS)
        assert world.create(made.watch.id).done
        world.web.script("/fal-ai/kling-video/requests/r1/status", says("IN_QUEUE", 202, queue_position=3))
        world.web.script("/fal-ai/kling-video/requests/r1/cancel", body({"status": "CANCELLATION_REQUESTED"}, 202))
        assert snapshot_of(world.poll(made.watch.id).watch).queue_position == 3
        world.cancel(made.watch.id)
        world.poll(made.watch.id)
        [cancelled] = world.web.to("/fal-ai/kling-video/requests/r1/cancel")
        assert cancelled.method == "PUT"

    def test_they_are_checked_at_submission_and_cannot_change(self, world: World) -> None:
        """Nobody waits to the deadline to learn that one was missing."""
        put(world, "fal", FAL)
        with pytest.raises(BadSubmission, match=r"params\.model: is missing"):
            world.intake.submit({"provider": "fal", "task_id": "r1"})
        with pytest.raises(BadSubmission, match=r"params\.model: means nothing to acme"):
            world.submit(params=PARAMS)
        world.intake.submit({"provider": "fal", "task_id": "r1", "params": PARAMS})
        world.intake.submit({"provider": "fal", "task_id": "r1", "params": PARAMS})
        with pytest.raises(Conflict) as refused:
            world.intake.submit({"provider": "fal", "task_id": "r1", "params": {"model": "a/b"}})
        assert refused.value.differences == [
            {"field": "params.model", "known": PARAMS["model"], "given": "a/b"},
        ]

    def test_a_retry_mends_those_with_which_the_provider_did_not_know_the_task(self, world: World) -> None:
        """Else a slip of the first submission would shut its task out for good: not even erasing it would help."""
        put(world, "fal", FAL)
        slip = {"provider": "fal", "task_id": "r1", "params": {"model": "fal-ai/klnig"}}
        watch = world.intake.submit(slip).watch.id
        world.web.script("/fal-ai/klnig/requests/r1/status", body({"detail": "not found"}, 404))
        for pause in (200, 700):
            world.wait(pause)
            world.poll(watch)
        world.publish(watch)
        with pytest.raises(Conflict, match="gets other params by a retry"):
            world.intake.submit({**slip, "params": PARAMS})
        with pytest.raises(BadInput, match=r"params\.model: is missing"):
            world.retry(watch, params={})
        assert world.retry(watch, params=PARAMS).submission.params == PARAMS
        film = world.video()
        world.web.script("/fal-ai/kling-video/requests/r1/status", says("COMPLETED", video={"url": film}))
        world.wait(1)
        execution = world.ledger.tasks.watch(watch).execution
        assert world.poll(watch, execution).settled
        assert event_of(world.publish(watch, execution=execution)).type == "video.completed"
        assert world.intake.submit({**slip, "params": PARAMS}).watch.id == watch

    def test_a_file_that_needs_more_later_costs_pauses_only(self, world: World) -> None:
        """It may be put back."""
        put(world, "fal", 'path = "/tasks/{task_id}"')
        watch = world.intake.submit({"provider": "fal", "task_id": "r1"}).watch.id
        put(world, "fal", FAL)
        world.wait(120)
        polled = world.poll(watch)
        assert (polled.settled, polled.broken) == (False, "bad_request")


class TestTokens:
    def oauth(self, world: World, *answers: Answer) -> str:
        put(world, "oauth", OAUTH.format(base_url=world.web.url).replace("{{", "{").replace("}}", "}"))
        world.web.script("/token", *answers)
        world.web.script("/tasks/t1", says("processing"))
        return world.intake.submit({"provider": "oauth", "task_id": "t1"}).watch.id

    def test_a_token_is_made_once_for_its_lifetime(self, world: World) -> None:
        """A poll should not cost two requests."""
        watch = self.oauth(world, body({"access_token": "tok-1", "expires_in": 600}), body({"access_token": "tok-2"}))
        for _ in range(3):
            world.poll(watch)
        world.wait(600 - RESERVE + 1)
        world.poll(watch)
        sent = [asked.headers["authorization"] for asked in world.web.to("/tasks/t1")]
        assert sent == ["Bearer tok-1"] * 3 + ["Bearer tok-2"]
        form = parse_qs(world.web.to("/token")[0].body.decode())
        assert form == {
            "grant_type": ["client_credentials"],
            "client_id": ["id-of-key"],
            "client_secret": ["s3cr3t-of-key"],
            "scope": ["video.read video.write"],
        }

    def test_a_refused_token_is_made_anew_once(self, world: World) -> None:
        """It may have been revoked; a server that refuses all is not asked for one with each poll."""
        watch = self.oauth(world, body({"access_token": "tok-1"}), body({"access_token": "tok-2"}))
        world.poll(watch)
        world.wait(100)
        world.web.script("/tasks/t1", says("", 401), says("processing"))
        assert snapshot_of(world.poll(watch).watch).status is Status.PROCESSING
        assert [asked.headers["authorization"] for asked in world.web.to("/tasks/t1")][-2:] == [
            "Bearer tok-1",
            "Bearer tok-2",
        ]
        world.web.script("/tasks/t1", says("", 401))
        for _ in range(3):
            assert key_refused(world.poll(watch))
        assert len(world.web.to("/token")) == 2

    @pytest.mark.parametrize(
        "answer",
        [Answer(500), Answer(429), Answer(200, b"{}"), Answer(200, b"\xff"), Answer(302, b"", {"location": "/x"})],
    )
    def test_a_token_server_in_trouble_costs_a_pause_and_no_request(self, world: World, answer: Answer) -> None:
        """Without its token the provider would say that the key is wrong, which rings an alarm."""
        watch = self.oauth(world, answer)
        polled = world.poll(watch)
        assert (polled.settled, polled.broken, polled.reading) == (False, "token", None)
        assert not world.web.to("/tasks/t1")

    def test_a_key_that_the_token_server_refuses_is_a_refused_key(self, world: World) -> None:
        """An operator has to put another one."""
        watch = self.oauth(world, body({"error": "invalid_client"}, 401))
        world.web.script("/tasks/t1", says("", 401, error="no token"))
        assert key_refused(world.poll(watch))
        assert "authorization" not in world.web.to("/tasks/t1")[0].headers

    def test_a_jwt_is_sent_and_a_key_without_halves_is_refused(self, world: World) -> None:
        """Kling's key has two halves, and the secret one never leaves us."""
        put(world, "kling", 'path = "/tasks/{task_id}"\n[auth]\ntype = "jwt-hs256"')
        watch = world.intake.submit({"provider": "kling", "task_id": "t1"}).watch.id
        world.web.script("/tasks/t1", says("processing", echo="s3cr3t-of-key"))
        world.poll(watch)
        [asked] = world.web.to("/tasks/t1")
        _, claims, _ = asked.headers["authorization"].removeprefix("Bearer ").split(".")
        assert json.loads(base64.urlsafe_b64decode(claims + "=="))["iss"] == "id-of-key"
        assert "s3cr3t" not in repr(asked)
        kept = world.ledger.tasks.answer(watch)
        assert kept is not None
        assert kept.body["echo"] == "[key]"

    def test_no_text_shows_the_token_that_a_provider_repeats(self, world: World) -> None:
        """Events go to subscribers."""
        watch = self.oauth(world, body({"access_token": "opaque-token-1"}))
        world.web.script("/tasks/t1", says("failed", detail="bad token opaque-token-1 of s3cr3t-of-key"))
        polled = world.poll(watch)
        assert polled.settled
        assert error_of(polled.watch).message == "bad token [key] of [key]"
        assert "opaque" not in repr(world.ledger.tasks.answer(watch))

    def test_a_creation_without_its_token_is_tried_again(self, world: World) -> None:
        """Nothing was sent, so nothing is ambiguous."""
        rest = OAUTH.format(base_url=world.web.url) + '[create]\npath = "/tasks"\n'
        put(world, "oauth", rest.replace("{{", "{").replace("}}", "}"))
        world.web.script("/token", Answer(503), body({"access_token": "tok-1"}))
        world.web.script("/tasks", body({"task_id": "t9"}))
        made = world.ask_for(provider="oauth")
        step = world.create(made.watch.id)
        assert (step.done, step.said) == (False, "not_sent")
        world.wait(step.pause)
        assert world.create(made.watch.id).watch.submission.task_id == "t9"
