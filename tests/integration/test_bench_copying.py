"""The bench of copies measures what it says: whole files, the parts that are asked for, lines that lose nothing."""

from collections.abc import Iterator
from urllib.request import Request, urlopen

import pytest

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
