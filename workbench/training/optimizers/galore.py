"""GaLore, and what it shares with APOLLO: averages kept of a projection of the gradient."""

import math
from collections.abc import Sequence
from typing import Annotated, Any, ClassVar

from pydantic import Field

from workbench.core.display import Display
from workbench.training.optimizer import NUMBER_BYTES, OPTIMIZERS, Decay, TrainedWeight, grouped
from workbench.training.optimizers.adamw import AdamFamily

PROJECTOR = "projector"


class Projecting(AdamFamily):
    """Base of the optimizers that keep Adam's averages of a projection of each matrix's gradient to a low rank.

    Matrices that are no larger than the rank, embeddings, output head, norms and biases are trained by AdamW.
    """

    state_bytes_per_parameter: ClassVar[float] = 0.75  # of a matrix of 2048 × 2048

    rank: int = Field(
        128, ge=1, le=4096, title="Projection rank",
        description="Width that gradients are projected to: larger is nearer AdamW, and takes more memory.",
    )  # fmt: skip
    update_every: Annotated[int, Display(unit="steps")] = Field(
        200, ge=1, le=100_000, title="Projection update interval",
        description="Steps after which the projection is made anew: fewer follow the gradients more and are slower.",
    )  # fmt: skip

    scale: float = Field(
        0.25, gt=0, le=1024, title="Projection scale",
        description="What steps of projected matrices are multiplied by: larger learns faster.",
    )  # fmt: skip

    def state_bytes(self, shape: Sequence[int], table: bool = False) -> int:
        if table or not self._projects(shape):
            return math.prod(shape) * 2 * NUMBER_BYTES
        return self.rank * (2 * max(shape) + min(shape)) * NUMBER_BYTES

    def _projects(self, shape: Sequence[int]) -> bool:
        return len(shape) == 2 and min(shape) > self.rank

    def build(self, weights: Sequence[TrainedWeight], learning_rate: float, decay: Decay) -> Any:
        projected = [weight for weight in weights if self._projects(weight.parameter.shape) and not weight.table]
        chosen = {id(weight) for weight in projected}
        settings = {"rank": self.rank, "update_proj_gap": self.update_every, "projection_type": "std"}
        groups = [{**group, **settings, "scale": self.scale} for group in grouped(projected, decay)]
        groups += grouped([weight for weight in weights if id(weight) not in chosen], decay)
        return self.make(groups, learning_rate)


@OPTIMIZERS.register
class GaLore(Projecting):
    """AdamW whose averages are kept of a low-rank projection of each gradient: all weights with little memory.

    Zhao et al. 2024, https://arxiv.org/abs/2403.03507. The projection is the gradient's own largest directions, found
    by a singular value decomposition every so many steps. Made for training all weights; LoRA's are small already.
    """

    method: ClassVar[str] = "galore"
    title: ClassVar[str] = "GaLore"

    def make(self, groups: list[dict[str, Any]], learning_rate: float) -> Any:
        from pytorch_optimizer import GaLore

        return restorable(GaLore)(groups, lr=learning_rate, **self.averages)


def restorable(optimizer: type[Any]) -> type[Any]:
    """The optimizer of pytorch-optimizer's whose state is numbers and tensors alone, as checkpoints hold them.

    Theirs keeps an object for each projection, which torch does not read back.
    """
    from pytorch_optimizer.optimizer.utils.galore import GaLoreProjector

    class Restorable(optimizer):
        def state_dict(self) -> dict[str, Any]:
            state = super().state_dict()
            return {**state, "state": {key: _as_data(values) for key, values in state["state"].items()}}

        def load_state_dict(self, state_dict: dict[str, Any]) -> None:
            super().load_state_dict(state_dict)
            for group in self.param_groups:
                for parameter in group["params"]:
                    values = self.state.get(parameter, {})
                    if isinstance(data := values.get(PROJECTOR), dict):
                        keys = ("rank", "update_proj_gap", "scale", "projection_type")
                        values[PROJECTOR] = GaLoreProjector(**{key: group[key] for key in keys})
                        values[PROJECTOR].__dict__ |= data

    return Restorable


def _as_data(values: dict[str, Any]) -> dict[str, Any]:
    if PROJECTOR not in values:
        return values
    projector = values[PROJECTOR]
    data = {"ortho_matrix": projector.ortho_matrix, "last_svd_step": projector.last_svd_step}
    return {**values, PROJECTOR: data}
