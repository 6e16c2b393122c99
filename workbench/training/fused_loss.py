"""Liger's fused linear cross-entropy for the loss over the vocabulary, where it is installed and a GPU can run it.

Its function alone, `liger_fused_linear_cross_entropy`, none of its patches of models:
https://github.com/linkedin/Liger-Kernel. Imports torch: only job processes import this.
"""

import importlib
import importlib.metadata
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch

PACKAGE, MODULE = "liger-kernel", "liger_kernel.transformers.functional"
OLDEST = (0, 8, 5)
"""The first version whose gradients of single tokens were looked at: they are made in the backward pass there."""
Scores = tuple[torch.Tensor, torch.Tensor, torch.Tensor, torch.Tensor]


@dataclass(frozen=True)
class LossCode:
    """What computes the loss over the vocabulary, as the run's record names it, and Liger's function if it is that."""

    name: str
    function: Callable[..., Any] | None = None

    def scores(
        self, hidden: torch.Tensor, weight: torch.Tensor, bias: torch.Tensor | None, targets: torch.Tensor
    ) -> Scores:
        """As `token_log_probs`, without statistics: hidden (tokens, width), targets (tokens,), at least one token."""
        assert self.function
        output = self.function(
            hidden, weight, targets, bias=bias, reduction="none", accum_dtype=torch.float32,
            return_predicted_tokens=True,
        )  # fmt: skip
        nothing = hidden.new_zeros(len(targets), dtype=torch.float32)
        return -output.loss.float(), output.predicted_tokens == targets, nothing, nothing


def chosen_loss_code(choice: str, device: str, statistics: bool) -> LossCode:
    """What computes the loss on that device, by the setting 'Fused loss'.

    statistics: entropy and mean logit are wanted as well, which Liger's function does not give.
    """
    if device != "cuda":
        return LossCode("tiles of logits")
    version = liger_version()
    if choice == "off" or statistics or version < OLDEST:
        return LossCode("TRL's kernels")
    try:
        functional = importlib.import_module(MODULE)
    except ImportError:  # it is there, and what it stands on is not
        return LossCode("TRL's kernels")
    name = f"Liger's fused linear cross-entropy {'.'.join(map(str, version))}"
    return LossCode(name, functional.liger_fused_linear_cross_entropy)


def liger_version() -> tuple[int, ...]:
    """The version of Liger that is installed, () for none."""
    try:
        return tuple(map(int, re.findall(r"\d+", importlib.metadata.version(PACKAGE))[:3]))
    except importlib.metadata.PackageNotFoundError:
        return ()
