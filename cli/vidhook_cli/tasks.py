"""`vidhook submit`, `retry`, `poll` and `cancel` act on a task; `vidhook tasks` and `vidhook task` show tasks."""

import json
import time
from collections.abc import Iterator, Mapping
from contextlib import suppress
from itertools import islice
from typing import TYPE_CHECKING, Any

import click

from vidhook import cancel as cancelling
from vidhook import retry as job
from vidhook import shapes
from vidhook.create import CREATE
from vidhook.errors import Erased, NotFound
from vidhook.event import Event
from vidhook.find import ids_of, tasks_named
from vidhook.poll_now import poll_now
from vidhook.providers.created import Said
from vidhook.task import STOPPED, Cancel, Poll, Status, Watch, is_id
from vidhook.texts import escaped, shown
from vidhook.times import iso
from vidhook.wait import wait_for_end
from vidhook_cli.show import (
    MOST,
    Amount,
    OneOf,
    as_json_option,
    facts,
    instant,
    json_value,
    lines,
    nearest,
    one_line,
    pair,
    params_option,
    say,
    span,
    table,
    tell,
    wants_json,
    yes_option,
)
from vidhook_cli.stack import client, confirm, known_provider, stack

if TYPE_CHECKING:
    from vidhook.edges.ledger import Ledger

COLUMNS = ("task", "status", "progress", "polls", "submitted_at")
NEAR = 1_000  # among so many of the newest tasks, the name that a misspelled one is most like is looked for


@click.command()
@click.argument("provider")
@click.argument("task_id", required=False)
@click.option("--create", metavar="JSON", help="Create it: the provider's own request body, @FILE or -.")
@click.option("--idempotency-key", help="With --create: a task is created once for each key; else the reference is it.")
@click.option("--metadata", help="A JSON object that every event of the task has too.")
@params_option("A value that its file wants: model=...")
@click.option("--reference", help="Your own id for it, such as order-17: events carry it, and `vidhook why` finds it.")
@click.option("--callback-url", help="Notify this URL too, of this task only.")
@click.option("--expected-seconds", type=Amount(1, 86_400), help="How long the task should take.")
@click.option("--deadline-seconds", type=int, help="Stop following the task after this time.")
@click.option("--progress", is_flag=True, help="Send progress events too.")
@as_json_option
def submit(provider: str, progress: bool, as_json: bool, params: dict[str, str] | None, **others: Any) -> None:
    """Submits the task TASK_ID of PROVIDER, or creates one: vidhook follows it until it ends."""
    given = {name: value for name, value in others.items() if value is not None}
    submission: dict[str, Any] = {"provider": provider} | given
    if given.get("create") == given.get("metadata") == "-":
        raise click.UsageError("--create and --metadata cannot both read the standard input: give one as @FILE")
    for name in ("create", "metadata"):
        if name in given:
            submission[name] = json_value(given[name], f"--{name}")
    if params is not None:
        submission["params"] = params
    if progress:
        submission["progress"] = True
    function = stack().outputs["SubmitFunction"]
    answer = client("lambda").invoke(FunctionName=function, Payload=json.dumps(submission).encode())
    result = json.loads(answer["Payload"].read())
    if "FunctionError" in answer:
        raise click.ClickException(result.get("errorMessage", "the function failed without a message"))
    new = "vidhook follows it" if result["created"] else "it was submitted before"
    tell(result, f"{result['id']}: {new}; `vidhook task {result['id']}` shows how far it is", as_json)


