"""How the layer is built: what stays of its packages, and that it never lacks its bytecode in silence."""

import ast
import os
import runpy
import shlex
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import botocore
import botocore.session
import pytest
from botocore.loaders import Loader
from samtranslator.yaml_helper import yaml_parse

ROOT = Path(__file__).parents[2]
LAYER = ROOT / "layers/vidhook"
EDGES = LAYER / "vidhook/edges"
SLIM = runpy.run_path(str(LAYER / "slim.py"))
DATA = Path(botocore.__file__).parent / "data"
THIS = f"python{sys.version_info.major}.{sys.version_info.minor}"
PYTHON = shlex.quote(sys.executable)
RUNTIME = yaml_parse((ROOT / "template.yaml").read_text("utf-8"))["Parameters"]["Runtime"]["Default"]


def calls_in_edges() -> list[ast.Call]:
    """All calls in the source of the edges."""
    nodes = [node for source in EDGES.rglob("*.py") for node in ast.walk(ast.parse(source.read_text("utf-8")))]
    return [node for node in nodes if isinstance(node, ast.Call)]


def made_in_edges() -> set[Any]:
    """The first argument of each call of aws.client in the edges."""
    return {getattr(call.args[0], "value", None) for call in calls_in_edges() if ast.unparse(call.func) == "aws.client"}


def asked_by_edges() -> set[str]:
    """The methods of clients that the edges call, and those that they name to make pages and presigned links."""
    named = [call.func.attr for call in calls_in_edges() if isinstance(call.func, ast.Attribute)]
    named += [str(part.value) for call in calls_in_edges() for part in ast.walk(call) if isinstance(part, ast.Constant)]
    return set(named)


def told(shape: Any, seen: tuple[str, ...] = ()) -> Any:
    """All that a client knows of a parameter or an answer, with what is in it."""
    if shape is None or shape.name in seen:
        return shape and shape.name
    inner = {**getattr(shape, "members", {})} | {
        part: getattr(shape, part) for part in ("member", "key", "value") if hasattr(shape, part)
    }
    return shape.type_name, shape.serialization, {name: told(each, (*seen, shape.name)) for name, each in inner.items()}


def test_the_layer_has_each_service_for_which_an_edge_makes_a_client() -> None:
    """One that is missing shows only when a function first uses it, on AWS."""
    assert SLIM["services"](EDGES) == made_in_edges() >= {"dynamodb", "s3", "secretsmanager", "stepfunctions"}


@pytest.fixture(scope="module")
def slim_data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """botocore's data as they are in the layer, made from some of them."""
    data = tmp_path_factory.mktemp("botocore") / "data"
    data.mkdir()
    for entry in DATA.iterdir():
        if entry.is_file():
            shutil.copy(entry, data)
    for name in (*SLIM["services"](EDGES), "polly"):
        shutil.copytree(DATA / name, data / name)
    SLIM["slim"](data, SLIM["services"](EDGES), SLIM["words"](EDGES))
    return data


class TestSlimData:
    @pytest.mark.parametrize("region", ["us-east-1", "eu-central-1", "us-gov-west-1", "cn-north-1"])
    @pytest.mark.parametrize("service", sorted(SLIM["services"](EDGES)))
    def test_clients_are_the_same_with_them(self, slim_data: Path, service: str, region: str) -> None:
        """They have the same endpoint, and what the edges ask of them has the same parameters, answers and errors."""

        def client(loader: Loader) -> Any:
            session = botocore.session.Session()
            session.register_component("data_loader", loader)
            keys: Any = {"aws_access_key_id": "a", "aws_secret_access_key": "b"}
            make: Any = session.create_client
            return make(service, region_name=region, **keys)

        slim = client(Loader([str(slim_data)], include_default_search_paths=False))
        whole = client(Loader())
        assert slim.meta.endpoint_url == whole.meta.endpoint_url
        asked = asked_by_edges() & whole.meta.method_to_api_mapping.keys()
        assert asked
        for method in asked:
            name = whole.meta.method_to_api_mapping[method]
            theirs, ours = (each.meta.service_model.operation_model(name) for each in (whole, slim))
            assert told(ours.input_shape) == told(theirs.input_shape)
            assert told(ours.output_shape) == told(theirs.output_shape)
        errors = [{shape.name for shape in each.meta.service_model.error_shapes} for each in (whole, slim)]
        assert errors[0] == errors[1]

    def test_another_service_is_not_in_them(self, slim_data: Path) -> None:
        """botocore lists all that there are before it makes one client."""
        assert {each.name for each in slim_data.iterdir() if each.is_dir()} == SLIM["services"](EDGES)

    def test_they_are_small(self, slim_data: Path) -> None:
        """All of botocore's are 27 MB."""
        assert sum(file.stat().st_size for file in slim_data.rglob("*") if file.is_file()) < 500_000

    def test_a_service_that_botocore_does_not_know_fails_the_build(self, slim_data: Path) -> None:
        """It would else be found on AWS."""
        with pytest.raises(KeyError, match="quantumqueue"):
            SLIM["slim"](slim_data, {*SLIM["services"](EDGES), "quantumqueue"}, set())


