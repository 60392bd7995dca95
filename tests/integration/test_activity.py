"""What goes on at each provider, from a few requests to the ledger."""

from typing import Any

import pytest

from tests.integration.world import PROVIDER, Answer, World, says
from vidhook import activity as job
from vidhook.activity import activity
from vidhook.times import iso

REFUSED = Answer(401, b'{"error": "invalid api key"}', {"content-type": "application/json"})


def of(world: World, provider: str = "acme") -> dict[str, Any]:
    [found] = [each for each in activity(ledger=world.ledger, clock=world.clock).items if each["provider"] == provider]
    return found


def test_nothing_goes_on_in_a_new_stack(world: World) -> None:
    """A page that shows this has something to say."""
    assert activity(ledger=world.ledger, clock=world.clock) == job.Activity([], 0, all=True)


def test_tasks_that_run_and_that_ended_are_counted_by_provider(world: World) -> None:
    """A provider without either is not shown."""
    world.ledger.providers.put("other", PROVIDER.format(base_url=world.web.url).replace('"acme"', '"other"'))
    world.publish(world.completed(task_id="old"))
    world.wait(3_601)
    for number in range(2):
        world.publish(world.completed(task_id=f"new{number}"))
    world.submit("open")
    world.intake.submit({"provider": "other", "task_id": "t"})
    assert (of(world)["running"], of(world)["recent"]) == (1, 2)
    assert (of(world, "other")["running"], of(world, "other")["recent"]) == (1, 0)
    seen = activity(ledger=world.ledger, clock=world.clock)
    assert (seen.looked_at, seen.all) == (5, True)


def test_how_long_tasks_take_is_told_as_learned(world: World) -> None:
    """Before anything is learned it is null, and not nothing."""
    watch = world.submit().watch
    assert (of(world)["tasks"], of(world)["seconds"], of(world)["polls_a_task"]) == (
        0,
        {"p50": None, "p90": None},
        None,
    )
    world.web.script("/tasks/t1", says("processing"), says("completed", url=world.video()))
    for _ in range(2):
        world.wait(60)
        world.poll(watch.id)
    world.wait(61)  # what was learned is read once a minute
    told = of(world)
    assert (told["tasks"], told["polls_a_task"]) == (1, 2.0)
    assert 60 <= told["seconds"]["p50"] <= told["seconds"]["p90"] <= 130


def test_how_long_the_tasks_of_the_last_hour_took_is_told_beside_it(world: World) -> None:
    """A provider that is slow today differs from what was learned of it."""
    assert activity(ledger=world.ledger, clock=world.clock).items == []
    for number, seconds in enumerate((10, 20, 30, 40)):
        task = f"t{number}"
        world.web.script(f"/tasks/{task}", says("completed", url=world.video()))
        watch = world.submit(task).watch
        world.wait(seconds)
        world.poll(watch.id)
        world.publish(watch.id)
    assert of(world)["recent_seconds"] == {"p50": 20, "p90": 40}
    world.wait(3_601)
    world.submit("later")
    assert of(world)["recent_seconds"] == {"p50": None, "p90": None}


def test_errors_are_those_of_the_last_hour_by_their_word(world: World) -> None:
    """A provider that is down is seen at once, and forgotten an hour after it is back."""
    watch = world.submit().watch
    world.web.script("/tasks/t1", Answer(503), Answer(503), says("processing"), Answer(404))
    for _ in range(4):
        world.wait(60)
        world.poll(watch.id)
    assert of(world)["errors"] == {"retry": 2, "unconfirmed": 1}
    world.wait(3_601)
    assert of(world)["errors"] == {}


def test_a_refused_key_is_told_with_the_time_since_when(world: World) -> None:
    """Until the provider takes the key again; that it does not answer in between says nothing of the key."""
    watch = world.submit().watch
    world.web.script("/tasks/t1", says("processing"), REFUSED, Answer(503), REFUSED, says("processing"))
    at = list[float]()
    for _ in range(5):
        world.wait(60)
        at.append(world.now)
        world.poll(watch.id)
        if len(at) in (2, 3, 4):
            assert of(world)["key_refused_since"] == iso(at[1])
        else:
            assert of(world)["key_refused_since"] is None


@pytest.mark.parametrize(("limit", "every"), [(2, False), (3, True)])
def test_it_says_whether_all_was_looked_at(
    world: World, monkeypatch: pytest.MonkeyPatch, limit: int, every: bool
) -> None:
    """In a large stack the figures are those of a part of the tasks."""
    for number in range(2):
        world.submit(f"t{number}")
    for name in ("MOST_OPEN", "MOST_NEW"):
        monkeypatch.setattr(job, name, limit)
        assert activity(ledger=world.ledger, clock=world.clock).all is every
        monkeypatch.setattr(job, name, 1_000)


def test_nothing_is_written(world: World) -> None:
    """Whoever may read may look at it, as often as wanted."""
    world.submit()
    asked = list[str]()
    world.ledger.table.client.meta.events.register("before-call", lambda model, **_: asked.append(model.name))
    activity(ledger=world.ledger, clock=world.clock)
    assert set(asked) <= {"Query", "BatchGetItem"}
