"""The Data tab as a person uses it: importing, rows searched and edited, statistics, what the model sees."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from driving import App, choose, serving, shot, tab
from playwright.sync_api import Locator, Page, expect

from tests.toys import conversations, toy_model
from workbench.core.home import Home
from workbench.data.recipes.importing import import_dataset
from workbench.data.store.datasets import all_rows, count, dataset_kind, delete_dataset

PATIENCE = 60_000


@pytest.fixture(scope="module")
def app(tmp_path_factory: pytest.TempPathFactory) -> Iterator[App]:
    """The app on a home with the models 'toy' and, newer, 'toy-newer'."""
    home = Home.at(tmp_path_factory.mktemp("home"))
    for name in ("toy", "toy-newer"):
        toy_model(home, name)
    with serving(home) as app:
        yield app


@pytest.fixture
def rows(app: App, page: Page, tmp_path: Path) -> Iterator[Locator]:
    """The rows of a fresh dataset 'talks': 30 conversations, none held back, and one bad row."""
    file = tmp_path / "talks.jsonl"
    file.write_text("\n".join([*map(json.dumps, conversations(30)), '{"messages": "broken"}']))
    import_dataset(app.home, file, "talks", eval_fraction=0.0)
    open_data(app, page)
    choose(page, "#dataset", "talks")
    found = page.locator("#rows")
    expect(found.locator(".wb-dr-where")).to_contain_text("1–10 of 30 rows")
    yield found
    delete_dataset(app.home, "talks")


def open_data(app: App, page: Page) -> None:
    page.goto(app.url)
    tab(page, "Data")


def test_rows_are_searched_and_what_was_found_is_marked(rows: Locator, page: Page) -> None:
    rows.get_by_label("Search the rows").fill("WREN NUMBER 11")
    expect(rows.locator("mark")).to_have_text(["wren number 11"])
    expect(rows.locator(".wb-dr-number")).to_have_text(["12"])
    rows.get_by_label("Upper and lower case matter").click()
    expect(rows).to_contain_text("No row of train has that")
    rows.get_by_label("Upper and lower case matter").click()
    rows.get_by_label("Regular expression (RE2)").click()
    rows.get_by_label("Search the rows").fill("number 2[0-3]")
    expect(rows.locator("mark")).to_have_count(4)
    shot(page, "data-search")


def test_rows_are_edited_deleted_added_and_all_of_it_undone(app: App, rows: Locator, page: Page) -> None:
    rows.get_by_label("Edit row 3", exact=True).click()
    rows.locator(".wb-dr-editor textarea:visible").nth(1).fill("A better answer.")
    page.keyboard.press("Control+Enter")
    expect(rows.locator(".wb-dr-said")).to_have_text("Row 3 is saved.")
    expect(rows.locator(".wb-dr-card").nth(2)).to_contain_text("A better answer.")
    rows.get_by_label("Delete row 1", exact=True).click()
    expect(rows.locator(".wb-dr-where")).to_contain_text("of 29 rows")
    rows.get_by_role("button", name="Undo deleting 1 row").click()
    expect(rows.locator(".wb-dr-where")).to_contain_text("of 30 rows")
    rows.get_by_role("button", name="Add a row").click()
    editor = rows.locator(".wb-dr-editor")
    editor.get_by_role("button", name="Save").click()
    expect(editor.get_by_role("alert")).to_contain_text("is empty")
    for place, text in enumerate(("What is new?", "This row.")):
        editor.locator("textarea:visible").nth(place).fill(text)
    editor.get_by_role("button", name="Save").click()
    expect(rows.locator(".wb-dr-card").last).to_contain_text("This row.")
    assert [row["messages"][-1]["content"] for row in all_rows(app.home, "talks")[29:]][1:] == ["This row."]
    shot(page, "data-edited")


def test_bad_rows_have_line_and_reason_and_are_downloaded(rows: Locator, page: Page) -> None:
    rows.get_by_role("button", name="Bad rows").click()
    expect(rows.locator(".wb-dr-bad")).to_contain_text("line 31")
    with page.expect_download() as download:
        rows.get_by_role("button", name="Download all").click()
    assert json.loads(Path(download.value.path()).read_text())["raw"] == '{"messages": "broken"}'


def test_statistics_count_with_a_model(rows: Locator, page: Page) -> None:
    tab(page, "Statistics")
    expect(page.locator("#statistics")).to_contain_text("30")
    expect(page.locator("#statistics")).to_contain_text("One epoch")
    page.locator(".wb-figures-row").first.scroll_into_view_if_needed()  # a figure is drawn once it is seen
    expect(page.locator(".wb-figures-row .js-plotly-plot").first).to_be_visible()
    shot(page, "data-statistics")


def test_columns_are_chosen_by_hand_and_further_ones_kept(app: App, page: Page, tmp_path: Path) -> None:
    file = tmp_path / "fragen.csv"
    file.write_text("Frage,Antwort,Quelle\n" + "\n".join(f"Was ist {n}?,Es ist {n}.,Buch" for n in range(20)))
    open_data(app, page)
    page.locator("input[type=file]").first.set_input_files(file)
    expect(page.locator("#import-found .wb-error")).to_contain_text("Frage", timeout=PATIENCE)
    form = page.locator("#data-format")
    form.get_by_label("Format", exact=True).select_option("prompt_completion")
    expect(form.get_by_label("Completion", exact=True)).to_be_visible(timeout=PATIENCE)
    form.get_by_label("Prompt", exact=True).select_option("Frage")
    form.get_by_label("Completion", exact=True).select_option("Antwort")
    expect(page.locator("#import-found")).to_contain_text("Good rows20", timeout=PATIENCE)
    expect(form.get_by_label("What becomes of Frage")).to_have_value("=prompt")
    expect(form.get_by_label("What becomes of Quelle")).to_have_value("keep")
    page.locator("#import-data").click()
    expect(page.locator("#dataset input")).to_have_value("fragen · conversation", timeout=PATIENCE)
    row = all_rows(app.home, "fragen")[0]
    assert row["messages"][0]["content"].startswith("Was ist") and row["metadata"] == {"Quelle": "Buch"}


def test_an_entry_of_dataset_info_brings_unpaired_rows(app: App, page: Page, tmp_path: Path) -> None:
    given = [{"prompt": f"Say {n}", "completion": f"It is {n}.", "good": n % 2 == 0} for n in range(12)]
    (tmp_path / "kto.json").write_text(json.dumps(given))
    columns = {"prompt": "prompt", "query": "", "response": "completion", "kto_tag": "good"}
    (tmp_path / "dataset_info.json").write_text(json.dumps({"mine": {"file_name": "kto.json", "columns": columns}}))
    open_data(app, page)
    page.locator("input[type=file]").first.set_input_files([tmp_path / "dataset_info.json", tmp_path / "kto.json"])
    expect(page.locator("#import-found")).to_contain_text("Good rows12", timeout=PATIENCE)
    page.locator("#import-data").click()
    expect(page.locator("#dataset input")).to_have_value("mine · unpaired", timeout=PATIENCE)
    expect(page.locator("#rows dt.is-good").first).to_be_visible(timeout=PATIENCE)
    assert dataset_kind(app.home, "mine") == "unpaired" and count(app.home, "mine") > 0
    tab(page, "What the model sees")
    expect(page.locator("#tokens .wb-token.is-trained").first).to_be_visible(timeout=PATIENCE)


def test_the_views_that_need_a_model_open_on_the_newest(app: App, rows: Locator, page: Page) -> None:
    tab(page, "What the model sees")
    expect(page.locator("#see-model input")).to_have_value("toy-newer", timeout=PATIENCE)
    expect(page.locator("#tokens .wb-token.is-trained").first).to_be_visible(timeout=PATIENCE)
    tab(page, "Statistics")
    expect(page.locator("#count-model input")).to_have_value("toy-newer", timeout=PATIENCE)


def test_markdown_stays_as_it_is_written_where_rows_are_checked(app: App, page: Page, tmp_path: Path) -> None:
    file = tmp_path / "marked.jsonl"
    file.write_text(json.dumps({"prompt": "Q", "completion": "# Larch\n\n**bold** `code`"}))
    import_dataset(app.home, file, "marked", eval_fraction=0.0)
    open_data(app, page)
    choose(page, "#dataset", "marked")
    rows = page.locator("#rows")
    expect(rows.locator("dd").nth(1)).to_have_text("# Larch\n\n**bold** `code`")
    tab(page, "What the model sees")
    tokens = page.locator("#tokens")
    expect(tokens.locator(".wb-token.is-trained").first).to_be_visible(timeout=PATIENCE)
    assert "**bold**" in "".join(tokens.locator(".wb-token").all_text_contents())
    for view in (rows, tokens):
        expect(view.locator("strong, h1, code")).to_have_count(0)
    delete_dataset(app.home, "marked")
