"""The screen of the subscribers: each act's effect in the ledger, and at the endpoint."""

import re
from collections.abc import Iterator

import pytest
from playwright.sync_api import Page, Route, expect
from standardwebhooks.webhooks import Webhook, WebhookVerificationError

from tests.browser.flow import Flow, act, acts, answered, copied, give_up, notice, row_of, visit, width_over
from tests.e2e.bridge import Bridge, eventually, id_of, webhooks
from vidhook.errors import NotFound
from vidhook.task import Subscriber
from vidhook_sandbox.cloud import Cloud
from vidhook_sandbox.subscriber import Received, SampleSubscriber

pytestmark = pytest.mark.slow  # a browser takes seconds for each

PROVIDER = "fal"  # of which only the subscribers of these tests are told


@pytest.fixture
def endpoint() -> Iterator[SampleSubscriber]:
    """An endpoint that is not in the stack yet."""
    with SampleSubscriber() as endpoint:
        yield endpoint


@pytest.fixture
def added(cloud: Cloud, endpoint: SampleSubscriber) -> Iterator[Subscriber]:
    """The endpoint in the stack, told of the tasks of PROVIDER alone."""
    added = cloud.subscribe(endpoint, providers=(PROVIDER,))
    yield added
    cloud.edges.ledger.subscribers.remove(added.id)


def known(cloud: Cloud, subscriber: Subscriber) -> Subscriber:
    return cloud.edges.ledger.subscribers.get(subscriber.id)


def published(bridge: Bridge, number: int = 1) -> list[str]:
    """Submits so many tasks of PROVIDER, and waits for their events. Returns their ids."""
    tasks = [bridge.task(PROVIDER) for _ in range(number)]
    for task in tasks:
        bridge.submit(task)
    for task in tasks:
        eventually(lambda task=task: bridge.watch(task).told)  # type: ignore[misc]
    return [id_of(task) for task in tasks]


def signs(webhook: Received, secret: str) -> bool:
    """Whether this secret has signed a webhook."""
    try:
        Webhook(secret).verify(webhook.body, dict(webhook.headers))
    except WebhookVerificationError:
        return False
    return True


def test_a_row_says_how_a_subscriber_does_and_why(page: Page, console: str, flow: Flow) -> None:
    """Which one fails and since when, which one is paused, and what the last day was like."""
    visit(page, console, "/subscribers")
    expect(row_of(page, "/hook")).to_contain_text("failing since")
    expect(row_of(page, "/hook")).to_contain_text("the shop that answers errors")
    expect(row_of(page, "/hook")).to_contain_text("1 due")
    expect(row_of(page, "/paused")).to_contain_text(re.compile(r"paused by its owner since \d\d:\d\d:\d\d"))
    expect(row_of(page, "/paused")).to_contain_text(re.compile(r"1 held since \d\d:\d\d:\d\d"))
    expect(row_of(page, "/webhooks").first).to_contain_text("delivered")


def test_those_in_trouble_stand_first_and_a_long_list_stays_beside_the_chosen_one(
    page: Page, console: str, flow: Flow
) -> None:
    """Among a hundred endpoints nobody looks for the one that fails, or below them for what is known of it."""

    def many(route: Route) -> None:
        items = route.fetch().json()["items"]
        well = next(each for each in items if each["id"] == flow.told.id)
        more = [{**well, "id": f"sub_{number:026}", "url": f"https://a.example/{number}"} for number in range(60)]
        route.fulfill(**answered({"items": [*more, *items]}))

    page.route("**/api/v1/subscribers", many)
    page.route("**/api/v1/deliveries?*", lambda route: route.fulfill(**answered({"items": [], "next": None})))
    visit(page, console, f"/subscribers/{flow.refusing.id}")
    states = page.locator("table").first.locator("tbody td:first-child")
    expect(states.first).to_have_text("failing")
    expect(states.last).to_have_text("active")
    chosen = page.get_by_role("region", name="the subscriber")
    expect(chosen.get_by_role("heading", name="/hook")).to_be_in_viewport()
    expect(row_of(page, "the shop that answers errors")).to_be_in_viewport()
    page.unroute_all(behavior="ignoreErrors")


