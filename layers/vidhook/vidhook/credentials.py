"""Checks what webhooks to a subscriber are signed and sent with, and writes it, sealed."""

import base64
import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from vidhook.errors import BadSubscriber
from vidhook.event import serialize
from vidhook.signature import PREFIX
from vidhook.task import Credentials, Subscriber

if TYPE_CHECKING:
    from vidhook.edges.ledger import Ledger
    from vidhook.edges.secrets import Secrets

# https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md: 24 to 64 bytes.
SECRET_BYTES = range(24, 65)
# With the most signing secrets they must fit the 4 KiB that KMS encrypts.
MOST_HEADERS, MOST_HEADER_BYTES = 20, 2_048
HEADER_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]{1,64}")  # https://www.rfc-editor.org/rfc/rfc9110#name-tokens
HEADER_VALUE = re.compile(r"[!-~]([ -~]*[!-~])?")
OURS = re.compile(r"(?i)content-type|user-agent|webhook-.*")
# They say where a message ends, how it is coded, or with whom the connection is: a wrong one makes two of one request.
FRAMING = re.compile(
    r"(?i)host|content-length|content-encoding|transfer-encoding|accept-encoding|te|trailer|connection|keep-alive"
    r"|upgrade|expect|http2-settings|proxy-.*"
)


def checked_secret(secret: str) -> str:
    """Returns the caller's own signing secret, checked. Raises BadSubscriber, without repeating the secret."""
    try:
        size = len(base64.b64decode(secret.removeprefix(PREFIX), validate=True))
    except ValueError:  # also for a text that is not ASCII
        size = 0
    if not secret.startswith(PREFIX) or size not in SECRET_BYTES:
        raise BadSubscriber("secret", "is not whsec_ and 24 to 64 bytes in base64", "leave it out to get a new one")
    return secret


def checked_headers(headers: Mapping[str, Any]) -> dict[str, str]:
    """Returns a subscriber's own headers, checked. Raises BadSubscriber, without repeating a value."""
    if len(headers) > MOST_HEADERS:
        raise BadSubscriber("headers", f"has {len(headers)} headers", f"give at most {MOST_HEADERS}")
    for name, value in headers.items():
        _check_header(name, value)
    if len({name.lower() for name in headers}) < len(headers):
        raise BadSubscriber("headers", "has one name twice, as case does not count", "give each header once")
    if len(serialize(dict(headers))) > MOST_HEADER_BYTES:
        raise BadSubscriber("headers", f"is over {MOST_HEADER_BYTES} bytes as JSON", "give fewer or shorter headers")
    return dict(headers)


def _check_header(name: str, value: Any) -> None:
    field = f"headers.{name[:64]}"
    if not HEADER_NAME.fullmatch(name):
        raise BadSubscriber("headers", f"{serialize(name[:64])} is not a header's name", "give one such as X-Api-Key")
    if OURS.fullmatch(name):
        raise BadSubscriber(field, "is a header that vidhook sets itself", "choose another name")
    if FRAMING.fullmatch(name):
        raise BadSubscriber(field, "is about the connection, not for the receiver", "leave it out")
    if not isinstance(value, str) or not HEADER_VALUE.fullmatch(value):
        problem = "is not a text of printable ASCII characters without a space at an end"
        raise BadSubscriber(field, problem, "take out line breaks, and encode other characters")


def put_credentials(
    subscriber: Subscriber, credentials: Credentials, *, ledger: "Ledger", secrets: "Secrets", **changes: Any
) -> None:
    """Replaces a subscriber's credentials, and other fields in the same write. Raises NotFound.

    Raises LostRace when they are no longer those that `subscriber` was read with.
    """
    if subscriber.secret_name is not None:  # the sweeper deletes what nobody reads any longer
        ledger.subscribers.begin_removal(subscriber.id, subscriber.secret_name)
    sealed = {
        "sealed": secrets.seal(subscriber.id, credentials),
        "header_names": tuple(credentials.headers),
        "secret_name": None,
        "secret_version": None,
    }
    ledger.subscribers.change(subscriber.id, {**changes, **sealed}, sealed_as=subscriber)
