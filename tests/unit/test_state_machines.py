"""The two state machines: complete, without a dead end, with an event for every fault, and short enough."""

import json
import math
import re
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from cfnlint.api import lint
from cfnlint.config import ManualArgs
from jsonata import Jsonata
from samtranslator.yaml_helper import yaml_parse

import publish_event
from vidhook.create import growing_pause
from vidhook.deliver import FIRST_SECONDS
from vidhook.notify import PROGRESS_SECONDS
from vidhook.parts import SLOWER
from vidhook.poll import LONGEST_EXECUTION, PROGRESS_POINTS
from vidhook.publish import GO_ON_SECONDS, MOST_UNREACHED
from vidhook.schedule import Known, next_pause
from vidhook.store import STORE_PAUSES, STORE_SECONDS
from vidhook.submission import schema

LONGEST_DEADLINE = schema()["properties"]["deadline_seconds"]["maximum"]
ROOT = Path(__file__).parents[2]
TEMPLATE = yaml_parse((ROOT / "template.yaml").read_text())
MACHINES = {
    machine["Properties"]["DefinitionUri"]: machine["Properties"]["DefinitionSubstitutions"]
    for machine in TEMPLATE["Resources"].values()
    if machine["Type"] == "AWS::Serverless::StateMachine"
}
PATHS = sorted(MACHINES)
# Tasks without a Catch that leads to publishing, and why they need none.
EXCEPTIONS = {
    "Submit task": "there is no task yet: the caller's own execution fails with the reason",
    "Go on in another": "this execution goes on itself: it polls after the pause, and learns whether there is an event",
    "Publish failure": "it is the last one: it is retried for a day, then the sweeper finds the watch",
    "Publish progress": "best effort: the next progress event, or the end, has the same news",
    "Start redelivery": "the event is published and the delivery is due in the ledger: the sweeper starts it",
    "Redeliver event": "the delivery is due in the ledger: after a day of faults the sweeper starts it again",
}
# https://docs.aws.amazon.com/step-functions/latest/dg/service-quotas.html
HISTORY_LIMIT = 25_000
# Entered, scheduled, started, succeeded, exited for a Lambda task; entered and exited for any other state.
TASK_EVENTS, STATE_EVENTS = 5, 2
ROUND_EVENTS = STATE_EVENTS + TASK_EVENTS + STATE_EVENTS  # Pause, Poll task, Settled?
RETRY_EVENTS = 3  # failed, scheduled, started

PROGRESS = PROGRESS_SECONDS + FIRST_SECONDS + 15  # a cold start and the writes
ITEM_EVENTS = 2 + TASK_EVENTS + STATE_EVENTS  # one subscriber in the Map, whose start failed

State = dict[str, Any]


def definition(path: str) -> dict[str, Any]:
    machine: dict[str, Any] = json.loads((ROOT / path).read_text())
    return machine


