"""How fast one event gets to many subscribers, beside what one would send it with.

    .venv/bin/python -m bench.fanout
    .venv/bin/python -m bench.fanout --small
    .venv/bin/python -m bench.fanout --only whole --profile

Real: names of their own for all subscribers, TLS with the CA bundle of production, signatures, HTTP, threads, and the
code, botocore in it, that reads and writes the ledger and the secrets. Simulated, on loopback and in processes of their
own: the subscribers (bench/fanout_world.py), which answer at once, or after 100 ms, or of which one of ten never
answers; the resolver, which gives the same address for every name; and AWS (bench/fanout_cloud.py), at once and without
TLS. All of it shares the machine's processors.

`whole` is all of `publish`: the ledger, the secrets, the bus and the deliveries. `edge` are its deliveries alone: each
signed, sent and judged by `deliver.attempt`, in as many threads. The rivals (bench/fanout_rivals.py) sign and send the
same body, and keep nothing: no ledger, no secrets, no second attempt. They wait 15 seconds for a subscriber, as a
redelivery does; publishing waits 3, and leaves the rest to the redelivery.

Each line is a fresh process, and all take turns in each round. `first` is its first event, the others are medians of
later ones. Then one of ten begins to hang, and hangs still at the event after that, when it is `known`. Of an event:
the seconds until its last attempt has ended, deliveries a second, the processor's milliseconds for each one, the p95 of
the seconds until the healthy had it (those of ten that never hang, in every column), the greatest resident set of the
process so far, and requests to AWS for each delivery. Each healthy subscriber must get each event exactly once.
"""

import argparse
import cProfile
import json
import math
import os
import pstats
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import asdict, dataclass
from functools import partial
from itertools import count
from pathlib import Path
from statistics import median
from typing import Any

from bench import fanout_cloud, fanout_world
from bench.copying import AWS
from bench.fanout_rivals import RIVALS, answer_events, resolved
from bench.fanout_world import EVERY, Manner, World, hangs
from bench.tables import judged, save, table
from vidhook import subscribers
from vidhook.deliver import FIRST_SECONDS, attempt
from vidhook.edges.http import Http
from vidhook.edges.tls import trusting
from vidhook.event import Event, terminal_event
from vidhook.notify import at_once
from vidhook.publish import NOT_TRIED, publish
from vidhook.signature import new_secret
from vidhook.task import (
    Credentials,
    Delivery,
    Outcome,
    Poll,
    SigningSecret,
    Snapshot,
    Source,
    Status,
    Submission,
    Subscriber,
)
from vidhook.times import Clock
from vidhook.wiring import Edges

ROOT = Path(__file__).parents[1]
RESULTS = ROOT / "bench/results/fanout.json"
RIVALS_PYTHON = ROOT / ".venv-report/bin/python"
SIZES = {1: 20, 10: 10, 100: 5, 1_000: 2}  # subscribers, and events after the first one
ROUNDS = 3
HANGING, KNOWN = "10 % hanging", "10 % hanging, known"
PROFILED = 100  # subscribers: with more, the profile would make publishing too slow to try all of them
ONCE = ("requests.Session", 1_000)  # takes minutes, and is far from all others
DONE = Snapshot(Status.COMPLETED, "done", sources=(Source("result", "video", "https://cdn.example.test/v.mp4"),))
SETTINGS = {
    "TABLE": "ledger",
    "BUS": "bus",
    "STACK": "bench",
    "DEFAULT_SECRET": "bench/default",
    "KEY": "arn:aws:kms:us-east-1:000000000000:key/bench",
}


@dataclass(frozen=True)
class Sent:
    """One event, sent to all. `p95`: seconds until the healthy had it; `megabytes`: of the process, at most so far.

    receiving, answering: the processor's seconds of the receivers and of the cloud.
    """

    seconds: float
    deliveries: int
    cpu: float
    p95: float
    megabytes: float
    requests: int
    receiving: float
    answering: float


# In the process that sends


def edges(bundle: str) -> Edges:
    """Returns vidhook's edges, with the AWS of AWS_ENDPOINT_URL and a resolver that knows every name."""
    made = Edges(SETTINGS)
    made.http = Http(allowed_networks=["127.0.0.0/8"], ssl_context=trusting(bundle), resolve=resolved)
    return made


