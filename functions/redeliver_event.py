"""One more attempt at one subscriber."""

import random
import time
from typing import Any

from aws_lambda_powertools.metrics import MetricUnit

from vidhook.edges import environment
from vidhook.edges.telemetry import count, logger
from vidhook.redeliver import redeliver


@logger.inject_lambda_context(clear_state=True, correlation_id_path="execution")
def handler(event: dict[str, Any], context: object) -> dict[str, Any]:
    """Answers whether the delivery is settled and, if not, how many whole seconds to pause."""
    done = redeliver(
        event["watch"],
        event["event"],
        event["subscriber"],
        event["run"],
        waited_for=event.get("waited_for", 0.0),
        ledger=environment.ledger(),
        http=environment.http(),
        secrets=environment.secrets(),
        bus=environment.bus(),
        now=time.time(),
        jitter=random.random(),  # noqa: S311 - jitter is no secret
    )
    logger.info("redelivery", subscriber=event["subscriber"], state=done.state, pause=done.pause)
    if done.attempt is not None:
        count("Deliveries", outcome=done.attempt.outcome)
    if done.state == "failed":
        count("DeliveriesGivenUp")
    if done.state == "due":
        count("UndeliveredSeconds", done.undelivered_seconds, MetricUnit.Seconds)
    return {"settled": done.settled, "pause": done.pause, "waited_for": done.waited_for}
