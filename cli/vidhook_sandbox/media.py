"""Makes small real videos and images from a seed: playable, all different, of any size, without much memory."""

import hashlib
import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property, lru_cache

WIDTH, HEIGHT, SECONDS = 128, 96, 5
CHUNK = 1 << 18


@dataclass(frozen=True)
class Media:
    """One file: `head`, then zeros up to `length` bytes."""

    content_type: str
    head: bytes
    length: int

    def chunks(self) -> Iterator[bytes]:
        """Yields the bytes, in pieces of at most 256 KiB."""
        yield self.head
        rest = self.length - len(self.head)
        zeros = bytes(min(rest, CHUNK))
        while rest > 0:
            yield zeros[:rest]
            rest -= CHUNK

    @cached_property
    def sha256(self) -> str:
        """The hex digest of all the bytes."""
        digest = hashlib.sha256()
        for chunk in self.chunks():
            digest.update(chunk)
        return digest.hexdigest()


@lru_cache(256)
def video(seed: str, length: int = 0) -> Media:
    """Returns a five-second MP4 of one H.264 picture in the seed's colours, with zeros behind it up to `length` bytes.

    Without them it has about 19 kB.
    """
    frame = _h264_frame(seed)
    ftyp = _box(b"ftyp", b"isom", _u32(512), b"isomiso2avc1mp41")
    # moov contains the offset of the frame, which depends on moov's own length, so moov is made twice.
    before = len(ftyp) + len(_moov(len(frame), 0))
    length = max(length, before + 16 + len(frame))
    # Size 1 says that 64 bits of size follow the type (ISO/IEC 14496-12, 4.2).
    mdat = struct.pack(">I4sQ", 1, b"mdat", length - before) + frame
    return Media("video/mp4", ftyp + _moov(len(frame), before + 16) + mdat, length)


@lru_cache(256)
def image(seed: str) -> Media:
    """Returns a PNG of 64 x 64 pixels in the seed's colour."""
    row = b"\0" + hashlib.sha256(seed.encode()).digest()[:3] * 64

    def chunk(kind: bytes, data: bytes) -> bytes:
        return _u32(len(data)) + kind + data + _u32(zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", 64, 64, 8, 2, 0, 0, 0)
    png = b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(row * 64)) + chunk(b"IEND", b"")
    return Media("image/png", png, len(png))


# H.264 without compression (ITU-T H.264, 7.3.5): each macroblock is I_PCM, a fixed header and plain samples.
SPS = bytes.fromhex("6742000af841a2")
PPS = bytes.fromhex("68ce3880")
SLICE_HEADER = bytes.fromhex("6588840868")
MACROBLOCK_HEADER = bytes.fromhex("0d00")
STOP_BIT = b"\x80"


def _h264_frame(seed: str) -> bytes:
    """Returns one IDR slice after its length, as MP4 needs it: a pattern of squares in the seed's colours."""
    noise = hashlib.sha256(seed.encode()).digest()
    columns, rows = WIDTH // 16, HEIGHT // 16
    macroblocks = []
    for block in range(columns * rows):
        x, y = block % columns, block // columns
        # Samples are 16 or more, since a run of zeros would need escaping.
        luma = bytes(16 + (8 * (x + y) + 4 * line + noise[block % 32] // 4) % 220 for line in range(16))
        chroma = bytes((16 + noise[x] % 220,)) * 64 + bytes((16 + noise[8 + y] % 220,)) * 64
        macroblocks.append(b"".join(luma[line : line + 1] * 16 for line in range(16)) + chroma)
    slice_ = SLICE_HEADER + MACROBLOCK_HEADER.join(macroblocks) + STOP_BIT
    return _u32(len(slice_)) + slice_


def _moov(frame_length: int, frame_offset: int) -> bytes:
    """Returns the movie's index: one track, one sample that lasts SECONDS; its times are milliseconds."""
    duration = SECONDS * 1000
    matrix = struct.pack(">9I", 0x10000, 0, 0, 0, 0x10000, 0, 0, 0, 0x40000000)
    avcc = _box(
        b"avcC", bytes((1, *SPS[1:4], 0xFF, 0xE1)), _u16(len(SPS)), SPS, b"\1", _u16(len(PPS)), PPS
    )  # ISO/IEC 14496-15, 5.3.3
    avc1 = _box(
        b"avc1",
        bytes(6) + _u16(1) + bytes(16) + _u16(WIDTH) + _u16(HEIGHT),
        _u32(0x480000) * 2 + bytes(4) + _u16(1) + bytes(32) + _u16(24) + b"\xff\xff",
        avcc,
    )
    stbl = _box(
        b"stbl",
        _box(b"stsd", bytes(4), _u32(1), avc1),
        _box(b"stts", bytes(4), _u32(1), _u32(1), _u32(duration)),
        _box(b"stsc", bytes(4), _u32(1), _u32(1), _u32(1), _u32(1)),
        _box(b"stsz", bytes(4), _u32(0), _u32(1), _u32(frame_length)),
        _box(b"stco", bytes(4), _u32(1), _u32(frame_offset)),
    )
    minf = _box(
        b"minf",
        _box(b"vmhd", _u32(1), bytes(8)),
        _box(b"dinf", _box(b"dref", bytes(4), _u32(1), _box(b"url ", _u32(1)))),
        stbl,
    )
    mdia = _box(
        b"mdia",
        _box(b"mdhd", bytes(12), _u32(1000), _u32(duration), _u16(0x55C4), bytes(2)),
        _box(b"hdlr", bytes(8), b"vide", bytes(12), b"sample\0"),
        minf,
    )
    tkhd = _box(
        b"tkhd",
        _u32(3) + bytes(8) + _u32(1) + bytes(4) + _u32(duration),
        bytes(16) + matrix + _u32(WIDTH << 16) + _u32(HEIGHT << 16),
    )
    mvhd = _box(
        b"mvhd",
        bytes(12) + _u32(1000) + _u32(duration) + _u32(0x10000) + _u16(0x100) + bytes(10),
        matrix + bytes(24) + _u32(2),
    )
    return _box(b"moov", mvhd, _box(b"trak", tkhd, mdia))


def _box(kind: bytes, *parts: bytes) -> bytes:
    payload = b"".join(parts)
    return _u32(len(payload) + 8) + kind + payload


def _u32(number: int) -> bytes:
    return number.to_bytes(4, "big")


def _u16(number: int) -> bytes:
    return number.to_bytes(2, "big")
