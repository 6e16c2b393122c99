"""The rows a step works on: a table of canonical rows, each with its number and the split it belongs to."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import cached_property
from typing import Annotated, Any, Literal

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from workbench.core.display import Display
from workbench.rows.digests import row_digests
from workbench.rows.table import rows_of
from workbench.rows.turn_text import TOOLS, full_texts, texts_of_json, tools_text

ID, SPLIT = "_id", "_split"
BATCH_ROWS = 1000
TurnScope = Annotated[
    Literal["all", "prompt", "user", "assistant", "system"],
    Display(labels={"all": "all turns", "prompt": "prompt (system and user)", "user": "user turns",
                    "assistant": "assistant turns", "system": "system prompts"}),
]  # fmt: skip
SPLIT_ROLES: dict[str, tuple[str, ...]] = {
    "prompt": ("system", "user"), "user": ("user",), "assistant": ("assistant",), "system": ("system",),
}  # fmt: skip


class Rows:
    """Canonical rows of one kind as a table with the columns `_id` (int64) and `_split` ('train' or 'eval').

    A row's id is its place in what was read, from 0; rows a step added have negative ones. Positions are places in
    this table.
    """

    def __init__(self, kind: str, table: pa.Table):
        self.kind, self.table = kind, table

    @classmethod
    def of(cls, kind: str, table: pa.Table, splits: list[str] | None = None) -> "Rows":
        """Rows from a table without ids: numbered from 0, all to train on unless `splits` says otherwise."""
        split_names = pa.array(splits) if splits else pa.repeat("train", table.num_rows)
        numbered = table.append_column(ID, pa.array(np.arange(table.num_rows, dtype=np.int64)))
        return cls(kind, numbered.append_column(SPLIT, split_names))

    def __len__(self) -> int:
        return int(self.table.num_rows)

    @cached_property
    def ids(self) -> np.ndarray[Any, np.dtype[np.int64]]:
        ids: np.ndarray[Any, np.dtype[np.int64]] = self.table.column(ID).to_numpy()
        return ids

    @cached_property
    def splits(self) -> list[str]:
        return list(self.table.column(SPLIT).to_pylist())

    @cached_property
    def digests(self) -> list[bytes]:
        """16 bytes for every row, equal for equal rows, whatever their ids and splits."""
        return row_digests(self.table)

    def rows(self, start: int = 0, count: int | None = None) -> list[dict[str, Any]]:
        """The canonical rows from a position on."""
        return rows_of(self.table.slice(start, count))

    def batches(self) -> Iterator[tuple[int, list[dict[str, Any]]]]:
        """(position of the first, canonical rows), a thousand at a time."""
        for start in range(0, len(self), BATCH_ROWS):
            yield start, self.rows(start, BATCH_ROWS)

    def texts(self, scope: TurnScope = "all") -> pa.ChunkedArray:
        """One text a row: what these turns say, thoughts and tool calls too, joined by line breaks; '' for nothing.

        'prompt' is what comes before the answers; a plain text is all its own answer. 'all' and 'prompt' begin with
        the definitions of tools.
        """
        contents = self.contents(scope)
        if scope not in ("all", "prompt") or TOOLS not in self.columns:
            return contents
        tools = [pc.fill_null(texts_of_json(chunk, tools_text), "") for chunk in self.table.column(TOOLS).chunks]
        return _beside([pa.chunked_array(tools, pa.string()), contents])

    def contents(self, scope: TurnScope = "all") -> pa.ChunkedArray:
        """As `texts`, without the tools."""
        if self.kind == "text":
            column = self.table.column("text")
            return column if scope in ("all", "assistant") else pa.chunked_array([pa.repeat("", len(self))])
        names = [name for name in ("messages", "prompt", "chosen", "rejected", "completion") if name in self.columns]
        if scope == "prompt" and "prompt" in names:
            return _contents(self.table.column("prompt"), None)
        columns = [_contents(self.table.column(name), SPLIT_ROLES.get(scope)) for name in names]
        return columns[0] if len(columns) == 1 else _beside(columns)

    def by_split(self) -> dict[str, pa.Table]:
        """{'train': …, 'eval': …}, each with the numbers of its rows, in their order."""
        held = pc.equal(self.table.column(SPLIT), "eval")
        table = self.table.drop_columns([SPLIT])
        with ThreadPoolExecutor(2) as pool:
            train, evaluated = pool.map(table.filter, (pc.invert(held), held))
        return {"train": train, "eval": evaluated}

    @property
    def columns(self) -> list[str]:
        return list(self.table.column_names)


def _contents(column: pa.ChunkedArray, roles: tuple[str, ...] | None) -> pa.ChunkedArray:
    return pa.chunked_array([_joined(chunk, roles) for chunk in column.chunks], pa.string())


def _joined(lists: pa.ListArray, roles: tuple[str, ...] | None) -> pa.Array:
    turns = lists.flatten()
    offsets = lists.offsets.to_numpy() - lists.offsets[0].as_py()
    contents = full_texts(turns)
    if roles:
        wanted = pc.is_in(turns.field("role"), pa.array(roles))
        passed = np.concatenate([[0], np.cumsum(wanted.to_numpy(zero_copy_only=False))])
        contents, offsets = contents.filter(wanted), passed[offsets]
    return pc.binary_join(pa.ListArray.from_arrays(pa.array(offsets, pa.int32()), contents), "\n")


def _beside(texts: list[pa.ChunkedArray]) -> pa.ChunkedArray:
    """Row by row one below the other, without blank lines where one has none."""
    whole = texts[0]
    for more in texts[1:]:
        between = pc.if_else(pc.or_(pc.equal(whole, ""), pc.equal(more, "")), "", "\n")
        whole = pc.binary_join_element_wise(whole, between, more, "")
    return whole
