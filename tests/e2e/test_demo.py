"""`vidhook demo`, the first command that a new user runs."""

import re
import subprocess
import sys


def test_the_demo_delivers_each_event_once_and_succeeds() -> None:
    """Ten tasks at four providers, some of them with failures and network faults, and two subscribers."""
    command = [sys.executable, "-c", "from vidhook_cli.main import main; main()", "demo"]
    ended = subprocess.run(command, capture_output=True, text=True, timeout=150)
    printed = ended.stdout
    assert ended.returncode == 0, printed + ended.stderr
    assert "\x1b" not in printed  # no colours where the output is not a terminal
    for provider in ("vicsee", "vibepeak", "infinityblue", "alad"):
        assert re.search(rf"{provider} +completed", printed)
    assert "10 tasks" in printed
    assert "20 webhooks, every signature verified" in printed
    assert "9 files in S3, each with the sha256 of its source" in printed
