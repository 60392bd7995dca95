"""The console's server over real HTTP: what reaches the API, how it is signed, what comes back, who is refused."""

import json
import os
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials, RefreshableCredentials
from botocore.exceptions import ClientError

from vidhook.edges.http import Http
from vidhook_console import proxy
from vidhook_console.proxy import ANSWER_BYTES, Console, serving
from vidhook_sandbox.loopback import Handler, Loopback

KEY = Credentials("AKIAEXAMPLE", "a secret", "a session")
REGION = "eu-west-1"
Told = tuple[int, dict[str, str], bytes]


@dataclass
class Api:
    """An API that takes what is signed by one of `keys`, and answers with `told`. `asked` is what came."""

    keys: list[Any] = field(default_factory=lambda: [KEY])
    told: Told = (200, {"Content-Type": "application/json"}, b'{"items": []}')
    slow: float = 0
    asked: list[tuple[str, str, dict[str, str], bytes]] = field(default_factory=list)

    def answer(self, method: str, url: str, headers: dict[str, str], body: bytes) -> Told:
        self.asked.append((method, url, headers, body))
        if not any(signature(key, method, url, headers, body) == headers.get("authorization") for key in self.keys):
            return 403, {"Content-Type": "application/json"}, b'{"message":"Forbidden"}'
        time.sleep(self.slow)
        return self.told


def signature(key: Any, method: str, url: str, headers: Mapping[str, str], body: bytes) -> str:
    """What the header Authorization of a request must be, made from what came, as AWS does it."""
    sent = headers.get("authorization", "")
    named = sent.partition("SignedHeaders=")[2].partition(",")[0].split(";")
    request = AWSRequest(method, url, headers={name: headers.get(name, "") for name in named}, data=body)
    request.context["timestamp"] = headers.get("x-amz-date", "")
    auth = SigV4Auth(key, "execute-api", REGION)
    to_sign = auth.string_to_sign(request, auth.canonical_request(request))
    scope = f"{key.access_key}/{auth.credential_scope(request)}"
    names = ";".join(sorted(named))
    return f"AWS4-HMAC-SHA256 Credential={scope}, SignedHeaders={names}, Signature={auth.signature(to_sign, request)}"


class _Api(Handler):
    api: Api

    def do_GET(self) -> None:  # noqa: N802 -- the base class's name
        headers = {name.lower(): value for name, value in self.headers.items()}
        url = f"http://{headers['host']}{self.path}"
        status, more, body = self.api.answer(self.command, url, headers, self.read_body())
        self.answer(status, body, more)

    do_POST = do_PATCH = do_DELETE = do_GET  # noqa: N815


@pytest.fixture
def api() -> Api:
    return Api()


@pytest.fixture
def console(api: Api) -> Iterator[Console]:
    server = Loopback(type("ApiHandler", (_Api,), {"api": api}))
    http = Http(allowed_networks=["127.0.0.0/8"])
    videos = ["https://videos.example/v1/videos"]
    yield Console("vidhook", REGION, "123456789012", f"{server.url}/$default", videos, http, lambda: KEY, "vidhook")
    server.stop()


@dataclass(frozen=True)
class Visitor:
    """Sends requests to one console."""

    port: int
    token: str

    def raw(self, text: bytes) -> tuple[int, dict[str, str], bytes]:
        """Sends these bytes. Returns the answer, and asserts that the connection ends behind it."""
        with socket.create_connection(("127.0.0.1", self.port), timeout=15) as connection:
            connection.sendall(text)
            whole = b""
            while piece := connection.recv(65_536):
                whole += piece
        return parsed(whole)

    def ask(
        self, method: str, path: str, body: bytes = b"", *, token: str | None = None, **headers: Any
    ) -> tuple[int, dict[str, str], bytes]:
        """Sends a request as the page does; `headers` have underscores in the place of dashes."""
        own = {"Host": f"127.0.0.1:{self.port}", "Authorization": f"Bearer {self.token if token is None else token}"}
        if body:
            own |= {"Content-Length": str(len(body)), "Content-Type": "application/json"}
        own |= {name.replace("_", "-"): value for name, value in headers.items()}
        lines = "".join(f"{name}: {value}\r\n" for name, value in own.items() if value)
        return self.raw(f"{method} {path} HTTP/1.1\r\n{lines}\r\n".encode() + body)


