"""The bill in the pages is the one that the bench counts, and the bench counts what the state machine does."""

import json
import re
import subprocess
import sys
from functools import cache
from itertools import pairwise
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT / "bench"))
import costs  # noqa: E402 - bench is no package


@cache
def printed(*options: str) -> str:
    command = [sys.executable, "bench/costs.py", *options]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout


def counted(*options: str) -> dict[str, float]:
    """What one task asks, by the bench's own names."""
    first, second, *_ = printed("--tasks", "1", *options).splitlines()
    polls = re.search(r"(\d+) (polls), ([\d.]+) (kB logged)", first)
    assert polls is not None
    asked = dict(each.rsplit(" ", 1) for each in second.strip().split(", "))
    return {name: float(value) for name, value in [(polls[2], polls[1]), (polls[4], polls[3]), *asked.items()]}


def test_the_pages_quote_what_the_bench_counts() -> None:
    """Figures in prose go stale unnoticed. A changed schedule or a dearer write must change the page too."""
    bill, limits = printed().split("\n\nquota", 1)
    for page, made in (("deploying.md", bill), ("operating.md", "quota" + limits)):
        begin = re.escape(made.split(" ", 1)[0])
        quoted = re.search(rf"```text\n({begin} .*?)```", (ROOT / "docs" / page).read_text("utf-8"), re.DOTALL)
        assert quoted is not None
        assert _words(quoted[1]) == _words(made), "run bench/costs.py and put what it prints into the page"
        assert _figures(quoted[1]) == pytest.approx(_figures(made), rel=0.01, abs=0.011)


def test_a_task_costs_the_states_that_its_machine_passes_through() -> None:
    """Transitions are most of the bill: the bench must name them as the machine has them, in their order."""
    states = json.loads((ROOT / "statemachines/watch.asl.json").read_text("utf-8"))["States"]
    way = [costs.ONCE[0], *costs.ROUND, *costs.ROUND, *costs.ONCE[1:]]
    for here, there in pairwise(way):
        choices = [choice["Next"] for choice in states[here].get("Choices", [])]
        assert there in [*choices, states[here].get("Next"), states[here].get("Default")], f"{here} -> {there}"
    assert states[way[-1]]["End"]


def test_a_longer_task_and_a_further_subscriber_cost_more() -> None:
    """What depends on the load must be counted, not assumed."""
    short, longer = counted("--seconds", "60"), counted("--seconds", "600")
    told_twice = counted("--seconds", "60", "--subscribers", "2")
    assert longer["state transition"] - short["state transition"] == 3 * (longer["polls"] - short["polls"]) > 0
    for other in (longer, told_twice):
        assert other["DynamoDB write unit"] > short["DynamoDB write unit"]
        assert other["kB logged"] > short["kB logged"]


def test_expectations_save_polls() -> None:
    """The pages promise it to whoever wants to pay less."""
    assert counted("--expected-seconds", "180")["polls"] < counted("--pause-factor", "2")["polls"] < counted()["polls"]


def _words(text: str) -> list[str]:
    return re.findall(r"[A-Za-z]+", text)


def _figures(text: str) -> list[float]:
    return [float(figure.replace(",", "")) for figure in re.findall(r"\d[\d,]*(?:\.\d+)?", text)]
