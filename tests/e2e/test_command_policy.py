"""What IAM must allow for the `vidhook` command: the documents in docs/policies, no more and no less."""

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from typing import Any
from uuid import uuid4

import boto3
import click
import pytest
import requests
from botocore.client import BaseClient
from click.testing import CliRunner, Result

from tests.e2e.bridge import Bridge, eventually, id_of, webhooks
from vidhook.edges import aws
from vidhook_cli.main import ALONE, COMMANDS, main
from vidhook_cli.stack import find_stack
from vidhook_console.proxy import Console, serving
from vidhook_sandbox import ROOT
from vidhook_sandbox.cloud import REGION

READ, ACT = (
    json.loads((ROOT / "docs/policies" / f"{name}.json").read_text("utf-8"))["Statement"] for name in ("read", "act")
)
RECOVER = "subscribers recover {own} --since 1d"
# Every command that uses the stack, in an order in which each one can do its work.
READING = (
    "tasks --limit 5",
    "why {task}",
    "task {task}",
    "task {task} --answer",
    "deliveries {task}",
    "deliveries --subscriber {own}",
    "deliveries --limit 5",
    "subscribers list",
    "subscribers show {own}",
    "providers list",
    "providers show alad",
    "pace alad",
    "status",
    "console",  # which asks for the subscribers here, see `visited`
)
ACTING = (
    "submit alad {new}",
    "status --deep",
    "retry {failed} --deadline-seconds 86400",
    "poll {failed}",
    "cancel {failed} --yes",
    "replay {task}",
    "replay --subscriber {own} --since 1d --yes",
    "subscribers add {url}?second",
    "subscribers update {own} --header x-key:1",
    "subscribers pause {own}",
    "subscribers resume {own}",
    "subscribers rotate {own}",
    "subscribers show {own} --secrets",
    "subscribers test {own}",
    "subscribers test {callback}",
    RECOVER,
    "subscribers remove {leaving} --yes",
    "providers put {file}",
    "keys set house",
    "keys list",
    "keys remove house --yes",
    "providers remove house --yes",
    "pace alad --reset --yes",
    "events tail --seconds 2",
    "listen http://127.0.0.1:9/closed --seconds 2",
    "erase {task} --yes",
    "console --no-open",  # which pauses nobody here
)
# Without the commands before them these find nothing that they could do.
NOTHING_TO_DO = (
    RECOVER,
    "poll {failed}",
    "cancel {failed} --yes",
    "providers remove house --yes",
    "keys set house",
    "keys remove house --yes",
)
# Their exit code may say that something else is unwell: the stack, or the endpoint, which does not know this secret.
TELL_OF_OTHERS = ("status", "status --deep", "subscribers test {callback}")
# By the statement: a command that is refused without it.
NEEDED_BY = {
    "FindTheStack": "providers list",
    "ReadTheLedger": "tasks --limit 5",
    "CountExecutions": "status",
    "SeeWhyExecutionsFailed": "status",
    "CountMessages": "status",
    "SeeAlarms": "status",
    "LookAtTheConsole": "console",
    "Submit": "submit alad {new}",
    "Erase": "erase {task} --yes",
    "WriteIntoTheLedger": "subscribers pause {own}",
    "RetryAndReplay": "replay {task}",
    "SealAndOpenCredentials": "subscribers test {own}",
    "SignTests": "subscribers test {callback}",
    "ChangeProviderKeys": "keys list",
    "FollowTheBusInAQueue": "events tail --seconds 2",
    "FollowTheBusByARule": "events tail --seconds 2",
    "SendSampleTasksIn": "status --deep",
    "TryDeadLetterQueues": "status --deep",
    "LookForMetrics": "status --deep",
    "ActInTheConsole": "console --no-open",
}
# How IAM names what an operation needs, where it is not the operation's own name.
NAMED_OTHERWISE = {
    ("dynamodb", "TransactWriteItems"): {"dynamodb:PutItem", "dynamodb:UpdateItem"},
    ("lambda", "Invoke"): {"lambda:InvokeFunction"},
}


