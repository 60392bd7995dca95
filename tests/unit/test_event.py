"""The event: the same facts always give the same bytes, complete, and never too large to send."""

import json
import math
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.events import check_event
from vidhook.event import failed, fitted, progress_event, serialize, terminal_event
from vidhook.task import Category, NotStored, Poll, Snapshot, Source, Status, StoredFile, Submission, TaskError, Watch

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
    code=st.from_regex("[A-Z0-9_]{1,20}", fullmatch=True),
    message=st.text(min_size=1, max_size=50),
    provider_code=words,
    retryable=st.none() | st.booleans(),
)
plain = st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.floats(allow_nan=False, allow_infinity=False)
values = st.recursive(
    plain | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=10), inner, max_size=3),
    max_leaves=8,
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
    st.builds(
        Submission,
        st.just("alad"),
        st.text(min_size=1, max_size=20),
        objects,
        st.none() | st.text(min_size=1, max_size=20),
    ),
    submitted_at=st.just(NOW - 300),
    polls=st.integers(0, 3_000),
    detected_at=st.none() | st.just(NOW - 1),
)

KEYS = ["id", "type", "timestamp", "data"]
DATA_KEYS = [
    *("id", "object", "provider", "task_id", "model", "status", "provider_status", "progress", "prompt"),
    *("created_at", "started_at", "completed_at", "assets", "error", "usage", "reference", "metadata", "watch"),
]
ASSET_KEYS = [
    *("role", "type", "url", "stored", "bucket", "key", "content_type", "bytes", "sha256"),
    *("duration_ms", "width", "height", "has_audio"),
    *("source_url", "source_expires_at", "store_error"),
]
ERROR_KEYS = ["category", "code", "provider_code", "message", "retryable"]
WATCH_KEYS = ["polls", "detected_at", "detection_delay_seconds_max"]


def stored(source: Source) -> StoredFile:
    return StoredFile("videos", f"alad/{source.role}.mp4", "video/mp4", 5, "00" * 32, "https://videos.example/x")


@given(
    watch=watches,
    snapshot=completed | ended_badly,
    kept=st.booleans(),
    kind=st.sampled_from(["status", "content", "timeout", "fault"]),
)
def test_every_terminal_event_fits_its_schema(watch: Watch, snapshot: Snapshot, kept: bool, kind: str) -> None:
    """Receivers make their types from the schema, and check with it what they get."""
    files = {source.role: stored(source) for source in snapshot.sources if kept}
    reasons = {source.role: NotStored(kind, "the link answers 403") for source in snapshot.sources}
    check_event(terminal_event(watch, snapshot, files, NOW, reasons).data)


@given(watch=watches, snapshot=underway)
def test_every_progress_event_fits_its_schema(watch: Watch, snapshot: Snapshot) -> None:
    """It is as much of the contract as the end."""
    check_event(progress_event(watch, snapshot, NOW).data)


@given(watch=watches, snapshot=completed | ended_badly)
def test_the_same_facts_make_the_same_bytes(watch: Watch, snapshot: Snapshot) -> None:
    """When publishing is repeated after a crash, it must publish the same event again."""
    assert terminal_event(watch, snapshot, {}, NOW) == terminal_event(watch, snapshot, {}, NOW)


@given(watch=watches, snapshot=completed | ended_badly, later=st.floats(0, 1e6))
def test_the_id_follows_from_the_task_and_the_type(watch: Watch, snapshot: Snapshot, later: float) -> None:
    """Two executions that end one watch at different times publish one id, so subscribers can deduplicate."""
    one = terminal_event(watch, snapshot, {}, NOW)
    other = terminal_event(replace(watch, polls=watch.polls + 1), snapshot, {}, NOW + later)
    assert one.id == other.id
    assert one.id != terminal_event(replace(watch, submission=Submission("alad", "other task")), snapshot, {}, NOW).id


@given(watch=watches, snapshot=completed | ended_badly)
def test_the_body_has_these_keys_in_this_order(watch: Watch, snapshot: Snapshot) -> None:
    """This is the contract with every subscriber: a missing value is null, and no key is ever left out."""
    body = terminal_event(watch, snapshot, {}, NOW).data
    assert list(body) == KEYS
    assert list(body["data"]) == DATA_KEYS
    assert list(body["data"]["watch"]) == WATCH_KEYS
    assert all(list(asset) == ASSET_KEYS for asset in body["data"]["assets"])
    assert body["data"]["error"] is None or list(body["data"]["error"]) == ERROR_KEYS


