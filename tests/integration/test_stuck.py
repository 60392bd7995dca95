"""Nothing is stuck: with a crash or another call between any two writes, and no operator, every delivery ends."""

import heapq
import json
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import replace
from functools import cached_property, partial
from itertools import count
from typing import Any, TypeVar

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, precondition, rule, run_state_machine_as_test

from tests.integration.memory import AtOnce, Keys, Table, Vault, exceptions_of
from tests.integration.world import DEFAULT_SECRET, FakeBus, FakeMachines
from vidhook import subscribers
from vidhook.deliver import JITTER, PAUSES
from vidhook.edges.http import Http, Response
from vidhook.errors import BadSubscriber, NotFound
from vidhook.event import Event, terminal_event
from vidhook.notify import notify
from vidhook.publish import publish_progress
from vidhook.recipients import callback_subscriber
from vidhook.redeliver import Redelivered, redeliver
from vidhook.runs import RESTART_RATE, turn
from vidhook.signature import webhook_headers
from vidhook.sweep import Swept, sweep
from vidhook.task import (
    Attempt,
    AttemptKind,
    Delivery,
    DeliveryState,
    Outcome,
    Poll,
    Snapshot,
    Source,
    Status,
    Submission,
    Subscriber,
    SubscriberState,
    callback_id,
)
from vidhook.times import Clock
from vidhook.wiring import Edges

Done = TypeVar("Done")

HOUR, DAY = 3_600, 86_400
TABLE_EXCEPTIONS, VAULT_EXCEPTIONS = exceptions_of("dynamodb"), exceptions_of("secretsmanager")
KEYS_EXCEPTIONS = exceptions_of("kms")
FINAL = {DeliveryState.DELIVERED, DeliveryState.FAILED, DeliveryState.CANCELLED}
DONE = Snapshot(Status.COMPLETED, sources=(Source("result", "video", "https://cdn.example/v.mp4"),))
UNDERWAY = Snapshot(Status.PROCESSING, "working", progress=50)
ANSWERS: dict[str, tuple[int, dict[str, str]]] = {
    "fine": (200, {}),
    "broken": (500, {}),
    "gone": (410, {}),
    "busy": (503, {"retry-after": str(3 * HOUR)}),
    "brief": (429, {"retry-after": "60"}),
}


class Crash(BaseException):
    """The process dies here: nothing of ours catches this."""


class Fuse:
    """Does something at the n-th write of a piece of work, before or after it: a crash, or other work."""

    def __init__(self) -> None:
        self.left: int | None = None
        self.after = False
        self.act: Callable[[], Any] = lambda: None
        self.dead = False

    def burn(self, work: Callable[[], Any], act: Callable[[], Any], number: int, *, after: bool) -> bool:
        """Does the work, with `act` at its n-th write. Returns whether it came to that write."""
        self.left, self.after, self.act = number, after, act
        try:
            work()
        except Crash:
            return True
        finally:
            reached, self.left, self.dead = self.left is None, None, False
        return reached

    def crash(self) -> None:
        self.dead = True
        raise Crash

    def around(self, write: Callable[[], Done]) -> Done:
        if self.dead:  # its other threads are dead too
            raise Crash
        if self.left is None:
            return write()
        if self.left:
            self.left -= 1
            return write()
        self.left = None
        if not self.after:
            self.act()
            return write()
        done = write()
        self.act()
        return done


class Executions(FakeMachines):
    """Starts executions through the fuse."""

    def __init__(self, town: "Town") -> None:
        super().__init__()
        self._town = town
        self._fuse = town.fuse

    def start_redelivery(self, delivery: Delivery, pause: int) -> bool:
        self._town.now += self._town.seconds_a_start
        self._town.requests += 1
        return self._fuse.around(lambda: super(Executions, self).start_redelivery(delivery, pause))


class Receivers(Http):
    """All subscribers: each URL answers as it was told to."""

    def __init__(self, town: "Town") -> None:
        super().__init__()
        self._town = town

    def check(self, url: str) -> None:
        """Every URL is fine."""

    def send(
        self, method: str, url: str, *, headers: Mapping[str, str] | None = None, body: bytes = b"", **terms: Any
    ) -> Response:
        town = self._town
        if town.fuse.dead:  # a process that has died sends nothing more
            raise Crash
        town.now += 0.001  # no two attempts are made at the same instant
        status, answer = ANSWERS[town.answers[url]]
        town.sent[(headers or {})["webhook-id"], url] += 1
        response = Response(status, answer, b"", url, None, None, {})
        return town.fuse.around(lambda: response)


