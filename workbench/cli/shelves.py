"""Commands for what lies on the shelves: list, import, delete, look at a row."""

import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from workbench.cli.jobs import run_here
from workbench.cli.shared import Args, Commands, add, emit, families, read_text_file, show
from workbench.core.errors import UserError
from workbench.core.home import Home
from workbench.core.spec import dump_yaml, load_yaml
from workbench.core.units import human_size
from workbench.data.reading.documents import DOCUMENTS
from workbench.data.reading.opening import ENCODINGS
from workbench.data.reading.tabular import HEADERS
from workbench.jobs.job import JOBS
from workbench.jobs.queue import Queue
from workbench.rendering.templates import NAMES

if TYPE_CHECKING:
    from workbench.core.lineage import Manifest
    from workbench.data.sources.source import Source
    from workbench.preferences.sessions import SessionInfo


def list_models(home: Home, args: Args) -> None:
    from workbench.models import shelf

    columns = ["name", "kind", "family", "base", "architecture", "parameters", "dtype", "size", "parents"]
    rows = [
        (
            i.name,
            i.error or i.kind,
            i.family.label if i.family else "",
            i.base,
            i.architecture,
            i.parameters,
            i.dtype,
            human_size(i.size),
            ",".join(i.parents),
        )
        for i in shelf.list_models(home)
    ]
    emit(args, columns, rows)


def list_datasets(home: Home, args: Args) -> None:
    from workbench.data.store import datasets

    rows = []
    for manifest in datasets.list_datasets(home):
        counts = manifest.info.get("rows", {})
        kind = manifest.info.get("error") or manifest.info.get("kind")
        rows.append(
            (manifest.name, kind, counts.get("train", 0), counts.get("eval", 0), manifest.info.get("rejected", 0))
        )
    emit(args, ["name", "kind", "train", "eval", "rejected"], rows)


def list_jobs(home: Home, args: Args) -> None:
    rows = [(row.id, row.status, row.label, row.text or row.error) for row in Queue(home).all()]
    emit(args, ["id", "status", "job", "last"], rows)


def list_sessions(home: Home, args: Args) -> None:
    from workbench.preferences.sessions import list_sessions as sessions

    rows = [
        (s.name, ", ".join(s.models) if s.closed else str(len(s.models)), s.usable, s.votes, *_states(s))
        for s in sessions(home)
    ]
    emit(args, ["name", "models", "pairs", "votes", "complete", "state"], rows)


def _states(session: "SessionInfo") -> tuple[str, str]:
    """Whether all answers are in, and whether votes are still taken; an open session's models are not named."""
    return "yes" if session.complete else "no", "closed" if session.closed else "open"


def list_methods(_home: Home, args: Args) -> None:
    rows = [
        (family, method.method, method.unavailable() or method.summary())
        for family, registry in families().items()
        for method in registry
    ]
    emit(args, ["family", "method", "what it does"], rows)


LISTS: dict[str, Callable[[Home, Args], None]] = {
    "models": list_models,
    "datasets": list_datasets,
    "jobs": list_jobs,
    "sessions": list_sessions,
    "methods": list_methods,
}


def import_model(home: Home, args: Args) -> None:
    """`starter`, `hub:owner/name`, or a folder."""
    if args.source == "starter":
        run_here(home, JOBS.parse("starter-model"), args.json)
    elif args.source.startswith("hub:"):
        spec = {"method": "hub-model", "repo": args.source[4:], "revision": args.revision, "name": args.name or ""}
        run_here(home, JOBS.parse({**spec, "base": args.base or ""}), args.json)
    else:
        from workbench.core.foreign_configuration import refuse_configuration, refuse_recipes
        from workbench.core.home import slug
        from workbench.models.model_import import import_folder

        if Path(args.source).suffix.lower() in (".yaml", ".yml"):
            text = read_text_file(args.source, "source")
            refuse_recipes(text, Path(args.source).name, "model")
            refuse_configuration(load_yaml(text, aliases=True), Path(args.source).name, "model")

        name = args.name or slug(Path(args.source).resolve().name)
        manifest = import_folder(home, args.source, name, args.base or "", args.hub_id or "")
        text = f"{manifest.name} is on the shelf. {manifest.info.get('limits', '')}".strip()
        show(args, {"name": manifest.name, **manifest.info}, text)


