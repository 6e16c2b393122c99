"""A row of the shelf of models is the model: it opens by click and by Enter, and its next steps lead on."""

from collections.abc import Iterator

import pytest
from driving import App, serving, shot, tab
from playwright.sync_api import Page, expect

from tests.toys import toy_adapter, toy_home


@pytest.fixture(scope="module")
def app(tmp_path_factory: pytest.TempPathFactory) -> Iterator[App]:
    home = toy_home(tmp_path_factory.mktemp("home"))
    toy_adapter(home, "skill")
    with serving(home) as app:
        yield app


def opened(app: App, page: Page, name: str, key: str = "") -> None:
    """The Models tab with this model's row chosen, by click or by a key."""
    page.goto(app.url)
    tab(page, "Models")
    row = page.locator(f'#models-table tr[data-key="{name}"]')
    if key:
        row.focus()
        page.keyboard.press(key)
    else:
        row.click()
    expect(page.locator("#model-delete, #delete-model")).to_be_visible()


def test_enter_on_a_row_shows_the_model_and_only_what_it_can_do(app: App, page: Page) -> None:
    opened(app, page, "toy", "Enter")
    expect(page.locator("#model-facts")).to_contain_text("LlamaForCausalLM")
    expect(page.locator("#model-train")).to_be_visible()
    expect(page.locator("#model-fold")).to_be_hidden()
    page.locator('#models-table tr[data-key="skill"]').click()
    expect(page.locator("#model-fold")).to_be_visible()
    expect(page.locator("#model-facts")).to_contain_text("adapter of toy")
    shot(page, "model-details")


def test_its_buttons_fill_the_other_tabs(app: App, page: Page) -> None:
    opened(app, page, "toy")
    page.locator("#model-train").click()
    form = page.locator("#train-form")
    expect(form.get_by_label("Model", exact=True)).to_have_value("toy")
    tab(page, "Models")
    page.locator("#model-compress").click()
    expect(page.locator("#compress-model").get_by_label("Model", exact=True)).to_have_value("toy")
    expect(page.locator("#ladder")).to_contain_text("MB")
    tab(page, "Models")
    page.locator('#models-table tr[data-key="skill"]').click()
    expect(page.locator("#model-facts")).to_contain_text("adapter of toy")
    page.locator("#model-label").click()
    expect(page.locator("#label-form")).to_contain_text("skill")
    tab(page, "Models")
    page.locator("#model-chat").click()
    expect(page.locator("#compare-models")).to_contain_text("skill")