class Town(Edges):
    """One stack with a few subscribers, whose time and whose accidents are in the hands of the test."""

    def __init__(self) -> None:
        self.now = 1_777_287_600.0
        self.fuse, self.requests, self.seconds_a_start = Fuse(), 0, 0.0
        self.table = Table(TABLE_EXCEPTIONS, self.fuse.around, self.count)
        self.vault = Vault(VAULT_EXCEPTIONS, self.fuse.around, self.count)
        keys = Keys(KEYS_EXCEPTIONS, self.fuse.around, self.count)
        clients = {"dynamodb": self.table, "secretsmanager": self.vault, "kms": keys}
        settings = {"TABLE": "ledger", "DEFAULT_SECRET": "town/default", "KEY": "the key"}
        clock = Clock(now=lambda: self.now, jitter=lambda: 0.0)
        super().__init__(settings, client=clients.__getitem__, clock=clock)
        self.vault.create_secret(Name="town/default", SecretString=DEFAULT_SECRET)
        self.answers: dict[str, str] = {}
        self.sent: Counter[tuple[str, str]] = Counter()
        self.ids: dict[str, str] = {}
        self.urls: dict[str, str] = {}
        self.shown: dict[str, str] = {}
        self.events: list[Event] = []
        self.watches: list[str] = []
        self.replays = self.troubles = 0
        self._tasks = count()
        self._agenda: list[tuple[float, int, dict[str, Any], float]] = []
        self._order = count()
        self._taken: set[str] = set()
        self.answers["https://app.example/cb"] = "fine"
        self.ids["cb"], self.urls["cb"] = callback_id("https://app.example/cb"), "https://app.example/cb"
        self.ledger.subscribers.put(callback_subscriber(self.urls["cb"], self._watch()))

    def count(self) -> None:
        """Counts a request to AWS."""
        self.requests += 1

    @cached_property
    def http(self) -> Http:
        return Receivers(self)

    @cached_property
    def bus(self) -> FakeBus:
        return FakeBus()

    @cached_property
    def machines(self) -> Executions:
        return Executions(self)

    # What happens

    def add(self, name: str) -> None:
        """Adds a subscriber."""
        url = f"https://app.example/{name}"
        self.answers[url] = "fine"
        terms = subscribers.Terms(url, events=("*",))
        added, secret = subscribers.add(
            terms, ledger=self.ledger, secrets=self.secrets, http=self.http, clock=self.clock
        )
        self.ids[name], self.urls[name], self.shown[name] = added.id, url, secret

    def publish(self, lost: bool = False) -> None:
        """Publishes a task that has ended. Step Functions repeats it after a crash, or its execution is `lost`."""
        watch = self._watch()
        self.events.append(self.ledger.tasks.put_event(terminal_event(watch, DONE, {}, self.now)))
        try:
            self._tell(watch.id)
        except Crash:
            self.fuse.dead = False
            if not lost:
                self._tell(watch.id)
            raise

    def publish_once(self) -> None:
        """Publishes a task that has ended, and does not repeat it after a crash."""
        self.publish(lost=True)

    def _tell(self, watch_id: str) -> None:
        watch = self.ledger.tasks.watch(watch_id)
        self.machines.running.discard(watch.execution)
        if watch.event_id is None:
            return
        event = self.ledger.tasks.event(watch_id)
        for late in notify(event, watch, self.notifier).unreached:
            self._enter(late.delivery.execution_name, late.delivery.execution_input(late.pause), 0.0, late.pause)
        self.ledger.tasks.note_told(watch)

    def progress(self) -> None:
        """Publishes news of a task, which is not repeated."""
        watch = self.ledger.tasks.note_poll(
            self._watch(), Poll(self.now, "processing"), UNDERWAY, settled=False, progress=True
        )
        publish_progress(watch.id, notifier=self.notifier)

    def pause(self, name: str) -> None:
        subscribers.pause(self.ids[name], ledger=self.ledger)

    def resume(self, name: str) -> None:
        subscribers.resume(self.ids[name], runs=self.runs)

    def recover(self, name: str) -> None:
        subscribers.recover(self.ids[name], since=0.0, most=2, runs=self.runs)

    def replay(self, name: str) -> None:
        """Sends the latest event once more."""
        if not self.events:
            return
        event = self.events[-1]
        delivery = self.ledger.deliveries.get(event.watch_id, event.id, self.ids[name])
        self.replays += 1
        self.runs.start(delivery, afresh=True)

    def remove(self, name: str) -> None:
        subscribers.remove(self.ids[name], ledger=self.ledger)

    def rotate(self, name: str) -> None:
        shown = subscribers.rotate(self.ids[name], ledger=self.ledger, secrets=self.secrets, clock=self.clock)
        self.shown[name] = shown

    def unmove(self, name: str) -> None:
        """Makes a subscriber one of an earlier version, whose secrets are in Secrets Manager."""
        where, known = f"town/subscriber/{self.ids[name]}", {"secrets": [{"secret": self.shown[name]}]}
        made = self.vault.create_secret(Name=where, SecretString=json.dumps(known))
        fields = {"sealed": None, "header_names": None, "secret_name": where, "secret_version": made["VersionId"]}
        self.ledger.subscribers.change(self.ids[name], fields)

    def upgrade(self) -> None:
        """Makes all that is held that of an earlier version, which had no index of it, and no sweep since then."""
        self.table.items.pop(("upgrades", "held"), None)
        for (_, sk), item in self.table.items.items():
            held = sk.startswith("delivery#") and item["state"] == {"S": "held"}
            if held or item.get("due") == {"S": "holding"}:
                for name in ("due", "due_at", "expires_at"):
                    item.pop(name, None)

    def sweep(self) -> None:
        errors = sweep(self.runs, self.secrets).errors
        assert not errors

    def run(self, seconds: float = 0.0, lost: bool = False) -> None:
        """Lets time pass, in which executions go on. One that crashes is repeated by Step Functions, or `lost`."""
        ends = self.now + seconds
        while self._take_up() and self._agenda[0][0] <= ends:
            at, _, execution, waited_for = heapq.heappop(self._agenda)
            self.now = max(at, self.now)
            if not lost:
                heapq.heappush(self._agenda, (self.now + 5, next(self._order), execution, waited_for))
            done = self._go_on(execution, waited_for)  # a crash ends it here
            if not lost:
                self._agenda = [each for each in self._agenda if each[2] is not execution]
                heapq.heapify(self._agenda)
            if not done.settled:
                self._enter("", execution, done.waited_for, done.pause)
        self.now = max(ends, self.now)

    def next(self) -> None:
        """Lets the next execution go on, whenever that is."""
        if self._take_up():
            self.run(max(0.0, self._agenda[0][0] - self.now))

    def double(self) -> None:
        """Lambda invokes a function twice, a while apart."""
        if self._take_up():
            at, _, execution, waited_for = self._agenda[0]
            heapq.heappush(self._agenda, (at + 0.5, next(self._order), dict(execution), waited_for))

    # How it ends

    def settle(self) -> None:
        """Lets time pass, and the sweeper work, and nothing else."""
        self.run(2 * HOUR)
        for _ in range(60):
            self.sweep()
            self.run(6 * HOUR)
            told = all(self.ledger.tasks.watch(event.watch_id).told for event in self.events)
            if told and all(self._at_rest(each) for each in self.deliveries()) and not self._take_up():
                break
        for _ in range(2):
            self.now += 2 * HOUR
            self.sweep()

    def check(self) -> None:
        """Asserts that every delivery has ended, unless its subscriber is paused or disabled."""
        for each in self.deliveries():
            assert self._at_rest(each), each
        for (event_id, url), times in self.sent.items():
            assert times <= 12 * (1 + self.replays + self.troubles), (event_id, url)
        logged = sum(
            len(log) for watch_id in self.watches for log in self.ledger.deliveries.attempts(watch_id).values()
        )
        assert logged >= self.sent.total() - self.troubles
        for event in self.events:
            assert self.ids["cb"] in self.ledger.deliveries.of_event(event)
        known = {each.id for each in self.ledger.subscribers.all()}
        assert set(self.vault.secrets) == {"town/default"}
        assert self.ledger.subscribers.unfinished(self.now) == []
        for name, subscriber_id in self.ids.items():
            if subscriber_id in known:
                assert self.shown[name] in self.signing(name)

    def deliveries(self) -> Iterator[Delivery]:
        for watch_id in self.watches:
            yield from self.ledger.deliveries.of_task(watch_id)

    def signing(self, name: str) -> tuple[str, ...]:
        """Returns the secrets that sign for a subscriber now."""
        return self.secrets.credentials(self.ledger.subscribers.get(self.ids[name])).signing(self.now)

    def known(self, name: str) -> Subscriber | None:
        try:
            return self.ledger.subscribers.get(self.ids[name])
        except (NotFound, KeyError):
            return None

    def _at_rest(self, delivery: Delivery) -> bool:
        try:
            active = self.ledger.subscribers.get(delivery.subscriber_id).active
        except NotFound:
            active = True  # it was removed: nothing waits for it
        return delivery.state in FINAL or (delivery.state is DeliveryState.HELD and not active)

    def _watch(self) -> Any:
        submission = Submission("acme", f"t{next(self._tasks)}", callback_url=self.urls["cb"], progress=True)
        watch, _ = self.ledger.tasks.claim(submission, f"run-{submission.task_id}", 20, self.now)
        self.machines.running.add(watch.execution)
        self.watches.append(watch.id)
        return watch

    def _go_on(self, execution: dict[str, Any], waited_for: float) -> Redelivered:
        if "event" not in execution:  # of a watch, that the sweeper has started
            self._tell(execution["watch"])
            return Redelivered(True)
        return redeliver(
            execution["watch"],
            execution["event"],
            execution["subscriber"],
            execution["run"],
            waited_for=waited_for,
            notifier=self.notifier,
            runs=self.runs,
        )

    def _enter(self, name: str, execution: dict[str, Any], waited_for: float, pause: float) -> None:
        if name and name in self._taken:
            return
        self._taken.add(name)
        heapq.heappush(self._agenda, (self.now + pause, next(self._order), execution, waited_for))

    def _take_up(self) -> bool:
        for name, argument in list(self.machines.started.items()):
            self._enter(name, argument, 0.0, argument["pause"])
        return bool(self._agenda)


