"""The bench of many subscribers measures what it says: its AWS answers as moto does, and its receivers count."""

import json
import socket
import ssl
from collections.abc import Callable, Iterator
from contextlib import closing
from decimal import Decimal
from functools import partial
from itertools import count
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError

from bench import fanout_cloud, fanout_world
from tests.integration.world import DEFAULT_SECRET, Answer, FakeMachines, Web
from vidhook import subscribers
from vidhook.publish import publish
from vidhook.task import Poll, Snapshot, Source, Status, Submission
from vidhook.times import Clock
from vidhook.wiring import Edges

NOW = 1_777_287_600.25
ITEMS = [{"pk": {"S": "p"}, "sk": {"S": f"a#{n}"}, "n": {"N": str(n)}, "list": {"S": "l"}} for n in range(5)]
KEY = {"Key": {"pk": {"S": "p"}, "sk": {"S": "a#1"}}}
ABSENT = {"Key": {"pk": {"S": "p"}, "sk": {"S": "none"}}}
ONE = {"ExpressionAttributeValues": {":one": {"N": "1"}}}
ONE_AND_TEXT = {"ExpressionAttributeValues": {":one": {"N": "1"}, ":text": {"S": "a#"}}}
CONDITIONS = (
    "attribute_exists(pk)",
    "attribute_not_exists(pk) OR n = :one",
    "attribute_exists(pk) AND (attribute_not_exists(extra) OR n < :one)",
    "NOT n = :one",
    "n <> :one",
    "extra <> :one",
    "extra = :one",
    "n BETWEEN :one AND :one",
    "n >= :one AND n <= :one",
    "n > :one OR n IN (:one)",
)
UPDATES = (
    "SET n = n + :one, born = if_not_exists(born, :one)",
    "SET n = n - :one REMOVE born",
    "ADD n :one, fresh :one SET extra = :one",
    "REMOVE fresh, extra",
)
WRITES: list[tuple[str, dict[str, Any]]] = [
    *(("put_item", {"Item": item, "ConditionExpression": "attribute_not_exists(pk)"}) for item in (*ITEMS, ITEMS[0])),
    *(
        ("put_item", {"Item": ITEMS[1], "ConditionExpression": text, **({} if "one" not in text else ONE)})
        for text in CONDITIONS
    ),
    *(
        (
            "update_item",
            {**key, "UpdateExpression": text, **({} if "one" not in text else ONE), "ReturnValues": returned},
        )
        for text in UPDATES
        for key, returned in ((KEY, "ALL_NEW"), (KEY, "UPDATED_NEW"), (KEY, "ALL_OLD"))
    ),
    (
        "update_item",
        {**ABSENT, "UpdateExpression": "SET n = :one", "ConditionExpression": "attribute_exists(pk)", **ONE},
    ),
    ("update_item", {**ABSENT, "UpdateExpression": "ADD n :one", "ReturnValues": "ALL_NEW", **ONE}),
    (
        "delete_item",
        {
            **KEY,
            "ConditionExpression": "begins_with(sk, :text) AND contains(sk, :text) AND size(sk) > :one",
            **ONE_AND_TEXT,
        },
    ),
    ("delete_item", {**ABSENT, "ReturnValues": "ALL_OLD"}),
    ("delete_item", ABSENT),
]


@pytest.fixture(scope="module")
def cloud() -> Iterator[fanout_cloud.Running]:
    with closing(fanout_cloud.Running()) as running:
        yield running


@pytest.fixture
def both(cloud: fanout_cloud.Running, table: str) -> list[Any]:
    """Clients of DynamoDB: the bench's, which is empty, and moto's."""
    cloud.ask("Clear")
    return [boto3.client("dynamodb", endpoint_url=cloud.url), boto3.client("dynamodb")]


def said(client: Any, operation: str, given: dict[str, Any]) -> Any:
    """What an operation answers that vidhook looks at, or its error."""
    try:
        answer = getattr(client, operation)(**given)
    except ClientError as error:
        reasons = error.response.get("CancellationReasons", [])
        return error.response["Error"]["Code"], [reason["Code"] for reason in reasons]
    found = {name: answer.get(name) for name in ("Attributes", "Item", "Items", "LastEvaluatedKey", "UnprocessedItems")}
    return plain({name: value for name, value in found.items() if value})


def plain(value: Any) -> Any:
    """The same value with numbers, where DynamoDB has their text."""
    if isinstance(value, dict):
        return Decimal(value["N"]) if "N" in value else {name: plain(each) for name, each in value.items()}
    return [plain(each) for each in value] if isinstance(value, list) else value


