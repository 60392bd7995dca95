"""Proposes a provider file from recorded answers, and says what the file reads in them."""

import json
import re
import statistics
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from vidhook.errors import BadInput, BadProviderFile
from vidhook.providers.created import ID_NAMES
from vidhook.providers.file import Provider, parse
from vidhook.providers.places import Path, expression
from vidhook.providers.reading import GONE, POSTER, REFUSED, TRANSIENT, Reading, read
from vidhook.providers.reasons import failure_of
from vidhook.providers.results import Rank, link_expiry
from vidhook.providers.values import percent, spelled, text
from vidhook.task import Status
from vidhook.times import instant
from vidhook_cli.exchanges import Answer
from vidhook_cli.guessing.address import Route, Second, holds_key, id_asked, name_of, route_of, second_of
from vidhook_cli.guessing.fields import FIELDS, field_in, first_value, is_of_one, places_of
from vidhook_cli.guessing.film import file_in, holds_several, place_of_film, place_of_poster
from vidhook_cli.guessing.lines import Line, either, key_of, toml, written
from vidhook_cli.guessing.places import brief
from vidhook_cli.guessing.task import Seen, Task, errors_in, failure_flags, id_of, ids_of, seen_in, task_in
from vidhook_cli.show import one_line

HOST, ROUTE = "https://api.edit-me.example", "/edit-me/{task_id}"
EDIT = "EDIT"  # begins the comment of a line that somebody has to edit


@dataclass(frozen=True, slots=True)
class Proposal:
    """A provider file that parses, and what it reads in each of the answers, a line each."""

    text: str
    provider: Provider
    readings: tuple[str, ...]
    agrees: bool  # whether each answer gives back the status and the link that were found in it


def guess(answers: Sequence[Answer], name: str | None = None) -> Proposal:
    """Returns a provider file that reads these answers of one provider. `name` is the one it gets.

    Raises BadInput when nothing can be proposed, or for a second answer that is not needed, and BadProviderFile for a
    name that no provider can have.
    """
    route = route_of(answers)
    task = task_in(answers, route.ids)
    if task is None:
        names = ", ".join(each.name for each in answers) or "no answer"
        raise BadInput(names, "nothing can be proposed: no status of a task stands in it", "give a task's answer")
    seen = [seen_in(each, task) for each in answers]
    if any(each.second for each in answers) and not any(each.second for each in seen):
        problem = "no answer of a completed task lacks the link"
        raise BadInput("result", problem, "leave the second answer out, or give the answer before it too")
    sections = [
        _top(seen, task, route, name),
        _auth(answers, route),
        *_headers(answers),
        _answer(seen, task, route),
        *_result(seen, route),
        *_assets(seen, route),
        _status(seen, route.ids),
    ]
    body = "\n\n".join("\n".join(written(section)) for section in sections if section)
    try:
        provider = parse(body)
    except BadProviderFile as error:
        if name is not None and "name" in error.field:
            raise
        raise BadInput(answers[0].name, f"nothing can be proposed: {error}", "write the file by hand") from None
    told = [_told(provider, each, route.ids) for each in seen]
    head = ["# Proposed from recorded answers. Look at each line, first at those that say EDIT. It reads:"]
    head += [f"#   {line}" for line, _ in told]
    return Proposal(
        "\n".join([*head, "", body, ""]), provider, tuple(line for line, _ in told), all(ok for _, ok in told)
    )


