"""Magnitude pruning: the smallest weights become zero."""

from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal

from pydantic import Field

from workbench.compression._thinning import Thinning
from workbench.compression.pruner import PRUNERS, Cut
from workbench.core.display import Display
from workbench.models.anatomy import Anatomy

if TYPE_CHECKING:
    from torch import Tensor


@PRUNERS.register
class Magnitude(Thinning):
    """Sets the smallest weights of the linear layers to zero. The file stays as large and is not faster.

    Han et al. 2015, https://arxiv.org/abs/1506.02626. The plain measure that others are held against; at 50 % it
    harms a language model badly. Embeddings, norms and head are left as they are.
    """

    method: ClassVar[str] = "magnitude"
    title: ClassVar[str] = "Magnitude: smallest weights to zero"

    sparsity: float = Field(
        0.5, ge=0, le=0.95, title="Sparsity",
        description="Share of the weights set to zero: more loses more; 2:4 always takes half.",
    )  # fmt: skip
    pattern: Annotated[
        Literal["layer", "global", "2:4"],
        Display(labels={
            "layer": "smallest of each matrix", "global": "smallest of all matrices",
            "2:4": "two of every four (2:4)",
        }),
    ] = Field(
        "layer", title="Pattern", description="Among which weights the smallest are chosen."
    )  # fmt: skip

    def run(self, cut: Cut) -> dict[str, Any]:
        from workbench.compression.masks import Smallest, two_of_four, zero_out
        from workbench.models.merged import open_weights

        anatomy = Anatomy.of(cut.resolved.base)
        if self.pattern == "global":
            weights, names = open_weights(cut.resolved), anatomy.linear()
            count = round(self.share() * sum(anatomy.shapes[name][0] * anatomy.shapes[name][1] for name in names))
            smallest = Smallest(lambda: (weights.get(name) for name in names), count)

        def mask_of(_: str, weight: "Tensor") -> "Tensor":
            if self.pattern == "global":
                return smallest.mask(weight)
            if self.pattern == "2:4":
                return two_of_four(weight.float().abs())
            return Smallest(lambda: [weight], round(self.share() * weight.numel())).mask(weight)

        return zero_out(cut, mask_of, "Setting small weights to zero")
