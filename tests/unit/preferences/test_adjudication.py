"""Disagreements are settled blind by a chosen person, and annotators are left out of the result by a switch."""

import json
import uuid
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path

import pytest

from tests.voting import by, close
from workbench.core.change_log import read_changes
from workbench.core.errors import SpecError, UserError
from workbench.core.home import Home
from workbench.preferences.adjudication import (
    Disagreement,
    adjudicate,
    count_disagreements,
    disagreements,
    own_decisions,
    undo_adjudication,
)
from workbench.preferences.adjudicators import adjudicators, appoint, may_adjudicate
from workbench.preferences.agreement import agreement
from workbench.preferences.ballots import Ballot
from workbench.preferences.blinding import unblind
from workbench.preferences.exclusions import exclude_annotator, excluded_annotators
from workbench.preferences.labelling_settings import LabellingSettings
from workbench.preferences.sessions import Answer, add_answers, create_session, finish_session, get_session
from workbench.preferences.standing_votes import effective_votes
from workbench.preferences.votes import next_item, own_votes, vote

OWNER, EVE = by("olga"), by("eve")


def make_round(
    home: Home, settings: LabellingSettings | None = None, prompts: int = 3, models: tuple[str, ...] = ("m1", "m2")
) -> None:
    create_session(home, "round", models, "questions", {}, votes_per_pair=2, settings=settings)
    for place in range(prompts):
        answers = {model: Answer(f"text {number} of {place}", "eos", 3) for number, model in enumerate(models)}
        add_answers(home, "round", place, [{"role": "user", "content": f"question {place}"}], answers)
    finish_session(home, "round")


def give(home: Home, name: str, wishes: Mapping[int, str], reason: str = "") -> None:
    """Votes for the answer of that number ('0', '1') or a word, by number of the prompt."""
    while item := next_item(home, "round", by(name)):
        wish = wishes[int(item.prompt[-1]["content"].split()[-1])]
        choice = wish if not wish.isdigit() else "left" if item.left.startswith(f"text {wish}") else "right"
        vote(home, "round", by(name), item.token, choice, uuid.uuid4().hex, 1.0, Ballot(reason=reason))


def side_of(case: Disagreement, number: int) -> str:
    return "left" if case.answers[0].text.startswith(f"text {number}") else "right"


@pytest.fixture
def home(tmp_path: Path) -> Home:
    """Ann and Bob agree on the first question, differ on the second, and one calls the third a tie."""
    home = Home.at(tmp_path)
    make_round(home, LabellingSettings(rationale="optional"))
    give(home, "ann", {0: "0", 1: "0", 2: "tie"}, "ann's reason")
    give(home, "bob", {0: "0", 1: "1", 2: "1"}, "bob's reason")
    return home


def test_the_chosen_person_sees_the_disagreements_blind_with_both_reasons(home: Home) -> None:
    assert appoint(home, "round", "eve", OWNER) == ["eve"] == adjudicators(home, "round")
    cases = disagreements(home, "round", EVE)
    assert sorted(case.prompt[-1]["content"] for case in cases) == ["question 1", "question 2"]
    (case,) = [case for case in cases if case.prompt[-1]["content"] == "question 1"]
    assert sorted(opinion.choice for opinion in case.opinions) == ["left", "right"]
    reasons = {opinion.choice: opinion.reason for opinion in case.opinions}
    assert reasons == {side_of(case, 0): "ann's reason", side_of(case, 1): "bob's reason"}
    told = json.dumps([asdict(each) for each in cases])
    assert not any(secret in told for secret in ('"m1"', '"m2"', '"ann"', '"bob"', "annotator", "model"))
    assert disagreements(home, "round", EVE) == cases  # the same sides at every look


def test_a_decision_takes_the_place_of_the_votes_and_agreement_stays(home: Home) -> None:
    appoint(home, "round", "eve", OWNER)
    before, votes = agreement(effective_votes(home, "round")), get_session(home, "round").votes
    case = next(case for case in disagreements(home, "round", EVE) if case.prompt[-1]["content"] == "question 1")
    decided = adjudicate(home, "round", EVE, case.token, side_of(case, 1), "k", Ballot(reason="clearer"))
    assert adjudicate(home, "round", EVE, case.token, side_of(case, 1), "k") == decided  # the same key
    counted = [vote for vote in effective_votes(home, "round", adjudicated=True) if vote.prompt_index == 1]
    assert [(vote.annotator, vote.outcome, vote.reason) for vote in counted] == [("eve", 0.0, "clearer")]
    assert agreement(effective_votes(home, "round")) == before
    assert get_session(home, "round").votes == votes
    assert count_disagreements(home, "round") == {"disagreed": 2, "settled": 1}
    assert len(disagreements(home, "round", EVE)) == 1
    with pytest.raises(UserError, match="settled already"):
        adjudicate(home, "round", EVE, case.token, "tie", "another key")


