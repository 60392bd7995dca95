"""Answers task tokens: the executions of other state machines that wait for a task."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from vidhook.edges.ledger import Ledger
    from vidhook.edges.machines import Machines
    from vidhook.event import Event


def answer_tokens(event: "Event", *, ledger: "Ledger", machines: "Machines") -> int:
    """Answers every execution that waits for this task with a task token, and removes the token.

    Returns how many AWS does not let us answer. Their tokens stay: submitting the task again tries them again.
    """
    forbidden = 0
    for token in ledger.tasks.tokens(event.watch_id):
        if machines.answer(token, event):
            ledger.tasks.remove_token(event.watch_id, token)
        else:
            forbidden += 1
    return forbidden
