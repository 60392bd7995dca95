"""What is stored is the film or the image that was made, by its bytes, under a key that follows from the task."""

import base64
import re
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vidhook.errors import BrokenDownload, NotTheFile, Playlist
from vidhook.media import SNIFF_BYTES, inline_file, media_type
from vidhook.store import key_of
from vidhook.task import Source, Submission, Watch


def packets(size: int, before: bytes = b"") -> bytes:
    """The beginning of an MPEG transport stream whose packets have so many bytes."""
    return ((before + b"G@\x11\x10\x00B\xf0%").ljust(size, b"\xff") * 3)[:SNIFF_BYTES]


FILMS = [
    (b"\x00\x00\x00\x18ftypmp42", "video/mp4"),
    (b"\x00\x00\x00\x20ftypisom", "video/mp4"),
    (b"\x00\x00\x00\x14ftypqt  ", "video/quicktime"),
    (b"\x00\x00\x00\x14moov....", "video/quicktime"),
    (b"\x00\x00\x00\x08wide\x00\x12\x34\x56mdat", "video/quicktime"),
    (b"\x00\x00\x10\x00free....", "video/quicktime"),
    (b"\x00\x00\x10\x00skip....", "video/quicktime"),
    (b"\x00\x00\x00\x14pnot....", "video/quicktime"),
    (b"\x31\x32\x33\x34mdat\x00\x01\x02\x03", "video/quicktime"),
    (b"\x1aE\xdf\xa3\x01\x00", "video/webm"),
    (b"\x1aE\xdf\xa3\x9fB\x86\x81\x01B\x82\x88matroska", "video/x-matroska"),
    (b"RIFF\x00\x00\x00\x00AVI LIST", "video/x-msvideo"),
    (packets(188), "video/mp2t"),
    (packets(192, b"\x00\x01\x02\x03"), "video/mp2t"),
    (packets(204), "video/mp2t"),
    (b"\x00\x00\x01\xbaD\x00\x04\x00", "video/mpeg"),
    (b"\x00\x00\x01\xb3\x14\x00\xf0", "video/mpeg"),
    (b"FLV\x01\x05\x00\x00\x00\x09", "video/x-flv"),
    (b"OggS\x00\x02", "video/ogg"),
    (b"\x30\x26\xb2\x75\x8e\x66\xcf\x11\xa6\xd9", "video/x-ms-asf"),
]
IMAGES = [
    (b"\x00\x00\x00\x1cftypavif", "image/avif"),
    (b"\x00\x00\x00\x1cftypmif1\x00\x00\x00\x00avifmif1", "image/avif"),
    (b"\x00\x00\x00\x18ftypheic", "image/heic"),
    (b"\x00\x00\x00\x18ftypmif1", "image/heif"),
    (b"RIFF\x00\x00\x00\x00WEBPVP8 ", "image/webp"),
    (b"\x89PNG\r\n\x1a\n", "image/png"),
    (b"\xff\xd8\xff\xe0", "image/jpeg"),
    (b"GIF89a", "image/gif"),
    (b"GIF87a", "image/gif"),
    (b"BM\x36\x00\x0c\x00\x00\x00\x00\x00\x36\x00", "image/bmp"),
    (b"II*\x00\x08\x00\x00\x00", "image/tiff"),
    (b"MM\x00*\x00\x00\x00\x08", "image/tiff"),
    (b"\xff\x0a\xfa\x7f", "image/jxl"),
    (b"\x00\x00\x00\x0cJXL \r\n\x87\n", "image/jxl"),
    (b"\x00\x00\x00\x0cjP  \r\n\x87\n", "image/jp2"),
    (b"\x00\x00\x01\x00\x01\x00\x10\x10", "image/x-icon"),
    (b"8BPS\x00\x01\x00\x00", "image/vnd.adobe.photoshop"),
]
OTHERS = [
    b"%PDF-1.7\n%\xe2\xe3\xcf\xd3",
    b"PK\x03\x04\x14\x00\x00\x00",
    b"PK\x05\x06" + bytes(18),
    b"\x1f\x8b\x08\x00\x00\x00\x00\x00",
    b"Rar!\x1a\x07\x01\x00",
    b"7z\xbc\xaf\x27\x1c\x00\x04",
    b"RIFF\x24\x08\x00\x00WAVEfmt ",
    b"ID3\x04\x00\x00",
    b"fLaC\x00\x00\x00\x22",
    b"\x00\x00\x00\x18ftypM4A ",
    b"\xff\xfb\x90\x64\x00\x0f\xf0\x00",
    b"\xff\xf3\x44\xc4\x00\x00\x00\x03",
    b"\xff\xf1\x50\x80\x03\xdf\xfc\xde",
    b"OggS\x00\x02" + bytes(20) + b"\x01\x13OpusHead",
    b"\xfd7zXZ\x00\x00\x04",
    b"#!AMR\n\x3c\x91",
    b"FORM\x00\x01\x00\x00AIFFCOMM",
    b"\r\n%PDF-1.4\n\xe2\xe3",
    b"PK\x07\x08PK\x03\x04",
    b"BZh91AY&SY\x00\x01",
    b"\x28\xb5\x2f\xfd\x24\x00",
    b"video.mp4".ljust(257, b"\x00") + b"ustar\x0000",
]
PROSE = "Your video is being made. Please come back later."
TEXTS = [
    b"<!DOCTYPE html>",
    b"<html>",
    b"<?xml version='1.0'?><Error><Code>AccessDenied</Code>",
    b'\xef\xbb\xbf<?xml version="1.0"?><Error/>',
    b'{"error": "expired"}',
    b'  \n {"error": "expired"}',
    b"[]",
    b'"expired"',
    b"null",
    b"404",
    PROSE.encode(),
    "Das Vídeo ist 还没有 fertig".encode(),
    "Das Video ist noch nicht für Sie fertig".encode("latin-1"),
    PROSE.encode("utf-16"),
    PROSE.encode("utf-16-le"),
    PROSE.encode("utf-16-be"),
    b"\xfe\xff" + PROSE.encode("utf-16-be"),
    b"data: {}\n\nevent: progress\ndata: 47\n\n",
    b": keep-alive\n\n",
    b"retry: 3000\nid: 1\ndata: x\n\n",
    b"-----BEGIN CERTIFICATE-----",
    b"a skip of this word, and free and wide and moov",
    b"the free film is at https://example.com",
    b"Get mdat, or moov.",
    b"   \r\n\t ",
    b"<svg xmlns='http://www.w3.org/2000/svg'/>",
    b"G" * SNIFF_BYTES,
    PROSE.encode() + b"\x00",
    b"Not found\x00",
    b"Your video \x00 is being made.\x1b[0m" + PROSE.encode(),
    *(
        code.encode("utf-16-le")
        for code in (
            "\u89c6\u9891\u6b63\u5728\u751f\u6210\u4e2d\uff0c\u8bf7\u7a0d\u540e\u518d\u8bd5",
            "\u0412\u0438\u0434\u0435\u043e \u0433\u043e\u0442\u043e\u0432\u0438\u0442\u0441\u044f",
        )
    ),
    PROSE.encode("utf-32-le"),
    PROSE.encode("utf-32-be"),
]
PLAYLISTS = [
    (b"#EXTM3U\n#EXT-X-VERSION:3\n", "application/octet-stream"),
    (b"\xef\xbb\xbf\r\n#EXTM3U\n", None),
    (b'<?xml version="1.0"?>\n<MPD xmlns="urn:mpeg:dash:schema:mpd:2011">', "video/mp4"),
    (b"# a list\nhttps://cdn.example/1.ts\n", "application/vnd.apple.mpegurl"),
    (b"#EXT\n", "Audio/x-mpegURL; charset=utf-8"),
]
DECLARED = [None, "video/mp4", "image/png", "text/html", "application/octet-stream"]
UNKNOWN = b"\x01\x02\x03\x04 some codec of tomorrow" + bytes(range(256))