@pytest.fixture
def compiled(tmp_path: Path) -> Callable[..., tuple[int, str, int]]:
    """Runs the Makefile's rule for the bytecode on two files: the exit code, what it said, the files it compiled.

    `pythons` are commands by name, as shell scripts, on a PATH with nothing else but the system's tools.
    """
    package = tmp_path / "artifacts/python/package"
    package.mkdir(parents=True)
    (package / "one.py").write_text("x = 1\n")
    (package / "two.py").write_text("y = 2\n")
    tools = tmp_path / "bin"
    tools.mkdir()
    for name in ("sh", "make", "find", "wc"):
        found = shutil.which(name)
        assert found
        (tools / name).symlink_to(found)

    def run(pythons: dict[str, str], **variables: str) -> tuple[int, str, int]:
        for name, script in pythons.items():
            (tools / name).write_text(f"#!/bin/sh\n{script}\n")
            (tools / name).chmod(0o755)
        given = {"ARTIFACTS_DIR": str(tmp_path / "artifacts"), **variables}
        kept = {name: value for name, value in os.environ.items() if not name.startswith(("MAKE", "MFLAGS"))}
        ended = subprocess.run(
            ["make", "-C", str(LAYER), "bytecode", *(f"{name}={value}" for name, value in given.items())],
            env={**kept, "PATH": str(tools)},
            capture_output=True,
            text=True,
            timeout=60,
        )
        return ended.returncode, ended.stderr, len(list(package.rglob("*.pyc")))

    return run


Compiled = Callable[..., tuple[int, str, int]]


class TestBytecode:
    def test_it_is_for_the_runtime_of_the_template(self) -> None:
        """Another version's bytecode is not read, and nobody sees it."""
        assert f"RUNTIME ?= {RUNTIME}\n" in (LAYER / "Makefile").read_text("utf-8")

    def test_a_python_of_the_version_compiles_every_file(self, compiled: Compiled) -> None:
        """Two files, two of bytecode, nothing said."""
        assert compiled({THIS: f'exec {PYTHON} "$@"'}, RUNTIME=THIS) == (0, "", 2)

    def test_a_python_that_does_not_run_fails_the_build(self, compiled: Compiled) -> None:
        """A version manager's stand-in is on the PATH, and has nothing behind it."""
        code, said, files = compiled({"python3.13": "echo 'pyenv: python3.13: command not found' >&2; exit 127"})
        assert (code != 0, files) == (True, 0)
        assert "pyenv: python3.13: command not found" in said
        assert "no bytecode: python3.13 does not run" in said
        assert "make build COMPILER=/path/to/python3.13" in said

    @pytest.mark.parametrize("answer", [f'exec {PYTHON} "$@"', "exit 0"])
    def test_a_python_of_another_version_fails_the_build(self, compiled: Compiled, answer: str) -> None:
        """Lambda would not read what it makes."""
        code, said, files = compiled({"python3.9": answer}, COMPILER="python3.9", RUNTIME="python3.9")
        assert (code != 0, files) == (True, 0)
        assert "no bytecode: python3.9 is " in said

    def test_a_python_that_compiles_nothing_fails_the_build(self, compiled: Compiled) -> None:
        """It did once, and said that all was well."""
        idle = f'case "$*" in *compileall*) exit 0;; esac; exec {PYTHON} "$@"'
        code, said, files = compiled({THIS: idle}, RUNTIME=THIS)
        assert (code != 0, files) == (True, 0)
        assert f"no bytecode: {THIS} compiled 0 of 2 files" in said

    def test_where_there_is_none_it_is_said(self, compiled: Compiled) -> None:
        """A newcomer can build and deploy, and knows what is missing."""
        code, said, files = compiled({})
        assert (code, files) == (0, 0)
        assert said == "warning: no bytecode, so functions start slowly: python3.13 is not on the PATH\n"


