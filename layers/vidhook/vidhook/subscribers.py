"""Who is told what, and the life of a subscriber."""

from fnmatch import fnmatchcase
from typing import TYPE_CHECKING

from vidhook.task import Subscriber, Watch, derived_id

if TYPE_CHECKING:
    from vidhook.event import Event


def wants(subscriber: Subscriber, event: "Event") -> bool:
    """Whether the event passes the subscriber's filter: its type, its provider and its task's metadata."""
    return (
        any(fnmatchcase(event.type, pattern) for pattern in subscriber.events)
        and any(fnmatchcase(event.provider, pattern) for pattern in subscriber.providers)
        and all(event.metadata.get(key) == value for key, value in subscriber.metadata.items())
    )


def callback_subscriber(watch: Watch, default_secret_name: str) -> Subscriber | None:
    """A task's own callback_url as a subscriber: signed with the stack's default secret, progress when asked for."""
    url = watch.submission.callback_url
    if url is None:
        return None
    progress = ("*.progress",) if watch.submission.progress else ()
    return Subscriber(
        derived_id("cb", url),
        url,
        default_secret_name,
        events=("*.completed", "*.failed", *progress),
        created_at=watch.submitted_at,
    )
