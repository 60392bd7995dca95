"""Tasks: their watches, creation, answers, terminal events and task tokens; and erasing them."""

import base64
import json
import zlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, replace
from random import sample
from typing import Any

from vidhook.edges.ledger.table import (
    BATCH,
    DAY,
    SPARE_DAYS,
    Item,
    Table,
    due_from,
    due_shard,
    event_key,
    fact_of,
    key_of,
    mapping,
    packed,
    page_of,
    position_in,
    sortable,
    subscriber_key,
    update_arguments,
    values_of,
)
from vidhook.errors import Erased, LostRace, NotFound
from vidhook.event import Event, serialize
from vidhook.task import (
    Answer,
    Cancel,
    Category,
    Creation,
    Erasure,
    Film,
    Poll,
    Snapshot,
    Source,
    Status,
    Submission,
    TaskError,
    Upload,
    Watch,
    callback_id,
    derived_id,
    watch_id,
)
from vidhook.times import iso

HISTORY = 40  # polls stored on a watch; a write costs by the size of the item
# A place of a request that waits is free again by itself so long after its time; so many are tried.
PLACE_SECONDS, PLACE_TRIES = 5.0, 5

NOT_ERASED = "attribute_exists(submission)"
ERASING, LATER_THAN_ALL = "erasing", 1e12


