"""What a vote says beyond left and right, and questions whose answer is known."""

import uuid
from collections.abc import Sequence
from pathlib import Path

import pytest

from tests.voting import by
from workbench.core.errors import SpecError, UserError
from workbench.core.home import Home
from workbench.preferences.ballots import Ballot, check_ballot
from workbench.preferences.labelling_settings import LabellingSettings
from workbench.preferences.quality_checks import BETTER, QualityCheck, add_checks, check_votes, due_after
from workbench.preferences.self_naming import cover_names, named_models
from workbench.preferences.sessions import Answer, add_answers, create_session, finish_session, get_session
from workbench.preferences.standing_votes import effective_votes
from workbench.preferences.votes import next_item, own_votes, take_back, vote

ANN = by("ann")
EVERYTHING = LabellingSettings(graded=True, aspects=["helpful", "correct"], rationale="required", edits=True)


def session(
    home: Home, settings: LabellingSettings, models: Sequence[str] = ("base", "tuned"), prompts: int = 4
) -> str:
    create_session(home, "round", models, "questions", {}, settings=settings)
    for place in range(prompts):
        answers = {model: Answer(f"{model} answers {place}", "eos", 3) for model in models}
        add_answers(home, "round", place, [{"role": "user", "content": f"question {place}"}], answers)
    finish_session(home, "round")
    return "round"


def cast(home: Home, choice: str, ballot: Ballot | None = None, who=ANN):
    item = next_item(home, "round", who)
    assert item is not None
    return item, vote(home, "round", who, item.token, choice, uuid.uuid4().hex, 1.0, ballot or Ballot())


def test_a_vote_keeps_its_strength_aspects_reason_and_edited_answer(tmp_path: Path) -> None:
    home = Home.at(tmp_path)
    session(home, EVERYTHING)
    ballot = Ballot(3, {"helpful": "left", "correct": "tie"}, " because ", "left, better", "left")
    item, _ = cast(home, "left", ballot)
    (kept,) = effective_votes(home, "round")
    winner = item.left.split()[0]
    assert (kept.strength, kept.reason, kept.edited_text, kept.edited_model) == (3, "because", "left, better", winner)
    assert kept.outcome == float(kept.model_a == winner) == kept.aspects["helpful"]
    assert kept.aspects["correct"] == 0.5


@pytest.mark.parametrize(
    ("choice", "ballot", "wrong"),
    [
        ("left", Ballot(0, {"helpful": "left", "correct": "left"}, "why"), "strength"),
        ("left", Ballot(4, {"helpful": "left", "correct": "left"}, "why"), "strength"),
        ("left", Ballot(True, {"helpful": "left", "correct": "left"}, "why"), "strength"),
        ("tie", Ballot(0, {"helpful": "left"}, "why"), "correct"),
        ("tie", Ballot(0, {"helpful": "left", "correct": "up"}, "why"), "correct"),
        ("tie", Ballot(0, {"helpful": "left", "correct": "left", "brief": "left"}, "why"), "brief"),
        ("tie", Ballot(0, {"helpful": "left", "correct": "left"}), "reason"),
        ("tie", Ballot(0, {"helpful": "left", "correct": "left"}, "x" * 3000), "reason"),
        ("flag", Ballot(), "reason"),
        ("tie", Ballot(0, {"helpful": "left", "correct": "left"}, "why", "better", "up"), "edited_side"),
    ],
)
def test_a_ballot_that_lacks_what_is_asked_for_is_refused_by_its_field(choice: str, ballot: Ballot, wrong: str) -> None:
    with pytest.raises(SpecError) as refused:
        check_ballot(EVERYTHING, choice, ballot)
    assert wrong in str(refused.value)


def test_a_refused_ballot_leaves_the_pair_open(tmp_path: Path) -> None:
    home = Home.at(tmp_path)
    session(home, EVERYTHING)
    item = next_item(home, "round", ANN)
    with pytest.raises(SpecError):
        cast(home, "left")
    assert next_item(home, "round", ANN).token == item.token
    assert effective_votes(home, "round") == []