def whole(urls: Sequence[str], bundle: str) -> Callable[[Event], None]:
    """Returns what publishes an event to the subscribers in the ledger."""
    world = edges(bundle)
    notifier, machines = world.notifier, world.machines

    def send(event: Event) -> None:
        published = publish(event.watch_id, storage=None, machines=machines, notifier=notifier)
        assert published.event is not None
        assert published.event.id == event.id
        assert not published.notified.faults, published.notified.faults

    return send


def edge(urls: Sequence[str], bundle: str) -> Callable[[Event], None]:
    """Returns what makes the attempts alone, as many at a time as publishing does."""
    http, clock, credentials = edges(bundle).http, Clock(), Credentials((SigningSecret(new_secret()),))
    known = [Subscriber(f"sub_{number}", url) for number, url in enumerate(urls)]

    def one(event: Event, subscriber: Subscriber) -> Outcome:
        delivery = Delivery(event.id, event.watch_id, subscriber.id, event.type, event.at)
        return attempt(event, delivery, subscriber, credentials, http=http, clock=clock, seconds=FIRST_SECONDS).outcome

    def send(event: Event) -> None:
        at_once([partial(one, event, subscriber) for subscriber in known])

    return send


OTHERS = {"httpx", "aiohttp"}  # not among the packages of vidhook
OURS: dict[str, Callable[[Sequence[str], str], Callable[[Event], None]]] = {"whole": whole, "edge": edge}
LINES = (*OURS, *RIVALS)


def sender(line: str, urls: Sequence[str], bundle: str, profile: bool) -> None:
    """Answers the events of the standard input with one of ours; `profile`: those after the first are profiled."""
    send = OURS[line](urls, bundle)
    turns = count()

    def one(given: Mapping[str, Any]) -> None:
        work = partial(send, Event(**given))
        if profile and next(turns):
            profiled(work, len(urls))
        else:
            work()

    answer_events(one)


def profiled(work: Callable[[], object], deliveries: int) -> None:
    """Does some work, and prints to the standard error what its threads spent the processor's time on."""
    profiles: list[cProfile.Profile] = []

    def begin(*_: object) -> None:
        # One for each thread, by the thread's own share of the processor. Python 3.12 and later profile one only.
        profiles.append(cProfile.Profile(time.thread_time))
        profiles[-1].enable()

    threading.setprofile(begin)
    begin()
    try:
        work()
    finally:
        threading.setprofile(None)
        profiles[0].disable()
    print(f"seconds of {deliveries} deliveries, slowed down by the profile", file=sys.stderr)
    stats = pstats.Stats(*profiles, stream=sys.stderr).strip_dirs()
    stats.sort_stats("tottime").print_stats(30)
    stats.sort_stats("cumulative").print_stats(60)


# In the process that measures


