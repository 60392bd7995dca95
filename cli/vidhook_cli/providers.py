"""`vidhook providers` checks provider files and stores them in the stack, which uses them before the bundled ones."""

import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import click

from vidhook import provider_files, shapes
from vidhook.errors import BadInput, BadProviderFile, NotFound, RequestFailed
from vidhook.providers.file import BUNDLED, FORMATS, bundled, bundled_text, parse
from vidhook.providers.gaps import gaps
from vidhook.providers.values import document
from vidhook.readings import body_of
from vidhook.task import SAMPLE
from vidhook_cli.exchanges import Answer, answer_in, exchange_in, is_exchange, recorded
from vidhook_cli.guessing.proposal import guess
from vidhook_cli.show import (
    Group,
    as_json_option,
    lines,
    nearest,
    params_option,
    provider_name,
    table,
    tell,
    wants_json,
    yes_option,
)
from vidhook_cli.stack import confirm, known_provider, stack

STORED = "stored in the stack"
SOURCES = {"bundled": "bundled", "stored": STORED, "built_in": "built in, to try a stack"}
HINT = "; `vidhook providers list` shows them"
TOML = click.Path(exists=True, dir_okay=False, path_type=Path)


@click.group(cls=Group)
def providers() -> None:
    """Checks and manages provider files."""


@providers.command()
@click.argument("files", nargs=-1, required=True, type=TOML)
@as_json_option
def check(files: tuple[Path, ...], as_json: bool) -> None:
    """Checks whether each of FILES can be used.

    Says how to fix it if not, and warns about what is likely wrong. Exits with 1 when one cannot be used.
    """
    failed = False
    for file in files:
        try:
            text = _text(file)
            provider, warnings = parse(text), [gap.text for gap in gaps(text)]
        except BadProviderFile as error:
            failed = True
            row: dict[str, Any] = {
                "file": str(file),
                "provider": None,
                "ok": False,
                "error": str(error),
                "warnings": [],
            }
            tell(row, f"{file}: {error}", as_json)
            continue
        row = {"file": str(file), "provider": provider.name, "ok": True, "error": None, "warnings": warnings}
        tell(row, "\n".join([f"{file}: ok, {provider.name}", *_warned(file, warnings)]), as_json)
    sys.exit(failed)


@providers.command()
@click.argument("file", type=TOML)
@as_json_option
def put(file: Path, as_json: bool) -> None:
    """Stores FILE in the stack under the name it has.

    Open tasks use it from their next poll on. Warns as `vidhook providers check` does.
    """
    text = _text(file)
    name, warnings = parse(text).name, [gap.text for gap in gaps(text)]
    stack().edges.ledger.providers.put(name, text)
    instead = " and is used instead of the bundled file" if name in bundled() else ""
    said = [f"{name} is stored{instead}", *_warned(file, warnings)]
    tell({"provider": name, "source": STORED, "warnings": warnings}, "\n".join(said), as_json)


@providers.command("guess")
@click.argument("files", nargs=-1, required=True, type=click.Path(exists=True, dir_okay=False, allow_dash=True))
@click.option("--name", help="What you call the provider; by default it is called after its host.")
@click.option("--url", help="The URL that was polled, with the task's id or {task_id} in it.")
@click.option(
    "--result",
    type=click.Path(exists=True, dir_okay=False, allow_dash=True),
    help="The answer to a second request, which brings the link of a completed task.",
)
@as_json_option
def guess_(files: tuple[str, ...], name: str | None, url: str | None, result: str | None, as_json: bool) -> None:
    """Proposes a provider file from the recorded answers in FILES.

    Prints it, to be edited; - is stdin. A file holds the JSON that the API answered, or exchanges as `vidhook read`
    takes them. With one of a completed, a failed and a running task the proposal is best.
    """
    second = next(_answers(result), None) if result else None
    answers = [each for file in files for each in _answers(file)]
    proposal = guess([replace(each, url=each.url or url, second=each.second or second) for each in answers], name)
    if as_json:
        row = {"provider": proposal.provider.name, "toml": proposal.text, "read": proposal.readings}
        lines([row | {"agrees": proposal.agrees}])
    else:
        click.echo(proposal.text, nl=False)
        hint = "edit the lines that say EDIT, then try `vidhook providers check` and `vidhook read --provider-file`"
        click.echo("\n".join([*proposal.readings, hint]), err=True)