@click.command()
@click.option("--provider", help="Only tasks of this provider.")
@click.option("--status", type=OneOf([each.value for each in Status]), help="Only tasks in this status.")
@click.option("--reference", help="Only tasks with this reference.")
@click.option("--metadata", metavar="NAME=VALUE", help="Only tasks with this in their metadata, such as order=17.")
@click.option("--since", default="7d", show_default=True, help="An instant (2026-04-27T11:20:12Z) or an age (36h).")
@click.option("--limit", type=click.IntRange(1, MOST), default=50, show_default=True, help="The most to show.")
@as_json_option
def tasks(
    provider: str | None,
    status: str | None,
    reference: str | None,
    metadata: str | None,
    since: str,
    limit: int,
    as_json: bool,
) -> None:
    """Lists tasks, newest first."""
    if reference == "":
        raise click.BadParameter("is empty", param_hint="--reference")
    name, value = ("", "") if metadata is None else pair(metadata, "--metadata")
    ledger = stack().edges.ledger
    begin = instant(since, time.time())
    watches = ledger.tasks.all(since=begin) if reference is None else ledger.tasks.of_reference(reference)
    every = (shapes.task(watch) for watch in watches if watch.submitted_at >= begin)
    chosen = (
        row
        for row in every
        if provider in (None, row["provider"])
        and status in (None, row["status"])
        and (metadata is None or (name in row["metadata"] and _written(row["metadata"][name]) == value))
    )
    found = list(islice(chosen, limit))
    if not found and provider is not None:
        known_provider(provider, ledger)
    if wants_json(as_json):
        lines(found)
    else:
        rows = [{**(row["snapshot"] or {}), **row, "task": named(row)} for row in found]
        table(rows, COLUMNS, nothing="there are no such tasks; submit one: vidhook submit PROVIDER TASK_ID")


@click.command()
@click.argument("task")
@click.option("--answer", is_flag=True, help="Show what its provider answered to the latest poll, and what was read.")
@click.option("--at", metavar="INSTANT", help="With --answer: the latest answer that had come by 2026-04-27T11:20:12Z.")
@click.option("--wait", type=Amount(0, 604_800), default=0, help="Wait so many seconds for its end first.")
@as_json_option
def task(task: str, answer: bool, at: str | None, wait: float, as_json: bool) -> None:
    """Shows the timeline of TASK: polls, pauses, video and deliveries.

    TASK is tsk_..., provider/task_id, a reference, the provider's id, or the id of its event, evt_....
    """
    if at is not None and not answer:
        raise click.UsageError("--at is for --answer: the timeline shows all instants")
    by = None if at is None else instant(at, time.time()) + 1  # to the end of the second
    ledger = stack().edges.ledger
    task_id = find(task, ledger)
    wait_for_end(task_id, wait, ledger=ledger)
    watch = ledger.tasks.watch(task_id)
    if answer:
        _show_answer(shapes.answer(ledger.tasks.answer(watch.id, by)), as_json)
        return
    rows = timeline(watch, ledger)
    if wants_json(as_json):
        lines(rows)
        return
    row = shapes.task(watch)
    due = watch.next_poll_at
    then = "" if due is None else f", next poll in {span(max(0.0, due - time.time()))}"
    say(f"{row['id']}  {one_line(named(row))}  {click.style(row['status'], bold=True)}{then}")
    table(rows, ("at", "what", "detail"), nothing="")


@click.command()
@click.argument("task")
@click.option("--deadline-seconds", type=click.IntRange(1, 604_800), help="Stop after this time.")
@params_option("A value in place of all that the submission gave: model=...")
@as_json_option
def retry(task: str, deadline_seconds: int | None, params: dict[str, str] | None, as_json: bool) -> None:
    """Follows TASK again, which vidhook gave up: at its deadline, or because of what it concluded.

    TASK is tsk_..., provider/task_id, a reference, or the provider's id. If it turns out completed, that is
    published too.
    """
    here = stack().edges
    watch = job.retry(
        find(task, here.ledger),
        deadline_seconds=deadline_seconds,
        params=params,
        runs=here.runs,
        pacer=here.pacer,
    )
    row = shapes.task(watch)
    tell(row, f"{watch.id} is polled at once, and followed until {row['deadline_at']} at the latest", as_json)


@click.command()
@click.argument("task")
@as_json_option
def poll(task: str, as_json: bool) -> None:
    """Polls TASK at once, beside its plan.

    TASK is tsk_..., provider/task_id, a reference, or the provider's id. At most one such poll is made in ten seconds.
    """
    here = stack().edges
    watch = poll_now(find(task, here.ledger), runs=here.runs)
    tell(shapes.task(watch), f"{watch.id} is being polled; `vidhook task {watch.id}` shows what comes of it", as_json)


