"""The search for a recipe: what it may try, that it finds a known optimum, resumes, and tells the truth at the end."""

import json
import warnings
from pathlib import Path
from typing import Any

import pytest
import torch

from tabs.figures.merge_search import figures
from tests.running import context, wrong_with
from tests.toys import conversations, toy_dataset, toy_model, toy_pairs
from workbench.core.errors import UserError
from workbench.core.home import Home
from workbench.core.lineage import read_manifest
from workbench.data.store.datasets import write_rows
from workbench.inference.jobs.measure import Measure
from workbench.jobs.job import JobContext, JobStopped
from workbench.merging.jobs.merge_search import MergeSearch
from workbench.merging.recipe import MergeRecipe
from workbench.merging.search import Search, divide
from workbench.merging.search_space import Space, Start
from workbench.merging.search_study import finished, importance, open_study
from workbench.merging.trial_model import TrialModel
from workbench.models.merged import open_weights
from workbench.models.model_references import resolve

pytestmark = pytest.mark.usefixtures("one_thread")


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Home:
    """'taught' is 'toy' after lessons in what the dataset 'lessons' says: the best mix of them is about all taught."""
    made = Home.at(tmp_path_factory.mktemp("search"))
    toy_model(made)
    toy_model(made, "taught", lessons=60)
    toy_model(made, "wide", hidden=32)
    toy_dataset(made)
    toy_pairs(made)
    write_rows(made, "lessons", "conversation", conversations(24, "It is so."))
    return made


def job(output: str, **settings: Any) -> MergeSearch:
    given = {"models": ["toy", "taught"], "base": "toy", "dataset": "lessons", "rows": 6, "trials": 4}
    return MergeSearch(output=output, **{**given, **settings})


# ---- what may be tried -------------------------------------------------------------------------------------


def test_methods_that_do_not_fit_are_left_out() -> None:
    assert Space(("a", "b")).usable() == ["linear", "slerp"]
    assert Space(("a", "b"), "base").usable() == ["linear", "slerp", "task_arithmetic", "ties", "dare_ties", "della"]
    assert "slerp" not in Space(("a", "b", "c"), "base").usable()
    assert "slerp" in Space(("a",), "base").usable()
    assert "base model" in Space(("a", "b")).reason("ties")
    assert Space(("a", "b")).reason("passthrough")


@pytest.mark.parametrize("groups", [False, True])
@pytest.mark.parametrize(("models", "base"), [(("a", "b"), ""), (("a", "b"), "a"), (("a", "b", "c"), "base")])
def test_every_start_is_a_recipe_mergekit_reads(models: tuple[str, ...], base: str, groups: bool) -> None:
    space = Space(models, base, groups=groups)
    for start in space.starts():
        recipe = space.recipe(start["method"], Start())
        assert MergeRecipe.parse(recipe).to_dict() == recipe
        assert all(name.startswith(f"{start['method']}.") for name in start if name != "method")


def test_two_relative_weights_are_one_share_and_lambda_is_only_where_it_adds_something() -> None:
    names = {start["method"]: sorted(start) for start in Space(("a", "b"), "base").starts()}
    assert names["linear"] == ["linear.share.b", "method"]
    assert names["ties"] == ["method", "ties.density", "ties.lambda", "ties.share.b"]
    assert names["task_arithmetic"] == ["method", "task_arithmetic.weight.a", "task_arithmetic.weight.b"]
    assert names["slerp"] == ["method", "slerp.t"]


def test_groups_are_written_as_filters_with_the_rest_last() -> None:
    recipe = Space(("a", "b"), groups=True).recipe("slerp", Start())
    assert [one.get("filter") for one in recipe["parameters"]["t"]] == ["attn", "mlp", None]


# ---- the model trials are merged into ----------------------------------------------------------------------


def test_a_model_takes_on_other_weights_whole(home: Home) -> None:
    trial = TrialModel(home, "toy")
    weights = open_weights(resolve(home, "taught"))
    trial.take((name, weights.get(name)) for name in weights.names())
    ids = torch.arange(3, 30)[None]
    with torch.no_grad():
        expected = TrialModel(home, "taught").model(input_ids=ids).logits
        assert torch.equal(trial.model(input_ids=ids).logits, expected)
    with pytest.raises(UserError, match="one architecture"):
        trial.take([("model.norm.weight", torch.ones(3))])


