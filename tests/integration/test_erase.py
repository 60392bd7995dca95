"""A task that was erased is nowhere any more, and nothing brings it back."""

import base64
import itertools
import json
import zlib
from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING, Any, cast

import boto3
import pytest

import poll_task
import publish_event
from tests.integration.test_handlers import Context
from tests.integration.test_publish import Crash, Crashing
from tests.integration.world import Answer, World, event_of, says
from vidhook.erase import OVER_SECONDS, Eraser
from vidhook.errors import Conflict, Erased, NotFound
from vidhook.submit import AFTER_AN_ATTEMPT
from vidhook.sweep import sweep
from vidhook.task import Delivery, DeliveryState, Poll, Snapshot, Status, watch_id
from vidhook.times import iso

if TYPE_CHECKING:
    from aws_lambda_powertools.utilities.typing import LambdaContext

CANARY = "canary-8c1f"


def everything(world: World) -> str:
    """All that the stores hold, as one text: every item of the ledger, every version of every object, every upload."""
    items = boto3.client("dynamodb").scan(TableName=world.ledger.table.name)["Items"]
    s3, bucket = boto3.client("s3"), world.bucket.name
    found = s3.list_object_versions(Bucket=bucket)
    versions = [*found.get("Versions", []), *found.get("DeleteMarkers", [])]
    uploads = s3.list_multipart_uploads(Bucket=bucket).get("Uploads", [])
    readable = [item for item in items if item["pk"]["S"] != "providers"]
    answers = [unpacked(item["body"]["S"]) for item in items if item["sk"]["S"].startswith("answer") and "body" in item]
    return json.dumps([readable, answers, [each["Key"] for each in (*versions, *uploads)]], default=str)


def unpacked(body: str) -> str:
    return zlib.decompress(base64.b64decode(body)).decode()


def marked(world: World, task_id: str = "t1", **fields: Any) -> str:
    """The id of a published task with a canary in all that its submitter and its provider say."""
    url = world.web.script(f"/hook-{CANARY}", Answer(503), Answer(200))
    film = world.video()
    watch = world.settle(
        says("completed", url=film, prompt=CANARY),
        task_id=task_id,
        metadata={"who": CANARY},
        reference=f"order-{CANARY}",
        callback_url=url,
        **fields,
    )
    world.ledger.tasks.put_token(watch, f"theirs-{CANARY}", world.now)
    world.publish(watch)
    world.submit(task_id, callback_url=world.web.script(f"/late-{CANARY}", Answer(200)))
    return watch


def erase(world: World, watch: str) -> None:
    world.ledger.tasks.begin_erasure(watch, world.now)
    world.eraser.erase(watch)


def swept(world: World) -> int:
    found = sweep(world.runs, world.secrets, world.eraser)
    assert found.errors == ()
    return found.erased


@pytest.fixture
def versioned(world: World) -> World:
    boto3.client("s3").put_bucket_versioning(Bucket=world.bucket.name, VersioningConfiguration={"Status": "Enabled"})
    return world


def test_nothing_of_an_erased_task_is_in_any_store(versioned: World) -> None:
    """Whoever asks for it means all: metadata, reference, callback_urls, answer, film, versions, uploads."""
    world = versioned
    world.subscribe("one", Answer(500, CANARY.encode()))
    watch = marked(world)
    key = f"acme/{watch}/result.mp4"
    s3 = boto3.client("s3")
    s3.put_object(Bucket=world.bucket.name, Key=key, Body=b"an earlier version")
    s3.delete_object(Bucket=world.bucket.name, Key=key)
    s3.create_multipart_upload(Bucket=world.bucket.name, Key=f"acme/{watch}/original.mp4")
    before = everything(world)
    assert before.count(CANARY) > 10
    assert before.count(watch) > 5
    erase(world, watch)
    after = everything(world)
    assert not [each for each in json.loads(after)[0] if CANARY in json.dumps(each)]
    assert CANARY not in after
    assert f"acme/{watch}" not in after
    kept = [item for item in json.loads(after)[0] if watch in json.dumps(item)]
    assert sorted(item["sk"]["S"] for item in kept) == ["answer", "watch"]
    assert world.bus.reports == [("task.erased", {"id": watch, "erased_at": iso(world.now)})]
    for look in (world.ledger.tasks.watch, world.cancel, world.retry):
        with pytest.raises(Erased, match="was erased at"):
            look(watch)
    assert world.ledger.tasks.of_reference(f"order-{CANARY}") == []
    assert list(world.ledger.tasks.all()) == []
    assert world.ledger.tasks.events(watch) == []
    assert not world.bucket.holds(key)
    world.wait(OVER_SECONDS + 1)
    assert swept(world) == 1
    assert swept(world) == 0
    assert "left" not in everything(world)
    assert len(world.bus.reports) == 1


