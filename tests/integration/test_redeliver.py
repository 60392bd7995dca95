"""One more attempt at one subscriber: as it stands at that moment, never too early, and not for ever."""

import heapq
import itertools
from dataclasses import replace
from typing import Any

import pytest

from tests.integration.world import Answer, World
from vidhook import subscribers
from vidhook.deliver import ATTEMPT_SECONDS, FAILING_TRIES, FIRST_SECONDS, PAUSES
from vidhook.errors import TimedOut
from vidhook.redeliver import Redelivered
from vidhook.task import Credentials, Delivery, SigningSecret, Subscriber, SubscriberState

DOWN = Answer(500, b"out of disk")
FINE = Answer(200, b"ok")


def late(world: World, *answers: Answer) -> tuple[Subscriber, Delivery]:
    """A subscriber that was not reached at once, and its delivery."""
    subscriber = world.subscribe("late", DOWN, *answers)
    return subscriber, world.delivery(world.publish(world.completed()), subscriber)


def stored(world: World, delivery: Delivery) -> Delivery:
    return world.ledger.deliveries.get(delivery.watch_id, delivery.event_id, delivery.subscriber_id)


def test_an_attempt_that_succeeds_settles_the_delivery(world: World) -> None:
    """The same id and the same bytes as the first time, signed at its own time."""
    _, delivery = late(world, FINE)
    world.wait(5)
    done = world.redeliver(delivery)
    assert (done.settled, done.state, stored(world, delivery).state) == (True, "delivered", "delivered")
    first, second = world.web.to("/late")
    assert (first.body, first.headers["webhook-id"]) == (second.body, second.headers["webhook-id"])
    assert int(second.headers["webhook-timestamp"]) == int(first.headers["webhook-timestamp"]) + 5


def test_a_subscriber_that_stays_down_is_tried_for_76_hours_and_then_given_up(world: World) -> None:
    """Every pause as promised; then the delivery is failed, and kept for a replay."""
    _, delivery = late(world, DOWN)
    began, pauses = world.now, [5]
    while True:
        world.wait(pauses[-1])
        done = world.redeliver(delivery, waited_for=world.now)
        if done.settled:
            break
        pauses.append(done.pause)
    assert pauses == list(PAUSES)
    assert 75 < (world.now - began) / 3_600 < 77
    assert (done.state, stored(world, delivery).state) == ("failed", "failed")
    (log,) = world.ledger.deliveries.attempts(delivery.watch_id).values()
    assert [attempt.number for attempt in log] == list(range(1, len(PAUSES) + 2))
    assert {attempt.answer for attempt in log} == {"out of disk"}


class TestAsTheSubscriberStands:
    def test_a_changed_url_is_used(self, world: World) -> None:
        """Its owner moved it while we waited."""
        subscriber, delivery = late(world)
        url = world.web.script("/moved", FINE)
        world.ledger.subscribers.put(replace(subscriber, url=url))
        assert world.redeliver(delivery).state == "delivered"
        assert len(world.web.to("/moved")) == 1

    def test_a_rotated_secret_signs_along(self, world: World) -> None:
        """Old and new, as long as the old one lives."""
        subscriber, delivery = late(world, FINE)
        both = (SigningSecret("whsec_bmV3"), SigningSecret("whsec_b2xk", expires_at=world.now + 60))
        sealed = world.secrets.seal(subscriber.id, Credentials(both))
        world.ledger.subscribers.put(replace(subscriber, sealed=sealed))
        world.redeliver(delivery)
        assert len(world.web.to("/late")[-1].headers["webhook-signature"].split()) == 2

    def test_a_removed_one_cancels(self, world: World) -> None:
        """Nobody is told who left."""
        subscriber, delivery = late(world, FINE)
        world.ledger.subscribers.remove(subscriber.id)
        assert (world.redeliver(delivery).state, stored(world, delivery).state) == ("cancelled", "cancelled")
        assert len(world.web.to("/late")) == 1

    @pytest.mark.parametrize("state", [SubscriberState.PAUSED, SubscriberState.DISABLED])
    def test_one_that_is_not_active_is_held_for(self, world: World, state: SubscriberState) -> None:
        """Nothing is sent, nothing is lost, and no execution waits."""
        subscriber, delivery = late(world, FINE)
        world.ledger.subscribers.put_state(subscriber.id, state, None)
        assert world.redeliver(delivery).settled
        assert stored(world, delivery).state == "held"
        assert len(world.web.to("/late")) == 1


