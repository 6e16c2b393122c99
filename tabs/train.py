"""The Train tab: a form made from the spec, and the run as it goes."""

from pathlib import Path
from typing import Any

import gradio as gr

from tabs._context import Context, guarded
from tabs._form import Form
from tabs._job_panel import QUIET, job_panel
from tabs._kit import Static, heading
from workbench.jobs.job import JOBS
from workbench.jobs.kinds.train import Train
from workbench.spec import load_yaml
from workbench.training.objective import OBJECTIVES

PRESETS = Path(__file__).parent.parent / "assets" / "presets"
MAIN = [
    "model",
    "dataset",
    "objective",
    "tuner",
    "output",
    "template",
    "max_length",
    "epochs",
    "max_steps",
    "batch_size",
]


def presets() -> dict[str, dict[str, Any]]:
    """The presets by file name: title and settings."""
    return {path.stem: load_yaml(path.read_text("utf-8")) for path in sorted(PRESETS.glob("*.yaml"))}


def build(ctx: Context) -> Form:
    """Left: the form. Right: live plots. Returns the form so that other tabs can fill it."""
    found = presets()
    with gr.Row(elem_classes="wb-cols"):
        with gr.Column(elem_classes="wb-panel wb-side", scale=0, min_width=380):
            Static(heading("New run"))
            choices = [(preset["title"], name) for name, preset in found.items()]
            preset = gr.Dropdown(choices, value=None, label="Preset", info="Fills the form; change what you like.")
            form = Form(
                Train,
                {
                    "model": lambda **options: ctx.picker(ctx.models, elem_id="train-model", first=True, **options),
                    "dataset": lambda **options: ctx.picker(
                        ctx.of_kind("conversation", "text", "preference"),
                        elem_id="train-dataset",
                        first=True,
                        **options,
                    ),
                },
                main=MAIN,
            )
            start = gr.Button("Start training", variant="primary", elem_id="train-start")
            with gr.Accordion("As YAML, for the command line", open=False):
                show = gr.Button("Write it out", size="sm")
                yaml = gr.Code(language="yaml", interactive=False, label="job.yaml")
        with gr.Column(elem_classes="wb-panel wb-main"):
            panel = job_panel(
                ctx, ("train",), "Run",
                ("No run yet", "Loss, learning rate, speed and memory are drawn here while a model learns.",
                 "Choose a model and a dataset on the left, take the preset 'Quick look', press Start."),
            )  # fmt: skip
    preset.change(
        lambda name: [*form.updates(found[name]["settings"]), *form.group_updates(found[name]["settings"])]
        if name
        else [gr.skip()] * (len(form.inputs) + len(form.group_columns)),
        preset, [*form.inputs, *form.group_columns], queue=False, **QUIET,
    )  # fmt: skip
    dataset, objective = form.widget("dataset"), form.widget("objective", "method")
    dataset.change(
        guarded(lambda *chosen: _fitting(ctx, *chosen)), [dataset, objective], objective, queue=False, **QUIET
    )
    start.click(guarded(lambda *values: _start(ctx, form, values)), form.inputs, panel.picker, **QUIET)
    show.click(guarded(lambda *values: _job(form, values).to_yaml()), form.inputs, yaml, **QUIET)
    return form


def _job(form: Form, values: Any) -> Any:
    return JOBS.parse({"method": "train", **form.data(values)})


def _fitting(ctx: Context, dataset: str | None, objective: str) -> Any:
    """The objective that can learn from this dataset: the one chosen if it can, else the first that can."""
    kinds = [kind for label, name in ctx.datasets() if name == dataset for kind in (label.rsplit(" · ", 1)[1],)]
    if not kinds or kinds[0] in OBJECTIVES.get(objective).dataset_kinds:
        return gr.skip()
    fitting = [found.method for found in OBJECTIVES if kinds[0] in found.dataset_kinds]
    return gr.update(value="sft" if "sft" in fitting else fitting[0]) if fitting else gr.skip()


def _start(ctx: Context, form: Form, values: Any) -> Any:
    job = ctx.queue.submit(_job(form, values))
    view = ctx.queue.get(job)
    return gr.update(choices=[(view.label, job)], value=job)
