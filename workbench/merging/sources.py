"""The models of a recipe as mergekit meets them: in the recipe's order, by their paths, read by our reader.

Imports torch and mergekit: only job processes import this.
"""

from typing import Any

from mergekit.common import ModelPath, ModelReference
from mergekit.config import MergeConfiguration

from workbench.models.model_references import Resolved
from workbench.models.weights import Tensors


class Ordered(MergeConfiguration):
    """mergekit lists a recipe's models in the order of a set, another in every process; this keeps the recipe's."""

    def referenced_models(self) -> list[ModelReference]:
        references = super().referenced_models()
        written_order = [self.base_model, *(source.model for source in self._sources())]
        return sorted(
            references, key=lambda model: written_order.index(model) if model in written_order else len(written_order)
        )

    def _sources(self) -> list[Any]:
        parts = [self, *(self.modules or {}).values()]
        slices = [output_slice for owner in parts for output_slice in owner.slices or []]
        return [source for owner in parts for source in owner.models or []] + [
            source for output_slice in slices for source in output_slice.sources
        ]


class Folded:
    """What mergekit's loader cache holds for a model: our reader, under its names."""

    def __init__(self, weights: Tensors):
        self.weights = weights
        self.index = type("Index", (), {"tensor_paths": dict.fromkeys(weights.names(), "model.safetensors")})

    def get_tensor(self, key: str, device: str = "cpu", aliases: Any = None, raise_on_missing: bool = True) -> Any:
        name = next((name for name in (key, *(aliases or ())) if name in self.weights), None)
        if name is None:
            if raise_on_missing:
                raise KeyError(key)
            return None
        return self.weights.get(name).to(device)

    def flush(self) -> None:
        pass


def reference(model: Resolved) -> ModelReference:
    """mergekit's name of a model of the shelf."""
    lora = ModelPath.model_construct(path=str(model.adapter), revision=None) if model.adapter else None
    return ModelReference.model_construct(
        model=ModelPath.model_construct(path=str(model.base), revision=None), lora=lora, override_architecture=None
    )
