"""Pruning attention heads: whole key/value groups go."""

from typing import TYPE_CHECKING, Any, ClassVar

from pydantic import Field

from workbench.compression._cutting import Cutting, Score, best, random_scores
from workbench.compression.pruner import PRUNERS, Cut
from workbench.core.errors import UserError
from workbench.models.anatomy import Anatomy, Shape, layer_number, within

if TYPE_CHECKING:
    from torch import Tensor

CUT = {f"self_attn.{projection}_proj.{kind}": 0 for projection in "qkv" for kind in ("weight", "bias")}
CUT["self_attn.o_proj.weight"] = 1


@PRUNERS.register
class Heads(Cutting):
    """Takes the least important attention heads out of every layer, whole key/value groups with their queries.

    By activation a group counts the norm of what it adds to the output of its attention over the calibration rows.
    That heads can be taken out: Michel et al. 2019, https://arxiv.org/abs/1905.10650; groups of heads that share keys
    and values: Ainslie et al. 2023, https://arxiv.org/abs/2305.13245.
    """

    method: ClassVar[str] = "heads"
    title: ClassVar[str] = "Attention heads: fewer groups"

    groups: int = Field(
        1, ge=0, le=255, title="Key/value groups removed",
        description="How many every layer loses, with the heads they serve: more is smaller and faster, and loses"
        " more.",
    )  # fmt: skip
    score: Score = Field(
        "activation", title="Importance",
        description="What makes a group important: what it adds on your rows, the size of its weights, or chance.",
    )  # fmt: skip

    def suffix(self) -> str:
        return f"heads-{self.groups}"

    def left(self, anatomy: Anatomy) -> int:
        """How many groups stay; raises `UserError` when none would, or heads cannot be told apart."""
        if anatomy.head_dim and self.groups >= anatomy.groups:
            raise UserError(
                f"Its layers have {anatomy.groups} key/value group{'s' * (anatomy.groups > 1)}, of which "
                f"{self.groups} would go.",
                "Leave at least one.",
                "pruner",
            )
        return anatomy.groups - self.groups

    def result(self, anatomy: Anatomy) -> dict[str, Shape]:
        left = self.left(anatomy)
        return {name: _shape(within(name), shape, left, anatomy.groups) for name, shape in anatomy.shapes.items()}

    def run(self, cut: Cut) -> dict[str, Any]:
        from workbench.compression.rewriting import rewrite_tensors, taken, write_config

        anatomy = Anatomy.of(cut.resolved.base)
        left = self.left(anatomy)
        retained = {layer: best(scores, left) for layer, scores in enumerate(self._scores(cut, anatomy))}

        def change(name: str, tensor: "Tensor") -> "tuple[str, Tensor]":
            layer, dimension = layer_number(name), CUT.get(within(name))
            if layer is None or dimension is None:
                return name, tensor
            return name, taken(tensor, _places(retained[layer], tensor.shape[dimension] // anatomy.groups), dimension)

        rewrite_tensors(cut, change, "Cutting attention")
        heads = anatomy.heads // anatomy.groups * left
        write_config(cut, num_attention_heads=heads, num_key_value_heads=left, head_dim=anatomy.head_dim)
        return {"heads": [anatomy.heads, heads], "groups": [anatomy.groups, left]}

    def _scores(self, cut: Cut, anatomy: Anatomy) -> "list[Tensor]":
        """How important each group is, one tensor of shape (groups,) a layer."""
        from workbench.compression.activations import group_squares
        from workbench.models.merged import open_weights

        if self.score == "random":
            return [random_scores(anatomy.groups, cut.seed, layer) for layer in range(anatomy.layers)]
        outputs = anatomy.each_layer(["self_attn.o_proj.weight"], "attention")
        if self.score == "activation":
            modules = [name.removesuffix(".weight") for name in outputs]
            squares = group_squares(cut, modules, anatomy.groups)
            return [squares[name] for name in modules]
        weights = open_weights(cut.resolved)
        return [_magnitude(weights, name, anatomy.groups) for name in outputs]


def _magnitude(weights: Any, output: str, groups: int) -> "Tensor":
    """The sum of squares of each group's weights in q, k, v and o."""
    rows = [weights.get(output.replace("o_proj", f"{projection}_proj")).float() for projection in "qkv"]
    columns = weights.get(output).float().T
    squares: Tensor = sum(matrix.square().reshape(groups, -1).sum(1) for matrix in (*rows, columns))
    return squares


def _places(groups: "Tensor", size: int) -> "Tensor":
    """The rows of these groups when each has `size` of them."""
    import torch

    return (groups[:, None] * size + torch.arange(size)).flatten()


def _shape(name: str, shape: Shape, left: int, groups: int) -> Shape:
    dimension = CUT.get(name)
    if dimension is None:
        return shape
    return (*shape[:dimension], shape[dimension] // groups * left, *shape[dimension + 1 :])
