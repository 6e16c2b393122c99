"""QLoRA of a 7B model: what it takes on paper, against this GPU, and one layer of that size measured."""

from typing import ClassVar

from workbench.core.hardware import detect_hardware
from workbench.core.home import Home
from workbench.doctor.machine_check import CHECKS, Check, CheckProbe, NotRun
from workbench.doctor.qlora_plan import SEVEN_B, TRAINING, qlora_memory


@CHECKS.register
class Qlora7b(Check):
    """The memory QLoRA of a 7B model takes at the usual settings, on paper and by one real layer, on a CUDA GPU."""

    method: ClassVar[str] = "qlora-7b"
    title: ClassVar[str] = "QLoRA of a 7B model"
    order: ClassVar[int] = 90
    slow: ClassVar[bool] = True
    limit_seconds: ClassVar[float] = 600
    remedy: ClassVar[str] = "Turn gradient checkpointing on, or lower batch size or maximum length."

    def measure(self, probe: CheckProbe) -> None:
        hardware = detect_hardware()
        if hardware.device != "cuda":
            raise NotRun("There is no CUDA GPU.", "A 7B model is too large to train on this device in useful time.")
        home = Home.at(probe.scratch / "home")
        estimate = qlora_memory(home, SEVEN_B, TRAINING, hardware)
        for name, size in estimate.to_dict().items():
            if size:
                probe.fact(name, size, "bytes")
        probe.fact("in all", estimate.total, "bytes")
        probe.fact("this GPU", hardware.memory, "bytes")
        from workbench.doctor.layer_trial import try_layer

        trial = try_layer(probe.scratch / "layer", SEVEN_B, TRAINING, hardware)
        probe.fact("one layer, forward and backward", trial.seconds, "s")
        probe.fact("one layer, peak memory", trial.peak, "bytes")
        if estimate.total > hardware.memory:
            saved = qlora_memory(home, SEVEN_B, TRAINING, hardware, checkpointing=True).total
            probe.fact("in all with gradient checkpointing", saved, "bytes")
            probe.warn("At the usual settings a 7B model does not fit this GPU.", self.remedy)
