"""The real template in the local cloud, IAM enforced and waits twenty times faster: one for all tests of a worker."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from vidhook_cli.sandbox.cloud import Cloud, running
from vidhook_cli.sandbox.provider import SampleProvider
from vidhook_cli.sandbox.subscriber import SampleSubscriber

WAIT_SCALE = 0.05


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
