"""The edges of this Lambda, made once from its environment variables, each when first asked for."""

import os
from functools import cache
from typing import Any

from vidhook import __version__
from vidhook.edges.bucket import Bucket
from vidhook.edges.bus import Bus
from vidhook.edges.deadletters import DeadLetters
from vidhook.edges.http import Http
from vidhook.edges.ledger import Ledger
from vidhook.edges.machines import Machines
from vidhook.edges.secrets import Secrets


@cache
def ledger() -> Ledger:
    return Ledger(os.environ["TABLE"], event_days=int(os.environ.get("EVENT_DAYS", "30")))


@cache
def http() -> Http:
    networks = tuple(entry.strip() for entry in os.environ.get("ALLOWED_NETWORKS", "").split(",") if entry.strip())
    return Http(allowed_networks=networks, user_agent=f"vidhook/{__version__}")


@cache
def bucket() -> Bucket:
    return Bucket(os.environ["BUCKET"])


@cache
def bus() -> Bus:
    return Bus(os.environ["BUS"])


@cache
def machines() -> Machines:
    return Machines()


@cache
def secrets() -> Secrets:
    return Secrets(
        provider_secret=os.environ.get("PROVIDER_SECRET", ""),
        default_secret=os.environ.get("DEFAULT_SECRET", ""),
        key=os.environ.get("KEY", ""),
    )


@cache
def dead_letters() -> DeadLetters:
    return DeadLetters(os.environ["DEAD_LETTER_QUEUE"])


def submission_terms() -> dict[str, Any]:
    """What taking in a task needs of its surroundings, by whichever way it comes: edges and the stack's settings."""
    return {
        "ledger": ledger(),
        "http": http(),
        "machines": machines(),
        "watch_arn": os.environ["WATCH_ARN"],
        "default_deadline": int(os.environ["DEFAULT_DEADLINE_SECONDS"]),
        "pause_factor": float(os.environ.get("PAUSE_FACTOR", "1")),
    }