@pytest.mark.parametrize("stage", ["asked", "busy", "created", "refused"])
def test_nothing_of_a_task_that_vidhook_creates_is_left_either(world: World, stage: str) -> None:
    """Its prompt is in the body of the request, and its own names are in keys."""
    said = {"busy": says("x", 429, message=CANARY), "refused": says("x", 400, error=f"a prompt with {CANARY}")}
    world.web.script("/videos", said.get(stage, says("queued", id=f"vid-{CANARY}", prompt=CANARY)))
    fields = {"reference": f"order-{CANARY}", "idempotency_key": f"key-{CANARY}", "metadata": {CANARY: 1}}
    watch = world.ask_for(create={"prompt": CANARY}, **fields).watch
    if stage != "asked":
        world.create(watch.id)
    assert everything(world).count(CANARY) >= 4
    erase(world, watch.id)
    assert CANARY not in everything(world)
    with pytest.raises(Conflict, match="was erased"):
        world.ask_for(create={"prompt": CANARY}, **fields)
    with pytest.raises(Erased):
        world.create(watch.id)
    assert CANARY not in everything(world)


def test_other_tasks_keep_what_is_theirs(versioned: World) -> None:
    """Two tasks may share a reference, a callback_url and a part of the keys."""
    world = versioned
    watch, other = marked(world), marked(world, "t12")
    erase(world, watch)
    assert [each.id for each in world.ledger.tasks.of_reference(f"order-{CANARY}")] == [other]
    assert world.bucket.holds(f"acme/{other}/result.mp4")
    assert len(world.ledger.deliveries.of_task(other)) == 2
    for each in world.ledger.deliveries.of_task(other):
        assert world.ledger.subscribers.get(each.subscriber_id).url.startswith(world.web.url)


def test_a_callback_url_that_went_with_another_task_still_gets_its_events(world: World) -> None:
    """Its item may be removed between another task's publishing and its redelivery."""
    watch = world.settle(says("failed", error="no"), callback_url=world.web.script("/hook", Answer(503), Answer(200)))
    published = world.publish(watch)
    delivery = next(iter(world.ledger.deliveries.of_task(watch)))
    world.ledger.subscribers.remove(delivery.subscriber_id)
    assert world.redeliver(delivery).state is DeliveryState.DELIVERED
    assert event_of(published).id == world.web.to("/hook")[-1].headers["webhook-id"]


@pytest.mark.slow
def test_killed_at_any_step_a_repeat_or_the_sweeper_finishes_it(world: World) -> None:
    """The tombstone comes first, so nothing is shown of what is half gone."""
    crashes = 0
    for at in range(60):
        watch = marked(world, f"t{at}")
        world.machines.answered.clear()
        world.ledger.tasks.begin_erasure(watch, world.now)
        calls = itertools.count()
        edges: dict[str, Any] = {
            name: Crashing(getattr(world, name), calls=calls, at=at) for name in ("ledger", "machines", "bucket", "bus")
        }
        try:
            Eraser(**edges, clock=world.clock).erase(watch)
        except Crash:
            crashes += 1
            with pytest.raises(Erased):
                world.ledger.tasks.watch(watch)
            if at % 2:
                assert swept(world) >= 1
            else:
                world.eraser.erase(watch)
        else:
            break
        assert CANARY not in everything(world)
    assert crashes > 8