class TestQuiet:
    def test_one_that_asked_for_quiet_is_waited_for(self, world: World) -> None:
        """Retry-After is the whole subscriber's, whichever delivery heard it."""
        subscriber, delivery = late(world, FINE)
        world.ledger.subscribers.note_failure(subscriber, world.now, world.now + 600)
        done = world.redeliver(delivery)
        assert (done.settled, done.attempt) == (False, None)
        assert done.pause >= 600
        assert len(world.web.to("/late")) == 1
        world.wait(done.pause)
        assert world.redeliver(delivery, waited_for=done.waited_for).state == "delivered"

    def test_a_wait_that_was_waited_counts_where_waits_are_scaled(self, world: World) -> None:
        """The clock says that 30 s passed, and the execution waited 600 all the same."""
        subscriber, delivery = late(world, FINE)
        world.ledger.subscribers.note_failure(subscriber, world.now, world.now + 600)
        done = world.redeliver(delivery)
        world.wait(30)
        assert world.redeliver(delivery, waited_for=done.waited_for).state == "delivered"

    def test_an_answer_that_asks_for_quiet_is_not_tried_sooner(self, world: World) -> None:
        """Its own delivery waits as long as the others."""
        _, delivery = late(world, Answer(503, b"", {"retry-after": "900"}))
        done = world.redeliver(delivery)
        assert done.pause == 900
        assert done.waited_for >= world.ledger.subscribers.get("sub_late").hold_until


class TestFailing:
    def test_operators_hear_once_of_a_failing_subscriber_and_of_its_recovery(self, world: World) -> None:
        """A hiccup is no news; a streak is one piece of it."""
        _, delivery = late(world, *[DOWN] * (FAILING_TRIES + 1), FINE)
        for _ in range(FAILING_TRIES + 2):
            world.wait(60)
            world.redeliver(delivery, waited_for=world.now)
        assert [kind for kind, _ in world.bus.reports] == ["endpoint.failing", "endpoint.recovered"]

    def test_a_report_shows_no_query_string(self, world: World) -> None:
        """It may hold the receiver's password."""
        subscriber, delivery = late(world, Answer(410))
        world.ledger.subscribers.put(replace(subscriber, url=subscriber.url + "?key=hunter2"))
        world.web.scripts["/late"] = [Answer(410)]
        world.redeliver(delivery)
        ((kind, report),) = world.bus.reports
        assert (kind, report["url"]) == ("endpoint.disabled", subscriber.url)

    def test_five_days_without_a_success_disable(self, world: World) -> None:
        """And what is on its way is kept."""
        subscriber, delivery = late(world, DOWN)
        world.wait(86_400)
        world.redeliver(delivery, waited_for=world.now)
        world.wait(4 * 86_400)
        world.redeliver(delivery, waited_for=world.now)
        seen = world.ledger.subscribers.get(subscriber.id)
        assert (seen.state, "no success since" in (seen.reason or "")) == (SubscriberState.DISABLED, True)
        assert world.redeliver(delivery).settled
        assert stored(world, delivery).state == "held"


class TestRuns:
    def test_a_newer_run_ends_the_older(self, world: World) -> None:
        """Two executions must not try one delivery side by side."""
        _, delivery = late(world, FINE)
        again = world.ledger.deliveries.start_run(delivery, pause=1, now=world.now, afresh=False)
        assert world.redeliver(delivery, run=delivery.run).settled
        assert len(world.web.to("/late")) == 1
        assert world.redeliver(again).state == "delivered"

    def test_a_settled_delivery_is_not_tried_again(self, world: World) -> None:
        """A Lambda may run twice."""
        _, delivery = late(world, FINE)
        world.redeliver(delivery)
        assert world.redeliver(delivery).state == "delivered"
        assert len(world.web.to("/late")) == 2

    def test_a_forgotten_event_ends_its_redelivery(self, world: World) -> None:
        """Its days are over, and there is nothing to send."""
        assert world.redeliver(Delivery("evt_1", "tsk_1", "sub_1", "video.failed", 0.0)) == Redelivered(True)

    def test_a_run_is_started_under_its_own_name_with_ids_and_seconds_only(self, world: World) -> None:
        """The name makes a second start of the same run harmless."""
        _, delivery = late(world, FINE)
        started = world.runs.start(delivery, pause=3, afresh=True)
        assert world.machines.started[started.execution_name] == started.execution_input(3)
        assert set(started.execution_input(3)) == {"watch", "event", "subscriber", "run", "pause"}
        assert (started.run, started.base) == (1, 1)


class Hanging:
    """Subscribers that never answer, until they are `well`; nobody waits for them."""

    def __init__(self, world: World) -> None:
        self.world, self.well = world, False
        self.at: list[float] = []
        self.seconds = 0.0

    def send(self, *arguments: Any, **named: Any) -> Any:
        self.at.append(self.world.now)
        if self.well:
            return self.world.http.send(*arguments, **named)
        self.seconds += named["deadline"]
        failure = TimedOut("the deadline passed while waiting for the answer")
        failure.timings = {"total": named["deadline"] * 1_000}
        raise failure