def _top(seen: Sequence[Seen], task: Task, route: Route, name: str | None) -> list[Line]:
    host = urlsplit(route.base_url or "").hostname or ""
    given = name or name_of(host)
    lines = [
        Line(
            f"name = {toml(given or 'mine')}",
            "" if name else "from its host" if given else f"{EDIT}: what you call it",
        ),
        Line(
            f"base_url = {toml(route.base_url or HOST)}",
            "" if route.base_url else f"{EDIT}: the API's address; no URL is known",
        ),
    ]
    posted = next((each.answer for each in seen if each.answer.method == "POST"), None)
    body = _posted(posted, route.ids) if posted else []
    if route.path is None or ("{task_id" not in route.path and not body):
        lines.append(Line(f"path = {toml(ROUTE)}", f"{EDIT}: where a task is asked about"))
    else:
        about = f"the id {brief(next(iter(route.ids)))} stood there" if route.ids else ""
        lines.append(Line(f"path = {toml(route.path)}", about))
    if posted and body:
        lines.append(Line('method = "POST"'))
    if _needs_format(seen, route):
        doubt = f"; {EDIT} if that one has no file" if any(each.linked for each in seen) else ""
        about = f"it has this path, and no link in a completed task{doubt}"
        lines.append(Line(f"format = {toml(route.format or '')}", about))
    elif route.format:
        lines.append(Line(f"# format = {toml(route.format)}", "if the API follows this format: it has this path"))
    lines += [*_times(seen), *body]
    return lines


def _needs_format(seen: Sequence[Seen], route: Route) -> bool:
    """Whether only the format that has this path says where a finished file is."""
    return route.format is not None and any(each.completed and not (each.found or each.second) for each in seen)


def _posted(answer: Answer, ids: frozenset[str]) -> list[Line]:
    """Returns the body of a request by POST, if it names the task: a table, or a list in one line."""
    body = _with_place(answer.posted, ids)
    if "{task_id}" not in json.dumps(body):
        return []
    if isinstance(body, list):
        return [Line(f"body = {toml(body)}")]
    lines = [Line(f"{key_of(name)} = {toml(value)}") for name, value in body.items() if value is not None]
    return [Line(""), Line("[body]"), *lines]


def _with_place(value: Any, ids: frozenset[str], name: str = "") -> Any:
    """Returns a body with {task_id} for the task's id, and without what holds a key."""
    if isinstance(value, dict):
        return {key: _with_place(inner, ids, key) for key, inner in value.items() if not holds_key(key)}
    if isinstance(value, list):
        return [_with_place(inner, ids, name) for inner in value]
    written = text(value)
    is_id = written is not None and (written in ids or (not ids and spelled(name) in ID_NAMES))
    return "{task_id}" if is_id else value


def _times(seen: Sequence[Seen]) -> Iterator[Line]:
    took = []
    for each in seen:
        times = {name: first_value(name, each.task, instant) for name in ("created_at", "started_at", "completed_at")}
        since, until = times["created_at"] or times["started_at"], times["completed_at"]
        if each.completed and since and until and 0 < until - since < 86_400:
            took.append(until - since)
    if took:
        yield Line(
            f"expected_seconds = {max(1, round(statistics.median(took)))}", "the task in the answer took so long"
        )
    else:
        yield Line("# expected_seconds = 180", f"{EDIT}: how long a task takes, roughly")
    progress = [(value, each.completed) for each in seen for _, value in field_in("progress", each.task, percent)[:1]]
    if is_of_one(progress):
        yield Line("progress_scale = 1", f"100 % is 1: progress is {brief(progress[0][0])}")
    links = [each.found.url for each in (each.linked for each in seen) if each and each.found]
    if any(first_value("expires_at", each.task, instant) for each in seen):
        return
    if links and all(link_expiry(url) for url in links):
        yield Line("# link_lives_seconds = 86400", "not needed: the links say when they die")
    else:
        yield Line("# link_lives_seconds = 86400", f"{EDIT}: how long links live, by the API's documentation")


