"""No event is lost and nothing is sent too much, whatever happens to a subscriber and in whatever order."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import count
from typing import Any, ClassVar

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    Bundle,
    MultipleResults,
    RuleBasedStateMachine,
    consumes,
    initialize,
    invariant,
    multiple,
    precondition,
    rule,
    run_state_machine_as_test,
)
from standardwebhooks import Webhook

from tests.integration.clockwork import Clockwork
from tests.integration.world import DEFAULT_SECRET, Answer, Web, World
from vidhook import subscribers
from vidhook.edges.http import Http, Response
from vidhook.event import Event
from vidhook.subscribers import MOST_SECRETS
from vidhook.task import Delivery, DeliveryState

HOUR, DAY, FOR_EVER = 3_600, 86_400, float("inf")
ANSWERS = {
    "fine": Answer(200),
    "broken": Answer(500),
    "gone": Answer(410),
    "busy": Answer(503, headers={"retry-after": str(3 * HOUR)}),
}


@dataclass(frozen=True)
class Sent:
    event_id: str
    body: bytes
    status: int


class Witness(Http):
    """Sends the requests, and shows the model every webhook at the moment when it is sent."""

    def __init__(self, life: "Life") -> None:
        super().__init__(allowed_networks=("127.0.0.0/8",))
        self._life = life

    def send(
        self, method: str, url: str, *, headers: Mapping[str, str] | None = None, body: bytes = b"", **terms: Any
    ) -> Response:
        response = super().send(method, url, headers=headers, body=body, **terms)
        if method == "POST":
            self._life.saw(url.rpartition("/")[2], headers or {}, body, response.status)
        return response


class Life(RuleBasedStateMachine):
    """The model: which events are for whom, which secrets are valid, and what was sent to whom."""

    made = count()
    web: ClassVar[Web]
    names = Bundle("names")

    def __init__(self) -> None:
        super().__init__()
        self.world = World(self.web, f"ledger{next(self.made)}", "videos", in_memory=True)
        self.world.http = Witness(self)
        self.clock = Clockwork(self.world)
        self.ids: dict[str, str] = {}  # of subscribers that are there, by name
        self.secrets: dict[str, list[tuple[str, float | None]]] = {}
        self.expected: list[tuple[str, str, Event]] = []  # (name, subscriber id, event)
        self.sent: dict[str, list[Sent]] = {}
        self.quiet_until: dict[str, float] = {}

    def saw(self, name: str, headers: Mapping[str, str], body: bytes, status: int) -> None:
        now, known = self.world.now, self.world.ledger.subscribers.get(self.ids[name])
        assert known.active, f"sent while {known.state}"
        assert now >= self.quiet_until.get(name, 0), "sent although it wanted nothing, or nothing yet"
        if status in (410, 503):
            self.quiet_until[name] = FOR_EVER if status == 410 else now + 3 * HOUR
        alive = [secret for secret, ends in self.secrets[name] if ends is None or now < ends]
        at = datetime.fromtimestamp(int(headers["webhook-timestamp"]), UTC)
        assert int(headers["webhook-timestamp"]) == int(now)
        by_all = {Webhook(secret).sign(headers["webhook-id"], at, body.decode()) for secret in alive}
        assert set(headers["webhook-signature"].split()) == by_all
        self.sent[name].append(Sent(headers["webhook-id"], body, status))

    @initialize(target=names)
    def begin(self) -> MultipleResults[str]:
        return multiple(self.added(), self.added(), self.added())

    @precondition(lambda self: len(self.ids) < 3)
    @rule(target=names)
    def add(self) -> str:
        return self.added()

    def added(self) -> str:
        """Adds a subscriber and returns its name."""
        name = f"s{next(self.made)}"
        url = self.world.web.script(f"/{name}", ANSWERS["fine"])
        added, secret = subscribers.add(
            subscribers.Terms(url),
            ledger=self.world.ledger,
            secrets=self.world.secrets,
            http=self.world.http,
            clock=self.world.clock,
        )
        self.ids[name], self.secrets[name], self.sent[name] = added.id, [(secret, None)], []
        return name

    @rule(name=names, answer=st.sampled_from(sorted(ANSWERS)))
    def answer(self, name: str, answer: str) -> None:
        self.world.web.script(f"/{name}", ANSWERS[answer])

    @rule(name=names)
    def pause(self, name: str) -> None:
        subscribers.pause(self.ids[name], ledger=self.world.ledger)
        self.quiet_until[name] = FOR_EVER

    @rule(name=names)
    def resume(self, name: str) -> None:
        self.quiet_until.pop(name, None)
        subscribers.resume(self.ids[name], runs=self.world.runs)

    @rule(name=names)
    def recover(self, name: str) -> None:
        subscribers.recover(self.ids[name], since=0.0, runs=self.world.runs)

    @rule(name=names, seconds=st.sampled_from([0, 60, HOUR, DAY]))
    def rotate(self, name: str, seconds: int) -> None:
        ends = self.world.now + seconds
        fresh = subscribers.rotate(
            self.ids[name],
            keep_seconds=seconds,
            ledger=self.world.ledger,
            secrets=self.world.secrets,
            clock=self.world.clock,
        )
        signing = [(secret, was) for secret, was in self.secrets[name] if was is None or self.world.now < was]
        old = [(secret, min(ends, was or ends)) for secret, was in signing[1 - MOST_SECRETS :]]
        self.secrets[name] = [*old, (fresh, None)]

    @precondition(lambda self: len(self.ids) > 1)
    @rule(name=consumes(names))
    def remove(self, name: str) -> None:
        subscribers.remove(self.ids.pop(name), ledger=self.world.ledger)

    # Three rules for one action: Hypothesis picks among rules, and most steps should be events and time.
    @rule(seconds=st.sampled_from([1, 60]))
    def publish(self, seconds: int) -> None:
        event = self.clock.end_task()
        self.expected += [(name, subscriber_id, event) for name, subscriber_id in self.ids.items()]
        self.clock.run(seconds)

    @rule()
    def publish_and_wait_for_hours(self) -> None:
        self.publish(3 * HOUR)

    @rule()
    def publish_and_wait_for_days(self) -> None:
        self.publish(2 * DAY)

    def delivery(self, subscriber_id: str, event: Event) -> Delivery:
        return self.world.ledger.deliveries.get(event.watch_id, event.id, subscriber_id)

    @invariant()
    def no_event_is_lost(self) -> None:
        for name, subscriber_id, event in self.expected:
            delivery = self.delivery(subscriber_id, event)
            accepted = any(each.event_id == event.id and each.status == 200 for each in self.sent[name])
            match delivery.state:
                case DeliveryState.DELIVERED:
                    assert accepted
                case DeliveryState.DUE:
                    assert self.clock.follows(event.watch_id, event.id, subscriber_id, delivery.run)
                case DeliveryState.HELD | DeliveryState.FAILED:
                    assert name not in self.ids or delivery in self.world.ledger.deliveries.to(subscriber_id)
                case other:
                    assert (other, name in self.ids) == (DeliveryState.CANCELLED, False)

    @invariant()
    def one_event_is_one_id_and_one_body(self) -> None:
        bodies = {event.id: event.body.encode() for event in self.clock.published}
        assert all(bodies[each.event_id] == each.body for sent in self.sent.values() for each in sent)

    def teardown(self) -> None:
        """In the end all subscribers answer again, and every event has been delivered to each of them."""
        for name, subscriber_id in self.ids.items():
            self.world.web.script(f"/{name}", ANSWERS["fine"])
            self.quiet_until.pop(name, None)
            subscribers.resume(subscriber_id, runs=self.world.runs)
        self.clock.run(4 * DAY)
        for subscriber_id in self.ids.values():
            subscribers.recover(subscriber_id, since=0.0, runs=self.world.runs)
        self.clock.run(HOUR)
        for name, subscriber_id, event in self.expected:
            if name in self.ids:
                assert self.delivery(subscriber_id, event).state is DeliveryState.DELIVERED
            else:
                assert self.delivery(subscriber_id, event).state is not DeliveryState.DUE


@pytest.fixture
def life(web: Web, bucket_name: str) -> type[Life]:
    Life.web = web
    return Life


@pytest.mark.parametrize("lives", [4, pytest.param(60, marks=pytest.mark.slow)])
def test_no_life_of_a_subscriber_loses_an_event(life: type[Life], lives: int) -> None:
    """Hypothesis tries sequences that nobody would think of, such as a pause in the middle of a drain."""
    terms = settings(max_examples=lives, stateful_step_count=30, deadline=None, suppress_health_check=list(HealthCheck))
    run_state_machine_as_test(life, settings=terms)


def test_a_rotated_secret_signs_until_the_exact_second_it_ends(world: World) -> None:
    """A moment too long would be a leak, and a moment too short an outage."""
    app, clock = world.subscribe("app"), Clockwork(world)
    clock.end_task()
    rotated_at = world.now
    fresh = subscribers.rotate(app.id, keep_seconds=HOUR, ledger=world.ledger, secrets=world.secrets, clock=world.clock)
    [event] = clock.published
    for at, secrets in [
        (rotated_at, [fresh, DEFAULT_SECRET]),
        (rotated_at + HOUR - 0.001, [fresh, DEFAULT_SECRET]),
        (rotated_at + HOUR, [fresh]),
    ]:
        world.now = at
        before = world.ledger.deliveries.get(event.watch_id, event.id, app.id)
        assert world.redeliver(world.ledger.deliveries.start_run(before, pause=0, now=at, afresh=True)).attempt
        sent = world.web.to("/app")[-1]
        moment = datetime.fromtimestamp(int(at), UTC)
        expected = [Webhook(secret).sign(event.id, moment, event.body) for secret in secrets]
        assert sent.headers["webhook-signature"].split() == expected
