"""What is kept of a provider's answer: enough to understand it, and nothing that gives access to anything."""

import json
import re
import time
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from tests.unit.test_redaction import KEY, SPELLINGS
from vidhook.answer import LOOKED_AT, MOST_BYTES, kept
from vidhook.event import serialize
from vidhook.providers.file import bundled
from vidhook.providers.reading import read
from vidhook.task import Answer

PROVIDER = bundled()["alad"]
SIGNED = "https://cdn.example/films/a.mp4?X-Amz-Credential=AKIA5&X-Amz-Signature=c0ffee5ec4e7"
json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda each: st.lists(each) | st.dictionaries(st.text(), each),
)


def keeps(body: bytes, headers: dict[str, str] | None = None, status: int = 200, key: str | None = KEY) -> Answer:
    """What is kept of an answer to a poll."""
    secrets = (key,) if key else ()
    reading = read(PROVIDER, status=status, headers=headers or {}, body=body, task_id="t1", now=0.0, secrets=secrets)
    return kept(status, headers or {}, body, reading=reading, word="processing", secrets=secrets, at=1.0)


def shown(answer: Answer) -> str:
    return serialize([answer.body, answer.headers])


def test_an_answer_is_kept_beside_what_was_read_of_it() -> None:
    """Who wonders about one must see the other."""
    body = {"data": {"task_id": "t1", "status": "IN_PROGRESS", "progress": "40%"}}
    answer = keeps(json.dumps(body).encode(), {"Content-Type": "application/json", "Set-Cookie": "session=1"})
    assert (answer.body, answer.truncated, answer.status) == (body, False, 200)
    assert answer.headers == {"content-type": "application/json"}
    assert answer.read["status"] == "processing"
    assert answer.read["provider_status"] == "IN_PROGRESS"
    assert answer.read["progress"] == 40
    assert answer.read["outcome"] == "snapshot"


@pytest.mark.parametrize("how", list(SPELLINGS))
@pytest.mark.parametrize("form", ['{{"error": "bad key {key}"}}', "<p>bad key {key}</p>", '[1, "{key}"]'])
def test_no_spelling_of_our_key_is_kept(how: str, form: str) -> None:
    """Who may read a task may not use the provider's account."""
    body = form.format(key=SPELLINGS[how](KEY).replace('"', '\\"')).encode()
    assert KEY not in shown(keeps(body))
    assert "5f0c8a" not in shown(keeps(body))


def test_our_key_is_hidden_in_utf_16_too() -> None:
    """An answer that is no object is shown as it was written."""
    for coding in ("utf-16", "utf-16-le", "utf-32-be"):
        assert "5f0c8a" not in shown(keeps(f"a text with {KEY}".encode(coding))).replace("\\u0000", "")


@pytest.mark.parametrize(
    "text",
    [
        SIGNED,
        SIGNED.replace("/", r"\/"),
        SIGNED.replace("&", r"\u0026"),
        SIGNED.replace("&", "&amp;"),
        SIGNED.replace("https", "HTTPS"),
        SIGNED.replace("?", "#"),
        "https://user:c0ffee5ec4e7@host.example/a.mp4",
        "ftp://user:c0ffee5ec4e7@host.example/a.mp4",
        "s3://bucket/a.mp4?versionId=c0ffee5ec4e7",
        "rtmp://live.example/app/a.mp4?key=c0ffee5ec4e7",
        f'{{"inner": "{SIGNED}"}}',
        '{"API Key": "c0ffee5ec4e7"}',
        "/films/a.mp4?Signature=c0ffee5ec4e7&Expires=1",
        "https%3A%2F%2Fcdn.example%2Fa%3FX-Amz-Signature%3Dc0ffee5ec4e7",
        '{"access_token": "c0ffee5ec4e7"}',
        '{"Authorization": "Bearer c0ffee5ec4e7 more"}',
    ],
)
@pytest.mark.parametrize("wrap", ["json", "twice", "text", "name", "cut"])
def test_no_signature_is_kept(text: str, wrap: str) -> None:
    """A signed link gives access to the film, to whoever has it."""
    bodies: dict[str, Any] = {
        "json": json.dumps({"url": text, "all": [text]}),
        "twice": json.dumps({"result": json.dumps({"url": text})}),
        "text": f"<html>see {text} or so",
        "name": json.dumps({text: 1}),
        "cut": '{"url": ' + json.dumps(text) + ', "rest": "' + "x" * 2 * MOST_BYTES,
    }
    answer = keeps(bodies[wrap].encode())
    assert "c0ffee5ec4e7" not in shown(answer)
    assert "a.mp4" not in text or "a.mp4" in shown(answer)


