"""Accepts a submission: checks it, writes the watch and starts its execution."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from vidhook.errors import BadInput, BadSubmission, Blocked, NotFound
from vidhook.providers.file import check_task_id
from vidhook.submission import check
from vidhook.task import Submission, Watch
from vidhook.tokens import answer_tokens

if TYPE_CHECKING:
    from vidhook.edges.http import Http
    from vidhook.edges.ledger import Ledger
    from vidhook.edges.machines import Machines
    from vidhook.pacing import Pacer
    from vidhook.times import Clock


@dataclass(frozen=True, slots=True)
class Submitted:
    """The watch of a task, whether this submission created it, and the seconds to pause before its first poll."""

    watch: Watch
    created: bool
    pause: int


@dataclass(frozen=True, slots=True)
class Intake:
    """Accepts submissions, with these edges. `default_deadline` is the deadline_seconds of a submission without one."""

    ledger: "Ledger"
    http: "Http"
    machines: "Machines"
    clock: "Clock"
    pacer: "Pacer"
    default_deadline: int

    def submit(self, raw: Any, execution: str | None = None) -> Submitted:
        """Checks a submission and starts its watch. It is idempotent: a task that is submitted twice has one watch.

        `execution` is the name of the caller if it is itself an execution of the watch machine. A watch that is not
        settled is started again, since an earlier call may have crashed before it started it. Raises BadSubmission.
        """
        submission, token = check(raw, self.default_deadline)
        if token is not None and execution is not None:
            problem = "cannot be in the input of the watch machine, which everybody who may read its executions sees"
            raise BadSubmission("task_token", problem, "submit through the function, the queue or the event bus")
        self._check_against_stack(submission)
        now = self.clock.now()
        pause = self.pacer.first_pause(submission, now)
        watch, created = self.ledger.claim(submission, execution or submission.id, pause, now)
        if execution is None:
            if token is not None:
                self.ledger.put_token(watch.id, token, now)
                # Read after the token is written: either the event is seen here, or publishing sees the token.
                watch = self.ledger.watch(watch.id)
            if not watch.settled:
                self.machines.start_watch(watch.id, watch.id, pause)
        if watch.event_id is not None and (token is not None or execution is not None):
            self._answer_at_once(watch)
        return Submitted(watch, created, pause)

    def _check_against_stack(self, submission: Submission) -> None:
        """Raises BadSubmission for a submission that fits the schema, but not this stack or its provider."""
        try:
            self.ledger.provider(submission.provider)
            check_task_id(submission.task_id)
        except NotFound as error:
            near = self.ledger.nearest_provider(submission.provider)
            hint = f'did you mean "{near}"?' if near else "`vidhook providers list` shows all"
            raise BadSubmission("provider", str(error), hint) from error
        except BadInput as error:
            raise BadSubmission(error.field, error.problem, error.hint) from error
        if submission.callback_url is not None:
            try:
                self.http.check(submission.callback_url)
            except Blocked as error:
                raise BadSubmission("callback_url", str(error), "give a public https URL") from error

    def _answer_at_once(self, watch: Watch) -> None:
        """Answers the task tokens of a task that has ended. Raises BadSubmission when its event is no longer stored."""
        try:
            answer_tokens(self.ledger.event(watch.id), ledger=self.ledger, machines=self.machines)
        except NotFound:  # the ledger has a watch for longer than its event
            problem = "is of a task that ended long ago: its event is no longer stored"
            raise BadSubmission("task_id", problem, f"`vidhook task {watch.id}` shows how it ended") from None
