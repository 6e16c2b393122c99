"""Text pasted into the page."""

from pathlib import Path
from typing import Any

from pydantic import Field

from workbench.core.errors import Problems, UserError
from workbench.core.home import Home
from workbench.core.tasks import Task
from workbench.data.reading.ingest import gather
from workbench.data.reading.readers import ReadingOptions, form_of
from workbench.data.sources.source import (
    COLUMN_CHANGES,
    DOCUMENTS,
    HEADER,
    SOURCES,
    Columns,
    FormatOrNone,
    HeaderLine,
    Imported,
    Source,
    TextUnits,
    choice_of,
)
from workbench.rows.values import encodable

IN_RECIPE_CHARACTERS = 20_000


@SOURCES.register
class Pasted(Source):
    """Rows pasted as text: JSON, JSONL, CSV, TSV, or paragraphs."""

    method = "pasted"
    title = "Pasted text"

    text: str = Field(title="Text", description="The rows.")
    format: FormatOrNone = Field(None, title="Format", description="The format of the rows; empty detects it.")
    columns: Columns = COLUMN_CHANGES
    header: HeaderLine = HEADER
    documents: TextUnits = DOCUMENTS

    def check(self, home: Home, problems: Problems) -> None:
        try:
            form_of(encodable(self.text, "The pasted text"))
        except UserError as error:
            problems.collect("text", error)

    def gather(self, home: Home, folder: Path, task: Task | None = None) -> Imported:
        text = encodable(self.text, "The pasted text")
        choice, rejects = choice_of(self.format, self.columns), folder / "rejected.jsonl"
        gathered = gather([text], choice, self.reading(), rejects, task)
        (folder / "source").mkdir()
        file = folder / "source" / f"pasted.{form_of(text)}"
        file.write_text(text, encoding="utf-8", newline="")
        copy = {"file": file.name, "pasted": True, "bytes": file.stat().st_size, "copied": True}
        return Imported(gathered.kind, gathered.table, gathered.rejected, {**gathered.manifest_info(), "source": copy})

    def reading(self) -> ReadingOptions:
        return ReadingOptions("utf-8", self.header, self.documents)

    def recipe(self, folder: Path) -> dict[str, Any]:
        """The text itself where it is short, else the copy of it in the dataset's folder."""
        if len(self.text) <= IN_RECIPE_CHARACTERS:
            return self.to_dict()
        path = folder / "source" / f"pasted.{form_of(self.text)}"
        same = {name: value for name, value in self.to_dict().items() if name not in ("method", "text")}
        return {"method": "files", "paths": [str(path)], **same, "encoding": "utf-8"}
