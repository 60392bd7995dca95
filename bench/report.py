"""Writes docs/performance.md and its pictures from what the benches measured (bench/results/*.json).

    make bench-report

Every figure on the page comes from these files; nothing is measured here. Needs matplotlib, which only this uses.
"""

import json
import textwrap
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

BENCH = Path(__file__).parent
PAGE = BENCH.parent / "docs/performance.md"
PICTURES = PAGE.parent / "images"
OURS = "#0b6e4f"
LOOPS = ("vicsee", "vibepeak", "infinityblue", "alad")

Results = Mapping[str, Any]
Rows = Iterable[Iterable[object]]
Section = tuple["str | Bars", ...]


def table(head: Iterable[str], rows: Rows) -> str:
    """Returns a table in Markdown; None is a dash."""
    lines = [[*head], ["---" for _ in head], *([_cell(each) for each in row] for row in rows)]
    return "".join("| " + " | ".join(line) + " |\n" for line in lines)


def paragraph(text: str) -> str:
    """Returns a text in lines as long as those of the other pages."""
    return textwrap.fill(text, 120)


def _cell(value: object) -> str:
    if isinstance(value, bool):
        return "yes" if value else "**no**"
    if isinstance(value, float):
        return f"{value:,.0f}" if abs(value) >= 1_000 else f"{value:.2f}"
    return "-" if value is None else str(value).replace("|", "\\|")


def aims(results: Results) -> str:
    """Returns what was to be reached and what is."""
    rows = (
        (name, aim.get("at most", aim.get("limit")), aim["found"], aim["met"]) for name, aim in results["aims"].items()
    )
    return table(("aim", "limit", "measured", "reached"), rows)


@dataclass(frozen=True)
class Bars:
    """A picture: a group of bars for each key, the first bar of a group ours; `at`: the height of a dashed line."""

    name: str
    title: str
    groups: Mapping[str, Mapping[str, float | None]]
    at: float | None = None

    def __str__(self) -> str:
        return f"![{self.title}](images/{self.name}.png)\n"

    def draw(self) -> None:
        """Writes the picture into docs/images."""
        import matplotlib as mpl  # not among the packages of the tests, which read the page only

        mpl.use("Agg")
        from matplotlib import pyplot as plt

        labels = list(next(iter(self.groups.values())))
        figure, axes = plt.subplots(figsize=(9, 3.6), dpi=110)
        width = 0.8 / len(labels)
        for number, label in enumerate(labels):
            heights = [group.get(label) or 0 for group in self.groups.values()]
            shade = OURS if number == 0 else str(0.45 + 0.4 * number / len(labels))
            places = [place + (number - (len(labels) - 1) / 2) * width for place in range(len(self.groups))]
            drawn = axes.bar(places, heights, width * 0.92, label=label, color=shade)
            axes.bar_label(drawn, [f"{height:.2f}" if height else "" for height in heights], fontsize=7)
        if self.at is not None:
            axes.axhline(self.at, color="black", linewidth=0.8, linestyle="--")
        axes.set_xticks(range(len(self.groups)), [group.replace(", ", "\n") for group in self.groups], fontsize=8)
        axes.set_title(self.title, fontsize=10, loc="left")
        axes.spines[["top", "right"]].set_visible(False)
        axes.legend(frameon=False, fontsize=8, loc="upper center", bbox_to_anchor=(0.5, -0.16), ncols=len(labels))
        figure.tight_layout()
        PICTURES.mkdir(exist_ok=True)
        figure.savefig(PICTURES / f"{self.name}.png", metadata={"Software": None})
        plt.close(figure)


