"""The Overview: the whole loop from an almost empty home, by its buttons and the voting keys alone."""

from collections.abc import Iterator

import pytest
from driving import App, serving, shot, tab, until
from playwright.sync_api import Page, expect

from tests.toys import toy_model
from workbench.core.home import Home
from workbench.jobs.queue import Queue
from workbench.preferences.sessions import get_session


@pytest.fixture(scope="module")
def app(tmp_path_factory: pytest.TempPathFactory) -> Iterator[App]:
    home = Home.at(tmp_path_factory.mktemp("home"))
    toy_model(home)
    with serving(home) as app:
        yield app


def ended(app: App, number: int) -> None:
    """Waits until that many jobs are done."""
    rows = until(lambda: [row for row in Queue(app.home).all() if row.final][number - 1 :], 240)
    assert [row.status for row in Queue(app.home).all()] == ["done"] * number, rows


def vote_all(app: App, page: Page, session: str) -> None:
    """Votes with the keyboard until the session has what it wants, then closes it."""
    page.locator("#annotator input, #annotator textarea").first.fill("ada")
    page.locator("#vote-start").click()
    pad = page.locator(".wb-vote-pad")
    until(lambda: get_session(app.home, session).complete, 120)
    wanted = get_session(app.home, session).usable
    assert wanted
    for count in range(1, wanted + 1):
        expect(page.locator('.wb-vote-side[data-side="left"]')).to_be_visible()
        page.keyboard.press("ArrowLeft" if count % 2 else "ArrowRight")
        expect(pad).to_contain_text("Every pair has its votes" if count == wanted else f"({count} of {wanted})")
    page.evaluate("window.confirm = () => true")
    page.locator("#session-close").click()
    expect(page.locator("#result")).to_contain_text("by ada")


def test_the_whole_loop_by_the_buttons_of_the_overview(app: App, page: Page) -> None:
    page.set_default_timeout(30_000)  # buttons come and go with the shelf, and two trainings run beside
    page.goto(app.url)
    expect(page.locator("#step-model-words")).to_contain_text("toy")
    expect(page.locator("#step-train")).to_be_hidden()
    page.locator("#step-data").click()
    expect(page.locator("#step-train")).to_be_visible()
    shot(page, "overview")
    page.locator("#step-train").click()
    ended(app, 1)
    expect(page.locator("#step-train-words")).to_contain_text("field-guide-sft")
    page.locator("#step-answers").click()
    expect(page.locator("#step-vote")).to_be_visible(timeout=120_000)
    page.locator("#step-vote").click()
    vote_all(app, page, "before-or-after")
    tab(page, "Overview")
    page.locator("#step-dpo").click()
    ended(app, 3)
    page.locator("#step-again").click()
    expect(page.locator("#step-verdict")).to_be_visible(timeout=120_000)
    for name in ("model", "data", "train", "answers", "vote", "dpo", "again"):
        expect(page.locator(f"#step-{name}-words .is-done")).to_be_visible()
    expect(page.locator("#step-again-words")).to_contain_text("dpo-or-before")
    shot(page, "overview-done")


def test_a_row_of_the_latest_work_opens_its_job(app: App, page: Page) -> None:
    page.goto(app.url)
    page.locator("#overview-jobs tbody tr").last.focus()
    page.keyboard.press("Enter")
    expect(page.locator(".wb-live-run:visible").first).to_have_attribute("data-status", "done")
    expect(page.get_by_role("tab", name="Jobs", exact=True)).to_have_attribute("aria-selected", "true")


def test_before_and_after_are_chosen_for_a_chat(app: App, page: Page) -> None:
    page.goto(app.url)
    page.locator("#step-chat").click()
    expect(page.locator("#compare-models")).to_contain_text("field-guide-sft")
    expect(page.locator("#compare-models")).to_contain_text("toy")
