"""What is stored is the film, whatever its host gives instead, and an event says why something is not."""

import base64
import gzip
import hashlib
import threading
import time
import zlib
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import boto3
import pytest

from tests.integration.test_publish import Crash, Crashing
from tests.integration.world import MP4, PROVIDER, REAL_FILES, REAL_FILM, REAL_MP4, Answer, World, event_of, says
from vidhook import fetch, store
from vidhook.publish import Published
from vidhook.store import STORE_PAUSES
from vidhook.task import NotStored, Source, StoredFile, Upload, Watch
from vidhook_cli.tasks import timeline

PNG = b"\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR" + bytes(100)
PROSE = b"Your video is being made. Please come back soon"
FILM = {"content-type": "video/mp4"}
LENGTH = len(MP4)


def assets(published: Published) -> list[dict[str, Any]]:
    told: list[dict[str, Any]] = event_of(published).data["data"]["assets"]
    return told


def film_at(world: World, *answers: Answer) -> str:
    """The id of a watch whose film's host answers so."""
    return world.settle(says("completed", url=world.video(*answers)))


def stored_bytes(asset: dict[str, Any]) -> bytes:
    """What is in the bucket, after a look that the event says the same of it."""
    body = boto3.client("s3").get_object(Bucket=asset["bucket"], Key=asset["key"])["Body"].read()
    assert (asset["stored"], asset["store_error"]) == (True, None)
    assert (asset["bytes"], asset["sha256"]) == (len(body), hashlib.sha256(body).hexdigest())
    return bytes(body)


# The hosts of the reports: each with the class of its problem.
NOT_THE_FILM: dict[str, tuple[Answer, str]] = {
    "a placeholder": (Answer(200, PNG, FILM), "content"),
    "a placeholder that says so": (Answer(200, PNG, {"content-type": "image/png"}), "content"),
    "47 bytes of English": (Answer(200, PROSE, FILM), "content"),
    "English as octets": (Answer(200, PROSE, {"content-type": "application/octet-stream"}), "content"),
    "English in UTF-16": (Answer(200, PROSE.decode().encode("utf-16"), FILM), "content"),
    "English of no type": (Answer(200, PROSE), "content"),
    "server-sent events": (Answer(200, b"data: {}\n\n" * 9, {"content-type": "text/event-stream"}), "content"),
    "events as the film": (Answer(200, b"event: ping\ndata: 1\n\n", FILM), "content"),
    "XML with a mark": (Answer(200, b"\xef\xbb\xbf<?xml version='1.0'?><Error/>", FILM), "content"),
    "JSON": (Answer(200, b'{"status": "processing"}', FILM), "content"),
    "a PDF": (Answer(200, b"%PDF-1.7\n%\xe2\xe3" + bytes(99), FILM), "content"),
    "an archive": (Answer(200, b"PK\x03\x04" + bytes(99), FILM), "content"),
    "a gzip file": (Answer(200, gzip.compress(MP4), FILM), "content"),
    "nothing": (Answer(200, b"", FILM), "content"),
    "nothing, without a length": (Answer(200, b"", FILM, announced=False), "content"),
    "English in gzip": (Answer(200, gzip.compress(PROSE), FILM | {"content-encoding": "gzip"}), "content"),
    "a film in brotli": (Answer(200, MP4, FILM | {"content-encoding": "br"}), "broken"),
    "a film that is no gzip": (Answer(200, MP4, FILM | {"content-encoding": "gzip"}), "protocol"),
    "a film that is packed twice": (
        Answer(200, gzip.compress(gzip.compress(MP4)), FILM | {"content-encoding": "gzip, gzip"}),
        "broken",
    ),
    "half a film in gzip": (Answer(200, gzip.compress(MP4)[:-9], FILM | {"content-encoding": "gzip"}), "protocol"),
    "a first part": (Answer(206, MP4[:1000], FILM | {"content-range": f"bytes 0-999/{LENGTH}"}), "broken"),
    "a last part": (Answer(206, MP4[9:], FILM | {"content-range": f"bytes 9-{LENGTH - 1}/{LENGTH}"}), "broken"),
    "a part of no range": (Answer(206, MP4, FILM), "broken"),
    "a part of unknown length": (Answer(206, MP4, FILM | {"content-range": f"bytes 0-{LENGTH - 1}/*"}), "broken"),
    "a part that lies": (Answer(206, MP4[:-1], FILM | {"content-range": f"bytes 0-{LENGTH - 1}/{LENGTH}"}), "broken"),
    "a part that lies, without a length": (
        Answer(206, MP4[:-1], FILM | {"content-range": f"bytes 0-{LENGTH - 1}/{LENGTH}"}, announced=False),
        "broken",
    ),
    "no content": (Answer(204), "status"),
    "not yet": (Answer(202, PROSE), "status"),
    "a refusal": (Answer(403, b"<Error/>"), "status"),
}


