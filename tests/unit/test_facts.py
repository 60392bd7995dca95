"""The ledger reads every fact back from DynamoDB's form as it was written."""

import json
from dataclasses import dataclass, fields
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vidhook.edges.ledger.table import fact_of, packed, unpacked, values_of
from vidhook.task import (
    EVENT_TYPES,
    Attempt,
    AttemptKind,
    Delivery,
    DeliveryState,
    Outcome,
    Subscriber,
    SubscriberState,
)

texts = st.text(st.characters(codec="utf-8"))
maybe_text = st.none() | texts
instants = st.floats(0, 4e9)
maybe_instant = st.none() | instants
counts = st.integers(0, 10**6)
maybe_count = st.none() | counts
flags = st.booleans()
lists = st.lists(texts, max_size=3).map(tuple)
values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**60), 2**60) | st.floats(-1e15, 1e15) | texts,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3),
    max_leaves=6,
)
objects = st.dictionaries(texts, values, max_size=3)


@dataclass(frozen=True)
class Quoted:
    """A fact whose annotations are texts, as `from __future__ import annotations` makes all of them."""

    state: "DeliveryState"
    names: "tuple[str, ...]"
    metadata: "dict[str, Any]"
    at: "float | None" = None


# Every field has its own strategy here, because the code under test reads the annotations, and this test must not.
FACTS: dict[type[Any], dict[str, st.SearchStrategy[Any]]] = {
    Subscriber: {
        "id": texts,
        "url": texts,
        "sealed": maybe_text,
        "header_names": lists,
        "secret_name": maybe_text,
        "secret_version": maybe_text,
        "events": lists,
        "providers": lists,
        "metadata": objects,
        "description": texts,
        "state": st.sampled_from(SubscriberState),
        "reason": maybe_text,
        "created_at": instants,
        "hold_until": instants,
        "slow_until": instants,
        "gap": instants,
        "state_since": maybe_instant,
        "failing_since": maybe_instant,
        "last_failure": maybe_instant,
        "failing_reported": flags,
    },
    Delivery: {
        "event_id": texts,
        "watch_id": texts,
        "subscriber_id": texts,
        "event_type": st.sampled_from(EVENT_TYPES),
        "created_at": instants,
        "state": st.sampled_from(DeliveryState),
        "attempts": counts,
        "next_at": maybe_instant,
        "last": texts,
        "base": counts,
        "run": counts,
        "expires_at": maybe_count,
    },
    Attempt: {
        "number": counts,
        "at": instants,
        "outcome": st.sampled_from(Outcome),
        "kind": st.sampled_from(AttemptKind),
        "status": maybe_count,
        "detail": texts,
        "answer": texts,
        "address": maybe_text,
        "tls_version": maybe_text,
        "timings": st.dictionaries(texts, st.floats(0, 1e6), max_size=3),
        "pause": maybe_count,
        "retry_after": maybe_count,
        "headers": st.dictionaries(texts, texts, max_size=3),
    },
    Quoted: {"state": st.sampled_from(DeliveryState), "names": lists, "metadata": objects, "at": maybe_instant},
}


@pytest.mark.parametrize("kind", FACTS)
def test_every_field_of_a_fact_is_generated(kind: type[Any]) -> None:
    """A new field needs a strategy in this file, or the next test would not cover it."""
    assert set(FACTS[kind]) == {each.name for each in fields(kind)}


@pytest.mark.parametrize("kind", FACTS)
@given(data=st.data())
def test_a_fact_is_read_back_as_it_was_written(kind: type[Any], data: st.DataObject) -> None:
    """DynamoDB has no enumerations, tuples or dictionaries of ours, so reading must make them again."""
    fact = data.draw(st.builds(kind, **FACTS[kind]))
    item = json.loads(json.dumps(packed(values_of(fact))))  # as it crosses the network: a StrEnum is plain text there
    read = fact_of(kind, unpacked(item))
    assert read == fact
    for name in FACTS[kind]:
        written, found = getattr(fact, name), getattr(read, name)
        assert type(found) is type(written), name  # a StrEnum is equal to its text, so == is not enough
