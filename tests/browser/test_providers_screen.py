"""The screen of the provider files: what is wrong at which line, what is read and from where, and put and remove."""

import re
from collections.abc import Iterator

import pytest
from playwright.sync_api import Locator, Page, expect

from tests.browser.flow import Flow, notice, row_of, visit
from vidhook.errors import NotFound
from vidhook.providers.file import bundled_text
from vidhook_sandbox.cloud import Cloud
from vidhook_sandbox.provider import SampleProvider

pytestmark = pytest.mark.slow  # a browser takes seconds for each

OWN = """name = "own"
base_url = "https://api.own.example"
path = "/v1/tasks/{task_id}"

[answer]
status = "state"
error = "reason"

[status]
queued = "pending"
busy = "processing"
done = "completed"

[assets]
result = "video.url"
"""


@pytest.fixture
def stored(cloud: Cloud) -> Iterator[str]:
    """The name of a provider of this test's own; its file is removed again."""
    yield "own"
    cloud.edges.ledger.providers.remove("own")


def file_of(page: Page) -> Locator:
    return page.get_by_role("textbox", name="the provider file")


def answer_of(page: Page) -> Locator:
    return page.get_by_role("textbox", name="the provider's answer, as JSON or another text")


def read_of(page: Page) -> Locator:
    return page.get_by_role("region", name="what is read")


def test_a_new_file_begins_without_problems(page: Page, console: str, flow: Flow) -> None:
    """Whoever starts one changes what can be used already."""
    visit(page, console, "/providers?new")
    expect(read_of(page)).to_contain_text("The file can be used.")
    expect(page.locator(".problems li")).to_have_count(0)


def test_a_problem_of_the_file_stands_at_its_line(page: Page, console: str, flow: Flow) -> None:
    """Both a file that is no TOML, and one with a key that there is not."""
    visit(page, console, "/providers?new")
    file_of(page).fill(OWN.replace('status = "state"', "status = "))
    problems = page.locator(".problems")
    expect(problems).to_contain_text("line 6")
    expect(page.locator(".gutter .bad")).to_have_text("6")
    file_of(page).fill(OWN.replace('error = "reason"', 'eror = "reason"'))
    expect(problems).to_contain_text("line 7")
    expect(page.locator(".gutter .bad")).to_have_text("7")
    expect(page.get_by_role("button", name="put it into the stack")).to_be_disabled()
    file_of(page).fill(OWN)
    expect(page.locator(".gutter .bad")).to_have_count(0)
    expect(page.get_by_role("button", name="put it into the stack")).to_be_enabled()


def test_each_field_that_is_read_stands_beside_its_path(page: Page, console: str, flow: Flow) -> None:
    """A word that is in no table is marked, and what would be asked next is said."""
    visit(page, console, "/providers?new")
    file_of(page).fill(OWN)
    answer_of(page).fill('{"state": "done", "video": {"url": "https://cdn.own.example/film.mp4"}}')
    expect(row_of(page, "https://cdn.own.example/film.mp4")).to_contain_text("video.url")
    expect(row_of(page, "provider_status")).to_contain_text("state")
    expect(read_of(page)).to_contain_text("Then nothing more is asked: the task is completed")
    answer_of(page).fill('{"state": "busy"}')
    expect(read_of(page)).to_contain_text("Then it is asked again in")
    answer_of(page).fill('{"state": "grumble"}')
    expect(row_of(page, "grumble").first).to_contain_text("in no table of the file")
    answer_of(page).fill("<html>Bad Gateway</html>")
    page.get_by_label("HTTP").fill("502")
    expect(read_of(page)).to_contain_text("retry")


def test_an_answer_is_taken_from_a_task(page: Page, console: str, flow: Flow) -> None:
    """The one that was kept, so that it is read with the file as it is now."""
    visit(page, console, "/providers/alad")
    page.get_by_label("take the latest of").select_option(flow.ids["delivered"])
    expect(answer_of(page)).to_have_value(re.compile('"task_id": "film-16"'))
    expect(row_of(page, "provider_status")).to_contain_text("SUCCESS")
    visit(page, console, f"/tasks/{flow.ids['delivered']}?at=poll/0")
    page.get_by_role("link", name="read it with the provider's file").click()
    expect(answer_of(page)).to_have_value(re.compile('"task_id": "film-16"'))