@click.command()
@click.argument("task")
@yes_option
@as_json_option
def cancel(task: str, yes: bool, as_json: bool) -> None:
    """Cancels TASK: asks its provider to, and follows it until the provider says how it ended.

    TASK is tsk_..., provider/task_id, a reference, or the provider's id. Where the provider has no way to cancel,
    vidhook stops following it, and it is published as failed.
    """
    here = stack().edges
    watch = here.ledger.tasks.watch(find(task, here.ledger))
    provider, name = watch.submission.provider, named(shapes.task(watch))
    asks = cancelling.can_cancel(watch, here.ledger)
    if watch.event_id is None:  # else it has ended, and is refused, or was cancelled before
        confirm(
            f"ask {provider} to cancel {name}" if asks else f"stop following {name}, which may go on at {provider}", yes
        )
    watch = cancelling.cancel(watch.id, runs=here.runs)
    if watch.event_id is not None:
        done = "it was cancelled before"
    elif watch.cancel is not None and watch.cancel.answer == STOPPED:
        done = f"vidhook stops following it, as {provider} has no way to cancel; its event follows"
    else:
        done = f"{provider} is asked to cancel it; `vidhook task {watch.id}` shows the answer"
    tell(shapes.task(watch), f"{watch.id}: {done}", as_json)


@click.command()
@click.argument("task")
@yes_option
@as_json_option
def erase(task: str, yes: bool, as_json: bool) -> None:
    """Erases TASK: its videos, its event, its deliveries, and all else that is stored of it.

    TASK is tsk_..., provider/task_id, a reference, or the provider's id. vidhook stops following it, and does not take
    it again; its provider is not asked to cancel it. To erase it twice is harmless.
    """
    here = stack().edges
    try:
        watch = here.ledger.tasks.watch(find(task, here.ledger))
    except Erased as erased:
        with suppress(Erased):  # nothing is left to remove
            here.ledger.tasks.begin_erasure(erased.task, time.time())
            here.functions.erase(erased.task)
        tell({"id": erased.task, "erased_at": iso(erased.at)}, f"{erased}; it is not followed again", as_json)
        return
    name = named(shapes.task(watch))
    confirm(f"erase {name}, with its video and all that is stored of it", yes)
    left = here.ledger.tasks.begin_erasure(watch.id, time.time())
    here.functions.erase(watch.id)
    row = {"id": watch.id, "erased_at": iso(left.at)}
    tell(row, f"{watch.id} is erased: nothing of it is shown or sent any more; its files go within seconds", as_json)


def _show_answer(row: dict[str, Any], as_json: bool) -> None:
    if wants_json(as_json):
        lines([row])
        return
    read = {f"read: {name}": value for name, value in row["read"].items()}
    facts({"answered_at": row["at"], "http_status": row["status"], **row["headers"], "bytes": row["bytes"], **read})
    body = row["body"]
    text = body if isinstance(body, str) else json.dumps(body, indent=2, ensure_ascii=False)
    click.echo("\n" + "\n".join(map(escaped, text.split("\n"))) + ("\n... (cut here)" if row["truncated"] else ""))


def cancelled(wish: Cancel) -> str:
    """Returns in words what came of the wish to cancel a task."""
    if wish.answer == STOPPED:
        return "vidhook stopped following it: its provider has no way to cancel"
    said = f" ({wish.message})" if wish.message else ""
    return f"the provider was asked: {wish.answer}{said}" if wish.answer else "the provider is asked with the next poll"


def named(row: Mapping[str, Any]) -> str:
    """Returns how people name a task: by its provider's id, or before it has one by their own."""
    return f"{row['provider']}/{row['task_id'] or row['idempotency_key'] or row['reference']}"


def timeline(watch: Watch, ledger: "Ledger") -> list[dict[str, Any]]:
    """Returns all that happened to a task, as rows of at, what and detail, oldest first."""
    start = watch.history[0].at if watch.history else watch.submitted_at
    rows: list[tuple[float, str, str]] = [
        (watch.submitted_at, "submitted", f"{watch.execution}{'' if watch.creation else _paused(*watch.first)}")
    ]
    shown = sum(poll.why != CREATE for poll in watch.history)
    if watch.polls > shown:
        rows.append((start - 0.001, "polls", f"{watch.polls - shown} earlier ones are not shown"))
    rows += [_asked(poll, watch) for poll in watch.history]
    if watch.retried_at is not None:
        rows.append((watch.retried_at, "retried", f"{watch.retries}: a new deadline, and a poll at once"))
    if watch.cancel is not None:
        rows.append((watch.cancel.at, "cancel", cancelled(watch.cancel)))
    for event in ledger.tasks.events(watch.id):  # none yet, one or, after a retry, two; or it is no longer stored
        rows += _end(event)
    for (event_id, subscriber_id), attempts in ledger.deliveries.attempts(watch.id).items():
        for made in attempts:
            then = f", next in {span(made.pause)}" if made.pause is not None else ""
            detail = f"{event_id} to {subscriber_id}: {made.outcome} ({made.status or made.kind}){then}"
            rows.append((made.at, f"attempt {made.number}", detail))
    return [{"at": iso(at), "what": what, "detail": detail} for at, what, detail in sorted(rows)]


