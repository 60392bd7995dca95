"""`vidhook sandbox` runs the whole stack on this machine until interrupted."""

from contextlib import ExitStack, nullcontext
from functools import partial

import click
from rich.console import Console
from rich.markup import escape

from vidhook_cli.show import Amount, as_json_option, lines, wants_json
from vidhook_sandbox import LARGEST, STARTING, leave_when_told, need_extra, program, saying
from vidhook_sandbox.provider import CLICKS, SampleProvider
from vidhook_sandbox.subscriber import SampleSubscriber, tell_of

# What a shell needs, so that every program in it uses the sandbox, whatever AWS settings its user has.
SETTINGS = """\
export AWS_ENDPOINT_URL={endpoint} AWS_DEFAULT_REGION={region}
export AWS_ACCESS_KEY_ID=test AWS_SECRET_ACCESS_KEY=test AWS_REGION={region}
"""
OWN = """\
{program} subscribers add http://127.0.0.1:3000/hook  # your own receiver
{program} keys set alad  # asks for your key of this provider
{program} submit alad TASK_ID  # your own task, which you have created there
"""
SAMPLES = """\
{program} submit alad my-task  # any id will do: the sample provider knows every task
{program} task alad/my-task  # what happened to it; its webhook is shown here
"""


@click.command()
@click.option("--port", type=click.IntRange(0, 65_535), default=0, help="Port on 127.0.0.1; a free one by default.")
@click.option(
    "--wait-scale",
    type=Amount(0, LARGEST),
    help="0.1 makes every wait ten times shorter.  [default: 1; with --samples 0.1]",
)
@click.option("--auth/--no-auth", default=False, help="Enforce IAM: a function can do only what its role allows.")
@click.option(
    "--samples",
    is_flag=True,
    help="Start samples too: a provider that knows every task, in the place of the real ones, and a subscriber.",
)
@as_json_option
def sandbox(port: int, wait_scale: float | None, auth: bool, samples: bool, as_json: bool) -> None:
    """Runs the whole stack on this machine until interrupted.

    When it is ready it shows the commands to type next, or prints one JSON line with all that a program needs. With
    --samples a line for each webhook follows.
    """
    from vidhook_sandbox.cloud import running

    need_extra()
    leave_when_told()
    terminal = None if wants_json(as_json) else Console(highlight=False)
    with ExitStack() as contexts:
        enter = contexts.enter_context
        with saying(terminal, STARTING) if terminal else nullcontext():
            scale = wait_scale if wait_scale is not None else 0.1 if samples else 1.0
            cloud = enter(running(port, scale, auth))
        facts = cloud.facts()
        if samples:
            provider = enter(SampleProvider(any_task=True))
            subscriber = enter(SampleSubscriber(on_receive=partial(tell_of, as_json=as_json)))
            cloud.use(provider)
            cloud.subscribe(subscriber)
            facts |= {"sample_provider": provider.url, "sample_subscriber": subscriber.url}
        facts["console"] = enter(cloud.console(CLICKS) if samples else cloud.console())
        if terminal:
            _guide(terminal, facts, samples, scale)
        else:
            lines([facts])
        cloud.process.wait()
        raise click.ClickException("MiniStack ended unexpectedly")


def _guide(terminal: Console, facts: dict[str, str], samples: bool, scale: float) -> None:
    """Shows the commands to type next, in whole lines without a frame, so that they can be copied."""
    terminal.rule("The sandbox is ready. Type this in another terminal:")
    commands = (SETTINGS + (SAMPLES if samples else OWN)).format(**facts, program=program())
    for each in commands.splitlines():
        command, mark, comment = each.partition("  #")
        terminal.print(f"[bold]{escape(command)}[/][dim]{mark}{comment}[/]", soft_wrap=True)
    terminal.rule("Ctrl-C here ends the sandbox and removes all of it")
    terminal.print(f"console  {facts['console']}", soft_wrap=True)
    terminal.print(f"[dim]HTTP API {facts['api_url']}\nlog      {facts['log']}[/]", soft_wrap=True)
    if scale != 1:
        terminal.print(
            f"[dim]waits    {scale:g} times as long as on AWS; --wait-scale 1 is as on AWS[/]", soft_wrap=True
        )
