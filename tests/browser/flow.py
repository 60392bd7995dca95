"""A stack with something of everything behind it, and how tests look at it in the page."""

import json
import re
import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from playwright.sync_api import Locator, Page, Request, expect

from tests.e2e.bridge import Bridge, eventually, id_of
from vidhook import subscribers
from vidhook.edges.ledger import Ledger
from vidhook.task import Attempt, AttemptKind, Delivery, DeliveryState, Outcome, Submission, Subscriber
from vidhook_sandbox.cloud import Cloud
from vidhook_sandbox.loopback import Handler, Loopback
from vidhook_sandbox.provider import SampleTask
from vidhook_sandbox.subscriber import SampleSubscriber

SLOW_MS = 60_000  # for any one thing to happen, on a machine with too much to do
HOUR, DAY = 3_600, 86_400
BATCH, AT_ONCE = 25, 4  # of what is written at once
REFUSAL = '{"error": "order 17 is not known here"}'
# A provider where nobody listens, so that vidhook cannot create its tasks.
CLOSED = """
name = "closed"
base_url = "http://127.0.0.1:1"
path = "/tasks/{task_id}"
[answer]
status = "status"
error = "error"
[assets]
result = "url"
[create]
path = "/tasks"
"""


class Refusing(Handler):
    """A subscriber that answers each webhook with an error, and says why."""

    status = 500

    def do_POST(self) -> None:  # noqa: N802 - the base class's name
        self.read_body()
        self.answer(self.status, REFUSAL.encode(), {"Content-Type": "application/json", "X-Request-Id": "req-17"})


@dataclass
class Flow:
    """Tasks in all states, by what became of them: the sample's task, and the id that vidhook gave it.

    `told`, `refusing`, `paused` and `lost` are subscribers: all is delivered to the first one, the second one answers
    with errors, the third one is paused, and what the fourth one should have got has failed.
    """

    bridge: Bridge
    told: Subscriber
    refusing: Subscriber
    paused: Subscriber
    lost: Subscriber
    receiver: SampleSubscriber
    tasks: dict[str, SampleTask] = field(default_factory=dict)
    ids: dict[str, str] = field(default_factory=dict)

    def delivery(self, name: str, to: Subscriber) -> Delivery:
        """The delivery of a task's event to a subscriber."""
        found = self.bridge.cloud.edges.ledger.deliveries.of_task(self.ids[name])
        return next(each for each in found if each.subscriber_id == to.id)


# Each with the script of the sample provider's task, and the terms of its submission.
SCRIPTS: Mapping[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "delivered": ({"provider": "alad", "task_id": "film-16"}, {"reference": "order-16", "metadata": {"order": 16}}),
    "failing": (
        {"provider": "alad", "task_id": "film-17"},
        {"reference": "order-17", "metadata": {"shop": "refusing"}},
    ),
    "held": ({"provider": "alad", "task_id": "film-18"}, {"reference": "order-18", "metadata": {"shop": "paused"}}),
    "lost": ({"provider": "alad", "task_id": "film-19"}, {"reference": "order-19", "metadata": {"shop": "lost"}}),
    "nobody": ({"provider": "replicate", "task_id": "untold"}, {"reference": "order-20"}),
    "failed": ({"provider": "vicsee", "task_id": "fails-21", "ends": "failed"}, {"reference": "order-21"}),
    "running": (
        {"provider": "infinityblue", "task_id": "runs-22", "seconds": 4 * HOUR, "queued_seconds": 0},
        {"reference": "order-22", "expected_seconds": 2 * HOUR},
    ),
    "stumbled": (
        {"provider": "infinityblue", "task_id": "stumbles-23", "faults": ("500", "html")},
        {"reference": "order-23"},
    ),
    "refused": (
        {"provider": "kling", "task_id": "locked-24", "faults": ({"kind": "key-refused", "times": 10_000},)},
        {"reference": "order-24", "expected_seconds": 2 * HOUR},
    ),
}


def arranged(bridge: Bridge, receiver: SampleSubscriber, refusing: Loopback) -> Flow:
    """Submits one task of each kind, and returns them when each is as its name says."""
    ledger, cloud = bridge.cloud.edges.ledger, bridge.cloud
    named = ("alad", "vicsee", "infinityblue", "kling", "fal")

    def added(url: str, description: str, **terms: Any) -> Subscriber:
        terms = {"events": ("*.completed", "*.failed"), "providers": named, "description": description, **terms}
        edges = cloud.edges
        added, _ = subscribers.add(
            subscribers.Terms(url, **terms),
            ledger=ledger,
            secrets=edges.secrets,
            http=edges.http,
            clock=edges.clock,
        )
        return added

    flow = Flow(
        bridge,
        told=next(each for each in ledger.subscribers.all() if each.url == receiver.url),
        refusing=added(f"{refusing.url}/hook", "the shop that answers errors", metadata={"shop": "refusing"}),
        paused=added(f"{refusing.url}/paused", "the shop that is closed", metadata={"shop": "paused"}),
        lost=added(f"{refusing.url}/lost", "the shop that was away too long", metadata={"shop": "lost"}),
        receiver=receiver,
    )
    subscribers.pause(flow.paused.id, ledger=ledger)
    ledger.providers.put("closed", CLOSED)

    def submit(name: str) -> None:
        script, terms = SCRIPTS[name]
        task = bridge.task(**script)
        flow.tasks[name], flow.ids[name] = task, id_of(task)
        bridge.submit(task, **terms)

    def create() -> None:
        body = {"provider": "closed", "create": {"prompt": "a door"}, "idempotency_key": "order-25"}
        flow.ids["uncreated"] = cloud.submit(**body)["id"]

    with ThreadPoolExecutor(4) as pool:
        for done in [pool.submit(submit, name) for name in SCRIPTS] + [pool.submit(create)]:
            done.result()
    for name in ("delivered", "failing", "held", "lost", "nobody", "failed", "stumbled"):
        eventually(lambda name=name: ledger.tasks.watch(flow.ids[name]).told)  # type: ignore[misc]
    for name in ("running", "refused"):
        eventually(lambda name=name: ledger.tasks.watch(flow.ids[name]).history)  # type: ignore[misc]
    eventually(lambda: (creation := ledger.tasks.watch(flow.ids["uncreated"]).creation) and creation.tries)
    for name in ("delivered", "stumbled", "failed"):
        eventually(lambda name=name: flow.delivery(name, flow.told).state == "delivered")  # type: ignore[misc]
    give_up(bridge, flow.ids["lost"], flow.lost)
    return flow


