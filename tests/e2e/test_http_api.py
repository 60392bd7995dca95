"""The HTTP API of the deployed stack: who may call it, and its way from a submission to the video, IAM enforced."""

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
from bridge import Bridge, eventually, id_of, webhooks

from vidhook_sandbox.cloud import REGION, Cloud
from vidhook_sandbox.subscriber import SampleSubscriber


@dataclass(frozen=True)
class Api:
    """Calls the API as somebody with AWS credentials; the emulator's root, unless told otherwise."""

    id: str
    url: str
    caller: Credentials = Credentials("test", "test")  # noqa: RUF009 - nobody changes them

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


@pytest.mark.parametrize("path", ["/v1/tasks", "/v1/openapi.json", "/v1/docs", "/v1/videos", "/anything"])
def test_everything_but_videos_is_closed(api: Api, path: str) -> None:
    """Whoever may submit tasks spends somebody's money."""
    assert requests.get(api.url + path, timeout=60).status_code == 403


def test_a_caller_may_be_held_to_a_part(api: Api, cloud: Cloud) -> None:
    """Who hands in tasks need not be able to read secrets; docs/api.md shows the policy."""
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


def test_a_forged_link_is_refused_without_credentials(api: Api) -> None:
    """The one open route opens nothing by itself."""
    answer = requests.get(f"{api.url}/v1/videos/{'A' * 60}", timeout=60)
    assert (answer.status_code, answer.headers["content-type"]) == (404, "application/problem+json")


def test_a_task_submitted_over_http_comes_back_as_a_video(
    api: Api, bridge: Bridge, subscriber: Callable[..., SampleSubscriber]
) -> None:
    """From POST to the bytes, with nothing but HTTP: submit, list, look, replay, follow the link."""
    app = subscriber()
    task = bridge.task("alad")
    submission = bridge.submission(task, metadata={"order": "17"})
    assert [api("POST", "/v1/tasks", submission).status_code for _ in range(2)] == [202, 200]
    where = f"/v1/tasks/{id_of(task)}"
    story = eventually(lambda: (told := api("GET", where).json())["event"] and told)
    [webhook] = webhooks(app, task)
    assert story["event"] == webhook.event
    assert id_of(task) in [each["id"] for each in api("GET", "/v1/tasks?provider=alad").json()["items"]]

    known = bridge.known(app).id
    assert api("POST", f"{where}/deliveries/{known}/replay").status_code == 202
    assert {each.id for each in webhooks(app, task, 2)} == {webhook.id}
    eventually(lambda: bridge.delivery_state(task, known) == "delivered")
    [delivery] = api("GET", f"{where}/deliveries").json()["items"]
    assert [attempt["outcome"] for attempt in delivery["log"]] == ["delivered", "delivered"]

    token = story["event"]["data"]["assets"][0]["url"].rpartition("/")[2]
    link = requests.get(f"{api.url}/v1/videos/{token}", timeout=60, allow_redirects=False)
    assert link.status_code == 302
    video = requests.get(link.headers["location"], timeout=60)
    assert hashlib.sha256(video.content).hexdigest() == task.media().sha256


def test_a_subscriber_lives_over_http(api: Api, cloud: Cloud) -> None:
    """Its role may do all of it, and IAM is watching."""
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


def test_a_task_token_given_over_http_is_answered(api: Api, bridge: Bridge) -> None:
    """A task that is done already is answered by the API itself."""
    task = bridge.task("vicsee")
    assert api("POST", "/v1/tasks", bridge.submission(task)).status_code == 202
    bridge.event(task)
    late = api("POST", "/v1/tasks", bridge.submission(task, task_token="AQCEAAAAKgAAAAMAAAAA-nobody-waits"))
    assert late.status_code == 200
    assert bridge.cloud.ledger.tokens(id_of(task)) == []
