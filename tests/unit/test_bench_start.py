"""What the bench of starts computes from what it measures."""

from pathlib import Path

import pytest

from bench import start


def found(ours: float, stock: float) -> dict[str, dict[str, dict[str, float]]]:
    """What is measured where each function costs the same."""
    row = {function: {"first": 70.0, "both": 1.0} if function in start.INVOKED else {} for function in start.FUNCTIONS}
    return {
        function: {
            name: {"start": ours if name == start.OURS else stock, **row[function]}
            for name in (start.OURS, *start.RIVALS)
        }
        for function in start.FUNCTIONS
    }


def test_a_start_is_compared_with_the_same_functions_of_a_rival() -> None:
    """The aim is a ratio, since milliseconds are the machine's."""
    ratios = start.ratios(found(100, 400))
    assert list(ratios["start over stock"].values()) == pytest.approx([0.25] * 6)
    assert ratios["both over stock"]["submit_task"] is None, "it was not invoked"


@pytest.mark.parametrize(("ours", "met"), [(140, True), (141, False)])
def test_an_aim_is_met_up_to_its_limit(ours: float, met: bool) -> None:
    """0.35 of 400 is 140."""
    measured = found(ours, 400)
    aims = start.aims({"measured": measured, "ratios": start.ratios(measured)})
    assert aims["start over stock"]["met"] is met
    assert aims["first poll_task, ms"] == {"at most": 80, "found": 70.0, "met": True}


def test_without_a_control_group_the_cpu_time_is_stretched(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Waiting takes as long at any share of a CPU."""
    monkeypatch.setattr(start, "GROUPS", {"v1": tmp_path / "none/cpu", "v2": tmp_path / "none"})
    share = start.Share()
    share.give(1, 0.25)
    assert share.wall(wall=0.05, cpu=0.02, share=0.25) == pytest.approx(0.03 + 0.08)
    assert share.how.startswith("computed")


def test_a_function_has_the_share_of_its_memory() -> None:
    """Lambda gives CPU in proportion to memory."""
    assert start.share_of("poll_task") == pytest.approx(768 / 1769)
    assert start.share_of("submit_task") == pytest.approx(512 / 1769)
    assert start.share_of("publish_event") == pytest.approx(1024 / 1769)
