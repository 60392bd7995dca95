"""The event: the same bytes for the same facts, whole, and never too large to send."""

import json
import math
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vidhook.event import Kept, failed, fitted, iso, progress_event, serialize, terminal_event
from vidhook.task import Category, Poll, Snapshot, Source, Status, Submission, TaskError, Watch

NOW = 1_777_288_812.0
MOST_BYTES = 128 * 1024  # half of what EventBridge takes: a state's output holds the unreached subscribers too

instants = st.none() | st.floats(946_684_800, 4_102_444_799)
words = st.none() | st.text(max_size=20)
sources = st.lists(
    st.builds(
        Source,
        role=st.sampled_from(["result", "original"]),
        type=st.just("video"),
        url=st.text(max_size=50).map(lambda path: "https://cdn.example/" + path),
        expires_at=instants,
        needs_key=st.booleans(),
    ),
    min_size=1,
    max_size=2,
    unique_by=lambda source: source.role,
).map(tuple)
errors = st.builds(
    TaskError,
    st.sampled_from(Category),
    code=st.text(min_size=1, max_size=20),
    message=st.text(min_size=1, max_size=50),
    provider_code=words,
    retryable=st.booleans(),
)
plain = st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.floats(allow_nan=False, allow_infinity=False)
values = st.recursive(
    plain | st.text(max_size=20), lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner), max_leaves=8
)
objects = st.dictionaries(st.text(max_size=10), values, max_size=4)
common = {
    "provider_status": words,
    "object": st.sampled_from(["video", "image"]),
    "model": words,
    "prompt": words,
    "progress": st.none() | st.integers(0, 100),
    "created_at": instants,
    "started_at": instants,
    "completed_at": instants,
    "usage": st.none() | objects,
}
completed = st.builds(Snapshot, status=st.just(Status.COMPLETED), sources=sources, **common)
ended_badly = st.builds(Snapshot, status=st.just(Status.FAILED), error=errors, **common)
underway = st.builds(Snapshot, status=st.sampled_from([Status.PENDING, Status.PROCESSING]), **common)
watches = st.builds(
    Watch,
    st.builds(Submission, st.just("alad"), st.text(min_size=1, max_size=20), objects),
    submitted_at=st.just(NOW - 300),
    polls=st.integers(0, 3_000),
    detected_at=st.none() | st.just(NOW - 1),
)

KEYS = ["id", "type", "timestamp", "data"]
DATA_KEYS = [
    *("id", "object", "provider", "task_id", "model", "status", "provider_status", "progress", "prompt"),
    *("created_at", "started_at", "completed_at", "assets", "error", "usage", "metadata", "watch"),
]
ASSET_KEYS = [
    *("role", "type", "url", "stored", "bucket", "key", "content_type", "bytes", "sha256"),
    *("source_url", "source_expires_at"),
]
ERROR_KEYS = ["category", "code", "provider_code", "message", "retryable"]
WATCH_KEYS = ["polls", "detected_at", "detection_delay_seconds_max"]


def kept(source: Source) -> Kept:
    return Kept("videos", f"alad/{source.role}.mp4", "https://videos.example/x", "video/mp4", 5, "00" * 32)


@given(watch=watches, snapshot=completed | ended_badly)
def test_the_same_facts_make_the_same_bytes(watch: Watch, snapshot: Snapshot) -> None:
    """A publishing that is repeated after a crash must tell what was told before."""
    assert terminal_event(watch, snapshot, {}, NOW) == terminal_event(watch, snapshot, {}, NOW)


@given(watch=watches, snapshot=completed | ended_badly, later=st.floats(0, 1e6))
def test_the_id_follows_from_the_task_and_the_type(watch: Watch, snapshot: Snapshot, later: float) -> None:
    """Two executions that end one watch at different times tell one event, and subscribers see one id."""
    one = terminal_event(watch, snapshot, {}, NOW)
    other = terminal_event(replace(watch, polls=watch.polls + 1), snapshot, {}, NOW + later)
    assert one.id == other.id
    assert one.id != terminal_event(replace(watch, submission=Submission("alad", "other task")), snapshot, {}, NOW).id


