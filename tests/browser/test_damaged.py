"""A home in which much is damaged: the server starts, the page says what it is, and a person deletes it by clicks."""

from pathlib import Path

import pytest
from driving import App, serving, shot, tab
from playwright.sync_api import Page, expect

from tests import damaged
from workbench.core.home import Home
from workbench.jobs.queue import Queue


def damage(home: Home) -> None:
    """Something of every sort: no text, wrong shapes, odd names, a file in place of a folder."""
    damaged.model(home, "bomb", '{"a":' * 50_000 + "1" + "}" * 50_000)
    damaged.model(home, "number", {"architectures": 5})
    damaged.model(home, "good").rename(home.models / "odd name é")
    (home.models / "stray.txt").write_text("x")
    (home.models / "lora" / "manifest.yaml").write_bytes(damaged.CONTENTS["noise"])
    (home.datasets / "talks" / "manifest.yaml").write_text("kind: model\nname: talks\n")
    (home.datasets / "more" / "recipe.yaml").write_bytes(damaged.CONTENTS["noise"])
    job, other = sorted(home.jobs.iterdir())[:2]
    (job / "job.yaml").write_bytes(damaged.CONTENTS["latin-1"])
    with (other / "events.jsonl").open("ab") as file:
        file.write(damaged.CONTENTS["events"] + b'{"a":' * 2000 + b"1" + b"}" * 2000 + b"\n")


def pick(page: Page, where: str, label: str) -> None:
    """Chooses a damaged entry from a dropdown, as a person types."""
    box = page.locator(f"{where} input").first
    box.click()
    box.fill(label)
    page.get_by_role("option", name=f"{label} · ").first.click()


def delete_models(page: Page, home: Home) -> None:
    tab(page, "Models")
    shot(page, "damaged-models")
    shelf = page.get_by_role("table").filter(has_text="Architecture").first
    for name, says in (("bomb", "nested too deeply"), ("number", "no list of names"), ("lora", "manifest of lora"),
                       ("odd name é", "cannot be a name"), ("stray.txt", "no folder")):  # fmt: skip
        row = shelf.get_by_role("row").filter(has_text=name).filter(has_text=says)
        expect(row).to_have_count(1)
        pick(page, "#shelf-model", name)
        page.locator("#delete-model").click()
        expect(row).to_have_count(0)
    expect(shelf.get_by_role("row").filter(has_text="toy")).not_to_have_count(0)
    assert sorted(path.name for path in home.models.glob("[!.]*")) == ["both", "packed", "toy"]


def delete_datasets(page: Page, home: Home) -> None:
    tab(page, "Data")
    facts = page.locator("#dataset-facts")
    expect(facts).to_contain_text("recipe.yaml is damaged")
    shot(page, "damaged-data")
    pick(page, "#dataset", "talks")
    expect(facts).to_contain_text("not dataset")
    page.locator("#delete-dataset").click()
    expect(facts).to_contain_text("recipe.yaml is damaged")
    assert [path.name for path in home.datasets.glob("[!.]*")] == ["more"]


def delete_job(page: Page, home: Home, job: str) -> None:
    tab(page, "Jobs")
    row = page.get_by_role("row").filter(has_text="job.yaml is not UTF-8")
    expect(row).to_have_count(1)
    pick(page, ".wb-job:visible", job)
    expect(page.locator(".wb-live-run:visible").first).to_contain_text("job.yaml is not UTF-8")
    page.locator("#delete-job").click()
    expect(row).to_have_count(0)
    assert not (home.jobs / job).exists()


@pytest.mark.prove
def test_what_is_damaged_is_seen_and_deleted_by_clicks(page: Page, tmp_path: Path) -> None:
    home = damaged.home_with_everything(tmp_path / "home")
    damage(home)
    job = sorted(home.jobs.iterdir())[0].name
    with serving(home) as app:
        opened(page, app)
        delete_models(page, home)
        delete_datasets(page, home)
        shot(page, "damaged-jobs")
        delete_job(page, home, job)
        assert Queue(home).all()


def opened(page: Page, app: App) -> None:
    page.goto(app.url)
    page.evaluate("window.confirm = () => true")
