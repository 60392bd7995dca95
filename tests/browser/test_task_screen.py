"""The screen of one task: its sentences, its time axis, each moment, and each act's effect in the ledger."""

import os
import re
import shutil
import subprocess

import pytest
from playwright.sync_api import Locator, Page, Route, expect

from tests.browser.flow import HOUR, Flow, act, acts, answered, copied, notice, verdict, visit, width_over
from tests.e2e.bridge import Bridge, event_in, eventually, id_of, webhooks
from vidhook.errors import Erased
from vidhook.task import Delivery
from vidhook_sandbox.cloud import REGION, Cloud
from vidhook_sandbox.provider import SampleTask

pytestmark = pytest.mark.slow  # a browser takes seconds for each

SAYS = {
    "delivered": r"Completed after .*has it: HTTP 200 at attempt \d+\.",
    "failing": r"127\.0\.0\.1:\d+/hook has not got it: HTTP 500 at attempt \d+\. (Next try in|Being tried)"
    r".*order 17 is not known here",
    "held": r"/paused has not got it, and is not tried\. It is paused: paused by its owner\.",
    "lost": r"/lost has not got it: given up after \d+ attempts, the last one got HTTP 503\..*closed until Monday",
    "nobody": r"Completed after .*Nobody was told: no subscriber wants this event",
    "failed": r"Failed after .*: .+ \(\w+",
    "running": r"infinityblue says in_progress, \d+ %.* It is asked again in",
    "refused": r"The last answer of kling: the key was refused",
    "uncreated": r"closed has not created it yet, after \d+ request",
    "stumbled": r"Completed after .*seen with [3-9] polls",
}


def open_task(page: Page, console: str, bridge: Bridge, task: SampleTask, **terms: object) -> str:
    """Submits a task of this test's own, and opens its screen. Returns its id."""
    bridge.submit(task, **terms)
    visit(page, console, f"/tasks/{id_of(task)}")
    expect(verdict(page)).to_be_visible()
    return id_of(task)


def told(bridge: Bridge, task: SampleTask, **terms: object) -> str:
    """Submits a task of this test's own, and waits for its end. Returns its id."""
    bridge.submit(task, **terms)
    eventually(lambda: bridge.watch(task).told)
    return id_of(task)


def deliveries(bridge: Bridge, task_id: str) -> list[Delivery]:
    return bridge.cloud.edges.ledger.deliveries.of_task(task_id)


def chosen(page: Page) -> Locator:
    """All that is shown of the moment that is chosen on the axis."""
    return page.get_by_role("region", name="the chosen moment")


def marks(page: Page) -> Locator:
    return page.locator(".axis button.mark")


# What it says


@pytest.mark.parametrize("name", SAYS)
def test_a_sentence_says_what_became_of_a_task(page: Page, console: str, flow: Flow, name: str) -> None:
    """Nobody has to read a log to know where a task is."""
    visit(page, console, f"/tasks/{flow.ids[name]}")
    expect(verdict(page)).to_contain_text(re.compile(SAYS[name], re.DOTALL))
    assert width_over(page) == 0


def test_of_many_endpoints_the_first_in_trouble_are_shown_and_the_chosen_one_can_be_sent_to(
    page: Page, console: str, flow: Flow
) -> None:
    """Thirty sentences and thirty buttons are no answer."""

    def many(route: Route) -> None:
        page_of = route.fetch().json()
        [failing] = [each for each in page_of["items"] if each["subscriber"] == flow.refusing.id]
        more = [{**failing, "subscriber": f"cb_{number:026}"} for number in range(29)]
        route.fulfill(**answered({**page_of, "items": [*page_of["items"], *more]}))

    page.route(re.compile(r"/deliveries\?"), many)
    visit(page, console, f"/tasks/{flow.ids['failing']}")
    sentences = verdict(page).get_by_role("listitem")
    expect(sentences).to_have_count(7)
    buttons = acts(page).get_by_role("button", name=re.compile("replay to"))
    expect(buttons).to_have_count(3)
    verdict(page).get_by_role("button", name="show 26 more, 25 of them not delivered").click()
    expect(sentences).to_have_count(32)
    page.locator(f'[data-key*="{flow.told.id}/1"]').click()
    expect(buttons.first).to_have_text(re.compile("/webhooks"))
    page.unroute_all(behavior="ignoreErrors")


