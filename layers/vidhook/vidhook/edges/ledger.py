"""The DynamoDB table that remembers watches, events, deliveries, subscribers and provider files.

One partition holds all of one task, so one query reads it:

    pk            sk                          what
    tsk_...       watch                       the watch and its latest snapshot
    tsk_...       event                       its terminal event
    tsk_...       event#<evt>                 the other one, of a task that was retried
    tsk_...       delivery#<evt>#<sub>        one event to one subscriber
    tsk_...       attempt#<evt>#<sub>#<n>     one attempt
    tsk_...       token#<tok>                 a task token that waits for the event
    tsk_...       answer                      what its provider answered to the latest poll
                                              (of a task that was erased only the watch and this one are left, empty)
    tsk_...       answer#<at>                 what it answered to an earlier one
    tsk_...       create                      the body of the request that creates it, if vidhook creates it
    tsk_...       watch                       of such a task, under the id of (provider, task_id): which task it is
    evt_...       watch                       which task a terminal event is of
    ref#<ref>     <submitted_at>#tsk_...      that a task has this reference, or only this idempotency_key
    subscribers   <sub>                       a subscriber: what its owner and operators say of it
    roster        version                     changes with every write to `subscribers`
                  <sub>                       how a subscriber answers, while that is not simply well
    callbacks     <cb>                        a task's own callback_url as a subscriber
    answers       <cb>                        how it answers
    line#<sub>    <at>#<evt>#<sub>            that an event of this instant waits in the line of a subscriber
    unfinished    <sub>                       a subscriber that is being removed, or whose secret is moved to the ledger
    upgrades      held                        how far the sweeper has looked for held deliveries of earlier versions
    providers     <name>                      a provider file
    pace#<name>   kind#<model>#<object>#<n>   how long such tasks of this provider take: one of 8 parts of it
                  all#<n>                     and all its tasks
    waiting       <n>                         that a request waits for the end of a task
    budget#<name> day#<n>, slot#<most>#<n>    how many polls of this provider are planned in a day, and in a slot

Two sparse indexes: `listed` (list, listed_at) finds watches, terminal events and a subscriber's deliveries by time;
`due` (due, due_at) finds what should have moved by now. In `due` are open watches and due deliveries, spread over 32
partitions by the task's id; held deliveries, by their subscriber; and the subscribers that have them or may get them.
Both indexes hold keys only, so that most polls and attempts write to no index; `due_at` of what is due changes in steps
of 15 minutes.

Every event needs all subscribers, and a thousand are read from a megabyte. So they are kept in memory, and one small
query of `roster` says for each event whether they are still the same ones, and which of them do not answer well.
"""

import base64
import json
import math
import re
import zlib
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import asdict, astuple, fields, replace
from difflib import get_close_matches
from enum import StrEnum
from functools import cache, lru_cache
from itertools import chain, islice
from random import sample
from time import sleep
from typing import TYPE_CHECKING, Any, TypeVar, get_origin, get_type_hints

from botocore.exceptions import ClientError

from vidhook.budget import Budget, Planned, Window, day_of, slot_of
from vidhook.edges import CONNECTIONS, aws
from vidhook.errors import BadInput, Erased, LostRace, NotFound
from vidhook.event import Event, serialize
from vidhook.pace import Bias, Ended, Kind, Outlook, Pace, decay, merged
from vidhook.task import (
    TERMINAL_TYPES,
    Answer,
    Attempt,
    Cancel,
    Category,
    Creation,
    Delivery,
    DeliveryState,
    Erasure,
    Film,
    Poll,
    Snapshot,
    Source,
    Status,
    Submission,
    Subscriber,
    SubscriberState,
    TaskError,
    Upload,
    Watch,
    callback_id,
    derived_id,
    host_part,
    watch_id,
)
from vidhook.times import Clock, iso

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

    from vidhook.providers.file import Provider

HISTORY = 40  # polls stored on a watch; a write costs by the size of the item
DAY = 86_400
# Step Functions does not accept an execution's name again for 90 days.
NAME_DAYS = 90
# A watch is stored for longer than what belongs to it, so that its task cannot be submitted anew beside that.
SPARE_DAYS = 10
# The sweeper starts a watch or delivery again when it should have moved this many seconds ago.
GRACE_SECONDS = 900
# How a subscriber answers is forgotten when nothing was written for so long, which is longer than any pause.
HEALTH_DAYS = 10
WELL = Subscriber("", "")
HEALTH = {
    name: getattr(WELL, name)
    for name in ("hold_until", "slow_until", "gap", "failing_since", "last_failure", "failing_reported")
}
# The subscribers are read anew after so long, in case that a crash came between a change and its new version.
ROSTER_SECONDS = 300
# A function lives for 15 minutes at most: what it has read of a subscriber is used within this time, or never.
STALE_SECONDS = 3_600
PROVIDER_SECONDS = 60  # for so long a change of a provider file may go unseen
SHARDS = "abcdefghijklmnopqrstuvwxyz234567"  # the first character of a task's id spreads them evenly
BUDGET_DAYS = 10
ANY_DAY = Budget(per_day=1)
BATCH = 100  # keys that one BatchGetItem takes
PAGE_READS = 1_000  # the most watches, or events and deliveries, that are read for one page
ATTEMPT_READS = 2  # an attempt counts for so many of them: it may hold 4 KiB, and Lambda's answers 6 MB
EVENTS_AT_ONCE = 10  # events whose deliveries are asked for at the same time; each takes a request of its own
# What was learned is in so many items; a write is tried so often; it is forgotten after so many days without a task.
PACE_SHARDS, PACE_TRIES, PACE_DAYS = 8, 10, 100
PACE_SECONDS, PACES_CACHED = 60.0, 500
# A place of a request that waits is free again by itself so long after its time; so many are tried.
PLACE_SECONDS, PLACE_TRIES = 5.0, 5
# Two transactions on one item exclude each other for milliseconds, and the SDK does not try again.
TOGETHER_TRIES, TOGETHER_SECONDS = 5, 0.05
ID = "[a-z2-7]{26}"
POSITION = re.compile(rf"([0-9]{{10}}\.[0-9]{{6}}#)?(tsk|evt)_{ID}(#((sub|cb)_{ID})?)?")
FIRST_POSITION, LAST_POSITION = "0", "~"  # they sort before and after every position
LINE_READS = 5  # the one that has its turn is most often the first

NOT_ERASED = "attribute_exists(submission)"
ERASING, LATER_THAN_ALL = "erasing", 1e12

Item = dict[str, Any]
Items = dict[tuple[str, str], Item]  # by their keys
NOT_READ: tuple[float, Pace, Items] = (-math.inf, Pace(), {})
Fact = TypeVar("Fact")


