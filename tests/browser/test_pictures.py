"""The pictures of the four screens in the README and the documentation: `make screenshots` writes them anew."""

import os
import re
import struct
import zlib
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Page, Route, expect

from tests.browser.flow import Flow, verdict, visit

IMAGES = Path(__file__).parents[2] / "docs" / "images"
NAMES = ("tasks", "task", "subscribers", "providers")
MOST_BYTES = 150_000
WIDTH, HEIGHT = 1280, 740


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Where the pictures go: docs/images only if somebody asks for that."""
    return IMAGES if os.environ.get("VIDHOOK_SCREENSHOTS") == "1" else tmp_path


@pytest.fixture
def shop(page: Page, flow: Flow) -> Iterator[Page]:
    """The page, with the endpoints of this machine under names as people have them."""
    names = {
        flow.told.url: "https://app.example.com/webhooks",
        flow.refusing.url: "https://shop.example.com/hook",
        flow.paused.url: "https://studio.example.com/hook",
        flow.lost.url: "https://archive.example.com/hook",
    }

    def renamed(route: Route) -> None:
        answer = route.fetch()
        text = answer.text()
        for own, name in names.items():
            text = text.replace(own, name)
        route.fulfill(response=answer, body=text)

    page.set_viewport_size({"width": WIDTH, "height": HEIGHT})
    page.emulate_media(color_scheme="light", reduced_motion="reduce")
    page.route(re.compile(r"/api/v1/(tasks/[^/?]+(/deliveries)?|subscribers(/[^/?]+)?)(\?|$)"), renamed)
    yield page
    page.unroute_all(behavior="ignoreErrors")


def picture(page: Page, file: Path) -> None:
    """Writes a picture of the window, which must not be blank."""
    page.mouse.move(0, 0)
    page.evaluate("document.activeElement.blur()")
    head, (width, height), raw = parts(page.screenshot(animations="disabled", caret="hide"))
    assert (width, height) == (WIDTH, HEIGHT)
    step = len(raw) // height
    rows = {raw[start : start + step] for start in range(0, len(raw), step)}
    assert len(rows) > HEIGHT / 4  # a blank window has one row, over and over
    file.write_bytes(head + chunk(b"IDAT", zlib.compress(raw, 9)) + chunk(b"IEND", b""))


def parts(png: bytes) -> tuple[bytes, tuple[int, int], bytes]:
    """The signature and head of a picture, its width and height, and its rows as they are stored."""
    at, data = 33, b""
    while at < len(png):
        length, kind = struct.unpack(">I4s", png[at : at + 8])
        data += png[at + 8 : at + 8 + length] if kind == b"IDAT" else b""
        at += 12 + length
    return png[:33], struct.unpack(">II", png[16:24]), zlib.decompress(data)


def chunk(kind: bytes, content: bytes) -> bytes:
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))


def test_a_picture_of_the_tasks(shop: Page, console: str, flow: Flow, folder: Path) -> None:
    """All states in one list, and a card for each provider."""
    visit(shop, console)
    expect(shop.get_by_role("link", name="order-17")).to_be_visible()
    expect(shop.get_by_role("list", name="providers")).to_be_visible()
    picture(shop, folder / "console-tasks.png")


def test_a_picture_of_a_task(shop: Page, console: str, flow: Flow, folder: Path) -> None:
    """Why order 17 has not arrived."""
    visit(shop, console, f"/tasks/{flow.ids['failing']}")
    expect(verdict(shop)).to_contain_text("shop.example.com/hook has not got it")
    expect(shop.get_by_role("region", name="was answered")).to_contain_text("order 17 is not known here")
    picture(shop, folder / "console-task.png")


def test_a_picture_of_the_subscribers(shop: Page, console: str, flow: Flow, folder: Path) -> None:
    """One that is well, one that fails, one that is paused, and all that is known of one."""
    visit(shop, console, f"/subscribers/{flow.refusing.id}")
    expect(shop.get_by_role("region", name="the subscriber")).to_contain_text("failing since")
    expect(shop.get_by_text("…", exact=True)).to_have_count(0)
    picture(shop, folder / "console-subscribers.png")


def test_a_picture_of_the_providers(shop: Page, console: str, flow: Flow, folder: Path) -> None:
    """A file, an answer beside it, and what is read."""
    visit(shop, console, f"/providers/alad?task={flow.ids['delivered']}")
    expect(shop.get_by_role("region", name="what is read")).to_contain_text("result_url")
    shop.get_by_role("region", name="what is read").scroll_into_view_if_needed()
    shop.evaluate("scrollTo(0, 0)")
    picture(shop, folder / "console-providers.png")


@pytest.mark.parametrize("name", NAMES)
def test_the_documentation_shows_each_picture(name: str) -> None:
    """With words for those who do not see it."""
    file = IMAGES / f"console-{name}.png"
    assert file.stat().st_size <= MOST_BYTES
    said = (IMAGES.parent / "console.md").read_text(encoding="utf-8")
    assert re.search(rf"!\[[^\]]{{20,}}\]\(images/{file.name}\)", said)
