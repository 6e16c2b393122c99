"""TIES: keep each fine-tune's largest changes, and of those the ones that agree in sign."""

from itertools import accumulate
from typing import TYPE_CHECKING, Any, ClassVar

from pydantic import Field

from workbench.merging.method import METHODS, per_model
from workbench.merging.methods._sparse import SparseMethod

if TYPE_CHECKING:
    from torch import Tensor


@METHODS.register
class Ties(SparseMethod):
    """Several fine-tunes of one base: only the largest changes of each count, and where signs differ the stronger wins.

    https://arxiv.org/abs/2306.01708. Gives what mergekit's gives, but finds the threshold without sorting. Of the
    magnitudes that equal it the first ones stay; which ones mergekit keeps depends on the processor.
    """

    method: ClassVar[str] = "ties"
    title: ClassVar[str] = "TIES"
    url: ClassVar[str] = "https://arxiv.org/abs/2306.01708"

    rescale: bool = Field(
        False, title="Rescale", description="Scale what is kept up to the sum of magnitudes there was before."
    )
    density: float = per_model(
        1.0, ge=0, le=1, title="Density",
        description="Share of this model's changes that stay, the largest: less interferes less and loses more; "
        "start with 0.2 to 0.5.",
    )  # fmt: skip

    @classmethod
    def thin(cls, delta: "Tensor", rescale: bool, density: float, **own: Any) -> "Tensor":
        from workbench.merging._task_vectors import ratio

        before = _mass(delta) if rescale else None
        _keep_largest(delta.view(-1), max(1, int(density * delta.numel())))
        return delta.new_ones(()) if before is None else ratio(before, _mass(delta), delta.dtype)


def _keep_largest(delta: "Tensor", count: int) -> None:
    """Zeroes all but the `count` largest magnitudes of a flat tensor."""
    from workbench.merging._task_vectors import keep, largest, magnitude_bits, on_blocks, row_slices

    top = largest(magnitude_bits(delta), count)
    threshold = int(top[0])
    spare = int((top == threshold).sum())  # of those that equal the threshold, so many stay

    def equal(block: slice) -> int:
        return int((magnitude_bits(delta[block]) == threshold).sum())

    def trim(block: slice, here: int, before: int) -> None:
        sizes, left = magnitude_bits(delta[block]), max(0, spare - before)
        mask = sizes >= threshold
        if here > left:
            mask[(sizes == threshold).nonzero()[left:]] = False
        keep(delta[block], mask)

    parts = row_slices(delta.numel())
    counts = on_blocks(equal, delta.device, parts)
    on_blocks(trim, delta.device, parts, counts, accumulate(counts, initial=0))


def _mass(delta: "Tensor") -> "Tensor":
    """Sum of magnitudes rounded to the vector's own precision, as mergekit has it; float32 where that overflows."""
    import torch

    mass = delta.abs().sum()
    return mass if mass.isfinite() else delta.abs().sum(dtype=torch.float32)
