"""Least privilege: each action is tried in each role of the real template, and only what is needed is allowed."""

import json
import struct
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any
from uuid import uuid4

import boto3
import pytest
import requests
from botocore.config import Config
from botocore.exceptions import ClientError
from samtranslator.yaml_helper import yaml_parse

from tests.e2e.bridge import PATIENCE, Bridge, eventually, id_of, webhooks
from vidhook.edges.ledger.table import GRACE_SECONDS
from vidhook.submission import check
from vidhook.task import SubscriberState
from vidhook_sandbox import ROOT
from vidhook_sandbox.cloud import REGION
from vidhook_sandbox.loopback import Handler, Loopback
from vidhook_sandbox.media import video
from vidhook_sandbox.provider import KEYS
from vidhook_sandbox.subscriber import SampleSubscriber

Client = Callable[[str], Any]
Make = Callable[..., SampleSubscriber]


@pytest.fixture(scope="module")
def names(bridge: Bridge) -> Iterator[dict[str, str]]:
    """The names of what the actions below are tried on: resources of this stack, and of others."""
    cloud = bridge.cloud
    secrets, states, s3 = (cloud.client(name) for name in ("secretsmanager", "stepfunctions", "s3"))
    secrets.create_secret(Name="vidhook/subscriber/sub_probe", SecretString="{}")
    secrets.create_secret(Name="payroll", SecretString="{}")
    s3.put_object(Bucket=cloud.outputs["bucket"], Key="probe.mp4", Body=b"0")
    definition = json.dumps({"StartAt": "End", "States": {"End": {"Type": "Pass", "End": True}}})
    role = cloud.client("iam").create_role(RoleName="payroll", AssumeRolePolicyDocument='{"Statement": []}')
    machine = states.create_state_machine(name="payroll", definition=definition, roleArn=role["Role"]["Arn"])
    queue = cloud.client("sqs").create_queue(QueueName="payroll")["QueueUrl"]
    kms, sealed = cloud.client("kms"), {}
    for context in ("subscriber", "aws:s3:arn"):
        made = kms.encrypt(KeyId=cloud.outputs["key"], Plaintext=b"0", EncryptionContext={context: "sub_1"})
        sealed[f"sealed for {context}"] = made["CiphertextBlob"].decode("latin-1")
    yield {**cloud.outputs, **sealed, "other_machine": machine["stateMachineArn"], "other_queue": queue}
    states.delete_state_machine(stateMachineArn=machine["stateMachineArn"])