class TestHangs:
    """One subscriber hangs; its deliveries take turns."""

    @pytest.fixture
    def world(self, quick_world: World) -> World:
        return quick_world

    def due(self, world: World, number: int, http: Any) -> tuple[World, list[Delivery]]:
        """Events to one subscriber that hangs, none delivered, and the world in which it does."""
        world.subscribe("late")
        other = world.but(http=http)
        published = [other.publish(world.completed(task_id=f"t{each}"), store=False) for each in range(number)]
        return other, [late.delivery for each in published for late in each.notified.unreached]

    def test_one_attempt_at_a_time_and_the_others_wait_without_one(self, world: World) -> None:
        """Twenty of 15 seconds each would take twenty functions of an account that may have ten."""
        hanging = Hanging(world)
        other, deliveries = self.due(world, 20, hanging)
        before = len(hanging.at)
        world.wait(1)
        done = [other.redeliver(each) for each in deliveries]
        assert len(hanging.at) - before == 1
        assert [each.attempt is not None for each in done] == [True] + [False] * 19
        assert {each.pause for each in done[1:]} == {76}
        waits = stored(world, deliveries[-1])
        assert (waits.state, waits.attempts, waits.next_at) == ("due", 0, world.now + 76)

    def test_the_next_turn_comes_after_a_gap_that_grows_to_ten_minutes(self, world: World) -> None:
        """What a subscriber can cost sinks the longer it hangs, and it is still asked."""
        hanging = Hanging(world)
        other, deliveries = self.due(world, 3, hanging)
        while not other.redeliver(deliveries[0]).settled:
            world.now = max(world.now + 1, world.ledger.subscribers.get("sub_late").hold_until)
        waits = [round(later - sooner) for sooner, later in itertools.pairwise(hanging.at)]
        assert waits[1:6] == [75, 135, 255, 495, 615]
        assert (len(waits), set(waits[6:])) == (12, {615})

    def test_an_hour_of_hanging_costs_at_most_twelve_minutes(self, world: World) -> None:
        """However many deliveries there are, and however often they look."""
        hanging = Hanging(world)
        other, deliveries = self.due(world, 5, hanging)
        before = hanging.seconds
        for _ in range(0, 3_600, 30):
            for each in deliveries:
                other.redeliver(each)
            world.wait(30)
        assert hanging.seconds - before <= 720

    def test_a_process_that_is_killed_gives_its_turn_back(self, world: World) -> None:
        """Nobody has to wait for ever for a success that cannot come."""

        class Killed(Hanging):
            def send(self, *arguments: Any, **named: Any) -> Any:
                if named["deadline"] > 10:
                    raise KeyboardInterrupt
                return super().send(*arguments, **named)

        other, deliveries = self.due(world, 2, Killed(world))
        with pytest.raises(KeyboardInterrupt):
            other.redeliver(deliveries[0])
        done = world.redeliver(deliveries[1])
        assert (done.attempt, done.pause) == (None, 76)
        world.wait(done.pause)
        assert world.redeliver(deliveries[1], done.waited_for).state == "delivered"

    def test_all_that_waited_arrive_when_it_answers_again(self, world: World) -> None:
        """First a few one after the other, then as they come; no delivery has lost an attempt by waiting."""
        hanging = Hanging(world)
        other, deliveries = self.due(world, 12, hanging)
        agenda = [(world.now + 1, number, 0.0) for number in range(len(deliveries))]
        heapq.heapify(agenda)
        began, waited = world.now, 0
        while agenda:
            at, number, waited_for = heapq.heappop(agenda)
            world.now = max(at, world.now)
            hanging.well = world.now - began > 1_800
            done = other.redeliver(deliveries[number], waited_for)
            waited += done.attempt is None
            if not done.settled:
                heapq.heappush(agenda, (world.now + done.pause, number, done.waited_for))
        assert world.now - began < 1_800 + PAUSES[4] * 1.2  # the longest pause that began before
        assert waited > 12
        assert {stored(world, each).state for each in deliveries} == {"delivered"}
        assert not world.ledger.subscribers.get("sub_late").hangs(world.now)

    def test_the_schedule_of_76_hours_is_not_shortened(self, world: World) -> None:
        """Twelve whole attempts, each pause at least as long as promised, beside the first one that was cut."""
        hanging = Hanging(world)
        other, (delivery,) = self.due(world, 1, hanging)
        world.wait(1)
        began, waited_for = world.now, 0.0
        pauses: list[int] = []
        while True:
            done = other.redeliver(delivery, waited_for)
            if done.settled:
                break
            if done.attempt is None:
                pauses[-1] += done.pause
            else:
                pauses.append(done.pause)
            world.wait(done.pause)
            waited_for = done.waited_for
        assert (done.state, len(pauses), stored(world, delivery).attempts) == ("failed", len(PAUSES), 13)
        assert all(found >= promised for found, promised in zip(pauses, PAUSES, strict=True))
        assert world.now - began >= sum(PAUSES)
        assert world.ledger.subscribers.get("sub_late").state == "active"

    def test_one_that_asks_for_quiet_while_it_hangs_is_left_in_peace(self, world: World) -> None:
        """A Retry-After that came meanwhile is not taken back by the end of a turn."""
        _, deliveries = self.due(world, 1, Hanging(world))

        class Quiet(Hanging):
            def send(self, *arguments: Any, **named: Any) -> Any:
                world.ledger.subscribers.note_failure(
                    world.ledger.subscribers.get("sub_late"), world.now, world.now + 5_000
                )
                return world.http.send(*arguments, **named)

        world.but(http=Quiet(world)).redeliver(deliveries[0])
        assert world.ledger.subscribers.get("sub_late").hold_until == world.now + 5_000

    def test_a_removed_one_is_not_tried(self, world: World) -> None:
        """What a late attempt writes of how it answered does not bring it back."""
        other, deliveries = self.due(world, 1, Hanging(world))
        subscriber = world.ledger.subscribers.get("sub_late")
        world.ledger.subscribers.remove("sub_late")
        assert other.notifier.turn(subscriber) is not None
        world.ledger.subscribers.note_pace(subscriber, 1.0, 1.0)
        assert (world.ledger.subscribers.all(), world.redeliver(deliveries[0]).state) == ([], "cancelled")

    def test_callback_urls_of_one_host_hang_together(self, world: World) -> None:
        """Each task may have one of its own, and each would cost its first attempts: 3 and 15 seconds."""
        hanging = Hanging(world)
        other, port = world.but(http=hanging), world.web.url.rpartition(":")[2]
        for number in range(20):
            url = f"http://127.0.0.1:{'0' * number}{port}/hooks/{number}"
            watch = world.completed(task_id=f"t{number}", callback_url=url)
            (late,) = other.publish(watch, store=False).notified.unreached
            world.wait(1)
            other.redeliver(late.delivery)
        assert len(hanging.at) <= 6
        assert hanging.seconds <= FIRST_SECONDS + 5 * ATTEMPT_SECONDS

    def test_a_slow_one_gets_each_event_once(self, world: World) -> None:
        """Five seconds are allowed; only the first event is sent twice, as its first attempt was cut."""

        class Slow(Hanging):
            def send(self, *arguments: Any, **named: Any) -> Any:
                if named["deadline"] < 5:
                    return super().send(*arguments, **named)
                self.at.append(world.now)
                return replace(world.http.send(*arguments, **named), timings={"total": 5_000.0})

        slow = Slow(world)
        other, deliveries = self.due(world, 1, slow)
        assert other.redeliver(deliveries[0]).state == "delivered"
        for number in range(1, 20):
            world.wait(300)
            published = other.publish(world.completed(task_id=f"t{number}"), store=False)
            (late,) = published.notified.unreached
            world.wait(late.pause)
            assert other.redeliver(late.delivery).state == "delivered"
        assert len(slow.at) == 21

    def test_a_backlog_that_is_let_go_hangs_for_three_seconds_and_not_for_fifteen(self, world: World) -> None:
        """Ten a second are started after a resume: 150 would be at work before the first one is found to hang."""
        subscriber = world.subscribe("late", state=SubscriberState.PAUSED)
        world.publish(world.completed())
        _, drained = subscribers.resume(subscriber.id, runs=world.runs)
        assert drained == 1
        (delivery,) = world.ledger.deliveries.to(subscriber.id)
        hanging = Hanging(world)
        done = world.but(http=hanging).redeliver(delivery)
        assert (hanging.seconds, done.pause) == (FIRST_SECONDS, 1)
        assert world.ledger.subscribers.get(subscriber.id).hangs(world.now)

    def test_turns_last_until_it_answers(self, world: World) -> None:
        """After a quiet night a burst must not hang all at once again."""
        other, deliveries = self.due(world, 3, Hanging(world))
        other.redeliver(deliveries[0])
        world.wait(12 * 3_600)
        done = [other.redeliver(each) for each in deliveries]
        assert [each.attempt is not None for each in done] == [True, False, False]
