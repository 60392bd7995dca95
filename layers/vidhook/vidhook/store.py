"""Stores the video: from the provider's link into our bucket, before the link expires."""

import io
import re
from collections.abc import Callable
from concurrent.futures import Future
from contextlib import suppress
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import PurePosixPath
from threading import Thread
from time import monotonic
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from vidhook.errors import (
    BrokenDownload,
    OutOfTime,
    Playlist,
    RequestFailed,
    SourceChanged,
    StoreFault,
    TimedOut,
    TokenFailed,
)
from vidhook.fetch import Ahead, Origin, Reader
from vidhook.film import bytes_told
from vidhook.media import PLAYLIST_ENDS, SNIFF_BYTES, inline_file, media_type
from vidhook.parts import PART_BYTES, Parts
from vidhook.redaction import with_key
from vidhook.task import NotStored, StoredFile, Upload

if TYPE_CHECKING:
    from vidhook.edges.bucket import Bucket
    from vidhook.edges.http import Http
    from vidhook.edges.ledger import Ledger
    from vidhook.keys import Keys
    from vidhook.providers.auth import Key
    from vidhook.providers.file import Provider
    from vidhook.task import Source, Watch

# Whole seconds to pause after each failed try to store a video, about 18 minutes in total.
STORE_PAUSES = (5, 30, 120, 300, 600)
# A source without ranges that is too slow for a whole invocation will be so again: it is tried once more only.
SLOW_TRIES = 1
STORE_SECONDS = 800.0  # of an invocation's 900
# The other files are stored at the same time as the result; after it, the event waits for them no longer than this.
OTHERS_SECONDS = 30.0
# Parts and several connections cost some round trips, which is worth it for a file that is large and not there at once.
SEVERAL_FROM = 64 * 10**6
SEVERAL_SECONDS = 8.0
GAUGE_BYTES, GAUGE_SECONDS = 4 * 1024**2, 0.25
INDEX_BYTES = 262_144  # the index of a film of some minutes
EXTENSIONS = {
    "video": (".mp4", ".webm", ".mov", ".mkv", ".avi"),
    "image": (".png", ".jpg", ".jpeg", ".webp", ".gif", ".avif"),
}
NOTES = 5  # tries to note something of one file while others note theirs


@dataclass(frozen=True, slots=True)
class Stored:
    """The stored files by role, and by role why others could not be stored.

    `unfinished` says by role how far a file is for which the time was not enough; the next invocation goes on there.
    `late`: the time was not enough for a result that nobody can go on with.
    """

    files: dict[str, StoredFile] = field(default_factory=dict)
    failures: dict[str, NotStored] = field(default_factory=dict)
    unfinished: dict[str, str] = field(default_factory=dict)
    late: bool = False

    @property
    def not_stored(self) -> dict[str, NotStored]:
        """Why each file is not stored, if it is told now."""
        spent = {role: NotStored(TimedOut.kind, f"too slow: {so_far}") for role, so_far in self.unfinished.items()}
        return self.failures | spent

    def add(self, role: str, get: Callable[[], StoredFile]) -> None:
        """Adds what came of one file: what `get` returns or raises."""
        try:
            self.files[role] = get()
        except OutOfTime as spent:
            self.unfinished[role] = str(spent)
        except (RequestFailed, BrokenDownload) as error:
            # It may repeat what a host wrote in a header, and people read it in a terminal.
            self.failures[role] = NotStored(error.kind, re.sub(r"[^ -~]", "?", str(error)))


