"""How fast a video gets from its host into S3, and in how much memory, beside what others would use.

    .venv/bin/python -m bench.copying
    .venv/bin/python -m bench.copying --large --rivals ours curl

Real HTTP on loopback, in processes of their own (bench/copying_world.py): a host, an S3 that throws the bytes away, and
lines between that are free, or bring 25 MB/s in and 40 MB/s out with 30 ms for a round trip, or give each connection
8 MB/s. So what S3 itself takes is left out. Each copy is a fresh Python process. Its seconds are those of the copy,
without the start of Python and the making of clients; those of `aws s3 cp`, a program, are with its start. Its memory
is the greatest resident set of the process while it copies, less that before it began. What counts is the ratio to
`curl` that throws the bytes away, as the median of its own runs.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from shutil import which
from typing import IO, Any, cast

from bench.copying_world import LINES, World
from bench.tables import judged, save, table

RESULTS = Path(__file__).parent / "results/copy.json"
MEGA = 10**6
# What tells the length: the host, the film's own index, or nothing but the end.
TOLD = {"known": "", "in the film": "?chunked&index", "unknown": "?chunked"}
LONG, INVOCATION_SECONDS = 20_000, 60.0  # megabytes that do not fit into one invocation
RUNS = {10: 5, 100: 3, 500: 1, 3000: 1}  # by megabytes; rivals other than curl run once from 100 on
AWS = {
    "AWS_ACCESS_KEY_ID": "bench",
    "AWS_SECRET_ACCESS_KEY": "bench",
    "AWS_DEFAULT_REGION": "us-east-1",
    "AWS_EC2_METADATA_DISABLED": "true",
}


@dataclass(frozen=True)
class Copied:
    """One copy: its seconds, MB of memory above the idle process and in all, and the invocations that it took."""

    seconds: float
    memory: float | None = None
    resident: float | None = None
    invocations: int | None = None


# In the process that copies


def ours(url: str, seconds: float = 800.0) -> Callable[[], int]:
    from types import SimpleNamespace

    from vidhook.edges.bucket import Bucket
    from vidhook.edges.http import Http
    from vidhook.store import Storage
    from vidhook.task import Source, Submission, Watch

    watch = Watch(Submission("acme", "t1"), 0.0)

    def note(_: Watch, uploads: Any) -> Any:  # in a ledger that nobody else writes to
        nonlocal watch
        watch = replace(watch, uploads=uploads)
        return uploads

    edges: Any = SimpleNamespace(tasks=SimpleNamespace(note_uploads=note))
    storage = Storage(edges, edges, Http(allowed_networks=("127.0.0.0/8",)), Bucket("videos"), lambda key: key)

    def copy() -> int:
        failures = invocations = 0
        while failures < 6:  # as often as a store is tried
            stored = storage.store(watch, (Source("result", "video", url),), seconds=seconds)
            failures, invocations = failures + bool(stored.failures), invocations + 1
            if stored.files:
                return invocations
        raise SystemExit("not stored")

    return copy


def put_object(url: str) -> Callable[[], object]:
    import boto3
    import requests
    from botocore.config import Config

    settings = Config(request_checksum_calculation="when_required", s3={"payload_signing_enabled": False})
    client = boto3.client("s3", config=settings)

    def copy() -> None:
        with requests.get(url, stream=True, timeout=60) as answer:
            length = int(answer.headers["content-length"])
            client.put_object(Bucket="videos", Key="v.mp4", Body=cast("IO[bytes]", answer.raw), ContentLength=length)

    return copy


def upload_fileobj(url: str) -> Callable[[], object]:
    import boto3
    import requests

    client = boto3.client("s3")

    def copy() -> None:
        with requests.get(url, stream=True, timeout=60) as answer:
            client.upload_fileobj(cast("IO[bytes]", answer.raw), "videos", "v.mp4")

    return copy


def curl_upload_fileobj(url: str) -> Callable[[], object]:
    import boto3

    client = boto3.client("s3")

    def copy() -> None:
        with subprocess.Popen(["curl", "-sS", url], stdout=subprocess.PIPE) as curl:
            client.upload_fileobj(cast("IO[bytes]", curl.stdout), "videos", "v.mp4")

    return copy


IN_PYTHON: dict[str, Callable[[str], Callable[[], object]]] = {
    "ours": ours,
    "ours, in invocations": partial(ours, seconds=INVOCATION_SECONDS),
    "put_object": put_object,
    "upload_fileobj": upload_fileobj,
    "curl | upload_fileobj": curl_upload_fileobj,
}


def resident(field: str) -> float:
    """MB of this process: VmRSS now, VmHWM at most (ru_maxrss, but not inherited from the process that started it)."""
    text = Path("/proc/self/status").read_text("utf-8")
    return int(next(line for line in text.splitlines() if line.startswith(field)).split()[1]) * 1024 / MEGA


def one(rival: str, url: str) -> None:
    """Copies once and prints what it took."""
    copy = IN_PYTHON[rival](url)
    before, began = resident("VmRSS"), time.perf_counter()
    invocations = copy()
    seconds, most = time.perf_counter() - began, resident("VmHWM")
    print(
        json.dumps(
            {"seconds": seconds, "memory": max(0.0, most - before), "resident": most, "invocations": invocations}
        )
    )


# In the process that measures


def curl(url: str, s3: str) -> Copied:
    began = time.perf_counter()
    subprocess.run(["curl", "-sS", "-o", "/dev/null", url], check=True)
    return Copied(time.perf_counter() - began)


def curl_aws(url: str, s3: str) -> Copied:
    began = time.perf_counter()
    command = f"curl -sS '{url}' | aws --endpoint-url '{s3}' s3 cp - s3://videos/v.mp4"
    subprocess.run(command, shell=True, check=True, env={**os.environ, **AWS})
    return Copied(time.perf_counter() - began)


def in_python(rival: str) -> Callable[[str, str], Copied]:
    def run(url: str, s3: str) -> Copied:
        environment = {**os.environ, **AWS, "AWS_ENDPOINT_URL": s3}
        command = [sys.executable, "-m", "bench.copying", "--one", rival, "--url", url]
        done = subprocess.run(command, check=True, env=environment, stdout=subprocess.PIPE)
        return Copied(**json.loads(done.stdout))

    return run


RIVALS: dict[str, Callable[[str, str], Copied]] = {
    "curl": curl,
    "ours": in_python("ours"),
    "put_object": in_python("put_object"),
    "upload_fileobj": in_python("upload_fileobj"),
    "curl | upload_fileobj": in_python("curl | upload_fileobj"),
    "curl | aws s3 cp -": curl_aws,
}


def cases(large: bool) -> Iterator[tuple[str, int, str]]:
    """Yields line, megabytes and what tells the length: the host, the film's index only, or nothing."""
    for profile in LINES:
        each = profile == "throttled each connection"
        for megabytes in RUNS:
            if (megabytes <= (100 if each else 500)) or large:
                for length in ("known",) if each else TOLD:
                    yield profile, megabytes, length