def _auth(answers: Sequence[Answer], route: Route) -> list[Line]:
    for answer in answers:
        for name, value in answer.sent.items():
            if holds_key(name):
                scheme = re.match(r"([A-Za-z][\w-]*) +\S", str(value))
                put = f"{scheme[1]} {{key}}" if scheme and name.lower() == "authorization" else "{key}"
                about = "as in the recorded request"
                return [Line("[auth]"), Line(f"header = {toml(name)}", about), Line(f"value = {toml(put)}")]
    scheme_word = "Bearer"
    about = f"{EDIT} if it is another one: no answer shows it"
    for answer in answers:
        asked = {str(name).lower(): str(value) for name, value in answer.headers.items()}.get("www-authenticate", "")
        if (scheme := re.match(r"[A-Za-z][\w-]*", asked)) and scheme[0].lower() not in ("bearer", "digest"):
            scheme_word, about = scheme[0], "as the WWW-Authenticate of an answer asks"
    if route.keys:
        return [Line("[auth.query]"), Line(f'{key_of(route.keys[0])} = "{{key}}"', "as in the recorded URL")]
    return [
        Line("[auth]"),
        Line('header = "Authorization"', about),
        Line(f"value = {toml(scheme_word + ' {key}')}"),
    ]


def _headers(answers: Sequence[Answer]) -> Iterator[list[Line]]:
    """Yields the table of fixed headers: those that name the version of an API."""
    given = {name: str(value) for each in answers for name, value in each.sent.items() if "version" in name.lower()}
    lines = [
        Line(f"{key_of(name)} = {toml(value)}") for name, value in given.items() if re.fullmatch(r"[\w.-]{1,60}", value)
    ]
    if lines:
        yield [Line("[headers]"), *lines]


def _answer(seen: Sequence[Seen], task: Task, route: Route) -> list[Line]:
    known = [each for each in seen if each.word is not None]
    ids = [found for each in known if (found := id_of(each.task, route.ids))]
    lines = [Line("[answer]")]
    if task.path:
        listed = isinstance(task.path[-1], int) and bool(ids)
        lines.append(Line(f"task = {toml(expression(task.path[:-1] if listed else task.path))}"))
    lines.append(_id_line(ids, route))
    words = _words_seen(known, task) if task.status else f"{EDIT}: no status stands there; give a running task's answer"
    lines.append(Line(f"status = {toml(either(_statuses_of(seen, task, ids)))}", words))
    lines += _field_lines(known, task)
    errors = errors_in(seen)
    if errors:
        lines.append(Line(f"error = {toml(either([each for each, _ in errors]))}", errors[0][1]))
    else:
        lines.append(Line('# error = "error"', f"{EDIT}: where a failed task's reason stands; give the answer of one"))
    return lines


def _field_lines(known: Sequence[Seen], task: Task) -> Iterator[Line]:
    """Yields the fields of the task that are neither its id nor its status, with the first value of each."""
    taken = {task.status}
    for name, parsed in FIELDS.items():
        if found := places_of(name, [each.task for each in known], parsed, taken):
            paths, value = found
            taken.update(paths)
            yield Line(f"{name} = {toml(either([expression(path) for path in paths]))}", brief(value))


def _id_line(ids: Sequence[tuple[Path, str]], route: Route) -> Line:
    if not ids:
        return Line('# id = "id"', f"{EDIT}: no id of the task was found")
    (path, first), about = ids[0], brief(ids[0][1])
    if route.ids and first not in route.ids:
        about += f"; {EDIT}: it is not the one in the URL"
    elif not route.ids and spelled(str(path[-1])) == "requestid":
        about += f"; {EDIT} if this is the id of the request only"
    return Line(f"id = {toml(either([expression(each) for each, _ in ids]))}", about)


def _statuses_of(seen: Sequence[Seen], task: Task, ids: Sequence[tuple[Path, str]]) -> Iterator[str]:
    """Yields where the status stands, and what is one in answers that have none."""
    place = expression(task.status)
    if task.flag:
        names = [name for each in seen for name in failure_flags(each.task)]
        failed = expression((names[0],)) if names else "error"
        said = f"{place} && ({failed} && 'failed' || 'completed') || 'processing'"
        yield f"{expression(ids[0][0])} && ({said})" if ids else said  # a refusal has neither the flag nor the id
    elif task.status:
        yield place
    if task.link:
        alone = f"!({place}) && " if task.status else ""
        yield f"{alone}{expression(task.link)} && '{Status.COMPLETED}'"


