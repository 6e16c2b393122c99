"""Reads files or pasted text into one table of canonical rows, the rows that cannot be read into rejected.jsonl.

The format is detected from the first rows, and again whenever a row fills a column or a key of a message that none
before it did: the whole source decides. When that gives other settings, the source is read again with them.
"""

import json
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import pyarrow as pa

from workbench.core.errors import UserError
from workbench.core.tasks import Task
from workbench.data.reading.column_account import ColumnEntry, KeyCounts, joined_entries, listed
from workbench.data.reading.format import Format
from workbench.data.reading.lines import Item
from workbench.data.reading.opening import source_name
from workbench.data.reading.readers import ReadingOptions, no_rows, read_source
from workbench.data.reading.row_batches import Readable, RowBatch, batches_of, source_batches, stoppable
from workbench.data.reading.selection import EVERYTHING, Selection, chosen_items, selected, selection_masks
from workbench.data.reading.source_plan import FormatChoice, SourcePlan, plan_of
from workbench.data.reading.unread_columns import doubts, questioned
from workbench.rows.table import joined_tables

MOST_TRIES = 100


@dataclass(frozen=True)
class Gathered:
    """The canonical rows of all sources below one another; `files` tells for each its format and its counts.

    `account` says what became of every column, `remarks` what is worth knowing besides.
    """

    kind: str
    table: pa.Table
    rejected: int
    formats: list[Format]
    files: list[dict[str, Any]]
    account: list[ColumnEntry]
    remarks: list[str]
    reasons: list[str]

    def manifest_info(self) -> dict[str, Any]:
        """What the manifest says of it beside the source."""
        return {
            "format": self.formats[0].to_dict(), "columns": listed(self.account),
            "remarks": self.remarks, "reasons": self.reasons,
        }  # fmt: skip


def gather(
    sources: list[Readable],
    choice: FormatChoice,
    options: ReadingOptions,
    rejects: Path,
    task: Task | None = None,
    selection: Selection = EVERYTHING,
) -> Gathered:
    """Reads every source, by the format chosen or each by the one detected; `task` is told of the bytes read.

    A selection is of the rows of all sources together, counted before any is kept aside.

    Raises `UserError` when their kinds differ, when one cannot be read at all, when no row of any can, and when there
    are columns that may change what is learned and nobody said what to do with them.
    """
    masks = selection_masks(sources, options, selection)
    sources = [source for source in sources if source not in masks or masks[source].any()]
    plans = [plan_of(chosen_items(source, options, masks), _name(source), choice) for source in sources]
    _one_kind(sources, [plan.form() for plan in plans])
    total = sum(source.stat().st_size if isinstance(source, Path) else len(source) for source in sources)
    progress = _Progress(total, task or Task())
    with _Rows(rejects) as rows:
        for source, plan in zip(sources, plans, strict=True):
            count = rows.good + rows.bad

            def batches(form: Format, source: Readable = source, plan: SourcePlan = plan) -> Iterator[RowBatch]:
                if source in masks:
                    chosen = selected(read_source(source, options, progress.advance), masks[source])
                    return stoppable(batches_of(chosen, form), progress.task)
                return source_batches(source, form, plan.known_columns, options, progress.advance, progress.task)

            rows.read(plan, batches, progress)
            if rows.good + rows.bad == count:
                raise no_rows(source)
        _one_kind(sources, rows.formats)
        return rows.gathered()


def gather_items(
    items: Callable[[], Iterator[Item]],
    choice: FormatChoice,
    total: int,
    rejects: Path,
    task: Task | None = None,
) -> Gathered:
    """As `gather`, from rows read elsewhere; `task` is told of the rows out of `total`. Raises `UserError`."""
    progress = _Progress(total, task or Task())
    plan = plan_of(items(), "", choice)

    def batches(form: Format) -> Iterator[RowBatch]:
        for count, batch in batches_of(items(), form):
            progress.advance(count)
            yield batch
            progress.task.check_stop()

    with _Rows(rejects) as rows:
        rows.read(plan, batches, progress)
        return rows.gathered()


# ---- all together --------------------------------------------------------------------------------------------


class _Progress:
    """Adds up what was read (bytes, or rows), and passes it on."""

    def __init__(self, total: int, task: Task):
        self.total, self.task, self.done = total, task, 0

    def advance(self, count: int) -> None:
        self.done += count

    def report(self, rows: int) -> None:
        self.task.update(min(self.done, self.total), self.total, f"Read {rows:,} rows")


