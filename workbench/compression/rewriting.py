"""A model written anew tensor by tensor, some of them cut, left out or renamed, with the config that fits.

Imports torch: only job processes import this.
"""

import json
from collections.abc import Callable
from typing import Any

import torch

from workbench.compression.pruner import Cut
from workbench.models import tensors
from workbench.models.merged import open_weights
from workbench.models.weights import ShardWriter

SHARD_BYTES = 2 * 10**9

Change = Callable[[str, torch.Tensor], tuple[str, torch.Tensor] | None]


def rewrite_tensors(cut: Cut, change: Change, text: str) -> None:
    """Streams every tensor through `change`, which gives its new name and values, or None to leave it out."""
    weights = open_weights(cut.resolved)
    names = weights.names()
    with ShardWriter(cut.folder, SHARD_BYTES, len(names)) as writer:
        for index, name in enumerate(names):
            cut.task.check_stop()
            if index % 10 == 0:
                cut.task.update(index, len(names), text)
            changed = change(name, weights.get(name))
            if changed:
                writer.add(*changed)
        writer.finish()
    cut.task.update(len(names), len(names), text)


def write_config(cut: Cut, **changes: Any) -> None:
    """The model's config.json with these settings changed."""
    config = tensors.model_config(cut.resolved.base)
    (cut.folder / "config.json").write_text(json.dumps(config | changes, indent=2), "utf-8")


def taken(tensor: torch.Tensor, indices: torch.Tensor, dimension: int) -> torch.Tensor:
    """The entries `kept` of one dimension, in memory of their own."""
    return tensor.index_select(dimension, indices).contiguous()
