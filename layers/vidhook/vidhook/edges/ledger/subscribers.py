"""Subscribers, and how they answer."""

import math
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import replace
from typing import Any

from vidhook.edges.ledger.table import (
    BATCH,
    DAY,
    STALE_SECONDS,
    Item,
    Table,
    fact_of,
    health_key,
    holding_since,
    key_of,
    packed,
    subscriber_key,
    unpacked,
    values_of,
)
from vidhook.errors import LostRace, NotFound
from vidhook.task import Subscriber, SubscriberState

# How a subscriber answers is forgotten when nothing was written for so long, which is longer than any pause.
HEALTH_DAYS = 10
WELL = Subscriber("", "")
HEALTH = {
    name: getattr(WELL, name)
    for name in ("hold_until", "slow_until", "gap", "failing_since", "last_failure", "failing_reported")
}
# The subscribers are read anew after so long, in case that a crash came between a change and its new version.
ROSTER_SECONDS = 300


class Subscribers:
    """Reads and writes who is notified, callback_urls too."""

    def __init__(self, table: Table) -> None:
        self._table = table
        self._roster: tuple[int, float, list[Subscriber]] = (0, -math.inf, [])

    def begin_removal(self, subscriber_id: str, secret_name: str | None) -> None:
        """Records that a subscriber is being removed, or what Secrets Manager has of it, before the first other write.

        After a crash the sweeper knows from it which deliveries may be left, and which secret.
        """
        item = {**key_of("unfinished", subscriber_id), "secret_name": secret_name, "at": self._table.clock.now()}
        self._table.client.put_item(TableName=self._table.name, Item=packed(item))

    def unfinished(self, now: float) -> list[tuple[str, str | None, float]]:
        """Returns what was begun so long ago that nobody works on it now: the ids, the names of the secrets, and when.

        Also a removal that came to its end, since a delivery may have been held until after it.
        """
        found = ((item["sk"], item.get("secret_name"), float(item["at"])) for item in self._table.items("unfinished"))
        return [each for each in found if each[2] < now - STALE_SECONDS]

    def end_removal(self, subscriber_id: str, begun_at: float) -> None:
        """Removes the record of `begin_removal`, unless that was begun anew."""
        with suppress(self._table.client.exceptions.ConditionalCheckFailedException):
            self._table.client.delete_item(
                TableName=self._table.name,
                Key=packed(key_of("unfinished", subscriber_id)),
                ConditionExpression="#at = :at",
                ExpressionAttributeNames={"#at": "at"},
                ExpressionAttributeValues=packed({":at": begun_at}),
            )

    def put(self, subscriber: Subscriber) -> None:
        """Adds a subscriber, or replaces all of it."""
        holds = {} if subscriber.active else holding_since(self._table.clock.now())
        health = {name: getattr(subscriber, name) for name in HEALTH}
        if any(health.values()):
            self._note_health(subscriber.id, health)
        else:
            self._forget_health(subscriber.id)
        self._table.client.put_item(TableName=self._table.name, Item=packed({**_subscriber_item(subscriber), **holds}))
        self._subscribers_changed()

    def get(self, subscriber_id: str) -> Subscriber:
        """Returns a subscriber. Raises NotFound."""
        keys = subscriber_key(subscriber_id), health_key(subscriber_id)
        found = self._table.batch([packed(key) for key in keys])
        item, health = (found.get((key["pk"], key["sk"])) for key in keys)
        if item is None:
            raise NotFound(f"subscriber {subscriber_id} is not in the ledger")
        return _with_health(_without_health(item), health)

    def under(self, subscriber_ids: Iterable[str]) -> dict[str, Subscriber]:
        """Returns the subscribers that there are of these ids, by id, without how they answer."""
        keys, found = [packed(subscriber_key(each)) for each in dict.fromkeys(subscriber_ids)], list[Item]()
        for begin in range(0, len(keys), BATCH):
            found += self._table.batch(keys[begin : begin + BATCH]).values()
        return {item["sk"]: _without_health(item) for item in found}

    def all(self) -> list[Subscriber]:
        """Returns all subscribers, oldest first, without the callback_urls of tasks."""
        now, health = self._table.clock.now(), {item["sk"]: item for item in self._table.items("roster")}
        version = int(health.get("version", {}).get("version", 0))
        known, read_at, found = self._roster
        if known != version or not 0 <= now - read_at < ROSTER_SECONDS:
            found = [_without_health(item) for item in self._table.items("subscribers")]
            found.sort(key=lambda subscriber: subscriber.created_at)
            self._roster = version, now, found
        return [_with_health(each, health.get(each.id)) for each in found]

    def callback(self, subscriber: Subscriber, now: float) -> Subscriber:
        """Returns the stored state of a callback_url, or stores it as given; it expires with its events."""
        expiry = {"ttl": self._table.event_ttl(now)}
        if not self._table.put_new({**_subscriber_item(subscriber), **expiry}):
            self._table.update(subscriber_key(subscriber.id), expiry)
        return self.get(subscriber.id)

    def change(self, subscriber_id: str, changes: Mapping[str, Any], *, sealed_as: Subscriber | None = None) -> None:
        """Changes some fields of a subscriber and leaves the others as they are. Raises NotFound.

        With `sealed_as` only while its credentials are those of this one; else raises LostRace.
        """
        condition, seen = "attribute_exists(pk)", None
        if sealed_as is not None:
            versions = {"sealed": sealed_as.sealed, "secret_version": sealed_as.secret_version}
            seen = {name: value for name, value in versions.items() if value is not None}
            same = (f"{n} = :seen_{n}" if n in seen else f"attribute_not_exists({n})" for n in versions)
            condition = " AND ".join((condition, *same))
        try:
            self._table.update(subscriber_key(subscriber_id), dict(changes), condition, seen)
        except LostRace:
            self.get(subscriber_id)
            raise
        self._subscribers_changed()

    def put_state(self, subscriber_id: str, state: SubscriberState, reason: str | None) -> None:
        """Makes a subscriber active, paused or disabled. Raises NotFound when it was removed.

        In the same write it goes into the index of those that may have held deliveries. It stays there for as long as
        somebody may still hold one of an active subscriber.
        """
        now = self._table.clock.now()
        values: Item = {"state": state, "reason": reason, "state_since": now, **holding_since(now)}
        if state is SubscriberState.ACTIVE:
            # First, since one that failed for days must not be disabled by its next failure.
            self._forget_health(subscriber_id)
        self.change(subscriber_id, values)

    def disable(self, subscriber_id: str, reason: str) -> bool:
        """Disables an active subscriber. Returns whether this call did it: its caller must report it."""
        now = self._table.clock.now()
        values = {"state": SubscriberState.DISABLED, "reason": reason, "state_since": now, **holding_since(now)}
        try:
            self._table.update(
                subscriber_key(subscriber_id), values, "#state = :seen_state", {"state": SubscriberState.ACTIVE}
            )
        except LostRace:
            return False
        self._subscribers_changed()
        return True

    def holding(self) -> Iterator[tuple[Subscriber, float]]:
        """Yields the subscribers, callback_urls too, that may have held deliveries, and since when their state is so.

        The one whose state is the oldest comes first.
        """
        for item in self._table.indexed("holding"):
            yield _without_health(item), item.get("due_at", 0.0)

    def forget_holding(self, subscriber: Subscriber, since: float, now: float) -> None:
        """Takes an active subscriber without held deliveries out of the index, unless its state changed since then.

        It stays for an hour after it was resumed: who saw it before that may hold a delivery yet.
        """
        if since >= now - STALE_SECONDS:
            return
        values = {"due": None, "due_at": None, "state": subscriber.state}
        with suppress(LostRace):
            key, seen = subscriber_key(subscriber.id), {"since": since}
            self._table.update(key, values, "#state = :state AND #due_at = :seen_since", seen)

    def remove(self, subscriber_id: str) -> None:
        """Removes a subscriber; its open deliveries are cancelled at their next attempt."""
        self._table.client.delete_item(TableName=self._table.name, Key=packed(subscriber_key(subscriber_id)))
        self._forget_health(subscriber_id)
        self._subscribers_changed()

    def _subscribers_changed(self) -> None:
        """Tells all who have the subscribers in memory to read them again."""
        self._table.client.update_item(
            TableName=self._table.name,
            Key=packed(key_of("roster", "version")),
            UpdateExpression="ADD version :one",
            ExpressionAttributeValues=packed({":one": 1}),
        )

    def take_turns(self, subscriber_id: str, seconds: float, not_before: float) -> float:
        """Takes the next free `seconds` of a subscriber, not before an instant. Returns when they begin.

        Hundreds of executions come for their turns at once, and none of them reads what the others took.
        """
        key, later = health_key(subscriber_id), {"not_before": not_before}
        while True:
            try:
                answer = self._table.client.update_item(
                    TableName=self._table.name,
                    Key=packed(key),
                    UpdateExpression="ADD free_at :seconds",
                    ConditionExpression="free_at >= :not_before",
                    ExpressionAttributeValues=packed({":seconds": seconds, ":not_before": not_before}),
                    ReturnValues="UPDATED_NEW",
                )
                return float(unpacked(answer["Attributes"])["free_at"]) - seconds
            except self._table.client.exceptions.ConditionalCheckFailedException:
                first = "(attribute_not_exists(free_at) OR free_at < :seen_not_before)"
            with suppress(LostRace):  # somebody was first
                self._note_health(subscriber_id, {"free_at": not_before + seconds}, first, later)
                return not_before

    def note_failure(self, subscriber: Subscriber, at: float, hold_until: float | None) -> Subscriber:
        """Records a failed attempt. Returns the subscriber as it was read, and how it answers now.

        Many deliveries to one subscriber can fail at the same time, so `failing_since` is set only if it is not there,
        and a longer `hold_until` stays.
        """
        failure = "SET failing_since = if_not_exists(failing_since, :at), last_failure = :at, #ttl = :ttl"
        values: Item = {":at": at, ":ttl": self._health_ttl()}
        tries: list[tuple[str, Item, Item]] = [(failure, values, {})]
        if hold_until is not None:
            longer = "attribute_not_exists(hold_until) OR hold_until < :hold"
            held = {**values, ":hold": hold_until}
            tries.insert(0, (f"{failure}, hold_until = :hold", held, {"ConditionExpression": longer}))
        for expression, given, condition in tries:
            with suppress(self._table.client.exceptions.ConditionalCheckFailedException):
                answer = self._table.client.update_item(
                    TableName=self._table.name,
                    Key=packed(health_key(subscriber.id)),
                    UpdateExpression=expression,
                    ExpressionAttributeNames={"#ttl": "ttl"},
                    ExpressionAttributeValues=packed(given),
                    ReturnValues="ALL_NEW",
                    **condition,
                )
                break
        return _with_health(subscriber, unpacked(answer["Attributes"]))

    def note_success(self, subscriber: Subscriber) -> None:
        """Removes the record of failures after a success."""
        self._note_well(subscriber, {"failing_since": None, "last_failure": None, "failing_reported": None})

    def note_pace(self, subscriber: Subscriber, slow_until: float, gap: float) -> None:
        """Records how fast a subscriber may be tried."""
        pace = {"slow_until": slow_until, "gap": gap}
        if any(pace.values()):
            self._note_health(subscriber.id, pace)
        else:
            self._note_well(subscriber, {"slow_until": None, "gap": None})

    def move_hold(self, subscriber: Subscriber, until: float) -> bool:
        """Moves a subscriber's `hold_until`. Returns False if it was moved by another one since it was read."""
        unmoved = "(attribute_not_exists(hold_until) OR hold_until = :seen_hold_until)"
        try:
            seen = {"hold_until": subscriber.hold_until}
            self._note_health(subscriber.id, {"hold_until": until}, unmoved, seen)
        except LostRace:
            return False
        return True

    def note_failing_reported(self, subscriber: Subscriber) -> bool:
        """Marks the current failures as reported. Returns True if this call did it: its caller must report them."""
        unreported = "(attribute_not_exists(failing_reported) OR failing_reported <> :failing_reported)"
        try:
            self._note_health(subscriber.id, {"failing_reported": True}, unreported)
        except LostRace:
            return False
        return True

    def _note_well(self, subscriber: Subscriber, values: Item) -> None:
        """Removes values from how a subscriber answers, and all of it when nothing of it counts any longer."""
        with suppress(LostRace):
            self._note_health(subscriber.id, values, "attribute_exists(pk)")
        now = self._table.clock.now()
        past = (f"(attribute_not_exists({name}) OR {name} <= :now)" for name in ("hold_until", "slow_until", "free_at"))
        calm = ("attribute_not_exists(failing_since)", "(attribute_not_exists(gap) OR gap = :none)", *past)
        with suppress(self._table.client.exceptions.ConditionalCheckFailedException):
            self._table.client.delete_item(
                TableName=self._table.name,
                Key=packed(health_key(subscriber.id)),
                ConditionExpression=" AND ".join(calm),
                ExpressionAttributeValues=packed({":now": now, ":none": 0}),
            )

    def _note_health(self, subscriber_id: str, values: Item, condition: str = "", seen: Item | None = None) -> None:
        """Writes how a subscriber answers. Raises LostRace when the condition is not met."""
        self._table.update(health_key(subscriber_id), {**values, "ttl": self._health_ttl()}, condition, seen)

    def _forget_health(self, subscriber_id: str) -> None:
        self._table.client.delete_item(TableName=self._table.name, Key=packed(health_key(subscriber_id)))

    def _health_ttl(self) -> int:
        return int(self._table.clock.now()) + HEALTH_DAYS * DAY


def _subscriber_item(subscriber: Subscriber) -> Item:
    values = {name: value for name, value in values_of(subscriber).items() if name not in HEALTH}
    return {**subscriber_key(subscriber.id), **values}


def _without_health(item: Item) -> Subscriber:
    """Returns a subscriber that is simply well; earlier versions wrote how it answers into the same item."""
    return fact_of(Subscriber, {name: value for name, value in item.items() if name not in HEALTH})


def _with_health(subscriber: Subscriber, item: Item | None) -> Subscriber:
    if item is None:
        return subscriber
    return replace(subscriber, **{name: item.get(name, well) for name, well in HEALTH.items()})
