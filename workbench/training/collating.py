"""Encoded rows as a trainer takes them: a memory-mapped dataset, and collators that pad rows into tensors.

Imports torch and datasets: only job processes import this.
"""

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import pyarrow as pa
import torch
from datasets import Dataset
from datasets.table import InMemoryTable

from workbench.data.encoding.cache import EncodedRows
from workbench.rendering.rendered import IGNORED

WEIGHTS_COLUMN, ROW_NUMBER = "weights", "row_number"
Row = dict[str, Any]


def as_dataset(encoded: EncodedRows) -> Dataset:
    """The rows as a dataset of Hugging Face's, without a copy: its pages stay in the files of the cache.

    The fingerprint is given, as making one would read every row.
    """
    return Dataset(InMemoryTable(encoded.table), fingerprint=encoded.key)


def mean_weight(encoded: EncodedRows) -> float | None:
    """The mean of the learned tokens' weights; None if all count alike, or there are none."""
    name = next(name for name in encoded.table.column_names if name.endswith("spans"))
    low, high, total, tokens = math.inf, 0.0, 0.0, 0
    for chunk in encoded.table.column(name).chunks:
        start, end, weight = (chunk.flatten().field(field).to_numpy() for field in ("start", "end", "weight"))
        if len(weight):
            low, high = min(low, float(weight.min())), max(high, float(weight.max()))
            total += float(((end - start) * weight).sum())
            tokens += int((end - start).sum())
    return total / tokens if low < high else None


def as_numbered_dataset(encoded: EncodedRows) -> Dataset:
    """The same with the number of each row in a column of its own."""
    numbers = pa.array(np.arange(len(encoded)))
    return Dataset(InMemoryTable(encoded.table.append_column(ROW_NUMBER, numbers)), fingerprint=f"{encoded.key}-n")


class AnswerCollator:
    """Pads conversations and texts: {input_ids, labels, attention_mask}, (rows, width) each.

    Labels are -100 where nothing is learned. With `mean_weight` there are also `weights`, (rows, width) float32: how
    much a token counts, its weight over the mean.
    """

    def __init__(self, pad_token_id: int, mean_weight: float | None = None):
        self.pad_token_id, self.mean_weight = pad_token_id, mean_weight

    def __call__(self, rows: Sequence[Row]) -> dict[str, torch.Tensor]:
        ids, mask = padded([row["input_ids"] for row in rows], self.pad_token_id)
        weights = learned_weights([row["spans"] for row in rows], ids.shape[1])
        batch = {"input_ids": ids, "labels": ids.masked_fill(weights == 0, IGNORED), "attention_mask": mask}
        return {**batch, WEIGHTS_COLUMN: weights / self.mean_weight} if self.mean_weight else batch


class PairCollator:
    """Pads pairs as TRL's DPO trainer takes them: {input_ids, completion_mask, attention_mask}.

    (2 × pairs, width) each: first the chosen answers with their prompts, then the rejected ones. Numbered rows have
    `row_numbers` too, (pairs,).
    """

    def __init__(self, pad_token_id: int):
        self.pad_token_id = pad_token_id

    def __call__(self, rows: Sequence[Row]) -> dict[str, torch.Tensor]:
        sides = [(side, row) for side in ("chosen", "rejected") for row in rows]
        ids, mask = padded([row[f"{side}_ids"] for side, row in sides], self.pad_token_id)
        weights = learned_weights([row[f"{side}_spans"] for side, row in sides], ids.shape[1])
        batch = {"input_ids": ids, "completion_mask": (weights > 0).long(), "attention_mask": mask}
        numbers = [row[ROW_NUMBER] for row in rows if ROW_NUMBER in row]
        return {**batch, "row_numbers": torch.tensor(numbers)} if numbers else batch


def padded(rows: Sequence[Sequence[int]], pad_token_id: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Ids padded at the right to the longest row, and the mask of those that are no padding; int64."""
    width = max(map(len, rows))
    ids = torch.full((len(rows), width), pad_token_id)
    mask = torch.zeros_like(ids)
    for index, row in enumerate(rows):
        ids[index, : len(row)] = torch.tensor(row)
        mask[index, : len(row)] = 1
    return ids, mask


def learned_weights(rows: Sequence[Sequence[dict[str, Any]]], width: int) -> torch.Tensor:
    """(rows, width) float32: the weight of every token that lies in a learned span, 0 elsewhere."""
    weights = torch.zeros((len(rows), width))
    for index, spans in enumerate(rows):
        for span in spans:
            weights[index, span["start"] : span["end"]] = span["weight"]
    return weights
