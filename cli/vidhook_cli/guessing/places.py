"""The names that known formats have for each field, and values as comments show them."""

import json
import tomllib
from functools import cache
from itertools import islice
from urllib.parse import urlsplit

from jmespath.parser import ParsedResult

from vidhook.providers.expressions import compiled, names_of
from vidhook.providers.file import BUNDLED, FORMATS, bundled_text
from vidhook.providers.reasons import without_queries
from vidhook.providers.results import is_signed
from vidhook.providers.values import link, spelled, words_in
from vidhook.texts import shown
from vidhook_cli.show import one_line, without_login

LONGEST = 60  # characters of a value in a comment, and of a status word
# The beginnings of words are compared: "created", "creation" and "create" are one.
STEM = 5
# They say that a value is a time, or of what, and not which one.
TIMELESS = frozenset({"at", "time", "date", "times", "utc", "ms", "on", "task", "job"})
# Words that the formats' names lack.
MORE = {"progress": "percent percentage", "completed_at": "ended end done", "expires_at": "expiration expiry"}


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