def _asked(poll: Poll, watch: Watch) -> tuple[float, str, str]:
    """Returns the row of one request to the provider."""
    progress = f" {poll.progress} %" if poll.progress is not None else ""
    what, why = ("poll", poll.why)
    if poll.why == CREATE:
        what, why = CREATE, watch.first[1] if poll.answer == Said.CREATED else ""
    return poll.at, what, f"{poll.answer}{progress}{_paused(poll.pause, why)}"


def _paused(seconds: int | None, why: str | None) -> str:
    because = f" ({why.replace('_', '-')})" if why else ""
    return f", pause {span(seconds)}{because}" if seconds else ""


def _written(value: Any) -> str:
    """Returns a value of metadata as people write it: 17 for 17 and "17", true for true."""
    return value if isinstance(value, str) else json.dumps(value)


def _end(event: Event) -> list[tuple[float, str, str]]:
    """Returns the rows of a terminal event: its files and the event itself."""
    data = event.data["data"]
    rows = [(event.at - 0.0005, "video", each) for each in stored(event)]
    because = f": {data['error']['category']}, {data['error']['message']}" if data["error"] else ""
    return [*rows, (event.at, "event", f"{event.type} {event.id}{because}")]


def stored(event: Event) -> Iterator[str]:
    """Yields where each file of a terminal event is stored, or why it is not."""
    for asset in event.data["data"]["assets"]:
        reason = asset.get("store_error")  # events of earlier versions have none
        where = f"not stored: {reason['kind']}, {reason['message']}" if reason else "not stored"
        if asset["stored"]:
            where = f"s3://{asset['bucket']}/{asset['key']} ({', '.join(_facts(asset))})"
        yield f"{asset['role']}: {where}"


def _facts(asset: dict[str, Any]) -> Iterator[str]:
    """Yields what is known of a stored file; events of earlier versions have only its bytes."""
    yield f"{asset['bytes']} bytes"
    if asset.get("width") and asset.get("height"):
        yield f"{asset['width']}x{asset['height']}"
    if asset.get("duration_ms"):
        yield f"{asset['duration_ms'] / 1000:g} s"
    if asset.get("has_audio") is not None:
        yield "with sound" if asset["has_audio"] else "no sound"


def find(task: str, ledger: "Ledger") -> str:
    """Returns the id of a task, from any name that people have for it. Raises NotFound.

    Of several with one reference it is the newest.
    """
    found = tasks_named(task, ledger)
    if len(found) > 1 and found[0].submission.own_name != task:
        which = ", ".join(sorted(f"{each.submission.provider}/{task}" for each in found))
        raise NotFound(f'there are several tasks "{shown(task, 80)}": {shown(which, 200)}; give one of these')
    if found:
        return found[0].id
    provider, slash, task_id = task.partition("/")
    if is_id(task, "tsk") or slash:
        _check_not_erased(ids_of(provider, task_id) if slash else [task], ledger)
    if slash:
        known_provider(provider, ledger)
    known = set[str]()
    for watch in islice(ledger.tasks.all(), NEAR):
        its, own = watch.submission.task_id, watch.submission.own_name
        if its == task:
            return watch.id  # of a provider that there is no longer
        known |= {watch.id, *((its, f"{watch.submission.provider}/{its}") if its else ()), *((own,) if own else ())}
    hint = nearest(task, known) or "; give tsk_..., provider/task_id, a reference, or evt_..."
    raise NotFound(f'there is no task "{shown(task, 80)}"{hint}')


def _check_not_erased(task_ids: list[str], ledger: "Ledger") -> None:
    """Raises Erased if one of these tasks was erased, which is not simply unknown."""
    for task_id in task_ids:
        try:
            ledger.tasks.watch(task_id)
        except Erased:
            raise
        except NotFound:
            pass
