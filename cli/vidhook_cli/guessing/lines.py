"""Writes a provider file in TOML, line by line, with what is known of each line in a comment behind it."""

import json
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from vidhook_cli.show import one_line

COLUMN = 44  # where comments begin, if the line is no longer


@dataclass(frozen=True, slots=True)
class Line:
    """A line of the file: a key and its value in TOML, and what is known of it."""

    code: str
    about: str = ""


def written(lines: Sequence[Line]) -> Iterator[str]:
    """Yields the lines as they are printed, the comments in one column."""
    for line in lines:
        yield f"{line.code.ljust(COLUMN)}  # {line.about}" if line.about else line.code


def either(expressions: Iterable[str]) -> str | list[str]:
    """Returns the candidates of a field: each once, and without a list if there is only one."""
    once = list(dict.fromkeys(expressions))
    return once if len(once) > 1 else once[0]


def key_of(name: str) -> str:
    """Returns a name as a key in TOML."""
    return name if re.fullmatch(r"[A-Za-z0-9_-]+", name) else one_line(json.dumps(name, ensure_ascii=False))


def toml(value: Any) -> str:
    """Returns a JSON value in TOML, on one line; null is left out, as TOML has none."""
    if isinstance(value, dict):
        pairs = (f"{key_of(name)} = {toml(each)}" for name, each in value.items() if each is not None)
        return f"{{ {', '.join(pairs)} }}"
    if isinstance(value, list):
        return f"[{', '.join(toml(each) for each in value if each is not None)}]"
    if isinstance(value, str) and '"' in value and "'" not in value and value.isprintable():
        return f"'{value}'"
    return one_line(json.dumps(value, ensure_ascii=False))