def test_a_flagged_pair_counts_for_nobody_and_a_flag_can_be_taken_back(tmp_path: Path) -> None:
    home = Home.at(tmp_path)
    session(home, LabellingSettings(), prompts=1)
    cast(home, "flag", Ballot(reason="the prompt is empty"))
    cast(home, "left", who=by("bob"))
    assert effective_votes(home, "round") == []
    assert len(effective_votes(home, "round", with_flagged=True)) == 1
    flag = own_votes(home, "round", ANN)[0]
    with pytest.raises(UserError):  # bob has judged it since: it needs no further vote
        take_back(home, "round", ANN, uuid.uuid4().hex, flag.event)
    assert len(effective_votes(home, "round")) == 0


def test_any_own_vote_is_taken_back_by_its_number_and_nobody_elses(tmp_path: Path) -> None:
    home = Home.at(tmp_path)
    session(home, LabellingSettings())
    for choice in ("left", "right", "tie"):
        cast(home, choice)
    first = own_votes(home, "round", ANN)[-1]
    assert (first.choice, first.prompt.startswith("question")) == ("left", True)
    with pytest.raises(UserError):
        take_back(home, "round", by("bob"), uuid.uuid4().hex, first.event)
    reopened = take_back(home, "round", ANN, uuid.uuid4().hex, first.event)
    assert reopened.prompt[-1]["content"] == first.prompt
    assert [vote.choice for vote in effective_votes(home, "round")] == ["right", "tie"]


def test_a_ranking_is_a_vote_for_each_two_answers_and_as_heavy_as_one(tmp_path: Path) -> None:
    home = Home.at(tmp_path)
    session(home, LabellingSettings(ranking=True), models=("a", "b", "c"), prompts=2)
    assert get_session(home, "round").usable == 2
    item = next_item(home, "round", ANN)
    assert item.ranked and len(item.answers) == 3
    order = sorted(range(3), key=lambda index: item.answers[index].text)
    vote(home, "round", ANN, item.token, "ranking", "k", 1.0, Ballot(ranking=[[order[0]], [order[1], order[2]]]))
    votes = effective_votes(home, "round")
    outcomes = {(vote.model_a, vote.model_b): vote.outcome for vote in votes}
    assert outcomes == {("a", "b"): 1.0, ("a", "c"): 1.0, ("b", "c"): 0.5}
    assert sum(vote.weight for vote in votes) == pytest.approx(1)


@pytest.mark.parametrize(
    "ranking", [None, [], [[0], [1]], [[0], [1], [1]], [[0, 1, 2, 3]], [[0], [], [1, 2]], [0, 1, 2]]
)
def test_a_ranking_names_every_answer_once(ranking: object) -> None:
    with pytest.raises(SpecError):
        check_ballot(LabellingSettings(ranking=True), "ranking", Ballot(ranking=ranking), 3)  # type: ignore[arg-type]


def check(number: int, kind: str) -> QualityCheck:
    return QualityCheck(
        [{"role": "user", "content": f"check {number}"}], f"good {number}", f"bad {number}", kind, explanation="see"
    )


def test_training_comes_first_with_feedback_and_gold_within_every_so_many_votes(tmp_path: Path) -> None:
    home = Home.at(tmp_path)
    session(home, LabellingSettings(check_every=3), prompts=12)
    add_checks(home, "round", [check(0, "training"), *(check(n, "gold") for n in (1, 2, 3))])
    item = next_item(home, "round", ANN)
    assert item.training
    side = "left" if item.left.startswith("good") else "right"
    saved = vote(home, "round", ANN, item.token, side, "k", 1.0)
    assert saved.feedback is not None
    assert (saved.feedback.right, saved.feedback.better, saved.feedback.explanation) == (True, side, "see")
    seen = []
    while item := next_item(home, "round", ANN):
        gold = item.prompt[0]["content"].startswith("check")
        assert not item.training
        seen.append(gold)
        choice = ("right" if item.left.startswith("good") else "left") if gold else "tie"
        assert vote(home, "round", ANN, item.token, choice, uuid.uuid4().hex, 1.0).feedback is None
    assert sum(seen) == 3
    assert [any(seen[start : start + 4]) for start in (0, 4, 8)] == [True] * 3
    info = get_session(home, "round")
    assert (info.votes, info.usable, info.prompts, info.pairs) == (12, 12, 12, 12)
    answered = check_votes(home, "round")
    assert [(vote.kind, vote.right) for vote in answered] == [("training", True)] + [("gold", False)] * 3
    assert all(BETTER not in (vote.model_a, vote.model_b) for vote in effective_votes(home, "round"))


