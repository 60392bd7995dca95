"""What the pages mention exists: commands, options, links, alarms, parameters, and the figures of the code."""

import json
import re
import shlex
from collections.abc import Iterator
from itertools import takewhile
from pathlib import Path
from typing import Any

import botocore.session
import click
import pytest
from botocore import xform_name
from samtranslator.yaml_helper import yaml_parse

from vidhook import deliver, schedule, store, submission, sweep
from vidhook.edges.ledger import table as ledger_table
from vidhook_cli.main import main

ROOT = Path(__file__).parents[2]
TEMPLATE: dict[str, Any] = yaml_parse((ROOT / "template.yaml").read_text("utf-8"))
PAGES = [*sorted(ROOT.glob("*.md")), *sorted((ROOT / "docs").glob("*.md"))]
OF_AWS_CLI = {"--query", "--output", "--region", "--profile", "--cli-binary-format"}
# What the AWS CLI adds to the services' own operations.
ADDED_BY_AWS_CLI = {("logs", "tail"): {"--since", "--follow", "--filter-pattern"}}


def commands(page: Path, *programs: str) -> Iterator[list[str]]:
    """Yields the words of every command line in a page's code: in blocks, in inline code, and in $(...)."""
    text = page.read_text("utf-8")
    blocks = re.findall(r"(?:^    .*\n(?:\n(?=    ))?)+", text, re.MULTILINE)
    quoted = re.findall(r"(?<!`)`([^`\n]+)`(?!`)", text)
    for code in [*blocks, *quoted]:
        lines = iter(re.sub(r"\s+# .*", "", code).replace("\\\n", " ").splitlines())
        for line in lines:
            start = re.search(rf"(?:^|\$\(|[|;{{]\s*|=\S+ )\s*((?:{'|'.join(programs)}) .*)", line)
            if start is None:
                continue
            command = start[1]
            while command.count("'") % 2:
                command += "\n" + next(lines)
            words = (word.rstrip(")") for word in shlex.split(command))
            yield list(takewhile(lambda word: word not in ("|", ">", "&&", "/dev/stdout") and word[-1:] != ";", words))


def every(*programs: str) -> list[Any]:
    return [
        pytest.param(words, id=f"{page.name}: {' '.join(words)[:60]}")
        for page in PAGES
        for words in commands(page, *programs)
    ]


