"""Sessions looked after on the command line: states, guidelines, settings, checks and clones, as JSON."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.voting import make_session
from workbench.__main__ import main
from workbench.core.home import Home
from workbench.preferences.sessions import get_session

Cli = Callable[..., tuple[int, Any, str]]


@pytest.fixture
def home() -> Home:
    made = Home.default()
    make_session(made, "round", 3, ("model-alpha", "model-beta"))
    return made


@pytest.fixture
def cli(capsys: pytest.CaptureFixture[str]) -> Cli:
    """Runs a command of `session` with --json; its exit code, what it printed, and its errors."""

    def call(*arguments: str) -> tuple[int, Any, str]:
        code = main(["session", *arguments, "--json"])
        said = capsys.readouterr()
        return code, json.loads(said.out) if said.out else None, said.err

    return call


def test_a_session_is_paused_resumed_closed_and_archived(home: Home, cli: Cli) -> None:
    for move, state in (("pause", "paused"), ("resume", "open"), ("close", "closed"), ("archive", "archived")):
        code, said, _ = cli(move, "round", "--name", "olga")
        assert (code, said["state"]) == (0, state)
    assert cli("list")[1] == []
    assert [row["name"] for row in cli("list", "--archived")[1]] == ["round"]
    code, _, err = cli("resume", "round")
    assert code != 0 and "not opened again" in err


def test_show_names_the_models_of_closed_sessions_only(home: Home, cli: Cli) -> None:
    shown = cli("show", "round")[1]
    assert (shown["models"], shown["possible"], shown["answers"]["cut_off"]) == (2, ["pause", "close"], 0)
    assert "model-alpha" not in json.dumps(shown)
    cli("close", "round")
    assert cli("show", "round")[1]["models"] == ["model-alpha", "model-beta"]


def test_guidelines_settings_and_checks_are_changed_and_a_clone_takes_them_over(
    home: Home, cli: Cli, tmp_path: Path
) -> None:
    assert cli("guidelines", "round")[1] == {"version": 0, "text": ""}
    (tmp_path / "g.md").write_text("Be kind.\n")
    assert cli("guidelines", "round", "--file", str(tmp_path / "g.md"))[1]["version"] == 1
    assert cli("guidelines", "round", "Be strict.")[1]["version"] == 2
    assert [row["text"] for row in cli("guidelines", "round", "--versions")[1]] == ["Be strict.", "Be kind."]
    changed = cli("settings", "round", "voters=[ann, bob]", "votes_per_pair=2")[1]
    assert changed["changed"] == {"voters": ["ann", "bob"], "votes_per_pair": 2}
    assert len(changed["effects"]) == 2
    code, _, err = cli("settings", "round", "ranking=true", "colour=red")
    assert code != 0 and "ranking" in err and "colour" in err
    (tmp_path / "gold.jsonl").write_text('{"prompt": "2+2?", "better": "4", "worse": "5"}\n')
    assert cli("add-checks", "round", str(tmp_path / "gold.jsonl"))[1]["checks"] == 1
    assert cli("clone", "round", "round-2")[1]["state"] == "draft"
    clone = get_session(home, "round-2")
    assert (clone.settings.voters, clone.votes_per_pair) == (["ann", "bob"], 2)
    assert cli("open", "round-2")[1]["state"] == "open"


def test_what_cannot_be_added_is_said_before_a_job_begins(home: Home, cli: Cli) -> None:
    code, _, err = cli("add-prompts", "round", "2")
    assert code != 0 and "were imported" in err
    code, _, err = cli("add-model", "round", "nobody")
    assert code != 0 and "There is no model 'nobody'" in err
