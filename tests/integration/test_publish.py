"""The end of a watch: the video is kept, one event is told to all who want it, and no crash changes that."""

import hashlib
import itertools
import json
import socket
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import boto3
import pytest
from standardwebhooks import Webhook

from tests.integration.world import DEFAULT_SECRET, KEY, MP4, Answer, World, event_of, says
from vidhook.notify import Notified, Unreached
from vidhook.publish import MOST_UNREACHED, Published, output
from vidhook.store import STORE_PAUSES
from vidhook.task import Credentials, Delivery, Subscriber

GONE = Answer(410, b"gone")
DOWN = Answer(500, b"out of disk")


def asset(published: Published) -> dict[str, Any]:
    assets: list[dict[str, Any]] = event_of(published).data["data"]["assets"]
    (only,) = assets
    return only


class TestTold:
    def test_a_finished_task_is_kept_and_told_to_all_who_want_it(self, world: World) -> None:
        """The whole promise in one."""
        one, other = world.subscribe("one"), world.subscribe("other")
        world.subscribe("elsewhere", providers=("vicsee",))
        published = world.publish(world.completed(metadata={"order": "17"}))
        body = event_of(published).body.encode()
        for subscriber in (one, other):
            (received,) = world.web.to(f"/{subscriber.id.removeprefix('sub_')}")
            assert received.body == body
            assert received.headers["content-type"] == "application/json"
            assert received.headers["webhook-id"] == event_of(published).id
            assert world.delivery(published, subscriber).state == "delivered"
        assert world.web.to("/elsewhere") == []
        assert [event.body for event in world.bus.events] == [event_of(published).body]
        assert (published.notified.unreached, published.pause) == ((), 0)

    def test_a_webhook_verifies_with_the_reference_library(self, world: World) -> None:
        """A callback_url is signed with the stack's default secret."""
        url = world.web.script("/callback", Answer(204))
        published = world.publish(world.completed(callback_url=url))
        (received,) = world.web.to("/callback")
        sent_at = datetime.fromtimestamp(int(received.headers["webhook-timestamp"]), UTC)
        expected = Webhook(DEFAULT_SECRET).sign(event_of(published).id, sent_at, received.body.decode())
        assert sent_at.timestamp() == int(world.now)
        assert received.headers["webhook-signature"] == expected

    def test_a_failed_task_is_told_with_its_reason(self, world: World) -> None:
        """And nothing is copied."""
        world.subscribe("one")
        published = world.publish(world.settle(says("failed", error="nsfw prompt")))
        assert event_of(published).type == "video.failed"
        assert json.loads(world.web.to("/one")[0].body)["data"]["error"]["message"] == "nsfw prompt"

    def test_two_publishings_tell_one_event(self, world: World) -> None:
        """A Lambda may run twice; subscribers are not told twice."""
        world.subscribe("one")
        watch = world.completed()
        first = world.publish(watch)
        world.wait(60)
        assert world.publish(watch).event == first.event
        assert len(world.web.to("/one")) == 1

    def test_a_watch_that_ends_without_an_answer_is_told_as_failed(self, world: World) -> None:
        """The way out of every fault in the state machine."""
        world.subscribe("one")
        watch = world.submit().watch.id
        published = world.publish(watch, store=False)
        error = event_of(published).data["data"]["error"]
        assert (event_of(published).type, error["code"], error["retryable"]) == ("video.failed", "WATCH_FAILED", None)
        assert world.ledger.tasks.watch(watch).settled