@dataclass(frozen=True, slots=True)
class Storage:
    """Stores videos, with these edges. `link` makes our lasting link from an object's key.

    `inline` asks the provider for the `data:` URL of a file that stands in its answer.
    """

    ledger: "Ledger"
    keys: "Keys"
    http: "Http"
    bucket: "Bucket"
    link: Callable[[str], str]
    inline: "Callable[[Watch, str], str | None]" = lambda *_: None

    def store(
        self, watch: "Watch", sources: "tuple[Source, ...]", *, seconds: float = STORE_SECONDS, again: bool = False
    ) -> Stored:
        """Stores every source within `seconds`; the first one is the result, which must not wait for the others.

        A file that is already in the bucket is not downloaded again, if it may be there: `again` says that an earlier
        invocation may have stored it and crashed. The provider's key is sent only for a source that needs it.
        """
        ends = monotonic() + seconds
        again = again or watch.store_failures > 0 or bool(watch.uploads)
        needed, replaced = any(source.needs_key for source in sources), watch.store_failures > 0  # perhaps
        opened = self._opened(watch, fresh=replaced) if needed else None
        origins = [self._origin(source, opened, ends) for source in sources]
        result, *others = zip(sources, origins, strict=True)
        begun = [(source.role, origin, self._beside(watch, source, origin, again)) for source, origin in others]
        stored = Stored()
        try:
            stored.add(result[0].role, partial(self._file, watch, *result, again))
            stored = replace(stored, late=bool(stored.failures) and monotonic() >= ends)
        finally:
            ends = min(ends, monotonic() + OTHERS_SECONDS)
            for _, origin, _ in begun:
                origin.ends = ends
        for role, _, going in begun:
            stored.add(role, partial(_awaited, going, ends))
        return stored

    def _opened(self, watch: "Watch", *, fresh: bool) -> "tuple[Provider, Key | None]":
        """Returns the task's provider and its key."""
        provider, key = self.ledger.providers.get(watch.submission.provider), None
        with suppress(TokenFailed):  # then the download is refused, and tried again after a pause
            key = self.keys.needed(provider, fresh=fresh)
        return provider, key

    def _origin(self, source: "Source", opened: "tuple[Provider, Key | None] | None", ends: float) -> Origin:
        """Returns where a source is, with the key in its link or its headers where the provider wants it there."""
        if not source.needs_key or opened is None:
            return Origin(self.http, source.url, {}, ends)
        from vidhook.providers.request import download_request  # few links need it

        provider, key = opened
        request = download_request(provider, with_key(source.url, key.text if key else None), key)
        return Origin(self.http, request.url, request.headers, ends)

    def _beside(self, watch: "Watch", source: "Source", origin: Origin, again: bool) -> "Future[StoredFile]":
        """Begins to store a file in a thread of its own. A fault of ours is an error of this file only."""
        answer: Future[StoredFile] = Future()

        def run() -> None:
            try:
                answer.set_result(self._file(watch, source, origin, again))
            except (OutOfTime, RequestFailed, BrokenDownload) as error:
                answer.set_exception(error)
            except Exception as error:  # noqa: BLE001 - told and logged as the reason why this file is not stored
                answer.set_exception(StoreFault(f"vidhook itself could not store it: {type(error).__name__}"))

        Thread(target=run, daemon=True).start()
        return answer

    def _file(self, watch: "Watch", source: "Source", origin: Origin, again: bool) -> StoredFile:
        """Returns a source's file in the bucket, which is there already or is stored now."""
        key, noted = key_of(watch, source), watch.uploads.get(source.role)
        if again and noted and noted.sha256 and self.bucket.holds(key):
            known = noted.content_type, noted.length, noted.sha256
            file = StoredFile(self.bucket.name, key, *known, film=noted.film)
        else:
            found = self.bucket.find(key, origin.ends) if again and not (noted and noted.sha256) else None
            file = found or self._store(watch, source, key, origin)
            self._note_stored(watch, source.role, file)
        return replace(file, url=self.link(key))

    def _note_stored(self, watch: "Watch", role: str, file: StoredFile) -> None:
        """Notes what is known of a stored file, so that a repeat need not read it back."""
        upload = Upload("", file.content_type, "", file.bytes, 0, file.sha256, file.film)
        for _ in range(NOTES):
            watch = self._noted(watch, role, upload)
            if watch.uploads.get(role) == upload:
                return

    def _noted(self, watch: "Watch", role: str, upload: Upload | None) -> "Watch":
        """Notes an upload, or that there is none. Returns the watch with what is noted now, by another after a race."""
        others = {other: each for other, each in watch.uploads.items() if other != role}
        return replace(
            watch, uploads=self.ledger.tasks.note_uploads(watch, others | ({role: upload} if upload else {}))
        )

    def _store(self, watch: "Watch", source: "Source", key: str, origin: Origin) -> StoredFile:
        metadata = {"provider": watch.submission.provider, "watch": watch.id, "role": source.role}
        if source.inline:
            return self._store_inline(watch, source, key, metadata)
        if PurePosixPath(urlsplit(source.url).path).suffix.lower() in PLAYLIST_ENDS:
            raise Playlist("the link is that of a playlist, which is a list of pieces and not one file")
        upload = watch.uploads.get(source.role)
        parts = self.bucket.parts(key, upload.id) if upload and upload.id else None
        if upload and parts is not None:
            return self._store_parts(watch, source.role, Parts(self.bucket, key, upload, parts, origin))
        with Reader(origin) as reader:
            content_type = media_type(reader.peek(SNIFF_BYTES), reader.answer.content_type, source.type)
            length, identity = _length(watch, reader), reader.identity
            with Ahead(reader) as body:
                if identity is None or not _by_parts(watch, identity.length, body):
                    about: dict[str, Any] = {"content_type": content_type, "metadata": metadata, "ends": origin.ends}
                    return self.bucket.store(key, body, length=length, **about)
                reader.stop_at(PART_BYTES)
                begun = self.bucket.begin(key, content_type=content_type, metadata=metadata)
                upload = Upload(begun, content_type, identity.validator, identity.length, PART_BYTES)
                watch = self._noted(watch, source.role, upload)
                if source.role not in watch.uploads:  # the note of another file came first
                    watch = self._noted(watch, source.role, upload)
                if watch.uploads.get(source.role) == upload:
                    return self._store_parts(watch, source.role, Parts(self.bucket, key, upload, {}, origin), body)
        self.bucket.abort(key, begun)
        return self._store(watch, source, key, origin)  # with what another execution has noted meanwhile

    def _store_inline(self, watch: "Watch", source: "Source", key: str, metadata: dict[str, str]) -> StoredFile:
        """Stores a file that stands in the provider's answer, which is asked for again."""
        url = self.inline(watch, source.role)
        if url is None:
            raise BrokenDownload("the provider's answer, asked for again, holds no such file")
        declared, content = inline_file(url)
        content_type = media_type(content[:SNIFF_BYTES], declared, source.type)
        body = io.BytesIO(content)
        return self.bucket.store(key, body, length=len(content), content_type=content_type, metadata=metadata)

    def _store_parts(self, watch: "Watch", role: str, parts: Parts, begun: Ahead | None = None) -> StoredFile:
        """Stores what is missing of a file, and makes the object of its parts; `begun` brings the first of them."""
        key, upload = parts.key, watch.uploads[role]
        try:
            read = parts.store(begun)
        except SourceChanged:
            self.bucket.abort(key, upload.id)
            self._noted(watch, role, None)
            raise
        if self.bucket.finish(key, upload.id, parts.stored) and read is not None:
            sha256, film = read
            return StoredFile(self.bucket.name, key, upload.content_type, upload.length, sha256, film=film)
        # Some bytes passed through an earlier invocation, or another one has made the object.
        stored = self.bucket.find(key, parts.ends)
        if stored is None:
            raise BrokenDownload("the object was gone as soon as it was stored")
        return stored


def _awaited(going: "Future[StoredFile]", ends: float) -> StoredFile:
    """Returns the file that a thread stores. Raises TimedOut if it is not there at `ends`."""
    try:
        return going.result(max(ends - monotonic(), 0.0))
    except TimeoutError:
        raise TimedOut("the event waited for it long enough") from None


def _length(watch: "Watch", reader: Reader) -> int | None:
    """Returns how many bytes the file has, as its host says, or a film itself; None if only its end will tell.

    A film that has fewer or more than it says is not stored, and what it says is not asked again.
    """
    if reader.length is not None or watch.store_failures:
        return reader.length
    told = bytes_told(reader.peek(INDEX_BYTES))
    return told if told is not None and told <= SEVERAL_FROM else None  # a larger one gains little by it


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
