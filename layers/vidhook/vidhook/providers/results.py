"""Finds the finished file in an answer: of all links that stand where results do, the one that is the film."""

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from enum import IntEnum
from ipaddress import ip_address
from itertools import islice
from urllib.parse import parse_qsl, unquote, urlsplit

from vidhook.providers.links import ENDING_OF, How, Link, ending_of, links_in
from vidhook.providers.values import ITEMS, LINK_LIMIT, embedded, names_in, origin, spelled
from vidhook.times import instant, number

# The usual names of a link, those that are most likely a result's first; spelled as `names_in` does.
LINK_NAMES = (
    *("url", "videourl", "downloadurl", "fileurl", "mediaurl", "playurl", "signedurl", "uri"),
    *("videouri", "download", "link", "src", "href", "mp4", "file", "resource", "video"),
)
# Names of what holds results and nothing else. Beside them, the other names may stand for inputs.
RESULT_NAMES = (
    *(
        "resulturl",
        "resulturls",
        "outputurl",
        "output",
        "outputs",
        "result",
        "results",
        "taskresult",
        "videoresult",
        "creations",
        "generation",
    ),
    *("generations", "generatedvideos", "generatedsamples", "resultjson", "respdata", "works", "artifacts", "videos"),
)
HOLDER_NAMES = ("urls", "videourls", "videolist", "content", "assets", "files", "items", "list", "images")
NAMES = (*LINK_NAMES, *RESULT_NAMES, *HOLDER_NAMES)
# In a task itself these may be its inputs, and `data` has a place of its own in a provider file.
UNCLEAR_NAMES, DATA = ("video", "images"), "data"
# Nothing below these names is a result.
INPUT_NAMES = {
    *("input", "inputs", "request", "params", "parameters", "prompt", "options", "config", "settings", "source"),
    *("reference", "references", "webhook", "callback", "user"),
}
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
SNAPSHOT = re.compile(r"video/snapshot|vframe/|imagemogr2|imageview2|[=,]f_(?:jpg|png|webp)", re.IGNORECASE)
INTO_VIDEO = re.compile(r"(?:to|2)[_-]?video")
# A value is looked through so deep, and at so many places; as much text, or as many names of an object, counts as one.
DEPTH, PLACES, TEXT, MOST_NAMES = 8, 500, 200, 20
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
    MOVED = 6  # from the provider's loopback address to its public one
    PLAYLIST = 7
    MENTIONED = 8  # in a text that says other things too, or under a name in the task that inputs have too
    INSIDE = 9  # an address inside the provider's own network
    PREVIEW = 10  # by its name
    OTHER = 11  # another type of file, such as a thumbnail
    UNCLEAR = 12  # most likely an input, or under a name that nobody knows
    ECHO = 13  # an input, or the question itself: never the file


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


def anywhere(task: object, kind: str, asked: str) -> Found | None:
    """Returns a link that ends as the finished file does, wherever it stands in a task but among its inputs.

    If there is none, a playlist: it leads to the film.
    """
    every = _found(task, task, kind, asked, every_name=True)
    told = min(
        (each for each in every if each.rank in (Rank.FILM, Rank.PLAYLIST)), key=lambda each: each.rank, default=None
    )
    return Found(told.url, Rank.UNCLEAR) if told else None


def _found(value: object, task: object, kind: str, asked: str, *, every_name: bool = False) -> Iterator[Found]:
    left = PLACES
    waiting: list[tuple[object, Rank, int]] = [(value, Rank.FILM, 0)]
    while waiting and left > 0:
        here, least, depth = waiting.pop()
        left -= 1
        if isinstance(here, str):
            left -= min(len(here), 4 * LINK_LIMIT) // TEXT
            inner = embedded(here)
            if inner is here:
                yield from (Found(each.url, max(_rank_of(each, kind, asked), least)) for each in links_in(here, asked))
                continue
            here = inner
        if depth < DEPTH and isinstance(here, list):
            waiting += [(item, least, depth + 1) for item in reversed(here[:PLACES])]
        elif depth < DEPTH and isinstance(here, dict):
            names = names_in(here)
            left -= len(names) // MOST_NAMES
            least = max(least, Rank.FILM if here is task else _rank_by_names(names, kind))
            known = islice(here.items(), ITEMS)
            empty = any(value in (None, "") and spelled(key) in RESULT_NAMES for key, value in known)
            inside = list(_usual(names, in_task=here is task, still_empty=empty))
            if every_name:
                inside += [(names[name], Rank.FILM) for name in names if _may_hold(name, kind)]
            waiting += [(part, max(rank, least), depth + 1) for part, rank in reversed(inside)]


