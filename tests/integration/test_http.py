"""The one HTTP client, against hostile receivers, resolvers and redirects."""

import datetime
import gzip
import hashlib
import logging
import socket
import ssl
import time
import traceback
import tracemalloc
import zlib
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import requests
import trustme
import urllib3
from hypothesis import given
from hypothesis import strategies as st

from tests.integration.hostile import (
    Receiver,
    Script,
    answers,
    floods,
    greets_slowly,
    is_silent,
    read_request,
    receiver,
    redirects,
    resets_after,
    says,
    sips,
    trickles,
)
from vidhook.edges import http as edge
from vidhook.edges.http import Http, _redirect_target
from vidhook.errors import (
    BadRedirect,
    Blocked,
    ConnectFailed,
    ConnectionReset,
    DnsFailed,
    ProtocolBroken,
    RequestFailed,
    TimedOut,
    TlsFailed,
    TooLarge,
)

DEADLINE = 0.3  # for what never ends; the others have all the time a busy machine may need
GRACE = 1.0  # what a busy machine may add; a missed deadline costs seconds more
OK = b"HTTP/1.1 200 OK\r\n"
CHUNKED = OK + b"Transfer-Encoding: chunked\r\n\r\n"
LINES = (Path(__file__).parents[1] / "forbidden_urls.txt").read_text().splitlines()
FORBIDDEN_URLS = [line for line in LINES if line and not line.startswith("#")]


def places(port: int, *addresses: str) -> list[tuple[Any, ...]]:
    return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, port)) for address in addresses]


def resolve_to_loopback(host: str, port: int, **_: object) -> list[tuple[Any, ...]]:
    return places(port, "127.0.0.1")


@dataclass(frozen=True)
class Authority:
    """A certificate authority of the test's own, and a client context that trusts only this one."""

    ca: trustme.CA
    client: ssl.SSLContext

    def server(self, *names: str, **options: Any) -> ssl.SSLContext:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.ca.issue_cert(*names, **options).configure_cert(context)
        return context


@pytest.fixture(scope="session")
def authority() -> Authority:
    ca, client = trustme.CA(), ssl.create_default_context()
    ca.configure_trust(client)
    return Authority(ca, client)


@pytest.fixture(scope="session")
def http(authority: Authority) -> Http:
    return Http(allowed_networks=("127.0.0.0/8",), ssl_context=authority.client, resolve=resolve_to_loopback)


# --- Receivers that misbehave in plain HTTP: each with the class its failure must have ---

MISBEHAVIOUR: dict[str, tuple[Script, type[RequestFailed]]] = {
    # time
    "says nothing": (is_silent, TimedOut),
    "trickles its status line": (trickles(b"HTTP/1.1 200 ", b"O"), TimedOut),
    "trickles one header": (trickles(OK + b"X-Slow: ", b"a"), TimedOut),
    "trickles whole headers": (trickles(OK, b"X-A: b\r\n"), TimedOut),
    "trickles its body": (trickles(OK + b"Content-Length: 9999\r\n\r\n", b"a"), TimedOut),
    "trickles a body without length": (trickles(OK + b"\r\n", b"a"), TimedOut),
    "trickles chunks": (trickles(CHUNKED, b"1\r\na\r\n"), TimedOut),
    "trickles a chunk's size": (trickles(CHUNKED, b"0"), TimedOut),
    "trickles trailers": (trickles(CHUNKED + b"0\r\n", b"X-A: b\r\n"), TimedOut),
    "floods trailers": (floods(CHUNKED + b"0\r\n", b"X-A: b\r\n" * 8192), TimedOut),
    "trickles 100 Continue": (trickles(b"", b"HTTP/1.1 100 Continue\r\n\r\n"), TimedOut),
    "announces a body and stops": (trickles(OK + b"Content-Length: 5\r\n\r\n", b""), TimedOut),
    # not HTTP
    "speaks SSH": (says(b"SSH-2.0-OpenSSH_9.6\r\n"), ProtocolBroken),
    "speaks HTTP/0.9": (says(b"<html>hello</html>"), ProtocolBroken),
    "claims HTTP/0.9": (says(b"HTTP/0.9 200 OK\r\n\r\n"), ProtocolBroken),
    "claims HTTP/2": (says(b"HTTP/2 200 OK\r\n\r\n"), ProtocolBroken),
    "claims HTTP/1.9": (says(b"HTTP/1.9 200 OK\r\n\r\n"), ProtocolBroken),
    "speaks HTTP/2 frames": (says(b"\x00\x00\x12\x04\x00\x00\x00\x00\x00" + bytes(18)), ProtocolBroken),
    "has a word for a status": (says(b"HTTP/1.1 OK 200\r\n\r\n"), ProtocolBroken),
    "has a status of two digits": (says(b"HTTP/1.1 20 OK\r\n\r\n"), ProtocolBroken),
    "has a status of four digits": (says(b"HTTP/1.1 2000 OK\r\n\r\n"), ProtocolBroken),
    "sends zeros": (says(bytes(1000)), ProtocolBroken),
    # heads
    "ends inside its status line": (says(b"HTTP/1.1 200"), ProtocolBroken),
    "ends after its status line": (says(OK), ProtocolBroken),
    "ends inside a header": (says(OK + b"Content-Type: text"), ProtocolBroken),
    "ends between headers": (says(OK + b"Content-Type: text/plain\r\n"), ProtocolBroken),
    "ends inside 100 Continue": (says(b"HTTP/1.1 100 Continue\r\n"), ProtocolBroken),
    "ends after 100 Continue": (says(b"HTTP/1.1 100 Continue\r\n\r\n"), ProtocolBroken),
    "repeats 100 Continue for ever": (floods(b"", b"HTTP/1.1 100 Continue\r\n\r\n"), ProtocolBroken),
    "repeats 103 Early Hints for ever": (floods(b"", b"HTTP/1.1 103 Early Hints\r\n\r\n"), ProtocolBroken),
    "has a header without an end": (floods(OK + b"X-Long: ", b"a" * 65_536), ProtocolBroken),
    "has a status line without an end": (floods(b"HTTP/1.1 200 ", b"a" * 65_536), ProtocolBroken),
    "has thousands of headers": (says(OK + b"X-A: b\r\n" * 5000 + b"\r\n"), ProtocolBroken),
    "has a header of 70 KB": (says(OK + b"X-Long: " + b"a" * 70_000 + b"\r\n\r\n"), ProtocolBroken),
    "has a header without a colon": (says(OK + b"what is this\r\nContent-Length: 0\r\n\r\n"), ProtocolBroken),
    "has a header without a name": (says(OK + b": nobody\r\nContent-Length: 0\r\n\r\n"), ProtocolBroken),
    "hides a length behind a bare CR": (says(OK + b"X-A: b\rContent-Length: 4\r\n\r\nbody"), ProtocolBroken),
    "has a zero in a header": (says(OK + b"X-A: b\0c\r\nContent-Length: 4\r\n\r\nbody"), ProtocolBroken),
    "begins its headers with a blank": (says(OK + b" Content-Length: 4\r\n\r\nbody"), ProtocolBroken),
    "has its length on another line": (says(OK + b"Content-Length:\r\n 4\r\n\r\nbody"), ProtocolBroken),
    "hides a bare CR in a second line": (says(OK + b"X-A: b\r\n c\rX: d\r\n\r\nbody"), ProtocolBroken),
    "folds its length": (says(OK + b"Content-Length: 4\r\n 5\r\n\r\nbody"), ProtocolBroken),
    "hides a second length behind a blank": (
        says(OK + b"Content-Length: 4\r\nContent-Length : 5\r\n\r\nbody"),
        ProtocolBroken,
    ),
    "has two transfer encodings": (
        says(OK + b"Transfer-Encoding: chunked\r\nTransfer-Encoding: gzip\r\n\r\n0\r\n\r\n"),
        ProtocolBroken,
    ),
    # bodies
    "sends a short body": (says(OK + b"Content-Length: 100\r\n\r\nshort"), ProtocolBroken),
    "has a negative length": (says(OK + b"Content-Length: -1\r\n\r\nbody"), ProtocolBroken),
    "has a length with a plus": (says(OK + b"Content-Length: +4\r\n\r\nbody"), ProtocolBroken),
    "has a length with an underscore": (says(OK + b"Content-Length: 1_0\r\n\r\nbodybodybo"), ProtocolBroken),
    "has a hexadecimal length": (says(OK + b"Content-Length: 0x4\r\n\r\nbody"), ProtocolBroken),
    "has an empty length": (says(OK + b"Content-Length:\r\n\r\nbody"), ProtocolBroken),
    "has a list of lengths": (says(OK + b"Content-Length: 4, 5\r\n\r\nbody"), ProtocolBroken),
    "has two lengths": (says(OK + b"Content-Length: 4\r\nContent-Length: 5\r\n\r\nbody"), ProtocolBroken),
    "has an astronomical length": (says(OK + b"Content-Length: " + b"9" * 5000 + b"\r\n\r\n"), ProtocolBroken),
    "zips its transfer": (says(OK + b"Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n"), ProtocolBroken),
    "cuts a chunk": (says(CHUNKED + b"a\r\nshort"), ProtocolBroken),
    "forgets the last chunk": (says(CHUNKED + b"5\r\nwhole\r\n"), ProtocolBroken),
    "has words for chunk sizes": (says(CHUNKED + b"five\r\nwhole\r\n0\r\n\r\n"), ProtocolBroken),
    "has a chunk of 0x5": (says(CHUNKED + b"0x5\r\nwhole\r\n0\r\n\r\n"), ProtocolBroken),
    "has a chunk of -1 and floods": (floods(CHUNKED + b"-1\r\n", b"a" * 65_536), ProtocolBroken),
    "has a chunk size without an end": (floods(CHUNKED, b"0" * 65_536), ProtocolBroken),
    # size
    "announces 1 GB": (floods(OK + b"Content-Length: 1073741824\r\n\r\n", b"a" * 65_536), TooLarge),
    "sends 1 GB without a word": (floods(OK + b"\r\n", b"a" * 65_536), TooLarge),
    "sends 1 GB in chunks": (floods(CHUNKED, b"10000\r\n" + b"a" * 65_536 + b"\r\n"), TooLarge),
    "sends one chunk of 1 GB": (floods(CHUNKED + b"40000000\r\n", b"a" * 65_536), TooLarge),
    "sends a gzip bomb above the limit": (
        answers(gzip.compress(bytes(100 * 2**20)), "Content-Encoding: gzip"),
        TooLarge,
    ),
    "cuts its gzip": (answers(gzip.compress(b"{}")[:-1], "Content-Encoding: gzip"), ProtocolBroken),
    "says gzip of what is none": (answers(b'{"a": 1}', "Content-Encoding: gzip"), ProtocolBroken),
    # resets
    "closes without a word": (says(b""), ConnectionReset),
    "resets without a word": (resets_after(b""), ConnectionReset),
    "resets inside its headers": (resets_after(OK + b"X-A"), ConnectionReset),
    "resets inside its body": (resets_after(OK + b"Content-Length: 100\r\n\r\nshort"), ConnectionReset),
    "resets inside a chunk": (resets_after(CHUNKED + b"a\r\nshort"), ConnectionReset),
}


