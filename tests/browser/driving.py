"""The real app and what a person does in it: tabs, dropdowns, forms; shared by the browser tests."""

import contextlib
import os
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from forked_app import POSSIBLE, forking_process
from playwright.sync_api import Page, expect

from workbench.core.home import Home
from workbench.jobs.queue import Queue

ROOT = Path(__file__).resolve().parents[2]
SCREENSHOTS = ROOT / "tests" / "screenshots"


class App:
    """The real app in a process of its own, killable.

    settings: environment variables. spare: whether it keeps a worker that has imported what a training needs: 7 CPU
    seconds that a test gains with its first training, and loses where it starts none.
    """

    def __init__(self, home: Home, spare: bool = False, **settings: str):
        self.home, self.spare, self.settings = home, spare, settings
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        self.process: subprocess.Popen[bytes] | None = None
        self.fork = 0  # or its pid, where it is a fork

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/"

    def start(self) -> "App":
        environment = {**os.environ, "WORKBENCH_HOME": str(self.home.root), "WORKBENCH_PORT": str(self.port)}
        if POSSIBLE and not self.settings:
            self.fork = forking_process().fork(environment, self.spare)
        else:
            self.process = subprocess.Popen([sys.executable, "app.py"], cwd=ROOT, env=environment | self.settings)
        until(self._answers, 120)  # two busy cores start it slowly
        return self

    def _answers(self) -> bool:
        try:
            urllib.request.urlopen(self.url, timeout=2).close()
        except OSError:
            return False
        return True

    def kill(self) -> None:
        if self.process:
            self.process.kill()
            self.process.wait()
        elif self.fork:
            forking_process().kill(self.fork)
        self.process, self.fork = None, 0


def until(true: Callable[[], Any], seconds: float = 60) -> Any:
    """Waits for it; fails with the last value."""
    deadline = time.time() + seconds
    while time.time() < deadline:
        value = true()
        if value:
            return value
        time.sleep(0.1)
    raise AssertionError(f"waited {seconds} s in vain: {true}")


@contextlib.contextmanager
def serving(home: Home, spare: bool = False, **settings: str) -> Iterator[App]:
    """The app on that home, see `App`; in the end its jobs are killed with it."""
    app = App(home, spare, **settings).start()
    try:
        yield app
    finally:
        for view in Queue(home).live():
            Queue(home).stop(view.id, "kill")
        app.kill()


def tab(page: Page, name: str, seconds: float = 60) -> None:
    """Opens a tab and waits until its parts have come; presses again, as a person does, where a press was lost."""
    button = page.get_by_role("tab", name=name, exact=True)
    deadline = time.time() + seconds
    is_open = False
    while not is_open:
        button.click()
        try:
            expect(button).to_have_attribute("aria-selected", "true", timeout=5_000)
            is_open = True
        except AssertionError:
            if time.time() > deadline:
                raise
    expect(page.locator(".tabitem.is-settling")).to_have_count(0, timeout=seconds * 1000)


def choose(page: Page, where: str, *values: str) -> None:
    """Picks from a dropdown as a person types."""
    for value in values:
        box = page.locator(f"{where} input").first
        box.click()
        box.fill(value)
        box.press("Enter")
    page.keyboard.press("Escape")


def fill(page: Page, label: str, value: str, form: str = "body") -> None:
    box = page.locator(form).get_by_label(label, exact=True).locator("visible=true").first
    box.fill(value)
    box.press("Tab")


def fold(page: Page, title: str, form: str) -> None:
    """Opens a group of a form's settings, or closes it."""
    page.locator(f"{form} .wb-form-group > summary").filter(has=page.get_by_text(title, exact=True)).click()


def pick(page: Page, form: str, label: str, *values: str) -> None:
    """Chooses one value of a form's list after another."""
    for value in values:
        page.locator(form).get_by_label(label, exact=True).select_option(value)


def shot(page: Page, name: str) -> None:
    SCREENSHOTS.mkdir(exist_ok=True)
    page.screenshot(path=SCREENSHOTS / f"{name}.png", full_page=True)


def live(page: Page) -> Any:
    return page.locator(".wb-live-run:visible").first
