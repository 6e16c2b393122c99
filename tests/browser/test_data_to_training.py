"""From a messy file to a training run as a person does it: upload, map, clean, look, restore, split, see, train."""

import csv
from collections.abc import Iterator
from pathlib import Path

import pytest
from driving import App, choose, fill, live, pick, serving, shot, tab
from playwright.sync_api import Page, expect
from test_data_clean import add, apply, count

from tests.toys import toy_model
from workbench.core.home import Home
from workbench.core.lineage import read_manifest
from workbench.data.recipes import pipeline
from workbench.data.store.datasets import all_rows

PATIENCE = 60_000
ANSWER = "It is river number {}, and it is quite long, so that nobody takes this answer for another one."


@pytest.fixture(scope="module")
def app(tmp_path_factory: pytest.TempPathFactory) -> Iterator[App]:
    """The app on a home with the model 'toy' and no data."""
    home = Home.at(tmp_path_factory.mktemp("home"))
    toy_model(home)
    with serving(home) as app:
        yield app


def messy(path: Path) -> Path:
    """30 questions and answers in columns no format knows, three of them twice and two refused."""
    rows = [(f"Tell me of river {number}.", ANSWER.format(number)) for number in range(30)]
    rows += rows[4:7]
    rows[10] = (rows[10][0], "I'm sorry, but as an AI language model I cannot help with that.")
    rows[20] = (rows[20][0], "As an AI language model, I do not know this river, but here it is: long.")
    with path.open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([("Ask", "Told"), *rows])
    return path


@pytest.mark.prove
def test_a_messy_file_becomes_a_training_run(app: App, page: Page, tmp_path: Path) -> None:
    page.goto(app.url)
    tab(page, "Data")
    page.locator("input[type=file]").first.set_input_files(messy(tmp_path / "rivers.csv"))
    expect(page.locator("#import-found .wb-error")).to_contain_text("Ask", timeout=PATIENCE)
    form = page.locator("#data-format")
    form.get_by_label("Format", exact=True).select_option("prompt_completion")
    form.get_by_label("Prompt", exact=True).select_option("Ask")
    form.get_by_label("Completion", exact=True).select_option("Told")
    expect(page.locator("#import-found")).to_contain_text("Good rows33", timeout=PATIENCE)
    page.locator("#import-data").click()
    expect(page.locator("#dataset input")).to_have_value("rivers · conversation", timeout=PATIENCE)

    tab(page, "Clean")
    steps = page.locator(".wb-data-steps")
    expect(steps.locator(".wb-ds-step")).to_have_count(1, timeout=PATIENCE)  # the split made on import
    for words in ("exact duplicates", "refusals"):
        add(steps, words)
    apply(steps)
    expect(count(steps, "exact_duplicates", "removed")).to_have_text("−3", timeout=PATIENCE)
    count(steps, "refusals", "removed").click()
    removed = steps.locator('[data-method="refusals"] .wb-dt')
    expect(removed.locator("mark").first).to_have_text("I'm sorry, but as an AI")
    removed.locator(".wb-dt-row", has_text="here it is").get_by_role("button", name="Restore", exact=True).click()
    expect(count(steps, "refusals", "removed")).to_have_text("−1", timeout=PATIENCE)
    shot(page, "data-restored")
    assert [one["left"] for one in pipeline.step_summaries(app.home, "rivers")] == [33, 30, 29]
    kept = str(all_rows(app.home, "rivers") + all_rows(app.home, "rivers", "eval"))
    assert "here it is" in kept and "I cannot help" not in kept

    tab(page, "What the model sees")
    choose(page, "#see-model", "toy")
    trained = page.locator("#tokens .wb-token.is-trained")
    expect(trained.first).to_be_visible(timeout=PATIENCE)
    assert "<|im_end|>" in (trained.last.text_content() or "")

    tab(page, "Train")
    pick(page, "#train-form", "Model", "toy")
    pick(page, "#train-form", "Dataset", "rivers")
    fill(page, "Output name", "rivered")
    fill(page, "Maximum steps", "4")
    page.locator("#train-start").click()
    expect(live(page)).to_have_attribute("data-status", "done", timeout=120_000)
    made = read_manifest(app.home.models / "rivered")
    parent = next(one for one in made.parents if one.name == "rivers")
    assert parent.digest == read_manifest(app.home.datasets / "rivers").digest
