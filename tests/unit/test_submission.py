"""Which submissions are accepted, and the errors of the others."""

import json
import math
from typing import Any

import jsonschema
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from vidhook.errors import BadInput, BadSubmission
from vidhook.schemas import check_texts
from vidhook.submission import LEVELS, METADATA_BYTES, Checked, check, schema
from vidhook.task import Submission

GOOD: dict[str, Any] = {"provider": "alad", "task_id": "asyntask_1"}
TOKEN = "AQCEAAAAKgAAAAMAAAAA-canary"
FIELDS = list(schema()["properties"])

anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text() | st.sampled_from(FIELDS), inner),
)
near_misses = st.fixed_dictionaries(
    {"provider": st.just("alad") | anything, "task_id": st.text(min_size=1) | anything},
    optional={name: anything for name in FIELDS if name not in GOOD},
)


def nested(levels: int) -> dict[str, Any]:
    value: dict[str, Any] = {}
    for _ in range(levels - 1):
        value = {"a": value}
    return value


def refusal(**fields: Any) -> BadSubmission:
    with pytest.raises(BadSubmission) as refused:
        check({**GOOD, **fields}, 86_400)
    return refused.value


def test_a_provider_and_a_task_are_enough() -> None:
    """Every other field has a default."""
    assert check(GOOD, 3_600) == Checked(Submission("alad", "asyntask_1", deadline_seconds=3_600))


def test_every_field_is_taken_over() -> None:
    """The task token is returned apart, because it is a credential and no part of the watch."""
    fields: dict[str, Any] = {
        "params": {"model": "fal-ai/veo3"},
        "metadata": {"order": "17"},
        "reference": "order-17",
        "callback_url": "https://hooks.example/?t=1",
        "expected_seconds": 90.5,
        "deadline_seconds": 600,
        "progress": True,
    }
    assert set(GOOD) | set(fields) | {"task_token", "create", "idempotency_key"} == set(FIELDS)
    assert check({**GOOD, **fields, "task_token": TOKEN}, 86_400) == Checked(Submission(**GOOD, **fields), TOKEN)


@pytest.mark.parametrize(
    ("fields", "field"),
    [
        ({"provider": "Alad"}, "provider"),
        ({"provider": ""}, "provider"),
        ({"provider": 7}, "provider"),
        ({"task_id": ""}, "task_id"),
        ({"task_id": 7}, "task_id"),
        ({"task_id": "a\nb"}, "task_id"),
        ({"task_id": "a\x85b"}, "task_id"),
        ({"reference": ""}, "reference"),
        ({"reference": "r" * 201}, "reference"),
        ({"reference": " order-17"}, "reference"),
        ({"reference": 17}, "reference"),
        ({"task_id": "a "}, "task_id"),
        ({"provider": "alad\u200b"}, "provider"),
        ({"task_id": "x" * 513}, "task_id"),
        ({"params": {"model": 7}}, "params"),
        ({"params": {"model": "a b"}}, "params"),
        ({"params": {"": "a"}}, "params"),
        ({"params": "model"}, "params"),
        ({"metadata": []}, "metadata"),
        ({"metadata": {"note": "x" * METADATA_BYTES}}, "metadata"),
        ({"metadata": nested(LEVELS + 1)}, "metadata"),
        ({"callback_url": ""}, "callback_url"),
        ({"callback_url": None}, "callback_url"),
        ({"expected_seconds": 0}, "expected_seconds"),
        ({"expected_seconds": True}, "expected_seconds"),
        ({"deadline_seconds": 604_801}, "deadline_seconds"),
        ({"deadline_seconds": 1.5}, "deadline_seconds"),
        ({"deadline_seconds": "60"}, "deadline_seconds"),
        ({"progress": "yes"}, "progress"),
        ({"task_token": ""}, "task_token"),
        ({"deadline": 60}, "deadline"),
        ({"taskid": "1"}, "taskid"),
    ],
)
def test_a_bad_field_is_named_with_its_problem_and_a_hint(fields: dict[str, Any], field: str) -> None:
    """Whoever reads the dead-letter queue must see what to change."""
    refused = refusal(**fields)
    assert refused.field == field
    assert refused.problem
    assert refused.hint
    assert str(refused) == f"{field}: {refused.problem}; {refused.hint}"


