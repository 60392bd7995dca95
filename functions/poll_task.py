"""Asks the provider once."""

import os
import random
import time
from typing import Any

from aws_lambda_powertools.metrics import MetricUnit

from vidhook.edges import environment
from vidhook.edges.telemetry import count, logger
from vidhook.poll import Polled, poll


@logger.inject_lambda_context(clear_state=True, correlation_id_path="execution")
def handler(event: dict[str, Any], context: object) -> dict[str, Any]:
    """Answers whether the task is settled and, if not, the whole seconds to pause and whether there is news to tell."""
    polled = poll(
        event["watch"],
        execution=event["execution"],
        ledger=environment.ledger(),
        http=environment.http(),
        secrets=environment.secrets(),
        now=time.time,
        jitter=random.random(),  # noqa: S311 - jitter is no secret
        pause_factor=float(os.environ.get("PAUSE_FACTOR", "1")),
    )
    _report(polled)
    return {"settled": polled.settled, "progress": polled.progress, "pause": polled.pause}


def _report(polled: Polled) -> None:
    watch, reading = polled.watch, polled.reading
    provider = watch.submission.provider
    answer = watch.history[-1].answer if watch.history else "settled before"
    logger.info("task polled", provider=provider, answer=answer, pause=polled.pause, settled=polled.settled)
    count("Polls", provider=provider)
    if polled.broken or (reading is not None and reading.outcome != "snapshot"):
        count("ProviderErrors", provider=provider, outcome=answer)
    if reading is not None and reading.key_refused:
        count("KeyRefused")
    if reading is not None and reading.snapshot is not None and not reading.snapshot.known_status:
        logger.warning(
            "unknown status word, read as processing", provider=provider, word=reading.snapshot.provider_status
        )
        count("UnknownStatusWords")
    if polled.settled and reading is not None and watch.snapshot is not None and watch.detected_at is not None:
        seconds = watch.detected_at - watch.submitted_at
        count("SecondsToSettle", seconds, MetricUnit.Seconds, provider=provider, outcome=str(watch.snapshot.status))
