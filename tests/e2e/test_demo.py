"""`vidhook demo`, the first command that a new user runs."""

import json
import os
import pty
import re
import subprocess
import sys

import pytest

from tests.integration.test_command import KEYS

COMMAND = [sys.executable, "-c", "from vidhook_cli.main import main; main()", "demo"]


def check(printed: str) -> None:
    """Asserts that each provider's task is completed, and that the summary counts them all."""
    for provider in ("vicsee", "vibepeak", "infinityblue", "alad", "fal"):
        assert re.search(rf"{provider} +completed", printed)
    assert "11 tasks" in printed
    assert "22 webhooks, every signature verified" in printed
    assert "10 files in S3, each with the sha256 of its source" in printed


def test_the_demo_delivers_each_event_once_and_succeeds() -> None:
    """Eleven tasks at five providers, some of them with failures and network faults, and two subscribers."""
    ended = subprocess.run(COMMAND, capture_output=True, text=True, timeout=150)
    assert ended.returncode == 0, ended.stdout + ended.stderr
    assert "\x1b" not in ended.stdout  # no colours where the output is not a terminal
    check(ended.stdout)


@pytest.mark.slow
def test_in_json_each_step_is_a_line_and_the_last_one_says_how_it_went() -> None:
    """A pipeline that tries a change has the result without reading prose."""
    ended = subprocess.run([*COMMAND, "--json"], capture_output=True, text=True, timeout=150)
    *steps, result = map(json.loads, ended.stdout.splitlines())
    assert (ended.returncode, ended.stderr) == (0, "")
    assert {frozenset(step) for step in steps} == {frozenset(KEYS["demo --json"])}
    assert {step["what"] for step in steps} == {"ready", "console", "task", "stored", "verified"}
    last = {step["name"]: step["status"] for step in steps if step["what"] == "task"}
    assert sorted(last.values()) == ["completed"] * 9 + ["failed"] * 2
    seconds, at = result.pop("seconds"), result.pop("at")
    assert 0 < seconds < 150
    assert at >= steps[-1]["at"]
    counts = {"tasks": 11, "webhooks": 22, "files": sum(step["what"] == "stored" for step in steps)}
    assert result == {"what": "result", "well": True, "problems": [], **counts}


@pytest.mark.slow
def test_a_terminal_that_can_do_nothing_shows_each_step_in_ascii() -> None:
    """The terminals of editors and CI say TERM=dumb, and an old locale has no arrows."""
    ours, theirs = pty.openpty()
    plain = {"TERM": "dumb", "LC_ALL": "C", "PYTHONIOENCODING": "ascii"}
    with subprocess.Popen(COMMAND, stdout=theirs, stderr=theirs, env={**os.environ, **plain}) as process:
        os.close(theirs)
        written, steps = b"", 0
        while True:
            try:
                piece = os.read(ours, 65_536)
            except OSError:  # how Linux says that the other end is closed
                break
            if not piece:
                break
            written, steps = written + piece, steps + 1
    printed = written.decode("ascii")
    assert process.returncode == 0, printed
    assert "\x1b" not in printed
    assert printed.startswith("starting a local cloud")
    assert steps > 20  # not all at the end
    check(printed)