def parsed(whole: bytes) -> tuple[int, dict[str, str], bytes]:
    """The one answer in these bytes: its status, its headers with names in lower case, and its body."""

    head, _, body = whole.partition(b"\r\n\r\n")
    first, *lines = head.decode("latin-1").split("\r\n")
    headers = {name.lower(): value for name, _, value in (line.partition(": ") for line in lines)}
    return int(first.split()[1]), headers, body


@contextmanager
def visiting(console: Console) -> Iterator[Visitor]:
    with serving(console) as url:
        address, _, token = url.partition("/#")
        yield Visitor(int(address.rpartition(":")[2]), token)


@pytest.fixture
def visitor(console: Console) -> Iterator[Visitor]:
    with visiting(console) as visitor:
        yield visitor


def problem_of(answer: tuple[int, dict[str, str], bytes]) -> tuple[int, str]:
    """The status and the text of a problem document, which must have a hint."""
    status, headers, body = answer
    document = json.loads(body)
    assert headers["content-type"] == "application/problem+json"
    assert document["status"] == status
    assert document["hint"]
    return status, f"{document['detail']}; {document['hint']}"


# What reaches the API


def test_a_call_reaches_the_api_signed_and_its_answer_comes_back(api: Api, visitor: Visitor) -> None:
    """IAM decides by the signature, which covers the path, the query, the body and the headers."""
    api.told = (202, {"Content-Type": "application/json", "Location": "/v1/tasks/tsk_1", "X-Inner": "1"}, b'{"id": 1}')
    sent = json.dumps({"provider": "sample", "task_id": "ü"}).encode()
    status, headers, body = visitor.ask("POST", "/api/v1/tasks", sent, Idempotency_Key="order 17", X_Other="no")
    assert (status, body) == (202, b'{"id": 1}')
    assert (headers["content-type"], headers["location"]) == ("application/json", "/v1/tasks/tsk_1")
    assert "x-inner" not in headers
    [(method, url, seen, content)] = api.asked
    assert (method, content) == ("POST", sent)
    assert url.endswith("/$default/v1/tasks")
    assert (seen["idempotency-key"], seen["content-type"]) == ("order 17", "application/json")
    assert seen["x-amz-security-token"] == "a session"
    assert "x-other" not in seen
    assert visitor.token not in str(seen)


def test_a_query_is_signed_as_aws_reads_it(api: Api, visitor: Visitor) -> None:
    """Browsers write a blank as a plus, and leave signs as they are that AWS escapes before it checks."""
    status, _, _ = visitor.ask("GET", "/api/v1/tasks?reference=order+17*(%C3%BC)&since=2026-01-01T00%3A00:00Z&limit=5")
    assert status == 200
    assert api.asked[0][1].endswith(
        "/v1/tasks?reference=order%2017%2A%28%C3%BC%29&since=2026-01-01T00%3A00%3A00Z&limit=5"
    )