INVISIBLE = (
    " \u00a0\u00ad\u034f\u061c\u115f\u1160\u1680\u2003\u200b\u200c\u200d\u2060\u2800\u3000\u3164\ufeff\uffa0\U000e0020"
)
CONTROLS = "\0\t\n\r\x1b\x7f\x85\u2028\u2029"


@pytest.mark.parametrize(
    ("task_id", "character", "where"),
    [
        *[(f"{each}abc", each, "at its beginning") for each in INVISIBLE + CONTROLS],
        *[(f"abc{each}", each, "at its end") for each in INVISIBLE + CONTROLS],
        *[(f"ab{each}c", each, "as character 3") for each in CONTROLS],
        *[(each, each, "at its end") for each in INVISIBLE + CONTROLS],
    ],
)
@pytest.mark.parametrize("field", ["task_id", "provider"])
def test_a_character_that_nobody_sees_is_named(field: str, task_id: str, character: str, where: str) -> None:
    """It comes with copying, and a provider that answers 404 to it would cost the task."""
    refused = refusal(**{field: task_id})
    assert refused.field == field
    assert f"U+{ord(character):04X} (" in refused.problem
    assert refused.problem.endswith(where)
    assert "strip it" in refused.hint


@pytest.mark.parametrize(
    "task_id", ["a b", "a/b", "/a", "a//", "a\u200db", "a\u00a0b", "\u89c6\u9891", "\U0001f3ac", "..a"]
)
def test_an_id_that_can_be_seen_is_accepted(task_id: str) -> None:
    """Providers choose their ids, and some have blanks or slashes in them."""
    assert check({**GOOD, "task_id": task_id}, 60).submission.task_id == task_id


@given(task_id=st.text(min_size=1, max_size=5) | st.text(st.sampled_from(INVISIBLE + CONTROLS + "ab"), min_size=1))
@example(task_id="0\n")
def test_the_schema_says_of_an_id_what_the_check_says(task_id: str) -> None:
    """Callers validate with the schema before they submit; it does not know the invisible characters beyond U+FFFF."""
    fits = not list(jsonschema.Draft7Validator(schema()).iter_errors({**GOOD, "task_id": task_id}))
    fits = fits and not task_id.endswith("\n")  # in Python alone, `$` fits before a line break too
    try:
        check({**GOOD, "task_id": task_id}, 60)
    except BadSubmission:
        assert not fits or any(ord(each) > 0xFFFF for each in task_id)
    else:
        assert fits


@pytest.mark.parametrize(
    ("fields", "field", "where"),
    [
        ({"metadata": {"order": ["17", "a\ud83d"]}}, "metadata.order[1]", "value (U+D83D)"),
        ({"metadata": {"a": {"b\udc00": 1}}}, r"metadata.a.b\udc00", "name (U+DC00)"),
        ({"metadata": {"a": [[{"b": "\udfff"}]]}}, "metadata.a[0][0].b", "value (U+DFFF)"),
        ({"task_id": "a\ud800b"}, "task_id", "value (U+D800)"),
        ({"callback_url": "https://hooks.example/\ud800"}, "callback_url", "value (U+D800)"),
        ({"provider": "\ud800"}, "provider", "value (U+D800)"),
        ({"\ud800": 1}, r"\ud800", "name (U+D800)"),
        ({"metadata": {"first": "\ud800", "last": "\udfff"}}, "metadata.first", "value (U+D800)"),
    ],
)
def test_half_of_a_character_is_refused_with_its_place(fields: dict[str, Any], field: str, where: str) -> None:
    """No text in UTF-8 has it, so the event could not be sent to everybody."""
    refused = refusal(**fields)
    assert refused.field == field
    assert where in refused.problem
    assert "UTF-16" in refused.hint
    str(refused).encode()


def test_what_is_too_deep_to_look_at_is_refused() -> None:
    """Python gives up on it with an error of its own."""
    value: list[Any] = []
    for _ in range(100_000):
        value = [value]
    with pytest.raises(BadInput, match="terms: is nested over too many levels; make it flatter"):
        check_texts(value, "terms")


