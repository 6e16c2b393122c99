"""Files on this machine: one, several, or a folder of them."""

from pathlib import Path
from typing import Annotated

from pydantic import Field

from workbench.core.display import ADVANCED
from workbench.core.errors import Problems, UserError
from workbench.core.home import Home
from workbench.core.paths import ServerPaths, regular_file, regular_files
from workbench.core.tasks import Task
from workbench.data.reading.ingest import gather
from workbench.data.reading.opening import Encoding
from workbench.data.reading.readers import ReadingOptions, form_of, suffix_form
from workbench.data.reading.selection import Selection, bounds
from workbench.data.sources.source import (
    COLUMN_CHANGES,
    DOCUMENTS,
    HEADER,
    NOTES,
    SAMPLE_SIZE,
    SOURCES,
    Columns,
    FormatOrNone,
    HeaderLine,
    Imported,
    Notes,
    Samples,
    Source,
    TextUnits,
    choice_of,
    keep_copies,
)


@SOURCES.register
class Files(Source):
    """Files of rows: JSON, JSONL, CSV, TSV, Anki, Parquet, Markdown or plain text, compressed or not; several at once.

    Packed are .gz and .zst. A folder stands for the files in it. All must be of one kind; each may have its own format.
    """

    method = "files"
    title = "Files"

    paths: ServerPaths = Field(
        min_length=1, max_length=10_000, title="Files", description="Paths of the files, or of folders of files."
    )
    format: FormatOrNone = Field(
        None, title="Format", description="The format of all files; empty detects it file by file."
    )
    columns: Columns = COLUMN_CHANGES
    encoding: Annotated[Encoding, ADVANCED] = Field(
        "utf-8", title="Encoding", description="How text is encoded; a byte order mark overrides it."
    )
    header: HeaderLine = HEADER
    documents: TextUnits = DOCUMENTS
    rows: Annotated[str, ADVANCED] = Field(
        "", title="Row selection",
        description="Which rows of all files together, such as [:20%] or [100:200]; empty takes all.",
    )  # fmt: skip
    samples: Samples = SAMPLE_SIZE
    notes: Notes = NOTES

    def check(self, home: Home, problems: Problems) -> None:
        try:
            for path in self.files():
                form_of(path, self.reading())
            if self.rows:
                bounds(self.rows, 0)
        except UserError as error:
            problems.collect("paths", error)

    def gather(self, home: Home, folder: Path, task: Task | None = None) -> Imported:
        paths = self.files()
        rejects = folder / "rejected.jsonl"
        choice = choice_of(self.format, self.columns)
        gathered = gather([*paths], choice, self.reading(), rejects, task, self.selection())
        copies = keep_copies(folder, paths)
        manifest_info = gathered.manifest_info()
        info = {**manifest_info, "remarks": [*self.notes, *manifest_info["remarks"]], "source": copies[0]}
        if len(paths) > 1:
            files = [{**copy, **counts} for copy, counts in zip(copies, gathered.files, strict=True)]
            info["source"] = {"files": files, "pasted": False, "bytes": sum(copy["bytes"] for copy in copies)}
        return Imported(gathered.kind, gathered.table, gathered.rejected, info)

    def reading(self) -> ReadingOptions:
        return ReadingOptions(self.encoding, self.header, self.documents)

    def selection(self) -> Selection:
        return Selection(self.rows, self.samples)

    def files(self) -> list[Path]:
        """Every file meant, folders replaced by what lies in them. Raises `UserError`."""
        return [file for text in self.paths for file in _expanded(Path(text).expanduser())]


def _expanded(path: Path) -> list[Path]:
    """The path itself, or the readable files of a folder by name; pipes, and links out of the folder are refused."""
    if not path.is_dir():
        return [regular_file(path, "source")]
    files = regular_files(path, lambda file: not file.name.startswith(".") and bool(suffix_form(file)), "source")
    if not files:
        raise UserError(f"The folder {path} holds no file that can be read.", "Choose the files themselves.", "source")
    return files
