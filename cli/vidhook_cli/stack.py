"""Finds the deployed stack that the commands act on, on AWS or in the sandbox, with the usual boto3 settings."""

import os
import sys
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any

import click

from vidhook.errors import NotFound
from vidhook.providers.file import BUNDLED, Provider
from vidhook.task import SAMPLE, Subscriber, is_id
from vidhook.texts import shown
from vidhook_cli.show import PROVIDER, nearest

# boto3 and what needs it take a third of a second to import, for which nobody waits who presses Tab.
if TYPE_CHECKING:
    from vidhook.edges.ledger import Ledger
    from vidhook.wiring import Edges

Row = dict[str, Any]  # what `vidhook status` shows in one line
DEFAULT_NAME = "vidhook"
# A person waits: where nobody answers, that is said within half a minute.
PATIENCE = {"connect_timeout": 4, "read_timeout": 10, "retries": {"total_max_attempts": 3}}


@dataclass(frozen=True)
class Stack:
    """One deployed stack: its name, its ARN, its outputs and its edges."""

    name: str
    arn: str
    outputs: Mapping[str, str]
    edges: "Edges"

    @property
    def region(self) -> str:
        return self.arn.split(":")[3]

    @property
    def account(self) -> str:
        return self.arn.split(":")[4]


def stack() -> Stack:
    """Returns the stack that --stack, --region and --profile name, or boto3's usual settings.

    For a sandbox AWS_ENDPOINT_URL is enough. Raises ClickException, with one line for the user, when there is no such
    stack.
    """
    given = click.get_current_context().find_root().params
    name = given.get("stack") or os.environ.get("VIDHOOK_STACK") or DEFAULT_NAME
    # boto3 looks at AWS_DEFAULT_REGION only; people set what the AWS CLI and Lambda look at.
    return find_stack(name, given.get("region") or os.environ.get("AWS_REGION") or None, given.get("profile"))


def confirm(act: str, yes: bool) -> None:
    """Shows the stack and asks whether to do this, unless `yes`. Raises Abort, or UsageError if nobody can answer."""
    here = stack()
    click.echo(f"stack {here.name}, account {here.account}, {here.region}", err=True)
    if yes:
        return
    if not _asks():
        raise click.UsageError(f"this would {act}, which cannot be undone: give --yes")
    click.confirm(f"{act}? This cannot be undone", abort=True, err=True)


def asks_nothing(act: str, yes: bool) -> None:
    """Raises UsageError if --yes is given for an act that does not ask."""
    if yes:
        raise click.UsageError(f"--yes does nothing here: {act} does not ask")


def _asks() -> bool:
    """Returns whether there is a person who can answer a question."""
    return sys.stdin.isatty()


def known_subscriber(given: str) -> Subscriber:
    """Returns the subscriber of this id. Raises NotFound, which names the one that is most like it."""
    ledger = stack().edges.ledger
    if is_id(given, "sub", "cb"):
        with suppress(NotFound):
            return ledger.subscribers.get(given)
    near = nearest(given, (each.id for each in ledger.subscribers.all()))
    hint = near or "; `vidhook subscribers list` shows all"
    raise NotFound(f'there is no subscriber "{shown(given, 80)}"{hint}')


def subscriber_id(_: click.Context, __: click.Parameter, given: str | None) -> str | None:
    """Returns an ID as it was given, for click. Raises NotFound for one that no subscriber can have."""
    return given if given is None or is_id(given, "sub", "cb") else known_subscriber(given).id


def known_provider(name: str, ledger: "Ledger") -> Provider:
    """Returns the provider of this name. Raises NotFound, which names the one that is most like it."""
    if PROVIDER.fullmatch(name):
        with suppress(NotFound):
            return ledger.providers.get(name)
    hint = nearest(name, (*BUNDLED, SAMPLE, *ledger.providers.texts())) or "; `vidhook providers list` shows all"
    raise NotFound(f'there is no provider "{shown(name, 80)}"{hint}')


