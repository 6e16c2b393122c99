"""The disk of the Overview: what takes how much, what may go, and deleting it after a question, by keyboard too."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from driving import App, serving, shot
from playwright.sync_api import Page, expect

from tests.bench.home_of_many import add_job, add_model, many
from workbench.core.home import Home

SIZE = 2_000_000


def checkpoints(job: Path) -> Path:
    folder = job / "checkpoints" / "checkpoint-5"
    folder.mkdir(parents=True)
    (folder / "optimizer.pt").write_bytes(os.urandom(SIZE))
    return job / "checkpoints"


@pytest.fixture(scope="module")
def app(tmp_path_factory: pytest.TempPathFactory) -> Iterator[App]:
    home = many(Home.at(tmp_path_factory.mktemp("home")), 3, 2, 0)
    for number in (1, 2):
        checkpoints(add_job(home, number))
        add_model(home, 100 + number).rename(home.models / f"made-{number:05}")
    checkpoints(add_job(home, 3))
    with serving(home) as app:
        yield app


def confirm(page: Page, answer: str) -> None:
    page.evaluate(
        f"() => {{ window.asked = []; window.confirm = (text) => {{ asked.push(text); return {answer}; }}; }}"
    )


def test_it_says_what_takes_how_much_and_what_may_go(app: App, page: Page) -> None:
    page.goto(app.url)
    expect(page.locator("#disk-summary")).to_contain_text("Checkpoints of jobs")
    expect(page.locator("#disk-summary")).to_contain_text(" of ")
    table = page.locator("#disk-table")
    first = table.locator("tbody tr").first
    expect(first).to_contain_text("Checkpoints of SFT made-0000")
    expect(first).to_contain_text("2.0 MB")
    table.get_by_label("Search the list").fill("left of the run")
    expect(table.locator("tbody tr")).to_have_count(1)
    expect(table.locator("tbody tr")).to_contain_text("your choice")
    page.locator("#disk-table").scroll_into_view_if_needed()
    shot(page, "disk")


def test_a_backup_is_made_fetched_and_deleted(app: App, page: Page) -> None:
    page.goto(app.url)
    page.locator("#backup-ask").click()
    expect(page.locator("#backup-plan")).to_contain_text("at most")
    page.locator("#backup-start").click()
    row = page.locator("#backup-table tbody tr")
    expect(row).to_contain_text("llm-workbench-")
    row.click()
    with page.expect_download() as download:
        page.locator("#backup-item").get_by_role("link", name="Download").click()
    assert download.value.path().read_bytes()[:2] == b"\x1f\x8b"
    confirm(page, "true")
    page.locator("#backup-delete").click()
    expect(page.locator("#backup-table")).to_contain_text("No backups here yet")


def test_what_is_chosen_goes_after_a_question_and_what_came_free_is_said(app: App, page: Page) -> None:
    page.goto(app.url)
    table = page.locator("#disk-table")
    table.get_by_label("Search the list").fill("Checkpoints made-00003")
    expect(table.locator("tbody tr")).to_have_count(1)
    row = table.locator("tbody tr").first
    row.focus()
    row.press("Enter")
    expect(page.locator("#disk-item")).to_contain_text("made-00003 is no longer on the shelf")
    job = next(path for path in app.home.jobs.iterdir() if path.name.endswith("00003-0000"))
    confirm(page, "false")
    page.locator("#disk-delete").click()
    expect(page.locator(".toast-body").first).to_contain_text("Nothing was deleted")
    assert (job / "checkpoints").is_dir() and "2.0 MB" in page.evaluate("asked[0]")
    row.press("Enter")
    expect(page.locator("#disk-delete")).to_be_visible()
    confirm(page, "true")
    page.locator("#disk-delete").press("Enter")
    expect(page.locator(".toast-body", has_text="2.0 MB freed")).to_be_visible()
    assert not (job / "checkpoints").exists() and job.is_dir()
    expect(table).to_contain_text("Nothing found")


def test_the_checkpoints_of_ended_runs_go_together_with_their_sum(app: App, page: Page) -> None:
    page.goto(app.url)
    button = page.locator("#disk-checkpoints")
    expect(button).to_have_text("Delete the checkpoints of 2 ended runs (4.0 MB)")
    confirm(page, "true")
    button.click()
    expect(page.locator(".toast-body", has_text="4.0 MB freed")).to_be_visible()
    expect(button).to_be_hidden()
    assert not list(app.home.jobs.glob("*/checkpoints"))


def test_what_is_needed_has_no_button(app: App, page: Page) -> None:
    page.goto(app.url)
    table = page.locator("#disk-table")
    table.get_by_label("Search the list").fill("version.yaml")
    expect(table.locator("tbody tr")).to_have_count(1)
    expect(table.locator("tbody tr")).to_contain_text("version.yaml")
    expect(table.locator("tbody tr")).to_contain_text("needed")
    table.locator("tbody tr").first.click()
    expect(page.locator("#disk-item")).to_contain_text("No file that the workbench deletes")
    expect(page.locator("#disk-delete")).to_be_hidden()
