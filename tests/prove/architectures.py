"""The smallest models of thirty-odd architectures, and a table that says of each what works.

A column is a function of a `Case`: it returns, or raises `UserError` with the one sentence that the cell shows. Add one
to `COLUMNS` in test_architectures.py; what an earlier column left in `case.made` is there by its name.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.toy_adapters import BASES, SIZES, build
from tests.toys import toy_tokenizer
from workbench.core.errors import UserError
from workbench.core.home import Home

GPT: dict[str, Any] = {"vocab_size": 400, "n_embd": 64, "n_layer": 2, "n_head": 4, "n_positions": 512}
SMALL: dict[str, Any] = {
    "vocab_size": 400, "hidden_size": 64, "intermediate_size": 128, "num_hidden_layers": 2, "num_attention_heads": 4,
    "max_position_embeddings": 512, "bos_token_id": 1, "eos_token_id": 2, "pad_token_id": 2,
}  # fmt: skip
HEAD: dict[str, Any] = {**SIZES, "head_dim": 16}
SEEN: dict[str, Any] = {
    "model_type": "clip_vision_model", "hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 1,
    "num_attention_heads": 2, "image_size": 28, "patch_size": 14, "projection_dim": 32,
}  # fmt: skip
ARCHITECTURES: dict[str, tuple[str, dict[str, Any]]] = {
    "llama": BASES["untied"],
    "llama-tied": BASES["tied"],
    "mistral": ("Mistral", SIZES),
    "qwen2": BASES["qwen2"],
    "qwen3": ("Qwen3", HEAD),
    "gemma": ("Gemma", HEAD),
    "gemma2": ("Gemma2", HEAD),
    "gemma3-text": ("Gemma3Text", HEAD),
    "gemma3": BASES["gemma3"],
    "phi": ("Phi", SMALL),
    "phi3": ("Phi3", SIZES),
    "gpt2": BASES["gpt2"],
    "gpt-j": ("GPTJ", {**GPT, "rotary_dim": 8}),
    "gpt-neox": ("GPTNeoX", SMALL),
    "gpt-oss": ("GptOss", {
        **HEAD, "num_local_experts": 4, "num_experts_per_tok": 2, "intermediate_size": 64, "head_dim": 64,
        "max_position_embeddings": 131072,
    }),
    "opt": ("OPT", {
        "vocab_size": 400, "hidden_size": 64, "ffn_dim": 128, "num_hidden_layers": 2, "num_attention_heads": 4,
        "word_embed_proj_dim": 64, "max_position_embeddings": 512, "bos_token_id": 1, "eos_token_id": 2,
        "pad_token_id": 2,
    }),
    "falcon": ("Falcon", {
        "vocab_size": 400, "hidden_size": 64, "num_hidden_layers": 2, "num_attention_heads": 4, "bos_token_id": 1,
        "eos_token_id": 2,
    }),
    "bloom": ("Bloom", {"vocab_size": 400, "hidden_size": 64, "n_layer": 2, "n_head": 4}),
    "starcoder2": ("Starcoder2", SIZES),
    "stablelm": ("StableLm", SIZES),
    "olmo2": ("Olmo2", SIZES),
    "granite": ("Granite", SIZES),
    "smollm3": ("SmolLM3", SIZES),
    "cohere": ("Cohere", SIZES),
    "cohere2": ("Cohere2", SIZES),
    "mixtral": BASES["mixtral"],
    "qwen2-moe": ("Qwen2Moe", {
        **SIZES, "num_experts": 4, "moe_intermediate_size": 32, "shared_expert_intermediate_size": 32,
        "num_experts_per_tok": 2,
    }),
    "qwen3-moe": BASES["qwen3-moe"],
    "deepseek-v2": BASES["deepseek"],
    "mamba": ("Mamba", {"vocab_size": 400, "hidden_size": 64, "num_hidden_layers": 2, "state_size": 8}),
    "bert": ("Bert", SMALL),
    "t5": ("T5", {"vocab_size": 400, "d_model": 64, "d_kv": 16, "d_ff": 128, "num_layers": 2, "num_heads": 4}),
    "llava": ("Llava", {"text_config": {**SIZES, "model_type": "llama"}, "vision_config": SEEN}),
}  # fmt: skip
CLASSES = {"bert": "BertForMaskedLM", "t5": "T5ForConditionalGeneration", "llava": "LlavaForConditionalGeneration"}


@dataclass
class Case:
    """One architecture on its way through the columns. made: names on the shelf by the column that put them there."""

    home: Home
    name: str
    source: Path
    made: dict[str, str] = field(default_factory=dict)
    cells: dict[str, str] = field(default_factory=dict)

    def needs(self, column: str) -> str:
        """The name that an earlier column put on the shelf; raises `UserError` when that did not work."""
        if column not in self.made:
            raise UserError(f"no {column}")
        return self.made[column]


Column = Callable[[Case], None]


def source(name: str, folder: Path, seed: int = 0) -> Path:
    """The model of that name, as transformers saves it."""
    architecture, settings = ARCHITECTURES[name]
    build(architecture, settings, seed, kind=CLASSES.get(name, "")).save_pretrained(folder)
    toy_tokenizer(folder)
    if name == "qwen2":  # transformers takes Qwen2's own splitting for every model of that type
        from transformers import AutoTokenizer

        AutoTokenizer.from_pretrained(folder).save_pretrained(folder)
    return folder


def walk(case: Case, columns: dict[str, Column]) -> None:
    """Fills the case's cells: 'ok' or a sentence. What is no `UserError` is raised: nobody was told anything."""
    for title, column in columns.items():
        try:
            column(case)
            case.cells[title] = "ok"
        except UserError as error:
            case.cells[title] = str(error).splitlines()[0]


def table(cases: list[Case], columns: dict[str, Column]) -> str:
    """The cells as text, the sentences below by number."""
    sentences: dict[str, int] = {}
    rows = [["architecture", *columns]]
    for case in cases:
        cells = [case.cells.get(title, "") for title in columns]
        marks = [one if one in ("ok", "") else f"({sentences.setdefault(one, len(sentences) + 1)})" for one in cells]
        rows.append([case.name, *marks])
    widths = [max(len(row[place]) for row in rows) for place in range(len(rows[0]))]
    lines = ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]
    return "\n".join([*lines, *(f"({number}) {sentence}" for sentence, number in sentences.items())])
