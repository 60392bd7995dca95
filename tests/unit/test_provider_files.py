"""What a provider's TOML file may contain, the errors for mistakes in it, and the requests that it describes."""

import json
import re
from pathlib import Path
from textwrap import dedent
from typing import Any
from urllib.parse import unquote, urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vidhook.errors import BadInput, BadProviderFile
from vidhook.providers.auth import Key
from vidhook.providers.created import Said, created
from vidhook.providers.file import (
    BUNDLED,
    FORMATS,
    bundled,
    bundled_text,
    parse,
)
from vidhook.providers.reading import read
from vidhook.providers.request import cancel_request, content_url, download_request, task_request
from vidhook.task import Category, Source, Status

KLING = """
name = "kling"
base_url = "https://api.kling.example/"
path = "/v1/videos/{task_id}"

[answer]
status = "data.task_status"

[assets]
result = ["data.task_result.videos", "data.url"]
"""


def edited(old: str, new: str) -> str:
    assert old in KLING
    return KLING.replace(old, new)


class TestGoodFiles:
    @pytest.mark.parametrize("name", BUNDLED)
    def test_every_bundled_file_is_valid_and_has_its_name(self, name: str) -> None:
        """People start their own provider file from one of these."""
        assert bundled()[name] == parse(bundled_text(name), name)
        assert bundled()[name].name == name

    def test_a_short_file_is_enough(self) -> None:
        """A file needs the URL, the status and the result; everything else has a default."""
        kling = parse(KLING)
        assert (kling.name, kling.base_url, kling.poll.method) == ("kling", "https://api.kling.example", "GET")
        assert kling.auth.headers == {"Authorization": "Bearer {key}"}
        assert (kling.link_lives_seconds, kling.expected_seconds, kling.content_path) == (None, None, None)

    def test_own_words_and_codes_are_folded(self) -> None:
        """The author of a file need not think about upper and lower case."""
        kling = parse(
            KLING + '[status]\nWaiting-Room = "pending"\n[errors]\n1301 = "content_policy"\nNotYours = "not_yours"'
        )
        assert kling.statuses == {"waitingroom": Status.PENDING}
        assert kling.codes == {"1301": Category.CONTENT_POLICY, "notyours": Category.AUTH}
        assert kling.not_yours == {"notyours"}

    def test_a_function_that_needs_a_real_answer_is_allowed(self) -> None:
        """join() fails on the empty object that checks a file, but it works on a real answer."""
        assert parse(edited('"data.url"', "\"join('', data.parts)\""))

    def test_the_worked_example_of_the_docs_ships_and_reads_its_answer(self) -> None:
        """The example file of the documentation must do what the page says."""
        page = (Path(__file__).parents[2] / "docs" / "providers.md").read_text("utf-8")
        worked = dedent(page.split("The file as it ships:\n")[1].split("\n`succeed` needs")[0]).strip()
        assert bundled_text("kling").partition("\nname = ")[2] == f"{worked}\n".removeprefix("name = ")
        body = page.split("/v1/videos/text2video/{id}`:\n")[1].split("\nWrite an answer")[0]
        snapshot = read(
            parse(worked, "kling"), status=200, headers={}, body=body.strip().encode(), now=1777288860
        ).snapshot
        assert snapshot is not None
        assert (snapshot.status, snapshot.created_at) == (Status.COMPLETED, 1777288506)
        film = "https://v15-kling.klingai.com/bs2/k1/output.mp4"
        assert snapshot.sources == (Source("result", "video", film, 1777288860 + 2_592_000),)
        said = next(line for line in page.splitlines() if "kling.toml: provider" in line)
        with pytest.raises(BadProviderFile) as caught:
            parse(worked.replace('"task_status"', '"task_status["'))
        assert said.strip() == f"kling.toml: {caught.value}"

    @pytest.mark.parametrize(
        ("body", "outcome", "code"),
        [
            ({"data": {"render": {"id": "r1", "state": "RENDERING", "output": None}}}, "processing", None),
            (
                {"data": {"render": {"id": "r1", "state": "DONE", "output": {"url": "https://a.b/c.mp4"}}}},
                "completed",
                None,
            ),
            (
                {"data": {"render": {"id": "r1", "state": "FAILED", "failure": {"code": "NSFW", "reason": "refused"}}}},
                "failed",
                "NSFW",
            ),
            ({"data": {"render": None}}, "permanent_error", "NOT_FOUND"),
            (
                {"data": None, "errors": [{"message": "no", "extensions": {"code": "UNAUTHENTICATED"}}]},
                "permanent_error",
                "UNAUTHENTICATED",
            ),
            (
                {"data": None, "errors": [{"message": "slow down", "extensions": {"code": "RATE_LIMITED"}}]},
                "retry",
                "RATE_LIMITED",
            ),
        ],
    )
    def test_the_file_for_graphql_in_the_docs_reads_what_such_an_api_answers(
        self, body: Any, outcome: str, code: str | None
    ) -> None:
        """Whoever has such an API copies it from the page."""
        page = (Path(__file__).parents[2] / "docs" / "providers.md").read_text("utf-8")
        blocks = page.split("### GraphQL\n")[1].split("\n### ")[0].split("\n\n")
        written = "\n".join(dedent(each) for each in blocks if each.startswith("    "))
        own = parse(f'name = "own"\nbase_url = "https://a.example"\n{written}')
        about: dict[str, Any] = {"status": 200, "headers": {}, "body": json.dumps(body).encode(), "now": 1777288860}
        reading = read(own, **about, task_id="r1", age_seconds=900.0)
        error = reading.error or (reading.snapshot and reading.snapshot.error)
        found = str(reading.snapshot.status) if reading.snapshot else reading.outcome
        assert (found, error and error.code) == (outcome, code)
        refused = created(own, **about)
        assert (refused.said is Said.NOT_NOW) == (code == "RATE_LIMITED")

    @pytest.mark.parametrize("name", BUNDLED)
    def test_a_file_that_ships_says_what_it_was_made_from_and_when(self, name: str) -> None:
        """APIs change, and nobody has tried it with a live account."""
        head = bundled_text(name).partition("\nname = ")[0].replace("\n# ", " ")
        assert "https://" in head
        assert re.search(r"\b2026-\d\d-\d\d\b", head)
        assert re.search(r"(?i)not (verified live|tried)", head)

    def test_the_page_lists_what_ships_and_what_each_can_do(self) -> None:
        """Whoever chooses a provider reads the table, and not twenty files."""
        page = (Path(__file__).parents[2] / "docs" / "providers.md").read_text("utf-8")
        table = page.split("## The providers that ship\n\n")[1].split("\n\n")[0].splitlines()[2:]
        cells = [[cell.strip() for cell in line.strip("|").split("|")] for line in table]
        listed = {name.strip("`"): (*can, params.replace("`", "")) for name, _, *can, params in cells}
        assert listed == {
            name: (
                *("yes" if can else "" for can in (own.create, own.cancel, own.results, own.webhook)),
                ", ".join(own.params),
            )
            for name, own in bundled().items()
        }