def measured(world: World, case: tuple[str, int, str], rivals: Sequence[str]) -> dict[str, dict[str, float | None]]:
    """By rival: the median of its copies, and its ratio to curl's."""
    profile, megabytes, length = case
    source, s3 = world.urls(profile)
    url, found = f"{source}/{megabytes * MEGA}{TOLD[length]}", {}
    for rival in rivals:
        if length != "known" and rival == "put_object":
            continue  # it needs a length
        runs = []
        for _ in range(RUNS[megabytes] if rival in ("curl", "ours") or megabytes == min(RUNS) else 1):
            world.counted()
            runs.append(RIVALS[rival](url, s3))
            received = world.counted()[1]
            assert rival == "curl" or received == megabytes * MEGA, f"{rival} stored {received} bytes"
        found[rival] = summed(runs)
    for figures in found.values():
        figures["over curl"] = over(figures["seconds"], found["curl"]["seconds"])
    return found


def summed(runs: Sequence[Copied]) -> dict[str, float | None]:
    known = [run for run in runs if run.memory is not None and run.resident is not None]
    return {
        "seconds": statistics.median(run.seconds for run in runs),
        "over curl": None,
        "memory": max((run.memory or 0.0 for run in known), default=None),
        "resident": max((run.resident or 0.0 for run in known), default=None),
    }