class TestNothingBringsItBack:
    def test_a_second_submission_is_refused(self, world: World) -> None:
        """Not a new watch of the same task, and no pointer of its reference."""
        watch = marked(world)
        erase(world, watch)
        world.machines.started.clear()
        with pytest.raises(Conflict, match="was erased at"):
            world.submit(reference=f"again-{CANARY}", metadata={"who": CANARY}, task_token=f"x{CANARY}")
        assert CANARY not in everything(world)
        assert world.machines.started == {}

    def test_the_id_that_its_provider_gave_keeps_it_erased_for_as_long_as_its_own(self, world: World) -> None:
        """A task that vidhook created is known by both, and is erased by either."""
        world.web.script("/videos", says("queued", id="vid-1"))
        watch = world.ask_for(deadline_seconds=60).watch
        world.create(watch.id)
        world.wait(30 * 86_400)
        erase(world, watch.id)
        lives = [world.ledger.table.get(each, "watch", "x")["ttl"] for each in (watch.id, watch_id("acme", "vid-1"))]
        assert lives[1] >= lives[0]
        with pytest.raises(Conflict, match="was erased") as refused:
            world.submit("vid-1")
        assert refused.value.field == "task_id"
        for name in ("reference", "idempotency_key"):
            erase(world, world.ask_for(**{"reference": "order-18", name: "order-18"}).watch.id)
            with pytest.raises(Conflict, match="was erased") as refused:
                world.ask_for(**{"reference": "order-18", name: "order-18"})
            assert refused.value.field == name

    def test_a_refused_reference_leaves_no_pointer(self, world: World) -> None:
        """It is text of somebody, under which nothing can be found."""
        world.submit(reference="one")
        with pytest.raises(Conflict):
            world.submit(reference=f"two-{CANARY}")
        assert CANARY not in everything(world)

    def test_a_poll_that_was_under_way_writes_nothing(self, world: World) -> None:
        """Its answer came after the erasure."""
        watch = world.submit(metadata={"who": CANARY}).watch
        erase(world, watch.id)
        snapshot = Snapshot(Status.COMPLETED, prompt=CANARY)
        with pytest.raises(Erased):
            world.ledger.tasks.note_poll(watch, Poll(world.now, "completed"), snapshot, settled=True)
        world.web.script("/tasks/t1", says("completed", url=world.video(), prompt=CANARY))
        world.ledger.tasks.watch, original = (lambda watch_id: watch), world.ledger.tasks.watch  # type: ignore[method-assign]
        world.poll(watch.id)
        world.ledger.tasks.watch = original  # type: ignore[method-assign]
        assert CANARY not in everything(world)

    def test_a_publishing_that_was_under_way_writes_no_event(self, world: World) -> None:
        """And what it had stored by then goes with the sweep an hour later."""
        watch = world.completed(metadata={"who": CANARY})
        known = world.ledger.tasks.watch(watch)
        world.ledger.tasks.begin_erasure(watch, world.now)
        world.eraser.erase(watch)
        reads = iter([known])
        original = world.ledger.tasks.watch
        world.ledger.tasks.watch = lambda watch_id: next(reads, None) or original(watch_id)  # type: ignore[method-assign]
        with pytest.raises(Erased):
            world.publish(watch)
        assert world.ledger.tasks.events(watch) == []
        assert CANARY not in everything(world)
        world.wait(OVER_SECONDS + 1)
        swept(world)
        assert not world.bucket.holds(f"acme/{watch}/result.mp4")
        assert f"acme/{watch}" not in everything(world)

    def test_redeliveries_end_quietly(self, world: World) -> None:
        """Their executions wake up hours later."""
        watch = marked(world)
        due = [each for each in world.ledger.deliveries.of_task(watch) if each.state is DeliveryState.DUE]
        assert due
        erase(world, watch)
        for each in due:
            assert world.redeliver(each).settled
        world.wait(AFTER_AN_ATTEMPT + 7_200)
        assert sweep(world.runs, world.secrets, world.eraser).deliveries == 0

    def test_the_handlers_end_the_execution_that_still_runs(
        self, world: World, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Without an error that would wake somebody up."""
        for module in (poll_task, publish_event):
            monkeypatch.setattr(module, "edges", lambda: world)
        watch = marked(world)
        erase(world, watch)
        given, context = {"watch": watch, "execution": watch}, cast("LambdaContext", Context())
        polled = poll_task.handler(given, context)
        assert (polled["known"], polled["settled"]) == (True, True)
        assert publish_event.handler(given, context)["event"] is None
        stopped = {"detail-type": "Step Functions Execution Status Change"}
        detail = {"input": json.dumps({"watch": watch}), "status": "ABORTED", "executionArn": f"arn:x:{watch}"}
        assert publish_event.handler({**stopped, "detail": detail}, context) == {}


def test_who_waits_for_it_gets_a_failure_and_its_execution_is_stopped(world: World) -> None:
    """A caller would hang for a year."""
    watch = world.submit().watch
    world.ledger.tasks.put_token(watch.id, "waits", world.now)
    erase(world, watch.id)
    assert world.machines.erased == ["waits"]
    assert world.machines.stopped == [watch.execution]


@pytest.mark.parametrize("begin", [lambda world: world.submit().watch.id, lambda world: world.completed(), marked])
def test_a_task_can_be_erased_in_any_state(world: World, begin: Callable[[World], str]) -> None:
    """Followed, settled or told."""
    watch = begin(world)
    erase(world, watch)
    assert f"acme/{watch}" not in everything(world)
    world.eraser.erase(watch)
    assert len(world.bus.reports) == 1


def test_what_is_not_known_cannot_be_erased(world: World) -> None:
    """A tombstone for each id that somebody types would fill the ledger."""
    with pytest.raises(NotFound):
        world.ledger.tasks.begin_erasure("tsk_" + "a" * 26, world.now)


def test_a_callback_url_that_comes_at_the_same_time_goes_too(world: World) -> None:
    """The erasure must know all that there is to remove."""
    watch = world.submit(callback_url=world.web.url).watch
    late = f"{world.web.url}/{CANARY}"
    original, added = world.ledger.table.get, list[str]()

    def get(pk: str, sk: str, what: str) -> Any:
        item = original(pk, sk, what)
        if not added:
            added.append(late)
            world.ledger.tasks.add_callback(watch, late)
        return item

    world.ledger.table.get = get  # type: ignore[method-assign]
    left = world.ledger.tasks.begin_erasure(watch.id, world.now)
    assert len(left.callbacks) == 2


def test_removing_all_leaves_what_only_begins_like_it(versioned: World) -> None:
    """A prefix ends with its slash."""
    bucket = versioned.bucket
    s3 = boto3.client("s3")
    for key in ("acme/tsk_a/result.mp4", "acme/tsk_ab/result.mp4"):
        s3.put_object(Bucket=bucket.name, Key=key, Body=b"x")
    bucket.remove_all("acme/tsk_a/")
    assert bucket.holds("acme/tsk_ab/result.mp4")
    assert not bucket.holds("acme/tsk_a/result.mp4")


def test_a_delivery_of_an_erased_task_is_no_success_later(world: World) -> None:
    """An attempt that was under way must not write its delivery anew."""
    watch = marked(world)
    due = next(each for each in world.ledger.deliveries.of_task(watch) if each.state is DeliveryState.DUE)
    erase(world, watch)
    changed: Delivery = replace(due, state=DeliveryState.DELIVERED)
    world.ledger.deliveries.change(changed)
    assert world.ledger.deliveries.of_task(watch) == []