@pytest.fixture(autouse=True)
def bounds(monkeypatch: pytest.MonkeyPatch) -> None:
    """So little at a time that every bound is met, and in one thread, so that an accident comes where it is told to."""
    for module in ("notify", "runs"):
        monkeypatch.setattr(f"vidhook.{module}.ThreadPoolExecutor", AtOnce)
    monkeypatch.setattr("vidhook.notify.GATHER_SECONDS", 0.0)
    monkeypatch.setattr("vidhook.sweep.MOST", 3)
    monkeypatch.setattr("vidhook.sweep.MOST_DRAINED", 3)
    monkeypatch.setattr("vidhook.subscribers.AT_ONCE", 2)


# Every crash point of what the issue found, and of what is like it

Scene = tuple[Callable[[Town], None], Callable[[Town], None], Callable[[Town], None]]


def nothing(_: Town) -> None:
    """Nobody else is there."""


def answers(town: Town, answer: str) -> None:
    """Lets everybody answer like this from now on."""
    for url in town.answers:
        town.answers[url] = answer


def down(answer: str) -> Callable[[Town], None]:
    return lambda town: answers(town, answer)


def paused(town: Town) -> None:
    town.pause("a")
    town.pause("cb")
    for _ in range(3):
        town.publish()


def late(town: Town) -> None:
    down("broken")(town)
    town.publish()
    down("fine")(town)


def disabled_late(town: Town) -> None:
    late(town)
    town.pause("a")


def failed(town: Town) -> None:
    late(town)
    for delivery in list(town.deliveries()):
        town.ledger.deliveries.change(replace(delivery, state=DeliveryState.FAILED, next_at=None))


