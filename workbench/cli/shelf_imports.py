"""Commands that bring models and datasets in."""

import json
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from cyclopts import Parameter

from workbench.cli.jobs import run_here
from workbench.cli.shared import Invoked, choice, option, several, show
from workbench.core.errors import UserError
from workbench.core.paths import read_text_file
from workbench.core.spec import dump_yaml, load_yaml
from workbench.data.reading.documents import DOCUMENTS
from workbench.data.reading.opening import ENCODINGS
from workbench.data.reading.tabular import HEADERS
from workbench.jobs.job import JOBS

if TYPE_CHECKING:
    from workbench.core.lineage import Manifest
    from workbench.data.sources.source import Source


def import_model(
    source: Annotated[str, option("'starter', 'hub:owner/name', or a folder")],
    /,
    *,
    name: Annotated[str, option("its name on the shelf")] = "",
    base: Annotated[str, option("for an adapter: its base model on the shelf")] = "",
    revision: Annotated[str, option("hub: branch, tag or commit")] = "main",
    hub_id: Annotated[str, option("a folder: the hub id it is a copy of, by which recipes may name it")] = "",
    invoked: Invoked,
) -> None:
    """`starter`, `hub:owner/name`, or a folder."""
    home = invoked.home
    if source == "starter":
        run_here(home, JOBS.parse("starter-model"), invoked.json)
    elif source.startswith("hub:"):
        spec = {"method": "hub-model", "repo": source[4:], "revision": revision, "name": name, "base": base}
        run_here(home, JOBS.parse(spec), invoked.json)
    else:
        from workbench.core.foreign_configuration import refuse_configuration, refuse_recipes
        from workbench.core.home import slug
        from workbench.models.model_import import import_folder

        if Path(source).suffix.lower() in (".yaml", ".yml"):
            text = read_text_file(source, "source")
            refuse_recipes(text, Path(source).name, "model")
            refuse_configuration(load_yaml(text, aliases=True), Path(source).name, "model")

        name = name or slug(Path(source).resolve().name)
        manifest = import_folder(home, source, name, base, hub_id)
        text = f"{manifest.name} is on the shelf. {manifest.info.get('limits', '')}".strip()
        show(invoked, {"name": manifest.name, **manifest.info}, text)


@dataclass(frozen=True)
class ReadingFlags:
    """How the rows of a dataset are read, in place of what is detected."""

    format: Annotated[str, option("format, if the detected one is wrong: see `list methods`")] = ""
    columns: Annotated[
        tuple[str, ...],
        several(
            "the column of a setting of the format (prompt=Ask), or what becomes of a column or of a key of messages: "
            "topic=keep (under metadata) or messages.id=leave_out",
            "NAME=WHAT",
        ),
    ] = ()
    header: Annotated[str, choice("whether a table's first line names its columns", HEADERS)] = "auto"
    documents: Annotated[str, choice("what a document of plain text is", DOCUMENTS)] = "auto"
    encoding: Annotated[str, choice("of files of text", tuple(ENCODINGS))] = "utf-8"
    config: Annotated[str, option("hub: which configuration")] = ""
    split: Annotated[str, option("hub: which split")] = "train"
    revision: Annotated[str, option("hub: branch, tag or commit")] = ""


def import_dataset(
    source: Annotated[
        list[str],
        option("'sample', files or folders (JSON, JSONL, CSV, TSV, Parquet, text), hub:owner/name, or - for stdin"),
    ],
    /,
    *,
    name: Annotated[str, option("its name on the shelf")] = "",
    entry: Annotated[
        tuple[str, ...],
        several(
            "the source is a dataset_info.json, its folder, or axolotl's YAML: which datasets of it, or 'all'",
            "NAME",
            least=1,
        ),
    ] = (),
    reading: Annotated[ReadingFlags, Parameter(name="*")] = ReadingFlags(),
    replace: Annotated[bool, option("put it in the place of a dataset of that name")] = False,
    eval_fraction: Annotated[float, option("share of the rows that is held out")] = 0.1,
    seed: Annotated[int, option("of the draw of those that are held out")] = 0,
    invoked: Invoked,
) -> None:
    """`sample`, files, folders, hub:owner/name, an entry of another trainer's list, or - for standard input."""
    from workbench.core.home import slug
    from workbench.data.recipes.importing import import_dataset as bring
    from workbench.data.recipes.importing import import_sample

    if source == ["sample"]:
        sample = import_sample(invoked.home).name
        show(invoked, {"names": [sample, "field-guide-prompts"]}, f"{sample} and field-guide-prompts are on the shelf.")
        return
    sources = _listed_sources(source, name, entry, reading) or {
        name or slug(_stem(source[0])): _source(source, reading)
    }
    manifests = [
        bring(invoked.home, listed, each, eval_fraction=eval_fraction, seed=seed, replace=replace)
        for each, listed in sources.items()
    ]
    if invoked.json:
        message = [{"name": manifest.name, **manifest.info} for manifest in manifests]
        print(json.dumps(message if len(message) > 1 else message[0], ensure_ascii=False))
        return
    for manifest in manifests:
        _print_imported(manifest)


