"""The Overview: the whole loop from an almost empty home by its buttons, with the keyboard alone and by touch alone."""

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from driving import App, serving, shot, until
from playwright.sync_api import Browser, Locator, Page, expect

from tests.toys import toy_model
from workbench.core.home import Home
from workbench.jobs.events import EventLog
from workbench.jobs.job import JOBS
from workbench.jobs.queue import Queue
from workbench.preferences.sessions import get_session

MOST_TABS = 500
"""Presses of Tab after which everything on the page was reached."""


@dataclass(frozen=True)
class Person:
    """How somebody works: `press` what is seen, and `vote` for a side."""

    page: Page
    press: Callable[[Locator], None]
    vote: Callable[[str], None]

    def open_tab(self, name: str) -> None:
        self.press(self.page.get_by_role("tab", name=name, exact=True))

    def write(self, box: Locator, text: str) -> None:
        self.press(box)
        self.page.keyboard.type(text)


def keyboard(page: Page) -> Person:
    """Tab, Enter and the keys of the voting pad; the mouse stays where it is."""

    def press(target: Locator) -> None:
        expect(target).to_be_visible()
        for _ in range(MOST_TABS):
            page.keyboard.press("Tab")
            if target.evaluate("node => node === document.activeElement"):
                break
        else:
            raise AssertionError(f"{MOST_TABS} presses of Tab do not lead to {target}")
        if target.evaluate("node => node.tagName === 'BUTTON'"):
            page.keyboard.press("Enter")

    return Person(page, press, lambda side: page.keyboard.press("ArrowLeft" if side == "left" else "ArrowRight"))


def touch(page: Page) -> Person:
    """A finger on a phone."""
    return Person(page, lambda target: target.tap(), lambda side: page.locator(f'[data-choice="{side}"]').tap())


PEOPLE = {
    "keyboard": (keyboard, {"viewport": {"width": 1366, "height": 768}}),
    "touch": (touch, {"viewport": {"width": 420, "height": 860}, "has_touch": True, "is_mobile": True}),
}


@pytest.fixture(scope="module", params=["keyboard", pytest.param("touch", marks=pytest.mark.prove)])
def way(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(scope="module")
def app(way: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[App]:
    home = Home.at(tmp_path_factory.mktemp("home"))
    toy_model(home)
    with serving(home) as app:
        yield app


@pytest.fixture
def person(way: str, app: App, browser: Browser) -> Iterator[Person]:
    """Somebody in a browser of their own, who confirms what the page asks."""
    how, options = PEOPLE[way]
    context = browser.new_context(**options)
    page = context.new_page()
    errors: list[str] = []
    page.on("pageerror", lambda error: errors.append(str(error)))
    page.on("dialog", lambda dialog: dialog.accept())
    page.goto(app.url)
    yield how(page)
    context.close()
    assert errors == []


def ended(app: App, number: int) -> None:
    """Waits until that many jobs are done."""
    rows = until(lambda: [row for row in Queue(app.home).all() if row.final][number - 1 :], 240)
    assert [row.status for row in Queue(app.home).all()] == ["done"] * number, rows


def vote_all(app: App, person: Person, session: str) -> None:
    """Votes until the session has what it wants, then closes it."""
    page = person.page
    person.write(page.locator("#annotator input, #annotator textarea").first, "ada")
    person.press(page.locator("#vote-start"))
    pad = page.locator(".wb-vote-pad")
    until(lambda: get_session(app.home, session).complete, 120)
    wanted = get_session(app.home, session).usable
    assert wanted
    for count in range(1, wanted + 1):
        expect(page.locator('.wb-vote-side[data-side="left"]')).to_be_visible()
        person.vote("left" if count % 2 else "right")
        expect(pad).to_contain_text("Every pair has its votes" if count == wanted else f"({count} of {wanted})")
    person.press(page.locator("#session-close"))
    expect(page.locator("#result")).to_contain_text("by ada")


def test_the_whole_loop_by_the_buttons_of_the_overview(app: App, way: str, person: Person) -> None:
    page = person.page
    expect(page.locator("#step-model-words")).to_contain_text("toy")
    expect(page.locator("#step-train")).to_be_hidden()
    person.press(page.locator("#step-data"))
    person.press(page.locator("#step-train"))
    shot(page, f"overview-{way}")
    ended(app, 1)
    expect(page.locator("#step-train-words")).to_contain_text("field-guide-sft")
    person.press(page.locator("#step-answers"))
    expect(page.locator("#step-vote")).to_be_visible(timeout=120_000)
    person.press(page.locator("#step-vote"))
    vote_all(app, person, "before-or-after")
    shot(page, f"overview-voted-{way}")
    person.open_tab("Overview")
    person.press(page.locator("#step-dpo"))
    ended(app, 3)
    person.press(page.locator("#step-again"))
    expect(page.locator("#step-verdict")).to_be_visible(timeout=120_000)
    for name in ("model", "data", "train", "answers", "vote", "dpo", "again"):
        expect(page.locator(f"#step-{name}-words .is-done")).to_be_visible()
    expect(page.locator("#step-again-words")).to_contain_text("dpo-or-before")
    shot(page, f"overview-done-{way}")


def test_a_row_of_the_latest_work_opens_its_job(app: App, person: Person) -> None:
    page = person.page
    person.press(page.locator("#overview-jobs tbody tr").last)
    page.keyboard.press("Enter")
    expect(page.locator(".wb-live-run:visible").first).to_have_attribute("data-status", "done")
    expect(page.get_by_role("tab", name="Jobs", exact=True)).to_have_attribute("aria-selected", "true")


def test_before_and_after_are_chosen_for_a_chat(app: App, person: Person) -> None:
    person.press(person.page.locator("#step-chat"))
    expect(person.page.locator("#compare-models")).to_contain_text("field-guide-sft")
    expect(person.page.locator("#compare-models")).to_contain_text("toy")


def test_a_picker_with_nothing_to_choose_is_not_an_empty_box(tmp_path: Path, page: Page) -> None:
    with serving(Home.at(tmp_path)) as app:
        page.goto(app.url)
        for name in ("Models", "Data", "Jobs"):
            page.get_by_role("tab", name=name, exact=True).click()
            expect(page.locator(".wb-empty:visible").first).to_be_visible()
            for picker in (".wb-job", "#shelf-model", "#dataset", "#delete-job"):
                expect(page.locator(f"{picker}:visible")).to_have_count(0)
        page.get_by_role("tab", name="Models", exact=True).click()
        toy_model(app.home)
        expect(page.locator("#shelf-model")).to_be_visible()
        queue = Queue(app.home)
        EventLog(queue.get(queue.submit(JOBS.parse("starter-model"), here=True)).folder / "events.jsonl").status(
            "stopped"
        )
        expect(page.locator(".wb-job:visible")).to_have_count(1)
        expect(page.locator(".wb-job:visible input")).to_have_value(re.compile("Get the starter model"))
        expect(page.locator(".wb-live-run:visible .wb-live-title")).to_have_text("Get the starter model")
