"""The toy Llama as a GGUF file, and a home to chat with it."""

import functools
import json
import shutil
from pathlib import Path
from typing import Any

import gguf
import numpy as np
import pytest
from safetensors import safe_open

from tests.toys import toy_adapter, toy_dataset, toy_model
from workbench.core.home import Home, atomic_dir
from workbench.core.lineage import Manifest, parent_of, write_manifest

HEADS, KV_HEADS = 4, 2


@functools.cache
def _made(folder: Path) -> Path:
    home = Home.at(folder)
    toy_model(home, lessons=60)
    toy_model(home, "other", seed=1)
    toy_gguf(home)
    toy_lora(home, "a")
    toy_dataset(home)
    return folder


def gguf_home(factory: pytest.TempPathFactory, root: Path) -> Home:
    """A home with the taught 'toy', its GGUF 'toy-f32' and its adapter 'a', and the untaught 'other'."""
    shutil.copytree(_made(factory.getbasetemp() / "gguf-home"), root)
    return Home.at(root)


def toy_lora(home: Home, name: str, base: str = "toy", **settings: Any) -> None:
    """An adapter that changes the answers, and not so much that rounding would."""
    toy_adapter(home, name, base=base, spread=0.2, **settings)


def reordered(weight: np.ndarray, heads: int) -> np.ndarray:
    return weight.reshape(heads, 2, len(weight) // heads // 2, -1).swapaxes(1, 2).reshape(weight.shape)


def toy_gguf(home: Home, source: str = "toy", name: str = "toy-f32", **changes: Any) -> Path:
    """The toy Llama as a GGUF in float32, rows of q and k in llama.cpp's order."""
    folder = home.models / source
    config = json.loads((folder / "config.json").read_text())
    with atomic_dir(home.models / name, replace=True) as made:
        writer = gguf.GGUFWriter(made / "model.gguf", "llama")
        writer.add_context_length(config["max_position_embeddings"])
        writer.add_embedding_length(config["hidden_size"])
        writer.add_block_count(config["num_hidden_layers"])
        writer.add_feed_forward_length(config["intermediate_size"])
        writer.add_head_count(HEADS)
        writer.add_head_count_kv(KV_HEADS)
        writer.add_layer_norm_rms_eps(config["rms_norm_eps"])
        writer.add_rope_dimension_count(config["hidden_size"] // HEADS)
        writer.add_rope_freq_base(config["rope_parameters"]["rope_theta"])
        writer.add_vocab_size(config["vocab_size"])
        writer.add_file_type(0)
        write_tokenizer(writer, folder, config["vocab_size"], **changes)
        write_tensors(writer, folder, config["num_hidden_layers"])
        writer.write_header_to_file()
        writer.write_kv_data_to_file()
        writer.write_tensors_to_file()
        writer.close()
        info = {"architecture": "llama", "type": "F32"}
        parents = [parent_of(folder, "quantized")]
        write_manifest(made, Manifest(kind="gguf", name=name, parents=parents, info=info))
    return home.models / name


def write_tokenizer(
    writer: gguf.GGUFWriter, folder: Path, size: int, template: str | None = None, add_bos: bool = False
) -> None:
    data = json.loads((folder / "tokenizer.json").read_text())
    ids = {**data["model"]["vocab"], **{one["content"]: one["id"] for one in data["added_tokens"]}}
    special = {one["content"] for one in data["added_tokens"]}
    tokens = sorted(ids, key=ids.__getitem__)
    kinds = [gguf.TokenType.CONTROL if one in special else gguf.TokenType.NORMAL for one in tokens]
    unused = size - len(tokens)
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre("gpt-2")
    writer.add_token_list([*tokens, *(f"[PAD{n}]" for n in range(unused))])
    writer.add_token_types([*kinds, *[gguf.TokenType.UNUSED] * unused])
    writer.add_token_merges([" ".join(pair) for pair in data["model"]["merges"]])
    writer.add_bos_token_id(1)
    writer.add_eos_token_id(2)
    writer.add_pad_token_id(2)
    writer.add_add_bos_token(add_bos)
    writer.add_chat_template(template if template is not None else (folder / "chat_template.jinja").read_text())


def write_tensors(writer: gguf.GGUFWriter, folder: Path, blocks: int) -> None:
    names = gguf.get_tensor_name_map(gguf.MODEL_ARCH.LLAMA, blocks)
    with safe_open(folder / "model.safetensors", framework="np") as file:
        for key in file.keys():  # noqa: SIM118  (safe_open is no dict)
            weight = file.get_tensor(key)
            if "q_proj" in key or "k_proj" in key:
                weight = reordered(weight, HEADS if "q_proj" in key else KV_HEADS)
            writer.add_tensor(names.get_name(key, (".weight",)), weight.astype(np.float32))
