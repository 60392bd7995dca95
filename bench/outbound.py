"""The speed of `vidhook.edges.http.Http` beside that of plain requests: deliveries over TLS, and a download.

    .venv/bin/python bench/outbound.py

Receivers run in a process of their own on loopback; each figure is the median of three runs.
"""

import contextlib
import multiprocessing
import socket
import ssl
import statistics
import tempfile
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import requests
import trustme
from requests.utils import DEFAULT_CA_BUNDLE_PATH

from vidhook.edges.http import Http

POSTS, THREADS, MEGABYTES, RUNS = 100, 16, 256, 3


def serve(answer: Callable[[socket.socket], None], tls: ssl.SSLContext | None, ports: Any) -> None:
    listener = socket.create_server(("127.0.0.1", 0), backlog=512)
    ports.put(listener.getsockname()[1])

    def handle(connection: socket.socket) -> None:
        line = tls.wrap_socket(connection, server_side=True) if tls else connection
        with contextlib.suppress(OSError), line:
            request = line.recv(65_536)
            while not request.endswith(b"{}" if request.startswith(b"POST") else b"\r\n\r\n"):
                request += line.recv(65_536)
            answer(line)

    while True:
        threading.Thread(target=handle, args=(listener.accept()[0],), daemon=True).start()


def thank(line: socket.socket) -> None:
    line.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok")


def film(line: socket.socket) -> None:
    line.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % (MEGABYTES * 2**20))
    for _ in range(MEGABYTES):
        line.sendall(bytes(2**20))


def seconds(work: Callable[[], object]) -> float:
    took = []
    for _ in range(RUNS):
        began = time.perf_counter()
        work()
        took.append(time.perf_counter() - began)
    return statistics.median(took)


def main() -> None:
    ca, server = trustme.CA(), ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    ca.issue_cert("localhost").configure_cert(server)
    fork = multiprocessing.get_context("fork")
    ports, receivers = fork.SimpleQueue(), []
    for answer, tls in ((thank, server), (film, None)):
        receivers.append(fork.Process(target=serve, args=(answer, tls, ports), daemon=True))
        receivers[-1].start()
    hook, video = f"https://localhost:{ports.get()}/", f"http://127.0.0.1:{ports.get()}/"

    with tempfile.TemporaryDirectory() as folder:
        # The bundle that production reads, and the authority of this measurement.
        bundle = Path(folder) / "bundle.pem"
        bundle.write_bytes(Path(DEFAULT_CA_BUNDLE_PATH).read_bytes() + ca.cert_pem.bytes())
        http = Http(
            allowed_networks=("127.0.0.0/8", "::1/128"),
            ssl_context=ssl.create_default_context(cafile=bundle),
            resolve=lambda host, port, **_: socket.getaddrinfo(host, port, socket.AF_INET, socket.SOCK_STREAM),
        )

        def deliver(send: Callable[[int], object]) -> float:
            with ThreadPoolExecutor(THREADS) as pool:
                return POSTS / seconds(lambda: list(pool.map(send, range(POSTS))))

        ours = deliver(lambda _: http.send("POST", hook, body=b"{}"))
        theirs = deliver(lambda _: requests.post(hook, data=b"{}", verify=str(bundle), timeout=10))
        print(f"TLS deliveries a second, {THREADS} threads: Http {ours:.0f}, requests.post {theirs:.0f}")

    def download() -> None:
        with http.download(video, deadline=60) as answer:
            for _ in answer:
                pass

    def download_with_requests() -> None:
        with requests.get(video, stream=True, timeout=60) as answer:
            for _ in answer.iter_content(262_144):
                pass

    print(
        f"download of {MEGABYTES} MB, MB/s: Http {MEGABYTES / seconds(download):.0f}, "
        f"requests.get {MEGABYTES / seconds(download_with_requests):.0f}"
    )
    for receiver in receivers:
        receiver.terminate()


if __name__ == "__main__":
    main()
