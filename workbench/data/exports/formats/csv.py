"""CSV: one column a part, for spreadsheets."""

import csv
import json
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal

from pydantic import Field

from workbench.core.display import ADVANCED, Display
from workbench.core.errors import UserError
from workbench.data.exports.export import EXPORTS, Export, Row, SplitInput
from workbench.data.exports.formats._shapes import answer, canonical_format, json_text, question, single
from workbench.rows.table import SCHEMAS

FORMULA = ("=", "+", "-", "@", "\t", "\r")
GUARDED = "texts as they are: an apostrophe before what looks like a formula"
LOADING = """import pandas


def read(path):
    # pandas takes texts such as "None" and "NA" for missing values, and "007" for a number, unless it is told not to
    return pandas.read_csv(path, dtype={types}, keep_default_na=False)


data = {{{named}}}
"""
PLAIN = {
    "conversation": ("system", "prompt", "completion"),
    "preference": ("system", "prompt", "chosen", "rejected"),
    "unpaired": ("system", "prompt", "completion", "label"),
    "text": ("text",),
    "prompts": ("system", "prompt"),
}


@EXPORTS.register
class Csv(Export):
    """CSV: plain text cells for single questions and answers, or every part as JSON text.

    Cells are the texts as they are, and read back as they were. With `formula_guard` a cell that a spreadsheet would
    take for a formula gets a leading apostrophe, which stays there when it is read back.
    https://owasp.org/www-community/attacks/CSV_Injection
    """

    method: ClassVar[str] = "csv"
    title: ClassVar[str] = "CSV"
    suffix: ClassVar[str] = ".csv"

    cells: Annotated[Literal["text", "json"], Display(labels={"text": "plain text", "json": "JSON text"})] = Field(
        "text", title="Cells",
        description="Plain text for rows of one question, or lists of messages as JSON text for every row.",
    )  # fmt: skip
    formula_guard: Annotated[bool, ADVANCED] = Field(
        False, title="Guard against formulas",
        description="Put an apostrophe before cells that a spreadsheet would run as a formula, which changes them.",
    )  # fmt: skip
    byte_order_mark: Annotated[bool, ADVANCED] = Field(
        False, title="Byte order mark", description="Begin with a mark by which Excel knows the text as UTF-8."
    )

    def dropped(self) -> tuple[str, ...]:
        return ("metadata", "name", "reasoning_content") if self.cells == "text" else ()

    def losses(self, row: Row, written: list[Row]) -> list[str]:
        guarded = self.formula_guard and any(
            escaped(cell) != cell for cells_by_column in written for cell in cells_by_column.values()
        )
        return [*super().losses(row, written), *([GUARDED] if guarded else [])]

    def _cell(self, text: str) -> str:
        return escaped(text) if self.formula_guard else text

    def convert(self, kind: str, row: Row, uses: frozenset[str]) -> list[Row]:
        return [_plain(kind, row) if self.cells == "text" else _as_json(kind, row, uses)]

    def write(self, split: SplitInput, path: Path) -> None:
        names = PLAIN[split.kind] if self.cells == "text" else _columns(split.kind, split.uses)
        encoding = "utf-8-sig" if self.byte_order_mark else "utf-8"
        with path.open("w", encoding=encoding, newline="") as file:
            table = csv.writer(file)  # ends lines with \r\n, which makes it quote cells with either
            table.writerow(names)
            table.writerows([self._cell(row[name]) for name in names] for row in self.converted(split))

    def settings(self, name: str, kind: str, files: dict[str, str], uses: frozenset[str]) -> dict[str, str]:
        named = ", ".join(f'"{split}": read("{file}")' for split, file in files.items())
        columns = PLAIN[kind] if self.cells == "text" else _columns(kind, uses)
        types = {name: "bool" if name == "label" else "str" for name in columns}
        return {"load.py": LOADING.format(types=json.dumps(types), named=named)}

    def reads(self, kind: str, uses: frozenset[str]) -> dict[str, Any]:
        settings = canonical_format(kind, uses if self.cells == "json" else frozenset())
        return (
            {**settings, "method": "prompt_completion"} if (kind, self.cells) == ("conversation", "text") else settings
        )


def escaped(text: str) -> str:
    """The cell as a spreadsheet leaves it alone."""
    return f"'{text}" if text.startswith(FORMULA) else text


def _plain(kind: str, row: Row) -> Row:
    if "tools" in row:
        raise UserError("It uses tools.")
    return PARTS[kind](row)


def _conversation(row: Row) -> Row:
    return dict(zip(PLAIN["conversation"], single(row), strict=True))


def _asked(row: Row) -> Row:
    """System prompt and question, with the answers there are."""
    system, asked = question(row["prompt"])
    answers = {name: answer(row[name]) for name in ("chosen", "rejected", "completion") if name in row}
    label = {"label": "true" if row["label"] else "false"} if "label" in row else {}
    return {"system": system, "prompt": asked, **answers, **label}


PARTS: dict[str, Callable[[Row], Row]] = {
    "conversation": _conversation,
    "preference": _asked,
    "unpaired": _asked,
    "prompts": _asked,
    "text": lambda row: {"text": row["text"]},
}


def _columns(kind: str, uses: frozenset[str]) -> list[str]:
    return [*SCHEMAS[kind].names, *(name for name in ("tools", "metadata") if name in uses)]


def _as_json(kind: str, row: Row, uses: frozenset[str]) -> Row:
    return {name: _cell(row.get(name)) for name in _columns(kind, uses)}


def _cell(value: Any) -> str:
    if value is None:
        return ""
    return value if isinstance(value, str) else json_text(value)
