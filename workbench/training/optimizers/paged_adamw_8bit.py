"""AdamW with 8-bit averages that can move out of the GPU, by bitsandbytes."""

from typing import Any, ClassVar

from workbench.core.hardware import hardware_from_os
from workbench.training.optimizer import OPTIMIZERS
from workbench.training.optimizers.adamw_8bit import AdamW8bit


@OPTIMIZERS.register
class PagedAdamW8bit(AdamW8bit):
    """8-bit AdamW whose averages move to the machine's memory while the GPU's is full.

    Dettmers et al. 2023, https://arxiv.org/abs/2305.14314 (section 3): long rows no longer end a run that almost fits.
    """

    method: ClassVar[str] = "paged-adamw-8bit"
    title: ClassVar[str] = "AdamW, 8-bit, paged"

    @classmethod
    def unavailable(cls) -> str:
        if reason := super().unavailable():
            return reason
        return "" if hardware_from_os().device == "cuda" else "It needs an NVIDIA GPU: take AdamW, 8-bit."

    def make(self, groups: list[dict[str, Any]], learning_rate: float) -> Any:
        from bitsandbytes import optim

        built: Any = optim.PagedAdamW8bit  # type: ignore[attr-defined]
        return built(groups, lr=learning_rate, **self.averages)
