"""The event bus as the way out: the sample rules, pasted as they are, bring what was told where it is wanted."""

import json
import time
from pathlib import Path

from vidhook_sandbox.cloud import Cloud

ROOT = Path(__file__).parents[2]
WEBHOOK = (ROOT / "events/webhooks/video.completed-alad/body.json").read_text()


def deployed(cloud: Cloud, name: str, **parameters: str) -> dict[str, str]:
    """The physical ids of a sample's resources, once its stack is there."""
    cloudformation = cloud.client("cloudformation")
    stack = f"sample-{name}"
    cloudformation.create_stack(
        StackName=stack,
        TemplateBody=(ROOT / f"events/rules/{name}.template.yaml").read_text(),
        Capabilities=["CAPABILITY_IAM"],
        Parameters=[{"ParameterKey": key, "ParameterValue": value} for key, value in parameters.items()],
    )
    cloudformation.get_waiter("stack_create_complete").wait(StackName=stack, WaiterConfig={"Delay": 1})
    resources = cloudformation.describe_stack_resources(StackName=stack)["StackResources"]
    return {each["LogicalResourceId"]: each["PhysicalResourceId"] for each in resources}


def arrived(cloud: Cloud, queue_url: str) -> str:
    """The first message in a queue."""
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        messages = cloud.client("sqs").receive_message(QueueUrl=queue_url, WaitTimeSeconds=1).get("Messages", [])
        for message in messages:
            return str(message["Body"])
    raise AssertionError("nothing arrived")


def tell(cloud: Cloud, bus: str, detail_type: str) -> None:
    entry = {"EventBusName": bus, "Source": "vidhook", "DetailType": detail_type, "Detail": WEBHOOK}
    assert cloud.client("events").put_events(Entries=[entry])["FailedEntryCount"] == 0


def test_a_queue_gets_the_webhooks_body(cloud: Cloud) -> None:
    """Who reads queues needs no endpoint and no signature; progress is not for it."""
    queue = deployed(cloud, "to-sqs")["Queue"]
    tell(cloud, cloud.outputs["bus"], "video.progress")
    tell(cloud, cloud.outputs["bus"], "video.completed")
    assert json.loads(arrived(cloud, queue)) == json.loads(WEBHOOK)
    assert "Messages" not in cloud.client("sqs").receive_message(QueueUrl=queue)


def test_a_topic_gets_a_sentence(cloud: Cloud) -> None:
    """People subscribe to topics."""
    topic = deployed(cloud, "to-sns")["Topic"]
    sqs = cloud.client("sqs")
    queue = sqs.create_queue(QueueName="reads-the-topic")["QueueUrl"]
    arn = sqs.get_queue_attributes(QueueUrl=queue, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    policy = {"Effect": "Allow", "Principal": "*", "Action": "sqs:SendMessage", "Resource": arn}
    text = json.dumps({"Version": "2012-10-17", "Statement": [policy]})
    sqs.set_queue_attributes(QueueUrl=queue, Attributes={"Policy": text})
    cloud.client("sns").subscribe(
        TopicArn=topic, Protocol="sqs", Endpoint=arn, Attributes={"RawMessageDelivery": "true"}
    )
    tell(cloud, cloud.outputs["bus"], "video.completed")
    # The link is left to AWS: the emulator's input transformer follows no path into a list.
    assert json.loads(WEBHOOK)["data"]["task_id"] in arrived(cloud, queue)


def test_another_bus_gets_all(cloud: Cloud) -> None:
    """Another account's bus is a bus; here it is one of the same account."""
    bus = cloud.client("events").create_event_bus(Name="another-accounts")["EventBusArn"]
    deployed(cloud, "to-another-account", OtherBusArn=bus)
    queue = deployed_on(cloud, "another-accounts")
    tell(cloud, cloud.outputs["bus"], "video.failed")
    assert json.loads(arrived(cloud, queue)) == json.loads(WEBHOOK)


def deployed_on(cloud: Cloud, bus: str) -> str:
    """A queue that hears everything on a bus."""
    sqs, events = cloud.client("sqs"), cloud.client("events")
    queue: str = sqs.create_queue(QueueName=f"hears-{bus}")["QueueUrl"]
    arn = sqs.get_queue_attributes(QueueUrl=queue, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    events.put_rule(Name="all", EventBusName=bus, EventPattern=json.dumps({"source": ["vidhook"]}))
    events.put_targets(Rule="all", EventBusName=bus, Targets=[{"Id": "queue", "Arn": arn, "InputPath": "$.detail"}])
    return queue
