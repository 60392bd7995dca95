"""The page of performance says what the benches measured."""

from bench import report


def test_the_page_has_the_figures_that_were_measured() -> None:
    """A figure that nobody can reproduce is worth nothing; `make bench-report` writes the page anew."""
    assert report.PAGE.read_text("utf-8") == report.text(report.page())


def test_every_picture_of_the_page_is_there() -> None:
    """And none is left of what is no longer measured."""
    named = {f"{part.name}.png" for part in report.page() if isinstance(part, report.Bars)}
    pictures = {file.name for file in report.PICTURES.iterdir() if not file.name.startswith("console-")}
    assert pictures == named
