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
import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import Future
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass, field
from functools import lru_cache
from http.client import HTTPException, HTTPMessage, HTTPResponse
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network
from threading import Thread
from time import monotonic
from typing import Any, Literal, cast
from urllib.parse import SplitResult, quote, urljoin, urlsplit

import requests
import urllib3.exceptions
from requests.adapters import HTTPAdapter
from requests.utils import DEFAULT_CA_BUNDLE_PATH
from urllib3.connection import HTTPConnection

from vidhook import USER_AGENT
from vidhook.edges.tls import is_cut, notice_cuts, trusting
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
_HEADER_LINE = re.compile(rb"([!-9;-~]+)[ \t]*:(.*)", re.DOTALL)
_FRAMING = ("content-length", "transfer-encoding")
_LENGTH = re.compile("[0-9]{1,18}")
# What cannot stand in a request line (RFC 9112, 3), or ends a URL for many readers. All else is sent as it was written:
# hosts sign the very bytes of a link.
_TO_ESCAPE = re.compile(r'[^!-~]|["<>]')
_ODD = re.compile("[ \udc80-\udcff]")
_SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*:")
_PACKED = ("gzip", "x-gzip", "deflate")
# The codings that change a body (https://www.iana.org/assignments/http-parameters). Hosts write other words into the
# header too, such as utf-8, none or aws-chunked, which say nothing of the bytes.
_CODINGS = (*_PACKED, "br", "zstd", "compress", "x-compress", "dcb", "dcz", "exi", "pack200-gzip", "aes128gcm")
_CHUNK_SIZE = re.compile(rb"([0-9A-Fa-f]{1,15})[ \t]*(?:;.*)?\r?\n", re.DOTALL)
_DEFAULT_PORT = {"https": 443, "http": 80}
_SAME_METHOD = (307, 308)
_REDIRECTS = (301, 302, 303, *_SAME_METHOD)
_HEAD_BYTES = 65_536  # of an answer's status lines and headers, any 1xx included
_HEAD_LINES = 1_000  # headers of one answer
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
    """An answer, with at most `max_bytes` of its body, which is decoded if it came in gzip or deflate.

    `headers` have lower-case names, repeated ones joined with ", ". `timings` are milliseconds: `dns`, `connect`,
    `tls`, `first_byte` (from sending to the first byte of the answer) and `total`; what did not happen is absent.
    `broken` says what cut the body short, where `send` accepts that.
    """

    status: int
    headers: Mapping[str, str] = field(repr=False)
    body: bytes = field(repr=False)
    url: str = field(repr=False)  # its query string may be a credential
    address: str | None
    tls_version: str | None
    timings: Mapping[str, float]
    broken: str = ""


