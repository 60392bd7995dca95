"""Whatever process is killed, and whenever: the event still arrives, with the same id and the same bytes."""

import json
import os
import signal
import sys
import threading
import time
from collections.abc import Callable

import pytest

from tests.e2e.bridge import PATIENCE, Bridge, event_in, eventually, id_of, webhooks
from vidhook.edges.ledger.table import GRACE_SECONDS
from vidhook.submission import check
from vidhook.task import SubscriberState
from vidhook_sandbox.loopback import Handler, Loopback
from vidhook_sandbox.media import video
from vidhook_sandbox.subscriber import Received, SampleSubscriber

Make = Callable[..., SampleSubscriber]
linux_only = pytest.mark.skipif(sys.platform != "linux", reason="looks for processes in /proc")
FILM = video("a film that comes in two halves", 2_000_000)
PROVIDER = """
name = "films"
base_url = "{base_url}"
path = "/tasks/{{task_id}}"
[answer]
status = "status"
[assets]
result = "url"
"""


def kill(bridge: Bridge, logical_id: str) -> int:
    """Kills every process that runs a function of the stack, as a failing host does. Returns how many there were."""
    workers = bridge.workers(logical_id)
    for process in workers:
        os.kill(process, signal.SIGKILL)
    return len(workers)


class TwoHalves(Handler):
    """A provider whose video stops in the middle until `proceed` is set."""

    halfway, proceed = threading.Event(), threading.Event()
    downloads = 0

    def do_GET(self) -> None:  # noqa: N802 - the base class's name
        if self.path != "/film.mp4":
            answer = json.dumps({"status": "completed", "url": f"{self.server.url}/film.mp4"})
            self.answer(200, answer.encode(), {"Content-Type": "application/json"})
            return
        type(self).downloads += 1
        content = b"".join(FILM.chunks())
        self.send_response(200)
        self.send_header("Content-Type", FILM.content_type)
        self.send_header("Content-Length", str(FILM.length))
        self.end_headers()
        self.wfile.write(content[: FILM.length // 2])
        self.halfway.set()
        assert self.proceed.wait(PATIENCE)
        self.wfile.write(content[FILM.length // 2 :])


@linux_only
def test_a_download_that_was_killed_half_way_is_made_again(bridge: Bridge, subscriber: Make) -> None:
    """Half of a video in the bucket would be taken for the whole one ever after."""
    app = subscriber()
    server = Loopback(TwoHalves)
    try:
        bridge.cloud.edges.ledger.providers.put("films", PROVIDER.format(base_url=server.url))
        submitted = bridge.cloud.submit(provider="films", task_id="f1", expected_seconds=1)
        assert TwoHalves.halfway.wait(PATIENCE)
        assert kill(bridge, "PublishEventFunction") >= 1
        TwoHalves.proceed.set()
        eventually(lambda: bridge.cloud.edges.ledger.tasks.watch(submitted["id"]).event_id)
    finally:
        TwoHalves.proceed.set()
        server.stop()
    event = bridge.cloud.edges.ledger.tasks.event(submitted["id"])
    [asset] = event.data["data"]["assets"]
    assert (asset["stored"], asset["sha256"]) == (True, FILM.sha256)
    assert TwoHalves.downloads == 2
    received = app.wait_for(lambda received: any(each.id == event.id for each in received), PATIENCE)
    assert {each.body for each in received if each.id == event.id} == {event.body.encode()}


@linux_only
@pytest.mark.parametrize(
    ("victim", "answers"), [("PublishEventFunction", []), ("RedeliverEventFunction", [500])], ids=["first", "later"]
)
def test_a_delivery_that_was_killed_is_made_again(
    bridge: Bridge, subscriber: Make, victim: str, answers: list[int]
) -> None:
    """The webhook may or may not have arrived, so it is sent again, under the same id."""
    killed: list[int] = []

    def kill_at_the_last(_: Received) -> None:
        if len(app.received) == len(answers) + 1:
            killed.append(kill(bridge, victim))

    app = subscriber(answers=answers, on_receive=kill_at_the_last)
    task = bridge.task()
    bridge.submit(task)
    attempts = webhooks(app, task, len(answers) + 2)
    assert killed
    assert killed[0] >= 1
    eventually(lambda: bridge.delivery_state(task, bridge.known(app).id) == "delivered")
    event = bridge.event(task)
    assert {(each.id, each.body) for each in attempts} == {(event.id, event.body.encode())}


@linux_only
def test_a_poll_that_was_killed_is_made_again(bridge: Bridge) -> None:
    """A poll changes nothing at the provider, so it may be repeated."""
    task = bridge.task(faults=[{"kind": "slow", "seconds": 2.0}])
    bridge.submit(task)
    eventually(lambda: not task.planned)  # the provider has the question and is slow
    assert kill(bridge, "PollTaskFunction") >= 1
    assert bridge.event(task).type == "video.completed"


def test_a_watch_that_was_never_started_is_started_by_the_sweeper(bridge: Bridge, subscriber: Make) -> None:
    """The submit function died after it wrote the watch and before it started the execution."""
    app = subscriber()
    task = bridge.task()
    submission = check(bridge.submission(task), 86_400).submission
    bridge.cloud.edges.ledger.tasks.claim(submission, submission.id, 1, time.time() - 3 * GRACE_SECONDS)
    assert bridge.invoke("SweepLedgerFunction", {})["watches"] == 1
    [webhook] = webhooks(app, task)
    assert (webhook.verified, webhook.id) == (True, bridge.event(task).id)
    assert bridge.invoke("SweepLedgerFunction", {})["watches"] == 0


def test_a_watch_in_a_long_pause_is_left_alone_by_the_sweeper(bridge: Bridge) -> None:
    """A long pause is not a crash, and a second execution would poll the provider twice as often."""
    task = bridge.task(seconds=1_000)
    bridge.submit(task, expected_seconds=80_000)
    watch = bridge.watch(task)
    bridge.cloud.edges.ledger.tasks.note_execution(watch, watch.execution, time.time() - 3 * GRACE_SECONDS)
    assert bridge.invoke("SweepLedgerFunction", {})["watches"] == 0
    bridge.states.stop_execution(executionArn=bridge.execution_arn(task))


def test_a_delivery_without_an_execution_is_started_by_the_sweeper(bridge: Bridge, subscriber: Make) -> None:
    """The publish function died after it wrote the delivery and before it sent the webhook."""
    task = bridge.task()
    bridge.submit(task)
    bridge.ended(bridge.execution_arn(task))
    app = subscriber()
    event = bridge.event(task)
    long_ago = time.time() - 3 * GRACE_SECONDS
    bridge.cloud.edges.ledger.deliveries.open(event, bridge.known(app), long_ago)
    assert bridge.invoke("SweepLedgerFunction", {})["deliveries"] == 1
    [webhook] = webhooks(app, task)
    assert (webhook.verified, webhook.body) == (True, event.body.encode())
    eventually(lambda: bridge.delivery_state(task, bridge.known(app).id) == "delivered")
    assert bridge.invoke("SweepLedgerFunction", {})["deliveries"] == 0


def test_a_resume_that_stopped_half_way_is_finished_by_the_sweeper(bridge: Bridge, subscriber: Make) -> None:
    """The command was interrupted while it started the held deliveries of a subscriber."""
    app = subscriber()
    known, ledger = bridge.known(app), bridge.cloud.edges.ledger
    ledger.subscribers.put_state(known.id, SubscriberState.PAUSED, "paused by its owner")
    task = bridge.task()
    bridge.submit(task)
    bridge.ended(bridge.execution_arn(task))
    ledger.subscribers.put_state(known.id, SubscriberState.ACTIVE, None)
    assert bridge.invoke("SweepLedgerFunction", {})["drained"] == 1
    assert len(webhooks(app, task)) == 1
    assert list(ledger.deliveries.held(known.id)) == []


def test_a_watch_that_an_operator_stopped_is_reported_as_cancelled(bridge: Bridge, subscriber: Make) -> None:
    """Subscribers are notified when an operator stops the execution of a watch in the console."""
    app = subscriber()
    task = bridge.task(seconds=1_000)
    bridge.submit(task)
    eventually(lambda: bridge.watch(task).polls)
    bridge.states.stop_execution(executionArn=bridge.execution_arn(task))
    [webhook] = webhooks(app, task)
    event = event_in(webhook)
    assert event["type"] == "video.failed"
    assert event["data"]["error"]["category"] == "cancelled"


def test_an_event_that_was_published_before_its_watch_was_stopped_stays(bridge: Bridge, subscriber: Make) -> None:
    """A task has one terminal event, the first one: a completed video cannot be cancelled afterwards."""
    app = subscriber()
    task = bridge.task()
    bridge.submit(task)
    output = bridge.ended(bridge.execution_arn(task))["output"]
    detail = {
        "status": "ABORTED",
        "executionArn": bridge.execution_arn(task),
        "input": json.dumps({"watch": id_of(task), "pause": 1}),
    }
    aborted = {"detail-type": "Step Functions Execution Status Change", "source": "aws.states", "detail": detail}
    assert bridge.invoke("PublishEventFunction", aborted)["event"] == output
    assert [each.event for each in webhooks(app, task)] == [output]
