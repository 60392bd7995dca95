"""Lambda processes that cost little: each is a fork of one that has loaded its function.

MiniStack starts an interpreter for each invocation that comes while others run: a second of work, and 70 MB. Here only
the first process of a function starts so. It serves no invocation: it forks those that do, which takes milliseconds,
and they share with it what they do not change. As on AWS, a process serves one invocation at a time.
"""

import json
import os
import queue
import signal
import subprocess
import tempfile
import threading
import time
from pathlib import Path
from typing import Any

from ministack.core import lambda_runtime

spawn = lambda_runtime.Worker._spawn
IDLE_SECONDS = 10  # a process that nothing was given to for so long makes room for the next one
ENDS = ("in", "out", "err")
LOOP = """
    while True:
        line = sys.stdin.readline()
"""
# Put before the loop of MiniStack's own program. Each line of standard input is the folder of the pipes of one fork.
FORK = """
    import signal
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    for _folder in iter(sys.stdin.readline, ""):
        if os.fork() == 0:
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            for _fd, _name in enumerate(("in", "out", "err")):
                os.dup2(os.open(os.path.join(_folder.strip(), _name), os.O_WRONLY if _fd else os.O_RDONLY), _fd)
            sys.stdin = open(0, closefd=False)
            _real_stdout.write(f"{os.getpid()}\\n")
            _real_stdout.flush()
            break
    else:
        return
"""

first: dict[str, tuple[str, Any]] = {}  # by function: how it was configured, and MiniStack's worker that forks
starting: dict[str, threading.Lock] = {}


class Forked:
    """A process that another one forks: what MiniStack uses of subprocess.Popen."""

    def __init__(self, parent: "subprocess.Popen[str]") -> None:
        assert parent.stdin
        with tempfile.TemporaryDirectory(prefix="fork-") as folder:
            for name in ENDS:
                os.mkfifo(Path(folder, name))
            parent.stdin.write(f"{folder}\n")
            parent.stdin.flush()
            self.stdin = Path(folder, "in").open("w", buffering=1)  # noqa: SIM115 -- as long as the process
            self.stdout = Path(folder, "out").open()  # noqa: SIM115
            self.stderr = Path(folder, "err").open()  # noqa: SIM115
        self.pid = int(self.stdout.readline())

    def poll(self) -> int | None:
        """Returns None while it runs. Its parent reaps it, so nobody knows how it ended."""
        try:
            os.kill(self.pid, 0)
        except ProcessLookupError:
            return 0
        return None

    def terminate(self) -> None:
        os.kill(self.pid, signal.SIGTERM)

    def kill(self) -> None:
        os.kill(self.pid, signal.SIGKILL)

    def wait(self, timeout: float) -> int:
        deadline = time.monotonic() + timeout
        while self.poll() is None:
            if time.monotonic() > deadline:
                raise subprocess.TimeoutExpired("a Lambda", timeout)
            time.sleep(0.01)
        return 0


def fork(worker: Any) -> None:
    """Gives a worker of MiniStack its process; the first time, or after a change, one that forks is started."""
    lambda_runtime.reap_idle_workers(IDLE_SECONDS)
    name, configured = worker.func_name, json.dumps(worker.config, sort_keys=True, default=str)
    with starting.setdefault(name, threading.Lock()):
        known, parent = first.get(name, ("", None))
        if known != configured or parent._proc.poll() is not None:
            lambda_runtime.kill_workers([parent])
            parent = lambda_runtime.Worker(name, worker.config, worker.code_zip)
            spawn(parent)
            first[name] = configured, parent
        worker._proc = Forked(parent._proc)
    worker._stderr_queue = queue.Queue()
    worker._stderr_thread = threading.Thread(target=worker._read_stderr, daemon=True)
    worker._stderr_thread.start()


def install() -> None:
    """Makes MiniStack fork its Lambda processes from now on."""
    assert lambda_runtime._PYTHON_WORKER_SCRIPT.count(LOOP) == 1
    lambda_runtime._PYTHON_WORKER_SCRIPT = lambda_runtime._PYTHON_WORKER_SCRIPT.replace(LOOP, FORK + LOOP)
    lambda_runtime.Worker._spawn = fork
