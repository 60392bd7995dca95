"""What makes the whole bridge run on one machine: a local cloud, a sample provider and a sample subscriber."""

import importlib.util
import os
import signal
from pathlib import Path
from typing import NoReturn

import click

CHECKOUT, PACKAGED = Path(__file__).parents[2], Path(__file__).parent / "stack"
# Where template.yaml, statemachines/, functions/, layers/ and events/ are: a wheel brings its own, see pyproject.toml.
ROOT = PACKAGED if PACKAGED.is_dir() else CHECKOUT
EXTRA = ("ministack", "samtranslator", "standardwebhooks", "pip")  # what the extra `sandbox` is imported as


def build_folder() -> Path:
    """The folder for what is built of ROOT and can be built again: of a checkout its `build`, else in the user's cache.

    Returns a folder that need not exist.
    """
    if ROOT == CHECKOUT:
        return CHECKOUT / "build"
    return Path(os.environ.get("XDG_CACHE_HOME") or "~/.cache").expanduser().absolute() / "vidhook"


def need_extra() -> None:
    """Goes on when the extra `sandbox` is installed.

    Raises ClickException, which says in one line what is missing and how to install it.
    """
    if missing := [package for package in EXTRA if importlib.util.find_spec(package) is None]:
        raise click.ClickException(f"this command needs {', '.join(missing)}: pip install 'vidhook[sandbox]'")


def leave_when_told() -> None:
    """From now on SIGINT and SIGTERM end the command in good order: every `with` block is left, the exit code is 0."""

    def leave(*_: object) -> NoReturn:
        raise SystemExit(0)

    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, leave)
