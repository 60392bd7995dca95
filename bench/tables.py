"""What all benches share: their aims, their tables in the terminal, and their results as files."""

import json
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any


def judged(reached: Mapping[str, tuple[float, float | None]]) -> dict[str, dict[str, Any]]:
    """Returns, of the most that each aim allows and what was found, whether the aim is met; None and NaN never are."""
    return {
        name: {"at most": most, "found": found, "met": found is not None and math.isfinite(found) and found <= most}
        for name, (most, found) in reached.items()
    }


def table(title: str, rows: Mapping[str, Mapping[str, Any]], digits: int = 2) -> None:
    """Prints rows of equal columns, by the names of the rows."""
    columns = {each: max(11, len(each) + 2) for each in next(iter(rows.values()), {})}
    print(f"{title:<42}" + "".join(f"{column:>{width}}" for column, width in columns.items()))
    for name, row in rows.items():
        cells = (f"{_cell(row[column], digits):>{width}}" for column, width in columns.items())
        print(f"  {name:<40}" + "".join(cells))
    print(flush=True)


def _cell(value: float | None, digits: int) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    return "-" if value is None else f"{value:.{digits}f}"


def save(results: Mapping[str, Any], file: Path) -> None:
    """Writes results, numbers with three decimals."""
    file.parent.mkdir(exist_ok=True)
    file.write_text(json.dumps(_rounded(results), indent=2, allow_nan=False) + "\n", "utf-8")


def _rounded(found: Any) -> Any:
    if isinstance(found, Mapping):
        return {key: _rounded(value) for key, value in found.items()}
    return round(found, 3) if isinstance(found, float) else found
