"""A row of the lists of datasets and sessions is what it shows: it opens by click and by Enter, and leads on."""

import time
from collections.abc import Iterator

import pytest
from driving import App, serving, shot, tab
from playwright.sync_api import Page, expect

from tests.toys import toy_home
from workbench.core.notes import UserNotes
from workbench.inventory.item_notes import change_notes
from workbench.preferences.sessions import create_session


@pytest.fixture(scope="module")
def app(tmp_path_factory: pytest.TempPathFactory) -> Iterator[App]:
    home = toy_home(tmp_path_factory.mktemp("home"))
    for name in ("first", "second"):
        create_session(home, name, ["toy", "other"], "talks", {})
    with serving(home) as app:
        yield app


def opened(page: Page, app: App, title: str) -> None:
    page.goto(app.url)
    tab(page, title)


def test_a_dataset_opens_with_what_can_be_done_with_it(app: App, page: Page) -> None:
    opened(page, app, "Data")
    rows, facts = page.locator("#datasets-table tbody tr"), page.locator("#dataset-facts")
    rows.filter(has_text="pairs").click()
    expect(facts).to_contain_text("preference")
    rows.filter(has_text="talks").press("Enter")
    expect(facts).to_contain_text("conversation")
    shot(page, "data-list")
    page.locator("#dataset-export").click()
    expect(page.get_by_role("tab", name="Export")).to_have_attribute("aria-selected", "true")
    page.locator("#dataset-label").click()
    expect(page.locator("#label-form").get_by_label("Prompts", exact=True)).to_have_value("talks")


@pytest.mark.parametrize(("name", "objective"), [("pairs", "dpo"), ("talks", "sft")])
def test_training_begins_with_an_objective_for_its_rows(app: App, page: Page, name: str, objective: str) -> None:
    opened(page, app, "Data")
    page.locator("#datasets-table tbody tr").filter(has_text=name).click()
    expect(page.locator("#dataset-facts")).to_contain_text("preference" if name == "pairs" else "conversation")
    page.locator("#dataset-train").click()
    form = page.locator("#train-form")
    expect(form.get_by_label("Dataset", exact=True)).to_have_value(name)
    expect(form.locator('[data-field="objective"] select').first).to_have_value(objective)


@pytest.mark.parametrize("key", ["", "Enter"])
def test_a_session_opens_for_voting(app: App, page: Page, key: str) -> None:
    opened(page, app, "Label")
    for name in ("first", "second"):
        row = page.locator(f'#sessions-table tr[data-key="{name}"]')
        expect(row).to_contain_text("answering")
        row.press(key) if key else row.click()
        expect(page.locator("#session input")).to_have_value(name)
    assert "toy" not in page.locator("#sessions-table").inner_text()
    shot(page, "session-list")


def test_a_row_that_is_redrawn_while_it_is_pressed_opens(app: App, page: Page) -> None:
    opened(page, app, "Data")
    tag = f"redrawn-{time.time_ns()}"
    row = page.locator("#datasets-table tbody tr").filter(has_text="talks")
    box = row.bounding_box()
    assert box
    page.mouse.move(box["x"] + 20, box["y"] + 10)
    page.mouse.down()
    change_notes(app.home, "dataset", "pairs", lambda now: UserNotes((tag,), now.note))
    page.wait_for_timeout(4000)  # the page asks every two seconds what changed
    page.mouse.up()
    expect(page.locator("#dataset-facts")).to_contain_text("conversation")
    expect(page.locator("#datasets-table .wb-tag")).to_have_text(tag)
