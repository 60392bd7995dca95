"""Sweeps the ledger every 15 minutes: starts again what should have moved by now."""

from contextlib import suppress
from typing import TYPE_CHECKING, Any

from vidhook.edges.telemetry import count, logger
from vidhook.errors import Erased
from vidhook.sweep import sweep
from vidhook.wiring import edges, warm

warm("runs", "ledger.deliveries", "ledger.subscribers")

if TYPE_CHECKING:
    from aws_lambda_powertools.utilities.typing import LambdaContext

# What was begun comes to its end in this time, also when AWS is slow.
LAST_SECONDS = 60.0


@logger.inject_lambda_context(clear_state=True)
def handler(event: dict[str, Any], context: "LambdaContext") -> dict[str, int]:
    """Returns how many watches and deliveries were started again, and how many held ones were drained and cancelled.

    With `erase`, it only goes on with the erasure of this task, at once.
    """
    if "erase" in event:
        with suppress(Erased):
            edges().eraser.erase(event["erase"])
        return {"erased": 1}
    here, seconds = edges(), context.get_remaining_time_in_millis() / 1_000 - LAST_SECONDS
    swept = sweep(here.runs, here.secrets, here.eraser, seconds=seconds)
    result = {
        "watches": swept.watches,
        "deliveries": swept.deliveries,
        "drained": swept.drained,
        "cancelled": swept.cancelled,
        "erased": swept.erased,
    }
    logger.info("swept", extra=result)
    count("Swept", swept.watches + swept.deliveries)
    if swept.failed:  # AWS may lose its word of an execution that failed, which `publish_event` counts otherwise
        count("WatchesFailed", swept.failed)
    if swept.errors:
        raise ExceptionGroup("some could not be moved", swept.errors)
    return result