@pytest.mark.parametrize(
    ("head", "kind", "expected"),
    [*((head, kind, "video") for head, kind in FILMS), *((head, kind, "image") for head, kind in IMAGES)],
)
@pytest.mark.parametrize("declared", DECLARED)
def test_the_bytes_are_trusted_over_the_header(head: bytes, kind: str, expected: str, declared: str | None) -> None:
    """Storage hosts often declare every file as octet-stream, and some declare a video as text."""
    assert media_type(head, declared, expected) == kind


@pytest.mark.parametrize("head", [head for head, _ in IMAGES])
@pytest.mark.parametrize("declared", DECLARED)
def test_an_image_is_not_the_film(head: bytes, declared: str | None) -> None:
    """Some hosts give a placeholder while the film is being made, with the status and the type of the film."""
    with pytest.raises(NotTheFile, match=r"gives image/.*, not the video"):
        media_type(head, declared, "video")


@pytest.mark.parametrize("head", [head for head, _ in FILMS])
@pytest.mark.parametrize("declared", DECLARED)
def test_a_film_is_not_the_image(head: bytes, declared: str | None) -> None:
    """Nor the other way round."""
    with pytest.raises(NotTheFile, match=r"gives video/.*, not the image"):
        media_type(head, declared, "image")


@pytest.mark.parametrize("head", [*TEXTS, *OTHERS])
@pytest.mark.parametrize("declared", DECLARED)
@pytest.mark.parametrize("expected", ["video", "image"])
def test_text_and_documents_are_neither_whatever_their_header(head: bytes, declared: str | None, expected: str) -> None:
    """An expired link may answer 200 with an error page, in any form and encoding."""
    with pytest.raises(NotTheFile) as caught:
        media_type(head, declared, expected)
    assert caught.value.kind == "content"


