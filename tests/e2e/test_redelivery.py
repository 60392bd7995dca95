"""Events whose subscriber cannot be reached: they are held or tried again, never lost, always under one id."""

import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager

import pytest
from click.testing import Result

from tests.e2e.bridge import WAIT_SCALE, Bridge, about, eventually, id_of, webhooks
from vidhook import subscribers
from vidhook.deliver import PAUSES
from vidhook.task import Attempt, DeliveryState, Subscriber
from vidhook_sandbox.cloud import running
from vidhook_sandbox.provider import SampleProvider, SampleTask
from vidhook_sandbox.subscriber import SampleSubscriber

Make = Callable[..., SampleSubscriber]


def resume(bridge: Bridge, subscriber: Subscriber) -> int:
    """Resumes a subscriber. Returns how many held deliveries were started."""
    _, started = subscribers.resume(subscriber.id, runs=bridge.cloud.edges.runs)
    return started


def attempts_at(bridge: Bridge, task: SampleTask, subscriber: Subscriber) -> list[Attempt]:
    """The log of the delivery of a task's event to a subscriber."""
    return bridge.cloud.edges.ledger.deliveries.attempts(id_of(task))[bridge.event(task).id, subscriber.id]


def published(bridge: Bridge) -> SampleTask:
    """A new task whose event is published and whose watch has ended."""
    task = bridge.task()
    bridge.submit(task)
    bridge.ended(bridge.execution_arn(task))
    return task


@contextmanager
def restarted(sample: SampleSubscriber) -> Iterator[SampleSubscriber]:
    """A subscriber that went down, running again at its old address."""
    port = int(sample.url.split(":")[2].partition("/")[0])
    with SampleSubscriber(*sample.secrets, port=port) as again:
        yield again


def test_a_subscriber_that_answers_errors_is_tried_again(bridge: Bridge, subscriber: Make) -> None:
    """Every attempt has the same id and the same bytes, and a signature made at its own time."""
    app = subscriber(answers=[500, 302])
    task = published(bridge)
    attempts = webhooks(app, task, 3)
    assert len({each.id for each in attempts}) == len({each.body for each in attempts}) == 1
    assert all(each.verified for each in attempts)
    assert attempts[0].id == bridge.event(task).id
    eventually(lambda: bridge.delivery_state(task, bridge.known(app).id) == "delivered")
    log = attempts_at(bridge, task, bridge.known(app))
    assert [(each.number, each.status, each.outcome) for each in log] == [
        (1, 500, "retry"),
        (2, 302, "retry"),
        (3, 200, "delivered"),
    ]


def test_a_watch_does_not_wait_for_its_subscribers(bridge: Bridge, subscriber: Make) -> None:
    """A redelivery is an execution of its own, so the execution of the watch ends before it."""
    app = subscriber(status=500)
    task = published(bridge)
    assert bridge.delivery_state(task, bridge.known(app).id) == "due"


def test_a_subscriber_that_is_down_is_notified_when_it_is_up_again(
    bridge: Bridge, subscriber: Make, cli: Callable[..., Result]
) -> None:
    """Until then the command shows why nothing arrives."""
    app = subscriber()
    app.stop()
    task = published(bridge)
    [row] = [json.loads(line) for line in cli("deliveries", f"alad/{task.task_id}").output.splitlines()]
    assert (row["state"], row["subscriber"]) == ("due", bridge.known(app).id)
    assert row["log"][0]["kind"] == "connect"
    assert row["next_at"] is not None
    with restarted(app) as again:
        [webhook] = webhooks(again, task)
        assert (webhook.verified, webhook.id) == (True, bridge.event(task).id)


def test_a_subscriber_that_answers_410_is_disabled_and_its_events_are_held(bridge: Bridge, subscriber: Make) -> None:
    """410 Gone stops all deliveries, and resuming the subscriber later sends what was held."""
    app = subscriber(answers=[410])
    first = published(bridge)
    known = bridge.known(app)
    assert (known.state, known.reason) == ("disabled", "it answered 410 Gone")
    second = published(bridge)
    assert [bridge.delivery_state(each, known.id) for each in (first, second)] == ["held", "held"]
    assert len(app.received) == 1
    reports = [each for each in bridge.bus_events() if each["detail-type"] == "endpoint.disabled"]
    assert [each["detail"]["reason"] for each in reports if each["detail"]["subscriber"] == known.id] == [known.reason]
    assert resume(bridge, known) == 2
    assert webhooks(app, first, 2)[-1].id == bridge.event(first).id
    assert webhooks(app, second)[-1].id == bridge.event(second).id


def test_events_are_held_while_a_subscriber_is_paused_and_sent_when_it_is_resumed(
    bridge: Bridge, subscriber: Make
) -> None:
    """No event is lost while an operator works on the subscriber."""
    app = subscriber()
    known = bridge.known(app)
    subscribers.pause(known.id, ledger=bridge.cloud.edges.ledger)
    tasks = [published(bridge) for _ in range(3)]
    assert [bridge.delivery_state(task, known.id) for task in tasks] == ["held"] * 3
    assert app.received == []
    assert resume(bridge, known) == 3
    assert [len(webhooks(app, task)) for task in tasks] == [1, 1, 1]
    executions = bridge.states.list_executions(stateMachineArn=bridge.redeliver_arn)["executions"]
    mine = {each["name"].partition("-")[0] for each in executions if known.id in each["name"]}
    assert mine == {bridge.event(task).id for task in tasks}


