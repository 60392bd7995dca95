"""Which link is the finished file, of all that stand in an answer, and how it is written."""

import json
from time import process_time
from typing import Any
from urllib.parse import urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vidhook.providers.file import bundled, parse
from vidhook.providers.reading import read
from vidhook.providers.results import best
from vidhook.task import Snapshot, Source, Status

PROVIDERS = bundled()
FILM = "https://cdn.example/film.mp4"
FILE = """
name = "own"
base_url = "https://api.own.example/gateway"
path = "/v1/jobs/{task_id}"
answer.status = "status"
assets.result = "output"
"""


def completed(answer: dict[str, Any], name: str | None = None, text: str = FILE, **known: Any) -> Snapshot:
    provider = PROVIDERS[name] if name else parse(text)
    body = json.dumps({"status": "completed", **answer}).encode()
    asked: dict[str, Any] = {"headers": {}, "age_seconds": 900.0, "now": 1_777_288_860.0, "task_id": "t1"} | known
    snapshot = read(provider, status=200, body=body, **asked).snapshot
    assert snapshot is not None
    return snapshot


def source(output: object, name: str | None = None, text: str = FILE) -> Source | None:
    found = completed({"output": output}, name, text).sources
    return found[0] if found else None


def url(output: object) -> str | None:
    found = source(output)
    return found.url if found else None


class TestHowALinkIsWritten:
    @pytest.mark.parametrize(
        ("written", "read_"),
        [
            ("/files/a.mp4", "https://api.own.example/files/a.mp4"),
            ("//cdn.example/a.mp4", "https://cdn.example/a.mp4"),
            ("https://cdn.example/my film.mp4", "https://cdn.example/my%20film.mp4"),
            ("https://cdn.example/фильм/影片.mp4?q=é", None),
            (f'"{FILM}"', FILM),
            (f"'{FILM}'", FILM),
            (f"<{FILM}>", FILM),
            (f"`{FILM}`", FILM),
            (f"[your video]({FILM})", FILM),
            (f"Here it is: ![video]({FILM} 'title') enjoy", FILM),
            (f"{FILM} (valid for 24 hours)", FILM),
            (f"{FILM}\nhttps://cdn.example/b.mp4", FILM),
            (json.dumps([FILM]), FILM),
            (json.dumps({"resultUrls": [FILM]}), FILM),
            (json.dumps(json.dumps({"url": FILM})), FILM),
            ("HTTPS://cdn.example/a.mp4", "HTTPS://cdn.example/a.mp4"),
            (f"**{FILM}**", FILM),
            ("[take 1](https://cdn.example/film(1).mp4)", "https://cdn.example/film(1).mp4"),
            ("[film](<https://cdn.example/my film.mp4>)", "https://cdn.example/my%20film.mp4"),
            (f"![cover](https://cdn.example/c.png)\n\n[video]({FILM})", FILM),
            (f"[![cover](https://cdn.example/c.png)]({FILM} 'watch')", FILM),
            (f"1. [more](#more)\n2. [video]({FILM})", FILM),
            (f'<video src="{FILM}" controls></video>', FILM),
            (f"Your video is ready: {FILM}. Enjoy!", FILM),
            (f"{FILM}. Enjoy!", FILM),
            (f"视频已生成\uff1a{FILM}\uff0c请在24小时内下载", FILM),
            (f"\ufeff{FILM}\u200b", FILM),
            (f"{FILM}\uff0c有效期24小时", FILM),
            (f"{FILM}请在24小时内下载", FILM),
            (f"{FILM}?sig=a\uff0c请下载", f"{FILM}?sig=a"),
            (f"{FILM}?sig=a (valid 24h)", f"{FILM}?sig=a"),
            (f"{FILM}.", FILM),
            (f"\u201c{FILM}\u201d", FILM),
            (f"\xab{FILM}\xbb", FILM),
            (f"https://cdn.example/cover.jpg\u3001{FILM}", FILM),
            ("https://cdn.example/v?name=my film.mp4", "https://cdn.example/v?name=my%20film.mp4"),
            ("https://cdn.example/v?f=a (1).mp4&sig=x", "https://cdn.example/v?f=a%20(1).mp4&sig=x"),
            (f"{FILM}?t=1 有效期24小时", f"{FILM}?t=1"),
            ("[a](https://cdn.example/a film.mp4)", "https://cdn.example/a%20film.mp4"),
            ("Your video: https://vod.example/8f3a?sig=x", "https://vod.example/8f3a?sig=x"),
            ('<video src="https://vod.example/8f3a?a=1&amp;b=2">', "https://vod.example/8f3a?a=1&b=2"),
            ("https:\\/\\/cdn.example\\/film.mp4", FILM),
            ("https://cdn.example/a\u200db\xa0c.mp4", "https://cdn.example/a%E2%80%8Db%C2%A0c.mp4"),
        ],
    )
    def test_it_is_read_however_a_provider_writes_it(self, written: str, read_: str | None) -> None:
        """The file exists and is paid for; only what cannot stand in a request is escaped."""
        expected = read_ or "https://cdn.example/%D1%84%D0%B8%D0%BB%D1%8C%D0%BC/%E5%BD%B1%E7%89%87.mp4?q=%C3%A9"
        assert url(written) == expected

    @pytest.mark.parametrize(
        "exact",
        [
            *("https://cdn.example/a%2Fb.mp4?sig=x%7Ey+z&Expires=1", "https://cdn.example/x/../a.mp4?s=%2f%2F"),
            *(
                "https://cdn.example/a~b/%E4.mp4",
                "https://cdn.example/100%/a.mp4",
                "https://cdn.example/a.mp4?a[]=1&b={}",
            ),
            "https://cdn.example/v.mp4?a=1&amp;sig=x",
        ],
    )
    def test_what_can_stand_in_a_request_is_not_touched(self, exact: str) -> None:
        """Hosts sign the bytes of a URL, escapes included."""
        assert url(exact) == exact

    @pytest.mark.parametrize(
        "junk",
        [
            "video.mp4",
            "s3://bucket/a.mp4",
            "https://",
            "https://a b/c",
            "http:/a",
            "\x00/a.mp4",
            "https://a/\nb",
            " ",
            "//[bad/a",
            "See https://help.example/docs for more",
            "/",
            "/imagine a cat",
            "[docs](#docs)",
            "[docs](https://",
        ],
    )
    def test_what_is_no_link_is_no_link(self, junk: str) -> None:
        """Nothing is made up."""
        assert url(junk) is None


