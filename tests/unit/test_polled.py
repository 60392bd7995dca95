"""What a poll reports of itself."""

import pytest

from vidhook.poll import Polled
from vidhook.providers.reading import Reading
from vidhook.task import Poll, Snapshot, Status, Submission, Watch

COMPLETED = Watch(Submission("alad", "t1"), 0.0, history=(Poll(0.0, "completed"),), snapshot=Snapshot(Status.COMPLETED))


@pytest.mark.parametrize(
    ("reading", "broken", "answer"),
    [
        (Reading("snapshot", Snapshot(Status.PROCESSING)), None, "processing"),
        (Reading("retry"), None, "retry"),
        (Reading("permanent_error"), None, "unconfirmed"),
        (Reading("permanent_error", key_refused=True), None, "key_refused"),
        (None, "timeout", "timeout"),
        (None, None, None),
    ],
)
def test_a_poll_reports_its_own_answer(reading: Reading | None, broken: str | None, answer: str | None) -> None:
    """A settled watch that is polled for a fresh link does not get this answer into its history."""
    assert Polled(COMPLETED, settled=True, reading=reading, broken=broken).answer == answer
