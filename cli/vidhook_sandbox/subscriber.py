"""A sample subscriber: receives webhooks, verifies them with the package `standardwebhooks` and stores them."""

import json
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import click

from vidhook_cli.show import Amount, as_json_option, one_line, tell
from vidhook_sandbox import LARGEST, leave_when_told, need_extra
from vidhook_sandbox.loopback import Handler, Loopback


@dataclass(frozen=True, slots=True)
class Received:
    """One webhook as it came. `problem` says why it did not verify; `event` is the body if it is a JSON object."""

    at: float  # unix seconds
    headers: Mapping[str, str]  # names in lower case
    body: bytes
    problem: str | None
    event: dict[str, Any] | None
    duplicate: bool  # this event id came before, was verified and was answered with 2xx

    @property
    def verified(self) -> bool:
        return self.problem is None

    @property
    def id(self) -> str:
        return self.headers.get("webhook-id", "")


class SampleSubscriber:
    """One subscriber at `url`. It answers with each of `answers` once, then always with `status`.

    An answer is a status, or (status, headers). `slow` seconds pass before each answer. An unverified webhook is
    always answered with 401. `secrets` may change at any time, since the secret of an endpoint is often known only
    after its URL. `on_receive` is called with each webhook, in the server's thread.
    """

    def __init__(
        self,
        *secrets: str,
        answers: Sequence[int | tuple[int, Mapping[str, str]]] = (),
        status: int = 200,
        slow: float = 0,
        port: int = 0,
        on_receive: Callable[[Received], None] = lambda received: None,
    ) -> None:
        self.secrets = list(secrets)
        self.answers = list(answers)
        self.status, self.slow, self.on_receive = status, slow, on_receive
        self.received: list[Received] = []
        self._accepted: set[str] = set()
        self._changed = threading.Condition()
        self._server = Loopback(type("SubscriberHandler", (_Handler,), {"subscriber": self}), port)
        self.url = f"{self._server.url}/webhooks"

    def __enter__(self) -> "SampleSubscriber":
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def stop(self) -> None:
        self._server.stop()

    def wait_for(self, condition: Callable[[list[Received]], bool], seconds: float) -> list[Received]:
        """Returns what was received, once `condition` is true of it. Raises AssertionError after `seconds`."""
        with self._changed:
            if not self._changed.wait_for(lambda: condition(self.received), seconds):
                raise AssertionError(f"after {seconds} s {self.url} had received {[r.event for r in self.received]}")
            return list(self.received)

    def take(self, headers: Mapping[str, str], body: bytes) -> tuple[int, Mapping[str, str]]:
        """Stores one webhook. Returns the answer: (status, headers)."""
        problem = self._problem(headers, body)
        try:
            event = json.loads(body)
        except ValueError:
            event = None
        with self._changed:
            planned = self.answers.pop(0) if problem is None and self.answers else self.status
            status, extra = (planned, {}) if isinstance(planned, int) else planned
            event_id = headers.get("webhook-id", "")
            duplicate = event_id in self._accepted
            if problem is None and 200 <= status < 300:
                self._accepted.add(event_id)
            received = Received(
                time.time(), headers, body, problem, event if isinstance(event, dict) else None, duplicate
            )
            self.received.append(received)
            self._changed.notify_all()
        self.on_receive(received)
        return (status, extra) if problem is None else (401, {})

    def _problem(self, headers: Mapping[str, str], body: bytes) -> str | None:
        # Not at the top: `vidhook --help` imports this module also without the extra `sandbox`.
        from standardwebhooks.webhooks import Webhook, WebhookVerificationError

        problem = "no secret to verify with"
        for secret in self.secrets:
            try:
                Webhook(secret).verify(body, dict(headers))
            except WebhookVerificationError as error:
                problem = str(error)
            except ValueError as error:  # a malformed header, base64 or JSON
                problem = f"malformed: {error}"
            else:
                return None
        return problem


class _Handler(Handler):
    subscriber: SampleSubscriber

    def do_POST(self) -> None:  # noqa: N802 -- the base class's name
        body = self.read_body()
        headers = {name.lower(): value for name, value in self.headers.items()}
        status, extra = self.subscriber.take(headers, body)
        time.sleep(self.subscriber.slow)
        self.answer(status, headers=dict(extra))


def tell_of(received: Received, as_json: bool) -> None:
    """Prints a line about a webhook."""
    event = received.event or {}
    verdict = "ok" if received.verified else f"refused ({received.problem})"
    again = ", seen before" if received.duplicate else ""
    row = {"webhook_id": received.id, "problem": received.problem, "duplicate": received.duplicate}
    said = f"{verdict}  {received.id or 'no id'}  {event.get('type', 'no type')}{again}"
    tell({**row, "event": received.event}, one_line(said), as_json)


@click.command()
@click.option(
    "--port",
    type=click.IntRange(0, 65_535),
    default=8471,
    show_default=True,
    help="Port on 127.0.0.1; 0 takes a free one.",
)
@click.option("--secret", "secrets", multiple=True, required=True, help="whsec_...; may be given several times.")
@click.option(
    "--fail",
    type=click.IntRange(0, 1_000_000),
    default=0,
    show_default=True,
    metavar="N",
    help="Answer 500 to the first N webhooks.",
)
@click.option(
    "--status",
    type=click.IntRange(200, 599),
    default=200,
    show_default=True,
    help="The status for the other webhooks.",
)
@click.option(
    "--slow",
    type=Amount(0, LARGEST),
    default=0.0,
    show_default=True,
    metavar="SECONDS",
    help="Wait before each answer.",
)
@as_json_option
def sample_subscriber(port: int, secrets: tuple[str, ...], fail: int, status: int, slow: float, as_json: bool) -> None:
    """Receives webhooks on this machine, verifies each and prints a line about it."""
    need_extra()
    from standardwebhooks.webhooks import EmptyWebhookSecretError, Webhook

    for secret in secrets:
        try:
            Webhook(secret)
        except (ValueError, EmptyWebhookSecretError) as error:
            raise click.BadParameter(f"{error}; it is whsec_ and base64", param_hint="--secret") from error
    leave_when_told()
    with SampleSubscriber(
        *secrets,
        answers=[500] * fail,
        status=status,
        slow=slow,
        port=port,
        on_receive=partial(tell_of, as_json=as_json),
    ) as subscriber:
        tell({"url": subscriber.url}, f"listening at {subscriber.url}", as_json)
        threading.Event().wait()
