"""The screen of all tasks: samples, search, filters, rows that change in place, and what each provider does."""

import re

from playwright.sync_api import Page, expect

from tests.browser.flow import HOUR, Flow, answered, counted, notice, row_of, seeded, verdict, visit
from tests.e2e.bridge import Bridge, eventually, id_of
from vidhook_sandbox.cloud import Cloud


def search(page: Page, text: str) -> None:
    box = page.get_by_role("searchbox")
    box.fill(text)
    box.press("Enter")


def shown(page: Page) -> list[str]:
    """The status in each row."""
    return page.locator("table.tasks tbody td:first-child").all_inner_texts()


def test_why_order_17_did_not_arrive_takes_one_click_and_ten_seconds(page: Page, console: str, flow: Flow) -> None:
    """From the first screen: the reference is typed, and the subscriber's own words stand there."""
    clicks = 0
    visit(page, console)
    page.get_by_role("searchbox").click()
    clicks += 1
    page.keyboard.type("order-17")
    page.keyboard.press("Enter")
    expect(verdict(page)).to_contain_text("has not got it: HTTP 500 at attempt", timeout=10_000)
    expect(verdict(page)).to_contain_text("order 17 is not known here", timeout=10_000)
    assert clicks <= 1


def test_the_samples_go_as_their_buttons_say(page: Page, console: str, cloud: Cloud, flow: Flow) -> None:
    """One that fails, and one whose provider stumbles first; test_open.py has the one that succeeds."""
    visit(page, console)
    page.get_by_role("button", name="one that fails").click()
    notice(page, "is submitted")
    page.get_by_role("button", name="one that stumbles").click()
    expect(row_of(page, "fails-").filter(has_not_text="order")).to_contain_text("failed")
    expect(row_of(page, "stumbles-").filter(has_not_text="order")).to_contain_text("completed")
    made = {
        str(each.submission.task_id).partition("-")[0]: each
        for each in cloud.edges.ledger.tasks.all()
        if each.submission.reference is None and "-" in str(each.submission.task_id)
    }
    assert [str(made[name].snapshot and made[name].snapshot.status) for name in ("fails", "stumbles")] == [  # type: ignore[union-attr]
        "failed",
        "completed",
    ]
    assert made["stumbles"].polls > 1


def test_a_search_finds_a_task_by_any_name_with_one_read(page: Page, console: str, flow: Flow) -> None:
    """Its reference, our id, its event's id, provider/task_id, and the provider's id alone."""
    visit(page, console)
    mine, event = flow.ids["delivered"], flow.bridge.event(flow.tasks["delivered"])
    asked = counted(page, lambda request: "find=" in request.url)
    for text in ("order-16", mine, event.id, "alad/film-16", "  film-16 "):
        visit(page, console)
        asked.clear()
        search(page, text)
        expect(page.get_by_role("heading", level=1)).to_have_text("order-16")
        assert page.url.partition("?")[0].endswith(f"/tasks/{mine}")
        assert len(asked) == 1, text


def test_a_search_that_finds_nothing_says_what_it_looks_for(page: Page, console: str, flow: Flow) -> None:
    """And how else a task is found."""
    visit(page, console)
    search(page, "order-170")
    expect(page.get_by_role("heading", name='No task is called "order-170"')).to_be_visible()
    expect(page.get_by_text("--metadata")).to_be_visible()
    page.reload()
    expect(page.get_by_role("heading", name='No task is called "order-170"')).to_be_visible()


def test_a_search_that_finds_several_shows_them_all(page: Page, console: str, bridge: Bridge, flow: Flow) -> None:
    """As two providers may give the same id."""
    for provider in ("alad", "vicsee"):
        bridge.submit(bridge.task(provider, task_id="twin", seconds=4 * HOUR), expected_seconds=2 * HOUR)
    visit(page, console)
    search(page, "twin")
    expect(page.get_by_role("link", name="alad/twin")).to_be_visible()
    expect(page.get_by_role("link", name="vicsee/twin")).to_be_visible()
    expect(page.locator("table.tasks tbody tr")).to_have_count(2)
    page.get_by_role("link", name='"twin" ✕').click()
    expect(page.get_by_role("link", name="order-16")).to_be_visible()


def test_filters_stand_in_the_address_and_the_way_back_leads_through_them(page: Page, console: str, flow: Flow) -> None:
    """So that a view can be kept, sent and left."""
    visit(page, console)
    expect(page.get_by_role("link", name="order-16")).to_be_visible()
    filters = page.get_by_role("group", name="filters")
    filters.get_by_role("link", name="failed").click()
    expect(page).to_have_url(re.compile(r"\?status=failed$"))
    expect(page.get_by_role("link", name="order-16")).to_be_hidden()
    expect(page.get_by_role("link", name="order-21")).to_be_visible()
    assert set(shown(page)) == {"failed"}
    filters.get_by_role("link", name="last 24h").click()
    filters.get_by_role("combobox").select_option("vicsee")
    expect(page).to_have_url(re.compile(r"\?status=failed&age=24h&provider=vicsee$"))
    expect(filters.get_by_role("link", name="last 24h")).to_have_attribute("aria-current", "true")
    page.reload()
    expect(page.get_by_role("link", name="order-21")).to_be_visible()
    expect(filters.get_by_role("combobox")).to_have_value("vicsee")
    page.go_back()
    page.go_back()
    expect(page).to_have_url(re.compile(r"\?status=failed$"))
    page.go_back()
    expect(page.get_by_role("link", name="order-16")).to_be_visible()
    expect(filters.get_by_role("link", name="failed")).not_to_have_attribute("aria-current", "true")


