"""Commands for datasets: make one from a recipe, look into it, see and undo what steps did, write it elsewhere."""

import json
from pathlib import Path
from typing import Annotated, Any, Literal

from workbench.cli.data_showing import as_sides, on_one_line, print_rows, print_statistics, print_touched, rendered
from workbench.cli.jobs import run_here
from workbench.cli.shared import Invocation, Invoked, SplitName, choice, emit, nested_settings, option, several, show
from workbench.core.errors import UserError
from workbench.core.home import slug
from workbench.core.paths import read_text_file
from workbench.core.spec import load_yaml
from workbench.data.exports.export import EXPORTS, write_export
from workbench.jobs.job import JOBS
from workbench.rendering.templates import TEMPLATE_NAMES

COUNTED = ("given", "left", "removed", "changed", "flagged", "added", "seconds")

Dataset = Annotated[str, option("the dataset")]
Start = Annotated[int, option("the first one, counted from 1")]
Count = Annotated[int, option("how many")]
Step = Annotated[int, option("which step, counted from 1")]
Template = Annotated[str, choice("which chat template", TEMPLATE_NAMES)]
TemplateFile = Annotated[str, option("a Jinja chat template of your own, in place of --template")]
MaxLength = Annotated[int, option("tokens of a row at most")]


def run(
    recipe: Annotated[str, option("a YAML file; paths in it are relative to it")],
    /,
    *,
    name: Annotated[str, option("the dataset's name (default: the recipe's)")] = "",
    invoked: Invoked,
) -> None:
    """Makes the dataset of a recipe; files named in it are looked for beside the recipe."""
    from workbench.data.recipes.recipe import Recipe

    path = Path(recipe)
    data = load_yaml(read_text_file(path, "recipe"))
    if not isinstance(data, dict):
        raise UserError(f"{recipe} is no recipe.", "It has name, source and steps.", "recipe")
    named = name or data.get("name") or slug(path.stem)
    parsed = Recipe.parse({**located(data, path.resolve().parent), "name": named})
    run_here(invoked.home, JOBS.parse({"method": "prepare", "recipe": parsed.to_dict()}), invoked.json)


def located(data: dict[str, Any], folder: Path) -> dict[str, Any]:
    """The recipe with the relative paths of its source made absolute, counted from its own folder."""
    source = data.get("source")
    if not isinstance(source, dict) or not isinstance(source.get("paths"), list):
        return data
    paths = [path if str(path).startswith("~") else str(folder / str(path)) for path in source["paths"]]
    return {**data, "source": {**source, "paths": paths}}


def stats(
    name: Dataset,
    /,
    *,
    model: Annotated[str | None, option("count this model's tokens instead of words")] = None,
    template: Template = "model",
    max_length: MaxLength = 512,
    invoked: Invoked,
) -> None:
    """Lengths, roles, duplicates and first words of a dataset."""
    from workbench.data.statistics.dataset_statistics import statistics

    figures = statistics(invoked.home, name, model, template, max_length)
    if invoked.json:
        print(json.dumps(figures, ensure_ascii=False))
    else:
        print_statistics(figures)


def show_row(
    name: Dataset,
    /,
    *,
    model: Annotated[str, option("also show what this model is trained on, and what is cut off")] = "",
    row: Annotated[int, option("which row, counted from 1")] = 1,
    split: SplitName = "train",
    template: Template = "model",
    template_file: TemplateFile = "",
    max_length: MaxLength = 512,
    train_on: Annotated[Literal["assistant", "all"], option("with --model: what is learned")] = "assistant",
    invoked: Invoked,
) -> None:
    """One row as a template writes it; with --model also what is trained on and what is cut off."""
    from workbench.cli.shelves import tokens
    from workbench.data.store.datasets import count, rows

    if model:
        tokens(
            name, model=model, row=row, split=split, template=template, template_file=template_file,
            max_length=max_length, train_on=train_on, invoked=invoked,
        )  # fmt: skip
        return
    matching = rows(invoked.home, name, split, row - 1, 1) if row > 0 else []
    if not matching:
        total = count(invoked.home, name, split)
        raise UserError(f"{name} has no row {row} in {split}.", f"It has {total}.", "--row")
    sides = rendered(matching[0], template, template_file)
    show(invoked, {"number": row, "split": split, "sides": sides}, as_sides(sides))


def rows(
    name: Dataset,
    /,
    *,
    search: Annotated[str, option("only rows that hold this", "TEXT")] = "",
    regex: Annotated[bool, option("the text is a regular expression")] = False,
    case: Annotated[bool, option("tell capitals from small letters")] = False,
    part: Annotated[Literal["all", "user", "assistant", "system", "tool"], option("whose words are searched")] = "all",
    split: SplitName = "train",
    start: Start = 1,
    count: Count = 20,
    invoked: Invoked,
) -> None:
    """Rows of a dataset, all or those that hold a text."""
    from workbench.data.recipes.turns import row_number
    from workbench.data.store import datasets
    from workbench.data.store.search import search as search_rows

    home, first = invoked.home, max(start, 1) - 1
    if search:
        hits = search_rows(
            home, name, split, search, start=first, count=count, case=case, regex=regex, scope=part, seconds=3600
        )
        listed = [{"number": index + 1, "row": row} for index, row in hits["rows"]]
        total = f"{hits['total']:,}{'' if hits['complete'] else ' or more'} rows hold it"
    else:
        numbered = enumerate(datasets.numbered_rows(home, name, split, first, count), start=first + 1)
        listed = [
            {"number": index, "source_row": row_number(entry["id"]), "row": entry["row"]} for index, entry in numbered
        ]
        total = f"{datasets.count(home, name, split):,} rows in {split}"
    if invoked.json:
        print(json.dumps(listed, ensure_ascii=False))
    else:
        print_rows(listed)
        print(f"\n{total}.")


