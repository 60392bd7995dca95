"""The DynamoDB table: its items in values of Python, their keys, and the pages of its lists."""

import base64
import json
import math
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import fields
from enum import StrEnum
from functools import cache
from time import sleep
from typing import TYPE_CHECKING, Any, TypeVar, get_origin, get_type_hints

from botocore.exceptions import ClientError

from vidhook.edges import CONNECTIONS, aws
from vidhook.errors import BadInput, LostRace, NotFound
from vidhook.event import serialize
from vidhook.task import host_part
from vidhook.times import Clock

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient


DAY = 86_400
# Step Functions does not accept an execution's name again for 90 days.
NAME_DAYS = 90
# A watch is stored for longer than what belongs to it, so that its task cannot be submitted anew beside that.
SPARE_DAYS = 10
# The sweeper starts a watch or delivery again when it should have moved this many seconds ago.
GRACE_SECONDS = 900
# A function lives for 15 minutes at most: what it has read of a subscriber is used within this time, or never.
STALE_SECONDS = 3_600
SHARDS = "abcdefghijklmnopqrstuvwxyz234567"  # the first character of a task's id spreads them evenly
BATCH = 100  # keys that one BatchGetItem takes
PAGE_READS = 1_000  # the most watches, or events and deliveries, that are read for one page
# Two transactions on one item exclude each other for milliseconds, and the SDK does not try again.
TOGETHER_TRIES, TOGETHER_SECONDS = 5, 0.05
ID = "[a-z2-7]{26}"
POSITION = re.compile(rf"([0-9]{{10}}\.[0-9]{{6}}#)?(tsk|evt)_{ID}(#((sub|cb)_{ID})?)?")
FIRST_POSITION, LAST_POSITION = "0", "~"  # they sort before and after every position

Item = dict[str, Any]
Items = dict[tuple[str, str], Item]  # by their keys
Fact = TypeVar("Fact")


