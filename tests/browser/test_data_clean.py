"""Cleaning a dataset as a person does it: steps put together, applied, looked at, taken back, and the rows exported."""

import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from driving import App, choose, serving, shot, tab
from playwright.sync_api import Locator, Page, expect

from tests.toys import conversations
from workbench.core.home import Home
from workbench.data.recipes import pipeline
from workbench.data.recipes.importing import import_dataset
from workbench.data.recipes.recipe import Recipe
from workbench.data.recipes.step import STEPS
from workbench.data.store.datasets import delete_dataset

PATIENCE = 60_000
TWICE = (3, 7, 11, 12)
ADDRESSES = {20: "anna.berg@example.com", 33: "bob@example.org", 40: "carla@example.net"}


def talks(home: Home) -> None:
    """60 conversations, four of them twice, three with an e-mail address."""
    rows = conversations(60)
    rows += [json.loads(json.dumps(rows[number])) for number in TWICE]
    for number, address in ADDRESSES.items():
        rows[number]["messages"][1]["content"] += f" Write to {address}."
    file = home.root / "talks.jsonl"
    file.write_text("\n".join(map(json.dumps, rows)), encoding="utf-8")
    import_dataset(home, file, "talks", eval_fraction=0.0)


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[App]:
    with serving(Home.at(tmp_path_factory.mktemp("home"))) as app:
        yield app


@pytest.fixture
def app(served: App) -> App:
    """The app with 'talks' as it was imported."""
    if (served.home.datasets / "talks").exists():
        delete_dataset(served.home, "talks")
    talks(served.home)
    return served


def opened(app: App, page: Page) -> Locator:
    """The steps of 'talks'."""
    page.goto(app.url)
    tab(page, "Data")
    tab(page, "Clean")
    expect(page.locator("#dataset input").first).to_have_value(re.compile("talks"), timeout=PATIENCE)
    steps = page.locator(".wb-data-steps")
    expect(steps.locator(".wb-ds-said")).to_have_text("64 train rows, all applied", timeout=PATIENCE)
    return steps


def add(steps: Locator, words: str) -> None:
    """Adds the first step that is found by these words, by keyboard."""
    steps.get_by_role("button", name="Add a step").press("Enter")
    steps.get_by_label("Find a step").fill(words)
    steps.get_by_label("Find a step").press("Enter")


def apply(steps: Locator) -> None:
    steps.locator("#apply-steps").click()
    expect(steps).to_have_attribute("data-state", "applied", timeout=90_000)


def count(steps: Locator, method: str, what: str) -> Locator:
    return steps.locator(f'[data-method="{method}"] .wb-ds-count.is-{what}')


def applied(app: App) -> list[str]:
    return [step.method for step in Recipe.at(app.home.datasets / "talks").steps]


def clean(steps: Locator) -> None:
    for words in ("exact duplicates", "personal data", "split into train"):
        add(steps, words)
    apply(steps)


def test_steps_are_added_applied_looked_at_restored_and_undone(app: App, page: Page) -> None:
    steps = opened(app, page)
    for words in ("exact duplicates", "personal data", "split into train"):
        add(steps, words)
    expect(steps.get_by_text("not applied yet", exact=True)).to_have_count(3)
    assert applied(app) == []
    steps.get_by_label("Eval share", exact=True).fill("0.2")
    apply(steps)
    assert applied(app) == ["exact_duplicates", "pii", "split"]
    expect(page.locator(".wb-live-run:visible").first).to_have_attribute("data-status", "done", timeout=PATIENCE)
    expect(count(steps, "exact_duplicates", "removed")).to_have_text("−4")
    expect(count(steps, "pii", "changed")).to_have_text("~3")
    report = pipeline.step_summaries(app.home, "talks")
    assert [one["left"] for one in report] == [60, 60, 60]
    shot(page, "data-clean")

    count(steps, "pii", "changed").click()
    changed = steps.locator('[data-method="pii"] .wb-dt')
    expect(changed.locator("mark.is-out")).to_have_text(list(ADDRESSES.values()))
    expect(changed.locator("mark.is-in").first).to_contain_text("EMAIL")

    count(steps, "exact_duplicates", "removed").click()
    removed = steps.locator('[data-method="exact_duplicates"] .wb-dt')
    expect(removed.locator(".wb-dt-row")).to_have_count(4)
    expect(removed.locator(".wb-dt-reason").first).to_contain_text("row 4")
    removed.get_by_role("button", name="Restore", exact=True).first.click()
    expect(count(steps, "exact_duplicates", "removed")).to_have_text("−3", timeout=PATIENCE)
    assert pipeline.step_summaries(app.home, "talks")[0]["left"] == 61
    removed.get_by_role("button", name="Take out again").click()
    expect(count(steps, "exact_duplicates", "removed")).to_have_text("−4", timeout=PATIENCE)

    undo = steps.get_by_role("button", name="Undo", exact=True)
    for left in ("−3", "−4"):
        undo.click()
        expect(count(steps, "exact_duplicates", "removed")).to_have_text(left, timeout=PATIENCE)
    undo.click()
    expect(steps.locator(".wb-ds-step")).to_have_count(0, timeout=PATIENCE)
    assert applied(app) == []
    expect(undo).to_be_disabled()


