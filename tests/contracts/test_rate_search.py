"""The search for a learning rate: it rises, says what it found, leaves nothing, and refuses what training refuses."""

import math
from typing import Any

import pytest

from tests.running import carried, carry, wrong_with
from tests.toys import toy_home
from workbench.core.home import Home
from workbench.jobs.job import STOP_FILE
from workbench.training.jobs.find_learning_rate import FindLearningRate
from workbench.training.rate_search import RateReport
from workbench.training.tuner import TUNERS


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory, exact: None) -> Home:
    return toy_home(tmp_path_factory.mktemp("search"))


def search(**settings: Any) -> FindLearningRate:
    given = {"model": "toy", "dataset": "talks", "batch_size": 2, "steps": 60, "lowest": 1e-5, "highest": 1.0}
    return FindLearningRate.parse({**given, **settings})


@pytest.mark.parametrize("tuner", list(TUNERS.all()))
def test_a_search_suggests_a_rate_and_leaves_nothing(tuner: str, home: Home) -> None:
    if reason := TUNERS.get(tuner).unavailable():
        pytest.skip(reason)
    before = sorted(path.name for path in home.models.iterdir())
    view = carry(home, search(tuner=tuner))
    result = view.state.result
    rates = [rate for rate, *_ in result["course"]]
    assert rates[0] == pytest.approx(1e-5) and rates == sorted(rates)
    assert math.log(rates[2] / rates[1]) == pytest.approx(math.log(1e5) / 59, rel=1e-3)
    assert 1e-4 < result["suggested"] < 0.1 and len(result["sentences"]) == 2
    assert result["sentences"][-1] in view.state.notes
    assert [point["step"] for point in view.state.points] == list(range(1, len(rates) + 1))
    assert sorted(path.name for path in home.models.iterdir()) == before
    assert not [path for path in view.folder.iterdir() if path.is_dir() and any(path.rglob("*.safetensors"))]


def test_pairs_have_a_rate_too(home: Home) -> None:
    view = carry(home, search(dataset="pairs", objective={"method": "dpo", "learning_rate": 5e-6}, steps=20))
    assert len(view.state.result["course"]) == 20
    assert view.job.taken_over(1e-5) == {"objective": {"method": "dpo", "learning_rate": 1e-5}}  # type: ignore[union-attr]


def test_the_rate_of_the_objective_changes_nothing(home: Home) -> None:
    courses = [
        carry(home, search(objective={"method": "sft", "learning_rate": rate}, steps=20)).state.result["course"]
        for rate in (1e-6, 0.5)
    ]
    assert courses[0] == courses[1]


def test_a_search_that_runs_away_ends_early_with_what_it_found(home: Home) -> None:
    view = carry(home, search(tuner="full", optimizer={"method": "sgd", "momentum": 0.99}, max_grad_norm=0, steps=200))
    result = view.state.result
    assert result["ran_away"] and len(result["course"]) < 200 and result["suggested"]


def test_a_search_that_is_stopped_tells_what_it_has(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    log = RateReport.on_log

    def stopping(self: RateReport, args: Any, state: Any, control: Any, **given: Any) -> None:
        log(self, args, state, control, **given)
        if state.global_step == 12:
            (self.ctx.folder / STOP_FILE).write_text("keep")

    monkeypatch.setattr(RateReport, "on_log", stopping)
    view = carried(home, search())
    assert view.state.status == "stopped" and len(view.state.result["course"]) == 13


def test_what_is_wrong_is_found_together_before_the_start(home: Home) -> None:
    text = wrong_with(home, search(dataset="pairs", lowest=0.2, precision="float16"))
    assert "highest: is less than ten times the lowest rate." in text
    assert "dataset: 'pairs' holds preference rows" in text and "precision:" in text
