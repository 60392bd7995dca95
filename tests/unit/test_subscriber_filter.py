"""Who is notified of an event: the filter of a subscriber."""

import json
from fractions import Fraction
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from vidhook.event import Event, same
from vidhook.recipients import callback_subscriber, wants
from vidhook.task import SAMPLE, TERMINAL_TYPES, Submission, Subscriber, Watch

types = st.sampled_from([*TERMINAL_TYPES, "video.progress", "image.progress", "endpoint.test"])


def event(kind: str = "video.completed", provider: str = "alad", metadata: dict[str, Any] | None = None) -> Event:
    return Event("evt_1", kind, "tsk_1", provider, 0.0, "{}", metadata or {})


def subscriber(**fields: Any) -> Subscriber:
    return Subscriber("sub_1", "https://hooks.example/", **fields)


@given(kind=types)
def test_without_a_filter_a_subscriber_is_notified_of_every_end(kind: str) -> None:
    """There are many progress events for one task, so a subscriber must ask for them."""
    assert wants(subscriber(), event(kind)) is (kind in TERMINAL_TYPES)


@pytest.mark.parametrize(
    ("patterns", "kinds"),
    [
        (("*",), {"video.completed", "video.failed", "video.progress", "image.completed"}),
        (("video.*",), {"video.completed", "video.failed", "video.progress"}),
        (("*.completed",), {"video.completed", "image.completed"}),
        (("video.failed", "image.completed"), {"video.failed", "image.completed"}),
        ((), set()),
        (("VIDEO.FAILED",), set()),
    ],
)
def test_a_star_in_an_event_type_stands_for_anything(patterns: tuple[str, ...], kinds: set[str]) -> None:
    """A subscriber to all events gets new types too."""
    every = ("video.completed", "video.failed", "video.progress", "image.completed")
    assert {kind for kind in every if wants(subscriber(events=patterns), event(kind))} == kinds


@pytest.mark.parametrize(
    ("providers", "notified"), [(("*",), True), (("alad",), True), (("vicsee", "al*"), True), (("vicsee",), False)]
)
def test_a_subscriber_may_want_some_providers_only(providers: tuple[str, ...], notified: bool) -> None:
    """Several teams may share a stack, each with its own providers."""
    assert wants(subscriber(providers=providers), event(provider="alad")) is notified


@pytest.mark.parametrize(
    ("wanted", "metadata", "notified"),
    [
        ({}, {}, True),
        ({}, {"team": "a"}, True),
        ({"team": "a"}, {"team": "a", "order": 1}, True),
        ({"team": "a"}, {"team": "b"}, False),
        ({"team": "a"}, {}, False),
        ({"team": "a", "order": 1}, {"team": "a"}, False),
        ({"team": None}, {}, False),
        ({"team": {"id": [1]}}, {"team": {"id": [1]}}, True),
    ],
)
def test_all_wanted_metadata_must_be_equal(wanted: dict[str, Any], metadata: dict[str, Any], notified: bool) -> None:
    """A missing key is equal to nothing, not even to null."""
    assert wants(subscriber(metadata=wanted), event(metadata=metadata)) is notified


def shape(value: Any) -> Any:
    """A value as JSON compares it, in words of Python that are not mixed up: a number is no boolean."""
    if isinstance(value, dict):
        return "object", frozenset((name, shape(item)) for name, item in value.items())
    if isinstance(value, list):
        return "array", tuple(map(shape, value))
    if isinstance(value, bool) or not isinstance(value, int | float):
        return type(value).__name__, value
    return "number", Fraction(value)


numbers = st.sampled_from([0, 1, 0.0, -0.0, 1.0, True, False, 2**53, 2**53 + 1, float(2**53), 10**400])
json_values = st.recursive(
    st.none() | numbers | st.text("01a", max_size=2),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.sampled_from("ab"), inner, max_size=2),
)


@given(one=json_values, other=json_values)
@example(one=True, other=1)
@example(one=1, other=1.0)
@example(one={"a": [False]}, other={"a": [0]})
def test_values_are_equal_as_in_json(one: Any, other: Any) -> None:
    """A filter for `"test": true` must not get the events of tenant 1."""
    assert same(one, other) is (shape(one) == shape(other))
    assert wants(subscriber(metadata={"a": one}), event(metadata={"a": other})) is same(one, other)
    assert same(one, json.loads(json.dumps(one)))


@given(kind=types, progress=st.booleans())
def test_a_callback_url_is_notified_of_the_end_and_of_progress_on_request(kind: str, progress: bool) -> None:
    """It belongs to one task, whatever type of event the task has."""
    watch = Watch(Submission("alad", "1", progress=progress), 5.0)
    own = callback_subscriber("https://hooks.example/", watch)
    assert wants(own, event(kind)) is (kind in TERMINAL_TYPES or (progress and kind.endswith(".progress")))
    assert (own.callback, own.sealed) == (True, None)


def test_one_callback_url_is_one_subscriber_for_all_its_tasks() -> None:
    """Its Retry-After and its failures count for all these tasks."""
    watches = [Watch(Submission("alad", task), 5.0) for task in "12"]
    one, other = (callback_subscriber("https://hooks.example/", watch) for watch in watches)
    assert one.id == other.id


def test_the_sample_is_told_only_to_who_names_it_and_to_its_own_callback_url() -> None:
    """A check of the stack must not reach systems that wait for real videos."""
    sample = event(provider=SAMPLE)
    assert not wants(subscriber(), sample)
    assert not wants(subscriber(providers=("s*", "alad")), sample)
    assert wants(subscriber(providers=("alad", SAMPLE)), sample)
    own = callback_subscriber("https://hooks.example/", Watch(Submission(SAMPLE, "1"), 5.0))
    assert wants(own, sample)
