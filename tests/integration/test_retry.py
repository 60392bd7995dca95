"""A task that vidhook gave up can be followed again, and its two ends are two events."""

import itertools
from collections.abc import Callable
from typing import Any

import pytest

from tests.integration.test_publish import Crash, Crashing
from tests.integration.world import Answer, FakeMachines, World, event_of, says, snapshot_of
from vidhook.edges.ledger.table import GRACE_SECONDS
from vidhook.errors import NotFound, Refused
from vidhook.event import Event
from vidhook.publish import watch_failed
from vidhook.sweep import sweep
from vidhook.task import Creation, Delivery, Poll, Snapshot, Status

DEADLINE = 3_600


def given_up(world: World, **fields: Any) -> str:
    """The id of a task that was published as failed at its deadline."""
    watch = world.settle(says("processing", progress=40), deadline_seconds=DEADLINE, **fields)
    assert event_of(world.publish(watch)).data["data"]["error"]["code"] == "DEADLINE_REACHED"
    world.wait(60)
    return watch


def aborted(world: World) -> str:
    """The id of a task whose watch failed before it gave a status."""
    watch = world.submit().watch.id
    world.publish(watch, problem=watch_failed("its execution ended as FAILED"), store=False)
    world.wait(60)
    return watch


def gone(world: World) -> str:
    """The id of a task that its provider did not know any more."""
    watch = world.settle(Answer(410, b"{}"))
    assert not snapshot_of(world.ledger.tasks.watch(watch)).said
    world.publish(watch)
    world.wait(60)
    return watch


def completes(world: World, watch: str, task_id: str = "t1") -> Event:
    """The event of a task whose provider says that it is completed, at the next poll."""
    world.web.script(f"/tasks/{task_id}", says("completed", url=world.video()))
    world.wait(1)
    execution = world.ledger.tasks.watch(watch).execution
    assert world.poll(watch, execution).settled_now
    return event_of(world.publish(watch, execution=execution))


@pytest.mark.parametrize("end", [given_up, aborted, gone])
def test_a_task_that_completes_after_all_is_published_as_completed(world: World, end: Callable[[World], str]) -> None:
    """The render was paid for; that vidhook stopped looking too early must not lose it."""
    world.subscribe("one")
    watch = end(world)
    first = world.ledger.tasks.event(watch)
    opened = world.retry(watch)
    assert (opened.event_id, opened.settled, opened.retries) == (None, False, 1)
    assert world.ledger.tasks.watch(watch) == opened
    assert world.machines.started[f"{watch}-retry-1"] == {"watch": watch, "pause": 1, "create": False}
    second = completes(world, watch)
    assert (first.type, second.type) == ("video.failed", "video.completed")
    assert first.id != second.id
    assert [asked.headers["webhook-id"] for asked in world.web.to("/one")] == [first.id, second.id]
    assert [event.id for event in world.bus.events] == [first.id, second.id]
    assert world.ledger.tasks.events(watch) == [first, second]
    assert world.ledger.tasks.event(watch) == second
    assert second.data["data"]["watch"]["polls"] == world.ledger.tasks.watch(watch).polls


def test_a_second_failure_closes_the_watch_quietly(world: World) -> None:
    """The same id must be the same bytes, and who has them has no use for them again."""
    one = world.subscribe("one")
    watch = given_up(world)
    first = world.ledger.tasks.event(watch)
    world.retry(watch)
    world.wait(DEADLINE)
    assert world.poll(watch).settled
    late = world.subscribe("late")
    published = world.publish(watch)
    assert published.event == first
    assert world.ledger.tasks.watch(watch).event_id == first.id
    assert len(world.web.to("/one")) == 1
    assert world.delivery(published, one).attempts == 1
    assert world.delivery(published, late).attempts == 1  # it did not have it yet
    assert len(world.bus.events) == 1
    assert world.ledger.tasks.events(watch) == [first]
    world.wait(60)
    assert world.retry(watch).execution == f"{watch}-retry-2"
    assert completes(world, watch).type == "video.completed"


