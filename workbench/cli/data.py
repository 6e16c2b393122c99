"""Commands for datasets: make one from a recipe, look into it, see and undo what steps did, write it elsewhere."""

import json
from pathlib import Path
from typing import Any

from workbench.cli.data_showing import as_sides, on_one_line, print_rows, print_statistics, print_touched, rendered
from workbench.cli.jobs import run_here
from workbench.cli.shared import Args, Commands, add, emit, pairs, read_text_file, show
from workbench.core.errors import UserError
from workbench.core.home import Home, slug
from workbench.core.spec import load_yaml
from workbench.jobs.job import JOBS

COUNTED = ("given", "left", "removed", "changed", "flagged", "added", "seconds")


def run(home: Home, args: Args) -> None:
    """Makes the dataset of a recipe; files named in it are looked for beside the recipe."""
    from workbench.data.recipes.recipe import Recipe

    path = Path(args.recipe)
    data = load_yaml(read_text_file(path, "recipe"))
    if not isinstance(data, dict):
        raise UserError(f"{args.recipe} is no recipe.", "It has name, source and steps.", "recipe")
    name = args.name or data.get("name") or slug(path.stem)
    recipe = Recipe.parse({**located(data, path.resolve().parent), "name": name})
    run_here(home, JOBS.parse({"method": "prepare", "recipe": recipe.to_dict()}), args.json)


def located(data: dict[str, Any], folder: Path) -> dict[str, Any]:
    """The recipe with the relative paths of its source made absolute, counted from its own folder."""
    source = data.get("source")
    if not isinstance(source, dict) or not isinstance(source.get("paths"), list):
        return data
    paths = [path if str(path).startswith("~") else str(folder / str(path)) for path in source["paths"]]
    return {**data, "source": {**source, "paths": paths}}


def stats(home: Home, args: Args) -> None:
    """Lengths, roles, duplicates and first words of a dataset."""
    from workbench.data.statistics.dataset_statistics import statistics

    figures = statistics(home, args.name, args.model, args.template, args.max_length)
    if args.json:
        print(json.dumps(figures, ensure_ascii=False))
    else:
        print_statistics(figures)


def show_row(home: Home, args: Args) -> None:
    """One row as a template writes it; with --model also what is trained on and what is cut off."""
    from workbench.cli.shelves import tokens
    from workbench.data.store.datasets import count, rows

    if args.model:
        args.dataset = args.name
        tokens(home, args)
        return
    matching = rows(home, args.name, args.split, args.row - 1, 1) if args.row > 0 else []
    if not matching:
        total = count(home, args.name, args.split)
        raise UserError(f"{args.name} has no row {args.row} in {args.split}.", f"It has {total}.", "--row")
    sides = rendered(matching[0], args.template, args.template_file)
    show(args, {"number": args.row, "split": args.split, "sides": sides}, as_sides(sides))


def rows(home: Home, args: Args) -> None:
    """Rows of a dataset, all or those that hold a text."""
    from workbench.data.recipes.turns import row_number
    from workbench.data.store.datasets import count, numbered_rows
    from workbench.data.store.search import search

    first, most = max(args.start, 1) - 1, args.count
    if args.search:
        hits = search(
            home, args.name, args.split, args.search, start=first, count=most, case=args.case, regex=args.regex,
            scope=args.part, seconds=3600,
        )  # fmt: skip
        listed = [{"number": index + 1, "row": row} for index, row in hits["rows"]]
        total = f"{hits['total']:,}{'' if hits['complete'] else ' or more'} rows hold it"
    else:
        numbered = enumerate(numbered_rows(home, args.name, args.split, first, most), start=first + 1)
        listed = [
            {"number": index, "source_row": row_number(entry["id"]), "row": entry["row"]} for index, entry in numbered
        ]
        total = f"{count(home, args.name, args.split):,} rows in {args.split}"
    if args.json:
        print(json.dumps(listed, ensure_ascii=False))
    else:
        print_rows(listed)
        print(f"\n{total}.")


def steps(home: Home, args: Args) -> None:
    """What every step did, or the rows one of them took out, changed or flagged, with the reasons."""
    from workbench.data.recipes.pipeline import report, touched
    from workbench.data.recipes.turns import row_number

    if args.step is not None:
        changes = touched(home, args.name, args.step, args.what, max(args.start, 1) - 1, args.count)
        changes["rows"] = [{"number": row_number(entry.pop("id")), **entry} for entry in changes["rows"]]
        print(json.dumps(changes, ensure_ascii=False)) if args.json else print_touched(changes, args.what)
        return
    step_reports = report(home, args.name)
    emit(
        args,
        ["step", "title", *COUNTED],
        [(n, entry["title"], *(entry[c] for c in COUNTED)) for n, entry in _numbered(step_reports)],
    )
    if not args.json:
        for number, entry in _numbered(step_reports):
            for note in entry.get("notes") or []:
                print(f"{number}: {note}")


def _numbered(step_reports: list[dict[str, Any]]) -> list[tuple[int, dict[str, Any]]]:
    return list(enumerate(step_reports, start=1))


def restore(home: Home, args: Args) -> None:
    """Keeps rows that a step took out or changed, or with --again lets the step have them."""
    from workbench.data.recipes import pipeline
    from workbench.data.recipes.turns import row_id_of

    ids = {row_id_of(number): number for number in args.rows}
    touched = pipeline.restorable_ids(home, args.name, args.step)
    if others := [number for row_id, number in ids.items() if row_id not in touched]:
        raise UserError(
            f"Step {args.step} neither took out nor changed {', '.join(f'row {number:,}' for number in others)}.",
            f"`data steps {args.name} --step {args.step}` lists the rows it did.", "--rows",
        )  # fmt: skip
    _told(args, pipeline.restore(home, args.name, args.step, list(ids), back=not args.again))