class Ledger:
    """Reads and writes facts. Every write that must happen once is conditional."""

    def __init__(
        self,
        table: str,
        *,
        client: "DynamoDBClient | None" = None,
        event_days: int = 30,
        clock: Clock | None = None,
    ) -> None:
        self.table = table
        self.event_days = event_days
        self._paces: dict[tuple[str, str], tuple[float, Pace, Items]] = {}
        self._client: DynamoDBClient = client or aws.client("dynamodb", max_pool_connections=CONNECTIONS)
        self._clock = clock or Clock()
        self._providers: dict[str, tuple[float, Provider]] = {}
        self._roster: tuple[int, float, list[Subscriber]] = (0, -math.inf, [])

    # Watches

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
        ttl = self._watch_ttl(now + submission.deadline_seconds)
        item = {
            **_key(watch.id, "watch"),
            "submission": serialize(asdict(submission)),
            "submitted_at": now,
            "execution": execution,
            "polls": 0,
            "paused": pause,
            "first": serialize([pause, why]),
            "list": "watches",
            "listed_at": _sortable(now, watch.id),
            "due": _due("watch", watch.id),
            "due_at": _due_at(now + pause),
            "ttl": ttl,
            "creation": creation and serialize(asdict(creation)),
        }
        later = {"ttl": _later(ttl)}
        beside = [] if body is None else [self._new({**_key(watch.id, "create"), "body": serialize(body), **later})]
        if submission.own_name is not None:
            # Together, so that a task is found by its reference, and no reference is left of one that was erased.
            beside.append(self._new({**_reference_key(watch.id, submission.own_name, now), **later}))
        new = self._written_together([self._new(item), *beside]) if beside else self._put_new(item)
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
        item = self._get(watch_id, "watch", what)
        return self._get(item["same_as"], "watch", what) if "same_as" in item else item

    def has_ended(self, watch_id: str) -> bool:
        """Returns whether a task has its event, or was erased. It may be known a second late. Raises NotFound."""
        answer = self._client.get_item(
            TableName=self.table,
            Key=_pack(_key(watch_id, "watch")),
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
        now = self._clock.now()
        until = now + seconds + PLACE_SECONDS
        for number in sample(range(places), min(places, PLACE_TRIES)):
            with suppress(LostRace):
                values = {"until": until, "ttl": int(until) + DAY}
                self._update(
                    _key("waiting", f"{number}"), values, "attribute_not_exists(pk) OR #until < :seen_now", {"now": now}
                )
                return number, until
        return None

    def leave_place(self, place: tuple[int, float]) -> None:
        """Makes a place free, unless somebody else has it by now."""
        number, until = place
        with suppress(self._client.exceptions.ConditionalCheckFailedException):
            self._client.delete_item(
                TableName=self.table,
                Key=_pack(_key("waiting", f"{number}")),
                ConditionExpression="#until = :until",
                ExpressionAttributeNames={"#until": "until"},
                ExpressionAttributeValues=_pack({":until": until}),
            )

    def create_body(self, watch_id: str) -> dict[str, Any]:
        """Returns the body of the request that creates a task, as it was submitted. Raises NotFound."""
        return _mapping(self._get(watch_id, "create", f"the request that creates task {watch_id}")["body"])

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
            "due_at": _due_at(moves_at),
        }
        condition = "creation = :seen_creation AND attribute_not_exists(detected_at) AND attribute_not_exists(event_id)"
        arguments = (_key(watch.id, "watch"), values, condition, {"creation": serialize(asdict(before))})
        if watch.submission.task_id is not None:
            ttl = self._watch_ttl(moves_at + watch.submission.deadline_seconds)
            alias = {**_alias(watch), "same_as": watch.id, "ttl": _later(ttl)}
            update = {"TableName": self.table, **_update_arguments(*arguments)}
            if self._written_together([self._new(alias), {"Update": update}]):
                return watch
        self._update(*arguments)
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
            "due_at": _due_at(poll.at + pause),
            "detected_at": changed.detected_at,
            "last_progress": asdict(changed.last_progress) if changed.last_progress else None,
            "snapshot": _snapshot_text(changed.snapshot),
            "doubted_at": changed.doubted_at,
        }
        same_round, seen = _same_round(watch.retries)
        condition = f"{NOT_ERASED} AND attribute_not_exists(detected_at) AND {same_round}"
        try:
            self._update(_key(watch.id, "watch"), values, condition, seen)
        except LostRace:
            return self.watch(watch.id)
        return changed

    def note_store_failure(self, watch: Watch) -> None:
        """Counts a failure to store the video."""
        self._update(_key(watch.id, "watch"), {"store_failures": watch.store_failures + 1}, NOT_ERASED)

    def note_uploads(self, watch: Watch, uploads: Mapping[str, Upload]) -> dict[str, Upload]:
        """Replaces a watch's uploads, unless another execution has done so. Returns them as they now stand."""
        changed, seen = _upload_values(uploads) or None, _upload_values(watch.uploads)
        condition = f"{NOT_ERASED} AND " + ("uploads = :seen_uploads" if seen else "attribute_not_exists(uploads)")
        try:
            self._update(_key(watch.id, "watch"), {"uploads": changed}, condition, {"uploads": seen} if seen else None)
        except LostRace:
            return self.watch(watch.id).uploads
        return dict(uploads)

    def note_fresh_link(self, watch: Watch, snapshot: Snapshot) -> Watch:
        """Replaces a settled watch's snapshot by one with a newer link. Returns the watch as it now stands."""
        self._update(_key(watch.id, "watch"), {"snapshot": _snapshot_text(snapshot)}, NOT_ERASED)
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
        self._update(_key(watch.id, "watch"), values, f"{still_open} AND {same_round}", seen)

    def note_cancel_answer(self, watch: Watch, cancel: Cancel) -> None:
        """Writes what came of the wish to cancel, unless it was wished again since the watch was read."""
        seen = {"cancel": watch.cancel and asdict(watch.cancel)}
        with suppress(LostRace):
            self._update(_key(watch.id, "watch"), {"cancel": asdict(cancel)}, "#cancel = :seen_cancel", seen)

    def put_answer(self, watch_id: str, answer: Answer) -> None:
        """Keeps a provider's answer for as long as the events, unless a later one is kept already.

        The one before is moved, with a write of its own: one that is lost with it is no longer shown.
        """
        body = base64.b64encode(zlib.compress(serialize(answer.body).encode())).decode()
        values = {**_plain(answer), "body": body, "ttl": self._event_ttl(answer.at)}
        with suppress(LostRace):
            later = "attribute_not_exists(#at) OR #at < :at"
            before = self._update(_key(watch_id, "answer"), values, later, returns_old=True)
            if before:
                moved = _key(before.pop("pk"), _answer_key(before["at"]))
                del before["sk"]
                self._update(moved, before, "attribute_not_exists(pk)")

    def answer(self, watch_id: str, by: float | None = None) -> Answer:
        """Returns what a task's provider answered to the latest poll, or to the latest one by an instant.

        Raises NotFound if nothing is kept.
        """
        what = f"an answer of the provider of task {watch_id}"
        item = self._get(watch_id, "answer", what)
        if by is not None and "body" in item and item["at"] >= by:
            span = (_answer_key(0.0), _answer_key(max(0.0, by)))  # an instant before 1970 sorts wrongly
            item = next(self._items(watch_id, span=span, size=1, newest_first=True), {})
        if "body" not in item:
            raise NotFound(f"{what} is not in the ledger")
        body = json.loads(zlib.decompress(base64.b64decode(item["body"])))
        return replace(_fact(Answer, item), body=body)

    def note_execution(self, watch: Watch, execution: str, now: float) -> None:
        """Records which execution follows a watch now, and moves its `due_at`. A watch that has ended is left alone."""
        values = {"execution": execution, "due_at": _due_at(now)}
        with suppress(LostRace):
            self._update(_key(watch.id, "watch"), values, f"{NOT_ERASED} AND attribute_exists(due)")

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
            values |= {"due": _due("watch", watch.id), "due_at": _due_at(self._clock.now())}
            condition, seen = f"{condition} AND event_id = :seen_event_id", {**seen, "event_id": watch.event_id}
        self._update(_key(watch.id, "watch"), values, f"{NOT_ERASED} AND {condition}", seen)
        return replace(watch, callbacks=(*watch.callbacks, url), told=False)

    def reopen(self, watch: Watch, event_id: str, pause: int, now: float) -> None:
        """Opens a watch again that ended with the event `event_id`; `watch` is as it shall be after that.

        Its events are stored for longer: a second end of the same kind is the same event, to the byte. Raises LostRace
        when the watch was opened since it was read.
        """
        ends = now + watch.submission.deadline_seconds
        for item in self._items(watch.id, "event"):
            for key in (_key(item["pk"], item["sk"]), _event_key(item["id"])):
                with suppress(LostRace):  # events of earlier versions are not found by their id
                    self._update(key, {"ttl": self._event_ttl(ends)})
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
            "due": _due("watch", watch.id),
            "due_at": _due_at(now + pause),
            "ttl": self._watch_ttl(ends),
        }
        same_round, seen = _same_round(watch.retries - 1)
        condition = f"event_id = :seen_event_id AND {same_round}"
        self._update(_key(watch.id, "watch"), values, condition, {"event_id": event_id, **(seen or {})})
        self._prolong(watch, values["ttl"])

    def _prolong(self, watch: Watch, ttl: int) -> None:
        """Keeps what leads to a watch, and what its submissions are compared with, for longer than the watch itself."""
        reference = watch.submission.own_name
        keys = [_reference_key(watch.id, reference, watch.submitted_at)] if reference is not None else []
        later = {"ttl": _later(ttl)}
        for key in (*keys, _key(watch.id, "create")) if watch.creation else keys:
            with suppress(LostRace):
                self._update(key, later)
        if watch.creation is not None:
            with suppress(LostRace):  # the task of this id may be another watch's
                self._update(_alias(watch), later, "same_as = :seen_same_as", {"same_as": watch.id})

    def overdue_watches(self, now: float, most: int) -> list[str]:
        """Returns the ids of watches that should have moved before now, the longest overdue first.

        They have no event, or one that not all subscribers have a delivery of.
        """
        return [item["pk"]["S"] for item in self._overdue("watch", now, most)]

    def open_watches(self, most: int) -> list[Watch]:
        """Returns watches that have no event yet, at most so many: those that move next."""
        keys, found = self._overdue("watch", LATER_THAN_ALL, most), list[Watch]()
        for begin in range(0, len(keys), BATCH):
            found += (_watch(item) for item in self._read(keys[begin : begin + BATCH]) if "erased_at" not in item)
        return [watch for watch in found if watch.event_id is None]

    def watches(self, *, since: float = 0.0) -> Iterator[Watch]:
        """Yields all watches, newest first."""
        for item in self._listed("watches", since=since, newest_first=True):
            yield _watch(item)

    def watches_under(self, watch_ids: Sequence[str]) -> list[Watch]:
        """Returns the watches that there are of at most 100 ids."""
        found = list(self._read([_pack(_key(each, "watch")) for each in watch_ids]))
        same = [_pack(_key(item["same_as"], "watch")) for item in found if "same_as" in item]
        return [_watch(item) for item in (*found, *self._read(same)) if not {"same_as", "erased_at"} & item.keys()]

    def watches_of(self, reference: str) -> list[Watch]:
        """Returns the newest 100 watches of tasks with this reference, or without one but with this idempotency_key.

        The newest comes first. Nothing else is read.
        """
        pointers = self._client.query(
            TableName=self.table,
            KeyConditionExpression="pk = :pk",
            ExpressionAttributeValues=_pack({":pk": f"ref#{reference}"}),
            ConsistentRead=True,
            ScanIndexForward=False,
            Limit=BATCH,
        )["Items"]
        found = self.watches_under([each["sk"]["S"].rpartition("#")[2] for each in pointers])
        return sorted(found, key=lambda watch: watch.submitted_at, reverse=True)

    def watch_page(
        self, wanted: Callable[[Watch], bool], *, most: int, since: float = 0.0, cursor: str | None = None
    ) -> tuple[list[Watch], str | None]:
        """Returns the newest `most` watches that are wanted, and the cursor of the next page, None on the last page.

        One call reads at most 1,000 watches, so a page may be short, or empty, although there is a next page. Raises
        BadInput for a cursor of another list.
        """
        found = self._listed("watches", since=since, newest_first=True, after=_position("watches", cursor))
        return _page("watches", ((item["listed_at"], _watch(item)) for item in found), wanted, most)

    # Erasing tasks. What stays of one is a watch without a submission, which no write but these changes, and an answer
    # that is later than all that may come: nothing that is still under way brings anything back.

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
            self._prolong(watch, self._watch_ttl(now))  # first: its other id keeps it erased too
            left = Erasure(
                watch_id, now, own.provider, watch.execution, own.own_name, callbacks, submitted_at=watch.submitted_at
            )
            erased = {
                **_key(watch_id, "watch"),
                "erased_at": now,
                "left": asdict(left),
                "due": ERASING,
                "due_at": now,
                "ttl": self._watch_ttl(now),
            }
            seen = {name: item[name] for name in ("callbacks", "execution") if name in item}
            known = [
                f"{name} = :{name}" if name in seen else f"attribute_not_exists({name})"
                for name in ("callbacks", "execution")
            ]
            with suppress(self._client.exceptions.ConditionalCheckFailedException):  # it was changed: read it again
                self._client.put_item(
                    TableName=self.table,
                    Item=_pack(erased),
                    ConditionExpression=" AND ".join((NOT_ERASED, *known)),
                    ExpressionAttributeValues=_pack({f":{name}": value for name, value in seen.items()}),
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
        return [_erasure(item) for item in self._indexed(ERASING) if "left" in item]

    def forget(self, left: Erasure) -> None:
        """Removes all of an erased task but the two items that keep it erased, and what leads to it."""
        later = {**_key(left.watch_id, "answer"), "at": LATER_THAN_ALL, "ttl": self._watch_ttl(left.at)}
        self._client.put_item(TableName=self.table, Item=_pack(later))
        for item in self._items(left.watch_id, size=BATCH):
            if item["sk"].partition("#")[0] == "event":
                self._client.delete_item(TableName=self.table, Key=_pack(_event_key(item["id"])))
            if item["sk"] not in ("watch", "answer"):
                self._client.delete_item(TableName=self.table, Key=_pack(_key(item["pk"], item["sk"])))
        if left.reference is not None:
            key = _reference_key(left.watch_id, left.reference, left.submitted_at)
            self._client.delete_item(TableName=self.table, Key=_pack(key))
        for callback in left.callbacks:
            # Another task's delivery to it makes it anew, of what its own watch says.
            if next(self.deliveries_to(callback), None) is None:
                self._client.delete_item(TableName=self.table, Key=_pack(_subscriber_key(callback)))

    def note_erased(self, left: Erasure) -> None:
        """Records that a task's `task.erased` is on the bus, and what is left to look for once more."""
        values = {"left": asdict(replace(left, reference=None, told=True))}
        self._update(_key(left.watch_id, "watch"), values, "attribute_exists(erased_at)")

    def end_erasure(self, left: Erasure) -> None:
        """Records that nothing is left to remove, since all that was under way has ended."""
        values = {"left": None, "due": None, "due_at": None}
        self._update(_key(left.watch_id, "watch"), values, "attribute_exists(erased_at)")

    # Events

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
        of_watch, closed = _key(event.watch_id, "watch"), {"event_id": event.id}
        ended: Event | None = None
        with suppress(NotFound):
            ended = self.event(event.watch_id, event.id) if retries else None
        lives = {} if ended else {"ttl": self._watch_ttl(event.at)}
        close = _update_arguments(of_watch, {**closed, **lives}, still_open, seen)
        writes: list[Any] = [{"Update": {"TableName": self.table, **close}}]
        if ended is None:
            key = _key(event.watch_id, f"event#{event.id}" if retries else "event")
            listed = {"list": "events", "listed_at": _sortable(event.at, event.id)}
            ttl = {"ttl": self._event_ttl(event.at)}
            found_by = _pack({**_event_key(event.id), "same_as": event.watch_id, **ttl})
            writes = [
                self._new({**key, **_event_values(event), **listed, **ttl}),
                {"Put": {"TableName": self.table, "Item": found_by}},
                *writes,
            ]
        if not self._written_together(writes):
            ended_as = self.watch(event.watch_id).event_id
            if ended_as is None and creation is not None:
                raise LostRace
            first = self.event(event.watch_id, ended_as)
            with suppress(LostRace):  # the event may be of a watch of this task that is no longer stored
                self._update(of_watch, {**closed, "event_id": first.id}, still_open, seen)
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
            self._update(_key(watch.id, "watch"), {"due": None, "due_at": None}, condition, seen)

    def event(self, watch_id: str, event_id: str | None = None) -> Event:
        """Returns a terminal event of a watch: the one with this id, else the latest. Raises NotFound."""
        if event_id is None:
            events = self.events(watch_id)
            if not events:
                raise NotFound(f"event of task {watch_id} is not in the ledger")
            return events[-1]
        with suppress(NotFound):
            first = _event(self._get(watch_id, "event", f"event of task {watch_id}"))
            if first.id == event_id:
                return first
        return _event(self._get(watch_id, f"event#{event_id}", f"event {event_id} of task {watch_id}"))

    def note_on_bus(self, event: Event) -> None:
        """Records that a terminal event was put on the event bus."""
        for sk in ("event", f"event#{event.id}"):
            with suppress(LostRace):
                self._update(_key(event.watch_id, sk), {"on_bus": True}, "id = :seen_id", {"id": event.id})
                return

    def events(self, watch_id: str) -> list[Event]:
        """Returns the terminal events of a watch, oldest first: one, or two if it was retried."""
        return sorted((_event(item) for item in self._items(watch_id, "event")), key=lambda event: event.at)

    # Deliveries

    def open_delivery(self, event: Event, subscriber: Subscriber, now: float) -> Delivery:
        """Returns the delivery of an event to a subscriber, new or existing. A new one is `due` until it is settled.

        It is stored for as long as its event, without which it cannot be sent.
        """
        delivery = self.new_delivery(event, subscriber, now)
        if self._put_new(_new_item(delivery)):
            return delivery
        return self.delivery(event.watch_id, event.id, subscriber.id)

    def new_delivery(self, event: Event, subscriber: Subscriber, now: float) -> Delivery:
        """Returns the delivery of an event to a subscriber as it begins, not written yet."""
        expires_at = self._event_ttl(event.at)
        return Delivery(event.id, event.watch_id, subscriber.id, event.type, now, expires_at=expires_at)

    def add_deliveries(self, made: Sequence[tuple[Delivery, Attempt | None]]) -> None:
        """Writes up to 50 new deliveries, each with its first attempt, if there was one, in one request.

        One that another publishing has added meanwhile stays as it is, but has this attempt in its log too, and is
        delivered if that succeeded.
        """
        if len(made) > 1:
            items = [_new_item(delivery) for delivery, _ in made]
            items += [self._attempt_item(delivery, attempt) for delivery, attempt in made if attempt]
            new = {"TableName": self.table, "ConditionExpression": "attribute_not_exists(pk)"}
            writes: Any = [{"Put": {**new, "Item": _pack(item)}} for item in items]
            with suppress(self._client.exceptions.TransactionCanceledException):
                self._client.transact_write_items(TransactItems=writes)
                return
        for delivery, attempt in made:
            self._add_delivery(delivery, attempt)

    def _add_delivery(self, delivery: Delivery, attempt: Attempt | None) -> None:
        if attempt is not None:
            delivery = replace(delivery, attempts=self._log(delivery, attempt).number)
        if not self._put_new(_new_item(delivery)) and delivery.state is DeliveryState.DELIVERED:
            self.change_delivery(delivery)

    def delivery(self, watch_id: str, event_id: str, subscriber_id: str) -> Delivery:
        """Returns a delivery. Raises NotFound."""
        key = f"delivery#{event_id}#{subscriber_id}"
        return _fact(Delivery, self._get(watch_id, key, f"delivery of {event_id} to {subscriber_id}"))

    def note_attempt(self, delivery: Delivery, attempt: Attempt, state: DeliveryState) -> Delivery:
        """Writes an attempt into the log, then its delivery. Returns the delivery as it now stands.

        If another execution has made an attempt of this number meanwhile, this one gets the next number.
        """
        wanted, attempt = attempt.number, self._log(delivery, attempt)
        # What others tried does not shorten the schedule of this run.
        base = delivery.base + attempt.number - wanted
        return self.change_delivery(replace(delivery.after(attempt, state), base=base))

    def _log(self, delivery: Delivery, attempt: Attempt) -> Attempt:
        while True:
            try:
                self._client.put_item(
                    TableName=self.table,
                    Item=_pack(self._attempt_item(delivery, attempt)),
                    # The same attempt may be written twice: a request whose answer was lost is repeated.
                    ConditionExpression="attribute_not_exists(pk) OR #at = :at",
                    ExpressionAttributeNames={"#at": "at"},
                    ExpressionAttributeValues=_pack({":at": attempt.at}),
                )
            except self._client.exceptions.ConditionalCheckFailedException:
                attempt = replace(attempt, number=attempt.number + 1)
            else:
                return attempt

    def _attempt_item(self, delivery: Delivery, attempt: Attempt) -> Item:
        sk = f"attempt#{delivery.event_id}#{delivery.subscriber_id}#{attempt.number:04}"
        expires_at = delivery.expires_at or self._event_ttl(attempt.at)
        return {**_key(delivery.watch_id, sk), **_plain(attempt), "ttl": expires_at}

    def change_delivery(self, delivery: Delivery) -> Delivery:
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
                    self._update(_delivery_key(delivery), delivered)
            with suppress(NotFound):
                return self.delivery(delivery.watch_id, delivery.event_id, delivery.subscriber_id)
        return delivery

    def cancel_delivery(self, delivery: Delivery) -> None:
        """Cancels a delivery that is as it was read, such as a held one of a subscriber that was removed."""
        with suppress(LostRace):
            self._write_delivery(replace(delivery, state=DeliveryState.CANCELLED, next_at=None), delivery)

    def _write_delivery(self, delivery: Delivery, seen: Delivery) -> None:
        """Writes a delivery if its state and run are those seen. Raises LostRace."""
        values = {**_plain(delivery), **_delivery_due(delivery)}
        condition = "#state = :seen_state AND #run = :seen_run"
        self._update(_delivery_key(delivery), values, condition, {"state": seen.state, "run": seen.run})

    def deliveries_of(self, event: Event) -> dict[str, Delivery]:
        """Returns the deliveries of an event, by subscriber."""
        of_event = f"{event.id}#"
        return {each.subscriber_id: each for each in self._deliveries(event.watch_id, of_event, of_event)}

    def delivery_counts(self, watches: Sequence[Watch]) -> dict[str, Counter[str]]:
        """Returns for each task how many deliveries of its terminal event are in which state."""

        def counted(watch: Watch) -> Counter[str]:
            event = f"{watch.event_id}#"
            return Counter(each.state for each in self._deliveries(watch.id, event, event))

        counts, ended = {each.id: Counter[str]() for each in watches}, [each for each in watches if each.event_id]
        with ThreadPoolExecutor(EVENTS_AT_ONCE) as pool:
            return counts | dict(zip((each.id for each in ended), pool.map(counted, ended), strict=True))

    def deliveries(self, watch_id: str) -> list[Delivery]:
        """Returns all deliveries of one task's events."""
        return list(self._deliveries(watch_id))

    def task_delivery_page(
        self, watch_id: str, *, most: int, cursor: str | None = None
    ) -> tuple[list[Delivery], str | None]:
        """Returns the first `most` deliveries of one task, and the cursor of the next page, None on the last page.

        They are ordered by event and subscriber. A page with many attempts is short, since with their log it must fit
        into one answer. Raises BadInput for a cursor of another list.
        """
        found = self._deliveries(watch_id, after=_position(watch_id, cursor) or "")
        steps = ((f"{each.event_id}#{each.subscriber_id}", each) for each in found)
        return _page(watch_id, steps, lambda _: True, most, lambda each: 1 + each.attempts * ATTEMPT_READS)

    def delivery_page(
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
        ordered by the instant of the event. `since` is of the same time. A page may be short as in `watch_page`. Raises
        BadInput for a cursor of another list, or a type that no terminal event has, and NotFound for a subscriber of
        which nothing is known.
        """

        def wanted(delivery: Delivery) -> bool:
            return state in (None, delivery.state) and event_type in (None, delivery.event_type)

        if subscriber_id is None:
            if event_type not in (None, *TERMINAL_TYPES):
                hint = "give a subscriber too, or the type of a terminal event"
                raise BadInput("type", f"{event_type} is found only among the deliveries to one subscriber", hint)
            return _page("events", self._of_events(event_type, since, _position("events", cursor)), wanted, most)
        after = _position(subscriber_id, cursor)
        found = self._listed(subscriber_id, since=since, newest_first=True, after=after)
        steps = ((item["listed_at"], _fact(Delivery, item)) for item in found)
        page, following = _page(subscriber_id, steps, wanted, most)
        if not page and next(self.deliveries_to(subscriber_id), None) is None:
            self.subscriber(subscriber_id)  # it is a filter, but an id that was never ours is more likely a mistake
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
        events = self._listed("events", since=since, newest_first=True, after=after)
        with ThreadPoolExecutor(EVENTS_AT_ONCE) as pool:
            while items := list(islice(events, EVENTS_AT_ONCE)):
                for item, deliveries in zip(items, pool.map(begun, items), strict=True):
                    yield f"{item['listed_at']}#", None
                    for delivery in deliveries:
                        yield f"{item['listed_at']}#{delivery.subscriber_id}", delivery

    def _deliveries(self, watch_id: str, within: str = "", after: str = "") -> Iterator[Delivery]:
        """Yields the deliveries of one task by their keys: those that begin with `within` and come after `after`."""
        span = (f"delivery#{after}", f"delivery#{within}{LAST_POSITION}")
        for item in self._items(watch_id, span=span, size=BATCH):
            if item["sk"] != span[0]:
                yield _fact(Delivery, item)

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
        for item in self._items(watch_id, "attempt#", span=span):
            _, event_id, subscriber_id, _ = item["sk"].split("#")
            log.setdefault((event_id, subscriber_id), []).append(_fact(Attempt, item))
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
            return self.delivery(delivery.watch_id, delivery.event_id, delivery.subscriber_id)
        return changed

    def deliveries_to(
        self, subscriber_id: str, *, since: float = 0.0, until: float | None = None
    ) -> Iterator[Delivery]:
        """Yields a subscriber's deliveries that were opened from `since` to before `until`, oldest first."""
        for item in self._listed(subscriber_id, since=since, after=None if until is None else _sortable(until, "")):
            yield _fact(Delivery, item)

    def held_deliveries(self, subscriber_id: str) -> Iterator[Delivery]:
        """Yields the held deliveries of a subscriber, oldest first."""
        for item in self._indexed(f"held#{subscriber_id}"):
            delivery = _fact(Delivery, item)
            if delivery.state is DeliveryState.HELD:
                yield delivery

    def overdue_deliveries(self, now: float, most: int) -> list[Delivery]:
        """Returns due deliveries that should have moved before now, the longest overdue first."""
        keys, found = self._overdue("delivery", now, most), list[Delivery]()
        for begin in range(0, len(keys), BATCH):
            for item in self._read(keys[begin : begin + BATCH]):
                delivery = _fact(Delivery, item)
                # The index is updated later than the table.
                if delivery.state is DeliveryState.DUE and item["due_at"] < now:
                    found.append(delivery)
        return found

    # Task tokens: the credentials of waiting executions, stored until they are answered

    def put_token(self, watch_id: str, token: str, now: float) -> None:
        """Stores a token for the terminal event to answer."""
        item = {
            **_key(watch_id, f"token#{derived_id('tok', token)}"),
            "token": token,
            "ttl": self._event_ttl(now) + 365 * DAY,
        }
        self._client.put_item(TableName=self.table, Item=_pack(item))

    def tokens(self, watch_id: str) -> list[str]:
        """Returns the tokens that are not answered yet."""
        return [item["token"] for item in self._items(watch_id, "token#")]

    def remove_token(self, watch_id: str, token: str) -> None:
        """Removes an answered token."""
        key = _key(watch_id, f"token#{derived_id('tok', token)}")
        self._client.delete_item(TableName=self.table, Key=_pack(key))

    # Subscribers

    def begin_removal(self, subscriber_id: str, secret_name: str | None) -> None:
        """Records that a subscriber is being removed, or what Secrets Manager has of it, before the first other write.

        After a crash the sweeper knows from it which deliveries may be left, and which secret.
        """
        item = {**_key("unfinished", subscriber_id), "secret_name": secret_name, "at": self._clock.now()}
        self._client.put_item(TableName=self.table, Item=_pack(item))

    def unfinished_subscribers(self, now: float) -> list[tuple[str, str | None, float]]:
        """Returns what was begun so long ago that nobody works on it now: the ids, the names of the secrets, and when.

        Also a removal that came to its end, since a delivery may have been held until after it.
        """
        found = ((item["sk"], item.get("secret_name"), float(item["at"])) for item in self._items("unfinished"))
        return [each for each in found if each[2] < now - STALE_SECONDS]

    def end_removal(self, subscriber_id: str, begun_at: float) -> None:
        """Removes the record of `begin_removal`, unless that was begun anew."""
        with suppress(self._client.exceptions.ConditionalCheckFailedException):
            self._client.delete_item(
                TableName=self.table,
                Key=_pack(_key("unfinished", subscriber_id)),
                ConditionExpression="#at = :at",
                ExpressionAttributeNames={"#at": "at"},
                ExpressionAttributeValues=_pack({":at": begun_at}),
            )

    def put_subscriber(self, subscriber: Subscriber) -> None:
        """Adds a subscriber, or replaces all of it."""
        holds = {} if subscriber.active else _holds(self._clock.now())
        health = {name: getattr(subscriber, name) for name in HEALTH}
        if any(health.values()):
            self._note_health(subscriber.id, health)
        else:
            self._forget_health(subscriber.id)
        self._client.put_item(TableName=self.table, Item=_pack({**_subscriber_item(subscriber), **holds}))
        self._subscribers_changed()

    def subscriber(self, subscriber_id: str) -> Subscriber:
        """Returns a subscriber. Raises NotFound."""
        keys = _subscriber_key(subscriber_id), _health_key(subscriber_id)
        found = self._batch([_pack(key) for key in keys])
        item, health = (found.get((key["pk"], key["sk"])) for key in keys)
        if item is None:
            raise NotFound(f"subscriber {subscriber_id} is not in the ledger")
        return _with_health(_without_health(item), health)

    def subscribers_under(self, subscriber_ids: Iterable[str]) -> dict[str, Subscriber]:
        """Returns the subscribers that there are of these ids, by id, without how they answer."""
        keys, found = [_pack(_subscriber_key(each)) for each in dict.fromkeys(subscriber_ids)], list[Item]()
        for begin in range(0, len(keys), BATCH):
            found += self._batch(keys[begin : begin + BATCH]).values()
        return {item["sk"]: _without_health(item) for item in found}

    def subscribers(self) -> list[Subscriber]:
        """Returns all subscribers, oldest first, without the callback_urls of tasks."""
        now, health = self._clock.now(), {item["sk"]: item for item in self._items("roster")}
        version = int(health.get("version", {}).get("version", 0))
        known, read_at, found = self._roster
        if known != version or not 0 <= now - read_at < ROSTER_SECONDS:
            found = [_without_health(item) for item in self._items("subscribers")]
            found.sort(key=lambda subscriber: subscriber.created_at)
            self._roster = version, now, found
        return [_with_health(each, health.get(each.id)) for each in found]

    def callback(self, subscriber: Subscriber, now: float) -> Subscriber:
        """Returns the stored state of a callback_url, or stores it as given; it expires with its events."""
        expiry = {"ttl": self._event_ttl(now)}
        if not self._put_new({**_subscriber_item(subscriber), **expiry}):
            self._update(_subscriber_key(subscriber.id), expiry)
        return self.subscriber(subscriber.id)

    def change_subscriber(
        self, subscriber_id: str, changes: Mapping[str, Any], *, sealed_as: Subscriber | None = None
    ) -> None:
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
            self._update(_subscriber_key(subscriber_id), dict(changes), condition, seen)
        except LostRace:
            self.subscriber(subscriber_id)
            raise
        self._subscribers_changed()

    def put_state(self, subscriber_id: str, state: SubscriberState, reason: str | None) -> None:
        """Makes a subscriber active, paused or disabled. Raises NotFound when it was removed.

        In the same write it goes into the index of those that may have held deliveries. It stays there for as long as
        somebody may still hold one of an active subscriber.
        """
        now = self._clock.now()
        values: Item = {"state": state, "reason": reason, "state_since": now, **_holds(now)}
        if state is SubscriberState.ACTIVE:
            # First, since one that failed for days must not be disabled by its next failure.
            self._forget_health(subscriber_id)
        self.change_subscriber(subscriber_id, values)

    def disable(self, subscriber_id: str, reason: str) -> bool:
        """Disables an active subscriber. Returns whether this call did it: its caller must report it."""
        now = self._clock.now()
        values = {"state": SubscriberState.DISABLED, "reason": reason, "state_since": now, **_holds(now)}
        try:
            self._update(
                _subscriber_key(subscriber_id), values, "#state = :seen_state", {"state": SubscriberState.ACTIVE}
            )
        except LostRace:
            return False
        self._subscribers_changed()
        return True

    def holding_subscribers(self) -> Iterator[tuple[Subscriber, float]]:
        """Yields the subscribers, callback_urls too, that may have held deliveries, and since when their state is so.

        The one whose state is the oldest comes first.
        """
        for item in self._indexed("holding"):
            yield _without_health(item), item.get("due_at", 0.0)

    def forget_holding(self, subscriber: Subscriber, since: float, now: float) -> None:
        """Takes an active subscriber without held deliveries out of the index, unless its state changed since then.

        It stays for an hour after it was resumed: who saw it before that may hold a delivery yet.
        """
        if since >= now - STALE_SECONDS:
            return
        values = {"due": None, "due_at": None, "state": subscriber.state}
        with suppress(LostRace):
            key, seen = _subscriber_key(subscriber.id), {"since": since}
            self._update(key, values, "#state = :state AND #due_at = :seen_since", seen)

    def index_held(self) -> bool:
        """Makes held deliveries of earlier versions findable, which are in no index. Returns whether there may be more.

        Each call looks through one page of the table, after that of the call before; all of it is looked through once.
        The first page is read an hour after the first call, when no function of an earlier version works any more.
        """
        key, now = _key("upgrades", "held"), self._clock.now()
        if self._put_new({**key, "at": now}):
            return False
        known = self._get(key["pk"], key["sk"], "how far the sweeper has looked")
        if "done" in known or now < known["at"] + STALE_SECONDS:
            return False
        page = self._client.scan(
            TableName=self.table,
            Limit=PAGE_READS,
            FilterExpression="begins_with(sk, :sk) AND #state = :state AND attribute_not_exists(due)",
            ExpressionAttributeNames={"#state": "state"},
            ExpressionAttributeValues=_pack({":sk": "delivery#", ":state": DeliveryState.HELD}),
            **({"ExclusiveStartKey": json.loads(known["after"])} if "after" in known else {}),
        )
        for item in page["Items"]:
            self._index(_fact(Delivery, _unpack(item)), now)
        last = page.get("LastEvaluatedKey")
        self._update(key, {"after": serialize(last) if last else None, "done": None if last else True})
        return last is not None

    def _index(self, delivery: Delivery, now: float) -> None:
        """Puts a held delivery and its subscriber into the index. One of a subscriber that is gone is due."""
        indexed = delivery
        try:
            self._update(_subscriber_key(delivery.subscriber_id), _holds(now))
        except LostRace:
            indexed = replace(delivery, state=DeliveryState.DUE, next_at=now)
        with suppress(LostRace):
            self._write_delivery(indexed, delivery)

    def remove_subscriber(self, subscriber_id: str) -> None:
        """Removes a subscriber; its open deliveries are cancelled at their next attempt."""
        self._client.delete_item(TableName=self.table, Key=_pack(_subscriber_key(subscriber_id)))
        self._forget_health(subscriber_id)
        self._subscribers_changed()

    def _subscribers_changed(self) -> None:
        """Tells all who have the subscribers in memory to read them again."""
        self._client.update_item(
            TableName=self.table,
            Key=_pack(_key("roster", "version")),
            UpdateExpression="ADD version :one",
            ExpressionAttributeValues=_pack({":one": 1}),
        )

    # How subscribers answer

    def take_turns(self, subscriber_id: str, seconds: float, not_before: float) -> float:
        """Takes the next free `seconds` of a subscriber, not before an instant. Returns when they begin.

        Hundreds of executions come for their turns at once, and none of them reads what the others took.
        """
        key, later = _health_key(subscriber_id), {"not_before": not_before}
        while True:
            try:
                answer = self._client.update_item(
                    TableName=self.table,
                    Key=_pack(key),
                    UpdateExpression="ADD free_at :seconds",
                    ConditionExpression="free_at >= :not_before",
                    ExpressionAttributeValues=_pack({":seconds": seconds, ":not_before": not_before}),
                    ReturnValues="UPDATED_NEW",
                )
                return float(_unpack(answer["Attributes"])["free_at"]) - seconds
            except self._client.exceptions.ConditionalCheckFailedException:
                first = "(attribute_not_exists(free_at) OR free_at < :seen_not_before)"
            with suppress(LostRace):  # somebody was first
                self._note_health(subscriber_id, {"free_at": not_before + seconds}, first, later)
                return not_before

    def join_line(self, event: Event, subscriber_id: str, until: float) -> None:
        """Notes that an event waits in a subscriber's line, until about an instant, so that the oldest can be found."""
        item = {**_line_key(event, subscriber_id), "watch_id": event.watch_id, "ttl": int(until) + DAY}
        self._client.put_item(TableName=self.table, Item=_pack(item))

    def leave_line(self, event: Event, subscriber_id: str) -> Iterator[Delivery]:
        """Takes an event out of a subscriber's line, after all that are older, and yields these, the oldest first.

        What is not taken from the iterator stays in the line. Nobody else gets what this call has taken.
        """
        own = _line_key(event, subscriber_id)
        for item in self._items(own["pk"], span=(FIRST_POSITION, own["sk"]), size=LINE_READS):
            answer = self._client.delete_item(
                TableName=self.table, Key=_pack(_key(item["pk"], item["sk"])), ReturnValues="ALL_OLD"
            )
            if item["sk"] != own["sk"] and "Attributes" in answer:
                _, event_id, other_id = item["sk"].split("#")
                with suppress(NotFound):
                    yield self.delivery(item["watch_id"], event_id, other_id)

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
            with suppress(self._client.exceptions.ConditionalCheckFailedException):
                answer = self._client.update_item(
                    TableName=self.table,
                    Key=_pack(_health_key(subscriber.id)),
                    UpdateExpression=expression,
                    ExpressionAttributeNames={"#ttl": "ttl"},
                    ExpressionAttributeValues=_pack(given),
                    ReturnValues="ALL_NEW",
                    **condition,
                )
                break
        return _with_health(subscriber, _unpack(answer["Attributes"]))

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
        now = self._clock.now()
        past = (f"(attribute_not_exists({name}) OR {name} <= :now)" for name in ("hold_until", "slow_until", "free_at"))
        calm = ("attribute_not_exists(failing_since)", "(attribute_not_exists(gap) OR gap = :none)", *past)
        with suppress(self._client.exceptions.ConditionalCheckFailedException):
            self._client.delete_item(
                TableName=self.table,
                Key=_pack(_health_key(subscriber.id)),
                ConditionExpression=" AND ".join(calm),
                ExpressionAttributeValues=_pack({":now": now, ":none": 0}),
            )

    def _note_health(self, subscriber_id: str, values: Item, condition: str = "", seen: Item | None = None) -> None:
        """Writes how a subscriber answers. Raises LostRace when the condition is not met."""
        self._update(_health_key(subscriber_id), {**values, "ttl": self._health_ttl()}, condition, seen)

    def _forget_health(self, subscriber_id: str) -> None:
        self._client.delete_item(TableName=self.table, Key=_pack(_health_key(subscriber_id)))

    def _health_ttl(self) -> int:
        return int(self._clock.now()) + HEALTH_DAYS * DAY

    # Provider files

    def put_provider_file(self, name: str, text: str) -> None:
        """Stores a provider's TOML text; it is used instead of the bundled file of this name."""
        self._client.put_item(TableName=self.table, Item=_pack({**_key("providers", name), "text": text}))
        self._providers.pop(name, None)

    def provider(self, name: str) -> "Provider":
        """Returns the provider of this name: the file stored here, else the bundled one. Raises NotFound.

        One that was found is remembered for a minute.
        """
        known = self._providers.get(name)
        now = self._clock.now()
        if known is None or not 0 <= now - known[0] < PROVIDER_SECONDS:
            from vidhook.providers.file import bundled_provider  # which who delivers an event never needs

            text = self.provider_file(name)
            provider = bundled_provider(name) if text is None else _parsed(text, name)
            known = self._providers[name] = (now, provider)
        return known[1]

    def nearest_provider(self, name: str) -> str | None:
        """Returns the provider whose name is most like this misspelled one, or None."""
        from vidhook.providers.file import BUNDLED

        near = get_close_matches(name, [*BUNDLED, *self.provider_files()], n=1)
        return near[0] if near else None

    def provider_file(self, name: str) -> str | None:
        """Returns the text stored for this provider, or None."""
        try:
            item = self._get("providers", name, f"provider {name}")
        except NotFound:
            return None
        return str(item["text"])

    def provider_files(self) -> dict[str, str]:
        """Returns all stored provider files by name."""
        return {item["sk"]: item["text"] for item in self._items("providers")}

    def remove_provider_file(self, name: str) -> bool:
        """Removes a stored provider file. Returns whether there was one."""
        self._providers.pop(name, None)
        answer = self._client.delete_item(
            TableName=self.table, Key=_pack(_key("providers", name)), ReturnValues="ALL_OLD"
        )
        return "Attributes" in answer

    # What was learned of how long tasks take

    def paces(self, provider: str, kind: Kind | None, now: float) -> tuple[Pace, Pace]:
        """Returns what was learned of one kind of task, and of all tasks of its provider; at most a minute old."""
        own = self._read_pace(provider, _pace_prefix(kind), now) if kind else Pace()
        return own, self._read_pace(provider, _pace_prefix(None), now)

    def kinds(self, provider: str) -> dict[Kind, Pace]:
        """Returns what was learned of each kind of task of a provider."""
        shards: dict[Kind, list[Pace]] = {}
        for item in self._items(_pace_key(provider), "kind#"):
            shards.setdefault(_kind(item), []).append(_pace(item["state"]))
        return {kind: merged(each) for kind, each in shards.items()}

    def learn(self, watch: Watch, kind: Kind, ended: Ended, outlook: Outlook, now: float) -> bool:
        """Adds one task that ended to what is known of its kind, and of all tasks of its provider.

        The task's id chooses one of 8 items, so that a hundred tasks a second do not meet in one. Each is written under
        a condition, so that no task is lost. Returns False when others wrote first again and again.
        """
        shard = SHARDS.index(watch.id.partition("_")[2][:1]) % PACE_SHARDS
        provider, prefixes = watch.submission.provider, (_pace_prefix(kind), _pace_prefix(None))
        keys = [_key(_pace_key(provider), f"{prefix}{shard}") for prefix in prefixes]
        read = [self._paces.get((provider, prefix), NOT_READ) for prefix in prefixes]
        if all(at == now for at, _, _ in read):  # for this very task: they are not read twice
            found = {key: item for _, _, items in read for key, item in items.items()}
        else:
            found = self._batch([_pack(key) for key in keys])
        written = [self._learn(key, found.get((key["pk"], key["sk"])), ended, outlook, now) for key in keys]
        return all(written)

    def forget_pace(self, provider: str, model: str | None = None) -> int:
        """Forgets what was learned of a provider's tasks, or of those of one model. Returns the number of kinds."""
        forgotten = set()
        for item in self._items(_pace_key(provider)):
            kind = _kind(item) if item["sk"].startswith("kind#") else None
            if model is None or (kind and kind[0] == model):
                self._client.delete_item(TableName=self.table, Key=_pack(_key(item["pk"], item["sk"])))
                forgotten |= {kind} - {None}
        self._paces.clear()
        return len(forgotten)

    def _read_pace(self, provider: str, prefix: str, now: float) -> Pace:
        read_at, pace, _ = self._paces.get((provider, prefix), NOT_READ)
        if not 0 <= now - read_at < PACE_SECONDS:
            items = {(item["pk"], item["sk"]): item for item in self._items(_pace_key(provider), prefix)}
            pace = merged(_pace(item["state"]) for item in items.values())
            if len(self._paces) >= PACES_CACHED:
                self._paces.clear()
            self._paces[provider, prefix] = now, pace, items
        return pace

    def _learn(self, key: Item, item: Item | None, ended: Ended, outlook: Outlook, now: float) -> bool:
        for _ in range(PACE_TRIES):
            known = _pace(item["state"]) if item else Pace()
            values = {
                "state": _pace_text(known.learned(ended, decay(PACE_SHARDS), outlook)),
                "version": (item["version"] if item else 0) + 1,
                "ttl": int(now) + PACE_DAYS * DAY,
            }
            condition = "version = :seen_version" if item else "attribute_not_exists(pk)"
            try:
                self._update(key, values, condition, {"version": item["version"]} if item else None)
                return True
            except LostRace:
                item = self._batch([_pack(key)]).get((key["pk"], key["sk"]))
        return False

    # Polls planned within a key's budget

    def planned_days(self, provider: str, now: float) -> dict[str, Planned]:
        """Returns the polls that are planned today and later, by the key of the day."""
        today = day_of(ANY_DAY, now)
        assert today is not None
        return {item["sk"]: _planned(item) for item in self._items(f"budget#{provider}", span=(today.key, "day#~"))}

    def planned_slots(self, provider: str, budget: Budget, since: float) -> Iterator[tuple[str, Planned]]:
        """Yields the polls that are planned in the slots of minutes, soonest first, by the key of the slot."""
        slot = slot_of(budget, since)
        if slot is not None:
            prefix = slot.key.rpartition("#")[0]
            for item in self._items(f"budget#{provider}", span=(slot.key, f"{prefix}#~")):
                yield item["sk"], _planned(item)

    def plan_poll(self, provider: str, windows: Sequence[Window], wanted: float, now: float) -> bool:
        """Takes room for one poll in all of these windows; False when one of them is full.

        `wanted`: how many polls it would be if pauses were not stretched.
        """
        updates: list[Any] = [
            {
                "TableName": self.table,
                "Key": _pack(_key(f"budget#{provider}", window.key)),
                "UpdateExpression": "ADD polls :one, wanted :wanted SET #ttl = :ttl",
                "ConditionExpression": "attribute_not_exists(polls) OR polls < :most",
                "ExpressionAttributeNames": {"#ttl": "ttl"},
                "ExpressionAttributeValues": _pack(
                    {":one": 1, ":wanted": wanted, ":most": window.most, ":ttl": int(now) + BUDGET_DAYS * DAY}
                ),
            }
            for window in windows
        ]
        errors = self._client.exceptions
        try:
            if len(updates) == 1:
                self._client.update_item(**updates[0])
            else:
                self._client.transact_write_items(TransactItems=[{"Update": update} for update in updates])
        except (errors.ConditionalCheckFailedException, errors.TransactionCanceledException):
            return False  # full, or taken by others at this moment
        return True

    # The table

    def _event_ttl(self, now: float) -> int:
        return int(now) + self.event_days * DAY

    def _watch_ttl(self, ends: float) -> int:
        """Returns until when a watch is stored that ends then.

        That is the one rule for lifetimes: a watch outlives its event, with its deliveries and attempts, and the names
        of its executions. Else its task could be submitted again, and would find what is left of the first time.
        """
        return int(ends) + (max(self.event_days, NAME_DAYS) + SPARE_DAYS) * DAY

    def _get(self, pk: str, sk: str, what: str) -> Item:
        answer = self._client.get_item(TableName=self.table, Key=_pack(_key(pk, sk)), ConsistentRead=True)
        if "Item" not in answer:
            raise NotFound(f"{what} is not in the ledger")
        return _unpack(answer["Item"])

    def _put_new(self, item: Item) -> bool:
        try:
            self._client.put_item(
                TableName=self.table, Item=_pack(item), ConditionExpression="attribute_not_exists(pk)"
            )
        except self._client.exceptions.ConditionalCheckFailedException:
            return False
        return True

    def _new(self, item: Item) -> dict[str, Any]:
        """Returns a write of a transaction that puts an item unless there is one."""
        condition = "attribute_not_exists(pk)"
        return {"Put": {"TableName": self.table, "Item": _pack(item), "ConditionExpression": condition}}

    def _written_together(self, writes: list[Any]) -> bool:
        """Makes all of these writes, or none when one of their conditions does not hold. Returns whether it did."""
        for tries_left in reversed(range(TOGETHER_TRIES)):
            try:
                self._client.transact_write_items(TransactItems=writes)
            except self._client.exceptions.TransactionCanceledException as error:
                reasons = {reason.get("Code") for reason in error.response.get("CancellationReasons", [])}
                if "ConditionalCheckFailed" in reasons:
                    break
                if not tries_left or "TransactionConflict" not in reasons:
                    raise
                sleep(TOGETHER_SECONDS)  # somebody writes the same at this moment, most often a repetition of the same
            else:
                return True
        return False

    def _update(
        self,
        key: Item,
        values: Item,
        condition: str = "attribute_exists(pk)",
        seen: Item | None = None,
        *,
        returns_old: bool = False,
    ) -> Item:
        """Changes an item. Returns the old one if that is asked for and there was one, else {}. Raises LostRace."""
        arguments = {**_update_arguments(key, values, condition, seen), "TableName": self.table}
        try:
            answer = self._client.update_item(**arguments, ReturnValues="ALL_OLD" if returns_old else "NONE")
        except ClientError as error:
            if error.response.get("Error", {}).get("Code") == "ConditionalCheckFailedException":
                raise LostRace from error
            raise
        return _unpack(answer.get("Attributes", {}))

    def _items(
        self,
        pk: str,
        prefix: str = "",
        *,
        span: tuple[str, str] | None = None,
        size: int | None = None,
        newest_first: bool = False,
    ) -> Iterator[Item]:
        """Yields the items of a partition: all, those whose sort key has a prefix, or those in a span of sort keys.

        They are read as they are taken, `size` at a time, in the order of their sort keys or the other way round.
        """
        condition, values = "pk = :pk", {":pk": pk}
        if span:
            condition, values = (
                f"{condition} AND sk BETWEEN :first AND :last",
                {**values, ":first": span[0], ":last": span[1]},
            )
        elif prefix:
            condition, values = f"{condition} AND begins_with(sk, :sk)", {**values, ":sk": prefix}
        pages = self._client.get_paginator("query").paginate(
            TableName=self.table,
            KeyConditionExpression=condition,
            ExpressionAttributeValues=_pack(values),
            ConsistentRead=True,
            ScanIndexForward=not newest_first,
            PaginationConfig={"PageSize": size} if size else {},
        )
        for page in pages:
            for item in page["Items"]:
                yield _unpack(item)

    def _overdue(self, kind: str, now: float, most: int) -> list[Any]:
        """Returns the keys of what should have moved before now, in DynamoDB's form, the longest overdue first."""
        found: list[Any] = []
        for shard in SHARDS:
            answer = self._client.query(
                TableName=self.table,
                IndexName="due",
                KeyConditionExpression="due = :due AND due_at < :now",
                ExpressionAttributeValues=_pack({":due": f"{kind}#{shard}", ":now": now}),
                Limit=most,
            )
            found += answer["Items"]
        return sorted(found, key=lambda item: float(item["due_at"]["N"]))[:most]

    def _listed(
        self, name: str, *, since: float = 0.0, newest_first: bool = False, after: str | None = None
    ) -> Iterator[Item]:
        """Yields items by time. With `after`, a position of `newest_first`, only the older ones, which follow it."""
        first, last = _sortable(since, ""), after or LAST_POSITION
        if last < first:
            return
        pages = self._client.get_paginator("query").paginate(
            TableName=self.table,
            IndexName="listed",
            KeyConditionExpression="#list = :list AND listed_at BETWEEN :first AND :last",
            ExpressionAttributeNames={"#list": "list"},
            ExpressionAttributeValues=_pack({":list": name, ":first": first, ":last": last}),
            ScanIndexForward=not newest_first,
            PaginationConfig={"PageSize": BATCH},
        )
        for page in pages:
            for item in self._read(page["Items"]):
                if item.get("listed_at", after) != after:  # a task that was erased is in no list
                    yield item

    def _indexed(self, due: str) -> Iterator[Item]:
        """Yields what is in one partition of the index `due`, by its `due_at`."""
        pages = self._client.get_paginator("query").paginate(
            TableName=self.table,
            IndexName="due",
            KeyConditionExpression="due = :due",
            ExpressionAttributeValues=_pack({":due": due}),
            PaginationConfig={"PageSize": BATCH},
        )
        for page in pages:
            yield from self._read(page["Items"])

    def _read(self, entries: Sequence[Mapping[str, Any]]) -> Iterator[Item]:
        """Yields the items of at most 100 entries of an index, without those that no longer exist."""
        keys = [{"pk": entry["pk"], "sk": entry["sk"]} for entry in entries]
        found = self._batch(keys)
        for key in keys:
            item = found.get((key["pk"]["S"], key["sk"]["S"]))
            if item is not None:
                yield item

    def _batch(self, keys: list[Any]) -> Items:
        """Returns the items under these keys, by key; an item that no longer exists is missing."""
        found: Items = {}
        wanted: Any = {self.table: {"Keys": keys, "ConsistentRead": True}} if keys else {}
        while wanted:
            answer = self._client.batch_get_item(RequestItems=wanted)
            items = [_unpack(item) for item in answer["Responses"].get(self.table, [])]
            found |= {(item["pk"], item["sk"]): item for item in items}
            wanted = answer.get("UnprocessedKeys", {})
        return found


@lru_cache(maxsize=64)
def _parsed(text: str, name: str) -> "Provider":
    from vidhook.providers.file import parse

    return parse(text, name)


def _key(pk: str, sk: str) -> Item:
    return {"pk": pk, "sk": sk}


def _later(ttl: int) -> int:
    """Returns until when something is stored that must outlive a watch, which may end after its deadline."""
    return ttl + SPARE_DAYS * DAY


def _answer_key(at: float) -> str:
    return f"answer#{at:017.6f}"


def _reference_key(watch_id: str, reference: str, submitted_at: float) -> Item:
    """Returns the key under which a task is found by its reference; those of one reference are in order of time."""
    return _key(f"ref#{reference}", _sortable(submitted_at, watch_id))


def _alias(watch: Watch) -> Item:
    """Returns the key under which a task that vidhook created is found by its provider's id."""
    return _key(watch_id(watch.submission.provider, watch.submission.task_id or ""), "watch")


def _event_key(event_id: str) -> Item:
    """Returns the key under which the task of a terminal event is found."""
    return _key(event_id, "watch")


def _subscriber_key(subscriber_id: str) -> Item:
    return _key("callbacks" if subscriber_id.startswith("cb_") else "subscribers", subscriber_id)


def _health_key(subscriber_id: str) -> Item:
    # A callback_url is often another one for each task, so how it answers is noted of its host.
    if subscriber_id.startswith("cb_"):
        return _key("answers", host_part(subscriber_id))
    return _key("roster", subscriber_id)


def _line_key(event: Event, subscriber_id: str) -> Item:
    """Returns the key under which an event waits in a subscriber's line, which is in the order of the events."""
    line = _health_key(subscriber_id)["sk"]
    return _key(f"line#{line}", f"{_sortable(event.at, event.id)}#{subscriber_id}")


def _subscriber_item(subscriber: Subscriber) -> Item:
    values = {name: value for name, value in _plain(subscriber).items() if name not in HEALTH}
    return {**_subscriber_key(subscriber.id), **values}


def _without_health(item: Item) -> Subscriber:
    """Returns a subscriber that is simply well; earlier versions wrote how it answers into the same item."""
    return _fact(Subscriber, {name: value for name, value in item.items() if name not in HEALTH})


def _with_health(subscriber: Subscriber, item: Item | None) -> Subscriber:
    if item is None:
        return subscriber
    return replace(subscriber, **{name: item.get(name, well) for name, well in HEALTH.items()})


def _delivery_key(delivery: Delivery) -> Item:
    return _key(delivery.watch_id, f"delivery#{delivery.event_id}#{delivery.subscriber_id}")


def _new_item(delivery: Delivery) -> Item:
    """Returns the item of a new delivery, which is found by its subscriber and its time."""
    listed = {"list": delivery.subscriber_id, "listed_at": _sortable(delivery.created_at, delivery.event_id)}
    due = _delivery_due(delivery)
    return {**_delivery_key(delivery), **_plain(delivery), **listed, **due, "ttl": delivery.expires_at}


def _delivery_due(delivery: Delivery) -> Item:
    """Returns how the sweeper finds a delivery: a due one by its time, a held one by its subscriber."""
    if delivery.state is DeliveryState.DUE:
        due_at = _due_at(delivery.next_at or delivery.created_at)
        return {"due": _due("delivery", delivery.watch_id), "due_at": due_at}
    if delivery.state is DeliveryState.HELD:
        return {"due": f"held#{delivery.subscriber_id}", "due_at": delivery.created_at}
    return {"due": None, "due_at": None}


def _due(kind: str, watch_id: str) -> str:
    return f"{kind}#{watch_id.partition('_')[2][:1]}"


def _holds(since: float) -> Item:
    """Returns what puts a subscriber into the index of those that may have held deliveries."""
    return {"due": "holding", "due_at": since}


def _due_at(moves_at: float) -> float:
    """Returns when the sweeper should look at what should have moved by `moves_at`.

    It changes in steps, since each change costs two index writes.
    """
    return math.ceil((moves_at + GRACE_SECONDS) / GRACE_SECONDS) * GRACE_SECONDS


def _sortable(instant: float, tie: str) -> str:
    return f"{instant:017.6f}#{tie}"


def _page(
    name: str,
    steps: Iterable[tuple[str, Fact | None]],
    wanted: Callable[[Fact], bool],
    most: int,
    weigh: Callable[[Fact], int] = lambda _: 1,
) -> tuple[list[Fact], str | None]:
    """Returns the first `most` facts of a list that are wanted, and the cursor of what follows, None when nothing does.

    Each step is a position in the list of this name and the fact there, or None for what was only read on the way. A
    page ends when PAGE_READS is reached; `weigh` says for how many reads a fact counts.
    """
    page: list[Fact] = []
    read, after = 0, ""
    for position, fact in steps:
        if len(page) == most or read >= PAGE_READS:
            return page, _cursor(name, after)
        after = position
        read += 1 if fact is None else weigh(fact)
        if fact is not None and wanted(fact):
            page.append(fact)
    return page, None


def _cursor(name: str, position: str) -> str:
    return base64.urlsafe_b64encode(f"{name}#{position}".encode()).decode().rstrip("=")


def _position(name: str, cursor: str | None) -> str | None:
    """Returns the position of a cursor in the list of this name, None without a cursor. Raises BadInput."""
    if cursor is None:
        return None
    try:
        text = base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)).decode()
    except ValueError:
        text = ""
    known, _, position = text.partition("#")
    if known != name or not POSITION.fullmatch(position):
        raise BadInput("cursor", "is not one of this list", "take it from `next` of the page before, of the same list")
    return position


