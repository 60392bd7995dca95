"""The HTTP API of the deployed stack: who may call it, and what a caller can do with it, IAM enforced."""

import hashlib
import json
import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import pytest
import requests
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

from tests.e2e.bridge import Bridge, eventually, id_of, webhooks
from vidhook.task import watch_id
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


def without(fields: dict[str, Any], *names: str) -> dict[str, Any]:
    """All fields but these."""
    return {each: value for each, value in fields.items() if each not in names}


def published(task: dict[str, Any]) -> dict[str, Any] | None:
    """A task as the API shows it, None while it has no event."""
    return task if task["event"] else None


@pytest.mark.parametrize(
    "path", ["/v1/tasks", "/v1/openapi.json", "/v1/docs/", "/v1/schemas/a/b", "/v1/videos", "/anything"]
)
def test_every_route_but_the_videos_the_docs_and_the_schemas_needs_credentials(api: Api, path: str) -> None:
    """A caller who may submit tasks causes costs."""
    assert requests.get(api.url + path, timeout=60).status_code == 403


def test_a_browser_opens_the_docs_without_credentials(api: Api) -> None:
    """It cannot sign what is typed into its address bar."""
    page = requests.get(f"{api.url}/v1/docs", timeout=60)
    assert (page.status_code, page.headers["content-type"]) == (200, "text/html; charset=utf-8")
    assert "POST /v1/tasks" in re.sub(r"<[^>]+>", "", page.text)


def test_the_schemas_need_no_credentials(api: Api) -> None:
    """The tools that read them have none."""
    listed = requests.get(f"{api.url}/v1/schemas", timeout=60).json()["items"]
    for each in listed:
        schema = requests.get(api.url + each["path"], timeout=60)
        assert (schema.status_code, schema.json()["description"]) == (200, each["description"])
    assert "video.completed" in [each["name"] for each in listed]


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
    [found] = api("GET", f"/v1/tasks?find={webhook.id}&with=deliveries").json()["items"]
    assert (found["id"], found["deliveries"]["delivered"]) == (id_of(task), 1)
    assert "alad" in [each["provider"] for each in api("GET", "/v1/activity").json()["items"]]

    known = bridge.known(app).id
    assert api("POST", f"{where}/deliveries/{known}/replay").status_code == 202
    assert {each.id for each in webhooks(app, task, 2)} == {webhook.id}
    eventually(lambda: bridge.delivery_state(task, known) == "delivered")
    [delivery] = api("GET", f"{where}/deliveries").json()["items"]
    assert [attempt["outcome"] for attempt in delivery["log"]] == ["delivered", "delivered"]
    of_subscriber = api("GET", f"/v1/deliveries?subscriber={known}").json()
    assert (of_subscriber["items"], of_subscriber["next"]) == ([without(delivery, "request", "log")], None)
    assert without(delivery, "request", "log") in api("GET", "/v1/deliveries?state=delivered&limit=100").json()["items"]

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
        for dry_run in (True, False):
            asked = {"since": "2026-01-01T00:00:00Z", "dry_run": dry_run}
            assert api("POST", f"{where}/recover", asked).json() == {"started": 0, "found": 0, "all": True}
        assert api("GET", f"{where}/secrets").json() == {"items": [{"ends_at": None}]}
        examined = api("POST", f"{where}/doctor").json()
        assert (examined["findings"][0]["probe"], examined["complete"]) == ("signed", True)
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
    assert bridge.cloud.edges.ledger.tasks.tokens(id_of(task)) == []


