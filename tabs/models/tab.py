"""The Models tab: get models, see what is on the shelf."""

from typing import Any

import gradio as gr

from tabs.models.details import model_details
from tabs.shell.context import Context, guarded
from tabs.shell.elements import heading, hint
from tabs.shell.job_panel import QUIET, job_panel
from tabs.shell.kit import Static
from tabs.shell.tab_registry import Tab
from tabs.shell.table import Column, ShelfTable, TableRow
from workbench.core.units import human_count, human_size
from workbench.jobs.job import JOBS, Job
from workbench.models import starter
from workbench.models.model_import import import_folder
from workbench.models.shelf import ModelInfo

EMPTY = (
    "No models yet",
    "A model is the start of everything here.",
    "Press 'Get the starter model' on the left: it needs no account and runs on any laptop.",
)
COLUMNS = (
    Column("Name", lambda info: info.name.casefold()),
    Column("Kind", lambda info: info.described),
    Column("Architecture", lambda info: info.architecture),
    Column("Parameters", lambda info: info.parameters, "number"),
    Column("dtype", lambda info: info.dtype),
    Column("Size", lambda info: info.size, "number"),
    Column("Made", lambda info: info.created, "time"),
)


def build(ctx: Context) -> None:
    """Left: ways to get a model. Right: the shelf, one model's details, and running downloads."""
    with gr.Row(elem_classes="wb-cols"):
        with gr.Column(elem_classes="wb-panel wb-side", scale=0, min_width=380):
            started = _get(ctx)
        with gr.Column(elem_classes="wb-main"):
            with gr.Column(elem_classes="wb-panel"):
                Static(heading("On the shelf"))
                listed = ShelfTable(COLUMNS, ctx.infos, _row, _words, EMPTY, elem_id="models-table",
                                    notes=lambda info: ctx.shelves.notes_of("model", info.name))  # fmt: skip
                model_details(ctx, listed)
            with gr.Column(elem_classes="wb-panel"):
                panel = job_panel(
                    ctx, ("starter-model", "hub-model", "fold-adapter"), "Downloads and conversions",
                    ("Nothing under way", "Downloads and conversions show their progress here.", ""),
                )  # fmt: skip
    for event, function, inputs in started:
        event(guarded(function), inputs, panel.picker, **QUIET)


def _get(ctx: Context) -> list[Any]:
    """The ways to get a model; returns (event, function giving the picker's update, inputs)."""
    Static(heading("Starter model", "SmolLM2-135M-Instruct: small enough to fine-tune on a laptop without a GPU."))
    get = gr.Button(**_starter_button(ctx), elem_id="get-starter")
    ctx.follow(get, lambda: gr.update(**_starter_button(ctx)))
    Static(heading("From the Hugging Face hub", "Pinned to the commit it has now. Safetensors only, no remote code."))
    repo = gr.Textbox(label="Hub id", placeholder="owner/name", max_lines=1)
    with gr.Row():
        revision = gr.Textbox("main", label="Revision", max_lines=1, min_width=100)
        name = gr.Textbox(label="Name on the shelf", placeholder="the repository's", max_lines=1, min_width=100)
    hub_base = ctx.picker(lambda: _bases(ctx), label="Base model", value="")
    download = gr.Button("Download")
    if ctx.gate.is_open:
        _add_folder(ctx)

    def submit(job: Job) -> Any:
        return _picked(ctx, ctx.queue.submit(job))

    return [
        (get.click, lambda: submit(JOBS.parse("starter-model")), None),
        (
            download.click,
            lambda repo, revision, name, base: submit(
                JOBS.parse(
                    {"method": "hub-model", "repo": repo, "revision": revision, "name": name, "base": base or ""}
                )
            ),
            [repo, revision, name, hub_base],
        ),
    ]


def _bases(ctx: Context) -> list[tuple[str, str]]:
    """What an adapter can be of, whole models first of all."""
    return [("None: it is a whole model", ""), *ctx.models()]


def _add_folder(ctx: Context) -> None:
    """Puts a folder of this machine on the shelf."""
    Static(heading("From a folder of this machine", "A model or adapter saved by transformers or peft."))
    path = gr.Textbox(label="Folder", placeholder="/path/to/model", max_lines=1)
    with gr.Row():
        folder_name = gr.Textbox(label="Name on the shelf", max_lines=1, min_width=100)
        hub_id = gr.Textbox(
            label="Hub id", placeholder="owner/name", max_lines=1, min_width=100, elem_id="folder-hub-id"
        )
    Static(hint("Recipes that name the model by its hub id mean this copy."))
    base = ctx.picker(lambda: _bases(ctx), label="Base model", value="", min_width=100)
    add = gr.Button("Add folder")
    add.click(
        guarded(lambda *values: _import(ctx, *values)), [path, folder_name, base, hub_id], [path, folder_name, hub_id],
        api_visibility="private",
    )  # fmt: skip


def _starter_button(ctx: Context) -> dict[str, Any]:
    """The offer, or, once taken, a quiet word that it is there."""
    if (ctx.home.models / starter.STARTER_NAME).exists():
        return {"value": "The starter model is on the shelf", "variant": "secondary", "interactive": False}
    return {"value": "Get the starter model (93 MB)", "variant": "primary", "interactive": True}


def _picked(ctx: Context, job: str) -> Any:
    view = ctx.queue.get(job)
    return gr.update(choices=[(view.label, job)], value=job)


def _import(ctx: Context, path: str, name: str, base: str | None, hub_id: str) -> tuple[str, str, str]:
    manifest = import_folder(ctx.home, ctx.gate.path(path, "Folder"), name, base or "", hub_id.strip())
    gr.Info(f"{manifest.name} is on the shelf. {manifest.info.get('limits', '')}".strip())
    return "", "", ""


def _row(info: ModelInfo) -> TableRow:
    if info.error:
        return TableRow(info.name, (info.name, f"Damaged. {info.error}", *["—"] * 5))
    cells = (
        info.name, info.described, info.architecture,
        human_count(info.parameters), info.dtype, human_size(info.size), info.created,
    )  # fmt: skip
    return TableRow(info.name, cells)


def _words(info: ModelInfo) -> str:
    return f"{info.name} {info.kind} {info.described} {info.architecture} {info.dtype} {info.error}"


TAB = Tab("models", "Models", 10, build)
