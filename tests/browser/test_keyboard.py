"""All of the page without a mouse, and for those who do not see it: axe finds nothing serious, light or dark."""

import re
from typing import Any

import pytest
from axe_playwright_python.base import AXE_FILE_PATH
from playwright.sync_api import Page, expect

from tests.browser.flow import Flow, visit, width_over

pytestmark = pytest.mark.slow  # a browser takes seconds for each

SCREENS = ("/tasks", "/tasks/{failing}", "/tasks/{delivered}?at=poll/0", "/subscribers/{refusing}", "/providers/alad")
# What has the focus: its name, whether it can be seen, and whether something around it says that it has it.
FOCUSED = """() => {
  const on = document.activeElement;
  if (on === document.body) return null;
  const box = on.getBoundingClientRect();
  const lines = [on, on.closest(".editor")].filter(Boolean).map((each) => getComputedStyle(each));
  return {
    name: on.getAttribute("aria-label") || on.innerText || on.name || on.tagName,
    seen: box.width > 0 && box.bottom > 0 && box.top < innerHeight && box.right > 0 && box.left < innerWidth,
    // The button for the calendar in a field of a time is the browser's own, and has a line of its own.
    lined: on.type === "datetime-local"
      || lines.some((line) => line.outlineStyle !== "none" && parseFloat(line.outlineWidth) >= 1),
  };
}"""
MOST_STOPS = 120


def address(path: str, flow: Flow) -> str:
    return path.format(**flow.ids, refusing=flow.refusing.id)


def loaded(page: Page) -> None:
    """Waits until nothing on the screen says that it loads."""
    expect(page.get_by_role("heading", level=1)).to_be_visible()
    expect(page.get_by_text("loading ")).to_have_count(0)
    expect(page.get_by_text("…", exact=True)).to_have_count(0)
    expect(page.locator(".card.empty")).to_have_count(0)


def test_all_four_screens_are_walked_without_a_mouse(page: Page, console: str, flow: Flow) -> None:
    """Keys lead to each screen, to a row, along the axis, and into a dialog and out of it, where one was before."""
    keys = page.keyboard
    visit(page, console)
    loaded(page)
    expect(page.get_by_role("link", name="order-16")).to_be_visible()
    keys.press("/")
    expect(page.get_by_role("searchbox")).to_be_focused()
    keys.type("order-18")
    keys.press("Enter")
    expect(page.get_by_role("heading", level=1)).to_have_text("order-18")
    mark = page.locator('.axis [aria-pressed="true"]')
    expect(mark).to_be_visible()
    for _ in range(MOST_STOPS):
        keys.press("Tab")
        if page.evaluate("document.activeElement.matches('.axis [aria-pressed=\"true\"]')"):
            break
    expect(mark).to_be_focused()
    keys.press("ArrowUp")
    expect(mark).to_be_focused()
    keys.press("?")
    expect(page.get_by_role("dialog", name="Keys")).to_be_visible()
    keys.press("Escape")
    expect(page.get_by_role("dialog")).to_have_count(0)
    expect(mark).to_be_focused()

    keys.press("g")
    keys.press("s")
    expect(page.get_by_role("heading", name="Subscribers", level=1)).to_be_focused()
    keys.press("Tab")
    expect(page.get_by_role("button", name="add one")).to_be_focused()
    keys.press("Enter")
    expect(page.get_by_role("dialog").get_by_label("URL")).to_be_focused()
    keys.press("Escape")
    expect(page.get_by_role("dialog")).to_have_count(0)
    expect(page.get_by_role("button", name="add one")).to_be_focused()
    expect(page.locator("a.row").first).to_be_visible()
    keys.press("Tab")
    expect(page.locator("a.row").first).to_be_focused()
    keys.press("Enter")
    expect(page.get_by_role("region", name="the subscriber")).to_be_visible()

    keys.press("g")
    keys.press("p")
    expect(page.get_by_role("heading", name="Providers", level=1)).to_be_focused()
    file = page.get_by_role("textbox", name="the provider file")
    expect(file).to_be_visible()
    for _ in range(MOST_STOPS):
        keys.press("Tab")
        if file.evaluate("(file) => file === document.activeElement"):
            break
    expect(file).to_be_focused()
    keys.press("Tab")  # it leads out of the editor again
    expect(file).not_to_be_focused()
    page.get_by_role("heading", level=1).focus()

    keys.press("g")
    keys.press("t")
    expect(page.get_by_role("heading", name="Tasks", level=1)).to_be_focused()
    expect(page.get_by_role("link", name="order-16")).to_be_visible()
    keys.press("j")
    rows = page.locator("a.row")
    expect(rows.nth(0)).to_be_focused()
    keys.press("ArrowDown")
    expect(rows.nth(1)).to_be_focused()
    keys.press("k")
    expect(rows.nth(0)).to_be_focused()
    keys.press("Enter")
    expect(page.get_by_role("list", name="what became of it")).to_be_visible()


