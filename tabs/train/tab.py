"""The Train tab: a form made from the spec, and the run as it goes."""

from typing import Any

import gradio as gr

from tabs.forms.form import Form, beside_fields
from tabs.forms.sections import shown
from tabs.shell.context import Context
from tabs.shell.elements import heading
from tabs.shell.job_panel import LAST, QUIET, job_panel
from tabs.shell.kit import REVEAL, CodeView, Static
from tabs.shell.tab_registry import Tab
from tabs.train.check import training_check
from tabs.train.presets import presets
from tabs.train.rate_finder import finder_button, finder_result
from workbench.jobs.job_file import JOB_FILE, job_yaml
from workbench.training.jobs.find_learning_rate import FindLearningRate
from workbench.training.jobs.train import Train
from workbench.training.objective import OBJECTIVES


def build(ctx: Context) -> None:
    """Left: the form. Right: live plots."""
    found = presets()
    with gr.Row(elem_classes="wb-cols"):
        with gr.Column(elem_classes="wb-panel wb-side", scale=0, min_width=380):
            Static(heading("New run"))
            choices = [(preset["title"], name) for name, preset in found.items()]
            preset = gr.Dropdown(
                choices,
                value=None,
                label="Preset",
                info="Fills the form; change what you like.",
                elem_id="train-preset",
            )
            kinds = {objective.method: list(objective.dataset_kinds) for objective in OBJECTIVES}
            form = Form(
                Train, ctx.choices, first=("model", "dataset"),
                fits={"objective": ("dataset", kinds)}, elem_id="train-form",
            )  # fmt: skip
            check = training_check(ctx, form)
            start = gr.Button("Start training", variant="primary", elem_id="train-start", elem_classes="wb-start")
            search = gr.Button("Find a learning rate", size="sm", elem_id="train-find-rate")
            with gr.Accordion("As YAML, for the command line", open=False):
                show = gr.Button("Write it out", size="sm")
                yaml = CodeView(JOB_FILE, file=JOB_FILE, elem_id="train-yaml")
        with gr.Column(elem_classes="wb-panel wb-main"):
            panel = job_panel(
                ctx, ("train", FindLearningRate.method), "Run",
                ("No run yet", "Loss, learning rate, speed and memory are drawn here while a model learns.",
                 "Choose a model and a dataset on the left, take the preset 'Quick look', press Start."),
            )  # fmt: skip
            finder_result(ctx, form, panel)
    finder_button(ctx, form, panel, search)
    preset.change(
        lambda name, value: form.filled(value, found[name]["settings"]) if name else gr.skip(),
        [preset, form.input], form.input, queue=False, **LAST, **QUIET,
    )  # fmt: skip
    form.input.change(None, form.input, check, js="(settings) => ({ settings })", queue=False, **QUIET)
    check.input(
        lambda value, settings: form.filled(settings, (value or {}).get("fit") or {}),
        [check, form.input], form.input, queue=False, **LAST, **QUIET,
    )  # fmt: skip
    begin = beside_fields(lambda value: shown(ctx, ctx.queue.submit(_job(form, value))), [form])
    started = start.click(begin, form.input, [panel.picker, form.input], **QUIET)
    started.success(None, None, None, js=REVEAL, queue=False, **QUIET)
    write = beside_fields(lambda value: job_yaml(_job(form, value)), [form])
    show.click(write, form.input, [yaml, form.input], **QUIET)
    ctx.links.offer("train", form.input, form.filled)


def _job(form: Form, value: Any) -> Any:
    return form.parsed(value)


TAB = Tab("train", "Train", 30, build)
