"""Finds JSON in a text that is none as a whole: one that was cut, events of a stream, a value on each line."""

import re
from collections.abc import Iterator

# Server-sent events (https://html.spec.whatwg.org/multipage/server-sent-events.html): the lines of one come together.
EVENT = re.compile(r"(?m)(?:^data:.*(?:\r\n|\n|\r|\Z))+")
FIELD = re.compile(r"(?m)^data: ?")
# A text, a bracket or another sign, or a number or a word of which the end is seen; else nothing.
TOKEN = re.compile(r'("(?:[^"\\]|\\.)*+"|[\[\]{},:]|[^\s\[\]{},:"]++(?=\s*[,\]}]))|\S', re.DOTALL)
CLOSING = {"{": "}", "[": "]"}
MOST = 100


def pieces(text: str) -> Iterator[tuple[bytes, bool]]:
    """Yields the objects and lists in a text as JSON, at most 100, and whether each was cut.

    Of one that was cut, what stands in full is closed: neither a text nor a number at the cut is a part of it.
    """
    events = [FIELD.sub("", event[0]) for event in EVENT.finditer(text)]
    left = MOST
    for part in events or [text]:
        rest = part.strip().removeprefix("\ufeff")
        while left and rest[:1] in CLOSING:
            left -= 1
            piece, length, cut = _first(rest)
            yield piece.encode("utf-8", "replace"), cut
            rest = rest[length:].lstrip()


def _first(text: str) -> tuple[str, int, bool]:
    """Returns the first value of a text, which begins with a bracket, how long it is, and whether it was closed."""
    open_, end, before = list[str](), 0, ""
    for token in TOKEN.finditer(text):
        sign = token[1]
        if sign is None:
            break
        if sign in CLOSING:
            open_.append(CLOSING[sign])
        elif sign in "]}" and open_.pop() != sign:
            break
        if not open_:
            return text[: token.end()], token.end(), False
        if sign in "[]{}" or (sign not in ",:" and (before == ":" or open_[-1] == "]")):
            end = token.end()
        before = sign
    more = ",null" if before == "," and open_[-1:] == ["]"] else ""  # so that a list of several is none of one
    return text[:end] + more + "".join(reversed(open_)), len(text), True
