"""Receivers on loopback, most of them badly behaved: a script is what one does with a connection it accepted."""

import socket
import ssl
import struct
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from threading import Thread

Script = Callable[[socket.socket], None]


class Receiver:
    """Where it listens, and what it was sent."""

    def __init__(self, host: str, port: int) -> None:
        self.host, self.port = host, port
        self.requests: list[bytes] = []

    def url(self, host: str = "", scheme: str = "http", path: str = "/hook") -> str:
        return f"{scheme}://{host or self.host}:{self.port}{path}"


@contextmanager
def receiver(
    script: Script, *, tls: ssl.SSLContext | None = None, host: str = "127.0.0.1", port: int = 0, reads: bool = True
) -> Iterator[Receiver]:
    """Run a script on every connection; `reads` says whether the request is read (and kept) before."""
    with closing(socket.create_server((host, port))) as listener:
        here = Receiver(host, listener.getsockname()[1])

        def serve(connection: socket.socket) -> None:
            with suppress(OSError), connection:  # the other side is right to leave
                connection.settimeout(5)
                if tls:
                    connection = tls.wrap_socket(connection, server_side=True)
                if reads:
                    here.requests.append(read_request(connection))
                with connection:
                    script(connection)

        def accept() -> None:
            with suppress(OSError):  # closed: the test is over
                while True:
                    Thread(target=serve, args=(listener.accept()[0],), daemon=True).start()

        Thread(target=accept, daemon=True).start()
        try:
            yield here
        finally:
            listener.shutdown(socket.SHUT_RDWR)  # wakes accept


def read_request(connection: socket.socket) -> bytes:
    """The head of a request and as much of a body as it announces."""
    request = b""
    while b"\r\n\r\n" not in request and (piece := connection.recv(65_536)):
        request += piece
    head, _, body = request.partition(b"\r\n\r\n")
    length = next((int(line[15:]) for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:")), 0)
    while len(body) < length and (piece := connection.recv(65_536)):
        body += piece
    return head + b"\r\n\r\n" + body


def says(*pieces: bytes, pause: float = 0.0) -> Script:
    """Send the pieces and close."""

    def script(connection: socket.socket) -> None:
        for piece in pieces:
            connection.sendall(piece)
            time.sleep(pause)
        with suppress(OSError):
            connection.shutdown(socket.SHUT_WR)

    return script


def answers(body: bytes, *headers: str, status: str = "200 OK") -> Script:
    """A whole and honest answer."""
    lines = [f"HTTP/1.1 {status}", f"Content-Length: {len(body)}", *headers, "", ""]
    return says("\r\n".join(lines).encode() + body)


def redirects(location: str, status: str = "302 Found") -> Script:
    return answers(b"moved", f"Location: {location}", status=status)


def trickles(start: bytes, drop: bytes, seconds: float = 3) -> Script:
    """Send the start, then the drop again and again: each read succeeds, the answer never ends."""
    return says(start, *[drop] * round(seconds / 0.03), pause=0.03)


def floods(start: bytes, wave: bytes) -> Script:
    """Send the start, then a gigabyte of waves, as fast as they are taken."""

    def script(connection: socket.socket) -> None:
        connection.sendall(start)
        for _ in range(2**30 // len(wave)):
            connection.sendall(wave)

    return script


def resets_after(start: bytes) -> Script:
    """Send the start, then a RST."""

    def script(connection: socket.socket) -> None:
        if start:
            connection.sendall(start)
            time.sleep(0.05)  # a RST that overtakes the start would be another case
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        connection.close()

    return script


def is_silent(connection: socket.socket) -> None:
    """Hold the line and say nothing, reading nothing."""
    time.sleep(3)


def greets_slowly(connection: socket.socket) -> None:
    """A TLS handshake of one byte at a time: the head of a record that announces 16 KiB, then its drops."""
    trickles(b"\x16\x03\x03\x40\x00\x02\x00\x3f\xfc", b"\0")(connection)


def sips(connection: socket.socket) -> None:
    """Read the request so slowly that every write succeeds and the whole would take minutes."""
    for _ in range(100):
        connection.recv(16_384)
        time.sleep(0.03)
