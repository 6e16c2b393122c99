"""The constant schedule."""

from typing import Any, ClassVar

from workbench.training.schedule import SCHEDULES, RunLength, Schedule


@SCHEDULES.register
class Constant(Schedule):
    """Stays at the highest learning rate after the warm-up: fits runs whose end is open, as with early stopping."""

    method: ClassVar[str] = "constant"
    title: ClassVar[str] = "Constant"

    def settings(self, run: RunLength) -> tuple[str, dict[str, Any]]:
        return "constant_with_warmup", {}