@pytest.mark.parametrize(("head", "declared"), PLAYLISTS)
def test_a_playlist_is_told_as_one(head: bytes, declared: str | None) -> None:
    """It will not turn into the film, so it must not look like something that may."""
    with pytest.raises(Playlist) as caught:
        media_type(head, declared, "video")
    assert caught.value.kind == "playlist"


@pytest.mark.parametrize("expected", ["video", "image"])
def test_an_empty_file_is_neither(expected: str) -> None:
    """It says nothing, and would be stored with its hash. Hosts make room with zeros for what is still uploaded."""
    with pytest.raises(NotTheFile, match="empty"):
        media_type(b"", f"{expected}/mp4", expected)
    with pytest.raises(NotTheFile, match="zeros"):
        media_type(bytes(SNIFF_BYTES), f"{expected}/mp4", expected)


@pytest.mark.parametrize(
    ("declared", "expected", "kind"),
    [
        ("video/x-tomorrow", "video", "video/x-tomorrow"),
        ("Image/JXL; charset=binary", "image", "image/jxl"),
        ("application/octet-stream", "video", "application/octet-stream"),
        ("binary/octet-stream", "image", "application/octet-stream"),
        (None, "video", "application/octet-stream"),
    ],
)
def test_bytes_we_do_not_know_are_what_the_header_says(declared: str | None, expected: str, kind: str) -> None:
    """A video in a new format must not be refused."""
    assert media_type(UNKNOWN, declared, expected) == kind


@pytest.mark.parametrize(
    ("declared", "expected"),
    [("text/plain", "video"), ("application/json", "video"), ("image/png", "video"), ("video/mp4", "image")],
)
def test_bytes_we_do_not_know_under_another_type_are_neither(declared: str, expected: str) -> None:
    """Nothing says that they are what was made."""
    with pytest.raises(NotTheFile):
        media_type(UNKNOWN, declared, expected)


@given(
    head=st.binary(max_size=600) | st.text(max_size=300).map(str.encode),
    declared=st.none() | st.text(max_size=30) | st.sampled_from(DECLARED),
    expected=st.sampled_from(["video", "image"]),
)
def test_every_file_has_a_type_or_is_refused(head: bytes, declared: str | None, expected: str) -> None:
    """Any bytes and any header lead to a content type or to BrokenDownload, never to another error."""
    try:
        kind = media_type(head, declared, expected)
    except BrokenDownload:
        return
    assert kind.startswith(f"{expected}/") or kind == "application/octet-stream"


