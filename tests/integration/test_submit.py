"""A task is taken in once, and what cannot be followed is refused at the door."""

import itertools
from contextlib import suppress
from typing import Any

import pytest

from tests.integration.test_publish import Crash, Crashing
from tests.integration.world import Answer, World, event_of, says
from vidhook.edges.ledger.table import GRACE_SECONDS
from vidhook.errors import BadSubmission, Conflict
from vidhook.event import Event
from vidhook.submit import MOST_CALLBACKS
from vidhook.sweep import sweep
from vidhook.task import Creation, DeliveryState, SubscriberState, Watch, callback_id, watch_id
from vidhook_cli.tasks import timeline


def nested(world: World, **fields: Any) -> Any:
    """A submission that is the input of the watch's own execution."""
    return world.intake.submit({"provider": "acme", "task_id": "t1", **fields}, "by-somebody-else")


def test_a_submitted_task_has_a_watch_and_an_execution_of_its_name(world: World) -> None:
    """The name makes sure that a second start is none."""
    submitted = world.submit()
    assert submitted.created
    assert world.ledger.tasks.watch(submitted.watch.id) == submitted.watch
    assert world.machines.started == {
        submitted.watch.id: {"watch": submitted.watch.id, "pause": submitted.pause, "create": False}
    }


def test_the_same_task_twice_is_one_watch(world: World) -> None:
    """Queues deliver twice, and people press twice."""
    first, again = world.submit(), world.submit()
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
    assert world.ledger.tasks.tokens(event.watch_id) == []


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
    watch = world.ledger.tasks.watch(watch_id("acme", "t100"))
    assert watch.first == (pauses[1], "expected")
    submitted = timeline(watch, world.ledger)[0]
    assert submitted["detail"] == f"{watch.execution}, pause {pauses[1]} s (expected)"


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


METADATA: dict[str, Any] = {"order": "17", "size": {"w": [1, 2]}}
FIRST: dict[str, Any] = {"metadata": METADATA, "deadline_seconds": 600, "progress": True}


class TestTheSameTaskWithOtherValues:
    @pytest.mark.parametrize(
        "again",
        [
            {},
            FIRST,
            {"metadata": {"size": {"w": [1.0, 2]}, "order": "17"}},
            {"deadline_seconds": 600.0},
            {"expected_seconds": 7},
        ],
        ids=["nothing", "everything", "another order", "a number with a point", "a hint"],
    )
    def test_the_same_values_are_idempotent(self, world: World, again: dict[str, Any]) -> None:
        """What is left out says nothing, and JSON has one kind of number."""
        first = world.submit(**FIRST)
        repeated = world.submit(**again)
        assert (repeated.created, repeated.watch) == (False, first.watch)

    def test_a_default_is_a_value_too(self, world: World) -> None:
        """Who says nothing gets 86,400 seconds, and who asks for just that gets the same."""
        world.submit()
        assert not world.submit(metadata={}, deadline_seconds=86_400, progress=False).created

    @pytest.mark.parametrize(
        ("again", "differences"),
        [
            (
                {"metadata": {**METADATA, "order": "18"}},
                [{"field": "metadata.order", "known": "17", "given": "18"}],
            ),
            (
                {"metadata": {**METADATA, "size": {"w": [True, 2]}, "late": None}},
                [
                    {"field": "metadata.size", "known": {"w": [1, 2]}, "given": {"w": [True, 2]}},
                    {"field": "metadata.late", "given": None},
                ],
            ),
            (
                {"metadata": {"order": "17"}},
                [{"field": "metadata.size", "known": {"w": [1, 2]}}],
            ),
            (
                {"deadline_seconds": 60, "progress": False},
                [
                    {"field": "deadline_seconds", "known": 600, "given": 60},
                    {"field": "progress", "known": True, "given": False},
                ],
            ),
        ],
    )
    def test_other_values_are_refused_with_the_difference(
        self, world: World, again: dict[str, Any], differences: list[dict[str, Any]]
    ) -> None:
        """Dropped or taken over silently, one of the two submitters would miss his values in the event."""
        first = world.submit(**FIRST)
        with pytest.raises(Conflict) as refused:
            world.submit(**again, callback_url=world.web.url + "/cb?key=hunter2", task_token="canary")
        assert refused.value.differences == differences
        assert refused.value.field == differences[0]["field"].partition(".")[0]
        assert differences[0]["field"] in str(refused.value)
        assert "hunter2" not in str(refused.value)
        assert world.ledger.tasks.watch(first.watch.id) == first.watch
        assert world.ledger.tasks.tokens(first.watch.id) == []

    def test_a_long_difference_is_short_in_words(self, world: World) -> None:
        """The reason stands beside a dead letter, and in logs."""
        world.submit(metadata={f"key {number}": "x" * 1_000 for number in range(9)})
        with pytest.raises(Conflict) as refused:
            world.submit(metadata={})
        assert len(refused.value.differences) == 9
        assert "and 4 more" in str(refused.value)
        assert len(str(refused.value)) < 1_024

    def test_a_nested_execution_is_refused_too(self, world: World) -> None:
        """It waits for the event of the task with the metadata that it gave."""
        world.submit()
        with pytest.raises(Conflict):
            nested(world, metadata={"order": "17"})


