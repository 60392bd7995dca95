"""A task that is cancelled: its provider is asked, or it is followed no longer; either way it has one end."""

import json
from collections.abc import Callable

import pytest

from tests.integration.world import KEY, PROVIDER, Answer, World, error_of, event_of, says, snapshot_of
from vidhook.errors import NotFound, Refused
from vidhook.sweep import sweep
from vidhook.task import Category, Status

CANCEL = """
[cancel]
method = "DELETE"
path = "/tasks/{task_id}/cancel"
"""
BODY = """
[cancel]
path = "/cancel"
[cancel.body]
id = "{task_id}"
why = "asked for"
"""
GOING = says("processing", progress=40)
CANCELLED = says("cancelled")


def asking(world: World, *answers: Answer, how: str = CANCEL) -> str:
    """The id of a task that goes on at a provider that can cancel, and answers to that as scripted."""
    world.ledger.providers.put("acme", PROVIDER.format(base_url=world.web.url) + how)
    world.web.script("/tasks/t1", GOING)
    world.web.script("/tasks/t1/cancel", *(answers or (Answer(200, b"{}"),)))
    return world.submit().watch.id


def cancelled_at_once(world: World, watch: str) -> None:
    """What the execution does that a cancel starts."""
    name, given = list(world.machines.started.items())[-1]
    assert given == {"watch": watch, "pause": 0, "once": True}
    if world.poll(watch, name, once=True).settled:
        world.publish(watch, execution=name)


def asked_to_cancel(world: World) -> int:
    return len(world.web.to("/tasks/t1/cancel"))


