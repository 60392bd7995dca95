"""The `vidhook` command with wrong input of every kind: one line that says what is wrong, and never a traceback."""

from collections.abc import Iterator
from typing import Any

import boto3
import click
import pytest
from botocore.exceptions import ClientError
from click.testing import CliRunner, Result

from tests.integration.world import World, says
from vidhook_cli import stack as stacks
from vidhook_cli.main import main
from vidhook_cli.refusals import in_words

# These run until they are interrupted, or ask for a secret, so only what must be refused is given to them.
ENDLESS = {"sandbox", "sample-provider", "sample-subscriber", "demo", "tail", "doctor"}
# What people type by mistake, and what breaks programs that trust them.
WRONG = [
    *("", " ", "-1", "0", "nan", "inf", "-inf", "1e400", "99999999999d", "²d", "x", "tsk_", "sub_" + "a" * 26),
    *("a/b", "é" * 300, "\x1b[31m", "{", "{}", "[]", '{"a": NaN}', "https://", "../x", "/etc/hostname", "999999999"),
    *("0001-01-01T00:00:00", "9999-12-31T23:59:59+14:00", "2026-13-45", "--", "10.0.0.0/99", "a: b\nc: d"),
]
REFUSED = {"--port": ["-1", "99999", "x"], "--wait-scale": ["nan", "-1", "inf", "x"], "--slow": ["nan", "-1", "inf"]}
REFUSED |= {"--fail": ["-1", "x"], "--status": ["0", "99999"], "--seconds": ["nan", "-1", "x"], "--secret": ["x", ""]}


def commands(group: click.Group, path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], click.Command]]:
    context = click.Context(group)
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        assert command is not None
        if isinstance(command, click.Group):
            yield from commands(command, (*path, name))
        else:
            yield (*path, name), command


ALL = dict(commands(main))


def run(*words: str) -> Result:
    return CliRunner().invoke(main, list(words), env={"COLUMNS": "100"})


def check(result: Result, words: list[str]) -> None:
    """No traceback, and a refusal is short."""
    assert result.exception is None or isinstance(result.exception, SystemExit), (words, result.exception)
    assert "Traceback" not in result.output
    if result.exit_code:
        assert len(result.output.splitlines()) <= 8, (words, result.output)


@pytest.fixture
def deployed(world: World, monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
    """A stack in moto that the command finds, with one task that has ended."""
    names = ("WatchArn", "RedeliverArn", "Bus", "SubmitFunction", "SubmissionsQueue", "SubmissionsDeadLetterQueue")
    outputs = dict.fromkeys(names, "x")
    queue = boto3.client("sqs").create_queue(QueueName="q")["QueueUrl"]
    outputs |= {"SubmissionsQueue": queue, "SubmissionsDeadLetterQueue": queue, "Bus": "default"}
    outputs |= {"WatchArn": "arn:aws:states:us-east-1:123456789012:stateMachine:w", "Table": world.settings["TABLE"]}
    outputs |= {"RedeliverArn": outputs["WatchArn"], "Bucket": world.settings["BUCKET"], "Key": world.settings["KEY"]}
    outputs |= {"ProviderSecret": world.settings["PROVIDER_SECRET"], "DefaultSecret": world.settings["DEFAULT_SECRET"]}
    found = {"Stacks": [{"Outputs": [{"OutputKey": name, "OutputValue": value} for name, value in outputs.items()]}]}
    client = boto3.client

    class CloudFormation:
        """What moto needs more packages for."""

        def describe_stacks(self, **_: object) -> Any:
            return found

    monkeypatch.setattr(boto3, "client", lambda name: CloudFormation() if name == "cloudformation" else client(name))
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "test")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "test")
    monkeypatch.delenv("VIDHOOK_STACK", raising=False)
    world.publish(world.settle(says("failed", error="no")), store=False)
    stacks.stack.cache_clear()
    yield world
    stacks.stack.cache_clear()


@pytest.mark.parametrize("path", [path for path in ALL if path[-1] not in ENDLESS], ids=" ".join)
def test_no_value_of_any_option_or_argument_ends_in_a_traceback(deployed: World, path: tuple[str, ...]) -> None:
    """An operator at three in the morning must be able to read what is wrong."""
    command = ALL[path]
    arguments = [param for param in command.params if isinstance(param, click.Argument)]
    for value in WRONG:
        words = [*path, *(value for _ in arguments)]
        check(run(*words), words)
        for option in command.params:
            if isinstance(option, click.Option) and not option.is_flag and option.opts[0] != "--help":
                words = [*path, *("alad" for _ in arguments), option.opts[0], value]
                check(run(*words), words)


