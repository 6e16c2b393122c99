"""Accounts in a real browser: an owner invites an annotator by link, who labels, and is disabled in mid-session."""

import re
from pathlib import Path
from typing import Any

from axe_playwright_python.base import AXE_SCRIPT
from driving import serving, tab
from playwright.sync_api import Browser, Page, expect

from tests.browser.test_accessibility import ABOVE, AXE, QUIET
from tests.voting import make_session
from workbench.core.home import Home
from workbench.people.accounts import get_person, switch_accounts_on
from workbench.people.invitations import invite
from workbench.people.roles import Role
from workbench.preferences.standing_votes import effective_votes

PASSWORD = "correct horse battery"
MODELS = ("model-alpha", "model-beta")


def join(browser: Browser, link: str, name: str) -> Page:
    """Opens an invitation in a browser of its own and takes it."""
    page = browser.new_context(viewport={"width": 1366, "height": 768}).new_page()
    page.goto(link)
    page.get_by_label("Name").fill(name)
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Join").click()
    return page


def link_of(page: Page) -> str:
    """The link that was made, once the browser has made it a whole address."""
    box = page.locator("#invite-link").locator("input, textarea").first
    expect(box).to_have_value(re.compile("://.*/invite"))
    return box.input_value()


def findings(page: Page) -> list[str]:
    """What axe finds in what is shown, and whether it is wider than a phone."""
    page.evaluate(AXE_SCRIPT)
    page.evaluate(QUIET)
    wide: list[str] = page.evaluate(AXE, ABOVE)
    size = page.viewport_size
    page.set_viewport_size({"width": 420, "height": 900})
    page.evaluate(QUIET)
    narrow: list[str] = page.evaluate(AXE, ABOVE)
    if page.evaluate("document.scrollingElement.scrollWidth") > 420:
        narrow.append("wider than a phone")
    page.set_viewport_size(size or {"width": 1366, "height": 768})
    return [*wide, *narrow]


def accept(dialog: Any) -> None:
    dialog.accept()


def test_accounts_are_switched_on_in_the_page_and_others_log_in(browser: Browser, tmp_path: Path) -> None:
    with serving(Home.at(tmp_path)) as app:
        owner, other = (browser.new_context(viewport={"width": 1366, "height": 768}).new_page() for _ in range(2))
        for page in (owner, other):
            page.goto(app.url)
        tab(owner, "People")
        owner.locator("#accounts-on").click()
        owner.get_by_label("Name").fill("Olga")
        owner.get_by_label("Password").fill(PASSWORD)
        owner.get_by_role("button", name="Join").click()
        expect(owner.locator("#signed-in")).to_contain_text("Olga · owner")
        expect(other.locator(".wb-login-ended")).to_contain_text("Log in again")
        other.goto(app.url)
        expect(other.get_by_role("button", name="Log in")).to_be_visible()
        for page in (owner, other):
            page.context.close()


def test_an_annotator_is_invited_by_link_labels_and_is_disabled_in_mid_session(
    browser: Browser, tmp_path: Path
) -> None:
    home = Home.at(tmp_path)
    make_session(home, "round", 4, MODELS)
    switch_accounts_on(home)
    with serving(home) as app:
        owner = join(browser, f"{app.url}invite?token={invite(home, Role.OWNER, 'test')}", "Olga")
        owner.on("dialog", accept)
        tab(owner, "People")
        expect(owner.locator("#signed-in")).to_contain_text("Olga · owner")
        owner.locator("#invite").click()
        anna = join(browser, link_of(owner), "Anna")
        anna.locator("#open-sessions").get_by_role("link", name="round").click()
        expect(anna.locator("#session input")).to_have_value("round")
        expect(anna).to_have_url(f"{app.url}label/round")
        expect(anna.get_by_role("tab")).to_have_count(0)
        expect(anna.locator("body")).not_to_contain_text("model-alpha")
        anna.locator("#vote-start").click()
        pad = anna.locator(".wb-vote-pad")
        expect(pad).to_contain_text("question")
        assert findings(anna) == []
        anna.keyboard.press("t")
        expect(pad).to_contain_text("Saved ✓")
        assert [vote.annotator for vote in effective_votes(home, "round")] == ["Anna"]

        expect(owner.locator("#people")).to_contain_text("Anna")
        assert findings(owner) == []
        owner.locator("#person input").click()
        owner.get_by_role("option", name="Anna").click()
        owner.locator("#person-disable").click()
        expect(owner.locator("#people")).to_contain_text("disabled")
        expect(owner.locator("#record-table tbody tr", has_text="disabled").first).to_contain_text("account Anna")
        anna.keyboard.press("t")
        expect(pad).to_contain_text("Your login has ended.")
        assert len(effective_votes(home, "round")) == 1
        assert get_person(home, "Anna").disabled
        owner.locator("#person-reset").click()
        expect(owner.locator("#invite-link")).to_contain_text("Link for Anna")
        owner.locator("#invite").click()
        expect(owner.locator("#invite-link")).not_to_contain_text("Anna")

        viewer = join(browser, f"{app.url}invite?token={invite(home, Role.VIEWER, 'Olga')}", "Viktor")
        expect(viewer.get_by_text("No results yet")).to_be_visible()
        viewer.goto(f"{app.url}label/round")
        expect(viewer.get_by_text("Your role does not allow this.")).to_be_visible()
        viewer.get_by_role("link", name="Open your page").click()
        expect(viewer.get_by_text("Win rates and ratings of sessions whose voting has ended.")).to_be_visible()
        viewer.goto(f"{app.url}?tab=models&model=model-alpha")
        expect(viewer.locator("#address")).to_contain_text("this page does not show")
        owner.goto(f"{app.url}label/round")
        owner.locator("#vote-start").click()
        expect(owner.locator(".wb-vote-pad")).to_contain_text("question")
        expect(owner.get_by_role("tab")).to_have_count(0)
        expect(viewer.get_by_role("tab")).to_have_count(0)
        assert findings(viewer) == []
        viewer.get_by_role("button", name="Log out").click()
        expect(viewer.get_by_label("Password")).to_be_visible()
        assert findings(viewer) == []
        for person in (owner, anna, viewer):
            person.context.close()
