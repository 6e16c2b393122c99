"""Tags and notes in the panels of all four kinds, chips in lists, the search of the Overview, by keyboard too."""

import re
from collections.abc import Iterator

import pytest
from driving import App, serving, shot, tab
from playwright.sync_api import Locator, Page, Route, expect

from tests.bench.home_of_many import many
from tests.voting import make_session
from workbench.core.home import Home
from workbench.core.notes import UserNotes
from workbench.inventory.item_notes import change_notes, notes_of

JOB = "20240101-000001-000-sft-00001-0000"
OPEN = {"model": "Models", "dataset": "Data", "job": "Jobs", "session": "Label"}
NAMES = {"model": "model-00003", "dataset": "set-00001", "job": JOB, "session": "round"}


@pytest.fixture(scope="module")
def app(tmp_path_factory: pytest.TempPathFactory) -> Iterator[App]:
    home = many(Home.at(tmp_path_factory.mktemp("home")), 12, 2, 3)
    make_session(home, "round", 2, ["model-00000", "model-00001"])
    with serving(home) as app:
        yield app


@pytest.fixture
def search(app: App, page: Page) -> Locator:
    page.goto(app.url)
    return page.get_by_label("Search models, datasets, jobs and sessions")


@pytest.mark.parametrize("kind", OPEN)
def test_a_thing_is_found_opened_tagged_and_noted_by_keyboard(kind: str, app: App, page: Page, search: Locator) -> None:
    search.fill({"job": "made-00001"}.get(kind, NAMES[kind]))
    item = page.locator(".wb-search-item").first
    expect(item).to_be_visible()
    search.press("ArrowDown")
    expect(item).to_be_focused()
    page.keyboard.press("Enter")
    expect(page.get_by_role("tab", name=OPEN[kind], exact=True)).to_have_attribute("aria-selected", "true")
    panel = page.locator(f"#{kind}-notes")
    expect(panel.locator(".wb-notes-panel")).to_have_attribute("data-name", NAMES[kind])
    tags = panel.get_by_label(f"Add a tag to this {kind}")
    tags.press_sequentially("Keep, later ")
    tags.press("Enter")
    expect(panel.locator("li.wb-tag")).to_have_text([re.compile("keep"), re.compile("later")])
    panel.get_by_role("button", name="Remove the tag later").press("Enter")
    expect(panel.locator("li.wb-tag")).to_have_count(1)
    panel.get_by_role("button", name="Add a note").press("Enter")
    area = panel.get_by_role("textbox", name=f"Note on this {kind}")
    expect(area).to_be_focused()
    area.press_sequentially("The **best** <b>so far</b>")
    area.press("Control+Enter")
    expect(panel.locator(".wb-notes-text strong")).to_have_text("best")
    expect(panel.locator(".wb-notes-text")).to_contain_text("<b>so far</b>")
    assert notes_of(app.home, kind, NAMES[kind]) == UserNotes(("keep",), "The **best** <b>so far</b>")
    shot(page, f"notes-{kind}")


def test_tags_lie_as_they_were_given_however_slow_the_server_is(app: App, page: Page, search: Locator) -> None:
    tab(page, "Models")
    page.locator("#models-table tbody tr").nth(4).click()
    panel = page.locator("#model-notes")
    expect(panel.locator(".wb-notes-panel")).to_have_attribute("data-name", "model-00004")
    held: list[Route] = []
    page.route(
        "**/component_server/**",
        lambda route: held.append(route) if '"add"' in (route.request.post_data or "") else route.continue_(),
    )
    tags = panel.get_by_label("Add a tag to this model")
    tags.press_sequentially("first,second,")
    page.wait_for_timeout(500)
    page.unroute("**/component_server/**")
    for route in reversed(held):  # both, had the second not waited for the first
        route.continue_()
    shown = panel.locator("li.wb-tag")
    expect(shown).to_have_text([re.compile("first"), re.compile("second")])


def test_what_is_refused_is_said_and_stays_in_the_box(app: App, page: Page, search: Locator) -> None:
    tab(page, "Models")
    page.locator("#models-table tbody tr").nth(1).click()
    panel = page.locator("#model-notes")
    expect(panel.locator(".wb-notes-panel")).to_have_attribute("data-name", "model-00001")
    entry = panel.get_by_label("Add a tag to this model")
    entry.fill("<odd>")
    entry.press("Enter")
    expect(panel.get_by_role("alert")).to_contain_text("no plain word. Use letters, digits")
    expect(entry).to_have_value("<odd>")
    panel.get_by_role("button", name="Add a note").click()
    area = panel.get_by_role("textbox", name="Note on this model")
    area.fill("x" * 4001)
    panel.get_by_role("button", name="Save note").click()
    expect(panel.get_by_role("alert")).to_contain_text("Use 4,000 at most: it is 1 too long")
    area.press("Escape")
    expect(panel.get_by_role("button", name="Add a note")).to_be_focused()


