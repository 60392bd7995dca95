"""What a crash left standing is moved on, and what cannot be moved holds up nothing else."""

import boto3
import pytest

from tests.integration.world import Answer, FakeMachines, World
from vidhook import subscribers
from vidhook.sweep import Swept, sweep
from vidhook.task import SubscriberState

LONG = 86_400


class Asleep(FakeMachines):
    """No execution runs, and some cannot be started."""

    def __init__(self, refused: str = "") -> None:
        super().__init__()
        self.refused = refused

    def start_watch(self, execution: str, watch_id: str, pause: int, *, create: bool = False) -> bool:
        if self.refused and execution.startswith(self.refused):
            raise PermissionError(execution)
        return super().start_watch(execution, watch_id, pause, create=create)


def swept(world: World, machines: FakeMachines) -> Swept:
    found = sweep(world.but(machines=machines).runs, world.secrets)
    if found.errors:
        raise ExceptionGroup("some could not be moved", found.errors)
    return found


def test_what_stands_still_is_started_once(world: World) -> None:
    """A watch with no execution, a delivery with none, and nothing of it again a moment later."""
    late = world.subscribe("late", Answer(500))
    delivery = world.delivery(world.publish(world.completed()), late)
    watch = world.submit("t2").watch
    world.wait(LONG)
    machines = Asleep()
    assert swept(world, machines) == Swept(watches=1, deliveries=1)
    assert {argument["watch"] for argument in machines.started.values()} == {watch.id, delivery.watch_id}
    assert swept(world, machines) == Swept()


def test_a_watch_whose_execution_failed_is_started_and_told_of(world: World) -> None:
    """AWS may lose its word of an execution that ended, and then nobody else would ring."""
    watch = world.submit("t2").watch
    world.submit("t3")
    world.wait(LONG)
    machines = Asleep()
    machines.failed = {watch.execution}
    assert swept(world, machines) == Swept(watches=2, failed=1)
    assert swept(world, machines) == Swept()


def test_what_an_earlier_version_held_is_found_in_the_table(world: World) -> None:
    """Its subscriber was resumed long ago, and no index has it."""
    held = world.subscribe("held", state=SubscriberState.PAUSED)
    delivery = world.delivery(world.publish(world.completed()), held)
    world.subscribe("held")
    swept(world, Asleep())
    table = boto3.resource("dynamodb").Table(world.ledger.table.name)
    key = {"pk": delivery.watch_id, "sk": f"delivery#{delivery.event_id}#{held.id}"}
    table.update_item(Key=key, UpdateExpression="REMOVE due, due_at, expires_at")
    world.wait(LONG)
    assert swept(world, Asleep()) == Swept(drained=1)
    assert swept(world, Asleep()) == Swept()
    assert table.get_item(Key={"pk": "upgrades", "sk": "held"})["Item"]["done"]


def test_a_watch_whose_event_is_no_longer_stored_is_left_in_peace(world: World) -> None:
    """Nobody can be told of it, and each sweep would start an execution that fails."""
    watch_id = world.completed()
    world.publish(watch_id)
    world.ledger.tasks.add_callback(world.ledger.tasks.watch(watch_id), f"{world.web.url}/late")
    world.forget_event(watch_id)
    world.wait(LONG)
    assert swept(world, Asleep()) == Swept()
    assert world.ledger.tasks.watch(watch_id).told
    assert world.ledger.tasks.overdue(world.now, 10) == []


def test_what_a_resume_leaves_is_drained_by_the_sweeps(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """A subscriber that was gone for a week has more held for it than one request of the API can start."""
    monkeypatch.setattr(subscribers, "AT_ONCE", 2)
    gone = world.subscribe("gone", state=SubscriberState.DISABLED)
    for number in range(3):
        world.publish(world.completed(task_id=f"t{number}"))
    machines = Asleep()
    resumed, drained = subscribers.resume(gone.id, runs=world.but(machines=machines).runs)
    assert (resumed.active, drained) == (True, 2)
    assert swept(world, machines) == Swept(drained=1)
    assert list(world.ledger.deliveries.held(gone.id)) == []
    assert len(machines.started) == 3


@pytest.mark.parametrize("broken", ["start", "item"])
def test_one_that_cannot_be_moved_holds_up_nothing_else(world: World, broken: str) -> None:
    """An item that a version before this one cannot read would end every sweep for a hundred days."""
    late = world.subscribe("late", Answer(500))
    world.publish(world.completed())
    bad, good = world.submit("t2").watch, world.submit("t3").watch
    if broken == "item":
        boto3.client("dynamodb").update_item(
            TableName=world.ledger.table.name,
            Key={"pk": {"S": bad.id}, "sk": {"S": "watch"}},
            UpdateExpression="SET submission = :new",
            ExpressionAttributeValues={":new": {"S": '{"provider":"acme","task_id":"t2","colour":"blue"}'}},
        )
    world.wait(LONG)
    machines = Asleep(refused=bad.id if broken == "start" else "")
    with pytest.raises(ExceptionGroup) as told:
        swept(world, machines)
    assert len(told.value.exceptions) == 1
    started = {(argument["watch"], argument.get("subscriber")) for argument in machines.started.values()}
    assert (good.id, None) in started
    assert late.id in {subscriber for _, subscriber in started}
