"""A receiver with Python's standard library alone. Run it: VIDHOOK_SECRET=whsec_... python receiver.py"""

import base64
import hashlib
import hmac
import json
import logging
import os
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

TOLERANCE_SECONDS = 300
MOST_BYTES = 262_144
SEEN = set()  # in earnest: a database table with a unique key, which survives a restart


def verify(secret, headers, body):
    """The event in a webhook. Raises ValueError for one that is not to be trusted.

    secret: whsec_...; headers: anything with a case-blind get(); body: the bytes as they came.
    """
    event_id, timestamp, signatures = (headers.get(f"webhook-{part}", "") for part in ("id", "timestamp", "signature"))
    if abs(time.time() - int(timestamp)) > TOLERANCE_SECONDS:
        raise ValueError("signed too long ago, or in the future")
    key = base64.b64decode(secret.removeprefix("whsec_"))
    mac = hmac.new(key, f"{event_id}.{timestamp}.".encode() + body, hashlib.sha256).digest()
    expected = b"v1," + base64.b64encode(mac)
    # While a secret is rotated there are several signatures; one that fits is enough.
    if not any(hmac.compare_digest(expected, given.encode()) for given in signatures.split()):
        raise ValueError("no signature fits")
    return json.loads(body)


class Receiver(BaseHTTPRequestHandler):
    def do_POST(self):
        length = int(self.headers.get("content-length", 0))
        if not 0 <= length <= MOST_BYTES:
            return self.answer(413)
        try:
            event = verify(os.environ["VIDHOOK_SECRET"], self.headers, self.rfile.read(length))
        except ValueError:
            return self.answer(401)
        if event["id"] not in SEEN:  # an event may come twice: its id is the same
            SEEN.add(event["id"])
            logging.info("%s %s", event["id"], event["type"])  # in earnest: queue it, and work after the answer
        return self.answer(204)

    def answer(self, status):
        self.send_response(status)
        self.send_header("content-length", "0")
        self.end_headers()

    def log_message(self, *_):
        pass


if __name__ == "__main__":
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    server = ThreadingHTTPServer(("127.0.0.1", int(os.environ.get("PORT", "8471"))), Receiver)
    logging.info("listening at http://127.0.0.1:%s", server.server_port)
    server.serve_forever()