def actions(names: dict[str, str], client: Client) -> dict[str, Callable[[], Any]]:
    """Actions that a function might try. None of them does harm where it is allowed."""
    table, bucket, nothing = names["table"], names["bucket"], {"S": f"probe-{uuid4().hex}"}
    key = {"pk": nothing, "sk": nothing}
    never: dict[str, Any] = {"TableName": table, "ConditionExpression": "attribute_exists(pk)"}
    db, secrets, states, s3, sqs, kms = (
        client(name) for name in ("dynamodb", "secretsmanager", "stepfunctions", "s3", "sqs", "kms")
    )

    def sealed(context: str) -> dict[str, Any]:
        blob = names[f"sealed for {context}"].encode("latin-1")
        return {"CiphertextBlob": blob, "EncryptionContext": {context: "sub_1"}}

    pk = {"KeyConditionExpression": "pk = :pk", "ExpressionAttributeValues": {":pk": nothing}}
    due = {"KeyConditionExpression": "due = :due", "ExpressionAttributeValues": {":due": nothing}}
    listed = {
        "KeyConditionExpression": "#l = :list",
        "ExpressionAttributeValues": {":list": nothing},
        "ExpressionAttributeNames": {"#l": "list"},
    }
    return {
        "read the ledger": lambda: db.get_item(TableName=table, Key=key),
        "read all items of a task": lambda: db.query(TableName=table, **pk),
        "list by time": lambda: db.query(TableName=table, IndexName="listed", **listed),
        "find overdue items": lambda: db.query(TableName=table, IndexName="due", **due),
        "scan the ledger": lambda: db.scan(TableName=table, Limit=1),
        "write into the ledger": lambda: db.put_item(Item=key, **never),
        "change the ledger": lambda: db.update_item(Key=key, **never),
        "delete from the ledger": lambda: db.delete_item(Key=key, **never),
        "export the ledger": lambda: db.describe_continuous_backups(TableName=table),
        "read the providers' keys": lambda: secrets.get_secret_value(SecretId=names["provider_secret"]),
        "read the stack's secret": lambda: secrets.get_secret_value(SecretId=names["default_secret"]),
        "read a subscriber's secret": lambda: secrets.get_secret_value(SecretId="vidhook/subscriber/sub_probe"),
        "read another's secret": lambda: secrets.get_secret_value(SecretId="payroll"),
        "write a subscriber's secret": lambda: secrets.put_secret_value(
            SecretId="vidhook/subscriber/sub_probe", SecretString="{}"
        ),
        "write the providers' keys": lambda: secrets.put_secret_value(
            SecretId=names["provider_secret"], SecretString=json.dumps(KEYS)
        ),
        "delete a subscriber's secret": lambda: secrets.delete_secret(
            SecretId="vidhook/subscriber/sub_probe", RecoveryWindowInDays=7, ForceDeleteWithoutRecovery=True
        ),
        "seal credentials": lambda: kms.encrypt(
            KeyId=names["key"], Plaintext=b"0", EncryptionContext={"subscriber": "sub_1"}
        ),
        "open credentials": lambda: kms.decrypt(**sealed("subscriber")),
        "open other data": lambda: kms.decrypt(**sealed("aws:s3:arn")),
        "list secrets": lambda: secrets.list_secrets(),
        "read a video": lambda: s3.get_object(Bucket=bucket, Key="probe.mp4"),
        "look for a video": lambda: s3.list_objects_v2(Bucket=bucket, MaxKeys=1),
        "store a video": lambda: s3.put_object(Bucket=bucket, Key="probe.mp4", Body=b"0"),
        "list a video's parts": lambda: s3.list_parts(Bucket=bucket, Key="probe.mp4", UploadId="none"),
        "look for versions of videos": lambda: s3.list_object_versions(Bucket=bucket, Prefix="none"),
        "look for unfinished videos": lambda: s3.list_multipart_uploads(Bucket=bucket, Prefix="none"),
        "delete a version of a video": lambda: s3.delete_object(Bucket=bucket, Key="none.mp4", VersionId="none"),
        "delete a video": lambda: s3.delete_object(Bucket=bucket, Key="probe.mp4"),
        "open the bucket": lambda: s3.delete_public_access_block(Bucket=bucket),
        "start a watch": lambda: states.start_execution(stateMachineArn=names["watch_arn"], name="no name"),
        "start a redelivery": lambda: states.start_execution(stateMachineArn=names["redeliver_arn"], name="no name"),
        "start another machine": lambda: states.start_execution(
            stateMachineArn=names["other_machine"], name=uuid4().hex
        ),
        "look at a watch": lambda: states.describe_execution(
            executionArn=names["watch_arn"].replace(":stateMachine:", ":execution:") + ":none"
        ),
        "stop a watch": lambda: states.stop_execution(
            executionArn=names["watch_arn"].replace(":stateMachine:", ":execution:") + ":none"
        ),
        "answer a token": lambda: states.send_task_success(taskToken="none", output="{}"),
        "fail a token": lambda: states.send_task_failure(taskToken="none", error="none", cause="none"),
        "put an event on our bus": lambda: client("events").put_events(
            Entries=[{"EventBusName": names["bus"], "Source": "probe", "DetailType": "probe", "Detail": "{}"}]
        ),
        "put an event on the default bus": lambda: client("events").put_events(
            Entries=[{"Source": "probe", "DetailType": "probe", "Detail": "{}"}]
        ),
        "take from the queue": lambda: sqs.receive_message(QueueUrl=names["submissions_queue"], VisibilityTimeout=0),
        "send to the queue": lambda: sqs.send_message(QueueUrl=names["submissions_queue"], MessageBody="probe"),
        "put a refused submission aside": lambda: sqs.send_message(
            QueueUrl=names["refused_submissions_queue"], MessageBody="probe"
        ),
        "send to the dead-letter queue": lambda: sqs.send_message(
            QueueUrl=names["submissions_dead_letter_queue"], MessageBody="probe"
        ),
        "send to another queue": lambda: sqs.send_message(QueueUrl=names["other_queue"], MessageBody="probe"),
        "invoke a function": lambda: client("lambda").invoke(FunctionName=names["submit_function"]),
        "have a task erased": lambda: client("lambda").invoke(
            FunctionName=names["sweep_function"], Payload='{"erase": "none"}'
        ),
        "rewrite a function": lambda: client("lambda").update_function_configuration(
            FunctionName=names["submit_function"], Description="probe"
        ),
        "make a user": lambda: client("iam").create_user(UserName="probe"),
    }


