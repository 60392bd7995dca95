"""Runs the whole stack on one machine: a local cloud, a sample provider and a sample subscriber."""

import importlib.util
import os
import shlex
import shutil
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

import click

if TYPE_CHECKING:
    from rich.console import Console

CHECKOUT, PACKAGED = Path(__file__).parents[2], Path(__file__).parent / "stack"
# Where template.yaml, statemachines/, functions/, layers/ and events/ are. A wheel contains them, see pyproject.toml.
ROOT = PACKAGED if PACKAGED.is_dir() else CHECKOUT
LARGEST = 86_400  # seconds, or times as long, that options take
STARTING = "starting a local cloud and deploying template.yaml to it"
EXTRA = ("ministack", "samtranslator", "standardwebhooks", "pip")  # the modules of the extra `sandbox`


def build_folder() -> Path:
    """Returns the folder for what is built from ROOT: `build` in a checkout, else one in the user's cache.

    The folder need not exist.
    """
    if ROOT == CHECKOUT:
        return CHECKOUT / "build"
    return Path(os.environ.get("XDG_CACHE_HOME") or "~/.cache").expanduser().absolute() / "vidhook"


def need_extra() -> None:
    """Raises ClickException if the extra `sandbox` is not installed, with what is missing and how to install it."""
    if missing := [package for package in EXTRA if importlib.util.find_spec(package) is None]:
        hint = "install vidhook's extra in its checkout: pip install '.[sandbox]'"
        raise click.ClickException(f"this command needs {', '.join(missing)}; {hint}")


def leave_when_told() -> None:
    """Makes SIGINT, SIGTERM and SIGHUP end the command cleanly: every `with` block is left, and the exit code is 0."""

    def leave(*_: object) -> NoReturn:
        raise SystemExit(0)

    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):  # the last one when its terminal is closed
        signal.signal(number, leave)


def program() -> str:
    """Returns what a person types in a shell for `vidhook`: the path of the command where it is not in PATH."""
    return "vidhook" if shutil.which("vidhook") else shlex.quote(str(Path(sys.argv[0]).absolute()))


def moves(console: "Console") -> bool:
    """Returns whether this is a terminal on which what was written can be written over; one with TERM=dumb is not."""
    return console.is_terminal and not console.is_dumb_terminal


@contextmanager
def saying(console: "Console", what: str) -> Iterator[None]:
    """Says what is done while the block lasts: beside a sign that turns, or with a line."""
    if moves(console):
        with console.status(what, spinner="line"):
            yield
    else:
        console.print(what)
        yield
