"""What graded votes, edited answers, rankings, flags, decisions and left-out annotators become in a dataset."""

import uuid
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from tests.voting import by, close
from workbench.core.errors import UserError
from workbench.core.home import Home
from workbench.data.store import datasets
from workbench.preferences.adjudication import adjudicate, disagreements
from workbench.preferences.adjudicators import appoint
from workbench.preferences.ballots import Ballot
from workbench.preferences.exclusions import exclude_annotator
from workbench.preferences.export import export_dataset, export_edits, preference_pairs, session_digest
from workbench.preferences.labelling_settings import LabellingSettings
from workbench.preferences.quality_checks import QualityCheck, add_checks
from workbench.preferences.sessions import Answer, add_answers, create_session, finish_session
from workbench.preferences.votes import next_item, vote


def make_round(
    home: Home, settings: LabellingSettings, prompts: int = 1, votes_per_pair: int = 1, models: Sequence[str] = "ab"
) -> None:
    create_session(home, "round", list(models), "questions", {}, votes_per_pair, settings)
    for place in range(prompts):
        answers = {model: Answer(f"{model} says {place}", "eos", 3) for model in models}
        add_answers(home, "round", place, [{"role": "user", "content": f"question {place}"}], answers)
    finish_session(home, "round")


def give(home: Home, name: str, wish: str, strength: int = 0, **more: Any) -> None:
    """Votes for the answer of that model, or a word; `edited` names the model whose answer is rewritten."""
    item = next_item(home, "round", by(name))
    assert item is not None
    side = {answer.text.split()[0]: side for answer, side in zip(item.answers, ("left", "right"), strict=True)}
    if edited := more.pop("edited", ""):
        more["edited_side"] = side[edited]
    ballot = Ballot(strength=strength, **more)
    vote(home, "round", by(name), item.token, side.get(wish, wish), uuid.uuid4().hex, 1.0, ballot)


def texts(row: dict[str, Any]) -> tuple[str, str]:
    return row["chosen"][0]["content"], row["rejected"][0]["content"]


@pytest.mark.parametrize(
    ("votes", "margin"),
    [
        ([("a", 3), ("a", 2), ("b", 1)], 1.3333),  # (3 + 2 − 1) / 3
        ([("a", 1), ("a", 1), ("tie", 0)], 0.6667),
        ([("a", 1), ("a", 1), ("b", 3)], 0.0),  # −1 / 3, never below 0
        ([("a", 3), ("a", 3), ("a", 3)], 3.0),
    ],
)
def test_the_margin_is_the_mean_signed_strength(tmp_path: Path, votes: list[tuple[str, int]], margin: float) -> None:
    home = Home.at(tmp_path)
    make_round(home, LabellingSettings(graded=True), votes_per_pair=3)
    for name, (wish, strength) in zip("xyz", votes, strict=True):
        give(home, name, wish, strength)
    close(home, "round")
    (row,) = preference_pairs(home, "round")
    assert texts(row) == ("a says 0", "b says 0") and row["metadata"] == {"margin": margin}
    export_dataset(home, "round", "pairs", eval_fraction=0)
    assert datasets.all_rows(home, "pairs")[0]["metadata"]["margin"] == margin


@pytest.mark.parametrize(
    ("wish", "edited", "rejected"),
    [("a", "a", "b says 0"), ("a", "b", "b says 0"), ("tie", "b", "b says 0"), ("both_bad", "a", "a says 0")],
)
def test_an_edited_answer_is_chosen_with_its_author(tmp_path: Path, wish: str, edited: str, rejected: str) -> None:
    home = Home.at(tmp_path)
    make_round(home, LabellingSettings(edits=True))
    give(home, "ann", wish, edited=edited, edited_text="a better answer")
    close(home, "round")
    (row,) = preference_pairs(home, "round")
    assert texts(row) == ("a better answer", rejected) and row["metadata"] == {"author": "ann"}
    manifest = export_edits(home, "round", "edits", eval_fraction=0)
    (taught,) = datasets.all_rows(home, "edits")
    assert [turn["content"] for turn in taught["messages"]] == ["question 0", "a better answer"]
    assert taught["metadata"] == {"author": "ann"} and manifest.info["authors"] == {"ann": 1}


