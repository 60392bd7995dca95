"""`vidhook demo`: the whole bridge on this machine, with something to watch."""

import hashlib
import json
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import click
from rich.console import Console, Group, JustifyMethod, RenderableType
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from vidhook.errors import NotFound
from vidhook.task import Status, Watch, watch_id
from vidhook_sandbox import leave_when_told
from vidhook_sandbox.cloud import Cloud, running
from vidhook_sandbox.provider import SampleProvider, SampleTask
from vidhook_sandbox.subscriber import Received, SampleSubscriber

WAIT_SCALE = 0.1
PATIENCE = 90.0  # seconds for all tasks, on a slow machine
QUIET = 2.0  # seconds to listen for webhooks that nobody should send
SUBSCRIBERS = ("app", "archive")
STYLES = {"pending": "dim", "processing": "cyan", "completed": "green", "failed": "red"}


@dataclass(frozen=True)
class Scene:
    """One task of the show: its script at the sample provider, and the way it is handed in."""

    name: str
    provider: str
    script: dict[str, Any]
    by_bus: bool = False


CAST = (
    Scene("sunrise", "vicsee", {"seconds": 8, "bytes": 2_000_000}),
    Scene(
        "city rain",
        "vicsee",
        {"seconds": 14, "bytes": 1_500_000, "faults": [{"kind": "429", "times": 2, "retry_after": 15}, "500"]},
        by_bus=True,
    ),
    Scene("too large", "vicsee", {"seconds": 5, "ends": "failed"}),
    Scene("slideshow", "vibepeak", {"seconds": 18, "bytes": 5_000_000}, by_bus=True),
    Scene("portrait", "vibepeak", {"seconds": 10, "bytes": 900_000, "faults": ["html", "drop"]}),
    Scene("paper boat", "infinityblue", {"seconds": 12, "bytes": 1_000_000}),
    Scene(
        "night train",
        "infinityblue",
        {"seconds": 20, "bytes": 3_000_000, "ends": "completed-content-proxy"},
        by_bus=True,
    ),
    Scene("glacier", "alad", {"seconds": 16, "bytes": 8_000_000}),
    Scene("upscaled", "alad", {"seconds": 19, "bytes": 4_000_000, "ends": "completed-super-resolution"}, by_bus=True),
    Scene("forbidden", "alad", {"seconds": 7, "ends": "failed-content-policy"}),
)


@dataclass
class Row:
    """One task on stage, and what has become of it so far."""

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
        """The seconds paused before each poll. A show is short enough for the ledger to remember them all."""
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


@dataclass
class Stage:
    """All that the demo runs, and `news`: what happened, in the order it was seen."""

    cloud: Cloud
    provider: SampleProvider
    receivers: dict[str, SampleSubscriber]
    rows: list[Row] = field(default_factory=list)
    news: list[Text] = field(default_factory=list)

    def enter(self, scene: Scene) -> None:
        """Makes the scene's task at the provider and hands it in."""
        task = self.provider.add(scene.provider, **scene.script)
        submission = {"provider": scene.provider, "task_id": task.task_id}
        self.rows.append(Row(scene.name, task))
        if scene.by_bus:
            entry = {"Source": "vidhook.demo", "DetailType": "vidhook.submit", "Detail": json.dumps(submission)}
            self.cloud.client("events").put_events(Entries=[{**entry, "EventBusName": self.cloud.outputs["bus"]}])
        else:
            self.cloud.submit(**submission)

    def look(self) -> None:
        """Reads from the ledger how far each task is, and from the subscribers the webhooks they got."""
        for row in self.rows:
            if row.watch is None or row.watch.event_id is None:
                try:
                    row.watch = self.cloud.edges.ledger.watch(row.id)
                except NotFound:  # still on the event bus
                    continue
                if row.watch.event_id is not None:
                    row.assets = self.cloud.edges.ledger.event(row.id).data["data"]["assets"]
                    self.news += [_stored(row, asset) for asset in row.assets]
            for name, receiver in self.receivers.items():
                verified = [each for each in list(receiver.received) if each.verified and _about(each) == row.id]
                self.news += [_webhook(row, name, each) for each in verified[len(row.webhooks[name]) :]]
                row.webhooks[name] = verified

    @property
    def over(self) -> bool:
        return all(row.delay is not None for row in self.rows)


@click.command()
@click.option("--auth/--no-auth", default=True, show_default=True, help="Enforce IAM in the local cloud.")
def demo(auth: bool) -> None:
    """Watch ten tasks of four providers become signed webhooks, all on this machine, in under a minute."""
    leave_when_told()
    console = Console(highlight=False)
    began = time.monotonic()
    with ExitStack() as running_things:
        enter = running_things.enter_context
        with console.status("starting a local cloud and deploying template.yaml to it"):
            cloud = enter(running(wait_scale=WAIT_SCALE, auth=auth))
        stage = Stage(cloud, enter(SampleProvider()), {name: enter(SampleSubscriber()) for name in SUBSCRIBERS})
        cloud.use(stage.provider)
        for receiver in stage.receivers.values():
            cloud.subscribe(receiver, events=("*.completed", "*.failed"))
        console.print(f"The stack is up at {cloud.endpoint} after {time.monotonic() - began:.0f} s.\n")
        with _shown(console, stage) as show:
            _play(stage, show)
        problems = [problem for row in stage.rows for problem in _problems(cloud, row)]
    console.print(_summary(console, stage))
    _verdict(console, stage, problems, time.monotonic() - began)
    if problems:
        raise SystemExit(1)


