"""Whom bench/fanout.py notifies: TLS receivers of distinct names on loopback, in processes of their own.

A receiver checks no signature. It notes which event came to which name and when, and answers 200 at once, or after
LATE_SECONDS; one of ten can hang: it takes the request and never answers. Every answer closes its connection, as
between hosts that are far apart in time: no event is sent over the connection of another.
"""

import asyncio
import multiprocessing
import re
import ssl
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Literal

import trustme
from requests.utils import DEFAULT_CA_BUNDLE_PATH

DOMAIN = "example.test"
LATE_SECONDS = 0.1
EVERY = 10  # so many subscribers have one that hangs among them
PROCESSES = 2  # so that they wait for each other no more than for the sender
ANSWER = b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok"
_HEAD = re.compile(rb"\r\nhost: s(\d+)\..*?\r\n", re.IGNORECASE)
_EVENT = re.compile(rb"\r\nwebhook-id: (\w+)\r\n", re.IGNORECASE)
_LENGTH = re.compile(rb"\r\ncontent-length: (\d+)\r\n", re.IGNORECASE)

Manner = Literal["free", "late", "hanging"]


@dataclass(frozen=True)
class Receipt:
    """One webhook that came: to the receiver of this number, at an instant of the monotonic clock."""

    number: int
    event_id: str
    at: float


def host(number: int) -> str:
    return f"s{number}.{DOMAIN}"


def hangs(number: int) -> bool:
    """Returns whether the receiver of this number is among those that can hang."""
    return number % EVERY == 0


class Receivers:
    """What the receivers of one process know and do."""

    def __init__(self) -> None:
        self.manner: Manner = "free"
        self.came: list[Receipt] = []
        self._cpu = time.process_time()

    def told(self, pipe: Any) -> None:
        """Takes a manner from the bench, and gives what came and the processor's seconds since the last one."""
        with suppress(EOFError):
            self.manner = pipe.recv()
            came, self.came = self.came, []
            cpu, self._cpu = time.process_time() - self._cpu, time.process_time()
            pipe.send((came, cpu))


class Receiver(asyncio.Protocol):
    """One connection."""

    def __init__(self, receivers: Receivers) -> None:
        self._receivers, self._came = receivers, b""

    def connection_made(self, transport: Any) -> None:
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        at = time.monotonic()
        self._came += data
        end = self._came.find(b"\r\n\r\n")
        length, name, event = (each.search(self._came) for each in (_LENGTH, _HEAD, _EVENT))
        if end < 0 or not (length and name and event) or len(self._came) < end + 4 + int(length[1]):
            return
        number, manner = int(name[1]), self._receivers.manner
        self._receivers.came.append(Receipt(number, event[1].decode(), at))
        if manner == "late":
            asyncio.get_running_loop().call_later(LATE_SECONDS, self._answer)
        elif manner == "free" or not hangs(number):
            self._answer()

    def _answer(self) -> None:
        self._transport.write(ANSWER)
        self._transport.close()


def serve(tls: ssl.SSLContext, pipe: Any, port: int) -> None:
    """Answers for ever, on a port that it tells, which may be shared."""

    async def run() -> None:
        receivers, loop = Receivers(), asyncio.get_running_loop()
        loop.add_reader(pipe.fileno(), receivers.told, pipe)
        server = await loop.create_server(
            lambda: Receiver(receivers), "127.0.0.1", port, ssl=tls, backlog=4_096, reuse_port=True
        )
        pipe.send(server.sockets[0].getsockname()[1])
        await server.serve_forever()

    asyncio.run(run())


@dataclass(frozen=True)
class World:
    """The receivers of all processes, at one port. `bundle`: the CA bundle of production, with their authority."""

    port: int
    bundle: Path
    pipes: tuple[Any, ...]

    def url(self, number: int) -> str:
        return f"https://{host(number)}:{self.port}/hook"

    def turn(self, manner: Manner) -> tuple[list[Receipt], float]:
        """Makes all receivers behave so. Returns what came before, and the processor's seconds that it took them."""
        for pipe in self.pipes:
            pipe.send(manner)
        answers = [pipe.recv() for pipe in self.pipes]
        return [receipt for came, _ in answers for receipt in came], sum(cpu for _, cpu in answers)


@contextmanager
def running() -> Iterator[World]:
    """Yields a world that ends with the `with`."""
    authority, tls = trustme.CA(), ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert(f"*.{DOMAIN}").configure_cert(tls)
    fork, port, pipes, processes = multiprocessing.get_context("fork"), 0, [], []
    with TemporaryDirectory() as folder:
        bundle = Path(folder) / "bundle.pem"
        bundle.write_bytes(Path(DEFAULT_CA_BUNDLE_PATH).read_bytes() + authority.cert_pem.bytes())
        try:
            for _ in range(PROCESSES):
                ours, theirs = fork.Pipe()
                processes.append(fork.Process(target=serve, args=(tls, theirs, port), daemon=True))
                processes[-1].start()
                port = ours.recv()
                pipes.append(ours)
            yield World(port, bundle, tuple(pipes))
        finally:
            for process in processes:
                process.terminate()
                process.join()
