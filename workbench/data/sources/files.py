"""Files on this machine: one, several, or a folder of them."""

from pathlib import Path

from pydantic import Field

from workbench.data.gathering import gather
from workbench.data.opening import Encoding
from workbench.data.reading import form_of, suffix_form
from workbench.data.source import SOURCES, FormatOrNone, Imported, Source, keep_copies
from workbench.data.spread import Stop, Tell
from workbench.errors import Problems, UserError
from workbench.home import Home
from workbench.paths import ServerPaths, regular_file, regular_files


@SOURCES.register
class Files(Source):
    """Files of rows: JSON, JSONL, CSV, TSV, Parquet or plain text, packed as .gz or .zst or not; several at once.

    A folder stands for the files in it. All files must be of one kind; each may have its own format.
    """

    method = "files"
    title = "Files"

    paths: ServerPaths = Field(description="The files, or folders of files.", min_length=1, max_length=10_000)
    format: FormatOrNone = Field(None, description="The format of all files; empty detects it file by file.")
    encoding: Encoding = Field("utf-8", description="How text is encoded; a byte order mark decides over it.")

    def check(self, home: Home, problems: Problems) -> None:
        try:
            for path in self.files():
                form_of(path, self.encoding)
        except UserError as error:
            problems.collect("paths", error)

    def gather(self, home: Home, folder: Path, tell: Tell | None = None, stop: Stop | None = None) -> Imported:
        paths = self.files()
        found = gather([*paths], self.format, self.encoding, folder / "rejected.jsonl", tell, stop)  # type: ignore[arg-type]
        kept = keep_copies(folder, paths)
        info = {"format": found.formats[0].to_dict(), "source": kept[0]}
        if len(paths) > 1:
            files = [{**copy, **counts} for copy, counts in zip(kept, found.files, strict=True)]
            info["source"] = {"files": files, "pasted": False, "bytes": sum(copy["bytes"] for copy in kept)}
        return Imported(found.kind, found.table, found.rejected, info)

    def files(self) -> list[Path]:
        """Every file meant, folders replaced by what lies in them. Raises `UserError`."""
        return [file for text in self.paths for file in _expanded(Path(text).expanduser())]


def _expanded(path: Path) -> list[Path]:
    """The path itself, or the readable files of a folder by name; pipes, and links out of the folder are refused."""
    if not path.is_dir():
        return [regular_file(path, "source")]
    found = regular_files(path, lambda file: not file.name.startswith(".") and bool(suffix_form(file)), "source")
    if not found:
        raise UserError(f"The folder {path} holds no file that can be read.", "Choose the files themselves.", "source")
    return found
