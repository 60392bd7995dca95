"""Checks a submission against its JSON Schema."""

import functools
import json
import unicodedata
from importlib.resources import files
from typing import TYPE_CHECKING, Any

import fastjsonschema

from vidhook import schemas
from vidhook.errors import BadSubmission
from vidhook.event import serialize
from vidhook.task import Submission

if TYPE_CHECKING:
    from collections.abc import Callable

METADATA_BYTES = 16_384
METADATA_LEVELS = 32
# The values of these fields may be credentials; errors do not repeat them.
CREDENTIALS = ("task_token", "callback_url")
IDS = ("provider", "task_id")
# Letters and symbols by their category, which show nothing: fillers, a joiner and an empty braille pattern.
BLANK = "\u034f\u115f\u1160\u2800\u3164\uffa0"


def check(raw: Any, default_deadline: int) -> tuple[Submission, str | None]:
    """Returns the submission and, separately, its task token, which is a credential.

    Raises BadSubmission naming the field, the value's problem and a hint.
    """
    validate, schema = _validator()
    try:
        serialize(raw)
    except (ValueError, RecursionError):
        raise BadSubmission("submission", "contains NaN, an infinity or too many levels", "give plain JSON") from None
    for field in IDS:
        if isinstance(raw, dict) and isinstance(raw.get(field), str):
            _check_visible(field, raw[field])
    schemas.check(raw, schema, validate, credentials=CREDENTIALS, raises=BadSubmission)
    metadata = raw.get("metadata", {})
    if _levels(metadata) > METADATA_LEVELS:
        raise BadSubmission("metadata", f"is nested over {METADATA_LEVELS} levels deep", "make it flatter")
    if len(serialize(metadata)) > METADATA_BYTES:
        raise BadSubmission("metadata", "is over 16 KiB as JSON", "store a reference to your own record in it instead")
    fields = {**raw, "deadline_seconds": int(raw.get("deadline_seconds", default_deadline))}
    token = fields.pop("task_token", None)
    return Submission(**fields), token


def _check_visible(field: str, text: str) -> None:
    """Raises BadSubmission for an id with a character that nobody sees: a control anywhere, a blank at one of its ends.

    Such an id is most often a copy of a good one, and no provider knows it.
    """
    for at, character in enumerate(text):
        category, place = unicodedata.category(character), {0: "at its beginning", len(text) - 1: "at its end"}.get(at)
        invisible = category in ("Cf", "Zs") or character in BLANK
        if category in ("Cc", "Zl", "Zp") or (place and invisible):
            name = f"U+{ord(character):04X} ({unicodedata.name(character, 'a control character').lower()})"
            where = place or f"as character {at + 1}"
            raise BadSubmission(field, f"has {name} {where}", "strip it, and give the id that is left")


def schema() -> dict[str, Any]:
    """Returns the JSON Schema of a submission, which is also its documentation."""
    loaded: dict[str, Any] = json.loads(files("vidhook").joinpath("submission.schema.json").read_text("utf-8"))
    return loaded


@functools.cache
def _validator() -> "tuple[Callable[[Any], Any], dict[str, Any]]":
    loaded = schema()
    return fastjsonschema.compile(loaded), loaded


def _levels(value: Any) -> int:
    levels, row = 0, [value]
    while row:
        levels += 1
        row = [
            inner
            for outer in row
            if isinstance(outer, (dict, list))
            for inner in (outer.values() if isinstance(outer, dict) else outer)
        ]
    return levels
