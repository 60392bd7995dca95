"""The places of values in an answer, as JMESPath expressions."""

import json
import re
from collections import deque
from collections.abc import Iterator
from itertools import islice
from typing import Any

from vidhook.providers.values import ITEMS, embedded

# A step to an inner value: a name in an object, a number in a list, or None into the JSON that stands in a text.
Step = str | int | None
Path = tuple[Step, ...]
DEPTH, PLACES = 10, 3_000
PLAIN_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


def walk(value: object) -> Iterator[tuple[Path, Any]]:
    """Yields every value in an answer with its path, the outer ones first, also those in JSON that stands in a text."""
    waiting: deque[tuple[Path, object]] = deque([((), value)])
    for _ in range(PLACES):
        if not waiting:
            return
        path, here = waiting.popleft()
        yield path, here
        inner = embedded(here)
        if inner is not here:
            path = (*path, None)
            yield path, inner
        if len(path) < DEPTH and isinstance(inner, dict):
            waiting.extend(((*path, name), each) for name, each in islice(inner.items(), ITEMS))
        elif len(path) < DEPTH and isinstance(inner, list):
            waiting.extend(((*path, at), each) for at, each in enumerate(inner[:ITEMS]))


def at(value: Any, path: Path) -> Any:
    """Returns what stands at a path in an answer; None if nothing does."""
    for step in path:
        if step is None:
            value = embedded(value)
        elif isinstance(step, str):
            value = value.get(step) if isinstance(value, dict) else None
        else:
            value = value[step] if isinstance(value, list) and step < len(value) else None
    return value


def expression(path: Path, *, every: bool = False) -> str:
    """Returns the JMESPath expression for a path; with `every` it takes all items of a list, in the place of one."""
    written = ""
    for place, step in enumerate(path):
        opened = path[place + 1 : place + 2] == (None,)
        if isinstance(step, str):
            name = step if PLAIN_NAME.fullmatch(step) else json.dumps(step, ensure_ascii=False)
            written += ("." if written else "") + (f"from_json({name})" if opened else name)
        elif step is not None:
            written += ("[]" if every else f"[{step}]") + (".from_json(@)" if opened else "")
    return written or "@"