def _play(stage: Stage, show: Callable[[], None]) -> None:
    """Hands the tasks in one after the other, and looks until every subscriber got a webhook for each."""
    waiting = list(CAST)
    deadline = time.monotonic() + PATIENCE
    while (waiting or not stage.over) and time.monotonic() < deadline:
        if waiting:
            stage.enter(waiting.pop(0))
        stage.look()
        show()
        time.sleep(0.3)
    time.sleep(QUIET)
    stage.look()
    show()


def _problems(cloud: Cloud, row: Row) -> Iterator[str]:
    """What is not as promised: one webhook to each subscriber, and every file in S3 the same as its source."""
    for name, received in row.webhooks.items():
        if len(received) != 1:
            yield f"{row.name}: {name} got {len(received)} webhooks"
    promised = Status.FAILED if row.task.ends.startswith("failed") else Status.COMPLETED
    if row.status != promised:
        yield f"{row.name}: it is {row.status}, not {promised}"
    elif promised == Status.COMPLETED and not row.assets:
        yield f"{row.name}: no file was stored"
    for asset in row.assets:
        if not asset["stored"]:
            yield f"{row.name}: the {asset['role']} was not stored"
            continue
        stored = cloud.client("s3").get_object(Bucket=asset["bucket"], Key=asset["key"])["Body"].read()
        if hashlib.sha256(stored).hexdigest() != row.task.media(asset["role"]).sha256:
            yield f"{row.name}: the {asset['role']} in S3 differs from its source"


@contextmanager
def _shown(console: Console, stage: Stage) -> Iterator[Callable[[], None]]:
    """What shows the stage as it is now: one living picture in a terminal, else a line for each change."""
    if console.is_terminal:
        with Live(console=console, refresh_per_second=8, transient=True) as live:
            yield lambda: live.update(_picture(console, stage))
    else:
        yield partial(_say_changes, stage, {}, [])


def _picture(console: Console, stage: Stage) -> RenderableType:
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
    for row in stage.rows:
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
    return Group(table, "", *stage.news[-8:])


def _say_changes(stage: Stage, said: dict[str, str], shown: list[Text]) -> None:
    """Prints what is new since the last call, which `said` and `shown` remember."""
    for row in stage.rows:
        line = f"{row.name:<12} {row.task.provider:<13} {row.status:<11} polls {row.polls:<3} pauses {_pauses(row, 60)}"
        if said.get(row.id) != line:
            said[row.id] = line
            click.echo(line)
    for news in stage.news[len(shown) :]:
        click.echo(news.plain)
        shown.append(news)


def _summary(console: Console, stage: Stage) -> RenderableType:
    columns = (("task", 12), ("provider", 12), ("outcome", 14), (">polls", 5), (">in S3", 7), (">delay", 6))
    table, room = _table(console, *columns)
    for row in stage.rows:
        after = "never" if row.delay is None else f"{row.delay:.1f} s"
        table.add_row(
            row.name, row.task.provider, _outcome(row), str(row.polls), _size(row.bytes), after, _pauses(row, room)
        )
    return table


def _verdict(console: Console, stage: Stage, problems: list[str], seconds: float) -> None:
    console.print()
    for problem in problems:
        console.print(f"[red]✗[/] {problem}")
    if not problems:
        files = sum(len(row.assets) for row in stage.rows)
        webhooks = sum(len(received) for row in stage.rows for received in row.webhooks.values())
        console.print(f"[green]✓[/] {len(stage.rows)} tasks in {seconds:.0f} s, each subscriber notified once of each")
        console.print(f"[green]✓[/] {webhooks} webhooks, every signature verified")
        console.print(f"[green]✓[/] {files} files in S3, every sha256 that of its source")
    console.print(
        f"\n[dim]Pauses are those of AWS; here the clock of the waits runs {1 / WAIT_SCALE:.0f} times faster.\n"
        "Delay: from the end at the provider to the last verified webhook.[/]"
    )


def _stored(row: Row, asset: dict[str, Any]) -> Text:
    if not asset["stored"]:
        return _news("not stored", "red", f"{row.name:<12} {asset['role']} is still at its provider")
    return _news("stored", "blue", f"{row.name:<12} {asset['key']}")


def _webhook(row: Row, subscriber: str, received: Received) -> Text:
    event_type = (received.event or {}).get("type", "?")
    again = " again" if received.duplicate else ""
    return _news("verified", "green", f"{row.name:<12} {event_type} → {subscriber}{again}")


def _news(what: str, style: str, text: str) -> Text:
    return Text.assemble((time.strftime("%H:%M:%S  "), "dim"), (f"{what:<10}", style), text, no_wrap=True)


def _about(received: Received) -> str:
    return str((received.event or {}).get("data", {}).get("id"))


def _table(console: Console, *columns: tuple[str, int]) -> tuple[Table, int]:
    """A table without lines, and the characters it leaves for a last column, the pauses.

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
    """The pauses, the middle ones left out when they take more than `room` characters."""
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
