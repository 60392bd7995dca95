"""The way of one task, from its submission to the webhook: the real template, IAM enforced, waits scaled."""

import hashlib
import json
from collections.abc import Callable

import pytest
from bridge import Bridge, about, eventually, id_of, webhooks

from vidhook.providers.file import bundled_text
from vidhook_sandbox.provider import KEYS
from vidhook_sandbox.subscriber import SampleSubscriber

Subscriber = Callable[..., SampleSubscriber]


@pytest.mark.parametrize("name", ["vicsee", "vibepeak", "infinityblue", "alad"])
def test_a_finished_video_is_kept_and_every_way_out_tells_the_same(
    bridge: Bridge, subscriber: Subscriber, name: str
) -> None:
    """The webhook, the event bus and the execution's output are three copies of one body."""
    app = subscriber()
    task = bridge.task(name)
    bridge.submit(task, metadata={"order": "17"})
    output = bridge.ended(bridge.execution_arn(task))["output"]
    [webhook] = webhooks(app, task)
    [heard] = bridge.heard_about(task)
    assert webhook.verified
    assert webhook.event == output == heard["detail"]
    assert (output["type"], heard["detail-type"]) == ("video.completed", "video.completed")
    assert output["data"]["metadata"] == {"order": "17"}
    [asset] = output["data"]["assets"]
    kept = bridge.cloud.client("s3").get_object(Bucket=asset["bucket"], Key=asset["key"])
    content = kept["Body"].read()
    assert hashlib.sha256(content).hexdigest() == asset["sha256"] == task.media().sha256
    assert len(content) == asset["bytes"]
    assert (kept["ContentType"], kept["Metadata"]["provider"]) == ("video/mp4", name)
    assert len(task.downloads) == 1


def test_two_files_of_one_task_are_both_kept(bridge: Bridge) -> None:
    """Super resolution gives the upscaled video and the original; both links die."""
    task = bridge.task("alad", ends="completed-super-resolution")
    bridge.submit(task)
    assets = {asset["role"]: asset for asset in bridge.event(task).data["data"]["assets"]}
    assert {role: asset["sha256"] for role, asset in assets.items()} == {
        role: task.media(role).sha256 for role in ("result", "original")
    }


def test_a_picture_is_told_as_an_image(bridge: Bridge, subscriber: Subscriber) -> None:
    """VicSee makes pictures too, and whoever waits for videos alone is not told of them."""
    app, cinema = subscriber(), subscriber(events=("video.*",))
    task = bridge.task("vicsee", ends="completed-image")
    bridge.submit(task)
    [webhook] = webhooks(app, task)
    assert webhook.event
    assert webhook.event["type"] == "image.completed"
    assert webhook.event["data"]["object"] == "image"
    [asset] = webhook.event["data"]["assets"]
    assert (asset["content_type"], asset["sha256"]) == ("image/png", task.media().sha256)
    bridge.ended(bridge.execution_arn(task))
    assert about(task, cinema.received) == []


def test_a_video_behind_the_key_is_fetched_with_the_key(bridge: Bridge) -> None:
    """InfinityBlue's content proxy answers 401 without it."""
    task = bridge.task("infinityblue", ends="completed-content-proxy")
    bridge.submit(task)
    [asset] = bridge.event(task).data["data"]["assets"]
    assert (asset["stored"], asset["sha256"]) == (True, task.media().sha256)


def test_a_failed_task_is_told_with_its_reason(bridge: Bridge, subscriber: Subscriber) -> None:
    """A program branches on the category, a person reads the message."""
    app = subscriber()
    task = bridge.task("alad", ends="failed-content-policy")
    bridge.submit(task)
    [webhook] = webhooks(app, task)
    assert webhook.event
    assert webhook.event["type"] == "video.failed"
    data = webhook.event["data"]
    assert (data["assets"], data["error"]["category"]) == ([], "content_policy")
    assert data["error"]["message"]
    assert bridge.ended(bridge.execution_arn(task))["status"] == "SUCCEEDED"


def test_a_provider_that_asks_for_quiet_is_left_alone_for_as_long(bridge: Bridge) -> None:
    """A 429 with Retry-After is an order: asking sooner may cost the account."""
    task = bridge.task("vibepeak", faults=[{"kind": "429", "retry_after": 40}])
    bridge.submit(task)
    assert bridge.event(task).type == "video.completed"
    first, second = bridge.watch(task).history
    assert (first.answer, second.answer) == ("retry", "completed")
    assert first.pause is not None
    assert first.pause >= 40


