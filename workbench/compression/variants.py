"""The variants of a model as the shelf knows them, without loading any: what they are and how large."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from workbench.core.home import Home
from workbench.core.lineage import read_manifest
from workbench.gguf.reading import read_header
from workbench.models import tensors
from workbench.models.model_references import ModelRef
from workbench.models.shelf import gguf_in, model_row

WEIGHT_FILES = (".safetensors", ".gguf")
VARIANT = ModelRef("model", "adapter", "gguf")
"""What can be measured beside others."""


@dataclass(frozen=True)
class Variant:
    """One variant: its kind ('model', 'adapter' or 'gguf'), the type of its weights, and the bytes of all files of
    weights it needs. `digest` changes with any of them; `parameters` are 0 where files do not tell (packed weights)."""

    name: str
    kind: str
    type: str
    bytes: int
    parameters: int
    digest: str


def find_variant(home: Home, name: str, field: str = "variants") -> Variant:
    """What a reference to one says; raises `UserError` for what cannot answer, or be measured."""
    resolved = VARIANT.resolve(home, name, field)
    if resolved.kind == "gguf":
        path = gguf_in(resolved.base)
        header = read_header(path)
        return Variant(name, "gguf", header.type, path.stat().st_size, header.parameters, _digest(resolved.base))
    folders = [folder for folder in (resolved.base, resolved.adapter) if folder]
    size = sum(path.stat().st_size for folder in folders for path in folder.iterdir() if path.suffix in WEIGHT_FILES)
    packed = quantization(resolved.base)
    type_ = packed or tensors.summary(resolved.base).dtype
    if resolved.adapter:
        type_ = f"{model_row(resolved.adapter).architecture} on {resolved.base.name} ({type_})"
    parameters = 0 if packed else sum(tensors.summary(folder).parameters for folder in folders)
    return Variant(name, resolved.kind, type_, size, parameters, ":".join(map(_digest, folders)))


def quantization(folder: Path) -> str:
    """How a model's weights are packed according to its config: 'bitsandbytes nf4', …; '' for plain ones."""
    try:
        config: Any = json.loads((folder / "config.json").read_text("utf-8")).get("quantization_config")
    except (OSError, ValueError, AttributeError):
        return ""
    if not isinstance(config, dict):
        return ""
    if config.get("load_in_4bit"):
        bits = str(config.get("bnb_4bit_quant_type", "4 bit"))
    elif config.get("load_in_8bit"):
        bits = "int8"
    else:
        bits = f"{config['bits']} bit" if config.get("bits") else ""
    return f"{config.get('quant_method', 'quantized')} {bits}".strip()


def _digest(folder: Path) -> str:
    return read_manifest(folder).digest
