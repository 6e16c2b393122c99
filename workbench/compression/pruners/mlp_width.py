"""Pruning the width of the MLPs: whole neurons go."""

from typing import TYPE_CHECKING, Annotated, Any, ClassVar

from pydantic import Field

from workbench.compression._cutting import Cutting, Score, best, random_scores
from workbench.compression.pruner import PRUNERS, Cut
from workbench.core.display import Display
from workbench.core.errors import UserError
from workbench.models.anatomy import Anatomy, Shape, layer_number, within

if TYPE_CHECKING:
    from torch import Tensor

CUT = {  # the dimension of each tensor that counts neurons
    "mlp.gate_proj.weight": 0, "mlp.gate_proj.bias": 0, "mlp.up_proj.weight": 0, "mlp.up_proj.bias": 0,
    "mlp.down_proj.weight": 1,
}  # fmt: skip


@PRUNERS.register
class MlpWidth(Cutting):
    """Takes the least important neurons out of every MLP, the same number in each layer.

    By activation a neuron counts ‖x_j‖ · ‖W_down,j‖: the norm of what it adds to the output over the calibration rows.
    Width pruning as in Minitron, Muralidharan et al. 2024, https://arxiv.org/abs/2407.14679. Magnitude and random are
    there to compare with.
    """

    method: ClassVar[str] = "mlp-width"
    title: ClassVar[str] = "MLP width: fewer neurons"

    share: Annotated[float, Display(unit="share")] = Field(
        0.125, ge=0, le=0.9, title="Neurons removed",
        description="Share of the MLP neurons that goes: more is smaller and faster, and loses more.",
    )  # fmt: skip
    multiple: Annotated[int, Display(unit="neurons", advanced=True)] = Field(
        64, ge=1, le=4096, title="Round width to a multiple of",
        description="The new width is rounded to a multiple of this; K-quants of GGUF want 256.",
    )  # fmt: skip
    score: Score = Field(
        "activation", title="Importance",
        description="What makes a neuron important: what it adds on your rows, the size of its weights, or chance.",
    )  # fmt: skip

    def suffix(self) -> str:
        return f"mlp-{self.share * 100:g}"

    def width(self, anatomy: Anatomy) -> int:
        """The new width; raises `UserError` when rounding leaves it as it is, or it cannot be cut."""
        old = anatomy.width
        if not self.share:
            return old
        new = max(1, round(old * (1 - self.share) / self.multiple)) * self.multiple
        if new >= old:
            raise UserError(
                f"Rounded to a multiple of {self.multiple}, {old} neurons minus {self.share:.1%} are {new}.",
                "Take more out, or a smaller multiple.",
                "pruner",
            )
        return new

    def result(self, anatomy: Anatomy) -> dict[str, Shape]:
        width = self.width(anatomy)
        return {name: _shape(name, shape, width) for name, shape in anatomy.shapes.items()}

    def run(self, cut: Cut) -> dict[str, Any]:
        from workbench.compression.rewriting import rewrite_tensors, taken, write_config

        anatomy = Anatomy.of(cut.resolved.base)
        old, width = anatomy.width, self.width(anatomy)
        retained = {layer: best(scores, width) for layer, scores in enumerate(self._scores(cut, anatomy))}

        def change(name: str, tensor: "Tensor") -> "tuple[str, Tensor]":
            layer, dimension = layer_number(name), CUT.get(within(name))
            return name, tensor if layer is None or dimension is None else taken(tensor, retained[layer], dimension)

        rewrite_tensors(cut, change, "Cutting MLPs")
        write_config(cut, intermediate_size=width)
        return {"width": [old, width]}

    def _scores(self, cut: Cut, anatomy: Anatomy) -> "list[Tensor]":
        """How important each neuron is, one tensor of shape (width,) a layer."""
        from workbench.compression.activations import input_squares
        from workbench.models.merged import open_weights

        if self.score == "random":
            return [random_scores(anatomy.width, cut.seed, layer) for layer in range(anatomy.layers)]
        downs = anatomy.each_layer(["mlp.down_proj.weight"], "MLP")
        weights = open_weights(cut.resolved)
        if self.score == "activation":
            squares = input_squares(cut, [name.removesuffix(".weight") for name in downs])
            norms = (weights.get(name).float().norm(dim=0) for name in downs)
            return [
                squares[name.removesuffix(".weight")].sqrt() * norm for name, norm in zip(downs, norms, strict=True)
            ]
        return [_magnitude(weights, name) for name in downs]


def _magnitude(weights: Any, down: str) -> "Tensor":
    """The norm of all weights of each neuron: its row of gate and of up, its column of down."""
    gate, up = (weights.get(down.replace("down_proj", projection)).float() for projection in ("gate_proj", "up_proj"))
    norms: Tensor = (gate.square().sum(1) + up.square().sum(1) + weights.get(down).float().square().sum(0)).sqrt()
    return norms


def _shape(name: str, shape: Shape, width: int) -> Shape:
    dimension = CUT.get(within(name))
    return shape if dimension is None else (*shape[:dimension], width, *shape[dimension + 1 :])
