"""An empty cloud in memory (moto) for each test, and a world of all jobs in it."""

from collections.abc import Callable, Iterator
from pathlib import Path
from threading import RLock
from typing import Any

import boto3
import botocore.session
import pytest
from botocore.loaders import create_loader
from moto import mock_aws
from moto.dynamodb.responses import DynamoHandler
from samtranslator.yaml_helper import yaml_parse

from tests.integration.world import Web, World
from vidhook.edges import aws as clients

ROOT = Path(__file__).parents[2]
# One for all tests: reading what AWS's services look like takes longer than most tests.
AWS_MODELS = create_loader()


ONE_REQUEST, CALL = RLock(), DynamoHandler.call_action


def one_at_a_time(handler: DynamoHandler) -> Any:
    """A request to moto's DynamoDB, whose transactions copy the tables while other threads may change them."""
    with ONE_REQUEST:
        return CALL(handler)


@pytest.fixture
def aws(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Every client made from here on talks to an empty cloud in memory."""
    for name in ("AWS_PROFILE", "AWS_ENDPOINT_URL"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    monkeypatch.setattr(DynamoHandler, "call_action", one_at_a_time)
    with mock_aws():
        session = botocore.session.get_session()
        session.register_component("data_loader", AWS_MODELS)
        monkeypatch.setattr(boto3, "DEFAULT_SESSION", boto3.Session(botocore_session=session))
        monkeypatch.setattr(clients, "session", lambda: session)
        yield


@pytest.fixture(scope="session")
def table_properties() -> dict[str, Any]:
    """The ledger's table as the template makes it."""
    properties = yaml_parse((ROOT / "template.yaml").read_text())["Resources"]["Table"]["Properties"]
    known = ("AttributeDefinitions", "KeySchema", "GlobalSecondaryIndexes", "BillingMode")
    return {name: properties[name] for name in known}


@pytest.fixture
def table(aws: None, table_properties: dict[str, Any]) -> str:
    name = "ledger"
    boto3.client("dynamodb").create_table(TableName=name, **table_properties)
    return name


@pytest.fixture
def bucket_name(aws: None) -> str:
    name = "videos"
    boto3.client("s3").create_bucket(Bucket=name)
    return name


@pytest.fixture
def web() -> Iterator[Web]:
    server = Web()
    yield server
    server.close()
    assert server.misfits == []


@pytest.fixture
def world(web: Web, table: str, bucket_name: str) -> World:
    return World(web, table, bucket_name)


@pytest.fixture
def quick_world(web: Web, bucket_name: str) -> World:
    """Its ledger is in memory, for tests of many events: moto copies the whole table for each transaction."""
    return World(web, "ledger", bucket_name, in_memory=True)


@pytest.fixture
def objects(aws: None) -> Callable[[str], list[str]]:
    """The keys in a bucket."""

    def keys(bucket: str) -> list[str]:
        return [entry["Key"] for entry in boto3.client("s3").list_objects_v2(Bucket=bucket).get("Contents", [])]

    return keys