def test_the_rows_are_written_for_another_trainer(app: App, page: Page) -> None:
    steps = opened(app, page)
    clean(steps)
    tab(page, "Export")
    expect(page.locator(".wb-preview .wb-code-text").first).to_contain_text("messages", timeout=PATIENCE)
    page.locator("#export-write").click()
    link = page.locator("#export-files a[download]").first
    expect(link).to_be_visible(timeout=30_000)
    with page.expect_download() as found:
        link.click()
    lines = Path(found.value.path()).read_text("utf-8").splitlines()
    assert len(lines) == 54
    assert all(json.loads(line)["messages"] for line in lines)
    assert "example.com" not in "".join(lines)
    shot(page, "data-export")


def test_steps_are_moved_checked_discarded_and_pasted(app: App, page: Page) -> None:
    steps = opened(app, page)
    add(steps, "personal data")
    add(steps, "pattern")
    steps.get_by_label("Patterns", exact=True).fill("(")
    wrong = steps.locator('[data-method="pattern"] .wb-field-wrong:visible')
    expect(wrong).not_to_be_empty(timeout=PATIENCE)
    steps.get_by_label("Patterns", exact=True).fill("small wren")
    expect(wrong).to_have_count(0, timeout=PATIENCE)
    steps.locator('[data-method="pattern"] .wb-ds-title').press("Alt+ArrowUp")
    expect(steps.locator(".wb-ds-step").first).to_have_attribute("data-method", "pattern")
    tab(page, "Export")
    tab(page, "Clean")
    steps = page.locator(".wb-data-steps")
    expect(steps.locator(".wb-ds-step")).to_have_count(2, timeout=PATIENCE)  # what is not applied outlives the tab
    expect(steps).to_have_attribute("data-state", "unsaved")
    steps.get_by_role("button", name="Discard").click()
    expect(steps.locator(".wb-ds-step")).to_have_count(0)
    assert applied(app) == []
    steps.get_by_text("Recipe as YAML").click()
    steps.get_by_text("Use another recipe").click()
    steps.get_by_label("A recipe as YAML").fill("name: x\nsteps:\n- method: exact_duplicats\n")
    steps.get_by_role("button", name="Use these steps").click()
    expect(steps.get_by_text("Did you mean exact_duplicates")).to_be_visible()
    steps.get_by_label("A recipe as YAML").fill("name: x\nsteps:\n- method: exact_duplicates\n  keep: last\n")
    steps.get_by_role("button", name="Use these steps").click()
    expect(steps.locator(".wb-ds-short")).to_contain_text("keep the last")
    apply(steps)
    assert applied(app) == ["exact_duplicates"]


def test_every_step_of_the_menu_opens_its_form(app: App, page: Page) -> None:
    steps = opened(app, page)
    steps.get_by_role("button", name="Add a step").click()
    names = [one.get_attribute("data-method") for one in steps.locator(".wb-dm-item:enabled").all()]
    assert {"exact_duplicates", "near_duplicates", "split", "pii"} <= set(names)
    assert "edit_rows" not in names
    for number, name in enumerate(names, start=1):
        steps.locator(f'.wb-dm-item[data-method="{name}"]').evaluate("node => node.click()")
        expect(steps.locator(".wb-ds-step")).to_have_count(number)
        form = steps.locator(".wb-ds-step").last.locator(".wb-ds-body")
        expect(form).to_be_visible()
        fields = len(STEPS.get(str(name)).model_fields) - 1  # restored rows are no setting
        expect(form.locator(".wb-field")).to_have_count(fields)


def test_the_result_becomes_a_dataset_of_its_own(app: App, page: Page) -> None:
    steps = opened(app, page)
    clean(steps)
    steps.get_by_text("Save as a new dataset").click()
    steps.get_by_label("Name of the new dataset").fill("clean-talks")
    steps.get_by_role("button", name="Save", exact=True).click()
    expect(page.locator(".wb-live-run:visible").first).to_have_attribute("data-status", "done", timeout=60_000)
    choose(page, "#dataset", "clean-talks")
    expect(page.locator(".wb-data-steps .wb-ds-said")).to_contain_text("60 train", timeout=PATIENCE)
