"""Finds the finished file in an answer: of all links that stand where results do, the one that is the film."""

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from enum import IntEnum
from ipaddress import ip_address
from itertools import islice
from urllib.parse import SplitResult, parse_qsl, unquote, urlsplit

from vidhook.providers.links import ENDING_OF, How, Link, ending_of, links_in
from vidhook.providers.names import (
    BARE_NAMES,
    DATA,
    FILES_NAMES,
    FILM_NAMES,
    INPUT_WORDS,
    LISTED,
    NAMES,
    POSTER_WORDS,
    RESULT_NAMES,
    UNCLEAR_NAMES,
    is_made,
    is_plain,
    is_result,
    may_hold,
    tells,
)
from vidhook.providers.values import ITEMS, LINK_LIMIT, embedded, names_in, spelled, words_in
from vidhook.times import instant, number

# What an object calls the file whose link it has; a name may also come from the prompt, unless it is one word.
TYPE_NAMES = ("type", "contenttype", "mimetype", "mime", "mediatype", "filetype", "kind", "format", "role", "purpose")
FILE_NAMES = ("name", "filename", "label")
TYPE_WORDS = {
    **dict.fromkeys(("image", "img", "picture", "photo", "frame"), "image"),
    **dict.fromkeys(("audio", "music", "sound", "voice"), "audio"),
    **dict.fromkeys(("subtitle", "subtitles", "caption", "captions", "text", "lyrics", "json"), "other"),
    **dict.fromkeys(("hls", "dash", "playlist", "application/x-mpegurl", "application/vnd.apple.mpegurl"), "playlist"),
    **dict.fromkeys(("reference", "input", "source", "prompt"), "echo"),
}
PREVIEWS = (
    r"(?:thumb(?:nail)?s?|covers?|posters?|previews?|sprites?|(?:first|last|key|start|end)[_-]?frame"
    r"|(?<!no[_-])(?<!without[_-])watermark(?:ed)?(?![_-]?(?:free|removed)))"
)
PREVIEW = re.compile(rf"(?:^|[^a-z]){PREVIEWS}(?:[^a-z]|$)")
# Of a file's name its beginning and its end tell, as the rest may come from the prompt; and a folder's whole name.
PREVIEW_FILE = re.compile(
    rf"(?:^|/){PREVIEWS}(?![a-z]|[_-]to[_-])[^/]*$|(?:^|[^a-z]){PREVIEWS}[\W\d_]*(?:\.\w*)?$|/{PREVIEWS}/"
)
STILL = re.compile(r"thumb|cover|poster|image|frame|snapshot")
# Where people look at a film. Storage and scripts may have such paths too, with a signature or the file's name behind.
PAGE = re.compile(
    r"/(?:share|shared|view|viewer|watch|player|embed|pages?|dashboard|gallery|explore|posts?)(?:/[^/.]*)*$"
)
PAGE_HOST = re.compile(r"(?:app|www|dashboard|console|studio|share|my)\.")
OF_FILES = re.compile(r"/(?:download|content|files?|media|storage|output|videos?)(?:/|$)")
SNAPSHOT = re.compile(r"video/snapshot|vframe/|imagemogr2|imageview2|[=,]f_(?:jpg|png|webp)", re.IGNORECASE)
INTO_VIDEO = re.compile(r"(?:to|2)[_-]?video")
# A value is looked through so deep, and at so many places; as much text, or as many names of an object, counts as one.
DEPTH, PLACES, TEXT, MOST_NAMES, MOST_UNLISTED = 8, 500, 200, 10, 4
UNLISTED = 40  # names of an object that nobody has listed, of which the words are looked at
# Names that lead into the provider's own network only.
INSIDE = (".localhost", ".local", ".internal", ".lan", ".home.arpa")
# What a link holds, in its query or its path, when it needs no other credential.
SIGNED = re.compile(
    r"[?&;/](?:x-(?:amz|tos|goog|oss|cos|bce|obs|ms)-[\w-]*|(?:[\w-]{0,40}[_-])?sign|[\w-]{0,40}(?:signature|expires?)|sig"
    r"|upsig|auth_key|key-pair-id|[\w-]{0,40}(?:hmac|token)_*|_?jwt|hdn(?:ts|ea|tl)|(?:ws|tx)(?:secret|time)|verify)=",
    re.IGNORECASE,
)


