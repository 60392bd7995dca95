"""The console's server on 127.0.0.1: its page, and the HTTP API of one stack, signed with the caller's credentials.

Whatever runs on this machine, and every site in a browser on it, can reach the port. So the API needs a random token
that only the printed address has, and what another site may have sent is refused before anything else is looked at.
"""

import hmac
import io
import json
import os
import re
import secrets
import socket
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path
from time import monotonic
from typing import Any, BinaryIO, cast
from urllib.parse import parse_qsl, quote, urlencode

from vidhook import __version__, openapi
from vidhook.edges.http import Http, Response
from vidhook.errors import Refused, RequestFailed, TooLarge
from vidhook.problems import problem
from vidhook.texts import shown
from vidhook_cli.refusals import SIGN_IN, said_and_mend
from vidhook_cli.signing import signed
from vidhook_console.head import Incoming, Request, check_body, read_head
from vidhook_sandbox.loopback import Handler, Loopback

PAGE = Path(__file__).parent / "page"
TYPES = {
    ".html": "text/html; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".json": "application/json",
    ".svg": "image/svg+xml",
    ".png": "image/png",
    ".txt": "text/plain; charset=utf-8",
}
# What the page itself shows a screen for; each is the same file.
SCREEN = re.compile("/|/(?:tasks|subscribers|providers)(?:/[^/]+)?")
API, OPEN = "/api", "/open/"
# Nothing else is sent on: no escapes, no dot segments, no empty segments.
PATH = re.compile("/v1(?:/[A-Za-z0-9_~-][A-Za-z0-9._~-]*)+")
MOST_FIELDS = 32  # of a query
PLAIN = re.compile("[ -~]*")
SENT = ("accept", "accept-language", "content-type", "idempotency-key")
TAKEN = ("content-type", "location", "retry-after")
STATUSES = frozenset(int(status) for status in HTTPStatus if 200 <= status < 300 or status >= 400)  # that an API has
ORIGIN = re.compile("https?://[A-Za-z0-9.-]+(?::[0-9]+)?")

MOST_AT_ONCE = 64  # requests
RECEIVE_SECONDS, SEND_SECONDS, LINGER_SECONDS = 10.0, 30.0, 1.0
API_SECONDS = 35.0  # API Gateway answers within 30
ANSWER_BYTES = 6 * 1024**2  # Lambda gives no more
LINGER_BYTES = 1024**2

NO_FEATURES = (
    *("accelerometer", "camera", "display-capture", "geolocation", "gyroscope", "hid", "idle-detection"),
    *("local-fonts", "magnetometer", "microphone", "midi", "payment", "publickey-credentials-get"),
    *("screen-wake-lock", "serial", "usb", "xr-spatial-tracking"),
)
NETWORK = "look at the network, and whether the stack is still there: `vidhook status`"
INVOKE = f"give this identity execute-api:Invoke on the API; if its credentials have expired, {SIGN_IN}"
MENDS = {
    401: "the stack's ApiAuth is JWT, and its API takes no credentials of AWS: use the command, or ApiAuth=AWS_IAM",
    403: INVOKE,
    404: "the API of the stack is not there any more: start the console again",
    429: "too many requests: try again in a minute",
}

BUILT_IN = ({"label": "one that succeeds", "submission": {"provider": "sample", "task_id": "{id}"}},)
Answer = tuple[int, Mapping[str, str], bytes]


