"""Keys and signing secrets: read once in a while, never stale where it matters, never shown."""

import json

import boto3
import pytest

from vidhook.edges.secrets import CACHE_SECONDS, Secrets
from vidhook.errors import NotFound
from vidhook.task import SigningSecret, Subscriber
from vidhook.times import Clock

OLD, NEW = "whsec_b2xkb2xkb2xkb2xkb2xkb2xk", "whsec_bmV3bmV3bmV3bmV3bmV3bmV3"
NOW = 1_777_287_600.0


class Hands:
    """The time, set by a test."""

    now = NOW


@pytest.fixture
def hands() -> Hands:
    return Hands()


@pytest.fixture
def secrets(aws: None, hands: Hands) -> Secrets:
    for name, text in (("keys", '{"acme": " key-1\\n"}'), ("default", "b" * 44)):
        boto3.client("secretsmanager").create_secret(Name=name, SecretString=text)
    return Secrets(provider_secret="keys", default_secret="default", clock=Clock(lambda: hands.now))


def put_keys(text: str) -> None:
    boto3.client("secretsmanager").put_secret_value(SecretId="keys", SecretString=text)


def subscriber(version: str | None, name: str = "stack/subscriber/sub_1") -> Subscriber:
    return Subscriber("sub_1", "https://hooks.example/", name, version)


class TestProviderKeys:
    def test_a_key_is_found_by_its_provider(self, secrets: Secrets) -> None:
        """Without the line break that pasting leaves: a header must not hold it."""
        assert secrets.provider_key("acme") == "key-1"
        assert secrets.provider_key("other") is None

    @pytest.mark.parametrize("text", ["not json", "[]", "null", '{"acme": 5}', '{"acme": " "}', "{}"])
    def test_a_secret_that_holds_no_key_is_no_key(self, secrets: Secrets, text: str) -> None:
        """The provider then refuses, which is told and mended; an exception would end the watch."""
        put_keys(text)
        assert secrets.provider_key("acme") is None

    def test_a_key_is_remembered_for_minutes_and_read_anew_on_request(self, secrets: Secrets, hands: Hands) -> None:
        """A poll every second must not cost a call every second; a refused key must not wait for minutes."""
        secrets.provider_key("acme")
        put_keys('{"acme": "key-2"}')
        assert secrets.provider_key("acme") == "key-1"
        assert secrets.provider_key("acme", fresh=True) == "key-2"
        put_keys('{"acme": "key-3"}')
        hands.now += CACHE_SECONDS
        assert secrets.provider_key("acme") == "key-3"


class TestSigning:
    def test_what_is_put_signs(self, secrets: Secrets) -> None:
        """The first time makes the entry, the second changes it."""
        first = secrets.put_signing("stack/subscriber/sub_1", (SigningSecret(OLD),))
        second = secrets.put_signing("stack/subscriber/sub_1", (SigningSecret(NEW), SigningSecret(OLD, NOW + 60)))
        assert first != second
        assert secrets.signing(subscriber(second), NOW) == (NEW, OLD)
        assert secrets.read_signing("stack/subscriber/sub_1") == (SigningSecret(NEW), SigningSecret(OLD, NOW + 60))

    @pytest.mark.parametrize("key", ["", "arn:aws:kms:us-east-1:123456789012:key/4f1c"])
    def test_a_new_entry_is_encrypted_with_the_stacks_own_key(self, secrets: Secrets, key: str) -> None:
        """Whoever may not use the key may read no subscriber's secret, whatever else IAM allows."""
        Secrets(key=key).put_signing("stack/subscriber/sub_1", (SigningSecret(OLD),))
        described = boto3.client("secretsmanager").describe_secret(SecretId="stack/subscriber/sub_1")
        assert described.get("KmsKeyId", "") == key

    @pytest.mark.parametrize(("at", "live"), [(NOW + 59.9, (NEW, OLD)), (NOW + 60, (NEW,))])
    def test_an_old_secret_signs_to_the_end_of_its_time_and_no_longer(
        self, secrets: Secrets, at: float, live: tuple[str, ...]
    ) -> None:
        """That is the promise of a rotation."""
        version = secrets.put_signing("stack/subscriber/sub_1", (SigningSecret(NEW), SigningSecret(OLD, NOW + 60)))
        assert secrets.signing(subscriber(version), at) == live

    def test_a_rotation_is_seen_at_once_since_the_subscriber_names_the_version(self, secrets: Secrets) -> None:
        """A warm Lambda must not sign with a leaked secret for another five minutes."""
        first = secrets.put_signing("stack/subscriber/sub_1", (SigningSecret(OLD),))
        assert secrets.signing(subscriber(first), NOW) == (OLD,)
        second = secrets.put_signing("stack/subscriber/sub_1", (SigningSecret(NEW),))
        assert secrets.signing(subscriber(second), NOW) == (NEW,)

    def test_a_secret_that_was_deleted_is_told_as_such(self, secrets: Secrets) -> None:
        """One subscriber's missing secret is one failed attempt, not the end of a publishing."""
        version = secrets.put_signing("stack/subscriber/sub_1", (SigningSecret(OLD),))
        secrets.delete_signing("stack/subscriber/sub_1")
        secrets.delete_signing("stack/subscriber/sub_1")
        with pytest.raises(NotFound, match="sub_1") as told:
            secrets.signing(subscriber(version), NOW)
        assert OLD not in str(told.value)

    @pytest.mark.parametrize("text", ["", "[]", '{"secrets": 7}', '{"secret": "x"}', '{"secrets": [{"key": "x"}]}'])
    def test_a_secret_that_was_edited_into_nonsense_is_told_as_such(self, secrets: Secrets, text: str) -> None:
        """Somebody pasted another into the console."""
        secrets.put_signing("stack/subscriber/sub_1", (SigningSecret(OLD),))
        answer = boto3.client("secretsmanager").put_secret_value(
            SecretId="stack/subscriber/sub_1", SecretString=text or OLD
        )
        with pytest.raises(NotFound, match="sub_1") as told:
            secrets.signing(subscriber(answer["VersionId"]), NOW)
        assert OLD not in str(told.value)

    @pytest.mark.parametrize("text", ["b" * 44, "whsec_" + "b" * 44, f"  {'b' * 44}\n"])
    def test_the_stacks_own_secret_signs_however_it_was_pasted(self, secrets: Secrets, text: str) -> None:
        """CloudFormation makes it without the prefix, people paste it with."""
        boto3.client("secretsmanager").put_secret_value(SecretId="default", SecretString=text)
        assert secrets.signing(subscriber(None, name="default"), NOW) == ("whsec_" + "b" * 44,)

    def test_a_signing_secret_does_not_show_itself(self) -> None:
        """It would be in the first traceback."""
        assert OLD not in repr(SigningSecret(OLD))
        assert json.dumps({"secret": OLD}) not in str(SigningSecret(OLD))
