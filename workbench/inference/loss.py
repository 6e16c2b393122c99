"""The loss of a model on rows of a dataset: what training lowers, measured without training."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from workbench.core.errors import UserError
from workbench.core.home import Home
from workbench.core.stats import Floats, mean_interval, perplexity, resampled, sums_by_row
from workbench.core.tasks import Task
from workbench.data.store import datasets
from workbench.models.model_references import Resolved
from workbench.models.rope_scaling import loaded_context_tokens
from workbench.rendering.rendered import IGNORED, Tokenizer, encode_rows
from workbench.rendering.templates import get_template

LOGITS_BYTES = 400 * 2**20  # most bytes of float32 logits held at once
BATCH_ROWS = 64

Row = dict[str, Any]
Encoded = dict[str, list[int]]


@dataclass(frozen=True)
class Loss:
    """Mean negative log-likelihood of the trained tokens in nats, with its 95 % interval over the rows.

    `nll` and `counts` hold each row's sum and number of tokens. One row gives an interval without width.
    """

    loss: float
    low: float
    high: float
    tokens: int
    rows: int
    nll: Floats = field(repr=False)
    counts: Floats = field(repr=False)

    @property
    def perplexity(self) -> float:
        return perplexity(self.loss)

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON types, without the single rows."""
        return {
            "loss": round(self.loss, 5),
            "loss_low": round(self.low, 5),
            "loss_high": round(self.high, 5),
            "perplexity": round(self.perplexity, 4),
            "low": round(perplexity(self.low), 4),
            "high": round(perplexity(self.high), 4),
            "tokens": self.tokens,
            "rows": self.rows,
        }


def measured_rows(home: Home, name: str, limit: int) -> tuple[str, list[Row]]:
    """The split measured on (eval if the dataset has one, else train) and its first `limit` rows."""
    split = "eval" if datasets.count(home, name, "eval") else "train"
    return split, datasets.rows(home, name, split, 0, limit)


def encode(
    resolved: Resolved, rows: Sequence[Row], kind: str, template: str = "model", max_length: int | None = 512
) -> list[Encoded]:
    """The rows as training would give them to this model: [{input_ids, labels}].

    Rows with nothing to measure are left out; raises `UserError` when none is left.
    """
    folder = resolved.home_of_template
    encoded, report = encode_rows(rows, kind, Tokenizer.load(folder), get_template(template, folder), max_length)
    encoded = [row for row in encoded if any(label != IGNORED for label in row["labels"][1:])]
    if not encoded:
        reason = report.dropped[0][1] if report.dropped else "no row has an answer within the maximum length"
        raise UserError(
            f"Nothing can be measured on these rows: {reason}.",
            "Look at 'what the model sees', or raise the maximum length.",
            "dataset",
        )
    return encoded


def longest(model: Any) -> int | None:
    """How many tokens a model takes at most, if its config says so."""
    return loaded_context_tokens(model) or None


def loss_of(
    model: Any,
    rows: Sequence[Encoded],
    task: Task | None = None,
    seed: int = 0,
) -> Loss:
    """The loss of a loaded model on encoded rows; batches hold rows of like length, the longest first.

    `task` is told of the rows, and may stop it before a batch.
    """
    task = task or Task()
    nll, counts = np.zeros(len(rows)), np.zeros(len(rows))
    processed = 0
    for indices in batch_indices([len(row["input_ids"]) for row in rows], _vocabulary(model)):
        task.check_stop()
        nll[indices], counts[indices] = _batch(model, [rows[index] for index in indices])
        processed += len(indices)
        task.update(processed, len(rows), f"{processed:,} of {len(rows):,} rows")
    loss = mean_interval(nll, counts, resampled(len(rows), seed))
    return Loss(loss.value, loss.low, loss.high, int(counts.sum()), len(rows), nll, counts)


def batch_indices(lengths: Sequence[int], vocabulary: int) -> Iterator[list[int]]:
    """The indices of the rows that go through the model together, so that their logits stay below `LOGITS` bytes."""
    order = sorted(range(len(lengths)), key=lambda index: -lengths[index])
    while order:
        room = LOGITS_BYTES // (4 * vocabulary * max(lengths[order[0]], 1))
        size = max(1, min(BATCH_ROWS, room))
        yield order[:size]
        order = order[size:]


def _batch(model: Any, rows: Sequence[Encoded]) -> tuple[Floats, Floats]:
    """Each row's sum of negative log-likelihoods in nats and its number of tokens."""
    import torch

    width = max(len(row["input_ids"]) for row in rows)
    ids, labels, attention_mask = (
        torch.tensor([row + [pad] * (width - len(row)) for row in sequences])
        for sequences, pad in (
            ([row["input_ids"] for row in rows], 0),
            ([row["labels"] for row in rows], IGNORED),
            ([[1] * len(row["input_ids"]) for row in rows], 0),
        )
    )
    with torch.inference_mode():
        logits = model(
            input_ids=ids.to(model.device), attention_mask=attention_mask.to(model.device), use_cache=False
        ).logits  # rows × width × vocabulary
        wanted = labels[:, 1:].to(logits.device)
        scored = wanted != IGNORED
        each = torch.nn.functional.cross_entropy(logits[:, :-1][scored].float(), wanted[scored], reduction="none")
    owner = scored.nonzero()[:, 0].cpu().numpy()
    return sums_by_row(each.cpu().double().numpy(), owner, len(rows)), sums_by_row(
        np.ones(len(owner)), owner, len(rows)
    )


def _vocabulary(model: Any) -> int:
    config = model.config
    return int(getattr(config, "vocab_size", 0) or getattr(config.get_text_config(), "vocab_size", 0) or 50_000)


def difference(candidate: Loss, reference: Loss, seed: int = 0) -> dict[str, float]:
    """How much lower `one` is than `other` on the same rows, in nats, with its paired 95 % interval.

    Raises `ValueError` when they were measured on different tokens.
    """
    if not np.array_equal(candidate.counts, reference.counts):
        raise ValueError("the losses were measured on different tokens")
    apart = mean_interval(candidate.nll - reference.nll, candidate.counts, resampled(candidate.rows, seed))
    return {"loss": round(apart.value, 5), "low": round(apart.low, 5), "high": round(apart.high, 5)}
