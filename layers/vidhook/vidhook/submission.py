"""Checks a submission against its JSON Schema."""

import functools
import json
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


def check(raw: Any, default_deadline: int) -> tuple[Submission, str | None]:
    """Returns the submission and, separately, its task token, which is a credential.

    Raises BadSubmission naming the field, the value's problem and a hint.
    """
    validate, schema = _validator()
    try:
        serialize(raw)
    except (ValueError, RecursionError):
        raise BadSubmission("submission", "contains NaN, an infinity or too many levels", "give plain JSON") from None
    schemas.check(raw, schema, validate, credentials=CREDENTIALS, raises=BadSubmission)
    metadata = raw.get("metadata", {})
    if _levels(metadata) > METADATA_LEVELS:
        raise BadSubmission("metadata", f"is nested over {METADATA_LEVELS} levels deep", "make it flatter")
    if len(serialize(metadata)) > METADATA_BYTES:
        raise BadSubmission("metadata", "is over 16 KiB as JSON", "store a reference to your own record in it instead")
    fields = {**raw, "deadline_seconds": int(raw.get("deadline_seconds", default_deadline))}
    token = fields.pop("task_token", None)
    return Submission(**fields), token


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
