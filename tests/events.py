"""Checks each event that a test sends: it has what its JSON Schema says, and nothing else."""

import copy
import functools
from datetime import datetime
from typing import Any

from jsonschema import Draft202012Validator, FormatChecker

from vidhook import openapi

formats = FormatChecker()


@formats.checks("date-time", raises=ValueError)
def is_instant(text: object) -> bool:
    """Whether it is a time that there is, such as no 31st of February. What is no text is not looked at."""
    return not isinstance(text, str) or bool(datetime.fromisoformat(text))


def check_event(event: Any, name: str = "event") -> None:
    """Raises AssertionError for an event that does not fit its schema, or has a field that the schema does not name.

    `name` is that of a published schema: `event`, or the type of an operational event, which has no envelope.
    """
    by_type = event.get("type") if name == "event" and isinstance(event, dict) else name
    validator = _validator(by_type if by_type in openapi.published() else name)
    problems = [f"{error.json_path}: {error.message}" for error in validator.iter_errors(event)]
    assert not problems, f"{by_type}: {'; '.join(problems)}"


@functools.cache
def _validator(name: str) -> Draft202012Validator:
    return Draft202012Validator(closed(openapi.published()[name]), format_checker=formats)


def closed(schema: dict[str, Any]) -> dict[str, Any]:
    """Returns a schema of events that takes no unknown fields, unlike the published one, which is for receivers."""
    strict = copy.deepcopy(schema)
    shapes = strict["$defs"]
    extended = {base["$ref"].rpartition("/")[2] for shape in shapes.values() for base in shape.get("allOf", ())}
    for name, shape in shapes.items():
        if name not in extended and ("properties" in shape or "allOf" in shape):
            shape["unevaluatedProperties"] = False
    return strict