def test_retry_after_delays_all_events_for_this_subscriber(bridge: Bridge, subscriber: Make) -> None:
    """The whole subscriber is overloaded and not one event; other subscribers do not wait."""
    quiet = 40
    app, other = subscriber(answers=[(503, {"Retry-After": str(quiet)})]), subscriber()
    first = published(bridge)
    second = published(bridge)
    assert len(webhooks(other, second)) == 1
    assert about(second, app.received) == []
    wait_until = webhooks(app, first)[0].at + quiet * WAIT_SCALE
    assert webhooks(app, first, 2)[1].at >= wait_until
    assert webhooks(app, second)[0].at >= wait_until
    assert len(app.received) == 3


def test_an_attempt_uses_the_url_and_the_secret_that_the_subscriber_has_then(bridge: Bridge, subscriber: Make) -> None:
    """A corrected URL or secret is used for the events that wait already, too."""
    app = subscriber(status=500)
    known, cloud = bridge.known(app), bridge.cloud
    task = published(bridge)
    with SampleSubscriber() as moved:
        moved.secrets.append(
            subscribers.rotate(
                known.id,
                keep_seconds=0,
                ledger=cloud.edges.ledger,
                secrets=cloud.edges.secrets,
                clock=cloud.edges.clock,
            )
        )
        here = cloud.edges
        subscribers.change(known.id, {"url": moved.url}, ledger=here.ledger, secrets=here.secrets, http=here.http)
        [webhook] = webhooks(moved, task)
    assert (webhook.verified, webhook.id) == (True, bridge.event(task).id)


def test_removing_a_subscriber_cancels_its_redeliveries(bridge: Bridge, subscriber: Make) -> None:
    """Nothing is sent to a subscriber that was removed."""
    app = subscriber(status=500)
    known = bridge.known(app)
    task = published(bridge)
    subscribers.remove(known.id, ledger=bridge.cloud.edges.ledger)
    eventually(lambda: bridge.delivery_state(task, known.id) == "cancelled")


def test_a_replay_sends_the_same_event_again(bridge: Bridge, subscriber: Make, cli: Callable[..., Result]) -> None:
    """A receiver that lost its data gets the event once more, with the same id and the same bytes."""
    app = subscriber()
    task = published(bridge)
    [before] = webhooks(app, task)
    replayed = cli("replay", f"alad/{task.task_id}", "--subscriber", bridge.known(app).id)
    assert json.loads(replayed.output)["started"] == 1
    after = webhooks(app, task, 2)[-1]
    assert (after.id, after.body, after.verified) == (before.id, before.body, True)


def test_a_callback_url_is_delivered_to_like_a_subscriber(bridge: Bridge) -> None:
    """It is signed with the stack's default secret, tried again, and notified of its own task only."""
    with SampleSubscriber(bridge.cloud.edges.secrets.default(), answers=[500]) as app:
        task, other = bridge.task(), bridge.task()
        bridge.submit(task, callback_url=app.url)
        bridge.submit(other)
        attempts = webhooks(app, task, 2)
        assert [each.verified for each in attempts] == [True, True]
        assert {each.id for each in attempts} == {bridge.event(task).id}
        bridge.ended(bridge.execution_arn(other))
        assert about(other, app.received) == []


class DownForAWeekend(SampleSubscriber):
    """Answers 503 to the attempts of the first 62 hours.

    These are the first eleven attempts at an event: the eleventh is in the 52nd hour, and the twelfth in the 76th.
    """

    def take(self, headers: Mapping[str, str], body: bytes) -> tuple[int, Mapping[str, str]]:
        answer = super().take(headers, body)
        attempts = sum(each.id == headers["webhook-id"] for each in self.received)
        return (503, {}) if attempts <= len(PAUSES) else answer


@pytest.mark.slow
def test_a_subscriber_may_be_down_for_a_weekend_and_failed_deliveries_can_be_recovered() -> None:
    """In the whole schedule of 76 hours nothing is lost, and every event keeps its id and its bytes."""

    with running(wait_scale=2e-5, auth=True) as cloud, SampleProvider() as provider:
        cloud.use(provider)
        bridge = Bridge(cloud, provider)

        def reaches(task: SampleTask, subscriber: Subscriber, state: DeliveryState) -> None:
            eventually(lambda: bridge.delivery_state(task, subscriber.id) is state)

        with DownForAWeekend() as weekend, SampleSubscriber(status=503) as week:
            back_on_monday, back_next_week = cloud.subscribe(weekend), cloud.subscribe(week)
            tasks = [published(bridge) for _ in range(3)]
            assert sum(PAUSES[:10]) < 62 * 3_600 < sum(PAUSES)  # from Friday evening to Monday morning
            for task in tasks:
                reaches(task, back_on_monday, DeliveryState.DELIVERED)
                assert len(about(task, weekend.received)) == len(PAUSES) + 1
                reaches(task, back_next_week, DeliveryState.FAILED)
                *earlier, last = [made.pause for made in attempts_at(bridge, task, back_next_week)]
                pauses = [pause for pause in earlier if pause is not None]
                assert (last, len(pauses)) == (None, len(earlier))
                assert all(low <= pause <= 1.2 * low + 1 for low, pause in zip(PAUSES, pauses, strict=True))
            week.status = 200
            recovered = subscribers.recover(back_next_week.id, since=0.0, runs=cloud.edges.runs)
            assert recovered.started == len(tasks)
            for task in tasks:
                reaches(task, back_next_week, DeliveryState.DELIVERED)
                for sample in (weekend, week):
                    sent = about(task, sample.received)
                    assert {each.id for each in sent} == {bridge.event(task).id}
                    assert {each.body for each in sent} == {bridge.event(task).body.encode()}
                    assert sent[-1].verified