class TestKept:
    def test_the_copy_is_the_source(self, world: World) -> None:
        """Byte for byte, with its hash, under a key that follows from the task, behind a link of our own."""
        watch = world.completed()
        told = asset(world.publish(watch))
        kept = boto3.client("s3").get_object(Bucket=told["bucket"], Key=told["key"])
        assert kept["Body"].read() == MP4
        assert told["sha256"] == hashlib.sha256(MP4).hexdigest()
        assert (told["stored"], told["bytes"], told["content_type"]) == (True, len(MP4), "video/mp4")
        assert kept["Metadata"] == {"provider": "acme", "watch": watch, "role": "result"}
        assert told["url"].startswith("https://videos.example/v1/")

    def test_a_broken_copy_is_tried_again_before_anything_is_told(self, world: World) -> None:
        """A video that can be kept is worth some minutes."""
        world.subscribe("one")
        whole = Answer(200, MP4, {"content-type": "video/mp4"})
        broken = Answer(200, MP4, {"content-type": "video/mp4"}, cut=700)
        url = world.video(broken, Answer(503), whole)
        watch = world.settle(says("completed", url=url))
        pauses = [world.publish(watch).pause for _ in range(2)]
        assert pauses == list(STORE_PAUSES[:2])
        assert world.web.to("/one") == []
        assert asset(world.publish(watch))["bytes"] == len(MP4)

    def test_a_dead_link_is_asked_for_anew(self, world: World) -> None:
        """Links live for hours; the provider makes fresh ones."""
        dead = world.web.script("/files/dead.mp4", Answer(403))
        fresh = world.video()
        watch = world.settle(says("completed", url=dead), says("completed", url=fresh))
        assert world.publish(watch).pause == STORE_PAUSES[0]
        polled = world.poll(watch)
        assert (polled.settled, polled.settled_now) == (True, False)
        told = asset(world.publish(watch))
        assert (told["stored"], told["source_url"]) == (True, fresh)

    @pytest.mark.parametrize("later", [says("processing"), says("failed", error="lost"), Answer(404), Answer(503)])
    def test_a_finished_task_stays_finished_whatever_is_read_of_it_later(self, world: World, later: Answer) -> None:
        """A settled watch is asked about for a fresh link alone: its end was read, and is believed."""
        url = world.video(Answer(503), Answer(200, MP4, {"content-type": "video/mp4"}))
        watch = world.settle(says("completed", url=url), later)
        world.publish(watch)
        before = world.ledger.tasks.watch(watch)
        assert world.poll(watch).settled
        assert world.ledger.tasks.watch(watch) == before
        assert asset(world.publish(watch))["stored"]

    def test_a_task_that_is_published_is_not_asked_about_again(self, world: World) -> None:
        """A second execution may still poll it; the provider has said all it can."""
        watch = world.completed()
        world.publish(watch)
        asked = len(world.web.to("/tasks/t1"))
        assert world.poll(watch).settled
        assert len(world.web.to("/tasks/t1")) == asked

    def test_a_video_that_cannot_be_kept_is_told_with_the_providers_link(self, world: World) -> None:
        """The render exists and was paid for."""
        world.subscribe("one")
        url = world.video(Answer(200, b"<html>expired</html>"))
        watch = world.settle(says("completed", url=url))
        assert [world.publish(watch).pause for _ in STORE_PAUSES] == list(STORE_PAUSES)
        published = world.publish(watch)
        told = asset(published)
        assert (event_of(published).type, told["stored"], told["url"]) == ("video.completed", False, url)
        assert len(world.web.to("/one")) == 1

    def test_a_fault_of_ours_tells_the_video_without_a_copy(self, world: World) -> None:
        """What "Publish failure" does when the bucket cannot be written."""
        published = world.publish(world.completed(), store=False)
        assert (event_of(published).type, asset(published)["stored"]) == ("video.completed", False)

    def test_a_video_that_lies_there_is_not_copied_again(self, world: World) -> None:
        """A crash after the copy costs a look, not the traffic: the state machine says that it tries again."""
        watch = world.completed()
        with pytest.raises(Crash):
            world.but(ledger=Crashing(world.ledger, "put_event")).publish(watch)
        assert asset(world.publish(watch, again=True))["stored"]
        assert len(world.web.to("/files/v.mp4")) == 1

    def test_the_key_goes_to_the_providers_own_host_alone(self, world: World) -> None:
        """A link elsewhere is a stranger."""
        world.publish(world.completed())
        assert world.web.to("/files/v.mp4")[0].headers["authorization"] == f"Bearer {KEY}"
        stranger = type(world.web)()
        url = stranger.script("/v.mp4", Answer(200, MP4))
        assert asset(world.publish(world.settle(says("completed", url=url), task_id="t2")))["stored"]
        assert "authorization" not in stranger.asked[0].headers
        stranger.close()