def undo(home: Home, args: Args) -> None:
    """Goes back to the steps there were before the last change."""
    from workbench.data.recipes import pipeline

    _told(args, pipeline.undo(home, args.name))


def _told(args: Args, manifest: Any) -> None:
    show(args, {"name": manifest.name, "rows": manifest.info["rows"], "steps": manifest.info.get("steps", 0)})


def export(home: Home, args: Args) -> None:
    """Writes a dataset as another program reads it."""
    from workbench.data.exports.export import EXPORTS, write_export

    exported = write_export(
        home, args.name, EXPORTS.parse({"method": args.format, **pairs(args.set or [])}), args.to, args.split
    )
    summary = {
        "files": [str(path) for path in exported.files],
        "rows": {split: count.to_dict() for split, count in exported.counts.items()},
        "notes": exported.notes,
        "reads_back_as": exported.format,
    }
    show(args, summary)


def recipe(home: Home, args: Args) -> None:
    """The recipe of a dataset as YAML, to be run from anywhere."""
    from workbench.data.recipes.recipe import Recipe
    from workbench.data.store.datasets import dataset_folder

    folder = dataset_folder(home, args.name)
    show(args, located(Recipe.at(folder).to_dict(), folder))


def card(home: Home, args: Args) -> None:
    """The dataset card."""
    from workbench.family.dataset_card import dataset_card

    text = dataset_card(home, args.name)
    show(args, {"name": args.name, "card": text}, text)


def rejected(home: Home, args: Args) -> None:
    """The rows that could not be read, each with the reason."""
    from workbench.data.recipes.importing import rejected as page

    rejected_rows = page(home, args.name, max(args.start, 1) - 1, args.count)
    emit(args, ["where", "reason", "row"], [(row.where, row.reason, on_one_line(row.raw, 80)) for row in rejected_rows])


def register(commands: Commands) -> None:
    group = add(commands, "data", lambda *_: None, "datasets: make from a recipe, look into, undo, export", json_=False)
    verbs = group.add_subparsers(dest="verb", required=True, metavar="VERB")
    command = add(verbs, "run", run, "make a dataset from a recipe (YAML with source and steps)")
    command.add_argument("recipe", help="a YAML file; paths in it are relative to it")
    command.add_argument("--name", help="the dataset's name (default: the recipe's)")
    _register_looking(verbs)
    _register_steps(verbs)
    written = _verb(verbs, "export", export, "write a dataset as another program reads it")
    written.add_argument("--format", required=True, help="see the exports under `list methods`")
    written.add_argument("--to", required=True, metavar="FOLDER", help="a new folder")
    written.add_argument("--split", default="all", choices=["all", "train", "eval"])
    written.add_argument(
        "--set", nargs="*", metavar="NAME=VALUE", help="settings of the format, such as layout=messages"
    )
    _verb(verbs, "recipe", recipe, "print a dataset's recipe as YAML")
    _verb(verbs, "card", card, "print a dataset's card")


def _verb(verbs: Commands, name: str, do: Any, help_: str, count: int = 0, split: bool = False) -> Any:
    """A verb on one dataset; with `count` a page of rows, beginning at --start, counted from 1."""
    command = add(verbs, name, do, help_)
    command.add_argument("name", help="the dataset")
    if split:
        command.add_argument("--split", default="train", choices=["train", "eval"])
    if count:
        command.add_argument("--start", type=int, default=1, help="the first one, counted from 1")
        command.add_argument("--count", type=int, default=count, help="how many")
    return command


def _register_looking(verbs: Commands) -> None:
    from workbench.rendering.templates import NAMES

    counted = _verb(verbs, "stats", stats, "lengths, roles, duplicates and first words of a dataset")
    counted.add_argument("--model", help="count this model's tokens instead of words")
    shown = _verb(verbs, "show", show_row, "one row as a chat template writes it", split=True)
    shown.add_argument("--model", help="also show what this model is trained on, and what is cut off")
    shown.add_argument("--template-file", help="a Jinja chat template of your own, in place of --template")
    shown.add_argument("--row", type=int, default=1, help="which row, counted from 1")
    shown.add_argument(
        "--train-on", default="assistant", choices=["assistant", "all"], help="with --model: what is learned"
    )
    for command in (counted, shown):
        command.add_argument("--template", default="model", choices=NAMES)
        command.add_argument("--max-length", type=int, default=512, help="tokens of a row at most")
    listed = _verb(verbs, "rows", rows, "rows of a dataset, all or those that hold a text", count=20, split=True)
    listed.add_argument("--search", metavar="TEXT", help="only rows that hold this")
    listed.add_argument("--regex", action="store_true", help="the text is a regular expression")
    listed.add_argument("--case", action="store_true", help="tell capitals from small letters")
    listed.add_argument("--part", default="all", choices=["all", "user", "assistant", "system", "tool"])
    _verb(verbs, "rejected", rejected, "rows that could not be read, with the reasons", count=50)


def _register_steps(verbs: Commands) -> None:
    command = _verb(verbs, "steps", steps, "what every step did, or with --step what one took out and why", count=20)
    command.add_argument("--step", type=int, help="which step, counted from 1")
    command.add_argument("--what", default="removed", choices=["removed", "changed", "flagged"])
    back = _verb(verbs, "restore", restore, "keep rows that a step took out or changed")
    back.add_argument("--step", type=int, required=True, help="which step, counted from 1")
    back.add_argument(
        "--rows", type=int, nargs="+", required=True, metavar="N", help="counted from 1, as `data steps` prints them"
    )
    back.add_argument("--again", action="store_true", help="let the step have them again")
    _verb(verbs, "undo", undo, "go back to the steps there were before the last change")
