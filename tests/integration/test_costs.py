"""The costs in the documentation are those that bench/costs.py counts, and it counts what the state machine does."""

import json
import os
import re
import socket
import subprocess
import sys
from functools import cache
from itertools import pairwise
from pathlib import Path

import pytest

from bench import costs

ROOT = Path(__file__).parents[2]


@cache
def printed(*options: str) -> str:
    """What bench/costs.py prints."""
    command = [sys.executable, "-m", "bench.costs", *options]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout


def counted(*options: str) -> dict[str, float]:
    """What one task uses, by the names that bench/costs.py prints."""
    first, second, *_ = printed("--tasks", "1", *options).splitlines()
    told = re.search(r"([\d.]+) polls, seen ([\d.]+) s after its end, ([\d.]+) kB logged", first)
    assert told is not None
    used = dict(each.rsplit(" ", 1) for each in second.strip().split(", "))
    named = zip(("polls", "delay", "kB logged"), told.groups(), strict=True)
    return {name: float(value) for name, value in [*named, *used.items()]}


def test_the_documentation_has_the_figures_that_are_counted() -> None:
    """A change that makes tasks cheaper or dearer must change the pages too."""
    bill, limits = printed().split("\n\nquota", 1)
    for page, made in (("deploying.md", bill), ("operating.md", "quota" + limits)):
        begin = re.escape(made.split(" ", 1)[0])
        quoted = re.search(rf"```text\n({begin} .*?)```", (ROOT / "docs" / page).read_text("utf-8"), re.DOTALL)
        assert quoted is not None
        assert _words(quoted[1]) == _words(made), "run bench/costs.py and put what it prints into the page"
        assert _figures(quoted[1]) == pytest.approx(_figures(made), rel=0.01, abs=0.011)


def test_the_aws_settings_of_the_shell_are_not_used(tmp_path: Path) -> None:
    """It fills and empties a table named `ledger`, in a cloud in memory and nowhere else."""
    (tmp_path / "config").write_text("[default]\nendpoint_url = http://127.0.0.1:9\n")
    with socket.create_server(("127.0.0.1", 0)) as sandbox:
        url = f"http://127.0.0.1:{sandbox.getsockname()[1]}"
        settings = {"AWS_ENDPOINT_URL": url, "AWS_ENDPOINT_URL_S3": url, "AWS_CONFIG_FILE": str(tmp_path / "config")}
        command = [sys.executable, "-m", "bench.costs", "--tasks", "1"]
        environment = os.environ | settings
        ended = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=60)
        assert (ended.returncode, ended.stdout) == (0, printed("--tasks", "1"))
        sandbox.setblocking(False)
        with pytest.raises(BlockingIOError):
            sandbox.accept()


def test_the_states_that_are_counted_are_those_of_the_state_machine() -> None:
    """State transitions are a large part of the costs, so their names and their order must be right."""
    states = json.loads((ROOT / "statemachines/watch.asl.json").read_text("utf-8"))["States"]
    path = [costs.ONCE[0], *costs.ROUND, *costs.ROUND, *costs.ONCE[1:]]
    for here, there in pairwise(path):
        choices = [choice["Next"] for choice in states[here].get("Choices", [])]
        assert there in [*choices, states[here].get("Next"), states[here].get("Default")], f"{here} -> {there}"
    assert states[path[-1]]["End"]


@pytest.mark.slow
def test_a_longer_task_and_a_second_subscriber_cost_more() -> None:
    """What depends on the load must be counted and not assumed."""
    short, longer = counted("--seconds", "60"), counted("--seconds", "600")
    two_subscribers = counted("--seconds", "60", "--subscribers", "2")
    assert longer["state transition"] - short["state transition"] == 3 * (longer["polls"] - short["polls"]) > 0
    for other in (longer, two_subscribers):
        assert other["DynamoDB write unit"] > short["DynamoDB write unit"]
        assert other["kB logged"] > short["kB logged"]


@pytest.mark.slow
def test_the_pause_factor_saves_polls() -> None:
    """The documentation recommends it to users who want to pay less."""
    assert counted("--pause-factor", "2")["polls"] < counted()["polls"]


@pytest.mark.slow
def test_what_was_learned_saves_polls() -> None:
    """Most of a task's costs are the transitions of its polls, and that they get fewer is the reason to learn."""
    new = counted("--counted", "4")
    known = counted("--counted", "4", "--learned", "10")
    assert known["polls"] < new["polls"]
    assert known["state transition"] == pytest.approx(len(costs.ONCE) + 3 * known["polls"], rel=0.01)


def _words(text: str) -> list[str]:
    return re.findall(r"[A-Za-z]+", text)


def _figures(text: str) -> list[float]:
    return [float(figure.replace(",", "")) for figure in re.findall(r"\d[\d,]*(?:\.\d+)?", text)]
