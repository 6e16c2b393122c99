"""Stops a training at the first number that is none, with the step and what most likely caused it.

Imports torch: only job processes import this.
"""

import math
from typing import Any

import torch

from workbench.core.errors import UserError, shortened

MOST_ROWS, MOST_TOKENS, MOST_CHARACTERS = 8, 80, 160
MOST_SKIPPED_STEPS = 25  # steps that float16's loss scaling may skip in a row: it halves the scale at each, from 65,536


class NotFinite(UserError):
    """A loss or a gradient is NaN or infinite."""


def finite_trainer(trainer: type[Any]) -> type[Any]:
    """The trainer that raises `NotFinite` before a step that would put NaN into the weights, or right after one."""

    class Guarded(trainer):
        _skipped = 0
        _step_ids: list[Any] = []

        def training_step(self, model: Any, inputs: Any, *args: Any, **settings: Any) -> Any:
            is_first = getattr(self, "_batches_of", None) != self.state.global_step
            self._batches_of = self.state.global_step
            self._step_ids = [*([] if is_first else self._step_ids), inputs["input_ids"]]
            loss = super().training_step(model, inputs, *args, **settings)
            if not torch.isfinite(loss).all():
                raise not_finite(self, "loss", self.state.global_step + 1)
            return loss

        def beginnings(self) -> list[str]:
            """How the rows of the last step begin, so that somebody can look for them."""
            rows = [row for ids in self._step_ids for row in ids.tolist()]
            return [self._beginning(row) for row in rows[:MOST_ROWS]]

        def _beginning(self, ids: list[int]) -> str:
            text = self.processing_class.decode(ids[:MOST_TOKENS], skip_special_tokens=True)
            return shortened(" ".join(text.split()), MOST_CHARACTERS)

        def log(self, logs: dict[str, float], *args: Any, **settings: Any) -> None:
            if not math.isfinite(logs.get("eval_loss", 0.0)):
                raise not_finite(self, "evaluation loss", self.state.global_step)
            if "grad_norm" in logs:
                self._check_gradient(logs["grad_norm"])
            super().log(logs, *args, **settings)

        def _check_gradient(self, norm: float) -> None:
            """Infinite gradients are how float16's loss scaling finds its scale: those steps change no weights."""
            self._skipped = self._skipped + 1 if self.accelerator.optimizer_step_was_skipped else 0
            if not math.isfinite(norm) and not 0 < self._skipped <= MOST_SKIPPED_STEPS:
                raise not_finite(self, "gradient", self.state.global_step)

    return Guarded


def not_finite(trainer: Any, quantity: str, step: int) -> NotFinite:
    """The error that names the step and the likely cause: weights of the base, float16, or the learning rate.

    Once a step has changed the weights that are trained, only the others tell of the base.
    """
    begun = f"The {quantity} is not a finite number at step {step}"
    untouched = trainer.state.global_step == 0
    if broken := broken_weights(trainer.model, only_frozen=not untouched):
        return NotFinite(
            f"{begun}: the model it starts from has NaN or infinity in its weights ({broken}).",
            "Import or make that model again; no training can mend it.",
            "model",
        )
    if trainer.args.fp16:
        return NotFinite(
            f"{begun}: float16 has most likely overflowed.",
            "Lower the learning rate, or train where bfloat16 is supported.",
            ("objective", "learning_rate"),
        )
    if untouched:
        return NotFinite(
            f"{begun}, before any weight was changed: the model it starts from overflows by itself.",
            "Check that it answers in Compare; import or make it again.",
            "model",
        )
    rate = trainer.args.learning_rate
    return NotFinite(
        f"{begun}: the learning rate of {rate:g} is most likely too high.",
        f"Try {rate / 10:g}, or a lower limit for the gradient's norm.",
        ("objective", "learning_rate"),
    )


@torch.no_grad()
def broken_weights(model: Any, only_frozen: bool = False) -> str:
    """The first weight with NaN or infinity, by its name in the base, and how many more there are; '' for none.

    `only_frozen` looks at those alone that training does not change.
    """
    names = [
        name.removeprefix("base_model.model.").replace(".base_layer", "")
        for name, weight in model.named_parameters()
        if weight.is_floating_point() and not (only_frozen and weight.requires_grad)
        if not bool(torch.isfinite(weight).all())
    ]
    return names[0] + (f" and {len(names) - 1} more" if len(names) > 1 else "") if names else ""
