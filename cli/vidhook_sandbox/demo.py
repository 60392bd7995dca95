"""`vidhook demo` runs the whole stack on this machine and shows eleven tasks."""

import hashlib
import json
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, nullcontext
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any

import click
from rich.console import Console, Group, JustifyMethod, RenderableType
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from vidhook.errors import NotFound
from vidhook.task import Status, Watch, watch_id
from vidhook.times import iso
from vidhook_cli.show import lines
from vidhook_sandbox import STARTING, leave_when_told, moves, need_extra, saying
from vidhook_sandbox.provider import SampleProvider, SampleTask
from vidhook_sandbox.subscriber import Received, SampleSubscriber

if TYPE_CHECKING:
    from vidhook_sandbox.cloud import Cloud

WAIT_SCALE = 0.1
TIMEOUT = 90.0  # seconds for all tasks, on a slow machine
EXTRA_SECONDS = 2.0  # the wait at the end for webhooks that should not come
SUBSCRIBERS = ("app", "archive")
STYLES = {"pending": "dim", "processing": "cyan", "completed": "green", "failed": "red"}


@dataclass(frozen=True)
class DemoTask:
    """One task of the demo: its script at the sample provider, and how it is submitted."""

    name: str
    provider: str
    script: dict[str, Any]
    by_bus: bool = False


TASKS = (
    DemoTask("sunrise", "vicsee", {"seconds": 8, "bytes": 2_000_000}),
    DemoTask(
        "city rain",
        "vicsee",
        {"seconds": 14, "bytes": 1_500_000, "faults": [{"kind": "429", "times": 2, "retry_after": 15}, "500"]},
        by_bus=True,
    ),
    DemoTask("too large", "vicsee", {"seconds": 5, "ends": "failed"}),
    DemoTask("slideshow", "vibepeak", {"seconds": 18, "bytes": 5_000_000}, by_bus=True),
    DemoTask("portrait", "vibepeak", {"seconds": 10, "bytes": 900_000, "faults": ["html", "drop"]}),
    DemoTask("paper boat", "infinityblue", {"seconds": 12, "bytes": 1_000_000}),
    DemoTask(
        "night train",
        "infinityblue",
        {"seconds": 20, "bytes": 3_000_000, "ends": "completed-content-proxy"},
        by_bus=True,
    ),
    DemoTask("glacier", "alad", {"seconds": 16, "bytes": 8_000_000}),
    DemoTask(
        "upscaled", "alad", {"seconds": 19, "bytes": 4_000_000, "ends": "completed-super-resolution"}, by_bus=True
    ),
    DemoTask("forbidden", "alad", {"seconds": 7, "ends": "failed-content-policy"}),
    DemoTask("tide pool", "fal", {"seconds": 9, "bytes": 2_500_000, "faults": ["second-unavailable"]}),
)


@dataclass
class Row:
    """One submitted task, and what has happened to it so far."""

    name: str
    task: SampleTask
    watch: Watch | None = None
    assets: list[dict[str, Any]] = field(default_factory=list)
    webhooks: dict[str, list[Received]] = field(default_factory=lambda: {name: [] for name in SUBSCRIBERS})

    @property
    def id(self) -> str:
        return watch_id(self.task.provider, self.task.task_id)

    @property
    def status(self) -> str:
        if self.watch is None:
            return "submitted"
        return str(self.watch.snapshot.status) if self.watch.snapshot else "pending"

    @property
    def polls(self) -> int:
        return self.watch.polls if self.watch else 0

    @property
    def pauses(self) -> list[int]:
        """The seconds paused before each poll. The demo is short, so the history of the watch has all polls."""
        if self.watch is None:
            return []
        later = [poll.pause for poll in self.watch.history if poll.pause is not None]
        return [self.watch.paused - sum(later), *later]

    @property
    def bytes(self) -> int:
        return sum(asset["bytes"] or 0 for asset in self.assets)

    @property
    def delay(self) -> float | None:
        """Seconds from the end at the provider to the last subscriber's verified webhook."""
        if not all(self.webhooks.values()):
            return None
        return max(received[0].at for received in self.webhooks.values()) - self.task.done_at