def in_line(town: Town, younger: int = 20) -> None:
    """Lets one wait behind some younger ones, and the first of these have its turn."""
    town.answers[town.urls["a"]] = "broken"
    town.publish()
    town.ledger.subscribers.note_failure(town.ledger.subscribers.get(town.ids["a"]), town.now, town.now + 60)
    for _ in range(younger):
        town.publish()
    town.run(59)
    down("fine")(town)


def then(*steps: Callable[[Town], None]) -> Callable[[Town], None]:
    def work(town: Town) -> None:
        for step in steps:
            step(town)

    return work


def resume_both(town: Town) -> None:
    town.resume("cb")
    town.resume("a")


def upgraded(town: Town) -> None:
    """Lets an earlier version resume `a` and crash; its successor has swept once, and an hour has passed."""
    paused(town)
    town.ledger.subscribers.put_state(town.ids["a"], SubscriberState.ACTIVE, None)
    town.upgrade()
    town.sweep()
    town.now += 2 * HOUR


def publish_again(town: Town) -> None:
    for event in town.events[-1:]:
        town._tell(event.watch_id)


SCENES: dict[str, Scene] = {
    "published by nobody": (nothing, Town.publish_once, Town.sweep),
    "published twice": (nothing, Town.publish, publish_again),
    "published to nobody": (down("gone"), Town.publish_once, resume_both),
    "gone at once": (down("gone"), Town.publish, resume_both),
    "gone later": (then(late, down("gone")), Town.next, resume_both),
    "gone progress": (down("gone"), Town.progress, resume_both),
    "held while resumed": (lambda town: town.pause("a"), Town.publish, resume_both),
    "held after all was swept": (lambda town: town.pause("a"), Town.publish, then(resume_both, Town.sweep)),
    "held late while resumed": (disabled_late, Town.next, resume_both),
    "resumed while swept": (paused, resume_both, Town.sweep),
    "swept while paused": (then(paused, resume_both), Town.sweep, lambda town: town.pause("a")),
    "held by an earlier version": (upgraded, Town.sweep, resume_both),
    "held by an earlier version, and swept twice": (upgraded, Town.sweep, Town.sweep),
    "held by an earlier version for one that was removed": (upgraded, Town.sweep, lambda town: town.remove("a")),
    "tried twice": (late, Town.next, Town.next),
    "failed beside a success": (
        then(late, Town.double, down("broken")),
        Town.next,
        then(down("fine"), Town.next),
    ),
    "its turn given to an older one": (in_line, Town.next, Town.sweep),
    "its turn given to one that is held": (in_line, Town.next, lambda town: town.pause("a")),
    "both give their turns away": (in_line, Town.next, Town.next),
    "replayed while tried": (late, Town.next, lambda town: town.replay("a")),
    "told to wait": (down("busy"), Town.publish, Town.sweep),
    "recovered": (failed, lambda town: town.recover("a"), Town.sweep),
    "removed": (paused, lambda town: town.remove("a"), Town.sweep),
    "removed while tried": (late, Town.next, lambda town: town.remove("a")),
    "added": (nothing, lambda town: town.add("b"), Town.sweep),
    "moved from Secrets Manager": (lambda town: town.unmove("a"), Town.sweep, lambda town: town.rotate("a")),
    "moved by a rotation": (lambda town: town.unmove("a"), lambda town: town.rotate("a"), Town.sweep),
    "rotated twice": (nothing, lambda town: town.rotate("a"), lambda town: town.rotate("a")),
}


@pytest.mark.parametrize("accident", ["crash", "meanwhile"])
@pytest.mark.parametrize("scene", SCENES)
def test_every_delivery_ends_whatever_write_an_accident_comes_at(scene: str, accident: str) -> None:
    """Each of these was a dead end: the work stops, or somebody else works, before or after each of its writes."""
    begin, work, other = SCENES[scene]
    for number in range(40):
        reached = False
        for after in (False, True):
            here = Town()
            here.add("a")
            begin(here)
            here.troubles = 2
            act = here.fuse.crash if accident == "crash" else partial(other, here)
            reached = here.fuse.burn(partial(work, here), act, number, after=after)
            down("fine")(here)
            here.settle()
            here.check()
        if not reached:
            return
    raise AssertionError("this work never ends")


# All of that in any order

ACCIDENTS = st.none() | st.tuples(
    st.sampled_from(["crash", "pause", "resume", "sweep", "next", "replay", "recover", "remove", "rotate"]),
    st.integers(0, 12),
    st.booleans(),
)
NAMES = st.sampled_from(["a", "b", "cb"])