class Tasks:
    """Reads and writes what belongs to one task, but for its deliveries."""

    def __init__(self, table: Table) -> None:
        self._table = table

    def claim(
        self,
        submission: Submission,
        execution: str,
        pause: int,
        now: float,
        *,
        why: str = "",
        body: Mapping[str, Any] | None = None,
    ) -> tuple[Watch, bool]:
        """Returns the watch of this task, and whether this call made it: a task submitted twice has one watch.

        `execution` is the name of the execution that will follow it, after `pause` seconds; `why` it pauses so long.
        `body` is that of the request that creates the task, if vidhook creates it.
        """
        creation = None if body is None else Creation()
        watch = Watch(submission, now, execution, paused=pause, first=(pause, why), creation=creation)
        ttl = self._table.watch_ttl(now + submission.deadline_seconds)
        item = {
            **key_of(watch.id, "watch"),
            "submission": serialize(asdict(submission)),
            "submitted_at": now,
            "execution": execution,
            "polls": 0,
            "paused": pause,
            "first": serialize([pause, why]),
            "list": "watches",
            "listed_at": sortable(now, watch.id),
            "due": due_shard("watch", watch.id),
            "due_at": due_from(now + pause),
            "ttl": ttl,
            "creation": creation and serialize(asdict(creation)),
        }
        later = {"ttl": _later(ttl)}
        beside = (
            [] if body is None else [self._table.new({**key_of(watch.id, "create"), "body": serialize(body), **later})]
        )
        if submission.own_name is not None:
            # Together, so that a task is found by its reference, and no reference is left of one that was erased.
            beside.append(self._table.new({**_reference_key(watch.id, submission.own_name, now), **later}))
        new = self._table.together([self._table.new(item), *beside]) if beside else self._table.put_new(item)
        return (watch, True) if new else (self.watch(watch.id), False)

    def watch(self, watch_id: str) -> Watch:
        """Returns a watch, also by the id that follows from its provider's id of the task.

        Raises NotFound, and Erased.
        """
        item = self._own(watch_id)
        if "erased_at" in item:
            raise _erased(item)
        return _watch(item)

    def _own(self, watch_id: str) -> Item:
        """Returns the item of a watch, or of one that was erased, by one of its two ids. Raises NotFound."""
        what = f"task {watch_id}"
        item = self._table.get(watch_id, "watch", what)
        return self._table.get(item["same_as"], "watch", what) if "same_as" in item else item

    def has_ended(self, watch_id: str) -> bool:
        """Returns whether a task has its event, or was erased. It may be known a second late. Raises NotFound."""
        answer = self._table.client.get_item(
            TableName=self._table.name,
            Key=packed(key_of(watch_id, "watch")),
            ProjectionExpression="pk, event_id, erased_at, same_as",
        )
        if "Item" not in answer:
            self.watch(watch_id)  # a new one may be known late too
            return False
        if "same_as" in answer["Item"]:
            return self.has_ended(answer["Item"]["same_as"]["S"])
        return "event_id" in answer["Item"] or "erased_at" in answer["Item"]

    def take_place(self, places: int, seconds: float) -> tuple[int, float] | None:
        """Takes one of so many places for a request that waits; it is free again by itself after this time.

        Returns it with the instant of that, or None when those are taken that were looked at.
        """
        now = self._table.clock.now()
        until = now + seconds + PLACE_SECONDS
        for number in sample(range(places), min(places, PLACE_TRIES)):
            with suppress(LostRace):
                values = {"until": until, "ttl": int(until) + DAY}
                self._table.update(
                    key_of("waiting", f"{number}"),
                    values,
                    "attribute_not_exists(pk) OR #until < :seen_now",
                    {"now": now},
                )
                return number, until
        return None

    def leave_place(self, place: tuple[int, float]) -> None:
        """Makes a place free, unless somebody else has it by now."""
        number, until = place
        with suppress(self._table.client.exceptions.ConditionalCheckFailedException):
            self._table.client.delete_item(
                TableName=self._table.name,
                Key=packed(key_of("waiting", f"{number}")),
                ConditionExpression="#until = :until",
                ExpressionAttributeNames={"#until": "until"},
                ExpressionAttributeValues=packed({":until": until}),
            )

    def create_body(self, watch_id: str) -> dict[str, Any]:
        """Returns the body of the request that creates a task, as it was submitted. Raises NotFound."""
        return mapping(self._table.get(watch_id, "create", f"the request that creates task {watch_id}")["body"])

    def note_creation(self, watch: Watch, before: Creation, moves_at: float) -> Watch:
        """Writes how far the creation of a task is, and what follows from it: its id, its snapshot, the pauses.

        A task that has got its id is known by that too, unless that id was submitted before. Raises LostRace when the
        watch has ended, or its creation is no longer as it was `before`.
        """
        values = {
            "creation": serialize(asdict(watch.creation)) if watch.creation else None,
            "task_id": watch.submission.task_id,
            "history": serialize([asdict(entry) for entry in watch.history[-HISTORY:]]),
            "paused": watch.paused,
            "first": serialize(watch.first),
            "snapshot": _snapshot_text(watch.snapshot),
            "detected_at": watch.detected_at,
            "due_at": due_from(moves_at),
        }
        condition = "creation = :seen_creation AND attribute_not_exists(detected_at) AND attribute_not_exists(event_id)"
        arguments = (key_of(watch.id, "watch"), values, condition, {"creation": serialize(asdict(before))})
        if watch.submission.task_id is not None:
            ttl = self._table.watch_ttl(moves_at + watch.submission.deadline_seconds)
            alias = {**_alias(watch), "same_as": watch.id, "ttl": _later(ttl)}
            update = {"TableName": self._table.name, **update_arguments(*arguments)}
            if self._table.together([self._table.new(alias), {"Update": update}]):
                return watch
        self._table.update(*arguments)
        return watch

    def note_poll(
        self,
        watch: Watch,
        poll: Poll,
        snapshot: Snapshot | None,
        *,
        settled: bool,
        progress: bool = False,
        second_execution: bool = False,
    ) -> Watch:
        """Adds one poll, and the snapshot when there is one. A watch that another execution settled stays as it is.

        `progress`: subscribers are notified of this poll. `second_execution`: its pause passes at the same time as
        those of the watch's own execution, and is not added. Returns the watch as it now stands.
        """
        history = (*watch.history, poll)[-HISTORY:]
        pause = poll.pause or 0
        changed = replace(
            watch,
            polls=watch.polls + 1,
            paused=watch.paused + (0 if second_execution else pause),
            history=history,
            snapshot=snapshot or watch.snapshot,
            detected_at=poll.at if settled else watch.detected_at,
            last_progress=poll if progress else watch.last_progress,
        )
        values = {
            "polls": changed.polls,
            "paused": changed.paused,
            "history": serialize([asdict(entry) for entry in history]),
            "due_at": due_from(poll.at + pause),
            "detected_at": changed.detected_at,
            "last_progress": asdict(changed.last_progress) if changed.last_progress else None,
            "snapshot": _snapshot_text(changed.snapshot),
            "doubted_at": changed.doubted_at,
        }
        same_round, seen = _same_round(watch.retries)
        condition = f"{NOT_ERASED} AND attribute_not_exists(detected_at) AND {same_round}"
        try:
            self._table.update(key_of(watch.id, "watch"), values, condition, seen)
        except LostRace:
            return self.watch(watch.id)
        return changed

    def note_store_failure(self, watch: Watch) -> None:
        """Counts a failure to store the video."""
        self._table.update(key_of(watch.id, "watch"), {"store_failures": watch.store_failures + 1}, NOT_ERASED)

    def note_uploads(self, watch: Watch, uploads: Mapping[str, Upload]) -> dict[str, Upload]:
        """Replaces a watch's uploads, unless another execution has done so. Returns them as they now stand."""
        changed, seen = _upload_values(uploads) or None, _upload_values(watch.uploads)
        condition = f"{NOT_ERASED} AND " + ("uploads = :seen_uploads" if seen else "attribute_not_exists(uploads)")
        try:
            self._table.update(
                key_of(watch.id, "watch"), {"uploads": changed}, condition, {"uploads": seen} if seen else None
            )
        except LostRace:
            return self.watch(watch.id).uploads
        return dict(uploads)

    def note_fresh_link(self, watch: Watch, snapshot: Snapshot) -> Watch:
        """Replaces a settled watch's snapshot by one with a newer link. Returns the watch as it now stands."""
        self._table.update(key_of(watch.id, "watch"), {"snapshot": _snapshot_text(snapshot)}, NOT_ERASED)
        return replace(watch, snapshot=snapshot)

    def note_cancel(self, watch: Watch) -> None:
        """Writes that a watch is to be cancelled, and its end if it has one now. Raises LostRace when it has ended."""
        values: Item = {"cancel": watch.cancel and asdict(watch.cancel)}
        if watch.settled:
            values |= {"snapshot": _snapshot_text(watch.snapshot), "detected_at": watch.detected_at}
        same_round, seen = _same_round(watch.retries)
        still_open = f"{NOT_ERASED} AND attribute_not_exists(detected_at) AND attribute_not_exists(event_id)"
        if watch.creation is not None:  # or the request that creates it was sent meanwhile
            still_open += " AND creation = :seen_creation"
            seen = {**(seen or {}), "creation": serialize(asdict(watch.creation))}
        self._table.update(key_of(watch.id, "watch"), values, f"{still_open} AND {same_round}", seen)

    def note_cancel_answer(self, watch: Watch, cancel: Cancel) -> None:
        """Writes what came of the wish to cancel, unless it was wished again since the watch was read."""
        seen = {"cancel": watch.cancel and asdict(watch.cancel)}
        with suppress(LostRace):
            self._table.update(key_of(watch.id, "watch"), {"cancel": asdict(cancel)}, "#cancel = :seen_cancel", seen)

    def put_answer(self, watch_id: str, answer: Answer) -> None:
        """Keeps a provider's answer for as long as the events, unless a later one is kept already.

        The one before is moved, with a write of its own: one that is lost with it is no longer shown.
        """
        body = base64.b64encode(zlib.compress(serialize(answer.body).encode())).decode()
        values = {**values_of(answer), "body": body, "ttl": self._table.event_ttl(answer.at)}
        with suppress(LostRace):
            later = "attribute_not_exists(#at) OR #at < :at"
            before = self._table.update(key_of(watch_id, "answer"), values, later, returns_old=True)
            if before:
                moved = key_of(before.pop("pk"), _answer_key(before["at"]))
                del before["sk"]
                self._table.update(moved, before, "attribute_not_exists(pk)")

    def answer(self, watch_id: str, by: float | None = None) -> Answer:
        """Returns what a task's provider answered to the latest poll, or to the latest one by an instant.

        Raises NotFound if nothing is kept.
        """
        what = f"an answer of the provider of task {watch_id}"
        item = self._table.get(watch_id, "answer", what)
        if by is not None and "body" in item and item["at"] >= by:
            span = (_answer_key(0.0), _answer_key(max(0.0, by)))  # an instant before 1970 sorts wrongly
            item = next(self._table.items(watch_id, span=span, size=1, newest_first=True), {})
        if "body" not in item:
            raise NotFound(f"{what} is not in the ledger")
        body = json.loads(zlib.decompress(base64.b64decode(item["body"])))
        return replace(fact_of(Answer, item), body=body)

    def note_execution(self, watch: Watch, execution: str, now: float) -> None:
        """Records which execution follows a watch now, and moves its `due_at`. A watch that has ended is left alone."""
        values = {"execution": execution, "due_at": due_from(now)}
        with suppress(LostRace):
            self._table.update(key_of(watch.id, "watch"), values, f"{NOT_ERASED} AND attribute_exists(due)")

    def add_callback(self, watch: Watch, url: str) -> Watch:
        """Adds a callback_url to a watch. Returns the watch as it stands after that.

        The sweeper looks again for one that has ended, until `note_told`: it has one more subscriber. Raises LostRace
        when another one was added, or the watch has ended, since it was read.
        """
        condition, seen = _same_callbacks(watch)
        values: Item = {"callbacks": [*watch.callbacks, url]}
        if watch.event_id is None:
            condition += " AND attribute_not_exists(event_id)"
        else:
            values |= {"due": due_shard("watch", watch.id), "due_at": due_from(self._table.clock.now())}
            condition, seen = f"{condition} AND event_id = :seen_event_id", {**seen, "event_id": watch.event_id}
        self._table.update(key_of(watch.id, "watch"), values, f"{NOT_ERASED} AND {condition}", seen)
        return replace(watch, callbacks=(*watch.callbacks, url), told=False)

    def reopen(self, watch: Watch, event_id: str, pause: int, now: float) -> None:
        """Opens a watch again that ended with the event `event_id`; `watch` is as it shall be after that.

        Its events are stored for longer: a second end of the same kind is the same event, to the byte. Raises LostRace
        when the watch was opened since it was read.
        """
        ends = now + watch.submission.deadline_seconds
        for item in self._table.items(watch.id, "event"):
            for key in (key_of(item["pk"], item["sk"]), event_key(item["id"])):
                with suppress(LostRace):  # events of earlier versions are not found by their id
                    self._table.update(key, {"ttl": self._table.event_ttl(ends)})
        values: Item = {
            "submission": serialize(asdict(watch.submission)),
            "execution": watch.execution,
            "store_failures": None,
            "uploads": None,
            "snapshot": _snapshot_text(watch.snapshot),
            "detected_at": None,
            "event_id": None,
            "doubted_at": None,
            "retries": watch.retries,
            "retried_at": watch.retried_at,
            "first_deadline": watch.first_deadline,
            "cancel": None,
            "due": due_shard("watch", watch.id),
            "due_at": due_from(now + pause),
            "ttl": self._table.watch_ttl(ends),
        }
        same_round, seen = _same_round(watch.retries - 1)
        condition = f"event_id = :seen_event_id AND {same_round}"
        self._table.update(key_of(watch.id, "watch"), values, condition, {"event_id": event_id, **(seen or {})})
        self._prolong(watch, values["ttl"])

    def _prolong(self, watch: Watch, ttl: int) -> None:
        """Keeps what leads to a watch, and what its submissions are compared with, for longer than the watch itself."""
        reference = watch.submission.own_name
        keys = [_reference_key(watch.id, reference, watch.submitted_at)] if reference is not None else []
        later = {"ttl": _later(ttl)}
        for key in (*keys, key_of(watch.id, "create")) if watch.creation else keys:
            with suppress(LostRace):
                self._table.update(key, later)
        if watch.creation is not None:
            with suppress(LostRace):  # the task of this id may be another watch's
                self._table.update(_alias(watch), later, "same_as = :seen_same_as", {"same_as": watch.id})

    def overdue(self, now: float, most: int) -> list[str]:
        """Returns the ids of watches that should have moved before now, the longest overdue first.

        They have no event, or one that not all subscribers have a delivery of.
        """
        return [item["pk"]["S"] for item in self._table.overdue("watch", now, most)]

    def open(self, most: int) -> list[Watch]:
        """Returns watches that have no event yet, at most so many: those that move next."""
        keys, found = self._table.overdue("watch", LATER_THAN_ALL, most), list[Watch]()
        for begin in range(0, len(keys), BATCH):
            found += (_watch(item) for item in self._table.read(keys[begin : begin + BATCH]) if "erased_at" not in item)
        return [watch for watch in found if watch.event_id is None]

    def all(self, *, since: float = 0.0) -> Iterator[Watch]:
        """Yields all watches, newest first."""
        for item in self._table.listed("watches", since=since, newest_first=True):
            yield _watch(item)

    def under(self, watch_ids: Sequence[str]) -> list[Watch]:
        """Returns the watches that there are of at most 100 ids."""
        found = list(self._table.read([packed(key_of(each, "watch")) for each in watch_ids]))
        same = [packed(key_of(item["same_as"], "watch")) for item in found if "same_as" in item]
        return [
            _watch(item) for item in (*found, *self._table.read(same)) if not {"same_as", "erased_at"} & item.keys()
        ]

    def of_reference(self, reference: str) -> list[Watch]:
        """Returns the newest 100 watches of tasks with this reference, or without one but with this idempotency_key.

        The newest comes first. Nothing else is read.
        """
        pointers = self._table.client.query(
            TableName=self._table.name,
            KeyConditionExpression="pk = :pk",
            ExpressionAttributeValues=packed({":pk": f"ref#{reference}"}),
            ConsistentRead=True,
            ScanIndexForward=False,
            Limit=BATCH,
        )["Items"]
        found = self.under([each["sk"]["S"].rpartition("#")[2] for each in pointers])
        return sorted(found, key=lambda watch: watch.submitted_at, reverse=True)

    def page(
        self, wanted: Callable[[Watch], bool], *, most: int, since: float = 0.0, cursor: str | None = None
    ) -> tuple[list[Watch], str | None]:
        """Returns the newest `most` watches that are wanted, and the cursor of the next page, None on the last page.

        One call reads at most 1,000 watches, so a page may be short, or empty, although there is a next page. Raises
        BadInput for a cursor of another list.
        """
        found = self._table.listed("watches", since=since, newest_first=True, after=position_in("watches", cursor))
        return page_of("watches", ((item["listed_at"], _watch(item)) for item in found), wanted, most)

    def begin_erasure(self, watch_id: str, now: float) -> Erasure:
        """Makes a watch one that was erased, and returns what is left to remove. Raises NotFound.

        One that was begun before goes on; with nothing left to remove it raises Erased.
        """
        while True:
            item = self._own(watch_id)
            if "erased_at" in item:
                return self.erasure(watch_id)
            watch = _watch(item)
            watch_id = watch.id
            callbacks = tuple(map(callback_id, watch.callback_urls))
            own = watch.submission
            self._prolong(watch, self._table.watch_ttl(now))  # first: its other id keeps it erased too
            left = Erasure(
                watch_id, now, own.provider, watch.execution, own.own_name, callbacks, submitted_at=watch.submitted_at
            )
            erased = {
                **key_of(watch_id, "watch"),
                "erased_at": now,
                "left": asdict(left),
                "due": ERASING,
                "due_at": now,
                "ttl": self._table.watch_ttl(now),
            }
            seen = {name: item[name] for name in ("callbacks", "execution") if name in item}
            known = [
                f"{name} = :{name}" if name in seen else f"attribute_not_exists({name})"
                for name in ("callbacks", "execution")
            ]
            with suppress(
                self._table.client.exceptions.ConditionalCheckFailedException
            ):  # it was changed: read it again
                self._table.client.put_item(
                    TableName=self._table.name,
                    Item=packed(erased),
                    ConditionExpression=" AND ".join((NOT_ERASED, *known)),
                    ExpressionAttributeValues=packed({f":{name}": value for name, value in seen.items()}),
                )
                return left

    def erasure(self, watch_id: str) -> Erasure:
        """Returns what is left to remove of a task that was erased. Raises NotFound, and Erased if nothing is."""
        item = self._own(watch_id)
        if "left" not in item:
            raise _erased(item)
        return _erasure(item)

    def erasures(self) -> list[Erasure]:
        """Returns the erasures that have not come to their end, oldest first."""
        return [_erasure(item) for item in self._table.indexed(ERASING) if "left" in item]

    def forget(self, left: Erasure) -> None:
        """Removes all of an erased task but the two items that keep it erased, and what leads to it."""
        later = {**key_of(left.watch_id, "answer"), "at": LATER_THAN_ALL, "ttl": self._table.watch_ttl(left.at)}
        self._table.client.put_item(TableName=self._table.name, Item=packed(later))
        for item in self._table.items(left.watch_id, size=BATCH):
            if item["sk"].partition("#")[0] == "event":
                self._table.client.delete_item(TableName=self._table.name, Key=packed(event_key(item["id"])))
            if item["sk"] not in ("watch", "answer"):
                self._table.client.delete_item(TableName=self._table.name, Key=packed(key_of(item["pk"], item["sk"])))
        if left.reference is not None:
            key = _reference_key(left.watch_id, left.reference, left.submitted_at)
            self._table.client.delete_item(TableName=self._table.name, Key=packed(key))
        for callback in left.callbacks:
            # Another task's delivery to it makes it anew, of what its own watch says.
            if next(self._table.listed(callback), None) is None:
                self._table.client.delete_item(TableName=self._table.name, Key=packed(subscriber_key(callback)))

    def note_erased(self, left: Erasure) -> None:
        """Records that a task's `task.erased` is on the bus, and what is left to look for once more."""
        values = {"left": asdict(replace(left, reference=None, told=True))}
        self._table.update(key_of(left.watch_id, "watch"), values, "attribute_exists(erased_at)")

    def end_erasure(self, left: Erasure) -> None:
        """Records that nothing is left to remove, since all that was under way has ended."""
        values = {"left": None, "due": None, "due_at": None}
        self._table.update(key_of(left.watch_id, "watch"), values, "attribute_exists(erased_at)")

    def put_event(self, event: Event, retries: int = 0, creation: Creation | None = None) -> Event:
        """Writes a watch's terminal event and ends the watch. Returns the event that the watch ended with.

        The sweeper goes on looking for the watch until `note_told`. The event returned is another one if somebody was
        first, and the one of before if a retry ended in the same way. `retries` are those of the watch when its end was
        found: one that was opened again since then stays open. `creation` is that of a watch whose task is not created:
        raises LostRace if it went on since then.
        """
        same_round, seen = _same_round(retries)
        still_open = f"{NOT_ERASED} AND attribute_not_exists(event_id) AND {same_round}"
        if creation is not None:
            still_open += " AND creation = :seen_creation"
            seen = {**(seen or {}), "creation": serialize(asdict(creation))}
        of_watch, closed = key_of(event.watch_id, "watch"), {"event_id": event.id}
        ended: Event | None = None
        with suppress(NotFound):
            ended = self.event(event.watch_id, event.id) if retries else None
        lives = {} if ended else {"ttl": self._table.watch_ttl(event.at)}
        close = update_arguments(of_watch, {**closed, **lives}, still_open, seen)
        writes: list[Any] = [{"Update": {"TableName": self._table.name, **close}}]
        if ended is None:
            key = key_of(event.watch_id, f"event#{event.id}" if retries else "event")
            listed = {"list": "events", "listed_at": sortable(event.at, event.id)}
            ttl = {"ttl": self._table.event_ttl(event.at)}
            found_by = packed({**event_key(event.id), "same_as": event.watch_id, **ttl})
            writes = [
                self._table.new({**key, **_event_values(event), **listed, **ttl}),
                {"Put": {"TableName": self._table.name, "Item": found_by}},
                *writes,
            ]
        if not self._table.together(writes):
            ended_as = self.watch(event.watch_id).event_id
            if ended_as is None and creation is not None:
                raise LostRace
            first = self.event(event.watch_id, ended_as)
            with suppress(LostRace):  # the event may be of a watch of this task that is no longer stored
                self._table.update(of_watch, {**closed, "event_id": first.id}, still_open, seen)
            return first
        return ended or event

    def note_told(self, watch: Watch) -> None:
        """Records that each subscriber of a watch's terminal event has its delivery.

        Not if the watch was opened again, or got another callback_url, since it was read.
        """
        same, seen = _same_callbacks(watch)
        condition = f"event_id = :seen_event_id AND attribute_exists(due) AND {same}"
        with suppress(LostRace):
            seen = {**seen, "event_id": watch.event_id}
            self._table.update(key_of(watch.id, "watch"), {"due": None, "due_at": None}, condition, seen)

    def event(self, watch_id: str, event_id: str | None = None) -> Event:
        """Returns a terminal event of a watch: the one with this id, else the latest. Raises NotFound."""
        if event_id is None:
            events = self.events(watch_id)
            if not events:
                raise NotFound(f"event of task {watch_id} is not in the ledger")
            return events[-1]
        with suppress(NotFound):
            first = _event(self._table.get(watch_id, "event", f"event of task {watch_id}"))
            if first.id == event_id:
                return first
        return _event(self._table.get(watch_id, f"event#{event_id}", f"event {event_id} of task {watch_id}"))

    def note_on_bus(self, event: Event) -> None:
        """Records that a terminal event was put on the event bus."""
        for sk in ("event", f"event#{event.id}"):
            with suppress(LostRace):
                self._table.update(key_of(event.watch_id, sk), {"on_bus": True}, "id = :seen_id", {"id": event.id})
                return

    def events(self, watch_id: str) -> list[Event]:
        """Returns the terminal events of a watch, oldest first: one, or two if it was retried."""
        return sorted((_event(item) for item in self._table.items(watch_id, "event")), key=lambda event: event.at)

    def put_token(self, watch_id: str, token: str, now: float) -> None:
        """Stores a token for the terminal event to answer."""
        item = {
            **key_of(watch_id, f"token#{derived_id('tok', token)}"),
            "token": token,
            "ttl": self._table.event_ttl(now) + 365 * DAY,
        }
        self._table.client.put_item(TableName=self._table.name, Item=packed(item))

    def tokens(self, watch_id: str) -> list[str]:
        """Returns the tokens that are not answered yet."""
        return [item["token"] for item in self._table.items(watch_id, "token#")]

    def remove_token(self, watch_id: str, token: str) -> None:
        """Removes an answered token."""
        key = key_of(watch_id, f"token#{derived_id('tok', token)}")
        self._table.client.delete_item(TableName=self._table.name, Key=packed(key))


