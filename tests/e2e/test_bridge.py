"""One task from its submission to the webhook: the real template, IAM enforced, waits shortened."""

import hashlib
import json
from collections.abc import Callable
from typing import Any

import pytest
from click.testing import Result

from tests.e2e.bridge import Bridge, about, event_in, eventually, id_of, webhooks
from vidhook.providers.file import bundled_text
from vidhook.store import STORE_PAUSES
from vidhook_sandbox.provider import KEYS, SampleTask
from vidhook_sandbox.subscriber import SampleSubscriber

Subscriber = Callable[..., SampleSubscriber]


@pytest.mark.parametrize("name", ["vicsee", "vibepeak", "infinityblue", "alad"])
def test_a_finished_video_is_stored_and_every_output_has_the_same_event(
    bridge: Bridge, subscriber: Subscriber, name: str
) -> None:
    """The webhook, the event bus and the execution's output carry the same event."""
    app = subscriber()
    task = bridge.task(name)
    bridge.submit(task, metadata={"order": "17"})
    output = bridge.ended(bridge.execution_arn(task))["output"]
    [webhook] = webhooks(app, task)
    [on_bus] = bridge.bus_events_of(task)
    assert webhook.verified
    assert webhook.event == output == on_bus["detail"]
    assert (output["type"], on_bus["detail-type"]) == ("video.completed", "video.completed")
    assert output["data"]["metadata"] == {"order": "17"}
    [asset] = output["data"]["assets"]
    stored = bridge.cloud.client("s3").get_object(Bucket=asset["bucket"], Key=asset["key"])
    content = stored["Body"].read()
    assert hashlib.sha256(content).hexdigest() == asset["sha256"] == task.media().sha256
    assert len(content) == asset["bytes"]
    assert (stored["ContentType"], stored["Metadata"]["provider"]) == ("video/mp4", name)
    assert len(task.downloads) == 1


def test_both_files_of_a_task_are_stored(bridge: Bridge) -> None:
    """Super resolution gives the upscaled video and the original one, and both links expire."""
    task = bridge.task("alad", ends="completed-super-resolution")
    bridge.submit(task)
    assets = {asset["role"]: asset for asset in bridge.event(task).data["data"]["assets"]}
    assert {role: asset["sha256"] for role, asset in assets.items()} == {
        role: task.media(role).sha256 for role in ("result", "original")
    }


def test_a_picture_is_published_as_an_image(bridge: Bridge, subscriber: Subscriber) -> None:
    """VicSee makes pictures too, and a subscriber to video events is not notified of them."""
    app, videos_only = subscriber(), subscriber(events=("video.*",))
    task = bridge.task("vicsee", ends="completed-image")
    bridge.submit(task)
    [webhook] = webhooks(app, task)
    event = event_in(webhook)
    assert event["type"] == "image.completed"
    assert event["data"]["object"] == "image"
    [asset] = event["data"]["assets"]
    assert (asset["content_type"], asset["sha256"]) == ("image/png", task.media().sha256)
    bridge.ended(bridge.execution_arn(task))
    assert about(task, videos_only.received) == []


def test_a_video_that_needs_the_key_is_downloaded_with_the_key(bridge: Bridge) -> None:
    """InfinityBlue's content proxy answers 401 without the provider's key."""
    task = bridge.task("infinityblue", ends="completed-content-proxy")
    bridge.submit(task)
    [asset] = bridge.event(task).data["data"]["assets"]
    assert (asset["stored"], asset["sha256"]) == (True, task.media().sha256)


def test_a_failed_task_is_published_with_its_reason(bridge: Bridge, subscriber: Subscriber) -> None:
    """A program decides by the category, and a person reads the message."""
    app = subscriber()
    task = bridge.task("alad", ends="failed-content-policy")
    bridge.submit(task)
    [webhook] = webhooks(app, task)
    event = event_in(webhook)
    assert event["type"] == "video.failed"
    data = event["data"]
    assert (data["assets"], data["error"]["category"]) == ([], "content_policy")
    assert data["error"]["message"]
    assert bridge.ended(bridge.execution_arn(task))["status"] == "SUCCEEDED"


def test_retry_after_of_a_provider_is_respected(bridge: Bridge) -> None:
    """A provider may block an account that polls again before Retry-After has passed."""
    task = bridge.task("vibepeak", faults=[{"kind": "429", "retry_after": 40}])
    bridge.submit(task)
    assert bridge.event(task).type == "video.completed"
    first, second = bridge.watch(task).history
    assert (first.answer, second.answer) == ("retry", "completed")
    assert first.pause is not None
    assert first.pause >= 40


def test_a_provider_that_is_down_for_a_while_delays_the_event_and_nothing_else(bridge: Bridge) -> None:
    """An error, an HTML page, an empty answer or a lost connection says nothing about the task."""
    task = bridge.task("infinityblue", faults=["500", "502", "html", "empty", "drop"])
    bridge.submit(task)
    assert bridge.event(task).type == "video.completed"
    assert len(task.polls) == 6