@cache
def find_stack(name: str, region: str | None, profile: str | None) -> Stack:
    """Returns a stack, as `stack` does, by what was given for it."""
    import boto3
    from botocore.exceptions import ClientError
    from botocore.parsers import ResponseParserError

    from vidhook.wiring import Edges, settings_of

    _default_to_sandbox_credentials(region, profile)
    if region or profile:
        boto3.setup_default_session(region_name=region, profile_name=profile)
    try:
        cloudformation = client("cloudformation")
        [described] = cloudformation.describe_stacks(StackName=name)["Stacks"]
    except (KeyError, ResponseParserError) as error:
        hint = "look at AWS_ENDPOINT_URL, and whether the network asks for a login"
        raise click.ClickException(f"the answer to DescribeStacks is not AWS's; {hint}") from error
    except ClientError as error:
        if "does not exist" not in str(error):
            raise
        hint = "choose another with --stack, --region or --profile, or set AWS_ENDPOINT_URL for a sandbox"
        where = f"in {cloudformation.meta.region_name} in this account"
        raise click.ClickException(f'there is no stack "{shown(name, 80)}" {where}; {hint}') from error
    outputs = {entry["OutputKey"]: entry["OutputValue"] for entry in described.get("Outputs", [])}
    if "Table" not in outputs:
        raise click.ClickException(f'the stack "{name}" is not a vidhook stack: it has no output named Table')
    return Stack(name, described["StackId"], outputs, Edges(settings_of(outputs), client=client))


def client(service: str, patience: Mapping[str, Any] = PATIENCE) -> Any:
    """Returns a client of an AWS service, by the settings of `stack`, which is found first."""
    import boto3
    from botocore.config import Config

    make: Any = boto3.client  # its type has an overload for each service
    return make(service, config=Config(**patience))


def credentials() -> Any:
    """Returns the caller's credentials as botocore holds them, None if there are none, by the settings of `stack`."""
    import boto3

    return (boto3.DEFAULT_SESSION or boto3.Session()).get_credentials()


def in_sandbox() -> bool:
    """Returns whether AWS_ENDPOINT_URL leads to this machine."""
    local = ("http://127.0.0.1:", "http://localhost:", "http://[::1]:")
    return os.environ.get("AWS_ENDPOINT_URL", "").startswith(local)


def _default_to_sandbox_credentials(region: str | None, profile: str | None) -> None:
    """Sets the region and the root key of a sandbox, which are fixed, if AWS_ENDPOINT_URL leads to this machine."""
    if not in_sandbox():
        return
    import boto3

    os.environ.setdefault("AWS_EC2_METADATA_DISABLED", "true")
    session = boto3.Session(region_name=region, profile_name=profile)
    if not session.region_name:  # an empty variable is none
        os.environ["AWS_DEFAULT_REGION"] = "us-east-1"
    if session.get_credentials() is None:
        os.environ |= {"AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test"}


def seen(what: str, part: Callable[[], Iterable[Row]]) -> list[Row]:
    """Returns the rows of one part; a row that says why, if AWS refuses to show it: the other parts count too."""
    from botocore.exceptions import BotoCoreError, ClientError

    from vidhook_cli.refusals import in_words

    try:
        return list(part())
    except (ClientError, BotoCoreError) as error:
        return [{"what": what, "value": "?", "well": False, "detail": in_words(error)}]


def alarms(here: Stack) -> list[dict[str, Any]]:
    """Returns the alarms of a stack. Those of another one, whose name begins alike, have a topic of their own."""
    pages = client("cloudwatch").get_paginator("describe_alarms").paginate(AlarmNamePrefix=f"{here.name}-")
    every = [alarm for page in pages for alarm in page["MetricAlarms"]]
    return [alarm for alarm in every if here.outputs["AlarmTopic"] in alarm["AlarmActions"]]