def over(seconds: float | None, base: float | None) -> float | None:
    return seconds / base if seconds and base else None


def broken(world: World) -> dict[str, float | None]:
    """How often each byte is read from a source that ends each whole answer at 60 MB of 100; None if it never works."""
    read: dict[str, float | None] = {}
    for name, more in (("with ranges", ""), ("without", "&plain")):
        source, s3 = world.urls("free")
        url = f"{source}/{100 * MEGA}?cut={60 * MEGA}{more}"
        world.counted()
        try:
            RIVALS["ours"](url, s3)
            read[name] = world.counted()[0] / (100 * MEGA)
        except subprocess.CalledProcessError:
            read[name] = None
    return read


def in_invocations(world: World) -> dict[str, float | None]:
    """What a copy takes that is longer than an invocation: how often each byte is read and sent to S3."""
    source, s3 = world.urls("throttled")
    world.counted()
    copied = in_python("ours, in invocations")(f"{source}/{LONG * MEGA}", s3)
    read, stored = (count / (LONG * MEGA) for count in world.counted())
    return {"invocations": copied.invocations, "read": read, "stored": stored, "memory": copied.memory}


def aims(found: Mapping[str, Mapping[str, Any]]) -> dict[str, dict[str, Any]]:
    """What a copy is to reach, and does, on the throttled line."""
    reached: dict[str, tuple[float, Any]] = {}
    for name, rivals in found.items():
        profile, megabytes, length = name.split(", ")
        mine = rivals.get("ours")
        if mine is None:
            continue
        if profile == "throttled":
            most = 1.15 if length != "known" else 1.10 if megabytes == "10 MB" else 1.02
            reached[f"over curl, {name}"] = most, mine["over curl"]
        reached[f"memory, {name}"] = 90 if length != "known" else 75, mine["memory"]
    return judged(reached)


def main() -> None:
    """Measures, prints the tables and writes bench/results/copy.json."""
    parser = argparse.ArgumentParser(description="How fast a video gets into S3, beside what others would use.")
    parser.add_argument(
        "--large", action="store_true", help="with 3 GB, 20 GB, and 500 MB where each connection is throttled"
    )
    parser.add_argument("--lines", nargs="+", choices=LINES, default=list(LINES))
    parser.add_argument("--sizes", nargs="+", type=int, choices=RUNS, default=list(RUNS))
    parser.add_argument("--rivals", nargs="+", choices=RIVALS, default=list(RIVALS), help="beside curl")
    parser.add_argument("--results", type=Path, default=RESULTS)
    parser.add_argument("--one", help=argparse.SUPPRESS)
    parser.add_argument("--url", help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.one:
        return one(given.one, given.url)
    rivals = list(dict.fromkeys(("curl", *given.rivals)))
    if "curl | aws s3 cp -" in rivals and which("aws") is None:
        rivals.remove("curl | aws s3 cp -")
        print("no aws on PATH: `curl | aws s3 cp -` is left out")
    world, found = World(), {}
    try:
        for case in cases(given.large):
            if case[0] in given.lines and case[1] in given.sizes:
                name = f"{case[0]}, {case[1]} MB, length {case[2]}"
                found[name] = measured(world, case, rivals)
                table(name, found[name], digits=3)
        breaks = broken(world)
        long = in_invocations(world) if given.large else None
    finally:
        world.close()
    results: dict[str, Any] = {
        "command": " ".join(["python -m bench.copying", *sys.argv[1:]]),
        "lines": {name: shape and vars(shape) for name, shape in LINES.items()},
        "copies": found,
        "bytes read of 100 MB that break at 60": breaks,
        f"{LONG} MB in invocations of {INVOCATION_SECONDS:.0f} s": long,
        "aims": aims({name.replace("length ", ""): rivals for name, rivals in found.items()}),
    }
    table("break at 60 MB of 100: times each byte is read", {"ours": breaks}, digits=3)
    if long:
        table(f"{LONG} MB in invocations of {INVOCATION_SECONDS:.0f} s: times each byte", {"ours": long}, digits=3)
    table("aims", results["aims"], digits=3)
    save(results, given.results)
    return None


if __name__ == "__main__":
    main()