class Life(RuleBasedStateMachine):
    """Whatever happens to subscribers and deliveries, in whatever order, with an accident at any write."""

    def __init__(self) -> None:
        super().__init__()
        self.town = Town()
        self.town.add("a")

    def work(self, work: Callable[[], None], name: str, accident: tuple[str, int, bool] | None) -> None:
        """Does some work, with an accident at one of its writes."""
        town = self.town
        if accident is None:
            self.guarded(work)
            return
        kind, number, after = accident
        act = town.fuse.crash if kind == "crash" else lambda: self.other(kind, name)
        town.troubles += town.fuse.burn(lambda: self.guarded(work), act, number, after=after)

    def other(self, kind: str, name: str) -> None:
        act = getattr(self.town, kind)
        if name not in self.town.ids:
            return
        self.guarded(lambda: act() if kind in ("sweep", "next") else act(name))

    def guarded(self, work: Callable[[], None]) -> None:
        """Does what may be too late, since the subscriber was removed meanwhile, or never had this event."""
        with suppress(NotFound, BadSubscriber):
            work()

    @rule(accident=ACCIDENTS, name=NAMES, lost=st.booleans())
    def publish(self, accident: Any, name: str, lost: bool) -> None:
        self.work(lambda: self.town.publish(lost), name, accident)

    @rule(accident=ACCIDENTS, name=NAMES)
    def progress(self, accident: Any, name: str) -> None:
        self.work(self.town.progress, name, accident)

    @rule(name=NAMES, answer=st.sampled_from(sorted(ANSWERS)))
    def answer(self, name: str, answer: str) -> None:
        if name in self.town.urls:
            self.town.answers[self.town.urls[name]] = answer

    @rule(
        accident=ACCIDENTS,
        name=NAMES,
        act=st.sampled_from(["pause", "resume", "resume", "recover", "replay", "remove", "rotate"]),
    )
    def call(self, act: str, accident: Any, name: str) -> None:
        if name in self.town.ids:
            self.work(lambda: getattr(self.town, act)(name), name, accident)

    @precondition(lambda self: "b" not in self.town.ids)
    @rule(accident=ACCIDENTS)
    def add(self, accident: Any) -> None:
        self.work(lambda: self.town.add("b"), "a", accident)

    @rule(accident=ACCIDENTS, name=NAMES)
    def sweep(self, accident: Any, name: str) -> None:
        self.work(self.town.sweep, name, accident)

    @rule(
        accident=ACCIDENTS, name=NAMES, seconds=st.sampled_from([1, 60, 900, 3 * HOUR, 30 * HOUR]), lost=st.booleans()
    )
    def pass_time(self, accident: Any, name: str, seconds: int, lost: bool) -> None:
        self.work(lambda: self.town.run(seconds, lost), name, accident)

    @rule(accident=ACCIDENTS, name=NAMES)
    def line_up(self, accident: Any, name: str) -> None:
        self.work(lambda: in_line(self.town, 4), name, accident)

    @rule()
    def upgrade(self) -> None:
        self.town.upgrade()

    @rule()
    def double(self) -> None:
        self.town.troubles += 1
        self.town.double()

    def teardown(self) -> None:
        """Everybody answers again. Nobody resumes, recovers or replays anything."""
        answers(self.town, "fine")
        self.town.settle()
        self.town.check()


