"""The ledger keeps what it is given, writes once what must be written once, and finds what should have moved."""

import json
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any

import boto3
import pytest
from botocore.client import BaseClient
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from vidhook.edges.ledger import DAY, GRACE_SECONDS, HISTORY, WATCH_DAYS, Ledger
from vidhook.errors import NotFound
from vidhook.event import Event, terminal_event
from vidhook.providers.file import bundled_text
from vidhook.task import (
    Attempt,
    Category,
    Delivery,
    Poll,
    Snapshot,
    Source,
    Status,
    Submission,
    Subscriber,
    TaskError,
    Watch,
)

NOW = 1_777_287_600.5
SUBMISSION = Submission("acme", "t1", {"order": "17"})
DONE = Snapshot(Status.COMPLETED, sources=(Source("result", "video", "https://cdn.example/v.mp4"),))
SUBSCRIBER = Subscriber("sub_1", "https://hooks.example/", "stack/subscriber/sub_1", "v1", created_at=NOW)
CALLBACK = Subscriber("cb_1", "https://hooks.example/", "default", created_at=NOW)

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
    error=st.none() | st.builds(TaskError, st.sampled_from(Category), texts, texts, maybe, st.booleans()),
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
    st.sampled_from(["delivered", "retry", "gone", "failed"]),
    texts,
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
    texts,
    maybe,
    st.lists(texts, max_size=3).map(tuple),
    st.lists(texts, max_size=3).map(tuple),
    objects,
    texts,
    st.sampled_from(["active", "paused", "disabled"]),
    maybe,
    instants,
    instants,
    st.none() | instants,
    st.none() | instants,
    st.booleans(),
    st.booleans(),
)


@pytest.fixture
def ledger(table: str) -> Ledger:
    return Ledger(table)


@pytest.fixture
def watch(ledger: Ledger) -> Watch:
    return ledger.claim(SUBMISSION, SUBMISSION.id, 20, NOW)[0]


@pytest.fixture
def event(ledger: Ledger, watch: Watch) -> Event:
    return ledger.put_event(terminal_event(watch, DONE, {}, NOW))


@pytest.fixture
def raw(table: str) -> Callable[[str, str], dict[str, Any]]:
    """An item as DynamoDB has it."""

    def read(pk: str, sk: str) -> dict[str, Any]:
        return boto3.resource("dynamodb").Table(table).get_item(Key={"pk": pk, "sk": sk})["Item"]

    return read


def at_once(*calls: Callable[[], Any]) -> list[Any]:
    """The answers of calls that begin at the same moment, their requests mixed as chance has it.

    One request at a time, as DynamoDB takes those for one item: moto's own check and write are two steps.
    """
    gate, turn, request = threading.Barrier(len(calls)), threading.Lock(), BaseClient._make_api_call

    def in_turn(*arguments: Any) -> Any:
        with turn:
            return request(*arguments)

    def begin(call: Callable[[], Any]) -> Any:
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
        """What a poll learned is all that the next one knows."""
        claimed, created = ledger.claim(submission, "run", 20, NOW)
        if created:
            assert ledger.watch(submission.id) == claimed
        noted = ledger.note_poll(claimed, poll, snapshot, settled=False, progress=True)
        assert ledger.watch(submission.id) == noted
        assert (noted.snapshot, noted.history[-1], noted.progress_told) == (snapshot, poll, poll)

    @on_one_table
    @given(attempt=attempts)
    def test_an_attempt_comes_back_as_it_was(self, ledger: Ledger, attempt: Attempt) -> None:
        """The delivery log is evidence."""
        delivery = Delivery("evt_1", f"tsk_{attempt.number}", "sub_1", "video.completed", NOW)
        ledger.note_attempt(ledger.open_delivery(event_of(delivery), SUBSCRIBER, NOW), attempt, "due")
        assert ledger.attempts(delivery.watch_id) == [("evt_1", "sub_1", attempt)]

    @on_one_table
    @given(subscriber=subscribers)
    def test_a_subscriber_comes_back_as_it_was(self, ledger: Ledger, subscriber: Subscriber) -> None:
        """Its filter decides who is told."""
        ledger.put_subscriber(subscriber)
        assert ledger.subscriber("sub_1") == subscriber
        assert ledger.subscribers() == [subscriber]

    @on_one_table
    @given(metadata=objects, body=objects, at=instants)
    def test_an_event_comes_back_byte_for_byte(
        self, ledger: Ledger, metadata: dict[str, Any], body: dict[str, Any], at: float
    ) -> None:
        """Replays months later are signed over the same bytes."""
        submission = Submission("acme", json.dumps([metadata, body, at]))
        claimed, _ = ledger.claim(submission, "run", 20, NOW)
        event = Event("evt_1", "video.completed", claimed.id, "acme", at, json.dumps(body), metadata)
        assert ledger.put_event(event) == event == ledger.event(claimed.id)


