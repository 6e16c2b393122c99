"""Toy models and data built offline in milliseconds, in a home of the test's own."""

from pathlib import Path
from typing import Any

from workbench.core.hardware import Hardware
from workbench.core.home import Home, atomic_dir
from workbench.core.lineage import Manifest, parent_of, write_manifest
from workbench.data.store.datasets import write_rows
from workbench.doctor.toy import SPECIAL_TOKENS, SUBJECTS, toy_dataset, toy_model, toy_tokenizer
from workbench.doctor.toy import toy_conversations as conversations
from workbench.models.adapter_judge import judge_adapter

__all__ = [
    "EXACT", "SPECIAL_TOKENS", "SUBJECTS", "conversations", "preferences", "toy_adapter", "toy_dataset", "toy_home",
    "toy_model", "toy_pairs", "toy_tokenizer", "wordy_model",
]  # fmt: skip

EXACT = Hardware(device="cpu", cores=2, bf16=False)


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
