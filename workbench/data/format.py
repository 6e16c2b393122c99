"""The formats data comes in: the base class, the registry, and the detection of the right one from a sample."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar, Self

from pydantic import BeforeValidator, Field

from workbench.data.canonical import Kind, check
from workbench.data.straight import Layout
from workbench.data.tools import tools_of
from workbench.data.values import from_json, json_ready
from workbench.errors import UserError
from workbench.registry import Method, Registry

Row = dict[str, Any]


def _names(value: Any) -> Any:
    """Column names from a list, or from one text with commas between them."""
    return [name.strip() for name in value.split(",") if name.strip()] if isinstance(value, str) else value


class Format(Method):
    """How rows of one layout become canonical rows. Its settings are the names of the columns it reads.

    `examples` are rows it must accept; `rank` breaks ties in detection (higher wins).
    """

    kind: ClassVar[Kind]
    examples: ClassVar[list[Row]]
    rank: ClassVar[int] = 1

    keep_columns: Annotated[list[str], BeforeValidator(_names)] = Field(
        default_factory=list, description="Further columns to keep, under metadata; the others are left out."
    )

    @classmethod
    def guess(cls, columns: list[str], sample: list[Row]) -> tuple[Self | None, str]:
        """This format with its columns filled in, or None; and the reason in either case."""
        raise NotImplementedError

    def convert(self, row: Row) -> Row:
        """The canonical row. Raises `UserError` with the reason when the row cannot be one."""
        raise NotImplementedError

    def layout(self) -> Layout | None:
        """What `straight` may read without this format's `convert`, to the same result; None if nothing."""
        return None

    def made(self, source: Row, canonical: Row) -> Row:
        """The canonical row, checked, with the row's tools and the columns to keep. Raises `UserError`."""
        tools = tools_of(optional(source, getattr(self, "tools", "")))
        if tools:
            canonical["tools"] = tools
        kept = {name: json_ready(source[name]) for name in self.keep_columns if source.get(name) is not None}
        if "metadata" in kept:
            kept["metadata"] = from_json(kept["metadata"])  # Parquet and CSV hold it as text
        own = kept.pop("metadata", None) if isinstance(kept.get("metadata"), dict) else None
        if kept or own:
            canonical["metadata"] = {**(own or {}), **kept}
        return check(self.kind, canonical)

    def columns_used(self) -> list[str]:
        """The column names its settings hold, blank ones left out."""
        return [value for value in self.settings().values() if isinstance(value, str) and value]

    def settings(self) -> dict[str, Any]:
        return {name: getattr(self, name) for name in type(self).model_fields}


FORMATS: Registry[Format] = Registry("data format", "workbench.data.formats")


@dataclass(frozen=True)
class Detection:
    """The format found (None if none fits), why, and every format that could read the rows, best first."""

    format: Format | None
    reason: str
    candidates: list[Format]


@dataclass(frozen=True)
class _Trial:
    format: Format
    reason: str
    converted: int
    claimed: int

    def merit(self, total: int) -> tuple[bool, int, int, int]:
        """Readable for at least half of the sample, then columns explained, then rank, then rows read."""
        return (self.converted * 2 >= total, self.claimed, self.format.rank, self.converted)


def detect(rows: Iterable[Row]) -> Detection:
    """Tries every format on a sample of rows and takes the one that explains most of their columns."""
    sample = [row for row in rows if isinstance(row, dict)]
    if not sample:
        return Detection(None, "There are no rows to look at.", [])
    columns = columns_of(sample)
    trials = [trial for form in FORMATS if (trial := _try(form, columns, sample))]
    trials = sorted(trials, key=lambda trial: trial.merit(len(sample)), reverse=True)
    if not trials:
        names = ", ".join(columns) or "none"
        return Detection(None, f"No format knows these columns: {names}.", [])
    best = trials[0]
    reason = f"{best.reason} {best.converted} of the first {len(sample)} rows can be read."
    return Detection(best.format, reason, [trial.format for trial in trials])


def _try(form: type[Format], columns: list[str], sample: list[Row]) -> _Trial | None:
    guessed, reason = form.guess(columns, sample)
    if guessed is None:
        return None
    claimed = len(set(guessed.columns_used()) & set(columns))
    return _Trial(guessed, reason, sum(_converts(guessed, row) for row in sample), claimed)


def _converts(form: Format, row: Row) -> bool:
    try:
        form.convert(row)
    except UserError:
        return False
    return True


def columns_of(sample: list[Row]) -> list[str]:
    """Every column of the sample, in the order of first appearance."""
    return list(dict.fromkeys(str(key) for row in sample for key in row))


def pick(columns: list[str], *names: str) -> str:
    """The first column that has one of these names, whole and whatever its case; '' if none has."""
    by_name = {column.strip().lower(): column for column in reversed(columns)}
    return next((by_name[name] for name in names if name in by_name), "")


def cell(row: Row, column: str) -> Any:
    """A required cell; raises `UserError` naming the column and those there are."""
    if column not in row:
        raise UserError(f"there is no column {column!r}.", f"This row has: {', '.join(map(str, row)) or 'nothing'}.")
    return row[column]


def optional(row: Row, column: str) -> Any:
    """A cell that may be missing: its value, or None."""
    return row.get(column) if column else None


def first_value(sample: list[Row], column: str) -> Any:
    """The first filled value of a column in the sample, or None."""
    return next((row[column] for row in sample if row.get(column) not in (None, "", [])), None)


def tools_column(columns: list[str], sample: list[Row]) -> str:
    """The column `tools` if it holds tools; '' otherwise."""
    column = pick(columns, "tools")
    try:
        return column if column and tools_of(first_value(sample, column)) else ""
    except UserError:
        return ""