MAY = {
    "SubmitTaskFunction": {
        "read the ledger",
        "read all items of a task",
        "write into the ledger",
        "change the ledger",
        "delete from the ledger",
        "start a watch",
        "start a redelivery",
        "answer a token",
        "fail a token",
        "take from the queue",
        "send to the queue",
        "put a refused submission aside",
    },
    "CreateTaskFunction": {
        "read the ledger",
        "read all items of a task",
        "write into the ledger",
        "change the ledger",
        "read the providers' keys",
    },
    "PollTaskFunction": {
        "read the ledger",
        "read all items of a task",
        "change the ledger",
        "read the providers' keys",
    },
    "PublishEventFunction": {
        "read the ledger",
        "read all items of a task",
        "write into the ledger",
        "change the ledger",
        "delete from the ledger",
        "read the providers' keys",
        "read the stack's secret",
        "read a subscriber's secret",
        "open credentials",
        "read a video",
        "look for a video",
        "store a video",
        "list a video's parts",
        "answer a token",
        "fail a token",
        "put an event on our bus",
    },
    "RedeliverEventFunction": {
        "read the ledger",
        "read all items of a task",
        "write into the ledger",
        "change the ledger",
        "delete from the ledger",
        "read the stack's secret",
        "read a subscriber's secret",
        "open credentials",
        "start a redelivery",
        "put an event on our bus",
    },
    "SweepLedgerFunction": {
        "read the ledger",
        "read all items of a task",
        "list by time",
        "find overdue items",
        "scan the ledger",
        "write into the ledger",
        "change the ledger",
        "delete from the ledger",
        "read a subscriber's secret",
        "delete a subscriber's secret",
        "seal credentials",
        "start a watch",
        "start a redelivery",
        "look at a watch",
        "stop a watch",
        "look for versions of videos",
        "look for unfinished videos",
        "delete a version of a video",
        "fail a token",
        "put an event on our bus",
    },
    "ServeApiFunction": {
        "read the ledger",
        "read all items of a task",
        "list by time",
        "find overdue items",
        "write into the ledger",
        "change the ledger",
        "delete from the ledger",
        "read the providers' keys",
        "read the stack's secret",
        "read a subscriber's secret",
        "seal credentials",
        "open credentials",
        "read a video",
        "look for a video",
        "start a watch",
        "start a redelivery",
        "answer a token",
        "have a task erased",
        "fail a token",
    },
}


def in_the_role_of(bridge: Bridge, logical_id: str) -> Client:
    """Makes clients with the role of a function; the role is changed so that this test may assume it."""
    role = bridge.function(f"{logical_id}Role")
    trusted = {"Effect": "Allow", "Principal": {"AWS": "*"}, "Action": "sts:AssumeRole"}
    lambdas = {"Effect": "Allow", "Principal": {"Service": "lambda.amazonaws.com"}, "Action": "sts:AssumeRole"}
    iam = bridge.cloud.client("iam")
    document = json.dumps({"Version": "2012-10-17", "Statement": [lambdas, trusted]})
    iam.update_assume_role_policy(RoleName=role, PolicyDocument=document)
    arn = iam.get_role(RoleName=role)["Role"]["Arn"]
    session = bridge.cloud.client("sts").assume_role(RoleArn=arn, RoleSessionName="probe")["Credentials"]

    def client(service: str) -> Any:
        return boto3.client(
            service,  # type: ignore[call-overload]
            endpoint_url=bridge.cloud.endpoint,
            region_name=REGION,
            aws_access_key_id=session["AccessKeyId"],
            aws_secret_access_key=session["SecretAccessKey"],
            aws_session_token=session["SessionToken"],
            config=Config(proxies={}, s3={"addressing_style": "path"}, retries={"total_max_attempts": 1}),
        )

    return client


def allowed(action: Callable[[], Any]) -> bool:
    """Whether IAM lets an action through. It may fail for another reason."""
    try:
        action()
    except ClientError as error:
        return "AccessDenied" not in error.response["Error"]["Code"]
    return True


@pytest.mark.parametrize("logical_id", MAY)
def test_a_function_may_do_what_it_needs_and_nothing_else(
    bridge: Bridge, names: dict[str, str], logical_id: str
) -> None:
    """A security hole in one function must not give access to other resources."""
    tried = actions(names, in_the_role_of(bridge, logical_id))
    assert {name for name, action in tried.items() if allowed(action)} == MAY[logical_id]


