"""The requests that a provider file describes: what stands in braces, where the key goes, and who may get it."""

import base64
import hashlib
import hmac
import json
import re
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vidhook.errors import BadInput, BadProviderFile
from vidhook.providers.auth import Key, jwt, token_in
from vidhook.providers.file import parse
from vidhook.providers.placeholders import filled_path, reader
from vidhook.providers.request import (
    check_params,
    create_request,
    download_request,
    find_request,
    result_request,
    task_request,
)

FILE = """
name = "acme"
base_url = "{base}"
{top}
[answer]
status = "status"
[assets]
result = "url"
{tables}
"""


def file(
    tables: str = "", *, base: str = "https://api.acme.example", path: str = "/tasks/{task_id}", top: str = ""
) -> Any:
    """The checked file of a provider; `top` is what stands before its tables, without the path."""
    return parse(FILE.format(base=base, top=f"path = '{path}'\n{top}", tables=tables))


def problem(**texts: str) -> str:
    with pytest.raises(BadProviderFile) as caught:
        file(**texts)
    return str(caught.value)


FAL = {"path": "/{model[0]}/{model[1]}/requests/{task_id}/status", "top": 'params = ["model"]'}


class TestParameters:
    def test_a_parameter_stands_in_the_path_whole_or_in_parts(self) -> None:
        """fal polls under the first two parts of a model's name."""
        fal = file(**FAL, tables='[create]\npath = "/{model:path}"')
        params = {"model": "fal-ai/kling-video/v2/master"}
        assert task_request(fal, "r/1", None, params).url == (
            "https://api.acme.example/fal-ai/kling-video/requests/r%2F1/status"
        )
        assert create_request(fal, {}, "c", None, params).url == "https://api.acme.example/fal-ai/kling-video/v2/master"

    def test_a_task_id_may_have_parts_too(self) -> None:
        """Then one text is enough to find the task."""
        own = file(path="/{task_id[0]}/jobs/{task_id[-1]}")
        assert task_request(own, "text2video/a b/k1", None).url.endswith("/text2video/jobs/k1")

    @pytest.mark.parametrize(
        ("params", "message"),
        [
            ({}, "params.model: is missing; the provider's file needs it"),
            ({"model": "one"}, "params.model: 'one' has only 1 part between slashes"),
            ({"model": "../.."}, "params.model: '..' cannot be part of a URL"),
            ({"model": "a/b", "mode": "pro"}, "params.mode: means nothing to acme; its parameters are model"),
        ],
    )
    def test_a_submission_with_wrong_parameters_is_refused_at_once(self, params: dict[str, str], message: str) -> None:
        """Nobody waits to the deadline for what cannot be asked."""
        with pytest.raises(BadInput, match=re.escape(message)):
            check_params(file(**FAL), "t1", params)

    def test_only_what_its_requests_use_is_demanded(self) -> None:
        """Who created a task elsewhere need not know what creating it took."""
        veo = file(path="/v1/{task_id:path}", top='params = ["model"]', tables='[create]\npath = "/v1/{model}:go"')
        check_params(veo, "operations/o1", {})
        with pytest.raises(BadInput, match=r"params\.model: is missing"):
            check_params(veo, None, {})

    def test_parameters_stand_in_bodies_at_any_depth_and_values_keep_their_types(self) -> None:
        """Runware takes a list, and others objects with numbers and booleans."""
        top = (
            'method = "POST"\nparams = ["kind"]\nbody = [{ids = ["{task_id}"], kind = "{kind}", full = true, n = 2.5}]'
        )
        asked = task_request(file(path="/v1", top=top), 'a"b', None, {"kind": "x/y"})
        assert json.loads(asked.body) == [{"ids": ['a"b'], "kind": "x/y", "full": True, "n": 2.5}]
        assert asked.headers["content-type"] == "application/json"

    def test_a_parameter_may_be_a_label_of_the_host(self) -> None:
        """Some providers have a host for each region."""
        own = file(base="https://{region}.acme.example", top='params = ["region"]')
        assert task_request(own, "t1", None, {"region": "eu-1"}).url == "https://eu-1.acme.example/tasks/t1"

    @pytest.mark.parametrize("region", ["evil.example/", "a.b", "x@y", "", "-a", "a" * 64, "é", "a\n"])
    def test_no_parameter_leads_the_key_to_another_host(self, region: str) -> None:
        """Whoever may submit a task may not choose who gets the provider's key."""
        own = file(base="https://{region}.acme.example", top='params = ["region"]')
        with pytest.raises(BadInput, match="region"):
            check_params(own, "t1", {"region": region})
        with pytest.raises(BadInput, match="region"):
            task_request(own, "t1", Key("k"), {"region": region})

    @given(value=st.text(min_size=1, max_size=40))
    def test_a_quoted_value_is_one_segment_and_is_read_back(self, value: str) -> None:
        """Whatever is in it."""
        if value.strip(".") == "":
            with pytest.raises(BadInput):
                filled_path("/a/{task_id}/b", {"task_id": value})
            return
        path = filled_path("/a/{task_id}/b", {"task_id": value})
        assert path.count("/") == 3
        if "\0" not in value:
            assert reader("/a/{task_id}/b")(f"https://x.example{path}") == {"": "https://x.example", "task_id": value}