def test_a_task_may_fail_as_a_video_and_then_as_an_image(world: World) -> None:
    """The first failure did not know what was being made; each kind is one event, however often it comes."""
    watch = aborted(world)
    for _ in range(2):
        opened = world.retry(watch)
        picture = Snapshot(Status.PROCESSING, "drawing", object="image")
        world.ledger.tasks.note_poll(opened, Poll(world.now, "processing", pause=9), picture, settled=False)
        world.publish(watch, problem=watch_failed("x"), store=False)
        world.wait(60)
    assert [event.type for event in world.ledger.tasks.events(watch)] == ["video.failed", "image.failed"]
    assert world.ledger.tasks.event(watch, world.ledger.tasks.watch(watch).event_id).type == "image.failed"


@pytest.mark.parametrize(("given", "seconds"), [(None, DEADLINE), (60, 60)])
def test_a_retry_has_a_deadline_of_its_own(world: World, given: int | None, seconds: int) -> None:
    """The old one has passed, so the first poll would end the watch."""
    watch = given_up(world)
    opened = world.retry(watch, given)
    assert opened.submission.deadline_seconds - opened.age(world.now) == pytest.approx(seconds, abs=1)
    world.wait(seconds - 2)
    assert not world.poll(watch).settled
    world.wait(3)
    assert world.poll(watch).settled
    world.publish(watch)
    world.wait(100)
    again = world.retry(watch)
    assert again.submission.deadline_seconds - again.age(world.now) == pytest.approx(DEADLINE, abs=1)


def test_a_reopened_watch_remembers_what_was_read_but_no_end(world: World) -> None:
    """The conclusion is dropped; the history and the model are not."""
    watch = given_up(world)
    before = world.ledger.tasks.watch(watch)
    opened = world.retry(watch)
    assert (opened.history, opened.polls) == (before.history, before.polls)
    assert snapshot_of(opened).status is Status.PROCESSING
    assert (snapshot_of(opened).provider_status, snapshot_of(opened).progress) == ("processing", 40)
    assert snapshot_of(opened).error is None
    assert (opened.detected_at, opened.doubted_at, opened.store_failures, opened.uploads) == (None, None, 0, {})


def test_the_first_submission_stays_idempotent_after_a_retry(world: World) -> None:
    """A submitter that repeats itself knows nothing of the retry and its deadline."""
    watch = given_up(world)
    world.retry(watch, 60)
    assert not world.submit(deadline_seconds=DEADLINE).created


class TestRefused:
    def refusal(self, world: World, watch: str) -> str:
        world.machines.started.clear()
        before = world.ledger.tasks.watch(watch)
        with pytest.raises(Refused) as refused:
            world.retry(watch)
        assert refused.value.status == 409
        assert refused.value.hint
        assert world.ledger.tasks.watch(watch) == before
        assert world.machines.started == {}
        return str(refused.value)

    def test_a_task_that_is_followed(self, world: World) -> None:
        """Nothing has ended, not even when the end is known and not published yet."""
        assert "followed already" in self.refusal(world, world.submit().watch.id)
        assert "followed already" in self.refusal(
            world, world.settle(says("processing"), task_id="t2", deadline_seconds=60)
        )

    def test_a_task_that_its_provider_calls_failed(self, world: World) -> None:
        """The provider has said it; asking again changes nothing."""
        watch = world.settle(says("failed", error="nsfw"))
        world.publish(watch)
        assert "the provider said" in self.refusal(world, watch)

    def test_a_task_that_is_completed(self, world: World) -> None:
        """Its event can be replayed."""
        watch = world.completed()
        world.publish(watch)
        assert "completed" in self.refusal(world, watch)

    def test_a_task_whose_event_is_no_longer_stored(self, world: World) -> None:
        """A second failure would have the id of the first, and nobody knows its bytes any more."""
        watch = given_up(world)
        world.forget_event(watch)
        assert "no longer stored" in self.refusal(world, watch)

    def test_a_task_that_nobody_knows(self, world: World) -> None:
        """The API answers 404."""
        with pytest.raises(NotFound):
            world.retry("tsk_none")