class TestMistakes:
    @pytest.mark.parametrize(
        ("text", "message"),
        [
            (
                edited('"data.task_status"', '"data.task_status["'),
                'provider "kling": [answer].status: '
                '"data.task_status[" is not valid JMESPath: unexpected end, column 18',
            ),
            (edited('"data.task_status"', '"a..b"'), '[answer].status: "a..b" is not valid JMESPath: Expecting: ['),
            (edited('"data.task_status"', '"a..b"'), "column 3"),
            (edited('"data.task_status"', '"a[?b[::0]].c"'), "a slice has the step 0; leave it out, or write 1"),
            (
                edited('"data.url"', '"nope(@)"'),
                '[assets].result: "nope(@)" is not valid JMESPath: Unknown function: nope()',
            ),
            (edited('"data.url"', '"length(a, b)"'), "Expected 1 argument for function length(), received 2"),
            (edited('"data.url"', '"a.\'x"'), "Unclosed ' delimiter, column 3"),
            (edited('"data.url"', '""'), "cannot be empty"),
            (
                edited('"data.url"', "7"),
                "[assets].result: it is neither a JMESPath expression nor a list of them; put each",
            ),
            (
                edited('status = "data.task_status"', "status = []"),
                "[answer].status: it is neither a JMESPath expression nor",
            ),
            (
                edited("status =", "statos ="),
                'provider "kling": [answer].statos: there is no such key; did you mean "status"?',
            ),
            (
                edited("base_url", "base_ulr"),
                'provider "kling": base_ulr: there is no such key; did you mean "base_url"?',
            ),
            (KLING + '[auth]\nkey = "x"', "[auth].key: there is no such key; the keys are type, header, value"),
            (edited('status = "data.task_status"', 'model = "m"'), "[answer].status: it is missing; add it"),
            (edited("result =", "original ="), "[assets].result: it is missing; add it"),
            (edited('name = "kling"', ""), "provider file: name: it is missing; add it"),
            (edited('"kling"', '"Kling AI"'), 'name: "Kling AI" is not valid; use 1 to 40 of a-z, 0-9, - and _'),
            (edited('"kling"', "7"), "provider file: name: it is a number, not text; put it in quotes"),
            (edited("/v1/videos/{task_id}", "v1/{task_id}"), 'path: "v1/{task_id}" is not valid; start it with /'),
            (edited("/{task_id}", ""), 'path: "/v1/videos" does not say which task; put {task_id} where'),
            (
                edited("https://api.kling.example/", "api.kling.example"),
                'base_url: "api.kling.example" is not an http(s) URL',
            ),
            (edited("https://api.kling.example/", "https://[::1"), 'base_url: "https://[::1" is not a URL'),
            (
                edited("https://api.kling.example/", "https://a:99999"),
                'base_url: "https://a:99999" is not a URL: Port out of',
            ),
            (
                edited("https://api.kling.example/", "https://k:s3cret@a"),
                "base_url: it has a user, a query or a fragment",
            ),
            (
                edited("https://api.kling.example/", "https://a?key=s3cret"),
                "base_url: it has a user, a query or a fragment",
            ),
            (
                KLING.replace("[answer]", 'method = "PUT"\n[answer]'),
                'method: "PUT" is not allowed; use one of GET, POST',
            ),
            (
                KLING.replace("[answer]", "expected_seconds = -1\n[answer]"),
                "expected_seconds: -1 is not a number of seconds",
            ),
            (
                KLING.replace("[answer]", "progress_scale = 0\n[answer]"),
                "progress_scale: 0 is not a number above 0; write a positive number",
            ),
            (
                KLING.replace("[answer]", 'link_lives_seconds = "1d"\n[answer]'),
                "link_lives_seconds: '1d' is not a number",
            ),
            (
                KLING.replace("[answer]", 'content_path = "/x"\n[answer]'),
                'content_path: "/x" is not valid; start it with / and',
            ),
            (
                KLING.replace("[answer]", 'auth = "Bearer"\n[answer]'),
                "auth: it is text, not a table; write it under [auth]",
            ),
            (
                KLING + '[auth]\nvalue = "Bearer"',
                '[auth].value: "Bearer" is not valid; put {key} where the key belongs',
            ),
            (KLING + '[auth]\nheader = "X Key"', '[auth].header: "X Key" is not valid; use a header\'s name'),
            (KLING + "[headers]\nX-Version = 3", "[headers].X-Version: it is a number, not text; put it in quotes"),
            (
                KLING + '[status]\nqueued = "waiting"',
                '[status].queued: "waiting" is not allowed; use one of pending, ',
            ),
            (KLING + "[cancel]", "[cancel].path: it is missing; add it"),
            (KLING + '[cancel]\npath = "/stop"', '[cancel].path: "/stop" does not say which task; put {task_id} where'),
            (KLING + '[cancel]\npath = "/{task_id}"\nverb = "PUT"', "[cancel].verb: there is no such key"),
            (
                KLING + '[cancel]\npath = "/{task_id}"\nmethod = "GET"',
                '[cancel].method: "GET" is not allowed; use one of POST, PUT, PATCH, DELETE',
            ),
            (
                KLING + '[cancel]\npath = "/{task_id}"\n[cancel.body]\nkey = "{key}"',
                "[cancel.body].key: {key} stands here; the key belongs under [auth] only",
            ),
            (KLING + '[errors]\nE1 = "oops"', '[errors].E1: "oops" is not allowed; use one of content_policy, '),
            ("name = =", "provider file: this is not TOML: Invalid value (at line 1, column 8)"),
        ],
    )
    def test_a_mistake_is_reported_with_its_place_and_a_hint(self, text: str, message: str) -> None:
        """The author of a file must be able to correct it without reading our code."""
        with pytest.raises(BadProviderFile) as caught:
            parse(text)
        assert message in str(caught.value)
        assert "s3cret" not in str(caught.value)

    def test_a_file_is_stored_under_its_own_name(self) -> None:
        """Under another name, tasks would be sent to the wrong provider's API."""
        with pytest.raises(BadProviderFile, match='"kling" is not "veo"'):
            parse(KLING, "veo")


