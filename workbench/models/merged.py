"""A base's tensors with an adapter merged in by PEFT, one at a time, under the names of the base's files.

Computed in float32 and rounded once to the type that the base has in its file, so that a float32 base stays float32.
Imports torch and peft: only job and child processes import this.
"""

from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from workbench.core.errors import UserError
from workbench.models.adapted import Adapted
from workbench.models.base_settings import settings_over
from workbench.models.casting import cast
from workbench.models.hollow import TensorGroup
from workbench.models.model_references import Resolved
from workbench.models.weights import Tensors

LARGE = "The adapter changes the base beyond its type: use it over its base, or get a base in bfloat16."
HELD_PARAMETERS = 3  # fused parameters whose parts are kept until they are asked for


def open_weights(resolved: Resolved, any_config: bool = False) -> Tensors:
    """The tensors of a model of the shelf, an adapter's merged in by PEFT.

    any_config: take also what makes another config.json than the base's (more rows, an untied head). Raises
    `UserError` for adapters that cannot be merged.
    """
    if resolved.adapter is None:
        return Tensors(resolved.base)
    merged = MergedTensors(resolved.base, resolved.adapter)
    if merged.config_changes and not any_config:
        settings = ", ".join(merged.config_changes)
        raise UserError(
            f"{resolved.name!r} makes another model than its base ({settings}).",
            "Fold it into its base in the Models tab first, and use the folded model.",
            "model",
        )
    return merged


class MergedTensors(Tensors):
    """The tensors of a folder's files with an adapter merged in.

    Parameters that PEFT changes apart though the base has them as one (an embedding and a head tied to it) are written
    apart; `config_changes` says what config.json has to say then. Raises `UserError` for what cannot be merged.
    """

    def __init__(self, base: Path, adapter: Path):
        super().__init__(base)
        self.adapted = Adapted(base, adapter)
        self.adapted.kind.require_foldable(adapter.name)
        self.adapted.check_biases()
        self._layout = self.adapted.layout
        self._replaced = self.adapted.replaced()
        self._units: dict[str, tuple[str, nn.Module]] = {}
        for name, unit in self.adapted.units():
            self._units |= dict.fromkeys(self.adapted.changed(unit, name), (name, unit))
        self._last: tuple[str, dict[str, Tensor]] = ("", {})
        self._waiting: dict[str, dict[str, Tensor]] = {}  # of a fused parameter, by its first file
        self._untied: dict[str, str] = {}
        self._new: dict[str, str] = {}
        self._untie()

    # ---- parameters of the model ---------------------------------------------------------------------------

    def changed(self) -> set[str]:
        """The model's parameters that differ from the base's, or may."""
        names = {*self._units, *self._replaced}
        return names | {target for target, source in self.adapted.tied.items() if source in names}

    def _untie(self) -> None:
        for target, source in self.adapted.tied.items():
            if {target, source} & self._units.keys() | {target} & self._replaced.keys():
                self._untied[target] = source
                if torch.equal(self._value(target), self._value(source)):
                    del self._untied[target]
                elif target not in self._layout.of_parameter:
                    self._new[self._layout.file_name(target)] = target

    def _value(self, parameter: str) -> Tensor:
        """A parameter of the model, merged."""
        if parameter in self.adapted.tied and parameter not in self._untied:
            parameter = self.adapted.tied[parameter]
        if parameter not in self._units:
            return self._base(parameter)
        name, unit = self._units[parameter]
        if self._last[0] != name:
            self._last = (name, self.adapted.merge(unit, name, self._base))
        return self._last[1][parameter]

    def _base(self, parameter: str) -> Tensor:
        """A parameter of the base, as the adapter was trained on it."""
        if parameter in self._replaced:
            return self._replaced[parameter]
        if parameter in self.adapted.tied:
            return self._base(self.adapted.tied[parameter])
        return self._layout.read(self._layout.of_parameter[parameter], super().get)[parameter]

    # ---- tensors of the files ------------------------------------------------------------------------------

    def names(self) -> list[str]:
        return [*super().names(), *self._new]

    def __contains__(self, name: str) -> bool:
        return name in self._new or super().__contains__(name)

    def shape(self, name: str) -> tuple[int, ...]:
        if name in self._new:
            return tuple(self._value(self._new[name]).shape)
        if self._touched(name) and "vocab_size" in self.config_changes:
            return tuple(self._value(self._layout.of_file[name].parameters[0]).shape)
        return super().shape(name)

    def dtype(self, name: str) -> torch.dtype:
        if name in self._new:
            source = self._untied[self._new[name]]
            return super().dtype(self._layout.of_parameter[source].files[0])
        return super().dtype(name)

    def _touched(self, name: str) -> bool:
        if name in self._new:
            return True
        group = self._layout.of_file.get(name)
        return group is not None and not self.changed().isdisjoint(group.parameters)

    def get(self, name: str) -> Tensor:
        if name in self._new:
            return cast(name, self._value(self._new[name]), self.dtype(name), LARGE)
        if not self._touched(name):
            return super().get(name)
        group = self._layout.of_file[name]
        files = self._waiting.pop(group.files[0], None) or self._write(group)
        tensor = files.pop(name)
        if files:
            self._waiting[group.files[0]] = files
            while len(self._waiting) > HELD_PARAMETERS:
                self._waiting.pop(next(iter(self._waiting)))
        return cast(name, tensor, super().dtype(name), LARGE).contiguous()

    def _write(self, group: TensorGroup) -> dict[str, Tensor]:
        return self._layout.write(group, {parameter: self._value(parameter) for parameter in group.parameters})

    @property
    def config_changes(self) -> dict[str, Any]:
        """What the config.json of the merged model says otherwise than its base's."""
        changes: dict[str, Any] = {}
        if self.adapted.kind.rows and self.adapted.kind.rows != self.adapted.hollow.rows:
            changes["vocab_size"] = self.adapted.kind.rows
        if self._untied:
            changes["tie_word_embeddings"] = False
        return {**changes, **settings_over(self.folder, self.adapted.adapter)}
