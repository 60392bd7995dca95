"""A subscriber that does not answer delays no other subscriber."""

import socket
import time
from dataclasses import replace
from statistics import quantiles

import pytest

from tests.integration.world import World
from vidhook import deliver
from vidhook_sandbox.loopback import Handler, Loopback

SUBSCRIBERS = 50


class Arrivals(Handler):
    """Accepts every webhook and records when it came."""

    times: dict[str, float] = {}  # noqa: RUF012 - one for all connections, by path

    def do_POST(self) -> None:  # noqa: N802 - the base class's name
        self.times[self.path] = time.monotonic()
        self.read_body()
        self.answer(200)


def p95(world: World, task_id: str) -> float:
    """Publishes a task. Returns the seconds until 95 % of the subscribers, the first left out, had their webhook."""
    watch_id = world.completed(task_id=task_id)
    Arrivals.times.clear()
    start = time.monotonic()
    world.publish(watch_id)
    others = [at - start for path, at in Arrivals.times.items() if path != "/s0"]
    assert len(others) == SUBSCRIBERS - 1
    return quantiles(others, n=20)[-1]


def test_a_subscriber_that_hangs_does_not_change_the_p95_of_the_49_others(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is compared with a run on the same machine in which all subscribers answer."""
    server = Loopback(Arrivals)
    try:
        known = [world.subscribe(f"s{number}") for number in range(SUBSCRIBERS)]
        for number, subscriber in enumerate(known):
            world.ledger.put_subscriber(replace(subscriber, url=f"{server.url}/s{number}", created_at=float(number)))
        usual = p95(world, "without")
        with socket.create_server(("127.0.0.1", 0)) as silent:  # accepts connections and never answers
            url = f"http://127.0.0.1:{silent.getsockname()[1]}/"
            world.ledger.put_subscriber(replace(known[0], url=url, created_at=0.0))
            monkeypatch.setattr(deliver, "ATTEMPT_SECONDS", 5 * usual)
            hanging = p95(world, "with")
    finally:
        server.stop()
    assert hanging < 3 * usual
    waits = next(iter(world.ledger.deliveries_to(known[0].id, newest_first=True)))
    assert (waits.state, waits.last) == ("due", "timeout")
