"""`vidhook sandbox` says that it is ready, in JSON or in commands to type, or one clear error; it leaves nothing."""

import contextlib
import json
import os
import pty
import re
import select
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import boto3
import click
import pytest
import requests
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

from tests.integration.test_command import KEYS
from vidhook_sandbox import ROOT
from vidhook_sandbox.package import pack

COMMAND = [sys.executable, "-c", "from vidhook_cli.main import main; main()", "sandbox"]
NAMED = {
    "endpoint",
    "region",
    "stack",
    "log",
    "api_url",
    "submit_function",
    "bus",
    "watch_arn",
    "provider_secret",
    "console",
}


# What other programs read: LocalStack and its clones, the AWS SDK, HTTP clients, Python, our functions.
OF_OTHERS = {
    "SERVICES": "s3,sqs",
    "LAMBDA_EXECUTOR": "docker",
    "PERSIST_STATE": "1",
    "USE_SSL": "1",
    "LOG_LEVEL": "none",
    "AWS_PROFILE": "gone",
    "HTTP_PROXY": "http://127.0.0.1:9",
    "http_proxy": "http://127.0.0.1:9",
    "PYTHONIOENCODING": "utf-8:strict",
    "PYTHONOPTIMIZE": "2",
    "PYTHONWARNINGS": "error",
    "TABLE": "none",
}


@contextlib.contextmanager
def sandbox(*arguments: str, **settings: str) -> Iterator[tuple[subprocess.Popen[str], dict[str, str]]]:
    """The process of the command and what it printed, while it runs."""
    environment = {**os.environ, **settings}
    with subprocess.Popen([*COMMAND, *arguments], stdout=subprocess.PIPE, text=True, env=environment) as process:
        try:
            assert process.stdout
            yield process, json.loads(process.stdout.readline())
        finally:
            process.kill()


def processes_of(home: str) -> list[Path]:
    """The folders in /proc of all processes whose environment has the sandbox's own folder."""
    found = []
    for process in Path("/proc").iterdir():
        with contextlib.suppress(OSError):
            if process.name.isdigit() and home in (process / "environ").read_text(errors="replace"):
                found.append(process)
    return found


def lambda_of(facts: dict[str, str]) -> Any:
    """The client of the sandbox's Lambda, made as any program does from what the sandbox prints."""
    return boto3.client(
        "lambda",
        endpoint_url=facts["endpoint"],
        region_name=facts["region"],
        aws_access_key_id="test",
        aws_secret_access_key="test",
    )


@pytest.mark.skipif(sys.platform != "linux", reason="looks for processes in /proc")
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
def test_however_it_ends_it_leaves_no_process_and_no_folder(number: signal.Signals) -> None:
    """Functions are processes here, and one that is left behind would poll providers for ever."""
    with sandbox() as (process, facts):
        home = str(Path(facts["log"]).parent)
        aws = lambda_of(facts)
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
def facts() -> Iterator[dict[str, str]]:
    with sandbox("--auth", "--wait-scale", "0.5") as (_, facts):
        yield facts


def test_its_line_has_all_that_a_client_needs(facts: dict[str, str]) -> None:
    """A program in any language can start the sandbox and read that line."""
    assert facts.keys() >= NAMED
    assert facts["endpoint"].startswith("http://127.0.0.1:")
    assert all(isinstance(value, str) and value for value in facts.values())