def give_up(bridge: Bridge, task_id: str, subscriber: Subscriber) -> None:
    """Ends a delivery that was tried in vain as its last attempt does, three days after the first."""
    ledger = bridge.cloud.edges.ledger

    def look() -> bool:
        delivery = next(each for each in ledger.deliveries.of_task(task_id) if each.subscriber_id == subscriber.id)
        if delivery.state == "due" and delivery.attempts:
            last = Attempt(
                delivery.attempts + 1,
                bridge.cloud.edges.clock.now(),
                Outcome.FAILED,
                AttemptKind.HTTP,
                status=503,
                answer="closed until Monday",
            )
            ledger.deliveries.note_attempt(delivery, last, DeliveryState.FAILED)
        return delivery.state == "failed"

    eventually(look)


class Written:
    """Keeps what the ledger writes, instead of DynamoDB."""

    def __init__(self) -> None:
        self.items: list[dict[str, Any]] = []

    def put_item(self, *, Item: dict[str, Any], **_: object) -> None:  # noqa: N803 - AWS's name
        self.items.append(Item)

    def transact_write_items(self, *, TransactItems: list[Any]) -> None:  # noqa: N803
        for write in TransactItems:
            self.put_item(**write["Put"])


@contextmanager
def seeded(cloud: Cloud, name: str, number: int) -> Iterator[None]:
    """So many open tasks while the block lasts, submitted before those of the flow, and polled next in a week."""
    written, table, client = Written(), cloud.edges.ledger.table.name, cloud.client("dynamodb", AT_ONCE)
    ledger, now = Ledger(table, client=written), time.time()  # type: ignore[arg-type]
    for each in range(number):
        submission = Submission("alad", f"{name}-{each}", reference=f"{name}-{each:05}", deadline_seconds=7 * DAY)
        ledger.tasks.claim(submission, "", 7 * DAY, now - DAY - each)

    def write(requests: list[dict[str, Any]]) -> None:
        while requests:
            requests = client.batch_write_item(RequestItems={table: requests})["UnprocessedItems"].get(table, [])

    def all_of(requests: list[dict[str, Any]]) -> None:
        parts = [requests[start : start + BATCH] for start in range(0, len(requests), BATCH)]
        with ThreadPoolExecutor(AT_ONCE) as pool:
            list(pool.map(write, parts))

    all_of([{"PutRequest": {"Item": item}} for item in written.items])
    yield
    all_of([{"DeleteRequest": {"Key": {"pk": item["pk"], "sk": item["sk"]}}} for item in written.items])


# What tests do with the page


def visit(page: Page, console: str, path: str = "/tasks") -> None:
    """Opens an address of the page as if it was typed, with the token."""
    page.goto(console.replace("/#", f"{path}#"))


def row_of(page: Page, text: str) -> Locator:
    """The row of a table in which a text stands."""
    return page.get_by_role("row").filter(has_text=text)


def verdict(page: Page) -> Locator:
    """The sentences that say what became of a task."""
    return page.get_by_role("list", name="what became of it")


def acts(page: Page) -> Locator:
    return page.get_by_role("group", name="acts")


def act(page: Page, name: str | re.Pattern[str]) -> None:
    """Presses the button of an act, and answers yes if it asks."""
    acts(page).get_by_role("button", name=name).first.click()


def copied(page: Page) -> str:
    """The text in the clipboard."""
    return str(page.evaluate("navigator.clipboard.readText()"))


def notice(page: Page, text: str | re.Pattern[str]) -> None:
    """Waits until the page says so in a notice."""
    expect(page.locator(".notice")).to_contain_text(text, timeout=SLOW_MS)


def counted(page: Page, wanted: Callable[[Request], bool]) -> list[str]:
    """From now on, the paths and queries of the requests that are wanted."""
    found: list[str] = []
    page.on("request", lambda request: found.append(f"{request.method} {request.url}") if wanted(request) else None)
    return found


def answered(value: object, status: int = 200, kind: str = "application/json") -> dict[str, Any]:
    """What a route is fulfilled with: an answer of the API."""
    return {"status": status, "content_type": kind, "body": value if isinstance(value, str) else json.dumps(value)}


def width_over(page: Page) -> int:
    """How many pixels of the document are to the right of the window."""
    return int(page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth"))
