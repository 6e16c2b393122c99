"""The layers of a result and where each comes from, laid out as mergekit does.

`segments_of` follows MergePlanner.normalize_config and plan_slice of mergekit 0.1.5, `value_at` its evaluate_setting.
"""

import re
from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from workbench.core.errors import SettingPath
from workbench.merging.recipe import Filtered, MergeRecipe, MethodSetting, MethodSettings, Scalar, Slice, SliceSource

Read = Callable[[Scalar], Any]
NUMBER = re.compile(r"\.(\d+)\.")
GROUPS = (
    ("norms", re.compile(r"norm|\bln_|layer_?norm|\.ln\d")),
    ("head", re.compile(r"lm_head|embed_out|^output\.|(^|\.)score\.")),
    ("embeddings", re.compile(r"embed|wte|wpe|tok_emb")),
    ("attention", re.compile(r"attn|attention|[qkvo]_proj|query_key_value|mamba|mixer|conv")),
    ("mlp", re.compile(r"mlp|feed_forward|ffn|expert|gate|up_proj|down_proj|fc\d|dense|w[123]\.")),
)


@dataclass(frozen=True)
class Input:
    """One model that goes into a part: its layers from `first` up to, not including, `last`."""

    model: str
    first: int
    last: int
    parameters: MethodSettings | None = None


@dataclass(frozen=True)
class Segment:
    """Layers of the result that are made alike. `scopes` are the settings shared by its inputs, nearest first."""

    path: SettingPath
    module: str
    inputs: list[Input]
    base: str | None
    scopes: tuple[MethodSettings | None, ...]
    whole: bool  # made from `models`, where mergekit adds the base by itself

    @property
    def length(self) -> int:
        return self.inputs[0].last - self.inputs[0].first

    def settings(self, model: str | None = None) -> Iterator[MethodSettings | None]:
        """Settings from the nearest to the farthest, of one model or of none in particular."""
        yield from (source.parameters for source in self.inputs if model is not None and source.model == model)
        yield from self.scopes

    def position(self, offset: int) -> float:
        """How far along its gradients a layer of this part lies, from 0 to 1."""
        return offset / (self.length - 1) if self.length > 1 else 1.0


def layer_of(tensor: str) -> int | None:
    """The layer a tensor belongs to; None for embeddings, last norm and head."""
    match = NUMBER.search(tensor)
    return int(match[1]) if match else None


def tensor_group(tensor: str) -> str:
    """norms, head, embeddings, attention, mlp or other, by the names that architectures give their tensors."""
    return next((group for group, pattern in GROUPS if pattern.search(tensor)), "other")


def segments_of(
    recipe: MergeRecipe, depth: Callable[[str], int], same: Mapping[str, Hashable] | None = None
) -> list[Segment]:
    """A recipe as mergekit sees it: a merge of whole models is one part, to which it adds the base.

    depth: how many layers a model has. same: what identifies a model, where one may be written in several ways.
    """
    config = recipe
    if config.modules:
        segments = []
        for name, module in config.modules.items():
            scopes = (module.parameters, config.parameters)
            path = ("modules", name)
            if module.models:
                segments += _whole(module.models, recipe, depth, same, (*path, "models"), name, scopes)
            segments += _sliced(module.slices or [], recipe, (*path, "slices"), name, scopes)
        return segments
    if config.models:
        return _whole(config.models, recipe, depth, same, ("models",), "", (config.parameters,))
    return _sliced(config.slices or [], recipe, ("slices",), "", (config.parameters,))


def _whole(
    sources: list[Any], recipe: MergeRecipe, depth: Callable[[str], int], same: Mapping[str, Hashable] | None,
    path: SettingPath, module: str, scopes: tuple[MethodSettings | None, ...],
) -> list[Segment]:  # fmt: skip
    base, same = recipe.base_model, same or {}
    inputs = [Input(source.model, 0, depth(source.model), source.parameters) for source in sources]
    if base and same.get(base, base) not in [same.get(source.model, source.model) for source in inputs]:
        inputs.append(Input(base, 0, depth(base)))
    return [Segment(path, module, inputs, base, (None, *scopes), whole=True)]


def _sliced(
    slices: list[Slice], recipe: MergeRecipe, path: SettingPath, module: str, scopes: tuple[MethodSettings | None, ...]
) -> list[Segment]:
    def read(source: SliceSource) -> Input:
        return Input(source.model, *source.layer_range, source.parameters)

    return [
        Segment(
            (*path, index), module, [read(source) for source in output_slice.sources],
            output_slice.base_model or recipe.base_model, (output_slice.parameters, *scopes), whole=False,
        )
        for index, output_slice in enumerate(slices)
    ]  # fmt: skip


def value_at(setting: MethodSetting | None, tensor: str, position: float, read: Read = float) -> Any:
    """A setting's value for a tensor at `place` (0 to 1) along the layers; None where no filter fits."""
    if isinstance(setting, Filtered):
        setting = [setting]
    if not isinstance(setting, list):
        return None if setting is None else read(setting)
    for entry in setting:
        if isinstance(entry, Filtered):
            if entry.filter in (None, "*") or str(entry.filter) in tensor:
                return value_at(entry.value, tensor, position, read)
        else:
            return _along([read(value) for value in setting if not isinstance(value, Filtered)], position, read)
    return None


def _along(values: list[Any], position: float, read: Read) -> Any:
    """Numbers are interpolated, words and booleans picked."""
    if not all(isinstance(value, int | float) and not isinstance(value, bool) for value in values):
        return values[int(position * (len(values) - 1))]
    scaled = position * (len(values) - 1)
    low = int(scaled)
    high = min(len(values) - 1, low + 1)
    return read((1 - (scaled - low)) * values[low] + (scaled - low) * values[high])


def lookup(name: str, scopes: Iterable[MethodSettings | None], tensor: str, position: float, read: Read = float) -> Any:
    """The value of the nearest scope that has one for this tensor, else None."""
    for scope in scopes:
        if scope and name in scope:
            value = value_at(scope[name], tensor, position, read)
            if value is not None:
                return value
    return None
