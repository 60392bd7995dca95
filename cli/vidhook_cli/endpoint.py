"""What the commands share that POST webhooks to a URL: their options, and one signed POST."""

import ssl
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from vidhook.credentials import checked_secret
from vidhook.deliver import attempt
from vidhook.errors import BadInput, BadSubscriber, Blocked
from vidhook.event import Event
from vidhook.task import Attempt, AttemptKind, Credentials, Delivery, SigningSecret, Subscriber
from vidhook.texts import shown
from vidhook.times import Clock

if TYPE_CHECKING:
    from vidhook.edges.http import Http

LOOPBACK = ("127.0.0.0/8", "::1/128")
# Of an answer's body; a terminal's line or two.
SHOWN_BYTES = 200

Command = TypeVar("Command", bound=Callable[..., Any])


def given_secret(_: click.Context, __: click.Parameter, secret: str | None) -> str | None:
    """Returns a signing secret as it was given, for click. Raises BadParameter, which does not repeat it."""
    return None if secret is None else _checked(secret)


def _checked(secret: str) -> str:
    try:
        return checked_secret(secret)
    except BadSubscriber as error:
        raise click.BadParameter(f"it {error.problem}; copy all of it", param_hint="--secret") from None


def needed_secret(secret: str | None) -> str:
    """Returns the secret; asks for it without showing it, or reads a line, if it is not given."""
    if secret is not None:
        return secret
    if sys.stdin.isatty():
        asked = click.prompt("secret", hide_input=True, err=True)
    else:
        asked = click.get_text_stream("stdin", errors="replace").readline().strip()
    if not asked:
        raise click.UsageError("the endpoint's secret is missing: give it in VIDHOOK_SECRET, or as a line of input")
    return _checked(asked)


secret_option = click.option(
    "--secret",
    envvar="VIDHOOK_SECRET",
    callback=given_secret,
    help="The endpoint's whsec_...; use VIDHOOK_SECRET or the prompt to keep it out of the shell's history.",
)


def network_options(command: Command) -> Command:
    """Adds --allow and --ca-file, which `trusted` and `http_for` take."""
    allow = click.option(
        "--allow", multiple=True, metavar="CIDR", help="A private network that URL may be in, over http too."
    )
    ca_file = click.option(
        "--ca-file",
        type=click.Path(exists=True, dir_okay=False, path_type=Path),
        help="Trust the authorities in this PEM file instead of the public ones.",
    )
    return allow(ca_file(command))


def trusted(ca_file: Path | None, url: str) -> ssl.SSLContext:
    """Returns a context that trusts the authorities of `ca_file`, or the public ones. Raises BadParameter."""
    if ca_file is not None and not url.lower().startswith("https:"):
        raise click.BadParameter("does nothing here: only https has certificates", param_hint="--ca-file")
    try:
        from requests.utils import DEFAULT_CA_BUNDLE_PATH

        return ssl.create_default_context(cafile=ca_file or DEFAULT_CA_BUNDLE_PATH)
    except (ssl.SSLError, OSError) as error:
        raise click.BadParameter(f"{ca_file} holds no certificates in PEM: {error}", param_hint="--ca-file") from None


def http_to(url: str, allow: tuple[str, ...], ca_file: Path | None) -> "Http":
    """Returns what reaches a URL, as `http_for`. Raises BadParameter for one that can never be sent to."""
    http = http_for(allow, trusted(ca_file, url))
    try:
        http.check(url)
    except Blocked as error:
        hint = "on this machine: http://localhost:3000/hook; in another private network: --allow CIDR"
        raise click.BadParameter(f"{error} ({hint})", param_hint="URL") from None
    return http


def http_for(allow: tuple[str, ...], context: ssl.SSLContext) -> "Http":
    """Returns what reaches public https, this machine and the networks of --allow."""
    from vidhook.edges.http import Http

    try:
        return Http(allowed_networks=(*LOOPBACK, *allow), ssl_context=context)
    except BadInput as error:
        raise click.BadParameter(f"{error.problem}; {error.hint}", param_hint="--allow") from None


def post(event: Event, url: str, secret: str, http: "Http", *, number: int = 1) -> Attempt:
    """POSTs an event once, as a subscriber gets it, and returns the attempt. Never raises for the network."""
    clock, credentials = Clock(), Credentials((SigningSecret(secret),))
    delivery = Delivery(event.id, event.watch_id, "endpoint", event.type, clock.now(), attempts=number - 1)
    return attempt(event, delivery, Subscriber("endpoint", url), credentials, http=http, clock=clock)


def milliseconds(made: Attempt) -> int:
    """Returns how long an attempt took."""
    return round(made.timings.get("total", 0.0))


def answered(made: Attempt) -> str:
    """Returns what came of an attempt, in words: the answer and the beginning of its body, or what broke."""
    what = f"{made.status}" if made.kind is AttemptKind.HTTP else f"{made.kind}: {made.detail}"
    said = body_shown(made)
    return f"{what} in {milliseconds(made)} ms" + (f": {said}" if said else "")


def body_shown(made: Attempt) -> str:
    """Returns the beginning of an answer's body, as one line."""
    return shown(" ".join(made.answer.split()), SHOWN_BYTES)
