"""The bucket stores complete videos only, with little memory, whatever the source does."""

import hashlib
import io
import tracemalloc
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.integration.world import REAL_FILM, REAL_MP4
from vidhook import fetch, parts
from vidhook.edges import bucket as edge
from vidhook.edges.bucket import Bucket
from vidhook.errors import BrokenDownload, ProtocolBroken
from vidhook.task import Film

ABOUT: dict[str, Any] = {"content_type": "video/mp4", "metadata": {"provider": "acme", "watch": "tsk_1"}}
on_one_bucket = settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


class Line:
    """A download: a number of bytes in pieces, and then its end or an error."""

    def __init__(self, size: int, failure: Exception | None = None) -> None:
        self.left, self.failure = size, failure

    def read(self, size: int = -1) -> bytes:
        if not self.left and self.failure:
            raise self.failure
        taken = self.left if size < 0 else min(size, self.left)
        self.left -= taken
        return b"v" * taken


Wire = tuple[Bucket, list[tuple[str, dict[str, str], bytes]]]


@pytest.fixture
def bucket(bucket_name: str) -> Bucket:
    return Bucket(bucket_name)


@pytest.fixture
def uploads(bucket_name: str) -> Callable[[], int]:
    """Counts the open multipart uploads, which cost money until they are aborted."""
    return lambda: len(boto3.client("s3").list_multipart_uploads(Bucket=bucket_name).get("Uploads", []))


