"""Annotators with accounts vote at once while their server is killed: the bench's measurement in a quick form."""

from pathlib import Path

import pytest

from tests.voters import Plan, poll
from workbench.core.home import Home


@pytest.mark.prove
def test_votes_of_five_accounts_through_a_kill_are_there_exactly_once_and_every_pair_has_its_votes(
    tmp_path: Path,
) -> None:
    plan = Plan(annotators=5, seconds=10, kills=1, pairs=8)
    found = poll(Home.at(tmp_path / "votes"), plan)
    assert len(found.outages) == plan.kills
    assert found.lost == 0 and len(found.kept) == plan.pairs * plan.votes_per_pair
    assert found.wrong_overlap(plan.votes_per_pair) == 0
    assert {name for _, _, name in found.kept} <= {f"Annotator {n}" for n in range(plan.annotators)}
    assert found.seconds["cast_vote"] and found.seconds["changes"]