def _later(ttl: int) -> int:
    """Returns until when something is stored that must outlive a watch, which may end after its deadline."""
    return ttl + SPARE_DAYS * DAY


def _answer_key(at: float) -> str:
    return f"answer#{at:017.6f}"


def _reference_key(watch_id: str, reference: str, submitted_at: float) -> Item:
    """Returns the key under which a task is found by its reference; those of one reference are in order of time."""
    return key_of(f"ref#{reference}", sortable(submitted_at, watch_id))


def _alias(watch: Watch) -> Item:
    """Returns the key under which a task that vidhook created is found by its provider's id."""
    return key_of(watch_id(watch.submission.provider, watch.submission.task_id or ""), "watch")


def _same_round(retries: int) -> tuple[str, Item | None]:
    """Returns the condition that no retry opened a watch again since it was read, and the values for `seen`."""
    return ("retries = :seen_retries", {"retries": retries}) if retries else ("attribute_not_exists(retries)", None)


def _same_callbacks(watch: Watch) -> tuple[str, Item]:
    """Returns the condition that no callback_url was added to a watch since it was read, and the values for `seen`."""
    if watch.callbacks:
        return "callbacks = :seen_callbacks", {"callbacks": list(watch.callbacks)}
    return "attribute_not_exists(callbacks)", {}


