"""Whatever happens to a subscriber, and in whatever order: no event is lost, nothing is sent to who wants nothing."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import count
from typing import Any

import boto3
import pytest
from clockwork import Clockwork
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
from world import DEFAULT_SECRET, Answer, Web, World

from vidhook import subscribers
from vidhook.edges.http import Http, Response
from vidhook.event import Event
from vidhook.task import Delivery

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


class Witness:
    """Stands between the jobs and the network: sees every webhook, and in what state its subscriber is right then."""

    def __init__(self, http: Http, life: "Life") -> None:
        self._http, self._life = http, life

    def send(self, method: str, url: str, **request: Any) -> Response:
        response = self._http.send(method, url, **request)
        if method == "POST":
            self._life.saw(url.rpartition("/")[2], request["headers"], request["body"], response.status)
        return response

    def __getattr__(self, name: str) -> Any:
        return getattr(self._http, name)


class Life(RuleBasedStateMachine):
    """The model: who was to be told of what, which secrets are alive, and what was sent to whom."""

    made = count()
    web: Web
    create_table: Callable[[str], None]
    names = Bundle("names")

    def __init__(self) -> None:
        super().__init__()
        table = f"ledger{next(self.made)}"
        self.create_table(table)
        self.world = World(self.web, table, "videos")
        self.world.http = Witness(self.world.http, self)  # type: ignore[assignment]
        self.clock = Clockwork(self.world)
        self.ids: dict[str, str] = {}  # of subscribers that are there, by name
        self.secrets: dict[str, list[tuple[str, float | None]]] = {}
        self.expected: list[tuple[str, str, Event]] = []  # (name, subscriber id, event)
        self.sent: dict[str, list[Sent]] = {}
        self.quiet_until: dict[str, float] = {}

    @property
    def resuming(self) -> dict[str, Any]:
        world = self.world
        return {"ledger": world.ledger, "machines": world.machines, "redeliver_arn": "arn:redeliver", "now": world.now}

    def saw(self, name: str, headers: dict[str, str], body: bytes, status: int) -> None:
        now, known = self.world.now, self.world.ledger.subscriber(self.ids[name])
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
        return multiple(self.add(), self.add(), self.add())

    @precondition(lambda self: len(self.ids) < 3)
    @rule(target=names)
    def add(self) -> str:
        name = f"s{next(self.made)}"
        url = self.world.web.script(f"/{name}", ANSWERS["fine"])
        added, secret = subscribers.add(
            url,
            stack=self.world.prefix,
            ledger=self.world.ledger,
            secrets=self.world.secrets,
            http=self.world.http,
            now=self.world.now,
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
        subscribers.resume(self.ids[name], **self.resuming)

    @rule(name=names)
    def recover(self, name: str) -> None:
        subscribers.recover(self.ids[name], since=0.0, **self.resuming)

    @rule(name=names, keep=st.sampled_from([0, 60, HOUR, DAY]))
    def rotate(self, name: str, keep: int) -> None:
        ends = self.world.now + keep
        fresh = subscribers.rotate(
            self.ids[name],
            keep_seconds=keep,
            ledger=self.world.ledger,
            secrets=self.world.secrets,
            now=self.world.now,
        )
        old = [(secret, min(ends, was or ends)) for secret, was in self.secrets[name]]
        self.secrets[name] = [*old, (fresh, None)]

    @precondition(lambda self: len(self.ids) > 1)
    @rule(name=consumes(names))
    def remove(self, name: str) -> None:
        subscribers.remove(self.ids.pop(name), ledger=self.world.ledger, secrets=self.world.secrets)

    # Three rules for one thing, since Hypothesis draws among rules: most of a life is events and time.
    @rule(seconds=st.sampled_from([1, 60]))
    def tell(self, seconds: int) -> None:
        event = self.clock.tell()
        self.expected += [(name, subscriber_id, event) for name, subscriber_id in self.ids.items()]
        self.clock.run(seconds)

    @rule()
    def tell_and_wait_for_hours(self) -> None:
        self.tell(3 * HOUR)

    @rule()
    def tell_and_wait_for_days(self) -> None:
        self.tell(2 * DAY)

    def delivery(self, subscriber_id: str, event: Event) -> Delivery:
        return self.world.ledger.delivery(event.watch_id, event.id, subscriber_id)

    @invariant()
    def no_event_is_lost(self) -> None:
        for name, subscriber_id, event in self.expected:
            delivery = self.delivery(subscriber_id, event)
            accepted = any(each.event_id == event.id and each.status == 200 for each in self.sent[name])
            match delivery.state:
                case "delivered":
                    assert accepted
                case "due":
                    assert self.clock.follows(event.watch_id, event.id, subscriber_id, delivery.run)
                case "held" | "failed":
                    assert name not in self.ids or delivery in self.world.ledger.deliveries_to(subscriber_id)
                case other:
                    assert (other, name in self.ids) == ("cancelled", False)

    @invariant()
    def one_event_is_one_id_and_one_body(self) -> None:
        bodies = {event.id: event.body.encode() for event in self.clock.told}
        assert all(bodies[each.event_id] == each.body for sent in self.sent.values() for each in sent)

    def teardown(self) -> None:
        """In the end everybody is well again: then everybody has been told everything."""
        for name, subscriber_id in self.ids.items():
            self.world.web.script(f"/{name}", ANSWERS["fine"])
            self.quiet_until.pop(name, None)
            subscribers.resume(subscriber_id, **self.resuming)
        self.clock.run(4 * DAY)
        for subscriber_id in self.ids.values():
            subscribers.recover(subscriber_id, since=0.0, **self.resuming)
        self.clock.run(HOUR)
        for name, subscriber_id, event in self.expected:
            if name in self.ids:
                assert self.delivery(subscriber_id, event).state == "delivered"
            else:
                assert self.delivery(subscriber_id, event).state != "due"


@pytest.fixture
def life(web: Web, bucket_name: str, table_properties: dict[str, Any]) -> type[Life]:
    Life.web = web
    Life.create_table = lambda _, name: boto3.client("dynamodb").create_table(TableName=name, **table_properties)
    return Life


@pytest.mark.parametrize("lives", [4, pytest.param(40, marks=pytest.mark.slow)])
def test_no_life_of_a_subscriber_loses_an_event(life: type[Life], lives: int) -> None:
    """Paused in the middle of a drain, gone while it was rotated: sequences that nobody would think of."""
    terms = settings(max_examples=lives, stateful_step_count=30, deadline=None, suppress_health_check=list(HealthCheck))
    run_state_machine_as_test(life, settings=terms)


def test_a_rotated_secret_signs_until_the_very_second_it_ends(world: World) -> None:
    """An instant too long is a leak, an instant too short an outage."""
    app, clock = world.subscribe("app"), Clockwork(world)
    clock.tell()
    rotated_at = world.now
    fresh = subscribers.rotate(app.id, keep_seconds=HOUR, ledger=world.ledger, secrets=world.secrets, now=rotated_at)
    [event] = clock.told
    for at, secrets in [
        (rotated_at, [fresh, DEFAULT_SECRET]),
        (rotated_at + HOUR - 0.001, [fresh, DEFAULT_SECRET]),
        (rotated_at + HOUR, [fresh]),
    ]:
        world.now = at
        before = world.ledger.delivery(event.watch_id, event.id, app.id)
        assert world.redeliver(world.ledger.start_run(before, pause=0, now=at, afresh=True)).attempt
        sent = world.web.to("/app")[-1]
        moment = datetime.fromtimestamp(int(at), UTC)
        expected = [Webhook(secret).sign(event.id, moment, event.body) for secret in secrets]
        assert sent.headers["webhook-signature"].split() == expected
