"""What providers, subscribers and submitters write is shown as text, whatever it is: nothing runs, nothing breaks."""

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

import pytest
from playwright.sync_api import Page, expect

from tests.browser.flow import act, notice, row_of, verdict, visit, width_over
from tests.e2e.bridge import Bridge, eventually
from vidhook import subscribers
from vidhook.task import Subscriber, watch_id
from vidhook_sandbox.cloud import Cloud
from vidhook_sandbox.loopback import Handler, Loopback

pytestmark = pytest.mark.slow  # a browser takes seconds for each

SCRIPT = "<img src=x onerror='globalThis.hit=1'><script>globalThis.hit=2</script>"
BREAKOUT = "\"'`></textarea></pre></title>--><svg onload=globalThis.hit=3>${globalThis.hit=4}{{hit}}"
LINK = "javascript:globalThis.hit=5"
TURNED = "\u202e\u2066gpj.exe 👩‍👩‍👧‍👦🏳️‍🌈 Z̸̡̛a̵͝l̷g̶o̸"
LONG = "W" * 100_000  # no place to break the line
TASK_ID = f"{SCRIPT}{TURNED}"
REFERENCE = f"{BREAKOUT}{'R' * 60}"
PROVIDER = """
name = "hostile"
base_url = "{base_url}"
path = "/tasks/{{task_id}}"
[answer]
status = "state"
error = "reason"
model = "model"
prompt = "prompt"
[assets]
result = "url"
"""


def nested(depth: int) -> Any:
    made: Any = SCRIPT
    for _ in range(depth):
        made = {"__proto__": {"polluted": True}, "constructor": {"prototype": {"polluted": True}}, "in": [made]}
    return made


ANSWER: dict[str, Any] = {
    "state": "failed",
    "reason": f"{SCRIPT} {BREAKOUT} {TURNED}",
    "model": f"{SCRIPT}{'M' * 300}",
    "prompt": f"{LINK} {BREAKOUT} {'P' * 2_000}",
    "url": LINK,
    SCRIPT: BREAKOUT,
    "__proto__": {"polluted": True},
    "control": "\u0000\u0007\u001b[31m\u2028",
    "deep": nested(60),
    "long": LONG,
}
METADATA = {"order": SCRIPT, "__proto__": LINK, "constructor": BREAKOUT, "long": "M" * 1_500, "rtl": TURNED}
BODY = f"{SCRIPT}{BREAKOUT}{TURNED}{'B' * 3_000}"
HEADERS = {"Content-Type": "text/html", "X-Script": SCRIPT, "Location": LINK, "Server": "S" * 300}


class Hostile(Handler):
    """A provider and a subscriber that write what should harm whoever shows it."""

    def do_GET(self) -> None:  # noqa: N802 - the base class's name
        self.answer(200, json.dumps(ANSWER).encode(), {"Content-Type": "application/json"})

    def do_POST(self) -> None:  # noqa: N802 - the base class's name
        self.read_body()
        self.answer(500, BODY.encode("utf-8", "replace"), HEADERS)


@dataclass
class Harm:
    id: str
    subscriber: Subscriber


@pytest.fixture(scope="module")
def harm(bridge: Bridge, cloud: Cloud) -> Iterator[Harm]:
    """A task, its provider and its subscriber, all of them hostile."""
    server, edges = Loopback(Hostile), cloud.edges
    edges.ledger.providers.put("hostile", PROVIDER.format(base_url=server.url))
    terms = subscribers.Terms(
        f"{server.url}/{quote(SCRIPT)}/{'u' * 600}?next={LINK}",
        providers=("hostile",),
        description=f"{SCRIPT}{BREAKOUT}{TURNED}{'D' * 300}",
        headers={"x-own": "a header of its own"},
    )
    added, _ = subscribers.add(terms, ledger=edges.ledger, secrets=edges.secrets, http=edges.http, clock=edges.clock)
    submission = {"provider": "hostile", "task_id": TASK_ID, "reference": REFERENCE, "metadata": METADATA}
    cloud.submit(**submission, expected_seconds=1)
    mine = watch_id("hostile", TASK_ID)
    eventually(lambda: edges.ledger.tasks.watch(mine).told)
    eventually(lambda: edges.ledger.deliveries.of_task(mine)[0].attempts)
    yield Harm(mine, added)
    edges.ledger.subscribers.remove(added.id)
    edges.ledger.providers.remove("hostile")
    server.stop()


