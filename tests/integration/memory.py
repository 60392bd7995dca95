"""DynamoDB, Secrets Manager and KMS in a few lines, as far as the edges use them: a thousand times faster.

What AWS itself accepts is tested with moto and in the sandbox; here the order of writes is what matters.
"""

import json
import re
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from copy import deepcopy
from itertools import count
from typing import Any, TypeVar

import botocore.session
from botocore.exceptions import ClientError

Done = TypeVar("Done")
Item = dict[str, dict[str, Any]]
Around = Callable[[Callable[[], Any]], Any]

INDEXES = {None: ("pk", "sk"), "listed": ("list", "listed_at"), "due": ("due", "due_at")}


def exceptions_of(service: str) -> Any:
    """The exception classes of a client of AWS."""
    session = botocore.session.get_session()
    return session.create_client(service, region_name="us-east-1").exceptions


def raised(kind: type[ClientError], **more: Any) -> ClientError:
    answer: Any = {"Error": {"Code": kind.__name__, "Message": ""}, **more}
    return kind(answer, "")


class Memory:
    """A client whose requests are counted, and whose writes all go through `around`."""

    writes: tuple[str, ...] = ()
    reads: tuple[str, ...] = ()

    def __init__(self, exceptions: Any, around: Around, counted: Callable[[], None]) -> None:
        self.exceptions = exceptions
        self._around = around
        self._counted = counted

    def __getattribute__(self, name: str) -> Any:
        call = super().__getattribute__(name)
        if name in type(self).writes + type(self).reads:
            self._counted()
        if name in type(self).writes:
            return lambda **given: self._around(lambda: call(**given))
        return call


class Table(Memory):
    """DynamoDB with one table. Its indexes are never late."""

    writes = ("put_item", "update_item", "delete_item", "transact_write_items")
    reads = ("get_item", "batch_get_item", "query", "scan")

    def __init__(self, exceptions: Any, around: Around, counted: Callable[[], None]) -> None:
        super().__init__(exceptions, around, counted)
        self.items: dict[tuple[str, str], Item] = {}

    def put_item(self, **given: Any) -> Any:
        self._check(given, key := _key(given["Item"]))
        self.items[key] = deepcopy(given["Item"])
        return {}

    def delete_item(self, **given: Any) -> Any:
        self._check(given, key := _key(given["Key"]))
        item = self.items.pop(key, None)
        return {"Attributes": item} if item and given.get("ReturnValues") == "ALL_OLD" else {}

    def update_item(self, **given: Any) -> Any:
        self._check(given, key := _key(given["Key"]))
        item = self.items.setdefault(key, deepcopy(given["Key"]))
        names, values = given.get("ExpressionAttributeNames", {}), given.get("ExpressionAttributeValues", {})
        for verb, terms in re.findall(r"(SET|REMOVE|ADD) (.*?)(?= REMOVE | ADD |$)", given["UpdateExpression"]):
            for term in re.split(r", (?![^(]*\))", terms):
                words = re.findall(r"[#:\w]+", term)
                name = names.get(words[0], words[0])
                if verb == "REMOVE":
                    item.pop(name, None)
                elif verb == "ADD":
                    before = _plain(item[name]) if name in item else 0.0
                    item[name] = {"N": repr(round(before + _plain(values[words[1]]), 6))}
                elif "if_not_exists" in words:
                    item.setdefault(name, values[words[-1]])
                else:
                    item[name] = values[words[1]]
        return {"Attributes": deepcopy(item)}

    def transact_write_items(self, **given: Any) -> Any:
        writes = [(verb, terms) for write in given["TransactItems"] for verb, terms in write.items()]
        for _, terms in writes:
            try:
                self._check(terms, _key(terms.get("Item") or terms["Key"]))
            except ClientError:
                reasons = [{"Code": "ConditionalCheckFailed"}]
                raise raised(self.exceptions.TransactionCanceledException, CancellationReasons=reasons) from None
        for verb, terms in writes:
            (Table.put_item if verb == "Put" else Table.update_item)(self, **terms)
        return {}

    def get_item(self, **given: Any) -> Any:
        item = self.items.get(_key(given["Key"]))
        return {"Item": deepcopy(item)} if item else {}

    def batch_get_item(self, **given: Any) -> Any:
        ((table, wanted),) = given["RequestItems"].items()
        found = [self.items[key] for key in map(_key, wanted["Keys"]) if key in self.items]
        return {"Responses": {table: deepcopy(found)}}

    def query(self, **given: Any) -> Any:
        partition, sort = INDEXES[given.get("IndexName")]
        names, values = given.get("ExpressionAttributeNames", {}), given["ExpressionAttributeValues"]
        wanted = re.sub(r"(\w+) BETWEEN (:\w+) AND (:\w+)", r"\1 >= \2 AND \1 <= \3", given["KeyConditionExpression"])
        name, value = re.findall(r"[#:\w]+", wanted)[:2]
        assert names.get(name, name) == partition
        inside = (item for item in self.items.values() if item.get(partition) == values[value] and sort in item)
        found = [item for item in inside if _holds(wanted, item, names, values)]
        found.sort(key=lambda item: _plain(item[sort]), reverse=not given.get("ScanIndexForward", True))
        return {"Items": deepcopy(found[: given.get("Limit")])}

    def scan(self, **given: Any) -> Any:
        names, values = given.get("ExpressionAttributeNames", {}), given["ExpressionAttributeValues"]
        start = _key(given["ExclusiveStartKey"]) if "ExclusiveStartKey" in given else ("", "")
        after = [(key, self.items[key]) for key in sorted(self.items) if key > start]
        read = after[: given["Limit"]]
        found = [deepcopy(item) for _, item in read if _holds(given["FilterExpression"], item, names, values)]
        last = {} if len(read) == len(after) else {name: read[-1][1][name] for name in ("pk", "sk")}
        return {"Items": found, **({"LastEvaluatedKey": last} if last else {})}

    def get_paginator(self, _: str) -> "Table":
        return self

    def paginate(self, **given: Any) -> Iterator[Any]:
        """Gives the pages of a query, each as the table is when it is asked for."""
        yield self.query(**given)

    def _check(self, given: Any, key: tuple[str, str]) -> None:
        names, values = given.get("ExpressionAttributeNames", {}), given.get("ExpressionAttributeValues", {})
        condition = given.get("ConditionExpression")
        if condition and not _holds(condition, self.items.get(key, {}), names, values):
            raise raised(self.exceptions.ConditionalCheckFailedException)


