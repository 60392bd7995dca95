"""`vidhook keys` sets, lists and removes the providers' API keys, which are in one secret of Secrets Manager."""

import json
import re
import sys
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import click

from vidhook.errors import NotFound
from vidhook.event import serialize
from vidhook.providers.auth import is_pair
from vidhook.providers.file import BUNDLED
from vidhook.task import SAMPLE
from vidhook.texts import shown
from vidhook.times import iso
from vidhook_cli.show import Group, as_json_option, lines, nearest, table, tell, wants_json, yes_option
from vidhook_cli.stack import client, confirm, known_provider, stack

if TYPE_CHECKING:
    from mypy_boto3_secretsmanager import SecretsManagerClient

# The labels of the version that everybody reads, and of the next one until it is that. Secrets Manager deletes versions
# without a label.
CURRENT, NEXT = "AWSCURRENT", "VIDHOOK_NEXT"
# So often others may change the keys between our reading and our writing.
TRIES = 10
# What an Authorization header takes: no blank, no control character, ASCII only.
KEY = re.compile("[!-~]+")
MOST_CHARACTERS = 4_096
HINT = "; `vidhook keys list` shows them"


@dataclass(frozen=True, slots=True)
class Keys:
    """The keys as one version of the secret has them, by provider. `at`: when it was written, unix seconds."""

    by_provider: dict[str, Any] = field(repr=False)
    version: str
    at: float


def _not_here(_: click.Context, __: click.Parameter, key: str | None) -> None:
    """Raises UsageError, which does not repeat it, for a key in the command line."""
    if key is not None:
        problem = "a key in the command line stays in the shell's history"
        raise click.UsageError(f"{problem}: leave it out, and give it when it is asked for")


@click.group(cls=Group)
def keys() -> None:
    """Manages the providers' API keys."""


@keys.command("set")
@click.argument("provider")
@click.argument("key", required=False, metavar="", callback=_not_here, expose_value=False)
@as_json_option
def set_(provider: str, as_json: bool) -> None:
    """Sets the API key of PROVIDER, and leaves those of the others.

    Asks for the key without showing it, or reads one line from the standard input if that is not a terminal.
    """
    auth = known_provider(provider, stack().edges.ledger).auth
    if provider == SAMPLE:
        raise click.ClickException("the provider sample needs no key: vidhook itself answers for it")
    if sys.stdin.isatty():
        key = click.prompt("key", hide_input=True)
    else:
        key = click.get_text_stream("stdin", errors="replace").readline().rstrip("\r\n")
    problem = _problem(key)
    if problem:
        raise click.ClickException(f"the key {problem}; give the key alone")
    if auth.wants_pair and not is_pair(key):
        raise click.ClickException(f"the key of {provider} has two halves; give both as ID:SECRET")
    _change(lambda known: {**known, provider: key})
    said = f"the key of {provider} is set in {_secret()}; the functions use it after five minutes at most"
    tell({"provider": provider, "secret": _secret()}, said, as_json)


@keys.command("list")
@as_json_option
def list_(as_json: bool) -> None:
    """Lists the providers that have a key, and never a key."""
    known = _read(_client())
    providers = {*BUNDLED, *stack().edges.ledger.providers.texts()}
    rows = [
        {"provider": shown(name, 80), "secret_changed_at": iso(known.at), "detail": _detail(name, key, providers)}
        for name, key in sorted(known.by_provider.items())
    ]
    if wants_json(as_json):
        lines(rows)
    else:
        table(rows, ("provider", "detail"), nothing="there are no keys yet: vidhook keys set PROVIDER")
        click.echo(f"{_secret()} was changed last at {iso(known.at)}")


@keys.command()
@click.argument("provider")
@yes_option
@as_json_option
def remove(provider: str, yes: bool, as_json: bool) -> None:
    """Removes the API key of PROVIDER.

    Its open tasks are asked about every 15 minutes until there is one again.
    """
    name = shown(provider, 80)

    def without(known: dict[str, Any]) -> dict[str, Any]:
        if provider not in known:
            raise NotFound(f'there is no key of "{name}"{nearest(provider, known) or HINT}')
        return {each: key for each, key in known.items() if each != provider}

    without(_read(_client()).by_provider)
    confirm(f"remove the key of {name}", yes)
    _change(without)
    tell({"provider": name, "secret": _secret()}, f"the key of {name} is removed from {_secret()}", as_json)


def _change(changed: Callable[[dict[str, Any]], dict[str, Any]]) -> None:
    """Writes what `changed` makes of the present keys. What others write at the same time is not lost.

    A new version of the secret becomes the current one only if the version that was read still is: Secrets Manager
    moves the label only away from the version that is named.
    """
    client = _client()
    refused = client.exceptions.InvalidParameterException
    for _ in range(TRIES):
        known = _read(client)
        wanted = changed(known.by_provider)
        if wanted == known.by_provider:
            return
        made = client.put_secret_value(SecretId=_secret(), SecretString=serialize(wanted), VersionStages=[NEXT])
        version = made["VersionId"]
        try:
            client.update_secret_version_stage(
                SecretId=_secret(),
                VersionStage=CURRENT,
                MoveToVersionId=version,
                RemoveFromVersionId=known.version,
            )
        except refused:
            if _read(client).version == known.version:
                raise
        else:
            return
    raise click.ClickException(f"others change {_secret()} all the time; nothing was changed, try again")


def _read(client: "SecretsManagerClient") -> Keys:
    """Returns the present keys. Raises ClickException, which repeats nothing of it, for a secret of another form."""
    answer = client.get_secret_value(SecretId=_secret(), VersionStage=CURRENT)
    try:
        found = json.loads(answer.get("SecretString", ""))
    except (ValueError, RecursionError):
        found = None
    if not isinstance(found, dict):
        hint = f"aws secretsmanager put-secret-value --secret-id {_secret()} --secret-string '{{}}'"
        raise click.ClickException(
            f"{_secret()} holds no JSON object of provider name to key; put one there, or begin without keys: {hint}"
        )
    return Keys(found, answer["VersionId"], answer["CreatedDate"].timestamp())


def _client() -> "SecretsManagerClient":
    stack()  # sets the account and the region
    made: SecretsManagerClient = client("secretsmanager")
    return made


def _secret() -> str:
    return stack().outputs["ProviderSecret"]


def _detail(name: str, key: Any, providers: Iterable[str]) -> str:
    """Returns what is wrong with a key, or an empty text."""
    if name not in providers:
        return "there is no provider of this name"
    problem = _problem(key) if isinstance(key, str) else "is no text"
    return f"not usable: it {problem}" if problem else ""


def _problem(key: str) -> str:
    """Returns what is wrong with a key, without repeating it, or an empty text."""
    if not key:
        return "is empty"
    if len(key) > MOST_CHARACTERS:
        return f"is over {MOST_CHARACTERS:,} characters"
    if key[0] in "\"'" and key[-1] == key[0]:
        return "is in quotation marks"
    return "" if KEY.fullmatch(key) else "has a blank, a control character, or one that is not ASCII"
