"""Datasets written for other programs: the base class of export formats, their registry, and the writing itself."""

import sys
from abc import abstractmethod
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar

import pyarrow as pa

from workbench.core.errors import UserError
from workbench.core.home import Home, atomic_dir
from workbench.core.registry import Method, Registry
from workbench.core.tasks import Task
from workbench.data.exports.columns_used import joined_schema, uses_of
from workbench.data.exports.json_lines_writer import write_lines
from workbench.data.reading.format import FORMATS, Format
from workbench.data.store.datasets import SPLITS, dataset_folder, dataset_kind
from workbench.rows.canonical import KINDS
from workbench.rows.table import count_rows, page_of_rows

Row = dict[str, Any]
STOP_EVERY_ROWS = 1000
SHOWN_ROWS = 5
LOOKED_AT_ROWS = 1000
WORDS = {
    "metadata": "metadata",
    "tools": "tools",
    "tool_calls": "the ids of tool calls",
    "name": "the names of speakers",
    "tool_call_id": "which call a tool's answer belongs to",
    "weight": "the weights of turns",
    "reasoning_content": "thoughts beside the answers",
}


@dataclass
class Count:
    """Rows of one split: taken + left out = given; `written` are those of the file, two where a pair makes two.

    `lost` counts the rows written without something they have, by what that is.
    """

    given: int = 0
    taken: int = 0
    written: int = 0
    left_out: dict[str, int] = field(default_factory=dict)
    lost: dict[str, int] = field(default_factory=dict)

    def to_dict(self) -> dict[str, Any]:
        counts = {"given": self.given, "taken": self.taken, "written": self.written}
        return {**counts, "left_out": self.left_out, "lost": self.lost}


@dataclass
class SplitInput:
    """One split to be written: the file of its rows, their kind, and the optional fields its dataset uses.

    `schema` has the columns of all its splits. `count` is filled in as the rows are read.
    """

    kind: str
    path: Path
    uses: frozenset[str]
    schema: pa.Schema
    count: Count = field(default_factory=Count)
    task: Task = field(default_factory=Task)

    def rows(self, most: int | None = None) -> Iterator[Row]:
        """Its canonical rows, or the first of them, a row group in memory at a time."""
        total = min(count_rows(self.path), most or sys.maxsize)
        for number, row in enumerate(page_of_rows(self.path, 0, total)):
            if number % STOP_EVERY_ROWS == 0:
                self.task.check_stop()
                self.task.update(number, total, f"Writing {self.path.stem}")
            self.count.given += 1
            yield row


@dataclass(frozen=True)
class Exported:
    """What was written: the data file and the count of every split, the settings beside them, and what to know.

    `format` are the settings with which importing gives the same rows back; `uses` are the optional fields of the rows.
    """

    data: dict[str, Path]
    counts: dict[str, Count]
    settings: list[Path]
    notes: list[str]
    format: dict[str, Any]
    uses: list[str]

    @property
    def files(self) -> list[Path]:
        return [*self.data.values(), *self.settings]


class Export(Method):
    """Base of every export format. `kinds` are the datasets it writes, `drops` the optional fields it leaves off.

    `typed` is for files that the library datasets reads: it decides on the columns' types by the first megabytes.
    """

    kinds: ClassVar[tuple[str, ...]] = KINDS
    suffix: ClassVar[str] = ".jsonl"
    drops: ClassVar[tuple[str, ...]] = ()
    typed: ClassVar[bool] = False

    def refuses(self, kind: str) -> str:
        """Why it does not write datasets of this kind, or '' if it does."""
        return "" if kind in self.kinds else f"It writes {' and '.join(self.kinds)} rows."

    @abstractmethod
    def convert(self, kind: str, row: Row, uses: frozenset[str]) -> list[Row]:
        """The row as it is written, or several. Raises `UserError` with the reason when it is left out."""

    def write(self, split: SplitInput, path: Path) -> None:
        """Writes one split and counts its rows."""
        write_lines(path, self.converted(split), self.order_seed(split.kind), self.typed and bool(split.uses))

    def converted(self, split: SplitInput, most: int | None = None) -> Iterator[Row]:
        """The rows (or what the first of them give) as they are written; those left out are counted by reason."""
        for row in split.rows(most):
            try:
                written = self.convert(split.kind, row, split.uses)
            except UserError as error:
                split.count.left_out[error.message] = split.count.left_out.get(error.message, 0) + 1
                continue
            split.count.taken += 1
            split.count.written += len(written)
            for loss in self.losses(row, written):
                split.count.lost[loss] = split.count.lost.get(loss, 0) + 1
            yield from written

    def order_seed(self, kind: str) -> int | None:
        """The seed its lines are shuffled with; None keeps their order."""
        return None

    def dropped(self) -> tuple[str, ...]:
        """The optional fields it leaves off with these settings."""
        return self.drops

    def losses(self, row: Row, written: list[Row]) -> list[str]:
        """What the row has and what was made of it does not, in the words of `WORDS`."""
        return [WORDS[name] for name in self.dropped() if carries(row, name)]

    def settings(self, name: str, kind: str, files: dict[str, str], uses: frozenset[str]) -> dict[str, str]:
        """Texts of further files by name: what another program is told about the data. `files` are by split."""
        return {}

    @abstractmethod
    def reads(self, kind: str, uses: frozenset[str]) -> dict[str, Any]:
        """The settings of the format that reads its files back."""

    def format(self, kind: str, uses: frozenset[str] = frozenset()) -> Format:
        return FORMATS.parse(self.reads(kind, uses))


