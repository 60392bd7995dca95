"""What a month costs: tasks run through the real functions and a cloud in memory, and what they use is priced.

    .venv/bin/python -m bench.costs
    .venv/bin/python -m bench.costs --tasks 50000 --seconds 600 --megabytes 20 --video-days 30
    .venv/bin/python -m bench.costs --learned 500 --counted 20

It also prints, from the same counts, how many such tasks a second one stack can follow within each quota of AWS.

The tasks are Alad's, which tells progress. With `--counted` they take different times, at even quantiles around
`--seconds` with a spread of SPREAD, and the mean is printed. With `--learned` the ledger has seen so many tasks of the
same kind before: each was paced and learned by the real code, and none of it counts. The time is a simulated clock's:
only pauses take any.

Counted: polls, state transitions, invocations, DynamoDB units (by the size of the items written and the indexes they
are in), secrets read, objects written, events put, bytes logged. Assumed, since they can only be measured on AWS: the
functions' durations in MILLISECONDS, and PLATFORM_LOG_BYTES. Free tiers are left out. So is data going out to the
internet: what your own users download costs the same without vidhook.
"""

import argparse
import contextlib
import importlib
import io
import json
import math
import os
import random
import statistics
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any
from unittest import mock

import boto3
from moto import mock_aws
from samtranslator.yaml_helper import yaml_parse

from bench.pace_tasks import Distribution, Task, alad, lognormal
from vidhook import subscribers as life
from vidhook.edges import aws
from vidhook.edges.http import Download, Http, Response
from vidhook.times import Clock
from vidhook.wiring import Edges

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

ROOT = Path(__file__).parents[1]
TEMPLATE: dict[str, Any] = yaml_parse((ROOT / "template.yaml").read_text("utf-8"))

# US dollars, us-east-1, as the services' public pricing pages gave them in 2025.
PRICES = {
    "state transition": 0.025 / 1e3,
    "Lambda request": 0.20 / 1e6,
    "Lambda GB second": 0.0000133334,  # on arm64
    "DynamoDB write unit": 0.625 / 1e6,
    "DynamoDB read unit": 0.125 / 1e6,
    "DynamoDB GB month, with its backup": 0.25 + 0.20,
    "S3 PUT": 0.005 / 1e3,
    "S3 GET": 0.0004 / 1e3,
    "S3 GB month": 0.023,
    "secret month": 0.40,
    "secret read": 0.05 / 1e4,
    "event put": 1.00 / 1e6,
    "KMS key month": 1.00,
    "KMS request": 0.03 / 1e4,
    "log GB": 0.50,
    "alarm month": 0.10,
    "metric month": 0.30,
    "dashboard month": 3.00,
}
# The states that a task passes when nothing fails: those of ONCE once, those of ROUND for each poll.
ONCE = ("Submitted already?", "Publish event", "Published?", "Published")
ROUND = ("Pause", "Poll task", "Settled?")
MILLISECONDS = {"SubmitTaskFunction": 200, "PollTaskFunction": 500, "PublishEventFunction": 5_000}
SWEEP_MILLISECONDS = 300
SPREAD = 0.4  # of the logarithm of the durations
PLATFORM_LOG_BYTES = 800  # the lines that Lambda itself logs for an invocation
SWEEPS = 30 * 24 * 4
METRICS = 20  # each name counts once for each provider and outcome; here with two providers
WATCH_DAYS = 100  # the ledger has a watch so long; events and deliveries expire sooner and are priced the same
# The documented defaults, a second; the larger regions are us-east-1, us-west-2 and eu-west-1.
QUOTAS = {
    "state transitions, larger regions": 5_000,
    "state transitions, other regions": 800,
    "StartExecution, larger regions": 300,
    "StartExecution, other regions": 150,
    "functions at work at once": 1_000,
    "writes to one key of an index": 1_000,
    "writes to the table": 40_000,
}


