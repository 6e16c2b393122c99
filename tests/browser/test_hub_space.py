"""A simulated Space in Chromium: the page in a frame of the hub, by TLS, with the hub's login in a tab of its own."""

from collections.abc import Iterator

import pytest
from driving import App, tab, until
from playwright.sync_api import Browser, Page, Playwright, expect

from tests.browser.conftest import launched
from tests.browser.test_people import findings
from tests.simulated_space import HUB_PAGE, SPACE_URL, SimulatedSpace, simulated_space
from tests.voting import make_session
from workbench.core.home import Home
from workbench.people.accounts import get_person, list_people
from workbench.people.hub_accounts import joining_role, set_joining_role
from workbench.people.roles import Role
from workbench.preferences.standing_votes import effective_votes

MODELS = ("model-alpha", "model-beta")
ADA, ME, BOB = ("a" * 24, "ada"), ("b" * 24, "me"), ("c" * 24, "bob")


@pytest.fixture(scope="module")
def app(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[App, SimulatedSpace]]:
    """The workbench on a Space of `me`, with a session to vote in."""
    home = Home.at(tmp_path_factory.mktemp("home"))
    make_session(home, "round", 30, MODELS)
    app = App(home)
    with simulated_space(tmp_path_factory.mktemp("tls"), app.port) as space:
        app.settings = space.settings
        try:
            yield app.start(), space
        finally:
            app.kill()


@pytest.fixture(scope="module")
def world(driver: Playwright, app: tuple[App, SimulatedSpace]) -> Iterator[Browser]:
    chromium = launched(driver, *app[1].flags, "--disable-features=LocalNetworkAccessChecks")
    yield chromium
    chromium.close()


@pytest.mark.prove
def test_somebody_logs_in_within_the_hubs_frame_labels_and_goes_on_after_a_restart(
    world: Browser, app: tuple[App, SimulatedSpace]
) -> None:
    server, space = app
    space.hub.user = ADA
    set_joining_role(server.home, "annotator", "test")
    before = len(effective_votes(server.home, "round"))  # none, but where this is tried once more
    context = world.new_context(viewport={"width": 1366, "height": 768})
    page = context.new_page()
    page.goto(HUB_PAGE)
    inside = page.frame_locator("iframe")
    with context.expect_page() as opened:
        inside.get_by_role("link", name="Log in with Hugging Face").click()
    expect(inside.locator("#signed-in")).to_contain_text("ada · annotator")
    until_closed(opened.value, page)
    cookies = [each for each in context.cookies() if "hf.space" in each["domain"]]
    assert {(each["sameSite"], each["secure"], each["httpOnly"]) for each in cookies} == {("None", True, True)}
    vote_once(page, server.home, before + 1)
    server.kill()
    server.start()
    page.keyboard.press("t")
    until(lambda: len(effective_votes(server.home, "round")) == before + 2, 180)
    page.reload()
    expect(inside.locator("#signed-in")).to_contain_text("ada · annotator")
    vote_once(page, server.home, before + 3)
    context.clear_cookies(name=f"workbench-login-{server.port}")
    page.keyboard.press("t")
    with context.expect_page() as again:
        inside.locator(".wb-login-ended").get_by_role("link", name="Log in again").click()
    again.value.get_by_role("link", name="Log in with Hugging Face").click()
    until(lambda: len(effective_votes(server.home, "round")) == before + 4, 180)
    until_closed(again.value, page)
    expect(inside.locator(".wb-login-ended")).to_have_count(0)
    inside.get_by_role("button", name="Log out").click()
    expect(inside.get_by_role("link", name="Log in with Hugging Face")).to_be_visible()
    assert {vote.annotator for vote in effective_votes(server.home, "round")} == {"ada"}
    assert get_person(server.home, "ada").hub_name == "ada"
    context.close()


def until_closed(closing: Page, page: Page) -> None:
    """Waits for a tab to be gone; Playwright hears of it only while it is asked something."""
    until(lambda: page.evaluate("1") and closing.is_closed())


def vote_once(page: Page, home: Home, votes: int) -> None:
    """Starts voting in the frame and gives one vote, after which there are so many."""
    inside = page.frame_locator("iframe")
    inside.locator("#open-sessions").get_by_role("link", name="round").click()
    expect(inside.locator("#session input")).to_have_value("round")
    inside.locator("#vote-start").click()
    expect(inside.locator(".wb-vote-pad")).to_contain_text("question")
    page.keyboard.press("t")
    expect(inside.locator(".wb-vote-pad")).to_contain_text("Saved ✓")
    until(lambda: len(effective_votes(home, "round")) == votes, 180)


def test_the_author_opens_the_space_itself_and_lets_others_join(
    world: Browser, app: tuple[App, SimulatedSpace]
) -> None:
    server, space = app
    space.hub.user = ME
    context = world.new_context(viewport={"width": 1366, "height": 768})
    page = context.new_page()
    page.goto(f"{SPACE_URL}?tab=x")
    expect(page.get_by_label("Password")).to_be_visible()
    assert findings(page) == []
    page.get_by_role("link", name="Log in with Hugging Face").click()
    page.wait_for_url(f"{SPACE_URL}?tab=x")
    tab(page, "People")
    expect(page.locator("#signed-in")).to_contain_text("me · owner")
    expect(page.locator("#people")).to_contain_text("Hugging Face")
    banner = page.locator("#space-banner")
    expect(banner).to_contain_text("Votes, models and data are lost when the Space restarts")
    assert findings(page) == []
    banner.get_by_role("button", name="Dismiss").click()
    expect(banner).to_be_hidden()
    pick_joining(page, "Everybody, as viewer")
    until(lambda: joining_role(server.home) is Role.VIEWER)
    page.reload()
    tab(page, "People")
    expect(page.locator("#hub-joining-role input")).to_have_value("Everybody, as viewer")
    expect(banner).to_be_hidden()
    context.close()
    space.hub.user = BOB
    set_joining_role(server.home, "nobody", "test")
    stranger = world.new_context().new_page()
    stranger.goto(SPACE_URL)
    stranger.get_by_role("link", name="Log in with Hugging Face").click()
    expect(stranger.locator("body")).to_contain_text("The Hugging Face account bob has no account here.")
    assert findings(stranger) == []
    stranger.get_by_role("link", name="Log in").click()
    expect(stranger.get_by_role("link", name="Log in with Hugging Face")).to_be_visible()
    assert {person.name: person.role for person in list_people(server.home)}["me"] is Role.OWNER
    stranger.context.close()


def pick_joining(page: Page, choice: str) -> None:
    page.locator("#hub-joining-role input").click()
    page.get_by_role("option", name=choice).click()
