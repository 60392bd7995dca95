"""Tasks are found by their submitter's own id for them, with two requests among any number of tasks."""

from dataclasses import replace
from typing import Any, cast

import pytest

from tests.integration.test_command_fuzz import deployed, run
from tests.integration.world import PROVIDER, Answer, World, event_of, says
from vidhook.edges.ledger import Ledger
from vidhook.errors import Conflict
from vidhook.find import tasks_named
from vidhook.task import Submission
from vidhook_cli.tasks import find

__all__ = ["deployed"]


class Counting:
    """A client of DynamoDB that notes what is asked of it."""

    def __init__(self, ledger: Ledger) -> None:
        self.asked, self._client = list[str](), ledger.table.client
        ledger.table.client = cast(Any, self)

    def __getattr__(self, name: str) -> Any:
        self.asked.append(name)
        return getattr(self._client, name)


def test_tasks_of_a_reference_are_found_newest_first_and_no_others(world: World) -> None:
    """A client that lost its notes knows only its own id."""
    for number, reference in enumerate(["order-17", "order-18", "order-17", None]):
        world.submit(f"t{number}", **({"reference": reference} if reference else {}))
        world.wait(1)
    assert [each.submission.task_id for each in world.ledger.tasks.of_reference("order-17")] == ["t2", "t0"]
    assert world.ledger.tasks.of_reference("order") == []


def test_the_requests_that_find_a_reference_are_two_however_many_tasks_there_are(quick_world: World) -> None:
    """Neither the other tasks are read, nor the older ones of a client that gives all the same reference."""

    world = quick_world
    for number in range(240):
        reference = "order-17" if number % 2 else f"order-{number}"
        world.ledger.tasks.claim(Submission("acme", f"t{number}", reference=reference), "x", 0, float(number))
    asked = Counting(world.ledger).asked
    found = world.ledger.tasks.of_reference("order-17")
    assert [each.submission.task_id for each in found] == [f"t{number}" for number in range(239, 39, -2)]
    assert asked == ["query", "batch_get_item"]
    assert [each.submission.task_id for each in world.ledger.tasks.of_reference("order-0")] == ["t0"]
    assert world.ledger.tasks.of_reference("order-") == []
    assert asked == ["query", "batch_get_item"] * 2 + ["query"]


def test_the_event_and_the_task_carry_the_reference(world: World) -> None:
    """A receiver finds its order without a look into metadata."""
    watch = world.settle(says("failed", error="no"), reference="order-17")
    event = world.publish(watch, store=False).event
    assert event is not None
    assert event.data["data"]["reference"] == "order-17"


def test_a_later_submission_cannot_change_the_reference(world: World) -> None:
    """It is answered with the difference, and the task is not found by the other one."""
    world.submit("t1", reference="order-17")
    assert not world.submit("t1", reference="order-17").created
    with pytest.raises(Conflict) as refused:
        world.submit("t1", reference="order-18")
    assert refused.value.differences == [{"field": "reference", "known": "order-17", "given": "order-18"}]
    assert world.ledger.tasks.of_reference("order-18") == []


def test_killed_at_any_request_of_a_submission_nothing_is_left_that_an_erasure_does_not_find(world: World) -> None:
    """A task is never there without its reference, nor a reference without its task."""
    creations: list[dict[str, Any]] = [{}, {"create": {"prompt": "x"}}]
    for create in creations:
        for at in range(99):
            reference, asked = f"order-{at}-{len(create)}", 0

            def crash(at: int = at, **_: Any) -> None:
                nonlocal asked
                asked += 1
                if asked > at:
                    raise KeyboardInterrupt

            given = create or {"task_id": reference}
            raw = {"provider": "acme", "reference": reference, **given}
            world.ledger.table.client.meta.events.register("before-call", crash)
            try:
                world.intake.submit(raw)
            except KeyboardInterrupt:
                pass
            finally:
                world.ledger.table.client.meta.events.unregister("before-call", crash)
            pointers = list(world.ledger.table.items(f"ref#{reference}"))
            assert [each["sk"][18:] for each in pointers] == [
                each.id for each in world.ledger.tasks.of_reference(reference)
            ]
            watch = world.intake.submit(raw).watch
            assert world.ledger.tasks.of_reference(reference) == [watch]
            if asked <= at:
                break
        assert at >= 1


