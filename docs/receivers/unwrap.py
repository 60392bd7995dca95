"""Verifies a webhook and returns its event, typed. Python 3.10 or later; copy vidhook_types.py too."""

import base64
import hashlib
import hmac
import json
import re
import time
from collections.abc import Iterable
from typing import Protocol, cast

from vidhook_types import Event

TOLERANCE_SECONDS = 300
NAMES = ("webhook-id", "webhook-timestamp", "webhook-signature")


class WebhookError(ValueError):
    """A webhook that is not to be trusted. The text says why; answer 401."""


class Headers(Protocol):
    """What every framework has: header names, in any case, and their values."""

    def items(self) -> Iterable[tuple[str, str]]: ...


def unwrap(body: bytes, headers: Headers, secret: str) -> Event:
    """The event in a webhook. Raises WebhookError for one that is not to be trusted.

    body: the bytes as they came, before anything parses them. secret: whsec_..., or several separated by spaces.
    """
    event_id, timestamp, signatures = _given(headers)
    if not re.fullmatch("[0-9]{1,12}", timestamp):
        raise WebhookError("webhook-timestamp is not a number of seconds")
    age = time.time() - int(timestamp)
    if abs(age) > TOLERANCE_SECONDS:
        raise WebhookError(f"webhook-timestamp is {abs(age):.0f} s {'old' if age > 0 else 'in the future'}")
    signed = f"{event_id}.{timestamp}.".encode("utf-8", "replace") + body
    expected = [_signature(each, signed) for each in secret.split() or [""]]
    # While a secret is rotated there are several signatures; one that fits is enough.
    given = [each.encode("utf-8", "replace") for each in signatures.split()]
    if not any(hmac.compare_digest(one, other) for one in expected for other in given):
        raise WebhookError("no signature fits: it was signed with another secret, or the body was changed")
    try:
        event = json.loads(body)
    except ValueError:
        raise WebhookError("the body is not JSON") from None
    return cast(Event, event)


def _given(headers: Headers) -> list[str]:
    """The values of the three headers, each of which must come once."""
    found: dict[str, list[str]] = {name: [] for name in NAMES}
    for name, value in headers.items():
        if name.lower() in found:
            found[name.lower()].append(value.strip())
    for name, values in found.items():
        if not any(values):
            raise WebhookError(f"{name} is missing")
        # A server may join two headers of one name with a comma; one stands in each signature anyway.
        if len(values) > 1 or (", " if name == "webhook-signature" else ",") in values[0]:
            raise WebhookError(f"{name} comes more than once")
    return [found[name][0] for name in NAMES]


def _signature(secret: str, signed: bytes) -> bytes:
    try:
        key = base64.b64decode(secret.removeprefix("whsec_"), validate=True)
    except ValueError:
        key = b""
    if not key:
        raise WebhookError("the secret is not whsec_ and base64")
    return b"v1," + base64.b64encode(hmac.new(key, signed, hashlib.sha256).digest())