EXPORTS: Registry[Export] = Registry("export", "workbench.data.exports.formats")


def write_export(
    home: Home,
    name: str,
    export: Export,
    target: Path | str,
    split: str = "all",
    *,
    task: Task | None = None,
) -> Exported:
    """Writes a dataset into the folder `target`, which must be new or empty; whole or not at all.

    There is one file a split (NAME-train.jsonl, …) and what else the format writes. Raises `UserError` when the
    format does not fit, no row fits, or the folder is taken, and what stops the `task`.
    """
    inputs = _split_inputs(home, name, export, split, task or Task())
    target_folder = _free(Path(target))
    with atomic_dir(target_folder, replace=target_folder.is_dir()) as folder:
        files = {split_name: f"{name}-{split_name}{export.suffix}" for split_name in inputs}
        for split_name, split_input in inputs.items():
            export.write(split_input, folder / files[split_name])
        _check_any(export, inputs)
        for split_name in [split_name for split_name, split_input in inputs.items() if not split_input.count.written]:
            (folder / files.pop(split_name)).unlink()
        about = next(iter(inputs.values()))
        beside = export.settings(name, about.kind, files, about.uses)
        for file, text in beside.items():
            (folder / file).write_text(text, encoding="utf-8", newline="\n")
    return Exported(
        {split_name: target_folder / file for split_name, file in files.items()},
        {split_name: split_input.count for split_name, split_input in inputs.items()},
        [target_folder / file for file in beside],
        _notes(export, about.uses),
        export.reads(about.kind, about.uses),
        sorted(about.uses),
    )


def preview_export(home: Home, name: str, export: Export, split: str = "train") -> dict[str, Any]:
    """{'rows', 'count', 'notes'}: the first rows as they would be written, of the first 1,000, and what is left out."""
    (split_input,) = _split_inputs(home, name, export, split, Task()).values()
    rows = list(export.converted(split_input, LOOKED_AT_ROWS))
    return {"rows": rows[:SHOWN_ROWS], "count": split_input.count.to_dict(), "notes": _notes(export, split_input.uses)}


def further_files(home: Home, name: str, export: Export) -> dict[str, str]:
    """The further files it writes beside the rows, by name."""
    inputs = _split_inputs(home, name, export, "all", Task())
    about = next(iter(inputs.values()))
    return export.settings(
        name, about.kind, {split_name: f"{name}-{split_name}{export.suffix}" for split_name in inputs}, about.uses
    )


def _split_inputs(home: Home, name: str, export: Export, split: str, task: Task) -> dict[str, SplitInput]:
    """The splits to write. Raises `UserError`."""
    folder, kind = dataset_folder(home, name), dataset_kind(home, name)
    if split not in ("all", *SPLITS):
        raise UserError(f"There is no split {split!r}.", "Choose all, train or eval.", "split")
    if reason := export.refuses(kind):
        fitting = ", ".join(split_name.method for split_name in EXPORTS if kind in split_name.kinds)
        raise UserError(
            f"{export.title} does not fit {name}, whose rows are {kind}. {reason}", f"These do: {fitting}.", "format"
        )
    there = {split_name: path for split_name in SPLITS if (path := folder / f"{split_name}.parquet").is_file()}
    schema = joined_schema(list(there.values()))
    wanted = {split_name: path for split_name, path in there.items() if split in ("all", split_name)}
    if not wanted:
        raise UserError(f"{name} has no rows in {split}.", "Choose the other split.", "split")
    uses = uses_of(schema)
    return {split_name: SplitInput(kind, path, uses, schema, Count(), task) for split_name, path in wanted.items()}


def carries(row: Row, name: str) -> bool:
    """Whether a row has tools or metadata, a turn of it an optional field; of calls of tools their ids count."""
    if name in row:
        return True
    turns = [turn for value in row.values() if isinstance(value, list) for turn in value]
    if name == "tool_calls":
        return any("id" in call for turn in turns for call in turn.get(name, ()))
    return any(name in turn for turn in turns)


def _free(target: Path) -> Path:
    """The folder to write, made absolute. Raises `UserError` when something is there."""
    path = target.expanduser().absolute()
    if path.is_symlink() or (path.exists() and (not path.is_dir() or any(path.iterdir()))):
        raise UserError(f"{path} exists already and is not empty.", "Name a new folder.", "target")
    return path


def _check_any(export: Export, inputs: dict[str, SplitInput]) -> None:
    if any(split_input.count.written for split_input in inputs.values()):
        return
    reasons = {reason: times for split_input in inputs.values() for reason, times in split_input.count.left_out.items()}
    counted = "; ".join(f"{times:,}: {reason}" for reason, times in reasons.items())
    raise UserError(f"No row can be written as {export.title}. {counted}", "Choose another format.", "format")


def _notes(export: Export, uses: frozenset[str]) -> list[str]:
    lost = [WORDS[name] for name in export.dropped() if name in uses]
    return [f"This format does not carry {', '.join(lost)}."] if lost else []