def test_a_secret_by_its_name_is_hidden() -> None:
    """A provider may give a token for an upload or a session; counts of tokens are none."""
    body = {"token": "abc", "uploadSignature": "abc", "api_key": "abc", "usage": {"total_tokens": 7}, "secrets": ["x"]}
    assert keeps(json.dumps(body).encode()).body == {
        "token": "[hidden]",
        "uploadSignature": "[hidden]",
        "api_key": "[hidden]",
        "usage": {"total_tokens": 7},
        "secrets": ["[hidden]"],
    }


JWT = "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJjMGZmZWU1ZWM0ZTcifQ.c0ffee5ec4e7-x_y"
SECRETS: list[Any] = [
    {"token": 12055377},
    {"token": {"value": "c0ffee5ec4e7", "more": [12055377]}},
    {"tokens": ["c0ffee5ec4e7"]},
    {"credentials": {"user": "c0ffee5ec4e7"}},
    {"cookies": [{"a": "c0ffee5ec4e7"}]},
    {"private_key": "c0ffee5ec4e7"},
    {"privateKey": "c0ffee5ec4e7"},
    {"jwt": "c0ffee5ec4e7"},
    {"accessJwt": "c0ffee5ec4e7"},
    {"x-api-key": "c0ffee5ec4e7"},
    {"sessionId": "c0ffee5ec4e7"},
    {"auth": "c0ffee5ec4e7"},
    {"name": "token", "value": "c0ffee5ec4e7"},
    {"value": 12055377, "name": "upload_token"},
    {"headers": [{"key": "Authorization", "value": "c0ffee5ec4e7"}]},
    {"headers": [["Authorization", "c0ffee5ec4e7"], ["Accept", "*/*"]]},
    {"inner": '{"token": 12055377, "list": [{"name": "token", "value": {"a": "c0ffee5ec4e7"}}]}'},
    {"inner": {"log": '[{"session": "{\\"jwt\\": \\"c0ffee5ec4e7\\"}"}]'}},
    {"message": f"no such user: {JWT}"},
    {JWT: 1},
    [JWT],
    {"message": "Incorrect API key provided: sk-proj-c0ffee5ec4e7c0ffee5ec4e7"},
    {"log": "> Authorization: Bearer c0ffee5ec4e7"},
    {"log": "> X-Goog-Api-Key: c0ffee5ec4e7"},
    {"log": "sent with bearer c0ffee5ec4e7"},
    {"log": "-----BEGIN RSA PRIVATE KEY-----\nc0ffee5ec4e7\n-----END RSA PRIVATE KEY-----"},
]


@pytest.mark.parametrize("body", SECRETS, ids=str)
@pytest.mark.parametrize("wrap", ["json", "too long", "cut", "text"])
def test_what_gives_access_is_hidden_whatever_its_type_and_its_place(body: Any, wrap: str) -> None:
    """A number, an object, a pair of a name and a value, JSON in a text, or a text that speaks for itself."""
    text = json.dumps(body)
    bodies = {
        "json": json.dumps({"of": body, "status": "queued"}),
        "too long": json.dumps({"of": body, "status": "queued", "rest": ["x" * 99] * 999}),
        "cut": f'{{"of": {text}, "rest": "',
        "text": f"the request failed with {text}",
    }
    kept = shown(keeps(bodies[wrap].encode(), {"x-request-id": "r"}))
    assert not re.search("c0ffee5ec4e7|12055377|eyJzdWI", kept)
    assert "queued" in kept or wrap in ("cut", "text")


@pytest.mark.parametrize(
    "body",
    [
        {"usage": {"total_tokens": 7, "prompt_tokens": "12", "token_type": "x"}, "has_token": True, "token": None},
        {"name": "prompt", "value": "a cat"},
        {"headers": [["Accept", "*/*"]], "author": "me", "keyframes": [1], "monkey": "see", "design": "x"},
        {"result": '{"url": "https://a.example/b.mp4", "seed": 7}', "message": "Invalid token, please log in"},
        {"message": "basic information about eyJ and a.b.c; error code: 1201; basic authentication"},
    ],
    ids=str,
)
def test_what_is_no_secret_stays(body: Any) -> None:
    """An answer is read to understand it."""
    assert keeps(json.dumps(body).encode()).body == body


