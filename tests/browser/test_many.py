"""Ten thousand tasks in the ledger: the first screen is there at once, and the page stays small."""

import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from tests.browser.flow import Flow, counted, visit
from vidhook.edges.ledger import Ledger
from vidhook.task import Submission
from vidhook_sandbox.cloud import Cloud

TASKS, BATCH, AT_ONCE = 10_000, 25, 4
DAY = 86_400
MOST_NODES = 12_000  # of 250 rows and the rest


class Written:
    """Keeps what the ledger writes, instead of DynamoDB."""

    def __init__(self) -> None:
        self.items: list[dict[str, Any]] = []

    def put_item(self, *, Item: dict[str, Any], **_: object) -> None:  # noqa: N803 - AWS's name
        self.items.append(Item)

    def transact_write_items(self, *, TransactItems: list[Any]) -> None:  # noqa: N803
        for write in TransactItems:
            self.put_item(**write["Put"])


@pytest.fixture(scope="module")
def many(cloud: Cloud, flow: Flow) -> Iterator[None]:
    """So many open tasks, submitted before those of the flow, and polled next in a week."""
    written, table, client = Written(), cloud.edges.ledger.table, cloud.client("dynamodb", AT_ONCE)
    ledger, now = Ledger(table, client=written), time.time()  # type: ignore[arg-type]
    for number in range(TASKS):
        submission = Submission("alad", f"many-{number}", reference=f"many-{number:05}", deadline_seconds=7 * DAY)
        ledger.claim(submission, "", 7 * DAY, now - DAY - number)

    def write(requests: list[dict[str, Any]]) -> None:
        while requests:
            requests = client.batch_write_item(RequestItems={table: requests})["UnprocessedItems"].get(table, [])

    def all_of(requests: list[dict[str, Any]]) -> None:
        parts = [requests[start : start + BATCH] for start in range(0, len(requests), BATCH)]
        with ThreadPoolExecutor(AT_ONCE) as pool:
            list(pool.map(write, parts))

    all_of([{"PutRequest": {"Item": item}} for item in written.items])
    yield
    keys = [{"pk": item["pk"], "sk": item["sk"]} for item in written.items]
    all_of([{"DeleteRequest": {"Key": key}} for key in keys])


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


@pytest.mark.slow
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