def test_a_task_that_there_is_not_is_said_to_be_missing(page: Page, console: str, flow: Flow) -> None:
    """As one whose address stands in an old letter."""
    visit(page, console, f"/tasks/tsk_{'a' * 26}")
    expect(page.get_by_role("alert")).to_contain_text("There is no such task here, or no longer.")


# The time axis


def test_a_mark_of_the_axis_shows_its_moment(page: Page, console: str, flow: Flow) -> None:
    """By the mouse; the moment stands in the address, so that it can be sent to a colleague."""
    visit(page, console, f"/tasks/{flow.ids['stumbled']}")
    expect(marks(page).first).to_be_visible()
    marks(page).first.click()
    expect(marks(page).first).to_have_attribute("aria-pressed", "true")
    expect(chosen(page)).to_contain_text("Poll 1: try again later")
    assert page.url.endswith("?at=poll%2F0")
    page.reload()
    expect(chosen(page)).to_contain_text("Poll 1: try again later")


def test_the_arrow_keys_walk_along_and_across_the_axis(page: Page, console: str, flow: Flow) -> None:
    """Left and right to the moments of a lane, up and down to another lane."""
    visit(page, console, f"/tasks/{flow.ids['stumbled']}?at=poll/0")
    first = page.locator('[data-key="poll/0"]')
    first.focus()
    page.keyboard.press("ArrowRight")
    expect(page.locator('[data-key="poll/1"]')).to_be_focused()
    page.keyboard.press("ArrowLeft")
    expect(first).to_be_focused()
    page.keyboard.press("ArrowLeft")
    expect(first).to_be_focused()
    page.keyboard.press("ArrowDown")
    expect(page.locator('[data-key="asset/result"]')).to_be_focused()
    page.keyboard.press("ArrowDown")
    expect(chosen(page)).to_contain_text("attempt")
    page.keyboard.press("ArrowUp")
    page.keyboard.press("ArrowUp")
    expect(chosen(page)).to_contain_text("Poll ")


def test_a_poll_shows_the_providers_answer_beside_what_was_read(page: Page, console: str, flow: Flow) -> None:
    """So that a wrong reading is seen."""
    last = len(flow.bridge.watch(flow.tasks["stumbled"]).history) - 1
    visit(page, console, f"/tasks/{flow.ids['stumbled']}?at=poll/{last}")
    answer, read = page.get_by_role("region", name="what the provider answered"), page.get_by_label("what was read")
    expect(answer).to_contain_text("HTTP 200")
    expect(answer).to_contain_text(f'"id": "{flow.tasks["stumbled"].task_id}"')
    expect(answer).to_contain_text("content-type")
    expect(read).to_contain_text("completed")
    visit(page, console, f"/tasks/{flow.ids['stumbled']}?at=poll/0")
    # The API knows polls by their second, in which the sandbox's short pauses may fit twice.
    expect(answer).to_contain_text(re.compile("HTTP 50[02]"))
    expect(chosen(page)).to_contain_text("then waits")


def test_an_attempt_shows_both_sides_its_timings_and_when_the_next_try_is(page: Page, console: str, flow: Flow) -> None:
    """What was sent, what the subscriber answered, how long it took, and that no secret is shown."""
    visit(page, console, f"/tasks/{flow.ids['failing']}")
    sent, answer = page.get_by_role("region", name="what was sent"), page.get_by_role("region", name="was answered")
    expect(sent).to_contain_text(f"POST {flow.refusing.url}")
    event = flow.bridge.event(flow.tasks["failing"])
    for text in (event.id, "v1,[hidden]", "application/json", '"reference": "order-17"'):
        expect(sent).to_contain_text(text)
    for text in ("HTTP 500", "req-17", "order 17 is not known here"):
        expect(answer).to_contain_text(text)
    for text in ("127.0.0.1", "none, plain HTTP", "next try", "in all"):
        expect(chosen(page)).to_contain_text(text)