def event_of(delivery: Delivery) -> Event:
    return Event(delivery.event_id, delivery.event_type, delivery.watch_id, "acme", NOW, "{}")


class TestWatches:
    def test_a_task_submitted_twice_is_one_watch(self, ledger: Ledger) -> None:
        """The first submission's wishes hold; the second only finds it."""
        first, created = ledger.claim(SUBMISSION, "a", 20, NOW)
        again, anew = ledger.claim(replace(SUBMISSION, metadata={"other": 1}), "b", 20, NOW + 5)
        assert (created, anew) == (True, False)
        assert again == first

    def test_of_many_submissions_at_once_one_makes_the_watch(self, ledger: Ledger) -> None:
        """Queues deliver twice."""
        answers = at_once(*[lambda: ledger.claim(SUBMISSION, "a", 20, NOW)] * 8)
        assert [created for _, created in answers].count(True) == 1

    def test_the_first_settling_poll_stands(self, ledger: Ledger, watch: Watch) -> None:
        """A second execution that polls later must not turn a told success into a failure."""
        failed = Snapshot(Status.FAILED, error=TaskError(Category.TIMEOUT, "X", "late"))
        settled = ledger.note_poll(watch, Poll(NOW + 20, "completed"), DONE, settled=True)
        late = ledger.note_poll(watch, Poll(NOW + 21, "failed"), failed, settled=True)
        assert late == settled == ledger.watch(watch.id)
        assert ledger.note_poll(watch, Poll(NOW + 22, "retry", 12), None, settled=False).snapshot == DONE

    def test_of_many_settling_polls_at_once_one_stands(self, ledger: Ledger, watch: Watch) -> None:
        """All of them go on with the same snapshot."""

        def settle(number: int) -> Callable[[], Watch]:
            snapshot = Snapshot(Status.FAILED, error=TaskError(Category.PROVIDER, "X", str(number)))
            return lambda: ledger.note_poll(watch, Poll(NOW + number, "failed"), snapshot, settled=True)

        seen = at_once(*[settle(number) for number in range(6)])
        assert {each.snapshot.error.message for each in seen} == {ledger.watch(watch.id).snapshot.error.message}

    def test_a_poll_without_news_keeps_the_snapshot(self, ledger: Ledger, watch: Watch) -> None:
        """A provider that is down has not taken back what it said."""
        underway = Snapshot(Status.PROCESSING, progress=40)
        noted = ledger.note_poll(watch, Poll(NOW + 20, "processing", 12), underway, settled=False)
        noted = ledger.note_poll(noted, Poll(NOW + 32, "timeout", 12), None, settled=False)
        assert (noted.snapshot, noted.polls, noted.paused) == (underway, 2, 20 + 12 + 12)
        assert [poll.answer for poll in ledger.watch(watch.id).history] == ["processing", "timeout"]

    def test_the_history_is_the_latest_polls(self, ledger: Ledger, watch: Watch) -> None:
        """A week of polls would outgrow the item."""
        for number in range(HISTORY + 3):
            watch = ledger.note_poll(watch, Poll(NOW + number, "processing", 12), None, settled=False)
        kept = ledger.watch(watch.id)
        assert [poll.at for poll in kept.history] == [NOW + number for number in range(3, HISTORY + 3)]
        assert kept.polls == HISTORY + 3

    def test_a_failed_copy_is_counted_beside_the_fresher_link(self, ledger: Ledger, watch: Watch) -> None:
        """The next copy uses the new link and knows how many went before."""
        fresher = replace(DONE, sources=(Source("result", "video", "https://cdn.example/new.mp4"),))
        ledger.note_failed_copy(ledger.note_poll(watch, Poll(NOW, "completed"), DONE, settled=True), fresher)
        assert (ledger.watch(watch.id).copies, ledger.watch(watch.id).snapshot) == (1, fresher)

    def test_what_is_not_there_is_told_as_such(self, ledger: Ledger, watch: Watch) -> None:
        """A job can say so instead of failing in an odd place."""
        for read in (
            lambda: ledger.watch("tsk_none"),
            lambda: ledger.event(watch.id),
            lambda: ledger.delivery(watch.id, "evt_1", "sub_1"),
            lambda: ledger.subscriber("sub_none"),
        ):
            with pytest.raises(NotFound, match="not in the ledger"):
                read()

    def test_watches_are_listed_newest_first(self, ledger: Ledger) -> None:
        """The latest is what a person looks for; seconds with few digits sort right too."""
        for at, task_id in ((99.0, "a"), (NOW, "b"), (1_000.5, "c")):
            ledger.claim(Submission("acme", task_id), "run", 20, at)
        assert [each.submission.task_id for each in ledger.watches()] == ["b", "c", "a"]
        assert [each.submission.task_id for each in ledger.watches(since=1_000.5)] == ["b", "c"]