def unharmed(page: Page) -> None:
    """Nothing has run, nothing hangs out of a wide or a narrow window, and no link leads to a script."""
    assert page.evaluate("globalThis.hit") is None
    assert page.evaluate("({}).polluted") is None
    for width in (360, 1280):
        page.set_viewport_size({"width": width, "height": 800})
        assert width_over(page) == 0, width
    links = page.eval_on_selector_all("[href], [src]", "(all) => all.map((each) => each.href || each.src)")
    assert not [link for link in links if str(link).startswith("javascript:")]
    assert page.locator("svg, main script, img[src='x']").count() == 0


def test_a_hostile_task_is_shown_as_text(page: Page, console: str, harm: Harm) -> None:
    """In its row, its sentences, its polls with the provider's answer, its attempts, and its facts."""
    visit(page, console)
    expect(page.get_by_role("link", name=REFERENCE)).to_be_visible()
    unharmed(page)
    visit(page, console, f"/tasks/{harm.id}")
    expect(page.get_by_role("heading", level=1)).to_have_text(REFERENCE)
    expect(verdict(page)).to_contain_text("<img src=x onerror=")
    expect(page.get_by_role("region", name="was answered")).to_contain_text(SCRIPT)
    unharmed(page)
    facts = page.get_by_role("region", name="the task")
    for text in (SCRIPT, BREAKOUT, LINK, "M" * 1_500, "P" * 100):
        expect(facts).to_contain_text(text)
    page.get_by_text("the event, as it was sent").click()
    unharmed(page)
    visit(page, console, f"/tasks/{harm.id}?at=poll/0")
    answer = page.get_by_role("region", name="what the provider answered")
    expect(answer).to_contain_text("HTTP 200")
    expect(answer).to_contain_text("globalThis.hit=2")
    unharmed(page)


def test_a_hostile_name_is_found_and_shown_in_the_address(page: Page, console: str, harm: Harm) -> None:
    """By its reference, and by the provider's own id; and one that is not there is only quoted."""
    visit(page, console)
    for name in (REFERENCE, f"hostile/{TASK_ID}"):
        page.get_by_role("searchbox").fill(name)
        page.keyboard.press("Enter")
        expect(page.get_by_role("heading", level=1)).to_have_text(REFERENCE)
        visit(page, console)
    page.get_by_role("searchbox").fill(SCRIPT)
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", name="No task is called")).to_contain_text(SCRIPT)
    unharmed(page)
    visit(page, console, f"/tasks/{quote(SCRIPT, safe='')}")
    expect(page.get_by_role("alert")).to_be_visible()
    unharmed(page)
    visit(page, console, f"/providers/{quote(SCRIPT, safe='')}")
    expect(page.get_by_role("heading", level=2).first).to_contain_text("There is no provider")
    unharmed(page)


def test_a_hostile_subscriber_is_shown_as_text(page: Page, console: str, harm: Harm) -> None:
    """Its URL, its description, and what it answers to a test."""
    visit(page, console, f"/subscribers/{harm.subscriber.id}")
    facts = page.get_by_role("region", name="the subscriber")
    expect(facts).to_contain_text("D" * 300)
    expect(row_of(page, "D" * 300)).to_be_visible()
    page.get_by_role("button", name="send a test event").click()
    expect(facts.get_by_role("region", name="was answered")).to_contain_text(SCRIPT)
    unharmed(page)
    act(page, "pause")
    notice(page, "It is paused")
    act(page, "resume")
    notice(page, "It is active")
    unharmed(page)


def test_a_hostile_answer_is_read_beside_its_file(page: Page, console: str, harm: Harm) -> None:
    """Taken from the task, with all fields that are read of it, and a file that is no better."""
    visit(page, console, f"/providers/hostile?task={harm.id}")
    answer = page.get_by_role("textbox", name="the provider's answer, as JSON or another text")
    expect(answer).to_have_value(re.compile("globalThis.hit=2"))
    unharmed(page)
    answer.fill(json.dumps(ANSWER))
    expect(page.get_by_role("region", name="what is read")).to_contain_text("globalThis.hit=2")
    unharmed(page)
    page.get_by_role("textbox", name="the provider file").fill(f'name = "{SCRIPT}"\n"__proto__" = 1\n# {BREAKOUT}\n')
    expect(page.locator(".problems li").first).to_be_visible()
    unharmed(page)
    answer.fill(json.dumps(nested(100)))
    page.get_by_role("textbox", name="the provider file").fill(PROVIDER.format(base_url="https://a.example"))
    expect(page.get_by_role("region", name="what is read")).to_contain_text("outcome")
    unharmed(page)
