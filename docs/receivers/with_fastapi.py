"""A receiver with FastAPI. Run it: VIDHOOK_SECRET=whsec_... uvicorn with_fastapi:app --port 8471"""

import logging
import os

from fastapi import FastAPI, HTTPException, Request
from standardwebhooks import Webhook, WebhookVerificationError

logging.basicConfig(level=logging.INFO, format="%(message)s")
app = FastAPI()
SEEN = set()  # in earnest: a database table with a unique key


@app.post("/webhooks", status_code=204)
async def receive(request: Request):
    try:
        event = Webhook(os.environ["VIDHOOK_SECRET"]).verify(await request.body(), request.headers)
    except (WebhookVerificationError, ValueError):
        raise HTTPException(401) from None
    if event["id"] not in SEEN:
        SEEN.add(event["id"])
        logging.info("%s %s", event["id"], event["type"])  # in earnest: queue it, and work after the answer
