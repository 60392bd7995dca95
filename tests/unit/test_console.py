"""The console's server: what it takes for a request, whom it believes, and what it sends on to the API."""

import gzip
import hashlib
import io
from pathlib import Path
from urllib.parse import parse_qsl, urlencode

import pytest
from hypothesis import example, given
from hypothesis import strategies as some

from vidhook import openapi
from vidhook.edges.http import Http
from vidhook.errors import Refused
from vidhook_console.head import HEAD_BYTES, Request, check_body, read_head
from vidhook_console.proxy import PAGE, SCREEN, Console, check_sender, files, target

VENDORED = "586f5e23d6399c7ccfe80d166effc8fbdea12c237e08a7fdcc92cb33e79964ac"
PIECES = [
    "/",
    "//",
    ".",
    "..",
    "%2e",
    "%2f",
    "%2F",
    "%00",
    "\\",
    "\r\n",
    "\n",
    "?",
    "#",
    "@",
    ":",
    "http:",
    "v1",
    "tasks",
]
PIECES += ["/v1/tasks", "/v1/subscribers", "/v1/videos/", "/api", "evil.example", "tsk_1", " ", "é", ";", "$default"]
NAMES = some.text("abcdefghijklmnopqrstuvwxyz0123456789_-", min_size=1, max_size=40)


def refused(call: object, *given: object) -> int:
    """The status with which a call is refused."""
    with pytest.raises(Refused) as found:
        call(*given)  # type: ignore[operator]
    return found.value.status


def head(text: bytes) -> Request | None:
    return read_head(io.BytesIO(text))


# What is sent on


@given(some.lists(some.sampled_from(PIECES) | some.text(max_size=5), max_size=8).map("".join))
@example("/v1/tasks/../subscribers")
@example("/v1/tasks/%2e%2e/subscribers")
@example("/v1//tasks")
@example("//evil.example/v1/tasks")
@example("/v1/tasks/.")
@example("/v1/tasks\r\nHost: evil")
@example("/v1/tasks/")
@example("@evil.example/v1/tasks")
def test_whatever_a_path_holds_it_leads_to_the_api_or_nowhere(path: str) -> None:
    """The path is joined to the address of the API, and signed with the caller's credentials."""
    try:
        sent = target("GET", path, "")
    except Refused:
        return
    assert sent == path
    assert openapi.operations(path)
    assert all(piece and piece.strip(".") for piece in path.split("/")[1:])
    assert not set(path) & set("%\\?#@: \r\n;")


@given(NAMES, NAMES)
def test_every_path_of_the_document_passes_with_its_own_methods_alone(first: str, second: str) -> None:
    """The page does whatever the API does, but for the links to videos, which need no signature."""
    for template, methods in openapi.document()["paths"].items():
        path = template.replace("{subscriber}", second)
        while "{" in path:
            path = path[: path.index("{")] + first + path[path.index("}") + 1 :]
        for method in ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "CONNECT"):
            if template == "/v1/videos/{token}":
                assert refused(target, method, path, "") == 404
            elif method.lower() in methods:
                assert target(method, path, "") == path
            else:
                assert refused(target, method, path, "") == 405


@given(some.dictionaries(some.text(max_size=8), some.text(max_size=20), max_size=8))
def test_a_query_means_the_same_when_it_is_sent_on(fields: dict[str, str]) -> None:
    """It is written anew, as AWS writes it to check the signature: a plus for a blank would make it wrong."""
    sent = target("GET", "/v1/tasks", urlencode(fields))
    path, _, query = sent.partition("?")
    assert path == "/v1/tasks"
    assert dict(parse_qsl(query, keep_blank_values=True)) == fields
    assert all(sign.isalnum() or sign in "-_.~%=&" for sign in query)


@pytest.mark.parametrize("query", ["&".join(f"f{number}=1" for number in range(40)), "reference=%ff"])
def test_a_query_that_cannot_be_one_of_the_page_is_refused(query: str) -> None:
    """Nothing is signed that the server does not understand."""
    assert refused(target, "GET", "/v1/tasks", query) == 400


# What is a request


