"""Forms as a person meets them: controls made from a spec, lists that follow the shelf, settings that stay."""

import re
from collections.abc import Iterator

import pytest
from driving import App, fill, pick, serving, tab
from playwright.sync_api import Locator, Page, expect

from tests.toys import toy_adapter, toy_dataset, toy_home
from workbench.jobs.queue import Queue


@pytest.fixture(scope="module")
def app(tmp_path_factory: pytest.TempPathFactory) -> Iterator[App]:
    """The app on a home with a model, two adapters, conversations and preference pairs."""
    home = toy_home(tmp_path_factory.mktemp("home"))
    for seed, name in enumerate(("first", "second")):
        toy_adapter(home, name, seed)
    with serving(home) as app:
        yield app


@pytest.fixture
def train(app: App, page: Page) -> Locator:
    page.goto(app.url)
    tab(page, "Train")
    form = page.locator("#train-form")
    expect(form.get_by_label("Model", exact=True)).not_to_have_value("")  # it takes the first by itself
    return form


def options(select: Locator) -> list[str]:
    return select.locator("option").all_inner_texts()


def test_the_objective_follows_what_the_dataset_holds(train: Locator) -> None:
    objective = train.get_by_label("Objective", exact=True)
    pick(train.page, "#train-form", "Dataset", "pairs")
    expect(objective).to_have_value("dpo")
    assert "SFT: learn from examples (for conversation or text rows)" in options(objective)
    expect(train.get_by_label("Beta (β)", exact=True)).to_have_value("0.1")
    pick(train.page, "#train-form", "Dataset", "talks")
    expect(objective).to_have_value("sft")
    expect(train.get_by_label("Beta (β)", exact=True)).to_have_count(0)


def test_an_objective_that_does_not_fit_stays_when_it_is_chosen(app: App, train: Locator) -> None:
    page, objective = train.page, train.get_by_label("Objective", exact=True)
    pick(page, "#train-form", "Dataset", "talks")
    pick(page, "#train-form", "Objective", "dpo")
    fill(page, "Beta (β)", "0.7", "#train-form")
    expect(objective).to_have_value("dpo")
    page.locator("#train-preset input").first.click()
    page.get_by_role("option", name="Preferences (DPO on pairs)").click()
    expect(train.get_by_label("Beta (β)", exact=True)).to_have_value("0.1")
    expect(objective).to_have_value("dpo")
    page.locator("#train-start").click()
    expect(page.locator(".toast-body").first).to_contain_text("holds conversation rows")
    pick(page, "#train-form", "Dataset", "pairs")
    expect(train.get_by_label("Learning rate", exact=True)).to_have_value("0.0001")  # the preset's


def test_a_model_is_written_as_no_list_has_it(train: Locator) -> None:
    """BASE+ADAPTER goes through the one parser, whoever writes it where."""
    page, model = train.page, train.get_by_label("Model", exact=True)
    before = model.input_value()
    for text, key, value in (("toy + first", "Escape", before), ("toy + first", "Enter", "toy + first")):
        model.select_option(label="Write it…")
        written = train.get_by_label("Model: a whole model, an adapter or BASE+ADAPTER")
        written.fill(text)
        written.press(key)
        expect(model).to_have_value(value)
    page.get_by_text("As YAML, for the command line").click()
    page.get_by_role("button", name="Write it out").click()
    expect(page.locator(".wb-code-text").filter(has_text="method: train")).to_contain_text("model: toy+first")
    model.select_option(label="Write it…")
    written.fill("first+toy")
    written.press("Enter")
    page.locator("#train-start").click()
    expect(page.locator(".toast-body").first).to_contain_text("'toy' is no adapter: it is a whole model.")


def test_numbers_that_are_none_are_refused_not_dropped(app: App, train: Locator) -> None:
    page, before = train.page, len(Queue(app.home).all())
    tab(page, "Merge")
    tab(page, "Adapters")
    form = page.locator("#form-combine-adapters")
    pick(page, "#form-combine-adapters", "Adapters", "first", "second")
    fill(page, "Weights", "0.7, 0.3x", "#form-combine-adapters")
    expect(form.locator('[data-field="weights"] .wb-field-wrong')).to_contain_text("Numbers with commas")
    page.locator("#start-combine-adapters").click()
    expect(page.locator(".toast-body").first).to_contain_text("weights")
    assert len(Queue(app.home).all()) == before


