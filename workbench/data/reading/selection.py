"""Which rows of a source are read: a part of them as the library datasets writes it, and a sample of that part."""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from workbench.core.errors import UserError
from workbench.data.reading.lines import Item, Remark
from workbench.data.reading.readers import ReadingOptions, read_source
from workbench.data.reading.row_batches import Readable

ROW_RANGE = re.compile(r"\[(?P<first>-?\d+%?)?:(?P<last>-?\d+%?)?\]")
SEED = 0


@dataclass(frozen=True)
class Selection:
    """`row_range` is '' or such as [:20%] or [100:200]; of the rows in it `samples` are drawn at random, 0 takes all.

    https://huggingface.co/docs/datasets/loading#slice-splits
    """

    row_range: str = ""
    samples: int = 0

    def __bool__(self) -> bool:
        return bool(self.row_range or self.samples)

    def mask(self, total: int) -> NDArray[np.bool_]:
        """(total,) whether each row is read. Raises `UserError` for a part that is not written as one."""
        first, last = bounds(self.row_range, total) if self.row_range else (0, total)
        indices = np.arange(first, max(first, last))
        if 0 < self.samples < len(indices):
            indices = np.random.default_rng(SEED).choice(indices, self.samples, replace=False)
        chosen = np.zeros(total, np.bool_)
        chosen[indices] = True
        return chosen


EVERYTHING = Selection()


def bounds(row_range: str, total: int) -> tuple[int, int]:
    """The first row of a part and the one after its last. Raises `UserError`.

    Percentages are rounded to the closest row, and counts below zero are from the end, as in `datasets`.
    """
    match = ROW_RANGE.fullmatch(row_range.replace(" ", ""))
    if match is None:
        raise UserError(f"{row_range!r} is no part of the rows.", "Write it like [:20%] or [100:200].", "rows")
    first, last = (_position(match[name], total) for name in ("first", "last"))
    return first if first is not None else 0, last if last is not None else total


def _position(text: str | None, total: int) -> int | None:
    if not text:
        return None
    if text.endswith("%"):
        percent = int(text[:-1])
        if abs(percent) > 100:
            raise UserError(f"{text} is no part of the rows.", "Write 0% to 100%.", "rows")
        position = round(percent * total / 100)
    else:
        position = int(text)
    return min(max(position + total if position < 0 else position, 0), total)


def row_count(items: Iterable[Item]) -> int:
    """How many rows there are, readable or not."""
    return sum(not isinstance(item, Remark) for item in items)


def selected(items: Iterable[Item], mask: NDArray[np.bool_]) -> Iterator[Item]:
    """The rows that the mask chooses, and all remarks."""
    index = 0
    for item in items:
        if isinstance(item, Remark):
            yield item
            continue
        if mask[index]:
            yield item
        index += 1


Masks = dict[Readable, NDArray[np.bool_]]


def selection_masks(sources: list[Readable], options: ReadingOptions, selection: Selection) -> Masks:
    """For every source which of its rows are selected; nothing where all are. Raises `UserError` when none is."""
    if not selection:
        return {}
    counts = [row_count(read_source(source, options)) for source in sources]
    mask = selection.mask(sum(counts))
    if not mask.any():
        raise UserError(f"No part of the {len(mask):,} rows is selected.", "Select a larger one.", "rows")
    return dict(zip(sources, np.split(mask, np.cumsum(counts)[:-1]), strict=True))


def chosen_items(source: Readable, options: ReadingOptions, masks: Masks) -> Iterator[Item]:
    """The rows of a source, where it has a mask only the selected ones."""
    items = read_source(source, options)
    return selected(items, masks[source]) if source in masks else items
