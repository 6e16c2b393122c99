"""Pruning depth: whole layers go."""

from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal

from pydantic import Field

from workbench.compression._cutting import Cutting, best, random_scores
from workbench.compression.pruner import PRUNERS, Cut
from workbench.core.display import Display
from workbench.core.errors import UserError
from workbench.models.anatomy import PER_LAYER, Anatomy, Shape, layer_number

if TYPE_CHECKING:
    from torch import Tensor


@PRUNERS.register
class Layers(Cutting):
    """Takes out the layers that change the hidden state least. Most speed for the cut, and most in need of healing.

    ShortGPT, Men et al. 2024, https://arxiv.org/abs/2403.03853: a layer's influence is the mean over tokens of
    1 - cos(what goes in, what comes out). Small models have few layers to spare.
    """

    method: ClassVar[str] = "layers"
    title: ClassVar[str] = "Layers: less depth"

    count: int = Field(
        1, ge=0, le=200, title="Layers removed",
        description="How many layers go: more is smaller and faster, and loses more.",
    )  # fmt: skip
    score: Annotated[
        Literal["influence", "random"],
        Display(labels={
            "influence": "by influence on your rows", "random": "at random",
        }),
    ] = Field(
        "influence", title="Importance",
        description="What makes a layer important: how much it changes the hidden state on your rows, or chance.",
    )  # fmt: skip

    def suffix(self) -> str:
        return f"layers-{self.count}"

    def result(self, anatomy: Anatomy) -> dict[str, Shape]:
        """Layers of one model are usually alike: here the last ones stand for those that go."""
        if self.count >= anatomy.layers:
            raise UserError(
                f"It has {anatomy.layers} layers, of which {self.count} would go.", "Leave at least one.", "pruner"
            )
        left = anatomy.layers - self.count
        return {name: shape for name, shape in anatomy.shapes.items() if (layer_number(name) or 0) < left}

    def run(self, cut: Cut) -> dict[str, Any]:
        from workbench.compression.rewriting import rewrite_tensors, write_config

        anatomy = Anatomy.of(cut.resolved.base)
        scores = self._scores(cut, anatomy)
        retained: list[int] = best(scores, anatomy.layers - self.count).tolist()
        new_index = {layer: index for index, layer in enumerate(retained)}

        def change(name: str, tensor: "Tensor") -> "tuple[str, Tensor] | None":
            layer = layer_number(name)
            if layer is None:
                return name, tensor
            return (_renamed(name, layer, new_index[layer]), tensor) if layer in new_index else None

        rewrite_tensors(cut, change, "Taking layers out")
        write_config(cut, num_hidden_layers=len(retained), **_lists(cut, retained, anatomy.layers))
        gone = [layer for layer in range(anatomy.layers) if layer not in new_index]
        return {
            "layers": [anatomy.layers, len(retained)],
            "removed": gone,
            self.score: [round(float(score), 6) for score in scores],
        }

    def _scores(self, cut: Cut, anatomy: Anatomy) -> "Tensor":
        """How important each layer is, of shape (layers,)."""
        from workbench.compression.activations import influences

        return random_scores(anatomy.layers, cut.seed) if self.score == "random" else influences(cut)


def _renamed(name: str, old: int, new: int) -> str:
    return name.replace(f"layers.{old}.", f"layers.{new}.", 1)


def _lists(cut: Cut, retained: list[int], layers: int) -> dict[str, list[Any]]:
    """The settings that say something of each layer, for those that stay; what follows a pattern is written out."""
    from transformers import AutoConfig

    config = AutoConfig.from_pretrained(cut.resolved.base, trust_remote_code=False, local_files_only=True).to_dict()
    lists = {name: config[name] for name in PER_LAYER if isinstance(config.get(name), list)}
    return {name: [values[layer] for layer in retained] for name, values in lists.items() if len(values) == layers}