@given(watch=watches, snapshot=completed | ended_badly)
def test_the_body_has_these_keys_in_this_order(watch: Watch, snapshot: Snapshot) -> None:
    """This is the contract with every subscriber; a missing value is null, never a missing key."""
    body = terminal_event(watch, snapshot, {}, NOW).data
    assert list(body) == KEYS
    assert list(body["data"]) == DATA_KEYS
    assert list(body["data"]["watch"]) == WATCH_KEYS
    assert all(list(asset) == ASSET_KEYS for asset in body["data"]["assets"])
    assert body["data"]["error"] is None or list(body["data"]["error"]) == ERROR_KEYS


@given(watch=watches, snapshot=completed | ended_badly)
def test_assets_come_with_success_and_an_error_with_failure(watch: Watch, snapshot: Snapshot) -> None:
    """A subscriber branches on one of them and need not check the other."""
    event = terminal_event(watch, snapshot, {}, NOW)
    data = event.data["data"]
    assert event.type == f"{snapshot.object}.{data['status']}" == event.data["type"]
    assert bool(data["assets"]) is (data["status"] == "completed")
    assert (data["error"] is not None) is (data["status"] == "failed")


@given(watch=watches, snapshot=completed)
def test_an_asset_we_kept_has_our_link_and_any_other_the_providers(watch: Watch, snapshot: Snapshot) -> None:
    """A video that could not be kept was rendered and paid for all the same."""
    first = snapshot.sources[0]
    assets = terminal_event(watch, snapshot, {first.role: kept(first)}, NOW).data["data"]["assets"]
    assert assets[0]["stored"] is True
    assert assets[0]["url"] == "https://videos.example/x"
    assert assets[0]["source_url"] == first.url
    for source, asset in zip(snapshot.sources[1:], assets[1:], strict=True):
        assert (asset["stored"], asset["url"], asset["bucket"]) == (False, source.url, None)


@given(watch=watches, snapshot=completed | ended_badly)
def test_metadata_comes_back_as_it_was_given(watch: Watch, snapshot: Snapshot) -> None:
    """It is how a subscriber finds its own record."""
    event = terminal_event(watch, snapshot, {}, NOW)
    assert event.data["data"]["metadata"] == watch.submission.metadata == event.metadata


@given(watch=watches, snapshot=completed | ended_badly | underway)
def test_the_body_is_ascii_on_one_line(watch: Watch, snapshot: Snapshot) -> None:
    """Whatever re-encodes it on the way cannot change a byte that was signed."""
    make = progress_event if not snapshot.status.final else lambda *facts: terminal_event(*facts[:2], {}, facts[2])
    body = make(watch, snapshot, NOW).body
    assert body.isascii()
    assert body.isprintable()


hostile = st.sampled_from(["\x00", "\U0001f600", "é", "\\", '"', "a"]).map(lambda character: character * 1_000_000)


@given(
    text=hostile,
    snapshot=st.sampled_from([Status.COMPLETED, Status.FAILED]),
    metadata=st.just({"note": "x" * 16_300}),
)
def test_nothing_a_provider_says_makes_an_event_too_large(
    text: str, snapshot: Status, metadata: dict[str, Any]
) -> None:
    """EventBridge and Step Functions refuse more than 256 KiB, and the event would never be told."""
    told = Snapshot(
        snapshot,
        provider_status=text,
        model=text,
        prompt=text,
        usage={"a": text},
        upstream_id=text,
        sources=(Source("result", "video", "https://cdn.example/v.mp4"),) if snapshot is Status.COMPLETED else (),
        error=None
        if snapshot is Status.COMPLETED
        else TaskError(Category.PROVIDER, code=text, message=text, provider_code=text),
    )
    event = terminal_event(Watch(Submission("alad", text[:512], metadata), NOW), fitted(told), {}, NOW)
    assert len(event.body) < MOST_BYTES
    assert event.data["data"]["prompt"] == text[: len(event.data["data"]["prompt"])] != ""
    assert event.data["data"]["usage"] is None


