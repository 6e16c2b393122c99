"""The check of the machine in the page: its table, and the report on the clipboard."""

from pathlib import Path

import pytest
from driving import serving, shot
from playwright.sync_api import Page, expect

from tests.running import carry
from workbench.core.home import Home
from workbench.doctor.jobs.doctor import Doctor


def test_the_findings_are_listed_and_the_report_is_copied(
    page: Page, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    home = Home.at(tmp_path / "home")
    monkeypatch.setenv("WORKBENCH_PORT", "47862")
    carry(home, Doctor(checks=["port", "system"]))
    with serving(home) as app:
        page.context.grant_permissions(["clipboard-read", "clipboard-write"])
        page.goto(app.url)
        table = page.locator("#machine-findings")
        expect(table.get_by_role("row", name="Port of the page")).to_contain_text("47862")
        expect(table.locator("tbody tr")).to_have_count(2)
        page.locator("#copy-report").click()
        expect(page.locator("#copy-report")).to_have_text("Copied")
        page.wait_for_function(
            "navigator.clipboard.readText().then((text) => text.includes('| Port of the page | ok |'))"
        )
        page.set_viewport_size({"width": 420, "height": 860})
        shot(page, "machine-check-420")
