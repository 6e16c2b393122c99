"""From a labelling session to a model trained on it, all in the page: two annotators vote and one edits an answer, the
owner exports what they said and trains on it."""

import json

import pytest
from driving import App, fill, fold, live, pick, serving, shot, tab, until
from playwright.sync_api import Browser, Locator, Page, expect

from tests.toys import toy_home
from workbench.core.home import Home
from workbench.data.store import datasets
from workbench.jobs.queue import Queue

NAME, FORM = "manners", "#import-answers-form"
BETTER, WORSE, EDITED = "It is good.", "It is so.", "It is very good indeed."
PROMPTS = [f"Tell me of the red apple number {number}." for number in range(3)]
GOLD = [{"prompt": f"Which is kind, {number}?", "better": BETTER, "worse": WORSE} for number in range(2)]


def make_session(page: Page) -> None:
    """Answers that are there, judged with grades and two aspects by two people each, with edits and gold questions."""
    page.locator("#new-session").get_by_role("tab", name="Import answers").click()
    lines = [{"prompt": prompt, "answers": {"kind-one": BETTER, "plain-one": WORSE}} for prompt in PROMPTS]
    fill(page, "Session name", NAME, FORM)
    fill(page, "Answers", "\n".join(map(json.dumps, lines)), FORM)
    for title in ("Guidelines", "Votes", "Votes per pair, gold questions", "Checks"):
        fold(page, title, FORM)
    fill(page, "Guidelines", "Kind answers are **better**.", FORM)
    fill(page, "Aspects", "kind\nshort", FORM)
    for switch in ("Graded votes", "Edit answers"):
        page.locator(FORM).get_by_label(switch, exact=True).check()
    fill(page, "Votes per pair", "2", FORM)
    fill(page, "A check every (votes)", "2", FORM)
    fill(page, "Gold and training questions", "\n".join(map(json.dumps, GOLD)), FORM)
    page.locator("#import-answers-start").click()
    expect(page.locator("#session-head .wb-chip")).to_have_text("open", timeout=60_000)


def annotator(app: App, browser: Browser, name: str) -> Page:
    """A browser of its own, in which this person follows the link for annotators."""
    page = browser.new_context(viewport={"width": 1366, "height": 900}).new_page()
    page.goto(f"{app.url}label/{NAME}")
    expect(page.locator("#session input")).to_have_value(NAME)
    box = page.locator("#annotator input, #annotator textarea").first
    box.fill(name)
    box.press("Enter")
    guidelines = page.get_by_role("dialog", name="Guidelines")
    expect(guidelines).to_contain_text("Kind answers are better.")
    page.keyboard.press("Escape")
    expect(guidelines).to_have_count(0)
    return page


def judge(pad: Locator, edit: str) -> None:
    """Votes for the better answer, clearly, rewriting it first where the prompt is `edit`; sees the vote kept."""
    expect(pad.locator(".wb-vote-side")).to_have_count(2)
    expect(pad).to_have_attribute("data-busy", "false")
    item = str(pad.get_attribute("data-item"))
    side = "Left" if BETTER in pad.locator('.wb-vote-side[data-side="left"]').inner_text() else "Right"
    if edit and edit in pad.get_by_role("group", name="Prompt").inner_text():
        pad.get_by_role("button", name=f"Edit the {side.lower()} answer").click()
        pad.page.locator("textarea:focus").fill(EDITED)
        pad.page.keyboard.press("Escape")
        expect(pad.get_by_role("region", name=f"{side} answer")).to_contain_text("Edited by you")
    pad.get_by_role("radio", name=f"{side} clearly better").click()
    for aspect, choice in (("kind", f"{side} is better"), ("short", "Equally good")):
        pad.get_by_role("radiogroup", name=aspect).get_by_role("radio", name=choice).click()
    pad.get_by_role("button", name="Save vote").click()
    expect(pad).not_to_have_attribute("data-item", item)


def judge_all(page: Page, edit: str, ends: str) -> None:
    """Every pair and gold question; the answer to the pair of the prompt `edit` is rewritten."""
    pad = page.locator(".wb-vote-pad")
    for _ in range(len(PROMPTS) + len(GOLD)):
        judge(pad, edit)
    expect(pad).to_contain_text(ends)
    page.context.close()


def train(page: Page, home: Home, run: str, dataset: str, **settings: str) -> None:
    """Starts what a lead has filled the form with, but for few steps; sees the run done."""
    form = page.locator("#train-form")
    expect(form.get_by_label("Dataset", exact=True)).to_have_value(dataset)
    pick(page, "#train-form", "Model", "toy")
    fill(page, "Maximum steps", "2")
    for label, value in settings.items():
        fill(page, label, value, "#train-form")
    page.locator("#train-start").click()
    view = until(lambda: next((view for view in Queue(home).all() if view.label == run and view.final), None), 120)
    assert view.status == "done", view.error
    expect(live(page)).to_have_attribute("data-status", "done")


@pytest.mark.prove
def test_votes_and_an_edit_become_datasets_and_models(tmp_path_factory, browser: Browser, page: Page) -> None:
    home = toy_home(tmp_path_factory.mktemp("home"))
    with serving(home, spare=True) as app:
        page.goto(app.url)
        tab(page, "Label")
        make_session(page)
        judge_all(annotator(app, browser, "ann"), PROMPTS[1], "You have judged all you can")
        judge_all(annotator(app, browser, "bob"), "", "Every pair has its votes")
        page.evaluate("window.confirm = () => true")
        page.locator("#session-close").click()  # whoever closes it need not vote
        expect(page.locator("#result")).to_contain_text("kind-one over plain-one")
        shot(page, "label-to-training")
        page.locator("#train-dpo").click()
        expect(page.locator(".toast-body").first).to_contain_text("choose the model to train")
        page.locator("#train-form .wb-form-method summary").first.click()
        train(page, home, f"DPO {NAME}-dpo", f"{NAME}-pairs", **{"Margin weight (ODPO)": "0.5"})
        shot(page, "dpo-with-margin")
        tab(page, "Label")
        page.locator("#train-edits", has_text="1 edited answer").click()
        train(page, home, f"SFT {NAME}-sft", f"{NAME}-edits")
    assert len(Queue(home).all()) == 3  # the answers' import and both
    check_pairs(home)
    (row,) = datasets.all_rows(home, f"{NAME}-edits")
    assert row["messages"][-1]["content"] == EDITED and row["metadata"] == {"author": "ann"}
    for output in (f"{NAME}-dpo", f"{NAME}-sft"):
        assert (home.models / output / "adapter_model.safetensors").is_file()


def check_pairs(home: Home) -> None:
    """The edited answer is chosen, with its author; every pair has the margin of two votes for 'clearly'."""
    rows = [row for split in ("train", "eval") for row in datasets.all_rows(home, f"{NAME}-pairs", split)]
    said = {row["prompt"][-1]["content"]: (row["chosen"][0]["content"], row["metadata"]) for row in rows}
    plain, edited = (BETTER, {"margin": 2.0}), (EDITED, {"margin": 2.0, "author": "ann"})
    assert said == {PROMPTS[0]: plain, PROMPTS[1]: edited, PROMPTS[2]: plain}
    assert {row["rejected"][0]["content"] for row in rows} == {WORSE}
    info = datasets.dataset_manifest(home, f"{NAME}-pairs").info
    assert (info["exported"], info["left_out"], info["filters"]["answers_to_checks"]) == (3, {}, 4)
