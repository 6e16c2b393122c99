"""Disagreements, progress and left-out annotators in the page of a session's owner."""

import uuid

from driving import serving, shot, tab
from playwright.sync_api import Browser, expect

from tests.toys import toy_home
from tests.voting import by
from workbench.core.home import Home
from workbench.preferences.ballots import Ballot
from workbench.preferences.labelling_settings import LabellingSettings
from workbench.preferences.quality_checks import QualityCheck, add_checks
from workbench.preferences.sessions import Answer, add_answers, create_session, finish_session
from workbench.preferences.standing_votes import effective_votes
from workbench.preferences.votes import next_item, vote

MODELS = ["secret-alpha", "secret-beta"]


def disagreed_session(home: Home) -> None:
    """Three questions with two votes each; ann and bob differ on the second, ann flagged the third."""
    settings = LabellingSettings(rationale="optional", aspects=["helpful"])
    create_session(home, "capitals", MODELS, "questions", {}, 2, settings)
    for place in range(3):
        answers = {
            model: Answer(f"{word} answer to {place}: " + "it lies at a wide river. " * 12, "eos", 9)
            for model, word in zip(MODELS, ("First", "Second"), strict=True)
        }
        add_answers(home, "capitals", place, [{"role": "user", "content": f"Which is capital {place}?"}], answers)
    finish_session(home, "capitals")
    add_checks(home, "capitals", [QualityCheck([{"role": "user", "content": "2 + 2"}], "4", "5", kind="training")])
    for name, wishes in (("ann", ("First", "First", "flag")), ("bob", ("First", "Second", "First"))):
        while item := next_item(home, "capitals", by(name)):
            wish = "4" if item.training else wishes[int(item.prompt[-1]["content"].rstrip("?").split()[-1])]
            side = wish if wish == "flag" else "left" if item.left.startswith(wish) else "right"
            aspects = {"helpful": "tie"} if side != "flag" else {}
            ballot = Ballot(aspects=aspects, reason=f"{name} finds it {wish.lower()}")
            vote(home, "capitals", by(name), item.token, side, uuid.uuid4().hex, 12.0, ballot)


def test_a_disagreement_is_settled_and_an_annotator_left_out_in_the_page(tmp_path_factory, browser: Browser) -> None:
    home = toy_home(tmp_path_factory.mktemp("home"))
    disagreed_session(home)
    with serving(home) as app:
        page = browser.new_context(viewport={"width": 1440, "height": 1000}).new_page()
        page.goto(app.url)
        page.evaluate("window.confirm = () => true")
        tab(page, "Label")
        work, case = page.locator("#session-work"), page.locator("#disagreement")
        expect(work).to_contain_text("ann finds it flag")
        expect(work).to_contain_text("1 found, 0 settled")
        expect(work).not_to_contain_text("secret")
        expect(page.locator("#adjudication")).to_be_hidden()
        page.locator("#annotator input, #annotator textarea").first.fill("eve")
        page.locator("#settler input, #settler textarea").first.fill("eve")
        page.locator("#settler-choose").click()
        expect(case).to_contain_text("bob finds it second")
        expect(case).not_to_contain_text("secret")
        shot(page, "label-disagreement")
        page.locator("#decision").get_by_label("Tie").check()
        page.locator("#settle").click()
        expect(case).to_contain_text("Nothing to settle")
        expect(work).to_contain_text("1 found, 1 settled")
        page.locator("#counted-annotators").get_by_label("bob").uncheck()
        expect(work).to_contain_text("bob (left out)")
        page.locator("#session-close").click()
        result = page.locator("#result")
        expect(result).to_contain_text("Left out: 2 votes of bob")
        expect(result).to_contain_text("1 pair on which votes differed counts as an adjudicator decided")
        expect(result).to_contain_text("helpful")
        shot(page, "label-quality")
        page.locator("#counted-annotators").get_by_label("bob").check()
        expect(result).not_to_contain_text("Left out: 2 votes of bob")
        page.context.close()
    decided = [each for each in effective_votes(home, "capitals", adjudicated=True) if each.annotator == "eve"]
    assert [each.choice for each in decided] == ["tie"]
