"""Merging as a person does it, on toy models: a recipe, its proof, the family tree, and on to Compare and Label."""

from collections.abc import Iterator
from typing import Any

import pytest
from driving import App, choose, fill, live, pick, serving, shot, tab, until
from playwright.sync_api import Locator, Page, expect

from tests.toys import toy_adapter, toy_home
from workbench.core.lineage import read_manifest
from workbench.jobs.queue import Queue
from workbench.models.shelf import delete_model

MADE = "second-slerp"


@pytest.fixture(scope="module")
def app(tmp_path_factory: pytest.TempPathFactory) -> Iterator[App]:
    """The app on a home with 'toy' and its adapters first and second."""
    home = toy_home(tmp_path_factory.mktemp("home"), lessons=60)
    for seed, name in enumerate(("first", "second")):
        toy_adapter(home, name, seed, spread=0.02)
    with serving(home) as app:
        yield app


@pytest.fixture
def builder(app: App, page: Page) -> Locator:
    """The builder with a checked recipe; patient, since jobs run beside the page."""
    page.goto(app.url)
    tab(page, "Merge")
    found = page.locator(".wb-merge-builder")
    expect(found).to_have_attribute("data-checked", "ready")
    return found


def finished(app: App, page: Page, label: str) -> Any:
    """The job of that label when it has ended; fails if it did not end well."""
    expect(page.locator(".wb-live-title:visible")).to_have_text(label)
    view = until(lambda: next((one for one in Queue(app.home).all() if one.label == label and one.final), None), 180)
    assert view.status == "done", view.error
    return view


def test_two_adapters_are_merged_by_slerp_and_proved(app: App, builder: Locator) -> None:
    page = builder.page
    expect(builder.get_by_label("Method")).to_have_value("slerp")
    expect(builder.get_by_label("Name of the result")).to_have_value(MADE)
    expect(builder.locator(".wb-kv")).to_contain_text("Layers")
    page.locator("#merge-start").click()
    finished(app, page, f"Merge {MADE}")
    expect(live(page)).to_have_attribute("data-status", "done")
    samples = page.locator(".wb-sample")
    expect(samples).to_have_count(3)
    names = samples.first.locator("b").all_inner_texts()
    assert set(names) == {MADE, "first", "second"}
    expect(page.locator("#merge-result .wb-table")).to_contain_text(MADE)
    parents = {parent.name for parent in read_manifest(app.home.models / MADE).parents}
    assert parents == {"toy", "first", "second"}
    shot(page, "merge")


def test_the_tree_of_the_result_shows_its_parents(app: App, builder: Locator) -> None:
    page = builder.page
    page.locator("#to-tree").click()
    expect(page.locator("#tree-model input")).to_have_value(MADE)
    tree = page.locator("#tree .js-plotly-plot")
    expect(tree).to_be_visible()
    for name in (MADE, "first", "second", "toy"):
        expect(tree).to_contain_text(name)
    expect(tree.get_by_text("merge", exact=True)).to_have_count(1)
    shot(page, "family")


def test_the_tree_follows_what_is_made_meanwhile(app: App, builder: Locator) -> None:
    page = builder.page
    page.locator("#to-tree").click()
    tree = page.locator("#tree .js-plotly-plot")
    expect(tree).to_contain_text("second")
    expect(tree).not_to_contain_text("third")
    toy_adapter(app.home, "third", 2, base=MADE)
    expect(tree).to_contain_text("third")
    delete_model(app.home, "third")
    expect(tree).not_to_contain_text("third")


def test_it_is_compared_with_its_parents(app: App, builder: Locator) -> None:
    page = builder.page
    page.locator("#to-compare").click()
    chosen = page.locator("#compare-models")
    expect(chosen).to_contain_text(MADE)
    expect(chosen).to_contain_text("first · adapter of toy")
    expect(chosen).to_contain_text("second · adapter of toy")
    page.locator("#chat-message textarea").fill("Tell me of the small wren number 3.")
    page.locator("#chat-message textarea").press("Enter")
    expect(page.locator('.wb-pane[data-state="done"]')).to_have_count(3, timeout=120_000)


