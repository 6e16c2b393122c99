"""Every tab, light and dark, wide and narrow, as axe-core sees it: no serious finding in markup of ours.

One server and one page for all of them: a page is loaded once, and looked at in each of its states.
"""

from collections.abc import Iterator

import pytest
from axe_playwright_python.base import AXE_SCRIPT
from driving import App, choose, pick, serving, shot
from playwright.sync_api import Browser, Locator, Page, expect

from tests.bench.home_of_many import add_job
from tests.toys import toy_adapter, toy_home
from tests.voting import by, close, make_session
from workbench.core.home import Home
from workbench.preferences import votes

WIDE, NARROW = 1440, 420
ABOVE = ["heading-order", "page-has-heading-one", "empty-table-header"]
"""Rules axe calls less than serious that hold here all the same."""
AXE = """(above) => axe.run({ resultTypes: ['violations'] })
  .then(({ violations }) => violations
    .filter(({ id, impact }) => ['serious', 'critical'].includes(impact) || above.includes(id))
    .flatMap(({ id, nodes }) => nodes.map(({ html, failureSummary }) =>
      `${id}: ${html.slice(0, 160)} ${failureSummary.split('\\n').slice(1).join(' ')}`)))"""
QUIET = """() => new Promise((resolve) => {
  let timer = setTimeout(resolve, 400);
  new MutationObserver(() => { clearTimeout(timer); timer = setTimeout(resolve, 400); })
    .observe(document.body, { subtree: true, childList: true, characterData: true });
  setTimeout(resolve, 4000);
})"""
"""Until the page has drawn what a tab shows: nothing in it changes any more, or hardly."""
ROW = ".tab-wrapper .tab-container:not(.visually-hidden)"


def filled(home: Home) -> Home:
    """A model with its adapter, datasets, a training that ended, an open session and one with its votes."""
    toy_adapter(home, "first", spread=0.02)
    add_job(home, 0)
    for name in ("open", "closed"):
        make_session(home, name, prompts=3, models=["toy", "first"])
    for number in range(3):
        item = votes.next_item(home, "closed", by("ada"))
        assert item
        votes.vote(home, "closed", by("ada"), item.token, "left", f"vote-number-{number}", 2.0)
    close(home, "closed")
    return home


@pytest.fixture(scope="module")
def app(tmp_path_factory: pytest.TempPathFactory) -> Iterator[App]:
    with serving(filled(toy_home(tmp_path_factory.mktemp("home")))) as app:
        yield app


@pytest.fixture(scope="module")
def page(app: App, browser: Browser) -> Iterator[Page]:
    """One page for all tests, of a person who wants no motion: nothing is looked at halfway to its colour."""
    context = browser.new_context(viewport={"width": WIDE, "height": 900}, reduced_motion="reduce")
    page = context.new_page()
    errors: list[str] = []
    page.on("pageerror", lambda error: errors.append(str(error)))
    page.goto(app.url)
    expect(tabs(page, "#tabs").first).to_be_visible()
    page.evaluate(AXE_SCRIPT)
    yield page
    context.close()
    assert errors == []


def tabs(page: Page, of: str) -> Locator:
    """The names in a row of tabs."""
    return page.locator(f"{of} > {ROW} button[role=tab]")


def names(page: Page, of: str) -> list[str]:
    return [name.strip() for name in tabs(page, of).all_inner_texts()]


def look(page: Page, width: int, dark: bool) -> None:
    page.set_viewport_size({"width": width, "height": 900})
    page.evaluate("dark => document.body.classList.toggle('dark', dark)", dark)
    page.evaluate("() => new Promise((drawn) => requestAnimationFrame(() => requestAnimationFrame(drawn)))")
    page.wait_for_function("() => document.getAnimations().every((one) => one.playState !== 'running')")


def findings(page: Page, where: str, states: list[tuple[int, bool]]) -> list[str]:
    """What axe finds in this tab, wide and narrow, light and dark; and whether something is cut off at the side."""
    found: list[str] = []
    for width, dark in states:
        look(page, width, dark)
        state = f"{where}, {width} px, {'dark' if dark else 'light'}"
        found += [f"{state}: {one}" for one in page.evaluate(AXE, ABOVE)]
        wide = page.evaluate("document.scrollingElement.scrollWidth")
        if wide > width:
            found.append(f"{state}: {wide} px wide")
    return found


def settle(page: Page, tab: str) -> None:
    """Opens what the tab shows of the things of the home."""
    if tab in ("Models", "Jobs"):
        page.locator(f"#{tab.lower()}-table tbody tr").first.click()
        expect(page.locator("#model-chat" if tab == "Models" else ".wb-live-title:visible")).to_be_visible()
    if tab == "Train":
        pick(page, "#train-form", "Model", "toy")
        pick(page, "#train-form", "Dataset", "talks")
        expect(page.locator("#train-check").get_by_role("img")).to_be_visible(timeout=60_000)
        page.locator("#train-check").get_by_role("button", name="Look at the rows").click()
        expect(page.locator("#train-check")).to_contain_text("34 rows are cut off", timeout=60_000)
    if tab == "Compare":
        choose(page, "#compare-models", "toy")
        page.locator("#chat-message textarea").fill("Tell me.")
        page.locator("#chat-send").click()
        expect(page.locator(".wb-pane .wb-msg.is-assistant")).to_be_visible(timeout=60_000)
        expect(page.locator(".wb-chat-grid")).to_have_attribute("data-busy", "false", timeout=60_000)
    if tab == "Label":
        choose(page, "#session", "open")
        page.locator("#annotator input, #annotator textarea").first.fill("ada")
        page.locator("#vote-start").click()
        expect(page.locator('[data-choice="left"]')).to_be_enabled()


EVERY = [(WIDE, False), (WIDE, True), (NARROW, False), (NARROW, True)]
TWO = EVERY[:1] + EVERY[3:]
TABS = ["Overview", "Models", "Data", "Train", "Merge", "Compress", "Compare", "Label", "Jobs", "People"]


@pytest.mark.parametrize("name", TABS)
def test_axe_finds_nothing_serious(page: Page, name: str) -> None:
    look(page, WIDE, dark=False)
    assert names(page, "#tabs") == TABS
    tabs(page, "#tabs").filter(has_text=name).click()
    page.evaluate(QUIET)
    settle(page, name)
    found = findings(page, name, EVERY)
    for inner in names(page, ".wb-subtabs:visible")[1:]:
        look(page, WIDE, dark=False)
        tabs(page, ".wb-subtabs:visible").filter(has_text=inner).click()
        page.evaluate(QUIET)
        found += findings(page, f"{name}, {inner}", TWO)
    if name == "Label":
        choose(page, "#session", "closed")
        expect(page.locator("#result")).to_contain_text("ada (3)")
        found += findings(page, "Label, closed", TWO)
    assert found == []


def test_every_tab_is_reached_by_its_name_on_a_narrow_page(page: Page) -> None:
    look(page, NARROW, dark=False)
    for name in TABS:
        tabs(page, "#tabs").filter(has_text=name).click()
        for row in ("#tabs", ".wb-subtabs:visible"):
            for tab in tabs(page, row).all():
                expect(tab).to_be_visible()
                box = tab.bounding_box()
                assert box and box["x"] >= 0 and box["x"] + box["width"] <= NARROW
                assert tab.inner_text().strip()
    shot(page, "narrow")
