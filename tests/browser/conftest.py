"""Fixtures: the console of a sandbox with samples, and a real Chromium that looks at it."""

import os
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, BrowserContext, ConsoleMessage, Page, Request, expect, sync_playwright

from tests.browser.flow import SLOW_MS, Flow, Refusing, arranged
from tests.e2e.bridge import Bridge
from vidhook_sandbox.cloud import Cloud, running
from vidhook_sandbox.loopback import Loopback
from vidhook_sandbox.provider import CLICKS, SampleProvider
from vidhook_sandbox.subscriber import SampleSubscriber

WAIT_SCALE = 0.05
ARGUMENTS = (
    *("--disable-gpu", "--disable-quic", "--no-first-run"),
    *("--disable-lcd-text", "--font-render-hinting=none"),  # pictures are the same, and small, on every screen
    *("--disable-background-networking", "--disable-component-update", "--disable-sync"),
)
# It is told before each page's own code, so that none of its violations is missed.
WATCH_POLICY = """
addEventListener("securitypolicyviolation", (event) => {
  console.error(`CSP: ${event.violatedDirective} forbids ${event.blockedURI}`);
});
"""


@pytest.fixture(scope="session")
def cloud() -> Iterator[Cloud]:
    with running(wait_scale=WAIT_SCALE, auth=True) as cloud:
        yield cloud


@pytest.fixture(scope="session")
def provider(cloud: Cloud) -> Iterator[SampleProvider]:
    """A sample provider that knows every task; the stack asks it instead of the real ones."""
    with SampleProvider(any_task=True) as provider:
        cloud.use(provider)
        yield provider


@pytest.fixture(scope="session")
def subscriber(cloud: Cloud) -> Iterator[SampleSubscriber]:
    with SampleSubscriber() as subscriber:
        named = ("alad", "vicsee", "infinityblue")  # so that a task of another provider has nobody who is told
        cloud.subscribe(subscriber, events=("*.completed", "*.failed"), providers=named)
        yield subscriber


@pytest.fixture(scope="session")
def bridge(cloud: Cloud, provider: SampleProvider) -> Bridge:
    return Bridge(cloud, provider)


@pytest.fixture(scope="session")
def flow(bridge: Bridge, subscriber: SampleSubscriber) -> Iterator[Flow]:
    """Tasks in all states."""
    refusing = Loopback(Refusing)
    yield arranged(bridge, subscriber, refusing)
    refusing.stop()


@pytest.fixture(scope="session")
def console(cloud: Cloud, provider: SampleProvider, subscriber: SampleSubscriber) -> Iterator[str]:
    """The address of the console, with its token; the commands that it shows begin with `vidhook`."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PATH", f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}")
        with cloud.console(CLICKS) as address:
            yield address


# Not of the session: while Playwright runs, no other test of this worker could use asyncio.
@pytest.fixture(scope="package")
def browser() -> Iterator[Browser]:
    chromium = shutil.which("chromium") or "/usr/bin/chromium"
    if not Path(chromium).exists():
        pytest.skip("there is no Chromium: on Debian, `apt-get install chromium`")
    root = ("--no-sandbox",) if os.geteuid() == 0 else ()  # Chromium's own sandbox does not run as root
    expect.set_options(timeout=SLOW_MS)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=[*ARGUMENTS, *root])
        yield browser
        browser.close()


@pytest.fixture
def context(browser: Browser) -> Iterator[BrowserContext]:
    """A browser without history and storage; a test may add what it needs before its first page."""
    context = browser.new_context(viewport={"width": 1280, "height": 800}, locale="en-GB", timezone_id="UTC")
    context.add_init_script(WATCH_POLICY)
    context.grant_permissions(["clipboard-read", "clipboard-write"])
    yield context
    context.close()


@pytest.fixture
def own(console: str, cloud: Cloud) -> list[str]:
    """How the addresses begin that the page may ask; a test may add another console's."""
    return [console.partition("#")[0], f"{cloud.endpoint}/", "data:", "blob:", "about:"]


@pytest.fixture
def page(context: BrowserContext, own: list[str]) -> Iterator[Page]:
    """A new page. Its test fails if the page throws, logs an error, breaks its policy, or asks anybody else."""
    trouble: list[str] = []

    def said(message: ConsoleMessage) -> None:
        # Chromium logs each status of 4xx and 5xx itself; the page shows what the API says, which tests look at.
        where = message.location.get("url", "")
        is_status = message.text.startswith("Failed to load resource") and (
            "/api/" in where or "/console.json" in where
        )
        if message.type in ("error", "warning") and not is_status:
            trouble.append(f"{message.type}: {message.text}")

    def asked(request: Request) -> None:
        if not request.url.startswith(tuple(own)):
            trouble.append(f"a request to {request.url}")

    page = context.new_page()
    page.set_default_timeout(SLOW_MS)
    page.on("console", said)
    page.on("pageerror", lambda error: trouble.append(f"thrown: {error}"))
    context.on("request", asked)
    yield page
    page.close()
    assert trouble == []