@dataclass(frozen=True)
class Console:
    """What one console shows, and how it asks the stack.

    `credentials` returns botocore's credentials of the caller. `videos` are URLs: one of each origin that videos may
    come from. `samples` are what a click can submit: each a `label`, and a `submission` whose `{id}` the page fills in.
    `program` is what a person types for `vidhook` to act on the same stack. A sandbox waits `wait_scale` times as long
    as its times say.
    """

    stack: str
    region: str
    account: str | None
    api_url: str
    videos: Sequence[str]
    http: Http
    credentials: Callable[[], Any]
    program: str
    sandbox: bool = False
    wait_scale: float = 1.0
    samples: Sequence[Mapping[str, Any]] = ()
    profile: str | None = None

    def facts(self) -> dict[str, Any]:
        """Returns /console.json."""
        return {
            "stack": self.stack,
            "region": self.region,
            "account": self.account,
            "api_url": self.api_url,
            "sandbox": self.sandbox,
            "wait_scale": self.wait_scale,
            "samples": list(self.samples),
            "version": __version__,
            "program": self.program,
        }

    def headers(self) -> dict[str, str]:
        """Returns the headers that every answer has."""
        found = {match[0] for url in (self.api_url, *self.videos) if (match := ORIGIN.match(url))}
        videos = " ".join(sorted(found))
        policy = (
            "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; "
            f"img-src 'self' data: {videos}; media-src {videos}; "
            "base-uri 'none'; form-action 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'"
        )
        return {
            "Content-Security-Policy": policy,
            "X-Content-Type-Options": "nosniff",
            "Referrer-Policy": "no-referrer",
            "Cross-Origin-Opener-Policy": "same-origin",
            "Cross-Origin-Resource-Policy": "same-origin",
            "Permissions-Policy": ", ".join(f"{name}=()" for name in NO_FEATURES),
            "Cache-Control": "no-store",
            "Connection": "close",  # whatever follows a request on its connection is never read
        }


@contextmanager
def serving(console: Console, port: int = 0, ticket: str = "") -> Iterator[str]:
    """Serves the console while the block lasts, and yields its address, with the token.

    Port 0 takes a free one. Whoever is the first to open /open/TICKET is led to the page with its token. Raises
    ClickException, with one line for the user, for a port that is taken.
    """
    token = secrets.token_urlsafe(32)
    given = {
        "console": console,
        "token": token,
        "tickets": [ticket] if ticket else [],
        "files": files(PAGE),
        "common": console.headers(),
    }
    server = _Server(type("ConsoleHandler", (_Handler,), given), port)
    try:
        yield f"{server.url}/#{token}"
    finally:
        server.stop()


def files(page: Path) -> dict[str, Path]:
    """Returns the files of the page by the path that each is asked for with."""
    return {f"/{file.relative_to(page).as_posix()}": file for file in page.rglob("*") if file.suffix in TYPES}


def target(method: str, path: str, query: str) -> str:
    """Returns what to ask the API for: a path of its document, and the query as it is signed.

    Raises Refused for all else, and for the links to videos, which need no signature.
    """
    allowed = openapi.operations(path) if PATH.fullmatch(path) and not path.startswith("/v1/videos/") else {}
    if not allowed:
        raise Refused(404, "the API has no such path", "GET /api/v1/openapi.json lists all")
    if method not in allowed:
        names = ", ".join(allowed)
        raise Refused(405, f"this path takes {names}", "use one of these", {"Allow": names})
    try:
        fields = parse_qsl(query, keep_blank_values=True, errors="strict", max_num_fields=MOST_FIELDS)
    except ValueError:
        raise Refused(400, "the query has too many fields, or is not UTF-8", "leave some out") from None
    return f"{path}?{urlencode(fields, quote_via=quote, safe='')}" if fields else path


def check_sender(headers: Mapping[str, str], port: int) -> None:
    """Raises Refused for a request that a browser sends to another name (DNS rebinding), or for another site."""
    host, behind = headers.get("host", ""), "" if port == 80 else f":{port}"
    if host not in (f"127.0.0.1{behind}", f"localhost{behind}"):
        raise Refused(421, "this is another host's name", "use the address that `vidhook console` has printed")
    if headers.get("origin", f"http://{host}") != f"http://{host}":
        raise Refused(403, "another site has sent this request", "open the console in a tab of its own")
    if headers.get("sec-fetch-site", "none") not in ("same-origin", "none"):
        raise Refused(403, "another site has led here", "copy the address of the console into a new tab")