def _words_seen(known: Sequence[Seen], task: Task) -> str:
    words = dict.fromkeys(f"{brief(each.word)}: {_meaning(each)}" for each in known)
    return ("true or false; " if task.flag else "") + ", ".join(words)


def _meaning(seen: Seen) -> str:
    return str(seen.meant.status) if seen.meant and seen.meant.known else "not known"


def _assets(seen: Sequence[Seen], route: Route) -> Iterator[list[Line]]:
    """Yields the table [assets], and [base64] for a file that stands in an answer itself."""
    linked = [(each.task, each.found, each) for each in (each.linked for each in seen) if each and each.found]
    paths = [place_of_film(task, found, each.asked) for task, found, each in linked]
    several = [
        path for path, (task, _, each) in zip(paths, linked, strict=True) if holds_several(task, path, each.asked)
    ]
    pictures = (place_of_poster(task, each.answer.document, found.url, each.asked) for task, found, each in linked)
    posters = list(filter(None, pictures))
    lines = [Line("[assets]")]
    coded = [found for each in seen if each.completed and not each.linked and (found := file_in(each.task))]
    if paths or coded:
        paths += [expression(path) for path, _ in coded]
        shown = brief(linked[0][1].url) if linked else "the file itself, in base64"
        unclear = any(found.rank is Rank.UNCLEAR for _, found, _ in linked)
        doubt = f"; {EDIT} if it is not what the task made" if unclear else ""
        lines.append(Line(f"result = {toml(either(paths))}", shown + doubt))
        if several:
            about = f"{EDIT}: several files stand there; with this in the place of result each is stored"
            lines.append(Line(f"# results = {toml(either(several))}", about))
    elif _needs_format(seen, route):
        return
    else:
        about = "no answer has a link; this looks under the usual names"
        lines.append(Line('result = "@"', f"{EDIT}: {about}"))
        if any(each.completed for each in seen):
            lines.append(Line("# if a second request brings the link, give its answer with --result"))
            lines.append(
                Line('# content_path = "/.../{task_id}/content"', "at the top: if files are downloaded with the key")
            )
    if posters:
        lines.append(Line(f"{POSTER} = {toml(either(posters))}", "the picture of the video"))
    yield lines
    if coded:
        yield [Line("[base64]"), Line(f"result = {toml(coded[0][1])}", "by its first bytes")]


def _result(seen: Sequence[Seen], route: Route) -> Iterator[list[Line]]:
    """Yields the table [result], if an answer was recorded that a second request brought."""
    for each in seen:
        if each.second is not None:
            ids = {*route.ids, *(name for _, name, _ in ids_of(each.task))}
            how = second_of(each.task, each.answer, each.second.answer, frozenset(ids))
            yield [Line("[result]"), *_second(how, route), _failed(seen)]
            if how.path and how.fields:
                yield [
                    Line("[result.fields]"),
                    *(Line(f"{name} = {toml(path)}") for name, path in how.fields.items()),
                ]
            return


def _second(how: Second, route: Route) -> Iterator[Line]:
    elsewhere = how.base_url is not None and route.base_url is not None and not how.base_url.startswith(route.base_url)
    if how.url:
        about = f"{EDIT}: its host has to stand in hosts, at the top" if elsewhere else ""
        yield Line(
            f"url = {toml(how.url)}", about if how.base_url else f"{EDIT} if it is another one: its URL is not known"
        )
    elif how.path:
        yield Line(f"path = {toml(how.path)}", f"{EDIT}: it was asked at {brief(how.base_url)}" if elsewhere else "")
    else:
        yield Line(f"path = {toml(ROUTE)}", f"{EDIT}: where the link is asked for")