def test_a_provider_is_asked_now(page: Page, console: str, flow: Flow, provider: SampleProvider) -> None:
    """With the file in use, and the key stays hidden."""
    visit(page, console, "/providers/infinityblue")
    before = len(flow.tasks["running"].polls)
    page.get_by_label("ask now about the task").fill("runs-22")
    page.get_by_role("button", name="ask", exact=True).click()
    expect(answer_of(page)).to_have_value(re.compile('"id": "runs-22"'))
    expect(page.get_by_text("answered now")).to_be_visible()
    assert len(flow.tasks["running"].polls) > before
    page.get_by_text(re.compile("^GET http")).click()
    assert "sk-sample-blue" not in page.content()


def test_what_is_learned_of_durations_is_a_picture(page: Page, console: str, flow: Flow) -> None:
    """How many tasks took how long, with the words for those who do not see it."""
    visit(page, console, "/providers/alad")
    expect(page.get_by_role("img", name="how many tasks took how long").first).to_be_visible()
    expect(page.get_by_role("region", name="how long its tasks take")).to_contain_text(re.compile(r"polls? a task"))


def test_put_stores_the_file_and_remove_takes_it_away(
    page: Page, console: str, cloud: Cloud, flow: Flow, stored: str
) -> None:
    """A new file, a changed one beside what is in use, and none again."""
    ledger = cloud.edges.ledger
    visit(page, console, "/providers?new")
    file_of(page).fill(OWN)
    page.get_by_role("button", name="put it into the stack").click()
    notice(page, "own is stored.")
    expect(page).to_have_url(re.compile("/providers/own$"))
    assert ledger.providers.text(stored) == OWN
    file_of(page).fill(OWN.replace('"state"', '"phase"'))
    page.get_by_role("button", name="compare with what is in use").click()
    dialog = page.get_by_role("dialog")
    expect(dialog.locator(".gone")).to_have_text('- status = "state"')
    expect(dialog.locator(".new")).to_have_text('+ status = "phase"')
    dialog.get_by_role("button", name="close", exact=True).last.click()
    page.get_by_role("button", name="undo all").click()
    expect(file_of(page)).to_have_value(OWN)
    file_of(page).fill(OWN.replace('"state"', '"phase"'))
    page.get_by_role("button", name="put it into the stack").click()
    expect(page.get_by_role("button", name="put it into the stack")).to_be_disabled()
    page.get_by_role("button", name="compare with what is in use").click()
    expect(dialog).to_contain_text("They are the same.")
    page.keyboard.press("Escape")
    assert ledger.providers.text(stored) == OWN.replace('"state"', '"phase"')
    page.get_by_role("button", name="remove it from the stack").click()
    expect(dialog).to_contain_text("can no longer be asked about")
    dialog.get_by_role("button", name="no, leave it").click()
    assert ledger.providers.text(stored) is not None
    page.get_by_role("button", name="remove it from the stack").click()
    dialog.get_by_role("button", name="remove it", exact=True).click()
    notice(page, "It is removed.")
    with pytest.raises(NotFound):
        ledger.providers.get(stored)


def test_a_stored_file_is_compared_with_the_shipped_one_and_gives_way_to_it(
    page: Page, console: str, cloud: Cloud, flow: Flow
) -> None:
    """Whoever has mended a shipped file sees what they have changed, and can go back."""
    ledger = cloud.edges.ledger
    ledger.providers.put("luma", bundled_text("luma") + "\n# ours\n")
    visit(page, console, "/providers/luma")
    page.get_by_role("button", name="compare with what is shipped").click()
    expect(page.get_by_role("dialog").locator(".new", has_text="# ours")).to_be_visible()
    page.keyboard.press("Escape")
    page.get_by_role("button", name="remove it from the stack").click()
    page.get_by_role("dialog").get_by_role("button", name="remove it", exact=True).click()
    notice(page, "The bundled file is in use again.")
    expect(file_of(page)).to_have_value(bundled_text("luma"))
    assert ledger.providers.text("luma") is None


def test_a_provider_that_there_is_not_is_said_to_be_missing(page: Page, console: str, flow: Flow) -> None:
    """With what makes one."""
    visit(page, console, "/providers/nowhere")
    expect(page.get_by_role("heading", name='There is no provider "nowhere"')).to_be_visible()
