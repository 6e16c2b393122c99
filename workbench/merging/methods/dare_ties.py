"""DARE with TIES' election: drop changes at random, scale up the rest, keep the side with the larger mass."""

from typing import TYPE_CHECKING, Any, ClassVar

from pydantic import Field

from workbench.merging.method import METHODS
from workbench.merging.methods._sparse import SparseMethod

if TYPE_CHECKING:
    from torch import Tensor


@METHODS.register
class DareTies(SparseMethod):
    """Several fine-tunes of one base: changes are dropped at random, the rest scaled up, and the stronger sign wins.

    https://arxiv.org/abs/2311.03099 and https://arxiv.org/abs/2306.01708. Same statistics as mergekit's, other draws:
    16 random bits decide over a value, so its chance to stay is the density rounded to 1/65536.
    """

    method: ClassVar[str] = "dare_ties"
    title: ClassVar[str] = "DARE TIES"
    url: ClassVar[str] = "https://arxiv.org/abs/2311.03099"

    normalize: bool = Field(
        False, title="Normalize", description="Divide by the weights that took part: an average instead of a sum."
    )

    @classmethod
    def thin(cls, delta: "Tensor", rescale: bool, density: float, **own: Any) -> "Tensor":
        from workbench.merging._task_vectors import LEVELS, thin_out

        limit = round(LEVELS * density) - LEVELS // 2
        return thin_out(delta, rescale, lambda _, luck: luck < limit)
