"""Secrets Manager: the providers' keys and the subscribers' signing secrets. Nothing here is ever logged."""

import json
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from vidhook.edges import CONNECTIONS, aws
from vidhook.errors import NotFound
from vidhook.signature import PREFIX
from vidhook.task import SigningSecret
from vidhook.times import Clock

if TYPE_CHECKING:
    from mypy_boto3_secretsmanager import SecretsManagerClient

    from vidhook.task import Subscriber

CACHE_SECONDS = 300


class Secrets:
    """Reads and writes secrets. Reads are cached for five minutes; a subscriber's by version, so they are never old.

    `stack` begins the names of new subscribers' secrets. `key` is the ARN of the KMS key that they are encrypted with;
    without it AWS uses its own.
    """

    def __init__(
        self,
        *,
        provider_secret: str = "",
        default_secret: str = "",
        stack: str = "",
        key: str = "",
        client: "SecretsManagerClient | None" = None,
        clock: "Clock | None" = None,
    ) -> None:
        self._provider_secret = provider_secret
        self._default_secret = default_secret
        self._stack = stack
        self._encrypted: dict[str, Any] = {"KmsKeyId": key} if key else {}
        self._client: SecretsManagerClient = client or aws.client("secretsmanager", max_pool_connections=CONNECTIONS)
        self._clock = clock or Clock()
        self._texts: dict[tuple[str, str | None], tuple[float, str]] = {}

    def provider_key(self, name: str, *, fresh: bool = False) -> str | None:
        """Returns the key for this provider, or None when the secret holds none. `fresh` does not use the cache."""
        try:
            keys = json.loads(self._text(self._provider_secret, fresh=fresh))
        except ValueError:
            keys = None
        key = keys.get(name) if isinstance(keys, dict) else None
        return key.strip() if isinstance(key, str) and key.strip() else None

    def signing(self, subscriber: "Subscriber", now: float) -> tuple[str, ...]:
        """Returns the secrets that sign for this subscriber now, newest first.

        Raises NotFound when they were deleted, or edited into something that cannot be read.
        """
        if subscriber.secret_name == self._default_secret:
            return (self.default(),)
        errors = self._client.exceptions
        try:
            text = self._text(subscriber.secret_name, version=subscriber.secret_version)
        except (errors.ResourceNotFoundException, errors.InvalidRequestException):
            raise NotFound(f"the signing secret of {subscriber.id} is not in Secrets Manager") from None
        try:
            known = [SigningSecret(**entry) for entry in json.loads(text)["secrets"]]
            return tuple(entry.secret for entry in known if entry.signs(now))
        except (ValueError, KeyError, TypeError):
            raise NotFound(f"the signing secret of {subscriber.id} cannot be read; rotate it") from None

    def default(self) -> str:
        """Returns the stack's own signing secret, for callback_urls and the links to videos."""
        return PREFIX + self._text(self._default_secret).strip().removeprefix(PREFIX)

    @property
    def default_name(self) -> str:
        """The name of the stack's own signing secret in Secrets Manager."""
        return self._default_secret

    def name_of(self, subscriber_id: str) -> str:
        """Returns the name for the secrets of a new subscriber in Secrets Manager."""
        return f"{self._stack}/subscriber/{subscriber_id}"

    def put_signing(self, name: str, secrets: "tuple[SigningSecret, ...]") -> str:
        """Writes a subscriber's secrets, and creates the entry if there is none. Returns the version."""
        text = json.dumps({"secrets": [asdict(entry) for entry in secrets]})
        try:
            answer = self._client.put_secret_value(SecretId=name, SecretString=text)
        except self._client.exceptions.ResourceNotFoundException:
            created = self._client.create_secret(
                Name=name, SecretString=text, Description="Signing secrets of a vidhook subscriber", **self._encrypted
            )
            return created["VersionId"]
        return answer["VersionId"]

    def read_signing(self, name: str, version: str | None = None) -> tuple[SigningSecret, ...]:
        """Returns all secrets of a subscriber, expired ones too: those of a version, or the latest."""
        text = self._text(name, version=version, fresh=version is None)
        return tuple(SigningSecret(**entry) for entry in json.loads(text)["secrets"])

    def delete_signing(self, name: str) -> None:
        """Deletes a subscriber's secrets immediately, if they exist."""
        try:
            self._client.delete_secret(SecretId=name, ForceDeleteWithoutRecovery=True)
        except self._client.exceptions.ResourceNotFoundException:
            return

    def _text(self, name: str, *, version: str | None = None, fresh: bool = False) -> str:
        now = self._clock.now()
        known = self._texts.get((name, version))
        if known and not fresh and (version is not None or now - known[0] < CACHE_SECONDS):
            return known[1]
        if version is None:
            answer = self._client.get_secret_value(SecretId=name)
        else:
            answer = self._client.get_secret_value(SecretId=name, VersionId=version)
        text = answer["SecretString"]
        self._texts[name, version] = (now, text)
        return text
