"""The `vidhook` command with wrong input of every kind: one line that says what is wrong, and never a traceback."""

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, cast

import boto3
import click
import pytest
from botocore.exceptions import ClientError
from click.testing import CliRunner, Result

from tests.integration.world import Answer, World, says
from vidhook.providers.file import bundled_text
from vidhook_cli import stack as stacks
from vidhook_cli.main import main
from vidhook_cli.refusals import in_words

# These run until they are interrupted, or ask for a secret, so only what must be refused is given to them.
ENDLESS = {"sandbox", "sample-provider", "sample-subscriber", "demo", "tail", "doctor", "listen", "console"}
# What people type by mistake, and what breaks programs that trust them.
WRONG = [
    *("", " ", "-1", "0", "nan", "inf", "-inf", "1e400", "99999999999d", "²d", "x", "tsk_", "sub_" + "a" * 26),
    *(
        "a/b",
        "é" * 300,
        "\x1b[31m",
        "{",
        "{}",
        "[]",
        '{"a": NaN}',
        '{"a": 1e400}',
        "9" * 30,
        "https://",
        "../x",
        "/etc/hostname",
        "999999999",
    ),
    *("0001-01-01T00:00:00", "9999-12-31T23:59:59+14:00", "2026-13-45", "--", "10.0.0.0/99", "a: b\nc: d"),
]
# What gets so far that the option counts; all else is "alad".
GOOD = {"url": "https://example.com/hook", "subscriber_id": f"sub_{'w' * 26}"}
REFUSED = {"--port": ["-1", "99999", "x"], "--wait-scale": ["nan", "-1", "inf", "x"], "--slow": ["nan", "-1", "inf"]}
REFUSED |= {"--fail": ["-1", "x"], "--status": ["0", "99999"], "--seconds": ["nan", "-1", "x"], "--secret": ["x", ""]}
ARN = "arn:aws:cloudformation:us-east-1:123456789012:stack/vidhook/1"
WHSEC = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
MACHINE = '{"StartAt": "Done", "States": {"Done": {"Type": "Succeed"}}}'


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


def run(*words: str, columns: int = 100) -> Result:
    return CliRunner().invoke(main, list(words), env={"COLUMNS": str(columns)})


def check(result: Result, words: list[str]) -> None:
    """No traceback, and a refusal is short."""
    assert result.exception is None or isinstance(result.exception, SystemExit), (words, result.exception)
    assert "Traceback" not in result.output
    if result.exit_code:
        assert len(result.output.splitlines()) <= 8, (words, result.output)


@pytest.fixture
def deployed(world: World, monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
    """A stack in moto that the command finds, with one task that has ended."""
    names = (
        "WatchArn",
        "RedeliverArn",
        "Bus",
        "SubmitFunction",
        "SweepFunction",
        "SubmissionsQueue",
        "SubmissionsDeadLetterQueue",
    )
    outputs = dict.fromkeys(names, "x")
    role, states = "arn:aws:iam::123456789012:role/states", boto3.client("stepfunctions")
    watch = states.create_state_machine(name="w", definition=MACHINE, roleArn=role)["stateMachineArn"]
    queue = boto3.client("sqs").create_queue(QueueName="q")["QueueUrl"]
    outputs |= {"SubmissionsQueue": queue, "SubmissionsDeadLetterQueue": queue, "Bus": "default"}
    outputs |= {"WatchArn": watch, "Table": world.settings["TABLE"]}
    outputs |= {"RedeliverArn": outputs["WatchArn"], "Bucket": world.settings["BUCKET"], "Key": world.settings["KEY"]}
    outputs |= {"ProviderSecret": world.settings["PROVIDER_SECRET"], "DefaultSecret": world.settings["DEFAULT_SECRET"]}
    listed = [{"OutputKey": name, "OutputValue": value} for name, value in outputs.items()]
    found = {"Stacks": [{"StackId": ARN, "Outputs": listed}]}
    client = boto3.client

    class CloudFormation:
        """What moto needs more packages for."""

        def describe_stacks(self, **_: object) -> Any:
            return found

    monkeypatch.setattr(
        boto3, "client", lambda name, **_: CloudFormation() if name == "cloudformation" else client(name)
    )
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "test")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "test")
    monkeypatch.delenv("VIDHOOK_STACK", raising=False)
    world.publish(world.settle(says("failed", error="no")), store=False)
    stacks.find_stack.cache_clear()
    yield world
    stacks.find_stack.cache_clear()


