"""Whether many watches at once are all told once, and how long that takes: the whole stack in the sandbox.

    .venv/bin/python -m bench.flow
    .venv/bin/python -m bench.flow --large
    .venv/bin/python -m bench.flow --only "100 beside a slow one"

Real: the template, the functions and the state machines, the signatures, and every second of every pause. Simulated:
AWS, by MiniStack on this machine, whose cores the functions, AWS, the provider and the subscribers share; the provider,
with durations known to the bench and nothing told but a status, as VicSee does; videos of a few kB. So the figures show
that the flow holds and what it costs a machine. They are not those of a stack on AWS.

Watches come in through the submit function, invoked by SENDERS at once. A watch's delay is the time from its task's end
to the webhook whose signature the subscriber verified. A part of it is the pause: until the poll was due, the first one
not before the end. The rest is overhead, with the copy of the video in it.

The rival is the loop that the provider's documentation prints, in a thread for each task of one process, and a POST to
the same subscriber when the task is done: no signature, no copy, no retry, and gone when the process ends.
"""

import argparse
import json
import math
import os
import random
import threading
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path
from statistics import fmean, median
from typing import Any

import requests

from bench import costs
from bench.pace_policies import LOOPS
from bench.tables import save, table
from vidhook.task import Status, Watch, watch_id
from vidhook_sandbox.cloud import Cloud, running
from vidhook_sandbox.provider import KEYS, SampleProvider, SampleTask
from vidhook_sandbox.subscriber import Received, SampleSubscriber

RESULTS = Path(__file__).parent / "results/flow.json"
PROVIDER = "vicsee"
SHORTEST, LONGEST = 30, 90  # seconds that tasks take, evenly spread
SENDERS = 8
HANG_SECONDS = 15.0
PATIENCE = 900.0
FINAL = {str(status) for status in Status if status.final}
LEARNED, COSTS_FACTOR = 200, 0.8  # so many tasks came before; PauseFactor for a mean delay of 4.5 s
PAGE = os.sysconf("SC_PAGE_SIZE")


@dataclass(frozen=True)
class Case:
    """So many watches at once, with or without a subscriber that hangs beside the healthy one."""

    watches: int
    hangs: bool = False

    @property
    def name(self) -> str:
        return f"{self.watches} beside a slow one" if self.hangs else str(self.watches)


CASES = (Case(100, hangs=True), Case(10), Case(100), Case(500))
LARGE = (Case(1_000), Case(2_000))
RIVAL = Case(100)


@dataclass
class Peak:
    """The most at once. own: what processes share counted once; all: the sum of their resident sets."""

    processes: int = 0
    own_mb: float = 0
    all_mb: float = 0


@contextmanager
def watched(session: int) -> Iterator[Peak]:
    """Looks at all processes of a session every two seconds, on Linux; at what they share only when there are more."""
    peak, ended = Peak(), threading.Event()

    def look() -> None:
        most = 0
        while not ended.wait(2):
            pids = [entry.name for entry in Path("/proc").iterdir() if entry.name.isdigit() and _of(entry, session)]
            peak.processes = max(peak.processes, len(pids))
            peak.all_mb = max(peak.all_mb, sum(_resident(pid) for pid in pids) / 1e6)
            if len(pids) > 1.1 * most:
                most = len(pids)
                peak.own_mb = max(peak.own_mb, sum(_proportional(pid) for pid in pids) / 1e6)

    thread = threading.Thread(target=look)
    thread.start()
    try:
        yield peak
    finally:
        ended.set()
        thread.join()


def _of(process: Path, session: int) -> bool:
    try:
        return int((process / "stat").read_text().rpartition(")")[2].split()[3]) == session
    except OSError:
        return False


def _resident(pid: str) -> int:
    try:
        return int(Path("/proc", pid, "statm").read_text().split()[1]) * PAGE
    except (OSError, IndexError):
        return 0


def _proportional(pid: str) -> int:
    """Bytes of a process, of those that it shares its part."""
    try:
        lines = Path("/proc", pid, "smaps_rollup").read_text().splitlines()
    except OSError:
        return 0
    return next((int(line.split()[1]) * 1_024 for line in lines if line.startswith("Pss:")), 0)


def durations(count: int) -> list[float]:
    """As many, evenly spread and in an order that is always the same."""
    even = [SHORTEST + (LONGEST - SHORTEST) * (number + 0.5) / count for number in range(count)]
    random.Random(count).shuffle(even)
    return even


