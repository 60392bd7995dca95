"""A function that never works again: its watch still ends in an event."""

from collections.abc import Iterator

import pytest

from tests.e2e.bridge import Bridge, event_in, webhooks
from vidhook_sandbox.cloud import running
from vidhook_sandbox.provider import SampleProvider
from vidhook_sandbox.subscriber import SampleSubscriber

pytestmark = pytest.mark.slow


@pytest.fixture
def broken(request: pytest.FixtureRequest) -> Iterator[Bridge]:
    """A stack of its own in which one function cannot be loaded; its hours of retries take seconds."""
    with running(wait_scale=1e-5, auth=True) as cloud, SampleProvider() as provider:
        cloud.use(provider)
        bridge = Bridge(cloud, provider)
        cloud.client("lambda").update_function_configuration(
            FunctionName=bridge.function(request.param), Handler="no_such_module.handler"
        )
        yield bridge


@pytest.mark.parametrize("broken", ["PollTaskFunction"], indirect=True)
def test_a_task_that_cannot_be_polled_is_reported_as_failed(broken: Bridge) -> None:
    """Subscribers must be notified that vidhook has stopped following the task."""
    with SampleSubscriber() as app:
        broken.cloud.subscribe(app)
        task = broken.task(seconds=3_600)
        broken.submit(task)
        error = event_in(webhooks(app, task)[0])["data"]["error"]
        assert (error["code"], error["category"], error["retryable"]) == ("WATCH_FAILED", "provider", None)
        assert "could not be polled" in error["message"]
        assert broken.ended(broken.execution_arn(task))["status"] == "SUCCEEDED"
