"""What becomes of an event whose subscriber is not there: held or tried again, never lost, always under one id."""

import json
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from bridge import PATIENCE, WAIT_SCALE, Bridge, about, eventually, id_of, webhooks
from click.testing import Result

from vidhook import subscribers
from vidhook.deliver import PAUSES
from vidhook.task import Subscriber
from vidhook_sandbox.cloud import running
from vidhook_sandbox.provider import SampleProvider, SampleTask
from vidhook_sandbox.subscriber import SampleSubscriber

Make = Callable[..., SampleSubscriber]


def resume(bridge: Bridge, subscriber: Subscriber) -> int:
    """How many held deliveries are on their way."""
    _, drained = subscribers.resume(
        subscriber.id,
        ledger=bridge.cloud.ledger,
        machines=bridge.machines,
        redeliver_arn=bridge.redeliver_arn,
        now=time.time(),
    )
    return drained


def told(bridge: Bridge) -> SampleTask:
    """A task whose event is written and whose watch has ended."""
    task = bridge.task()
    bridge.submit(task)
    bridge.ended(bridge.execution_arn(task))
    return task


@contextmanager
def back_again(sample: SampleSubscriber) -> Iterator[SampleSubscriber]:
    """A subscriber that went down, up again at its old address."""
    port = int(sample.url.split(":")[2].partition("/")[0])
    with SampleSubscriber(*sample.secrets, port=port) as again:
        yield again


def test_a_subscriber_that_answers_errors_is_tried_again(bridge: Bridge, subscriber: Make) -> None:
    """Every attempt has the same id and the same bytes, and a signature of its own time."""
    app = subscriber(answers=[500, 302])
    task = told(bridge)
    attempts = webhooks(app, task, 3)
    assert len({each.id for each in attempts}) == len({each.body for each in attempts}) == 1
    assert all(each.verified for each in attempts)
    assert attempts[0].id == bridge.event(task).id
    eventually(lambda: bridge.delivery_state(task, bridge.known(app).id) == "delivered")
    log = [attempt for _, who, attempt in bridge.cloud.ledger.attempts(id_of(task)) if who == bridge.known(app).id]
    assert [(each.number, each.status, each.outcome) for each in log] == [
        (1, 500, "retry"),
        (2, 302, "retry"),
        (3, 200, "delivered"),
    ]


def test_the_watch_waits_for_no_subscriber(bridge: Bridge, subscriber: Make) -> None:
    """A redelivery is an execution of its own; the caller of a nested watch has its answer long before."""
    app = subscriber(status=500)
    task = told(bridge)
    assert bridge.delivery_state(task, bridge.known(app).id) == "due"


def test_a_subscriber_that_is_down_is_told_when_it_is_up(
    bridge: Bridge, subscriber: Make, cli: Callable[..., Result]
) -> None:
    """And meanwhile one command says why nothing arrives."""
    app = subscriber()
    app.stop()
    task = told(bridge)
    [row] = [json.loads(line) for line in cli("deliveries", f"alad/{task.task_id}").output.splitlines()]
    assert (row["state"], row["subscriber"]) == ("due", bridge.known(app).id)
    assert row["log"][0]["kind"] == "connect"
    assert row["next_at"] is not None
    with back_again(app) as again:
        [webhook] = webhooks(again, task)
        assert (webhook.verified, webhook.id) == (True, bridge.event(task).id)


def test_gone_disables_and_what_follows_is_held_until_it_comes_back(bridge: Bridge, subscriber: Make) -> None:
    """410 says: send nothing more. It is not said that nothing is wanted ever again."""
    app = subscriber(answers=[410])
    first = told(bridge)
    known = bridge.known(app)
    assert (known.state, known.reason) == ("disabled", "it answered 410 Gone")
    second = told(bridge)
    assert [bridge.delivery_state(each, known.id) for each in (first, second)] == ["held", "held"]
    assert len(app.received) == 1
    reports = [each for each in bridge.heard() if each["detail-type"] == "endpoint.disabled"]
    assert [each["detail"]["reason"] for each in reports if each["detail"]["subscriber"] == known.id] == [known.reason]
    assert resume(bridge, known) == 2
    assert webhooks(app, first, 2)[-1].id == bridge.event(first).id
    assert webhooks(app, second)[-1].id == bridge.event(second).id


def test_paused_holds_and_resume_drains_the_oldest_first(bridge: Bridge, subscriber: Make) -> None:
    """A maintenance window costs nothing but time."""
    app = subscriber()
    known = bridge.known(app)
    subscribers.pause(known.id, ledger=bridge.cloud.ledger)
    tasks = [told(bridge) for _ in range(3)]
    assert [bridge.delivery_state(task, known.id) for task in tasks] == ["held"] * 3
    assert app.received == []
    assert resume(bridge, known) == 3
    assert [len(webhooks(app, task)) for task in tasks] == [1, 1, 1]
    executions = bridge.states.list_executions(stateMachineArn=bridge.redeliver_arn)["executions"]
    mine = sorted((each for each in executions if known.id in each["name"]), key=lambda each: each["startDate"])
    assert [each["name"].partition("-")[0] for each in mine] == [bridge.event(task).id for task in tasks]