class TestTheFilmWins:
    @pytest.mark.parametrize(
        "output",
        [
            ["https://cdn.example/master.m3u8?_jwt=a.b", FILM],
            ["https://cdn.example/thumb.jpg", FILM],
            [FILM, "https://cdn.example/thumb.jpg"],
            {"url": "https://cdn.example/cover.png", "video_url": FILM},
            ["https://cdn.example/preview.mp4", FILM],
            ["https://cdn.example/film_watermark.mp4", FILM],
            ["https://cdn.example/audio.mp3", FILM],
            ["https://cdn.example/film.jpg", "https://cdn.example/film.m3u8", FILM],
            ["http://127.0.0.1:3000/film.mp4", FILM],
            ["http://localhost:3000/v/film.mp4", "http://10.0.0.7/film.mp4", FILM],
            ["/files/other.mp4", FILM],
            ["data:video/mp4;base64,AAAA", FILM],
            [{"type": "image", "url": "https://cdn.example/a"}, {"type": "video", "url": FILM}],
            [{"content_type": "image/png", "url": "https://cdn.example/a"}, FILM],
            [{"role": "reference_video", "url": "https://cdn.example/input.mp4"}, FILM],
            ["https://api.own.example/gateway/v1/jobs/t1", FILM],
            {"url": "https://cdn.example/in.mp4", "output": {"videos": [FILM]}},
            {"video_url": "https://cdn.example/in.mp4", "task_result": {"url": FILM}},
            {"video": "https://cdn.example/in.mp4", "resultJson": json.dumps({"resultUrls": [FILM]})},
            {"url": FILM, "output": {"url": "https://cdn.example/thumb.jpg"}},
            {"VideoUrl": FILM, "Thumbnail": "https://cdn.example/thumb.jpg"},
            {"video_url": "https://cdn.example/in.mp4", "output": FILM},
            {"video_url": "https://cdn.example/in.mp4", "result_url": FILM},
            {"video_urls": ["https://cdn.example/in.mp4"], "output": FILM},
            {"content": [{"url": "https://cdn.example/in.mp4"}], "video_url": FILM},
            {"file": {"download_url": FILM}},
            ["https://cdn.example/film.mp4?x-oss-process=video/snapshot,t_1000,f_jpg", FILM],
            [{"type": "thumbnail", "url": "https://cdn.example/t.jpg"}, {"type": "text-to-video", "url": FILM}],
            [{"type": "reference_to_video", "url": FILM}, "https://cdn.example/t.jpg"],
            [{"name": "cover", "url": "https://vod.example/1b2c"}, {"name": "video", "url": FILM}],
            ["https://vod.example/thumbnails/8f3a", FILM],
            ["https://cdn.example/c.jpg", f"Here is your video: {FILM}"],
            f"![](https://vod.example/1b2c) [video]({FILM})",
        ],
        ids=str,
    )
    def test_of_several_links_the_film_is_taken(self, output: object) -> None:
        """A playlist, a thumbnail or a preview is not what was paid for, and some links lead nowhere."""
        assert url(output) == FILM

    @pytest.mark.parametrize("name", ["type", "mimeType", "contentType", "media_type", "kind", "role", "purpose"])
    @pytest.mark.parametrize(
        "said",
        [
            *("image", "image/png", "Image_URL", "png", "thumbnail", "preview", "last_frame", "lastFrame", "poster"),
            *("audio", "subtitle", "input_video", "reference", "application/x-mpegURL", "video_preview"),
        ],
    )
    def test_what_an_object_says_of_its_link_counts(self, name: str, said: str) -> None:
        """Links of storage have no ending, and the names beside them are spelled in many ways."""
        film = "https://vod.example/8f3a"
        assert url([{name: said, "url": "https://vod.example/1b2c"}, {name: "video", "url": film}]) == film

    @pytest.mark.parametrize("playlist", ["https://cdn.example/a.m3u8", "https://cdn.example/a.mpd?sig=1"])
    @pytest.mark.parametrize("other", ["thumb.jpg", "poster.png", "preview.mp4", "audio.mp3"])
    def test_a_playlist_is_better_than_what_is_no_film(self, playlist: str, other: str) -> None:
        """It leads to the film, and an image stored in its place would be told as the film."""
        assert url([f"https://cdn.example/{other}", playlist]) == playlist

    @pytest.mark.parametrize("name", ["x_watermarked.mp4", "album-cover.mp4", "preview_8f3a.mp4"])
    def test_a_film_that_is_all_there_is_is_believed_whatever_its_name(self, name: str) -> None:
        """Free plans mark it, and the rest of its name comes from the prompt."""
        assert completed({"output": f"https://cdn.example/{name}"}).said

    def test_a_film_that_is_named_like_a_preview_is_better_than_an_image(self) -> None:
        """Its name may come from the prompt."""
        film = "https://cdn.example/a-poster-that-comes-alive.mp4"
        assert url(["https://cdn.example/a-poster-that-comes-alive.jpg", film]) == film

    def test_a_name_in_the_query_says_nothing(self) -> None:
        """Alad's links have `?preview=1` and no ending."""
        odd = "https://vod.example/8f3a?preview=1&auth_key=1-0"
        assert url([odd, "https://cdn.example/thumb.jpg"]) == odd

    def test_the_first_good_place_counts(self) -> None:
        """The file's author has put the better file first, such as the one in high resolution."""
        text = FILE.replace('"output"', '["high", "low"]')
        found = completed({"high": "https://vod.example/8f3a", "low": FILM}, text=text)
        assert found.sources[0].url == "https://vod.example/8f3a"

    @pytest.mark.parametrize("alone", ["https://cdn.example/master.m3u8", "http://10.0.0.7/film.mp4"])
    def test_a_link_that_is_all_there_is_is_given(self, alone: str) -> None:
        """Whoever gets the event can decide what to do with it."""
        assert url([alone]) == alone

    @pytest.mark.parametrize(
        "alone",
        ["https://cdn.example/thumb.jpg", "https://cdn.example/a.m3u8", "http://localhost:3000/v1/videos/t1/content"],
    )
    def test_the_content_path_is_better_than_a_link_that_is_no_film(self, alone: str) -> None:
        """The default setting of some relays gives links to itself under a name that only it knows."""
        found = completed({"id": "t1", "metadata": {"url": alone}}, "infinityblue")
        assert found.sources[0].url == "https://api.getinfinityblue.com/v1/videos/t1/content"

    @pytest.mark.parametrize("host", ["localhost", "localhost:3000", "127.0.0.1:3000", "0.0.0.0", "[::1]:3000"])
    def test_a_link_to_the_relay_itself_is_asked_for_at_its_public_address(self, host: str) -> None:
        """A relay that was never told its own address gives that at which its operator tried it."""
        assert source(f"http://{host}/v1/files/film.mp4?a=1") == Source(
            "result", "video", "https://api.own.example/v1/files/film.mp4?a=1", needs_key=True
        )

    def test_a_host_inside_is_fine_where_the_provider_is_there_too(self) -> None:
        """A provider on the deployer's own network gives links into it."""
        text = FILE.replace("https://api.own.example", "http://10.0.0.7:3000")
        found = source("http://10.0.0.7:3000/film.mp4", text=text)
        assert found is not None
        assert found.url == "http://10.0.0.7:3000/film.mp4"

    @pytest.mark.parametrize("echoed", ["video", "image"])
    def test_an_input_that_is_repeated_is_no_result(self, echoed: str) -> None:
        """Kling and others repeat the video that was sent in, beside `task_result.videos`."""
        task = {"id": "t1", echoed: "https://input.example/mine.mp4", "task_result": {"videos": [{"url": FILM}]}}
        assert completed(task, "infinityblue").sources[0].url == FILM
        beside = {"id": "t1", "data": task}
        assert completed(beside, "infinityblue").sources[0].url == FILM
        task.pop("task_result")
        assert completed(task, "infinityblue").sources[0].url.endswith("/content")

    def test_the_image_of_a_video_task_is_its_input(self) -> None:
        """VicSee gives an image under this name only where the task makes one."""
        task = {
            "data": {"id": "t1", "status": "completed", "mediaType": "video", "image_url": "https://in.example/a.png"}
        }
        assert completed(task, "vicsee").status == Status.FAILED

    @pytest.mark.parametrize("name", ["no_watermark", "without-watermark", "watermark_free", "watermark_removed"])
    def test_a_film_without_a_watermark_is_better_than_one_with_it(self, name: str) -> None:
        """Some providers give both."""
        clean = f"https://cdn.example/film_{name}.mp4"
        assert url(["https://cdn.example/film_watermark.mp4", clean]) == clean

    @pytest.mark.parametrize(
        "task",
        [
            {"video": "https://input.example/mine.mp4", "output": None},
            {"url": "https://cdn.example/cover.jpg"},
            {"images": ["https://input.example/mine.png"]},
            {"some_new_name": FILM},
            {"hls_url": "https://cdn.example/master.m3u8", "thumbnail_url": "https://cdn.example/t.jpg"},
        ],
        ids=str,
    )
    def test_a_link_that_is_hardly_the_film_is_believed_only_when_nothing_better_comes(self, task: Any) -> None:
        """The film's link may follow in a moment."""
        provider = parse('name = "own"\nbase_url = "https://own.example"\nformat = "generic"\n')
        body = json.dumps({"task_id": "t1", "status": "completed", **task}).encode()
        asked: dict[str, Any] = {"status": 200, "headers": {}, "body": body, "now": 1_777_288_860.0, "task_id": "t1"}
        assert read(provider, **asked, age_seconds=20.0).outcome == "retry"
        got = read(provider, **asked, age_seconds=900.0)
        assert got.snapshot is not None
        assert (got.snapshot.status, got.inferred) == (Status.COMPLETED, True)

    @pytest.mark.parametrize(
        "task",
        [
            {"content": [{"type": "video_url", "url": "https://input.example/mine.mp4", "role": "reference_video"}]},
            {"url": "https://api.own.example/gateway/v1/jobs/t1"},
            {"input": {"video_url": "https://input.example/mine.mp4"}, "params": {"x": FILM}},
        ],
        ids=str,
    )
    def test_an_input_or_the_question_itself_is_never_the_film(self, task: Any) -> None:
        """It would be told and stored as what was paid for."""
        text = FILE.replace('assets.result = "output"', 'format = "generic"')
        assert completed(task, text=text).status == Status.FAILED

    def test_a_place_may_lead_into_json_in_a_string(self) -> None:
        """Kie and others give a part of the answer as text; a prompt that is JSON stays a text."""
        text = FILE.replace('"output"', '"response.output.link"') + 'answer.prompt = "prompt"\n'
        inner = json.dumps({"output": json.dumps({"link": FILM})})
        found = completed({"response": inner, "prompt": '{"scene": 1}'}, text=text)
        assert (found.sources[0].url, found.prompt) == (FILM, '{"scene": 1}')

    def test_an_image_is_an_image_where_the_answer_does_not_say(self) -> None:
        """Many APIs make both and name neither."""
        found = completed({"output": ["https://cdn.example/a.webp"]})
        assert (found.object, found.sources[0].type) == ("image", "image")
        assert completed({"output": [FILM]}).object == "video"


