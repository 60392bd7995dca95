"""Texts of others in a form that everything takes: AWS's services, a terminal, and JSON in UTF-8."""

import re

# What SQS refuses (all that is not in XML 1.0, https://www.w3.org/TR/xml/#charsets, such as half of a surrogate pair,
# which is not even UTF-8), and the control characters that move a terminal's cursor.
_REFUSED = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ud800-\udfff\ufffe\uffff]")


def escaped(text: str) -> str:
    """Returns the text with each character that some service refuses written as in JSON, such as `\\u0000`."""
    return _REFUSED.sub(lambda found: f"\\u{ord(found[0]):04x}", text)


def cut(text: str, most: int) -> str:
    """Returns the beginning of an escaped text that has at most `most` bytes in UTF-8."""
    return text.encode()[:most].decode("utf-8", "ignore")


def shown(text: str, most: int) -> str:
    """Returns the text escaped and, if it is longer, cut to `most` bytes with three dots behind."""
    fitting = escaped(text)
    begin = cut(fitting, most)
    return fitting if begin == fitting else f"{begin}..."
