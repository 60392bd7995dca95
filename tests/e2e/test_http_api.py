"""The HTTP API of the deployed stack: who may call it, and what a caller can do with it, IAM enforced."""

import hashlib
import json
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import pytest
import requests
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

from tests.e2e.bridge import Bridge, eventually, id_of, webhooks
from vidhook_sandbox.cloud import REGION, Cloud
from vidhook_sandbox.subscriber import SampleSubscriber


@dataclass(frozen=True)
class Api:
    """Calls the API with AWS credentials: by default those of the emulator's root user."""

    id: str
    url: str
    caller: Credentials = Credentials("test", "test")  # noqa: RUF009 - they are never changed

    def __call__(self, method: str, path: str, body: Any = None) -> requests.Response:
        content = b"" if body is None else json.dumps(body).encode()
        request = AWSRequest(method, self.url + path, {"content-type": "application/json"} if content else {}, content)
        SigV4Auth(self.caller, "execute-api", REGION).add_auth(request)
        return requests.request(
            method, self.url + path, headers=dict(request.headers), data=content, timeout=60, allow_redirects=False
        )


@pytest.fixture(scope="module")
def api(cloud: Cloud) -> Api:
    (made,) = cloud.client("apigatewayv2").get_apis()["Items"]
    return Api(made["ApiId"], f"{cloud.endpoint}/_aws/execute-api/{made['ApiId']}/$default")


def without(fields: dict[str, Any], name: str) -> dict[str, Any]:
    """All fields but this one."""
    return {each: value for each, value in fields.items() if each != name}


def published(task: dict[str, Any]) -> dict[str, Any] | None:
    """A task as the API shows it, None while it has no event."""
    return task if task["event"] else None


@pytest.mark.parametrize("path", ["/v1/tasks", "/v1/openapi.json", "/v1/docs", "/v1/videos", "/anything"])
def test_every_route_but_the_videos_needs_credentials(api: Api, path: str) -> None:
    """A caller who may submit tasks causes costs."""
    assert requests.get(api.url + path, timeout=60).status_code == 403


def test_a_caller_may_be_limited_to_some_routes(api: Api, cloud: Cloud) -> None:
    """A caller who only submits tasks needs no other permission; docs/api.md shows the policy."""
    iam, name = cloud.client("iam"), "submitter"
    arn = f"arn:aws:execute-api:{REGION}:000000000000:{api.id}/*/POST/v1/tasks"
    allowed = {"Effect": "Allow", "Action": "execute-api:Invoke", "Resource": arn}
    policy = json.dumps({"Version": "2012-10-17", "Statement": [allowed]})
    iam.create_user(UserName=name)
    iam.put_user_policy(UserName=name, PolicyName=name, PolicyDocument=policy)
    key = iam.create_access_key(UserName=name)["AccessKey"]
    submitter = replace(api, caller=Credentials(key["AccessKeyId"], key["SecretAccessKey"]))
    assert submitter("POST", "/v1/tasks", {}).status_code == 422
    assert submitter("GET", "/v1/tasks").status_code == 403
    assert submitter("POST", "/v1/subscribers", {}).status_code == 403


def test_a_forged_link_to_a_video_is_refused(api: Api) -> None:
    """The one route without credentials needs a valid link."""
    answer = requests.get(f"{api.url}/v1/videos/{'A' * 60}", timeout=60)
    assert (answer.status_code, answer.headers["content-type"]) == (404, "application/problem+json")


def test_a_task_can_be_followed_from_its_submission_to_its_video(
    api: Api, bridge: Bridge, subscriber: Callable[..., SampleSubscriber]
) -> None:
    """HTTP alone is enough to submit, list and show a task, replay its event and download its video."""
    app = subscriber()
    task = bridge.task("alad")
    submission = bridge.submission(task, metadata={"order": "17"})
    assert [api("POST", "/v1/tasks", submission).status_code for _ in range(2)] == [202, 200]
    where = f"/v1/tasks/{id_of(task)}"
    shown = eventually(lambda: published(api("GET", where).json()))
    [webhook] = webhooks(app, task)
    assert shown["event"] == webhook.event
    assert id_of(task) in [each["id"] for each in api("GET", "/v1/tasks?provider=alad").json()["items"]]

    known = bridge.known(app).id
    assert api("POST", f"{where}/deliveries/{known}/replay").status_code == 202
    assert {each.id for each in webhooks(app, task, 2)} == {webhook.id}
    eventually(lambda: bridge.delivery_state(task, known) == "delivered")
    [delivery] = api("GET", f"{where}/deliveries").json()["items"]
    assert [attempt["outcome"] for attempt in delivery["log"]] == ["delivered", "delivered"]
    of_subscriber = api("GET", f"/v1/deliveries?subscriber={known}").json()
    assert (of_subscriber["items"], of_subscriber["next"]) == ([without(delivery, "log")], None)
    assert without(delivery, "log") in api("GET", "/v1/deliveries?state=delivered&limit=100").json()["items"]

    token = shown["event"]["data"]["assets"][0]["url"].rpartition("/")[2]
    link = requests.get(f"{api.url}/v1/videos/{token}", timeout=60, allow_redirects=False)
    assert link.status_code == 302
    video = requests.get(link.headers["location"], timeout=60)
    assert hashlib.sha256(video.content).hexdigest() == task.media().sha256


def test_every_route_for_a_subscriber_does_what_it_says(api: Api, cloud: Cloud) -> None:
    """The role of the API function allows all of them."""
    with SampleSubscriber() as app:
        added = api("POST", "/v1/subscribers", {"url": app.url, "events": ["video.*"]})
        assert added.status_code == 201
        where = f"/v1/subscribers/{added.json()['id']}"
        app.secrets.append(added.json()["secret"])
        assert api("POST", f"{where}/test").json()["attempt"]["status"] == 200
        assert app.wait_for(bool, 30)[0].verified

        assert api("PATCH", where, {"description": "mine"}).json()["description"] == "mine"
        rotated = api("POST", f"{where}/rotate", {"keep_seconds": 0})
        assert rotated.status_code == 200
        assert rotated.json()["secret"] != added.json()["secret"]
        assert api("POST", f"{where}/pause").json()["state"] == "paused"
        assert api("POST", f"{where}/resume").json()["state"] == "active"
        assert api("POST", f"{where}/recover", {"since": "2026-01-01T00:00:00Z"}).json() == {"started": 0}
        assert where.rpartition("/")[2] in [each["id"] for each in api("GET", "/v1/subscribers").json()["items"]]
        assert api("DELETE", where).status_code == 204
        assert api("GET", where).status_code == 404
    assert added.json()["id"] not in json.dumps(
        cloud.client("secretsmanager").list_secrets()["SecretList"], default=str
    )


def test_a_task_token_that_comes_over_http_is_answered(api: Api, bridge: Bridge) -> None:
    """The API itself answers the token of a task that is done already."""
    task = bridge.task("vicsee")
    assert api("POST", "/v1/tasks", bridge.submission(task)).status_code == 202
    bridge.event(task)
    late = api("POST", "/v1/tasks", bridge.submission(task, task_token="AQCEAAAAKgAAAAMAAAAA-nobody-waits"))
    assert late.status_code == 200
    assert bridge.cloud.edges.ledger.tokens(id_of(task)) == []
