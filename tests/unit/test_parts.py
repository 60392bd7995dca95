"""The hash of a file whose parts come at the same time is that of the file."""

import hashlib

from hypothesis import given
from hypothesis import strategies as st

from vidhook import fetch, parts, store
from vidhook.parts import InOrder

files = st.lists(st.binary(min_size=1, max_size=9), min_size=1, max_size=6)


@given(files, st.data())
def test_parts_that_come_in_any_order_are_hashed_in_theirs(pieces: list[bytes], data: st.DataObject) -> None:
    """Each connection brings its own part, a few bytes at a time, and may begin it again."""
    order = InOrder()
    left = dict.fromkeys(range(1, len(pieces) + 1), 0)
    while left:
        number = data.draw(st.sampled_from(sorted(left)))
        piece, at = pieces[number - 1], left[number]
        if data.draw(st.booleans(), label="begins again"):
            at = data.draw(st.integers(0, at))
        more = data.draw(st.integers(1, len(piece) - at)) if at < len(piece) else 0
        order.add(number, at, piece[at : at + more])
        left[number] = max(left[number], at + more)
        if left[number] == len(piece):
            order.end(number)
            del left[number]
    assert order.hexdigest() == hashlib.sha256(b"".join(pieces)).hexdigest()


def test_what_is_read_ahead_is_less_than_a_part() -> None:
    """The first connection must not have read beyond its part before it is known that there are others."""
    assert store.GAUGE_BYTES <= fetch.AHEAD
    assert fetch.AHEAD + fetch.PIECE <= parts.PART_BYTES


def test_what_is_kept_fits_the_memory_of_the_function() -> None:
    """What is ahead of the hash, and what is read ahead: 75 MB in all are allowed."""
    assert parts.WINDOW * parts.PART_BYTES + fetch.AHEAD < 50 * 10**6
