"""fal, Kling, MiniMax and Replicate on the real template: a second answer, parameters in paths, tokens, cancelling."""

import hashlib
from collections.abc import Callable

import pytest

from tests.e2e.bridge import PATIENCE, Bridge, event_in, eventually, id_of, webhooks
from vidhook_sandbox.provider import SampleTask
from vidhook_sandbox.subscriber import Received, SampleSubscriber

Subscriber = Callable[..., SampleSubscriber]
TWO_STEPS = ("fal", "minimax")


def stored(bridge: Bridge, task: SampleTask) -> dict[str, str]:
    """The hashes of the files in S3 that the event of a task names, by their roles."""
    s3, found = bridge.cloud.client("s3"), {}
    for asset in bridge.event(task).data["data"]["assets"]:
        content = s3.get_object(Bucket=asset["bucket"], Key=asset["key"])["Body"].read()
        found[asset["role"]] = hashlib.sha256(content).hexdigest()
        assert found[asset["role"]] == asset["sha256"]
    return found


@pytest.mark.parametrize("name", ["fal", "kling", "minimax", "replicate"])
def test_a_task_that_is_followed_by_its_id_ends_in_a_webhook_and_a_film(
    bridge: Bridge, subscriber: Subscriber, name: str
) -> None:
    """With the bundled file, the parameters of the submission and the key in the stack's secret."""
    app = subscriber()
    task = bridge.task(name, seconds=1)
    bridge.submit(task, metadata={"order": "17"})
    [webhook] = webhooks(app, task)
    assert webhook.verified
    data = event_in(webhook)["data"]
    assert (data["status"], data["metadata"]) == ("completed", {"order": "17"})
    assert stored(bridge, task) == {"result": task.media().sha256}
    assert len(task.downloads) == 1
    assert {answer for _, answer in task.polls} <= {"pending", "processing", "completed"}
    assert [answer for _, answer in task.second] == (["completed"] if name in TWO_STEPS else [])


@pytest.mark.parametrize(
    ("name", "params"),
    [
        ("fal", {"model": "fal-ai/veo3/fast"}),
        ("kling", {"kind": "image2video"}),
        ("minimax", {}),
        ("replicate", {}),
    ],
)
def test_a_task_that_vidhook_creates_is_followed_by_its_new_id(
    bridge: Bridge, subscriber: Subscriber, name: str, params: dict[str, str]
) -> None:
    """One call leads from a prompt to the webhook; a model's whole name stands only where its task is created."""
    app = subscriber()
    body = {"prompt": "a fox in the snow", "sample": {"seconds": 1}}
    terms = {"params": params} if params else {}
    reference = f"made-at-{name}"
    bridge.cloud.submit(provider=name, create=body, reference=reference, expected_seconds=1, **terms)

    def ours(received: list[Received]) -> list[Received]:
        return [each for each in received if event_in(each)["data"].get("reference") == reference]

    [webhook] = ours(app.wait_for(lambda received: bool(ours(received)), PATIENCE))
    data = event_in(webhook)["data"]
    assert (webhook.verified, data["status"]) == (True, "completed")
    task = bridge.provider.find(name, data["task_id"])
    assert task is not None
    [asset] = data["assets"]
    assert (asset["stored"], asset["sha256"]) == (True, task.media().sha256)


def test_each_of_several_films_is_stored(bridge: Bridge) -> None:
    """Kling may make two films of one task, and each link expires."""
    task = bridge.task("kling", ends="completed-two-videos")
    bridge.submit(task)
    assert stored(bridge, task) == {role: task.media(role).sha256 for role in ("result", "result-2")}


def test_a_second_answer_can_say_that_the_task_has_failed(bridge: Bridge, subscriber: Subscriber) -> None:
    """fal calls a task COMPLETED whose model refused it; the reason stands where the film should be."""
    app = subscriber()
    task = bridge.task("fal", ends="failed-content-policy")
    bridge.submit(task)
    [webhook] = webhooks(app, task)
    data = event_in(webhook)["data"]
    assert (data["status"], data["assets"], data["error"]["category"]) == ("failed", [], "content_policy")


def test_a_second_answer_that_does_not_come_delays_the_event_and_nothing_else(bridge: Bridge) -> None:
    """The render was paid for, and only the link to it is late."""
    task = bridge.task("fal", faults=["429", "drop", {"kind": "second-unavailable", "times": 2}])
    bridge.submit(task)
    assert stored(bridge, task) == {"result": task.media().sha256}
    assert [answer for _, answer in task.polls] == ["429", "drop", *["completed"] * 3]
    assert [answer for _, answer in task.second] == [*["second-unavailable"] * 2, "completed"]


@pytest.mark.parametrize("name", TWO_STEPS)
def test_a_film_whose_link_is_dead_is_stored_by_a_fresh_one_of_the_second_answer(bridge: Bridge, name: str) -> None:
    """Both requests are made again for it."""
    task = bridge.task(name, link_seconds=-10)
    bridge.submit(task)
    eventually(lambda: bridge.watch(task).store_failures)
    task.link_seconds = 3_600
    assert stored(bridge, task) == {"result": task.media().sha256}
    assert len(task.second) == len(task.polls) >= 2


@pytest.mark.parametrize("name", ["fal", "replicate"])
def test_a_task_is_cancelled_at_its_provider(bridge: Bridge, subscriber: Subscriber, name: str) -> None:
    """fal is asked with PUT and another answer, Replicate with POST; both then say that it was cancelled."""
    app = subscriber()
    task = bridge.task(name, seconds=10_000)
    bridge.submit(task, expected_seconds=10)
    answer = bridge.api("POST", f"/v1/tasks/{id_of(task)}/cancel")
    assert answer.status_code == 202, answer.text
    [webhook] = webhooks(app, task)
    data = event_in(webhook)["data"]
    assert (data["status"], data["error"]["category"]) == ("failed", "cancelled")
    assert task.ends == "cancelled"
    for execution in (bridge.execution_arn(task), f"{bridge.execution_arn(task)}-cancel-0-1"):
        bridge.ended(execution)  # both publish, and a subscriber of a later test must not be told