def test_a_row_changes_in_place(page: Page, console: str, bridge: Bridge, flow: Flow) -> None:
    """What is looked at, selected or focused stays where it is."""
    task = bridge.task(task_id="changes-in-place", seconds=4 * HOUR)
    bridge.submit(task, expected_seconds=2 * HOUR)
    visit(page, console, "/tasks?provider=alad")
    row = row_of(page, "changes-in-place")
    expect(row).to_contain_text(re.compile("next poll (in|now)"))
    row.evaluate("(row) => { row.kept = true; }")
    link = row.get_by_role("link")
    link.focus()
    task.seconds = 0
    assert bridge.api("POST", f"/v1/tasks/{id_of(task)}/poll").status_code == 202
    expect(row).to_contain_text("completed")
    expect(row).to_contain_text("1 of 1")
    expect(row).to_contain_text("ended")
    assert row.evaluate("(row) => row.kept") is True
    expect(link).to_be_focused()


def test_older_tasks_come_when_they_are_asked_for(page: Page, console: str, cloud: Cloud, flow: Flow) -> None:
    """A page at a time, each task once, and the newest go on changing."""
    with seeded(cloud, "older", 120):
        visit(page, console, "/tasks?provider=alad")
        rows = page.locator("table.tasks tbody tr")
        expect(rows).to_have_count(50)
        page.get_by_role("button", name="older tasks").click()
        expect(rows).to_have_count(100)
        page.get_by_role("button", name="older tasks").click()
        expect(page.get_by_role("link", name="older-00119")).to_be_visible()
        expect(page.get_by_role("button", name="older tasks")).to_have_count(0)
        names = page.locator("a.row").all_inner_texts()
        assert len(set(names)) == len(names)
        assert names.index("order-17") < names.index("older-00000") < names.index("older-00119")


def test_what_is_told_is_counted_in_the_row(page: Page, console: str, flow: Flow) -> None:
    """Delivered of all, nobody, or nothing yet."""
    visit(page, console)
    for name, told in (("order-16", "1 of 1"), ("order-17", "1 of 2"), ("order-20", "nobody"), ("order-18", "1 of 2")):
        expect(row_of(page, name)).to_contain_text(told)
    expect(row_of(page, "order-18")).to_contain_text("1 held")


def test_a_card_says_what_goes_on_at_a_provider(page: Page, console: str, flow: Flow) -> None:
    """And what mends a key that is refused."""
    visit(page, console)
    cards = page.get_by_role("list", name="providers")
    kling = cards.get_by_role("listitem").filter(has_text="kling")
    expect(kling).to_contain_text("1 running")
    expect(kling).to_contain_text("key refused since")
    expect(kling).to_contain_text("keys set kling")
    expect(page.locator("tr", has_text="kling/")).to_contain_text("the key was refused")
    expect(cards.get_by_role("listitem").filter(has_text="infinityblue")).to_contain_text("last hour:")
    cards.get_by_role("link", name="kling").click()
    expect(page).to_have_url(re.compile(r"\?provider=kling$"))
    expect(page.locator("table.tasks tbody tr")).to_have_count(1)


def test_an_empty_stack_shows_its_first_three_commands(page: Page, console: str) -> None:
    """Whoever has just deployed knows what to type."""
    page.route("**/api/v1/tasks?*", lambda route: route.fulfill(**answered({"items": [], "next": None})))
    visit(page, console)
    for command in ("keys set alad", "subscribers add https://example.com/hook", "submit alad TASK_ID"):
        expect(page.get_by_text(command)).to_be_visible()
    expect(page.get_by_role("button", name="one that succeeds").first).to_be_visible()
    visit(page, console, "/tasks?status=failed")
    expect(page.get_by_role("heading", name="No such task")).to_be_visible()


def test_a_task_that_is_followed_is_shown_on_without_a_reload(
    page: Page, console: str, bridge: Bridge, flow: Flow
) -> None:
    """From the first poll to the delivery."""
    task = bridge.task(task_id="followed", seconds=4 * HOUR)
    bridge.submit(task, expected_seconds=2 * HOUR)
    visit(page, console, f"/tasks/{id_of(task)}")
    expect(verdict(page)).to_contain_text("asked")
    task.seconds = 0
    bridge.api("POST", f"/v1/tasks/{id_of(task)}/poll")
    expect(verdict(page)).to_contain_text(re.compile(r"has it: HTTP 200 at attempt \d+\."))
    eventually(lambda: bridge.watch(task).told)