def test_a_provider_that_is_down_for_a_while_costs_time_and_nothing_else(bridge: Bridge) -> None:
    """Errors, a page instead of JSON, nothing, a hang-up: none of them is an answer about the task."""
    task = bridge.task("infinityblue", faults=["500", "502", "html", "empty", "drop"])
    bridge.submit(task)
    assert bridge.event(task).type == "video.completed"
    assert len(task.polls) == 6


def test_a_broken_download_is_begun_anew(bridge: Bridge) -> None:
    """Half a video is no video."""
    task = bridge.task("alad", bytes=300_000, faults=["cut"])
    bridge.submit(task)
    [asset] = bridge.event(task).data["data"]["assets"]
    assert (asset["stored"], asset["sha256"]) == (True, task.media().sha256)
    assert len(task.downloads) == 2


def test_the_same_task_twice_is_one_watch_and_one_event(bridge: Bridge, subscriber: Subscriber) -> None:
    """Submitters retry; whoever is told must not pay for that."""
    app = subscriber()
    task = bridge.task("vicsee")
    first, second = bridge.submit(task), bridge.submit(task, metadata={"late": True})
    assert (first["created"], second["created"]) == (True, False)
    assert first["id"] == second["id"]
    bridge.ended(bridge.execution_arn(task))
    third = bridge.submit(task)
    assert (third["created"], third["status"]) == (False, "completed")
    [webhook] = webhooks(app, task)
    assert webhook.event
    assert webhook.event["data"]["metadata"] == {}
    assert len(bridge.heard_about(task)) == 1


def test_an_unknown_provider_is_refused_with_the_nearest_name(bridge: Bridge) -> None:
    """A slip of the pen must not become a watch that polls nothing for a day."""
    with pytest.raises(
        RuntimeError, match=r'^provider: no provider file is named "vikpeak"; did you mean "vibepeak"\?'
    ):
        bridge.cloud.submit(provider="vikpeak", task_id="t1")


def test_a_task_that_is_not_done_by_its_deadline_is_told_as_failed(bridge: Bridge) -> None:
    """Whoever waits is told, and the last look falls on the deadline."""
    task = bridge.task("vibepeak", seconds=100_000)
    bridge.submit(task, deadline_seconds=30, expected_seconds=10)
    event = bridge.event(task)
    error = event.data["data"]["error"]
    assert (event.type, error["category"], error["code"]) == ("video.failed", "timeout", "DEADLINE_REACHED")
    assert sum(poll.pause or 0 for poll in bridge.watch(task).history) <= 30


def test_progress_is_told_on_the_way_and_never_after_the_end(bridge: Bridge, subscriber: Subscriber) -> None:
    """A progress bar that jumps back from done is worse than none."""
    app = subscriber(events=("video.*",))
    quiet = subscriber()
    task = bridge.task("infinityblue", seconds=6, queued_seconds=0)
    bridge.submit(task, progress=True)
    bridge.ended(bridge.execution_arn(task))
    told = [webhook.event["type"] for webhook in webhooks(app, task, 2) if webhook.event]
    assert told == ["video.progress"] * (len(told) - 1) + ["video.completed"]
    assert len(told) >= 2
    assert [webhook.event["type"] for webhook in webhooks(quiet, task) if webhook.event] == ["video.completed"]


def test_a_provider_of_ones_own_needs_no_deployment(bridge: Bridge) -> None:
    """A file in the ledger and a key in the secret: a known dialect at another address, under a new name."""
    cloud, secret = bridge.cloud, bridge.cloud.outputs["provider_secret"]
    base_url = f'base_url = "{bridge.provider.base_url("alad")}"'
    text = bundled_text("alad").replace('name = "alad"', 'name = "acme"')
    cloud.ledger.put_provider_file("acme", text.replace('base_url = "https://ai.alad.com"', base_url))
    keys = json.dumps({**KEYS, "acme": KEYS["alad"]})
    cloud.client("secretsmanager").put_secret_value(SecretId=secret, SecretString=keys)
    task = bridge.task("alad")
    submitted = cloud.submit(provider="acme", task_id=task.task_id, expected_seconds=1)
    assert submitted["id"] != id_of(task)
    eventually(lambda: cloud.ledger.watch(submitted["id"]).event_id)
    data = cloud.ledger.event(submitted["id"]).data["data"]
    assert (data["provider"], data["status"]) == ("acme", "completed")
    assert data["assets"][0]["sha256"] == task.media().sha256