def test_retry_after_holds_back_all_that_is_for_this_subscriber(bridge: Bridge, subscriber: Make) -> None:
    """It is the receiver that is overloaded, not one event; and other receivers wait for nothing."""
    quiet = 40
    app, other = subscriber(answers=[(503, {"Retry-After": str(quiet)})]), subscriber()
    first = told(bridge)
    second = told(bridge)
    assert len(webhooks(other, second)) == 1
    assert about(second, app.received) == []
    wait_until = webhooks(app, first)[0].at + quiet * WAIT_SCALE
    assert webhooks(app, first, 2)[1].at >= wait_until
    assert webhooks(app, second)[0].at >= wait_until
    assert len(app.received) == 3


def test_an_attempt_uses_the_address_and_the_secret_of_that_moment(bridge: Bridge, subscriber: Make) -> None:
    """Whoever mends a broken endpoint mends what is already on its way to it."""
    app = subscriber(status=500)
    known, cloud = bridge.known(app), bridge.cloud
    task = told(bridge)
    with SampleSubscriber() as moved:
        moved.secrets.append(
            subscribers.rotate(known.id, keep_seconds=0, ledger=cloud.ledger, secrets=cloud.secrets, now=time.time())
        )
        subscribers.change(known.id, {"url": moved.url}, ledger=cloud.ledger, http=cloud.http)
        [webhook] = webhooks(moved, task)
    assert (webhook.verified, webhook.id) == (True, bridge.event(task).id)


def test_removing_a_subscriber_cancels_what_is_on_its_way(bridge: Bridge, subscriber: Make) -> None:
    """Nobody is sent anything after they left."""
    app = subscriber(status=500)
    known = bridge.known(app)
    task = told(bridge)
    subscribers.remove(known.id, ledger=bridge.cloud.ledger, secrets=bridge.cloud.secrets)
    eventually(lambda: bridge.delivery_state(task, known.id) == "cancelled")


def test_a_replay_tells_the_same_again(bridge: Bridge, subscriber: Make, cli: Callable[..., Result]) -> None:
    """The receiver lost its database, not we ours."""
    app = subscriber()
    task = told(bridge)
    [before] = webhooks(app, task)
    said = cli("replay", f"alad/{task.task_id}", "--subscriber", bridge.known(app).id)
    assert said.output == "1 deliveries are on their way again\n"
    after = webhooks(app, task, 2)[-1]
    assert (after.id, after.body, after.verified) == (before.id, before.body, True)


def test_a_callback_url_is_cared_for_like_a_subscriber(bridge: Bridge) -> None:
    """Signed with the stack's default secret, tried again, told of this one task."""
    with SampleSubscriber(bridge.cloud.secrets.default(), answers=[500]) as app:
        task, other = bridge.task(), bridge.task()
        bridge.submit(task, callback_url=app.url)
        bridge.submit(other)
        attempts = webhooks(app, task, 2)
        assert [each.verified for each in attempts] == [True, True]
        assert {each.id for each in attempts} == {bridge.event(task).id}
        bridge.ended(bridge.execution_arn(other))
        assert about(other, app.received) == []


@pytest.mark.slow
def test_a_weekend_is_outlived_and_what_is_given_up_is_recovered() -> None:
    """The whole schedule of 76 hours: nothing lost, every event under one id and with the same bytes."""

    def attempts(bridge: Bridge, who: Subscriber, task: SampleTask) -> list[Any]:
        return [made for _, whom, made in bridge.cloud.ledger.attempts(id_of(task)) if whom == who.id]

    with running(wait_scale=2e-5, auth=True) as cloud, SampleProvider() as provider:
        cloud.use(provider)
        bridge = Bridge(cloud, provider)
        with SampleSubscriber(status=503) as weekend, SampleSubscriber(status=503) as week:
            back_on_monday, back_next_week = cloud.subscribe(weekend), cloud.subscribe(week)
            tasks = [told(bridge) for _ in range(3)]
            # Friday evening to Monday morning: the eleventh attempt is in the 52nd hour, the last one in the 76th.
            assert sum(PAUSES[:10]) < 62 * 3_600 < sum(PAUSES)
            for task in tasks:
                webhooks(weekend, task, len(PAUSES))
            weekend.status = 200
            for task in tasks:
                eventually(lambda task=task: bridge.delivery_state(task, back_on_monday.id) == "delivered")
                eventually(lambda task=task: bridge.delivery_state(task, back_next_week.id) == "failed")
                pauses = [made.pause for made in attempts(bridge, back_next_week, task)]
                assert pauses.pop() is None
                assert all(low <= pause <= 1.2 * low + 1 for low, pause in zip(PAUSES, pauses, strict=True))
            week.status = 200
            recovered = subscribers.recover(
                back_next_week.id,
                since=0.0,
                ledger=cloud.ledger,
                machines=bridge.machines,
                redeliver_arn=bridge.redeliver_arn,
                now=time.time(),
            )
            assert recovered == len(tasks)
            for task in tasks:
                eventually(lambda task=task: bridge.delivery_state(task, back_next_week.id) == "delivered", PATIENCE)
                for sample in (weekend, week):
                    sent = about(task, sample.received)
                    assert {each.id for each in sent} == {bridge.event(task).id}
                    assert {each.body for each in sent} == {bridge.event(task).body.encode()}
                    assert sent[-1].verified
