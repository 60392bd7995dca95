"""The API does what its OpenAPI document says, whatever requests schemathesis makes of it."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pytest
import schemathesis
from hypothesis import HealthCheck, settings
from schemathesis.core.parameters import ParameterLocation

import serve_api
from tests.integration.gateway import Gateway, served
from tests.integration.world import DEFAULT_SECRET, World
from vidhook import openapi, subscribers
from vidhook.links import video_token

if TYPE_CHECKING:
    from schemathesis.specs.openapi.schemas import OpenApiCase

# API Gateway asks for credentials before the handler is called; the tests of the deployed stack look at that.
schema = schemathesis.openapi.from_dict({**openapi.document(), "security": []})
schema.app = Gateway(serve_api.handler)


@dataclass(frozen=True)
class Stack:
    """A served stack with a published task and a subscriber that was not reached at first."""

    world: World
    task: str
    unreached: str

    def subscriber(self) -> str:
        """Returns the id of a new subscriber."""
        world = self.world
        added, _ = subscribers.add(
            subscribers.Terms(world.web.url),
            ledger=world.ledger,
            secrets=world.secrets,
            http=world.http,
            clock=world.clock,
        )
        return added.id


@pytest.fixture
def stack(world: World, monkeypatch: pytest.MonkeyPatch) -> Stack:
    served(world, monkeypatch)
    unreached = Stack(world, "", "").subscriber()
    task = world.completed()
    world.publish(task)
    return Stack(world, task, unreached)


@schema.parametrize()
@settings(max_examples=10, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_the_api_does_what_its_document_says(case: "OpenApiCase", stack: Stack) -> None:
    """It answers as documented, accepts what fits the document, and refuses what does not."""
    point_at_what_exists(case, stack)
    case.call_and_validate()


def point_at_what_exists(case: "OpenApiCase", stack: Stack) -> None:
    """Names what exists, such as a task or a receiver, where the document can only describe the form."""

    def fits(location: ParameterLocation) -> bool:
        part = case.meta.components.get(location) if case.meta else None
        return part is not None and part.mode.is_positive

    path = case.path_parameters
    if fits(ParameterLocation.PATH):
        if "task" in path:
            path["task"] = stack.task
        if "subscriber" in path:
            path["subscriber"] = stack.unreached if "task" in path else stack.subscriber()
        known = {
            "provider": "acme",
            "schema": "video.completed",
            "token": video_token(DEFAULT_SECRET, f"acme/{stack.task}/result.mp4"),
        }
        path.update({name: value for name, value in known.items() if name in path})
    if fits(ParameterLocation.QUERY):
        _filter_what_exists(case.query, stack)
    if fits(ParameterLocation.BODY) and isinstance(case.body, dict):
        real: dict[str, Any] = {"provider": "acme", "url": stack.world.web.url, "callback_url": stack.world.web.url}
        real["headers"] = {"X-Api-Key": "key-of-a-gateway"}
        real["params"] = {}  # the file of "acme" has none
        real["toml"] = stack.world.ledger.providers.text("acme")
        real |= {"task_id": "t1"} if "provider" in path else {}
        real |= {"since": "2026-04-27T11:20:12Z", "until": "2026-04-27T12:20:12Z"}
        if "toml" in case.body:
            del real["provider"]  # one of both is given
        case.body.update({name: value for name, value in real.items() if name in case.body})
        case.headers.pop("Idempotency-Key", None)  # it may not be another one than that of the body


def _filter_what_exists(query: dict[str, Any], stack: Stack) -> None:
    query.pop("cursor", None)
    if "find" in query:
        query.pop("reference", None)
    if "subscriber" in query:
        query["subscriber"] = stack.unreached
    elif str(query.get("type")).endswith(".progress"):
        del query["type"]  # it needs a subscriber
