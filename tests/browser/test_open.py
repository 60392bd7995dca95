"""The console opens in a real browser, and what is done in it happens in the stack."""

import pytest
from playwright.sync_api import BrowserContext, Page, expect

from vidhook_sandbox.cloud import Cloud


def test_the_page_shows_a_task_that_was_submitted_in_it_to_its_end(page: Page, console: str, cloud: Cloud) -> None:
    """From the address that is printed to a video in the bucket, without a reload."""
    page.goto(console)
    expect(page.get_by_role("heading", name="Tasks")).to_be_visible()
    assert "#" not in page.url  # where a bookmark or a screen that is shared would keep the token
    page.get_by_role("button", name="one that succeeds").first.click()
    row = page.get_by_role("row").filter(has_text="succeeds-")
    expect(row).to_contain_text("completed", timeout=30_000)
    [watch] = [each for each in cloud.edges.ledger.tasks.all() if str(each.submission.task_id).startswith("succeeds-")]
    assert str(watch.snapshot and watch.snapshot.status) == "completed"


@pytest.mark.parametrize("screen", ["tasks", "subscribers", "providers"])
def test_every_screen_opens_at_its_own_address(page: Page, console: str, screen: str) -> None:
    """So that it can be loaded again, and left open for the day."""
    page.goto(console.replace("/#", f"/{screen}#"))
    expect(page.get_by_role("heading", name=screen.capitalize()).first).to_be_visible()
    page.reload()
    expect(page.get_by_role("heading", name=screen.capitalize()).first).to_be_visible()


def test_without_the_token_the_page_shows_nothing_of_the_stack(page: Page, console: str) -> None:
    """Whoever finds the port alone."""
    page.goto(console.partition("#")[0])
    expect(page.get_by_text("This page has no token")).to_be_visible()


def test_a_link_opens_in_a_tab_of_its_own(page: Page, console: str, context: BrowserContext, cloud: Cloud) -> None:
    """As everywhere; the tabs that have the token tell it, and none of a console that has ended."""
    page.goto(console)
    expect(page.get_by_role("heading", name="Tasks")).to_be_visible()
    ended = context.new_page()
    ended.goto(f"{console.partition('#')[0]}#an-old-token")
    expect(ended.get_by_text("This page has no token")).to_be_visible()
    with context.expect_page() as opened:
        page.get_by_role("link", name="Subscribers").click(modifiers=["ControlOrMeta"])
    expect(opened.value.get_by_role("heading", name="Subscribers")).to_be_visible()
    assert "#" not in opened.value.url


def test_another_address_in_the_tab_of_an_ended_console_opens_the_page(page: Page, console: str) -> None:
    """A console on a fixed port is started again, and its new address differs behind the # alone."""
    address, _, token = console.partition("#")
    page.goto(f"{address}#an-old-token")
    expect(page.get_by_text("This page has no token")).to_be_visible()
    page.goto(f"{address}#{token}")
    expect(page.get_by_role("heading", name="Tasks")).to_be_visible()
    assert "#" not in page.url


def test_an_address_with_an_escaped_path_in_it_asks_for_nothing_else(page: Page, console: str, cloud: Cloud) -> None:
    """A part of an address that the browser took for `..` would let a screen act on what it does not show."""
    page.goto(console.replace("/#", "/subscribers/..%2Fproviders%2Falad#"))
    expect(page.get_by_text("the API has no such path")).to_be_visible()
    page.get_by_role("link", name="Tasks").click()
    expect(page.get_by_role("heading", name="Tasks")).to_be_visible()


def test_another_site_reads_nothing_and_cannot_lead_to_the_page(
    context: BrowserContext, console: str, cloud: Cloud
) -> None:
    """As one in the next tab, even if it knew the token; here it is the emulator, at another port of this machine."""
    foreign = context.new_page()
    foreign.goto(f"{cloud.endpoint}/_ministack/health")
    address, _, token = console.partition("/#")
    ask = """async ([url, token]) => {
      try {
        return String((await fetch(url, token ? { headers: { authorization: `Bearer ${token}` } } : {})).status);
      } catch { return "refused"; }
    }"""
    for path in ("/", "/console.json", "/api/v1/tasks"):
        assert foreign.evaluate(ask, [address + path, token]) == "refused"
        assert foreign.evaluate(ask, [address + path, ""]) == "refused"
    with context.expect_page() as opened:
        foreign.evaluate("(url) => { open(url); }", console)
    expect(opened.value.get_by_text("another site has led here")).to_be_visible()
