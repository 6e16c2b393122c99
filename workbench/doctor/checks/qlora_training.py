"""A real QLoRA training."""

from typing import ClassVar

from workbench.doctor.machine_check import CHECKS, Check, CheckProbe, NotRun


@CHECKS.register
class QloraTraining(Check):
    """A tiny model, held in 4 bits, is trained with QLoRA by the code of every training; its adapter then answers."""

    method: ClassVar[str] = "qlora-training"
    title: ClassVar[str] = "QLoRA training"
    order: ClassVar[int] = 70
    slow: ClassVar[bool] = True
    limit_seconds: ClassVar[float] = 600
    remedy: ClassVar[str] = "Use LoRA in place of QLoRA, or install bitsandbytes again: pip install -U bitsandbytes"

    def measure(self, probe: CheckProbe) -> None:
        from workbench.training.tuners.qlora import QLora

        if reason := QLora.unavailable():
            raise NotRun(reason.partition(":")[0] + ".", "pip install bitsandbytes")
        from workbench.doctor.toy_runs import train_and_answer

        train_and_answer(probe, "qlora")