@pytest.mark.parametrize("what", NOT_THE_FILM)
def test_what_is_not_the_film_is_not_stored_and_tried_again(world: World, what: str) -> None:
    """It may be the film in a minute: placeholders and error pages are what hosts give until then."""
    answer, kind = NOT_THE_FILM[what]
    watch = film_at(world, answer, Answer(200, MP4, FILM))
    published = world.publish(watch)
    assert published.pause == STORE_PAUSES[0]
    assert published.stored is not None
    assert published.stored.failures["result"].kind == kind
    assert boto3.client("s3").list_objects_v2(Bucket="videos")["KeyCount"] == 0
    assert stored_bytes(assets(world.publish(watch))[0]) == MP4


@pytest.mark.parametrize("what", NOT_THE_FILM)
def test_the_event_and_the_command_say_why_it_is_not_stored(world: World, what: str) -> None:
    """Whoever gets the provider's link instead wants to know whether to try it."""
    answer, kind = NOT_THE_FILM[what]
    watch = film_at(world, answer)
    for _ in STORE_PAUSES:
        assert world.publish(watch).event is None
    (told,) = assets(world.publish(watch))
    assert (told["stored"], told["store_error"]["kind"], told["url"]) == (False, kind, told["source_url"])
    assert told["store_error"]["message"].isprintable()
    rows = {row["what"]: row["detail"] for row in timeline(world.ledger.tasks.watch(watch), world.ledger)}
    assert rows["video"] == f"result: not stored: {kind}, {told['store_error']['message']}"


UNKNOWN = b"\x01\x02\x03\x04 some codec of tomorrow" + bytes(500)
FILMS: dict[str, tuple[Answer, bytes, str]] = {
    "of a proxy": (Answer(203, MP4, FILM), MP4, "video/mp4"),
    "a part that is all": (
        Answer(206, MP4, FILM | {"content-range": f"bytes 0-{LENGTH - 1}/{LENGTH}"}),
        MP4,
        "video/mp4",
    ),
    "a part that is all, without a length": (
        Answer(206, MP4, FILM | {"content-range": f"Bytes 0-{LENGTH - 1}/{LENGTH}"}, announced=False),
        MP4,
        "video/mp4",
    ),
    "in gzip": (Answer(200, gzip.compress(MP4), FILM | {"content-encoding": "gzip"}), MP4, "video/mp4"),
    "in gzip, without a length": (
        Answer(200, gzip.compress(MP4), FILM | {"content-encoding": "X-GZIP"}, announced=False),
        MP4,
        "video/mp4",
    ),
    "in gzip, and a line after it": (
        Answer(200, gzip.compress(MP4) + b"\r\n" * 9, FILM | {"content-encoding": "gzip, identity"}),
        MP4,
        "video/mp4",
    ),
    **{
        f"with the coding {word!r}": (Answer(200, MP4, FILM | {"content-encoding": word}), MP4, "video/mp4")
        for word in ("", "none", "utf-8", "aws-chunked", "Identity, identity", "binary", "mp4")
    },
    "in deflate": (Answer(203, zlib.compress(MP4), FILM | {"content-encoding": "deflate"}), MP4, "video/mp4"),
    "large and in gzip": (
        Answer(200, gzip.compress(MP4 * 600), FILM | {"content-encoding": "gzip", "accept-ranges": "bytes"}),
        MP4 * 600,
        "video/mp4",
    ),
    "in gzip, and all of it": (
        Answer(
            206,
            gzip.compress(MP4, mtime=0),
            FILM
            | {
                "content-encoding": "gzip",
                "content-range": f"bytes 0-{len(gzip.compress(MP4)) - 1}/{len(gzip.compress(MP4))}",
            },
        ),
        MP4,
        "video/mp4",
    ),
    "that says text": (Answer(200, MP4, {"content-type": "text/html"}), MP4, "video/mp4"),
    "of a format of tomorrow": (Answer(200, UNKNOWN, {"content-type": "video/x-new"}), UNKNOWN, "video/x-new"),
    "of an unknown format": (Answer(200, UNKNOWN), UNKNOWN, "application/octet-stream"),
    "as a transport stream": (
        Answer(200, (b"G@\x11\x10\x00" + bytes(183)) * 9, {"content-type": "application/octet-stream"}),
        (b"G@\x11\x10\x00" + bytes(183)) * 9,
        "video/mp2t",
    ),
}


