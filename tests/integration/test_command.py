"""What the `vidhook` command prints and asks: for a person on a terminal, and for a script."""

import json
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from unittest.mock import Mock

import boto3
import pytest
from botocore.exceptions import ClientError
from click.testing import CliRunner, Result
from hypothesis import given
from hypothesis import strategies as st

from tests.integration.test_command_fuzz import ALL, ARN, deployed, run
from tests.integration.world import PROVIDER as ACME
from tests.integration.world import Answer, World, says
from vidhook.cancel import cancel
from vidhook.erase import OVER_SECONDS
from vidhook.errors import Erased
from vidhook.learned import facts
from vidhook.pace import Bias
from vidhook.providers.file import bundled_text
from vidhook.task import EVENT_TYPES, watch_id
from vidhook.wiring import Edges
from vidhook_cli.deep import _metrics, _senders
from vidhook_cli.main import main
from vidhook_cli.show import say, span, table
from vidhook_cli.stack import Stack, alarms, find_stack, seen
from vidhook_cli.status import CANCEL_SECONDS, DAY, _cancellations, _executions, unusable_networks

__all__ = ["deployed"]
PAGE = (Path(__file__).parents[2] / "docs/command.md").read_text("utf-8")
SUBSCRIBER = "sub_wqixgbp6qz3wnlmxwtyqk3vwye"


def documented() -> dict[str, set[str]]:
    """Returns the keys of each command's lines, as docs/command.md has them."""
    keys: dict[str, set[str]] = {}
    for names, written in re.findall(r"^\| (`[^|]*`) \| [^|]* \| ([^|]*) \|$", PAGE, re.MULTILINE):
        own = set(re.findall(r"`(\w+)`", written))
        for earlier in re.findall(r"(?:those of|as) `([^`]+)`", written):
            own = own - {earlier} | keys[earlier]
        keys |= dict.fromkeys(re.findall(r"`([^`]+)`", names), own)
    return keys


KEYS = documented()


def lines(*words: str) -> list[dict[str, Any]]:
    result = run(*words)
    assert result.exit_code == 0, result.output
    return [json.loads(line) for line in result.output.splitlines() if line.startswith("{")]


@pytest.fixture
def used(deployed: World, monkeypatch: pytest.MonkeyPatch) -> World:
    """A stack with a subscriber that was notified of a task that failed, at the time of its world."""
    for module in ("tasks", "deliveries", "subscribers"):
        monkeypatch.setattr(f"vidhook_cli.{module}.time", SimpleNamespace(time=lambda: deployed.now))
    deployed.subscribe(SUBSCRIBER.removeprefix("sub_"))
    deployed.settle(says("failed", error="no"), task_id="t2")
    [watch] = [each for each in deployed.ledger.tasks.all() if each.submission.task_id == "t2"]
    deployed.publish(watch.id, store=False)
    deployed.submit("t3")
    monkeypatch.setattr("vidhook.edges.functions.Functions.erase", lambda *_: None)
    return deployed


