"""The real template in the local cloud, IAM enforced and waits twenty times faster: one for all tests of a worker."""

from collections.abc import Callable, Iterator
from typing import Any

import boto3
import pytest
from bridge import WAIT_SCALE, Bridge
from click.testing import CliRunner, Result

from vidhook_cli.main import main
from vidhook_cli.stack import stack
from vidhook_sandbox.cloud import REGION, Cloud, running
from vidhook_sandbox.provider import SampleProvider
from vidhook_sandbox.subscriber import SampleSubscriber


@pytest.fixture(scope="session")
def cloud() -> Iterator[Cloud]:
    with running(wait_scale=WAIT_SCALE, auth=True) as cloud:
        yield cloud


@pytest.fixture(scope="session")
def provider(cloud: Cloud) -> Iterator[SampleProvider]:
    """A sample provider that the stack knows all four providers at."""
    with SampleProvider() as provider:
        cloud.use(provider)
        yield provider


@pytest.fixture(scope="session")
def bridge(cloud: Cloud, provider: SampleProvider) -> Bridge:
    bridge = Bridge(cloud, provider)
    bridge.listen()
    return bridge


@pytest.fixture
def cli(cloud: Cloud, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., Result]]:
    """Runs the `vidhook` command as on the machine of whoever operates the stack."""
    environment = {
        "AWS_ENDPOINT_URL": cloud.endpoint,
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",
        "AWS_DEFAULT_REGION": REGION,
        "NO_PROXY": "127.0.0.1",
    }
    monkeypatch.delenv("AWS_PROFILE", raising=False)
    monkeypatch.delenv("AWS_SESSION_TOKEN", raising=False)
    monkeypatch.setattr(boto3, "DEFAULT_SESSION", None)
    stack.cache_clear()
    yield lambda *arguments: CliRunner().invoke(main, [str(each) for each in arguments], env=environment)
    stack.cache_clear()


@pytest.fixture
def subscriber(cloud: Cloud) -> Iterator[Callable[..., SampleSubscriber]]:
    """Makes sample subscribers that the stack knows, for one test.

    `events`, `providers` and `metadata` are the stack's filter; everything else is how the subscriber behaves.
    """
    made: list[tuple[str, SampleSubscriber]] = []

    def make(
        *,
        events: tuple[str, ...] = ("*.completed", "*.failed"),
        providers: tuple[str, ...] = ("*",),
        metadata: dict[str, Any] | None = None,
        **behaviour: Any,
    ) -> SampleSubscriber:
        sample = SampleSubscriber(**behaviour)
        added = cloud.subscribe(sample, events=events, providers=providers, metadata=metadata)
        made.append((added.id, sample))
        return sample

    yield make
    for subscriber_id, sample in made:
        cloud.ledger.remove_subscriber(subscriber_id)
        sample.stop()
