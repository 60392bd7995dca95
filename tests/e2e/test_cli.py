"""The `vidhook` command on a running stack, as its operator uses it."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from functools import partialmethod
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from click.testing import CliRunner, Result

from tests.e2e.bridge import Bridge, eventually, id_of, webhooks
from vidhook_cli.pace import picture
from vidhook_sandbox.cloud import REGION
from vidhook_sandbox.subscriber import SampleSubscriber

Cli = Callable[..., Result]
Make = Callable[..., SampleSubscriber]
Start = Callable[..., "subprocess.Popen[str]"]


def rows(result: Result) -> list[dict[str, Any]]:
    """The JSON lines a command printed."""
    assert result.exit_code == 0, result.output
    # Standard error is among it, with the stack that an act is for.
    return [json.loads(line) for line in result.output.splitlines() if not line.startswith("stack ")]


def test_task_shows_what_happened_to_a_submitted_task(bridge: Bridge, cli: Cli, subscriber: Make) -> None:
    """The submission, each poll, the video, the event and each attempt are shown in the order of time."""
    subscriber()
    task = bridge.task("infinityblue", seconds=1)
    [submitted] = rows(cli("submit", "infinityblue", task.task_id, "--expected-seconds", 1, "--metadata", '{"a": 1}'))
    assert (submitted["id"], submitted["created"]) == (id_of(task), True)
    bridge.ended(bridge.execution_arn(task))
    shown = rows(cli("task", f"infinityblue/{task.task_id}"))
    assert [row["at"] for row in shown] == sorted(row["at"] for row in shown)
    steps = [row["what"] for row in shown]
    assert steps[0] == "submitted"
    assert [step for step in steps if step != "poll"] == ["submitted", "video", "event", "attempt 1"]
    assert "completed" in [row["detail"] for row in shown if row["what"] == "poll"][-1]
    assert rows(cli("task", id_of(task))) == shown


def test_pace_shows_what_was_learned_and_forgets_it(bridge: Bridge, cli: Cli) -> None:
    """An operator sees how long tasks take, and begins anew when a provider has changed."""
    task = bridge.task("infinityblue", seconds=1)
    bridge.submit(task, expected_seconds=1)
    bridge.event(task)
    [known, *_] = rows(cli("pace", "infinityblue"))
    assert known["tasks"] >= 1
    assert known["next_task_polled_at"] == sorted(known["next_task_polled_at"])
    kind = known["model"], known["object"]
    shown = picture(known, bridge.cloud.edges.ledger.paces.kinds("infinityblue")[kind])
    assert f"tasks: {known['tasks']};" in shown
    assert "█" in shown
    assert cli("pace", "infinityblue", "--reset").exit_code == 2
    assert rows(cli("pace", "infinityblue", "--reset", "--yes"))[0]["forgotten"] >= 1
    assert cli("pace", "infinityblue").exit_code == 1


def test_a_sandbox_is_found_by_its_endpoint_alone(bridge: Bridge) -> None:
    """A user without an AWS account has no region and no credentials either."""
    task = bridge.task("alad")
    environment = {"AWS_ENDPOINT_URL": bridge.cloud.endpoint, "PATH": os.environ["PATH"], "HOME": "/nonexistent"}
    command = [sys.executable, "-m", "vidhook_cli.main", "submit", "alad", task.task_id]
    done = subprocess.run(command, env=environment, capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")
    assert json.loads(done.stdout)["id"] == id_of(task)
    listed = subprocess.run([*command[:3], "keys", "list"], env=environment, capture_output=True, text=True)
    assert (listed.returncode, listed.stderr) == (0, "")


def test_tasks_are_found_by_provider_and_status(bridge: Bridge, cli: Cli) -> None:
    """The newest tasks come first, since they are the most often looked for."""
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


def test_every_command_for_a_subscriber_does_what_it_says(bridge: Bridge, cli: Cli) -> None:
    """A subscriber is added, tested, paused, resumed, updated, rotated, replayed to, listed and removed."""
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
        assert rows(cli("subscribers", "resume", who))[0]["started"] == 1
        [webhook] = webhooks(app, task)
        assert webhook.verified

        assert cli("subscribers", "update", who, "--url", moved.url).exit_code == 0
        [rotated] = rows(cli("subscribers", "rotate", who, "--now", "--yes"))
        moved.secrets.append(rotated["secret"])
        assert rows(cli("replay", id_of(task), "--subscriber", who)) == [{"started": 1, "held": 0, "removed": 0}]
        [again] = webhooks(moved, task)
        assert (again.verified, again.body) == (True, webhook.body)

        listed = {row["id"]: row for row in rows(cli("subscribers", "list"))}
        assert listed[who]["url"] == moved.url
        assert added["secret"] not in json.dumps(listed)
        assert rotated["secret"] not in json.dumps(listed)
        asked = cli("subscribers", "remove", who)
        assert (asked.exit_code, "give --yes" in asked.output) == (2, True)
        assert cli("subscribers", "remove", who, "--yes").exit_code == 0
        assert who not in cli("subscribers", "list").output
        assert cli("subscribers", "show", who).exit_code == 1
        after = rows(cli("replay", id_of(task), "--subscriber", who))
        assert after == [{"started": 0, "held": 0, "removed": 1}]


def test_deliveries_shows_why_a_webhook_did_not_arrive(bridge: Bridge, cli: Cli, subscriber: Make) -> None:
    """One command shows the state, the answer of the subscriber and the time of the next attempt."""
    app = subscriber(status=418)
    task = bridge.task()
    bridge.submit(task)
    webhooks(app, task)
    bridge.ended(bridge.execution_arn(task))
    [row] = rows(cli("deliveries", id_of(task)))
    assert (row["state"], row["last"]) == ("due", "418")
    assert row["next_at"]
    assert row["log"][0]["status"] == 418
    listed = rows(cli("deliveries", "--subscriber", bridge.known(app).id))
    assert (id_of(task), bridge.event(task).id) in [(each["task"], each["event_id"]) for each in listed]
    assert rows(cli("deliveries", "--subscriber", bridge.known(app).id, "--failed")) == []
    assert rows(cli("deliveries", id_of(task), "--state", "delivered")) == []
    assert "there is no subscriber" in cli("deliveries", "--subscriber", "sub_none").output


def test_deliveries_of_all_tasks_are_found_by_state_and_type(bridge: Bridge, cli: Cli, subscriber: Make) -> None:
    """What is wrong now is often wrong for many tasks, and the newest shows it."""
    app = subscriber(status=418)
    tasks = [bridge.task() for _ in range(2)]
    for task in tasks:
        bridge.submit(task)
        webhooks(app, task)
        bridge.ended(bridge.execution_arn(task))
    due = rows(cli("deliveries", "--state", "due", "--type", "video.completed", "--since", "1h"))
    mine = [row["task"] for row in due if row["subscriber"] == bridge.known(app).id]
    assert mine == [id_of(task) for task in reversed(tasks)]
    newest = rows(cli("deliveries", "--state", "due", "--limit", 1))  # which may have had another attempt by now
    assert [row["task"] for row in newest] == [row["task"] for row in due[:1]]
    assert {row["state"] for row in rows(cli("deliveries", "--failed"))} <= {"failed"}
    assert "give a subscriber too" in cli("deliveries", "--type", "video.progress").output


def test_replay_since_a_time_sends_all_events_since_then_again(bridge: Bridge, cli: Cli, subscriber: Make) -> None:
    """A receiver that was restored from a backup gets again what it has lost."""
    app = subscriber()
    tasks = [bridge.task() for _ in range(2)]
    for task in tasks:
        bridge.submit(task)
        webhooks(app, task)
    replayed = cli("replay", "--subscriber", bridge.known(app).id, "--since", "1h", "--yes")
    assert rows(replayed) == [{"started": 2, "held": 0, "removed": 0}]
    assert replayed.output.startswith("stack vidhook, account ")
    for task in tasks:
        assert len({each.body for each in webhooks(app, task, 2)}) == 1


def test_status_shows_what_is_well_and_what_is_not(bridge: Bridge, cli: Cli, subscriber: Make) -> None:
    """It counts the running watches, and names the disabled subscribers and the aborted watches."""

    def status() -> dict[str, dict[str, Any]]:
        result = cli("status")
        found = [json.loads(line) for line in result.output.splitlines()]
        assert result.exit_code == int(not all(row["well"] for row in found))
        return {row["what"]: row for row in found}

    app = subscriber(answers=[410])
    waits = bridge.task(seconds=1_000)
    bridge.submit(waits)
    running = status()["watches running"]
    assert (int(running["value"]) >= 1, running["well"]) == (True, True)
    assert f"subscriber {bridge.known(app).id}" not in status()
    gone = bridge.task()
    bridge.submit(gone)
    bridge.ended(bridge.execution_arn(gone))
    bridge.cloud.client("sqs").send_message(
        QueueUrl=bridge.cloud.outputs["submissions_queue"], MessageBody="not a submission"
    )
    refused = eventually(lambda: [row for row in [status()["RefusedSubmissionsQueue"]] if row["value"] != "0"])[0]
    assert (refused["well"], refused["detail"]) == (True, "its messages say why: docs/operating.md")
    trouble = status()[f"subscriber {bridge.known(app).id}"]
    assert (trouble["well"], trouble["value"], trouble["detail"]) == (False, "disabled", "it answered 410 Gone")
    bridge.states.stop_execution(executionArn=bridge.execution_arn(waits))
    aborted = status()["watches aborted"]
    assert (aborted["well"], id_of(waits) in aborted["detail"]) == (False, True)


def test_status_deep_sends_a_sample_in_by_every_way_and_tells_no_subscriber(
    bridge: Bridge, cli: Cli, subscriber: Make
) -> None:
    """It is the first thing to run on a new account, and must not reach systems that wait for real videos."""
    app = subscriber()
    found = {row["what"]: row for row in map(json.loads, cli("status", "--deep").output.splitlines())}
    ways = {what: row for what, row in found.items() if what.startswith("way in: ")}
    names = {"function", "creation, by function", "queue", "event bus", "execution", "API"}
    assert {what.removeprefix("way in: ") for what in ways} == names
    assert [row for row in ways.values() if not row["well"]] == []
    assert found["alarms with data"]["well"]
    assert found["SubmissionsDeadLetterQueue takes messages"]["value"] == "yes"
    assert found["SubmissionsDeadLetterQueue"]["well"]
    assert app.received == []


@pytest.fixture
def started(bridge: Bridge) -> Iterator[Callable[..., subprocess.Popen[str]]]:
    """Starts a command that follows the bus, as a process of its own; SIGTERM must end it, and leave no queue."""
    environment = {
        **os.environ,
        "AWS_ENDPOINT_URL": bridge.cloud.endpoint,
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",
        "AWS_DEFAULT_REGION": REGION,
        "PYTHONUNBUFFERED": "1",
    }
    queues = bridge.cloud.client("sqs")
    before = set(queues.list_queues().get("QueueUrls", []))
    running: list[subprocess.Popen[str]] = []

    def start(*words: str) -> subprocess.Popen[str]:
        command = [sys.executable, "-c", "from vidhook_cli.main import main; main()", *words, "--seconds", "60"]
        running.append(subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True))
        eventually(lambda: set(queues.list_queues().get("QueueUrls", [])) - before)
        time.sleep(0.5)  # its rule follows its queue
        return running[0]

    try:
        yield start
        for process in running:
            process.send_signal(signal.SIGTERM)
            assert process.wait(30) == 0
    finally:
        for process in running:
            process.kill()
            process.communicate()
    assert set(queues.list_queues().get("QueueUrls", [])) == before


def test_events_tail_shows_the_events_of_the_bus_as_they_come(bridge: Bridge, started: Start) -> None:
    """The command runs until it is interrupted, so here it is a process of its own; it leaves no queue behind."""
    tail = started("events", "tail")
    task = bridge.task()
    bridge.submit(task)
    assert tail.stdout
    assert any(json.loads(line)["data"]["id"] == id_of(task) for line in tail.stdout)


def test_listen_brings_a_local_server_the_webhook_that_a_subscriber_gets(
    bridge: Bridge, subscriber: Make, started: Start
) -> None:
    """The same id, body and headers, but for the time and the signature; a first refusal is tried again."""
    app, task = subscriber(), bridge.task()
    with SampleSubscriber(answers=[500]) as local:
        process = started("listen", local.url, "--events", "video.completed")
        assert process.stdout
        local.secrets.append(json.loads(process.stdout.readline())["secret"])
        bridge.submit(task, metadata={"order": "17", "ö": 1.0})
        [theirs], [first, again] = webhooks(app, task), webhooks(local, task, 2)
        lines = (json.loads(line) for line in process.stdout)
        attempts = [next(row for row in lines if row["task"] == id_of(task)) for _ in range(2)]
    assert [(row["outcome"], row["status"]) for row in attempts] == [("retry", 500), ("delivered", 200)]
    for mine in (first, again):
        assert mine.verified
        assert mine.body == theirs.body
        assert mine.headers["webhook-id"] == theirs.headers["webhook-id"]
        for name in ("content-type", "user-agent"):
            assert mine.headers[name] == theirs.headers[name]
        assert mine.headers.keys() == theirs.headers.keys()


def test_a_provider_file_is_put_shown_and_removed(bridge: Bridge, cli: Cli, tmp_path: Path) -> None:
    """A provider file with a mistake in it is refused and not put into the ledger."""
    name = f"p{uuid4().hex[:8]}"
    text = f'name = "{name}"\nbase_url = "https://api.example.com"\npath = "/t/{{task_id}}"\n[answer]\nstatus = "s"\n'
    file = tmp_path / "own.toml"
    file.write_text(text)
    refused = cli("providers", "put", file)
    assert (refused.exit_code, bridge.cloud.edges.ledger.providers.text(name)) == (1, None)
    assert "[assets].result" in refused.output
    file.write_text(text + '[assets]\nresult = "url"\n')
    assert cli("providers", "put", file).exit_code == 0
    assert name in cli("providers", "list").output
    assert cli("providers", "show", name).output == file.read_text()
    assert cli("providers", "remove", name, "--yes").exit_code == 0
    assert name not in cli("providers", "list").output


def test_a_key_is_set_listed_and_removed_and_the_others_stay(
    bridge: Bridge, cli: Cli, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The functions find it in the stack's own secret, beside the keys that were there."""
    secrets, name = bridge.cloud.edges.secrets, f"p{uuid4().hex[:8]}"
    before = rows(cli("keys", "list"))
    text = f'name = "{name}"\nbase_url = "https://api.example.com"\npath = "/t/{{task_id}}"\n[answer]\nstatus = "s"\n'
    bridge.cloud.edges.ledger.providers.put(name, text + '[assets]\nresult = "url"\n')
    try:
        for key in ("first", "second"):
            with monkeypatch.context() as patch:
                patch.setattr(CliRunner, "invoke", partialmethod(CliRunner.invoke, input=f"{key}\n"))
                assert cli("keys", "set", name).exit_code == 0
            assert secrets.provider_key(name, fresh=True) == key
        listed = rows(cli("keys", "list"))
        assert [row["provider"] for row in listed] == sorted([name, *(row["provider"] for row in before)])
        assert cli("keys", "remove", name, "--yes").exit_code == 0
    finally:
        bridge.cloud.edges.ledger.providers.remove(name)
    assert secrets.provider_key(name, fresh=True) is None
    assert [row["provider"] for row in rows(cli("keys", "list"))] == [row["provider"] for row in before]


@pytest.mark.parametrize("command", ["task none", "deliveries alad/none", "subscribers pause sub_none"])
def test_something_that_does_not_exist_ends_in_one_clear_line(cli: Cli, command: str) -> None:
    """An operator needs one sentence and not a traceback."""
    result = cli(*command.split())
    assert result.exit_code == 1
    assert result.output.startswith("Error: ")
    assert result.output.count("\n") == 1
