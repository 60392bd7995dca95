"""The `vidhook` command. Each subcommand is in a module of its own, which is imported when it is called."""

import importlib

import click

from vidhook import __version__
from vidhook.errors import VidhookError

COMMANDS = {
    "demo": "vidhook_sandbox.demo:demo",
    "sandbox": "vidhook_sandbox.cloud:sandbox",
    "sample-provider": "vidhook_sandbox.provider:sample_provider",
    "sample-subscriber": "vidhook_sandbox.subscriber:sample_subscriber",
    "read": "vidhook_cli.read:read",
    "providers": "vidhook_cli.providers:providers",
    "subscribers": "vidhook_cli.subscribers:subscribers",
    "doctor": "vidhook_cli.doctor:doctor",
    "submit": "vidhook_cli.tasks:submit",
    "tasks": "vidhook_cli.tasks:tasks",
    "task": "vidhook_cli.tasks:task",
    "retry": "vidhook_cli.tasks:retry",
    "pace": "vidhook_cli.pace:pace",
    "deliveries": "vidhook_cli.deliveries:deliveries",
    "replay": "vidhook_cli.deliveries:replay",
    "events": "vidhook_cli.events:events",
    "status": "vidhook_cli.status:status",
}


class Lazy(click.Group):
    """A group that imports a subcommand only when it is called: `vidhook read` need not import boto3."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in COMMANDS:
            return None
        module, name = COMMANDS[cmd_name].split(":")
        command: click.Command = getattr(importlib.import_module(module), name)
        return command

    def invoke(self, ctx: click.Context) -> object:
        try:
            return super().invoke(ctx)
        except VidhookError as error:
            raise click.ClickException(str(error)) from error
        except Exception as error:
            # What AWS says is imported only by commands that ask it.
            if not type(error).__module__.startswith("botocore."):
                raise
            from vidhook_cli.refusals import in_words

            raise click.ClickException(in_words(error)) from error


@click.group(cls=Lazy, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="vidhook")
def main() -> None:
    """Polls AI video APIs for you and sends one signed webhook when the video is done."""


if __name__ == "__main__":
    main()
