"""Makes every edge of one deployment in one place, for the handlers, the command and the tests."""

import gc
import os
import re
from collections.abc import Callable, Mapping
from contextlib import suppress
from functools import cache, cached_property
from operator import attrgetter
from typing import TYPE_CHECKING, Any

from vidhook.edges.http import Http
from vidhook.edges.ledger import Ledger
from vidhook.edges.secrets import Secrets
from vidhook.times import Clock

# What not every function needs is imported where it is made: each import makes every start longer.
if TYPE_CHECKING:
    from vidhook.create import Creator
    from vidhook.deliver import Notifier
    from vidhook.edges.bucket import Bucket
    from vidhook.edges.bus import Bus
    from vidhook.edges.functions import Functions
    from vidhook.edges.machines import Machines
    from vidhook.edges.refused import RefusedSubmissions
    from vidhook.erase import Eraser
    from vidhook.keys import Keys
    from vidhook.pacing import Pacer
    from vidhook.runs import Runs
    from vidhook.store import Storage
    from vidhook.submit import Intake
    from vidhook.task import Watch


class Edges:
    """The edges of one deployment, each made when it is first used.

    `settings` are those of template.yaml, by the names that the functions' environments give them (TABLE, BUCKET ...);
    one that is missing raises KeyError when it is needed. `client` makes the clients of AWS's services by their names;
    without it botocore makes them, from its usual settings.
    """

    def __init__(
        self,
        settings: Mapping[str, str],
        *,
        client: Callable[[str], Any] | None = None,
        clock: Clock | None = None,
    ) -> None:
        self._settings = settings
        self._client = client or (lambda _: None)  # each edge then makes its own
        self.clock = clock or Clock()

    @cached_property
    def ledger(self) -> Ledger:
        days = whole(self._settings.get("EVENT_DAYS", "30"))
        return Ledger(self._settings["TABLE"], client=self._client("dynamodb"), event_days=days, clock=self.clock)

    @cached_property
    def http(self) -> Http:
        networks = self._settings.get("ALLOWED_NETWORKS", "").split(",")
        allowed = [network.strip() for network in networks if network.strip()]
        return Http(allowed_networks=allowed)

    @cached_property
    def bucket(self) -> "Bucket":
        from vidhook.edges.bucket import Bucket

        return Bucket(self._settings["BUCKET"], client=self._client("s3"))

    @cached_property
    def bus(self) -> "Bus":
        from vidhook.edges.bus import Bus

        return Bus(self._settings["BUS"], client=self._client("events"))

    @cached_property
    def machines(self) -> "Machines":
        from vidhook.edges.machines import Machines

        return Machines(
            watch_arn=self._settings.get("WATCH_ARN", ""),
            redeliver_arn=self._settings.get("REDELIVER_ARN", ""),
            client=self._client("stepfunctions"),
        )

    @cached_property
    def secrets(self) -> Secrets:
        return Secrets(
            provider_secret=self._settings.get("PROVIDER_SECRET", ""),
            default_secret=self._settings.get("DEFAULT_SECRET", ""),
            key=self._settings.get("KEY", ""),
            client=self._client,
            clock=self.clock,
        )

    @cached_property
    def keys(self) -> "Keys":
        from vidhook.keys import Keys

        return Keys(self.secrets, self.http, self.clock)

    @property
    def most_waiting(self) -> int:
        return whole(self._settings.get("MOST_WAITING", "0"))

    @cached_property
    def functions(self) -> "Functions":
        from vidhook.edges.functions import Functions

        return Functions(self._settings["SWEEP_FUNCTION"], client=self._client("lambda"))

    @cached_property
    def refused_submissions(self) -> "RefusedSubmissions":
        from vidhook.edges.refused import RefusedSubmissions

        return RefusedSubmissions(self._settings["REFUSED_QUEUE"], client=self._client("sqs"))

    # What the jobs need

    @cached_property
    def intake(self) -> "Intake":
        from vidhook.submit import Intake

        deadline = whole(self._settings["DEFAULT_DEADLINE_SECONDS"])
        return Intake(self.ledger, self.http, self.machines, self.clock, self.pacer, self.runs, deadline)

    @cached_property
    def creator(self) -> "Creator":
        from vidhook.create import Creator

        return Creator(self.ledger, self.http, self.keys, self.clock, self.pacer)

    @cached_property
    def pacer(self) -> "Pacer":
        from vidhook.budget import parse_budgets
        from vidhook.pacing import Pacer

        factor, budgets = self._settings.get("PAUSE_FACTOR", "1"), self._settings.get("POLL_BUDGETS", "")
        return Pacer(self.ledger, self.clock, float(factor), parse_budgets(budgets))

    @cached_property
    def notifier(self) -> "Notifier":
        from vidhook.deliver import Notifier

        return Notifier(self.ledger, self.http, self.secrets, self.bus, self.clock)

    @cached_property
    def runs(self) -> "Runs":
        from vidhook.runs import Runs

        return Runs(self.ledger, self.machines, self.clock)

    @cached_property
    def eraser(self) -> "Eraser":
        from vidhook.erase import Eraser

        return Eraser(self.ledger, self.machines, self.bucket, self.bus, self.clock)

    @cached_property
    def storage(self) -> "Storage":
        from vidhook.store import Storage

        return Storage(self.ledger, self.keys, self.http, self.bucket, self._video_link, self._inline_file)

    def _inline_file(self, watch: "Watch", role: str) -> str | None:
        from vidhook.ask import inline_file

        return inline_file(watch, role, ledger=self.ledger, http=self.http, keys=self.keys, clock=self.clock)

    def _video_link(self, key: str) -> str:
        from vidhook.links import video_link

        return video_link(self._settings["VIDEOS_URL"], self.secrets.default(), key)


def whole(number: str) -> int:
    """Returns a setting as a whole number. CloudFormation takes 4.5 too, for every parameter that is a number."""
    return int(float(number))


def settings_of(outputs: Mapping[str, str]) -> dict[str, str]:
    """Returns the settings of a deployed stack from its outputs, for the command and for tests."""
    settings = {re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", name).upper(): value for name, value in outputs.items()}
    # An output cannot be empty, so it is "none" then.
    return {name: value for name, value in settings.items() if value != "none"}


@cache
def edges() -> Edges:
    """Returns the edges of this Lambda, from its environment variables: the same object for every invocation."""
    return Edges(os.environ)


def warm(*names: str) -> None:
    """Makes these edges and bundles of this Lambda, by their names from `Edges` on, while a handler's module loads.

    A function has a whole CPU then, and only its share of one later. Does nothing outside of Lambda. What cannot be
    made is left to the invocation that needs it, which then raises.
    """
    if "AWS_LAMBDA_FUNCTION_NAME" in os.environ:
        for name in names:
            with suppress(Exception):
                attrgetter(name)(edges())
        gc.freeze()  # what has been loaded stays
        gc.enable()
