"""The AWS that bench/fanout.py publishes with: DynamoDB, Secrets Manager, KMS and EventBridge, as far as vidhook asks.

It answers botocore's own requests over HTTP on loopback, from a process of its own, each at once and in order. Real:
the protocol, the conditions and updates (any expression of top-level attributes), DynamoDB's limits of a request, a
page and an item, and KMS's encryption context. Not there: TLS, the check of AWS's signatures, latency, throttling,
indexes that are late, reserved words, and encryption: a ciphertext is its plaintext in another form. An expression or
an operation that is not known is refused, never guessed.

The emulators of the sandbox and of the tests take several milliseconds for a write, and would be what is measured.
tests/integration/test_bench_fanout.py holds this one against moto.
"""

import asyncio
import base64
import json
import multiprocessing
import re
import time
import zlib
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from decimal import Decimal
from functools import lru_cache
from itertools import count
from typing import Any
from urllib.request import Request, urlopen

Item = dict[str, dict[str, Any]]
Given = Mapping[str, Any]
# What an expression is read into: it takes an item, and the names and values of the request.
Condition = Callable[[Item, Given, Given], bool]
Operand = Callable[[Item, Given, Given], "dict[str, Any] | None"]

INDEXES = {"": ("pk", "sk"), "listed": ("list", "listed_at"), "due": ("due", "due_at")}
PAGE_BYTES, ITEM_BYTES = 2**20, 400 * 1024
# The most entries of one request.
MOST = {"BatchGetItem": 100, "BatchWriteItem": 25, "TransactWriteItems": 100, "BatchExecuteStatement": 25}
_TOKEN = re.compile(r"\s*([#:]?\w+|<>|<=|>=|[=<>(),+-])")
_HEAD = re.compile(rb"\r\nx-amz-target: [\w.]*?(\w+)\r\n", re.IGNORECASE)
_LENGTH = re.compile(rb"\r\ncontent-length: (\d+)\r\n", re.IGNORECASE)


class Refused(Exception):
    """An error of AWS, by its code, with what else is in the answer."""

    def __init__(self, code: str, message: str = "", **more: Any) -> None:
        super().__init__(message or code)
        self.code, self.more = code, more


# Expressions


class Reader:
    """Reads an expression from left to right."""

    def __init__(self, text: str) -> None:
        self.tokens = _TOKEN.findall(text)
        if "".join(self.tokens) != re.sub(r"\s", "", text):
            raise Refused("ValidationException", f"cannot read {text}")
        self.at = 0

    def peek(self) -> str:
        return self.tokens[self.at] if self.at < len(self.tokens) else ""

    def take(self, *wanted: str) -> str:
        token = self.peek()
        if not token or (wanted and token.upper() not in wanted):
            raise Refused("ValidationException", f"{token or 'the end'} instead of {wanted or 'more'}")
        self.at += 1
        return token

    def got(self, word: str) -> bool:
        if self.peek().upper() != word:
            return False
        self.at += 1
        return True


@lru_cache(maxsize=1_000)
def condition(text: str) -> Condition:
    """Returns a condition, read."""
    reader = Reader(text)
    read = _either(reader)
    if reader.peek():
        raise Refused("ValidationException", f"{reader.peek()} instead of the end")
    return read


def _either(reader: Reader) -> Condition:
    terms = [_both(reader)]
    while reader.got("OR"):
        terms.append(_both(reader))
    return terms[0] if len(terms) == 1 else lambda *given: any(term(*given) for term in terms)


def _both(reader: Reader) -> Condition:
    terms = [_term(reader)]
    while reader.got("AND"):
        terms.append(_term(reader))
    return terms[0] if len(terms) == 1 else lambda *given: all(term(*given) for term in terms)


def _term(reader: Reader) -> Condition:
    if reader.got("NOT"):
        denied = _term(reader)
        return lambda *given: not denied(*given)
    if reader.got("("):
        inner = _either(reader)
        reader.take(")")
        return inner
    if reader.peek() in _FUNCTIONS:
        function = _FUNCTIONS[reader.take()]
        arguments = _arguments(reader)
        return lambda *given: function(*(argument(*given) for argument in arguments))
    return _comparison(reader)


