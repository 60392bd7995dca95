"""Deliveries, their attempts, and the line in which they wait for a subscriber."""

import json
from collections import Counter
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import replace
from itertools import chain, islice
from typing import Any

from vidhook.edges.ledger.table import (
    BATCH,
    DAY,
    FIRST_POSITION,
    LAST_POSITION,
    PAGE_READS,
    STALE_SECONDS,
    Item,
    Table,
    due_from,
    due_shard,
    fact_of,
    health_key,
    holding_since,
    key_of,
    packed,
    page_of,
    position_in,
    sortable,
    subscriber_key,
    unpacked,
    values_of,
)
from vidhook.errors import BadInput, LostRace, NotFound
from vidhook.event import Event, serialize
from vidhook.task import TERMINAL_TYPES, Attempt, Delivery, DeliveryState, Subscriber, Watch

ATTEMPT_READS = 2  # an attempt counts for so many of them: it may hold 4 KiB, and Lambda's answers 6 MB
EVENTS_AT_ONCE = 10  # events whose deliveries are asked for at the same time; each takes a request of its own
LINE_READS = 5  # the one that has its turn is most often the first


class Deliveries:
    """Reads and writes what becomes of events."""

    def __init__(self, table: Table) -> None:
        self._table = table

    def open(self, event: Event, subscriber: Subscriber, now: float) -> Delivery:
        """Returns the delivery of an event to a subscriber, new or existing. A new one is `due` until it is settled.

        It is stored for as long as its event, without which it cannot be sent.
        """
        delivery = self.new(event, subscriber, now)
        if self._table.put_new(_new_item(delivery)):
            return delivery
        return self.get(event.watch_id, event.id, subscriber.id)

    def new(self, event: Event, subscriber: Subscriber, now: float) -> Delivery:
        """Returns the delivery of an event to a subscriber as it begins, not written yet."""
        expires_at = self._table.event_ttl(event.at)
        return Delivery(event.id, event.watch_id, subscriber.id, event.type, now, expires_at=expires_at)

    def add(self, made: Sequence[tuple[Delivery, Attempt | None]]) -> None:
        """Writes up to 50 new deliveries, each with its first attempt, if there was one, in one request.

        One that another publishing has added meanwhile stays as it is, but has this attempt in its log too, and is
        delivered if that succeeded.
        """
        if len(made) > 1:
            items = [_new_item(delivery) for delivery, _ in made]
            items += [self._attempt_item(delivery, attempt) for delivery, attempt in made if attempt]
            new = {"TableName": self._table.name, "ConditionExpression": "attribute_not_exists(pk)"}
            writes: Any = [{"Put": {**new, "Item": packed(item)}} for item in items]
            with suppress(self._table.client.exceptions.TransactionCanceledException):
                self._table.client.transact_write_items(TransactItems=writes)
                return
        for delivery, attempt in made:
            self._add_delivery(delivery, attempt)

    def _add_delivery(self, delivery: Delivery, attempt: Attempt | None) -> None:
        if attempt is not None:
            delivery = replace(delivery, attempts=self._log(delivery, attempt).number)
        if not self._table.put_new(_new_item(delivery)) and delivery.state is DeliveryState.DELIVERED:
            self.change(delivery)

    def get(self, watch_id: str, event_id: str, subscriber_id: str) -> Delivery:
        """Returns a delivery. Raises NotFound."""
        key = f"delivery#{event_id}#{subscriber_id}"
        return fact_of(Delivery, self._table.get(watch_id, key, f"delivery of {event_id} to {subscriber_id}"))

    def note_attempt(self, delivery: Delivery, attempt: Attempt, state: DeliveryState) -> Delivery:
        """Writes an attempt into the log, then its delivery. Returns the delivery as it now stands.

        If another execution has made an attempt of this number meanwhile, this one gets the next number.
        """
        wanted, attempt = attempt.number, self._log(delivery, attempt)
        # What others tried does not shorten the schedule of this run.
        base = delivery.base + attempt.number - wanted
        return self.change(replace(delivery.after(attempt, state), base=base))

    def _log(self, delivery: Delivery, attempt: Attempt) -> Attempt:
        while True:
            try:
                self._table.client.put_item(
                    TableName=self._table.name,
                    Item=packed(self._attempt_item(delivery, attempt)),
                    # The same attempt may be written twice: a request whose answer was lost is repeated.
                    ConditionExpression="attribute_not_exists(pk) OR #at = :at",
                    ExpressionAttributeNames={"#at": "at"},
                    ExpressionAttributeValues=packed({":at": attempt.at}),
                )
            except self._table.client.exceptions.ConditionalCheckFailedException:
                attempt = replace(attempt, number=attempt.number + 1)
            else:
                return attempt

    def _attempt_item(self, delivery: Delivery, attempt: Attempt) -> Item:
        sk = f"attempt#{delivery.event_id}#{delivery.subscriber_id}#{attempt.number:04}"
        expires_at = delivery.expires_at or self._table.event_ttl(attempt.at)
        return {**key_of(delivery.watch_id, sk), **values_of(attempt), "ttl": expires_at}

    def change(self, delivery: Delivery) -> Delivery:
        """Writes what became of a delivery in its current run. Returns the delivery as it now stands.

        Only a due delivery changes, and only by its current run. But a success counts whichever run had it, and
        whatever was written meanwhile; then the state alone is written, so that a newer run keeps its number.
        """
        try:
            self._write_delivery(delivery, replace(delivery, state=DeliveryState.DUE))
        except LostRace:
            with suppress(LostRace):
                if delivery.state is DeliveryState.DELIVERED:
                    delivered = {"state": delivery.state, "next_at": None, "due": None, "due_at": None}
                    self._table.update(_delivery_key(delivery), delivered)
            with suppress(NotFound):
                return self.get(delivery.watch_id, delivery.event_id, delivery.subscriber_id)
        return delivery

    def cancel(self, delivery: Delivery) -> None:
        """Cancels a delivery that is as it was read, such as a held one of a subscriber that was removed."""
        with suppress(LostRace):
            self._write_delivery(replace(delivery, state=DeliveryState.CANCELLED, next_at=None), delivery)

    def _write_delivery(self, delivery: Delivery, seen: Delivery) -> None:
        """Writes a delivery if its state and run are those seen. Raises LostRace."""
        values = {**values_of(delivery), **_delivery_due(delivery)}
        condition = "#state = :seen_state AND #run = :seen_run"
        self._table.update(_delivery_key(delivery), values, condition, {"state": seen.state, "run": seen.run})

    def of_event(self, event: Event) -> dict[str, Delivery]:
        """Returns the deliveries of an event, by subscriber."""
        of_event = f"{event.id}#"
        return {each.subscriber_id: each for each in self._deliveries(event.watch_id, of_event, of_event)}

    def counts(self, watches: Sequence[Watch]) -> dict[str, Counter[str]]:
        """Returns for each task how many deliveries of its terminal event are in which state."""

        def counted(watch: Watch) -> Counter[str]:
            event = f"{watch.event_id}#"
            return Counter(each.state for each in self._deliveries(watch.id, event, event))

        counts, ended = {each.id: Counter[str]() for each in watches}, [each for each in watches if each.event_id]
        with ThreadPoolExecutor(EVENTS_AT_ONCE) as pool:
            return counts | dict(zip((each.id for each in ended), pool.map(counted, ended), strict=True))

    def of_task(self, watch_id: str) -> list[Delivery]:
        """Returns all deliveries of one task's events."""
        return list(self._deliveries(watch_id))

    def page_of_task(self, watch_id: str, *, most: int, cursor: str | None = None) -> tuple[list[Delivery], str | None]:
        """Returns the first `most` deliveries of one task, and the cursor of the next page, None on the last page.

        They are ordered by event and subscriber. A page with many attempts is short, since with their log it must fit
        into one answer. Raises BadInput for a cursor of another list.
        """
        found = self._deliveries(watch_id, after=position_in(watch_id, cursor) or "")
        steps = ((f"{each.event_id}#{each.subscriber_id}", each) for each in found)
        return page_of(watch_id, steps, lambda _: True, most, lambda each: 1 + each.attempts * ATTEMPT_READS)

    def page(
        self,
        *,
        most: int,
        subscriber_id: str | None = None,
        state: str | None = None,
        event_type: str | None = None,
        since: float = 0.0,
        cursor: str | None = None,
    ) -> tuple[list[Delivery], str | None]:
        """Returns the newest `most` deliveries of these, and the cursor of the next page, None on the last page.

        Those to a subscriber are ordered by when they were opened. Without one, they are those of terminal events,
        ordered by the instant of the event. `since` is of the same time. A page may be short as in `Tasks.page`. Raises
        BadInput for a cursor of another list, or a type that no terminal event has, and NotFound for a subscriber of
        which nothing is known.
        """

        def wanted(delivery: Delivery) -> bool:
            return state in (None, delivery.state) and event_type in (None, delivery.event_type)

        if subscriber_id is None:
            if event_type not in (None, *TERMINAL_TYPES):
                hint = "give a subscriber too, or the type of a terminal event"
                raise BadInput("type", f"{event_type} is found only among the deliveries to one subscriber", hint)
            return page_of("events", self._of_events(event_type, since, position_in("events", cursor)), wanted, most)
        after = position_in(subscriber_id, cursor)
        found = self._table.listed(subscriber_id, since=since, newest_first=True, after=after)
        steps = ((item["listed_at"], fact_of(Delivery, item)) for item in found)
        page, following = page_of(subscriber_id, steps, wanted, most)
        if not page and next(self.to(subscriber_id), None) is None:
            key = subscriber_key(
                subscriber_id
            )  # it is a filter, but an id that was never ours is more likely a mistake
            self._table.get(key["pk"], key["sk"], f"subscriber {subscriber_id}")
        return page, following

    def _of_events(
        self, event_type: str | None, since: float, after: str | None
    ) -> Iterator[tuple[str, Delivery | None]]:
        """Yields the deliveries of terminal events with their positions, the newest event first.

        Each event comes before its deliveries as a step without one: it takes a request too.
        """
        resumed, _, last = (after or "").rpartition("#")

        def begun(item: Item) -> Iterator[Delivery]:
            if event_type not in (None, item["type"]):
                return iter(())
            event = f"{item['id']}#"
            found = self._deliveries(item["pk"], event, event + last if item["listed_at"] == resumed else event)
            return chain(list(islice(found, BATCH)), found)

        # A position begins with its event's, so it comes after that: the event itself is read again.
        events = self._table.listed("events", since=since, newest_first=True, after=after)
        with ThreadPoolExecutor(EVENTS_AT_ONCE) as pool:
            while items := list(islice(events, EVENTS_AT_ONCE)):
                for item, deliveries in zip(items, pool.map(begun, items), strict=True):
                    yield f"{item['listed_at']}#", None
                    for delivery in deliveries:
                        yield f"{item['listed_at']}#{delivery.subscriber_id}", delivery

    def _deliveries(self, watch_id: str, within: str = "", after: str = "") -> Iterator[Delivery]:
        """Yields the deliveries of one task by their keys: those that begin with `within` and come after `after`."""
        span = (f"delivery#{after}", f"delivery#{within}{LAST_POSITION}")
        for item in self._table.items(watch_id, span=span, size=BATCH):
            if item["sk"] != span[0]:
                yield fact_of(Delivery, item)

    def attempts(self, watch_id: str, page: Sequence[Delivery] | None = None) -> dict[tuple[str, str], list[Attempt]]:
        """Returns the attempts for one task by (event id, subscriber id), oldest first.

        With a page of its deliveries, in their order, only the attempts from the first of them to the last.
        """
        span, log = None, dict[tuple[str, str], list[Attempt]]()
        if page is not None:
            if not page:
                return log
            first, last = (f"attempt#{each.event_id}#{each.subscriber_id}#" for each in (page[0], page[-1]))
            span = first, last + LAST_POSITION
        for item in self._table.items(watch_id, "attempt#", span=span):
            _, event_id, subscriber_id, _ = item["sk"].split("#")
            log.setdefault((event_id, subscriber_id), []).append(fact_of(Attempt, item))
        return log

    def start_run(self, delivery: Delivery, *, pause: int, now: float, afresh: bool) -> Delivery:
        """Opens a delivery's next run, to be started as an execution; `afresh` begins its schedule of retries again.

        Returns the delivery as it now stands: one that changed its state or its run since it was read is left alone.
        """
        changed = replace(
            delivery,
            state=DeliveryState.DUE,
            run=delivery.run + 1,
            base=delivery.attempts if afresh else delivery.base,
            next_at=now + pause,
        )
        try:
            self._write_delivery(changed, delivery)
        except LostRace:
            return self.get(delivery.watch_id, delivery.event_id, delivery.subscriber_id)
        return changed

    def to(self, subscriber_id: str, *, since: float = 0.0, until: float | None = None) -> Iterator[Delivery]:
        """Yields a subscriber's deliveries that were opened from `since` to before `until`, oldest first."""
        for item in self._table.listed(
            subscriber_id, since=since, after=None if until is None else sortable(until, "")
        ):
            yield fact_of(Delivery, item)

    def held(self, subscriber_id: str) -> Iterator[Delivery]:
        """Yields the held deliveries of a subscriber, oldest first."""
        for item in self._table.indexed(f"held#{subscriber_id}"):
            delivery = fact_of(Delivery, item)
            if delivery.state is DeliveryState.HELD:
                yield delivery

    def overdue(self, now: float, most: int) -> list[Delivery]:
        """Returns due deliveries that should have moved before now, the longest overdue first."""
        keys, found = self._table.overdue("delivery", now, most), list[Delivery]()
        for begin in range(0, len(keys), BATCH):
            for item in self._table.read(keys[begin : begin + BATCH]):
                delivery = fact_of(Delivery, item)
                # The index is updated later than the table.
                if delivery.state is DeliveryState.DUE and item["due_at"] < now:
                    found.append(delivery)
        return found

    def index_held(self) -> bool:
        """Makes held deliveries of earlier versions findable, which are in no index. Returns whether there may be more.

        Each call looks through one page of the table, after that of the call before; all of it is looked through once.
        The first page is read an hour after the first call, when no function of an earlier version works any more.
        """
        key, now = key_of("upgrades", "held"), self._table.clock.now()
        if self._table.put_new({**key, "at": now}):
            return False
        known = self._table.get(key["pk"], key["sk"], "how far the sweeper has looked")
        if "done" in known or now < known["at"] + STALE_SECONDS:
            return False
        page = self._table.client.scan(
            TableName=self._table.name,
            Limit=PAGE_READS,
            FilterExpression="begins_with(sk, :sk) AND #state = :state AND attribute_not_exists(due)",
            ExpressionAttributeNames={"#state": "state"},
            ExpressionAttributeValues=packed({":sk": "delivery#", ":state": DeliveryState.HELD}),
            **({"ExclusiveStartKey": json.loads(known["after"])} if "after" in known else {}),
        )
        for item in page["Items"]:
            self._index(fact_of(Delivery, unpacked(item)), now)
        last = page.get("LastEvaluatedKey")
        self._table.update(key, {"after": serialize(last) if last else None, "done": None if last else True})
        return last is not None

    def _index(self, delivery: Delivery, now: float) -> None:
        """Puts a held delivery and its subscriber into the index. One of a subscriber that is gone is due."""
        indexed = delivery
        try:
            self._table.update(subscriber_key(delivery.subscriber_id), holding_since(now))
        except LostRace:
            indexed = replace(delivery, state=DeliveryState.DUE, next_at=now)
        with suppress(LostRace):
            self._write_delivery(indexed, delivery)

    def join_line(self, event: Event, subscriber_id: str, until: float) -> None:
        """Notes that an event waits in a subscriber's line, until about an instant, so that the oldest can be found."""
        item = {**_line_key(event, subscriber_id), "watch_id": event.watch_id, "ttl": int(until) + DAY}
        self._table.client.put_item(TableName=self._table.name, Item=packed(item))

    def leave_line(self, event: Event, subscriber_id: str) -> Iterator[Delivery]:
        """Takes an event out of a subscriber's line, after all that are older, and yields these, the oldest first.

        What is not taken from the iterator stays in the line. Nobody else gets what this call has taken.
        """
        own = _line_key(event, subscriber_id)
        for item in self._table.items(own["pk"], span=(FIRST_POSITION, own["sk"]), size=LINE_READS):
            answer = self._table.client.delete_item(
                TableName=self._table.name, Key=packed(key_of(item["pk"], item["sk"])), ReturnValues="ALL_OLD"
            )
            if item["sk"] != own["sk"] and "Attributes" in answer:
                _, event_id, other_id = item["sk"].split("#")
                with suppress(NotFound):
                    yield self.get(item["watch_id"], event_id, other_id)


