"""Subscribers that are gone for a weekend, for a week, for good: days of it, on a clock of our own."""

from clockwork import Clockwork
from world import Answer, World

from vidhook import subscribers
from vidhook.event import Event
from vidhook.task import Subscriber

HOUR, DAY = 3_600, 86_400
DOWN, UP = Answer(503, b"closed"), Answer(200, b"open")


def answers(world: World, subscriber: Subscriber, answer: Answer) -> None:
    """From now on."""
    world.web.script(f"/{subscriber.id.removeprefix('sub_')}", answer)


def delivered(world: World, subscriber: Subscriber, event: Event) -> bool:
    return world.ledger.delivery(event.watch_id, event.id, subscriber.id).state == "delivered"


def reports(world: World) -> list[str]:
    return [kind for kind, _ in world.bus.reports]


def test_a_weekend_loses_nothing_and_disables_nobody(world: World) -> None:
    """Friday evening to Monday morning, events all the while: each arrives, under one id and with the same bytes."""
    clock, app = Clockwork(world), world.subscribe("app", DOWN)
    for _ in range(12):
        clock.tell()
        clock.run(5 * HOUR)
    clock.run(2 * HOUR)
    answers(world, app, UP)
    clock.run(2 * DAY)
    assert all(delivered(world, app, event) for event in clock.told)
    sent = world.web.to("/app")
    assert {(each.headers["webhook-id"], each.body) for each in sent} == {
        (event.id, event.body.encode()) for event in clock.told
    }
    assert world.ledger.subscriber(app.id).state == "active"
    assert reports(world) == ["endpoint.failing", "endpoint.recovered"]


def test_a_burst_of_failures_disables_nobody(world: World) -> None:
    """A bad deployment breaks a thousand events in ten minutes, and is rolled back."""
    clock, app = Clockwork(world), world.subscribe("app", DOWN)
    for _ in range(10):
        clock.tell()
    clock.run(HOUR)
    assert len(world.web.to("/app")) >= 50
    assert world.ledger.subscriber(app.id).state == "active"


def test_five_days_without_a_success_disable_and_hold_what_follows(world: World) -> None:
    """Not before; then no more is sent, and all that was held arrives when it is back."""
    clock, app = Clockwork(world), world.subscribe("app", DOWN)
    clock.tell()
    clock.run(5 * DAY - 1 * HOUR)
    clock.tell()
    assert world.ledger.subscriber(app.id).state == "active"
    clock.run(4 * HOUR)
    assert world.ledger.subscriber(app.id).state == "disabled"
    assert reports(world) == ["endpoint.failing", "endpoint.disabled"]
    asked = len(world.web.to("/app"))
    held = clock.tell()
    clock.run(3 * DAY)
    assert len(world.web.to("/app")) == asked
    answers(world, app, UP)
    _, drained = subscribers.resume(
        app.id, ledger=world.ledger, machines=world.machines, redeliver_arn="arn:redeliver", now=world.now
    )
    assert drained == 2
    clock.run(HOUR)
    assert [delivered(world, app, event) for event in clock.told] == [False, True, True]
    assert delivered(world, app, held)
    recovered = subscribers.recover(
        app.id, since=0.0, ledger=world.ledger, machines=world.machines, redeliver_arn="arn:redeliver", now=world.now
    )
    assert recovered == 1
    clock.run(HOUR)
    assert all(delivered(world, app, event) for event in clock.told)


def test_two_failures_far_apart_are_no_evidence(world: World) -> None:
    """A subscriber that is told something twice a week may be down twice and well in between: nobody looked."""
    clock, app = Clockwork(world), world.subscribe("app", DOWN)
    clock.tell()
    world.wait(6 * DAY)  # nothing was on its way meanwhile
    clock.tell()
    assert world.ledger.subscriber(app.id).state == "active"


def test_one_success_forgives_all_that_was_before(world: World) -> None:
    """Five days are counted without a success; one that limps along is not dead."""
    clock, app = Clockwork(world), world.subscribe("app", DOWN)
    for _ in range(4):
        clock.tell()
        clock.run(1.5 * DAY)
        answers(world, app, UP)
        clock.tell()
        answers(world, app, DOWN)
        clock.run(1.5 * DAY)
    assert world.ledger.subscriber(app.id).state == "active"
    assert "endpoint.disabled" not in reports(world)


def test_operators_hear_of_a_streak_once_however_many_events_fail(world: World) -> None:
    """Twenty reports of one outage are noise."""
    clock, app = Clockwork(world), world.subscribe("app", DOWN)
    for _ in range(5):
        clock.tell()
    clock.run(12 * HOUR)
    assert reports(world) == ["endpoint.failing"]
    answers(world, app, UP)
    clock.run(12 * HOUR)
    assert reports(world) == ["endpoint.failing", "endpoint.recovered"]
