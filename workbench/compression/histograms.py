"""What rounding does to the weights of each layer: histograms before and after, errors, and the grid they fell on.

Imports torch: only job processes import this.
"""

import json
import math
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch

from workbench.core.home import write_text

BINS = 51


@dataclass(frozen=True)
class LayerHistogram:
    """One matrix. Counts of weights in `BINS` equal bins from `low` to `high`, before and after; errors in the
    weights' own units; the signal-to-noise ratio in decibels, None when nothing was lost; ranges of scale and zero
    point over its rows."""

    name: str
    shape: list[int]
    low: float
    high: float
    before: list[int]
    after: list[int]
    mse: float
    largest_error: float
    snr_db: float | None
    scale: list[float]
    zero_point: list[float]


def layer_histogram(
    name: str, weight: torch.Tensor, rounded: torch.Tensor, scale: torch.Tensor, zero: torch.Tensor
) -> LayerHistogram:
    """Compares a matrix with its rounded copy; both rows × columns in float32, scale and zero of any shape."""
    low, high = float(min(weight.min(), rounded.min())), float(max(weight.max(), rounded.max()))
    error = (weight - rounded).double()
    mse = float(error.square().mean())
    return LayerHistogram(
        name,
        list(weight.shape),
        low,
        high,
        counts(weight, low, high),
        counts(rounded, low, high),
        mse,
        float(error.abs().max()),
        round(10 * math.log10(float(weight.double().square().mean()) / mse), 2) if mse else None,
        _range(scale),
        _range(zero),
    )


def counts(weight: torch.Tensor, low: float, high: float) -> list[int]:
    """How many weights lie in each bin; all in the middle one when they are the same."""
    if low == high:
        return [weight.numel() if bin_index == BINS // 2 else 0 for bin_index in range(BINS)]
    return [int(count) for count in torch.histc(weight, BINS, low, high)]


def _range(values: torch.Tensor) -> list[float]:
    return [float(values.min()), float(values.max())]


def write(path: Path, title: str, layers: list[LayerHistogram]) -> None:
    """{"title", "layers": [{name, shape, low, high, before, after, mse, …}]} as JSON, whole or not at all."""
    write_text(path, json.dumps({"title": title, "layers": [asdict(layer) for layer in layers]}))


def histogram_summary(layers: list[LayerHistogram], most: int = 8) -> dict[str, Any]:
    """The errors of all layers together, and the rows of those that lost most: plain JSON types, a few of them."""
    weights = [math.prod(layer.shape) for layer in layers]
    mse = sum(layer.mse * count for layer, count in zip(layers, weights, strict=True)) / max(sum(weights), 1)
    measured = sorted((layer for layer in layers if layer.snr_db is not None), key=lambda layer: layer.snr_db or 0)
    return {
        "layers": len(layers),
        "mse": mse,
        "largest_error": max((layer.largest_error for layer in layers), default=0.0),
        "median_snr_db": measured[len(measured) // 2].snr_db if measured else None,
        "worst": [
            {"layer": layer.name, "snr_db": layer.snr_db, "mse": layer.mse, "largest_error": layer.largest_error}
            for layer in measured[:most]
        ],
    }
