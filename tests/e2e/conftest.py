"""Fixtures: the real template in the local cloud, IAM enforced and waits twenty times shorter; one for each worker."""

import json
from collections.abc import Callable, Iterator, Mapping
from types import MappingProxyType
from typing import Any

import boto3
import pytest
from click.testing import CliRunner, Result

from tests.e2e.bridge import WAIT_SCALE, Bridge
from tests.events import check_event
from vidhook.edges import aws
from vidhook_cli.main import main
from vidhook_cli.stack import find_stack
from vidhook_sandbox.cloud import REGION, Cloud, running
from vidhook_sandbox.provider import SampleProvider
from vidhook_sandbox.subscriber import SampleSubscriber


@pytest.fixture(scope="session")
def cloud() -> Iterator[Cloud]:
    with running(wait_scale=WAIT_SCALE, auth=True) as cloud:
        yield cloud


@pytest.fixture(scope="session")
def provider(cloud: Cloud) -> Iterator[SampleProvider]:
    """A sample provider; the stack asks it instead of the real ones."""
    with SampleProvider() as provider:
        cloud.use(provider)
        yield provider


@pytest.fixture(scope="session")
def bridge(cloud: Cloud, provider: SampleProvider) -> Bridge:
    bridge = Bridge(cloud, provider)
    bridge.record_bus()
    return bridge


@pytest.fixture(autouse=True)
def every_event_fits(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Fails a test whose sample subscribers got an event that does not fit its schema."""
    misfits: list[str] = []
    take = SampleSubscriber.take

    def checked(self: SampleSubscriber, headers: Mapping[str, str], body: bytes) -> tuple[int, Mapping[str, str]]:
        answer = take(self, headers, body)
        try:
            check_event(json.loads(body))
        except (AssertionError, ValueError) as error:
            misfits.append(str(error))
        return answer

    monkeypatch.setattr(SampleSubscriber, "take", checked)
    yield
    assert misfits == []


@pytest.fixture
def cli(cloud: Cloud, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., Result]]:
    """Runs the `vidhook` command as on the machine of the stack's operator."""
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
    aws.session.cache_clear()
    find_stack.cache_clear()
    yield lambda *arguments: CliRunner().invoke(main, [str(each) for each in arguments], env=environment)
    find_stack.cache_clear()


@pytest.fixture
def subscriber(cloud: Cloud) -> Iterator[Callable[..., SampleSubscriber]]:
    """Makes sample subscribers for one test and adds them to the stack.

    `events`, `providers` and `metadata` are its filter in the stack; everything else says how the sample behaves.
    """
    made: list[tuple[str, SampleSubscriber]] = []

    def make(
        *,
        events: tuple[str, ...] = ("*.completed", "*.failed"),
        providers: tuple[str, ...] = ("*",),
        metadata: Mapping[str, Any] = MappingProxyType({}),
        **behaviour: Any,
    ) -> SampleSubscriber:
        sample = SampleSubscriber(**behaviour)
        added = cloud.subscribe(sample, events=events, providers=providers, metadata=metadata)
        made.append((added.id, sample))
        return sample

    yield make
    for subscriber_id, sample in made:
        cloud.edges.ledger.subscribers.remove(subscriber_id)
        sample.stop()
