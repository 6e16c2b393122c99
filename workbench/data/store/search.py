"""Finding rows by what they say: row groups are scanned one after another, and what was found is remembered.

Patterns are matched by Arrow with RE2, whose time grows with the text alone: https://github.com/google/re2/wiki/Syntax
"""

import threading
import time
from collections import OrderedDict
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, get_args

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from workbench.core.errors import UserError
from workbench.core.home import Home
from workbench.data.store.datasets import SPLITS, dataset_folder
from workbench.rows.table import rows_of

SearchScope = Literal["all", "user", "assistant", "system", "tool"]
MOST_ROWS = 200
LONGEST_QUERY_CHARACTERS = 1000
SECONDS = 2.0
REMEMBERED_SEARCHES = 32


@dataclass
class Scan:
    """One search in one file: the positions found so far, in order, and the row group to go on with."""

    path: Path
    pattern: str
    regex: bool
    case: bool
    scope: str
    hits: list[int] = field(default_factory=list)
    group: int = 0
    passed: int = 0
    complete: bool = False
    lock: Any = field(default_factory=threading.Lock, repr=False)

    def advance(self, wanted: int, until: float) -> None:
        """Scans on until `wanted` positions are found, the file is read, or that time (monotonic) has come."""
        if self.complete or len(self.hits) >= wanted:
            return
        with pq.ParquetFile(self.path) as file:
            columns = _columns(file.schema_arrow, self.scope)
            while not self.complete and len(self.hits) < wanted and time.monotonic() < until:
                if self.group < file.num_row_groups:
                    self._scan(file.read_row_group(self.group, columns=columns))
                self.complete = self.group >= file.num_row_groups

    def _scan(self, table: pa.Table) -> None:
        hits = np.zeros(table.num_rows, dtype=bool)
        for name in table.column_names:
            column = table.column(name).combine_chunks()
            hits |= self._lists(column) if pa.types.is_list(column.type) else self._matches(column)
        self.hits.extend((np.flatnonzero(hits) + self.passed).tolist())
        self.passed += table.num_rows
        self.group += 1

    def _lists(self, column: pa.ListArray) -> np.ndarray:
        """For every list of messages, whether one of the part searched matches."""
        turns = column.flatten()
        names = [name for name in ("content", "tool_calls") if turns.type.get_field_index(name) >= 0]
        hits = np.logical_or.reduce([self._matches(turns.field(name)) for name in names])
        if self.scope != "all":
            hits &= pc.equal(turns.field("role"), self.scope).to_numpy(zero_copy_only=False)
        rows = np.zeros(len(column), dtype=bool)
        rows[pc.list_parent_indices(column).to_numpy(zero_copy_only=False)[hits]] = True
        return rows

    def _matches(self, texts: pa.Array) -> np.ndarray:
        match = pc.match_substring_regex if self.regex else pc.match_substring
        hits = match(texts, self.pattern, ignore_case=not self.case)
        result: np.ndarray = hits.fill_null(False).to_numpy(zero_copy_only=False)
        return result


_SCANS: "OrderedDict[tuple[Any, ...], Scan]" = OrderedDict()
_LOCK = threading.Lock()


def search(
    home: Home,
    name: str,
    split: str,
    query: str,
    *,
    start: int = 0,
    count: int = 20,
    case: bool = False,
    regex: bool = False,
    scope: SearchScope = "all",
    seconds: float = SECONDS,
) -> dict[str, Any]:
    """{total, rows: [(position, row)], complete}: hits `start` to `start + count` (200 at most), in the rows' order.

    It reads on only until that page is filled or `seconds` have passed: `total` counts the hits so far, and
    `complete` says whether all rows were looked at; asked again, it goes on from there. `scope` limits the search to
    the messages of one role; a text counts as 'all'. An empty query finds nothing. Raises `UserError` for a pattern
    that is none, an unknown split or scope, and no such dataset.
    """
    path = _split_file(home, name, split)
    _check(query, regex, scope)
    if not query or not path.is_file():
        return {"total": 0, "rows": [], "complete": True}
    start, count = max(start, 0), min(max(count, 0), MOST_ROWS)
    scan = _remembered(path, query, regex, case, scope)
    with scan.lock:
        try:
            scan.advance(start + count + 1, time.monotonic() + seconds)
            rows = parquet_rows_at(path, scan.hits[start : start + count])
        except (pa.ArrowException, OSError, ValueError) as error:
            raise unreadable(path, error) from None
        return {"total": len(scan.hits), "rows": rows, "complete": scan.complete}


