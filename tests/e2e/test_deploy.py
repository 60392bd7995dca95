"""What is deployed is complete: it needs nothing of this machine, and the SAM CLI can deploy it."""

import ast
import compileall
import io
import json
import os
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from tests.e2e.bridge import Bridge
from vidhook.wiring import settings_of
from vidhook_sandbox import ROOT
from vidhook_sandbox.cloud import REGION, Cloud
from vidhook_sandbox.package import pack
from vidhook_sandbox.provider import KEYS, SampleProvider


@pytest.fixture(scope="module")
def artifacts(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """All that a deployment uploads, unpacked as Lambda does it, in `task` and `opt`."""
    here = tmp_path_factory.mktemp("artifacts")
    for content in pack(ROOT / "template.yaml", "bucket", ROOT / "build").objects.values():
        if zipfile.is_zipfile(io.BytesIO(content)):
            with zipfile.ZipFile(io.BytesIO(content)) as archive:
                archive.extractall(here / ("opt" if "python/vidhook/__init__.py" in archive.namelist() else "task"))
    return here


def alone(artifacts: Path, program: str) -> subprocess.CompletedProcess[str]:
    """Runs a program with the artifacts and the standard library, and no package of this machine."""
    path = [str(artifacts / each) for each in ("task", "opt/python")]
    start = f"import sys; sys.path[:0] = {path!r}\n"
    command = [sys.executable, "-I", "-S", "-c", start + program]
    return subprocess.run(command, capture_output=True, text=True, timeout=60)


@pytest.mark.parametrize("name", sorted(file.stem for file in (ROOT / "functions").glob("*.py")))
def test_a_handler_needs_nothing_but_what_is_deployed(artifacts: Path, name: str) -> None:
    """A requirement that is missing in the layer would not show here otherwise, since the venv has everything."""
    program = f"import {name}, vidhook, requests\nprint({name}.__file__, vidhook.__file__, requests.__file__)\n"
    ended = alone(artifacts, program + f"assert callable({name}.handler)")
    assert ended.returncode == 0, ended.stderr
    assert all(path.startswith(str(artifacts)) for path in ended.stdout.split())


def imports(tree: ast.Module) -> Iterator[str]:
    """The modules that a source file imports when it runs, at its top or inside a function."""
    for_checkers = {
        id(inner)
        for node in ast.walk(tree)
        if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING"
        for inner in ast.walk(node)
    }
    for node in ast.walk(tree):
        if id(node) in for_checkers:
            continue
        if isinstance(node, ast.Import):
            yield from (each.name for each in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node.module


def test_what_is_imported_inside_functions_is_deployed_too(artifacts: Path) -> None:
    """Such an import fails at the first request only, long after the function has started."""
    sources = [*(artifacts / "task").glob("*.py"), *(artifacts / "opt/python/vidhook").rglob("*.py")]
    wanted = sorted({name for source in sources for name in imports(ast.parse(source.read_text()))})
    assert {"vidhook.edges.http", "requests", "botocore.session", "jmespath"} <= set(wanted)
    ended = alone(artifacts, f"import importlib\nfor name in {wanted!r}: importlib.import_module(name)")
    assert ended.returncode == 0, ended.stderr


def test_the_layer_runs_on_every_processor(artifacts: Path) -> None:
    """One build serves arm64 and x86_64: it has no compiled file, and nothing that only developers need."""
    files = [file for file in (artifacts / "opt").rglob("*") if file.is_file()]
    assert len(files) > 100
    assert [file for file in files if file.suffix in (".so", ".pyd", ".dll", ".dylib")] == []
    packages = {file.name for file in (artifacts / "opt/python").iterdir()}
    assert packages.isdisjoint({"pytest", "moto", "pip", "bin", "vidhook_cli"})


def test_a_deployment_is_small(artifacts: Path) -> None:
    """Every cold start unpacks it, and each megabyte makes that slower."""
    total = sum(file.stat().st_size for file in artifacts.rglob("*") if file.is_file())
    assert total < 17_000_000


def test_all_of_the_layer_has_bytecode(artifacts: Path) -> None:
    """To compile it is more than half of a cold start."""
    sources = list((artifacts / "opt").rglob("*.py"))
    assert len(list((artifacts / "opt").rglob("*.pyc"))) == len(sources) > 100


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the checkout after `make build`, in a path that a shell would split; pip installs for the user."""
    copy = tmp_path_factory.mktemp("checkouts") / "a (b) c"
    copy.mkdir()
    for name in ("Makefile", "template.yaml", "samconfig.toml", "pyproject.toml", "requirements.lock"):
        shutil.copy(ROOT / name, copy)
    for name in ("functions", "layers", "statemachines"):
        shutil.copytree(ROOT / name, copy / name, ignore=shutil.ignore_patterns("__pycache__"))
    compileall.compile_dir(copy / "functions", quiet=1)  # as a run of the tests leaves it
    (copy / ".venv").symlink_to(sys.prefix)
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("MAKE", "MFLAGS"))}
    kept["PIP_USER"] = "1"
    ready = ("-o", ".venv/.ready")  # never makes the environment of this test again
    ended = subprocess.run(["make", *ready, "build"], cwd=copy, env=kept, capture_output=True, text=True, timeout=300)
    assert ended.returncode == 0, ended.stderr
    # The functions are uploaded in a zip, which does not keep the times of files.
    shutil.copytree(copy / "functions", copy / "task", copy_function=shutil.copy)
    return copy


def contents(folder: Path) -> dict[str, bytes]:
    return {str(file.relative_to(folder)): file.read_bytes() for file in folder.rglob("*") if file.is_file()}


def test_the_layer_is_the_same_wherever_it_is_built(artifacts: Path, built: Path) -> None:
    """Bytecode included: otherwise each machine would deploy a layer of its own, and the names of its folders."""
    here, there = contents(artifacts / "opt"), contents(built / ".aws-sam/build/VidhookLayer")
    assert here.keys() == there.keys()
    assert [name for name in here if here[name] != there[name]] == []


SETTINGS = {
    **dict.fromkeys(("TABLE", "BUCKET", "BUS", "PROVIDER_SECRET", "DEFAULT_SECRET", "KEY"), "name"),
    **dict.fromkeys(("WATCH_ARN", "REDELIVER_ARN", "REFUSED_QUEUE", "VIDEOS_URL"), "https://queue.example/name"),
    "DEFAULT_DEADLINE_SECONDS": "86400",
    "AWS_DEFAULT_REGION": REGION,
}
COMPILED = """
import importlib.machinery, sys
compiled, real = [], importlib.machinery.SourceFileLoader.source_to_code
def note(loader, data, path, **options):
    compiled.append(path)
    return real(loader, data, path, **options)
importlib.machinery.SourceFileLoader.source_to_code = note
sys.path[:0] = sys.argv[2:]
assert __import__(sys.argv[1]).handler
print(*compiled, len(sys.modules), sep="\\n")
"""


@pytest.mark.parametrize("name", sorted(file.stem for file in (ROOT / "functions").glob("*.py")))
def test_a_cold_start_compiles_no_source(built: Path, name: str) -> None:
    """Neither a handler's nor one of the layer: Lambda has a third of a CPU for it, and cannot keep what it makes."""
    path = [str(built / each) for each in ("task", ".aws-sam/build/VidhookLayer/python")]
    ended = subprocess.run(
        [sys.executable, "-I", "-S", "-B", "-c", COMPILED, name, *path],
        env={**SETTINGS, "AWS_LAMBDA_FUNCTION_NAME": name},  # with it, a function makes its clients while it loads
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert ended.returncode == 0, ended.stderr
    *compiled, modules = ended.stdout.split()
    assert compiled == []
    assert int(modules) > 300


def test_the_layer_makes_every_client(artifacts: Path) -> None:
    """Only the services that functions use are in it, and a missing one would show at the first use only."""
    program = """
import os
from operator import attrgetter
names = "TABLE BUCKET BUS REFUSED_QUEUE".split()
from vidhook.wiring import Edges
edges = Edges(dict.fromkeys(names, "https://queue.example/name"))
os.environ["AWS_DEFAULT_REGION"] = "eu-central-1"
clients = "ledger.table.client bucket._client bus._client machines._client refused_submissions._client"
for name in (*clients.split(), "secrets.manager", "secrets.kms"):
    print(attrgetter(name)(edges).meta.endpoint_url)
"""
    ended = alone(artifacts, program)
    assert ended.returncode == 0, ended.stderr
    assert all(".eu-central-1.amazonaws.com" in url for url in ended.stdout.split())
    assert len(ended.stdout.split()) == 7


@pytest.mark.slow
def test_the_sam_cli_builds_and_deploys_it(cloud: Cloud, provider: SampleProvider, tmp_path: Path) -> None:
    """The two commands of the README deploy a second stack, and a task of it is followed to its stored video."""
    environment = {
        **{name: value for name, value in os.environ.items() if not name.startswith("AWS_")},
        "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
        "AWS_ENDPOINT_URL": cloud.endpoint,
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",
        "AWS_DEFAULT_REGION": REGION,
        "NO_PROXY": "127.0.0.1",
        "SAM_CLI_TELEMETRY": "0",
        "COMPILER": sys.executable,
        "RUNTIME": f"python{sys.version_info.major}.{sys.version_info.minor}",
    }

    def sam(*arguments: str) -> None:
        ended = subprocess.run(
            ["sam", *arguments], cwd=ROOT, env=environment, capture_output=True, text=True, timeout=400
        )
        assert ended.returncode == 0, ended.stdout + ended.stderr

    built = tmp_path / "build"
    sam("build", "--build-dir", str(built), "--cache-dir", str(tmp_path / "cache"))
    template = str(built / "template.yaml")
    sam(
        *("deploy", "--config-file", str(ROOT / "samconfig.toml"), "--template-file", template),
        *("--stack-name", "vidhook-by-sam", "--parameter-overrides", "AllowedNetworks=127.0.0.0/8"),
    )
    stack = cloud.client("cloudformation").describe_stacks(StackName="vidhook-by-sam")["Stacks"][0]
    said = {output["OutputKey"]: output["OutputValue"] for output in stack["Outputs"]}
    outputs = {name.lower(): value for name, value in settings_of(said).items()}
    second = Bridge(replace(cloud, outputs=outputs), provider)
    second.cloud.use(provider)
    keys = {"SecretId": outputs["provider_secret"], "SecretString": json.dumps(KEYS)}
    cloud.client("secretsmanager").put_secret_value(**keys)
    task = second.task()
    second.submit(task)
    [asset] = second.event(task).data["data"]["assets"]
    assert (asset["bucket"], asset["sha256"]) == (outputs["bucket"], task.media().sha256)
