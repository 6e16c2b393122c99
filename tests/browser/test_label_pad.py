"""The pad with all a session can ask for: by keyboard alone, by touch on a narrow page, and as it is read aloud."""

import uuid
from collections.abc import Iterator, Sequence

import pytest
from driving import App, serving, shot, tab
from playwright.sync_api import Browser, Locator, Page, expect

from tests.toys import toy_home
from workbench.core.home import Home
from workbench.preferences.labelling_settings import LabellingSettings
from workbench.preferences.sessions import Answer, add_answers, create_session, finish_session
from workbench.preferences.standing_votes import effective_votes

NARROW = 420
TWO, THREE = ["secret-a", "secret-b"], ["secret-a", "secret-b", "secret-c"]
FULL = LabellingSettings(
    guidelines="# Rules\n\nFirst be **true**.", graded=True, aspects=["Short", "Kind"], rationale="required", edits=True
)

READ_ALOUD = """
- status
- button "Guidelines"
- button "Your votes"
- button "Keys"
- button "Pause"
- progressbar "Pairs judged"
- group "Which answer is better?":
  - group "Prompt"
  - region "Left answer":
    - button "Edit the left answer"
    - group "Left answer"
  - region "Right answer":
    - button "Edit the right answer"
    - group "Right answer"
- radiogroup "Overall":
  - radio "Left much better"
  - radio "Left clearly better"
  - radio "Left slightly better"
  - radio "Equally good"
  - radio "Right slightly better"
  - radio "Right clearly better"
  - radio "Right much better"
- radiogroup "Short"
- radiogroup "Kind"
- textbox "Reason"
- button "Both bad"
- button "Skip"
- button "Flag"
- button "Undo" [disabled]
- button "Save vote"
"""


def make(home: Home, name: str, settings: LabellingSettings, models: Sequence[str], prompts: int) -> None:
    create_session(home, name, models, "questions", {}, settings=settings)
    for place in range(prompts):
        prompt = [{"role": "system", "content": "Be brief."}, {"role": "user", "content": f"question {place}"}]
        answers = {model: Answer(f"Answer {index} to {place}.", "length", 4) for index, model in enumerate(models)}
        add_answers(home, name, place, prompt, answers)
    finish_session(home, name)


def fresh(home: Home, settings: LabellingSettings, models: Sequence[str], prompts: int) -> str:
    """A session of its own for each run of a test; its name."""
    name = f"round-{uuid.uuid4().hex[:8]}"
    make(home, name, settings, models, prompts)
    return name


@pytest.fixture(scope="module")
def app(tmp_path_factory: pytest.TempPathFactory) -> Iterator[App]:
    with serving(toy_home(tmp_path_factory.mktemp("home"))) as app:
        yield app


def choose_session(page: Page, session: str) -> None:
    box = page.locator("#session input")
    expect(box).not_to_have_value("")
    box.fill(session)
    box.press("Enter")
    page.keyboard.press("Escape")


def started(page: Page, app: App, session: str, name: str) -> Locator:
    """The pad of a session, begun from the keyboard."""
    page.goto(app.url)
    tab(page, "Label")
    choose_session(page, session)
    box = page.locator("#annotator input, #annotator textarea").first
    box.fill(name)
    box.press("Enter")
    pad = page.locator(".wb-vote-pad")
    expect(pad.locator(".wb-vote-work")).to_be_visible()
    expect(pad).to_have_attribute("data-busy", "false")
    expect(box).not_to_be_focused()  # from here on keys are the pad's
    return pad


def saved(pad: Locator, count: str) -> None:
    expect(pad.get_by_role("status")).to_have_text(f"Saved ✓  ({count})")
    expect(pad).to_have_attribute("data-busy", "false")


def test_a_session_with_every_kind_of_vote_by_keyboard_alone(app: App, page: Page) -> None:
    session = fresh(app.home, FULL, TWO, 4)
    pad = started(page, app, session, "ann")
    keys = page.keyboard
    expect(page.get_by_role("dialog", name="Guidelines")).to_contain_text("First be true")
    keys.press("Escape")
    expect(page.get_by_role("dialog")).to_have_count(0)
    expect(pad.get_by_role("group", name="Prompt")).to_contain_text("question")
    expect(pad).to_match_aria_snapshot(READ_ALOUD)
    expect(pad.get_by_text("Cut off at the limit")).to_have_count(2)
    keys.press("2")
    expect(pad.get_by_role("radio", name="Left clearly better")).to_be_checked()
    keys.press("1")
    keys.press("ArrowRight")
    expect(pad.get_by_role("radiogroup", name="Kind").get_by_role("radio", name="Right is better")).to_be_focused()
    keys.press("Enter")
    expect(pad.get_by_role("alert")).to_have_text("Still missing: Reason.")
    keys.press("r")
    keys.type("Plainly.")
    page.reload()  # loses nothing, and known guidelines stay closed
    expect(pad.get_by_role("textbox", name="Reason")).to_have_value("Plainly.")
    expect(pad.get_by_role("radio", name="Left clearly better")).to_be_checked()
    keys.press("e")
    keys.press("ControlOrMeta+A")
    keys.type("A better answer.")
    keys.press("Escape")
    expect(pad.get_by_role("region", name="Left answer")).to_contain_text("Edited by you")
    keys.press("Enter")
    saved(pad, "1 of 4")
    expect(pad.locator("[aria-live=polite]")).to_contain_text("Next pair. question")
    keys.press("f")
    expect(page.get_by_role("dialog", name="Flag this pair").get_by_role("textbox")).to_be_focused()
    keys.type("The question is empty.")
    keys.press("Enter")
    saved(pad, "1 of 4")
    keys.press("p")
    expect(pad.locator(".wb-vote-side")).to_have_count(0)
    keys.press("p")
    expect(pad.locator(".wb-vote-side")).to_have_count(2)
    expect(pad).to_have_attribute("data-busy", "false")
    shot(page, "label-everything")
    keys.press("v")
    votes = page.get_by_role("dialog", name="Your votes")
    expect(votes.get_by_role("listitem")).to_have_count(2)
    flag = votes.get_by_role("button", name="Take back: Flag")
    expect(flag).to_be_visible()
    for _ in range(4):  # past the dialog's own button and its list
        if not flag.evaluate("node => node === document.activeElement"):
            keys.press("Tab")
    expect(flag).to_be_focused()
    keys.press("Enter")
    expect(pad.get_by_role("status")).to_have_text("Undone. Vote again.")
    (kept,) = effective_votes(app.home, session, with_flagged=True)
    assert (kept.strength, kept.reason, kept.edited_text) == (2, "Plainly.", "A better answer.")
    assert kept.aspects["Short"] == kept.outcome == 1 - kept.aspects["Kind"]