@dataclass(frozen=True)
class Usage:
    """What one task uses of AWS: the mean of those that were counted.

    `delay` is the seconds from its end to the poll that saw it. `used` counts what PRICES names; `ledger_bytes` stay in
    the table and its indexes; `hottest_key` is how many write units fall on the one key of an index that all tasks
    share.
    """

    polls: float
    delay: float
    invocations: Mapping[str, float]
    used: Mapping[str, float]
    ledger_bytes: float
    log_bytes: float
    hottest_key: float


@dataclass(frozen=True)
class Load:
    """A month of tasks. Storage is priced as it is when the first videos, logs and items have expired."""

    tasks: int
    megabytes: float
    video_days: int


def metrics_of(alarm: dict[str, Any]) -> int:
    """Returns how many metrics an alarm is about, each of which is paid for."""
    return sum("MetricStat" in each for each in alarm.get("Metrics", ())) or 1


def monthly(usage: Usage, load: Load) -> dict[str, float]:
    """Returns the dollars a month by service."""
    memory = TEMPLATE["Globals"]["Function"]["MemorySize"]
    sizes = {name: TEMPLATE["Resources"][name]["Properties"].get("MemorySize", memory) for name in usage.invocations}
    seconds = sum(sizes[name] / 1024 * MILLISECONDS[name] / 1e3 * count for name, count in usage.invocations.items())
    sweeping = SWEEPS * (
        PRICES["Lambda request"] + memory / 1024 * SWEEP_MILLISECONDS / 1e3 * PRICES["Lambda GB second"]
    )
    resources = TEMPLATE["Resources"].values()
    alarms = sum(metrics_of(each["Properties"]) for each in resources if each["Type"] == "AWS::CloudWatch::Alarm")
    secrets = sum(each["Type"] == "AWS::SecretsManager::Secret" for each in resources)

    def used(*names: str) -> float:
        return sum(usage.used.get(name, 0) * PRICES[name] for name in names) * load.tasks

    invocations = sum(usage.invocations.values())
    gb_seconds = seconds * PRICES["Lambda GB second"] + invocations * PRICES["Lambda request"]
    logged = (usage.log_bytes + invocations * PLATFORM_LOG_BYTES) * load.tasks / 1e9
    stored = load.megabytes / 1e3 * load.tasks * load.video_days / 30
    ledger = usage.ledger_bytes * load.tasks * WATCH_DAYS / 30 / 1e9
    return {
        "Step Functions": used("state transition"),
        "Lambda": gb_seconds * load.tasks + sweeping,
        "DynamoDB": used("DynamoDB write unit", "DynamoDB read unit")
        + ledger * PRICES["DynamoDB GB month, with its backup"],
        "S3 requests": used("S3 PUT", "S3 GET"),
        "S3 storage": stored * PRICES["S3 GB month"],
        "Secrets Manager": secrets * PRICES["secret month"] + used("secret read"),
        "EventBridge": used("event put"),
        "KMS": PRICES["KMS key month"] + used("KMS request"),
        "Logs": logged * PRICES["log GB"],
        "Alarms, metrics, dashboard": alarms * PRICES["alarm month"]
        + METRICS * PRICES["metric month"]
        + PRICES["dashboard month"],
    }


def each_task(usage: Usage) -> float:
    """Returns the dollars that one more task costs, without storing its video."""
    one, none = (sum(monthly(usage, Load(tasks, 0, 0)).values()) for tasks in (1, 0))
    return one - none


def tasks_a_second(usage: Usage) -> dict[str, float]:
    """Returns, for each of QUOTAS, how many tasks a second it allows when they come evenly."""
    working = sum(MILLISECONDS[name] / 1e3 * count for name, count in usage.invocations.items())
    transitions, writes = usage.used["state transition"], usage.used["DynamoDB write unit"]
    needed = (transitions, transitions, 1, 1, working, usage.hottest_key, writes)
    return {name: quota / need for (name, quota), need in zip(QUOTAS.items(), needed, strict=True)}