@pytest.mark.slow
@pytest.mark.parametrize("path", [path for path in ALL if path[-1] not in ENDLESS], ids=" ".join)
def test_no_value_of_any_option_or_argument_ends_in_a_traceback(deployed: World, path: tuple[str, ...]) -> None:
    """An operator at three in the morning must be able to read what is wrong."""
    command = ALL[path]
    deployed.subscribe(GOOD["subscriber_id"].removeprefix("sub_"))
    arguments = [param for param in command.params if isinstance(param, click.Argument)]
    for value in WRONG:
        words = [*path, *(value for _ in arguments)]
        check(run(*words), words)
        for option in command.params:
            if isinstance(option, click.Option) and not option.is_flag and option.opts[0] != "--help":
                words = [*path, *(GOOD.get(str(each.name), "alad") for each in arguments), option.opts[0], value]
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
        (["replay", "t1", "--until", "1d"], "--until is for all events of a --subscriber"),
        (["replay", "--subscriber", "{subscriber}", "--until", "1d"], "give a TASK, or a --subscriber with --since"),
        (["replay", "t1", "--yes"], "--yes does nothing here: a replay of one TASK does not ask"),
        (["pace", "acme", "--yes"], "--yes does nothing here: pace without --reset does not ask"),
        (["subscribers", "rotate", "{subscriber}", "--yes"], "--yes does nothing here"),
        (["subscribers", "rotate", "{subscriber}", "--keep", "1", "--yes"], "--yes does nothing here"),
        (
            ["doctor", "http://localhost:1/", "--ca-file", "/etc/hostname", "--secret", WHSEC],
            "only https has certificates",
        ),
        (["listen", "http://localhost:1/", "--ca-file", "/etc/hostname"], "only https has certificates"),
        (["trigger", "endpoint.test", "http://[::1]:1/", "--metadata", "{}", "--secret", WHSEC], "belongs to no task"),
        (["tasks", "--status", "done"], "is not one of pending, processing"),
        (["tasks", "--limit", "-1"], "-1 is not in the range"),
        (["tasks", "--since", "99999999999d"], "is neither an instant"),
        (["replay", "--subscriber", "{subscriber}", "--since", "1h", "--until", "2h"], "is not after --since"),
        (["subscribers", "recover", "{subscriber}", "--since", "1h", "--until", "1h"], "is not after --since"),
    ],
    ids=lambda given: " ".join(given) if isinstance(given, list) else "",
)
def test_an_option_that_would_do_nothing_is_refused(deployed: World, words: list[str], said: str) -> None:
    """Whoever gives it expects something of it."""
    subscriber = deployed.subscribe("wqixgbp6qz3wnlmxwtyqk3vwye").id
    result = run(*(word.replace("{subscriber}", subscriber) for word in words))
    assert result.exit_code == 2, result.output
    assert said in result.output


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (["--events", ""], "events"),
        (["--providers", " , "], "providers"),
        (["--header", "", "--header", "a: b"], "header"),
    ],
    ids=lambda given: " ".join(given) if isinstance(given, list) else "",
)
def test_an_empty_value_changes_nothing_and_is_refused(deployed: World, given: list[str], said: str) -> None:
    """It is often a variable of a script that is not set."""
    before = deployed.subscribe("wqixgbp6qz3wnlmxwtyqk3vwye")
    result = run("subscribers", "update", before.id, "--url", "https://example.com/", *given)
    assert result.exit_code == 1
    assert said in result.output
    assert deployed.ledger.subscribers.get(before.id) == before


