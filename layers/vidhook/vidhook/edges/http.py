"""Sends every request to a provider, a video's host or a subscriber.

A URL that somebody else gives must not reach our network (SSRF), take longer than the deadline or fill our memory. So
there is one lookup, every address of its answer is checked, the connection goes to a checked address, TLS is verified
against the name, and one wall-clock deadline covers lookup, connect, TLS, sending, headers and body.
"""

import io
import math
import re
import socket
import ssl
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import Future
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass, field
from http.client import HTTPException, HTTPResponse
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network
from threading import Thread
from time import monotonic
from typing import Any, Literal, cast
from urllib.parse import SplitResult, urljoin, urlsplit

import requests
import urllib3.exceptions
from requests.adapters import HTTPAdapter
from requests.utils import DEFAULT_CA_BUNDLE_PATH
from urllib3.connection import HTTPConnection
from urllib3.util.response import assert_header_parsing

from vidhook import __version__
from vidhook.edges.tls import trusting
from vidhook.errors import (
    BadInput,
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

# Networks that are not globally reachable by IANA's special-purpose registries (RFC 6890), multicast, and services of
# cloud providers at addresses that look public. An IPv6 address is public only inside 2000::/3: this excludes loopback,
# link-local, unique local, mapped IPv4 and NAT64.
_GLOBAL_IPV6 = ip_network("2000::/3")
_NOT_PUBLIC = tuple(
    ip_network(network)
    for network in (
        "0.0.0.0/8",  # this host
        "10.0.0.0/8",
        "100.64.0.0/10",  # carrier-grade NAT; Alibaba Cloud's metadata
        "127.0.0.0/8",
        "168.63.129.16/32",  # Azure's wire server
        "169.254.0.0/16",  # link-local; metadata of most clouds
        "172.16.0.0/12",
        "192.0.0.0/24",  # IETF protocol assignments; Oracle Cloud's metadata
        "192.0.2.0/24",  # documentation
        "192.88.99.0/24",  # 6to4 relays
        "192.168.0.0/16",
        "198.18.0.0/15",  # benchmarking
        "198.51.100.0/24",  # documentation
        "203.0.113.0/24",  # documentation
        "224.0.0.0/4",  # multicast
        "240.0.0.0/4",  # reserved; broadcast
        "2001::/23",  # IETF protocol assignments: Teredo, benchmarking, ORCHID
        "2001:db8::/32",  # documentation
        "2002::/16",  # 6to4
        "3fff::/20",  # documentation
    )
)
_HOST = re.compile(r"(?:[a-z0-9_-]{1,63}\.)*[a-z0-9_-]{1,63}\.?")
_NUMBER = re.compile(r"0x[0-9a-f]*|[0-9]+")
_HEADER_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_HEADER_VALUE = re.compile(r"(?:[!-~\x80-\xff](?:[\t -~\x80-\xff]*[!-~\x80-\xff])?)?")
_CHUNK_SIZE = re.compile(rb"([0-9A-Fa-f]{1,15})[ \t]*(?:;.*)?\r?\n", re.DOTALL)
_DEFAULT_PORT = {"https": 443, "http": 80}
_HEAD_BYTES = 65_536  # of an answer's status lines and headers, any 1xx included
_CONNECT_SECONDS = 2.0  # the longest wait for one address while there is another to try
_PIECE = 262_144
# A download that stands still is not worth the rest of its deadline: another connection may bring the rest. S3 closes
# a connection that brings nothing for about 20 seconds, so a body that is passed on must move sooner than that.
_HEAD_PATIENCE = 60.0
_BODY_PATIENCE = 15.0

_Address = IPv4Address | IPv6Address
_Resolve = Callable[..., Iterable[tuple[Any, ...]]]  # shaped like socket.getaddrinfo


@dataclass(frozen=True, slots=True)
class Response:
    """A whole answer, its body as it came (never decompressed), at most `max_bytes` of it.

    `headers` have lower-case names, repeated ones joined with ", ". `timings` are milliseconds: `dns`, `connect`,
    `tls`, `first_byte` (from sending to the first byte of the answer) and `total`; what did not happen is absent.
    """

    status: int
    headers: Mapping[str, str] = field(repr=False)
    body: bytes = field(repr=False)
    url: str = field(repr=False)  # its query string may be a credential
    address: str | None
    tls_version: str | None
    timings: Mapping[str, float]


class Http:
    """Sends requests to addresses that are allowed. One object per process is enough; threads can share it.

    `allowed_networks` are CIDRs that may be reached although they are private, over plain http too. `resolve` is
    `socket.getaddrinfo` or a function of its shape. A bad CIDR raises BadInput.
    """

    def __init__(
        self,
        *,
        allowed_networks: Iterable[str] = (),
        user_agent: str = f"vidhook/{__version__}",
        ssl_context: ssl.SSLContext | None = None,
        resolve: _Resolve = socket.getaddrinfo,
    ) -> None:
        try:
            self._allowed = tuple(ip_network(network) for network in allowed_networks)
        except ValueError as error:
            raise BadInput("allowed_networks", str(error), "write CIDRs such as 10.1.0.0/16") from None
        self._user_agent = user_agent
        self._ssl_context = ssl_context or trusting(DEFAULT_CA_BUNDLE_PATH)
        self._resolve = resolve

    def check(self, url: str) -> None:
        """Raises Blocked, with a hint, for a URL that can never be sent to. Does not use the network."""
        self._split(url)

    def send(
        self,
        method: str,
        url: str,
        *,
        headers: Mapping[str, str] | None = None,
        body: bytes = b"",
        deadline: float = 10.0,
        max_bytes: int = 65_536,
        on_excess: Literal["error", "truncate"] = "error",
    ) -> Response:
        """Sends one request and returns its whole answer within `deadline` seconds. Follows no redirect.

        A body above `max_bytes` raises TooLarge or is cut, as `on_excess` says. Raises the subclass of RequestFailed
        for what broke.
        """
        parts = self._split(url)
        with closing(_Exchange(self, monotonic() + deadline)) as exchange:
            answer = exchange.start(method, parts, headers or {}, body)
            if on_excess == "error" and (_announced(answer) or 0) > max_bytes:
                raise exchange.annotated(TooLarge(f"the answer announces more than {max_bytes} bytes"))
            content = bytearray()
            while len(content) <= max_bytes and (piece := exchange.read(answer, max_bytes + 1 - len(content))):
                content += piece
            if on_excess == "error" and len(content) > max_bytes:
                raise exchange.annotated(TooLarge(f"the answer is longer than {max_bytes} bytes"))
            return Response(
                status=answer.status_code,
                headers=_plain(answer.headers),
                body=bytes(content[:max_bytes]),
                url=answer.url,
                address=exchange.address,
                tls_version=exchange.tls_version,
                timings=exchange.timings(),
            )

    @contextmanager
    def download(
        self,
        url: str,
        *,
        headers: Mapping[str, str] | None = None,
        wanted: Mapping[str, str] | None = None,
        deadline: float,
        max_redirects: int = 3,
    ) -> Iterator["Download"]:
        """Sends a GET and yields its answer, whose body can be read inside the `with`, within `deadline` seconds.

        Follows redirects and checks each target. `headers` are sent to the origin of `url` only, `wanted` (such as
        Range) to every target. Raises as `send` does, BadRedirect for a redirect without a target or above
        `max_redirects`, and TimedOut also for an answer that stands still for too long.
        """
        parts, headers, ends = self._split(url), headers or {}, monotonic() + deadline
        for hop in range(max_redirects + 1):
            with closing(_Exchange(self, ends)) as exchange:
                exchange.patience = _HEAD_PATIENCE
                answer = exchange.start("GET", parts, {**headers, **(wanted or {})}, b"")
                if answer.status_code not in (301, 302, 303, 307, 308):
                    exchange.patience = _BODY_PATIENCE
                    yield Download(answer, exchange)
                    return
                if hop == max_redirects:
                    raise exchange.annotated(BadRedirect(f"more than {max_redirects} redirects"))
                target = _redirect_target(answer)
                if target is None:
                    raise exchange.annotated(BadRedirect("a redirect whose Location is missing or cannot be read"))
            came_from, parts = parts, self._split(target)
            if _origin(parts) != _origin(came_from):
                headers = {}

    def _split(self, url: str) -> SplitResult:
        """Returns the parts of the URL in its normal form. Raises Blocked if something in it is not allowed."""
        if not url.isprintable() or " " in url or "\\" in url:
            raise Blocked("the URL holds a space, a backslash or a control character; percent-encode it")
        try:
            written = urlsplit(url)
            if written.scheme not in _DEFAULT_PORT:
                raise Blocked(
                    f"the URL begins with {written.scheme + ':' if written.scheme else 'no scheme'}; use https:"
                )
            if "@" in written.netloc:
                raise Blocked("the URL holds a user name or password before its host; leave it out")
            if written.port == 0:
                raise Blocked("the URL's port is 0; leave it out or use the receiver's port")
            parts = urlsplit(cast(str, requests.Request("GET", url).prepare().url))
            address = _literal(parts.hostname or "")
        except ValueError:  # also the InvalidURL of requests, whose text repeats the URL
            raise Blocked("the URL cannot be read; write https://host/path") from None
        if address:
            self._check_addresses(parts.scheme, [address], str(address))
        elif parts.scheme == "http" and not self._allowed:
            raise Blocked("plain http is not allowed; use https")
        return parts

    def _check_addresses(self, scheme: str, addresses: list[_Address], host: str) -> None:
        """Raises Blocked unless every address may be reached over this scheme."""
        outside = [address for address in addresses if not any(address in network for network in self._allowed)]
        detail = f"{host} is {', '.join(map(str, addresses))}"
        if scheme == "http" and outside:
            raise Blocked("plain http is for the deployer's AllowedNetworks only; use https", detail=detail)
        if not all(map(_is_public, outside)):
            problem = "is" if host == str(addresses[0]) else "resolves to"
            raise Blocked(
                f"{host} {problem} an address that is not allowed; use a public one, "
                "or have the deployer add its network to AllowedNetworks",
                detail=detail,
            )


class Download:
    """An answer whose body is still to be read. `length` is its Content-Length, None if it was not announced."""

    def __init__(self, answer: requests.Response, exchange: "_Exchange") -> None:
        self._answer, self._exchange = answer, exchange
        self.status = answer.status_code
        self.headers = _plain(answer.headers)
        self.url = answer.url
        self.address = exchange.address
        self.content_type = self.headers.get("content-type")
        self.length = _announced(answer)

    def read(self, size: int) -> bytes:
        """Returns the next `size` bytes, fewer only at the end, then b"".

        Raises ProtocolBroken or ConnectionReset when the body ends too early.
        """
        return self._sure(self._exchange.read(self._answer, size))

    def read_some(self, most: int) -> bytes:
        """Returns what comes next, at least one byte and `most` at most, and b"" at the end. Raises as `read` does.

        So a break loses nothing that came before it.
        """
        return self._sure(self._exchange.read_some(self._answer, most))

    def _sure(self, piece: bytes) -> bytes:
        """Returns the piece. Raises ConnectionReset if it is the end, and the body may have been cut off there."""
        if not piece and self._exchange.end_is_unsure:
            raise self._exchange.annotated(
                ConnectionReset("the connection was cut, and without a length the body may be incomplete")
            )
        return piece

    def __iter__(self) -> Iterator[bytes]:
        return iter(lambda: self.read(_PIECE), b"")


class _Exchange(HTTPAdapter):
    """One request and its answer, as requests' transport adapter, with what was measured.

    It is used without a requests.Session. What a Session adds (cookies, netrc, proxies of the environment, redirects)
    must not happen here, and Session.send reads a redirect's body to its end, however long it is.
    """

    def __init__(self, http: Http, ends: float) -> None:
        super().__init__()
        self.address: str | None = None
        self.tls_version: str | None = None
        self.patience = math.inf  # the longest wait for the next bytes, in seconds
        self.end_is_unsure = False  # TLS ended without a close_notify: the body may have been cut off
        self._http, self._ends, self._started = http, ends, monotonic()
        self.phases: dict[str, float] = {}  # seconds
        self._socket: socket.socket | None = None

    def close(self) -> None:
        if self._socket:
            self._socket.close()

    def timings(self) -> dict[str, float]:
        """Returns the milliseconds of each phase so far, and the total."""
        phases = self.phases | {"total": monotonic() - self._started}
        return {phase: round(seconds * 1000, 3) for phase, seconds in phases.items()}

    def annotated(self, failure: RequestFailed) -> RequestFailed:
        """Returns the failure with the address, the TLS version and the timings of the request."""
        failure.address, failure.tls_version, failure.timings = self.address, self.tls_version, self.timings()
        return failure

    def start(self, method: str, parts: SplitResult, headers: Mapping[str, str], body: bytes) -> requests.Response:
        """Sends the request and returns the answer, of which only the head has been read."""
        with self._translating_errors():
            _check_headers(headers)
            request = requests.Request(method, parts.geturl(), headers=headers, data=body).prepare()
            request.headers.setdefault("User-Agent", self._http._user_agent)
            request.headers["Host"] = parts.netloc.removesuffix(f":{_DEFAULT_PORT[parts.scheme]}")
            request.headers["Accept-Encoding"] = "identity"
            request.headers["Connection"] = "close"
            return self.send(request)

    def read(self, answer: requests.Response, size: int) -> bytes:
        """Returns the next `size` bytes of the body as they came, fewer only at its end."""
        with self._translating_errors():
            return cast(bytes, answer.raw.read(size, decode_content=False))

    def read_some(self, answer: requests.Response, most: int) -> bytes:
        """Returns the next bytes of the body as soon as there are some, b"" at its end."""
        with self._translating_errors():
            return cast(bytes, answer.raw.read1(most, decode_content=False))

    def send(self, request: requests.PreparedRequest, *_: object, **__: object) -> requests.Response:
        parts = urlsplit(cast(str, request.url))
        connected = self._open(parts.scheme, cast(str, parts.hostname), _port(parts))
        connection = HTTPConnection(cast(str, parts.hostname))
        connection.response_class = _Answer
        connection.sock = cast(socket.socket, connected)
        with suppress(ConnectionReset):  # the receiver may have answered before it closed
            connection.request(
                cast(str, request.method),
                request.path_url,
                body=request.body,
                headers=cast(Mapping[str, str], request.headers),
                preload_content=False,
                decode_content=False,
            )
        return self.build_response(request, connection.getresponse())

    def _open(self, scheme: str, host: str, port: int) -> "_TimedSocket":
        """Returns a connection to a checked address of the host, encrypted for https."""
        with self.phase("dns", "during the DNS lookup"):
            places = self._look_up(host, port)
        self._http._check_addresses(scheme, [ip_address(place[0]) for _, place in places], host)
        with self.phase("connect", "while connecting"):
            connected = self._connect(places)
        if scheme == "https":
            with self.phase("tls", "during the TLS handshake"):
                connected.settimeout(self.left())
                self._socket = connected = self._http._ssl_context.wrap_socket(
                    connected, server_hostname=host.rstrip("."), suppress_ragged_eofs=False
                )
                self.tls_version = connected.version()
        return _TimedSocket(self, connected)

    def _look_up(self, host: str, port: int) -> list[tuple[int, tuple[Any, ...]]]:
        """Returns every (family, socket address) of the host, from one lookup; a literal address needs none."""
        literal = _literal(host)
        if literal:
            return [(socket.AF_INET if literal.version == 4 else socket.AF_INET6, (host, port))]
        answer: Future[Iterable[tuple[Any, ...]]] = Future()

        def ask() -> None:
            try:
                answer.set_result(self._http._resolve(host, port, type=socket.SOCK_STREAM))
            except Exception as error:  # noqa: BLE001 - raised where the answer is waited for
                answer.set_exception(error)

        # getaddrinfo has no timeout, so it runs in a thread, which is left behind until the resolver gives up.
        Thread(target=ask, daemon=True).start()
        try:
            places = list(dict.fromkeys((family, place) for family, _, _, _, place in answer.result(self.left())))
        except TimeoutError:
            raise
        except (OSError, UnicodeError) as error:
            raise DnsFailed(f"the name {host} does not resolve", detail=str(error)) from None
        if not places:
            raise DnsFailed(f"the name {host} has no address")
        return places

    def _connect(self, places: list[tuple[int, tuple[Any, ...]]]) -> socket.socket:
        """Returns a connection to the first address that accepts one; a dead one costs its share of the time left."""
        failure: OSError = TimeoutError()
        for later, (family, place) in zip(reversed(range(len(places))), places, strict=True):
            self.address = place[0]
            try:
                self._socket = socket.socket(family, socket.SOCK_STREAM)
                longest = min(self.left() / (later + 1), _CONNECT_SECONDS) if later else self.left()
                self._socket.settimeout(min(longest, self.patience))
                self._socket.connect(place)
                self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                return self._socket
            except OSError as error:
                failure = error
                self.close()
        if isinstance(failure, TimeoutError):
            raise failure
        reason = (failure.strerror or type(failure).__name__).lower()
        raise ConnectFailed(f"no connection: {reason}", detail=f"{self.address}: {failure}")

    def left(self) -> float:
        """Returns the seconds until the deadline. Raises TimeoutError when it has passed."""
        seconds = self._ends - monotonic()
        if seconds <= 0:
            raise TimeoutError
        return seconds

    @contextmanager
    def phase(self, name: str | None, doing: str) -> Iterator[None]:
        """Measures a phase under its name, and raises our errors for what the socket raises in it."""
        began = monotonic()
        try:
            yield
        except TimeoutError:
            passed = monotonic() >= self._ends
            raise TimedOut(f"{'the deadline' if passed else 'too long a silence'} passed {doing}") from None
        except ssl.SSLCertVerificationError as error:
            raise TlsFailed(f"the certificate is not to be trusted: {error.verify_message}") from None
        except ssl.SSLError as error:
            raise TlsFailed(f"TLS broke {doing}: {error.reason or 'unexpected end'}", detail=str(error)) from None
        except OSError as error:
            raise ConnectionReset(f"the connection broke {doing}", detail=str(error)) from None
        finally:
            if name:
                self.phases[name] = monotonic() - began

    @contextmanager
    def _translating_errors(self) -> Iterator[None]:
        """Raises our errors for what http.client and urllib3 raise, and adds the measurements to every error."""
        try:
            yield
        except RequestFailed as failure:
            self.annotated(failure)
            raise
        except ConnectionError:
            raise self.annotated(ConnectionReset("the connection was closed before an answer")) from None
        except (HTTPException, urllib3.exceptions.HTTPError) as error:
            kind = type(error.__cause__ or error).__name__
            raise self.annotated(ProtocolBroken(f"the answer is not whole HTTP ({kind})", detail=str(error))) from error


class _TimedSocket(io.RawIOBase):
    """A connected socket for http.client; every read and write ends by the exchange's deadline."""

    def __init__(self, exchange: _Exchange, connected: socket.socket) -> None:
        self._exchange, self._socket, self._since = exchange, connected, monotonic()

    def sendall(self, data: bytes) -> None:
        with self._exchange.phase(None, "while sending"):
            self._socket.settimeout(self._exchange.left())
            try:
                self._socket.sendall(data)  # plain or TLS: the timeout is for all of the data
            except ssl.SSLEOFError:
                raise ConnectionResetError from None  # how older Pythons report a reset under TLS
        self._since = monotonic()

    def readinto(self, buffer: Any) -> int:
        with self._exchange.phase(None, "while waiting for the answer"):
            self._socket.settimeout(min(self._exchange.left(), self._exchange.patience))
            try:
                count = self._socket.recv_into(buffer)
            except ssl.SSLEOFError:
                # Python's own servers close TLS without a close_notify: this is the end, if no more was announced.
                self._exchange.end_is_unsure, count = True, 0
        if count:
            self._exchange.phases.setdefault("first_byte", monotonic() - self._since)
        return count

    def makefile(self, *_: object) -> "_Reader":
        return _Reader(self)

    def readable(self) -> bool:
        return True

    def settimeout(self, _: object) -> None:
        """Does nothing: the exchange's deadline counts, not what urllib3 sets."""

    def close(self) -> None:
        """Does nothing: http.client closes before the body is read, so the exchange closes the socket."""


class _Answer(HTTPResponse):
    """http.client's answer, with checks where http.client accepts what a broken or hostile sender sends."""

    def begin(self) -> None:
        super().begin()
        cast(_Reader, self.fp).in_head = False
        try:
            assert_header_parsing(self.headers)  # urllib3 itself only logs it, with the URL's query string
        except urllib3.exceptions.HeaderParsingError:
            raise ProtocolBroken("the answer holds a malformed header line") from None
        # http.client accepts what int() accepts, and reads without a limit when it is negative.
        if not all(re.fullmatch("[0-9]{1,18}", length) for length in self.headers.get_all("content-length", [])):
            raise ProtocolBroken("the answer's Content-Length is not one number")
        if self.headers.get("transfer-encoding", "chunked").lower() != "chunked":
            raise ProtocolBroken("the answer's Transfer-Encoding is not chunked")

    def _read_status(self) -> tuple[str, int, str]:
        version, status, reason = super()._read_status()  # type: ignore[misc]  # private, but there is no other way
        if version not in ("HTTP/1.0", "HTTP/1.1"):
            raise ProtocolBroken("the answer is not HTTP/1.1")
        # http.client skips only 100, and would return 103 Early Hints as the answer.
        return version, 100 if 100 <= status < 200 and status != 101 else status, reason

    def _read_next_chunk_size(self) -> int:
        # int() accepts "-1", and then http.client reads to the end of the stream without a limit.
        match = _CHUNK_SIZE.fullmatch(self.fp.readline(_HEAD_BYTES))
        if not match:
            raise ProtocolBroken("the answer's chunks are broken")
        return int(match[1], 16)


class _Reader(io.BufferedReader):
    """Reads from a socket. Raises for an end inside the head of an answer, and for a head that is too long."""

    def __init__(self, source: _TimedSocket) -> None:
        super().__init__(source)
        self.in_head, self._left = True, _HEAD_BYTES

    def readline(self, size: int | None = -1) -> bytes:
        line = super().readline(size)
        if self.in_head:
            nothing_yet = self._left == _HEAD_BYTES
            self._left -= len(line)
            if self._left < 0:
                raise ProtocolBroken(f"the answer's headers are longer than {_HEAD_BYTES} bytes")
            if not line.endswith(b"\n") and (line or not nothing_yet):
                raise ProtocolBroken("the answer ended inside its headers")
        return line


def _literal(host: str) -> _Address | None:
    """Returns the address if the host is one, None for a name. Raises Blocked for anything else."""
    if ":" in host and "%" not in host:
        return IPv6Address(host)
    if not _HOST.fullmatch(host) or len(host) > 253:
        raise Blocked("the URL's host is no valid name; write https://host/path")
    # Browsers and getaddrinfo read a host whose last label is a number as IPv4 (https://url.spec.whatwg.org).
    if not _NUMBER.fullmatch(host.removesuffix(".").rpartition(".")[2]):
        return None
    try:
        return IPv4Address(host)
    except ValueError:
        raise Blocked("the URL's host is a number but no address; write four decimal numbers, or a name") from None


def _is_public(address: _Address) -> bool:
    return (address.version == 4 or address in _GLOBAL_IPV6) and not any(address in net for net in _NOT_PUBLIC)


def _check_headers(headers: Mapping[str, str]) -> None:
    """Raises Blocked for a header that could be read as two. The text never shows a value: it may be a key."""
    for name, value in headers.items():
        if not _HEADER_NAME.fullmatch(name):
            raise Blocked(f"the header name {name!r} is not valid; use letters, digits and dashes")
        if not _HEADER_VALUE.fullmatch(value):
            raise Blocked(f"header {name}: a line break, a control character or a space at an end; take it out")


def _plain(headers: Mapping[str, str]) -> dict[str, str]:
    return {name.lower(): value for name, value in headers.items()}


def _announced(answer: requests.Response) -> int | None:
    """Returns the length of the body that the head announces, or None."""
    if "transfer-encoding" in answer.headers or "content-length" not in answer.headers:
        return None
    return int(answer.headers["content-length"].partition(",")[0])  # repeated ones are equal: urllib3 checks that


def _origin(parts: SplitResult) -> tuple[str, str | None, int]:
    return parts.scheme, parts.hostname, _port(parts)


def _port(parts: SplitResult) -> int:
    return parts.port or _DEFAULT_PORT[parts.scheme]


def _redirect_target(answer: requests.Response) -> str | None:
    """Returns the URL that a redirect leads to, or None without a readable Location."""
    try:
        # http.client reads headers as Latin-1, but servers send UTF-8 in Location.
        location = answer.headers["location"].encode("latin-1").decode()
        return urljoin(answer.url, location)
    except (KeyError, ValueError):
        return None
