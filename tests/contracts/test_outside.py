"""A step, an objective with a teacher, a tuner of whole models, a kind of job: one file each, outside the package."""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

from tabs.forms.fields import fields_of
from tests.running import carry, checked
from tests.toy_training import job as training
from tests.toys import EXACT, toy_home, toy_model
from tests.waiting import end_processes_of, until
from workbench.cli.shared import families
from workbench.core.assets import ROOT
from workbench.core.errors import UserError
from workbench.core.home import Home
from workbench.core.lineage import read_manifest
from workbench.core.plugins import PACKAGE, VARIABLE, import_plugins
from workbench.data.jobs.prepare import Prepare
from workbench.data.store import datasets
from workbench.jobs.job import JOBS
from workbench.jobs.queue import Queue
from workbench.jobs.runner import Runner
from workbench.models.loading import load_base

STEP = '''
from typing import ClassVar

from workbench.data.recipes.step import STEPS, Outcome, Step, StepWork, Verdict
from workbench.rows.split_rows import Rows


@STEPS.register
class EveryOther(Step):
    """Takes out every other row."""

    method: ClassVar[str] = "every_other"
    title: ClassVar[str] = "Every other row"
    offset: int = 1

    def apply(self, rows: Rows, work: StepWork) -> Outcome:
        return Outcome(removed={index: Verdict("Not wanted.") for index in range(self.offset, len(rows), 2)})
'''
OBJECTIVE = '''
from typing import ClassVar

from workbench.models.shelf import usable
from workbench.training.objective import OBJECTIVES
from workbench.training.objectives.sft import Sft


@OBJECTIVES.register
class Imitate(Sft):
    """Learns the logits of a tutor."""

    method: ClassVar[str] = "imitate"
    title: ClassVar[str] = "Imitate a tutor"
    tutor: str = ""

    def models_needed(self, home, student):
        return {"tutor": usable(home, self.tutor, "objective.tutor")}

    def trainer(self, setup):
        from transformers import Trainer
        from trl import SFTTrainer

        tutor = setup.models["tutor"]

        class Imitating(SFTTrainer):
            def compute_loss(self, model, inputs, return_outputs=False, num_items_in_batch=None):
                ids = {"input_ids": inputs["input_ids"], "attention_mask": inputs["attention_mask"]}
                outputs = model(**ids)
                loss = (outputs.logits - tutor(**ids).logits).square().mean()
                return (loss, outputs) if return_outputs else loss

            def prediction_step(self, *args, **settings):
                return Trainer.prediction_step(self, *args, **settings)

        return self.built(Imitating, setup)
'''
TUNER = '''
from typing import ClassVar

import torch

from workbench.training.tuner import TUNERS, WholeModelTuner


@TUNERS.register
class Norms(WholeModelTuner):
    """Trains the weights of the norms and saves the whole model."""

    method: ClassVar[str] = "norms"
    title: ClassVar[str] = "Norms"

    def load(self, base, adapter, hardware):
        from workbench.models.loading import load_base

        model = load_base(base, hardware, dtype=torch.float32)
        for name, weight in model.named_parameters():
            weight.requires_grad_("norm" in name)
        return model
'''
JOB = '''
from typing import ClassVar

from pydantic import Field

from workbench.jobs.job import JOBS, Job


@JOBS.register
class CountModels(Job):
    """Counts the models of the home."""

    method: ClassVar[str] = "count-models"
    title: ClassVar[str] = "Count models"
    runs: ClassVar[str] = f"{__name__}:count"
    uses_device: ClassVar[bool] = False
    extra: int = Field(0, ge=0, description="Added to the number.")


def count(job, ctx):
    ctx.note("Counting.")
    return {"models": len(list(ctx.home.models.iterdir())) + job.extra}
'''
FILES = {"every_other.py": STEP, "imitate.py": OBJECTIVE, "norms.py": TUNER, "count_models.py": JOB}
METHODS = {"step": "every_other", "objective": "imitate", "tuner": "norms", "job": "count-models"}
SETTINGS = {"step": "offset", "objective": "tutor", "job": "extra"}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("plugins")
    for name, text in FILES.items():
        (folder / name).write_text(text, "utf-8")
    return folder