def test_the_output_apiurl_is_an_address_that_answers(facts: dict[str, str]) -> None:
    """A program finds the HTTP API as it does on AWS: in the outputs of the stack."""
    cloud = boto3.Session("test", "test", region_name=facts["region"])
    [stack] = cloud.client("cloudformation", endpoint_url=facts["endpoint"]).describe_stacks()["Stacks"]
    [url] = [each["OutputValue"] for each in stack["Outputs"] if each["OutputKey"] == "ApiUrl"]
    request = AWSRequest("GET", f"{url}/v1/tasks")
    SigV4Auth(Credentials("test", "test"), "execute-api", facts["region"]).add_auth(request)
    answer = requests.get(f"{url}/v1/tasks", headers=dict(request.headers), timeout=60)
    assert (answer.status_code, answer.json()["next"]) == (200, None)


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere no function is forked")
def test_invocations_at_once_are_forks_of_one_process(facts: dict[str, str]) -> None:
    """An interpreter for each would take a second and 70 MB, and a burst all of a machine."""
    aws = lambda_of(facts)

    def submit(number: int) -> bool:
        wrong = number % 3 == 0
        task = {"provider": "nobody" if wrong else "alad", "task_id": f"at once {number}"}
        answer = aws.invoke(FunctionName=facts["submit_function"], Payload=json.dumps(task))
        return ("FunctionError" in answer) is wrong  # the process of a handler that raised is not used again

    with ThreadPoolExecutor(8) as senders:
        assert all(senders.map(submit, range(40)))
    parents = Counter(
        (process / "stat").read_text().rpartition(")")[2].split()[1]
        for process in processes_of(str(Path(facts["log"]).parent))
        if "SubmitTask" in (process / "cmdline").read_text()
    )
    first, forks = sorted(parents.values())
    assert first == 1
    assert 1 < forks <= 32


@pytest.mark.skipif(sys.platform != "linux", reason="looks for sockets in /proc")
def test_it_listens_on_loopback_only(facts: dict[str, str]) -> None:
    """Its root key is public, so no other machine may reach it."""
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


@pytest.mark.slow
def test_with_samples_any_task_ends_in_a_webhook_whatever_the_settings_of_other_programs() -> None:
    """Whoever tries vidhook has no task at a provider yet, and no endpoint; but often LocalStack, and its settings."""
    with sandbox("--samples", "--wait-scale", "0.02", **OF_OTHERS) as (process, facts):
        task = {"provider": "vibepeak", "task_id": "tried out/1", "metadata": {"order": "17"}}
        lambda_of(facts).invoke(FunctionName=facts["submit_function"], Payload=json.dumps(task))
        assert process.stdout
        webhook = json.loads(process.stdout.readline())
    assert facts.keys() >= NAMED | {"sample_provider", "sample_subscriber"}
    assert webhook.keys() == KEYS["sandbox --samples"]
    assert (webhook["problem"], webhook["event"]["type"]) == (None, "video.completed")
    assert webhook["event"]["data"]["metadata"] == {"order": "17"}
    assert webhook["event"]["data"]["assets"][0]["stored"]


def on_terminal(terminal: int, until: str) -> list[str]:
    """The lines that a command writes on its terminal, without the controls, up to a text that must come."""
    written = ""
    while until not in written:
        assert select.select([terminal], [], [], 60)[0], written
        written += os.read(terminal, 65_536).decode()
    return re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", written).splitlines()


@pytest.mark.slow
def test_on_a_terminal_it_shows_commands_that_work_as_they_are(tmp_path: Path) -> None:
    """They are copied into a shell in another folder, whose user may have AWS settings of their own."""
    ours, theirs = pty.openpty()
    users = {"PATH": os.defpath, "HOME": str(tmp_path), "TERM": "xterm"}
    users |= {"AWS_ACCESS_KEY_ID": "AKIA", "AWS_DEFAULT_REGION": "eu-central-1"}
    vidhook = str(Path(sys.executable).with_name("vidhook"))
    with subprocess.Popen(
        [vidhook, "sandbox", "--samples", "--wait-scale", "0.02"], stdout=theirs, env=users
    ) as process:
        os.close(theirs)
        try:
            shown = on_terminal(ours, until="ministack.log")
            [begin, end] = [
                number for number, line in enumerate(shown) if "another terminal" in line or "Ctrl-C" in line
            ]
            typed = shown[begin + 1 : end]
            assert len(typed) == 4
            shell = ["sh", "-ec", "\n".join(typed)]
            ended = subprocess.run(shell, cwd=tmp_path, env=users, capture_output=True, text=True, timeout=60)
            assert (ended.returncode, ended.stderr) == (0, "")
            assert '"task_id": "my-task"' in ended.stdout
            on_terminal(ours, until="video.completed")
        finally:
            process.terminate()
    assert process.returncode == 0