def test_every_function_of_the_template_is_tried() -> None:
    """A function that is added later needs a list in this file, too."""
    resources = yaml_parse((ROOT / "template.yaml").read_text())["Resources"]
    assert set(MAY) == {name for name, resource in resources.items() if resource["Type"] == "AWS::Serverless::Function"}


# What leaves no call in the trail: Lambda itself receives the messages, and s3:ListBucket is granted because S3 then
# answers 404 instead of 403 for an object that does not exist.
NOT_OURS_TO_CALL = {"sqs:ReceiveMessage", "sqs:DeleteMessage", "sqs:GetQueueAttributes", "s3:ListBucket"}
# The emulator names S3's calls in its trail by method and path only.
NAMES_IN_TRAIL = {
    "s3:AbortMultipartUpload": "DeleteObject",
    "s3:GetObject": "HeadObject",
    "s3:ListMultipartUploadParts": "GetObject",
    "s3:DeleteObjectVersion": "DeleteObject",
    "lambda:InvokeFunction": "Invoke",
    "s3:ListBucketVersions": "ListObjects",
    "s3:ListBucketMultipartUploads": "ListObjects",
}
PROVIDER = """
name = "{name}"
base_url = "{base_url}"
path = "/tasks/{{task_id}}"
polls_per_day = 1000
[answer]
status = "status"
[assets]
result = "url"
[create]
path = "/tasks"
"""


class WithoutLength(Handler):
    """A provider whose video comes without its length, and breaks off the first time."""

    downloads = 0
    # Its pictures come before its index, so that it does not tell its length itself.
    film = b"\0\0\0\x10ftypmp42\0\0\0\0" + struct.pack(">I4s", 3 * 2**20, b"mdat") + bytes(3 * 2**20)

    def do_GET(self) -> None:  # noqa: N802 - the base class's name
        if self.path != "/film.mp4":
            answer = json.dumps({"status": "completed", "url": f"{self.server.url}/film.mp4"})
            self.answer(200, answer.encode(), {"Content-Type": "application/json"})
            return
        type(self).downloads += 1
        self.give()

    def do_POST(self) -> None:  # noqa: N802 - the base class's name
        self.read_body()
        answer = json.dumps({"task_id": uuid4().hex, "status": "failed"})
        self.answer(200, answer.encode(), {"Content-Type": "application/json"})

    def give(self) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "video/mp4")
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        for at in range(0, len(self.film), 2**16):
            chunk = self.film[at : at + 2**16]
            self.wfile.write(b"%x\r\n%s\r\n" % (len(chunk), chunk))
        if self.downloads > 1:
            self.wfile.write(b"0\r\n\r\n")
        else:
            self.hang_up()


class InParts(WithoutLength):
    """A provider whose video is there at the second try, and whose second part at the third."""

    downloads = 0
    film = b"".join(video("in parts", 9 * 2**20).chunks())

    def give(self) -> None:
        # The first try asks once, the second for the whole and then twice for the second part.
        whole, asked = self.film, self.headers["Range"]
        about = {"Content-Type": "video/mp4", "Accept-Ranges": "bytes", "ETag": '"1"'}
        if self.downloads in (1, 3, 4):
            self.answer(503, b"", {})
        elif asked is None:
            self.answer(200, whole, about)
        else:
            start, last = (int(number) for number in asked.removeprefix("bytes=").split("-"))
            about["Content-Range"] = f"bytes {start}-{last}/{len(whole)}"
            self.answer(206, whole[start : last + 1], about)


