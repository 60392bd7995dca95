"""`vidhook demo` is what a newcomer sees first."""

import re
import subprocess
import sys


def test_the_demo_tells_every_task_once_and_ends_well() -> None:
    """Ten tasks of four providers, failures and a bad network among them, to two subscribers, with IAM enforced."""
    command = [sys.executable, "-c", "from vidhook_cli.main import main; main()", "demo"]
    ended = subprocess.run(command, capture_output=True, text=True, timeout=150)
    said = ended.stdout
    assert ended.returncode == 0, said + ended.stderr
    assert "\x1b" not in said  # piped output is plain
    for provider in ("vicsee", "vibepeak", "infinityblue", "alad"):
        assert re.search(rf"{provider} +completed", said)
    assert "10 tasks" in said
    assert "20 webhooks, every signature verified" in said
    assert "9 files in S3, every sha256 that of its source" in said
