"""Finds the finished file in an answer: of all links that stand where results do, the one that is the film."""

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from enum import IntEnum
from ipaddress import ip_address
from pathlib import PurePosixPath
from urllib.parse import parse_qsl, quote, urljoin, urlsplit

from vidhook.providers.values import LINK_LIMIT, embedded, link, origin
from vidhook.times import instant, number

# The usual names of a link, those that are most likely a result's first.
KEYS = (
    *("url", "video_url", "videoUrl", "download_url", "downloadUrl", "file_url", "result_url", "resultUrl", "uri"),
    *("video", "videos", "urls", "video_urls", "result_urls", "resultUrls", "output", "outputs", "result", "results"),
)
# Beside a result, a task's own field of this name is the input that the provider repeats.
ECHOED = "video"
ENDINGS = {
    "video": (".mp4", ".mov", ".webm", ".mkv", ".m4v", ".avi", ".mpg", ".mpeg", ".ts", ".flv", ".ogv", ".wmv", ".3gp"),
    "image": (".png", ".jpg", ".jpeg", ".webp", ".gif", ".avif", ".heic", ".bmp", ".svg"),
    "playlist": (".m3u8", ".mpd"),
    "other": (".mp3", ".wav", ".m4a", ".aac", ".flac", ".json", ".txt", ".vtt", ".srt", ".html", ".zip", ".pdf"),
}
ENDING_OF = {ending: kind for kind, endings in ENDINGS.items() for ending in endings}
PREVIEW = re.compile(r"(?:^|[^a-z])(?:thumb(?:nail)?s?|cover|poster|preview|sprite|watermark(?:ed)?)(?:[^a-z]|$)")
# These do not go back, and begin where they cannot have begun before: a text of commas or brackets makes none slow.
MARKDOWN = re.compile(r"\[[^\[\]]{0,200}+\]\(\s*+<?([^)\s<>\[]{1,8192}+)>?[^)\[]{0,200}+\)")
WRAPPERS = {'"': '"', "'": "'", "<": ">", "`": "`", "(": ")", "\N{LEFT DOUBLE QUOTATION MARK}": "\u201d"}
NEXT_LINK = re.compile(r"(?<![\s,;|])[\s,;|]++(?=https?://)", re.IGNORECASE)
DATA = re.compile(r"\s*data:((?:video|image)/[\w.+-]{1,60}|application/octet-stream)((?:;[^,;]{0,80}){0,4}),", re.I)
# A value is looked through so deep, and at so many places; as much text counts as one.
DEPTH, PLACES, TEXT = 8, 500, 200
LINKS, WRAPPINGS = 50, 4  # in one text, and around a link
# Names that lead into the provider's own network only.
INSIDE = (".localhost", ".local", ".internal", ".lan", ".home.arpa")
# What a link's query holds when it needs no other credential.
SIGNED = re.compile(
    r"(?:^|&)(?:x-(?:amz|tos|goog|oss|cos|bce|obs|ms)-[\w-]*|(?:q-)?sign(?:ature)?|sig|expires|auth_key|key-pair-id|hmac)=",
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
    PREVIEW = 7  # by its name
    OTHER = 8  # another type of file, such as a thumbnail
    PLAYLIST = 9
    INSIDE = 10  # an address inside the provider's own network
    ECHO = 11


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
            least = max(least, Rank.FILM if here is task else _rank_by_names(here, kind))
            for key in reversed(KEYS):
                if here.get(key):
                    rank = least if key != ECHOED or here is not task else _echo(here[key])
                    waiting.append((here[key], max(rank, least), depth + 1))


def _echo(value: object) -> Rank:
    return Rank.SIDE if isinstance(value, dict | list) else Rank.ECHO


def _rank_by_names(item: Mapping[str, object], kind: str) -> Rank:
    """Returns how likely the link in an object is the file, by what the object says of it beside its URL."""
    if str(item.get("role")).startswith("reference"):
        return Rank.ECHO
    types = (item.get(name) for name in ("type", "content_type", "mime_type"))
    others = {"image", "video", "audio"} - {kind}
    return Rank.OTHER if any(str(said)[:200].partition("/")[0].lower() in others for said in types) else Rank.FILM


def _links(text: str, kind: str, asked: str) -> Iterator[tuple[str, Rank]]:
    """Yields the links in a text that is nothing else, or that has them in quotes or as Markdown."""
    if inline := DATA.match(text):
        fits = not inline[1].lower().startswith("image/" if kind == "video" else "video/")
        yield text.strip(), Rank.INLINE if fits else Rank.OTHER
        return
    if len(text) > 4 * LINK_LIMIT:
        return
    for part in NEXT_LINK.split(_unwrapped(text), LINKS):
        if url := _absolute(part.strip(), asked):
            given = origin(part.strip())
            least = Rank.FILM if given == origin(url) else Rank.MOVED if given else Rank.RELATIVE
            yield url, max(_rank_of(url, kind, asked), least)


def _unwrapped(text: str) -> str:
    text = text.strip()
    if written := MARKDOWN.search(text):
        return written[1]
    for _ in range(WRAPPINGS):
        if len(text) > 1 and WRAPPERS.get(text[0]) == text[-1]:
            text = text[1:-1].strip()
    return text


def _absolute(text: str, asked: str) -> str | None:
    """Returns the URL with what cannot stand in one escaped, and resolved if it is relative; None if it is none."""
    if " " in text and not _ending(text) and _ending(text.partition(" ")[0]):
        text = text.partition(" ")[0]  # words that follow a link are not its path
    if asked and re.match(r"//[^/\s]|/(?!/)", text):
        text = _joined(asked, text)
    head = re.match(r"(?i)https?://[^/?#\s]+(?=[/?#]|$)", text)
    if head is None or not text.isprintable():
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
    """Returns whether a finished file is an image by the end of its path, and no preview of something else."""
    if found.inline:
        return found.url[:11].lower() == "data:image/"
    return _ending(found.url) == "image" and not PREVIEW.search(urlsplit(found.url).path.rpartition("/")[2].lower())


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
