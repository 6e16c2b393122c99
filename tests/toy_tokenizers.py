"""Tokenizers in the layouts that models are published with, and as transformers saves them, each beside a toy model."""

import io
import json
from pathlib import Path
from typing import Any

from tests.toy_adapters import build
from tests.toys import conversations, toy_tokenizer
from workbench.rendering.templates import get_template

GEMMA = (
    "{{ bos_token }}{% for m in messages %}<start_of_turn>{{ 'model' if m['role'] == 'assistant' else m['role'] }}\n"
    "{{ m['content'] }}<end_of_turn>\n{% endfor %}{% if add_generation_prompt %}<start_of_turn>model\n{% endif %}"
)
TURNS = {"chatml": ["<|im_start|>", "<|im_end|>"], "gemma": ["<start_of_turn>", "<end_of_turn>"]}
ROWS = 384  # two more than there are tokens
PREPENDING = {
    "type": "Sequence",
    "normalizers": [
        {"type": "Prepend", "prepend": "▁"}, {"type": "Replace", "pattern": {"String": " "}, "content": "▁"},
    ],
}  # fmt: skip


def sentencepiece_tokenizer(folder: Path, family: str, turns: str, legacy: bool = False) -> None:
    """A SentencePiece tokenizer of 380 pieces and the two added tokens of a template, as published.

    family: 'llama' puts a blank before words, as `legacy` tokenizers do behind control tokens too; 'gemma' does not.
    """
    import sentencepiece

    out = io.BytesIO()
    texts = [turn["content"] for row in conversations(60) for turn in row["messages"]]
    gemma = family == "gemma"
    special = {"pad_id": 0, "eos_id": 1, "bos_id": 2, "unk_id": 3} if gemma else {
        "pad_id": -1, "unk_id": 0, "bos_id": 1, "eos_id": 2
    }  # fmt: skip
    named = {"bos_piece": "<bos>", "eos_piece": "<eos>", "pad_piece": "<pad>"} if gemma else {}
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(texts * 5), model_writer=out, vocab_size=380, model_type="bpe", byte_fallback=True,
        character_coverage=1.0, normalization_rule_name="identity", remove_extra_whitespaces=False,
        allow_whitespace_only_pieces=True, split_digits=True, add_dummy_prefix=not gemma, minloglevel=2,
        **special, **named,
    )  # fmt: skip
    (folder / "tokenizer.model").write_bytes(out.getvalue())
    names = {"bos_token": "<bos>", "eos_token": "<eos>", "pad_token": "<pad>"} if gemma else {
        "bos_token": "<s>", "eos_token": "</s>"
    }  # fmt: skip
    at = {special[f"{name[:3]}_id"]: text for name, text in names.items()} | {special["unk_id"]: "<unk>"}
    at |= {380 + place: text for place, text in enumerate(TURNS[turns])}
    config: dict[str, Any] = {
        "tokenizer_class": "GemmaTokenizer" if gemma else "LlamaTokenizer", "unk_token": "<unk>", **names,
        "added_tokens_decoder": {
            str(index): {"content": text, "special": True, "normalized": False} for index, text in sorted(at.items())
        },
    }  # fmt: skip
    (folder / "tokenizer_config.json").write_text(json.dumps(config if gemma else {**config, "legacy": legacy}))
    _write_rules(folder, PREPENDING if legacy else None)
    (folder / "chat_template.jinja").write_text(GEMMA if turns == "gemma" else get_template(turns).text)


def _write_rules(folder: Path, normalizer: dict[str, Any] | None) -> None:
    from transformers import AutoTokenizer

    rules = json.loads(AutoTokenizer.from_pretrained(folder).backend_tokenizer.to_str())
    if normalizer:
        rules |= {"normalizer": normalizer, "pre_tokenizer": None}
    (folder / "tokenizer.json").write_text(json.dumps(rules))


def byte_level_tokenizer(folder: Path) -> None:
    """A byte-level BPE with ChatML's tokens in the list of added tokens, as published."""
    toy_tokenizer(folder)
    added = json.loads((folder / "tokenizer.json").read_text())["added_tokens"]
    config = json.loads((folder / "tokenizer_config.json").read_text())
    config["added_tokens_decoder"] = {str(token.pop("id")): token for token in added}
    (folder / "tokenizer_config.json").write_text(json.dumps(config))


def save_anew(folder: Path, beside: bool) -> None:
    """Saves the tokenizer with transformers: beside its published files, or as the only files there are."""
    from transformers import AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(folder)
    for path in [] if beside else [*folder.glob("*token*"), folder / "chat_template.jinja"]:
        path.unlink()
    tokenizer.save_pretrained(folder)


def toy_weights(folder: Path, architecture: str, rows: int = ROWS, seed: int = 0, **settings: Any) -> None:
    """The model of a tokenizer, with some rows more than there are tokens."""
    sizes: dict[str, Any] = {
        "vocab_size": rows, "hidden_size": 64, "intermediate_size": 128, "num_hidden_layers": 2,
        "num_attention_heads": 4, "num_key_value_heads": 2, "head_dim": 16, "max_position_embeddings": 512,
        "tie_word_embeddings": True, "pad_token_id": None,
    }  # fmt: skip
    build(architecture, {**sizes, **settings}, seed).save_pretrained(folder)
