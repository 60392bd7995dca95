"""The `vidhook` command. Each subcommand is in a module of its own, which is imported when it is called."""

import codecs
import importlib
import io
import os
import sys
import traceback
from collections.abc import Sequence
from itertools import takewhile

import click
from click.shell_completion import CompletionItem

from vidhook import __version__
from vidhook.errors import VidhookError
from vidhook_cli.show import Group, one_line

# Where each command is, and what `vidhook --help` and the shell's completion say of it, without importing it.
COMMANDS = {
    "demo": ("vidhook_sandbox.demo:demo", "Shows eleven tasks become signed webhooks, in a minute."),
    "sandbox": ("vidhook_sandbox.sandbox:sandbox", "Runs the whole stack on this machine."),
    "console": ("vidhook_console.console:console", "Opens the page of the stack in a browser."),
    "sample-provider": ("vidhook_sandbox.provider:sample_provider", "Runs a sample of eight providers."),
    "sample-subscriber": ("vidhook_sandbox.subscriber:sample_subscriber", "Receives webhooks here and verifies them."),
    "read": ("vidhook_cli.read:read", "Shows what is read in recorded answers."),
    "providers": ("vidhook_cli.providers:providers", "Checks and manages provider files."),
    "subscribers": ("vidhook_cli.subscribers:subscribers", "Manages the endpoints that are notified."),
    "doctor": ("vidhook_cli.doctor:doctor", "Says what a webhook endpoint gets right and wrong."),
    "trigger": ("vidhook_cli.trigger:trigger", "Sends one sample event to a URL, signed."),
    "listen": ("vidhook_cli.listen:listen", "Brings the events of the stack to a URL, signed."),
    "keys": ("vidhook_cli.keys:keys", "Manages the providers' API keys."),
    "submit": ("vidhook_cli.tasks:submit", "Submits a task, or creates one, and follows it."),
    "tasks": ("vidhook_cli.tasks:tasks", "Lists tasks, newest first."),
    "task": ("vidhook_cli.tasks:task", "Shows the timeline of a task."),
    "retry": ("vidhook_cli.tasks:retry", "Follows a task again that was given up."),
    "poll": ("vidhook_cli.tasks:poll", "Polls a task at once."),
    "cancel": ("vidhook_cli.tasks:cancel", "Cancels a task."),
    "erase": ("vidhook_cli.tasks:erase", "Erases a task and all that is stored of it."),
    "why": ("vidhook_cli.why:why", "Tells the whole story of a task by its reference."),
    "pace": ("vidhook_cli.pace:pace", "Shows how long a provider's tasks take."),
    "deliveries": ("vidhook_cli.deliveries:deliveries", "Lists deliveries, newest first."),
    "replay": ("vidhook_cli.deliveries:replay", "Sends events again."),
    "events": ("vidhook_cli.events:events", "Shows the events on the event bus."),
    "status": ("vidhook_cli.status:status", "Shows whether the stack works."),
}
# These use no stack, so that they could do nothing with --stack.
ALONE = ("demo", "sandbox", "sample-provider", "sample-subscriber", "read", "doctor", "trigger")
OF_ALL = ("--stack", "--region", "--profile")
HELP = "vidhook_cli.help"  # in the context: whether --help is given
# For terminals and pipes whose encoding lacks them; all else is written as an escape, which JSON can read.
PLAIN = {"✓": "ok", "✗": "x", "→": "->", "…": "...", "·": "."}


