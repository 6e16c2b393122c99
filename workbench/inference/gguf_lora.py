"""LoRA adapters of the shelf over GGUF models, as GGUF+ADAPTER names the two together.

llama.cpp adds an adapter to a quantized model while it answers, so one file in memory serves many adapters. Its own
format for them: https://github.com/ggml-org/llama.cpp/blob/master/convert_lora_to_gguf.py.
"""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from workbench.core.errors import UserError
from workbench.core.home import Home
from workbench.core.lineage import read_manifest
from workbench.gguf.reading import Header, read_header
from workbench.models.adapter_judge import require_sound
from workbench.models.adapters import adapter_kind
from workbench.models.model_references import Resolved, resolve
from workbench.models.safetensors_files import opened
from workbench.models.shelf import gguf_in
from workbench.models.tensors import adapter_config, lora_scaling

if TYPE_CHECKING:
    import torch

PERMUTED = {"llama": True, "qwen2": False, "qwen3": False}  # whether conversion reorders the rows of q and k
FOLD = "Fold the adapter into its base and quantize that."


def check_pair(home: Home, pair: Resolved, field: str = "model") -> None:
    """Raises `UserError` unless GGUF+ADAPTER can answer: a LoRA trained on the model the GGUF was made from."""
    assert pair.adapter
    gguf, adapter = pair.base.name, pair.adapter.name
    header = read_header(gguf_in(pair.base))
    trained_on = read_manifest(pair.adapter).parent("base")
    made_from = read_manifest(pair.base).parent("quantized")
    if trained_on is None or made_from is None or made_from.digest != trained_on.digest:
        base = trained_on.name if trained_on else "?"
        raise UserError(
            f"{adapter!r} was trained on {base!r}, and {gguf!r} was not made from that.",
            f"Choose a GGUF of {base!r}, or fold the adapter into its base and quantize that.",
            field,
        )
    if header.architecture not in PERMUTED:
        raise UserError(f"Adapters over GGUF files of {header.architecture!r} are not known here.", FOLD, field)
    kind = adapter_kind(pair.adapter)
    kind.require_usable(adapter, field)
    if reason := kind.beyond_lora:
        remedy = "Chat with it over its own base." if kind.unfoldable else FOLD
        raise UserError(f"llama.cpp cannot add {adapter!r} on the fly: it {reason}.", remedy, field)
    if kind.base_settings:
        raise UserError(
            f"llama.cpp cannot add {adapter!r} on the fly: it was trained with {kind.scaling}, and {gguf!r} has the "
            "positions of its base.", FOLD, field,
        )  # fmt: skip
    base_folder = resolve(home, adapter, field).base
    require_sound(home, pair.adapter, base_folder, field)


def lora_file(home: Home, pair: Resolved) -> Path:
    """The adapter of GGUF+ADAPTER in llama.cpp's format, made once and kept in the cache; raises `UserError`."""
    check_pair(home, pair)
    assert pair.adapter
    digests = [read_manifest(folder).digest[:16] for folder in pair.folders]
    path = home.cache / "gguf-lora" / f"{'-'.join(digests)}.gguf"
    if not path.is_file():
        path.parent.mkdir(exist_ok=True)
        partial = path.with_suffix(f".{os.getpid()}")
        try:
            _write(partial, read_header(gguf_in(pair.base)), pair.adapter, resolve(home, pair.adapter.name).base)
            partial.replace(path)
        finally:
            partial.unlink(missing_ok=True)
    return path


def _write(path: Path, header: Header, adapter: Path, base: Path) -> None:
    import gguf

    from workbench.models.adapted import Adapted

    Adapted(base, adapter)  # raises unless all that it promises is in its file
    config = adapter_config(adapter)
    architecture = next(one for one, name in gguf.MODEL_ARCH_NAMES.items() if name == header.architecture)
    names = gguf.get_tensor_name_map(architecture, header.number(f"{header.architecture}.block_count", 0))
    alpha = float(config["lora_alpha"])
    writer = gguf.GGUFWriter(path, header.architecture)
    writer.add_type(gguf.GGUFType.ADAPTER)
    writer.add_string(gguf.Keys.Adapter.TYPE, "lora")
    writer.add_float32(gguf.Keys.Adapter.LORA_ALPHA, alpha)
    for module, a, b in _pairs(adapter):
        name = names.get_name(module)
        if name is None:
            raise UserError(f"GGUF has no place for the adapter's {module}.", FOLD, "model")
        # llama.cpp scales by alpha / rank whatever the adapter's own scaling is
        b = _reordered(b, name, header) * (lora_scaling(config, module, len(a)) * len(a) / alpha)
        writer.add_tensor(f"{name}.weight.lora_a", a.numpy())
        writer.add_tensor(f"{name}.weight.lora_b", b.contiguous().numpy())
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def _pairs(adapter: Path) -> "Iterator[tuple[str, torch.Tensor, torch.Tensor]]":
    """(module of the base, A (rank, in), B (out, rank)) in float32."""
    for path in sorted(adapter.glob("*.safetensors")):
        with opened(path, "pt") as file:
            for key in sorted(file.keys()):
                if key.endswith(".lora_A.weight"):
                    other = key.replace(".lora_A.", ".lora_B.")
                    module = key.removeprefix("base_model.model.").removesuffix(".lora_A.weight")
                    yield module, file.get_tensor(key).float(), file.get_tensor(other).float()
                elif not key.endswith(".lora_B.weight"):
                    raise UserError(f"The adapter holds {key}, which is no LoRA.", FOLD, "model")


def _reordered(b: "torch.Tensor", name: str, header: Header) -> "torch.Tensor":
    """B with the rows of q and k where conversion of the base put them: each head's halves interleaved."""
    kind = name.rsplit(".", 1)[-1]
    if not PERMUTED[header.architecture] or kind not in ("attn_q", "attn_k"):
        return b
    key = f"{header.architecture}.attention.head_count"
    heads = header.number(key, 1)
    if kind == "attn_k":
        heads = header.number(f"{key}_kv", heads)
    return b.reshape(heads, 2, len(b) // heads // 2, -1).swapaxes(1, 2).reshape(b.shape)
