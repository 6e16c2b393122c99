"""How the weights are changed: optimizer, schedule, decay and clipping."""

import math
from typing import Annotated, Any

from pydantic import Field, field_validator

from workbench.core.display import Display
from workbench.core.spec import Spec
from workbench.training.optimizer import OPTIMIZERS, Decay, Optimizer
from workbench.training.schedule import SCHEDULES, RunLength, Schedule, current_name

GROUP = "Optimizer"
ADVANCED = Display(advanced=True, group=GROUP)


class StepSettings(Spec):
    """How each step changes the weights."""

    optimizer: Annotated[Optimizer, OPTIMIZERS, ADVANCED] = OPTIMIZERS.field(
        "adamw", "How gradients become changes of the weights.", title="Optimizer"
    )
    weight_decay: Annotated[float, ADVANCED] = Field(
        0.0, ge=0, le=1, title="Weight decay",
        description="Pull of the trained weights towards zero, the large ones most: larger holds the model back more.",
    )  # fmt: skip
    l1: Annotated[float, ADVANCED] = Field(
        0.0, ge=0, le=1, title="L1 decay",
        description="Pull of the trained weights towards zero by the same amount each, whatever their size: larger "
        "leaves more of them at zero.",
    )  # fmt: skip
    max_grad_norm: Annotated[float, ADVANCED] = Field(
        1.0, ge=0, le=1000, title="Maximum gradient norm",
        description="Gradients of a larger norm are scaled down to this: smaller is steadier and slower; 0 scales "
        "none.",
    )  # fmt: skip
    gradient_accumulation: Annotated[int, Display(unit="passes", advanced=True, group=GROUP)] = Field(
        1, ge=1, le=1024, title="Gradient accumulation",
        description="Forward passes in a step: the effective batch size is this times the batch size; more is "
        "steadier and slower.",
    )  # fmt: skip
    gradient_checkpointing: Annotated[bool, ADVANCED] = Field(
        False, title="Gradient checkpointing", description="Recompute activations: less memory, about a third slower."
    )

    @property
    def decay(self) -> Decay:
        return Decay(self.weight_decay, self.l1)


class ScheduleSettings(Spec):
    """How the learning rate goes; its highest value is the objective's."""

    scheduler: Annotated[Schedule, SCHEDULES, ADVANCED] = SCHEDULES.field(
        "cosine", "How the learning rate falls after the warm-up.", title="Learning rate schedule"
    )
    warmup: Annotated[float, Display(unit="share", advanced=True, group=GROUP)] = Field(
        0.05, ge=0, le=0.5, title="Warm-up",
        description="Share of the steps in which the learning rate rises: more starts gentler; runs too short for"
        " two such steps have none.",
    )  # fmt: skip
    warmup_steps: Annotated[int, ADVANCED] = Field(
        0, ge=0, le=1_000_000, title="Warm-up in steps",
        description="Steps in which the learning rate rises, in place of the share; 0 goes by the share.",
    )  # fmt: skip

    @field_validator("scheduler", mode="before")
    @classmethod
    def _read_former_name(cls, value: Any) -> Any:
        return current_name(value)

    def steps_of_warmup(self, steps: int) -> int:
        """The steps in which the learning rate rises, the first of them at 0; none where that would be all of it.

        Of a share: none either where it would be a single step.
        """
        if self.warmup_steps:
            return self.warmup_steps if self.warmup_steps < steps else 0
        share = math.floor(round(self.warmup * steps, 6))
        return share if share > 1 else 0


class OptimizingSettings(ScheduleSettings, StepSettings):
    """All of a training's optimizing."""

    def optimizing_arguments(self, steps: int, learning_rate: float) -> dict[str, Any]:
        """What TRL's config is told of all this for a run of so many steps; `optimize` gives the optimizer itself."""
        run = RunLength(steps, self.steps_of_warmup(steps), learning_rate)
        schedule, settings = self.scheduler.settings(run)
        return {
            "gradient_accumulation_steps": self.gradient_accumulation,
            "lr_scheduler_type": schedule,
            "lr_scheduler_kwargs": settings,
            "warmup_steps": run.warmup_steps,
            "weight_decay": self.weight_decay,
            "max_grad_norm": self.max_grad_norm or math.inf,  # nothing is above it, and the norm is still told
            "gradient_checkpointing": self.gradient_checkpointing,
        }
