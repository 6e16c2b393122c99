"""What TIES, DARE-TIES and DELLA share: thin out each task vector, add up what is left by elected sign.

A task vector is what fine-tuning changed: a model's weights minus its base's. They differ in which changes stay.
"""

from abc import abstractmethod
from typing import TYPE_CHECKING, Annotated, Any

from pydantic import Field

from workbench.core.display import ADVANCED
from workbench.merging.method import MergeMethod, per_model

if TYPE_CHECKING:
    from torch import Tensor


class SparseMethod(MergeMethod):
    """Base of the three; each says in `thin` which changes stay."""

    least = 1  # the base alone gives itself

    int8_mask: Annotated[bool, ADVANCED] = Field(
        False, title="Int8 mask", description="Changes nothing here: the mask takes one byte a value either way."
    )
    normalize: bool = Field(
        True, title="Normalize", description="Divide by the weights that took part: an average instead of a sum."
    )
    rescale: bool = Field(
        True, title="Rescale", description="Scale what is kept up to the sum of magnitudes there was before."
    )
    lambda_: float = Field(
        1.0, alias="lambda", ge=-2, le=2, title="Lambda (λ)",
        description="Multiplies the merged change: larger moves further from the base; 1 leaves it as it is.",
    )  # fmt: skip
    weight: float = per_model(
        ge=-2, le=2, title="Weight",
        description="How much this model counts: larger counts more; start with 1 for each.",
    )  # fmt: skip
    density: float = per_model(
        1.0, ge=0, le=1, title="Density",
        description="Share of this model's changes that stay: less interferes less and loses more; start with 0.5.",
    )  # fmt: skip

    @classmethod
    @abstractmethod
    def thin(cls, delta: "Tensor", rescale: bool, density: float, **own: float) -> "Tensor":
        """Zeroes what is to be dropped of a task vector [rows, columns], in place, for a density between 0 and 1.

        Returns the scale for the rest, a scalar tensor of its dtype.
        """

    @classmethod
    def merge(cls, base: "Tensor | None", others: "list[Tensor]", **parameters: Any) -> "Tensor":
        from workbench.merging._task_vectors import add_elected, task_vectors

        assert base is not None
        if not others:
            return base
        deltas = task_vectors(base, others)
        scales = []
        for index, delta in enumerate(deltas):
            own = {name: value[index] for name, value in parameters.items() if isinstance(value, list)}
            rows = delta.view(base.shape[0], -1) if base.ndim > 1 and delta.numel() else delta.unsqueeze(0)
            scales.append(cls._thinned(rows, parameters["rescale"], own))
        return add_elected(base, deltas, scales, parameters["weight"], parameters["normalize"], parameters["lambda"])

    @classmethod
    def _thinned(cls, delta: "Tensor", rescale: bool, own: dict[str, float]) -> "Tensor":
        if own["density"] < 1:
            if own["density"] > 0 and delta.numel():
                return cls.thin(delta, rescale, **own)
            delta.zero_()
        return delta.new_ones(())