class TestEvents:
    def test_a_watch_has_one_event_whoever_writes_it(self, ledger: Ledger, watch: Watch) -> None:
        """Two executions that end one watch differently tell the same."""
        failure = Snapshot(Status.FAILED, error=TaskError(Category.TIMEOUT, "X", "x"))
        made = [
            terminal_event(watch, snapshot, {}, NOW + number) for number, snapshot in enumerate([DONE, failure] * 4)
        ]
        told = at_once(*[lambda each=each: ledger.put_event(each) for each in made])
        assert {each.body for each in told} == {ledger.event(watch.id).body}

    def test_an_event_closes_its_watch(self, ledger: Ledger, watch: Watch, event: Event) -> None:
        """A closed watch is settled and out of the sweeper's sight."""
        closed = ledger.watch(watch.id)
        assert (closed.event_id, closed.settled) == (event.id, True)
        assert ledger.overdue_watches(NOW + 10 * DAY, 10) == []

    def test_an_event_needs_its_watch(self, ledger: Ledger) -> None:
        """An event of nothing would be told to everybody."""
        with pytest.raises(NotFound):
            ledger.put_event(Event("evt_1", "video.completed", "tsk_none", "acme", NOW, "{}"))


class TestDeliveries:
    def test_a_delivery_is_opened_once(self, ledger: Ledger, event: Event) -> None:
        """A repeated publishing finds how far the first came."""
        opened = ledger.open_delivery(event, SUBSCRIBER, NOW)
        noted = ledger.note_attempt(opened, Attempt(1, NOW, "retry", "http", 500, pause=5), "due")
        assert ledger.open_delivery(event, SUBSCRIBER, NOW + 60) == noted
        assert (noted.attempts, noted.next_at, noted.last) == (1, NOW + 5, "500")

    def test_a_story_is_one_tasks_alone_in_order(self, ledger: Ledger, event: Event) -> None:
        """Ten attempts come after nine."""
        delivery = ledger.open_delivery(event, SUBSCRIBER, NOW)
        for number in range(1, 13):
            delivery = ledger.note_attempt(delivery, Attempt(number, NOW + number, "retry", "dns", pause=5), "due")
        assert [attempt.number for _, _, attempt in ledger.attempts(event.watch_id)] == list(range(1, 13))
        assert ledger.deliveries(event.watch_id) == [delivery]
        assert ledger.deliveries("tsk_other") == []

    def test_a_subscribers_deliveries_are_listed_by_time(self, ledger: Ledger) -> None:
        """Held ones are drained oldest first; a replay takes all since a time."""
        for number, task_id in enumerate("abc"):
            claimed, _ = ledger.claim(Submission("acme", task_id), "run", 20, NOW)
            ledger.open_delivery(terminal_event(claimed, DONE, {}, NOW), SUBSCRIBER, NOW + number)
        times = [each.created_at for each in ledger.deliveries_to("sub_1")]
        assert times == [NOW, NOW + 1, NOW + 2]
        assert [each.created_at for each in ledger.deliveries_to("sub_1", since=NOW + 1)] == times[1:]
        assert [each.created_at for each in ledger.deliveries_to("sub_1", newest_first=True)] == times[::-1]
        assert list(ledger.deliveries_to("sub_2")) == []

    @pytest.mark.parametrize("state", ["due", "held", "delivered", "failed"])
    def test_only_due_deliveries_are_in_the_sweepers_sight(self, ledger: Ledger, event: Event, state: str) -> None:
        """A delivery that is due and does not move has lost its execution."""
        delivery = ledger.open_delivery(event, SUBSCRIBER, NOW)
        assert ledger.overdue_deliveries(NOW + GRACE_SECONDS - 1, 10) == []
        delivery = ledger.note_attempt(delivery, Attempt(1, NOW, "retry", "dns", pause=7_200), state)
        assert ledger.overdue_deliveries(NOW + 7_200 + GRACE_SECONDS - 1, 10) == []
        late = ledger.overdue_deliveries(NOW + 7_200 + 2 * GRACE_SECONDS + 1, 10)
        assert late == ([delivery] if state == "due" else [])

    def test_a_new_run_begins_the_schedule_anew_when_asked_to(self, ledger: Ledger, event: Event) -> None:
        """A replay gets the whole schedule; a mended one goes on where it stood."""
        delivery = ledger.open_delivery(event, SUBSCRIBER, NOW)
        delivery = ledger.note_attempt(delivery, Attempt(5, NOW, "failed", "http", 500), "failed")
        mended = ledger.start_run(delivery, pause=1, now=NOW, afresh=False)
        replayed = ledger.start_run(mended, pause=1, now=NOW, afresh=True)
        assert (mended.state, mended.base, mended.run) == ("due", 0, 1)
        assert (replayed.base, replayed.run, replayed.attempts) == (5, 2, 5)
        assert ledger.delivery(event.watch_id, event.id, "sub_1") == replayed

    def test_what_was_delivered_meanwhile_is_not_run_again(self, ledger: Ledger, event: Event) -> None:
        """A sweep reads two hundred, and comes to the last of them seconds later."""
        stale = ledger.open_delivery(event, SUBSCRIBER, NOW)
        delivered = ledger.note_attempt(stale, Attempt(1, NOW, "delivered", "http", 200), "delivered")
        assert ledger.start_run(stale, pause=1, now=NOW, afresh=False) == delivered
        assert ledger.delivery(event.watch_id, event.id, "sub_1") == delivered

    def test_two_who_start_a_run_start_the_same(self, ledger: Ledger, event: Event) -> None:
        """A replay and a sweep at once; the run's name then makes it one execution."""
        seen = ledger.open_delivery(event, SUBSCRIBER, NOW)
        first = ledger.start_run(seen, pause=1, now=NOW, afresh=True)
        assert ledger.start_run(seen, pause=9, now=NOW, afresh=False) == first

    @pytest.mark.parametrize(("state", "kept"), [("due", "due"), ("failed", "due"), ("delivered", "delivered")])
    def test_an_attempt_of_an_older_run_ends_the_newer_only_by_delivering(
        self, ledger: Ledger, event: Event, state: str, kept: str
    ) -> None:
        """Else a replay would be forgotten because the old schedule's last attempt was under way."""
        old = ledger.open_delivery(event, SUBSCRIBER, NOW)
        new = ledger.start_run(old, pause=1, now=NOW, afresh=True)
        ledger.note_attempt(old, Attempt(1, NOW, state, "http", pause=5), state)
        now = ledger.delivery(event.watch_id, event.id, "sub_1")
        assert now.state == kept
        assert (now == new) == (kept == "due")