@dataclass(frozen=True)
class Bench:
    """What the lines run against: the receivers, the cloud, and the edges that prepare it."""

    world: World
    cloud: fanout_cloud.Running
    edges: Edges

    def subscribe(self, size: int) -> None:
        """Empties the cloud, and adds so many subscribers to it."""
        self.cloud.ask("Clear")
        for number in range(1, size + 1):
            terms = subscribers.Terms(self.world.url(number))
            subscribers.add(
                terms, ledger=self.edges.ledger, secrets=self.edges.secrets, http=self.edges.http, clock=Clock()
            )
        self.cloud.ask("Keep")

    def event(self, number: int) -> Event:
        """Returns the event that the next task ends with: it is settled, and not published."""
        now, ledger = time.time(), self.edges.ledger
        watch, _ = ledger.tasks.claim(Submission("bench", f"t{number}", metadata={"order": "4711"}), "x", 10, now)
        watch = ledger.tasks.note_poll(watch, Poll(now, "completed"), DONE, settled=True)
        return terminal_event(watch, DONE, {}, now, {"result": NOT_TRIED})

    def run(self, line: str, size: int, manners: Sequence[Manner], profile: bool = False) -> list[Sent]:
        """Returns what it took one process to send an event to all for each of these manners of theirs."""
        self.cloud.ask("Restore")
        python = str(RIVALS_PYTHON) if line in OTHERS else sys.executable
        command = [python, "-m", "bench.fanout" if line in OURS else "bench.fanout_rivals"]
        urls = [self.world.url(number) for number in range(1, size + 1)]
        command += ["--line", line, "--bundle", str(self.world.bundle), *(["--profile"] if profile else [])]
        piped = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True, "cwd": ROOT}
        with subprocess.Popen([*command, "--urls", *urls], **piped) as process:  # type: ignore[call-overload]
            sent = [self._send(process, line, size, *each) for each in enumerate(manners)]
            process.stdin.close()
        return sent

    def _send(self, process: Any, line: str, size: int, number: int, manner: Manner) -> Sent:
        event = self.event(number)
        self.world.turn(manner)
        self.cloud.ask("Spent")
        print(json.dumps(asdict(event)), file=process.stdin, flush=True)
        answer = process.stdout.readline()
        if not answer:
            raise SystemExit(f"{line} ended")
        took, cloud = json.loads(answer), self.cloud.ask("Spent")
        all_that_came, receiving = self.world.turn(manner)
        receipts = [receipt for receipt in all_that_came if receipt.event_id == event.id]
        came = Counter(receipt.number for receipt in receipts)
        healthy = [each for each in range(1, size + 1) if manner != "hanging" or not hangs(each)]
        wrong = [each for each in healthy if came[each] != 1]
        assert not wrong, f"{line}, {manner}: {[(each, came[each]) for each in wrong[:10]]} of {len(wrong)}"
        times = sorted(each.at - took["began"] for each in receipts if not hangs(each.number))
        return Sent(
            seconds=took["seconds"],
            deliveries=len(receipts),
            cpu=took["cpu"],
            p95=times[math.ceil(0.95 * len(times)) - 1],
            megabytes=took["megabytes"],
            requests=sum(cloud["asked"].values()),
            receiving=receiving,
            answering=cloud["cpu"],
        )


@contextmanager
def prepared() -> Iterator[Bench]:
    """Yields a bench with its receivers and its cloud."""
    cloud = fanout_cloud.Running()
    with closing(cloud), fanout_world.running() as world:
        os.environ.pop("AWS_PROFILE", None)
        os.environ |= {**AWS, "AWS_ENDPOINT_URL": cloud.url}
        yield Bench(world, cloud, edges(str(world.bundle)))


def row(sent: Sequence[Sent]) -> dict[str, float]:
    """Returns the medians of some events."""
    return {
        "seconds": median(each.seconds for each in sent),
        "a second": median(each.deliveries / each.seconds for each in sent),
        "CPU ms": median(1_000 * each.cpu / each.deliveries for each in sent),
        "healthy p95": median(each.p95 for each in sent),
        "MB": max(each.megabytes for each in sent),
        "AWS requests": median(each.requests / each.deliveries for each in sent),
        "receivers' ms": median(1_000 * each.receiving / each.deliveries for each in sent),
        "AWS's ms": median(1_000 * each.answering / each.deliveries for each in sent),
    }


Events = dict[str, dict[str, list[Sent]]]


def measured(bench: Bench, size: int, lines: Sequence[str], rounds: int) -> Events:
    """Returns the events of all lines, by how the subscribers were then."""
    bench.subscribe(size)
    events: Events = {}
    for number in range(rounds):
        for line in lines:
            once = (line, size) == ONCE
            if once and number:
                continue
            free: list[Manner] = ["free"] * (2 if once else 1 + SIZES[size])
            hanging: list[Manner] = ["hanging"] * (0 if size < EVERY else 2 if line == "whole" else 1)
            sent = bench.run(line, size, free + hanging)
            late = bench.run(line, size, ["late"] * len(free))
            first_hanging = len(free)
            found = {"first": sent[:1], "free": sent[1:first_hanging], "100 ms": late[1:]}
            found |= {HANGING: sent[first_hanging:][:1], KNOWN: sent[first_hanging:][1:]}
            for manner in found:
                if found[manner]:
                    events.setdefault(manner, {}).setdefault(line, []).extend(found[manner])
    return events


def moves(events: Events, line: str) -> dict[str, float]:
    """Returns how far those that hang moved the p95 of the healthy, by the median of the pairs of each process."""
    found = {}
    for manner in (HANGING, KNOWN):
        hanging = events.get(manner, {}).get(line, [])
        each = len(events["free"][line]) // max(1, len(hanging))
        pairs = zip(hanging, batched(events["free"][line], each), strict=False)
        if hanging:
            found[manner] = median(one.p95 / median(free.p95 for free in before) for one, before in pairs)
    return found


