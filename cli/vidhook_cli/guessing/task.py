"""Finds the task in recorded answers: where it stands, its status, its id, and the reasons of failures."""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import islice
from typing import Any

from vidhook.providers.created import ID_NAMES, PLAIN_NAMES
from vidhook.providers.file import parse
from vidhook.providers.names import (
    INPUT_WORDS,
)
from vidhook.providers.places import Path, at, walk
from vidhook.providers.reading import ENVELOPE_WORDS
from vidhook.providers.reasons import (
    FAILURE_NAMES,
    OTHER_WORDS,
    find_reason,
)
from vidhook.providers.reasons import (
    guess as envelope_of,
)
from vidhook.providers.results import Found, Rank, best
from vidhook.providers.statuses import STATUSES, Meaning, meaning_of
from vidhook.providers.table import fold
from vidhook.providers.values import ITEMS, spelled, text, words_in
from vidhook.task import Status
from vidhook_cli.exchanges import Answer
from vidhook_cli.guessing.fields import error_in, error_names, reason_in
from vidhook_cli.guessing.film import film_in, places_of_link
from vidhook_cli.guessing.places import LONGEST, likeness, usable

BARE = parse('name = "x"\nbase_url = "https://x.example"\npath = "/{task_id}"\nformat = "generic"')
# What a status stands under, beside the names of the formats.
STATUS_WORDS = frozenset({"status", "state", "flag", "phase"})
SHORT = 100  # numbers from here on are codes of HTTP or of an envelope


@dataclass(frozen=True, slots=True)
class Task:
    """Where the task stands in the answers, and its status in it, which may be missing.

    flag: the status is true or false, and no word. link: where a film stands in answers that have no status.
    """

    path: Path
    status: Path = ()
    flag: bool = False
    link: Path = ()


@dataclass(frozen=True, slots=True)
class Seen:
    """What was found in one answer: its task, the status word in it with its meaning, the link to the file.

    second: what was found in the answer to a second request; its task is the whole of it.
    """

    answer: Answer
    task: dict[str, Any]
    word: str | None
    meant: Meaning | None
    found: Found | None = None
    second: "Seen | None" = None

    @property
    def completed(self) -> bool:
        return self.meant is not None and self.meant.status is Status.COMPLETED

    @property
    def asked(self) -> str:
        """The URL that was polled."""
        return self.answer.url or ""

    @property
    def linked(self) -> "Seen | None":
        """This one or the second, which has the link; None if neither has."""
        last = self.second or self
        return last if last.found else None

    @property
    def failed(self) -> bool:
        return self.meant is not None and self.meant.status is Status.FAILED

    @property
    def vague(self) -> bool:
        """Whether the word may as well be about the request."""
        return self.word is not None and fold(self.word) in ENVELOPE_WORDS


def task_in(answers: Sequence[Answer], ids: frozenset[str]) -> Task | None:
    """Returns the place that is most likely the status of a task, by what speaks for it in all answers together."""
    points: dict[Task, float] = {}
    for answer in answers:
        for place, amount in _statuses_in(answer, ids):
            points[place] = points.get(place, 0) + amount
    likely = [place for place, amount in points.items() if amount > 0]
    if not likely:
        return _linked(Task(()), answers)
    return _linked(_with_film(_with_id(max(likely, key=lambda each: points[each]), answers, ids), answers), answers)


def _statuses_in(answer: Answer, ids: frozenset[str]) -> Iterator[tuple[Task, float]]:
    """Yields what may be the status of a task in an answer, and how likely it is."""
    for path, value in walk(answer.document):
        if isinstance(value, dict):
            beside = _likelihood(path, value, ids, answer)
            for name, inner in islice(value.items(), ITEMS):
                if (alone := _as_status(name, inner, _has_id(value))) is not None:
                    yield Task(path, (name,), isinstance(inner, bool)), alone + beside


