"""`vidhook doctor` sends good and bad webhooks to an endpoint and says what it gets right."""

from dataclasses import asdict
from pathlib import Path

import click

from vidhook.doctor import PROBES, Finding, examine
from vidhook_cli.endpoint import http_to, needed_secret, network_options, secret_option
from vidhook_cli.show import as_json_option, lines, say, wants_json

COLOURS = {"ok": "green", "warning": "yellow", "wrong": "red"}


@click.command()
@click.argument("url")
@secret_option
@network_options
@as_json_option
def doctor(url: str, secret: str | None, allow: tuple[str, ...], ca_file: Path | None, as_json: bool) -> None:
    """Sends signed, forged, stale and repeated events to URL and says what it gets right.

    URL is public https, or on this machine, or in a network given with --allow. Only endpoint.test events are sent,
    and one of an unknown type. Exits with 1 when anything is wrong; warnings alone do not count.
    """
    http = http_to(url, allow, ca_file)
    for_program = wants_json(as_json)
    found: list[Finding] = []
    for finding in examine(url, needed_secret(secret), http=http):
        found.append(finding)
        if for_program:
            lines([asdict(finding)])
        else:
            say(_line(finding), " " * 8)
    wrong = sum(finding.verdict == "wrong" for finding in found)
    if not for_program:
        say(_summary(found, wrong))
    if wrong:
        raise SystemExit(1)


def _line(finding: Finding) -> str:
    verdict = click.style(f"{finding.verdict:<8}", fg=COLOURS[finding.verdict])
    hint = f"\n        {finding.hint}" if finding.hint else ""
    return f"{verdict}{finding.rule}: {finding.found}{hint}"


def _summary(found: list[Finding], wrong: int) -> str:
    if wrong:
        more = "" if len(found) > len(PROBES) else "; fix this first: the other probes were not sent"
        return f"\n{wrong} of {len(found)} wrong{more}"
    warnings = sum(finding.verdict == "warning" for finding in found)
    but = f", with {warnings} warning{'s' if warnings > 1 else ''}" if warnings else ""
    return f"\nnothing is wrong{but}; check yourself that your code handles a duplicate only once"
