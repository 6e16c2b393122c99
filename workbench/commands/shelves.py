"""Commands for what lies on the shelves: list, import, delete, look at a row."""

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from workbench.commands.jobs import run_here
from workbench.commands.shared import Args, Commands, add, emit, families, pairs
from workbench.data.templates import NAMES
from workbench.home import Home
from workbench.jobs.job import JOBS
from workbench.jobs.queue import Queue
from workbench.spec import dump_yaml


def list_models(home: Home, args: Args) -> None:
    from workbench.models import shelf

    columns = ["name", "kind", "base", "architecture", "parameters", "dtype", "size", "parents"]
    rows = [
        (
            i.name,
            i.error or i.kind,
            i.base,
            i.architecture,
            i.parameters,
            i.dtype,
            shelf.human_size(i.size),
            ",".join(i.parents),
        )
        for i in shelf.list_models(home)
    ]
    emit(args, columns, rows)


def list_datasets(home: Home, args: Args) -> None:
    from workbench.data import shelf

    rows = []
    for found in shelf.list_datasets(home):
        counts = found.info.get("rows", {})
        kind = found.info.get("error") or found.info.get("kind")
        rows.append((found.name, kind, counts.get("train", 0), counts.get("eval", 0), found.info.get("rejected", 0)))
    emit(args, ["name", "kind", "train", "eval", "rejected"], rows)


def list_jobs(home: Home, args: Args) -> None:
    rows = [(v.id, v.status, v.label, v.story.progress.get("text") or v.story.error) for v in Queue(home).all()]
    emit(args, ["id", "status", "job", "last"], rows)


def list_sessions(home: Home, args: Args) -> None:
    from workbench.preferences.sessions import list_sessions as sessions

    rows = [(s.name, ", ".join(s.models), s.usable, s.votes, "yes" if s.complete else "no") for s in sessions(home)]
    emit(args, ["name", "models", "pairs", "votes", "complete"], rows)


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
        run_here(home, JOBS.parse("starter-model"))
    elif args.source.startswith("hub:"):
        spec = {"method": "hub-model", "repo": args.source[4:], "revision": args.revision, "name": args.name or ""}
        run_here(home, JOBS.parse({**spec, "base": args.base or ""}))
    else:
        from workbench.home import slug
        from workbench.models.shelf import import_folder

        name = args.name or slug(Path(args.source).resolve().name)
        print(f"{import_folder(home, args.source, name, args.base or '').name} is on the shelf.")


def import_dataset(home: Home, args: Args) -> None:
    """`sample`, a file, or - for standard input."""
    from workbench.data.format import FORMATS
    from workbench.data.importing import import_dataset as bring
    from workbench.data.importing import import_sample
    from workbench.home import slug

    if args.source == "sample":
        print(f"{import_sample(home).name} and field-guide-prompts are on the shelf.")
        return
    source = sys.stdin.read() if args.source == "-" else Path(args.source)
    form = FORMATS.parse({"method": args.format, **pairs(args.columns or [])}) if args.format else None
    name = args.name or slug(Path(args.source).stem)
    made = bring(
        home, source, name, format=form, eval_fraction=args.eval_fraction, seed=args.seed, encoding=args.encoding
    )
    print(dump_yaml({"name": made.name, **{key: made.info[key] for key in ("kind", "format", "rows", "rejected")}}))


def tokens(home: Home, args: Args) -> None:
    """One row as the model sees it: trained tokens green, the rest grey, what is cut off struck through."""
    from workbench.data.viewing import row_as_seen

    text = Path(args.template_file).read_text("utf-8") if args.template_file else ""
    view = row_as_seen(
        home, args.dataset, args.model, split=args.split, row=args.row, template="custom" if text else args.template,
        max_length=args.max_length, train_on="assistant", text=text,
    )  # fmt: skip
    for side in view["sides"] or [view]:
        print_seen(side)


def print_seen(view: dict[str, Any]) -> None:
    """The tokens of one side of a row, its figures and its warnings."""
    if title := view.get("title"):
        print(f"— {title} —")
    for token in view["tokens"]:
        color = "9;31" if token["cut"] else "32" if token["trained"] else "90"
        print(f"\033[{color}m{token['text']}\033[0m" if sys.stdout.isatty() else token["text"], end="")
    print("\n\n" + "  ".join(f"{name}: {value}" for name, value in view["summary"]))
    for warning in view["warnings"]:
        print(f"{warning['level']}: {warning['text']}")


def delete(home: Home, args: Args) -> None:
    """Removes a model, dataset or session."""
    from workbench.data.shelf import delete_dataset
    from workbench.models.shelf import delete_model
    from workbench.preferences.sessions import delete_session

    {"model": delete_model, "dataset": delete_dataset, "session": delete_session}[args.what](home, args.name)
    print(f"{args.name} is deleted.")


def register(commands: Commands) -> None:
    listed = add(commands, "list", lambda home, args: LISTS[args.what](home, args), "list what is there")
    listed.add_argument("what", choices=list(LISTS))
    listed.add_argument("--json", action="store_true")
    model = add(commands, "import-model", import_model, "put a model on the shelf")
    model.add_argument("source", help="'starter', 'hub:owner/name', or a folder")
    model.add_argument("--name", help="its name on the shelf")
    model.add_argument("--base", help="for an adapter: its base model on the shelf")
    model.add_argument("--revision", default="main", help="hub: branch, tag or commit")
    data = add(commands, "import-dataset", import_dataset, "put a dataset on the shelf")
    data.add_argument("source", help="'sample', a file (JSON, JSONL, CSV, TSV, Parquet, text), or - for standard input")
    data.add_argument("--name", help="its name on the shelf")
    data.add_argument("--format", help="format, if the detected one is wrong: see `list methods`")
    data.add_argument("--columns", nargs="*", metavar="SETTING=COLUMN", help="columns of that format")
    data.add_argument("--eval-fraction", type=float, default=0.1)
    data.add_argument("--seed", type=int, default=0)
    data.add_argument("--encoding", default="utf-8", choices=["utf-8", "latin-1"])
    seen = add(commands, "tokens", tokens, "show one row as the model sees it")
    seen.add_argument("dataset")
    seen.add_argument("--model", required=True)
    seen.add_argument("--row", type=int, default=1)
    seen.add_argument("--split", default="train", choices=["train", "eval"])
    seen.add_argument("--template", default="model", choices=list(NAMES))
    seen.add_argument("--template-file", help="a Jinja chat template of your own, in place of --template")
    seen.add_argument("--max-length", type=int, default=512)
    gone = add(commands, "delete", delete, "remove a model, dataset or labelling session")
    gone.add_argument("what", choices=["model", "dataset", "session"])
    gone.add_argument("name")