def _as_status(name: str, value: object, has_id: bool) -> float | None:
    """Returns how much a name and its value look like a task's status; None if not at all."""
    likely = likeness("status", name)
    named = (
        3 if likely == 0 else 2 if {"status", "state"} & words_in(name) else 1 if STATUS_WORDS & words_in(name) else 0
    )
    if isinstance(value, bool):
        return 3 if STATUSES.get(fold(name)) is Status.COMPLETED and fold(name) not in ENVELOPE_WORDS else None
    word = text(value)
    if word is None or len(word) > LONGEST or "/" in word or OTHER_WORDS & words_in(name):
        return None
    spelling = fold(word)
    if spelling.lstrip("+-").isdecimal():
        return named + 1 if named and abs(int(spelling)) < SHORT else None
    if spelling in ENVELOPE_WORDS:
        return named + (4 if has_id else 0) if named else None
    if meaning_of(BARE, word).known:
        return named + 4 if named or spelling in STATUSES else None
    return named + 1 - word.count(" ") if named > 1 else None


def _likelihood(path: Path, holder: Mapping[str, Any], ids: frozenset[str], answer: Answer) -> float:
    """Returns how much an object looks like the task."""
    names = [step for step in path if isinstance(step, str)]
    likely = -float(sum(step is not None for step in path))
    likely += 3 if _has_id(holder) else 0
    likely += 8 if any(each in ids for _, each, _ in ids_of(holder)) else 0
    likely += 2 if film_in(holder, answer.url or "") else 0
    likely -= 8 * any(INPUT_WORDS & words_in(name) or spelled(name) in FAILURE_NAMES for name in names)
    return likely


def _has_id(holder: Mapping[str, Any]) -> bool:
    return any(spelled(name) in ID_NAMES and spelled(name) != "name" and text(value) for name, value in holder.items())


def ids_of(holder: Mapping[str, Any], depth: int = 2) -> Iterator[tuple[int, str, Path]]:
    """Yields what may be the id of an object: how likely the name is one, the id, and its path."""
    for path, value in walk(holder):
        steps = [step for step in path if step is not None]
        if not path or len(steps) > depth or not isinstance(name := path[-1], str) or not isinstance(value, str | int):
            continue
        found = text(value)
        if found is None or spelled(name) not in ID_NAMES or any(isinstance(step, int) for step in steps):
            continue
        if spelled(name) == "name" and "operations/" not in found and len(steps) < 2:
            continue
        if spelled(name) in PLAIN_NAMES and len(steps) > 1:
            continue
        yield ID_NAMES.index(spelled(name)) + 20 * (len(steps) - 1), found, path


def id_of(holder: Mapping[str, Any], ids: frozenset[str]) -> tuple[Path, str] | None:
    """Returns where the id of an object stands, and the id, at best one of those that are known; None without one."""
    found = min(ids_of(holder), key=lambda each: (each[1] not in ids, each[0]), default=None)
    return (found[2], found[1]) if found else None


def _around(place: Task, answer: Answer) -> Iterator[tuple[Task, dict[str, Any]]]:
    """Yields what is around a task in an answer, as the place of the task and its value, the nearest first."""
    for cut in range(len(place.path) - 1, -1, -1):
        value = at(answer.document, place.path[:cut])
        if isinstance(value, dict):
            yield replace(place, path=place.path[:cut], status=(*place.path[cut:], *place.status)), value


def _with_id(place: Task, answers: Sequence[Answer], ids: frozenset[str]) -> Task:
    """Returns the task that has an id: what is around the status, if the id stands there."""
    for answer in answers:
        here = at(answer.document, place.path)
        if isinstance(here, dict) and id_of(here, ids) is None:
            for wider, around in _around(place, answer):
                own = {name for _, name, _ in ids_of(around, 1)}
                surely = any(spelled(name) in ID_NAMES and spelled(name) != "requestid" for name in around)
                if own and (surely or ids & own):
                    return wider
    return place


