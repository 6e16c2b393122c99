"""Compressing as a person does it, on toy models: a ladder of an adapter, what it cost, a chat, pruning and healing."""

import re
from collections.abc import Iterator

import pytest
from driving import App, choose, fill, live, pick, serving, shot, tab, until
from playwright.sync_api import Locator, Page, expect

from tests.toys import toy_adapter, toy_dataset, toy_model
from workbench.core.home import Home
from workbench.core.lineage import read_manifest
from workbench.jobs.queue import Queue

MADE = ["first-q8_0", "first-q4_k_m"]


@pytest.fixture(scope="module")
def app(tmp_path_factory: pytest.TempPathFactory) -> Iterator[App]:
    """The app on a home with 'toy', wide enough for K-quants, and its adapter 'first'."""
    home = Home.at(tmp_path_factory.mktemp("home"))
    toy_model(home, hidden=256, lessons=30)
    toy_dataset(home)
    toy_adapter(home, "first", seed=0, spread=0.02)
    with serving(home) as app:
        yield app


@pytest.fixture
def ladder(app: App, page: Page) -> Locator:
    """The ladder of 'first' with its estimates."""
    page.goto(app.url)
    tab(page, "Compress")
    found = page.locator(".wb-ladder")
    expect(found).to_have_attribute("data-model", re.compile("."))  # one of them by itself
    pick(page, "#compress-model", "Model", "first")
    expect(found).to_have_attribute("data-model", "first")
    return found


def finished(app: App, label: str) -> None:
    """Waits for the job of that label; fails if it did not end well."""
    view = until(lambda: next((one for one in Queue(app.home).all() if one.label == label and one.final), None), 180)
    assert view.status == "done", view.error


def row(ladder: Locator, name: str) -> Locator:
    return ladder.locator(".wb-ladder-row").filter(has=ladder.page.get_by_label(name, exact=True))


def megabytes(text: str) -> float:
    number, unit = text.split()
    return float(number) * {"kB": 1e-3, "MB": 1, "GB": 1e3}[unit]


def test_every_quantizer_is_a_row_with_its_size_before_or_its_reason(ladder: Locator) -> None:
    sizes = {}
    for name in ("Q8_0", "Q6_K", "Q4_K_M"):
        cells = row(ladder, name).locator("td.is-number")
        sizes[name] = megabytes(cells.first.inner_text())
        assert 4 < float(cells.nth(1).inner_text()) < 12
    assert sizes["Q8_0"] > sizes["Q6_K"] > sizes["Q4_K_M"]
    hidden = row(ladder, "Q5_0")
    expect(hidden).to_be_hidden()
    ladder.get_by_role("button", name="13 more").click()
    expect(hidden).to_be_visible()
    expect(row(ladder, "IQ2_XXS")).to_contain_text("importance")
    expect(ladder.get_by_label("IQ2_XXS", exact=True)).to_be_disabled()
    ladder.get_by_label("Gigabytes to fit into").fill("4")
    ladder.get_by_role("button", name="Fit into").click()
    expect(ladder.locator(".wb-ladder-fitted")).to_contain_text("is the best that fits")
    expect(ladder.locator(".wb-ladder-summary")).to_contain_text("1 chosen")


def test_a_ladder_of_an_adapter_is_made_and_listed_with_real_sizes(app: App, ladder: Locator) -> None:
    page = ladder.page
    ladder.get_by_role("button", name="None").click()
    for name in ("Q8_0", "Q4_K_M"):
        ladder.get_by_label(name, exact=True).check()
    page.locator("#quantize-start").click()
    finished(app, "Quantize first")
    expect(live(page)).to_have_attribute("data-status", "done")
    table = page.locator("#compress-result .wb-table")
    expect(table.locator("tbody tr")).to_have_count(3)
    for name in MADE:
        expect(table).to_contain_text(name)
        parents = {parent.name for parent in read_manifest(app.home.models / name).parents}
        assert parents == {"toy", "first"}
    shot(page, "compress")
    tab(page, "GGUF files")
    choose(page, "#gguf-file", MADE[1])
    expect(page.locator("#gguf-command")).to_contain_text("llama-cli")
    expect(page.locator("#gguf-modelfile")).to_contain_text("FROM ./model.gguf")


def test_what_it_cost_as_a_table_and_a_scatter(app: App, ladder: Locator) -> None:
    page = ladder.page
    page.locator("#to-cost").click()
    expect(page.locator("#form-cost .wb-form-chip")).to_have_count(2)
    page.get_by_text("More settings").locator("visible=true").first.click()
    fill(page, "Rows", "6")
    fill(page, "Generated length (tokens)", "4")
    fill(page, "Prompt length (tokens)", "16")
    page.locator("#start-cost").click()
    finished(app, "What it cost: first")
    result = page.locator("#compress-result")
    expect(result.locator("table").first.locator("tbody tr")).to_have_count(3)
    expect(result).to_contain_text("take this one")
    page.locator("#compress-figure").scroll_into_view_if_needed()  # drawn once it is seen
    expect(page.locator("#compress-figure .js-plotly-plot .scatterlayer .point").first).to_be_visible(timeout=20_000)
    fill(page, "Memory for the model (GB)", "0.001")
    expect(result).to_contain_text("None fits")
    shot(page, "cost")


def test_the_smallest_answers_beside_the_original(app: App, ladder: Locator) -> None:
    page = ladder.page
    page.locator(".wb-job input:visible").first.fill("Quantize first")
    page.keyboard.press("Enter")
    page.locator("#to-chat").click()
    chosen = page.locator("#compare-models")
    for name in ("first", *MADE):
        expect(chosen).to_contain_text(name)
    page.locator("#chat-message textarea").fill("Tell me of the small wren number 3.")
    page.locator("#chat-message textarea").press("Enter")
    expect(page.locator('.wb-pane[data-state="done"]')).to_have_count(3, timeout=90_000)
    expect(page.locator(".wb-pane").filter(has_text=MADE[1])).to_be_visible()
    assert page.locator(".wb-pane .wb-error").count() == 0


def test_zeros_are_healed_by_training_all_weights(app: App, ladder: Locator) -> None:
    page = ladder.page
    tab(page, "Prune")
    expect(page.get_by_text("What becomes smaller, what becomes faster")).to_be_visible()
    pick(page, "#form-prune", "Model", "toy")
    pick(page, "#form-prune", "Pruning method", "magnitude")
    page.locator("#start-prune").click()
    finished(app, "Prune toy")
    page.locator("#to-heal").click()
    form = page.locator("#train-form")
    expect(form.get_by_label("Model", exact=True)).to_have_value("toy-magnitude-50")
    expect(form.get_by_label("Tuner", exact=True)).to_have_value("full")


def test_nothing_leaves_without_a_login(app: App, ladder: Locator) -> None:
    page = ladder.page
    before = len(Queue(app.home).all())
    tab(page, "GGUF files")
    page.get_by_role("button", name="To the hub").click()
    fill(page, "Repository", "somebody/toy-GGUF")
    pick(page, "#form-push-gguf", "GGUF models", MADE[0])
    page.locator("#start-push-gguf").click()
    expect(page.locator(".toast-body").first).to_contain_text("hub")
    assert len(Queue(app.home).all()) == before
