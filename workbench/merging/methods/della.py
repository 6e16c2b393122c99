"""DELLA: drop changes at random, the small ones of each row sooner, and elect signs as TIES does."""

from typing import TYPE_CHECKING, Any, ClassVar

from workbench.core.errors import UserError
from workbench.merging.method import METHODS, per_model
from workbench.merging.methods._sparse import SparseMethod

if TYPE_CHECKING:
    from torch import Tensor


@METHODS.register
class Della(SparseMethod):
    """Several fine-tunes of one base: changes are dropped at random, small ones sooner, and the stronger sign wins.

    https://arxiv.org/abs/2406.11617. In each row the chance to stay rises with the rank of the magnitude from
    density - epsilon to density + epsilon. Same statistics as mergekit's, other draws, in steps of 1/65536. No value's
    rank is looked up: one stays if its magnitude beats that of a rank drawn at random, for which sorted magnitudes do.
    """

    method: ClassVar[str] = "della"
    title: ClassVar[str] = "DELLA"
    url: ClassVar[str] = "https://arxiv.org/abs/2406.11617"

    epsilon: float = per_model(
        0.15, ge=0, lt=0.5, title="Epsilon (ε)",
        description="How far the chances of the largest and the smallest change are from the density: larger "
        "favours large changes more.",
    )  # fmt: skip

    @classmethod
    def thin(cls, delta: "Tensor", rescale: bool, density: float, epsilon: float = 0.15, **own: Any) -> "Tensor":
        from workbench.merging._task_vectors import thin_out

        if density - epsilon <= 0 or density + epsilon >= 1:
            raise UserError(
                f"epsilon {epsilon:g} around density {density:g} gives chances outside 0 to 1.",
                f"Choose an epsilon below {min(density, 1 - density):g}, or a density nearer to 0.5.",
                "epsilon",
            )
        width = 2 * epsilon if delta.shape[1] > 1 else 0.0  # a row of one has no ranks
        return thin_out(delta, rescale, lambda piece, luck: _survivors(piece, luck, density, width))


def _survivors(piece: "Tensor", luck: "Tensor", density: float, width: float) -> "Tensor":
    """Which values of [rows, columns] stay: each whose magnitude beats the one on the rung its luck leads to.

    The ladder of a row: a rung below everything, the magnitudes upwards without the largest, a rung above everything.
    Between equal magnitudes a coin (luck's last bit) decides.
    """
    import torch

    from workbench.merging._task_vectors import LEVELS, magnitude_bits, sort_rows

    sizes, columns = magnitude_bits(piece), piece.shape[1]
    ladder = sizes.new_empty((piece.shape[0], columns + 1))
    ladder[:, 1:] = sizes
    sort_rows(ladder[:, 1:])
    ladder[:, 0], ladder[:, -1] = -2, torch.iinfo(sizes.dtype).max
    certain = LEVELS * (density - width / 2 - 0.5)  # luck below it beats everything
    step = max(columns - 1, 1) / max(LEVELS * width, 1e-3)
    rung = luck.float().sub_(certain).mul_(step).add_(1).clamp_(0, columns)
    return sizes.add_(luck & 1) > ladder.gather(1, rung.long())