@pytest.mark.parametrize("path", SCREENS)
def test_every_stop_of_the_tab_key_is_seen(page: Page, console: str, flow: Flow, path: str) -> None:
    """Where the focus is has a line around it, is in the window, and leads out at the end."""
    visit(page, console, address(path, flow))
    loaded(page)
    page.keyboard.press("Tab")
    assert page.evaluate("document.querySelector('main').contains(document.activeElement)")  # reading begins there
    page.get_by_role("link", name="to the content").focus()
    stops = [page.evaluate(FOCUSED)]
    for _ in range(MOST_STOPS):
        page.keyboard.press("Tab")
        stop = page.evaluate(FOCUSED)
        if stop is None:
            break
        stops.append(stop)
        assert stop["seen"], stop
        assert stop["lined"], stop
    assert len(stops) > 8
    names = [stop["name"] for stop in stops]
    assert names[0] == "to the content"
    assert {"Tasks", "Subscribers", "Providers"} <= set(names)


def serious(page: Page, **options: object) -> list[str]:
    """What axe finds that keeps somebody from using the page: the rule, and where."""
    if not page.evaluate("'axe' in globalThis"):
        page.evaluate(AXE_FILE_PATH.read_text(encoding="utf-8"))
    found: dict[str, Any] = page.evaluate(
        "(options) => axe.run(document, options)", {"resultTypes": ["violations"], **options}
    )
    return [
        f"{each['id']}: {node['target']} {node.get('failureSummary', '')}"
        for each in found["violations"]
        if each["impact"] in ("serious", "critical")
        for node in each["nodes"]
    ]


def check(page: Page, what: str) -> None:
    """What is shown must have nothing serious, in both schemes, which differ in their colours alone."""
    grounds = []
    for scheme, options in (("light", {}), ("dark", {"runOnly": ["color-contrast"]})):
        page.emulate_media(color_scheme=scheme, reduced_motion="reduce")  # type: ignore[arg-type]
        assert serious(page, **options) == [], (what, scheme)
        ground = page.evaluate("getComputedStyle(document.documentElement).backgroundColor")
        grounds.append(sum(map(int, re.findall(r"\d+", ground))))
    assert grounds[0] > 600 > 150 > grounds[1]


def test_axe_finds_nothing_serious_on_any_screen(page: Page, console: str, flow: Flow) -> None:
    """Light and dark, and with dialogs open."""
    for path in (*SCREENS, "/tasks?find=nothing", "/providers?new", "/providers/nowhere"):
        visit(page, console, address(path, flow))
        loaded(page)
        check(page, path)
    visit(page, console, "/subscribers")
    page.get_by_role("button", name="add one").click()
    expect(page.get_by_role("dialog")).to_be_visible()
    check(page, "a form")
    visit(page, console, f"/tasks/{flow.ids['delivered']}")
    page.get_by_role("button", name="erase").click()
    expect(page.get_by_role("dialog")).to_be_visible()
    check(page, "a question")


def test_a_narrow_window_scrolls_only_downwards(page: Page, console: str, flow: Flow) -> None:
    """360 pixels, as a telephone has: all four screens, and dialogs."""
    page.set_viewport_size({"width": 360, "height": 740})
    for path in (*SCREENS, "/tasks?find=nothing", "/subscribers", "/providers?new"):
        visit(page, console, address(path, flow))
        loaded(page)
        assert width_over(page) == 0, path
    visit(page, console, "/subscribers")
    page.get_by_role("button", name="add one").click()
    dialog = page.get_by_role("dialog")
    expect(dialog).to_be_visible()
    assert dialog.evaluate("(dialog) => dialog.scrollWidth - dialog.clientWidth") <= 0
    assert width_over(page) == 0