def _failed(seen: Sequence[Seen]) -> Line:
    """Returns the HTTP statuses of second answers that say that the task has failed, and would say so again."""
    about = "HTTP statuses of this answer that say that the task has failed"
    codes = {each.second.answer.status for each in seen if each.second and 400 <= each.second.answer.status < 500}
    own = sorted(codes - REFUSED.keys() - GONE - TRANSIENT)
    return Line(f"failed = {own}", about) if own else Line("# failed = [422]", f"{EDIT}: {about}")


def _status(seen: Sequence[Seen], ids: frozenset[str]) -> list[Line]:
    """Returns the table [status], in which the words that vidhook does not know are left to a person.

    Of those that may be about the request, and beside which no id of the task stands, it says that they are the task's
    if other words do that stand in their place.
    """
    sure = any(each.meant is not None and each.meant.known and not each.vague for each in seen)
    lines = dict[str, Line]()
    for each in seen:
        if each.word is None or each.meant is None:
            continue
        key = key_of(each.word)
        if not each.meant.known:
            bad = each.word.startswith("-") or failure_of(each.task)
            hint = "failed" if bad else "completed" if each.found else "processing"
            about = f"{EDIT}: vidhook does not know the word; is it {', '.join(Status)}?"
            lines.setdefault(key, Line(f"# {key} = {toml(hint)}", about))
        elif each.vague and each.linked is None and not _has_own_id(each, ids):
            code = f"{key} = {toml(each.meant.status)}"
            line = Line(code, "else it would be the request's, as the task's id is not beside it")
            doubt = Line(f"# {code}", f"{EDIT}: it is the request's, unless this line says that it is the task's")
            lines.setdefault(key, line if sure else doubt)
    return [Line("[status]"), *lines.values()] if lines else []


def _has_own_id(seen: Seen, ids: frozenset[str]) -> bool:
    found = id_of(seen.task, ids)
    return found is not None and (not ids or found[1] in ids)


def _told(provider: Provider, seen: Seen, ids: frozenset[str]) -> tuple[str, bool]:
    """Returns what the file reads in an answer, and whether that is what was found in it."""
    answer, found = seen.answer, id_of(seen.task, ids)
    about: dict[str, Any] = {"task_id": id_asked(answer) or (found and found[1]), "now": answer.now}
    got = read(provider, **_heard(answer), **about)
    if seen.second is not None and got.unlinked is not None:
        got = read(provider, **_heard(seen.second.answer), **about, unlinked=got.unlinked)
    said, problem = _said(got), _problem(got, seen)
    return one_line(f"{answer.name}: {said}{f'; {problem}' if problem else ''}"), problem is None


def _heard(answer: Answer) -> dict[str, Any]:
    return {
        "status": answer.status,
        "headers": {str(name): str(value) for name, value in answer.headers.items()},
        "body": json.dumps(answer.document).encode("utf-8", "surrogatepass"),
    }


def _said(got: Reading) -> str:
    if got.snapshot is None:
        return f"{got.outcome} ({got.error.category})" if got.error else got.outcome
    said = f"{got.snapshot.status} ({brief(got.snapshot.provider_status)})"
    return f"{said}, {brief(got.snapshot.sources[0].url)}" if got.snapshot.sources else said


def _problem(got: Reading, seen: Seen) -> str | None:
    """Returns how a reading differs from what was found in the answer; None if it does not."""
    if seen.word is None:
        return None if got.snapshot is None else f"{EDIT}: no status was found there"
    if got.outcome == "retry" and seen.second and not seen.second.found:
        return None  # the second request is sent again
    if got.snapshot is None or got.snapshot.provider_status != seen.word:
        return f"{EDIT}: the word {brief(seen.word)} is not read as a status until [status] lists it"
    if seen.meant and not seen.meant.known:
        return f"{EDIT}: [status] has to say what {brief(seen.word)} means" if not got.snapshot.known_status else None
    link_read = got.snapshot.sources[0].url if got.snapshot.sources else None
    found = seen.linked.found if seen.linked else None
    if seen.completed and found and link_read != found.url:
        return f"{EDIT}: the link {brief(found.url)} is not read"
    return None
