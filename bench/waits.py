"""What one subscriber that hangs costs the others: their waiting, and Lambda-seconds.

    .venv/bin/python -m bench.waits

Real: the jobs, HTTP on loopback, every second of every deadline. Simulated: AWS, by moto in this process, and Lambda
by WORKERS threads, as in an account with so many concurrent executions. The first table publishes TASKS at once to
SUBSCRIBERS, and waits until each that does not hang has all its events. The second one is hours of a simulated clock,
with TASKS in it: nothing waits, and each hanging attempt counts with its deadline.
"""

import argparse
import heapq
import os
import socket
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from itertools import count
from pathlib import Path
from typing import Any
from unittest import mock

import boto3
from moto import mock_aws
from samtranslator.yaml_helper import yaml_parse

from bench.tables import table
from tests.integration.world import Web, World, says
from vidhook.edges import aws
from vidhook.edges.http import Http
from vidhook.errors import TimedOut
from vidhook.event import Event
from vidhook.publish import Published
from vidhook.times import Clock
from vidhook_sandbox.loopback import Handler, Loopback

TASKS, SUBSCRIBERS, WORKERS = 200, 5, 10
HOUR = 3_600
ROOT = Path(__file__).parents[1]


class Arrivals(Handler):
    """Accepts every webhook and records when it came."""

    times: dict[str, list[float]] = {}  # noqa: RUF012 - one for all connections, by path

    def do_POST(self) -> None:  # noqa: N802 - the base class's name
        self.times.setdefault(self.path, []).append(time.monotonic())
        self.read_body()
        self.answer(200)


def at_once(hangs: bool) -> dict[str, float]:
    """Publishes all tasks at once, in real time; with or without the first subscriber hanging."""
    with made_world() as world, socket.create_server(("127.0.0.1", 0), backlog=4_096) as silent:
        world.clock = Clock(now=time.time)
        server = Loopback(Arrivals)
        Arrivals.times.clear()
        for number in range(SUBSCRIBERS):
            slow = hangs and number == 0
            url = f"http://127.0.0.1:{silent.getsockname()[1]}/" if slow else f"{server.url}/s{number}"
            world.ledger.put_subscriber(replace(world.subscribe(f"s{number}"), url=url, created_at=float(number)))
        watches = [ended(world, number) for number in range(TASKS)]
        on_bus: list[float] = []
        put = world.bus.put

        def timed(event: Event) -> None:
            on_bus.append(time.monotonic())
            put(event)

        healthy = [f"/s{number}" for number in range(int(hangs), SUBSCRIBERS)]
        with mock.patch.object(world.bus, "put", timed), Lambdas(world) as lambdas:
            began = time.monotonic()
            for watch in watches:
                lambdas.publish(watch)
            while any(len(Arrivals.times.get(path, [])) < TASKS for path in healthy):
                time.sleep(0.05)
            took = time.monotonic() - began
        server.stop()
        return {
            "last webhook of the others, s": took,
            "last event on the bus, s": max(on_bus) - began,
            "Lambda-seconds by then": lambdas.seconds,
        }


class Lambdas:
    """So many functions at work at once. What is started while all are busy waits, as a throttled state does."""

    def __init__(self, world: World) -> None:
        self.world, self.seconds, self.ended = world, 0.0, False
        self._pool = ThreadPoolExecutor(WORKERS)
        self._timers: list[threading.Timer] = []

    def __enter__(self) -> "Lambdas":
        return self

    def __exit__(self, *_: object) -> None:
        self.ended = True
        for timer in self._timers:
            timer.cancel()
        self._pool.shutdown(wait=True, cancel_futures=True)

    def publish(self, watch: str) -> None:
        self._invoke(lambda: self.world.publish(watch), self._hand_on)

    def _invoke(self, work: Callable[[], Any], then: Callable[[Any], None]) -> None:
        def run() -> None:
            began = time.monotonic()
            try:
                result = work()
            except Exception:  # noqa: BLE001 - moto's own, which is not made for threads: a state is tried again
                self._invoke(work, then)
                return
            self.seconds += time.monotonic() - began
            if not self.ended:
                then(result)

        if not self.ended:
            self._pool.submit(run)

    def _hand_on(self, published: Published) -> None:
        for each in published.notified.unreached:
            self._after(each.pause, each.delivery, 0.0)

    def _after(self, pause: float, delivery: Any, waited_for: float) -> None:
        def again(done: Any) -> None:
            if not done.settled:
                self._after(done.pause, delivery, done.waited_for)

        def redeliver() -> None:
            self._invoke(lambda: self.world.redeliver(delivery, waited_for), again)

        self._timers.append(threading.Timer(pause, redeliver))
        self._timers[-1].daemon = True
        self._timers[-1].start()