@pytest.mark.parametrize("what", FILMS)
def test_a_film_is_stored_in_whatever_form_it_comes(world: World, what: str) -> None:
    """Decoded, and with the hash of what is stored."""
    answer, film, kind = FILMS[what]
    (told,) = assets(world.publish(film_at(world, answer)))
    assert stored_bytes(told) == film
    assert told["content_type"] == kind


@pytest.mark.parametrize(
    "answer",
    [
        Answer(200, gzip.compress(MP4 + bytes(50_000)), FILM | {"content-encoding": "gzip"}),
        Answer(200, MP4 + bytes(50_000), FILM),
        Answer(200, MP4 + bytes(50_000), FILM, announced=False),
    ],
    ids=["packed", "announced", "unannounced"],
)
def test_no_file_is_larger_than_the_limit_when_it_is_decoded(
    world: World, monkeypatch: pytest.MonkeyPatch, answer: Answer
) -> None:
    """A few megabytes of gzip could be terabytes in the bucket."""
    monkeypatch.setattr(fetch, "LARGEST", 20_000)
    monkeypatch.setattr(fetch, "PIECE", 4_000)
    published = world.publish(film_at(world, answer))
    assert published.stored is not None
    assert published.stored.failures["result"].kind == "too_large"
    assert boto3.client("s3").list_objects_v2(Bucket="videos")["KeyCount"] == 0


def test_a_signed_link_is_asked_for_as_it_was_given(world: World) -> None:
    """A host that signs the raw bytes refuses `~` for `%7E`, and a path without its `/../`."""
    target = "/files/a/../%7Efilm%2f%E4+(1)%zz.mp4?Signature=a%2Bb+c~d/%2F==&x=%7e&Key-Pair-Id"
    signed = world.web.script(target.partition("?")[0], Answer(200, MP4, FILM))
    moved = world.web.script("/moved", Answer(302, b"", {"location": signed + "?" + target.partition("?")[2]}))
    for number, url in enumerate((world.web.url + target, moved)):
        watch = world.settle(says("completed", url=url), task_id=f"t{number}")
        assert stored_bytes(assets(world.publish(watch))[0]) == MP4
    assert len(world.web.to(target)) == 2


def test_a_reason_shows_nothing_that_a_terminal_would_obey(world: World) -> None:
    """A host writes its headers as it likes."""
    answer = Answer(200, UNKNOWN, {"content-type": "\x1b[31mred\x07\xe9"})
    published = world.publish(film_at(world, answer))
    assert published.stored is not None
    assert published.stored.failures["result"].message == "the source gives ?[31mred??, not the video"


# --- Playlists ---


@pytest.mark.parametrize(
    ("path", "body", "declared"),
    [
        ("/v.m3u8", b"#EXTM3U\n", "application/vnd.apple.mpegurl"),
        ("/v.MPD", b"<MPD/>", "application/dash+xml"),
        ("/v.mp4", b"#EXTM3U\n#EXTINF:4,\n1.ts\n", "video/mp4"),
        ("/v", b"<?xml version='1.0'?>\n<MPD/>", "text/xml"),
    ],
)
def test_a_playlist_is_told_at_once_with_its_link(world: World, path: str, body: bytes, declared: str) -> None:
    """It will not turn into one file, so nobody has to wait for 18 minutes."""
    url = world.web.script(path, Answer(200, body, {"content-type": declared})) + "?token=canary"
    watch = world.settle(says("completed", url=url))
    (told,) = assets(world.publish(watch))
    assert (told["stored"], told["url"], told["source_url"]) == (False, url, url)
    assert told["store_error"]["kind"] == "playlist"
    assert "canary" not in told["store_error"]["message"]
    assert world.ledger.tasks.watch(watch).store_failures == 0