def _line_key(event: Event, subscriber_id: str) -> Item:
    """Returns the key under which an event waits in a subscriber's line, which is in the order of the events."""
    line = health_key(subscriber_id)["sk"]
    return key_of(f"line#{line}", f"{sortable(event.at, event.id)}#{subscriber_id}")


def _delivery_key(delivery: Delivery) -> Item:
    return key_of(delivery.watch_id, f"delivery#{delivery.event_id}#{delivery.subscriber_id}")


def _new_item(delivery: Delivery) -> Item:
    """Returns the item of a new delivery, which is found by its subscriber and its time."""
    listed = {"list": delivery.subscriber_id, "listed_at": sortable(delivery.created_at, delivery.event_id)}
    due = _delivery_due(delivery)
    return {**_delivery_key(delivery), **values_of(delivery), **listed, **due, "ttl": delivery.expires_at}


def _delivery_due(delivery: Delivery) -> Item:
    """Returns how the sweeper finds a delivery: a due one by its time, a held one by its subscriber."""
    if delivery.state is DeliveryState.DUE:
        due_at = due_from(delivery.next_at or delivery.created_at)
        return {"due": due_shard("delivery", delivery.watch_id), "due_at": due_at}
    if delivery.state is DeliveryState.HELD:
        return {"due": f"held#{delivery.subscriber_id}", "due_at": delivery.created_at}
    return {"due": None, "due_at": None}