def tasks_around(seconds: float, count: int, even: bool) -> list[Task]:
    """Tasks that take about `seconds`; one alone takes just as long."""
    return Distribution(lognormal(seconds, SPREAD)).tasks(count, random.Random(count), even=even)


def count(
    tasks: Sequence[Task],
    learned: Sequence[Task] = (),
    *,
    subscribers: int = 1,
    expected: float | None = None,
    pause_factor: float = 1.0,
) -> Usage:
    """Returns what a task uses of AWS, the mean of `tasks`, when all subscribers answer at once.

    Tasks that were `learned` came before. `expected` is the submissions' expected_seconds, `pause_factor` the parameter
    PauseFactor. Call it once in a process, since the functions reuse their clients.
    """
    ours = {name: value for name, value in os.environ.items() if not name.startswith("AWS_")}
    environ = ours | {
        "AWS_CONFIG_FILE": os.devnull,  # it may have an endpoint_url
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",
        "AWS_DEFAULT_REGION": "us-east-1",
        "TABLE": "ledger",
        "BUCKET": "videos",
        "BUS": "vidhook",
        "WATCH_ARN": "arn:aws:states:us-east-1:123456789012:stateMachine:watch",
        "DEFAULT_DEADLINE_SECONDS": "86400",
        "PAUSE_FACTOR": str(pause_factor),
        "PROVIDER_SECRET": "keys",
        "DEFAULT_SECRET": "signing",
        "VIDEOS_URL": "https://a1b2c3d4e5.execute-api.us-east-1.amazonaws.com/v1/videos",
        "POWERTOOLS_METRICS_NAMESPACE": "vidhook",
    }
    log, now = io.StringIO(), Now()
    clock = Clock(now, lambda: 0.5)
    outside = Outside(now)
    with (
        mock.patch.dict(os.environ, environ, clear=True),
        mock_aws(),
        contextlib.redirect_stdout(log),
        mock.patch("vidhook.wiring.Http", return_value=outside),
        mock.patch("vidhook.wiring.Clock", return_value=clock),
        mock.patch("vidhook.notify.MOST_THREADS", 1),  # the meter looks at the table between two calls
    ):
        boto3.setup_default_session()
        aws.session.cache_clear()
        _deploy(subscribers)
        meter = Meter()
        for task in learned:
            follow(task, outside, now, expected, publish=False)
        meter.start()
        log.seek(0)
        log.truncate()
        followed = [follow(task, outside, now, expected) for task in tasks]
        left = meter.ledger_bytes()
    polls = statistics.fmean(polls for polls, _ in followed)
    return Usage(
        polls=polls,
        delay=statistics.fmean(delay for _, delay in followed),
        invocations={"SubmitTaskFunction": 1, "PollTaskFunction": polls, "PublishEventFunction": 1},
        used={name: used / len(tasks) for name, used in meter.used.items()}
        | {"state transition": len(ONCE) + polls * len(ROUND)},
        ledger_bytes=left / len(tasks),
        log_bytes=len(log.getvalue().encode()) / len(tasks),
        hottest_key=max(meter.keys.values()) / len(tasks),
    )


def follow(
    task: Task, outside: "Outside", now: "Now", expected: float | None, publish: bool = True
) -> tuple[int, float]:
    """Takes a task through the functions as the state machine does. Returns its polls and the delay of the last one."""
    submit, poll, publisher = (importlib.import_module(name) for name in ("submit_task", "poll_task", "publish_event"))
    context = SimpleNamespace(
        function_name="f",
        memory_limit_in_mb=512,
        invoked_function_arn="arn:aws:lambda:::f",
        aws_request_id="r" * 36,
        get_remaining_time_in_millis=lambda: 900_000,
    )
    began = now()
    submission = {"provider": "alad", "task_id": outside.begin(task), "metadata": {"order": "17"}}
    submitted = submit.handler(submission | ({} if expected is None else {"expected_seconds": expected}), context)
    watch = {"watch": submitted["id"], "execution": submitted["id"]}
    pause, settled, polls = submitted["pause"], False, 0
    while not settled:
        now.seconds += pause
        polled = poll.handler(watch, context)
        pause, settled, polls = polled["pause"], polled["settled"], polls + 1
    delay = now() - began - task.duration
    if publish:
        published = publisher.handler(watch, context)
        assert published["event"]["data"]["assets"][0]["stored"]
        assert not published["unreached"]
    return polls, delay