def test_conditions_and_updates_are_those_of_dynamodb(both: list[Any], table: str) -> None:
    """Each write is refused by both or by none, and shows the same."""
    for operation, given in WRITES:
        ours, theirs = (said(client, operation, {"TableName": table, **given}) for client in both)
        assert ours == theirs, (operation, given)


def test_batches_and_transactions_are_those_of_dynamodb(both: list[Any], table: str) -> None:
    """A transaction writes all or nothing; a batch has no conditions."""
    puts = [{"PutRequest": {"Item": item}} for item in ITEMS]
    new = {"TableName": table, "Item": ABSENT["Key"], "ConditionExpression": "attribute_not_exists(pk)"}
    change = {"TableName": table, **KEY, "UpdateExpression": "ADD n :one", **ONE}
    steps: list[tuple[str, dict[str, Any]]] = [
        ("batch_write_item", {"RequestItems": {table: puts}}),
        ("transact_write_items", {"TransactItems": [{"Update": change}, {"Put": new}]}),
        ("transact_write_items", {"TransactItems": [{"Update": change}, {"Put": new}]}),
        ("get_item", {"TableName": table, **KEY}),
        ("batch_write_item", {"RequestItems": {table: [{"DeleteRequest": KEY}]}}),
        ("batch_write_item", {"RequestItems": {table: puts * 6}}),
        ("get_item", {"TableName": table, **KEY}),
    ]
    for operation, given in steps:
        ours, theirs = (said(client, operation, given) for client in both)
        assert ours == theirs, (operation, given)


@pytest.mark.parametrize(
    ("condition", "more"),
    [
        ("pk = :pk", {}),
        ("pk = :pk AND begins_with(sk, :low)", {":low": {"S": "a#"}}),
        ("pk = :pk AND sk BETWEEN :low AND :high", {":low": {"S": "a#1"}, ":high": {"S": "a#3"}}),
        ("pk = :pk AND sk > :low", {":low": {"S": "a#2"}}),
    ],
)
@pytest.mark.parametrize("forward", [True, False])
def test_queries_are_those_of_dynamodb(
    both: list[Any], table: str, condition: str, more: dict[str, Any], forward: bool
) -> None:
    """Page by page."""
    asked = {
        "TableName": table,
        "KeyConditionExpression": condition,
        "ExpressionAttributeValues": {":pk": {"S": "p"}, **more},
        "ScanIndexForward": forward,
        "Limit": 2,
    }
    pages = []
    for client in both:
        for item in ITEMS:
            client.put_item(TableName=table, Item=item)
        found = client.get_paginator("query").paginate(**asked)
        pages.append([[item["sk"]["S"] for item in page["Items"]] for page in found])
    ours, theirs = ([page for page in each if page] for each in pages)
    assert ours == theirs


def test_statements_are_refused_one_by_one(both: list[Any], table: str) -> None:
    """A batch of PartiQL has a condition for each of its writes."""
    ours = both[0]
    keys = [{"S": "p"}, {"S": "a#1"}]
    insert = {
        "Statement": f"INSERT INTO \"{table}\" VALUE {{'pk': ?, 'sk': ?, 'n': ?}}",
        "Parameters": [*keys, {"N": "1"}],
    }
    update = f'UPDATE "{table}" SET "n" = ? REMOVE other WHERE pk = ? AND sk = ? AND "n" = ?'
    updates = [{"Statement": update, "Parameters": [{"N": "2"}, *keys, {"N": "1"}]}] * 2
    absent = {
        "Statement": f'UPDATE "{table}" SET n = ? WHERE pk = ? AND sk = ?',
        "Parameters": [{"N": "9"}, keys[0], keys[0]],
    }
    answer = ours.batch_execute_statement(Statements=[insert, insert, *updates, absent])
    codes = [each.get("Error", {}).get("Code") for each in answer["Responses"]]
    assert codes == [None, "DuplicateItem", None, "ConditionalCheckFailed", "ConditionalCheckFailed"]
    assert ours.get_item(TableName=table, **KEY)["Item"]["n"] == {"N": "2"}


@pytest.mark.parametrize(
    "unknown", ["a.b = :one", "a[0] = :one", "attribute_type(a, :one)", "n = :one AND", "n = :two"]
)
def test_what_is_not_known_is_refused(both: list[Any], table: str, unknown: str) -> None:
    """A guess would let a bench pass that fails on AWS."""
    both[0].put_item(TableName=table, Item=ITEMS[1])
    given = {"TableName": table, "Item": ITEMS[1], "ConditionExpression": unknown, **ONE}
    assert said(both[0], "put_item", given) == ("ValidationException", [])


