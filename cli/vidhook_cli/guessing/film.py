"""Finds the link to the finished file in a task and the picture that stands for it, and the places of both."""

from collections.abc import Mapping
from contextlib import suppress
from typing import Any

from vidhook.errors import BrokenDownload, NotTheFile, Playlist
from vidhook.media import inline_file, media_type
from vidhook.providers.expressions import search
from vidhook.providers.links import links_in
from vidhook.providers.names import (
    BESIDE_WORDS,
    FILM_NAMES,
    INPUT_WORDS,
    LISTED,
    PAGE_WORDS,
    RESULT_NAMES,
    is_result,
    may_hold,
)
from vidhook.providers.places import Path, expression, walk
from vidhook.providers.reading import BASE64
from vidhook.providers.results import Found, Rank, anywhere, best, poster
from vidhook.providers.values import ITEMS, embedded, spelled, words_in
from vidhook_cli.guessing.fields import is_of_failure, kind_of
from vidhook_cli.guessing.places import usable

HEAD = 4 * 128  # characters of a file in base64, by which its type is told
OWN_NAMES = frozenset({*RESULT_NAMES, *FILM_NAMES})
LONGEST_TEXT = 100_000  # in which links are looked for


def film_in(task: Mapping[str, Any], asked: str) -> Found | None:
    """Returns the link to the finished file in a task; `asked` is the URL that was polled, here and below."""
    here, kind = dict(task), kind_of(task)
    found = best((here, here.get("data")), here, kind, asked) or anywhere(here, kind, asked)
    if found is None:
        # Many answers do not say that the task makes an image; beside a film it would be a picture of it.
        picture = best((here, here.get("data")), here, "image", asked)
        good = picture is not None and picture.rank <= Rank.NAMELESS
        return Found(picture.url, Rank.OTHER) if picture and good else _picture_in(here, asked)
    # Of two links that are equally good, one of the task's own under a usual name: `result_url` beside `original_...`.
    usual = (best((value,), here, kind, asked) for name, value in here.items() if spelled(name) in OWN_NAMES)
    return next((each for each in usual if each and each.rank == found.rank), found)


def file_in(task: Mapping[str, Any]) -> tuple[Path, str] | None:
    """Returns the place of a file in base64 that stands in a task, and its type; None without one."""
    for path, value in walk(task):
        names = frozenset[str]().union(*(words_in(step) for step in path if isinstance(step, str)))
        others = (INPUT_WORDS | BESIDE_WORDS) - ({"base"} if "64" in names else set())  # bytesBase64Encoded
        if isinstance(value, str) and BASE64.fullmatch(value) and not others & names:
            for kind in ("video", "image"):
                with suppress(BrokenDownload, NotTheFile, Playlist):
                    _, head = inline_file(f"data:;base64,{value[:HEAD]}")
                    if (found := media_type(head, None, kind)).startswith(kind):
                        return path, found
    return None


def _picture_in(task: Mapping[str, Any], asked: str) -> Found | None:
    """Returns the link to an image that is neither an input nor beside something else, by the names that lead to it."""
    for path, value in walk(task):
        words = frozenset[str]().union(*(words_in(step) for step in path if isinstance(step, str)))
        if isinstance(value, str) and not (INPUT_WORDS | BESIDE_WORDS | PAGE_WORDS) & words:
            found = best((value,), None, "image", asked)
            if found and found.rank is Rank.FILM:
                return Found(found.url, Rank.UNCLEAR)
    return None


def place_of_film(task: Mapping[str, Any], found: Found, asked: str) -> str:
    """Returns the expression for a link in a task: as far as its list if the engine finds it there, else all of it."""
    kind = kind_of(task)
    candidates = list[str]()
    for path in places_of_link(task, found.url, asked):
        first = next((place for place, step in enumerate(path) if isinstance(step, int)), len(path))
        candidates += [expression(path[:first]), expression(path, every=True), expression(path)]
    ranked = list[tuple[int, int, str]]()
    for order, written in enumerate([*candidates, "@"]):
        compiled = usable(written)
        here = best((search(compiled, task),), task, kind, asked) if compiled else None
        if here and here.url == found.url:
            ranked.append((here.rank, order, written))
    return min(ranked)[2] if ranked else "@"


def holds_several(task: Mapping[str, Any], written: str, asked: str) -> bool:
    """Returns whether more than one finished file stands at the place of an expression."""
    compiled = usable(written)
    value = embedded(search(compiled, task)) if compiled else None
    items = value[:ITEMS] if isinstance(value, list) else []
    found = (best((item,), task, kind_of(task), asked) for item in items)
    return len({each.url for each in found if each and each.rank <= Rank.INLINE}) > 1


def places_of_link(task: Mapping[str, Any], url: str, asked: str) -> list[Path]:
    """Returns the places of the texts that have a link in them, by how likely their names are those of a result."""
    texts = [(path, value) for path, value in walk(task) if isinstance(value, str) and len(value) < LONGEST_TEXT]
    holding = [path for path, value in texts if any(each.url == url for each in links_in(value, asked))]
    return sorted(holding, key=_by_name)


def _by_name(path: Path) -> tuple[bool, int, int]:
    """Returns how unlikely a path is that of a result, by the names on it."""
    names = [step for step in path if isinstance(step, str)]
    failure = any(is_of_failure(name) for name in names)
    said = words_in(names[-1]) if names else frozenset[str]()
    known = bool(names) and (spelled(names[-1]) in LISTED or is_result(said, "video"))
    return failure, 0 if known else 1 if may_hold(said, "video") else 2, len(path)


def place_of_poster(task: Mapping[str, Any], document: object, film: str, asked: str) -> str | None:
    """Returns the expression for the picture of a film in a task, None without one. `document` is the whole answer."""
    found = poster((task,), task, document, film, asked) if kind_of(task) == "video" else None
    if found is None:
        return None
    places = places_of_link(task, found.url, asked)
    for written in (expression(path, every=every) for path in places for every in (True, False)):
        compiled = usable(written)
        if compiled and found == poster((search(compiled, task),), task, document, film, asked):
            return written
    return "@"