@pytest.mark.slow
def test_with_json_a_terminal_gets_the_line_too() -> None:
    """Whoever looks for one of its addresses can ask for all of them."""
    ours, theirs = pty.openpty()
    with subprocess.Popen([*COMMAND, "--json"], stdout=theirs) as process:
        os.close(theirs)
        try:
            [line] = on_terminal(ours, until="}")
            assert json.loads(line).keys() >= NAMED
        finally:
            process.terminate()


def test_a_port_in_use_ends_in_one_line() -> None:
    """This happens when another sandbox is running already."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        ended = subprocess.run([*COMMAND, "--port", port], capture_output=True, text=True, timeout=30)
    assert ended.returncode == 1
    assert ended.stdout == ""
    assert ended.stderr.count("\n") == 1
    assert port in ended.stderr


def test_a_template_that_cannot_be_deployed_ends_in_one_line(tmp_path: Path) -> None:
    """A developer who edits the template sees what is wrong with it, and no traceback."""
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


def test_without_ministack_the_error_names_what_to_install(tmp_path: Path) -> None:
    """The sandbox is an optional extra of the package."""
    (tmp_path / "sitecustomize.py").write_text(
        "import importlib.util as u\nreal = u.find_spec\n"
        "u.find_spec = lambda name, *rest: None if name == 'ministack' else real(name, *rest)\n"
    )
    environment = {**os.environ, "PYTHONPATH": str(tmp_path)}
    ended = subprocess.run(COMMAND, capture_output=True, text=True, timeout=30, env=environment)
    assert ended.returncode == 1
    assert "ministack" in ended.stderr
    assert ended.stderr.count("\n") == 1


@pytest.fixture
def one_layer(tmp_path: Path) -> Path:
    """A template with one layer in `layers/one`, which writes a line to `layers/made` each time it is built."""
    source = tmp_path / "layers" / "one"
    source.mkdir(parents=True)
    (source / "thing.py").write_text("A = 0\n")
    (source / "Makefile").write_text(
        'build-One:\n\techo made >> "$(CURDIR)/../made"\n\tcp thing.py "$(ARTIFACTS_DIR)/"\n'
    )
    (tmp_path / "template.yaml").write_text(
        "Resources:\n  One: {Type: 'AWS::Serverless::LayerVersion', Properties: {ContentUri: layers/one}}\n"
    )
    return tmp_path / "template.yaml"


@pytest.mark.skipif(shutil.which("make") is None, reason="needs make")
def test_the_layer_is_built_once_for_the_same_sources(one_layer: Path, tmp_path: Path) -> None:
    """A build takes seconds, so its zip is reused while its sources stay the same."""
    packed = []
    for content in ("A = 1\n", "A = 1\n", "A = 2\n"):
        (tmp_path / "layers/one/thing.py").write_text(content)
        packed.append(pack(one_layer, "bucket", tmp_path / "zips"))
    assert packed[0] == packed[1] != packed[2]
    assert (tmp_path / "layers" / "made").read_text() == "made\nmade\n"
    assert len(list((tmp_path / "zips").iterdir())) == 1  # the outdated one is removed


def test_without_make_the_error_names_it(one_layer: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No Python package installs make, so the user has to."""
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(click.ClickException, match=r"^One is built with make, which is not on the PATH.*$"):
        pack(one_layer, "bucket", tmp_path / "zips")


@pytest.mark.skipif(shutil.which("make") is None, reason="needs make")
def test_a_folder_that_cannot_be_written_is_named(one_layer: Path, tmp_path: Path) -> None:
    """When vidhook is installed from a wheel, the layer is built in the user's cache, which may not be writable."""
    folder = one_layer / "zips"  # below a file
    with pytest.raises(
        click.ClickException, match=rf"^One cannot be built in {re.escape(str(folder))}: Not a directory$"
    ):
        pack(one_layer, "bucket", folder)