def _with_film(place: Task, answers: Sequence[Answer]) -> Task:
    """Returns the task that has its film: what is around the status, if the link stands there and not beside it."""
    completed = [each for each in (seen_in(answer, place) for answer in answers) if each.completed]
    if any(each.linked for each in completed):
        return place
    wider = (found for each in completed for found in _around(place, each.answer) if film_in(found[1], each.asked))
    return next(wider, (place, {}))[0]


def _linked(place: Task, answers: Sequence[Answer]) -> Task | None:
    """Returns the task with the place of the film in answers without a status; None if it has neither.

    Only a link that ends as films do counts: anything else may be an address to ask at, or the question.
    """
    for answer in answers:
        seen = seen_in(answer, place)
        found = film_in(seen.task, seen.asked) if seen.word is None and 200 <= answer.status < 300 else None
        alone = best((found.url,), None, "video", seen.asked) if found else None
        if found and found.rank < Rank.UNCLEAR and alone and alone.rank is Rank.FILM:
            return replace(place, link=places_of_link(seen.task, found.url, seen.asked)[0])
    return place if place.status else None


def failure_flags(task: Mapping[str, Any]) -> list[str]:
    """Returns the names in a task under which something stands if it has failed, where its status is a flag."""
    return [name for name in task if spelled(name) in ("error", "errors")]


def seen_in(answer: Answer, task: Task) -> Seen:
    """Returns what stands in an answer at the place of the task."""
    here = at(answer.document, task.path)
    if not isinstance(here, dict):
        return Seen(answer, {}, None, None)
    value = at(here, task.status) if task.status else None
    if task.flag:
        failed = any(find_reason(here[name]) for name in failure_flags(here))
        word: str | None = ("failed" if failed else "completed") if value is True else "processing"
        word = word if isinstance(value, bool) or next(ids_of(here), None) else None
    else:
        word = text(value)
    if word is None and task.link and 200 <= answer.status < 300 and text(at(here, task.link)):
        word = Status.COMPLETED
    meant = meaning_of(BARE, word) if word is not None else None
    if meant is not None and word is not None and not meant.known and re.fullmatch(r"[+-]?\d{3,}", fold(word)):
        return Seen(answer, here, None, None)
    ended = meant is not None and (meant.status is Status.COMPLETED or not meant.known)
    found = film_in(here, answer.url or "") if ended else None
    return (
        Seen(answer, here, word, meant, found)
        if answer.second is None
        else _with_second(answer, here, word, meant, found)
    )


def _with_second(
    answer: Answer, task: dict[str, Any], word: str | None, meant: Meaning | None, found: Found | None
) -> Seen:
    """Returns what stands in an answer and the one behind it, if the task is completed and has no good link itself."""
    first = Seen(answer, task, word, meant, found)
    if answer.second is None or not first.completed or (found is not None and found.rank <= Rank.NAMELESS):
        return first
    whole = answer.second.document
    second = Seen(answer.second, whole, None, None, film_in(whole, answer.second.url or ""))
    return Seen(answer, task, word, meant, None, second)


def errors_in(seen: Sequence[Seen]) -> list[tuple[str, str]]:
    """Returns where reasons stand, each with what was found there: in failed tasks, in refusals, and by the names."""
    found: dict[str, str] = {}
    for each in seen:
        if each.failed or (each.completed and each.linked is None):
            found.update(error_in(each.task, reason_in(each.task)))
        elif each.word is None and (told := envelope_of(each.answer.document)).reason:
            found.update(error_in(each.answer.document, told.reason))
    for each in seen:
        for path in error_names(each.task):
            found.setdefault(path, "its name says so; no reason stood there")
    told_first = sorted(found.items(), key=lambda each: each[1].startswith("its name"))
    covered: list[tuple[str, str]] = []
    for path, about in told_first:
        if (about or not covered) and usable(path) and not any(_covers(other, path) for other, _ in covered):
            covered.append((path, about))
    return covered


def _covers(other: str, path: str) -> bool:
    """Whether a place is a part of another one, such as of code and message together."""
    return path != other and bool(re.search(rf"\b{re.escape(path)}\b", other))
