"""The Compress tab: a ladder of smaller copies, pruning, what it cost, and GGUF files."""

from typing import Any

import gradio as gr

from tabs.compress.panels import gguf_files, pruners, quantize
from tabs.compress.result import SHOWN, result_mark
from tabs.forms.job_tab import JobResult, JobTab, NextStep
from tabs.forms.sections import Part
from tabs.shell.context import Context
from tabs.shell.elements import hint
from tabs.shell.tab_registry import Tab
from workbench.core.hardware import cached_hardware
from workbench.core.home import free_name
from workbench.jobs.view import JobRecord


def _to_compare(_: Context, __: JobRecord, found: JobResult) -> list[str]:
    """The original and what was made of it, as many as can answer side by side."""
    return [name for name in dict.fromkeys([found.original, *found.models]) if name][:4]


def _to_train(ctx: Context, _: JobRecord, found: JobResult) -> dict[str, Any]:
    """Settings by which a pruned model learns from its original; zeros stay where all weights learn."""
    model = found.models[0]
    objective = {"method": "distill", "teacher": found.original, "learning_rate": 5e-5 if found.tuner else 2e-4}
    gr.Info(f"{model} will learn from {found.original}. Choose a dataset like what it is used for, then start.")
    return {
        "model": model, "output": free_name(ctx.home.models, f"{model}-healed"), "objective": objective,
        "tuner": {"method": found.tuner or "lora"},
    }  # fmt: skip


COMPRESS = JobTab(
    "compress",
    parts=(
        Part("quantize", 10, quantize, "Quantize"),
        Part("prune", 21, pruners),
        Part("gguf", 40, gguf_files, "GGUF files"),
    ),
    empty=(
        "Nothing compressed yet", "Progress and log appear here, then the sizes and what they cost.",
        "Tick quantizers on the left, press Quantize.",
    ),
    nothing=hint("What a run made is shown here with its real sizes; what it cost, as a table and figures."),
    shown=SHOWN,
    steps=(
        NextStep("Chat beside the original", "to-chat", "compare", _to_compare),
        NextStep("What did it cost?", "to-cost", "cost",
                 lambda ctx, view, found: {"original": found.original, "variants": found.models}, always=False),
        NextStep("Heal in Train", "to-heal", "train", _to_train, always=False),
    ),
    mark=result_mark,
)  # fmt: skip


def _build(ctx: Context) -> None:
    machine = cached_hardware(ctx.home)
    gigabytes = round((machine.memory or machine.ram) / 1e9, 1)
    COMPRESS.build(
        ctx,
        lambda: gr.Number(
            gigabytes, label="Memory for the model (GB)", minimum=0, visible=False, interactive=True,
            elem_id="cost-memory",
        ),
    )  # fmt: skip


TAB = Tab("compress", "Compress", 50, _build)