def test_the_video_plays_from_the_bucket_with_its_facts_beside_it(
    page: Page, console: str, flow: Flow, cloud: Cloud
) -> None:
    """The whole way: our link, the redirect to S3, and bytes that the browser can show."""
    statuses: list[int] = []
    bucket = f"{cloud.endpoint}/{cloud.outputs['bucket']}/"
    page.on("response", lambda answer: statuses.append(answer.status) if answer.url.startswith(bucket) else None)
    visit(page, console, f"/tasks/{flow.ids['delivered']}?at=asset/result")
    video = page.locator("video")
    expect(video).to_be_visible()
    video.evaluate("(video) => video.readyState || new Promise((done) => { video.onloadedmetadata = () => done(1); })")
    assert video.evaluate("(video) => video.duration") > 0
    assert statuses
    assert set(statuses) <= {200, 206}
    [asset] = flow.bridge.event(flow.tasks["delivered"]).data["data"]["assets"]
    for text in (asset["sha256"], f"s3://{asset['bucket']}/{asset['key']}", "5 s", "128", "96", "that link expires"):
        expect(chosen(page)).to_contain_text(text)
    expect(page.get_by_role("link", name="open the link")).to_have_attribute("href", asset["url"])


# The acts


def polled_at_once(bridge: Bridge, task: SampleTask) -> bool:
    """Whether a task was polled beside its plan: such a poll has no pause."""
    return any(poll.pause is None for poll in bridge.watch(task).history)


def running(bridge: Bridge, provider: str = "alad") -> SampleTask:
    return bridge.task(provider, seconds=4 * HOUR)


def test_poll_now_polls_at_once(page: Page, console: str, bridge: Bridge) -> None:
    """Beside the plan, and the page shows it."""
    task = running(bridge)
    open_task(page, console, bridge, task, expected_seconds=2 * HOUR)
    act(page, "poll now")
    notice(page, "It is polled at once.")
    eventually(lambda: polled_at_once(bridge, task))


def run(command: str, cloud: Cloud) -> None:
    """Runs what was copied, as in a shell of the stack's operator."""
    own = {"AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test", "NO_PROXY": "127.0.0.1"}
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("AWS_")}
    made = subprocess.run(["sh", "-c", command], env={**inherited, **own}, capture_output=True, text=True, timeout=120)
    assert made.returncode == 0, made.stderr
    assert "problem" not in made.stdout, made.stdout


def test_the_copied_command_does_what_the_button_does(page: Page, console: str, bridge: Bridge, cloud: Cloud) -> None:
    """It is run as it stands in the clipboard."""
    task = running(bridge)
    mine = open_task(page, console, bridge, task, expected_seconds=2 * HOUR)
    acts(page).get_by_role("button", name="poll now").hover()
    acts(page).get_by_role("button", name="copy as a command").click()
    expect(acts(page).get_by_text("copied")).to_be_visible()
    command = copied(page)
    assert f"poll {mine}" in command
    run(command, cloud)
    eventually(lambda: polled_at_once(bridge, task))


def test_the_copied_call_of_curl_does_what_the_button_does(
    page: Page, console: str, bridge: Bridge, cloud: Cloud
) -> None:
    """It signs with the reader's own keys; curl knows how from 7.75 on."""
    curl = shutil.which("curl")
    said = subprocess.run([curl, "--help", "all"], capture_output=True, text=True).stdout if curl else ""
    if "--aws-sigv4" not in said:
        pytest.skip("there is no curl from 7.75 on")
    task = running(bridge)
    mine = open_task(page, console, bridge, task, expected_seconds=2 * HOUR)
    acts(page).get_by_role("button", name="poll now").focus()
    acts(page).get_by_role("button", name="copy as curl").click()
    expect(acts(page).get_by_text("copied")).to_be_visible()
    command = copied(page)
    assert f"/v1/tasks/{mine}/poll" in command
    assert REGION in command
    run(f"{command} --fail", cloud)
    eventually(lambda: polled_at_once(bridge, task))


