"""Nothing that was acknowledged is lost, whatever is killed: the bench's measurements in a quick form."""

from pathlib import Path

import pytest

from tests.durability import training, voting
from workbench.core.home import Home


@pytest.mark.prove
def test_votes_of_eight_people_survive_two_kills_of_the_server(tmp_path: Path) -> None:
    found = voting(Home.at(tmp_path / "votes"), annotators=8, pairs=32, kills=2)
    assert found.kills == 2
    assert found.acknowledged == set(found.kept) and len(found.kept) == found.wanted == 32
    assert found.twice == 0


@pytest.mark.prove
def test_a_training_killed_in_checkpoint_or_save_leaves_nothing_half_made_and_resumes_to_the_same_bits(
    tmp_path: Path,
) -> None:
    for run in training(tmp_path):
        assert run.whole_or_nothing and run.resumed == "done" and run.identical, run