class Table:
    """Reads and writes items. Every write that must happen once is conditional."""

    def __init__(
        self,
        name: str,
        *,
        client: "DynamoDBClient | None" = None,
        event_days: int = 30,
        clock: Clock | None = None,
    ) -> None:
        self.name = name
        self.event_days = event_days
        self.client: DynamoDBClient = client or aws.client("dynamodb", max_pool_connections=CONNECTIONS)
        self.clock = clock or Clock()

    def event_ttl(self, now: float) -> int:
        """Returns until when an event of this instant is stored, with its deliveries."""
        return int(now) + self.event_days * DAY

    def watch_ttl(self, ends: float) -> int:
        """Returns until when a watch is stored that ends then.

        That is the one rule for lifetimes: a watch outlives its event, with its deliveries and attempts, and the names
        of its executions. Else its task could be submitted again, and would find what is left of the first time.
        """
        return int(ends) + (max(self.event_days, NAME_DAYS) + SPARE_DAYS) * DAY

    def get(self, pk: str, sk: str, what: str) -> Item:
        """Returns an item as it is now. Raises NotFound, which says that there is no `what`."""
        answer = self.client.get_item(TableName=self.name, Key=packed(key_of(pk, sk)), ConsistentRead=True)
        if "Item" not in answer:
            raise NotFound(f"{what} is not in the ledger")
        return unpacked(answer["Item"])

    def put_new(self, item: Item) -> bool:
        """Puts an item unless there is one. Returns whether it did."""
        try:
            self.client.put_item(TableName=self.name, Item=packed(item), ConditionExpression="attribute_not_exists(pk)")
        except self.client.exceptions.ConditionalCheckFailedException:
            return False
        return True

    def new(self, item: Item) -> dict[str, Any]:
        """Returns a write of a transaction that puts an item unless there is one."""
        condition = "attribute_not_exists(pk)"
        return {"Put": {"TableName": self.name, "Item": packed(item), "ConditionExpression": condition}}

    def together(self, writes: list[Any]) -> bool:
        """Makes all of these writes, or none when one of their conditions does not hold. Returns whether it did."""
        for tries_left in reversed(range(TOGETHER_TRIES)):
            try:
                self.client.transact_write_items(TransactItems=writes)
            except self.client.exceptions.TransactionCanceledException as error:
                reasons = {reason.get("Code") for reason in error.response.get("CancellationReasons", [])}
                if "ConditionalCheckFailed" in reasons:
                    break
                if not tries_left or "TransactionConflict" not in reasons:
                    raise
                sleep(TOGETHER_SECONDS)  # somebody writes the same at this moment, most often a repetition of the same
            else:
                return True
        return False

    def update(
        self,
        key: Item,
        values: Item,
        condition: str = "attribute_exists(pk)",
        seen: Item | None = None,
        *,
        returns_old: bool = False,
    ) -> Item:
        """Changes an item. Returns the old one if that is asked for and there was one, else {}. Raises LostRace."""
        arguments = {**update_arguments(key, values, condition, seen), "TableName": self.name}
        try:
            answer = self.client.update_item(**arguments, ReturnValues="ALL_OLD" if returns_old else "NONE")
        except ClientError as error:
            if error.response.get("Error", {}).get("Code") == "ConditionalCheckFailedException":
                raise LostRace from error
            raise
        return unpacked(answer.get("Attributes", {}))

    def items(
        self,
        pk: str,
        prefix: str = "",
        *,
        span: tuple[str, str] | None = None,
        size: int | None = None,
        newest_first: bool = False,
    ) -> Iterator[Item]:
        """Yields the items of a partition: all, those whose sort key has a prefix, or those in a span of sort keys.

        They are read as they are taken, `size` at a time, in the order of their sort keys or the other way round.
        """
        condition, values = "pk = :pk", {":pk": pk}
        if span:
            condition, values = (
                f"{condition} AND sk BETWEEN :first AND :last",
                {**values, ":first": span[0], ":last": span[1]},
            )
        elif prefix:
            condition, values = f"{condition} AND begins_with(sk, :sk)", {**values, ":sk": prefix}
        pages = self.client.get_paginator("query").paginate(
            TableName=self.name,
            KeyConditionExpression=condition,
            ExpressionAttributeValues=packed(values),
            ConsistentRead=True,
            ScanIndexForward=not newest_first,
            PaginationConfig={"PageSize": size} if size else {},
        )
        for page in pages:
            for item in page["Items"]:
                yield unpacked(item)

    def overdue(self, kind: str, now: float, most: int) -> list[Any]:
        """Returns the keys of what should have moved before now, in DynamoDB's form, the longest overdue first."""
        found: list[Any] = []
        for shard in SHARDS:
            answer = self.client.query(
                TableName=self.name,
                IndexName="due",
                KeyConditionExpression="due = :due AND due_at < :now",
                ExpressionAttributeValues=packed({":due": f"{kind}#{shard}", ":now": now}),
                Limit=most,
            )
            found += answer["Items"]
        return sorted(found, key=lambda item: float(item["due_at"]["N"]))[:most]

    def listed(
        self, name: str, *, since: float = 0.0, newest_first: bool = False, after: str | None = None
    ) -> Iterator[Item]:
        """Yields items by time. With `after`, a position of `newest_first`, only the older ones, which follow it."""
        first, last = sortable(since, ""), after or LAST_POSITION
        if last < first:
            return
        pages = self.client.get_paginator("query").paginate(
            TableName=self.name,
            IndexName="listed",
            KeyConditionExpression="#list = :list AND listed_at BETWEEN :first AND :last",
            ExpressionAttributeNames={"#list": "list"},
            ExpressionAttributeValues=packed({":list": name, ":first": first, ":last": last}),
            ScanIndexForward=not newest_first,
            PaginationConfig={"PageSize": BATCH},
        )
        for page in pages:
            for item in self.read(page["Items"]):
                if item.get("listed_at", after) != after:  # a task that was erased is in no list
                    yield item

    def indexed(self, due: str) -> Iterator[Item]:
        """Yields what is in one partition of the index `due`, by its `due_at`."""
        pages = self.client.get_paginator("query").paginate(
            TableName=self.name,
            IndexName="due",
            KeyConditionExpression="due = :due",
            ExpressionAttributeValues=packed({":due": due}),
            PaginationConfig={"PageSize": BATCH},
        )
        for page in pages:
            yield from self.read(page["Items"])

    def read(self, entries: Sequence[Mapping[str, Any]]) -> Iterator[Item]:
        """Yields the items of at most 100 entries of an index, without those that no longer exist."""
        keys = [{"pk": entry["pk"], "sk": entry["sk"]} for entry in entries]
        found = self.batch(keys)
        for key in keys:
            item = found.get((key["pk"]["S"], key["sk"]["S"]))
            if item is not None:
                yield item

    def batch(self, keys: list[Any]) -> Items:
        """Returns the items under these keys, by key; an item that no longer exists is missing."""
        found: Items = {}
        wanted: Any = {self.name: {"Keys": keys, "ConsistentRead": True}} if keys else {}
        while wanted:
            answer = self.client.batch_get_item(RequestItems=wanted)
            items = [unpacked(item) for item in answer["Responses"].get(self.name, [])]
            found |= {(item["pk"], item["sk"]): item for item in items}
            wanted = answer.get("UnprocessedKeys", {})
        return found


