"""The check before a training: settings that do not fit are made to fit by one press, and then the run ends."""

import json
import re
from pathlib import Path

from driving import fill, live, pick, serving, shot, tab
from playwright.sync_api import Page, expect

from tests.toys import toy_home

MEMORY_GB = "0.075"  # two thirds of it go to the toy's trainer; 64 rows at once are too many


def test_settings_that_do_not_fit_are_made_to_fit_and_train(tmp_path: Path, page: Page) -> None:
    with serving(toy_home(tmp_path), WORKBENCH_MEMORY_GB=MEMORY_GB) as app:
        page.goto(app.url)
        tab(page, "Train")
        pick(page, "#train-form", "Model", "toy")
        pick(page, "#train-form", "Dataset", "talks")
        fill(page, "Maximum steps", "2", "#train-form")
        fill(page, "Batch size (rows)", "64", "#train-form")
        check = page.locator("#train-check")
        expect(check).to_contain_text("so it does not fit", timeout=60_000)
        expect(check.get_by_role("img")).to_be_visible()
        expect(check.locator(".wb-check-parts")).to_contain_text("activations")
        check.get_by_role("button", name="Make it fit").click()
        expect(check).to_contain_text("so it fits")
        expect(check).to_contain_text("Batch size (rows): 64 → ")
        rows = page.locator("#train-form [data-field=batch_size] input").first
        expect(rows).to_have_value(re.compile(r"^(\d|[1-3]\d)$"))  # how many depends on the bytes of a float here
        fill(page, "Maximum steps", "3", "#train-form")
        expect(check).to_contain_text("64 → ")
        fill(page, "Batch size (rows)", "2" if rows.input_value() == "1" else "1", "#train-form")
        expect(check).not_to_contain_text("64 → ")
        check.get_by_role("button", name="Look at the rows").click()
        expect(check).to_contain_text("Rows: 0 of 34 rows are cut off")
        shot(page, "training-check")
        page.locator("#train-start").click()
        expect(live(page)).to_contain_text("Finished: it made toy-sft", timeout=180_000)


def test_positions_scaled_in_the_form_are_kept_by_the_adapter_and_asked_of_its_base(tmp_path: Path, page: Page) -> None:
    home = toy_home(tmp_path)
    with serving(home) as app:
        page.goto(app.url)
        tab(page, "Train")
        pick(page, "#train-form", "Model", "toy")
        pick(page, "#train-form", "Dataset", "talks")
        form, factor = page.locator("#train-form"), page.get_by_label("RoPE factor", exact=True)
        for more in form.locator(".wb-form-more > summary").all():
            more.click()
        expect(factor).to_be_hidden()
        pick(page, "#train-form", "RoPE scaling", "yarn")
        fill(page, "RoPE factor", "0.5", "#train-form")
        check = page.locator("#train-check")
        expect(check).to_contain_text("greater than 1")
        fill(page, "RoPE factor", "4", "#train-form")
        fill(page, "Maximum steps", "2", "#train-form")
        expect(check).to_contain_text("so it fits")
        page.locator("#train-start").click()
        expect(live(page)).to_contain_text("Finished: it made toy-sft", timeout=180_000)
        expect(live(page)).to_contain_text("YaRN × 4: 2,048 tokens")
        asked = json.loads((home.models / "toy-sft" / "base_config.json").read_text())
        assert asked["rope_parameters"]["rope_type"] == "yarn" and asked["max_position_embeddings"] == 2048
        tab(page, "Models")
        page.locator('#models-table tr[data-key="toy-sft"]').click()
        expect(page.locator("#model-facts")).to_contain_text("YaRN × 4")
        shot(page, "model-with-scaled-positions")
