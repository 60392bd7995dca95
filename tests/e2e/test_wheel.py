"""The wheel without a checkout: in a path with spaces, run from any folder, with only the packages that it needs."""

import contextlib
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import urllib.request
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import Any

import pytest
from packaging.requirements import Requirement

from tests.e2e.bridge import WAIT_SCALE, eventually
from vidhook_sandbox import EXTRA

CHECKOUT = Path(__file__).parents[2]
RUNNING = {"provider": "infinityblue", "body": {"id": "video_1", "object": "video", "status": "in_progress"}}


@dataclass(frozen=True)
class Installed:
    """A virtual environment with the wheel in it, and the folder `cwd` in which its commands run."""

    site: Path
    python: Path
    cwd: Path
    cache: Path

    @property
    def environment(self) -> dict[str, str]:
        """The environment of a user without an AWS account."""
        mine = {
            name: value for name, value in os.environ.items() if not name.startswith(("AWS_", "PYTHON", "VIDHOOK_"))
        }
        nothing = {"AWS_CONFIG_FILE": os.devnull, "AWS_SHARED_CREDENTIALS_FILE": os.devnull}
        return {**mine, **nothing, "AWS_EC2_METADATA_DISABLED": "true", "XDG_CACHE_HOME": str(self.cache)}

    def command(self, *arguments: str) -> list[str]:
        return [str(self.python.with_name("vidhook")), *arguments]

    def run(self, *arguments: str, stdin: str = "", **environment: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            self.command(*arguments),
            cwd=self.cwd,
            env=self.environment | environment,
            input=stdin,
            capture_output=True,
            text=True,
            timeout=60,
        )

    @contextlib.contextmanager
    def running(self, *arguments: str) -> Iterator[subprocess.Popen[str]]:
        """A command that does not end by itself, while the block lasts; then SIGTERM must end it with exit code 0."""
        with subprocess.Popen(
            self.command(*arguments), cwd=self.cwd, env=self.environment, stdout=subprocess.PIPE, text=True
        ) as process:
            try:
                yield process
                process.send_signal(signal.SIGTERM)
                assert process.wait(20) == 0
            finally:
                process.kill()


def needed(wheel: metadata.Distribution, extra: str) -> Iterable[metadata.Distribution]:
    """The distributions of this environment that pip would install with the wheel."""
    found: dict[tuple[str, str], metadata.Distribution] = {}
    waiting = [(wheel, extra)]
    while waiting:
        distribution, extra = waiting.pop()
        for requirement in map(Requirement, distribution.requires or []):
            if requirement.marker is None or requirement.marker.evaluate({"extra": extra}):
                for wanted in ("", *requirement.extras):
                    if (requirement.name, wanted) not in found:
                        found[requirement.name, wanted] = metadata.distribution(requirement.name)
                        waiting.append((found[requirement.name, wanted], wanted))
    return found.values()