def test_a_ciphertext_opens_in_its_own_context_only(cloud: fanout_cloud.Running, aws: None) -> None:
    client = boto3.client("kms", endpoint_url=cloud.url)
    mine, other = {"subscriber": "sub_a"}, {"subscriber": "sub_b"}
    sealed = client.encrypt(KeyId="k", Plaintext=b"whsec", EncryptionContext=mine)["CiphertextBlob"]
    assert client.decrypt(CiphertextBlob=sealed, EncryptionContext=mine)["Plaintext"] == b"whsec"
    with pytest.raises(client.exceptions.InvalidCiphertextException):
        client.decrypt(CiphertextBlob=sealed, EncryptionContext=other)


# Fields of what one publishing leaves that differ between any two.
VOLATILE = {"timings", "headers", "sealed"}  # the headers have the time of the answer


def left_by(
    edges: Edges, web: Web, monkeypatch: pytest.MonkeyPatch, items: Callable[[], list[Any]]
) -> dict[Any, dict[str, Any]]:
    """Publishes one event to five subscribers, and returns what the ledger holds then."""
    numbers = count()
    monkeypatch.setattr("vidhook.subscribers.randomness.token_hex", lambda _: f"{next(numbers)}")
    answers = Answer(200), Answer(204), Answer(500), Answer(410), Answer(503, headers={"retry-after": "60"})
    for number, answer in enumerate(answers):
        subscribers.add(
            subscribers.Terms(web.script(f"/{number}", answer)),
            secret=DEFAULT_SECRET,
            ledger=edges.ledger,
            secrets=edges.secrets,
            http=edges.http,
            clock=edges.clock,
        )
    done = Snapshot(Status.COMPLETED, sources=(Source("result", "video", "https://cdn.example/v.mp4"),))
    watch, _ = edges.ledger.tasks.claim(Submission("acme", "t1"), "x", 10, NOW)
    edges.ledger.tasks.note_poll(watch, Poll(NOW, "completed"), done, settled=True)
    for _ in range(2):
        publish(watch.id, storage=None, machines=FakeMachines(), notifier=edges.notifier)
    return {
        (item["pk"]["S"], item["sk"]["S"]): {name: plain(each) for name, each in item.items() if name not in VOLATILE}
        for item in items()
    }


def test_the_ledger_is_left_as_moto_leaves_it(
    both: list[Any], cloud: fanout_cloud.Running, table: str, web: Web, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Figures of a publishing that goes another way would be worth nothing."""
    settings = {
        "TABLE": table,
        "BUS": "default",
        "KEY": boto3.client("kms").create_key()["KeyMetadata"]["Arn"],
        "DEFAULT_SECRET": "stack/default",
        "ALLOWED_NETWORKS": "127.0.0.0/8",
    }
    clock = Clock(now=lambda: NOW, jitter=lambda: 0.0)
    client: Any = boto3.client
    ours = Edges(settings, client=partial(client, endpoint_url=cloud.url), clock=clock)
    theirs = Edges(settings, client=client, clock=clock)
    left = left_by(ours, web, monkeypatch, lambda: cloud.ask("Items")["Items"])
    assert left == left_by(theirs, web, monkeypatch, lambda: both[1].scan(TableName=table)["Items"])
    assert sum(sk.startswith("attempt#") for _, sk in left) == 5


@pytest.fixture(scope="module")
def world() -> Iterator[fanout_world.World]:
    with fanout_world.running() as running:
        yield running


def answered(world: fanout_world.World, number: int) -> bytes:
    """What a subscriber answers to a webhook within a second, b"" if nothing."""
    body = json.dumps({"type": "video.completed"}).encode()
    head = f"POST /hook HTTP/1.1\r\nHost: {fanout_world.host(number)}:{world.port}\r\nwebhook-id: evt_{number}\r\n"
    trusted = ssl.create_default_context(cafile=world.bundle)
    connected = socket.create_connection(("127.0.0.1", world.port))
    with trusted.wrap_socket(connected, server_hostname=fanout_world.host(number)) as line:
        line.sendall(f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body)
        line.settimeout(1)
        try:
            return line.recv(65_536)
        except TimeoutError:
            return b""


def test_receivers_count_what_comes_and_one_of_ten_can_hang(world: fanout_world.World) -> None:
    """Those that hang have it too."""
    world.turn("free")
    assert answered(world, 10).startswith(b"HTTP/1.1 200")
    world.turn("hanging")
    assert answered(world, 9).startswith(b"HTTP/1.1 200")
    assert answered(world, 10) == b""
    came, _ = world.turn("free")
    assert sorted((each.number, each.event_id) for each in came) == [(9, "evt_9"), (10, "evt_10")]
