"""The datasets of the shelf as a list, and one of them: what it is, and its next steps as buttons."""

from pathlib import Path
from typing import Any

import gradio as gr

from tabs.data.rows import mark_of
from tabs.shell.context import Context, guarded
from tabs.shell.deletion import CONFIRM_DELETION, question_before
from tabs.shell.elements import chip, facts, heading, hint, local_time, render_html
from tabs.shell.job_panel import LAST, QUIET
from tabs.shell.kit import Static
from tabs.shell.notes_panel import notes_panel
from tabs.shell.table import Column, ShelfTable, TableRow
from workbench.core.errors import UserError, shortened
from workbench.core.home import existing, free_name
from workbench.core.lineage import Manifest
from workbench.data.reading.format import FORMATS
from workbench.data.recipes import pipeline
from workbench.data.recipes.recipe import RECIPE, Recipe
from workbench.data.store import datasets
from workbench.data.store.dataset_reference import PROMPTS_REF
from workbench.inventory.verdicts import refuse_needed
from workbench.training.jobs.train import Train
from workbench.training.objective import OBJECTIVES

EMPTY = (
    "No datasets yet",
    "A dataset is what a model learns from.",
    "Press 'Load the sample data' on the left, or import a file.",
)
COLUMNS = (
    Column("Name", lambda manifest: manifest.name.casefold()),
    Column("Kind", lambda manifest: str(manifest.info.get("kind") or "")),
    Column("To train on", lambda manifest: _count(manifest, "train"), "number"),
    Column("To evaluate on", lambda manifest: _count(manifest, "eval"), "number"),
    Column("From"),
    Column("Made", lambda manifest: manifest.created, "time"),
)
STEPS = {"train": "Train on it", "label": "Compare answers blind", "clean": "Clean", "export": "Export"}
ROWS = 6
"""Rows of a page of the list: the dataset chosen stands beneath it."""


def dataset_panel(ctx: Context) -> tuple[gr.Dropdown, gr.Textbox, dict[str, gr.Button]]:
    """The list, the picker, the facts, the next steps; and a hidden mark that changes with the rows. The buttons that
    lead to other views of the same dataset are wired by who has those views."""
    Static(heading("Datasets", "A row opens its dataset beneath."))
    listed = ShelfTable(
        COLUMNS, lambda: _newest_first(ctx), _row, _words, EMPTY, size=ROWS, elem_id="datasets-table",
        notes=lambda manifest: ctx.shelves.notes_of("dataset", manifest.name),
    )  # fmt: skip
    dataset = ctx.picker(
        ctx.shelved_datasets, first=True, shown_empty=False, label="Dataset", value=None, elem_id="dataset"
    )
    about, mark = Static(elem_id="dataset-facts"), gr.Textbox(visible=False)
    notes_panel(ctx, "dataset", dataset)
    with gr.Row(elem_classes="wb-toolbar"):
        steps = {
            step: gr.Button(title, size="sm", visible=False, min_width=70, elem_id=f"dataset-{step}")
            for step, title in STEPS.items()
        }
        steps["delete"] = gr.Button(
            "Delete", size="sm", variant="stop", visible=False, min_width=70, elem_id="delete-dataset"
        )
    question = gr.Textbox(visible=False)
    outputs = [about, mark, question, *steps.values()]

    def draw(name: str | None) -> list[Any]:
        possible = _possible(ctx, name)
        shown = [gr.update(visible=step in possible) for step in steps]
        asked = question_before(ctx, "dataset", name) if "delete" in possible else ""
        return [_about(ctx, name), mark_of(ctx.home, name), asked, *shown]

    dataset.change(guarded(draw), dataset, outputs, queue=False, **QUIET)

    def tick(seen: str, name: str | None) -> list[Any]:
        return [gr.skip()] * len(outputs) if mark_of(ctx.home, name) == seen else draw(name)

    ctx.on_change.append((tick, [mark, dataset], outputs))
    listed.input(
        guarded(lambda clicked: gr.update(value=(clicked or {}).get("key"), choices=ctx.shelved_datasets())),
        listed, dataset, queue=False, **LAST, **QUIET,
    )  # fmt: skip
    ctx.links.on(steps["train"].click, "train", lambda name: _to_train(ctx, name), [dataset])
    ctx.links.on(steps["label"].click, "label", lambda name: {"prompts": name}, [dataset])
    steps["delete"].click(
        guarded(lambda name, _: _delete(ctx, name)), [dataset, question], dataset, js=CONFIRM_DELETION, **QUIET,
    )  # fmt: skip
    ctx.links.offer("dataset", dataset, lambda _, name: gr.update(value=name, choices=ctx.shelved_datasets()))
    _splitting(ctx, dataset, about, mark)
    return dataset, mark, steps


def _splitting(ctx: Context, dataset: gr.Dropdown, about: gr.HTML, mark: gr.Textbox) -> None:
    """Draws rows to train on and rows to evaluate on anew."""
    with gr.Accordion("Split again", open=False), gr.Row(equal_height=True, elem_classes="wb-toolbar"):
        fraction = gr.Number(0.1, label="Eval share", minimum=0, maximum=0.9, step=0.05, min_width=100)
        seed = gr.Number(0, label="Random seed", precision=0, minimum=0, min_width=80)
        resplit = gr.Button("Split again", size="sm", elem_id="resplit")
    resplit.click(
        guarded(lambda name, fraction, seed: _resplit(ctx, name, fraction, seed)), [dataset, fraction, seed],
        [about, mark], show_progress="minimal", show_progress_on=resplit, api_visibility="private",
    )  # fmt: skip


