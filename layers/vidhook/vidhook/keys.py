"""The providers' keys, and the tokens that are made of them."""

from dataclasses import dataclass, field
from typing import TYPE_CHECKING
from urllib.parse import quote_plus, urlencode

from vidhook.errors import RequestFailed, TokenFailed
from vidhook.providers.auth import EARLY_SECONDS, JWT, JWT_SECONDS, OAUTH, Key, is_pair, jwt, token_in

if TYPE_CHECKING:
    from vidhook.edges.http import Http
    from vidhook.edges.secrets import Secrets
    from vidhook.providers.auth import Auth
    from vidhook.providers.file import Provider
    from vidhook.times import Clock

TOKEN_SECONDS, TOKEN_BYTES = 10.0, 65_536
# A token is made anew so long before it ends, as a request and a clock that is behind take some of its time.
RESERVE = 60.0
# One that was refused is made anew only after this: a server that refuses all is not asked for one with each poll.
FRESH = 60.0
AGAIN = (408, 425, 429)


@dataclass(frozen=True, slots=True)
class _Token:
    text: str
    made_at: float
    ends_at: float


@dataclass(slots=True)
class Keys:
    """Reads providers' keys, with these edges, and makes tokens of those whose file says so, each for its lifetime."""

    secrets: "Secrets"
    http: "Http"
    clock: "Clock"
    _tokens: dict[tuple[str, ...], _Token] = field(default_factory=dict)

    def of(self, provider: "Provider", *, fresh: bool = False) -> Key | None:
        """Returns a provider's key with its token, or None when the stack's secret holds none.

        fresh: it was refused, so neither the key nor an older token is taken as it is remembered. A key of which no
        token can be made has none: the provider then says that the key is missing. Raises TokenFailed.
        """
        return self._with_token(provider, self.secrets.provider_key(provider.name, fresh=fresh), fresh)

    def needed(self, provider: "Provider", *, fresh: bool = False) -> Key | None:
        """Returns a key as `of` does; one that is not remembered is looked for anew."""
        return self._with_token(provider, self.secrets.needed_key(provider.name, fresh=fresh), fresh)

    def _with_token(self, provider: "Provider", text: str | None, fresh: bool) -> Key | None:
        if text is None or not provider.auth.minted:
            return None if text is None else Key(text)
        auth = provider.auth
        now, of = self.clock.now(), (provider.name, text, auth.kind, auth.token_url, auth.scope)
        known = self._tokens.get(of)
        if known is None or now > known.ends_at - RESERVE or (fresh and now - known.made_at > FRESH):
            made = self._made(auth, text, now)
            if made is None:
                return Key(text)
            self._tokens = {each: token for each, token in self._tokens.items() if each[0] != provider.name}
            known = self._tokens[of] = _Token(made[0], now, now + made[1])
        return Key(text, known.text)

    def _made(self, auth: "Auth", text: str, now: float) -> tuple[str, float] | None:
        """Returns a new token and how long it lives, or None if none can be made of this key. Raises TokenFailed."""
        if not is_pair(text):
            return None
        if auth.kind == JWT:
            token = jwt(text, now)
            return None if token is None else (token, float(JWT_SECONDS - EARLY_SECONDS))
        assert auth.kind == OAUTH, auth.kind
        name, secret = Key(text).halves
        form = {"grant_type": "client_credentials", "client_id": name, "client_secret": secret}
        body = urlencode(form | ({"scope": auth.scope} if auth.scope else {}), quote_via=quote_plus).encode()
        headers = {"accept": "application/json", "content-type": "application/x-www-form-urlencoded"}
        try:
            answer = self.http.send(
                "POST", auth.token_url, headers=headers, body=body, deadline=TOKEN_SECONDS, max_bytes=TOKEN_BYTES
            )
        except RequestFailed as error:
            raise TokenFailed(f"no token came: {type(error).__name__}") from None
        if 200 <= answer.status < 300:
            made = token_in(answer.body)
            if made is None:
                raise TokenFailed("the server at token_url answered without a token")
            return made
        if 400 <= answer.status < 500 and answer.status not in AGAIN:
            return None
        raise TokenFailed(f"the server at token_url answered HTTP {answer.status}")