class TestNotReached:
    def test_a_subscriber_that_fails_is_handed_on_and_holds_up_nobody(self, world: World) -> None:
        """It gets an execution of its own."""
        bad, good = world.subscribe("bad", DOWN), world.subscribe("good")
        published = world.publish(world.completed())
        (late,) = output(published)["unreached"]
        delivery = world.delivery(published, bad)
        assert late == {
            "name": f"{event_of(published).id}-sub_bad-0",
            "watch": event_of(published).watch_id,
            "event": event_of(published).id,
            "subscriber": "sub_bad",
            "run": 0,
            "pause": 5,
        }
        assert (delivery.state, delivery.attempts, delivery.last) == ("due", 1, "500")
        assert world.delivery(published, good).state == "delivered"

    def test_gone_disables_the_subscriber_and_keeps_the_event(self, world: World) -> None:
        """410 says never again; the event is there, should that be a mistake."""
        subscriber = world.subscribe("gone", GONE)
        published = world.publish(world.completed())
        assert published.notified.unreached == ()
        assert world.delivery(published, subscriber).state == "held"
        assert world.ledger.subscribers.get(subscriber.id).state == "disabled"
        assert [kind for kind, _ in world.bus.reports] == ["endpoint.disabled"]

    def test_retry_after_holds_the_whole_subscriber(self, world: World) -> None:
        """The next event waits too, without an attempt."""
        subscriber = world.subscribe("busy", Answer(429, b"", {"retry-after": "600"}))
        world.publish(world.completed())
        attempted = world.now
        second = world.publish(world.completed(task_id="t2"))
        assert world.delivery(second, subscriber).attempts == 0
        assert second.event is not None
        took = second.event.at - attempted
        assert second.notified.unreached[0].pause == pytest.approx(600 - took, abs=1)
        assert len(world.web.to("/busy")) == 1

    @pytest.mark.parametrize("state", ["paused", "disabled"])
    def test_a_subscriber_that_is_not_active_is_held_for(self, world: World, state: str) -> None:
        """Held, not dropped, and not tried."""
        subscriber = world.subscribe("quiet", state=state)
        published = world.publish(world.completed())
        assert (published.notified.unreached, world.web.to("/quiet")) == ((), [])
        assert world.delivery(published, subscriber).state == "held"

    def test_a_subscriber_whose_secret_is_gone_holds_up_nobody(self, world: World) -> None:
        """What was sealed for another one opens nothing for it; all the others are told, and the event must end."""
        lost, good = world.subscribe("lost"), world.subscribe("good")
        world.ledger.subscribers.change(lost.id, {"sealed": good.sealed})
        published = world.publish(world.completed())
        assert world.delivery(published, good).state == "delivered"
        assert (world.delivery(published, lost).state, world.delivery(published, lost).last) == ("due", "secret")
        assert world.web.to("/lost") == []

    def test_a_subscriber_whose_secret_cannot_be_read_holds_up_nobody(self, world: World) -> None:
        """No access to its key, a fault of KMS: its redelivery meets that, the others are told."""
        bad, good = world.subscribe("bad"), world.subscribe("good")

        class Forbidden:
            def __getattr__(self, name: str) -> Any:
                return getattr(world.secrets, name)

            def credentials(self, subscriber: Subscriber) -> Credentials:
                if subscriber.id == bad.id:
                    raise PermissionError("kms")
                return world.secrets.credentials(subscriber)

        published = world.but(secrets=Forbidden()).publish(world.completed())
        assert world.delivery(published, good).state == "delivered"
        assert [event.id for event in world.bus.events] == [event_of(published).id]
        (late,), (fault,) = published.notified.unreached, published.notified.faults
        assert (late.delivery.subscriber_id, late.pause) == (bad.id, 5)
        assert (fault.subscriber_id, str(fault.error)) == (bad.id, "kms")
        world.wait(5)
        assert world.redeliver(late.delivery).state == "delivered"

    def test_the_output_fits_a_state_whatever_the_number_of_subscribers(self) -> None:
        """256 KiB, with an event of 128; those beyond are due in the ledger and the sweeper starts them."""
        late = Unreached(Delivery("evt_" + "x" * 26, "tsk_" + "x" * 26, "sub_" + "x" * 26, "video.failed", 0.0), 86_400)
        told = output(Published(notified=Notified(unreached=(late,) * 2_000)))
        assert len(told["unreached"]) == MOST_UNREACHED
        assert len(json.dumps(told)) < 128 * 1024