def test_one_that_is_added_shows_its_secret_once_and_is_signed_with_it(
    page: Page, console: str, cloud: Cloud, bridge: Bridge, endpoint: SampleSubscriber
) -> None:
    """The secret that stands there is the one that signs, and it is nowhere afterwards."""
    visit(page, console, "/subscribers")
    page.get_by_role("button", name="add one").click()
    dialog = page.get_by_role("dialog")
    expect(dialog.get_by_label("URL")).to_be_focused()
    dialog.get_by_label("URL").fill(endpoint.url)
    dialog.get_by_label("only these providers").fill(PROVIDER)
    dialog.get_by_label("only tasks with this metadata").fill("{team")
    dialog.get_by_label("description").fill("the new shop")
    dialog.get_by_role("button", name="add it").click()
    expect(dialog.get_by_role("alert")).to_contain_text("metadata is not JSON")
    dialog.get_by_label("only tasks with this metadata").fill('{"team": "a"}')
    dialog.get_by_role("button", name="add it").click()
    secret = dialog.locator(".secret code").inner_text()
    dialog.get_by_role("button", name="copy the secret").click()
    expect(dialog.get_by_text("copied")).to_be_visible()
    assert copied(page) == secret
    dialog.get_by_role("button", name="I have kept it").click()
    expect(page.get_by_role("region", name="the subscriber")).to_contain_text("the new shop")
    expect(page.get_by_text(secret)).to_have_count(0)
    [stored] = [each for each in cloud.edges.ledger.subscribers.all() if each.url == endpoint.url]
    assert page.url.endswith(f"/subscribers/{stored.id}")
    assert (stored.providers, stored.metadata, stored.description) == ((PROVIDER,), {"team": "a"}, "the new shop")
    endpoint.secrets.append(secret)
    task = bridge.task(PROVIDER)
    bridge.submit(task, metadata={"team": "a"})
    [webhook] = webhooks(endpoint, task)
    assert webhook.verified
    cloud.edges.ledger.subscribers.remove(stored.id)


def test_a_url_that_is_refused_is_said_in_the_dialog(page: Page, console: str, flow: Flow) -> None:
    """What was typed stays, so that it can be mended."""
    visit(page, console, "/subscribers")
    page.get_by_role("button", name="add one").click()
    dialog = page.get_by_role("dialog")
    dialog.get_by_label("URL").fill("http://10.1.2.3/hook")
    dialog.get_by_role("button", name="add it").click()
    expect(dialog.get_by_role("alert")).to_contain_text("give a public https URL")
    expect(dialog.get_by_label("URL")).to_have_value("http://10.1.2.3/hook")


def test_pause_holds_what_comes_and_resume_sends_it(
    page: Page, console: str, cloud: Cloud, bridge: Bridge, added: Subscriber, endpoint: SampleSubscriber
) -> None:
    """Nothing is lost while an endpoint is worked on."""
    visit(page, console, f"/subscribers/{added.id}")
    act(page, "pause")
    notice(page, "It is paused; what comes is held.")
    assert known(cloud, added).state == "paused"
    [mine] = published(bridge)
    assert [each.state for each in cloud.edges.ledger.deliveries.of_task(mine)] == ["held"]
    act(page, "resume")
    notice(page, "It is active; 1 held delivery is sent.")
    assert known(cloud, added).state == "active"
    endpoint.wait_for(lambda received: len(received) == 1, 60)
    eventually(lambda: [each.state for each in cloud.edges.ledger.deliveries.of_task(mine)] == ["delivered"])


def test_rotate_shows_the_new_secret_once_and_both_sign_for_a_while(
    page: Page, console: str, cloud: Cloud, added: Subscriber, endpoint: SampleSubscriber
) -> None:
    """The receiver has the chosen time to change over, and the page tells until when."""
    [old] = endpoint.secrets
    visit(page, console, f"/subscribers/{added.id}")
    facts = page.get_by_role("region", name="the subscriber")
    expect(facts).to_contain_text("1 secret signs")
    facts.get_by_role("button", name="rotate").click()
    dialog = page.get_by_role("dialog")
    dialog.get_by_role("spinbutton").fill("2")
    dialog.get_by_role("button", name="rotate").click()
    new = dialog.locator(".secret code").inner_text()
    dialog.get_by_role("button", name="I have kept it").click()
    expect(facts).to_contain_text("2 secrets sign")
    expect(facts).to_contain_text(re.compile(r"the older one ends in (2 h|1 h 59 min)"))
    assert [each.secret for each in cloud.edges.secrets.credentials(known(cloud, added)).secrets] == [new, old]
    page.get_by_role("button", name="send a test event").click()
    [webhook] = endpoint.wait_for(lambda received: len(received) == 1, 60)
    assert (signs(webhook, old), signs(webhook, new)) == (True, True)