class TestStore:
    @on_one_bucket
    @given(body=st.binary(min_size=1, max_size=100_000) | st.just(REAL_MP4), announced=st.booleans())
    def test_what_is_stored_is_what_was_downloaded(self, bucket: Bucket, body: bytes, announced: bool) -> None:
        """With or without a length, the bytes, the hash and the film are the same, and both ways to ask agree."""
        length = len(body) if announced else None
        key = f"acme/{hashlib.sha256(body).hexdigest()}"
        stored = bucket.store(key, io.BytesIO(body), length=length, **ABOUT)
        lies = boto3.client("s3").get_object(Bucket=bucket.name, Key=key)
        assert lies["Body"].read() == body
        assert (lies["ContentType"], lies["Metadata"]) == ("video/mp4", ABOUT["metadata"])
        assert (stored.bytes, stored.sha256) == (len(body), hashlib.sha256(body).hexdigest())
        assert stored.film == (REAL_FILM if body == REAL_MP4 else Film())
        assert bucket.find(key) == stored

    @pytest.mark.parametrize("length", [5, None], ids=["known", "unknown"])
    @pytest.mark.parametrize("size", [5, 6_000_000])
    def test_what_another_invocation_stored_stays(
        self, bucket: Bucket, length: int | None, size: int, uploads: Callable[[], int]
    ) -> None:
        """Two invocations may store a task's video at once, and an event must name the hash of what is there."""
        first = bucket.store("acme/v.mp4", Line(7), length=7, **ABOUT)
        assert bucket.store("acme/v.mp4", Line(size), length=length and size, **ABOUT) == first
        assert (bucket.find("acme/v.mp4"), uploads()) == (first, 0)

    def test_a_body_of_unknown_length_is_uploaded_in_parts(self, bucket: Bucket) -> None:
        """Chunked answers have no length, and the parts together are the same bytes."""
        body = bytes(range(256)) * 4 * 1024 * 11
        stored = bucket.store("acme/v.mp4", io.BytesIO(body), length=None, **ABOUT)
        lies = boto3.client("s3").get_object(Bucket=bucket.name, Key="acme/v.mp4")
        assert lies["ETag"].strip('"').endswith("-3")
        assert lies["Body"].read() == body
        assert stored.sha256 == hashlib.sha256(body).hexdigest()

    def test_a_body_above_the_limit_of_one_put_is_uploaded_in_parts(
        self, bucket: Bucket, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """S3 takes at most 5 GiB in one PutObject."""
        monkeypatch.setattr(edge, "SINGLE_PUT_LIMIT", 2 * 1024**2)
        for size, tag in ((2 * 1024**2, False), (2 * 1024**2 + 1, True)):
            bucket.store(f"acme/{size}", Line(size), length=size, **ABOUT)
            etag = boto3.client("s3").head_object(Bucket=bucket.name, Key=f"acme/{size}")["ETag"]
            assert ("-1" in etag) is tag

    @pytest.mark.parametrize("part_bytes", [edge.PART_BYTES, parts.PART_BYTES])
    def test_the_largest_file_is_below_the_limit_of_parts(self, part_bytes: int) -> None:
        """S3 takes 10,000 parts, each of 5 MiB at least, which is more than 50 GB and far larger than any video."""
        assert part_bytes >= 5 * 1024**2
        assert part_bytes * edge.MOST_PARTS > fetch.LARGEST > edge.SINGLE_PUT_LIMIT

    @pytest.mark.parametrize("length", [None, 0])
    def test_an_empty_body_is_no_video(
        self, bucket: Bucket, length: int | None, objects: Callable[[str], list[str]], uploads: Callable[[], int]
    ) -> None:
        """It would otherwise be stored and published as a video."""
        with pytest.raises(BrokenDownload, match="empty"):
            bucket.store("acme/v.mp4", Line(0), length=length, **ABOUT)
        assert (objects(bucket.name), uploads()) == ([], 0)

    def test_a_body_that_breaks_in_parts_leaves_nothing(
        self, bucket: Bucket, objects: Callable[[str], list[str]], uploads: Callable[[], int]
    ) -> None:
        """Neither half a video nor an open upload, which would cost money, may be left."""
        with pytest.raises(ProtocolBroken, match="gone"):
            bucket.store("acme/v.mp4", Line(50_000_000, ProtocolBroken("gone")), length=None, **ABOUT)
        assert (objects(bucket.name), uploads()) == ([], 0)

    @pytest.mark.parametrize("limit", [5 * 1024**3, 10], ids=["one put", "parts"])
    @pytest.mark.parametrize("came", [999, 1_001])
    def test_a_body_of_another_length_than_announced_is_not_stored(
        self,
        bucket: Bucket,
        came: int,
        limit: int,
        monkeypatch: pytest.MonkeyPatch,
        objects: Callable[[str], list[str]],
    ) -> None:
        """A body that is shorter or longer is not the file that was announced."""
        monkeypatch.setattr(edge, "SINGLE_PUT_LIMIT", limit)
        with pytest.raises(BrokenDownload, match="of 1000 announced"):
            bucket.store("acme/v.mp4", Line(came), length=1_000, **ABOUT)
        if limit == 10:  # S3 itself refuses one put that is too short or too long: see TestOnTheWire
            assert objects(bucket.name) == []

    def test_memory_is_bounded_whatever_the_size(self, bucket_name: str) -> None:
        """A function with 1 GB of memory can store a video of any size, because it holds only a few parts."""
        client = Discarding()
        tracemalloc.start()
        Bucket(bucket_name, client=client).store(  # type: ignore[arg-type]  # it has only what an upload calls
            "acme/v.mp4", Line(300 * 1024**2), length=None, **ABOUT
        )
        _, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        assert client.received == 300 * 1024**2
        assert peak < (edge.UPLOADS + 3) * edge.PART_BYTES


class Discarding:
    """S3 that counts the bytes and stores none; moto would hold them all in memory."""

    received = 0

    def create_multipart_upload(self, **_: Any) -> dict[str, str]:
        return {"UploadId": "1"}

    def upload_part(self, *, Body: bytes, **_: Any) -> dict[str, str]:  # noqa: N803 - boto3's name
        self.received += len(Body)
        return {"ETag": "1"}

    def complete_multipart_upload(self, **_: Any) -> None:
        """Nothing to join."""


class TestFind:
    def test_what_is_not_there_is_not_found(self, bucket: Bucket) -> None:
        """Storing a video begins with this question."""
        assert bucket.find("acme/none.mp4") is None

    def test_a_bucket_without_permission_is_an_error(self, aws: None) -> None:
        """If this looked like "not found", nobody would see that the policy is wrong."""
        with pytest.raises(ClientError):
            Bucket("another-ones").store("acme/v.mp4", Line(5), length=5, **ABOUT)

    def test_a_presigned_link_names_the_object_and_its_end(self, bucket: Bucket) -> None:
        """Anybody who has the link can use it, so it is valid for a short time and for one method."""
        link = bucket.presigned("acme/v.mp4", seconds=900)
        assert "/acme/v.mp4?" in link
        assert "X-Amz-Expires=900" in link
        assert (
            link.partition("Signature=")[2]
            != bucket.presigned("acme/v.mp4", seconds=900, method="HEAD").partition("Signature=")[2]
        )


class TestOnTheWire:
    """What moto cannot show: the request on a real connection, and what happens when a body breaks."""

    @pytest.fixture
    def wire(self, monkeypatch: pytest.MonkeyPatch) -> Iterator[Wire]:
        received: list[tuple[str, dict[str, str], bytes]] = []

        class S3(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_PUT(self) -> None:
                body = self.rfile.read(int(self.headers["content-length"]))
                received.append((self.path, {name.lower(): value for name, value in self.headers.items()}, body))
                self.send_response(200)
                self.send_header("content-length", "0")
                self.end_headers()

            def log_message(self, *_: object) -> None:
                """A test's output is for its failure."""

        server = ThreadingHTTPServer(("127.0.0.1", 0), S3)
        Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
        monkeypatch.setenv("AWS_ENDPOINT_URL_S3", f"http://127.0.0.1:{server.server_port}")
        monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
        monkeypatch.setenv("AWS_ACCESS_KEY_ID", "testing")
        monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "testing")
        yield Bucket("videos"), received
        server.shutdown()
        server.server_close()

    def test_a_body_of_known_length_is_one_request(self, wire: Wire) -> None:
        """For speed, the body is not buffered, not hashed beforehand and not wrapped in chunks."""
        bucket, received = wire
        bucket.store("acme/v.mp4", Line(3_000_000), length=3_000_000, **ABOUT)
        ((path, headers, body),) = received
        assert (path, len(body)) == ("/videos/acme/v.mp4", 3_000_000)
        assert headers["content-length"] == "3000000"
        assert headers["x-amz-content-sha256"] == "UNSIGNED-PAYLOAD"
        assert "aws-chunked" not in headers.get("content-encoding", "")

    @pytest.mark.parametrize("failure", [ProtocolBroken("the line broke"), BrokenDownload("not a video")])
    def test_what_broke_the_body_is_the_error_that_is_raised(self, wire: Wire, failure: Exception) -> None:
        """The retry depends on what broke, the source or S3; no complete object reached the bucket."""
        bucket, received = wire
        with pytest.raises(type(failure), match=str(failure)):
            bucket.store("acme/v.mp4", Line(1_000_000, failure), length=3_000_000, **ABOUT)
        assert all(len(body) < 3_000_000 for _, _, body in received)

    def test_a_body_that_ends_too_soon_never_ends_the_request(self, wire: Wire) -> None:
        """S3 stores an object only when its announced length has arrived."""
        bucket, received = wire
        with pytest.raises(BrokenDownload, match="999999 bytes came of 1000000 announced"):
            bucket.store("acme/v.mp4", Line(999_999), length=1_000_000, **ABOUT)
        assert all(len(body) < 1_000_000 for _, _, body in received)
