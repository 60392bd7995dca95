"""The S3 bucket that stores the videos."""

import hashlib
import io
import os
from collections.abc import Mapping
from contextlib import suppress
from typing import IO, TYPE_CHECKING, Any, Protocol, cast

from botocore.exceptions import ClientError, HTTPClientError

from vidhook.edges import aws
from vidhook.errors import BrokenDownload
from vidhook.task import StoredFile

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

# Amazon S3 quotas: one PutObject takes at most 5 GiB, a multipart upload at most 10,000 parts.
SINGLE_PUT_LIMIT = 5 * 1024**3
PART_BYTES = 32 * 1024**2
READ_BYTES = 1024**2


class Readable(Protocol):
    """Bytes that can be read once, in order."""

    def read(self, size: int = -1, /) -> bytes: ...


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
            # In the oldest regions botocore signs links with version 2, and S3 refuses those for objects that KMS
            # encrypts.
            signature_version="s3v4",
            # Links need the host of the region: the global host redirects for a new bucket's first day, and the
            # signature is not valid for the other host. A local cloud has no host names for buckets.
            s3={
                "payload_signing_enabled": False,
                "addressing_style": "path" if os.environ.get("AWS_ENDPOINT_URL") else "virtual",
            },
        )

    def find(self, key: str) -> StoredFile | None:
        """Returns the file under this key, or None. Costs a HEAD, and a read of the whole object if it exists."""
        if not self.holds(key):
            return None
        answer = self._client.get_object(Bucket=self.name, Key=key)
        body = _Hashing(answer["Body"])
        while body.read(READ_BYTES):
            pass
        return StoredFile(self.name, key, answer["ContentType"], body.count, body.hexdigest())

    def store(
        self, key: str, source: Readable, *, length: int | None, content_type: str, metadata: Mapping[str, str]
    ) -> StoredFile:
        """Streams a body into one object; there is no object under the key unless all of the body arrived.

        `length` is the bytes that the source announced: with it the body goes into one PutObject as it comes. Without
        it, or above 5 GiB, the body goes up in parts of 32 MiB. Raises BrokenDownload when the body has another length
        or is empty, and whatever the source raises.
        """
        body = _Hashing(source, length)
        about: dict[str, Any] = {
            "Bucket": self.name,
            "Key": key,
            "ContentType": content_type,
            "Metadata": dict(metadata),
        }
        if length is not None and length <= SINGLE_PUT_LIMIT:
            if length == 0:
                raise BrokenDownload("the source is empty")
            try:
                self._client.put_object(**about, Body=cast("IO[bytes]", body), ContentLength=length)
            except HTTPClientError:
                # botocore wraps what the body raises in an error of the connection to S3.
                if body.failure is not None:
                    raise body.failure from None
                raise
            body.check_end()
        else:
            self._store_parts(about, body)
        return StoredFile(self.name, key, content_type, body.count, body.hexdigest())

    def _store_parts(self, about: dict[str, Any], body: "_Hashing") -> None:
        place = {"Bucket": about["Bucket"], "Key": about["Key"]}
        upload = self._client.create_multipart_upload(**about)["UploadId"]
        try:
            parts: list[Any] = []
            while chunk := _read_full(body, PART_BYTES):
                number = len(parts) + 1
                answer = self._client.upload_part(**place, UploadId=upload, PartNumber=number, Body=chunk)
                parts.append({"ETag": answer["ETag"], "PartNumber": number})
            if not parts:
                raise BrokenDownload("the source is empty")
            self._client.complete_multipart_upload(**place, UploadId=upload, MultipartUpload={"Parts": parts})
        except BaseException:
            with suppress(ClientError):  # else the bucket's lifecycle rule aborts it
                self._client.abort_multipart_upload(**place, UploadId=upload)
            raise

    def holds(self, key: str) -> bool:
        """Returns whether there is an object under this key."""
        try:
            self._client.head_object(Bucket=self.name, Key=key)
        except ClientError as error:
            if error.response.get("Error", {}).get("Code") in ("404", "NoSuchKey", "NotFound"):
                return False
            raise
        return True

    def presigned(self, key: str, *, seconds: int, method: str = "GET") -> str:
        """Returns a presigned URL that works without credentials for `seconds`, or until our own credentials expire.

        It works for this `method` only, GET or HEAD.
        """
        operation = "head_object" if method == "HEAD" else "get_object"
        return self._client.generate_presigned_url(
            operation, Params={"Bucket": self.name, "Key": key}, ExpiresIn=seconds
        )


class _Hashing:
    """A stream that counts and hashes what is read from it, and raises unless `length` bytes come, if given."""

    def __init__(self, source: Readable, length: int | None = None) -> None:
        self._source = source
        self._length = length
        self._sha256 = hashlib.sha256()
        self.count = 0
        self.failure: Exception | None = None

    def read(self, size: int = -1) -> bytes:
        try:
            chunk = self._source.read(size)
            self.count += len(chunk)
            if not chunk or (self._length is not None and self.count > self._length):
                self.check_end()
        except Exception as failure:
            self.failure = failure
            raise
        self._sha256.update(chunk)
        return chunk

    def check_end(self) -> None:
        """Raises BrokenDownload unless the whole length has come."""
        if self._length is not None and self.count != self._length:
            raise BrokenDownload(f"{self.count} bytes came of {self._length} announced")

    def seek(self, offset: int, whence: int = 0) -> int:
        """Always raises. It exists because botocore's signer needs a stream with `seek` where awscrt is installed."""
        raise io.UnsupportedOperation("a download cannot be rewound")

    def hexdigest(self) -> str:
        return self._sha256.hexdigest()


def _read_full(body: _Hashing, size: int) -> bytes:
    buffer = bytearray()
    while len(buffer) < size and (chunk := body.read(min(READ_BYTES, size - len(buffer)))):
        buffer += chunk
    return bytes(buffer)
