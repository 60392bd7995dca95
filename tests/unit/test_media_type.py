"""What is stored is a video or an image, under a key that follows from the task."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vidhook.errors import BrokenDownload
from vidhook.store import key_of, media_type
from vidhook.task import Source, Submission, Watch

HEADS = [
    (b"\x00\x00\x00\x18ftypmp42", "video/mp4"),
    (b"\x00\x00\x00\x20ftypisom", "video/mp4"),
    (b"\x00\x00\x00\x14ftypqt  ", "video/quicktime"),
    (b"\x00\x00\x00\x14moov....", "video/quicktime"),
    (b"\x00\x00\x00\x1cftypavif", "image/avif"),
    (b"\x1aE\xdf\xa3\x01\x00", "video/webm"),
    (b"RIFF\x00\x00\x00\x00AVI LIST", "video/x-msvideo"),
    (b"RIFF\x00\x00\x00\x00WEBPVP8 ", "image/webp"),
    (b"\x89PNG\r\n\x1a\n", "image/png"),
    (b"\xff\xd8\xff\xe0", "image/jpeg"),
    (b"GIF89a", "image/gif"),
]
UNKNOWN = b"\x01\x02\x03\x04 some codec of tomorrow"


@pytest.mark.parametrize(("head", "kind"), HEADS)
@pytest.mark.parametrize("declared", [None, "video/mp4", "text/html", "application/octet-stream"])
def test_the_bytes_are_trusted_over_the_header(head: bytes, kind: str, declared: str | None) -> None:
    """Storage hosts often declare every file as octet-stream, and some declare a video as text."""
    assert media_type(head, declared, "video") == kind


@pytest.mark.parametrize(
    ("declared", "kind"),
    [
        ("video/x-tomorrow", "video/x-tomorrow"),
        ("Image/HEIC; charset=binary", "image/heic"),
        ("application/octet-stream", "application/octet-stream"),
        ("binary/octet-stream", "application/octet-stream"),
        (None, "application/octet-stream"),
    ],
)
def test_bytes_we_do_not_know_are_what_the_header_says(declared: str | None, kind: str) -> None:
    """A video in a new format must not be refused."""
    assert media_type(UNKNOWN, declared, "video") == kind


@pytest.mark.parametrize(
    ("head", "declared"),
    [
        (b"<!DOCTYPE html>", "text/html"),
        (b"<?xml version='1.0'?><Error><Code>AccessDenied</Code>", "application/xml"),
        (b'{"error": "expired"}', "application/json"),
        (b'  \n {"error": "expired"}', "video/mp4"),
        (b"<html>", "video/mp4"),
        (b"[]", None),
        (b"", "video/mp4"),
        (UNKNOWN, "text/plain"),
        (UNKNOWN, "application/json"),
    ],
)
def test_an_error_page_is_no_video_whatever_its_status_and_header(head: bytes, declared: str | None) -> None:
    """An expired link may answer 200 with an error page, which must not be stored and published as a video."""
    with pytest.raises(BrokenDownload):
        media_type(head, declared, "video")


@given(head=st.binary(max_size=64), declared=st.none() | st.text(max_size=30))
def test_every_file_has_a_type_or_is_refused(head: bytes, declared: str | None) -> None:
    """Any bytes and any header lead to a content type or to BrokenDownload, never to another error."""
    try:
        kind = media_type(head, declared, "video")
    except BrokenDownload:
        return
    assert kind.startswith(("video/", "image/")) or kind == "application/octet-stream"


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
