"""Lasting links to stored videos: a signed token, which the HTTP API redirects to a fresh presigned URL."""

import base64
import binascii
import hashlib
import hmac

MAC_BYTES = 16


def video_link(base_url: str, secret: str, key: str) -> str:
    """Returns `<base_url>/<token>` for the object under `key`. The link works as long as the object exists."""
    return f"{base_url.rstrip('/')}/{video_token(secret, key)}"


def video_token(secret: str, key: str) -> str:
    """Returns the token of an object: a 128-bit HMAC and the key, in URL-safe base64. Only `secret` can make it."""
    return base64.urlsafe_b64encode(_mac(secret, key) + key.encode()).decode().rstrip("=")


def video_key(secret: str, token: str) -> str | None:
    """Returns the key of a token's object; None for a token that was not made with `secret`."""
    try:
        key = base64.urlsafe_b64decode(token + "=" * (-len(token) % 4))[MAC_BYTES:].decode()
    except (binascii.Error, ValueError):
        return None
    # The whole token is compared, since base64 can write the same bytes in several ways.
    return key if hmac.compare_digest(token.encode(), video_token(secret, key).encode()) else None


def _mac(secret: str, key: str) -> bytes:
    return hmac.new(secret.encode(), b"vidhook video\0" + key.encode(), hashlib.sha256).digest()[:MAC_BYTES]