def key_of(pk: str, sk: str) -> Item:
    """Returns the key of an item, as a part of it."""
    return {"pk": pk, "sk": sk}


def due_shard(kind: str, watch_id: str) -> str:
    """Returns the partition of the index `due` in which a task's watch, or its deliveries, are."""
    return f"{kind}#{watch_id.partition('_')[2][:1]}"


def due_from(moves_at: float) -> float:
    """Returns when the sweeper should look at what should have moved by `moves_at`.

    It changes in steps, since each change costs two index writes.
    """
    return math.ceil((moves_at + GRACE_SECONDS) / GRACE_SECONDS) * GRACE_SECONDS


def sortable(instant: float, tie: str) -> str:
    """Returns a text by which items are in the order of their instants, and those of one instant are told apart."""
    return f"{instant:017.6f}#{tie}"


def event_key(event_id: str) -> Item:
    """Returns the key under which the task of a terminal event is found."""
    return key_of(event_id, "watch")


def subscriber_key(subscriber_id: str) -> Item:
    """Returns the key of a subscriber, or of a callback_url."""
    return key_of("callbacks" if subscriber_id.startswith("cb_") else "subscribers", subscriber_id)


def health_key(subscriber_id: str) -> Item:
    """Returns the key under which is noted how a subscriber answers."""
    # A callback_url is often another one for each task, so how it answers is noted of its host.
    if subscriber_id.startswith("cb_"):
        return key_of("answers", host_part(subscriber_id))
    return key_of("roster", subscriber_id)


def holding_since(since: float) -> Item:
    """Returns what puts a subscriber into the index of those that may have held deliveries."""
    return {"due": "holding", "due_at": since}


def page_of(
    name: str,
    steps: Iterable[tuple[str, Fact | None]],
    wanted: Callable[[Fact], bool],
    most: int,
    weigh: Callable[[Fact], int] = lambda _: 1,
) -> tuple[list[Fact], str | None]:
    """Returns the first `most` facts of a list that are wanted, and the cursor of what follows, None when nothing does.

    Each step is a position in the list of this name and the fact there, or None for what was only read on the way. A
    page ends when PAGE_READS is reached; `weigh` says for how many reads a fact counts.
    """
    page: list[Fact] = []
    read, after = 0, ""
    for position, fact in steps:
        if len(page) == most or read >= PAGE_READS:
            return page, _cursor(name, after)
        after = position
        read += 1 if fact is None else weigh(fact)
        if fact is not None and wanted(fact):
            page.append(fact)
    return page, None


