"""A receiver with Python's standard library alone. Run it: VIDHOOK_SECRET=whsec_... python receiver.py"""

import logging
import os
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from unwrap import WebhookError, unwrap

MOST_BYTES = 262_144
SEEN = set()  # in earnest: a database table with a unique key, which survives a restart


class Receiver(BaseHTTPRequestHandler):
    def do_POST(self):
        length = int(self.headers.get("content-length", 0))
        if not 0 <= length <= MOST_BYTES:
            return self.answer(413)
        try:
            event = unwrap(self.rfile.read(length), self.headers, os.environ["VIDHOOK_SECRET"])
        except WebhookError as error:
            logging.info("refused: %s", error)
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
