"""Finds the lines of keys in the TOML of a provider file, for whoever edits it."""

import re
import tomllib
from collections import deque
from collections.abc import Iterator

Path = tuple[str, ...]
_Tokens = deque[tuple[str, int]]  # each with its line

# What TOML (https://toml.io/en/v1.0.0) is made of, for a text that is known to be right: strings, comments, marks, ends
# of lines, and all else that stands without a blank in it.
_TOKEN = re.compile(
    r'"""(?:\\.|[^\\])*?""""{0,2}|\'\'\'.*?\'\'\'\'{0,2}|"(?:\\.|[^"\\])*"|\'[^\']*\''
    r"|\#[^\n]*|[\[\]{}=,.\n]|[^\s\[\]{}=,.\"'#]+",
    re.DOTALL,
)
_AFTER_VALUE = (",", "\n", "]", "}")
_AT_LINE = re.compile(r"\(at line (\d+), column \d+\)")


def line_of(text: str, path: Path) -> int | None:
    """Returns the line of a key, from 1, or of the innermost table on the way to it that is written there; else None.

    The text must be right TOML.
    """
    lines = dict[Path, int]()
    for key, line in keys_in(text):
        for most in range(1, min(len(key), len(path)) + 1):
            lines.setdefault(key[:most], line)
    return next((lines[path[:most]] for most in range(len(path), 0, -1) if path[:most] in lines), None)


def line_of_fault(text: str, said: str) -> int | None:
    """Returns the line at which a text is no TOML, from what the parser said of it."""
    if found := _AT_LINE.search(said):
        return int(found[1])
    return text.count("\n") + 1 if "(at end of document)" in said else None


def keys_in(text: str) -> Iterator[tuple[Path, int]]:
    """Yields each key of right TOML and each header of a table, as a path with its line, in their order."""
    left, header = deque(_tokens(text)), Path()
    while left:
        mark, line = left[0]
        if mark == "[":
            _skip(left, "[")
            header = _key(left, "]")
            yield header, line
            _skip(left, "]")
        elif mark == "\n":
            left.popleft()
        else:
            yield from _pair(left, header)


def _pair(left: _Tokens, before: Path) -> Iterator[tuple[Path, int]]:
    line = left[0][1]
    path = (*before, *_key(left, "="))
    yield path, line
    yield from _value(left, path)


def _value(left: _Tokens, path: Path) -> Iterator[tuple[Path, int]]:
    """Takes a value; yields the keys of the tables in it."""
    first, _ = left.popleft()
    closing = {"[": "]", "{": "}"}.get(first)
    while left and left[0][0] != closing:
        if closing is None and left[0][0] in _AFTER_VALUE:
            return
        if closing is None or left[0][0] in (",", "\n"):
            left.popleft()
        else:
            yield from _value(left, path) if closing == "]" else _pair(left, path)
    if left:
        left.popleft()


def _key(left: _Tokens, end: str) -> Path:
    """Takes a key and the mark that ends it."""
    parts = []
    while (part := left.popleft()[0]) != end:
        if part != ".":
            parts.append(tomllib.loads(f"key = {part}")["key"] if part[0] in "\"'" else part)
    return tuple(parts)


def _skip(left: _Tokens, mark: str) -> None:
    while left and left[0][0] == mark:
        left.popleft()


def _tokens(text: str) -> Iterator[tuple[str, int]]:
    line, place = 1, 0
    for found in _TOKEN.finditer(text):
        line, place = line + text.count("\n", place, found.start()), found.start()
        if not found[0].startswith("#"):
            yield found[0], line
