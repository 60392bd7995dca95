"""Nothing is stuck: with a crash or another call between any two writes, and no operator, every delivery ends."""

import heapq
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from functools import cached_property
from itertools import count
from typing import Any, TypeVar

import pytest

from tests.integration.memory import Table, Vault, exceptions_of
from tests.integration.world import DEFAULT_SECRET, FakeBus, FakeMachines
from vidhook import subscribers
from vidhook.edges.http import Http, Response
from vidhook.errors import NotFound
from vidhook.event import Event, terminal_event
from vidhook.publish import notify, publish_progress
from vidhook.recipients import callback_subscriber
from vidhook.redeliver import redeliver
from vidhook.runs import Runs
from vidhook.sweep import sweep
from vidhook.task import Delivery, DeliveryState, Poll, Snapshot, Source, Status, Submission, Subscriber, derived_id
from vidhook.times import Clock
from vidhook.wiring import Edges

Done = TypeVar("Done")

HOUR, DAY = 3_600, 86_400
TABLE_EXCEPTIONS, VAULT_EXCEPTIONS = exceptions_of("dynamodb"), exceptions_of("secretsmanager")
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

    def __init__(self, fuse: Fuse) -> None:
        super().__init__()
        self._fuse = fuse

    def start_redelivery(self, delivery: Delivery, pause: int) -> bool:
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
        town.now += 0.001  # no two attempts are made at the same instant
        status, answer = ANSWERS[town.answers[url]]
        town.sent[(headers or {})["webhook-id"], url] += 1
        response = Response(status, answer, b"", url, None, None, {})
        return town.fuse.around(lambda: response)