@dataclass(frozen=True, slots=True)
class Message:
    """One thing that happened to a task: `what` in a word, and `text` with the rest."""

    row: Row
    what: str
    style: str
    text: str
    at: float = field(default_factory=time.time)

    def shown(self) -> Text:
        begin = time.strftime("%H:%M:%S  ", time.localtime(self.at))
        return Text.assemble(
            (begin, "dim"), (f"{self.what:<10}", self.style), f"{self.row.name:<12} {self.text}", no_wrap=True
        )


@dataclass
class Demo:
    """All that the demo runs. `messages` say what happened, in the order in which it was seen."""

    cloud: "Cloud"
    provider: SampleProvider
    receivers: dict[str, SampleSubscriber]
    rows: list[Row] = field(default_factory=list)
    messages: list[Message] = field(default_factory=list)

    def submit(self, given: DemoTask) -> None:
        """Creates the task at the provider and submits it."""
        task = self.provider.add(given.provider, **given.script)
        submission: dict[str, Any] = {"provider": given.provider, "task_id": task.task_id}
        if task.params:
            submission["params"] = dict(task.params)
        self.rows.append(Row(given.name, task))
        if given.by_bus:
            entry = {"Source": "vidhook.demo", "DetailType": "vidhook.submit", "Detail": json.dumps(submission)}
            self.cloud.client("events").put_events(Entries=[{**entry, "EventBusName": self.cloud.outputs["bus"]}])
        else:
            self.cloud.submit(**submission)

    def update(self) -> None:
        """Reads the state of each task from the ledger, and the webhooks that the subscribers got."""
        for row in self.rows:
            if row.watch is None or row.watch.event_id is None:
                try:
                    row.watch = self.cloud.edges.ledger.tasks.watch(row.id)
                except NotFound:  # still on the event bus
                    continue
                if row.watch.event_id is not None:
                    row.assets = self.cloud.edges.ledger.tasks.event(row.id).data["data"]["assets"]
                    self.messages += [_stored(row, asset) for asset in row.assets]
            for name, receiver in self.receivers.items():
                verified = [each for each in list(receiver.received) if each.verified and _task_of(each) == row.id]
                self.messages += [_webhook(row, name, each) for each in verified[len(row.webhooks[name]) :]]
                row.webhooks[name] = verified

    @property
    def finished(self) -> bool:
        return all(row.delay is not None for row in self.rows)


@click.command()
@click.option("--auth/--no-auth", default=True, show_default=True, help="Enforce IAM in the local cloud.")
@click.option("--json", "as_json", is_flag=True, help="One JSON line for each step, and one for the end.")
def demo(auth: bool, as_json: bool) -> None:
    """Shows how eleven tasks of five providers become signed webhooks, on this machine, in under a minute.

    Exits with 1 when one did not.
    """
    from vidhook_sandbox.cloud import running

    need_extra()
    leave_when_told()
    console = Console(highlight=False)
    began = time.monotonic()
    with ExitStack() as contexts:
        enter = contexts.enter_context
        with nullcontext() if as_json else saying(console, STARTING):
            cloud = enter(running(wait_scale=WAIT_SCALE, auth=auth))
        state = Demo(cloud, enter(SampleProvider()), {name: enter(SampleSubscriber()) for name in SUBSCRIBERS})
        cloud.use(state.provider)
        for receiver in state.receivers.values():
            cloud.subscribe(receiver, events=("*.completed", "*.failed"))
        address = enter(cloud.console(samples=()))
        if as_json:
            lines([_line("ready", detail=cloud.endpoint), _line("console", detail=address)])
        else:
            console.print(f"The stack is up at {cloud.endpoint} after {time.monotonic() - began:.0f} s.")
            console.print(f"Watch it in a browser: {address}\n", soft_wrap=True)
        with nullcontext(partial(_print_lines, state, {}, [])) if as_json else _display(console, state) as show:
            _run(state, show)
        problems = [problem for row in state.rows for problem in _problems(cloud, row)]
    seconds = time.monotonic() - began
    if as_json:
        lines([_result(state, problems, seconds)])
    else:
        console.print(_summary(console, state))
        _print_result(console, _result(state, problems, seconds))
    if problems:
        raise SystemExit(1)


