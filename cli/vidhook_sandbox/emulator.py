"""MiniStack as a child that no parent leaves behind: `python -m vidhook_sandbox.emulator`, in a session of its own.

Standard input is a pipe of which only the parent holds the other end. It ends when the parent closes it, and as well
when the parent dies of whatever, SIGKILL included. Then everything here dies at once: the emulator, and the Lambdas it
runs as processes.
"""

import hashlib
import os
import shutil
import signal
import sys
import tempfile
import threading
import zipfile
from pathlib import Path
from typing import Any

from ministack import app
from ministack.services import lambda_svc

unpack = zipfile.ZipFile.extractall
unpacking = threading.Lock()
invoke = lambda_svc._execute_function_dispatch
line = threading.Lock()
cores = os.cpu_count() or 1
turns = threading.BoundedSemaphore(4 * cores)
processes = threading.BoundedSemaphore(64)  # about 70 MB each
remember_origin = app.pin_request_origin


def die_with_parent() -> None:
    sys.stdin.buffer.read()
    shutil.rmtree(tempfile.gettempdir(), ignore_errors=True)
    os.killpg(0, signal.SIGKILL)


def unpack_once(archive: zipfile.ZipFile, path: str) -> None:
    """Makes the empty folder `path` a link to the archive's files, which are unpacked the first time only.

    Each Lambda process has its code and its layers unpacked for itself, which takes longer than all the rest of its
    cold start; on AWS they are read-only, so they may as well be shared.
    """
    contents = repr([(entry.filename, entry.CRC) for entry in archive.infolist()])
    shared = Path(tempfile.gettempdir(), hashlib.sha256(contents.encode()).hexdigest())
    with unpacking:
        if not shared.exists():
            unpack(archive, shared)
    Path(path).rmdir()
    Path(path).symlink_to(shared)


def cores_are_busy() -> bool:
    """Whether more threads want to run than there are cores, where the system tells."""
    try:
        runnable = Path("/proc/loadavg").read_text().split()[3].partition("/")[0]
    except OSError:
        return False
    return int(runnable) > cores


def invoke_in_turn(*invocation: Any) -> Any:
    """Runs a Lambda when its turn comes: AWS has room for a thousand at once, and a machine for a few.

    Four a core take turns, so that a burst uses warm processes again instead of starting cold ones. Whoever is first in
    line for a quarter of a second goes ahead all the same when the cores are idle: then those inside only wait for a
    slow provider or subscriber, and must not hold up the rest. MiniStack's own limit would lose what comes over the
    event bus.
    """
    with processes:
        with line:
            while not (in_turn := turns.acquire(timeout=0.25)) and cores_are_busy():
                pass
        try:
            return invoke(*invocation)
        finally:
            if in_turn:
                turns.release()


def call_loopback_secure(source_ip: str, secure_transport: bool) -> None:
    """Policies that insist on TLS protect what travels through a network; nothing here leaves the machine."""
    remember_origin(source_ip, True)


if __name__ == "__main__":
    threading.Thread(target=die_with_parent, daemon=True).start()
    zipfile.ZipFile.extractall = unpack_once  # type: ignore[assignment,method-assign]
    lambda_svc._execute_function_dispatch = invoke_in_turn
    app.pin_request_origin = call_loopback_secure
    app.main()
