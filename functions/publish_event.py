"""Stores the video, publishes the event and notifies the subscribers."""

from typing import TYPE_CHECKING, Any

from aws_lambda_powertools.metrics import MetricUnit

from vidhook.deliver import hanging_seconds
from vidhook.edges.telemetry import count, logger
from vidhook.errors import BadSubmission, Erased
from vidhook.notify import Notified
from vidhook.publish import Published, ended_from_outside, output, publish, publish_progress, watch_failed
from vidhook.store import Stored
from vidhook.wiring import edges, warm

warm("storage", "machines", "notifier", "ledger.deliveries", "ledger.subscribers", "secrets.manager", "secrets.kms")

if TYPE_CHECKING:
    from aws_lambda_powertools.utilities.typing import LambdaContext

# After the video is stored the event is written, and subscribers are notified, for half a minute if there are many.
NOTIFY_SECONDS = 100.0


@logger.inject_lambda_context(clear_state=True, correlation_id_path="execution")
def handler(event: dict[str, Any], context: "LambdaContext") -> dict[str, Any]:
    """Returns the event and the subscribers not reached, or the whole seconds to pause before publishing again."""
    try:
        return _published(event, context)
    except Erased:
        logger.info("the task was erased; nothing to publish")
        return output(Published())


def _published(event: dict[str, Any], context: "LambdaContext") -> dict[str, Any]:
    here = edges()
    watch_id, execution, problem = event.get("watch", ""), event.get("execution"), None
    if event.get("detail-type"):
        _report_ended(event["detail"])
        ended = ended_from_outside(event["detail"], ledger=here.ledger)
        if ended is None:
            logger.info("an execution ended that followed no watch; nothing to publish")
            return {}
        watch_id, problem = ended
        execution = event["detail"]["executionArn"].rpartition(":")[2]
    elif event.get("problem"):
        problem = watch_failed(event["problem"])
    if event.get("progress"):
        published = publish_progress(watch_id, notifier=here.notifier)
    else:
        storage = here.storage if event.get("store_video", True) else None
        published = publish(
            watch_id,
            problem=problem,
            storage=storage,
            machines=here.machines,
            notifier=here.notifier,
            seconds=context.get_remaining_time_in_millis() / 1_000 - NOTIFY_SECONDS,
            again=event.get("again", False),
            execution=execution,
        )
    _report(published)
    return output(published)


def _report_ended(detail: dict[str, Any]) -> None:
    """Counts an execution that failed, unless it was refused: then it fails so that its caller learns of it."""
    error, name = detail.get("error"), detail["executionArn"].rpartition(":")[2]
    logger.info("an execution ended", execution=name, status=detail["status"], error=error)
    if detail["status"] == "FAILED" and error != BadSubmission.__name__:
        count("WatchesFailed")


def _report(published: Published) -> None:
    if published.stored is not None:
        _report_stored(published.stored, published.watch.submission.provider if published.watch else "")
    if published.event is None:
        return
    if published.forbidden:
        logger.error("task tokens that AWS does not let us answer", number=published.forbidden)
    logger.info("event published", event_id=published.event.id, type=published.event.type)
    _report_notified(published.notified)


def _report_stored(stored: Stored, provider: str) -> None:
    for role, file in stored.files.items():
        logger.info("video stored", role=role, key=file.key, bytes=file.bytes)
        count("BytesStored", file.bytes, MetricUnit.Bytes, provider=provider)
    for role, so_far in stored.unfinished.items():
        logger.info("video partly stored", role=role, so_far=so_far)
    for role, reason in stored.failures.items():
        logger.warning("video not stored", role=role, problem=f"{reason.kind}: {reason.message}")
        if not reason.final:
            count("StoreFailures")


def _report_notified(notified: Notified) -> None:
    for attempt in notified.attempts:
        logger.info("delivery attempted", outcome=attempt.outcome, kind=attempt.kind, status=attempt.status)
        count("Deliveries", outcome=attempt.outcome)
        if hanging_seconds(attempt):
            count("HangingSeconds", hanging_seconds(attempt), MetricUnit.Seconds)
    for fault in notified.faults:
        logger.error("not attempted, left to its redelivery", subscriber=fault.subscriber_id, exc_info=fault.error)
        count("DeliveryFaults")