@providers.command("try")
@click.argument("name", callback=provider_name)
@click.argument("task_id")
@params_option("A value that its file wants: model=...")
@click.option("--file", type=TOML, help="Try this file; only the key is the stack's.")
@as_json_option
def try_(name: str, task_id: str, params: dict[str, str] | None, file: Path | None, as_json: bool) -> None:
    """Asks the provider NAME about the task TASK_ID once.

    Sends the stack's key and stores nothing. Shows the request without the key, the answer, and what is read in it.
    """
    from vidhook.trial import tried  # with the HTTP client, which nobody needs who presses Tab
    from vidhook_cli.trial import show_exchange

    edges = stack().edges
    provider = parse(_text(file), name) if file else known_provider(name, edges.ledger)
    if edges.secrets.provider_key(name, fresh=True) is None and name != SAMPLE:
        click.echo(f"there is no key of {name}, so none is sent: vidhook keys set {name}", err=True)
    try:
        rows = tried(provider, task_id, params or {}, http=edges.http, keys=edges.keys, clock=edges.clock)
    except RequestFailed as error:
        raise click.ClickException(f"{name} gave no answer: {error}") from error
    if wants_json(as_json):
        lines(rows)
    else:
        for row in rows:
            show_exchange(row)


@providers.command("list")
@as_json_option
def list_(as_json: bool) -> None:
    """Lists all providers and formats, with what each can do."""
    rows = [
        shapes.provider(each) | {"source": SOURCES[each.source]}
        for each in provider_files.all_files(stack().edges.ledger)
    ]
    none: dict[str, Any] = {"base_url": None, "can": [], "params": []}
    rows += [{**none, "provider": name, "source": "a format, for a file of your own"} for name in FORMATS]
    if wants_json(as_json):
        lines(rows)
    else:
        table(rows, ("provider", "can", "params", "source"), nothing="")


@providers.command()
@click.argument("name", callback=provider_name)
@as_json_option
def show(name: str, as_json: bool) -> None:
    """Prints the provider file in use for NAME.

    NAME may be a format too, which can be the start of a file of your own.
    """
    ledger = stack().edges.ledger
    text = ledger.providers.text(name)
    if text is None and name not in (*BUNDLED, SAMPLE, *FORMATS):
        near = nearest(name, (*BUNDLED, *FORMATS, *ledger.providers.texts()))
        raise NotFound(f'there is no provider "{name}"{near or HINT}')
    if as_json:
        source = "bundled" if text is None else STORED
        lines([{"provider": name, "source": source, "toml": bundled_text(name) if text is None else text}])
    else:
        click.echo(bundled_text(name) if text is None else text, nl=False)


@providers.command()
@click.argument("name", callback=provider_name)
@yes_option
@as_json_option
def remove(name: str, yes: bool, as_json: bool) -> None:
    """Removes the stack's own file of the provider NAME.

    A bundled file of this name is in use again.
    """
    ledger = stack().edges.ledger
    if ledger.providers.text(name) is None:
        near = nearest(name, ledger.providers.texts())
        raise NotFound(f'the stack has no file of its own for "{name}"{near or HINT}')
    after = "the bundled file is in use again" if name in bundled() else "open tasks of it can no longer be polled"
    confirm(f"remove the stack's own file of {name}", yes)
    ledger.providers.remove(name)
    tell({"provider": name, "bundled": name in bundled()}, f"{name} is removed; {after}", as_json)


def _answers(file: str) -> Iterator[Answer]:
    """Yields the answers in a file. Raises BadInput for one that is no JSON object."""
    with click.open_file(file, "rb") as opened:
        written = opened.read().decode("utf-8-sig", "replace")
    found = list(recorded(written))
    for place, each in found:
        name = Path(file).name if len(found) == 1 else f"{Path(file).name}, {place}"
        exchange = exchange_in(each) if is_exchange(each) or isinstance(each, BadInput) else {"body": each}
        body = document(body_of(exchange))
        if body is None:
            raise BadInput(
                name, "this is no JSON object", "give the JSON that the API answered, or an exchange with it"
            )
        yield answer_in(exchange, name, body)


def _warned(file: Path, warnings: list[str]) -> list[str]:
    return [f"{file}: warning: {each}" for each in warnings]


def _text(file: Path) -> str:
    try:
        return file.read_text("utf-8")
    except UnicodeDecodeError as error:
        raise BadProviderFile(str(file), f"it is not UTF-8: {error.reason} at byte {error.start}") from None