# The API is called without botocore; a refusal is an answer of 403.
NOT_BY_BOTOCORE = "execute-api:Invoke"


@dataclass
class Person:
    """Somebody who may do what these statements allow, and runs commands."""

    bridge: Bridge
    statements: list[dict[str, Any]]
    called: set[str] = field(default_factory=set)

    def __post_init__(self) -> None:
        iam, name = self.bridge.cloud.client("iam"), f"person-{uuid4().hex[:8]}"
        # For the targets of a rule the emulator asks about the rule's bus, where AWS asks about the rule.
        bus = {"Resource": ["arn:aws:events:*:*:rule/vidhook/vidhook-tail-*", "arn:aws:events:*:*:event-bus/vidhook"]}
        statements = [each | (bus if each["Sid"] == "FollowTheBusByARule" else {}) for each in self.statements]
        policy = json.dumps({"Version": "2012-10-17", "Statement": statements})
        iam.create_user(UserName=name)
        iam.put_user_policy(UserName=name, PolicyName=name, PolicyDocument=policy)
        self._key = iam.create_access_key(UserName=name)["AccessKey"]

    def __call__(self, command: str) -> Result:
        """Runs a command, and notes in `called` what it asked of AWS."""
        environment = {
            "AWS_ENDPOINT_URL": self.bridge.cloud.endpoint,
            "AWS_ACCESS_KEY_ID": self._key["AccessKeyId"],
            "AWS_SECRET_ACCESS_KEY": self._key["SecretAccessKey"],
            "AWS_DEFAULT_REGION": REGION,
            "NO_PROXY": "127.0.0.1",
        }
        call = BaseClient._make_api_call  # type: ignore[attr-defined]

        def noted(client: Any, operation: str, parameters: Any) -> Any:
            if client._request_signer._credentials.access_key != self._key["AccessKeyId"]:
                return call(client, operation, parameters)
            signed = client.meta.service_model.signing_name
            service = "cloudwatch" if signed == "monitoring" else signed
            self.called |= NAMED_OTHERWISE.get((service, operation), {f"{service}:{operation}"})
            return call(client, operation, parameters)

        with pytest.MonkeyPatch.context() as patched:
            patched.setattr("vidhook_console.console.leave_when_told", lambda: None)
            patched.setattr("vidhook_console.proxy.serving", partial(visited, acts="--no-open" in command))
            patched.delenv("AWS_PROFILE", raising=False)
            patched.delenv("AWS_SESSION_TOKEN", raising=False)
            patched.setattr(boto3, "DEFAULT_SESSION", None)
            patched.setattr(BaseClient, "_make_api_call", noted)
            aws.session.cache_clear()
            find_stack.cache_clear()
            try:
                return CliRunner().invoke(main, command.split(), env=environment, input="sk-house\n")
            finally:
                find_stack.cache_clear()
                aws.session.cache_clear()


@contextmanager
def visited(console: Console, port: int, ticket: str, *, acts: bool) -> Iterator[str]:
    """Serves a console until one request of its page is answered, prints the answer and ends the command."""
    with serving(console, port, ticket) as url:
        address, _, token = url.partition("/#")
        with requests.Session() as session:
            session.trust_env = False
            session.headers["Authorization"] = f"Bearer {token}"
            path = f"{address}/api/v1/subscribers"
            nobody = "sub_aaaaaaaaaaaaaaaaaaaaaaaaaa"
            answer = session.post(f"{path}/{nobody}/pause", timeout=60) if acts else session.get(path, timeout=60)
        click.echo(f"it answered {answer.status_code}")
        raise SystemExit(0)
    yield url


def listed(given: str | list[str]) -> list[str]:
    return [given] if isinstance(given, str) else given


def is_refused(result: Result) -> bool:
    return any(word in result.output for word in ("not allowed", "AccessDenied", "it answered 403"))


