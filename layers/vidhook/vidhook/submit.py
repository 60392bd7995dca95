"""Accepts a submission: checks it, writes the watch and starts its execution."""

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from vidhook.errors import BadInput, BadSubmission, Blocked, Conflict, Erased, LostRace, NotFound
from vidhook.event import same, serialize
from vidhook.providers.request import check_create, check_params
from vidhook.recipients import callback_subscriber
from vidhook.runs import hold
from vidhook.schedule import Pause
from vidhook.submission import Checked, check
from vidhook.task import DeliveryState, Watch
from vidhook.tokens import answer_tokens

if TYPE_CHECKING:
    from vidhook.edges.http import Http
    from vidhook.edges.ledger import Ledger
    from vidhook.edges.machines import Machines
    from vidhook.event import Event
    from vidhook.pacing import Pacer
    from vidhook.runs import Runs
    from vidhook.times import Clock

MOST_CALLBACKS = 20
# Longer than an attempt takes: publishing may be making one to the same URL.
AFTER_AN_ATTEMPT = 20
# What a later submission may repeat but not change. The others are hints, or are added to what is known.
FIXED = ("create", "params", "metadata", "reference", "deadline_seconds", "progress")
ABSENT = object()
DIFFERENCES_IN_TEXT, VALUE_IN_TEXT = 5, 80


@dataclass(frozen=True, slots=True)
class Submitted:
    """The watch of a task, whether this submission created it, and the seconds to pause before its first poll."""

    watch: Watch
    created: bool
    pause: int


@dataclass(frozen=True, slots=True)
class Intake:
    """Accepts submissions, with these edges.

    `default_deadline` is the deadline_seconds of a submission without one.
    """

    ledger: "Ledger"
    http: "Http"
    machines: "Machines"
    clock: "Clock"
    pacer: "Pacer"
    runs: "Runs"
    default_deadline: int

    def submit(self, raw: Any, execution: str | None = None) -> Submitted:
        """Checks a submission and starts its watch. It is idempotent: a task that is submitted twice has one watch.

        `execution` is the name of the caller if it is itself an execution of the watch machine. A watch that is not
        settled is started again, since an earlier call may have crashed before it started it. Another callback_url of a
        known task gets its events too. Raises BadSubmission, and Conflict for what the first submission says otherwise.
        """
        checked = check(raw, self.default_deadline)
        try:
            return self._submit(raw, checked, execution)
        except Erased as erased:
            if checked.token is not None:
                self.ledger.tasks.remove_token(checked.submission.id, checked.token)
            hint = "it is not followed again, and nothing of it can be had"
            known_by = next(name for name in ("task_id", "idempotency_key", "reference") if name in raw)
            raise Conflict(known_by, f"{erased}", hint, []) from None

    def _submit(self, raw: Any, checked: Checked, execution: str | None) -> Submitted:
        submission, token = checked.submission, checked.token
        if token is not None and execution is not None:
            problem = "cannot be in the input of the watch machine, which everybody who may read its executions sees"
            raise BadSubmission("task_token", problem, "submit through the function, the queue or the event bus")
        self._check_against_stack(checked)
        now = self.clock.now()
        pause = Pause(0, "") if submission.creates else self.pacer.first_pause(submission, now)
        name = execution or submission.id
        watch, created = self.ledger.tasks.claim(submission, name, pause.seconds, now, why=pause.why, body=checked.body)
        if not created:
            _check_against_first(raw, watch, self.ledger.tasks.create_body(watch.id) if submission.creates else None)
            if submission.callback_url is not None:
                watch = self._add_callback(watch, submission.callback_url, now)
        if execution is None:
            if token is not None:
                self.ledger.tasks.put_token(watch.id, token, now)
                # Read after the token is written: either the event is seen here, or publishing sees the token.
                watch = self.ledger.tasks.watch(watch.id)
            if not watch.settled:
                self.machines.start_watch(watch.execution, watch.id, pause.seconds, create=watch.uncreated)
        if watch.event_id is not None and (token is not None or execution is not None):
            self._answer_at_once(watch)
        return Submitted(watch, created, pause.seconds)

    def _check_against_stack(self, checked: Checked) -> None:
        """Raises BadSubmission for a submission that fits the schema, but not this stack or its provider."""
        submission = checked.submission
        try:
            provider = self.ledger.providers.get(submission.provider)
            if checked.body is not None:
                check_create(provider, checked.body)
            check_params(provider, submission.task_id, submission.params)
        except NotFound as error:
            near = self.ledger.providers.nearest(submission.provider)
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
        answer_tokens(self._event(watch), ledger=self.ledger, machines=self.machines)

    def _add_callback(self, watch: Watch, url: str, now: float) -> Watch:
        """Makes a URL one more subscriber of a task, and sends it the event if the task has ended.

        Returns the watch as it now stands. Raises BadSubmission when there is no event to send any more, and for one
        URL too many.
        """
        if watch.event_id is not None and url not in watch.callback_urls:
            self._event(watch)
        alone = False
        while url not in watch.callback_urls:
            if len(watch.callback_urls) >= MOST_CALLBACKS:
                problem = f"is one too many: the task has {MOST_CALLBACKS}, the most"
                raise BadSubmission("callback_url", problem, "add a subscriber instead: `vidhook subscribers add`")
            try:
                # Either the watch had ended before the write, or publishing sees the URL.
                alone, watch = watch.told, self.ledger.tasks.add_callback(watch, url)
            except LostRace:
                watch = self.ledger.tasks.watch(watch.id)
        if watch.event_id is not None:
            with suppress(BadSubmission):  # it had the event, which is no longer stored
                self._send_late(self._event(watch), watch, url, now, alone=alone)
            if alone:
                self.ledger.tasks.note_told(watch)
        return watch

    def _send_late(self, event: "Event", watch: Watch, url: str, now: float, *, alone: bool) -> None:
        """Starts the delivery of a published event to a callback_url, unless it was started before.

        alone: nobody else publishes the event at this time.
        """
        subscriber = self.ledger.subscribers.callback(callback_subscriber(url, watch), now)
        delivery = self.ledger.deliveries.open(event, subscriber, now)
        if delivery.state is not DeliveryState.DUE or delivery.attempts or delivery.run:
            return
        if subscriber.active:
            self.runs.start(delivery, pause=1 if alone else AFTER_AN_ATTEMPT)
        else:
            hold(delivery, self.ledger)

    def _event(self, watch: Watch) -> "Event":
        """Returns the event of a task that has ended. Raises BadSubmission when it is no longer stored."""
        try:
            return self.ledger.tasks.event(watch.id, watch.event_id)
        except NotFound:  # the ledger has a watch for longer than its event
            problem = "is of a task that ended long ago: its event is no longer stored"
            raise BadSubmission("task_id", problem, f"`vidhook task {watch.id}` shows how it ended") from None


