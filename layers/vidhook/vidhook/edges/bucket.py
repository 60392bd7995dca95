"""The S3 bucket that stores the videos."""

import hashlib
import io
import math
import os
from collections import deque
from collections.abc import Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor, wait
from contextlib import contextmanager, suppress
from time import monotonic
from typing import IO, TYPE_CHECKING, Any, Protocol, cast

from botocore.exceptions import ClientError, HTTPClientError

from vidhook.edges import aws
from vidhook.errors import BrokenDownload, OutOfTime
from vidhook.film import FilmReader
from vidhook.task import StoredFile

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

# Amazon S3 quotas: one PutObject takes at most 5 GiB, a multipart upload at most 10,000 parts of 5 MiB or more.
SINGLE_PUT_LIMIT = 5 * 1024**3
MOST_PARTS = 10_000
PART_BYTES = 5 * 1024**2  # what a body without a length is cut into: the last part is on its way when all has come
UPLOADS = 3  # parts of such a body that go up at once, while the next one comes
READ_BYTES = 1024**2


class Readable(Protocol):
    """Bytes that can be read once, in order: some at a time, and none only at the end."""

    def read(self, size: int, /) -> bytes: ...


def of_links() -> dict[str, Any]:
    """Returns the fields of botocore's Config with which the presigned links to our videos are good."""
    return {
        # In the oldest regions botocore signs links with version 2, and S3 refuses those for objects that KMS encrypts.
        "signature_version": "s3v4",
        # Links need the host of the region: the global host redirects for a new bucket's first day, and the signature
        # is not valid for the other host. A local cloud has no host names for buckets.
        "s3": {
            "payload_signing_enabled": False,
            "addressing_style": "path" if os.environ.get("AWS_ENDPOINT_URL") else "virtual",
        },
    }