def test_settings_of_a_method_stay_while_another_is_looked_at(train: Locator) -> None:
    page = train.page
    fill(page, "LoRA alpha (α)", "48", "#train-form")
    pick(page, "#train-form", "Tuner", "full")
    expect(train.get_by_label("LoRA alpha (α)", exact=True)).to_have_count(0)
    pick(page, "#train-form", "Tuner", "lora")
    expect(train.get_by_label("LoRA alpha (α)", exact=True)).to_have_value("48")
    tab(page, "Jobs")
    tab(page, "Train")
    expect(train.get_by_label("LoRA alpha (α)", exact=True)).to_have_value("48")
    page.get_by_role("button", name="As YAML, for the command line").click()
    page.get_by_role("button", name="Write it out").click()
    expect(page.locator(".wb-code-text").last).to_contain_text("alpha: 48")


def test_an_emptied_number_is_as_usual_and_a_wrong_one_says_what_it_may_be(train: Locator) -> None:
    page, field = train.page, train.locator('[data-field="max_length"]')
    fill(page, "Maximum length (tokens)", "0", "#train-form")
    expect(field.locator(".wb-field-wrong")).to_contain_text("A whole number from")
    fill(page, "Maximum length (tokens)", "", "#train-form")
    expect(field.locator(".wb-field-wrong")).to_be_hidden()
    page.get_by_role("button", name="As YAML, for the command line").click()
    page.get_by_role("button", name="Write it out").click()
    expect(page.locator(".wb-code-text").last).to_contain_text("max_length: 512")


def test_a_preset_fills_what_it_names_and_leaves_the_rest(train: Locator) -> None:
    page = train.page
    fill(page, "Output name", "mine", "#train-form")
    page.locator("#train-preset input").first.click()
    page.get_by_role("option", name="Quick look").click()
    expect(train.get_by_label("Maximum steps", exact=True)).to_have_value("50")
    expect(train.get_by_label("Output name", exact=True)).to_have_value("mine")


def test_labels_name_their_own_controls_on_a_page_of_many_forms(app: App, train: Locator) -> None:
    page = train.page
    tab(page, "Merge")
    for name in ("Adapters", "Extract LoRA", "Search"):
        tab(page, name)
        expect(page.locator(".wb-form:visible").first).to_be_visible()
    page.wait_for_function("document.querySelectorAll('.wb-form [id]').length > 30")
    ids = page.evaluate("[...document.querySelectorAll('.wb-form [id]')].map((one) => one.id)")
    assert len(ids) > 30 and len(set(ids)) == len(ids)


def test_the_operators_endpoint_can_be_chosen_where_the_first_model_is_usual(app: App, train: Locator) -> None:
    page = train.page
    tab(page, "Data")
    tab(page, "Make more")
    writer = page.locator("#make-form").get_by_label("Model", exact=True)
    expect(writer).not_to_have_value("")
    assert "" not in [option.get_attribute("value") for option in writer.locator("option").all()]
    writer.select_option("the operator's endpoint")
    page.wait_for_timeout(1000)  # what fills itself has had its turn
    expect(writer).to_have_value("@endpoint")


def test_several_are_chosen_in_order_and_taken_back(app: App, train: Locator) -> None:
    page = train.page
    tab(page, "Merge")
    tab(page, "Adapters")
    form = page.locator("#form-combine-adapters")
    chips = form.locator(".wb-form-chip")
    pick(page, "#form-combine-adapters", "Adapters", "second", "first")
    expect(chips).to_have_count(2)
    expect(chips.first).to_contain_text("second")
    left = options(form.get_by_label("Adapters", exact=True))
    assert not any("first" in text or "second" in text for text in left)  # nothing is left to add but what one writes
    chips.first.get_by_role("button").click()
    expect(chips).to_have_count(1)
    expect(chips.first).to_contain_text("first")
    assert any("second" in text for text in options(form.get_by_label("Adapters", exact=True)))


def test_lists_follow_the_shelf_while_something_is_typed(app: App, train: Locator) -> None:
    page = train.page
    output = train.get_by_label("Output name", exact=True)
    output.press_sequentially("half-typ")
    toy_dataset(app.home, "newcomers")
    expect(train.get_by_label("Dataset", exact=True).locator("option[value=newcomers]")).to_be_attached()
    expect(output).to_be_focused()
    page.keyboard.type("ed")
    expect(output).to_have_value("half-typed")


