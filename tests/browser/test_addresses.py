"""The address says where one is: a link opens a thing, back, forward and reload lead where they should."""

import re
from collections.abc import Iterator

import pytest
from driving import App, serving, tab
from playwright.sync_api import Page, expect

from tests.bench.home_of_many import many
from tests.voting import close, make_session
from workbench.core.home import Home


@pytest.fixture(scope="module")
def app(tmp_path_factory: pytest.TempPathFactory) -> Iterator[App]:
    home = many(Home.at(tmp_path_factory.mktemp("home")), 12, 2, 3)

    (home.models / "Ä & <b>x<b>#1").mkdir()  # put there by hand, damaged
    make_session(home, "round", 2, ["model-00000", "model-00001"])
    make_session(home, "ended", 1, ["model-00000", "model-00001"])
    close(home, "ended")
    with serving(home) as app:
        yield app


def shown(page: Page, kind: str, name: str) -> None:
    expect(page.locator(f"#{kind}-notes .wb-notes-panel")).to_have_attribute("data-name", name)


def selected(page: Page, *names: str) -> None:
    for name in names:
        expect(page.get_by_role("tab", name=name, exact=True)).to_have_attribute("aria-selected", "true")


def test_a_link_opens_a_thing_and_every_step_can_be_gone_back(app: App, page: Page) -> None:
    page.goto(f"{app.url}?tab=data&section=clean&dataset=set-00001")
    selected(page, "Data", "Clean")
    shown(page, "dataset", "set-00001")
    tab(page, "Models")
    expect(page).to_have_url(re.compile(r"\?tab=models$"))
    page.locator('#models-table tr[data-key="model-00001"]').click()
    expect(page).to_have_url(re.compile(r"\?tab=models&model=model-00001$"))
    page.locator('#models-table tr[data-key="model-00003"]').click()
    expect(page).to_have_url(re.compile(r"\?tab=models&model=model-00003$"))
    expect(page).to_have_title("model-00003 · Models · LLM Workbench")
    page.reload()
    selected(page, "Models")
    shown(page, "model", "model-00003")
    page.go_back()
    shown(page, "model", "model-00001")
    page.go_back()
    expect(page).to_have_url(re.compile(r"section=clean&dataset=set-00001$"))
    selected(page, "Data", "Clean")
    shown(page, "dataset", "set-00001")
    page.go_forward()
    selected(page, "Models")
    shown(page, "model", "model-00001")


def test_odd_names_are_opened_and_what_there_is_not_is_said_in_a_line(app: App, page: Page) -> None:
    page.goto(f"{app.url}?tab=models&model=%C3%84%20%26%20%3Cb%3Ex%3Cb%3E%231")
    shown(page, "model", "Ä & <b>x<b>#1")
    page.goto(f"{app.url}?tab=data&dataset=%3Cimg%20src%3Dx%3E")
    line = page.locator("#address")
    expect(line).to_contain_text("No dataset named <img src=x>: it was deleted or renamed.")
    selected(page, "Data")
    page.goto(f"{app.url}?tab=nowhere")
    expect(line).to_contain_text("There is no tab nowhere.")
    tab(page, "Jobs")
    expect(page).to_have_url(re.compile(r"\?tab=jobs"))
    expect(line).to_be_hidden()
