"""Carries out a recipe with mergekit, tensor by tensor: seeded each, streamed to the disk, resumed by file.

mergekit plans (which tensors of which models, under which parameters) and computes; this module walks its plan one
output at a time, so that memory stays at a few tensors, every tensor's randomness depends on its name and the seed
alone, and a stop loses at most the file under way. Imports torch and mergekit: only job processes import this.
"""

import hashlib
import shutil
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import Any, Literal

import torch
from mergekit.architecture import ModelArchitecture, get_architecture_info
from mergekit.architecture.conversion import can_convert_checkpoint_keys
from mergekit.common import ModelReference, dtype_from_name, set_config_value
from mergekit.graph import Task as MergeTask
from mergekit.io.tasks import LoaderCache
from mergekit.merge import _model_out_config, _set_chat_template, _update_config_vocab
from mergekit.merge_methods.task_adapter import ExecuteMergeMethodTask
from mergekit.options import MergeOptions
from mergekit.plan import MergePlanner
from mergekit.tokenizer.build import BuildTokenizer

from workbench.core.errors import UserError
from workbench.core.home import Home
from workbench.core.tasks import Task
from workbench.merging.by_names import by_names, lost, require_whole
from workbench.merging.mergekit_bridge import register_with_mergekit
from workbench.merging.recipe import MergeRecipe
from workbench.merging.sources import Folded, Ordered, reference
from workbench.models.casting import all_finite, cast
from workbench.models.chat_tokens import copy_tokenizer
from workbench.models.merged import open_weights
from workbench.models.tensors import shapes as shapes_of
from workbench.models.weights import ShardWriter

Kernels = Literal["fast", "stock"]
BY_ROWS = frozenset({"linear", "task_arithmetic", "nearswap", "passthrough"})
BLOCK_ELEMENTS = 2**24  # elements


class MergePlan:
    """A recipe ready to be carried out. `names` are the result's tensors in the order they are made.

    Raises `UserError` when mergekit cannot plan it: the checks find most of that beforehand, with better words.
    """

    def __init__(self, home: Home, recipe: MergeRecipe, seed: int = 0, kernels: Kernels = "fast", device: str = "cpu"):
        register_with_mergekit(kernels)
        self.seed, self.device = seed, torch.device(device)
        self.models = recipe.bind(home)
        references = {written: reference(model) for written, model in self.models.items()}
        self._references = list(references.values())
        self.donor = next(iter(self.models.values()))
        for tokenizer in (recipe.tokenizer_source, recipe.tokenizer and recipe.tokenizer.source):
            self.donor = self.models.get(tokenizer or "", self.donor)
        cache = LoaderCache()
        cache.loaders.clear()
        for written, model_reference in references.items():
            cache.loaders[model_reference] = Folded(open_weights(self.models[written]))
        try:
            self._config = Ordered.model_validate(recipe.replaced(references))
            self._plan()
        except (RuntimeError, ValueError, TypeError, KeyError) as error:
            raise UserError(f"mergekit cannot plan this: {error}", "Check the recipe.", "recipe") from error

    def _plan(self) -> None:
        """By mergekit's description of the architecture, or by the files' own names where that does not fit them."""
        options = MergeOptions(device=str(self.device), quiet=True)
        architecture = get_architecture_info(self._config, options)
        shapes = [{name: shape for name, shape, _ in shapes_of(model.base)} for model in self.models.values()]
        wanting = [
            self._wanting(architecture, reference, set(tensors))
            for reference, tensors in zip(self._references, shapes, strict=True)
        ]
        reason = next(filter(None, wanting), "")
        if not reason:
            self._plan_by(architecture, options)
            left = [] if self._config.modules else lost(next(iter(self.models.values())), shapes[0], self._planned())
            reason = left[0] if left else ""
        if reason:
            self._plan_by_names(reason, architecture, [set(tensors) for tensors in shapes], options)

    def _wanting(self, architecture: ModelArchitecture, reference: ModelReference, names: set[str]) -> str:
        """The first tensor that mergekit's description demands and a model's files have not; '' for none."""
        config = reference.config()
        for weight in architecture.all_weights(config):
            called = {weight.name, *(weight.aliases or ()), *(weight.tied_names or ())}
            if weight.optional or called & names:
                continue
            if not can_convert_checkpoint_keys(config.model_type, names, weight.name):
                name: str = weight.name
                return name
        return ""

    def _plan_by_names(
        self, reason: str, architecture: ModelArchitecture, names: list[set[str]], options: MergeOptions
    ) -> None:
        if self._config.modules:
            message = f"mergekit's description of these models does not fit their files: {reason}."
            raise UserError(
                message, "Leave modules out of the recipe: the files' own names are followed then.", "modules"
            )
        for model in self.models.values():
            require_whole(model)
        self._plan_by(by_names(self._references[0].config(), names, architecture), options)

    def _plan_by(self, architecture: ModelArchitecture, options: MergeOptions) -> None:
        self._architecture = architecture
        self.config = _model_out_config(self._config, architecture)
        planner = MergePlanner(self._config.model_copy(deep=True), architecture, options, self.config)
        planner._plan()
        self._tasks = {weight.name: (weight, task) for weight, task in planner._tensors}
        self._tokenizer_task = planner._tokenizer_task
        self._tokenizer: Any = None
        self.names = list(self._tasks)

    def _planned(self) -> set[str]:
        return {name for weight, _ in self._tasks.values() for name in (weight.name, *(weight.aliases or ()))}

    def __len__(self) -> int:
        return len(self.names)

    def tensors(self, skip: Collection[str] = ()) -> Iterator[tuple[str, torch.Tensor]]:
        """(name, tensor) of every output not in `skip`, on the CPU; raises `UserError` at NaN or infinity."""
        for name, (weight, task) in self._tasks.items():
            if name in skip:
                continue
            torch.manual_seed(_seed_of(self.seed, name))
            with torch.no_grad():
                tensor = self._value(task)
            if tensor is None and weight.optional:
                continue
            if not all_finite(tensor):
                self._blame(name)
            dtype = dtype_from_name(weight.force_dtype or self._config.out_dtype)
            if dtype in (None, tensor.dtype):
                yield name, tensor.to("cpu")
            else:
                yield name, cast(name, tensor, dtype, _wider(dtype), "out_dtype")

    def _value(self, task: MergeTask[Any]) -> Any:
        """What a task of mergekit's graph gives; the graph under one output is a small tree."""
        if isinstance(task, BuildTokenizer):
            if self._tokenizer is None:
                self._tokenizer = task.execute(
                    **{key: self._value(argument) for key, argument in task.arguments().items()}
                )
            return self._tokenizer
        arguments = {key: self._value(argument) for key, argument in task.arguments().items()}
        if isinstance(task, ExecuteMergeMethodTask) and task.method_name in BY_ROWS:
            return _by_rows(task, arguments["tensors"], self.device)
        if self.device.type != "cpu" and task.uses_accelerator():
            arguments = {key: _moved(value, self.device) for key, value in arguments.items()}
        return task.execute(**arguments)

    def _blame(self, name: str) -> None:
        """Says where a value that is no number comes from: a model, or the sum."""
        for written, model in self.models.items():
            weights = open_weights(model)
            if name in weights and not all_finite(weights.get(name)):
                raise UserError(f"{name} of {written!r} holds NaN or infinity.", "That model is damaged: get it again.")
        raise UserError(
            f"{name} came out as NaN or infinity, though no model holds any.",
            "The numbers grew beyond the precision: set dtype: float32, or smaller weights.",
            "dtype",
        )

    def save_rest(self, folder: Path) -> None:
        """Writes the config, the tokenizer with its chat template, and the generation config."""
        settings = self._config.tokenizer
        if self._tokenizer_task:
            tokenizer = self._value(self._tokenizer_task).tokenizer
            multiple = settings.pad_to_multiple_of if settings else None
            _update_config_vocab(self.config, self._architecture, tokenizer, pad_to_multiple_of=multiple)
            _set_chat_template(tokenizer, self._config)
            tokenizer.save_pretrained(folder)
        elif self._config.chat_template:
            from workbench.models.loading import load_tokenizer

            tokenizer = load_tokenizer(self.donor.home_of_template)
            _set_chat_template(tokenizer, self._config)
            tokenizer.save_pretrained(folder)
        else:
            copy_tokenizer(self.donor.home_of_template, folder)
        self._trim_layers()
        self.config.save_pretrained(folder)
        _copy(self.donor.base, folder, ("generation_config.json",))

    def _trim_layers(self) -> None:
        """A list with one entry a layer, as some configs have, is cut or gone through again to the new length."""
        count = getattr(self.config, "num_hidden_layers", None)
        kinds = getattr(self.config, "layer_types", None)
        if count and kinds and len(kinds) != count:
            set_config_value(self.config, "layer_types", [kinds[index % len(kinds)] for index in range(count)])


