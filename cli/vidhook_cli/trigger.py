"""`vidhook trigger` sends one sample event to an endpoint, signed, without a stack."""

import hashlib
import secrets as randomness
import time
from pathlib import Path
from typing import Any

import click

from vidhook.event import PROGRESS, Event, progress_event, terminal_event, test_event
from vidhook.store import key_of
from vidhook.submission import check
from vidhook.task import (
    EVENT_TYPES,
    Category,
    Film,
    Outcome,
    Poll,
    Snapshot,
    Source,
    Status,
    StoredFile,
    Submission,
    TaskError,
    Watch,
)
from vidhook_cli.endpoint import (
    answered,
    body_shown,
    http_to,
    milliseconds,
    needed_secret,
    network_options,
    post,
    secret_option,
)
from vidhook_cli.show import OneOf, as_json_option, json_value, tell

TEST = "endpoint.test"
TYPES = (*EVENT_TYPES, TEST)
# Receivers know this provider; the task's id says that it is a sample.
PROVIDER, TASK_SECONDS, STORE_SECONDS, DELAY_SECONDS = "alad", 120, 2, 5
# A task of the sample is asked for a last time so long before it is found done.
LAST_PAUSE = 8
# Reserved for examples by RFC 2606: these links lead nowhere.
SOURCE_URL, VIDEOS_URL = "https://provider.example", "https://videos.example/v1/videos"
FILES = {"video": ("mp4", "video/mp4"), "image": ("png", "image/png")}


def _metadata(_: click.Context, __: click.Parameter, given: str | None) -> Any:
    return None if given is None else json_value(given, "--metadata")


@click.command()
@click.argument("event_type", metavar="TYPE", type=OneOf(TYPES))
@click.argument("url")
@secret_option
@click.option(
    "--metadata", callback=_metadata, help="A JSON object, or @FILE, as if the task had been submitted with it."
)
@network_options
@as_json_option
def trigger(
    event_type: str,
    url: str,
    secret: str | None,
    metadata: Any,
    allow: tuple[str, ...],
    ca_file: Path | None,
    as_json: bool,
) -> None:
    """Sends one sample event of TYPE to URL, signed as a webhook of vidhook.

    TYPE is video.completed, video.failed, video.progress, the same for image, or endpoint.test. URL is public https,
    or on this machine, or in a network given with --allow. Exits with 1 unless the answer is 2xx.
    """
    if event_type == TEST and metadata is not None:
        raise click.BadParameter(f"{TEST} belongs to no task and has no metadata", param_hint="--metadata")
    http, now = http_to(url, allow, ca_file), time.time()
    event = test_event("trigger", now) if event_type == TEST else sample(event_type, metadata, now)
    made = post(event, url, needed_secret(secret), http)
    accepted = made.outcome is Outcome.DELIVERED
    row = {"event_id": event.id, "event_type": event.type, "accepted": accepted, "kind": made.kind}
    row |= {"status": made.status, "ms": milliseconds(made), "detail": made.detail, "body": body_shown(made)}
    hint = "" if accepted else "\nit was not accepted: `vidhook doctor URL` looks for the reason"
    tell(row, f"{event.type}  {event.id}\n{answered(made)}{hint}", as_json)
    if not accepted:
        raise SystemExit(1)


def sample(event_type: str, metadata: Any, now: float) -> Event:
    """Returns a new event about a sample task that ends at `now`. Raises BadSubmission for wrong metadata."""
    kind, suffix = event_type.split(".")
    given = {"provider": PROVIDER, "task_id": f"sample_{randomness.token_hex(8)}"}
    submission = check(given if metadata is None else {**given, "metadata": metadata}, TASK_SECONDS).submission
    ended = now - STORE_SECONDS
    snapshot = _snapshot(kind, suffix, submission, ended)
    polls = (Poll(ended - LAST_PAUSE, str(Status.PROCESSING), LAST_PAUSE), Poll(ended, str(snapshot.status)))
    watch = Watch(
        submission,
        submitted_at=ended - TASK_SECONDS,
        polls=6,
        history=polls,
        snapshot=snapshot,
        detected_at=ended,
    )
    if suffix == PROGRESS:
        return progress_event(watch, snapshot, now)
    return terminal_event(watch, snapshot, {each.role: _stored(watch, each) for each in snapshot.sources}, now)


def _snapshot(kind: str, suffix: str, submission: Submission, ended: float) -> Snapshot:
    """Returns what was read last of a sample task that makes a `kind`."""
    status, word, percent = {
        "completed": (Status.COMPLETED, "SUCCESS", 100),
        "failed": (Status.FAILED, "FAILURE", 100),
        PROGRESS: (Status.PROCESSING, "IN_PROGRESS", 45),
    }[suffix]
    link = f"{SOURCE_URL}/{submission.task_id}.{FILES[kind][0]}"
    refused = TaskError(
        Category.CONTENT_POLICY,
        "INPUT_TEXT_SENSITIVE_CONTENT_DETECTED",
        "A sample of vidhook: the prompt was refused.",
        "InputTextSensitiveContentDetected",
    )
    return Snapshot(
        status,
        word,
        kind,
        model="sample-model",
        progress=percent,
        created_at=ended - TASK_SECONDS,
        started_at=ended - TASK_SECONDS + 2,
        completed_at=ended - DELAY_SECONDS if status.final else None,
        sources=(Source("result", kind, link, ended + 86_400),) if status is Status.COMPLETED else (),
        error=refused if status is Status.FAILED else None,
        usage={"total_tokens": 108_900} if status is Status.COMPLETED else None,
    )


def _stored(watch: Watch, source: Source) -> StoredFile:
    key = key_of(watch, source)
    digest = hashlib.sha256(key.encode()).hexdigest()
    film = Film(5_000, 1280, 720, has_audio=True) if source.type == "video" else Film(width=1024, height=1024)
    return StoredFile("vidhook-sample", key, FILES[source.type][1], 8_123_456, digest, f"{VIDEOS_URL}/{key}", film)