class Rank(IntEnum):
    """How likely a link is the finished file. One up to NAMELESS is not beaten by links in later places."""

    FILM = 0  # its path ends as such a file does
    NAMELESS = 1  # its path shows nothing
    SIDE = 2  # beside what holds results, under a name that is also used for inputs
    RELATIVE = 3
    INLINE = 4  # a data: URL
    CONTENT = 5  # the file's content_path
    PAGE = 6  # for people, by its path or its host
    MOVED = 7  # from the provider's loopback address to its public one
    PLAYLIST = 8
    MENTIONED = 9  # in a text that says other things too, or under a name in the task that inputs have too
    INSIDE = 10  # an address inside the provider's own network
    PREVIEW = 11  # by its name
    OTHER = 12  # another type of file, such as a thumbnail
    UNCLEAR = 13  # most likely an input, or under a name that nobody knows
    ECHO = 14  # an input, or the question itself: never the file


# So likely an image is the poster, which may be named like a preview; so many are looked at.
AS_POSTER = {Rank.FILM, Rank.NAMELESS, Rank.SIDE, Rank.RELATIVE, Rank.INLINE, Rank.MOVED, Rank.PREVIEW}
MOST_POSTERS = 20
HOW = {
    How.RELATIVE: Rank.RELATIVE,
    How.MOVED: Rank.MOVED,
    How.INLINE: Rank.INLINE,
    How.SHOWN: Rank.PREVIEW,
    How.MENTIONED: Rank.MENTIONED,
}


@dataclass(frozen=True, slots=True)
class Found:
    """A link, or for an inline file its whole `data:` URL."""

    url: str
    rank: Rank

    @property
    def inline(self) -> bool:
        return self.url[:5].lower() == "data:"


def best(values: Iterable[object], task: object, kind: str, asked: str) -> Found | None:
    """Returns the link that is most likely the finished file, from the values of the places where it may stand.

    The first place with a good link counts; a playlist, a preview or a link that leads nowhere only if no place has
    better. `task` is the object in which all of them stand, `kind` is `video` or `image`, `asked` is the URL that was
    polled: relative links are resolved against it.
    """
    found: Found | None = None
    for value in values:
        here = min(_found(value, task, kind, asked), key=lambda each: each.rank, default=None)
        if here is not None and here.rank is not Rank.ECHO and (found is None or here.rank < found.rank):
            found = here
        if found is not None and found.rank <= Rank.NAMELESS:
            break
    return found


@dataclass(frozen=True, slots=True)
class _Text:
    """A text in an answer: the links in it, the words of the names that lead to it, and what is around, from inside."""

    text: str
    links: frozenset[str]
    words: frozenset[str]
    around: tuple[object, ...]


def poster(values: Iterable[object], task: object, answer: object, film: str, asked: str) -> Found | None:
    """Returns the picture that stands for a film, from the values of the places where it may stand.

    A value is the picture itself; or an object with the link to the `film` in it, such as the whole `task`: then it is
    what a name or a type there calls a poster, a cover or a thumbnail, the nearest one to the film. If the `answer` has
    the same link under a name of another kind, it is most likely an input.
    """
    shown = [each.around for each in _texts(task, asked) if film in each.links and not INPUT_WORDS & each.words]
    others = [each for each in _texts(answer, asked) if not POSTER_WORDS & each.words]
    for value in values:
        for near in islice(_posters(value, task, shown or [(task,)]), MOST_POSTERS):
            found = best((near,), None, "image", asked)
            if found is None or found.rank not in AS_POSTER or found.url == film:
                continue
            if near is value or not any(found.url in each.links and not _is_in(each, near) for each in others):
                return found
    return None


def _is_in(text: _Text, value: object) -> bool:
    return text.text is value or any(each is value for each in text.around)


def _posters(value: object, task: object, shown: Iterable[tuple[object, ...]]) -> Iterator[object]:
    """Yields what may be the poster in a value; `shown` has what is around each link to the film, from inside."""
    inside = [around for around in shown if any(each is value for each in around)]
    if not inside and value is not task:
        yield value
    seen = set[int]()
    for around in inside:
        for here in around:
            if id(here) not in seen:
                seen.add(id(here))
                yield from _called_poster(here)
            if here is value:
                break


