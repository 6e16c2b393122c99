"""A description of an architecture for mergekit, read from the tensors' names, where its own does not fit the files.

mergekit's descriptions hold the names of the day they were written: attention.bias of GPT-NeoX, which is no weight and
is saved no more; vision_tower.vision_model of Gemma 3. Imports mergekit: only job processes import this.
"""

import re
from collections.abc import Iterable, Mapping
from typing import Any

from mergekit.architecture import ModelArchitecture, ModuleDefinition, WeightInfo
from mergekit.architecture.json_definitions import JsonLayerTemplates, JsonModuleArchDef, JsonModuleArchitecture
from transformers import PretrainedConfig

from workbench.core.errors import UserError
from workbench.merging.checking.model_facts import BUFFERS, is_vocabulary
from workbench.models.hollow import ParameterLayout, hollow
from workbench.models.model_references import Resolved

NUMBERED = re.compile(r"^(.*?)\.(\d+)\.(.*)$")
LAYERS = ("num_hidden_layers", "n_layer", "num_layers", "n_layers")


def by_names(config: PretrainedConfig, names: Iterable[set[str]], architecture: ModelArchitecture) -> ModelArchitecture:
    """One module with the tensors that these models have, `names` each; what some layers have not is optional.

    Only the text's layers are numbered: those of a vision tower stay what they are. Raises `UserError` when no list of
    layers is as long as the config says.
    """
    models = [{name for name in model_names if not BUFFERS.search(name)} for model_names in names]
    every = set.union(*models)
    key, depth = _depth(config)
    prefix = _layers_of(every, depth)
    inner: dict[str, None] = {}
    for name in sorted(every):
        match = NUMBERED.match(name)
        if match and match[1] == prefix:
            inner[match[3]] = None
    own = [f"{prefix}.{index}.{suffix}" for suffix in inner for index in range(depth)]
    loose = sorted(every - set(own))
    weights = [
        WeightInfo(
            name=f"{prefix}.${{layer_index}}.{suffix}",
            optional=not all(
                f"{prefix}.{index}.{suffix}" in model_names for model_names in models for index in range(depth)
            ),
        )
        for suffix in inner
    ]
    definition = JsonModuleArchDef(
        model_type="", architectures=[], num_layers_config_key=key, post_weights=[],
        layer_templates=JsonLayerTemplates(weights=weights),
        pre_weights=[
            WeightInfo(
                name=name, optional=not all(name in model_names for model_names in models),
                vocabulary_axis=0 if is_vocabulary(name) else None,
            )
            for name in loose
        ],
    )  # fmt: skip
    module = ModuleDefinition(architecture=JsonModuleArchitecture(definition=definition))
    return ModelArchitecture(
        modules={"default": module}, architectures=[], model_type="", tagalong_files=architecture.tagalong_files,
        vocab_size_config_key=architecture.vocab_size_config_key,
    )  # fmt: skip


def _depth(config: PretrainedConfig) -> tuple[str, int]:
    """mergekit's key for the number of layers, and that number."""
    inner = config.get_text_config()
    begin = "" if inner is config else "text_config."
    for key in LAYERS:
        if isinstance(count := getattr(inner, key, None), int):
            return begin + key, count
    raise UserError("The config.json of these models names no number of layers.", "Add num_hidden_layers.", "models")


def _layers_of(names: set[str], depth: int) -> str:
    """What stands before the number in the names of the text's layers."""
    lists: dict[str, set[int]] = {}
    for name in names:
        if parts := NUMBERED.match(name):
            lists.setdefault(parts[1], set()).add(int(parts[2]))
    fitting = [prefix for prefix, numbers in lists.items() if numbers == set(range(depth))]
    text = [prefix for prefix in fitting if not re.search("vision|visual|audio|image", prefix)]
    if not text:
        raise UserError(
            f"No tensors of these models are numbered as {depth} layers.", "Get the models again.", "models"
        )
    return min(text, key=len)


def lost(model: Resolved, shapes: Mapping[str, tuple[int, ...]], planned: set[str]) -> list[str]:
    """Tensors of a model's files that a plan of outputs leaves out, layers not told apart.

    One that transformers turns into a planned one under another name, as experts are fused, is not lost.
    """
    kinds = {_kind(name) for name in planned}
    left = sorted(name for name in shapes if _kind(name) not in kinds and not BUFFERS.search(name))
    if not left:
        return []
    try:
        layout = ParameterLayout(hollow(model.base), shapes)
    except UserError:  # transformers knows no class that generates text from it: names are all there is
        return left
    becomes: dict[str, Any] = {name: layout.of_file[name].parameters for name in left if name in layout.of_file}
    return [name for name in left if not any(_kind(target) in kinds for target in becomes.get(name, ()))]


def _kind(name: str) -> str:
    return re.sub(r"\.\d+\.", ".#.", name, count=1)


def require_whole(model: Resolved) -> None:
    """Raises `UserError` for a model whose files lack a tensor that transformers needs."""
    try:
        missing = hollow(model.base).missing
    except UserError:
        return
    if missing:
        more = f" and {len(missing) - 1} more" if len(missing) > 1 else ""
        raise UserError(f"{model.name!r} lacks {missing[0]}{more}.", "Get that model again.", "models")