def submit_all(cloud: Cloud, provider: SampleProvider, count: int) -> tuple[list[SampleTask], list[float], float]:
    """Begins and submits so many tasks. Returns them, the first pause of each, and submissions a second."""
    client = cloud.client("lambda", connections=SENDERS)

    def submit(seconds: float) -> tuple[SampleTask, float]:
        task = provider.add(PROVIDER, seconds=seconds)
        submission = json.dumps({"provider": PROVIDER, "task_id": task.task_id})
        answer = client.invoke(FunctionName=cloud.outputs["submit_function"], Payload=submission)
        body = json.loads(answer["Payload"].read())
        assert "FunctionError" not in answer, body
        return task, float(body["pause"])

    began = time.monotonic()
    with ThreadPoolExecutor(SENDERS) as senders:
        submitted = list(senders.map(submit, durations(count)))
    rate = count / (time.monotonic() - began)
    return [task for task, _ in submitted], [pause for _, pause in submitted], rate


def due_after(watch: Watch, done_at: float, first_pause: float) -> float:
    """When the poll was due that saw the end; not before the end, which a poll that came late may have seen too."""
    before = [poll for poll in watch.history if poll.answer not in FINAL and poll.pause is not None]
    due = before[-1].at + (before[-1].pause or 0) if before else watch.submitted_at + first_pause
    return max(done_at, due)


def figures(delays: Sequence[float], pauses: Sequence[float]) -> dict[str, float]:
    """Of all watches; what is not a pause is overhead."""
    overhead = sorted(delay - pause for delay, pause in zip(delays, pauses, strict=True))
    return {
        "median delay": median(delays),
        "mean pause": fmean(pauses),
        "overhead p50": median(overhead),
        "overhead p95": overhead[math.ceil(0.95 * len(overhead)) - 1],
    }


def count_told(received: Sequence[Received], tasks: Sequence[SampleTask]) -> dict[str, int]:
    """How many tasks were told how often: webhooks that verified, by the id of the event."""
    events: dict[str, Counter[str]] = {watch_id(PROVIDER, task.task_id): Counter() for task in tasks}
    for each in received:
        if each.verified and each.event:
            events[each.event["data"]["id"]][each.id] += 1
    return {
        "told once": sum(list(each.values()) == [1] for each in events.values()),
        "told again": sum(sum(each.values()) > 1 for each in events.values()),
        "not told": sum(not each for each in events.values()),
    }


def ours(case: Case) -> dict[str, float]:
    """One sandbox with the watches of a case, from the first submission until all are told."""
    with ExitStack() as stack:
        cloud = stack.enter_context(running())
        provider, healthy = stack.enter_context(SampleProvider()), stack.enter_context(SampleSubscriber())
        cloud.use(provider)
        cloud.subscribe(healthy)
        if case.hangs:
            slow = stack.enter_context(SampleSubscriber())
            cloud.subscribe(slow)
            slow.slow = HANG_SECONDS
        peak = stack.enter_context(watched(cloud.process.pid))
        healthy.received.clear()  # what it got when it was added
        began = time.time()
        tasks, first_pauses, rate = submit_all(cloud, provider, case.watches)
        at = _first_received(healthy, len(tasks))
        ended = time.time()
        delays, pauses = [], []
        for task, first_pause in zip(tasks, first_pauses, strict=True):
            number = watch_id(PROVIDER, task.task_id)
            if number not in at:  # `not told` counts it
                continue
            delays.append(at[number] - task.done_at)
            pauses.append(due_after(cloud.edges.ledger.tasks.watch(number), task.done_at, first_pause) - task.done_at)
        return {
            **count_told(healthy.received, tasks),
            **figures(delays, pauses),
            "polls": fmean(len(task.polls) for task in tasks),
            "submitted a second": rate,
            "seconds in all": ended - began,
            "processes": peak.processes,
            "MB": peak.own_mb,
            "MB, shared counted again": peak.all_mb,
        }


def _first_received(subscriber: SampleSubscriber, count: int) -> dict[str, float]:
    """When each watch was told, once so many are or nothing more comes for PATIENCE."""
    at: dict[str, float] = {}
    deadline, seen = time.monotonic() + PATIENCE, 0
    while len(at) < count and time.monotonic() < deadline:
        time.sleep(0.2)
        received = list(subscriber.received)
        if len(received) > seen:
            deadline = time.monotonic() + PATIENCE
        for each in received[seen:]:
            if each.verified and each.event:
                at.setdefault(each.event["data"]["id"], each.at)
        seen = len(received)
    time.sleep(3)  # whatever would come a second time
    return at


