"""The two state machines: whole, without a dead end, told to the end whatever breaks, and short enough."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from cfnlint.api import lint
from cfnlint.config import ManualArgs
from samtranslator.yaml_helper import yaml_parse

from vidhook.keep import COPY_PAUSES
from vidhook.poll import PROGRESS_POINTS
from vidhook.publish import MOST_UNREACHED
from vidhook.schedule import LONGEST_DEADLINE, Known, next_pause

ROOT = Path(__file__).parents[2]
TEMPLATE = yaml_parse((ROOT / "template.yaml").read_text())
MACHINES = {
    machine["Properties"]["DefinitionUri"]: machine["Properties"]["DefinitionSubstitutions"]
    for machine in TEMPLATE["Resources"].values()
    if machine["Type"] == "AWS::Serverless::StateMachine"
}
PATHS = sorted(MACHINES)
# Tasks without a Catch that leads to publishing, and why they may be.
EXCEPTIONS = {
    "Submit task": "nothing is known of the task yet: the caller's own execution fails with the reason",
    "Publish failure": "the end of that chain: it is retried for a day, then the sweeper finds the watch",
    "Publish progress": "best effort: the next news, or the end, says more",
    "Start redelivery": "the event is told and the delivery is due in the ledger: the sweeper starts it",
    "Redeliver event": "the delivery is due in the ledger: after a day of faults the sweeper starts it anew",
}
# https://docs.aws.amazon.com/step-functions/latest/dg/service-quotas.html
HISTORY_LIMIT = 25_000
# Entered, scheduled, started, succeeded, exited for a Lambda task; entered and exited for any other state.
TASK_EVENTS, STATE_EVENTS = 5, 2
ROUND_EVENTS = STATE_EVENTS + TASK_EVENTS + STATE_EVENTS  # Pause, Poll task, Settled?

ITEM_EVENTS = 2 + TASK_EVENTS + STATE_EVENTS  # one subscriber in the Map, whose start failed

State = dict[str, Any]


def definition(path: str) -> dict[str, Any]:
    return json.loads((ROOT / path).read_text())


def scopes(machine: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """The machine, and each Map's own."""
    yield machine
    for state in machine["States"].values():
        if "ItemProcessor" in state:
            yield from scopes(state["ItemProcessor"])


def tasks(path: str) -> dict[str, State]:
    return {
        name: state
        for scope in scopes(definition(path))
        for name, state in scope["States"].items()
        if state["Type"] == "Task"
    }


def ways(state: State) -> list[dict[str, Any]]:
    """The ways out of a state."""
    return [state, *state.get("Choices", []), *state.get("Catch", [])]


def followers(state: State) -> set[str]:
    return {way[key] for way in ways(state) for key in ("Next", "Default") if key in way}


def reached(start: str, states: dict[str, State]) -> set[str]:
    seen, ahead = set(), {start}
    while ahead:
        name = ahead.pop()
        seen.add(name)
        ahead |= followers(states[name]) - seen
    return seen


@pytest.mark.parametrize("path", PATHS)
def test_every_next_exists_and_every_state_is_reached(path: str) -> None:
    """SAM does not look into these files: a misspelled state would show at the deployment, or never."""
    for scope in scopes(definition(path)):
        assert reached(scope["StartAt"], scope["States"]) == set(scope["States"])


@pytest.mark.parametrize("path", PATHS)
def test_every_state_goes_on_or_ends(path: str) -> None:
    """No third way."""
    for scope in scopes(definition(path)):
        for name, state in scope["States"].items():
            assert bool(followers(state)) or state.get("End") is True or state["Type"] == "Fail", name


@pytest.mark.parametrize("path", PATHS)
def test_every_placeholder_is_filled_and_every_filling_is_used(path: str) -> None:
    """An unfilled one is deployed as it stands, and fails at the first execution."""
    assert set(re.findall(r"\$\{([^}]+)\}", (ROOT / path).read_text())) == set(MACHINES[path])