# ---- rows --------------------------------------------------------------------------------------------------


def test_rows_to_judge_by_are_never_those_searched_on(home: Home) -> None:
    for dataset, wanted in (("lessons", 6), ("lessons", 100), ("talks", 2), ("talks", 5)):
        found = divide(home, dataset, wanted, seed=1)
        assert found.searched and found.held_out
        assert not any(row in found.searched for row in found.held_out)
    assert divide(home, "talks", 2, 0).searched_on == "eval split"
    assert (divide(home, "talks", 5, 0).searched_on, divide(home, "talks", 5, 0).judged_on) == (
        "train split",
        "eval split",
    )


# ---- the search --------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def found(home: Home) -> tuple[JobContext, dict[str, Any]]:
    """A whole search, its context and result."""
    ctx = context(home, "whole")
    return ctx, job("best", trials=24).run(ctx)


def test_it_finds_what_is_known_to_be_best(home: Home, found: tuple[JobContext, dict[str, Any]]) -> None:
    _, result = found
    assert result["baselines"]["taught"] < result["baselines"]["toy"] - 1
    table = {row["model"]: row for row in result["comparison"]["table"]}
    assert table["best recipe"]["searched"] <= result["baselines"]["taught"] + 0.1
    assert table["best recipe"]["loss"] <= table["taught"]["loss"] + 0.15
    assert result["comparison"]["best_parent"] == "taught"


def test_the_best_recipe_lies_on_the_shelf_and_is_as_good_as_told(
    home: Home, found: tuple[JobContext, dict[str, Any]]
) -> None:
    _, result = found
    manifest = read_manifest(home.models / "best")
    assert {(one.name, one.role) for one in manifest.parents} >= {("taught", "merged"), ("lessons", "searched-on")}
    assert MergeRecipe.parse(manifest.info["recipe"]).to_yaml() == result["recipe"]
    assert (home.models / "best" / "README.md").read_text().startswith("---\n")
    measured = Measure(models=["best", "taught"], dataset="lessons", rows=24).run(context(home, "after"))["table"]
    assert measured[0]["loss"] <= measured[1]["loss"] + 0.15


def test_metrics_trials_and_pictures_are_left(found: tuple[JobContext, dict[str, Any]]) -> None:
    import plotly.graph_objects as go

    ctx, result = found
    points = [event for event in ctx.events.read()[0] if event["type"] == "metrics"]
    bests = [point["best_loss"] for point in points]
    assert len(points) == 24 and bests == sorted(bests, reverse=True)
    trials = json.loads((ctx.folder / "trials.json").read_text())["trials"]
    assert [trial["number"] for trial in trials] == list(range(1, 25))
    assert {trial["method"] for trial in trials} >= {"linear", "slerp", "ties", "della"}
    made = figures(ctx.folder)
    assert len(made) == (3 if result["importance"] else 2)
    for figure in made:
        json.dumps(figure)
        go.Figure(figure)
    assert figures(ctx.folder / "nowhere") == []
    json.dumps(result)


