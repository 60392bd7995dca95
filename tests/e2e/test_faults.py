"""A function of ours that fails for good: its watch still ends in an event, by the way out that the machine draws."""

from collections.abc import Iterator

import pytest
from bridge import Bridge, webhooks

from vidhook_sandbox.cloud import running
from vidhook_sandbox.provider import SampleProvider
from vidhook_sandbox.subscriber import SampleSubscriber

pytestmark = pytest.mark.slow


@pytest.fixture
def broken(request: pytest.FixtureRequest) -> Iterator[Bridge]:
    """A stack of its own, hours of retries in seconds, in which one function has lost its code."""
    with running(wait_scale=1e-5, auth=True) as cloud, SampleProvider() as provider:
        cloud.use(provider)
        bridge = Bridge(cloud, provider)
        cloud.client("lambda").update_function_configuration(
            FunctionName=bridge.function(request.param), Handler="no_such_module.handler"
        )
        yield bridge


@pytest.mark.parametrize("broken", ["PollTaskFunction"], indirect=True)
def test_a_poller_that_fails_for_good_is_told_as_a_failed_task(broken: Bridge) -> None:
    """Whoever waits for the video must hear that nobody looks after it any more."""
    with SampleSubscriber() as app:
        broken.cloud.subscribe(app)
        task = broken.task(seconds=3_600)
        broken.submit(task)
        error = webhooks(app, task)[0].event["data"]["error"]
        assert (error["code"], error["category"], error["retryable"]) == ("WATCH_FAILED", "provider", True)
        assert "could not be polled" in error["message"]
        assert broken.ended(broken.execution_arn(task))["status"] == "SUCCEEDED"
