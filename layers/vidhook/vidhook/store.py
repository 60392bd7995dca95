"""Stores the video: from the provider's link into our bucket, before the link expires."""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import PurePosixPath
from time import monotonic
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from vidhook.errors import BrokenDownload, OutOfTime, RequestFailed, SourceChanged
from vidhook.fetch import Ahead, Origin, Reader
from vidhook.parts import PART_BYTES, Parts
from vidhook.providers.file import download_headers
from vidhook.task import StoredFile, Upload

if TYPE_CHECKING:
    from vidhook.edges.bucket import Bucket
    from vidhook.edges.http import Http
    from vidhook.edges.ledger import Ledger
    from vidhook.edges.secrets import Secrets
    from vidhook.task import Source, Watch

# Whole seconds to pause after each failed try to store a video, about 18 minutes in total.
STORE_PAUSES = (5, 30, 120, 300, 600)
# A source without ranges that is too slow for a whole invocation will be so again: it is tried once more only.
SLOW_TRIES = 1
STORE_SECONDS = 800.0  # of an invocation's 900
LARGEST = 50 * 10**9  # bytes; an invocation reads so much back from S3 at 63 MB/s
# Parts and several connections cost some round trips, which is worth it for a file that is large and not there at once.
SEVERAL_FROM = 64 * 10**6
SEVERAL_SECONDS = 8.0
GAUGE_BYTES, GAUGE_SECONDS = 4 * 1024**2, 0.25
EXTENSIONS = {
    "video": (".mp4", ".webm", ".mov", ".mkv", ".avi"),
    "image": (".png", ".jpg", ".jpeg", ".webp", ".gif", ".avif"),
}
SNIFF_BYTES = 512
# https://mimesniff.spec.whatwg.org/: (offset, bytes at this offset, media type)
SIGNATURES = (
    (0, b"\x89PNG\r\n\x1a\n", "image/png"),
    (0, b"\xff\xd8\xff", "image/jpeg"),
    (0, b"GIF8", "image/gif"),
    (8, b"WEBP", "image/webp"),
    (8, b"AVI ", "video/x-msvideo"),
    (0, b"\x1aE\xdf\xa3", "video/webm"),
    (4, b"ftypqt", "video/quicktime"),
    (4, b"ftypavif", "image/avif"),
    (4, b"ftyp", "video/mp4"),
    (4, b"moov", "video/quicktime"),
)


@dataclass(frozen=True, slots=True)
class Stored:
    """The stored files by role, and by role why others could not be stored.

    `unfinished` says by role how far a file is for which the time was not enough; the next invocation goes on there.
    `late`: the time was not enough for a file that nobody can go on with.
    """

    files: dict[str, StoredFile] = field(default_factory=dict)
    failures: dict[str, str] = field(default_factory=dict)
    unfinished: dict[str, str] = field(default_factory=dict)
    late: bool = False


