"""Checks a submission against its JSON Schema."""

import functools
import json
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass
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
LEVELS = 32
CREATE_BYTES = 65_536
# The values of these fields may be credentials, or long; errors do not repeat them.
CREDENTIALS = ("task_token", "callback_url", "create")
IDS = ("provider", "task_id", "reference", "idempotency_key")
# Letters and symbols by their category, which show nothing: fillers, a joiner and an empty braille pattern.
BLANK = "\u034f\u115f\u1160\u2800\u3164\uffa0"


@dataclass(frozen=True, slots=True)
class Checked:
    """A submission, and apart from it what no execution, log or event may show.

    token: its task token, a credential. body: that of the request that creates the task, if vidhook creates it.
    """

    submission: Submission
    token: str | None = None
    body: dict[str, Any] | None = None


def check(raw: Any, default_deadline: int) -> Checked:
    """Returns a checked submission. Raises BadSubmission naming the field, the value's problem and a hint."""
    validate, schema = _validator()
    try:
        serialize(raw)
    except (ValueError, RecursionError):
        raise BadSubmission("submission", "contains NaN, an infinity or too many levels", "give plain JSON") from None
    for field in IDS:
        if isinstance(raw, dict) and isinstance(raw.get(field), str):
            _check_visible(field, raw[field])
    if isinstance(raw, dict) and "provider" in raw:  # that is missing first
        _check_way(raw)
    schemas.check(raw, schema, validate, credentials=CREDENTIALS, raises=BadSubmission)
    _check_sizes(raw.get("metadata", {}), raw.get("create", {}))
    fields = {**raw, "deadline_seconds": int(raw.get("deadline_seconds", default_deadline))}
    token, body = fields.pop("task_token", None), fields.pop("create", None)
    return Checked(Submission(**fields, creates=body is not None), token, body)


def _check_sizes(metadata: Any, body: Any) -> None:
    """Raises BadSubmission for metadata or a body of a request that is too deep or too long."""
    for field, value in (("metadata", metadata), ("create", body)):
        if _levels(value) > LEVELS:
            raise BadSubmission(field, f"is nested over {LEVELS} levels deep", "make it flatter")
    if len(serialize(metadata)) > METADATA_BYTES:  # in ASCII, as it stands in events
        raise BadSubmission("metadata", "is over 16 KiB as JSON", "store a reference to your own record in it instead")
    if len(json.dumps(body, ensure_ascii=False, separators=(",", ":")).encode()) > CREATE_BYTES:
        hint = "give links to images and videos instead of their bytes"
        raise BadSubmission("create", "is over 64 KiB as JSON in UTF-8", hint)


def _check_way(raw: Mapping[str, Any]) -> None:
    """Raises BadSubmission unless it names one task, or says how to create one and under which name."""
    creates = "create" in raw
    if creates and "task_id" in raw:
        raise BadSubmission("create", "cannot stand beside task_id", "leave out task_id: the task gets one")
    if not creates and "task_id" not in raw:
        hint = "give the id that the provider returned, or the provider's request body as create"
        raise BadSubmission("task_id", "is missing", hint)
    if creates and not raw.keys() & {"reference", "idempotency_key"}:
        hint = "give your own id for the task, so that a repetition creates no second one"
        raise BadSubmission("reference", "is missing, and so is idempotency_key", hint)
    if not creates and "idempotency_key" in raw:
        hint = "leave it out: a task that is submitted twice is one task in any case"
        raise BadSubmission("idempotency_key", "is for tasks that vidhook creates", hint)


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
    del loaded["oneOf"]  # `_check_way` says better what is wrong
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
