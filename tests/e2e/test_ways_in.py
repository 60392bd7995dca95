"""Every AWS service's way to hand in a task, and how each of them gets its answer."""

import hashlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
import requests
from bridge import PATIENCE, Bridge, eventually, id_of, webhooks

from vidhook_sandbox import ROOT
from vidhook_sandbox.subscriber import SampleSubscriber

SAMPLES = ROOT / "events" / "submit"
QUEUE = "https://sqs.us-east-1.amazonaws.com/123456789012/vidhook-SubmissionsQueue-1x2y3z4example"
FUNCTION = "arn:aws:lambda:us-east-1:123456789012:function:vidhook-SubmitTaskFunction-1x2y3z4example"
WATCH = "arn:aws:states:us-east-1:123456789012:stateMachine:vidhook-watch"


def sample(bridge: Bridge, file: Path) -> str:
    """A sample of events/submit/ with the names of this stack where a reader puts his own."""
    outputs = bridge.cloud.outputs
    account = outputs["watch_arn"].split(":")[4]
    function = f"arn:aws:lambda:us-east-1:{account}:function:{outputs['submit_function']}"
    names = {QUEUE: outputs["submissions_queue"], FUNCTION: function, WATCH: outputs["watch_arn"]}
    text = file.read_text()
    for placeholder, name in names.items():
        text = text.replace(placeholder, name)
    assert "123456789012" not in text
    return text


def refused(bridge: Bridge, body: str) -> str | None:
    """The reason beside a message that was put aside; the message is left where it lies."""
    sqs, url = bridge.cloud.client("sqs"), bridge.cloud.outputs["submissions_dead_letter_queue"]
    answer = sqs.receive_message(
        QueueUrl=url, MaxNumberOfMessages=10, MessageAttributeNames=["All"], VisibilityTimeout=0
    )
    aside = [each for each in answer.get("Messages", []) if each["Body"] == body]  # other tests put theirs there too
    return aside[0]["MessageAttributes"]["reason"]["StringValue"] if aside else None


def test_an_invocation_answers_with_the_watch(bridge: Bridge) -> None:
    """Whoever waits for the answer can look the task up from then on."""
    task = bridge.task()
    answer = bridge.submit(task)
    assert (answer["id"], answer["provider"], answer["task_id"]) == (id_of(task), "alad", task.task_id)
    assert bridge.event(task).type == "video.completed"


def test_an_invocation_that_nobody_waits_for_is_taken_in_too(bridge: Bridge) -> None:
    """S3 notifications and IoT rules invoke asynchronously."""
    task = bridge.task()
    answer = bridge.cloud.client("lambda").invoke(
        FunctionName=bridge.cloud.outputs["submit_function"],
        InvocationType="Event",
        Payload=json.dumps(bridge.submission(task)),
    )
    assert answer["StatusCode"] == 202
    assert bridge.event(task).type == "video.completed"


def test_the_http_api_takes_a_task_in_and_hands_its_video_out(bridge: Bridge) -> None:
    """Signed with the caller's own AWS credentials; only the link to the video asks for none."""
    task = bridge.task()
    answer = bridge.api("POST", "/v1/tasks", bridge.submission(task))
    assert (answer.status_code, answer.json()["id"]) == (202, id_of(task))
    [asset] = bridge.event(task).data["data"]["assets"]
    link = bridge.api("GET", f"/v1/videos/{asset['url'].rpartition('/')[2]}", signed=False)
    assert link.status_code == 302
    video = requests.get(link.headers["location"], timeout=PATIENCE)
    assert hashlib.sha256(video.content).hexdigest() == task.media().sha256


def test_the_http_api_is_closed_to_strangers(bridge: Bridge) -> None:
    """IAM guards every route but the video's, which has a token of its own."""
    task = bridge.task()
    assert bridge.api("POST", "/v1/tasks", bridge.submission(task), signed=False).status_code == 403
    assert bridge.api("GET", "/v1/tasks", signed=False).status_code == 403
    assert bridge.api("GET", "/v1/videos/AAAA", signed=False).status_code == 404


def test_the_event_bus_takes_a_task_in(bridge: Bridge) -> None:
    """The sample entry, sent as it is but for the task."""
    task = bridge.task()
    [entry] = json.loads((SAMPLES / "eventbridge-entry.json").read_text())
    entry |= {"EventBusName": bridge.cloud.outputs["bus"], "Detail": json.dumps(bridge.submission(task))}
    assert bridge.cloud.client("events").put_events(Entries=[entry])["FailedEntryCount"] == 0
    assert bridge.event(task).type == "video.completed"


def test_a_bad_event_lies_aside_with_its_reason(bridge: Bridge) -> None:
    """Nobody waits for the bus's answer, so the reason waits for somebody."""
    body = {"provider": "alad", "task": uuid4().hex}
    entry = {"Source": "test", "DetailType": "vidhook.submit", "Detail": json.dumps(body)}
    bridge.cloud.client("events").put_events(Entries=[{**entry, "EventBusName": bridge.cloud.outputs["bus"]}])
    assert eventually(lambda: refused(bridge, json.dumps(body))).startswith("task_id: is missing")


def test_a_bad_message_lies_aside_with_its_reason_and_its_neighbours_go_on(bridge: Bridge) -> None:
    """One broken producer must not stop the queue, nor vanish."""
    before, after = bridge.task(), bridge.task("vicsee")
    bad = json.dumps({"provider": "vikpeak", "task_id": uuid4().hex})
    junk = f"{uuid4().hex} is not JSON"
    bodies = [json.dumps(bridge.submission(before)), bad, junk, json.dumps(bridge.submission(after))]
    queue = bridge.cloud.outputs["submissions_queue"]
    bridge.cloud.client("sqs").send_message_batch(
        QueueUrl=queue, Entries=[{"Id": str(number), "MessageBody": body} for number, body in enumerate(bodies)]
    )
    assert bridge.event(before).type == bridge.event(after).type == "video.completed"
    assert 'did you mean "vibepeak"?' in eventually(lambda: refused(bridge, bad))
    assert eventually(lambda: refused(bridge, junk))