def _called_poster(here: object) -> Iterator[object]:
    """Yields what a name in an object calls a poster, and of a list what its own type or file name calls so."""
    if isinstance(here, dict):
        words = ((inner, words_in(name)) for name, inner in islice(here.items(), ITEMS))
        yield from (inner for inner, said in words if POSTER_WORDS & said and not INPUT_WORDS & said)
    elif isinstance(here, list):
        yield from (item for item in here[:PLACES] if any(POSTER_WORDS & words_in(each) for each in _said_of(item)))


def _said_of(item: object) -> list[str]:
    """Returns what an item of a list says that it is: its type, or the name of its file."""
    if isinstance(item, dict):
        names = names_in(item)
        return [said for name in (*TYPE_NAMES, *FILE_NAMES) if isinstance(said := names.get(name), str)]
    return [item.partition("?")[0].rpartition("/")[2]] if isinstance(item, str) and _is_link(item) else []


def _texts(value: object, asked: str) -> Iterator[_Text]:
    left = PLACES
    waiting: list[tuple[object, frozenset[str], tuple[object, ...]]] = [(value, frozenset(), ())]
    while waiting and left > 0:
        here, words, around = waiting.pop()
        left -= 1
        if isinstance(here, str):
            left -= min(len(here), 4 * LINK_LIMIT) // TEXT
            inner = embedded(here)
            if inner is here and "/" in here:
                links = frozenset(each.url for each in links_in(here, asked))
                left -= len(links)
                yield _Text(here, links, words, around)
            here = inner
        if len(around) < DEPTH and isinstance(here, list):
            waiting += [(item, words, (here, *around)) for item in reversed(here[:PLACES])]
        elif len(around) < DEPTH and isinstance(here, dict):
            named = reversed(list(islice(here.items(), ITEMS)))
            waiting += [(inner, words | words_in(name), (here, *around)) for name, inner in named]


def anywhere(task: object, kind: str, asked: str) -> Found | None:
    """Returns a link that is likely the finished file by its ending or its name, wherever it stands but among inputs.

    If there is none, a playlist: it leads to the film.
    """
    every = _found(task, task, kind, asked, every_name=True)
    likely = (each for each in every if each.rank <= Rank.INLINE or each.rank is Rank.PLAYLIST)
    told = min(likely, key=lambda each: each.rank, default=None)
    return Found(told.url, Rank.UNCLEAR) if told else None


def _found(value: object, task: object, kind: str, asked: str, *, every_name: bool = False) -> Iterator[Found]:
    """Yields the links in a value. With `every_name` also those under names that nobody has listed.

    There a link whose path shows nothing counts only if its name, or that of its holder, tells what it is.
    """
    left = PLACES
    waiting: list[tuple[object, Rank, int, bool]] = [(value, Rank.FILM, 0, not every_name)]
    while waiting and left > 0:
        here, least, depth, told = waiting.pop()
        left -= 1
        if isinstance(here, str):
            left -= min(len(here), 4 * LINK_LIMIT) // TEXT
            inner = embedded(here)
            if inner is here:
                for each in links_in(here, asked):
                    left -= 1
                    rank = _rank_of(each, kind, asked)
                    unclear = not told and rank is not Rank.FILM and rank <= Rank.INLINE
                    yield Found(each.url, Rank.UNCLEAR if unclear else max(rank, least))
                continue
            here = inner
        if depth < DEPTH and isinstance(here, list):
            waiting += [(item, least, depth + 1, told) for item in reversed(here[:PLACES])]
        elif depth < DEPTH and isinstance(here, dict):
            names = names_in(here)
            left -= len(names) // MOST_NAMES + sum(name in names for name in TYPE_NAMES)
            others = _unlisted(here, names)
            if not any(map(_may_lead, names.values())) or (not others and LISTED.isdisjoint(names)):
                continue
            least = max(least, Rank.FILM if here is task else _rank_by_names(names, kind))
            told = told or _is_text_of(names.get("type"), kind)
            left -= len(others) // MOST_UNLISTED
            inside = _named(here, names, others, kind, in_task=here is task, every_name=every_name, holder_tells=told)
            waiting += [(names[name], max(rank, least), depth + 1, says) for name, rank, says in reversed(inside)]


