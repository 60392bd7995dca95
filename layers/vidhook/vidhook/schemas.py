"""Checks an input with a JSON Schema. The schema's title names the input in errors; its descriptions are the hints."""

import json
import re
from collections.abc import Callable, Collection, Mapping
from difflib import get_close_matches
from typing import Any

import fastjsonschema

from vidhook.errors import BadInput
from vidhook.event import serialize

# Half of a surrogate pair: JSON in ASCII has it as \ud800, but no text in UTF-8 can.
HALF = re.compile("[\ud800-\udfff]")


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
    check_texts(raw, _whole(schema), raises)
    try:
        validate(raw)
    except fastjsonschema.JsonSchemaValueException as error:
        raise raises(*_explained(error, raw, schema, credentials)) from None


def check_texts(raw: Any, whole: str, raises: type[BadInput] = BadInput) -> None:
    """Raises BadInput naming the place of a text that UTF-8 cannot express, such as `metadata.order[0]`.

    Also for numbers that JSON does not have: Python reads `NaN` and `1e400`, and nobody else takes them.
    `whole` is the name of the input itself, for a text that is all of it.
    """
    try:
        json.dumps(raw, ensure_ascii=False, allow_nan=False).encode()
    except RecursionError:
        raise raises(whole, "is nested over too many levels", "make it flatter") from None
    except UnicodeEncodeError:
        place, what, half = _first_half(raw)
        problem = f"has half of a surrogate pair in its {what} (U+{ord(half):04X}), which is no character"
        hint = "cut texts between characters, not between UTF-16 units, and send whole ones"
        raise raises(place or whole, problem, hint) from None
    except ValueError:
        raise raises(whole, "contains NaN or an infinity", "give plain JSON") from None


def _first_half(raw: Any) -> tuple[str, str, str]:
    """Returns the place of the first half of a surrogate pair, whether it is in the name or the value, and the half."""
    waiting = [("", raw)]
    while True:
        place, here = waiting.pop()
        if isinstance(here, str) and (found := HALF.search(here)):
            return place, "value", found[0]
        inner: list[tuple[str, Any]] = []
        if isinstance(here, dict):
            inner = [(f"{place}.{name}".removeprefix("."), value) for name, value in here.items()]
            for (deeper, _), name in zip(inner, here, strict=True):
                if found := HALF.search(name):
                    return deeper, "name", found[0]
        elif isinstance(here, list | tuple):
            inner = [(f"{place}[{at}]", value) for at, value in enumerate(here)]
        waiting += reversed(inner)


def _whole(schema: Mapping[str, Any]) -> str:
    whole: str = schema["title"].lower().rpartition(" ")[2]
    return whole


def _explained(
    error: fastjsonschema.JsonSchemaValueException, raw: Any, schema: Mapping[str, Any], credentials: Collection[str]
) -> tuple[str, str, str]:
    known, title, whole = schema["properties"], schema["title"].lower(), _whole(schema)
    if not isinstance(raw, dict):
        hint = f"give {' and '.join(schema.get('required', ()) or known)}"
        return whole, f"is {type(raw).__name__}, not a JSON object", hint
    whole_itself = error.name == "data"  # else it is about a value in it
    if error.rule == "required" and whole_itself:
        field = next(name for name in schema["required"] if name not in raw)
        return field, "is missing", f"give {known[field]['description']}"
    if error.rule == "minProperties" and whole_itself:
        return whole, "is empty", f"give at least one of {', '.join(known)}"
    if error.rule == "additionalProperties" and whole_itself:
        field = str(next(name for name in raw if name not in known))
        near = get_close_matches(field, known, n=1)
        hint = f"did you mean {near[0]}?" if near else f"the fields are {', '.join(known)}"
        return field, f"is not a field of {title}", hint
    name = str(error.name)
    field = re.split(r"[.\[]", name.removeprefix("data."))[0]
    value = "the value" if field in credentials else serialize(error.value)[:80]
    return field, f"{value} {error.message.removeprefix(name).strip()}", known[field]["description"]
