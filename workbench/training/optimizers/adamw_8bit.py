"""AdamW with 8-bit averages, by bitsandbytes."""

import importlib.util
import math
import sys
from collections.abc import Sequence
from typing import Any, ClassVar

from workbench.training.optimizer import NUMBER_BYTES, OPTIMIZERS
from workbench.training.optimizers.adamw import AdamFamily

SMALL_PARAMETERS = 4096  # a weight with fewer keeps float32 averages
BLOCK_PARAMETERS, CODES = 256, 256  # parameters that share a scale, and values that 8 bits can name


@OPTIMIZERS.register
class AdamW8bit(AdamFamily):
    """AdamW whose averages are held in 8 bits: a quarter of their memory, nearly the same steps.

    Dettmers et al. 2022, https://arxiv.org/abs/2110.02861. Weights of fewer than 4,096 numbers keep float32 averages.
    """

    method: ClassVar[str] = "adamw-8bit"
    title: ClassVar[str] = "AdamW, 8-bit"
    state_bytes_per_parameter: ClassVar[float] = 2 + 2 * NUMBER_BYTES / BLOCK_PARAMETERS

    @classmethod
    def unavailable(cls) -> str:
        if sys.platform == "darwin":
            return "bitsandbytes has no 8-bit optimizers for Macs: take AdamW, Lion or Adafactor."
        if not importlib.util.find_spec("bitsandbytes"):
            return "bitsandbytes is not installed: pip install bitsandbytes"
        return ""

    def state_bytes(self, shape: Sequence[int], table: bool = False) -> int:
        count = math.prod(shape)
        if count < SMALL_PARAMETERS:
            return count * 2 * NUMBER_BYTES
        return 2 * (count + (math.ceil(count / BLOCK_PARAMETERS) + CODES) * NUMBER_BYTES)

    def make(self, groups: list[dict[str, Any]], learning_rate: float) -> Any:
        from bitsandbytes import optim

        built: Any = optim.AdamW8bit  # type: ignore[attr-defined]
        return built(groups, lr=learning_rate, **self.averages)