class TestFreshIds:
    def test_each_request_has_a_uuid_of_its_own(self) -> None:
        """PixVerse wants a new Ai-trace-id each time."""
        own = file('[headers]\nAi-trace-id = "{uuid}"')
        sent = [task_request(own, "t1", None).headers["Ai-trace-id"] for _ in range(3)]
        assert len({UUID(each) for each in sent}) == 3
        assert UUID(download_request(own, "https://api.acme.example/a", None).headers["Ai-trace-id"])

    def test_a_request_that_must_stay_the_same_keeps_its_uuid(self) -> None:
        """Else a provider with idempotency keys would take the second one for another request."""
        tables = '[headers]\nX-Trace = "{uuid}"\n[create]\npath = "/tasks"\nidempotency_header = "Idempotency-Key"'
        first, second = (create_request(file(tables), {"a": 1}, "c1", None) for _ in range(2))
        assert first == second


class TestAuth:
    def test_a_key_may_go_into_the_query(self) -> None:
        """And takes the place of what a link has there already."""
        own = file('[auth.query]\nkey = "{key}"', path="/tasks/{task_id}?alt=json")
        asked = task_request(own, "t1", Key("s3 cret&"))
        assert parse_qs(urlsplit(asked.url).query) == {"alt": ["json"], "key": ["s3 cret&"]}
        assert "Authorization" not in asked.headers
        link = download_request(own, "https://api.acme.example/f.mp4?key=old&a=1", Key("new")).url
        assert parse_qs(urlsplit(link).query) == {"a": ["1"], "key": ["new"]}
        assert task_request(own, "t1", None).url.endswith("/tasks/t1?alt=json")

    def test_a_key_of_two_halves_goes_into_two_headers(self) -> None:
        """Some providers want an id and a secret."""
        own = file('[auth.headers]\nX-App = "{key_id}"\nX-Key = "{key_secret}"')
        for written in (
            "app:s3:cret",
            " app : s3:cret\n",
        ):  # a blank is no part of a key, and no header may begin with it
            sent = task_request(own, "t1", Key(written)).headers
            assert (sent["X-App"], sent["X-Key"]) == ("app", "s3:cret")

    def test_no_secret_shows_in_a_representation(self) -> None:
        """Requests and keys stand in tracebacks."""
        own = file('[auth.query]\nkey = "{key}"')
        assert "s3cret" not in repr((Key("id:s3cret", "s3cret-token"), task_request(own, "t1", Key("s3cret"))))

    def test_a_jwt_is_signed_as_its_provider_checks_it(self) -> None:
        """Kling: HS256 over the access key, valid for 30 minutes, from a minute ago: clocks differ, both ways."""
        token = jwt("access:secret", 1_000_000.7) or ""
        assert jwt("access: secret", 1_000_000.7) == token
        head, claims, signature = token.split(".")
        expected = hmac.new(b"secret", f"{head}.{claims}".encode(), hashlib.sha256).digest()
        assert _decoded(signature) == expected
        assert json.loads(_decoded(head)) == {"alg": "HS256", "typ": "JWT"}
        assert json.loads(_decoded(claims)) == {"iss": "access", "exp": 1_001_740, "nbf": 999_940}

    def test_without_a_token_nothing_is_sent_that_looks_like_one(self) -> None:
        """The provider says that the key is missing, which is what is wrong."""
        own = file('[auth]\ntype = "jwt-hs256"')
        assert "Authorization" not in task_request(own, "t1", Key("no halves")).headers
        assert jwt("no halves", 0.0) is None
        assert task_request(own, "t1", Key("a:b", "tok")).headers["Authorization"] == "Bearer tok"

    @given(
        body=st.binary()
        | st.builds(
            lambda value: json.dumps(value).encode(),
            st.dictionaries(
                st.sampled_from(["access_token", "expires_in"]), st.none() | st.booleans() | st.integers() | st.text()
            ),
        )
    )
    def test_any_answer_of_a_token_server_is_a_token_or_none(self, body: bytes) -> None:
        """A header's value has no line breaks, and a token lives for some time."""
        made = token_in(body)
        assert made is None or (made[0].isprintable() and made[0].isascii() and 60 <= made[1] <= 86_400)