def import_dataset(home: Home, args: Args) -> None:
    """`sample`, files, folders, hub:owner/name, an entry of another trainer's list, or - for standard input."""
    from workbench.core.home import slug
    from workbench.data.recipes.importing import import_dataset as bring
    from workbench.data.recipes.importing import import_sample

    if args.source == ["sample"]:
        name = import_sample(home).name
        show(args, {"names": [name, "field-guide-prompts"]}, f"{name} and field-guide-prompts are on the shelf.")
        return
    sources = _listed_sources(args) or {args.name or slug(_stem(args.source[0])): _source(args)}
    manifest = [
        bring(home, source, name, eval_fraction=args.eval_fraction, seed=args.seed, replace=args.replace)
        for name, source in sources.items()
    ]
    if args.json:
        message = [{"name": name.name, **name.info} for name in manifest]
        print(json.dumps(message if len(message) > 1 else message[0], ensure_ascii=False))
        return
    for one in manifest:
        _print_imported(one)


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


def _listed_sources(args: Args) -> dict[str, "Source"]:
    """The sources of the entries that are named, by the names of their datasets; {} where no list is given.

    Raises `UserError` for a list of several of which none is named.
    """
    from workbench.data.sources.external import ALL, entries_chosen, list_beside, name_of_entry, source_of_entry

    path = Path(args.source[0]).expanduser()
    listed = list_beside(path) or (path if args.entry else None)
    if listed is None or (not args.entry and (args.format or len(args.source) > 1)):
        return {}
    text = read_text_file(listed, "source")
    chosen = entries_chosen(text, args.entry or [], listed.name)
    if args.name and len(chosen) > 1:
        raise UserError(
            "--name is for one dataset, and several entries are chosen.", "Leave it out: each goes by its own name.",
            "--name",
        )  # fmt: skip
    names = [args.name or name_of_entry(entry) for entry in chosen]
    if len(set(names)) < len(names):
        raise UserError(f"Two of these entries would be called {max(names, key=names.count)}.",
                        f"Import them one by one, each with its --name, in place of {ALL}.", "--entry")  # fmt: skip
    folder = listed.resolve().parent
    return {name: source_of_entry(text, entry, folder, listed.name) for name, entry in zip(names, chosen, strict=True)}


def _source(args: Args) -> "Source":
    """Where the rows come from, as the arguments say it."""
    from workbench.data.sources.source import SOURCES

    columns = dict(_change(text) for text in args.columns or [])
    form = {"method": args.format} if args.format else None
    how = {"format": form, "columns": columns}
    text = {"header": args.header, "documents": args.documents}
    first = args.source[0]
    if first == "-":
        return SOURCES.parse({"method": "pasted", "text": sys.stdin.read(), **how, **text})
    if first.startswith("hub:"):
        path = {"config": args.config, "split": args.split, "revision": args.revision}
        return SOURCES.parse({"method": "hub", "dataset": first[4:], **path, **how})
    paths = [str(Path(path).expanduser().absolute()) for path in args.source]
    return SOURCES.parse({"method": "files", "paths": paths, **how, **text, "encoding": args.encoding})


