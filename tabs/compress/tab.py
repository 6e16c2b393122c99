"""The Compress tab: a ladder of smaller copies, pruning, what it cost, and GGUF files."""

from dataclasses import dataclass
from functools import partial
from typing import Any

import gradio as gr

from tabs.compress.panels import gguf_files, pruners, quantize
from tabs.compress.result import Found, found_of, mark_of, nothing
from tabs.forms.sections import Part, kinds_of, sections
from tabs.shell.context import Context
from tabs.shell.elements import heading
from tabs.shell.job_panel import JobPanel, job_panel
from tabs.shell.kit import Static
from tabs.shell.result_panel import Drawn, result_panel, view_of
from tabs.shell.tab_registry import Tab
from workbench.core.errors import UserError
from workbench.core.hardware import cached_hardware
from workbench.core.home import free_name

PARTS = (
    Part("quantize", 10, quantize, "Quantize"),
    Part("prune", 21, pruners),
    Part("gguf", 40, gguf_files, "GGUF files"),
)
"""Beside the forms of the kinds of job, see their `page`."""


@dataclass
class Buttons:
    """What can be done with what a job made."""

    chat: gr.Button
    cost: gr.Button
    heal: gr.Button


def build(ctx: Context) -> None:
    """Left: ways of making a model smaller. Right: the job, then what it made or found."""
    with gr.Row(elem_classes="wb-cols is-merge"):
        with gr.Column(elem_classes="wb-panel"):
            left = gr.Column()
        with gr.Column(elem_classes="wb-main"):
            with gr.Column(elem_classes="wb-panel"):
                panel = job_panel(
                    ctx, kinds_of("compress"), "Run",
                    ("Nothing compressed yet", "Progress and log appear here, then the sizes and what they cost.",
                     "Tick quantizers on the left, press Quantize."),
                )  # fmt: skip
            with gr.Column(elem_classes="wb-panel"):
                buttons = _result(ctx, panel)
    with left:
        sections(ctx, "compress", panel, PARTS, "compress-tabs")
    for button, name, data in (
        (buttons.chat, "compare", _to_compare),
        (buttons.cost, "cost", _to_cost),
        (buttons.heal, "train", _to_train),
    ):
        ctx.links.on(button.click, name, partial(data, ctx), [panel.picker])


def _to_compare(ctx: Context, job: str | None) -> list[str]:
    """The original and what was made of it, as many as can answer side by side."""
    found = _made(ctx, job)
    return [name for name in dict.fromkeys([found.original, *found.models]) if name][:4]


def _to_cost(ctx: Context, job: str | None) -> dict[str, Any]:
    found = _made(ctx, job)
    return {"original": found.original, "variants": found.models}


def _to_train(ctx: Context, job: str | None) -> dict[str, Any]:
    """Settings by which a pruned model learns from its original; zeros stay where all weights learn."""
    found = _made(ctx, job)
    model = found.models[0]
    objective = {"method": "distill", "teacher": found.original, "learning_rate": 5e-5 if found.tuner else 2e-4}
    gr.Info(f"{model} will learn from {found.original}. Choose a dataset like what it is used for, then start.")
    return {
        "model": model, "output": free_name(ctx.home.models, f"{model}-healed"), "objective": objective,
        "tuner": {"method": found.tuner or "lora"},
    }  # fmt: skip


def _made(ctx: Context, job: str | None) -> Found:
    found = _found(ctx, job, None)
    if not found.models:
        raise UserError("This job has put nothing on the shelf.", "Choose one that is done.", "Run")
    return found


# ---- result ------------------------------------------------------------------------------------------------


def _result(ctx: Context, panel: JobPanel) -> Buttons:
    """Tables and figures of the job chosen, and where to go with what it made."""
    with gr.Row(equal_height=True, elem_classes="wb-toolbar"):
        Static(heading("Result"))
        hidden: dict[str, Any] = {"size": "sm", "visible": False}
        buttons = Buttons(
            gr.Button("Chat beside the original", variant="primary", elem_id="to-chat", **hidden),
            gr.Button("What did it cost?", elem_id="to-cost", **hidden),
            gr.Button("Heal in Train", elem_id="to-heal", **hidden),
        )
    machine = cached_hardware(ctx.home)
    memory = gr.Number(
        round((machine.memory or machine.ram) / 1e9, 1), label="Memory for the model (GB)", minimum=0, visible=False,
        interactive=True, elem_id="cost-memory",
    )  # fmt: skip

    def draw(job: str | None, gigabytes: float | None) -> Drawn:
        found = _found(ctx, job, gigabytes)
        visible = [found.asks_memory, bool(found.models), found.can_cost, found.can_heal]
        return Drawn(found.html, found.figures, [gr.update(visible=flag) for flag in visible])

    more = [memory, buttons.chat, buttons.cost, buttons.heal]
    result_panel(ctx, panel, "compress", nothing(), draw, lambda job: mark_of(ctx, job), more, [memory])
    return buttons


def _found(ctx: Context, job: str | None, gigabytes: float | None) -> Found:
    view = view_of(ctx, job)
    return found_of(ctx.home, view, gigabytes) if view else Found()


TAB = Tab("compress", "Compress", 50, build)
