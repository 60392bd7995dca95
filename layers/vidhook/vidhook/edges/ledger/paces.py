"""How long tasks take, and the polls that are planned."""

import json
import math
from collections.abc import Iterator, Sequence
from dataclasses import astuple
from typing import Any

from vidhook.budget import Budget, Planned, Window, day_of, slot_of
from vidhook.edges.ledger.table import DAY, SHARDS, Item, Items, Table, key_of, packed
from vidhook.errors import LostRace
from vidhook.event import serialize
from vidhook.pace import Bias, Ended, Kind, Outlook, Pace, decay, merged
from vidhook.task import Watch

# What was learned is in so many items; a write is tried so often; it is forgotten after so many days without a task.
PACE_SHARDS, PACE_TRIES, PACE_DAYS = 8, 10, 100
PACE_SECONDS, PACES_CACHED = 60.0, 500
NOT_READ: tuple[float, Pace, Items] = (-math.inf, Pace(), {})
BUDGET_DAYS = 10
ANY_DAY = Budget(per_day=1)


class Paces:
    """Reads and writes what was learned of a provider's tasks, and the budgets of its keys."""

    def __init__(self, table: Table) -> None:
        self._table = table
        self._paces: dict[tuple[str, str], tuple[float, Pace, Items]] = {}

    def of(self, provider: str, kind: Kind | None, now: float) -> tuple[Pace, Pace]:
        """Returns what was learned of one kind of task, and of all tasks of its provider; at most a minute old."""
        own = self._read_pace(provider, _pace_prefix(kind), now) if kind else Pace()
        return own, self._read_pace(provider, _pace_prefix(None), now)

    def kinds(self, provider: str) -> dict[Kind, Pace]:
        """Returns what was learned of each kind of task of a provider."""
        shards: dict[Kind, list[Pace]] = {}
        for item in self._table.items(_pace_key(provider), "kind#"):
            shards.setdefault(_kind(item), []).append(pace_of(item["state"]))
        return {kind: merged(each) for kind, each in shards.items()}

    def learn(self, watch: Watch, kind: Kind, ended: Ended, outlook: Outlook, now: float) -> bool:
        """Adds one task that ended to what is known of its kind, and of all tasks of its provider.

        The task's id chooses one of 8 items, so that a hundred tasks a second do not meet in one. Each is written under
        a condition, so that no task is lost. Returns False when others wrote first again and again.
        """
        shard = SHARDS.index(watch.id.partition("_")[2][:1]) % PACE_SHARDS
        provider, prefixes = watch.submission.provider, (_pace_prefix(kind), _pace_prefix(None))
        keys = [key_of(_pace_key(provider), f"{prefix}{shard}") for prefix in prefixes]
        read = [self._paces.get((provider, prefix), NOT_READ) for prefix in prefixes]
        if all(at == now for at, _, _ in read):  # for this very task: they are not read twice
            found = {key: item for _, _, items in read for key, item in items.items()}
        else:
            found = self._table.batch([packed(key) for key in keys])
        written = [self._learn(key, found.get((key["pk"], key["sk"])), ended, outlook, now) for key in keys]
        return all(written)

    def forget(self, provider: str, model: str | None = None) -> int:
        """Forgets what was learned of a provider's tasks, or of those of one model. Returns the number of kinds."""
        forgotten = set()
        for item in self._table.items(_pace_key(provider)):
            kind = _kind(item) if item["sk"].startswith("kind#") else None
            if model is None or (kind and kind[0] == model):
                self._table.client.delete_item(TableName=self._table.name, Key=packed(key_of(item["pk"], item["sk"])))
                forgotten |= {kind} - {None}
        self._paces.clear()
        return len(forgotten)

    def _read_pace(self, provider: str, prefix: str, now: float) -> Pace:
        read_at, pace, _ = self._paces.get((provider, prefix), NOT_READ)
        if not 0 <= now - read_at < PACE_SECONDS:
            items = {(item["pk"], item["sk"]): item for item in self._table.items(_pace_key(provider), prefix)}
            pace = merged(pace_of(item["state"]) for item in items.values())
            if len(self._paces) >= PACES_CACHED:
                self._paces.clear()
            self._paces[provider, prefix] = now, pace, items
        return pace

    def _learn(self, key: Item, item: Item | None, ended: Ended, outlook: Outlook, now: float) -> bool:
        for _ in range(PACE_TRIES):
            known = pace_of(item["state"]) if item else Pace()
            values = {
                "state": pace_text(known.learned(ended, decay(PACE_SHARDS), outlook)),
                "version": (item["version"] if item else 0) + 1,
                "ttl": int(now) + PACE_DAYS * DAY,
            }
            condition = "version = :seen_version" if item else "attribute_not_exists(pk)"
            try:
                self._table.update(key, values, condition, {"version": item["version"]} if item else None)
                return True
            except LostRace:
                item = self._table.batch([packed(key)]).get((key["pk"], key["sk"]))
        return False

    def planned_days(self, provider: str, now: float) -> dict[str, Planned]:
        """Returns the polls that are planned today and later, by the key of the day."""
        today = day_of(ANY_DAY, now)
        assert today is not None
        return {
            item["sk"]: _planned(item) for item in self._table.items(f"budget#{provider}", span=(today.key, "day#~"))
        }

    def planned_slots(self, provider: str, budget: Budget, since: float) -> Iterator[tuple[str, Planned]]:
        """Yields the polls that are planned in the slots of minutes, soonest first, by the key of the slot."""
        slot = slot_of(budget, since)
        if slot is not None:
            prefix = slot.key.rpartition("#")[0]
            for item in self._table.items(f"budget#{provider}", span=(slot.key, f"{prefix}#~")):
                yield item["sk"], _planned(item)

    def plan_poll(self, provider: str, windows: Sequence[Window], wanted: float, now: float) -> bool:
        """Takes room for one poll in all of these windows; False when one of them is full.

        `wanted`: how many polls it would be if pauses were not stretched.
        """
        updates: list[Any] = [
            {
                "TableName": self._table.name,
                "Key": packed(key_of(f"budget#{provider}", window.key)),
                "UpdateExpression": "ADD polls :one, wanted :wanted SET #ttl = :ttl",
                "ConditionExpression": "attribute_not_exists(polls) OR polls < :most",
                "ExpressionAttributeNames": {"#ttl": "ttl"},
                "ExpressionAttributeValues": packed(
                    {":one": 1, ":wanted": wanted, ":most": window.most, ":ttl": int(now) + BUDGET_DAYS * DAY}
                ),
            }
            for window in windows
        ]
        errors = self._table.client.exceptions
        try:
            if len(updates) == 1:
                self._table.client.update_item(**updates[0])
            else:
                self._table.client.transact_write_items(TransactItems=[{"Update": update} for update in updates])
        except (errors.ConditionalCheckFailedException, errors.TransactionCanceledException):
            return False  # full, or taken by others at this moment
        return True


