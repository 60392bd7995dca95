"""Every quarter of an hour: moves on what should have moved by now."""

import os
import time
from typing import Any

from vidhook.edges import environment
from vidhook.edges.telemetry import count, logger
from vidhook.sweep import sweep


@logger.inject_lambda_context(clear_state=True)
def handler(event: dict[str, Any], context: object) -> dict[str, int]:
    """Answers how many watches and deliveries were started anew, and how many held ones were drained."""
    swept = sweep(
        ledger=environment.ledger(),
        machines=environment.machines(),
        watch_arn=os.environ["WATCH_ARN"],
        redeliver_arn=os.environ["REDELIVER_ARN"],
        now=time.time(),
    )
    result = {"watches": swept.watches, "deliveries": swept.deliveries, "drained": swept.drained}
    logger.info("swept", **result)
    count("Swept", swept.watches + swept.deliveries)
    return result