def of_another_user(client: int, server: int) -> bool:
    """Returns whether a connection between these ports of this machine was made by another user, as far as is known.

    Linux alone tells (proc_pid_net(5)). The root user, who may be a relay such as that of WSL, counts as the same one.
    """
    owners = set[int]()
    for table in ("tcp", "tcp6"):  # a socket of IPv6 reaches 127.0.0.1 as well
        with suppress(OSError):
            rows = map(str.split, Path(f"/proc/net/{table}").read_text("ascii").splitlines()[1:])
            ends = (f":{client:04X}", f":{server:04X}")
            owners |= {int(row[7]) for row in rows if row[1].endswith(ends[0]) and row[2].endswith(ends[1])}
    return bool(owners) and not owners & {0, os.getuid()}


class _Server(Loopback):
    """Works on so many requests at once; more of them are told to come again."""

    def __init__(self, handler: type[Handler], port: int) -> None:
        self._places = threading.BoundedSemaphore(MOST_AT_ONCE)
        super().__init__(handler, port)

    def process_request(self, request: Any, client_address: Any) -> None:
        if self._places.acquire(blocking=False):
            super().process_request(request, client_address)
            return
        with suppress(OSError):
            request.sendall(b"HTTP/1.1 503 Service Unavailable\r\nRetry-After: 1\r\nConnection: close\r\n\r\n")
        self.shutdown_request(request)

    def process_request_thread(self, request: Any, client_address: Any) -> None:
        try:
            super().process_request_thread(request, client_address)
        finally:
            self._places.release()


class _Handler(Handler):
    """Answers the one request of a connection."""

    console: Console
    token: str
    tickets: list[str]
    files: Mapping[str, Path]
    common: Mapping[str, str]

    def handle(self) -> None:
        reader = cast(BinaryIO, io.BufferedReader(Incoming(self.connection, monotonic() + RECEIVE_SECONDS)))
        method, refused = "", True
        with suppress(TimeoutError, ConnectionError):  # of who does not take the answer
            try:
                request = read_head(reader)
                if request is None:
                    return
                method = request.method
                answer = self._answer(request, reader)
                refused = False
            except TimeoutError:
                answer = _problem(Refused(408, "the request did not come within ten seconds", "send it again"))
            except Refused as error:
                answer = _problem(error)
            self._send(answer, with_body=method != "HEAD")
            if refused:
                self._linger()

    def _answer(self, request: Request, reader: BinaryIO) -> Answer:
        check_sender(request.headers, self.server.server_port)
        check_body(request)
        file = self.files["/index.html"] if SCREEN.fullmatch(request.path) else self.files.get(request.path)
        if file:
            if request.method not in ("GET", "HEAD"):
                raise Refused(405, "this path takes GET, HEAD", "use one of these", {"Allow": "GET, HEAD"})
            return 200, {"Content-Type": TYPES[file.suffix]}, file.read_bytes()
        if request.path.startswith(OPEN) and request.method == "GET":
            if of_another_user(self.client_address[1], self.server.server_port):
                raise Refused(403, "another user of this machine has sent this request", "start a console of your own")
            return self._entered(request.path.removeprefix(OPEN))
        self._check_token(request)
        if request.path == "/console.json" and request.method == "GET":
            return 200, {"Content-Type": "application/json"}, json.dumps(self.console.facts()).encode()
        if not request.path.startswith(f"{API}/"):
            raise Refused(404, "there is nothing here", "the page is at /, the API of the stack at /api/v1/")
        asked = target(request.method, request.path.removeprefix(API), request.query)
        body = reader.read(request.length)
        if len(body) != request.length:
            raise Refused(400, "the body ended too early", "send the request again")
        return forwarded(self.console, request, asked, body)

    def _entered(self, ticket: str) -> Answer:
        with suppress(IndexError):  # it was used
            if hmac.compare_digest(ticket.encode(), self.tickets[0].encode()):
                self.tickets.pop()
                return 303, {"Location": f"/#{self.token}"}, b""
        hint = "copy the address that `vidhook console` has printed"
        raise Refused(403, "this address opens the console once, and was used", hint)

    def _check_token(self, request: Request) -> None:
        sent = request.headers.get("authorization", "").encode("latin-1")
        if not hmac.compare_digest(sent, f"Bearer {self.token}".encode()):
            hint = "open the address that `vidhook console` has printed, with all that is behind its #"
            raise Refused(401, "the token of the console is missing or wrong", hint, {"WWW-Authenticate": "Bearer"})

    def _send(self, answer: Answer, *, with_body: bool) -> None:
        status, headers, body = answer
        length = {} if status == HTTPStatus.NO_CONTENT else {"Content-Length": str(len(body))}
        lines = {**headers, **self.common, **length}
        head = "".join(f"{name}: {value}\r\n" for name, value in lines.items())
        self.connection.settimeout(SEND_SECONDS)
        start = f"HTTP/1.1 {status} {HTTPStatus(status).phrase}\r\n{head}\r\n".encode()
        self.connection.sendall(start + body if with_body else start)

    def _linger(self) -> None:
        """Takes what still comes for a moment: to close at once could lose the answer (RFC 9112, 9.6)."""
        rest = Incoming(self.connection, monotonic() + LINGER_SECONDS)
        left, buffer = LINGER_BYTES, memoryview(bytearray(65_536))
        with suppress(OSError):  # it is closed already, or goes on sending
            self.connection.shutdown(socket.SHUT_WR)
            while left > 0 and (count := rest.readinto(buffer)):
                left -= count