def test_a_download_that_breaks_is_made_again(bridge: Bridge) -> None:
    """Half of a video must not be stored as if it were the whole one."""
    task = bridge.task("alad", bytes=300_000, faults=["cut"])
    bridge.submit(task)
    [asset] = bridge.event(task).data["data"]["assets"]
    assert (asset["stored"], asset["sha256"]) == (True, task.media().sha256)
    assert len(task.downloads) == 2


@pytest.mark.parametrize("name", ["vicsee", "vibepeak", "infinityblue", "alad"])
def test_a_video_whose_link_is_dead_is_stored_by_a_fresh_link(
    bridge: Bridge, subscriber: Subscriber, name: str
) -> None:
    """When the video cannot be stored, the task is polled again and the link in the new answer is used."""
    app = subscriber()
    task = bridge.task(name, link_seconds=-10)  # every link that the provider gives has expired already
    bridge.submit(task)
    eventually(lambda: bridge.watch(task).store_failures)
    assert bridge.watch(task).event_id is None  # a subscriber is not notified before the video is stored
    settled = bridge.watch(task)
    task.link_seconds = 3_600
    event = bridge.event(task)
    [asset] = event.data["data"]["assets"]
    assert (asset["stored"], asset["sha256"]) == (True, task.media().sha256)
    assert len(task.downloads) == 1
    assert settled.snapshot is not None
    assert asset["source_url"] != settled.snapshot.sources[0].url
    watch = bridge.watch(task)
    assert len(task.polls) == watch.polls + watch.store_failures  # one more question for each failure
    # Only the poll that settled the task counts: asking for a link does not change when it was found to be done.
    assert (watch.polls, watch.detected_at) == (settled.polls, settled.detected_at)
    assert bridge.ended(bridge.execution_arn(task))["output"] == event.data
    assert [webhook.event for webhook in webhooks(app, task)] == [event.data]


@pytest.mark.slow
def test_a_video_whose_links_stay_dead_is_published_with_the_link_of_the_provider(bridge: Bridge) -> None:
    """The event comes even if the video cannot be stored after all retries, and it says so."""
    task = bridge.task("alad", link_seconds=-10)
    bridge.submit(task)
    output = bridge.ended(bridge.execution_arn(task))["output"]
    [asset] = output["data"]["assets"]
    assert (output["type"], asset["stored"], asset["url"]) == ("video.completed", False, asset["source_url"])
    assert bridge.watch(task).store_failures == len(STORE_PAUSES)
    assert task.downloads == []


def test_a_task_that_is_submitted_twice_has_one_watch_and_one_event(bridge: Bridge, subscriber: Subscriber) -> None:
    """Submitters may retry, and subscribers must not see it."""
    app = subscriber()
    task = bridge.task("vicsee")
    first, second = bridge.submit(task), bridge.submit(task)
    assert (first["created"], second["created"]) == (True, False)
    assert first["id"] == second["id"]
    bridge.ended(bridge.execution_arn(task))
    third = bridge.submit(task)
    assert (third["created"], third["status"]) == (False, "completed")
    [webhook] = webhooks(app, task)
    assert event_in(webhook)["data"]["metadata"] == {}
    assert len(bridge.bus_events_of(task)) == 1


def test_a_second_submission_adds_its_callback_url_and_changes_nothing_else(bridge: Bridge) -> None:
    """Another submitter waits for the same video; it must get it, or know why not."""
    task = bridge.task("vicsee")
    bridge.submit(task, metadata={"order": "17"})
    event = bridge.event(task)
    with pytest.raises(RuntimeError, match=r'metadata\.order is "17", not "18"'):
        bridge.submit(task, metadata={"order": "18"})
    with SampleSubscriber(bridge.cloud.edges.secrets.default()) as late:
        assert bridge.submit(task, callback_url=late.url)["created"] is False
        assert bridge.submit(task, callback_url=late.url)["created"] is False
        [webhook] = webhooks(late, task)
        assert (webhook.verified, webhook.id, webhook.event) == (True, event.id, event.data)


def given_up(bridge: Bridge) -> tuple[SampleTask, dict[str, Any]]:
    """A task that was not done by its deadline, and the event that says so."""
    task = bridge.task("vibepeak", seconds=100_000)
    bridge.submit(task, deadline_seconds=30, expected_seconds=10)
    return task, bridge.ended(bridge.execution_arn(task))["output"]


def test_a_retry_of_a_task_that_was_given_up_publishes_its_video(
    bridge: Bridge, subscriber: Subscriber, cli: Callable[..., Result]
) -> None:
    """The provider was slower than the deadline, and the video was paid for: the task has two ends then."""
    app = subscriber()
    task, failed = given_up(bridge)
    task.seconds = 0
    opened = bridge.api("POST", f"/v1/tasks/{id_of(task)}/retry", {"deadline_seconds": 600})
    assert (opened.status_code, opened.json()["retries"]) == (202, 1)
    refused = bridge.api("POST", f"/v1/tasks/{id_of(task)}/retry")
    assert refused.status_code == 409  # it is followed, or completed already
    completed = bridge.ended(f"{bridge.execution_arn(task)}-retry-1")["output"]
    assert (failed["type"], completed["type"]) == ("video.failed", "video.completed")
    assert failed["id"] != completed["id"]
    [asset] = completed["data"]["assets"]
    assert (asset["stored"], asset["sha256"]) == (True, task.media().sha256)
    assert [event_in(webhook) for webhook in webhooks(app, task, 2)] == [failed, completed]
    eventually(lambda: len(bridge.bus_events_of(task)) == 2)
    assert [each["detail"] for each in bridge.bus_events_of(task)] == [failed, completed]
    again = cli("retry", f"vibepeak/{task.task_id}")
    assert again.exit_code == 1
    assert "is completed" in again.output


