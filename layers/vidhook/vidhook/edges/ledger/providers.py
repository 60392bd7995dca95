"""Provider files that were put into the ledger."""

from difflib import get_close_matches
from functools import lru_cache
from typing import TYPE_CHECKING

from vidhook.edges.ledger.table import Table, key_of, packed
from vidhook.errors import NotFound

if TYPE_CHECKING:
    from vidhook.providers.file import Provider


PROVIDER_SECONDS = 60  # for so long a change of a provider file may go unseen


class ProviderFiles:
    """Reads and writes provider files, which count before the bundled ones."""

    def __init__(self, table: Table) -> None:
        self._table = table
        self._providers: dict[str, tuple[float, Provider]] = {}

    def put(self, name: str, text: str) -> None:
        """Stores a provider's TOML text; it is used instead of the bundled file of this name."""
        self._table.client.put_item(
            TableName=self._table.name, Item=packed({**key_of("providers", name), "text": text})
        )
        self._providers.pop(name, None)

    def get(self, name: str) -> "Provider":
        """Returns the provider of this name: the file stored here, else the bundled one. Raises NotFound.

        One that was found is remembered for a minute.
        """
        known = self._providers.get(name)
        now = self._table.clock.now()
        if known is None or not 0 <= now - known[0] < PROVIDER_SECONDS:
            from vidhook.providers.file import bundled_provider  # which who delivers an event never needs

            text = self.text(name)
            provider = bundled_provider(name) if text is None else _parsed(text, name)
            known = self._providers[name] = (now, provider)
        return known[1]

    def nearest(self, name: str) -> str | None:
        """Returns the provider whose name is most like this misspelled one, or None."""
        from vidhook.providers.file import BUNDLED

        near = get_close_matches(name, [*BUNDLED, *self.texts()], n=1)
        return near[0] if near else None

    def text(self, name: str) -> str | None:
        """Returns the text stored for this provider, or None."""
        try:
            item = self._table.get("providers", name, f"provider {name}")
        except NotFound:
            return None
        return str(item["text"])

    def texts(self) -> dict[str, str]:
        """Returns all stored provider files by name."""
        return {item["sk"]: item["text"] for item in self._table.items("providers")}

    def remove(self, name: str) -> bool:
        """Removes a stored provider file. Returns whether there was one."""
        self._providers.pop(name, None)
        answer = self._table.client.delete_item(
            TableName=self._table.name, Key=packed(key_of("providers", name)), ReturnValues="ALL_OLD"
        )
        return "Attributes" in answer


@lru_cache(maxsize=64)
def _parsed(text: str, name: str) -> "Provider":
    from vidhook.providers.file import parse

    return parse(text, name)
