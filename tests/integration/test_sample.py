"""The provider `sample`: vidhook itself answers, so that a stack can be tried without an account at a provider."""

import hashlib
from importlib.resources import files
from typing import Any

import boto3
import pytest

from tests.integration.world import World
from vidhook.task import SAMPLE


def submitted(world: World, task_id: str) -> str:
    return world.intake.submit({"provider": SAMPLE, "task_id": task_id}).watch.id


def ended(world: World, task: str) -> dict[str, Any]:
    event = world.publish(task).event
    assert event is not None
    data: dict[str, Any] = event.data["data"]
    return data


def test_a_sample_task_is_completed_and_its_video_is_stored(world: World) -> None:
    """It goes all the way of a real task but for the request to a provider."""
    task = submitted(world, "hello")
    world.poll(task)
    data = ended(world, task)
    [film] = data["assets"]
    body = boto3.client("s3").get_object(Bucket=film["bucket"], Key=film["key"])["Body"].read()
    assert (data["status"], film["stored"], film["type"]) == ("completed", True, "video")
    assert (
        hashlib.sha256(body).digest() == hashlib.sha256(files("vidhook").joinpath("sample.mp4").read_bytes()).digest()
    )
    assert world.web.asked == []


@pytest.mark.parametrize("task_id", ["fail", "fails-1"])
def test_a_sample_task_whose_id_begins_with_fail_has_failed(world: World, task_id: str) -> None:
    """A receiver must be tried with a failure too."""
    task = submitted(world, task_id)
    world.poll(task)
    data = ended(world, task)
    assert (data["status"], data["error"]["code"], data["assets"]) == ("failed", "SAMPLE_FAILURE", [])