@pytest.mark.parametrize("how", MISBEHAVIOUR)
def test_a_misbehaving_receiver_costs_no_more_than_the_deadline_and_is_named(
    http: Http, how: str, caplog: pytest.LogCaptureFixture
) -> None:
    """One bad receiver must not block the deliveries to others, and its owner must see what is wrong."""
    caplog.set_level(logging.DEBUG)
    script, expected = MISBEHAVIOUR[how]
    with receiver(script) as there:
        began = time.monotonic()
        with pytest.raises(RequestFailed) as caught:
            http.send(
                "POST",
                there.url(path="/hook?token=canary"),
                headers={"authorization": "Bearer canary"},
                body=b"{}",
                deadline=DEADLINE if expected is TimedOut else 5,
            )
        assert expected is not TimedOut or time.monotonic() - began < DEADLINE + GRACE
    assert type(caught.value) is expected, caught.value
    assert caught.value.address == "127.0.0.1"
    assert caught.value.timings["total"] >= caught.value.timings["connect"] > 0
    assert "canary" not in "".join(traceback.format_exception(caught.value)) + caught.value.detail + caplog.text


@pytest.mark.parametrize("how", MISBEHAVIOUR)
def test_its_failure_is_named_the_same_over_tls(http: Http, authority: Authority, how: str) -> None:
    """Deadlines and limits are in our socket class, and TLS uses another one."""
    script, expected = MISBEHAVIOUR[how]
    with receiver(script, tls=authority.server("hook.example")) as there:
        began, url = time.monotonic(), there.url("hook.example", "https")
        with pytest.raises(RequestFailed) as caught:
            http.send("POST", url, body=b"{}", deadline=DEADLINE if expected is TimedOut else 5)
        assert expected is not TimedOut or time.monotonic() - began < DEADLINE + GRACE
    # Before 3.13 Python reports a reset inside TLS as an unexpected end (python/cpython#115627).
    like_an_end = (ConnectionReset, ProtocolBroken) if how.startswith("resets inside") else (expected,)
    assert type(caught.value) in like_an_end, caught.value
    assert caught.value.tls_version in ("TLSv1.2", "TLSv1.3")


@pytest.mark.parametrize("over_tls", [False, True], ids=["plain", "tls"])
@pytest.mark.parametrize("script", [is_silent, sips], ids=["reads nothing", "reads slowly"])
def test_a_receiver_that_will_not_read_costs_no_more_than_the_deadline(
    http: Http, authority: Authority, script: Script, over_tls: bool
) -> None:
    """When all buffers are full, sending waits too."""
    tls = authority.server("hook.example") if over_tls else None
    with receiver(script, tls=tls, reads=False) as there:
        began = time.monotonic()
        url = there.url("hook.example", "https" if over_tls else "http")
        with pytest.raises(TimedOut, match="while sending"):
            http.send("POST", url, body=bytes(64 * 2**20), deadline=DEADLINE)
        assert time.monotonic() - began < DEADLINE + GRACE


