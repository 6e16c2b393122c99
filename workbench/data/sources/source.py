"""Where a dataset's rows come from: the base class of sources, their registry, and what they give. One a file."""

import shutil
from dataclasses import dataclass
from dataclasses import field as dataclass_field
from pathlib import Path
from typing import Annotated, Any

import pyarrow as pa
from pydantic import BeforeValidator, Field, GetJsonSchemaHandler, PlainSerializer
from pydantic_core import CoreSchema

from workbench.core.display import ADVANCED, Display
from workbench.core.errors import NestedSpecError, Problems, SpecError
from workbench.core.home import NAME_PATTERN, Home, free_name, slug
from workbench.core.lineage import Parent
from workbench.core.registry import Method, Registry
from workbench.core.tasks import Task
from workbench.data.reading.documents import Documents
from workbench.data.reading.format import FORMATS, Format
from workbench.data.reading.source_plan import FormatChoice
from workbench.data.reading.tabular import HeaderChoice

COPY_LIMIT_BYTES = 200 * 1024 * 1024


@dataclass(frozen=True)
class Imported:
    """Canonical rows of one kind in the source's order, how many were rejected, and what the manifest says of them."""

    kind: str
    table: pa.Table
    rejected: int = 0
    info: dict[str, Any] = dataclass_field(default_factory=dict)
    parents: list[Parent] = dataclass_field(default_factory=list)


class Source(Method):
    """Base of every source of rows."""

    def check(self, home: Home, problems: Problems) -> None:
        """Adds everything that would make gathering fail at once; it reads no rows."""

    def gather(self, home: Home, folder: Path, task: Task | None = None) -> Imported:
        """The rows; writes rejected.jsonl and source/ (copies of the originals) into the dataset's folder.

        Raises `UserError`, and what stops the `task`.
        """
        raise TypeError(f"{type(self).__name__} has no gather()")

    def recipe(self, folder: Path) -> dict[str, Any]:
        """The source as the recipe in the dataset's folder names it."""
        return self.to_dict()


SOURCES: Registry[Source] = Registry("source", "workbench.data.sources.methods")


def _read(value: Any) -> Any:
    try:
        return None if value in (None, "", "detect") else FORMATS.parse(value)
    except SpecError as error:
        raise NestedSpecError(error.problems) from None


def _written(value: Method | None) -> Any:
    """With the settings that were given; the others are filled in from the rows, now as then."""
    return {"method": value.method, **value.model_dump(mode="json", exclude_unset=True)} if value else None


def choice_of(format: Method | None, columns: dict[str, str]) -> FormatChoice:
    """What a source's settings choose."""
    if format is not None and not isinstance(format, Format):
        raise TypeError(f"{type(format).__name__} is no format")
    return FormatChoice(format, columns)


def _columns(value: Any) -> Any:
    return {} if value is None else value


Columns = Annotated[dict[str, str], BeforeValidator(_columns), ADVANCED]
COLUMN_CHANGES: Any = Field(
    default_factory=dict, title="Columns",
    description="Changes to the format's columns: a setting and its column, or a column and what becomes of it, keep "
    "or leave_out.",
)  # fmt: skip
Samples = Annotated[int, Display(unit="rows", advanced=True)]
SAMPLE_SIZE: Any = Field(
    0, ge=0, le=10**9, title="Sample",
    description="How many rows to draw at random; 0 takes all, as does a number above what there is.",
)  # fmt: skip
Notes = Annotated[list[str], Display(control="hidden")]
NOTES: Any = Field(
    default_factory=list, title="Notes", description="Remarks on the source that are shown with the import."
)
HeaderLine = Annotated[HeaderChoice, Display(advanced=True, labels={"auto": "detect", "yes": "yes", "no": "no"})]
HEADER: Any = Field("auto", title="Header line", description="Whether the first line of a table names its columns.")
TextUnits = Annotated[
    Documents,
    Display(advanced=True, labels={"auto": "detect", "lines": "a line each", "paragraphs": "a paragraph each",
                                   "whole": "the whole text"}),
]  # fmt: skip
DOCUMENTS: Any = Field(
    "auto", title="Documents", description="What becomes a row of plain text: a line, a paragraph or the whole file."
)


class _FormatSchema:
    """Says in a JSON Schema that a format, by its name or with settings, may be given, or 'detect'."""

    def __get_pydantic_json_schema__(self, schema: CoreSchema, handler: GetJsonSchemaHandler) -> dict[str, Any]:
        names = list(FORMATS.all())
        settings = {"type": "object", "properties": {"method": {"enum": names}}, "required": ["method"]}
        return {"anyOf": [{"enum": ["detect", *names]}, settings, {"type": "null"}]}


FormatOrNone = Annotated[Method | None, BeforeValidator(_read), PlainSerializer(_written), _FormatSchema()]


def keep_copies(folder: Path, paths: list[Path]) -> list[dict[str, Any]]:
    """Copies the originals, unchanged, into source/, as long as they are 200 MB together; what each is called there."""
    copies_folder = folder / "source"
    copies_folder.mkdir()
    left, copies = COPY_LIMIT_BYTES, []
    for path in paths:
        size = path.stat().st_size
        name = free_name(copies_folder, path.name if NAME_PATTERN.fullmatch(path.name) else slug(path.name))
        fits = size <= left
        if fits:
            shutil.copyfile(path, copies_folder / name)
            left -= size
        copies.append({"file": name, "pasted": False, "bytes": size, "copied": fits})
    return copies


def source_of_copies(source: dict[str, Any], info: dict[str, Any]) -> dict[str, Any]:
    """A source of files as read again from their copies in the dataset's folder, if all were copied.

    `info` is what gathering told. The paths are relative to the folder, where the recipe lies too.
    """
    origin = info.get("source") or {}
    files = origin.get("files") or [origin]
    if source.get("method") != "files" or not all(file.get("copied") for file in files):
        return source
    return {**source, "paths": [f"source/{file['file']}" for file in files]}
