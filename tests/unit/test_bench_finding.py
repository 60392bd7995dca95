"""What the bench of references counts."""

from bench.finding import MANY, ONE, SAME, filled, found, measured, scanned


def test_a_scan_reads_all_that_submissions_wrote_and_a_reference_what_it_names() -> None:
    """Both find the same tasks; the newest hundred of a reference are one page."""
    rows, ledger = filled(3 * SAME)
    ours, scan = (measured(rows, work, 2) for work in (lambda: found(ledger, ONE), lambda: scanned(rows, ONE)))
    assert (ours["found"], ours["requests"], ours["items read"]) == (1, 2, 2)
    assert (scan["found"], scan["requests"], scan["items read"]) == (1, 1, 2 * 3 * SAME)
    alike = measured(rows, lambda: found(ledger, MANY), 1)
    assert (alike["found"], alike["requests"], alike["items read"]) == (100, 2, 200)
    assert len(scanned(rows, MANY)) == SAME
    assert found(ledger, "order") == []
