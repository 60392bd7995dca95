"""What is likely wrong in a provider file that can be used, and how to mend it."""

import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from ipaddress import ip_address
from typing import Any
from urllib.parse import urlsplit

from vidhook.providers.created import ID_NAMES
from vidhook.providers.expressions import names_of
from vidhook.providers.file import Provider, parse
from vidhook.providers.names import INPUT_WORDS, RESULT_NAMES, RESULT_WORDS
from vidhook.providers.placeholders import names_in
from vidhook.providers.reading import ENVELOPE_WORDS
from vidhook.providers.statuses import Meaning, meaning_of
from vidhook.providers.values import spelled, words_in
from vidhook.task import Category, Status


@dataclass(frozen=True, slots=True)
class Gap:
    """What is likely wrong: the key, what goes wrong and the mend, in one line; and the path of the key."""

    text: str
    path: tuple[str, ...]


def gaps(text: str) -> list[Gap]:
    """Returns what is likely wrong in a provider file.

    Raises BadProviderFile for a file that cannot be used.
    """
    provider = parse(text)
    written = tomllib.loads(text.removeprefix("\ufeff"))
    own = written.get("status", {})  # words, as they are written in this file
    return [*_places(provider), *_unused(provider, written), *_words(provider, own), *_inputs(provider)]


def _places(provider: Provider) -> Iterator[Gap]:
    """Yields which places and facts the file does not give."""
    if "id" not in provider.answer:
        yield Gap(
            "[answer].id is missing: without it a \"success\" may be the envelope's, and not the task's; "
            "add where the task's id stands",
            ("answer", "id"),
        )
    if "error" not in provider.answer:
        yield Gap(
            "[answer].error is missing: without it the reasons of failures and refusals are guessed; "
            "add where the code and the message stand",
            ("answer", "error"),
        )
    if provider.expected_seconds is None:
        yield Gap(
            "expected_seconds is missing: the first tasks are polled as if nothing were known of their time; "
            "add how long a task takes, roughly",
            ("expected_seconds",),
        )
    if provider.link_lives_seconds is None and "expires_at" not in provider.answer:
        yield Gap(
            "link_lives_seconds is missing, and so is [answer].expires_at: subscribers are not told when a link dies, "
            "unless its signature says so; add what the API's documentation says",
            ("link_lives_seconds",),
        )
    if _is_open(provider.base_url):
        yield Gap(
            "base_url is http: the key and the answers can be read on the way; write https if the API has it",
            ("base_url",),
        )
    if provider.auth.token_url and _is_open(provider.auth.token_url):
        yield Gap(
            "[auth].token_url is http: the key's secret can be read on the way; write https if the server has it",
            ("auth", "token_url"),
        )
    if provider.create is not None and "id" not in provider.create.answer and not _has_usual_id(provider):
        yield Gap(
            "[create].id is missing, and [answer].id has none of the names by which the id of a created task is found; "
            "add where it stands in the answer to the creation",
            ("create", "id"),
        )


def _unused(provider: Provider, written: Mapping[str, Any]) -> Iterator[Gap]:
    """Yields which parameters no request has."""
    used = set(names_in(written))
    for name in provider.params:
        if name not in used:
            yield Gap(
                f"params: {name} stands in no request; put {{{name}}} where it belongs, or leave it out", ("params",)
            )


def _is_open(base_url: str) -> bool:
    """Whether what is sent there can be read on the way."""
    parts = urlsplit(base_url)
    host = parts.hostname or ""
    try:
        loopback = ip_address(host).is_loopback
    except ValueError:
        loopback = host == "localhost" or host.endswith(".localhost")
    return parts.scheme == "http" and not loopback


def _has_usual_id(provider: Provider) -> bool:
    """Whether the id of a created task would be found under one of the names that its answers have for it."""
    paths = provider.answer.get("id", ())
    return not paths or any(spelled(name) in ID_NAMES for path in paths for name in names_of(path.parsed))


def _words(provider: Provider, own: Mapping[str, str]) -> Iterator[Gap]:
    """Yields which words of the file's own [status] say what is known without them, or the opposite."""
    plain = replace(provider, statuses={}, implied={})
    for word, meant in own.items():
        known = meaning_of(plain, word)
        if not known.known:
            continue
        says = known.category or known.status
        category = Category(meant) if meant in [*Category] else None
        status = Status.FAILED if category else Status(meant)
        if status is not known.status and (status.final or known.status.final):
            yield Gap(
                f'[status]."{word}" = "{meant}" is the opposite of what the word says: without this line it is '
                f'{says}; if the API does not mean "{meant}" by it, leave it out',
                ("status", word),
            )
        elif _is_superfluous(provider, word, known, status, category):
            yield Gap(
                f'[status]."{word}" = "{meant}" changes nothing: vidhook knows the word; leave it out', ("status", word)
            )


def _is_superfluous(provider: Provider, word: str, known: Meaning, status: Status, category: Category | None) -> bool:
    """Whether a word is read the same without the file's line.

    The words that envelopes have too count for more when they are listed, and all of them where no id stands beside.
    """
    as_told = status is known.status and category in (None, known.category) and known.whole and not known.of_a_step
    return as_told and "id" in provider.answer and spelled(word) not in ENVELOPE_WORDS


def _inputs(provider: Provider) -> Iterator[Gap]:
    """Yields which places of files begin with a name under which APIs repeat what the task was given."""
    for role, paths in provider.assets.items():
        for path in paths:
            first, *others = names_of(path.parsed) or [""]
            if INPUT_WORDS & words_in(first) and not any(map(_is_of_results, (first, *others))):
                yield Gap(
                    f'[assets].{role}: "{path.expression}" begins with "{first}", where most APIs repeat what the task '
                    "was given; take the place of the finished file",
                    ("assets", role),
                )


def _is_of_results(name: str) -> bool:
    return spelled(name) in RESULT_NAMES or bool(RESULT_WORDS & words_in(name))
