"""The provider files of a stack: those that ship with vidhook, and those that were put into it."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal
from urllib.parse import urlsplit

from vidhook.errors import BadProviderFile, NotFound, Refused
from vidhook.providers.file import BUNDLED, Provider, bundled_provider, bundled_text, parse
from vidhook.task import SAMPLE
from vidhook.texts import shown

if TYPE_CHECKING:
    from vidhook.edges.ledger import Ledger
    from vidhook.edges.secrets import Secrets

Source = Literal["bundled", "stored", "built_in"]
NAME_BYTES = 80


@dataclass(frozen=True, slots=True)
class ProviderFile:
    """The file in use for a provider. `source`: it ships with vidhook, was put into the stack, or is the sample's.

    provider: what it describes; None if it cannot be used, such as one that an earlier version took.
    """

    name: str
    source: Source
    text: str
    provider: Provider | None

    @property
    def bundled_text(self) -> str | None:
        """The file of this name that ships with vidhook, if there is one."""
        return bundled_text(self.name) if self.name in (*BUNDLED, SAMPLE) else None

    @property
    def warnings(self) -> list[str]:
        """What is likely wrong in the file, one line each."""
        from vidhook.providers.gaps import gaps  # with the reader of answers

        try:
            return [gap.text for gap in gaps(self.text)]
        except BadProviderFile as error:
            return [str(error)]


def all_files(ledger: "Ledger") -> list[ProviderFile]:
    """Returns the file in use for each provider, by name; the sample's is the last."""
    stored = ledger.providers.texts()
    names = sorted({*BUNDLED, *stored} - {SAMPLE})
    return [_file(name, stored.get(name)) for name in (*names, SAMPLE)]


def file_of(name: str, ledger: "Ledger") -> ProviderFile:
    """Returns the file in use for a provider. Raises NotFound, which names the one that is most like it."""
    stored = ledger.providers.text(name)
    if stored is None and name not in (*BUNDLED, SAMPLE):
        near = ledger.providers.nearest(name)
        hint = f'did you mean "{near}"?' if near else "GET /v1/providers lists all"
        raise NotFound(f'there is no provider "{shown(name, NAME_BYTES)}"; {hint}')
    return _file(name, stored)


def put(name: str, text: str, *, ledger: "Ledger", secrets: "Secrets") -> ProviderFile:
    """Stores a provider's file, which is used from the next poll on.

    Raises BadProviderFile; and Refused for a file that would send the provider's key where the one in use does not:
    whoever may change a file must not be able to read the key.
    """
    new, known = parse(text, name), ledger.providers.text(name)
    used = _file(name, known) if known is not None or name in (*BUNDLED, SAMPLE) else None
    _keep_key(new, used, secrets)
    ledger.providers.put(name, text)
    return _file(name, text)


def remove(name: str, *, ledger: "Ledger", secrets: "Secrets") -> None:
    """Removes the stack's own file of a provider; a bundled one is in use again.

    Raises NotFound if there is none; and Refused as `put` does.
    """
    known = ledger.providers.text(name)
    if known is None:
        raise NotFound(f'the stack has no file of its own for "{shown(name, NAME_BYTES)}"')
    if name in BUNDLED:
        _keep_key(bundled_provider(name), _file(name, known), secrets)
    ledger.providers.remove(name)


def _keep_key(new: Provider, used: ProviderFile | None, secrets: "Secrets") -> None:
    """Raises Refused if the provider has a key, and the new file sends it where the one in use does not."""
    known = _places_of_key(used.provider) if used and used.provider else set()
    for place in sorted(_places_of_key(new) - known):
        if secrets.provider_key(new.name, fresh=True) is not None:
            problem = f"the key of {new.name} would go to {place}, and the file in use does not send it there"
            hint = f"use `vidhook providers put` or `remove`, or remove the key first: `vidhook keys remove {new.name}`"
            raise Refused(409, problem, hint)


def _file(name: str, stored: str | None) -> ProviderFile:
    text = bundled_text(name) if stored is None else stored
    try:
        provider = parse(text, name)
    except BadProviderFile:
        provider = None
    return ProviderFile(
        name, "stored" if stored is not None else "built_in" if name == SAMPLE else "bundled", text, provider
    )


def _places_of_key(provider: Provider) -> set[str]:
    """Returns the servers that get a provider's key."""
    urls = [url for url in (provider.base_url, provider.auth.token_url) if url]
    return {f"{parts.scheme}://{parts.netloc}".lower() for parts in map(urlsplit, urls)} | set(provider.hosts)
