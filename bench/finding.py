"""How a task is found by its submitter's own id among many, beside a scan of the table.

    .venv/bin/python -m bench.finding
    .venv/bin/python -m bench.finding --tasks 1000 100000

The rows are what the ledger writes for each submission: a task and its reference. What counts is what is asked of
DynamoDB and how many items it reads for that, since it answers a request in milliseconds, whatever the size of the
table. Simulated: DynamoDB, as `Table`. It looks up a partition by its key, keeps it in the order of its sort keys, and
scans in pages of 1 MB, as the real one does (https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/Scan.html).
The milliseconds are those of our code on this machine, beside what AWS takes for each request.
"""

import argparse
import gc
import json
import statistics
import time
from collections import defaultdict
from collections.abc import Iterator, Mapping
from functools import cached_property
from pathlib import Path
from typing import Any

from bench.costs import item_bytes
from bench.tables import judged, save, table
from vidhook import shapes
from vidhook.edges.ledger import Ledger
from vidhook.task import Submission

RESULTS = Path(__file__).parent / "results/finding.json"
TASKS = (1_000, 10_000, 100_000, 1_000_000)
PAGE_BYTES = 1_048_576
RUNS = 20
SAME = 150  # tasks of one reference, of which a page has the newest hundred
ONE, MANY = "order-77", "nightly"
AT_MOST: Mapping[str, float] = {"requests": 2, "items read": 200, "ms": 1_000}

Item = dict[str, Any]


class Table:
    """What the ledger asks of DynamoDB here. It counts the requests, and the items that they read."""

    def __init__(self) -> None:
        self.partitions: dict[str, dict[str, Item]] = defaultdict(dict)
        self.requests = self.read = 0

    def transact_write_items(self, *, TransactItems: list[Any]) -> None:  # noqa: N803 - AWS's name
        for write in TransactItems:
            self.put_item(**write["Put"])

    def put_item(self, *, Item: Item, **_: object) -> None:  # noqa: N803
        self.partitions[Item["pk"]["S"]][Item["sk"]["S"]] = Item

    def query(self, *, ExpressionAttributeValues: Item, Limit: int, **_: object) -> Item:  # noqa: N803
        partition = self.partitions.get(ExpressionAttributeValues[":pk"]["S"], {})
        return self._answered([partition[sk] for sk in sorted(partition, reverse=True)[:Limit]])

    def batch_get_item(self, *, RequestItems: Item) -> Item:  # noqa: N803
        ((name, wanted),) = RequestItems.items()
        places = [(self.partitions.get(key["pk"]["S"], {}), key["sk"]["S"]) for key in wanted["Keys"]]
        return {"Responses": {name: self._answered([held[sk] for held, sk in places if sk in held])["Items"]}}

    def scan(self) -> Iterator[Item]:
        """Yields all items, page by page."""
        for page in self.pages:
            yield from self._answered(page)["Items"]

    @cached_property
    def pages(self) -> list[list[Item]]:
        """The pages of a scan."""
        pages, length = [list[Item]()], 0
        for item in (item for partition in self.partitions.values() for item in partition.values()):
            if length >= PAGE_BYTES:
                pages.append([])
                length = 0
            pages[-1].append(item)
            length += item_bytes(item)
        return pages

    def _answered(self, items: list[Item]) -> Item:
        self.requests, self.read = self.requests + 1, self.read + len(items)
        return {"Items": items}


def filled(tasks: int) -> tuple[Table, Ledger]:
    """Returns a table with so many tasks, each with a reference, and a ledger on it."""
    rows = Table()
    ledger = Ledger("ledger", client=rows)  # type: ignore[arg-type]  # it has what is asked here
    every = tasks // SAME
    for number in range(tasks):
        reference = MANY if number % every == 0 and number < SAME * every else f"order-{number}"
        one = Submission("alad", f"asyntask_{number}", metadata={"order": number}, reference=reference)
        ledger.tasks.claim(one, one.id, 20, 1.7e9 + number)
    return rows, ledger


def found(ledger: Ledger, reference: str) -> list[dict[str, Any]]:
    """Finds tasks as `GET /v1/tasks?reference=` does."""
    return [shapes.task(watch) for watch in ledger.tasks.of_reference(reference)]


def scanned(rows: Table, reference: str) -> list[str]:
    """Finds them in the whole table, as one would without an index."""
    submissions = (json.loads(item["submission"]["S"]) for item in rows.scan() if "submission" in item)
    return [each["task_id"] for each in submissions if each["reference"] == reference]


def measured(rows: Table, work: Any, runs: int) -> dict[str, float]:
    """Returns what one run asks and reads, and the median of the seconds that it takes."""
    seconds = []
    for _ in range(runs):
        rows.requests = rows.read = 0
        began = time.perf_counter()
        tasks = work()
        seconds.append(time.perf_counter() - began)
    return {
        "found": len(tasks),
        "requests": rows.requests,
        "items read": rows.read,
        "ms": statistics.median(seconds) * 1_000,
    }


def compared(tasks: int) -> dict[str, dict[str, float]]:
    """Returns the measures of one size of the table, by who finds."""
    rows, ledger = filled(tasks)
    assert rows.pages
    gc.freeze()  # a table of this size is not in the memory of a function
    lines = {
        "by reference": measured(rows, lambda: found(ledger, ONE), RUNS),
        f"by reference, {SAME} alike": measured(rows, lambda: found(ledger, MANY), RUNS),
        "scan": measured(rows, lambda: scanned(rows, ONE), 1),
    }
    gc.unfreeze()
    return lines


def main() -> None:
    """Measures, prints and keeps the results."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--tasks", type=int, nargs="+", default=list(TASKS))
    sizes = parser.parse_args().tasks
    rows = {}
    for tasks in sizes:
        rows[f"{tasks:,}"] = compared(tasks)
        table(f"{tasks:,} tasks", rows[f"{tasks:,}"], 3)
    most = rows[f"{max(sizes):,}"]
    ours = [line for name, line in most.items() if name != "scan"]
    ratios = {name: most["scan"][name] / most["by reference"][name] for name in AT_MOST}
    aims = judged({name: (limit, max(line[name] for line in ours)) for name, limit in AT_MOST.items()})
    table("a scan over by reference, of the most tasks", {"ratio": ratios}, 0)
    command = "python -m bench.finding" + ("" if tuple(sizes) == TASKS else f" --tasks {' '.join(map(str, sizes))}")
    save({"command": command, "aims": aims, "rows": rows, "ratios": ratios}, RESULTS)


if __name__ == "__main__":
    main()