# --- Other files than the result ---


@pytest.fixture
def two(world: World) -> Callable[..., str]:
    """Settles a task whose answer has a result and an original; gives the watch's id."""
    world.ledger.providers.put("acme", PROVIDER.format(base_url=world.web.url) + 'original = "original"\n')
    numbers = iter(range(99))

    def settle(result: Answer | str, original: Answer | str) -> str:
        links = [
            each if isinstance(each, str) else world.web.script(f"/{name}.mp4", each)
            for name, each in (("result", result), ("original", original))
        ]
        return world.settle(says("completed", url=links[0], original=links[1]), task_id=f"two{next(numbers)}")

    return settle


@pytest.mark.parametrize("alive", [True, False], ids=["alive", "dead"])
def test_the_poster_is_a_file_of_its_own(world: World, alive: bool) -> None:
    """It is told with what it is, and when its link is dead the film is told all the same."""
    text = PROVIDER.format(base_url=world.web.url) + 'poster = "@"\n'
    world.ledger.providers.put("acme", text)
    cover = world.web.script("/cover", Answer(200, (REAL_FILES / "image.jpg").read_bytes()) if alive else Answer(403))
    answer = says("completed", url=world.video(Answer(200, REAL_MP4)), cover_url=cover)
    result, poster = assets(world.publish(world.settle(answer)))
    assert stored_bytes(result) == REAL_MP4
    assert (result["role"], poster["role"], poster["type"], poster["stored"]) == ("result", "poster", "image", alive)
    assert (poster["width"], poster["height"]) == ((70, 50) if alive else (None, None))
    assert (result["duration_ms"], poster["duration_ms"], poster["has_audio"]) == (2_328, None, None)
    assert (poster["store_error"] is None) is alive


def test_the_timeline_shows_what_is_known_of_a_film(world: World) -> None:
    """One look says whether it is what was asked for."""
    watch = world.settle(says("completed", url=world.video(Answer(200, REAL_MP4))))
    world.publish(watch)
    rows = {row["what"]: row["detail"] for row in timeline(world.ledger.tasks.watch(watch), world.ledger)}
    assert rows["video"].endswith(f"/result.mp4 ({len(REAL_MP4)} bytes, 64x48, 2.328 s, with sound)")


class Standing:
    """A host that takes a request and says nothing, or the beginning, until `go` is set."""

    def __init__(self, start: bytes = b"", length: int = LENGTH) -> None:
        self.asked, self.go = threading.Event(), threading.Event()
        host = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                host.asked.set()
                if start:
                    self.send_response(200)
                    self.send_header("content-length", str(length))
                    self.end_headers()
                    self.wfile.write(start)
                host.go.wait(20)
                if not start:
                    self.send_response(200)
                    self.send_header("content-length", str(length))
                    self.end_headers()
                self.wfile.write(MP4[len(start) :])

            def log_message(self, *_: object) -> None:
                """A test's output is for its failure."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_port}/v.mp4"
        threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()

    def close(self) -> None:
        self.go.set()
        self._server.shutdown()
        self._server.server_close()


@pytest.fixture(params=[b"", MP4[:500]], ids=["silent", "stands still"])
def standing(request: pytest.FixtureRequest) -> Iterator[Standing]:
    host = Standing(request.param)
    yield host
    host.close()


GOOD = Answer(200, MP4, FILM)
DEAD = {
    "refused": (Answer(403), "status"),
    "another thing": (Answer(200, PNG, FILM), "content"),
    "a playlist": (Answer(200, b"#EXTM3U", FILM), "playlist"),
    "cut": (Answer(200, MP4, FILM, cut=700), "protocol"),
    "nobody": ("http://127.0.0.1:1/v.mp4", "connect"),
    "inside": ("https://10.0.0.1/v.mp4", "blocked"),
}


@pytest.mark.parametrize("how", DEAD)
def test_a_dead_file_beside_the_result_holds_up_nothing(world: World, two: Any, how: str) -> None:
    """The result is what was asked for; the event says of the other one why it is not stored."""
    original, kind = DEAD[how]
    result, other = assets(world.publish(two(GOOD, original)))
    assert stored_bytes(result) == MP4
    assert (other["role"], other["stored"], other["url"]) == ("original", False, other["source_url"])
    assert other["store_error"]["kind"] == kind


def test_a_file_that_never_comes_is_waited_for_a_short_time(
    world: World, two: Any, standing: Standing, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Counted from when the result is stored."""
    monkeypatch.setattr(store, "OTHERS_SECONDS", 0.3)
    began = time.monotonic()
    result, other = assets(world.publish(two(GOOD, standing.url)))
    assert 0.3 < time.monotonic() - began < 5
    assert stored_bytes(result) == MP4
    assert other["store_error"] == {"kind": "timeout", "message": "the event waited for it long enough"}