def _stem(source: str) -> str:
    """What a dataset is called after: the name of a file without its type, the end of a hub id."""
    from workbench.data.reading.readers import suffix_form

    path = Path(source.removeprefix("hub:"))
    return path.name.split(".")[0] if suffix_form(path) else path.name


def _print_imported(manifest: "Manifest") -> None:
    keys = ("kind", "format", "rows", "rejected", "reasons", "remarks")
    print(
        dump_yaml(
            {
                "name": manifest.name,
                **{key: manifest.info[key] for key in keys if manifest.info.get(key) not in (None, [])},
            }
        )
    )
    print_account(manifest.info.get("columns", []))


def print_account(account: list[dict[str, Any]]) -> None:
    """Every column and every key of a message of what was imported: what it was used as, or why it was not.

    As comments, so that the whole output is YAML.
    """
    lines = [
        (entry["column"], f"used as {entry['setting']}" if entry["use"] == "used" else entry["use"], entry)
        for entry in account
    ]
    first, second = (max((len(line[index]) for line in lines), default=0) for index in (0, 1))
    for column, use, entry in lines:
        print(f"# {column:<{first}}  {use:<{second}}  {entry['rows']:>9,} rows  {entry['why']}")


def _change(text: str) -> tuple[str, str]:
    """What --columns says of one column; its names are taken as they are, dots included."""
    name, match, value = text.partition("=")
    if not match or not name:
        raise UserError(f"{text!r} changes no column.", "Write SETTING=COLUMN, COLUMN=keep or =leave_out.", "--columns")
    return name, value


def _listed_sources(
    sources: list[str], name: str, entries: tuple[str, ...], reading: ReadingFlags
) -> dict[str, "Source"]:
    """The sources of the entries that are named, by the names of their datasets; {} where no list is given.

    Raises `UserError` for a list of several of which none is named.
    """
    from workbench.data.sources.external import ALL, entries_chosen, list_beside, name_of_entry, source_of_entry

    path = Path(sources[0]).expanduser()
    listed = list_beside(path) or (path if entries else None)
    if listed is None or (not entries and (reading.format or len(sources) > 1)):
        return {}
    text = read_text_file(listed, "source")
    chosen = entries_chosen(text, list(entries), listed.name)
    if name and len(chosen) > 1:
        raise UserError(
            "--name is for one dataset, and several entries are chosen.", "Leave it out: each goes by its own name.",
            "--name",
        )  # fmt: skip
    names = [name or name_of_entry(entry) for entry in chosen]
    if len(set(names)) < len(names):
        raise UserError(f"Two of these entries would be called {max(names, key=names.count)}.",
                        f"Import them one by one, each with its --name, in place of {ALL}.", "--entry")  # fmt: skip
    folder = listed.resolve().parent
    return {each: source_of_entry(text, entry, folder, listed.name) for each, entry in zip(names, chosen, strict=True)}


def _source(sources: list[str], reading: ReadingFlags) -> "Source":
    """Where the rows come from, as the arguments say it."""
    from workbench.data.sources.source import SOURCES

    columns = dict(_change(text) for text in reading.columns)
    how = {"format": {"method": reading.format} if reading.format else None, "columns": columns}
    text = {"header": reading.header, "documents": reading.documents}
    first = sources[0]
    if first == "-":
        return SOURCES.parse({"method": "pasted", "text": sys.stdin.read(), **how, **text})
    if first.startswith("hub:"):
        path = {"config": reading.config, "split": reading.split, "revision": reading.revision}
        return SOURCES.parse({"method": "hub", "dataset": first[4:], **path, **how})
    paths = [str(Path(path).expanduser().absolute()) for path in sources]
    return SOURCES.parse({"method": "files", "paths": paths, **how, **text, "encoding": reading.encoding})