def _arguments(reader: Reader) -> list[Operand]:
    reader.take("(")
    found = [_operand(reader)]
    while reader.got(","):
        found.append(_operand(reader))
    reader.take(")")
    return found


def _comparison(reader: Reader) -> Condition:
    left = _operand(reader)
    if reader.got("BETWEEN"):
        low = _operand(reader)
        reader.take("AND")
        high = _operand(reader)
        return lambda *given: _compared(left(*given), ">=", low(*given)) and _compared(left(*given), "<=", high(*given))
    if reader.got("IN"):
        among = _arguments(reader)
        return lambda *given: any(_compared(left(*given), "=", each(*given)) for each in among)
    sign = reader.take("=", "<>", "<", "<=", ">", ">=")
    right = _operand(reader)
    return lambda *given: _compared(left(*given), sign, right(*given))


def _operand(reader: Reader) -> Operand:
    token = reader.take()
    if token == "size":
        [measured] = _arguments(reader)
        return lambda *given: _size_of(measured(*given))
    if token == "if_not_exists":
        first, other = _arguments(reader)
        return lambda *given: first(*given) or other(*given)
    if token[0] == ":":
        return lambda _, names, values: _found(values, token)
    if token[0] == "#":
        return lambda item, names, _: item.get(_found(names, token))
    return lambda item, *_: item.get(token)


def _found(given: Given, token: str) -> Any:
    if token not in given:
        raise Refused("ValidationException", f"{token} is not defined")
    return given[token]


def _size_of(value: "dict[str, Any] | None") -> "dict[str, Any] | None":
    return value and {"N": str(len(next(iter(value.values()))))}


def _compared(left: "dict[str, Any] | None", sign: str, right: "dict[str, Any] | None") -> bool:
    """Returns what a comparison says; with an attribute that is missing, or of another type, only <> holds."""
    if left is None or right is None or left.keys() != right.keys():
        return sign == "<>"
    one, other = _plain(left), _plain(right)
    if sign in ("=", "<>"):
        return (one == other) is (sign == "=")
    return bool({"<": one < other, "<=": one <= other, ">": one > other, ">=": one >= other}[sign])


def _plain(value: dict[str, Any]) -> Any:
    [(kind, plain)] = value.items()
    return Decimal(plain) if kind == "N" else plain


def _begins(value: "dict[str, Any] | None", start: "dict[str, Any] | None") -> bool:
    return bool(value and start and "S" in value and value["S"].startswith(start["S"]))


def _contains(value: "dict[str, Any] | None", part: "dict[str, Any] | None") -> bool:
    return bool(value and part and "S" in value and part["S"] in value["S"])


_FUNCTIONS: dict[str, Callable[..., bool]] = {
    "attribute_exists": lambda value: value is not None,
    "attribute_not_exists": lambda value: value is None,
    "begins_with": _begins,
    "contains": _contains,
}


@lru_cache(maxsize=1_000)
def changes(text: str) -> "tuple[tuple[str, str, Operand | None], ...]":
    """Returns what an update expression does: verb, attribute and its new value; for ADD what is added."""
    reader, verb = Reader(text), ""
    found: list[tuple[str, str, Operand | None]] = []
    while reader.peek():
        if reader.peek().upper() in ("SET", "REMOVE", "ADD"):
            verb = reader.take().upper()
        name = reader.take()
        if verb == "SET":
            reader.take("=")
            found.append((verb, name, _sum(reader)))
        else:
            found.append((verb, name, _operand(reader) if verb == "ADD" else None))
        reader.got(",")
    return tuple(found)


def _sum(reader: Reader) -> Operand:
    first = _operand(reader)
    if reader.peek() not in ("+", "-"):
        return first
    factor, second = (1 if reader.take() == "+" else -1), _operand(reader)
    return lambda *given: _number(_needed(first(*given)) + factor * _needed(second(*given)))


def _needed(value: "dict[str, Any] | None") -> Decimal:
    if not value or "N" not in value:
        raise Refused("ValidationException", "a sum needs two numbers")
    return Decimal(value["N"])


def _number(value: Decimal) -> dict[str, Any]:
    return {"N": format(value.normalize(), "f")}


