"""Checks the tables of a provider file: every error names the provider, the table and the key, and how to mend it."""

import difflib
import math
import re
import unicodedata
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from jmespath.parser import ParsedResult

from vidhook.errors import BadProviderFile
from vidhook.providers.expressions import compiled
from vidhook.providers.placeholders import MISWRITTEN, names_in, without_names
from vidhook.task import Category

# Far above what an API takes: people of a stack write files, and each poll evaluates them.
CANDIDATES = 40
SHOWN = 200  # characters of an expression in an error
LONGEST_WORD = 200  # of a status word or a code
# What values must look like. Compiled here: a function has more CPU while it loads than when it polls.
ANYTHING, ANY_TEXT = re.compile(r"(?s).+"), re.compile(r"(?s).*")
# Headers that hold credentials: a fixed one would be a secret in a file.
CREDENTIALS = ("authorization", "proxy-authorization", "x-api-key", "api-key", "apikey", "x-auth-token", "cookie")
# What stands in braces under [auth] only.
KEYS = ("key", "key_id", "key_secret", "token")
_BETWEEN_WORDS = re.compile(r"[\s_.-]+")
_NUMBER = re.compile(r"\s*([+-]?)\s*([0-9]+)(?:\.0+|(\.[0-9]+))?\s*")
_DASH = re.compile("[\u2010-\u2015\u2212]")


def fold(word: str) -> str:
    """Returns one spelling for `in_progress`, `IN-PROGRESS`, `in progress` and `InProgress`, for `1` and `1.0`.

    -1 is not 1, whatever sign of minus it has.
    """
    word = word[:LONGEST_WORD]
    plain = word if word.isascii() else _DASH.sub("-", unicodedata.normalize("NFKC", word))
    if number := _NUMBER.fullmatch(plain):
        return f"{number[1].strip('+')}{number[2]}{number[3] or ''}"
    return _BETWEEN_WORDS.sub("", plain).casefold()


