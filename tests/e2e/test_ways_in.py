"""Every way to submit a task from AWS services, and the answer that each of them gets."""

import hashlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
import requests

from tests.e2e.bridge import PATIENCE, Bridge, eventually, id_of, webhooks
from vidhook.task import watch_id
from vidhook_sandbox import ROOT
from vidhook_sandbox.subscriber import SampleSubscriber

SAMPLES = ROOT / "events" / "submit"
QUEUE = "https://sqs.us-east-1.amazonaws.com/123456789012/vidhook-SubmissionsQueue-1x2y3z4example"
FUNCTION = "arn:aws:lambda:us-east-1:123456789012:function:vidhook-SubmitTaskFunction-1x2y3z4example"
WATCH = "arn:aws:states:us-east-1:123456789012:stateMachine:vidhook-watch"


def sample(bridge: Bridge, file: Path) -> str:
    """A sample of events/submit/ in which the example names are replaced by those of this stack."""
    outputs = bridge.cloud.outputs
    account = outputs["watch_arn"].split(":")[4]
    function = f"arn:aws:lambda:us-east-1:{account}:function:{outputs['submit_function']}"
    names = {QUEUE: outputs["submissions_queue"], FUNCTION: function, WATCH: outputs["watch_arn"]}
    text = file.read_text()
    for placeholder, name in names.items():
        text = text.replace(placeholder, name)
    assert "123456789012" not in text
    return text


def refusal(bridge: Bridge, body: str) -> str | None:
    """The reason of a refused submission, None when it is not in its queue. The message stays there."""
    found = [each for each in put_aside(bridge) if each["Body"] == body]  # other tests' messages are there too
    return reason_of(found[0]) if found else None


def put_aside(bridge: Bridge) -> list[dict[str, Any]]:
    """The messages of the queue of refused submissions that nobody looked at in this second. They stay there."""
    sqs, url = bridge.cloud.client("sqs"), bridge.cloud.outputs["refused_submissions_queue"]
    terms: Any = {"QueueUrl": url, "MaxNumberOfMessages": 10, "MessageAttributeNames": ["All"], "VisibilityTimeout": 1}
    found: list[dict[str, Any]] = []
    while messages := sqs.receive_message(**terms).get("Messages"):
        found += messages
    return found


def dead(bridge: Bridge) -> int:
    """How many messages the dead-letter queue of submissions holds; an alarm rings for each."""
    names: Any = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"]
    url = bridge.cloud.outputs["submissions_dead_letter_queue"]
    answer = bridge.cloud.client("sqs").get_queue_attributes(QueueUrl=url, AttributeNames=names)
    return sum(map(int, answer["Attributes"].values()))


def reason_of(message: dict[str, Any]) -> str:
    return str(message["MessageAttributes"]["reason"]["StringValue"])


def test_an_invocation_answers_with_the_id_of_the_task(bridge: Bridge) -> None:
    """The caller can look up the task from then on."""
    task = bridge.task()
    answer = bridge.submit(task)
    assert (answer["id"], answer["provider"], answer["task_id"]) == (id_of(task), "alad", task.task_id)
    assert bridge.event(task).type == "video.completed"


def test_an_asynchronous_invocation_is_accepted_too(bridge: Bridge) -> None:
    """S3 notifications and IoT rules invoke the function without waiting for its answer."""
    task = bridge.task()
    answer = bridge.cloud.client("lambda").invoke(
        FunctionName=bridge.cloud.outputs["submit_function"],
        InvocationType="Event",
        Payload=json.dumps(bridge.submission(task)),
    )
    assert answer["StatusCode"] == 202
    assert bridge.event(task).type == "video.completed"


def test_the_http_api_accepts_a_task_and_gives_its_video(bridge: Bridge) -> None:
    """Requests are signed with AWS credentials, except for the link to the video."""
    task = bridge.task()
    answer = bridge.api("POST", "/v1/tasks", bridge.submission(task))
    assert (answer.status_code, answer.json()["id"]) == (202, id_of(task))
    [asset] = bridge.event(task).data["data"]["assets"]
    link = bridge.api("GET", f"/v1/videos/{asset['url'].rpartition('/')[2]}", signed=False)
    assert link.status_code == 302
    video = requests.get(link.headers["location"], timeout=PATIENCE)
    assert hashlib.sha256(video.content).hexdigest() == task.media().sha256


def test_the_http_api_refuses_unsigned_requests(bridge: Bridge) -> None:
    """IAM protects every route but that of the video, whose link holds a token."""
    task = bridge.task()
    assert bridge.api("POST", "/v1/tasks", bridge.submission(task), signed=False).status_code == 403
    assert bridge.api("GET", "/v1/tasks", signed=False).status_code == 403
    assert bridge.api("GET", "/v1/videos/AAAA", signed=False).status_code == 404


