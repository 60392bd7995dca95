"""What the bench of many subscribers computes from what it sees."""

import pytest

from bench import fanout
from bench.fanout import HANGING, KNOWN, Sent


def sent(p95: float = 1.0, *, deliveries: int = 100) -> Sent:
    """An event that took its process two seconds of the processor, in four seconds."""
    return Sent(4.0, deliveries, 2.0, p95, 80.0, 300, 0.5, 0.1)


def test_a_row_is_of_each_delivery() -> None:
    """Those that were not tried, as they are known to hang, are no deliveries."""
    row = fanout.row([sent(), sent(), sent(deliveries=50)])
    assert (row["a second"], row["CPU ms"], row["AWS requests"]) == (25.0, 20.0, 3.0)


def test_the_healthy_are_compared_within_one_process() -> None:
    """One process may have a busier machine than another."""
    free = [sent(1.0), sent(1.2), sent(10.0), sent(12.0)]  # two events of each of two processes
    events = {
        "free": {"whole": free},
        HANGING: {"whole": [sent(2.2), sent(22.0)]},
        KNOWN: {"whole": [sent(1.1), sent(11.0)]},
    }
    assert fanout.moves(events, "whole") == pytest.approx({HANGING: 2.0, KNOWN: 1.0})


def test_without_any_that_hang_nobody_is_moved() -> None:
    """One subscriber alone."""
    assert fanout.moves({"free": {"edge": [sent()]}}, "edge") == {}