def _event_values(event: Event) -> Item:
    return {name: value for name, value in values_of(event).items() if name != "watch_id"}


def _event(item: Item) -> Event:
    return fact_of(Event, {**item, "watch_id": item["pk"]})


def _watch(item: Item) -> Watch:
    submission = Submission(**json.loads(item["submission"]))
    creation = Creation(**json.loads(item["creation"])) if "creation" in item else None
    return Watch(
        submission=replace(submission, task_id=item["task_id"]) if "task_id" in item else submission,
        submitted_at=item["submitted_at"],
        execution=item["execution"],
        polls=item["polls"],
        paused=item["paused"],
        first=tuple(json.loads(item.get("first", '[0, ""]'))),
        store_failures=item.get("store_failures", 0),
        uploads={role: _upload(upload) for role, upload in json.loads(item.get("uploads", "{}")).items()},
        history=tuple(Poll(**entry) for entry in json.loads(item.get("history", "[]"))),
        snapshot=_snapshot(item.get("snapshot")),
        detected_at=item.get("detected_at"),
        event_id=item.get("event_id"),
        last_progress=Poll(**json.loads(item["last_progress"])) if "last_progress" in item else None,
        doubted_at=item.get("doubted_at"),
        callbacks=tuple(json.loads(item.get("callbacks", "[]"))),
        retries=item.get("retries", 0),
        retried_at=item.get("retried_at"),
        first_deadline=item.get("first_deadline"),
        cancel=Cancel(**json.loads(item["cancel"])) if "cancel" in item else None,
        told="event_id" in item and "due" not in item,
        creation=creation,
    )


