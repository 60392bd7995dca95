"""A canary for each secret: it is used in a whole run with failures, and then searched for wherever people may read."""

import base64
import json
from collections.abc import Callable, Iterator
from html import escape
from urllib.parse import quote
from uuid import uuid4

import pytest
from click.testing import Result

from tests.e2e.bridge import Bridge, eventually, id_of, webhooks
from vidhook import subscribers
from vidhook.task import Attempt
from vidhook_sandbox.loopback import Handler, Loopback
from vidhook_sandbox.provider import KEYS
from vidhook_sandbox.subscriber import SampleSubscriber


class Parrot(Handler):
    """A provider that repeats our key in all its answers, as some do in their errors, in every spelling."""

    seen: set[str] = set()  # noqa: RUF012 - one for all connections

    def do_GET(self) -> None:  # noqa: N802 - the base class's name
        authorization = self.headers.get("Authorization", "")
        self.seen.add(authorization)
        key = authorization.partition(" ")[2]
        spelled = [authorization, quote(key, safe=""), escape(key).replace("/", "&#x2F;"), key.replace("/", r"\u002f")]
        message = f"no such user: {' or '.join([*spelled, base64.b64encode(authorization.encode()).decode()])}"
        if not authorization:  # the function has an older copy of the keys: now it reads them again
            self.answer(401)
        elif "fails" in self.path:
            answer = {"id": authorization, "status": "failed", "error": {"code": authorization, "message": message}}
            content = json.dumps(answer).replace("/", r"\/").encode()
            self.answer(200, content, {"Content-Type": "application/json"})
        else:
            self.answer(503, f"<html>{message}</html>".encode(), {"Content-Type": "text/html"})


PARROT = """
name = "parrot"
base_url = "{base_url}"
path = "/tasks/{{task_id}}"
[answer]
status = "status"
error = "error"
upstream_id = "id"
[assets]
result = "url"
"""


def histories(bridge: Bridge) -> Iterator[str]:
    """The input, the output and the history of every execution of the stack's state machines."""
    for machine in (bridge.cloud.outputs["watch_arn"], bridge.redeliver_arn):
        for pages in bridge.states.get_paginator("list_executions").paginate(stateMachineArn=machine):
            for execution in pages["executions"]:
                arn = execution["executionArn"]
                yield str(bridge.states.describe_execution(executionArn=arn))
                for page in bridge.states.get_paginator("get_execution_history").paginate(executionArn=arn):
                    yield str(page["events"])


def logs(bridge: Bridge) -> Iterator[str]:
    """The logs of the functions and of the emulator."""
    client = bridge.cloud.client("logs")
    for groups in client.get_paginator("describe_log_groups").paginate():
        for group in groups["logGroups"]:
            for page in client.get_paginator("filter_log_events").paginate(logGroupName=group["logGroupName"]):
                yield from (event["message"] for event in page["events"])
    yield bridge.cloud.log.read_text(errors="replace")


def objects(bridge: Bridge) -> Iterator[str]:
    """The keys and the metadata of all stored files."""
    s3, bucket = bridge.cloud.client("s3"), bridge.cloud.outputs["bucket"]
    for page in s3.get_paginator("list_objects_v2").paginate(Bucket=bucket):
        for entry in page.get("Contents", []):
            yield entry["Key"] + str(s3.head_object(Bucket=bucket, Key=entry["Key"]))


def reasons(bridge: Bridge) -> Iterator[str]:
    """The reasons of refused submissions. The messages are left as they came, since they may be sent again."""
    sqs, url = bridge.cloud.client("sqs"), bridge.cloud.outputs["refused_submissions_queue"]
    for _ in range(100):
        answer = sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10, MessageAttributeNames=["All"])
        if "Messages" not in answer:
            return
        yield from (str(message.get("MessageAttributes")) for message in answer["Messages"])


def ledger(bridge: Bridge) -> Iterator[str]:
    """Every item of the table but the two kinds that must hold a secret: task tokens and callback URLs."""
    for page in bridge.cloud.client("dynamodb").get_paginator("scan").paginate(TableName=bridge.cloud.outputs["table"]):
        for item in page["Items"]:
            if not item["sk"]["S"].startswith(("token#", "cb_")):
                # The submission has the callback_url too: its subscriber is made from it.
                yield str({name: value for name, value in item.items() if name != "submission"})


def attempts_at_callback(bridge: Bridge, watch_id: str) -> list[Attempt]:
    """The attempts at the callback_url of a task."""
    log = bridge.cloud.edges.ledger.deliveries.attempts(watch_id)
    return [attempt for (_, who), attempts in log.items() if who.startswith("cb_") for attempt in attempts]