class TestSubscribers:
    def test_failures_at_once_keep_the_first_and_the_last(self, ledger: Ledger) -> None:
        """Many deliveries fail together; the streak began with one of them and goes on."""
        ledger.put_subscriber(SUBSCRIBER)
        ledger.note_failure(SUBSCRIBER, NOW, None)
        at_once(*[lambda at=at: ledger.note_failure(SUBSCRIBER, at, None) for at in (NOW + 1, NOW + 2, NOW + 3)])
        seen = ledger.note_failure(SUBSCRIBER, NOW + 60, NOW + 90)
        assert seen == ledger.subscriber("sub_1")
        assert (seen.failing_since, seen.last_failure, seen.hold_until) == (NOW, NOW + 60, NOW + 90)

    def test_a_success_ends_the_streak(self, ledger: Ledger) -> None:
        """And leaves the quiet it asked for."""
        ledger.put_subscriber(SUBSCRIBER)
        ledger.note_failure(SUBSCRIBER, NOW, NOW + 90)
        ledger.note_failing_told(SUBSCRIBER)
        ledger.note_success(SUBSCRIBER)
        assert ledger.subscriber("sub_1") == replace(SUBSCRIBER, hold_until=NOW + 90)

    def test_operators_are_told_once_in_a_streak(self, ledger: Ledger) -> None:
        """Fifty deliveries failing at once are one piece of news."""
        ledger.put_subscriber(SUBSCRIBER)
        told = at_once(*[lambda: ledger.note_failing_told(SUBSCRIBER)] * 5)
        assert told.count(True) == 1

    def test_a_removed_subscriber_does_not_come_back(self, ledger: Ledger) -> None:
        """A late failure or success must not make half a subscriber."""
        ledger.put_subscriber(SUBSCRIBER)
        ledger.remove_subscriber("sub_1")
        assert ledger.note_failure(SUBSCRIBER, NOW, None) is None
        ledger.note_success(SUBSCRIBER)
        assert ledger.note_failing_told(SUBSCRIBER) is False
        with pytest.raises(NotFound):
            ledger.put_state("sub_1", "disabled", "x")
        assert ledger.subscribers() == []

    def test_a_resumed_subscriber_begins_afresh(self, ledger: Ledger) -> None:
        """Old failures must not disable it at the first new one."""
        ledger.put_subscriber(SUBSCRIBER)
        ledger.note_failure(SUBSCRIBER, NOW, NOW + 90)
        ledger.put_state("sub_1", "disabled", "it answered 410 Gone")
        assert (ledger.subscriber("sub_1").active, ledger.subscriber("sub_1").reason) == (False, "it answered 410 Gone")
        ledger.put_state("sub_1", "active", None)
        assert ledger.subscriber("sub_1") == SUBSCRIBER

    def test_a_callback_url_is_remembered_apart_as_long_as_its_events(
        self, ledger: Ledger, raw: Callable[[str, str], dict[str, Any]]
    ) -> None:
        """Its failures count for the next task too, and it must not expire while a delivery to it is under way."""
        assert ledger.callback(CALLBACK, NOW) == CALLBACK
        ledger.note_failure(CALLBACK, NOW, None)
        later = NOW + 20 * DAY
        assert ledger.callback(CALLBACK, later).failing_since == NOW
        assert raw("callbacks", "cb_1")["ttl"] == int(later) + 30 * DAY
        assert ledger.subscribers() == []