def test_a_retry_by_the_command_that_fails_again_is_quiet(
    bridge: Bridge, subscriber: Subscriber, cli: Callable[..., Result]
) -> None:
    """Subscribers know already that it failed."""
    app = subscriber()
    task, failed = given_up(bridge)
    assert cli("retry", task.task_id, "--deadline-seconds", "30").exit_code == 0
    assert bridge.ended(f"{bridge.execution_arn(task)}-retry-1")["output"] == failed
    assert bridge.watch(task).event_id == failed["id"]
    assert [event_in(webhook) for webhook in webhooks(app, task)] == [failed]
    assert "retried" in cli("task", id_of(task)).output


def test_an_unknown_provider_is_refused_with_the_nearest_name(bridge: Bridge) -> None:
    """A misspelled provider must not become a watch that polls nothing for a day."""
    with pytest.raises(
        RuntimeError, match=r'^provider: no provider file is named "vikpeak"; did you mean "vibepeak"\?'
    ):
        bridge.cloud.submit(provider="vikpeak", task_id="t1")


def test_a_task_that_is_not_done_at_its_deadline_is_reported_as_failed(bridge: Bridge) -> None:
    """The last poll happens at the deadline, and then the failure is published."""
    task = bridge.task("vibepeak", seconds=100_000)
    bridge.submit(task, deadline_seconds=30, expected_seconds=10)
    event = bridge.event(task)
    error = event.data["data"]["error"]
    assert (event.type, error["category"], error["code"]) == ("video.failed", "timeout", "DEADLINE_REACHED")
    assert sum(poll.pause or 0 for poll in bridge.watch(task).history) <= 30


def test_progress_is_published_before_the_end_and_never_after_it(bridge: Bridge, subscriber: Subscriber) -> None:
    """A progress bar must not go back after the task is done."""
    app = subscriber(events=("video.*",))
    terminal_only = subscriber()
    task = bridge.task("infinityblue", seconds=6, queued_seconds=0)
    bridge.submit(task, progress=True)
    bridge.ended(bridge.execution_arn(task))
    types = [webhook.event["type"] for webhook in webhooks(app, task, 2) if webhook.event]
    assert types == ["video.progress"] * (len(types) - 1) + ["video.completed"]
    assert len(types) >= 2
    assert [webhook.event["type"] for webhook in webhooks(terminal_only, task) if webhook.event] == ["video.completed"]


def test_a_provider_of_your_own_needs_no_deployment(bridge: Bridge) -> None:
    """A provider file in the ledger and a key in the secret are enough."""
    cloud, secret = bridge.cloud, bridge.cloud.outputs["provider_secret"]
    base_url = f'base_url = "{bridge.provider.base_url("alad")}"'
    text = bundled_text("alad").replace('name = "alad"', 'name = "acme"')
    cloud.edges.ledger.providers.put("acme", text.replace('base_url = "https://ai.alad.com"', base_url))
    keys = json.dumps({**KEYS, "acme": KEYS["alad"]})
    cloud.client("secretsmanager").put_secret_value(SecretId=secret, SecretString=keys)
    task = bridge.task("alad")
    submitted = cloud.submit(provider="acme", task_id=task.task_id, expected_seconds=1)
    assert submitted["id"] != id_of(task)
    eventually(lambda: cloud.edges.ledger.tasks.watch(submitted["id"]).event_id)
    data = cloud.edges.ledger.tasks.event(submitted["id"]).data["data"]
    assert (data["provider"], data["status"]) == ("acme", "completed")
    assert data["assets"][0]["sha256"] == task.media().sha256


def test_a_watch_that_lasts_goes_on_in_another_execution_and_the_first_one_has_its_event(bridge: Bridge) -> None:
    """A history has room for some days only, and a nested caller waits for the execution that it started.

    Here every execution is too old as soon as it begins, so each poll has one of its own.
    """
    task = bridge.task(seconds=3)
    definition = bridge.states.describe_state_machine(stateMachineArn=bridge.cloud.outputs["watch_arn"])["definition"]
    started_at = "{% $states.context.Execution.StartTime %}"
    assert definition.count(started_at) == 1
    ended = bridge.run("old", definition.replace(started_at, "2020-01-01T00:00:00Z"), bridge.submission(task))
    event = bridge.event(task)
    assert (ended["status"], ended["output"], event.type) == ("SUCCEEDED", event.data, "video.completed")
    watch = bridge.watch(task)
    assert watch.polls > 1
    assert watch.execution != ended["name"]