@pytest.mark.parametrize(
    "arguments",
    [
        ["subscribers", "show", "x" * 3_000],
        ["subscribers", "pause", "sub_none"],
        ["subscribers", "remove", "sub_" + "a" * 25 + "/"],
        ["subscribers", "test", ""],
        ["deliveries", "--subscriber", "cb_\x1b[2J"],
        ["replay", "--subscriber", "x" * 3_000, "--since", "1d"],
        ["providers", "show", "x" * 3_000],
        ["providers", "remove", ""],
        ["pace", "a#b"],
        ["why", "a\nb"],
        ["task", "a/b\r\nError: fake"],
        ["providers", "show", "a\tb"],
        ["keys", "remove", "\u202ealad"],
    ],
)
def test_what_is_no_id_or_name_is_refused_in_one_line(deployed: World, arguments: list[str]) -> None:
    """Too long a key is refused by AWS in its own words, and control characters move the terminal's cursor."""
    result = run(*arguments)
    assert result.exit_code == 1
    assert result.output.startswith("Error: there is no ")
    assert result.output.rstrip("\n").isprintable()
    assert len(result.output) < 250


@pytest.mark.parametrize(
    ("words", "near"),
    [
        (["task", "infinityblu/video_1"], "infinityblue"),
        (["tasks", "--provider", "alda"], "alad"),
        (["pace", "vicse"], "vicsee"),
        (["providers", "show", "vibepeek"], "vibepeak"),
        (["task", "acme/{task_id}x"], "acme/{task_id}"),
        (["task", "{id}a"], "{id}"),
        (["deliveries", "{task_id}x"], "{task_id}"),
        (["subscribers", "show", "{subscriber}x"], "{subscriber}"),
        (["replay", "--since", "1d", "--subscriber", "{subscriber}x"], "{subscriber}"),
        (["why", "order-71"], "order-17"),
        (["task", " order-17 "], "order-17"),
        (["task", "{upper}"], "{id}"),
        (["deliveries", "--subscriber", "{subscriber}x"], "{subscriber}"),
        (["deliveries", "{task_id}", "--subscriber", "{subscriber}x"], "{subscriber}"),
        (["subscribers", "add", "https://example.com/", "--providers", "alda"], "alad"),
        (["subscribers", "update", "{subscriber}", "--providers", "alad,vicse"], "vicsee"),
    ],
    ids=lambda given: " ".join(given) if isinstance(given, list) else "",
)
def test_a_misspelled_name_is_answered_with_the_nearest_one(deployed: World, words: list[str], near: str) -> None:
    """An empty table would say that there is no such task, which is another thing."""
    [watch] = deployed.ledger.tasks.all()
    deployed.intake.submit({"provider": "acme", "task_id": "another", "reference": "order-17"})
    subscriber = deployed.subscribe("wqixgbp6qz3wnlmxwtyqk3vwye").id
    names = {"id": watch.id, "upper": watch.id.upper(), "task_id": watch.submission.task_id, "subscriber": subscriber}
    result = run(*(word.format_map(names) for word in words))
    assert result.exit_code == 1
    assert f'did you mean "{near.format_map(names)}"?' in result.output


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["staus"], 'there is no command "staus"; did you mean "status"?'),
        (["subscribers", "remvoe", "x"], 'did you mean "remove"?'),
        (["tasks", "--status", "complete"], 'did you mean "completed"?'),
        (["tasks", "--status", "COMPLETED"], 'did you mean "completed"?'),
        (["deliveries", "--failed", "--state", "due"], "give one of the two"),
        (["subscribers", "rotate", "{subscriber}", "--now", "--keep", "5"], "--keep would do nothing"),
        (["tasks", "--since", "tomorrow"], "--since"),
        (["tasks", "--reference", ""], "--reference: is empty"),
        (["submit", "alad", "--create", "-", "--metadata", "-"], "cannot both read the standard input"),
    ],
    ids=lambda given: " ".join(given) if isinstance(given, list) else "",
)
def test_a_wrong_word_of_the_command_line_is_named_with_its_mend(deployed: World, words: list[str], said: str) -> None:
    """Exit code 2: nothing was done."""
    subscriber = deployed.subscribe("wqixgbp6qz3wnlmxwtyqk3vwye").id
    result = run(*(word.format(subscriber=subscriber) for word in words))
    assert result.exit_code == 2
    assert said in result.output


def test_an_id_that_two_providers_have_is_not_guessed(deployed: World) -> None:
    """A replay or a retry of the other one would be an accident."""
    deployed.ledger.providers.put("alad", bundled_text("alad"))  # two files, one provider
    for provider in ("alad", "vicsee"):
        deployed.intake.submit({"provider": provider, "task_id": "same"})
    result = run("task", "same")
    assert result.exit_code == 1
    assert "alad/same, vicsee/same; give one of these" in result.output
    assert run("task", "vicsee/same").exit_code == 0