class Killed:
    """A submission that is killed at one of its calls, or has `ended` before that."""

    def __init__(self, world: World, at: int, task_id: str, url: str) -> None:
        self._world, self._at, self._submission = world, at, {"task_id": task_id, "callback_url": url}
        self.ended = False

    def __call__(self) -> None:
        calls = itertools.count()
        edges = {n: Crashing(getattr(self._world, n), calls=calls, at=self._at) for n in ("ledger", "machines")}
        with suppress(Crash):
            self._world.but(**edges).submit(**self._submission)
            self.ended = True


class Between(Crashing):
    """A ledger that lets somebody come in just before deliveries are opened."""

    def __init__(self, edge: Any, come: Killed) -> None:
        super().__init__(edge, "nothing")
        self._come = come

    def of_event(self, event: Event) -> Any:
        known = self._edge.of_event(event)
        self._come()
        return known

    def open(self, *given: Any) -> Any:
        self._come()
        return self._edge.open(*given)


def sweep_and_publish(world: World, watch_id: str) -> None:
    """Lets two sweeps come, and follows the executions that they start for a watch."""
    for _ in range(2):
        world.wait(3 * GRACE_SECONDS)
        assert not sweep(world.runs, world.secrets).errors
        for name, given in list(world.machines.started.items()):
            if given["watch"] == watch_id and "event" not in given and name != watch_id:
                world.publish(watch_id, execution=name)


