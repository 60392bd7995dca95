"""Our lasting links to stored videos: a token only we can make, redirected to a fresh presigned URL when followed."""

import base64
import binascii
import hashlib
import hmac

MAC_BYTES = 16


def video_link(base_url: str, secret: str, key: str) -> str:
    """Returns `<base_url>/<token>` for the object under `key`. It works as long as the object is there."""
    return f"{base_url.rstrip('/')}/{video_token(secret, key)}"


def video_token(secret: str, key: str) -> str:
    """Returns the object's key with a 128-bit HMAC before it, in URL-safe base64: only `secret` can make one."""
    return base64.urlsafe_b64encode(_mac(secret, key) + key.encode()).decode().rstrip("=")


def video_key(secret: str, token: str) -> str | None:
    """Returns the key that a token stands for; None for a token we did not make."""
    try:
        key = base64.urlsafe_b64decode(token + "=" * (-len(token) % 4))[MAC_BYTES:].decode()
    except (binascii.Error, ValueError):
        return None
    # Compared as a whole: base64 has several spellings for the same bytes, and we made only one.
    return key if hmac.compare_digest(token.encode(), video_token(secret, key).encode()) else None


def _mac(secret: str, key: str) -> bytes:
    return hmac.new(secret.encode(), b"vidhook video\0" + key.encode(), hashlib.sha256).digest()[:MAC_BYTES]
