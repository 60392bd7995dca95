"""Sweeps the ledger every 15 minutes: starts again what should have moved by now."""

from typing import Any

from vidhook.edges.telemetry import count, logger
from vidhook.sweep import sweep
from vidhook.wiring import edges, warm

warm("runs")


@logger.inject_lambda_context(clear_state=True)
def handler(event: dict[str, Any], context: object) -> dict[str, int]:
    """Returns how many watches and deliveries were started again, and how many held deliveries were drained."""
    swept = sweep(edges().runs)
    result = {"watches": swept.watches, "deliveries": swept.deliveries, "drained": swept.drained}
    logger.info("swept", extra=result)
    count("Swept", swept.watches + swept.deliveries)
    return result