@dataclass(frozen=True, slots=True)
class Storage:
    """Stores videos, with these edges. `link` makes our lasting link from an object's key."""

    ledger: "Ledger"
    secrets: "Secrets"
    http: "Http"
    bucket: "Bucket"
    link: Callable[[str], str]

    def store(
        self, watch: "Watch", sources: "tuple[Source, ...]", *, seconds: float = STORE_SECONDS, again: bool = False
    ) -> Stored:
        """Stores every source, one after the other, within `seconds` in all.

        A file that is already in the bucket is not downloaded again, if it may be there: `again` says that an earlier
        invocation may have stored it and crashed. The provider's key is sent only for a source that needs it.
        """
        ends = monotonic() + seconds
        again = again or watch.store_failures > 0 or bool(watch.uploads)
        files: dict[str, StoredFile] = {}
        failures: dict[str, str] = {}
        unfinished: dict[str, str] = {}
        keyed = self._key_headers(watch) if any(source.needs_key for source in sources) else {}
        for source in sources:
            origin = Origin(self.http, source.url, keyed if source.needs_key else {}, ends)
            key = key_of(watch, source)
            try:
                if files and not origin.left():
                    raise OutOfTime("not begun")
                found = self.bucket.find(key, ends) if again else None
                file = found or self._store(watch, source, key, origin)
            except OutOfTime as spent:
                unfinished[source.role] = str(spent)
            except (RequestFailed, BrokenDownload) as error:
                failures[source.role] = f"{getattr(error, 'kind', 'broken')}: {error}"
            else:
                files[source.role] = replace(file, url=self.link(key))
        return Stored(files, failures, unfinished, late=bool(failures) and monotonic() >= ends)

    def _key_headers(self, watch: "Watch") -> dict[str, str]:
        name = watch.submission.provider
        return download_headers(self.ledger.provider(name), self.secrets.provider_key(name))

    def _store(self, watch: "Watch", source: "Source", key: str, origin: Origin) -> StoredFile:
        upload = watch.uploads.get(source.role)
        parts = self.bucket.parts(key, upload.id) if upload else None
        if upload and parts is not None:
            return self._store_parts(watch, source.role, Parts(self.bucket, key, upload, parts, origin))
        with Reader(origin) as reader:
            content_type = media_type(reader.peek(SNIFF_BYTES), reader.answer.content_type, source.type)
            length, identity = reader.answer.length, reader.identity
            if (length or 0) > LARGEST:
                raise BrokenDownload(f"the file has {length} bytes, more than {LARGEST}")
            metadata = {"provider": watch.submission.provider, "watch": watch.id, "role": source.role}
            with Ahead(reader) as body:
                if identity is None or not _by_parts(watch, identity.length, body):
                    return self.bucket.store(key, body, length=length, content_type=content_type, metadata=metadata)
                reader.stop_at(PART_BYTES)
                begun = self.bucket.begin(key, content_type=content_type, metadata=metadata)
                upload = Upload(begun, content_type, identity.validator, identity.length, PART_BYTES)
                watch = replace(watch, uploads=self.ledger.note_uploads(watch, {**watch.uploads, source.role: upload}))
                if watch.uploads.get(source.role) == upload:
                    return self._store_parts(watch, source.role, Parts(self.bucket, key, upload, {}, origin), body)
        self.bucket.abort(key, begun)
        return self._store(watch, source, key, origin)  # with what another execution has noted meanwhile

    def _store_parts(self, watch: "Watch", role: str, parts: Parts, begun: Ahead | None = None) -> StoredFile:
        """Stores what is missing of a file, and makes the object of its parts; `begun` brings the first of them."""
        key, upload = parts.key, watch.uploads[role]
        try:
            sha256 = parts.store(begun)
        except SourceChanged:
            self.bucket.abort(key, upload.id)
            self.ledger.note_uploads(watch, {other: each for other, each in watch.uploads.items() if other != role})
            raise
        if self.bucket.finish(key, upload.id, parts.stored) and sha256 is not None:
            return StoredFile(self.bucket.name, key, upload.content_type, upload.length, sha256)
        # Some bytes passed through an earlier invocation, or another one has made the object.
        stored = self.bucket.find(key, parts.ends)
        if stored is None:
            raise BrokenDownload("the object was gone as soon as it was stored")
        return stored


def _by_parts(watch: "Watch", length: int, body: Ahead) -> bool:
    """Whether a file goes by parts: it is large and takes seconds, or storing it as a whole has failed."""
    if watch.store_failures:
        return length > PART_BYTES
    return length > SEVERAL_FROM and length > SEVERAL_SECONDS * body.gauge(GAUGE_BYTES, GAUGE_SECONDS)


def key_of(watch: "Watch", source: "Source") -> str:
    """Returns `<provider>/<tsk>/<role>.<extension>`: it follows from the task only, so storing is idempotent."""
    known = EXTENSIONS[source.type]
    suffix = PurePosixPath(urlsplit(source.url).path).suffix.lower()
    return f"{watch.submission.provider}/{watch.id}/{source.role}{suffix if suffix in known else known[0]}"


def media_type(head: bytes, declared: str | None, expected: str) -> str:
    """Returns the content type of a file that begins with `head`; its bytes count more than the `declared` type.

    `expected` (`video` or `image`) is for the error's text. Raises BrokenDownload for a file that is neither, such as
    an error page with status 200.
    """
    for offset, magic, kind in SIGNATURES:
        if head[offset : offset + len(magic)] == magic:
            return kind
    name = (declared or "").partition(";")[0].strip().lower()
    text = head.lstrip()[:1] in (b"", b"<", b"{", b"[")
    if not text and name.startswith(("video/", "image/")):
        return name
    if not text and name in ("", "application/octet-stream", "binary/octet-stream"):
        return "application/octet-stream"
    raise BrokenDownload(f"the link gives {'text' if text else name}, not the {expected}")
