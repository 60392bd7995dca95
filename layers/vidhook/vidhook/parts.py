"""Stores a large file in parts, over several connections, and goes on with the parts that an earlier invocation stored.

Every part is asked for by itself and passes through to S3 as it comes. What is ahead of the first part that is under
way is also kept until the SHA-256 of the whole gets there, so no more than WINDOW parts are under way or kept.
"""

import hashlib
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from heapq import heappop, heappush
from threading import Condition, Lock
from time import monotonic
from typing import TYPE_CHECKING

from vidhook.errors import BrokenDownload, OutOfTime, RequestFailed, SourceChanged, TimedOut
from vidhook.fetch import PIECE, Ahead, Identity, Origin, Reader
from vidhook.film import FilmReader
from vidhook.task import Film, Upload

if TYPE_CHECKING:
    from vidhook.edges.bucket import Bucket

CONNECTIONS = 4
WINDOW = 5
# S3 takes parts of 5 MiB or more, and at most 10,000: with this size files of up to 83 GB.
PART_BYTES = 8 * 1024**2
# No part is begun that would not be stored in time, were it so much slower than the slowest so far.
SLOWER = 1.25


class Parts:
    """One file on its way into the bucket.

    `stored` is what S3 has of it: ETag and bytes of each part by its number, from 1. The attribute is the ETags.
    """

    def __init__(
        self, bucket: "Bucket", key: str, upload: Upload, stored: Mapping[int, tuple[str, int]], origin: Origin
    ) -> None:
        self.key, self.ends = key, origin.ends
        self._bucket, self._upload, self._origin = bucket, upload, origin
        self._identity = Identity(upload.validator, upload.length)
        self._changed = Condition()
        self._count = -(-upload.length // upload.part_bytes)
        numbers = range(1, self._count + 1)
        self.stored = {
            each: stored[each][0] for each in numbers if each in stored and stored[each][1] == self._size(each)
        }
        self._missing = [each for each in numbers if each not in self.stored]  # a heap
        self._under_way = 0
        self._new = 0
        self._slowest = 0.0
        self._failure: BaseException | None = None
        self._fatal = False
        self._whole = None if self.stored else InOrder()

    def store(self, begun: Ahead | None = None) -> tuple[str, Film] | None:
        """Stores the missing parts. Returns the SHA-256 and the film of the whole; None if only S3 knows all bytes.

        `begun` brings the first part. Raises OutOfTime if the time was spent, and at least one part is new;
        TimedOut if none is. Else, when no connection works any more, what the last one raised. What S3 raises, at once.
        """
        workers = min(CONNECTIONS, len(self._missing))
        with ThreadPoolExecutor(max(workers, 1)) as pool:
            pool.submit(self._work, self._take() if begun else None, begun)
            for _ in range(workers - 1):
                pool.submit(self._work)
        if len(self.stored) == self._count:
            return (self._whole.hexdigest(), self._whole.film) if self._whole else None
        if self._failure is not None and (self._fatal or not self._late()):
            raise self._failure
        have = sum(self._size(number) for number in self.stored)
        progress = f"{have} of {self._upload.length} bytes are stored"
        if not self._new:
            raise TimedOut(f"the time is spent, and {progress}")
        raise OutOfTime(progress)

    def _size(self, number: int) -> int:
        start = (number - 1) * self._upload.part_bytes
        return min(self._upload.part_bytes, self._upload.length - start)

    def _late(self) -> bool:
        return self._origin.left() <= SLOWER * self._slowest

    def _work(self, number: int | None = None, begun: Ahead | None = None) -> None:
        """Brings one part after the other; with `begun` the first one is `number`."""
        while (number := number or self._take()) is not None:
            began = monotonic()
            try:
                etag = self._bring(number, begun)
            except (RequestFailed, BrokenDownload) as failure:
                # Some hosts refuse more than a few connections: the others go on with this one's part.
                self._end(number, failure, fatal=isinstance(failure, SourceChanged))
                return
            except BaseException as failure:  # noqa: BLE001 - raised by `store`
                self._end(number, failure, fatal=True)
                return
            with self._changed:
                self.stored[number] = etag
                self._new += 1
                self._under_way -= 1
                self._slowest = max(self._slowest, monotonic() - began)
                if self._whole:
                    self._whole.end(number)
                self._changed.notify_all()
            number = begun = None

    def _take(self) -> int | None:
        """Returns the next part to bring, or None when there is none, or no time. Waits while too much is kept."""
        with self._changed:
            while not self._fatal and not self._late():
                if self._missing and (self._whole is None or self._missing[0] < self._whole.front + WINDOW):
                    self._under_way += 1
                    return heappop(self._missing)
                if not self._missing and not self._under_way:
                    return None
                self._changed.wait(self._origin.left())
            return None

    def _end(self, number: int, failure: BaseException, *, fatal: bool) -> None:
        with self._changed:
            heappush(self._missing, number)
            self._under_way -= 1
            self._failure, self._fatal = (self._failure, True) if self._fatal else (failure, fatal)
            self._changed.notify_all()

    def _bring(self, number: int, begun: Ahead | None) -> str:
        start, size = (number - 1) * self._upload.part_bytes, self._size(number)
        if begun is not None:
            return self._pass(begun, number, size)
        with Reader(self._origin, self._identity, start, start + size) as reader:
            return self._pass(reader, number, size)

    def _pass(self, reader: Reader | Ahead, number: int, size: int) -> str:
        body = _Passing(reader, size, number, self._whole)
        return self._bucket.put_part(self.key, self._upload.id, number, body, size)


class _Passing:
    """The next `size` bytes of a reader, on their way to S3 and into what is known of the whole."""

    def __init__(self, reader: Reader | Ahead, size: int, number: int, into: "InOrder | None") -> None:
        self._reader, self._left, self._number, self._whole = reader, size, number, into
        self._at = 0

    def read(self, size: int) -> bytes:
        """Returns the next piece, whatever `size` is: urllib3 asks for 16 KiB and sends what it is given."""
        piece = self._reader.read(min(self._left, PIECE))
        self._left -= len(piece)
        if self._whole:
            self._whole.add(self._number, self._at, piece)
        self._at += len(piece)
        return piece


class InOrder:
    """Reads parts that come at the same time in their order: `front` is the part that is read, later ones are kept."""

    def __init__(self) -> None:
        self._sha256, self._film, self._lock = hashlib.sha256(), FilmReader(), Lock()
        self.front = 1
        self._ended: set[int] = set()
        self._added: dict[int, int] = {}
        self._kept: dict[int, list[bytes]] = {}

    def add(self, number: int, at: int, piece: bytes) -> None:
        """Takes the bytes of a part from `at` on. A part that is read again adds only what is new."""
        with self._lock:
            added = self._added.get(number, 0)
            new = piece[max(0, added - at) :]
            self._added[number] = added + len(new)
            if number == self.front:
                self._read(new)
            else:
                self._kept.setdefault(number, []).append(new)

    def end(self, number: int) -> None:
        """Says that a part has come as a whole."""
        with self._lock:
            self._ended.add(number)
            while self.front in self._ended:
                self.front += 1
                for piece in self._kept.pop(self.front, []):
                    self._read(piece)

    def _read(self, piece: bytes) -> None:
        self._sha256.update(piece)
        self._film.feed(piece)

    def hexdigest(self) -> str:
        return self._sha256.hexdigest()

    @property
    def film(self) -> Film:
        return self._film.film
