"""The contract for machines: the JSON Schema of every event, the tables of docs/events.md, and the OpenAPI document."""

import copy
import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from jsonschema import Draft202012Validator
from openapi_spec_validator import OpenAPIV31SpecValidator

from tests.events import check_event
from vidhook import errors, openapi
from vidhook.task import EVENT_TYPES, AttemptKind, Category, Outcome, Status

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs/events.md").read_text("utf-8")
SCHEMAS = openapi.published()
SHAPES: Mapping[str, Any] = SCHEMAS["event"]["$defs"]
BODIES = {path.parent.name: json.loads(path.read_bytes()) for path in (ROOT / "events/webhooks").glob("*/body.json")}
OPERATIONAL = ("endpoint.failing", "endpoint.recovered", "endpoint.disabled")
REPORT = {
    "subscriber": "sub_1",
    "url": "https://hooks.example.com/vidhook",
    "failing_since": "2026-04-27T11:20:12Z",
    "last_attempt": {"at": "2026-04-27T11:20:12Z", "outcome": "retry", "kind": "http", "status": 500},
}
# The tables of the page: the line above each, and the shapes whose fields it has.
TABLES = {
    "The events about a task:": ("VideoCompleted", "VideoFailed", "VideoProgress"),
    "Each of `data.assets`:": ("Asset",),
    "The `store_error`:": ("StoreError",),
    "`data.error`:": ("TaskError",),
    "In `endpoint.test`, `data` is about the endpoint:": ("TestedEndpoint",),
    "[operating.md](operating.md#subscribers-in-trouble) says when. The `detail`:": (
        "EndpointFailing",
        "EndpointRecovered",
        "EndpointDisabled",
    ),
}
# Objects that have a table of their own, or any keys.
APART = ("data.error", "store_error", "data.metadata", "data.usage")


def resolved(schema: Mapping[str, Any]) -> dict[str, Any]:
    """Returns a schema with what it refers to and extends, in one."""
    whole: dict[str, Any] = {"properties": {}, "required": []}
    bases = [SHAPES[schema["$ref"].rpartition("/")[2]]] if "$ref" in schema else []
    for part in (*map(resolved, [*bases, *schema.get("allOf", ())]), schema):
        inner = {**whole["properties"], **part.get("properties", {})}
        required = [*whole["required"], *part.get("required", ())]
        whole |= {**part, "properties": inner, "required": required}
    return whole


def kinds(schema: Mapping[str, Any]) -> set[str]:
    """Returns the types of a field as the page calls them."""
    whole = resolved(schema)
    if "anyOf" in whole:
        return set().union(*map(kinds, whole["anyOf"]))
    given = whole["type"] if isinstance(whole["type"], list) else [whole["type"]]
    return {"time" if kind == "string" and whole.get("format") == "date-time" else kind for kind in given}


def fields(schema: Mapping[str, Any], place: str = "") -> Iterator[tuple[str, set[str]]]:
    """Yields each field with its types, those of inner objects as `data.watch.polls`."""
    for name, inner in resolved(schema)["properties"].items():
        here, known = f"{place}{name}", kinds(inner)
        if known == {"object"} and here not in APART:
            yield from fields(inner, f"{here}.")
        else:
            yield here, known


def rows(caption: str) -> list[list[str]]:
    """Returns the cells of the table below a line of the page."""
    table = PAGE.partition(f"\n{caption}\n\n")[2].partition("\n\n")[0]
    return [re.split(r"(?<!\\) \| ", line.strip("| ")) for line in table.splitlines()[2:]]


def named(cell: str) -> set[str]:
    return set(re.findall("`([^`]+)`", cell))


class TestPage:
    @pytest.mark.parametrize("caption", TABLES)
    def test_a_table_has_every_field_of_the_schema_with_its_type_and_no_other(self, caption: str) -> None:
        """People read the page and machines the schema, and both must learn the same."""
        expected: dict[str, set[str]] = {}
        for shape in TABLES[caption]:
            for field, known in fields(SHAPES[shape]):
                expected.setdefault(field, set()).update(known)
        found = {field: set(kind.split(" or ")) for keys, kind, _ in rows(caption) for field in named(keys)}
        assert found == expected

    @pytest.mark.parametrize(
        ("head", "shape", "field"), [("kind", "StoreError", "kind"), ("category", "TaskError", "category")]
    )
    def test_a_table_of_words_has_those_of_the_schema(self, head: str, shape: str, field: str) -> None:
        """Receivers branch on them."""
        table = re.search(rf"^\| {head} \| the (?:file|task) \|\n\|---\|---\|\n((?:\|.*\n)+)", PAGE, re.MULTILINE)
        assert table
        words = set().union(*(named(line.split(" | ")[0]) for line in table[1].splitlines()))
        assert words == set(SHAPES[shape]["properties"][field]["enum"])


def failures() -> set[str]:
    """Returns the kinds of all errors for which a file is not stored."""
    found: set[str] = set()
    waiting: list[Any] = [errors.RequestFailed, errors.BrokenDownload]
    while waiting:
        known = waiting.pop()
        found.add(known.kind)
        waiting += known.__subclasses__()
    return found


