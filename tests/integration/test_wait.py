"""A request that waits for the end of a task: it is answered soon after it, and never keeps the others from theirs."""

from collections.abc import Callable
from itertools import pairwise
from threading import Timer
from time import monotonic

import pytest
from werkzeug.test import Client

from tests.integration.gateway import served
from tests.integration.world import World
from vidhook import wait
from vidhook.errors import NotFound
from vidhook.wait import GROWTH, LONGEST_SECONDS, wait_for_end


@pytest.fixture
def slept(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The pauses of a wait, which pass at once."""
    pauses: list[float] = []
    now = [0.0]

    def sleep(seconds: float) -> None:
        pauses.append(seconds)
        now[0] += seconds

    monkeypatch.setattr(wait, "sleep", sleep)
    monkeypatch.setattr(wait, "monotonic", lambda: now[0])
    return pauses


def ends(world: World, watch: str) -> Callable[[], object]:
    return lambda: world.publish(watch, store=False)


def test_a_wait_ends_with_the_task(world: World) -> None:
    """In real time: the event is written meanwhile, by somebody else."""
    watch = world.submit().watch.id
    began = monotonic()
    timer = Timer(0.4, ends(world, watch))
    timer.start()
    assert wait_for_end(watch, 20, ledger=world.ledger, places=1)
    timer.join()
    assert 0.3 < monotonic() - began < 8
    assert world.ledger.tasks.watch(watch).event_id


def test_a_wait_is_over_after_its_seconds(world: World, slept: list[float]) -> None:
    """The looks get rarer, and are few."""
    watch = world.submit().watch.id
    assert wait_for_end(watch, 25, ledger=world.ledger, places=1)
    assert sum(slept) == pytest.approx(25)
    assert len(slept) < 18
    assert max(slept) == LONGEST_SECONDS
    assert all(later <= earlier * GROWTH + 1e-9 for earlier, later in pairwise(slept))


def test_what_has_ended_is_not_waited_for(world: World, slept: list[float]) -> None:
    """Nor is a place taken for it, nor without a wait."""
    watch = world.submit().watch.id
    assert wait_for_end(watch, 0, ledger=world.ledger, places=0)
    ends(world, watch)()
    assert wait_for_end(watch, 25, ledger=world.ledger, places=0)
    assert slept == []


def test_an_erased_task_is_not_waited_for(world: World, slept: list[float]) -> None:
    """It has no end."""
    watch = world.submit().watch.id
    world.ledger.tasks.begin_erasure(watch, world.now)
    assert wait_for_end(watch, 25, ledger=world.ledger)
    assert slept == []


def test_no_more_wait_than_there_are_places(world: World, slept: list[float]) -> None:
    """Each keeps a function at work, and a new account has ten."""
    watch, ledger = world.submit().watch.id, world.ledger
    taken = [ledger.tasks.take_place(2, 25) for _ in range(2)]
    assert {place[0] for place in taken if place} == {0, 1}
    assert not wait_for_end(watch, 25, ledger=ledger, places=2)
    assert slept == []
    assert taken[0] is not None
    ledger.tasks.leave_place(taken[0])
    assert wait_for_end(watch, 25, ledger=ledger, places=2)
    assert wait_for_end(watch, 25, ledger=ledger, places=2)  # it was left


def test_a_place_that_a_crash_left_is_free_again_by_itself(world: World) -> None:
    """And whoever had it does not take it from the next one."""
    ledger = world.ledger
    lost = ledger.tasks.take_place(1, 25)
    assert lost is not None
    assert ledger.tasks.take_place(1, 25) is None
    world.wait(31)
    held = ledger.tasks.take_place(1, 25)
    assert held is not None
    ledger.tasks.leave_place(lost)
    assert ledger.tasks.take_place(1, 25) is None


def test_what_is_not_known_is_not_waited_for(world: World, slept: list[float]) -> None:
    """An id that was typed wrong must be told at once."""
    with pytest.raises(NotFound):
        wait_for_end("tsk_" + "a" * 26, 25, ledger=world.ledger)
    assert slept == []


class TestOverHttp:
    @pytest.fixture
    def api(self, world: World, monkeypatch: pytest.MonkeyPatch) -> Client:
        world.settings["MOST_WAITING"] = "1"
        return served(world, monkeypatch)

    def test_it_answers_with_the_task_as_it_is_then(self, api: Client, world: World, slept: list[float]) -> None:
        """Whether it has ended or not."""
        watch = world.submit().watch.id
        answer = api.get(f"/v1/tasks/{watch}?wait=25")
        assert answer.status_code == 200
        assert answer.get_json()["event"] is None
        assert sum(slept) == pytest.approx(25)
        ends(world, watch)()
        assert api.get(f"/v1/tasks/{watch}?wait=25").get_json()["event"]["type"] == "video.failed"
        assert "Retry-After" not in answer.headers

    def test_who_may_not_wait_is_told_when_to_come_back(self, api: Client, world: World, slept: list[float]) -> None:
        """Else it would ask again at once, again and again."""
        watch = world.submit().watch.id
        world.ledger.tasks.take_place(1, 25)
        answer = api.get(f"/v1/tasks/{watch}?wait=5")
        assert (answer.status_code, answer.headers["Retry-After"], slept) == (200, "5", [])

    @pytest.mark.parametrize("wrong", ["26", "-1", "1.5", "x", "", "1e1"])
    def test_a_wrong_wait_is_named(self, api: Client, world: World, wrong: str) -> None:
        """With what is right."""
        watch = world.submit().watch.id
        answer = api.get(f"/v1/tasks/{watch}?wait={wrong}")
        assert answer.status_code == 422
        assert (answer.get_json()["field"], "0 to 25" in answer.get_json()["hint"]) == ("wait", True)

    def test_what_is_not_known_is_answered_at_once(self, api: Client, slept: list[float]) -> None:
        """As without a wait."""
        assert api.get("/v1/tasks/tsk_" + "a" * 26 + "?wait=25").status_code == 404
        assert slept == []
