"""Answers that no provider has sent yet: recorded ones with parts exchanged, left out, wrapped and written over."""

import json
import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from tests.unit.test_reading import check
from vidhook.providers.file import bundled
from vidhook.providers.reading import read
from vidhook.times import LONGEST_WAIT

PROVIDERS = bundled()
SAMPLES = [
    json.loads(path.read_text("utf-8"))["exchange"]
    for path in sorted((Path(__file__).parents[2] / "events" / "providers").glob("*/*.json"))
]
ODD: list[Any] = [
    *(
        None,
        True,
        False,
        0,
        -1,
        1.5,
        10**30,
        "",
        [],
        {},
        [[]] * 50,
        [{}] * 300,
        "success",
        "failed",
        "not found",
        "成功",
    ),
    *("still processing", "https://a.example/my film.mp4", "//a.example/x", "data:video/mp4;base64,AAAA", "<html>"),
    *("a" * 5_000, "{" * 3_000, '["' * 2_000, '{"error":' * 300, "code:" * 3_000, "http://" * 2_000, " " * 9_000),
    *("task " * 2_000, "not " * 2_000, "is " * 2_000, "_failed" * 500, "https://" + "a" * 9_000),
]


def pieces(value: object) -> Iterator[tuple[str | None, object]]:
    """Yields every key and every plain value in an answer."""
    if isinstance(value, dict):
        for key, inner in value.items():
            yield key, inner
            yield from pieces(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from pieces(inner)


FOUND = [piece for sample in SAMPLES for piece in pieces(sample.get("body"))]
KEYS = sorted({key for key, _ in FOUND if key})
VALUES = [value for _, value in FOUND if not isinstance(value, dict | list)] + ODD


def mutated(value: Any, chance: random.Random) -> Any:
    """Returns a value of an answer with some of its parts changed."""
    kind = chance.random()
    if kind < 0.08:
        return chance.choice(VALUES)
    if kind < 0.11:
        return chance.choice([json.dumps(value), [value], {chance.choice(KEYS): value}])
    if isinstance(value, list):
        return [mutated(inner, chance) for inner in value] * chance.choice([1, 1, 1, 0, 2, 40])
    if not isinstance(value, dict):
        return f"{value}{chance.choice(['_failed', '%', ' '])}{value}" if kind < 0.2 else value
    changed = {
        chance.choice(KEYS) if chance.random() < 0.04 else key: mutated(inner, chance)
        for key, inner in value.items()
        if chance.random() > 0.05
    }
    return changed | ({chance.choice(KEYS): chance.choice(VALUES)} if chance.random() < 0.1 else {})


@settings(max_examples=200, deadline=None)
@given(
    st.sampled_from(SAMPLES),
    st.randoms(use_true_random=False),
    st.sampled_from([200, 200, 200, 202, 400, 401, 403, 404, 410, 422, 429, 500]),
    st.sampled_from([None, 5.0, 300.0]),
    st.sampled_from(["1", "99999999", "2.5", "x", "-1", "1e9", "Mon, 27 Apr 2027 11:22:00 GMT"]),
)
def test_no_answer_raises_or_breaks_what_is_true_of_every_reading(
    sample: dict[str, Any], chance: random.Random, status: int, age: float | None, wish: str
) -> None:
    """A wait is at most a day, an end is certain or marked, and a completed task has files."""
    body = json.dumps(mutated(sample.get("body"), chance)).encode()
    reading = read(
        PROVIDERS[sample["provider"]],
        status=status,
        headers={"retry-after": wish},
        body=body,
        task_id=chance.choice([None, "task_1", "a/b", ".."]),
        age_seconds=age,
        now=1_777_288_860.0,
    )
    check(reading)
    assert (reading.retry_after_seconds or 0) <= LONGEST_WAIT
    if reading.seen is not None:
        assert reading.seen.status.final
        assert not reading.seen.said
