"""Facts as plain JSON, for the HTTP API and the command: times in ISO 8601, no secrets. openapi.json explains them."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from vidhook import USER_AGENT
from vidhook.event import Event
from vidhook.task import (
    Answer,
    Attempt,
    Cancel,
    Creation,
    Delivery,
    DeliveryState,
    SigningSecret,
    Snapshot,
    Source,
    Status,
    Subscriber,
    Watch,
)
from vidhook.times import iso

if TYPE_CHECKING:
    from vidhook.provider_files import ProviderFile
    from vidhook.providers.file import Provider
    from vidhook.providers.reading import Reading

READ_AS_IT_IS = (
    "provider_status",
    "object",
    "model",
    "prompt",
    "progress",
    "queue_position",
    "usage",
    "upstream_id",
    "known_status",
)
READ_TIMES = ("created_at", "started_at", "completed_at", "estimated_completion")
HIDDEN = "[hidden]"


def task(watch: Watch) -> dict[str, Any]:
    """Returns a task: its watch and its latest snapshot."""
    submission = watch.submission
    return {
        "id": watch.id,
        "provider": submission.provider,
        "task_id": submission.task_id,
        "status": str(status(watch)),
        "submitted_at": iso(watch.submitted_at),
        "deadline_at": iso(watch.born_at + submission.deadline_seconds),
        "settled_at": iso(watch.detected_at),
        "polls": watch.polls,
        "last_answer": watch.history[-1].answer if watch.history else None,
        "next_poll_at": iso(watch.next_poll_at),
        "reference": submission.reference,
        "idempotency_key": submission.idempotency_key,
        "creation": None if watch.creation is None else _creation(watch.creation),
        "params": submission.params,
        "metadata": submission.metadata,
        "callback_url": submission.callback_url and submission.callback_url.partition("?")[0],
        "callback_urls": [url.partition("?")[0] for url in watch.callback_urls],
        "retries": watch.retries,
        "retried_at": iso(watch.retried_at),
        "cancel": None if watch.cancel is None else _cancel(watch.cancel),
        "execution": watch.execution,
        "event_id": watch.event_id,
        "snapshot": None if watch.snapshot is None else _snapshot(watch.snapshot),
    }


def story(watch: Watch, event: Event | None) -> dict[str, Any]:
    """Returns a task with its latest polls, oldest first, and its terminal event."""
    history = [{**asdict(poll), "at": iso(poll.at, exact=True)} for poll in watch.history]
    return {**task(watch), "history": history, "event": None if event is None else event.data}


def status(watch: Watch) -> Status:
    """Returns a task's status. It is failed if its watch ended before a poll found a final status."""
    known = watch.snapshot.status if watch.snapshot else Status.PENDING
    return Status.FAILED if watch.event_id is not None and not known.final else known


def delivery(made: Delivery) -> dict[str, Any]:
    """Returns a delivery without its attempts."""
    return {
        "task": made.watch_id,
        "event_id": made.event_id,
        "event_type": made.event_type,
        "subscriber": made.subscriber_id,
        "state": made.state,
        "attempts": made.attempts,
        "last": made.last,
        "created_at": iso(made.created_at),
        "next_at": iso(made.next_at) if made.state is DeliveryState.DUE else None,
    }


def delivery_counts(counts: Mapping[str, int]) -> dict[str, int]:
    """Returns how many deliveries are in each state."""
    return {state.value: counts.get(state, 0) for state in DeliveryState}


def delivery_log(made: Delivery, attempts: Sequence[Attempt], to: Subscriber | None) -> dict[str, Any]:
    """Returns a delivery with its request as its subscriber now gets it, and its attempts, oldest first."""
    sent = request(made.event_id, to, attempts[-1] if attempts else None)
    return {**delivery(made), "request": sent, "log": [attempt(each) for each in attempts]}


def request(event_id: str, to: Subscriber | None, made: Attempt | None) -> dict[str, Any]:
    """Returns the request that brings an event to a subscriber: without signatures, values of its own headers, query.

    `made` is the attempt whose timestamp it has, None before there is one.
    """
    own = dict.fromkeys(to.header_names, HIDDEN) if to else {}
    headers = {**own, "content-type": "application/json", "user-agent": USER_AGENT, "webhook-id": event_id}
    if made is not None:
        headers |= {"webhook-timestamp": str(int(made.at)), "webhook-signature": f"v1,{HIDDEN}"}
    return {"method": "POST", "url": to.url.partition("?")[0] if to else None, "headers": headers}


