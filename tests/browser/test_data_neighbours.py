"""What other trainers' lists of datasets become in the page, and back: chosen, imported, exported, imported again."""

import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from driving import App, choose, pick, serving, shot, tab
from playwright.sync_api import Page, expect

from workbench.core.home import Home, list_artifacts
from workbench.data.store.datasets import all_rows, dataset_kind, write_rows

PATIENCE = 60_000
INFO = {
    "gone": {"file_name": "gone.json"},
    "talks": {
        "file_name": "talks.json",
        "formatting": "sharegpt",
        "columns": {"messages": "messages", "system": "sys", "tools": "tools"},
        "tags": {"role_tag": "role", "content_tag": "content", "user_tag": "user", "assistant_tag": "assistant"},
    },
    "pairs": {"file_name": "pairs.json", "ranking": True},
    "pictures": {"file_name": "talks.json", "columns": {"images": "images"}},
}
TALKS = [
    {
        "messages": [{"role": "user", "content": f"Why {n}?"}, {"role": "assistant", "content": f"- So\n- {n} 森"}],
        "sys": "Be brief.",
        "tools": "",
    }
    for n in range(12)
]
PAIRS = [{"instruction": f"Tree {n}?", "input": "", "chosen": f"Larch {n}", "rejected": f"Rock {n}"} for n in range(8)]


@pytest.fixture(scope="module")
def app(tmp_path_factory: pytest.TempPathFactory) -> Iterator[App]:
    with serving(Home.at(tmp_path_factory.mktemp("home"))) as app:
        yield app


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder as LLaMA-Factory has them."""
    place = tmp_path / "data"
    place.mkdir()
    for name, content in (("dataset_info", INFO), ("talks", TALKS), ("pairs", PAIRS)):
        (place / f"{name}.json").write_text(json.dumps(content), "utf-8")
    return place


def give(app: App, page: Page, place: Path) -> None:
    """Opens the Data tab and names a file or folder of this machine."""
    page.goto(app.url)
    tab(page, "Data")
    page.locator("#import-way").get_by_label("Folder").check()
    box = page.locator("#import-folder").get_by_role("textbox")
    box.fill(str(place))
    box.press("Enter")


def shelved(home: Home) -> list[str]:
    return [path.name for path in list_artifacts(home.datasets)]


def test_entries_of_a_folder_are_chosen_imported_exported_to_axolotl_and_read_back_equal(
    app: App, page: Page, folder: Path
) -> None:
    give(app, page, folder)
    found = page.locator("#import-found")
    expect(found).to_contain_text("lists 4 datasets")
    choose(page, "#import-entry", "talks", "pairs")
    expect(found).to_contain_text("12 rows · ShareGPT")
    expect(found).to_contain_text("8 rows · Preference pairs")
    page.get_by_label("Eval share").first.fill("0")
    page.locator("#import-data").click()
    expect(page.locator("#dataset input")).to_have_value("pairs · preference")
    expect(page.locator("#import-entry")).to_be_hidden()
    assert [dataset_kind(app.home, name) for name in ("talks", "pairs")] == ["conversation", "preference"]
    tab(page, "Export")
    pick(page, "#export-form", "Format", "axolotl")
    for name in ("talks", "pairs"):
        choose(page, "#dataset", name)
        expect(page.locator("#export-settings")).to_contain_text(f"{name}-train.jsonl")
        page.locator("#export-write").click()
        expect(page.locator("#export-written")).to_contain_text("Every row is written whole.")
        files = page.locator("#export-files a[download]")
        expect(files).to_have_count(2)
        back = folder / f"{name}-back"
        back.mkdir()
        for link in files.all():
            with page.expect_download() as download:
                link.click()
            download.value.save_as(back / download.value.suggested_filename)
        page.locator("#import-folder").get_by_role("textbox").fill(str(back / "axolotl.yaml"))
        page.locator("#import-folder").get_by_role("textbox").press("Enter")
        expect(found).to_contain_text("Good rows")
        page.get_by_label("Name", exact=True).locator("visible=true").first.fill(f"{name}-again")
        page.locator("#import-data").click()
        expect(page.locator("#dataset input")).to_have_value(f"{name}-again · {dataset_kind(app.home, name)}")
        assert all_rows(app.home, f"{name}-again") == all_rows(app.home, name)


def test_entries_that_cannot_be_read_are_named_and_hold_up_no_other(app: App, page: Page, folder: Path) -> None:
    give(app, page, folder)
    page.locator("#import-all").click()
    errors = page.locator("#import-found .wb-error")
    expect(errors).to_contain_text(["gone: There is no file gone.json.", "pictures: columns.images is not supported"])
    before = {*shelved(app.home)}
    page.locator("#import-data").click()
    expect(page.locator("#dataset input")).to_have_value(re.compile(r"pairs(-\d)? · preference"))
    expect(page.locator("#import-entry")).to_contain_text("gone")
    expect(page.locator("#import-entry")).not_to_contain_text("talks")
    expect(errors).to_have_count(2)
    made = sorted({*shelved(app.home)} - before)
    assert [len(all_rows(app.home, name)) for name in made] == [
        len(PAIRS) - 1,
        len(TALKS) - 1,
    ]  # one each is for evaluation
    shot(page, "data-entries")


def test_an_export_says_what_rows_lose_before_and_after(app: App, page: Page) -> None:
    plain = {"messages": [{"role": "user", "content": "Why?"}, {"role": "assistant", "content": "So."}]}
    several = {"messages": [*plain["messages"], *plain["messages"]]}
    write_rows(app.home, "scored", "conversation", [plain, {**plain, "metadata": {"score": 1}}, several])
    page.goto(app.url)
    tab(page, "Data")
    choose(page, "#dataset", "scored")
    tab(page, "Export")
    pick(page, "#export-form", "Format", "alpaca")
    before = page.locator("#export-lost")
    expect(before.get_by_role("row", name="It has several turns. 1")).to_be_visible()
    expect(before.get_by_role("row", name="metadata 1")).to_be_visible()
    page.locator("#export-write").click()
    after = page.locator("#export-written")
    expect(after.get_by_role("row", name="It has several turns. 1")).to_be_visible()
    expect(after.get_by_role("row", name="metadata 1")).to_be_visible()
    shot(page, "data-export-lost")