def _cursor(name: str, position: str) -> str:
    return base64.urlsafe_b64encode(f"{name}#{position}".encode()).decode().rstrip("=")


def position_in(name: str, cursor: str | None) -> str | None:
    """Returns the position of a cursor in the list of this name, None without a cursor. Raises BadInput."""
    if cursor is None:
        return None
    try:
        text = base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)).decode()
    except ValueError:
        text = ""
    known, _, position = text.partition("#")
    if known != name or not POSITION.fullmatch(position):
        raise BadInput("cursor", "is not one of this list", "take it from `next` of the page before, of the same list")
    return position


def update_arguments(key: Item, values: Item, condition: str, seen: Item | None = None) -> dict[str, Any]:
    """Returns the arguments of UpdateItem: SET for values, REMOVE for None.

    The condition can use the values of `seen` as `:seen_NAME`.
    """
    present = {name: value for name, value in values.items() if value is not None}
    named = {f":{name}": value for name, value in present.items()} | {f":seen_{k}": v for k, v in (seen or {}).items()}
    gone = [name for name, value in values.items() if value is None]
    expression = "SET " + ", ".join(f"#{name} = :{name}" for name in present) if present else ""
    if gone:
        expression += " REMOVE " + ", ".join(f"#{name}" for name in gone)
    return {
        "Key": packed(key),
        "UpdateExpression": expression.strip(),
        **({"ConditionExpression": condition} if condition else {}),
        "ExpressionAttributeNames": {f"#{name}": name for name in values},
        **({"ExpressionAttributeValues": packed(named)} if named else {}),
    }


def packed(values: Mapping[str, Any]) -> dict[str, Any]:
    """Returns values in DynamoDB's form: text, numbers and booleans; None is left out; anything nested is JSON text."""
    item: dict[str, Any] = {}
    for name, value in values.items():
        if isinstance(value, bool):
            item[name] = {"BOOL": value}
        elif isinstance(value, (int, float)):
            item[name] = {"N": repr(value)}
        elif isinstance(value, str):
            item[name] = {"S": value}
        elif value is not None:
            item[name] = {"S": serialize(value)}
    return item


def unpacked(item: Mapping[str, Any]) -> Item:
    """Returns the values of an item that `packed` made; what is nested is still JSON text."""
    return {name: _number(value["N"]) if "N" in value else next(iter(value.values())) for name, value in item.items()}


def _number(text: str) -> int | float:
    return int(text) if text.lstrip("-").isdigit() else float(text)


def values_of(fact: Any) -> Item:
    """Returns a fact's fields for `packed`; `fact_of` reads them back."""
    return {each.name: getattr(fact, each.name) for each in fields(fact)}


def fact_of(kind: "Callable[..., Fact]", item: Item) -> Fact:
    """Returns the fact of this kind that an item has, whatever else is in it."""
    readers = _readers(kind)
    return kind(**{name: readers[name](value) for name, value in item.items() if name in readers})


@cache
def _readers(kind: type[Any]) -> dict[str, Callable[[Any], Any]]:
    """Returns for each field of a fact how its stored value is read, by its annotation."""
    hints = get_type_hints(kind)
    return {entry.name: _reader(hints[entry.name]) for entry in fields(kind)}


def _reader(hint: Any) -> Callable[[Any], Any]:
    origin = get_origin(hint)
    if origin is dict:
        return mapping
    if origin is tuple:
        return _sequence
    if isinstance(hint, type) and issubclass(hint, StrEnum):
        return hint
    return _as_stored


def mapping(text: str) -> dict[str, Any]:
    """Returns the object that is stored as this JSON text."""
    parsed: dict[str, Any] = json.loads(text)
    return parsed


def _sequence(text: str) -> tuple[Any, ...]:
    return tuple(json.loads(text))


def _as_stored(value: Any) -> Any:
    return value
