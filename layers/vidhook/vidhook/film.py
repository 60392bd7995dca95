"""Reads how long a film is, how large, and whether it has sound, from its bytes while they pass.

It reads ISO base media files (MP4, MOV, AVIF: ISO/IEC 14496-12 and 23008-12), Matroska and WebM (RFC 9559 and 8794),
and of PNG, JPEG, GIF and WebP how large they are. Of other files nothing is known.
"""

import math
import struct
from collections.abc import Callable, Generator
from dataclasses import dataclass, field
from typing import Literal

from vidhook.task import Film

# What a parser asks for, one after the other: so many bytes, or below zero, that so many are passed over.
Steps = Generator[int, bytes, None]

HELD = 256 * 1024  # the most that is held at once, in bytes
# What a whole file may cost, in bytes that are held; each step counts as so many.
EFFORT, STEP = 64 * 1024**2, 64
# What is larger or longer is damage: no film has such sides, or takes three weeks.
LARGEST, LONGEST_MS = 65_535, 2**31 - 1
FAR = 2**80  # beyond the end of any file
MOST_TRACKS = 64  # that are looked at


class FilmReader:
    """Takes the bytes of a file in order, in pieces of any size, and never raises whatever they are.

    It holds 256 KiB at most, passes over pictures and sound without a look, and gives up a file of millions of tiny
    pieces.
    """

    def __init__(self) -> None:
        self._told = _Told()
        self._steps = _of_any_kind(self._told)
        self._wants = next(self._steps)  # 0: nothing more is read
        self._held = bytearray()
        self._effort = EFFORT

    @property
    def film(self) -> Film:
        """What the bytes so far have told."""
        told = self._told
        return Film(told.duration_ms, told.width, told.height, told.has_audio)

    def feed(self, piece: bytes) -> None:
        """Takes the next bytes."""
        at = 0
        while self._wants and at < len(piece):
            step = min(abs(self._wants), len(piece) - at)
            if self._wants < 0:
                self._wants += step
            else:
                self._held += piece[at : at + step]
                self._wants -= step
            at += step
            if not self._wants:
                self._go_on()

    def _go_on(self) -> None:
        data = bytes(self._held)
        self._held.clear()
        self._effort -= STEP + len(data)
        if self._effort < 0:
            self._told.give_up()
            return
        try:
            self._wants = self._steps.send(data)
        except StopIteration:
            self._wants = 0


@dataclass(slots=True)
class _Told:
    """What a parser has found. counted: the duration is the sum of what has come so far, and stated nowhere."""

    duration_ms: int | None = None
    width: int | None = None
    height: int | None = None
    has_audio: bool | None = None
    counted: bool = False

    def size(self, width: int, height: int) -> None:
        if 0 < width <= LARGEST and 0 < height <= LARGEST:
            self.width, self.height = width, height

    def lasts(self, units: int, units_a_second: int, *, counted: bool = False) -> None:
        self.duration_ms, self.counted = _milliseconds(units, units_a_second) or None, counted

    def give_up(self) -> None:
        if self.counted:
            self.duration_ms = None


