"""Lists of many: searched, turned page by page, followed in every browser, and sent only where they changed."""

import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from driving import App, serving, shot, tab
from playwright.sync_api import Browser, Page, Response, expect

from tests.bench.home_of_many import add_job, add_model, many
from tests.small_disk import small_disk
from workbench.core.home import Home

COUNT = 230  # more jobs than a picker offers


@pytest.fixture(scope="module")
def app(tmp_path_factory: pytest.TempPathFactory) -> Iterator[App]:
    with serving(many(Home.at(tmp_path_factory.mktemp("home")), 45, 3, COUNT)) as app:
        yield app


class Sent:
    """What the pulse of a page is answered."""

    def __init__(self, page: Page) -> None:
        self.responses: list[Response] = []
        page.on("response", self._keep)

    def _keep(self, response: Response) -> None:
        self.responses.append(response)

    def parts(self) -> str:
        """The states sent since the last call, as one text."""
        mine = [one for one in self.responses if "component_server" in one.url]
        self.responses.clear()
        asked = [one for one in mine if '"changes"' in (one.request.post_data or "")]
        return json.dumps([one.json()["parts"] for one in asked])


def test_any_of_many_jobs_is_found_and_opened(app: App, page: Page) -> None:
    page.goto(app.url)
    tab(page, "Jobs")
    table = page.locator("#jobs-table")
    expect(table).to_contain_text(f"Page 1 of 12 · {COUNT}")
    expect(table.locator("tbody tr").first).to_contain_text(f"SFT made-{COUNT - 1:05}")
    table.get_by_label("Next page").click()
    expect(table.locator("tbody tr").first).to_contain_text(f"SFT made-{COUNT - 21:05}")
    table.get_by_label("Search the list").fill("done made-00007")
    expect(table.locator("tbody tr")).to_have_count(1)
    table.locator("tbody tr").click()
    expect(page.locator(".wb-live-title:visible")).to_have_text("SFT made-00007")
    table.get_by_label("Search the list").fill("made-99999")
    expect(table).to_contain_text("Nothing found")


def test_a_row_is_opened_with_the_keyboard(app: App, page: Page) -> None:
    page.goto(app.url)
    tab(page, "Jobs")
    row = page.locator("#jobs-table tbody tr").nth(3)
    row.focus()
    row.press("Enter")
    expect(page.locator(".wb-live-title:visible")).to_have_text(f"SFT made-{COUNT - 4:05}")


def test_a_heading_sorts_all_of_the_list_and_says_so(app: App, page: Page) -> None:
    page.goto(app.url)
    tab(page, "Models")
    table = page.locator("#models-table")
    first = table.locator("tbody tr td").first
    name = table.get_by_role("columnheader", name="Name")
    expect(first).to_have_text("model-00000")
    name.get_by_role("button").press("Enter")
    expect(name).to_have_attribute("aria-sort", "ascending")
    page.keyboard.press("Enter")  # the heading keeps the focus
    expect(name).to_have_attribute("aria-sort", "descending")
    expect(first).to_have_text(re.compile(r"model-0004[45]"))
    shot(page, "models-sorted")
    page.keyboard.press("Enter")
    expect(table.locator("[aria-sort]")).to_have_count(0)
    expect(first).to_have_text("model-00000")


def test_times_are_said_in_the_zone_and_language_of_the_reader(app: App, browser: Browser) -> None:
    context = browser.new_context(timezone_id="Asia/Tokyo", locale="en-GB")
    page = context.new_page()
    page.goto(app.url)
    tab(page, "Jobs")
    page.locator("#jobs-table").get_by_label("Search the list").fill("made-00000")
    when = page.locator("#jobs-table tbody time")
    expect(when).to_have_count(1)
    assert when.get_attribute("datetime") == "2023-11-14T22:13:20+00:00"
    expect(when).to_have_text("15 Nov 2023, 07:13")
    context.close()


def test_a_change_reaches_every_browser_and_only_what_shows_it(app: App, page: Page, browser: Browser) -> None:
    other = browser.new_context().new_page()
    for one in (page, other):
        one.goto(app.url)
        tab(one, "Models")
        expect(one.locator("#models-table")).to_contain_text("Page 1 of 3 · 45")
    page.wait_for_function("document.documentElement.dataset.shelfMark")
    sent = Sent(page)
    add_model(app.home, 45)
    for one in (page, other):
        expect(one.locator("#models-table")).to_contain_text("Page 1 of 3 · 46")
    page.locator("#shelf-model input").click()
    expect(page.get_by_role("option", name="model-00045", exact=True)).to_have_count(1)
    parts = sent.parts()
    assert "model-00045" in parts and "set-00001" not in parts and "made-00150" not in parts
    mark = page.evaluate("document.documentElement.dataset.shelfMark")
    add_job(app.home, COUNT)
    tab(other, "Jobs")
    expect(other.locator("#jobs-table")).to_contain_text(f"SFT made-{COUNT:05}")
    page.wait_for_function("mark => document.documentElement.dataset.shelfMark !== mark", arg=mark)
    parts = sent.parts()
    assert f"made-{COUNT:05}" in parts and "model-00045" not in parts
    other.context.close()


@pytest.mark.prove
def test_a_home_that_can_only_be_read_is_served_and_the_page_says_so(tmp_path: Path, page: Page) -> None:
    with small_disk(tmp_path / "disk") as disk:
        home = many(Home.at(disk.path / "home"), 2, 1, 2)
        disk.read_only()
        with serving(home) as app:
            page.goto(app.url)
            expect(page.locator("#home-problem")).to_contain_text("can only be read")
            tab(page, "Models")
            expect(page.locator("#models-table")).to_contain_text("model-00001")
            page.locator("#get-starter").click()
            expect(page.locator(".toast-body").first).to_contain_text(
                "The job was not queued: The disk can only be read"
            )
            tab(page, "Jobs")
            expect(page.locator("#jobs-table")).to_contain_text("made-00001")
