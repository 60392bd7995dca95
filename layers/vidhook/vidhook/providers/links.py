"""Reads the links in a text of an answer: plain, in quotes, in Markdown or HTML, in a sentence, or as a `data:` URL."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum
from functools import lru_cache
from ipaddress import ip_address
from itertools import islice
from pathlib import PurePosixPath
from urllib.parse import quote, urljoin, urlsplit

from vidhook.providers.values import LINK_LIMIT, link, origin

ENDINGS = {
    "video": (".mp4", ".mov", ".webm", ".mkv", ".m4v", ".avi", ".mpg", ".mpeg", ".ts", ".flv", ".ogv", ".wmv", ".3gp"),
    "image": (".png", ".jpg", ".jpeg", ".webp", ".gif", ".avif", ".heic", ".bmp", ".svg"),
    "playlist": (".m3u8", ".mpd"),
    "other": (".mp3", ".wav", ".m4a", ".aac", ".flac", ".json", ".txt", ".vtt", ".srt", ".html", ".zip", ".pdf"),
}
ENDING_OF = {ending: kind for kind, endings in ENDINGS.items() for ending in endings}
LINKS, WRAPPINGS = 50, 4  # in one text, and around a link
WRAPPERS = {'"': '"', "'": "'", "<": ">", "`": "`", "(": ")", "*": "*", "\u201c": "\u201d", "\u2018": "\u2019"}
WRAPPERS |= {"\xab": "\xbb"}
STOPS = ".,;:!?*_~)]}>'\"`|\u2026"  # after a link, not its end
# They come along when a link is copied.
INVISIBLE = "\u200b\u200c\u200d\u200e\u200f\u2060\ufeff\xad"
CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]")
# No link has these as they are; the last ones are the signs of Chinese and Japanese.
FOREIGN = r"\s\"<>`|\\^\u2018-\u201d\u2026\xab\xbb\u3000-\u303f\uff00-\uffef"
# These do not go back, and begin where they cannot have begun before: a text of commas or brackets makes none slow.
MARKDOWN = re.compile(
    r"(?:(!)\[[^\[\]]{0,200}+)?\]\(\s*+"
    r"(?:<([^<>\n]{1,8192}+)>|([^()<>\n]{1,500}?\.(?:mp4|mov|webm|mkv))\)|((?:[^\s()<>]|\((?:[^\s()<>]|\([^\s()<>]*+\))*+\)){1,8192}+)[\s)])"
)
MENTIONED = re.compile(rf"(?<![A-Za-z0-9])https?://[^{FOREIGN}'()\[\]]++", re.IGNORECASE)
# Words before a link without an ending which say that it leads to the film, and not to a page.
OF_A_FILM = re.compile(
    r"(?:video|film|movie|download|result|output|watch|src\s?=|视频|下载|结果|観|動画|영상|vídeo)[^.\n]{0,40}$",
    re.IGNORECASE,
)
BEGINNING = re.compile(r"https?://|/", re.IGNORECASE)
NEXT_LINK = re.compile(r"(?<![\s,;|\u3001\uff0c\uff1b])[\s,;|\u3001\uff0c\uff1b]++(?=https?://)", re.IGNORECASE)
ENDED = re.compile(
    rf"[^?#]*?(?:{'|'.join(map(re.escape, ENDING_OF))})(?=[{re.escape(STOPS)}]*+(?:$|[^\x21-\x7e]))", re.IGNORECASE
)
# A query may hold blanks, as a file's name in it does.
AFTER_QUERY = re.compile(r"\s+[(\u3000-\u9fff]|[\"<>`\u2018-\u201d\u2026\xab\xbb\u3000-\u303f\uff00-\uffef]")
DATA = re.compile(
    r"([\s\ufeff\u200b\"'`<(*]*+|!?\[[^\[\]]{0,200}+\]\(\s*+<?)"
    r"data:((?:video|image)/[\w.+-]{1,60}|application/octet-stream)(?:;[^,;]{0,80}){0,4},",
    re.IGNORECASE,
)


class How(Enum):
    """How a link is written."""

    WHOLE = "as it is"
    RELATIVE = "relative to the URL that was asked"
    MOVED = "from the provider's loopback address to its public one"
    INLINE = "a data: URL"
    SHOWN = "as an image of Markdown"
    MENTIONED = "in a sentence"


@dataclass(frozen=True, slots=True)
class Link:
    """An absolute URL with what cannot stand in one escaped, or a whole `data:` URL."""

    url: str
    how: How


@lru_cache(256)
def links_in(text: str, asked: str) -> tuple[Link, ...]:
    """Returns the links in a text. `asked` is the URL that was polled: relative links are resolved against it."""
    return tuple(_links_in(text, asked))


def _links_in(text: str, asked: str) -> Iterator[Link]:
    if inline := DATA.match(text):
        whole = text[inline.end(1) :]
        yield Link(whole.rstrip("\"'`>)* \t\r\n" if inline[1] else None), How.INLINE)
        return
    if len(text) > 4 * LINK_LIMIT:
        return
    found = [Link(url, how or _how(part, url)) for part, how in _written(text) if (url := _absolute(part, asked))]
    yield from found or _mentioned(text, asked)


def _how(given: str, url: str) -> How:
    of = origin(given)
    return How.WHOLE if of == origin(url) else How.MOVED if of else How.RELATIVE


def _mentioned(text: str, asked: str) -> Iterator[Link]:
    """Yields the links in a sentence: those that end as a file does, or the only one if the words speak of a film."""
    if "<" in text:
        from html import unescape  # its table of letters takes time to load, and HTML in an answer is rare

        text = unescape(text)
    mentions = list(islice(MENTIONED.finditer(text), LINKS))
    for mention in mentions:
        part = mention[0].rstrip(STOPS)
        before = text[max(0, mention.start() - 60) : mention.start()]
        # A text may also name a page of help.
        told = ending_of(part) in ("video", "image") or (len(mentions) == 1 and OF_A_FILM.search(before))
        if told and (url := _absolute(part, asked)):
            yield Link(url, How.MENTIONED)


def _written(text: str) -> Iterator[tuple[str, How | None]]:
    """Yields the texts that should be a link each: all links of a Markdown text, else what it begins with."""
    marked = MARKDOWN.findall(f"{text}\n")[:LINKS] if "](" in text else []
    if marked:
        yield from (
            (_bare(any_of[0] or any_of[1] or any_of[2]), How.SHOWN if shown else None) for shown, *any_of in marked
        )
        return
    bare = _unwrapped(text)
    if "\\" in bare:
        bare = bare.replace("\\/", "/").replace("\\u0026", "&")  # JSON that was escaped twice
    if BEGINNING.match(bare):
        yield from ((_trimmed(_bare(part)), None) for part in NEXT_LINK.split(bare, LINKS))


def _bare(text: str) -> str:
    return text.strip().strip(INVISIBLE).strip()


def _unwrapped(text: str) -> str:
    text = _bare(text)
    for _ in range(WRAPPINGS):
        if len(text) > 1 and WRAPPERS.get(text[0]) == text[-1]:
            text = _bare(text[1:-1])
    return text


def _trimmed(text: str) -> str:
    """Returns a link without the words and signs that follow it: `.../film.mp4, valid for a day`."""
    path, query, rest = re.match(r"([^?#]*)([?#]?)(.*)", text, re.DOTALL).groups()  # type: ignore[union-attr]
    if query:
        cut = AFTER_QUERY.split(rest, maxsplit=1)[0]
        if re.search(r"&[\w.-]+=", rest[len(cut) :]):
            cut = rest  # the signature follows a name with such signs
        return f"{path}{query}{cut if cut == rest else cut.rstrip(STOPS)}"
    ended = ENDED.match(path) if len(path) <= LINK_LIMIT and not ending_of(path) else None
    return ended[0] if ended else path


def _absolute(text: str, asked: str) -> str | None:
    """Returns the URL with what cannot stand in one escaped, and resolved if it is relative; None if it is none."""
    if asked and re.match(r"//[^/\s]|/[^/\s]", text) and (" " not in text or ending_of(text)):
        text = joined(asked, text)
    head = re.match(r"(?i)https?://[^/?#\s]+(?=[/?#]|$)", text)
    if head is None or CONTROL.search(text):
        return None
    url = link(head[0] + re.sub(r"[^!#-;=?-\[\]-~]", lambda wrong: quote(wrong[0]), text[head.end() :]))
    # The default setting of some relays: the address at which their operator tried them.
    if url and asked and _is_loopback(url) and not _is_loopback(asked):
        return link(joined(asked, url[head.end() :] or "/"))
    return url


def joined(asked: str, relative: str) -> str:
    """Returns a relative link as it is meant at the URL that was asked; an empty text if it is none."""
    try:
        return urljoin(asked, relative)
    except ValueError:  # "//[" is no host
        return ""


def ending_of(url: str) -> str | None:
    """Returns what a file at this URL is by the end of its path: video, image, playlist, other, or None."""
    path = re.split(r"[?#]", url, maxsplit=1)[0]
    return ENDING_OF.get(PurePosixPath(path[-64:]).suffix.lower())


def _is_loopback(url: str) -> bool:
    host = urlsplit(url).hostname or ""
    try:
        address = ip_address(host)
    except ValueError:
        return host == "localhost"
    return address.is_loopback or address.is_unspecified