def merge_to(
    plan: MergePlan,
    folder: Path,
    shard_bytes: int = 2 * 10**9,
    task: Task | None = None,
) -> ShardWriter:
    """Streams every tensor into files in `folder`, going on where an earlier call ended; returns the open writer.

    The caller gives the files their names with `finish(target)`. `task` is told of every tensor, and may end it early.
    """
    task = task or Task()
    writer = ShardWriter(folder, shard_bytes, len(plan))
    completed = len(writer.done)
    try:
        for name, tensor in plan.tensors(skip=frozenset(writer.done)):
            task.check_stop()
            writer.add(name, tensor)
            completed += 1
            task.update(completed, len(plan), f"Merging {name}")
    except BaseException:
        writer.close()
        raise
    return writer


def _by_rows(task: ExecuteMergeMethodTask, tensors: dict[Any, torch.Tensor], device: torch.device) -> Any:
    """A method that looks at each element alone, over blocks of rows: the same values with little scratch memory."""
    first = next(iter(tensors.values()), None)
    same = first is not None and all(tensor.shape == first.shape for tensor in tensors.values())
    if first is None or not same or first.ndim < 2 or first.numel() <= BLOCK_ELEMENTS:
        return task.execute(tensors=_moved(tensors, device))
    rows = max(1, BLOCK_ELEMENTS // first[0].numel())
    result: torch.Tensor | None = None
    for start in range(0, len(first), rows):
        block = {model: tensor[start : start + rows] for model, tensor in tensors.items()}
        merged = task.execute(tensors=_moved(block, device))
        assert merged is not None
        if result is None:
            result = torch.empty(first.shape, dtype=merged.dtype)
        result[start : start + rows] = merged
    return result


def _wider(dtype: torch.dtype) -> str:
    return "Set out_dtype: " + ("bfloat16, or float32." if dtype == torch.float16 else "float32.")


def _seed_of(seed: int, name: str) -> int:
    return int.from_bytes(hashlib.sha256(f"{seed}:{name}".encode()).digest()[:7], "little")


def _moved(value: Any, device: torch.device) -> Any:
    if isinstance(value, torch.Tensor):
        return value.to(device)
    return {key: _moved(item, device) for key, item in value.items()} if isinstance(value, dict) else value


def _copy(source: Path, target: Path, names: tuple[str, ...]) -> None:
    for name in names:
        if (source / name).is_file():
            shutil.copyfile(source / name, target / name)
