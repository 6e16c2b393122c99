"""In the Train tab: a search for a learning rate that one click takes over, and a run that says what it kept."""

from collections.abc import Iterator

import pytest
from driving import App, serving, tab
from playwright.sync_api import Page, expect

from tests.running import carry
from tests.toy_training import job
from tests.toys import toy_home
from workbench.core.home import Home
from workbench.training.jobs.find_learning_rate import FindLearningRate

PATIENCE = 120_000


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory, exact: None) -> Home:
    """A home with a training that kept its best evaluation, which is over."""
    made = toy_home(tmp_path_factory.mktemp("home"))
    stopping = {"eval_every": 1, "checkpoint_every": 1, "early_stopping_patience": 1, "max_steps": 20}
    # An improvement nobody makes: it ends at its first evaluation after a step.
    carry(made, job(output="kept", **stopping, early_stopping_improvement=1000))
    return made


@pytest.fixture(scope="module")
def app(home: Home) -> Iterator[App]:
    with serving(home) as app:
        yield app


def test_a_run_says_which_evaluation_it_kept_and_why(app: App, page: Page) -> None:
    page.goto(app.url)
    tab(page, "Train")
    page.get_by_text("notes", exact=False).first.click()
    run = page.locator(".wb-live-run:visible")
    expect(run).to_contain_text("Stopped early at step 2: 1 evaluation without improvement.")
    expect(run).to_contain_text("Kept the weights of step")
    expect(run.locator(".wb-kv")).to_contain_text("stopped early")
    expect(page.locator("#train-take-rate")).to_be_hidden()


def test_a_search_finds_a_rate_and_one_click_takes_it_over(app: App, home: Home, page: Page) -> None:
    carry(home, FindLearningRate.parse({"model": "toy", "dataset": "talks", "batch_size": 2, "steps": 40}))
    page.goto(app.url)
    tab(page, "Train")
    take = page.locator("#train-take-rate")
    expect(take).to_be_visible(timeout=PATIENCE)
    expect(page.locator("#train-rate-result")).to_contain_text("Suggested: ")
    page.locator("#train-rate-figure").scroll_into_view_if_needed()  # drawn once it is seen
    expect(page.locator("#train-rate-figure .js-plotly-plot .scatterlayer .point").first).to_be_visible()
    words = take.inner_text().split()
    take.click()
    expect(page.locator("#train-form").get_by_label("Learning rate", exact=True)).to_have_value(words[1])


def test_the_button_starts_a_search_with_the_settings_of_the_form(app: App, page: Page) -> None:
    page.goto(app.url)
    tab(page, "Train")
    expect(page.locator("#train-form").get_by_label("Model", exact=True)).to_have_value("toy", timeout=PATIENCE)
    page.locator("#train-find-rate").click()
    expect(page.locator(".wb-live-title:visible")).to_have_text("Learning rate for toy on talks", timeout=PATIENCE)