def parquet_rows_at(path: Path, positions: list[int]) -> list[tuple[int, dict[str, Any]]]:
    """(position, row) of these positions of a Parquet file, given in order; only their row groups are read."""
    rows: list[tuple[int, dict[str, Any]]] = []
    with pq.ParquetFile(path) as file:
        sizes = [file.metadata.row_group(group).num_rows for group in range(file.num_row_groups)]
        starts = np.concatenate(([0], np.cumsum(sizes)))
        groups = np.searchsorted(starts, np.asarray(positions, dtype=np.int64), side="right") - 1
        for group in dict.fromkeys(groups.tolist()):
            inside = [at for at, where in zip(positions, groups, strict=True) if where == group]
            table = file.read_row_group(group).take([at - int(starts[group]) for at in inside])
            rows += zip(inside, rows_of(table), strict=True)
    return rows


def _check(query: str, regex: bool, scope: str) -> None:
    if scope not in get_args(SearchScope):
        raise UserError(f"There is no part {scope!r}.", f"Choose one of: {', '.join(get_args(SearchScope))}.", "part")
    if len(query) > LONGEST_QUERY_CHARACTERS:
        raise UserError(
            f"The query is longer than {LONGEST_QUERY_CHARACTERS:,} characters.", "Search for less.", "query"
        )
    if regex:
        try:
            pc.match_substring_regex(pa.array([""]), query)
        except pa.ArrowException as error:
            reason = str(error).rsplit("RE2:", maxsplit=1)[-1].strip()[:200]
            message = f"That is not a regular expression: {reason}."
            raise UserError(
                message, "Lookaround and backreferences are not known; escape . * + ? ( [ with \\.", "query"
            ) from None


def _remembered(path: Path, query: str, regex: bool, case: bool, scope: str) -> Scan:
    """The scan of that query in that very file, begun if it is new; the last 32 are kept."""
    status = path.stat()
    key = (str(path), status.st_ino, status.st_mtime_ns, status.st_size, query, regex, case, scope)
    with _LOCK:
        scan = _SCANS.setdefault(key, Scan(path, query, regex, case, scope))
        _SCANS.move_to_end(key)
        while len(_SCANS) > REMEMBERED_SEARCHES:
            _SCANS.popitem(last=False)
        return scan


def _columns(schema: pa.Schema, scope: str) -> list[str]:
    """The leaves to read: contents and tool calls of messages with their roles, or the text."""
    leaves = []
    for column in schema:
        if pa.types.is_list(column.type):
            wanted = ("role", "content", "tool_calls") if scope != "all" else ("content", "tool_calls")
            inner = column.type.value_field.name
            leaves += [
                f"{column.name}.list.{inner}.{name}"
                for name in wanted
                if column.type.value_type.get_field_index(name) >= 0
            ]
        elif column.name == "text" and scope == "all":
            leaves.append(column.name)
    return leaves


def _split_file(home: Home, name: str, split: str) -> Path:
    if split not in SPLITS:
        raise UserError(f"There is no split {split!r}.", "Choose train or eval.", "split")
    return dataset_folder(home, name) / f"{split}.parquet"


def unreadable(path: Path, error: Exception) -> UserError:
    """What Arrow says of a damaged file, as an error with a remedy."""
    reason = (str(error).splitlines() or ["unreadable"])[0][:200]
    return UserError(f"{path.parent.name}/{path.name} is damaged: {reason}.", "Import the dataset again.", "dataset")