def silent(world: World, name: str, **fields: Any) -> Iterator[Subscriber]:
    """A subscriber that accepts connections and never answers, until the test ends."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        url = f"http://127.0.0.1:{listener.getsockname()[1]}/"
        subscriber = replace(world.subscribe(name, **fields), url=url)
        world.ledger.subscribers.put(subscriber)
        yield subscriber


@pytest.fixture
def hanging(world: World, monkeypatch: pytest.MonkeyPatch) -> Iterator[Subscriber]:
    """A subscriber that never answers; the first attempt is shorter than usual."""
    monkeypatch.setattr("vidhook.deliver.FIRST_SECONDS", 0.3)
    yield from silent(world, "hangs", events=("*",))


class TestWaiting:
    def test_the_bus_and_the_tokens_come_before_any_subscriber(self, world: World) -> None:
        """Neither waits for somebody's server."""
        world.subscribe("one")
        world.submit(task_token="token")
        watch = world.completed()
        seen: list[tuple[int, int]] = []

        class Looking:
            def send(self, *arguments: Any, **named: Any) -> Any:
                seen.append((len(world.bus.events), len(world.machines.answered)))
                return world.http.send(*arguments, **named)

        world.but(http=Looking()).publish(watch, store=False)
        assert seen == [(1, 1)]

    @pytest.mark.parametrize("broken", ["bus", "machines"])
    def test_neither_a_bus_nor_a_token_that_fails_delays_the_others(self, world: World, broken: str) -> None:
        """The state is tried again, and until then all others have the event."""
        world.subscribe("one")
        world.submit(task_token="token")
        watch = world.completed()

        class Broken:
            def put(self, *_: Any) -> None:
                raise OSError("refused")

            answer = put

        with pytest.raises(ExceptionGroup):
            world.but(**{broken: Broken()}).publish(watch)
        told = (len(world.web.to("/one")), len(world.bus.events), len(world.machines.answered))
        assert told == ((1, 0, 1) if broken == "bus" else (1, 1, 0))
        world.publish(watch)
        assert (len(world.bus.events), len(world.machines.answered), len(world.web.to("/one"))) == (1, 1, 1)

    def test_the_bus_gets_an_event_once_however_many_executions_publish_it(self, world: World) -> None:
        """Each nested execution of one task publishes it, to have it as its output."""
        watch = world.completed()
        for number in range(3):
            event = event_of(world.publish(watch, execution=f"nested-{number}"))
        assert [each.id for each in world.bus.events] == [event.id]

    def test_what_may_not_have_come_to_the_bus_is_put_there_again(self, world: World) -> None:
        """At least once, like all that leaves vidhook."""
        watch = world.completed()
        with pytest.raises(Crash):
            world.but(ledger=Crashing(world.ledger, "note_on_bus")).publish(watch)
        world.publish(watch)
        world.publish(watch)
        assert len(world.bus.events) == 2

    def test_a_first_attempt_that_is_cut_is_repeated_at_once_and_is_no_failure(
        self, world: World, hanging: Subscriber
    ) -> None:
        """It had three seconds, and the documentation promises 15; the twelve attempts are all still to come."""
        began = time.monotonic()
        published = world.publish(world.completed())
        assert time.monotonic() - began < 2
        delivery = world.delivery(published, hanging)
        assert (delivery.state, delivery.attempts, delivery.base, delivery.last) == ("due", 1, 1, "timeout")
        assert [late.pause for late in published.notified.unreached] == [1]
        ((logged,),) = world.ledger.deliveries.attempts(delivery.watch_id).values()
        assert (logged.kind, logged.pause) == ("timeout", 1)
        seen = world.ledger.subscribers.get(hanging.id)
        assert (seen.failing_since, seen.hangs(world.now)) == (None, True)

    def test_one_that_hung_is_not_tried_while_publishing(self, world: World, hanging: Subscriber) -> None:
        """It has shown what it would cost everybody."""
        world.publish(world.completed())
        began = time.monotonic()
        second = world.publish(world.completed(task_id="t2"))
        assert time.monotonic() - began < 0.3 + 1
        assert (world.delivery(second, hanging).attempts, second.notified.unreached[0].pause) == (0, 1)

    def test_one_that_fails_is_not_tried_while_publishing_until_it_has_succeeded(self, world: World) -> None:
        """Its redelivery finds out."""
        subscriber = world.subscribe("one", DOWN, Answer(200))
        world.publish(world.completed())
        second = world.publish(world.completed(task_id="t2"))
        assert (len(world.web.to("/one")), world.delivery(second, subscriber).attempts) == (1, 0)
        assert world.redeliver(second.notified.unreached[0].delivery).state == "delivered"
        third = world.publish(world.completed(task_id="t3"))
        assert world.delivery(third, subscriber).state == "delivered"

    def test_who_comes_after_many_that_hang_does_not_wait_for_them(
        self, world: World, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """With 64 at a time the 65th came when the first had ended."""
        monkeypatch.setattr("vidhook.deliver.FIRST_SECONDS", 2.0)
        monkeypatch.setattr("vidhook.notify.THREADS", 2)
        came: list[float] = []
        with ExitStack() as open_ones:
            for number in range(4):
                open_ones.enter_context(contextmanager(silent)(world, f"hangs{number}"))
            world.wait(1)
            world.subscribe("last")
            watch = world.completed()

            class Looking:
                def send(self, method: str, url: str, **named: Any) -> Any:
                    if url.endswith("/last"):
                        came.append(time.monotonic())
                    return world.http.send(method, url, **named)

            began = time.monotonic()
            world.but(http=Looking()).publish(watch, store=False)
        assert came[0] - began < 1.5

    def test_the_pause_of_one_that_failed_passes_while_others_are_waited_for(
        self, world: World, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Its second attempt is no later for somebody else's server."""
        monkeypatch.setattr("vidhook.notify.MOST_THREADS", 1)
        for name in ("bad", "slow"):
            world.subscribe(name, *[DOWN] * (name == "bad"))
            world.wait(1)
        watch = world.completed()

        class Slow:
            def send(self, method: str, url: str, **named: Any) -> Any:
                if url.endswith("/slow"):
                    world.wait(3)
                return world.http.send(method, url, **named)

        published = world.but(http=Slow()).publish(watch, store=False)
        assert [late.pause for late in published.notified.unreached] == [2]

    def test_what_was_not_begun_in_time_is_handed_on(self, world: World, monkeypatch: pytest.MonkeyPatch) -> None:
        """However many hang, publishing ends."""
        monkeypatch.setattr("vidhook.notify.MOST_THREADS", 1)
        for name in ("slow", "one"):
            world.subscribe(name)
            world.wait(1)
        watch = world.completed()

        class Slow:
            def send(self, *arguments: Any, **named: Any) -> Any:
                world.wait(60)
                return world.http.send(*arguments, **named)

        published = world.but(http=Slow()).publish(watch, store=False)
        assert world.web.to("/one") == []
        assert [late.pause for late in published.notified.unreached] == [1]

    def test_a_success_whose_body_never_ends_is_delivered(self, world: World) -> None:
        """Docs promise that the status counts."""
        subscriber = world.subscribe("one", Answer(200, b"thanks", {"content-length": "999"}, announced=False))
        published = world.publish(world.completed())
        delivery = world.delivery(published, subscriber)
        assert (delivery.state, delivery.last) == ("delivered", "200")

    def test_an_error_whose_body_breaks_is_logged_with_its_status(self, world: World) -> None:
        """Its owner looks for it in their own log."""
        world.subscribe("one", Answer(500, b"oops", {"content-length": "999"}, announced=False))
        (made,) = world.publish(world.completed()).notified.attempts
        assert (made.outcome, made.kind, made.status, made.answer) == ("retry", "http", 500, "oops")
        assert "not whole" in made.detail


class TestTokens:
    @pytest.mark.parametrize("word", ["completed", "failed"])
    def test_each_waiting_execution_is_answered_once(self, world: World, word: str) -> None:
        """With the event, which says how the task ended."""
        for token in ("token-a", "token-b"):
            world.submit(task_token=token)
        watch = world.settle(says(word, url=world.video()))
        event = world.publish(watch).event
        world.publish(watch)
        assert sorted(world.machines.answered) == [("token-a", event), ("token-b", event)]

    def test_a_token_that_we_may_not_answer_holds_up_nobody(self, world: World) -> None:
        """It is kept, so that submitting the task again tries it again once that is mended."""
        world.submit(task_token="theirs")
        world.submit(task_token="ours")
        published = world.publish(world.completed())
        assert (published.forbidden, [token for token, _ in world.machines.answered]) == (1, ["ours"])
        assert world.ledger.tasks.tokens(event_of(published).watch_id) == ["theirs"]

    def test_a_token_is_in_nothing_that_is_told_or_started(self, world: World) -> None:
        """It is a credential."""
        world.submit(task_token="canary")
        published = world.publish(world.completed())
        assert "canary" not in str(
            [published, world.machines.started, world.ledger.tasks.watch(event_of(published).watch_id)]
        )


class TestProgress:
    def told(self, world: World) -> list[dict[str, Any]]:
        return [json.loads(asked.body) for asked in world.web.to("/one")]

    def underway(self, world: World, progress: int = 40) -> str:
        watch = world.submit(progress=True).watch.id
        world.web.script("/tasks/t1", says("processing", progress=progress))
        world.wait(20)
        world.poll(watch)
        return watch

    def test_news_is_told_to_those_who_asked_for_it(self, world: World) -> None:
        """Others are told of the end."""
        world.subscribe("one", events=("*.progress",))
        world.subscribe("other")
        world.publish_progress(self.underway(world))
        assert [body["data"]["progress"] for body in self.told(world)] == [40]
        assert world.web.to("/other") == []

    def test_news_that_does_not_arrive_is_not_told_again(self, world: World) -> None:
        """The next news, or the end, says more."""
        subscriber = world.subscribe("one", DOWN, events=("*.progress",))
        published = world.publish_progress(self.underway(world))
        assert (published.notified.unreached, world.delivery(published, subscriber).state) == ((), "cancelled")
        assert world.redeliver(world.delivery(published, subscriber)).settled
        assert len(self.told(world)) == 1

    def test_news_that_meets_a_crash_leaves_nothing(self, world: World) -> None:
        """It would be started every quarter of an hour for a month."""
        world.subscribe("one", events=("*.progress",))
        watch = self.underway(world)
        with pytest.raises(Crash):
            world.but(http=Crashing(world.http, only="send")).publish_progress(watch)
        assert (self.told(world), world.ledger.deliveries.overdue(world.now + 86_400, 10)) == ([], [])

    def test_news_that_has_waited_for_others_is_dropped(self, world: World, monkeypatch: pytest.MonkeyPatch) -> None:
        """The state machine waits no longer, and may be telling the end."""
        monkeypatch.setattr("vidhook.notify.MOST_THREADS", 1)
        for name in ("slow", "one"):
            world.subscribe(name, events=("*.progress",))
            world.wait(1)
        watch = self.underway(world)

        class Slow:
            def send(self, *arguments: Any, **named: Any) -> Any:
                world.wait(60)
                return world.http.send(*arguments, **named)

        published = world.but(http=Slow()).publish_progress(watch)
        assert (len(world.web.to("/slow")), self.told(world), published.notified.unreached) == (1, [], ())

    def test_news_for_one_that_hangs_takes_a_moment_once_and_then_nothing(
        self, world: World, hanging: Subscriber
    ) -> None:
        """The task is polled meanwhile; after half an hour it may get news again."""
        watch = self.underway(world)
        for cut in (True, False):
            began = time.monotonic()
            published = world.publish_progress(watch)
            assert time.monotonic() - began < 2
            assert [made.kind for made in published.notified.attempts] == ["timeout"] * cut
            world.wait(60)
            world.poll(watch)
        world.wait(3_600)
        assert [made.kind for made in world.publish_progress(watch).notified.attempts] == ["timeout"]

    def test_news_is_never_told_after_the_end(self, world: World) -> None:
        """It would look as if the task went on."""
        world.subscribe("one", events=("*",))
        watch = self.underway(world)
        world.publish(watch, store=False)
        assert world.publish_progress(watch).event is None
        assert [body["type"] for body in self.told(world)] == ["video.failed"]

    @pytest.mark.parametrize("state", ["paused", "disabled"])
    def test_news_is_not_held_for_anybody(self, world: World, state: str) -> None:
        """Old news drained days later is worth nothing."""
        world.subscribe("one", events=("*",), state=state)
        published = world.publish_progress(self.underway(world))
        assert world.ledger.deliveries.of_task(event_of(published).watch_id) == []


class Crash(BaseException):
    """The process was killed. No `except Exception` may catch it."""


class Crashing:
    """An edge that dies at one of its calls, before or after it was made."""

    def __init__(self, edge: Any, only: str = "", calls: "itertools.count[int] | None" = None, at: int = 0) -> None:
        self._edge, self._only, self._calls, self._at = edge, only, calls or itertools.count(), at

    def __getattr__(self, name: str) -> Any:
        known = getattr(self._edge, name)
        if type(known).__module__.startswith("vidhook.edges.ledger."):  # a part of the ledger is such an edge too
            part = object.__new__(type(self))
            vars(part).update(vars(self), _edge=known)
            return part
        if not callable(known) or (self._only and name != self._only):
            return known

        def call(*arguments: Any, **named: Any) -> Any:
            if next(self._calls) == self._at:
                raise Crash(name)
            answer = known(*arguments, **named)
            if next(self._calls) == self._at:
                raise Crash(name)
            return answer

        return call


@pytest.mark.parametrize("word", ["completed", "failed"])
def test_killed_at_any_line_the_event_still_arrives_with_one_id_and_the_same_bytes(
    quick_world: World, word: str
) -> None:
    """Every write may be the last one of a process: before it and after it, the next one goes on."""
    world = quick_world
    one = world.subscribe("one")
    crashes = 0
    for at in range(200):
        task_id = f"t{at}"
        world.submit(task_id, task_token=f"token-{at}")
        watch = world.settle(says(word, url=world.video()), task_id=task_id)
        calls = itertools.count()
        names = ("ledger", "bucket", "http", "secrets", "bus", "machines")
        edges = {name: Crashing(getattr(world, name), calls=calls, at=at) for name in names}
        told_before = len(world.web.to("/one"))
        try:
            world.but(**edges).publish(watch)
        except Crash:
            crashes += 1
        else:
            break
        world.wait(30)
        published = world.publish(watch)
        received = world.web.to("/one")[told_before:]
        assert {(asked.headers["webhook-id"], asked.body) for asked in received} == {
            (event_of(published).id, event_of(published).body.encode())
        }
        assert world.ledger.tasks.event(watch) == published.event
        assert {event.id for event in world.bus.events if event.watch_id == watch} == {event_of(published).id}
        assert {token for token, event in world.machines.answered if event.watch_id == watch} == {f"token-{at}"}
        if not published.notified.unreached:
            assert world.delivery(published, one).state == "delivered"
    assert crashes > 20