class Town(Edges):
    """One stack with a few subscribers, whose time and whose accidents are in the hands of the test."""

    def __init__(self) -> None:
        self.now = 1_777_287_600.0
        self.fuse = Fuse()
        self.table = Table(TABLE_EXCEPTIONS, self.fuse.around)
        self.vault = Vault(VAULT_EXCEPTIONS, self.fuse.around)
        clients = {"dynamodb": self.table, "secretsmanager": self.vault}
        settings = {"TABLE": "ledger", "STACK": "town", "DEFAULT_SECRET": "town/default"}
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
        self.ids["cb"], self.urls["cb"] = derived_id("cb", "https://app.example/cb"), "https://app.example/cb"
        self.ledger.put_subscriber(callback_subscriber(self.urls["cb"], self._watch(), "town/default"))

    @cached_property
    def http(self) -> Http:
        return Receivers(self)

    @cached_property
    def bus(self) -> FakeBus:
        return FakeBus()

    @cached_property
    def machines(self) -> Executions:
        return Executions(self.fuse)

    @cached_property
    def runs(self) -> Runs:
        return Runs(self.ledger, self.machines, self.clock, threads=1)

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

    def publish(self) -> None:
        """Publishes a task that has ended. Step Functions repeats it after a crash."""
        watch = self._watch()
        event = self.ledger.put_event(terminal_event(watch, DONE, {}, self.now))
        self.events.append(event)

        def tell() -> None:
            for late in notify(event, watch, self.notifier).unreached:
                self._enter(late.delivery.execution_name, late.delivery.execution_input(late.pause), 0.0, late.pause)

        try:
            tell()
        except Crash:
            self.fuse.dead = False
            tell()
            raise

    def progress(self) -> None:
        """Publishes news of a task, which is not repeated."""
        watch = self.ledger.note_poll(
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
        event = self.events[-1]
        delivery = self.ledger.delivery(event.watch_id, event.id, self.ids[name])
        self.replays += 1
        self.runs.start(delivery, afresh=True)

    def remove(self, name: str) -> None:
        subscribers.remove(self.ids[name], ledger=self.ledger, secrets=self.secrets)

    def rotate(self, name: str) -> None:
        shown = subscribers.rotate(self.ids[name], ledger=self.ledger, secrets=self.secrets, clock=self.clock)
        self.shown[name] = shown

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
            again = len(self._agenda)
            done = self._redeliver(execution, waited_for)  # a crash ends it here
            if not lost:
                self._agenda = [each for each in self._agenda if each[2] is not execution]
                heapq.heapify(self._agenda)
            assert again >= 0
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
            if all(self._at_rest(each) for each in self.deliveries()) and not self._take_up():
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
        logged = sum(len(log) for watch_id in self.watches for log in self.ledger.attempts(watch_id).values())
        assert logged >= self.sent.total() - self.troubles
        known = {each.id for each in self.ledger.subscribers()}
        secrets = {name.rpartition("/")[2] for name in self.vault.secrets if "/subscriber/" in name}
        assert secrets == known
        assert self.ledger.unfinished_subscribers(self.now) == []
        for name, subscriber_id in self.ids.items():
            if subscriber_id in known:
                signing = self.secrets.signing(self.ledger.subscriber(subscriber_id), self.now)
                assert self.shown[name] in signing

    def deliveries(self) -> Iterator[Delivery]:
        for watch_id in self.watches:
            yield from self.ledger.deliveries(watch_id)

    def known(self, name: str) -> Subscriber | None:
        try:
            return self.ledger.subscriber(self.ids[name])
        except (NotFound, KeyError):
            return None

    def _at_rest(self, delivery: Delivery) -> bool:
        try:
            active = self.ledger.subscriber(delivery.subscriber_id).active
        except NotFound:
            active = True  # it was removed: nothing waits for it
        return delivery.state in FINAL or (delivery.state is DeliveryState.HELD and not active)

    def _watch(self) -> Any:
        submission = Submission("acme", f"t{next(self._tasks)}", callback_url=self.urls["cb"], progress=True)
        watch, _ = self.ledger.claim(submission, "run", 20, self.now)
        self.machines.running.add("run")
        self.watches.append(watch.id)
        return watch

    def _redeliver(self, execution: dict[str, Any], waited_for: float) -> Any:
        return redeliver(
            execution["watch"],
            execution["event"],
            execution["subscriber"],
            execution["run"],
            waited_for=waited_for,
            notifier=self.notifier,
        )

    def _enter(self, name: str, execution: dict[str, Any], waited_for: float, pause: float) -> None:
        if name and name in self._taken:
            return
        self._taken.add(name)
        heapq.heappush(self._agenda, (self.now + pause, next(self._order), execution, waited_for))

    def _take_up(self) -> bool:
        for name, argument in list(self.machines.started.items()):
            if "event" in argument:
                self._enter(name, argument, 0.0, argument["pause"])
        return bool(self._agenda)


@pytest.fixture(autouse=True)
def bounds(monkeypatch: pytest.MonkeyPatch) -> None:
    """So little at a time that every bound is met, and in one thread, so that an accident comes where it is told to."""
    monkeypatch.setattr("vidhook.publish.THREADS", 1)
    monkeypatch.setattr("vidhook.sweep.MOST", 3)
    monkeypatch.setattr("vidhook.sweep.MOST_DRAINED", 3)
    monkeypatch.setattr("vidhook.subscribers.AT_ONCE", 2)


# Every crash point of what the issue found, and of what is like it

Scene = tuple[Callable[[Town], None], Callable[[Town], None], Callable[[Town], None]]


def nothing(_: Town) -> None:
    """Nobody else is there."""


def down(answer: str) -> Callable[[Town], None]:
    def begin(town: Town) -> None:
        town.answers[town.urls["a"]] = town.answers[town.urls["cb"]] = answer

    return begin


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
        town.ledger.change_delivery(replace(delivery, state=DeliveryState.FAILED, next_at=None))


def resume_both(town: Town) -> None:
    town.resume("cb")
    town.resume("a")


SCENES: dict[str, Scene] = {
    "gone at once": (down("gone"), Town.publish, resume_both),
    "gone later": (lambda town: (late(town), down("gone")(town))[0], Town.next, resume_both),
    "gone progress": (down("gone"), Town.progress, resume_both),
    "held while resumed": (lambda town: town.pause("a"), Town.publish, resume_both),
    "held late while resumed": (disabled_late, Town.next, resume_both),
    "resumed while swept": (paused, resume_both, Town.sweep),
    "swept while paused": (lambda town: (paused(town), resume_both(town))[0], Town.sweep, lambda town: town.pause("a")),
    "tried twice": (late, Town.next, Town.next),
    "failed beside a success": (
        lambda town: (late(town), town.double(), down("broken")(town))[0],
        Town.next,
        lambda town: (down("fine")(town), town.next())[0],
    ),
    "replayed while tried": (late, Town.next, lambda town: town.replay("a")),
    "told to wait": (down("busy"), Town.publish, Town.sweep),
    "recovered": (failed, lambda town: town.recover("a"), Town.sweep),
    "removed": (paused, lambda town: town.remove("a"), Town.sweep),
    "removed while tried": (late, Town.next, lambda town: town.remove("a")),
    "added": (nothing, lambda town: town.add("b"), Town.sweep),
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
            act = here.fuse.crash if accident == "crash" else lambda here=here: other(here)
            reached = here.fuse.burn(lambda here=here: work(here), act, number, after=after)
            down("fine")(here)
            here.settle()
            here.check()
        if not reached:
            return
    raise AssertionError("this work never ends")
