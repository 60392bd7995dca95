"""Whatever comes in by any way is accepted or put aside with a reason, and its neighbours are untouched."""

import json
import re
from dataclasses import dataclass, field
from typing import Any

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from werkzeug.test import Client

import serve_api
import submit_task
from tests.integration.gateway import Gateway
from tests.integration.test_handlers import Context, Stack, stack
from tests.integration.world import says, snapshot_of
from vidhook import subscribers, wiring
from vidhook.edges.refused import BODY_BYTES, MESSAGE_BYTES, RefusedSubmissions
from vidhook.errors import BadSubmission, BadSubscriber, NotFound
from vidhook.event import terminal_event
from vidhook.submission import schema
from vidhook.task import Submission, watch_id
from vidhook_cli.tasks import find

__all__ = ["stack"]

# https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_SendMessage.html
CHARACTERS = re.compile("[\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]+")
CANARIES = {"task_token": "canary-token", "callback_url": "https://hooks.example/cb?key=hunter2"}
MANY = settings(
    max_examples=50,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)


@dataclass
class Aside:
    """What lies in the queue of refused submissions; a message that SQS would refuse is refused here."""

    put: list[tuple[str, str]] = field(default_factory=list)

    def send(self, params: dict[str, Any], **_: Any) -> None:
        ((name, attribute),) = params["MessageAttributes"].items()
        texts = (params["MessageBody"], attribute["StringValue"])
        if not all(map(CHARACTERS.fullmatch, texts)):
            raise ValueError("InvalidMessageContents")
        if sum(len(part.encode()) for part in (name, attribute["DataType"], *texts)) > MESSAGE_BYTES:
            raise ValueError("InvalidParameterValue: a message must be shorter")
        self.put.append(texts)


def listen(refused: RefusedSubmissions) -> Aside:
    aside = Aside()
    refused._client.meta.events.register("provide-client-params.sqs.SendMessage", aside.send)
    return aside


@pytest.fixture
def aside(stack: Stack) -> Aside:
    return listen(wiring.edges().refused_submissions)


def as_lambda(value: Any) -> None:
    """Lambda sends answers and errors as JSON in UTF-8, from Python 3.12 on without escapes."""
    assert json.loads(json.dumps(value, ensure_ascii=False).encode()) == value


def call(event: Any) -> Any:
    answer = submit_task.handler(event, Context())
    as_lambda(answer)
    return answer


def batch(*bodies: str) -> list[str]:
    """The places of the messages that are tried again."""
    answer = call({"Records": [{"messageId": str(at), "body": body} for at, body in enumerate(bodies)]})
    return [failure["itemIdentifier"] for failure in answer["batchItemFailures"]]


GOOD = {"provider": "acme", "task_id": "good"}
POISON = {
    "a control character in a name": json.dumps({**GOOD, "a\x00b": 1}),
    "a lone surrogate in a name": '{"provider": "acme", "task_id": "good", "a\\ud800b": 1}',
    "a noncharacter in a name": json.dumps({**GOOD, "a\uffffb": 1}),
    "a name of a megabyte": json.dumps({**GOOD, "a" * 1_000_000: 1}),
    "a name of many bytes": json.dumps({**GOOD, "\U0001f3ac" * 100_000: 1}),
    "brackets": "[" * 9_000,
    "braces": '{"a":' * 200_000,
    "SNS without a Message": json.dumps({"Type": "Notification", "TopicArn": "arn"}),
    "SNS with an object": json.dumps({"Type": "Notification", "TopicArn": "arn", "Message": GOOD}),
    "SNS with null": json.dumps({"Type": "Notification", "TopicArn": "arn", "Message": None}),
    "SNS with brackets": json.dumps({"Type": "Notification", "TopicArn": "arn", "Message": "[" * 9_000}),
    "near 1 MiB": json.dumps({**GOOD, "metadata": {"a": "x" * (2**20 - 80)}}),
    "near 256 KiB": json.dumps({**GOOD, "metadata": {"a": "x" * (2**18 - 80)}}),
    "of four bytes each": json.dumps({**GOOD, "metadata": {"a": "\U0001f3ac" * 2**17}}, ensure_ascii=False),
    "NaN": '{"provider": "acme", "task_id": "good", "expected_seconds": NaN}',
    "an infinity": '{"provider": "acme", "task_id": "good", "metadata": {"a": 1e999}}',
    "a huge integer": '{"provider": "acme", "task_id": "good", "deadline_seconds": ' + "9" * 5_000 + "}",
    "a large integer": '{"provider": "acme", "task_id": "good", "deadline_seconds": ' + "9" * 400 + "}",
    "no text": "",
    "raw controls": '{"provider": "acme", "task_id": "\x00\x1b"}',
    "broken UTF-8, as some read it": '{"provider": "acme", "task_id": "\udcff"}',
    "a surrogate in metadata": '{"provider": "acme", "task_id": "good", "metadata": {"order": ["\\ud800"]}}',
}