def _milliseconds(units: int, units_a_second: int) -> int:
    """Returns a duration to the millisecond, 0 for one that says nothing."""
    if units_a_second <= 0 or units <= 0:
        return 0
    found = (units * 1000 + units_a_second // 2) // units_a_second
    return found if found <= LONGEST_MS else 0


def _of_any_kind(told: _Told) -> Steps:
    head = yield 4
    if head == b"\x1aE\xdf\xa3":
        yield from _matroska(told)
    elif head in IMAGES or head[:3] == JPEG:
        yield from _image(told, head)
    else:
        kind = yield 4
        if kind in FIRST_BOXES:
            yield from _boxes(_Movie(told), head + kind)


def bytes_told(head: bytes) -> int | None:
    """Returns how many bytes an MP4 has by its own boxes, as far as its beginning tells.

    That is where the pictures (mdat) come last, behind their index (moov), as in a file that is made to be streamed.
    """
    at, indexed = 0, False
    while at + 16 <= len(head) and head[at + 4 : at + 8] in FIRST_BOXES:
        kind, size = head[at + 4 : at + 8], _int(head[at : at + 4])
        if size == 1:
            size = _int(head[at + 8 : at + 16])
        more = kind == b"moov" and b"mvex" in head[at : at + size]  # in fragments, which follow
        if size < 8 or more or (kind == b"mdat" and not indexed):
            break
        at += size
        if kind == b"mdat":
            return at
        indexed = indexed or kind == b"moov"
    return None


def _int(data: bytes) -> int:
    return int.from_bytes(data, "big")


# ------------------------------------------------------------------------------------------------- images

PNG, GIF, RIFF, JPEG = b"\x89PNG", b"GIF8", b"RIFF", b"\xff\xd8\xff"
IMAGES = {PNG, GIF, RIFF}
EXIF_BYTES, EXIF_ENTRIES = 65_533, 200  # the longest segment there is, and far more tags than a picture has


def _image(told: _Told, head: bytes) -> Steps:
    if head == PNG:
        ihdr = yield 20
        if ihdr[8:12] == b"IHDR":
            told.size(_int(ihdr[12:16]), _int(ihdr[16:]))
    elif head == GIF:
        told.size(*struct.unpack("<2xHH", (yield 6)))
    elif head == RIFF:
        if (yield 8)[4:] == b"WEBP":
            told.size(*_webp((yield 18)))
    else:
        yield from _jpeg(told, head[3])


def _jpeg(told: _Told, marker: int) -> Steps:
    """ITU-T T.81, B.1: segments, of which the frame's has the size, and one of Exif how it is turned."""
    turned = False
    while marker != 0xDA:  # the picture itself begins
        length = _int((yield 2)) - 2
        if marker == 0xE1 and 0 < length <= EXIF_BYTES:
            turned, length = _is_turned((yield length)) or turned, 0
        if 0xC0 <= marker <= 0xCF and marker not in (0xC4, 0xC8, 0xCC):
            frame = yield 5
            sides = _int(frame[3:]), _int(frame[1:3])
            told.size(*(sides[::-1] if turned else sides))
            return
        if length > 0:
            yield -length
        mark, marker = yield 2
        while marker == 0xFF:  # fill bytes
            marker = (yield 1)[0]
        if mark != 0xFF or length < 0:
            return


def _is_turned(data: bytes) -> bool:
    """Whether the tag Orientation of Exif (CIPA DC-008, 4.6) says that a picture is shown turned by 90 degrees."""
    tiff = data[6:]
    order: Literal["little", "big"] = "little" if tiff[:2] == b"II" else "big"
    if data[:6] != b"Exif\0\0" or tiff[:4] not in (b"II*\0", b"MM\0*"):
        return False
    at = int.from_bytes(tiff[4:8], order)
    entries = int.from_bytes(tiff[at : at + 2], order)
    for entry in (tiff[at + 2 + 12 * each :][:12] for each in range(min(entries, EXIF_ENTRIES))):
        if int.from_bytes(entry[:2], order) == 0x0112:
            return int.from_bytes(entry[8:10], order) in (5, 6, 7, 8)
    return False


def _webp(chunk: bytes) -> tuple[int, int]:
    """RFC 9649: the size in the first chunk of each of its three kinds."""
    if chunk[:4] == b"VP8X":
        return int.from_bytes(chunk[12:15], "little") + 1, int.from_bytes(chunk[15:18], "little") + 1
    if chunk[:4] == b"VP8L":
        bits = int.from_bytes(chunk[9:13], "little")
        return (bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1
    if chunk[:4] == b"VP8 ":
        width, height = struct.unpack("<HH", chunk[14:])
        return width & 0x3FFF, height & 0x3FFF
    return 0, 0


# ------------------------------------------------------------------------------------------------- MP4, MOV, AVIF

FIRST_BOXES = {b"ftyp", b"moov", b"mdat", b"free", b"skip", b"wide", b"pnot", b"styp"}


@dataclass(slots=True)
class _Track:
    """One track of a movie. All its times are in units of which `scale` are a second."""

    number: int = 0
    enabled: bool = True
    kind: bytes = b""
    shown: tuple[int, int] = (0, 0)
    coded: tuple[int, int] = (0, 0)  # of the picture in the file
    turned: bool = False  # by 90 degrees
    scale: int = 0
    duration: int = 0
    begins: int | None = None  # the first fragment
    ends: int = 0  # the latest

    def size(self) -> tuple[int, int]:
        width, height = self.shown if all(self.shown) else self.coded
        return (height, width) if self.turned else (width, height)


@dataclass(slots=True)
class _Movie:
    """What the boxes of one file say, of its movie as a whole and of each track."""

    told: _Told
    tracks: list[_Track] = field(default_factory=list)
    last: _Track = field(default_factory=_Track)
    scale: int = 0
    duration: int = 0
    stated: int = 0  # the duration with all fragments, as the head says
    fragmented: bool = False
    samples: dict[int, int] = field(default_factory=dict)  # by track, how long one is that does not say it
    here: _Track = field(default_factory=_Track)  # the one of this fragment
    sample: int = 0  # how long one is in this fragment
    image: tuple[int, int] = (0, 0)
    turned: bool = False
    over: bool = False

    def begin(self, kind: bytes) -> None:
        if kind == b"trak":
            self.last = _Track()
            if len(self.tracks) < MOST_TRACKS:
                self.tracks.append(self.last)
        elif kind == b"mvex":
            self.fragmented = True

    def end(self, kind: bytes) -> None:
        if kind == b"moov":
            self._end_head()
        elif kind == b"moof":
            self._end_fragment()
        elif kind == b"meta":
            self.told.size(*(self.image[::-1] if self.turned else self.image))

    def _end_head(self) -> None:
        pictures = [each for each in self.tracks if each.kind in (b"vide", b"pict") and all(each.size())]
        if pictures:
            self.told.size(*max(pictures, key=lambda each: each.enabled).size())
        if self.tracks:
            self.told.has_audio = any(each.kind == b"soun" for each in self.tracks)
        lasts = _milliseconds(max(self.stated, self.duration), self.scale)
        longest = max((_milliseconds(each.duration, each.scale) for each in self.tracks), default=0)
        self.told.lasts(lasts or longest, 1000, counted=self.fragmented and not self.stated)
        self.over = not self.fragmented

    def _end_fragment(self) -> None:
        """Counts what has come: what the head states of fragments is often nothing, or their first part."""
        begun = [each for each in self.tracks if each.begins is not None]
        longest = max((_milliseconds(each.ends - (each.begins or 0), each.scale) for each in begun), default=0)
        if longest > (self.told.duration_ms or 0):
            self.told.lasts(longest, 1000, counted=True)

    # What each box says. A box that is cut short says 0.

    def mvhd(self, data: bytes) -> None:
        self.scale, self.duration = _header(data)

    def mehd(self, data: bytes) -> None:
        self.stated = _int(data[4:12] if data[:1] == b"\1" else data[4:8])

    def trex(self, data: bytes) -> None:
        if len(self.samples) < MOST_TRACKS:
            self.samples[_int(data[4:8])] = _int(data[12:16])

    def tkhd(self, data: bytes) -> None:
        track = self.last
        track.enabled = bool(_int(data[1:4]) & 1)
        longer = data[:1] == b"\1"
        track.number = _int(data[20:24] if longer else data[12:16])
        a, b, _, c, d, *_ = struct.unpack(">9I", (data[52:88] if longer else data[40:76]).ljust(36, b"\0"))
        track.turned = not (a or d) and bool(b and c)
        sides = data[88:96] if longer else data[76:84]
        # 16 bits of each are behind the point.
        track.shown = (_int(sides[:4]) + 0x8000 >> 16, _int(sides[4:]) + 0x8000 >> 16)

    def mdhd(self, data: bytes) -> None:
        track = self.last
        track.scale, track.duration = _header(data)
        track.ends = track.duration

    def hdlr(self, data: bytes) -> None:
        self.last.kind = data[8:12]

    def stsd(self, data: bytes) -> None:
        self.last.coded = (_int(data[40:42]), _int(data[42:44]))

    def tfhd(self, data: bytes) -> None:
        flags = _int(data[1:4])
        number = _int(data[4:8])
        self.here = next((each for each in self.tracks if each.number == number), _Track())
        at = 8 + (8 if flags & 0x1 else 0) + (4 if flags & 0x2 else 0)
        self.sample = _int(data[at : at + 4]) if flags & 0x8 else self.samples.get(number, 0)

    def tfdt(self, data: bytes) -> None:
        self.here.ends = _int(data[4:12] if data[:1] == b"\1" else data[4:8])

    def trun(self, data: bytes) -> None:
        flags, count = _int(data[1:4]), _int(data[4:8])
        if self.here.begins is None:
            # A head that has samples, too, has those before the fragments.
            self.here.begins = 0 if self.here.duration else self.here.ends
        if flags & 0x100:
            fields = (flags & 0xF00).bit_count()
            at = 8 + (4 if flags & 0x1 else 0) + (4 if flags & 0x4 else 0)
            if at + 4 * count * fields > len(data):
                self.told.give_up()
                self.over = True  # one that is cut short, or too long to hold
                return
            self.here.ends += sum(struct.unpack_from(f">{count * fields}I", data, at)[::fields])
        else:
            self.here.ends += count * self.sample

    def ispe(self, data: bytes) -> None:
        # The others are thumbnails, and tiles of it.
        self.image = max(self.image, (_int(data[4:8]), _int(data[8:12])), key=math.prod)

    def irot(self, data: bytes) -> None:
        self.turned = self.turned or data[0] & 1 == 1


def _header(data: bytes) -> tuple[int, int]:
    """Returns the units a second and the duration of mvhd or mdhd; one of nothing but ones is not known."""
    scale, duration = (data[20:24], data[24:32]) if data[:1] == b"\1" else (data[12:16], data[16:20])
    return _int(scale), _int(duration) if duration.strip(b"\xff") else 0


# Where boxes that are read are, by what they are in; the others are passed over. A leaf with how much of it is read.
CONTAINERS = {
    *((b"", b"moov"), (b"moov", b"trak"), (b"trak", b"mdia"), (b"mdia", b"minf"), (b"minf", b"stbl")),
    *((b"moov", b"mvex"), (b"", b"moof"), (b"moof", b"traf"), (b"", b"meta"), (b"meta", b"iprp"), (b"iprp", b"ipco")),
}
LEAVES: dict[tuple[bytes, bytes], tuple[int, Callable[[_Movie, bytes], None]]] = {
    (b"moov", b"mvhd"): (32, _Movie.mvhd),
    (b"mvex", b"mehd"): (12, _Movie.mehd),
    (b"mvex", b"trex"): (16, _Movie.trex),
    (b"trak", b"tkhd"): (96, _Movie.tkhd),
    (b"mdia", b"mdhd"): (32, _Movie.mdhd),
    (b"mdia", b"hdlr"): (12, _Movie.hdlr),
    (b"stbl", b"stsd"): (44, _Movie.stsd),
    (b"traf", b"tfhd"): (24, _Movie.tfhd),
    (b"traf", b"tfdt"): (12, _Movie.tfdt),
    (b"traf", b"trun"): (HELD, _Movie.trun),
    (b"ipco", b"ispe"): (12, _Movie.ispe),
    (b"ipco", b"irot"): (1, _Movie.irot),
}


def _boxes(movie: _Movie, header: bytes) -> Steps:
    """Walks through the boxes of a file, of which the first one's `header` has come."""
    around: list[tuple[bytes, int]] = [(b"", FAR)]  # the boxes around the next one, and where they end
    at = 0
    while not movie.over:
        size, kind, length = _int(header[:4]), header[4:], 8
        if size == 1:
            size, length = _int((yield 8)), 16
        if 0 < size < length:
            return
        inside, end = around[-1]
        end = min(at + size, end) if size else end
        at += length
        if (inside, kind) in CONTAINERS:
            movie.begin(kind)
            around.append((kind, end))
            end = at + 4 if kind == b"meta" else at  # its version
        elif (inside, kind) in LEAVES and at < end:
            most, says = LEAVES[inside, kind]
            data = yield min(most, end - at)
            at += len(data)
            says(movie, data)
        at = yield from _on_to(end, at)
        while not movie.over and around[-1][1] < at + 8:  # there is no room for another box
            kind, end = around.pop()
            at = yield from _on_to(end, at)
            movie.end(kind)
        if not movie.over:
            header = yield 8


def _on_to(end: int, at: int) -> Generator[int, bytes, int]:
    if at < end:
        yield at - end
    return max(at, end)


# ------------------------------------------------------------------------------------------------- WebM, Matroska

EBML, SEGMENT, INFO, TRACKS, CLUSTER = 0x1A45DFA3, 0x18538067, 0x1549A966, 0x1654AE6B, 0x1F43B675
ENTRY, VIDEO, PROJECTION, GROUP = 0xAE, 0xE0, 0x7670, 0xA0
MASTERS = {SEGMENT, INFO, TRACKS, CLUSTER, ENTRY, VIDEO, PROJECTION, GROUP}
# With each of these all that came before is over. The last ones are cues, tags, chapters, attachments and SeekHead.
TOP = {INFO, TRACKS, CLUSTER, 0x1C53BB6B, 0x1254C367, 0x1043A770, 0x1941A469, 0x114D9B74}
DURATION, ROLL, SCALE, TYPE, NUMBER, FRAME = 0x4489, 0x7675, 0x2AD7B1, 0x83, 0xD7, 0x23E383
PIXEL_WIDTH, PIXEL_HEIGHT, WIDTH, HEIGHT, UNIT = 0xB0, 0xBA, 0x54B0, 0x54BA, 0x54B2
TIMESTAMP, SIMPLE_BLOCK, BLOCK, BLOCK_DURATION = 0xE7, 0xA3, 0xA1, 0x9B
OF_TRACKS = {TYPE, NUMBER, FRAME, PIXEL_WIDTH, PIXEL_HEIGHT, WIDTH, HEIGHT, UNIT}
READ = {*OF_TRACKS, DURATION, ROLL, SCALE, TIMESTAMP, SIMPLE_BLOCK, BLOCK, BLOCK_DURATION}
READ_BYTES = 12  # the longest number, and the head of a block
OF_VIDEO, OF_AUDIO, IN_PIXELS, RATIO = 1, 2, 0, 3
BILLION = 10**9


@dataclass(slots=True)
class _Segment:
    """What the elements of a file say. Its times are in ticks of `scale` nanoseconds."""

    told: _Told
    scale: int = 10**6
    duration: float = 0.0
    tracks: list[dict[int, int]] = field(default_factory=list)  # of each its numbers, by their elements
    last: dict[int, int] = field(default_factory=dict)
    turned: bool = False
    cluster: int = 0
    block: int = 0
    begins: int | None = None  # the first block
    ends: int = 0

    @property
    def stated(self) -> bool:
        """Whether the head says how long it is."""
        return self.told.duration_ms is not None and not self.told.counted

    @property
    def over(self) -> bool:
        return self.stated and self.told.has_audio is not None

    def begin(self, element: int) -> None:
        if element == ENTRY:
            self.last = {}
            if len(self.tracks) < MOST_TRACKS:
                self.tracks.append(self.last)
        elif element in TOP:
            if self.duration:
                self.told.lasts(round(self.duration * self.scale), BILLION)
                self.duration = 0.0
            if self.tracks and self.told.has_audio is None:
                self._end_tracks()

    def _end_tracks(self) -> None:
        self.told.has_audio = any(each.get(TYPE) == OF_AUDIO for each in self.tracks)
        film = next((each for each in self.tracks if each.get(TYPE) == OF_VIDEO), {})
        width, height = film.get(PIXEL_WIDTH, 0), film.get(PIXEL_HEIGHT, 0)
        across, down = film.get(WIDTH) or width, film.get(HEIGHT) or height
        if film.get(UNIT, IN_PIXELS) == IN_PIXELS:
            width, height = across, down
        elif film[UNIT] == RATIO and down:
            width = (height * across + down // 2) // down
        self.told.size(*((height, width) if self.turned else (width, height)))

    def take(self, element: int, data: bytes) -> None:
        """Takes the value of an element of READ, which is not empty."""
        if element in (SIMPLE_BLOCK, BLOCK):
            self._block(data)
        elif element in OF_TRACKS:
            self.last[element] = _int(data)
        elif element == TIMESTAMP:
            self.cluster = _int(data)
        elif element == BLOCK_DURATION:
            self._count(self.block + _int(data))
        elif element == SCALE:
            self.scale = _int(data)
        elif element == DURATION:
            self.duration = _float(data)
        elif element == ROLL:
            self.turned = self.turned or round(abs(_float(data))) == 90

    def _block(self, data: bytes) -> None:
        length = _length(data[0])
        self.block = self.cluster + int.from_bytes(data[length : length + 2], "big", signed=True)
        if self.begins is None:
            self.begins = self.block
        number = _number(data[:length])
        frame = next((each.get(FRAME, 0) for each in self.tracks if each.get(NUMBER) == number), 0)
        self._count(self.block + (frame // self.scale if self.scale else 0))

    def _count(self, end: int) -> None:
        """Counts what has come, for a film of which the head does not say how long it is."""
        if end > self.ends and self.begins is not None and not self.stated:
            self.ends = end
            self.told.lasts((end - self.begins) * self.scale, BILLION, counted=True)


def _length(first: int) -> int:
    """Returns how many bytes a number has of which this is the first (RFC 8794, 4.1); more than 8 is none."""
    return 9 - first.bit_length()


def _number(data: bytes) -> int:
    """Returns the value of such a number, without the mark that says its length."""
    return _int(data) & ~(1 << 7 * len(data))


def _float(data: bytes) -> float:
    value = float(struct.unpack(">f" if len(data) == 4 else ">d", data)[0]) if len(data) in (4, 8) else 0.0
    return value if math.isfinite(value) and abs(value) < FAR else 0.0


def _matroska(told: _Told) -> Steps:
    """Walks through the elements of a file, of which the first one's id has come.

    No two kinds of elements have the same id, so it does not matter which are around one.
    """
    segment, element = _Segment(told), EBML
    while not segment.over:
        coded = yield from _coded(8)
        size = _number(coded)
        endless = size == (1 << 7 * len(coded)) - 1  # also where nothing was coded
        if element in MASTERS or element in TOP:
            segment.begin(element)
        if element in MASTERS and (endless or not (element == CLUSTER and segment.stated)):
            size = 0  # what is in it comes next
        elif endless:
            return
        elif element in READ and size:
            data = yield min(size, READ_BYTES)
            segment.take(element, data)
            size -= len(data)
        if size and not segment.over:
            yield -size
        element = _int((yield from _coded(4)))
        if element in (0, EBML):  # damage, or another film behind this one
            return


def _coded(most: int) -> Generator[int, bytes, bytes]:
    """Takes a number that says its own length; b"" for one of more than `most` bytes."""
    first = yield 1
    length = _length(first[0])
    if length > most:
        return b""
    return first + ((yield length - 1) if length > 1 else b"")