def _erased(item: Item) -> Erased:
    return Erased(f"task {item['pk']} was erased at {iso(item['erased_at'])}", item["pk"], item["erased_at"])


def _erasure(item: Item) -> Erasure:
    left = json.loads(item["left"])
    return Erasure(**{**left, "callbacks": tuple(left["callbacks"])})


def _upload_values(uploads: Mapping[str, Upload]) -> Item:
    """Returns uploads as they are written: without a film of which nothing is known, as earlier versions wrote all."""
    values = {role: asdict(upload) for role, upload in uploads.items()}
    for role, upload in uploads.items():
        if upload.film == Film():
            del values[role]["film"]
    return values


def _upload(values: Item) -> Upload:
    return Upload(**{**values, "film": Film(**values.get("film", {}))})


def _snapshot_text(snapshot: Snapshot | None) -> str | None:
    return None if snapshot is None else serialize(asdict(snapshot))


def _snapshot(text: str | None) -> Snapshot | None:
    if text is None:
        return None
    values = json.loads(text)
    values["status"] = Status(values["status"])
    values["sources"] = tuple(Source(**source) for source in values["sources"])
    if values["error"] is not None:
        values["error"] = TaskError(**{**values["error"], "category": Category(values["error"]["category"])})
    return Snapshot(**values)
