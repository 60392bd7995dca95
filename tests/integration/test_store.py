"""A video arrives whole, whatever its host does: lines break, files change, ranges lie, and the time runs out."""

import hashlib
import re
import struct
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, field, replace
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import SimpleNamespace
from typing import Any, TypeVar

import boto3
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from moto.s3 import models

from tests.integration.test_publish import Crashing
from tests.integration.world import KEY, REAL_FILM, REAL_MP4, World, event_of, says
from vidhook import fetch, parts, store
from vidhook.errors import TimedOut
from vidhook.event import serialize
from vidhook.publish import GO_ON_SECONDS, Published
from vidhook.store import SLOW_TRIES, STORE_PAUSES, STORE_SECONDS, Stored
from vidhook.task import Source, Upload, Watch

PART = 1_000  # bytes, instead of 8 MiB
HEAD = b"\x00\x00\x00\x18ftypmp42"
SLOW = 30.0  # seconds that a host stands still, unless the test is over before


def film(size: int, seed: int = 1) -> bytes:
    """A video of so many bytes, no two parts of which are the same."""
    noise = b"".join(hashlib.sha256(b"%d %d" % (seed, each)).digest() for each in range(size // 32 + 1))
    return (HEAD + noise)[:size]


@dataclass
class Host:
    """Serves one file over real HTTP, with its ETag and ranges, and remembers which of its bytes it has sent.

    announces: its answers have a length. cuts: each answer in turn ends after so many bytes. moved: what a request with
    a Range gets instead of its answer, as (status, headers). most: so many bytes in all, and then it stands still.
    at_once: so many connections.
    """

    body: bytes = b""
    etag: str | None = '"1"'
    ranges: bool = True
    announces: bool = True
    cuts: list[int] = field(default_factory=list)
    moved: Callable[[int, int], tuple[int, dict[str, str]]] | None = None
    most: float = float("inf")
    at_once: int = 99
    dead: set[str] = field(default_factory=set)
    sent: list[tuple[bool, int, int]] = field(default_factory=list)  # with a Range, from, to
    keys: list[str | None] = field(default_factory=list)

    def __post_init__(self) -> None:
        host = self
        self._lock, self._connections, self._over = threading.Lock(), threading.Semaphore(99), threading.Event()
        self._open = 0

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                host.answer(self)

            def log_message(self, *_: object) -> None:
                """A test's output is for its failure."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_port}/v.mp4"
        threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()

    def close(self) -> None:
        self._over.set()
        self._server.shutdown()
        self._server.server_close()

    def read(self, ranged: bool | None = None) -> int:
        """How many bytes it has sent, in answers to a Range or others."""
        return sum(end - start for was, start, end in self.sent if ranged in (None, was))

    def answer(self, request: BaseHTTPRequestHandler) -> None:
        with self._lock:
            self._open += 1
            crowded = self._open > self.at_once
            self.keys.append(request.headers["authorization"])
        try:
            self._answer(request, crowded)
        finally:
            with self._lock:
                self._open -= 1

    def _answer(self, request: BaseHTTPRequestHandler, crowded: bool) -> None:
        asked = re.fullmatch(r"bytes=(\d+)-(\d+)", request.headers["range"] or "")
        same = request.headers["if-range"] in (None, self.etag)
        ranged = bool(asked and self.ranges and same)
        start, end = (int(asked[1]), int(asked[2]) + 1) if asked and ranged else (0, len(self.body))
        status, headers = (206, {"content-range": f"bytes {start}-{end - 1}/{len(self.body)}"}) if ranged else (200, {})
        if asked and self.moved:
            status, headers = self.moved(start, end)
        if crowded or request.path in self.dead:
            status, start, end = 503 if crowded else 403, 0, 0
        request.send_response(status)
        extra = {"accept-ranges": "bytes"} if self.ranges else {}
        extra |= {"etag": self.etag} if self.etag else {}
        extra |= {"content-length": str(end - start)} if self.announces else {}
        for name, value in {**extra, **headers}.items():
            request.send_header(name, value)
        request.end_headers()
        self._send(request, bool(asked), start, end)

    def _send(self, request: BaseHTTPRequestHandler, ranged: bool, start: int, end: int) -> None:
        with self._lock:
            stop = min(end, start + self.cuts.pop(0)) if self.cuts else end
            wait = self.read() + stop - start > self.most
            if wait:
                stop = start + max(0, int(self.most - self.read()))
            self.sent.append((ranged, start, stop))
        request.wfile.write(self.body[start:stop])
        if wait:
            self._over.wait(SLOW)


@pytest.fixture
def host() -> Iterator[Host]:
    served = Host()
    yield served
    served.close()


@pytest.fixture(autouse=True)
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    """Parts of a thousand bytes, and no rest after a break."""
    for module, name, value in (
        (store, "PART_BYTES", PART),
        (fetch, "AHEAD", PART // 4),
        (fetch, "PIECE", PART // 4),
        (parts, "PIECE", PART // 4),
        (fetch, "BREAK_PAUSE", 0.0),
        (models, "S3_UPLOAD_PART_MIN_SIZE", 1),
    ):
        monkeypatch.setattr(module, name, value)
    monkeypatch.setattr(store, "GAUGE_SECONDS", 0.0)


@pytest.fixture
def by_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every file that can go by parts does."""
    monkeypatch.setattr(store, "SEVERAL_FROM", PART)
    monkeypatch.setattr(store, "SEVERAL_SECONDS", 0.0)


def completed(world: World, host: Host, task_id: str = "t1", url: str | None = None) -> str:
    """The id of a watch whose video is at the host."""
    return world.settle(says("completed", url=url or host.url), task_id=task_id)


def lies(world: World, published: Published) -> bytes:
    """What is stored, after a look that the event says the same of it."""
    (told,) = event_of(published).data["data"]["assets"]
    assert told["stored"]
    stored = boto3.client("s3").get_object(Bucket=told["bucket"], Key=told["key"])
    body = stored["Body"].read()
    assert (told["bytes"], told["sha256"]) == (len(body), hashlib.sha256(body).hexdigest())
    assert (told["content_type"], stored["ContentType"], stored["Metadata"]["role"]) == ("video/mp4",) * 2 + ("result",)
    return body


Told = TypeVar("Told", Published, Stored)


def in_part(host: Host, most: int, go: Callable[..., Told]) -> Told:
    """Goes until the time was enough for a part of the copy only, as the host sends `most` bytes and stands still.

    A machine that is busy with other tests may take a second for less than one part.
    """
    for seconds in (1.0, 4.0, 16.0):
        host.most = host.read() + most
        told = go(seconds=seconds)
        if told.unfinished:
            host.most = float("inf")
            return told
    raise AssertionError(told)


def left_over() -> tuple[int, int]:
    """Objects, and uploads that were begun and neither ended nor aborted."""
    client = boto3.client("s3")
    objects = client.list_objects_v2(Bucket="videos").get("Contents", [])
    return len(objects), len(client.list_multipart_uploads(Bucket="videos").get("Uploads", []))


on_one_world = settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
sizes = st.integers(len(HEAD) + 1, 12 * PART)
cuts = st.lists(st.integers(1, 12 * PART), max_size=6)


class TestBreaks:
    numbers: Iterator[int] = iter(range(1_000_000))

    @on_one_world
    @given(size=sizes, breaks=cuts)
    def test_a_copy_goes_on_where_it_broke(self, world: World, size: int, breaks: list[int]) -> None:
        """Every byte is read once, however often the line breaks."""
        host = Host(film(size), cuts=breaks)
        watch = completed(world, host, f"w{next(self.numbers)}")
        assert lies(world, world.publish(watch)) == host.body
        assert host.read() == size
        host.close()

    @on_one_world
    @given(size=sizes, breaks=cuts)
    def test_so_does_a_copy_by_parts(self, world: World, by_parts: None, size: int, breaks: list[int]) -> None:
        """Several connections at once, each of which may break; the hash is that of the whole, in order."""
        host = Host(film(size), cuts=breaks)
        watch = completed(world, host, f"p{next(self.numbers)}")
        assert lies(world, world.publish(watch)) == host.body
        later = sum(end - start for ranged, start, end in host.sent if ranged and start >= PART)
        assert later == max(0, size - PART)  # the first request names no end, so its answer may bring more than a part
        host.close()

    def test_a_line_that_brings_nothing_any_more_is_a_failure(self, world: World, host: Host) -> None:
        """Else a dead host would hold the invocation until its end."""
        host.body, host.cuts = film(5 * PART), [PART, 0, 0, 0, 0]
        watch = completed(world, host)
        assert world.publish(watch).pause == STORE_PAUSES[0]
        assert (left_over(), len(host.sent)) == ((0, 0), 1 + fetch.TRIES)

    def test_a_source_without_ranges_begins_anew(self, world: World, host: Host) -> None:
        """After a pause, as nothing of it can be asked for."""
        host.body, host.ranges, host.cuts = film(5 * PART), False, [PART]
        watch = completed(world, host)
        assert (world.publish(watch).pause, left_over()) == (STORE_PAUSES[0], (0, 0))
        assert lies(world, world.publish(watch)) == host.body

    @pytest.mark.parametrize("etag", [None, 'W/"1"', '"'])
    def test_a_source_that_does_not_say_which_file_it_is_has_no_ranges(
        self, world: World, host: Host, etag: str | None
    ) -> None:
        """Two halves could be of two files."""
        host.body, host.etag, host.cuts = film(5 * PART), etag, [PART]
        assert world.publish(completed(world, host)).pause == STORE_PAUSES[0]
        assert host.read(ranged=True) == 0

    def test_a_host_that_refuses_several_connections_is_read_over_those_it_takes(
        self, world: World, host: Host, by_parts: None
    ) -> None:
        """Some limit the connections of one client."""
        host.body, host.at_once = film(9 * PART), 2
        assert lies(world, world.publish(completed(world, host))) == host.body

    def test_the_key_goes_with_each_part(self, world: World, host: Host, by_parts: None) -> None:
        """A link that needs the provider's key needs it for each request, and no other host gets it."""
        host.body = film(5 * PART)
        watch = world.ledger.tasks.watch(completed(world, host))
        assert world.storage.store(watch, (Source("result", "video", host.url, needs_key=True),)).files
        assert len(host.keys) > 1
        assert set(host.keys) == {f"Bearer {KEY}"}

    @pytest.mark.parametrize("before", ["", "an-older-key"])
    def test_a_key_that_was_just_put_goes_with_the_next_try(self, world: World, host: Host, before: str) -> None:
        """A container that read the secret before may not ask without the key, or with the old one, for minutes."""
        host.body = film(PART)
        world.put_key(before)
        world.secrets.provider_key("acme")
        world.put_key("the-new-key")
        watch = world.ledger.tasks.watch(completed(world, host))
        failures = 1 if before else 0  # an old key is replaced when it has failed
        sources = (Source("result", "video", host.url, needs_key=True),)
        assert world.storage.store(replace(watch, store_failures=failures), sources).files
        assert set(host.keys) == {"Bearer the-new-key"}


class TestChanges:
    @pytest.mark.parametrize("parted", [False, True])
    def test_two_files_are_never_mixed(
        self, world: World, host: Host, monkeypatch: pytest.MonkeyPatch, parted: bool
    ) -> None:
        """A render that was made again has another ETag: what came of the first one is thrown away."""
        if parted:
            monkeypatch.setattr(store, "SEVERAL_FROM", PART)
            monkeypatch.setattr(store, "SEVERAL_SECONDS", 0.0)
        host.body, host.cuts = film(9 * PART), [PART // 2]
        first = host._send

        def change(*arguments: Any) -> None:
            first(*arguments)
            host.body, host.etag = film(9 * PART, seed=2), '"2"'

        monkeypatch.setattr(host, "_send", change)
        watch = completed(world, host)
        published = world.publish(watch)
        assert published.pause == STORE_PAUSES[0]
        assert "no longer" in str(published.stored)
        assert left_over() == (0, 0)
        assert world.ledger.tasks.watch(watch).uploads == {}
        assert lies(world, world.publish(watch)) == film(9 * PART, seed=2)

    @pytest.mark.parametrize(
        "answer",
        [
            lambda start, end: (200, {}),
            lambda start, end: (416, {"content-range": "bytes */9000"}),
            lambda start, end: (206, {}),
            lambda start, end: (206, {"content-range": f"bytes {start + 1}-{end}/9000"}),
            lambda start, end: (206, {"content-range": f"bytes {start}-{end - 1}/9001"}),
            lambda start, end: (206, {"content-range": f"bytes {start}-{end - 1}/*"}),
            lambda start, end: (206, {"content-range": f"bytes {start}-{end - 1}/9000", "etag": '"2"'}),
            lambda start, end: (206, {"content-range": f"bytes {start}-{end - 1}/9000", "content-encoding": "gzip"}),
        ],
        ids=["whole", "416", "no range", "another range", "another total", "unknown total", "another ETag", "packed"],
    )
    @pytest.mark.parametrize("parted", [False, True])
    def test_an_answer_that_is_not_the_part_that_was_asked_for_is_not_used(
        self, world: World, host: Host, monkeypatch: pytest.MonkeyPatch, answer: Any, parted: bool
    ) -> None:
        """A host that ignores Range, or answers another one, must not spoil the file."""
        if parted:
            monkeypatch.setattr(store, "SEVERAL_FROM", PART)
            monkeypatch.setattr(store, "SEVERAL_SECONDS", 0.0)
        host.body, host.cuts, host.moved = film(9 * PART), [PART // 2], answer
        watch = completed(world, host)
        assert world.publish(watch).pause == STORE_PAUSES[0]
        assert left_over()[0] == 0


def indexed(size: int, told: int) -> bytes:
    """A film of `size` bytes whose boxes, the index first, tell that it has `told`."""
    return (struct.pack(">I4s16xI4sI4s", 24, b"ftyp", 8, b"moov", told - 32, b"mdat") + film(size))[:size]


class TestNoLength:
    def test_a_film_that_tells_its_length_itself_goes_up_as_it_comes(self, world: World, host: Host) -> None:
        """Without a length S3 takes parts of 5 MiB only, the last of which waits for the end."""
        host.body, host.announces = indexed(6_000_000, 6_000_000), False
        published = world.publish(completed(world, host))
        assert lies(world, published) == host.body
        (asset,) = event_of(published).data["data"]["assets"]
        in_parts = "-" in boto3.client("s3").head_object(Bucket=asset["bucket"], Key=asset["key"])["ETag"]
        assert not in_parts

    @pytest.mark.parametrize("told", [1_500, 2_500])
    def test_a_film_with_more_or_less_than_it_tells_is_read_once_more(
        self, world: World, host: Host, told: int
    ) -> None:
        """It may have been cut, or have more behind its pictures; the next time its end is its end."""
        host.body, host.announces = indexed(2_000, told), False
        watch = completed(world, host)
        assert world.publish(watch).pause == STORE_PAUSES[0]
        assert left_over() == (0, 0)
        assert lies(world, world.publish(watch)) == host.body


class TestTime:
    def test_a_copy_that_the_time_is_not_enough_for_goes_on_in_the_next_invocation(
        self, world: World, host: Host, by_parts: None
    ) -> None:
        """At once, without counting as a failure, and no part is read twice."""
        host.body = film(20 * PART)
        watch = completed(world, host)
        published = in_part(host, 32 * PART, partial(world.publish, watch))
        failures = world.ledger.tasks.watch(watch).store_failures
        assert (published.event, failures) == (None, published.watch.store_failures)  # type: ignore[union-attr]
        assert re.fullmatch(r"\d+000 of 20000 bytes are stored", published.stored.unfinished["result"])  # type: ignore[union-attr]
        kept = int(published.stored.unfinished["result"].split(" ")[0])  # type: ignore[union-attr]
        host.sent = []
        assert lies(world, world.publish(watch)) == host.body
        assert host.read() == 20 * PART - kept
        assert left_over() == (1, 0)

    def test_a_copy_goes_on_for_some_hours_and_then_is_a_failure(
        self, world: World, host: Host, by_parts: None
    ) -> None:
        """The event must come some day."""
        host.body, host.most = film(20 * PART), 25 * PART
        watch = completed(world, host)
        world.wait(GO_ON_SECONDS)
        assert world.publish(watch, seconds=0.5).pause == STORE_PAUSES[0]
        assert world.ledger.tasks.watch(watch).store_failures == 1

    def test_a_copy_that_gets_no_further_is_a_failure(self, world: World, host: Host, by_parts: None) -> None:
        """Else it would go on for hours without a byte."""
        host.body, host.most = film(20 * PART), 0
        watch = completed(world, host)
        assert [world.publish(watch, seconds=0.3).pause for _ in range(SLOW_TRIES + 1)] == [STORE_PAUSES[0], 0]

    def test_a_fresh_link_to_the_same_file_goes_on_with_what_is_stored(
        self, world: World, host: Host, by_parts: None
    ) -> None:
        """A signed link dies while a long copy is under way."""
        host.body = film(20 * PART)
        fresh = host.url.replace("v.mp4", "w.mp4")
        watch = world.settle(says("completed", url=host.url), says("completed", url=fresh))
        kept = str(in_part(host, 32 * PART, partial(world.publish, watch)).stored)
        host.sent, host.dead = [], {"/v.mp4"}
        assert world.publish(watch).pause == STORE_PAUSES[0]
        world.poll(watch)
        assert lies(world, world.publish(watch)) == host.body
        assert f"'{20 * PART - host.read()} of" in kept

    def test_a_slow_source_without_ranges_is_tried_twice(self, world: World, host: Host) -> None:
        """Nobody can go on with it, and the next try would be as slow: the event need not wait for it."""
        host.body, host.ranges, host.most = film(20 * PART), False, 5 * PART
        watch = completed(world, host)
        assert [world.publish(watch, seconds=0.3).pause for _ in range(2)] == [STORE_PAUSES[0], 0]
        (told,) = world.ledger.tasks.event(watch).data["data"]["assets"]
        assert (told["stored"], left_over()) == (False, (0, 0))

    def test_a_slow_file_that_failed_as_a_whole_goes_by_parts(self, world: World, host: Host) -> None:
        """So what comes of it is kept, and it arrives."""
        host.body, host.most = film(20 * PART), 5 * PART
        watch = completed(world, host)
        assert world.publish(watch, seconds=0.3).pause == STORE_PAUSES[0]
        in_part(host, 32 * PART, partial(world.publish, watch))
        assert lies(world, world.publish(watch)) == host.body


class TestFilm:
    @pytest.mark.parametrize("how", ["one request", "parts", "parts of two invocations", "found again"])
    def test_what_a_film_says_of_itself_is_told_however_it_came(
        self, world: World, host: Host, how: str, request: pytest.FixtureRequest
    ) -> None:
        """Its parts come in any order, and some may have come through an earlier invocation."""
        host.body = REAL_MP4
        if how.startswith("parts"):
            request.getfixturevalue("by_parts")
        watch = completed(world, host)
        if how == "parts of two invocations":
            in_part(host, len(REAL_MP4) + 2 * PART, partial(world.publish, watch))
        elif how == "found again":
            world.storage.store(world.ledger.tasks.watch(watch), (Source("result", "video", host.url),))
            world.ledger.tasks.note_uploads(world.ledger.tasks.watch(watch), {})
            host.dead.add("/v.mp4")
        (told,) = event_of(published := world.publish(watch, again=how == "found again")).data["data"]["assets"]
        assert lies(world, published) == REAL_MP4
        assert {name: told[name] for name in asdict(REAL_FILM)} == asdict(REAL_FILM)

    def test_an_upload_keeps_what_its_film_said(self, world: World, host: Host) -> None:
        """A repeat reads neither the source nor the object again."""
        watch = world.ledger.tasks.watch(completed(world, host))
        noted = {"result": Upload("", "video/mp4", "", 9, 0, "5d", REAL_FILM)}
        world.ledger.tasks.note_uploads(watch, noted)
        assert world.ledger.tasks.watch(watch.id).uploads == noted
        assert world.ledger.tasks.note_uploads(world.ledger.tasks.watch(watch.id), {}) == {}

    def test_an_upload_of_an_earlier_version_goes_on(self, world: World, host: Host) -> None:
        """It knows nothing of its film, and is replaced like any other."""
        watch = world.ledger.tasks.watch(completed(world, host))
        old = {"id": "a", "content_type": "video/mp4", "validator": '"1"', "length": 9, "part_bytes": 3, "sha256": None}
        world.ledger.table.client.update_item(
            TableName=world.ledger.table.name,
            Key={"pk": {"S": watch.id}, "sk": {"S": "watch"}},
            UpdateExpression="SET uploads = :old",
            ExpressionAttributeValues={":old": {"S": serialize({"result": old})}},
        )
        seen = world.ledger.tasks.watch(watch.id)
        assert seen.uploads == {"result": Upload("a", "video/mp4", '"1"', 9, 3)}
        new = {"result": Upload("", "video/mp4", "", 9, 0, "5d", REAL_FILM)}
        assert world.ledger.tasks.note_uploads(seen, new) == new


class TestTwoAtOnce:
    def test_an_invocation_that_comes_later_goes_on_with_the_same_upload(
        self, world: World, host: Host, by_parts: None
    ) -> None:
        """Both read the watch before either wrote: the ledger lets one of them begin."""
        host.body = film(20 * PART)
        watch = world.ledger.tasks.watch(completed(world, host))
        sources = (Source("result", "video", host.url),)
        in_part(host, 32 * PART, partial(world.storage.store, watch, sources))
        stored = world.storage.store(watch, sources)
        assert stored.files["result"].sha256 == hashlib.sha256(host.body).hexdigest()
        assert left_over() == (1, 0)

    def test_two_invocations_at_the_same_time_store_one_file(self, world: World, host: Host, by_parts: None) -> None:
        """Whoever is first: both tell the hash of what is there."""
        host.body = film(9 * PART)
        watch = world.ledger.tasks.watch(completed(world, host))
        both: list[Stored] = []

        def run() -> None:
            for _ in range(3):  # as the state machine does: an upload that the other has just ended is an error of S3
                with suppress(Exception):
                    both.append(world.storage.store(watch, (Source("result", "video", host.url),), again=True))
                    return

        threads = [threading.Thread(target=run) for _ in range(2)]
        for each in threads:
            each.start()
        for each in threads:
            each.join(20)
        assert [stored.files["result"].sha256 for stored in both] == [hashlib.sha256(host.body).hexdigest()] * 2

    def test_two_large_files_of_one_task_come_at_the_same_time(self, world: World, host: Host, by_parts: None) -> None:
        """Each notes its upload beside that of the other, whoever is first."""
        beside = Host(film(9 * PART, seed=2))
        host.body = film(9 * PART)
        watch = world.ledger.tasks.watch(completed(world, host))
        ledger, together = world.ledger, threading.Barrier(2)

        class Racing(Crashing):
            def note_uploads(self, watch: Watch, uploads: Any) -> Any:
                if not together.broken:
                    with suppress(threading.BrokenBarrierError):
                        together.wait(5)  # nobody writes before both have read
                    together.abort()
                return ledger.tasks.note_uploads(watch, uploads)

        sources = (Source("result", "video", host.url), Source("original", "video", beside.url))
        stored = world.but(ledger=Racing(ledger, "nothing")).storage.store(watch, sources)
        beside.close()
        for role, served in (("result", host), ("original", beside)):
            assert stored.files[role].sha256 == hashlib.sha256(served.body).hexdigest()
        noted = world.ledger.tasks.watch(watch.id).uploads
        assert {role: upload.sha256 for role, upload in noted.items()} == {
            role: file.sha256 for role, file in stored.files.items()
        }
        assert left_over() == (2, 0)

    def test_an_object_that_was_made_of_the_upload_is_not_read_from_the_source_again(
        self, world: World, host: Host, by_parts: None
    ) -> None:
        """A crash between the last part and the event."""
        host.body = film(9 * PART)
        watch = world.ledger.tasks.watch(completed(world, host))
        sources = (Source("result", "video", host.url),)
        first = world.storage.store(watch, sources)
        read = host.read()
        assert world.storage.store(world.ledger.tasks.watch(watch.id), sources) == first
        assert host.read() == read

    def test_a_look_that_the_time_is_not_enough_for_is_made_by_the_next_invocation(
        self, world: World, host: Host
    ) -> None:
        """A very large object takes long to read back; the source is left alone."""
        host.body = film(9 * PART)
        watch = world.ledger.tasks.watch(completed(world, host))
        sources = (Source("result", "video", host.url),)
        first = world.storage.store(watch, sources)
        late = world.storage.store(watch, sources, seconds=0.0, again=True)
        assert (late.unfinished, late.failures) == ({"result": "9000 of 9000 stored bytes are read back"}, {})
        assert world.storage.store(watch, sources, again=True) == first
        assert host.read() == 9 * PART

    def test_an_upload_that_is_gone_is_begun_anew(self, world: World, host: Host, by_parts: None) -> None:
        """The bucket's lifecycle rule aborts what was begun a day ago."""
        host.body = film(20 * PART)
        watch = completed(world, host)
        in_part(host, 32 * PART, partial(world.publish, watch))
        (upload,) = boto3.client("s3").list_multipart_uploads(Bucket="videos")["Uploads"]
        boto3.client("s3").abort_multipart_upload(Bucket="videos", Key=upload["Key"], UploadId=upload["UploadId"])
        assert lies(world, world.publish(watch)) == host.body

    def test_the_ledger_lets_one_of_two_note_its_uploads(self, world: World, host: Host) -> None:
        """And tells the other what was noted."""
        watch = world.ledger.tasks.watch(completed(world, host))
        one, other = ({"result": Upload(name, "video/mp4", '"1"', 9, 3)} for name in "ab")
        assert world.ledger.tasks.note_uploads(watch, one) == one
        assert world.ledger.tasks.note_uploads(watch, other) == one
        again: Watch = world.ledger.tasks.watch(watch.id)
        assert again == replace(watch, uploads=one)
        assert world.ledger.tasks.note_uploads(again, {}) == {}
        assert world.ledger.tasks.watch(watch.id).uploads == {}


@dataclass
class Line:
    """Brings files over lines that a fake clock counts: each piece of a file takes its own number of seconds.

    seconds: by URL. The clock goes on while a slow file is read, and not before the quick one is stored.
    """

    seconds: dict[str, float]
    now: float = 1_000.0
    stored: threading.Event = field(default_factory=threading.Event)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def link(self, key: str) -> str:
        """Is asked for when a file is stored."""
        self.stored.set()
        return f"https://videos.example/{key}"

    @contextmanager
    def download(self, url: str, *, deadline: float, **_: Any) -> Iterator[Any]:
        assert deadline <= STORE_SECONDS
        if not deadline:
            raise TimedOut("the time is spent")
        seconds = self.seconds[url]
        left = [(HEAD + bytes(PART))[:PART]] * (500 if seconds else 3)

        def read_some(_: int) -> bytes:
            if seconds:
                assert self.stored.wait(10)
            with self.lock:
                self.now += seconds
            return left.pop() if left else b""

        answer = SimpleNamespace(status=200, headers={}, length=None, packed=False, coding="", content_type=None)
        answer.read_some = read_some
        yield answer


class TestTheTimeOfAnInvocation:
    @pytest.fixture
    def stored(self, world: World, host: Host, monkeypatch: pytest.MonkeyPatch) -> Callable[..., tuple[Stored, float]]:
        """Stores files of a task, each so slow; what came of it, and the seconds that it took."""

        def store_all(*seconds: float) -> tuple[Stored, float]:
            sources = tuple(
                Source("result" if not number else f"other-{number}", "video", f"https://cdn.example/{number}.mp4")
                for number in range(len(seconds))
            )
            line = Line({source.url: each for source, each in zip(sources, seconds, strict=True)})
            if all(seconds):
                line.stored.set()
            for module in (store, fetch):
                monkeypatch.setattr(module, "monotonic", lambda: line.now)
            watch = world.ledger.tasks.watch(world.submit("slow").watch.id)
            began = line.now
            http: Any = line
            return replace(world.storage, http=http, link=line.link).store(watch, sources), line.now - began

        return store_all

    def test_a_slow_file_leaves_the_others_theirs_and_the_invocation_its_end(self, stored: Any) -> None:
        """Lambda kills a function at its 900 seconds: then nothing would be told, and all of it would begin anew."""
        found, took = stored(10.0, 0.0)
        assert set(found.files) == {"other-1"}
        assert (found.failures["result"].kind, found.late) == ("timeout", True)
        assert STORE_SECONDS <= took <= STORE_SECONDS + 10

    def test_files_that_are_all_slow_share_one_time(self, stored: Any) -> None:
        """A time for each would be longer than the function has."""
        found, took = stored(10.0, 15.0, 20.0)
        assert {role: reason.kind for role, reason in found.failures.items()} == dict.fromkeys(
            found.failures, "timeout"
        )
        assert set(found.failures) == {"result", "other-1", "other-2"}
        assert took <= STORE_SECONDS + 10 + 15 + 20
