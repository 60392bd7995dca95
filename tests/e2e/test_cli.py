"""The `vidhook` command against a running stack, as its operator uses it."""

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from typing import Any
from uuid import uuid4

import pytest
from bridge import Bridge, eventually, id_of, webhooks
from click.testing import Result

from vidhook_sandbox.cloud import REGION
from vidhook_sandbox.subscriber import SampleSubscriber

Cli = Callable[..., Result]
Make = Callable[..., SampleSubscriber]


def rows(result: Result) -> list[dict[str, Any]]:
    """The JSON lines a command printed."""
    assert result.exit_code == 0, result.output
    return [json.loads(line) for line in result.output.splitlines()]


def test_submit_follows_a_task_and_task_tells_its_story(bridge: Bridge, cli: Cli, subscriber: Make) -> None:
    """Submitted, each poll with its answer and pause, the video, the event, each attempt: in the order of time."""
    subscriber(answers=[500])
    task = bridge.task("infinityblue", seconds=1)
    [submitted] = rows(cli("submit", "infinityblue", task.task_id, "--expected-seconds", 1, "--metadata", '{"a": 1}'))
    assert (submitted["id"], submitted["created"]) == (id_of(task), True)
    bridge.ended(bridge.execution_arn(task))
    story = rows(cli("task", f"infinityblue/{task.task_id}"))
    assert [row["at"] for row in story] == sorted(row["at"] for row in story)
    told = [row["what"] for row in story]
    assert told[0] == "submitted"
    assert [what for what in told if what != "poll"] == ["submitted", "video", "event", "attempt 1"]
    assert "completed" in [row["detail"] for row in story if row["what"] == "poll"][-1]
    assert rows(cli("task", id_of(task))) == story


