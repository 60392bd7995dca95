"""What bench/copying.py copies from, to and over: a video's host, an S3 that keeps nothing, and slow lines to both.

Each runs in a process of its own on loopback. The S3 answers PutObject and multipart uploads as S3 does, but checks no
signature and throws the bytes away: the emulators of the sandbox and of the tests take bytes more slowly than a line
brings them, and would be what is measured. Of the latest multipart upload it knows its parts, and reads back the film.
"""

import asyncio
import json
import multiprocessing
import re
import socket
import struct
import threading
import time
from collections.abc import Callable
from contextlib import closing, suppress
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qs, urlsplit
from urllib.request import urlopen

BLOCK = 2**20
FILM = b"\x00\x00\x00\x18ftypmp42" + bytes(range(256)) * (BLOCK // 256)


def indexed(size: int) -> bytes:
    """FILM as the beginning of a film of so many bytes that is made to be streamed: its index comes first."""
    head = struct.pack(">I4s16xI4sI4s", 24, b"ftyp", 8, b"moov", size - 32, b"mdat")
    return head + FILM[len(head) :]


ROUND_TRIP = 0.03  # seconds
WINDOW = 32  # pieces of at most 64 KB that are on a line at once, in each direction


@dataclass(frozen=True)
class Line:
    """How fast bytes come from the source and go to S3, in bytes a second, and for whom the first of the two counts."""

    down: float
    up: float
    each_connection: bool = False


LINES = {
    "free": None,
    "throttled": Line(25e6, 40e6),
    "throttled each connection": Line(8e6, 40e6, each_connection=True),
}


class Counted:
    """Bytes that a server has sent or received since it was last asked."""

    def __init__(self) -> None:
        self._lock, self._bytes = threading.Lock(), 0

    def add(self, count: int) -> None:
        with self._lock:
            self._bytes += count

    def taken(self) -> bytes:
        with self._lock:
            count, self._bytes = self._bytes, 0
        return json.dumps(count).encode()


@dataclass(frozen=True)
class Request:
    """A request's head; its body is still to be read from `reader`."""

    connection: socket.socket
    reader: Any
    method: str
    target: str
    headers: dict[str, str]


def serve(answer: Callable[[Request, Counted], bool], ports: Any) -> None:
    """Answers on each connection until `answer` says that it is over. `/-/bytes` asks what was counted."""
    listener, counted = socket.create_server(("127.0.0.1", 0), backlog=256), Counted()
    ports.put(listener.getsockname()[1])

    def handle(connection: socket.socket) -> None:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        with suppress(OSError), connection, connection.makefile("rb", buffering=65_536) as reader:
            going = True
            while going:
                request = Request(connection, reader, *head(reader))
                if request.target == "/-/bytes":
                    told(connection, counted.taken())
                else:
                    going = bool(request.method) and answer(request, counted)

    while True:
        threading.Thread(target=handle, args=(listener.accept()[0],), daemon=True).start()


def head(reader: Any) -> tuple[str, str, dict[str, str]]:
    """The method, the target and the headers of the next request."""
    method, target, _ = reader.readline().decode().split(" ") if reader.peek(1) else ("", "", "")
    headers = {}
    while (line := reader.readline().decode("latin-1").strip()) != "" and method:
        name, _, value = line.partition(":")
        headers[name.lower()] = value.strip()
    return method, target, headers


def told(connection: socket.socket, body: bytes, *lines: str, status: str = "200 OK") -> bool:
    text = "\r\n".join([f"HTTP/1.1 {status}", f"Content-Length: {len(body)}", *lines, "", ""])
    connection.sendall(text.encode() + body)
    return True


def film(request: Request, counted: Counted) -> bool:
    """GET /SIZE, with ?chunked (no length), ?index (its boxes tell the length), ?plain (no ranges), ?cut=N.

    With `cut` each answer without a Range ends after N bytes.
    """
    connection, target, headers = request.connection, request.target, request.headers
    asked = parse_qs(urlsplit(target).query, keep_blank_values=True)
    size = int(urlsplit(target).path.strip("/"))
    about, chunked = ["Content-Type: video/mp4"], "chunked" in asked
    wanted = re.fullmatch(r"bytes=(\d+)-(\d*)", headers.get("range", "")) if "plain" not in asked else None
    first, last = 0, size - 1
    if "plain" not in asked and not chunked:
        about += ["Accept-Ranges: bytes", f'ETag: "{size}"']
    if wanted:
        first, last = int(wanted[1]), min(last, int(wanted[2] or last))
        about += [f"Content-Range: bytes {first}-{last}/{size}"]
    about += ["Transfer-Encoding: chunked"] if chunked else [f"Content-Length: {last - first + 1}"]
    status = "206 Partial Content" if wanted else "200 OK"
    connection.sendall("\r\n".join([f"HTTP/1.1 {status}", *about, "Connection: close", "", ""]).encode())
    if "cut" in asked and not wanted:
        last = min(last, int(asked["cut"][0]) - 1)
    at, view = first, memoryview(indexed(size) if "index" in asked else FILM)
    while at <= last:
        piece = view[at % BLOCK : min(BLOCK, at % BLOCK + last + 1 - at)]
        connection.sendall(b"%x\r\n" % len(piece) if chunked else b"")
        connection.sendall(piece)
        connection.sendall(b"\r\n" if chunked else b"")
        counted.add(len(piece))
        at += len(piece)
    connection.sendall(b"0\r\n\r\n" if chunked else b"")
    return False


S3_PART = "<Part><PartNumber>{}</PartNumber><ETag>1</ETag><Size>{}</Size></Part>"
S3_XML = '<?xml version="1.0"?><{0} xmlns="http://s3.amazonaws.com/doc/2006-03-01/">{1}</{0}>'


class S3:
    """The sizes of the parts of the latest multipart upload, by number, and whether an object was made of them."""

    def __init__(self) -> None:
        self.parts: dict[int, int] = {}
        self.made = False

    def __call__(self, request: Request, counted: Counted) -> bool:
        """Answers one request."""
        connection, method, headers = request.connection, request.method, request.headers
        if headers.get("expect", "").lower() == "100-continue":
            connection.sendall(b"HTTP/1.1 100 Continue\r\n\r\n")
        size = left = int(headers.get("content-length") or 0)
        room = memoryview(bytearray(BLOCK))
        while left:
            left -= request.reader.readinto(room[: min(left, BLOCK)])
        asked = parse_qs(urlsplit(request.target).query, keep_blank_values=True)
        if method == "PUT":
            size = int(headers.get("x-amz-decoded-content-length") or size)
            counted.add(size)
            if "partNumber" in asked:
                self.parts[int(asked["partNumber"][0])] = size
        if method == "HEAD" or (method == "GET" and "uploadId" not in asked):
            return self._object(connection, method)
        return told(connection, self._xml(method, asked).encode(), 'ETag: "1"', "Content-Type: application/xml")

    def _object(self, connection: socket.socket, method: str) -> bool:
        if not self.made:
            return told(connection, b"", status="404 Not Found")
        left = sum(self.parts.values())
        connection.sendall(f"HTTP/1.1 200 OK\r\nContent-Type: video/mp4\r\nContent-Length: {left}\r\n\r\n".encode())
        while left and method == "GET":
            left -= connection.send(memoryview(FILM)[: min(left, BLOCK)])
        return True

    def _xml(self, method: str, asked: dict[str, list[str]]) -> str:
        if method == "GET":
            return S3_XML.format(
                "ListPartsResult", "".join(S3_PART.format(*part) for part in sorted(self.parts.items()))
            )
        if method != "POST":
            return ""
        self.made = "uploads" not in asked
        if self.made:
            return S3_XML.format("CompleteMultipartUploadResult", "<ETag>1</ETag>")
        self.parts.clear()
        return S3_XML.format("InitiateMultipartUploadResult", "<UploadId>1</UploadId>")


class Throttle:
    """The moment at which bytes have passed: one after the other, at a rate."""

    def __init__(self, rate: float) -> None:
        self._rate, self._free = rate, 0.0

    def passed(self, count: int) -> float:
        self._free = max(self._free, time.monotonic()) + count / self._rate
        return self._free


async def flow(reader: Any, writer: Any, throttle: Throttle | None, *, connects: bool = False) -> None:
    """Brings bytes to the other end: half a round trip late, and a whole one more for the first, as TCP's handshake."""
    on_the_way: asyncio.Queue[tuple[float, bytes]] = asyncio.Queue(WINDOW)
    opened = time.monotonic() + (ROUND_TRIP if connects else 0)

    async def arrive() -> None:
        while True:
            due, data = await on_the_way.get()
            await asyncio.sleep(due - time.monotonic())
            if not data:
                writer.write_eof()
                return
            writer.write(data)
            await writer.drain()

    arriving = asyncio.create_task(arrive())
    try:
        data = b"."
        while data and not arriving.done():
            data = await reader.read(65_536)
            passed = throttle.passed(len(data)) if throttle else time.monotonic()
            await on_the_way.put((max(passed, opened) + ROUND_TRIP / 2, data))
            await asyncio.sleep(passed - time.monotonic() - 0.005)
        await arriving
    except OSError:
        pass
    finally:
        arriving.cancel()


def line(port: int, down: float | None, up: float | None, each_connection: bool, ports: Any) -> None:
    """A line to a port on loopback: `down` limits what comes from it, `up` what goes to it."""

    def throttles() -> tuple[Throttle | None, Throttle | None]:
        return Throttle(down) if down else None, Throttle(up) if up else None

    shared = throttles()

    async def connect(reader: Any, writer: Any) -> None:
        there, to_there = await asyncio.open_connection("127.0.0.1", port)
        from_it, to_it = throttles() if each_connection else shared
        going = asyncio.create_task(flow(reader, to_there, to_it, connects=True))
        await flow(there, writer, from_it)  # a server that closes ends both directions
        going.cancel()
        for end in (writer, to_there):
            end.close()

    async def run() -> None:
        server = await asyncio.start_server(connect, "127.0.0.1", 0, backlog=256)
        ports.put(server.sockets[0].getsockname()[1])
        await server.serve_forever()

    asyncio.run(run())


class World:
    """The servers and their lines, running."""

    def __init__(self) -> None:
        self._spawn = multiprocessing.get_context("spawn")
        self._processes: list[Any] = []
        self.source, self.sink = self._start(serve, film), self._start(serve, S3())
        self._ports: dict[str, tuple[int, int]] = {"free": (self.source, self.sink)}
        for name, shape in LINES.items():
            if shape is not None:
                down = self._start(line, self.source, shape.down, None, shape.each_connection)
                self._ports[name] = down, self._start(line, self.sink, None, shape.up, False)

    def urls(self, profile: str) -> tuple[str, str]:
        """Where the source and S3 are, behind the lines of a profile."""
        down, up = self._ports[profile]
        return f"http://127.0.0.1:{down}", f"http://127.0.0.1:{up}"

    def counted(self) -> tuple[int, int]:
        """The bytes that the source has sent and that S3 has received since this was last asked."""
        asked = [urlopen(f"http://127.0.0.1:{port}/-/bytes") for port in (self.source, self.sink)]
        sent, received = [json.loads(answer.read()) for answer in asked]
        return sent, received

    def close(self) -> None:
        for process in self._processes:
            process.terminate()

    def _start(self, work: Callable[..., None], *arguments: Any) -> int:
        ports = self._spawn.SimpleQueue()
        with closing(ports):
            process = self._spawn.Process(target=work, args=(*arguments, ports), daemon=True)
            process.start()
            self._processes.append(process)
            return int(ports.get())
