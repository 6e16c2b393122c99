"""Voting in the terminal asks for whatever the session asks for."""

import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import pytest

from tests.voting import by
from workbench.__main__ import main
from workbench.cli.terminal_votes import Cancelled, rewritten
from workbench.core.errors import UserError
from workbench.core.home import Home
from workbench.preferences.ballots import typed_ranking
from workbench.preferences.labelling_settings import LabellingSettings
from workbench.preferences.quality_checks import QualityCheck, add_checks
from workbench.preferences.sessions import Answer, add_answers, create_session, finish_session
from workbench.preferences.standing_votes import effective_votes
from workbench.preferences.votes import next_item

Ask = Callable[[Sequence[str]], str]
FULL = LabellingSettings(
    guidelines="Be **kind**.", graded=True, aspects=["short", "true"], rationale="required", edits=True
)


@pytest.fixture
def ask(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Ask:
    """Labels the session 'round' as ann with these lines typed, then quits; what was printed."""

    def call(lines: Sequence[str]) -> str:
        typed: Iterator[str] = iter([*lines, "q"])
        monkeypatch.setattr("builtins.input", lambda *_: next(typed))
        assert main(["label", "round", "--name", "ann"]) == 0
        assert next(typed, None) is None, "not everything typed was asked for"
        return capsys.readouterr().out

    monkeypatch.delenv("VISUAL", raising=False)
    monkeypatch.delenv("EDITOR", raising=False)
    return call


def make(settings: LabellingSettings, models: Sequence[str] = ("model-a", "model-b")) -> Home:
    home = Home.default()
    create_session(home, "round", models, "questions", {}, settings=settings)
    for place in range(4):
        prompt = [{"role": "system", "content": "Be brief."}, {"role": "user", "content": f"question {place}"}]
        answers = {model: Answer(f"text {number}", "length", 2) for number, model in enumerate(models)}
        add_answers(home, "round", place, prompt, answers)
    finish_session(home, "round")
    return home


def test_grade_aspects_reason_and_a_typed_edit_go_with_a_vote(ask: Ask) -> None:
    home = make(FULL)
    out = ask(["e", "l", "a better", "answer", ".", "l", "2", "x", "l", "e", "because"])
    assert "Be **kind**." in out and "system: Be brief." in out and "(cut off at the limit)" in out
    assert "model-" not in out
    (kept,) = effective_votes(home, "round")
    assert (kept.strength, kept.reason, kept.edited_text) == (2, "because", "a better\nanswer")
    assert kept.aspects["true"] == 0.5 and kept.aspects["short"] == kept.outcome


def test_a_grade_may_be_typed_with_the_side_and_an_empty_answer_leaves_the_pair_open(ask: Ask) -> None:
    home = make(FULL)
    out = ask(["r3", "", "r3", "r", "r", "", "t", "e", "e", "so"])
    assert [vote.outcome for vote in effective_votes(home, "round")] == [0.5]
    assert out.count("question") >= 3  # shown again after each empty answer


def test_a_flag_needs_a_reason_and_any_own_vote_is_taken_back(ask: Ask) -> None:
    home = make(LabellingSettings())
    ask(["l", "f", "the prompt is empty", "t"])
    assert [vote.outcome for vote in effective_votes(home, "round", with_flagged=True)].count(0.5) == 1
    out = ask(["v", "3"])
    assert "1  tie" in out and "2  flag" in out and "3  left" in out
    assert [vote.outcome for vote in effective_votes(home, "round")] == [0.5]


def test_answers_are_put_in_order_with_ties(ask: Ask) -> None:
    home = make(LabellingSettings(ranking=True), ("a", "b", "c"))
    out = ask(["2 1", "l", "2 1=3", "b"])
    assert "Put all 3 answers in an order" in out
    votes = effective_votes(home, "round")
    assert sorted(vote.outcome for vote in votes[:3]) in ([0.0, 0.0, 0.5], [0.0, 0.5, 1.0], [0.5, 1.0, 1.0])


def test_a_training_question_is_explained_after_its_vote(ask: Ask) -> None:
    home = make(LabellingSettings())
    check = QualityCheck(
        [{"role": "user", "content": "2+2?"}], "4", "5", "training", explanation="Two and two make four."
    )
    add_checks(home, "round", [check])
    item = next_item(home, "round", by("bob"))
    assert item and item.training
    out = ask(["t"])
    assert "a training question" in out and "Not correct." in out and "Two and two make four." in out


def test_undo_without_a_vote_says_so_and_goes_on(ask: Ask) -> None:
    home = make(LabellingSettings())
    assert "You have no vote to undo here" in ask(["u", "p", "", "l"])
    assert len(effective_votes(home, "round")) == 1


def test_orders_are_read_as_people_write_them() -> None:
    assert typed_ranking("2 1=3") == typed_ranking("B, A = C") == typed_ranking("2 > 1=3") == [[1], [0, 2]]


@pytest.mark.parametrize("typed", ["", "2 1=", "B ?", "0 1", "10 best"])
def test_what_is_no_order_is_said(typed: str) -> None:
    with pytest.raises(UserError, match="no order of the answers"):
        typed_ranking(typed)


def test_an_answer_is_edited_in_the_editor_of_the_environment(tmp_path: Path) -> None:
    script = tmp_path / "append.py"
    script.write_text("import sys\nopen(sys.argv[1], 'a').write(' and more\\n')\n")
    assert rewritten("text", {"EDITOR": f"{sys.executable} {script}"}) == "text and more"


@pytest.mark.parametrize("editor", ["no-such-editor", "an 'unclosed quote"])
def test_an_editor_that_cannot_be_started_leaves_the_pair_open(editor: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(Cancelled):
        rewritten("text", {"VISUAL": editor})
    assert "Set $VISUAL to another one" in capsys.readouterr().out
