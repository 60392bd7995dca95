"""`vidhook console` serves the console of a stack on this machine until interrupted."""

import os
import secrets
import shlex
import sys
import threading
import webbrowser
from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import click

from vidhook_cli.show import as_json_option, tell
from vidhook_cli.stack import Stack, client, credentials, in_sandbox, stack
from vidhook_sandbox import leave_when_told, program

if TYPE_CHECKING:
    from vidhook_console.proxy import Console


@click.command()
@click.option("--port", type=click.IntRange(0, 65_535), default=0, help="Port on 127.0.0.1; a free one by default.")
@click.option("--open/--no-open", "opens", default=True, help="Open a browser, where the output is a terminal.")
@as_json_option
def console(port: int, opens: bool, as_json: bool) -> None:
    """Serves a page to look at the stack and act on it, on this machine alone, until interrupted.

    It asks the stack's HTTP API with your own credentials, so that it can do what you may do. Whoever has its address
    can do the same while it runs.
    """
    from vidhook_console.proxy import serving

    leave_when_told()
    ticket = secrets.token_urlsafe(32)
    with serving(console_of(stack()), port, ticket) as url:
        said = f"the console of {stack().name} in {stack().region} is at\n{url}\nKeep it to yourself. Ctrl-C ends it"
        tell({"url": url}, said, as_json)
        if opens and not as_json and sys.stdout is not None and sys.stdout.isatty():
            _open(f"{url.partition('#')[0]}open/{ticket}")
        threading.Event().wait()


def _open(url: str) -> None:
    """Opens a browser, if there is one with a window: those in a terminal run no scripts, and would take it away.

    The address must be worth nothing to others: everybody on this machine can see it in the list of processes.
    """
    with suppress(webbrowser.Error):
        browser = webbrowser.get()
        if type(browser) is not webbrowser.GenericBrowser or "BROWSER" in os.environ:
            browser.open(url)


def console_of(here: Stack) -> "Console":
    """Returns the console of a stack, for the caller of the command."""
    from vidhook.edges.bucket import Bucket, of_links
    from vidhook_console.proxy import BUILT_IN, Console

    link = Bucket(here.outputs["Bucket"], client=client("s3", of_links())).presigned("any", seconds=1)
    profile = click.get_current_context().find_root().params.get("profile")
    return Console(
        stack=here.name,
        region=here.region,
        account=None if in_sandbox() else here.account,
        api_url=here.outputs["ApiUrl"],
        videos=[here.outputs["VideosUrl"], link],
        http=here.edges.http,
        credentials=credentials,
        program=_typed(here, profile),
        sandbox=in_sandbox(),
        samples=_samples(here) or BUILT_IN,
        profile=profile,
    )


def _typed(here: Stack, profile: str | None) -> str:
    """Returns what a person types for `vidhook` in another terminal to act on the same stack."""
    before = f"AWS_ENDPOINT_URL={shlex.quote(os.environ['AWS_ENDPOINT_URL'])} " if in_sandbox() else ""
    given = {"--stack": here.name if here.name != "vidhook" else None, "--region": here.region, "--profile": profile}
    return before + " ".join([program(), *(f"{name} {shlex.quote(text)}" for name, text in given.items() if text)])


def _samples(here: Stack) -> Sequence[Mapping[str, Any]]:
    """Returns what the sample provider can do, where the sandbox runs with it."""
    if not in_sandbox():
        return ()
    from botocore.exceptions import ClientError

    from vidhook_sandbox.provider import CLICKS

    try:
        asked = here.edges.ledger.providers.get(CLICKS[0]["submission"]["provider"])
    except ClientError:  # an identity that may not read the ledger
        return ()
    return CLICKS if asked.base_url.startswith("http://127.0.0.1:") else ()
