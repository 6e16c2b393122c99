"""The rows after each step of a recipe, kept by digest: a step is done again only when it or what it was given changed.

Each result is a folder `cache/steps/KEY`, there whole or not at all: rows.parquet, removed.parquet, changed.parquet,
flagged.parquet and done.json; splits.parquet stands for rows.parquet where every row is as it was. What a person
restored is put back when the rows are loaded, so that restoring a row does no step again.
"""

import hashlib
import itertools
import json
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from workbench.core.errors import UserError
from workbench.core.home import atomic_dir, write_text
from workbench.data.recipes.step import Outcome, Step, StepWork, Verdict
from workbench.rows.canonical import check_row
from workbench.rows.split_rows import ID, SPLIT, Rows
from workbench.rows.table import SCHEMAS, fitted, joined_tables, read_table_file, rows_of, table_of, union, write_table

WHY = [("_reason", pa.string()), ("_found", pa.list_(pa.string()))]
COUNTS_FILE, SPLITS_FILE = "done.json", "splits.parquet"


@dataclass(frozen=True)
class StepCounts:
    """What a step did, in rows: given + added - removed = left."""

    given: int
    left: int
    removed: int = 0
    changed: int = 0
    flagged: int = 0
    added: int = 0
    seconds: float = 0.0
    notes: list[str] = field(default_factory=list)


class Stage:
    """Rows and the key they are known by; each is worked out when it is first asked for."""

    def __init__(self, kind: str, key: Callable[[], str], load: Callable[[], Rows]):
        self.kind, self._key, self._load = kind, key, load

    @cached_property
    def key(self) -> str:
        return self._key()

    @cached_property
    def rows(self) -> Rows:
        return self._load()


class StepStage(Stage):
    """The rows after a step. `counts` tell what it did, restored rows taken off."""

    def __init__(self, before: Stage, step: Step, folder: Path):
        restored = json.dumps(sorted(set(step.restored)))
        key = key_of_texts(folder.name, restored) if step.restored else folder.name
        super().__init__(before.kind, lambda: key, lambda: Rows(before.kind, self._put_back()))
        self.before, self.step, self.folder = before, step, folder

    @property
    def keeps_rows(self) -> bool:
        """Whether every row is as it was and where it was, but for its split."""
        return (self.folder / SPLITS_FILE).is_file()

    @cached_property
    def counts(self) -> StepCounts:
        raw = StepCounts(**json.loads((self.folder / COUNTS_FILE).read_text("utf-8")))
        if not self.step.restored:
            return raw
        back = {name: self._count(name) for name in ("removed", "changed", "flagged")}
        less = {name: getattr(raw, name) - count for name, count in back.items()}
        return StepCounts(**{**asdict(raw), **less, "left": raw.left + back["removed"]})

    def _count(self, name: str) -> int:
        return int(pc.sum(self._is_restored(self.touched(name))).as_py() or 0)

    def touched(self, name: str) -> pa.Table:
        """The rows 'removed', 'changed' or 'flagged', those restored included: row, `_id`, `_reason`, `_found`.

        Changed rows are as they were before, `_after` holds the new row as JSON.
        """
        return read_table_file(self.folder / f"{name}.parquet")

    def _is_restored(self, table: pa.Table) -> pa.ChunkedArray:
        return pc.is_in(table.column(ID), pa.array(self.step.restored, pa.int64()))

    def _put_back(self) -> pa.Table:
        if self.keeps_rows:
            return _with_splits(self.before.rows.table, read_table_file(self.folder / SPLITS_FILE).column(SPLIT))
        table = read_table_file(self.folder / "rows.parquet")
        if not self.step.restored:
            return table
        touched_tables = [self.touched(name) for name in ("removed", "changed")]
        back = joined_tables(
            self.kind,
            [touched.filter(self._is_restored(touched)).drop_columns(_extra(touched)) for touched in touched_tables],
        )
        if not back.num_rows:
            return table
        untouched = table.filter(pc.invert(pc.is_in(table.column(ID), back.column(ID).combine_chunks())))
        whole = _together(self.kind, [untouched, back])
        if self.step.reorders:
            return whole
        return whole.take(self._places(whole))

    def _places(self, whole: pa.Table) -> pa.Array:
        """Rows in the order they had before the step; those it added stay at the end."""
        before = {int(row_id): index for index, row_id in enumerate(self.before.rows.ids)}
        ids = whole.column(ID).to_pylist()
        order = [before.get(row_id, len(before) + index) for index, row_id in enumerate(ids)]
        return pa.array(np.argsort(order, kind="stable"))