def test_a_failure_that_came_before_the_completed_poll_can_be_retried(world: World) -> None:
    """Publishing gave the watch up while a poll of another execution found the task completed: the event counts."""
    watch = aborted(world)
    done = Snapshot(Status.COMPLETED, "completed")
    world.ledger.tasks.note_poll(world.ledger.tasks.watch(watch), Poll(world.now, "completed"), done, settled=True)
    assert not world.retry(watch).settled
    assert completes(world, watch).type == "video.completed"


@pytest.mark.slow
class TestCrashes:
    @pytest.fixture
    def world(self, quick_world: World) -> World:
        return quick_world

    def test_two_retries_at_once_are_one(self, world: World) -> None:
        """Two operators may press at the same time: one of them is told that it is done."""

        class Slow(Crashing):
            def reopen(self, *arguments: object) -> None:
                world.retry(watch)
                self._edge.reopen(*arguments)

        watch = given_up(world)
        with pytest.raises(Refused, match="followed already"):
            world.but(ledger=Slow(world.ledger, "nothing")).retry(watch)
        assert world.ledger.tasks.watch(watch).retries == 1
        assert [name for name in world.machines.started if "retry" in name] == [f"{watch}-retry-1"]

    @pytest.mark.parametrize("by", ["sweeper", "retry", "submission"])
    def test_a_retry_that_was_killed_is_gone_on_with(self, world: World, by: str) -> None:
        """Whichever write was the last one, somebody moves the task on."""
        crashes = 0
        for at in range(40):
            task_id = f"t{at}"
            watch = given_up(world, task_id=task_id)
            calls = itertools.count()
            edges = {name: Crashing(getattr(world, name), calls=calls, at=at) for name in ("ledger", "machines")}
            try:
                world.but(**edges).retry(watch)
            except Crash:
                crashes += 1
            else:
                break
            if world.ledger.tasks.watch(watch).event_id is not None:
                world.retry(watch)  # nothing had happened yet
            elif by == "sweeper":
                world.wait(3 * GRACE_SECONDS)
                sweep(world.runs, world.secrets)
            elif by == "submission":
                world.submit(task_id)
            else:
                with pytest.raises(Refused, match="followed already"):
                    world.retry(watch)
            assert world.ledger.tasks.watch(watch).execution in world.machines.started
            assert completes(world, watch, task_id).type == "video.completed"
        assert crashes > 8

    def test_the_sweeper_starts_a_retry_under_another_name(self, world: World) -> None:
        """The watch names the execution that follows it, so that its end is recognised."""
        watch = given_up(world)

        class NoStart(FakeMachines):
            def start_watch(self, execution: str, watch_id: str, pause: int, *, create: bool = False) -> bool:
                raise Crash

        with pytest.raises(Crash):
            world.but(machines=NoStart()).retry(watch)
        world.wait(3 * GRACE_SECONDS)
        assert sweep(world.runs, world.secrets).watches == 1
        assert world.ledger.tasks.watch(watch).execution == f"{watch}-{int(world.now)}"
        world.machines.running.add(world.ledger.tasks.watch(watch).execution)
        world.wait(3 * GRACE_SECONDS)
        assert sweep(world.runs, world.secrets).watches == 0