class Bucket:
    """Stores streams under keys that the caller chooses."""

    def __init__(self, name: str, *, client: "S3Client | None" = None) -> None:
        self.name = name
        # The body is a stream that can be read only once, so botocore must not hash it first and must not send it
        # again. TLS protects it on the way, and our own SHA-256 after that. The caller retries, with a new download.
        self._client: S3Client = client or aws.client(
            "s3",
            request_checksum_calculation="when_required",
            retries={"total_max_attempts": 1},
            **of_links(),
        )

    def find(self, key: str, ends: float = math.inf) -> StoredFile | None:
        """Returns the file under this key, or None. Costs a HEAD, and a read of the whole object if it exists.

        Raises OutOfTime when the read is not done at `ends`, an instant of `monotonic`.
        """
        if not self.holds(key):
            return None
        answer = self._client.get_object(Bucket=self.name, Key=key)
        body = _Body(answer["Body"])
        while body.read(READ_BYTES):
            if monotonic() > ends:
                raise OutOfTime(f"{body.count} of {answer['ContentLength']} stored bytes are read back")
        return body.stored(self.name, key, answer["ContentType"])

    def store(
        self,
        key: str,
        source: Readable,
        *,
        length: int | None,
        content_type: str,
        metadata: Mapping[str, str],
        ends: float = math.inf,
    ) -> StoredFile:
        """Streams a body into one object; there is no object under the key unless all of the body arrived.

        `length` is the bytes that the source announced: with it the body goes into one PutObject as it comes. Without
        it, or above 5 GiB, the body goes up in parts of 5 MiB while it comes. An object that another invocation stored
        meanwhile stays, and is what is returned. Raises BrokenDownload when the body has another length or is empty,
        OutOfTime as `find` does, and whatever the source raises.
        """
        body = _Body(source, length)
        about = self._about(key, content_type, metadata)
        if length is not None and length <= SINGLE_PUT_LIMIT:
            ours = self._put(about, body, length)
        else:
            ours = self._put_unknown(about, body)
        stored = body.stored(self.name, key, content_type)
        return stored if ours else self.find(key, ends) or stored

    def _about(self, key: str, content_type: str, metadata: Mapping[str, str]) -> dict[str, Any]:
        return {"Bucket": self.name, "Key": key, "ContentType": content_type, "Metadata": dict(metadata)}

    def _put(self, about: dict[str, Any], body: "_Body", length: int) -> bool:
        """Returns False if there is an object already, which stays."""
        if length == 0:
            raise BrokenDownload("the source is empty")
        with body.raising_its_own():
            ours = self._put_object(about, Body=cast("IO[bytes]", body), ContentLength=length)
        if ours:
            body.check_end()
        return ours

    def _put_object(self, about: dict[str, Any], **body: Any) -> bool:
        try:
            self._client.put_object(**about, **body, IfNoneMatch="*")
        except ClientError as error:
            if _code(error) == "PreconditionFailed":
                return False
            raise
        return True

    def _put_unknown(self, about: dict[str, Any], body: "_Body") -> bool:
        """As `_put`, but for a body that ends where it ends."""
        first = _read_full(body, READ_BYTES)
        if not first:
            raise BrokenDownload("the source is empty")
        if len(first) < READ_BYTES:
            body.check_end()
            return self._put_object(about, Body=first)
        key = about["Key"]
        with ThreadPoolExecutor(UPLOADS) as pool:
            begun = pool.submit(lambda: self._client.create_multipart_upload(**about)["UploadId"])
            going: deque[Future[str]] = deque()  # the parts of which S3 has not said that it has them
            etags: dict[int, str] = {}
            try:
                chunk = first + _read_full(body, PART_BYTES - READ_BYTES)
                while chunk:
                    if len(etags) + len(going) == MOST_PARTS:
                        raise BrokenDownload(f"the source has more than {MOST_PARTS * PART_BYTES} bytes")
                    going.append(pool.submit(self._put_bytes, key, begun, len(etags) + len(going) + 1, chunk))
                    chunk = _read_full(body, PART_BYTES)
                    while len(going) == UPLOADS or (going and not chunk):
                        etags[len(etags) + 1] = going.popleft().result()
                return self.finish(key, begun.result(), etags)
            except BaseException:
                wait(going)
                if begun.exception() is None:
                    self.abort(key, begun.result())
                raise

    def _put_bytes(self, key: str, upload: "Future[str]", number: int, chunk: bytes) -> str:
        place: Any = {"Bucket": self.name, "Key": key, "UploadId": upload.result(), "PartNumber": number}
        return self._client.upload_part(**place, Body=chunk)["ETag"]

    # A file in parts that outlive the invocation

    def begin(self, key: str, *, content_type: str, metadata: Mapping[str, str]) -> str:
        """Begins an object whose parts are stored one by one, in any order. Returns the id of its upload."""
        return self._client.create_multipart_upload(**self._about(key, content_type, metadata))["UploadId"]

    def parts(self, key: str, upload: str) -> dict[int, tuple[str, int]] | None:
        """Returns the ETag and the bytes of each stored part by its number; None if S3 has no such upload any more."""
        pages = self._client.get_paginator("list_parts").paginate(Bucket=self.name, Key=key, UploadId=upload)
        try:
            return {
                part["PartNumber"]: (part["ETag"], part["Size"]) for page in pages for part in page.get("Parts", [])
            }
        except ClientError as error:
            if _code(error) == "NoSuchUpload":
                return None
            raise

    def put_part(self, key: str, upload: str, number: int, source: Readable, length: int) -> str:
        """Streams `length` bytes into a part. Returns its ETag. Raises BrokenDownload if fewer come."""
        body = _Body(source, length, reads=False)
        with body.raising_its_own():
            answer = self._client.upload_part(
                Bucket=self.name,
                Key=key,
                UploadId=upload,
                PartNumber=number,
                Body=cast("IO[bytes]", body),
                ContentLength=length,
            )
        body.check_end()
        return answer["ETag"]

    def finish(self, key: str, upload: str, etags: Mapping[int, str]) -> bool:
        """Makes the object of its parts. Returns False if there is an object already, which stays."""
        parts: Any = [{"ETag": etags[number], "PartNumber": number} for number in sorted(etags)]
        try:
            self._client.complete_multipart_upload(
                Bucket=self.name, Key=key, UploadId=upload, MultipartUpload={"Parts": parts}, IfNoneMatch="*"
            )
        except ClientError as error:
            if _code(error) == "PreconditionFailed":
                self.abort(key, upload)
                return False
            if _code(error) == "NoSuchUpload" and self.holds(key):  # another invocation has made it
                return False
            raise
        return True

    def abort(self, key: str, upload: str) -> None:
        """Throws the parts of an upload away. What cannot be aborted now is by the bucket's lifecycle rule."""
        with suppress(ClientError):
            self._client.abort_multipart_upload(Bucket=self.name, Key=key, UploadId=upload)

    def holds(self, key: str) -> bool:
        """Returns whether there is an object under this key."""
        try:
            self._client.head_object(Bucket=self.name, Key=key)
        except ClientError as error:
            if _code(error) in ("404", "NoSuchKey", "NotFound"):
                return False
            raise
        return True

    def remove_all(self, prefix: str) -> None:
        """Removes every version of every object under this prefix, and the uploads that are not finished."""
        pages = self._client.get_paginator("list_multipart_uploads").paginate(Bucket=self.name, Prefix=prefix)
        for upload in (each for page in pages for each in page.get("Uploads", [])):
            with suppress(self._client.exceptions.NoSuchUpload):  # it was finished or aborted since
                self._client.abort_multipart_upload(Bucket=self.name, Key=upload["Key"], UploadId=upload["UploadId"])
        for page in self._client.get_paginator("list_object_versions").paginate(Bucket=self.name, Prefix=prefix):
            for each in (*page.get("Versions", []), *page.get("DeleteMarkers", [])):
                self._client.delete_object(Bucket=self.name, Key=each["Key"], VersionId=each["VersionId"])

    def presigned(self, key: str, *, seconds: int, method: str = "GET") -> str:
        """Returns a presigned URL that works without credentials for `seconds`, or until our own credentials expire.

        It works for this `method` only, GET or HEAD.
        """
        operation = "head_object" if method == "HEAD" else "get_object"
        return self._client.generate_presigned_url(
            operation, Params={"Bucket": self.name, "Key": key}, ExpiresIn=seconds
        )