def use_everything(bridge: Bridge, subscriber: Make) -> None:
    """Makes the stack do everything that it can do, once."""
    cloud, token = bridge.cloud, f"token-{uuid4().hex}"
    gone, first = subscriber(answers=[500, 410]), bridge.task()
    bridge.submit(first)
    webhooks(gone, first, 2)
    asked = cloud.submit(provider="alad", reference=uuid4().hex, create={"prompt": "x", "sample": {"seconds": 0}})
    eventually(lambda: cloud.edges.ledger.tasks.watch(asked["id"]).submission.task_id)
    servers, streamed = {"streams": Loopback(WithoutLength), "parts": Loopback(InParts)}, []
    for name, server in servers.items():
        cloud.edges.ledger.providers.put(name, PROVIDER.format(name=name, base_url=server.url))
        streamed.append(cloud.submit(provider=name, task_id=uuid4().hex, expected_seconds=1)["id"])
    # The secret has no key for this one, so it is read, however lately another test created a task.
    keyless = cloud.submit(provider="streams", reference=uuid4().hex, create={"prompt": "x"})
    eventually(lambda: cloud.edges.ledger.tasks.watch(keyless["id"]).event_id)
    for ends in ("completed", "failed"):
        task = bridge.task("vicsee", ends=ends)
        bridge.submit(task, task_token=token)
        bridge.ended(bridge.execution_arn(task))
        bridge.submit(task, task_token=token)
        assert bridge.api("POST", "/v1/tasks", bridge.submission(task, task_token=token)).ok
    refused = bridge.task("vicsee", ends="key-refused")  # a refused key is read again
    bridge.submit(refused)
    eventually(lambda: bridge.watch(refused).polls)
    bridge.states.stop_execution(executionArn=bridge.execution_arn(refused))
    eventually(lambda: bridge.watch(refused).event_id)
    assert bridge.api("POST", f"/v1/tasks/{id_of(refused)}/retry", {"deadline_seconds": 1}).ok
    gone.secrets.append(cloud.edges.secrets.default())
    for each in (task, first):  # a later callback_url gets the event that was published, and is known the second time
        bridge.submit(each, callback_url=gone.url)
    bad = json.dumps({"provider": "vicsee"})
    cloud.client("sqs").send_message(QueueUrl=cloud.outputs["submissions_queue"], MessageBody=bad)
    app = subscriber()
    late = time.time() - 3 * GRACE_SECONDS
    cloud.edges.ledger.deliveries.open(bridge.event(task), bridge.known(app), late)
    forgotten = check(bridge.submission(bridge.task()), 86_400).submission
    cloud.edges.ledger.tasks.claim(forgotten, forgotten.id, 1, late)
    back = bridge.known(subscriber())
    cloud.edges.ledger.subscribers.put_state(back.id, SubscriberState.PAUSED, None)
    held = bridge.task()
    bridge.submit(held)
    eventually(lambda: bridge.delivery_state(held, back.id) == "held")
    cloud.edges.ledger.subscribers.put_state(back.id, SubscriberState.ACTIVE, None)
    queue = subscriber()  # it asked for a moment, for which two wait; the younger one gives its turn away
    ledger, waits = cloud.edges.ledger, bridge.known(queue)
    ledger.subscribers.note_failure(waits, time.time(), time.time() - 1)
    older, younger = (ledger.deliveries.open(bridge.event(each), waits, time.time()) for each in (first, task))
    ledger.deliveries.change(replace(older, next_at=time.time() + 3_600))
    ledger.deliveries.join_line(bridge.event(first), waits.id, time.time() + 3_600)
    assert bridge.api("POST", f"/v1/tasks/{younger.watch_id}/deliveries/{waits.id}/replay").ok
    webhooks(queue, first)
    table = cloud.client("dynamodb")  # an upgrade of the stack from an earlier version begins
    table.put_item(
        TableName=cloud.outputs["table"], Item={"pk": {"S": "upgrades"}, "sk": {"S": "held"}, "at": {"N": "0"}}
    )
    unmoved = subscriber(providers=("alad",))  # one of an earlier version, and what is left of another one
    for name in ("unmoved", "sub_removed"):
        secret = json.dumps({"secrets": [{"secret": unmoved.secrets[0]}]})
        cloud.client("secretsmanager").create_secret(Name=f"vidhook/subscriber/{name}", SecretString=secret)
    removed = {"pk": "unfinished", "sk": "sub_removed", "secret_name": "vidhook/subscriber/sub_removed"}
    typed = {"at": {"N": "0"}, **{name: {"S": value} for name, value in removed.items()}}
    cloud.client("dynamodb").put_item(TableName=cloud.outputs["table"], Item=typed)
    where = bridge.known(unmoved).id
    cloud.edges.ledger.subscribers.change(where, {"sealed": None, "secret_name": "vidhook/subscriber/unmoved"})
    assert bridge.api("POST", f"/v1/subscribers/{where}/test").ok
    unmoved.answers.append(500)
    earlier = bridge.task()
    bridge.submit(earlier, callback_url=gone.url)
    webhooks(unmoved, earlier, 2)
    bridge.invoke("SweepLedgerFunction", {})
    webhooks(app, task)
    for each in streamed:
        eventually(lambda: cloud.edges.ledger.tasks.watch(each).event_id)  # noqa: B023 - it is called before the next
    for server in servers.values():
        server.stop()
    assert (WithoutLength.downloads, InParts.downloads) == (2, 5)

    erased = bridge.task(seconds=10**6)
    # A long pause: an execution that polls meanwhile ends by itself, and is not stopped.
    bridge.submit(erased, task_token=token, expected_seconds=86_400)
    s3, place = cloud.client("s3"), {"Bucket": cloud.outputs["bucket"], "Key": f"alad/{id_of(erased)}/result.mp4"}
    s3.put_object(**place, Body=b"0")
    s3.create_multipart_upload(**place)
    assert bridge.api("POST", f"/v1/tasks/{id_of(erased)}/poll").status_code == 202
    assert bridge.api("DELETE", f"/v1/tasks/{id_of(erased)}").status_code == 202
    eventually(lambda: not s3.list_object_versions(Bucket=place["Bucket"], Prefix=place["Key"]).get("Versions"))
    assert bridge.api("POST", "/v1/tasks", bridge.submission(bridge.task())).ok
    replay = f"/v1/tasks/{id_of(task)}/deliveries/{bridge.known(app).id}/replay"
    assert bridge.api("POST", replay).ok
    assert bridge.api("GET", "/v1/tasks").ok
    assert bridge.api("POST", "/v1/providers/alad/ask", {"task_id": bridge.task().task_id}).ok
    [asset] = cloud.edges.ledger.tasks.event(streamed[0]).data["data"]["assets"]
    assert bridge.api("GET", f"/v1/videos/{asset['url'].rpartition('/')[2]}", signed=False).status_code == 302
    made = bridge.api("POST", "/v1/subscribers", {"url": app.url}).json()
    assert bridge.api("POST", f"/v1/subscribers/{made['id']}/rotate", {}).ok
    assert bridge.api("POST", f"/v1/subscribers/{made['id']}/test").ok
    assert bridge.api("POST", f"/v1/subscribers/{made['id']}/doctor").json()["complete"]
    assert len(bridge.api("GET", f"/v1/subscribers/{made['id']}/secrets").json()["items"]) == 2
    assert bridge.api("GET", "/v1/activity").ok
    assert bridge.api("DELETE", f"/v1/subscribers/{made['id']}").ok


