"""Quality of a labelling session on the command line: progress, leaving people out, disagreements, edited answers."""

import json
import uuid
from collections.abc import Callable, Iterator

import pytest

from tests.voting import by, close
from workbench.__main__ import main
from workbench.core.home import Home
from workbench.data.store import datasets
from workbench.preferences.ballots import Ballot
from workbench.preferences.labelling_settings import LabellingSettings
from workbench.preferences.sessions import Answer, add_answers, create_session, finish_session
from workbench.preferences.standing_votes import effective_votes
from workbench.preferences.votes import next_item, vote

SETTINGS = LabellingSettings(edits=True, rationale="optional", aspects=["brief"])
Cli = Callable[..., tuple[int, str, str]]


@pytest.fixture
def home() -> Home:
    """Two questions, on which ann and bob say opposite things; ann edits the answers she finds better."""
    home = Home.default()
    create_session(home, "round", ["m1", "m2"], "questions", {}, 2, SETTINGS)
    for place in range(2):
        answers = {model: Answer(f"{model} text {place}", "eos", 3) for model in ("m1", "m2")}
        add_answers(home, "round", place, [{"role": "user", "content": f"question {place}"}], answers)
    finish_session(home, "round")
    for name, winner in (("ann", "m1"), ("bob", "m2")):
        while item := next_item(home, "round", by(name)):
            side = "left" if item.left.startswith(winner) else "right"
            edit = {"edited_text": "better text", "edited_side": side} if name == "ann" else {}
            ballot = Ballot(aspects={"brief": "left"}, **edit)
            vote(home, "round", by(name), item.token, side, uuid.uuid4().hex, 2.0, ballot)
    return home


@pytest.fixture
def cli(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Cli:
    """Runs a command with these lines typed; exit code, standard output, standard error."""

    def call(*arguments: str, typed: tuple[str, ...] = ()) -> tuple[int, str, str]:
        lines: Iterator[str] = iter(typed)
        monkeypatch.setattr("builtins.input", lambda *_: next(lines))
        code = main(list(arguments))
        printed = capsys.readouterr()
        return code, printed.out, printed.err

    return call


def test_progress_says_who_did_how_much_and_no_model(home: Home, cli: Cli) -> None:
    code, out, _ = cli("session-progress", "round")
    assert code == 0 and "4 of 4 votes" in out and "2 pairs disagreed on, 0 of them settled" in out
    assert "m1" not in out and "m2" not in out
    people = json.loads(cli("session-progress", "round", "--json")[1])["people"]
    assert [(person["name"], person["votes"], person["agreement"]) for person in people] == [
        ("ann", 2, 0.0), ("bob", 2, 0.0),
    ]  # fmt: skip


def test_disagreements_are_settled_in_the_terminal_and_taken_back(home: Home, cli: Cli) -> None:
    code, _, err = cli("adjudicate", "round", "--name", "eve")
    assert code == 1 and "not chosen" in err
    assert "May settle: eve" in cli("appoint-adjudicator", "round", "eve")[1]
    code, out, _ = cli("adjudicate", "round", "--name", "eve", typed=("t", "equal", "q"))
    assert code == 0 and "settled" in out and "ann" not in out and "bob" not in out
    settled = [each for each in effective_votes(home, "round", adjudicated=True) if each.annotator == "eve"]
    assert [(each.choice, each.reason) for each in settled] == [("tie", "equal")]
    assert cli("adjudicate", "round", "--name", "eve", "--undo")[0] == 0
    assert len(effective_votes(home, "round", adjudicated=True)) == 4


def test_an_annotator_is_left_out_and_edits_become_a_dataset(home: Home, cli: Cli) -> None:
    assert "Left out: bob" in cli("exclude-annotator", "round", "bob")[1]
    close(home, "round")
    assert json.loads(cli("report", "round", "--json")[1])["filters"]["votes_of_annotators_left_out"] == 2
    assert [line.split()[0] for line in cli("report", "round")[1].splitlines() if "brief" in line] == ["brief"]
    code, out, _ = cli("export-edits", "round", "--eval-fraction", "0", "--json")
    assert code == 0 and json.loads(out) == {
        "dataset": "round-edits",
        "rows": {"train": 2, "eval": 0},
        "authors": {"ann": 2},
    }
    assert datasets.all_rows(home, "round-edits")[0]["messages"][-1]["content"] == "better text"
    assert "Left out: nobody" in cli("exclude-annotator", "round", "bob", "--include")[1]