def steps(
    name: Dataset,
    /,
    *,
    step: Step | None = None,
    what: Annotated[Literal["removed", "changed", "flagged"], option("with --step: which rows")] = "removed",
    start: Start = 1,
    count: Count = 20,
    invoked: Invoked,
) -> None:
    """What every step did, or the rows one of them took out, changed or flagged, with the reasons."""
    from workbench.data.recipes.pipeline import step_summaries, touched
    from workbench.data.recipes.turns import row_number

    if step is not None:
        changes = touched(invoked.home, name, step, what, max(start, 1) - 1, count)
        changes["rows"] = [{"number": row_number(entry.pop("id")), **entry} for entry in changes["rows"]]
        print(json.dumps(changes, ensure_ascii=False)) if invoked.json else print_touched(changes, what)
        return
    step_reports = step_summaries(invoked.home, name)
    emit(
        invoked,
        ["step", "title", *COUNTED],
        [(n, entry["title"], *(entry[c] for c in COUNTED)) for n, entry in _numbered(step_reports)],
    )
    if not invoked.json:
        for number, entry in _numbered(step_reports):
            for note in entry.get("notes") or []:
                print(f"{number}: {note}")


def _numbered(step_reports: list[dict[str, Any]]) -> list[tuple[int, dict[str, Any]]]:
    return list(enumerate(step_reports, start=1))


def restore(
    name: Dataset,
    /,
    *,
    step: Step,
    rows: Annotated[list[int], several("counted from 1, as `data steps` prints them", "N", least=1)],
    again: Annotated[bool, option("let the step have them again")] = False,
    invoked: Invoked,
) -> None:
    """Keeps rows that a step took out or changed, or with --again lets the step have them."""
    from workbench.data.recipes import pipeline
    from workbench.data.recipes.turns import row_id_of

    ids = {row_id_of(number): number for number in rows}
    touched = pipeline.restorable_ids(invoked.home, name, step)
    if others := [number for row_id, number in ids.items() if row_id not in touched]:
        raise UserError(
            f"Step {step} neither took out nor changed {', '.join(f'row {number:,}' for number in others)}.",
            f"`data steps {name} --step {step}` lists the rows it did.", "--rows",
        )  # fmt: skip
    _told(invoked, pipeline.restore(invoked.home, name, step, list(ids), back=not again))


def undo(name: Dataset, /, *, invoked: Invoked) -> None:
    """Goes back to the steps there were before the last change."""
    from workbench.data.recipes import pipeline

    _told(invoked, pipeline.undo_change(invoked.home, name))


def _told(invoked: Invocation, manifest: Any) -> None:
    show(invoked, {"name": manifest.name, "rows": manifest.info["rows"], "steps": manifest.info.get("steps", 0)})


def export(
    name: Dataset,
    /,
    *,
    format_: Annotated[str, option("see the exports under `list methods`")],
    to: Annotated[str, option("a new folder", "FOLDER")],
    split: Literal["all", "train", "eval"] = "all",
    set_: Annotated[tuple[str, ...], several("settings of the format, such as layout=messages", "NAME=VALUE")] = (),
    invoked: Invoked,
) -> None:
    """Writes a dataset as another program reads it."""
    exported = write_export(invoked.home, name, EXPORTS.parse({"method": format_, **nested_settings(set_)}), to, split)
    summary = {
        "files": [str(path) for path in exported.files],
        "rows": {split: count.to_dict() for split, count in exported.counts.items()},
        "notes": exported.notes,
        "reads_back_as": exported.format,
    }
    show(invoked, summary)


def recipe(name: Dataset, /, *, invoked: Invoked) -> None:
    """The recipe of a dataset as YAML, to be run from anywhere."""
    from workbench.data.recipes.recipe import Recipe
    from workbench.data.store.datasets import dataset_folder

    folder = dataset_folder(invoked.home, name)
    show(invoked, located(Recipe.at(folder).to_dict(), folder))


def card(name: Dataset, /, *, invoked: Invoked) -> None:
    """The dataset card."""
    from workbench.family.dataset_card import dataset_card

    text = dataset_card(invoked.home, name)
    show(invoked, {"name": name, "card": text}, text)


def rejected(name: Dataset, /, *, start: Start = 1, count: Count = 50, invoked: Invoked) -> None:
    """The rows that could not be read, each with the reason."""
    from workbench.data.recipes.importing import rejected as page

    rejected_rows = page(invoked.home, name, max(start, 1) - 1, count)
    emit(
        invoked,
        ["where", "reason", "row"],
        [(row.where, row.reason, on_one_line(row.raw, 80)) for row in rejected_rows],
    )