class TestInline:
    def test_a_data_url_is_a_file_in_the_answer(self) -> None:
        """The film is in our hands; only its head is remembered, since the whole of it fits nowhere."""
        found = source("data:video/mp4;base64," + "A" * 500_000)
        assert found == Source("result", "video", "data:video/mp4;base64", inline=True)

    @pytest.mark.parametrize("written", ['"{}"', "`{}`", "![film]({})", "<{}>", "\ufeff {}"])
    def test_it_may_stand_in_quotes(self, written: str) -> None:
        """As any other link may."""
        found = source(written.format("data:video/mp4;base64,AAAA"))
        assert found == Source("result", "video", "data:video/mp4;base64", inline=True)

    @pytest.mark.parametrize("junk", ["data:text/html,<p>", "data:,", "data:application/json;base64,e30="])
    def test_other_data_is_no_file(self, junk: str) -> None:
        """A text is never the film."""
        assert source(junk) is None


class TestTheKey:
    @pytest.mark.parametrize(
        "query",
        [
            *(
                "X-Amz-Signature=a&X-Amz-Expires=9",
                "X-Tos-Signature=a",
                "x-goog-signature=a",
                "Signature=a",
                "sig=a&se=1",
            ),
            *("Expires=1795255200", "auth_key=1-0-0-a", "a=1&sign=b", "x-oss-signature=a"),
            *("x-expires=1&x-signature=a", "hdnts=exp=1~hmac=a", "wsSecret=a&wsTime=1", "verify=1-a", "hmac=a"),
            *("token=a", "e=1777&token=a", "_jwt=a.b.c", "access_token=a", "X%2DAmz%2DSignature=a", "a=1;Signature=b"),
        ],
    )
    def test_a_link_with_a_signature_of_its_own_goes_without_the_key(self, query: str) -> None:
        """Storage refuses a request that is signed twice, and need not see the key."""
        found = source(f"https://api.own.example/files/a.mp4?{query}")
        assert found is not None
        assert not found.needs_key

    @pytest.mark.parametrize("query", ["", "?index=0", "?design=1", "?signed=no"])
    def test_a_link_of_the_providers_own_origin_needs_the_key(self, query: str) -> None:
        """It is a path of the API."""
        found = source(f"https://api.own.example/files/a.mp4{query}")
        assert found is not None
        assert found.needs_key


