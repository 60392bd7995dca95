"""Reads one HTTP request as strictly as it can be read, so that nobody can mean two things with it."""

import io
import re
import socket
from collections.abc import Mapping
from dataclasses import dataclass
from time import monotonic
from typing import BinaryIO

from vidhook.errors import Refused
from vidhook.problems import BODY_BYTES

HEAD_BYTES = 32_768
_LINE = re.compile(rb"([A-Z]{1,16}) (/[!-~]*) HTTP/1\.1\r\n")
_HEADER = re.compile(
    rb"([!#$%&'*+.^_`|~0-9A-Za-z-]+):[ \t]*((?:[!-~\x80-\xff](?:[\t -~\x80-\xff]*[!-~\x80-\xff])?)?)[ \t]*\r\n"
)
_LENGTH = re.compile("[0-9]{1,9}")
_WITH_BODY = ("POST", "PUT", "PATCH", "DELETE")
_HINT = "open the page in a browser of today"


@dataclass(frozen=True)
class Request:
    """One request. `path` begins with a slash and has no query; the headers' names are in lower case."""

    method: str
    path: str
    query: str
    headers: Mapping[str, str]

    @property
    def length(self) -> int:
        """The bytes of its body."""
        return int(self.headers.get("content-length", "0"))


class Incoming(io.RawIOBase):
    """The bytes that come on a connection until `ends`, an instant of `monotonic`; then reading raises TimeoutError."""

    def __init__(self, connection: socket.socket, ends: float) -> None:
        self._connection, self._ends = connection, ends

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]
        left = self._ends - monotonic()
        if left <= 0:
            raise TimeoutError
        self._connection.settimeout(left)
        return self._connection.recv_into(buffer)


def read_head(reader: BinaryIO) -> Request | None:
    """Returns the request up to its body, None if nothing came. Raises Refused for what is not plain HTTP/1.1."""
    first = reader.readline(HEAD_BYTES + 1)
    if not first:
        return None
    line = _LINE.fullmatch(first)
    if line is None:
        if len(first) > HEAD_BYTES:
            raise Refused(414, "the address is too long", "make the search shorter")
        raise Refused(400, "the first line is not that of a request in HTTP/1.1 for a path", _HINT)
    path, _, query = line[2].decode().partition("?")
    return Request(line[1].decode(), path, query, _headers(reader, HEAD_BYTES - len(first)))


def _headers(reader: BinaryIO, left: int) -> dict[str, str]:
    headers: dict[str, str] = {}
    while (line := reader.readline(left + 1)) != b"\r\n":
        left -= len(line)
        if left < 0:
            raise Refused(431, f"the headers have more than {HEAD_BYTES} bytes", _HINT)
        found = _HEADER.fullmatch(line)
        if found is None:
            raise Refused(400, "a header is malformed, or the request ended inside of its headers", _HINT)
        name = found[1].decode().lower()
        if name in headers:
            raise Refused(400, f"the header {name} is there twice", "send it once")
        headers[name] = found[2].decode("latin-1")
    return headers


def check_body(request: Request) -> None:
    """Raises Refused for a body whose length is not said plainly, that is too long, or is not JSON where it acts."""
    headers = request.headers
    if "transfer-encoding" in headers:
        raise Refused(411, "the body comes in chunks, or in another coding", "send it whole, with its content-length")
    if not _LENGTH.fullmatch(headers.get("content-length", "0")):
        raise Refused(400, "the content-length is not a number", _HINT)
    if request.length > BODY_BYTES:
        raise Refused(413, f"the body is over {BODY_BYTES} bytes", "store large values elsewhere and send a reference")
    if request.length and request.method not in _WITH_BODY:
        raise Refused(400, f"{request.method} takes no body", "leave it out")
    if request.length and headers.get("content-type", "").partition(";")[0].strip().lower() != "application/json":
        raise Refused(415, "the body is not declared as JSON", "send content-type: application/json")