def forwarded(console: Console, request: Request, asked: str, body: bytes) -> Answer:
    """Returns what the API answers. Raises Refused, with what to do, where AWS or the network gives no answer of it."""
    url = console.api_url.rstrip("/") + asked
    headers = {name: request.headers[name] for name in SENT if name in request.headers}
    if not all(map(PLAIN.fullmatch, headers.values())):
        raise Refused(400, "a header has other signs than ASCII's", "write it in ASCII")
    try:
        headers = signed(
            request.method, url, region=console.region, credentials=console.credentials(), headers=headers, body=body
        )
    except Exception as error:  # noqa: BLE001 -- what botocore makes of settings can be any error of Python's
        said, mend = said_and_mend(error, console.profile)
        raise Refused(502, said, mend or "look at AWS's settings, and start the console again") from None
    try:
        answer = console.http.send(
            request.method, url, headers=headers, body=body, deadline=API_SECONDS, max_bytes=ANSWER_BYTES
        )
    except TooLarge:
        raise Refused(502, "the answer of the API is too long", "ask for less at once, with `limit`") from None
    except RequestFailed as failure:
        raise Refused(502, f"the API does not answer: {failure}", NETWORK) from None
    return _taken(answer)


def _taken(answer: Response) -> Answer:
    """Returns an answer of the API itself. Raises Refused for one of API Gateway, or of whoever else is on the way."""
    taken = {name: answer.headers[name] for name in TAKEN if PLAIN.fullmatch(answer.headers.get(name, "\n"))}
    kind = taken.get("content-type", "").partition(";")[0]
    if answer.status not in STATUSES:
        raise Refused(502, f"what answers with {answer.status} is not the API", NETWORK)
    if answer.status < 300 or kind == "application/problem+json":
        return answer.status, taken, answer.body
    again = {"Retry-After": taken["retry-after"]} if "retry-after" in taken else {}
    detail = f"AWS answered {answer.status} for the API: {_said(answer.body)}"
    raise Refused(answer.status, detail, MENDS.get(answer.status, f"try again; else {NETWORK}"), again)


def _said(body: bytes) -> str:
    """Returns the message of an error of API Gateway, or the beginning of another one."""
    with suppress(ValueError, AttributeError):
        given = json.loads(body)
        return shown(str(given.get("message") or given.get("Message") or "without a reason"), 500)
    return shown(body[:200].decode("utf-8", "replace"), 200) or "without a reason"


def _problem(refused: Refused) -> Answer:
    headers = {**refused.headers, "Content-Type": "application/problem+json"}
    return refused.status, headers, json.dumps(problem(refused)).encode()