# --- TLS ---


def expired(authority: Authority) -> ssl.SSLContext:
    yesterday = datetime.datetime.now(datetime.UTC) - datetime.timedelta(days=1)
    return authority.server("hook.example", not_after=yesterday)


def of_another_authority(authority: Authority) -> ssl.SSLContext:
    return Authority(trustme.CA(), authority.client).server("hook.example")


def of_another_name(authority: Authority) -> ssl.SSLContext:
    return authority.server("other.example")


def of_the_address_alone(authority: Authority) -> ssl.SSLContext:
    return authority.server("127.0.0.1")


def of_a_name_in_the_common_name_alone(authority: Authority) -> ssl.SSLContext:
    return authority.server("other.example", common_name="hook.example")


@pytest.mark.parametrize(
    "server",
    [expired, of_another_authority, of_another_name, of_the_address_alone, of_a_name_in_the_common_name_alone],
)
def test_a_certificate_that_does_not_prove_the_name_is_refused(http: Http, authority: Authority, server: Any) -> None:
    """We connect to an address, but the certificate must be for the name in the subscriber's URL."""
    with receiver(answers(b""), tls=server(authority)) as there:
        with pytest.raises(TlsFailed, match="the certificate is not to be trusted") as caught:
            http.send("POST", there.url("hook.example", "https"), body=b"secret", deadline=2)
        assert there.requests in ([], [b"\r\n\r\n"])
    assert caught.value.timings["tls"] > 0


TLS_MISBEHAVIOUR: dict[str, tuple[Script, type[RequestFailed]]] = {
    "says nothing": (is_silent, TimedOut),
    "greets a byte at a time": (greets_slowly, TimedOut),
    "speaks plain HTTP": (says(OK + b"\r\n"), TlsFailed),
    "sends zeros": (says(bytes(1000)), TlsFailed),
    "refuses with an alert": (says(b"\x15\x03\x03\x00\x02\x02\x28"), TlsFailed),
    "hangs up": (says(b""), TlsFailed),
    "resets": (resets_after(b""), ConnectionReset),
    "resets inside its greeting": (resets_after(b"\x16\x03\x03\x40\x00\x02"), ConnectionReset),
}


@pytest.mark.parametrize("how", TLS_MISBEHAVIOUR)
def test_a_broken_tls_handshake_is_named_within_the_deadline(http: Http, how: str) -> None:
    """A hostile server can wait in the handshake, before it has proved its name."""
    script, expected = TLS_MISBEHAVIOUR[how]

    def after_the_hello(connection: socket.socket) -> None:
        connection.recv(65_536)
        script(connection)

    with receiver(after_the_hello, reads=False) as there:
        began = time.monotonic()
        with pytest.raises(RequestFailed) as caught:
            http.send("POST", there.url("hook.example", "https"), deadline=DEADLINE if expected is TimedOut else 5)
        assert expected is not TimedOut or time.monotonic() - began < DEADLINE + GRACE
    assert type(caught.value) is expected, caught.value


def test_the_default_context_trusts_only_public_authorities(authority: Authority) -> None:
    """In production, the certificate authority of these tests must not be trusted."""
    stock = Http(allowed_networks=("127.0.0.0/8",), resolve=resolve_to_loopback)
    with (
        receiver(answers(b""), tls=authority.server("hook.example")) as there,
        pytest.raises(TlsFailed, match="certificate"),
    ):
        stock.send("POST", there.url("hook.example", "https"), deadline=2)


def test_tls_sends_the_name_and_its_version_is_reported(http: Http, authority: Authority) -> None:
    """A host with many certificates chooses by the name (SNI), and the delivery log shows the version."""
    asked: list[str | None] = []
    server = authority.server("hook.example")
    server.sni_callback = lambda _socket, name, _context: asked.append(name)
    with receiver(answers(b"thanks"), tls=server) as there:
        answer = http.send("POST", there.url("hook.example.", "https"), body=b"{}", deadline=2)
    assert (answer.body, answer.tls_version, asked) == (b"thanks", "TLSv1.3", ["hook.example"])
    assert set(answer.timings) == {"dns", "connect", "tls", "first_byte", "total"}
    assert sum(answer.timings.values()) <= 2 * answer.timings["total"] + 0.01


# --- Names and addresses ---


def sending(resolve: Any, allowed: tuple[str, ...] = ("127.0.0.0/8",)) -> Http:
    return Http(allowed_networks=allowed, ssl_context=ssl.create_default_context(), resolve=resolve)


def test_a_resolver_that_hangs_costs_no_more_than_the_deadline() -> None:
    """getaddrinfo has no timeout, so a hostile name server could block us."""

    def resolve(*_: object, **__: object) -> list[tuple[Any, ...]]:
        time.sleep(2)
        return []

    began = time.monotonic()
    with pytest.raises(TimedOut, match="during the DNS lookup") as caught:
        sending(resolve).send("POST", "https://hook.example/", deadline=0.3)
    assert time.monotonic() - began < 0.3 + GRACE
    assert 200 < caught.value.timings["dns"] <= caught.value.timings["total"]


@pytest.mark.parametrize(
    "error", [socket.gaierror(-2, "Name or service not known"), OSError(5, "x"), UnicodeError("x")]
)
def test_a_name_that_does_not_resolve_is_a_dns_failure(error: Exception) -> None:
    """The owner may have mistyped the host, or the DNS zone is down."""

    def resolve(*_: object, **__: object) -> list[tuple[Any, ...]]:
        raise error

    with pytest.raises(DnsFailed, match=r"hook\.example does not resolve"):
        sending(resolve).send("POST", "https://hook.example/", deadline=1)


def test_a_dead_address_costs_a_try_and_not_the_request() -> None:
    """Hosts publish several addresses so that one of them may be down."""
    with receiver(answers(b"alive"), host="127.0.0.3") as there:
        http = sending(lambda *_, **__: places(there.port, "127.0.0.2", "127.0.0.3"))
        answer = http.send("POST", there.url("hook.example"), deadline=2)
    assert (answer.body, answer.address) == (b"alive", "127.0.0.3")


def test_an_address_that_drops_packets_costs_its_share_of_the_deadline() -> None:
    """The first address must leave time for the second."""
    with ExitStack() as stack:
        there = stack.enter_context(receiver(answers(b"alive"), host="127.0.0.3"))
        deaf = stack.enter_context(socket.create_server(("127.0.0.2", there.port), backlog=0))
        for _ in range(8):  # fill its queue: what comes then is dropped
            waiting = stack.enter_context(socket.socket())
            waiting.setblocking(False)
            waiting.connect_ex(deaf.getsockname())
        http = sending(lambda *_, **__: places(there.port, "127.0.0.2", "127.0.0.3"))
        answer = http.send("POST", there.url("hook.example"), deadline=2)
    assert answer.body == b"alive"
    assert 900 < answer.timings["connect"] < 2000


def test_nobody_listening_is_a_connect_failure(http: Http) -> None:
    """It differs from a receiver that accepts and breaks, because nothing was sent."""
    with receiver(answers(b"")) as there:
        pass
    with pytest.raises(ConnectFailed, match="connection refused") as caught:
        http.send("POST", there.url(), deadline=1)
    assert caught.value.address == "127.0.0.1"


