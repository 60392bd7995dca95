"""Pages of deliveries: together they hold each one once and in order, whatever arrives between two of them."""

from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, replace
from functools import partial
from itertools import count, islice
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.integration.memory import Table, exceptions_of
from vidhook.edges.ledger import Ledger
from vidhook.edges.ledger import table as edge
from vidhook.errors import BadInput, NotFound
from vidhook.event import Event, progress_event, terminal_event
from vidhook.task import (
    Attempt,
    AttemptKind,
    Delivery,
    DeliveryState,
    Outcome,
    Snapshot,
    Status,
    Submission,
    Subscriber,
    derived_id,
)

NOW = 1_777_287_600.0
EXCEPTIONS = exceptions_of("dynamodb")
NAMES = [derived_id(prefix, str(number)) for number, prefix in enumerate(("sub", "sub", "sub", "cb"))]
ENDS = (Status.COMPLETED, Status.FAILED)

states = st.sampled_from(DeliveryState)

Page = tuple[list[Delivery], str | None]


class Office:
    """A ledger in memory, and everything that was written into it."""

    def __init__(self) -> None:
        self.requests = 0
        table: Any = Table(EXCEPTIONS, lambda write: write(), self.count)
        self.ledger = Ledger("ledger", client=table)
        self.events: list[Event] = []
        self.made: list[Delivery] = []
        self._tasks = count()

    def count(self) -> None:
        self.requests += 1

    def publish(self, at: float, end: Status = Status.COMPLETED) -> Event:
        watch = self.ledger.tasks.claim(Submission("acme", f"t{next(self._tasks)}"), "run", 20, NOW)[0]
        self.events.append(self.ledger.tasks.put_event(terminal_event(watch, Snapshot(end), {}, at)))
        return self.events[-1]

    def deliver(self, event: Event, name: str, state: DeliveryState, after: float = 0.0) -> None:
        """Opens a delivery in this state, `after` seconds after its event, unless there is one."""
        if (event.id, name) not in map(key, self.made):
            known = Subscriber(name, "https://hooks.example/", "secret", created_at=NOW)
            made = self.ledger.deliveries.open(event, known, event.at + after)
            self.made.append(self.ledger.deliveries.change(replace(made, state=state)))


@dataclass(frozen=True)
class Wanted:
    """The filters of a list."""

    subscriber_id: str | None
    state: DeliveryState | None
    event_type: str | None
    since: float

    def of(self, office: Office) -> list[Delivery]:
        """Returns what the list must hold, in its order."""
        at = {event.id: event.at for event in office.events}

        def instant(each: Delivery) -> float:
            return each.created_at if self.subscriber_id else at[each.event_id]

        found = sorted(office.made, key=lambda each: each.subscriber_id)
        found.sort(key=lambda each: (instant(each), each.event_id), reverse=True)
        return [each for each in found if self._fits(each) and instant(each) >= self.since]

    def _fits(self, each: Delivery) -> bool:
        given = (self.subscriber_id, self.state, self.event_type)
        known = (each.subscriber_id, each.state, each.event_type)
        return all(one in (None, other) for one, other in zip(given, known, strict=True))


def key(delivery: Delivery) -> tuple[str, str]:
    return delivery.event_id, delivery.subscriber_id


def walk(read: Callable[..., Page], between: Callable[[], Any] = lambda: None) -> Iterator[list[Delivery]]:
    """Yields all pages; `between` is done before each page but the first."""
    page, cursor = read()
    yield page
    while cursor is not None:
        between()
        page, cursor = read(cursor=cursor)
        yield page


@pytest.fixture
def few_reads(monkeypatch: pytest.MonkeyPatch) -> Callable[[int], None]:
    """Sets how much is read for one page."""
    return lambda reads: monkeypatch.setattr(edge, "PAGE_READS", reads)


@settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_pages_together_hold_each_delivery_once_and_in_order(
    few_reads: Callable[[int], None], data: st.DataObject
) -> None:
    """For each filter, limit and number of reads, also when older and newer ones arrive between two pages."""
    office = Office()

    def arrive() -> None:
        """One more event, at any time, with some deliveries; and one more delivery of an event that was there."""
        event = office.publish(NOW + data.draw(st.integers(0, 3)), data.draw(st.sampled_from(ENDS)))
        for name in sorted(data.draw(st.sets(st.sampled_from(NAMES)))):
            office.deliver(event, name, data.draw(states), data.draw(st.integers(0, 2)))
        office.deliver(
            data.draw(st.sampled_from(office.events)), data.draw(st.sampled_from(NAMES)), data.draw(states), 9
        )

    for _ in range(data.draw(st.integers(1, 6))):
        arrive()
    few_reads(data.draw(st.sampled_from([2, 3, 7, 1_000])))
    limit = data.draw(st.integers(1, 5))
    wanted = Wanted(
        data.draw(st.sampled_from([None, *sorted({each.subscriber_id for each in office.made})])),
        data.draw(st.none() | states),
        data.draw(st.sampled_from([None, "video.completed", "video.failed"])),
        data.draw(st.sampled_from([0.0, NOW + 1, NOW + 2])),
    )
    before = [key(each) for each in wanted.of(office)]
    arrivals = iter([arrive] * 3)
    read = partial(office.ledger.deliveries.page, most=limit, **asdict(wanted))
    pages = list(islice(walk(read, lambda: next(arrivals, lambda: None)()), 200))
    seen = [each for page in pages for each in page]
    assert all(len(page) <= limit for page in pages)
    assert [key(each) for each in seen if key(each) in before] == before
    assert len({key(each) for each in seen}) == len(seen)
    assert seen == [each for each in wanted.of(office) if each in seen]


@settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_pages_of_a_task_hold_each_of_its_deliveries_once(
    few_reads: Callable[[int], None], data: st.DataObject
) -> None:
    """Those of its progress too, and each page brings the attempts of its own deliveries alone."""
    office = Office()
    event, _other = office.publish(NOW), office.publish(NOW)
    watch = office.ledger.tasks.watch(event.watch_id)
    events = [event, progress_event(watch, Snapshot(Status.PROCESSING), NOW)]
    log: dict[tuple[str, str], list[Attempt]] = {}

    def arrive() -> None:
        one, name = data.draw(st.sampled_from(events)), data.draw(st.sampled_from(NAMES))
        if (one.id, name) not in log:
            office.deliver(one, name, DeliveryState.DUE)
            tries = data.draw(st.integers(0, 3))
            log[one.id, name] = [Attempt(n, NOW + n, Outcome.RETRY, AttemptKind.DNS) for n in range(1, tries + 1)]
            for attempt in log[one.id, name]:
                made = office.ledger.deliveries.get(one.watch_id, one.id, name)
                office.ledger.deliveries.note_attempt(made, attempt, DeliveryState.DUE)

    for _ in range(data.draw(st.integers(0, 8))):
        arrive()
    few_reads(data.draw(st.sampled_from([1, 5, 1_000])))
    limit, before = data.draw(st.integers(1, 5)), sorted(log)

    read = partial(office.ledger.deliveries.page_of_task, event.watch_id, most=limit)
    seen: list[tuple[str, str]] = []
    for page in islice(walk(read, arrive), 50):
        assert len(page) <= limit
        attempts = office.ledger.deliveries.attempts(event.watch_id, page)
        assert attempts == {key(each): log[key(each)] for each in page if log[key(each)]}
        seen += map(key, page)
    assert [each for each in seen if each in before] == before
    assert seen == sorted(set(seen))


def test_a_page_with_many_attempts_is_short() -> None:
    """An attempt may hold 4 KiB of an answer, and Lambda gives no answer above 6 MB."""
    office = Office()
    event = office.publish(NOW)
    for name in NAMES:
        office.deliver(event, name, DeliveryState.DUE)
        made = office.ledger.deliveries.get(event.watch_id, event.id, name)
        office.ledger.deliveries.change(replace(made, attempts=300))
    read = partial(office.ledger.deliveries.page_of_task, event.watch_id, most=100)
    assert [len(page) for page in walk(read)] == [2, 2]


def test_an_end_after_a_retry_is_listed_too() -> None:
    """A task that was retried may have two terminal events, and both are delivered."""
    office = Office()
    first = office.publish(NOW, Status.FAILED)
    watch = office.ledger.tasks.watch(first.watch_id)
    office.ledger.tasks.reopen(replace(watch, retries=1, event_id=None), first.id, 20, NOW)
    second = office.ledger.tasks.put_event(terminal_event(watch, Snapshot(Status.COMPLETED), {}, NOW + 60), retries=1)
    for event in (first, second):
        office.deliver(event, NAMES[0], DeliveryState.DELIVERED)
    page, cursor = office.ledger.deliveries.page(most=5)
    assert ([each.event_id for each in page], cursor) == ([second.id, first.id], None)


def test_events_of_another_type_cost_no_request_of_their_own() -> None:
    """Else a page of a rare type would come to its end after few events."""
    office = Office()
    for number in range(30):
        office.publish(NOW + number)
    office.requests = 0
    office.ledger.deliveries.page(most=20, event_type="video.failed")
    assert office.requests == 2  # for the keys of the events, and for the events


def test_a_removed_subscribers_deliveries_are_still_listed() -> None:
    """Why it did not get them may be the reason that it was removed; but an id that was never ours is a mistake."""
    office = Office()
    office.deliver(office.publish(NOW), NAMES[0], DeliveryState.CANCELLED)
    read = office.ledger.deliveries.page
    assert len(read(most=5, subscriber_id=NAMES[0])[0]) == 1
    assert read(most=5, subscriber_id=NAMES[0], state="held") == ([], None)
    with pytest.raises(NotFound, match=NAMES[1]):
        read(most=5, subscriber_id=NAMES[1])
    office.ledger.subscribers.put(Subscriber(NAMES[1], "https://hooks.example/", "secret", created_at=NOW))
    assert read(most=5, subscriber_id=NAMES[1]) == ([], None)


def test_progress_without_a_subscriber_is_refused() -> None:
    """Only terminal events are listed, so an empty list would say what is not so."""
    with pytest.raises(BadInput, match=r"type: video\.progress .*subscriber"):
        Office().ledger.deliveries.page(most=5, event_type="video.progress")


def test_a_cursor_of_another_list_is_refused() -> None:
    """It would lead to a place that means nothing there, and deliveries would be left out silently."""
    office = Office()
    events = [office.publish(NOW + number) for number in range(2)]
    for event in events:
        for name in NAMES[:2]:
            office.deliver(event, name, DeliveryState.DUE)
    ledger = office.ledger
    lists: list[Callable[..., tuple[Any, str | None]]] = [
        partial(ledger.tasks.page, lambda _: True, most=1),
        partial(ledger.deliveries.page, most=1),
        *(partial(ledger.deliveries.page, most=1, subscriber_id=name) for name in NAMES[:2]),
        *(partial(ledger.deliveries.page_of_task, event.watch_id, most=1) for event in events),
    ]
    for one in lists:
        _, cursor = one()
        assert cursor is not None
        for other in lists:
            if other is one:
                other(cursor=cursor)
            else:
                with pytest.raises(BadInput, match=r"cursor: .*`next` of the page before"):
                    other(cursor=cursor)