@given(watch=watches, snapshot=completed | ended_badly)
def test_assets_come_with_success_and_an_error_with_failure(watch: Watch, snapshot: Snapshot) -> None:
    """A subscriber can look at one of the two and need not check the other."""
    event = terminal_event(watch, snapshot, {}, NOW)
    data = event.data["data"]
    assert event.type == f"{snapshot.object}.{data['status']}" == event.data["type"]
    assert bool(data["assets"]) is (data["status"] == "completed")
    assert (data["error"] is not None) is (data["status"] == "failed")


@given(watch=watches, snapshot=completed)
def test_an_asset_we_stored_has_our_link_and_any_other_the_providers(watch: Watch, snapshot: Snapshot) -> None:
    """A video that could not be stored is still finished and paid for, so its link must be in the event."""
    first = snapshot.sources[0]
    assets = terminal_event(watch, snapshot, {first.role: stored(first)}, NOW).data["data"]["assets"]
    assert assets[0]["stored"] is True
    assert assets[0]["url"] == "https://videos.example/x"
    assert assets[0]["source_url"] == first.url
    for source, asset in zip(snapshot.sources[1:], assets[1:], strict=True):
        assert (asset["stored"], asset["url"], asset["bucket"]) == (False, source.url, None)


@given(watch=watches, snapshot=completed, message=st.text(max_size=3_000))
def test_an_asset_that_is_not_stored_says_why(watch: Watch, snapshot: Snapshot, message: str) -> None:
    """In a short text; one that is stored has no error."""
    first = snapshot.sources[0]
    reasons = {source.role: NotStored("timeout", message) for source in snapshot.sources}
    for files in ({}, {first.role: stored(first)}):
        for asset in terminal_event(watch, snapshot, files, NOW, reasons).data["data"]["assets"]:
            error = asset["store_error"]
            assert (error is None) is asset["stored"]
            assert error is None or error["kind"] == "timeout"
            assert error is None or (message.startswith(error["message"]) and len(error["message"]) <= 1_024)


def test_a_progress_event_has_neither_assets_nor_an_error() -> None:
    """What was seen of an end that is not certain is no news."""
    seen = Snapshot(Status.PROCESSING, sources=(Source("result", "video", "https://a.example/v.mp4"),))
    data = progress_event(Watch(Submission("alad", "1"), NOW), seen, NOW).data["data"]
    assert (data["assets"], data["error"]) == ([], None)


def test_a_file_without_a_link_has_none() -> None:
    """The beginning of a `data:` URL is no link, and the whole of it is no text for a webhook."""
    inline = Source("result", "video", "data:video/mp4;base64", inline=True)
    snapshot = Snapshot(Status.COMPLETED, sources=(inline,))
    watch = Watch(Submission("alad", "1"), NOW)
    for files, url in (({}, None), ({"result": stored(inline)}, "https://videos.example/x")):
        (asset,) = terminal_event(watch, snapshot, files, NOW).data["data"]["assets"]
        assert (asset["url"], asset["source_url"]) == (url, None)


@given(watch=watches, snapshot=completed | ended_badly)
def test_metadata_comes_back_as_it_was_given(watch: Watch, snapshot: Snapshot) -> None:
    """A subscriber uses the metadata to find its own record."""
    event = terminal_event(watch, snapshot, {}, NOW)
    assert event.data["data"]["metadata"] == watch.submission.metadata == event.metadata


@given(watch=watches, snapshot=completed | ended_badly | underway)
def test_the_body_is_ascii_on_one_line(watch: Watch, snapshot: Snapshot) -> None:
    """Software on the way cannot change a signed byte of it by converting its encoding."""
    final = snapshot.status.final
    event = terminal_event(watch, snapshot, {}, NOW) if final else progress_event(watch, snapshot, NOW)
    assert event.body.isascii()
    assert event.body.isprintable()


@pytest.mark.parametrize("status", [Status.COMPLETED, Status.FAILED])
@pytest.mark.parametrize("character", ["\x00", "\U0001f600", "é", "\\", '"', "a"], ids=ascii)
def test_nothing_a_provider_says_makes_an_event_too_large(character: str, status: Status) -> None:
    """EventBridge and Step Functions refuse more than 256 KiB, so such an event would never be published."""
    text = character * 1_000_000
    said = Snapshot(
        status,
        provider_status=text,
        model=text,
        prompt=text,
        usage={"a": text},
        upstream_id=text,
        sources=(Source("result", "video", "https://cdn.example/v.mp4"),) if status is Status.COMPLETED else (),
        error=None
        if status is Status.COMPLETED
        else TaskError(Category.PROVIDER, code=text, message=text, provider_code=text),
    )
    watch = Watch(Submission("alad", text[:512], {"note": "x" * 16_300}), NOW)
    event = terminal_event(watch, fitted(said), {}, NOW)
    assert len(event.body) < MOST_BYTES
    assert event.data["data"]["prompt"] == text[: len(event.data["data"]["prompt"])] != ""
    assert event.data["data"]["usage"] is None