def _named(
    here: Mapping[str, object],
    names: Mapping[str, object],
    others: Mapping[str, frozenset[str]],
    kind: str,
    *,
    in_task: bool,
    every_name: bool,
    holder_tells: bool,
) -> list[tuple[str, Rank, bool]]:
    """Returns the names in an object under which a result may be, and how likely a link there is one.

    With each name, whether it says that a link is the film although its path shows nothing.
    """
    known = islice(here.items(), ITEMS)
    empty = any(value in (None, "") and spelled(key) in RESULT_NAMES for key, value in known)
    found = list(_usual(names, others, kind, in_task=in_task, still_empty=empty))
    if not every_name:
        return [(name, rank, True) for name, rank in found]
    found += [(name, Rank.FILM) for name, words in others.items() if may_hold(words, kind)]
    return [(name, rank, tells(name, others.get(name), holder_tells)) for name, rank in found]


def _is_text_of(said: object, kind: str) -> bool:
    return isinstance(said, str) and said.startswith(kind)


def _unlisted(here: Mapping[str, object], names: Mapping[str, object]) -> dict[str, frozenset[str]]:
    """Returns the words of each name in an object that has a link or more objects below it, and is not listed."""
    found: dict[str, frozenset[str]] = {}
    for key in islice(here, ITEMS):
        name = spelled(key)
        if name not in LISTED and name in names and (_holds(names[name]) or isinstance(names[name], str)):
            found[name] = words_in(key)
            if len(found) == UNLISTED:
                break
    return found


def _filled(names: Mapping[str, object], some: Iterable[str]) -> list[str]:
    return [name for name in some if _holds(names.get(name)) or _is_link(names.get(name))]


def _results(
    names: Mapping[str, object], others: Mapping[str, frozenset[str]], plain: Iterable[str], kind: str
) -> tuple[list[str], set[str]]:
    """Returns which names that nobody has listed hold results, and which of all do.

    A film that was made counts like a result if no result is there, but a film from which it may be made.
    """
    own = _filled(names, (name for name, words in others.items() if is_result(words, kind)))
    results = set(_filled(names, RESULT_NAMES))
    if results <= {"videos"}:
        if not own and _filled(names, (*BARE_NAMES, *plain)):
            own = _filled(names, (name for name, words in others.items() if is_made(words, kind)))
        results -= {"videos"} if own else set()
    return own, results.union(own)


def _usual(
    names: Mapping[str, object], others: Mapping[str, frozenset[str]], kind: str, *, in_task: bool, still_empty: bool
) -> Iterator[tuple[str, Rank]]:
    """Yields the usual names in an object, and how likely a link there is a result: it may also be an input.

    others: the words of the other names. still_empty: the place of the results is there, but holds none.
    """
    plain = [name for name, words in others.items() if is_plain(words)]
    own, results = _results(names, others, plain, kind)
    if isinstance(names.get("content"), dict):
        results.add("content")
    yield from ((name, Rank.FILM) for name in own)
    has_film = in_task and any(_is_link(names.get(name)) for name in FILM_NAMES)
    for name in (*NAMES, *plain) if in_task else (*NAMES, *plain, DATA):
        inside = names.get(name)
        if not inside:
            continue
        if name in results or not (results or in_task):
            yield name, Rank.FILM
        elif name in UNCLEAR_NAMES and not _holds(inside) and results:
            yield name, Rank.ECHO
        elif name in FILES_NAMES and has_film:
            yield name, Rank.SIDE
        elif name in UNCLEAR_NAMES and in_task:
            alone = Rank.UNCLEAR if still_empty or name != "video" else Rank.MENTIONED
            yield name, Rank.SIDE if _holds(inside) and name == "video" else alone
        else:
            yield name, Rank.SIDE if results else Rank.FILM


def _holds(value: object) -> bool:
    return bool(value) and (isinstance(value, dict | list) or (isinstance(value, str) and value[:1] in ("{", "[")))


def _may_lead(value: object) -> bool:
    """Returns whether a link may be in a value: also one in JSON or HTML."""
    return any(sign in value for sign in '/"&') if isinstance(value, str) else isinstance(value, dict | list)


def _is_link(value: object) -> bool:
    return isinstance(value, str) and value[:8].lower().startswith(("https://", "http://", "/"))


def _rank_by_names(names: Mapping[str, object], kind: str) -> Rank:
    """Returns how likely the link in an object is the file, by what the object says of it beside its URL."""
    types = [names[name] for name in TYPE_NAMES if name in names]
    types += [said for name in FILE_NAMES if isinstance(said := names.get(name), str) and " " not in said.strip()]
    return max((_rank_by_type(said, kind) for said in types), default=Rank.FILM)


