"""The page's functions that only compute, each imported in the browser as the page does it."""

from itertools import pairwise
from typing import Any

import pytest
from playwright.sync_api import Page

MODULES = "async ([file, name, given]) => { const found = await import(file); return found[name](...given); }"


@pytest.fixture
def blank(page: Page, console: str) -> Page:
    """A page of the console's origin without a screen, as it has no token."""
    page.goto(console.partition("#")[0])
    return page


def made(page: Page, file: str, name: str, *given: object) -> Any:
    """What a function of a module returns."""
    return page.evaluate(MODULES, [f"/{file}.js", name, list(given)])


def test_words(blank: Page) -> None:
    """Spans, distances and sizes as people say them."""
    spans = {
        0: "0 s",
        0.25: "0.3 s",
        14: "14 s",
        59.6: "1 min",
        185: "3 min 5 s",
        7_800: "2 h 10 min",
        90_000: "1 d 1 h",
    }
    for seconds, said in spans.items():
        assert made(blank, "words", "span", seconds) == said
    assert made(blank, "words", "span", -5) == "0 s"
    assert made(blank, "words", "away", 100, 86) == "in 14 s"
    assert made(blank, "words", "away", 100, 280) == "3 min ago"
    assert [made(blank, "words", "bytes", size) for size in (12, 1_500, 19_000, 5e9)] == [
        "12 B",
        "1.5 kB",
        "19 kB",
        "5.0 GB",
    ]
    assert made(blank, "words", "plural", 1, "poll") == "1 poll"
    assert made(blank, "words", "plural", 2, "delivery", "deliveries") == "2 deliveries"


def test_an_instant_has_its_date_and_year_only_where_they_are_others(blank: Page) -> None:
    """A task of another year looked like one of this year."""
    blank.clock.set_fixed_time("2026-11-27T12:00:00Z")
    said = [made(blank, "words", "clock", at) for at in (1_795_780_800, 1_795_608_000, 1_551_528_000)]
    assert said == ["12:00:00", "25 Nov, 12:00:00", "2 Mar 2019, 12:00:00"]


def test_a_long_url_is_named_by_its_ends(blank: Page) -> None:
    """A button with it would fill the screen."""
    assert made(blank, "words", "brief", "https://shop.example/hook?key=1") == "shop.example/hook"
    short = made(blank, "words", "brief", f"https://shop.example/{'deep/' * 40}hook")
    assert len(short) == 48
    assert short.startswith("shop.example/deep/")
    assert short.endswith("deep/hook")


AXIS = """async ([task, deliveries]) => {
  const { axisOf } = await import("/story.js");
  return axisOf(task, deliveries, new Map(), 0);
}"""


def test_what_is_told_to_the_second_does_not_come_before_its_cause(blank: Page) -> None:
    """Polls have milliseconds, ends and events have not: the end stood before the poll that saw it."""
    poll = {"at": "2026-01-01T00:01:05.700Z", "answer": "completed", "progress": None, "pause": None, "why": None}
    asset = {"role": "result", "stored": True, "bytes": 9}
    event = {"id": "evt_1", "timestamp": "2026-01-01T00:01:05Z", "data": {"assets": [asset], "error": None}}
    made_at = {**ATTEMPT, "at": "2026-01-01T00:01:05Z", "next_at": None}
    task = {**TASK, "next_poll_at": None, "history": [poll], "event": event}
    found = blank.evaluate(AXIS, [task, [delivery("delivered", log=[made_at])]])
    lanes = {lane["name"].partition("/")[0]: [mark["at"] for mark in lane["marks"]] for lane in found["lanes"]}
    lines = {line["label"]: line["at"] for line in found["lines"]}
    [asked], [stored], [told] = lanes["asked"], lanes["stored"], lanes["evt_1"]
    assert lines["completed, published"] == asked == stored == told


def test_a_link_leads_only_to_the_web(blank: Page) -> None:
    """Whatever a provider writes as a link."""
    for url in ("javascript:alert(1)", "data:text/html,x", " https://a.example", "//a.example", "", None):
        assert made(blank, "words", "link", url) is None
    assert made(blank, "words", "link", "https://a.example/film.mp4") == "https://a.example/film.mp4"


POSITIONS = """async ([instants, lines]) => {
  const { positions } = await import("/axis.js");
  const { places, width } = positions(instants, lines);
  return { places: [...places], width };
}"""


def test_marks_stand_in_their_order_and_apart_and_long_pauses_are_short(blank: Page) -> None:
    """A pause of a day takes at most a few times the room of one of a second."""
    found = blank.evaluate(POSITIONS, [[10, 11, 11.001, 3_611, 90_000, 20], [10]])
    instants = [at for at, _ in found["places"]]
    places = [x for _, x in found["places"]]
    assert instants == sorted(instants)
    gaps = [after - before for before, after in pairwise(places)]
    assert min(gaps) >= 20
    assert max(gaps) <= 160
    assert found["width"] > places[-1]
    lines = blank.evaluate(POSITIONS, [[], [1, 1.01, 1.02]])
    labels = [x for _, x in lines["places"]]
    assert all(after - before >= 70 for before, after in pairwise(labels))
    assert blank.evaluate(POSITIONS, [[], []])["places"] == []


