"""The whole loop as a person does it, on a toy model: data, train, compare, vote, DPO; reloads and two browsers."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from driving import App, choose, fill, live, pick, serving, shot, tab, until
from playwright.sync_api import Browser, Page, expect

from tests.toys import conversations, toy_home
from workbench.jobs.queue import Queue
from workbench.preferences.standing_votes import effective_votes


@pytest.fixture(scope="module")
def app(tmp_path_factory: pytest.TempPathFactory) -> Iterator[App]:
    with serving(toy_home(tmp_path_factory.mktemp("home"), lessons=160), spare=True) as app:
        yield app


def test_upload_and_see_what_the_model_sees(app: App, page: Page, tmp_path: Path) -> None:
    file = tmp_path / "My Talks.jsonl"
    lines = [json.dumps(row) for row in conversations(20)]
    file.write_text("\n".join([*lines, '{"messages": "broken"}']))
    page.goto(app.url)
    tab(page, "Data")
    page.locator("input[type=file]").first.set_input_files(file)
    expect(page.get_by_text("Good rows")).to_be_visible()
    expect(page.get_by_text("1 – kept aside with their reasons")).to_be_visible()
    page.locator("#import-data").click()
    expect(page.locator("#dataset input")).to_have_value("my-talks.jsonl · conversation".replace(".jsonl", ""))
    expect(page.locator("#rows")).to_contain_text("It is good.")
    tab(page, "What the model sees")
    choose(page, "#see-model", "toy")
    tokens = page.locator("#tokens .wb-token.is-trained")
    expect(tokens.first).to_be_visible()
    assert "<|im_end|>" in (tokens.last.text_content() or "")
    shot(page, "data")


def test_bad_data_says_what_to_do_and_leaves_nothing(app: App, page: Page, tmp_path: Path) -> None:
    file = tmp_path / "broken.json"
    file.write_text('[{"a": 1},')
    page.goto(app.url)
    tab(page, "Data")
    page.locator("input[type=file]").first.set_input_files(file)
    expect(page.locator(".toast-body").first).to_be_visible()
    assert not (app.home.datasets / "broken").exists()


def test_columns_that_no_format_knows_are_named_and_no_button_covers_a_field(
    app: App, page: Page, tmp_path: Path
) -> None:
    file = tmp_path / "odd.csv"
    file.write_text("Frage?,,Frage?\nwhat,x,y\nwhere,x,z\n", encoding="utf-8")
    page.goto(app.url)
    tab(page, "Data")
    page.locator("input[type=file]").first.set_input_files(file)
    expect(page.locator("#import-found")).to_contain_text("No format knows these columns")
    share = page.get_by_label("Eval share", exact=True)
    share.scroll_into_view_if_needed()
    share.click(timeout=20_000)  # fails where something else would get the click


def test_train_survives_reload_and_shows_in_two_browsers(app: App, page: Page, browser: Browser) -> None:
    page.goto(app.url)
    start_training(page, output="tuned", steps="60")
    expect(
        live(page).locator(".wb-live-actions, .wb-chip").first
    ).to_be_in_viewport()  # though the form is longer than the page
    expect(live(page)).to_have_attribute("data-status", "running", timeout=60_000)
    page.reload()
    tab(page, "Train")
    other = browser.new_context(viewport={"width": 1366, "height": 768}).new_page()
    other.goto(app.url)
    tab(other, "Jobs")
    for seen in (page, other):
        expect(live(seen)).to_have_attribute("data-status", "done", timeout=120_000)
    queue = Queue(app.home)
    points = [point for point in queue.get(queue.all()[-1].id).state.points if "loss" in point]
    assert [point["step"] for point in points] == list(range(1, 61))
    expect(live(page)).to_have_attribute("data-points", str(len(queue.get(queue.all()[-1].id).state.points)))
    shot(page, "train")
    other.context.close()


def start_training(page: Page, output: str, steps: str) -> None:
    tab(page, "Train")
    pick(page, "#train-form", "Model", "toy")
    pick(page, "#train-form", "Dataset", "talks")
    fill(page, "Output name", output)
    fill(page, "Maximum steps", steps)
    fill(page, "Learning rate", "0.002")
    page.locator("#train-start").click()


def test_closing_the_tab_leaves_the_run_unharmed(app: App, page: Page, browser: Browser) -> None:
    visitor = browser.new_context().new_page()
    visitor.goto(app.url)
    start_training(visitor, output="left-alone", steps="40")
    until(lambda: any(view.label == "SFT left-alone" and view.status == "running" for view in Queue(app.home).all()))
    visitor.context.close()
    view = until(lambda: next((v for v in Queue(app.home).all() if v.label == "SFT left-alone" and v.final), None), 120)
    assert view.status == "done"
    assert (app.home.models / "left-alone" / "adapter_model.safetensors").is_file()


def test_a_run_is_stopped_resumed_and_killed_from_its_view(app: App, page: Page) -> None:
    page.goto(app.url)
    start_training(page, output="paused", steps="3000")
    view = live(page)
    expect(view).to_have_attribute("data-status", "running", timeout=60_000)
    view.get_by_role("button", name="Stop and keep").click()
    expect(view.locator(".wb-live-told")).to_contain_text("Stopping after this step")
    expect(view).to_have_attribute("data-status", "stopped", timeout=60_000)
    assert (app.home.models / "paused" / "adapter_model.safetensors").is_file()
    view.get_by_role("button", name="Resume").click()
    expect(view.locator(".wb-live-told")).to_contain_text("Resumed")
    expect(view).to_have_attribute("data-status", "running", timeout=60_000)
    view.get_by_role("button", name="Kill now").click()
    expect(view).to_have_attribute("data-status", "interrupted", timeout=60_000)
    expect(view.locator(".wb-live-actions button")).to_have_text(["Resume"])


def test_a_bad_setting_is_named_and_nothing_starts(app: App, page: Page) -> None:
    before = len(Queue(app.home).all())
    page.goto(app.url)
    tab(page, "Train")
    pick(page, "#train-form", "Model", "toy")
    pick(page, "#train-form", "Dataset", "talks")
    fill(page, "Output name", "../elsewhere")
    page.locator("#train-start").click()
    toast = page.locator(".toast-body").first
    expect(toast).to_contain_text("cannot be a name")
    expect(toast).to_contain_text("Use letters, digits")
    assert len(Queue(app.home).all()) == before


def test_compare_base_and_adapter_side_by_side(app: App, page: Page) -> None:
    page.goto(app.url)
    tab(page, "Compare")
    choose(page, "#compare-models", "toy", "tuned")
    page.get_by_label("Greedy decoding", exact=True).locator("visible=true").check()
    page.locator("#chat-message textarea").fill("Tell me of the small wren number 3.")
    page.locator("#chat-message textarea").press("Enter")
    panes = page.locator(".wb-pane")
    expect(panes).to_have_count(2)
    expect(page.locator('.wb-pane[data-state="done"]')).to_have_count(2, timeout=90_000)
    expect(panes.nth(0)).to_contain_text("adapters off")
    expect(panes.nth(1)).to_contain_text("adapter tuned on")
    expect(panes.nth(0)).to_contain_text("It is so.")
    expect(panes.nth(1)).to_contain_text("It is good.")
    shot(page, "compare")
    page.reload()
    tab(page, "Compare")
    expect(page.locator(".wb-pane")).to_have_count(2)


def test_vote_by_keyboard_then_dpo(app: App, page: Page) -> None:
    page.goto(app.url)
    tab(page, "Label")
    fill(page, "Session name", "round-one", "#label-form")
    pick(page, "#label-form", "Models", "toy", "tuned")
    pick(page, "#label-form", "Prompts", "talks")
    fill(page, "Number of prompts", "8")
    page.locator("#label-start").click()
    until(lambda: any(v.label == "Answers for round-one" and v.status == "done" for v in Queue(app.home).all()), 120)
    page.locator("#annotator input, #annotator textarea").first.fill("ada")
    page.locator("#vote-start").click()
    pad = page.locator(".wb-vote-pad")
    expect(pad).to_contain_text("Tell me of")
    for count in range(1, 9):
        # The voter does not know which model is which; the tuned one says it is good.
        left = page.locator('.wb-vote-side[data-side="left"]').inner_text()
        page.keyboard.press("ArrowLeft" if "It is good" in left else "ArrowRight")
        expect(pad).to_contain_text("Every pair has its votes" if count == 8 else f"({count} of 8)")
        expect(pad).to_contain_text("Saved ✓")
        assert len(effective_votes(app.home, "round-one")) == count
    shot(page, "label")
    expect(page.locator("#train-dpo")).to_be_hidden()
    page.evaluate("window.confirm = () => true")
    page.locator("#session-close").click()
    expect(page.locator("#result")).to_contain_text("by ada")
    page.locator("#train-dpo").click()
    expect(page.locator("#train-form").get_by_label("Dataset", exact=True)).to_have_value("round-one-pairs")
    page.locator("#train-start").click()
    view = until(lambda: next((v for v in Queue(app.home).all() if v.label.startswith("DPO") and v.final), None), 120)
    assert view.status == "done", view.error
    expect(live(page)).to_contain_text("Reward margin")
    shot(page, "dpo")