def test_a_topic_reaches_the_queue(bridge: Bridge) -> None:
    """Amazon SNS wraps what it brings into an envelope of its own."""
    task = bridge.task()
    sns, sqs = bridge.cloud.client("sns"), bridge.cloud.client("sqs")
    queue = bridge.cloud.outputs["submissions_queue"]
    arn = sqs.get_queue_attributes(QueueUrl=queue, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    topic = sns.create_topic(Name="orders")["TopicArn"]
    sns.subscribe(TopicArn=topic, Protocol="sqs", Endpoint=arn)
    sns.publish(TopicArn=topic, Message=json.dumps(bridge.submission(task)), Subject="a video was ordered")
    assert bridge.event(task).type == "video.completed"


def test_a_nested_watch_gives_the_video_to_its_parent(bridge: Bridge) -> None:
    """startExecution.sync:2 with the bare submission: the child's output is the terminal event."""
    task = bridge.task()
    argument = {"provider": task.provider, "task_id": task.task_id, "order": "17"}
    ended = bridge.run("nested", sample(bridge, SAMPLES / "step-functions-nested.asl.json"), argument)
    data = bridge.event(task).data["data"]
    assert (ended["status"], ended["output"]) == ("SUCCEEDED", {"video": data["assets"][0]["url"]})
    assert data["metadata"] == {"order": "17"}


def test_a_nested_watch_of_a_failed_task_fails_its_parent_by_category(bridge: Bridge) -> None:
    """The watch itself succeeds in telling; it is the sample's own Choice that fails."""
    task = bridge.task("alad", ends="failed-content-policy")
    argument = {"provider": task.provider, "task_id": task.task_id, "order": "17"}
    ended = bridge.run("nested-failed", sample(bridge, SAMPLES / "step-functions-nested.asl.json"), argument)
    error = bridge.event(task).data["data"]["error"]
    assert (ended["status"], ended["error"], ended["cause"]) == ("FAILED", "content_policy", error["message"])


def test_a_nested_watch_of_a_bad_submission_fails_with_what_to_mend(bridge: Bridge) -> None:
    """There is no watch yet, so the execution is the only one who can say it."""
    argument = {"provider": "vikpeak", "task_id": "t1", "order": "17"}
    ended = bridge.run("nested-bad", sample(bridge, SAMPLES / "step-functions-nested.asl.json"), argument)
    assert ended["status"] == "FAILED"
    assert "vibepeak" in ended["cause"]


@pytest.mark.parametrize("way", ["queue", "bus", "function"])
@pytest.mark.parametrize("ends", ["completed", "failed-content-policy"])
def test_a_task_token_is_answered_whichever_way_it_came(bridge: Bridge, way: str, ends: str) -> None:
    """`.waitForTaskToken` for any polled video API: the token is answered with the event, or with the category."""
    task = bridge.task("alad", ends=ends)
    argument = {"provider": task.provider, "task_id": task.task_id, "order": "17"}
    definition = sample(bridge, SAMPLES / f"step-functions-callback-{way}.asl.json")
    ended = bridge.run(f"callback-{way}-{ends}", definition, argument)
    data = bridge.event(task).data["data"]
    expected: dict[str, Any] = (
        {"video": data["assets"][0]["url"]} if ends == "completed" else {"message": data["error"]["message"]}
    )
    assert (ended["status"], ended["output"]) == ("SUCCEEDED", expected)
    assert bridge.cloud.ledger.tokens(id_of(task)) == []


def test_a_token_for_a_task_that_is_over_is_answered_at_once(bridge: Bridge) -> None:
    """The video may be done before the execution that waits for it begins to wait."""
    task = bridge.task()
    bridge.submit(task)
    bridge.ended(bridge.execution_arn(task))
    argument = {"provider": task.provider, "task_id": task.task_id, "order": "17"}
    definition = sample(bridge, SAMPLES / "step-functions-callback-function.asl.json")
    ended = bridge.run("callback-late", definition, argument)
    assert ended["output"] == {"video": bridge.event(task).data["data"]["assets"][0]["url"]}


def test_the_same_task_by_every_way_is_told_once(bridge: Bridge, subscriber: Callable[..., SampleSubscriber]) -> None:
    """One validation, one deduplication, whatever the way; even a second execution tells nothing new."""
    app = subscriber()
    task = bridge.task(seconds=2)
    submission = json.dumps(bridge.submission(task))
    bridge.submit(task)
    entry = {"Source": "test", "DetailType": "vidhook.submit", "Detail": submission}
    bridge.cloud.client("events").put_events(Entries=[{**entry, "EventBusName": bridge.cloud.outputs["bus"]}])
    bridge.cloud.client("sqs").send_message(QueueUrl=bridge.cloud.outputs["submissions_queue"], MessageBody=submission)
    argument = {"provider": task.provider, "task_id": task.task_id, "order": "17"}
    parent = bridge.run("one-watch", sample(bridge, SAMPLES / "step-functions-nested.asl.json"), argument)
    assert parent["output"] == {"video": bridge.event(task).data["data"]["assets"][0]["url"]}
    bridge.ended(bridge.execution_arn(task))
    assert {webhook.id for webhook in webhooks(app, task)} == {bridge.event(task).id}
    assert {each["detail"]["id"] for each in bridge.heard_about(task)} == {bridge.event(task).id}
