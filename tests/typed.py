"""The types that are made from the contract, for receivers: `python tests/typed.py` writes them into docs/receivers."""

import json
import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from tempfile import TemporaryDirectory

from vidhook import openapi

ROOT = Path(__file__).parents[1]
RECEIVERS = ROOT / "docs" / "receivers"
NODE_TOOLS = ROOT / "node_modules" / ".bin"  # `make types` installs them
NOTE = "Made from the contract by `make types`. Do not change it by hand."
TYPED_DICTS = (
    "--input-file-type=jsonschema",
    "--output-model-type=typing.TypedDict",
    "--class-name=Event",
    "--target-python-version=3.11",
    "--use-schema-description",
    "--use-field-description",
    "--use-single-line-docstring",
    f"--custom-file-header=# {NOTE}",
    "--formatters=ruff-format",
)


def typescript() -> str:
    """Returns the types of the whole HTTP API and of all webhooks, as openapi-typescript makes them."""
    with TemporaryDirectory() as folder:
        document, made = Path(folder) / "openapi.json", Path(folder) / "vidhook.d.ts"
        document.write_text(json.dumps(openapi.document()))
        run(str(NODE_TOOLS / "openapi-typescript"), str(document), f"--output={made}")
        return f"// {NOTE}\n{made.read_text()}"


def typed_dicts() -> str:
    """Returns the types of all events, as datamodel-code-generator makes them."""
    with TemporaryDirectory() as folder:
        made = Path(folder) / "vidhook_types.py"
        schema = ROOT / "layers/vidhook/vidhook/event.schema.json"
        run(sys.executable, "-m", "datamodel_code_generator", f"--input={schema}", f"--output={made}", *TYPED_DICTS)
        return made.read_text()


def compile_receiver(folder: Path) -> None:
    """Writes the receiver in TypeScript into a folder, as JavaScript. Its types are not looked at."""
    tsc("--noCheck", "--outDir", str(folder), str(RECEIVERS / "receiver.ts"))
    (folder / "package.json").write_text('{"type": "module"}')


def tsc(*arguments: str) -> str:
    """Returns what the compiler of TypeScript prints. Raises AssertionError with it when it finds an error."""
    options = ("--strict", "--target", "es2022", "--module", "nodenext", "--rewriteRelativeImportExtensions")
    return run(str(NODE_TOOLS / "tsc"), *options, *arguments)


def run(*command: str) -> str:
    """Returns what a command prints. Raises AssertionError with it when the command fails."""
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


MADE: Mapping[str, Callable[[], str]] = {"vidhook.d.ts": typescript, "vidhook_types.py": typed_dicts}

if __name__ == "__main__":
    for name, make in MADE.items():
        (RECEIVERS / name).write_text(make())