def test_a_submission_beside_another_of_the_same_task_is_answered(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """DynamoDB refuses one of two transactions on an item; it is tried again, and finds the task of the other."""
    write, refused = world.ledger.table.client.transact_write_items, list[bool]()

    def conflict(**arguments: Any) -> Any:
        if not refused:
            refused.append(True)
            write(**arguments)
            reasons: Any = {
                "Error": {"Code": "TransactionCanceledException"},
                "CancellationReasons": [{"Code": "TransactionConflict"}],
            }
            raise world.ledger.table.client.exceptions.TransactionCanceledException(reasons, "TransactWriteItems")
        return write(**arguments)

    monkeypatch.setattr(world.ledger.table.client, "transact_write_items", conflict)
    assert not world.submit("t1", reference="order-17").created
    assert len(world.ledger.tasks.of_reference("order-17")) == 1


def test_the_reference_lives_for_as_long_as_its_task(world: World) -> None:
    """A task that is retried after weeks is found by it until the end."""
    watch = world.settle(says("failed", error="no"), reference="order-17")
    world.publish(watch, store=False)

    def ttl(pk: str, sk: str) -> Any:
        return world.ledger.table.get(pk, sk, "x")["ttl"]

    [pointer] = world.ledger.table.items("ref#order-17")
    assert pointer["ttl"] >= ttl(watch, "watch")
    world.wait(20 * 86_400)
    known = world.ledger.tasks.watch(watch)
    world.ledger.tasks.reopen(replace(known, retries=1), str(known.event_id), 0, world.now)
    assert ttl("ref#order-17", pointer["sk"]) >= ttl(watch, "watch")


def test_a_task_that_is_created_under_a_key_alone_is_found_by_it(deployed: World) -> None:
    """It is all that its client knows, before and after the provider gave an id."""
    deployed.web.script("/videos", says("queued", id="vid-1"))
    watch = deployed.intake.submit({"provider": "acme", "create": {"x": 1}, "idempotency_key": "k-1"}).watch
    for known in ({"k-1", "acme/k-1"}, {"k-1", "acme/k-1", "vid-1", "acme/vid-1"}):
        assert [each.id for each in deployed.ledger.tasks.of_reference("k-1")] == [watch.id]
        for name in sorted(known):
            assert find(name, deployed.ledger) == watch.id
        deployed.create(watch.id)
    deployed.ask_for(idempotency_key="k-2")
    assert run("why", "acme/order-17").exit_code == 1  # the key makes the id, the reference only finds it
    assert run("why", "order-17").exit_code == 0
    deployed.ledger.tasks.begin_erasure(watch.id, deployed.now)
    deployed.eraser.erase(watch.id)
    assert list(deployed.ledger.table.items("ref#k-1")) == []
    assert "was erased" in run("why", "acme/k-1").output


def test_a_task_is_found_by_every_name_for_it_and_by_no_other(world: World) -> None:
    """A person has one of them, from a log, an invoice or a webhook, and does not know which kind it is."""
    world.ledger.providers.put("other", PROVIDER.format(base_url=world.web.url).replace('"acme"', '"other"'))
    watch = world.settle(says("failed", error="no"), task_id="a/b", reference="order-17")
    event = event_of(world.publish(watch, store=False))
    for number in range(3):
        world.wait(1)
        world.submit(f"t{number}", reference="order-18")
    same = world.intake.submit({"provider": "other", "task_id": "t2"}).watch
    names = {each.submission.task_id: each.id for each in world.ledger.tasks.all() if each.id != same.id}

    def found(name: str) -> list[str]:
        return [each.id for each in tasks_named(name, world.ledger)]

    for name in (watch, event.id, "order-17", "acme/a/b", "a/b"):
        assert found(name) == [watch], name
    assert found("order-18") == [names[f"t{number}"] for number in (2, 1, 0)]
    assert found("acme/t2") == [names["t2"]]
    assert set(found("t2")) == {names["t2"], same.id}
    for name in (
        "order-1",
        "order",
        "t",
        "tsk_",
        "evt_",
        "acme/",
        "/",
        "x" * 512,
        f"tsk_{'a' * 26}",
        f"evt_{'a' * 26}",
    ):
        assert found(name) == [], name


def test_the_requests_that_find_a_name_are_few_however_many_tasks_there_are(quick_world: World) -> None:
    """A search box asks with every word that is typed, and a scan of a million tasks takes minutes."""
    world = quick_world
    for number in range(50):
        world.ledger.tasks.claim(Submission("acme", f"t{number}"), "x", 0, float(number))
    asked = Counting(world.ledger).asked
    for name in (f"tsk_{'a' * 26}", f"evt_{'a' * 26}", "t17", "acme/t17", "nothing"):
        asked.clear()
        tasks_named(name, world.ledger)
        assert len(asked) <= 4, name
        assert set(asked) <= {"query", "batch_get_item", "get_paginator"}


def test_the_id_of_an_event_leads_to_its_task_for_as_long_as_the_event_lives(world: World) -> None:
    """Also when a retry prolongs that, and for its second end."""
    watch = world.settle(says("processing"), Answer(404), task_id="t1", deadline_seconds=60, reference="order-17")
    first = event_of(world.publish(watch, store=False))

    def ttl(pk: str, sk: str) -> Any:
        return world.ledger.table.get(pk, sk, "x")["ttl"]

    assert ttl(first.id, "watch") == ttl(watch, "event")
    world.wait(86_400)
    world.retry(watch)
    assert ttl(first.id, "watch") == ttl(watch, "event") > world.now + world.ledger.table.event_days * 86_400
    world.web.script("/tasks/t1", says("completed", url=world.video()))
    world.poll(watch)
    second = event_of(world.publish(watch))
    assert second.id != first.id
    for event in (first, second):
        assert [each.id for each in tasks_named(event.id, world.ledger)] == [watch]
    world.ledger.tasks.begin_erasure(watch, world.now)
    world.eraser.erase(watch)
    for event in (first, second):
        assert list(world.ledger.table.items(event.id)) == []


def test_an_event_id_is_a_name_for_the_command_too(deployed: World) -> None:
    """It is what a receiver's log has."""
    watch = deployed.settle(says("failed", error="no"), task_id="t9")
    event = event_of(deployed.publish(watch, store=False))
    assert watch in run("why", event.id).output
    assert watch in run("task", event.id).output
    unknown = run("why", f"evt_{'a' * 26}")
    assert unknown.exit_code == 1
    assert "there is no task" in unknown.output


def test_why_tells_the_story_of_a_reference_in_one_screen(deployed: World) -> None:
    """What was asked, what is stored, who was told and answered what, and what comes next."""
    deployed.subscribe("wqixgbp6qz3wnlmxwtyqk3vwye")
    watch = deployed.settle(says("failed", error="content policy"), task_id="t9", reference="order-17")
    deployed.publish(watch, store=False)
    told = run("why", "order-17", "--json").output
    assert '"reference": "order-17"' in told
    assert '"state": "delivered"' in told
    for command in (["task", "order-17"], ["deliveries", "order-17"], ["replay", "order-17"]):
        assert run(*command).exit_code == 0
    missing = run("why", "order-18")
    assert missing.exit_code == 1
    assert "vidhook tasks --metadata order=17" in missing.output
