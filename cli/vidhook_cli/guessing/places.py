"""The places of values in an answer, as JMESPath expressions, and the names that known formats have for each field."""

import json
import re
import tomllib
from collections import deque
from collections.abc import Iterator
from functools import cache
from itertools import islice
from typing import Any
from urllib.parse import urlsplit

from jmespath.parser import ParsedResult

from vidhook.providers.expressions import compiled, names_of
from vidhook.providers.file import BUNDLED, FORMATS, bundled_text
from vidhook.providers.reasons import without_queries
from vidhook.providers.results import is_signed
from vidhook.providers.values import ITEMS, embedded, link, spelled, words_in
from vidhook.texts import shown
from vidhook_cli.show import one_line, without_login

# A step to an inner value: a name in an object, a number in a list, or None into the JSON that stands in a text.
Step = str | int | None
Path = tuple[Step, ...]
DEPTH, PLACES = 10, 3_000
PLAIN_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
LONGEST = 60  # characters of a value in a comment, and of a status word
# The beginnings of words are compared: "created", "creation" and "create" are one.
STEM = 5
# They say that a value is a time, or of what, and not which one.
TIMELESS = frozenset({"at", "time", "date", "times", "utc", "ms", "on", "task", "job"})
# Words that the formats' names lack.
MORE = {"progress": "percent percentage", "completed_at": "ended end done", "expires_at": "expiration expiry"}


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


def usable(path: str) -> ParsedResult | None:
    """Returns the compiled expression; None for one that a provider file may not have."""
    try:
        return compiled(path)
    except ValueError:
        return None


@cache
def known_names(field: str) -> frozenset[str]:
    """Returns the names that the formats and the bundled files have for a field of [answer]."""
    found = set[str]()
    for name in (*FORMATS, *BUNDLED):
        given = tomllib.loads(bundled_text(name)).get("answer", {}).get(field, [])
        for path in [given] if isinstance(given, str) else given:
            node = compiled(path).parsed
            if node["type"] in ("field", "subexpression"):
                found.update(names_of(node)[-1:])
    return frozenset(found)


def likeness(field: str, name: str) -> int | None:
    """Returns 0 for a name that is known to have a field, 1 for one of the same words (`createTime`), else None."""
    if spelled(name) in map(spelled, known_names(field)):
        return 0
    stems = _stems(words_in(name))
    return 1 if stems and stems <= _stems_of(field) else None


@cache
def _stems_of(field: str) -> frozenset[str]:
    words = (words_in(name) for name in known_names(field))
    return _stems(frozenset(MORE.get(field, "").split()).union(*words))


def _stems(words: frozenset[str]) -> frozenset[str]:
    return frozenset(word[:STEM] for word in words - TIMELESS)


def brief(value: object) -> str:
    """Returns a value as a comment shows it: short, on one line, without what signs a link or opens a host."""
    most = LONGEST
    if isinstance(value, dict | list):
        said = f"an object with {', '.join(islice(map(str, value), 4))}" if isinstance(value, dict) else "a list"
    elif isinstance(value, str) and value[:5].lower() == "data:":
        said = f"{value.partition(',')[0]},..."
    elif isinstance(value, str) and link(value):
        said, most = without_login(without_queries(value)), 2 * LONGEST
        parts = urlsplit(said)
        said = f"{parts.scheme}://{parts.netloc}/..." if is_signed(said) else said
    else:
        said = json.dumps(
            without_login(without_queries(value)) if isinstance(value, str) else value, ensure_ascii=False
        )
    return one_line(shown(said, most))