@pytest.mark.parametrize("path", [path for path in ALL if path[-1] in ENDLESS], ids=" ".join)
def test_what_runs_until_it_is_interrupted_refuses_nonsense_at_once(path: tuple[str, ...]) -> None:
    """Otherwise it would run, and do something else than was meant."""
    for option in ALL[path].params:
        for value in REFUSED.get(option.opts[0], []):
            result = run(*path, option.opts[0], value)
            assert result.exit_code == 2, (path, option.opts[0], value, result.output)
            assert isinstance(result.exception, SystemExit)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["deliveries", "t1", "--since", "1d"], "--since is for lists without TASK"),
        (["replay", "t1", "--since", "1d"], "--since is for all events of a --subscriber"),
        (["tasks", "--status", "done"], "'done' is not one of"),
        (["tasks", "--limit", "-1"], "-1 is not in the range"),
        (["tasks", "--since", "99999999999d"], "is neither an instant"),
    ],
    ids=lambda given: " ".join(given) if isinstance(given, list) else "",
)
def test_an_option_that_would_do_nothing_is_refused(deployed: World, words: list[str], said: str) -> None:
    """Whoever gives it expects something of it."""
    result = run(*words)
    assert result.exit_code == 2
    assert said in result.output


class TestRefusalsOfAws:
    @pytest.mark.parametrize(
        ("code", "message", "expected"),
        [
            (
                "AccessDeniedException",
                "User: arn:aws:iam::1:user/ann is not authorized to perform: dynamodb:Query on resource: x",
                "AWS refused Query: not allowed; User: arn:aws:iam::1:user/ann is not authorized to perform: "
                "dynamodb:Query on resource: x; give this identity the permission, or choose another profile with "
                "AWS_PROFILE",
            ),
            (
                "ExpiredTokenException",
                "The security token included in the request is expired",
                "AWS refused Query (profile work): the credentials have expired; The security token included in the "
                "request is expired; sign in again (`aws sso login`, or new keys), or choose another profile with "
                "AWS_PROFILE",
            ),
            ("ValidationException", "bad\n thing", "AWS refused Query: ValidationException; bad thing"),
        ],
    )
    def test_one_line_names_the_call_the_identity_and_the_mend(
        self, monkeypatch: pytest.MonkeyPatch, code: str, message: str, expected: str
    ) -> None:
        """It was a traceback of forty lines."""
        monkeypatch.setenv("AWS_PROFILE", "work")
        assert in_words(ClientError({"Error": {"Code": code, "Message": message}}, "Query")) == expected

    @pytest.mark.parametrize(
        "path", [("tasks",), ("status",), ("task", "t1"), ("deliveries",), ("submit", "alad", "t")]
    )
    @pytest.mark.parametrize(
        ("settings", "said"),
        [
            ({"AWS_PROFILE": "nobody"}, "nobody"),
            ({"AWS_ENDPOINT_URL": "http://127.0.0.1:9"}, "look whether the sandbox still runs"),
            ({"AWS_DEFAULT_REGION": "", "AWS_REGION": ""}, "set AWS_REGION"),
        ],
        ids=["profile", "endpoint", "region"],
    )
    def test_what_keeps_a_command_from_asking_is_one_line_too(
        self, monkeypatch: pytest.MonkeyPatch, path: tuple[str, ...], settings: dict[str, Any], said: str
    ) -> None:
        """A typing error in a profile is the first thing that a newcomer meets."""
        monkeypatch.setattr(boto3, "DEFAULT_SESSION", None)
        monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
        monkeypatch.setenv("AWS_CONFIG_FILE", "/nowhere")
        monkeypatch.setenv("AWS_MAX_ATTEMPTS", "1")
        monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
        for name, value in settings.items():
            monkeypatch.setenv(name, value) if value else monkeypatch.delenv(name, raising=False)
        stacks.stack.cache_clear()
        result = run(*path)
        assert result.exit_code == 1
        assert said in result.output
        assert len(result.output.splitlines()) == 1