def _rank_by_type(said: object, kind: str) -> Rank:
    word = said[:80].strip().lower().replace(" ", "_") if isinstance(said, str) else ""
    if INTO_VIDEO.search(word):
        return Rank.FILM  # text_to_video: what it is made by
    first = re.split(r"[/_;-]", word, maxsplit=1)[0]
    meant = ending_of(word) or ENDING_OF.get(f".{word}") or TYPE_WORDS.get(word) or TYPE_WORDS.get(first) or first
    if meant == "echo":
        return Rank.ECHO
    if meant == "playlist":
        return Rank.PLAYLIST
    if meant in {"image", "video", "audio", "other"} - {kind}:
        return Rank.OTHER
    return Rank.PREVIEW if PREVIEW.search(word) else Rank.FILM


def _rank_of(found: Link, kind: str, asked: str) -> Rank:
    """Returns how likely a link is the file by what it shows, and by how it is written."""
    if found.how is How.INLINE:
        head = found.url[:11].lower()
        return Rank.OTHER if head.startswith("data:image/" if kind == "video" else "data:video/") else Rank.INLINE
    if asked and found.url.rstrip("/") == asked.rstrip("/"):
        return Rank.ECHO
    shown = _rank_of_url(found.url, kind, asked)
    if shown is Rank.NAMELESS and asked and urlsplit(found.url).netloc == urlsplit(asked).netloc:
        shown = Rank.RELATIVE  # of the API itself: rather an address to ask than the film
    if found.how is How.SHOWN and shown is Rank.FILM:
        return Rank.FILM
    return max(shown, HOW.get(found.how, Rank.FILM))


def _rank_of_url(url: str, kind: str, asked: str) -> Rank:
    parts = urlsplit(url)
    ending = ending_of(url)
    if ending == "playlist":
        rank = Rank.PLAYLIST
    elif ending not in (None, kind) or (kind == "video" and SNAPSHOT.search(parts.query)):
        rank = Rank.OTHER
    elif PREVIEW_FILE.search(parts.path[-200:].lower()):
        rank = Rank.PREVIEW
    elif ending is None and _is_page(parts):
        rank = Rank.PAGE
    else:
        rank = Rank.FILM if ending else Rank.NAMELESS
    # A provider on the deployer's own network gives links into it.
    inside = _is_inside(parts.hostname or "") and not _is_inside(urlsplit(asked).hostname or "")
    return max(rank, Rank.INSIDE) if inside else rank


def _is_page(parts: SplitResult) -> bool:
    path = parts.path[-200:].lower()
    if parts.query or OF_FILES.search(path):
        return False
    return bool(PAGE.search(path) or PAGE_HOST.match(parts.netloc.lower()))


def _is_inside(host: str) -> bool:
    try:
        return not ip_address(host).is_global
    except ValueError:
        return "." not in host.rstrip(".") or host.rstrip(".").endswith(INSIDE)


def is_image(found: Found) -> bool:
    """Returns whether a finished file is an image by its own link, and no preview of something else."""
    path = "" if found.inline else urlsplit(found.url).path[-200:].lower()
    return type_of("", found.url, "video") == "image" and not PREVIEW_FILE.search(path)


def type_of(role: str, url: str, kind: str) -> str:
    """Returns whether a file is a `video` or an `image`, by its link, else by its role, else the `kind` of its task."""
    inline = re.match(r"data:(video|image)/", url, re.IGNORECASE)
    by_link = inline[1].lower() if inline else ending_of(url)
    if by_link in ("video", "image"):
        return by_link
    return "image" if STILL.search(role.lower()) else kind


def is_signed(url: str) -> bool:
    """Returns whether a link has a signature: a host in front of storage refuses a request that is signed twice."""
    parts = urlsplit(url)
    return SIGNED.search(unquote(f"{parts.path}?{parts.query}")) is not None


def link_expiry(url: str) -> float | None:
    """Returns when a signed URL expires, if it says so: X-Amz-Date with X-Amz-Expires or alike, Expires, Azure's se."""
    query = {key.casefold(): value for key, value in parse_qsl(urlsplit(url).query)}
    for key, value in query.items():
        if key.endswith("expires"):
            since, lives = instant(query.get(key.removesuffix("expires") + "date")), number(value)
            return instant(since + lives if since is not None and lives is not None else value)
    return instant(query.get("se")) if "sig" in query else None