def test_a_test_event_shows_the_whole_exchange(
    page: Page, console: str, added: Subscriber, endpoint: SampleSubscriber
) -> None:
    """What was sent, signature and all, and what came back."""
    endpoint.answers.append((422, {"x-shop": "closed"}))
    visit(page, console, f"/subscribers/{added.id}")
    page.get_by_role("button", name="send a test event").click()
    sent, answer = page.get_by_role("region", name="what was sent"), page.get_by_role("region", name="was answered")
    expect(answer).to_contain_text("HTTP 422")
    expect(answer).to_contain_text("closed")
    for text in (f"POST {endpoint.url}", "webhook-id", "v1,[hidden]", '"type": '):
        expect(sent).to_contain_text(text)
    [webhook] = endpoint.received
    assert webhook.verified
    expect(sent).to_contain_text(webhook.id)


def test_the_doctor_tells_what_an_endpoint_gets_right_and_wrong(
    page: Page, console: str, added: Subscriber, endpoint: SampleSubscriber
) -> None:
    """A table from the page, with no second tool."""
    visit(page, console, f"/subscribers/{added.id}")
    page.get_by_role("button", name="examine the endpoint").click()
    found = page.locator("table.findings tbody tr")
    expect(found.first).to_be_visible()
    assert found.count() > 3
    verdicts = set(page.locator("table.findings td:first-child").all_inner_texts())
    assert "ok" in verdicts
    assert verdicts <= {"ok", "warning", "wrong"}
    assert any(not each.verified for each in endpoint.received)  # a forged one was tried


def test_all_that_failed_in_a_time_is_counted_and_then_sent_again(
    page: Page, console: str, cloud: Cloud, bridge: Bridge, added: Subscriber, endpoint: SampleSubscriber
) -> None:
    """Nothing is sent before the number is known."""
    ledger = cloud.edges.ledger
    endpoint.status = 500
    failed = published(bridge, 3)
    for mine in failed:
        give_up(bridge, mine, added)
    visit(page, console, f"/subscribers/{added.id}")
    page.get_by_role("button", name="count them").click()
    expect(page.get_by_text("3 deliveries failed then.")).to_be_visible()
    assert [each.state for mine in failed for each in ledger.deliveries.of_task(mine)] == ["failed"] * 3
    endpoint.status = 200
    page.get_by_role("button", name="send all 3 again").click()
    notice(page, "3 deliveries are sent again.")
    for mine in failed:
        eventually(lambda mine=mine: ledger.deliveries.of_task(mine)[0].state == "delivered")  # type: ignore[misc]
    page.get_by_label("from", exact=True).fill("2020-01-01T00:00")
    page.get_by_label("to", exact=True).fill("2020-01-02T00:00")
    page.get_by_role("button", name="count them").click()
    expect(page.get_by_text("0 deliveries failed then.")).to_be_visible()


def test_remove_asks_first(page: Page, console: str, cloud: Cloud, endpoint: SampleSubscriber) -> None:
    """It is gone from the ledger only after the answer."""
    added = cloud.subscribe(endpoint, providers=(PROVIDER,))
    visit(page, console, f"/subscribers/{added.id}")
    act(page, "remove")
    expect(page.get_by_role("dialog")).to_be_visible()
    page.keyboard.press("Escape")
    expect(page.get_by_role("dialog")).to_be_hidden()
    expect(acts(page).get_by_role("button", name="remove")).to_be_focused()
    assert known(cloud, added).active
    act(page, "remove")
    page.get_by_role("dialog").get_by_role("button", name="remove").click()
    notice(page, "It is removed.")
    expect(page).to_have_url(re.compile("/subscribers$"))
    with pytest.raises(NotFound):
        known(cloud, added)


def test_the_held_and_the_failing_are_told_on_their_own_screen(page: Page, console: str, flow: Flow) -> None:
    """With the latest deliveries, which lead to their tasks."""
    visit(page, console, f"/subscribers/{flow.refusing.id}")
    facts = page.get_by_role("region", name="the subscriber")
    expect(facts).to_contain_text("failing since")
    expect(facts).to_contain_text('{"shop":"refusing"}')
    facts.get_by_role("link", name="video.completed").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("order-17")
    assert width_over(page) == 0