@given(st.text(st.characters(exclude_categories=["Cc", "Cs"]), min_size=1, max_size=400), st.sampled_from(DECLARED))
def test_no_prose_is_a_film(text: str, declared: str | None) -> None:
    """In no language."""
    head = text.encode()
    if not any(head.startswith(magic) for magic in (b"GIF8", b"%PDF-", b"ID3", b"fLaC")):
        with pytest.raises(NotTheFile, match="text"):
            media_type(head, declared, "video")


CONTENT = b"\x00\x00\x00\x18ftypmp42" + bytes(range(256))
PACKED = base64.b64encode(CONTENT).decode()


@pytest.mark.parametrize(
    "url",
    [
        f"data:video/mp4;base64,{PACKED}",
        f"data:video/mp4;codecs=avc1;base64,{PACKED.rstrip('=')}",
        f"data:Video/MP4; BASE64 ,{PACKED[:100]}\n{PACKED[100:]}\r\n",
        f"data:video/mp4;base64,{base64.urlsafe_b64encode(CONTENT).decode()}",
        f"data:video/mp4;base64,{quote(PACKED, safe='')}",
        f"data:video/mp4,{quote(CONTENT)}",
    ],
)
def test_a_file_in_an_answer_is_decoded(url: str) -> None:
    """As RFC 2397 says, and as people write it."""
    assert inline_file(url) == ("video/mp4", CONTENT)


@pytest.mark.parametrize("url", ["data:video/mp4;base64", "data:", "data:video/mp4;base64,%%%", "data:;base64,abcde"])
def test_a_file_that_cannot_be_decoded_is_none(url: str) -> None:
    """Providers cut long texts in their answers."""
    with pytest.raises(BrokenDownload, match="cannot be decoded"):
        inline_file(url)


@given(st.text(max_size=60).map("data:".__add__) | st.text(max_size=60).map("data:video/mp4;base64,".__add__))
def test_any_text_is_decoded_or_refused(url: str) -> None:
    """A provider may write anything behind "data:"."""
    try:
        inline_file(url)
    except BrokenDownload:
        return


@pytest.mark.parametrize(
    ("url", "kind", "extension"),
    [
        ("https://cdn.example/a/v.mp4?sig=x.mov", "video", ".mp4"),
        ("https://cdn.example/v.WEBM", "video", ".webm"),
        ("https://cdn.example/v.mp4", "image", ".png"),
        ("https://cdn.example/i.jpeg", "image", ".jpeg"),
        ("https://cdn.example/v.exe", "video", ".mp4"),
        ("https://cdn.example/content", "video", ".mp4"),
        ("https://cdn.example/%2e%2e/%2e%2e/x.mp4/..", "video", ".mp4"),
        ("data:video/webm;base64", "video", ".mp4"),
    ],
)
def test_a_keys_extension_is_one_we_know(url: str, kind: str, extension: str) -> None:
    """A provider's link can choose nothing but a known extension of our key."""
    watch = Watch(Submission("acme", "t"), 0.0)
    assert key_of(watch, Source("result", kind, url)) == f"acme/{watch.id}/result{extension}"


@given(path=st.text(max_size=40), task_id=st.text(min_size=1, max_size=40))
def test_a_key_follows_from_the_task_and_needs_no_escaping(path: str, task_id: str) -> None:
    """A second try must find the stored video of the first one, and no task may have another task's key."""
    watch = Watch(Submission("acme", task_id), 0.0)
    key = key_of(watch, Source("result", "video", f"https://cdn.example/{path}"))
    assert re.fullmatch(rf"acme/{watch.id}/result\.(mp4|webm|mov|mkv|avi)", key)


@pytest.mark.parametrize("declared", ["video/\xe9", "video/x y", "video/" + "x" * 3_000])
def test_a_declared_type_that_s3_does_not_take_is_none(declared: str) -> None:
    """Else the file could not be stored, whose bytes nobody doubts."""
    assert media_type(b"\x01\x02\x03new format", declared, "video") == "application/octet-stream"