def test_a_decision_is_taken_back_by_an_event_of_its_own(home: Home) -> None:
    appoint(home, "round", "eve", OWNER)
    case = disagreements(home, "round", EVE)[0]
    decided = adjudicate(home, "round", EVE, case.token, "tie", "k")
    assert [each.event for each in own_decisions(home, "round", EVE)] == [decided.event]
    undo_adjudication(home, "round", EVE, "u", decided.event)
    undo_adjudication(home, "round", EVE, "u", decided.event)
    assert effective_votes(home, "round", adjudicated=True) == effective_votes(home, "round")
    assert own_decisions(home, "round", EVE) == [] and own_votes(home, "round", EVE) == []
    with pytest.raises(UserError):
        undo_adjudication(home, "round", EVE, "u2", decided.event)
    assert len(disagreements(home, "round", EVE)) == 2


def test_only_who_was_chosen_and_is_blind_may_settle(home: Home) -> None:
    with pytest.raises(UserError, match="not chosen"):
        disagreements(home, "round", EVE)
    for name in ("eve", "ann", "mia"):
        appoint(home, "round", name, OWNER)
    assert disagreements(home, "round", by("ann")) == []  # her own votes
    unblind(home, "round", EVE)
    assert not may_adjudicate(home, "round", EVE) and may_adjudicate(home, "round", by("mia"))
    case = disagreements(home, "round", by("mia"))[0]
    assert appoint(home, "round", "Mia", OWNER, may=False) == ["ann", "eve"]
    with pytest.raises(UserError, match="not chosen"):
        adjudicate(home, "round", by("mia"), case.token, "tie", "k")
    appoint(home, "round", "mia", OWNER)
    with pytest.raises(UserError, match="settles nothing"):
        adjudicate(home, "round", by("mia"), case.token, "skip", "k")
    close(home, "round")
    with pytest.raises(UserError, match="closed"):
        adjudicate(home, "round", by("mia"), case.token, "tie", "k")


def test_a_pair_comes_up_when_it_has_all_its_votes(tmp_path: Path) -> None:
    home = Home.at(tmp_path)
    make_round(home, LabellingSettings(graded=True), prompts=1)
    appoint(home, "round", "eve", OWNER)
    for name, choice in (("ann", "tie"), ("bob", "both_bad")):
        assert disagreements(home, "round", EVE) == []
        item = next_item(home, "round", by(name))
        vote(home, "round", by(name), item.token, choice, name, 1.0)
    (case,) = disagreements(home, "round", EVE)
    assert case.undecided
    with pytest.raises(SpecError, match="strength"):
        adjudicate(home, "round", EVE, case.token, "left", "k")
    adjudicate(home, "round", EVE, case.token, "left", "k", Ballot(strength=2))
    assert [each.strength for each in effective_votes(home, "round", adjudicated=True)] == [2]


def test_rankings_that_differ_are_settled_by_a_ranking(tmp_path: Path) -> None:
    home = Home.at(tmp_path)
    make_round(home, LabellingSettings(ranking=True), prompts=1, models=("m1", "m2", "m3"))
    appoint(home, "round", "eve", OWNER)
    for name, wanted in (("ann", "012"), ("bob", "021")):
        item = next_item(home, "round", by(name))
        place = {answer.text.split()[1]: index for index, answer in enumerate(item.answers)}
        order = [[place[number]] for number in wanted]
        vote(home, "round", by(name), item.token, "ranking", name, 1.0, Ballot(ranking=order))
    (case,) = disagreements(home, "round", EVE)
    texts = [[case.answers[index].text.split()[1] for (index,) in opinion.ranking] for opinion in case.opinions]
    assert sorted(texts) == [["0", "1", "2"], ["0", "2", "1"]]
    last = sorted(range(3), key=lambda index: case.answers[index].text, reverse=True)
    adjudicate(home, "round", EVE, case.token, "ranking", "k", Ballot(ranking=[[index] for index in last]))
    outcomes = {(each.model_a, each.model_b): each.outcome for each in effective_votes(home, "round", adjudicated=True)}
    assert outcomes == {("m1", "m2"): 0.0, ("m1", "m3"): 0.0, ("m2", "m3"): 0.0}


def test_an_annotator_is_left_out_and_counted_again_and_both_are_recorded(home: Home) -> None:
    assert exclude_annotator(home, "round", "ANN", OWNER) == ["ann"] == excluded_annotators(home, "round")
    assert {vote.annotator for vote in effective_votes(home, "round")} == {"bob"}
    assert {vote.annotator for vote in effective_votes(home, "round", with_excluded=True)} == {"ann", "bob"}
    assert exclude_annotator(home, "round", "ann", OWNER) == ["ann"]
    assert exclude_annotator(home, "round", "ann", OWNER, exclude=False) == []
    assert len(effective_votes(home, "round")) == 6
    with pytest.raises(UserError, match="gave no votes"):
        exclude_annotator(home, "round", "zoe", OWNER)
    kinds = [change.kind for change in read_changes(home.root)]
    assert kinds.count("excluded") == kinds.count("included") == 1
