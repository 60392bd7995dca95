"""The end of a watch: keep the video, write the one event, tell everybody who wants it."""

import json
import math
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from vidhook.deliver import PAUSES, deliver
from vidhook.errors import NotFound
from vidhook.event import Event, Kept, failed, progress_event, terminal_event
from vidhook.keep import COPY_PAUSES, Copies, keep
from vidhook.poll import ask
from vidhook.providers.file import request
from vidhook.redeliver import hand_on, hold
from vidhook.subscribers import callback_subscriber, wants
from vidhook.task import Attempt, Category, Delivery, Snapshot, Status, Subscriber, TaskError, Watch, watch_id

if TYPE_CHECKING:
    from vidhook.edges.bucket import Bucket
    from vidhook.edges.bus import Bus
    from vidhook.edges.http import Http
    from vidhook.edges.ledger import Ledger
    from vidhook.edges.machines import Machines
    from vidhook.edges.secrets import Secrets

# Measured on two cores: more threads deliver no faster.
THREADS = 64
COPY_SECONDS = 400.0
# Progress is sent no later than this: with an attempt's 15 s it is over before "Publish progress" is given up, after
# 60 s, and the end can be told.
NEWS_SECONDS = 30.0
# A state's output ends at 256 KiB; those beyond are due in the ledger, where the sweeper finds them.
MOST_UNREACHED = 500


@dataclass(frozen=True, slots=True)
class Unreached:
    """A subscriber that could not be told yet, and the pause before its first redelivery."""

    delivery: Delivery
    pause: int


@dataclass(frozen=True, slots=True)
class Published:
    """What publishing led to. With no event yet, publish again after `pause` seconds.

    `forbidden` counts the task tokens that AWS does not let us answer.
    """

    event: Event | None = None
    pause: int = 0
    attempts: tuple[Attempt, ...] = ()
    unreached: tuple[Unreached, ...] = ()
    copies: Copies | None = None
    watch: Watch | None = None
    forbidden: int = 0


def publish(
    watch_id: str,
    *,
    problem: TaskError | None = None,
    keep_video: bool = True,
    ledger: "Ledger",
    bucket: "Bucket",
    http: "Http",
    secrets: "Secrets",
    bus: "Bus",
    machines: "Machines",
    link: Callable[[str], str],
    now: Callable[[], float],
    jitter: Callable[[], float],
) -> Published:
    """Ends a watch in its one event, then tells it. Every step may be repeated after a crash: nothing is told anew.

    `problem` says why the watch ends when no poll settled it. Without `keep_video` a finished video stays where the
    provider has it. Raises NotFound for no such watch.
    """
    watch = ledger.watch(watch_id)
    copies: Copies | None = None
    if watch.event_id is not None:
        event = ledger.event(watch_id)
    else:
        snapshot = _final_snapshot(watch, problem)
        kept: dict[str, Kept] = {}
        if snapshot.sources and keep_video:
            copies = keep(
                watch,
                snapshot.sources,
                bucket=bucket,
                http=http,
                headers=_key_headers(watch, snapshot, ledger, secrets),
                link=link,
                deadline=COPY_SECONDS,
            )
            kept = copies.kept
            if copies.failures and watch.copies < len(COPY_PAUSES):
                fresher, _ = ask(watch, ledger=ledger, http=http, secrets=secrets, now=now)
                if fresher and fresher.snapshot and fresher.snapshot.status is Status.COMPLETED:
                    snapshot = fresher.snapshot
                ledger.note_failed_copy(watch, snapshot)
                return Published(pause=COPY_PAUSES[watch.copies], copies=copies, watch=watch)
        event = ledger.put_event(terminal_event(watch, snapshot, kept, now()))
    attempts, unreached = tell(event, watch, ledger=ledger, http=http, secrets=secrets, bus=bus, now=now, jitter=jitter)
    bus.tell(event)
    forbidden = answer_tokens(event, ledger=ledger, machines=machines)
    return Published(event, 0, attempts, unreached, copies, watch, forbidden)


def answer_tokens(event: Event, *, ledger: "Ledger", machines: "Machines") -> int:
    """Answers every execution that waits for this task with a task token, and forgets the token.

    Says how many we may not answer. Their tokens are kept: submitting the task again tries them again.
    """
    forbidden = 0
    for token in ledger.tokens(event.watch_id):
        if machines.answer(token, event):
            ledger.remove_token(event.watch_id, token)
        else:
            forbidden += 1
    return forbidden


def publish_progress(
    watch_id: str,
    *,
    ledger: "Ledger",
    http: "Http",
    secrets: "Secrets",
    bus: "Bus",
    now: Callable[[], float],
    jitter: Callable[[], float],
) -> Published:
    """Tells news on the way, once and with no second try: the next news, or the end, will say more."""
    watch = ledger.watch(watch_id)
    if watch.settled or watch.snapshot is None:
        return Published(watch=watch)
    event = progress_event(watch, watch.snapshot, now())
    attempts, unreached = tell(event, watch, ledger=ledger, http=http, secrets=secrets, bus=bus, now=now, jitter=jitter)
    for late in unreached:
        ledger.change_delivery(replace(late.delivery, state="failed", next_at=None))
    bus.tell(event)
    return Published(event, attempts=attempts, watch=watch)


