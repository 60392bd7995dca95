"""Finds tasks by any name that people have for them, with a few requests among any number of tasks."""

from dataclasses import replace
from typing import TYPE_CHECKING

from vidhook.providers.file import BUNDLED
from vidhook.task import SAMPLE, Submission, is_id, watch_id

if TYPE_CHECKING:
    from vidhook.edges.ledger import Ledger
    from vidhook.task import Watch

LONGEST_REFERENCE = 200


def tasks_named(name: str, ledger: "Ledger") -> "list[Watch]":
    """Returns the tasks that a name means, newest first: what the first of these finds.

    It is the id of a task (tsk_...) or of its terminal event (evt_...); a reference, or the idempotency_key of a task
    without one, of which the newest 100 tasks count; `provider/task_id`; or the provider's id alone, of any provider.
    """
    if is_id(name, "tsk", "evt"):
        return ledger.tasks.under([name])
    found = ledger.tasks.of_reference(name) if len(name) <= LONGEST_REFERENCE else []
    provider, slash, rest = name.partition("/")
    if slash and not found:
        found = ledger.tasks.under(ids_of(provider, rest))[:1]
    if not found:
        providers = sorted({*BUNDLED, SAMPLE, *ledger.providers.texts()})
        found = ledger.tasks.under([watch_id(each, name) for each in providers])
    return sorted(found, key=lambda watch: watch.submitted_at, reverse=True)


def ids_of(provider: str, name: str) -> list[str]:
    """Returns the ids that a task may have that people call `provider/name`: by its provider's id, or by their own."""
    by_key = Submission(provider, idempotency_key=name, creates=True)
    return [watch_id(provider, name), by_key.id, replace(by_key, idempotency_key=None, reference=name).id]