@pytest.mark.parametrize(
    ("named", "words"),
    [
        ("tasks", ["tasks"]),
        ("task", ["task", "t2"]),
        ("task --answer", ["task", "t2", "--answer"]),
        ("poll", ["poll", "acme/t3"]),
        ("cancel", ["cancel", "acme/t3", "--yes"]),
        ("erase", ["erase", "acme/t3", "--yes"]),
        ("why", ["why", "t2"]),
        ("deliveries", ["deliveries"]),
        ("deliveries TASK", ["deliveries", "t2"]),
        ("replay", ["replay", "t2"]),
        ("subscribers list", ["subscribers", "list"]),
        ("subscribers show", ["subscribers", "show", SUBSCRIBER]),
        ("subscribers show --secrets", ["subscribers", "show", SUBSCRIBER, "--secrets"]),
        ("subscribers update", ["subscribers", "update", SUBSCRIBER, "--url", "https://example.com/"]),
        ("subscribers pause", ["subscribers", "pause", SUBSCRIBER]),
        ("subscribers resume", ["subscribers", "resume", SUBSCRIBER]),
        ("subscribers recover", ["subscribers", "recover", SUBSCRIBER, "--since", "1d"]),
        ("subscribers rotate", ["subscribers", "rotate", SUBSCRIBER]),
        ("subscribers remove", ["subscribers", "remove", SUBSCRIBER, "--yes"]),
        ("providers list", ["providers", "list"]),
        ("providers show", ["providers", "show", "alad", "--json"]),
        ("pace", ["pace", "acme"]),
        ("pace --reset", ["pace", "acme", "--reset", "--yes"]),
    ],
    ids=lambda given: given if isinstance(given, str) else "",
)
def test_every_line_of_json_has_the_documented_keys(used: World, named: str, words: list[str]) -> None:
    """Scripts are written after the page, and break silently when a key is renamed."""
    rows = lines(*words)
    assert rows
    for row in rows:
        assert set(row) == KEYS[named], named


def test_the_lines_of_provider_files_have_the_documented_keys(used: World, tmp_path: Path) -> None:
    """The same, for what needs a file."""
    file = tmp_path / "alad.toml"
    file.write_text(bundled_text("alad"), "utf-8")
    for command, more in (("check", [str(file)]), ("put", [str(file)]), ("remove", ["alad", "--yes"])):
        [row] = lines("providers", command, *more)
        assert set(row) == KEYS[f"providers {command}"]


@pytest.mark.parametrize("path", ALL, ids=" ".join)
def test_every_command_takes_json_and_has_its_keys_on_the_page(path: tuple[str, ...]) -> None:
    """A command that the page leaves out has keys that nobody promised."""
    assert "--json" in {name for option in ALL[path].params for name in option.opts}
    written = {
        name.strip("`") for row in re.findall(r"^\| (`[^|]*`) \|", PAGE, re.MULTILINE) for name in row.split(", ")
    }
    assert any((f"{name} ").startswith(f"{' '.join(path)} ") for name in written)


@pytest.mark.parametrize("words", [["--stack", "x", "sandbox"], ["--region", "", "tasks"], ["subscribers", "rotate"]])
@pytest.mark.parametrize("asked", ["-h", "--help"])
def test_help_is_shown_whatever_else_is_given(words: list[str], asked: str) -> None:
    """Whoever asks for help has not read yet what does not fit together."""
    result = run(*words, asked)
    assert result.exit_code == 0
    assert result.output.startswith("Usage: ")


@pytest.mark.parametrize("path", ["", "subscribers", "providers", "keys", "events"])
def test_the_help_of_each_command_is_a_whole_line(path: str) -> None:
    """A sentence that is cut makes everybody look elsewhere for its end."""
    listed = run(*path.split(), "--help", columns=80).output.partition("Commands:\n")[2].splitlines()
    assert listed
    for line in listed:
        assert re.fullmatch(r"  [a-z-]+ +[A-Z].*[^.]\.", line)


def test_the_options_of_no_command_need_the_aws_sdk_to_be_completed() -> None:
    """It takes a third of a second to import, for which whoever presses Tab waits each time."""
    script = (
        "import importlib, sys; from vidhook_cli.main import COMMANDS\n"
        "for where, _ in COMMANDS.values(): importlib.import_module(where.partition(':')[0])\n"
        "print(*{'boto3', 'botocore'} & set(sys.modules))"
    )
    assert subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True).stdout == "\n"


# On a terminal


