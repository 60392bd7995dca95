"""The import rules see the code that needs them: what breaks the house's order is refused, a new file too."""

import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
RULES = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["tool"]["importlinter"]
# Each is a file, a line that is added to it, and the rule that refuses it.
BREACHES = [
    ("vidhook/new_file.py", "", "The layers of the package"),
    ("vidhook/poll.py", "import boto3", "Only edges use AWS and the network"),
    ("vidhook/runs.py", "from vidhook.edges.ledger import Ledger", "Jobs, rules and facts import no edge"),
    ("vidhook/runs.py", "import submit_task", "No module imports a handler"),
    ("vidhook/schedule.py", "import vidhook.poll", "The layers of the package"),
    ("vidhook/edges/ledger/table.py", "import vidhook.runs", "The layers of the package"),
    ("vidhook/edges/new_edge.py", "", "Edges do not import each other"),
    ("vidhook/edges/bus.py", "import vidhook.edges.ledger", "Edges do not import each other"),
    ("vidhook/providers/values.py", "import vidhook.providers.reading", "The layers of the providers"),
    ("vidhook/task.py", "import vidhook_cli.main", "The command and the sandbox"),
    ("vidhook_cli/tasks.py", "import submit_task", "No module imports a handler"),
    ("vidhook_cli/read.py", "import vidhook_sandbox.cloud", "The command and the sandbox"),
    ("vidhook_sandbox/cloud.py", "import vidhook_cli.stack", "The command and the sandbox"),
    ("vidhook_cli/stack.py", "import vidhook_console.proxy", "The command and the sandbox"),
    ("vidhook_console/proxy.py", "import vidhook_cli.stack", "The server of the console"),
]


def linted(house: Path) -> subprocess.CompletedProcess[str]:
    """What import-linter says of a copy of the code."""
    places = [str(house), str(ROOT / "functions")]
    script = f"import sys; sys.path[:0] = {places!r}; from importlinter.cli import lint_imports_command as lint; lint()"
    command = [sys.executable, "-S", "-c", f"import site; site.addsitedir({site()!r}); {script}", "--no-cache"]
    return subprocess.run(command, cwd=house, capture_output=True, text=True, timeout=120)


def site() -> str:
    """Where the installed packages are."""
    return str(Path(pytest.__file__).parents[1])


@pytest.fixture
def house(tmp_path: Path) -> Path:
    """A copy of all that the rules look at."""
    skipped = shutil.ignore_patterns("__pycache__", ".hypothesis")
    sources = {
        "vidhook": "layers/vidhook/vidhook",
        "vidhook_cli": "cli/vidhook_cli",
        "vidhook_console": "cli/vidhook_console",
        "vidhook_sandbox": "cli/vidhook_sandbox",
        "bench": "bench",
        "tests": "tests",
    }
    for name, source in sources.items():
        shutil.copytree(ROOT / source, tmp_path / name, ignore=skipped)
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    return tmp_path


@pytest.mark.slow
@pytest.mark.parametrize(("file", "line", "rule"), BREACHES)
def test_what_breaks_the_order_of_the_house_is_refused(house: Path, file: str, line: str, rule: str) -> None:
    """A rule that lets its own breach pass guards nothing."""
    with (house / file).open("a") as source:
        source.write(f"\n{line}\n")
    done = linted(house)
    broken = [row for row in " ".join(done.stdout.split()).split("KEPT") if "BROKEN" in row]
    assert done.returncode != 0
    assert any(rule in row for row in broken), done.stdout


@pytest.mark.slow
def test_the_code_as_it_is_keeps_every_rule(house: Path) -> None:
    """Otherwise the breaches above prove nothing."""
    done = linted(house)
    assert done.returncode == 0, done.stdout + done.stderr


def test_every_handler_is_among_those_that_nobody_imports() -> None:
    """import-linter knows packages alone, so handlers are listed by name: a new one must be added."""
    (rule,) = [each for each in RULES["contracts"] if each["name"] == "No module imports a handler"]
    assert sorted(rule["protected_modules"]) == sorted(file.stem for file in (ROOT / "functions").glob("*.py"))
