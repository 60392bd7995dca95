"""Runs the whole stack on one machine: a local cloud, a sample provider and a sample subscriber."""

import importlib.util
import os
import signal
from pathlib import Path
from typing import NoReturn

import click

CHECKOUT, PACKAGED = Path(__file__).parents[2], Path(__file__).parent / "stack"
# Where template.yaml, statemachines/, functions/, layers/ and events/ are. A wheel contains them, see pyproject.toml.
ROOT = PACKAGED if PACKAGED.is_dir() else CHECKOUT
LARGEST = 86_400
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
        raise click.ClickException(f"this command needs {', '.join(missing)}: pip install 'vidhook[sandbox]'")


def not_negative(_: click.Context, __: click.Parameter, given: float) -> float:
    """Returns a number from 0 to 86,400, for click; `nan` is none."""
    if not 0 <= given <= LARGEST:
        raise click.BadParameter(f"{given} is not a number from 0 to {LARGEST}")
    return given


def leave_when_told() -> None:
    """Makes SIGINT, SIGTERM and SIGHUP end the command cleanly: every `with` block is left, and the exit code is 0."""

    def leave(*_: object) -> NoReturn:
        raise SystemExit(0)

    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):  # the last one when its terminal is closed
        signal.signal(number, leave)
