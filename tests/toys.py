"""Toy models and data built offline in milliseconds, in a home of the test's own."""

import json
from pathlib import Path
from typing import Any

from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers

from workbench.core.hardware import Hardware
from workbench.core.home import Home, atomic_dir
from workbench.core.lineage import Manifest, parent_of, write_manifest
from workbench.data.store.datasets import write_rows
from workbench.models.adapter_judge import judge_adapter
from workbench.rendering.templates import get_template

EXACT = Hardware(device="cpu", cores=2, bf16=False)
SPECIAL = ["<|endoftext|>", "<|im_start|>", "<|im_end|>"]
WORDS = ["red apple", "blue sky", "green leaf", "small wren", "old oak", "warm rain", "grey stone", "quiet lake"]


def conversations(count: int, answer: str = "It is good.") -> list[dict[str, Any]]:
    """Short conversations, all different."""
    return [
        {
            "messages": [
                {"role": "user", "content": f"Tell me of the {WORDS[n % len(WORDS)]} number {n}."},
                {"role": "assistant", "content": f"{answer} The {WORDS[n % len(WORDS)]} is {n % 7} years old."},
            ]
        }
        for n in range(count)
    ]


def preferences(count: int) -> list[dict[str, Any]]:
    """Preference pairs: the chosen side is short and kind, the rejected one rude."""
    return [
        {
            "prompt": row["messages"][:1],
            "chosen": row["messages"][1:],
            "rejected": [{"role": "assistant", "content": "No no no."}],
        }
        for row in conversations(count)
    ]


def toy_tokenizer(folder: Path) -> None:
    """A byte-level BPE of 400 tokens with ChatML's special tokens and template."""
    backend = Tokenizer(models.BPE())
    backend.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    backend.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=400,
        special_tokens=SPECIAL,
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    backend.train_from_iterator(
        [message["content"] for row in conversations(40) for message in row["messages"]], trainer
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
        for row in conversations(40, "It is so.")
    ]
    rows = [tokenizer.encode(text).ids for text in texts]
    optimizer = torch.optim.AdamW(model.parameters(), lr=5e-3)
    for lesson in range(lessons):
        ids = torch.tensor([rows[lesson % len(rows)]])
        model(input_ids=ids, labels=ids).loss.backward()
        optimizer.step()
        optimizer.zero_grad()


def wordy_model(home: Home, name: str, seed: int) -> None:
    """A toy with large random weights: untrained ones repeat their last token, and alike."""
    import torch

    from workbench.models.loading import load_base

    folder = toy_model(home, name, seed)
    model = load_base(folder, EXACT)
    with torch.no_grad():
        for weight_name, weight in model.named_parameters():
            if "proj" in weight_name:
                weight.normal_(0, 0.2)
    model.save_pretrained(folder)
    write_manifest(folder, Manifest(kind="model", name=name))


def toy_adapter(home: Home, name: str, seed: int = 5, base: str = "toy", spread: float = 0.3, **settings: Any) -> Path:
    """A LoRA adapter with random weights on both sides, so that it changes every layer it has; returns its folder.

    `spread` is their standard deviation, `settings` are LoraConfig's.
    """
    import torch
    from peft import LoraConfig, get_peft_model

    from workbench.models.loading import load_base, load_tokenizer

    common = {"r": 4, "lora_alpha": 8, "target_modules": "all-linear", "task_type": "CAUSAL_LM"}
    model: Any = get_peft_model(load_base(home.models / base, EXACT), LoraConfig(**{**common, **settings}))
    torch.manual_seed(seed)
    for weight in model.parameters():
        if weight.requires_grad:
            torch.nn.init.normal_(weight, std=spread)
    with atomic_dir(home.models / name, replace=True) as folder:
        model.save_pretrained(folder)
        load_tokenizer(home.models / base).save_pretrained(folder)
        write_manifest(folder, Manifest(kind="adapter", name=name, parents=[parent_of(home.models / base, "base")]))
    judge_adapter(home, home.models / name, home.models / base)  # as an import does: no server has to look at it again
    return home.models / name


def toy_dataset(home: Home, name: str = "talks", count: int = 40, held_out: int = 6) -> None:
    rows = conversations(count)
    write_rows(home, name, "conversation", rows[held_out:], rows[:held_out])


def toy_pairs(home: Home, name: str = "pairs", count: int = 16) -> None:
    rows = preferences(count)
    write_rows(home, name, "preference", rows[2:], rows[:2])


def toy_home(folder: Path, lessons: int = 0) -> Home:
    """A home with the model 'toy' and the datasets 'talks' and 'pairs'."""
    home = Home.at(folder)
    toy_model(home, lessons=lessons)
    toy_dataset(home)
    toy_pairs(home)
    return home
