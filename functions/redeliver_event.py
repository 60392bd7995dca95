"""Makes one more attempt at a delivery."""

from typing import Any

from aws_lambda_powertools.metrics import MetricUnit

from vidhook.deliver import hanging_seconds
from vidhook.edges.telemetry import count, logger
from vidhook.redeliver import redeliver
from vidhook.task import DeliveryState
from vidhook.wiring import edges, warm

warm("notifier", "runs", "ledger.deliveries", "ledger.subscribers", "secrets.kms")


@logger.inject_lambda_context(clear_state=True, correlation_id_path="execution")
def handler(event: dict[str, Any], context: object) -> dict[str, Any]:
    """Returns whether the run has ended, and the whole seconds to pause if not."""
    here = edges()
    done = redeliver(
        event["watch"],
        event["event"],
        event["subscriber"],
        event["run"],
        waited_for=event.get("waited_for", 0.0),
        notifier=here.notifier,
        runs=here.runs,
    )
    logger.info("redelivery", subscriber=event["subscriber"], state=done.state or "forgotten", pause=done.pause)
    if done.attempt is not None:
        count("Deliveries", outcome=done.attempt.outcome)
        if hanging_seconds(done.attempt):
            count("HangingSeconds", hanging_seconds(done.attempt), MetricUnit.Seconds)
    # Whoever gave a callback_url answers for it: what it does not take is counted, and rings no alarm.
    if event["subscriber"].startswith("cb_"):
        if done.state is DeliveryState.FAILED:
            count("CallbacksGivenUp")
    elif done.state is DeliveryState.FAILED:
        count("DeliveriesGivenUp")
    elif done.state is DeliveryState.DUE:
        count("UndeliveredSeconds", done.undelivered_seconds, MetricUnit.Seconds)
    return {"settled": done.settled, "pause": done.pause, "waited_for": done.waited_for}
