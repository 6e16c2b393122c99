"""Which adapters vLLM answers with as PEFT does: https://docs.vllm.ai/en/latest/features/lora.html."""

from collections.abc import Iterable
from pathlib import Path
from typing import Any

from workbench.models.adapters import AdapterKind, adapter_kind

RANKS = (8, 16, 32, 64, 128, 256, 320, 512)
"""What `--max-lora-rank` takes."""


def reason_against_adapter(folder: Path) -> str:
    """Why vLLM would not answer with an adapter as PEFT does; '' for plain LoRA of one rank.

    Raises `UserError` on damaged files.
    """
    kind = adapter_kind(folder)
    config: dict[str, Any] = kind.config
    if kind.type != "LORA":
        return f"is no LoRA but {kind.type or 'of no known kind'}"
    if kind.beyond_lora or kind.private:
        return kind.beyond_lora or "changes its base in memory"
    if kind.embeddings:
        return f"changes {kind.embeddings}"
    if any(config.get(name) for name in ("rank_pattern", "alpha_pattern")):
        return "has ranks or alphas of its own for some layers"
    if config.get("bias") not in (None, "none"):
        return "trains biases"
    return f"has a rank above {RANKS[-1]}" if _rank(kind) > RANKS[-1] else ""


def served_rank(folders: Iterable[Path]) -> int:
    """The least rank vLLM can be started with that these adapters fit into."""
    highest = max((_rank(adapter_kind(folder)) for folder in folders), default=0)
    return next(rank for rank in RANKS if rank >= highest)


def _rank(kind: AdapterKind) -> int:
    return int(kind.config.get("r") or RANKS[0])
