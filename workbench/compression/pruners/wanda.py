"""Wanda: pruning by weights and activations."""

from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal

from pydantic import Field

from workbench.compression._thinning import Thinning
from workbench.compression.pruner import PRUNERS, Cut
from workbench.core.display import Display
from workbench.models.anatomy import Anatomy

if TYPE_CHECKING:
    from torch import Tensor


@PRUNERS.register
class Wanda(Thinning):
    """Sets to zero the weights that matter least for what goes through them. The file stays as large, not faster.

    Sun et al. 2023, https://arxiv.org/abs/2306.11695: a weight counts |W_ij| · ‖X_j‖, its size times the norm of its
    input over the calibration rows, and is compared within its output row. The paper prunes layer after layer, each
    on what the pruned ones before it give; here one pass of the whole model gives all norms.
    """

    method: ClassVar[str] = "wanda"
    title: ClassVar[str] = "Wanda: by weights and activations"

    sparsity: float = Field(
        0.5, ge=0, le=0.95, title="Sparsity",
        description="Share of the weights set to zero: more loses more; 2:4 always takes half.",
    )  # fmt: skip
    pattern: Annotated[
        Literal["row", "2:4"],
        Display(labels={
            "row": "lowest of each output row", "2:4": "two of every four (2:4)",
        }),
    ] = Field(
        "row", title="Pattern", description="Among which weights the least important are chosen."
    )  # fmt: skip

    def needs_rows(self) -> bool:
        return True

    def run(self, cut: Cut) -> dict[str, Any]:
        from workbench.compression.activations import input_squares
        from workbench.compression.masks import lowest, two_of_four, zero_out

        modules = [name.removesuffix(".weight") for name in Anatomy.of(cut.resolved.base).linear()]
        norms = {name: squares.sqrt().float() for name, squares in input_squares(cut, modules).items()}

        def mask_of(name: str, weight: "Tensor") -> "Tensor":
            scores = weight.float().abs() * norms[name.removesuffix(".weight")]
            return two_of_four(scores) if self.pattern == "2:4" else lowest(scores, round(self.share() * len(scores.T)))

        return zero_out(cut, mask_of, "Setting unimportant weights to zero")