def test_no_secret_is_found_where_people_may_read(
    bridge: Bridge, subscriber: Callable[..., SampleSubscriber], cli: Callable[..., Result]
) -> None:
    """Many people may read execution histories, logs, events, the bucket, the ledger and the command's output."""
    cloud, run = bridge.cloud, uuid4().hex
    token, query, core = f"canary-token-{run}", f"canary-query-{run}", uuid4().hex
    header = f"canary-header-{run}"
    key = f"canary/key+{core}=="
    signing = "whsec_" + base64.b64encode(f"canary-sign-{run}".encode()).decode()
    bits = [base64.b64encode(bytes(before) + core.encode()).decode()[4:-4] for before in range(3)]
    canaries = [
        core,
        *bits,
        token,
        query,
        header,
        signing.removeprefix("whsec_"),
        cloud.edges.secrets.default().removeprefix("whsec_"),
    ]

    keys = json.dumps({**KEYS, "parrot": key})
    cloud.client("secretsmanager").put_secret_value(SecretId=cloud.outputs["provider_secret"], SecretString=keys)
    app, down = SampleSubscriber(signing, cloud.edges.secrets.default(), answers=[500]), subscriber()
    down.stop()
    added, _ = subscribers.add(
        subscribers.Terms(app.url, headers={"X-Gateway": header}),
        secret=signing,
        ledger=cloud.edges.ledger,
        secrets=cloud.edges.secrets,
        http=cloud.edges.http,
        clock=cloud.edges.clock,
    )
    parrot = Loopback(Parrot)
    try:
        cloud.edges.ledger.providers.put("parrot", PARROT.format(base_url=parrot.url))
        good = bridge.task()
        terms = {"expected_seconds": 1, "task_token": token, "callback_url": f"{app.url}?key={query}"}
        bridge.submit(good, **terms)
        webhooks(app, good, 3)  # to the subscriber and to the callback_url; the first one fails and is sent again
        lost = {**terms, "callback_url": f"{down.url}?key={query}"}
        fails = cloud.submit(provider="parrot", task_id=f"fails-{run}", **lost)["id"]
        times_out = cloud.submit(provider="parrot", task_id=f"silent-{run}", deadline_seconds=4, **lost)["id"]
        assert token in cloud.edges.ledger.tasks.tokens(times_out)
        refused = [
            {**terms, "task_token": token * 100},
            {**terms, "callback_url": f"http://10.0.0.1/?key={query}"},
            {**terms, "callback_url": [query]},
            {**terms, "callback_url": f"ftp://127.0.0.1/{query}?key={query}"},
        ]
        refusals = []
        for terms in refused:
            with pytest.raises(RuntimeError) as refusal:
                cloud.submit(provider="alad", task_id=run, **terms)
            refusals.append(str(refusal.value))
            body = json.dumps({"provider": "alad", "task_id": run, **terms})
            cloud.client("sqs").send_message(QueueUrl=cloud.outputs["submissions_queue"], MessageBody=body)
        eventually(
            lambda: all(cloud.edges.ledger.tasks.watch(each).event_id for each in (id_of(good), fails, times_out))
        )
        [attempt, *_] = eventually(lambda: attempts_at_callback(bridge, fails))
    finally:
        parrot.stop()
        app.stop()
    subscribers.remove(added.id, ledger=cloud.edges.ledger)

    assert f"Bearer {key}" in Parrot.seen  # each secret was in use
    assert all(received.verified for received in app.received)
    assert attempt.kind == "connect"
    shown = [
        cli(*command, *more).output
        for command in [("tasks",), ("task", fails), ("deliveries", fails), ("deliveries", id_of(good)), ("status",)]
        for more in ([], ["--json"])
    ]
    places = {
        "histories": list(histories(bridge)),
        "logs": list(logs(bridge)),
        "bus": [json.dumps(each) for each in bridge.bus_events()],
        "webhooks": [received.body.decode() for received in app.received],
        "objects": list(objects(bridge)),
        "reasons": list(reasons(bridge)),
        "ledger": list(ledger(bridge)),
        "command": shown,
        "refusals": refusals,
    }
    found = {(canary, place) for place, texts in places.items() for canary in canaries if canary in "".join(texts)}
    assert found == set()
    for place in ("histories", "logs", "bus", "webhooks", "objects", "ledger", "command"):
        assert id_of(good) in "".join(places[place]), f"nothing of this run is in the {place}: the search does not work"
    assert len(places["reasons"]) >= len(refused)