def test_a_name_is_looked_up_once_for_the_check_and_the_connection() -> None:
    """With a second lookup, a name server could give another address after the check (DNS rebinding)."""
    with ExitStack() as stack:
        public = stack.enter_context(receiver(answers(b"public"), host="127.0.0.1"))
        inside = stack.enter_context(receiver(answers(b"inside"), host="127.0.0.2", port=public.port))
        turns = iter(["127.0.0.1", "127.0.0.2", "127.0.0.1"])
        http = sending(lambda *_, **__: places(public.port, next(turns)), allowed=("127.0.0.1/32",))
        http.check(public.url("hook.example"))
        assert http.send("POST", public.url("hook.example"), deadline=1).body == b"public"
        with pytest.raises(Blocked):
            http.send("POST", public.url("hook.example"), deadline=1)
        assert http.send("POST", public.url("hook.example"), deadline=1).body == b"public"
        assert inside.requests == []


# --- What is sent ---


def test_a_request_carries_what_was_given_and_nothing_of_the_machine(
    http: Http, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """A proxy, a netrc password or an old cookie would otherwise reach whoever gives us a URL."""
    netrc = tmp_path / "netrc"
    netrc.write_text("machine hook.example login me password canary")
    netrc.chmod(0o600)
    monkeypatch.setenv("NETRC", str(netrc))
    for proxy in ("http_proxy", "https_proxy", "all_proxy"):
        monkeypatch.setenv(proxy, "http://127.0.0.1:9")
    with receiver(answers(b"", "Set-Cookie: session=canary; Path=/")) as there:
        for _ in range(2):
            http.send("POST", there.url("hook.example", path="/a?b=c#d"), headers={"webhook-id": "evt_1"}, body=b"{}")
        head, _, body = there.requests[1].partition(b"\r\n\r\n")
    request, *headers = head.decode().split("\r\n")
    assert request == "POST /a?b=c HTTP/1.1"
    assert body == b"{}"
    assert {line.lower() for line in headers} == {
        f"host: hook.example:{there.port}",
        "user-agent: vidhook/0.1.0",
        "accept-encoding: identity",
        "connection: close",
        "content-length: 2",
        "webhook-id: evt_1",
    }


def test_a_default_port_is_left_out_of_the_host_header(authority: Authority) -> None:
    """The signature of a presigned URL includes the host in the form that browsers send."""
    with receiver(answers(b""), tls=authority.server("hook.example")) as there:
        http = Http(
            allowed_networks=("127.0.0.0/8",),
            ssl_context=authority.client,
            resolve=lambda *_, **__: places(there.port, "127.0.0.1"),
        )
        http.send("GET", "https://hook.example:443/")
        http.send("GET", "https://hook.example/")
        assert all(b"\r\nHost: hook.example\r\n" in request for request in there.requests)
        assert len(there.requests) == 2


TARGETS = [
    ("/a%7Eb~c", "/a%7Eb~c"),
    ("/%2f%2F/%41%zz%/100%", "/%2f%2F/%41%zz%/100%"),
    ("/a/../b/./c//d/", "/a/../b/./c//d/"),
    ("/v.mp4?sig=a+b%2Bc/d==&x[]={1}|^`'$,;:@!*()", "/v.mp4?sig=a+b%2Bc/d==&x[]={1}|^`'$,;:@!*()"),
    ("/v.mp4?", "/v.mp4?"),
    ("/v.mp4??a=?&&#part", "/v.mp4??a=?&&"),
    ("?a=b", "/?a=b"),
    ("", "/"),
    ("#part", "/"),
    ('/影/é?ü=<"a">', "/%E5%BD%B1/%C3%A9?%C3%BC=%3C%22a%22%3E"),
]


@pytest.mark.parametrize(("written", "sent"), TARGETS)
def test_a_url_goes_out_byte_for_byte(http: Http, written: str, sent: str) -> None:
    """Hosts sign the bytes of a link: %7E for ~, or a path that is made shorter, is another link to them."""
    with receiver(answers(VIDEO[:9])) as there:
        url = there.url(path=written)
        http.send("POST", url, body=b"{}")
        with http.download(url, deadline=2):
            pass
        with receiver(redirects(url)) as before, http.download(before.url(), deadline=2):
            pass
        with receiver(redirects(url.removeprefix("http:"))) as before, http.download(before.url(), deadline=2):
            pass
    targets = [request.split(b"\r\n")[0].decode().split(" ", 1)[1] for request in there.requests]
    assert targets == [f"{sent} HTTP/1.1"] * 4


@given(st.text(st.characters(min_codepoint=33, max_codepoint=126, exclude_characters='"<>#\\'), max_size=40))
def test_every_visible_character_of_a_path_is_left_alone(path: str) -> None:
    """And nothing behind the host can change the host."""
    parts = Http()._split(f"https://Hook.example:443/{path}")
    assert (parts.path, parts.hostname, parts.port) == (f"/{path}", "hook.example", 443)


def test_a_host_is_brought_into_its_normal_form(authority: Authority) -> None:
    """TLS and DNS know a name in one spelling alone."""
    asked: list[str | None] = []
    server = authority.server("xn--bcher-kva.example")
    server.sni_callback = lambda _socket, name, _context: asked.append(name)
    with receiver(answers(b""), tls=server) as there:
        http = Http(
            allowed_networks=("127.0.0.0/8",),
            ssl_context=authority.client,
            resolve=lambda *_, **__: places(there.port, "127.0.0.1"),
        )
        http.send("GET", "HTTPS://BÜCHER.example:443/Ü")
    assert asked == ["xn--bcher-kva.example"]
    assert there.requests[0].startswith(b"GET /%C3%9C HTTP/1.1\r\n")
    assert b"\r\nHost: xn--bcher-kva.example\r\n" in there.requests[0]


# --- Answers that are unusual but complete ---

WHOLE: dict[str, tuple[bytes, int, bytes]] = {
    "no body": (b"HTTP/1.1 204 No Content\r\n\r\n", 204, b""),
    "no reason phrase": (b"HTTP/1.1 200\r\nContent-Length: 2\r\n\r\nok", 200, b"ok"),
    "lines that end in LF": (b"HTTP/1.1 200 OK\nContent-Length: 2\n\nok", 200, b"ok"),
    "HTTP/1.0 until the end": (b"HTTP/1.0 200 OK\r\n\r\nok", 200, b"ok"),
    "the same length twice": (OK + b"Content-Length: 2\r\nContent-Length: 2\r\n\r\nok", 200, b"ok"),
    "more than it announced": (OK + b"Content-Length: 2\r\n\r\nok and more", 200, b"ok"),
    "chunks with extensions and trailers": (CHUNKED + b"2;a=b\r\nok\r\n0\r\nX-A: b\r\n\r\n", 200, b"ok"),
    "100 Continue first": (b"HTTP/1.1 100 Continue\r\n\r\n" + OK + b"\r\nok", 200, b"ok"),
    "103 Early Hints first": (b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n" + OK + b"\r\nok", 200, b"ok"),
    "a multipart body": (OK + b"Content-Type: multipart/mixed; boundary=a\r\n\r\nok", 200, b"ok"),
    "Latin-1 in a header": (OK + b"X-A: caf\xe9\r\n\r\nok", 200, b"ok"),
    "a blank before a colon": (OK + b"Content-Length : 2\r\n\r\nok and more", 200, b"ok"),
    "a tab before a colon": (OK + b"Transfer-Encoding\t: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n", 200, b"ok"),
    "blanks after a length": (OK + b"Content-Length: 2 \t\r\n\r\nok and more", 200, b"ok"),
    "blanks after a transfer encoding": (
        OK + b"Transfer-Encoding:  Chunked \r\n\r\n2\r\nok\r\n0\r\n\r\n",
        200,
        b"ok",
    ),
    "hundreds of headers": (OK + b"X-A: b\r\n" * 900 + b"Content-Length: 2\r\n\r\nok and more", 200, b"ok"),
    "a header over two lines": (OK + b"X-A: b\r\n c\r\nContent-Length: 2\r\n\r\nok and more", 200, b"ok"),
    "chunks and a length": (
        OK + b"Content-Length: 99\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n",
        200,
        b"ok",
    ),
    "a redirect": (b"HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:1/\r\n\r\n", 302, b""),
    "a switch of protocols": (b"HTTP/1.1 101 Switching Protocols\r\n\r\n", 101, b""),
    "an unassigned status": (b"HTTP/1.1 799 Odd\r\n\r\nok", 799, b"ok"),
}


@pytest.mark.parametrize("what", WHOLE)
def test_an_unusual_but_complete_answer_is_read(http: Http, what: str) -> None:
    """The client is strict only where an answer could be dangerous."""
    sent, status, body = WHOLE[what]
    with receiver(says(sent)) as there:
        answer = http.send("POST", there.url(), body=b"{}", deadline=2)
    assert (answer.status, answer.body) == (status, body)


def bare_deflate(body: bytes) -> bytes:
    packer = zlib.compressobj(wbits=-zlib.MAX_WBITS)
    return packer.compress(body) + packer.flush()


PACKED: dict[str, tuple[str, Callable[[bytes], bytes]]] = {
    "gzip": ("gzip", gzip.compress),
    "gzip by its old name": ("X-GZIP", gzip.compress),
    "gzip in two members, padded": (
        "gzip",
        lambda body: gzip.compress(body[:7]) + b"\0\0" + gzip.compress(body[7:]) + bytes(9),
    ),
    "gzip, and a line after it": ("gzip, identity", lambda body: gzip.compress(body) + b"\r\n" * 9),
    "deflate": ("deflate", zlib.compress),
    "deflate without its head": ("deflate", bare_deflate),
}


@pytest.mark.parametrize("how", PACKED)
def test_a_body_that_is_compressed_though_not_asked_for_is_decoded(http: Http, how: str) -> None:
    """Some providers compress every answer, whatever Accept-Encoding says. The limit is for what is decoded."""
    name, pack = PACKED[how]
    body = bytes(range(256)) * 100
    with receiver(answers(pack(body), f"Content-Encoding: {name}")) as there:
        assert http.send("GET", there.url(), max_bytes=len(body)).body == body
        with pytest.raises(TooLarge):
            http.send("GET", there.url(), max_bytes=len(body) - 1)
        begun = http.send("GET", there.url(), max_bytes=400, on_excess="truncate").body
        assert begun
        assert body.startswith(begun)
        with http.download(there.url(), deadline=5) as download:
            assert (download.length, download.packed) == (None, True)
            assert download.read(500) + b"".join(download) == body


@pytest.mark.parametrize("coding", ["br", "gzip, gzip", "aws-chunked"])
def test_a_body_in_another_coding_is_left_as_it_is(http: Http, coding: str) -> None:
    """The reader of the answer finds that it is none."""
    with receiver(answers(b"\x0b\x01", f"Content-Encoding: {coding}")) as there:
        assert http.send("GET", there.url()).body == b"\x0b\x01"


def test_a_bomb_is_decoded_no_further_than_the_limit(http: Http) -> None:
    """A kilobyte could decompress to a gigabyte."""
    bomb = gzip.compress(bytes(50 * 2**20))
    with receiver(answers(bomb, "Content-Encoding: gzip")) as there:
        tracemalloc.start()
        assert http.send("GET", there.url(), max_bytes=100_000, on_excess="truncate").body == bytes(100_000)
        with pytest.raises(TooLarge):
            http.send("GET", there.url(), max_bytes=100_000)
        _, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()
    assert peak < 2 * 2**20


@pytest.mark.parametrize(
    "body", [b"thanks", b"", gzip.compress(b"thanks")[:-3] + b"..."], ids=["plain", "empty", "broken"]
)
def test_a_subscriber_that_compresses_wrongly_has_answered(http: Http, body: bytes) -> None:
    """Its 200 counts, and the log shows what came."""
    with receiver(answers(body, "Content-Encoding: gzip")) as there:
        answer = http.send("POST", there.url(), on_excess="truncate")
    assert answer.status == 200


@pytest.mark.parametrize("end", [-1, -8, 20])
def test_a_compressed_download_that_is_cut_or_spoilt_is_an_error(http: Http, end: int) -> None:
    """Half a video must never be stored as a complete one, and a connection that closes looks like an end."""
    packed = gzip.compress(VIDEO)
    spoilt = packed[:1_000] + bytes(20) + packed[1_020:]
    for body in (packed[:end], spoilt):
        with (
            receiver(answers(body, "Content-Encoding: gzip")) as there,
            http.download(there.url(), deadline=5) as download,
            pytest.raises(ProtocolBroken, match="cannot be decoded"),
        ):
            b"".join(download)


def test_a_compressed_download_is_decoded_piece_by_piece(http: Http) -> None:
    """A video may be larger than the memory of a function."""
    with receiver(answers(gzip.compress(bytes(64 * 2**20)), "Content-Encoding: gzip")) as there:
        tracemalloc.start()
        with http.download(there.url(), deadline=30) as download:
            assert sum(map(len, download)) == 64 * 2**20
        _, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()
    assert peak < 4 * 2**20


# Each is a head, and what becomes of the body after it.
BROKEN_BODIES: dict[str, Script] = {
    "line kept open": says(OK + b"\r\nok", b"", pause=2),
    "event stream": trickles(OK + b"Content-Type: text/event-stream\r\n\r\n", b"data: 1\n\n"),
    "stands still": says(OK + b"Content-Length: 9\r\n\r\nok", b"", pause=2),
    "short Content-Length": says(OK + b"Content-Length: 9\r\n\r\nok"),
    "missing last chunk": says(CHUNKED + b"2\r\nok\r\n"),
    "broken chunks": says(CHUNKED + b"2\r\nok\r\nzz\r\n"),
    "reset": resets_after(OK + b"Content-Length: 9\r\n\r\nok"),
    "flood": floods(OK + b"\r\n", b"ok" * 5_000),
    "length that is no number": says(OK + b"Content-Length: -2\r\n\r\nok"),
    "two lengths": says(OK + b"Content-Length: 2\r\nContent-Length: 3\r\n\r\nok"),
    "unknown coding": says(OK + b"Transfer-Encoding: br\r\n\r\nok"),
}


@pytest.mark.parametrize("how", BROKEN_BODIES)
def test_where_the_head_counts_a_broken_body_is_cut(http: Http, how: str) -> None:
    """A subscriber that said 2xx has the event, and what it says afterwards is for the log alone."""
    with receiver(BROKEN_BODIES[how]) as server:
        began = time.monotonic()
        answer = http.send("POST", server.url(), max_bytes=100, on_excess="truncate", deadline=10, body_seconds=0.2)
    assert time.monotonic() - began < 0.2 + GRACE
    assert (answer.status, answer.body[:2] in (b"", b"ok", b"da")) == (200, True)


@pytest.mark.parametrize("how", [how for how in BROKEN_BODIES if how != "flood"])
def test_of_a_provider_a_whole_body_is_wanted(http: Http, how: str) -> None:
    """Half of an answer may lack the very word that ends a task."""
    with receiver(BROKEN_BODIES[how]) as server, pytest.raises(RequestFailed) as failure:
        http.send("GET", server.url(), deadline=DEADLINE)
    assert failure.value.status == 200


@pytest.mark.parametrize("head", [OK, OK + b"Content-Length: 2\r\nno colon\r\n\r\nok"])
def test_a_status_whose_head_breaks_is_in_the_error(http: Http, head: bytes) -> None:
    """The log shows every status that was seen, even where it is not to be relied on."""
    with receiver(says(head)) as server, pytest.raises(ProtocolBroken) as failure:
        http.send("POST", server.url(), deadline=10, body_seconds=0.2)
    assert failure.value.status == 200


def test_a_body_of_exactly_the_limit_is_complete(http: Http) -> None:
    """Only a body that is longer than the limit is refused."""
    for script in (answers(b"a" * 1000), says(OK + b"\r\n" + b"a" * 1000)):
        with receiver(script) as there:
            assert http.send("GET", there.url(), max_bytes=1000).body == b"a" * 1000


@pytest.mark.parametrize("start", [OK + b"\r\n", OK + b"Content-Length: 1073741824\r\n\r\n", CHUNKED + b"40000000\r\n"])
def test_a_long_answer_is_cut_when_only_its_beginning_is_wanted(http: Http, start: bytes) -> None:
    """A subscriber that answers 200 has accepted the event, and the log needs only the start of its answer."""
    with receiver(floods(start, b"a" * 65_536)) as there:
        answer = http.send("POST", there.url(), deadline=2, max_bytes=4096, on_excess="truncate")
    assert (answer.status, answer.body) == (200, b"a" * 4096)


@pytest.mark.parametrize("over_tls", [False, True], ids=["plain", "tls"])
def test_an_answer_before_the_whole_request_was_read_is_used(http: Http, authority: Authority, over_tls: bool) -> None:
    """A server may answer 413 or 401 early, and close the connection while we still send."""
    tls = authority.server("hook.example") if over_tls else None
    with receiver(answers(b"too much", status="413 Content Too Large"), tls=tls, reads=False) as there:
        url = there.url("hook.example", "https" if over_tls else "http")
        answer = http.send("POST", url, body=bytes(16 * 2**20), deadline=5)
    assert (answer.status, answer.body) == (413, b"too much")


def test_repeated_headers_are_joined_and_a_repr_shows_no_query(http: Http) -> None:
    """A log line that shows a response must not contain a credential."""
    with receiver(answers(b"canary", "X-A: 1", "x-a: 2", "Location: /?canary")) as there:
        answer = http.send("GET", there.url(path="/?token=canary"))
    assert answer.headers["x-a"] == "1, 2"
    assert answer.url.endswith("?token=canary")
    assert "canary" not in repr(answer)


def test_many_threads_share_one_http(http: Http, authority: Authority) -> None:
    """Each answer belongs to its own request, with one TLS context for all."""

    def echo(connection: socket.socket) -> None:
        answers(read_request(connection)[-4:])(connection)

    with receiver(echo, tls=authority.server("hook.example"), reads=False) as there, ThreadPoolExecutor(16) as pool:
        url, bodies = there.url("hook.example", "https"), [b"%04d" % number for number in range(64)]
        assert list(pool.map(lambda body: http.send("POST", url, body=body).body, bodies)) == bodies


# --- Downloads ---

VIDEO = bytes(range(256)) * 4096 * 5


@pytest.fixture
def video() -> Iterator[Receiver]:
    with receiver(answers(VIDEO, "Content-Type: video/mp4")) as there:
        yield there


def test_a_download_is_read_piece_by_piece(http: Http, video: Receiver) -> None:
    """A video may be larger than the memory of a function."""
    with http.download(video.url(), deadline=5) as download:
        digest, pieces = hashlib.sha256(download.read(1000)), 0
        for piece in download:
            digest.update(piece)
            pieces += 1
        assert download.read(10) == b""
    assert (download.status, download.length, download.content_type) == (200, len(VIDEO), "video/mp4")
    assert digest.digest() == hashlib.sha256(VIDEO).digest()
    assert pieces > 1


def test_a_download_without_a_length_has_none(http: Http) -> None:
    """The bucket needs a length, or another way of uploading."""
    with receiver(says(CHUNKED + b"2\r\nok\r\n0\r\n\r\n")) as there, http.download(there.url(), deadline=2) as download:
        assert (download.length, b"".join(download)) == (None, b"ok")


@pytest.mark.parametrize("script", [says(OK + b"Content-Length: 100\r\n\r\nshort"), says(CHUNKED + b"64\r\nshort")])
def test_a_download_that_ends_too_early_is_an_error(http: Http, script: Script) -> None:
    """Half a video must never be stored as a complete one."""
    with receiver(script) as there, http.download(there.url(), deadline=2) as download:
        with pytest.raises(ProtocolBroken) as caught:
            b"".join(download)
        assert caught.value.address == "127.0.0.1"


def test_an_unclean_end_of_tls_is_accepted_only_where_nothing_can_be_missing(http: Http, authority: Authority) -> None:
    """A simple receiver may answer 200 and close the connection, but a video could be cut in the same way."""
    with receiver(says(OK + b"\r\nok"), tls=authority.server("hook.example")) as there:
        url = there.url("hook.example", "https")
        assert http.send("POST", url, deadline=2).body == b"ok"
        with http.download(url, deadline=2) as download, pytest.raises(ConnectionReset, match="without a length"):
            b"".join(download)
    with (
        receiver(answers(b"video"), tls=authority.server("hook.example")) as there,
        http.download(there.url("hook.example", "https"), deadline=2) as download,
    ):
        assert b"".join(download) == b"video"


def test_a_cut_is_noticed_also_where_python_takes_it_for_an_end(authority: Authority) -> None:
    """Before Python 3.11.3, which Debian 12 has, every context has this option."""
    old = ssl.create_default_context()
    authority.ca.configure_trust(old)
    old.options |= ssl.OP_IGNORE_UNEXPECTED_EOF
    http = Http(allowed_networks=("127.0.0.0/8",), ssl_context=old, resolve=resolve_to_loopback)
    with (
        receiver(says(OK + b"\r\nhalf a vid"), tls=authority.server("hook.example")) as there,
        http.download(there.url("hook.example", "https"), deadline=2) as download,
        pytest.raises(ConnectionReset, match="without a length"),
    ):
        b"".join(download)


def test_a_slow_download_ends_at_its_deadline(http: Http) -> None:
    """The deadline includes the redirects before it and every read after it."""
    with ExitStack() as stack:
        slow = stack.enter_context(receiver(trickles(OK + b"\r\n", b"a")))
        began = time.monotonic()
        with http.download(slow.url(), deadline=DEADLINE) as download, pytest.raises(TimedOut):
            b"".join(download)
        assert time.monotonic() - began < DEADLINE + GRACE


def test_an_error_of_the_caller_is_not_changed(http: Http, video: Receiver) -> None:
    """An error of the bucket must not look like an error of the download."""
    with pytest.raises(OSError, match="bucket"), http.download(video.url(), deadline=2) as download:  # noqa: PT012
        download.read(1)
        raise OSError("bucket")


@pytest.mark.parametrize("status", ["301 Moved", "302 Found", "303 See Other", "307 Temporary", "308 Permanent"])
def test_a_download_follows_a_redirect(http: Http, video: Receiver, status: str) -> None:
    """Providers often serve their videos from a CDN."""
    with receiver(redirects(video.url(path="/a%20film.mp4"), status)) as there:
        with http.download(there.url(), deadline=2) as download:
            assert download.read(4) == VIDEO[:4]
        assert download.url == video.url(path="/a%20film.mp4")


def test_a_relative_redirect_in_utf8_is_followed(http: Http) -> None:
    """Location may be a path, and some hosts write it in UTF-8 without escaping."""

    def script(connection: socket.socket) -> None:
        first = b"GET /hook " in there.requests[-1]
        (redirects("/影片.mp4") if first else answers(b"video"))(connection)

    with receiver(script) as there:
        with http.download(there.url(), deadline=2) as download:
            assert download.read(9) == b"video"
        assert there.requests[-1].startswith(b"GET /%E5%BD%B1%E7%89%87.mp4 HTTP/1.1\r\n")


@pytest.mark.parametrize(
    ("location", "target"),
    [
        (b"/a film.mp4?x=a b", b"/a%20film.mp4?x=a%20b"),
        ("/é.mp4".encode(), b"/%C3%A9.mp4"),
        ("/é.mp4".encode("latin-1"), b"/%E9.mp4"),
        (b"/%7e/../+%2F%", b"/%7e/../+%2F%"),
        (b"?b=c", b"/hook?b=c"),
        (b"film.mp4", b"/film.mp4"),
    ],
)
def test_a_location_is_read_as_browsers_and_curl_read_it(http: Http, location: bytes, target: bytes) -> None:
    """Hosts write what they have, with blanks and in any encoding; what is escaped already stays as it is."""

    def script(connection: socket.socket) -> None:
        moved = b"HTTP/1.1 302 Found\r\nLocation: " + location + b"\r\nContent-Length: 0\r\n\r\n"
        (says(moved) if len(there.requests) == 1 else answers(b"video"))(connection)

    with receiver(script) as there:
        with http.download(there.url(), deadline=2) as download:
            assert download.read(9) == b"video"
        assert there.requests[-1].startswith(b"GET " + target + b" HTTP/1.1\r\n")


def test_a_link_with_a_blank_is_asked_for_as_browsers_do_it(http: Http) -> None:
    """Files have names with blanks. Whoever enters a URL for webhooks is told to escape them instead."""
    with receiver(answers(b"video")) as there:
        with http.download(there.url(path="/my film.mp4?a=b c"), deadline=2) as download:
            assert download.read(9) == b"video"
        with pytest.raises(Blocked):
            http.send("GET", there.url(path="/my film.mp4"))
        for bad in (there.url(host="127.0.0.1 "), " " + there.url(), there.url(path="/a\tb")):
            with pytest.raises(Blocked), http.download(bad, deadline=2):
                pass
    assert there.requests[0].startswith(b"GET /my%20film.mp4?a=b%20c HTTP/1.1\r\n")
    assert len(there.requests) == 1


@given(st.binary(max_size=30).filter(lambda text: not set(text) & {0, 10, 13}))
def test_any_location_leads_somewhere_or_nowhere(location: bytes) -> None:
    """A host may write anything there, and no text may cause another error."""
    answer = requests.Response()
    answer.url = "https://hook.example/a/b?c"
    answer.raw = urllib3.HTTPResponse(headers={"location": location.decode("latin-1")})
    target = _redirect_target(answer)
    assert target is not None
    with suppress(Blocked):
        assert Http()._split(target).path.isascii()


def test_two_locations_are_none(http: Http) -> None:
    """Nobody can know which of them is meant."""
    with (
        receiver(answers(b"", "Location: /a", "Location: /b", status="302 Found")) as there,
        pytest.raises(BadRedirect),
        http.download(there.url(), deadline=2),
    ):
        pass


def test_three_redirects_are_followed_and_a_fourth_is_not(http: Http, video: Receiver) -> None:
    """An endless chain of redirects costs four requests."""
    with ExitStack() as stack:
        hops = [video]
        for _ in range(4):
            hops.append(stack.enter_context(receiver(redirects(hops[-1].url()))))
        with http.download(hops[3].url(), deadline=2) as download:
            assert download.status == 200
        with pytest.raises(BadRedirect, match="more than 3"), http.download(hops[4].url(), deadline=2):
            pass


def test_a_redirect_to_itself_ends(http: Http) -> None:
    """A loop costs four requests."""
    with receiver(redirects("/hook")) as there:
        with pytest.raises(BadRedirect), http.download(there.url(), deadline=2):
            pass
        assert len(there.requests) == 4


def test_a_redirect_without_a_location_is_an_error(http: Http) -> None:
    """A 302 is not a video."""
    with (
        receiver(answers(b"", status="302 Found")) as there,
        pytest.raises(BadRedirect),
        http.download(there.url(), deadline=2),
    ):
        pass


def test_headers_go_no_further_than_the_origin_they_were_meant_for(http: Http, video: Receiver) -> None:
    """The provider's key must not reach another scheme, host or port."""

    def script(connection: socket.socket) -> None:
        first = b"GET /hook " in there.requests[-1]
        redirects("/same" if first else video.url())(connection)

    with receiver(script) as there:
        headers = {"Authorization": "Bearer canary", "x-api-key": "canary"}
        with http.download(there.url(), headers=headers, deadline=2) as download:
            download.read(1)
    assert [request.count(b"canary") for request in there.requests] == [2, 2]
    assert [request.count(b"canary") for request in video.requests] == [0]


def test_what_is_wanted_of_a_file_is_asked_of_every_target(http: Http, video: Receiver) -> None:
    """A part is a part on the CDN, too; it is no secret."""
    with (
        receiver(redirects(video.url())) as there,
        http.download(there.url(), headers={"x-api-key": "canary"}, wanted={"Range": "bytes=5-9"}, deadline=2),
    ):
        pass
    for asked in (*there.requests, *video.requests):
        assert b"\r\nRange: bytes=5-9\r\n" in asked
    assert b"canary" not in video.requests[0]


def test_what_came_before_a_break_is_not_lost(http: Http) -> None:
    """The next connection goes on from there."""
    script = says(OK + b"Content-Length: 100\r\n\r\nshort")
    with receiver(script) as there, http.download(there.url(), deadline=2) as download:
        assert download.read_some(1_000) == b"short"
        with pytest.raises(ProtocolBroken):
            download.read_some(1_000)


@pytest.mark.parametrize("start", [b"", OK, OK + b"Content-Length: 100\r\n\r\nshort"], ids=["silent", "head", "body"])
def test_a_download_that_stands_still_ends_before_its_deadline(
    http: Http, monkeypatch: pytest.MonkeyPatch, start: bytes
) -> None:
    """Another connection may bring the rest, and a dead host must not hold an invocation to its end."""
    monkeypatch.setattr(edge, "_HEAD_PATIENCE", DEADLINE)
    monkeypatch.setattr(edge, "_BODY_PATIENCE", DEADLINE)
    began = time.monotonic()
    with (
        receiver(says(start, b"", pause=3)) as there,
        pytest.raises(TimedOut, match="silence"),
        http.download(there.url(), deadline=60) as download,
    ):
        b"".join(download)
    assert time.monotonic() - began < DEADLINE + GRACE


@pytest.mark.parametrize("url", FORBIDDEN_URLS)
def test_a_redirect_to_a_forbidden_url_is_refused(authority: Authority, url: str) -> None:
    """A redirect must not lead around the check of the first URL."""
    http = Http(allowed_networks=("127.0.0.2/32",), ssl_context=authority.client, resolve=resolve_to_loopback)
    with (
        receiver(redirects(url), host="127.0.0.2") as there,
        pytest.raises((Blocked, BadRedirect)),
        http.download(there.url(), deadline=2),
    ):
        pass


def test_a_redirect_to_a_private_name_is_refused(authority: Authority) -> None:
    """The client looks up and checks every target again."""
    http = Http(allowed_networks=("127.0.0.2/32",), ssl_context=authority.client, resolve=resolve_to_loopback)
    with (
        receiver(redirects("https://inside.example/"), host="127.0.0.2") as there,
        pytest.raises(Blocked),
        http.download(there.url(), deadline=2),
    ):
        pass


def test_a_redirects_body_is_never_read(http: Http, video: Receiver) -> None:
    """The body of a redirect may be endless, and nobody needs it."""
    endless = floods(f"HTTP/1.1 302 Found\r\nLocation: {video.url()}\r\n\r\n".encode(), b"a" * 65_536)
    with receiver(endless) as there, http.download(there.url(), deadline=2) as download:
        assert download.length == len(VIDEO)
    with receiver(endless) as there, pytest.raises(TooLarge):
        http.send("GET", there.url(), deadline=2, max_bytes=1000)


# --- Redirects of polls ---


@pytest.mark.parametrize("status", ["307 Temporary Redirect", "308 Permanent Redirect"])
def test_a_poll_follows_a_redirect_within_its_origin(http: Http, status: str) -> None:
    """An API that moved its path says so. Method, body and key are the same; the deadline is for all."""

    def script(connection: socket.socket) -> None:
        here = int(there.requests[-1].split(b" ")[1][2:])
        (redirects(f"/v{here + 1}", status) if here < 4 else answers(b"done"))(connection)

    with receiver(script) as there:
        for first, expected in ((1, (200, b"done")), (0, (int(status[:3]), b"moved"))):
            there.requests.clear()
            answer = http.send(
                "POST",
                there.url(path=f"/v{first}"),
                headers={"authorization": "Bearer key"},
                body=b'{"id": 1}',
                deadline=2,
                same_origin_redirects=3,
            )
            assert (answer.status, answer.body) == expected
            assert len(there.requests) == 4
            assert all(request.startswith(b"POST ") for request in there.requests)
            assert all(b"Bearer key" in each and each.endswith(b'{"id": 1}') for each in there.requests)
        assert answer.url == there.url(path="/v3")


@pytest.mark.parametrize("status", ["301 Moved Permanently", "302 Found", "303 See Other"])
def test_a_poll_by_get_follows_every_redirect_within_its_origin(http: Http, status: str) -> None:
    """Frameworks add a slash with a 301, and a 302 or 303 leads to what a finished task made: a GET stays a GET."""

    def script(connection: socket.socket) -> None:
        (redirects("/tasks/1/", status) if len(there.requests) == 1 else answers(b"done"))(connection)

    with receiver(script) as there:
        answer = http.send(
            "GET", there.url(path="/tasks/1"), headers={"x-key": "key"}, deadline=2, same_origin_redirects=3
        )
        assert (answer.status, answer.body) == (200, b"done")
        assert there.requests[1].startswith(b"GET /tasks/1/ ")
        assert b"key" in there.requests[1]


@pytest.mark.parametrize("method", ["GET", "POST"])
@pytest.mark.parametrize("status", ["301 Moved", "302 Found", "303 See Other", "307 Temporary", "308 Permanent"])
def test_any_other_redirect_is_the_answer(http: Http, video: Receiver, method: str, status: str) -> None:
    """The key must reach no other origin, and for a POST only 307 and 308 say that the request stays the same."""
    elsewhere = [video.url(), "//127.0.0.2/", "http://[", "https://user@127.0.0.1/", ""]
    for location in [*elsewhere, *(["/same"] if status < "307" and method == "POST" else [])]:
        with receiver(redirects(location, status) if location else answers(b"moved", status=status)) as there:
            answer = http.send(method, there.url(), deadline=2, same_origin_redirects=3)
            assert (answer.status, answer.body, len(there.requests)) == (int(status[:3]), b"moved", 1)
    assert video.requests == []


def test_without_a_word_no_redirect_is_followed(http: Http) -> None:
    """A subscriber's URL gets its events; whoever can redirect it must not get them."""
    with receiver(redirects("/hook", "308 Permanent Redirect")) as there:
        assert http.send("POST", there.url(), body=b"{}", deadline=2).status == 308
        assert len(there.requests) == 1


def test_a_chain_of_redirects_ends_with_its_deadline(http: Http) -> None:
    """Three slow redirects must not take three times as long."""
    slow = says(b"HTTP/1.1 308 X\r\nLocation: /hook\r\n", b"X: y\r\n", b"\r\n", pause=0.2)
    began = time.monotonic()
    with receiver(slow) as there, pytest.raises(TimedOut):
        http.send("GET", there.url(), deadline=0.6, same_origin_redirects=3)
    assert time.monotonic() - began < 0.6 + GRACE


def test_an_answer_of_16_mib_is_read_in_a_moment(http: Http) -> None:
    """An answer may hold a whole film as text."""
    body = b"0123456789abcdef" * 2**20
    for script in (answers(body), answers(gzip.compress(body, 1), "Content-Encoding: gzip")):
        with receiver(script) as there:
            began = time.monotonic()
            assert http.send("GET", there.url(), max_bytes=len(body), deadline=20).body == body
            assert time.monotonic() - began < 5