class TestRequests:
    def test_the_key_goes_where_the_file_says(self) -> None:
        """The default is a bearer token, and a file can name any other header."""
        own = parse(KLING + '[auth]\nheader = "x-api-key"\nvalue = "{key}"\n[headers]\nX-Version = "2026-01-01"')
        asked = task_request(own, "t1", Key("s3cret"))
        assert (asked.method, asked.url, asked.body) == ("GET", "https://api.kling.example/v1/videos/t1", b"")
        assert asked.headers == {"accept": "application/json", "X-Version": "2026-01-01", "x-api-key": "s3cret"}
        assert task_request(parse(KLING), "t1", Key("k")).headers["Authorization"] == "Bearer k"

    def test_without_a_key_there_is_no_auth_header(self) -> None:
        """A provider would read an empty header as a wrong key."""
        assert "Authorization" not in task_request(parse(KLING), "t1", None).headers
        assert "Authorization" not in download_request(parse(KLING), "https://api.kling.example/a", None).headers

    def test_a_task_may_be_asked_about_with_post(self) -> None:
        """Some APIs take the task's id in a JSON body."""
        text = edited(
            'path = "/v1/videos/{task_id}"',
            'path = "/query"\nmethod = "POST"\nbody = {id = "{task_id}", kind = "video"}',
        )
        asked = task_request(parse(text), 'a"b', Key("k"))
        assert (asked.method, asked.url) == ("POST", "https://api.kling.example/query")
        assert asked.headers["content-type"] == "application/json"
        assert json.loads(asked.body) == {"id": 'a"b', "kind": "video"}

    def test_a_task_is_cancelled_as_the_file_says_with_the_same_headers(self) -> None:
        """POST is the default; most APIs take nothing but the id."""
        own = parse(KLING + '[headers]\nX-Version = "1"\n[cancel]\npath = "/v1/videos/{task_id}/cancel"')
        asked = cancel_request(own, "a/b", Key("s3cret"))
        assert asked is not None
        assert (asked.method, asked.url) == ("POST", "https://api.kling.example/v1/videos/a%2Fb/cancel")
        assert (asked.body, asked.headers) == (b"", task_request(own, "a/b", Key("s3cret")).headers)
        own = parse(KLING + '[cancel]\nmethod = "DELETE"\npath = "/stop"\n[cancel.body]\nid = "{task_id}"')
        asked = cancel_request(own, 'a"b', Key("s3cret"))
        assert asked is not None
        assert (asked.method, json.loads(asked.body)) == ("DELETE", {"id": 'a"b'})

    @pytest.mark.parametrize(
        "name",
        [
            *("alad", "infinityblue", "kling", "luma", "minimax", "novita", "openai", "pixverse", "siliconflow", "veo"),
            *("vibepeak", "vicsee", "wavespeed", "zhipu", *FORMATS),
        ],
    )
    def test_what_documents_no_way_to_cancel_says_none(self, name: str) -> None:
        """A guess could do something else, such as delete a film."""
        assert "[cancel]" not in bundled_text(name)
        assert cancel_request(parse(KLING), "t1", Key("k")) is None

    @pytest.mark.parametrize("asking", ["", 'method = "POST"\nbody = {id = "{task_id}"}'], ids=["GET", "POST"])
    def test_a_download_accepts_any_type_and_carries_the_key(self, asking: str) -> None:
        """With "accept: application/json" a provider may refuse to send the video."""
        text = edited('path = "/v1/videos/{task_id}"', f'path = "/v1/videos/{{task_id}}"\n{asking}')
        fixed = '[headers]\nX-Version = "2026-01-01"\nAccept = "application/json"\nContent-Type = "application/json"'
        own = parse(f'{text}[auth]\nheader = "x-api-key"\nvalue = "{{key}}"\n{fixed}')
        assert download_request(own, "https://api.kling.example/a", Key("s3cret")).headers == {
            "accept": "*/*",
            "X-Version": "2026-01-01",
            "x-api-key": "s3cret",
        }
        assert task_request(own, "t1", Key("s3cret")).headers["Accept"] == "application/json"

    @given(st.text(st.characters(exclude_categories=["Cs"]), min_size=1).filter(lambda text: text.strip(".")))
    def test_a_task_id_is_one_segment_of_the_path(self, task_id: str) -> None:
        """A task's id comes from outside, so it must not add a slash, a query or a fragment to the URL."""
        infinityblue = bundled()["infinityblue"]
        for url, tail in (
            (task_request(infinityblue, task_id, None).url, ""),
            (content_url(infinityblue, task_id), "/content"),
        ):
            parts = urlsplit(str(url))
            assert (parts.scheme, parts.netloc, parts.query, parts.fragment) == (
                "https",
                "api.getinfinityblue.com",
                "",
                "",
            )
            assert parts.path.count("/") == 3 + bool(tail)
            assert unquote(parts.path) == f"/v1/videos/{task_id}{tail}"
            assert str(url).isascii()

    @pytest.mark.parametrize("task_id", ["", ".", "..", "..."])
    def test_dots_alone_are_no_task_id(self, task_id: str) -> None:
        """HTTP clients resolve ".." in a path, so our key would be sent to another endpoint."""
        with pytest.raises(BadInput, match="task_id"):
            task_request(bundled()["vicsee"], task_id, None)
        with pytest.raises(BadInput, match="task_id"):
            content_url(bundled()["infinityblue"], task_id)

    def test_a_lone_surrogate_in_a_task_id_is_quoted(self) -> None:
        """JSON allows a lone surrogate, and the URL must still be ASCII."""
        assert task_request(bundled()["vicsee"], "\ud800", None).url.endswith("/%ED%A0%80")

    def test_no_content_path_means_no_content_url(self) -> None:
        """Only some providers serve the file itself through their API."""
        assert content_url(bundled()["alad"], "t1") is None


