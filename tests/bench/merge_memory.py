"""Peak memory of merging two models of 8 GB each, with the layout of a 4B model, in a process of its own."""

import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tests.bench._common import ROOT, peak_memory
from tests.toys import toy_tokenizer
from workbench.core.home import Home
from workbench.core.lineage import Manifest, now, versions
from workbench.core.spec import dump_yaml

LAYERS, HIDDEN, INNER, HEADS, KEYS, HEAD, VOCABULARY = 36, 2560, 9728, 32, 8, 128, 151_936
SETTINGS: dict[str, dict[str, Any]] = {
    "slerp": {"parameters": {"t": 0.4}},
    "task_arithmetic": {"parameters": {"weight": 0.5}},
}


def measure() -> Iterator[tuple[Any, ...]]:
    """Peak resident memory in GB of each method, and its seconds; the models are written here and deleted."""
    with tempfile.TemporaryDirectory(prefix="llm-workbench-bench-") as folder:
        home = Home.at(folder)
        for seed, name in enumerate(("first", "second")):
            _write(home.models / name, name, seed)
        for method in SETTINGS:
            done = subprocess.run(
                [sys.executable, "-m", "tests.bench.merge_memory", folder, method],
                cwd=ROOT, capture_output=True, text=True, check=True,
            )  # fmt: skip
            found = json.loads(done.stdout.splitlines()[-1])
            yield f"merge_memory_{method}", found["peak"], 4.0, "GB"
            yield f"merge_seconds_8gb_pair_{method}", found["seconds"], None, "s"


def _shapes() -> Iterator[tuple[str, tuple[int, ...]]]:
    """The tensors of a Llama of 4 billion parameters."""
    yield "model.embed_tokens.weight", (VOCABULARY, HIDDEN)
    for layer in range(LAYERS):
        at = f"model.layers.{layer}"
        yield f"{at}.input_layernorm.weight", (HIDDEN,)
        yield f"{at}.post_attention_layernorm.weight", (HIDDEN,)
        for name, width in (("q_proj", HEADS), ("k_proj", KEYS), ("v_proj", KEYS)):
            yield f"{at}.self_attn.{name}.weight", (width * HEAD, HIDDEN)
        yield f"{at}.self_attn.o_proj.weight", (HIDDEN, HEADS * HEAD)
        for name in ("gate_proj", "up_proj"):
            yield f"{at}.mlp.{name}.weight", (INNER, HIDDEN)
        yield f"{at}.mlp.down_proj.weight", (HIDDEN, INNER)
    yield "model.norm.weight", (HIDDEN,)


def _write(folder: Path, name: str, seed: int) -> None:
    """A model of random weights, streamed; its manifest without the digest, which nothing here needs."""
    import torch

    from workbench.models.weights import ShardWriter

    folder.mkdir()
    noise = torch.empty(2**24, dtype=torch.bfloat16).normal_(0, 0.02, generator=torch.Generator().manual_seed(seed))
    shapes = list(_shapes())
    writer = ShardWriter(folder, 2 * 10**9, len(shapes))
    for tensor, shape in shapes:
        size = int(torch.tensor(shape).prod())
        writer.add(tensor, noise.repeat(-(-size // len(noise)))[:size].reshape(shape))
    writer.finish()
    toy_tokenizer(folder)
    config = {
        "architectures": ["LlamaForCausalLM"], "model_type": "llama", "hidden_size": HIDDEN,
        "num_hidden_layers": LAYERS, "intermediate_size": INNER, "num_attention_heads": HEADS,
        "num_key_value_heads": KEYS, "head_dim": HEAD,
        "vocab_size": VOCABULARY, "tie_word_embeddings": True, "dtype": "bfloat16", "max_position_embeddings": 4096,
    }  # fmt: skip
    (folder / "config.json").write_text(json.dumps(config))
    manifest = Manifest(kind="model", name=name, created=now(), versions=versions(), made_by={"method": "bench"})
    (folder / "manifest.yaml").write_text(dump_yaml(manifest.to_dict()))


def merge_once(folder: str, method: str) -> None:
    """The child's part: one merge, then its own peak memory."""
    from workbench.merging.engine import MergePlan, merge_to
    from workbench.merging.recipe import MergeRecipe

    recipe = MergeRecipe.parse(
        {
            "merge_method": method,
            "base_model": "first",
            "models": [{"model": "first"}, {"model": "second"}],
            "dtype": "bfloat16",
            **SETTINGS[method],
        }
    )
    began = time.perf_counter()
    with tempfile.TemporaryDirectory(dir=folder) as out:
        merge_to(MergePlan(Home.at(folder), recipe), Path(out)).finish()
    print(json.dumps({"peak": round(peak_memory(), 3), "seconds": round(time.perf_counter() - began, 1)}))


if __name__ == "__main__":
    merge_once(*sys.argv[1:])
