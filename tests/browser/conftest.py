"""Headless Chromium for the browser tests. `/usr/bin/chromium` if it is there, else Playwright's own."""

import os
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, Playwright, Request, Route, expect, sync_playwright

os.environ.setdefault("GRADIO_ANALYTICS_ENABLED", "False")
os.environ.setdefault("WORKBENCH_JOB_NICENESS", "0")  # tests wait for trainings while others keep the cores busy
for folder in (Path(__file__).resolve().parents[2], Path(__file__).resolve().parent):
    if str(folder) not in sys.path:
        sys.path.insert(0, str(folder))

SYSTEM = Path("/usr/bin/chromium")
expect.set_options(timeout=60_000)  # two busy cores make a quick page slow; what is right comes sooner
UNUSED = [
    # The list below the address bar is two pages of their own, made for every window a test opens; nobody sees them.
    "WebUIOmniboxPopup", "WebUIOmniboxAimPopup", "WebUIOmniboxFullPopup",
    # What Playwright switches off by itself: only the last of these flags counts.
    "AvoidUnnecessaryBeforeUnloadCheckSync", "DestroyProfileOnBrowserClose", "HttpsUpgrades",
    "HttpsFirstBalancedModeAutoEnable", "LensOverlay", "MediaRouter", "PaintHolding", "ThirdPartyStoragePartitioning",
    "OptimizationHints", "NetworkTimeServiceQuerying", "AimEnabled", "PreconnectToSearch",
]  # fmt: skip
CALLS = ("/gradio_api/run/", "/gradio_api/queue/join", "/gradio_api/component_server/")
"""Beginnings of the addresses that run something, each page's own by its number."""
FLAGS = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-features=" + ",".join(UNUSED),
]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """A browser, a server and a job on two cores are at times slower than any wait: a failure is tried once
    more, and the summary names what needed that (R)."""
    for item in items:
        if Path(item.fspath).parent == Path(__file__).parent:
            item.add_marker("browser")
            item.add_marker(pytest.mark.flaky(reruns=1))


@pytest.fixture(scope="session")
def driver() -> Iterator[Playwright]:
    """The one Playwright of all browser tests: a second would find the first one's loop running."""
    with sync_playwright() as playwright:
        yield playwright


def launched(driver: Playwright, *flags: str) -> Browser:
    """A Chromium of its own."""
    path = str(SYSTEM) if SYSTEM.exists() else None
    return driver.chromium.launch(executable_path=path, args=[*FLAGS, *flags])


@pytest.fixture(scope="session")
def browser(driver: Playwright) -> Iterator[Browser]:
    """One Chromium for all browser tests."""
    chromium = launched(driver)
    yield chromium
    chromium.close()


class Watch:
    """What a page did: errors, dialogs, every address it asked for, and calls that do not name the page they come
    from. Other hosts are refused."""

    def __init__(self, page: Page) -> None:
        self.errors: list[str] = []
        self.dialogs: list[str] = []
        self.outside: list[str] = []
        self.unnamed: list[str] = []
        page.on("pageerror", lambda error: self.errors.append(str(error)))
        page.on("dialog", lambda dialog: (self.dialogs.append(dialog.message), dialog.dismiss()))
        page.on("request", self._request)
        page.route(lambda url: not self._local(url), self._refuse)

    @staticmethod
    def _local(url: str) -> bool:
        return url.startswith(("http://127.0.0.1:", "ws://127.0.0.1:", "data:", "blob:", "about:"))

    def _request(self, request: Request) -> None:
        if not self._local(request.url):
            self.outside.append(request.url)
        if any(road in request.url for road in CALLS) and not request.headers.get("x-workbench-role"):
            self.unnamed.append(f"{request.url} {request.post_data}")

    def _refuse(self, route: Route) -> None:
        self.outside.append(route.request.url)
        route.abort()


@pytest.fixture
def page(browser: Browser) -> Iterator[Page]:
    """A page in a fresh context of laptop size; the test fails if it left this machine or threw."""
    context = browser.new_context(viewport={"width": 1366, "height": 768})
    page = context.new_page()
    page.set_default_timeout(60_000)  # as for `expect` above
    watch = Watch(page)
    yield page
    context.close()
    assert watch.outside == []
    assert watch.unnamed == []
    assert watch.errors == []
    assert watch.dialogs == []