class TestFormats:
    @pytest.mark.parametrize("name", FORMATS)
    def test_a_file_may_consist_of_a_format_and_a_host(self, name: str) -> None:
        """Many gateways offer the API of another one at their own host."""
        own = parse(f'name = "mine"\nbase_url = "https://relay.example"\nformat = "{name}"\n')
        answer = {"id": "t1", "task_id": "t1", "status": "completed", "url": "https://cdn.example/a.mp4"}
        got = read(own, status=200, headers={}, body=json.dumps(answer).encode(), now=0).snapshot
        assert got is not None
        assert got.sources[0].url == "https://cdn.example/a.mp4"

    def test_what_the_file_says_comes_before_its_format(self) -> None:
        """The format is only where to look next."""
        own = parse(
            'name = "mine"\nbase_url = "https://a.example"\nformat = "openai-videos"\npath = "/x/{task_id}"\n'
            '[assets]\nresult = "best"\n[answer]\nstatus = "phase"\n[status]\nqueued = "processing"\n'
        )
        assert own.poll.path == "/x/{task_id}"
        answer = {
            "id": "t1",
            "phase": "done",
            "status": "queued",
            "best": "https://cdn.example/1.mp4",
            "url": "https://b",
        }
        got = read(own, status=200, headers={}, body=json.dumps(answer).encode(), now=0).snapshot
        assert got is not None
        assert (got.status, got.sources[0].url) == (Status.COMPLETED, "https://cdn.example/1.mp4")
        assert own.statuses == {"queued": Status.PROCESSING}

    def test_an_unknown_format_is_refused_by_name(self) -> None:
        """The error lists those that there are."""
        with pytest.raises(
            BadProviderFile, match='format: "openai" is not allowed; use one of generic, new-api, openai'
        ):
            parse('name = "mine"\nbase_url = "https://a.example"\nformat = "openai"\n')


