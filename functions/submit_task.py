"""Any AWS service hands in a task: by invoking this function, or through the event bus."""

import os
import random
import time
from typing import Any

from vidhook.edges import environment
from vidhook.edges.telemetry import logger
from vidhook.submit import submit


@logger.inject_lambda_context(clear_state=True)
def handler(event: dict[str, Any], context: object) -> dict[str, Any]:
    """Answers the watch of the submitted task. A bad submission is an error, so that the dead-letter queue gets it."""
    by_execution = "submission" in event
    raw = event["submission"] if by_execution else event["detail"] if "detail-type" in event else event
    submitted = submit(
        raw,
        ledger=environment.ledger(),
        http=environment.http(),
        machines=environment.machines(),
        watch_arn=os.environ.get("WATCH_ARN", ""),
        execution=event["execution"] if by_execution else None,
        default_deadline=int(os.environ["DEFAULT_DEADLINE_SECONDS"]),
        now=time.time(),
        jitter=random.random(),  # noqa: S311 - jitter is no secret
    )
    watch = submitted.watch
    logger.set_correlation_id(watch.id)
    logger.info("task submitted", provider=watch.submission.provider, created=submitted.created)
    return {
        "id": watch.id,
        "provider": watch.submission.provider,
        "task_id": watch.submission.task_id,
        "created": submitted.created,
        "status": str(watch.snapshot.status) if watch.snapshot else "pending",
        "pause": submitted.pause,
    }
