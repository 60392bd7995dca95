"""Finds the fields of a task in one answer, and the places of a reason, by their names and their values."""

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from vidhook.providers.expressions import search
from vidhook.providers.names import BESIDE_WORDS, INPUT_WORDS
from vidhook.providers.places import Path, expression, walk
from vidhook.providers.reasons import (
    CODE_KEYS,
    FAILURE_NAMES,
    FAILURE_WORDS,
    OTHER_WORDS,
    Reason,
    failure_of,
    find_reason,
    merge_reasons,
)
from vidhook.providers.values import count, percent, spelled, text, words_in
from vidhook.times import instant, number
from vidhook_cli.guessing.places import brief, likeness, usable

FIELD_DEPTH = 4


def _object(value: Any) -> str | None:
    word = (text(value) or "").casefold()
    return word if "video" in word or "image" in word else None


def _filled(value: Any) -> dict[str, Any] | None:
    return value if isinstance(value, dict) and value else None


# How each field is read.
FIELDS: Mapping[str, Callable[[Any], Any]] = {
    "object": _object,
    "model": text,
    "prompt": text,
    "progress": percent,
    "created_at": instant,
    "started_at": instant,
    "completed_at": instant,
    "expires_at": instant,
    "estimated_completion": instant,
    "queue_position": count,
    "usage": _filled,
}
# Only their known names count, as others are made of the same words.
BY_NAME = frozenset({"object", "model", "prompt", "usage"})
# What looks like a key in the words of an error.
KEYLIKE = re.compile(r"\b(?:[a-z]{2}[-_][\w-]{8,}|(?=[\w-]*\d)(?=[\w-]*[A-Za-z])[\w-]{20,})")


def field_in(name: str, task: Mapping[str, Any], parsed: Callable[[Any], Any]) -> list[tuple[Path, Any]]:
    """Returns what may be a field of the task, the most likely place first."""
    found = []
    for path, value in walk(task):
        steps = [step for step in path if step is not None]
        if not path or len(steps) > FIELD_DEPTH or not isinstance(path[-1], str):
            continue
        like = likeness(name, path[-1])
        around = frozenset[str]().union(*(words_in(step) for step in steps[:-1] if isinstance(step, str)))
        if like is None or (like and name in BY_NAME) or any(isinstance(step, int) for step in steps):
            continue
        if (INPUT_WORDS | BESIDE_WORDS | FAILURE_WORDS) & around or parsed(value) is None:
            continue
        found.append((len(steps), like, path, value))
    return [(path, value) for _, _, path, value in sorted(found, key=lambda each: each[:2])]


def places_of(
    name: str, tasks: Iterable[Mapping[str, Any]], parsed: Callable[[Any], Any], taken: set[Path]
) -> tuple[list[Path], Any] | None:
    """Returns the places of a field in the tasks of all answers, each once, and the first value."""
    paths: list[Path] = []
    value = None
    for task in tasks:
        free = [(path, inner) for path, inner in field_in(name, task, parsed) if path not in taken]
        if free and free[0][0] not in paths:
            paths.append(free[0][0])
            value = free[0][1] if value is None else value
    return (paths, value) if paths else None


def first_value(name: str, task: Mapping[str, Any], parsed: Callable[[Any], Any]) -> Any:
    """Returns the value of a field of the task, as it is read; None if there is none."""
    return next((parsed(value) for _, value in field_in(name, task, parsed)), None)


def kind_of(task: Mapping[str, Any]) -> str:
    """Returns `image` for a task that says that it makes one, else `video`."""
    said = first_value("object", task, _object) or "video"
    return "video" if "video" in said else "image"


def is_of_one(values: Sequence[tuple[object, bool]]) -> bool:
    """Whether progress goes up to 1: no value is above it, and one is a part of it, or is 1 in a completed task."""
    numbers = [(amount, completed) for value, completed in values if (amount := number(value)) is not None]
    shown = any(0 < amount < 1 or (amount == 1 and completed) for amount, completed in numbers)
    return shown and all(amount <= 1 for amount, _ in numbers)


def reason_in(task: Mapping[str, Any]) -> Reason | None:
    """Returns why a task has failed, by the usual names in it or in an object within it that is no input."""
    objects = ((path, inner) for path, inner in walk(task) if isinstance(inner, dict))
    own = (
        inner
        for path, inner in objects
        if all(isinstance(step, str) and not INPUT_WORDS & words_in(step) for step in path)
    )
    return next(filter(None, map(failure_of, own)), None)


def error_in(holder: dict[str, Any], reason: Any) -> dict[str, str]:
    """Returns the place of a reason that was found in an object, with the reason."""
    if reason is None:
        return {}
    about = brief(KEYLIKE.sub("[...]", " ".join(filter(None, (reason.code, reason.message)))))
    for path in error_names(holder):
        if (compiled := usable(path)) and merge_reasons([search(compiled, holder)]) == reason:
            return {path: about}
    for name, value in holder.items():
        if find_reason(value) == reason or (isinstance(value, dict) and reason_in(value) == reason):
            inner = error_in(value, reason) if isinstance(value, dict) and spelled(name) not in FAILURE_NAMES else {}
            prefix = expression((name,))
            return {f"{prefix}.{path}": said for path, said in inner.items()} or {prefix: about}
    texts = [name for name, value in holder.items() if text(value) in (reason.code, reason.message) and text(value)]
    codes = [name for name in texts if text(holder[name]) == reason.code]
    others = [name for name in texts if name not in codes]
    if codes and others:
        return {f"{{code: {expression((codes[0],))}, message: {expression((others[0],))}}}": about}
    return {expression((name,)): about for name in texts[:1]}


def error_names(task: Mapping[str, Any]) -> list[str]:
    """Returns the places in an object whose names are those of a reason: the code and the message beside it as one."""
    names = [name for name in task if is_of_failure(name)]
    codes = [
        name for name in names if (spelled(name) in CODE_KEYS or "code" in words_in(name)) and not _holds(task[name])
    ]
    texts = [name for name in names if name not in codes and not _holds(task[name])]
    single = [expression((name,)) for name in names if name not in codes and (name not in texts or not codes)]
    if codes and texts:
        single.append(f"{{code: {expression((codes[0],))}, message: {expression((texts[0],))}}}")
    elif codes:
        single.append(expression((codes[0],)))
    return single


def _holds(value: object) -> bool:
    return isinstance(value, dict | list)


def is_of_failure(name: str) -> bool:
    """Returns whether a name is that of a reason, and not also of what every answer says."""
    plain = spelled(name) in ("message", "msg", "detail", "details", "reason")
    words = words_in(name)
    return not plain and (spelled(name) in FAILURE_NAMES or bool(FAILURE_WORDS & words and not OTHER_WORDS & words))