@pytest.mark.parametrize(
    ("lives", "seconds"),
    [("NaN", 3_600), ("inf", 3_600), (1e999, 3_600), (True, 3_600), (-5, 60), ("7200", 7_200), (1e9, 86_400)],
)
def test_a_token_has_an_end_whatever_its_server_says(lives: object, seconds: float) -> None:
    """One that was used for ever would be refused some day, and nobody would make another."""
    assert token_in(json.dumps({"access_token": "t", "expires_in": lives}).encode()) == ("t", seconds)


class TestHosts:
    HOSTS = 'hosts = ["files.acme.example", "*.acme-cdn.example", "http://127.0.0.1:8080"]'

    @pytest.mark.parametrize(
        ("url", "may"),
        [
            ("https://api.acme.example/a", True),
            ("https://files.acme.example/a", True),
            ("https://FILES.acme.example/a", True),
            ("https://eu.acme-cdn.example/a", True),
            ("http://127.0.0.1:8080/a", True),
            ("https://acme-cdn.example/a", False),
            ("https://a.eu.acme-cdn.example/a", False),
            ("https://evilacme-cdn.example/a", False),
            ("http://files.acme.example/a", False),
            ("https://files.acme.example:8443/a", False),
            ("https://files.acme.example.evil.example/a", False),
            ("http://127.0.0.1:8081/a", False),
            ("nonsense", False),
        ],
    )
    def test_the_key_goes_to_the_named_hosts_only(self, url: str, may: bool) -> None:
        """A link in an answer must not lead it elsewhere."""
        assert file(top=self.HOSTS).has_key(url, "https://api.acme.example/tasks/t1") is may

    def test_the_url_of_a_second_request_is_on_such_a_host(self) -> None:
        """Else the answer of a provider, or of who stands between, would say who gets the key."""
        own = file('[result]\nurl = "response_url"', top='hosts = ["files.acme.example"]')
        fields = {"url": "https://files.acme.example/r/1"}
        asked = result_request(own, "t1", Key("k"), fields=fields)
        assert (asked.method, asked.url, asked.headers["Authorization"]) == ("GET", fields["url"], "Bearer k")
        assert result_request(own, "t1", None, fields={"url": "/r/1"}).url == "https://api.acme.example/r/1"
        for url, named in (
            ("https://evil.example/r/1?sig=s3cret", "evil.example"),
            ("http://me:s3cret@files.acme.example/r/1", "http://files.acme.example:80"),
        ):
            with pytest.raises(BadInput) as refused:
                result_request(own, "t1", Key("k"), fields={"url": url})
            hint = f'if it may have the key, name it: hosts = ["{named}"]'
            assert str(refused.value) == f"result.url: leads to {named}, not to base_url; {hint}"
        for odd in ("file:///etc/passwd", "javascript:alert(1)"):
            with pytest.raises(BadInput, match=r"leads to what is no http\(s\) URL"):
                result_request(own, "t1", Key("k"), fields={"url": odd})


class TestSecondRequests:
    def test_fields_of_the_first_answer_stand_in_the_second_request(self) -> None:
        """MiniMax gives the id of a file, which another path knows."""
        own = file('[result]\npath = "/files?file_id={file_id}&of={task_id}"\n[result.fields]\nfile_id = "file_id"')
        assert result_request(own, "t1", None, fields={"file_id": "a/b"}).url.endswith("/files?file_id=a%2Fb&of=t1")


def test_the_task_of_a_creation_is_found_with_its_parameters_too() -> None:
    """All requests about it have them."""
    tables = '[create]\npath = "/{model}?id={create_id}"\nfind = "/{model}/by/{create_id}"'
    own = file(tables, top='params = ["model"]')
    found = find_request(own, "c/1", None, {"model": "m"})
    assert found is not None
    assert unquote(found.url) == "https://api.acme.example/m/by/c/1"


