"""Keeping the video: from the provider's link into our bucket, before the link dies."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from vidhook.errors import BrokenCopy, RequestFailed
from vidhook.event import Kept

if TYPE_CHECKING:
    from vidhook.edges.bucket import Bucket, Stored
    from vidhook.edges.http import Download, Http
    from vidhook.task import Source, Watch

# After a copy that did not work: whole seconds until the next try, about 18 minutes in all.
COPY_PAUSES = (5, 30, 120, 300, 600)
EXTENSIONS = {
    "video": (".mp4", ".webm", ".mov", ".mkv", ".avi"),
    "image": (".png", ".jpg", ".jpeg", ".webp", ".gif", ".avif"),
}
SNIFF_BYTES = 512
# https://mimesniff.spec.whatwg.org/: (offset, bytes that stand there, what it is)
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
class Copies:
    """What could be kept, by role, and what went wrong with the rest."""

    kept: dict[str, Kept]
    failures: dict[str, str]


def keep(
    watch: "Watch",
    sources: "tuple[Source, ...]",
    *,
    bucket: "Bucket",
    http: "Http",
    headers: Mapping[str, str],
    link: Callable[[str], str],
    deadline: float,
) -> Copies:
    """Copies every source into the bucket, one after the other, within `deadline` seconds each.

    `headers` carry the provider's key and go out only with a source that needs it; `link` makes our lasting link from
    a key. What is in the bucket already is not copied again.
    """
    kept: dict[str, Kept] = {}
    failures: dict[str, str] = {}
    for source in sources:
        key = key_of(watch, source)
        try:
            stored = bucket.find(key) or _copy(
                watch, source, key, bucket, http, headers if source.needs_key else {}, deadline
            )
        except (RequestFailed, BrokenCopy) as error:
            failures[source.role] = f"{getattr(error, 'kind', 'broken')}: {error}"
            continue
        kept[source.role] = Kept(bucket.name, key, link(key), stored.content_type, stored.bytes, stored.sha256)
    return Copies(kept, failures)


def key_of(watch: "Watch", source: "Source") -> str:
    """`<provider>/<tsk>/<role>.<extension>`: it follows from the task alone, so a repeat finds what is there."""
    known = EXTENSIONS[source.type]
    suffix = PurePosixPath(urlsplit(source.url).path).suffix.lower()
    return f"{watch.submission.provider}/{watch.id}/{source.role}{suffix if suffix in known else known[0]}"


def media_type(head: bytes, declared: str | None, expected: str) -> str:
    """The content type of a file that begins with `head`; what the bytes say is trusted over what was `declared`.

    `expected` is `video` or `image`. Raises BrokenCopy for what is neither, such as an error page with status 200.
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
    raise BrokenCopy(f"the link gives {'text' if text else name}, not the {expected}")


def _copy(
    watch: "Watch",
    source: "Source",
    key: str,
    bucket: "Bucket",
    http: "Http",
    headers: Mapping[str, str],
    deadline: float,
) -> "Stored":
    with http.download(source.url, headers=headers, deadline=deadline) as download:
        if download.status != 200:
            raise BrokenCopy(f"the link answers {download.status}")
        if download.headers.get("content-encoding", "identity").lower() != "identity":
            raise BrokenCopy(f"the link answers with content-encoding {download.headers['content-encoding']}")
        body = _Peeked(download)
        content_type = media_type(body.head, download.content_type, source.type)
        metadata = {"provider": watch.submission.provider, "watch": watch.id, "role": source.role}
        return bucket.store(key, body, length=download.length, content_type=content_type, metadata=metadata)


class _Peeked:
    """A download whose first bytes were looked at and are read again."""

    def __init__(self, download: "Download") -> None:
        self._download = download
        self.head = b""
        while len(self.head) < SNIFF_BYTES and (chunk := download.read(SNIFF_BYTES - len(self.head))):
            self.head += chunk
        self._left = self.head

    def read(self, size: int = -1) -> bytes:
        if size < 0:
            taken, self._left = self._left, b""
            return taken + self._download.read(size)
        taken, self._left = self._left[:size], self._left[size:]
        return taken or self._download.read(size)