class Lazy(Group):
    """A group that imports a subcommand only when it is called."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in COMMANDS:
            return None
        module, name = COMMANDS[cmd_name][0].split(":")
        command: click.Command = getattr(importlib.import_module(module), name)
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl([(name, about) for name, (_, about) in COMMANDS.items()])

    def shell_complete(self, ctx: click.Context, incomplete: str) -> list[CompletionItem]:
        names = [
            CompletionItem(name, help=about) for name, (_, about) in COMMANDS.items() if name.startswith(incomplete)
        ]
        return names + click.Command.shell_complete(self, ctx, incomplete)

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        try:
            rest = super().parse_args(ctx, args)
        except click.NoSuchOption as error:
            raise _with_its_place(error, "behind", ("--json", "--yes")) from None
        words = set(takewhile(lambda word: word != "--", rest))
        ctx.meta[HELP] = not words.isdisjoint(ctx.help_option_names)
        return rest

    def invoke(self, ctx: click.Context) -> object:
        try:
            return super().invoke(ctx)
        except click.NoSuchOption as error:
            raise _with_its_place(error, "before", OF_ALL) from None
        except click.ClickException as error:
            error.message = one_line(error.message)  # it may repeat what was typed
            raise
        except VidhookError as error:
            raise click.ClickException(one_line(str(error))) from error
        except Exception as error:
            first, before = error, ""
            if isinstance(error, ExceptionGroup):  # of what was tried for many deliveries
                first, before = error.exceptions[0], f"{error.message}, {len(error.exceptions)} in all; the first: "
            # What AWS says is imported only by commands that ask it.
            if not _of_aws(first):
                if isinstance(first, OSError) and not isinstance(first, BrokenPipeError):
                    raise click.ClickException(f"{first.strerror or first}") from error
                raise
            from vidhook_cli.refusals import in_words

            raise click.ClickException(before + in_words(first, ctx.params["profile"])) from error


def _of_aws(error: Exception) -> bool:
    """Returns whether AWS's SDK raised it, or met it: what it makes of settings can be any error of Python's."""
    inside = (frame.f_globals.get("__name__", "") for frame, _ in traceback.walk_tb(error.__traceback__))
    return any(module.startswith("botocore.") for module in (type(error).__module__, *inside))


def _with_its_place(error: click.NoSuchOption, where: str, options: Sequence[str]) -> click.NoSuchOption:
    """Returns the error, which says where the option belongs if it is one of those that are only in the wrong place."""
    if error.option_name in options:
        error.message, error.possibilities = f"{error.message.rstrip('.')}. Give it {where} the command", None
    return error


def write_plainly() -> None:
    """Has what the output's encoding lacks written in ASCII, in the place of a UnicodeEncodeError."""

    def plain(error: UnicodeError) -> tuple[str | bytes, int]:
        assert isinstance(error, UnicodeEncodeError)
        found = PLAIN.get(error.object[error.start])
        return (found, error.start + 1) if found else codecs.backslashreplace_errors(error)

    codecs.register_error("plain", plain)
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="plain")


@click.group(cls=Lazy, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="vidhook")
@click.option("--stack", metavar="NAME", help="The stack to act on: VIDHOOK_STACK, or vidhook, by default.")
@click.option("--region", metavar="NAME", help="The stack's region: AWS_REGION, or the profile's, by default.")
@click.option("--profile", metavar="NAME", help="The profile of AWS's settings to use: AWS_PROFILE by default.")
@click.pass_context
def main(ctx: click.Context, /, **target: str | None) -> None:
    """Polls AI video APIs for you and sends one signed webhook when the video is done."""
    write_plainly()
    if sys.stdin is None:  # closed by who started us
        sys.stdin = io.TextIOWrapper(io.BytesIO())
    if "NO_COLOR" in os.environ or os.environ.get("TERM") == "dumb":
        ctx.color = False
    if ctx.meta[HELP]:  # nothing will be done, so nothing is refused
        return
    for name, value in target.items():
        if value == "":
            raise click.BadParameter("is empty", param_hint=f"--{name}")
    given = [f"--{name}" for name, value in target.items() if value is not None]
    if given and ctx.invoked_subcommand in ALONE:
        raise click.UsageError(f"{given[0]} does nothing here: `vidhook {ctx.invoked_subcommand}` uses no stack")


if __name__ == "__main__":
    main()
