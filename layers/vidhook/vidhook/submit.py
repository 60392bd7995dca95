"""Taking a task in: check the submission, remember the watch, start it."""

import functools
import json
from dataclasses import dataclass
from importlib.resources import files
from typing import TYPE_CHECKING, Any

import fastjsonschema

from vidhook import schemas
from vidhook.errors import BadInput, BadSubmission, Blocked, NotFound
from vidhook.event import serialize
from vidhook.providers.file import request
from vidhook.publish import answer_tokens
from vidhook.schedule import Known, next_pause
from vidhook.task import Submission, Watch

if TYPE_CHECKING:
    from collections.abc import Callable

    from vidhook.edges.http import Http
    from vidhook.edges.ledger import Ledger
    from vidhook.edges.machines import Machines

METADATA_BYTES = 16_384
METADATA_LEVELS = 32
# What their values hold is nobody else's business.
CREDENTIALS = ("task_token", "callback_url")


@dataclass(frozen=True, slots=True)
class Submitted:
    """The watch of a task, whether this submission made it, and the pause before its first poll."""

    watch: Watch
    created: bool
    pause: int


def submit(
    raw: Any,
    *,
    ledger: "Ledger",
    http: "Http",
    machines: "Machines",
    watch_arn: str,
    execution: str | None = None,
    default_deadline: int,
    now: float,
    jitter: float,
    pause_factor: float = 1.0,
) -> Submitted:
    """Checks a submission and starts its watch, once, however often the same task is submitted.

    `execution` is the caller's name when it is itself an execution of the watch machine. Starting is repeated for a
    watch that is not settled, since a crash may have come between remembering and starting. Raises BadSubmission.
    """
    submission, token = check(raw, default_deadline)
    if token is not None and execution is not None:
        problem = "cannot be given to the watch itself, whose input anybody may read"
        raise BadSubmission("task_token", problem, "submit through the function, the queue or the event bus")
    try:
        request(ledger.provider(submission.provider), submission.task_id, None)
    except NotFound as error:
        near = ledger.nearest_provider(submission.provider)
        mend = f'did you mean "{near}"?' if near else "`vidhook providers list` shows all"
        raise BadSubmission("provider", str(error), mend) from error
    except BadInput as error:
        raise BadSubmission(error.field, error.problem, error.mend) from error
    if submission.callback_url is not None:
        try:
            http.check(submission.callback_url)
        except Blocked as error:
            raise BadSubmission("callback_url", str(error), "give a public https URL") from error
    deadline, expected = submission.deadline_seconds, submission.expected_seconds
    pause = next_pause(Known(age=0.0, deadline=deadline, expected=expected, factor=pause_factor), jitter)
    watch, created = ledger.claim(submission, execution or submission.id, pause, now)
    if execution is None:
        if token is not None:
            ledger.put_token(watch.id, token, now)
            # Read after the token is written: either we see the event, or whoever writes the event sees the token.
            watch = ledger.watch(watch.id)
        if watch.event_id is None and not watch.settled:
            machines.start(watch_arn, watch.id, {"watch": watch.id, "pause": pause})
    if watch.event_id is not None and (token is not None or execution is not None):
        try:
            answer_tokens(ledger.event(watch.id), ledger=ledger, machines=machines)
        except NotFound:  # a watch is remembered for longer than its event
            problem = "is of a task that was told so long ago that its event is no longer kept"
            raise BadSubmission("task_id", problem, f"`vidhook task {watch.id}` shows how it ended") from None
    return Submitted(watch, created, pause)


def check(raw: Any, default_deadline: int) -> tuple[Submission, str | None]:
    """A raw submission as a fact, and the task token apart: it is a credential.

    Raises BadSubmission naming the field, the value's problem and the mend.
    """
    validate, schema = _validator()
    try:
        serialize(raw)
    except (ValueError, RecursionError):
        raise BadSubmission("submission", "holds NaN, an infinity or too many levels", "give plain JSON") from None
    schemas.check(raw, schema, validate, credentials=CREDENTIALS, raises=BadSubmission)
    metadata = raw.get("metadata", {})
    if _levels(metadata) > METADATA_LEVELS:
        raise BadSubmission("metadata", f"is nested over {METADATA_LEVELS} levels deep", "make it flatter")
    if len(serialize(metadata)) > METADATA_BYTES:
        raise BadSubmission("metadata", "is over 16 KiB as JSON", "keep a reference to your own record in it instead")
    fields = {**raw, "deadline_seconds": int(raw.get("deadline_seconds", default_deadline))}
    token = fields.pop("task_token", None)
    return Submission(**fields), token


def schema() -> dict[str, Any]:
    """The JSON Schema of a submission, which is its documentation too."""
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