class TestSchema:
    def test_there_is_one_for_each_type_of_event(self) -> None:
        """Each is found by the type that an event has, also by the detail-type of the bus."""
        assert set(SCHEMAS) == {"submission", "event", *EVENT_TYPES, "endpoint.test", *OPERATIONAL, "task.erased"}
        assert {resolved(each)["properties"]["type"]["const"] for each in SCHEMAS["event"]["oneOf"]} == {
            *EVENT_TYPES,
            "endpoint.test",
        }

    @pytest.mark.parametrize(
        ("shape", "field", "known"),
        [
            ("TaskError", "category", set(Category)),
            ("StoreError", "kind", failures()),
            ("LastAttempt", "kind", set(AttemptKind)),
            ("LastAttempt", "outcome", set(Outcome)),
            ("ProgressTask", "status", {status for status in Status if not status.final}),
        ],
    )
    def test_its_words_are_those_of_the_code(self, shape: str, field: str, known: set[str]) -> None:
        """A word that the schema does not know would break whoever checks with it."""
        assert set(SHAPES[shape]["properties"][field]["enum"]) == set(map(str, known))

    @pytest.mark.parametrize("name", SCHEMAS)
    def test_each_field_says_what_it_is(self, name: str) -> None:
        """The descriptions become the comments of the generated types."""
        shapes = [SCHEMAS[name], *SCHEMAS[name].get("$defs", {}).values()]
        for shape in shapes:
            assert name == "submission" or shape["description"]
            for field, inner in shape.get("properties", {}).items():
                assert len(resolved(inner)["description"]) > 10, field

    @pytest.mark.parametrize("name", SHAPES)
    def test_every_field_is_there_in_every_event(self, name: str) -> None:
        """What is not known is null, so that nobody has to ask twice."""
        whole = resolved(SHAPES[name])
        assert set(whole["required"]) == set(whole["properties"])

    @pytest.mark.parametrize("body", BODIES)
    def test_a_sample_fits_it(self, body: str) -> None:
        """The samples are what receivers are written with."""
        check_event(BODIES[body])

    @given(body=st.sampled_from(sorted(BODIES)), at=st.integers(0, 40))
    def test_a_new_field_is_no_news_to_receivers_but_to_the_tests(self, body: str, at: int) -> None:
        """New fields may come, so the published schema takes them; one that nobody documented must fail a test."""
        event = copy.deepcopy(BODIES[body])
        places = [event]
        for each in places:
            inner = [value for name, value in each.items() if name not in ("metadata", "usage")]
            places += [
                item
                for value in inner
                for item in (value if isinstance(value, list) else [value])
                if isinstance(item, dict)
            ]
        places[at % len(places)]["new"] = "field"
        assert Draft202012Validator(SCHEMAS["event"]).is_valid(event)
        with pytest.raises(AssertionError, match="'new'"):
            check_event(event)

    @pytest.mark.parametrize(
        ("body", "changed"),
        [
            ("video.completed-alad", {"assets": []}),
            ("video.completed-alad", {"error": BODIES["video.failed"]["data"]["error"]}),
            ("video.completed-alad", {"status": "failed"}),
            ("video.completed-alad", {"object": "image"}),
            ("video.failed", {"error": None}),
            ("video.failed", {"assets": BODIES["video.completed-alad"]["data"]["assets"]}),
            ("video.progress", {"status": "completed"}),
            ("video.progress", {"progress": 101}),
            ("image.completed", {"created_at": "2026-02-30T00:00:00Z"}),
            ("image.completed", {"created_at": "2026-02-28T00:00:00+00:00"}),
        ],
    )
    def test_it_holds_what_is_promised_of_an_end(self, body: str, changed: dict[str, Any]) -> None:
        """Assets exactly when completed, an error exactly when failed, and times in UTC."""
        event = {**BODIES[body], "data": {**BODIES[body]["data"], **changed}}
        with pytest.raises(AssertionError):
            check_event(event)

    @pytest.mark.parametrize("stored", [True, False])
    def test_it_holds_what_is_promised_of_a_file(self, stored: bool) -> None:
        """A stored file has a place and no error, one that is not stored has no place."""
        event = copy.deepcopy(BODIES["video.completed-not-stored" if stored else "video.completed-alad"])
        event["data"]["assets"][0]["stored"] = stored
        with pytest.raises(AssertionError):
            check_event(event)

    def test_only_a_disabled_endpoint_has_a_reason(self) -> None:
        """The other operational events say all with the attempt."""
        for name in OPERATIONAL:
            report = {**REPORT, "reason": "it answered 410 Gone"}
            good, bad = (report, REPORT) if name == "endpoint.disabled" else (REPORT, report)
            check_event(good, name)
            with pytest.raises(AssertionError):
                check_event(bad, name)


def parts(value: Any) -> Iterator[dict[str, Any]]:
    """Yields every object inside of a document."""
    if isinstance(value, dict):
        yield value
    for inner in value.values() if isinstance(value, dict) else value if isinstance(value, list) else ():
        yield from parts(inner)


class TestOpenApi:
    def test_it_is_valid(self) -> None:
        """Tools refuse a document that is not, or read it wrong."""
        OpenAPIV31SpecValidator(openapi.document()).validate()

    def test_it_has_a_webhook_for_each_type_of_event(self) -> None:
        """Tools make the receiver's side from them."""
        webhooks = openapi.document()["webhooks"]
        assert set(webhooks) == {*EVENT_TYPES, "endpoint.test"}
        for name, webhook in webhooks.items():
            body = webhook["post"]["requestBody"]["content"]["application/json"]["schema"]
            shape = openapi.document()["components"]["schemas"][body["$ref"].rpartition("/")[2]]
            assert shape["properties"]["type"]["const"] == name

    def test_no_object_is_bare(self) -> None:
        """A generated client would know nothing of it. One that takes any keys says so."""
        for part in parts(openapi.document()):
            if part.get("type") in ("object", ["object", "null"]):
                assert part.get("properties") or "additionalProperties" in part, part
