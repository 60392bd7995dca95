"""A task is taken in once, and what cannot be followed is refused at the door."""

from typing import Any

import pytest

from tests.integration.world import World, event_of
from vidhook.errors import BadSubmission


def nested(world: World, **fields: Any) -> Any:
    """A submission that is the input of the watch's own execution."""
    return world.intake.submit({"provider": "acme", "task_id": "t1", **fields}, "by-somebody-else")


def test_a_submitted_task_has_a_watch_and_an_execution_of_its_name(world: World) -> None:
    """The name makes sure that a second start is none."""
    submitted = world.submit()
    assert submitted.created
    assert world.ledger.watch(submitted.watch.id) == submitted.watch
    assert world.machines.started == {submitted.watch.id: {"watch": submitted.watch.id, "pause": submitted.pause}}


def test_the_same_task_twice_is_one_watch(world: World) -> None:
    """Queues deliver twice, and people press twice."""
    first, again = world.submit(), world.submit(metadata={"other": 1})
    assert (again.created, again.watch) == (False, first.watch)
    assert len(world.machines.started) == 1


def test_a_crash_before_the_start_is_mended_by_submitting_again(world: World) -> None:
    """The watch was remembered, and nobody followed it."""
    world.submit()
    world.machines.started.clear()
    assert world.submit().created is False
    assert len(world.machines.started) == 1


def test_a_task_that_was_told_is_not_followed_again(world: World) -> None:
    """Its event is there."""
    world.publish(world.completed())
    world.machines.started.clear()
    world.submit()
    assert world.machines.started == {}


def test_a_token_for_a_task_that_was_told_is_answered_at_once(world: World) -> None:
    """Nobody else would."""
    event = event_of(world.publish(world.completed()))
    world.submit(task_token="late")
    assert world.machines.answered == [("late", event)]
    assert world.ledger.tokens(event.watch_id) == []


def test_a_task_whose_event_is_no_longer_kept_is_still_known(world: World) -> None:
    """A watch is remembered for longer than its event; only who waits for the event cannot be served."""
    world.forget_event(event_of(world.publish(world.completed())).watch_id)
    assert not world.submit().created
    for ask in (lambda: world.submit(task_token="late"), lambda: nested(world)):
        with pytest.raises(BadSubmission, match="no longer stored"):
            ask()
    assert world.machines.answered == []


def test_an_expected_duration_shapes_the_first_pause(world: World) -> None:
    """A task of an hour need not be asked about every minute, nor one of ten seconds only once."""
    pauses = [world.submit(f"t{each}", expected_seconds=each).pause for each in (10, 100, 1_000)]
    assert pauses == sorted(set(pauses))


class TestFromTheWatchItself:
    def test_a_nested_execution_follows_the_task_itself(self, world: World) -> None:
        """It is the watch: nothing else is started."""
        submitted = nested(world)
        assert world.machines.started == {}
        assert submitted.watch.execution == "by-somebody-else"

    def test_a_token_is_refused_there(self, world: World) -> None:
        """An execution's input is for anybody to read who may look at it."""
        with pytest.raises(BadSubmission) as refused:
            nested(world, task_token="canary")
        assert refused.value.field == "task_token"
        assert "canary" not in str(refused.value)


class TestRefused:
    @pytest.mark.parametrize(
        ("fields", "field", "hint"),
        [
            ({"provider": "acne"}, "provider", 'did you mean "acme"?'),
            ({"task_id": ".."}, "task_id", "cannot be part of a URL"),
            ({"callback_url": "http://93.184.216.34/"}, "callback_url", "https"),
            ({"callback_url": "https://169.254.169.254/latest"}, "callback_url", "not allowed"),
            ({"callback_url": "ftp://hooks.example/"}, "callback_url", "https"),
            ({"callback_url": "https://user:hunter2@hooks.example/"}, "callback_url", "user name"),
        ],
    )
    def test_what_cannot_be_followed_or_told_is_refused(
        self, world: World, fields: dict[str, Any], field: str, hint: str
    ) -> None:
        """Now there is somebody to read the reason; in three hours there is not."""
        with pytest.raises(BadSubmission) as refused:
            world.submit(**fields)
        assert refused.value.field == field
        assert hint in str(refused.value)
        assert "hunter2" not in str(refused.value)
        assert world.machines.started == {}
