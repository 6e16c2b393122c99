"""Blind labelling in real browsers: what people see before a session is closed, and what the page keeps."""

from collections.abc import Iterator

import pytest
from driving import App, serving, shot, tab, until
from playwright.sync_api import Browser, Page, expect

from tests.toys import toy_home
from tests.voting import by, make_session
from workbench.core.home import Home
from workbench.jobs.queue import Queue
from workbench.preferences import store, tables
from workbench.preferences.blinding import close_session
from workbench.preferences.standing_votes import effective_votes
from workbench.preferences.votes import next_item

MODELS = ["secret-alpha", "secret-beta"]


@pytest.fixture(scope="module")
def app(tmp_path_factory: pytest.TempPathFactory) -> Iterator[App]:
    with serving(toy_home(tmp_path_factory.mktemp("home"))) as app:
        yield app


def person(app: App, browser: Browser, name: str, session: str) -> Page:
    """A browser of its own, in which this name votes in that session."""
    page = browser.new_context(viewport={"width": 1366, "height": 900}).new_page()
    page.goto(app.url)
    tab(page, "Label")
    box = page.locator("#session input")
    expect(box).not_to_have_value("")
    box.fill(session)
    box.press("Enter")
    page.keyboard.press("Escape")
    page.locator("#annotator input, #annotator textarea").first.fill(name)
    page.locator("#vote-start").click()
    page.evaluate("window.confirm = () => true")
    return page


def pad(page: Page):
    return page.locator(".wb-vote-pad")


def leases(home: Home) -> int:
    with store.reading(home) as db:
        return len(db.execute(tables.leases.select()).all())


def test_the_address_for_annotators_runs_nothing_of_the_owners_page(app: App, page: Page) -> None:
    """Both pages' functions go by the same numbers; that every call says its page is held where `page` is made."""
    make_session(app.home, "linked", prompts=1, models=MODELS)
    page.goto(f"{app.url}label/linked")
    page.locator("#annotator input, #annotator textarea").first.fill("ada")
    page.locator("#vote-start").click()
    expect(pad(page)).to_contain_text("question")
    assert Queue(app.home).all() == []


def test_two_browsers_label_and_neither_sees_names_or_counts_until_it_is_closed(app: App, browser: Browser) -> None:
    make_session(app.home, "blind", prompts=4, models=MODELS)
    ada, bob = (person(app, browser, name, "blind") for name in ("ada", "bob"))
    received: list[str] = []
    for page in (ada, bob):
        page.on("response", lambda response: received.append(_body(response)))
    expect(pad(bob)).to_contain_text("question")
    assert pad(ada).locator(".wb-vote-prompt").inner_text() != pad(bob).locator(".wb-vote-prompt").inner_text()
    for count in (1, 2, 3):
        ada.keyboard.press("t" if count == 1 else "ArrowLeft")
        expect(pad(ada)).to_contain_text(f"({count} of 4)" if count < 3 else "Others are judging the last pairs")
    expect(ada.locator("#result")).to_contain_text("3 of 4")
    expect(ada.locator("#result")).to_contain_text("hidden from everyone who may vote")
    shot(ada, "label-open")
    bob.keyboard.press("ArrowRight")
    for page in (ada, bob):
        expect(pad(page)).to_contain_text("Every pair has its votes")
        expect(page.locator("#train-dpo")).to_be_hidden()
        shown = page.locator("body").inner_text() + page.locator("#result").inner_html()
        assert not any(model in shown for model in MODELS)
        assert "tie" not in page.locator("#result").inner_text()
    assert not any(model in text for text in received for model in MODELS)
    ada.locator("#session-close").click()
    for page in (ada, bob):
        expect(page.locator("#result")).to_contain_text("secret-alpha over secret-beta")
        expect(page.locator("#result")).to_contain_text("ada (3), bob (1)")
        expect(pad(page)).to_contain_text("This session is closed")  # the pad of who did not close it learns of it too
        expect(page.locator('[data-choice="undo"]')).to_be_disabled()
    shot(ada, "label-closed")
    for page in (ada, bob):
        page.context.close()


def _body(response) -> str:
    try:
        return response.text() if "gradio_api" in response.url and "heartbeat" not in response.url else ""
    except Exception:  # a stream that never ends has no body
        return ""


