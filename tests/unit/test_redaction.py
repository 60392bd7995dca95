"""Our key in a provider's answer goes no further, however it is spelled."""

import base64
import html
import json
import time
from collections.abc import Callable
from typing import Any
from urllib.parse import quote

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from vidhook.providers.file import bundled
from vidhook.providers.reading import read
from vidhook.providers.values import document
from vidhook.redaction import with_key, without_keys

KEY = "sk/5f0c8a+D2==&<'\"x\\y%2Fz"
# What a key may have in it; with a sign of an escape in it, it may be another key that is escaped.
plain = [chr(code) for code in range(0x21, 0x7F) if chr(code) not in "[]"]
keys = st.text(st.sampled_from([each for each in plain if each not in "\\%&"]), min_size=8, max_size=60)
odd_keys = st.text(st.sampled_from(plain), min_size=9, max_size=60)


def every(escape: str, text: str) -> str:
    """A text with all its characters escaped, which nobody must do, but may."""
    return "".join(escape.format(ord(each)) for each in text)


SPELLINGS: dict[str, Callable[[str], str]] = {
    "plain": lambda key: key,
    "slashes": lambda key: key.replace("/", r"\/"),
    "json": lambda key: json.dumps(key)[1:-1],
    "json of all": lambda key: every(r"\u{:04x}", key),
    "json of all in capitals": lambda key: every(r"\u{:04X}", key),
    "javascript": lambda key: every(r"\x{:02x}", key),
    "json twice": lambda key: json.dumps(json.dumps(key)[1:-1])[1:-1],
    "url": lambda key: quote(key, safe=""),
    "url in small letters": lambda key: every("%{:02x}", key),
    "url twice": lambda key: quote(quote(key, safe=""), safe=""),
    "html": html.escape,
    "html by numbers": lambda key: every("&#{};", key),
    "html by sixteens": lambda key: every("&#x{:X};", key),
    "html twice": lambda key: html.escape(html.escape(key)),
    "html in json": lambda key: html.escape(key).replace("&", r"\u0026"),
    "url in html": lambda key: html.escape(quote(key)),
}


def encoded(key: str, before: bytes, after: bytes, urlsafe: bool) -> str:
    whole = before + key.encode() + after
    return (base64.urlsafe_b64encode if urlsafe else base64.b64encode)(whole).decode()


def hidden(answer: Any, key: str = KEY) -> Any:
    """What is read of an answer."""
    body = json.dumps(answer).encode()
    return without_keys(document(body), body, (key,))


@pytest.mark.parametrize("spelling", SPELLINGS)
@given(key=keys)
def test_a_key_is_hidden_in_every_spelling(spelling: str, key: str) -> None:
    """What stands around it stays, since people read why a task failed."""
    spelled = SPELLINGS[spelling](key)
    said = hidden({"error": {"message": f"no user {spelled}. Sorry"}, spelled: [spelled, 1, None]}, key)
    assert said == {"error": {"message": "no user [key]. Sorry"}, "[key]": ["[key]", 1, None]}


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "utf-32"])
def test_a_key_is_hidden_in_every_encoding_that_is_read(encoding: str) -> None:
    """JSON may come in UTF-16, and then no byte of the key stands beside the next one."""
    body = json.dumps({"error": f"bad key {KEY}"}).encode(encoding)
    assert without_keys(document(body), body, (KEY,)) == {"error": "bad key [key]"}


@pytest.mark.parametrize("spelling", ["plain", "json", "url", "html"])
@given(key=odd_keys)
@example(key=KEY)
def test_a_key_with_signs_of_escapes_is_hidden_in_the_usual_spellings(spelling: str, key: str) -> None:
    """Nobody has seen one, but a key may have any character."""
    spelled = SPELLINGS[spelling](key)
    said = hidden({"message": f"no user {spelled}"}, key)["message"]
    assert said.startswith("no user ")
    assert spelled not in said
    assert key not in said


@given(key=keys, before=st.binary(max_size=7), after=st.binary(max_size=7), urlsafe=st.booleans())
def test_a_key_is_hidden_in_base64(key: str, before: bytes, after: bytes, urlsafe: bool) -> None:
    """`Authorization: Basic` has it behind a name, so that it begins at any bit."""
    said = hidden({"message": f"bad header Basic {encoded(key, before, after, urlsafe)}."}, key)["message"]
    assert said.startswith("bad header Basic ")
    assert "[key]" in said
    assert said.endswith(".")


def test_json_in_a_string_hides_nothing() -> None:
    """The reader looks into it, after the whole answer was parsed."""
    inner = json.dumps({"error": {"message": "no user " + KEY.replace("/", r"\/")}}).replace(r"\\/", r"\/")
    said = hidden({"fail_reason": inner})
    assert "5f0c8a" not in json.dumps(said)
    assert json.loads(said["fail_reason"]) == {"error": {"message": "no user [key]"}}


def test_a_short_text_is_no_key() -> None:
    """It could be an ordinary word of the answer."""
    assert hidden({"status": "video"}, "video") == {"status": "video"}
    assert hidden({"status": "video"}, "") == {"status": "video"}


@given(answer=st.dictionaries(st.text(), st.text() | st.floats(allow_nan=False, allow_infinity=False) | st.none()))
def test_an_answer_without_the_key_is_left_as_it_is(answer: dict[str, Any]) -> None:
    """Escapes in it may be a part of a link."""
    assert hidden({**answer, "url": "https://cdn.example/a%2Fb?c=1&amp;d=%252F"}) == {
        **answer,
        "url": "https://cdn.example/a%2Fb?c=1&amp;d=%252F",
    }


def test_no_text_of_a_reading_has_the_key() -> None:
    """The code is spelled anew, and a long message is cut: a part of the key would be left."""
    spelled = KEY.replace("/", r"\/")
    body = json.dumps(
        {
            "data": {
                "status": "failed",
                "model": KEY,
                "error": {"code": spelled, "message": "x" * 1_990 + quote(KEY, safe="")},
            }
        }
    ).encode()
    for name, provider in bundled().items():
        reading = read(provider, status=200, headers={}, body=body, now=0.0, secrets=(KEY,))
        assert "5f0c8a" not in repr(reading).casefold(), name


def test_a_link_is_completed_again_for_the_hosts_own_file() -> None:
    """Else nobody could download it."""
    url = f"https://api.example/files/1?key={quote(KEY, safe='')}"
    said = hidden({"url": url})["url"]
    assert said == "https://api.example/files/1?key=[key]"
    assert with_key(said, KEY) == url
    assert with_key(said, None) == said


@pytest.mark.parametrize("part", ["\\", "%25", "&amp;", "sk/5f0c8", "\\u0026", "&#x"])
def test_a_large_answer_takes_no_time(part: str) -> None:
    """The function that polls pays for each second."""
    body = (part * (2**20 // len(part))).encode()
    began = time.process_time()
    without_keys({}, body, (KEY,))
    assert time.process_time() - began < 3
