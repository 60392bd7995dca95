"""A receiver with Flask. Run it: VIDHOOK_SECRET=whsec_... flask --app with_flask run --port 8471"""

import logging
import os

from flask import Flask, abort, request
from standardwebhooks import Webhook, WebhookVerificationError

logging.basicConfig(level=logging.INFO, format="%(message)s")
app = Flask(__name__)
SEEN = set()  # in earnest: a database table with a unique key


@app.post("/webhooks")
def receive():
    try:
        event = Webhook(os.environ["VIDHOOK_SECRET"]).verify(request.get_data(), request.headers)
    except (WebhookVerificationError, ValueError):
        abort(401)
    if event["id"] not in SEEN:
        SEEN.add(event["id"])
        logging.info("%s %s", event["id"], event["type"])  # in earnest: queue it, and work after the answer
    return "", 204