class Vault(Memory):
    """Secrets Manager."""

    writes = ("create_secret", "put_secret_value", "delete_secret")
    reads = ("get_secret_value",)

    def __init__(self, exceptions: Any, around: Around, counted: Callable[[], None]) -> None:
        super().__init__(exceptions, around, counted)
        self.secrets: dict[str, dict[str | None, str]] = {}
        self._versions = count()

    def create_secret(self, **given: Any) -> Any:
        self.secrets[given["Name"]] = {}
        return Vault.put_secret_value(self, SecretId=given["Name"], SecretString=given["SecretString"])

    def put_secret_value(self, **given: Any) -> Any:
        version = f"v{next(self._versions)}"
        self._secret(given).update({None: given["SecretString"], version: given["SecretString"]})
        return {"VersionId": version}

    def delete_secret(self, **given: Any) -> Any:
        self._secret(given)
        del self.secrets[given["SecretId"]]
        return {}

    def get_secret_value(self, **given: Any) -> Any:
        return {"SecretString": self._secret(given)[given.get("VersionId")]}

    def _secret(self, given: Any) -> dict[str | None, str]:
        if given["SecretId"] not in self.secrets:
            raise raised(self.exceptions.ResourceNotFoundException)
        return self.secrets[given["SecretId"]]


class Keys(Memory):
    """KMS with one key. What it encrypts can be read by nobody who does not know how."""

    reads = ("encrypt", "decrypt")

    def encrypt(self, **given: Any) -> Any:
        sealed = [given["Plaintext"].hex(), given["EncryptionContext"]]
        return {"CiphertextBlob": json.dumps(sealed).encode()}

    def decrypt(self, **given: Any) -> Any:
        text, context = json.loads(given["CiphertextBlob"])
        if context != given["EncryptionContext"]:
            raise raised(self.exceptions.InvalidCiphertextException)
        return {"Plaintext": bytes.fromhex(text)}


class AtOnce:
    """Stands for ThreadPoolExecutor, and does everything in order and in this thread."""

    def __init__(self, *_: object, **__: object) -> None:
        """Takes the number of threads."""

    def __enter__(self) -> "AtOnce":
        return self

    def __exit__(self, *_: object) -> None:
        """Nothing is left to wait for."""

    def submit(self, work: Callable[..., Done], *given: Any) -> "Future[Done]":
        future: Future[Done] = Future()
        try:
            future.set_result(work(*given))
        except BaseException as error:  # noqa: BLE001 - as a thread does
            future.set_exception(error)
        return future


def _key(item: Item) -> tuple[str, str]:
    return item["pk"]["S"], item["sk"]["S"]


def _plain(value: dict[str, Any]) -> Any:
    return float(value["N"]) if "N" in value else next(iter(value.values()))


def _holds(condition: str, item: Item, names: dict[str, str], values: dict[str, Any]) -> bool:
    """Returns whether a condition holds for an item; an attribute that is missing makes a comparison false."""

    def compared(match: re.Match[str]) -> str:
        name, sign, value = names.get(match[1], match[1]), match[2], _plain(values[match[3]])
        if name not in item:
            return str(sign == "<>")
        known = _plain(item[name])
        results = {"=": known == value, "<>": known != value, "<": known < value, "<=": known <= value}
        return str(results.get(sign, known >= value))

    def found(match: re.Match[str]) -> str:
        return str((names.get(match[2], match[2]) in item) is (match[1] == "exists"))

    def begins(match: re.Match[str]) -> str:
        return str(str(_plain(item[match[1]])).startswith(_plain(values[match[2]])))

    text = re.sub(r"attribute_(exists|not_exists)\(([#\w]+)\)", found, condition)
    text = re.sub(r"begins_with\((\w+), (:\w+)\)", begins, text)
    text = re.sub(r"([#\w]+) (=|<>|<=|<|>=) (:\w+)", compared, text)
    return bool(eval(text.replace(" AND ", " and ").replace(" OR ", " or ")))