def test_the_event_bus_accepts_a_task(bridge: Bridge) -> None:
    """The sample entry is sent as it is, with another task in it."""
    task = bridge.task()
    [entry] = json.loads((SAMPLES / "eventbridge-entry.json").read_text())
    entry |= {"EventBusName": bridge.cloud.outputs["bus"], "Detail": json.dumps(bridge.submission(task))}
    assert bridge.cloud.client("events").put_events(Entries=[entry])["FailedEntryCount"] == 0
    assert bridge.event(task).type == "video.completed"


def test_a_bad_event_is_put_aside_with_its_reason(bridge: Bridge) -> None:
    """A sender on the bus gets no answer, so the reason is stored beside the submission."""
    body = {"provider": "alad", "task": uuid4().hex}
    entry = {"Source": "test", "DetailType": "vidhook.submit", "Detail": json.dumps(body)}
    bridge.cloud.client("events").put_events(Entries=[{**entry, "EventBusName": bridge.cloud.outputs["bus"]}])
    assert eventually(lambda: refusal(bridge, json.dumps(body))).startswith("task_id: is missing")


def test_a_bad_asynchronous_invocation_is_put_aside_with_its_reason(bridge: Bridge) -> None:
    """Its caller does not wait. The dead-letter queue, which rings, gets nothing of it."""
    body, before = {"provider": "alad", "task": uuid4().hex}, dead(bridge)
    bridge.cloud.client("lambda").invoke(
        FunctionName=bridge.cloud.outputs["submit_function"], InvocationType="Event", Payload=json.dumps(body)
    )
    found = eventually(lambda: [each for each in put_aside(bridge) if body["task"] in each["Body"]])
    assert [json.loads(each["Body"])["requestPayload"] for each in found] == [body]
    assert reason_of(found[0]).startswith("task_id: is missing")
    assert dead(bridge) == before


def test_a_bad_message_is_put_aside_with_its_reason_and_the_others_are_accepted(bridge: Bridge) -> None:
    """A bad message must not block the queue, and it must not be lost."""
    before, after, dead_before = bridge.task(), bridge.task("vicsee"), dead(bridge)
    bad = json.dumps({"provider": "vikpeak", "task_id": uuid4().hex})
    junk = f"{uuid4().hex} is not JSON"
    bodies = [json.dumps(bridge.submission(before)), bad, junk, json.dumps(bridge.submission(after))]
    queue = bridge.cloud.outputs["submissions_queue"]
    bridge.cloud.client("sqs").send_message_batch(
        QueueUrl=queue, Entries=[{"Id": str(number), "MessageBody": body} for number, body in enumerate(bodies)]
    )
    assert bridge.event(before).type == bridge.event(after).type == "video.completed"
    assert 'did you mean "vibepeak"?' in eventually(lambda: refusal(bridge, bad))
    assert eventually(lambda: refusal(bridge, junk))
    assert dead(bridge) == dead_before