def _update_arguments(key: Item, values: Item, condition: str, seen: Item | None = None) -> dict[str, Any]:
    """Returns the arguments of UpdateItem: SET for values, REMOVE for None.

    The condition can use the values of `seen` as `:seen_NAME`.
    """
    present = {name: value for name, value in values.items() if value is not None}
    named = {f":{name}": value for name, value in present.items()} | {f":seen_{k}": v for k, v in (seen or {}).items()}
    gone = [name for name, value in values.items() if value is None]
    expression = "SET " + ", ".join(f"#{name} = :{name}" for name in present) if present else ""
    if gone:
        expression += " REMOVE " + ", ".join(f"#{name}" for name in gone)
    return {
        "Key": _pack(key),
        "UpdateExpression": expression.strip(),
        **({"ConditionExpression": condition} if condition else {}),
        "ExpressionAttributeNames": {f"#{name}": name for name in values},
        **({"ExpressionAttributeValues": _pack(named)} if named else {}),
    }


def _pack(values: Mapping[str, Any]) -> dict[str, Any]:
    """Returns values in DynamoDB's form: text, numbers and booleans; None is left out; anything nested is JSON text."""
    packed: dict[str, Any] = {}
    for name, value in values.items():
        if isinstance(value, bool):
            packed[name] = {"BOOL": value}
        elif isinstance(value, (int, float)):
            packed[name] = {"N": repr(value)}
        elif isinstance(value, str):
            packed[name] = {"S": value}
        elif value is not None:
            packed[name] = {"S": serialize(value)}
    return packed