class TestDeploy:
    """What `make deploy` gives the SAM CLI, which a recorder stands for."""

    RECORDER = """#!/bin/sh
echo "$RUNTIME $COMPILER $*" >> calls
mkdir -p .aws-sam/build/VidhookLayer && touch .aws-sam/build/VidhookLayer/a.py .aws-sam/build/VidhookLayer/a.pyc
"""

    @pytest.fixture
    def clone(self, tmp_path: Path) -> Path:
        """A checkout in a folder with a name that a shell would split."""
        clone = tmp_path / "a (b) c"
        (clone / ".venv/bin").mkdir(parents=True)
        (clone / "functions").mkdir()
        for name in ("Makefile", "samconfig.toml", "requirements.lock", "pyproject.toml"):
            shutil.copy(ROOT / name, clone)
        (clone / ".venv/bin/python").symlink_to(sys.executable)
        (clone / ".venv/bin/sam").write_text(self.RECORDER)
        (clone / ".venv/bin/sam").chmod(0o755)
        (clone / ".venv/.ready").touch()
        return clone

    def made(self, clone: Path, *arguments: str) -> "subprocess.CompletedProcess[str]":
        kept = {name: value for name, value in os.environ.items() if not name.startswith(("MAKE", "MFLAGS"))}
        return subprocess.run(
            ["make", *arguments], cwd=clone, env=kept, capture_output=True, text=True, timeout=60, check=False
        )

    def test_the_functions_run_on_the_python_that_built_their_layer(self, clone: Path) -> None:
        """Another version would not read its bytecode, and a cold start takes more than twice as long without it."""
        ended = self.made(clone, "deploy", "ENV=prod")
        assert ended.returncode == 0, ended.stderr
        assert f"bytecode for {THIS}: 1 of 1 files" in ended.stdout
        built, deployed = (clone / "calls").read_text("utf-8").splitlines()
        assert built == f"{THIS} {clone}/.venv/bin/python build --no-cached"
        overrides = tomllib.loads((ROOT / "samconfig.toml").read_text("utf-8"))["prod"]["deploy"]["parameters"]
        expected = f"deploy --config-env prod --parameter-overrides {overrides['parameter_overrides']} Runtime={THIS}"
        assert deployed.strip() == expected

    def test_another_runtime_may_be_chosen(self, clone: Path) -> None:
        """With a Python of that version."""
        ended = self.made(clone, "deploy", "RUNTIME=python3.12", "COMPILER=/opt/py/python3.12")
        assert ended.returncode == 0, ended.stderr
        built, deployed = (clone / "calls").read_text("utf-8").splitlines()
        assert built.startswith("python3.12 /opt/py/python3.12 ")
        assert deployed.endswith(" Runtime=python3.12")

    @pytest.mark.parametrize("stage", ["dev", "staging", "", "pr od"])
    def test_a_stage_that_samconfig_lacks_is_refused_before_anything_is_built(self, clone: Path, stage: str) -> None:
        """The stage dev is called default there, so that many type ENV=dev."""
        ended = self.made(clone, "deploy", f"ENV={stage}")
        assert ended.returncode != 0
        assert f"samconfig.toml has no '{stage}': choose one of ENV=default, ENV=prod" in ended.stderr
        assert "Traceback" not in ended.stderr
        assert not (clone / "calls").exists()

    def test_a_runtime_that_lambda_lacks_is_refused_with_the_way_out(self, clone: Path) -> None:
        """CloudFormation would say so after the upload."""
        ended = self.made(clone, "deploy", "RUNTIME=python3.15")
        assert ended.returncode != 0
        assert "AWS Lambda runs python3.11 to python3.14, not python3.15. Choose: make build" in ended.stderr
        assert not (clone / "calls").exists()
