"""How light a function starts: CPU until its handler is ready, and how long its first invocation takes.

    .venv/bin/python -m bench.start
    .venv/bin/python -m bench.start --runs 20

Built as `make build` builds it, with this Python in the place of Lambda's, and run in fresh processes beside RIVALS, a
plain `sam build` of the same handlers. Bytecode is never written while it is measured, as on Lambda. Real: the built
artifacts, TLS on every connection with the whole CA bundle, the sandbox's cloud behind it. Simulated: a function's
share of a CPU (`Share`), and Lambda itself, whose own start is the same for all.

`start` is the CPU from the start of the process until the handler is ready, its clients made: all builds have the same
handlers. `first` is the wall time of the first invocation at the function's share, of it `servers` the time in which a
server worked on an answer, which is this machine's. `both` is the CPU of start and first invocation together.
"""

import argparse
import json
import os
import shutil
import ssl
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.client import HTTPConnection
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Lock, Thread
from typing import Any, cast

import boto3
import trustme
from samtranslator.yaml_helper import yaml_parse

from bench.tables import judged, save, table
from vidhook import subscribers
from vidhook.edges.http import Http
from vidhook.task import Submission
from vidhook.wiring import Edges
from vidhook_sandbox.cloud import REGION, Cloud, running

ROOT = Path(__file__).parents[1]
RESULTS = ROOT / "bench/results/start.json"
LAYER = ROOT / "layers/vidhook"
TEMPLATE: dict[str, Any] = yaml_parse((ROOT / "template.yaml").read_text("utf-8"))
FUNCTIONS = {
    "submit_task": "SubmitTaskFunction",
    "poll_task": "PollTaskFunction",
    "publish_event": "PublishEventFunction",
    "redeliver_event": "RedeliverEventFunction",
    "serve_api": "ServeApiFunction",
}
RUNTIME = "python{}.{}".format(*sys.version_info)  # this one, in the place of Lambda's
INVOKED = ("poll_task", "publish_event")
OURS = "vidhook"
RIVALS = ("stock", "stock, boto3 with bytecode")
OF_THE_RUNTIME = ("boto3", "botocore", "s3transfer", "dateutil", "six.py")
AT_MOST = {"start over stock": 0.35, "first poll_task, ms": 80, "first publish_event, ms": 150}
# https://docs.aws.amazon.com/lambda/latest/dg/configuration-memory.html: at 1,769 MB a function has one whole vCPU.
MEMORY_OF_A_CPU = 1_769
GROUPS = {"v1": Path("/sys/fs/cgroup/cpu"), "v2": Path("/sys/fs/cgroup")}  # where Linux has control groups
PERIOD = 20_000  # microseconds; Lambda deals out CPU in periods of 20 ms
VIDEO = b"\x00\x00\x00\x18ftypmp42" + bytes(100_000)
PROVIDER = """
name = "bench"
base_url = "{url}"
path = "/provider/{{task_id}}"
[answer]
status = "status"
[assets]
result = "url"
"""
# What a rival has in the place of vidhook's way to make clients: what the documentation of boto3 shows.
PLAIN_CLIENTS = '''"""Makes the clients of AWS's services."""
from typing import Any
import boto3
from botocore.config import Config
def client(service: str, **config: Any) -> Any:
    return boto3.client(service, config=Config(**config))
'''
CHILD = """
import json, os, sys, time
said = os.fdopen(os.dup(1), "w")
os.dup2(2, 1)
sys.path[:0] = json.loads(sys.argv[1])
handler = __import__(sys.argv[2]).handler
print(time.process_time(), file=said, flush=True)
class Context:
    function_name, memory_limit_in_mb, aws_request_id = sys.argv[2], 512, "1"
    invoked_function_arn = "arn:aws:lambda:us-east-1:123456789012:function:bench"
    get_remaining_time_in_millis = lambda _: 900_000
for line in sys.stdin:
    began, used = time.perf_counter(), time.process_time()
    handler(json.loads(line), Context())
    print([time.perf_counter() - began, time.process_time() - used], file=said, flush=True)
"""


@dataclass(frozen=True)
class Artifact:
    """The folders that Lambda would have on its path."""

    path: tuple[Path, ...]


@dataclass(frozen=True)
class Start:
    """Of one fresh process: milliseconds. `first` and what follows are None where nothing was invoked."""

    start: float
    first: float | None = None
    servers: float | None = None
    first_cpu: float | None = None
    second: float | None = None