@dataclass
class Now:
    """The simulated time, in unix seconds."""

    seconds: float = 1_800_000_000.0

    def __call__(self) -> float:
        return self.seconds


class Outside(Http):
    """The provider with one task at a time, its video, and subscribers that accept everything.

    It tells what Alad does: when the task was submitted, started and finished, and a progress that begins at 50 %.
    """

    def __init__(self, now: Now) -> None:
        samples = ROOT / "events/providers/alad"
        self.answers = {
            done: json.loads((samples / f"{name}.json").read_text("utf-8"))["exchange"]
            for done, name in ((False, "processing"), (True, "completed"))
        }
        self.now, self.tasks = now, 0

    def begin(self, task: Task) -> str:
        """Forgets the task before and begins this one, now. Returns its id."""
        self.task, self.submitted, self.tasks = task, self.now(), self.tasks + 1
        return f"{self.answers[True]['body']['data']['task_id'][:-6]}{self.tasks:06}"

    def check(self, url: str) -> None:
        """Allows every URL."""

    def send(self, method: str, url: str, **_: Any) -> Response:
        age = self.now() - self.submitted
        done, started = age >= self.task.duration, age >= self.task.started
        told: dict[str, Any] = {
            "submit_time": int(self.submitted),
            "start_time": int(self.submitted + self.task.started) if started else 0,
            "finish_time": int(self.submitted + self.task.duration) if done else 0,
        }
        if not done:
            word = "IN_PROGRESS" if started else "QUEUED"
            told |= {"status": word, "progress": f"{alad(self.task, age).progress:.0f}%"}
        answer = self.answers[done]
        body = json.dumps({**answer["body"], "data": answer["body"]["data"] | told}) if method == "GET" else "ok"
        return Response(
            status=200,
            headers=answer["headers"],
            body=body.encode(),
            url=url,
            address="203.0.113.7",
            tls_version="TLSv1.3",
            timings={"dns": 1.0, "connect": 1.0, "tls": 1.0, "first_byte": 1.0, "total": 4.0},
        )

    @contextlib.contextmanager
    def download(self, url: str, **_: Any) -> Iterator[Download]:
        yield Video()


class Video(Download):
    """A small video while it is downloaded."""

    def __init__(self) -> None:
        content = b"\x00\x00\x00\x18ftypmp42" + bytes(4_096)
        self.status, self.headers, self.content_type, self.length = 200, {}, "video/mp4", len(content)
        self.packed = False
        self.coding = ""
        self._left = io.BytesIO(content)

    def read_some(self, most: int) -> bytes:
        return self._left.read(most)