def anchors(page: Path) -> set[str]:
    """Returns the anchors of a page's headings, as GitHub makes them."""
    headings = re.findall(r"^#+ (.*)$", page.read_text("utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("words", every("vidhook"))
def test_every_vidhook_command_in_the_pages_parses(words: list[str]) -> None:
    """Operators copy these commands during an incident."""
    command: click.Command = main
    # A command keeps the names of its option --help from the first context that it is used in.
    context = click.Context(main, **main.context_settings)
    _, rest, _ = main.make_parser(context).parse_args(words[1:])
    while isinstance(command, click.Group) and rest and not rest[0].startswith("-"):
        found = command.get_command(context, rest.pop(0))
        assert found is not None, f"there is no such command: {words}"
        command, context = found, click.Context(found, parent=context)
    given, left, _ = command.make_parser(context).parse_args(rest)
    assert not left
    missing = [each.name for each in command.params if each.required and not given.get(str(each.name))]
    assert not rest or not missing  # a name with nothing after it is only mentioned


@pytest.mark.parametrize("words", every("aws"))
def test_every_aws_command_in_the_pages_exists_with_its_options(words: list[str]) -> None:
    """Operators copy these commands too, and a wrong option would fail during an incident."""
    service, operation, *rest = words[1:]
    options = {word for word in rest if word.startswith("--")} - OF_AWS_CLI
    if (service, operation) in ADDED_BY_AWS_CLI:
        assert options <= ADDED_BY_AWS_CLI[service, operation]
        return
    model = botocore.session.get_session().get_service_model(service)
    operations = {xform_name(name, "-"): name for name in model.operation_names}
    assert operation in operations
    shape = model.operation_model(operations[operation]).input_shape
    members = shape.members if shape is not None else {}
    known = {f"--{xform_name(name, '-')}" for name in members}
    known |= {f"--no-{name[2:]}" for name in known}
    assert options <= known
    required = {f"--{xform_name(name, '-')}" for name in (shape.required_members if shape is not None else ())}
    assert not rest or required <= options


@pytest.mark.parametrize("words", every("make"))
def test_every_make_target_in_the_pages_exists(words: list[str]) -> None:
    """The first command of the README is one of them."""
    targets = re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text("utf-8"), re.MULTILINE)
    assert words[1] in targets


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_link_within_the_project_leads_to_a_file_and_heading(page: Path) -> None:
    """A moved page or a renamed heading breaks links without any other error."""
    for target in re.findall(r"\]\((?!https?:)([^)]+)\)", page.read_text("utf-8")):
        path, _, anchor = target.partition("#")
        place = (page.parent / path).resolve() if path else page
        assert place.exists(), target
        assert not anchor or anchor in anchors(place), target


def test_every_alarm_has_its_section_and_every_section_its_alarm() -> None:
    """The e-mail of an alarm names the section of the runbook to read."""
    page = ROOT / "docs/operating.md"
    alarms = [each["Properties"] for each in TEMPLATE["Resources"].values() if each["Type"] == "AWS::CloudWatch::Alarm"]
    named = [re.search(r"docs/operating\.md#([\w-]+)$", alarm["AlarmDescription"]) for alarm in alarms]
    assert all(named)
    runbook = page.read_text("utf-8").partition("\n## Alarms\n")[2].partition("\n## ")[0]
    sections = dict(re.findall(r"^### (.*)\n((?:(?!###).*\n?)*)", runbook, re.MULTILINE))
    assert {found[1] for found in named if found} == set(sections)
    for section, text in sections.items():
        for part in ("**Means**", "**Look**", "**Do**", "**Over**"):
            assert part in text, f"{section} does not say {part}"


def test_every_alarm_is_named_in_its_section_and_in_the_table_of_what_sets_it_off() -> None:
    """Who was woken up searches the page for the alarm's name, and wants to know whether a caller did it."""
    page = (ROOT / "docs/operating.md").read_text("utf-8")
    table = page.partition("\n## Alarms\n")[2].partition("\n### ")[0]
    kinds = ("errors", "throttles")  # the table has those of the functions as kinds
    for alarm in (
        each["Properties"] for each in TEMPLATE["Resources"].values() if each["Type"] == "AWS::CloudWatch::Alarm"
    ):
        name = alarm["AlarmName"]["Fn::Sub"].removeprefix("${AWS::StackName}-")
        section = alarm["AlarmDescription"].rpartition("#")[2]
        text = page.partition(f"\n### {section}\n")[2].partition("\n### ")[0]
        assert name == section or f"`{name}`" in text, f"{name} is not in the section {section}"
        assert f"`{name}`" in table or name.rpartition("-")[2] in kinds, f"{name} is not in the table"


def test_what_the_pages_call_a_part_of_the_dashboard_is_there() -> None:
    """An operator looks for the title that the page names."""
    titles = set(
        re.findall(r'"title": "([^"(:]+)', TEMPLATE["Resources"]["Dashboard"]["Properties"]["DashboardBody"]["Fn::Sub"])
    )
    pages = [" ".join(page.read_text("utf-8").split()) for page in PAGES]
    named = {title for page in pages for title in re.findall(r'"([A-Z][^"]*)"(?= on the dashboard)', page)}
    checklist = (ROOT / "docs/first-deploy-checklist.md").read_text("utf-8")
    named |= set(re.findall(r'"([A-Z][^"]*)"', checklist.partition("The dashboard has data")[2].partition("\n## ")[0]))
    assert len(named) > 3
    assert named <= {title.strip() for title in titles}


@pytest.mark.parametrize("kind", ["Parameters", "Outputs"])
def test_every_parameter_and_output_is_explained(kind: str) -> None:
    """A deployer should not have to read the template."""
    rows = re.findall(r"^\| (`.*?) \|", (ROOT / "docs/deploying.md").read_text("utf-8"), re.MULTILINE)
    explained = {name for row in rows for name in re.findall(r"`(\w+)`", row)}
    assert set(TEMPLATE[kind]) <= explained
    assert explained <= {*TEMPLATE["Parameters"], *TEMPLATE["Outputs"]}


def poll_retries() -> float:
    """Returns how long a poll is retried when the function fails every time, in seconds."""
    machine = json.loads((ROOT / "statemachines/watch.asl.json").read_text("utf-8"))
    retry = machine["States"]["Poll task"]["Retry"][-1]
    pauses = [retry["IntervalSeconds"] * retry["BackoffRate"] ** number for number in range(retry["MaxAttempts"])]
    return float(sum(min(pause, retry["MaxDelaySeconds"]) for pause in pauses))


def most_polls() -> int:
    """Returns the number of polls of a task that never ends, until the longest deadline."""
    age, polls = 0, 0
    longest = submission.schema()["properties"]["deadline_seconds"]["maximum"]
    while age < longest:
        age += schedule.next_pause(schedule.Known(age, longest), 0.5).seconds
        polls += 1
    return polls


@pytest.mark.parametrize(
    "said",
    [
        f"a poll for up to {round(poll_retries() / 3_600)} hours",
        f"has {most_polls():,} polls",
        f"{9 * most_polls():,} events",
        f"tried for {round(sum(store.STORE_PAUSES) / 60)} minutes",
        f"tried again for {round(sum(deliver.PAUSES) / 3_600)} hours",
        f"after {('the first', 'the second', 'the third', 'the fourth')[deliver.FAILING_TRIES - 1]}",
        f"should have moved {ledger_table.GRACE_SECONDS // 60} minutes ago",
        f"{sweep.MOST:,} of each a time",
        f"up to {sweep.MOST_DRAINED:,} for each subscriber",
        f"asked about every {round(schedule.KEY_REFUSED_PAUSE / 60)} minutes",
    ],
)
def test_the_figures_that_the_code_decides_are_those_of_the_page(said: str) -> None:
    """Operators rely on these figures."""
    assert said in " ".join((ROOT / "docs/operating.md").read_text("utf-8").split())