def _check_against_first(raw: Mapping[str, Any], watch: Watch, body: Mapping[str, Any] | None) -> None:
    """Raises Conflict when a submission says otherwise what the first one of its task said; a field left out does not.

    A retry's deadline is not compared: the first submission is sent again in good faith. `body` is that of the request
    that creates the task.
    """
    first = watch.submission
    known = {
        "params": first.params,
        "metadata": first.metadata,
        "reference": first.reference,
        "deadline_seconds": watch.first_deadline or first.deadline_seconds,
        "progress": first.progress,
        "create": body,
    }
    found = [each for name in FIXED if name in raw for each in _differences(name, known[name], raw[name])]
    if not found:
        return
    said = "; ".join(map(_in_words, found[:DIFFERENCES_IN_TEXT]))
    more = len(found) - DIFFERENCES_IN_TEXT
    problem = f"the task was submitted before with other values: {said}" + (f"; and {more} more" if more > 0 else "")
    hint = "leave these fields out, or give the values of the first submission"
    if any(each["field"].partition(".")[0] == "create" for each in found):
        hint = "give the body of the first submission, or another idempotency_key to create another task"
    if any(each["field"] == "deadline_seconds" for each in found):
        hint += "; a task that was given up gets a new deadline by a retry"
    if any(each["field"].partition(".")[0] == "params" for each in found):
        hint += "; a task that was given up gets other params by a retry"
    raise Conflict(found[0]["field"].partition(".")[0], problem, hint, found)


def _differences(field: str, known: Any, given: Any) -> list[dict[str, Any]]:
    """Returns where two values differ, in an object by its keys. What one of them lacks is left out."""
    if isinstance(known, dict) and isinstance(given, dict):
        pairs = {name: (known.get(name, ABSENT), given.get(name, ABSENT)) for name in {**known, **given}}
        return [
            {"field": f"{field}.{name}"}
            | ({} if one is ABSENT else {"known": one})
            | ({} if other is ABSENT else {"given": other})
            for name, (one, other) in pairs.items()
            if not same(one, other)
        ]
    return [] if same(known, given) else [{"field": field, "known": known, "given": given}]


def _in_words(difference: Mapping[str, Any]) -> str:
    if difference["field"].partition(".")[0] == "create":  # a prompt stands in no log, queue or execution
        return f"{difference['field'][:VALUE_IN_TEXT]} is another one"
    known, given = (
        serialize(difference[name])[:VALUE_IN_TEXT] if name in difference else "nothing" for name in ("known", "given")
    )
    return f"{difference['field'][:VALUE_IN_TEXT]} is {known}, not {given}"