def test_the_endpoint_alone_leads_to_a_sandbox(bridge: Bridge) -> None:
    """Whoever has no AWS account has no region and no credentials either."""
    task = bridge.task("alad")
    environment = {"AWS_ENDPOINT_URL": bridge.cloud.endpoint, "PATH": os.environ["PATH"], "HOME": "/nonexistent"}
    command = [sys.executable, "-m", "vidhook_cli.main", "submit", "alad", task.task_id]
    done = subprocess.run(command, env=environment, capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")
    assert json.loads(done.stdout)["id"] == id_of(task)


def test_tasks_are_found_by_provider_and_status(bridge: Bridge, cli: Cli) -> None:
    """Newest first: what one looks for has usually just happened."""
    failed, done = bridge.task("vicsee", ends="failed"), bridge.task("vicsee")
    for task in (failed, done):
        bridge.submit(task)
        bridge.event(task)
    found = rows(cli("tasks", "--provider", "vicsee", "--since", "1h"))
    assert [row["id"] for row in found][:2] == [id_of(done), id_of(failed)]
    assert {row["provider"] for row in found} == {"vicsee"}
    only_failed = rows(cli("tasks", "--provider", "vicsee", "--status", "failed"))
    assert id_of(failed) in {row["id"] for row in only_failed}
    assert {row["status"] for row in only_failed} == {"failed"}


def test_a_subscriber_lives_its_whole_life_at_the_command_line(bridge: Bridge, cli: Cli) -> None:
    """Added, tested, paused, resumed, moved, rotated, removed: every step does what it says."""
    with SampleSubscriber() as app, SampleSubscriber() as moved:
        [added] = rows(cli("subscribers", "add", app.url, "--events", "*.completed", "--metadata", '{"cli": 1}'))
        app.secrets.append(added["secret"])
        who = added["id"]
        [tested] = rows(cli("subscribers", "test", who))
        assert tested["attempt"]["outcome"] == "delivered"
        assert [each.event["type"] for each in app.received if each.event] == ["endpoint.test"]

        assert cli("subscribers", "pause", who).exit_code == 0
        task = bridge.task()
        bridge.submit(task, metadata={"cli": 1})
        eventually(lambda: bridge.delivery_state(task, who) == "held")
        assert "1 held deliveries" in cli("subscribers", "resume", who).output
        [webhook] = webhooks(app, task)
        assert webhook.verified

        assert cli("subscribers", "update", who, "--url", moved.url).exit_code == 0
        [rotated] = rows(cli("subscribers", "rotate", who, "--now"))
        moved.secrets.append(rotated["secret"])
        cli("replay", id_of(task), "--subscriber", who)
        [again] = webhooks(moved, task)
        assert (again.verified, again.body) == (True, webhook.body)

        listed = {row["id"]: row for row in rows(cli("subscribers", "list"))}
        assert listed[who]["url"] == moved.url
        assert added["secret"] not in json.dumps(listed)
        assert rotated["secret"] not in json.dumps(listed)
        assert cli("subscribers", "remove", who).exit_code == 0
        assert who not in cli("subscribers", "list").output
        assert cli("subscribers", "show", who).exit_code == 1


def test_deliveries_say_why_a_webhook_did_not_arrive(bridge: Bridge, cli: Cli, subscriber: Make) -> None:
    """One command for the question of the night: the status, the answer's first lines, and when it is tried again."""
    app = subscriber(status=418)
    task = bridge.task()
    bridge.submit(task)
    webhooks(app, task)
    bridge.ended(bridge.execution_arn(task))
    [row] = rows(cli("deliveries", id_of(task)))
    assert (row["state"], row["last"]) == ("due", "418")
    assert row["next_at"]
    assert row["log"][0]["status"] == 418
    [listed] = rows(cli("deliveries", "--subscriber", bridge.known(app).id))
    assert (listed["task"], listed["event_id"]) == (id_of(task), bridge.event(task).id)
    assert rows(cli("deliveries", "--subscriber", bridge.known(app).id, "--failed")) == []


def test_a_replay_of_all_since_a_time_tells_them_all_again(bridge: Bridge, cli: Cli, subscriber: Make) -> None:
    """The receiver was restored from this morning's backup."""
    app = subscriber()
    tasks = [bridge.task() for _ in range(2)]
    for task in tasks:
        bridge.submit(task)
        webhooks(app, task)
    said = cli("replay", "--subscriber", bridge.known(app).id, "--since", "1h")
    assert said.output == "2 deliveries are on their way again\n"
    for task in tasks:
        assert len({each.body for each in webhooks(app, task, 2)}) == 1


def test_status_says_what_is_well_and_what_is_not(bridge: Bridge, cli: Cli, subscriber: Make) -> None:
    """The first command of whoever was called: it counts what runs, and names who is in trouble."""

    def status() -> dict[str, dict[str, Any]]:
        return {row["what"]: row for row in rows(cli("status"))}

    app = subscriber(answers=[410])
    waits = bridge.task(seconds=1_000)
    bridge.submit(waits)
    running = status()["watches running"]
    assert (int(running["value"]) >= 1, running["well"]) == (True, True)
    assert f"subscriber {bridge.known(app).id}" not in status()
    gone = bridge.task()
    bridge.submit(gone)
    bridge.ended(bridge.execution_arn(gone))
    trouble = status()[f"subscriber {bridge.known(app).id}"]
    assert (trouble["well"], trouble["value"], trouble["detail"]) == (False, "disabled", "it answered 410 Gone")
    bridge.states.stop_execution(executionArn=bridge.execution_arn(waits))
    aborted = status()["watches aborted"]
    assert (aborted["well"], id_of(waits) in aborted["detail"]) == (False, True)


def test_events_tail_shows_what_the_bus_tells_as_it_tells_it(bridge: Bridge) -> None:
    """Followed from another window, so it is a process of its own here."""
    environment = {
        **os.environ,
        "AWS_ENDPOINT_URL": bridge.cloud.endpoint,
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",
        "AWS_DEFAULT_REGION": REGION,
        "PYTHONUNBUFFERED": "1",
    }
    command = [sys.executable, "-c", "from vidhook_cli.main import main; main()", "events", "tail", "--seconds", "60"]
    queues = bridge.cloud.client("sqs")
    before = set(queues.list_queues().get("QueueUrls", []))
    with subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True) as tail:
        try:
            eventually(lambda: set(queues.list_queues().get("QueueUrls", [])) - before)
            time.sleep(0.5)  # its rule follows its queue
            task = bridge.task()
            bridge.submit(task)
            assert tail.stdout
            for line in tail.stdout:
                if json.loads(line)["data"]["id"] == id_of(task):
                    break
            else:
                raise AssertionError("the event never came")
            tail.send_signal(2)
            assert tail.wait(30) == 0
        finally:
            tail.kill()
    assert set(queues.list_queues().get("QueueUrls", [])) == before


def test_a_provider_is_put_shown_and_removed(bridge: Bridge, cli: Cli, tmp_path: Any) -> None:
    """And a file with a slip in it never gets that far."""
    name = f"p{uuid4().hex[:8]}"
    text = f'name = "{name}"\nbase_url = "https://api.example.com"\npath = "/t/{{task_id}}"\n[answer]\nstatus = "s"\n'
    file = tmp_path / "own.toml"
    file.write_text(text)
    refused = cli("providers", "put", file)
    assert (refused.exit_code, bridge.cloud.ledger.provider_file(name)) == (1, None)
    assert "[assets].result" in refused.output
    file.write_text(text + '[assets]\nresult = "url"\n')
    assert cli("providers", "put", file).exit_code == 0
    assert name in cli("providers", "list").output
    assert cli("providers", "show", name).output == file.read_text()
    assert cli("providers", "remove", name).exit_code == 0
    assert name not in cli("providers", "list").output


@pytest.mark.parametrize("command", ["task none", "deliveries alad/none", "subscribers pause sub_none"])
def test_what_is_not_there_is_said_in_one_line(cli: Cli, command: str) -> None:
    """A traceback tells an operator nothing."""
    result = cli(*command.split())
    assert result.exit_code == 1
    assert result.output.startswith("Error: ")
    assert result.output.count("\n") == 1
