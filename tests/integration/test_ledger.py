"""The ledger stores what it is given, writes once what must be written once, and finds what is overdue."""

import json
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from decimal import Decimal
from functools import partial
from typing import Any, TypeVar

import boto3
import pytest
from botocore.client import BaseClient
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from vidhook.edges.ledger import Ledger
from vidhook.edges.ledger import table as edge
from vidhook.edges.ledger.table import DAY, GRACE_SECONDS, NAME_DAYS, SPARE_DAYS
from vidhook.edges.ledger.tasks import HISTORY
from vidhook.errors import LostRace, NotFound
from vidhook.event import Event, terminal_event
from vidhook.pace import Ended, Pace, outlook
from vidhook.providers.file import bundled_text
from vidhook.task import (
    Attempt,
    AttemptKind,
    Category,
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
    TaskError,
    Watch,
    derived_id,
)
from vidhook.times import Clock

Result = TypeVar("Result")

NOW = 1_777_287_600.5
SUBMISSION = Submission("acme", "t1", {"order": "17"})
DONE = Snapshot(Status.COMPLETED, sources=(Source("result", "video", "https://cdn.example/v.mp4"),))
SUBSCRIBER = Subscriber("sub_1", "https://hooks.example/", "sealed", ("X-Key",), created_at=NOW)
CALLBACK = Subscriber("cb_1", "https://hooks.example/", created_at=NOW)

# One empty table for all examples of a property: each writes under a key of its own or over the last one.
on_one_table = settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])

numbers = st.integers(-(2**60), 2**60) | st.floats(-1e15, 1e15).filter(lambda value: value == 0 or abs(value) > 1e-9)
instants = st.floats(1e9, 4e9)
texts = st.text(st.characters(codec="utf-8"))
values = st.recursive(
    st.none() | st.booleans() | numbers | texts,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3),
    max_leaves=6,
)
objects = st.dictionaries(texts, values, max_size=3)
maybe = st.none() | texts
snapshots = st.builds(
    Snapshot,
    st.sampled_from(Status),
    provider_status=maybe,
    object=st.sampled_from(["video", "image"]),
    model=maybe,
    prompt=maybe,
    progress=st.none() | st.integers(0, 100),
    created_at=st.none() | instants,
    queue_position=st.none() | st.integers(0, 100),
    sources=st.lists(
        st.builds(Source, texts, st.just("video"), texts, st.none() | instants, st.booleans()), max_size=2
    ).map(tuple),
    error=st.none() | st.builds(TaskError, st.sampled_from(Category), texts, texts, maybe, st.none() | st.booleans()),
    usage=st.none() | objects,
    upstream_id=maybe,
    known_status=st.booleans(),
)
polls = st.builds(Poll, instants, texts, st.none() | st.integers(1, 10**6), progress=st.none() | st.integers(0, 100))
submissions = st.builds(
    Submission,
    st.just("acme"),
    texts.filter(bool),
    objects,
    maybe,
    st.none() | st.floats(1, 86_400),
    st.integers(1, 604_800),
    st.booleans(),
)
attempts = st.builds(
    Attempt,
    st.integers(1, 9_999),
    instants,
    st.sampled_from(Outcome),
    st.sampled_from(AttemptKind),
    st.none() | st.integers(100, 599),
    texts,
    texts,
    maybe,
    maybe,
    st.dictionaries(texts, st.floats(0, 1e6), max_size=3),
    st.none() | st.integers(0, 10**6),
    st.none() | st.integers(0, 10**6),
)
subscribers = st.builds(
    Subscriber,
    st.just("sub_1"),
    texts,
    maybe,
    st.lists(texts, max_size=3).map(tuple),
    maybe,
    maybe,
    st.lists(texts, max_size=3).map(tuple),
    st.lists(texts, max_size=3).map(tuple),
    objects,
    texts,
    st.sampled_from(SubscriberState),
    maybe,
    st.none() | instants,
    instants,
    instants,
    instants,
    st.sampled_from([0.0, 3.75, 60.0]),
    st.none() | instants,
    st.none() | instants,
    st.booleans(),
)


@pytest.fixture
def ledger(table: str) -> Ledger:
    return Ledger(table, clock=Clock(lambda: NOW))


@pytest.fixture
def watch(ledger: Ledger) -> Watch:
    return ledger.tasks.claim(SUBMISSION, SUBMISSION.id, 20, NOW)[0]


@pytest.fixture
def event(ledger: Ledger, watch: Watch) -> Event:
    return ledger.tasks.put_event(terminal_event(watch, DONE, {}, NOW))


@pytest.fixture
def raw(table: str) -> Callable[[str, str], dict[str, Any]]:
    """Reads an item in the form in which DynamoDB has it."""

    def read(pk: str, sk: str) -> dict[str, Any]:
        return boto3.resource("dynamodb").Table(table).get_item(Key={"pk": pk, "sk": sk}).get("Item", {})

    return read


def failed(number: int, at: float, *, outcome: Outcome = Outcome.RETRY, status: int | None = None) -> Attempt:
    """Returns an attempt that did not reach its subscriber, or was answered with `status`."""
    kind = AttemptKind.DNS if status is None else AttemptKind.HTTP
    return Attempt(number, at, outcome, kind, status, pause=5 if outcome is Outcome.RETRY else None)


def accepted(number: int, at: float) -> Attempt:
    return Attempt(number, at, Outcome.DELIVERED, AttemptKind.HTTP, 200)


def error_of(watch: Watch) -> TaskError:
    """Returns why a watch's task failed."""
    assert watch.snapshot is not None
    assert watch.snapshot.error is not None
    return watch.snapshot.error