def test_both_files_are_stored_at_the_same_time(world: World, two: Any) -> None:
    """So the event does not come later for the second one."""
    slow = Standing()
    watch = two(slow.url, GOOD)

    def go() -> None:
        assert slow.asked.wait(10)
        while not world.web.to("/original.mp4"):
            time.sleep(0.01)
        slow.go.set()

    threading.Thread(target=go, daemon=True).start()
    told = assets(world.publish(watch))
    assert [stored_bytes(asset) for asset in told] == [MP4, MP4]
    assert {asset["key"].rpartition("/")[2] for asset in told} == {"result.mp4", "original.mp4"}
    slow.close()


def test_a_fault_of_ours_with_one_file_is_told_as_that(world: World, two: Any) -> None:
    """It is logged and told, and the result is stored."""
    bucket = world.bucket

    class Faulty:
        def __getattr__(self, name: str) -> Any:
            return getattr(bucket, name)

        def store(self, key: str, *arguments: Any, **named: Any) -> Any:
            if "original" in key:
                raise PermissionError("kms")
            return bucket.store(key, *arguments, **named)

    result, other = assets(world.but(bucket=Faulty()).publish(two(GOOD, GOOD)))
    assert stored_bytes(result) == MP4
    assert other["store_error"] == {"kind": "fault", "message": "vidhook itself could not store it: PermissionError"}


def test_what_publish_failure_does_is_told_as_a_fault(world: World) -> None:
    """The state machine gave up storing."""
    (told,) = assets(world.publish(world.completed(), store=False))
    assert told["store_error"]["kind"] == "fault"


# --- Repeats ---


class Unreadable:
    """The bucket, whose objects nobody may read back."""

    def __init__(self, world: World) -> None:
        self._bucket = world.bucket

    def __getattr__(self, name: str) -> Any:
        return getattr(self._bucket, name)

    def find(self, key: str, ends: float = 0.0) -> StoredFile | None:
        if self._bucket.holds(key):
            raise AssertionError("read back")
        return None


def test_a_repeat_reads_nothing_back_that_an_earlier_one_stored(world: World, two: Any) -> None:
    """A large file would take minutes; its hash is on the watch."""
    there = world.but(bucket=Unreadable(world))
    watch = two(Answer(503), GOOD)
    assert there.publish(watch).pause
    assert set(world.ledger.tasks.watch(watch).uploads) == {"original"}
    world.web.script("/result.mp4", GOOD)
    told = assets(there.publish(watch))
    assert [stored_bytes(asset) for asset in told] == [MP4, MP4]
    assert len(world.web.to("/original.mp4")) == 1


def test_nor_after_a_crash(world: World) -> None:
    """Between the last byte and the event."""
    there = world.but(bucket=Unreadable(world))
    watch = there.completed()
    with pytest.raises(Crash):
        there.but(ledger=Crashing(there.ledger, "put_event")).publish(watch)
    assert stored_bytes(assets(there.publish(watch, again=True))[0]) == MP4
    assert len(world.web.to("/files/v.mp4")) == 1


def test_what_had_to_be_read_back_is_read_once(world: World) -> None:
    """A crash between the last byte and the note costs one look."""
    watch = world.completed()
    with pytest.raises(Crash):
        world.but(ledger=Crashing(world.ledger, "note_uploads")).publish(watch)
    with pytest.raises(Crash):
        world.but(ledger=Crashing(world.ledger, "put_event")).publish(watch, again=True)
    (told,) = assets(world.but(bucket=Unreadable(world)).publish(watch, again=True))
    assert stored_bytes(told) == MP4
    assert len(world.web.to("/files/v.mp4")) == 1