@pytest.mark.prove
def test_looking_early_is_recorded_and_later_votes_are_left_out(app: App, browser: Browser) -> None:
    make_session(app.home, "early", prompts=4, models=MODELS)
    page = person(app, browser, "eve", "early")
    expect(pad(page)).to_contain_text("question")
    page.keyboard.press("ArrowLeft")
    expect(pad(page)).to_contain_text("(1 of 4)")
    page.locator("#session-look").click()
    expect(page.locator("#result")).to_contain_text("You have seen this result while the session is open")
    expect(page.locator("#result")).to_contain_text("secret-alpha")
    expect(pad(page)).to_contain_text("left out")
    expect(page.locator('[data-choice="undo"]')).to_be_enabled()
    again = person(app, browser, "eve", "early")
    expect(again.locator("#result")).to_contain_text("hidden from everyone")
    expect(pad(again)).to_contain_text("left out")
    again.keyboard.press("ArrowLeft")
    expect(pad(again)).to_contain_text("Saved ✓")
    shot(again, "label-unblinded")
    assert len(effective_votes(app.home, "early")) == 1
    assert len(effective_votes(app.home, "early", with_unblinded=True)) == 2
    close_session(app.home, "early", by("the owner"))
    expect(again.locator("#result")).to_contain_text("1 votes given after seeing the result")
    again.context.close()
    page.context.close()


def test_a_closed_page_gives_its_pair_back_at_once(app: App, browser: Browser) -> None:
    make_session(app.home, "last", prompts=1, models=MODELS)
    page, waiting = (person(app, browser, name, "last") for name in ("ann", "ben"))
    expect(pad(page)).to_contain_text("question 0")
    expect(pad(waiting)).to_contain_text("Others are judging the last pairs")
    page.close()
    expect(pad(waiting)).to_contain_text("question 0")
    page.context.close()
    waiting.context.close()


def test_an_undone_pair_comes_back_with_sides_drawn_anew(app: App, browser: Browser) -> None:
    make_session(app.home, "again", prompts=1, models=MODELS)
    page = person(app, browser, "ann", "again")
    left = page.locator('.wb-vote-side[data-side="left"] .wb-vote-text')
    seen: set[str] = set()
    for _ in range(20):  # all alike by chance once in half a million runs
        expect(left).to_contain_text("Answer")
        seen.add(left.inner_text())
        if len(seen) == 2:
            break
        page.keyboard.press("t")
        expect(pad(page)).to_contain_text("Every pair has its votes")
        expect(pad(page)).to_have_attribute("data-busy", "false")  # till then keys do nothing
        page.keyboard.press("u")
        expect(pad(page)).to_contain_text("Undone. Vote again.")
    assert len(seen) == 2
    page.context.close()


def test_a_vote_into_a_file_that_was_moved_away_is_kept_by_the_page_until_it_is_back(
    app: App, browser: Browser
) -> None:
    make_session(app.home, "moved", prompts=2, models=MODELS)
    page = person(app, browser, "ann", "moved")
    expect(pad(page)).to_contain_text("question")
    away = app.home.root / "away.sqlite"
    app.home.labels.rename(away)
    page.keyboard.press("ArrowLeft")
    expect(pad(page).locator(".wb-error")).to_contain_text("was moved, deleted or replaced")
    expect(pad(page).locator(".wb-error")).to_contain_text("Not saved yet. Your choice “Left is better” is kept.")
    shot(page, "label-moved")
    away.rename(app.home.labels)
    page.keyboard.press("r")
    expect(pad(page)).to_contain_text("Saved ✓")
    assert len(effective_votes(app.home, "moved")) == 1
    page.context.close()


def test_a_vote_is_there_after_the_server_is_killed_right_after_saved(app: App, browser: Browser) -> None:
    make_session(app.home, "killed", prompts=2, models=MODELS)
    page = person(app, browser, "ada", "killed")
    expect(pad(page)).to_contain_text("question")
    page.keyboard.press("ArrowLeft")
    expect(pad(page)).to_contain_text("(1 of 2)")
    page.keyboard.press("u")
    expect(pad(page)).to_contain_text("Undone. Vote again.")
    assert effective_votes(app.home, "killed") == []
    page.keyboard.press("t")
    expect(pad(page)).to_contain_text("(1 of 2)")
    app.kill()
    assert [vote.choice for vote in effective_votes(app.home, "killed")] == ["tie"]
    page.context.close()
    app.start()


def test_a_damaged_labels_file_is_shown_and_recovered(app: App, browser: Browser) -> None:
    make_session(app.home, "damaged", prompts=3, models=MODELS)
    next_item(app.home, "damaged", by("zoe"))
    app.kill()
    store.forget(app.home)
    content = app.home.labels.read_bytes()
    app.home.labels.write_bytes(content[: len(content) // 2])
    app.start()
    page = browser.new_context(viewport={"width": 1366, "height": 900}).new_page()
    page.goto(app.url)
    tab(page, "Models")
    expect(page.locator("#models-table").get_by_text("toy").first).to_be_visible()
    tab(page, "Label")
    expect(page.locator("#labels-trouble")).to_contain_text("labels.sqlite is damaged")
    shot(page, "label-damaged")
    page.evaluate("window.confirm = () => true")
    page.locator("#labels-recover").click()
    expect(page.locator(".toast-body").first).to_contain_text("new label database")
    expect(page.locator("#labels-trouble")).to_be_hidden()
    until(lambda: list(app.home.root.glob("labels-damaged-*/labels.sqlite")))
    make_session(app.home, "after", prompts=1, models=MODELS)
    page.context.close()
