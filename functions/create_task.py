"""Creates a task at its provider, at most once."""

from typing import Any

from vidhook.create import CreateStep
from vidhook.edges.telemetry import count, logger
from vidhook.errors import Erased, NotFound
from vidhook.wiring import edges, warm

NOTHING_TO_CREATE = {"settled": True, "create": False, "pause": 0}

warm("creator", "secrets.manager")


@logger.inject_lambda_context(clear_state=True, correlation_id_path="execution")
def handler(event: dict[str, Any], context: object) -> dict[str, Any]:
    """Returns whether the task is created or its watch settled; else the pause in seconds before the next try.

    `known`: whether there is such a watch. Only a caller's own execution can ask for a watch that is not known.
    """
    try:
        step = edges().creator.create(event["watch"])
    except Erased:
        logger.info("the task was erased; nothing to create")
        return {"known": True, **NOTHING_TO_CREATE}
    except NotFound:
        logger.warning("there is no such task; nothing to create")
        count("ExecutionsRefused")
        return {"known": False, **NOTHING_TO_CREATE}
    _report(step)
    return {"known": True, "settled": step.watch.settled, "create": not step.done, "pause": step.pause}


def _report(step: CreateStep) -> None:
    watch = step.watch
    provider = watch.submission.provider
    logger.info("task created" if step.said == "created" else "task not created", provider=provider, said=step.said)
    if step.said is not None:
        count("Creations", provider=provider, outcome=step.said)
    if step.key_refused:
        count("KeyRefused")
    if step.orphan is not None:
        logger.error("a task was created whose watch had ended", provider=provider, task_id=step.orphan)
    error = watch.snapshot.error if watch.snapshot and step.done else None
    if error is not None and error.code == "CREATE_AMBIGUOUS":
        logger.error("nobody knows whether the task was created", provider=provider)
        count("CreationsAmbiguous")
