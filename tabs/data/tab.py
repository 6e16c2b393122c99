"""The Data tab: bring data in, look at it, clean it, count it, see it as the model will, make more, write it out."""

from pathlib import Path
from typing import Any

import gradio as gr

from tabs.data.clean import clean
from tabs.data.export import export
from tabs.data.generate import make
from tabs.data.importing import importing
from tabs.data.rows import mark_of, rows_view
from tabs.data.statistics import statistics_view
from tabs.data.token_view import sees
from tabs.shell.context import Context, guarded
from tabs.shell.elements import chip, facts, hint
from tabs.shell.job_panel import QUIET
from tabs.shell.kit import Static
from tabs.shell.tab_registry import Tab
from workbench.core.errors import UserError
from workbench.core.home import existing
from workbench.core.lineage import Manifest
from workbench.data.reading.format import FORMATS
from workbench.data.recipes import pipeline
from workbench.data.recipes.recipe import RECIPE, Recipe
from workbench.data.store import datasets


def build(ctx: Context) -> None:
    """Left: import. Right: one dataset, its facts, and what can be done with it."""
    with gr.Row(elem_classes="wb-cols"):
        with gr.Column(elem_classes="wb-panel wb-side", scale=0, min_width=380):
            imported = importing(ctx)
        with gr.Column(elem_classes="wb-main"):
            with gr.Column(elem_classes="wb-panel"):
                dataset, mark = _dataset(ctx)
            with gr.Column(elem_classes="wb-panel"):
                _views(ctx, dataset, mark)
    imported.change(
        lambda name: gr.update(value=name, choices=ctx.shelved_datasets()) if name else gr.skip(), imported, dataset,
        queue=False, **QUIET,
    )  # fmt: skip


def _views(ctx: Context, dataset: gr.Dropdown, mark: gr.Textbox) -> None:
    """A tab for everything that is done with a dataset; what takes long is done only where it is seen."""
    opened = gr.Textbox("rows", visible=False)
    with gr.Tabs(overflow_behavior="wrap", elem_classes="wb-subtabs", elem_id="data-tabs"):
        with gr.Tab("Rows", id="rows") as rows_tab:
            rows = rows_view(ctx)
        with gr.Tab("Clean", id="clean") as clean_tab:
            clean(ctx, dataset)
        with gr.Tab("Statistics", id="statistics") as statistics_tab:
            statistics_view(ctx, dataset, mark, opened)
        with gr.Tab("What the model sees", id="sees") as sees_tab:
            sees(ctx, dataset, mark, opened)
        with gr.Tab("Make more", id="make") as make_tab:
            make(ctx, dataset)
        with gr.Tab("Export", id="export") as export_tab:
            export(ctx, dataset)
    tabs = (rows_tab, clean_tab, statistics_tab, sees_tab, make_tab, export_tab)
    for tab, name in zip(tabs, ("rows", "clean", "statistics", "sees", "make", "export"), strict=True):
        tab.select(lambda name=name: name, None, opened, queue=False, **QUIET)
    mark.change(
        None, [dataset, mark, rows], rows, js="(dataset, mark, value) => ({...(value || {}), dataset, mark})", **QUIET
    )


# ---- the dataset ---------------------------------------------------------------------------------------------


def _dataset(ctx: Context) -> tuple[gr.Dropdown, gr.Textbox]:
    """The picker, the facts, splitting again and deleting; and a hidden mark that changes with the rows."""
    dataset = ctx.picker(ctx.shelved_datasets, first=True, label="Dataset", value=None, elem_id="dataset")
    about, mark = Static(elem_id="dataset-facts"), gr.Textbox(visible=False)
    fold = gr.Accordion("Split again or delete", open=False)
    with fold, gr.Row(equal_height=True, elem_classes="wb-toolbar"):
        fraction = gr.Number(0.1, label="Eval share", minimum=0, maximum=0.9, step=0.05, min_width=100)
        seed = gr.Number(0, label="Random seed", precision=0, minimum=0, min_width=80)
        resplit = gr.Button("Split again", size="sm", elem_id="resplit")
        delete = gr.Button("Delete dataset", size="sm", variant="stop", elem_id="delete-dataset")
    look = guarded(lambda name: (_about(ctx, name), mark_of(ctx.home, name)))
    dataset.change(look, dataset, [about, mark], queue=False, **QUIET)

    def tick(seen: str, name: str | None) -> list[Any]:
        now = mark_of(ctx.home, name)
        return [gr.skip()] * 2 if now == seen else [_about(ctx, name), now]

    ctx.on_change.append((tick, [mark, dataset], [about, mark]))
    resplit.click(
        guarded(lambda name, fraction, seed: _resplit(ctx, name, fraction, seed)), [dataset, fraction, seed],
        [about, mark], show_progress="minimal", show_progress_on=resplit, api_visibility="private",
    )  # fmt: skip
    delete.click(
        guarded(lambda name: _delete(ctx, name)), dataset, dataset,
        js="(name) => confirm('Delete this dataset for good?') ? name : null", **QUIET,
    )  # fmt: skip
    return dataset, mark


def _resplit(ctx: Context, name: str | None, fraction: float, seed: float) -> tuple[str, str]:
    if not name:
        raise UserError("No dataset is chosen.", "Choose one first.", "dataset")
    rows = pipeline.resplit(ctx.home, name, fraction or 0.0, int(seed or 0)).info["rows"]
    gr.Info(f"{name}: {rows['train']:,} rows to train on, {rows.get('eval', 0):,} to evaluate on.")
    return _about(ctx, name), mark_of(ctx.home, name)


def _delete(ctx: Context, name: str | None) -> Any:
    if not name:
        raise UserError("Nothing was deleted.", "Choose a dataset and confirm.", "dataset")
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
        return facts([("Damaged", str(error)), ("What helps", "Delete it below, and import or make it again.")])
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
            ("Made", f"{manifest.created[:16].replace('T', ' ')} · digest {manifest.digest[:12]}"),
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


TAB = Tab("data", "Data", 20, build)