JUNK = st.recursive(
    st.none()
    | st.integers()
    | st.text(max_size=30)
    | st.sampled_from([FILM, "/a.mp4", "data:video/mp4,", "[", '{"url"']),
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(st.sampled_from(["url", "video", "output", "x"]), inner)
    ),
    max_leaves=30,
)


@given(JUNK)
def test_whatever_stands_there_a_link_can_be_asked_for(value: object) -> None:
    """A link that is found is absolute, and printable ASCII behind its host; or it is inline."""
    found = best([value], {}, "video", "https://api.own.example/v1/jobs/t1")
    if found is not None and not found.inline:
        assert "".join(urlsplit(found.url)[2:]).isascii()
        assert found.url.isprintable()
        assert found.url.lower().startswith(("https://", "http://"))


def test_a_large_answer_is_looked_through_in_bounds() -> None:
    """A list of a million places would hold up every other poll."""
    assert completed({"output": [[[]]] * 100_000 + [FILM]}).status == Status.FAILED


def test_an_object_of_very_many_names_is_looked_at_only_as_far_as_any_other() -> None:
    """A provider may answer a megabyte of them, and each place of a file looks at the same object."""
    task = {f"k{number}": number for number in range(60_000)} | {"output": None}

    def took() -> float:
        began = process_time()
        best([task] * 10, task, "video", "")
        return process_time() - began

    assert min(took() for _ in range(3)) < 0.05