def test_what_differs_from_its_default_is_marked_and_can_be_reset_by_keyboard(train: Locator) -> None:
    page, field = train.page, train.locator('[data-field="epochs"]')
    reset = train.get_by_role("button", name="Reset Epochs to its default: 1", exact=True)
    expect(reset).to_have_count(0)
    fill(page, "Epochs", "3", "#train-form")
    expect(field).to_have_class(re.compile("is-changed"))
    reset.focus()
    page.keyboard.press("Enter")
    epochs = train.get_by_label("Epochs", exact=True)
    expect(epochs).to_have_value("1")
    expect(epochs).to_be_focused()
    expect(field).not_to_have_class(re.compile("is-changed"))
    expect(reset).to_have_count(0)
    fill(page, "Epochs", "2", "#train-form")
    fill(page, "Epochs", "1", "#train-form")  # by hand, too
    expect(reset).to_have_count(0)


def test_all_settings_of_a_method_are_reset_at_once_and_the_method_by_itself(train: Locator) -> None:
    page = train.page
    pick(page, "#train-form", "Tuner", "qlora")
    fill(page, "LoRA alpha (α)", "48", "#train-form")
    fill(page, "LoRA dropout", "0.3", "#train-form")
    section = train.locator('[data-field="tuner"]')
    section.get_by_role("button", name=re.compile("^Reset all settings of QLoRA")).click()
    expect(train.get_by_label("LoRA alpha (α)", exact=True)).not_to_have_value("48")
    expect(train.get_by_label("LoRA dropout", exact=True)).to_have_value("0")
    expect(section.get_by_role("button", name=re.compile("^Reset all settings"))).to_have_count(0)
    expect(train.get_by_label("Tuner", exact=True)).to_have_value("qlora")
    section.get_by_role("button", name=re.compile("^Reset Tuner to its default")).click()
    expect(train.get_by_label("Tuner", exact=True)).to_have_value("lora")


def outer_fold(train: Locator) -> Locator:
    """The fold of the whole form; objective, optimizer and schedule have folds of their own."""
    return train.locator(".wb-form-more", has=train.page.locator('[data-field="seed"]'))


def test_a_fold_says_how_many_of_its_settings_were_changed(train: Locator) -> None:
    page, fold = train.page, outer_fold(train).locator("> summary")
    expect(fold).to_have_text("More settings")
    fold.click()
    fill(page, "Random seed", "7", "#train-form")
    fill(page, "Warm-up (share)", "0.1", "#train-form")
    expect(fold).to_have_text("More settings · 2 changed")
    fill(page, "Random seed", "0", "#train-form")
    expect(fold).to_have_text("More settings · 1 changed")


def test_what_is_refused_is_told_beside_its_setting_and_comes_into_view(app: App, train: Locator) -> None:
    page, before = train.page, len(Queue(app.home).all())
    pick(page, "#train-form", "Dataset", "pairs")
    fill(page, "Beta (β)", "0", "#train-form")
    fill(page, "Maximum length (tokens)", "1", "#train-form")
    outer_fold(train).locator("> summary").click()
    fill(page, "Random seed", "-1", "#train-form")
    outer_fold(train).locator("> summary").click()
    page.locator("#train-start").click()
    beta = train.get_by_label("Beta (β)", exact=True)
    message = train.locator('[data-field="objective"] [data-field="beta"] .wb-field-wrong')
    expect(message).to_contain_text("greater than 0")
    expect(beta).to_have_attribute("aria-invalid", "true")
    assert message.get_attribute("id") in (beta.get_attribute("aria-describedby") or "").split()
    expect(train.locator('[data-field="max_length"] .wb-field-wrong')).to_contain_text("greater than or equal to 16")
    expect(train.locator('[data-field="seed"] .wb-field-wrong')).to_contain_text("greater than or equal to 0")
    expect(beta).to_be_focused()
    expect(page.locator(".toast-body").first).to_contain_text("objective.beta")
    fill(page, "Beta (β)", "0.2", "#train-form")
    expect(message).to_be_hidden()
    expect(beta).to_have_attribute("aria-invalid", "false")
    expect(train.locator('[data-field="max_length"] .wb-field-wrong')).to_be_visible()
    assert len(Queue(app.home).all()) == before


def test_a_refusal_in_the_fold_opens_it(train: Locator) -> None:
    page, fold = train.page, outer_fold(train)
    fold.locator("> summary").click()
    fill(page, "Random seed", "-1", "#train-form")
    fold.locator("> summary").click()
    expect(fold).not_to_have_attribute("open", "")
    page.get_by_role("button", name="As YAML, for the command line").click()
    page.get_by_role("button", name="Write it out").click()
    expect(train.get_by_label("Random seed", exact=True)).to_be_focused()
    fill(page, "Random seed", "1", "#train-form")
    page.get_by_role("button", name="Write it out").click()
    written = page.locator(".wb-code-text").last
    expect(written).to_contain_text("method: train")

    expect(written).to_contain_text("seed: 1")