class TestHostileFiles:
    """People of a stack write them, and each poll evaluates them."""

    @pytest.mark.parametrize(
        "expression",
        [
            " | ".join(["[@, @]"] * 32),
            "{a: @, b: @}" + " | {a: @, b: @}" * 20,
            "map(&[@, @], [@, @])" + " | map(&[@, @], [@, @])" * 10,
            "(" * 3_000 + "a" + ")" * 3_000,
            "(" * 400 + "a" + ")" * 400,
            "!" * 900 + "a",
            "[" * 400 + "a" + "]" * 400,
            "a || " * 5_000 + "a",
            "a" + "[]" * 30,
            "*" + ".*" * 20,
            "x" * 2_000,
            "&" * 400 + "a",
            "join(join('', list), list)",
            "join(list[0], list)",
            "to_string([" * 8 + "a" + "])" * 8,
            "a[*].[" + ", ".join(["to_string(@)"] * 50) + "]",
            "sort_by(" * 20 + "a" + ", &b)" * 20,
        ],
        ids=lambda text: f"{text[:20]} {len(text)}",
    )
    def test_an_expression_that_explodes_or_recurses_is_refused(self, expression: str) -> None:
        """It would hang a poll, or end it with an error, as soon as an answer comes."""
        with pytest.raises(BadProviderFile, match=r"\[assets\]\.result: "):
            parse(edited('["data.task_result.videos", "data.url"]', json.dumps(expression)))

    def test_usual_functions_on_texts_are_allowed(self) -> None:
        """A file may join the lines of an error, or show an object as text."""
        parse(edited('"data.url"', "\"join(', ', data.urls) || to_string(data)\""))

    def test_a_byte_order_mark_is_no_mistake(self) -> None:
        """Some editors put one before every file."""
        assert parse("\ufeff" + KLING) == parse(KLING)

    def test_a_list_without_end_and_a_file_without_end_are_refused(self) -> None:
        """Every expression is evaluated for every answer."""
        with pytest.raises(BadProviderFile, match="it has more than 40 expressions"):
            parse(edited('["data.task_result.videos", "data.url"]', json.dumps(["a"] * 41)))
        with pytest.raises(BadProviderFile, match="it is longer than 64 KiB"):
            parse(KLING + "#" * 70_000)
        with pytest.raises(BadProviderFile, match="this is not TOML"):
            parse(KLING + "x = " + "[" * 30_000)
        with pytest.raises(BadProviderFile, match="line 1 has more than 400 dots"):
            parse("a." * 30_000 + "a = 1")  # which would take the parser gigabytes

    @given(st.text(alphabet="[]@,|&!(){}.*`'\"ab ?:<>=0-", max_size=60))
    def test_any_expression_is_compiled_or_refused(self, expression: str) -> None:
        """No text ends in a traceback, and what is compiled reads an answer at once."""
        try:
            own = parse(edited('["data.task_result.videos", "data.url"]', json.dumps(expression)))
        except BadProviderFile:
            return
        answer = {"status": "done", "data": {"task_status": "done", "a": [{"b": ["x"] * 50}] * 50}}
        read(own, status=200, headers={}, body=json.dumps(answer).encode(), now=0)