@given(some.binary(max_size=200))
@example(b"GET / HTTP/1.0\r\n\r\n")
@example(b"GET /\r\n")
@example(b"GET http://127.0.0.1:1/ HTTP/1.1\r\n\r\n")
@example(b"GET * HTTP/1.1\r\n\r\n")
@example(b"get / HTTP/1.1\r\n\r\n")
@example(b"GET / HTTP/1.1\n\n")
def test_what_is_no_plain_request_is_refused(text: bytes) -> None:
    """Old, absolute and lenient forms are what requests are smuggled in."""
    if text:
        assert refused(head, text) == 400


@pytest.mark.parametrize(
    "line",
    [
        b"Content-Length: 1\r\nContent-Length: 2",
        b"Host: a\r\nhost: a",
        b"Host : a",
        b"Host: a\r\n b",
        b" Host: a",
        b"Host: a\rX: b",
        b"Host: a\nX: b",
        b"Host: a\0",
        b"no colon",
        b": nothing",
    ],
)
def test_a_header_that_two_readers_could_read_differently_is_refused(line: bytes) -> None:
    """Whoever can hide a header from a check can pass it."""
    assert refused(head, b"GET / HTTP/1.1\r\n" + line + b"\r\n\r\n") == 400


def test_a_head_has_an_end() -> None:
    """Nobody can fill the memory with headers."""
    long = b"a" * (HEAD_BYTES + 10)
    assert refused(head, b"GET /" + long) == 414
    assert refused(head, b"GET / HTTP/1.1\r\nX: " + long) == 431
    assert refused(head, b"GET / HTTP/1.1\r\n" + b"".join(b"X%d: 1\r\n" % number for number in range(9_999))) == 431
    assert refused(head, b"GET / HTTP/1.1\r\nHost: a\r\n") == 400  # it ended before


def test_a_plain_request_is_read_as_it_is() -> None:
    """Browsers send such ones."""
    read = head(b"POST /api/v1/tasks?a=b?c HTTP/1.1\r\nHost: x:1\r\nContent-Length:  2 \r\nEmpty:\r\n\r\n{}")
    headers = {"host": "x:1", "content-length": "2", "empty": ""}
    assert read == Request("POST", "/api/v1/tasks", "a=b?c", headers)
    assert head(b"") is None


@pytest.mark.parametrize(
    ("method", "headers", "status"),
    [
        ("POST", {"transfer-encoding": "chunked"}, 411),
        ("POST", {"transfer-encoding": "identity", "content-length": "0"}, 411),
        ("POST", {"content-length": "+1"}, 400),
        ("POST", {"content-length": "1, 1"}, 400),
        ("POST", {"content-length": "131073", "content-type": "application/json"}, 413),
        ("GET", {"content-length": "1", "content-type": "application/json"}, 400),
        ("POST", {"content-length": "1"}, 415),
        ("POST", {"content-length": "1", "content-type": "text/plain"}, 415),
        ("DELETE", {"content-length": "1", "content-type": "application/x-www-form-urlencoded"}, 415),
    ],
)
def test_a_body_is_json_of_a_plain_length(method: str, headers: dict[str, str], status: int) -> None:
    """A form of another site can send any other type without asking first."""
    assert refused(check_body, Request(method, "/", "", headers)) == status


@pytest.mark.parametrize("kind", ["application/json", "Application/JSON; charset=utf-8"])
def test_json_passes_and_so_does_no_body(kind: str) -> None:
    """These are the page's own requests."""
    check_body(Request("POST", "/", "", {"content-length": "131072", "content-type": kind}))
    check_body(Request("POST", "/", "", {"content-length": "0"}))
    check_body(Request("DELETE", "/", "", {}))


# Whom it believes


@given(some.text("abcdefghijklmnopqrstuvwxyz0123456789.:-@[]", max_size=30))
@example("127.0.0.1:80")
@example("127.0.0.1")
@example("localhost:81234")
@example("127.0.0.1:8123.evil.example")
@example("127.0.0.1.nip.io:8123")
@example("evil@127.0.0.1:8123")
@example("[::1]:8123")
def test_a_request_under_any_other_name_is_refused(host: str) -> None:
    """A site whose name leads to 127.0.0.1 is in the page's origin for the browser, but its name is in the request."""
    assert refused(check_sender, {"host": host}, 8123) == 421