def batched(events: Sequence[Sent], size: int) -> list[Sequence[Sent]]:
    return [events[at : at + size] for at in range(0, len(events), size)]


def profile(bench: Bench, lines: Sequence[str]) -> None:
    """Prints where the processor's time of an event after the first one goes."""
    bench.subscribe(PROFILED)
    for line in OURS:
        if line in lines:
            bench.run(line, PROFILED, ["free", "free"], profile=True)


def over_rivals(rows: Mapping[str, Mapping[str, float]]) -> dict[str, dict[str, float]]:
    """Returns what ours take over what each rival takes, to the same subscribers."""
    return {
        f"{line} over {rival}": {
            column: rows[line][column] / rows[rival][column] for column in ("seconds", "CPU ms", "healthy p95", "MB")
        }
        for line in OURS
        for rival in RIVALS
        if line in rows and rival in rows
    }


def aims(rows: Mapping[str, Mapping[str, Mapping[str, float]]], moved: Mapping[str, float]) -> dict[str, Any]:
    """Returns what publishing to 1,000 is to reach, and does."""
    free = rows["1,000, free"]
    over = over_rivals(free)
    reached: dict[str, tuple[float, float | None]] = {
        "seconds for 1,000": (2.5, free["whole"]["seconds"]),
        "CPU ms each": (3, free["whole"]["CPU ms"]),
        **{f"healthy p95, {manner}, over free": (1.1, ratio) for manner, ratio in moved.items()},
        **{f"seconds, edge over {rival}": (1, over[f"edge over {rival}"]["seconds"]) for rival in RIVALS},
        **{f"seconds, whole over {rival}": (1, over[f"whole over {rival}"]["seconds"]) for rival in RIVALS},
    }
    return judged(reached)


def main() -> None:
    """Measures, prints the tables and, if all was measured, writes bench/results/fanout.json."""
    parser = argparse.ArgumentParser(description="How fast one event gets to many subscribers.")
    parser.add_argument("--only", nargs="+", choices=LINES, default=list(LINES))
    parser.add_argument("--sizes", nargs="+", type=int, choices=SIZES, default=list(SIZES))
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    parser.add_argument("--small", action="store_true", help="a quick look: up to 100 subscribers, and one round")
    parser.add_argument("--profile", action="store_true", help="print what ours spend the processor's time on")
    parser.add_argument("--results", type=Path, default=RESULTS)
    parser.add_argument("--line", choices=OURS, help=argparse.SUPPRESS)
    parser.add_argument("--bundle", help=argparse.SUPPRESS)
    parser.add_argument("--urls", nargs="+", help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.line:
        return sender(given.line, given.urls, given.bundle, given.profile)
    sizes, rounds = ([1, 10, 100], 1) if given.small else (given.sizes, given.rounds)
    rows: dict[str, dict[str, dict[str, float]]] = {}
    moved: dict[str, dict[str, float]] = {}
    with prepared() as bench:
        if given.profile:
            return profile(bench, given.only)
        for size in sizes:
            events = measured(bench, size, given.only, rounds)
            for manner, lines in events.items():
                rows[f"{size:,}, {manner}"] = {line: row(sent) for line, sent in lines.items()}
                table(f"{size:,}, {manner}", rows[f"{size:,}, {manner}"])
            if size == max(SIZES):
                moved = {line: moves(events, line) for line in given.only if line in OURS}
    if max(sizes) < max(SIZES) or len(given.only) < len(LINES):
        return None
    over = {name: over_rivals(each) for name, each in rows.items() if name.startswith("1,000, ")}
    results: dict[str, Any] = {
        "command": " ".join(["python -m bench.fanout", *sys.argv[1:]]),
        "cores": os.cpu_count(),
        "rows": rows,
        "over the rivals": over,
        "healthy p95 over free, 1,000": moved,
        "aims": aims(rows, moved["whole"]),
    }
    table("1,000, free", over["1,000, free"])
    table("aims", results["aims"])
    save(results, given.results)
    return None


if __name__ == "__main__":
    main()
