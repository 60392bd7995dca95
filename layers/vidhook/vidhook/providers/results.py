"""Finds the finished file in an answer: of all links that stand where results do, the one that is the film."""

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from enum import IntEnum
from ipaddress import ip_address
from itertools import islice
from pathlib import PurePosixPath
from urllib.parse import parse_qsl, quote, urljoin, urlsplit

from vidhook.providers.values import LINK_LIMIT, embedded, link, names_in, origin
from vidhook.times import instant, number

# The usual names of a link, those that are most likely a result's first, and of what holds results; as `names_in` does.
LINK_NAMES = ("url", "videourl", "downloadurl", "fileurl", "resulturl", "uri", "video")
HOLDER_NAMES = (
    *("videos", "urls", "videourls", "resulturls", "output", "outputs", "result", "results", "taskresult"),
    *("videoresult", "creations", "generations", "resultjson", "respdata", "content", "assets"),
)
# A field of this name in a task itself, or beside a result, is most likely the input that the provider repeats.
ECHOED = "video"
# What an object calls the file whose link it has.
TYPE_NAMES = ("type", "contenttype", "mimetype", "mime", "mediatype", "filetype", "kind", "format", "role", "purpose")
TYPE_WORDS = {
    **dict.fromkeys(("image", "img", "picture", "photo", "frame"), "image"),
    **dict.fromkeys(("audio", "music", "sound", "voice"), "audio"),
    **dict.fromkeys(("subtitle", "subtitles", "caption", "captions", "text", "lyrics", "json"), "other"),
    **dict.fromkeys(("hls", "dash", "playlist", "application/x-mpegurl", "application/vnd.apple.mpegurl"), "playlist"),
    **dict.fromkeys(("reference", "input", "source", "prompt"), "echo"),
}
ENDINGS = {
    "video": (".mp4", ".mov", ".webm", ".mkv", ".m4v", ".avi", ".mpg", ".mpeg", ".ts", ".flv", ".ogv", ".wmv", ".3gp"),
    "image": (".png", ".jpg", ".jpeg", ".webp", ".gif", ".avif", ".heic", ".bmp", ".svg"),
    "playlist": (".m3u8", ".mpd"),
    "other": (".mp3", ".wav", ".m4a", ".aac", ".flac", ".json", ".txt", ".vtt", ".srt", ".html", ".zip", ".pdf"),
}
ENDING_OF = {ending: kind for kind, endings in ENDINGS.items() for ending in endings}
PREVIEW = re.compile(
    r"(?:^|[^a-z])(?:thumb(?:nail)?s?|cover|poster|preview|sprite|watermark(?:ed)?|(?:first|last|key|start|end)[_-]?frame)"
    r"(?:[^a-z]|$)"
)
STILL = re.compile(r"thumb|cover|poster|image|frame|snapshot")
# These do not go back, and begin where they cannot have begun before: a text of commas or brackets makes none slow.
MARKDOWN = re.compile(
    r"\]\(\s*+(?:<([^<>\n]{1,8192}+)>|((?:[^\s()<>]|\((?:[^\s()<>]|\([^\s()<>]*+\))*+\)){1,8192}+)[\s)])"
)
BEGINNING = re.compile(r"https?://|/", re.IGNORECASE)
MENTIONED = re.compile(r"(?<![A-Za-z0-9])https?://[^\s<>\"'`()\[\]{}|\\^\u3000-\u303f\uff00-\uffef]++", re.I)
WRAPPERS = {'"': '"', "'": "'", "<": ">", "`": "`", "(": ")", "*": "*", "\N{LEFT DOUBLE QUOTATION MARK}": "\u201d"}
STOPS = ".,;:!?*_~"  # after a link, not its end
INVISIBLE = "\u200b\u200c\u200d\u200e\u200f\u2060\ufeff\xad"  # they come along when a link is copied
CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]")
NEXT_LINK = re.compile(r"(?<![\s,;|])[\s,;|]++(?=https?://)", re.IGNORECASE)
DATA = re.compile(
    r"([\s\ufeff\u200b\"'`<(*]*+|!?\[[^\[\]]{0,200}+\]\(\s*+<?)"
    r"data:((?:video|image)/[\w.+-]{1,60}|application/octet-stream)(?:;[^,;]{0,80}){0,4},",
    re.IGNORECASE,
)
# A value is looked through so deep, and at so many places; as much text, or as many names of an object, counts as one.
DEPTH, PLACES, TEXT, NAMES = 8, 500, 200, 20
LINKS, WRAPPINGS = 50, 4  # in one text, and around a link
# Names that lead into the provider's own network only.
INSIDE = (".localhost", ".local", ".internal", ".lan", ".home.arpa")
# What a link's query holds when it needs no other credential.
SIGNED = re.compile(
    r"(?:^|&)(?:x-(?:amz|tos|goog|oss|cos|bce|obs|ms)-[\w-]*|(?:[\w-]{0,40}[_-])?sign|[\w-]{0,40}(?:signature|expires)|sig"
    r"|auth_key|key-pair-id|[\w-]{0,40}hmac|hdn(?:ts|ea|tl)|(?:ws|tx)(?:secret|time)|verify)=",
    re.IGNORECASE,
)


