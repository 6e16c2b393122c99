"""The search for a recipe: trials drawn by TPE, each merged in memory and measured on the same rows.

Every trial is in the journal in the job's folder before the next begins, so a crash costs the one under way.
"""

import json
import random
import shutil
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from workbench.core.errors import UserError
from workbench.core.home import Home, write_text
from workbench.core.lineage import Manifest, parent_of, read_manifest
from workbench.core.tasks import Task
from workbench.data.store import datasets
from workbench.jobs.job import JobContext, JobStopped
from workbench.merging import catalogue
from workbench.merging.jobs.merge_search import MergeSearch
from workbench.merging.recipe import MergeRecipe
from workbench.merging.search_space import Space
from workbench.merging.search_study import TRIALS, finished, give_up, importance, open_study, sampler
from workbench.models.model_references import resolve

if TYPE_CHECKING:
    from workbench.inference.loss import Encoded, Loss


MOST_ROWS = 20_000  # of a split looked at when rows are drawn
MOST_FAILURES = 5  # in a row without a single success


@dataclass(frozen=True)
class Division:
    """Rows to search on and others to judge the winner by, with the words for where both come from."""

    searched: list[dict[str, Any]]
    held_out: list[dict[str, Any]]
    searched_on: str
    judged_on: str


def divide(home: Home, dataset: str, wanted: int, seed: int) -> Division:
    """`wanted` rows for each purpose, none for both: of the eval split if it is large enough, else train is searched.

    Raises `UserError` when the dataset has fewer than two rows.
    """
    train, held = _drawn(home, dataset, "train", seed), _drawn(home, dataset, "eval", seed)
    if held and len(held) < 2 * wanted:
        return Division(train[:wanted], held[:wanted], "train split", "eval split")
    pool, split = (held, "eval") if held else (train, "train")
    middle = min(wanted, len(pool) // 2)
    if not middle:
        raise UserError(f"{dataset!r} has fewer than two rows.", "Choose a larger dataset.", "dataset")
    return Division(pool[:middle], pool[middle : middle + wanted], f"{split} split", f"other rows of the {split} split")


def _drawn(home: Home, dataset: str, split: str, seed: int) -> list[dict[str, Any]]:
    rows = datasets.rows(home, dataset, split, 0, MOST_ROWS) if datasets.count(home, dataset, split) else []
    random.Random(seed).shuffle(rows)
    return rows


class Search:
    """One run of the search: the model trials are merged into, the rows they are measured on, and the study."""

    def __init__(self, job: MergeSearch, ctx: JobContext, space: Space):
        from workbench.inference.loss import encode, longest
        from workbench.merging.trial_model import TrialModel

        self.job, self.ctx, self.space = job, ctx, space
        self.task = Task(check_stop=self._check_stop)  # a measurement's; what is told is told by trials
        self.rows = divide(ctx.home, job.dataset, job.rows, job.seed)
        ctx.task.update(0, job.trials, "Loading the model that trials are merged into")
        self.trial_model = TrialModel(ctx.home, job.base or job.models[0])
        most = min(job.max_length, longest(self.trial_model.model) or job.max_length)
        kind, reader = datasets.dataset_kind(ctx.home, job.dataset), resolve(ctx.home, job.models[0])
        self.searched, self.held_out = (
            encode(reader, rows, kind, job.template, most) for rows in (self.rows.searched, self.rows.held_out)
        )
        self.study = open_study(ctx.folder)
        self.ending = False
        self.baselines: dict[str, float] = self._written().get("baselines", {})

    def _written(self) -> dict[str, Any]:
        path = self.ctx.folder / TRIALS
        return dict(json.loads(path.read_text("utf-8"))) if path.is_file() else {}

    def stopped(self) -> bool:
        """Whether to wind up: at once when all is to be discarded, else until the search has ended."""
        how = self.ctx.stop_requested()
        return how == "discard" or bool(how and not self.ending)

    def _check_stop(self) -> None:
        if self.stopped():
            raise JobStopped

    def measured(self, name_or_recipe: "str | dict[str, Any]", rows: "list[Encoded]") -> "Loss":
        """The loss of a model of the shelf, or of the merge by a recipe."""
        from workbench.inference.loss import loss_of
        from workbench.merging.engine import MergePlan
        from workbench.models.merged import open_weights

        if isinstance(name_or_recipe, str):
            weights = open_weights(resolve(self.ctx.home, name_or_recipe))
            state = self.trial_model.model.state_dict()
            self.trial_model.take((name, weights.get(name)) for name in weights.names() if name in state)
        else:
            device = "cuda" if self.trial_model.hardware.device == "cuda" else "cpu"
            recipe = MergeRecipe.parse(name_or_recipe)
            plan = MergePlan(self.ctx.home, recipe, self.job.seed, self.job.kernels, device)
            self.trial_model.take(_watched(plan.tensors(), self.task))
        return loss_of(self.trial_model.model, rows, self.task, self.job.seed)

    def run(self) -> None:
        """Baselines first, then trials until the budget is spent or somebody stops it."""
        try:
            for name in self.space.models:
                if name not in self.baselines:
                    self.ctx.task.update(0, self.job.trials, f"Measuring {name} alone")
                    self.baselines[name] = round(self.measured(name, self.searched).loss, 5)
                    self.ctx.note(f"{name} alone: loss {self.baselines[name]:.4f}")
                    self._write()
            for start in self.space.starts():
                self.study.enqueue_trial(start, skip_if_exists=True)
            while self._budget_left() and not self.stopped():
                self._trial()
        except JobStopped:
            give_up(self.study)
        if self.ctx.stop_requested() == "discard":
            raise JobStopped({"trials": len(finished(self.study))})
        self.ending = True

    def _budget_left(self) -> bool:
        completed = finished(self.study)
        spent = sum(trial.duration.total_seconds() for trial in completed)
        return len(completed) < self.job.trials and not (self.job.minutes and spent >= 60 * self.job.minutes)

    def _trial(self) -> None:
        completed = finished(self.study)
        self.study.sampler = sampler(self.job.seed, len(self.study.get_trials(deepcopy=False)))
        trial = self.study.ask()
        recipe = self.space.draw(trial)
        trial.set_user_attr("recipe", recipe)
        self.ctx.task.update(len(completed), self.job.trials, f"Trial {trial.number + 1}: {recipe['merge_method']}")
        same = [earlier.value for earlier in completed if earlier.user_attrs.get("recipe") == recipe]
        try:
            loss = same[0] if same else self.measured(recipe, self.searched).loss
        except UserError as error:
            self._failed(trial, error)
            return
        self.study.tell(trial, loss)
        best = min([loss, *(earlier.value for earlier in completed)])
        self.ctx.metrics(trial.number + 1, loss=loss, best_loss=best)
        self._write()

    def _failed(self, trial: Any, error: UserError) -> None:
        from optuna.trial import TrialState

        self.study.tell(trial, state=TrialState.FAIL)
        self.ctx.note(f"Trial {trial.number + 1} failed: {error.message}")
        failures = self.study.get_trials(deepcopy=False, states=(TrialState.FAIL,))
        if len(failures) >= MOST_FAILURES and not finished(self.study):
            raise error

    def best(self) -> dict[str, Any]:
        """The recipe with the lowest loss; raises `UserError` when no trial came to an end."""
        completed = finished(self.study)
        if not completed:
            raise UserError("No trial has finished, so there is no recipe.", "Give it more trials or time.", "trials")
        return dict(min(completed, key=lambda trial: trial.value).user_attrs["recipe"])

    def judge(self, recipe: dict[str, Any]) -> dict[str, Any]:
        """Winner and parents on rows the search never saw: the best of many trials looks better than it is."""
        from workbench.inference.loss import difference

        searched = min(trial.value for trial in finished(self.study))
        best_parent = min(self.baselines, key=lambda name: self.baselines[name])
        losses: dict[str, Any] = {"best recipe": self.measured(recipe, self.held_out)}
        for name in self.space.models:
            self.ctx.task.update(self.job.trials, self.job.trials, f"Judging {name} on held-out rows")
            losses[name] = self.measured(name, self.held_out)
        search_losses = {"best recipe": searched, **self.baselines}
        return {
            "searched_on": f"{len(self.searched)} rows, {self.rows.searched_on}",
            "judged_on": f"{len(self.held_out)} rows, {self.rows.judged_on}",
            "table": [
                {"model": name, "searched": round(search_losses[name], 5), **loss.to_dict()}
                for name, loss in losses.items()
            ],
            "best_parent": best_parent,
            "against_best_parent": difference(losses["best recipe"], losses[best_parent], self.job.seed),
        }

    def finish(self, comparison: dict[str, Any]) -> dict[str, Any]:
        """Writes the last trials.json and returns it."""
        return self._write(comparison=comparison, importance=importance(self.study))

    def _write(self, **more: Any) -> dict[str, Any]:
        trials = [
            {
                "number": trial.number + 1,
                "method": trial.params["method"],
                "loss": round(trial.value, 5),
                "seconds": round(trial.duration.total_seconds(), 2),
                "params": {name: value for name, value in trial.params.items() if name != "method"},
                "recipe": trial.user_attrs["recipe"],
            }
            for trial in finished(self.study)
        ]
        content = {"baselines": self.baselines, "trials": trials, **more}
        write_text(self.ctx.folder / TRIALS, json.dumps(content, ensure_ascii=False, indent=1))
        return content


def _watched(tensors: Any, task: Task) -> Any:
    for pair in tensors:
        task.check_stop()
        yield pair


def run(job: MergeSearch, ctx: JobContext) -> dict[str, Any]:
    """Tries, judges and shelves; the result has the best recipe, its comparison and what mattered."""
    skipped = [catalogue.method(name).title for name in job.space.methods if name not in job.space.usable()]
    if skipped:
        ctx.note(f"Not tried, as they do not fit these models: {', '.join(skipped)}.")
    search = Search(job, ctx, job.space)
    search.run()
    recipe = search.best()
    comparison = search.judge(recipe)
    report = search.finish(comparison)
    warning = _verdict(comparison)
    ctx.note(warning)
    info = {"recipe": recipe, "trials": len(report["trials"]), "comparison": comparison}
    _shelve(job, ctx, recipe, info)
    result = {
        "model": job.output,
        "recipe": MergeRecipe.parse(recipe).to_yaml(),
        "trials": len(report["trials"]),
        "baselines": report["baselines"],
        "comparison": comparison,
        "importance": report["importance"],
        "verdict": warning,
    }
    if ctx.stop_requested():
        raise JobStopped(result)
    return result


def _shelve(job: MergeSearch, ctx: JobContext, recipe: dict[str, Any], info: dict[str, Any]) -> None:
    """Merges the best recipe to the disk; a resumed search replaces what it kept when it was stopped."""
    from workbench.merging.engine import MergePlan, merge_to
    from workbench.merging.shelving import parents_of, shelve_merge

    read, shards, target = MergeRecipe.parse(recipe), ctx.folder / "shards", ctx.home.models / job.output
    plan = MergePlan(ctx.home, read, job.seed, job.kernels)
    shutil.rmtree(shards, ignore_errors=True)
    writer = merge_to(plan, shards, task=Task(ctx.task.update))  # a search that was stopped keeps its best, too
    mine = target.exists() and read_manifest(target).made_by.get("job") == ctx.folder.name
    parents = [*parents_of(read, plan.models), parent_of(ctx.home.datasets / job.dataset, "searched-on")]
    made_by = {**job.to_dict(), "job": ctx.folder.name}
    manifest = Manifest(kind="model", name=job.output, parents=parents, made_by=made_by, info=info)
    shelve_merge(ctx, read, plan, writer, manifest, replace=mine)


def _verdict(comparison: dict[str, Any]) -> str:
    """One sentence on whether the merge is worth having, by the held-out rows alone."""
    parent, difference = comparison["best_parent"], comparison["against_best_parent"]
    span = (
        f"{difference['loss']:+.4f} nats a token, 95 % interval {difference['low']:+.4f} to {difference['high']:+.4f}"
    )
    if difference["high"] < 0:
        return f"On held-out rows the best recipe beats {parent}, the best model alone ({span})."
    if difference["low"] > 0:
        return f"On held-out rows {parent} alone is better than the best recipe ({span})."
    return f"On held-out rows the best recipe and {parent} alone cannot be told apart ({span})."