def test_a_pair_of_halves_is_a_character() -> None:
    """JSON in ASCII writes a film as two escapes."""
    raw = json.loads('{"provider": "alad", "task_id": "\\ud83c\\udfac", "metadata": {"\\ud83c\\udfac": "\\u0000"}}')
    assert check(raw, 60).submission.metadata == {"\U0001f3ac": "\0"}


@pytest.mark.parametrize("name", ["a\0b", "\x1b[2J", "\uffff", "\x7f", "a" * 100_000])
def test_a_name_in_an_error_can_be_shown_and_sent(name: str) -> None:
    """It goes into a message attribute of SQS, which refuses such characters, into logs and onto terminals."""
    refused = refusal(**{name: 1})
    assert "is not a field" in refused.problem
    assert str(refused).isprintable()
    assert len(str(refused)) < 1_000


@pytest.mark.parametrize(
    ("raw", "field", "problem"),
    [
        ({}, "provider", "is missing"),
        ({"provider": "alad"}, "task_id", "is missing"),
        ({"task_id": "1"}, "provider", "is missing"),
        (None, "submission", "is NoneType, not a JSON object"),
        ([GOOD], "submission", "is list, not a JSON object"),
        (json.dumps(GOOD), "submission", "is str, not a JSON object"),
    ],
)
def test_what_is_missing_is_named(raw: Any, field: str, problem: str) -> None:
    """The author of a client may never have read the schema."""
    with pytest.raises(BadSubmission) as refused:
        check(raw, 86_400)
    assert (refused.value.field, refused.value.problem) == (field, problem)


def test_a_misspelled_field_is_answered_with_the_nearest_one() -> None:
    """If `expected_second` were ignored silently, every task would cost more polls than needed."""
    assert "did you mean expected_seconds?" in refusal(expected_second=60).hint


@given(raw=anything | near_misses)
@example(raw={**GOOD, "metadata": nested(900)})
@example(raw={**GOOD, "metadata": {"a": math.nan}})
@example(raw={**GOOD, "expected_seconds": math.nan})
@example(raw={**GOOD, "expected_seconds": math.inf})
@example(raw={**GOOD, "deadline_seconds": 10**400})
def test_whatever_comes_in_is_accepted_or_refused(raw: Any) -> None:
    """Another error would be retried for hours and reach the dead-letter queue without a reason."""
    try:
        submission = check(raw, 86_400).submission
    except BadSubmission:
        return
    assert isinstance(submission.deadline_seconds, int)
    assert submission.expected_seconds is None or math.isfinite(submission.expected_seconds)
    jsonschema.Draft7Validator(schema()).validate(raw)


@given(deadline=st.integers(1, 604_800))
def test_a_whole_number_written_with_a_point_is_a_whole_number(deadline: int) -> None:
    """Some languages have only one type of number."""
    submission = check({**GOOD, "deadline_seconds": float(deadline)}, 86_400).submission
    assert str(submission.deadline_seconds) == str(deadline)


@pytest.mark.parametrize(
    "raw",
    [
        {**GOOD, "task_token": TOKEN * 100},
        {**GOOD, "task_token": [TOKEN]},
        {**GOOD, "task_token": TOKEN, "provider": 1},
        {**GOOD, "task_token": TOKEN, "nonsense": TOKEN},
        {"task_token": TOKEN},
        TOKEN,
        [TOKEN],
    ],
)
def test_a_task_token_is_never_in_an_error(raw: Any) -> None:
    """Errors are logged, and whoever has the token can end the execution that waits."""
    with pytest.raises(BadSubmission) as refused:
        check(raw, 86_400)
    assert TOKEN not in str(refused.value)


def test_a_callback_urls_query_is_never_in_an_error() -> None:
    """The query often contains a secret of the receiver."""
    assert "hunter2" not in str(refusal(callback_url="https://h.example/?k=hunter2" + "x" * 2_048))


def test_the_schema_is_valid_and_explains_every_field() -> None:
    """The schema is also the documentation of a submission."""
    jsonschema.Draft7Validator.check_schema(schema())
    assert all(field["description"] for field in schema()["properties"].values())