class TestPlaceholders:
    POST = edited("/v1/videos/{task_id}", "/v1/query").replace(
        "[answer]", 'method = "POST"\n[body]\nid = "{task_id}"\n[answer]'
    )

    @pytest.mark.parametrize(
        ("text", "message"),
        [
            (edited("{task_id}", "{task_id}?key={key}"), "path: {key} stands here; the key belongs under [auth] only"),
            (KLING + '[headers]\nX-Key = "{key}"', "[headers].X-Key: {key} stands here"),
            (edited("{task_id}", "{task}"), "path: {task} means nothing here; use {task_id}, or"),
            (KLING + '[headers]\nX = "{task_id}"', "[headers].X: {task_id} means nothing here; use {uuid}"),
            (POST.replace('"{task_id}"', '"{id}"'), "[body].id: {id} means nothing here"),
            (POST.replace('"{task_id}"', '"7"'), 'path: "/v1/query" does not say which task'),
            (POST.replace('method = "POST"\n', ""), 'body: it is only sent with a POST; add method = "POST"'),
            (KLING + '[headers]\nX-A = "a\\nb"', "is not valid; use plain characters"),
            (KLING + '[headers]\nX-A = "\u89c6"', "is not valid; use plain characters"),
            (KLING + '[headers]\n"X A" = "1"', '[headers]."X A": it is not valid; use a header\'s name'),
            (KLING + '[auth]\nvalue = "Bearer {key}\\u0000"', "[auth].value: "),
            (KLING + '[auth]\nvalue = "Bearer {key} "', "put {key} where the key belongs"),
            (
                edited("[assets]", '[assets]\n"\u539f" = "url"'),
                ": it is not valid; use 1 to 40 of A-Z",
            ),
            (edited("[assets]", '[assets]\n"a\\u0000" = "url"'), r"it is not valid; use 1 to 40 of A-Z"),
            (KLING + '[status]\n"\\uD800" = "failed"', "this is not TOML: "),
            (KLING + '[headers]\nauthorization = "x"', "[headers].authorization: this header is sent twice"),
            (KLING + '[headers]\nX-A = "1"\nx-a = "2"', "[headers].x-a: this header is sent twice"),
            (
                KLING + '[status]\nIN_PROGRESS = "processing"\nin-progress = "failed"',
                '[status].in-progress: it is the same word as "IN_PROGRESS", which means processing; leave out one',
            ),
            (KLING + '[status]\nx = "broken"', '[status].x: "broken" is not allowed; use one of pending, processing'),
            (edited("https://api.kling.example/", "https://a.example/{key}"), "base_url: {key} stands here"),
            (edited("https://api.kling.example/", "https://{region}.a.example"), "base_url: {region} means nothing"),
            (edited("https://api.kling.example/", "https://a.example\\u0000"), "is not an http(s) URL"),
            (edited("{task_id}", "{task_id}/{0}"), "path: {0} means nothing here"),
            (edited("{task_id}", "#{task_id}"), 'path: "/v1/videos/#{task_id}" is not valid'),
            (edited("{task_id}", "{task_id}/{}"), 'path: "{}" is not how a value is put in; write {task_id}'),
            (edited("{task_id}", "{{task_id}}"), 'path: "{{task_id}}" is not how a value is put in'),
            (edited("{task_id}", "${task_id}"), 'path: "${" is not how a value is put in'),
            (edited("{task_id}", "{task_id}/{task_id!r}"), 'path: "{task_id" is not how a value is put in'),
            (edited("{task_id}", "{task_id}/{task_id?}"), 'path: "{task_id" is not how a value is put in'),
            (edited("{task_id}", "{task_id}}"), 'path: a "}" is left in "/v1/videos/{task_id}}"'),
            (POST.replace('"{task_id}"', '"${task_id}"'), '[body].id: "${" is not how a value is put in'),
            (KLING + '[headers]\nX-API-Key = "abc"', "[headers].X-API-Key: this header holds a key"),
            (KLING + '[auth]\nheader = "X-Key"\n[headers]\nAuthorization = "abc"', "this header holds a key"),
            (
                KLING + '[messages]\n"try_it  Later" = "provider"\n"try it later" = "quota"',
                '[messages].try it later: it is the same word as "try_it  Later", which means provider',
            ),
            (KLING + '[auth]\nvalue = "Bearer {key} {secret}"', "[auth].value: {secret} means nothing here; use {key}"),
            (KLING + '[headers]\nX = "a\\nb"', "[headers].X:"),
            (KLING + '[headers]\n"x y" = "a"', '[headers]."x y": it is not valid'),
            (KLING + '[headers]\nContent-Length = "5"', '[headers]."Content-Length": it is not valid'),
            (KLING + '[auth]\nheader = "host"', '[auth].header: "host" is not valid'),
            (KLING.replace("[assets]", '[assets]\n"../a" = "url"'), '[assets]."../a": it is not valid'),
            (KLING.replace("[answer]", f"expected_seconds = {'9' * 5_000}\n[answer]"), "this is not TOML"),
        ],
    )
    def test_a_mistake_that_would_be_silent_is_an_error(self, text: str, message: str) -> None:
        """The request would be wrong for every task, and nobody would see why."""
        with pytest.raises(BadProviderFile) as caught:
            parse(text)
        assert message in str(caught.value)

    def test_words_that_fold_together_may_mean_the_same(self) -> None:
        """Some files list every spelling."""
        text = (
            KLING
            + '[status]\nIN_PROGRESS = "processing"\n"in progress" = "processing"\n-1 = "failed"\n1 = "completed"\n'
        )
        assert parse(text).statuses == {"inprogress": Status.PROCESSING, "-1": Status.FAILED, "1": Status.COMPLETED}

    def test_an_id_with_slashes_is_sent_as_a_path_where_the_file_says_so(self) -> None:
        """Google's operation names have them."""
        veo = parse(edited("/v1/videos/{task_id}", "/v1beta/{task_id:path}"))
        name = "models/veo 3/operations/a%2Fb"
        assert task_request(veo, name, None).url == "https://api.kling.example/v1beta/models/veo%203/operations/a%252Fb"
        for bad in ("models/../admin", "/models", "a//b", "a/."):
            with pytest.raises(BadInput):
                task_request(veo, bad, None)