def _may_hold(name: str, kind: str) -> bool:
    """Whether a result may be under a name that nobody has listed."""
    of_a_picture = kind == "video" and (STILL.search(name) or PREVIEW.search(name))
    return name not in NAMES and name not in INPUT_NAMES and not of_a_picture


def _usual(names: Mapping[str, object], *, in_task: bool, still_empty: bool) -> Iterator[tuple[object, Rank]]:
    """Yields the values under the usual names, and how likely a link there is a result: it may also be an input.

    still_empty: the place of the results is there, but holds none.
    """
    results = {name for name in RESULT_NAMES if _holds(names.get(name)) or _is_link(names.get(name))}
    if isinstance(names.get("content"), dict):
        results.add("content")
    for name in NAMES if in_task else (*NAMES, DATA):
        inside = names.get(name)
        if not inside:
            continue
        if name in results or not (results or in_task):
            yield inside, Rank.FILM
        elif name in UNCLEAR_NAMES and not _holds(inside) and results:
            yield inside, Rank.ECHO
        elif name in UNCLEAR_NAMES and in_task:
            alone = Rank.UNCLEAR if still_empty or name != "video" else Rank.MENTIONED
            yield inside, Rank.SIDE if _holds(inside) and name == "video" else alone
        else:
            yield inside, Rank.SIDE if results else Rank.FILM


def _holds(value: object) -> bool:
    return bool(value) and (isinstance(value, dict | list) or (isinstance(value, str) and value[:1] in ("{", "[")))


def _is_link(value: object) -> bool:
    return isinstance(value, str) and value[:8].lower().startswith(("https://", "http://", "/"))


def _rank_by_names(names: Mapping[str, object], kind: str) -> Rank:
    """Returns how likely the link in an object is the file, by what the object says of it beside its URL."""
    types = [names[name] for name in TYPE_NAMES if name in names]
    types += [said for name in FILE_NAMES if isinstance(said := names.get(name), str) and " " not in said.strip()]
    return max((_rank_by_type(said, kind) for said in types), default=Rank.FILM)


def _rank_by_type(said: object, kind: str) -> Rank:
    word = said[:200].strip().lower().replace(" ", "_") if isinstance(said, str) else ""
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
    else:
        rank = Rank.FILM if ending else Rank.NAMELESS
    inside = _is_inside(parts.hostname or "") and parts.hostname != urlsplit(asked).hostname
    return max(rank, Rank.INSIDE) if inside else rank


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


def needs_key(url: str, base_url: str) -> bool:
    """Returns whether a file is downloaded with the provider's key: on the provider's own origin, without a signature.

    That host has seen the key already; a host in front of storage refuses a request that is signed twice.
    """
    parts = urlsplit(url)
    return origin(url) == origin(base_url) and not SIGNED.search(unquote(f"{parts.path}?{parts.query}"))


def link_expiry(url: str) -> float | None:
    """Returns when a signed URL expires, if it says so: X-Amz-Date with X-Amz-Expires or alike, Expires, Azure's se."""
    query = {key.casefold(): value for key, value in parse_qsl(urlsplit(url).query)}
    for key, value in query.items():
        if key.endswith("expires"):
            since, lives = instant(query.get(key.removesuffix("expires") + "date")), number(value)
            return instant(since + lives if since is not None and lives is not None else value)
    return instant(query.get("se")) if "sig" in query else None
