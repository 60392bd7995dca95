"""What the bench of many watches computes from what it sees."""

from typing import Any

import pytest

from bench import flow
from vidhook.task import Poll, Submission, Watch, watch_id
from vidhook_sandbox.provider import SampleTask
from vidhook_sandbox.subscriber import Received


def told(task: SampleTask, event: str, problem: str | None = None) -> Received:
    """A webhook about a task."""
    body = {"data": {"id": watch_id(flow.PROVIDER, task.task_id)}}
    return Received(0.0, {"webhook-id": event}, b"", problem, body, duplicate=False)


@pytest.mark.parametrize(
    ("events", "counted"),
    [
        (["evt_a"], "told once"),
        (["evt_a", "evt_a"], "told again"),
        (["evt_a", "evt_b"], "told again"),
        ([], "not told"),
    ],
)
def test_a_task_is_told_once_or_again_or_not(events: list[str], counted: str) -> None:
    """A second event about a task is as wrong as a second webhook of the first."""
    task, others = SampleTask(flow.PROVIDER), {"told once": 0, "told again": 0, "not told": 0}
    assert flow.count_told([told(task, event) for event in events], [task]) == others | {counted: 1}


def test_a_webhook_that_does_not_verify_tells_nothing() -> None:
    """Anybody can send one."""
    task = SampleTask(flow.PROVIDER)
    assert flow.count_told([told(task, "evt_a", "no matching signature found")], [task])["not told"] == 1


@pytest.mark.parametrize(
    ("history", "done_at", "due"),
    [
        ([Poll(150.0, "completed")], 130.0, 140.0),  # 40 s after it was submitted; what came after that is overhead
        ([Poll(140.0, "processing", 20), Poll(165.0, "completed")], 150.0, 160.0),
        ([Poll(140.0, "processing", 20), Poll(165.0, "completed")], 163.0, 163.0),  # was late, and saw the end thereby
    ],
)
def test_a_pause_lasts_until_the_poll_was_due(history: list[Poll], done_at: float, due: float) -> None:
    """A poll that comes late is the sandbox's fault, and not the pause's."""
    watch = Watch(Submission(flow.PROVIDER, "task_1"), submitted_at=100.0, history=tuple(history))
    assert flow.due_after(watch, done_at, first_pause=40.0) == due


def test_what_is_no_pause_is_overhead() -> None:
    """The pauses are another bench's."""
    found = flow.figures(delays=[5.0, 7.0, 30.0], pauses=[4.0, 5.0, 10.0])
    assert (found["overhead p50"], found["overhead p95"], found["median delay"]) == (2.0, 20.0, 7.0)


@pytest.mark.parametrize(
    ("wrong", "aim"),
    [
        ({"not told": 1}, "not told just once"),
        ({"told again": 1}, "not told just once"),
        ({"MB": 2_049.0}, "MB"),
        ({"submitted a second": 49.0}, "submitted a second, at least"),
    ],
)
def test_one_bad_case_misses_an_aim(wrong: dict[str, Any], aim: str) -> None:
    """The other cases must not hide it."""
    good = {"told again": 0, "not told": 0, "MB": 2_048.0, "submitted a second": 50.0}
    bill = {f"after {flow.LEARNED}": {"dollars of 1,000": 0.65, "mean delay": 4.5}}
    assert all(row["met"] for row in flow.aims({"10": good}, bill).values())
    missed = {name for name, row in flow.aims({"10": good | wrong}, bill).items() if not row["met"]}
    assert missed == {aim}