class _Body:
    """A stream that counts and reads what passes through it, and raises unless `length` bytes come, if given.

    With `reads` it makes the SHA-256, and looks for what the bytes say of the film.
    """

    def __init__(self, source: Readable, length: int | None = None, *, reads: bool = True) -> None:
        self._source = source
        self._length = length
        self._reads = reads
        self._sha256, self._film = hashlib.sha256(), FilmReader()
        self.count = 0
        self._failure: Exception | None = None

    def read(self, size: int = -1) -> bytes:
        if size < 0:
            return b"".join(iter(lambda: self.read(READ_BYTES), b""))
        try:
            chunk = self._source.read(size)
            self.count += len(chunk)
            if chunk and self.count == self._length:
                # S3 makes the object of these last bytes, so they wait until the source has ended.
                self.count += len(self._source.read(1))
            if not chunk or (self._length is not None and self.count > self._length):
                self.check_end()
        except Exception as failure:
            self._failure = failure
            raise
        if self._reads:
            self._sha256.update(chunk)
            self._film.feed(chunk)
        return chunk

    def check_end(self) -> None:
        """Raises BrokenDownload unless the whole length has come."""
        if self._length is not None and self.count != self._length:
            raise BrokenDownload(f"{self.count} bytes came of {self._length} announced")

    @contextmanager
    def raising_its_own(self) -> Iterator[None]:
        """Raises what the source raised, which botocore wraps in an error of the connection to S3."""
        try:
            yield
        except HTTPClientError:
            if self._failure is not None:
                raise self._failure from None
            raise

    def seek(self, offset: int, whence: int = 0) -> int:
        """Always raises. It exists because botocore's signer needs a stream with `seek` where awscrt is installed."""
        raise io.UnsupportedOperation("a download cannot be rewound")

    def stored(self, bucket: str, key: str, content_type: str) -> StoredFile:
        """Returns the file that has passed, as it is stored."""
        return StoredFile(bucket, key, content_type, self.count, self._sha256.hexdigest(), film=self._film.film)


def _read_full(body: _Body, size: int) -> bytes:
    buffer = bytearray()
    while len(buffer) < size and (chunk := body.read(min(READ_BYTES, size - len(buffer)))):
        buffer += chunk
    return bytes(buffer)


def _code(error: ClientError) -> str:
    return error.response.get("Error", {}).get("Code", "")