@pytest.fixture
def terminal(monkeypatch: pytest.MonkeyPatch) -> Callable[..., Result]:
    """Runs a command as on a terminal of so many columns, and answers its questions."""
    monkeypatch.setattr("vidhook_cli.show.wants_json", lambda as_json: as_json)
    for module in ("tasks", "deliveries", "subscribers", "providers", "pace", "status", "why", "keys"):
        monkeypatch.setattr(f"vidhook_cli.{module}.wants_json", lambda as_json: as_json)

    def run(*words: str, answer: str | None = None, columns: int = 80) -> Result:
        # The runner's input is no terminal, so say that there is a person.
        monkeypatch.setattr("vidhook_cli.stack._asks", lambda: answer is not None)
        return CliRunner().invoke(main, list(words), input=answer, env={"COLUMNS": str(columns)})

    return run


@pytest.mark.parametrize(
    "words",
    [
        ["subscribers", "remove", SUBSCRIBER],
        ["subscribers", "rotate", SUBSCRIBER, "--now"],
        ["replay", "--subscriber", SUBSCRIBER, "--since", "1d"],
        ["pace", "acme", "--reset"],
        ["cancel", "acme/t3"],
        ["erase", "acme/t3"],
    ],
    ids=" ".join,
)
def test_what_cannot_be_undone_names_the_stack_and_asks_first(
    used: World, terminal: Callable[..., Result], words: list[str]
) -> None:
    """At three in the morning a person is easily in the wrong account."""
    before = (
        used.ledger.subscribers.get(SUBSCRIBER),
        [*used.ledger.deliveries.to(SUBSCRIBER)],
        used.ledger.paces.kinds("acme"),
    )
    refused = terminal(*words)
    assert (refused.exit_code, "give --yes" in refused.output) == (2, True)
    declined = terminal(*words, answer="n\n")
    assert declined.exit_code == 1
    assert "stack vidhook, account 123456789012, us-east-1" in declined.output
    assert "This cannot be undone [y/N]" in declined.output
    after = (
        used.ledger.subscribers.get(SUBSCRIBER),
        [*used.ledger.deliveries.to(SUBSCRIBER)],
        used.ledger.paces.kinds("acme"),
    )
    assert after == before
    assert terminal(*words, answer="y\n").exit_code == 0


def test_to_erase_twice_is_harmless(used: World) -> None:
    """A script that was cut goes on where it was; nothing is asked, since nothing more is removed."""
    [first] = lines("erase", "acme/t3", "--yes")
    for known_as in ("acme/t3", first["id"]):
        assert lines("erase", known_as) == [first]
    used.eraser.erase(first["id"])
    used.wait(2 * OVER_SECONDS)
    used.eraser.sweep(used.ledger.tasks.erasure(first["id"]))
    with pytest.raises(Erased):
        used.ledger.tasks.begin_erasure(first["id"], used.now)
    assert lines("erase", "acme/t3") == [first]
    assert run("erase", "acme/t4", "--yes").exit_code == 1