def install(folder: Path, wheel: Path, extra: str) -> Installed:
    """Makes a virtual environment with what the wheel and its `extra` need, and nothing else of this one."""
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", folder / "env"], check=True)
    python = folder / "env/bin/python"
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "--python", str(python)]
    subprocess.run([*pip, "install", "--quiet", "--no-index", "--no-deps", str(wheel)], check=True)
    [site] = (folder / "env/lib").glob("python*/site-packages")
    [itself] = metadata.distributions(name="vidhook", path=[str(site)])
    for path in {
        Path(str(distribution.locate_file(file.parts[0])))
        for distribution in needed(itself, extra)
        for file in distribution.files or []
    }:
        if path.name not in ("..", "__pycache__"):
            (site / path.name).symlink_to(path)
    cwd = folder / "elsewhere"
    cwd.mkdir()
    for name in ("json", "boto3", "compileall", "vidhook", "vidhook_console", "vidhook_sandbox"):
        (cwd / f"{name}.py").write_text("raise SystemExit('imported from the folder that the command was run in')\n")
    return Installed(site, python, cwd, folder / "cache")


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel, built from this checkout."""
    built = tmp_path_factory.mktemp("dist")
    command = [sys.executable, "-m", "hatchling", "build", "--target", "wheel", "--directory", str(built)]
    subprocess.run(command, cwd=CHECKOUT, check=True, capture_output=True)
    [file] = built.glob("*.whl")
    return file


@pytest.fixture(scope="module")
def plain(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Installed:
    """What `pip install .` installs."""
    return install(tmp_path_factory.mktemp("odd path (1)"), wheel, "")


@pytest.fixture(scope="module")
def full(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Installed:
    """What `pip install '.[sandbox]'` installs."""
    return install(tmp_path_factory.mktemp("odd path (1)"), wheel, "sandbox")


def test_the_commands_for_a_stack_need_no_checkout_and_no_extra(plain: Installed) -> None:
    """An operator installs the command from the wheel, without the sources of vidhook."""
    shown = plain.run("--help")
    assert (shown.returncode, shown.stderr) == (0, "")
    assert "sample-subscriber" in shown.stdout
    read = plain.run("read", "-", stdin=json.dumps(RUNNING))
    assert json.loads(read.stdout)["status"] == "processing"
    checked = plain.run("providers", "check", str(plain.site / "vidhook/providers/alad.toml"))
    assert json.loads(checked.stdout)["ok"]
    sent = plain.run("trigger", "video.failed", "http://127.0.0.1:9/", VIDHOOK_SECRET=f"whsec_{'A' * 32}")
    assert (sent.returncode, json.loads(sent.stdout)["kind"], sent.stderr) == (1, "connect", "")
    for region, missing in (({}, "You must specify a region"), ({"AWS_DEFAULT_REGION": "us-east-1"}, "credentials")):
        for command in ("status", "console"):
            ended = plain.run(command, **region)
            assert (ended.returncode, ended.stdout) == (1, "")
            assert ended.stderr.startswith("Error: ")
            assert missing in ended.stderr
            assert ended.stderr.count("\n") == 1


def test_the_page_of_the_console_is_in_the_wheel(plain: Installed) -> None:
    """Its files are not Python modules, and the licences of what is vendored must come along."""
    written, installed = (files_of(site / "vidhook_console/page") for site in (CHECKOUT / "cli", plain.site))
    assert installed == written
    assert {"index.html", "vendor/preact-htm.js", "vendor/LICENSES.txt"} <= installed.keys()


def files_of(folder: Path) -> dict[str, bytes]:
    return {str(file.relative_to(folder)): file.read_bytes() for file in folder.rglob("*") if file.is_file()}


@pytest.mark.skipif(shutil.which("bash") is None, reason="needs bash")
def test_the_line_of_the_readme_completes_commands_and_options(plain: Installed) -> None:
    """A new user finds out with it what there is."""
    [line] = re.findall(r"^    (eval .*)$", (CHECKOUT / "README.md").read_text("utf-8"), re.MULTILINE)
    complete = (
        "\nCOMP_WORDS=(vidhook {}); COMP_CWORD={}; _vidhook_completion vidhook; echo ${{COMPREPLY[@]}}; COMPREPLY=()"
    )
    program = line + complete.format("sub", 1) + complete.format("subscribers r", 2) + complete.format("tasks --s", 2)
    path = f"{plain.python.parent}:{os.environ['PATH']}"
    ended = subprocess.run(
        ["bash", "-c", program], env=plain.environment | {"PATH": path}, capture_output=True, text=True, timeout=60
    )
    assert ended.stderr == ""
    assert ended.stdout == "subscribers submit\nrecover remove resume rotate\n--status --since\n"


def test_a_command_is_completed_without_importing_any(plain: Installed) -> None:
    """Whoever presses Tab waits for it."""
    pressed = {"COMP_WORDS": "vidhook ", "COMP_CWORD": "1", "_VIDHOOK_COMPLETE": "bash_complete"}
    ended = plain.run(PYTHONPROFILEIMPORTTIME="1", **pressed)
    assert "plain,tasks\n" in ended.stdout
    imported = {line.rpartition("|")[2].strip().partition(".")[0] for line in ended.stderr.splitlines()}
    assert "click" in imported
    assert imported.isdisjoint({"boto3", "botocore", "rich", "requests", "vidhook_sandbox"})


@pytest.mark.parametrize(
    "command", ["sandbox", "demo", "sample-subscriber --secret whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"]
)
def test_a_command_that_needs_the_extra_ends_in_one_clear_line(plain: Installed, command: str) -> None:
    """The line says what to install; the name of a missing module would not."""
    refused = plain.run(*command.split())
    assert (refused.returncode, refused.stdout) == (1, "")
    assert refused.stderr.endswith("pip install '.[sandbox]'\n")
    assert refused.stderr.count("\n") == 1


def test_every_package_of_the_extra_is_looked_for(plain: Installed) -> None:
    """A package of the extra that is not looked for would end in a traceback where it is missing."""
    [itself] = metadata.distributions(name="vidhook", path=[str(plain.site)])
    extra = {each.name for each in map(Requirement, itself.requires or []) if "sandbox" in str(each.marker)}
    brings = metadata.packages_distributions()
    assert {name for package in EXTRA for name in brings[package]} == extra


@contextlib.contextmanager
def sample_provider(installed: Installed) -> Iterator[str]:
    """The URL of a running sample provider."""
    with installed.running("sample-provider", "--port", "0") as process:
        assert process.stdout
        yield json.loads(process.stdout.readline())["tasks_url"].removesuffix("/_sample/tasks")


def new_task(provider: str) -> str:
    """Makes a task at the sample provider that is done in a second. Returns its id."""
    script = json.dumps({"provider": "alad", "seconds": 1}).encode()
    with urllib.request.urlopen(f"{provider}/_sample/tasks", script, timeout=10) as answer:
        made: dict[str, Any] = json.load(answer)
    return str(made["task_id"])


def test_the_sample_provider_needs_no_checkout_and_no_extra(plain: Installed) -> None:
    """It finds the recorded answers of events/, which are not Python modules."""
    with sample_provider(plain) as provider:
        assert new_task(provider).startswith("asyntask_")


def files(installed: Installed) -> set[Path]:
    """The installed files, without the bytecode that Python writes."""
    return {file for file in installed.site.rglob("*") if "__pycache__" not in file.parts}


@pytest.mark.slow
def test_the_sandbox_follows_a_task_and_writes_nothing_beside_its_modules(full: Installed, tmp_path: Path) -> None:
    """The template, the layer, the state machines and the recorded answers all come from the wheel."""
    show = "import vidhook, vidhook_cli, vidhook_sandbox as s; print(vidhook.__path__, vidhook_cli.__path__, s.ROOT)"
    command = [str(full.python), "-P", "-c", show]
    shown = subprocess.run(command, cwd=full.cwd, env=full.environment, capture_output=True, text=True)
    assert shown.stdout == f"['{full.site}/vidhook'] ['{full.site}/vidhook_cli'] {full.site}/vidhook_sandbox/stack\n"
    before = files(full)
    with full.running("sandbox", "--wait-scale", str(WAIT_SCALE)) as sandbox, sample_provider(full) as provider:
        assert sandbox.stdout
        here = {"AWS_ENDPOINT_URL": json.loads(sandbox.stdout.readline())["endpoint"]}
        theirs = full.run("providers", "show", "alad", **here).stdout
        own = tmp_path / "alad.toml"
        own.write_text(theirs.replace("https://ai.alad.com", f"{provider}/alad"))
        assert full.run("providers", "put", str(own), **here).returncode == 0
        task = f"alad/{new_task(provider)}"
        assert full.run("submit", *task.split("/"), **here).returncode == 0
        eventually(lambda: "video.completed" in full.run("task", task, **here).stdout)
    assert files(full) == before
    assert [file.suffix for file in (full.cache / "vidhook").iterdir()] == [".zip"]
