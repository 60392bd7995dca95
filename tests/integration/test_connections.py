"""What many threads at once cost in connections to AWS, counted by a server on loopback."""

import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Barrier, Thread

import pytest

from vidhook.edges.ledger import Ledger
from vidhook.errors import NotFound
from vidhook.publish import THREADS


def test_telling_everybody_twice_opens_no_connection_twice(monkeypatch: pytest.MonkeyPatch) -> None:
    """Beyond its pool boto3 opens, with a new TLS handshake and a warning in the log, a connection for each request."""
    connections: list[object] = []

    class Service(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def setup(self) -> None:
            connections.append(self.client_address)
            super().setup()

        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["content-length"]))
            time.sleep(0.2)  # long enough for all threads to be asking at once
            self.send_response(200)
            self.send_header("content-length", "2")
            self.end_headers()
            self.wfile.write(b"{}")

        def log_message(self, *_: object) -> None:
            """A test's output is for its failure."""

    class Server(ThreadingHTTPServer):
        request_queue_size = THREADS
        daemon_threads = True

    server = Server(("127.0.0.1", 0), Service)
    Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
    monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{server.server_port}")
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "test")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "test")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    ledger, together = Ledger("ledger"), Barrier(THREADS)

    def ask(_: int) -> None:
        for _ in range(2):
            together.wait(30)
            with suppress(NotFound):
                ledger.watch("tsk_1")

    with ThreadPoolExecutor(THREADS) as pool:
        list(pool.map(ask, range(THREADS)))
    server.shutdown()
    server.server_close()
    assert THREADS / 2 < len(connections) <= THREADS
