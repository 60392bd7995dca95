"""`vidhook sandbox`: one JSON line when it is up, one clear line when it cannot be, and nothing left behind."""

import contextlib
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import boto3
import pytest

from vidhook_sandbox import ROOT

COMMAND = [sys.executable, "-c", "from vidhook_cli.main import main; main()", "sandbox"]
NAMED = {"endpoint", "bus", "submit_function", "watch_arn", "bucket", "table", "provider_secret"}


@contextlib.contextmanager
def sandbox(*arguments: str) -> Iterator[tuple[subprocess.Popen[str], dict[str, Any]]]:
    with subprocess.Popen([*COMMAND, *arguments], stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout
            yield process, json.loads(process.stdout.readline())
        finally:
            process.kill()


def processes_of(home: str) -> list[Path]:
    """The places in /proc of all processes whose environment has the sandbox's own folder."""
    found = []
    for process in Path("/proc").iterdir():
        with contextlib.suppress(OSError):
            if process.name.isdigit() and home in (process / "environ").read_text(errors="replace"):
                found.append(process)
    return found


@pytest.mark.skipif(sys.platform != "linux", reason="looks for processes in /proc")
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
def test_however_it_ends_it_leaves_no_process_and_no_folder(number: signal.Signals) -> None:
    """Lambdas are processes here: one left behind would poll providers for ever."""
    with sandbox() as (process, facts):
        home = str(Path(facts["log"]).parent)
        aws = boto3.client(
            "lambda",
            endpoint_url=facts["endpoint"],
            region_name=facts["region"],
            aws_access_key_id="test",
            aws_secret_access_key="test",
        )
        task = json.dumps({"provider": "alad", "task_id": "never polled: its first pause outlasts the test"})
        aws.invoke(FunctionName=facts["submit_function"], Payload=task)
        assert len(processes_of(home)) >= 2  # the emulator and a Lambda
        process.send_signal(number)
        process.wait(10)
        assert process.returncode == (-signal.SIGKILL if number == signal.SIGKILL else 0)
    deadline = time.monotonic() + 5
    while (processes_of(home) or Path(home).exists()) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert processes_of(home) == []
    assert not Path(home).exists()


@pytest.fixture(scope="module")
def facts() -> Iterator[dict[str, Any]]:
    with sandbox("--auth", "--wait-scale", "0.5") as (_, facts):
        yield facts


def test_its_one_line_names_all_that_a_client_needs(facts: dict[str, Any]) -> None:
    """Programs in any language start it and read the line."""
    assert facts.keys() >= NAMED
    assert facts["endpoint"].startswith("http://127.0.0.1:")
    assert all(isinstance(value, str) and value for value in facts.values())


@pytest.mark.skipif(sys.platform != "linux", reason="looks for sockets in /proc")
def test_it_listens_on_loopback_alone(facts: dict[str, Any]) -> None:
    """Its root key is known to everybody."""
    home = str(Path(facts["log"]).parent)
    handles = [handle for process in processes_of(home) for handle in (process / "fd").iterdir()]
    sockets = {str(handle.readlink()) for handle in handles if handle.is_symlink()}
    listening = [
        fields[1]
        for table in ("/proc/net/tcp", "/proc/net/tcp6")
        for fields in (line.split() for line in Path(table).read_text().splitlines()[1:])
        if fields[3] == "0A" and f"socket:[{fields[9]}]" in sockets
    ]
    port = int(facts["endpoint"].rpartition(":")[2])
    assert listening == [f"0100007F:{port:04X}"]


def test_a_port_in_use_ends_in_one_line() -> None:
    """The commonest accident: another sandbox is running."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        ended = subprocess.run([*COMMAND, "--port", port], capture_output=True, text=True, timeout=30)
    assert ended.returncode == 1
    assert ended.stdout == ""
    assert ended.stderr.count("\n") == 1
    assert port in ended.stderr


def test_a_template_that_cannot_be_deployed_ends_in_one_line(tmp_path: Path) -> None:
    """Whoever edits the template must read what is wrong with it, not a traceback."""
    for name in ("functions", "layers", "statemachines", "events", "build"):
        if (ROOT / name).exists():
            (tmp_path / name).symlink_to(ROOT / name)
    broken = (ROOT / "template.yaml").read_text().replace("Type: AWS::Events::EventBus", "Type: AWS::Events::EventBuss")
    (tmp_path / "template.yaml").write_text(broken)
    start = "import sys, pathlib, vidhook_sandbox.cloud as cloud; cloud.ROOT = pathlib.Path(sys.argv.pop(1)); "
    command = [sys.executable, "-c", start + "from vidhook_cli.main import main; main()", str(tmp_path), "sandbox"]
    ended = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert ended.returncode == 1
    assert ended.stdout == ""
    assert ended.stderr.count("\n") == 1
    assert "Bus" in ended.stderr


def test_a_machine_without_ministack_is_told_what_to_install(tmp_path: Path) -> None:
    """The sandbox is an extra; the rest of the command works without."""
    (tmp_path / "sitecustomize.py").write_text(
        "import importlib.util as u\nreal = u.find_spec\n"
        "u.find_spec = lambda name, *rest: None if name == 'ministack' else real(name, *rest)\n"
    )
    environment = {**os.environ, "PYTHONPATH": str(tmp_path)}
    ended = subprocess.run(COMMAND, capture_output=True, text=True, timeout=30, env=environment)
    assert ended.returncode == 1
    assert "ministack" in ended.stderr
    assert ended.stderr.count("\n") == 1


@pytest.mark.skipif(shutil.which("make") is None, reason="needs make")
def test_the_layer_is_built_once_for_the_same_sources(tmp_path: Path) -> None:
    """Building costs seconds; the zip is kept under a name that its sources give."""
    from vidhook_sandbox.package import pack

    source = tmp_path / "layers" / "one"
    source.mkdir(parents=True)
    (source / "Makefile").write_text(
        'build-One:\n\techo made >> "$(CURDIR)/../made"\n\tcp thing.py "$(ARTIFACTS_DIR)/"\n'
    )
    (tmp_path / "template.yaml").write_text(
        "Resources:\n  One: {Type: 'AWS::Serverless::LayerVersion', Properties: {ContentUri: layers/one}}\n"
    )
    packed = []
    for content in ("A = 1\n", "A = 1\n", "A = 2\n"):
        (source / "thing.py").write_text(content)
        packed.append(pack(tmp_path / "template.yaml", "bucket", tmp_path / "kept"))
    assert packed[0] == packed[1] != packed[2]
    assert (tmp_path / "layers" / "made").read_text() == "made\nmade\n"
    assert len(list((tmp_path / "kept").iterdir())) == 1  # what is outdated goes
