"""What the import is given, as a source: files of the browser, pasted text, a dataset of the hub, a folder here."""

import hashlib
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tabs.data.format import chosen
from workbench.core.errors import UserError
from workbench.core.home import Home, slug, write_text
from workbench.core.paths import PathGate
from workbench.core.uploads import discard_uploads, gathered_uploads, upload_folder
from workbench.data.reading.readers import form_of
from workbench.data.recipes.brief_preview import MOST_AT_ONCE_BYTES, brief_preview
from workbench.data.recipes.previewing import Preview
from workbench.data.sources.external import entries, is_list_of_datasets, list_beside, name_of_entry, source_of_entry
from workbench.data.sources.methods.files import Files
from workbench.data.sources.methods.pasted import Pasted
from workbench.data.sources.source import SOURCES, Source
from workbench.rows.values import encodable

WAYS = ("Files", "Paste", "Hub", "Folder")
LONGEST_BYTES = 5_000_000  # bytes of a description


@dataclass(frozen=True)
class ImportInputs:
    """The widgets' values, in their order."""

    way: str = "Files"
    files: list[str] | None = None
    text: str = ""
    dataset: str = ""
    config: str = ""
    split: str = ""
    revision: str = ""
    folder: str = ""
    encoding: str = "utf-8"
    documents: str = "auto"
    header: str = "auto"
    entries: list[str] | None = None
    format: dict[str, Any] | None = field(default=None)

    @property
    def is_empty(self) -> bool:
        there = {"Files": self.files, "Paste": self.text, "Hub": self.dataset, "Folder": self.folder}[self.way]
        return not (there and (not isinstance(there, str) or there.strip()))

    @property
    def name(self) -> str:
        """What it may be called on the shelf."""
        if self.entries:
            return name_of_entry(self.entries[0])
        if self.way == "Files" and self.files:
            return slug(Path(self.files[0]).name.split(".")[0])
        address = {"Hub": self.dataset, "Folder": self.folder.rstrip("/")}.get(self.way, "pasted")
        return slug(address.split("/")[-1].split(".")[0])


def description(gate: PathGate, inputs: ImportInputs) -> Path | None:
    """The dataset_info.json or axolotl YAML among what is given, if there is one.

    Raises `UserError` for a folder that may not be named.
    """
    if inputs.way == "Files":
        return next((path for path in map(Path, inputs.files or []) if is_list_of_datasets(path)), None)
    if inputs.way == "Folder" and inputs.folder.strip():
        return list_beside(gate.path(inputs.folder, "Folder"))
    return None


def entries_of(path: Path | None) -> list[str]:
    """The datasets such a file describes. Raises `UserError` when it describes none."""
    return entries(_text(path), path.name) if path else []


def _text(path: Path) -> str:
    """What a description says; raises `UserError` when it is too large or not UTF-8."""
    if path.stat().st_size > LONGEST_BYTES:
        raise UserError(f"{path.name} is over 5 MB.", "Give only the entries that are needed.", "Entry")
    try:
        return path.read_text("utf-8")
    except UnicodeDecodeError:
        raise UserError(f"{path.name} is not UTF-8.", "Save it as UTF-8.", "Entry") from None


def source_of_inputs(home: Home, gate: PathGate, inputs: ImportInputs) -> Source:
    """The source that is meant; raises `UserError` when there is nothing, or it may not be read."""
    source = _source(home, gate, inputs)
    gate.check(source)
    return source


def _source(home: Home, gate: PathGate, inputs: ImportInputs) -> Source:
    if inputs.is_empty:
        remedy = {"Files": "Choose a file.", "Paste": "Paste some rows.", "Hub": "Give a hub id, such as owner/name.",
                  "Folder": "Give a folder."}[inputs.way]  # fmt: skip
        raise UserError("There is nothing to import.", remedy, inputs.way)
    if described := description(gate, inputs):
        return _described(home, inputs, described)
    form = chosen(inputs.format)
    text = {"documents": inputs.documents or "auto", "header": inputs.header or "auto"}
    if inputs.way == "Paste" and len(inputs.text) > MOST_AT_ONCE_BYTES:
        return SOURCES.parse({"method": "files", "paths": [_pasted(home, inputs.text)], "format": form, **text})
    if inputs.way == "Paste":
        return SOURCES.parse({"method": "pasted", "text": inputs.text, "format": form, **text})
    if inputs.way == "Hub":
        revision_settings = {"config": inputs.config.strip(), "split": inputs.split.strip() or "train"}
        revision_settings["revision"] = inputs.revision.strip()
        return SOURCES.parse({"method": "hub", "dataset": inputs.dataset.strip(), **revision_settings, "format": form})
    paths = (inputs.files or []) if inputs.way == "Files" else [str(gate.path(inputs.folder, "Folder"))]
    if inputs.way == "Folder" and not Path(paths[0]).exists():
        raise UserError(f"There is no folder {paths[0]}.", "Give its whole path.", "Folder")
    return SOURCES.parse({"method": "files", "paths": paths, "format": form, "encoding": inputs.encoding, **text})


def _described(home: Home, inputs: ImportInputs, path: Path) -> Source:
    """The source of the one entry chosen, read as a person says; files of the browser lie beside the list then."""
    if len(inputs.entries or []) != 1:
        raise UserError(f"{path.name} lists several datasets.", "Choose those to import.", "Datasets")
    (entry,) = inputs.entries or []
    # a folder for each entry: what an import in the background has read, it deletes
    folder = gathered_uploads(home, inputs.files or [], entry) if inputs.way == "Files" else path.parent
    source = source_of_entry(_text(path), entry, folder, path.name).to_dict()
    if form := chosen(inputs.format):
        source["format"] = form
    if source["method"] == "files":
        source |= {"encoding": inputs.encoding, "documents": inputs.documents, "header": inputs.header}
    return SOURCES.parse(source)


def _pasted(home: Home, text: str) -> str:
    """The file a long text is put into, so that no job has to carry it in its settings."""
    folder = upload_folder(home) / f"pasted-{hashlib.sha256(text.encode('utf-8', 'replace')).hexdigest()[:16]}"
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"pasted.{form_of(text)}"
    if not path.exists():
        write_text(path, encodable(text, "The pasted text"))
    return str(path)


def discard(home: Home, inputs: ImportInputs, source: Source | None = None) -> None:
    """Deletes what the browser sent for this source, or sent at all, which is on the shelf now."""
    discard_uploads(home, [*((inputs.files or []) if inputs.way == "Files" else []), *getattr(source, "paths", [])])


def text_forms(source: Source) -> set[str]:
    """What the files of a source, or its text, are: 'txt', 'csv' and so on; of the hub nothing is known."""
    if isinstance(source, Files):
        return {form_of(path, source.reading()) for path in source.files()}
    return {form_of(source.text, source.reading())} if isinstance(source, Pasted) else set()


def look(home: Home, gate: PathGate, inputs: ImportInputs) -> tuple[Preview, bool]:
    """What importing it would give, and whether the format is as detected. Raises `UserError`."""
    source = source_of_inputs(home, gate, inputs)
    preview = brief_preview(source)
    return preview, getattr(source, "format", None) is None
