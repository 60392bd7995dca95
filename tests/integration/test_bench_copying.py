"""The bench of copies measures what it says: whole files, the parts that are asked for, lines that lose nothing."""

from collections.abc import Iterator
from typing import Any
from urllib.request import Request, urlopen

import boto3
import pytest
from botocore.exceptions import ClientError

from bench.copying_world import FILM, LINES, World

SIZE = 300_000


@pytest.fixture(scope="module")
def world() -> Iterator[World]:
    running = World()
    yield running
    running.close()


@pytest.mark.parametrize("line", LINES)
@pytest.mark.parametrize("query", ["", "?chunked", "?plain"])
def test_a_line_brings_the_whole_film(world: World, line: str, query: str) -> None:
    """A figure for half a file would be worth nothing."""
    world.counted()
    with urlopen(f"{world.urls(line)[0]}/{SIZE}{query}") as answer:
        assert answer.read() == FILM[:SIZE]
        assert (answer.headers["Content-Length"] is None) is (query == "?chunked")
    assert world.counted()[0] == SIZE


def test_a_part_is_the_part_that_was_asked_for(world: World) -> None:
    """And where there are no ranges, the whole comes."""
    for query, body in (("", FILM[1_000:2_000]), ("?plain", FILM[:SIZE])):
        asked = Request(f"{world.urls('free')[0]}/{SIZE}{query}", headers={"Range": "bytes=1000-1999"})
        with urlopen(asked) as answer:
            assert answer.read() == body


@pytest.mark.parametrize("line", LINES)
def test_what_s3_is_sent_is_counted(world: World, line: str) -> None:
    """So a copy that stores less than the film is found out."""
    world.counted()
    with urlopen(Request(f"{world.urls(line)[1]}/videos/v.mp4", data=FILM[:SIZE], method="PUT")) as answer:
        assert answer.status == 200
    assert world.counted()[1] == SIZE


def test_s3_knows_the_parts_of_an_upload_and_reads_back_what_was_made_of_them(world: World) -> None:
    """A copy that goes on in another invocation asks for both."""
    videos = boto3.client("s3", endpoint_url=world.urls("free")[1], aws_access_key_id="a", aws_secret_access_key="b")
    place: Any = {"Bucket": "videos", "Key": "v.mp4"}
    upload = {**place, "UploadId": videos.create_multipart_upload(**place)["UploadId"]}
    for number in (2, 1):
        videos.upload_part(**upload, PartNumber=number, Body=FILM[: 10 * number])
    parts = videos.list_parts(**upload)["Parts"]
    assert [(part["PartNumber"], part["Size"]) for part in parts] == [(1, 10), (2, 20)]
    with pytest.raises(ClientError, match="404"):
        videos.head_object(**place)
    made: Any = {"Parts": [{"PartNumber": part["PartNumber"], "ETag": part["ETag"]} for part in parts]}
    videos.complete_multipart_upload(**upload, MultipartUpload=made)
    assert videos.get_object(**place)["Body"].read() == FILM[:30]
