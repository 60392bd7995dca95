"""`vidhook submit` submits a task, `vidhook retry` follows one again; `vidhook tasks` and `vidhook task` show tasks."""

import json
import time
from itertools import islice
from typing import Any

import boto3
import click

from vidhook import retry as job
from vidhook import shapes
from vidhook.edges.ledger import Ledger
from vidhook.errors import NotFound
from vidhook.event import Event
from vidhook.task import Status, Watch, is_id, watch_id
from vidhook.texts import shown
from vidhook.times import iso
from vidhook_cli.show import Amount, as_json_option, instant, lines, table, wants_json
from vidhook_cli.stack import stack

COLUMNS = ("task", "status", "progress", "polls", "submitted_at")


@click.command()
@click.argument("provider")
@click.argument("task_id")
@click.option("--metadata", help="A JSON object that every event of the task has too.")
@click.option("--callback-url", help="Notify this URL too, of this task only.")
@click.option("--expected-seconds", type=Amount(0, 604_800), help="How long the task should take.")
@click.option("--deadline-seconds", type=int, help="Stop following the task after this time.")
@click.option("--progress", is_flag=True, help="Send progress events too.")
def submit(provider: str, task_id: str, metadata: str | None, progress: bool, **others: Any) -> None:
    """Submits the task TASK_ID of PROVIDER: vidhook follows it until it ends."""
    submission: dict[str, Any] = {"provider": provider, "task_id": task_id}
    submission |= {name: value for name, value in others.items() if value is not None}
    if metadata is not None:
        try:
            submission["metadata"] = json.loads(metadata)
        except (ValueError, RecursionError):
            raise click.BadParameter("is not JSON", param_hint="--metadata") from None
    if progress:
        submission["progress"] = True
    function = stack().outputs["SubmitFunction"]
    answer = boto3.client("lambda").invoke(FunctionName=function, Payload=json.dumps(submission).encode())
    result = json.loads(answer["Payload"].read())
    if "FunctionError" in answer:
        raise click.ClickException(result.get("errorMessage", "the function failed without a message"))
    lines([result])


@click.command()
@click.option("--provider", help="Only tasks of this provider.")
@click.option("--status", type=click.Choice([*Status]), help="Only tasks in this status.")
@click.option("--since", default="7d", show_default=True, help="An instant (2026-04-27T11:20:12Z) or an age (36h).")
@click.option("--limit", type=click.IntRange(1), default=50, show_default=True, help="The most to show.")
@as_json_option
def tasks(provider: str | None, status: str | None, since: str, limit: int, as_json: bool) -> None:
    """Lists tasks, newest first."""
    watches = stack().edges.ledger.watches(since=instant(since, time.time()))
    every = (shapes.task(watch) for watch in watches)
    chosen = (row for row in every if provider in (None, row["provider"]) and status in (None, row["status"]))
    found = list(islice(chosen, limit))
    if wants_json(as_json):
        lines(found)
    else:
        rows = [{**row, **(row["snapshot"] or {}), "task": f"{row['provider']}/{row['task_id']}"} for row in found]
        table(rows, COLUMNS, nothing="there are no such tasks; submit one: vidhook submit PROVIDER TASK_ID")


@click.command()
@click.argument("task")
@as_json_option
def task(task: str, as_json: bool) -> None:
    """Shows the timeline of TASK: polls, pauses, video and deliveries.

    TASK is tsk_..., provider/task_id, or the provider's id alone.
    """
    ledger = stack().edges.ledger
    watch = ledger.watch(find(task, ledger))
    rows = timeline(watch, ledger)
    if wants_json(as_json):
        lines(rows)
        return
    row = shapes.task(watch)
    click.echo(f"{row['id']}  {row['provider']}/{row['task_id']}  {click.style(row['status'], bold=True)}")
    table(rows, ("at", "what", "detail"), nothing="")


@click.command()
@click.argument("task")
@click.option("--deadline-seconds", type=click.IntRange(1, 604_800), help="Stop after this time.")
def retry(task: str, deadline_seconds: int | None) -> None:
    """Follows TASK again, which vidhook gave up: at its deadline, or because of what it concluded.

    TASK is tsk_..., provider/task_id, or the provider's id alone. If it turns out completed, that is published too.
    """
    here = stack().edges
    watch = job.retry(find(task, here.ledger), deadline_seconds=deadline_seconds, runs=here.runs, pacer=here.pacer)
    lines([shapes.task(watch)])


def timeline(watch: Watch, ledger: Ledger) -> list[dict[str, Any]]:
    """Returns all that happened to a task, as rows of at, what and detail, oldest first."""
    start = watch.history[0].at if watch.history else watch.submitted_at
    rows: list[tuple[float, str, str]] = [
        (watch.submitted_at, "submitted", f"{watch.execution}{_paused(*watch.first)}")
    ]
    if watch.polls > len(watch.history):
        rows.append((start - 0.001, "polls", f"{watch.polls - len(watch.history)} earlier ones are not shown"))
    for poll in watch.history:
        progress = f" {poll.progress} %" if poll.progress is not None else ""
        rows.append((poll.at, "poll", f"{poll.answer}{progress}{_paused(poll.pause, poll.why)}"))
    if watch.retried_at is not None:
        rows.append((watch.retried_at, "retried", f"{watch.retries}: a new deadline, and a poll at once"))
    for event in ledger.events(watch.id):  # none yet, one or, after a retry, two; or it is no longer stored
        rows += _end(event)
    for (event_id, subscriber_id), attempts in ledger.attempts(watch.id).items():
        for made in attempts:
            then = f", next in {made.pause} s" if made.pause is not None else ""
            detail = f"{event_id[:10]}... to {subscriber_id}: {made.outcome} ({made.status or made.kind}){then}"
            rows.append((made.at, f"attempt {made.number}", detail))
    return [{"at": iso(at), "what": what, "detail": detail} for at, what, detail in sorted(rows)]


def _paused(seconds: int | None, why: str | None) -> str:
    because = f" ({why.replace('_', '-')})" if why else ""
    return f", pause {seconds} s{because}" if seconds else ""


def _end(event: Event) -> list[tuple[float, str, str]]:
    """Returns the rows of a terminal event: its files and the event itself."""
    data, rows = event.data["data"], []
    for asset in data["assets"]:
        reason = asset.get("store_error")  # events of earlier versions have none
        where = f"not stored: {reason['kind']}, {reason['message']}" if reason else "not stored"
        if asset["stored"]:
            where = f"s3://{asset['bucket']}/{asset['key']} ({asset['bytes']} bytes)"
        rows.append((event.at - 0.0005, "video", f"{asset['role']}: {where}"))
    because = f": {data['error']['category']}, {data['error']['message']}" if data["error"] else ""
    return [*rows, (event.at, "event", f"{event.type} {event.id}{because}")]


def find(task: str, ledger: Ledger) -> str:
    """Returns the id of a task from its id, `provider/task_id`, or the provider's id. Raises NotFound."""
    if is_id(task, "tsk"):
        return task
    provider, slash, task_id = task.partition("/")
    if slash:
        return ledger.watch(watch_id(provider, task_id)).id
    for watch in ledger.watches():
        if watch.submission.task_id == task:
            return watch.id
    raise NotFound(f'there is no task "{shown(task, 80)}"; give tsk_... or provider/task_id')
