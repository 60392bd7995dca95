"""Reads a source, over as many connections as it takes, and never from two different files.

A source has ranges when it says so (`accept-ranges: bytes`), and says which file it is (an ETag, or a Last-Modified):
each further request asks for bytes of that very file (If-Range), and each answer is checked (RFC 9110, 13.1.5 and 14).
"""

import re
from collections import deque
from collections.abc import Mapping
from contextlib import AbstractContextManager, ExitStack
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from threading import Condition, Thread
from time import monotonic, sleep
from typing import TYPE_CHECKING

from vidhook.errors import (
    BadRedirect,
    BadStatus,
    Blocked,
    BrokenDownload,
    RequestFailed,
    SourceChanged,
    TimedOut,
    TooLarge,
)

if TYPE_CHECKING:
    from vidhook.edges.http import Download, Http

PIECE = 262_144
AHEAD = 6 * 1024**2
LARGEST = 50 * 10**9  # bytes
# A connection that breaks is opened again where it broke: so often in a row without a single byte, and so often in all.
TRIES, BREAKS = 3, 20
BREAK_PAUSE = 0.5  # seconds, after a connection that brought nothing
STRONG_ETAG = re.compile(r'"[\x21\x23-\x7e\x80-\xff]*"')
# RFC 9110, 8.8.2.2: a Last-Modified says which file it is only if it was long past when the answer was made.
PAST_SECONDS = 60
WHOLE = re.compile(r"bytes 0-([0-9]{1,18})/([0-9]{1,18})", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Identity:
    """Which file of the source it is: what If-Range is asked with, and the length."""

    validator: str
    length: int


@dataclass(slots=True)
class Origin:
    """Where and until when a source is read: `headers` are for its origin only, `ends` is an instant of `monotonic`.

    Whoever no longer waits for it sets an earlier `ends`.
    """

    http: "Http"
    url: str
    headers: Mapping[str, str]
    ends: float

    def left(self) -> float:
        """Returns the seconds that are left, at least 0."""
        return max(self.ends - monotonic(), 0.0)

    def open(self, wanted: Mapping[str, str]) -> "AbstractContextManager[Download]":
        return self.http.download(self.url, headers=self.headers, wanted=wanted, deadline=self.left())


def identity_of(download: "Download", length: int | None) -> Identity | None:
    """Returns which file a whole answer of this length is, or None if no part of it can be asked for."""
    headers = download.headers
    if length is None or headers.get("accept-ranges", "").lower() != "bytes":
        return None
    etag, changed = headers.get("etag", ""), headers.get("last-modified", "")
    if STRONG_ETAG.fullmatch(etag):
        return Identity(etag, length)
    if not etag and _is_long_past(changed, headers.get("date", "")):
        return Identity(changed, length)
    return None


def _is_long_past(changed: str, now: str) -> bool:
    try:
        return (parsedate_to_datetime(now) - parsedate_to_datetime(changed)).total_seconds() >= PAST_SECONDS
    except (ValueError, TypeError):
        return False


def whole_length(download: "Download") -> int | None:
    """Returns the length of the file that this answer gives, None if only its end will tell.

    A proxy may answer 203, and some hosts answer 206 with all of the file. Raises BrokenDownload for an answer that
    does not give the whole file, or in a coding that cannot be decoded.
    """
    if download.status not in (200, 203, 206):
        raise BadStatus(f"the link answers {download.status}")
    _check_coding(download)
    if download.status != 206:
        return download.length
    given = download.headers.get("content-range", "")
    match = WHOLE.fullmatch(given)
    length = int(match[2]) if match and int(match[1]) + 1 == int(match[2]) else None
    if length is None or download.length not in (None, length):
        raise BrokenDownload(f"the link answers 206 with a part of the file: {given or 'no range'}")
    return None if download.packed else length


def _check_part(download: "Download", identity: Identity, start: int, end: int) -> None:
    """Raises BrokenDownload unless this is the answer with bytes `start` to `end` of that very file."""
    if download.status in (200, 416):
        raise SourceChanged(
            f"the file is no longer the one that was begun: asked for a part, it answers {download.status}"
        )
    if download.status != 206 or download.packed:
        raise BrokenDownload(f"the link answers {download.status}{' with a packed part' * download.packed}")
    _check_coding(download)
    given = download.headers.get("content-range", "")
    if given.lower() != f"bytes {start}-{end - 1}/{identity.length}" or download.length not in (None, end - start):
        raise SourceChanged(
            f"asked for bytes {start} to {end - 1} of {identity.length}, it gives {given or 'no range'}"
        )
    etag = download.headers.get("etag")
    if identity.validator.startswith('"') and etag != identity.validator:
        raise SourceChanged("the file is no longer the one that was begun: its ETag is another")


def _check_coding(download: "Download") -> None:
    if download.coding:
        raise BrokenDownload(f"the link answers with content-encoding {download.coding}")


class Reader:
    """The bytes of a source from `start` to `end`. Where the source has ranges, a break costs a new connection only.

    Use it as a context manager. Without `identity` it asks for the whole file, and learns which one it is.
    """

    def __init__(
        self, origin: Origin, identity: Identity | None = None, start: int = 0, end: int | None = None
    ) -> None:
        self._origin, self._open = origin, ExitStack()
        self._download: Download | None = None
        self._held: deque[bytes] = deque()  # read, but not yet taken
        self._at = start  # what is read next from the source
        self._breaks = self._in_vain = 0
        self._end, self._over = end, False
        self.identity = identity
        if identity is None:
            self.answer = self._opened({})
            try:
                self.length = self._end = whole_length(self.answer)
                if (self.length or 0) > LARGEST:
                    raise TooLarge(f"the file has {self.length} bytes, more than {LARGEST}")
            except BaseException:
                self._open.close()
                raise
            self.identity = identity_of(self.answer, self.length)

    def __enter__(self) -> "Reader":
        return self

    def __exit__(self, *_: object) -> None:
        self._over = True
        self._open.close()

    def stop_at(self, end: int) -> None:
        """Reads no further than `end`."""
        self._end = end

    def peek(self, count: int) -> bytes:
        """Returns the next `count` bytes, fewer only at the end; `read` returns them too."""
        held = sum(map(len, self._held))
        while held < count and (piece := self._next(count - held)):
            self._held.append(piece)
            held += len(piece)
        return b"".join(self._held)

    def read(self, size: int) -> bytes:
        """Returns the next bytes, at least one and `size` at most, b"" at the end."""
        if not self._held:
            return self._next(size)
        piece = self._held.popleft()
        if size < len(piece):
            self._held.appendleft(piece[size:])
            piece = piece[:size]
        return piece

    def _next(self, most: int) -> bytes:
        if self._end is not None:
            most = min(most, self._end - self._at)
        while most:
            if not self._origin.left():
                raise TimedOut("the time is spent")
            if self._at > LARGEST:
                raise TooLarge(f"the file has more than {LARGEST} bytes")
            try:
                piece = self._connected().read_some(most)
            except RequestFailed as failure:
                self._break(failure)
                continue
            self._in_vain = 0
            self._at += len(piece)
            if self._at == self._end:
                self._open.close()  # what it would bring beyond the end would take the others' share of the line
            return piece
        return b""

    def _connected(self) -> "Download":
        if self._download is not None:
            return self._download
        identity, end = self.identity, self._end
        if identity is None or end is None:
            raise BrokenDownload("the source was read to its end")
        wanted = {"Range": f"bytes={self._at}-{end - 1}", "If-Range": identity.validator}
        download = self._opened(wanted)
        _check_part(download, identity, self._at, end)
        return download

    def _opened(self, wanted: Mapping[str, str]) -> "Download":
        self._download = self._open.enter_context(self._origin.open(wanted))
        return self._download

    def _break(self, failure: RequestFailed) -> None:
        """Closes the connection, so that the next read opens one where it broke. Raises if there is no use in that."""
        self._open.close()
        self._download = None
        self._breaks += 1
        self._in_vain += 1
        pause = BREAK_PAUSE * (self._in_vain - 1)
        final = isinstance(failure, (Blocked, BadRedirect)) or self._breaks > BREAKS or self._in_vain > TRIES
        if final or self._over or self.identity is None or self._origin.left() <= pause:
            raise failure
        sleep(pause)


class Ahead:
    """Reads a source ahead, in a thread and at most `AHEAD` bytes, so that its line need not wait for the other one.

    Use it as a context manager.
    """

    def __init__(self, source: Reader) -> None:
        self._source = source
        self._pieces: deque[bytes] = deque()
        self._count = 0
        self._ended = False
        self._failure: BaseException | None = None
        self._changed = Condition()

    def __enter__(self) -> "Ahead":
        Thread(target=self._run, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        with self._changed:
            self._ended = True
            self._changed.notify_all()

    def gauge(self, count: int, seconds: float) -> float:
        """Returns the bytes a second that come, judged by the first `count` of them or what comes within `seconds`."""
        began = monotonic()
        with self._changed:
            self._changed.wait_for(lambda: self._count >= count or self._ended, seconds)
            return self._count / (monotonic() - began)

    def read(self, size: int) -> bytes:
        """Returns the next piece, whatever `size` is, and b"" at the end. Raises what the source raises.

        urllib3 asks for 16 KiB at a time and sends what it is given: larger pieces cost less time.
        """
        with self._changed:
            while not self._pieces and not self._ended:
                self._changed.wait()
            if self._pieces:
                piece = self._pieces.popleft()
                self._count -= len(piece)
                self._changed.notify_all()
                return piece
        if self._failure is not None:
            raise self._failure
        return b""

    def _run(self) -> None:
        try:
            while (piece := self._source.read(PIECE)) and self._put(piece):
                pass
        except BaseException as failure:  # noqa: BLE001 - raised where the bytes are waited for
            self._failure = failure
        with self._changed:
            self._ended = True
            self._changed.notify_all()

    def _put(self, piece: bytes) -> bool:
        """Takes a piece in when there is room. Returns False when nobody wants more."""
        with self._changed:
            while self._count >= AHEAD and not self._ended:
                self._changed.wait()
            if self._ended:
                return False
            self._pieces.append(piece)
            self._count += len(piece)
            self._changed.notify_all()
            return True