@pytest.fixture(scope="module", autouse=True)
def imported(folder: Path) -> Iterator[None]:
    """In this process the methods of the folder are there while these tests run."""
    registries = list(families().values())
    before = [registry.all() for registry in registries]
    modules = import_plugins([str(folder)])
    yield
    for registry, methods in zip(registries, before, strict=True):
        registry._methods = methods
    for name in [PACKAGE, *(module.__name__ for module in modules)]:
        del sys.modules[name]


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory, exact: None) -> Home:
    home = toy_home(tmp_path_factory.mktemp("outside"))
    toy_model(home, "teacher", seed=1)
    return home


def commands(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "workbench", *arguments],
        cwd=ROOT, env={**os.environ, VARIABLE: str(folder)}, capture_output=True, text=True, check=False, timeout=120,
    )  # fmt: skip


@pytest.mark.parametrize("family", METHODS)
def test_a_method_from_outside_is_drawn_as_those_of_its_family_are(family: str) -> None:
    method = families()[family].get(METHODS[family])
    names = [field["name"] for field in fields_of(method)]
    assert names[-1:] == ([SETTINGS[family]] if family in SETTINGS else [])


def test_methods_from_outside_are_commands_and_options_and_can_be_begun_with_new(folder: Path) -> None:
    shown = commands(folder, "list", "methods")
    assert shown.returncode == 0 and all(f" {method} " in shown.stdout for method in METHODS.values()), shown.stderr
    assert "--objective.tutor" in commands(folder, "train", "--help").stdout
    assert "--extra" in commands(folder, "count-models", "--help").stdout
    begun = commands(folder, "new", "count-models")
    assert begun.returncode == 0 and "extra: 0" in begun.stdout, begun.stderr


def test_a_step_from_outside_cleans_a_dataset(home: Home) -> None:
    datasets_before = datasets.count(home, "talks", "train") + datasets.count(home, "talks", "eval")
    recipe = {"name": "talks", "steps": [{"method": "every_other"}]}
    view = carry(home, Prepare.parse({"recipe": recipe}))
    assert sum(view.state.result["rows"].values()) * 2 == datasets_before
    carry(home, Prepare.parse({"recipe": {"name": "talks", "steps": []}}))


def test_an_objective_from_outside_gets_its_teacher_and_names_it_among_the_parents(home: Home) -> None:
    job = training(output="pupil", objective={"method": "imitate", "tutor": "teacher"})
    assert ["Tutor", "teacher"] in job.facts(home)
    losses = [point["loss"] for point in carry(home, job).state.points if "loss" in point]
    assert len(losses) == 2 and losses[0] > 0
    parents = {(parent.role, parent.name, parent.digest) for parent in read_manifest(home.models / "pupil").parents}
    assert parents == {
        ("base", "toy", read_manifest(home.models / "toy").digest),
        ("dataset", "talks", read_manifest(home.datasets / "talks").digest),
        ("tutor", "teacher", read_manifest(home.models / "teacher").digest),
    }


def test_what_an_objective_from_outside_lacks_is_said_before_the_start(home: Home) -> None:
    with pytest.raises(UserError, match="There is no model 'nobody'"):
        checked(home, training(output="orphan", objective={"method": "imitate", "tutor": "nobody"}))


def test_a_tuner_from_outside_saves_a_whole_model(home: Home) -> None:
    carry(home, training(output="normed", tuner="norms"))
    manifest = read_manifest(home.models / "normed")
    assert manifest.kind == "model"
    assert {(parent.role, parent.name) for parent in manifest.parents} == {("start", "toy"), ("dataset", "talks")}
    before, after = (load_base(home.models / name, EXACT).state_dict() for name in ("toy", "normed"))
    changed = {name for name in before if not torch.equal(before[name], after[name])}
    assert changed and all("norm" in name for name in changed)


def test_a_tuner_of_whole_models_from_outside_refuses_what_every_such_tuner_does(home: Home) -> None:
    with pytest.raises(UserError, match="only adapters' checkpoints are kept"):
        checked(home, training(output="kept", tuner="norms", keep_checkpoints=2))


def test_a_kind_of_job_from_outside_runs_in_a_worker(
    home: Home, folder: Path, own_home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(VARIABLE, str(folder))
    queue = Queue(home)
    view = queue.get(queue.submit(JOBS.parse({"method": "count-models", "extra": 10})))
    runner = Runner(home, queue, warm=False).start()
    try:
        until(lambda: view.refresh().status in ("done", "failed"), what="the job's end")
    finally:
        runner.halt()
        end_processes_of(own_home)
    assert view.state.status == "done", (view.folder / "log.txt").read_text("utf-8")
    assert view.state.result == {"models": len(list(home.models.iterdir())) + 10}