def _unpack(item: Mapping[str, Any]) -> Item:
    return {name: _number(value["N"]) if "N" in value else next(iter(value.values())) for name, value in item.items()}


def _number(text: str) -> int | float:
    return int(text) if text.lstrip("-").isdigit() else float(text)


def _plain(fact: Any) -> Item:
    """Returns a fact's fields for `_pack`; `_fact` reads them back."""
    return {each.name: getattr(fact, each.name) for each in fields(fact)}


def _fact(kind: "Callable[..., Fact]", item: Item) -> Fact:
    readers = _readers(kind)
    return kind(**{name: readers[name](value) for name, value in item.items() if name in readers})


@cache
def _readers(kind: type[Any]) -> dict[str, Callable[[Any], Any]]:
    """Returns for each field of a fact how its stored value is read, by its annotation."""
    hints = get_type_hints(kind)
    return {entry.name: _reader(hints[entry.name]) for entry in fields(kind)}


def _reader(hint: Any) -> Callable[[Any], Any]:
    origin = get_origin(hint)
    if origin is dict:
        return _mapping
    if origin is tuple:
        return _sequence
    if isinstance(hint, type) and issubclass(hint, StrEnum):
        return hint
    return _as_stored


def _mapping(text: str) -> dict[str, Any]:
    parsed: dict[str, Any] = json.loads(text)
    return parsed