def scopes(machine: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Yields the machine and the inner machine of each Map."""
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
    """Returns the ways out of a state."""
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
    """SAM does not check these files, so a misspelled state would be found at the deployment, or never."""
    for scope in scopes(definition(path)):
        assert reached(scope["StartAt"], scope["States"]) == set(scope["States"])


@pytest.mark.parametrize("path", PATHS)
def test_every_state_goes_on_or_ends(path: str) -> None:
    """A state with no next state that does not end would fail its execution."""
    for scope in scopes(definition(path)):
        for name, state in scope["States"].items():
            assert bool(followers(state)) or state.get("End") is True or state["Type"] == "Fail", name


@pytest.mark.parametrize("path", PATHS)
def test_every_placeholder_has_a_value_and_every_value_is_used(path: str) -> None:
    """A placeholder without a value is deployed as it is, and fails at the first execution."""
    assert set(re.findall(r"\$\{([^}]+)\}", (ROOT / path).read_text())) == set(MACHINES[path])


@pytest.mark.parametrize("path", PATHS)
def test_every_variable_that_is_read_is_assigned_and_every_assigned_one_is_read(path: str) -> None:
    """An unknown variable fails the state that reads it, and an unread one only makes the history larger."""
    read = set(re.findall(r"\$([a-z_]+)(?![\w(])", (ROOT / path).read_text()))
    states = [state for scope in scopes(definition(path)) for state in scope["States"].values()]
    assigned = {name for state in states for way in ways(state) for name in way.get("Assign", {})}
    own_of_jsonata = {"states", "value", "key"}  # what the language gives, and the arguments of $sift's function
    assert read - own_of_jsonata == assigned


@pytest.mark.parametrize("path", PATHS)
def test_every_task_has_a_timeout_as_long_as_its_functions(path: str) -> None:
    """The default is 99,999,999 seconds, and a shorter timeout would end before the function does."""
    for name, state in tasks(path).items():
        filling = re.fullmatch(r"\$\{(\w+)Arn\}", state["Resource"])
        function = TEMPLATE["Resources"][filling[1]]["Properties"]["Timeout"] if filling else 0
        assert state["TimeoutSeconds"] >= (function if name != "Publish progress" else PROGRESS), name


@pytest.mark.parametrize("path", PATHS)
def test_every_fault_leads_to_publishing(path: str) -> None:
    """Every watch must end with an event, so a fault that no retry solves is caught and published."""
    for name, state in tasks(path).items():
        caught = [way["Next"] for way in state.get("Catch", []) if way["ErrorEquals"] == ["States.ALL"]]
        assert ("Publish failure" in caught) is (name not in EXCEPTIONS), name


@pytest.mark.parametrize("path", PATHS)
def test_every_task_that_must_happen_is_retried(path: str) -> None:
    """Lambda throttles and restarts. Progress is not worth a retry, and a successor is started after the next poll."""
    for name, state in tasks(path).items():
        tried_again = [rule for rule in state.get("Retry", []) if rule["ErrorEquals"] == ["States.ALL"]]
        assert bool(tried_again) is (name not in {"Publish progress", "Go on in another"}), name
        assert all(rule["JitterStrategy"] == "FULL" for rule in tried_again), name


def test_an_iteration_has_no_output() -> None:
    """A Map collects the output of all iterations, and the texts of 500 errors would be too large for a state."""
    processor = definition("statemachines/watch.asl.json")["States"]["Redeliver to each"]["ItemProcessor"]
    ends = [state for state in processor["States"].values() if state.get("End")]
    assert [state["Output"] for state in ends] == [{}, {}]


def seconds_of_retries(number: int) -> float:
    """How long so many retries of a poll take on average: with full jitter half of the longest."""
    (rule,) = definition("statemachines/watch.asl.json")["States"]["Poll task"]["Retry"]
    pauses = (rule["IntervalSeconds"] * rule["BackoffRate"] ** each for each in range(number))
    return float(sum(min(pause, rule["MaxDelaySeconds"]) for pause in pauses)) / 2


def most_events_of_polls(seconds: float, expected: float | None, retries: int) -> int:
    """The events of all polls in a time, when each one is retried so often and a task has as many as it can have."""
    factor = TEMPLATE["Parameters"]["PauseFactor"]["MinValue"]
    age, rounds = 0.0, 0
    while age < seconds:
        age += next_pause(Known(age, LONGEST_DEADLINE, expected=expected, factor=factor), 0.0).seconds
        age += seconds_of_retries(retries)
        rounds += 1
    return rounds * (ROUND_EVENTS + retries * RETRY_EVENTS)


@pytest.mark.slow
def test_an_execution_goes_on_in_another_long_before_its_history_is_full() -> None:
    """This is the worst case: the most polls, each retried as often as fills the history fastest, all progress, nobody
    reached. A full history fails an execution, and its task would be told as failed although its provider works on it.
    """
    for expected in (None, 1.0, 60.0, 3_600.0, 86_400.0):
        polls = max(most_events_of_polls(LONGEST_EXECUTION, expected, retries) for retries in range(13))
        news = 2 * (100 // PROGRESS_POINTS) + 2  # a task may begin again after each step
        # An invocation goes on until what is left is less than a part takes, were it slower than the slowest so far.
        shortest = STORE_SECONDS / (1 + SLOWER)
        stores = (len(STORE_PAUSES) + 1) * (TASK_EVENTS + STATE_EVENTS + ROUND_EVENTS)  # publish, poll
        stores += math.ceil(GO_ON_SECONDS / shortest) * (TASK_EVENTS + STATE_EVENTS)
        redeliveries = MOST_UNREACHED * ITEM_EVENTS
        assert polls < 14_000  # what docs/operating.md says
        assert polls + news * TASK_EVENTS + stores + redeliveries < 0.9 * HISTORY_LIMIT
    # Without it a week would not fit.
    assert max(most_events_of_polls(LONGEST_DEADLINE, None, retries) for retries in range(13)) > HISTORY_LIMIT


def test_a_week_of_requests_to_create_a_task_leaves_room_in_the_history() -> None:
    """A creation goes on in no other execution. What is counted is as above: the fewest seconds, the most retries."""
    most = 0
    for retries in range(13):
        age, rounds = 0.0, 0
        while age < LONGEST_DEADLINE:
            age += growing_pause(age) + seconds_of_retries(retries)
            rounds += 1
        most = max(most, rounds * (ROUND_EVENTS + retries * RETRY_EVENTS))
    # Of a task that is created later than that, the first poll is the last one of this execution.
    assert most + LONGEST_EXECUTION / LONGEST_DEADLINE * 14_000 < 0.9 * HISTORY_LIMIT


def findings(machine: dict[str, Any]) -> list[str]:
    """Returns what cfn-lint reports about a definition that is inlined in a template."""
    properties = {"RoleArn": "arn:aws:iam::123456789012:role/r", "Definition": machine}
    template = {"Resources": {"Machine": {"Type": "AWS::StepFunctions::StateMachine", "Properties": properties}}}
    found = lint(json.dumps(template), config=ManualArgs(regions=["us-east-1"]))
    return [f"{match.rule.id} {match.message}" for match in found]


@pytest.mark.parametrize("path", PATHS)
def test_cfn_lint_finds_nothing_in_the_language(path: str) -> None:
    """Its rule E3601 knows every field of the Amazon States Language."""
    text = (ROOT / path).read_text().replace("${Partition}", "aws")
    machine = json.loads(re.sub(r"\$\{\w+\}", "arn:aws:lambda:us-east-1:123456789012:function:f", text))
    assert findings(machine) == []
    machine["States"]["Pause"]["Second"] = 5
    assert any(found.startswith("E3601") for found in findings(machine))


@pytest.mark.parametrize(("took", "left"), [(0, 5), (3.4, 2), (5, 0), (30, 0)])
def test_progress_takes_its_time_from_the_pause_before_the_next_poll(took: float, left: int) -> None:
    """However long a subscriber hangs, the task is polled when it would have been polled without it."""
    state = definition("statemachines/watch.asl.json")["States"]["Publish progress"]
    entered = datetime(2026, 11, 26, 12, tzinfo=UTC)
    ways_out = [state["Assign"], *(way["Assign"] for way in state["Catch"])]
    assert len(ways_out) == 2
    for assigned in ways_out:
        expression = Jsonata(assigned["pause"].removeprefix("{%").removesuffix("%}"))
        expression.assign("pause", 5)
        expression.assign("states", {"context": {"State": {"EnteredTime": f"{entered:%Y-%m-%dT%H:%M:%S.000Z}"}}})
        expression.register_lambda("millis", lambda: (entered.timestamp() + took) * 1_000)
        assert expression.evaluate(None) == left


def test_trouble_of_our_own_is_not_told_as_a_bad_submission() -> None:
    """A nested caller would give up a good submission; it is tried again for hours, as a poll is."""
    states = definition("statemachines/watch.asl.json")["States"]
    submitting, polling = states["Submit task"], states["Poll task"]
    (tried_again,), (caught,) = submitting["Retry"], submitting["Catch"]
    assert {**tried_again, "Comment": ""} == {**polling["Retry"][0], "Comment": ""}
    assert states[caught["Next"]]["Error"] == "SubmissionFault"
    assert states["Submission refused"]["Error"] == states["No such task"]["Error"] == "BadSubmission"


@pytest.mark.parametrize(
    ("given", "known"),
    [
        ({"watch": f"tsk_{'a' * 26}", "pause": 20}, True),
        ({"watch": f"tsk_{'a' * 26}"}, True),
        ({"provider": "alad", "task_id": "t1"}, False),
        ({"watch": "t1"}, False),
        ({"watch": 7, "provider": "alad"}, False),
        ({"watch": {}}, False),
        ({"watch": f"tsk_{'a' * 26}\n"}, False),
        ({"watch": f"\ntsk_{'a' * 26}"}, False),
        ({"watch": [f"tsk_{'a' * 26}"]}, False),
        ([{"watch": f"tsk_{'a' * 26}", "create": True}], False),
        ({}, False),
        ("alad", False),
    ],
)
def test_what_is_no_watch_is_checked_as_a_submission(given: Any, known: bool) -> None:
    """Polling what cannot be a task would fail for hours, and wake an operator for a caller's mistake."""
    of_a_creation, of_a_watch, _ = definition("statemachines/watch.asl.json")["States"]["Submitted already?"]["Choices"]

    def holds(choice: dict[str, Any], given: Any) -> Any:
        expression = Jsonata(choice["Condition"].removeprefix("{%").removesuffix("%}"))
        expression.assign("states", {"input": given})
        return expression.evaluate(None)

    assert holds(of_a_watch, given) is known
    assert holds(of_a_creation, given) is False
    for create, created in ((True, known), (False, False)):
        assert holds(of_a_creation, {**given, "create": create} if isinstance(given, dict) else given) is created


@pytest.mark.parametrize(
    ("given", "pause", "once"),
    [
        ({"watch": "tsk_a", "pause": 20, "once": True}, 20, True),
        ({"watch": "tsk_a"}, 0, False),
        ({"pause": "20", "once": "yes"}, 0, False),
        ({"pause": -1, "once": 1}, 0, False),
        ({"pause": 1.5, "once": []}, 1, False),
        ({"pause": 1e12}, 604_800, False),
        ({"pause": [3], "once": {}}, 0, False),
    ],
)
def test_a_watch_that_is_started_by_hand_waits_for_whole_seconds_or_polls_at_once(
    given: dict[str, Any], pause: int, once: bool
) -> None:
    """Whoever starts one knows the task, and not what else the input has; a Wait state fails for what is no number."""
    assigned = definition("statemachines/watch.asl.json")["States"]["Submitted already?"]["Choices"][1]["Assign"]

    def value(name: str) -> Any:
        expression = Jsonata(assigned[name].removeprefix("{%").removesuffix("%}"))
        expression.assign("states", {"input": given})
        return expression.evaluate(None)

    assert (value("pause"), value("once")) == (pause, once)


def test_only_a_repeated_publishing_looks_for_the_video_first() -> None:
    """A look costs a request, and a crash after the video was stored is the only reason for it to be there."""
    states = definition("statemachines/watch.asl.json")["States"]
    assert states["Publish event"]["Arguments"]["again"] == "{% $states.context.State.RetryCount > 0 %}"


def test_storing_leaves_time_to_notify() -> None:
    """Storing ends before the function does, and the event is written and told in what is left."""
    timeout = TEMPLATE["Resources"]["PublishEventFunction"]["Properties"]["Timeout"]
    assert timeout - publish_event.NOTIFY_SECONDS == STORE_SECONDS
