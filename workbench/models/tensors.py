"""What weight files say about themselves, read from their headers and an adapter's config alone."""

import collections
import math
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from workbench.core.errors import UserError, shortened
from workbench.core.limits import bounded_object
from workbench.models.safetensors_files import MOST_HEADER_BYTES, opened


@dataclass(frozen=True)
class Weights:
    """Parameters counted over all files, the most common dtype by parameters, and the bytes on disk."""

    parameters: int
    dtype: str
    size: int


DTYPE_NAMES = {"F32": "float32", "F16": "float16", "BF16": "bfloat16", "I8": "int8", "U8": "uint8", "F64": "float64"}


def weight_files(folder: Path) -> list[Path]:
    """The safetensors files of a folder, by name."""
    with os.scandir(folder) as entries:
        return sorted(folder / entry.name for entry in entries if entry.name.endswith(".safetensors"))


def shapes(folder: Path) -> Iterator[tuple[str, tuple[int, ...], str]]:
    """Yields (tensor name, shape, safetensors dtype) of every tensor; raises `UserError` on a damaged file, and on one
    whose header is over the limits."""
    for path in weight_files(folder):
        with opened(path) as file:
            for name in file.keys():  # noqa: SIM118  (safe_open is no dict)
                tensor_slice = file.get_slice(name)
                yield name, tuple(tensor_slice.get_shape()), tensor_slice.get_dtype()


def summary(folder: Path) -> Weights:
    """Counts the tensors of a folder."""
    counts: collections.Counter[str] = collections.Counter()
    for _, shape, dtype in shapes(folder):
        counts[dtype] += math.prod(shape)
    dtype = counts.most_common(1)[0][0] if counts else ""
    size = sum(path.stat().st_size for path in weight_files(folder))
    return Weights(sum(counts.values()), DTYPE_NAMES.get(dtype, dtype.lower()), size)


def check_shards(folder: Path) -> list[UserError]:
    """What is wrong with the weight files: shards the index names that are missing, or headers that cannot be read."""
    index = folder / "model.safetensors.index.json"
    if index.is_file():
        try:
            shards = sorted(set(bounded_object(index, MOST_HEADER_BYTES)["weight_map"].values()))
            missing = [shard for shard in shards if not (folder / shard).is_file()]
        except UserError as error:
            return [UserError(f"{index.name} is damaged: {error.message}", error.remedy)]
        except (KeyError, AttributeError, TypeError, ValueError, OSError) as error:
            message = f"{index.name} is damaged ({type(error).__name__}: {shortened(str(error), 100)})."
            return [UserError(message, "Get a fresh copy of it.")]
        if missing:
            message = f"{len(missing)} of {len(shards)} weight files are missing ({shortened(missing[0], 100)})."
            return [UserError(message, "Copy the missing files, or download the model again.")]
    try:
        summary(folder)
    except UserError as error:
        return [error]
    return []


def model_config(folder: Path) -> dict[str, Any]:
    """A model's config.json; raises `UserError` when it cannot be read."""
    return _json_object(folder / "config.json")


def adapter_config(adapter: Path) -> dict[str, Any]:
    """An adapter's adapter_config.json; raises `UserError` when it cannot be read."""
    return _json_object(adapter / "adapter_config.json")


def _json_object(path: Path) -> dict[str, Any]:
    try:
        return bounded_object(path)
    except UserError as error:
        raise UserError(f"{path.parent.name}: {error.message}", "Get the model again.") from None


def lora_scaling(config: dict[str, Any], module: str, rank: int) -> float:
    """What PEFT multiplies B A of this module of the base by. Imports peft."""
    from peft.utils.other import get_pattern_key

    patterns: dict[str, float] = config.get("alpha_pattern") or {}
    alpha = float(patterns.get(get_pattern_key(list(patterns), module), config["lora_alpha"]))
    return alpha / (math.sqrt(rank) if config.get("use_rslora") else rank)