def at_once(*calls: Callable[[], Result]) -> list[Result]:
    """Returns the results of calls that start at the same moment, with their requests in a random order.

    One request at a time, as DynamoDB takes those for one item: moto's own check and write are two steps.
    """
    gate, turn = threading.Barrier(len(calls)), threading.Lock()
    request: Callable[..., Any] = vars(BaseClient)["_make_api_call"]

    def in_turn(*arguments: Any) -> Any:
        with turn:
            return request(*arguments)

    def begin(call: Callable[[], Result]) -> Result:
        gate.wait()
        return call()

    with pytest.MonkeyPatch.context() as patch, ThreadPoolExecutor(len(calls)) as pool:
        patch.setattr(BaseClient, "_make_api_call", in_turn)
        return list(pool.map(begin, calls))


class TestFacts:
    @on_one_table
    @given(submission=submissions, snapshot=snapshots, poll=polls)
    def test_a_watch_comes_back_as_it_was(
        self, ledger: Ledger, submission: Submission, snapshot: Snapshot, poll: Poll
    ) -> None:
        """The next poll knows only what the polls before it have written."""
        claimed, created = ledger.tasks.claim(submission, "run", 20, NOW)
        if created:
            assert ledger.tasks.watch(submission.id) == claimed
        noted = ledger.tasks.note_poll(claimed, poll, snapshot, settled=False, progress=True)
        assert ledger.tasks.watch(submission.id) == noted
        assert (noted.snapshot, noted.history[-1], noted.last_progress) == (snapshot, poll, poll)

    @on_one_table
    @given(attempt=attempts)
    def test_an_attempt_comes_back_as_it_was(self, ledger: Ledger, attempt: Attempt) -> None:
        """The delivery log shows why an event did not arrive, so it must be exact."""
        task = derived_id("tsk", repr(attempt))
        delivery = Delivery("evt_1", task, "sub_1", "video.completed", NOW)
        ledger.deliveries.note_attempt(
            ledger.deliveries.open(event_of(delivery), SUBSCRIBER, NOW), attempt, DeliveryState.DUE
        )
        assert ledger.deliveries.attempts(delivery.watch_id) == {("evt_1", "sub_1"): [attempt]}

    @on_one_table
    @given(subscriber=subscribers)
    def test_a_subscriber_comes_back_as_it_was(self, ledger: Ledger, subscriber: Subscriber) -> None:
        """Its filter decides which events it is notified of."""
        ledger.subscribers.put(subscriber)
        assert ledger.subscribers.get("sub_1") == subscriber
        assert ledger.subscribers.all() == [subscriber]

    @on_one_table
    @given(metadata=objects, body=objects, at=instants)
    def test_an_event_comes_back_byte_for_byte(
        self, ledger: Ledger, metadata: dict[str, Any], body: dict[str, Any], at: float
    ) -> None:
        """A replay sends the same bytes again, and the signature depends on every byte."""
        submission = Submission("acme", json.dumps([metadata, body, at]))
        claimed, _ = ledger.tasks.claim(submission, "run", 20, NOW)
        event = Event("evt_1", "video.completed", claimed.id, "acme", at, json.dumps(body), metadata)
        assert ledger.tasks.put_event(event) == event == ledger.tasks.event(claimed.id)


def event_of(delivery: Delivery) -> Event:
    return Event(delivery.event_id, delivery.event_type, delivery.watch_id, "acme", NOW, "{}")


class TestWatches:
    def test_a_task_submitted_twice_is_one_watch(self, ledger: Ledger) -> None:
        """The options of the first submission count, and the second one only finds the watch."""
        first, created = ledger.tasks.claim(SUBMISSION, "a", 20, NOW)
        again, anew = ledger.tasks.claim(replace(SUBMISSION, metadata={"other": 1}), "b", 20, NOW + 5)
        assert (created, anew) == (True, False)
        assert again == first

    def test_of_many_submissions_at_once_one_makes_the_watch(self, ledger: Ledger) -> None:
        """A queue may deliver one submission several times at once."""
        answers = at_once(*[lambda: ledger.tasks.claim(SUBMISSION, "a", 20, NOW)] * 8)
        assert [created for _, created in answers].count(True) == 1

    def test_the_first_settling_poll_counts(self, ledger: Ledger, watch: Watch) -> None:
        """A later poll of a second execution must not turn a published success into a failure."""
        failed = Snapshot(Status.FAILED, error=TaskError(Category.TIMEOUT, "X", "late"))
        settled = ledger.tasks.note_poll(watch, Poll(NOW + 20, "completed"), DONE, settled=True)
        late = ledger.tasks.note_poll(watch, Poll(NOW + 21, "failed"), failed, settled=True)
        assert late == settled == ledger.tasks.watch(watch.id)
        assert ledger.tasks.note_poll(watch, Poll(NOW + 22, "retry", 12), None, settled=False).snapshot == DONE

    def test_of_many_settling_polls_at_once_one_counts(self, ledger: Ledger, watch: Watch) -> None:
        """All executions continue with the same snapshot."""

        def settle(number: int) -> Callable[[], Watch]:
            snapshot = Snapshot(Status.FAILED, error=TaskError(Category.PROVIDER, "X", str(number)))
            return lambda: ledger.tasks.note_poll(watch, Poll(NOW + number, "failed"), snapshot, settled=True)

        seen = at_once(*[settle(number) for number in range(6)])
        assert {error_of(each).message for each in seen} == {error_of(ledger.tasks.watch(watch.id)).message}

    def test_a_poll_without_news_changes_no_snapshot(self, ledger: Ledger, watch: Watch) -> None:
        """What the provider said before is still true while the provider is down."""
        underway = Snapshot(Status.PROCESSING, progress=40)
        noted = ledger.tasks.note_poll(watch, Poll(NOW + 20, "processing", 12), underway, settled=False)
        noted = ledger.tasks.note_poll(noted, Poll(NOW + 32, "timeout", 12), None, settled=False)
        assert (noted.snapshot, noted.polls, noted.paused) == (underway, 2, 20 + 12 + 12)
        assert [poll.answer for poll in ledger.tasks.watch(watch.id).history] == ["processing", "timeout"]

    def test_the_history_is_the_latest_polls(self, ledger: Ledger, watch: Watch) -> None:
        """All polls of a week would be too large for one item."""
        for number in range(HISTORY + 3):
            watch = ledger.tasks.note_poll(watch, Poll(NOW + number, "processing", 12), None, settled=False)
        noted = ledger.tasks.watch(watch.id)
        assert [poll.at for poll in noted.history] == [NOW + number for number in range(3, HISTORY + 3)]
        assert noted.polls == HISTORY + 3

    def test_a_failed_store_is_counted_beside_the_fresher_link(self, ledger: Ledger, watch: Watch) -> None:
        """The next try to store the video uses the new link and knows how many tries failed before."""
        fresher = replace(DONE, sources=(Source("result", "video", "https://cdn.example/new.mp4"),))
        ledger.tasks.note_store_failure(ledger.tasks.note_poll(watch, Poll(NOW, "completed"), DONE, settled=True))
        assert (ledger.tasks.watch(watch.id).store_failures, ledger.tasks.watch(watch.id).snapshot) == (1, DONE)
        noted = ledger.tasks.note_fresh_link(ledger.tasks.watch(watch.id), fresher)
        assert noted == ledger.tasks.watch(watch.id)
        assert (noted.store_failures, noted.snapshot) == (1, fresher)

    def test_what_is_not_there_raises_not_found(self, ledger: Ledger, watch: Watch) -> None:
        """A job can then report what is missing."""
        for read in (
            lambda: ledger.tasks.watch("tsk_none"),
            lambda: ledger.tasks.event(watch.id),
            lambda: ledger.deliveries.get(watch.id, "evt_1", "sub_1"),
            lambda: ledger.subscribers.get("sub_none"),
        ):
            with pytest.raises(NotFound, match="not in the ledger"):
                read()

    def test_watches_are_listed_newest_first(self, ledger: Ledger) -> None:
        """People look for the newest task first, and times with few digits must sort correctly too."""
        for at, task_id in ((99.0, "a"), (NOW, "b"), (1_000.5, "c")):
            ledger.tasks.claim(Submission("acme", task_id), "run", 20, at)
        assert [each.submission.task_id for each in ledger.tasks.all()] == ["b", "c", "a"]
        assert [each.submission.task_id for each in ledger.tasks.all(since=1_000.5)] == ["b", "c"]