def artifacts(folder: Path, bundle: bytes) -> dict[str, Artifact]:
    """Builds all that is compared; `bundle` is added to the CA bundle of each."""
    layer, stock, runtime = folder / "layer", folder / "stock", folder / "runtime"
    given = (f"ARTIFACTS_DIR={layer}", f"PYTHON={sys.executable}", f"COMPILER={sys.executable}", f"RUNTIME={RUNTIME}")
    _run("make", "-C", str(LAYER), "build-VidhookLayer", *given)
    pip = (sys.executable, "-m", "pip", "install", "--no-deps", "--no-compile", "--target", str(stock))
    _run(*pip, "-r", str(LAYER / "requirements.txt"))
    uncompiled = shutil.ignore_patterns("__pycache__")
    shutil.copytree(LAYER / "vidhook", stock / "vidhook", ignore=uncompiled)
    (stock / "vidhook/edges/aws.py").write_text(PLAIN_CLIENTS, "utf-8")
    functions = shutil.copytree(ROOT / "functions", folder / "functions", ignore=uncompiled)
    shutil.copytree(functions, stock, dirs_exist_ok=True)
    runtime.mkdir()
    for name in OF_THE_RUNTIME:
        place = stock / name
        if place.is_dir():
            shutil.rmtree(place)
        place.unlink(missing_ok=True)
        source = Path(boto3.__file__).parents[1] / name
        if source.is_dir():
            shutil.copytree(source, runtime / name, ignore=uncompiled)
        else:
            shutil.copy(source, runtime / name)
    compiled = shutil.copytree(runtime, folder / "compiled")
    _run(sys.executable, "-m", "compileall", "-q", "--invalidation-mode", "unchecked-hash", str(compiled))
    for certificates in folder.glob("*/**/certifi/cacert.pem"):
        with certificates.open("ab") as file:
            file.write(b"\n" + bundle)
    return {
        OURS: Artifact((functions, layer / "python", runtime)),
        RIVALS[0]: Artifact((stock, runtime)),
        RIVALS[1]: Artifact((stock, compiled)),
    }


def _run(*command: str) -> None:
    ended = subprocess.run(command, capture_output=True, text=True)
    if ended.returncode:
        raise SystemExit(ended.stderr)


@dataclass
class Front:
    """One TLS server on loopback: the provider, a subscriber, and the sandbox's cloud behind it."""

    cloud: str
    context: ssl.SSLContext
    worked: float = 0.0  # seconds in which an answer was worked on
    lock: Lock = field(default_factory=Lock)

    @contextmanager
    def serving(self) -> Iterator[str]:
        """Yields its URL."""
        front = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            disable_nagle_algorithm = True
            wbufsize = -1

            def answer(self) -> None:
                body = self.rfile.read(int(self.headers.get("content-length") or 0))
                began = time.perf_counter()
                status, headers, content = front.answer(self.command, self.path, dict(self.headers), body)
                self.send_response(status)
                for name, value in headers.items():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(content)
                with front.lock:
                    front.worked += time.perf_counter() - began

            def handle_expect_100(self) -> bool:
                """Tells S3's client to go on; it would wait a second for what stays in the buffer."""
                super().handle_expect_100()
                self.wfile.flush()
                return True

            do_GET = do_POST = do_PUT = do_HEAD = answer  # noqa: N815 - the names http.server calls

            def log_message(self, *_: object) -> None:
                """A bench prints its figures only."""

        server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        server.socket = self.context.wrap_socket(server.socket, server_side=True)
        Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
        try:
            yield f"https://127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()
            server.server_close()

    def answer(self, method: str, path: str, headers: dict[str, str], body: bytes) -> tuple[int, dict[str, str], bytes]:
        """Status, headers and body."""
        if path.startswith("/provider/"):
            answer = {"status": "completed", "url": f"https://{headers['Host']}/video.mp4"}
            return _whole(json.dumps(answer).encode(), "application/json")
        if path == "/video.mp4":
            return _whole(VIDEO, "video/mp4")
        if path == "/subscriber":
            return _whole(b"ok", "text/plain")
        upstream = HTTPConnection(self.cloud)
        upstream.request(method, path, body, {k: v for k, v in headers.items() if k.lower() != "expect"})
        answered = upstream.getresponse()
        content = answered.read()
        upstream.close()
        kept = {name: value for name, value in answered.getheaders() if name.lower() not in HOP_BY_HOP}
        return answered.status, {"Content-Length": str(len(content)), **kept}, content


HOP_BY_HOP = ("connection", "transfer-encoding", "keep-alive", "date", "server")


