"""The address of a provider in the URLs that were polled: its base URL, and the path with the place of the id."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any
from urllib.parse import SplitResult, quote, unquote, urlsplit

from vidhook.providers.created import ID_NAMES, LONGEST_ID
from vidhook.providers.file import FORMATS, bundled_text
from vidhook.providers.places import expression, walk
from vidhook.providers.reasons import upper_snake
from vidhook.providers.values import link, spelled, text, words_in
from vidhook_cli.exchanges import Answer

PLACE = "TASK-ID"  # for {task_id}, as no URL may have braces
# Names of parameters, fields and headers that hold a key, as `spelled` writes them, and ends of such names.
KEY_NAMES = {"key", "xkey", "token", "secret", "password", "signature", "sig", "sign", "auth", "authorization"}
KEY_ENDS = (
    "apikey",
    "accesskey",
    "secretkey",
    "authkey",
    "accesstoken",
    "authtoken",
    "apitoken",
    "secret",
    "authorization",
)
# An API with one of these paths follows the format.
FORMATS_WITH_A_PATH = {
    name: found[1]
    for name in FORMATS
    if name != "generic" and (found := re.search(r'(?m)^path = "(.+)"', bundled_text(name)))
}


@dataclass(frozen=True, slots=True)
class Second:
    """The request that brings the link: a URL in the first answer, or a path with one of its values, as JMESPath.

    Neither is there where the second URL is not known, or has nothing of the first answer in it. base_url: its own.
    """

    url: str | None = None
    path: str | None = None
    fields: Mapping[str, str] = field(default_factory=dict)
    base_url: str | None = None


@dataclass(frozen=True, slots=True)
class Route:
    """Where the answers come from: base_url, and the path with the id's place; None where no URL is known.

    ids: the ids in the URLs. keys: names in the query that hold a key, which are left out of the path.
    """

    base_url: str | None = None
    path: str | None = None
    ids: frozenset[str] = frozenset()
    keys: tuple[str, ...] = ()
    format: str | None = None


def holds_key(name: str) -> bool:
    """Returns whether a parameter, a field or a header of this name holds a key."""
    plain = spelled(name.replace("-", ""))
    return plain in KEY_NAMES or plain.endswith(KEY_ENDS)


def route_of(answers: Sequence[Answer]) -> Route:
    """Returns the address in the URLs of the answers, at best one of a task whose id an answer has."""
    routes = [found for each in answers if each.url and (found := _route_in(each.url, each))]
    sure = next((each for each in routes if each.ids), next(iter(routes), Route()))
    return replace(sure, ids=frozenset().union(*(each.ids for each in routes)))


def id_asked(answer: Answer) -> str | None:
    """Returns the id of the task in the URL of an answer."""
    route = _route_in(answer.url, answer) if answer.url else None
    return next(iter(route.ids), None) if route else None


def _route_in(url: str, answer: Answer) -> Route | None:
    whole = link(url.replace("{task_id}", PLACE))
    if whole is None:
        return None
    parts = urlsplit(whole)
    asked, keys = _asked(parts)
    route = Route(_base(parts), None, keys=keys)
    if "{task_id}" in url:
        return _known(replace(route, path=asked.replace(PLACE, "{task_id}")))
    if found := _id_within(asked, answer.document):
        start, end, place, task_id = found
        return _known(replace(route, path=asked[:start] + place + asked[end:], ids=frozenset({task_id})))
    return replace(route, path=asked) if answer.posted is not None else route


def second_of(task: Mapping[str, Any], answer: Answer, second: Answer, ids: frozenset[str]) -> Second:
    """Returns how the second request follows from the first answer, given its task; `ids` are those of the task."""
    parts = urlsplit(second.url) if second.url and link(second.url) else None
    places = [
        (path, value) for part in (task, answer.document) for path, value in walk(part) if isinstance(value, str | int)
    ]
    if parts is None or second.url is None:
        named = (path for path, value in places if link(value) and {"response", "result"} & words_in(str(path[-1])))
        return Second(url=next(map(expression, named), None))
    base = _base(parts)
    same = next((path for path, value in places if value == second.url), None)
    if same is not None:
        return Second(url=expression(same), base_url=base)
    asked = _asked(parts)[0]
    found = _id_within(asked, answer.document)
    where = next((path for path, value in places if found and text(value) == found[3]), None)
    if found is None or where is None:
        return Second(base_url=base)
    start, end, place, value = found
    if value in ids:
        return Second(path=asked[:start] + place + asked[end:], base_url=base)
    name = upper_snake(str(where[-1])).lower()[:40]
    name = name if re.match("[a-z]", name) and name not in ("task_id", "key", "token", "uuid") else "found"
    path = asked[:start] + place.replace("task_id", name) + asked[end:]
    return Second(path=path, fields={name: expression(where)}, base_url=base)


def _id_within(asked: str, document: object) -> tuple[int, int, str, str] | None:
    """Returns where an id stands in a path: its beginning, its end, the placeholder for it, and the id.

    It is one that the answer has, at best under the name of an id; else what is like an id.
    """
    for task_id in _ids_in(document):
        for spelling in (quote(task_id, safe=""), quote(task_id), task_id):
            if match := re.search(rf"(?<=[/=:.]){re.escape(spelling)}(?=[/?&:.]|$)", asked):
                return *match.span(), "{task_id:path}" if "/" in spelling else "{task_id}", task_id
    like = [each for each in re.finditer(r"(?<=[/=])[^/?&=]{6,}", asked) if re.search(r"\d", each[0])]
    return (*like[-1].span(), "{task_id}", unquote(like[-1][0])) if like else None


def _ids_in(document: object) -> list[str]:
    """Returns what may be an id in an answer: what stands under the name of one first, then the longest."""
    found = [
        (not path or spelled(str(path[-1])) not in ID_NAMES, name.strip())
        for path, value in walk(document)
        if isinstance(value, str | int) and (name := text(value)) is not None and 1 < len(name.strip()) <= LONGEST_ID
    ]
    return [name for _, name in sorted(set(found), key=lambda each: (each[0], -len(each[1]), each[1]))]


def _base(parts: SplitResult) -> str:
    """Returns the scheme and the host of a URL, without a login."""
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}"


def _asked(parts: SplitResult) -> tuple[str, tuple[str, ...]]:
    """Returns the path and the query of a URL without its keys, and the names of these."""
    pairs = [(pair, unquote(pair.partition("=")[0])) for pair in parts.query.split("&") if pair]
    keys = tuple(name for _, name in pairs if holds_key(name))
    kept = "&".join(pair for pair, name in pairs if name not in keys)
    asked = (parts.path or "/") + (f"?{kept}" if kept else "")
    return asked.replace("{", "%7B").replace("}", "%7D").replace("\\", "%5C"), keys


def _known(route: Route) -> Route:
    """Returns the route with the format whose path it has; what stands before it belongs to the base URL then."""
    for name, path in FORMATS_WITH_A_PATH.items():
        if route.path and route.base_url and route.path.endswith(path):
            return replace(route, base_url=route.base_url + route.path.removesuffix(path), path=path, format=name)
    return route


def name_of(host: str) -> str | None:
    """Returns the name of a provider after its host: `kling` for api.kling.com."""
    labels = host.lower().split(".")
    while len(labels) > 2 and labels[0] in ("api", "www", "app", "queue", "platform", "open", "ark"):
        labels.pop(0)
    if len(labels) < 2 or host.replace(".", "").isdecimal():
        return None
    label = labels[-3] if len(labels) > 2 and len(labels[-1]) == 2 and len(labels[-2]) <= 3 else labels[-2]
    found = re.sub(r"[^a-z0-9_-]", "", label)[:40].lstrip("_-")
    return found or None