class Meter:
    """Counts, once started, what all clients that are made from now on use.

    DynamoDB's units are counted by the rules of its pricing page.
    """

    def __init__(self) -> None:
        self.used: Counter[str] = Counter()
        self.keys: Counter[str] = Counter()  # write units by key of an index
        self._table: DynamoDBClient = boto3.client("dynamodb")  # made before the others: its own reads do not count
        self._indexes = [
            (index["KeySchema"][0]["AttributeName"], index["KeySchema"][1]["AttributeName"], index["Projection"])
            for index in TEMPLATE["Resources"]["Table"]["Properties"]["GlobalSecondaryIndexes"]
        ]
        self._before: dict[tuple[str, str], dict[str, Any]] = {}
        self._counts = False
        events = aws.session().get_component("event_emitter")
        events.register("after-call.dynamodb", self._dynamodb)
        events.register("after-call.s3", self._s3)
        events.register("after-call.secrets-manager", self._secret)
        events.register("after-call.kms", lambda **_: self.used.update({"KMS request": 1}))
        events.register("after-call.eventbridge", lambda **_: self.used.update({"event put": 1}))

    def start(self) -> None:
        """Counts from now on. Watches until now are deleted, which makes looking at the table quicker."""
        for pk, sk in self._items():
            if pk.startswith("tsk_"):
                self._table.delete_item(TableName="ledger", Key={"pk": {"S": pk}, "sk": {"S": sk}})
        self.used.clear()
        self.keys.clear()
        self._before, self._counts = self._items(), True

    def ledger_bytes(self) -> int:
        """The size of the table and its indexes now; each item has 100 bytes of overhead."""
        return sum(
            size + 100
            for item in self._items().values()
            for size in (item_bytes(item), *map(item_bytes, self._entries(item)))
        )

    def _items(self) -> dict[tuple[str, str], dict[str, Any]]:
        pages = self._table.get_paginator("scan").paginate(TableName="ledger")
        rows = [row for page in pages for row in page["Items"]]
        return {(row["pk"]["S"], row["sk"]["S"]): row for row in rows}

    def _entries(self, item: Mapping[str, Any]) -> list[dict[str, Any]]:
        """The item as each index has it; {} for an index that does not have it."""
        entries: list[dict[str, Any]] = []
        for partition, order, projection in self._indexes:
            keys = {"pk", "sk", partition, order}
            names = keys if projection["ProjectionType"] == "KEYS_ONLY" else item.keys()
            here = partition in item and order in item
            entries.append({name: item[name] for name in names} if here else {})
        return entries

    def _dynamodb(self, parsed: Mapping[str, Any], model: Any, **_: Any) -> None:
        if not self._counts:
            return
        if model.name in ("GetItem", "Query"):
            rows = [parsed["Item"]] if "Item" in parsed else parsed.get("Items", [])
            self.used["DynamoDB read unit"] += max(1, math.ceil(sum(map(item_bytes, rows)) / 4_096))
            return
        if model.name == "BatchGetItem":
            rows = [row for found in parsed["Responses"].values() for row in found]
            self.used["DynamoDB read unit"] += sum(math.ceil(item_bytes(row) / 4_096) for row in rows)
            return
        before, after = self._before, self._items()
        self._before = after
        factor = 2 if model.name == "TransactWriteItems" else 1
        units = 0
        for key in before.keys() | after.keys():
            old, new = before.get(key, {}), after.get(key, {})
            if old == new:
                continue
            units += factor * _units(old, new)
            for (partition, order, _projection), was, is_ in zip(
                self._indexes, self._entries(old), self._entries(new), strict=True
            ):
                moved = was and is_ and (was[partition], was[order]) != (is_[partition], is_[order])
                here = _units(was, {}) + _units({}, is_) if moved else _units(was, is_) if was != is_ else 0
                if here:
                    self.keys[f"{partition}={(is_ or was)[partition]['S']}"] += here
                units += here
        self.used["DynamoDB write unit"] += max(units, 1)

    def _s3(self, model: Any, **_: Any) -> None:
        self.used["S3 PUT" if model.name == "PutObject" else "S3 GET"] += 1
        self.used["KMS request"] += model.name == "PutObject"

    def _secret(self, **_: Any) -> None:
        """Warm functions cache secrets for minutes, so this is the most that a task can use."""
        self.used["secret read"] += 1
        self.used["KMS request"] += 1


