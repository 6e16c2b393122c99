"""A model without weights: its modules on the meta device, held against the names and shapes in its files.

transformers loads tensors of the meta device by its own rules (renamed, fused, tied, ignored), so what it reports
missing here is what it would fill at random, in milliseconds and without memory. Imports torch: only job and child
processes import this.
"""

import copy
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
import transformers
from torch import Tensor
from transformers import AutoConfig, PreTrainedModel
from transformers.core_model_loading import (
    WeightConverter,
    WeightRenaming,
    dot_natural_key,
    rename_source_key,
    revert_weight_conversion,
)
from transformers.models.auto.auto_factory import _get_model_class
from transformers.models.auto.modeling_auto import MODEL_FOR_CAUSAL_LM_MAPPING

from workbench.core.errors import UserError
from workbench.models import tensors

Read = Callable[[str], Tensor]


@dataclass(frozen=True)
class Hollow:
    """A model on the meta device. missing: tensors the files lack; unexpected: names in the files it has no place for;
    mismatched: (name, shape in the files, shape it needs); rows: of the embedding, by the config."""

    model: PreTrainedModel
    missing: list[str]
    unexpected: list[str]
    mismatched: list[tuple[str, tuple[int, ...], tuple[int, ...]]]
    rows: int


def model_class(config: Any) -> tuple[type[PreTrainedModel], Any]:
    """The class that generates text from such a config, and the config it takes; raises `UserError` if none does."""
    if type(config) not in MODEL_FOR_CAUSAL_LM_MAPPING:
        raise UserError(
            f"{config.model_type} is no causal language model of transformers {transformers.__version__}.",
            "Choose a model that generates text.", "model",
        )  # fmt: skip
    generator: Any = _get_model_class(config, MODEL_FOR_CAUSAL_LM_MAPPING)
    text = config.sub_configs.get("text_config") if config.sub_configs else None
    return generator, config.get_text_config() if text is not None and generator.config_class is text else config


def hollow(folder: Path, rows: int = 0, kind: type[PreTrainedModel] | None = None) -> Hollow:
    """The model of a folder without its weights.

    rows: of the embedding, where they are others than the config's. kind: in place of the class that generates text.
    Raises `UserError` when no class is known for it.
    """
    config = AutoConfig.from_pretrained(folder, trust_remote_code=False)
    for sub_config in (config, config.get_text_config()):
        if hasattr(sub_config, "quantization_config"):
            del sub_config.quantization_config
    if kind is None:
        kind, config = model_class(config)
    own_rows = int(getattr(config.get_text_config(), "vocab_size", 0) or 0)
    if rows:
        config.get_text_config().vocab_size = rows
    named = {name: torch.empty(shape, device="meta") for name, shape, _ in tensors.shapes(folder)}
    loaded: Any = kind.from_pretrained(
        None, config=config, state_dict=named, device_map={"": "meta"}, output_loading_info=True,
        ignore_mismatched_sizes=True,
    )  # fmt: skip
    model, info = loaded
    mismatched = [(name, tuple(have), tuple(need)) for name, have, need in info["mismatched_keys"]]
    return Hollow(
        model, sorted(info["missing_keys"]), sorted(info["unexpected_keys"]), sorted(mismatched), own_rows
    )  # fmt: skip


@dataclass
class TensorGroup:
    """Tensors of the files and the parameters of the model that they become together: mostly one and one."""

    files: list[str] = field(default_factory=list)
    pattern: str | None = None
    patterns: list[str] = field(default_factory=list)
    parameters: list[str] = field(default_factory=list)


class ParameterLayout:
    """Which tensors of the files make which parameters of the model, and back.

    Built from the conversions that transformers used while loading; made before anything else changes the modules.
    """

    def __init__(self, hollow: Hollow, shapes: Mapping[str, tuple[int, ...]]):
        self._model = hollow.model
        transforms = getattr(hollow.model, "_weight_conversions", None) or []
        renamings = [transform for transform in transforms if isinstance(transform, WeightRenaming)]
        converters = [transform for transform in transforms if isinstance(transform, WeightConverter)]
        self._converter = {pattern: transform for transform in converters for pattern in transform.source_patterns}
        prefix, state_dict = hollow.model.base_model_prefix, hollow.model.state_dict()
        groups: dict[str, TensorGroup] = {}
        for name in sorted(shapes, key=dot_natural_key):
            target, pattern = rename_source_key(name, renamings, converters, prefix, state_dict)
            if target not in state_dict and name in state_dict:
                target, pattern = name, None
            if target in state_dict:
                group = groups.setdefault(target, TensorGroup(pattern=pattern, parameters=[target]))
                group.files.append(name)
                group.patterns.append(pattern or name)
        self.of_file = {name: group for group in groups.values() for name in group.files}
        self.of_parameter: dict[str, TensorGroup] = {}
        for target, group in groups.items():
            if group.pattern is not None:
                group.parameters = list(
                    self._converted(target, group, lambda name: torch.empty(shapes[name], device="meta"))
                )
            self.of_parameter |= dict.fromkeys(group.parameters, group)

    def read(self, group: TensorGroup, get: Read) -> dict[str, Tensor]:
        """The model's parameters of a group; `get` reads a tensor of the files."""
        if group.pattern is None:
            return {group.parameters[0]: get(group.files[0])}
        return self._converted(group.parameters[0], group, get)

    def _converted(self, target: str, group: TensorGroup, get: Read) -> dict[str, Tensor]:
        assert group.pattern is not None
        converter = copy.deepcopy(self._converter[group.pattern])
        for name, pattern in zip(group.files, group.patterns, strict=True):
            converter.add_tensor(target, name, pattern, get(name))  # type: ignore[arg-type]
        converted = converter.convert(target, model=self._model, config=self._model.config)
        return {name: value[0] if isinstance(value, list) else value for name, value in converted.items()}

    def write(self, group: TensorGroup, values: dict[str, Tensor]) -> dict[str, Tensor]:
        """The tensors of the files that a group's parameters go back to; raises `UserError` if they do not."""
        if group.pattern is None:
            return {group.files[0]: values[group.parameters[0]]}
        files: dict[str, torch.Tensor] = revert_weight_conversion(self._model, values)
        if set(files) != set(group.files):
            raise UserError(
                f"{group.parameters[0]} cannot be written back as {group.files[0]}.",
                "Chat with the adapter as it is, over its base.", "model",
            )  # fmt: skip
        return files

    def file_name(self, parameter: str) -> str:
        """The name in files of a parameter that has none there yet."""
        names: Iterator[str] = iter(revert_weight_conversion(self._model, {parameter: torch.empty(0, device="meta")}))
        return next(names)
