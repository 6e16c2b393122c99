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
    reasons = {
        f"changes {kind.embeddings}": bool(kind.embeddings),
        "has ranks or alphas of its own for some layers": any(map(config.get, ("rank_pattern", "alpha_pattern"))),
        "trains biases": config.get("bias") not in (None, "none"),
        f"was trained with {kind.scaling}, and vLLM loads its base as that is: fold it in": bool(kind.base_settings),
        f"has a rank above {RANKS[-1]}": _rank(kind) > RANKS[-1],
    }
    return next((reason for reason, holds in reasons.items() if holds), "")


def served_rank(folders: Iterable[Path]) -> int:
    """The least rank vLLM can be started with that these adapters fit into."""
    highest = max((_rank(adapter_kind(folder)) for folder in folders), default=0)
    return next(rank for rank in RANKS if rank >= highest)


def _rank(kind: AdapterKind) -> int:
    return int(kind.config.get("r") or RANKS[0])