def _run(state: Demo, show: Callable[[], None]) -> None:
    """Submits the tasks one after the other, and waits until every subscriber got a webhook for each."""
    waiting = list(TASKS)
    deadline = time.monotonic() + TIMEOUT
    while (waiting or not state.finished) and time.monotonic() < deadline:
        if waiting:
            state.submit(waiting.pop(0))
        state.update()
        show()
        time.sleep(0.3)
    time.sleep(EXTRA_SECONDS)
    state.update()
    show()


def _problems(cloud: "Cloud", row: Row) -> Iterator[str]:
    """Yields what went wrong: each subscriber must get one webhook, and each file in S3 must equal its source."""
    for name, received in row.webhooks.items():
        if len(received) != 1:
            yield f"{row.name}: {name} got {len(received)} webhooks"
    expected = Status.FAILED if row.task.ends.startswith("failed") else Status.COMPLETED
    if row.status != expected:
        yield f"{row.name}: it is {row.status}, not {expected}"
    elif expected == Status.COMPLETED and not row.assets:
        yield f"{row.name}: no file was stored"
    for asset in row.assets:
        if not asset["stored"]:
            yield f"{row.name}: the {asset['role']} was not stored"
            continue
        stored = cloud.client("s3").get_object(Bucket=asset["bucket"], Key=asset["key"])["Body"].read()
        if hashlib.sha256(stored).hexdigest() != row.task.media(asset["role"]).sha256:
            yield f"{row.name}: the {asset['role']} in S3 differs from its source"


@contextmanager
def _display(console: Console, state: Demo) -> Iterator[Callable[[], None]]:
    """Yields a function that shows the current state: as a live table in a terminal, else as a line for each change."""
    if moves(console):
        with Live(console=console, refresh_per_second=8, transient=True) as live:
            yield lambda: live.update(_screen(console, state))
    else:
        yield partial(_print_changes, console, state, {}, [])


def _screen(console: Console, state: Demo) -> RenderableType:
    columns = (
        ("task", 12),
        ("provider", 12),
        ("status", 10),
        ("progress", 8),
        (">polls", 5),
        (">in S3", 7),
        ("sent", 4),
    )
    table, room = _table(console, *columns)
    for row in state.rows:
        sent = " ".join("[green]✓[/]" if row.webhooks[name] else "[dim]·[/]" for name in SUBSCRIBERS)
        table.add_row(
            row.name,
            row.task.provider,
            _status(row),
            _progress(row),
            str(row.polls),
            _size(row.bytes),
            sent,
            _pauses(row, room),
        )
    return Group(table, "", *(message.shown() for message in state.messages[-8:]))


def _print_changes(console: Console, state: Demo, rows: dict[str, str], messages: list[Message]) -> None:
    """Prints what is new since the last call. `rows` and `messages` are what was printed before."""
    for row in state.rows:
        line = f"{row.name:<12} {row.task.provider:<13} {row.status:<11} polls {row.polls:<3} pauses {_pauses(row, 60)}"
        if rows.get(row.id) != line:
            rows[row.id] = line
            console.print(line, markup=False, soft_wrap=True)
    for message in state.messages[len(messages) :]:
        console.print(message.shown().plain, markup=False, soft_wrap=True)
        messages.append(message)


def _print_lines(state: Demo, rows: dict[str, dict[str, Any]], messages: list[Message]) -> None:
    """Prints what is new since the last call as JSON, as `_print_changes` does for a person."""
    for row in state.rows:
        facts = _facts(row)
        if rows.get(row.id) != facts:
            rows[row.id] = facts
            lines([_line("task", row)])
    for message in state.messages[len(messages) :]:
        lines([_line(message.what, message.row, at=message.at, detail=message.text)])
        messages.append(message)


def _line(what: str, row: Row | None = None, *, at: float | None = None, detail: str = "") -> dict[str, Any]:
    """Returns what happened at one step, as plain JSON."""
    facts = _facts(row) if row else dict.fromkeys(("name", "provider", "task_id", "status", "polls", "pauses"))
    return {"at": iso(time.time() if at is None else at), "what": what, **facts, "detail": detail}


def _facts(row: Row) -> dict[str, Any]:
    return {
        "name": row.name,
        "provider": row.task.provider,
        "task_id": row.task.task_id,
        "status": row.status,
        "polls": row.polls,
        "pauses": row.pauses,
    }


