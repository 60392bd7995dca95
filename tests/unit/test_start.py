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
    "sweep_ledger": {"ledger", "machines", "runs"},
}
# Those that only some functions need of the edges that have several clients or parts.
MADE_OF_THEM = {
    "create_task": {"manager"},
    "poll_task": {"manager"},
    "publish_event": {"manager", "kms", "deliveries", "subscribers"},
    "redeliver_event": {"kms", "deliveries", "subscribers"},
    "serve_api": {"manager"},
    "submit_task": set[str](),
    "sweep_ledger": {"deliveries", "subscribers"},
}
UNUSED = {"boto3", "s3transfer", "multiprocessing", "concurrent.futures.process", "unittest"}


def loaded(handler: str, **environment: str) -> tuple[set[str], set[str], set[str]]:
    """The modules that a fresh process has after importing a handler, the edges that are made, and parts of them."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("AWS_")}
    program = f"""
import sys; sys.path.insert(0, {str(ROOT / "functions")!r})
import {handler}, gc, vidhook.wiring
assert gc.isenabled(), "nothing would be freed for as long as the function lives"
print(*sys.modules)
made = vars(vidhook.wiring.edges())
parts = [part for name in ("secrets", "ledger") if name in made for part in vars(made[name])]
print(*made); print(*parts)"""
    ended = subprocess.run(
        [sys.executable, "-c", program],
        env={**kept, "AWS_DEFAULT_REGION": "us-east-1", **environment},
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert ended.returncode == 0, ended.stderr
    modules, made, parts = (set(line.split()) for line in ended.stdout.splitlines())
    return modules, made - {"_settings", "_client", "clock"}, parts & set().union(*MADE_OF_THEM.values())


@pytest.mark.parametrize("handler", HANDLERS)
def test_in_lambda_a_handler_makes_its_clients_while_it_loads(handler: str) -> None:
    """A function has a whole CPU then; and it makes no more than it uses, and imports nothing for it."""
    modules, made, parts = loaded(handler, AWS_LAMBDA_FUNCTION_NAME=handler, **SETTINGS)
    assert (made, parts) == (MADE[handler], MADE_OF_THEM[handler])
    assert modules & UNUSED == set()
    needs_schemas = "intake" in made
    assert ("fastjsonschema" in modules) == needs_schemas


def test_elsewhere_it_makes_none() -> None:
    """Tests and tools import handlers without any settings."""
    assert loaded("publish_event", **SETTINGS)[1] == set()


def test_a_setting_that_is_missing_does_not_keep_a_handler_from_loading() -> None:
    """It fails the invocation that needs it, whose log names it; the others are as light as ever."""
    settings = {name: value for name, value in SETTINGS.items() if name != "BUCKET"}
    _, made, _ = loaded("publish_event", AWS_LAMBDA_FUNCTION_NAME="publish", **settings)
    assert made == MADE["publish_event"] - {"bucket", "storage"}