def updated(item: Item, given: Given) -> Item:
    """Returns an item as a request's UpdateExpression makes it; each term sees the item of before."""
    names, values = _names(given)
    after = dict(item)
    for verb, token, operand in changes(given.get("UpdateExpression", "")):
        name = _found(names, token) if token[0] == "#" else token
        value = operand(item, names, values) if operand else None
        if name in ("pk", "sk") or (operand and value is None):
            raise Refused("ValidationException", f"{name} cannot be changed so")
        if value is None:
            after.pop(name, None)
        elif verb == "ADD":
            after[name] = _number(_needed(item.get(name, {"N": "0"})) + _needed(value))
        else:
            after[name] = value
    return after


def _names(given: Given) -> tuple[Given, Given]:
    return given.get("ExpressionAttributeNames", {}), given.get("ExpressionAttributeValues", {})


# PartiQL


@lru_cache(maxsize=1_000)
def statement(text: str) -> tuple[str, tuple[str, ...], str]:
    """Returns what a statement of PartiQL is: INSERT, UPDATE or DELETE, the names or changes, and its WHERE.

    Only with a parameter for every value: `INSERT INTO "t" VALUE {'pk': ?, ...}`, `UPDATE "t" SET a = ? REMOVE b
    WHERE pk = ? AND sk = ? AND ...`, `DELETE FROM "t" WHERE ...`. The n-th parameter becomes `:n`.
    """
    numbers = count()
    text = re.sub(r"\?", lambda _: f":{next(numbers)}", text.strip())
    if inserted := re.fullmatch(r"""INSERT INTO "?\w+"? VALUE \{(.*)\}""", text, re.DOTALL | re.IGNORECASE):
        return "INSERT", tuple(re.findall(r"'(\w+)'\s*:\s*:\d+", inserted[1])), ""
    changed = re.fullmatch(
        r"""(UPDATE|DELETE FROM) "?\w+"?\s*(.*?)\s*WHERE (.*?)( RETURNING [\w *]+)?""", text, re.DOTALL | re.IGNORECASE
    )
    if not changed:
        raise Refused("ValidationException", f"cannot read {text}")
    where = re.sub(r'"(\w+)"', r"\1", changed[3])
    where = re.sub(
        r"(\w+) IS (NOT )?MISSING", lambda found: f"attribute_{'' if found[2] else 'not_'}exists({found[1]})", where
    )
    return changed[1].split()[0].upper(), (re.sub(r'"(\w+)"', r"\1", changed[2]),), where


# The services