@pytest.mark.skipif(sys.platform != "linux", reason="looks for processes in /proc")
def test_every_granted_action_is_used(bridge: Bridge, subscriber: Make) -> None:
    """A permission that nothing uses helps only an attacker; CloudTrail shows what is used."""
    resources = yaml_parse((ROOT / "template.yaml").read_text())["Resources"]
    granted = {}
    for logical_id in MAY:
        statements = resources[logical_id]["Properties"]["Policies"][0]["Statement"]
        actions = [each["Action"] for each in statements if each["Effect"] == "Allow"]
        granted[logical_id] = {one for each in actions for one in ([each] if isinstance(each, str) else each)}
    recording = {"cloudtrail._recording_enabled": "true"}
    requests.post(f"{bridge.cloud.endpoint}/_ministack/config", json=recording, timeout=PATIENCE)
    use_everything(bridge, subscriber)
    trail = bridge.cloud.client("cloudtrail")
    keys = {name: next(iter(bridge.workers(name).values()))["AWS_ACCESS_KEY_ID"] for name in MAY}

    def used(logical_id: str, action: str) -> bool:
        call = NAMES_IN_TRAIL.get(action, action.partition(":")[2])
        if (logical_id, call) == ("CreateTaskFunction", "PutItem"):
            call = "TransactWriteItems"  # with the id of a task, and never else
        wanted = {"AccessKeyId": keys[logical_id], "EventName": call}
        attributes = [{"AttributeKey": name, "AttributeValue": value} for name, value in wanted.items()]
        return bool(trail.lookup_events(LookupAttributes=attributes)["Events"])

    left = {(logical_id, action) for logical_id in MAY for action in granted[logical_id] - NOT_OURS_TO_CALL}
    deadline = time.monotonic() + PATIENCE  # redeliveries and the queue are still working
    while (left := {each for each in left if not used(*each)}) and time.monotonic() < deadline:
        time.sleep(0.2)
    assert left == set()
    assert not used("PollTaskFunction", "dynamodb:PutItem")  # the trail knows one function from another