class Rank(IntEnum):
    """How likely a link is the finished file. One up to NAMELESS is not beaten by links in later places."""

    FILM = 0  # its path ends as such a file does
    NAMELESS = 1  # its path shows nothing
    SIDE = 2  # under a name that is also used for inputs
    RELATIVE = 3
    INLINE = 4  # a data: URL
    CONTENT = 5  # the file's content_path
    MOVED = 6  # from the provider's loopback address to its public one
    PLAYLIST = 7
    PREVIEW = 8  # by its name
    OTHER = 9  # another type of file, such as a thumbnail
    MENTIONED = 10  # in a text that says other things too
    INSIDE = 11  # an address inside the provider's own network
    ECHO = 12  # an input, or the question itself


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

    The first place with a good link counts; a preview, a playlist or a link that leads nowhere only if no place has
    better. `task` is the object in which all of them stand, `kind` is `video` or `image`, `asked` is the URL that was
    polled: relative links are resolved against it.
    """
    found: Found | None = None
    for value in values:
        here = min(_found(value, task, kind, asked), key=lambda each: each.rank, default=None)
        if here is not None and (found is None or here.rank < found.rank):
            found = here
        if found is not None and found.rank <= Rank.NAMELESS:
            break
    return found


def _found(value: object, task: object, kind: str, asked: str) -> Iterator[Found]:
    left = PLACES
    waiting: list[tuple[object, Rank, int]] = [(value, Rank.FILM, 0)]
    while waiting and left > 0:
        here, least, depth = waiting.pop()
        left -= 1
        if isinstance(here, str):
            left -= min(len(here), 4 * LINK_LIMIT) // TEXT
            inner = embedded(here)
            if inner is here:
                yield from (Found(url, max(rank, least)) for url, rank in _links(here, kind, asked))
                continue
            here = inner
        if depth < DEPTH and isinstance(here, list):
            waiting += [(item, least, depth + 1) for item in reversed(here[:PLACES])]
        elif depth < DEPTH and isinstance(here, dict):
            names = names_in(here)
            left -= len(names) // NAMES
            least = max(least, Rank.FILM if here is task else _rank_by_names(names, kind))
            holds = any(_holds(names.get(name)) for name in HOLDER_NAMES)
            for name in reversed((*LINK_NAMES, *HOLDER_NAMES)):
                if inside := names.get(name):
                    rank = _rank_by_place(name, inside, in_task=here is task, beside_results=holds)
                    waiting.append((inside, max(rank, least), depth + 1))


def _holds(value: object) -> bool:
    return bool(value) and (isinstance(value, dict | list) or (isinstance(value, str) and value[:1] in ("{", "[")))


def _rank_by_place(name: str, value: object, *, in_task: bool, beside_results: bool) -> Rank:
    """Returns how likely the link under a name is a result: beside what holds results it may be an input."""
    if name == ECHOED and (in_task or beside_results):
        return Rank.SIDE if _holds(value) else Rank.ECHO
    return Rank.SIDE if beside_results and name in LINK_NAMES and not _holds(value) else Rank.FILM


def _rank_by_names(names: Mapping[str, object], kind: str) -> Rank:
    """Returns how likely the link in an object is the file, by what the object says of it beside its URL."""
    return max((_rank_by_type(names[name], kind) for name in TYPE_NAMES if name in names), default=Rank.FILM)


def _rank_by_type(said: object, kind: str) -> Rank:
    word = said[:200].strip().lower().replace(" ", "_") if isinstance(said, str) else ""
    first = re.split(r"[/_;-]", word, maxsplit=1)[0]
    meant = ENDING_OF.get(f".{word}") or TYPE_WORDS.get(word) or TYPE_WORDS.get(first) or first
    if meant == "echo":
        return Rank.ECHO
    if meant == "playlist":
        return Rank.PLAYLIST
    if meant in {"image", "video", "audio", "other"} - {kind}:
        return Rank.OTHER
    return Rank.PREVIEW if PREVIEW.search(word) else Rank.FILM


def _links(text: str, kind: str, asked: str) -> Iterator[tuple[str, Rank]]:
    """Yields the links in a text: it is one or several, has them in quotes or as Markdown, or mentions them."""
    if inline := DATA.match(text):
        fits = not inline[2].lower().startswith("image/" if kind == "video" else "video/")
        whole = text[inline.end(1) :]
        yield whole.rstrip("\"'`>)* \t\r\n" if inline[1] else None), Rank.INLINE if fits else Rank.OTHER
        return
    if len(text) > 4 * LINK_LIMIT:
        return
    found = [(url, part) for part in _written(text) if (url := _absolute(part, asked))]
    for url, part in found:
        yield url, _rank_as_given(url, part, kind, asked)
    for mention in islice(MENTIONED.finditer(text), 0 if found else LINKS):
        part = mention[0].rstrip(STOPS)
        # A text may also name a page of help.
        if _ending(part) == kind and (named := _absolute(part, asked)):
            yield named, max(_rank_as_given(named, named, kind, asked), Rank.MENTIONED)


def _rank_as_given(url: str, given: str, kind: str, asked: str) -> Rank:
    """Returns the rank of an absolute URL by what it shows and by how it was given."""
    if asked and url.rstrip("/") == asked.rstrip("/"):
        return Rank.ECHO
    of = origin(given)
    return max(_rank_of(url, kind, asked), Rank.FILM if of == origin(url) else Rank.MOVED if of else Rank.RELATIVE)


def _written(text: str) -> Iterator[str]:
    """Yields the texts that should be a link each: all links of a Markdown text, else what it begins with."""
    marked = [one or other for one, other in MARKDOWN.findall(f"{text}\n")[:LINKS]]
    bare = _unwrapped(text)
    yield from map(_bare, marked or (NEXT_LINK.split(bare, LINKS) if BEGINNING.match(bare) else ()))


def _bare(text: str) -> str:
    return text.strip().strip(INVISIBLE).strip()


def _unwrapped(text: str) -> str:
    text = _bare(text)
    for _ in range(WRAPPINGS):
        if len(text) > 1 and WRAPPERS.get(text[0]) == text[-1]:
            text = _bare(text[1:-1])
    return text


def _absolute(text: str, asked: str) -> str | None:
    """Returns the URL with what cannot stand in one escaped, and resolved if it is relative; None if it is none."""
    first = text.partition(" ")[0].rstrip(STOPS)
    if " " in text and not _ending(text) and _ending(first):
        text = first  # words that follow a link are not its path
    if asked and re.match(r"//[^/\s]|/(?!/)", text):
        text = _joined(asked, text)
    head = re.match(r"(?i)https?://[^/?#\s]+(?=[/?#]|$)", text)
    if head is None or CONTROL.search(text):
        return None
    url = link(head[0] + re.sub(r"[^!#-;=?-\[\]-~]", lambda wrong: quote(wrong[0]), text[head.end() :]))
    # The default setting of some relays: the address at which their operator tried them.
    if url and asked and _is_loopback(url) and not _is_loopback(asked):
        return link(_joined(asked, url[head.end() :] or "/"))
    return url


def _joined(asked: str, relative: str) -> str:
    try:
        return urljoin(asked, relative)
    except ValueError:  # "//[" is no host
        return ""


def _ending(url: str) -> str | None:
    """Returns what a file at this URL is by the end of its path: video, image, playlist, other, or None."""
    path = re.split(r"[?#]", url, maxsplit=1)[0]
    return ENDING_OF.get(PurePosixPath(path[-64:]).suffix.lower())


def _rank_of(url: str, kind: str, asked: str) -> Rank:
    parts = urlsplit(url)
    if _is_inside(parts.hostname or "") and parts.hostname != urlsplit(asked).hostname:
        return Rank.INSIDE
    ending = _ending(url)
    if ending == "playlist":
        return Rank.PLAYLIST
    if ending not in (None, kind):
        return Rank.OTHER
    if PREVIEW.search(parts.path.rpartition("/")[2].lower()):
        return Rank.PREVIEW
    return Rank.FILM if ending else Rank.NAMELESS


def _is_loopback(url: str) -> bool:
    host = urlsplit(url).hostname or ""
    try:
        address = ip_address(host)
    except ValueError:
        return host == "localhost"
    return address.is_loopback or address.is_unspecified


def _is_inside(host: str) -> bool:
    try:
        return not ip_address(host).is_global
    except ValueError:
        return "." not in host.rstrip(".") or host.rstrip(".").endswith(INSIDE)


def is_image(found: Found) -> bool:
    """Returns whether a finished file is an image by its own link, and no preview of something else."""
    name = "" if found.inline else urlsplit(found.url).path.rpartition("/")[2].lower()
    return type_of("", found.url, "video") == "image" and not PREVIEW.search(name)


def type_of(role: str, url: str, kind: str) -> str:
    """Returns whether a file is a `video` or an `image`, by its link, else by its role, else the `kind` of its task."""
    inline = re.match(r"data:(video|image)/", url, re.IGNORECASE)
    by_link = inline[1].lower() if inline else _ending(url)
    if by_link in ("video", "image"):
        return by_link
    return "image" if STILL.search(role.lower()) else kind


def needs_key(url: str, base_url: str) -> bool:
    """Returns whether a file is downloaded with the provider's key: on the provider's own origin, without a signature.

    That host has seen the key already; a host in front of storage refuses a request that is signed twice.
    """
    return origin(url) == origin(base_url) and not SIGNED.search(urlsplit(url).query)


def link_expiry(url: str) -> float | None:
    """Returns when a signed URL expires, if it says so: X-Amz-Date with X-Amz-Expires or alike, Expires, Azure's se."""
    query = {key.casefold(): value for key, value in parse_qsl(urlsplit(url).query)}
    for key, value in query.items():
        if key.endswith("expires"):
            since, lives = instant(query.get(key.removesuffix("expires") + "date")), number(value)
            return instant(since + lives if since is not None and lives is not None else value)
    return instant(query.get("se")) if "sig" in query else None
