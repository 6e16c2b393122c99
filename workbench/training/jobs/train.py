"""Training: an objective, a tuner, and how long and how fast."""

import math
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, ClassVar

from pydantic import Field

from workbench.core.children import Credential
from workbench.core.display import ADVANCED, Display
from workbench.core.errors import Problems, SpecError, UserError
from workbench.core.hardware import Hardware, cached_hardware
from workbench.core.home import Home, safe_join
from workbench.core.limits import bounded_integer
from workbench.core.recycle_bin import free_space_remedy
from workbench.core.units import human_size
from workbench.data.store import datasets
from workbench.data.store.dataset_reference import resolve_dataset
from workbench.jobs.job import JOBS, Job, LessMemory, Output
from workbench.models.model_names import stem_of
from workbench.models.model_references import Resolved, resolve_setting
from workbench.training.disk_estimate import DiskEstimate, estimate_disk
from workbench.training.settings.basics import BasicSettings, LengthSettings
from workbench.training.settings.batching import BatchingSettings, halved_batch
from workbench.training.settings.loss_code import LossSettings
from workbench.training.settings.numbers import NumberSettings
from workbench.training.settings.optimizing import OptimizingSettings
from workbench.training.settings.stopping import StoppingSettings
from workbench.training.settings.watching import WatchingSettings