class _Rows:
    """Collects tables and writes rejected rows to their file, which goes again when there are none."""

    def __init__(self, rejects: Path):
        self._path, self._file = rejects, rejects.open("w", encoding="utf-8")
        self._tables: list[pa.Table] = []
        self._accounts: list[list[ColumnEntry]] = []
        self._remarks: list[str] = []
        self.reasons: list[str] = []
        self.formats: list[Format] = []
        self.files: list[dict[str, Any]] = []
        self.good = self.bad = 0

    def __enter__(self) -> "_Rows":
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()
        if not self.bad:
            self._path.unlink()

    def read(self, plan: SourcePlan, batches: Callable[[Format], Iterator[RowBatch]], progress: _Progress) -> None:
        """Reads a source by its plan, and again from its beginning each time the plan changes."""
        form = plan.form()
        start = (len(self._tables), len(self.reasons), self.good, self.bad, self._file.tell(), progress.done)
        for _ in range(MOST_TRIES):
            keys, remarks, about = KeyCounts(), Counter[str](), list[str]()
            better = self._try(plan, form, batches, progress, (keys, remarks, about))
            if better is None:
                break
            form = better
            self._rewind(start)
            progress.done = start[-1]
        keys.merge(plan.empty_keys(form))
        good, bad = self.good - start[2], self.bad - start[3]
        self.formats.append(form)
        self._accounts.append(questioned(form.account(keys, plan.source), doubts(form, plan.sample)))
        self._remarks += [f"{text}." for text in about]
        self._remarks += [f"{text}: {count:,}." for text, count in sorted(remarks.items())]
        self.files.append({"format": form.to_dict(), "rows": good, "rejected": bad})

    def _try(
        self,
        plan: SourcePlan,
        form: Format,
        batches: Callable[[Format], Iterator[RowBatch]],
        progress: _Progress,
        totals: tuple[KeyCounts, Counter[str], list[str]],
    ) -> Format | None:
        """Reads all batches; the format to begin again with as soon as there is a better one."""
        keys, remarks, about = totals
        for batch in batches(form):
            raw = batch.raw or batch.keys
            if news := raw.names - plan.known_columns:
                plan.learn(raw, news)
                if (better := plan.form()) != form:
                    return better
            keys.merge(batch.keys)
            remarks.update(batch.remarks)
            about.extend(batch.about)
            self._add(batch, plan.source)
            progress.report(self.good)
        return None

    def _add(self, batch: RowBatch, name: str) -> None:
        self._tables.append(batch.table)
        self.good += batch.table.num_rows
        for row in batch.rejected:
            row = replace(row, file=name)
            self._file.write(json.dumps(asdict(row)) + "\n")
            if len(self.reasons) < 3:
                self.reasons.append(f"{row.where}: {row.reason}")
            self.bad += 1

    def _rewind(self, start: tuple[int, int, int, int, int, int]) -> None:
        tables, reasons, self.good, self.bad, position, _ = start
        del self._tables[tables:], self.reasons[reasons:]
        self._file.seek(position)
        self._file.truncate()

    def gathered(self) -> Gathered:
        """Everything; raises `UserError` with the first reasons when no row could be read, and for open questions."""
        kind, account = self.formats[0].kind, joined_entries(self._accounts)
        if not self.good:
            reasons = "\n".join(self.reasons)
            raise UserError(
                f"None of the {self.bad} rows can be read as {self.formats[0].title}. The first reasons:\n{reasons}",
                "Choose another format or other columns.",
                "format",
            )
        if undecided := [entry for entry in account if entry.use == "undecided"]:
            raise question_of(undecided)
        table = joined_tables(kind, self._tables)
        return Gathered(kind, table, self.bad, self.formats, self.files, account, self._remarks, self.reasons)


def question_of(undecided: list[ColumnEntry]) -> UserError:
    """The error that asks what to do with columns that may change what is learned."""
    lines = "\n".join(
        f"{entry.column}: {entry.why} {entry.rows:,} rows have it, the first at line {entry.line:,}."
        for entry in undecided
    )
    names = " ".join(f"{entry.column}=keep" for entry in undecided)
    return UserError(
        f"What is to become of these columns?\n{lines}",
        f"Choose another format, or say it: {names} keeps them as metadata, =leave_out drops them.",
        "columns",
    )


def _one_kind(sources: list[Readable], formats: list[Format]) -> None:
    if len({form.kind for form in formats}) > 1:
        kinds = ", ".join(
            f"{source_name(source)} is {form.kind}" for source, form in zip(sources, formats, strict=True)
        )
        raise UserError(
            f"These files are of different kinds: {kinds}.", "Import each kind as a dataset of its own.", "source"
        )


def _name(source: Readable) -> str:
    return source.name if isinstance(source, Path) else ""
