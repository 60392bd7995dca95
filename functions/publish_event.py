"""Keeps the video in S3, writes the event and POSTs it to the subscribers."""

import os
import random
import time
from typing import Any

from aws_lambda_powertools.metrics import MetricUnit

from vidhook.edges import environment
from vidhook.edges.telemetry import count, logger
from vidhook.links import video_link
from vidhook.publish import Published, ended_from_outside, output, publish, publish_progress, watch_failed


@logger.inject_lambda_context(clear_state=True, correlation_id_path="execution")
def handler(event: dict[str, Any], context: object) -> dict[str, Any]:
    """Answers the event and who is still to be told, or how many whole seconds to pause before publishing again."""
    watch_id, problem = event.get("watch", ""), None
    if event.get("detail-type"):
        ended = ended_from_outside(event["detail"], ledger=environment.ledger())
        if ended is None:
            logger.info("an execution ended that followed no watch; there is nobody to tell")
            return {}
        watch_id, problem = ended
    elif event.get("problem"):
        problem = watch_failed(event["problem"])
    secrets = environment.secrets()
    telling = {
        "ledger": environment.ledger(),
        "http": environment.http(),
        "secrets": secrets,
        "bus": environment.bus(),
        "now": time.time,
        "jitter": random.random,
    }
    if event.get("progress"):
        published = publish_progress(watch_id, **telling)
    else:
        published = publish(
            watch_id,
            problem=problem,
            keep_video=event.get("keep_video", True),
            bucket=environment.bucket(),
            machines=environment.machines(),
            link=lambda key: video_link(os.environ["VIDEOS_URL"], secrets.default(), key),
            **telling,
        )
    _report(published)
    return output(published)


def _report(published: Published) -> None:
    provider = published.watch.submission.provider if published.watch else ""
    copies = published.copies
    if copies:
        for role, kept in copies.kept.items():
            logger.info("video kept", role=role, key=kept.key, bytes=kept.bytes)
            count("BytesCopied", kept.bytes, MetricUnit.Bytes, provider=provider)
        for role, problem in copies.failures.items():
            logger.warning("video not kept", role=role, problem=problem)
            count("FailedCopies")
    if published.event is None:
        return
    if published.forbidden:
        logger.error("task tokens that AWS does not let us answer", number=published.forbidden)
    logger.info("event published", event_id=published.event.id, type=published.event.type)
    for attempt in published.attempts:
        logger.info("delivery attempted", outcome=attempt.outcome, kind=attempt.kind, status=attempt.status)
        count("Deliveries", outcome=attempt.outcome)