class TestTokens:
    def test_tokens_are_kept_until_they_are_answered(self, ledger: Ledger, watch: Watch) -> None:
        """Several executions may wait for one task; a repeated submission waits once."""
        for token in ("one", "two", "one"):
            ledger.put_token(watch.id, token, NOW)
        assert sorted(ledger.tokens(watch.id)) == ["one", "two"]
        ledger.remove_token(watch.id, "one")
        assert ledger.tokens(watch.id) == ["two"]

    def test_a_token_is_in_no_other_item(
        self, ledger: Ledger, watch: Watch, event: Event, raw: Callable[[str, str], dict[str, Any]]
    ) -> None:
        """It is a credential; watches and events are shown to people."""
        ledger.put_token(watch.id, "canary", NOW)
        assert "canary" not in str(raw(watch.id, "watch")) + str(raw(watch.id, "event"))


class TestProviders:
    def test_a_kept_file_wins_over_the_bundled_one(self, ledger: Ledger) -> None:
        """The same dialect is spoken at many addresses."""
        assert ledger.provider("alad").base_url == "https://ai.alad.com"
        text = bundled_text("alad").replace("https://ai.alad.com", "https://alad.example")
        ledger.put_provider_file("alad", text)
        assert ledger.provider("alad").base_url == "https://alad.example"
        assert ledger.provider_files() == {"alad": text}
        assert ledger.remove_provider_file("alad") is True
        assert ledger.remove_provider_file("alad") is False
        assert ledger.provider("alad").base_url == "https://ai.alad.com"

    def test_an_unknown_provider_is_told_its_nearest(self, ledger: Ledger) -> None:
        """Most unknown names are misspelled ones."""
        with pytest.raises(NotFound, match='"vicse"'):
            ledger.provider("vicse")
        assert ledger.nearest_provider("vicse") == "vicsee"
        assert ledger.nearest_provider("something else") is None


