"""A subscriber that does not answer delays nobody: not the event bus, a task token, a poll or another subscriber."""

import socket
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import pytest

from tests.integration.world import World, says
from vidhook.deliver import FIRST_SECONDS
from vidhook.event import Event
from vidhook.task import Delivery, Subscriber
from vidhook_sandbox.loopback import Handler, Loopback

SUBSCRIBERS = 50
LATER = 1.0  # the most that one hanging subscriber may change


class Arrivals(Handler):
    """Accepts every webhook and records when it came. The one that is `down` is refused once."""

    times: dict[str, float] = {}  # noqa: RUF012 - one for all connections, by path
    down = ""

    def do_POST(self) -> None:  # noqa: N802 - the base class's name
        self.read_body()
        if self.path == Arrivals.down:
            Arrivals.down = ""
            self.answer(503)
        else:
            self.times[self.path] = time.monotonic()
            self.answer(200)


@pytest.fixture
def world(quick_world: World) -> World:
    return quick_world


@dataclass
class Measured:
    """Seconds from the beginning of a publishing."""

    bus: float
    token: float
    others: float
    second_attempt: float


@pytest.fixture
def known(world: World) -> Iterator[list[Subscriber]]:
    """Fifty subscribers of terminal events and of progress."""
    server = Loopback(Arrivals)
    known = [world.subscribe(f"s{number}", events=("*",)) for number in range(SUBSCRIBERS)]
    known = [
        replace(each, url=f"{server.url}/s{number}", created_at=float(number)) for number, each in enumerate(known)
    ]
    for each in known:
        world.ledger.subscribers.put(each)
    yield known
    server.stop()


@pytest.fixture
def silent() -> Iterator[str]:
    """The URL of a server that accepts connections and never answers."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}/"


def handed_on(world: World, deliveries: list[Delivery]) -> None:
    """Redelivers as the state machine does: each in an execution of its own."""
    for delivery in deliveries:
        world.wait(1)
        world.redeliver(delivery)


def measured(world: World, task_id: str, hanging: str | None = None) -> Measured:
    """Publishes a task, and redelivers it to the last subscriber, which refuses its first attempt."""
    world.submit(task_id, task_token=f"token-{task_id}")
    watch_id = world.completed(task_id=task_id)
    Arrivals.times.clear()
    Arrivals.down = f"/s{SUBSCRIBERS - 1}"
    times: dict[str, float] = {}

    class Timed:
        """The bus and the machines, with the times of what they got."""

        def put(self, event: Event) -> None:
            times["bus"] = time.monotonic()

        def answer(self, token: str, event: Event) -> bool:
            times["token"] = time.monotonic()
            return True

        def report(self, *_: Any) -> None:
            pass

    other = world.but(bus=Timed(), machines=Timed())
    start = time.monotonic()
    published = other.publish(watch_id, store=False)
    handed_on(world, [late.delivery for late in published.notified.unreached if late.delivery.subscriber_id != hanging])
    arrived = {path: at - start for path, at in Arrivals.times.items() if path != "/s0"}
    assert len(arrived) == SUBSCRIBERS - 1
    last = arrived.pop(f"/s{SUBSCRIBERS - 1}")
    return Measured(times["bus"] - start, times["token"] - start, max(arrived.values()), last)


def test_one_that_hangs_of_fifty_delays_nobody(world: World, known: list[Subscriber], silent: str) -> None:
    """The first event has the second attempts of others begin after the seconds of publishing, which are within their
    pause of five; every later event costs nothing."""
    measured(world, "warm")
    usual = measured(world, "without")
    world.ledger.subscribers.put(replace(known[0], url=silent))
    first = measured(world, "first", known[0].id)
    later = measured(world, "later", known[0].id)
    for found in (first, later):
        assert found.bus < usual.bus + LATER
        assert found.token < usual.token + LATER
        assert found.others < usual.others + LATER
    assert first.second_attempt < usual.second_attempt + FIRST_SECONDS + LATER
    assert later.second_attempt < usual.second_attempt + LATER
    waits = next(iter(world.ledger.deliveries.to(known[0].id)), None)
    assert waits is not None


def test_one_that_hangs_on_progress_costs_the_first_pause_three_seconds_and_no_other(
    world: World, known: list[Subscriber], silent: str
) -> None:
    """The state machine takes them from the pause, so no poll comes later."""
    world.web.script("/tasks/t1", says("processing", progress=10))
    watch_id = world.submit(progress=True).watch.id
    world.wait(20)
    world.poll(watch_id)

    def seconds() -> float:
        start = time.monotonic()
        world.publish_progress(watch_id)
        return time.monotonic() - start

    seconds()
    usual = seconds()
    world.ledger.subscribers.put(replace(known[0], url=silent))
    assert seconds() < usual + FIRST_SECONDS + LATER
    world.wait(20)
    assert seconds() < usual + LATER
