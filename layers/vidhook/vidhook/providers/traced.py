"""Where each value of a reading comes from: the expression of the provider file that gives it, or where it stands."""

from bisect import bisect_left
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import cache
from typing import Any

from jmespath.parser import ParsedResult

from vidhook.providers.expressions import search
from vidhook.providers.file import Provider
from vidhook.providers.places import expression, walk
from vidhook.providers.table import fold
from vidhook.providers.values import embedded

# The keys of [answer] by the values that are not called as these are.
KEYS = {"provider_status": "status", "retry_after_seconds": "retry_after"}
# What is vidhook's own word, and stands in no answer.
OWN_WORDS = ("object", "error.category", "error.code")
RESULT = "result"


def traced(
    provider: Provider,
    again: Callable[[Provider], Mapping[str, Any]],
    values: Mapping[str, Any],
    answers: Sequence[object],
) -> Iterator[str | None]:
    """Yields the path of each of the values, which were read in the answers.

    again: reads the answers with a changed provider. An expression gives a value that is read with those up to this
    one, and not without it; so the engine itself says which one it is.
    """

    @cache
    def read_with(key: str, most: int) -> Mapping[str, Any]:
        return again(_with_only(provider, key, _paths(provider, key)[:most]))

    for name, value in values.items():
        if name == "status":
            word = values.get("provider_status")
            yield f"[status].{word}" if word is not None and fold(word) in provider.statuses else None
            continue
        key = _key(name)
        paths = _paths(provider, key)
        needed = bisect_left(range(len(paths)), True, key=lambda most: read_with(key, most).get(name) == value)
        yield str(paths[needed - 1].expression) if needed else _guessed(provider, name, value, answers)


def _guessed(provider: Provider, name: str, value: object, answers: Sequence[object]) -> str | None:
    """Returns the path of a value that would be read without an expression too.

    That is an expression that finds it, else where it stands in an answer, else an expression that finds something.
    """
    if name in OWN_WORDS:
        return None
    tasks = (search(path, answer) for answer in answers for path in provider.answer.get("task", ()))
    parts = [*answers, *map(embedded, tasks)]
    paths = _paths(provider, _key(name))
    finding = [(str(path.expression), found) for path in paths for part in parts if (found := search(path, part))]
    standing = [(expression(path), each) for answer in answers for path, each in walk(answer)]
    exact = [(path, each) for path, found in finding for _, each in walk(found)] + standing
    given = next((path for path, each in exact if isinstance(value, str) and each == value), None)
    return given or next((path for path, _ in finding if name != "url" and not name.startswith("urls.")), None)


def _key(name: str) -> str:
    """Returns the key of [answer] of a value, or for the link of a file `assets.` and its role."""
    if name == "url":
        return f"assets.{RESULT}"
    if name.startswith("urls."):
        return f"assets.{name[5:]}"
    return "error" if name.startswith("error.") else KEYS.get(name, name)


def _paths(provider: Provider, key: str) -> tuple[ParsedResult, ...]:
    role = key.removeprefix("assets.")
    if role == key:
        return provider.answer.get(key, ())
    return (*provider.assets.get(role, ()), *(provider.results if role.startswith(RESULT) else ()))


def _with_only(provider: Provider, key: str, paths: tuple[ParsedResult, ...]) -> Provider:
    """Returns the provider with these expressions alone for a key."""
    role = key.removeprefix("assets.")
    if role == key:
        return replace(provider, answer={**provider.answer, key: paths})
    known = {role: paths} if role in provider.assets else {}
    results = paths if provider.results and role.startswith(RESULT) else provider.results
    return replace(provider, assets={**provider.assets, **known}, results=results)
