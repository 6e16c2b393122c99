"""What is deleted in the page lies in the bin, comes back, and the record says who did it."""

from pathlib import Path

from driving import serving, shot, tab
from playwright.sync_api import Page, expect

from workbench.core.home import Home
from workbench.core.recycle_bin import list_bin
from workbench.data.store.datasets import list_datasets, write_rows

TALKS = [{"messages": [{"role": "user", "content": "hi"}, {"role": "assistant", "content": "ho"}]}]


def test_a_dataset_is_deleted_restored_under_another_name_and_both_are_recorded(page: Page, tmp_path: Path) -> None:
    home = Home.at(tmp_path)
    write_rows(home, "talks", "conversation", TALKS)
    with serving(home) as app:
        page.goto(app.url)
        page.evaluate("() => { window.confirm = (text) => text.includes('stays in the bin for 7 days'); }")
        tab(page, "Data")
        expect(page.locator("#dataset-facts")).to_contain_text("conversation")
        page.locator("#delete-dataset").click()
        expect(page.locator("#datasets-table")).to_contain_text("No datasets yet")
        assert [entry.name for entry in list_bin(home)] == ["talks"]
        tab(page, "Overview")
        row = page.locator("#bin-table tbody tr", has_text="talks")
        expect(row).to_have_count(1)
        row.click()
        page.get_by_label("Restore under another name").fill("older")
        shot(page, "bin")
        page.locator("#bin-restore").click()
        expect(page.locator("#bin-table")).to_contain_text("The bin is empty")
        assert [one.name for one in list_datasets(home)] == ["older"]
        tab(page, "People")
        record = page.locator("#record-table")
        expect(record.locator("tbody tr", has_text="restored")).to_contain_text("dataset older")
        expect(record.locator("tbody tr", has_text="deleted")).to_contain_text("dataset talks")
        with page.expect_download() as saved:
            page.locator("#record-csv").click()
        assert "restored,dataset,older" in saved.value.path().read_text()
        shot(page, "record")