def test_what_was_stored_and_is_gone_is_stored_again(world: World) -> None:
    """Somebody may have emptied the bucket between two tries."""
    watch = world.completed()
    with pytest.raises(Crash):
        world.but(ledger=Crashing(world.ledger, "put_event")).publish(watch)
    (key,) = (each["Key"] for each in boto3.client("s3").list_objects_v2(Bucket="videos")["Contents"])
    boto3.client("s3").delete_object(Bucket="videos", Key=key)
    assert stored_bytes(assets(world.publish(watch, again=True))[0]) == MP4


def test_a_note_that_others_always_come_before_is_left_out(world: World) -> None:
    """The file is stored all the same; a repeat would read it back."""
    other = Upload("1", "video/mp4", "", 1, 1)

    class Busy(Crashing):
        def note_uploads(self, watch: Watch, uploads: Any) -> Any:
            return {"result": other}

    there = world.but(ledger=Busy(world.ledger, "nothing"))
    assert stored_bytes(assets(there.publish(there.completed()))[0]) == MP4


# --- Files that stand in the provider's answer ---

HEAD = "data:video/mp4;base64"
INLINE = (Source("result", "video", HEAD, inline=True),)


def in_the_answer(world: World, answer: Answer) -> Watch:
    """The watch of a settled task whose provider, asked again, gives this answer."""
    watch = world.ledger.tasks.watch(world.completed())
    world.web.script("/tasks/t1", answer)
    return watch


def test_a_film_in_the_providers_answer_is_stored(world: World) -> None:
    """It has no link; the watch holds only the beginning, so the provider is asked again."""
    watch = in_the_answer(world, says("completed", url=f"{HEAD},{base64.b64encode(MP4 * 300).decode()}"[:1_000_000]))
    before = len(world.web.to("/tasks/t1"))
    stored = world.storage.store(watch, INLINE)
    file = stored.files["result"]
    body = boto3.client("s3").get_object(Bucket=file.bucket, Key=file.key)["Body"].read()
    assert body.startswith(MP4)
    assert (file.bytes, file.sha256, file.content_type) == (len(body), hashlib.sha256(body).hexdigest(), "video/mp4")
    assert len(world.web.to("/tasks/t1")) == before + 1
    assert world.storage.store(watch, INLINE, again=True).files == stored.files


def test_such_a_film_says_how_long_it_is(world: World) -> None:
    """It passes through as any other."""
    watch = in_the_answer(world, says("completed", url=f"{HEAD},{base64.b64encode(REAL_MP4).decode()}"))
    assert world.storage.store(watch, INLINE).files["result"].film == REAL_FILM


@pytest.mark.parametrize(
    ("answer", "kind"),
    [
        (says("completed", url=f"{HEAD},{base64.b64encode(PNG).decode()}"), "content"),
        (says("completed", url=f"{HEAD},{base64.b64encode(PROSE).decode()}"), "content"),
        (says("completed", url=f"{HEAD},"), "content"),
        (says("completed", url=f"{HEAD},abcde"), "broken"),
        (says("completed", url="https://cdn.example/v.mp4"), "broken"),
        (Answer(200, b"<html>"), "broken"),
        (Answer(200, b"[" + b"1," * 20_000_000 + b"1]"), "too_large"),
    ],
    ids=["placeholder", "text", "nothing", "cut", "link", "page", "too large"],
)
def test_an_answer_without_the_film_is_a_failure_that_says_so(world: World, answer: Answer, kind: str) -> None:
    """And is tried again, as any other."""
    failure = world.storage.store(in_the_answer(world, answer), INLINE).failures["result"]
    assert failure.kind == kind
    assert not failure.final


def test_a_storage_without_a_provider_to_ask_stores_no_inline_file(world: World) -> None:
    """What it is handed decides."""
    bare = store.Storage(world.ledger, world.keys, world.http, world.bucket, lambda key: key)
    watch = in_the_answer(world, says("completed"))
    assert bare.store(watch, INLINE).failures == {
        "result": NotStored("broken", "the provider's answer, asked for again, holds no such file")
    }
