"""What weight files say about themselves, read from their headers and an adapter's config alone."""

import collections
import math
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from safetensors import SafetensorError, safe_open

from workbench.errors import UserError, shortened
from workbench.limits import bounded_object


@dataclass(frozen=True)
class Weights:
    """Parameters counted over all files, the most common dtype by parameters, and the bytes on disk."""

    parameters: int
    dtype: str
    size: int


MOST_HEADER_BYTES = 32 * 1024**2  # of one file; a tensor takes about 100 bytes there
MOST_TENSORS = 100_000  # of one file; the largest published models have as many in over a hundred files
NAMES = {"F32": "float32", "F16": "float16", "BF16": "bfloat16", "I8": "int8", "U8": "uint8", "F64": "float64"}


def shapes(folder: Path) -> Iterator[tuple[str, tuple[int, ...], str]]:
    """Yields (tensor name, shape, safetensors dtype) of every tensor; raises `UserError` on a damaged file, and on one
    whose header is over the limits."""
    for path in sorted(folder.glob("*.safetensors")):
        try:
            _check_header(path)
            with safe_open(path, framework="np") as file:
                for name in file.keys():  # noqa: SIM118  (safe_open is no dict)
                    part = file.get_slice(name)
                    yield name, tuple(part.get_shape()), part.get_dtype()
        except (SafetensorError, OSError) as error:
            raise UserError(f"{path.name} is damaged: {error}.", "Download or save the model again.") from None


def _check_header(path: Path) -> None:
    """Raises `UserError` for a header that is too large, before anything is made of it; `safe_open` checks the rest.

    https://huggingface.co/docs/safetensors/index#format
    """
    if not path.is_file():
        raise UserError(f"{path.name} is no regular file.", "Download or save the model again.")
    with path.open("rb") as file:
        size = int.from_bytes(file.read(8), "little")
        if size > MOST_HEADER_BYTES:
            raise UserError(
                f"The header of {path.name} is over {MOST_HEADER_BYTES / 1024**2:g} MB.", "Download the model again."
            )
        count = file.read(size).count(b'"data_offsets"')
    if count > MOST_TENSORS:
        raise UserError(
            f"{path.name} holds {count:,} tensors, more than {MOST_TENSORS:,}.", "Save the model in several files."
        )


def summary(folder: Path) -> Weights:
    """Counts the tensors of a folder."""
    counts: collections.Counter[str] = collections.Counter()
    for _, shape, dtype in shapes(folder):
        counts[dtype] += math.prod(shape)
    dtype = counts.most_common(1)[0][0] if counts else ""
    size = sum(path.stat().st_size for path in folder.glob("*.safetensors"))
    return Weights(sum(counts.values()), NAMES.get(dtype, dtype.lower()), size)


def check_shards(folder: Path) -> list[str]:
    """Problems of the weight files: shards the index names that are missing, or headers that cannot be read."""
    index = folder / "model.safetensors.index.json"
    if index.is_file():
        try:
            shards = sorted(set(bounded_object(index, MOST_HEADER_BYTES)["weight_map"].values()))
            missing = [shard for shard in shards if not (folder / shard).is_file()]
        except UserError as error:
            return [f"{index.name} is damaged: {error.message}"]
        except (KeyError, AttributeError, TypeError, ValueError, OSError) as error:
            return [f"{index.name} is damaged ({type(error).__name__}: {shortened(str(error), 100)})."]
        if missing:
            return [f"{len(missing)} of {len(shards)} weight files are missing ({shortened(missing[0], 100)})."]
    try:
        summary(folder)
    except UserError as error:
        return [error.message]
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