@pytest.mark.parametrize("path", PATHS)
def test_every_variable_that_is_read_is_assigned_and_every_assigned_one_is_read(path: str) -> None:
    """An unknown variable fails the state that reads it; an unread one is clutter in every history."""
    read = set(re.findall(r"\$([a-z_]+)(?![\w(])", (ROOT / path).read_text()))
    states = [state for scope in scopes(definition(path)) for state in scope["States"].values()]
    assigned = {name for state in states for way in ways(state) for name in way.get("Assign", {})}
    own_of_jsonata = {"states", "value", "key"}  # what the language gives, and the arguments of $sift's function
    assert read - own_of_jsonata == assigned


@pytest.mark.parametrize("path", PATHS)
def test_every_task_has_a_timeout_as_long_as_its_functions(path: str) -> None:
    """The default is 99,999,999 seconds; a shorter one would give up on a Lambda that is about to answer."""
    for name, state in tasks(path).items():
        filling = re.fullmatch(r"\$\{(\w+)Arn\}", state["Resource"])
        function = TEMPLATE["Resources"][filling[1]]["Properties"]["Timeout"] if filling else 0
        assert state["TimeoutSeconds"] >= (function if name != "Publish progress" else 60), name


@pytest.mark.parametrize("path", PATHS)
def test_every_fault_leads_to_publishing(path: str) -> None:
    """A watch cannot end in silence: what fails for good is caught, and told."""
    for name, state in tasks(path).items():
        caught = [way["Next"] for way in state.get("Catch", []) if way["ErrorEquals"] == ["States.ALL"]]
        assert ("Publish failure" in caught) is (name not in EXCEPTIONS), name


@pytest.mark.parametrize("path", PATHS)
def test_every_task_that_must_happen_is_retried(path: str) -> None:
    """Lambda throttles and restarts; only progress is not worth a second try."""
    for name, state in tasks(path).items():
        tried_again = [rule for rule in state.get("Retry", []) if rule["ErrorEquals"] == ["States.ALL"]]
        assert bool(tried_again) is (name != "Publish progress"), name
        assert all(rule["JitterStrategy"] == "FULL" for rule in tried_again), name


def test_an_iteration_hands_on_nothing() -> None:
    """A Map's output holds that of all its iterations: the texts of 500 errors would not fit in a state."""
    processor = definition("statemachines/watch.asl.json")["States"]["Redeliver to each"]["ItemProcessor"]
    ends = [state for state in processor["States"].values() if state.get("End")]
    assert [state["Output"] for state in ends] == [{}, {}]


def test_a_week_of_polls_fits_an_executions_history() -> None:
    """The longest deadline, the finest schedule a deployer may set, all news, all copies, and nobody reached."""
    factor = TEMPLATE["Parameters"]["PauseFactor"]["MinValue"]
    for expected in (None, 1.0, 60.0, 3_600.0, 86_400.0):
        age, rounds = 0, 0
        while age < LONGEST_DEADLINE:
            age += next_pause(Known(age, LONGEST_DEADLINE, expected, factor=factor))
            rounds += 1
        news = 2 * (100 // PROGRESS_POINTS) + 2  # each step may be followed by one more beginning
        copies = (len(COPY_PAUSES) + 1) * (TASK_EVENTS + 2 * STATE_EVENTS)
        handed_on = MOST_UNREACHED * ITEM_EVENTS
        assert rounds < 2_700
        assert rounds * ROUND_EVENTS + news * TASK_EVENTS + copies + handed_on < HISTORY_LIMIT


def findings(machine: dict[str, Any]) -> list[str]:
    """What cfn-lint says of a definition that is inlined in a template."""
    properties = {"RoleArn": "arn:aws:iam::123456789012:role/r", "Definition": machine}
    template = {"Resources": {"Machine": {"Type": "AWS::StepFunctions::StateMachine", "Properties": properties}}}
    found = lint(json.dumps(template), config=ManualArgs(regions=["us-east-1"]))
    return [f"{match.rule.id} {match.message}" for match in found]


@pytest.mark.parametrize("path", PATHS)
def test_cfn_lint_finds_nothing_in_the_language(path: str) -> None:
    """Its rule E3601 knows the Amazon States Language, field by field."""
    text = (ROOT / path).read_text().replace("${Partition}", "aws")
    machine = json.loads(re.sub(r"\$\{\w+\}", "arn:aws:lambda:us-east-1:123456789012:function:f", text))
    assert findings(machine) == []
    machine["States"]["Pause"]["Second"] = 5
    assert any(found.startswith("E3601") for found in findings(machine))