def test_what_the_server_did_not_get_is_said_and_stays_in_the_box(app: App, page: Page, search: Locator) -> None:
    tab(page, "Models")
    page.locator("#models-table tbody tr").nth(2).click()
    panel = page.locator("#model-notes")
    expect(panel.locator(".wb-notes-panel")).to_have_attribute("data-name", "model-00002")
    page.route("**/component_server/**", lambda route: route.abort())
    entry = panel.get_by_label("Add a tag to this model")
    entry.fill("lost")
    entry.press("Enter")
    expect(panel.get_by_role("alert")).to_contain_text("Nothing was saved: the server does not answer")
    expect(entry).to_have_value("lost")
    page.unroute("**/component_server/**")
    entry.press("Enter")
    expect(panel.locator("li.wb-tag")).to_contain_text("lost")


def test_a_note_that_changed_elsewhere_is_shown_before_it_is_replaced(app: App, page: Page, search: Locator) -> None:
    tab(page, "Models")
    page.locator("#models-table tbody tr").nth(2).click()
    panel = page.locator("#model-notes")
    expect(panel.locator(".wb-notes-panel")).to_have_attribute("data-name", "model-00002")
    panel.get_by_role("button", name="Add a note").click()
    area = panel.get_by_role("textbox", name="Note on this model")
    area.fill("mine")
    change_notes(app.home, "model", "model-00002", lambda _: UserNotes((), "theirs"))
    panel.get_by_role("button", name="Save note").click()
    expect(panel.get_by_role("alert")).to_contain_text("changed elsewhere meanwhile")
    expect(panel.locator(".wb-notes-text")).to_have_text("theirs")
    expect(area).to_have_value("mine")
    panel.get_by_role("button", name="Save note").click()
    expect(panel.locator(".wb-notes-text")).to_have_text("mine")


def test_a_chip_in_a_row_shows_only_what_has_that_tag(app: App, page: Page, search: Locator) -> None:
    for name in ("model-00005", "model-00007"):
        change_notes(app.home, "model", name, lambda _: UserNotes(("paper",), "wrens"))
    change_notes(app.home, "model", "model-00009", lambda _: UserNotes(("paper-2",)))
    tab(page, "Models")
    table = page.locator("#models-table")
    chip = table.get_by_role("button", name="paper", exact=True).first
    chip.focus()
    page.keyboard.press("Enter")
    expect(table.locator("tbody tr")).to_have_count(2)
    expect(table.get_by_label("Search the list")).to_be_focused()
    expect(page.locator("#model-chat")).to_be_hidden()  # the row was not opened
    table.get_by_label("Search the list").fill("wrens 00007")
    expect(table.locator("tbody tr")).to_have_count(1)


def test_results_stand_by_kind_and_follow_what_changes(app: App, page: Page, search: Locator) -> None:
    search.fill("#shared")
    expect(page.locator("#overview-search")).to_contain_text("Use fewer words")
    for kind, name in NAMES.items():
        change_notes(app.home, kind, name, lambda now: UserNotes((*now.tags, "shared"), now.note))
    headings = page.locator("#overview-search .wb-search-kind")
    expect(headings).to_have_text(["Models (1)", "Datasets (1)", "Jobs (1)", "Labelling sessions (1)"])
    shot(page, "search")
    search.fill("made-00002")
    expect(page.locator(".wb-search-item")).to_have_count(1)
    search.press("Enter")
    expect(page.locator(".wb-live-title:visible")).to_have_text("SFT made-00002")


def test_a_damaged_file_is_said_in_the_panel_and_written_anew(app: App, page: Page, search: Locator) -> None:
    (app.home.models / "model-00011" / "notes.yaml").write_bytes(b"\xff\0")
    tab(page, "Models")
    page.locator("#models-table tbody tr").last.click()
    panel = page.locator("#model-notes")
    expect(panel.get_by_role("alert")).to_contain_text("notes.yaml cannot be read")
    entry = panel.get_by_label("Add a tag to this model")
    entry.fill("mended")
    entry.press("Enter")
    expect(panel.locator("li.wb-tag")).to_have_count(1)
    expect(panel.locator(".wb-notes-problem")).to_be_empty()