@pytest.mark.parametrize("host", ["127.0.0.1:8123", "localhost:8123"])
@pytest.mark.parametrize("site", ["same-origin", "none", None])
def test_the_page_itself_is_believed(host: str, site: str | None) -> None:
    """Under both names that lead here."""
    check_sender({"host": host, "origin": f"http://{host}", **({"sec-fetch-site": site} if site else {})}, 8123)
    check_sender({"host": host}, 8123)


@pytest.mark.parametrize(
    "headers",
    [
        {"origin": "null"},
        {"origin": "https://127.0.0.1:8123"},
        {"origin": "http://127.0.0.1:8124"},
        {"origin": "http://localhost:8123"},
        {"origin": "https://evil.example"},
        {"origin": ""},
        {"sec-fetch-site": "cross-site"},
        {"sec-fetch-site": "same-site"},
        {"sec-fetch-site": ""},
    ],
)
def test_what_another_site_sends_is_refused(headers: dict[str, str]) -> None:
    """Another port of this machine is another site too."""
    assert refused(check_sender, {"host": "127.0.0.1:8123", **headers}, 8123) == 403


# The page


@pytest.mark.parametrize(
    "path", ["/", "/tasks", "/tasks/tsk_1", "/subscribers/sub_1", "/providers/alad", "/tasks/%3Cscript%3E"]
)
def test_every_screen_has_an_address_of_its_own(path: str) -> None:
    """So that it can be loaded again, and kept as a bookmark."""
    assert SCREEN.fullmatch(path)


@pytest.mark.parametrize("path", ["/tasks/", "/tasks/a/b", "/task", "/index", "//", "/api/v1/tasks", "/console.json"])
def test_no_other_path_is_a_screen(path: str) -> None:
    """What is neither a screen nor a file takes the token."""
    assert not SCREEN.fullmatch(path)


def test_only_files_of_the_page_are_served(tmp_path: Path) -> None:
    """The table is made at the start, so that no path can lead out of it."""
    (tmp_path / "inner").mkdir()
    for name in ("a.js", "inner/b.css", "c.py", ".hidden", "d.map"):
        (tmp_path / name).touch()
    assert set(files(tmp_path)) == {"/a.js", "/inner/b.css"}
    assert "/index.html" in files(PAGE)
    assert not set(files(PAGE)) & {"/console.json"}
    assert not any(path.startswith("/api/") for path in files(PAGE))


def test_the_policy_names_the_origins_of_the_videos_and_nobody_else() -> None:
    """A video is behind the API's link, which leads to the bucket; an odd setting cannot add to the policy."""
    videos = [
        "https://videos.example/v1/videos",
        "https://b.s3.eu-west-1.amazonaws.com/k?X=1",
        "http://a b;script-src *",
    ]
    console = Console("s", "eu-west-1", None, "https://api.example/x", videos, Http(), lambda: None, "vidhook")
    policy = dict(part.split(" ", 1) for part in console.headers()["Content-Security-Policy"].split("; "))
    origins = "http://a https://api.example https://b.s3.eu-west-1.amazonaws.com https://videos.example"
    assert policy["media-src"] == origins
    assert policy["img-src"] == f"'self' data: {origins}"
    assert policy["default-src"] == "'none'"
    assert {policy[name] for name in ("script-src", "style-src", "connect-src")} == {"'self'"}
    assert "unsafe" not in str(policy)


def test_the_vendored_file_is_the_published_one() -> None:
    """Nobody reads minified code: who changes it must say so here. CONTRIBUTING.md says how to renew it."""
    assert hashlib.sha256((PAGE / "vendor/preact-htm.js").read_bytes()).hexdigest() == VENDORED
    licences = (PAGE / "vendor/LICENSES.txt").read_text("utf-8")
    assert "Apache License" in licences
    assert "The MIT License" in licences


def test_the_page_is_small() -> None:
    """It is there at once, and can be read in an hour."""
    assert sum(len(gzip.compress(file.read_bytes())) for file in files(PAGE).values()) <= 60_000
