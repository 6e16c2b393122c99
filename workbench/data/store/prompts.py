"""Prompts and texts that models are asked and measured with: those of a dataset, and some that come along."""

import json
from typing import Any

from workbench.core.assets import ASSETS
from workbench.core.home import Home
from workbench.core.spec import load_yaml
from workbench.data.store import datasets

BUILT_IN = "built-in text"


def prompts_of(home: Home, dataset: str, limit: int) -> list[list[dict[str, str]]]:
    """The first `limit` prompts of a dataset: message lists that end in a user turn, none twice.

    Prompt sets and preference sets give their prompts, conversations what comes before the first answer.
    """
    prompts: list[list[dict[str, str]]] = []
    for split in ("train", "eval"):
        for row in datasets.rows(home, dataset, split, 0, limit * 2) if datasets.count(home, dataset, split) else []:
            prompt = row.get("prompt") or _before_answer(row.get("messages") or [])
            if prompt and prompt not in prompts:
                prompts.append(prompt)
    return prompts[:limit]


def _before_answer(messages: list[dict[str, str]]) -> list[dict[str, str]]:
    end = next((index for index, message in enumerate(messages) if message["role"] == "assistant"), len(messages))
    return messages[:end]


def built_in_prompts() -> list[list[dict[str, str]]]:
    """A few general prompts, as conversations."""
    asked = load_yaml((ASSETS / "merging" / "prompts.yaml").read_text("utf-8"))
    return [[{"role": "user", "content": text}] for text in asked]


def held_out_prompts() -> list[dict[str, Any]]:
    """Short conversations about general knowledge, written for this purpose."""
    return [json.loads(line) for line in (ASSETS / "merging" / "held_out.jsonl").read_text("utf-8").splitlines()]
