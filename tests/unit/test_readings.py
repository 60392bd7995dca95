"""A provider file that is tried on an answer: what is wrong in it, what is read and from where, what comes next."""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import pytest

from vidhook.errors import NotFound
from vidhook.pace import Pace
from vidhook.pacing import Pacer
from vidhook.providers.file import BUNDLED, bundled_text
from vidhook.readings import WHY, Trial, try_file
from vidhook.schedule import Pause
from vidhook.times import Clock

if TYPE_CHECKING:
    from vidhook.edges.ledger import Ledger

NOW = 1_800_000_000.0
DEADLINE = 86_400
SAMPLES = sorted((Path(__file__).parents[2] / "events" / "providers").glob("*/*.json"))
FILE = """
name = "mine"
base_url = "https://api.mine.example"
path = "/v1/videos/{task_id}"
link_lives_seconds = 86_400
expected_seconds = 120

[answer]
task = "data"
id = "id"
status = ["state", "status"]
model = ["engine", "model"]
error = "error"

[assets]
result = "video.url"
poster = "cover"

[status]
BAKED = "completed"
"""
FILM, COVER = "https://cdn.mine.example/v.mp4", "https://cdn.mine.example/c.jpg"
BAKED = {"id": "t1", "status": "BAKED", "model": "m1", "video": {"url": FILM}, "cover": COVER}


class NothingLearned:
    """A ledger, and its parts, in which nothing was learned, and no provider is known: it need not be."""

    def __init__(self) -> None:
        self.providers = self.paces = self

    def of(self, *_: object) -> tuple[Pace, Pace]:
        return Pace(), Pace()

    def get(self, name: str) -> Any:
        raise NotFound(name)


def tried(
    text: str, answer: dict[str, Any] | None = None, *, clock: Clock | None = None, **about: Any
) -> dict[str, Any]:
    clock = clock or Clock(lambda: NOW, lambda: 0.5)
    pacer = Pacer(cast("Ledger", NothingLearned()), clock)
    return try_file(text, Trial(answer, **about), pacer=pacer, clock=clock, deadline_seconds=DEADLINE)


def paths(found: dict[str, Any]) -> dict[str, str | None]:
    return {each["field"]: each["path"] for each in found["fields"]}


@pytest.mark.parametrize(
    ("change", "field", "line"),
    [
        (("[answer]", "[answers]"), "answers", 8),
        (('"video.url"', '"video[url"'), "[assets].result", 16),
        (("{task_id}", ""), "path", 4),
        (("= 120", "= -1"), "expected_seconds", 6),
        (('"completed"', '"done"'), "[status].BAKED", 20),
        (('status = ["state", "status"]', ""), "[answer].status", 8),
        (("expected_seconds = 120", "expected_seconds ="), "toml", 6),
        (('name = "mine"', "#" * 66_000), "toml", None),
    ],
)
def test_a_file_that_cannot_be_used_is_told_with_the_line(
    change: tuple[str, str], field: str, line: int | None
) -> None:
    """An editor marks it there."""
    found = tried(FILE.replace(*change), {"body": BAKED})
    assert (found["ok"], found["reading"], found["fields"], found["next"]) == (False, None, [], None)
    [problem] = found["problems"]
    assert (problem["field"], problem["line"]) == (field, line)
    assert problem["problem"]


def test_what_is_likely_wrong_is_told_with_the_line() -> None:
    """A key that is missing belongs into its table."""
    found = tried(FILE.replace('error = "error"', "").replace("https:", "http:"))
    assert found["ok"]
    lines = {each["text"].partition(" is ")[0]: each["line"] for each in found["warnings"]}
    assert lines == {"[answer].error": 8, "base_url": 3}
    assert (found["reading"], found["fields"], found["next"]) == (None, [], None)


def test_each_value_has_the_expression_that_gave_it() -> None:
    """Of several, the one that found it; the status word has its line of [status]."""
    found = tried(FILE, {"body": {"data": BAKED}}, task_id="t1")
    assert paths(found) == {
        "status": "[status].BAKED",
        "provider_status": "status",
        "object": None,
        "model": "model",
        "url": "video.url",
        "expires_at": None,
        "urls.poster": "cover",
    }
    assert found["reading"]["known_status"] is True
    assert found["next"]["why"] == "ended"