class TestEvents:
    def test_a_watch_has_one_event_whoever_writes_it(self, ledger: Ledger, watch: Watch) -> None:
        """Two executions that end one watch differently publish the same event."""
        failure = Snapshot(Status.FAILED, error=TaskError(Category.TIMEOUT, "X", "x"))
        made = [
            terminal_event(watch, snapshot, {}, NOW + number) for number, snapshot in enumerate([DONE, failure] * 4)
        ]
        written = at_once(*[lambda each=each: ledger.tasks.put_event(each) for each in made])
        assert {each.body for each in written} == {ledger.tasks.event(watch.id).body}

    def test_an_event_ends_its_watch(self, ledger: Ledger, watch: Watch, event: Event) -> None:
        """The sweeper finds it until every subscriber has its delivery."""
        ended = ledger.tasks.watch(watch.id)
        assert (ended.event_id, ended.settled, ended.told) == (event.id, True, False)
        assert ledger.tasks.overdue(NOW + 10 * DAY, 10) == [watch.id]
        ledger.tasks.note_told(ended)
        assert ledger.tasks.watch(watch.id) == replace(ended, told=True)
        assert ledger.tasks.overdue(NOW + 10 * DAY, 10) == []

    def test_a_watch_that_was_opened_again_is_not_told(self, ledger: Ledger, watch: Watch, event: Event) -> None:
        """A slow publishing of the first end must not hide it from the sweeper."""
        ended = ledger.tasks.watch(watch.id)
        ledger.tasks.reopen(replace(watch, retries=1, retried_at=NOW), event.id, 1, NOW)
        ledger.tasks.note_told(ended)
        assert ledger.tasks.overdue(NOW + 10 * DAY, 10) == [watch.id]

    def test_a_watch_that_got_another_callback_url_is_not_told(
        self, ledger: Ledger, watch: Watch, event: Event
    ) -> None:
        """Its submission may be killed before it sends the event there, and then only the sweeper knows."""
        ended = ledger.tasks.watch(watch.id)
        more = ledger.tasks.add_callback(ended, "https://app.example/late")
        ledger.tasks.note_told(ended)
        assert ledger.tasks.overdue(NOW + 10 * DAY, 10) == [watch.id]
        assert ledger.tasks.watch(watch.id) == more
        ledger.tasks.note_told(more)
        with pytest.raises(LostRace):
            ledger.tasks.add_callback(watch, "https://app.example/read-before-the-end")
        last = ledger.tasks.add_callback(ledger.tasks.watch(watch.id), "https://app.example/later")
        assert (last.told, ledger.tasks.overdue(NOW + 10 * DAY, 10)) == (False, [watch.id])

    def test_a_retried_watch_has_one_event_of_each_kind_whoever_writes_it(self, ledger: Ledger, watch: Watch) -> None:
        """Two executions that end the retry differently publish the same event, beside that of before."""
        failure = Snapshot(Status.FAILED, error=TaskError(Category.TIMEOUT, "X", "x"))
        first = ledger.tasks.put_event(terminal_event(watch, failure, {}, NOW))
        opened = replace(watch, event_id=None, execution="again", retries=1, retried_at=NOW + 9, first_deadline=60)
        ledger.tasks.reopen(opened, first.id, 1, NOW + 9)
        assert ledger.tasks.watch(watch.id) == opened
        made = [
            terminal_event(opened, snapshot, {}, NOW + 10 + number)
            for number, snapshot in enumerate([DONE, failure] * 4)
        ]
        written = at_once(*[lambda each=each: ledger.tasks.put_event(each, 1) for each in made])
        (body,) = {each.body for each in written}
        closed = ledger.tasks.watch(watch.id)
        assert body == ledger.tasks.event(watch.id, closed.event_id).body
        assert {each.type for each in ledger.tasks.events(watch.id)} <= {"video.failed", "video.completed"}
        assert ledger.tasks.event(watch.id, first.id) == first
        ledger.tasks.note_told(closed)
        assert ledger.tasks.overdue(NOW + 10 * DAY, 10) == []

    def test_a_watch_is_opened_again_once(self, ledger: Ledger, watch: Watch, event: Event) -> None:
        """Of two retries at the same moment one is told that it lost; and the sweeper finds what was opened."""
        opened = replace(watch, retries=1, retried_at=NOW)

        def reopen() -> bool:
            try:
                ledger.tasks.reopen(opened, event.id, 1, NOW)
            except LostRace:
                return False
            return True

        assert sorted(at_once(*[reopen] * 4)) == [False, False, False, True]
        assert ledger.tasks.overdue(NOW + 10 * DAY, 10) == [watch.id]

    def test_an_event_is_stored_until_a_retry_has_ended(self, ledger: Ledger, watch: Watch, event: Event) -> None:
        """The retry may end with the same event, which must then be the same bytes."""
        deadline = replace(watch.submission, deadline_seconds=7 * DAY)
        ledger.tasks.reopen(replace(watch, submission=deadline, retries=1, retried_at=NOW), event.id, 1, NOW)
        item = boto3.client("dynamodb").get_item(
            TableName=ledger.table.name, Key={"pk": {"S": watch.id}, "sk": {"S": "event"}}
        )["Item"]
        assert int(item["ttl"]["N"]) == int(NOW) + (7 + ledger.table.event_days) * DAY

    def test_a_callback_url_is_added_to_those_that_were_read(self, ledger: Ledger, watch: Watch) -> None:
        """Another one that came meanwhile would be lost."""
        added = ledger.tasks.add_callback(watch, "https://hooks.example/1")
        assert (added, added.callbacks) == (ledger.tasks.watch(watch.id), ("https://hooks.example/1",))
        with pytest.raises(LostRace):
            ledger.tasks.add_callback(watch, "https://hooks.example/2")
        assert ledger.tasks.add_callback(added, "https://hooks.example/2").callbacks[1:] == ("https://hooks.example/2",)

    def test_an_event_needs_its_watch(self, ledger: Ledger) -> None:
        """An event without a task must not reach any subscriber."""
        with pytest.raises(NotFound):
            ledger.tasks.put_event(Event("evt_1", "video.completed", "tsk_none", "acme", NOW, "{}"))


