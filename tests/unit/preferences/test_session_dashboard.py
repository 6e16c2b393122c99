"""What the owner sees of an open session: work and pace by hand-computed cases, and nothing that tells who wins."""

import json
import uuid
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from tests.unit.preferences.test_annotator_quality import cast
from tests.voting import by
from workbench.core.home import Home
from workbench.preferences.ballots import Ballot
from workbench.preferences.exclusions import exclude_annotator
from workbench.preferences.quality_checks import QualityCheck, add_checks
from workbench.preferences.session_dashboard import dashboard, session_forecast
from workbench.preferences.sessions import Answer, add_answers, create_session, finish_session
from workbench.preferences.votes import next_item, vote

NOW = datetime(2026, 11, 30, 12, tzinfo=UTC)


def at(**before: float) -> str:
    return (NOW - timedelta(**before)).isoformat()


@pytest.mark.parametrize(
    ("ages", "last_day", "hours"),
    [
        ([10, 5, 1], 3, 10 / 3 * 6),  # three votes since the first, ten hours ago
        ([100, 50, 12, 6], 2, 12 * 6),  # two in the last day
        ([30], 0, None),
        ([], 0, None),
    ],
)
def test_the_end_is_foreseen_from_the_pace_of_the_last_day(ages: list[int], last_day: int, hours: float | None) -> None:
    votes = [replace(cast(n, "ann", "a"), event=n + 1, created=at(hours=age)) for n, age in enumerate(ages)]
    found = session_forecast(6, votes, NOW)
    assert (found.left, found.last_day) == (6, last_day)
    expected = "" if hours is None else (NOW + timedelta(hours=hours)).isoformat(timespec="seconds")
    assert found.done_by == expected
    assert session_forecast(0, votes, NOW).done_by == ""


@pytest.fixture
def home(tmp_path: Path) -> Home:
    home = Home.at(tmp_path)
    create_session(home, "round", ["m1", "m2"], "questions", {}, votes_per_pair=2)
    for place in range(6):
        ends = {"m1": Answer(f"short {place}", "eos", 3), "m2": Answer(f"a longer answer {place}", "length", 9)}
        add_answers(home, "round", place, [{"role": "user", "content": f"question {place}"}], ends)
    finish_session(home, "round")
    add_checks(home, "round", [QualityCheck([{"role": "user", "content": "known"}], "right", "wrong", "training")])
    return home


def give(home: Home, name: str, choices: list[str]) -> None:
    for choice in choices:
        item = next_item(home, "round", by(name))
        assert item is not None
        if item.training:
            side = "left" if item.left == "right" else "right"
        else:
            side = {"long": "left" if item.left.startswith("a longer") else "right"}.get(choice, choice)
        reason = Ballot(reason="no question at all") if side == "flag" else Ballot()
        vote(home, "round", by(name), item.token, side, uuid.uuid4().hex, 30.0, reason)


def test_who_did_how_much_and_what_is_left(home: Home) -> None:
    give(home, "ann", ["training", "long", "long", "tie", "skip", "flag"])
    give(home, "bob", ["training", "long"])
    exclude_annotator(home, "round", "bob", by("olga"))
    found = dashboard(home, "round")
    assert (found["votes"], found["wanted"], found["forecast"]["left"]) == (4, 12, 8)
    ann, bob = found["people"]
    assert (ann["name"], ann["votes"], ann["skips"], ann["flags"], ann["left_out"]) == ("ann", 3, 1, 1, False)
    assert (ann["median_seconds"], ann["votes_per_hour"], ann["last_day"]) == (30.0, 120.0, 3)
    assert [(each["kind"], each["right"], each["n"]) for each in ann["checks"]] == [("training", 1, 1)]
    assert (bob["votes"], bob["left_out"], bob["agreement"], bob["compared"]) == (1, True, 1.0, 1)
    assert found["answers_cut_off"] == 6
    (flag,) = found["flags"]
    assert flag["reason"] == "no question at all" and flag["prompt"].startswith("question")
    assert "annotator" not in flag


def test_nothing_of_it_tells_which_model_wins(home: Home) -> None:
    """The same when every vote is turned round, but for the sides, which are drawn at random."""
    give(home, "ann", ["training", "long", "long", "long", "long"])
    told = json.dumps(dashboard(home, "round"))
    assert not any(word in told for word in ("m1", "m2", '"length"', "longer", "win_rate", "rating"))