def test_a_message_of_a_topic_is_accepted_from_the_queue(bridge: Bridge) -> None:
    """Amazon SNS puts each message into a JSON document of its own."""
    task = bridge.task()
    sns, sqs = bridge.cloud.client("sns"), bridge.cloud.client("sqs")
    queue = bridge.cloud.outputs["submissions_queue"]
    arn = sqs.get_queue_attributes(QueueUrl=queue, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    topic = sns.create_topic(Name="orders")["TopicArn"]
    sns.subscribe(TopicArn=topic, Protocol="sqs", Endpoint=arn)
    sns.publish(TopicArn=topic, Message=json.dumps(bridge.submission(task)), Subject="a video was ordered")
    assert bridge.event(task).type == "video.completed"


def test_a_nested_watch_returns_the_video_to_its_parent(bridge: Bridge) -> None:
    """With startExecution.sync:2 and a submission as input, the output of the child is the terminal event."""
    task = bridge.task()
    argument = {"provider": task.provider, "task_id": task.task_id, "order": "17"}
    ended = bridge.run("nested", sample(bridge, SAMPLES / "step-functions-nested.asl.json"), argument)
    data = bridge.event(task).data["data"]
    assert (ended["status"], ended["output"]) == ("SUCCEEDED", {"video": data["assets"][0]["url"]})
    assert data["metadata"] == {"order": "17"}


def test_a_nested_watch_of_a_failed_task_fails_its_parent_by_category(bridge: Bridge) -> None:
    """The watch itself succeeds, and a Choice state in the sample makes its parent fail."""
    task = bridge.task("alad", ends="failed-content-policy")
    argument = {"provider": task.provider, "task_id": task.task_id, "order": "17"}
    ended = bridge.run("nested-failed", sample(bridge, SAMPLES / "step-functions-nested.asl.json"), argument)
    error = bridge.event(task).data["data"]["error"]
    assert (ended["status"], ended["error"], ended["cause"]) == ("FAILED", "content_policy", error["message"])


def test_a_nested_watch_of_a_bad_submission_fails_with_a_hint(bridge: Bridge) -> None:
    """There is no watch yet, so only the execution can report the reason."""
    argument = {"provider": "vikpeak", "task_id": "t1", "order": "17"}
    ended = bridge.run("nested-bad", sample(bridge, SAMPLES / "step-functions-nested.asl.json"), argument)
    assert ended["status"] == "FAILED"
    assert "vibepeak" in ended["cause"]


@pytest.mark.parametrize("create", [False, True])
def test_a_nested_watch_of_a_task_that_does_not_exist_fails_with_a_hint(bridge: Bridge, create: bool) -> None:
    """It is asked for once, and not for nine hours; the function that counts failed executions hears why."""
    task = watch_id("alad", uuid4().hex)
    started = bridge.states.start_execution(
        stateMachineArn=bridge.cloud.outputs["watch_arn"],
        input=json.dumps({"watch": task, "create": create}),
    )
    ended = bridge.ended(started["executionArn"])
    assert (ended["status"], ended["error"]) == ("FAILED", "BadSubmission")
    assert f"there is no task {task}" in ended["cause"]
    name, group = started["executionArn"].rpartition(":")[2], "/vidhook/vidhook/publish-event"

    def heard() -> list[str]:
        pages = bridge.cloud.client("logs").get_paginator("filter_log_events").paginate(logGroupName=group)
        return [event["message"] for page in pages for event in page["events"] if name in event["message"]]

    assert '"error":"BadSubmission"' in eventually(heard)[0]


@pytest.mark.parametrize("way", ["queue", "bus", "function"])
@pytest.mark.parametrize("ends", ["completed", "failed-content-policy"])
def test_a_task_token_is_answered_by_every_way_to_submit(bridge: Bridge, way: str, ends: str) -> None:
    """A state with `.waitForTaskToken` gets the event, or fails with the category of the error."""
    task = bridge.task("alad", ends=ends)
    argument = {"provider": task.provider, "task_id": task.task_id, "order": "17"}
    definition = sample(bridge, SAMPLES / f"step-functions-callback-{way}.asl.json")
    ended = bridge.run(f"callback-{way}-{ends}", definition, argument)
    data = bridge.event(task).data["data"]
    expected: dict[str, Any] = (
        {"video": data["assets"][0]["url"]} if ends == "completed" else {"message": data["error"]["message"]}
    )
    assert (ended["status"], ended["output"]) == ("SUCCEEDED", expected)
    assert bridge.cloud.edges.ledger.tasks.tokens(id_of(task)) == []


def test_a_token_for_a_task_that_is_done_is_answered_at_once(bridge: Bridge) -> None:
    """A video may be done before an execution begins to wait for it."""
    task = bridge.task()
    bridge.submit(task, metadata={"order": "17"})
    bridge.ended(bridge.execution_arn(task))
    argument = {"provider": task.provider, "task_id": task.task_id, "order": "17"}
    definition = sample(bridge, SAMPLES / "step-functions-callback-function.asl.json")
    ended = bridge.run("callback-late", definition, argument)
    assert ended["output"] == {"video": bridge.event(task).data["data"]["assets"][0]["url"]}


def test_a_task_that_is_submitted_in_every_way_has_one_event(
    bridge: Bridge, subscriber: Callable[..., SampleSubscriber]
) -> None:
    """Submissions are deduplicated whatever way they come, and a second execution publishes the same event."""
    app = subscriber()
    task = bridge.task(seconds=2)
    submission = json.dumps(bridge.submission(task, metadata={"order": "17"}))
    bridge.submit(task, metadata={"order": "17"})
    entry = {"Source": "test", "DetailType": "vidhook.submit", "Detail": submission}
    bridge.cloud.client("events").put_events(Entries=[{**entry, "EventBusName": bridge.cloud.outputs["bus"]}])
    bridge.cloud.client("sqs").send_message(QueueUrl=bridge.cloud.outputs["submissions_queue"], MessageBody=submission)
    argument = {"provider": task.provider, "task_id": task.task_id, "order": "17"}
    parent = bridge.run("one-watch", sample(bridge, SAMPLES / "step-functions-nested.asl.json"), argument)
    assert parent["output"] == {"video": bridge.event(task).data["data"]["assets"][0]["url"]}
    bridge.ended(bridge.execution_arn(task))
    assert {webhook.id for webhook in webhooks(app, task)} == {bridge.event(task).id}
    assert {each["detail"]["id"] for each in bridge.bus_events_of(task)} == {bridge.event(task).id}
