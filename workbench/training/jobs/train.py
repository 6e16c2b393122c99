"""Training: an objective, a tuner, and how long and how fast."""

import math
import shutil
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal

from pydantic import Field

from workbench.core.display import ADVANCED, Display
from workbench.core.errors import Problems, UserError
from workbench.core.hardware import Hardware
from workbench.core.home import Home, safe_join
from workbench.core.units import human_size
from workbench.data.store import datasets
from workbench.data.store.dataset_reference import DatasetRef, resolve_dataset
from workbench.jobs.job import JOBS, Job, Output
from workbench.models.model_names import stem_of
from workbench.models.model_references import ModelRef, Resolved, resolve_setting
from workbench.rendering.templates import TemplateName
from workbench.training.objective import OBJECTIVES, Objective
from workbench.training.tuner import TUNERS, Tuner


@JOBS.register
class Train(Job):
    """Fine-tunes a model on a dataset and puts the adapter, or the whole model, on the shelf."""

    method: ClassVar[str] = "train"
    runs: ClassVar[str] = "workbench.training.run:train"
    title: ClassVar[str] = "Train"
    resumable: ClassVar[bool] = True

    model: Annotated[str, ModelRef("model", "adapter", sound=False)] = Field(
        title="Model", description="The model to start from: a base, or an adapter to go on training."
    )
    dataset: Annotated[str, DatasetRef("conversation", "text", "preference")] = Field(
        title="Dataset", description="What to learn from: SFT takes conversations or text, DPO takes preference pairs."
    )
    objective: Annotated[Objective, OBJECTIVES] = OBJECTIVES.field(
        "sft", "What the model learns, and from which kind of rows.", title="Objective"
    )
    tuner: Annotated[Tuner, TUNERS] = TUNERS.field("lora", "Which weights are trained.", title="Tuner")
    output: str = Field(
        "",
        title="Output name",
        description="The result's name on the shelf; empty takes the model's name and the objective.",
    )
    template: TemplateName = Field(
        "model", title="Chat template",
        description="How a conversation becomes text; 'model' is the model's own template.",
    )  # fmt: skip
    max_length: Annotated[int, Display(unit="tokens")] = Field(
        512, ge=16, le=131072, title="Maximum length",
        description="Rows longer than this are cut off: longer sees more of long rows and takes more memory.",
    )  # fmt: skip
    epochs: float = Field(
        1, gt=0, le=1000, title="Epochs",
        description="How often every row is seen: more learns the rows better, until the model overfits.",
    )  # fmt: skip
    max_steps: int = Field(
        0, ge=0, le=1_000_000, title="Maximum steps",
        description="Stop after so many optimizer steps; 0 goes by epochs.",
    )  # fmt: skip
    batch_size: Annotated[int, Display(unit="rows")] = Field(
        4, ge=1, le=1024, title="Batch size",
        description="Rows in a forward pass: more is faster and takes more memory.",
    )  # fmt: skip
    gradient_accumulation: Annotated[int, Display(unit="passes", advanced=True, group="Optimizer")] = Field(
        1, ge=1, le=1024, title="Gradient accumulation",
        description="Forward passes in a step: the effective batch size is this times the batch size; more is "
        "steadier and slower.",
    )  # fmt: skip
    scheduler: Annotated[
        Literal["cosine", "linear", "constant_with_warmup"],
        Display(advanced=True, group="Optimizer", labels={
            "cosine": "cosine", "linear": "linear", "constant_with_warmup": "constant",
        }),
    ] = Field(
        "cosine", title="Learning rate schedule", description="How the learning rate falls after the warmup."
    )  # fmt: skip
    warmup: Annotated[float, Display(unit="share", advanced=True, group="Optimizer")] = Field(
        0.05, ge=0, le=0.5, title="Warmup",
        description="Share of the steps in which the learning rate rises: more starts gentler; runs too short for"
        " two such steps have none.",
    )  # fmt: skip
    weight_decay: Annotated[float, Display(advanced=True, group="Optimizer")] = Field(
        0.0, ge=0, le=1, title="Weight decay",
        description="Pull of the trained weights towards zero: larger holds the model back more.",
    )  # fmt: skip
    max_grad_norm: Annotated[float, Display(advanced=True, group="Optimizer")] = Field(
        1.0, gt=0, le=1000, title="Maximum gradient norm",
        description="Gradients of a larger norm are scaled down to this: smaller is steadier and slower.",
    )  # fmt: skip
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
    gradient_checkpointing: Annotated[bool, Display(advanced=True, group="Optimizer")] = Field(
        False, title="Gradient checkpointing", description="Recompute activations: less memory, about a third slower."
    )
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
        reason = self.tuner.unavailable()
        if reason:
            problems.add("tuner", f"{self.tuner.title} cannot run here.", reason)

    def _check_model(self, home: Home, problems: Problems) -> None:
        try:
            source = resolve_setting(home, self, "model")
            self.tuner.check(home, source, problems)
            if safe_join(home.models, self.output_name, "output").exists():
                problems.add("output", f"{self.output_name!r} is on the shelf already.", "Choose another name.")
            if self.keep_checkpoints and not self.tuner.averages:
                problems.add("keep_checkpoints", "only adapters' checkpoints are kept for averaging.", "Set it to 0.")
            self._check_disk(home, source, problems)
            self.objective.check(home, source, problems)
        except UserError as error:
            problems.collect("model", error)

    def _check_disk(self, home: Home, source: Resolved, problems: Problems) -> None:
        """The trainer keeps so many checkpoints, writes another before it deletes the oldest, and then the result."""
        required = self.tuner.disk(source.base, source.adapter, self.checkpoint_limit + 1)
        free = shutil.disk_usage(home.root).free
        if free < required:
            sizes = f"about {human_size(required)} of disk space, {human_size(free)} are free"
            problems.add(
                "tuner", f"checkpoints and result take {sizes}.", f"{self.tuner.saves_disk}, or free some space."
            )

    def _check_dataset(self, home: Home, problems: Problems) -> None:
        objective = self.objective
        try:
            kind = resolve_dataset(home, self, "dataset")
            rows = datasets.count(home, self.dataset, "train")
        except UserError as error:
            problems.collect("dataset", error)
            return
        if kind not in objective.dataset_kinds:
            wanted = " or ".join(objective.dataset_kinds)
            problems.add("dataset", f"{self.dataset!r} holds {kind} rows.", f"{objective.title} needs {wanted} rows.")
        if rows == 0:
            problems.add("dataset", f"{self.dataset!r} has no rows to train on.", "Import it again.")

    def total_steps(self, rows: int) -> int:
        """The optimizer steps of a run on so many train rows."""
        batches = math.ceil(rows / self.batch_size)
        return self.max_steps or math.ceil(self.epochs * math.ceil(batches / self.gradient_accumulation))

    def warmup_steps(self, rows: int) -> int:
        """The steps in which the learning rate rises, the first of them at 0; none where that would be all of it."""
        steps = math.floor(round(self.warmup * self.total_steps(rows), 6))
        return steps if steps > 1 else 0

    def trainer_arguments(self, folder: Path, hardware: Hardware, rows: dict[str, int]) -> dict[str, Any]:
        """What every objective hands to its TRL config; `rows` are the rows to learn from, by split."""
        evaluate = bool(rows.get("eval"))
        return {
            "output_dir": str(folder),
            "num_train_epochs": self.epochs,
            "max_steps": self.max_steps or -1,
            "per_device_train_batch_size": self.batch_size,
            "per_device_eval_batch_size": self.batch_size,
            "gradient_accumulation_steps": self.gradient_accumulation,
            "lr_scheduler_type": self.scheduler,
            "warmup_steps": self.warmup_steps(rows["train"]),
            "weight_decay": self.weight_decay,
            "max_grad_norm": self.max_grad_norm,
            "logging_steps": 1,
            "logging_nan_inf_filter": False,
            "eval_strategy": "steps" if evaluate else "no",
            "eval_steps": self.eval_every,
            "eval_on_start": evaluate,
            "save_strategy": "steps",
            "save_steps": self.checkpoint_every,
            "save_total_limit": self.checkpoint_limit,
            "gradient_checkpointing": self.gradient_checkpointing,
            "bf16": hardware.bf16,
            "fp16": hardware.device == "cuda" and not hardware.bf16,
            "use_cpu": hardware.device == "cpu",
            "dataloader_pin_memory": hardware.device == "cuda",
            "seed": self.seed,
            "report_to": "none",
            "disable_tqdm": True,
        }
