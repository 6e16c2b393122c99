"""Labelling on the command line stays blind as the page does."""

import json
from collections.abc import Callable, Iterator

import pytest
import sqlalchemy as sa

from tests.voting import by, make_session
from workbench.__main__ import main
from workbench.core.home import Home
from workbench.preferences import store, tables
from workbench.preferences.standing_votes import effective_votes
from workbench.preferences.votes import next_item

Cli = Callable[..., tuple[int, str, str]]
MODELS = ("model-alpha", "model-beta")


@pytest.fixture
def home() -> Home:
    made = Home.default()
    make_session(made, "round", 3, MODELS)
    return made


@pytest.fixture
def cli(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Cli:
    """Runs a command with these answers typed; exit code, standard output, standard error."""

    def call(*arguments: str, typed: str = "") -> tuple[int, str, str]:
        answers: Iterator[str] = iter(typed)
        monkeypatch.setattr("builtins.input", lambda *_: next(answers))
        code = main(list(arguments))
        said = capsys.readouterr()
        return code, said.out, said.err

    return call


def leases(home: Home) -> int:
    with store.reading(home) as db:
        return db.scalar(sa.select(sa.func.count()).select_from(tables.leases)) or 0


def test_votes_are_given_undone_and_the_open_pair_goes_back(home: Home, cli: Cli) -> None:
    code, out, _ = cli("label", "round", "--name", "ann", typed="lturq")
    assert code == 0 and not any(model in out for model in MODELS)
    assert [vote.choice for vote in effective_votes(home, "round")] == ["left", "right"]
    assert leases(home) == 0


def test_the_end_is_said_as_it_is(home: Home, cli: Cli) -> None:
    held = next_item(home, "round", by("bob"))
    assert held
    assert "Others are judging the last pairs (1)" in cli("label", "round", "--name", "ann", typed="ll")[1]
    with store.writing(home) as db:
        db.execute(tables.leases.delete())
    assert "Every pair has its votes" in cli("label", "round", "--name", "ann", typed="l")[1]


def test_names_and_counts_are_shown_when_the_session_is_closed(home: Home, cli: Cli) -> None:
    cli("label", "round", "--name", "ann", typed="ltbq")
    for command in (["report", "round"], ["export-pairs", "round"], ["list", "sessions"]):
        code, out, err = cli(*command)
        assert code == (0 if "list" in command else 1)
        assert not any(model in out + err for model in MODELS)
    code, out, _ = cli("close-session", "round", "--name", "ann")
    assert (code, out) == (0, "round is closed, with 3 votes.\n")
    assert "model-alpha over model-beta" in cli("report", "round")[1]
    assert "model-alpha, model-beta" in cli("list", "sessions")[1]
    assert "is closed; 'report' shows" in cli("label", "round", "--name", "bob")[1]


def test_looking_early_is_recorded_and_later_votes_are_left_out(home: Home, cli: Cli) -> None:
    cli("label", "round", "--name", "ann", typed="lq")
    code, out, _ = cli("report", "round", "--unblind", "--name", "ann", "--json")
    assert code == 0 and json.loads(out)["counts"]["votes"] == 1
    cli("label", "round", "--name", "somebody", typed="ltq")  # the same terminal
    assert len(effective_votes(home, "round")) == 1
    cli("close-session", "round")
    assert json.loads(cli("report", "round", "--json")[1])["counts"]["unblinded"] == 2
    assert json.loads(cli("report", "round", "--json", "--with-unblinded")[1])["counts"]["votes"] == 3


def test_damaged_labels_are_recovered_on_demand(home: Home, cli: Cli) -> None:
    code, _, err = cli("recover-labels")
    assert code == 1 and "Nothing is wrong" in err
    store.forget(home)
    home.labels.write_bytes(b"no database" * 1000)
    code, _, err = cli("list", "sessions")
    assert code == 1 and "is damaged" in err and "recover-labels" in err
    code, out, _ = cli("recover-labels")
    assert code == 0 and "nothing could be read" in out and "labels-damaged-" in out
    assert cli("list", "sessions")[0] == 0
