"""`vidhook events tail` prints the events on the event bus as they happen."""

import click

from vidhook_cli.follow import following, seconds_option
from vidhook_cli.show import Group, as_json_option, lines, one_line, say, wants_json


@click.group(cls=Group)
def events() -> None:
    """Shows the events on the event bus."""


@events.command()
@seconds_option
@as_json_option
def tail(seconds: float | None, as_json: bool) -> None:
    """Prints every event as it happens.

    Uses a queue of its own, which is removed at the end.
    """
    for_program = wants_json(as_json)
    with following() as queue:
        for message in queue.messages(seconds):
            event = message.envelope
            if for_program:
                lines([event["detail"]])
            else:
                data = event["detail"].get("data", event["detail"])
                said = f"{event['time']}  {event['detail-type']:18}  {data.get('id', '')}  {_short(data)}"
                say(one_line(said), " " * 22)
            queue.remove(message)


def _short(data: dict[str, object]) -> str:
    return " ".join(str(data[name]) for name in ("provider", "task_id", "subscriber", "reason") if data.get(name))