class Http:
    """Sends requests to addresses that are allowed. One object per process is enough; threads can share it.

    `allowed_networks` are CIDRs that may be reached although they are private, over plain http too. `resolve` is
    `socket.getaddrinfo` or a function of its shape. A bad CIDR raises BadInput.
    """

    def __init__(
        self,
        *,
        allowed_networks: Iterable[str] = (),
        user_agent: str = USER_AGENT,
        ssl_context: ssl.SSLContext | None = None,
        resolve: _Resolve = socket.getaddrinfo,
    ) -> None:
        try:
            self._allowed = tuple(ip_network(network) for network in allowed_networks)
        except ValueError as error:
            raise BadInput("allowed_networks", str(error), "write CIDRs such as 10.1.0.0/16") from None
        self._user_agent = user_agent
        self._ssl_context = ssl_context or trusting(DEFAULT_CA_BUNDLE_PATH)
        notice_cuts(self._ssl_context)
        self._resolve = resolve

    def check(self, url: str) -> None:
        """Raises Blocked, with a hint, for a URL that can never be sent to. Does not use the network."""
        self._split(url)

    def send(  # noqa: PLR0913 - each is a bound of one request
        self,
        method: str,
        url: str,
        *,
        headers: Mapping[str, str] | None = None,
        body: bytes = b"",
        deadline: float = 10.0,
        max_bytes: int = 65_536,
        on_excess: Literal["error", "truncate"] = "error",
        body_seconds: float | None = None,
        same_origin_redirects: int = 0,
    ) -> Response:
        """Sends one request and returns its whole answer within `deadline` seconds.

        A body above `max_bytes`, counted when it is decoded, raises TooLarge or is cut, as `on_excess` says. With
        `body_seconds` the head is what counts: a body that is not whole so many seconds after it, or that breaks, is
        cut there. Follows at most `same_origin_redirects` to the same scheme, host and port, with the same method,
        headers and body: those of a GET, and of another method those with status 307 or 308. Any other redirect is the
        answer. Raises the subclass of RequestFailed for what broke.
        """
        parts, ends = self._split(url), monotonic() + deadline
        while True:
            with closing(_Exchange(self, ends)) as exchange:
                exchange.body_seconds = body_seconds
                answer = exchange.start(method, parts, headers or {}, body)
                target = self._same_origin_target(method, answer, parts) if same_origin_redirects else None
                if target is None:
                    content = exchange.whole(answer, max_bytes, strict=on_excess == "error")
                    return Response(
                        status=answer.status_code,
                        headers=_plain(answer.headers),
                        body=content,
                        url=answer.url,
                        address=exchange.address,
                        tls_version=exchange.tls_version,
                        timings=exchange.timings(),
                        broken=exchange.broken,
                    )
            parts, same_origin_redirects = target, same_origin_redirects - 1

    def certificate_ends(self, url: str, *, deadline: float) -> float:
        """Returns until when the certificate of an https URL's server is valid, in unix seconds. Sends no request.

        Raises the subclass of RequestFailed for what broke.
        """
        parts = self._split(url)
        with closing(_Exchange(self, monotonic() + deadline)) as exchange:
            return exchange.certificate_ends(parts)

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

        Follows redirects and checks each target; blanks in a URL are escaped. `headers` are sent to the origin of `url`
        only, `wanted` (such as Range) to every target. Raises as `send` does, BadRedirect for a redirect without a
        target or above `max_redirects`, and TimedOut also for an answer that stands still for too long.
        """
        parts, headers, ends = self._split(_without_blanks(url)), headers or {}, monotonic() + deadline
        for hop in range(max_redirects + 1):
            with closing(_Exchange(self, ends)) as exchange:
                exchange.patience = _HEAD_PATIENCE
                answer = exchange.start("GET", parts, {**headers, **(wanted or {})}, b"")
                if answer.status_code not in _REDIRECTS:
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

    def _same_origin_target(self, method: str, answer: requests.Response, parts: SplitResult) -> SplitResult | None:
        """Returns where a redirect leads to with the same method, if that is the origin that was asked, else None."""
        if answer.status_code not in (_REDIRECTS if method == "GET" else _SAME_METHOD):
            return None
        try:
            target = self._split(_redirect_target(answer) or "")
        except Blocked:
            return None
        return target if _origin(target) == _origin(parts) else None

    def _split(self, url: str) -> SplitResult:
        """Returns the parts of the URL as they are sent, as `_parts` does. Raises Blocked if they are not allowed."""
        parts, address = _parts(url)
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
    """An answer whose body is still to be read. `length` is its Content-Length, None if it was not announced.

    A body in gzip or deflate (`packed`), though not asked for, is decoded while it is read, and has no known length.
    `coding` is what cannot be decoded, such as br; empty if there is nothing of that kind.
    """

    def __init__(self, answer: requests.Response, exchange: "_Exchange") -> None:
        self._answer, self._exchange = answer, exchange
        self.status = answer.status_code
        self.headers = _plain(answer.headers)
        self.url = answer.url
        self.address = exchange.address
        self.content_type = self.headers.get("content-type")
        self.packed = _packed(self.headers)
        self.coding = "" if self.packed else ", ".join(_codings(self.headers))
        self.length = None if self.packed else _announced(answer)
        self._unpacker = _Unpacker() if self.packed else None

    def read(self, size: int) -> bytes:
        """Returns the next `size` bytes, fewer only at the end, then b"".

        Raises ProtocolBroken or ConnectionReset when the body ends too early.
        """
        if self._unpacker is None:
            return self._sure(self._exchange.read(self._answer, size))
        content = bytearray()
        while len(content) < size and (piece := self.read_some(size - len(content))):
            content += piece
        return bytes(content)

    def read_some(self, most: int) -> bytes:
        """Returns what comes next, at least one byte and `most` at most, and b"" at the end. Raises as `read` does.

        So a break loses nothing that came before it.
        """
        if self._unpacker is None:
            return self._sure(self._exchange.read_some(self._answer, most))
        try:
            while not (content := self._unpacker.next(most)):
                piece = self._sure(self._exchange.read_some(self._answer, _PIECE))
                if not piece:
                    self._unpacker.check_end()
                    return b""
                self._unpacker.add(piece)
        except zlib.error:
            raise self._exchange.annotated(ProtocolBroken("the answer cannot be decoded")) from None
        return content

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
        self.body_seconds: float | None = None  # the longest wait for the body, which may then break
        self.status: int | None = None
        self.sent = False  # the first byte of the request may have been received
        self.broken = ""
        self._http, self._ends, self._started = http, ends, monotonic()
        self.phases: dict[str, float] = {}  # seconds
        self._socket: socket.socket | None = None
        self._parts: SplitResult

    def close(self) -> None:
        if self._socket:
            self._socket.close()

    def timings(self) -> dict[str, float]:
        """Returns the milliseconds of each phase so far, and the total."""
        phases = self.phases | {"total": monotonic() - self._started}
        return {phase: round(seconds * 1000, 3) for phase, seconds in phases.items()}

    def annotated(self, failure: RequestFailed) -> RequestFailed:
        """Returns the failure with the status, the address, the TLS version and the timings of the request."""
        failure.address, failure.tls_version, failure.timings = self.address, self.tls_version, self.timings()
        failure.status, failure.sent = self.status, self.sent
        return failure

    def start(self, method: str, parts: SplitResult, headers: Mapping[str, str], body: bytes) -> requests.Response:
        """Sends the request and returns the answer, of which only the head has been read."""
        with self._translating_errors():
            _check_headers(headers)
            request = requests.PreparedRequest()  # the URL is prepared already, and there are no cookies
            request.method, request.url = method, parts.geturl()
            request.prepare_headers(headers)
            request.prepare_body(body, None)
            request.headers.setdefault("User-Agent", self._http._user_agent)
            request.headers["Host"] = parts.netloc.removesuffix(f":{_DEFAULT_PORT[parts.scheme]}")
            request.headers["Accept-Encoding"] = "identity"
            request.headers["Connection"] = "close"
            self._parts = parts
            return self.send(request)

    def certificate_ends(self, parts: SplitResult) -> float:
        """Connects, and returns until when the server's certificate is valid, in unix seconds."""
        with self._translating_errors():
            self._open(parts.scheme, cast(str, parts.hostname), _port(parts))
            certificate = cast(ssl.SSLSocket, self._socket).getpeercert() or {}
            return ssl.cert_time_to_seconds(str(certificate["notAfter"]))

    def whole(self, answer: requests.Response, most: int, *, strict: bool) -> bytes:
        """Returns the decoded body, or its first `most` bytes.

        If `strict`, raises TooLarge for a longer one, and ProtocolBroken for one that cannot be decoded.
        """
        if strict and (_announced(answer) or 0) > most:
            raise self.annotated(TooLarge(f"the answer announces more than {most} bytes"))
        content = bytearray()
        if self.body_seconds is not None:
            self._ends = min(self._ends, monotonic() + self.body_seconds)
        try:
            while len(content) <= most and (piece := self.read_some(answer, most + 1 - len(content))):
                content += piece
        except RequestFailed as failure:
            if self.body_seconds is None:
                raise
            self.broken = self.broken or str(failure)
        if _packed(_plain(answer.headers)) and not (strict and len(content) > most):
            content = self._decoded(content, most + 1, strict=strict)
        if strict and len(content) > most:
            raise self.annotated(TooLarge(f"the answer is longer than {most} bytes"))
        del content[most:]
        return bytes(content)

    def _decoded(self, content: bytearray, most: int, *, strict: bool) -> bytearray:
        try:
            return _unpacked(content, most, whole=strict)
        except zlib.error:
            if strict:
                raise self.annotated(ProtocolBroken("the answer cannot be decoded")) from None
            return content

    def read(self, answer: requests.Response, size: int) -> bytes:
        """Returns the next `size` bytes of the body as they came, fewer only at its end."""
        with self._translating_errors():
            return cast(bytes, answer.raw.read(size, decode_content=False))

    def read_some(self, answer: requests.Response, most: int) -> bytes:
        """Returns the next bytes of the body as soon as there are some, b"" at its end."""
        with self._translating_errors():
            return cast(bytes, answer.raw.read1(most, decode_content=False))

    def send(self, request: requests.PreparedRequest, *_: object, **__: object) -> requests.Response:
        parts = self._parts  # those that were checked
        connected = self._open(parts.scheme, cast(str, parts.hostname), _port(parts))
        connection = HTTPConnection(cast(str, parts.hostname))
        connection.response_class = _Answer
        connection.sock = cast(socket.socket, connected)
        self.sent = True
        with suppress(ConnectionReset):  # the receiver may have answered before it closed
            connection.request(
                cast(str, request.method),
                parts.path,
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
        self.exchange, self._socket, self._since = exchange, connected, monotonic()

    def sendall(self, data: bytes) -> None:
        with self.exchange.phase(None, "while sending"):
            self._socket.settimeout(self.exchange.left())
            try:
                self._socket.sendall(data)  # plain or TLS: the timeout is for all of the data
            except ssl.SSLError as error:
                if not is_cut(error):
                    raise
                raise ConnectionResetError from None  # how older Pythons report a reset under TLS
        self._since = monotonic()

    def readinto(self, buffer: Any) -> int:
        with self.exchange.phase(None, "while waiting for the answer"):
            self._socket.settimeout(min(self.exchange.left(), self.exchange.patience))
            try:
                count = self._socket.recv_into(buffer)
            except ssl.SSLError as error:
                if not is_cut(error):
                    raise
                # Python's own servers close TLS without a close_notify: this is the end, if no more was announced.
                self.exchange.end_is_unsure, count = True, 0
        if count:
            self.exchange.phases.setdefault("first_byte", monotonic() - self._since)
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
    """http.client's answer, with a reader of its head that is as lenient as browsers and as strict as is safe.

    http.client takes 100 headers at most, no blank before a colon, a length with a sign, and a bare CR as a line's end.
    """

    def begin(self) -> None:
        reader = cast(_Reader, self.fp)
        version, status, reason = self._read_status()
        while 100 <= status < 200 and status != 101:  # 100 Continue and 103 Early Hints come before the answer
            _read_headers(reader)
            version, status, reason = self._read_status()
        self.code, self.status, self.reason = status, status, reason.strip()
        reader.exchange.status = status
        self.version = 10 if version == "HTTP/1.0" else 11
        self.headers = self.msg = _read_headers(reader)
        reader.in_head = False
        problem = _framing_problem(self.headers)
        if problem:
            if reader.exchange.body_seconds is None:
                raise ProtocolBroken(problem)
            reader.exchange.broken = problem
            for name in _FRAMING:
                del self.headers[name]
            self.headers["content-length"] = "0"  # where such a body ends, nobody knows
        lengths, codings = (self.headers.get_all(name, []) for name in _FRAMING)
        self.chunked, self.chunk_left = bool(codings), None
        self.length = int(lengths[0]) if lengths and not codings else None
        if status in (101, 204, 304):
            self.length = 0
        self.will_close = True  # each request has a connection of its own

    def _read_status(self) -> tuple[str, int, str]:
        version, status, reason = super()._read_status()  # type: ignore[misc]  # private, but there is no other way
        if version not in ("HTTP/1.0", "HTTP/1.1"):
            raise ProtocolBroken("the answer is not HTTP/1.1")
        return version, status, reason

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
        self.exchange = source.exchange
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


def _framing_problem(headers: HTTPMessage) -> str:
    """Returns why nobody can say where the body of an answer ends, "" if it is plain."""
    lengths, codings = (headers.get_all(name, []) for name in _FRAMING)
    if not all(map(_LENGTH.fullmatch, lengths)):
        return "the answer's Content-Length is not one number"
    if len(set(map(int, lengths))) > 1:
        return "the answer has two lengths"
    if [coding.lower() for coding in codings] not in ([], ["chunked"]):
        return "the answer's Transfer-Encoding is not chunked"
    return ""


def _read_headers(reader: _Reader) -> HTTPMessage:
    """Returns the headers up to the empty line. Raises ProtocolBroken for a line that is none, or for too many."""
    headers: list[list[str]] = []
    while line := reader.readline(_HEAD_BYTES + 1).rstrip(b"\r\n"):
        match = _HEADER_LINE.fullmatch(line)
        if b"\0" in line or b"\r" in line:
            raise ProtocolBroken("the answer holds a control character in a header line")
        if match:
            headers.append([match[1].decode(), match[2].strip(b" \t").decode("latin-1")])
        elif headers and line[:1] in b" \t" and headers[-1][0].lower() not in _FRAMING:
            headers[-1][1] += f" {line.strip().decode('latin-1')}"  # the value goes on (RFC 9112, 5.2)
        else:
            raise ProtocolBroken("the answer holds a malformed header line")
        if len(headers) > _HEAD_LINES:
            raise ProtocolBroken(f"the answer has more than {_HEAD_LINES} headers")
    message = HTTPMessage()
    for name, value in headers:
        message[name] = value
    return message


class _Unpacker:
    """Decodes gzip (of one member or more) and deflate (as zlib, or without its head), never more than is asked for."""

    def __init__(self) -> None:
        self._left = b""
        self._decoder: Any = None  # None before the first member, and between two
        self._later = False  # a member has ended
        self._over = False  # what follows begins no member, so it is no content, as for gzip itself

    def add(self, packed: bytes) -> None:
        if not self._over:
            self._left += packed

    def next(self, most: int) -> bytes:
        """Returns at most `most` decoded bytes, b"" if more has to be added first. Raises zlib.error."""
        while True:
            if self._decoder is None:
                if self._later:
                    self._left = self._left.lstrip(b"\0")  # padding
                if len(self._left) < 2:
                    return b""
                if self._later and not self._left.startswith(b"\x1f\x8b"):
                    self._left, self._over = b"", True
                    return b""
                self._decoder = zlib.decompressobj(_window(self._left))
            content = cast(bytes, self._decoder.decompress(self._left, most))
            if self._decoder.eof:
                self._left, self._decoder, self._later = self._decoder.unused_data, None, True
            else:
                self._left = self._decoder.unconsumed_tail
            if content or self._decoder:
                return content

    def check_end(self) -> None:
        """Raises zlib.error if it ended inside a member."""
        if self._decoder or (self._left and not self._later):
            raise zlib.error("cut")


def _unpacked(packed: bytearray, most: int, *, whole: bool) -> bytearray:
    """Returns the first `most` bytes of what was packed. Raises zlib.error, for `whole` also if the end is missing."""
    unpacker, content = _Unpacker(), bytearray()
    unpacker.add(bytes(packed))
    while len(content) < most and (piece := unpacker.next(most - len(content))):
        content += piece
    if whole and len(content) < most:
        unpacker.check_end()
    return content


def _window(head: bytes) -> int:
    """Returns what zlib needs to know of a member that begins with `head`: gzip, zlib or bare deflate (RFC 1950)."""
    if head.startswith(b"\x1f\x8b"):
        return 16 + zlib.MAX_WBITS
    return zlib.MAX_WBITS if head[0] & 15 == 8 and int.from_bytes(head[:2]) % 31 == 0 else -zlib.MAX_WBITS


def _packed(headers: Mapping[str, str]) -> bool:
    codings = _codings(headers)
    return len(codings) == 1 and codings[0] in _PACKED


def _codings(headers: Mapping[str, str]) -> list[str]:
    """Returns the codings that a body has, in the order in which they were applied."""
    words = (word.strip() for word in headers.get("content-encoding", "").lower().split(","))
    return [word for word in words if word in _CODINGS]


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


@lru_cache(maxsize=2_048)
def _parts(url: str) -> tuple[SplitResult, _Address | None]:
    """Returns the parts of a URL, and its address if its host is one. Raises Blocked for what no URL of ours may have.

    `path` is the whole target of the request, with the query. Only the host is brought into its normal form. Each event
    goes to the same URLs, so they are remembered.
    """
    if not url.isprintable() or " " in url or "\\" in url:
        raise Blocked("the URL holds a space, a backslash or a control character; percent-encode it")
    try:
        written = urlsplit(url)
        if written.scheme not in _DEFAULT_PORT:
            raise Blocked(f"the URL begins with {written.scheme + ':' if written.scheme else 'no scheme'}; use https:")
        if "@" in written.netloc:
            raise Blocked("the URL holds a user name or password before its host; leave it out")
        if written.port == 0:
            raise Blocked("the URL's port is 0; leave it out or use the receiver's port")
        origin = f"{written.scheme}://{written.netloc}"
        normal = urlsplit(cast(str, requests.Request("GET", f"{origin}/").prepare().url))
        return normal._replace(path=_target(url[len(origin) :])), _literal(normal.hostname or "")
    except ValueError:  # also the InvalidURL of requests, whose text repeats the URL
        raise Blocked("the URL cannot be read; write https://host/path") from None


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


def _target(rest: str) -> str:
    """Returns the target of a request: what follows the host in a URL, with nothing escaped but what must be."""
    target = _TO_ESCAPE.sub(lambda found: quote(found[0], safe=""), rest.partition("#")[0])
    return target if target.startswith("/") else f"/{target}"


def _without_blanks(url: str) -> str:
    """Returns a link of somebody who does not escape blanks, or bytes that are no UTF-8, as browsers read it."""
    return _ODD.sub(lambda found: quote(found[0], safe="", errors="surrogateescape"), url)


def _redirect_target(answer: requests.Response) -> str | None:
    """Returns the URL that a redirect leads to, or None unless it has one Location."""
    locations = set(answer.raw.headers.getlist("location"))
    if len(locations) != 1:
        return None
    # http.client reads headers as Latin-1, but servers send UTF-8 in Location. What is neither is sent back as it came.
    written = locations.pop().encode("latin-1").decode("utf-8", "surrogateescape")
    location = _without_blanks(written)
    if _SCHEME.match(location):
        return location
    origin = urlsplit(answer.url)
    if location.startswith("//"):
        return f"{origin.scheme}:{location}"
    if location.startswith("/"):
        return f"{origin.scheme}://{origin.netloc}{location}"
    return urljoin(answer.url, location)
