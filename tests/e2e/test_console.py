"""`vidhook console` on the real stack: it shows where it is, IAM decides what it may do, and it ends cleanly."""

import contextlib
import json
import os
import pty
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
import requests

from tests.e2e.bridge import Bridge, eventually
from tests.integration.test_command import KEYS
from vidhook_sandbox.cloud import REGION, Cloud

COMMAND = [sys.executable, "-c", "from vidhook_cli.main import main; main()", "console"]
LOOK = [("cloudformation:DescribeStacks", "*"), ("execute-api:Invoke", "arn:aws:execute-api:*:*:*/*/GET/*")]


def key(cloud: Cloud, allowed: list[tuple[str, str]]) -> dict[str, str]:
    """The environment of somebody who may do this: actions with their resources."""
    iam, name = cloud.client("iam"), f"person-{uuid4().hex[:8]}"
    statements = [{"Effect": "Allow", "Action": action, "Resource": resource} for action, resource in allowed]
    iam.create_user(UserName=name)
    policy = json.dumps({"Version": "2012-10-17", "Statement": statements})
    iam.put_user_policy(UserName=name, PolicyName=name, PolicyDocument=policy)
    made = iam.create_access_key(UserName=name)["AccessKey"]
    return {"AWS_ACCESS_KEY_ID": made["AccessKeyId"], "AWS_SECRET_ACCESS_KEY": made["SecretAccessKey"]}


def settings(cloud: Cloud, **more: str) -> dict[str, str]:
    """The environment of a person who uses this stack, without the keys that other tests have set."""
    ours = {name: value for name, value in os.environ.items() if not name.startswith("AWS_")}
    return {**ours, "AWS_ENDPOINT_URL": cloud.endpoint, "AWS_DEFAULT_REGION": REGION, **more}


@contextlib.contextmanager
def console(cloud: Cloud, *arguments: str, **identity: str) -> Iterator[tuple[subprocess.Popen[str], requests.Session]]:
    """The running command, and a session that has its token; `url` of the session is its address without it."""
    environment = settings(cloud, **identity)
    with subprocess.Popen([*COMMAND, *arguments], stdout=subprocess.PIPE, text=True, env=environment) as process:
        try:
            assert process.stdout
            line = json.loads(process.stdout.readline())
            assert line.keys() == KEYS["console"]
            with requests.Session() as session:
                session.trust_env = False
                address, _, token = line["url"].partition("/#")
                session.headers["Authorization"] = f"Bearer {token}"
                session.params = {}
                session.url = address  # type: ignore[attr-defined]
                yield process, session
        finally:
            process.kill()


def ask(session: Any, method: str, path: str, **given: Any) -> Any:
    return session.request(method, session.url + path, timeout=40, **given)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_it_serves_the_page_and_the_api_until_it_is_told_to_end(cloud: Cloud, number: signal.Signals) -> None:
    """Its exit code says that all is well."""
    with console(cloud) as (process, session):
        assert "<title>vidhook" in ask(session, "GET", "/tasks").text
        about = ask(session, "GET", "/console.json").json()
        assert (about["stack"], about["region"], about["sandbox"]) == ("vidhook", REGION, True)
        assert cloud.endpoint in about["program"]
        assert ask(session, "GET", "/api/v1/tasks?limit=1").status_code == 200
        process.send_signal(number)
        assert process.wait(10) == 0


@pytest.mark.parametrize("arguments", [(), ("--no-open",), ("--json",)])
def test_on_a_terminal_it_opens_a_browser_that_comes_to_the_page(
    cloud: Cloud, tmp_path: Path, arguments: tuple[str, ...]
) -> None:
    """With an address that is worth nothing afterwards, and not where a program reads the output."""
    opened, browser = tmp_path / "opened", tmp_path / "browser"
    browser.write_text(f'#!/bin/sh\nprintf %s "$1" > {opened}.part && mv {opened}.part {opened}\n')
    browser.chmod(0o755)
    ours, theirs = pty.openpty()
    environment = settings(cloud, BROWSER=f"{browser} %s")
    with subprocess.Popen([*COMMAND, *arguments], stdout=theirs, env=environment) as process:
        os.close(theirs)
        try:
            shown = os.read(ours, 65_536).decode()
            while "#" not in shown or not shown.endswith("\n"):
                shown += os.read(ours, 65_536).decode()
            if arguments:
                process.send_signal(signal.SIGTERM)
                assert process.wait(10) == 0
                assert not opened.exists()
                return
            eventually(opened.exists)
            url = opened.read_text()
            token = re.findall(r"#(\S+)", shown)[0]
            assert token not in url
            first, second = (requests.get(url, allow_redirects=False, timeout=10) for _ in range(2))
            assert (first.status_code, first.headers["location"], second.status_code) == (303, f"/#{token}", 403)
        finally:
            process.kill()


def test_what_iam_does_not_allow_is_a_problem_that_can_be_read(bridge: Bridge) -> None:
    """A person who may only look sees all, and is told why an act does nothing."""
    cloud = bridge.cloud
    task = bridge.task()
    with console(cloud, "--no-open", **key(cloud, LOOK)) as (_, session):
        assert ask(session, "GET", "/api/v1/subscribers").status_code == 200
        refused = ask(session, "POST", "/api/v1/tasks", json={"provider": task.provider, "task_id": task.task_id})
        document = refused.json()
    assert refused.status_code == document["status"] == 403
    assert refused.headers["content-type"] == "application/problem+json"
    assert "execute-api:Invoke" in document["hint"]


def test_the_policy_of_the_page_has_the_origins_that_videos_come_from(cloud: Cloud) -> None:
    """A link in an event leads to the API, which leads to the bucket; here both are the emulator."""
    with console(cloud) as (_, session):
        policy = ask(session, "GET", "/").headers["content-security-policy"]
    assert f"media-src {cloud.endpoint};" in policy


def test_in_a_sandbox_with_samples_it_offers_what_they_can_do(bridge: Bridge) -> None:
    """Whoever tries the console has no task yet, and needs one that goes wrong too."""
    with console(bridge.cloud) as (_, session):
        labels = [each["label"] for each in ask(session, "GET", "/console.json").json()["samples"]]
    assert labels == ["one that succeeds", "one that fails", "one that stumbles"]


def test_without_a_stack_it_ends_in_one_line(cloud: Cloud) -> None:
    """No page can be shown of nothing."""
    environment = settings(cloud, VIDHOOK_STACK="nobody")
    ended = subprocess.run(COMMAND, env=environment, capture_output=True, text=True, timeout=60)
    assert (ended.returncode, ended.stdout, ended.stderr.count("\n")) == (1, "", 1)
    assert "nobody" in ended.stderr