def test_a_thousand_instants_are_placed(blank: Page) -> None:
    """As a task has that was polled for a week."""
    found = blank.evaluate(POSITIONS, [[n * 60 for n in range(1_000)], [0, 59_940]])
    assert len(found["places"]) == 1_000


def test_the_difference_of_two_texts_is_in_whole_lines(blank: Page) -> None:
    """What is only before, only after, and in both; put together again it is both texts."""
    before, after = "a\nb\nc\nd", "a\nB\nc\nd\ne"
    found = made(blank, "providers", "difference", before, after)
    assert [f"{line['sign']}{line['text']}" for line in found] == [" a", "-b", "+B", " c", " d", "+e"]
    assert "\n".join(line["text"] for line in found if line["sign"] != "+") == before
    assert "\n".join(line["text"] for line in found if line["sign"] != "-") == after
    assert made(blank, "providers", "difference", "", "x") == [{"sign": "-", "text": ""}, {"sign": "+", "text": "x"}]
    assert all(line["sign"] == " " for line in made(blank, "providers", "difference", before, before))


TASK: dict[str, Any] = {
    "id": "tsk_1",
    "provider": "alad",
    "task_id": "1",
    "status": "completed",
    "event_id": "evt_1",
    "submitted_at": "2026-01-01T00:00:00Z",
    "settled_at": "2026-01-01T00:01:05Z",
    "retried_at": None,
    "polls": 3,
    "history": [],
    "snapshot": {"error": None, "said": True},
    "event": {"data": {"assets": [], "error": None}},
}
ATTEMPT = {"attempt": 1, "status": 200, "kind": "http", "detail": "", "answer": "", "outcome": "delivered"}
VERDICT = """async ([task, deliveries, now]) => {
  const { verdict } = await import("/story.js");
  return verdict(task, deliveries, new Map([["sub_1", { url: "https://a.example/hook?key=1", state: "active" }]]), now);
}"""


def delivery(state: str, **rest: object) -> dict[str, object]:
    of = {"task": "tsk_1", "event_id": "evt_1", "subscriber": "sub_1", "event_type": "video.completed", "next_at": None}
    return {**of, "state": state, "attempts": 1, "log": [ATTEMPT], "request": None, **rest}


def test_the_verdict_names_who_has_not_got_it_first(blank: Page) -> None:
    """And never a URL's query, which may hold a secret."""
    refused = {**ATTEMPT, "status": 500, "outcome": "retry", "answer": "x" * 500}
    states = [delivery("delivered"), delivery("due", log=[refused], next_at="2026-01-01T00:02:05Z")]
    said = blank.evaluate(VERDICT, [TASK, states, 1_767_225_665 + 46])
    texts = [line["text"] for line in said]
    assert texts[0] == "Completed after 1 min 5 s, seen with 3 polls."
    assert texts[1] == "a.example/hook has not got it: HTTP 500 at attempt 1."
    assert said[1]["then"] == "Next try in 14 s."
    assert texts[2] == "a.example/hook has it: HTTP 200 at attempt 1."
    assert said[1]["answer"] == "x" * 160
    assert "key=1" not in "".join(texts)
    failed = {**TASK, "status": "failed", "event": {"data": {"assets": [], "error": {"message": "no " * 900}}}}
    [line, _] = blank.evaluate(VERDICT, [failed, [delivery("delivered")], 0])
    assert len(line["text"]) < 300
    broken = {**ATTEMPT, "status": None, "kind": "connect", "detail": "no connection", "outcome": "retry"}
    [_, line] = blank.evaluate(VERDICT, [TASK, [delivery("failed", attempts=12, log=[broken])], 0])
    assert line["text"] == "a.example/hook has not got it: given up after 12 attempts, the last one got no connection."
    assert line["command"] == ["replay", "tsk_1", "--subscriber", "sub_1"]


@pytest.mark.parametrize(("event", "why"), [(TASK["event"], "the subscriber was removed"), (None, "no longer stored")])
def test_the_verdict_says_why_a_delivery_is_cancelled(blank: Page, event: object, why: str) -> None:
    """Nobody should look for a subscriber that is still there."""
    [_, line] = blank.evaluate(VERDICT, [{**TASK, "event": event}, [delivery("cancelled")], 0])
    assert why in line["text"]


def test_commands_are_quoted_for_a_shell(blank: Page) -> None:
    """A reference may have any sign."""
    assert made(blank, "api", "shell", "vidhook", "task", "it's $(me); rm -rf /") == (
        "vidhook task 'it'\\''s $(me); rm -rf /'"
    )
    path = made(blank, "api", "withQuery", "/v1/tasks", {"find": "a&b=c d/é", "age": None, "status": ""})
    assert path == "/v1/tasks?find=a%26b%3Dc+d%2F%C3%A9"


NUMBERS = """async (task) => {
  const { numberOf } = await import("/story.js");
  return task.history.map((_, index) => numberOf(task, index));
}"""


def test_polls_are_numbered_from_the_first_one_although_few_are_kept(blank: Page) -> None:
    """Requests to create a task are no polls."""
    create, poll = {"why": "create"}, {"why": "learned"}
    assert blank.evaluate(NUMBERS, {"polls": 2, "history": [create, poll, poll]}) == [0, 1, 2]
    assert blank.evaluate(NUMBERS, {"polls": 40, "history": [poll, poll, poll]}) == [38, 39, 40]
