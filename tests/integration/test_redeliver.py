"""One more attempt at one subscriber: as it stands at that moment, never too early, and not for ever."""

from dataclasses import replace

import pytest

from tests.integration.world import Answer, World
from vidhook.deliver import FAILING_TRIES, PAUSES
from vidhook.redeliver import Redelivered
from vidhook.task import Delivery, SigningSecret, Subscriber, SubscriberState

DOWN = Answer(500, b"out of disk")
FINE = Answer(200, b"ok")


def late(world: World, *answers: Answer) -> tuple[Subscriber, Delivery]:
    """A subscriber that was not reached at once, and its delivery."""
    subscriber = world.subscribe("late", DOWN, *answers)
    return subscriber, world.delivery(world.publish(world.completed()), subscriber)


def stored(world: World, delivery: Delivery) -> Delivery:
    return world.ledger.delivery(delivery.watch_id, delivery.event_id, delivery.subscriber_id)


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
    (log,) = world.ledger.attempts(delivery.watch_id).values()
    assert [attempt.number for attempt in log] == list(range(1, len(PAUSES) + 2))
    assert {attempt.answer for attempt in log} == {"out of disk"}


class TestAsTheSubscriberStands:
    def test_a_changed_url_is_used(self, world: World) -> None:
        """Its owner moved it while we waited."""
        subscriber, delivery = late(world)
        url = world.web.script("/moved", FINE)
        world.ledger.put_subscriber(replace(subscriber, url=url))
        assert world.redeliver(delivery).state == "delivered"
        assert len(world.web.to("/moved")) == 1

    def test_a_rotated_secret_signs_along(self, world: World) -> None:
        """Old and new, as long as the old one lives."""
        subscriber, delivery = late(world, FINE)
        both = (SigningSecret("whsec_bmV3"), SigningSecret("whsec_b2xk", expires_at=world.now + 60))
        version = world.secrets.put_signing(subscriber.secret_name, both)
        world.ledger.put_subscriber(replace(subscriber, secret_version=version))
        world.redeliver(delivery)
        assert len(world.web.to("/late")[-1].headers["webhook-signature"].split()) == 2

    def test_a_removed_one_cancels(self, world: World) -> None:
        """Nobody is told who left."""
        subscriber, delivery = late(world, FINE)
        world.ledger.remove_subscriber(subscriber.id)
        assert (world.redeliver(delivery).state, stored(world, delivery).state) == ("cancelled", "cancelled")
        assert len(world.web.to("/late")) == 1

    @pytest.mark.parametrize("state", [SubscriberState.PAUSED, SubscriberState.DISABLED])
    def test_one_that_is_not_active_is_held_for(self, world: World, state: SubscriberState) -> None:
        """Nothing is sent, nothing is lost, and no execution waits."""
        subscriber, delivery = late(world, FINE)
        world.ledger.put_state(subscriber.id, state, None)
        assert world.redeliver(delivery).settled
        assert stored(world, delivery).state == "held"
        assert len(world.web.to("/late")) == 1


class TestQuiet:
    def test_one_that_asked_for_quiet_is_waited_for(self, world: World) -> None:
        """Retry-After is the whole subscriber's, whichever delivery heard it."""
        subscriber, delivery = late(world, FINE)
        world.ledger.note_failure(subscriber, world.now, world.now + 600)
        done = world.redeliver(delivery)
        assert (done.settled, done.attempt) == (False, None)
        assert done.pause >= 600
        assert len(world.web.to("/late")) == 1
        world.wait(done.pause)
        assert world.redeliver(delivery, waited_for=done.waited_for).state == "delivered"

    def test_a_wait_that_was_waited_counts_where_waits_are_scaled(self, world: World) -> None:
        """The clock says that 30 s passed, and the execution waited 600 all the same."""
        subscriber, delivery = late(world, FINE)
        world.ledger.note_failure(subscriber, world.now, world.now + 600)
        done = world.redeliver(delivery)
        world.wait(30)
        assert world.redeliver(delivery, waited_for=done.waited_for).state == "delivered"

    def test_an_answer_that_asks_for_quiet_is_not_tried_sooner(self, world: World) -> None:
        """Its own delivery waits as long as the others."""
        _, delivery = late(world, Answer(503, b"", {"retry-after": "900"}))
        done = world.redeliver(delivery)
        assert done.pause == 900
        assert done.waited_for >= world.ledger.subscriber("sub_late").hold_until


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
        world.ledger.put_subscriber(replace(subscriber, url=subscriber.url + "?key=hunter2"))
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
        seen = world.ledger.subscriber(subscriber.id)
        assert (seen.state, "no success since" in (seen.reason or "")) == (SubscriberState.DISABLED, True)
        assert world.redeliver(delivery).settled
        assert stored(world, delivery).state == "held"


class TestRuns:
    def test_a_newer_run_ends_the_older(self, world: World) -> None:
        """Two executions must not try one delivery side by side."""
        _, delivery = late(world, FINE)
        again = world.ledger.start_run(delivery, pause=1, now=world.now, afresh=False)
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