@pytest.fixture
def names(bridge: Bridge, subscriber: Any, tmp_path: Any) -> Iterator[dict[str, Any]]:
    """What the commands are about: tasks, subscribers, a provider file; and the bus has events all the time."""
    app, leaving = subscriber(), subscriber()
    task, failed = bridge.task(), bridge.task(seconds=10**6)
    bridge.submit(task, callback_url=app.url)
    bridge.submit(failed, deadline_seconds=1)
    refused = bridge.states.start_execution(stateMachineArn=bridge.cloud.outputs["watch_arn"], input="{}")
    webhooks(app, task, 2)
    for arn in (bridge.execution_arn(failed), refused["executionArn"]):
        bridge.ended(arn)
    ledger, bundled = bridge.cloud.edges.ledger, ROOT / "layers/vidhook/vidhook/providers/alad.toml"
    file = tmp_path / "house.toml"
    file.write_text(bundled.read_text("utf-8").replace('"alad"', '"house"', 1))
    callback = eventually(
        lambda: [
            each.subscriber_id
            for each in ledger.deliveries.of_task(id_of(task))
            if each.subscriber_id.startswith("cb_")
        ]
    )[0]
    with events_on(bridge):
        yield {
            "task": id_of(task),
            "failed": id_of(failed),
            "new": bridge.task().task_id,
            "own": bridge.known(app).id,
            "leaving": bridge.known(leaving).id,
            "callback": callback,
            "url": app.url,
            "file": file,
        }
    for added in [each.id for each in ledger.subscribers.all() if each.url == f"{app.url}?second"]:
        ledger.subscribers.remove(added)


@contextmanager
def events_on(bridge: Bridge) -> Iterator[None]:
    """Puts an event on the bus four times a second."""
    over, client = threading.Event(), bridge.cloud.client("events")
    detail = json.dumps({"id": "evt_probe", "type": "video.completed", "data": {"id": "tsk_probe"}})
    entry = {"Source": "vidhook", "DetailType": "video.completed", "Detail": detail}

    def put() -> None:
        while not over.wait(0.25):
            client.put_events(Entries=[{**entry, "EventBusName": bridge.cloud.outputs["bus"]}])

    thread = threading.Thread(target=put)
    thread.start()
    yield
    over.set()
    thread.join()


def test_every_command_is_tried_and_every_statement() -> None:
    """A command that is added later needs its permissions in the documents."""
    tried = {command.split()[0] for command in (*READING, *ACTING)}
    assert set(COMMANDS) - set(ALONE) <= tried
    assert [each["Sid"] for each in (*READ, *ACT)] == list(NEEDED_BY)


@pytest.mark.slow
def test_the_documents_allow_every_command_and_nothing_that_no_command_does(bridge: Bridge, names: Any) -> None:
    """An operator gets these documents, and neither a refusal nor a permission too many."""
    person = Person(bridge, [*READ, *ACT])
    for command in (*READING, *ACTING):
        result = person(command.format(**names))
        assert not is_refused(result), result.output
        assert result.exit_code == 0 or command in TELL_OF_OTHERS, result.output
    actions = {action for each in (*READ, *ACT) for action in listed(each["Action"])}
    assert actions == person.called | {NOT_BY_BOTOCORE}


@pytest.mark.slow
def test_who_may_only_read_can_look_and_do_nothing(bridge: Bridge, names: Any) -> None:
    """For dashboards, and for people who answer questions."""
    person = Person(bridge, READ)
    for command in READING:
        assert not is_refused(person(command.format(**names))), command
    for command in ACTING:
        assert command in NOTHING_TO_DO or is_refused(person(command.format(**names))), command


@pytest.mark.parametrize("sid", NEEDED_BY)
@pytest.mark.slow
def test_without_a_statement_a_command_is_refused(bridge: Bridge, names: Any, sid: str) -> None:
    """What nothing needs should not be granted."""
    person = Person(bridge, [each for each in (*READ, *ACT) if each["Sid"] != sid])
    result = person(NEEDED_BY[sid].format(**names))
    assert is_refused(result), result.output