def attempt(made: Attempt) -> dict[str, Any]:
    """Returns one attempt, with its timings in milliseconds."""
    return {
        "attempt": made.number,
        "at": iso(made.at),
        "outcome": made.outcome,
        "kind": made.kind,
        "status": made.status,
        "detail": made.detail,
        "answer": made.answer,
        "headers": made.headers,
        "address": made.address,
        "tls": made.tls_version,
        "timings_ms": {phase: round(ms, 1) for phase, ms in made.timings.items()},
        "next_at": iso(made.at + made.pause) if made.pause is not None else None,
    }


def tested(event: Event, to: Subscriber, made: Attempt) -> dict[str, Any]:
    """Returns a test of a subscriber: what was sent, and what came back."""
    return {"event": event.data, "request": request(event.id, to, made), "attempt": attempt(made)}


def subscriber(known: Subscriber) -> dict[str, Any]:
    """Returns a subscriber without its secret, and of its own headers the names only."""
    return {
        "id": known.id,
        "url": known.url,
        "state": known.state,
        "reason": known.reason,
        "events": list(known.events),
        "providers": list(known.providers),
        "metadata": known.metadata,
        "description": known.description,
        "header_names": list(known.header_names),
        "created_at": iso(known.created_at),
        "failing_since": iso(known.failing_since),
        "last_failure": iso(known.last_failure),
        "quiet_until": iso(known.hold_until or None),
    }


def signing(secrets: Iterable[SigningSecret]) -> list[dict[str, Any]]:
    """Returns of each secret when it ends, and never the secret."""
    return [{"ends_at": iso(each.expires_at)} for each in secrets]


def provider(known: "ProviderFile") -> dict[str, Any]:
    """Returns what a provider's file lets vidhook do beside polling, and which parameters a submission gives."""
    described = known.provider
    return {
        "provider": known.name,
        "base_url": described.base_url if described and known.source != "built_in" else None,
        "source": known.source,
        "can": _abilities(described) if described else [],
        "params": list(described.params) if described else [],
    }


def provider_file(known: "ProviderFile") -> dict[str, Any]:
    """Returns the file in use for a provider, beside the one that ships with vidhook."""
    return {
        "provider": known.name,
        "source": known.source,
        "toml": known.text,
        "bundled_toml": known.bundled_text,
        "warnings": known.warnings,
    }


def answer(kept: Answer) -> dict[str, Any]:
    """Returns what a provider answered to the latest poll, beside what was read of it."""
    read = {"known_status": True, **kept.read}  # what was kept by an earlier version does not say it
    return {**asdict(kept), "at": iso(kept.at, exact=True), "read": read}


def reading(made: "Reading") -> dict[str, Any]:
    """Returns what was read in an answer, as plain JSON."""
    snapshot, error = made.snapshot, made.error
    sources = snapshot.sources if snapshot else ()
    plain = {} if snapshot is None else {name: getattr(snapshot, name) for name in READ_AS_IT_IS}
    times = {} if snapshot is None else {name: iso(getattr(snapshot, name), exact=True) for name in READ_TIMES}
    return {
        "outcome": made.outcome,
        "status": snapshot and snapshot.status,
        **{name: plain.get(name) for name in READ_AS_IT_IS},
        "url": sources[0].url if sources else None,
        "urls": [_source(source) for source in sources],
        "error": asdict(error) if error else None,
        **{name: times.get(name) for name in READ_TIMES},
        "expires_at": iso(sources[0].expires_at, exact=True) if sources else None,
        "retry_after_seconds": made.retry_after_seconds,
        "key_refused": made.key_refused,
        "inferred": made.inferred,
    }


def _abilities(known: "Provider") -> list[str]:
    """Returns what vidhook can do at a provider, and whether its API has webhooks of its own."""
    found = {
        "create": known.create is not None,
        "cancel": known.cancel is not None,
        "poster": "poster" in known.assets,
        "several results": bool(known.results),
        "own webhooks": known.webhook,
    }
    return [name for name, can in found.items() if can]


def _source(source: Source) -> dict[str, Any]:
    inline = {"inline": True} if source.inline else {}
    return {
        "role": source.role,
        "type": source.type,
        "url": source.url,
        "expires_at": iso(source.expires_at, exact=True),
        "needs_key": source.needs_key,
        **inline,
    }


def _cancel(wish: Cancel) -> dict[str, Any]:
    return {
        "asked_at": iso(wish.at),
        "answer": wish.answer,
        "answered_at": iso(wish.answered_at),
        "message": wish.message,
    }


def _creation(known: Creation) -> dict[str, Any]:
    return {"tries": known.tries, "sent_at": iso(known.sent_at), "created_at": iso(known.done_at)}


def _snapshot(known: Snapshot) -> dict[str, Any]:
    instants = ("created_at", "started_at", "completed_at", "estimated_completion")
    values = {name: value for name, value in asdict(known).items() if name not in ("sources", "known_status")}
    return {**values, **{name: iso(values[name], exact=True) for name in instants}}