class TestMoreCallbacks:
    def url(self, world: World, name: str, *answers: Answer) -> str:
        return world.web.script(f"/{name}", *(answers or (Answer(204),)))

    def test_every_callback_url_gets_the_event_once(self, world: World) -> None:
        """Two systems may wait for one video, and neither knows of the other."""
        urls = [self.url(world, f"cb{number}") for number in range(3)]
        watch = world.completed(callback_url=urls[0])
        for url in (*urls, urls[1]):
            assert not world.submit(callback_url=url).created
        assert world.ledger.tasks.watch(watch).callback_urls == tuple(urls)
        event = event_of(world.publish(watch))
        for number in range(3):
            assert [asked.body for asked in world.web.to(f"/cb{number}")] == [event.body.encode()]

    def test_a_task_without_a_callback_url_gets_one_later(self, world: World) -> None:
        """And progress, if the task has that."""
        watch = world.submit(progress=True).watch.id
        world.submit(callback_url=self.url(world, "cb"))
        world.web.script("/tasks/t1", says("processing", progress=10))
        assert world.poll(watch).progress
        world.publish_progress(watch)
        assert [asked.headers["webhook-id"] for asked in world.web.to("/cb")] == [world.bus.events[0].id]

    def test_a_task_has_twenty_callback_urls_at_most(self, world: World) -> None:
        """They are written with every poll; a subscriber is for more."""
        for number in range(MOST_CALLBACKS):
            world.submit(callback_url=f"{world.web.url}/{number}")
        with pytest.raises(BadSubmission, match="one too many") as refused:
            world.submit(callback_url=f"{world.web.url}/cb?key=hunter2")
        assert refused.value.field == "callback_url"
        assert "subscribers add" in refused.value.hint
        assert "hunter2" not in str(refused.value)
        assert not world.submit(callback_url=f"{world.web.url}/3").created

    def test_two_that_come_at_once_are_both_added(self, world: World) -> None:
        """The write of one must not remove the other."""

        class Slow(Crashing):
            def add_callback(self, watch: Watch, url: str) -> Watch:
                if not world.ledger.tasks.watch(watch.id).callbacks:
                    world.submit(callback_url=f"{world.web.url}/first")
                added: Watch = self._edge.add_callback(watch, url)
                return added

        watch = world.submit().watch
        world.but(ledger=Slow(world.ledger, "nothing")).submit(callback_url=f"{world.web.url}/second")
        assert world.ledger.tasks.watch(watch.id).callbacks == (f"{world.web.url}/first", f"{world.web.url}/second")

    def test_one_that_comes_after_the_event_gets_it_at_once(self, world: World) -> None:
        """Nobody else would send it; and it is sent once, however often it is submitted."""
        first = self.url(world, "first")
        event = event_of(world.publish(world.completed(callback_url=first)))
        late = self.url(world, "late", Answer(500), Answer(204))
        for _ in range(3):
            submitted = world.submit(callback_url=late)
            world.submit(callback_url=first)
        assert (submitted.created, submitted.watch.callbacks) == (False, (late,))
        (started,) = [each for each in world.machines.started.values() if "event" in each]
        assert (started["event"], started["run"], started["pause"]) == (event.id, 1, 1)
        delivery = world.ledger.deliveries.get(event.watch_id, event.id, started["subscriber"])
        assert (delivery.state, world.web.to("/late")) == ("due", [])
        world.wait(1)
        assert world.redeliver(delivery).pause >= 5
        world.submit(callback_url=late)
        assert world.redeliver(world.ledger.deliveries.get(event.watch_id, event.id, started["subscriber"])).settled
        assert [asked.body for asked in world.web.to("/late")] == [event.body.encode()] * 2
        assert len([each for each in world.machines.started.values() if "event" in each]) == 1
        assert len(world.web.to("/first")) == 1

    def test_one_that_comes_while_the_video_is_stored_is_not_forgotten(self, world: World) -> None:
        """Storing takes minutes, and publishing read the watch before."""
        watch = world.completed()
        url = self.url(world, "cb")

        class Slow(Crashing):
            def put_event(self, event: Event, retries: int, creation: Creation | None = None) -> Event:
                world.submit(callback_url=url)
                written: Event = self._edge.put_event(event, retries)
                return written

        event = event_of(world.but(ledger=Slow(world.ledger, "nothing")).publish(watch))
        assert [asked.body for asked in world.web.to("/cb")] == [event.body.encode()]
        assert [each for each in world.machines.started.values() if "event" in each] == []

    def test_one_that_comes_while_it_is_notified_waits_for_that(self, world: World) -> None:
        """A second attempt at the same moment would be a duplicate."""
        watch = world.completed()
        url = self.url(world, "cb")

        class Slow(Crashing):
            def of_event(self, event: Event) -> Any:
                known = self._edge.of_event(event)
                world.submit(callback_url=url)
                return known

        world.submit(callback_url=url)
        published = world.but(ledger=Slow(world.ledger, "nothing")).publish(watch)
        (started,) = [each for each in world.machines.started.values() if "event" in each]
        assert started["pause"] == 20
        delivery = world.ledger.deliveries.get(watch, event_of(published).id, started["subscriber"])
        assert world.redeliver(delivery, run=1).settled
        assert len(world.web.to("/cb")) == 1

    @pytest.mark.parametrize(
        "meanwhile",
        [
            "nothing",
            pytest.param("publishing", marks=pytest.mark.slow),
            pytest.param("another callback_url", marks=pytest.mark.slow),
        ],
    )
    def test_one_that_was_taken_gets_the_event_although_its_submission_was_killed(
        self, quick_world: World, meanwhile: str
    ) -> None:
        """Its sender may be a queue's message that is dead by now, and whoever else is at work knows nothing of it."""
        world = quick_world
        for at in range(60):
            task_id = f"t{at}"
            watch, url, first, other = world.completed(task_id=task_id), *(self.url(world, f"{n}{at}") for n in "abc")
            come = Killed(world, at, task_id, url)
            between = world.but(ledger=Between(world.ledger, come))
            if meanwhile == "publishing":
                world.submit(task_id, callback_url=first)
                between.publish(watch)
            else:
                world.publish(watch)
            if meanwhile == "another callback_url":
                between.submit(task_id, callback_url=other)
            if meanwhile == "nothing":
                come()
            sweep_and_publish(world, watch)
            left = world.ledger.tasks.watch(watch)
            states = {each.subscriber_id: each for each in world.ledger.deliveries.of_task(watch)}
            assert left.told
            assert states.keys() == {callback_id(each) for each in left.callback_urls}
            assert all(each.state is DeliveryState.DELIVERED or each.run for each in states.values())
            if come.ended:
                break
        assert url in left.callback_urls
        assert at > 15

    def test_one_that_is_paused_is_held_for(self, world: World) -> None:
        """As when it was known before."""
        url = self.url(world, "cb")
        world.publish(world.completed(callback_url=url))
        own = callback_id(url)
        world.ledger.subscribers.put_state(own, SubscriberState.PAUSED, None)
        world.publish(world.completed(task_id="t2"))
        watch = world.submit("t2", callback_url=url).watch
        (delivery,) = world.ledger.deliveries.of_task(watch.id)
        assert (delivery.subscriber_id, delivery.state) == (own, DeliveryState.HELD)

    def test_one_whose_event_is_no_longer_stored_is_refused_if_it_is_new(self, world: World) -> None:
        """It would wait for ever; one that is known had its event."""
        known = self.url(world, "known")
        watch = world.completed(callback_url=known)
        world.publish(watch)
        world.forget_event(watch)
        assert not world.submit(callback_url=known).created
        with pytest.raises(BadSubmission, match="no longer stored"):
            world.submit(callback_url=self.url(world, "new"))
        assert world.ledger.tasks.watch(watch).callbacks == ()

    @pytest.mark.slow
    def test_one_that_is_killed_anywhere_gets_the_event_when_it_is_submitted_again(self, world: World) -> None:
        """A submitter repeats what was not answered."""
        crashes = 0
        for at in range(60):
            event = event_of(world.publish(world.completed(task_id=f"t{at}")))
            url = self.url(world, f"cb{at}")
            calls = itertools.count()
            edges = {name: Crashing(getattr(world, name), calls=calls, at=at) for name in ("ledger", "machines")}
            try:
                world.but(**edges).submit(f"t{at}", callback_url=url)
            except Crash:
                crashes += 1
            else:
                break
            world.wait(1)
            world.submit(f"t{at}", callback_url=url)
            (delivery,) = world.ledger.deliveries.of_task(event.watch_id)
            assert delivery.run == 1
            # What was written and not started is due, and the sweeper starts it.
            assert delivery.state is DeliveryState.DUE
        assert crashes > 15
