"""What a subscriber's webhooks may be sent with: what is refused, and that a refusal never shows a value."""

import string
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vidhook.credentials import FRAMING, MOST_HEADERS, OURS, checked_headers
from vidhook.edges.http import _check_headers
from vidhook.errors import BadSubscriber

CANARY = "Bearer canary-5f0c8a"
FRAMES = [
    "Host",
    "content-LENGTH",
    "Transfer-Encoding",
    "connection",
    "TE",
    "Trailer",
    "Upgrade",
    "Expect",
    "Keep-Alive",
]
CODED = ["Accept-Encoding", "Content-Encoding", "HTTP2-Settings", "Proxy-Authorization", "proxy-connection"]
SET_BY_US = ["Content-Type", "user-agent", "webhook-id", "Webhook-Signature", "webhook-timestamp", "webhook-anything"]
names = st.text(string.ascii_letters + string.digits + "-_.", min_size=1, max_size=64)


@given(headers=st.dictionaries(names, st.text(string.printable, min_size=1), max_size=3))
def test_whatever_is_accepted_can_be_sent(headers: dict[str, str]) -> None:
    """A header that the edge refuses would fail each delivery, long after somebody was told that it is fine."""
    try:
        accepted = checked_headers(headers)
    except BadSubscriber:
        return
    assert accepted == headers
    _check_headers(accepted)


@pytest.mark.parametrize("name", [*FRAMES, *CODED, *SET_BY_US])
def test_a_header_that_is_ours_or_frames_the_message_is_refused(name: str) -> None:
    """With one of these a receiver reads two requests in one, or believes a signature that is not ours."""
    with pytest.raises(BadSubscriber) as refused:
        checked_headers({name: CANARY})
    assert refused.value.field == f"headers.{name}"
    assert CANARY not in str(refused.value)


@pytest.mark.parametrize(
    "headers",
    [
        {"": CANARY},
        {"X Key": CANARY},
        {"X-Key:": CANARY},
        {"X-Kéy": CANARY},
        {"x" * 65: CANARY},
        {"X-Key": f"{CANARY}\r\nX-Other: 1"},
        {"X-Key": f" {CANARY}"},
        {"X-Key": f"{CANARY}\t"},
        {"X-Key": f"{CANARY}é"},
        {"X-Key": ""},
        {"X-Key": [CANARY]},
        {"X-Key": 7},
        {"X-Key": CANARY, "x-key": "1"},
        {"X-Key": CANARY * 200},
        {f"X-{number}": CANARY for number in range(MOST_HEADERS + 1)},
    ],
)
def test_what_is_no_header_is_refused_without_its_value(headers: dict[str, Any]) -> None:
    """The value is a credential, and errors are logged and shown."""
    with pytest.raises(BadSubscriber) as refused:
        checked_headers(headers)
    assert refused.value.field.startswith("headers")
    assert CANARY not in str(refused.value)


@pytest.mark.parametrize("name", ["Authorization", "X-Api-Key", "x-functions-key", "Cookie", "CF-Access-Client-Secret"])
def test_a_header_of_a_gateway_is_accepted(name: str) -> None:
    """These are what people need it for."""
    assert checked_headers({name: CANARY}) == {name: CANARY}
    assert not OURS.fullmatch(name)
    assert not FRAMING.fullmatch(name)
