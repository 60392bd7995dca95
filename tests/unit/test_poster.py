"""The picture that stands for a film is told as an asset of its own, and nothing else is taken for it."""

import base64
import json
import time
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vidhook.providers.file import Provider, bundled, parse
from vidhook.providers.reading import inline_in, read
from vidhook.task import Source

RECORDED = Path(__file__).parents[2] / "events" / "providers"
FILM, COVER = "https://cdn.example/a.mp4", "https://img.example/8f3a"  # the cover's link shows nothing of what it is
INPUT = "https://up.example/me.jpg"
GENERIC = 'name = "own"\nbase_url = "https://api.own.example"\nformat = "generic"\n'
STRICT = 'name = "own"\nbase_url = "https://api.own.example"\npath = "/t/{task_id}"\n[answer]\nstatus = "status"\n'


def sources(answer: dict[str, Any], text: str = GENERIC, provider: Provider | None = None) -> dict[str, Source]:
    """The sources that are read of a completed task, by role."""
    body = json.dumps({"id": "t1", "status": "succeeded", **answer}).encode()
    reading = read(
        provider or parse(text), status=200, headers={}, body=body, task_id="t1", age_seconds=300.0, now=1_777_288_000.0
    )
    assert reading.snapshot is not None
    return {source.role: source for source in reading.snapshot.sources}


def poster(answer: dict[str, Any], text: str = GENERIC) -> str | None:
    found = sources(answer, text)
    assert found["result"].url == FILM
    return found["poster"].url if "poster" in found else None


@pytest.mark.parametrize(
    "answer",
    [
        {"video_url": FILM, "cover_url": COVER},
        {"video_url": FILM, "thumbnail_url": COVER, "gif_url": "https://r.example/g.gif"},
        {"videoUrl": FILM, "videoPoster": COVER},
        {"output": {"video": FILM, "coverImageUrl": COVER}},
        {"creations": [{"id": "1", "url": FILM, "cover_url": COVER}, {"id": "2", "cover_url": INPUT}]},
        {"thumbnail": COVER, "output": [FILM]},
        {"result": {"videos": [{"url": FILM}], "cover": {"url": COVER, "width": 9}}},
        {"result": {"videos": [{"url": FILM}], "thumbnails": [{"url": COVER}, {"url": f"{COVER}/2"}]}},
        {"result": {"video": {"url": FILM, "poster": COVER}}},
        {"output": [{"type": "thumbnail", "url": COVER}, {"type": "video", "url": FILM}]},
        {"files": [{"kind": "cover", "url": COVER}, {"kind": "video", "url": FILM}]},
        {"result_json": json.dumps({"video_url": FILM, "cover_url": COVER})},
        {"video_url": FILM, "data": {"works": [{"resource": FILM, "cover": COVER}]}},
        {"url": FILM, "cover": COVER, "input": {"video": INPUT}},
    ],
)
def test_what_an_answer_calls_a_poster_is_told_as_one(answer: dict[str, Any]) -> None:
    """Providers name it in a dozen ways; whoever receives the event needs one."""
    assert poster(answer) == COVER


def test_of_a_list_of_links_the_one_whose_file_is_called_so_is_the_poster() -> None:
    assert poster({"output": ["https://cdn.example/r3/thumb.jpg", FILM]}) == "https://cdn.example/r3/thumb.jpg"


@pytest.mark.parametrize(
    "answer",
    [
        {"url": FILM},
        {"video_url": FILM, "cover_url": None, "thumbnail": "", "poster": {}},
        {"video_url": FILM, "cover_url": FILM},
        {"video_url": FILM, "cover_url": "https://cdn.example/cover.mp4"},
        {"video_url": FILM, "cover_url": "not made"},
        {"video_url": FILM, "input": {"cover_url": INPUT}},
        {"video_url": FILM, "input": {"image_url": INPUT}, "cover_url": INPUT},
        {"video_url": FILM, "images": [INPUT], "thumbnail_url": INPUT},
        {"video_url": FILM, "reference_cover": INPUT, "input_thumbnail": INPUT},
        {"video_url": FILM, "first_frame_url": INPUT, "image_url": INPUT, "last_frame_url": INPUT},
        {"video_url": FILM, "author": {"cover": INPUT}},
        {"output": {"url": FILM}, "request": {"cover": {"url": INPUT}}},
        {"output": [{"type": "video", "url": FILM}, {"type": "image", "url": INPUT}]},
        {"output": [{"type": "video", "url": FILM}, {"type": "reference", "name": "cover", "url": INPUT}]},
        {"video_url": FILM, "cover_url": "http://10.0.0.7/c.jpg"},
    ],
)
def test_nothing_else_is_taken_for_a_poster(answer: dict[str, Any]) -> None:
    """An input that comes back as the poster would be stored, and shown in place of the film."""
    assert poster(answer) is None


def test_a_poster_is_an_image_whatever_its_link_shows() -> None:
    found = sources({"video_url": FILM, "cover_url": COVER})
    assert [(source.role, source.type) for source in found.values()] == [("result", "video"), ("poster", "image")]


