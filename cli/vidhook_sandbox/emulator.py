"""Runs MiniStack as a process that ends with its parent: `python -m vidhook_sandbox.emulator`, in its own session.

Standard input is a pipe from the parent. It ends when the parent closes it or dies, even by SIGKILL. Then the emulator
and all Lambdas, which it runs as processes, are killed.
"""

import hashlib
import json
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
from ministack.core import iam_actions
from ministack.services import lambda_svc
from ministack.services.cloudformation import provisioners

from vidhook_sandbox import forks

unpack = zipfile.ZipFile.extractall
unpacking = threading.Lock()
invoke = lambda_svc._execute_function_dispatch
MOST_PROCESSES = 32  # of a function: 20 MB each where they are forks
WORKING_SECONDS = 1.0
slots = threading.BoundedSemaphore(4 * (os.cpu_count() or 1))
processes: dict[str, threading.BoundedSemaphore] = {}
pin_origin = app.pin_request_origin
alarm_record = provisioners._cw_metric_alarm_record
condition_keys = iam_actions.request_tag_context


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


def invoke_limited(function: Any, config: Any, *invocation: Any) -> Any:
    """Runs a Lambda, with two limits: AWS runs a thousand at the same time, but one machine only a few.

    Four per core may work, so that a burst uses processes again instead of starting its own. An invocation that takes
    longer than WORKING_SECONDS waits for a slow provider or subscriber most of the time, and no longer counts as work:
    it must not delay the others. The second limit bounds those that wait, for each function, so that a subscriber that
    hangs cannot stop the polls. MiniStack's own limit is not used, since it loses events of the bus.
    """
    with processes.setdefault(config["FunctionName"], threading.BoundedSemaphore(MOST_PROCESSES)):
        slots.acquire()
        given_back = threading.Lock()
        waits = threading.Timer(WORKING_SECONDS, give_back, [given_back])
        waits.daemon = True
        waits.start()
        try:
            return invoke(function, config, *invocation)
        finally:
            waits.cancel()
            give_back(given_back)


def give_back(given_back: threading.Lock) -> None:
    """Gives a slot back, the first time."""
    if given_back.acquire(blocking=False):
        slots.release()


def treat_as_tls(source_ip: str, secure_transport: bool) -> None:
    """Treats requests as TLS, which our policies require: they come from this machine, without TLS."""
    pin_origin(source_ip, True)


def with_encryption_context(service: str, action: str, body: bytes, *others: Any) -> Any:
    """Gives IAM the condition keys kms:EncryptionContext:NAME of a request, which MiniStack leaves out."""
    given = json.loads(body).get("EncryptionContext", {}) if service == "kms" else {}
    context = {f"kms:EncryptionContext:{name}": value for name, value in given.items()}
    return {**condition_keys(service, action, body, *others), **context}


def alarm_on_first_metric(name: str, alarm: dict[str, Any]) -> Any:
    """Makes an alarm on an expression one on its first metric, since MiniStack knows no expressions."""
    stats = [each["MetricStat"] for each in alarm.get("Metrics", []) if "MetricStat" in each]
    first = {**stats[0]["Metric"], "Statistic": stats[0]["Stat"], "Period": stats[0]["Period"]} if stats else {}
    return alarm_record(name, {**alarm, **first, "Metrics": None})


if __name__ == "__main__":
    threading.Thread(target=die_with_parent, daemon=True).start()
    zipfile.ZipFile.extractall = unpack_once  # type: ignore[assignment,method-assign]
    lambda_svc._execute_function_dispatch = invoke_limited
    if sys.platform == "linux":  # elsewhere a fork may not use the system's libraries
        forks.install()
    app.pin_request_origin = treat_as_tls
    iam_actions.request_tag_context = with_encryption_context
    provisioners._cw_metric_alarm_record = alarm_on_first_metric
    app.main()