def test_a_check_is_due_once_in_each_span_of_votes_at_places_that_differ() -> None:
    places = [due_after("seed", "ann", answered, 10) - 10 * answered for answered in range(200)]
    assert set(places) == set(range(1, 10))


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        (LabellingSettings(draft=True), "draft"),
        (LabellingSettings(deadline="2020-01-01"), "deadline"),
        (LabellingSettings(voters=["Bob"]), "not among those"),
    ],
)
def test_who_may_not_vote_now_gets_no_pair_and_is_told_why(
    tmp_path: Path, settings: LabellingSettings, words: str
) -> None:
    home = Home.at(tmp_path)
    session(home, settings)
    assert next_item(home, "round", ANN) is None
    with pytest.raises(UserError, match=words):
        vote(home, "round", ANN, "token", "left", "k", 1.0)


def test_names_of_models_are_covered_where_the_session_says_so(tmp_path: Path) -> None:
    home = Home.at(tmp_path)
    create_session(home, "round", ["a", "b"], "q", {}, settings=LabellingSettings(mask_names=True))
    answers = {"a": Answer("I am ChatGPT by OpenAI.", "length", 1), "b": Answer("I am SmolLM2-135M.", "eos", 1)}
    add_answers(home, "round", 0, [{"role": "user", "content": "who?"}], answers)
    item = next_item(home, "round", ANN)
    assert {(answer.text, answer.cut_off) for answer in item.answers} == {
        ("I am █████ by █████.", True),
        ("I am █████.", False),
    }


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("I'm Claude, made by Anthropic.", ["Claude", "Anthropic"]),
        ("As Qwen2.5-0.5B, a model of Alibaba Cloud, …", ["Qwen2.5-0.5B", "Alibaba Cloud"]),
        ("Llama-3.1 and GPT-4o differ; gpt 4 too.", ["Llama-3.1", "GPT-4o", "gpt 4"]),
        ("A llama eats grass; the falcon and the mistral are swift; φ is phi in the Phillips curve.", []),
        ("Written by Claude.", ["Claude"]),
    ],
)
def test_names_are_told_from_words(text: str, names: list[str]) -> None:
    assert named_models(text) == names
    assert not named_models(cover_names(text))


def test_aspects_are_asked_of_pairs_not_of_rankings() -> None:
    asked = LabellingSettings(ranking=True, aspects=["kind"])
    assert check_ballot(asked, "both_bad", Ballot(), 3)["aspects"] == {}
    with pytest.raises(SpecError):
        check_ballot(asked, "both_bad", Ballot())


@pytest.mark.parametrize("skipped", [None, "skip", "flag"])
def test_the_numbers_an_annotator_sees_tell_no_check_from_a_pair(tmp_path: Path, skipped: str | None) -> None:
    """Alone in a session, every vote moves each number by the same, whatever it was given on."""
    home = Home.at(tmp_path)
    session(home, LabellingSettings(check_every=3), prompts=7)
    add_checks(home, "round", [check(0, "training"), *(check(n, "gold") for n in (1, 2, 3, 4, 5))])
    seen, kinds = [], []
    while item := next_item(home, "round", ANN):
        seen.append((item.done, item.total, item.remaining_for_you))
        kinds.append(item.prompt[0]["content"].startswith("check") and not item.training)
        choice = "left" if skipped is None else skipped
        vote(home, "round", ANN, item.token, choice, uuid.uuid4().hex, 1.0, Ballot(reason="odd"))
    assert {True, False} == set(kinds)
    step = 1 if skipped is None else 0
    assert [row[0] for row in seen] == [step * place for place in range(len(seen))]
    assert len({row[1] for row in seen}) == 1
    assert [row[2] for row in seen] == list(range(len(seen), 0, -1))


def test_a_name_that_is_covered_cannot_become_part_of_an_edited_answer() -> None:
    settings = LabellingSettings(edits=True, mask_names=True)
    with pytest.raises(SpecError, match="covered name"):
        check_ballot(settings, "left", Ballot(edited_text="I am █████.", edited_side="left"))
    assert check_ballot(settings, "left", Ballot(edited_text="I am a model.", edited_side="left"))["edited_text"]