def tell(
    event: Event,
    watch: Watch,
    *,
    ledger: "Ledger",
    http: "Http",
    secrets: "Secrets",
    bus: "Bus",
    now: Callable[[], float],
    jitter: Callable[[], float],
) -> tuple[tuple[Attempt, ...], tuple[Unreached, ...]]:
    """POSTs an event to all who want it at once. Answers the attempts, and who is still to be told.

    Each delivery is in the ledger before its first attempt, so whoever is not reached now is not forgotten. Nothing
    is sent to a subscriber that is paused, disabled or asked for quiet: its deliveries wait, its progress is dropped.
    """
    subscribers = [subscriber for subscriber in ledger.subscribers() if wants(subscriber, event)]
    own = callback_subscriber(watch, secrets.default_name)
    if own is not None and wants(own, event):
        subscribers.append(ledger.callback(own, now()))
    if not event.terminal:
        subscribers = [each for each in subscribers if each.active and each.hold_until <= now()]

    def tell_one(subscriber: Subscriber) -> tuple[Attempt | None, Unreached | None]:
        if not event.terminal and now() - event.at > NEWS_SECONDS:
            return None, None
        delivery = ledger.open_delivery(event, subscriber, now())
        if delivery.state != "due":
            return None, None
        if not subscriber.active:
            hold(delivery, ledger)
            return None, None
        wait = max(delivery.next_at or 0.0, subscriber.hold_until) - now()
        if delivery.attempts or wait > 0:
            return None, Unreached(delivery, max(1, math.ceil(wait)))
        try:
            delivery, attempt = deliver(
                event,
                delivery,
                subscriber,
                ledger=ledger,
                http=http,
                secrets=secrets,
                bus=bus,
                now=now(),
                jitter=jitter(),
            )
        except Exception:
            # One subscriber's trouble (a secret we may not read) is for its redelivery to meet, not for the others.
            return None, Unreached(delivery, PAUSES[0])
        return attempt, Unreached(delivery, attempt.pause) if attempt.pause is not None else None

    with ThreadPoolExecutor(max_workers=min(THREADS, len(subscribers)) or 1) as pool:
        told = list(pool.map(tell_one, subscribers))
    return (
        tuple(attempt for attempt, _ in told if attempt is not None),
        tuple(unreached for _, unreached in told if unreached is not None),
    )


def watch_failed(reason: str) -> TaskError:
    """The error of a task that we could follow no further, though it may still finish at its provider."""
    return TaskError(Category.PROVIDER, "WATCH_FAILED", f"vidhook stopped following the task: {reason}", retryable=True)


def ended_from_outside(detail: Mapping[str, Any], *, ledger: "Ledger") -> tuple[str, TaskError] | None:
    """The watch, and the error to tell, of an execution that failed, timed out or was aborted.

    None when it followed no watch: its submission was refused, or another execution follows that task and goes on.
    `detail` is that of EventBridge's "Step Functions Execution Status Change".
    """
    given = json.loads(detail["input"] or "null")  # left out when it is very long, as no submission of ours is
    if not isinstance(given, dict):
        return None
    try:
        watch = ledger.watch(given.get("watch") or watch_id(str(given.get("provider")), str(given.get("task_id"))))
    except NotFound:
        return None
    if watch.execution != detail["executionArn"].rpartition(":")[2]:
        return None
    if detail["status"] == "ABORTED":
        return watch.id, TaskError(Category.CANCELLED, "WATCH_ABORTED", "an operator stopped the watch of this task")
    return watch.id, watch_failed(f"its execution ended as {detail['status']}")


def _final_snapshot(watch: Watch, problem: TaskError | None) -> Snapshot:
    if watch.snapshot is not None and watch.snapshot.status.final:
        return watch.snapshot
    return failed(watch.snapshot, problem or watch_failed("it was published before it was settled"))


def _key_headers(watch: Watch, snapshot: Snapshot, ledger: "Ledger", secrets: "Secrets") -> dict[str, str]:
    if not any(source.needs_key for source in snapshot.sources):
        return {}
    name = watch.submission.provider
    _, _, headers, _ = request(ledger.provider(name), watch.submission.task_id, secrets.provider_key(name))
    return headers


def output(published: Published) -> dict[str, Any]:
    """What the state machine needs to know of it: ids, seconds and, once there is one, the event."""
    return {
        "event": published.event.data if published.event else None,
        "pause": published.pause,
        "unreached": [
            {"name": late.delivery.execution_name, **hand_on(late.delivery, late.pause)}
            for late in published.unreached[:MOST_UNREACHED]
        ],
    }