def tokens(home: Home, args: Args) -> None:
    """One row as the model sees it: on a screen in colours, in a pipe with what is trained on between ⟦ and ⟧."""
    from workbench.cli.tokens import print_seen
    from workbench.data.encoding.token_view import row_token_view

    text = read_text_file(args.template_file, "--template-file") if args.template_file else ""
    view = row_token_view(
        home, args.dataset, args.model, split=args.split, row=args.row, template="custom" if text else args.template,
        max_length=args.max_length, train_on=args.train_on, text=text,
    )  # fmt: skip
    if args.json:
        print(json.dumps(view, ensure_ascii=False))
        return
    for side in view["sides"] or [view]:
        print_seen(side)


def delete(home: Home, args: Args) -> None:
    """Removes a model, dataset or session."""
    from workbench.data.store.datasets import delete_dataset
    from workbench.models.shelf import delete_model
    from workbench.preferences.sessions import delete_session

    {"model": delete_model, "dataset": delete_dataset, "session": delete_session}[args.what](home, args.name)
    show(args, {"deleted": args.what, "name": args.name}, f"{args.name} is deleted.")


def register(commands: Commands) -> None:
    listed = add(commands, "list", lambda home, args: LISTS[args.what](home, args), "list what is there")
    listed.add_argument("what", choices=list(LISTS))
    model = add(commands, "import-model", import_model, "put a model on the shelf")
    model.add_argument("source", help="'starter', 'hub:owner/name', or a folder")
    model.add_argument("--name", help="its name on the shelf")
    model.add_argument("--base", help="for an adapter: its base model on the shelf")
    model.add_argument("--revision", default="main", help="hub: branch, tag or commit")
    model.add_argument("--hub-id", help="a folder: the hub id it is a copy of, by which recipes may name it")
    data = add(commands, "import-dataset", import_dataset, "put a dataset on the shelf")
    data.add_argument(
        "source",
        nargs="+",
        help="'sample', files or folders (JSON, JSONL, CSV, TSV, Parquet, text), hub:owner/name, or - for stdin",
    )
    data.add_argument("--name", help="its name on the shelf")
    data.add_argument(
        "--entry", nargs="+", metavar="NAME",
        help="the source is a dataset_info.json, its folder, or axolotl's YAML: which datasets of it, or 'all'",
    )  # fmt: skip
    data.add_argument("--config", default="", help="hub: which configuration")
    data.add_argument("--split", default="train", help="hub: which split")
    data.add_argument("--revision", default="", help="hub: branch, tag or commit")
    data.add_argument("--replace", action="store_true", help="put it in the place of a dataset of that name")
    data.add_argument("--format", help="format, if the detected one is wrong: see `list methods`")
    data.add_argument(
        "--columns", nargs="*", metavar="NAME=WHAT", help="the column of a setting of the format (prompt=Ask), or what "
        "becomes of a column or of a key of messages: topic=keep (under metadata) or messages.id=leave_out",
    )  # fmt: skip
    data.add_argument(
        "--header", choices=HEADERS, default="auto", help="whether a table's first line names its columns"
    )
    data.add_argument("--documents", choices=DOCUMENTS, default="auto", help="what a document of plain text is")
    data.add_argument("--eval-fraction", type=float, default=0.1)
    data.add_argument("--seed", type=int, default=0)
    data.add_argument("--encoding", default="utf-8", choices=list(ENCODINGS))
    command = add(
        commands, "tokens", tokens, "show one row as the model sees it: ⟦ ⟧ around what is trained on, or colours"
    )
    command.add_argument("dataset")
    command.add_argument("--model", required=True)
    command.add_argument("--row", type=int, default=1)
    command.add_argument("--split", default="train", choices=["train", "eval"])
    command.add_argument("--template", default="model", choices=list(NAMES))
    command.add_argument("--template-file", help="a Jinja chat template of your own, in place of --template")
    command.add_argument("--max-length", type=int, default=512)
    command.add_argument("--train-on", default="assistant", choices=["assistant", "all"])
    gone = add(commands, "delete", delete, "remove a model, dataset or labelling session")
    gone.add_argument("what", choices=["model", "dataset", "session"])
    gone.add_argument("name")