@given(snapshot=completed | ended_badly)
def test_what_fits_is_left_untouched(snapshot: Snapshot) -> None:
    """Cutting is for the hostile; nobody else may notice it."""
    assert fitted(snapshot) == snapshot


def test_a_figure_that_is_no_number_is_refused() -> None:
    """JSON has no NaN; most parsers would refuse the whole webhook."""
    for figure in (math.nan, math.inf):
        with pytest.raises(ValueError, match="not JSON compliant"):
            serialize({"usage": figure})


@given(snapshot=underway)
def test_a_task_on_its_way_has_no_terminal_event(snapshot: Snapshot) -> None:
    """The terminal event is told once; telling it early could not be taken back."""
    with pytest.raises(ValueError, match="no terminal event"):
        terminal_event(Watch(Submission("alad", "1"), NOW), snapshot, {}, NOW)


@given(watch=watches, snapshot=underway)
def test_each_news_on_the_way_is_an_event_of_its_own(watch: Watch, snapshot: Snapshot) -> None:
    """Subscribers drop ids they have seen: the same id for two steps would lose the second."""
    event = progress_event(watch, snapshot, NOW)
    assert event.type == f"{snapshot.object}.progress"
    assert not event.terminal
    assert event.id != progress_event(replace(watch, polls=watch.polls + 1), snapshot, NOW).id
    assert (event.data["data"]["assets"], event.data["data"]["error"]) == ([], None)


@pytest.mark.parametrize(
    ("polled_at", "detected_at", "delay"),
    [((100.0,), 100.0, 100), ((100.0, 112.5), 112.5, 13), ((100.0, 112.0, 130.0), 130.0, 18), ((), None, 150)],
)
def test_the_delay_is_the_time_nobody_looked(
    polled_at: tuple[float, ...], detected_at: float | None, delay: int
) -> None:
    """The news arose after the poll before the one that found it, or after the submission."""
    watch = Watch(
        Submission("alad", "1"),
        submitted_at=0.0,
        history=tuple(Poll(at, "processing") for at in polled_at),
        detected_at=detected_at,
    )
    snapshot = Snapshot(Status.FAILED, error=TaskError(Category.PROVIDER, "X", "x"))
    told = terminal_event(watch, snapshot, {}, 150.0).data["data"]["watch"]
    assert told["detection_delay_seconds_max"] == delay


@pytest.mark.parametrize(
    ("instant", "text"),
    [
        (None, None),
        (0.0, "1970-01-01T00:00:00Z"),
        (1_777_288_812.999, "2026-04-27T11:20:12Z"),
        (-0.5, "1969-12-31T23:59:59Z"),
        (4_102_444_799.0, "2099-12-31T23:59:59Z"),
    ],
)
def test_times_are_iso_8601_in_utc_to_the_second(instant: float | None, text: str | None) -> None:
    """Every language parses this form; a time is never rounded into the future."""
    assert iso(instant) == text


@given(snapshot=completed | underway, error=errors)
def test_a_task_that_is_given_up_keeps_what_it_told_but_no_result(snapshot: Snapshot, error: TaskError) -> None:
    """The model and the prompt help to submit it anew; a link beside an error would mislead."""
    given_up = failed(snapshot, error)
    assert (given_up.status, given_up.error, given_up.sources) == (Status.FAILED, error, ())
    assert (given_up.model, given_up.prompt) == (snapshot.model, snapshot.prompt)
    assert failed(None, error).error == error


def test_a_stored_body_is_what_was_told() -> None:
    """`data` is a view of the body, so the two cannot differ."""
    snapshot = Snapshot(Status.FAILED, error=TaskError(Category.QUOTA, "X", "no credits"))
    event = terminal_event(Watch(Submission("alad", "1"), NOW), snapshot, {}, NOW)
    assert event.data == json.loads(event.body)
