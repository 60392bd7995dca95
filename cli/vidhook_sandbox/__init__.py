"""What makes the whole bridge run on one machine: a local cloud, a sample provider and a sample subscriber."""

import signal
from pathlib import Path
from typing import NoReturn

ROOT = Path(__file__).parents[2]  # the checkout: template.yaml, events/ and the sources of what is deployed


def leave_when_told() -> None:
    """From now on SIGINT and SIGTERM end the command in good order: every `with` block is left, the exit code is 0."""

    def leave(*_: object) -> NoReturn:
        raise SystemExit(0)

    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, leave)