def test_it_goes_on_after_a_crash_without_repeating_a_trial(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    ctx, one = context(home, "crash"), job("resumed", trials=6)
    monkeypatch.setattr(Search, "_budget_left", lambda self: len(finished(self.study)) < 3)
    Search(one, ctx, one.space).run()
    monkeypatch.undo()
    study = open_study(ctx.folder)
    first = [trial.value for trial in finished(study)]
    study.ask()  # the trial that a kill cuts short
    (ctx.folder / "journal.log.lock").symlink_to("journal.log")
    with (ctx.folder / "journal.log").open("ab") as file:
        file.write(b'{"op_code": 6, "wor')
    measured: list[object] = []
    whole = Search.measured

    def counted(self: Search, what: Any, rows: Any) -> Any:
        measured.append(what)
        return whole(self, what, rows)

    monkeypatch.setattr(Search, "measured", counted)
    result = one.run(context(home, "crash", resume=True))
    done = finished(open_study(ctx.folder))
    assert [trial.value for trial in done][:3] == first and len(done) == 6 == result["trials"]
    assert len(measured) <= 3 + 3  # the trials left, then winner and two parents on held-out rows; baselines are kept
    assert len({trial.number for trial in done}) == 6


def test_the_same_seed_tries_the_same(home: Home) -> None:
    tried = []
    for name in ("once", "again"):
        one = job(name, trials=5, methods=["linear", "task_arithmetic"])
        search = Search(one, context(home, name), one.space)
        search.run()
        tried.append([(trial.params, trial.value) for trial in finished(search.study)])
    assert tried[0] == tried[1]


def test_a_stop_keeps_the_best_so_far_or_nothing(home: Home) -> None:
    ctx, one = context(home, "kept"), job("kept", trials=50)
    budget = one.space.starts()

    def stop_after_three(step: int, **_: Any) -> None:
        if step >= 3:
            (ctx.folder / "stop").write_text("keep")

    ctx.metrics = stop_after_three  # type: ignore[method-assign]
    with pytest.raises(JobStopped) as stopped:
        one.run(ctx)
    assert stopped.value.result["trials"] == 3 < len(budget)
    assert (home.models / "kept").is_dir()
    thrown = context(home, "thrown")
    (thrown.folder / "stop").write_text("discard")
    with pytest.raises(JobStopped):
        job("thrown").run(thrown)
    assert not (home.models / "thrown").exists()


def test_a_trial_that_fails_does_not_end_the_search(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    whole, calls = Search.measured, iter(range(100))

    def sometimes(self: Search, what: Any, rows: Any) -> Any:
        if isinstance(what, dict) and next(calls) == 0:
            raise UserError("Came out as NaN.")
        return whole(self, what, rows)

    monkeypatch.setattr(Search, "measured", sometimes)
    one = job("bumpy", trials=3)
    search = Search(one, context(home, "bumpy"), one.space)
    search.run()
    assert len(finished(search.study)) == 3
    monkeypatch.setattr(Search, "measured", lambda *_: (_ for _ in ()).throw(UserError("Always.")))
    hopeless = Search(one, context(home, "hopeless"), one.space)
    hopeless.baselines = {"toy": 1.0, "taught": 1.0}
    with pytest.raises(UserError, match="Always"):
        hopeless.run()


def test_importance_is_of_the_best_methods_parameters_alone() -> None:
    import optuna

    study = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=0))
    optuna.logging.set_verbosity(optuna.logging.WARNING)

    def objective(trial: Any) -> float:
        if trial.suggest_categorical("method", ["ties", "linear"]) == "linear":
            return 9 + float(trial.suggest_float("linear.share.b", 0, 1))
        trial.suggest_float("ties.lambda", 0.3, 1.5)
        return float((trial.suggest_float("ties.density", 0.2, 0.8) - 0.5) ** 2)

    study.optimize(objective, n_trials=60)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        shares = importance(study)
    assert set(shares) == {"density", "lambda"} and shares["density"] > 0.7
    assert importance(optuna.create_study()) == {}


# ---- checks ------------------------------------------------------------------------------------------------


def test_everything_wrong_is_said_before_it_is_queued(home: Home) -> None:
    assert wrong_with(home, job("fine")) == ""
    told = wrong_with(home, job("toy", models=["toy", "toy", "tyo"], dataset="pairs", base="bace"))
    for word in ("twice", "Did you mean toy", "conversation or text rows", "on the shelf already", "bace"):
        assert word in told
    assert "needs a base model" in wrong_with(home, job("x", base="", methods=["ties"]))
    assert "No method fits" not in wrong_with(home, job("x", base=""))
    assert "no merge method" in wrong_with(home, job("x", methods=["tise"]))
    assert wrong_with(home, job("x", models=["toy", "wide"], base=""))


def test_a_folder_of_trials_can_be_read_while_it_is_written(tmp_path: Path) -> None:
    (tmp_path / "trials.json").write_text('{"trials": []}')
    assert figures(tmp_path) == []
