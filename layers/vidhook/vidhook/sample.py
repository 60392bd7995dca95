"""Answers for the provider `sample`, so that a stack can be tried without an account at a provider."""

import base64
import json
import secrets
from importlib.resources import files

FAILS = "fail"  # a task whose id begins so has failed; every other is completed, with a video of 19 kB


def answer(task_id: str) -> bytes:
    """Returns the answer about a sample task, as a provider would write it."""
    if task_id.startswith(FAILS):
        error = {"code": "SAMPLE_FAILURE", "message": "This sample task fails, as its id asks for."}
        return json.dumps({"id": task_id, "status": "failed", "error": error}).encode()
    film = base64.b64encode(files("vidhook").joinpath("sample.mp4").read_bytes()).decode()
    return json.dumps({"id": task_id, "status": "completed", "video": f"data:video/mp4;base64,{film}"}).encode()


def created(body: bytes) -> bytes:
    """Returns the answer to the request that creates a sample task; it fails if the request says `"fail": true`."""
    given = json.loads(body)
    begins = FAILS if given.get("fail") is True else "sample"
    return json.dumps({"id": f"{begins}-{secrets.token_hex(12)}", "status": "queued"}).encode()