# ---- the list --------------------------------------------------------------------------------------------------


def _newest_first(ctx: Context) -> list[Manifest]:
    return sorted(ctx.shelves.datasets.look()[1], key=lambda manifest: manifest.created, reverse=True)


def _row(manifest: Manifest) -> TableRow:
    if error := manifest.info.get("error"):
        return TableRow(manifest.name, (manifest.name, "damaged", "—", "—", shortened(str(error), 120), "—"))
    cells = (
        manifest.name, str(manifest.info.get("kind") or ""), f"{_count(manifest, 'train'):,}",
        f"{_count(manifest, 'eval'):,}", shortened(_origin(manifest), 80), manifest.created,
    )  # fmt: skip
    return TableRow(manifest.name, cells)


def _words(manifest: Manifest) -> str:
    """What a search in the list looks through."""
    return f"{manifest.name} {manifest.info.get('kind') or ''} {manifest.info.get('error') or _origin(manifest)}"


def _count(manifest: Manifest, split: str) -> int:
    """Rows of a split; 0 where a damaged manifest tells none."""
    counts = manifest.info.get("rows")
    count = counts.get(split) if isinstance(counts, dict) else 0
    return count if isinstance(count, int) else 0


# ---- the dataset chosen ------------------------------------------------------------------------------------------


def _possible(ctx: Context, name: str | None) -> set[str]:
    """The steps that make sense for a dataset of this kind."""
    path = existing(ctx.home.datasets, name or "") if name else None
    if path is None:
        return set()
    info = datasets.dataset_row(path).info
    if "error" in info:
        return {"delete"}
    kind = str(info.get("kind") or "")
    possible = {"delete", "clean", "export"} | ({"train"} if _objective(kind) else set())
    return possible | ({"label"} if kind in PROMPTS_REF.kinds else set())


def _objective(kind: str) -> str:
    """An objective that learns from rows of this kind, the usual one before the others; '' when none does."""
    fitting = [objective.method for objective in OBJECTIVES if kind in objective.dataset_kinds]
    usual = Train.model_fields["objective"].default["method"]
    return usual if usual in fitting else next(iter(fitting), "")


def _to_train(ctx: Context, name: str | None) -> dict[str, Any]:
    """The settings of the Train form; the output gets a free name, since that of another dataset may stand there."""
    kind = datasets.dataset_kind(ctx.home, name or "")
    return {
        "dataset": name,
        "objective": {"method": _objective(kind)},
        "output": free_name(ctx.home.models, f"{name}-model"),
    }


def _resplit(ctx: Context, name: str | None, fraction: float, seed: float) -> tuple[str, str]:
    if not name:
        raise UserError("No dataset is chosen.", "Choose one first.", "dataset")
    rows = pipeline.resplit(ctx.home, name, fraction or 0.0, int(seed or 0)).info["rows"]
    gr.Info(f"{name}: {rows['train']:,} rows to train on, {rows.get('eval', 0):,} to evaluate on.")
    return _about(ctx, name), mark_of(ctx.home, name)


def _delete(ctx: Context, name: str | None) -> Any:
    if not name:
        raise UserError("Nothing was deleted.", "Choose a dataset and confirm.", "dataset")
    refuse_needed(ctx.home, ctx.queue, "dataset", name)
    datasets.delete_dataset(ctx.home, name)
    choices = ctx.shelved_datasets()
    return gr.update(value=choices[0][1] if choices else None, choices=choices)


def _about(ctx: Context, name: str | None) -> str:
    """What a dataset is: kind, rows, where it is from, its steps."""
    path = existing(ctx.home.datasets, name or "")
    if not name or path is None:
        return hint("The datasets of the shelf are chosen here.") if not name else hint(f"There is no dataset {name}.")
    manifest = datasets.dataset_row(path)
    if error := manifest.info.get("error"):
        return facts([("Damaged", str(error)), ("What helps", "Delete it, then import or make it again.")])
    info, counts = manifest.info, manifest.info.get("rows", {})
    sizes = [f"{counts.get('train', 0):,} train", f"{counts.get('eval', 0):,} eval"]
    sizes += [f"{info['rejected']:,} could not be read"] if info.get("rejected") else []
    steps = _steps(path)
    return facts(
        [
            ("Kind", chip("ok", info.get("kind") or "")),
            ("Rows", " · ".join(sizes)),
            ("From", _origin(manifest)),
            ("Steps", steps),
            ("Made", render_html(local_time(manifest.created), f" · digest {manifest.digest[:12]}")),
        ]
    )


def _steps(folder: Path) -> str:
    """The titles of a dataset's steps, or what is damaged of its recipe."""
    try:
        return ", ".join(step.title for step in Recipe.at(folder).steps) or "none"
    except UserError as error:
        return f"{RECIPE} is damaged: {error.message}"


def _origin(manifest: Manifest) -> str:
    """Where the rows come from: the file and its format, the hub, or other artifacts."""
    source, form = manifest.info.get("source") or {}, manifest.info.get("format") or {}
    files = source.get("files") or []
    place = source.get("dataset") or source.get("file") or ", ".join(one["file"] for one in files[:3])
    if len(files) > 3:
        place += f" and {len(files) - 3} more"
    title = FORMATS.get(form["method"]).title if form.get("method") else ""
    made = ", ".join(parent.name for parent in manifest.parents)
    return " · ".join(filter(None, ["pasted" if source.get("pasted") else place, title])) or made or "made here"
