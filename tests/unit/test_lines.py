"""The lines of keys in TOML, for the editor of provider files."""

import tomllib
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vidhook.errors import BadProviderFile
from vidhook.providers.file import BUNDLED, FORMATS, bundled_text, parse
from vidhook.providers.lines import keys_in, line_of, line_of_fault

FILE = '''# mine
name = "acme"
base_url = "https://api.example.com"
path = "/{task_id}"

[answer] # [assets]
status = [
  "status",  # key = 1
  "state",
]
"id" = """
not = "a key"
"""
[assets]
result = 'a = "b"'
[auth]
headers = { "X-Key" = "{key}", X-Other = "{key}" }
[result.fields]
a.b = 1
'''


@pytest.mark.parametrize(
    ("path", "line"),
    [
        (("name",), 2),
        (("answer",), 6),
        (("answer", "status"), 7),
        (("answer", "id"), 11),
        (("answer", "error"), 6),
        (("assets", "result"), 15),
        (("auth", "headers", "X-Key"), 17),
        (("result", "fields", "a"), 19),
        (("result", "fields", "a", "b"), 19),
        (("result",), 18),
        (("not",), None),
        (("create", "path"), None),
        ((), None),
    ],
)
def test_a_key_is_found_where_it_is_written_or_else_its_table(path: tuple[str, ...], line: int | None) -> None:
    """What stands in texts and comments is no key; a key that is missing is to be added to its table."""
    assert line_of(FILE, path) == line


BARE = st.text("abcXYZ019-_", min_size=1, max_size=4)
ANY = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\x7f"), max_size=6)


def quoted(text: str) -> str:
    written = "".join(f"\\u{ord(each):04x}" if ord(each) < 32 or each in '"\\' else each for each in text)
    return f'"{written}"'


KEYS = BARE | ANY.map(quoted)
LITERAL = st.text('ab #=[]{},."', max_size=6).map(lambda text: f"'{text}'")
LONG = st.text("ab\n#=[]{},.' ", max_size=12).map(lambda text: f'"""{text}"""')
RAW = st.text('ab\n#=[]{},." ', max_size=12).map(lambda text: f"'''{text}'''")
ENDS = st.sampled_from(['"""a"""""', '"""a\\""""', '"""a""""', "'''a'''''", "'''a''''", '""', "''", '""""""'])
NUMBERS = st.sampled_from(["1", "-1.5", "1e3", "true", "1979-05-27 07:32:00", "1979-05-27T07:32:00.99Z", "inf"])
PLAIN = ANY.map(quoted) | LITERAL | NUMBERS


def in_line(inner: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    pairs = st.lists(st.tuples(BARE, inner), max_size=3, unique_by=lambda pair: pair[0])
    return pairs.map(lambda found: "{" + ", ".join(f"{key} = {value}" for key, value in found) + "}")


def in_list(inner: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    gap = st.sampled_from([", ", ",\n  ", ", # ] = \n"])
    return st.tuples(st.lists(inner, max_size=3), gap).map(lambda found: f"[{found[1].join(found[0])}]")


VALUES = st.recursive(
    PLAIN | LONG | RAW | ENDS,
    lambda inner: in_line(st.recursive(PLAIN, in_line, max_leaves=3)) | in_list(inner),
    max_leaves=6,
)
LINES = st.one_of(
    st.tuples(KEYS, VALUES).map(lambda pair: f"{pair[0]} = {pair[1]}"),
    st.tuples(KEYS, KEYS, VALUES).map(lambda three: f"{three[0]} . {three[1]}={three[2]} # x = 1"),
    st.lists(KEYS, min_size=1, max_size=3).map(lambda keys: f"[{'.'.join(keys)}]"),
    st.lists(KEYS, min_size=1, max_size=2).map(lambda keys: f"[[ {' . '.join(keys)} ]] # ]"),
    st.sampled_from(["", "# [a]", "  # a = 1", "\r"]),
)


def paths(value: Any, path: tuple[str, ...] = ()) -> set[tuple[str, ...]]:
    """All keys in data, those of tables in lists too."""
    if isinstance(value, list):
        return set().union(*(paths(each, path) for each in value))
    if not isinstance(value, dict):
        return set()
    return {(*path, key) for key in value} | set().union(*(paths(value[key], (*path, key)) for key in value))


@given(st.lists(LINES, max_size=8))
def test_each_line_has_the_keys_that_toml_finds_in_it(parts: list[str]) -> None:
    """For any TOML: a part of a file is known to begin at its line, and TOML's own parser says what is in it."""
    text, header = "", tuple[str, ...]()
    known = dict[tuple[str, ...], range]()  # by key, the lines of the part that has it first
    for part in parts:
        try:
            tomllib.loads(f"{text}{part}\n")
        except tomllib.TOMLDecodeError:
            continue  # such as a key that is there already
        first, found = text.count("\n") + 1, paths(tomllib.loads(part + "\n"))
        if part.startswith("["):
            header, found = max(found, key=len), {()}
        for key in ((*header, *path) for path in found):
            for most in range(1, len(key) + 1):
                known.setdefault(key[:most], range(first, first + part.count("\n") + 1))
        text += part + "\n"
    assert {key[:most] for key, _ in keys_in(text) for most in range(1, len(key) + 1)} == known.keys()
    for key, lines in known.items():
        assert line_of(text, key) in lines


@pytest.mark.parametrize("name", [*BUNDLED, *FORMATS])
def test_each_key_of_the_files_that_ship_with_vidhook_is_on_its_line(name: str) -> None:
    """The line shows the last part of the key."""
    text = bundled_text(name)
    lines = text.split("\n")
    for path in paths(tomllib.loads(text)):
        line = line_of(text, path)
        assert line is not None
        assert path[-1] in lines[line - 1]


@pytest.mark.parametrize(
    ("text", "line"),
    [("a = 1\nb = \nc = 2", 2), ('a = 1\nb = """\n', 3), ("a = 1\na = 2", 2), ("a = " + "[" * 5_000, None)],
)
def test_a_fault_of_toml_is_found_by_what_its_parser_says(text: str, line: int | None) -> None:
    """Most faults are slips in one line."""
    with pytest.raises(BadProviderFile) as found:
        parse(text)
    assert line_of_fault(text, found.value.problem) == line


def test_a_key_of_very_many_parts_takes_no_room() -> None:
    """To keep all that such a header begins with would take gigabytes."""
    text = f"[{'a.' * 30_000}a]\nb = 1"
    assert line_of(text, ("a", "b")) == 1
