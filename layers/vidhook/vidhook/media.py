"""Says what a file is, by the bytes that it begins with: the film or the image that was made, or something else.

The signatures are those of https://mimesniff.spec.whatwg.org, and of the formats' own specifications for what it lacks.
"""

import base64
import binascii
import codecs
import re
from urllib.parse import unquote_to_bytes

from vidhook.errors import BrokenDownload, NotTheFile, Playlist

SNIFF_BYTES = 512
SIGNATURES = (  # offset, bytes at this offset, media type
    (0, b"\x89PNG\r\n\x1a\n", "image/png"),
    (0, b"\xff\xd8\xff", "image/jpeg"),
    (0, b"GIF87a", "image/gif"),
    (0, b"GIF89a", "image/gif"),
    (0, b"\0\0\1\xba", "video/mpeg"),
    (0, b"\0\0\1\xb3", "video/mpeg"),
    (0, b"FLV\1", "video/x-flv"),
    (0, b"\x30\x26\xb2\x75\x8e\x66\xcf\x11", "video/x-ms-asf"),
    (0, b"%PDF-", "application/pdf"),
    (0, b"PK\3\4", "application/zip"),
    (0, b"PK\5\6", "application/zip"),
    (0, b"PK\7\x08", "application/zip"),
    (0, b"\x1f\x8b", "application/gzip"),
    (0, b"Rar!\x1a\7", "application/x-rar-compressed"),
    (0, b"7z\xbc\xaf\x27\x1c", "application/x-7z-compressed"),
    (0, b"\xfd7zXZ\0", "application/x-xz"),
    (0, b"BZh", "application/x-bzip2"),
    (0, b"\x28\xb5\x2f\xfd", "application/zstd"),
    (257, b"ustar", "application/x-tar"),
    (0, b"ID3", "audio/mpeg"),
    (0, b"fLaC", "audio/flac"),
    (0, b"#!AMR", "audio/amr"),
    (0, b"II*\0", "image/tiff"),
    (0, b"MM\0*", "image/tiff"),
    (0, b"\0\0\1\0", "image/x-icon"),
    (0, b"8BPS\0\1", "image/vnd.adobe.photoshop"),
    (0, b"\xff\x0a", "image/jxl"),
    (0, b"\0\0\0\x0cJXL ", "image/jxl"),
    (0, b"\0\0\0\x0cjP  ", "image/jp2"),
)
PATTERNS = (
    (rb"BM.{4}\0{4}", "image/bmp"),
    (rb"OggS.{22,60}(?:OpusHead|\x01vorbis|Speex  |\x7fFLAC)", "audio/ogg"),
    (rb"FORM.{4}AIF[FC]", "audio/aiff"),
    (rb"\s{1,100}%PDF-", "application/pdf"),
    (rb"OggS\0", "video/ogg"),
    (rb"RIFF.{4}WEBP", "image/webp"),
    (rb"RIFF.{4}AVI ", "video/x-msvideo"),
    (rb"RIFF.{4}WAVE", "audio/wave"),
    (rb"\x1aE\xdf\xa3.*matroska", "video/x-matroska"),
    (rb"\x1aE\xdf\xa3", "video/webm"),
)
# The first box of a file of the MP4 family; `ftyp` has a brand.
BOXES = {b"moov", b"mdat", b"free", b"skip", b"wide", b"pnot"}
BRANDS = {b"avif": "image/avif", b"avis": "image/avif", b"mif1": "image/heif", b"msf1": "image/heif"}
BRANDS |= dict.fromkeys((b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx"), "image/heic")
BRANDS |= {b"qt  ": "video/quicktime", b"M4A ": "audio/mp4", b"M4B ": "audio/mp4"}
PACKETS = (188, 192, 204)  # bytes of one packet of an MPEG transport stream; with 192 each begins with a time
MARKS = (b"\xef\xbb\xbf", b"\xfe\xff", b"\xff\xfe")  # of Unicode
BINARY = re.compile(rb"[\x00-\x08\x0b\x0e-\x1a\x1c-\x1f]")
# Of a text, with the damage of a wrong encoding or a cut, at most so many bytes are those of binary files only.
ODD_IN_TEXT = 0.05
# Half of all pairs of bytes are a letter of UTF-16, so a few of them show nothing.
WIDE, WIDE_BYTES = ("utf-16-le", "utf-16-be", "utf-32-le", "utf-32-be"), 24
LETTERS = re.compile(r"[\s!-~\xa0-\u06ff\u2000-\u206f\u3000-\u30ff\u4e00-\u9fff\uac00-\ud7a3\uff00-\uffef]+")
UNSAID = ("", "application/octet-stream", "binary/octet-stream")
SENDABLE = re.compile(r"[!-~]{1,100}")  # in a header to S3; what a host declares may be anything
PLAYLIST_TYPES = re.compile(r"(application|audio)/(vnd\.apple\.mpegurl|(x-)?mpegurl|dash\+xml)")
PLAYLIST_ENDS = (".m3u8", ".m3u", ".mpd")


def media_type(head: bytes, declared: str | None, expected: str) -> str:
    """Returns the content type of a file that begins with `head`, if it is what is `expected`: `video` or `image`.

    What its bytes say counts more than the `declared` type. Bytes that nobody knows are a new format: they are taken
    under a declared type of the expected kind, or under none. Text never is. Raises NotTheFile for anything else, such
    as an error page or a placeholder with status 200, and Playlist for a list of pieces.
    """
    if not head:
        raise NotTheFile(f"the file is empty, and not the {expected}")
    name = (declared or "").partition(";")[0].strip().lower()
    if not head.strip(b"\0"):
        raise NotTheFile(f"the file begins with zeros only, and is not the {expected}")
    kind = known_type(head) or ("text" if _is_text(head) or _may_be_text(head) else name)
    if kind == "text":
        _check_playlist(head, name)
    elif kind in UNSAID:
        return "application/octet-stream"
    elif kind.startswith(f"{expected}/"):
        return kind if SENDABLE.fullmatch(kind) else UNSAID[1]
    raise NotTheFile(f"the source gives {kind}, not the {expected}")


def inline_file(url: str) -> tuple[str, bytes]:
    """Returns the declared type and the bytes of a `data:` URL (RFC 2397). Raises BrokenDownload if it has none."""
    head, comma, data = url.removeprefix("data:").partition(",")
    kind, *parameters = (part.strip().lower() for part in head.split(";"))
    content = unquote_to_bytes(data)
    if "base64" in parameters:
        # Also in the alphabet of URLs, with line breaks, and without the padding at its end.
        packed = re.sub(rb"\s", b"", content).translate(bytes.maketrans(b"-_", b"+/")).rstrip(b"=")
        try:
            content = base64.b64decode(packed + b"=" * (-len(packed) % 4), validate=True)
        except binascii.Error:
            comma = ""
    if not comma:
        raise BrokenDownload("the file in the provider's answer cannot be decoded")
    return kind, content


def known_type(head: bytes) -> str | None:
    """Returns the media type that the bytes say, None if they say none."""
    plain = (kind for offset, magic, kind in SIGNATURES if head.startswith(magic, offset))
    others = (kind for pattern, kind in PATTERNS if re.match(pattern, head, re.DOTALL))
    return next(plain, None) or next(others, None) or _in_boxes_or_frames(head)


def _in_boxes_or_frames(head: bytes) -> str | None:
    if _is_sound(head):
        return "audio/mpeg"
    # The names of boxes are words, so a text could have one in this place; the size before it is binary.
    if head[4:8] == b"ftyp" and not _is_text(head):
        kind = BRANDS.get(head[8:12], "video/mp4")
        return "image/avif" if kind == "image/heif" and b"avif" in head else kind
    if head[4:8] in BOXES and not _is_text(head):
        return "video/quicktime"
    if any(_is_sync(head, size) for size in PACKETS) and not _is_text(head):
        return "video/mp2t"
    return None


def _is_sync(head: bytes, size: int) -> bool:
    first = 4 if size == 192 else 0
    syncs = head[first::size]
    return len(syncs) > 1 and not syncs.strip(b"G")


def _is_sound(head: bytes) -> bool:
    """Whether it begins with a frame of MPEG audio or AAC, whose head has no reserved value."""
    if len(head) < 4 or head[0] != 0xFF or not 0xE0 <= head[1] < 0xFE:
        return False
    version, layer = head[1] >> 3 & 3, head[1] >> 1 & 3
    if layer == 0:
        return head[1] & 0xF0 == 0xF0
    return version != 1 and head[2] >> 4 not in (0, 15) and head[2] >> 2 & 3 != 3


def _may_be_text(head: bytes) -> bool:
    """Whether bytes of no known file are a damaged text, or one in UTF-16 or UTF-32 without a mark."""
    text = head.rstrip(b"\0")
    if len(BINARY.findall(text)) <= ODD_IN_TEXT * len(text) and _is_utf8(text):
        return True
    content = head[: len(head) // 4 * 4]
    return len(content) >= WIDE_BYTES and any(LETTERS.fullmatch(content.decode(code, "replace")) for code in WIDE)


def _is_utf8(head: bytes) -> bool:
    try:
        return bool(codecs.getincrementaldecoder("utf-8")().decode(head))  # the last letter may be cut
    except UnicodeDecodeError:
        return False


def _is_text(head: bytes) -> bool:
    """Whether it is text in any encoding: it has a mark of Unicode, or no byte that only binary files have."""
    if head.startswith(MARKS) or not BINARY.search(head):
        return True
    # UTF-16 without a mark: every second byte of it is zero where the letters are Latin.
    halves = head[::2], head[1::2]
    return any(
        zeros and not zeros.strip(b"\0") and not BINARY.search(letters) for letters, zeros in (halves, halves[::-1])
    )


def _check_playlist(head: bytes, declared: str) -> None:
    """Raises Playlist if a text is one of HLS or DASH."""
    text = head.removeprefix(MARKS[0]).lstrip()
    if text.startswith(b"#EXTM3U") or b"<MPD" in text or PLAYLIST_TYPES.fullmatch(declared):
        raise Playlist("the source gives a playlist, which is a list of pieces and not one file")