def test_an_image_has_no_poster() -> None:
    """Its thumbnail shows nothing that the image itself does not."""
    found = sources({"object": "image", "image_url": "https://cdn.example/a.png", "thumbnail_url": COVER})
    assert list(found) == ["result"]


def with_cover(value: Any, film: str) -> Any:
    """The answer with a cover put into the innermost object that has the link to the film."""
    if isinstance(value, dict):
        inner = {key: with_cover(each, film) for key, each in value.items()}
        return inner | {"cover_url": COVER} if inner == value and film in json.dumps(value) else inner
    return [with_cover(each, film) for each in value] if isinstance(value, list) else value


@pytest.mark.parametrize(
    "name",
    ["alad", "ark", "dashscope", "infinityblue", "kie", "openrouter", "together", "vibepeak", "vicsee", "vidu", "xai"],
)
def test_a_bundled_file_finds_it_beside_the_film(name: str) -> None:
    """Most of their documents name none today, and new models bring one before the documents do."""
    recorded = json.loads((RECORDED / name / "completed.json").read_text("utf-8"))
    film, body = recorded["reading"]["url"], recorded["exchange"]["body"]
    found = sources(with_cover(body, film), provider=bundled()[name])
    assert (found["result"].url, found["poster"].url) == (film, COVER)


def test_a_film_behind_the_content_path_has_a_poster() -> None:
    """Then no link in the answer leads to the film."""
    found = sources({"object": "video", "thumbnail_url": COVER}, provider=bundled()["infinityblue"])
    assert found["result"].url.endswith("/content")
    assert found["poster"].url == COVER


class TestProviderFiles:
    def test_a_file_names_the_place_itself(self) -> None:
        """What its author writes counts, whatever the name there, and the same link somewhere else."""
        text = STRICT + '[assets]\nresult = "url"\nposter = "pic"\n'
        assert poster({"url": FILM, "pic": COVER, "images": [COVER]}, text) == COVER
        assert poster({"url": FILM, "pic": {"url": COVER}}, text) == COVER

    def test_a_file_without_a_place_has_no_poster(self) -> None:
        """Without a format a file reads only what it lists."""
        text = STRICT + '[assets]\nresult = "url"\n'
        assert poster({"url": FILM, "cover_url": COVER}, text) is None

    def test_a_file_may_ask_for_the_usual_names(self) -> None:
        text = STRICT + '[assets]\nresult = "url"\nposter = ["pic", "@"]\n'
        assert poster({"url": FILM, "cover_url": COVER}, text) == COVER


def test_a_poster_in_the_answer_itself_is_found_again_when_it_is_stored() -> None:
    """It has no link, so the provider is asked for the answer once more."""
    inline = "data:image/png;base64," + base64.b64encode(b"\x89PNG" * 50).decode()
    answer = {"id": "t1", "status": "succeeded", "video_url": FILM, "cover": inline}
    assert sources(answer)["poster"] == Source("poster", "image", "data:image/png;base64", inline=True)
    assert inline_in(parse(GENERIC), json.dumps(answer).encode(), "poster", "t1") == inline


links = st.sampled_from([FILM, COVER, INPUT, "https://cdn.example/cover.jpg", "x", "", "/files/t.png"])
keys = st.sampled_from(
    ["url", "video_url", "cover_url", "thumbnail", "poster", "output", "images", "input", "type", "data", "result"]
)
values = st.recursive(
    links | st.none() | st.integers(0, 9) | links.map(lambda link: json.dumps({"cover": link})),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(keys, inner, max_size=5),
    max_leaves=20,
)


@given(st.dictionaries(keys, values, max_size=6))
def test_a_poster_changes_nothing_of_the_result(answer: dict[str, Any]) -> None:
    """It is beside the film, and never instead of it."""
    without = parse(GENERIC.replace('format = "generic"', "")
                    + 'path = "/t"\nmethod = "POST"\n[body]\nid = "{task_id}"\n'
                    + '[answer]\nstatus = "status"\n[assets]\nresult = ["@", "data"]\n')  # fmt: skip
    with_poster = parse(GENERIC)
    there, bare = sources(answer, provider=with_poster), sources(answer, provider=without)
    poster = there.pop("poster", None)
    assert [source.url for source in there.values()] == [source.url for source in bare.values()] or not bare
    assert poster is None or (poster.type == "image" and poster.url != there["result"].url)


def test_an_answer_of_nothing_but_posters_is_read_in_time() -> None:
    """A poll has seconds, and an answer may have megabytes."""
    many: list[Any] = [{"url": FILM, **{f"cover_{each}": [INPUT] * 40 for each in range(100)}} for _ in range(100)]
    answer = {"output": many, "images": [INPUT]}
    strict = parse(STRICT + '[assets]\nresult = ["@"]\n')
    began = time.process_time()
    sources(answer, provider=strict)
    between = time.process_time()
    sources(answer)
    assert time.process_time() - between < 2 * (between - began) + 0.5