def _whole(content: bytes, kind: str) -> tuple[int, dict[str, str], bytes]:
    return 200, {"Content-Type": kind, "Content-Length": str(len(content))}, content


class Share:
    """Gives a process a function's share of a CPU: by a quota of a control group, where this machine lets us make one.

    Elsewhere its CPU runs whole, and `wall` stretches it: the CPU time divided by the share, and the rest as it was.
    """

    def __init__(self) -> None:
        self._group: Path | None = None
        for version, above in GROUPS.items():
            group = above / f"vidhook-bench-{os.getpid()}"
            try:
                group.mkdir()
                self._version, self._group = version, group
                (group / "cgroup.procs").read_text()  # else it is a folder, and no group
                self._limit(1.0)
                return
            except OSError:
                self.close()

    @property
    def how(self) -> str:
        return f"quota of a control group ({self._version})" if self._group else "computed: CPU time / share + the rest"

    def _limit(self, share: float) -> None:
        assert self._group
        quota = str(int(PERIOD * share))
        if self._version == "v2":
            (self._group / "cpu.max").write_text(f"{quota} {PERIOD}")
            return
        (self._group / "cpu.cfs_period_us").write_text(str(PERIOD))
        (self._group / "cpu.cfs_quota_us").write_text(quota)

    def give(self, process: int, share: float) -> None:
        """From now on the process gets so much of a CPU."""
        if self._group:
            self._limit(share)
            (self._group / "cgroup.procs").write_text(str(process))

    def wall(self, wall: float, cpu: float, share: float) -> float:
        """How long what took so long, and so much CPU, takes at the share."""
        return wall if self._group else wall + cpu * (1 / share - 1)

    def close(self) -> None:
        """Removes the group, which must be empty."""
        if self._group:
            self._group.rmdir()
        self._group = None


def share_of(function: str) -> float:
    """The share of a CPU that a function's memory brings."""
    usual = TEMPLATE["Globals"]["Function"]["MemorySize"]
    memory: int = TEMPLATE["Resources"][FUNCTIONS[function]]["Properties"].get("MemorySize", usual)
    return min(1.0, memory / MEMORY_OF_A_CPU)


class Bench:
    """Fresh processes in one world."""

    def __init__(self, cloud: Cloud, front: Front, url: str, authority: trustme.CA, share: Share) -> None:
        self.front, self.share = front, share
        settings = {name.upper(): value for name, value in cloud.outputs.items()}
        self.edges = Edges(settings, client=cloud.client)
        trusting = ssl.create_default_context()
        authority.configure_trust(trusting)
        self.edges.http = Http(allowed_networks=["127.0.0.0/8"], ssl_context=trusting)
        here = self.edges
        here.ledger.providers.put("bench", PROVIDER.format(url=url))
        parts = {"ledger": here.ledger, "secrets": here.secrets, "http": here.http, "clock": here.clock}
        subscribers.add(subscribers.Terms(f"{url}/subscriber"), **cast(Any, parts))
        self.environment = {
            **settings,
            "ALLOWED_NETWORKS": "127.0.0.0/8",
            "DEFAULT_DEADLINE_SECONDS": "86400",
            "AWS_ENDPOINT_URL": url,
            "AWS_REGION": REGION,
            "AWS_DEFAULT_REGION": REGION,
            "AWS_ACCESS_KEY_ID": "test",
            "AWS_SECRET_ACCESS_KEY": "test",
        }
        self._tasks = 0

    def watch(self) -> str:
        """The id of a new watch that no execution follows."""
        self._tasks += 1
        submission = Submission("bench", f"t{self._tasks}")
        return self.edges.ledger.tasks.claim(submission, "run-1", 10, self.edges.clock.now())[0].id

    def started(self, artifact: Artifact, function: str, watch: str | None = None) -> Start:
        """One fresh process; with a watch its handler is invoked twice with it."""
        path = json.dumps([str(each) for each in artifact.path])
        with subprocess.Popen(
            [sys.executable, "-I", "-S", "-B", "-c", CHILD, path, function],
            env=self.environment | {"AWS_LAMBDA_FUNCTION_NAME": function},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        ) as child:
            assert child.stdin
            assert child.stdout
            line = child.stdout.readline()
            if not line:
                raise SystemExit(f"{function} does not start:\n{child.communicate()[1]}")
            start = json.loads(line) * 1e3
            if watch is None:
                child.stdin.close()
                return Start(start)
            share = share_of(function)
            self.share.give(child.pid, share)
            taken = []
            for _ in range(2):
                self.front.worked = 0.0
                child.stdin.write(json.dumps({"watch": watch, "execution": "run-1"}) + "\n")
                child.stdin.flush()
                line = child.stdout.readline()
                if not line:
                    raise SystemExit(f"{function} fails:\n{child.communicate()[1]}")
                wall, cpu = json.loads(line)
                taken.append((self.share.wall(wall, cpu, share) * 1e3, self.front.worked * 1e3, cpu * 1e3))
            child.stdin.close()
            child.wait()
        (first, servers, first_cpu), (second, _, _) = taken
        return Start(start, first, servers, first_cpu, second)


