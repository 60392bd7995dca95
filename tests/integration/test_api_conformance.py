"""Whatever schemathesis makes of the OpenAPI document, the API keeps to what it says there."""

from dataclasses import dataclass

import pytest
import schemathesis
from gateway import Gateway, served
from hypothesis import HealthCheck, settings
from schemathesis.core.parameters import ParameterLocation
from world import DEFAULT_SECRET, World

import serve_api
from vidhook import openapi, subscribers
from vidhook.links import video_token

# API Gateway asks for credentials before the handler is called; the tests of the deployed stack look at that.
schema = schemathesis.openapi.from_dict({**openapi.document(), "security": []})
schema.app = Gateway(serve_api.handler)


@dataclass(frozen=True)
class Stack:
    """A served stack in which a subscriber was told of a task, in vain at first."""

    world: World
    task: str
    told: str

    def subscriber(self) -> str:
        """The id of a new subscriber."""
        world = self.world
        added, _ = subscribers.add(
            world.web.url,
            stack=world.prefix,
            ledger=world.ledger,
            secrets=world.secrets,
            http=world.http,
            now=world.now,
        )
        return added.id


@pytest.fixture
def stack(world: World, monkeypatch: pytest.MonkeyPatch) -> Stack:
    served(world, monkeypatch)
    told = Stack(world, "", "").subscriber()
    task = world.completed()
    world.publish(task)
    return Stack(world, task, told)


@schema.parametrize()
@settings(max_examples=10, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_the_api_keeps_to_its_document(case: schemathesis.Case, stack: Stack) -> None:
    """Statuses, headers and bodies are as documented; what fits the document is taken and what does not is refused."""
    point_at_what_exists(case, stack)
    case.call_and_validate()


def point_at_what_exists(case: schemathesis.Case, stack: Stack) -> None:
    """Names a real task, subscriber, video, provider and receiver where the document can only describe their form."""

    def fits(location: ParameterLocation) -> bool:
        part = case.meta.components.get(location) if case.meta else None
        return part is not None and part.mode.is_positive

    path = case.path_parameters
    if fits(ParameterLocation.PATH):
        if "task" in path:
            path["task"] = stack.task
        if "subscriber" in path:
            path["subscriber"] = stack.told if "task" in path else stack.subscriber()
        if "token" in path:
            path["token"] = video_token(DEFAULT_SECRET, f"acme/{stack.task}/result.mp4")
    if fits(ParameterLocation.QUERY):
        case.query.pop("cursor", None)
    if fits(ParameterLocation.BODY) and isinstance(case.body, dict):
        real = {"provider": "acme", "url": stack.world.web.url, "callback_url": stack.world.web.url}
        case.body.update({name: text for name, text in real.items() if name in case.body})
