"""One model of the shelf: what it is, and its next steps as buttons."""

from typing import Any

import gradio as gr
from markupsafe import Markup

from tabs.shell.context import Context, guarded
from tabs.shell.deletion import CONFIRM_DELETION, question_before
from tabs.shell.elements import empty, error_box, facts, hint, render_html
from tabs.shell.job_panel import LAST, QUIET
from tabs.shell.kit import CodeView, Static
from tabs.shell.notes_panel import notes_panel
from workbench.core.errors import UserError
from workbench.core.home import free_name
from workbench.core.limits import bounded_text
from workbench.core.lineage import MANIFEST
from workbench.core.units import human_count, human_size
from workbench.inventory.verdicts import refuse_needed
from workbench.jobs.job import JOBS
from workbench.models.model_names import model_folder
from workbench.models.shelf import ModelInfo, delete_model

NOTHING = ("No model chosen", "What it is, where it came from, and what can be done with it.", "Click a row above.")


def model_details(ctx: Context, table: gr.HTML) -> None:
    """Draws it; a row of `table` that is clicked becomes the model shown."""
    model = ctx.picker(ctx.shelved_models, shown_empty=False, label="Model", value=None, elem_id="shelf-model")
    words = Static(empty(*NOTHING), elem_id="model-facts")
    notes_panel(ctx, "model", model)
    with gr.Row(elem_classes="wb-toolbar"):
        steps = {
            "chat": gr.Button("Chat", size="sm", visible=False, min_width=70, elem_id="model-chat"),
            "train": gr.Button("Fine-tune", size="sm", visible=False, min_width=90, elem_id="model-train"),
            "compress": gr.Button("Compress", size="sm", visible=False, min_width=90, elem_id="model-compress"),
            "label": gr.Button("Compare blind", size="sm", visible=False, min_width=110, elem_id="model-label"),
            "tree": gr.Button("Family tree", size="sm", visible=False, min_width=100, elem_id="model-tree"),
            "fold": gr.Button("Fold into base", size="sm", visible=False, min_width=110, elem_id="model-fold"),
            "delete": gr.Button(
                "Delete", size="sm", visible=False, variant="stop", min_width=70, elem_id="delete-model"
            ),
        }
    question = gr.Textbox(visible=False)
    with gr.Accordion("Manifest", open=False, visible=False) as fold:
        manifest = CodeView(MANIFEST, file=MANIFEST, elem_id="model-manifest")

    def draw(name: str | None) -> list[Any]:
        info = _info(ctx, name)
        shown = [gr.update(visible=step in _possible(info)) for step in steps]
        written = bounded_text(model_folder(ctx.home, info.name) / MANIFEST) if info and not info.error else ""
        asked = question_before(ctx, "model", info.name) if info else ""
        return [_words(info), *shown, gr.update(visible=bool(written)), written, asked]

    outputs = [words, *steps.values(), fold, manifest, question]
    model.change(guarded(draw), model, outputs, queue=False, **QUIET)
    table.input(
        guarded(lambda clicked: gr.update(value=(clicked or {}).get("key"), choices=ctx.shelved_models())),
        table, model, queue=False, **LAST, **QUIET,
    )  # fmt: skip
    _wire(ctx, model, question, steps)
    ctx.links.offer("model", model, lambda _, name: gr.update(value=name, choices=ctx.shelved_models()))


def _wire(ctx: Context, model: gr.Dropdown, question: gr.Textbox, steps: dict[str, gr.Button]) -> None:
    ctx.links.on(steps["chat"].click, "compare", lambda name: [name], [model])
    ctx.links.on(steps["train"].click, "train", lambda name: _to_train(ctx, name), [model])
    ctx.links.on(steps["compress"].click, "quantize", lambda name: {"model": name}, [model])
    ctx.links.on(steps["label"].click, "label", lambda name: {"models": _with_base(ctx, name)}, [model])
    ctx.links.on(steps["tree"].click, "family-tree", lambda name: name, [model])
    steps["fold"].click(guarded(lambda name: _fold(ctx, name)), model, None, **QUIET)
    steps["delete"].click(
        guarded(lambda name, _: _delete(ctx, name)), [model, question], model, js=CONFIRM_DELETION, **QUIET
    )  # fmt: skip


def _info(ctx: Context, name: str | None) -> ModelInfo | None:
    """The row of the shelf by this name, a damaged one included; None when there is none."""
    return next((info for info in ctx.infos() if info.name == name), None) if name else None


def _possible(info: ModelInfo | None) -> set[str]:
    """The steps that make sense for a model of this kind."""
    if info is None:
        return set()
    if info.error:
        return {"delete"}
    possible = {"delete"}
    if info.generates:
        possible |= {"chat", "label"}
    if info.generates and info.has_weights:
        possible |= {"train", "compress", "tree"}
    return possible | ({"fold"} if info.is_adapter else set())


def _words(info: ModelInfo | None) -> Markup:
    if info is None:
        return empty(*NOTHING)
    if info.error:
        return error_box(f"{info.name} is damaged: {info.error}", "Delete it, then import or make it again.")
    rows: list[tuple[str, object]] = [
        ("Kind", info.described),
        ("Architecture", info.architecture),
        ("Size", f"{human_count(info.parameters)} parameters, {info.dtype}, {human_size(info.size)}"),
        *([("RoPE scaling", info.scaling)] if info.scaling else []),
        ("Made by", info.made_by or "not said"),
    ]
    if info.parents:
        rows.append(("From", ", ".join(info.parents)))
    without_chat = hint("It answers no prompts, so there is nothing to chat with or to vote on.")
    return render_html(facts(rows), None if info.generates else without_chat)


def _to_train(ctx: Context, name: str | None) -> dict[str, Any]:
    """The settings of the Train form; the output gets a free name, since that of another model may stand there."""
    return {"model": name, "output": free_name(ctx.home.models, f"{name}-tuned")}


def _with_base(ctx: Context, name: str | None) -> list[str]:
    """The model and what it came from, where that can answer too: the two are what one compares."""
    info, answering = _info(ctx, name), {model for _, model in ctx.answering()}
    parents = [parent for parent in (info.parents if info else []) if parent in answering]
    return [name or "", *parents[:1]]


def _fold(ctx: Context, name: str | None) -> None:
    ctx.queue.submit(JOBS.parse({"method": "fold-adapter", "adapter": name or ""}))
    gr.Info("Queued: the whole model appears on the shelf when it is done.")


def _delete(ctx: Context, name: str | None) -> Any:
    if not name:
        raise UserError("Nothing was deleted.", "Choose a model and confirm.", "model")
    refuse_needed(ctx.home, ctx.queue, "model", name)
    delete_model(ctx.home, name)
    return gr.update(value=None)
