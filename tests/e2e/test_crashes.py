"""Whatever is killed, and wherever: the event still arrives, under the same id and with the same bytes."""

import json
import os
import signal
import sys
import threading
import time
from collections.abc import Callable

import pytest
from bridge import PATIENCE, Bridge, eventually, id_of, webhooks

from vidhook.edges.ledger import GRACE_SECONDS
from vidhook.submit import check
from vidhook_sandbox.loopback import Handler, Loopback
from vidhook_sandbox.media import video
from vidhook_sandbox.subscriber import Received, SampleSubscriber

Make = Callable[..., SampleSubscriber]
linux_only = pytest.mark.skipif(sys.platform != "linux", reason="looks for processes in /proc")
FILM = video("a film that comes in two halves", 2_000_000)
FILMS = """
name = "films"
base_url = "{base_url}"
path = "/tasks/{{task_id}}"
[answer]
status = "status"
[assets]
result = "url"
"""


def kill(bridge: Bridge, logical_id: str) -> int:
    """Kills every process that runs a function of the stack, as a host that fails does; says how many there were."""
    workers = bridge.workers(logical_id)
    for process in workers:
        os.kill(process, signal.SIGKILL)
    return len(workers)


class TwoHalves(Handler):
    """A provider whose video stops in the middle until `go` is set."""

    halfway, go = threading.Event(), threading.Event()
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
        assert self.go.wait(PATIENCE)
        self.wfile.write(content[FILM.length // 2 :])


@linux_only
def test_a_copy_that_was_killed_half_way_is_made_anew(bridge: Bridge, subscriber: Make) -> None:
    """Half a film in the bucket would be believed for ever."""
    app = subscriber()
    server = Loopback(TwoHalves)
    try:
        bridge.cloud.ledger.put_provider_file("films", FILMS.format(base_url=server.url))
        submitted = bridge.cloud.submit(provider="films", task_id="f1", expected_seconds=1)
        assert TwoHalves.halfway.wait(PATIENCE)
        assert kill(bridge, "PublishEventFunction") >= 1
        TwoHalves.go.set()
        eventually(lambda: bridge.cloud.ledger.watch(submitted["id"]).event_id)
    finally:
        TwoHalves.go.set()
        server.stop()
    event = bridge.cloud.ledger.event(submitted["id"])
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
    """Nobody knows whether the webhook arrived; so it is sent again, and known by its id."""
    killed: list[int] = []

    def strike(_: Received) -> None:
        if len(app.received) == len(answers) + 1:
            killed.append(kill(bridge, victim))

    app = subscriber(answers=answers, on_receive=strike)
    task = bridge.task()
    bridge.submit(task)
    attempts = webhooks(app, task, len(answers) + 2)
    assert killed
    assert killed[0] >= 1
    eventually(lambda: bridge.delivery_state(task, bridge.known(app).id) == "delivered")
    event = bridge.event(task)
    assert {(each.id, each.body) for each in attempts} == {(event.id, event.body.encode())}


@linux_only
def test_a_poll_that_was_killed_is_asked_again(bridge: Bridge) -> None:
    """A question costs nothing but its answer."""
    task = bridge.task(faults=[{"kind": "slow", "seconds": 2.0}])
    bridge.submit(task)
    eventually(lambda: not task.planned)  # the provider is thinking
    assert kill(bridge, "PollTaskFunction") >= 1
    assert bridge.event(task).type == "video.completed"


def test_a_watch_that_was_claimed_and_never_started_is_started_by_the_sweeper(bridge: Bridge, subscriber: Make) -> None:
    """Submit died between remembering the task and starting its watch, and nobody submitted it again."""
    app = subscriber()
    task = bridge.task()
    submission, _ = check(bridge.submission(task), 86_400)
    bridge.cloud.ledger.claim(submission, submission.id, 1, time.time() - 3 * GRACE_SECONDS)
    assert bridge.invoke("SweepLedgerFunction", {})["watches"] == 1
    [webhook] = webhooks(app, task)
    assert (webhook.verified, webhook.id) == (True, bridge.event(task).id)
    assert bridge.invoke("SweepLedgerFunction", {})["watches"] == 0


def test_a_watch_that_only_sleeps_is_left_alone_by_the_sweeper(bridge: Bridge) -> None:
    """A long pause is not a crash; a second execution would ask the provider twice as often."""
    task = bridge.task(seconds=1_000)
    bridge.submit(task, expected_seconds=80_000)
    watch = bridge.watch(task)
    bridge.cloud.ledger.note_execution(watch, watch.execution, time.time() - 3 * GRACE_SECONDS)
    assert bridge.invoke("SweepLedgerFunction", {})["watches"] == 0
    bridge.states.stop_execution(executionArn=bridge.execution_arn(task))


def test_a_delivery_that_nobody_follows_is_started_by_the_sweeper(bridge: Bridge, subscriber: Make) -> None:
    """Publish died between writing the delivery and sending it, once too often."""
    task = bridge.task()
    bridge.submit(task)
    bridge.ended(bridge.execution_arn(task))
    app = subscriber()
    event = bridge.event(task)
    long_ago = time.time() - 3 * GRACE_SECONDS
    bridge.cloud.ledger.open_delivery(event, bridge.known(app), long_ago)
    assert bridge.invoke("SweepLedgerFunction", {})["deliveries"] == 1
    [webhook] = webhooks(app, task)
    assert (webhook.verified, webhook.body) == (True, event.body.encode())
    eventually(lambda: bridge.delivery_state(task, bridge.known(app).id) == "delivered")
    assert bridge.invoke("SweepLedgerFunction", {})["deliveries"] == 0


def test_a_drain_that_stopped_half_way_is_ended_by_the_sweeper(bridge: Bridge, subscriber: Make) -> None:
    """Whoever resumed a subscriber closed the laptop while its held events were being started."""
    app = subscriber()
    known, ledger = bridge.known(app), bridge.cloud.ledger
    ledger.put_state(known.id, "paused", "paused by its owner")
    task = bridge.task()
    bridge.submit(task)
    bridge.ended(bridge.execution_arn(task))
    ledger.put_state(known.id, "active", None, draining=True)
    assert bridge.invoke("SweepLedgerFunction", {})["drained"] == 1
    assert len(webhooks(app, task)) == 1
    assert not bridge.known(app).draining


def test_a_watch_that_was_stopped_by_hand_is_told_as_cancelled(bridge: Bridge, subscriber: Make) -> None:
    """An operator ends an execution in the console; whoever waits for the video hears of it."""
    app = subscriber()
    task = bridge.task(seconds=1_000)
    bridge.submit(task)
    eventually(lambda: bridge.watch(task).polls)
    bridge.states.stop_execution(executionArn=bridge.execution_arn(task))
    [webhook] = webhooks(app, task)
    assert webhook.event
    assert webhook.event["type"] == "video.failed"
    assert webhook.event["data"]["error"]["category"] == "cancelled"


def test_an_event_that_came_out_before_its_watch_was_stopped_stands(bridge: Bridge, subscriber: Make) -> None:
    """One terminal event, and the first one: a completed video cannot be cancelled afterwards."""
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