@pytest.mark.parametrize(
    ("texts", "message"),
    [
        ({"path": "/{model}/{task_id}"}, "{model} means nothing here; use {task_id}, or declare it"),
        ({"top": 'params = ["task_id"]'}, "params: {task_id} has a meaning of its own"),
        ({"top": 'params = ["Model"]'}, 'params: "Model" is not valid; use 1 to 40 of a-z'),
        ({"base": "https://{region}.example", "top": 'params = ["region"]'}, "leaves open who gets the key"),
        ({"base": "https://{region}", "top": 'params = ["region"]'}, "leaves open who gets the key"),
        ({"base": "https://api.acme.example/{r}", "top": 'params = ["r"]'}, "leaves open who gets the key"),
        ({"top": "progress_scale = 0"}, "progress_scale: 0 is not a number"),
        ({"top": "webhook = 1"}, "webhook: it is a number; write true or false"),
        ({"top": 'hosts = ["*.com"]'}, 'hosts: "*.com" is not a host'),
        ({"top": 'hosts = ["https://"]'}, "is not a host"),
        ({"top": 'hosts = ["ftp://files.acme.example"]'}, "is not a host"),
        ({"top": 'hosts = ["files..example"]'}, "is not a host"),
        ({"top": 'hosts = ["https://a.example/files"]'}, '"https://a.example/files" is not a host'),
        ({"top": 'method = "POST"\nbody = "{task_id}"'}, "body: it is neither a table nor a list"),
        (
            {"tables": '[auth]\ntype = "jwt"'},
            '[auth].type: "jwt" is not allowed; use one of key, jwt-hs256, oauth-client',
        ),
        ({"tables": '[auth]\ntype = "oauth-client-credentials"'}, "[auth].token_url: it is missing"),
        ({"tables": '[auth]\ntype = "oauth-client-credentials"\ntoken_url = "x"'}, '"x" is not an http(s) URL'),
        ({"tables": '[auth]\ntoken_url = "https://a.example/t"'}, "only a token of OAuth has it"),
        ({"tables": '[auth]\nheaders = "X-Key"'}, "it is text, not a table; write it under [auth.headers]"),
        ({"tables": '[result]\npath = "/f/{file_id}"'}, "[result.fields] file_id = ..."),
        (
            {"tables": '[auth]\ntype = "jwt-hs256"\nvalue = "Bearer {key}"'},
            "no header has the token; put {token} where",
        ),
        ({"tables": '[auth]\nvalue = "Bearer {token}"'}, "{token} stands here"),
        ({"tables": '[auth]\nvalue = "Bearer"'}, '"Bearer" is not valid; put {key} where the key belongs'),
        ({"tables": '[auth.headers]\nX-Key = "fixed"'}, '[auth.headers].X-Key: "fixed" is not valid'),
        ({"tables": '[auth.headers]\nX-Key = "{key}"\n[headers]\nx-key = "1"'}, "this header is sent twice"),
        ({"tables": '[headers]\nX-A = "{key}"'}, "{key} stands here; the key belongs under [auth] only"),
        ({"tables": '[headers]\nX-A = "{task_id}"'}, "{task_id} means nothing here; use {uuid}"),
        ({"tables": "[result]"}, "[result].path: it is missing"),
        ({"tables": '[result]\npath = "/files"'}, "does not say which task; put {task_id} where"),
        ({"tables": '[result]\npath = "/{file_id}"'}, "{file_id} means nothing here"),
        ({"tables": '[result]\nurl = "u"\npath = "/{task_id}"'}, "[result].url: it stands beside path"),
        (
            {"tables": '[result]\nurl = "u"\nmethod = "POST"'},
            "[result].method: a URL that stands in the answer is asked by",
        ),
        ({"tables": '[result]\nurl = "u"\nfailed = [500]'}, "[result].failed: 500 is no HTTP status from 400 to 499"),
        (
            {"tables": '[result]\npath = "/{key}"\n[result.fields]\nkey = "k"'},
            "[result.fields].key: {key} has a meaning",
        ),
        (
            {"tables": '[cancel]\npath = "/graphql"\n[cancel.body]\nquery = "{ stop(id: \\"{task_id}\\") { ok } }"'},
            "[cancel.body].query: {ok} means nothing here; use {task_id} or {uuid}, or declare it as a parameter of"
            ' submissions: params = ["ok"], or if these braces are the API\'s own, write { ok, }',
        ),
        ({"tables": '[base64]\npicture = "image/png"'}, "[base64].picture: [assets] has no such role"),
        ({"tables": '[base64]\nresult = "text/html"'}, '[base64].result: "text/html" is not valid'),
    ],
)
def test_a_mistake_is_reported_with_its_place_and_a_hint(texts: dict[str, str], message: str) -> None:
    """Its author reads it once and mends the file."""
    assert message in problem(**texts)


def _decoded(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
