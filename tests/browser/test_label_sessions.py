"""A session as its owner looks after it in the page, while an annotator votes in it."""

import json
import re
from collections.abc import Iterator
from uuid import uuid4

import pytest
from driving import App, fill, fold, serving, shot, tab, until
from playwright.sync_api import Browser, expect

from tests.toys import toy_home
from tests.voting import by
from workbench.preferences.answer_counts import count_checks
from workbench.preferences.ballots import Ballot
from workbench.preferences.guideline_versions import list_guidelines
from workbench.preferences.sessions import get_session, list_sessions
from workbench.preferences.standing_votes import effective_votes
from workbench.preferences.votes import next_item, vote

NAME, FORM = "kindness", "#import-answers-form"
GOLD = '{"prompt": "2+2?", "better": "4", "worse": "5"}'


@pytest.fixture(scope="module")
def app(tmp_path_factory: pytest.TempPathFactory) -> Iterator[App]:
    with serving(toy_home(tmp_path_factory.mktemp("home"))) as app:
        yield app


def judge(app: App) -> None:
    item = next_item(app.home, NAME, by("ann"))
    assert item
    ballot = Ballot(aspects={"tone": "left", "truth": "tie"})
    vote(app.home, NAME, by("ann"), item.token, "left", uuid4().hex, 1.0, ballot)


def test_a_session_is_made_paused_edited_resumed_cloned_and_archived(app: App, browser: Browser) -> None:
    context = browser.new_context(viewport={"width": 1366, "height": 900})
    context.grant_permissions(["clipboard-read", "clipboard-write"])
    page = context.new_page()
    page.goto(app.url)
    tab(page, "Label")
    page.locator("#new-session").get_by_role("tab", name="Import answers").click()
    lines = [{"prompt": f"q{n}", "answers": {"one": f"yes {n}", "two": f"I am ChatGPT {n}"}} for n in range(4)]
    fill(page, "Session name", NAME, FORM)
    fill(page, "Answers", "\n".join(map(json.dumps, lines)), FORM)
    written = page.locator(FORM)
    for title in ("Guidelines", "Votes", "Votes per pair, gold questions"):
        fold(page, title, FORM)
    fill(page, "Guidelines", "Be **kind**.", FORM)
    expect(written.get_by_role("group", name="Preview of Guidelines").locator("strong")).to_have_text("kind")
    fill(page, "Aspects", "tone\ntruth", FORM)
    fill(page, "Gold and training questions", GOLD, FORM)
    fold(page, "Votes", FORM)
    expect(written.locator("summary", has_text="Votes").first).to_contain_text("aspects tone, truth")
    page.locator("#import-answers-start").click()
    head = page.locator("#session-head")
    expect(head.locator(".wb-chip")).to_have_text("open", timeout=60_000)
    expect(head).to_contain_text("by aspect: tone, truth")
    expect(head).to_contain_text("4 name a model or its maker (shown)")
    judge(app)
    expect(head).to_contain_text("1 of 4 by 1 person")
    page.locator("#session-mask").click()
    expect(head).to_contain_text("4 name a model or its maker (covered)")
    page.locator("#session-pause").click()
    expect(head.locator(".wb-chip")).to_have_text("paused")
    assert next_item(app.home, NAME, by("ann")) is None
    page.locator("#fold-guidelines > button").click()
    expect(page.locator("#guidelines-text textarea")).to_have_value("Be **kind**.")
    page.locator("#guidelines-text textarea").fill("Be strict.")
    page.locator("#guidelines-save").click()
    expect(page.locator("#guidelines-versions")).to_contain_text("local")
    expect(head).to_contain_text("version 2")
    page.locator("#session-resume").click()
    expect(head.locator(".wb-chip")).to_have_text("open")
    judge(app)
    page.locator("#session-link").click()
    expect(page.locator("#session-link")).to_have_text("Copied")
    assert page.evaluate("navigator.clipboard.readText()") == f"{app.url}label/{NAME}"
    shot(page, "label-session")
    page.locator("#fold-adding > button").click()
    page.locator("#clone-name input, #clone-name textarea").first.fill("kindness-2")
    page.locator("#clone-start").click()
    expect(head).to_contain_text("kindness-2")
    expect(head.locator(".wb-chip")).to_have_text("draft")
    expect(page.locator("#guidelines-text textarea")).to_have_value("Be strict.")
    votes = effective_votes(app.home, NAME)
    assert [each.guideline for each in votes] == [1, 2]
    assert all(each.aspects.keys() == {"tone", "truth"} for each in votes)
    for name in (NAME, "kindness-2"):
        assert count_checks(app.home, name)["gold"] == 1
        assert list_guidelines(app.home, name)[0].text == "Be strict."
    assert get_session(app.home, "kindness-2").votes == 0
    page.context.close()


def test_settings_change_beside_votes_and_an_archived_session_leaves_the_list(app: App, browser: Browser) -> None:
    until(lambda: len(list_sessions(app.home)) == 2)
    page = browser.new_context(viewport={"width": 420, "height": 900}).new_page()
    page.goto(app.url)
    tab(page, "Label")
    page.locator("#sessions-table").get_by_text(NAME, exact=True).click()
    head = page.locator("#session-head")
    expect(head.locator("h2")).to_have_text(NAME)
    form = page.locator("#session-settings")
    page.locator("#fold-settings > button").click()  # it was filled before it was ever drawn
    expect(form.locator("summary", has_text="Votes")).to_contain_text("aspects tone, truth")
    fold(page, "Votes", "#session-settings")
    expect(form.get_by_label("Aspects", exact=True)).to_have_value("tone\ntruth")
    fill(page, "Aspects", "tone", "#session-settings")
    page.locator("#settings-save").click()
    expect(form).to_contain_text("is fixed: votes were given")
    fill(page, "Aspects", "tone\ntruth", "#session-settings")
    fill(page, "Votes per pair", "2", "#session-settings")
    page.locator("#settings-save").click()
    expect(head).to_contain_text("2 votes each")
    page.evaluate("window.confirm = () => true")
    page.locator("#annotator input, #annotator textarea").first.fill("olga")
    page.locator("#session-close").click()
    expect(head.locator(".wb-chip")).to_have_text("closed")
    page.locator("#session-archive").click()
    expect(head.locator(".wb-chip")).to_have_text("archived")
    expect(page.locator("#sessions-table")).not_to_contain_text(re.compile(rf"{NAME}(?!-2)"))
    page.locator("#archived-fold > button").click()
    expect(page.locator("#archived-table")).to_contain_text(NAME)
    shot(page, "label-archived")
    page.context.close()
