"""Subscribers that are down for a weekend, for a week or for good; the test's own clock passes the days."""

import pytest

from tests.integration.clockwork import Clockwork
from tests.integration.world import Answer, World
from vidhook import subscribers
from vidhook.event import Event
from vidhook.task import Subscriber

HOUR, DAY = 3_600, 86_400
DOWN, UP = Answer(503, b"closed"), Answer(200, b"open")


@pytest.fixture
def world(quick_world: World) -> World:
    return quick_world


def answers(world: World, subscriber: Subscriber, answer: Answer) -> None:
    """Sets the answer of a subscriber from now on."""
    world.web.script(f"/{subscriber.id.removeprefix('sub_')}", answer)


def delivered(world: World, subscriber: Subscriber, event: Event) -> bool:
    return world.ledger.deliveries.get(event.watch_id, event.id, subscriber.id).state == "delivered"


def reports(world: World) -> list[str]:
    return [kind for kind, _ in world.bus.reports]


def test_a_weekend_loses_nothing_and_disables_nobody(world: World) -> None:
    """Every event from Friday evening to Monday morning arrives, with its one id and the same bytes."""
    clock, app = Clockwork(world), world.subscribe("app", DOWN)
    for _ in range(12):
        clock.end_task()
        clock.run(5 * HOUR)
    clock.run(2 * HOUR)
    answers(world, app, UP)
    clock.run(2 * DAY)
    assert all(delivered(world, app, event) for event in clock.published)
    sent = world.web.to("/app")
    assert {(each.headers["webhook-id"], each.body) for each in sent} == {
        (event.id, event.body.encode()) for event in clock.published
    }
    assert world.ledger.subscribers.get(app.id).state == "active"
    assert reports(world) == ["endpoint.failing", "endpoint.recovered"]


def test_a_burst_of_failures_disables_nobody(world: World) -> None:
    """A bad deployment may fail many events within minutes, until somebody rolls it back."""
    clock, app = Clockwork(world), world.subscribe("app", DOWN)
    for _ in range(10):
        clock.end_task()
    clock.run(HOUR)
    assert len(world.web.to("/app")) >= 50
    assert world.ledger.subscribers.get(app.id).state == "active"


def test_five_days_without_a_success_disable_and_hold_what_follows(world: World) -> None:
    """Before that nothing changes; after it nothing is sent, and held events arrive when it is resumed."""
    clock, app = Clockwork(world), world.subscribe("app", DOWN)
    clock.end_task()
    clock.run(5 * DAY - 1 * HOUR)
    clock.end_task()
    assert world.ledger.subscribers.get(app.id).state == "active"
    clock.run(4 * HOUR)
    assert world.ledger.subscribers.get(app.id).state == "disabled"
    assert reports(world) == ["endpoint.failing", "endpoint.disabled"]
    asked = len(world.web.to("/app"))
    held = clock.end_task()
    clock.run(3 * DAY)
    assert len(world.web.to("/app")) == asked
    answers(world, app, UP)
    _, drained = subscribers.resume(app.id, runs=world.runs)
    assert drained == 2
    clock.run(HOUR)
    assert [delivered(world, app, event) for event in clock.published] == [False, True, True]
    assert delivered(world, app, held)
    recovered = subscribers.recover(app.id, since=0.0, runs=world.runs)
    assert recovered.started == 1
    clock.run(HOUR)
    assert all(delivered(world, app, event) for event in clock.published)


def test_two_failures_far_apart_are_no_evidence(world: World) -> None:
    """A subscriber with few events may be down twice and up in between, without any delivery to show it."""
    clock, app = Clockwork(world), world.subscribe("app", DOWN)
    clock.end_task()
    world.wait(6 * DAY)  # nothing was sent in between
    event = clock.end_task()
    world.redeliver(world.ledger.deliveries.get(event.watch_id, event.id, app.id))
    assert len(world.web.to("/app")) == 2
    assert world.ledger.subscribers.get(app.id).state == "active"


def test_one_success_resets_the_count_of_days(world: World) -> None:
    """The five days are days without any success, so a subscriber that sometimes works stays active."""
    clock, app = Clockwork(world), world.subscribe("app", DOWN)
    for _ in range(4):
        clock.end_task()
        clock.run(1.5 * DAY)
        answers(world, app, UP)
        clock.end_task()
        clock.run(60)  # while an event is published, one that has failed is not tried
        answers(world, app, DOWN)
        clock.run(1.5 * DAY)
    assert world.ledger.subscribers.get(app.id).state == "active"
    assert "endpoint.disabled" not in reports(world)


def test_an_outage_is_reported_once_however_many_events_fail(world: World) -> None:
    """Twenty reports of one outage would hide other reports."""
    clock, app = Clockwork(world), world.subscribe("app", DOWN)
    for _ in range(5):
        clock.end_task()
    clock.run(12 * HOUR)
    assert reports(world) == ["endpoint.failing"]
    answers(world, app, UP)
    clock.run(12 * HOUR)
    assert reports(world) == ["endpoint.failing", "endpoint.recovered"]