def test_status_shows_wishes_to_cancel_that_wait(used: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """A provider that takes none goes on to render, and to bill."""
    monkeypatch.setattr("vidhook_cli.status.time", SimpleNamespace(time=lambda: used.now))
    file = ACME + '[cancel]\npath = "/tasks/{{task_id}}/cancel"\n'
    used.ledger.providers.put("acme", file.format(base_url=used.web.url))
    rows = _cancellations(used.ledger)
    assert list(rows) == [{"what": "cancellations waiting", "value": "0", "well": True, "detail": ""}]
    for task in ("t3", "t5"):
        used.submit(task)
    watch = cancel(watch_id("acme", "t3"), runs=used.runs)
    [row] = _cancellations(used.ledger)
    assert (row["value"], row["well"], watch.id in row["detail"]) == ("1", True, True)
    used.wait(CANCEL_SECONDS + 1)
    [row] = _cancellations(used.ledger)
    assert (row["value"], row["well"]) == ("1", False)
    assert watch.cancel is not None
    used.ledger.tasks.note_cancel_answer(watch, replace(watch.cancel, answer="accepted", answered_at=used.now))
    [row] = _cancellations(used.ledger)
    assert (row["value"], row["well"]) == ("0", True)
    used.ledger.tasks.begin_erasure(watch.id, used.now)
    assert len(used.ledger.tasks.open(9)) == 1


def test_a_kind_of_hint_that_was_only_wrong_is_not_shown_by_pace(used: World) -> None:
    """It has no mean and no spread; dividing by its weight ended the command."""
    [(kind, own)] = used.ledger.paces.kinds("acme").items()
    known = replace(own, biases={"eta": Bias(wrong=1.0), "progress": Bias(weight=2.0, squares=2.0)})
    assert facts(kind, known, [])["hints"] == {"progress": {"off_by": 0.0, "spread": 1.0}}


def test_a_replay_counts_what_it_sends_and_what_must_wait(used: World, terminal: Callable[..., Result]) -> None:
    """A count of what was asked for would hide that nothing arrives."""
    used.ledger.subscribers.put(used.ledger.subscribers.get(SUBSCRIBER))
    assert run("subscribers", "pause", SUBSCRIBER).exit_code == 0
    said = terminal("replay", "t2").output
    assert said == "deliveries started again: 1; held until their subscriber is resumed: 1\n"
    used.ledger.subscribers.remove(SUBSCRIBER)
    assert lines("replay", "t2", "--json") == [{"started": 0, "held": 0, "removed": 1}]


@pytest.mark.parametrize("columns", [40, 80, 250])
@pytest.mark.parametrize("words", [["tasks"], ["deliveries"], ["subscribers", "list"], ["task", "t2"]], ids=" ".join)
def test_ids_and_urls_are_whole_and_no_table_is_wider_than_the_terminal(
    used: World, terminal: Callable[..., Result], words: list[str], columns: int
) -> None:
    """They are copied into the next command; a broken one finds nothing."""
    [watch] = [each for each in used.ledger.tasks.all() if each.submission.task_id == "t2"]
    shown = terminal(*words, columns=columns).output
    wanted = {
        "tasks": ["acme/t2"],
        "deliveries": [watch.id, SUBSCRIBER],
        "subscribers": [SUBSCRIBER, used.ledger.subscribers.get(SUBSCRIBER).url],
        "task": [watch.id, str(watch.event_id)],
    }
    for value in wanted[words[0]]:
        assert value in shown
    assert max(map(len, shown.splitlines())) <= max(columns, 70)


# The longest that is usual: a provider's name of 40 characters, a task's id of 25, a URL of 64.
PROVIDER, TASK = "p" * 40, "asyntask_0123456789abcdef"
URL = "https://hooks.example.com/" + "video-events/" * 2 + "receive-here"


@pytest.mark.parametrize(
    "words",
    [
        ["tasks"],
        ["task", TASK],
        ["why", "order-17"],
        ["why", "t2"],
        ["deliveries"],
        ["deliveries", "t2"],
        ["replay", "t2"],
        ["subscribers", "list"],
        ["subscribers", "show", SUBSCRIBER],
        ["subscribers", "pause", SUBSCRIBER],
        ["subscribers", "resume", SUBSCRIBER],
        ["subscribers", "rotate", SUBSCRIBER],
        ["subscribers", "add", URL],
        ["subscribers", "remove", SUBSCRIBER, "--yes"],
        ["providers", "list"],
        ["providers", "remove", PROVIDER, "--yes"],
        ["pace", "acme"],
        ["pace", "acme", "--reset", "--yes"],
        ["status"],
        ["keys", "set", PROVIDER],
        ["keys", "list"],
        ["keys", "remove", "acme", "--yes"],
    ],
    ids=lambda given: " ".join(given[:3]),
)
def test_no_line_is_wider_than_the_terminal_with_the_longest_usual_names(
    used: World, terminal: Callable[..., Result], words: list[str]
) -> None:
    """A line that the terminal breaks in the middle of an id is hard to read, and to copy."""
    used.ledger.providers.put(PROVIDER, bundled_text("alad").replace('name = "alad"', f'name = "{PROVIDER}"'))
    known = used.ledger.subscribers.get(SUBSCRIBER)
    used.ledger.subscribers.put(replace(known, url=URL, events=EVENT_TYPES, description="a word " * 30))
    used.submit(TASK, provider=PROVIDER, reference="order-17", callback_url=f"{URL}?order=17")
    result = terminal(*words, answer="key\n")
    assert result.exit_code == 0, result.output
    assert max(map(len, result.output.splitlines())) <= 80
    for whole in {"tasks": [f"{PROVIDER}/{TASK}"], "why": ["tsk_"], "subscribers": ["_"]}.get(words[0], []):
        assert whole in result.output


@given(
    st.lists(st.sampled_from(["a", "sub_" + "x" * 26, "https://example.com/" + "y" * 90, "`vidhook why order-17`"])),
    st.integers(20, 120),
    st.integers(0, 10),
)
def test_lines_are_broken_between_words_and_as_seldom_as_the_width_allows(
    words: list[str], width: int, indent: int
) -> None:
    """A command in backticks is a word: half of it, with a line's end, would be another command."""
    with pytest.MonkeyPatch.context() as patch, CliRunner().isolation() as (output, *_):
        patch.setenv("COLUMNS", str(width))
        say(" ".join(words), " " * indent)
        lines = output.getvalue().decode().splitlines()
    assert " ".join(line.strip() for line in lines) == " ".join(words)
    found = [re.findall(r"`[^`]*`|\S+", line) for line in lines]
    for line, its in zip(lines, found, strict=True):
        assert len(line) <= width or max(map(len, its)) + indent > width
    for line, (first, *_) in zip(lines, found[1:], strict=False):
        assert len(line) + 1 + len(first) > width


@given(st.integers(1, 10**9))
def test_a_span_has_at_most_two_units_and_is_near_enough(seconds: int) -> None:
    """`next in 100800 s` says nothing to a person."""
    units = {"d": 86_400, "h": 3_600, "min": 60, "s": 1}
    parts = re.findall(r"(\d+) (d|h|min|s)\b", span(seconds))
    assert 1 <= len(parts) <= 2
    total = sum(int(amount) * units[unit] for amount, unit in parts)
    assert 0 <= seconds - total < units[parts[0][1]]
    assert span(100_800) == "1 d 4 h"


def test_a_table_without_rows_says_so(capsys: pytest.CaptureFixture[str]) -> None:
    """Nothing at all looks like a fault."""
    table([], ("a",), nothing="there is nothing")
    assert capsys.readouterr().out == "there is nothing\n"


@pytest.mark.parametrize("order", [17, "17"])
def test_a_task_is_found_by_its_metadata_as_a_number_or_as_text(used: World, order: Any) -> None:
    """Whoever looks for order 17 does not know how the code that submitted it wrote the number."""
    used.submit("t17", metadata={"order": order})
    assert [row["task_id"] for row in lines("tasks", "--metadata", "order=17")] == ["t17"]
    assert lines("tasks", "--metadata", "order=1") == []
    assert run("tasks", "--metadata", "order").exit_code == 2


# Which stack


@pytest.mark.parametrize(
    ("words", "env", "name", "region"),
    [
        ([], {}, "vidhook", "us-east-1"),
        (["--stack", "vidhook-prod"], {"VIDHOOK_STACK": "other"}, "vidhook-prod", "us-east-1"),
        ([], {"VIDHOOK_STACK": "other"}, "other", "us-east-1"),
        ([], {"AWS_REGION": "eu-west-1"}, "vidhook", "eu-west-1"),
        (["--region", "eu-north-1"], {"AWS_REGION": "eu-west-1"}, "vidhook", "eu-north-1"),
        (["--profile", "work"], {}, "vidhook", "eu-west-3"),
    ],
    ids=str,
)
def test_the_stack_is_that_of_the_options_then_of_the_environment(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, words: list[str], env: dict[str, str], name: str, region: str
) -> None:
    """boto3 alone does not look at AWS_REGION, which the AWS CLI and Lambda use."""
    (tmp_path / "config").write_text(
        "[profile work]\nregion = eu-west-3\naws_access_key_id = A\naws_secret_access_key = b"
    )
    monkeypatch.setattr(boto3, "DEFAULT_SESSION", None)
    for variable in ("AWS_PROFILE", "AWS_REGION", "AWS_DEFAULT_REGION", "VIDHOOK_STACK", "AWS_ENDPOINT_URL"):
        monkeypatch.delenv(variable, raising=False)
    for variable, value in {
        "AWS_CONFIG_FILE": str(tmp_path / "config"),
        "AWS_ACCESS_KEY_ID": "x",
        "AWS_SECRET_ACCESS_KEY": "y",
        "AWS_EC2_METADATA_DISABLED": "true",
        **({} if "--profile" in words else {"AWS_DEFAULT_REGION": "us-east-1"}),
        **env,
    }.items():
        monkeypatch.setenv(variable, value)
    asked = []

    def refuse(self: Any, operation: str, parameters: dict[str, Any]) -> Any:
        asked.append((parameters["StackName"], self.meta.region_name, self._request_signer._credentials.access_key))
        error = {"Code": "ValidationError", "Message": f"Stack with id {parameters['StackName']} does not exist"}
        raise self.exceptions.from_code("ValidationError")({"Error": error}, operation)

    monkeypatch.setattr("botocore.client.BaseClient._make_api_call", refuse)
    find_stack.cache_clear()
    result = run(*words, "tasks")
    assert result.exit_code == 1
    assert f'there is no stack "{name}" in {region} in this account' in result.output
    assert asked == [(name, region, "A" if "--profile" in words else "x")]


def test_an_option_of_the_stack_is_refused_where_it_does_nothing_or_stands_behind() -> None:
    """Otherwise a person believes to be in another account."""
    assert "`vidhook read` uses no stack" in run("--stack", "x", "read", "-").output
    behind = run("status", "--region", "eu-west-1")
    assert behind.exit_code == 2
    assert "Give it before the command" in behind.output
    assert "Give it behind the command" in run("--json", "tasks").output
    empty = run("--stack", "", "tasks")
    assert (empty.exit_code, "is empty" in empty.output) == (2, True)


# Status


def test_status_leaves_out_what_is_older_than_a_day_and_what_fails_by_design(monkeypatch: pytest.MonkeyPatch) -> None:
    """A list that is red every day is read by nobody."""
    now = datetime.now(UTC)
    started = {"bad": 30, "refused": 20, "old": 30 * 3600, "older": 10 * DAY}
    stopped = {"bad": 10, "refused": 10, "old": DAY + 60, "older": 10 * DAY}

    class States:
        """Two executions that failed today, and two of earlier days."""

        def get_paginator(self, _: str) -> "States":
            return self

        def paginate(self, **asked: str) -> Iterator[dict[str, Any]]:
            names = started if asked["statusFilter"] == "FAILED" else ()
            yield {
                "executions": [
                    {
                        "name": name,
                        "executionArn": name,
                        "startDate": now - timedelta(seconds=started[name]),
                        "stopDate": now - timedelta(seconds=stopped[name]),
                    }
                    for name in names
                ]
            }

        def describe_execution(self, **asked: str) -> dict[str, Any]:
            return {"error": "BadSubmission" if asked["executionArn"] == "refused" else "States.Runtime"}

    monkeypatch.setattr("vidhook_cli.status.client", lambda _: States())
    rows = {row["what"]: row for row in _executions("watches", "arn")}
    assert rows["watches failed"] == {"what": "watches failed", "value": "1", "well": False, "detail": "bad"}
    assert rows["watches aborted"]["well"]


def test_what_aws_does_not_show_is_a_row_and_hides_nothing_else(monkeypatch: pytest.MonkeyPatch) -> None:
    """An operator with few rights sees the rest."""

    def refuse() -> Iterator[dict[str, Any]]:
        raise ClientError({"Error": {"Code": "AccessDenied", "Message": "no"}}, "ListMetrics")
        yield {}

    [row] = seen("alarms", refuse)
    assert (row["what"], row["well"]) == ("alarms", False)
    assert row["detail"].startswith("AWS refused ListMetrics: not allowed; no; give this identity the permission")


@pytest.mark.parametrize(("networks", "told"), [("10.1.0.0/16", False), ("10.0.0.5/8", True), ("1::2::3", True)])
def test_status_tells_of_a_network_that_is_none(networks: str, told: bool) -> None:
    """A pattern of CloudFormation cannot tell, and each request of each function fails."""
    rows = list(unusable_networks(Edges({"ALLOWED_NETWORKS": networks})))
    assert [row["well"] for row in rows] == [False] * told


def test_the_alarms_are_those_of_this_stack(monkeypatch: pytest.MonkeyPatch) -> None:
    """`vidhook-prod-watch-failed` begins with `vidhook-` too."""

    class Alarms:
        """Two pages, and another stack's alarm."""

        def get_paginator(self, _: str) -> "Alarms":
            return self

        def paginate(self, **_: object) -> list[dict[str, Any]]:
            own, other = ({"AlarmActions": [topic]} for topic in ("arn:own", "arn:other"))
            return [{"MetricAlarms": [own, other]}, {"MetricAlarms": [own]}]

    monkeypatch.setattr("vidhook_cli.stack.client", lambda _: Alarms())
    here = Stack("vidhook", ARN, {"AlarmTopic": "arn:own"}, None)  # type: ignore[arg-type]
    assert alarms(here) == [{"AlarmActions": ["arn:own"]}] * 2


class TestDeep:
    TOPIC = "arn:aws:sns:us-east-1:123456789012:alarms"
    HERE = Stack("vidhook", ARN, {"AlarmTopic": TOPIC}, None)  # type: ignore[arg-type]

    def alarm(self, name: str, metric: str, *, data: bool) -> None:
        """Makes an alarm of the stack, whose metric has data or none."""
        cloudwatch = boto3.client("cloudwatch")
        cloudwatch.put_metric_alarm(
            AlarmName=f"vidhook-{name}",
            AlarmActions=[self.TOPIC],
            Namespace="vidhook",
            MetricName=metric,
            Statistic="Sum",
            Period=300,
            EvaluationPeriods=1,
            ComparisonOperator="GreaterThanThreshold",
            Threshold=0,
        )
        if data:
            cloudwatch.put_metric_data(Namespace="vidhook", MetricData=[{"MetricName": metric, "Value": 0}])

    @pytest.fixture(autouse=True)
    def on_aws(self, deployed: World, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.delenv("AWS_ENDPOINT_URL", raising=False)

    def test_an_alarm_that_can_never_ring_is_unwell_and_one_that_is_quiet_is_not(self) -> None:
        """A wrong dimension makes an alarm silent for ever; an alarm on refused keys is silent on a good day."""
        self.alarm("sweeps-missing", "Swept", data=True)
        self.alarm("key-refused", "KeyRefused", data=False)
        [row] = _metrics(self.HERE)
        assert (row["value"], row["well"]) == ("1 of 2", True)
        assert row["detail"] == "no data, as nothing has gone wrong: key-refused"
        self.alarm("poll-task-errors", "Errors", data=False)
        summary, missing = _metrics(self.HERE)
        assert (summary["value"], summary["well"]) == ("1 of 3", False)
        assert (missing["what"], missing["well"]) == ("data of poll-task-errors", False)

    def test_in_a_sandbox_no_metric_of_aws_is_missed(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """It would be unwell always, and teach to look away."""
        self.alarm("poll-task-errors", "Errors", data=False)
        monkeypatch.setattr("vidhook_cli.deep.in_sandbox", lambda: True)
        [row] = _metrics(self.HERE)
        assert row["well"]
        assert "a sandbox has few" in row["detail"]

    @pytest.mark.parametrize("left_out", [None, "sns.amazonaws.com"])
    def test_a_queue_into_which_a_service_may_not_send_is_unwell(self, left_out: str | None) -> None:
        """What the operator's identity may do says nothing about the services."""
        statements = [
            {"Effect": "Allow", "Principal": {"Service": each}, "Action": "sqs:SendMessage", "Resource": "*"}
            for each in ("events.amazonaws.com", "sns.amazonaws.com")
            if each != left_out
        ]
        statements.append({"Effect": "Deny", "Principal": "*", "Action": "sqs:*", "Resource": "*"})
        policy = json.dumps({"Version": "2012-10-17", "Statement": statements})
        url = boto3.client("sqs").create_queue(QueueName="in", Attributes={"Policy": policy})["QueueUrl"]
        [row] = _senders("SubmissionsQueue", url)
        assert row["well"] is (left_out is None)
        assert (left_out or "") in row["detail"]

    @pytest.mark.parametrize(
        ("statement", "well"),
        [
            ({"Effect": "Allow", "Principal": "*", "Action": "sqs:*", "Resource": "*"}, True),
            ([{"Effect": "Allow", "Principal": {"AWS": ["*"]}, "Action": ["SQS:Send*"], "Resource": "*"}], True),
            ({"Effect": "Allow", "Principal": {"AWS": "123456789012"}, "Action": "sqs:SendMessage"}, False),
            ({"Effect": "Allow", "Principal": "*", "Action": ["sqs:ReceiveMessage"], "Resource": "*"}, False),
            ({"Effect": "Deny", "NotPrincipal": {"AWS": "123456789012"}, "NotAction": "sqs:SendMessage"}, False),
        ],
    )
    def test_a_policy_that_people_wrote_is_read_too(
        self, monkeypatch: pytest.MonkeyPatch, statement: Any, well: bool
    ) -> None:
        """An operator may have opened a queue by hand, in any form that AWS takes."""
        answer = {"Attributes": {"Policy": json.dumps({"Statement": statement})}}
        monkeypatch.setattr("vidhook_cli.deep.client", lambda _: Mock(**{"get_queue_attributes.return_value": answer}))
        [row] = _senders("SubmissionsQueue", "https://queue.example/q")
        assert row["well"] is well


@pytest.mark.parametrize(
    ("endpoint", "said"),
    [
        ("127.0.0.1:4599", "write AWS_ENDPOINT_URL like http://"),
        ("http://127.0.0.1:{port}", "is not AWS's"),
        ("bob:s3cr3tpw@x", "write AWS_ENDPOINT_URL like http://"),
        ("http://bob:s3cr3tpw@127.0.0.1:1", "look whether the sandbox still runs"),
    ],
)
def test_an_endpoint_that_is_none_is_said_in_one_line(
    monkeypatch: pytest.MonkeyPatch, web: Any, endpoint: str, said: str
) -> None:
    """A hotel's login page answers every request with 200 and HTML."""
    web.scripts["/"] = [Answer(200, b"<html><body>Please sign in</body></html>")]
    monkeypatch.setattr(boto3, "DEFAULT_SESSION", None)
    values = {"AWS_ACCESS_KEY_ID": "x", "AWS_SECRET_ACCESS_KEY": "y", "AWS_DEFAULT_REGION": "us-east-1"}
    for name, value in {**values, "AWS_ENDPOINT_URL": endpoint.format(port=web.url.rpartition(":")[2])}.items():
        monkeypatch.setenv(name, value)
    find_stack.cache_clear()
    result = run("tasks")
    assert result.exit_code == 1
    assert said in result.output
    assert len(result.output.splitlines()) == 1
    assert "s3cr3tpw" not in result.output