def test_an_empty_variable_for_the_region_is_none(deployed: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """Scripts set it so; for a sandbox its endpoint is enough."""
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
    for name in ("AWS_REGION", "AWS_DEFAULT_REGION"):
        monkeypatch.setenv(name, "")
    stacks.find_stack.cache_clear()
    result = run("tasks")
    stacks.find_stack.cache_clear()
    assert result.exit_code == 1, result.output
    assert "Could not connect" in result.output


HOSTILE = "\x1b[2J\x1b]0;title\x07\r\nError: fake \x9b31m \u202e txt \u2028 end"


@pytest.mark.parametrize("words", [["why", "t2"], ["task", "t2"], ["deliveries", "t2"], ["tasks"]], ids=" ".join)
@pytest.mark.parametrize("as_json", [True, False])
def test_what_a_provider_wrote_cannot_move_the_cursor(
    deployed: World, monkeypatch: pytest.MonkeyPatch, words: list[str], as_json: bool
) -> None:
    """A message could clear the screen, fake a line, or turn the order of its letters; in JSON it ends no line."""
    deployed.subscribe("wqixgbp6qz3wnlmxwtyqk3vwye", Answer(500, HOSTILE.encode()))
    deployed.publish(deployed.settle(says("failed", error=HOSTILE), task_id="t2"), store=False)
    for module in ("why", "tasks", "deliveries"):
        monkeypatch.setattr(f"vidhook_cli.{module}.wants_json", lambda _: as_json)
    result = run(*words)
    assert result.exit_code == 0
    assert result.output.replace("\n", "").isprintable()
    if as_json:
        assert all(json.loads(line) for line in result.output.splitlines())


def test_an_option_in_the_wrong_place_is_told_its_own_and_an_unknown_one_is_not() -> None:
    """`give it behind the command` to whoever did so is no help."""
    assert "Give it behind the command" in run("--yes", "tasks").output
    assert "Give it before the command" in run("tasks", "--stack", "x").output
    assert "Give it" not in run("tasks", "--yes").output
    assert "Give it" not in run("--bogus", "tasks").output


@pytest.mark.parametrize("words", [["read", "-"], ["trigger", "endpoint.test", "http://127.0.0.1:9/"]], ids=" ".join)
def test_a_closed_standard_input_is_one_without_lines(words: list[str]) -> None:
    """Services are started so; Python has None in its place."""
    command = [sys.executable, "-c", "from vidhook_cli.main import main; main()", *words]
    ended = subprocess.run(["sh", "-c", 'exec "$@" <&-', "sh", *command], capture_output=True, text=True, timeout=30)
    assert ended.returncode in (1, 2)
    assert "Traceback" not in ended.stderr
    assert ended.stderr


def test_what_others_wrote_cannot_move_the_cursor(deployed: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """A description or an answer could clear the screen, or fake another line."""
    subscriber = deployed.subscribe("wqixgbp6qz3wnlmxwtyqk3vwye", description="\x1b[2J", metadata={"a": True})
    monkeypatch.setattr("vidhook_cli.subscribers.wants_json", lambda _: False)
    shown = run("subscribers", "show", subscriber.id).output
    assert "\x1b" not in shown
    assert '{"a": true}' in shown


class TestRefusalsOfAws:
    @pytest.mark.parametrize(
        ("code", "message", "expected"),
        [
            (
                "AccessDeniedException",
                "User: arn:aws:iam::1:user/ann is not authorized to perform: dynamodb:Query on resource: x",
                "AWS refused Query: not allowed; User: arn:aws:iam::1:user/ann is not authorized to perform: "
                "dynamodb:Query on resource: x; give this identity the permission, or choose another identity with "
                "--profile",
            ),
            (
                "ExpiredTokenException",
                "The security token included in the request is expired",
                "AWS refused Query (profile work): the credentials have expired; The security token included in the "
                "request is expired; sign in again (`aws sso login`, or new keys), or choose another identity with "
                "--profile",
            ),
            ("ValidationException", "bad\n thing", "AWS refused Query: ValidationException; bad thing"),
            (
                "403",
                None,
                "AWS refused Query (profile work): not allowed; give this identity the permission, or choose another "
                "identity with --profile",
            ),
            (
                "OptInRequired",
                "The AWS Access Key Id needs a subscription for the service",
                "AWS refused Query (profile work): the account may not use this service here; The AWS Access Key Id "
                "needs a subscription for the service; look at the region, and at the account's state in AWS's console",
            ),
        ],
    )
    def test_one_line_names_the_call_the_identity_and_the_mend(
        self, monkeypatch: pytest.MonkeyPatch, code: str, message: str | None, expected: str
    ) -> None:
        """It was a traceback of forty lines."""
        monkeypatch.setenv("AWS_PROFILE", "work")
        assert in_words(ClientError({"Error": cast(Any, {"Code": code, "Message": message})}, "Query")) == expected

    @pytest.mark.parametrize(
        "path", [("tasks",), ("status",), ("task", "t1"), ("deliveries",), ("submit", "alad", "t")]
    )
    @pytest.mark.parametrize(
        ("settings", "said"),
        [
            ({"AWS_PROFILE": "nobody"}, "nobody"),
            ({"AWS_ENDPOINT_URL": "http://127.0.0.1:9"}, "look whether the sandbox still runs"),
            ({"AWS_DEFAULT_REGION": "", "AWS_REGION": ""}, "set AWS_REGION"),
            ({"AWS_REGION": "eu west 1"}, "set AWS_REGION"),
        ],
        ids=["profile", "endpoint", "region", "no name of a region"],
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
        stacks.find_stack.cache_clear()
        result = run(*path)
        assert result.exit_code == 1
        assert said in result.output
        assert len(result.output.splitlines()) == 1

    @pytest.mark.parametrize(
        ("profile", "settings", "said"),
        [
            ("credential_process = /bin/echo junk", {}, "where the profile gets its credentials from"),
            ("web_identity_token_file = /nowhere/token", {}, "/nowhere/token: No such file or directory"),
            ("credential_source = Bogus", {}, '"Bogus"'),
            ("source_profile = work", {"AWS_ACCESS_KEY_ID": "", "AWS_SECRET_ACCESS_KEY": ""}, "look at AWS's settings"),
            ("", {"AWS_CONFIG_FILE": "/etc/hostname"}, "look at AWS's settings"),
            ("", {"AWS_SESSION_TOKEN": "s3cr3t\n"}, "the credentials hold a line break"),
            ("", {"AWS_ENDPOINT_URL": "https://127.0.0.1:9", "AWS_CA_BUNDLE": "/nowhere"}, "AWS_ENDPOINT_URL"),
        ],
        ids=lambda given: given if isinstance(given, str) else "",
    )
    def test_settings_of_aws_that_make_no_sense_are_one_line_with_the_mend(
        self, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, profile: str, settings: dict[str, str], said: str
    ) -> None:
        """What the SDK raises for them can be any error of Python's, and some of them show a secret."""
        role = "" if profile.startswith("credential_process") or not profile else "role_arn = arn:aws:iam::1:role/r\n"
        (tmp_path / "config").write_text(f"[profile work]\nregion = us-east-1\n{role}{profile}\n")
        monkeypatch.setattr(boto3, "DEFAULT_SESSION", None)
        monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "config"))
        monkeypatch.setenv("AWS_MAX_ATTEMPTS", "1")
        monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
        for name, value in settings.items():
            monkeypatch.setenv(name, value)
        stacks.find_stack.cache_clear()
        result = run("--profile", "work", "tasks") if profile else run("tasks")
        stacks.find_stack.cache_clear()
        assert result.exit_code == 1
        assert said in result.output
        assert "s3cr3t" not in result.output
        assert len(result.output.splitlines()) == 1

    def test_the_endpoint_of_one_service_that_is_none_is_one_line(
        self, deployed: World, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """The stack is found, and then the ledger is not."""
        monkeypatch.setenv("AWS_ENDPOINT_URL_DYNAMODB", "nonsense")
        result = run("tasks")
        assert (result.exit_code, len(result.output.splitlines())) == (1, 1)
        assert "and so the endpoint of a single service" in result.output
