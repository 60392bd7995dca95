"""What connections to AWS cost, and whom they trust; a server on loopback is AWS."""

import ssl
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Barrier, Thread
from typing import Any

import pytest
import trustme
from botocore.exceptions import SSLError

from vidhook.edges import aws
from vidhook.edges.ledger import Ledger
from vidhook.errors import NotFound
from vidhook.notify import THREADS


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
                ledger.tasks.watch("tsk_1")

    with ThreadPoolExecutor(THREADS) as pool:
        list(pool.map(ask, range(THREADS)))
    server.shutdown()
    server.server_close()
    assert THREADS / 2 < len(connections) <= THREADS


@pytest.fixture
def served(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[trustme.LeafCert], None]]:
    """Makes AWS a server with this certificate, which closes each connection after one answer."""
    servers: list[ThreadingHTTPServer] = []

    class Service(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["content-length"]))
            self.send_response(200)
            self.end_headers()
            self.wfile.write(b"{}")

        def log_message(self, *_: object) -> None:
            """A test's output is for its failure."""

    class Server(ThreadingHTTPServer):
        def handle_error(self, *_: Any) -> None:
            """A client that refuses the certificate breaks off."""

    def serve(certificate: trustme.LeafCert) -> None:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        certificate.configure_cert(context)
        server = Server(("127.0.0.1", 0), Service)
        server.socket = context.wrap_socket(server.socket, server_side=True)
        servers.append(server)
        Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
        monkeypatch.setenv("AWS_ENDPOINT_URL", f"https://127.0.0.1:{server.server_port}")

    for name in ("AWS_CA_BUNDLE", "REQUESTS_CA_BUNDLE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "test")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "test")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    yield serve
    for server in servers:
        server.shutdown()
        server.server_close()


@pytest.fixture
def authority(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> trustme.CA:
    """The only one in the usual CA bundle."""
    made = trustme.CA()
    made.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
    monkeypatch.setattr("botocore.httpsession.where", lambda: str(tmp_path / "ca.pem"))
    return made


class TestTls:
    def test_all_clients_and_connections_together_read_the_ca_bundle_once(
        self, served: Callable[[trustme.LeafCert], None], authority: trustme.CA, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Reading it takes longer than a handshake. If this fails after an update, botocore has changed inside."""
        read: list[object] = []
        load = ssl.SSLContext.load_verify_locations

        def counted(context: ssl.SSLContext, *what: Any) -> None:
            read.append(what)
            load(context, *what)

        served(authority.issue_cert("127.0.0.1"))
        monkeypatch.setattr(ssl.SSLContext, "load_verify_locations", counted)
        for _ in range(2):
            client = aws.client("dynamodb", retries={"total_max_attempts": 1})
            for _ in range(2):
                assert client.list_tables()["ResponseMetadata"]["HTTPStatusCode"] == 200
        assert len(read) == 1

    @pytest.mark.parametrize("wrong", ["authority", "name"])
    def test_a_certificate_that_proves_nothing_is_refused(
        self, served: Callable[[trustme.LeafCert], None], authority: trustme.CA, wrong: str
    ) -> None:
        """The context is shared and kept, and still verifies the authority and the name."""
        issuer = trustme.CA() if wrong == "authority" else authority
        served(issuer.issue_cert("aws.example" if wrong == "name" else "127.0.0.1"))
        with pytest.raises(SSLError):
            aws.client("dynamodb", retries={"total_max_attempts": 1}).list_tables()

    def test_a_ca_bundle_of_the_users_own_is_the_only_one_that_counts(
        self,
        served: Callable[[trustme.LeafCert], None],
        authority: trustme.CA,
        tmp_path: Path,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        """botocore lets users name theirs, and then trusts no other."""
        own = trustme.CA()
        own.cert_pem.write_to_path(str(tmp_path / "own.pem"))
        monkeypatch.setenv("AWS_CA_BUNDLE", str(tmp_path / "own.pem"))
        served(own.issue_cert("127.0.0.1"))
        assert aws.client("dynamodb").list_tables()["ResponseMetadata"]["HTTPStatusCode"] == 200
        served(authority.issue_cert("127.0.0.1"))
        with pytest.raises(SSLError):
            aws.client("dynamodb", retries={"total_max_attempts": 1}).list_tables()

    def test_another_botocore_inside_costs_time_only(
        self, served: Callable[[trustme.LeafCert], None], authority: trustme.CA, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """A security update of botocore must not wait for us."""
        served(authority.issue_cert("127.0.0.1"))
        session = aws.session()
        make = session.create_client

        class Renamed:
            """A client without the attributes that hold the context."""

            def __init__(self, client: Any) -> None:
                self.list_tables, self.exceptions = client.list_tables, client.exceptions

        monkeypatch.setattr(session, "create_client", lambda *given, **more: Renamed(make(*given, **more)))
        assert aws.client("dynamodb").list_tables()["ResponseMetadata"]["HTTPStatusCode"] == 200


def test_threads_that_need_a_clients_errors_first_have_the_same_ones(monkeypatch: pytest.MonkeyPatch) -> None:
    """An `except` of one would not catch what another one's request raised: the delivery would be a fault of ours."""
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    try:
        for _ in range(5):
            aws.session.cache_clear()
            client, together = aws.client("kms"), Barrier(4)

            def first(client: Any = client, together: Barrier = together) -> object:
                together.wait()
                return client.exceptions.NotFoundException

            with ThreadPoolExecutor(4) as pool:
                assert len({each.result() for each in [pool.submit(first) for _ in range(4)]}) == 1
    finally:
        sys.setswitchinterval(interval)