def pace(results: Results) -> Section:
    """The section about pauses."""
    [(ours, found)] = results["ours"].items()
    hinted, untold = found["with hints, over the own loop"], found["polls at equal mean delay"]
    stages = {stage: {loop: each["geometric mean"] for loop, each in rows.items()} for stage, rows in hinted.items()}
    over_loop = {
        loop: {"after 500 tasks": stages["after 500"][loop], "no history": stages["no history"][loop]} for loop in LOOPS
    }
    known = untold["after 500"]
    steady = [
        name for name, ratio in known["optimum"].items() if ratio is not None and "mean" not in name and name != "worst"
    ]
    over_bound = {
        name: {"over the optimum": known["optimum"][name], "over the best fixed interval": known["best sleep"][name]}
        for name in steady
    }
    alone = {rival: _mean(each.values()) for rival, each in results["rivals"].items()}
    alone |= {f"{ours}, {stage}": _mean(each.values()) for stage, each in found["figures"].items()}
    columns = ("polls", "mean delay", "p95 delay", "dollars of 1,000", "lost of 1,000")
    return (
        paragraph(
            "Polls at equal mean delay: vidhook's PauseFactor is turned until its mean delay is the rival's, and "
            "then the polls are compared. The tasks, and what providers tell of them, are simulated; the pauses "
            "are chosen by the same code that runs in Lambda. A task is lost when a loop gives up before its end."
        ),
        "",
        aims(found),
        Bars(
            "pace-loops",
            "Polls over each provider's own loop, with the hints that it gives, at equal mean delay",
            over_loop,
            1,
        ),
        Bars("pace-optimum", "Polls after 500 tasks, nothing told, at equal mean delay", over_bound, 1),
        "Each by itself, the mean of all distributions, nothing told, `PauseFactor` 1:",
        "",
        table(("", *columns), ((name, *(row[column] for column in columns)) for name, row in alone.items())),
        "Providers that lie, after 500 tasks, polls over the optimum of who is told nothing:",
        "",
        table(
            ("lie", "worst"),
            ((lie, row["worst"]) for lie, row in found["with lies, over the optimum"]["after 500"].items()),
        ),
    )


def _mean(rows: Iterable[Mapping[str, float]]) -> dict[str, float]:
    known = list(rows)
    return {column: sum(row[column] for row in known) / len(known) for column in known[0]}


def copying(results: Results) -> Section:
    """The section about storing."""
    throttled = {
        name.removeprefix("throttled, "): {who: each["over curl"] for who, each in copies.items() if who != "curl"}
        for name, copies in results["copies"].items()
        if name.startswith("throttled, ")
    }
    shown = {name: {"ours": None, **each} for name, each in throttled.items()}
    rows = [
        (name, who, each["seconds"], each["over curl"], each["memory"])
        for name, copies in results["copies"].items()
        for who, each in copies.items()
    ]
    return (
        paragraph(
            "Seconds from a source to S3 over those of `curl > /dev/null`. The source and the line are simulated "
            "on one machine (throttled: 25 MB/s in, 40 MB/s out, 30 ms); the S3 side takes the real requests and "
            "throws the bytes away. `length known`: the host gives it; `in the film`: the film's index does, at its "
            "beginning; `unknown`: nothing but the end does. S3 takes no body of unknown length, and no part below "
            "5 MiB but the last, so half of such a film of 10 MB can leave only when all of it has come: about 1.4 is "
            "the least on this line. Memory is what a copy adds to an idle process, in MB. On the line without a limit "
            "a copy is limited by the machine's processor, curl by nothing."
        ),
        "",
        aims(results),
        Bars("copy", "Seconds over curl's, throttled line", shown, 1),
        table(("copy", "by", "seconds", "over curl", "memory"), rows),
    )


def start(results: Results) -> Section:
    """The section about starts."""
    measured = results["measured"]
    cpu = {function: {who: each["start"] / 1_000 for who, each in row.items()} for function, row in measured.items()}
    rows = [
        (function, who, each["start"], each.get("first"), each.get("both"))
        for function, row in measured.items()
        for who, each in row.items()
    ]
    return (
        paragraph(
            f"Built artifacts in fresh processes, the median of several, beside a plain `sam build` of the same "
            f"handlers. Runtime: {results['runtime']}. Milliseconds: `start` is the processor's time until the "
            f"handler is ready, `first` the first invocation by the clock at the function's own share of a "
            f"processor, `both` the processor's time of the two. Both make their clients at the start. AWS is the "
            f"sandbox's cloud, over TLS."
        ),
        "",
        aims(results),
        Bars("start", "Seconds of a processor until a handler is ready", cpu),
        table(("function", "build", "start", "first", "both"), rows),
    )


def flow(results: Results) -> Section:
    """The section about many tasks at once."""
    columns = (
        "told once",
        "told again",
        "not told",
        "mean pause",
        "overhead p50",
        "overhead p95",
        "submitted a second",
        "processes",
        "MB",
    )
    bill = results["a task of three minutes"]
    costs = list(next(iter(bill.values())))
    return (
        paragraph(
            f"Simulated: {results['simulated']}; {results['cores']} processor cores run all of it. The overhead is "
            f"the time from the provider's end to the verified webhook, beyond the pause and the copy."
        ),
        "",
        aims(results),
        table(
            ("watches", *columns),
            ((name, *(row[column] for column in columns)) for name, row in results["ours"].items()),
        ),
        "What a task of three minutes uses and costs, by `bench/costs.py`:",
        "",
        table(("", *costs), ((name, *row.values()) for name, row in bill.items())),
    )


