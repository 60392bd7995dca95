"""Texts of others in a form that everything takes: AWS's services, a terminal, and JSON in UTF-8."""

import re

# What SQS refuses (all that is not in XML 1.0, https://www.w3.org/TR/xml/#charsets, such as half of a surrogate pair,
# which is not even UTF-8), and the control characters that move a terminal's cursor.
_REFUSED = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ud800-\udfff\ufffe\uffff]")
# Escaped surrogates, which no text can hold but in pairs. What all begin with stands first: so the search is fast. Few
# texts have them, so the pattern is compiled when the first one comes.
HIGH, LOW = r"[89abAB][0-9a-fA-F]{2}", r"[c-fC-F][0-9a-fA-F]{2}"
HALF = rf"\\u[dD](?:{HIGH}(?!\\u[dD]{LOW})|(?<!\\u[dD]{HIGH}\\u[dD]){LOW})"
# Hexadecimal digits by what they mean there, then all as one, so that each pair is "H00L00".
KINDS, ANY = bytes.maketrans(b"1234567HLaAbB9eEfFcCD", b"0000000xx88888ccccccd"), bytes.maketrans(b"8cd", b"000")


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


def may_have_halves(text: bytes) -> bool:
    """Returns whether half a pair of surrogates may be in the escapes of a text; surely not, if all pairs can go."""
    if b"\\ud" not in text and b"\\uD" not in text:
        return False
    marked = text.translate(KINDS).replace(b"\\ud8", b"H").replace(b"\\udc", b"L").replace(b"\\udd", b"L")
    left = marked.translate(ANY).replace(b"H00L00", b"")
    return b"H" in left or b"L" in left or b"\\\\u" in text


def without_halves(text: str) -> str:
    """Returns JSON with U+FFFD in place of each escape that is half a pair of surrogates."""
    # A "u" behind an escaped backslash begins no escape. Such pairs of backslashes step aside.
    aside = text.replace("\0", "\ufffd").replace("\\\\", "\0")
    return re.sub(HALF, r"\\ufffd", aside).replace("\0", "\\\\")
