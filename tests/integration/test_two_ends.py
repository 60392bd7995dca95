"""Submissions, retries, polls, publishing, sweeps and crashes in any order: each end is one event, and all get it."""

import itertools
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule, run_state_machine_as_test

from tests.integration.test_publish import Crash, Crashing
from tests.integration.world import Answer, World, says
from vidhook.edges.ledger import table as ledger_table
from vidhook.errors import Refused
from vidhook.publish import ended_from_outside, watch_failed
from vidhook.sweep import sweep
from vidhook.task import callback_id

DEADLINE = 600
EDGES = ("ledger", "http", "bus", "machines")
CRASHES = st.none() | st.integers(0, 40)  # before or after which of its calls a process is killed
numbers = itertools.count()  # every example has a task and URLs of its own


class OneTask(RuleBasedStateMachine):
    """One task, and everything that can happen to it. Executions are followed as the two state machines do it."""

    world: World
    monkeypatch: pytest.MonkeyPatch

    @initialize()
    def begin(self) -> None:
        number = next(numbers)
        self.task_id, self.crashed = f"task-{number}", False
        self.urls = [self.world.web.script(f"/{self.task_id}-{each}", Answer(204)) for each in range(3)]
        self.world.machines.started.clear()
        self.over: set[str] = set()  # executions that have ended
        self.publishing: set[str] = set()  # those that have left the loop of polls
        self.script(Answer(404))
        self.watch_id = self.world.submit(self.task_id, deadline_seconds=DEADLINE).watch.id
        # A sweep looks at every first character of an id; here there is one task.
        self.monkeypatch.setattr(ledger_table, "SHARDS", self.watch_id.partition("_")[2][:1])

    def script(self, answer: Answer) -> None:
        self.world.web.script(f"/tasks/{self.task_id}", answer)

    def killed_at(self, at: int | None, work: Callable[[World], Any]) -> None:
        """Does some work, in a process that is killed at one of its calls."""
        calls = itertools.count()
        edges = {} if at is None else {n: Crashing(getattr(self.world, n), calls=calls, at=at) for n in EDGES}
        try:
            work(self.world.but(**edges))
        except Crash:
            self.crashed = True

    def following(self) -> list[str]:
        """The executions that follow the task and have not ended: one, and those from before a crash or a retry."""
        started = self.world.machines.started
        return [name for name, given in started.items() if "event" not in given and name not in self.over]

    @rule(answer=st.sampled_from([says("processing"), says("completed"), says("failed"), Answer(404), Answer(503)]))
    def the_provider_answers(self, answer: Answer) -> None:
        video = self.world.video()
        self.script(says("completed", url=video) if b"completed" in answer.body else answer)

    @rule(seconds=st.sampled_from([20, 2 * DEADLINE]))
    def time_passes(self, seconds: int) -> None:
        self.world.wait(seconds)

    @rule(url=st.sampled_from([None, 0, 1, 2]), at=CRASHES)
    def somebody_submits(self, url: int | None, at: int | None) -> None:
        fields = {} if url is None else {"callback_url": self.urls[url]}
        self.killed_at(at, lambda world: world.submit(self.task_id, deadline_seconds=DEADLINE, **fields))

    @rule(at=CRASHES)
    def somebody_retries(self, at: int | None) -> None:
        self.world.wait(1)
        with suppress(Refused):
            self.killed_at(at, lambda world: world.retry(self.watch_id))

    @precondition(lambda self: self.following())
    @rule(data=st.data(), at=CRASHES)
    def an_execution_goes_on(self, data: st.DataObject, at: int | None) -> None:
        self.step(data.draw(st.sampled_from(self.following())), at)

    def step(self, name: str, at: int | None = None, *, problem: bool = False) -> None:
        """Polls or publishes once, by the state of an execution; a killed one stays there and does it again."""
        if not problem and name not in self.publishing:

            def poll(world: World) -> None:
                if world.poll(self.watch_id, name).settled:
                    self.publishing.add(name)

            self.killed_at(at, poll)
            return

        def publish(world: World) -> None:
            fault = watch_failed("x") if problem else None
            published = world.publish(self.watch_id, problem=fault, store=not problem, execution=name)
            if published.event is not None:
                self.over.add(name)
            elif published.pause:
                self.publishing.discard(name)

        self.killed_at(at, publish)

    @precondition(lambda self: self.following())
    @rule(data=st.data(), at=CRASHES, outside=st.booleans())
    def an_execution_breaks(self, data: st.DataObject, at: int | None, outside: bool) -> None:
        """Its function fails for hours, or somebody stops it."""
        name = data.draw(st.sampled_from(self.following()))
        if not outside:
            self.step(name, at, problem=True)
            return
        self.over.add(name)
        detail = {"status": "FAILED", "executionArn": f"arn:{name}", "input": f'{{"watch": "{self.watch_id}"}}'}
        for _ in range(2):  # EventBridge delivers at least once
            ended = ended_from_outside(detail, ledger=self.world.ledger)
            if ended is not None:
                self.killed_at(at, partial(World.publish, watch_id=ended[0], problem=ended[1], execution=name))

    @rule()
    def a_sweep_comes(self) -> None:
        self.world.wait(3 * ledger_table.GRACE_SECONDS)
        self.world.machines.running = set(self.following())
        sweep(self.world.runs, self.world.secrets)

    def redeliver_all(self) -> None:
        for name, given in list(self.world.machines.started.items()):
            if "event" in given and name not in self.over:
                self.over.add(name)
                delivery = self.world.ledger.deliveries.get(given["watch"], given["event"], given["subscriber"])
                self.world.redeliver(delivery, run=given["run"])

    def teardown(self) -> None:
        """Lets everything that was begun come to its end, without further crashes, and looks at what came of it."""
        if not hasattr(self, "watch_id"):
            return
        self.script(says("completed", url=self.world.video()))
        for _ in range(4):
            self.a_sweep_comes()
            for _ in range(3):
                for name in self.following():
                    self.step(name)
                    self.world.wait(20)
            self.redeliver_all()
        watch, events = self.world.ledger.tasks.watch(self.watch_id), self.world.ledger.tasks.events(self.watch_id)
        assert self.following() == []
        last = self.world.ledger.tasks.event(self.watch_id, watch.event_id)
        assert last in events
        assert len({event.id for event in events}) == len({event.type for event in events}) == len(events)
        assert [event.type for event in events].count("video.completed") <= 1
        for event in events[:-1]:
            assert event.type == "video.failed"
        bodies = {event.id: event.body.encode() for event in events}
        for callback in watch.callback_urls:
            received = self.world.web.to(callback.removeprefix(self.world.web.url))
            assert all(bodies[asked.headers["webhook-id"]] == asked.body for asked in received)
            got = [asked.headers["webhook-id"] for asked in received].count(last.id)
            assert got == 1 or (self.crashed and got > 1), (callback, got)
            assert self.world.ledger.deliveries.get(watch.id, last.id, callback_id(callback)).state == "delivered"
        on_bus = [event.id for event in self.world.bus.events if event.watch_id == watch.id]
        assert set(on_bus) >= ({last.id} if not self.crashed else set())
        assert set(on_bus) <= set(bodies)


@pytest.mark.parametrize("examples", [20, pytest.param(80, marks=pytest.mark.slow)])
def test_every_end_is_one_event_and_every_callback_url_gets_the_last_one(
    quick_world: World, monkeypatch: pytest.MonkeyPatch, examples: int
) -> None:
    """Whoever is killed, whoever retries and whoever comes late: nobody misses how the task ended."""

    class Here(OneTask):
        pass

    Here.world, Here.monkeypatch = quick_world, monkeypatch
    run_state_machine_as_test(
        Here,
        settings=settings(
            max_examples=examples,
            stateful_step_count=20,
            deadline=None,
            derandomize=True,
            suppress_health_check=list(HealthCheck),
        ),
    )