def key_of_texts(*parts: str) -> str:
    """32 hexadecimal digits."""
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()[:32]


def key_of(before: Stage, step: Step, inputs: list[str]) -> str:
    """What the result of a step is known by: its settings, the rows it is given, and what else it reads."""
    return key_of_texts(before.key, before.kind, _settings(step), str(step.version), *inputs)


def _settings(step: Step) -> str:
    """The settings of a step as JSON, without the rows that were restored."""
    return json.dumps({name: value for name, value in step.to_dict().items() if name != "restored"}, sort_keys=True)


def stage_of(before: Stage, step: Step, work: StepWork) -> StepStage:
    """The rows after a step, from the cache or made now. Raises `UserError`."""
    if before.kind not in step.kinds:
        raise UserError(
            f"{step.title} does not work on {before.kind} rows.", f"It works on: {', '.join(step.kinds)}.", "steps"
        )
    folder = work.home.cache / "steps" / key_of(before, step, step.inputs(work.home))
    if not (folder / COUNTS_FILE).is_file():
        folder.parent.mkdir(exist_ok=True)
        begun = time.perf_counter()
        outcome = step.apply(before.rows, work)
        work.task.check_stop()
        with atomic_dir(folder, replace=True) as partial:
            _write(partial, before.rows, step, outcome, begun)
    else:
        folder.touch()
    return StepStage(before, step, folder)


def _write(folder: Path, rows: Rows, step: Step, outcome: Outcome, begun: float) -> None:
    after, added = _after(rows, step, outcome)
    if outcome.keeps_rows and not added:
        write_table(after.select([SPLIT]), folder / SPLITS_FILE)
    else:
        write_table(after, folder / "rows.parquet")
    write_table(_touched(rows, outcome.removed), folder / "removed.parquet")
    write_table(_touched(rows, outcome.flagged), folder / "flagged.parquet")
    changed = _touched(rows, {index: verdict for index, (_, verdict) in outcome.changed.items()})
    news = [json.dumps(outcome.changed[index][0], ensure_ascii=False) for index in sorted(outcome.changed)]
    write_table(changed.append_column("_after", pa.array(news, pa.string())), folder / "changed.parquet")
    counts = StepCounts(
        len(rows), after.num_rows, len(outcome.removed), len(outcome.changed), len(outcome.flagged), added,
        round(time.perf_counter() - begun, 3), outcome.notes,
    )  # fmt: skip
    if counts.given + counts.added - counts.removed != counts.left:
        raise AssertionError(f"{step.method}: {counts} do not add up")
    write_text(folder / COUNTS_FILE, json.dumps(asdict(counts)))


def _after(rows: Rows, step: Step, outcome: Outcome) -> tuple[pa.Table, int]:
    """The table after a step, and how many rows it added (repeated ones too)."""
    if outcome.order is not None and not step.reorders:
        raise AssertionError(f"{step.method} gives an order but does not say that it reorders")
    settings, taken = _settings(step), set(rows.ids.tolist())
    remaining = _remaining(rows, step, outcome, taken)
    added = outcome.added
    new = added if isinstance(added, pa.Table) else _checked(rows.kind, added)
    repeated = remaining.num_rows + len(outcome.removed) - len(rows)
    if not new.num_rows:
        return remaining, repeated
    ids = [_new_id(settings, f"+{number}", taken) for number in range(new.num_rows)]
    new = new.drop_columns([name for name in (ID, SPLIT) if name in new.column_names])
    new = new.append_column(ID, pa.array(ids, pa.int64())).append_column(SPLIT, pa.repeat("train", len(ids)))
    return _together(rows.kind, [remaining, new]), repeated + len(ids)


def _remaining(rows: Rows, step: Step, outcome: Outcome, taken: set[int]) -> pa.Table:
    """The rows that stay, changed and in their new order; one that comes again has an id that is not in `taken`."""
    if outcome.keeps_rows:
        return _split(rows.table, outcome.splits)
    whole, places = _with_changes(rows, outcome)
    stays = np.ones(len(rows), bool)
    stays[list(outcome.removed)] = False
    order = np.flatnonzero(stays) if outcome.order is None else np.asarray(outcome.order, np.int64)
    if set(order.tolist()) != set(np.flatnonzero(stays).tolist()):
        raise AssertionError(f"{step.method}: its order does not hold just the rows that stay")
    return _numbered(_split(whole, outcome.splits).take(pa.array(places[order])), _settings(step), taken)


