"""A real LoRA training."""

from typing import ClassVar

from workbench.doctor.machine_check import CHECKS, Check, CheckProbe


@CHECKS.register
class LoraTraining(Check):
    """A tiny model is trained with LoRA by the code of every training; its adapter then answers."""

    method: ClassVar[str] = "lora-training"
    title: ClassVar[str] = "LoRA training"
    order: ClassVar[int] = 60
    slow: ClassVar[bool] = True
    limit_seconds: ClassVar[float] = 600

    def measure(self, probe: CheckProbe) -> None:
        from workbench.doctor.toy_runs import train_and_answer

        train_and_answer(probe, "lora")
