"""What our methods on task vectors share: differences from the base, thinned out, added up by elected sign.

All work in place and in blocks that fit the processor's cache, so one pass through memory does many steps. On the CPU
each block has one thread: threads wait for each other once a tensor, not at every step. Imports torch: only job
processes import this.
"""

import functools
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

import numpy as np
import torch
from torch import Tensor

T = TypeVar("T")
BLOCK_VALUES = 2**17  # values worked on at once
LEVELS = 2**16  # a chance is a whole number of these parts
TINY = 1e-7  # a sum of magnitudes below it is not rescaled
BITS = {2: torch.int16, 4: torch.int32, 8: torch.int64}


def row_slices(count: int, row: int = 1) -> list[slice]:
    """Slices of about `BLOCK` values, in whole rows, that cover `count` values."""
    step = row * max(1, BLOCK_VALUES // row)
    return [slice(start, min(start + step, count)) for start in range(0, count, step)]


def on_blocks(work: Callable[..., T], device: torch.device, parts: list[slice], *more: Iterable[Any]) -> list[T]:
    """What `work` gives for each part (and what `more` holds for it), in their order; on the CPU by several threads."""
    if device.type != "cpu" or len(parts) == 1:
        return list(map(work, parts, *more))
    threads = torch.get_num_threads()
    try:
        return list(_pool(threads).map(work, parts, *more))
    finally:
        torch.set_num_threads(threads)  # the pool's threads set theirs, which other new threads would inherit


@functools.cache
def _pool(threads: int) -> ThreadPoolExecutor:
    return ThreadPoolExecutor(threads, initializer=torch.set_num_threads, initargs=(1,))


def task_vectors(base: Tensor, others: list[Tensor]) -> Tensor:
    """The task vectors, one a row: [models, values]."""
    deltas = base.new_empty((len(others), base.numel()))
    for delta, other in zip(deltas, others, strict=True):
        torch.sub(other.reshape(-1), base.reshape(-1), out=delta)
    return deltas


def add_elected(
    base: Tensor, deltas: Tensor, scales: list[Tensor], weight: list[float], normalize: bool, lambda_: float
) -> Tensor:
    """base + λ · the weighted sum of the task vectors, each value by the models on the side of the larger mass.

    Every product and sum is rounded as mergekit rounds it. `scales` multiply the task vectors but do not count as
    weight when `normalize` divides by the weights that went in. Changes `deltas`.
    """
    weights = torch.tensor(weight, dtype=base.dtype, device=base.device).unsqueeze(1)
    factors = torch.stack(scales).unsqueeze(1)
    flat, merged = base.reshape(-1), base.new_empty(base.numel())

    def add_up(block: slice) -> None:
        change = _elected(deltas[:, block].mul_(factors).mul_(weights), weights, normalize)
        torch.add(flat[block], change.mul_(lambda_), out=merged[block])

    on_blocks(add_up, base.device, row_slices(flat.numel()))
    return merged.view(base.shape)


def _elected(deltas: Tensor, weights: Tensor, normalize: bool) -> Tensor:
    """Sum of the values whose sign is that of the sum of all; divided by their weights if `normalize`.

    Summed in float32 and rounded once, which is what torch does with narrower types, only slower.
    """
    wide = torch.promote_types(deltas.dtype, torch.float32)
    values = deltas.to(wide)
    side = (values.sum(0) >= 0).to(wide).mul_(2).sub_(1)
    values = (values * side).clamp_(min=0)  # magnitudes on the elected side, else 0
    change = values.sum(0).mul_(side).to(deltas.dtype)
    if normalize:
        total = values.gt_(0).mul_(weights).sum(0).to(deltas.dtype)
        change /= total.add_(total == 0)
    return change


def keep(values: Tensor, mask: Tensor) -> None:
    """Zeroes all but the kept values, in place; by their bits, which is faster than by their numbers."""
    values.view(BITS[values.element_size()]).mul_(mask)


def _mass(values: Tensor) -> Tensor:
    """Sum of magnitudes, in float32 or wider."""
    return values.abs().sum(dtype=torch.promote_types(values.dtype, torch.float32))


def ratio(before: Tensor, after: Tensor, dtype: torch.dtype) -> Tensor:
    """What brings the sum of magnitudes back to what it was before values were dropped."""
    if before < TINY or after < TINY:
        return before.new_ones((), dtype=dtype)
    return (before / after).to(dtype)


def thin_out(delta: Tensor, rescale: bool, mask_of: Callable[[Tensor, Tensor], Tensor]) -> Tensor:
    """Zeroes what `mask_of` does not keep of some rows of [rows, columns], in place; returns the scale for the rest.

    `mask_of` gets the rows and as many random levels. torch's generator is the seed; threads change nothing.
    """
    flat, columns, draw = delta.view(-1), delta.shape[1], random_levels(delta.device)

    def thin(block: slice) -> Tensor:
        piece = flat[block].view(-1, columns)
        before = _mass(piece) if rescale else None
        keep(piece, mask_of(piece, draw(block).view(piece.shape)))
        return piece.new_zeros(2) if before is None else torch.stack((before, _mass(piece)))

    masses = on_blocks(thin, delta.device, row_slices(flat.numel(), columns))
    before, after = torch.stack(masses).sum(0)
    return ratio(before, after, delta.dtype)


def magnitude_bits(values: Tensor) -> Tensor:
    """Magnitudes as whole numbers that sort as they do, which is faster: the bits of floats that are not negative."""
    return values.abs().view(BITS[values.element_size()])


def largest(sizes: Tensor, count: int) -> Tensor:
    """The `count` largest of flat whole numbers, the smallest of them first. May reorder `sizes`."""
    if sizes.device.type != "cpu":
        return sizes.sort().values[-count:]
    sizes.numpy().partition(len(sizes) - count)
    return sizes[-count:]


def sort_rows(rows: Tensor) -> None:
    """Sorts each row of whole numbers upwards, in place; several times faster than torch on the CPU."""
    if rows.device.type != "cpu":
        rows.copy_(rows.sort(dim=1).values)
    else:
        rows.numpy().sort(axis=1)


def random_levels(device: torch.device) -> Callable[[slice], Tensor]:
    """A source of whole numbers for blocks, each of `LEVELS` equally likely, from -LEVELS/2 on; torch seeds it.

    On the CPU by SFC64 (https://pracrand.sourceforge.net/RNG_engines.txt), many times faster than torch there.
    """
    if device.type != "cpu":
        return lambda block: torch.randint(-LEVELS // 2, LEVELS // 2, (block.stop - block.start,), device=device)
    seed = int(torch.randint(2**62, ()))

    def draw(block: slice) -> Tensor:
        count = block.stop - block.start
        words = np.random.SFC64([seed, block.start]).random_raw(-(-count // 4))
        return torch.from_numpy(words.view(np.int16)[:count])

    return draw
