"""Checks an input with a JSON Schema. The schema's title names the input in errors; its descriptions are the hints."""

import re
from collections.abc import Callable, Collection, Mapping
from difflib import get_close_matches
from typing import Any

import fastjsonschema

from vidhook.errors import BadInput
from vidhook.event import serialize


def check(
    raw: Any,
    schema: Mapping[str, Any],
    validate: Callable[[Any], Any],
    *,
    credentials: Collection[str] = (),
    raises: type[BadInput] = BadInput,
) -> None:
    """Raises BadInput naming the field, the value's problem and a hint when `raw` does not fit.

    `validate` is the schema compiled by fastjsonschema. Errors do not repeat the values of the fields `credentials`.
    """
    try:
        validate(raw)
    except fastjsonschema.JsonSchemaValueException as error:
        raise raises(*_explained(error, raw, schema, credentials)) from None


def _explained(
    error: fastjsonschema.JsonSchemaValueException, raw: Any, schema: Mapping[str, Any], credentials: Collection[str]
) -> tuple[str, str, str]:
    known, title = schema["properties"], schema["title"].lower()
    whole = title.rpartition(" ")[2]
    if not isinstance(raw, dict):
        hint = f"give {' and '.join(schema.get('required', ()) or known)}"
        return whole, f"is {type(raw).__name__}, not a JSON object", hint
    if error.rule == "required":
        field = next(name for name in schema["required"] if name not in raw)
        return field, "is missing", f"give {known[field]['description']}"
    if error.rule == "minProperties":
        return whole, "is empty", f"give at least one of {', '.join(known)}"
    if error.rule == "additionalProperties":
        field = str(next(name for name in raw if name not in known))
        near = get_close_matches(field, known, n=1)
        hint = f"did you mean {near[0]}?" if near else f"the fields are {', '.join(known)}"
        return field, f"is not a field of {title}", hint
    name = str(error.name)
    field = re.split(r"[.\[]", name.removeprefix("data."))[0]
    value = "the value" if field in credentials else serialize(error.value)[:80]
    return field, f"{value} {error.message.removeprefix(name).strip()}", known[field]["description"]