class Cloud:
    """One table, one vault, one bus and any key. Every operation is a method of its name, in lower case."""

    def __init__(self) -> None:
        self._partitions: dict[str, dict[str, Item]] = {}
        self._secrets: dict[str, dict[str, str]] = {}
        self._kept: Any = ({}, {})
        self._asked: Counter[str] = Counter()
        self._versions = count(1)
        self._cpu = time.process_time()

    def do(self, operation: str, given: Given) -> Given:
        """Returns the answer to an operation, by AWS's name of it. Raises Refused."""
        method = getattr(self, _method(operation), None)
        if method is None or operation.startswith("_"):
            raise Refused("UnknownOperationException", operation)
        self._asked[operation] += 1
        answer: Given = method(given)
        return answer

    # What the bench itself asks for

    def keep(self, _: Given) -> Given:
        """Remembers what is stored now, for Restore."""
        self._kept = self._copies(self._partitions), self._copies(self._secrets)
        return {}

    def restore(self, _: Given) -> Given:
        """Forgets what was written since Keep."""
        self._partitions, self._secrets = map(self._copies, self._kept)
        return {}

    def clear(self, _: Given) -> Given:
        """Forgets everything."""
        self.__init__()  # type: ignore[misc]
        return {}

    def items(self, _: Given) -> Given:
        """Returns all items of the table."""
        return {"Items": [item for rows in self._partitions.values() for item in rows.values()]}

    def spent(self, _: Given) -> Given:
        """Returns how many requests of each kind came since it was last asked, and the processor's seconds for them."""
        asked, spent = dict(self._asked), time.process_time() - self._cpu
        self._asked.clear()
        asked.pop("Spent", None)
        self._cpu += spent
        return {"asked": asked, "cpu": spent}

    def _copies(self, rows: Mapping[str, dict[str, Any]]) -> dict[str, dict[str, Any]]:
        return {key: dict(row) for key, row in rows.items()}  # items are never changed, only replaced

    # DynamoDB

    def get_item(self, given: Given) -> Given:
        item = self._item(given["Key"])
        return {"Item": item} if item else {}

    def batch_get_item(self, given: Given) -> Given:
        [(table, wanted)] = given["RequestItems"].items()
        _check_count("BatchGetItem", wanted["Keys"])
        found = (self._item(key) for key in wanted["Keys"])
        return {"Responses": {table: [item for item in found if item]}, "UnprocessedKeys": {}}

    def put_item(self, given: Given) -> Given:
        return self._write(given, given["Item"], lambda _: given["Item"])

    def update_item(self, given: Given) -> Given:
        return self._write(given, given["Key"], lambda item: updated(item or given["Key"], given))

    def delete_item(self, given: Given) -> Given:
        return self._write(given, given["Key"], lambda _: None)

    def batch_write_item(self, given: Given) -> Given:
        [(_, writes)] = given["RequestItems"].items()
        _check_count("BatchWriteItem", writes)
        for write in writes:
            if "PutRequest" in write:
                self._store(write["PutRequest"]["Item"], write["PutRequest"]["Item"])
            else:
                self._store(write["DeleteRequest"]["Key"], None)
        return {"UnprocessedItems": {}}

    def transact_write_items(self, given: Given) -> Given:
        writes = [pair for write in given["TransactItems"] for pair in write.items()]
        _check_count("TransactWriteItems", writes)
        keys = [_key(terms.get("Item") or terms["Key"]) for _, terms in writes]
        if len(set(keys)) < len(keys):
            raise Refused("ValidationException", "one transaction cannot write an item twice")
        failed = [self._failure(terms, terms.get("Item") or terms["Key"]) for _, terms in writes]
        if any(failed):
            reasons = [each.more | {"Code": "ConditionalCheckFailed"} if each else {"Code": "None"} for each in failed]
            raise Refused("TransactionCanceledException", CancellationReasons=reasons)
        for verb, terms in writes:
            if verb != "ConditionCheck":
                {"Put": self.put_item, "Update": self.update_item, "Delete": self.delete_item}[verb](terms)
        return {}

    def batch_execute_statement(self, given: Given) -> Given:
        _check_count("BatchExecuteStatement", given["Statements"])
        return {"Responses": [self._executed(each) for each in given["Statements"]]}

    def query(self, given: Given) -> Given:
        partition, sort = INDEXES[given.get("IndexName", "")]
        names, values = _names(given)
        wanted = given["KeyConditionExpression"]
        [owner] = [
            _found(values, value)["S"]
            for name, value in re.findall(r"([#\w]+) = (:\w+)", wanted)
            if names.get(name, name) == partition
        ]
        if partition == "pk":
            rows: Iterable[Item] = self._partitions.get(owner, {}).values()
        else:
            rows = (item for item in self.items({})["Items"] if partition in item and sort in item)
        holds, backwards = condition(wanted), not given.get("ScanIndexForward", True)

        def place(item: Item) -> Any:
            return _plain(item[sort]), *_key(item)

        found = sorted((item for item in rows if holds(item, names, values)), key=place, reverse=backwards)
        if last := given.get("ExclusiveStartKey"):
            before = place(last)
            found = [item for item in found if (place(item) < before if backwards else place(item) > before)]
        return self._page(given, found, (partition, sort))

    def _page(self, given: Given, found: list[Item], key: tuple[str, str]) -> Given:
        size, page = 0, []
        for item in found[: given.get("Limit")]:
            page.append(item)
            size += _bytes(item)
            if size > PAGE_BYTES:
                break
        answer: dict[str, Any] = {"Items": page, "Count": len(page), "ScannedCount": len(page)}
        if page and len(page) < len(found):
            answer["LastEvaluatedKey"] = {name: page[-1][name] for name in {*key, "pk", "sk"}}
        if "FilterExpression" in given:
            holds, (names, values) = condition(given["FilterExpression"]), _names(given)
            answer["Items"] = [item for item in page if holds(item, names, values)]
            answer["Count"] = len(answer["Items"])
        if key[0] != "pk":
            answer["Items"] = [{name: item[name] for name in {*key, "pk", "sk"}} for item in answer["Items"]]
        return answer

    def _item(self, key: Item) -> Item | None:
        pk, sk = _key(key)
        return self._partitions.get(pk, {}).get(sk)

    def _store(self, key: Item, item: Item | None) -> None:
        pk, sk = _key(key)
        if item is None:
            self._partitions.get(pk, {}).pop(sk, None)
            return
        if _bytes(item) > ITEM_BYTES:
            raise Refused("ValidationException", "Item size has exceeded the maximum allowed size")
        self._partitions.setdefault(pk, {})[sk] = item

    def _failure(self, given: Given, key: Item) -> Refused | None:
        """Returns what a request's condition refuses it with, None if it holds."""
        text, item = given.get("ConditionExpression"), self._item(key)
        if not text or condition(text)(item or {}, *_names(given)):
            return None
        seen = {"Item": item} if item and given.get("ReturnValuesOnConditionCheckFailure") == "ALL_OLD" else {}
        return Refused("ConditionalCheckFailedException", "The conditional request failed", **seen)

    def _write(self, given: Given, key: Item, make: Callable[[Item | None], Item | None]) -> Given:
        """Replaces an item, or removes it, if the request's condition holds."""
        failure = self._failure(given, key)
        if failure:
            raise failure
        before = self._item(key)
        after = make(before)
        self._store(key, after)
        returned = given.get("ReturnValues", "NONE")
        shown, other = (before, after) if returned.endswith("OLD") else (after, before)
        if returned == "NONE" or not shown:
            return {}
        if returned.startswith("UPDATED"):
            shown = {name: value for name, value in shown.items() if (other or {}).get(name) != value}
        return {"Attributes": shown}

    def _executed(self, given: Given) -> Given:
        """Returns the answer to one statement of a batch, an error if it was refused: the others go on."""
        verb, what, where = statement(given["Statement"])
        parameters = given.get("Parameters", [])
        values = {f":{number}": value for number, value in enumerate(parameters)}
        try:
            if verb == "INSERT":
                item = dict(zip(what, parameters, strict=True))
                if self._item(item):
                    raise Refused("DuplicateItem", "Duplicate primary key exists in table")
                self._store(item, item)
                return {}
            found = dict(re.findall(r"\b(pk|sk) = (:\d+)", where))
            key = {name: values[found[name]] for name in ("pk", "sk")}
            terms = {"Key": key, "ExpressionAttributeValues": values, "ConditionExpression": where}
            if verb == "UPDATE":
                self.update_item({**terms, "UpdateExpression": what[0]})
            elif self._item(key):
                self.delete_item(terms)
        except Refused as refused:
            code = refused.code.removesuffix("Exception").replace("Validation", "ValidationError")
            return {"Error": {"Code": code, "Message": str(refused)}}
        return {}

    # Secrets Manager

    def create_secret(self, given: Given) -> Given:
        if given["Name"] in self._secrets:
            raise Refused("ResourceExistsException")
        self._secrets[given["Name"]] = {}
        return self.put_secret_value({"SecretId": given["Name"], "SecretString": given["SecretString"]})

    def put_secret_value(self, given: Given) -> Given:
        version = f"{next(self._versions):032}"
        name = given["SecretId"]
        self._secrets[name] = {**self._secret(name), "": given["SecretString"], version: given["SecretString"]}
        return {"Name": name, "VersionId": version}

    def get_secret_value(self, given: Given) -> Given:
        text = self._secret(given["SecretId"]).get(given.get("VersionId", ""))
        if text is None:
            raise Refused("ResourceNotFoundException")
        return {"Name": given["SecretId"], "SecretString": text}

    def delete_secret(self, given: Given) -> Given:
        self._secret(given["SecretId"])
        del self._secrets[given["SecretId"]]
        return {}

    def _secret(self, name: str) -> dict[str, str]:
        if name not in self._secrets:
            raise Refused("ResourceNotFoundException")
        return self._secrets[name]

    # KMS

    def encrypt(self, given: Given) -> Given:
        sealed = json.dumps([given["KeyId"], given.get("EncryptionContext", {}), given["Plaintext"]], sort_keys=True)
        return {"KeyId": given["KeyId"], "CiphertextBlob": base64.b64encode(sealed.encode()).decode()}

    def decrypt(self, given: Given) -> Given:
        with suppress(ValueError):
            key, context, plaintext = json.loads(base64.b64decode(given["CiphertextBlob"]))
            if context == given.get("EncryptionContext", {}) and given.get("KeyId", key) == key:
                return {"KeyId": key, "Plaintext": plaintext}
        raise Refused("InvalidCiphertextException")

    # EventBridge

    def put_events(self, given: Given) -> Given:
        return {"FailedEntryCount": 0, "Entries": [{"EventId": "e"} for _ in given["Entries"]]}