def test_it_goes_to_the_label_tab_and_back_into_the_builder(app: App, builder: Locator) -> None:
    page = builder.page
    page.locator("#to-label").click()
    expect(page.locator("#label-form .wb-form-chip").first).to_contain_text(MADE)
    tab(page, "Merge")
    builder.get_by_label("Method").select_option("linear")
    page.locator("#to-recipe").click()
    expect(builder.get_by_label("Method")).to_have_value("slerp")
    expect(builder.get_by_label("Name of the result")).to_have_value(f"{MADE}-2")


def test_a_recipe_that_cannot_work_says_why_before_anything_starts(app: App, builder: Locator) -> None:
    before = len(Queue(app.home).all())
    builder.get_by_label("Model", exact=True).nth(1).select_option("toy")
    builder.get_by_label("Name of the result").fill("toy")
    expect(builder).to_have_attribute("data-checked", "problems")
    expect(builder.locator(".wb-note.is-error").first).to_contain_text("toy")
    builder.page.locator("#merge-start").click()
    expect(builder.page.locator(".toast-body").first).to_contain_text("toy")
    assert len(Queue(app.home).all()) == before


def test_a_recipe_of_others_finds_a_folder_by_its_hub_id_and_other_configurations_are_told(
    app: App, builder: Locator
) -> None:
    page = builder.page
    tab(page, "Models")
    fill(page, "Folder", str(app.home.models / "toy"))
    page.get_by_label("Name on the shelf", exact=True).locator("visible=true").last.fill("copy")
    page.locator("#folder-hub-id input").fill("owner/model-1.5B")
    page.get_by_role("button", name="Add folder").click()
    expect(page.locator(".toast-body").first).to_contain_text("copy is on the shelf")
    tab(page, "Merge")
    builder.locator(".wb-merge-yaml summary").click()
    box = builder.get_by_label("Recipe as YAML")
    apply = builder.get_by_role("button", name="Apply")
    box.fill("base_model: owner/model-1.5B\nadapter: lora\nmicro_batch_size: 2")
    apply.click()
    expect(builder.locator(".wb-merge-yaml .wb-hint")).to_contain_text(
        "a training configuration of axolotl, not a merge"
    )
    box.fill("{merge_method: linear, models: [{model: owner/model-1.5B, parameters: {weight: 1}}, "
             "{model: toy, parameters: {weight: 1}}], dtype: float32}")  # fmt: skip
    apply.click()
    expect(builder.locator(".wb-merge-check")).to_contain_text("owner/model-1.5B")
    expect(builder).to_have_attribute("data-checked", "ready")
    expect(builder.locator(".wb-note.is-error")).to_have_count(0)
    delete_model(app.home, "copy")


def test_adapters_are_combined_and_an_ensemble_is_made_from_their_tabs(app: App, builder: Locator) -> None:
    page = builder.page
    tab(page, "Adapters")
    pick(page, "#form-combine-adapters", "Adapters", "first", "second")
    fill(page, "Weights", "0.7, 0.3")
    fill(page, "Output name", "both", "#form-combine-adapters")
    page.locator("#start-combine-adapters").click()
    finished(app, page, "Combine first + second")
    assert read_manifest(app.home.models / "both").made_by["weights"] == [0.7, 0.3]
    tab(page, "Ensembles")
    pick(page, "#ensemble-form", "Members", "first", "both")
    fill(page, "Name", "choir")
    page.locator("#make-ensemble").click()
    expect(page.locator(".wb-subtabs .wb-table")).to_contain_text("choir")
    tab(page, "Compare")
    choose(page, "#compare-models", "choir")
    expect(page.locator("#compare-models")).to_contain_text("choir")