@given(snapshot=completed | ended_badly)
def test_what_fits_is_left_untouched(snapshot: Snapshot) -> None:
    """Only a text that is far too long is cut."""
    assert fitted(snapshot) == snapshot


def test_a_figure_that_is_no_number_is_refused() -> None:
    """JSON has no NaN, so most receivers would refuse the whole webhook."""
    for figure in (math.nan, math.inf):
        with pytest.raises(ValueError, match="not JSON compliant"):
            serialize({"usage": figure})


@given(snapshot=underway)
def test_an_unfinished_task_has_no_terminal_event(snapshot: Snapshot) -> None:
    """A terminal event is published once and cannot be taken back."""
    with pytest.raises(ValueError, match="no terminal event"):
        terminal_event(Watch(Submission("alad", "1"), NOW), snapshot, {}, NOW)


@given(watch=watches, snapshot=underway)
def test_each_step_of_progress_is_an_event_of_its_own(watch: Watch, snapshot: Snapshot) -> None:
    """Subscribers drop an id that they have seen, so two steps need two ids."""
    event = progress_event(watch, snapshot, NOW)
    assert event.type == f"{snapshot.object}.progress"
    assert not event.terminal
    assert event.id != progress_event(replace(watch, polls=watch.polls + 1), snapshot, NOW).id
    assert (event.data["data"]["assets"], event.data["data"]["error"]) == ([], None)


@pytest.mark.parametrize(
    ("polled_at", "detected_at", "delay"),
    [((100.0,), 100.0, 100), ((100.0, 112.5), 112.5, 13), ((100.0, 112.0, 130.0), 130.0, 18), ((), None, 150)],
)
def test_the_delay_is_the_time_since_the_poll_before(
    polled_at: tuple[float, ...], detected_at: float | None, delay: int
) -> None:
    """The task ended after the poll before the last one, or after the submission when there was one poll."""
    watch = Watch(
        Submission("alad", "1"),
        submitted_at=0.0,
        history=tuple(Poll(at, "processing") for at in polled_at),
        detected_at=detected_at,
    )
    snapshot = Snapshot(Status.FAILED, error=TaskError(Category.PROVIDER, "X", "x"))
    shown = terminal_event(watch, snapshot, {}, 150.0).data["data"]["watch"]
    assert shown["detection_delay_seconds_max"] == delay


def test_the_providers_times_have_their_milliseconds_and_ours_none() -> None:
    """Receivers may sort steps by the provider's times, while our own times are only as exact as the pauses."""
    snapshot = Snapshot(
        Status.COMPLETED,
        created_at=1_764_347_090.922,
        completed_at=1_764_347_190.0,
        sources=(Source("result", "video", "https://cdn.example/v.mp4", expires_at=1_764_350_000.5),),
    )
    watch = Watch(Submission("alad", "1"), NOW, detected_at=NOW + 0.75)
    body = terminal_event(watch, snapshot, {}, NOW + 1.25).data
    data = body["data"]
    assert (data["created_at"], data["completed_at"]) == ("2025-11-28T16:24:50.922Z", "2025-11-28T16:26:30Z")
    assert data["assets"][0]["source_expires_at"] == "2025-11-28T17:13:20.500Z"
    assert (body["timestamp"], data["watch"]["detected_at"]) == ("2026-04-27T11:20:13Z", "2026-04-27T11:20:12Z")


@given(snapshot=completed | underway, error=errors)
def test_a_task_that_is_given_up_has_its_model_and_prompt_but_no_result(snapshot: Snapshot, error: TaskError) -> None:
    """The model and the prompt help to submit the task again, but a link beside an error would mislead."""
    given_up = failed(snapshot, error)
    assert (given_up.status, given_up.error, given_up.sources) == (Status.FAILED, error, ())
    assert (given_up.model, given_up.prompt) == (snapshot.model, snapshot.prompt)
    assert failed(None, error).error == error


def test_the_data_of_an_event_is_its_body() -> None:
    """Code that reads `data` sees exactly what subscribers receive."""
    snapshot = Snapshot(Status.FAILED, error=TaskError(Category.QUOTA, "X", "no credits"))
    event = terminal_event(Watch(Submission("alad", "1"), NOW), snapshot, {}, NOW)
    assert event.data == json.loads(event.body)