class TestForgetting:
    def test_everything_of_a_task_is_forgotten_in_time(
        self, ledger: Ledger, watch: Watch, event: Event, raw: Callable[[str, str], dict[str, Any]]
    ) -> None:
        """Events after their days; a watch not before Step Functions frees its execution's name (90 days)."""
        delivery = ledger.open_delivery(event, SUBSCRIBER, NOW)
        ledger.note_attempt(delivery, Attempt(1, NOW, "delivered", "http", 200), "delivered")
        month = int(NOW) + 30 * DAY
        keys = ("event", f"delivery#{event.id}#sub_1", f"attempt#{event.id}#sub_1#0001")
        assert [raw(watch.id, key)["ttl"] for key in keys] == [month] * 3
        assert raw(watch.id, "watch")["ttl"] == int(NOW) + SUBMISSION.deadline_seconds + WATCH_DAYS * DAY
        assert WATCH_DAYS > 90

    def test_a_token_outlives_every_wait(self, ledger: Ledger, watch: Watch, table: str) -> None:
        """An execution waits for a year at most."""
        ledger.put_token(watch.id, "one", NOW)
        items = boto3.resource("dynamodb").Table(table).scan()["Items"]
        assert next(item["ttl"] for item in items if item["sk"].startswith("token#")) >= NOW + 365 * DAY

    def test_what_is_overdue_is_found_wherever_its_key_lies(self, ledger: Ledger) -> None:
        """The index is spread over many partitions, and the sweeper looks into each."""
        claimed = {ledger.claim(Submission("acme", str(number)), "run", 20, NOW)[0].id for number in range(40)}
        assert set(ledger.overdue_watches(NOW + 10_000, 100)) == claimed
        assert len(ledger.overdue_watches(NOW + 10_000, 7)) == 7

    def test_a_poll_seldom_touches_the_index(
        self, ledger: Ledger, watch: Watch, raw: Callable[[str, str], dict[str, Any]]
    ) -> None:
        """Each change of a key costs two writes more."""
        before = raw(watch.id, "watch")["due_at"]
        for number in range(10):
            watch = ledger.note_poll(watch, Poll(NOW + 12 * number, "processing", 12), None, settled=False)
        assert raw(watch.id, "watch")["due_at"] - before in (0, GRACE_SECONDS)

    def test_an_idle_watch_is_found_once_it_should_have_moved(self, ledger: Ledger, watch: Watch) -> None:
        """A watch that was claimed and never started, or lost its execution, must not end in silence."""
        assert ledger.overdue_watches(NOW + 20 + GRACE_SECONDS - 1, 10) == []
        assert ledger.overdue_watches(NOW + 20 + 2 * GRACE_SECONDS + 1, 10) == [watch.id]
        ledger.note_poll(watch, Poll(NOW + 20, "processing", 300), None, settled=False)
        assert ledger.overdue_watches(NOW + 320 + GRACE_SECONDS - 1, 10) == []
        ledger.note_execution(watch, "again", NOW + 5_000)
        assert ledger.overdue_watches(NOW + 5_000 + GRACE_SECONDS - 1, 10) == []
        assert ledger.watch(watch.id).execution == "again"