def test_answers_are_ranked_by_keyboard_alone(app: App, page: Page) -> None:
    session = fresh(app.home, LabellingSettings(ranking=True), THREE, 1)
    pad = started(page, app, session, "ann")
    for key in ("2", "3", "1"):
        page.keyboard.press(key)
        expect(pad.locator(f'[data-answer="{int(key) - 1}"]')).to_be_focused()
    page.keyboard.press("ArrowUp")
    page.keyboard.press("ArrowUp")
    expect(pad.get_by_role("button", name="Answer 1, place 1")).to_be_focused()
    page.locator('[data-answer="2"]').focus()
    page.keyboard.press("t")
    expect(pad.get_by_role("button", name="Answer 3, place 2")).to_be_focused()
    shot(page, "label-ranking")
    page.keyboard.press("Enter")
    expect(pad).to_contain_text("Every pair has its votes")
    assert sorted(vote.outcome in (0.0, 1.0) for vote in effective_votes(app.home, session)) == [False, True, True]


def test_a_narrow_page_takes_every_kind_of_vote_by_touch(app: App, browser: Browser) -> None:
    context = browser.new_context(viewport={"width": NARROW, "height": 860}, has_touch=True, is_mobile=True)
    page = context.new_page()
    session = fresh(app.home, LabellingSettings(ranking=True, language="de"), THREE, 1)
    pad = started(page, app, fresh(app.home, FULL, TWO, 4), "bob")
    page.get_by_role("dialog").get_by_role("button", name="Close").tap()
    expect(page.get_by_role("dialog")).to_have_count(0)
    pad.locator(".wb-vote-prompt").evaluate("node => node.scrollIntoView()")
    expect(pad.get_by_role("button", name="Save vote")).to_be_in_viewport()
    pad.get_by_role("radio", name="Right slightly better").tap()
    for aspect in FULL.aspects:
        pad.get_by_role("radiogroup", name=aspect).get_by_role("radio", name="Equally good").tap()
    pad.get_by_role("textbox", name="Reason").fill("So it is.")
    assert page.evaluate("document.scrollingElement.scrollWidth") <= NARROW
    shot(page, "label-narrow")
    pad.get_by_role("button", name="Save vote").tap()
    saved(pad, "1 of 4")
    choose_session(page, session)
    expect(pad.locator(".wb-rank-board")).to_contain_text("Ihre Reihenfolge")
    for answer in (0, 1):
        pad.locator(f'[data-answer="{answer}"]').tap()
    drag(page, pad.locator('[data-answer="2"]'), pad.locator('[data-drop="place:0"]'))
    expect(pad.get_by_role("button", name="Antwort 3, Platz 1")).to_be_visible()
    shot(page, "label-narrow-ranking")
    pad.get_by_role("button", name="Urteil speichern").tap()
    expect(pad).to_contain_text("Jedes Paar hat seine Urteile")
    assert sorted(vote.outcome == 0.5 for vote in effective_votes(app.home, session)) == [False, False, True]
    context.close()


def drag(page: Page, what: Locator, target: Locator) -> None:
    """Moves something with a finger."""
    what.scroll_into_view_if_needed()
    start, end = what.bounding_box(), target.bounding_box()
    assert start and end
    touch = page.context.new_cdp_session(page)

    def send(kind: str, *points: tuple[float, float]) -> None:
        at = [{"x": x, "y": y} for x, y in points]
        touch.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": at})

    (x, y), (to_x, to_y) = ((box["x"] + box["width"] / 2, box["y"] + box["height"] / 2) for box in (start, end))
    send("touchStart", (x, y))
    for step in (0.3, 0.7, 1.0):
        send("touchMove", (x + step * (to_x - x), y + step * (to_y - y)))
    expect(page.locator(".wb-rank-board")).to_have_class("wb-rank-board is-dragging")
    box = target.bounding_box()  # the places have moved apart
    assert box
    send("touchMove", (box["x"] + 12, box["y"] + box["height"] / 2))
    send("touchEnd")