def _with_changes(rows: Rows, outcome: Outcome) -> tuple[pa.Table, np.ndarray[Any, Any]]:
    """The table with changed rows below the others, and where each position's row stands in it."""
    places = np.arange(len(rows))
    if not outcome.changed:
        return rows.table, places
    positions = sorted(outcome.changed)
    new = _checked(rows.kind, [outcome.changed[position][0] for position in positions])
    old = rows.table.take(pa.array(positions))
    new = new.append_column(ID, old.column(ID)).append_column(SPLIT, old.column(SPLIT))
    places[positions] = len(rows) + np.arange(len(positions))
    return _together(rows.kind, [rows.table, new]), places


def _split(table: pa.Table, splits: dict[int, str]) -> pa.Table:
    if not splits:
        return table
    split_names = table.column(SPLIT).to_pylist()
    for index, split in splits.items():
        split_names[index] = split
    return _with_splits(table, pa.array(split_names, pa.string()))


def _with_splits(table: pa.Table, splits: pa.Array | pa.ChunkedArray) -> pa.Table:
    return table.set_column(table.column_names.index(SPLIT), SPLIT, splits)


def _numbered(table: pa.Table, settings: str, taken: set[int]) -> pa.Table:
    """A row that comes again gets a number of its own, which is `taken` from then on."""
    occurrences: dict[int, int] = {}
    ids = table.column(ID).to_pylist()
    if len(set(ids)) == len(ids):
        return table
    for index, row_id in enumerate(ids):
        occurrences[row_id] = occurrences.get(row_id, 0) + 1
        if occurrences[row_id] > 1:
            ids[index] = _new_id(settings, f"{row_id}*{occurrences[row_id]}", taken)
    return table.set_column(table.column_names.index(ID), ID, pa.array(ids, pa.int64()))


def _new_id(settings: str, label: str, taken: set[int]) -> int:
    """A negative number that JavaScript holds exactly, the same whenever the same step does the same; not in `taken`,
    where it is then."""
    for turn in itertools.count():
        mark = f"{settings}\0{label}" + (f"\0{turn}" if turn else "")
        new_id = -1 - (int.from_bytes(hashlib.sha256(mark.encode()).digest()[:7]) >> 4)
        if new_id not in taken:
            break
    taken.add(new_id)
    return new_id


def _checked(kind: str, rows: list[dict[str, Any]]) -> pa.Table:
    return table_of(kind, [check_row(kind, row) for row in rows]) if rows else SCHEMAS[kind].empty_table()


def _touched(rows: Rows, verdicts: dict[int, Verdict]) -> pa.Table:
    places = sorted(verdicts)
    table = rows.table.take(pa.array(places, pa.int64()))
    reasons = pa.array([verdicts[index].reason for index in places], pa.string())
    excerpts = pa.array([list(verdicts[index].excerpts) for index in places], WHY[1][1])
    return table.append_column(WHY[0][0], reasons).append_column(WHY[1][0], excerpts)


def _extra(table: pa.Table) -> list[str]:
    return [name for name in table.column_names if name.startswith("_") and name not in (ID, SPLIT)]


def _together(kind: str, tables: list[pa.Table]) -> pa.Table:
    """Tables below one another, each with what only some rows of the others use."""
    schema = union([table.schema for table in tables])
    return pa.concat_tables([fitted(table, schema) for table in tables])


def examples_of(table: pa.Table, start: int, count: int) -> list[dict[str, Any]]:
    """A page of touched rows for showing: id, reason, found, row, and the row after the change where there is one."""
    page = table.slice(start, count)
    rows = rows_of(page)
    after = page.column("_after").to_pylist() if "_after" in page.column_names else [None] * len(rows)
    columns = (page.column(name).to_pylist() for name in (ID, "_reason", "_found"))
    return [
        {"id": row_id, "reason": reason, "found": excerpts, "row": row, "after": json.loads(new) if new else None}
        for row_id, reason, excerpts, row, new in zip(*columns, rows, after, strict=True)
    ]
