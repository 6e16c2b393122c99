"""The type of number a training computes in, and whether it gives the same bits every time."""

from typing import Annotated, Any, Literal

from pydantic import Field

from workbench.core.display import Display
from workbench.core.errors import Problems, UserError
from workbench.core.hardware import Hardware
from workbench.core.spec import Spec

GROUP = "Numbers"
FIELD = "precision"
Precision = Literal["auto", "float32", "bfloat16", "float16"]


class NumberSettings(Spec):
    """Precision and repeatability."""

    precision: Annotated[
        Precision,
        Display(advanced=True, group=GROUP, labels={
            "auto": "the device's best", "float32": "float32", "bfloat16": "bfloat16", "float16": "float16 (CUDA)",
        }),
    ] = Field(
        "auto", title="Precision",
        description="What products are computed in. The device's best is bfloat16 where it computes that natively; "
        "float32 is exact, and takes twice the memory and more time.",
    )  # fmt: skip
    deterministic: Annotated[bool, Display(advanced=True, group=GROUP)] = Field(
        False, title="Deterministic algorithms",
        description="Use only operations that give the same bits every time, and fail at one that cannot: slower on a "
        "GPU, where the same seed alone gives nearly the same run.",
    )  # fmt: skip

    def check_precision(self, hardware: Hardware, problems: Problems) -> None:
        """Adds that this device does not compute in it; one that has not been probed yet may turn out to later."""
        try:
            self.in_precision(hardware)
        except UserError as error:
            if hardware.memory or hardware.device == "cpu":
                problems.collect(FIELD, error)

    def in_precision(self, hardware: Hardware) -> Hardware:
        """The device as models are loaded for it and computed on; raises `UserError` where it cannot do that."""
        if self.precision == "bfloat16" and not hardware.bf16:
            raise UserError(f"{_device(hardware)} does not compute bfloat16 natively.", "Choose auto.", FIELD)
        if self.precision == "float16" and hardware.device != "cuda":
            raise UserError(f"{_device(hardware)} does not train in float16.", "Choose auto.", FIELD)
        if self.precision in ("float32", "float16"):
            return hardware.model_copy(update={"bf16": False, "dtype": self.precision})
        return hardware

    def precision_arguments(self, hardware: Hardware) -> dict[str, Any]:
        """What TRL's config is told, of a device as `in_precision` gives it."""
        exact = hardware.dtype == "float32"
        return {"bf16": hardware.bf16, "fp16": hardware.device == "cuda" and not hardware.bf16 and not exact}


def _device(hardware: Hardware) -> str:
    return "This machine's CPU" if hardware.device == "cpu" else f"The device ({hardware.name or hardware.device})"