@dataclass(frozen=True, slots=True)
class Table:
    """Checks one TOML table: every error names the provider, the table and the key."""

    where: str
    name: str
    data: dict[str, Any]
    keys: Iterable[str] | None = None  # None: the keys are the provider's own words
    path: tuple[str, ...] = ()  # the keys that lead to it

    def __post_init__(self) -> None:
        for key in self.data:
            if self.keys is not None and key not in self.keys:
                near = difflib.get_close_matches(key, self.keys, 1)
                hint = f'did you mean "{near[0]}"?' if near else f"the keys are {', '.join(self.keys)}"
                raise self.bad(key, "there is no such key", hint)

    def bad(self, key: str, problem: str, hint: str = "", *, quoted: bool = False) -> BadProviderFile:
        named = f'"{key}"' if quoted else key
        place = f"[{self.name}].{named}" if self.name else named
        return BadProviderFile(self.where, problem, hint, place=place, path=(*self.path, key))

    def _inside(self, key: str) -> str:
        """Returns the name of a table in this one."""
        return f"{self.name}.{key}" if self.name else key

    def need(self, key: str) -> Any:
        if key not in self.data:
            raise self.bad(key, "it is missing", "add it")
        return self.data[key]

    def table(self, key: str, keys: Iterable[str] | None = None) -> "Table":
        value = self.data.get(key, {})
        if not isinstance(value, dict):
            raise self.bad(key, f"it is {_kind(value)}, not a table", f"write it under [{self._inside(key)}]")
        return Table(self.where, self._inside(key), value, keys, (*self.path, key))

    def text(self, key: str, pattern: re.Pattern[str] = ANYTHING, hint: str = "", default: str | None = None) -> str:
        value = self.data.get(key, default) if default is not None else self.need(key)
        if not isinstance(value, str):
            raise self.bad(key, f"it is {_kind(value)}, not text", "put it in quotes")
        if not pattern.fullmatch(value):
            raise self.bad(key, f'"{value}" is not valid' if value else "it is empty", hint or "give a value")
        return value

    def placed(
        self,
        key: str,
        pattern: re.Pattern[str] = ANYTHING,
        hint: str = "",
        names: Sequence[str] = (),
        default: str | None = None,
    ) -> str:
        """Returns a text in which only these names stand in braces."""
        value = self.text(key, pattern, hint, default)
        known = " or ".join(f"{{{each}}}" for each in names)
        if wrong := MISWRITTEN.search(value):
            raise self.bad(
                key, f'"{wrong[0]}" is not how a value is put in', f"write {known}" if known else "leave it out"
            )
        for name in names_in(value):
            if name in names:
                continue
            if name in KEYS:
                raise self.bad(key, f"{{{name}}} stands here", "the key belongs under [auth] only")
            mend = f"use {known}" if known else "leave it out"
            if "task_id" in names:
                mend += f', or declare it as a parameter of submissions: params = ["{name}"]'
            if self.name == "result":
                mend += f", or say where it stands in the first answer: [result.fields] {name} = ..."
            if re.search(rf"\{{\s+{re.escape(name)}\s+\}}", value):  # a selection of GraphQL's
                mend += f", or if these braces are the API's own, write {{ {name}, }}"
            raise self.bad(key, f"{{{name}}} means nothing here", mend)
        return value

    def route(self, key: str, pattern: re.Pattern[str], hint: str, names: Sequence[str]) -> str:
        """Returns a path, in which braces stand around these names only."""
        value = self.placed(key, pattern, hint, names)
        if left := re.search("[{}]", without_names(value)):
            known = f"{{{names[0]}}}"
            raise self.bad(key, f'a "{left[0]}" is left in "{value}"', f"write {known}, and %7B or %7D for a brace")
        return value

    def words(self, key: str) -> list[str]:
        """Returns a list of texts and whole numbers as texts."""
        value = self.data.get(key, [])
        if not isinstance(value, list):
            raise self.bad(key, f"it is {_kind(value)}, not a list", 'write a list, such as ["RATE_LIMITED", 503]')
        for each in value:
            if isinstance(each, bool) or not isinstance(each, str | int) or not str(each).strip():
                raise self.bad(key, f"it holds {_kind(each)}", "give codes and HTTP statuses")
        return [str(each) for each in value]

    def json(self, key: str, names: Sequence[str]) -> Any:
        """Returns a value that JSON has too, with all that is in it; these names may stand in its texts."""
        value = self.data[key]
        if isinstance(value, dict | list):
            inside = value if isinstance(value, dict) else {str(at): each for at, each in enumerate(value)}
            table = Table(self.where, self._inside(key), inside, path=(*self.path, key))
            found = {name: table.json(name, names) for name in inside}
            return found if isinstance(value, dict) else list(found.values())
        if isinstance(value, str):
            return self.placed(key, ANY_TEXT, "", names)
        if isinstance(value, float) and not math.isfinite(value):
            raise self.bad(key, f"{value} is no number in JSON", "write a finite one")
        if not isinstance(value, bool | int | float):
            raise self.bad(
                key, f"it is {_kind(value)}", "write what JSON has: text, numbers, true, false, lists, tables"
            )
        return value

    def spelled(self, pattern: re.Pattern[str], hint: str) -> None:
        """Raises for a key that is not written as such a name is."""
        for key in self.data:
            if not pattern.fullmatch(key):
                raise self.bad(key, "it is not valid", hint, quoted=True)

    def once(self, others: Iterable[str] = ()) -> None:
        """Raises for a header that is sent twice: two of its keys are the same one, or one of the key's headers."""
        seen = {other.lower() for other in others}
        for key in self.data:
            if key.lower() in seen:
                raise self.bad(key, "this header is sent twice", "leave it out; the key's header belongs under [auth]")
            seen.add(key.lower())

    def without_credentials(self) -> None:
        """Raises for a header that holds a key as it is written here."""
        for key in self.data:
            if key.lower() in CREDENTIALS:
                raise self.bad(key, "this header holds a key", "name it under [auth]; the key belongs in the secret")

    def agree(self, meanings: Mapping[str, str], spelled: Callable[[str], str] = fold) -> None:
        """Raises for two of its keys that are one word, but mean two things."""
        first: dict[str, str] = {}
        for word, meaning in meanings.items():
            other = first.setdefault(spelled(word), word)
            if meanings[other] != meaning:
                raise self.bad(
                    word, f'it is the same word as "{other}", which means {meanings[other]}', "leave out one"
                )

    def choice(self, key: str, choices: Iterable[str], default: str | None = None) -> str:
        value = self.text(key, default=default)
        if value not in choices:
            raise self.bad(key, f'"{value}" is not allowed', f"use one of {', '.join(choices)}")
        return value

    def category_of(self, key: str) -> Category:
        if not key.strip():
            raise self.bad(key, "it is in every message", "give words of the message", quoted=True)
        return Category(self.choice(key, list(Category)))

    def names(self, key: str, known: Iterable[str]) -> list[str]:
        value = self.data.get(key, [])
        if not isinstance(value, list):
            raise self.bad(key, f"it is {_kind(value)}, not a list", "write a list of names")
        for name in value:
            if not isinstance(name, str) or name not in known:
                raise self.bad(key, f'"{name}" is not known', f"use some of {', '.join(known)}")
        return value

    def seconds(self, key: str) -> float | None:
        return self.positive(key, "a number of seconds")

    def positive(self, key: str, what: str) -> float | None:
        value = self.data.get(key)
        if value is None:
            return None
        if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value < 1e9:
            raise self.bad(key, f"{value!r} is not {what}", "write a positive number")
        return float(value)

    def count(self, key: str) -> int | None:
        value = self.data.get(key)
        if value is not None and (isinstance(value, bool) or not isinstance(value, int) or not 0 < value < 1e9):
            raise self.bad(key, f"{value!r} is not a number of polls", "write a whole number above 0")
        return value

    def flag(self, key: str) -> bool:
        value = self.data.get(key, False)
        if not isinstance(value, bool):
            raise self.bad(key, f"it is {_kind(value)}", "write true or false")
        return value

    def expressions(self, key: str) -> tuple[ParsedResult, ...]:
        """Returns one JMESPath expression or a list of them, compiled. The first that finds a usable value wins."""
        value = self.data[key]
        paths = value if isinstance(value, list) else [value]
        if not paths or not all(isinstance(path, str) for path in paths):
            raise self.bad(key, "it is neither a JMESPath expression nor a list of them", "put each in quotes")
        if len(paths) > CANDIDATES:
            raise self.bad(key, f"it has more than {CANDIDATES} expressions", "join some with ||")
        return tuple(self._expression(key, path) for path in paths)

    def _expression(self, key: str, path: str) -> ParsedResult:
        try:
            return compiled(path)
        except ValueError as error:
            shown = path if len(path) <= SHOWN else f"{path[:SHOWN]}..."
            raise self.bad(key, f'"{shown}" is not valid JMESPath: {error}') from None


def _kind(value: object) -> str:
    return {
        bool: "true or false",
        int: "a number",
        float: "a number",
        list: "a list",
        dict: "a table",
        str: "text",
    }.get(type(value), "a date")