class TestDeliveries:
    def test_a_delivery_is_opened_once(self, ledger: Ledger, event: Event) -> None:
        """When publishing is repeated, it finds the attempts that were already made."""
        opened = ledger.deliveries.open(event, SUBSCRIBER, NOW)
        noted = ledger.deliveries.note_attempt(opened, failed(1, NOW, status=500), DeliveryState.DUE)
        assert ledger.deliveries.open(event, SUBSCRIBER, NOW + 60) == noted
        assert (noted.attempts, noted.next_at, noted.last) == (1, NOW + 5, "500")

    def test_the_log_of_a_task_is_complete_and_in_order(self, ledger: Ledger, event: Event) -> None:
        """Ten attempts are listed after nine, and other tasks have logs of their own."""
        delivery = ledger.deliveries.open(event, SUBSCRIBER, NOW)
        for number in range(1, 13):
            delivery = ledger.deliveries.note_attempt(delivery, failed(number, NOW + number), DeliveryState.DUE)
        log = ledger.deliveries.attempts(event.watch_id)
        assert set(log) == {(event.id, "sub_1")}
        assert [attempt.number for attempt in log[event.id, "sub_1"]] == list(range(1, 13))
        assert ledger.deliveries.of_task(event.watch_id) == [delivery]
        assert ledger.deliveries.of_task("tsk_other") == []

    def test_a_subscribers_deliveries_are_listed_by_time(self, ledger: Ledger) -> None:
        """Held deliveries are sent oldest first, and a recovery takes all deliveries since a time."""
        for number, task_id in enumerate("abc"):
            claimed, _ = ledger.tasks.claim(Submission("acme", task_id), "run", 20, NOW)
            ledger.deliveries.open(terminal_event(claimed, DONE, {}, NOW), SUBSCRIBER, NOW + number)
        times = [each.created_at for each in ledger.deliveries.to("sub_1")]
        assert times == [NOW, NOW + 1, NOW + 2]
        assert [each.created_at for each in ledger.deliveries.to("sub_1", since=NOW + 1)] == times[1:]
        assert [each.created_at for each in ledger.deliveries.page(most=5, subscriber_id="sub_1")[0]] == times[::-1]
        assert list(ledger.deliveries.to("sub_2")) == []

    def test_a_page_may_end_inside_an_event(
        self, ledger: Ledger, event: Event, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """An event may have more deliveries than a page, and than one answer of DynamoDB."""
        monkeypatch.setattr(edge, "BATCH", 2)
        ids = sorted(derived_id("sub", str(number)) for number in range(8))
        for each in ids:
            ledger.deliveries.open(event, replace(SUBSCRIBER, id=each), NOW)
        for read in (ledger.deliveries.page, partial(ledger.deliveries.page_of_task, event.watch_id)):
            first, cursor = read(most=5)
            second, last = read(most=5, cursor=cursor)
            assert [each.subscriber_id for each in first + second] == ids
            assert (len(first), last) == (5, None)

    @pytest.mark.parametrize("state", DeliveryState)
    def test_only_due_deliveries_are_found_by_the_sweeper(
        self, ledger: Ledger, event: Event, state: DeliveryState
    ) -> None:
        """A delivery that is due and overdue has lost its execution."""
        delivery = ledger.deliveries.open(event, SUBSCRIBER, NOW)
        assert ledger.deliveries.overdue(NOW + GRACE_SECONDS - 1, 10) == []
        delivery = ledger.deliveries.note_attempt(delivery, replace(failed(1, NOW), pause=7_200), state)
        assert ledger.deliveries.overdue(NOW + 7_200 + GRACE_SECONDS - 1, 10) == []
        late = ledger.deliveries.overdue(NOW + 7_200 + 2 * GRACE_SECONDS + 1, 10)
        assert late == ([delivery] if state is DeliveryState.DUE else [])

    def test_a_new_run_begins_the_schedule_again_when_asked_to(self, ledger: Ledger, event: Event) -> None:
        """A replay gets the whole schedule, and a run that the sweeper repairs continues where it was."""
        delivery = ledger.deliveries.open(event, SUBSCRIBER, NOW)
        delivery = ledger.deliveries.note_attempt(
            delivery, failed(5, NOW, outcome=Outcome.FAILED, status=500), DeliveryState.FAILED
        )
        repaired = ledger.deliveries.start_run(delivery, pause=1, now=NOW, afresh=False)
        replayed = ledger.deliveries.start_run(repaired, pause=1, now=NOW, afresh=True)
        assert (repaired.state, repaired.base, repaired.run) == ("due", 0, 1)
        assert (replayed.base, replayed.run, replayed.attempts) == (5, 2, 5)
        assert ledger.deliveries.get(event.watch_id, event.id, "sub_1") == replayed

    def test_what_was_delivered_meanwhile_is_not_run_again(self, ledger: Ledger, event: Event) -> None:
        """A sweep reads two hundred deliveries, and reaches the last of them seconds later."""
        stale = ledger.deliveries.open(event, SUBSCRIBER, NOW)
        delivered = ledger.deliveries.note_attempt(stale, accepted(1, NOW), DeliveryState.DELIVERED)
        assert ledger.deliveries.start_run(stale, pause=1, now=NOW, afresh=False) == delivered
        assert ledger.deliveries.get(event.watch_id, event.id, "sub_1") == delivered

    def test_two_callers_who_start_a_run_start_the_same_one(self, ledger: Ledger, event: Event) -> None:
        """A replay and a sweep may start a run at once, and the run's name makes it one execution."""
        seen = ledger.deliveries.open(event, SUBSCRIBER, NOW)
        first = ledger.deliveries.start_run(seen, pause=1, now=NOW, afresh=True)
        assert ledger.deliveries.start_run(seen, pause=9, now=NOW, afresh=False) == first

    @pytest.mark.parametrize(
        ("attempt", "state", "left"),
        [
            (failed(1, NOW), DeliveryState.DUE, DeliveryState.DUE),
            (failed(1, NOW, outcome=Outcome.FAILED), DeliveryState.FAILED, DeliveryState.DUE),
            (accepted(1, NOW), DeliveryState.DELIVERED, DeliveryState.DELIVERED),
        ],
        ids=["due", "failed", "delivered"],
    )
    def test_an_attempt_of_an_older_run_ends_the_newer_only_by_delivering(
        self, ledger: Ledger, event: Event, attempt: Attempt, state: DeliveryState, left: DeliveryState
    ) -> None:
        """Otherwise the last attempt of the old schedule could end a replay that has just begun."""
        old = ledger.deliveries.open(event, SUBSCRIBER, NOW)
        new = ledger.deliveries.start_run(old, pause=1, now=NOW, afresh=True)
        ledger.deliveries.note_attempt(old, attempt, state)
        now = ledger.deliveries.get(event.watch_id, event.id, "sub_1")
        assert now.state is left
        assert (now == new) is (left is DeliveryState.DUE)


class TestSubscribers:
    def test_failures_at_once_set_the_first_and_the_last(self, ledger: Ledger) -> None:
        """Many deliveries may fail together, and all of them belong to one series of failures."""
        ledger.subscribers.put(SUBSCRIBER)
        ledger.subscribers.note_failure(SUBSCRIBER, NOW, None)
        at_once(
            *[lambda at=at: ledger.subscribers.note_failure(SUBSCRIBER, at, None) for at in (NOW + 1, NOW + 2, NOW + 3)]
        )
        seen = ledger.subscribers.note_failure(SUBSCRIBER, NOW + 60, NOW + 90)
        assert seen == ledger.subscribers.get("sub_1")
        assert seen is not None
        assert (seen.failing_since, seen.last_failure, seen.hold_until) == (NOW, NOW + 60, NOW + 90)

    def test_a_success_ends_the_series_of_failures(self, ledger: Ledger) -> None:
        """The wait that the subscriber asked for is not changed."""
        ledger.subscribers.put(SUBSCRIBER)
        ledger.subscribers.note_failure(SUBSCRIBER, NOW, NOW + 90)
        ledger.subscribers.note_failing_reported(SUBSCRIBER)
        ledger.subscribers.note_success(SUBSCRIBER)
        assert ledger.subscribers.get("sub_1") == replace(SUBSCRIBER, hold_until=NOW + 90)

    def test_of_many_at_once_one_moves_the_hold(self, ledger: Ledger) -> None:
        """It has the turn to try a subscriber that hangs, also one that was added before there were turns."""
        ledger.subscribers.put(SUBSCRIBER)
        moves = [lambda at=at: ledger.subscribers.move_hold(SUBSCRIBER, NOW + at) for at in range(1, 6)]
        assert at_once(*moves).count(True) == 1
        ledger.subscribers.put_state("sub_1", SubscriberState.ACTIVE, None)
        assert at_once(*moves).count(True) == 1

    def test_one_series_of_failures_is_reported_once(self, ledger: Ledger) -> None:
        """Fifty deliveries that fail at once are one report."""
        ledger.subscribers.put(SUBSCRIBER)
        reports = at_once(*[lambda: ledger.subscribers.note_failing_reported(SUBSCRIBER)] * 5)
        assert reports.count(True) == 1

    def test_a_removed_subscriber_does_not_come_back(self, ledger: Ledger) -> None:
        """A late failure or success must not make one of what it writes."""
        ledger.subscribers.put(SUBSCRIBER)
        ledger.subscribers.remove("sub_1")
        ledger.subscribers.note_failure(SUBSCRIBER, NOW, NOW + 60)
        ledger.subscribers.note_failing_reported(SUBSCRIBER)
        assert ledger.subscribers.disable("sub_1", "x") is False
        with pytest.raises(NotFound):
            ledger.subscribers.put_state("sub_1", SubscriberState.DISABLED, "x")
        with pytest.raises(NotFound):
            ledger.subscribers.get("sub_1")
        assert ledger.subscribers.all() == []

    def test_a_change_is_seen_at_once_by_all(self, ledger: Ledger) -> None:
        """Each keeps the subscribers in memory, and whoever is added must get the next event."""
        other = Ledger(ledger.table.name, clock=Clock(lambda: NOW))
        seen = [other.subscribers.all()]
        changes: list[Callable[[], object]] = [
            lambda: ledger.subscribers.put(SUBSCRIBER),
            lambda: ledger.subscribers.change("sub_1", {"url": "https://moved.example/"}),
            lambda: ledger.subscribers.put_state("sub_1", SubscriberState.PAUSED, "x"),
            lambda: ledger.subscribers.put_state("sub_1", SubscriberState.ACTIVE, None),
            lambda: ledger.subscribers.note_failure(SUBSCRIBER, NOW, NOW + 60),
            lambda: ledger.subscribers.note_pace(SUBSCRIBER, NOW + 30, 15.0),
            lambda: ledger.subscribers.disable("sub_1", "y"),
            lambda: ledger.subscribers.remove("sub_1"),
        ]
        for change in changes:
            change()
            assert other.subscribers.all() != seen[-1]
            seen.append(other.subscribers.all())
            assert seen[-1] == Ledger(ledger.table.name, clock=Clock(lambda: NOW)).subscribers.all()

    def test_a_thousand_subscribers_are_read_once(self, ledger: Ledger) -> None:
        """They are a megabyte, and a hundred events a second would be more than one partition gives."""
        units = list[float]()
        for number in range(60):
            ledger.subscribers.put(replace(SUBSCRIBER, id=f"sub_{number}", description="x" * 500))
        ledger.subscribers.note_failure(replace(SUBSCRIBER, id="sub_7"), NOW, None)

        def measured(**answer: Any) -> None:
            units.append(len(str(answer["parsed"].get("Items", []))))

        ledger.table.client.meta.events.register("after-call.dynamodb.Query", measured)
        found = [ledger.subscribers.all() for _ in range(3)]
        assert found[0] == found[1] == found[2]
        assert [each.id for each in found[2] if each.failing_since == NOW] == ["sub_7"]
        assert [size < 4_096 for size in units] == [True, False, True, True]

    def test_one_that_is_well_again_leaves_no_trace(
        self, ledger: Ledger, raw: Callable[[str, str], dict[str, Any]]
    ) -> None:
        """After an outage of all, each event would read all of them again."""
        ledger.subscribers.put(SUBSCRIBER)
        ledger.subscribers.note_failure(SUBSCRIBER, NOW, None)
        ledger.subscribers.note_pace(SUBSCRIBER, NOW + 30, 15.0)
        ledger.subscribers.note_pace(SUBSCRIBER, 0.0, 0.0)
        assert ledger.subscribers.get("sub_1").failing_since == NOW
        ledger.subscribers.note_success(SUBSCRIBER)
        assert raw("roster", "sub_1") == {}

    def test_a_resumed_subscriber_has_no_old_failures(self, ledger: Ledger) -> None:
        """Old failures must not disable it at the first new failure."""
        ledger.subscribers.put(SUBSCRIBER)
        ledger.subscribers.note_failure(SUBSCRIBER, NOW, NOW + 90)
        ledger.subscribers.put_state("sub_1", SubscriberState.DISABLED, "it answered 410 Gone")
        assert (ledger.subscribers.get("sub_1").active, ledger.subscribers.get("sub_1").reason) == (
            False,
            "it answered 410 Gone",
        )
        ledger.subscribers.put_state("sub_1", SubscriberState.ACTIVE, None)
        assert ledger.subscribers.get("sub_1") == replace(SUBSCRIBER, state_since=NOW)

    def test_a_callback_url_is_remembered_apart_as_long_as_its_events(
        self, ledger: Ledger, raw: Callable[[str, str], dict[str, Any]]
    ) -> None:
        """Its failures count for the next task too, and it must not expire while an event is delivered to it."""
        assert ledger.subscribers.callback(CALLBACK, NOW) == CALLBACK
        ledger.subscribers.note_failure(CALLBACK, NOW, None)
        later = NOW + 20 * DAY
        assert ledger.subscribers.callback(CALLBACK, later).failing_since == NOW
        assert raw("callbacks", "cb_1")["ttl"] == int(later) + 30 * DAY
        assert ledger.subscribers.all() == []


class TestTokens:
    def test_tokens_are_stored_until_they_are_answered(self, ledger: Ledger, watch: Watch) -> None:
        """Several executions may wait for one task, and a repeated submission waits only once."""
        for token in ("one", "two", "one"):
            ledger.tasks.put_token(watch.id, token, NOW)
        assert sorted(ledger.tasks.tokens(watch.id)) == ["one", "two"]
        ledger.tasks.remove_token(watch.id, "one")
        assert ledger.tasks.tokens(watch.id) == ["two"]

    def test_a_token_is_in_no_other_item(
        self, ledger: Ledger, watch: Watch, event: Event, raw: Callable[[str, str], dict[str, Any]]
    ) -> None:
        """A token is a credential, and people can see watches and events."""
        ledger.tasks.put_token(watch.id, "canary", NOW)
        assert "canary" not in str(raw(watch.id, "watch")) + str(raw(watch.id, "event"))


class TestProviders:
    def test_a_stored_file_wins_over_the_bundled_one(self, ledger: Ledger) -> None:
        """Several hosts may have the same format."""
        assert ledger.providers.get("alad").base_url == "https://ai.alad.com"
        text = bundled_text("alad").replace("https://ai.alad.com", "https://alad.example")
        ledger.providers.put("alad", text)
        assert ledger.providers.get("alad").base_url == "https://alad.example"
        assert ledger.providers.texts() == {"alad": text}
        assert ledger.providers.remove("alad") is True
        assert ledger.providers.remove("alad") is False
        assert ledger.providers.get("alad").base_url == "https://ai.alad.com"

    def test_a_provider_file_is_read_once_a_minute(self, table: str) -> None:
        """Every poll needs it, and it hardly ever changes; who changes it need not wait for long."""
        now = [NOW]
        poller, command = Ledger(table, clock=Clock(now=lambda: now[0])), Ledger(table)
        assert poller.providers.get("alad").base_url == "https://ai.alad.com"
        command.providers.put("alad", bundled_text("alad").replace("https://ai.alad.com", "https://alad.example"))
        now[0] += 59
        assert poller.providers.get("alad").base_url == "https://ai.alad.com"
        now[0] += 1
        assert poller.providers.get("alad").base_url == "https://alad.example"

    def test_a_new_provider_is_known_at_once(self, ledger: Ledger, table: str) -> None:
        """That there was none is not remembered."""
        with pytest.raises(NotFound):
            ledger.providers.get("acme")
        Ledger(table).providers.put("acme", bundled_text("alad").replace('name = "alad"', 'name = "acme"'))
        assert ledger.providers.get("acme").name == "acme"

    def test_the_nearest_name_of_an_unknown_provider_is_found(self, ledger: Ledger) -> None:
        """Most unknown names are typing errors."""
        with pytest.raises(NotFound, match='"vicse"'):
            ledger.providers.get("vicse")
        assert ledger.providers.nearest("vicse") == "vicsee"
        assert ledger.providers.nearest("something else") is None


class TestLearning:
    KIND = ("wan-2.2", "video")

    def teach(self, ledger: Ledger, seconds: float, number: int, kind: tuple[str, str] = KIND) -> bool:
        watch = Watch(Submission("acme", f"t{number}"), NOW)
        return ledger.paces.learn(watch, kind, Ended(seconds, seconds), outlook(Pace(), Pace(), None), NOW)

    def test_what_was_learned_of_a_kind_and_of_its_provider_is_read(self, ledger: Ledger) -> None:
        """A new model is expected to be like its provider's others until something is known of it."""
        for number in range(20):
            assert self.teach(ledger, 60 + number, number)
            assert self.teach(ledger, 600, number, ("other#model", "image"))
        own, all_of_them = ledger.paces.of("acme", self.KIND, NOW)
        assert (own.tasks, all_of_them.tasks) == (20, 40)
        assert ledger.paces.of("acme", None, NOW) == (Pace(), all_of_them)
        assert ledger.paces.of("another", self.KIND, NOW) == (Pace(), Pace())
        assert {kind: pace.tasks for kind, pace in ledger.paces.kinds("acme").items()} == {
            self.KIND: 20,
            ("other#model", "image"): 20,
        }

    def test_tasks_that_end_at_the_same_time_are_all_learned(self, ledger: Ledger) -> None:
        """At a hundred a second, two functions often write the same part."""
        written = at_once(*(partial(self.teach, ledger, 90, number) for number in range(40)))
        own, all_of_them = ledger.paces.of("acme", self.KIND, NOW)
        assert all(written)
        assert own.tasks == all_of_them.tasks == 40

    def test_no_item_takes_all_the_writes(self, ledger: Ledger, table: str) -> None:
        """An item takes a thousand writes a second, and one that everybody writes is refused much sooner."""
        for number in range(60):
            self.teach(ledger, 90, number)
        items = boto3.resource("dynamodb").Table(table).scan()["Items"]
        versions = [int(item["version"]) for item in items if str(item["sk"]).startswith("kind#")]  # type: ignore[arg-type]
        assert (len(versions), sum(versions)) == (8, 60)
        assert max(versions) < 20

    def test_what_was_learned_is_read_once_a_minute(self, ledger: Ledger) -> None:
        """A poll a second must not read it each time."""
        self.teach(ledger, 90, 1)
        assert ledger.paces.of("acme", self.KIND, NOW)[0].tasks == 1
        self.teach(ledger, 90, 2)
        assert ledger.paces.of("acme", self.KIND, NOW + 59)[0].tasks == 1
        assert ledger.paces.of("acme", self.KIND, NOW + 61)[0].tasks == 2

    def test_what_was_read_for_a_task_is_not_read_again_before_it_is_written(
        self, ledger: Ledger, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Each task that ends would pay for it twice; what is older may have been changed by others."""
        self.teach(ledger, 90, 1)
        read, batch = list[object](), ledger.table.batch

        def noted(keys: list[Any]) -> Any:
            read.append(keys)
            return batch(keys)

        monkeypatch.setattr(ledger.table, "batch", noted)
        ledger.paces.of("acme", self.KIND, NOW)
        assert (self.teach(ledger, 90, 1), len(read)) == (True, 0)
        ledger.paces.of("acme", self.KIND, NOW - 1)
        assert (self.teach(ledger, 90, 1), len(read)) == (True, 1)
        assert ledger.paces.of("acme", self.KIND, NOW + 61)[0].tasks == 3

    def test_what_was_learned_can_be_forgotten(self, ledger: Ledger) -> None:
        """A provider that changed everything need not be followed through what it once was."""
        for number, kind in enumerate([self.KIND, ("wan-2.2#fast", "video"), ("wan", "video"), self.KIND]):
            self.teach(ledger, 90, number, kind)
        assert ledger.paces.forget("acme", "wan-2.2") == 1
        assert set(ledger.paces.kinds("acme")) == {("wan-2.2#fast", "video"), ("wan", "video")}
        assert ledger.paces.forget("acme") == 2
        assert ledger.paces.of("acme", self.KIND, NOW) == (Pace(), Pace())
        assert ledger.paces.forget("acme") == 0


class TestForgetting:
    def test_everything_of_a_task_expires(
        self, ledger: Ledger, watch: Watch, event: Event, raw: Callable[[str, str], dict[str, Any]]
    ) -> None:
        """Events expire after their days, and a watch not before its execution's name is free (90 days)."""
        delivery = ledger.deliveries.open(event, SUBSCRIBER, NOW)
        ledger.deliveries.note_attempt(delivery, accepted(1, NOW), DeliveryState.DELIVERED)
        month = int(NOW) + 30 * DAY
        keys = ("event", f"delivery#{event.id}#sub_1", f"attempt#{event.id}#sub_1#0001")
        assert [raw(watch.id, key)["ttl"] for key in keys] == [month] * 3
        assert raw(watch.id, "watch")["ttl"] == int(event.at) + (NAME_DAYS + SPARE_DAYS) * DAY
        assert NAME_DAYS >= 90

    @pytest.mark.parametrize("days", [4, 30, 90, 101, 365])
    @pytest.mark.parametrize("late", [0, 60 * DAY])
    def test_a_watch_outlives_all_that_belongs_to_its_task(
        self, table: str, raw: Callable[[str, str], dict[str, Any]], days: int, late: int
    ) -> None:
        """Else the task could be submitted again, and its second watch could never end: its event is there already."""
        ledger = Ledger(table, event_days=days)
        watch, _ = ledger.tasks.claim(SUBMISSION, "run", 20, NOW)
        ends = NOW + SUBMISSION.deadline_seconds + late  # long after the deadline if everything was down
        event = ledger.tasks.put_event(terminal_event(watch, DONE, {}, ends))
        delivery = ledger.deliveries.open(event, SUBSCRIBER, ends + (days - 1) * DAY)  # a callback_url that came late
        ledger.deliveries.note_attempt(delivery, accepted(1, delivery.created_at), DeliveryState.DELIVERED)
        keys = ("event", f"delivery#{event.id}#sub_1", f"attempt#{event.id}#sub_1#0001")
        lives = raw(watch.id, "watch")["ttl"]
        assert all(raw(watch.id, key)["ttl"] < lives for key in keys)
        assert lives > ends + 90 * DAY

    def test_a_watch_whose_event_was_there_before_it_ends_with_that(self, ledger: Ledger, table: str) -> None:
        """Of stacks in which watches lived shorter than events: the sweeper would start it again for ever."""
        watch, _ = ledger.tasks.claim(SUBMISSION, "run", 20, NOW)
        event = ledger.tasks.put_event(terminal_event(watch, DONE, {}, NOW))
        boto3.resource("dynamodb").Table(table).delete_item(Key={"pk": watch.id, "sk": "watch"})
        again, created = ledger.tasks.claim(SUBMISSION, "run", 20, NOW + DAY)
        assert created
        assert ledger.tasks.put_event(terminal_event(again, DONE, {}, NOW + DAY)) == event
        assert ledger.tasks.watch(watch.id).event_id == event.id
        ledger.tasks.note_told(ledger.tasks.watch(watch.id))
        assert ledger.tasks.overdue(NOW + 10 * DAY, 10) == []

    def test_a_token_expires_after_the_longest_wait(self, ledger: Ledger, watch: Watch, table: str) -> None:
        """An execution waits for a year at most."""
        ledger.tasks.put_token(watch.id, "one", NOW)
        items = boto3.resource("dynamodb").Table(table).scan()["Items"]
        [expires] = [item["ttl"] for item in items if str(item["sk"]).startswith("token#")]
        assert isinstance(expires, Decimal)
        assert expires >= NOW + 365 * DAY

    def test_what_is_overdue_is_found_in_every_partition(self, ledger: Ledger) -> None:
        """The index has many partitions, and the sweeper must read all of them."""
        claimed = {ledger.tasks.claim(Submission("acme", str(number)), "run", 20, NOW)[0].id for number in range(40)}
        assert set(ledger.tasks.overdue(NOW + 10_000, 100)) == claimed
        assert len(ledger.tasks.overdue(NOW + 10_000, 7)) == 7

    def test_a_poll_seldom_changes_the_index(
        self, ledger: Ledger, watch: Watch, raw: Callable[[str, str], dict[str, Any]]
    ) -> None:
        """Each change of an index key costs two more writes."""
        before = raw(watch.id, "watch")["due_at"]
        for number in range(10):
            watch = ledger.tasks.note_poll(watch, Poll(NOW + 12 * number, "processing", 12), None, settled=False)
        assert raw(watch.id, "watch")["due_at"] - before in (0, GRACE_SECONDS)

    def test_an_idle_watch_is_found_when_it_is_overdue(self, ledger: Ledger, watch: Watch) -> None:
        """A watch that lost its execution, or never had one, must still end with an event."""
        assert ledger.tasks.overdue(NOW + 20 + GRACE_SECONDS - 1, 10) == []
        assert ledger.tasks.overdue(NOW + 20 + 2 * GRACE_SECONDS + 1, 10) == [watch.id]
        ledger.tasks.note_poll(watch, Poll(NOW + 20, "processing", 300), None, settled=False)
        assert ledger.tasks.overdue(NOW + 320 + GRACE_SECONDS - 1, 10) == []
        ledger.tasks.note_execution(watch, "again", NOW + 5_000)
        assert ledger.tasks.overdue(NOW + 5_000 + GRACE_SECONDS - 1, 10) == []
        assert ledger.tasks.watch(watch.id).execution == "again"