@pytest.mark.parametrize("poison", POISON)
def test_poison_is_put_aside_with_a_reason_and_its_neighbours_are_taken_in(
    stack: Stack,
    aside: Aside,
    poison: str,
) -> None:
    """A message that cannot even be put aside came back for ever, and its batch with it."""
    body = POISON[poison]
    assert batch('{"provider": "acme", "task_id": "a"}', body, '{"provider": "acme", "task_id": "b"}') == []
    assert {watch.submission.task_id for watch in stack.world.ledger.tasks.all()} == {"a", "b"}
    ((stored, reason),) = aside.put
    assert re.match(r"[^:]+: .+; .+", reason, re.DOTALL)
    assert stored == body or re.search(r"is not JSON|characters that SQS refuses|the body is too long", reason)


@pytest.mark.parametrize(
    ("body", "stored", "said"),
    [
        ("plain", "plain", "why"),
        ("é\U0001f3ac\t\r\n", "é\U0001f3ac\t\r\n", "why"),
        ("a\x00\ud800\uffff\x7f", r"a\u0000\ud800\uffff\u007f", "characters that SQS refuses are written as"),
        ("", "(an empty body)", "why"),
        ("x" * 2**20, "x" * BODY_BYTES, f"its first {BODY_BYTES} of 1048576 characters are here"),
        ("é" * 2**18, "é" * (BODY_BYTES // 2), f"its first {BODY_BYTES // 2} of 262144 characters are here"),
    ],
)
def test_what_was_cut_or_escaped_is_said(stack: Stack, aside: Aside, body: str, stored: str, said: str) -> None:
    """Whoever sends it again must know that it is not what came."""
    wiring.edges().refused_submissions.put(body, "why\x00" + "y" * 10_000)
    ((found, reason),) = aside.put
    assert found == stored
    assert said in reason
    assert reason.startswith("why\\u0000yy")


def test_a_refused_message_that_cannot_be_put_is_tried_again_alone(
    stack: Stack,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A throttled queue is no fault of the neighbours."""
    monkeypatch.setattr(wiring.edges().refused_submissions, "_queue_url", "https://sqs.us-east-1.amazonaws.com/1/none")
    bodies = ['{"provider": "acme", "task_id": "a"}', "{", '{"provider": "acme", "task_id": "b"}']
    assert batch(*bodies) == ["1"]
    assert {watch.submission.task_id for watch in stack.world.ledger.tasks.all()} == {"a", "b"}


@pytest.mark.parametrize(
    ("event", "field"),
    [
        (None, "submission"),
        (7, "submission"),
        ("Records", "submission"),
        ([GOOD], "submission"),
        ({"Records": 7}, "provider"),
        ({"Records": [{"body": "{}"}]}, "provider"),
        ({"detail-type": "vidhook.submit"}, "provider"),
        ({"submission": GOOD}, "provider"),
        ({"submission": GOOD, "execution": "\ud800"}, "execution"),
        ({"submission": GOOD, "execution": "x" * 81}, "provider"),
        ({**GOOD, "metadata": {"order": ["a", "\ud800"]}}, "metadata.order[1]"),
        ({**GOOD, "metadata": {"a": {"\udc00": 1}}}, r"metadata.a.\udc00"),
        ({**GOOD, "task_id": "a\ud800"}, "task_id"),
        ({**GOOD, "callback_url": "https://hooks.example/\ud800"}, "callback_url"),
        ({**GOOD, "task_token": "canary\ud800"}, "task_token"),
        ({**GOOD, "\ud800": 1}, r"\ud800"),
        ("\ud800", "submission"),
    ],
)
def test_a_direct_caller_is_told_the_place(stack: Stack, aside: Aside, event: Any, field: str) -> None:
    """As an error of our own, which Lambda can send."""
    with pytest.raises(BadSubmission) as refused:
        call(event)
    assert refused.value.field == field
    assert refused.value.hint
    as_lambda(str(refused.value))
    assert "canary" not in str(refused.value)
    assert list(stack.world.ledger.tasks.all()) == []
    assert aside.put == []


@pytest.mark.parametrize("given", [None, [GOOD], "x", 7, {**GOOD, "task_id": "\ud800"}])
def test_a_nested_execution_is_told_too(stack: Stack, given: Any) -> None:
    """Its input is whatever somebody started it with."""
    assert call({"submission": given, "execution": "nested"})["refusal"]


@pytest.mark.parametrize(
    ("terms", "secret", "field"),
    [
        ({"description": "\udcff"}, None, "description"),
        ({"metadata": {"team": ["\ud800"]}}, None, "metadata.team[0]"),
        ({"events": ("video.*", "\ud800")}, None, "events[1]"),
        ({"url": "https://hooks.example/\ud800"}, None, "url"),
        ({}, "whsec_\ud800", "secret"),
        ({}, "whsec_é", "secret"),
    ],
)
def test_the_command_refuses_what_a_schema_refuses(
    stack: Stack,
    terms: dict[str, Any],
    secret: str | None,
    field: str,
) -> None:
    """Its arguments may be bytes that are no UTF-8, which Python reads as halves of surrogate pairs."""
    here = stack.world
    given = subscribers.Terms(**{"url": "https://hooks.example/", **terms})
    with pytest.raises(BadSubscriber) as refused:
        subscribers.add(
            given, secret=secret, ledger=here.ledger, secrets=here.secrets, http=here.http, clock=here.clock
        )
    assert refused.value.field == field
    as_lambda(str(refused.value))


def test_the_command_looks_for_a_task_only_by_an_id_or_a_name(stack: Stack) -> None:
    """A text that begins like an id may be the provider's own."""
    own = stack.world.submit("tsk_7").watch.id
    assert find("tsk_7", stack.world.ledger) == own
    assert find(own, stack.world.ledger) == own
    with pytest.raises(NotFound):
        find("tsk_" + "a" * 3_000, stack.world.ledger)


@pytest.mark.parametrize("written", ["the watch", "the event"])
def test_half_a_pair_that_an_earlier_version_took_crashes_no_answer(stack: Stack, written: str) -> None:
    """Its task was followed, and the answer of the publisher fell over after all webhooks were out, again and again."""
    world = stack.world
    world.subscribe("one")
    half = Submission("acme", "t\ud83d", metadata={"\udc00": ["x\ud800", "\U0001f600"]})
    watch, _ = world.ledger.tasks.claim(half, "run", 1, world.now)
    world.web.script("/tasks/t%ED%A0%BD", says("failed", error="out of paint"))
    as_lambda(stack.call("PollTask", {"watch": watch.id, "execution": "run"}))
    if written == "the event":
        watch = world.ledger.tasks.watch(watch.id)
        event = terminal_event(watch, snapshot_of(watch), {}, world.now)
        body = event.body.replace("\\ufffd", "\\ud800")
        assert body != event.body
        object.__setattr__(event, "body", body)  # as it was made then
        world.ledger.tasks.put_event(event)
    answer = stack.call("PublishEvent", {"watch": watch.id, "execution": "run", "store_video": False})
    as_lambda(answer)
    data = answer["event"]["data"]
    assert (data["task_id"], data["metadata"]) == ("t\ufffd", {"\ufffd": ["x\ufffd", "\U0001f600"]})
    (asked,) = world.web.to("/one")
    assert json.loads(asked.body) == answer["event"]


# Odd JSON

texts = st.text(st.characters(exclude_categories=()), max_size=8) | st.sampled_from(["\ud83d", "\x00", "\ufffe", "é"])
scalars = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.sampled_from([10**30, -(10**400)])
    | st.floats()
    | texts
    | st.sampled_from([0, 1, 60, 60.0, True])
)
values = st.recursive(scalars, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3))
FIELDS = list(schema()["properties"])
near = st.fixed_dictionaries(
    {"provider": st.just("acme"), "task_id": st.text("abc", min_size=1) | texts},
    optional={
        "metadata": st.dictionaries(texts, values, max_size=3),
        "callback_url": st.sampled_from([CANARIES["callback_url"], "http://10.0.0.1/?key=hunter2"]) | values,
        "task_token": st.just(CANARIES["task_token"]) | values,
        "deadline_seconds": st.sampled_from([60, 60.0]) | values,
        "expected_seconds": st.floats(1, 100) | values,
        "progress": st.booleans() | values,
        "nonsense": values,
    },
)
odd = st.one_of(near, near, values)
deep = st.integers(1, 3_000).map(lambda levels: '{"metadata":' * levels + "1" + "}" * levels)


def in_sns(text: str) -> str:
    return json.dumps({"Type": "Notification", "TopicArn": "arn:aws:sns:x", "Message": text})


bodies = st.one_of(
    odd.map(json.dumps),
    odd.map(lambda value: json.dumps(value, ensure_ascii=False)),
    odd.map(json.dumps).map(in_sns),
    odd.map(json.dumps).map(lambda text: text[:-1]),
    st.tuples(near, near).map(lambda two: json.dumps(two[0])[:-1] + "," + json.dumps(two[1])[1:]),  # each name twice
    deep,
    deep.map(lambda text: f'{{"provider": "acme", "task_id": "d", "metadata": {text}}}'),
    texts,
)


def secrets_in(text: str) -> list[str]:
    return [canary for canary in ("canary-token", "hunter2") if canary in text]


class TestOddJson:
    @MANY
    @given(messages=st.lists(bodies, min_size=1, max_size=4), data=st.data())
    def test_every_message_of_a_batch_is_done(
        self,
        stack: Stack,
        aside: Aside,
        messages: list[str],
        data: st.DataObject,
    ) -> None:
        """Each is accepted, or put aside once with a reason; a second time makes no difference."""
        name = f"good-{len(aside.put)}-{data.draw(st.uuids())}"
        good = json.dumps({"provider": "acme", "task_id": name})
        at, before = data.draw(st.integers(0, len(messages))), len(aside.put)
        assert batch(*messages[:at], good, *messages[at:]) == []
        assert stack.world.ledger.tasks.watch(watch_id("acme", name))
        put = aside.put[before:]
        assert all(re.match(r".+: .+", reason, re.DOTALL) for _, reason in put), put
        assert secrets_in("".join(reason for _, reason in put)) == []
        assert batch(*messages, good) == []
        assert aside.put[before + len(put) :] == put
        for body in messages:
            before = len(aside.put)
            assert batch(body) == []
            if len(aside.put) == before:  # it is followed
                raw = json.loads(body)
                raw = json.loads(raw["Message"]) if "Message" in raw else raw
                assert stack.world.ledger.tasks.watch(watch_id("acme", raw["task_id"]))

    @MANY
    @given(raw=odd)
    @example(raw={**GOOD, "metadata": {"\ud800": 1}})
    @example(raw={**GOOD, **CANARIES})
    def test_a_direct_caller_the_bus_and_an_execution_get_the_same(
        self,
        stack: Stack,
        aside: Aside,
        raw: Any,
    ) -> None:
        """What one of them takes, all of them take; but the input of an execution may not have a token."""
        before = len(aside.put)
        try:
            task = call(raw)["id"]
        except BadSubmission as refused:
            task, reason = None, str(refused)
            as_lambda(reason)
        assert call({"detail-type": "vidhook.submit", "detail": raw}) == {}
        nested = call({"submission": raw, "execution": "nested"})
        if task is None:
            ((_, put),) = aside.put[before:]
            assert put == reason[: len(put)]
            assert nested["refusal"] == reason or "task_token" in raw
            assert secrets_in(reason + nested["refusal"]) == []
        else:
            assert aside.put[before:] == []
            assert call(raw)["created"] is False
            assert stack.world.ledger.tasks.watch(task)
            assert (nested["refusal"] is None) == ("task_token" not in raw)

    @MANY
    @given(body=bodies | st.binary(max_size=20), path=st.sampled_from(["/v1/tasks", "/v1/subscribers"]))
    @example(body='{"metadata": {"a": "\\ud800"}}', path="/v1/subscribers")
    def test_the_api_answers_every_body(
        self,
        stack: Stack,
        body: str | bytes,
        path: str,
    ) -> None:
        """With the task, or with a problem document that is the caller's."""
        content = body if isinstance(body, bytes) else body.encode("utf-8", "replace")
        answer = Client(Gateway(serve_api.handler)).post(path, data=content, content_type="application/json")
        assert answer.status_code in (200, 202, 400, 409, 413, 422), answer.text
        assert secrets_in(answer.text) == []


@pytest.fixture(autouse=True)
def api(stack: Stack, monkeypatch: pytest.MonkeyPatch) -> None:
    """The API of the same stack."""
    monkeypatch.setattr(serve_api, "edges", wiring.edges)
