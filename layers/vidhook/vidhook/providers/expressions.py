"""The JMESPath expressions of provider files: they find values in answers, and no answer can keep one busy.

https://jmespath.org/specification.html, and `from_json` beside it.
"""

import re
from collections.abc import Mapping
from contextlib import suppress
from math import prod
from typing import Any

import jmespath
import jmespath.functions
from jmespath.exceptions import (
    ArityError,
    IncompleteExpressionError,
    JMESPathError,
    JMESPathTypeError,
    LexerError,
    ParseError,
)
from jmespath.parser import ParsedResult

from vidhook.providers.values import embedded

# Bounds far above what an API takes: people of a stack write expressions, and each poll evaluates them.
LENGTH, NESTING, LEVELS, COPIES, PROJECTIONS, CALLS = 1_000, 24, 64, 100, 8, 8


class _Functions(jmespath.functions.Functions):  # type: ignore[misc]  # jmespath has no types
    """JMESPath's functions and `from_json`, for JSON that stands in a string."""

    @jmespath.functions.signature({"types": []})  # type: ignore[untyped-decorator]
    def _func_from_json(self, value: object) -> Any:
        return embedded(value)


_OPTIONS = jmespath.Options(custom_functions=_Functions())


def search(path: ParsedResult, data: Any) -> Any:
    """Returns what a JMESPath of a provider file finds in a part of an answer; None if it does not fit this answer."""
    try:
        return path.search(data, options=_OPTIONS)
    except (JMESPathError, ArithmeticError, TypeError, ValueError, RecursionError, MemoryError):
        return None


def compiled(path: str) -> ParsedResult:
    """Returns a compiled expression. Raises ValueError, with the problem, for one that is wrong or could take long."""
    try:
        return _compiled(path)
    except ArityError as error:
        problem = str(error)
    except IncompleteExpressionError as error:
        problem = f"unexpected end, column {error.lex_position + 1}"
    except LexerError as error:
        problem = f"{error.message}, column {error.lex_position + 1}"
    except ParseError as error:
        problem = f"{error.msg}, column {error.lex_position + 1}"
    except (JMESPathError, ArithmeticError, TypeError, ValueError, RecursionError) as error:
        problem = str(error)
    raise ValueError(problem)


def names_of(node: Mapping[str, Any]) -> list[str]:
    """Returns the names in a JMESPath expression, given its syntax tree, from left to right."""
    if node["type"] == "field":
        return [str(node["value"])]
    return [name for child in node.get("children", ()) if isinstance(child, dict) for name in names_of(child)]


def _compiled(path: str) -> ParsedResult:
    if len(path) > LENGTH or _nesting(path) > NESTING:
        raise ValueError(f"it is longer than {LENGTH} characters, or nested over {NESTING} levels deep")
    expression = jmespath.compile(path)
    levels, copies = _growth(expression.parsed)
    projections, calls = _walks(expression.parsed)
    if _has_step_of_zero(expression.parsed):
        raise ValueError("a slice has the step 0; leave it out, or write 1")
    if levels > LEVELS or copies > COPIES or projections > PROJECTIONS or calls > CALLS:
        raise ValueError("it could take very long on a large answer")
    with suppress(JMESPathTypeError):  # an empty object lacks the value that a function needs; an answer may have it
        expression.search({}, options=_OPTIONS)  # finds unknown functions and wrong numbers of arguments
    return expression


def _nesting(path: str) -> int:
    """Returns how deep brackets are nested, those in quotes too, or how many negations follow each other."""
    depth = deepest = 0
    for sign in path:
        depth += (sign in "([{") - (sign in ")]}")
        deepest = max(deepest, depth)
    negations: list[str] = re.findall(r"[!\s]+", path)
    return max(deepest, *(run.count("!") for run in negations), 0)


def _has_step_of_zero(node: Mapping[str, Any]) -> bool:
    """Returns whether a slice in an expression, such as `[::0]`, would end every search with an error."""
    children = node.get("children", ())
    zero = node["type"] == "slice" and len(children) > 2 and children[2] == 0
    return zero or any(_has_step_of_zero(child) for child in children if isinstance(child, dict))


def _walks(node: Mapping[str, Any]) -> tuple[int, int]:
    """Returns how often an expression goes through a whole list or object, by itself and in a function."""
    projections = int(node["type"] == "flatten" or node["type"].endswith("projection"))
    calls = int(node["type"] == "function_expression")
    for child in node.get("children", ()):
        if isinstance(child, dict):
            below = _walks(child)
            projections, calls = projections + below[0], calls + below[1]
    return projections, calls


def _growth(node: Mapping[str, Any]) -> tuple[int, int]:
    """Returns the levels of an expression, and how many copies of its input its result can hold at most.

    `[@, @]` holds two, and thirty of them in a row would hold a billion.
    """
    inner = [_growth(child) for child in node.get("children", ()) if isinstance(child, dict)]
    copies: list[int] = [each for _, each in inner]
    if node["type"].startswith("multi_select"):
        held = sum(copies)
    elif node["type"] in ("or_expression", "and_expression", "comparator"):
        held = max(copies, default=1)
    else:
        held = prod(copies)
    if node["type"] == "function_expression":
        held *= _swelling(node)
    return 1 + max((levels for levels, _ in inner), default=0), max(held, 1)


def _swelling(call: Mapping[str, Any]) -> int:
    """Returns how many times longer than its input the text can be that a function returns."""
    if call["value"] == "to_string":
        return 2  # quotes in quotes are escaped
    glue = call["children"][0] if call["value"] == "join" and call["children"] else None
    if glue is None:
        return 1
    # One that comes from the answer may be as long as the list that it joins.
    return 1 + len(str(glue["value"])) if glue["type"] == "literal" else COPIES + 1