def test_a_wait_is_waited_for(api: Api, visitor: Visitor, monkeypatch: pytest.MonkeyPatch) -> None:
    """`?wait=25` is how the page follows a task; other requests go on meanwhile."""
    api.slow = 1.0
    monkeypatch.setattr(proxy, "RECEIVE_SECONDS", 0.5)  # which bounds the request, not the answer
    began = time.monotonic()
    found: list[int] = []
    threads = [
        threading.Thread(target=lambda: found.append(visitor.ask("GET", "/api/v1/tasks/tsk_1?wait=25")[0]))
        for _ in range(5)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == [200] * 5
    assert time.monotonic() - began < 3


def test_credentials_that_expire_are_renewed_before_the_next_call(api: Api, console: Console) -> None:
    """A console runs for days, and the session of an assumed role for an hour."""
    new = Credentials("AKIANEW", "new", "new session")
    soon = (datetime.now(UTC) + timedelta(hours=1)).isoformat()
    held = RefreshableCredentials(
        "AKIAOLD",
        "old",
        "old session",
        datetime.now(UTC) - timedelta(seconds=1),
        lambda: {"access_key": "AKIANEW", "secret_key": "new", "token": "new session", "expiry_time": soon},
        "assume-role",
    )
    api.keys = [new]
    with visiting(replace(console, credentials=lambda: held)) as visitor:
        assert visitor.ask("GET", "/api/v1/tasks")[0] == 200


def test_facts_about_the_stack_take_the_token(visitor: Visitor, console: Console) -> None:
    """The page shows them, and writes commands with them."""
    status, _, body = visitor.ask("GET", "/console.json")
    assert (status, json.loads(body)) == (200, console.facts())
    assert console.facts().keys() == {
        *("stack", "region", "account", "api_url", "sandbox", "wait_scale", "samples", "version", "program"),
    }


# What comes back where there is no good answer


@pytest.mark.parametrize(
    ("told", "status", "words"),
    [
        ((403, {"Content-Type": "application/json"}, b'{"message":"Forbidden"}'), 403, "execute-api:Invoke"),
        ((429, {"Content-Type": "application/json"}, b'{"message":"Too Many Requests"}'), 429, "in a minute"),
        ((404, {"Content-Type": "application/json"}, b'{"message":"Not Found"}'), 404, "not there any more"),
        ((500, {"Content-Type": "application/json"}, b'{"message":null}'), 500, "without a reason"),
        ((503, {"Content-Type": "text/html"}, b"<script>alert(1)</script>"), 503, "vidhook status"),
        ((302, {"Location": "https://login.example/"}, b""), 502, "is not the API"),
        ((599, {}, b""), 502, "is not the API"),
        ((200, {}, b"x" * (ANSWER_BYTES + 1)), 502, "limit"),
    ],
)
def test_an_answer_that_is_not_the_apis_is_told_in_plain_words(
    api: Api, visitor: Visitor, told: Told, status: int, words: str
) -> None:
    """A person reads it, and should know what to do."""
    api.told = told
    found, text = problem_of(visitor.ask("GET", "/api/v1/tasks"))
    assert found == status
    assert words in text


def test_a_problem_of_the_api_comes_back_as_it_is(api: Api, visitor: Visitor) -> None:
    """The API's own words are the best ones."""
    document = b'{"type":"about:blank","title":"Conflict","status":409,"detail":"no","hint":"wait"}'
    api.told = (409, {"Content-Type": "application/problem+json", "Retry-After": "7"}, document)
    status, headers, body = visitor.ask("GET", "/api/v1/tasks")
    assert (status, body, headers["retry-after"]) == (409, document, "7")


def test_an_answer_of_six_mebibytes_comes_back_whole(api: Api, visitor: Visitor) -> None:
    """Lambda gives as much."""
    api.told = (200, {"Content-Type": "application/json"}, b"7" * ANSWER_BYTES)
    assert visitor.ask("GET", "/api/v1/tasks")[2] == b"7" * ANSWER_BYTES


def test_an_answer_without_a_body_comes_back_without_one(api: Api, visitor: Visitor) -> None:
    """A subscriber that was removed is answered so."""
    api.told = (204, {}, b"")
    assert visitor.ask("DELETE", "/api/v1/subscribers/sub_1")[::2] == (204, b"")


def test_an_api_that_does_not_answer_is_told_in_time(
    api: Api, visitor: Visitor, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The page says so, in the place of turning for ever."""
    monkeypatch.setattr(proxy, "API_SECONDS", 0.3)
    api.slow = 2
    assert problem_of(visitor.ask("GET", "/api/v1/tasks"))[0] == 502


def test_a_stack_that_is_gone_is_told(console: Console) -> None:
    """Its API has no address any more, or nobody listens there."""
    with socket.create_server(("127.0.0.1", 0)) as closed:
        gone = f"http://127.0.0.1:{closed.getsockname()[1]}"
    with visiting(replace(console, api_url=gone)) as visitor:
        status, text = problem_of(visitor.ask("GET", "/api/v1/tasks"))
    assert status == 502
    assert "whether the stack is still there" in text


def expired() -> Any:
    answer: Any = {"Error": {"Code": "ExpiredTokenException", "Message": "The SSO session has expired."}}
    raise ClientError(answer, "GetRoleCredentials")


@pytest.mark.parametrize(
    ("credentials", "words"),
    [
        (lambda: None, "set AWS credentials"),
        (expired, "aws sso login"),
    ],
)
def test_credentials_that_are_missing_or_expired_are_told(
    api: Api, console: Console, credentials: Callable[[], Any], words: str
) -> None:
    """Whoever comes back in the morning has to sign in again, and should not have to guess it."""
    with visiting(replace(console, credentials=credentials)) as visitor:
        status, text = problem_of(visitor.ask("GET", "/api/v1/tasks"))
    assert status == 502
    assert words in text
    assert api.asked == []


# Who is refused


@pytest.mark.parametrize("token", ["", "wrong", "é"])
@pytest.mark.parametrize(
    "path", ["/api/v1/tasks", "/console.json", "/nothing", "/vendor/../console.py", "/.git/config"]
)
def test_without_the_token_there_is_nothing_but_the_page(api: Api, visitor: Visitor, token: str, path: str) -> None:
    """Every program of this machine can reach the port."""
    refused = visitor.ask("GET", path, Authorization=f"Bearer {token}".strip() if token else "")
    assert problem_of(refused)[0] == 401
    assert refused[1]["www-authenticate"] == "Bearer"
    assert api.asked == []


def test_the_token_counts_as_a_bearer_token_alone(api: Api, visitor: Visitor) -> None:
    """A browser sends cookies and passwords by itself, to every port of this machine; and servers log queries."""
    others: Any = ({"Cookie": f"token={visitor.token}"}, {"Authorization": f"Basic {visitor.token}"})
    for headers in others:
        assert visitor.ask("GET", "/api/v1/tasks", **{"Authorization": "", **headers})[0] == 401
    assert visitor.ask("GET", f"/api/v1/tasks?token={visitor.token}", Authorization="")[0] == 401
    assert api.asked == []


def test_a_ticket_leads_to_the_page_with_its_token_once(console: Console) -> None:
    """A browser is started with it, and everybody on the machine can see that in the list of processes."""
    with serving(console, ticket="a-ticket") as url:
        address, _, token = url.partition("/#")
        visitor = Visitor(int(address.rpartition(":")[2]), "")
        assert visitor.ask("GET", "/open/another")[0] == 403
        assert visitor.ask("HEAD", "/open/a-ticket")[0] == 401
        assert visitor.ask("GET", "/open/a-ticket", Sec_Fetch_Site="cross-site")[0] == 403
        status, headers, _ = visitor.ask("GET", "/open/a-ticket", Sec_Fetch_Site="none")
        assert (status, headers["location"]) == (303, f"/#{token}")
        assert problem_of(visitor.ask("GET", "/open/a-ticket"))[0] == 403


@pytest.mark.skipif(sys.platform != "linux" or os.geteuid() != 0, reason="only root on Linux can act as another user")
@pytest.mark.parametrize("family", ["AF_INET", "AF_INET6"])
def test_a_ticket_is_worth_nothing_to_another_user_of_the_machine(console: Console, family: str) -> None:
    """Who looks at the list of processes all the time reads it long before a browser has started."""
    with serving(console, ticket="a-ticket") as url:
        port = int(url.partition("/#")[0].rpartition(":")[2])
        ask = f"""import os, socket
address = ("127.0.0.1" if "{family}" == "AF_INET" else "::ffff:127.0.0.1", {port})
os.setuid(65534)
connection = socket.socket(socket.{family})
connection.connect(address)
connection.sendall(b"GET /open/a-ticket HTTP/1.1\\r\\nHost: 127.0.0.1:{port}\\r\\n\\r\\n")
print(connection.makefile("rb").readline().decode())"""
        made = subprocess.run([sys.executable, "-c", ask], capture_output=True, text=True, check=True)
        assert " 403 " in made.stdout
        assert Visitor(port, "").ask("GET", "/open/a-ticket")[0] == 303


@pytest.mark.parametrize("path", ["/open/", "/open"])
def test_without_a_ticket_there_is_nothing_to_open(visitor: Visitor, path: str) -> None:
    """The console of a sandbox opens no browser."""
    assert visitor.ask("GET", path, token="")[0] in (401, 403)


def test_every_console_has_a_token_of_its_own(console: Console, visitor: Visitor) -> None:
    """An old address is worth nothing."""
    with visiting(console) as other:
        assert other.token != visitor.token
        assert len(other.token) >= 43
        assert other.ask("GET", "/console.json", token=visitor.token)[0] == 401


@pytest.mark.parametrize("path", ["/", "/tasks/tsk_1", "/index.html", "/vendor/preact-htm.js", "/api/v1/tasks", "/x"])
@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"Host": "evil.example"}, 421),
        ({"Host": "127.0.0.1.nip.io:{port}"}, 421),
        ({"Host": "127.0.0.1"}, 421),
        ({"Host": "[::1]:{port}"}, 421),
        ({"Origin": "https://evil.example"}, 403),
        ({"Origin": "http://localhost:{port}"}, 403),
        ({"Origin": "null"}, 403),
        ({"Sec_Fetch_Site": "cross-site"}, 403),
        ({"Sec_Fetch_Site": "same-site"}, 403),
    ],
)
def test_another_name_and_another_site_are_refused_even_with_the_token(
    api: Api, visitor: Visitor, path: str, headers: dict[str, str], status: int
) -> None:
    """A name that is led to this machine (DNS rebinding), and a page of another site in the same browser (CSRF)."""
    given: Any = {name: value.format(port=visitor.port) for name, value in headers.items()}
    answer = visitor.ask("GET", path, **given)
    assert problem_of(answer)[0] == status
    assert not any(name.startswith("access-control-") for name in answer[1])
    assert api.asked == []


def test_a_preflight_gets_no_permission(api: Api, visitor: Visitor) -> None:
    """A browser asks so before it sends what another site wants to send."""
    asked: Any = {"Origin": "https://evil.example", "Access_Control_Request_Method": "POST", "Authorization": ""}
    status, headers, _ = visitor.ask("OPTIONS", "/api/v1/tasks", **asked)
    assert status == 403
    assert not any(name.startswith("access-control-") for name in headers)


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/api/v1/videos/AAAA", 404),
        ("GET", "/api/v1/tasks/..%2f..%2fsecret", 404),
        ("GET", "/api/v1/tasks/../subscribers", 404),
        ("GET", "/api//v1/tasks", 404),
        ("GET", "/api/v2/tasks", 404),
        ("GET", "/api/", 404),
        ("GET", "/apiv1/tasks", 404),
        ("GET", "/api/v1/tasks/tsk_1/", 404),
        ("PUT", "/api/v1/tasks", 405),
        ("HEAD", "/api/v1/tasks", 405),
        ("OPTIONS", "/api/v1/tasks", 405),
        ("POST", "/console.json", 404),
        ("POST", "/", 405),
        ("DELETE", "/index.html", 405),
        ("GET", "/vendor/%2e%2e/index.html", 404),
        ("GET", "/../proxy.py", 404),
        ("GET", "http://127.0.0.1/", 400),
    ],
)
def test_what_is_not_the_page_or_the_api_is_not_there(
    api: Api, visitor: Visitor, method: str, path: str, status: int
) -> None:
    """Nothing else of the account or of this machine can be reached through the console."""
    assert visitor.ask(method, path)[0] == status
    assert api.asked == []


SMUGGLED = b"GET /api/v1/tasks HTTP/1.1\r\n"


@pytest.mark.parametrize(
    ("lines", "status"),
    [
        (b"Content-Length: 2\r\nContent-Length: 2", 400),
        (b"Content-Length: 0\r\nContent-Length: 40", 400),
        (b"Content-Length: 2, 2", 400),
        (b"Transfer-Encoding: chunked", 411),
        (b"Transfer-Encoding: chunked\r\nContent-Length: 2", 411),
        (b"Transfer-Encoding : chunked", 400),
        (b"Transfer-Encoding: xchunked", 411),
        (b"Content-Length: 2\r\n : x", 400),
        (b"Content-Length: 131073", 413),
        (b"Content-Length: 99999999999999999999", 400),
        (b"Content-Length: -1", 400),
    ],
)
def test_a_request_whose_end_is_not_plain_is_refused(api: Api, visitor: Visitor, lines: bytes, status: int) -> None:
    """Else a second request could hide in the body of the first."""
    head = f"POST /api/v1/tasks HTTP/1.1\r\nHost: 127.0.0.1:{visitor.port}\r\nAuthorization: Bearer {visitor.token}\r\n"
    answer = visitor.raw(head.encode() + b"Content-Type: application/json\r\n" + lines + b"\r\n\r\n{}" + SMUGGLED)
    assert problem_of(answer)[0] == status
    assert api.asked == []


def test_what_follows_a_request_on_its_connection_is_never_read(api: Api, visitor: Visitor) -> None:
    """So nothing can be smuggled behind a request either."""
    one = (
        f"GET /api/v1/tasks HTTP/1.1\r\nHost: 127.0.0.1:{visitor.port}\r\nAuthorization: Bearer {visitor.token}\r\n\r\n"
    )
    assert visitor.raw(one.encode())[1]["connection"] == "close"
    with socket.create_connection(("127.0.0.1", visitor.port), timeout=5) as connection:
        connection.sendall(one.encode() * 2)
        assert connection.recv(65_536).startswith(b"HTTP/1.1 200 ")
    time.sleep(0.2)
    assert len(api.asked) == 2


@pytest.mark.parametrize("kind", ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x"])
def test_what_a_form_can_send_is_refused(api: Api, visitor: Visitor, kind: str) -> None:
    """A form needs no preflight."""
    assert problem_of(visitor.ask("POST", "/api/v1/tasks", b"{}", Content_Type=kind))[0] == 415
    assert api.asked == []


@pytest.mark.parametrize("path", ["/", "/vendor/preact-htm.js", "/nothing", "/console.json", "/api/v1/tasks"])
def test_every_answer_has_the_headers_that_lock_the_page(visitor: Visitor, path: str) -> None:
    """An error is shown by a browser too."""
    _, headers, _ = visitor.ask("GET", path)
    assert headers["content-security-policy"].startswith("default-src 'none'; script-src 'self';")
    assert "frame-ancestors 'none'" in headers["content-security-policy"]
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["referrer-policy"] == "no-referrer"
    assert headers["cross-origin-opener-policy"] == headers["cross-origin-resource-policy"] == "same-origin"
    assert headers["cache-control"] == "no-store"
    assert "camera=()" in headers["permissions-policy"]
    assert "server" not in headers


def test_the_page_is_served_with_the_types_that_browsers_want(visitor: Visitor) -> None:
    """With nosniff a module of another type is not run."""
    wanted = {"/": "text/html", "/tasks": "text/html", "/vendor/preact-htm.js": "text/javascript"}
    for path, kind in wanted.items():
        status, headers, body = visitor.ask("GET", path, Authorization="", Sec_Fetch_Site="none")
        assert (status, headers["content-type"]) == (200, f"{kind}; charset=utf-8")
        assert int(headers["content-length"]) == len(body) > 0


# Who is slow


def test_a_request_that_does_not_come_is_given_up(visitor: Visitor, monkeypatch: pytest.MonkeyPatch) -> None:
    """A connection that sends a byte now and then holds a thread no longer than one that sends nothing."""
    monkeypatch.setattr(proxy, "RECEIVE_SECONDS", 0.5)
    began = time.monotonic()
    with socket.create_connection(("127.0.0.1", visitor.port), timeout=10) as connection:
        connection.sendall(b"GET / HTTP/1.1\r\n")
        while time.monotonic() - began < 3:
            try:
                connection.sendall(b"X")
                connection.settimeout(0.1)
                if connection.recv(1_000).startswith(b"HTTP/1.1 408 "):
                    break
            except TimeoutError:
                continue
    assert 0.4 < time.monotonic() - began < 2


def test_a_body_that_does_not_come_is_given_up(api: Api, visitor: Visitor, monkeypatch: pytest.MonkeyPatch) -> None:
    """As one that is announced and never sent."""
    monkeypatch.setattr(proxy, "RECEIVE_SECONDS", 0.3)
    assert problem_of(visitor.ask("POST", "/api/v1/tasks", b"{}", Content_Length="100"))[0] == 408
    assert api.asked == []


def test_many_connections_that_send_nothing_hold_up_nobody_for_long(
    visitor: Visitor, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A site in the browser, or a program, can open as many as it likes."""
    monkeypatch.setattr(proxy, "RECEIVE_SECONDS", 1.0)
    idle = [socket.create_connection(("127.0.0.1", visitor.port), timeout=5) for _ in range(proxy.MOST_AT_ONCE + 20)]
    threads = threading.active_count()
    refused = [each for each in idle[-10:] if each.recv(100).startswith(b"HTTP/1.1 503 ")]
    assert len(refused) == 10
    assert threads < proxy.MOST_AT_ONCE + 20
    time.sleep(1.5 + proxy.LINGER_SECONDS)
    assert visitor.ask("GET", "/console.json")[0] == 200
    for each in idle:
        each.close()