@pytest.mark.parametrize(
    ("wish", "edited", "margin"),
    [("a", "a", {"margin": 2.5}), ("a", "b", {"margin": 2.5}), ("tie", "b", {})],  # (2 + 3) / 2; nothing won a tie
)
def test_an_edited_answer_has_the_margin_of_the_answer_that_won(
    tmp_path: Path, wish: str, edited: str, margin: dict[str, float]
) -> None:
    home = Home.at(tmp_path)
    make_round(home, LabellingSettings(edits=True, graded=True), prompts=2, votes_per_pair=2)
    for name, strength in (("ann", 2), ("bob", 3)):
        more = {"edited": edited, "edited_text": "a better answer"} if name == "ann" else {}
        give(home, name, wish, strength if wish == "a" else 0, **more)
        give(home, name, "a", 1)  # the session has a grade in either case
    close(home, "round")
    (row,) = (row for row in preference_pairs(home, "round") if texts(row)[0] == "a better answer")
    assert texts(row)[1].startswith("b says") and row["metadata"] == {"author": "ann", **margin}


def test_two_edits_of_a_pair_share_its_weight_and_an_unchanged_one_is_none(tmp_path: Path) -> None:
    home = Home.at(tmp_path)
    make_round(home, LabellingSettings(edits=True), votes_per_pair=3)
    for name, text in (("ann", "better"), ("bob", "best"), ("cleo", " b says  0")):
        give(home, name, "a", edited="a", edited_text=text)
    close(home, "round")
    rows = preference_pairs(home, "round")
    assert [(texts(row)[0], row["metadata"]) for row in rows] == [
        ("better", {"author": "ann", "weight": 0.5}),
        ("best", {"author": "bob", "weight": 0.5}),
    ]


def test_a_session_without_edits_has_none_to_export(tmp_path: Path) -> None:
    home = Home.at(tmp_path)
    make_round(home, LabellingSettings())
    give(home, "ann", "a")
    close(home, "round")
    with pytest.raises(UserError, match="Nobody edited"):
        export_edits(home, "round", "edits")
    assert "metadata" not in preference_pairs(home, "round")[0]


def test_a_ranking_becomes_its_pairs_which_weigh_one_together(tmp_path: Path) -> None:
    home = Home.at(tmp_path)
    make_round(home, LabellingSettings(ranking=True), models="abc")
    item = next_item(home, "round", by("ann"))
    assert item is not None
    place = {answer.text[0]: number for number, answer in enumerate(item.answers)}
    ranking = Ballot(ranking=[[place["c"]], [place["a"], place["b"]]])
    vote(home, "round", by("ann"), item.token, "ranking", "k", 1.0, ranking)
    close(home, "round")
    rows = preference_pairs(home, "round")
    assert [texts(row) for row in rows] == [("c says 0", "a says 0"), ("c says 0", "b says 0")]
    assert [row["metadata"] for row in rows] == [{"weight": 0.333333}] * 2
    info = export_dataset(home, "round", "pairs", eval_fraction=0).info
    assert (info["pairs"], info["exported"], info["left_out"]) == (3, 2, {"tie": 1})


def test_decisions_flags_and_left_out_annotators_are_counted_in_the_manifest(tmp_path: Path) -> None:
    home = Home.at(tmp_path)
    make_round(home, LabellingSettings(), prompts=4, votes_per_pair=2)
    question = [{"role": "user", "content": "gold"}]
    add_checks(home, "round", [QualityCheck(question, "right", "wrong", kind="training")])
    item = next_item(home, "round", by("ann"))
    assert item is not None and item.training
    vote(home, "round", by("ann"), item.token, "tie", "gold", 1.0)
    give(home, "ann", "flag", reason="empty prompt")  # the first pair in the session's order
    for _ in range(3):
        give(home, "ann", "a")
    item = next_item(home, "round", by("bob"))
    assert item is not None and item.training
    vote(home, "round", by("bob"), item.token, "left", "gold of bob", 1.0)
    for wish in "babb":
        give(home, "bob", wish)
    appoint(home, "round", "eve", by("olga"))
    cases = disagreements(home, "round", by("eve"))
    side = "left" if cases[0].answers[0].text.startswith("b") else "right"
    adjudicate(home, "round", by("eve"), cases[0].token, side, "k")
    close(home, "round")
    before = session_digest(home, "round")
    info = export_dataset(home, "round", "pairs", eval_fraction=0).info
    assert info["left_out"] == {"conflicting": 1, "flagged": 1} and info["exported"] == 2
    assert info["filters"]["pairs_adjudicated"] == 1 and info["filters"]["answers_to_checks"] == 2
    assert info["filters"]["votes_on_flagged_pairs"] == 1 and info["filters"]["annotators_left_out"] == []
    exclude_annotator(home, "round", "ann", by("olga"))
    assert session_digest(home, "round") != before
    filters = export_dataset(home, "round", "bobs", eval_fraction=0).info["filters"]
    assert filters["annotators_left_out"] == ["ann"] and filters["votes_of_annotators_left_out"] == 3
    rows = preference_pairs(home, "round")  # ann's flag does not count either
    assert len(rows) == 4
