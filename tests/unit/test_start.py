"""What a function does while its module loads: it makes its clients, and imports nothing that it does not use."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SETTINGS = {
    "TABLE": "ledger",
    "BUCKET": "videos",
    "BUS": "bus",
    "PROVIDER_SECRET": "keys",
    "DEFAULT_SECRET": "default",
    "DEFAULT_DEADLINE_SECONDS": "86400",
    "VIDEOS_URL": "https://videos.example/v1/videos",
    "REFUSED_QUEUE": "https://queue.example/1",
}
HANDLERS = sorted(file.stem for file in (ROOT / "functions").glob("*.py"))
# What is made before the first invocation.
MADE = {
    "create_task": {"creator", "pacer", "ledger", "http", "keys", "secrets"},
    "poll_task": {"pacer", "ledger", "http", "keys", "secrets"},
    "publish_event": {"ledger", "http", "keys", "secrets", "bucket", "bus", "machines", "notifier", "storage"},
    "redeliver_event": {"ledger", "http", "secrets", "bus", "machines", "notifier", "runs"},
    "serve_api": {"ledger", "http", "secrets", "machines", "intake", "pacer", "runs"},
    "submit_task": {"ledger", "http", "machines", "intake", "pacer", "runs"},
    "sweep_ledger": {"ledger", "machines", "runs", "secrets"},
}
UNUSED = {"boto3", "s3transfer", "multiprocessing", "concurrent.futures.process", "unittest"}


def loaded(handler: str, **environment: str) -> tuple[set[str], set[str]]:
    """The modules that a fresh process has after importing a handler, and the edges that are made."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("AWS_")}
    program = f"""
import sys; sys.path.insert(0, {str(ROOT / "functions")!r})
import {handler}, gc, vidhook.wiring
assert gc.isenabled(), "nothing would be freed for as long as the function lives"
print(*sys.modules); print(*vars(vidhook.wiring.edges()))"""
    ended = subprocess.run(
        [sys.executable, "-c", program],
        env={**kept, "AWS_DEFAULT_REGION": "us-east-1", **environment},
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert ended.returncode == 0, ended.stderr
    modules, made = ended.stdout.splitlines()
    return set(modules.split()), {name for name in made.split() if name not in ("_settings", "_client", "clock")}


@pytest.mark.parametrize("handler", HANDLERS)
def test_in_lambda_a_handler_makes_its_clients_while_it_loads(handler: str) -> None:
    """A function has a whole CPU then; and it makes no more than it uses, and imports nothing for it."""
    modules, made = loaded(handler, AWS_LAMBDA_FUNCTION_NAME=handler, **SETTINGS)
    assert made == MADE[handler]
    assert modules & UNUSED == set()
    needs_schemas = "intake" in made
    assert ("fastjsonschema" in modules) == needs_schemas


def test_elsewhere_it_makes_none() -> None:
    """Tests and tools import handlers without any settings."""
    assert loaded("publish_event", **SETTINGS)[1] == set()


def test_a_setting_that_is_missing_does_not_keep_a_handler_from_loading() -> None:
    """It fails the invocation that needs it, whose log names it; the others are as light as ever."""
    settings = {name: value for name, value in SETTINGS.items() if name != "BUCKET"}
    _, made = loaded("publish_event", AWS_LAMBDA_FUNCTION_NAME="publish", **settings)
    assert made == MADE["publish_event"] - {"bucket", "storage"}
