"""Notices: told as they happen, counted until they are seen, and leading to what they tell of."""

from collections.abc import Iterator

import pytest
from driving import App, serving, shot, tab
from playwright.sync_api import Page, expect

from tests.bench.home_of_many import add_job
from tests.toys import toy_home
from tests.voting import make_session
from workbench.jobs.events import EventLog
from workbench.jobs.job import JOBS
from workbench.jobs.queue import Queue

STAND_IN = """
  window.shown = [];
  window.Notification = class {
    static permission = "default";
    static requestPermission() { this.permission = "granted"; return Promise.resolve("granted"); }
    constructor(title, { body, tag }) { window.shown.push([title, body, tag]); window.lastShown = this; }
    close() {}
  };
  Object.defineProperty(document, "hidden", { configurable: true, get: () => Boolean(window.isAway) });
"""
"""The browser's own notifications, which a browser without a window never shows, and a page that can be left."""


@pytest.fixture(scope="module")
def app(tmp_path_factory: pytest.TempPathFactory) -> Iterator[App]:
    home = toy_home(tmp_path_factory.mktemp("home"))
    add_job(home, 0)
    with serving(home) as app:
        yield app


def end(app: App, output: str, status: str = "done", **details: object) -> str:
    """A job that this process pretends to have run."""
    job = JOBS.parse({"method": "train", "model": "toy", "dataset": "talks", "output": output})
    queue = Queue(app.home)
    job_id = queue.submit(job, here=True)
    events = EventLog(queue.get(job_id).folder / "events.jsonl")
    events.status("running")
    events.status(status, **details)
    return job_id


def opened(app: App, page: Page) -> None:
    page.goto(app.url)
    page.wait_for_function("document.documentElement.dataset.shelfMark")
    expect(page.locator(".wb-notice")).not_to_have_count(0)


def test_what_was_there_before_is_listed_and_not_counted(app: App, page: Page) -> None:
    opened(app, page)
    expect(page.get_by_role("button", name="Notices", exact=True)).to_be_visible()
    expect(page.locator(".wb-notice-toast")).to_have_count(0)
    page.get_by_role("button", name="Notices").click()
    expect(page.locator(".wb-notice").first).to_contain_text("is done")
    expect(page.locator(".wb-notice-time").first).not_to_be_empty()
    page.keyboard.press("Escape")
    expect(page.locator(".wb-notice-panel")).to_be_hidden()
    expect(page.get_by_role("button", name="Notices")).to_be_focused()


def test_what_ends_meanwhile_is_told_counted_and_opened(app: App, page: Page) -> None:
    opened(app, page)
    job = end(app, "made-one", "failed", error="The disk is full.")
    toast = page.locator(".wb-notice-toast")
    expect(toast).to_contain_text("failed")
    expect(toast).to_contain_text("The disk is full.")
    expect(page.locator(".wb-notice-toasts")).to_have_attribute("role", "status")
    expect(page.get_by_role("button", name="Notices: 1 new")).to_be_visible()
    shot(page, "notice-toast")
    page.reload()  # not seen yet: it stays counted
    expect(page.get_by_role("button", name="Notices: 1 new")).to_be_visible()
    page.get_by_role("button", name="Notices: 1 new").press("Enter")
    shot(page, "notices")
    page.locator(".wb-notice.is-new button").press("Enter")
    expect(page.get_by_role("tab", name="Jobs", exact=True)).to_have_attribute("aria-selected", "true")
    expect(page.locator(".wb-live-run:visible").first).to_have_attribute("data-status", "failed")
    expect(page.get_by_role("button", name="Notices", exact=True)).to_be_visible()
    Queue(app.home).delete(job)


def test_a_session_that_waits_for_votes_opens_where_one_votes(app: App, page: Page) -> None:
    opened(app, page)
    make_session(app.home, "which", prompts=2, models=["toy", "first"])
    toast = page.locator(".wb-notice-toast")
    expect(toast).to_contain_text("which: it is your turn to vote")
    toast.get_by_role("button", name="Vote").click()
    expect(page.get_by_role("tab", name="Label", exact=True)).to_have_attribute("aria-selected", "true")
    expect(page.locator("#session input").first).to_have_value("which")
    expect(toast).to_have_count(0)


def test_a_toast_goes_when_it_is_dismissed_and_stays_counted(app: App, page: Page) -> None:
    opened(app, page)
    job = end(app, "made-two")
    toast = page.locator(".wb-notice-toast")
    toast.get_by_role("button", name="Dismiss").click()
    expect(toast).to_have_count(0)
    expect(page.get_by_role("button", name="Notices: 1 new")).to_be_visible()
    Queue(app.home).delete(job)


def test_a_page_that_was_left_tells_by_the_browser_when_asked_to(app: App, page: Page) -> None:
    page.add_init_script(STAND_IN)
    opened(app, page)
    page.get_by_role("button", name="Notices").click()
    page.get_by_label("Tell me outside the page too").check()
    page.keyboard.press("Escape")
    page.evaluate("window.isAway = true")
    job = end(app, "made-three")
    page.wait_for_function("window.shown.length")
    shown = page.evaluate("window.shown")
    assert [title.endswith(" is done") for title, _, _ in shown] == [True] and shown[0][2].startswith(job)
    expect(page.locator(".wb-notice-toast")).to_have_count(0)
    page.evaluate("window.isAway = false; window.lastShown.onclick()")
    expect(page.get_by_role("tab", name="Jobs", exact=True)).to_have_attribute("aria-selected", "true")
    tab(page, "Overview")
    Queue(app.home).delete(job)


def test_a_browser_that_refuses_is_said_and_nothing_is_switched_on(app: App, page: Page) -> None:
    page.add_init_script(STAND_IN.replace('this.permission = "granted"; return Promise.resolve("granted")',
                                          'return Promise.resolve("denied")'))  # fmt: skip
    opened(app, page)
    page.get_by_role("button", name="Notices").click()
    box = page.get_by_label("Tell me outside the page too")
    box.click()
    expect(page.locator(".wb-notice-outside")).to_contain_text("allow notifications for this page")
    expect(box).not_to_be_checked()
