"""The Compress tab: a ladder of smaller copies, pruning, what it cost, and GGUF files."""

from dataclasses import dataclass
from typing import Any

import gradio as gr

from tabs.compress import panels as parts
from tabs.compress.result import Found, found_of, mark_of, nothing
from tabs.forms.form import Form
from tabs.shell.context import Context, guarded
from tabs.shell.job_panel import QUIET, JobPanel, job_panel
from tabs.shell.kit import Static, heading
from tabs.shell.result_panel import Drawn, result_panel, view_of
from workbench.core.errors import UserError
from workbench.core.hardware import known
from workbench.core.home import free_name

KINDS = ("quantize", "prune", "cost", "parity", "import-gguf", "push-gguf")


@dataclass
class CompressTab:
    """What the wiring to other tabs needs: the job shown, and the button that leads there."""

    panel: JobPanel
    chat: gr.Button


@dataclass
class Buttons:
    """What can be done with what a job made."""

    chat: gr.Button
    cost: gr.Button
    heal: gr.Button


def build(ctx: Context, train: Form, train_extra: list[Any]) -> CompressTab:
    """Left: ways of making a model smaller. Right: the job, then what it made or found. `train` is filled to heal."""
    with gr.Row(elem_classes="wb-cols is-merge"):
        with gr.Column(elem_classes="wb-panel"):
            left = gr.Column()
        with gr.Column(elem_classes="wb-main"):
            with gr.Column(elem_classes="wb-panel"):
                panel = job_panel(
                    ctx, KINDS, "Run",
                    ("Nothing compressed yet", "Progress and log appear here, then the sizes and what they cost.",
                     "Tick quantizers on the left, press Quantize."),
                )  # fmt: skip
            with gr.Column(elem_classes="wb-panel"):
                buttons = _result(ctx, panel)
    with left, gr.Tabs(elem_classes="wb-subtabs", elem_id="compress-tabs") as tabs:
        with gr.Tab("Quantize", id="quantize"):
            parts.quantize(ctx, panel)
        with gr.Tab("Prune", id="prune"):
            parts.prune(ctx, panel)
        with gr.Tab("What it cost", id="cost"):
            cost = parts.cost(ctx, panel)
        with gr.Tab("GGUF files", id="gguf"):
            parts.gguf_files(ctx, panel)
    buttons.cost.click(
        guarded(lambda job, value: _to_cost(ctx, job, cost, value)), [panel.picker, cost.input], [cost.input, tabs],
        **QUIET,
    )  # fmt: skip
    buttons.heal.click(
        guarded(lambda job, value: _to_train(ctx, job, train, value)), [panel.picker, train.input],
        [train.input, *train_extra], **QUIET,
    )  # fmt: skip
    return CompressTab(panel, buttons.chat)


def connect(ctx: Context, tab: CompressTab, compare: gr.Dropdown, tabs: gr.Tabs) -> None:
    """Wires the button that fills the Compare tab, once that is built."""

    def fill(job: str | None) -> tuple[Any, Any]:
        found = _made(ctx, job)
        chosen = list(dict.fromkeys([found.original, *found.models]))[:4]
        return gr.update(value=[name for name in chosen if name], choices=ctx.answering()), gr.Tabs(selected="compare")

    tab.chat.click(guarded(fill), tab.panel.picker, [compare, tabs], **QUIET)


def _to_cost(ctx: Context, job: str | None, cost: Form, value: Any) -> tuple[Any, Any]:
    found = _made(ctx, job)
    return cost.filled(value, {"original": found.original, "variants": found.models}), gr.Tabs(selected="cost")


def _to_train(ctx: Context, job: str | None, train: Form, value: Any) -> tuple[Any, Any]:
    """Fills the Train form so that a pruned model learns from its original; zeros stay where all weights learn."""
    found = _made(ctx, job)
    model = found.models[0]
    objective = {"method": "distill", "teacher": found.original, "learning_rate": 5e-5 if found.tuner else 2e-4}
    settings: dict[str, Any] = {
        "model": model, "output": free_name(ctx.home.models, f"{model}-healed"), "objective": objective,
        "tuner": {"method": found.tuner or "lora"},
    }  # fmt: skip
    gr.Info(f"{model} will learn from {found.original}. Choose a dataset like what it is used for, then start.")
    return train.filled(value, settings), gr.Tabs(selected="train")


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
    machine = known(ctx.home)
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
