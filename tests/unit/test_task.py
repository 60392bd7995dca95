"""The facts about a task, and the ids that follow from it."""

import re
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vidhook.task import (
    Delivery,
    Poll,
    Snapshot,
    Status,
    Submission,
    Watch,
    callback_id,
    derived_id,
    host_part,
    watch_id,
)

EXECUTION_NAME = re.compile(r"[0-9A-Za-z_-]{1,80}")


@given(provider=st.text(), task_id=st.text())
def test_one_task_has_one_id_that_names_an_execution(provider: str, task_id: str) -> None:
    """Step Functions starts an execution name once (80 characters at most), so the id deduplicates submissions."""
    made = watch_id(provider, task_id)
    assert made == Submission(provider, task_id).id
    assert re.fullmatch(r"tsk_[a-z2-7]{26}", made)


@given(one=st.tuples(st.text(), st.text()), other=st.tuples(st.text(), st.text()))
def test_two_tasks_have_two_ids(one: tuple[str, str], other: tuple[str, str]) -> None:
    """Two tasks are different even when their joined parts would read the same."""
    assert (watch_id(*one) == watch_id(*other)) == (one == other) or "\0" in "".join(one + other)


def test_the_parts_of_an_id_do_not_run_together() -> None:
    """("ab", "c") is another task than ("a", "bc")."""
    assert watch_id("ab", "c") != watch_id("a", "bc")


def test_ids_never_change() -> None:
    """Ids are in executions, buckets and customers' tables, so a new version must make the same ones."""
    assert watch_id("alad", "asyntask_1") == "tsk_jp3maysh2yhlujs3jvu7indytz"


def test_callback_urls_of_one_server_share_the_beginning_of_their_ids() -> None:
    """They share its breaker, however the host is written; the ids of usual URLs never change."""
    spelled = ["a.example", "A.EXAMPLE", "a.example.", "a.example:443", "a.example:0443"]
    ids = [callback_id(f"https://{host}/cb") for host in spelled]
    assert (len(set(ids)), len({host_part(each) for each in ids})) == (5, 1)
    others = ["https://b.example/cb", "https://a.example:8443/cb", "http://a.example/cb", "https://[2001:db8::1]/cb"]
    assert len({host_part(callback_id(each)) for each in (*others, f"https://{spelled[0]}/cb")}) == 5
    assert callback_id("https://app.example/cb") == "cb_hqb2f4ruxqty4sn5e3nw4trhbe"
    assert callback_id("https://hooks.example:8443/a?b=c") == "cb_ye53bupuncdi4pumv7ofs2tofy"


@given(run=st.integers(0, 10**6), parts=st.lists(st.text(), min_size=3, max_size=3))
def test_a_redelivery_is_named_within_80_characters(run: int, parts: list[str]) -> None:
    """Step Functions refuses a longer execution name."""
    event, task, subscriber = parts
    delivery = Delivery(
        derived_id("evt", event), derived_id("tsk", task), derived_id("cb", subscriber), "video.completed", 0.0, run=run
    )
    assert EXECUTION_NAME.fullmatch(delivery.execution_name)


@pytest.mark.parametrize(
    ("snapshot", "event_id", "settled"),
    [
        (None, None, False),
        (Snapshot(Status.PENDING), None, False),
        (Snapshot(Status.PROCESSING), None, False),
        (Snapshot(Status.COMPLETED), None, True),
        (Snapshot(Status.FAILED), None, True),
        (Snapshot(Status.PROCESSING), "evt_1", True),
    ],
)
def test_a_watch_is_settled_by_a_final_snapshot_or_its_event(
    snapshot: Snapshot | None, event_id: str | None, settled: bool
) -> None:
    """A watch that was given up has an event, although its task never ended."""
    assert Watch(Submission("p", "t"), 0.0, snapshot=snapshot, event_id=event_id).settled is settled


AT_ONCE = Poll(130.0, "processing")  # such as one that asks the provider to cancel


@pytest.mark.parametrize(
    ("history", "retried_at", "expected"),
    [
        ((), None, 140.0),
        ((Poll(140.0, "processing", 30),), None, 170.0),
        ((Poll(120.0, "processing", 30), AT_ONCE), None, 150.0),
        ((AT_ONCE,), None, 140.0),
        ((Poll(140.0, "unconfirmed", 30),), 500.0, 500.0),
        ((Poll(140.0, "unconfirmed", 30), Poll(501.0, "processing", 60)), 500.0, 561.0),
    ],
)
def test_the_next_poll_comes_after_the_pause_that_was_chosen_last(
    history: tuple[Poll, ...], retried_at: float | None, expected: float
) -> None:
    """People wait for it; a poll that is made beside the plan does not move it."""
    watch = Watch(Submission("p", "t"), 100.0, first=(40, "expected"), history=history, retried_at=retried_at)
    assert watch.next_poll_at == expected
    assert replace(watch, event_id="evt_1").next_poll_at is None


@given(submitted=st.floats(0, 2e9), passed=st.floats(0, 1e6), paused=st.integers(0, 10**6))
def test_age_is_never_less_than_what_was_paused(submitted: float, passed: float, paused: int) -> None:
    """Where waits are shortened for tests, a pause of 300 s takes 15 s and still counts as 300 s."""
    age = Watch(Submission("p", "t"), submitted, paused=paused).age(submitted + passed)
    assert age >= paused
    assert age == pytest.approx(max(passed, paused), abs=1e-3)
