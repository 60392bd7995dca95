"""Stores the video: from the provider's link into our bucket, before the link expires."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import PurePosixPath
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from vidhook.errors import BrokenDownload, RequestFailed
from vidhook.providers.file import download_headers
from vidhook.task import StoredFile

if TYPE_CHECKING:
    from vidhook.edges.bucket import Bucket
    from vidhook.edges.http import Download, Http
    from vidhook.edges.ledger import Ledger
    from vidhook.edges.secrets import Secrets
    from vidhook.task import Source, Watch

# Whole seconds to pause after each failed try to store a video, about 18 minutes in total.
STORE_PAUSES = (5, 30, 120, 300, 600)
DOWNLOAD_SECONDS = 400.0  # for each source
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
    """The stored files by role, and by role why others could not be stored."""

    files: dict[str, StoredFile]
    failures: dict[str, str]


@dataclass(frozen=True, slots=True)
class Storage:
    """Stores videos, with these edges. `link` makes our lasting link from an object's key."""

    ledger: "Ledger"
    secrets: "Secrets"
    http: "Http"
    bucket: "Bucket"
    link: Callable[[str], str]

    def store(self, watch: "Watch", sources: "tuple[Source, ...]") -> Stored:
        """Stores every source, one after the other. A file that is already in the bucket is not downloaded again.

        The provider's key is sent only for a source that needs it.
        """
        files: dict[str, StoredFile] = {}
        failures: dict[str, str] = {}
        keyed = self._key_headers(watch) if any(source.needs_key for source in sources) else {}
        for source in sources:
            key = key_of(watch, source)
            try:
                file = self.bucket.find(key) or self._download(watch, source, key, keyed if source.needs_key else {})
            except (RequestFailed, BrokenDownload) as error:
                failures[source.role] = f"{getattr(error, 'kind', 'broken')}: {error}"
                continue
            files[source.role] = replace(file, url=self.link(key))
        return Stored(files, failures)

    def _key_headers(self, watch: "Watch") -> dict[str, str]:
        name = watch.submission.provider
        return download_headers(self.ledger.provider(name), self.secrets.provider_key(name))

    def _download(self, watch: "Watch", source: "Source", key: str, headers: Mapping[str, str]) -> StoredFile:
        with self.http.download(source.url, headers=headers, deadline=DOWNLOAD_SECONDS) as download:
            if download.status != 200:
                raise BrokenDownload(f"the link answers {download.status}")
            if download.headers.get("content-encoding", "identity").lower() != "identity":
                raise BrokenDownload(f"the link answers with content-encoding {download.headers['content-encoding']}")
            body = _Peeked(download)
            content_type = media_type(body.head, download.content_type, source.type)
            metadata = {"provider": watch.submission.provider, "watch": watch.id, "role": source.role}
            return self.bucket.store(key, body, length=download.length, content_type=content_type, metadata=metadata)


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


class _Peeked:
    """A download whose first bytes are in `head`; `read` returns them too."""

    def __init__(self, download: "Download") -> None:
        self._download = download
        self.head = b""
        while len(self.head) < SNIFF_BYTES and (chunk := download.read(SNIFF_BYTES - len(self.head))):
            self.head += chunk
        self._left = self.head

    def read(self, size: int = -1) -> bytes:
        if size < 0:
            first, self._left = self._left, b""
            return first + self._download.read(size)
        first, self._left = self._left[:size], self._left[size:]
        return first or self._download.read(size)
