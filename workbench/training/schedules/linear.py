"""The linear schedule."""

from typing import Any, ClassVar

from workbench.training.schedule import SCHEDULES, RunLength, Schedule


@SCHEDULES.register
class Linear(Schedule):
    """Falls in a straight line to 0 at the last step."""

    method: ClassVar[str] = "linear"
    title: ClassVar[str] = "Linear"

    def settings(self, run: RunLength) -> tuple[str, dict[str, Any]]:
        return "linear", {}