def theirs(case: Case) -> dict[str, float]:
    """The provider's own loop, in a thread for each task."""
    loop = LOOPS[PROVIDER]()
    with SampleProvider() as provider, SampleSubscriber() as healthy:
        headers = {"Authorization": f"Bearer {KEYS[PROVIDER]}"}
        at: dict[str, float] = {}

        def follow(task: SampleTask) -> None:
            url = f"{provider.base_url(PROVIDER)}/api/v1/tasks/{task.task_id}"
            asked = 0
            with requests.Session() as session:
                session.trust_env = False
                while session.get(url, headers=headers, timeout=30).json()["data"]["status"] not in FINAL:
                    asked += 1
                    time.sleep(min(loop.longest, loop.first * loop.growth ** (asked - 1)))
                session.post(healthy.url, json={"task_id": task.task_id}, timeout=30)
            at[task.task_id] = time.time()

        tasks = [provider.add(PROVIDER, seconds=seconds) for seconds in durations(case.watches)]
        threads = [threading.Thread(target=follow, args=(task,)) for task in tasks]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        delays = [at[task.task_id] - task.done_at for task in tasks]
        pauses = [max(0.0, task.polls[-1][0] - task.done_at) for task in tasks]
        return {**figures(delays, pauses), "polls": fmean(len(task.polls) for task in tasks)}


def bill(learned: int) -> dict[str, float]:
    """What a task of three minutes uses of AWS, counted by bench/costs.py."""
    usage = costs.count(
        costs.tasks_around(180, 20, even=True),
        costs.tasks_around(180, learned, even=False) if learned else (),
        pause_factor=COSTS_FACTOR if learned else 1.0,
    )
    return {
        "mean delay": usage.delay,
        "polls": usage.polls,
        "invocations": sum(usage.invocations.values()),
        "transitions": usage.used["state transition"],
        "write units": usage.used["DynamoDB write unit"],
        "read units": usage.used["DynamoDB read unit"],
        "dollars of 1,000": 1_000 * costs.each_task(usage),
    }


def bills() -> dict[str, dict[str, float]]:
    """Each in a process of its own, since the functions reuse their clients."""
    found = {}
    for name, learned in (("no history", 0), (f"after {LEARNED}", LEARNED)):
        with ProcessPoolExecutor(1, get_context("spawn")) as alone:
            found[name] = alone.submit(bill, learned).result()
    return found


def aims(measured: Mapping[str, Mapping[str, float]], counted: Mapping[str, Mapping[str, float]]) -> dict[str, Any]:
    """What the flow is to reach, and does."""
    known = counted[f"after {LEARNED}"]
    reached: dict[str, tuple[float, float]] = {
        "not told just once": (0, sum(row["told again"] + row["not told"] for row in measured.values())),
        "MB": (2_048, max(row["MB"] for row in measured.values())),
        "dollars of 1,000, known": (0.65, known["dollars of 1,000"]),
        "mean delay at that price": (4.5, known["mean delay"]),
    }
    rate = max(row["submitted a second"] for row in measured.values())
    return {
        **{name: {"limit": most, "found": value, "met": value <= most} for name, (most, value) in reached.items()},
        "submitted a second, at least": {"limit": 50, "found": rate, "met": rate >= 50},
    }


def main() -> None:
    """Measures, prints the tables and writes bench/results/flow.json."""
    parser = argparse.ArgumentParser(description="Whether many watches at once are all told once, in the sandbox.")
    parser.add_argument("--large", action="store_true", help="1,000 and 2,000 watches too")
    parser.add_argument("--only", help="one case, by its name; writes nothing")
    given = parser.parse_args()
    if given.only:
        (case,) = (case for case in (*CASES, *LARGE) if case.name == given.only)
        table("watches at once", {case.name: ours(case)})
        return
    results: dict[str, Any] = {
        "command": "python -m bench.flow" + (" --large" if given.large else ""),
        "simulated": "AWS, the provider, the subscribers and the videos; all on one machine",
        "cores": os.cpu_count(),
        "load before": os.getloadavg()[0],
        "a task of three minutes": bills(),
        "the provider's own loop": {RIVAL.name: theirs(RIVAL)},
        "ours": {},
    }
    for case in (*CASES, *LARGE) if given.large else CASES:
        results["ours"][case.name] = ours(case) | {"load after": os.getloadavg()[0]}
        results["aims"] = aims(results["ours"], results["a task of three minutes"])
        save(results, RESULTS)
    table("watches at once", results["ours"])
    for title in ("the provider's own loop", "a task of three minutes", "aims"):
        table(title, results[title])


if __name__ == "__main__":
    main()