@pytest.mark.parametrize("coding", ["utf-8", "utf-16", "utf-32"])
@pytest.mark.parametrize("how", list(SPELLINGS))
def test_a_key_at_the_end_of_what_is_looked_at_is_hidden_too(how: str, coding: str) -> None:
    """What is before it may be so much shorter when its links are hidden that the end is shown."""
    unit = len("xx".encode(coding)) - len("x".encode(coding))
    mark = len("x".encode(coding)) // unit - 1
    spelled = SPELLINGS[how](KEY)
    for part in (len(spelled) // 3, len(spelled) // 2, len(spelled) - 1):
        link = "<html>https://a.example/b?"
        link += "s" * (LOOKED_AT // unit - mark - len(link) - 1 - part) + " "
        answer = keeps(f"{link}{spelled} and more{'.' * LOOKED_AT}".encode(coding))
        for begin in (KEY[:8], spelled[:8]):
            assert begin not in shown(answer), part


def test_a_file_in_an_answer_is_told_only_by_its_beginning() -> None:
    """What is around it is worth more."""
    body = {"status": "SUCCESS", "url": "data:video/mp4;base64," + "A" * 2_000_000}
    answer = keeps(json.dumps(body).encode())
    assert not answer.truncated
    assert answer.body["url"].startswith("data:video/mp4;base64,AAA")
    assert answer.body["url"].endswith("[2000022 characters]")


def test_what_is_too_long_is_cut_and_says_so() -> None:
    """An item of the ledger has a price."""
    for body in (json.dumps({"status": "SUCCESS", "log": ["line"] * 9_000}), "x" * 100_000, "é" * 100_000):
        answer = keeps(body.encode())
        assert answer.truncated
        assert len(answer.body.encode()) <= MOST_BYTES
        assert answer.body[:9] == body[:9]
        assert answer.bytes == len(body.encode())


@given(st.binary(max_size=300) | json_values.map(lambda each: json.dumps(each).encode()))
@example(b"[" * 100_000)
@example(b'{"a":' * 100_000)
@example(b'{"a": "\\ud800", "\\ud800": NaN, "b": 1e999, "c": -Infinity}')
@example(b"\x00\xff\xfe")
@example(b'{"n": ' + b"9" * 10_000 + b"}")
@example(b"https://" * 20_000)
@example(b"https://a@" * 20_000)
@example(b'token":"' * 20_000)
@example(b"token\\" * 20_000)
@example(b'"token":"' + b"\\" * 65_000)
@example(b"eyJaaaaaa." * 6_500)
@example(b"token : " * 8_000)
@example(b"Authorization: " * 4_000)
@example(b"-----BEGIN PRIVATE KEY-----" * 2_400)
@example(b'{"a": "' + b"[" * 60_000 + b'"}')
@example(b'{"a": "[' + b"[]," * 20_000 + b']"}')
@settings(deadline=None, max_examples=40)
def test_whatever_the_bytes_an_answer_is_kept_as_plain_json(body: bytes) -> None:
    """It is a help for people, and must not cost a poll; terminals and services must take it."""
    answer = keeps(body)
    text = serialize([answer.body, answer.headers, answer.read])
    assert json.loads(text) == [answer.body, answer.headers, answer.read]
    shown(answer).encode("utf-8")
    json.dumps(answer.body, ensure_ascii=False).encode("utf-8")
    assert len(serialize(answer.body)) <= 6 * MOST_BYTES
    assert isinstance(answer.body, str) or len(serialize(answer.body)) <= MOST_BYTES


@pytest.mark.slow
@pytest.mark.parametrize(
    "body",
    [
        b'{"a": [' + b"0," * 4_000_000 + b"0]}",
        b'{"url": "' + b"https://x?" * 1_600_000 + b'"}',
        b"<" * 16 * 1024**2,
        b'"' + b"token=" * 2_000_000,
    ],
    ids=["numbers", "links", "text", "pairs"],
)
def test_keeping_a_large_answer_takes_no_longer_than_keeping_its_beginning(body: bytes) -> None:
    """A hostile provider could stop all polls with it."""
    reading = read(PROVIDER, status=200, headers={}, body=body, now=0.0, secrets=(KEY,))
    began = time.process_time()
    kept(200, {}, body, reading=reading, word="retry", secrets=(KEY,), at=0.0)
    assert time.process_time() - began < 0.5
    assert len(body) > LOOKED_AT