@pytest.mark.parametrize(
    "piece",
    [",", " ;", "[", "[a](", "[a](b", '"', "<", "http://", "http://a.b/c ", "/", "%", "{", "日", "data:video/mp4;a"],
)
def test_no_text_takes_long_to_look_through(piece: str) -> None:
    """A provider decides what stands at the place of the link, and a poll must not hang on it."""

    def took(text: str) -> float:
        began = process_time()
        url([text, f"x{text}y"])
        return process_time() - began

    assert min(took(piece * (30_000 // len(piece))) for _ in range(3)) < 0.05


# Names that nobody has listed


def spelled(style: str, *words: str) -> str:
    """The words as a name in snake_case, camelCase or PascalCase."""
    if style == "snake":
        return "_".join(words)
    name = "".join(word.capitalize() for word in words)
    return name if style == "pascal" else name[0].lower() + name[1:]


styles = st.sampled_from(["snake", "camel", "pascal"])
NAMELESS = "https://cdn.example/v/8f3a?sig=abc"
INPUT = "https://in.example/in.mp4"


@given(
    style=styles,
    first=st.sampled_from(["output", "result", "generated", "final", "edited", "rendered"]),
    noun=st.sampled_from([("video",), ("video", "url"), ("movie", "url"), ("file",), ("url",), ("mp4",)]),
    echoed=st.sampled_from(["video_url", "video", "source_video", "input_video_url"]),
    holder=st.booleans(),
)
def test_a_name_of_results_in_any_spelling_has_the_film_and_not_an_input_beside_it(
    style: str, first: str, noun: tuple[str, ...], echoed: str, holder: bool
) -> None:
    """Tasks that edit or extend a film echo the one that they were given."""
    key = spelled(style, first, *noun)
    held: object = {"url": NAMELESS} if holder else NAMELESS
    text = 'name = "own"\nbase_url = "https://api.own.example"\nformat = "generic"\n'
    found = completed({"id": "t1", "status": "succeeded", echoed: INPUT, key: held}, None, text)
    assert found.status is Status.COMPLETED
    assert found.sources[0].url == NAMELESS


GENERIC = 'name = "own"\nbase_url = "https://api.own.example"\nformat = "generic"\n'
nouns = st.sampled_from([("video",), ("video", "url"), ("clip", "url"), ("film",), ("mp4", "url")])


@given(
    style=styles,
    made=st.sampled_from(
        [
            *("stylized", "upscaled", "animated", "dubbed", "translated", "enhanced", "processed", "new", "merged"),
            *("colorized", "captioned", "lipsync", "hd", "final", "extended", "restored"),
        ]
    ),
    noun=nouns,
    bare=st.sampled_from(["video_url", "video", "url", "videoUrl", "videos"]),
    holder=st.booleans(),
)
def test_what_was_made_wins_over_the_bare_name_beside_it(
    style: str, made: str, noun: tuple[str, ...], bare: str, holder: bool
) -> None:
    """A task that changes a film repeats the one that it was given, and would be told at once with it."""
    key = spelled(style, made, *noun)
    held: object = {"url": NAMELESS} if holder else NAMELESS
    given_: object = [INPUT] if bare == "videos" else INPUT
    found = completed({"id": "t1", "status": "succeeded", bare: given_, key: held}, None, GENERIC)
    assert (found.status, found.said, found.sources[0].url) == (Status.COMPLETED, True, NAMELESS)


@given(
    style=styles,
    other=st.sampled_from(
        [
            *("source", "input", "original", "reference", "driving", "init", "first", "mask", "control", "user"),
            *("uploaded", "preview", "thumbnail", "cover", "poster", "watermarked", "compressed", "motion", "pose"),
            *("face", "low", "audio", "old", "failed", "provided"),
        ]
    ),
    noun=nouns,
    bare=st.sampled_from(["video_url", "url", "videoUrl"]),
)
def test_the_bare_name_wins_over_an_input_and_what_is_less_than_the_film(
    style: str, other: str, noun: tuple[str, ...], bare: str
) -> None:
    """The qualifying word says that the other link is not the result."""
    found = completed(
        {"id": "t1", "status": "succeeded", spelled(style, other, *noun): INPUT, bare: NAMELESS}, None, GENERIC
    )
    assert (found.status, found.said, found.sources[0].url) == (Status.COMPLETED, True, NAMELESS)


@pytest.mark.parametrize(
    "page",
    [
        "https://app.own.example/tasks/8",
        "https://own.example/share/8f3a",
        "https://own.example/view/8",
        "https://www.own.example/watch/8f",
    ],
)
@pytest.mark.parametrize("name", ["video_url", "mp4_url", "file_url", "download", "video_link", "clip_url"])
def test_a_page_for_people_loses_to_the_file_beside_it(page: str, name: str) -> None:
    """It would be told as the film, and no byte of it is one."""
    for body in ({"result": {"url": page, name: NAMELESS}}, {"url": page, name: NAMELESS}):
        found = completed({"id": "t1", "status": "succeeded", **body}, None, GENERIC)
        assert (found.said, found.sources[0].url) == (True, NAMELESS), body
    alone = completed({"id": "t1", "status": "succeeded", "result": {"url": page}}, None, GENERIC)
    assert alone.sources[0].url == page


@pytest.mark.parametrize("host", ["10.0.0.7", "192.168.1.5:9000", "172.17.0.2", "minio.internal", "storage"])
def test_a_link_into_the_providers_own_network_alone_is_told_only_after_a_while(host: str) -> None:
    """Nobody outside can fetch it, and a relay may still learn its public address."""
    link = f"http://{host}/film.mp4"
    found = completed({"id": "t1", "status": "succeeded", "video_url": link}, None, GENERIC)
    assert (found.status, found.said, found.sources[0].url) == (Status.COMPLETED, False, link)
    better = completed({"id": "t1", "status": "succeeded", "video_url": link, "public_url": NAMELESS}, None, GENERIC)
    assert better.sources[0].url == NAMELESS


@given(
    style=styles,
    words=st.sampled_from(
        [
            *(
                ("source", "video"),
                ("input", "video", "url"),
                ("reference", "video"),
                ("ref", "video"),
                ("src", "video"),
            ),
            *(("driving", "video"), ("init", "video"), ("original", "video"), ("template", "video"), ("upload", "url")),
            *(
                ("first", "clip", "url"),
                ("callback", "url"),
                ("input", "urls"),
                ("video", "reference"),
                ("cover", "url"),
            ),
        ]
    ),
)
def test_an_input_alone_is_never_the_film(style: str, words: tuple[str, ...]) -> None:
    """A task that moderation ended has no film, but its inputs are still in the answer."""
    text = 'name = "own"\nbase_url = "https://api.own.example"\nformat = "generic"\n'
    found = completed({"id": "t1", "status": "succeeded", spelled(style, *words): INPUT}, None, text)
    assert (found.status, found.sources) == (Status.FAILED, ())


@pytest.mark.parametrize(
    ("answer", "link"),
    [
        ({"video": {"hd_url": FILM}}, FILM),
        ({"video": {"fifeUrl": NAMELESS}}, NAMELESS),
        ({"video": {"play_addr": {"url_list": [FILM]}}}, FILM),
        ({"videoInfo": {"videoUrl": NAMELESS}}, NAMELESS),
        ({"media": {"url": NAMELESS}}, NAMELESS),
        ({"copies": [{"clip": {"url": NAMELESS}}]}, NAMELESS),
        ({"attachments": [{"type": "video", "url": NAMELESS}]}, NAMELESS),
        ({"public_url": NAMELESS}, NAMELESS),
        ({"details": {"no_watermark_video": FILM, "watermark_video": "https://cdn.example/w.mp4"}}, FILM),
    ],
)
def test_a_film_under_a_name_that_nobody_listed_is_better_than_none(answer: dict[str, Any], link: str) -> None:
    """It is paid for; as nobody listed the name, it is told only when nothing better has come for a while."""
    text = 'name = "own"\nbase_url = "https://api.own.example"\nformat = "generic"\n'
    found = completed({"id": "t1", **answer}, None, text)
    assert (found.status, found.said, found.sources[0].url) == (Status.COMPLETED, False, link)


@pytest.mark.parametrize(
    "answer",
    [
        {"response_url": NAMELESS, "status_url": NAMELESS, "cancel_url": NAMELESS},
        {"author": {"avatar_url": NAMELESS, "url": NAMELESS}},
        {"video_page_url": NAMELESS},
        {"detail": {"url": NAMELESS}},
        {"poster": {"url": "https://cdn.example/p.jpg"}, "audio_url": "https://cdn.example/a.mp3"},
    ],
)
def test_a_link_that_nothing_calls_a_file_is_none(answer: dict[str, Any]) -> None:
    """A page for people, or the address of the status, is not the film."""
    text = 'name = "own"\nbase_url = "https://api.own.example"\nformat = "generic"\n'
    assert completed({"id": "t1", **answer}, None, text).sources == ()


@pytest.mark.parametrize(
    ("answer", "link"),
    [
        ({"files": [{"name": "me.mp4", "url": INPUT}], "video_url": NAMELESS}, NAMELESS),
        ({"generated_from_video_url": INPUT, "video_url": NAMELESS}, NAMELESS),
        ({"generation_url": "https://app.example/v/t1", "video_url": FILM}, FILM),
        ({"url": "https://app.example/v/t1", "video_url": NAMELESS}, NAMELESS),
        ({"result_url": "https://api.own.example/v2/tasks/t1/result", "video_url": FILM}, FILM),
        ({"output_viewer_url": "https://app.example/v/t1", "video_url": FILM}, FILM),
        ({"generated": [NAMELESS]}, NAMELESS),
        ({"response": {"generateVideoResponse": {"generatedSamples": [{"video": {"uri": NAMELESS}}]}}}, NAMELESS),
    ],
)
def test_an_input_or_a_page_beside_the_film_is_not_taken_for_it(answer: dict[str, Any], link: str) -> None:
    """It would be told at once, and stored as the film."""
    text = 'name = "own"\nbase_url = "https://api.own.example"\nformat = "generic"\n'
    found = completed({"id": "t1", **answer}, None, text)
    assert (found.status, found.said, found.sources[0].url) == (Status.COMPLETED, True, link)