def test_a_task_is_cancelled_long_before_its_next_poll(
    api: Api, bridge: Bridge, subscriber: Callable[..., Any]
) -> None:
    """One poll of its own asks the provider, or publishes the end; the task's pauses would take an hour here."""
    app = subscriber()
    url = bridge.cloud.edges.ledger.providers.get("alad").base_url
    able = f'name = "able"\nbase_url = "{url}"\nformat = "new-api"\n[cancel]\npath = "/nowhere/{{task_id}}"\n'
    bridge.cloud.edges.ledger.providers.put("able", able)
    task = bridge.task(seconds=10**6)
    for provider in ("alad", "able"):
        bridge.cloud.submit(provider=provider, task_id=task.task_id, expected_seconds=80_000)
    stopped, asked = (watch_id(provider, task.task_id) for provider in ("alad", "able"))
    assert api("POST", f"/v1/tasks/{stopped}/cancel").json()["cancel"]["answer"] == "stopped"
    [webhook] = webhooks(app, task)
    assert webhook.event is not None
    assert webhook.event["data"]["error"]["category"] == "cancelled"
    assert api("POST", f"/v1/tasks/{asked}/cancel").status_code == 202

    def answered() -> dict[str, Any] | None:
        task: dict[str, Any] = api("GET", f"/v1/tasks/{asked}").json()
        return task if task["cancel"]["answer"] else None

    known = eventually(answered)
    assert (known["cancel"]["answer"], known["event"]) == ("refused", None)
    assert api("GET", f"/v1/tasks/{asked}/answer").json()["read"]["outcome"]


def test_an_erased_task_is_gone_from_everywhere(api: Api, bridge: Bridge, subscriber: Callable[..., Any]) -> None:
    """Its film, its event and its link, within seconds; and it cannot be submitted again."""
    app, task = subscriber(), bridge.task()
    bridge.record_bus()
    bridge.submit(task, reference="order-of-ann", metadata={"who": "ann"})
    webhooks(app, task)
    [asset] = bridge.event(task).data["data"]["assets"]
    assert api("DELETE", f"/v1/tasks/{id_of(task)}").status_code == 202
    assert api("GET", f"/v1/tasks/{id_of(task)}").status_code == 410
    assert api("POST", "/v1/tasks", bridge.submission(task)).status_code == 409
    s3, bucket = bridge.cloud.client("s3"), bridge.cloud.outputs["bucket"]
    told = eventually(lambda: [each for each in bridge.bus_events() if each["detail-type"] == "task.erased"])
    assert [each["detail"]["id"] for each in told] == [id_of(task)]
    versions = s3.list_object_versions(Bucket=bucket, Prefix=asset["key"])
    assert [*versions.get("Versions", []), *versions.get("DeleteMarkers", [])] == []
    assert requests.get(f"{api.url}/v1/videos/{asset['url'].rpartition('/')[2]}", timeout=60).status_code == 404
    left = bridge.cloud.client("dynamodb").scan(TableName=bridge.cloud.outputs["table"])["Items"]
    mine = [item for item in left if id_of(task) in json.dumps(item)]
    assert sorted(item["sk"]["S"] for item in mine) == ["answer", "watch"]
    assert "ann" not in [word for item in mine for word in re.findall(r"\w+", json.dumps(item))]
    assert api("GET", "/v1/tasks?reference=order-of-ann").json()["items"] == []


def test_every_route_for_a_provider_does_what_it_says(api: Api, bridge: Bridge) -> None:
    """The role of the API function allows all of them, and the stack's key goes along with a question."""
    assert "alad" in [each["provider"] for each in api("GET", "/v1/providers").json()["items"]]
    used = api("GET", "/v1/providers/alad").json()
    assert used["source"] == "stored"  # that of the sample provider
    assert api("PUT", "/v1/providers/alad", {"toml": used["toml"]}).json() == used
    assert api("PUT", "/v1/providers/alad", {"toml": used["bundled_toml"]}).status_code == 409
    assert api("DELETE", "/v1/providers/alad").status_code == 409
    mine = used["toml"].replace('"alad"', '"mine"')
    assert api("PUT", "/v1/providers/mine", {"toml": mine}).json()["toml"] == mine
    assert api("GET", "/v1/providers/mine/pace").json() == {"items": []}
    assert api("DELETE", "/v1/providers/mine").status_code == 204
    task = bridge.task("alad", seconds=0)
    [asked] = api("POST", "/v1/providers/alad/ask", {"task_id": task.task_id}).json()["exchanges"]
    assert (asked["answer"]["status"], asked["read"]["status"]) == (200, "completed")
    trial = {"provider": "alad", "answer": {"body": asked["answer"]["body"]}, "task_id": task.task_id}
    assert api("POST", "/v1/readings", trial).json()["reading"]["status"] == "completed"
