"""Lists that have grown: what is chosen from many entries is searched, by keyboard, mouse and touch."""

import re
from collections.abc import Iterator

import pytest
from axe_playwright_python.base import AXE_SCRIPT
from conftest import Watch
from driving import App, serving, tab
from playwright.sync_api import Browser, Locator, Page, expect

from tests.toys import toy_adapter, toy_dataset, toy_home

ADAPTERS = [f"adapter-{number:02}" for number in range(14)]
DATASETS = [f"notes-{number:02}" for number in range(14)]


@pytest.fixture(scope="module")
def app(tmp_path_factory: pytest.TempPathFactory) -> Iterator[App]:
    """The app on a home with more models and datasets than one looks through."""
    home = toy_home(tmp_path_factory.mktemp("home"))
    for seed, name in enumerate(ADAPTERS):
        toy_adapter(home, name, seed)
    for name in DATASETS:
        toy_dataset(home, name)
    with serving(home) as app:
        yield app


def opened(app: App, page: Page) -> Locator:
    page.goto(app.url)
    tab(page, "Train")
    form = page.locator("#train-form")
    expect(form.get_by_role("combobox", name="Dataset", exact=True)).not_to_have_value("")
    return form


@pytest.fixture
def form(app: App, page: Page) -> Locator:
    return opened(app, page)


def searched(form: Locator, label: str) -> Locator:
    """The combobox that its label names."""
    return form.locator("input").and_(form.get_by_role("combobox", name=label, exact=True))


def offered(form: Locator) -> Locator:
    """The options of the searched list that is open."""
    return form.get_by_role("listbox").get_by_role("option")


def active(box: Locator) -> Locator:
    """The option that assistive technology is told of."""
    return box.page.locator(f"[id='{box.get_attribute('aria-activedescendant')}']")


def test_a_long_list_is_searched_and_chosen_by_keyboard(form: Locator) -> None:
    page, box = form.page, searched(form, "Dataset")
    listbox = page.locator(f"[id='{box.get_attribute('aria-controls')}']")
    expect(box).to_have_attribute("aria-expanded", "false")
    expect(listbox).to_be_hidden()
    box.focus()
    page.keyboard.press("ArrowDown")
    expect(box).to_have_attribute("aria-expanded", "true")
    expect(active(box)).to_have_attribute("aria-selected", "true")
    expect(listbox.get_by_role("option")).to_have_count(16)  # those two of the toy home, too
    page.keyboard.type("notes 1")
    expect(listbox.get_by_role("option")).to_have_count(5)  # every word: 01 and 10 to 13
    page.keyboard.press("ArrowUp")
    expect(active(box)).to_contain_text("notes-")
    page.keyboard.press("ArrowDown")
    page.keyboard.press("ArrowDown")
    wanted = active(box).inner_text()
    page.keyboard.press("Enter")
    expect(box).to_have_value(wanted)
    expect(box).to_be_focused()
    expect(listbox).to_be_hidden()
    page.get_by_role("button", name="As YAML, for the command line").click()
    page.get_by_role("button", name="Write it out").click()
    expect(page.locator(".wb-code-text").last).to_contain_text(f"dataset: {wanted.split(' ')[0]}")


def test_an_open_list_is_accessible_in_both_modes(form: Locator) -> None:
    page, box = form.page, searched(form, "Dataset")
    page.evaluate(AXE_SCRIPT)
    for _ in ("light", "dark"):
        box.click()
        box.press_sequentially("notes")
        expect(active(box)).to_be_visible()
        page.wait_for_function("document.getAnimations().every((one) => one.playState !== 'running')")
        look = "() => axe.run('#train-form', { resultTypes: ['violations'] }).then(({ violations }) => violations)"
        assert [one["id"] for one in page.evaluate(look)] == []
        page.keyboard.press("Escape")
        page.locator("[data-wb-theme]").click()


def test_escape_and_leaving_keep_what_was_chosen(form: Locator) -> None:
    page, box = form.page, searched(form, "Dataset")
    before = box.input_value()
    for leave in ("Escape", "Tab"):
        box.click()
        box.press_sequentially("notes-07")
        expect(active(box)).to_contain_text("notes-07")
        page.keyboard.press(leave)
        expect(box).to_have_attribute("aria-expanded", "false")
        expect(box).to_have_value(before)
    box.click()
    box.press_sequentially("nothing of that name")
    expect(offered(form).filter(has_text="Nothing has this in its name.")).to_be_visible()
    page.keyboard.press("Enter")  # chooses nothing
    page.keyboard.press("Escape")
    expect(box).to_have_value(before)


def test_typing_over_what_is_chosen_searches_anew(form: Locator) -> None:
    page, box = form.page, searched(form, "Dataset")
    box.focus()
    page.keyboard.press("End")
    page.keyboard.type("talks")
    expect(offered(form)).to_have_count(1)
    page.keyboard.press("Enter")
    expect(box).to_have_value(re.compile("^talks"))


def test_what_no_list_has_is_written_from_a_long_list_too(form: Locator) -> None:
    page, box = form.page, searched(form, "Model")
    box.click()
    box.press_sequentially("no such model")
    offered(form).filter(has_text="Write it…").click()
    written = form.get_by_label("Model: a whole model, an adapter or BASE+ADAPTER")
    expect(written).to_be_focused()
    written.fill("toy+adapter-03")
    written.press("Enter")
    expect(box).to_have_value("toy+adapter-03")
    expect(box).to_be_focused()
    box.click()
    offered(form).filter(has_text="Write it…").click()
    written.press("Escape")
    expect(box).to_have_value("toy+adapter-03")
    page.keyboard.press("ArrowDown")
    expect(active(box)).to_have_text("toy+adapter-03")


def test_several_are_searched_and_added_one_after_another(app: App, page: Page) -> None:
    page.goto(app.url)
    tab(page, "Merge")
    tab(page, "Adapters")
    form = page.locator("#form-combine-adapters")
    box, chips = searched(form, "Adapters"), form.locator(".wb-form-chip")
    for name in ("adapter-12", "adapter-02"):
        box.click()
        box.press_sequentially(name)
        page.keyboard.press("Enter")
        expect(box).to_have_value("")
    expect(chips).to_have_count(2)
    expect(chips.first).to_contain_text("adapter-12")
    box.click()
    expect(offered(form).filter(has_text="adapter-02")).to_have_count(0)
    page.keyboard.press("Escape")
    chips.first.get_by_role("button").click()
    expect(chips).to_have_count(1)
    expect(box).to_be_focused()


def test_a_long_list_is_chosen_from_by_touch(app: App, browser: Browser) -> None:
    context = browser.new_context(viewport={"width": 420, "height": 800}, has_touch=True, is_mobile=True)
    page = context.new_page()
    watch = Watch(page)
    try:
        box = searched(opened(app, page), "Dataset")
        box.tap()
        option = offered(page.locator("#train-form")).filter(has_text="notes-05")
        option.scroll_into_view_if_needed()
        size = option.bounding_box()
        assert size and size["height"] >= 32  # a finger hits it
        option.tap()
        expect(box).to_have_value(re.compile("^notes-05"))
        expect(page.get_by_role("listbox")).to_have_count(0)
        assert page.evaluate("document.documentElement.scrollWidth") <= 420
    finally:
        context.close()
    assert watch.errors == []