class TestWithAWayToCancel:
    def test_the_provider_is_asked_with_its_key_and_the_task_ends_as_it_says(self, world: World) -> None:
        """What was paid for may have come to its end meanwhile: only the provider knows."""
        one = world.subscribe("one")
        watch = asking(world)
        assert world.cancel(watch).cancel is not None
        assert not world.ledger.tasks.watch(watch).settled
        world.web.script("/tasks/t1", GOING, CANCELLED)
        cancelled_at_once(world, watch)
        (asked,) = world.web.to("/tasks/t1/cancel")
        assert (asked.method, asked.headers["authorization"], asked.body) == ("DELETE", f"Bearer {KEY}", b"")
        event = world.ledger.tasks.event(watch)
        assert (event.type, event.data["data"]["error"]["category"]) == ("video.failed", "cancelled")
        assert len(world.web.to("/one")) == 1
        with pytest.raises(Refused):
            world.retry(watch)  # the provider has said so
        assert one.active

    def test_a_body_names_the_task_too(self, world: World) -> None:
        """Some providers have one path for all."""
        watch = asking(world, how=BODY)
        world.web.script("/cancel", Answer(200))
        world.cancel(watch)
        cancelled_at_once(world, watch)
        (asked,) = world.web.to("/cancel")
        assert (asked.method, json.loads(asked.body)) == ("POST", {"id": "t1", "why": "asked for"})

    def test_asked_is_not_cancelled(self, world: World) -> None:
        """It may still complete, and that is told."""
        watch = asking(world)
        world.cancel(watch)
        cancelled_at_once(world, watch)
        known = world.ledger.tasks.watch(watch)
        assert known.cancel is not None
        assert (known.cancel.answer, known.settled, known.history[-1].pause) == ("accepted", False, None)
        assert known.paused == known.first[0]  # the pause of its own execution passes as before
        world.web.script("/tasks/t1", says("completed", url=world.video()))
        assert world.poll(watch).settled_now
        assert event_of(world.publish(watch)).type == "video.completed"
        assert asked_to_cancel(world) == 1

    def test_what_has_completed_is_not_cancelled_any_more(self, world: World) -> None:
        """Some providers delete a finished task when they are asked to cancel it."""
        watch = asking(world)
        world.cancel(watch)
        world.web.script("/tasks/t1", says("completed", url=world.video()))
        cancelled_at_once(world, watch)
        assert asked_to_cancel(world) == 0
        assert world.ledger.tasks.event(watch).type == "video.completed"

    @pytest.mark.parametrize(
        ("answer", "word"),
        [
            (Answer(409, b'{"message": "too late"}'), "refused"),
            (Answer(405), "refused"),
            (Answer(200, b'{"code": 404, "message": "no such task"}'), "refused"),
            (Answer(204), "accepted"),
            (Answer(202, b'{"status": "CANCELLATION_REQUESTED"}'), "accepted"),
        ],
    )
    def test_what_the_provider_answers_is_shown_and_final(self, world: World, answer: Answer, word: str) -> None:
        """A second request would be refused for the same reason."""
        watch = asking(world, answer)
        world.cancel(watch)
        cancelled_at_once(world, watch)
        world.poll(watch)
        known = world.ledger.tasks.watch(watch)
        assert known.cancel is not None
        assert known.cancel.answer == word
        assert str(answer.status) in known.cancel.message
        assert asked_to_cancel(world) == 1
        assert not known.settled

    @pytest.mark.parametrize("answer", [Answer(503), Answer(429), Answer(401, b"{}"), Answer(200, b"xyz", cut=1)])
    def test_a_cancel_without_an_answer_is_asked_for_again_with_each_poll(self, world: World, answer: Answer) -> None:
        """A request that nobody took must not be forgotten."""
        watch = asking(world, answer, answer, Answer(200))
        world.cancel(watch)
        cancelled_at_once(world, watch)
        known = world.ledger.tasks.watch(watch)
        assert known.cancel is not None
        assert known.cancel.pending
        for _ in range(3):
            world.poll(watch)
        assert asked_to_cancel(world) == 3

    def test_a_crash_before_the_execution_starts_leaves_it_to_the_next_poll(self, world: World) -> None:
        """The wish is in the ledger first."""
        watch = asking(world)
        world.cancel(watch)
        world.poll(watch)
        assert asked_to_cancel(world) == 1

    def test_twice_is_once_and_after_a_refusal_it_is_asked_again(self, world: World) -> None:
        """A caller that got no answer repeats; one that got a refusal may know better."""
        watch = asking(world, Answer(409), Answer(200))
        assert world.cancel(watch) == world.cancel(watch)
        cancelled_at_once(world, watch)
        world.wait(5)
        world.cancel(watch)
        cancelled_at_once(world, watch)
        assert world.cancel(watch).cancel == world.ledger.tasks.watch(watch).cancel
        assert asked_to_cancel(world) == 2

    def test_a_task_that_is_gone_after_its_provider_agreed_is_cancelled(self, world: World) -> None:
        """Some providers forget what they cancel; ten minutes of doubt would tell nobody anything."""
        watch = asking(world)
        world.wait(300)
        world.cancel(watch)
        world.web.script("/tasks/t1", GOING, Answer(404, b"{}"))
        cancelled_at_once(world, watch)
        assert world.ledger.tasks.event(watch).data["data"]["error"]["category"] == "cancelled"
        assert not snapshot_of(world.ledger.tasks.watch(watch)).said

    def test_a_film_that_was_seen_outlives_the_task_that_was_cancelled(self, world: World) -> None:
        """A paid render is never lost."""
        watch = asking(world)
        world.wait(300)
        world.web.script("/tasks/t1", says("strange_word", url=world.video()))
        world.poll(watch)
        world.cancel(watch)
        world.web.script("/tasks/t1", GOING, Answer(404, b"{}"))
        cancelled_at_once(world, watch)
        assert world.ledger.tasks.event(watch).type == "video.completed"

    def test_a_message_repeats_no_secret(self, world: World) -> None:
        """Operators and callers read it."""
        watch = asking(world, Answer(400, json.dumps({"error": f"{KEY} at https://x.example/f?sig=abc"}).encode()))
        world.cancel(watch)
        cancelled_at_once(world, watch)
        known = world.ledger.tasks.watch(watch)
        assert known.cancel is not None
        assert KEY not in known.cancel.message
        assert "sig=abc" not in known.cancel.message
        assert "https://x.example/f" in known.cancel.message


