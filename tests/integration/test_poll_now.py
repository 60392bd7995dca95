"""A task that is polled at once, beside its plan."""

import pytest

from tests.integration.world import World, event_of, says
from vidhook.errors import Refused
from vidhook.poll_now import poll_now


def test_the_plan_stays_as_it_is(world: World) -> None:
    """The task's own execution sleeps until its next poll, whatever happens beside it."""
    world.web.script("/tasks/t1", says("processing"))
    submitted = world.submit()
    planned = submitted.watch.next_poll_at
    watch = poll_now(submitted.watch.id, runs=world.runs)
    [name] = [each for each in world.machines.started if "-poll-" in each]
    assert world.machines.started[name] == {"watch": watch.id, "pause": 0, "once": True}
    polled = world.poll(watch.id, name, once=True)
    assert (polled.answer, polled.watch.polls, polled.watch.next_poll_at) == ("processing", 1, planned)


def test_an_end_that_it_finds_is_published_once(world: World) -> None:
    """The task's own execution finds the event when it wakes up."""
    world.web.script("/tasks/t1", says("failed", error="no"))
    watch = poll_now(world.submit().watch.id, runs=world.runs)
    assert world.poll(watch.id, "beside", once=True).settled
    event = event_of(world.publish(watch.id, execution="beside"))
    assert world.poll(watch.id).settled
    assert event_of(world.publish(watch.id)) == event
    assert len(world.web.to("/tasks/t1")) == 1


def test_ten_seconds_have_one_such_poll(world: World) -> None:
    """Whoever presses a button again and again must not use up the key's budget."""
    watch = world.submit().watch
    world.now = 1_777_287_600.0
    for _ in range(10):
        poll_now(watch.id, runs=world.runs)
        world.wait(1)
    poll_now(watch.id, runs=world.runs)
    assert len([each for each in world.machines.started if "-poll-" in each]) == 2


def test_a_task_that_has_ended_is_not_polled(world: World) -> None:
    """Its event is the last word; the text says what else can be done."""
    watch = world.settle(says("failed", error="no"))
    with pytest.raises(Refused, match=r"is failed; .*retried") as refused:
        poll_now(watch, runs=world.runs)
    assert refused.value.status == 409


def test_a_task_that_is_not_created_yet_is_not_polled(world: World) -> None:
    """Nobody knows what to ask for."""
    with pytest.raises(Refused, match="not created yet") as refused:
        poll_now(world.ask_for().watch.id, runs=world.runs)
    assert refused.value.status == 409
