"""Tries a provider file on an answer: what is wrong in the file, what is read, from where, and what would come next."""

import json
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from vidhook import shapes
from vidhook.errors import BadInput, BadProviderFile
from vidhook.event import fitted
from vidhook.providers.file import Provider, parse
from vidhook.providers.gaps import gaps
from vidhook.providers.lines import line_of, line_of_fault
from vidhook.providers.reading import Reading, read
from vidhook.providers.traced import traced
from vidhook.providers.values import document
from vidhook.task import Submission, Watch

if TYPE_CHECKING:
    from collections.abc import Mapping

    from vidhook.pacing import Pacer
    from vidhook.times import Clock

# What is no value that was read, but what the engine makes of the whole.
JUDGEMENTS = ("outcome", "known_status", "key_refused", "inferred", "urls", "error")
TRACED_SECONDS = 5.0
# Why a pause is as long as it is, by the words of `Pause.why`.
WHY = {
    "learned": "as such tasks took so long so far",
    "expected": "as such tasks are expected to take so long; nothing was learned yet",
    "eta": "as the provider says when it will be done",
    "progress": "as the provider says how far it is",
    "queue": "as the provider says its place in the queue",
    "started": "as the task has left the queue",
    "together": "as the provider's hints say together",
    "retry_after": "as the provider asks for it",
    "key_refused": "as the provider refuses the key: only a new one helps",
    "doubt": "as the answer suggests an end without saying so; it is believed after ten minutes",
    "deadline": "at the deadline, for the last time",
}


@dataclass(frozen=True, slots=True)
class Trial:
    """An answer to try a file on, as somebody has recorded it, and what is known of its task.

    answer: `status`, `headers`, `body` or `text`, and as `second` the answer to the request of [result].
    """

    answer: "Mapping[str, Any] | None" = None
    task_id: str | None = None
    params: "Mapping[str, str] | None" = None
    age_seconds: float | None = None


def try_file(text: str, trial: Trial, *, pacer: "Pacer", clock: "Clock", deadline_seconds: int) -> dict[str, Any]:
    """Returns what a provider file, which need not be in use, makes of an answer, as plain JSON. Nobody is asked.

    A file that cannot be used is no error: `problems` says what is wrong, and at which line.
    """
    nothing: dict[str, Any] = {"reading": None, "fields": [], "next": None}
    try:
        provider, found = parse(text), gaps(text)
    except BadProviderFile as error:
        line = line_of(text, error.path) if error.path else line_of_fault(text, error.problem)
        problem = {"field": error.place or "toml", "problem": error.problem, "hint": error.hint, "line": line}
        return {"ok": False, "problems": [problem], "warnings": [], **nothing}
    warnings = [{"text": gap.text, "line": line_of(text, gap.path)} for gap in found]
    checked = {"ok": True, "problems": [], "warnings": warnings}
    if trial.answer is None:
        return checked | nothing
    now = clock.now()
    reading = _read(provider, trial, now)
    coming = _next(provider, reading, trial, now, pacer, deadline_seconds)
    return checked | {
        "reading": shapes.reading(reading),
        "fields": _fields(provider, reading, trial, clock, now),
        "next": coming,
    }


def one_file(given: Any) -> Any:
    """Returns a request for a trial. Raises BadInput unless it names exactly one file."""
    if isinstance(given, dict) and ("toml" in given) == ("provider" in given):
        problem = "cannot stand beside provider" if "toml" in given else "is missing, and so is provider"
        raise BadInput("toml", problem, "give the text of a file, or the name of a provider")
    return given


def body_of(answer: "Mapping[str, Any]") -> bytes:
    """Returns the body of an answer, which is recorded as JSON or as text."""
    body = answer["body"] if answer.get("body") is not None else answer.get("text", "")
    return (body if isinstance(body, str) else json.dumps(body)).encode("utf-8", "surrogatepass")


def _read(provider: Provider, trial: Trial, now: float) -> Reading:
    about: dict[str, Any] = {
        "task_id": trial.task_id,
        "age_seconds": trial.age_seconds,
        "now": now,
        "params": trial.params or {},
    }
    answer = trial.answer or {}
    reading = read(provider, **_said(answer), **about)
    if reading.unlinked is not None and answer.get("second") is not None:
        reading = read(provider, **_said(answer["second"]), **about, unlinked=reading.unlinked)
    return replace(reading, snapshot=reading.snapshot and fitted(reading.snapshot))


def _said(answer: "Mapping[str, Any]") -> dict[str, Any]:
    return {"status": int(answer.get("status", 200)), "headers": answer.get("headers", {}), "body": body_of(answer)}


def _fields(provider: Provider, reading: Reading, trial: Trial, clock: "Clock", now: float) -> list[dict[str, Any]]:
    """Returns each value that was read, with the expression that gave it or the place where it stands."""
    answer = trial.answer or {}
    answers = [found for each in (answer, answer.get("second") or {}) if (found := document(body_of(each))) is not None]
    values = _values(reading)
    paths = traced(provider, lambda changed: _values(_read(changed, trial, now)), values, answers)
    fields = []
    for name, value in values.items():
        path = next(paths) if clock.now() - now < TRACED_SECONDS else None  # a file may have expressions that take long
        fields.append({"field": name, "value": value, "path": path})
    return fields


def _values(reading: Reading) -> dict[str, Any]:
    """Returns the values of a reading by name; those of an error and the links to more files by names with a dot."""
    made = shapes.reading(reading)
    values = {name: value for name, value in made.items() if name not in JUDGEMENTS}
    values |= {f"urls.{each['role']}": each["url"] for each in made["urls"][1:]}
    values |= {f"error.{name}": value for name, value in (made["error"] or {}).items() if name != "retryable"}
    return {name: value for name, value in values.items() if value is not None}


def _next(
    provider: Provider, reading: Reading, trial: Trial, now: float, pacer: "Pacer", deadline_seconds: int
) -> dict[str, Any]:
    """Returns what the poller would do after this answer, if it were the first one about its task."""
    snapshot, age = reading.snapshot, trial.age_seconds or 0.0
    if reading.unlinked is not None and (trial.answer or {}).get("second") is None:
        return {"seconds": 0, "why": "result", "text": "the request of [result] follows at once; give its answer too"}
    if snapshot is not None and snapshot.status.final and snapshot.said:
        return {"seconds": None, "why": "ended", "text": f"nothing more is asked: the task is {snapshot.status}"}
    if age >= deadline_seconds:
        return {"seconds": None, "why": "deadline", "text": "nothing more is asked: the deadline has passed"}
    submission = Submission(
        provider.name, trial.task_id or "-", deadline_seconds=deadline_seconds, params=dict(trial.params or {})
    )
    watch = Watch(submission, submitted_at=now - age, doubted_at=age if reading.inferred else None)
    pause = pacer.preview(watch, reading, now, provider.expected_seconds)
    return {"seconds": pause.seconds, "why": pause.why, "text": f"asked again in {pause.seconds} s, {WHY[pause.why]}"}