def _sequence(text: str) -> tuple[Any, ...]:
    return tuple(json.loads(text))


def _as_stored(value: Any) -> Any:
    return value


def _same_round(retries: int) -> tuple[str, Item | None]:
    """Returns the condition that no retry opened a watch again since it was read, and the values for `seen`."""
    return ("retries = :seen_retries", {"retries": retries}) if retries else ("attribute_not_exists(retries)", None)


def _same_callbacks(watch: Watch) -> tuple[str, Item]:
    """Returns the condition that no callback_url was added to a watch since it was read, and the values for `seen`."""
    if watch.callbacks:
        return "callbacks = :seen_callbacks", {"callbacks": list(watch.callbacks)}
    return "attribute_not_exists(callbacks)", {}


def _event_values(event: Event) -> Item:
    return {name: value for name, value in _plain(event).items() if name != "watch_id"}


def _event(item: Item) -> Event:
    return _fact(Event, {**item, "watch_id": item["pk"]})


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


def _planned(item: Item) -> Planned:
    return Planned(int(item["polls"]), float(item["wanted"]))


def _pace_key(provider: str) -> str:
    return f"pace#{provider}"


def _pace_prefix(kind: Kind | None) -> str:
    return f"kind#{kind[0]}#{kind[1]}#" if kind else "all#"


def _kind(item: Item) -> Kind:
    model, of_what, _ = item["sk"].partition("#")[2].rsplit("#", 2)
    return model, of_what


def _pace_text(pace: Pace) -> str:
    return serialize(
        {
            "completed": {str(bucket): round(weight, 4) for bucket, weight in pace.completed.items()},
            "failed": {str(bucket): round(weight, 4) for bucket, weight in pace.failed.items()},
            "biases": {kind: [round(each, 5) for each in astuple(bias)] for kind, bias in pace.biases.items()},
            "sums": [pace.tasks, pace.polls, round(pace.seconds, 1), round(pace.delay, 1)],
        }
    )


def _pace(text: str) -> Pace:
    values = json.loads(text)
    completed, failed = (
        {int(bucket): weight for bucket, weight in values[name].items()} for name in ("completed", "failed")
    )
    return Pace(completed, failed, {kind: Bias(*bias) for kind, bias in values["biases"].items()}, *values["sums"])


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
