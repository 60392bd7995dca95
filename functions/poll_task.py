"""Polls a task once."""

from typing import Any

from aws_lambda_powertools.metrics import MetricUnit

from vidhook.edges.telemetry import count, logger
from vidhook.errors import Erased, NotFound
from vidhook.poll import Polled, poll
from vidhook.times import instant
from vidhook.wiring import edges, warm

NOTHING_TO_POLL = {"settled": True, "progress": False, "pause": 0, "successor": None}

warm("ledger", "http", "keys", "pacer", "secrets.manager")


@logger.inject_lambda_context(clear_state=True, correlation_id_path="execution")
def handler(event: dict[str, Any], context: object) -> dict[str, Any]:
    """Returns whether the watch is settled; else the pause in seconds, whether to publish progress, and who goes on.

    `known`: whether there is such a watch. Only a caller's own execution can ask for a watch that is not known.
    """
    try:
        return _polled(event)
    except Erased:
        logger.info("the task was erased; nothing to poll")
        return {"known": True, **NOTHING_TO_POLL}
    except NotFound:
        logger.warning("there is no such task; nothing to poll")
        count("ExecutionsRefused")
        return {"known": False, **NOTHING_TO_POLL}


def _polled(event: dict[str, Any]) -> dict[str, Any]:
    here = edges()
    polled = poll(
        event["watch"],
        execution=event["execution"],
        started_at=instant(event.get("started_at")),  # an execution from before an upgrade does not give it
        once=event.get("once", False),  # nor this
        ledger=here.ledger,
        http=here.http,
        keys=here.keys,
        clock=here.clock,
        pacer=here.pacer,
    )
    _report(polled)
    return {
        "known": True,
        "settled": polled.settled,
        "progress": polled.progress,
        "pause": polled.pause,
        "successor": polled.successor,
    }


def _report(polled: Polled) -> None:
    watch, reading = polled.watch, polled.reading
    provider = watch.submission.provider
    answer = polled.answer or "settled before"
    why = watch.history[-1].why if watch.history else ""
    logger.info("task polled", provider=provider, answer=answer, pause=polled.pause, why=why, settled=polled.settled)
    count("Polls", provider=provider)
    if polled.budget_spent is not None:
        count("PollBudgetUsed", polled.budget_spent, MetricUnit.Percent)
    if polled.broken or (reading is not None and reading.outcome != "snapshot"):
        count("ProviderErrors", provider=provider, outcome=answer)
    if reading is not None and reading.key_refused:
        count("KeyRefused")
    if reading is not None and reading.snapshot is not None and not reading.snapshot.known_status:
        logger.warning(
            "unknown status word, read as processing", provider=provider, word=reading.snapshot.provider_status
        )
        count("UnknownStatusWords")
    if polled.settled_now and watch.snapshot is not None and watch.detected_at is not None:
        seconds = watch.detected_at - watch.submitted_at
        count("SecondsToSettle", seconds, MetricUnit.Seconds, provider=provider, outcome=str(watch.snapshot.status))