def test_retry_follows_a_task_again_that_was_given_up(page: Page, console: str, bridge: Bridge) -> None:
    """Only vidhook's own conclusion is taken back, and the page goes on to the end that comes then."""
    task = bridge.task(seconds=4 * HOUR)
    mine = told(bridge, task, deadline_seconds=1)
    visit(page, console, f"/tasks/{mine}")
    expect(verdict(page)).to_contain_text("Failed after")
    task.seconds = 0
    act(page, "retry")
    notice(page, "It is polled at once, and followed until")
    expect(verdict(page)).to_contain_text("Completed after")
    assert bridge.watch(task).retries == 1
    assert [event.type for event in bridge.cloud.edges.ledger.tasks.events(mine)] == ["video.failed", "video.completed"]


def test_replay_asks_first_where_the_event_has_arrived_and_sends_it_again(
    page: Page, console: str, flow: Flow, bridge: Bridge
) -> None:
    """Under the same id, so that a receiver knows it."""
    task = bridge.task()
    mine = told(bridge, task)
    webhooks(flow.receiver, task)
    [before] = eventually(lambda: [each for each in deliveries(bridge, mine) if each.state == "delivered"])
    visit(page, console, f"/tasks/{mine}")
    act(page, re.compile("^replay to "))
    dialog = page.get_by_role("dialog")
    expect(dialog).to_contain_text("has this event already")
    dialog.get_by_role("button", name="no, leave it").click()
    expect(dialog).to_be_hidden()
    assert deliveries(bridge, mine) == [before]
    act(page, re.compile("^replay to "))
    dialog.get_by_role("button", name=re.compile("^replay to ")).click()
    notice(page, "again")
    eventually(lambda: [each.attempts for each in deliveries(bridge, mine)] == [before.attempts + 1])
    expect(verdict(page)).to_contain_text(f"at attempt {before.attempts + 1}")
    assert len({event_in(each)["id"] for each in webhooks(flow.receiver, task, 2)}) == 1


def test_cancel_asks_first_and_has_the_provider_cancel_it(page: Page, console: str, bridge: Bridge) -> None:
    """What is told in the end is the failure that follows."""
    task = running(bridge, "replicate")
    mine = open_task(page, console, bridge, task, expected_seconds=2 * HOUR)
    act(page, "cancel")
    page.get_by_role("dialog").get_by_role("button", name="no, leave it").click()
    assert bridge.watch(task).cancel is None
    act(page, "cancel")
    page.get_by_role("dialog").get_by_role("button", name="cancel", exact=True).click()
    expect(verdict(page)).to_contain_text("(cancelled")
    assert bridge.cloud.edges.ledger.tasks.event(mine).data["data"]["error"]["category"] == "cancelled"
    assert task.ends == "cancelled"


def test_erase_asks_first_and_escape_changes_nothing(page: Page, console: str, bridge: Bridge, cloud: Cloud) -> None:
    """It cannot be undone: only the button of the question erases, the video too."""
    task = bridge.task()
    mine = told(bridge, task, reference="order-erased")
    [asset] = bridge.event(task).data["data"]["assets"]
    visit(page, console, f"/tasks/{mine}")
    act(page, "erase")
    dialog = page.get_by_role("dialog")
    expect(dialog).to_contain_text("Erase order-erased")
    page.keyboard.press("Escape")
    expect(dialog).to_be_hidden()
    expect(acts(page).get_by_role("button", name="erase")).to_be_focused()
    assert bridge.watch(task).told
    act(page, "erase")
    dialog.get_by_role("button", name="erase", exact=True).click()
    notice(page, "order-erased is erased.")
    expect(page).to_have_url(re.compile("/tasks$"))
    with pytest.raises(Erased):
        bridge.watch(task)
    s3, of_video = cloud.client("s3"), {"Bucket": asset["bucket"], "Prefix": asset["key"]}
    eventually(lambda: "Versions" not in s3.list_object_versions(**of_video))  # a function of its own removes the files
