"""The recipients of an event: the subscribers whose filter it passes, and the task's own callback_urls."""

from fnmatch import fnmatchcase
from typing import TYPE_CHECKING

from vidhook.event import same
from vidhook.task import SAMPLE, Subscriber, Watch, callback_id

if TYPE_CHECKING:
    from vidhook.edges.ledger import Ledger
    from vidhook.event import Event


def recipients(event: "Event", watch: Watch, *, ledger: "Ledger", now: float) -> list[Subscriber]:
    """Returns the subscribers that an event is for; for progress, only those that can be notified at this moment."""
    found = [subscriber for subscriber in ledger.subscribers.all() if wants(subscriber, event)]
    own = (callback_subscriber(url, watch) for url in watch.callback_urls)
    found += [ledger.subscribers.callback(each, now) for each in own if wants(each, event)]
    if event.terminal:
        return found
    return [each for each in found if each.active and max(each.hold_until, each.slow_until) <= now]


def wants(subscriber: Subscriber, event: "Event") -> bool:
    """Returns whether an event passes the subscriber's filter: its type, its provider and its task's metadata."""
    return (
        any(fnmatchcase(event.type, pattern) for pattern in subscriber.events)
        and any(_names(pattern, event.provider) for pattern in subscriber.providers)
        and all(
            name in event.metadata and same(event.metadata[name], value) for name, value in subscriber.metadata.items()
        )
    )


def _names(pattern: str, provider: str) -> bool:
    """Whether a subscriber's pattern means a provider: the sample only by its own name, as it makes no real videos."""
    return pattern == provider if provider == SAMPLE else fnmatchcase(provider, pattern)


def callback_subscriber(url: str, watch: Watch) -> Subscriber:
    """Returns a task's callback_url as a subscriber. It gets progress if the task has it."""
    progress = ("*.progress",) if watch.submission.progress else ()
    return Subscriber(
        callback_id(url),
        url,
        events=("*.completed", "*.failed", *progress),
        providers=("*", SAMPLE),
        created_at=watch.submitted_at,
    )
