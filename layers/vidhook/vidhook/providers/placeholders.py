"""The names in braces of a provider file, such as {task_id}: what is put in their places, and what stands there."""

import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any
from urllib.parse import quote, unquote

from vidhook.errors import BadInput

# {name}; {name:path}, whose slashes stay in a path; {name[0]}, one of its parts between slashes, the last is [-1].
PLACEHOLDER = re.compile(r"\{\s*(\w[\w.-]*)\s*(?:(:\s*path)|\[\s*(-?[0-9]{1,2})\s*\])?\s*\}")
# What other languages write instead: ${task_id}, {{task_id}}, {}, {task_id!r}, {task_id?}.
MISWRITTEN = re.compile(
    r"\$\{|\{\s*\{\s*\w+\s*\}\s*\}|\{\s*\}|\{\s*(?:task_id|key)\b(?!\s*(?::\s*path|\[\s*-?[0-9]{1,2}\s*\])?\s*\})"
)


def names_in(value: Any) -> Iterator[str]:
    """Yields the names that stand in braces in a text, or in all texts of a JSON value."""
    if isinstance(value, str):
        yield from (found[1] for found in PLACEHOLDER.finditer(value))
    elif isinstance(value, Mapping | list | tuple):
        for inner in value.values() if isinstance(value, Mapping) else value:
            yield from names_in(inner)


def without_names(text: str) -> str:
    """Returns a text without its names in braces."""
    return PLACEHOLDER.sub("", text)


def filled(value: Any, values: Mapping[str, str]) -> Any:
    """Returns a text, or a JSON value with texts, with these values in the places of their names.

    Raises BadInput for a name without a value, and for a value without such a part.
    """
    if isinstance(value, str):
        return PLACEHOLDER.sub(lambda found: _part(found, values), value)
    if isinstance(value, Mapping):
        return {name: filled(inner, values) for name, inner in value.items()}
    return [filled(inner, values) for inner in value] if isinstance(value, list | tuple) else value


def filled_path(path: str, values: Mapping[str, str]) -> str:
    """Returns a path with these values percent-quoted in the places of their names. Raises BadInput as `filled` does.

    A value that is only dots is refused, as HTTP clients decode %2E, and then `..` leads up the path.
    """

    def quoted(found: re.Match[str]) -> str:
        part = _part(found, values)
        for each in part.split("/") if found[2] else [part]:
            check_part(each, found[1])
        return quote(part.encode("utf-8", "surrogatepass"), safe="/:" if found[2] else "")

    return PLACEHOLDER.sub(quoted, path)


def check_part(part: str, name: str = "task_id") -> None:
    """Raises BadInput for a part of a path that is only dots."""
    if part.strip(".") == "":
        hint = "give the id that the provider returned" if name == "task_id" else "give it as the provider writes it"
        raise BadInput(_field(name), f"{part!r} cannot be part of a URL", hint)


def reader(path: str) -> "Callable[[str], dict[str, str] | None]":
    """Returns a function that finds in a URL what stands in the places of a path's names: None if it does not fit.

    Of a name that stands there in parts, the parts are joined again.
    """
    places: list[tuple[str, int]] = []

    def group(found: re.Match[str]) -> str:
        places.append((found[1], int(found[3] or 0)))
        return "\0"

    parts = PLACEHOLDER.sub(group, path.partition("#")[0]).split("\0")
    wide = [found[2] is not None for found in PLACEHOLDER.finditer(path)]
    groups = ["([^?#]+?)" if each else "([^/?#&]+)" for each in wide]
    pattern = re.escape(parts[0]) + "".join(
        group_ + re.escape(after) for group_, after in zip(groups, parts[1:], strict=True)
    )
    compiled = re.compile(rf"{pattern}/?(?:[?#&].*)?$")

    def read(url: str) -> dict[str, str] | None:
        match = compiled.search(url)
        if match is None:
            return None
        found: dict[str, dict[int, str]] = {}
        for (name, at), text in zip(places, match.groups(), strict=True):
            found.setdefault(name, {})[at if at >= 0 else 1_000 + at] = unquote(text)
        return {"": url[: match.start()]} | {
            name: "/".join(text for _, text in sorted(parts.items())) for name, parts in found.items()
        }

    return read


def _part(found: re.Match[str], values: Mapping[str, str]) -> str:
    name, at = found[1], found[3]
    if name not in values:
        raise BadInput(_field(name), "is missing", "the provider's file needs it")
    if at is None:
        return values[name]
    parts = values[name].split("/")
    try:
        return parts[int(at)]
    except IndexError:
        problem = f"{values[name]!r} has only {len(parts)} {'part' if len(parts) == 1 else 'parts'} between slashes"
        raise BadInput(_field(name), problem, f"the provider's file needs part {at} of it, counted from 0") from None


def _field(name: str) -> str:
    """The field of a submission in which the value of a name stands."""
    return name if name in ("task_id", "create_id") else f"params.{name}"
