"""Signatures that every Standard Webhooks library makes and accepts."""

import base64
import json
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st
from standardwebhooks import Webhook, WebhookVerificationError

from vidhook.signature import new_secret, sign, webhook_headers

SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
ID = "msg_p5jXN8AQM9LWM0D4loKWxJek"

secrets = st.binary(min_size=24, max_size=64).map(lambda key: "whsec_" + base64.b64encode(key).decode())
bodies = st.dictionaries(st.text(), st.text() | st.integers() | st.none()).map(lambda body: json.dumps(body).encode())


def test_the_published_example_has_the_same_signature() -> None:
    """The libraries of https://github.com/standard-webhooks/standard-webhooks test with this example."""
    signature = sign(SECRET, ID, 1_614_265_330, b'{"test": 2432232314}')
    assert signature == "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="


@given(secret=secrets, body=bodies)
def test_the_reference_library_verifies_what_we_sign(secret: str, body: bytes) -> None:
    """Subscribers verify with a library and not with our code."""
    headers = webhook_headers([secret], "evt_1", int(datetime.now(UTC).timestamp()), body)
    assert Webhook(secret).verify(body, headers) == json.loads(body)


@given(secret=secrets, body=bodies, at=st.integers(0, 4_000_000_000))
def test_we_sign_as_the_reference_library_signs(secret: str, body: bytes, at: int) -> None:
    """Both signatures of the same body are equal."""
    theirs = Webhook(secret).sign("evt_1", datetime.fromtimestamp(at, UTC), body.decode())
    assert sign(secret, "evt_1", at, body) == theirs


@given(live=st.lists(secrets, min_size=2, max_size=4, unique=True), body=bodies)
def test_any_live_secret_verifies_while_one_is_rotated(live: list[str], body: bytes) -> None:
    """A receiver may still have the old secret, or already the new one."""
    headers = webhook_headers(live, "evt_1", int(datetime.now(UTC).timestamp()), body)
    for secret in live:
        Webhook(secret).verify(body, headers)
    with pytest.raises(WebhookVerificationError):
        Webhook(new_secret()).verify(body, headers)


@given(body=bodies, where=st.integers(0, 10_000), flip=st.integers(1, 255))
def test_one_changed_byte_breaks_the_signature(body: bytes, where: int, flip: int) -> None:
    """The signature covers every byte of the body."""
    tampered = bytearray(body)
    tampered[where % len(body)] ^= flip
    assert sign(SECRET, ID, 1, bytes(tampered)) != sign(SECRET, ID, 1, body)


def test_a_new_secret_is_32_random_bytes() -> None:
    """The specification asks for 24 to 64 bytes that nobody can guess."""
    made = {new_secret() for _ in range(50)}
    assert len(made) == 50
    assert all(len(base64.b64decode(secret.removeprefix("whsec_"), validate=True)) == 32 for secret in made)


@pytest.mark.parametrize("secret", ["whsec_not base64", "whsec_YQ", "whsec_*"])
def test_a_broken_secret_is_refused_without_being_shown(secret: str) -> None:
    """The text of an error is written to logs."""
    with pytest.raises(ValueError, match="whsec_<base64>") as refused:
        sign(secret, ID, 1, b"{}")
    assert secret not in str(refused.value)
