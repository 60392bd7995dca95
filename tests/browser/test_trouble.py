"""An API that is slow, fails or is not there: the page says so in words, keeps what it had, and recovers by itself."""

import json
import re
from collections.abc import Callable, Iterator
from dataclasses import replace
from uuid import uuid4

import pytest
from botocore.credentials import Credentials
from playwright.sync_api import Page, Route, expect

from tests.browser.flow import Flow, act, answered, notice, verdict, visit, width_over
from vidhook_console.proxy import Console, serving
from vidhook_sandbox.cloud import REGION, Cloud

pytestmark = pytest.mark.slow  # a browser takes seconds for each

INVOKE = "execute-api:Invoke"
PROBLEM = "application/problem+json"
REFUSED = {
    "status": 403,
    "title": "Forbidden",
    "detail": "AWS answered 403 for the API: User is not authorized",
    "hint": f"give this identity {INVOKE} on the API",
}
PAGE_OF_A_PROXY = "<html><body><script>globalThis.hit = 1</script><h1>502 Bad Gateway</h1></body></html>"
FAILURES: dict[str, tuple[Callable[[Route], None], str]] = {
    "500": (
        lambda route: route.fulfill(**answered({"title": "Internal Server Error"}, 500, PROBLEM)),
        "Internal Server",
    ),
    "403": (lambda route: route.fulfill(**answered(REFUSED, 403, PROBLEM)), INVOKE),
    "refused": (lambda route: route.abort("connectionrefused"), "is `vidhook console` still running?"),
    "html": (
        lambda route: route.fulfill(**answered(PAGE_OF_A_PROXY, 502, "text/html")),
        "the answer has the status 502",
    ),
    "no json": (lambda route: route.fulfill(**answered(PAGE_OF_A_PROXY, 200, "text/html")), "the answer is not JSON"),
}
# Slows each request down, and counts how many of one path run at once.
SLOW = """
const fast = fetch, open = {};
globalThis.most = 0;
globalThis.fetch = async (path, ...rest) => {
  open[path] = (open[path] ?? 0) + 1;
  globalThis.most = Math.max(globalThis.most, open[path]);
  await new Promise((done) => setTimeout(done, 2000));
  try { return await fast(path, ...rest); } finally { open[path] -= 1; }
};
"""


def test_a_failing_api_is_said_in_words_and_forgotten_when_it_answers_again(
    page: Page, console: str, flow: Flow
) -> None:
    """What was known stays in sight, and nobody has to load the page again."""
    page.clock.install()
    visit(page, console)
    row, alert = page.get_by_role("link", name="order-17"), page.get_by_role("alert")
    expect(row).to_be_visible()
    for fail, words in FAILURES.values():
        page.route("**/api/v1/tasks?*", fail)
        page.clock.fast_forward(5_000)
        expect(alert).to_contain_text("This is what was known before")
        expect(alert).to_contain_text(words)
        expect(row).to_be_visible()
        page.unroute("**/api/v1/tasks?*")
        page.clock.fast_forward(60_000)
        expect(alert).to_have_count(0)
        expect(row).to_be_visible()
    assert page.evaluate("globalThis.hit") is None


def test_what_is_loaded_once_is_asked_for_until_it_comes(page: Page, console: str, flow: Flow) -> None:
    """An API that was away for a moment would leave a screen half empty until somebody loads it again."""
    page.clock.install()
    page.route("**/api/v1/providers/alad", FAILURES["500"][0])
    visit(page, console, "/providers/alad")
    expect(page.get_by_role("alert").first).to_be_visible()
    page.unroute("**/api/v1/providers/alad")
    page.clock.fast_forward(5_000)
    expect(page.get_by_label("the provider file")).to_have_value(re.compile('name = "alad"'))


def test_every_screen_says_that_its_first_load_has_failed(page: Page, console: str, flow: Flow) -> None:
    """Nothing stays blank, or says that it loads for ever."""
    page.route("**/api/**", FAILURES["403"][0])
    for path in ("/tasks", f"/tasks/{flow.ids['failing']}", "/subscribers", "/providers", "/providers/alad"):
        visit(page, console, path)
        expect(page.get_by_role("alert").first).to_contain_text(INVOKE)
        assert width_over(page) == 0


def test_an_act_that_fails_says_why_and_changes_nothing(page: Page, console: str, flow: Flow) -> None:
    """The buttons work again afterwards."""
    visit(page, console, f"/tasks/{flow.ids['running']}")
    page.route("**/poll", FAILURES["html"][0])
    act(page, "poll now")
    notice(page, "the answer has the status 502")
    page.unroute("**/poll")
    page.get_by_role("button", name="close the notice").click()
    act(page, "poll now")
    notice(page, "It is polled at once.")


def test_a_slow_api_is_waited_for_with_one_load_at_a_time(page: Page, console: str, flow: Flow) -> None:
    """Two seconds each: the page says that it loads, shows what comes, and asks nothing twice meanwhile."""
    page.add_init_script(SLOW)
    visit(page, console)
    expect(page.get_by_text("loading the tasks …")).to_be_visible()
    expect(page.get_by_role("link", name="order-17")).to_be_visible()
    page.get_by_role("searchbox").fill("order-17")
    page.keyboard.press("Enter")
    expect(page.get_by_role("link", name="order-16")).to_be_visible()  # until the answer is there
    expect(verdict(page)).to_contain_text("has not got it")
    assert page.evaluate("globalThis.most") == 1


@pytest.fixture
def looker(cloud: Cloud, own: list[str]) -> Iterator[str]:
    """The console of somebody whom IAM lets look, and nothing else."""
    iam, name = cloud.client("iam"), f"looker-{uuid4().hex[:8]}"
    statement = {"Effect": "Allow", "Action": INVOKE, "Resource": "arn:aws:execute-api:*:*:*/*/GET/*"}
    iam.create_user(UserName=name)
    policy = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
    iam.put_user_policy(UserName=name, PolicyName=name, PolicyDocument=policy)
    key = iam.create_access_key(UserName=name)["AccessKey"]
    theirs = Credentials(key["AccessKeyId"], key["SecretAccessKey"])
    shown = Console(
        stack="vidhook",
        region=REGION,
        account=None,
        api_url=cloud.outputs["api_url"],
        videos=[cloud.outputs["videos_url"]],
        http=cloud.edges.http,
        credentials=lambda: theirs,
        program="vidhook",
    )
    with serving(replace(shown, sandbox=True)) as address:
        own.append(address.partition("#")[0])
        yield address


def test_what_iam_does_not_allow_is_said_with_what_is_missing(page: Page, looker: str, flow: Flow) -> None:
    """By the real proxy and IAM: one who may look sees all, and acts on nothing."""
    visit(page, looker, f"/tasks/{flow.ids['running']}")
    expect(verdict(page)).to_contain_text("infinityblue says")
    polls = flow.bridge.watch(flow.tasks["running"]).polls
    act(page, "poll now")
    notice(page, "AWS answered 403")
    notice(page, INVOKE)
    assert not any(poll.pause is None for poll in flow.bridge.watch(flow.tasks["running"]).history[polls:])