def item_bytes(item: Mapping[str, Any]) -> int:
    """An item's size: its names and values in UTF-8; a number takes half as many bytes as it has digits, and one."""
    total = 0
    for name, typed in item.items():
        (kind, value), *_ = typed.items()
        total += len(name) + {"S": len(str(value).encode()), "N": len(str(value)) // 2 + 1, "BOOL": 1}[kind]
    return total


def _units(old: Mapping[str, Any], new: Mapping[str, Any]) -> int:
    return math.ceil(max(item_bytes(old), item_bytes(new)) / 1_024)


def _deploy(subscribers: int) -> None:
    properties = TEMPLATE["Resources"]["Table"]["Properties"]
    names = ("AttributeDefinitions", "KeySchema", "GlobalSecondaryIndexes", "BillingMode")
    boto3.client("dynamodb").create_table(TableName="ledger", **{name: properties[name] for name in names})
    boto3.client("s3").create_bucket(Bucket="videos")
    boto3.client("events").create_event_bus(Name="vidhook")
    machine = (ROOT / "statemachines/watch.asl.json").read_text("utf-8")
    boto3.client("stepfunctions").create_state_machine(
        name="watch", definition=machine, roleArn="arn:aws:iam::123456789012:role/watch"
    )
    secrets = boto3.client("secretsmanager")
    secrets.create_secret(Name="keys", SecretString='{"alad": "key"}')
    secrets.create_secret(Name="signing", SecretString="whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")
    os.environ["KEY"] = boto3.client("kms").create_key()["KeyMetadata"]["Arn"]
    here = Edges(os.environ)
    for number in range(subscribers):
        terms = life.Terms(f"https://hooks.example.com/{number}")
        life.add(terms, ledger=here.ledger, secrets=here.secrets, http=here.http, clock=here.clock)


def main() -> None:
    """Prints what one task uses, then the bill of a month in a column for each number of tasks, then the quotas."""
    parser = argparse.ArgumentParser(description="What a month of vidhook costs in us-east-1.")
    parser.add_argument("--tasks", type=int, nargs="+", default=[100, 10_000, 1_000_000], help="a month")
    parser.add_argument("--seconds", type=int, default=180, help="until a task is done")
    parser.add_argument("--megabytes", type=float, default=8.0, help="a video")
    parser.add_argument("--video-days", type=int, default=365)
    parser.add_argument("--subscribers", type=int, default=1)
    parser.add_argument("--expected-seconds", type=float, help="what submissions say")
    parser.add_argument("--pause-factor", type=float, default=1.0)
    parser.add_argument("--counted", type=int, default=1, help="so many tasks, of which the mean is printed")
    parser.add_argument("--learned", type=int, default=0, help="so many tasks came before")
    given = parser.parse_args()
    usage = count(
        tasks_around(given.seconds, given.counted, even=True),
        tasks_around(given.seconds, given.learned, even=False) if given.learned else (),
        subscribers=given.subscribers,
        expected=given.expected_seconds,
        pause_factor=given.pause_factor,
    )
    print(
        f"one task of {given.seconds} s: {usage.polls:.4g} polls, seen {usage.delay:.1f} s after its end, "
        f"{usage.log_bytes / 1e3:.1f} kB logged"
    )
    print("  " + ", ".join(f"{name} {used:.4g}" for name, used in sorted(usage.used.items())))
    bills = [monthly(usage, Load(tasks, given.megabytes, given.video_days)) for tasks in given.tasks]
    print(f"\n{'dollars a month':<28}" + "".join(f"{f'{tasks:,} tasks':>18}" for tasks in given.tasks))
    for service in bills[0]:
        print(f"{service:<28}" + "".join(f"{bill[service]:>18,.2f}" for bill in bills))
    print(f"{'all':<28}" + "".join(f"{sum(bill.values()):>18,.2f}" for bill in bills))
    print(f"{'each task, storage apart':<28}" + f"{each_task(usage):>18.5f}" * len(bills))
    print(f"\n{'quota a second':<36}{'default':>10}{'tasks a second':>18}")
    for name, rate in tasks_a_second(usage).items():
        print(f"{name:<36}{QUOTAS[name]:>10,}{rate:>18.1f}")


if __name__ == "__main__":
    main()
