"""Ten thousand tasks in the ledger: the first screen is there at once, and the page stays small."""

import time
from collections.abc import Iterator

import pytest
from playwright.sync_api import Page, expect

from tests.browser.flow import Flow, counted, seeded, visit
from vidhook_sandbox.cloud import Cloud

pytestmark = pytest.mark.slow
TASKS = 10_000
MOST_NODES = 12_000  # of 250 rows and the rest


@pytest.fixture(scope="module")
def many(cloud: Cloud, flow: Flow) -> Iterator[None]:
    with seeded(cloud, "many", TASKS):
        yield


def nodes(page: Page) -> int:
    return int(page.evaluate("document.getElementsByTagName('*').length"))


def test_ten_thousand_tasks_are_shown_a_page_at_a_time(page: Page, console: str, many: None, flow: Flow) -> None:
    """A search is one read, older ones come when they are asked for, and no task is shown twice."""
    asked = counted(page, lambda request: "/api/v1/tasks" in request.url)
    visit(page, console)
    rows = page.locator("table.tasks tbody tr")
    expect(page.get_by_role("link", name="order-17")).to_be_visible()
    expect(rows).to_have_count(50)
    first = nodes(page)
    for shown in (100, 150, 200, 250):
        page.get_by_role("button", name="older tasks").click()
        expect(rows).to_have_count(shown)
    names = page.locator("a.row").all_inner_texts()
    assert len(set(names)) == 250
    assert sum(name.startswith("many-") for name in names) > 150
    assert first < nodes(page) < MOST_NODES
    expect(page.get_by_text("250 tasks shown, there are older ones")).to_be_visible()

    asked.clear()
    page.get_by_role("searchbox").fill("many-07777")
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", level=1)).to_have_text("many-07777")
    assert len([each for each in asked if "find=" in each]) == 1
    assert nodes(page) < first
    page.go_back()
    expect(rows).to_have_count(50)


def test_the_page_does_not_grow_while_it_is_left_open(page: Page, console: str, many: None, flow: Flow) -> None:
    """An hour of looking again keeps its nodes and its listeners."""
    page.clock.install()
    visit(page, console)
    expect(page.get_by_role("link", name="order-17")).to_be_visible()
    session = page.context.new_cdp_session(page)

    def measured() -> dict[str, float]:
        session.send("HeapProfiler.collectGarbage")
        return dict(session.send("Memory.getDOMCounters"))

    loads = counted(page, lambda request: "/api/v1/tasks?" in request.url)
    before = measured()
    for number in range(1, 6):
        page.clock.fast_forward(60_000)
        deadline = time.monotonic() + 60
        while len(loads) < number and time.monotonic() < deadline:
            page.wait_for_timeout(50)
    after = measured()
    assert after["nodes"] < before["nodes"] * 1.5 + 500
    assert after["jsEventListeners"] < before["jsEventListeners"] * 1.5 + 100
