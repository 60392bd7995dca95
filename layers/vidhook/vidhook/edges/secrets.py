"""Secrets Manager and KMS: the providers' keys and the subscribers' credentials. Nothing here is ever logged."""

import base64
import json
from collections.abc import Callable
from dataclasses import asdict
from functools import cached_property
from typing import TYPE_CHECKING, Any

from vidhook.edges import CONNECTIONS, aws
from vidhook.errors import NotFound
from vidhook.event import serialize
from vidhook.signature import PREFIX
from vidhook.task import Credentials, SigningSecret
from vidhook.times import Clock

if TYPE_CHECKING:
    from mypy_boto3_kms import KMSClient
    from mypy_boto3_secretsmanager import SecretsManagerClient

    from vidhook.task import Subscriber

CACHE_SECONDS = 300


class Secrets:
    """Reads the stack's secrets, which are cached for five minutes, and seals and opens the subscribers' credentials.

    `key` is the ARN of the KMS key that seals them. The ledger has what is sealed; KMS opens it only for the subscriber
    that it was sealed for, and each is asked for once. `client` makes the clients of AWS by their names, as in `Edges`.
    """

    def __init__(
        self,
        *,
        provider_secret: str = "",
        default_secret: str = "",
        key: str = "",
        client: Callable[[str], Any] | None = None,
        clock: "Clock | None" = None,
    ) -> None:
        self._provider_secret = provider_secret
        self._default_secret = default_secret
        self._key = key
        self._client = client or (lambda _: None)
        self._clock = clock or Clock()
        self._texts: dict[str, tuple[float, str]] = {}
        self._opened: dict[str, tuple[str | None, Credentials]] = {}

    # Not every function needs both, and each takes a while to make.

    @cached_property
    def manager(self) -> "SecretsManagerClient":
        """The client of Secrets Manager."""
        client: SecretsManagerClient = self._client("secretsmanager") or aws.client("secretsmanager")
        return client

    @cached_property
    def kms(self) -> "KMSClient":
        """The client of KMS."""
        client: KMSClient = self._client("kms") or aws.client("kms", max_pool_connections=CONNECTIONS)
        return client

    def provider_key(self, name: str, *, fresh: bool = False) -> str | None:
        """Returns the key for this provider, or None when the secret holds none. `fresh` does not use the cache."""
        try:
            keys = json.loads(self._text(self._provider_secret, fresh=fresh))
        except ValueError:
            keys = None
        key = keys.get(name) if isinstance(keys, dict) else None
        return key.strip() if isinstance(key, str) and key.strip() else None

    def needed_key(self, name: str, *, fresh: bool = False) -> str | None:
        """Returns a provider's key as `provider_key` does; one that is not remembered is looked for anew.

        An operator may have just put it. Not for polls: those of a provider without a key would each cost a request.
        """
        return (None if fresh else self.provider_key(name)) or self.provider_key(name, fresh=True)

    def default(self) -> str:
        """Returns the stack's own signing secret, for callback_urls and the links to videos."""
        return PREFIX + self._text(self._default_secret).strip().removeprefix(PREFIX)

    def credentials(self, subscriber: "Subscriber") -> Credentials:
        """Returns a subscriber's credentials. Raises NotFound when they cannot be read."""
        if subscriber.callback:
            return Credentials((SigningSecret(self.default()),))
        version = subscriber.sealed or subscriber.secret_version
        known = self._opened.get(subscriber.id)
        if known is None or known[0] != version:
            text = self._open(subscriber) if subscriber.sealed else self._unmoved(subscriber)
            known = self._opened[subscriber.id] = (version, _credentials(text, subscriber.id))
        return known[1]

    def seal(self, subscriber_id: str, credentials: Credentials) -> str:
        """Returns credentials encrypted for a subscriber, as text for the ledger."""
        answer = self.kms.encrypt(
            KeyId=self._key,
            Plaintext=serialize(asdict(credentials)).encode(),
            EncryptionContext=_context(subscriber_id),
        )
        return base64.b64encode(answer["CiphertextBlob"]).decode()

    def delete_unmoved(self, name: str) -> None:
        """Deletes what Secrets Manager has of a subscriber of an earlier version, if it still has it."""
        try:
            self.manager.delete_secret(SecretId=name, ForceDeleteWithoutRecovery=True)
        except self.manager.exceptions.ResourceNotFoundException:
            return

    def _open(self, subscriber: "Subscriber") -> str:
        errors = self.kms.exceptions
        try:
            answer = self.kms.decrypt(
                KeyId=self._key,
                CiphertextBlob=base64.b64decode(subscriber.sealed or ""),
                EncryptionContext=_context(subscriber.id),
            )
        except (ValueError, errors.InvalidCiphertextException, errors.IncorrectKeyException):
            raise _unreadable(subscriber.id) from None
        return answer["Plaintext"].decode()

    def _unmoved(self, subscriber: "Subscriber") -> str:
        errors, version = self.manager.exceptions, subscriber.secret_version
        try:
            answer = self.manager.get_secret_value(
                SecretId=subscriber.secret_name or "-", **({"VersionId": version} if version else {})
            )
        except (errors.ResourceNotFoundException, errors.InvalidRequestException):
            raise _unreadable(subscriber.id) from None
        return answer["SecretString"]

    def _text(self, name: str, *, fresh: bool = False) -> str:
        now = self._clock.now()
        known = self._texts.get(name)
        if known and not fresh and now - known[0] < CACHE_SECONDS:
            return known[1]
        text = self.manager.get_secret_value(SecretId=name)["SecretString"]
        self._texts[name] = (now, text)
        return text


def _context(subscriber_id: str) -> dict[str, str]:
    return {"subscriber": subscriber_id}


def _credentials(text: str, subscriber_id: str) -> Credentials:
    try:
        given = json.loads(text)
        return Credentials(tuple(SigningSecret(**entry) for entry in given["secrets"]), given.get("headers", {}))
    except (ValueError, KeyError, TypeError, AttributeError):
        raise _unreadable(subscriber_id) from None


def _unreadable(subscriber_id: str) -> NotFound:
    return NotFound(f"the signing secret of {subscriber_id} cannot be read; rotate it, and give its headers again")