@JOBS.register
class Train(
    StoppingSettings,
    WatchingSettings,
    LossSettings,
    BatchingSettings,
    NumberSettings,
    OptimizingSettings,
    LengthSettings,
    BasicSettings,
    Job,
):
    """Fine-tunes a model on a dataset and puts the adapter, or the whole model, on the shelf."""

    method: ClassVar[str] = "train"
    runs: ClassVar[str] = "workbench.training.run:train"
    title: ClassVar[str] = "Train"
    resumable: ClassVar[bool] = True
    pausable: ClassVar[bool] = True

    eval_every: Annotated[int, Display(unit="steps", advanced=True, group="Evaluation and checkpoints")] = Field(
        10, ge=1, le=1_000_000, title="Evaluate every",
        description="Steps between evaluations on the eval split: fewer show more and take longer.",
    )  # fmt: skip
    checkpoint_every: Annotated[int, Display(unit="steps", advanced=True, group="Evaluation and checkpoints")] = Field(
        10, ge=1, le=1_000_000, title="Checkpoint every",
        description="Steps between checkpoints, which are the most a crash can cost: fewer are safer and slower.",
    )  # fmt: skip
    keep_checkpoints: Annotated[int, Display(advanced=True, group="Evaluation and checkpoints")] = Field(
        0, ge=0, le=20, title="Checkpoints kept",
        description="How many of the last checkpoints to keep after the run, for averaging.",
    )  # fmt: skip
    seed: Annotated[int, ADVANCED] = Field(
        0, ge=0, lt=2**31, title="Random seed", description="The same seed gives the same run."
    )

    @property
    def output_name(self) -> str:
        return self.output or f"{stem_of(self.model)}-{self.objective.method}"

    @property
    def checkpoint_limit(self) -> int:
        """How many are there while it trains."""
        return max(2, self.keep_checkpoints)

    def in_less_memory(self, used: Mapping[str, Any]) -> LessMemory | None:
        """With half the batch that it had come to, added up over twice the passes: the same steps."""
        rows, passes = self.batch_in_use(used)
        halved = halved_batch(rows, passes)
        if halved is None:
            return None
        try:
            job = JOBS.parse({**self.to_dict(), "batch_size": halved[0], "gradient_accumulation": halved[1]})
        except SpecError:
            return None  # more passes than there may be
        title = "Resume with half the batch" if halved[0] * 2 == rows else "Resume with a smaller batch"
        note = f"Resumed with {halved[0]} rows at a time instead of {rows}, added up over {halved[1]} passes"
        effect = "fewer rows at a time, added up over more passes, take less memory; the steps stay the same"
        return LessMemory(job, title, effect, f"{note}: the effective batch size stays the same.")

    def batch_in_use(self, used: Mapping[str, Any]) -> tuple[int, int]:
        """(rows at a time, passes) of its run: what that went down to, where it makes the effective batch asked for."""
        rows, passes = (bounded_integer(used.get(name)) or 0 for name in ("batch_size", "gradient_accumulation"))
        asked = self.batch_size, self.gradient_accumulation
        return (rows, passes) if 0 < rows < asked[0] and rows * passes == asked[0] * asked[1] else asked

    def credentials(self) -> tuple[Credential, ...]:
        return ("tracker",) if self.tracker == "wandb" else ()

    def label(self) -> str:
        return f"{self.objective.method.upper()} {self.output_name}"

    def facts(self, home: Home) -> list[list[str]]:
        batch = f"{self.batch_size * self.gradient_accumulation}"
        return [
            ["Model", self.model],
            ["Dataset", self.dataset],
            ["Makes", self.output_name],
            ["Tuner", self.tuner.title],
            ["Effective batch", batch],
            ["Learning rate", f"{self.objective.learning_rate:g}"],
            *self._more_facts(home),
        ]

    def _more_facts(self, home: Home) -> list[list[str]]:
        facts: list[list[str]] = []
        try:
            source = resolve_setting(home, self, "model")
            facts += self.tuner.facts(source.base, source.adapter)
            facts += self.objective.facts(home, source)
        except UserError:
            pass  # check() says what is wrong
        return facts

    def outputs(self) -> list[Output]:
        return [Output("output", "models", self.output_name)]

    def check(self, home: Home, problems: Problems) -> None:
        self._check_model(home, problems)
        self._check_dataset(home, problems)
        self.check_watching(problems)
        self.check_precision(cached_hardware(home), problems)
        for field, method in (("tuner", self.tuner), ("optimizer", self.optimizer)):
            if reason := method.unavailable():
                problems.add(field, f"{method.title} cannot run here.", reason)
        self.check_batching(self.objective, home, problems)

    def _check_model(self, home: Home, problems: Problems) -> None:
        try:
            source = resolve_setting(home, self, "model")
            self.tuner.check(home, source, problems, self.optimizer)
            if safe_join(home.models, self.output_name, "output").exists():
                problems.add("output", f"{self.output_name!r} is on the shelf already.", "Choose another name.")
            if self.keep_checkpoints and not self.tuner.averages:
                problems.add("keep_checkpoints", "only adapters' checkpoints are kept for averaging.", "Set it to 0.")
            self._check_disk(home, source, problems)
            self.objective.check(home, source, problems)
        except UserError as error:
            problems.collect("model", error)

    def _check_disk(self, home: Home, source: Resolved, problems: Problems) -> None:
        required = self.disk_estimate(home, source).total
        free = shutil.disk_usage(home.root).free
        if free < required:
            sizes = f"about {human_size(required)} of disk space, {human_size(free)} are free"
            problems.add(
                "tuner", f"checkpoints and result take {sizes}.", f"{self.tuner.saves_disk}. {free_space_remedy(home)}"
            )

    def disk_estimate(self, home: Home, source: Resolved) -> DiskEstimate:
        """The trainer keeps so many checkpoints, writes another before it deletes the oldest, and then the result."""
        checkpoints = self.checkpoint_limit + 1
        return estimate_disk(home, self.tuner, self.optimizer, source, checkpoints, self.keeps_best)

    def _check_dataset(self, home: Home, problems: Problems) -> None:
        objective = self.objective
        try:
            kind = resolve_dataset(home, self, "dataset")
            rows, eval_rows = (datasets.count(home, self.dataset, split) for split in ("train", "eval"))
        except UserError as error:
            problems.collect("dataset", error)
            return
        if kind not in objective.dataset_kinds:
            wanted = " or ".join(objective.dataset_kinds)
            problems.add("dataset", f"{self.dataset!r} holds {kind} rows.", f"{objective.title} needs {wanted} rows.")
        if rows == 0:
            problems.add("dataset", f"{self.dataset!r} has no rows to train on.", "Import it again.")
        elif self.warmup_steps >= (steps := self.total_steps(rows)):
            message = f"the warm-up of {self.warmup_steps} steps is as long as the run, which has {steps}."
            problems.add("warmup_steps", message, "Set fewer, or 0 to go by the share.")
        self.check_stopping(objective.metrics, eval_rows, problems)

    def total_steps(self, rows: int) -> int:
        """The optimizer steps of a run on so many train rows."""
        batches = math.ceil(rows / self.batch_size)
        return self.max_steps or math.ceil(self.epochs * math.ceil(batches / self.gradient_accumulation))

    def trainer_arguments(self, folder: Path, hardware: Hardware, rows: dict[str, int]) -> dict[str, Any]:
        """What every objective hands to its TRL config; `rows` are the rows to learn from, by split."""
        evaluate = bool(rows.get("eval"))
        return {
            "output_dir": str(folder),
            "num_train_epochs": self.epochs,
            "max_steps": self.max_steps or -1,
            "per_device_train_batch_size": self.batch_size,
            "per_device_eval_batch_size": self.batch_size,
            **self.optimizing_arguments(self.total_steps(rows["train"]), self.objective.learning_rate),
            "logging_steps": 1,
            "logging_nan_inf_filter": False,
            "eval_strategy": "steps" if evaluate else "no",
            "eval_steps": self.eval_every,
            "eval_on_start": evaluate,
            "save_strategy": "steps",
            "save_steps": self.checkpoint_every,
            "save_total_limit": self.checkpoint_limit,
            **self.precision_arguments(hardware),
            "activation_offloading": self.activation_offload,
            "use_cpu": hardware.device == "cpu",
            "dataloader_pin_memory": hardware.device == "cuda",
            "seed": self.seed,
            **self.tracker_arguments(self.output_name),
            "disable_tqdm": True,
        }