def measured(bench: Bench, built: Mapping[str, Artifact], runs: int) -> dict[str, dict[str, dict[str, float]]]:
    """The medians, by function and artifact. Artifacts take turns, so that a busy moment hits all."""
    seen: dict[tuple[str, str], list[Start]] = {}
    for number in range(runs + 1):
        for name, artifact in built.items():
            watch = bench.watch()
            for function in FUNCTIONS:
                start = bench.started(artifact, function, watch if function in INVOKED else None)
                if number:  # the first round fills the system's file cache
                    seen.setdefault((function, name), []).append(start)
    found: dict[str, dict[str, dict[str, float]]] = {function: {} for function in FUNCTIONS}
    for (function, name), starts in seen.items():
        found[function][name] = _medians(starts)
    return found


def _medians(starts: list[Start]) -> dict[str, float]:
    columns: dict[str, float] = {"start": statistics.median(each.start for each in starts)}
    if starts[0].first is None:
        return columns
    for column in ("first", "servers", "first_cpu", "second"):
        columns[column] = statistics.median(getattr(each, column) for each in starts)
    columns["both"] = statistics.median(each.start + (each.first_cpu or 0) for each in starts)
    return columns


def ratios(found: Mapping[str, Mapping[str, Mapping[str, float]]]) -> dict[str, dict[str, Any]]:
    """Ours over each rival's, by function, and the geometric mean."""
    rows: dict[str, dict[str, Any]] = {}
    for column in ("start", "both"):
        for rival in RIVALS:
            each = {
                function: found[function][OURS][column] / found[function][rival][column]
                for function in FUNCTIONS
                if column in found[function][OURS]
            }
            rows[f"{column} over {rival}"] = {function: each.get(function) for function in FUNCTIONS} | {
                "mean": statistics.geometric_mean(each.values())
            }
    return rows


def aims(found: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """What a start is to cost at most, and does."""
    reached = {
        "start over stock": found["ratios"]["start over stock"]["mean"],
        "first poll_task, ms": found["measured"]["poll_task"][OURS]["first"],
        "first publish_event, ms": found["measured"]["publish_event"][OURS]["first"],
    }
    return judged({name: (AT_MOST[name], value) for name, value in reached.items()})


def show(results: Mapping[str, Any]) -> None:
    """The tables: milliseconds by function, ratios, aims."""
    names = ("start", "both", "first", "servers", "first_cpu", "second")
    for function in FUNCTIONS:
        found = results["measured"][function]
        rows = {name: {column: each.get(column) for column in names} for name, each in found.items()}
        table(f"{function}, ms at {results['shares'][function]:.2f} CPU", rows)
    table("CPU, over a rival's", results["ratios"])
    table("aims", results["aims"])
    print(f"the share of a CPU: {results['share by']}")


def main() -> None:
    """Measures, prints the tables and writes bench/results/start.json."""
    parser = argparse.ArgumentParser(description="How light a function starts, beside a plain `sam build`.")
    parser.add_argument("--runs", type=int, default=10, help="so many fresh processes each; the median counts")
    given = parser.parse_args()
    authority = trustme.CA()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    share = Share()
    try:
        with tempfile.TemporaryDirectory() as folder, running() as cloud:
            built = artifacts(Path(folder), authority.cert_pem.bytes())
            front = Front(cloud.endpoint.removeprefix("http://"), context)
            with front.serving() as url:
                found = measured(Bench(cloud, front, url, authority, share), built, given.runs)
        how = share.how
    finally:
        share.close()
    results: dict[str, Any] = {
        "command": f"python -m bench.start --runs {given.runs}",
        "runtime": RUNTIME,
        "runs": given.runs,
        "share by": how,
        "shares": {function: share_of(function) for function in FUNCTIONS},
        "measured": found,
        "ratios": ratios(found),
    }
    results["aims"] = aims(results)
    show(results)
    save(results, RESULTS)


if __name__ == "__main__":
    main()