@pytest.mark.parametrize("lives", [50, pytest.param(600, marks=pytest.mark.slow)])
def test_from_every_state_every_delivery_ends_by_itself(lives: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Hypothesis tries sequences that nobody would think of; after them only time passes and the sweeper works.

    A turn takes ten seconds, so that a few deliveries are a line in which turns are given away.
    """
    monkeypatch.setattr("vidhook.runs.RESTART_RATE", 0.1)
    terms = settings(
        max_examples=lives,
        stateful_step_count=25,
        deadline=None,
        suppress_health_check=list(HealthCheck),
        report_multiple_bugs=False,
    )
    run_state_machine_as_test(Life, settings=terms)


# Each rule by itself


@pytest.fixture
def here() -> Town:
    """A stack with one subscriber."""
    made = Town()
    made.add("a")
    return made


def to_a(town: Town) -> list[Delivery]:
    """The deliveries to the subscriber `a`, oldest first."""
    found = [each for each in town.deliveries() if each.subscriber_id == town.ids["a"]]
    return sorted(found, key=lambda each: each.created_at)


def delivered_at(town: Town) -> list[float]:
    """When each event reached the subscriber `a`, the oldest event first."""
    logs = {key: log for watch_id in town.watches for key, log in town.ledger.deliveries.attempts(watch_id).items()}
    found = [logs[each.event_id, each.subscriber_id][-1] for each in to_a(town)]
    assert {each.outcome for each in found} == {Outcome.DELIVERED}
    return [each.at for each in found]


def overtaken_for(order: list[float]) -> list[float]:
    """For how many seconds each one, in the order of the events, was behind a younger one."""
    return [max(0.0, at - min(order[number:])) for number, at in enumerate(order)]


class TestTurns:
    """A subscriber that wanted nothing for a while is not run over afterwards."""

    def test_who_waits_for_the_same_end_comes_back_ten_a_second(self, here: Town) -> None:
        """Hundreds of executions that end their wait at one instant would bring it down again."""
        answers(here, "busy")
        here.publish()
        wanted_at = here.ledger.subscribers.get(here.ids["a"]).hold_until
        for _ in range(40):
            here.publish()
        waits = [each.next_at or 0.0 for each in to_a(here)]
        assert min(waits) >= wanted_at
        assert max(Counter(waits).values()) <= RESTART_RATE
        assert waits == sorted(waits)
        assert max(waits) - wanted_at == pytest.approx(len(waits) / RESTART_RATE, abs=1.5)

    def test_who_is_told_to_wait_at_the_same_time_comes_back_ten_a_second(self, here: Town) -> None:
        """They were all sent before the first was refused."""
        answers(here, "broken")
        for _ in range(30):
            here.publish()
        answers(here, "busy")
        here.run(6)
        waits = Counter(each.next_at for each in to_a(here))
        assert waits.total() == 30
        assert max(waits.values()) <= RESTART_RATE

    def test_who_waits_comes_back_in_the_order_of_the_events(self, here: Town) -> None:
        """A retry of an old event wakes late, behind hundreds of younger ones that were published while all wait."""
        answers(here, "broken")
        for _ in range(40):
            here.publish()
            here.now += 0.05
        here.ledger.subscribers.note_failure(here.ledger.subscribers.get(here.ids["a"]), here.now, here.now + 600)
        for _ in range(160):
            here.publish()
            here.now += 0.02
        answers(here, "fine")
        here.run(60)
        waits = [each.next_at or 0.0 for each in to_a(here)]
        assert min(waits[:40]) > max(waits[40:])  # the old ones came into the line last
        here.run(HOUR)
        order = delivered_at(here)
        assert max(overtaken_for(order)) <= 2.0
        assert max(Counter(int(at) for at in order).values()) <= 2 * RESTART_RATE
        assert max(order) - min(order) <= 200 / RESTART_RATE + 5
        assert not [key for key in here.table.items if key[0].startswith("line#")]

    def test_what_waits_no_longer_holds_up_nobody_in_the_line(self, here: Town) -> None:
        """A resume ends the wait, and rows of the line are left of deliveries that have ended since."""
        in_line(here)
        here.pause("a")
        here.resume("a")
        here.run(HOUR)
        left = [key for key in here.table.items if key[0].startswith("line#")]
        assert len(left) == 21
        in_line(here)
        here.run(HOUR)
        assert {each.state for each in to_a(here)} == {DeliveryState.DELIVERED}
        assert max(overtaken_for(delivered_at(here)[21:])) <= 2.0

    def test_a_longer_pause_of_its_own_is_not_ended_by_an_earlier_turn(self, here: Town) -> None:
        """A receiver that asks for a minute after its fifth failure is still given the half hour of the schedule."""
        answers(here, "broken")
        here.publish()
        here.run(900)
        answers(here, "brief")
        here.run(HOUR)
        (tried,) = to_a(here)
        wait = (tried.next_at or 0.0) - here.now
        answers(here, "fine")
        for _ in range(20):
            here.publish()
        here.run(wait - 60)
        assert to_a(here)[0].attempts == tried.attempts

    def test_a_shorter_wait_does_not_replace_a_longer_one(self, here: Town) -> None:
        """Of two answers that cross, the later one may ask for less."""
        subscriber = here.ledger.subscribers.get(here.ids["a"])
        here.ledger.subscribers.note_failure(subscriber, here.now, here.now + HOUR)
        seen = here.ledger.subscribers.note_failure(subscriber, here.now + 1, here.now + 60)
        assert seen is not None
        assert (seen.hold_until, seen.last_failure) == (here.now + HOUR, here.now + 1)
        longer = here.ledger.subscribers.note_failure(subscriber, here.now + 2, here.now + 2 * HOUR)
        assert longer is not None
        assert longer.hold_until == here.now + 2 * HOUR

    def test_what_several_calls_start_is_ten_a_second_together(
        self, here: Town, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """A resume starts the first hundreds, the sweeper the rest, and somebody recovers at the same time."""
        monkeypatch.setattr(subscribers, "AT_ONCE", 12)
        monkeypatch.setattr("vidhook.sweep.MOST_DRAINED", 30)
        here.pause("a")
        for _ in range(35):
            here.publish()
            here.now += 1
        here.resume("a")
        here.sweep()
        waits = [each.next_at or 0.0 for each in to_a(here)]
        assert waits == sorted(waits)
        assert max(Counter(waits).values()) <= RESTART_RATE
        assert max(waits) - here.now <= 35 / RESTART_RATE + 2

    def test_a_resume_need_not_wait_for_what_the_subscriber_once_asked_for(self, here: Town) -> None:
        """Its owner says that it is there."""
        answers(here, "busy")
        here.publish()
        here.pause("a")
        here.publish()
        here.resume("a")
        assert [each.next_at for each in to_a(here) if each.run] == [here.now + 1]


class TestSweeper:
    def test_waiting_is_not_overdue(self, here: Town) -> None:
        """The sweeper would start a second execution beside the one that waits."""
        answers(here, "busy")
        here.publish()
        here.publish()
        here.run(2 * HOUR)
        assert here.ledger.deliveries.overdue(here.now, 10) == []
        here.run(HOUR + 60)
        assert here.ledger.deliveries.overdue(here.now, 10) == []
        assert {each.run for each in to_a(here)} == {0}

    @pytest.mark.parametrize("pause", [*PAUSES, 43_200, round(86_400 * (1 + JITTER))])
    def test_no_pause_of_the_schedule_is_overdue_before_its_end(self, here: Town, pause: int) -> None:
        """The longest are of a day, and of a fifth more."""
        here.publish()
        (delivery,) = to_a(here)
        again = here.ledger.deliveries.start_run(delivery, pause=pause, now=here.now, afresh=True)
        assert here.ledger.deliveries.overdue(here.now + pause + 60, 10) == []
        assert here.ledger.deliveries.overdue(here.now + pause + 2 * HOUR, 10) == [again]

    def test_a_sweep_costs_two_requests_for_each_held_delivery_and_a_few(
        self, here: Town, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Three thousand must fit into its five minutes."""
        monkeypatch.setattr("vidhook.sweep.MOST_DRAINED", 3_000)
        here.pause("a")
        for _ in range(100):
            here.publish()
        here.ledger.subscribers.put_state(
            here.ids["a"], SubscriberState.ACTIVE, None
        )  # and a crash before anything was started
        here.run(60)
        here.requests = 0
        here.sweep()
        assert here.requests <= 2 * 100 + 64 + 20
        assert all(each.state is DeliveryState.DUE for each in to_a(here))

    def test_a_sweep_ends_with_its_time_and_the_next_goes_on(self, here: Town, monkeypatch: pytest.MonkeyPatch) -> None:
        """A function that is killed says nothing, and would begin with the same ones again."""
        monkeypatch.setattr("vidhook.sweep.MOST_DRAINED", 3_000)
        monkeypatch.setattr("vidhook.runs.BATCH", 10)
        here.pause("a")
        for _ in range(50):
            here.publish()
        here.ledger.subscribers.put_state(here.ids["a"], SubscriberState.ACTIVE, None)
        here.run(60)
        here.seconds_a_start = 1.0
        began, drained = here.now, list[int]()
        while not drained or drained[-1]:
            drained.append(sweep(here.runs, here.secrets, seconds=20).drained)
            assert here.now - began <= 30 * len(drained)
        assert sum(drained) == 50
        assert len(drained) == 4

    def test_an_hour_after_the_last_hold_a_subscriber_costs_a_sweep_nothing(self, here: Town) -> None:
        """Thousands may have been paused once."""
        here.pause("a")
        here.resume("a")
        here.sweep()
        assert [each.id for each, _ in here.ledger.subscribers.holding()] == [here.ids["a"]]
        here.run(2 * HOUR)
        here.sweep()
        assert list(here.ledger.subscribers.holding()) == []

    def test_a_callback_url_is_drained_too(self, here: Town) -> None:
        """It is in no list of subscribers."""
        here.pause("cb")
        here.publish()
        here.ledger.subscribers.put_state(here.ids["cb"], SubscriberState.ACTIVE, None)
        here.sweep()
        (held,) = [each for each in here.deliveries() if each.subscriber_id == here.ids["cb"]]
        assert (held.state, held.run) == (DeliveryState.DUE, 1)

    @pytest.mark.parametrize("name", ["a", "cb"])
    def test_what_an_earlier_version_held_is_taken_up(
        self, here: Town, monkeypatch: pytest.MonkeyPatch, name: str
    ) -> None:
        """It was in no index, so neither a resume nor a sweep found it; the ledger is looked through once, in pages."""
        monkeypatch.setattr("vidhook.edges.ledger.table.PAGE_READS", 7)
        monkeypatch.setattr("vidhook.sweep.MOST_DRAINED", 3_000)
        here.pause(name)
        for _ in range(20):
            here.publish()
        here.ledger.subscribers.put_state(here.ids[name], SubscriberState.ACTIVE, None)
        here.upgrade()
        for _ in range(2):
            here.sweep()
            assert {each.state for each in here.deliveries() if each.subscriber_id == here.ids[name]} == {
                DeliveryState.HELD
            }
            here.now += HOUR / 2
        here.sweep()
        here.run(HOUR)
        assert {each.state for each in here.deliveries()} == {DeliveryState.DELIVERED}
        assert not here.ledger.deliveries.index_held()

    def test_what_an_earlier_version_held_for_a_removed_one_is_cancelled(self, here: Town) -> None:
        """Nobody resumes it, and nobody drains it."""
        here.pause("a")
        here.publish()
        here.upgrade()
        here.remove("a")
        for _ in range(4):
            here.sweep()
            here.run(2 * HOUR)
        assert [each.state for each in to_a(here)] == [DeliveryState.CANCELLED]

    def test_a_sweep_without_time_begins_nothing(self, here: Town) -> None:
        """AWS may be so slow that a part of the sweep takes the time of the others."""
        answers(here, "broken")
        here.publish()
        here.pause("a")
        here.publish()
        here.ledger.subscribers.put_state(here.ids["a"], SubscriberState.ACTIVE, None)
        here.ledger.subscribers.begin_removal("sub_gone", None)
        here.now += DAY
        assert sweep(here.runs, here.secrets, seconds=0.0) == Swept()
        assert sweep(here.runs, here.secrets).deliveries == 3
        assert here.ledger.subscribers.unfinished(here.now) == []

    def test_an_error_of_one_part_leaves_the_others_their_turn(
        self, here: Town, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """It is raised at the end, when all else was moved."""

        def refused(*_: object) -> Any:
            raise PermissionError

        answers(here, "broken")
        here.publish()
        here.now += DAY
        monkeypatch.setattr(here.ledger.tasks, "overdue", refused)
        monkeypatch.setattr(here.ledger.subscribers, "holding", refused)
        swept = sweep(here.runs, here.secrets)
        assert (swept.deliveries, [type(each) for each in swept.errors]) == (2, [PermissionError, PermissionError])


class TestRuns:
    def test_one_that_cannot_be_started_holds_up_no_other(self, here: Town, monkeypatch: pytest.MonkeyPatch) -> None:
        """Whoever resumes a subscriber is told, and the sweeper starts it later."""
        start = here.machines.start_redelivery

        def refused(delivery: Delivery, pause: int) -> bool:
            if delivery == first:
                raise PermissionError
            return start(delivery, pause)

        here.pause("a")
        here.publish()
        here.publish()
        first = replace(to_a(here)[0], state=DeliveryState.DUE, run=1, next_at=here.now + 1)
        monkeypatch.setattr(here.machines, "start_redelivery", refused)
        with pytest.raises(ExceptionGroup) as told:
            here.resume("a")
        assert len(told.value.exceptions) == 1
        assert len(here.machines.started) == 1
        assert {each.state for each in to_a(here)} == {DeliveryState.DUE}

    def test_what_is_started_for_a_removed_subscriber_is_cancelled(self, here: Town) -> None:
        """It has no line of turns any more."""
        late(here)
        here.remove("a")
        here.runs.resend(to_a(here))
        assert turn(here.ids["a"], here.now + 60, here.ledger, here.now) == 60
        here.run(60)
        assert [each.state for each in to_a(here)] == [DeliveryState.CANCELLED]

    def test_a_late_success_of_an_older_run_leaves_the_next_replay_its_name(self, here: Town) -> None:
        """The name of its execution would be taken: 202, and nothing sent."""
        late(here)
        (old,) = to_a(here)
        here.runs.start(old, afresh=True)
        here.run(DAY)
        (sent,) = to_a(here)
        attempt = Attempt(sent.attempts + 1, here.now, Outcome.DELIVERED, AttemptKind.HTTP, 200)
        here.ledger.deliveries.note_attempt(old, attempt, DeliveryState.DELIVERED)
        started = len(here.machines.started)
        replayed = here.runs.start(to_a(here)[0], afresh=True)
        assert replayed.run == 2
        assert len(here.machines.started) == started + 1

    def test_two_attempts_of_one_number_are_both_in_the_log(self, here: Town) -> None:
        """The newer one's row would be gone, and with it why it failed."""
        late(here)
        (old,) = to_a(here)
        new = here.runs.start(old, afresh=True)
        first, second = (
            Attempt(2, here.now + after, Outcome.RETRY, AttemptKind.HTTP, status)
            for after, status in ((1, 500), (2, 502))
        )
        noted = here.ledger.deliveries.note_attempt(new, first, DeliveryState.DUE)
        here.ledger.deliveries.note_attempt(old, second, DeliveryState.DUE)
        here.ledger.deliveries.note_attempt(old, second, DeliveryState.DUE)  # a request that botocore repeats
        (log,) = [log for key, log in here.ledger.deliveries.attempts(old.watch_id).items() if key[1] == here.ids["a"]]
        assert [(each.number, each.status) for each in log] == [(1, 500), (2, 500), (3, 502)]
        assert to_a(here) == [noted]

    @pytest.mark.parametrize("state", [DeliveryState.DUE, DeliveryState.FAILED, DeliveryState.HELD])
    def test_a_failure_after_a_success_of_the_same_run_changes_nothing(self, here: Town, state: DeliveryState) -> None:
        """Lambda may run twice, and the one that fails may be the last to write."""
        late(here)
        (due,) = to_a(here)
        good = Attempt(2, here.now + 1, Outcome.DELIVERED, AttemptKind.HTTP, 200)
        here.ledger.deliveries.note_attempt(due, good, DeliveryState.DELIVERED)
        here.ledger.deliveries.note_attempt(due, Attempt(2, here.now + 2, Outcome.RETRY, AttemptKind.HTTP, 500), state)
        (left,) = to_a(here)
        assert left.state is DeliveryState.DELIVERED
        assert left not in here.ledger.deliveries.overdue(here.now + 2 * DAY, 10)

    def test_progress_is_never_recovered(self, here: Town) -> None:
        """It has no event in the ledger, so it would be started for ever, and the real ones after it never."""
        answers(here, "broken")
        for _ in range(5):
            here.progress()
        failed(here)
        for each in list(here.deliveries()):  # as versions before this one left them
            if each.event_type == "video.progress":
                stored = here.table.items[each.watch_id, f"delivery#{each.event_id}#{each.subscriber_id}"]
                stored["state"] = {"S": "failed"}
        assert subscribers.recover(here.ids["a"], since=0.0, most=2, runs=here.runs).started == 1
        assert subscribers.recover(here.ids["a"], since=0.0, most=2, runs=here.runs).started == 0

    def test_progress_that_did_not_arrive_has_not_failed(self, here: Town) -> None:
        """`vidhook deliveries --failed` shows what can be sent again."""
        answers(here, "broken")
        here.progress()
        assert [each.state for each in to_a(here)] == [DeliveryState.CANCELLED]


class TestSubscribers:
    def test_a_removed_subscriber_leaves_nothing_held(self, here: Town, monkeypatch: pytest.MonkeyPatch) -> None:
        """A few are cancelled at once, the rest by the sweeper, and also one that is held after that."""
        monkeypatch.setattr("vidhook.sweep.MOST", 100)
        here.pause("a")
        for _ in range(5):
            here.publish()
        here.remove("a")
        states = Counter(each.state for each in to_a(here))
        assert states == {DeliveryState.CANCELLED: 2, DeliveryState.HELD: 3}
        here.run(2 * HOUR)
        here.sweep()
        assert {each.state for each in to_a(here)} == {DeliveryState.CANCELLED}
        assert here.ledger.subscribers.unfinished(here.now) == []

    def test_of_two_rotations_at_once_both_secrets_sign(self, here: Town) -> None:
        """Both were shown, and one of them would never have signed."""
        shown: list[str] = []

        def rotate() -> None:
            shown.append(subscribers.rotate(here.ids["a"], ledger=here.ledger, secrets=here.secrets, clock=here.clock))

        for number in range(2):
            for after in (False, True):
                assert here.fuse.burn(rotate, rotate, number, after=after)
        assert set(shown[-4:]) <= set(here.signing("a"))

    def test_many_rotations_keep_the_header_short(self, here: Town) -> None:
        """200 a day made a header of 9.6 kB, which many servers refuse; the oldest secrets end first."""
        shown = []
        for _ in range(200):
            here.rotate("a")
            shown.append(here.shown["a"])
        signing = here.signing("a")
        assert list(signing) == shown[: -subscribers.MOST_SECRETS - 1 : -1]
        headers = webhook_headers(signing, "evt_1", int(here.now), b"{}")
        assert len(headers["webhook-signature"]) < 256