def test_a_value_that_no_expression_gave_has_its_place() -> None:
    """Such as a link that vidhook found by itself, or a reason that it guessed."""
    elsewhere = {**BAKED, "video": None, "out": [{"file": FILM}]}
    found = tried(FILE, {"body": {"data": elsewhere}}, age_seconds=500)
    assert paths(found)["url"] == "data.out[0].file"
    refused = tried(FILE.replace('error = "error"\n', ""), {"status": 400, "body": {"message": "too long"}})
    assert paths(refused)["error.message"] == "message"


def test_an_unknown_status_word_is_marked() -> None:
    """Its author adds it to [status]."""
    found = tried(FILE, {"body": {"data": {**BAKED, "status": "WOBBLING"}}})
    assert found["reading"]["known_status"] is False
    assert (paths(found)["provider_status"], paths(found)["status"]) == ("status", None)


def test_an_answer_may_be_text_and_have_a_second_one() -> None:
    """The link of some providers comes with another request."""
    file = FILE.replace("[status]", '[result]\npath = "/files/{file_id}"\n[result.fields]\nfile_id = "file"\n[status]')
    first = {"text": json.dumps({"data": {"id": "t1", "status": "BAKED", "file": "f1"}})}
    assert tried(file, first, task_id="t1")["next"]["why"] == "result"
    both = tried(file, {**first, "second": {"body": {"video": {"url": FILM}}}}, task_id="t1")
    assert (both["reading"]["url"], paths(both)["url"]) == (FILM, "video.url")
    assert both["next"]["why"] == "ended"


@pytest.mark.parametrize(
    ("answer", "about", "seconds", "why"),
    [
        ({"body": {"data": {"status": "running"}}}, {}, 30, "expected"),
        ({"body": {"data": {"status": "running"}}, "headers": {"Retry-After": "77"}}, {}, 77, "retry_after"),
        ({"status": 503, "headers": {"retry-after": "9999"}}, {"age_seconds": DEADLINE - 60}, 60, "deadline"),
        ({"status": 401, "body": {"error": "bad key"}}, {}, 900, "key_refused"),
        ({"status": 404, "body": {"error": "not found"}}, {"age_seconds": 300}, 15, "doubt"),
        ({"body": {"data": BAKED}}, {}, None, "ended"),
        ({"body": {"data": {"status": "running"}}}, {"age_seconds": DEADLINE}, None, "deadline"),
    ],
)
def test_what_comes_next_is_what_the_poller_would_do(
    answer: dict[str, Any], about: dict[str, Any], seconds: int | None, why: str
) -> None:
    """The pause and its reason in words."""
    coming = tried(FILE, answer, **about)["next"]
    assert coming["why"] == why
    assert coming["seconds"] == (seconds and pytest.approx(seconds, abs=20 if why == "expected" else 0))
    assert seconds is None or f"{coming['seconds']} s" in coming["text"]


def test_every_reason_of_a_pause_has_words() -> None:
    """A budget is no reason here: no poll is planned."""
    said = (Pause.__doc__ or "").partition("why:")[2].partition("spent:")[0]
    words = {word for word in said.replace("`", " ").split() if word.replace("_", "").isalpha() and word in WHY}
    assert words == WHY.keys()


@pytest.mark.parametrize("sample", SAMPLES, ids=lambda sample: f"{sample.parent.name}/{sample.stem}")
def test_every_recorded_answer_is_read_as_ever(sample: Path) -> None:
    """The page shows what the poller reads, and each value but vidhook's own with a path where a file gives it."""
    exchange = json.loads(sample.read_text("utf-8"))["exchange"]
    if exchange.get("provider") not in BUNDLED:
        return
    parts = ("status", "headers", "body", "text")
    answer = {name: exchange[name] for name in parts if name in exchange}
    if exchange.get("second"):
        answer["second"] = {name: exchange["second"][name] for name in parts if name in exchange["second"]}
    about = {"task_id": exchange.get("task_id"), "age_seconds": exchange.get("task_age_seconds")}
    found = tried(bundled_text(exchange["provider"]), answer, **about)
    assert found["ok"]
    values = {each["field"]: each["value"] for each in found["fields"]}
    for name, value in values.items():
        if "." not in name:
            assert found["reading"][name] == value
    word = found["reading"]["provider_status"]
    assert (word is None) is (paths(found).get("provider_status") is None)


def test_a_file_whose_expressions_take_long_is_still_answered() -> None:
    """The paths are what may be missing then."""
    times = iter(range(10_000))
    slow = Clock(lambda: NOW + 3 * next(times), lambda: 0.5)
    found = tried(FILE, {"body": {"data": BAKED}}, clock=slow)
    assert found["reading"]["url"] == FILM
    assert paths(found)["url"] is None
