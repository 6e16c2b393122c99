"""Jobs that only sleep, to test queue and runner without the price of importing torch."""

import time
from collections.abc import Mapping
from typing import Any, ClassVar

from pydantic import Field

from workbench.jobs.job import Job, JobContext, JobStopped, LessMemory


class Nap(Job):
    """Sleeps in steps, on the device."""

    method: ClassVar[str] = "nap"
    title: ClassVar[str] = "Nap"
    resumable: ClassVar[bool] = True

    steps: int = Field(3, ge=1, le=10_000, description="How many steps.")
    pause: float = Field(0.02, ge=0, le=10, description="Seconds a step.")
    crash: str = Field("", description="'memory', 'disk' or 'code': the error it ends with; 'kernel': a kill by it.")

    def in_less_memory(self, used: Mapping[str, Any]) -> LessMemory | None:
        half = self.steps // 2
        smaller = self.model_copy(update={"steps": half, "crash": ""})
        return LessMemory(smaller, "Resume with half the steps", "shorter", f"{half} steps now.") if half else None

    def run(self, ctx: JobContext) -> dict[str, Any]:
        for step in range(1, self.steps + 1):
            time.sleep(self.pause)
            ctx.metrics(step, loss=1 / step)
            ctx.task.update(step, self.steps, f"Step {step}")
            print("slept", step)
            if stop := ctx.stop_requested():
                raise JobStopped({"kept": step} if stop == "keep" else {})
        if self.crash == "kernel":  # takes memory until the control group has no more
            taken = [bytearray(16 << 20) for _ in range(256)]
            return {"taken": len(taken)}
        if self.crash:
            raise {"memory": MemoryError(), "disk": OSError(28, "No space left"), "code": ZeroDivisionError()}[
                self.crash
            ]
        return {"slept": self.steps}


class NapBeside(Nap):
    """Sleeps in steps, beside the device."""

    method: ClassVar[str] = "nap-beside"
    title: ClassVar[str] = "Nap beside"
    uses_device: ClassVar[bool] = False