@lru_cache
def _method(operation: str) -> str:
    return re.sub(r"(?<=[a-z])(?=[A-Z])", "_", operation).lower()


def _key(item: Item) -> tuple[str, str]:
    return item["pk"]["S"], item["sk"]["S"]


def _bytes(item: Item) -> int:
    return sum(len(name) + len(str(next(iter(value.values())))) for name, value in item.items())


def _check_count(operation: str, entries: "list[Any]") -> None:
    if not 0 < len(entries) <= MOST[operation]:
        raise Refused("ValidationException", f"{operation} takes 1 to {MOST[operation]} entries")


# Over HTTP


class Line(asyncio.Protocol):
    """One connection of a client, which asks again and again."""

    def __init__(self, cloud: Cloud) -> None:
        self._cloud, self._came = cloud, b""

    def connection_made(self, transport: Any) -> None:
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        self._came += data
        while (end := self._came.find(b"\r\n\r\n")) >= 0:
            head = self._came[: end + 2]
            length = _LENGTH.search(head)
            ends = end + 4 + (int(length[1]) if length else 0)
            if len(self._came) < ends:
                return
            body, self._came = self._came[end + 4 : ends], self._came[ends:]
            self._transport.write(answer(self._cloud, head, body))


def answer(cloud: Cloud, head: bytes, body: bytes) -> bytes:
    """Returns the answer to one request, as it goes over the line."""
    target = _HEAD.search(head)
    try:
        status, content = b"200 OK", cloud.do(target[1].decode() if target else "", json.loads(body or b"{}"))
    except Refused as refused:
        status, content = b"400 Bad Request", {"__type": f"#{refused.code}", "message": str(refused), **refused.more}
    text = json.dumps(content).encode()
    return (
        b"HTTP/1.1 %b\r\nContent-Type: application/x-amz-json-1.0\r\nx-amzn-RequestId: bench\r\n"
        b"x-amz-crc32: %d\r\nContent-Length: %d\r\n\r\n%b" % (status, zlib.crc32(text), len(text), text)
    )


def serve(ports: Any) -> None:
    """Answers for ever, on a port that it puts into `ports`."""

    async def run() -> None:
        cloud = Cloud()
        server = await asyncio.get_running_loop().create_server(lambda: Line(cloud), "127.0.0.1", 0, backlog=1_024)
        ports.put(server.sockets[0].getsockname()[1])
        await server.serve_forever()

    asyncio.run(run())


class Running:
    """A cloud in a process of its own, at `url`."""

    def __init__(self) -> None:
        fork = multiprocessing.get_context("fork")
        ports = fork.SimpleQueue()
        self._process = fork.Process(target=serve, args=(ports,), daemon=True)
        self._process.start()
        self.url = f"http://127.0.0.1:{ports.get()}"

    def ask(self, operation: str) -> dict[str, Any]:
        """Returns what the cloud says to one of the bench's own operations."""
        request = Request(self.url, b"{}", {"X-Amz-Target": f"Bench.{operation}"})
        with urlopen(request) as came:
            found: dict[str, Any] = json.load(came)
        return found

    def close(self) -> None:
        self._process.terminate()
        self._process.join()
