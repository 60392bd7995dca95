"""Keys and signing secrets: read once in a while, never stale where it matters, never shown."""

import base64
import json
from typing import Any

import boto3
import pytest

from vidhook.edges.secrets import CACHE_SECONDS, Secrets
from vidhook.errors import NotFound
from vidhook.task import Credentials, SigningSecret, Subscriber
from vidhook.times import Clock

OLD, NEW = "whsec_b2xkb2xkb2xkb2xkb2xkb2xk", "whsec_bmV3bmV3bmV3bmV3bmV3bmV3"
NOW = 1_777_287_600.0
KNOWN = Credentials((SigningSecret(NEW), SigningSecret(OLD, NOW + 60)), {"X-Key": "key-of-a-gateway"})


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
    key = boto3.client("kms").create_key()["KeyMetadata"]["Arn"]
    return Secrets(provider_secret="keys", default_secret="default", key=key, clock=Clock(lambda: hands.now))


def put_keys(text: str) -> None:
    boto3.client("secretsmanager").put_secret_value(SecretId="keys", SecretString=text)


def subscriber(sealed: str) -> Subscriber:
    return Subscriber("sub_1", "https://hooks.example/", sealed)


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


class TestCredentials:
    def test_what_is_sealed_is_opened(self, secrets: Secrets) -> None:
        """Headers too, and the ledger's text shows none of it."""
        sealed = secrets.seal("sub_1", KNOWN)
        assert secrets.credentials(subscriber(sealed)) == KNOWN
        assert not [each for each in (OLD, NEW, "key-of-a-gateway") if each in sealed + str(base64.b64decode(sealed))]

    @pytest.mark.parametrize(("at", "live"), [(NOW + 59.9, (NEW, OLD)), (NOW + 60, (NEW,))])
    def test_an_old_secret_signs_to_the_end_of_its_time_and_no_longer(self, at: float, live: tuple[str, ...]) -> None:
        """That is the promise of a rotation."""
        assert KNOWN.signing(at) == live

    def test_what_is_sealed_opens_for_its_own_subscriber_only(self, secrets: Secrets) -> None:
        """Whoever may write to the ledger must not sign in another one's name by copying a text."""
        with pytest.raises(NotFound, match="sub_2"):
            secrets.credentials(Subscriber("sub_2", "https://hooks.example/", secrets.seal("sub_1", KNOWN)))

    def test_kms_is_asked_once_for_each(self, secrets: Secrets, monkeypatch: pytest.MonkeyPatch) -> None:
        """A thousand subscribers at a hundred events a second are more than KMS answers."""
        sealed, asked, decrypt = secrets.seal("sub_1", KNOWN), list[str](), secrets.kms.decrypt

        def counted(**given: Any) -> Any:
            asked.append(given["EncryptionContext"]["subscriber"])
            return decrypt(**given)

        monkeypatch.setattr(secrets.kms, "decrypt", counted)
        assert [secrets.credentials(subscriber(sealed)) for _ in range(5)] == [KNOWN] * 5
        assert asked == ["sub_1"]

    def test_a_rotation_is_seen_at_once(self, secrets: Secrets) -> None:
        """A warm Lambda must not sign with a leaked secret for another five minutes."""
        first, second = (Credentials((SigningSecret(each),)) for each in (OLD, NEW))
        assert secrets.credentials(subscriber(secrets.seal("sub_1", first))) == first
        assert secrets.credentials(subscriber(secrets.seal("sub_1", second))) == second

    @pytest.mark.parametrize("text", ["no base64", "AAAA"])
    def test_a_text_that_opens_nothing_is_told_as_such(self, secrets: Secrets, text: str) -> None:
        """One subscriber's spoilt secret is one failed attempt, not the end of a publishing."""
        with pytest.raises(NotFound, match="sub_1"):
            secrets.credentials(subscriber(text))

    @pytest.mark.parametrize("text", ["b" * 44, "whsec_" + "b" * 44, f"  {'b' * 44}\n"])
    def test_the_stacks_own_secret_signs_for_callback_urls_however_it_was_pasted(
        self, secrets: Secrets, text: str
    ) -> None:
        """CloudFormation makes it without the prefix, people paste it with."""
        boto3.client("secretsmanager").put_secret_value(SecretId="default", SecretString=text)
        callback = Subscriber("cb_1", "https://hooks.example/")
        assert secrets.credentials(callback).signing(NOW) == ("whsec_" + "b" * 44,)

    def test_credentials_do_not_show_themselves(self) -> None:
        """They would be in the first traceback."""
        assert not [each for each in (OLD, NEW, "key-of-a-gateway", "U-3") if each in repr((KNOWN, subscriber("U-3")))]


class TestEarlierVersions:
    """They had each subscriber's secrets in Secrets Manager."""

    def unmoved(self, text: str = json.dumps({"secrets": [{"secret": OLD}]})) -> Subscriber:
        created = boto3.client("secretsmanager").create_secret(Name="stack/subscriber/sub_1", SecretString=text)
        name, version = "stack/subscriber/sub_1", created["VersionId"]
        return Subscriber("sub_1", "https://hooks.example/", secret_name=name, secret_version=version)

    def test_they_sign_until_they_are_moved(self, secrets: Secrets) -> None:
        """An update of the stack must not delay a webhook."""
        assert secrets.credentials(self.unmoved()) == Credentials((SigningSecret(OLD),))

    @pytest.mark.parametrize("text", ["[]", '{"secrets": 7}', '{"secret": "x"}', '{"secrets": [{"key": "x"}]}', OLD])
    def test_one_that_was_edited_into_nonsense_is_told_as_such(self, secrets: Secrets, text: str) -> None:
        """Somebody pasted another into the console."""
        with pytest.raises(NotFound, match="sub_1") as told:
            secrets.credentials(self.unmoved(text))
        assert OLD not in str(told.value)

    def test_one_that_was_deleted_is_told_as_such(self, secrets: Secrets) -> None:
        """To delete it again is no error either."""
        known = self.unmoved()
        for _ in range(2):
            secrets.delete_unmoved("stack/subscriber/sub_1")
        with pytest.raises(NotFound, match="sub_1"):
            secrets.credentials(known)