def fanout(results: Results) -> Section:
    """The section about many subscribers."""
    rows, most = results["rows"], "1,000, "
    columns = tuple(next(iter(rows["1,000, free"].values())))
    speed = {
        manner: {line: rows[f"{most}{manner}"][line]["a second"] for line in rows[f"{most}{manner}"]}
        for manner in ("first", "free", "100 ms")
    }
    shown = {name: lines for name, lines in rows.items() if name.startswith(most) or name.endswith(", free")}
    over, moved = results["over the rivals"]["1,000, free"], results["healthy p95 over free, 1,000"]
    return (
        paragraph(
            f"One event to many subscribers of distinct names, over TLS, on loopback; {results['cores']} processor "
            "cores run all of it. Simulated: the subscribers, which answer at once, or after 100 ms, or of which one "
            "of ten never answers; the resolver; and AWS, which answers at once, without TLS. `whole` is all of "
            "publishing: the ledger, the secrets, the bus and the deliveries; `edge` are its deliveries alone. The "
            "rivals sign and send the same, and keep nothing: no ledger, no secrets, no second attempt. `first` is "
            "the first event of a process, the others are later ones; `known` is the next event after one of ten "
            "began to hang. `seconds` are those until the last attempt has ended: publishing waits 3 for a subscriber "
            "that hangs, the rivals 15. `healthy p95` are the seconds until those had it that never hang. `MB` is the "
            "greatest resident set so far. The last two columns are the processor's time of what is simulated."
        ),
        "",
        aims(results),
        Bars("fanout", "Deliveries a second to 1,000 subscribers", speed),
        table(("subscribers", "by", *columns), _by_line(shown, columns)),
        "What ours take over what a rival takes, 1,000 subscribers that answer at once:",
        "",
        table(("", *next(iter(over.values()))), ((name, *row.values()) for name, row in over.items())),
        "The p95 of the healthy while one of ten hangs, over that of the events before, in the same processes:",
        "",
        table(("", *moved["whole"]), ((name, *map(row.get, moved["whole"])) for name, row in moved.items())),
    )


def finding(results: Results) -> Section:
    """The section about references."""
    columns, ratios = tuple(next(iter(next(iter(results["rows"].values())).values()))), results["ratios"]
    return (
        paragraph(
            "What `GET /v1/tasks?reference=` and `vidhook why` ask of DynamoDB, beside a scan of the table. The rows "
            "are those that submissions write; DynamoDB is simulated, with partitions in the order of their sort keys "
            "and pages of 1 MB. DynamoDB answers a query or a batch in milliseconds, whatever the size of the table: "
            "what counts is the number of requests and of the items that they read. `ms` are those of our code."
        ),
        "",
        aims(results),
        table(("tasks", "by", *columns), _by_line(results["rows"], columns)),
        "A scan over a look-up by reference, among the most tasks:",
        "",
        table(tuple(ratios), (ratios.values(),)),
    )


def _by_line(rows: Results, columns: Iterable[str]) -> Rows:
    return (
        (name, line, *(row[each] for each in columns)) for name, lines in rows.items() for line, row in lines.items()
    )


SECTIONS: dict[str, tuple[str, Callable[[Results], Section]]] = {
    "pace": ("Asking at the right moment", pace),
    "copy": ("Storing at line speed", copying),
    "start": ("Starting light", start),
    "flow": ("Many tasks at once", flow),
    "fanout": ("Many subscribers at once", fanout),
    "finding": ("Finding one task among many", finding),
}


def page() -> Section:
    """Returns the whole page, pictures in their places."""
    about = paragraph(
        "This page is for people who ask whether vidhook is worth it, and for contributors. It has what vidhook "
        "measures of itself, beside what one would use without it. `make bench` measures all of it anew "
        "and writes this page; each section has its own command. Machines differ, so look at the ratios; aims that are "
        "not reached are marked."
    )
    parts: list[str | Bars] = ["# Performance", "", about]
    for name, (title, section) in SECTIONS.items():
        results = json.loads((BENCH / f"results/{name}.json").read_text("utf-8"))
        parts += ["", f"## {title}", "", f"    .venv/bin/{results['command']}", "", *section(results)]
    return tuple(parts)


def text(parts: Section) -> str:
    """Returns the page in Markdown."""
    return "\n".join(str(part).rstrip("\n") if part == parts[-1] else str(part) for part in parts) + "\n"


def main() -> None:
    """Writes the page and the pictures."""
    parts = page()
    for part in parts:
        if isinstance(part, Bars):
            part.draw()
    PAGE.write_text(text(parts), "utf-8")


if __name__ == "__main__":
    main()
