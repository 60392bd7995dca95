"""What one would send an event to many subscribers with, for bench/fanout.py; needs no package but the rival's own.

Each takes the same events from the standard input, signs and sends them to the same subscribers, with the same CA
bundle, and prints the same of itself. requests.Session sends with AT_ONCE threads, one session for each; httpx in one
event loop, AT_ONCE at a time; aiohttp in one event loop, all at once. Each is as fast so as any other way was here.
"""

import argparse
import asyncio
import atexit
import base64
import hashlib
import hmac
import json
import socket
import ssl
import sys
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import Any

from bench.copying import resident

SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
SECONDS = 15.0
AT_ONCE = 256  # fewer are no faster, and all of them could be with those that hang

Send = Callable[[Mapping[str, Any]], None]


def signed(event: Mapping[str, Any]) -> dict[str, str]:
    """Returns the headers of one webhook, which bring a signature of this moment."""
    at, key = str(int(time.time())), base64.b64decode(SECRET.removeprefix("whsec_"))
    mac = hmac.new(key, f"{event['id']}.{at}.{event['body']}".encode(), hashlib.sha256)
    signature = f"v1,{base64.b64encode(mac.digest()).decode()}"
    headers = {"webhook-id": event["id"], "webhook-timestamp": at, "webhook-signature": signature}
    return {"content-type": "application/json", **headers}


def requests_session(urls: Sequence[str], bundle: str) -> Send:
    import requests

    local = threading.local()
    pool = ThreadPoolExecutor(AT_ONCE)

    def one(url: str, event: Mapping[str, Any]) -> None:
        if not hasattr(local, "session"):
            local.session = requests.Session()
            local.session.verify, local.session.trust_env = bundle, False
        with suppress(requests.Timeout):
            local.session.post(url, data=event["body"].encode(), headers=signed(event), timeout=SECONDS)

    def send(event: Mapping[str, Any]) -> None:
        for each in [pool.submit(one, url, event) for url in urls]:
            each.result()

    return send


def httpx(urls: Sequence[str], bundle: str) -> Send:
    import httpx

    loop, trusted = asyncio.new_event_loop(), ssl.create_default_context(cafile=bundle)
    limits, gate = httpx.Limits(max_connections=None), asyncio.Semaphore(AT_ONCE)
    client = httpx.AsyncClient(verify=trusted, timeout=SECONDS, limits=limits, trust_env=False)

    async def one(url: str, event: Mapping[str, Any]) -> None:
        async with gate:
            with suppress(httpx.TimeoutException):
                await client.post(url, content=event["body"].encode(), headers=signed(event))

    async def all_of_them(event: Mapping[str, Any]) -> None:
        await asyncio.gather(*(one(url, event) for url in urls))

    return lambda event: loop.run_until_complete(all_of_them(event))


def aiohttp(urls: Sequence[str], bundle: str) -> Send:
    import aiohttp

    loop, trusted = asyncio.new_event_loop(), ssl.create_default_context(cafile=bundle)

    async def begin() -> aiohttp.ClientSession:
        connector = aiohttp.TCPConnector(ssl=trusted, limit=0)
        return aiohttp.ClientSession(connector=connector, timeout=aiohttp.ClientTimeout(total=SECONDS))

    session = loop.run_until_complete(begin())
    atexit.register(lambda: loop.run_until_complete(session.close()))

    async def one(url: str, event: Mapping[str, Any]) -> None:
        with suppress(TimeoutError):
            async with session.post(url, data=event["body"].encode(), headers=signed(event)) as answer:
                await answer.read()

    async def all_of_them(event: Mapping[str, Any]) -> None:
        await asyncio.gather(*(one(url, event) for url in urls))

    return lambda event: loop.run_until_complete(all_of_them(event))


RIVALS: dict[str, Callable[[Sequence[str], str], Send]] = {
    "requests.Session": requests_session,
    "httpx": httpx,
    "aiohttp": aiohttp,
}


def answer_events(send: Send) -> None:
    """Sends each event of the standard input, and prints when it began and what it took."""
    for text in sys.stdin:
        event = json.loads(text)
        began, spent = time.monotonic(), time.process_time()
        send(event)
        took = {"began": began, "seconds": time.monotonic() - began, "cpu": time.process_time() - spent}
        print(json.dumps({**took, "megabytes": resident("VmHWM")}), flush=True)


def resolved(_: object, port: int, *__: object, **___: object) -> list[tuple[Any, ...]]:
    """Stands for socket.getaddrinfo, and knows every name."""
    return [(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP, "", ("127.0.0.1", port))]


def main() -> None:
    """Answers for one rival."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--line", choices=RIVALS, required=True)
    parser.add_argument("--bundle", required=True)
    parser.add_argument("--urls", nargs="+", required=True)
    given = parser.parse_args()
    socket.getaddrinfo = resolved  # type: ignore[assignment]
    answer_events(RIVALS[given.line](given.urls, given.bundle))


if __name__ == "__main__":
    main()
