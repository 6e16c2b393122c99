"""A toy model and toy conversations, built offline in milliseconds: what the checks train, convert and ask."""

import json
from pathlib import Path
from typing import Any

from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers

from workbench.core.home import Home, atomic_dir
from workbench.core.lineage import Manifest, write_manifest
from workbench.data.store.datasets import write_rows
from workbench.rendering.templates import get_template

SPECIAL_TOKENS = ["<|endoftext|>", "<|im_start|>", "<|im_end|>"]
SUBJECTS = ["red apple", "blue sky", "green leaf", "small wren", "old oak", "warm rain", "grey stone", "quiet lake"]


def toy_conversations(count: int, answer: str = "It is good.") -> list[dict[str, Any]]:
    """Short conversations, all different."""
    return [
        {
            "messages": [
                {"role": "user", "content": f"Tell me of the {SUBJECTS[n % len(SUBJECTS)]} number {n}."},
                {"role": "assistant", "content": f"{answer} The {SUBJECTS[n % len(SUBJECTS)]} is {n % 7} years old."},
            ]
        }
        for n in range(count)
    ]


def toy_tokenizer(folder: Path) -> None:
    """A byte-level BPE of 400 tokens with ChatML's special tokens and template."""
    backend = Tokenizer(models.BPE())
    backend.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    backend.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=400,
        special_tokens=SPECIAL_TOKENS,
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    backend.train_from_iterator(
        [message["content"] for row in toy_conversations(40) for message in row["messages"]], trainer
    )
    backend.save(str(folder / "tokenizer.json"))
    config = {
        "tokenizer_class": "PreTrainedTokenizerFast",
        "bos_token": "<|im_start|>",
        "eos_token": "<|im_end|>",
        "pad_token": "<|im_end|>",
        "model_max_length": 512,
    }
    (folder / "tokenizer_config.json").write_text(json.dumps(config))
    (folder / "chat_template.jinja").write_text(get_template("chatml").text)


def toy_model(
    home: Home, name: str = "toy", seed: int = 0, hidden: int = 64, layers: int = 2, lessons: int = 0
) -> Path:
    """A randomly initialised Llama on the shelf, which `lessons` steps teach to end its answers; returns its folder."""
    import torch
    from transformers import LlamaConfig, LlamaForCausalLM

    torch.manual_seed(seed)
    config = LlamaConfig(
        vocab_size=400,
        hidden_size=hidden,
        intermediate_size=hidden * 2,
        num_hidden_layers=layers,
        num_attention_heads=4,
        num_key_value_heads=2,
        max_position_embeddings=512,
        bos_token_id=1,
        eos_token_id=2,
        pad_token_id=2,
        tie_word_embeddings=True,
    )
    with atomic_dir(home.models / name) as folder:
        toy_tokenizer(folder)
        model = LlamaForCausalLM(config)
        _teach(model, folder, lessons)
        model.save_pretrained(folder)
        write_manifest(folder, Manifest(kind="model", name=name, made_by={"method": "toy", "seed": seed}))
    return home.models / name


def _teach(model: Any, folder: Path, lessons: int) -> None:
    import torch

    tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
    texts = [
        "".join(f"<|im_start|>{turn['role']}\n{turn['content']}<|im_end|>\n" for turn in row["messages"])
        for row in toy_conversations(40, "It is so.")
    ]
    rows = [tokenizer.encode(text).ids for text in texts]
    optimizer = torch.optim.AdamW(model.parameters(), lr=5e-3)
    for lesson in range(lessons):
        ids = torch.tensor([rows[lesson % len(rows)]])
        model(input_ids=ids, labels=ids).loss.backward()
        optimizer.step()
        optimizer.zero_grad()


def toy_dataset(home: Home, name: str = "talks", count: int = 40, held_out: int = 6) -> None:
    """A dataset of such conversations on the shelf, the first of them held out."""
    rows = toy_conversations(count)
    write_rows(home, name, "conversation", rows[held_out:], rows[:held_out])
