"""APOLLO."""

from typing import Annotated, Any, ClassVar, Literal

from pydantic import Field

from workbench.core.display import Display
from workbench.training.optimizer import OPTIMIZERS
from workbench.training.optimizers.galore import Projecting, restorable


@OPTIMIZERS.register
class Apollo(Projecting):
    """Scales gradients by row, or by matrix, from averages of a random projection: AdamW's steps with little memory.

    Zhu et al. 2025, https://arxiv.org/abs/2412.05270. As GaLore without its decompositions; with one scale for each
    matrix a rank of 1 is enough (APOLLO-Mini), with a scale of 128. Made for training all weights.
    """

    method: ClassVar[str] = "apollo"
    title: ClassVar[str] = "APOLLO"

    scale_by: Annotated[
        Literal["channel", "tensor"], Display(labels={"channel": "row or column", "tensor": "matrix"})
    ] = Field(
        "channel", title="Scaling", description="What shares one scale: each row or column, or the whole matrix."
    )  # fmt: skip
    scale: float = Field(
        1.0, gt=0, le=1024, title="Projection scale",
        description="What steps of projected matrices are multiplied by the root of: larger learns faster.",
    )  # fmt: skip

    def make(self, groups: list[dict[str, Any]], learning_rate: float) -> Any:
        from pytorch_optimizer import APOLLO

        return restorable(APOLLO)(groups, lr=learning_rate, scale_type=self.scale_by, **self.averages)
