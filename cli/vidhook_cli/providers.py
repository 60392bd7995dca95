"""`vidhook providers` checks provider files and stores them in the stack, which uses them before the bundled ones."""

import sys
from pathlib import Path

import click

from vidhook.errors import BadProviderFile, NotFound
from vidhook.providers.file import BUNDLED, FORMATS, bundled, bundled_text, gaps, parse
from vidhook_cli.show import provider_name

TOML = click.Path(exists=True, dir_okay=False, path_type=Path)


@click.group()
def providers() -> None:
    """Checks and manages provider files."""


@providers.command()
@click.argument("files", nargs=-1, required=True, type=TOML)
def check(files: tuple[Path, ...]) -> None:
    """Checks whether each of FILES can be used, and says how to fix it if not."""
    failed = False
    for file in files:
        try:
            provider = parse(_text(file))
            click.echo(f"{file}: ok, {provider.name}")
            for gap in gaps(provider):
                click.echo(f"{file}: warning: {gap}")
        except BadProviderFile as error:
            failed = True
            click.echo(f"{file}: {error}")
    sys.exit(failed)


@providers.command()
@click.argument("file", type=TOML)
def put(file: Path) -> None:
    """Stores FILE in the stack under the name it has.

    Open tasks use it from their next poll on.
    """
    from vidhook_cli.stack import stack

    text = _text(file)
    name = parse(text).name
    stack().edges.ledger.put_provider_file(name, text)
    click.echo(f"{name} is stored" + (" and is used instead of the bundled file" if name in bundled() else ""))


@providers.command("list")
def list_() -> None:
    """Lists all providers: name, base URL and where the file comes from."""
    from vidhook_cli.stack import stack

    stored = {name: parse(text, name) for name, text in stack().edges.ledger.provider_files().items()}
    for name, provider in sorted({**bundled(), **stored}.items()):
        click.echo(f"{name:<20} {provider.base_url:<44} {'stored in the stack' if name in stored else 'bundled'}")
    for name in FORMATS:
        click.echo(f"{name:<20} {'a format, for a file of your own':<44} bundled")


@providers.command()
@click.argument("name", callback=provider_name)
def show(name: str) -> None:
    """Prints the provider file in use for NAME, or a format, which can be the start of your own."""
    from vidhook_cli.stack import stack

    text = stack().edges.ledger.provider_file(name)
    if text is None and name not in (*BUNDLED, *FORMATS):
        raise NotFound(f'there is no provider "{name}"; `vidhook providers list` shows them')
    click.echo(bundled_text(name) if text is None else text, nl=False)


@providers.command()
@click.argument("name", callback=provider_name)
def remove(name: str) -> None:
    """Removes the stack's own file of the provider NAME.

    A bundled file of this name is in use again.
    """
    from vidhook_cli.stack import stack

    if not stack().edges.ledger.remove_provider_file(name):
        raise NotFound(f'the stack has no file of its own for "{name}"; `vidhook providers list` shows them')
    click.echo(f"{name} is removed" + ("; the bundled file is in use again" if name in bundled() else ""))


def _text(file: Path) -> str:
    try:
        return file.read_text("utf-8")
    except UnicodeDecodeError as error:
        raise BadProviderFile(str(file), f"it is not UTF-8: {error.reason} at byte {error.start}") from None
