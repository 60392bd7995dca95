"""Runs MiniStack as a process that ends with its parent: `python -m vidhook_sandbox.emulator`, in its own session.

Standard input is a pipe from the parent. It ends when the parent closes it or dies, even by SIGKILL. Then the emulator
and all Lambdas, which it runs as processes, are killed.
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
first_in_queue = threading.Lock()
cores = os.cpu_count() or 1
slots = threading.BoundedSemaphore(4 * cores)
processes = threading.BoundedSemaphore(64)  # about 70 MB each
pin_origin = app.pin_request_origin


def die_with_parent() -> None:
    sys.stdin.buffer.read()
    shutil.rmtree(tempfile.gettempdir(), ignore_errors=True)
    os.killpg(0, signal.SIGKILL)


def unpack_once(archive: zipfile.ZipFile, path: str) -> None:
    """Replaces the empty folder `path` by a link to the archive's files, which are unpacked only the first time.

    MiniStack unpacks the code and the layers for each Lambda process, and this takes most of a cold start. They can be
    shared, since they are read-only on AWS too.
    """
    contents = repr([(entry.filename, entry.CRC) for entry in archive.infolist()])
    shared = Path(tempfile.gettempdir(), hashlib.sha256(contents.encode()).hexdigest())
    with unpacking:
        if not shared.exists():
            unpack(archive, shared)
    Path(path).rmdir()
    Path(path).symlink_to(shared)


def cores_are_busy() -> bool:
    """Returns whether more threads are runnable than there are cores; False where the system does not say it."""
    try:
        runnable = Path("/proc/loadavg").read_text().split()[3].partition("/")[0]
    except OSError:
        return False
    return int(runnable) > cores


def invoke_limited(*invocation: Any) -> Any:
    """Runs a Lambda, with a limit: AWS runs a thousand at the same time, but one machine only a few.

    Normally four per core run, so that a burst uses warm processes again instead of starting cold ones. An invocation
    that has waited for 0.25 s runs in any case when the cores are idle: then the others only wait for a slow provider
    or subscriber, and must not delay the rest. MiniStack's own limit is not used, since it loses events of the bus.
    """
    with processes:
        with first_in_queue:
            while not (has_slot := slots.acquire(timeout=0.25)) and cores_are_busy():
                pass
        try:
            return invoke(*invocation)
        finally:
            if has_slot:
                slots.release()


def treat_as_tls(source_ip: str, secure_transport: bool) -> None:
    """Treats requests as TLS, which our policies require: they come from this machine, without TLS."""
    pin_origin(source_ip, True)


if __name__ == "__main__":
    threading.Thread(target=die_with_parent, daemon=True).start()
    zipfile.ZipFile.extractall = unpack_once  # type: ignore[assignment,method-assign]
    lambda_svc._execute_function_dispatch = invoke_limited
    app.pin_request_origin = treat_as_tls
    app.main()