class TestWithoutAWayToCancel:
    def test_it_is_followed_no_longer_and_told_at_once(self, world: World) -> None:
        """Nobody waits for the pause of the execution that follows it."""
        world.subscribe("one")
        watch = world.submit().watch.id
        world.web.script("/tasks/t1", GOING)
        world.poll(watch)
        asked = len(world.web.to("/tasks/t1"))
        world.cancel(watch)
        cancelled_at_once(world, watch)
        event = world.ledger.tasks.event(watch)
        error = event.data["data"]["error"]
        assert (event.type, error["category"], error["code"]) == ("video.failed", "cancelled", "CANCELLED")
        assert error["retryable"] is None
        # Its own execution wakes up later, and tells nothing else.
        assert world.poll(watch).settled
        assert event_of(world.publish(watch)) == event
        assert len(world.web.to("/tasks/t1")) == asked
        assert len(world.web.to("/one")) == 1

    def test_a_retry_follows_it_again(self, world: World) -> None:
        """It goes on at its provider, and may be paid for."""
        watch = world.submit().watch.id
        world.cancel(watch)
        cancelled_at_once(world, watch)
        assert world.retry(watch).cancel is None
        assert world.ledger.tasks.watch(watch).cancel is None
        world.web.script("/tasks/t1", says("completed", url=world.video()))
        assert world.poll(watch).settled_now
        assert event_of(world.publish(watch)).type == "video.completed"

    def test_the_sweeper_finishes_what_a_crash_left(self, world: World) -> None:
        """The end is written, and neither execution runs any more."""
        watch = world.submit().watch.id
        world.cancel(watch)
        world.machines.started.clear()
        world.wait(7_200)
        assert sweep(world.runs, world.secrets).watches == 1
        (name,) = world.machines.started
        assert world.poll(watch, name).settled
        assert event_of(world.publish(watch, execution=name)).data["data"]["error"]["category"] == "cancelled"

    @pytest.mark.parametrize("completed_first", [True, False])
    def test_one_write_decides_between_a_cancel_and_a_poll(self, world: World, completed_first: bool) -> None:
        """Both have read the watch while it was open."""
        watch = world.submit().watch.id
        world.web.script("/tasks/t1", says("completed", url=world.video()))
        original, reads = world.ledger.tasks.watch, iter([world.ledger.tasks.watch(watch)])
        if completed_first:
            world.poll(watch)
            world.ledger.tasks.watch = lambda watch_id: next(reads, None) or original(watch_id)  # type: ignore[method-assign]
            with pytest.raises(Refused):
                world.cancel(watch)
        else:
            world.cancel(watch)
            world.ledger.tasks.watch = lambda watch_id: next(reads, None) or original(watch_id)  # type: ignore[method-assign]
            assert not snapshot_of(world.poll(watch).watch).sources
        expected = "video.completed" if completed_first else "video.failed"
        assert event_of(world.publish(watch)).type == expected
        assert len(world.ledger.tasks.events(watch)) == 1

    def test_a_provider_without_a_file_cannot_be_asked(self, world: World) -> None:
        """The file may have been removed since the task was submitted."""
        watch = world.submit().watch.id
        world.ledger.providers.remove("acme")
        world.cancel(watch)
        assert error_of(world.ledger.tasks.watch(watch)).category is Category.CANCELLED


def completed(world: World) -> str:
    return world.completed()


def published(world: World) -> str:
    watch = world.completed()
    world.publish(watch)
    return watch


@pytest.mark.parametrize("end", [completed, published])
def test_a_task_that_has_ended_cannot_be_cancelled(world: World, end: Callable[[World], str]) -> None:
    """The caller must learn that there is a film, which it pays for."""
    watch = end(world)
    with pytest.raises(Refused, match="is completed") as refused:
        world.cancel(watch)
    assert refused.value.status == 409


def test_a_cancelled_task_may_be_cancelled_again(world: World) -> None:
    """Whoever repeats a request gets what it asked for."""
    watch = world.submit().watch.id
    world.cancel(watch)
    cancelled_at_once(world, watch)
    world.machines.started.clear()
    assert snapshot_of(world.cancel(watch)).status is Status.FAILED
    assert world.machines.started == {}


def test_what_is_not_known_cannot_be_cancelled(world: World) -> None:
    """As with every other act."""
    with pytest.raises(NotFound):
        world.cancel("tsk_" + "a" * 26)