def _planned(item: Item) -> Planned:
    return Planned(int(item["polls"]), float(item["wanted"]))


def _pace_key(provider: str) -> str:
    return f"pace#{provider}"


def _pace_prefix(kind: Kind | None) -> str:
    return f"kind#{kind[0]}#{kind[1]}#" if kind else "all#"


def _kind(item: Item) -> Kind:
    model, of_what, _ = item["sk"].partition("#")[2].rsplit("#", 2)
    return model, of_what


def pace_text(pace: Pace) -> str:
    return serialize(
        {
            "completed": {str(bucket): round(weight, 4) for bucket, weight in pace.completed.items()},
            "failed": {str(bucket): round(weight, 4) for bucket, weight in pace.failed.items()},
            "biases": {kind: [round(each, 5) for each in astuple(bias)] for kind, bias in pace.biases.items()},
            "sums": [pace.tasks, pace.polls, round(pace.seconds, 1), round(pace.delay, 1)],
        }
    )


def pace_of(text: str) -> Pace:
    values = json.loads(text)
    completed, failed = (
        {int(bucket): weight for bucket, weight in values[name].items()} for name in ("completed", "failed")
    )
    return Pace(completed, failed, {kind: Bias(*bias) for kind, bias in values["biases"].items()}, *values["sums"])
