"""The DynamoDB table that remembers watches, events, deliveries, subscribers and provider files.

One partition holds all of one task, so one query reads it:

    pk            sk                          what
    tsk_...       watch                       the watch and its latest snapshot
    tsk_...       event                       its terminal event
    tsk_...       event#<evt>                 the other one, of a task that was retried
    tsk_...       delivery#<evt>#<sub>        one event to one subscriber
    tsk_...       attempt#<evt>#<sub>#<n>     one attempt
    tsk_...       token#<tok>                 a task token that waits for the event
    tsk_...       answer                      what its provider answered to the latest poll
                                              (of a task that was erased only the watch and this one are left, empty)
    tsk_...       answer#<at>                 what it answered to an earlier one
    tsk_...       create                      the body of the request that creates it, if vidhook creates it
    tsk_...       watch                       of such a task, under the id of (provider, task_id): which task it is
    evt_...       watch                       which task a terminal event is of
    ref#<ref>     <submitted_at>#tsk_...      that a task has this reference, or only this idempotency_key
    subscribers   <sub>                       a subscriber: what its owner and operators say of it
    roster        version                     changes with every write to `subscribers`
                  <sub>                       how a subscriber answers, while that is not simply well
    callbacks     <cb>                        a task's own callback_url as a subscriber
    answers       <cb>                        how it answers
    line#<sub>    <at>#<evt>#<sub>            that an event of this instant waits in the line of a subscriber
    unfinished    <sub>                       a subscriber that is being removed, or whose secret is moved to the ledger
    upgrades      held                        how far the sweeper has looked for held deliveries of earlier versions
    providers     <name>                      a provider file
    pace#<name>   kind#<model>#<object>#<n>   how long such tasks of this provider take: one of 8 parts of it
                  all#<n>                     and all its tasks
    waiting       <n>                         that a request waits for the end of a task
    budget#<name> day#<n>, slot#<most>#<n>    how many polls of this provider are planned in a day, and in a slot

Two sparse indexes: `listed` (list, listed_at) finds watches, terminal events and a subscriber's deliveries by time;
`due` (due, due_at) finds what should have moved by now. In `due` are open watches and due deliveries, spread over 32
partitions by the task's id; held deliveries, by their subscriber; and the subscribers that have them or may get them.
Both indexes hold keys only, so that most polls and attempts write to no index; `due_at` of what is due changes in steps
of 15 minutes.

Every event needs all subscribers, and a thousand are read from a megabyte. So they are kept in memory, and one small
query of `roster` says for each event whether they are still the same ones, and which of them do not answer well.
"""

from functools import cached_property
from typing import TYPE_CHECKING

from vidhook.edges.ledger.paces import Paces
from vidhook.edges.ledger.providers import ProviderFiles
from vidhook.edges.ledger.table import Table
from vidhook.edges.ledger.tasks import Tasks

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

    from vidhook.edges.ledger.deliveries import Deliveries
    from vidhook.edges.ledger.subscribers import Subscribers
    from vidhook.times import Clock


class Ledger:
    """What vidhook remembers: tasks, deliveries, subscribers, provider files, and how long tasks take.

    Who polls never needs deliveries and subscribers, so they are imported when they are used.
    """

    def __init__(
        self,
        table: str,
        *,
        client: "DynamoDBClient | None" = None,
        event_days: int = 30,
        clock: "Clock | None" = None,
    ) -> None:
        self.table = Table(table, client=client, event_days=event_days, clock=clock)
        self.tasks = Tasks(self.table)
        self.providers = ProviderFiles(self.table)
        self.paces = Paces(self.table)

    @cached_property
    def deliveries(self) -> "Deliveries":
        from vidhook.edges.ledger.deliveries import Deliveries

        return Deliveries(self.table)

    @cached_property
    def subscribers(self) -> "Subscribers":
        from vidhook.edges.ledger.subscribers import Subscribers

        return Subscribers(self.table)