def _result(state: Demo, problems: list[str], seconds: float) -> dict[str, Any]:
    """Returns what came of all tasks, as plain JSON."""
    return {
        "at": iso(time.time()),
        "what": "result",
        "well": not problems,
        "problems": problems,
        "tasks": len(state.rows),
        "webhooks": sum(len(received) for row in state.rows for received in row.webhooks.values()),
        "files": sum(len(row.assets) for row in state.rows),
        "seconds": round(seconds),
    }


def _summary(console: Console, state: Demo) -> RenderableType:
    columns = (("task", 12), ("provider", 12), ("outcome", 14), (">polls", 5), (">in S3", 7), (">delay", 6))
    table, room = _table(console, *columns)
    for row in state.rows:
        delay = "never" if row.delay is None else f"{row.delay:.1f} s"
        table.add_row(
            row.name, row.task.provider, _outcome(row), str(row.polls), _size(row.bytes), delay, _pauses(row, room)
        )
    return table


def _print_result(console: Console, result: dict[str, Any]) -> None:
    console.print()
    for problem in result["problems"]:
        console.print(f"[red]✗[/] {problem}")
    if result["well"]:
        in_time = f"{result['tasks']} tasks in {result['seconds']} s"
        console.print(f"[green]✓[/] {in_time}, each subscriber notified once of each")
        console.print(f"[green]✓[/] {result['webhooks']} webhooks, every signature verified")
        console.print(f"[green]✓[/] {result['files']} files in S3, each with the sha256 of its source")
    console.print(
        f"\n[dim]Pauses are those of a stack on AWS; here they pass {1 / WAIT_SCALE:.0f} times faster.\n"
        "Delay: seconds on this machine from the end at the provider to the last verified webhook.[/]"
    )


def _stored(row: Row, asset: dict[str, Any]) -> Message:
    if not asset["stored"]:
        return Message(row, "not stored", "red", f"{asset['role']} is still at its provider")
    return Message(row, "stored", "blue", asset["key"])


def _webhook(row: Row, subscriber: str, received: Received) -> Message:
    event_type = (received.event or {}).get("type", "?")
    again = " again" if received.duplicate else ""
    return Message(row, "verified", "green", f"{event_type} → {subscriber}{again}")


def _task_of(received: Received) -> str:
    return str((received.event or {}).get("data", {}).get("id"))


def _table(console: Console, *columns: tuple[str, int]) -> tuple[Table, int]:
    """Returns a table without lines, and how many characters are left for the last column, the pauses.

    Each column has a name and a width; one that starts with > holds numbers.
    """
    gap = 2 if console.width >= 100 else 1
    table = Table(box=None, pad_edge=False, header_style="bold", padding=(0, gap, 0, 0))
    for name, width in columns:
        side: JustifyMethod = "right" if name.startswith(">") else "left"
        table.add_column(name.lstrip(">"), justify=side, no_wrap=True, min_width=width)
    table.add_column("pauses, s", no_wrap=True, style="dim")
    return table, max(9, console.width - sum(width + gap for _, width in columns))


def _status(row: Row) -> str:
    answer = row.watch.history[-1].answer if row.watch and row.watch.history else row.status
    return f"[{STYLES.get(answer, 'yellow')}]{answer}[/]"


def _outcome(row: Row) -> str:
    error = row.watch.snapshot.error if row.watch and row.watch.snapshot else None
    return f"[{STYLES.get(row.status, 'yellow')}]{error.category if error else row.status}[/]"


def _progress(row: Row) -> RenderableType:
    snapshot = row.watch.snapshot if row.watch else None
    if snapshot is None or snapshot.status == Status.FAILED:
        return ""
    done = 100 if snapshot.status == Status.COMPLETED else snapshot.progress
    return ProgressBar(100, done, width=8) if done is not None else ""


def _pauses(row: Row, room: int) -> str:
    """Returns the pauses; the middle ones are left out if all need more than `room` characters."""
    words = [str(pause) for pause in row.pauses]
    shown = " ".join(words)
    for left_out in range(1, len(words)):
        if len(shown) <= room:
            break
        shown = " ".join([words[0], "…", *words[1 + left_out :]])
    return shown


def _size(count: int) -> str:
    if count < 1000:
        return f"{count} B" if count else ""
    return f"{count / 1e6:.1f} MB" if count >= 1e6 else f"{count / 1e3:.0f} kB"