class Hanging(Http):
    """Subscribers that never answer, without waiting for them. Counts what they cost, by the hour."""

    def __init__(self, http: Http, now: Callable[[], float]) -> None:
        self.http, self.now = http, now
        self.seconds: Counter[int] = Counter()
        self.attempts = 0

    def check(self, url: str) -> None:
        self.http.check(url)

    def send(self, method: str, url: str, **named: Any) -> Any:
        if method == "GET":
            return self.http.send(method, url, **named)
        deadline = named["deadline"]
        self.seconds[int(self.now() // HOUR)] += deadline
        self.attempts += 1
        failure = TimedOut("the deadline passed while waiting for the answer")
        failure.timings = {"total": deadline * 1_000}
        raise failure


def by_the_hour(hours: int) -> dict[str, float]:
    """Lambda-seconds an hour that go into attempts at one hanging subscriber, at TASKS an hour."""
    with made_world() as world:
        world.now = float(world.now // HOUR * HOUR)
        world.subscribe("hangs")
        hanging = Hanging(world.http, lambda: world.now)
        other = world.but(http=hanging)
        agenda: list[tuple[float, int, Any, float]] = []
        number, looks = count(), 0
        began = world.now
        for task in range(TASKS * hours):
            due = began + task * HOUR / TASKS
            while agenda and agenda[0][0] <= due:
                at, _, delivery, waited_for = heapq.heappop(agenda)
                world.now = max(world.now, at)
                looks += 1
                done = other.redeliver(delivery, waited_for)
                if not done.settled:
                    heapq.heappush(agenda, (world.now + done.pause, next(number), delivery, done.waited_for))
            world.now = max(world.now, due)
            watch = ended(world, task)
            for each in other.publish(watch, store=False).notified.unreached:
                heapq.heappush(agenda, (world.now + each.pause, next(number), each.delivery, 0.0))
        first = int(began // HOUR)
        found = {f"hour {hour + 1}": hanging.seconds[first + hour] for hour in range(hours)}
        return {**found, "attempts": hanging.attempts, "redelivery invocations": looks}


def ended(world: World, number: int) -> str:
    """A task that has failed and is to be published."""
    before = world.now
    watch = world.settle(says("failed", error="out of paint"), task_id=f"t{number}")
    world.now = before
    return watch


@contextmanager
def made_world() -> Iterator[World]:
    """A world in memory."""
    keys = {f"AWS_{name}": "test" for name in ("ACCESS_KEY_ID", "SECRET_ACCESS_KEY")}
    with mock.patch.dict(os.environ, {**keys, "AWS_DEFAULT_REGION": "us-east-1"}), mock_aws():
        boto3.setup_default_session()
        aws.session.cache_clear()
        properties = yaml_parse((ROOT / "template.yaml").read_text("utf-8"))["Resources"]["Table"]["Properties"]
        known = ("AttributeDefinitions", "KeySchema", "GlobalSecondaryIndexes", "BillingMode")
        boto3.client("dynamodb").create_table(TableName="ledger", **{name: properties[name] for name in known})
        boto3.client("s3").create_bucket(Bucket="videos")
        web = Web()
        try:
            yield World(web, "ledger", "videos")
        finally:
            web.close()


def main() -> None:
    """Measures and prints both tables."""
    parser = argparse.ArgumentParser(description="What one subscriber that hangs costs the others.")
    parser.add_argument("--hours", type=int, default=2, help="of the second table")
    given = parser.parse_args()
    table(f"Lambda-seconds an hour of hanging attempts, {TASKS} tasks an hour", {"one": by_the_hour(given.hours)})
    rows = {"none hangs": at_once(False), "one hangs": at_once(True)}
    table(f"{TASKS} tasks at once to {SUBSCRIBERS} subscribers, {WORKERS} functions", rows)


if __name__ == "__main__":
    main()
