"""Finds the deployed stack that the commands act on, on AWS or in the sandbox, with the usual boto3 settings."""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache

import boto3
import click
from botocore.exceptions import ClientError

from vidhook.wiring import Edges, settings_of

DEFAULT_NAME = "vidhook"


@dataclass(frozen=True)
class Stack:
    """One deployed stack: its name, its outputs and its edges."""

    name: str
    outputs: Mapping[str, str]
    edges: Edges


@cache
def stack() -> Stack:
    """Returns the stack that VIDHOOK_STACK names (or `vidhook`), by boto3's usual account and region.

    For a sandbox AWS_ENDPOINT_URL is enough. Raises ClickException, with one line for the user, when there is no such
    stack.
    """
    _default_to_sandbox_credentials()
    name = os.environ.get("VIDHOOK_STACK", DEFAULT_NAME)
    try:
        answer = boto3.client("cloudformation").describe_stacks(StackName=name)
    except ClientError as error:
        if "does not exist" not in str(error):
            raise
        region = boto3.Session().region_name
        hint = "set VIDHOOK_STACK and AWS_REGION to those of the stack, or AWS_ENDPOINT_URL for a sandbox"
        raise click.ClickException(f'there is no stack "{name}" in {region} in this account; {hint}') from error
    outputs = {entry["OutputKey"]: entry["OutputValue"] for entry in answer["Stacks"][0].get("Outputs", [])}
    if "Table" not in outputs:
        raise click.ClickException(f'the stack "{name}" is not a vidhook stack: it has no output named Table')
    return Stack(name, outputs, Edges(settings_of(outputs)))


def _default_to_sandbox_credentials() -> None:
    """Sets the region and the root key of a sandbox, which are fixed, if AWS_ENDPOINT_URL leads to this machine."""
    if not os.environ.get("AWS_ENDPOINT_URL", "").startswith(
        ("http://127.0.0.1:", "http://localhost:", "http://[::1]:")
    ):
        return
    os.environ.setdefault("AWS_EC2_METADATA_DISABLED", "true")
    session = boto3.Session()
    if session.region_name is None:
        os.environ["AWS_DEFAULT_REGION"] = "us-east-1"
    if session.get_credentials() is None:
        os.environ |= {"AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test"}