class TestExecutionsFromBefore:
    def test_one_that_publishes_late_does_not_end_the_retry(self, world: World) -> None:
        """Its Lambda was killed after the event was written; it only tells what it had to tell."""
        world.subscribe("one")
        watch = world.settle(says("processing"), deadline_seconds=60)
        with pytest.raises(Crash):
            world.but(ledger=Crashing(world.ledger, "put_event", at=1)).publish(watch, execution=watch)
        first = world.ledger.tasks.event(watch)
        world.wait(10)
        world.retry(watch)
        for problem in (None, watch_failed("it could not be published")):
            assert world.publish(watch, problem=problem, execution=watch).event == first
        assert world.ledger.tasks.watch(watch).event_id is None
        assert [asked.headers["webhook-id"] for asked in world.web.to("/one")] == [first.id]
        assert {event.id for event in world.bus.events} == {first.id}
        assert completes(world, watch).type == "video.completed"

    @pytest.mark.parametrize("retries", [0, 1])
    def test_an_end_that_was_found_before_does_not_close_the_retry(self, world: World, retries: int) -> None:
        """Two executions published the failure, and one of them is slow."""

        class Slow(Crashing):
            def put_event(self, event: Event, retries: int, creation: Creation | None = None) -> Event:
                world.publish(watch)
                world.wait(10)
                world.retry(watch)
                written: Event = self._edge.put_event(event, retries)
                return written

        watch = world.settle(says("processing"), deadline_seconds=60)
        for _ in range(retries):
            world.publish(watch)
            world.wait(10)
            world.retry(watch, 60)
            world.wait(60)
            assert world.poll(watch).settled
        world.but(ledger=Slow(world.ledger, "nothing")).publish(watch)
        opened = world.ledger.tasks.watch(watch)
        assert (opened.event_id, opened.retries) == (None, retries + 1)
        assert len(world.ledger.tasks.events(watch)) == 1

    def test_a_poll_that_was_made_before_does_not_settle_the_retry(self, world: World) -> None:
        """It read the old deadline, and wrote after the watch was opened again."""
        before = world.submit(deadline_seconds=60).watch
        world.publish(before.id, problem=watch_failed("x"), store=False)
        world.retry(before.id)
        noted = world.ledger.tasks.note_poll(before, Poll(world.now, "retry"), Snapshot(Status.FAILED), settled=True)
        assert noted == world.ledger.tasks.watch(before.id)
        assert not noted.settled


class TestDeliveries:
    def test_a_delivery_of_the_first_end_goes_on(self, world: World) -> None:
        """It is an event like any other, and its subscriber may need it."""
        bad = world.subscribe("bad", Answer(500), Answer(200))
        watch = given_up(world)
        first = world.ledger.tasks.event(watch)
        (delivery,) = world.ledger.deliveries.of_task(watch)
        world.retry(watch)
        second = completes(world, watch)
        assert world.redeliver(delivery).state == "delivered"
        # One that has failed is not tried while an event is published.
        assert world.redeliver(world.ledger.deliveries.get(watch, second.id, bad.id)).state == "delivered"
        assert {asked.headers["webhook-id"] for asked in world.web.to("/bad")} == {first.id, second.id}
        again = world.ledger.deliveries.get(watch, second.id, bad.id)
        assert again.state == "delivered"

    def test_an_event_that_is_not_stored_cancels_its_delivery(self, world: World) -> None:
        """As before a retry."""
        one = world.subscribe("one")
        watch = given_up(world)
        world.retry(watch)
        lost = Delivery("evt_lost", watch, one.id, "video.progress", world.now)
        event = Event(lost.event_id, lost.event_type, watch, "acme", world.now, "{}")
        assert world.redeliver(world.ledger.deliveries.open(event, one, world.now)).state == "cancelled"

    def test_a_token_that_came_after_the_first_end_is_answered_with_the_second(self, world: World) -> None:
        """Those that waited at the first end have their answer."""
        watch = given_up(world, task_token="early")
        world.retry(watch)
        world.submit(task_token="late")
        second = completes(world, watch)
        assert [(token, event.type) for token, event in world.machines.answered] == [
            ("early", "video.failed"),
            ("late", second.type),
        ]
