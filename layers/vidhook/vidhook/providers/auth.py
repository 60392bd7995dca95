"""How a provider's key opens its API: in headers, in the query, or by a token that is made of it."""

import base64
import hashlib
import hmac
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from vidhook.providers.placeholders import filled, names_in
from vidhook.times import number

JWT, OAUTH = "jwt-hs256", "oauth-client-credentials"
KINDS = ("key", JWT, OAUTH)
JWT_SECONDS = 1_800
EARLY_SECONDS = 60  # clocks differ; it is taken from the half hour, as a server may refuse what ends later
SHORTEST_TOKEN, LONGEST_TOKEN = 60, 86_400  # seconds
NO_TOKEN = 3_600.0  # what an OAuth server grants that does not say how long


@dataclass(frozen=True, slots=True)
class Auth:
    """Where the key goes: headers and query fields, in whose texts {key}, its halves or {token} stand.

    kind: one of `KINDS`. A token is made of the key's two halves, `ID:SECRET`: by us (jwt-hs256), or by the server at
    `token_url` (RFC 6749, section 4.4).
    """

    kind: str = "key"
    headers: Mapping[str, str] = field(default_factory=dict)
    query: Mapping[str, str] = field(default_factory=dict)
    token_url: str = ""
    scope: str = ""

    @property
    def minted(self) -> bool:
        return self.kind != "key"

    @property
    def wants_pair(self) -> bool:
        """Whether the key has to be `ID:SECRET`."""
        texts = (*self.headers.values(), *self.query.values())
        return self.minted or bool({"key_id", "key_secret"} & set(names_in(texts)))


@dataclass(frozen=True, slots=True)
class Key:
    """A provider's key as the stack's secret has it, and the token that was made of it."""

    text: str = field(repr=False)
    token: str | None = field(default=None, repr=False)

    @property
    def halves(self) -> tuple[str, str]:
        """The id and the secret of a key `ID:SECRET`, without blanks around them; of another one the whole, twice."""
        first, _, second = map(str.strip, self.text.partition(":"))
        return (first, second) if first and second else (self.text, self.text)

    @property
    def secrets(self) -> tuple[str, ...]:
        """What no text may show."""
        known = (self.text, self.halves[1], self.token or "")
        return tuple(dict.fromkeys(each for each in known if each))


def secrets_of(key: Key | None) -> tuple[str, ...]:
    """Returns what no text may show of a key, if there is one."""
    return () if key is None else key.secrets


def auth_headers(auth: Auth, key: Key | None) -> dict[str, str]:
    """Returns the headers that open the API; none without a key, or without the token that is needed."""
    return _opened(auth, auth.headers, key)


def auth_query(auth: Auth, key: Key | None) -> dict[str, str]:
    """Returns the fields of the query that open the API, as `auth_headers` does."""
    return _opened(auth, auth.query, key)


def _opened(auth: Auth, texts: Mapping[str, str], key: Key | None) -> dict[str, str]:
    if key is None or (auth.minted and key.token is None):
        return {}
    names = {"key": key.text, "key_id": key.halves[0], "key_secret": key.halves[1], "token": key.token or ""}
    return {name: filled(text, names) for name, text in texts.items()}


def is_pair(key: str) -> bool:
    """Returns whether a key has the two halves of which a token is made."""
    return Key(key).halves != (key, key)


def jwt(key: str, now: float) -> str | None:
    """Returns a JSON Web Token for half an hour from a minute ago, signed with HS256; None for no `ID:SECRET`.

    As Kling documents it: https://app.klingai.com/global/dev/document-api/apiReference/commonInfo.
    """
    if not is_pair(key):
        return None
    issuer, secret = Key(key).halves
    begins = int(now) - EARLY_SECONDS
    claims = {"iss": issuer, "exp": begins + JWT_SECONDS, "nbf": begins}
    signed = f"{_coded({'alg': 'HS256', 'typ': 'JWT'})}.{_coded(claims)}"
    signature = hmac.new(secret.encode(), signed.encode(), hashlib.sha256).digest()
    return f"{signed}.{_base64(signature)}"


def token_in(body: bytes) -> tuple[str, float] | None:
    """Returns the token in the answer of an OAuth server, and the seconds that it lives; None if there is none."""
    try:
        answer = json.loads(body)
    except (ValueError, RecursionError):
        return None
    token = answer.get("access_token") if isinstance(answer, dict) else None
    if not isinstance(token, str) or not token.strip().isascii() or not token.strip().isprintable():
        return None
    lives = number(answer.get("expires_in"))
    seconds = min(max(NO_TOKEN if lives is None else lives, SHORTEST_TOKEN), LONGEST_TOKEN)
    return (token.strip(), seconds) if token.strip() else None


def _coded(value: Mapping[str, Any]) -> str:
    return _base64(json.dumps(value, separators=(",", ":")).encode())


def _base64(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()
