"""GPTQ: 4 bits a weight, each column's error made good by the columns after it."""

from typing import Annotated, Any, ClassVar

from pydantic import Field

from workbench.compression.calibrated import Calibrated
from workbench.compression.quantizer import QUANTIZERS
from workbench.core.display import ADVANCED


@QUANTIZERS.register
class Gptq(Calibrated):
    """4 bits a weight, rounded column by column; the columns to come make good the error on the calibration rows.

    Frantar et al. 2022, https://arxiv.org/abs/2210.17323, by llm-compressor in an environment of its own. Without a
    calibration dataset the built-in sample conversations are used. In memory it is as large as the original, since
    transformers unpacks it to multiply; vLLM runs it packed. Minutes on a CPU for small models, a GPU for larger ones.
    """

    method: ClassVar[str] = "gptq"
    title: ClassVar[str] = "GPTQ"

    dampening: Annotated[float, ADVANCED] = Field(
        0.01, ge=1e-4, le=1, title="Dampening",
        description="Added to the Hessian's diagonal, as a share of its mean: larger is steadier, smaller is more"
        " exact.",
    )  # fmt: skip
    order: Annotated[bool, ADVANCED] = Field(
        True, title="Activation order", description="Round the columns that matter most first, which loses less."
    )

    def settings(self) -> dict[str, Any]:
        return {"method": self.method, "dampening": self.dampening, "order": self.order}
